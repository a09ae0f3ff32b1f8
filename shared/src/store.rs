//! Where sessions live: one contract, kept by NocoDB and by SQLite, and checked by the same tests.

use std::time::Duration;

use async_trait::async_trait;

pub use cells::found_unreadable;
pub use error_scope::{ColumnProblem, ErrorScope};

use crate::email::Email;
use crate::nocodb;
use crate::session::{EndReason, Ending, Heartbeat, Limits, Pages, RecordId, Session};
use crate::timestamp::Timestamp;
use crate::token::random_bytes;

mod cells;
pub mod columns;
mod error_scope;
pub mod nocodb_store;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// Sessions on one page of a listing, where the store gives as many.
pub const PAGE_SIZE: u16 = 100;

/// Sessions on the pages of whoever reads everything, where the store gives as many.
pub const LARGEST_PAGE: u16 = 1_000;

/// When asking again may help, where the store does not say.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// NocoDB's cloud refuses for half a minute, and may not say so.
const LIMITED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Whoever came when too many did comes back after that, and after fewer than so many seconds more:
/// each after others.
const BUSY_SPREAD_SECONDS: u8 = 16;

/// A place where sessions live.
///
/// Every method can be repeated without harm except [`create`](Store::create) and
/// [`import`](Store::import). None reads a clock to decide anything.
///
/// **A read is complete or an error.** A store gives as many rows at once as it likes: what is not on
/// a page is not there only where [`SessionPage::rest`] says that nothing follows, and a row is gone
/// only where [`Rows`] does not leave it to be asked for again.
///
/// A session that began at or before the moment of [`end_everything`](Store::end_everything) is
/// ended for `heartbeat`, `end` and `get`, whatever its row says; the first two also write that into
/// the row. `list` and `row` give rows as they stand, since many of them had vanished by then: whoever
/// reads those has [`Session::told`] tell them apart, which needs the time limits.
#[async_trait]
pub trait Store: Send + Sync {
    /// Records a new visit, whose last seen equals its start, and the version of the text its
    /// visitor agreed to.
    ///
    /// # Errors
    /// [`StoreError`]; then nobody may be let in, since the visit may not be recorded.
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError>;

    /// Folds a heartbeat into its row and returns the row as it stands then. Where the session was
    /// ended, here or elsewhere, the returned row says so, and its last seen is not after its end.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the row was deleted, or is another session's
    /// ([`Session::is_of`]).
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError>;

    /// Ends a session with its last figures. The first end reason stays; where a deadline of the
    /// heartbeat's token had passed, so does all of a row that was ended before.
    ///
    /// # Errors
    /// As for [`heartbeat`](Store::heartbeat).
    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError>;

    /// A page of the open sessions that began at or after `since`, of one visitor or of all, in the
    /// order they began; their figures by page are left out. No token outlives the session lifetime,
    /// so older rows are not open, whatever they say.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn open(
        &self,
        email: Option<&str>,
        since: Timestamp,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError>;

    /// Writes these end reasons. Everything else in the rows stays.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been written.
    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ends every session that there is, however many, by writing down one moment that all are held
    /// against: a row of [`columns::EVERYONE`]. Their own rows are closed later.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was ended.
    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError>;

    /// The newest such moment as far as it is known without waiting for anybody: for the gate, which
    /// must answer while a store is down.
    async fn not_before(&self) -> Option<Timestamp>;

    /// The process is about to end: nothing waits long for the store from now on, and what cannot be
    /// written fails soon enough to be kept elsewhere.
    fn hurry(&self) {}

    /// Some of the rows whose visitor was last seen before this moment, open or not, at most
    /// [`PAGE_SIZE`]; none only where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError>;

    /// Deletes rows for good. One that is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been deleted.
    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError>;

    /// Adds whole sessions as they stand, each under an id that the store gives: their own are not
    /// looked at.
    ///
    /// # Errors
    /// [`StoreError`]; in NocoDB, some may have been added.
    async fn import(&self, sessions: &[Session]) -> Result<(), StoreError>;

    /// Some of the rows of visitors whose address ends so, as `@example.com` or `.example` does, at
    /// most [`PAGE_SIZE`]; none only where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn with_address_ending(&self, end: &str) -> Result<Vec<RecordId>, StoreError>;

    /// One session, as it is to be held against its visitor's token.
    ///
    /// # Errors
    /// Those of [`row`](Self::row).
    async fn get(&self, id: &RecordId) -> Result<Session, StoreError> {
        let (session, everything_ended) = self.row(id).await?;
        let newest = everything_ended.into_iter().max();
        Ok(session.closed_by(newest).0)
    }

