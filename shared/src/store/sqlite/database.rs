//! One SQLite file in two lanes: readers with connections of their own, and one writer.

use std::path::Path;

use rusqlite::Connection;

use super::file::open_to_write;
use super::readers::Readers;
use super::writer::{Durability, Writer};

/// A file that many may use at once.
///
/// Who reads waits for nobody who writes, in this process or another. Who writes waits in one line,
/// whose front is committed together.
pub(crate) struct Database {
    // Dropped first: the last connection that closes folds the write-ahead log into the file.
    readers: Readers,
    writer: Writer,
}

/// The work was not done.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    /// SQLite refused; of a commit, everybody in it is told so.
    Sqlite(rusqlite::Error),
    /// More wait to write than there is room for.
    Full,
    /// The thread that was to do it is gone.
    Stopped,
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Database {
    /// Opens the file, and creates it and its folder where they are missing. `prepare` brings it into
    /// shape.
    ///
    /// # Errors
    /// Where the folder cannot be made, the file is no database, or `prepare` fails.
    pub(crate) fn open(
        path: &Path,
        prepare: impl FnOnce(&Connection) -> Result<(), rusqlite::Error>,
    ) -> Result<Self, rusqlite::Error> {
        let connection = open_to_write(path)?;
        prepare(&connection)?;
        Ok(Self {
            readers: Readers::of(path),
            writer: Writer::start(connection)?,
        })
    }

    /// Runs `work` in a transaction that may be shared with others, and returns once it is committed.
    /// Where it fails, nothing of it is written, and the others are. It may be run twice.
    ///
    /// Dropping the future does not take the work back.
    ///
    /// # Errors
    /// Those of `work`, and [`DatabaseError`].
    pub(crate) async fn write<T, E>(
        &self,
        durability: Durability,
        work: impl Fn(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.writer.write(durability, work).await
    }

    /// Runs `work` on one view of the file that only reads, with all in it that was written before.
    ///
    /// # Errors
    /// Those of `work`, and [`DatabaseError`].
    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// The process is about to end: from now on nobody waits long for a lock of another process.
    pub(crate) fn hurry(&self) {
        self.writer.hurry();
    }
}

#[cfg(test)]
mod tests;
