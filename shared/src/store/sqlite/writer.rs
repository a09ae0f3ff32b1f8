//! The one thread that writes to a file: what has gathered while it wrote goes into the next commit.
//!
//! A commit costs several times what a heartbeat in it does. Under load many share one; a single
//! writer waits for nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::oneshot;

use super::database::DatabaseError;

/// As many share one commit at most: the first of them waits for the last.
const MOST_IN_A_COMMIT: usize = 64;
/// As many wait in line at most. `serve` has fewer connections than this.
const LONGEST_LINE: usize = 8_192;
/// How long somebody waits while another process holds the file: longer than any transaction of ours
/// takes, shorter than a visitor waits.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// The same once the process is about to end.
const LOCK_TIMEOUT_IN_A_HURRY: Duration = Duration::from_secs(1);
/// Between two tries for the lock.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// What a confirmed write survives. The end of the process, however it comes, it always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durability {
    /// A power failure may take back the last moments: `synchronous = NORMAL` waits for the disk only
    /// when the write-ahead log is folded in. For heartbeats, whose figures come again.
    Process,
    /// A power failure takes nothing back: `synchronous = FULL` waits for the disk at each commit. For
    /// visits, endings and deletions.
    Power,
}

impl Durability {
    const fn pragma(self) -> &'static str {
        match self {
            Self::Process => "PRAGMA synchronous = NORMAL",
            Self::Power => "PRAGMA synchronous = FULL",
        }
    }
}

/// The line in front of the thread.
pub(super) struct Writer {
    line: Option<SyncSender<Waiting>>,
    in_a_hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> Result<Self, rusqlite::Error> {
        // It waits by itself, so that it can be told to hurry.
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch(Durability::Process.pragma())?;
        let (line, incoming) = sync_channel(LONGEST_LINE);
        let in_a_hurry = Arc::new(AtomicBool::new(false));
        let writes = Lane {
            connection,
            durability: Durability::Process,
            incoming,
            line: VecDeque::new(),
            in_a_hurry: Arc::clone(&in_a_hurry),
        };
        let thread = thread::Builder::new().name("sqlite".to_owned());
        // Without a thread the line has no other end, and everybody is told that it stopped.
        let thread = thread.spawn(move || writes.run()).ok();
        Ok(Self {
            line: Some(line),
            in_a_hurry,
            thread,
        })
    }

    /// See [`super::database::Database::write`].
    pub(super) async fn write<T, E>(
        &self,
        durability: Durability,
        work: impl Fn(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            since: Instant::now(),
            durability,
            member: Box::new(Member {
                work,
                result: None,
                answer,
            }),
        };
        let line = self.line.as_ref().ok_or(DatabaseError::Stopped)?;
        line.try_send(waiting).map_err(|error| match error {
            Full(_) => DatabaseError::Full,
            Disconnected(_) => DatabaseError::Stopped,
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err(DatabaseError::Stopped.into()))
    }

    /// See [`super::database::Database::hurry`].
    pub(super) fn hurry(&self) {
        self.in_a_hurry.store(true, Ordering::Relaxed);
    }
}

impl Drop for Writer {
    /// Writes what is in line, and closes the file.
    fn drop(&mut self) {
        self.hurry();
        self.line = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was told where it happened.
            let _ = thread.join();
        }
    }
}

/// Somebody in line.
struct Waiting {
    since: Instant,
    durability: Durability,
    member: Box<dyn InACommit>,
}

/// A piece of work whose answer waits for the commit.
trait InACommit: Send {
    /// Runs it, again where it ran before. Says whether it succeeded.
    fn run(&mut self, db: &Connection) -> bool;

    /// Tells whoever waits; of a failure where there was no commit.
    fn answer(self: Box<Self>, failure: Option<&rusqlite::Error>);
}

struct Member<F, T, E> {
    work: F,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> InACommit for Member<F, T, E>
where
    F: Fn(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        self.result.insert((self.work)(db)).is_ok()
    }

    fn answer(self: Box<Self>, failure: Option<&rusqlite::Error>) {
        let result = match (failure, self.result) {
            (None, Some(result)) => result,
            (Some(error), _) => Err(DatabaseError::Sqlite(copy(error)).into()),
            (None, None) => Err(DatabaseError::Stopped.into()),
        };
        // Whoever asked may have gone. What was begun is finished.
        let _ = self.answer.send(result);
    }
}

