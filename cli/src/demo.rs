//! `lastseen demo`: a month of visits that nobody made, so that everything can be seen at once.

use std::process::ExitCode;

use shared::app::open_store;
use shared::email::MADE_UP;
use shared::session::{Limits, Session};
use shared::settings::{Pace, StoreSettings, Variables, limits};
use shared::store::{Starts, Store, StoreError};
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::filters::no_database;
use crate::listing::ListError;
use crate::terminal::{Progress, say};
use visits::{Plan, Visits};

mod people;
mod visits;

/// What one transaction of SQLite takes: memory stays small, and the disk is asked seldom.
const AT_ONCE: usize = 1_000;

/// Which visits are made up.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lastseen demo                                   a month of visits, up to now
  lastseen demo --seed 7 --days 365 --visits 5000 another year
  lastseen demo --remove                          takes them away again
  DATABASE_PATH=/tmp/demo.db lastseen demo && DATABASE_PATH=/tmp/demo.db lastseen

Their addresses end with .demo.example, a domain that nobody can have (RFC 2606)
and that the gate lets nobody in with. That tells them from real visits, which
stay as they are: a second run replaces the first one's, and --remove deletes
every row whose address ends so. The same seed, days, visits and until make the
same rows.")]
pub(crate) struct Arguments {
    /// Another number makes other visits
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How many days they spread over
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    days: u64,
    /// How many visits there are
    #[arg(long, value_name = "NUMBER", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    visits: u64,
    /// The moment they lead up to, such as 2026-11-30T12:00:00Z; a few are open then [default: now]
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
    /// Delete them, and make none
    #[arg(long, conflicts_with_all = ["seed", "days", "visits", "until"])]
    remove: bool,
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let settings = StoreSettings::read(variables)?;
    let limits = limits(variables)?;
    if let (true, Some(note)) = (arguments.remove, no_database(&settings)) {
        say(note);
        return Ok(ExitCode::SUCCESS);
    }
    let store = open_store(&settings, None)?;
    let made_up = MadeUp {
        store: store.as_ref(),
        pace: settings.pace(),
        // NocoDB takes ten rows a request, whatever it is given at once.
        rows: match settings {
            StoreSettings::Sqlite(_) => AT_ONCE,
            StoreSettings::NocoDb(_) => settings.pace().rows,
        },
    };
    let removed = made_up.remove().await.map_err(ListError::from)?;
    let real = store.count(Starts::All).await.map_err(ListError::from)?;
    if arguments.remove {
        say(match removed {
            0 => "There was no demo visit.".to_owned(),
            removed => format!("Removed {}.", counted(removed, "demo visit")),
        });
    } else {
        if removed > 0 {
            say(format!(
                "Removed {} of an earlier run.",
                counted(removed, "demo visit")
            ));
        }
        let until = arguments.until.unwrap_or_else(Timestamp::now);
        made_up.make(arguments, &limits, until).await?;
    }
    match real {
        0 => {}
        1 => say("1 real visit is there as well, and stays as it is."),
        real => say(format!(
            "{real} real visits are there as well, and stay as they are."
        )),
    }
    Ok(ExitCode::SUCCESS)
}

struct MadeUp<'a> {
    store: &'a dyn Store,
    pace: Pace,
    rows: usize,
}

impl MadeUp<'_> {
    /// Deletes those of earlier runs, and says how many.
    async fn remove(&self) -> Result<usize, StoreError> {
        let progress = Progress::start("removing demo visits");
        let mut count = 0;
        loop {
            let mut ids = self.store.with_address_ending(MADE_UP).await?;
            ids.truncate(self.pace.rows);
            if ids.is_empty() {
                return Ok(count);
            }
            self.store.delete(&ids).await?;
            count += ids.len();
            progress.set(format!("removed {count} demo visits"));
            tokio::time::sleep(self.pace.pause).await;
        }
    }

    async fn make(
        &self,
        arguments: &Arguments,
        limits: &Limits,
        until: Timestamp,
    ) -> Result<(), ListError> {
        let wanted = arguments.visits;
        let progress = Progress::start("making visits up");
        let mut visits = Visits::new(&Plan {
            seed: arguments.seed,
            days: arguments.days,
            visits: wanted,
            until,
            limits: *limits,
        });
        let mut made = 0;
        loop {
            let some: Vec<Session> = visits.by_ref().take(self.rows).collect();
            if some.is_empty() {
                break;
            }
            if made > 0 {
                tokio::time::sleep(self.pace.pause).await;
            }
            self.store.import(&some).await?;
            made += some.len();
            progress.set(format!("made {made} of {wanted} visits"));
        }
        drop(progress);
        let people = counted(visits.visitors(), "visitor");
        say(format!(
            "Made {} of {people}, from {} until {until}. `lastseen demo --remove` takes them away.",
            counted(made, "visit"),
            visits.since(),
        ));
        Ok(())
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
