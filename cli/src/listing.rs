//! Showing visits: page by page from the store, into whichever form was asked for.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use shared::app::open_store;
use shared::session::Session;
use shared::settings::{StoreSettings, Variables};
use shared::store::StoreError;

use crate::CommandResult;
use crate::filters::{Question, no_database};
use crate::setup::connection::Trouble;
use crate::terminal::Progress;

/// The form; a table for people where none is given.
#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct Form {
    /// As comma-separated values, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// As an array of JSON objects, for a program
    #[arg(long)]
    pub(crate) json: bool,
}

/// What becomes of visits, which come page by page, in the order they began.
pub(crate) trait Output {
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

/// Hands the visits that are meant to `output`.
pub(crate) async fn show(
    variables: &Variables,
    question: &Question,
    form: Form,
    output: &mut dyn Output,
) -> CommandResult {
    let settings = StoreSettings::read(variables)?;
    let streams = form.csv || form.json;
    // A spinner would break into the lines of what streams to the same screen.
    let progress =
        (!(streams && io::stdout().is_terminal())).then(|| Progress::start("reading the visits"));
    let written = if let Some(note) = no_database(&settings) {
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
