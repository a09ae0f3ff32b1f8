//! Entries that the store refused for good: kept until somebody has put right what was wrong.

use rusqlite::{Connection, named_params};

use super::{LocalQueue, fold_in};
use crate::queue::{Entry, QueueError};
use crate::timestamp::Timestamp;

/// One of them. No address and nothing else that is personal stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEntry {
    /// The row it belongs to; `None` where the entry cannot be read.
    pub record: Option<String>,
    /// When it was put aside.
    pub at: Timestamp,
    /// The store's words; empty where nobody wrote them down.
    pub reason: String,
}

/// What became of putting them back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// They wait again, and are written with the next step.
    pub put_back: usize,
    /// They cannot be read, and stay where they are.
    pub unreadable: usize,
}

impl LocalQueue {
    /// At most so many of them, the newest first.
    ///
    /// # Errors
    /// [`QueueError`] where the file cannot be read.
    pub async fn refused_entries(&self, most: usize) -> Result<Vec<RefusedEntry>, QueueError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(move |db| {
            let mut select =
                db.prepare("SELECT entry, at, reason FROM refused ORDER BY at DESC LIMIT :most")?;
            let rows = select.query_map(named_params! { ":most": most }, |row| {
                let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str().ok());
                let entry = text(0)?.and_then(|text| Entry::parse(text).ok());
                Ok(RefusedEntry {
                    record: entry.map(|entry| entry.key.record.to_string()),
                    at: Timestamp::from_unix(row.get(1)?),
                    reason: text(2)?.unwrap_or_default().to_owned(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Puts all of them back, to be written at once. What has come in of the same sessions since is
    /// folded with them. `serve` may run meanwhile.
    ///
    /// # Errors
    /// [`QueueError`]; then all are where they were.
    pub async fn retry_refused(&self, now: Timestamp) -> Result<Retried, QueueError> {
        self.write(move |db| {
            let mut select = db.prepare("SELECT rowid, entry FROM refused ORDER BY at")?;
            let rows = select.query_map([], |row| {
                let text = row.get_ref(1)?.as_str().ok();
                let entry = text.and_then(|text| Entry::parse(text).ok());
                Ok((row.get::<_, i64>(0)?, entry))
            })?;
            let mut retried = Retried::default();
            for row in rows.collect::<Result<Vec<_>, _>>()? {
                let (id, Some(entry)) = row else {
                    retried.unreadable += 1;
                    continue;
                };
                fold_in(db, &entry, now)?;
                db.execute("DELETE FROM refused WHERE rowid = ?1", [id])?;
                retried.put_back += 1;
            }
            Ok(retried)
        })
        .await
    }
}

/// Files that were made before reasons were kept.
pub(super) fn add_reason(connection: &Connection) -> Result<(), rusqlite::Error> {
    if connection.column_exists(None, "refused", "reason")? {
        return Ok(());
    }
    connection.execute_batch("ALTER TABLE refused ADD COLUMN reason TEXT")
}
