//! `POST /api/admin/login` and `POST /api/admin/logout`: the owner shows the token once, and a cookie
//! stands for it until the owner signs out, or for eight hours.

use http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::owner::{self, LIFETIME_SECONDS};
use shared::timestamp::Timestamp;
use shared::web::{self, Problem, Request, Response};

use crate::owner::{WrongToken, count_wrong_token, unauthorized};

/// The owner's page, which a form goes back to.
const PAGE: &str = "/admin/";

/// The owner is signed in.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedIn {
    /// True.
    success: bool,
    /// Until the cookie is of no use any more, in seconds.
    expires_in_seconds: u64,
}

/// Signs the owner in. Forms are answered with a redirect to the owner's page, as the gate does.
pub(crate) async fn login(app: &App, request: &Request, now: Timestamp) -> Response {
    let body = match Body::read(request).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).into_response(),
    };
    let token = body.text("token").unwrap_or_default().trim();
    if !app.settings.is_admin_token(token) {
        let wrong = count_wrong_token(app, request.headers(), now).await;
        return if body.is_form {
            back_with(wrong.code())
        } else {
            wrong.into_response()
        };
    }
    let cookies = &app.settings.cookies;
    let signed = owner::sign(&app.settings, now).ok();
    let Some(cookie) = signed.and_then(|value| cookies.write_owner(&value, LIFETIME_SECONDS).ok())
    else {
        // Whoever has shown the token has one to sign for, and what is signed fits a header.
        tracing::error!("the owner's cookie could not be made");
        return web::unavailable(shared::store::DEFAULT_RETRY_AFTER);
    };
    audit::owner_signed_in();
    let response = if body.is_form {
        web::redirect(StatusCode::SEE_OTHER, PAGE)
    } else {
        let body = SignedIn {
            success: true,
            expires_in_seconds: LIFETIME_SECONDS,
        };
        web::json(StatusCode::OK, &body)
    };
    web::with_cookies(response, [cookie])
}

/// Signs the owner out of this browser. Whoever is not signed in is answered the same.
pub(crate) async fn logout(app: &App, request: &Request) -> Response {
    let response = match Body::read(request).await {
        Ok(body) if body.is_form => web::redirect(StatusCode::SEE_OTHER, PAGE),
        Ok(_) => web::empty(StatusCode::NO_CONTENT),
        Err(error) => return Problem::from(error).into_response(),
    };
    web::with_cookies(response, [app.settings.cookies.clear_owner()])
}

/// To the owner's page, which shows the message by `:target`.
fn back_with(code: &str) -> Response {
    web::redirect(
        StatusCode::SEE_OTHER,
        &format!("{PAGE}?error={code}#{code}"),
    )
}

impl WrongToken {
    const fn code(&self) -> &'static str {
        match self {
            Self::Refused => "wrong-token",
            Self::Limited(_) => "limited",
        }
    }

    fn into_response(self) -> Response {
        match self {
            Self::Refused => unauthorized(Problem::new(
                StatusCode::UNAUTHORIZED,
                self.code(),
                "token: this is not the owner's token",
            )),
            Self::Limited(retry_after) => web::limited(retry_after),
        }
    }
}
