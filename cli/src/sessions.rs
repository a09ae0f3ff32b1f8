//! `lastseen sessions`: the visits, as a table for people, or as CSV or JSON for programs.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use shared::app::open_store;
use shared::session::Session;
use shared::settings::{StoreSettings, Variables};
use shared::store::StoreError;
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::filters::{self, Filters, Question};
use crate::setup::connection::Trouble;
use crate::terminal::Progress;

mod change;
mod export;
mod table;

/// Which visits, and in which form.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  lastseen sessions --email ann@example.com
  lastseen sessions --domain example.com --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin
  lastseen sessions --state open
  lastseen sessions revoke --email ann@example.com
  lastseen sessions --csv > visits.csv
  lastseen sessions --json | jq 'map(.durationSeconds) | add'

A visit's duration runs from its start to the moment the visitor was last seen;
active is how long they really looked. Times are UTC, in the table those of --tz.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    change: Option<change::Command>,
    #[command(flatten)]
    filters: Filters,
    /// As comma-separated values, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As an array of JSON objects, for a program
    #[arg(long)]
    json: bool,
}

/// Visits come page by page, in the order they began.
trait Output {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()>;
    fn finish(&mut self) -> io::Result<()>;
}

/// The visits could not be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error(transparent)]
    NocoDb(Trouble),
    #[error(transparent)]
    Store(StoreError),
    #[error("cannot write the visits: {0}")]
    Output(#[from] io::Error),
}

impl From<StoreError> for ListError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NocoDb(error) => Self::NocoDb(error.into()),
            error => Self::Store(error),
        }
    }
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    if let Some(change) = &arguments.change {
        return change::run(variables, change).await;
    }
    let question = arguments.filters.read(variables, Timestamp::now())?;
    let settings = StoreSettings::read(variables)?;
    let out = io::stdout();
    let streams = arguments.csv || arguments.json;
    // A spinner would break into the lines of what streams to the same screen.
    let progress = (!(streams && out.is_terminal())).then(|| Progress::start("reading the visits"));
    let mut output = output(arguments, &question, BufWriter::new(out));

    let written = if let Some(note) = filters::no_database(&settings) {
        if streams {
            eprintln!("lastseen: {note}");
            output.finish()
        } else {
            writeln!(io::stdout(), "{note}")
        }
        .map_err(ListError::from)
    } else {
        let store = open_store(&settings, None)?;
        let page = |sessions: &[Session]| output.page(sessions).map_err(ListError::from);
        match question
            .each_page(store.as_ref(), settings.pace().pause, page)
            .await
        {
            Ok(()) => output.finish().map_err(ListError::from),
            error => error,
        }
    };
    drop(progress);
    match written {
        // Whoever reads has read enough: `lastseen sessions | head`.
        Err(ListError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        result => Ok(result.map(|()| ExitCode::SUCCESS)?),
    }
}

fn output<'a>(
    arguments: &Arguments,
    question: &'a Question,
    out: impl Write + 'a,
) -> Box<dyn Output + 'a> {
    if arguments.csv {
        Box::new(export::Csv::new(out))
    } else if arguments.json {
        Box::new(export::Json::new(out))
    } else {
        Box::new(table::Table::new(out, question))
    }
}

#[cfg(test)]
mod tests;
