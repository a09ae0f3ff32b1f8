//! `lastseen keys edge`: what the gate at the edge has to know.

use std::process::ExitCode;

use shared::gate::edge;
use shared::settings::{Settings, Variables};

use super::current::Source;
use crate::CommandResult;

pub(super) fn run(variables: &Variables, source: &Source) -> CommandResult {
    // What a laptop assumes would let nobody in there.
    if variables.get("SITE_AUDIENCE") == Some("localhost") {
        return Err(
            "SITE_AUDIENCE: is missing; it is the site's host, such as www.example.com".into(),
        );
    }
    let mut variables = variables.clone();
    variables.set("SESSION_KEYS", &source.read(&variables)?.text);
    let settings = Settings::read(&variables)?;
    source.print(&edge::settings(&settings, None)?)?;
    Ok(ExitCode::SUCCESS)
}
