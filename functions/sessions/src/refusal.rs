//! Why a report is not given, and how that is answered.

use std::io;
use std::time::Duration;

use http::StatusCode;
use shared::report::BadParameter;
use shared::report::cache::Unavailable;
use shared::store::{DEFAULT_RETRY_AFTER, StoreError};
use shared::web::{self, Problem, Response};

/// Why a report is not given.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// `400`: this parameter cannot be followed.
    Parameter(BadParameter),
    /// `404`: no visit has this id.
    NoSuchSession,
    /// `503`: the store does not answer, and nothing is known from before.
    Unavailable(Duration),
}

impl Refusal {
    /// The answer.
    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Parameter(bad) => {
                let code = "invalid-parameter";
                Problem::new(StatusCode::BAD_REQUEST, code, &bad.to_string())
                    .with("parameter", bad.name)
                    .into_response()
            }
            Self::NoSuchSession => {
                let detail = "id: there is no session with this id";
                Problem::new(StatusCode::NOT_FOUND, "no-such-session", detail)
                    .with("parameter", "id")
                    .into_response()
            }
            Self::Unavailable(retry_after) => web::unreadable(retry_after),
        }
    }
}

impl From<BadParameter> for Refusal {
    fn from(bad: BadParameter) -> Self {
        Self::Parameter(bad)
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable.retry_after)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::NotFound) {
            return Self::NoSuchSession;
        }
        tracing::error!(error = error.to_string(), "a session could not be read");
        Self::Unavailable(error.retry_after())
    }
}

/// Memory takes every line; should it not, a file must not look whole.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        tracing::error!(error = error.to_string(), "a line could not be written");
        Self::Unavailable(DEFAULT_RETRY_AFTER)
    }
}
