//! `lastseen notify --test`: whether messages about visits arrive.

use std::process::ExitCode;

use notify::{Notifier, Receiver, test_message};
use shared::settings::{NotifySettings, Variables};
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::terminal::{Progress, say};

/// What is to be sent.
#[derive(clap::Args)]
#[command(after_help = "\
NOTIFY_URL is told who came for the first time and how visits ended, by `lastseen serve`
and by the stack on AWS; docs/notifications.md has the format, and how to check NOTIFY_SECRET.")]
pub(crate) struct Arguments {
    /// Send a message that is about nobody
    #[arg(long, required = true)]
    test: bool,
}

pub(crate) async fn run(variables: &Variables, _: &Arguments) -> CommandResult {
    let settings = NotifySettings::read(variables)?
        .ok_or("NOTIFY_URL: is not set, so there is nobody to tell")?;
    let host = settings.url.host().to_owned();
    let receiver = Receiver::new(settings)?;
    let progress = Progress::start("telling");
    let delivered = receiver.deliver(&test_message(Timestamp::now())).await;
    drop(progress);
    delivered?;
    say(format!("{host} took a test message."));
    Ok(ExitCode::SUCCESS)
}
