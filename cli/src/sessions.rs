//! `lastseen sessions`: the visits, as a table for people, or as CSV or JSON for programs.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use shared::app::open_store;
use shared::email::Email;
use shared::session::Session;
use shared::settings::{StoreSettings, Variables};
use shared::store::{Listing, Store, StoreError};

use crate::CommandResult;
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
  lastseen sessions revoke --email ann@example.com
  lastseen sessions --csv > visits.csv
  lastseen sessions --json | jq 'map(.durationSeconds) | add'

A visit's duration runs from its start to the moment the visitor was last seen;
active is how long they really looked. Times are UTC.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    change: Option<change::Command>,
    /// Only the visits of this address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
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
enum ListError {
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
    let email = arguments.email.as_deref().map(Email::parse).transpose()?;
    let settings = StoreSettings::read(variables)?;
    let out = io::stdout();
    let streams = arguments.csv || arguments.json;
    // A spinner would break into the lines of what streams to the same screen.
    let progress = (!(streams && out.is_terminal())).then(|| Progress::start("reading the visits"));
    let mut output = output(arguments, email.as_ref(), BufWriter::new(out));

    let written = if let Some(path) = missing_database(&settings) {
        let note = no_database(path);
        if streams {
            eprintln!("lastseen: {note}");
            output.finish()
        } else {
            writeln!(io::stdout(), "{note}")
        }
        .map_err(ListError::from)
    } else {
        let store = open_store(&settings, None)?;
        list(
            store.as_ref(),
            email.as_ref(),
            output.as_mut(),
            settings.pace().pause,
        )
        .await
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
    email: Option<&Email>,
    out: impl Write + 'a,
) -> Box<dyn Output + 'a> {
    if arguments.csv {
        Box::new(export::Csv::new(out))
    } else if arguments.json {
        Box::new(export::Json::new(out))
    } else {
        Box::new(table::Table::new(
            out,
            email.map(|email| email.as_str().to_owned()),
        ))
    }
}

async fn list(
    store: &dyn Store,
    email: Option<&Email>,
    output: &mut dyn Output,
    pause: Duration,
) -> Result<(), ListError> {
    let listing = Listing::of(email);
    for number in 0.. {
        let page = store.list(&listing, number).await?;
        output.page(&page.sessions)?;
        if !page.has_more {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    Ok(output.finish()?)
}

/// Opening a database makes one, which only listing should not.
fn missing_database(settings: &StoreSettings) -> Option<&Path> {
    match settings {
        StoreSettings::Sqlite(path) if !path.exists() => Some(path),
        _ => None,
    }
}

fn no_database(path: &Path) -> String {
    format!(
        "No visits yet: there is no database at {}. `lastseen serve` makes it when it starts; \
         DATABASE_PATH names another place, and NOCODB_URL a NocoDB.",
        path.display()
    )
}

#[cfg(test)]
mod tests;
