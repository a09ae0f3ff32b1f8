//! Empties the queue behind the store: takes what is due, folds it by session, reads the rows, and
//! writes what they do not say yet, many rows to a request and so many requests a second.
//!
//! An entry leaves the queue when its row says all of it, and not before: whatever stops this in the
//! middle, the rest comes again, and what was written already is not written twice. A row is read
//! before it is written, so that nothing in it is ever taken back.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::audit;
use shared::email::EmailRules;
use shared::nocodb;
use shared::queue::{
    Board, EVERY_SECONDS, EndedSessions, Entry, Key, Notice, Queue, QueueError, QueuedEnding,
    Waiting, folded,
};
use shared::session::{EndReason, Ending, Limits, RecordId, Session};
use shared::store::{Change, PAGE_SIZE, Rows, Store, StoreError};
use shared::timestamp::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

mod budget;
mod others;
mod refusals;

pub use budget::Budget;

/// Entries in one step: what a sandbox has room for many times over.
const MOST_AT_ONCE: usize = 10_000;
/// Rows that are asked for together. A store gives as many of them as it likes.
const ROWS_AT_ONCE: usize = 500;
/// Rows that one request writes, of those that another one reads: where a server gives a hundred rows at
/// once, as NocoDB's cloud does. What a run sees replaces it.
const ROWS_PER_REQUEST: usize = PAGE_SIZE as usize / 2;
/// How long nothing is tried after the store was away, where it does not say.
const AWAY: Duration = Duration::from_secs(10);

/// What is taken has to be written before the end of the time, also where NocoDB is slower than its budget.
const MARGIN: Duration = Duration::from_secs(2);
/// A request that is under way at the end of the time may take so long.
const GRACE: Duration = Duration::from_secs(3);
/// What a step has taken, nobody else has: the shorter it is, the sooner an outage is noticed.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// Between two looks at an empty queue.
const PAUSE: Duration = Duration::from_secs(2);
/// Until an entry is tried again whose column refuses a value: as long as the owner takes to put it right.
const POSTPONED_SECONDS: u64 = 60;
/// Time for a request and the pauses around it.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// What became of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Entries that were taken.
    pub taken: usize,
    /// Sessions that they were of.
    pub sessions: usize,
    /// Rows that were changed.
    pub rows: usize,
    /// Entries that the store refuses.
    pub refused: usize,
    /// Sessions whose row is gone: whoever deleted it wants its visitor out.
    pub deleted: Vec<Key>,
    /// The store is away: when trying again may help.
    pub away: Option<Duration>,
}

/// What empties the queue.
pub struct Writer<'a> {
    /// From there.
    pub queue: &'a dyn Queue,
    /// To there.
    pub store: &'a dyn Store,
    /// When sessions end by themselves.
    pub limits: &'a Limits,
    /// Who may come in: whoever may not any more loses a running session, which in batched mode only
    /// shows here.
    pub rules: &'a EmailRules,
    /// How fast.
    pub budget: &'a Budget,
    /// Where it posts what the store tells of endings, in batched mode on AWS.
    pub board: Option<&'a dyn Board>,
    /// What else this process does knows by this which sessions were ended.
    pub ended: Option<&'a EndedSessions>,
}

/// Of two that step beside each other, one takes at a time, so that a session's entries are not dealt out
/// among them; and one writes at a time, so that a row is not read by one while the other writes it.
#[derive(Default)]
struct Turns {
    /// With when the budget is spent by what was taken before.
    take: Mutex<Option<Instant>>,
    write: Mutex<()>,
    /// Sessions whose rows are gone, to be told with the next endings.
    deleted: std::sync::Mutex<Vec<Key>>,
    /// Rows that were read and written, by the requests they took; 0 before the first ones.
    rows_per_request: AtomicUsize,
}

/// How far the writing of some entries came.
#[derive(Default)]
struct Progress {
    done: HashSet<Key>,
    deleted: Vec<Key>,
    /// With the store's reason.
    refused: HashMap<Key, String>,
    /// Written but for a value that its column refuses.
    postponed: HashSet<Key>,
    /// Written, with an ending that the visitor's other sessions still have to be given.
    others: Vec<(Session, QueuedEnding, Key)>,
    rows: usize,
}

