//! The queue of `serve`: what the store cannot take waits in a file, and is written when it answers again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shared::app::App;
use shared::queue::local::LocalQueue;
use shared::settings::Variables;
use shared::timestamp::Timestamp;
use writer::{Budget, Writer};

pub(crate) mod command;

/// How often it is looked whether anything is due.
const EVERY: Duration = Duration::from_secs(1);
/// As much as one step takes at most, so that an outage is noticed by the next.
const STEP: Duration = Duration::from_secs(30);

/// Where it is: beside the database, as everything that `serve` keeps.
pub(crate) fn path(variables: &Variables) -> PathBuf {
    let database = variables.get("DATABASE_PATH").unwrap_or_default();
    Path::new(database).with_file_name("queue.db")
}

/// Puts a queue behind the store.
pub(crate) fn behind(app: App, variables: &Variables) -> Result<(App, LocalQueue), String> {
    let path = path(variables);
    let queue = LocalQueue::open(&path)
        .map_err(|error| format!("DATABASE_PATH: cannot open {}: {error}", path.display()))?;
    Ok((app.with_queue(Arc::new(queue.clone())), queue))
}

/// Says what is left of the last run.
pub(crate) async fn announce(queue: &LocalQueue, variables: &Variables) {
    let path = path(variables);
    let path = path.display();
    match queue.depth().await {
        Ok(depth) => {
            if depth.waiting > 0 {
                let sessions = depth.waiting;
                tracing::info!("{sessions} sessions wait in {path} to be written");
            }
            if depth.refused > 0 {
                let refused = depth.refused;
                tracing::warn!(
                    "{path} has {refused} entries that the store refused: `lastseen queue refused` shows them, `lastseen queue retry` puts them back"
                );
            }
        }
        Err(error) => tracing::error!("{path}: {error}"),
    }
}

/// Empties it for as long as the process runs: what the scheduled function does on AWS.
pub(crate) async fn empty(app: App, queue: LocalQueue, requests: u32) {
    let budget = Budget::per_second(requests);
    let writer = Writer {
        queue: &queue,
        store: app.store.as_ref(),
        limits: &app.settings.limits,
        rules: &app.settings.email_rules,
        budget: &budget,
        board: None,
        ended: Some(app.writes.ended()),
    };
    loop {
        let pause = match writer.step(STEP, Timestamp::now()).await {
            Ok(step) => step.away.unwrap_or(EVERY),
            Err(error) => {
                tracing::error!(error = error.to_string(), "the queue cannot be read");
                STEP
            }
        };
        tokio::time::sleep(pause).await;
    }
}
