//! Where the keys are that a command works on, and how they leave it again.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use shared::settings::Variables;
use shared::token::Keys;
use tempfile::NamedTempFile;

use super::path;

type Failure = Box<dyn std::error::Error>;

/// Which keys, and whether they may be seen.
#[derive(clap::Args)]
pub(crate) struct Source {
    /// Read the keys from standard input; else they are in SESSION_KEYS, or in the file that
    /// `serve` keeps beside the database
    #[arg(long)]
    stdin: bool,
    /// Print keys even where standard output is a terminal
    #[arg(long)]
    show: bool,
}

/// The keys as they are.
pub(super) struct Current {
    /// As in `SESSION_KEYS`, and well-formed.
    pub(super) text: String,
    /// The file of `serve` they were read from, if they were.
    pub(super) file: Option<PathBuf>,
}

impl Source {
    /// # Errors
    /// A line that says where keys were looked for, or what is wrong with them.
    pub(super) fn read(&self, variables: &Variables) -> Result<Current, Failure> {
        let (text, file) = if self.stdin {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            (text, None)
        } else if let Some(text) = variables.get("SESSION_KEYS") {
            (text.to_owned(), None)
        } else if variables.get("SESSION_KEYS_PARAMETER").is_some() {
            return Err("SESSION_KEYS_PARAMETER: this command does not ask SSM; pipe the keys in, with --stdin (docs/keys.md)".into());
        } else {
            let path = path(variables);
            let text = fs::read_to_string(&path).map_err(|error| {
                let path = path.display();
                format!("there are no keys: SESSION_KEYS is not set, and {path}: {error}")
            })?;
            // What is replaced must be the file, and not a link to it.
            (text, Some(path.canonicalize()?))
        };
        let text = text.trim().to_owned();
        Keys::parse(&text).map_err(|error| match &file {
            Some(path) => format!("{}: {error}", path.display()),
            None => format!("SESSION_KEYS: {error}"),
        })?;
        Ok(Current { text, file })
    }

    /// Prints a line that holds keys, but not to a person who did not ask to see them: terminals
    /// keep what they showed.
    ///
    /// # Errors
    /// A line that says how to ask.
    pub(super) fn print(&self, line: &str) -> Result<(), Failure> {
        let mut out = io::stdout();
        check_place(out.is_terminal(), self.show)?;
        writeln!(out, "{line}")?;
        Ok(out.flush()?)
    }
}

fn check_place(is_terminal: bool, show: bool) -> Result<(), &'static str> {
    if is_terminal && !show {
        return Err(
            "the keys would be shown in this terminal; pipe them on, or ask for that with --show",
        );
    }
    Ok(())
}

/// Replaces the file as a whole, so that no start of `serve` finds half of it. Only its owner can
/// read the new one.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_place;

    #[test]
    fn keys_are_shown_in_a_terminal_only_to_who_asks() {
        assert!(check_place(true, false).is_err());
        assert_eq!(check_place(true, true), Ok(()));
        assert_eq!(check_place(false, false), Ok(()));
    }
}
