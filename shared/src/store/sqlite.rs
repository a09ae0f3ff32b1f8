//! Sessions in a SQLite file, for one machine.
//!
//! Readers and the one writer do not wait for each other; see [`database`]. The command line reads and
//! writes the same file while `serve` runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, named_params};

use self::database::{Database, DatabaseError};
use self::rows::{everything_ended, fold, own_row, read, stored, write_ending, written};
use self::select::{
    BEGAN, By, ENDED_SINCE, IS_OPEN, IS_VISIT, SEEN_BEFORE, condition, ids, page, page_of, place,
    range,
};
use self::writer::Durability;
use super::columns::EVERYONE;
use super::{
    After, Change, Ended, LARGEST_PAGE, Listing, Order, PAGE_SIZE, Rows, SessionPage, Span, Starts,
    Store, StoreError,
};
use crate::email::Email;
use crate::session::{EndReason, Heartbeat, RecordId, Session};
use crate::timestamp::Timestamp;

pub(crate) mod database;
pub(crate) mod file;
mod readers;
mod rows;
mod select;
pub(crate) mod writer;

/// How long a page waits for [`Store::not_before`], which it can do without for once.
const NOT_BEFORE_TIMEOUT: Duration = Duration::from_millis(20);

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
        pages            TEXT,
        consentVersion   TEXT
    );
    CREATE INDEX IF NOT EXISTS emailAccess_by_email ON emailAccess (emailOfAccessor, sessionStartTime);
    CREATE INDEX IF NOT EXISTS emailAccess_by_start ON emailAccess (sessionStartTime);";

/// Columns that came after the first release, for files that were made before.
const ADDED: [(&str, &str); 1] = [("consentVersion", "TEXT")];

/// Sessions in a SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    database: Arc<Database>,
    /// See [`Store::not_before`]: what was read last.
    not_before: Arc<Mutex<Option<Timestamp>>>,
}

