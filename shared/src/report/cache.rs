//! Reading the table, a page at a time, and keeping what was read.
//!
//! A table can have more rows than one request has time for. So requests share one reader: each
//! drives it for a few seconds at most and answers with what is there, and the next one goes on from
//! there. Rows are read from the newest start down, and the next page is asked for by the row the
//! last one ended at: rows that come or go meanwhile can neither hide others nor double them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Visit;
use super::row::{Row, Texts};
use super::view::{Part, Pieces, ReadTo, View, append, trim};
use crate::clock::Lasting;
use crate::session::Limits;
use crate::store::{
    After, DEFAULT_RETRY_AFTER, LARGEST_PAGE, Listing, Order, SessionPage, Starts, Store,
    StoreError,
};
use crate::timestamp::Timestamp;

/// For how long one request reads, and for how long one waits for another that does.
const DRIVE: Duration = Duration::from_secs(5);
/// What has begun by then may take this much longer: a store may be slow without being down.
const GRACE: Duration = Duration::from_secs(5);
/// Rows that can still change are read again when they are this old, in seconds.
const RECENT_AGE: u64 = 5;
/// The others, which only an owner's hand and deletion change; sooner where there are more or fewer
/// of them.
const OLDER_AGE: u64 = 600;
/// A session can change for its lifetime, and its row this much longer: late snapshots are folded in
/// as long as the cookie lives.
const LATE: u64 = 86_400;
/// Reading that has rested for longer, in seconds, starts from the top again: what came in
/// meanwhile stands above it.
const RESTED: u64 = 60;

/// What has been read of one table, shared by all requests of a process.
#[derive(Default)]
pub struct Cache {
    reader: Mutex<Reader>,
    view: RwLock<View>,
    /// How often this process has changed rows by itself.
    changes: AtomicU64,
}

/// Nothing is known, and the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// When asking again may help.
    pub retry_after: Duration,
}

/// What is known now.
#[derive(Clone, Debug)]
pub struct Known {
    /// The rows.
    pub view: View,
    /// The store did not answer, so there is nothing newer.
    pub failed: Option<Unavailable>,
}

impl Cache {
    /// What is known of the table at `now`, after reading what is missing or too old, as far as
    /// there is time: a page at a time, with a pause between two.
    ///
    /// # Errors
    /// [`Unavailable`] where nothing has ever been read and nothing can be.
    pub async fn know(
        &self,
        store: &dyn Store,
        pause: Duration,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Known, Unavailable> {
        let failed = match timeout(DRIVE, self.reader.lock()).await {
            Ok(mut reader) => {
                let task = Task {
                    store,
                    pause,
                    limits,
                    keeps_changing: limits.lifetime.saturating_add(LATE),
                    now,
                    changes: self.changes.load(Ordering::Acquire),
                };
                reader.drive(&task, &self.view).await.err()
            }
            // Somebody else is still reading.
            Err(_) => None,
        };
        let view = self.view().clone();
        match failed {
            Some(unavailable) if view.is_empty() => Err(unavailable),
            None if view.is_empty() => Err(Unavailable {
                retry_after: DEFAULT_RETRY_AFTER,
            }),
            failed => Ok(Known { view, failed }),
        }
    }

    /// Rows were changed: what can still change is read again before it is next shown.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn view(&self) -> std::sync::RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request asks of the reader.
struct Task<'a> {
    store: &'a dyn Store,
    pause: Duration,
    limits: &'a Limits,
    /// For how long after its start a row can change, in seconds.
    keeps_changing: u64,
    now: Timestamp,
    changes: u64,
}

/// Where reading stands.
#[derive(Default)]
struct Reader {
    texts: Texts,
    view: View,
    /// How often rows had been changed when the recent ones were last read.
    recent_changes: u64,
    recent: Option<Sweep>,
    older: Option<Older>,
    /// How many older rows there were when they were last read.
    older_count: u64,
    /// The recent rows have been read since the older ones were last counted.
    is_count_due: bool,
    /// There are more or fewer older rows than were read.
    has_count_changed: bool,
    /// Both are due, and this one's turn it is.
    is_olders_turn: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Recent,
    Older,
    Count,
}

impl Reader {
    async fn drive(&mut self, task: &Task<'_>, shared: &RwLock<View>) -> Result<(), Unavailable> {
        let started = Instant::now();
        let (last_begin, end) = (started + DRIVE, started + DRIVE + GRACE);
        while let Some(step) = self.next(task) {
            let done = match timeout_at(end, self.take(step, task)).await {
                Ok(done) => done,
                Err(_) => Err(StoreError::Stopped),
            };
            *shared.write().unwrap_or_else(PoisonError::into_inner) = self.view.clone();
            if let Err(error) = done {
                tracing::error!(error = error.to_string(), "sessions could not be listed");
                return Err(Unavailable {
                    retry_after: error.retry_after(),
                });
            }
            if self.next(task).is_none() || Instant::now() + task.pause >= last_begin {
                break;
            }
            sleep(task.pause).await;
        }
        Ok(())
    }

