//! What can go wrong, by meaning; and the one place where an HTTP answer becomes an error.

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::Timestamp;
use serde::Deserialize;

use crate::retry_after::wait_for_store as wait;

/// What went wrong, by meaning.
///
/// Neither `Display` nor `Debug` shows the token, a row's values, or a sentence from the server
/// (which may quote them).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server does not accept the token, or the token may not do this (401, 403).
    #[error("NocoDB does not accept the API token for this request")]
    BadCredentials,
    /// There is no such base or table, or this token does not see it.
    #[error("NocoDB has no such base or table, or the API token does not see it")]
    TableNotFound,
    /// There is no row with this id. Of a batch, nothing was changed.
    #[error("NocoDB has no such record")]
    RecordNotFound,
    /// Too many requests (429), and waiting longer than the call's deadline allows, or in vain.
    /// NocoDB's cloud takes five requests a second from a token, then none for 30 s.
    #[error("NocoDB limits the rate of requests{}", wish(*retry_after))]
    RateLimited {
        /// How long the server wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The server understood the request and does not want it: a value that does not fit its
    /// column, a filter on a column that does not exist, a title taken twice.
    #[error("NocoDB refused the request: {code} (HTTP {status})")]
    Refused {
        /// The HTTP status, 400 to 499.
        status: u16,
        /// The server's code without the `ERR_` that newer servers put before it, such as
        /// `INVALID_VALUE_FOR_FIELD`; `UNKNOWN` where it gave none.
        code: String,
        /// The server's own words.
        message: ServerMessage,
    },
    /// No answer: not connected, not in time, or broken off.
    #[error("NocoDB could not be reached: {how}")]
    Unreachable {
        /// What happened.
        how: Unreachable,
        /// The cause; without the URL, which may hold filter values.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A success whose body is not what NocoDB answers. Typical of a proxy or a login page in
    /// between, or a wrong URL.
    #[error("NocoDB's answer could not be read: {0}")]
    Unreadable(Unreadable),
    /// Any other status. 5xx come from the server or a proxy before it; 3xx are not followed,
    /// because that would take the token to another address; 404 means no such route: a wrong path
    /// in the URL, or a server without API v3.
    #[error("NocoDB answered with HTTP status {status}{}", wish(*retry_after))]
    UnexpectedStatus {
        /// The HTTP status.
        status: u16,
        /// How long the server wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The request was not sent, because it could not be put safely or correctly.
    #[error("{what} {why}")]
    InvalidInput {
        /// The setting, column or argument at fault; never its value.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// How a request went unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// No connection: name, address, port, or TLS. The server has not seen the request.
    Connect,
    /// No complete answer in time. The server may have done what was asked.
    Timeout,
    /// The connection broke before a complete answer came. The server may have done what was asked.
    Broken,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke",
        })
    }
}

/// Why a body could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Not JSON: a web page, or nothing.
    NotJson,
    /// JSON, but not of the form this call is answered in.
    WrongShape,
    /// Larger than [`Config::max_body_bytes`](super::Config::max_body_bytes).
    TooLarge,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "it is not JSON",
            Self::WrongShape => "it is not of the expected form",
            Self::TooLarge => "it is too large",
        })
    }
}

/// A sentence from the server; of one longer than 300 characters, its beginning and its end. It may quote values that were sent, so it is
/// kept out of `Debug` and of the error's text: only for somebody at a terminal, never for a log.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerMessage(String);

impl ServerMessage {
    /// The value quoted may be long; the column at fault is named after it.
    fn shortened(message: &str) -> Self {
        const MAX: usize = 300;
        let length = message.chars().count();
        if length <= MAX {
            return Self(message.to_owned());
        }
        let half = MAX / 2;
        let head = message.chars().take(half);
        let tail = message.chars().skip(length - half);
        Self(head.chain(['…']).chain(tail).collect())
    }

    /// The server's words, as they came.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[withheld]")
    }
}

impl Error {
    /// Whether the same request could succeed a little later. Whether it may be *repeated* is
    /// another question: after [`Unreachable::Timeout`] or [`Unreachable::Broken`], a create may
    /// have happened.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unreachable { .. } => true,
            Self::UnexpectedStatus { status, .. } => matches!(status, 500 | 502..=504),
            _ => false,
        }
    }

    /// How long the server wants to be left alone, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::UnexpectedStatus { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// Whether the request certainly had no effect and may be sent again, even a create.
    pub(super) fn was_not_processed(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unreachable {
                    how: Unreachable::Connect,
                    ..
                }
        )
    }

    pub(super) fn invalid(what: impl Into<String>, why: &'static str) -> Self {
        Self::InvalidInput {
            what: what.into(),
            why,
        }
    }

    /// An error from the transport. `reqwest` names the URL in its text, and the URL holds filter
    /// values.
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        let how = if error.is_connect() {
            Unreachable::Connect
        } else if error.is_timeout() {
            Unreachable::Timeout
        } else {
            Unreachable::Broken
        };
        Self::Unreachable {
            how,
            source: Some(Box::new(error.without_url())),
        }
    }

    /// An error from a body that does not parse. `serde_json`'s text may quote the body, so it is
    /// dropped.
    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        Self::Unreadable(if error.is_data() {
            Unreadable::WrongShape
        } else {
            Unreadable::NotJson
        })
    }

    /// The meaning of an answer other than 2xx.
    pub(crate) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let answer: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let code = answer
            .error
            .as_deref()
            .map(|code| code.strip_prefix("ERR_").unwrap_or(code));
        let retry_after = || {
            headers
                .get(RETRY_AFTER)
                .and_then(|value| wait(value.to_str().ok()?, Timestamp::now()))
        };

        match (status.as_u16(), code) {
            (401 | 403, _) => Self::BadCredentials,
            (429, _) => Self::RateLimited {
                retry_after: retry_after(),
            },
            (
                400 | 404 | 422,
                Some(
                    "BASE_NOT_FOUND"
                    | "TABLE_NOT_FOUND"
                    | "SOURCE_NOT_FOUND"
                    | "WORKSPACE_NOT_FOUND",
                ),
            ) => Self::TableNotFound,
            // A key of the wrong kind ("abc" where numbers are keys) cannot name a row either.
            (400 | 404 | 422, Some("RECORD_NOT_FOUND" | "INVALID_PK_VALUE")) => {
                Self::RecordNotFound
            }
            (status @ (400 | 409 | 413 | 422), _) if answer.is_from_nocodb() => Self::Refused {
                status,
                code: code
                    .filter(|code| is_code(code))
                    .unwrap_or("UNKNOWN")
                    .to_owned(),
                message: ServerMessage::shortened(answer.message()),
            },
            (status, _) => Self::UnexpectedStatus {
                status,
                retry_after: retry_after(),
            },
        }
    }
}

/// `{"error":CODE,"message":…}`, or only `{"msg":…}`.
#[derive(Default, Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    msg: Option<Cow<'a, str>>,
}

impl ErrorBody<'_> {
    fn is_from_nocodb(&self) -> bool {
        self.error.is_some() || self.message.is_some() || self.msg.is_some()
    }

    fn message(&self) -> &str {
        self.message
            .as_deref()
            .or(self.msg.as_deref())
            .unwrap_or_default()
    }
}

/// A code is shown in logs, so it must look like one.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn wish(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!("; it asks to wait {} s", wait.as_secs())
    })
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
