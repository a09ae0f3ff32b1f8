//! A queue in a SQLite file, for one process: what came in survives its end, however it ends.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::{Entry, LONGEST_DELAY_SECONDS, Queue, QueueError, Taken, Waiting};
use crate::clock::SLACK_SECONDS;
use crate::store::sqlite::database::{Database, DatabaseError};
use crate::store::sqlite::writer::Durability;
use crate::timestamp::Timestamp;

mod refused;

pub use refused::{RefusedEntry, Retried};

/// How often the store may refuse an entry that it could take.
const MOST_REFUSALS: i64 = 10;
/// Between two tries of one.
const AFTER_REFUSAL_SECONDS: u64 = 60;

/// One line for each session, which whatever comes in is folded into. `version` tells a line that was
/// taken from what has come in since.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue (
        session  TEXT PRIMARY KEY,
        entry    TEXT NOT NULL,
        due      INTEGER NOT NULL,
        version  INTEGER NOT NULL,
        refusals INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS queue_by_due ON queue (due);
    CREATE TABLE IF NOT EXISTS refused (
        entry  TEXT NOT NULL,
        at     INTEGER NOT NULL,
        reason TEXT
    );";

/// See the module.
#[derive(Clone)]
pub struct LocalQueue {
    database: Arc<Database>,
}

/// How much there is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Sessions that something waits of.
    pub waiting: u64,
    /// Entries that the store refused for good.
    pub refused: u64,
}

impl LocalQueue {
    /// Opens the file, and creates it and its folder where they are missing.
    ///
    /// # Errors
    /// Where the folder cannot be made or the file is no database.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let database = Database::open(path, |connection| {
            connection.execute_batch(SCHEMA)?;
            refused::add_reason(connection)
        })?;
        Ok(Self {
            database: Arc::new(database),
        })
    }

    /// The process is about to end: nothing waits long for the file from now on.
    pub fn hurry(&self) {
        self.database.hurry();
    }

    /// How much there is in it.
    ///
    /// # Errors
    /// [`QueueError`] where the file cannot be read.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        self.read(|db| {
            let count = |table: &str| {
                let select = format!("SELECT count(*) FROM {table}");
                db.query_row(&select, [], |row| row.get::<_, i64>(0))
            };
            Ok(Depth {
                waiting: count("queue")?.unsigned_abs(),
                refused: count("refused")?.unsigned_abs(),
            })
        })
        .await
    }

    /// See [`Database::read`].
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.database.read(work).await
    }

    /// See [`Database::write`]. What is lost of these comes again, and changes nothing then.
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.database.write(Durability::Process, work).await
    }
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Sqlite(error) => error.into(),
            DatabaseError::Full => Self("too many wait for it".to_owned()),
            DatabaseError::Stopped => Self("its thread stopped".to_owned()),
        }
    }
}

impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("SQLite: {error}"))
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn push(&self, entry: &Entry, due: Timestamp, _: Timestamp) -> Result<(), QueueError> {
        let entry = entry.clone();
        // Nobody repeats an ending.
        let durability = match entry.ending {
            Some(_) => Durability::Power,
            None => Durability::Process,
        };
        let work = move |db: &Connection| Ok(fold_in(db, &entry, due)?);
        self.database.write(durability, work).await
    }

    /// There is one process, which takes nothing twice at once.
    async fn take(&self, most: usize, now: Timestamp) -> Result<Vec<Taken>, QueueError> {
        let select = move |db: &Connection| {
            let mut select = db.prepare_cached(
                "SELECT session, version, entry FROM queue WHERE due <= :now OR due > :latest
                 ORDER BY due LIMIT :most",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            // Nothing is put off for longer: what seems to be was pushed before the clock was set back.
            let latest = now.plus(LONGEST_DELAY_SECONDS + SLACK_SECONDS);
            let values = named_params! {
                ":now": now.as_unix(),
                ":latest": latest.as_unix(),
                ":most": most,
            };
            let rows = select.query_map(values, |row| {
                let (session, version): (String, i64) = (row.get(0)?, row.get(1)?);
                // What is no text is no entry either.
                let text = row.get_ref(2)?.as_str().unwrap_or_default().to_owned();
                Ok((format!("{version} {session}"), text))
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        let (mut taken, mut unreadable) = (Vec::new(), Vec::new());
        for (receipt, text) in self.read(select).await? {
            match Entry::parse(&text) {
                Ok(entry) => taken.push(Taken { entry, receipt }),
                Err(_) => unreadable.push(receipt),
            }
        }
        if !unreadable.is_empty() {
            // By another version; kept for whoever can read it.
            let put_aside = move |db: &Connection| {
                let mut each = unreadable.iter();
                Ok(each.try_for_each(|receipt| put_aside(db, receipt, UNREADABLE, now))?)
            };
            self.write(put_aside).await?;
        }
        Ok(taken)
    }

    async fn done(&self, receipts: &[String]) -> Result<(), QueueError> {
        let receipts = receipts.to_vec();
        self.write(move |db| {
            for receipt in &receipts {
                delete(db, receipt)?;
            }
            Ok(())
        })
        .await
    }

    async fn put_back(
        &self,
        waiting: &[Waiting],
        due: Timestamp,
        _: Timestamp,
    ) -> Result<(), QueueError> {
        let receipts: Vec<_> = waiting
            .iter()
            .flat_map(|one| one.receipts.clone())
            .collect();
        self.write(move |db| {
            for receipt in &receipts {
                wait(db, receipt, due)?;
            }
            Ok(())
        })
        .await
    }

    async fn refuse(&self, receipts: &[String], now: Timestamp) -> Result<(), QueueError> {
        self.refuse_because(receipts, "", now).await
    }

    async fn refuse_because(
        &self,
        receipts: &[String],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let (receipts, reason) = (receipts.to_vec(), reason.to_owned());
        self.write(move |db| {
            for receipt in &receipts {
                let (version, session) = parts(receipt);
                let mut count = db.prepare_cached(
                    "UPDATE queue SET refusals = refusals + 1 WHERE session = :session AND version = :version
                     RETURNING refusals",
                )?;
                let values = named_params! { ":session": session, ":version": version };
                let refusals: Option<i64> =
                    count.query_row(values, |row| row.get(0)).optional()?;
                match refusals {
                    Some(refusals) if refusals >= MOST_REFUSALS => {
                        put_aside(db, receipt, &reason, now)?;
                    }
                    Some(_) => wait(db, receipt, now.plus(AFTER_REFUSAL_SECONDS))?,
                    None => {}
                }
            }
            Ok(())
        })
        .await
    }
}

fn fold_in(db: &Connection, entry: &Entry, due: Timestamp) -> Result<(), rusqlite::Error> {
    let session = format!("{} {}", entry.key.start.as_unix(), entry.key.record);
    let mut select = db.prepare_cached("SELECT entry, due FROM queue WHERE session = :session")?;
    let known: Option<(String, i64)> = select
        .query_row(named_params! { ":session": session }, |row| {
            let text = row.get_ref(0)?.as_str().unwrap_or_default();
            Ok((text.to_owned(), row.get(1)?))
        })
        .optional()?;
    let waits_since = known.as_ref().map_or(i64::MAX, |(_, due)| *due);
    // What was written by another version and cannot be read is written over: its figures are in
    // what comes now.
    let entry = match known.and_then(|(text, _)| Entry::parse(&text).ok()) {
        Some(known) => &known.fold(entry.clone()),
        None => entry,
    };
    let mut upsert = db.prepare_cached(
        "INSERT INTO queue (session, entry, due, version) VALUES (:session, :entry, :due, 1)
         ON CONFLICT (session) DO UPDATE SET entry = :entry, due = :due, version = version + 1",
    )?;
    upsert.execute(named_params! {
        ":session": session,
        ":entry": entry.to_json(),
        ":due": due.as_unix().min(waits_since),
    })?;
    Ok(())
}

/// The line's version and session.
fn parts(receipt: &str) -> (i64, &str) {
    let (version, session) = receipt.split_once(' ').unwrap_or_default();
    (version.parse().unwrap_or_default(), session)
}

fn delete(db: &Connection, receipt: &str) -> Result<(), rusqlite::Error> {
    let (version, session) = parts(receipt);
    let mut delete =
        db.prepare_cached("DELETE FROM queue WHERE session = :session AND version = :version")?;
    delete.execute(named_params! { ":session": session, ":version": version })?;
    Ok(())
}

fn wait(db: &Connection, receipt: &str, due: Timestamp) -> Result<(), rusqlite::Error> {
    let (_, session) = parts(receipt);
    let mut update = db.prepare_cached("UPDATE queue SET due = :due WHERE session = :session")?;
    update.execute(named_params! { ":due": due.as_unix(), ":session": session })?;
    Ok(())
}

/// Why an entry is put aside that the store was never given.
const UNREADABLE: &str = "written by another version, or damaged";

fn put_aside(
    db: &Connection,
    receipt: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), rusqlite::Error> {
    let (version, session) = parts(receipt);
    let values = named_params! { ":session": session, ":version": version, ":now": now.as_unix(), ":reason": reason };
    let mut insert = db.prepare_cached(
        "INSERT INTO refused (entry, at, reason)
         SELECT entry, :now, :reason FROM queue WHERE session = :session AND version = :version",
    )?;
    insert.execute(values)?;
    tracing::error!(
        session,
        reason,
        "an entry of the queue is refused for good, and kept: `lastseen queue` shows it and puts it back"
    );
    delete(db, receipt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Key, QueuedEnding, folded};
    use crate::session::{EndReason, Figures, RecordId};

    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);

    fn entry(record: &str, active: u64) -> Entry {
        Entry {
            key: Key {
                record: RecordId::new(record),
                start: NOW,
            },
            past_deadline: false,
            figures: Figures {
                last_seen: NOW.plus(active),
                active_seconds: Some(active),
                current_page: None,
                pages: None,
            },
            ending: None,
        }
    }

    fn queue() -> (LocalQueue, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let queue = LocalQueue::open(&folder.path().join("new/queue.db")).unwrap();
        (queue, folder)
    }

    #[tokio::test]
    async fn entries_of_a_session_wait_as_one_until_the_first_of_them_is_due() {
        let (queue, _folder) = queue();
        queue
            .push(&entry("1", 20), NOW.plus(10), NOW)
            .await
            .unwrap();
        queue
            .push(&entry("1", 40), NOW.plus(300), NOW)
            .await
            .unwrap();
        queue
            .push(&entry("1", 30), NOW.plus(300), NOW)
            .await
            .unwrap();
        assert_eq!(queue.take(9, NOW.plus(9)).await.unwrap(), []);
        let taken = queue.take(9, NOW.plus(10)).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].entry, entry("1", 40));
    }

    #[tokio::test]
    async fn what_comes_in_while_a_session_is_written_stays() {
        let (queue, _folder) = queue();
        queue.push(&entry("1", 20), NOW, NOW).await.unwrap();
        let taken = queue.take(9, NOW).await.unwrap();
        queue.push(&entry("1", 40), NOW, NOW).await.unwrap();
        queue.done(&[taken[0].receipt.clone()]).await.unwrap();
        let taken = queue.take(9, NOW).await.unwrap();
        assert_eq!(taken[0].entry, entry("1", 40));
        queue.done(&[taken[0].receipt.clone()]).await.unwrap();
        assert_eq!(queue.take(9, NOW).await.unwrap(), []);
    }

    #[tokio::test]
    async fn everything_is_there_after_a_new_start() {
        let (queue, folder) = queue();
        let ending = QueuedEnding {
            reason: EndReason::Logout,
            at: NOW,
            everywhere: Some(EndReason::Logout),
        };
        let ended = Entry {
            ending: Some(ending),
            ..entry("1", 20)
        };
        queue.push(&ended, NOW, NOW).await.unwrap();
        drop(queue);
        let queue = LocalQueue::open(&folder.path().join("new/queue.db")).unwrap();
        assert_eq!(queue.take(9, NOW).await.unwrap()[0].entry, ended);
    }

    #[tokio::test]
    async fn an_outage_can_last_and_a_refusal_cannot() {
        let (queue, _folder) = queue();
        queue.push(&entry("1", 20), NOW, NOW).await.unwrap();
        let mut now = NOW;
        for _ in 0..50 {
            let taken = queue.take(9, now).await.unwrap();
            queue
                .put_back(&folded(taken), now.plus(5), now)
                .await
                .unwrap();
            assert_eq!(queue.take(9, now.plus(4)).await.unwrap(), []);
            now = now.plus(5);
        }
        for _ in 0..MOST_REFUSALS {
            let taken = queue.take(9, now).await.unwrap();
            assert_eq!(taken.len(), 1);
            queue
                .refuse_because(&[taken[0].receipt.clone()], "the column is full", now)
                .await
                .unwrap();
            now = now.plus(AFTER_REFUSAL_SECONDS);
        }
        assert_eq!(queue.take(9, now).await.unwrap(), []);
        let depth = queue.depth().await.unwrap();
        assert_eq!((depth.waiting, depth.refused), (0, 1));
        let aside = queue.refused_entries(9).await.unwrap();
        assert_eq!(aside.len(), 1);
        assert_eq!(
            (aside[0].record.as_deref(), aside[0].reason.as_str()),
            (Some("1"), "the column is full")
        );
        let retried = queue.retry_refused(now).await.unwrap();
        assert_eq!((retried.put_back, retried.unreadable), (1, 0));
        let taken = queue.take(9, now).await.unwrap();
        assert_eq!(taken[0].entry, entry("1", 20));
        assert_eq!(queue.depth().await.unwrap().refused, 0);
    }

    #[tokio::test]
    async fn an_entry_that_is_none_keeps_no_other_one_waiting() {
        let (queue, folder) = queue();
        for record in ["1", "2", "3"] {
            queue.push(&entry(record, 20), NOW, NOW).await.unwrap();
        }
        let db = Connection::open(folder.path().join("new/queue.db")).unwrap();
        for (entry, record) in [("x'ff00'", "1"), ("'{'", "2")] {
            let update =
                format!("UPDATE queue SET entry = {entry} WHERE session LIKE '% {record}'");
            assert_eq!(db.execute(&update, []).unwrap(), 1);
        }
        let taken = queue.take(9, NOW).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].entry, entry("3", 20));
        let aside = queue.refused_entries(9).await.unwrap();
        assert_eq!(aside.len(), 2);
        assert!(
            aside
                .iter()
                .all(|one| one.record.is_none() && one.reason == UNREADABLE)
        );
        let retried = queue.retry_refused(NOW).await.unwrap();
        assert_eq!((retried.put_back, retried.unreadable), (0, 2));
        assert_eq!(queue.depth().await.unwrap().refused, 2, "nothing is lost");
    }

    #[tokio::test]
    async fn what_was_put_aside_before_there_were_reasons_is_shown_and_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE refused (entry TEXT NOT NULL, at INTEGER NOT NULL)")
            .unwrap();
        let insert = "INSERT INTO refused VALUES (?1, ?2)";
        db.execute(insert, (entry("1", 20).to_json(), NOW.as_unix()))
            .unwrap();
        let queue = LocalQueue::open(&path).unwrap();
        assert_eq!(queue.refused_entries(9).await.unwrap()[0].reason, "");
        assert_eq!(queue.retry_refused(NOW).await.unwrap().put_back, 1);
    }

    #[tokio::test]
    async fn what_waits_is_not_forgotten_when_the_clock_is_set_back() {
        let (queue, _folder) = queue();
        let later = NOW.plus(3 * 3_600);
        queue
            .push(&entry("1", 20), later.plus(LONGEST_DELAY_SECONDS), later)
            .await
            .unwrap();
        queue
            .push(&entry("2", 20), NOW.plus(LONGEST_DELAY_SECONDS), NOW)
            .await
            .unwrap();
        let taken = queue.take(9, NOW).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].entry, entry("1", 20));
    }

    #[tokio::test]
    async fn sessions_of_one_row_id_do_not_mix() {
        let (queue, _folder) = queue();
        let later = Entry {
            key: Key {
                start: NOW.plus(3_600),
                ..entry("1", 0).key
            },
            ..entry("1", 5)
        };
        queue.push(&entry("1", 20), NOW, NOW).await.unwrap();
        queue.push(&later, NOW, NOW).await.unwrap();
        assert_eq!(queue.take(9, NOW).await.unwrap().len(), 2);
    }
}
