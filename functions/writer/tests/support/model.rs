//! SQS and NocoDB, as far as time and limits go.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use shared::email::Email;
use shared::nocodb;
use shared::queue::{Board, Entry, Notice, Queue, QueueError, Taken, Waiting};
use shared::session::{EndReason, Heartbeat, RecordId, Session};
use shared::store::{
    After, Change, Ended, Listing, Rows, SessionPage, Span, Starts, Store, StoreError,
};
use shared::timestamp::Timestamp;
use tokio::time::{Instant, sleep};

const START: Timestamp = Timestamp::from_unix(1_767_323_045);
/// Of NocoDB's cloud: requests, and rows in an answer.
const REQUESTS_PER_SECOND: usize = 5;
const PAGE: usize = 100;
/// The ids of those who came later.
const OTHERS: usize = 1_000_000;
/// How long somebody stays, in seconds.
const VISIT: u64 = 300;
/// A real one on two cores writes a hundred rows in that (measured), and reads some hundred.
const WRITE: Duration = Duration::from_millis(120);
const READ: Duration = Duration::from_millis(90);
/// Eight requests of SQS's beside each other, ten messages each.
const RECEIVE: Duration = Duration::from_millis(15);
const AT_ONCE: usize = 80;
/// Who takes a message has it so long.
const VISIBILITY: Duration = Duration::from_mins(2);

/// The simulated time.
pub(crate) fn now() -> Timestamp {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    START.plus(BEGAN.get_or_init(Instant::now).elapsed().as_secs())
}

#[derive(Default)]
struct Messages {
    next: u64,
    waiting: BTreeSet<(Timestamp, u64)>,
    entries: HashMap<u64, Entry>,
    /// Those that somebody has, until when.
    taken: VecDeque<(Instant, u64)>,
    most: usize,
}

/// Messages with a delay, given out roughly in order, at most ten to a request.
#[derive(Default)]
pub(crate) struct ModelQueue(Mutex<Messages>);

impl ModelQueue {
    /// How many wait, and how many somebody has.
    pub(crate) fn left(&self) -> (usize, usize) {
        let messages = self.0.lock().unwrap();
        let waiting = messages.waiting.len();
        (waiting, messages.entries.len() - waiting)
    }
    pub(crate) fn most_waiting(&self) -> usize {
        self.0.lock().unwrap().most
    }
}

#[async_trait]
impl Queue for ModelQueue {
    async fn push(&self, entry: &Entry, due: Timestamp, _: Timestamp) -> Result<(), QueueError> {
        let mut messages = self.0.lock().unwrap();
        messages.next += 1;
        let id = messages.next;
        messages.waiting.insert((due, id));
        messages.entries.insert(id, entry.clone());
        messages.most = messages.most.max(messages.entries.len());
        Ok(())
    }
    async fn take(&self, most: usize, _: Timestamp) -> Result<Vec<Taken>, QueueError> {
        let mut taken = Vec::new();
        loop {
            sleep(RECEIVE).await;
            let mut messages = self.0.lock().unwrap();
            while let Some((until, id)) = messages.taken.front().copied() {
                if until > Instant::now() {
                    break;
                }
                messages.taken.pop_front();
                if messages.entries.contains_key(&id) {
                    messages.waiting.insert((now(), id));
                }
            }
            let due = messages.waiting.range(..(now().plus(1), 0));
            let due: Vec<_> = due.take(AT_ONCE.min(most - taken.len())).copied().collect();
            if due.is_empty() {
                return Ok(taken);
            }
            for (moment, id) in due {
                messages.waiting.remove(&(moment, id));
                messages.taken.push_back((Instant::now() + VISIBILITY, id));
                let entry = messages.entries[&id].clone();
                let receipt = id.to_string();
                taken.push(Taken { entry, receipt });
            }
        }
    }
    async fn done(&self, receipts: &[String]) -> Result<(), QueueError> {
        sleep(RECEIVE * u32::try_from(receipts.len() / AT_ONCE).unwrap()).await;
        let mut messages = self.0.lock().unwrap();
        for receipt in receipts {
            messages.entries.remove(&receipt.parse().unwrap());
        }
        Ok(())
    }
    async fn put_back(
        &self,
        waiting: &[Waiting],
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        for one in waiting {
            self.push(&one.entry, due, now).await?;
            self.done(&one.receipts).await?;
        }
        Ok(())
    }
    async fn refuse(&self, receipts: &[String], _: Timestamp) -> Result<(), QueueError> {
        assert_eq!(receipts.len(), 0, "the model refuses nothing");
        Ok(())
    }
}

