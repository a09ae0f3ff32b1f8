//! Whoever is told, at `NOTIFY_URL`.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use shared::causes::in_one_line;
use shared::https;
use shared::retry_after;
use shared::settings::NotifySettings;
use shared::timestamp::Timestamp;

use crate::message::Message;

/// For one attempt, from connecting to the answer's headers; its body is not read.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses between the attempts, one after each that failed but the last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// A receiver that wants to be left alone for longer is left alone until the next run.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Delivers messages.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Delivers one, and waits until it has been taken.
    ///
    /// # Errors
    /// [`DeliveryError`] after several attempts.
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError>;
}

/// A message was not taken. Never holds any part of the address.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No connection, or no answer in time.
    #[error("NOTIFY_URL: the receiver could not be reached: {0}")]
    Unreachable(String),
    /// Any answer but 2xx. Redirects are not followed: what is told is for the receiver that was named.
    #[error("NOTIFY_URL: the receiver answered {}", status.as_u16())]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl DeliveryError {
    /// When trying again may help, if the receiver said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => None,
            Self::Refused { retry_after, .. } => *retry_after,
        }
    }

    /// Whether it may be a matter of moments.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [
                        StatusCode::REQUEST_TIMEOUT,
                        StatusCode::TOO_EARLY,
                        StatusCode::TOO_MANY_REQUESTS,
                    ]
                    .contains(status)
            }
        }
    }
}

/// The receiver that the settings name.
pub struct Receiver {
    client: reqwest::Client,
    settings: NotifySettings,
    pauses: [Duration; PAUSES.len()],
}

impl Receiver {
    /// A client for `NOTIFY_URL`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`DeliveryError::Unreachable`] where TLS cannot be used at all.
    pub fn new(settings: NotifySettings) -> Result<Self, DeliveryError> {
        let builder = https::client(https::public_roots())
            .map_err(|error| DeliveryError::Unreachable(error.to_string()))?;
        let client = builder.timeout(TIMEOUT).build().map_err(unreachable)?;
        Ok(Self {
            client,
            settings,
            pauses: PAUSES,
        })
    }

    async fn attempt(&self, message: &Message, now: Timestamp) -> Result<(), DeliveryError> {
        let NotifySettings { url, key } = &self.settings;
        let body = if url.is_slack() {
            message.slack()
        } else {
            message.json()
        };
        let mut request = self
            .client
            .post(url.expose_secret())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.as_unix());
        if let Some(key) = key {
            let signature = key.sign(&message.id, now.as_unix(), &body);
            request = request.header("webhook-signature", signature);
        }
        let answer = request.body(body).send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let wish = answer.headers().get(RETRY_AFTER);
        Err(DeliveryError::Refused {
            status,
            retry_after: wish
                .and_then(|wish| retry_after::wait(wish.to_str().ok()?, now.to_jiff())),
        })
    }
}

#[async_trait]
impl Notifier for Receiver {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        for pause in self.pauses {
            // The receiver holds the moment of each attempt against its own clock.
            match self.attempt(message, Timestamp::now()).await {
                Err(error) if error.may_pass() => match error.retry_after() {
                    Some(wish) if wish > LONGEST_PAUSE => return Err(error),
                    wish => tokio::time::sleep(wish.unwrap_or(pause)).await,
                },
                result => return result,
            }
        }
        self.attempt(message, Timestamp::now()).await
    }
}

/// The address stays out of what is logged.
fn unreachable(error: reqwest::Error) -> DeliveryError {
    DeliveryError::Unreachable(in_one_line(&error.without_url()))
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
