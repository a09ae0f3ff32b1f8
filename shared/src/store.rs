//! Where sessions live: one contract, kept by NocoDB and by SQLite, and checked by the same tests.

use std::time::Duration;

use async_trait::async_trait;

use crate::email::Email;
use crate::nocodb;
use crate::session::{EndReason, Heartbeat, RecordId, Session};
use crate::timestamp::Timestamp;

pub mod columns;
pub mod nocodb_store;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// Sessions on one page of a listing: as many as NocoDB gives by default at the most.
pub const PAGE_SIZE: u16 = 100;

/// When asking again may help, where the store does not say.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A place where sessions live.
///
/// Every method can be repeated without harm except [`create`](Store::create). None reads a clock to
/// decide anything.
///
/// A session that began at or before the moment of [`end_everything`](Store::end_everything) is
/// ended for every method that is given its id, whatever its row says; `heartbeat` and `end` also
/// write that into the row.
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
    /// [`StoreError::NotFound`] where the row was deleted.
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError>;

    /// Ends a session with its last figures. The first end reason stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the row was deleted.
    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError>;

    /// Open sessions that began at or after `since`, of one visitor or of all, in the order they
    /// began: at most [`PAGE_SIZE`]. No token outlives the session lifetime, so older rows are not
    /// open, whatever they say.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn open(&self, email: Option<&str>, since: Timestamp) -> Result<SessionPage, StoreError>;

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

    /// Rows whose visitor was last seen before this moment, open or not: at most [`PAGE_SIZE`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError>;

    /// Deletes rows for good. One that is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been deleted.
    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError>;

    /// One session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn get(&self, id: &RecordId) -> Result<Session, StoreError>;

    /// One page of sessions in the order they began, of one visitor or of all. Pages count from 0.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, email: Option<&Email>, number: u32) -> Result<SessionPage, StoreError>;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// In the order they began.
    pub sessions: Vec<Session>,
    /// Another page follows.
    pub has_more: bool,
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
    /// The thread that was to do it is gone.
    #[error("the store's thread stopped")]
    Stopped,
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
    /// When asking again may help: what the store said, else [`DEFAULT_RETRY_AFTER`].
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::NocoDb(error) => error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER),
            _ => DEFAULT_RETRY_AFTER,
        }
    }
}
