//! The keys that sign sessions: made, replaced, and kept beside the database where nobody set any.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shared::app::App;
use shared::settings::{Settings, Variables};
use shared::token::{Keys, new_secret};

use crate::site::Site;
use crate::{CommandResult, admin, queue};

mod current;
mod edge;
mod rotate;

/// Commands for keys.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print a new key, ready for SESSION_KEYS
    ///
    /// To replace a key without logging anybody out: `lastseen keys rotate`.
    New,
    /// Replace the key that signs, step by step, without logging anybody out
    ///
    /// Rewrites the file that `serve` keeps beside the database; keys from SESSION_KEYS or from
    /// standard input are printed instead. docs/keys.md has the commands for AWS.
    Rotate(rotate::Arguments),
    /// Print the settings of the gate at the edge, keys included, for its KeyValueStore
    Edge(edge::Arguments),
}

pub(crate) fn run(variables: &Variables, command: &Command) -> CommandResult {
    match command {
        Command::New => {
            println!("{}", new_key()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Rotate(arguments) => rotate::run(variables, arguments),
        Command::Edge(arguments) => edge::run(variables, arguments),
    }
}

/// Where `serve` keeps the key it made: beside the database.
pub(crate) fn path(variables: &Variables) -> PathBuf {
    let database = variables.get("DATABASE_PATH").unwrap_or_default();
    Path::new(database).with_file_name("session-keys")
}

/// Where `serve` keeps the owner's token it made.
pub(crate) fn admin_token_path(variables: &Variables) -> PathBuf {
    path(variables).with_file_name("admin-token")
}

/// Every file that `serve` keeps or may make: the databases with what SQLite puts beside them, the key
/// and the owner's token.
pub(crate) fn private_files(variables: &Variables) -> Vec<PathBuf> {
    let database = PathBuf::from(variables.get("DATABASE_PATH").unwrap_or_default());
    let databases = [
        database,
        queue::path(variables),
        admin::links_path(variables),
    ];
    let beside = databases.iter().flat_map(|database| {
        ["", "-wal", "-shm", "-journal"].map(|ending| {
            let mut path = database.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        })
    });
    beside
        .chain([path(variables), admin_token_path(variables)])
        .collect()
}

/// Sets `ADMIN_TOKEN` where nobody did, as [`ensure`] does the key. Says whether the owner had set it.
pub(crate) fn ensure_admin_token(variables: &mut Variables) -> Result<bool, KeyFileError> {
    const NAME: &str = "ADMIN_TOKEN";
    let is_set = variables.get(NAME).is_some();
    let path = admin_token_path(variables);
    ensure_in(variables, NAME, &path, new_admin_token)?;
    Ok(is_set)
}

/// Checks everything but the key, so that none is made and left behind for a start that fails.
pub(crate) fn check_the_rest(
    variables: &Variables,
    site: &Site,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut with_any_key = variables.clone();
    if variables.get("SESSION_KEYS_PARAMETER").is_none() {
        with_any_key.set_default("SESSION_KEYS", &new_key()?);
    }
    if let Some(error) = site
        .check(&Settings::read(&with_any_key)?)
        .into_iter()
        .next()
    {
        return Err(error.into());
    }
    App::start(&with_any_key)?.with_codes()?;
    Ok(())
}

/// Sets `SESSION_KEYS` where nobody did: from the file beside the database, or newly made and kept
/// there. Says whether it was made.
pub(crate) fn ensure(variables: &mut Variables) -> Result<bool, KeyFileError> {
    let path = path(variables);
    ensure_in(variables, "SESSION_KEYS", &path, new_key)
}

fn ensure_in(
    variables: &mut Variables,
    name: &'static str,
    path: &Path,
    make: impl FnOnce() -> io::Result<String>,
) -> Result<bool, KeyFileError> {
    if variables.get(name).is_some() {
        return Ok(false);
    }
    let failed = |source| KeyFileError {
        name,
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(text) => {
            variables.set(name, text.trim());
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make().map_err(failed)?;
            write_private(path, &text).map_err(failed)?;
            variables.set(name, &text);
            Ok(true)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not set, and the file that would hold one cannot be used: {}: {source}", path.display())]
pub(crate) struct KeyFileError {
    name: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn new_key() -> io::Result<String> {
    Keys::generate().map_err(|_| io::Error::other("the system has no random bytes to give"))
}

fn new_admin_token() -> io::Result<String> {
    new_secret().map_err(|_| io::Error::other("the system has no random bytes to give"))
}

/// Writes a file that only its owner can read, and never over one that is there.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")
}
