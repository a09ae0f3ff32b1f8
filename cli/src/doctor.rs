//! `lastseen doctor`: settings, keys, store and site; a tick or a cure for each.

use std::process::ExitCode;

use shared::settings::{NocoDbSettings, Variables};

use crate::CommandResult;
use crate::terminal::{Progress, say};
use finding::{Finding, Mark};

mod finding;
mod keys;
mod mail;
mod nocodb;
mod settings;
mod site;
mod sqlite;

pub(crate) async fn run(variables: &Variables) -> CommandResult {
    let mut failed = false;
    let mut report = |findings: Vec<Finding>| {
        for finding in findings {
            failed |= finding.mark == Mark::Wrong;
            say(finding);
        }
    };
    report(settings::check(variables));
    report(keys::check(variables));
    let progress = Progress::start("asking the store");
    let store = check_store(variables).await;
    drop(progress);
    report(store);
    let progress = Progress::start("asking the mail server");
    let mail = mail::check(variables).await;
    drop(progress);
    report(mail);
    report(site::check(variables));
    say("");
    if failed {
        say(
            "✗ is what stops lastseen from working, ! what turns a part of it off or deserves a look.",
        );
    } else {
        say("Nothing stops lastseen from working.");
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn check_store(variables: &Variables) -> Vec<Finding> {
    if variables.get("NOCODB_URL").is_none() {
        return sqlite::check(variables).await;
    }
    // What is wrong with the settings of the way there has been said.
    match NocoDbSettings::read(variables) {
        Ok(settings) => nocodb::check(&settings).await,
        Err(_) => Vec::new(),
    }
}

/// For the start of `serve`: one warning for each missing column, with what that turns off. Takes
/// five seconds at the most, and stops nothing.
pub(crate) async fn warn_of_missing_columns(settings: &NocoDbSettings) {
    for warning in nocodb::warnings(settings).await {
        tracing::warn!("{warning}");
    }
}