impl SqliteStore {
    /// Opens the file, and creates it and its folder where they are missing.
    ///
    /// # Errors
    /// Where the folder cannot be made or the file is no database or of another shape.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let mut not_before = None;
        let database = Database::open(path, |connection| {
            connection.execute_batch(SCHEMA)?;
            add_columns(connection)?;
            not_before = everything_ended(connection)?.into_iter().max();
            Ok(())
        })?;
        Ok(Self {
            database: Arc::new(database),
            not_before: Arc::new(Mutex::new(not_before)),
        })
    }

    /// See [`Database::write`].
    async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.write(durability, work).await
    }

    /// See [`Database::read`].
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.read(work).await
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Sqlite(error) => Self::Sqlite(error),
            DatabaseError::Full => Self::Busy,
            DatabaseError::Stopped => Self::Stopped,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        let (email, start) = (email.as_str().to_owned(), start.to_string());
        let consent = consent.map(str::to_owned);
        self.write(Durability::Power, move |db| {
            let insert = "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime, consentVersion) VALUES (:email, :start, :start, :consent)";
            db.execute(insert, named_params! { ":email": email, ":start": start, ":consent": consent })?;
            Ok(RecordId::new(db.last_insert_rowid().to_string()))
        })
        .await
    }

    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let (id, heartbeat) = (id.clone(), heartbeat.clone());
        self.write(Durability::Process, move |db| fold(db, &id, &heartbeat))
            .await
    }

    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let (id, heartbeat) = (id.clone(), heartbeat.clone());
        self.write(Durability::Power, move |db| {
            let stored = own_row(db, &id, &heartbeat)?;
            let already = stored.end_reason.is_some();
            if already && heartbeat.past_deadline {
                return Ok(Ended {
                    session: stored,
                    already,
                });
            }
            fold(db, &id, &heartbeat)?;
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

    async fn open(
        &self,
        email: Option<&str>,
        since: Timestamp,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let email = email.map(str::to_owned);
        let after = after.cloned();
        self.read(move |db| {
            let by = By { column: Some("sessionStartTime"), direction: "ASC" };
            let select = format!(
                "SELECT * FROM emailAccess
                WHERE {IS_OPEN} AND sessionStartTime >= :since AND (:email IS NULL OR emailOfAccessor = :email)
                    AND {} ORDER BY {} LIMIT :limit", by.behind(), by.order()
            );
            let (cell, key) = place(after.as_ref());
            let values = named_params! {
                ":email": email, ":everyone": EVERYONE, ":since": since.to_string(),
                ":cell": cell, ":key": key, ":limit": PAGE_SIZE + 1,
            };
            page(db, &select, values, PAGE_SIZE, by)
        })
        .await
    }

    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let endings = endings.to_vec();
        self.write(Durability::Power, move |db| {
            for (id, reason) in &endings {
                write_ending(db, id, *reason, now)?;
            }
            Ok(())
        })
        .await
    }

    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Durability::Power, move |db| {
            let insert = "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime, endReason, endedAt)
                 VALUES (:everyone, :now, :now, :reason, :now)";
            db.execute(insert, named_params! { ":everyone": EVERYONE, ":now": now.to_string(), ":reason": EndReason::Revoked.as_str() })?;
            Ok(())
        })
        .await
    }

    async fn not_before(&self) -> Option<Timestamp> {
        let reading = self.read(|db| Ok(everything_ended(db)?));
        let moments = tokio::time::timeout(NOT_BEFORE_TIMEOUT, reading).await;
        let mut known = self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(moments)) = moments {
            *known = moments.into_iter().max();
        }
        *known
    }

    fn hurry(&self) {
        self.database.hurry();
    }

    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        self.read(move |db| {
            let select = format!(
                "SELECT id FROM emailAccess WHERE {SEEN_BEFORE} ORDER BY sessionEndTime LIMIT :limit"
            );
            let values = named_params! { ":moment": moment.to_string(), ":limit": PAGE_SIZE };
            ids(db, &select, values)
        })
        .await
    }

    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.write(Durability::Power, move |db| {
            let mut delete = db.prepare_cached("DELETE FROM emailAccess WHERE id = :id")?;
            for id in &ids {
                delete.execute(named_params! { ":id": id.as_str() })?;
            }
            Ok(())
        })
        .await
    }

    async fn import(&self, sessions: &[Session]) -> Result<(), StoreError> {
        let sessions = sessions.to_vec();
        self.write(Durability::Power, move |db| {
            let mut insert = db.prepare_cached(
                "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime, endReason, endedAt, activeSeconds, currentPage, pages)
                 VALUES (:email, :start, :last_seen, :reason, :ended_at, :active, :page, :pages)",
            )?;
            for session in &sessions {
                let pages = (!session.pages.is_empty()).then(|| written(&session.pages));
                insert.execute(named_params! {
                    ":email": session.email,
                    ":start": session.start.to_string(),
                    ":last_seen": session.last_seen.to_string(),
                    ":reason": session.end_reason.map(EndReason::as_str),
                    ":ended_at": session.ended_at.map(|moment| moment.to_string()),
                    ":active": session.active_seconds.map(u64::cast_signed),
                    ":page": session.current_page,
                    ":pages": pages,
                })?;
            }
            Ok(())
        })
        .await
    }

    async fn with_address_ending(&self, end: &str) -> Result<Vec<RecordId>, StoreError> {
        let end = end.to_owned();
        self.read(move |db| {
            // Unlike LIKE, it knows no wildcards.
            let select = "SELECT id FROM emailAccess WHERE substr(emailOfAccessor, -length(:end)) = :end LIMIT :limit";
            ids(db, select, named_params! { ":end": end, ":limit": PAGE_SIZE })
        })
        .await
    }

    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        let id = id.clone();
        self.read(move |db| match stored(db, &id)? {
            row if row.email == EVERYONE => Err(StoreError::NotFound),
            row => Ok((row, everything_ended(db)?)),
        })
        .await
    }

    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        let ids = ids.to_vec();
        self.read(move |db| {
            let mut rows = Rows {
                everything_ended: everything_ended(db)?,
                ..Rows::default()
            };
            for id in &ids {
                match stored(db, id) {
                    Ok(row) if row.email != EVERYONE => rows.found.push(row),
                    Ok(_) | Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(rows)
        })
        .await
    }

    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        let changes = changes.to_vec();
        self.write(Durability::Power, move |db| {
            let mut update = db.prepare_cached(
                "UPDATE emailAccess SET
                    sessionEndTime = coalesce(:last_seen, sessionEndTime),
                    activeSeconds = coalesce(:active, activeSeconds),
                    currentPage = coalesce(:page, currentPage),
                    pages = coalesce(:pages, pages),
                    endReason = coalesce(:reason, endReason),
                    endedAt = coalesce(:ended_at, endedAt)
                 WHERE id = :id",
            )?;
            for (id, change) in &changes {
                let rows = update.execute(named_params! {
                    ":last_seen": change.last_seen.map(|moment| moment.to_string()),
                    ":active": change.active_seconds.map(u64::cast_signed),
                    ":page": change.current_page,
                    ":pages": change.pages.as_ref().map(written),
                    ":reason": change.ending.map(|ending| ending.reason.as_str()),
                    ":ended_at": change.ending.map(|ending| ending.at.to_string()),
                    ":id": id.as_str(),
                })?;
                if rows == 0 {
                    return Err(StoreError::NotFound);
                }
            }
            Ok(())
        })
        .await
    }

    async fn ended(
        &self,
        began: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let after = after.cloned();
        self.read(move |db| {
            // Without a moment there is nothing to go by but the id.
            let (column, direction) = match since {
                Some(_) => (Some("endedAt"), "DESC"),
                None => (None, "ASC"),
            };
            let by = By { column, direction };
            let select = format!(
                "SELECT * FROM emailAccess
                WHERE sessionStartTime >= :began AND trim(coalesce(endReason, '')) <> ''
                    AND {ENDED_SINCE} AND {} ORDER BY {} LIMIT :limit",
                by.behind(),
                by.order()
            );
            let (cell, key) = place(after.as_ref());
            let values = named_params! {
                ":began": began.to_string(), ":since": since.map(|moment| moment.to_string()),
                ":cell": cell, ":key": key, ":limit": LARGEST_PAGE + 1,
            };
            page(db, &select, values, LARGEST_PAGE, by)
        })
        .await
    }

    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let any = if spans.is_empty() {
            "FALSE".to_owned()
        } else {
            let each: Vec<String> = spans.iter().map(condition).collect();
            each.join(" OR ")
        };
        let after = after.cloned();
        self.read(move |db| {
            let by = By {
                column: Some("sessionStartTime"),
                direction: "ASC",
            };
            // What is put together here is numbers and words of ours.
            let select = format!(
                "SELECT * FROM emailAccess WHERE sessionStartTime >= :since AND ({any})
                AND {} ORDER BY {} LIMIT :limit",
                by.behind(),
                by.order()
            );
            let (cell, key) = place(after.as_ref());
            let values = named_params! {
                ":since": since.to_string(), ":cell": cell, ":key": key, ":limit": PAGE_SIZE + 1,
            };
            let mut select = db.prepare(&select)?;
            page_of(&mut select, values, PAGE_SIZE, by)
        })
        .await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let (listing, after) = (listing.clone(), after.cloned());
        self.read(move |db| {
            let by = By {
                column: matches!(listing.starts, Starts::Between { .. }).then_some("sessionStartTime"),
                direction: match listing.order {
                    Order::OldestFirst => "ASC",
                    Order::NewestFirst => "DESC",
                },
            };
            let select = format!(
                "SELECT * FROM emailAccess
                WHERE {IS_VISIT} AND {BEGAN} AND (:email IS NULL OR emailOfAccessor = :email)
                    AND {} ORDER BY {} LIMIT :limit", by.behind(), by.order()
            );
            let (from, before, is_time) = range(listing.starts);
            let email = listing.email.as_ref().map(Email::as_str);
            let (cell, key) = place(after.as_ref());
            let values = named_params! {
                ":everyone": EVERYONE, ":from": from, ":before": before, ":is_time": is_time, ":email": email,
                ":cell": cell, ":key": key, ":limit": listing.page_size + 1,
            };
            Ok(SessionPage {
                everything_ended: everything_ended(db)?,
                ..page(db, &select, values, listing.page_size, by)?
            })
        })
        .await
    }

    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        self.read(move |db| {
            let select = format!("SELECT count(*) FROM emailAccess WHERE {IS_VISIT} AND {BEGAN}");
            let (from, before, is_time) = range(starts);
            let values = named_params! { ":everyone": EVERYONE, ":from": from, ":before": before, ":is_time": is_time };
            let count: i64 = db
                .prepare_cached(&select)?
                .query_row(values, |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }
}

fn add_columns(connection: &Connection) -> Result<(), rusqlite::Error> {
    for (column, kind) in ADDED {
        if !connection.column_exists(None, "emailAccess", column)? {
            connection.execute_batch(&format!(
                "ALTER TABLE emailAccess ADD COLUMN {column} {kind}"
            ))?;
        }
    }
    Ok(())
}
