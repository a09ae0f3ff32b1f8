//! `lastseen setup`: makes the table in NocoDB, or completes the one that is there. A second run
//! changes nothing.

use std::process::ExitCode;
use std::time::Duration;

use shared::nocodb::{Client, DEFAULT_WORKSPACE, Error, FieldSpec, TableSchema};
use shared::settings::{NocoDbSettings, Variables};
use shared::store::columns::{ALL, Column, TABLE};

use crate::CommandResult;
use crate::terminal::{Progress, printable, say};
use columns::State;
use connection::{Trouble, connect};

pub(crate) mod columns;
pub(crate) mod connection;

/// Making a table takes its time, and is not tried again when in doubt: better wait.
const PATIENCE: Duration = Duration::from_mins(1);

/// What setting up may do.
#[derive(clap::Args)]
#[command(after_help = "\
Needs NOCODB_URL, NOCODB_API_TOKEN and NOCODB_BASE_ID; without NOCODB_BASE_ID it
lists the bases the token sees. With NOCODB_TABLE_ID it completes that table, else
the one called emailAccess, which it makes where there is none.

No column is ever changed or removed.")]
pub(crate) struct Arguments {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// The table could not be set up. What had been done before is said above it.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    NocoDb(Trouble),
    #[error("NOCODB_BASE_ID: is missing; {0}")]
    NoBase(String),
    #[error("several tables of this base are called {TABLE} ({}); NOCODB_TABLE_ID says which to use", .0.join(", "))]
    Ambiguous(Vec<String>),
    #[error("{}", unusable(.0, .1))]
    Unusable(String, Vec<String>),
}

impl From<Error> for SetupError {
    fn from(error: Error) -> Self {
        Self::NocoDb(error.into())
    }
}

fn unusable(table: &str, problems: &[String]) -> String {
    format!(
        "the table {table} cannot be used as it is; nothing was changed:\n  {}",
        problems.join("\n  ")
    )
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let settings = settings(variables).await?;
    let client = connect(&settings, PATIENCE)?;
    let setup = Setup {
        client,
        settings,
        dry_run: arguments.dry_run,
    };
    if let Some(table) = setup.run().await? {
        say("");
        say(
            "In the environment of lastseen, beside NOCODB_URL, NOCODB_BASE_ID and NOCODB_API_TOKEN:",
        );
        say("");
        say(format_args!("NOCODB_TABLE_ID={table}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings; where only the base is missing, the error names those there are.
async fn settings(variables: &Variables) -> Result<NocoDbSettings, Box<dyn std::error::Error>> {
    if variables.get("NOCODB_BASE_ID").is_some() || variables.get("NOCODB_URL").is_none() {
        return Ok(NocoDbSettings::read(variables)?);
    }
    let mut probe = variables.clone();
    probe.set("NOCODB_BASE_ID", "unknown");
    let client = connect(&NocoDbSettings::read(&probe)?, PATIENCE)?;
    let progress = Progress::start("asking NocoDB for its bases");
    let bases = client.bases(DEFAULT_WORKSPACE).await;
    drop(progress);
    Err(SetupError::NoBase(match bases {
        Ok(bases) if bases.is_empty() => {
            "the token sees no base: make one in NocoDB first".to_owned()
        }
        Ok(bases) => {
            let lines = bases
                .iter()
                .map(|base| format!("\n  {}  {}", base.id, printable(&base.title)));
            format!(
                "set it to the id of one of the bases that the token sees:{}",
                lines.collect::<String>()
            )
        }
        Err(error @ (Error::BadCredentials | Error::Unreachable { .. })) => {
            return Err(SetupError::from(error).into());
        }
        // The cloud lists bases by workspace, which no setting names.
        Err(_) => "open the base in NocoDB: its id is the part of the address bar that starts \
                   with `p`, as in …/p1a2b3c4d5e6f7g/…"
            .to_owned(),
    })
    .into())
}

struct Setup {
    client: Client,
    settings: NocoDbSettings,
    dry_run: bool,
}

impl Setup {
    /// The table's id, where there is one.
    async fn run(&self) -> Result<Option<String>, SetupError> {
        let Some(table) = self.find().await? else {
            return self.create().await;
        };
        say(format_args!(
            "✓ found the table {} ({})",
            printable(&table.title),
            table.id
        ));
        self.complete(&table).await?;
        Ok(Some(table.id))
    }

    async fn find(&self) -> Result<Option<TableSchema>, SetupError> {
        let _progress = Progress::start("looking for the table");
        let base = &self.settings.base;
        let Some(id) = self.table_id().await? else {
            return Ok(None);
        };
        Ok(Some(self.client.table_schema(base, &id).await?))
    }

    /// As set, else by the table's title.
    async fn table_id(&self) -> Result<Option<String>, SetupError> {
        if self.settings.table.is_some() {
            return Ok(self.settings.table.clone());
        }
        let tables = self.client.tables(&self.settings.base).await?;
        let titled = tables.into_iter().filter(|table| table.title == TABLE);
        let mut ids: Vec<String> = titled.map(|table| table.id).collect();
        // A base can have several sources, each with a table of this title.
        if ids.len() > 1 {
            Err(SetupError::Ambiguous(ids))
        } else {
            Ok(ids.pop())
        }
    }

    async fn create(&self) -> Result<Option<String>, SetupError> {
        let names = ALL.map(|column| column.title).join(", ");
        if self.dry_run {
            say(format_args!(
                "+ would make the table {TABLE} in the base {}: {names}",
                self.settings.base
            ));
            return Ok(None);
        }
        let progress = Progress::start("making the table");
        // NocoDB makes the first column the display value: the email stands for its row (seen on
        // 0.265.1).
        let fields = ALL.map(spec);
        let table = self
            .client
            .create_table(&self.settings.base, TABLE, &fields)
            .await?;
        drop(progress);
        say(format_args!(
            "+ made the table {TABLE} ({}) in the base {}: {names}",
            table.id, self.settings.base
        ));
        Ok(Some(table.id))
    }

    async fn complete(&self, table: &TableSchema) -> Result<(), SetupError> {
        let states = columns::check(&table.fields);
        let mut problems: Vec<String> = states
            .iter()
            .filter_map(|(column, state)| columns::problem(column, state))
            .collect();
        problems.extend(columns::missing_key(&table.fields));
        if !problems.is_empty() {
            return Err(SetupError::Unusable(printable(&table.title), problems));
        }
        let missing: Vec<Column> = states
            .into_iter()
            .filter(|(_, state)| matches!(state, State::Missing))
            .map(|(column, _)| column)
            .collect();
        if missing.is_empty() {
            say("✓ all its columns are there: nothing to change");
        }
        for column in missing {
            let name = format!("{} ({})", column.title, column.kind);
            if self.dry_run {
                say(format_args!("+ would add the column {name}"));
                continue;
            }
            let progress = Progress::start("adding a column");
            self.client
                .add_field(&self.settings.base, &table.id, &spec(column))
                .await?;
            drop(progress);
            say(format_args!("+ added the column {name}"));
        }
        Ok(())
    }
}

fn spec(column: Column) -> FieldSpec {
    FieldSpec::new(column.title, column.kind)
}