    /// One session, as it is told to the owner.
    ///
    /// # Errors
    /// Those of [`row`](Self::row).
    async fn told(&self, id: &RecordId, limits: &Limits) -> Result<Session, StoreError> {
        let (session, everything_ended) = self.row(id).await?;
        Ok(session.told(&everything_ended, limits))
    }

    /// One session as its row stands, and [`SessionPage::everything_ended`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a row that is no visit, and for what can be no id.
    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError>;

    /// These rows, as they stand, as many as one request brings.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError>;

    /// Whether [`rows`](Self::rows) would say too little of when everything was ended until
    /// [`read_everything`](Self::read_everything) has asked: a request of its own, for whoever counts.
    fn everything_is_stale(&self) -> bool {
        false
    }

    /// Asks when everything was ended. Where that fails, what was known before stays.
    async fn read_everything(&self) {}

    /// Changes rows, at most [`PAGE_SIZE`], in one request where the store can.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where one of them is not there; then, as after any error, any of the
    /// others may have been changed or not.
    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError>;

    /// A page of the rows that have an end reason and began at or after `began`; rows of
    /// [`end_everything`](Self::end_everything) are among them, figures by page are not. With a moment,
    /// those that were ended then or later, the one that was ended last first; with `None` those whose
    /// moment nobody wrote down, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ended(
        &self,
        began: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError>;

    /// A page of the sessions that began at or after `since` and have a moment in one of these
    /// spans, in the order they began; unlike in every other listing, rows of
    /// [`end_everything`](Self::end_everything) are among them. Where the table lacks the column of
    /// a span, nothing is in it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError>;

    /// A page of sessions, from the first one or from where an earlier page ended. Rows that come or
    /// go meanwhile hide and double no others.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError>;

    /// How many sessions began then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count(&self, starts: Starts) -> Result<u64, StoreError>;
}

/// A start as its cell says it, and whether that is its day alone.
pub(crate) fn start_of(cell: &str) -> Option<(Timestamp, bool)> {
    match cell.parse() {
        Ok(moment) => Some((moment, false)),
        Err(_) => Timestamp::of_day(cell).map(|day| (day, true)),
    }
}

/// What is to be changed in a row. `None` leaves a column as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// See [`Session::last_seen`].
    pub last_seen: Option<Timestamp>,
    /// See [`Session::active_seconds`].
    pub active_seconds: Option<u64>,
    /// See [`Session::current_page`].
    pub current_page: Option<String>,
    /// See [`Session::pages`].
    pub pages: Option<Pages>,
    /// See [`Session::end_reason`] and [`Session::ended_at`].
    pub ending: Option<Ending>,
}

impl Change {
    /// What makes one row of another; `None` where they are the same.
    #[must_use]
    pub fn between(before: &Session, after: &Session) -> Option<Self> {
        let ending = match (after.end_reason, after.ended_at) {
            (Some(reason), Some(at)) => Some(Ending { reason, at }),
            _ => None,
        };
        let is_new = (before.end_reason, before.ended_at) != (after.end_reason, after.ended_at);
        let change = Self {
            last_seen: (before.last_seen != after.last_seen).then_some(after.last_seen),
            active_seconds: after
                .active_seconds
                .filter(|_| before.active_seconds != after.active_seconds),
            current_page: after
                .current_page
                .clone()
                .filter(|_| before.current_page != after.current_page),
            pages: (before.pages != after.pages).then(|| after.pages.clone()),
            ending: ending.filter(|_| is_new),
        };
        (change != Self::default()).then_some(change)
    }
}

/// Which sessions to list, and in which order.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Of one visitor, or of all.
    pub email: Option<Email>,
    /// By when they began.
    pub starts: Starts,
    /// Which come first.
    pub order: Order,
    /// How many are wanted on a page, 1 to [`LARGEST_PAGE`].
    pub page_size: u16,
}

impl Listing {
    /// All sessions of one visitor or of all, in the order they were added, [`PAGE_SIZE`] on a page.
    #[must_use]
    pub fn of(email: Option<&Email>) -> Self {
        Self {
            email: email.cloned(),
            starts: Starts::All,
            order: Order::OldestFirst,
            page_size: PAGE_SIZE,
        }
    }
}

/// Sessions by when they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// All there are. They stand in the order they were added.
    All,
    /// At or after `from`, and before `before`, where these are given.
    Between {
        /// The first moment that is meant.
        from: Option<Timestamp>,
        /// The first moment that is not.
        before: Option<Timestamp>,
    },
    /// Those whose start an owner has emptied, or made something that is no time. They stand in the
    /// order they were added.
    Missing,
}

