//! `lastseen openapi`: the description of the HTTP API, for programs.

use std::process::ExitCode;

use crate::CommandResult;

pub(crate) fn run() -> CommandResult {
    let routes = [
        verify_access::openapi::routes(),
        heartbeat::openapi::routes(),
        logout::openapi::routes(),
        sessions::openapi::routes(),
    ];
    let document = shared::openapi::document(routes.into_iter().flatten());
    println!("{}", document.to_pretty_json()?);
    Ok(ExitCode::SUCCESS)
}
