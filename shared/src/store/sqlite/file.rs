//! Opening a SQLite file, and who may read it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a file may be locked while it is opened; see [`super::writer`] for afterwards.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits. Nobody who writes locks readers out, only whoever repairs the file after a
/// crash or closes it as the last one, for a moment.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// As many as a connection keeps prepared: more than there are of ours.
const STATEMENTS: usize = 48;

/// A connection that writes, to a file that is made for its owner alone where it is missing.
///
/// Its own busy timeout is for opening; the writer waits by itself.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection, rusqlite::Error> {
    if let Some(folder) = path.parent() {
        // Where this fails, opening the file fails too, and says what it could not open.
        let _ = std::fs::create_dir_all(folder);
    }
    create_private(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(OPEN_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Readers and the writer do not wait for each other, in this process or another
    // (<https://sqlite.org/wal.html>).
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What is deleted is overwritten: a visitor who is forgotten is not to be found in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// A connection that only reads, to a file that is there.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, rusqlite::Error> {
    // After a crash the first to read repairs the write-ahead log, so it has to be able to write.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(READ_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "query_only", true)?;
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
