//! `lastseen keys edge`: what the gate at the edge has to know.

use std::process::ExitCode;

use shared::gate::edge;
use shared::settings::{Settings, Variables};
use shared::timestamp::Timestamp;

use super::current::Source;
use crate::CommandResult;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Trust no token from this moment or before without asking the store: what `lastseen sessions
    /// revoke --all` printed, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
}

pub(super) fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let Arguments { source, not_before } = arguments;
    // What a laptop assumes would let nobody in there.
    if variables.get("SITE_AUDIENCE") == Some("localhost") {
        return Err(
            "SITE_AUDIENCE: is missing; it is the site's host, such as www.example.com".into(),
        );
    }
    let mut variables = variables.clone();
    variables.set("SESSION_KEYS", &source.read(&variables)?.text);
    let settings = Settings::read(&variables)?;
    source.print(&edge::settings(&settings, *not_before)?)?;
    Ok(ExitCode::SUCCESS)
}