/// The same error for another one.
fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            rusqlite::Error::SqliteFailure(*code, text.clone())
        }
        other => {
            let code = ffi::Error::new(ffi::SQLITE_ERROR);
            rusqlite::Error::SqliteFailure(code, Some(other.to_string()))
        }
    }
}

/// What the thread has.
struct Lane {
    connection: Connection,
    /// As the connection is set now.
    durability: Durability,
    incoming: Receiver<Waiting>,
    line: VecDeque<Waiting>,
    in_a_hurry: Arc<AtomicBool>,
}

impl Lane {
    /// Writes until nobody can come any more and nobody waits.
    fn run(mut self) {
        loop {
            if self.line.is_empty() {
                let Ok(first) = self.incoming.recv() else {
                    return;
                };
                self.line.push_back(first);
            }
            self.line.extend(self.incoming.try_iter());
            let together = self.line.len().min(MOST_IN_A_COMMIT);
            match self.begin(together) {
                Ok(()) => self.commit(together),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    self.give_up_on_the_oldest(&error);
                    if !self.line.is_empty() {
                        thread::sleep(TRY_AGAIN);
                    }
                }
                Err(error) => {
                    for waiting in self.line.drain(..together) {
                        waiting.member.answer(Some(&error));
                    }
                }
            }
        }
    }

    /// Takes the write lock, or fails at once.
    fn begin(&mut self, together: usize) -> Result<(), rusqlite::Error> {
        let members = self.line.iter().take(together);
        let durability = members.map(|waiting| waiting.durability).max();
        let durability = durability.unwrap_or(Durability::Process);
        if durability != self.durability {
            self.connection.execute_batch(durability.pragma())?;
            self.durability = durability;
        }
        run(&self.connection, "BEGIN IMMEDIATE")
    }

    /// Lets those go who have waited for the lock as long as anybody does.
    fn give_up_on_the_oldest(&mut self, error: &rusqlite::Error) {
        let patience = if self.in_a_hurry.load(Ordering::Relaxed) {
            LOCK_TIMEOUT_IN_A_HURRY
        } else {
            LOCK_TIMEOUT
        };
        // They stand in the order they came.
        while let Some(first) = self
            .line
            .pop_front_if(|first| first.since.elapsed() >= patience)
        {
            first.member.answer(Some(error));
        }
    }

    /// Runs the first `together` of the line and commits them, and then answers.
    fn commit(&mut self, together: usize) {
        let mut batch: Vec<Waiting> = self.line.drain(..together).collect();
        let db = &self.connection;
        let done = run_together(db, &mut batch).and_then(|()| run(db, "COMMIT"));
        if done.is_err() && !db.is_autocommit() {
            // Where this fails too, the next transaction cannot begin, and says so.
            let _ = run(db, "ROLLBACK");
        }
        for waiting in batch {
            waiting.member.answer(done.as_ref().err());
        }
    }
}

/// Runs all as they are, which is what nearly always works. Only where one fails that has written
/// something already, everything is taken back and run again with a savepoint around each.
fn run_together(db: &Connection, batch: &mut [Waiting]) -> Result<(), rusqlite::Error> {
    for waiting in &mut *batch {
        let before = db.total_changes();
        let is_half_done = !waiting.member.run(db) && db.total_changes() != before;
        if is_half_done || db.is_autocommit() {
            return run_apart(db, batch);
        }
    }
    Ok(())
}

fn run_apart(db: &Connection, batch: &mut [Waiting]) -> Result<(), rusqlite::Error> {
    if !db.is_autocommit() {
        run(db, "ROLLBACK")?;
    }
    run(db, "BEGIN IMMEDIATE")?;
    for waiting in batch {
        run(db, "SAVEPOINT member")?;
        if !waiting.member.run(db) {
            // After some errors, such as a full disk, SQLite has rolled everything back: this fails
            // then, and nobody is told that anything was written.
            run(db, "ROLLBACK TO member")?;
        }
        run(db, "RELEASE member")?;
    }
    Ok(())
}

fn run(db: &Connection, statement: &str) -> Result<(), rusqlite::Error> {
    db.prepare_cached(statement)?.execute([]).map(drop)
}