    fn next(&self, task: &Task<'_>) -> Option<Step> {
        let is_old = |part: &Part, age: u64| match part.as_of {
            None => true,
            Some(as_of) => task.now.since(as_of) >= age || as_of.since(task.now) > age,
        };
        let is_older_due = self.has_count_changed || is_old(&self.view.older, OLDER_AGE);
        if self.older.is_none() && (!self.has_begun() || is_older_due) {
            return Some(Step::Begin);
        }
        let recent = !self.view.recent.is_complete
            || self.recent.is_some()
            || is_old(&self.view.recent, RECENT_AGE)
            || self.recent_changes != task.changes;
        match (recent, self.older.is_some()) {
            (false, false) => self.is_count_due.then_some(Step::Count),
            (true, true) if self.view.recent.is_complete && self.is_olders_turn => {
                Some(Step::Older)
            }
            (true, _) => Some(Step::Recent),
            (false, true) => Some(Step::Older),
        }
    }

    fn has_begun(&self) -> bool {
        self.view.stored.is_some()
    }

    /// Takes one step. Where it is given up half-way, nothing is lost: what waits for the store comes
    /// before what changes.
    async fn take(&mut self, step: Step, task: &Task<'_>) -> Result<(), StoreError> {
        match step {
            Step::Begin => self.begin(task).await,
            Step::Recent => {
                self.is_olders_turn = true;
                self.read_recent(task).await
            }
            Step::Older => {
                self.is_olders_turn = false;
                self.read_older(task).await
            }
            Step::Count => {
                let counted = task.store.count(older_than(self.view.boundary)).await?;
                self.is_count_due = false;
                self.has_count_changed = counted != self.older_count;
                Ok(())
            }
        }
    }

    /// Counts the rows, and reads those without a start, which no range holds.
    async fn begin(&mut self, task: &Task<'_>) -> Result<(), StoreError> {
        let stored = task.store.count(Starts::All).await?;
        let (mut startless, mut after) = (Vec::new(), None);
        loop {
            sleep(task.pause).await;
            let listing = listing(Starts::Missing);
            let page = task.store.list(&listing, after.as_ref()).await?;
            after.clone_from(&page.rest);
            startless.extend(rows(page, task, &mut self.texts));
            if after.is_none() {
                break;
            }
        }
        startless.sort_by(|a: &Row, b| a.place().cmp(&b.place()));
        startless.dedup_by(|a, b| a.place() == b.place());
        let boundary = task.now.minus(task.keeps_changing);
        if !self.has_begun() {
            self.view.boundary = boundary;
            self.view.startless = startless.clone().into();
        }
        self.view.stored = Some(stored);
        self.has_count_changed = false;
        self.older = Some(Older {
            sweep: Sweep::new(None, Some(boundary), task),
            boundary,
            startless,
            is_again: false,
        });
        Ok(())
    }

    async fn read_recent(&mut self, task: &Task<'_>) -> Result<(), StoreError> {
        if (self.recent.as_ref())
            .is_some_and(|sweep| !Lasting::new(sweep.last_step, RESTED + 1).is_on(task.now))
        {
            self.recent = None;
        }
        let boundary = self.view.boundary;
        let sweep = (self.recent).get_or_insert_with(|| Sweep::new(Some(boundary), None, task));
        let page = sweep.page(task).await?;
        let rest = page.rest.clone();
        let is_done = sweep.add(rows(page, task, &mut self.texts), rest, task.now);
        if is_done || !self.view.recent.is_complete {
            let mut pieces = sweep.pieces.clone();
            // Older rows may have been read anew since, up to a later boundary.
            trim(&mut pieces, boundary);
            self.view.recent = Part {
                pieces,
                as_of: Some(sweep.began),
                is_complete: is_done,
            };
            self.view.read_to = match (is_done, self.view.read_to) {
                (false, _) => sweep.read_to(),
                (true, _) if self.view.older.is_complete => ReadTo::End,
                (true, ReadTo::DownTo(start)) => ReadTo::DownTo(start.min(boundary)),
                (true, _) => ReadTo::DownTo(boundary),
            };
        }
        if is_done {
            self.recent_changes = sweep.changes;
            self.recent = None;
            self.is_count_due = true;
            self.view.find_moved();
        }
        Ok(())
    }

