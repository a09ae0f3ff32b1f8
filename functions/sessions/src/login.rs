//! `POST /api/admin/login` and `POST /api/admin/logout`: the owner shows the token once, or a link that
//! is good once, and a cookie stands for it until the owner signs out, or for eight hours.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::owner::{self, LIFETIME_SECONDS};
use shared::sign_in_link::Worth;
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
    if let Err(refused) = check(app, &body, request.headers(), now).await {
        return if body.is_form {
            back_with(refused.code())
        } else {
            refused.into_response()
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

/// Whether a body shows the owner's token, or a link's code that nobody has shown before.
async fn check(app: &App, body: &Body, headers: &HeaderMap, now: Timestamp) -> Result<(), Refused> {
    let Some(code) = body.text("once") else {
        let token = body.text("token").unwrap_or_default().trim();
        if app.settings.is_admin_token(token) {
            return Ok(());
        }
        return Err(match count_wrong_token(app, headers, now).await {
            WrongToken::Refused => Refused::Token,
            WrongToken::Limited(retry_after) => Refused::Limited(retry_after),
        });
    };
    let worth = match &app.sign_in_links {
        Some(links) => links.spend(code.trim(), now).await,
        None => Ok(Worth::Unknown),
    };
    match worth {
        Ok(Worth::Good) => Ok(()),
        Ok(Worth::Used) => Err(Refused::LinkUsed),
        Ok(Worth::Expired) => Err(Refused::LinkExpired),
        Ok(Worth::Unknown) => Err(match count_wrong_token(app, headers, now).await {
            WrongToken::Refused => Refused::Link,
            WrongToken::Limited(retry_after) => Refused::Limited(retry_after),
        }),
        Err(error) => {
            tracing::error!(error = error.to_string(), "nobody is signed in by a link");
            Err(Refused::Unavailable)
        }
    }
}

/// Why nobody is signed in.
enum Refused {
    Token,
    Link,
    LinkUsed,
    LinkExpired,
    Limited(Duration),
    Unavailable,
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

impl Refused {
    const fn code(&self) -> &'static str {
        match self {
            Self::Token => "wrong-token",
            Self::Link => "wrong-link",
            Self::LinkUsed => "link-used",
            Self::LinkExpired => "link-expired",
            Self::Limited(_) => "limited",
            Self::Unavailable => "unavailable",
        }
    }

    fn into_response(self) -> Response {
        let detail = match self {
            Self::Token => "token: this is not the owner's token",
            Self::Link => {
                "once: this is no sign-in link of this site; `lastseen admin link` makes one"
            }
            Self::LinkUsed => "once: this link has been used; `lastseen admin link` makes another",
            Self::LinkExpired => {
                "once: this link is older than ten minutes; `lastseen admin link` makes another"
            }
            Self::Limited(retry_after) => return web::limited(retry_after),
            Self::Unavailable => return web::unavailable(shared::store::DEFAULT_RETRY_AFTER),
        };
        unauthorized(Problem::new(StatusCode::UNAUTHORIZED, self.code(), detail))
    }
}
