//! `lastseen admin link`: a link that signs the owner in, once, also while `serve` runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use shared::settings::{Settings, Variables};
use shared::sign_in_link::sqlite::SqliteLinks;
use shared::timestamp::Timestamp;

use crate::host_check::is_this_machine;
use crate::terminal::say;
use crate::{CommandResult, keys, site};

/// Commands for the owner.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print a link that signs you in at /admin/, once, within ten minutes
    ///
    /// Reads DATABASE_PATH as `serve` does, and works while it runs. Whoever has the link before you
    /// have used it is signed in instead of you: keep it out of chats and logs.
    Link,
}

pub(crate) fn run(variables: &Variables, command: &Command) -> CommandResult {
    match command {
        Command::Link => link(variables),
    }
}

fn link(variables: &Variables) -> CommandResult {
    let path = links_path(variables);
    let shown = path.display();
    let nowhere = || {
        format!(
            "DATABASE_PATH: there is no page to sign in at in {shown}; start `lastseen serve` with this DATABASE_PATH, and a STATIC_DIR that has admin/index.html"
        )
    };
    // Making the file would leave a folder behind where nobody serves.
    if !path.is_file() {
        return Err(nowhere().into());
    }
    let links = open(variables)?;
    let page = links.page()?.ok_or_else(nowhere)?;
    say(signing_in(&page, &links)?);
    eprintln!("It signs in once, within ten minutes.");
    Ok(ExitCode::SUCCESS)
}

/// Where links wait to be used: beside the database, as everything that `serve` keeps.
pub(crate) fn links_path(variables: &Variables) -> PathBuf {
    keys::path(variables).with_file_name("sign-in.db")
}

/// The file of the links.
pub(crate) fn open(variables: &Variables) -> Result<SqliteLinks, String> {
    let path = links_path(variables);
    SqliteLinks::open(&path)
        .map_err(|error| format!("DATABASE_PATH: cannot open {}: {error}", path.display()))
}

/// A new link to the owner's page.
pub(crate) fn signing_in(
    page: &str,
    links: &SqliteLinks,
) -> Result<String, Box<dyn std::error::Error>> {
    Ok(format!("{page}#once={}", links.make(Timestamp::now())?))
}

/// Where the owner signs in, at an address that keeps the cookie; `None` where the site has no such page.
pub(crate) fn page(
    settings: &Settings,
    local: SocketAddr,
    variables: &Variables,
) -> Option<String> {
    if !site::folder_of(variables)
        .join("admin/index.html")
        .is_file()
    {
        return None;
    }
    Some(address(settings, local))
}

/// The same, whether the page is there or not.
pub(crate) fn address(settings: &Settings, local: SocketAddr) -> String {
    let name = settings.audience.split(':').next().unwrap_or_default();
    if settings.cookies.secure && !is_this_machine(name) {
        // Something in front speaks https at the site's own name.
        format!("https://{}/admin/", settings.audience)
    } else if local.ip().is_unspecified() {
        format!("http://localhost:{}/admin/", local.port())
    } else {
        format!("http://{local}/admin/")
    }
}
