//! The mail that carries a code.

use async_trait::async_trait;

use crate::codes::{Code, LIFETIME_SECONDS};
use crate::email::Email;

#[cfg(feature = "codes-on-aws")]
pub mod ses;
#[cfg(feature = "smtp")]
pub mod smtp;

/// Carries mail to a visitor.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands one mail over, within [`TIMEOUT`].
    ///
    /// # Errors
    /// [`MailError`]. It is logged, and the visitor is told nothing: an answer that differs would
    /// tell strangers who is on the list.
    async fn send(&self, to: &Email, mail: &Mail) -> Result<(), MailError>;
}

/// A server that has not taken a mail by then will not: the visitor waits, and the HTTP API in front
/// gives up after 30 seconds.
pub const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(8);

/// The mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server was not done in time.
    #[error("the mail server did not answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
    /// The server refused it, or could not be reached. Never holds an address.
    #[error("{0}")]
    Failed(String),
}

/// A mail in plain text.
#[derive(Clone)]
pub struct Mail {
    /// One line of ASCII.
    pub subject: String,
    /// Lines of ASCII.
    pub text: String,
}

impl Mail {
    /// What somebody gets who asked for a code at this site. No link: the code belongs into the
    /// browser that asked, and a code in an address would end up in histories and logs.
    #[must_use]
    pub fn with_code(code: &Code, site: &str) -> Self {
        let minutes = LIFETIME_SECONDS / 60;
        Self {
            subject: format!("Your code for {site}"),
            text: format!(
                "Your code for {site} is\n\n    {code}\n\nEnter it in the browser in which you asked for it, within {minutes} minutes.\n\nIf you did not ask for it, ignore this mail: without the code nobody gets in with\nyour address.\n"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_says_what_the_code_is_for_and_how_long_it_lives() {
        let code = Code::parse("7K0M1QZ9").unwrap();
        let mail = Mail::with_code(&code, "www.example.com");
        assert_eq!(mail.subject, "Your code for www.example.com");
        for part in [
            "7K0M-1QZ9",
            "www.example.com",
            "10 minutes",
            "If you did not ask",
        ] {
            assert!(mail.text.contains(part), "{part}");
        }
        assert!(
            !mail.subject.contains("7K0M"),
            "subjects show on locked screens"
        );
        assert!(!mail.text.contains("http"), "no link");
        assert!(mail.text.lines().all(|line| line.len() < 90));
    }
}
