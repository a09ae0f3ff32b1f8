//! `POST /api/verify-temp-access`: the gate's form. An email comes in; a recorded visit and two
//! cookies go out.
//!
//! Fails closed: where the store cannot record the visit, nobody is let in.

use http::{Method, StatusCode};
use serde_json::json;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::email::Email;
use shared::gate::{self, Message};
use shared::origin;
use shared::redirect::RedirectPath;
use shared::timestamp::Timestamp;
use shared::web::{self, Problem, Request, Response};

mod enter;

use enter::enter;

/// Answers one request; see the route in `docs/api.md`.
pub async fn handle(app: App, request: Request, now: Timestamp) -> Response {
    web::serve(&app.settings, request, async |request| {
        match (request.uri().path(), request.method()) {
            ("/api/verify-temp-access", &Method::POST) => verify(&app, &request, now).await,
            ("/api/verify-temp-access", _) => web::method_not_allowed("POST"),
            _ => web::not_found(),
        }
    })
    .await
}

async fn verify(app: &App, request: &Request, now: Timestamp) -> Response {
    let body = match Body::read(request).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).into_response(),
    };
    let back = way_back(app, request, &body);
    let entered = match check(app, &body) {
        Ok(email) => enter(app, request, &email, now).await,
        Err(refusal) => Err(refusal),
    };
    match entered {
        Ok(response_cookies) => {
            let redirect = back.unwrap_or_else(|| app.settings.default_redirect.clone());
            let response = if body.is_form {
                web::redirect(StatusCode::SEE_OTHER, redirect.as_str())
            } else {
                web::json(
                    StatusCode::OK,
                    &json!({ "success": true, "redirect": redirect.as_str() }),
                )
            };
            web::with_cookies(response, response_cookies)
        }
        Err(refusal) if body.is_form => {
            let address = gate::address(
                &app.settings,
                back.as_ref(),
                Some(Message::Error(refusal.code())),
            );
            web::redirect(StatusCode::SEE_OTHER, &address)
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
enum Refusal {
    InvalidEmail(String),
    NotAllowed,
    WrongPasscode,
    ConsentMissing,
    Unavailable(std::time::Duration),
}

impl Refusal {
    const fn code(&self) -> &'static str {
        match self {
            Self::InvalidEmail(_) => "invalid-email",
            Self::NotAllowed => "not-allowed",
            Self::WrongPasscode => "wrong-passcode",
            Self::ConsentMissing => "consent-missing",
            Self::Unavailable(_) => "unavailable",
        }
    }

    fn into_response(self) -> Response {
        let (status, detail) = match &self {
            Self::InvalidEmail(detail) => (StatusCode::BAD_REQUEST, detail.as_str()),
            Self::NotAllowed => (
                StatusCode::FORBIDDEN,
                "email: this address is not on the list of those who may come in",
            ),
            Self::WrongPasscode => (StatusCode::FORBIDDEN, "passcode: this is not the passcode"),
            Self::ConsentMissing => (
                StatusCode::BAD_REQUEST,
                "consent: agree to the text at the gate first; reload the page if you have",
            ),
            Self::Unavailable(retry_after) => return web::unavailable(*retry_after),
        };
        Problem::new(status, self.code(), detail).into_response()
    }
}

/// Who is asking, if they may come in.
fn check(app: &App, body: &Body) -> Result<Email, Refusal> {
    let email = Email::parse(body.text("email").unwrap_or_default())
        .map_err(|error| Refusal::InvalidEmail(error.to_string()))?;
    if !app.settings.email_rules.permit(&email) {
        audit::denied("not-allowed");
        return Err(Refusal::NotAllowed);
    }
    if !app
        .settings
        .passcode_matches(body.text("passcode").unwrap_or_default())
    {
        audit::denied("wrong-passcode");
        return Err(Refusal::WrongPasscode);
    }
    // The version comes from the setting and not from the visitor: nobody writes into the table what
    // they like, and a page from before the text changed does not count as agreeing to the new one.
    let agreed = body.text("consent");
    if app.settings.consent_version.is_some() && agreed != app.settings.consent_version.as_deref() {
        audit::denied("consent-missing");
        return Err(Refusal::ConsentMissing);
    }
    Ok(email)
}

/// Where the visitor wants to go: what the form says, else what stands in the address of the gate
/// page that posted it, which is how a gate without JavaScript finds the way back.
fn way_back(app: &App, request: &Request, body: &Body) -> Option<RedirectPath> {
    let given = body.text("redirect").filter(|given| !given.is_empty());
    if given.is_some() {
        return app.settings.redirect(given);
    }
    let referrer = origin::own_referrer(request.headers())
        .filter(|referrer| referrer.path() == app.settings.gate.path())?;
    let (_, redirect) = referrer
        .query_pairs()
        .find(|(name, _)| name == "redirect")?;
    app.settings.redirect(Some(&redirect))
}
