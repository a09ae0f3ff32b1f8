//! Sessions in a SQLite file, for one machine.
//!
//! The command line reads and writes the same file while `serve` runs: write-ahead logging lets
//! them, and a busy timeout makes a writer wait its turn (<https://sqlite.org/wal.html>).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params,
};

use super::{Ended, PAGE_SIZE, SessionPage, Store, StoreError};
use crate::email::Email;
use crate::session::{EndReason, Heartbeat, Limits, RecordId, Session};
use crate::timestamp::Timestamp;

/// Longer than any transaction of ours takes, shorter than a visitor waits.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Times as RFC 3339 text: readable in any SQLite tool, and sorted as they stand. `AUTOINCREMENT`
/// never gives a deleted row's id to another session, which an old token could then write to.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS emailAccess (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        emailOfAccessor  TEXT NOT NULL,
        sessionStartTime TEXT NOT NULL,
        sessionEndTime   TEXT NOT NULL,
        endReason        TEXT,
        endedAt          TEXT,
        activeSeconds    INTEGER,
        currentPage      TEXT,
        pages            TEXT
    );
    CREATE INDEX IF NOT EXISTS emailAccess_by_email ON emailAccess (emailOfAccessor, sessionStartTime);";

/// Sessions in a SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the file, and creates it and its folder where they are missing.
    ///
    /// # Errors
    /// Where the folder cannot be made or the file is no database or of another shape.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        if let Some(folder) = path.parent() {
            // Where this fails, opening the file fails too, and says what it could not open.
            let _ = std::fs::create_dir_all(folder);
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // In this mode a crash of the process loses nothing, and a power failure at most the last
        // moments: worth ten times the writes.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    /// Runs one transaction on a thread that may block. It takes the write lock first, so that two
    /// never wait for each other.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let run = move || {
            // A poisoned lock means a panic while a transaction was open; dropping that rolled it
            // back.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        tokio::task::spawn_blocking(run)
            .await
            .unwrap_or(Err(StoreError::Stopped))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, email: &Email, start: Timestamp) -> Result<RecordId, StoreError> {
        let (email, start) = (email.as_str().to_owned(), start.to_string());
        self.transaction(move |db| {
            let insert = "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime) VALUES (:email, :start, :start)";
            db.execute(insert, named_params! { ":email": email, ":start": start })?;
            Ok(RecordId::new(db.last_insert_rowid().to_string()))
        })
        .await
    }

    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let (id, heartbeat) = (id.clone(), heartbeat.clone());
        self.transaction(move |db| fold(db, &id, &heartbeat)).await
    }

    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let (id, heartbeat) = (id.clone(), heartbeat.clone());
        self.transaction(move |db| {
            let session = fold(db, &id, &heartbeat)?;
            let already = session.end_reason.is_some();
            if !already {
                write_ending(db, &id, reason, now)?;
            }
            Ok(Ended {
                session: read(db, &id)?,
                already,
            })
        })
        .await
    }

    async fn end_all(
        &self,
        email: &str,
        reason: EndReason,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (email, limits) = (email.to_owned(), *limits);
        self.transaction(move |db| {
            // No token outlives the lifetime, so older rows are not open, whatever they say.
            let select = "SELECT * FROM emailAccess WHERE emailOfAccessor = :email AND sessionStartTime >= :oldest ORDER BY id";
            let oldest = now.minus(limits.lifetime).to_string();
            let sessions = db.prepare_cached(select)?.query_map(named_params! { ":email": email, ":oldest": oldest }, session)?.collect::<Result<Vec<_>, _>>()?;
            let open = sessions.iter().filter(|session| session.end_reason.is_none());
            let mut ended = 0;
            for session in open {
                write_ending(db, &session.id, session.reason_when_ended_with(reason, &limits, now), now)?;
                ended += 1;
            }
            Ok(ended)
        })
        .await
    }

    async fn get(&self, id: &RecordId) -> Result<Session, StoreError> {
        let id = id.clone();
        self.transaction(move |db| read(db, &id)).await
    }

    async fn list(&self, email: Option<&Email>, page: u32) -> Result<SessionPage, StoreError> {
        let email = email.map(|email| email.as_str().to_owned());
        self.transaction(move |db| {
            let select =
                "SELECT * FROM emailAccess WHERE :email IS NULL OR emailOfAccessor = :email
                ORDER BY sessionStartTime, id LIMIT :limit OFFSET :offset";
            let offset = i64::from(page) * i64::from(PAGE_SIZE);
            // One more than a page tells whether another follows.
            let values =
                named_params! { ":email": email, ":limit": PAGE_SIZE + 1, ":offset": offset };
            let mut sessions = db
                .prepare_cached(select)?
                .query_map(values, session)?
                .collect::<Result<Vec<_>, _>>()?;
            let has_more = sessions.len() > usize::from(PAGE_SIZE);
            sessions.truncate(PAGE_SIZE.into());
            Ok(SessionPage { sessions, has_more })
        })
        .await
    }
}

fn read(db: &Transaction<'_>, id: &RecordId) -> Result<Session, StoreError> {
    let mut select = db.prepare_cached("SELECT * FROM emailAccess WHERE id = :id")?;
    select
        .query_row(named_params! { ":id": id.as_str() }, session)
        .optional()?
        .ok_or(StoreError::NotFound)
}

/// Folds a heartbeat into its row and returns the row as it stands then.
fn fold(db: &Transaction<'_>, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
    let figures = read(db, id)?.fold(heartbeat);
    let pages = figures
        .pages
        .map(|pages| serde_json::to_string(&pages).unwrap_or_default());
    let mut update = db.prepare_cached(
        "UPDATE emailAccess SET sessionEndTime = :last_seen, activeSeconds = :active, currentPage = :page, pages = coalesce(:pages, pages)
         WHERE id = :id",
    )?;
    update.execute(named_params! {
        ":last_seen": figures.last_seen.to_string(),
        ":active": figures.active_seconds.map(u64::cast_signed),
        ":page": figures.current_page,
        ":pages": pages,
        ":id": id.as_str(),
    })?;
    read(db, id)
}

fn write_ending(
    db: &Transaction<'_>,
    id: &RecordId,
    reason: EndReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut update = db.prepare_cached(
        "UPDATE emailAccess SET endReason = :reason, endedAt = :now WHERE id = :id",
    )?;
    update.execute(
        named_params! { ":reason": reason.as_str(), ":now": now.to_string(), ":id": id.as_str() },
    )?;
    Ok(())
}

/// Reads a row as an owner may have left it: a cell that cannot be read counts as empty, and a
/// missing time as the other one.
fn session(row: &Row<'_>) -> Result<Session, rusqlite::Error> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let time = |column: &str| {
        Ok::<_, rusqlite::Error>(text(column)?.and_then(|text| text.parse::<Timestamp>().ok()))
    };
    let (start, last_seen) = (time("sessionStartTime")?, time("sessionEndTime")?);
    let start = start.or(last_seen).unwrap_or(Timestamp::from_unix(0));
    Ok(Session {
        id: RecordId::new(row.get::<_, i64>("id")?.to_string()),
        email: text("emailOfAccessor")?.unwrap_or_default(),
        start,
        last_seen: last_seen.unwrap_or(start),
        end_reason: text("endReason")?.and_then(|word| EndReason::from_cell(&word)),
        ended_at: time("endedAt")?,
        active_seconds: row
            .get::<_, Option<i64>>("activeSeconds")?
            .and_then(|seconds| u64::try_from(seconds).ok()),
        current_page: text("currentPage")?,
        pages: text("pages")?
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_default(),
    })
}
