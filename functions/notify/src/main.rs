//! The Lambda function: what a schedule starts every minute.

use notify::{Receiver, Told, Window};
use shared::app::open_store;
use shared::settings::{NotifySettings, StoreSettings, Variables, limits};
use shared::timestamp::Timestamp;

/// One event at a time is all a sandbox gets, so one thread will do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::run_scheduled(async |variables: Variables, minute: Timestamp| {
        if let Some(settings) = NotifySettings::read(&variables)? {
            let receiver = Receiver::new(settings)?;
            let limits = limits(&variables)?;
            let settings = StoreSettings::read(&variables)?;
            let store = open_store(&settings, None)?;
            let window = Window::of_minute(minute);
            let (pace, now) = (settings.pace(), Timestamp::now());
            let mut told = Told::new();
            let refused = notify::run(
                store.as_ref(),
                pace,
                &receiver,
                &limits,
                window,
                now,
                &mut told,
            )
            .await?;
            for one in &refused {
                tracing::error!(
                    id = one.message.id,
                    error = one.error.to_string(),
                    "a message was refused"
                );
            }
            // The run has failed, after all else was told: Lambda tries it again, and an alarm sees it.
            if let Some(first) = refused.into_iter().next() {
                return Err(first.error.into());
            }
        }
        Ok(())
    })
    .await
}
