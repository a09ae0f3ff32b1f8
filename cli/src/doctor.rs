//! `lastseen doctor`: settings, keys, store and site, or with `--url` a live site; a tick or a cure
//! for each.

use std::process::ExitCode;

use shared::settings::{NocoDbSettings, Variables};
use url::Url;

use crate::CommandResult;
use crate::terminal::{Progress, say};
use finding::{Finding, Mark};

mod cells;
mod finding;
mod keys;
mod live;
mod mail;
mod nocodb;
mod notify;
mod queue;
mod settings;
mod site;
mod sqlite;

/// What is checked: what is here, or a live site.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Try a live site from outside, such as https://www.example.com
    ///
    /// With the site's own settings in the environment (SITE_AUDIENCE, SESSION_KEYS and those of the
    /// store) a visit is made as well: somebody comes in, is seen and logs out, and their row is
    /// deleted. SSL_CERT_FILE names certificates to trust besides the public ones.
    #[arg(long, value_parser = live::address)]
    url: Option<Url>,
    /// The API's own address behind the site, which has to refuse calls around it
    #[arg(long, requires = "url", value_parser = live::address)]
    api: Option<Url>,
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let mut report = Report::default();
    match &arguments.url {
        Some(url) => live::check(url, arguments.api.as_ref(), &mut report).await?,
        None => check_here(variables, &mut report).await,
    }
    Ok(report.finish())
}

async fn check_here(variables: &Variables, report: &mut Report) {
    report.add(settings::check(variables));
    report.add(keys::check(variables));
    let progress = Progress::start("asking the store");
    let store = check_store(variables).await;
    drop(progress);
    report.add(store);
    report.add(queue::check(variables).await);
    let progress = Progress::start("asking the mail server");
    let mail = mail::check(variables).await;
    drop(progress);
    report.add(mail);
    report.add(notify::check(variables));
    report.add(site::check(variables));
}

/// What is said, line by line, and how it ends.
#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.failed |= finding.mark == Mark::Wrong;
            say(finding);
        }
    }

    fn finish(self) -> ExitCode {
        say("");
        if self.failed {
            say(
                "✗ is what stops lastseen from working, ! what turns a part of it off or deserves a look.",
            );
            ExitCode::FAILURE
        } else {
            say("Nothing stops lastseen from working.");
            ExitCode::SUCCESS
        }
    }
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