/// The order of a listing. What began in the same second stands in the order it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The one that began first.
    OldestFirst,
    /// The one that began last.
    NewestFirst,
}

/// A moment that a column of every session's holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// See [`Session::start`].
    Start,
    /// See [`Session::last_seen`].
    LastSeen,
    /// See [`Session::ended_at`].
    EndedAt,
    /// When everything was ended: the start of a row of [`columns::EVERYONE`], which has no other
    /// moment.
    EverythingEnded,
}

/// From one second on, and up to another, without that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What lies in it.
    pub moment: Moment,
    /// Its first second.
    pub from: Timestamp,
    /// The first second after it.
    pub to: Timestamp,
}

/// What ending a session found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The row as it stands now.
    pub session: Session,
    /// It had been ended before; the reason written is the earlier one.
    pub already: bool,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// In the order that was asked for. None may be on a page that others follow.
    pub sessions: Vec<Session>,
    /// Where the next page begins. `None` is proven: nothing follows.
    pub rest: Option<After>,
    /// Of [`Store::list`]: the moments of [`Store::end_everything`].
    pub everything_ended: Vec<Timestamp>,
}

/// Where a listing goes on: behind this row, which need not be there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The cell that the listing is ordered by, as it stands; `None` where it is ordered by the id.
    pub cell: Option<String>,
    /// The row's id.
    pub id: RecordId,
}

/// What one request told of rows that were asked for by their ids. One that is in none of these lists
/// is not there, or is no visit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// In any order, as they stand.
    pub found: Vec<Session>,
    /// Nothing is known of these yet: ask again.
    pub left: Vec<RecordId>,
    /// Rows that are too large to be read.
    pub too_large: Vec<RecordId>,
    /// See [`SessionPage::everything_ended`].
    pub everything_ended: Vec<Timestamp>,
}

impl SessionPage {
    /// The sessions as they are told to the owner; see [`Session::told`].
    pub fn told(self, limits: &Limits) -> impl Iterator<Item = Session> {
        let Self {
            sessions,
            everything_ended,
            ..
        } = self;
        let sessions = sessions.into_iter();
        sessions.map(move |session| session.told(&everything_ended, limits))
    }
}

/// The store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The session's row is not there (any more).
    #[error("no such record")]
    NotFound,
    /// NocoDB did not take it; see [`nocodb::Error`].
    #[error("{0}")]
    NocoDb(#[source] nocodb::Error),
    /// SQLite did not take it.
    #[cfg(feature = "sqlite")]
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A column is not what it was, and does not hold what was written. All else was written.
    #[error("the table's column {column} {problem}")]
    Column {
        /// Its title.
        column: &'static str,
        /// What became of it.
        problem: ColumnProblem,
        /// Rows that lack their value; none where that is true of every row.
        rows: Vec<RecordId>,
    },
    /// The thread that was to do it is gone.
    #[error("the store's thread stopped")]
    Stopped,
    /// It failed a moment ago, and is not asked again yet.
    #[error("the store failed a moment ago")]
    Away,
    /// More heartbeats are under way than the store takes at once.
    #[error("too many heartbeats at once")]
    Busy,
    /// It was not asked: more is waiting already than it may be sent. Our own limit, and no outage:
    /// nothing is extended because of it.
    #[error("too many requests for the store at once")]
    Limited {
        /// When one more may fit in.
        retry_after: Duration,
    },
}

impl From<nocodb::Error> for StoreError {
    fn from(error: nocodb::Error) -> Self {
        match error {
            nocodb::Error::RecordNotFound => Self::NotFound,
            error => Self::NocoDb(error),
        }
    }
}

impl StoreError {
    /// When asking again may help: what the store said, else [`DEFAULT_RETRY_AFTER`]. Where too many
    /// came together it is another one each time, 5 to 20 seconds, so that they do not come back
    /// together.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::NocoDb(nocodb::Error::RateLimited { retry_after: None }) => LIMITED_RETRY_AFTER,
            Self::NocoDb(error) => error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER),
            Self::Limited { retry_after } => *retry_after,
            Self::Busy => {
                let more = random_bytes().map_or(0, |[byte]| byte % BUSY_SPREAD_SECONDS);
                DEFAULT_RETRY_AFTER + Duration::from_secs(more.into())
            }
            _ => DEFAULT_RETRY_AFTER,
        }
    }
}