struct Table {
    rows: Vec<Session>,
    /// When others came, each of whom logs out after [`VISIT`].
    arrivals: Vec<Timestamp>,
    deleted: HashSet<usize>,
    /// When each viewer's last heartbeat came, and when the first one came that is not written yet.
    told: Vec<Timestamp>,
    unwritten_since: BTreeMap<usize, Timestamp>,
    longest_behind: u64,
    rows_written: usize,
    requests: usize,
    lately: VecDeque<Instant>,
    most_lately: usize,
    locked_until: Option<Instant>,
}

/// What was posted last.
#[derive(Default)]
pub(crate) struct ModelBoard(Mutex<Option<Notice>>);

#[async_trait]
impl Board for ModelBoard {
    async fn post(&self, notice: &Notice) -> Result<(), QueueError> {
        *self.0.lock().unwrap() = Some(notice.clone());
        Ok(())
    }
    async fn read(&self) -> Result<Option<Notice>, QueueError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// Rows, and a limit on requests that locks everybody out.
pub(crate) struct ModelStore(Mutex<Table>);

impl ModelStore {
    pub(crate) fn of(viewers: usize) -> Self {
        Self(Mutex::new(Table {
            rows: (0..viewers).map(viewer).collect(),
            arrivals: Vec::new(),
            deleted: HashSet::new(),
            told: vec![now(); viewers],
            unwritten_since: BTreeMap::new(),
            longest_behind: 0,
            rows_written: 0,
            requests: 0,
            lately: VecDeque::new(),
            most_lately: 0,
            locked_until: None,
        }))
    }

    /// A heartbeat came, which the row has to say before long.
    pub(crate) fn expect(&self, number: usize, moment: Timestamp) {
        let mut table = self.0.lock().unwrap();
        table.told[number] = moment;
        table.unwritten_since.entry(number).or_insert(moment);
    }

