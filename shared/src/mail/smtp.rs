//! Mail by SMTP: `SMTP_URL`.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{Mail, MailError, Mailer, TIMEOUT};
use crate::causes::in_one_line;
use crate::email::Email;
use crate::settings::{SettingError, SmtpUrl};

/// For one command and its answer; [`TIMEOUT`] is for all of them.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// A mail server, and in whose name it is asked.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// A client for the server of `SMTP_URL` that mails from `MAIL_FROM` in the name of `site`.
    /// Nothing is asked of the server yet.
    ///
    /// # Errors
    /// [`SettingError`] where the address cannot be used.
    pub fn new(url: &SmtpUrl, from: &Email, site: &str) -> Result<Self, SettingError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|_| SmtpUrl::unusable())?
            .timeout(Some(COMMAND_TIMEOUT))
            .hello_name(ClientId::Domain(host(site).to_owned()))
            .build();
        let from = address(from).ok_or_else(|| SettingError {
            name: "MAIL_FROM",
            problem: "cannot be mailed from".to_owned(),
        })?;
        Ok(Self {
            transport,
            from: Mailbox::new(Some(host(site).to_owned()), from),
        })
    }
}

impl Smtp {
    /// Connects, logs in where `SMTP_URL` has a password, and sends nothing.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn check(&self) -> Result<(), MailError> {
        let connected = tokio::time::timeout(TIMEOUT, self.transport.test_connection())
            .await
            .map_err(|_| MailError::Timeout)?;
        match connected {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailError::Failed(
                "the mail server does not take mail now".to_owned(),
            )),
            Err(error) => Err(failed(&error)),
        }
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, to: &Email, mail: &Mail) -> Result<(), MailError> {
        let to = address(to).ok_or_else(|| MailError::Failed("no address".to_owned()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            // Answering machines are asked to keep still (RFC 3834 5).
            .raw_header(auto_submitted())
            .body(mail.text.clone())
            .map_err(|error| MailError::Failed(error.to_string()))?;
        tokio::time::timeout(TIMEOUT, self.transport.send(message))
            .await
            .map_err(|_| MailError::Timeout)?
            .map(|_| ())
            .map_err(|error| failed(&error))
    }
}

fn auto_submitted() -> lettre::message::header::HeaderValue {
    use lettre::message::header::{HeaderName, HeaderValue};
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".to_owned())
}

/// What a server answers may hold the visitor's address, so of that the number alone is told.
fn failed(error: &SmtpError) -> MailError {
    if error.is_timeout() {
        return MailError::Timeout;
    }
    MailError::Failed(error.status().map_or_else(
        || format!("the mail server: {}", in_one_line(error)),
        |status| format!("the mail server refused with {status}"),
    ))
}

fn address(email: &Email) -> Option<Address> {
    email.as_str().parse().ok()
}

/// Without the port that `SITE_AUDIENCE` may have.
fn host(site: &str) -> &str {
    site.split(':').next().unwrap_or(site)
}