    async fn read_older(&mut self, task: &Task<'_>) -> Result<(), StoreError> {
        let Some(older) = &mut self.older else {
            return Ok(());
        };
        if !older.sweep.is_done {
            let page = older.sweep.page(task).await?;
            let rest = page.rest.clone();
            let rows = rows(page, task, &mut self.texts);
            let is_done = older.sweep.add(rows, rest, task.now);
            if !self.view.older.is_complete && !older.is_again {
                self.view.older.pieces.clone_from(&older.sweep.pieces);
                self.view.older.as_of = Some(older.sweep.began);
                if let ReadTo::DownTo(start) = older.sweep.read_to() {
                    self.view.read_to = ReadTo::DownTo(start);
                }
            }
            if !is_done {
                return Ok(());
            }
            sleep(task.pause).await;
        }
        let counted = task.store.count(older_than(older.boundary)).await?;
        let read: usize = older.sweep.pieces.iter().map(|piece| piece.len()).sum();
        if counted != read as u64 && !older.is_again {
            tracing::info!(counted, read, "rows came or went while they were read");
            older.sweep = Sweep::new(None, Some(older.boundary), task);
            older.is_again = true;
            return Ok(());
        }
        self.view.older = Part {
            pieces: std::mem::take(&mut older.sweep.pieces),
            as_of: Some(older.sweep.began),
            is_complete: true,
        };
        self.view.startless = std::mem::take(&mut older.startless).into();
        self.view.boundary = older.boundary;
        trim(&mut self.view.recent.pieces, older.boundary);
        self.view.read_to = ReadTo::End;
        self.view.find_moved();
        self.older_count = counted;
        self.is_count_due = false;
        self.older = None;
        self.texts.forget_unused();
        Ok(())
    }
}

fn rows(page: SessionPage, task: &Task<'_>, texts: &mut Texts) -> Vec<Row> {
    let sessions = page.told(task.limits);
    sessions.map(|session| Row::new(&session, texts)).collect()
}

/// Reading the older rows once.
struct Older {
    sweep: Sweep,
    boundary: Timestamp,
    startless: Vec<Row>,
    /// The first time, the rows read and the rows counted were not as many.
    is_again: bool,
}

/// Reading a range from its newest row down.
struct Sweep {
    range: Starts,
    /// Behind what has been read.
    after: Option<After>,
    /// Rows of the second that the last page ended in: the rest of them is on the next one.
    of_last_second: Vec<Row>,
    pieces: Pieces,
    began: Timestamp,
    last_step: Timestamp,
    changes: u64,
    is_done: bool,
}

impl Sweep {
    const fn new(from: Option<Timestamp>, before: Option<Timestamp>, task: &Task<'_>) -> Self {
        Self {
            range: Starts::Between { from, before },
            after: None,
            of_last_second: Vec::new(),
            pieces: Vec::new(),
            began: task.now,
            last_step: task.now,
            changes: task.changes,
            is_done: false,
        }
    }

    async fn page(&self, task: &Task<'_>) -> Result<SessionPage, StoreError> {
        let listing = listing(self.range);
        task.store.list(&listing, self.after.as_ref()).await
    }

    /// Adds a page, and says whether it was the last one.
    fn add(&mut self, rows: Vec<Row>, rest: Option<After>, now: Timestamp) -> bool {
        self.last_step = now;
        self.is_done = rest.is_none();
        self.after = rest;
        let mut whole = std::mem::take(&mut self.of_last_second);
        whole.extend(rows);
        if let Some(last) = whole.last().map(Row::start).filter(|_| !self.is_done) {
            self.of_last_second = whole.extract_if(.., |row| row.start() == last).collect();
        }
        append(&mut self.pieces, whole);
        self.is_done
    }

    fn read_to(&self) -> ReadTo {
        match self.of_last_second.last() {
            Some(row) => ReadTo::DownTo(row.start().plus(1)),
            None => ReadTo::Nothing,
        }
    }
}

const fn older_than(boundary: Timestamp) -> Starts {
    Starts::Between {
        from: None,
        before: Some(boundary),
    }
}

fn listing(starts: Starts) -> Listing {
    Listing {
        email: None,
        starts,
        order: Order::NewestFirst,
        page_size: LARGEST_PAGE,
    }
}

#[cfg(test)]
mod tests;
