//! Who the owner is: whoever shows the `ADMIN_TOKEN`.

use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use shared::app::App;
use shared::audit;
use shared::web::{self, Problem, Response};

/// What a wrong token costs whoever guesses. The token cannot be guessed anyhow; this keeps trying
/// from being free.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// Lets the owner through.
///
/// # Errors
/// `401 not-the-owner` for anybody else, after a pause.
pub(crate) async fn check(app: &App, headers: &HeaderMap) -> Result<(), Response> {
    if is_owner(app, headers) {
        return Ok(());
    }
    audit::not_the_owner();
    tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
    Err(unauthorized())
}

/// Whether the request shows the owner's token (RFC 6750).
fn is_owner(app: &App, headers: &HeaderMap) -> bool {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .is_some_and(|(_, token)| app.settings.is_admin_token(token.trim()))
}

fn unauthorized() -> Response {
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "not-the-owner",
        "send the owner's token: Authorization: Bearer …",
    );
    web::with_header(
        problem.into_response(),
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer"),
    )
}
