//! `lastseen`: runs the whole product on one machine, and looks after its table.

#![allow(
    clippy::doc_markdown,
    reason = "what clap shows in a terminal is no Markdown"
)]

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use shared::setting_names;
use shared::settings::Variables;

mod admin;
mod connections;
mod defaults;
mod demo;
mod doctor;
mod files;
mod filters;
mod finish;
mod grid;
mod host_check;
mod keys;
mod listing;
mod log;
mod notify;
mod openapi;
mod parts;
mod queue;
mod serve;
mod sessions;
mod setup;
mod signal;
mod site;
mod terminal;
mod visitors;

/// A gate, a clock and a lock for confidential pages on a static site.
///
/// Without a command, `lastseen serve` starts: the site, the API and the gate on one address, with
/// sessions in a SQLite file.
///
/// Settings are environment variables; the README lists them all. With NOCODB_URL set, sessions
/// live in your NocoDB table instead.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site, the API and the gate (what plain `lastseen` does)
    Serve,
    /// Create the table in NocoDB, or add the columns it lacks
    Setup(setup::Arguments),
    /// Check settings, connection, table and keys, or a live site: a tick or a cure for each
    Doctor(doctor::Arguments),
    /// Make a month of visits up, to see what there is to see; and take them away again
    Demo(demo::Arguments),
    /// Show the visits, with how long each took and the total
    Sessions(sessions::Arguments),
    /// Show the visitors, with how often each came, how long they looked and when last
    Visitors(visitors::Arguments),
    /// Try whether messages about visits arrive at NOTIFY_URL
    Notify(notify::Arguments),
    /// List the files of the site in STATIC_DIR, with the headers that each is served with, as JSON
    Files,
    /// Sign in at the owner's page
    #[command(subcommand)]
    Admin(admin::Command),
    /// Show what waits to be written to the table, and put back what the table refused
    ///
    /// `serve` keeps it in a file beside the database. On AWS it is a queue of SQS; docs/operating.md
    /// says how to put back what was refused there.
    Queue {
        #[command(subcommand)]
        command: Option<queue::command::Command>,
    },
    /// Make the keys that sign sessions
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the description of the HTTP API (OpenAPI, as docs/openapi.json), for programs
    Openapi,
}

/// What still runs when a command is done, which is reading at most, is not waited for any longer.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("lastseen: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(command));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lastseen: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> CommandResult {
    let variables = Variables::from_env();
    // `doctor` names all that is wrong, and not only the first.
    if !matches!(command, Command::Doctor(_)) {
        setting_names::check(&variables)?;
    }
    let variables = defaults::fill_in(variables);
    match command {
        Command::Serve => serve::run(variables).await,
        Command::Setup(arguments) => setup::run(&variables, &arguments).await,
        Command::Doctor(arguments) => doctor::run(&variables, &arguments).await,
        Command::Demo(arguments) => demo::run(&variables, &arguments).await,
        Command::Sessions(arguments) => sessions::run(&variables, &arguments).await,
        Command::Visitors(arguments) => visitors::run(&variables, &arguments).await,
        Command::Notify(arguments) => notify::run(&variables, &arguments).await,
        Command::Files => files::run(&variables).await,
        Command::Admin(command) => admin::run(&variables, &command),
        Command::Queue { command } => queue::command::run(&variables, command.as_ref()).await,
        Command::Keys(command) => keys::run(&variables, &command),
        Command::Openapi => openapi::run(),
    }
}

/// What a command returns: its exit code, or the one line that says why it could not do its work.
type CommandResult = Result<ExitCode, Box<dyn std::error::Error>>;