impl Writer<'_> {
    /// Step after step, until nothing is due, the store is away, or the time is over. `clock` tells the
    /// time at each step.
    ///
    /// # Errors
    /// [`QueueError`]; what was taken comes again.
    pub async fn run(
        &self,
        time: Duration,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), QueueError> {
        let end = Instant::now() + time;
        let turns = Turns::default();
        // While one writes, the other takes and lets go: NocoDB's budget waits for nobody.
        let (one, other, ()) = tokio::join!(
            self.steps(end, &clock, &turns),
            self.steps(end, &clock, &turns),
            self.post_until(end, &clock, &turns),
        );
        one.and(other)
    }

    async fn steps(
        &self,
        end: Instant,
        clock: &impl Fn() -> Timestamp,
        turns: &Turns,
    ) -> Result<(), QueueError> {
        loop {
            let Some(step) = self.step_until(end, clock(), turns).await? else {
                return Ok(());
            };
            lock(&turns.deleted).extend(step.deleted);
            if step.away.is_some() {
                return Ok(());
            }
            if step.taken == 0 {
                // Where others wait to be told of endings, it is there anyway.
                if self.board.is_none() {
                    return Ok(());
                }
                sleep(PAUSE).await;
            }
        }
    }

    async fn post_until(&self, end: Instant, clock: &impl Fn() -> Timestamp, turns: &Turns) {
        if self.board.is_none() {
            return;
        }
        let mut told = None;
        loop {
            let deleted = lock(&turns.deleted).clone();
            self.post_endings(clock(), &deleted, &mut told).await;
            let next = Instant::now() + Duration::from_secs(EVERY_SECONDS);
            if next > end {
                // What was found since is found again with the visitor's next heartbeat.
                return;
            }
            sleep_until(next).await;
        }
    }

    /// Asks the store for endings and posts them. Where that fails, whoever looks goes on with what was
    /// known.
    async fn post_endings(&self, now: Timestamp, deleted: &[Key], told: &mut Option<Notice>) {
        let Some(board) = self.board else {
            return;
        };
        let turn = || self.budget.take();
        let (store, limits) = (self.store, self.limits);
        // All of them with the first question of a run, and with the others what came since.
        let asked = match told {
            Some(told) => told.ask_again(store, limits, now, turn).await,
            None => Notice::ask(store, limits, now, turn).await,
        };
        let posted = match asked {
            Ok(notice) => board
                .post(&told.insert(notice).clone().with_deleted(deleted))
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = posted {
            tracing::error!(error, "endings could not be told to the other functions");
        }
    }

    /// Takes what is due and writes it, as much as fits into `time`.
    ///
    /// # Errors
    /// [`QueueError`]; what was taken comes again.
    pub async fn step(&self, time: Duration, now: Timestamp) -> Result<Step, QueueError> {
        let end = Instant::now() + time;
        let step = self.step_until(end, now, &Turns::default()).await?;
        Ok(step.unwrap_or_default())
    }

    /// `None` where the time that is left is too short.
    async fn step_until(
        &self,
        end: Instant,
        now: Timestamp,
        turns: &Turns,
    ) -> Result<Option<Step>, QueueError> {
        let (entries, waiting) = {
            let mut spent_until = turns.take.lock().await;
            let begin = spent_until.unwrap_or_else(Instant::now).max(Instant::now());
            let time = end
                .saturating_duration_since(begin + MARGIN)
                .min(LONGEST_STEP);
            if time < TOO_SHORT {
                return Ok(None);
            }
            let rows = match turns.rows_per_request.load(Ordering::Relaxed) {
                0 => ROWS_PER_REQUEST,
                seen => seen,
            };
            let fits = self.budget.within(time).saturating_mul(rows);
            let taken = self.queue.take(fits.clamp(1, MOST_AT_ONCE), now).await?;
            let entries = taken.len();
            let waiting = folded(taken);
            *spent_until = Some(begin + time.mul_f64(share(waiting.len(), fits)));
            (entries, waiting)
        };
        if waiting.is_empty() {
            return Ok(Some(Step::default()));
        }
        let mut progress = Progress::default();
        let error = {
            let _turn = turns.write.lock().await;
            let requests = self.budget.taken();
            let all = self.write_all(&waiting, now, &mut progress);
            // What is cut off here comes again by itself.
            let error = timeout_at(end + GRACE, all)
                .await
                .ok()
                .and_then(Result::err);
            let requests = self.budget.taken().saturating_sub(requests);
            if progress.rows >= usize::from(PAGE_SIZE) {
                let seen = progress.rows / requests.max(1);
                turns.rows_per_request.store(seen.max(1), Ordering::Relaxed);
            }
            error
        };
        let done = waiting
            .iter()
            .filter(|one| progress.done.contains(&one.entry.key));
        let done: Vec<_> = done.flat_map(|one| one.receipts.iter().cloned()).collect();
        self.queue.done(&done).await?;
        for one in &waiting {
            if let Some(reason) = progress.refused.get(&one.entry.key) {
                let receipts = &one.receipts;
                self.queue.refuse_because(receipts, reason, now).await?;
            }
        }
        let postponed: Vec<_> = waiting
            .iter()
            .filter(|one| progress.postponed.contains(&one.entry.key))
            .cloned()
            .collect();
        if !postponed.is_empty() {
            let due = now.plus(POSTPONED_SECONDS);
            self.queue.put_back(&postponed, due, now).await?;
        }
        let step = Step {
            taken: entries,
            sessions: waiting.len(),
            rows: progress.rows,
            refused: progress.refused.len(),
            deleted: std::mem::take(&mut progress.deleted),
            away: error.as_ref().map(|error| error.retry_after().max(AWAY)),
        };
        if let Some((error, away)) = error.zip(step.away) {
            tracing::error!(
                error = error.to_string(),
                seconds = away.as_secs(),
                "the queue cannot be written; it is tried again"
            );
            let is_left = |key: &Key| {
                !progress.done.contains(key)
                    && !progress.refused.contains_key(key)
                    && !progress.postponed.contains(key)
            };
            let left: Vec<_> = waiting
                .into_iter()
                .filter(|one| is_left(&one.entry.key))
                .collect();
            let due = now.plus(away.as_secs());
            self.queue.put_back(&left, due, now).await?;
        }
        tracing::info!(
            entries = step.taken,
            sessions = step.sessions,
            rows = step.rows,
            refused = step.refused,
            "the queue was written"
        );
        Ok(Some(step))
    }

    /// Writes all entries, and only then ends other sessions of whoever wanted that: what waited of those
    /// says whether they had fallen idle before.
    async fn write_all(
        &self,
        waiting: &[Waiting],
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        let mut left: Vec<&Waiting> = waiting.iter().collect();
        while !left.is_empty() {
            left = self.write(left, now, progress).await?;
        }
        for (own, ending, key) in std::mem::take(&mut progress.others) {
            let (rows, all_ended) = others::end(self, &own, ending).await?;
            progress.rows += rows;
            if all_ended {
                progress.done.insert(key);
            } else {
                progress.postponed.insert(key);
            }
        }
        Ok(())
    }

    /// Writes some of these entries, of sessions that all differ, and gives back the rest: as many as
    /// rows come with one request. A row is gone where the store was asked for it and says so; what did
    /// not come is asked for again.
    async fn write<'w>(
        &self,
        mut some: Vec<&'w Waiting>,
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<Vec<&'w Waiting>, StoreError> {
        let mut later = some.split_off(some.len().min(ROWS_AT_ONCE));
        let id = |one: &&Waiting| one.entry.key.record.clone();
        let ids: Vec<RecordId> = some.iter().map(id).collect();
        if self.store.everything_is_stale() {
            self.budget.take().await;
            self.store.read_everything().await;
        }
        self.budget.take().await;
        let Rows {
            found,
            left,
            too_large,
            everything_ended,
        } = self.store.rows(&ids).await?;
        if left.len() >= ids.len() {
            let nothing = nocodb::Error::Unreadable(nocodb::Unreadable::WrongShape);
            return Err(StoreError::NocoDb(nothing));
        }
        let rows: HashMap<&RecordId, &Session> = found.iter().map(|row| (&row.id, row)).collect();
        let newest = everything_ended.into_iter().max();
        let (left, too_large): (HashSet<_>, HashSet<_>) =
            (left.iter().collect(), too_large.iter().collect());

        let mut changes = Vec::new();
        for waiting in some {
            let entry = &waiting.entry;
            if left.contains(&entry.key.record) {
                later.push(waiting);
                continue;
            }
            if too_large.contains(&entry.key.record) {
                let reason = "the row is too large to be read, and stays as it is";
                tracing::error!(record = entry.key.record.as_str(), "{reason}");
                progress
                    .refused
                    .insert(entry.key.clone(), reason.to_owned());
                continue;
            }
            // A row that is gone, or another session's: the owner wants no trace of this visit.
            let row = rows.get(&entry.key.record).filter(|row| entry.owns(row));
            let Some(row) = row else {
                progress.done.insert(entry.key.clone());
                progress.deleted.push(entry.key.clone());
                if let Some(ended) = self.ended {
                    let Key { record, start } = &entry.key;
                    ended.remember(record, *start, EndReason::Revoked);
                }
                continue;
            };
            let after = self.after(entry, row, newest, now);
            if let (Some(ended), Some(reason)) = (self.ended, after.end_reason) {
                ended.remember(&row.id, row.start, reason);
            }
            match Change::between(row, &after) {
                Some(change) => changes.push((entry, row, after, change)),
                None => progress.written(entry, after),
            }
        }
        for some in changes.chunks(PAGE_SIZE.into()) {
            let wanted: Vec<_> = some
                .iter()
                .map(|(entry, .., change)| (entry.key.record.clone(), change.clone()))
                .collect();
            let unwritten = self.write_or_split(&wanted).await?;
            for (entry, row, after, _) in some {
                let record = &entry.key.record;
                if let Some((_, reason)) = unwritten.refused.iter().find(|(id, _)| id == record) {
                    progress.refused.insert(entry.key.clone(), reason.clone());
                    continue;
                }
                if unwritten.waits.contains(record) {
                    progress.postponed.insert(entry.key.clone());
                    continue;
                }
                progress.rows += 1;
                if row.end_reason.is_none()
                    && let Some(reason) = after.end_reason
                {
                    audit::ended(&after.id, reason);
                }
                progress.written(entry, after.clone());
            }
        }
        Ok(later)
    }

    /// The row with the entry in it.
    fn after(
        &self,
        entry: &Entry,
        row: &Session,
        everything_ended: Option<Timestamp>,
        now: Timestamp,
    ) -> Session {
        let (closed, _) = row.clone().closed_by(everything_ended);
        let after = entry.applied(&closed);
        if after.end_reason.is_some() || self.rules.permit_text(&row.email) {
            return after;
        }
        let revoked = Ending {
            reason: EndReason::Revoked,
            at: now,
        };
        after.with(&entry.figures, Some(revoked))
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What part one number is of another, at most all of it.
#[expect(clippy::cast_precision_loss, reason = "some thousands are exact")]
fn share(part: usize, whole: usize) -> f64 {
    (part as f64 / whole.max(1) as f64).min(1.0)
}

impl Progress {
    /// The row says all of it. Where this ending is the one that stands, others may have to follow.
    fn written(&mut self, entry: &Entry, after: Session) {
        let stands = |ending: &QueuedEnding| {
            (after.end_reason, after.ended_at) == (Some(ending.reason), Some(ending.at))
        };
        let ending = entry
            .ending
            .filter(|ending| ending.everywhere.is_some() && stands(ending));
        match ending {
            Some(ending) => self.others.push((after, ending, entry.key.clone())),
            None => {
                self.done.insert(entry.key.clone());
            }
        }
    }
}
