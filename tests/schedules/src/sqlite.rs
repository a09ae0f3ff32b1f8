//! The store of `serve`, as it ships, in a real file. Its transactions are one step each: what the
//! explorer decides is when one begins, whether its answer arrives, and whether another program holds the
//! file meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use shared::email::Email;
use shared::session::{EndReason, Heartbeat, RecordId, Session};
use shared::store::sqlite::SqliteStore;
use shared::store::{
    After, Change, Ended, Listing, Rows, SessionPage, Span, Starts, Store, StoreError,
};
use shared::timestamp::Timestamp;

use crate::table::{Cells, Table};
use crate::world::{Ask, Line, Reply};

/// The file, as another program on the machine sees it.
pub struct File {
    /// What ships, over it.
    pub store: SqliteStore,
    other: Mutex<Connection>,
    begin: Mutex<Vec<(Vec<String>, Vec<Cell>)>>,
    path: PathBuf,
}

impl Default for File {
    fn default() -> Self {
        Self::new()
    }
}

impl File {
    /// A new one, in memory where the machine has a folder for that.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "only tests use it")]
    pub fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let path = folder.unwrap().keep();
        let file = path.join("sessions.db");
        let store = SqliteStore::open(&file).unwrap();
        let other = Connection::open(&file).unwrap();
        other
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        Self {
            store,
            other: Mutex::new(other),
            begin: Mutex::default(),
            path,
        }
    }

    fn other(&self) -> MutexGuard<'_, Connection> {
        self.other.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One statement of another program.
    #[expect(clippy::unwrap_used, reason = "only tests use it")]
    pub fn run(&self, statements: &str) {
        self.other().execute_batch(statements).unwrap();
    }

    /// The same, where that program holds the file.
    pub fn run_if_held(&self, statements: &str) {
        let is_held = !self.other().is_autocommit();
        if is_held {
            self.run(statements);
        }
    }

    /// Every schedule begins with what is in it now.
    #[expect(clippy::unwrap_used, reason = "only tests use it")]
    pub fn remember(&self) {
        let db = self.other();
        let mut select = db.prepare("SELECT * FROM emailAccess ORDER BY id").unwrap();
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let rows = select
            .query_map([], |row| {
                (0..names.len())
                    .map(|index| row.get(index))
                    .collect::<Result<Vec<Cell>, _>>()
            })
            .unwrap();
        let rows = rows.map(|row| (names.clone(), row.unwrap()));
        *self.begin.lock().unwrap_or_else(PoisonError::into_inner) = rows.collect();
    }

    /// Back to that.
    #[expect(clippy::unwrap_used, reason = "only tests use it")]
    pub fn reset(&self) {
        let mut db = self.other();
        if !db.is_autocommit() {
            db.execute_batch("ROLLBACK").unwrap();
        }
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let transaction = db.transaction_with_behavior(behavior).unwrap();
        transaction
            .execute_batch("DELETE FROM emailAccess; DELETE FROM sqlite_sequence;")
            .unwrap();
        for (names, cells) in self
            .begin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let marks = vec!["?"; names.len()].join(", ");
            let insert = format!(
                "INSERT INTO emailAccess ({}) VALUES ({marks})",
                names.join(", ")
            );
            let mut insert = transaction.prepare_cached(&insert).unwrap();
            insert.execute(rusqlite::params_from_iter(cells)).unwrap();
        }
        transaction.commit().unwrap();
    }

    /// All rows, as a table of NocoDB's would show them.
    #[expect(clippy::unwrap_used, reason = "only tests use it")]
    pub fn table(&self) -> Table {
        let db = self.other();
        let mut select = db.prepare_cached("SELECT * FROM emailAccess").unwrap();
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let rows = select.query_map([], |row| {
            let mut cells = Cells::new();
            for (index, name) in names.iter().enumerate() {
                let value = match row.get::<_, Cell>(index)? {
                    Cell::Integer(number) => Value::from(number),
                    Cell::Text(text) if name == "pages" => serde_json::from_str(&text).unwrap(),
                    Cell::Text(text) => Value::from(text),
                    _ => Value::Null,
                };
                cells.insert(name.clone(), value);
            }
            let id = cells["id"].as_u64().unwrap_or(0);
            Ok((id, cells))
        });
        Table {
            rows: rows.unwrap().map(Result::unwrap).collect(),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What is left of it lies in a folder for what is.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The store, one step at a time.
pub struct Steps {
    /// To the world.
    pub line: Line,
    /// The file.
    pub file: Arc<File>,
}

impl Steps {
    async fn step<T>(
        &self,
        name: &'static str,
        writes: bool,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let actor = self.line.world().actor;
        let reply = self.line.ask(Ask::File(name)).await;
        if matches!(reply, Reply::Refused) {
            return Err(StoreError::Stopped);
        }
        self.line.world().busy.insert(actor, writes);
        let done = work.await;
        let mut world = self.line.world();
        world.busy.remove(&actor);
        let after = self.file.table();
        world.look_at(after, actor);
        if matches!(reply, Reply::Lost(_)) {
            return Err(StoreError::Stopped);
        }
        done
    }
}

#[async_trait]
impl Store for Steps {
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        let work = self.file.store.create(email, start, consent);
        self.step("create", true, work).await
    }
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let work = self.file.store.heartbeat(id, heartbeat);
        let done = self.step("heartbeat", true, work).await;
        self.told(id, done.as_ref().ok());
        done
    }
    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let work = self.file.store.end(id, heartbeat, reason, now);
        let done = self.step("end", true, work).await;
        self.told(id, done.as_ref().ok().map(|ended| &ended.session));
        done
    }
    async fn open(
        &self,
        email: Option<&str>,
        since: Timestamp,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let work = self.file.store.open(email, since, after);
        self.step("open", false, work).await
    }
    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let work = self.file.store.end_many(endings, now);
        self.step("end many", true, work).await
    }
    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        let work = self.file.store.end_everything(now);
        self.step("end everything", true, work).await
    }
    async fn not_before(&self) -> Option<Timestamp> {
        None
    }
    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        self.file.store.seen_before(moment).await
    }
    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError> {
        let work = self.file.store.delete(ids);
        self.step("delete", true, work).await
    }
    async fn import(&self, sessions: &[Session]) -> Result<(), StoreError> {
        self.file.store.import(sessions).await
    }
    async fn with_address_ending(&self, end: &str) -> Result<Vec<RecordId>, StoreError> {
        self.file.store.with_address_ending(end).await
    }
    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        let work = self.file.store.row(id);
        let done = self.step("row", false, work).await;
        self.told(id, done.as_ref().ok().map(|(session, _)| session));
        done
    }
    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        let work = self.file.store.rows(ids);
        self.step("rows", false, work).await
    }
    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        let work = self.file.store.write_many(changes);
        self.step("write many", true, work).await
    }
    async fn ended(
        &self,
        began: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.file.store.ended(began, since, after).await
    }
    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.file.store.within(since, spans, after).await
    }
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let work = self.file.store.list(listing, after);
        self.step("list", false, work).await
    }
    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        self.file.store.count(starts).await
    }
}

impl Steps {
    fn told(&self, id: &RecordId, row: Option<&Session>) {
        if let Some(row) = row {
            let mut world = self.line.world();
            let (actor, row_id) = (world.actor, id.as_str().parse().unwrap_or(0));
            world.observe(actor, &format!("{row:?}"));
            world
                .monitor
                .answered(actor, row_id, row.end_reason.is_some());
        }
    }
}
