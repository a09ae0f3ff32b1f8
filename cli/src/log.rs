//! The log of `serve`, written by a thread of its own: no answer waits for a terminal, a pipe or a disk.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// What waits to be written at most, in bytes; further lines are dropped and counted.
const MOST: usize = 1024 * 1024;
/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(10);

/// Lines for people: time, what, how long. No query strings, which may hold a way back, and no
/// cookies. What is logged until the guard is dropped is written.
#[must_use]
pub(crate) fn start() -> Guard {
    let colours = io::stdout().is_terminal();
    let (lines, guard) = lines(io::stdout());
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(colours)
        .with_max_level(tracing::Level::INFO)
        .with_writer(lines)
        .init();
    guard
}

/// Writes what is left when it is dropped.
pub(crate) struct Guard {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.lines.lock().is_over = true;
        self.lines.0.came.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in it was told where it happened.
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines, since they were told of last.
    dropped: u64,
    is_over: bool,
}

fn lines(output: impl Write + Send + 'static) -> (Lines, Guard) {
    let lines = Lines(Arc::default());
    let shared = lines.clone();
    let thread = thread::Builder::new().name("log".to_owned());
    let thread = thread.spawn(move || shared.write_to(output)).ok();
    let guard = Guard {
        lines: lines.clone(),
        thread,
    };
    (lines, guard)
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the guard is dropped.
    fn write_to(&self, mut output: impl Write) {
        let mut bytes = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.bytes.is_empty() && waiting.dropped == 0 && !waiting.is_over {
                let woken = self.0.came.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
            }
            if !waiting.is_over {
                drop(waiting);
                thread::sleep(GATHER);
                waiting = self.lock();
            }
            std::mem::swap(&mut waiting.bytes, &mut bytes);
            let dropped = std::mem::take(&mut waiting.dropped);
            let is_over = waiting.is_over;
            drop(waiting);
            // Where nobody takes the log any more there is nobody to tell.
            let _ = output.write_all(&bytes);
            if dropped > 0 {
                let _ = writeln!(
                    output,
                    "{dropped} lines of the log were dropped: they came faster than they could be written"
                );
            }
            let _ = output.flush();
            bytes.clear();
            if is_over {
                return;
            }
        }
    }
}

/// Takes whole lines.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        let is_first = waiting.bytes.is_empty();
        if waiting.bytes.len() + line.len() > MOST {
            waiting.dropped += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        drop(waiting);
        if is_first {
            self.0.came.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> &'a Lines {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that takes nothing until it may.
    struct Slow {
        may: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.may.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_too_much_is_dropped_and_counted_and_the_rest_written_at_the_end() {
        let (let_it, may) = mpsc::channel();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let output = Slow {
            may,
            written: Arc::clone(&written),
        };
        let (lines, guard) = lines(output);
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        // Twice what may wait, and more than may be on its way beside it.
        let sent = 3 * MOST / line.len();
        for _ in 0..sent {
            assert_eq!((&lines).write(&line).unwrap(), line.len());
        }
        drop(let_it);
        drop(guard);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|line| line.starts_with('x')).count();
        let dropped: usize = text
            .lines()
            .filter_map(|line| {
                line.split_once(" lines of the log")?
                    .0
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        assert!(kept >= MOST / line.len());
        assert!(dropped > 0);
        assert_eq!(kept + dropped, sent);
    }
}
