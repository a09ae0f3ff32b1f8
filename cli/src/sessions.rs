//! `lastseen sessions`: the visits, as a table for people, or as CSV or JSON for programs.

use std::io::{self, BufWriter, Write};

use shared::settings::Variables;
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::filters::{Filters, Question};
use crate::listing::{Form, Output, show};

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
    #[command(flatten)]
    form: Form,
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    if let Some(change) = &arguments.change {
        return change::run(variables, change).await;
    }
    let question = arguments.filters.read(variables, Timestamp::now())?;
    let mut output = output(arguments.form, &question, BufWriter::new(io::stdout()));
    show(variables, &question, arguments.form, output.as_mut()).await
}

fn output<'a>(form: Form, question: &'a Question, out: impl Write + 'a) -> Box<dyn Output + 'a> {
    if form.csv {
        Box::new(export::Csv::new(out))
    } else if form.json {
        Box::new(export::Json::new(out))
    } else {
        Box::new(table::Table::new(out, question))
    }
}

#[cfg(test)]
mod tests;