    /// Every row says when its viewer last looked.
    pub(crate) fn check(&self) {
        let table = self.0.lock().unwrap();
        for (row, told) in table.rows.iter().zip(&table.told) {
            assert_eq!(row.last_seen, *told);
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }
    pub(crate) fn most_requests_in_a_second(&self) -> usize {
        self.0.lock().unwrap().most_lately
    }
    pub(crate) fn rows_written(&self) -> usize {
        self.0.lock().unwrap().rows_written
    }
    pub(crate) fn longest_behind(&self) -> u64 {
        self.0.lock().unwrap().longest_behind
    }

    /// The row is gone.
    pub(crate) fn delete(&self, number: usize) {
        self.0.lock().unwrap().deleted.insert(number);
    }

    /// Refuses everybody from now on.
    pub(crate) fn lock_out(&self, time: Duration) {
        self.0.lock().unwrap().locked_until = Some(Instant::now() + time);
    }

    async fn request(&self, takes: Duration) -> Result<(), StoreError> {
        {
            let mut table = self.0.lock().unwrap();
            let second_ago = Instant::now().checked_sub(Duration::from_secs(1));
            while table
                .lately
                .front()
                .is_some_and(|moment| Some(*moment) <= second_ago)
            {
                table.lately.pop_front();
            }
            table.lately.push_back(Instant::now());
            table.requests += 1;
            table.most_lately = table.most_lately.max(table.lately.len());
            if table.lately.len() > REQUESTS_PER_SECOND {
                table.locked_until = Some(Instant::now() + Duration::from_secs(30));
            }
            let locked = table
                .locked_until
                .map(|until| until.saturating_duration_since(Instant::now()));
            if let Some(locked) = locked.filter(|locked| !locked.is_zero()) {
                let retry_after = Some(locked);
                return Err(StoreError::NocoDb(nocodb::Error::RateLimited {
                    retry_after,
                }));
            }
        }
        sleep(takes).await;
        Ok(())
    }
}

fn viewer(number: usize) -> Session {
    Session {
        id: RecordId::new((number + 1).to_string()),
        email: format!("visitor-{number}@example.com"),
        start: now(),
        start_is_day: false,
        last_seen: now(),
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: BTreeMap::new(),
    }
}

fn place(id: &RecordId) -> usize {
    id.as_str().parse::<usize>().unwrap() - 1
}

#[async_trait]
impl Store for ModelStore {
    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        self.request(READ).await?;
        let table = self.0.lock().unwrap();
        let (some, left) = ids.split_at(ids.len().min(PAGE));
        Ok(Rows {
            found: some
                .iter()
                .filter(|id| !table.deleted.contains(&place(id)))
                .map(|id| table.rows[place(id)].clone())
                .collect(),
            left: left.to_vec(),
            ..Rows::default()
        })
    }
    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        assert!(changes.len() <= nocodb::BULK);
        self.request(WRITE).await?;
        let mut table = self.0.lock().unwrap();
        for (id, change) in changes {
            let number = place(id);
            table.rows_written += 1;
            if let Some(moment) = change.last_seen {
                assert!(moment > table.rows[number].last_seen);
                table.rows[number].last_seen = moment;
                if let Some(since) = table.unwritten_since.remove(&number) {
                    table.longest_behind = table.longest_behind.max(now().since(since));
                }
                // What came since is written with the next turn.
                if table.told[number] > moment {
                    let told = table.told[number];
                    table.unwritten_since.insert(number, told);
                }
            }
            if change.active_seconds.is_some() {
                table.rows[number].active_seconds = change.active_seconds;
            }
            if change.current_page.is_some() {
                table.rows[number]
                    .current_page
                    .clone_from(&change.current_page);
            }
        }
        Ok(())
    }
    async fn ended(
        &self,
        _: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.request(READ).await?;
        let table = self.0.lock().unwrap();
        // Nobody typed a word.
        let since = since.unwrap_or(now().plus(1));
        let ended = table.arrivals.iter().enumerate();
        let ended = ended.map(|(number, came)| (number, came.plus(VISIT)));
        let mut ended: Vec<_> = ended
            .filter(|(_, at)| (since..=now()).contains(at))
            .collect();
        ended.reverse();
        let behind = |number: &usize| match after {
            Some(after) => *number + OTHERS < place(&after.id),
            None => true,
        };
        ended.retain(|(number, _)| behind(number));
        let sessions = ended.iter().take(PAGE).map(|(number, at)| Session {
            id: RecordId::new((*number + OTHERS + 1).to_string()),
            start: table.arrivals[*number],
            end_reason: Some(EndReason::Logout),
            ended_at: Some(*at),
            ..viewer(*number)
        });
        let sessions: Vec<_> = sessions.collect();
        // As the store does: a page that is as long as the longest before need not be the last.
        let last = sessions.last().filter(|_| sessions.len() == PAGE);
        Ok(SessionPage {
            rest: last.map(|row| After {
                cell: None,
                id: row.id.clone(),
            }),
            sessions,
            ..SessionPage::default()
        })
    }
    async fn create(
        &self,
        _: &Email,
        _: Timestamp,
        _: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        self.request(WRITE).await?;
        self.0.lock().unwrap().arrivals.push(now());
        Ok(RecordId::new("0"))
    }
    async fn heartbeat(&self, _: &RecordId, _: &Heartbeat) -> Result<Session, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn end(
        &self,
        _: &RecordId,
        _: &Heartbeat,
        _: EndReason,
        _: Timestamp,
    ) -> Result<Ended, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn open(
        &self,
        _: Option<&str>,
        _: Timestamp,
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn end_many(&self, _: &[(RecordId, EndReason)], _: Timestamp) -> Result<(), StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn end_everything(&self, _: Timestamp) -> Result<(), StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn not_before(&self) -> Option<Timestamp> {
        unreachable!("a writer asks for none of this")
    }
    async fn seen_before(&self, _: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn delete(&self, _: &[RecordId]) -> Result<(), StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn import(&self, _: &[Session]) -> Result<(), StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn with_address_ending(&self, _: &str) -> Result<Vec<RecordId>, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        self.request(READ).await?;
        let table = self.0.lock().unwrap();
        if table.deleted.contains(&place(id)) {
            return Err(StoreError::NotFound);
        }
        Ok((table.rows[place(id)].clone(), Vec::new()))
    }
    async fn within(
        &self,
        _: Timestamp,
        _: &[Span],
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn list(&self, _: &Listing, _: Option<&After>) -> Result<SessionPage, StoreError> {
        unreachable!("a writer asks for none of this")
    }
    async fn count(&self, _: Starts) -> Result<u64, StoreError> {
        unreachable!("a writer asks for none of this")
    }
}
