//! Sessions in a SQLite file, for one machine.
//!
//! The command line reads and writes the same file while `serve` runs: write-ahead logging lets
//! them, and a busy timeout makes a writer wait its turn (<https://sqlite.org/wal.html>).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{
    Connection, OptionalExtension, Row, Statement, Transaction, TransactionBehavior, named_params,
};

use super::columns::EVERYONE;
use super::{
    Change, Ended, LARGEST_PAGE, Listing, Moment, Order, PAGE_SIZE, SessionPage, Span, Starts,
    Store, StoreError,
};
use crate::email::Email;
use crate::session::{EndReason, Heartbeat, Pages, RecordId, Session};
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
        pages            TEXT,
        consentVersion   TEXT
    );
    CREATE INDEX IF NOT EXISTS emailAccess_by_email ON emailAccess (emailOfAccessor, sessionStartTime);
    CREATE INDEX IF NOT EXISTS emailAccess_by_start ON emailAccess (sessionStartTime);";

/// Columns that came after the first release, for files that were made before.
const ADDED: [(&str, &str); 1] = [("consentVersion", "TEXT")];

/// Not the row that ends everything.
const IS_VISIT: &str = "emailOfAccessor <> :everyone";
/// See [`range`]. Only what is spelled as times here are sorts by when it was; anything else an owner
/// typed counts as no start.
const BEGAN: &str = "sessionStartTime >= :from AND sessionStartTime < :before
    AND (:is_time IS NULL OR :is_time = (sessionStartTime GLOB
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'))";
/// Neither ended nor of the row that ends everything.
const IS_OPEN: &str = "trim(coalesce(endReason, '')) = '' AND emailOfAccessor <> :everyone";

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
        let connection = open_file(path)?;
        connection.execute_batch(SCHEMA)?;
        add_columns(&connection)?;
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
        self.run(TransactionBehavior::Immediate, work).await
    }

    /// The same, only to read, which waits for no other process that writes.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(TransactionBehavior::Deferred, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let run = move || {
            // A poisoned lock means a panic while a transaction was open; dropping that rolled it
            // back.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior)?;
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
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        let (email, start) = (email.as_str().to_owned(), start.to_string());
        let consent = consent.map(str::to_owned);
        self.transaction(move |db| {
            let insert = "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime, consentVersion) VALUES (:email, :start, :start, :consent)";
            db.execute(insert, named_params! { ":email": email, ":start": start, ":consent": consent })?;
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

    async fn open(&self, email: Option<&str>, since: Timestamp) -> Result<SessionPage, StoreError> {
        let email = email.map(str::to_owned);
        self.transaction(move |db| {
            let select = format!(
                "SELECT * FROM emailAccess
                WHERE {IS_OPEN} AND sessionStartTime >= :since AND (:email IS NULL OR emailOfAccessor = :email)
                ORDER BY sessionStartTime, id LIMIT :limit"
            );
            let values = named_params! { ":email": email, ":everyone": EVERYONE, ":since": since.to_string(), ":limit": PAGE_SIZE + 1 };
            page(db, &select, values, PAGE_SIZE)
        })
        .await
    }

    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let endings = endings.to_vec();
        self.transaction(move |db| {
            for (id, reason) in &endings {
                write_ending(db, id, *reason, now)?;
            }
            Ok(())
        })
        .await
    }

    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        self.transaction(move |db| {
            let insert = "INSERT INTO emailAccess (emailOfAccessor, sessionStartTime, sessionEndTime, endReason, endedAt)
                 VALUES (:everyone, :now, :now, :reason, :now)";
            db.execute(insert, named_params! { ":everyone": EVERYONE, ":now": now.to_string(), ":reason": EndReason::Revoked.as_str() })?;
            Ok(())
        })
        .await
    }

    async fn not_before(&self) -> Option<Timestamp> {
        let moments = self.reading(everything_ended).await.unwrap_or_default();
        moments.into_iter().max()
    }

    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        self.transaction(move |db| {
            let select = "SELECT id FROM emailAccess WHERE sessionEndTime < :moment ORDER BY sessionEndTime LIMIT :limit";
            let values = named_params! { ":moment": moment.to_string(), ":limit": PAGE_SIZE };
            ids(db, select, values)
        })
        .await
    }

    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.transaction(move |db| {
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
        self.transaction(move |db| {
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
        self.transaction(move |db| {
            // Unlike LIKE, it knows no wildcards.
            let select = "SELECT id FROM emailAccess WHERE substr(emailOfAccessor, -length(:end)) = :end LIMIT :limit";
            ids(db, select, named_params! { ":end": end, ":limit": PAGE_SIZE })
        })
        .await
    }

    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        let id = id.clone();
        self.reading(move |db| match stored(db, &id)? {
            row if row.email == EVERYONE => Err(StoreError::NotFound),
            row => Ok((row, everything_ended(db)?)),
        })
        .await
    }

    async fn rows(&self, ids: &[RecordId]) -> Result<(Vec<Session>, Vec<Timestamp>), StoreError> {
        let ids = ids.to_vec();
        self.reading(move |db| {
            let mut rows = Vec::new();
            for id in &ids {
                match stored(db, id) {
                    Ok(row) if row.email != EVERYONE => rows.push(row),
                    Ok(_) | Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok((rows, everything_ended(db)?))
        })
        .await
    }

    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        let changes = changes.to_vec();
        self.transaction(move |db| {
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
        since: Timestamp,
        number: u32,
    ) -> Result<SessionPage, StoreError> {
        self.reading(move |db| {
            let select = "SELECT * FROM emailAccess
                WHERE sessionStartTime >= :began AND trim(coalesce(endReason, '')) <> ''
                    AND (trim(coalesce(endedAt, '')) = '' OR endedAt >= :since)
                ORDER BY sessionStartTime, id LIMIT :limit OFFSET :offset";
            let offset = i64::from(number) * i64::from(LARGEST_PAGE);
            let values = named_params! {
                ":began": began.to_string(), ":since": since.to_string(),
                ":limit": LARGEST_PAGE + 1, ":offset": offset,
            };
            page(db, select, values, LARGEST_PAGE)
        })
        .await
    }

    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        number: u32,
    ) -> Result<SessionPage, StoreError> {
        let any = if spans.is_empty() {
            "FALSE".to_owned()
        } else {
            let each: Vec<String> = spans.iter().map(condition).collect();
            each.join(" OR ")
        };
        let offset = i64::from(number) * i64::from(PAGE_SIZE);
        self.reading(move |db| {
            // What is put together here is numbers and words of ours.
            let select = format!(
                "SELECT * FROM emailAccess WHERE sessionStartTime >= :since AND ({any})
                ORDER BY sessionStartTime, id LIMIT :limit OFFSET :offset"
            );
            let values = named_params! { ":since": since.to_string(), ":limit": PAGE_SIZE + 1, ":offset": offset };
            let mut select = db.prepare(&select)?;
            page_of(&mut select, values, PAGE_SIZE)
        })
        .await
    }

    async fn list(&self, listing: &Listing, number: u32) -> Result<SessionPage, StoreError> {
        let listing = listing.clone();
        self.reading(move |db| {
            let direction = match listing.order {
                Order::OldestFirst => "ASC",
                Order::NewestFirst => "DESC",
            };
            let select = format!(
                "SELECT * FROM emailAccess
                WHERE {IS_VISIT} AND {BEGAN} AND (:email IS NULL OR emailOfAccessor = :email)
                ORDER BY sessionStartTime {direction}, id {direction} LIMIT :limit OFFSET :offset"
            );
            let (from, before, is_time) = range(listing.starts);
            let email = listing.email.as_ref().map(Email::as_str);
            let offset = i64::from(number) * i64::from(listing.page_size);
            let values = named_params! {
                ":everyone": EVERYONE, ":from": from, ":before": before, ":is_time": is_time, ":email": email,
                ":limit": listing.page_size + 1, ":offset": offset,
            };
            Ok(SessionPage {
                everything_ended: everything_ended(db)?,
                ..page(db, &select, values, listing.page_size)?
            })
        })
        .await
    }

    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        self.reading(move |db| {
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

/// Texts that a start is not below, and below, in the order they sort in, so that the index finds
/// them; and whether it has to be a time, or none.
fn range(starts: Starts) -> (String, String, Option<bool>) {
    const LAST: &str = "\u{10ffff}";
    let (from, before, is_time) = match starts {
        Starts::All => (None, None, None),
        Starts::Missing => (None, None, Some(false)),
        Starts::Between { from, before } => (from, before, Some(true)),
    };
    let text = |moment: Timestamp| moment.to_string();
    let before = before.map_or_else(|| LAST.to_owned(), text);
    (from.map(text).unwrap_or_default(), before, is_time)
}

/// Whether a row has the span's moment in it.
fn condition(span: &Span) -> String {
    let (column, of_everyone) = match span.moment {
        Moment::Start => ("sessionStartTime", "<>"),
        Moment::LastSeen => ("sessionEndTime", "<>"),
        Moment::EndedAt => ("endedAt", "<>"),
        Moment::EverythingEnded => ("sessionStartTime", "="),
    };
    let Span { from, to, .. } = span;
    format!(
        "({column} >= '{from}' AND {column} < '{to}' AND emailOfAccessor {of_everyone} '{EVERYONE}')"
    )
}

/// The ids that a query selects.
fn ids(
    db: &Transaction<'_>,
    select: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
) -> Result<Vec<RecordId>, StoreError> {
    let mut select = db.prepare_cached(select)?;
    let ids = select.query_map(values, |row| row.get::<_, i64>("id"))?;
    Ok(ids
        .map(|id| id.map(|id| RecordId::new(id.to_string())))
        .collect::<Result<_, _>>()?)
}

/// One page of what a query selects, whose limit is one more than a page: that tells whether
/// another follows.
fn page(
    db: &Transaction<'_>,
    select: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
) -> Result<SessionPage, StoreError> {
    page_of(&mut *db.prepare_cached(select)?, values, size)
}

fn page_of(
    select: &mut Statement<'_>,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
) -> Result<SessionPage, StoreError> {
    let sessions = select.query_map(values, session)?;
    let mut sessions = sessions.collect::<Result<Vec<_>, _>>()?;
    let has_more = sessions.len() > usize::from(size);
    sessions.truncate(size.into());
    Ok(SessionPage {
        sessions,
        has_more,
        ..SessionPage::default()
    })
}

/// Opens a database, made for its owner alone where it is missing.
pub(crate) fn open_file(path: &Path) -> Result<Connection, rusqlite::Error> {
    if let Some(folder) = path.parent() {
        // Where this fails, opening the file fails too, and says what it could not open.
        let _ = std::fs::create_dir_all(folder);
    }
    create_private(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In this mode a crash of the process loses nothing, and a power failure at most the last
    // moments: worth ten times the writes.
    connection.pragma_update(None, "synchronous", "normal")?;
    // What is deleted is overwritten: a visitor who is forgotten is not to be found in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// Makes the file for its owner alone, because visitors' addresses stand in it; SQLite gives the files
/// beside it the same permissions. Where it is there already, its owner has decided.
fn create_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Where this fails, opening the database fails too, and says why.
    let _ = options.open(path);
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

/// The moments of [`Store::end_everything`].
fn everything_ended(db: &Transaction<'_>) -> Result<Vec<Timestamp>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT sessionStartTime FROM emailAccess WHERE emailOfAccessor = :everyone",
    )?;
    let moments = select.query_map(named_params! { ":everyone": EVERYONE }, |row| {
        row.get::<_, String>(0)
    })?;
    let moments = moments.collect::<Result<Vec<_>, _>>()?;
    Ok(moments
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect())
}

/// A row as it stands.
fn stored(db: &Transaction<'_>, id: &RecordId) -> Result<Session, StoreError> {
    let mut select = db.prepare_cached("SELECT * FROM emailAccess WHERE id = :id")?;
    select
        .query_row(named_params! { ":id": id.as_str() }, session)
        .optional()?
        .ok_or(StoreError::NotFound)
}

/// Reads a row, after writing into it that everything was ended, where that is so.
fn read(db: &Transaction<'_>, id: &RecordId) -> Result<Session, StoreError> {
    let newest = everything_ended(db)?.into_iter().max();
    let (row, closed_at) = stored(db, id)?.closed_by(newest);
    if let Some(moment) = closed_at {
        write_ending(db, id, EndReason::Revoked, moment)?;
    }
    Ok(row)
}

/// Figures by page, as their column holds them.
fn written(pages: &Pages) -> String {
    serde_json::to_string(pages).unwrap_or_default()
}

/// Folds a heartbeat into its row and returns the row as it stands then.
fn fold(db: &Transaction<'_>, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
    let figures = read(db, id)?.fold(heartbeat);
    let pages = figures.pages.as_ref().map(written);
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

/// Writes a reason where there is none: the first one stays.
fn write_ending(
    db: &Transaction<'_>,
    id: &RecordId,
    reason: EndReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut update = db.prepare_cached(
        "UPDATE emailAccess SET endReason = :reason, endedAt = :now
         WHERE id = :id AND trim(coalesce(endReason, '')) = ''",
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
