//! Who the owner is: whoever shows the `ADMIN_TOKEN`, or the cookie of having shown it.

use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use shared::app::App;
use shared::audit;
use shared::client::Network;
use shared::owner::{self, Shown};
use shared::timestamp::Timestamp;
use shared::web::{self, Problem, Response};

/// What a wrong token costs whoever guesses. The token cannot be guessed anyhow; this keeps trying
/// from being free.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// Lets the owner through. A token in the request decides alone: a program that has an old one learns
/// of it.
///
/// # Errors
/// `401 not-the-owner` for anybody else, with a `reason`; after a wrong token a second later, or
/// `429 limited` where there were many.
pub(crate) async fn check(app: &App, headers: &HeaderMap, now: Timestamp) -> Result<(), Response> {
    let reason = match bearer(headers) {
        Some(token) if app.settings.is_admin_token(token) => return Ok(()),
        Some(_) => match count_wrong_token(app, headers, now).await {
            WrongToken::Limited(retry_after) => return Err(web::limited(retry_after)),
            WrongToken::Refused => "invalid",
        },
        None => {
            let reason = match owner::shown(&app.settings, headers, now) {
                Shown::Owner => return Ok(()),
                Shown::Expired => "expired",
                Shown::Invalid => "invalid",
                Shown::Missing => "missing",
            };
            audit::not_the_owner(reason);
            reason
        }
    };
    let detail = "sign in at /admin/, or send the owner's token: Authorization: Bearer …";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "not-the-owner", detail);
    Err(unauthorized(problem.with("reason", reason)))
}

/// The token of a program (RFC 6750); a proxy's own scheme is none of ours.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// What comes of a wrong token.
pub(crate) enum WrongToken {
    /// It is refused, after a pause.
    Refused,
    /// There were so many that nobody waits: for this long.
    Limited(Duration),
}

/// Counts a wrong token, and keeps whoever showed it waiting.
pub(crate) async fn count_wrong_token(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> WrongToken {
    audit::not_the_owner("invalid");
    if app.settings.flood_limits {
        let network = Network::of_client(headers, app.settings.trusted_hops);
        if let Err(limited) = app.flood.wrong_token(network, now) {
            audit::limited("OwnersToken", "network or site");
            return WrongToken::Limited(limited.retry_after);
        }
    }
    tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
    WrongToken::Refused
}

/// `401`, with what would do (RFC 9110 15.5.2).
pub(crate) fn unauthorized(problem: Problem) -> Response {
    web::with_header(
        problem.into_response(),
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer"),
    )
}
