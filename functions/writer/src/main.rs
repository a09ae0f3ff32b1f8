//! The Lambda function: what a schedule starts every minute.

use std::time::{Duration, Instant};

use shared::app::open_store;
use shared::queue::sqs::SqsQueue;
use shared::settings::{StoreSettings, Variables, email_rules, limits, queue_url, write_requests};
use shared::timestamp::Timestamp;
use writer::{Budget, Writer};

/// A run is over before the next one begins, so that there is never more than one, and the budget is
/// kept by it alone.
const RUN: Duration = Duration::from_secs(52);
/// What is left of it is too short for a step.
const TOO_SHORT: Duration = Duration::from_secs(3);

/// One event at a time is all a sandbox gets, so one thread will do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::run_scheduled(async |variables: Variables, _: Timestamp| {
        let started = Instant::now();
        let Some(url) = queue_url(&variables) else {
            return Ok(());
        };
        let queue = SqsQueue::new(&variables, url);
        let settings = StoreSettings::read(&variables)?;
        let store = open_store(&settings, None)?;
        let (limits, rules) = (limits(&variables)?, email_rules(&variables)?);
        let budget = Budget::per_second(write_requests(&variables)?);
        let writer = Writer {
            queue: &queue,
            store: store.as_ref(),
            limits: &limits,
            rules: &rules,
            budget: &budget,
        };
        loop {
            let left = RUN.saturating_sub(started.elapsed());
            if left < TOO_SHORT {
                return Ok(());
            }
            let step = writer.step(left, Timestamp::now()).await?;
            if step.taken == 0 || step.away.is_some() {
                return Ok(());
            }
        }
    })
    .await
}
