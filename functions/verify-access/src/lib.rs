//! `POST /api/verify-temp-access`: the gate's form. An email comes in; a recorded visit and two
//! cookies go out.
//!
//! Fails closed: where the store cannot record the visit, nobody is let in.

use http::{Method, StatusCode};
use serde_json::json;
use shared::app::App;
use shared::body::Body;
use shared::cookies::Presented;
use shared::email::Email;
use shared::gate::{self, Message};
use shared::origin;
use shared::redirect::RedirectPath;
use shared::session::{EndReason, Heartbeat};
use shared::snapshot::Snapshot;
use shared::timestamp::Timestamp;
use shared::token::{Claims, new_session_id};
use shared::web::{self, Problem, Request, Response};

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
    Unavailable(std::time::Duration),
}

impl Refusal {
    const fn code(&self) -> &'static str {
        match self {
            Self::InvalidEmail(_) => "invalid-email",
            Self::NotAllowed => "not-allowed",
            Self::WrongPasscode => "wrong-passcode",
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
        tracing::warn!("refused: the address is not allowed");
        return Err(Refusal::NotAllowed);
    }
    if !app
        .settings
        .passcode_matches(body.text("passcode").unwrap_or_default())
    {
        tracing::warn!("refused: wrong passcode");
        return Err(Refusal::WrongPasscode);
    }
    Ok(email)
}

/// Records the visit and makes its cookies.
///
/// A presented session is never taken over: it is ended first, so that whoever holds a copy of its
/// cookie is out (OWASP ASVS 5.0 7.2.4).
async fn enter(
    app: &App,
    request: &Request,
    email: &Email,
    now: Timestamp,
) -> Result<[http::HeaderValue; 2], Refusal> {
    let settings = &app.settings;
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::error!(
            error = error.to_string(),
            "the visit could not be recorded; nobody was let in"
        );
        Refusal::Unavailable(shared::store::DEFAULT_RETRY_AFTER)
    };
    if let Presented::Session(token) =
        settings
            .cookies
            .read(request.headers(), &settings.keys, &settings.audience)
    {
        end_presented(app, &token, now).await;
    }
    let session_id = new_session_id().map_err(|error| unavailable(&error))?;
    let record = app.store.create(email, now).await.map_err(|error| {
        unavailable(&error);
        Refusal::Unavailable(error.retry_after())
    })?;
    tracing::info!(record = record.as_str(), "session started");
    let claims = Claims::start(
        &settings.audience,
        session_id,
        record,
        &settings.limits,
        now,
    );
    settings
        .cookies
        .write(&claims, &settings.keys, now)
        .map_err(|error| unavailable(&error))
}

async fn end_presented(app: &App, token: &Claims, now: Timestamp) {
    let reason = token.ended_at(now).unwrap_or(EndReason::Logout);
    // Whoever is at the gate is not looking at a page.
    let nothing_new = Snapshot {
        seen_seconds_ago: Some(now.since(token.seen)),
        ..Snapshot::default()
    };
    let heartbeat = Heartbeat::new(token, &nothing_new, &app.settings.limits, now);
    match app.store.end(&token.record, &heartbeat, reason, now).await {
        Ok(ended) if !ended.already => {
            tracing::info!(record = token.record.as_str(), %reason, "session ended at the gate");
        }
        Ok(_) | Err(shared::store::StoreError::NotFound) => {}
        Err(error) => tracing::warn!(
            record = token.record.as_str(),
            error = error.to_string(),
            "the earlier session could not be ended"
        ),
    }
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
