//! The way to NocoDB for somebody at a terminal: how long to wait, and what to do about an error.

use std::time::Duration;

use shared::nocodb::{Client, Config, Error, Unreachable};
use shared::settings::NocoDbSettings;

use crate::terminal::printable;

/// A client that waits this long for each answer.
pub(crate) fn connect(settings: &NocoDbSettings, patience: Duration) -> Result<Client, Trouble> {
    let mut config = Config::new(settings.url.clone(), settings.token.clone());
    config.attempt_timeout = patience;
    config.total_deadline = patience;
    Ok(Client::new(config)?)
}

/// An error of NocoDB's with its cure.
#[derive(Debug, thiserror::Error)]
#[error("{problem} — {cure}")]
pub(crate) struct Trouble {
    pub(crate) problem: String,
    pub(crate) cure: &'static str,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let cure = cure(&error);
        let problem = match &error {
            // The server's own words may quote what was sent, which here are names of tables and
            // columns alone.
            Error::Refused { message, .. } => format!("{error}: {}", printable(message.reveal())),
            error => error.to_string(),
        };
        Self { problem, cure }
    }
}

fn cure(error: &Error) -> &'static str {
    match error {
        Error::BadCredentials => {
            "set NOCODB_API_TOKEN to a token made in NocoDB (account settings, Tokens) by somebody \
             who may edit this base"
        }
        Error::TableNotFound => {
            "check NOCODB_BASE_ID and NOCODB_TABLE_ID: in NocoDB's address bar they start with `p` \
             and `m`; without NOCODB_TABLE_ID, `lastseen setup` finds or makes the table"
        }
        Error::RateLimited { .. } => "wait half a minute and run this again",
        Error::Unreachable {
            how: Unreachable::Connect,
            ..
        } => "check NOCODB_URL, and that NocoDB is running there",
        Error::Unreachable { .. } => "NocoDB is slow or was restarted; run this again",
        Error::Unreadable(_)
        | Error::UnexpectedStatus {
            status: 300..=499, ..
        } => {
            "check NOCODB_URL: what answers there is not NocoDB's API v3 (perhaps a login page, \
             or a version from before 2025)"
        }
        Error::UnexpectedStatus { .. } => "look into NocoDB's own log",
        Error::InvalidInput { .. } => "check the NOCODB_… settings",
        _ => "check the table in NocoDB",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_names_what_to_change() {
        for (error, named) in [
            (Error::BadCredentials, "NOCODB_API_TOKEN"),
            (Error::TableNotFound, "NOCODB_TABLE_ID"),
            (
                Error::Unreachable {
                    how: Unreachable::Connect,
                    source: None,
                },
                "NOCODB_URL",
            ),
            (
                Error::UnexpectedStatus {
                    status: 404,
                    retry_after: None,
                },
                "NOCODB_URL",
            ),
            (
                Error::UnexpectedStatus {
                    status: 502,
                    retry_after: None,
                },
                "log",
            ),
            (Error::RateLimited { retry_after: None }, "wait"),
        ] {
            let line = Trouble::from(error).to_string();
            assert!(line.contains(named), "{line}");
        }
    }
}
