//! The Lambda function: what a schedule starts.

use shared::app::open_store;
use shared::settings::{StoreSettings, Variables, retention_days};
use shared::timestamp::Timestamp;

/// One event at a time is all a sandbox gets, so one thread will do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::run_scheduled(async |variables: Variables, now: Timestamp| {
        if let Some(days) = retention_days(&variables)? {
            let settings = StoreSettings::read(&variables)?;
            let store = open_store(&settings, None)?;
            retention::run(store.as_ref(), settings.pace(), days, now).await?;
        }
        Ok(())
    })
    .await
}
