//! `lastseen queue`: what waits to be written, what the store refused, and putting that back.

use std::path::Path;
use std::process::ExitCode;

use shared::queue::local::{LocalQueue, RefusedEntry};
use shared::settings::Variables;
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::terminal::{printable, say};

/// Entries that are shown at once.
const MOST_SHOWN: usize = 100;

/// What to do with the queue.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show what the store refused ten times, with its reason
    Refused,
    /// Put back what the store refused, to be written again; `serve` may run meanwhile
    Retry,
}

pub(crate) async fn run(variables: &Variables, command: Option<&Command>) -> CommandResult {
    let path = super::path(variables);
    if !path.is_file() {
        say(format!(
            "There is no queue at {}; `lastseen serve` makes it.",
            path.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let queue = open(&path)?;
    match command {
        None => {
            let depth = queue.depth().await?;
            say(format!("{} wait to be written.", sessions(depth.waiting)));
            say(format!("{} were refused.", sessions(depth.refused)));
        }
        Some(Command::Refused) => {
            let depth = queue.depth().await?;
            for entry in queue.refused_entries(MOST_SHOWN).await? {
                say(line(&entry));
            }
            say(format!("{} were refused.", sessions(depth.refused)));
        }
        Some(Command::Retry) => {
            let retried = queue.retry_refused(Timestamp::now()).await?;
            say(format!(
                "Put back {}; `lastseen serve` writes them within seconds.",
                retried.put_back
            ));
            if retried.unreadable > 0 {
                eprintln!(
                    "lastseen: {} cannot be read by this version, and stay where they are",
                    retried.unreadable
                );
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn open(path: &Path) -> Result<LocalQueue, String> {
    LocalQueue::open(path)
        .map_err(|error| format!("DATABASE_PATH: cannot open {}: {error}", path.display()))
}

/// One refused entry, for a terminal.
pub(crate) fn line(entry: &RefusedEntry) -> String {
    let row = match &entry.record {
        Some(record) => format!("session {}", printable(record)),
        None => "an unreadable entry".to_owned(),
    };
    let reason = match entry.reason.as_str() {
        "" => "no reason was kept",
        reason => reason,
    };
    format!("{} {row}: {}", entry.at, printable(reason))
}

fn sessions(count: u64) -> String {
    match count {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}
