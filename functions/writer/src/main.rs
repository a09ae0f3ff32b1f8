//! The Lambda function: what a schedule starts every minute.

use std::time::Duration;

use shared::app::open_store;
use shared::queue::Board;
use shared::queue::sqs::SqsQueue;
use shared::settings::{
    StoreSettings, Variables, email_rules, endings_url, limits, queue_url, write_every,
    write_requests,
};
use shared::timestamp::Timestamp;
use writer::{Budget, Writer};

/// A run is over before the next one begins, also where its last request takes as long as it may, so that
/// there is never more than one, and the budget is kept by it alone.
const RUN: Duration = Duration::from_secs(55);

/// One event at a time is all a sandbox gets, so one thread will do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::run_scheduled(async |variables: Variables, _: Timestamp| {
        let Some(url) = queue_url(&variables) else {
            return Ok(());
        };
        let queue = SqsQueue::new(&variables, url);
        // Only in batched mode do others have to be told.
        let board = match (write_every(&variables)?, endings_url(&variables)) {
            (Some(_), Some(url)) => Some(SqsQueue::new(&variables, url)),
            _ => None,
        };
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
            board: board.as_ref().map(|board| board as &dyn Board),
            ended: None,
        };
        Ok(writer.run(RUN, Timestamp::now).await?)
    })
    .await
}
