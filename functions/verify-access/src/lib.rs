//! `POST /api/verify-temp-access`: the gate's form. An email comes in (and, where codes are on, the
//! code that was mailed to it); a recorded visit and two cookies go out.
//!
//! Fails closed: where the store cannot record the visit, nobody is let in.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::client::Network;
use shared::codes::LIFETIME_SECONDS;
use shared::email::Email;
use shared::flood::Deed;
use shared::gate::{self, Message};
use shared::origin;
use shared::redirect::RedirectPath;
use shared::timestamp::Timestamp;
use shared::web::{self, Problem, Request, Response};

mod codes;
mod enter;
mod limits;
#[cfg(feature = "openapi")]
pub mod openapi;

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

/// A visitor is let in.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Entered<'a> {
    /// True.
    success: bool,
    /// The way back.
    redirect: &'a str,
}

/// A code may be on its way.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
struct CodeSent {
    /// True.
    success: bool,
    /// What comes next: `code`.
    step: &'static str,
    /// How long a code is good for.
    code_expires_in_seconds: u64,
}

async fn verify(app: &App, request: &Request, now: Timestamp) -> Response {
    let body = match Body::read(request).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).into_response(),
    };
    let back = way_back(app, request, &body);
    match admit(app, request, &body, now).await {
        Ok(Admitted::Entered(cookies)) => {
            let redirect = back.unwrap_or_else(|| app.settings.default_redirect.clone());
            let response = if body.is_form {
                web::redirect(StatusCode::SEE_OTHER, redirect.as_str())
            } else {
                let body = Entered {
                    success: true,
                    redirect: redirect.as_str(),
                };
                web::json(StatusCode::OK, &body)
            };
            web::with_cookies(response, cookies)
        }
        Ok(Admitted::CodeSent(cookie)) => {
            let response = if body.is_form {
                to_gate(app, back.as_ref(), Message::Step("code"))
            } else {
                let body = CodeSent {
                    success: true,
                    step: "code",
                    code_expires_in_seconds: LIFETIME_SECONDS,
                };
                web::json(StatusCode::ACCEPTED, &body)
            };
            web::with_cookies(response, [cookie])
        }
        Err(refusal) if body.is_form => to_gate(app, back.as_ref(), Message::Error(refusal.code())),
        Err(refusal) => refusal.into_response(),
    }
}

fn to_gate(app: &App, back: Option<&RedirectPath>, message: Message<'_>) -> Response {
    let address = gate::address(&app.settings, back, Some(message));
    web::redirect(StatusCode::SEE_OTHER, &address)
}

/// How far somebody got.
enum Admitted {
    /// In, with these cookies.
    Entered(Vec<HeaderValue>),
    /// To the second step, with the cookie of the code that is on its way.
    CodeSent(HeaderValue),
}

async fn admit(
    app: &App,
    request: &Request,
    body: &Body,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let settings = &app.settings;
    let network = Network::of_client(request.headers(), settings.trusted_hops);
    limits::network(app, Deed::Enter, network, now)?;
    let wants_codes = settings.codes.is_some();
    let code = body.text("code").filter(|code| !code.trim().is_empty());
    if let (true, Some(code)) = (wants_codes, code) {
        let (email, patience) = codes::check(app, request, code, network, now).await?;
        let cookies = enter(app, request, &email, patience, now).await?;
        let mut cookies = cookies.to_vec();
        cookies.push(settings.cookies.clear_code());
        return Ok(Admitted::Entered(cookies));
    }
    let email = Email::parse(body.text("email").unwrap_or_default())
        .map_err(|error| Refusal::InvalidEmail(error.to_string()))?;
    // Before the list: without the passcode nobody learns who is on it. And before the limits for this
    // visitor and for the site: whoever does not know it takes nothing from those who do.
    limits::passcode(app, network, now)?;
    let passcode = body.text("passcode").unwrap_or_default();
    if !settings.passcode_matches(passcode) {
        // Who left it out has not guessed.
        if !passcode.is_empty() {
            app.flood.wrong_passcode(network, now);
        }
        audit::denied("wrong-passcode");
        return Err(Refusal::WrongPasscode);
    }
    let patience = limits::visitor(app, Deed::Enter, &email, network, now)?;
    // The version comes from the setting and not from the visitor: nobody writes into the table what
    // they like, and a page from before the text changed does not count as agreeing to the new one.
    let wanted = settings.consent_version.as_deref();
    if wanted.is_some() && body.text("consent") != wanted {
        audit::denied("consent-missing");
        return Err(Refusal::ConsentMissing);
    }
    if wants_codes {
        let cookie = codes::send(app, &email, network, now).await?;
        return Ok(Admitted::CodeSent(cookie));
    }
    if !settings.email_rules.permit(&email) {
        audit::denied("not-allowed");
        return Err(Refusal::NotAllowed);
    }
    let cookies = enter(app, request, &email, patience, now).await?;
    Ok(Admitted::Entered(cookies.to_vec()))
}

/// Why somebody is not let in.
#[derive(Debug)]
enum Refusal {
    InvalidEmail(String),
    NotAllowed,
    WrongPasscode,
    ConsentMissing,
    WrongCode,
    CodeExpired,
    Limited(Duration),
    Unavailable(Duration),
}

impl Refusal {
    const fn code(&self) -> &'static str {
        match self {
            Self::InvalidEmail(_) => "invalid-email",
            Self::NotAllowed => "not-allowed",
            Self::WrongPasscode => "wrong-passcode",
            Self::ConsentMissing => "consent-missing",
            Self::WrongCode => "wrong-code",
            Self::CodeExpired => "code-expired",
            Self::Limited(_) => "limited",
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
            Self::WrongCode => (
                StatusCode::FORBIDDEN,
                "code: this is not the code that was mailed",
            ),
            Self::CodeExpired => (
                StatusCode::FORBIDDEN,
                "code: no code is waiting in this browser (any more); ask for a new one",
            ),
            Self::Limited(retry_after) => return web::limited(*retry_after),
            Self::Unavailable(retry_after) => return web::unavailable(*retry_after),
        };
        Problem::new(status, self.code(), detail).into_response()
    }
}

/// Where the visitor wants to go: what the form says, else what stands in the address of the gate
/// page that posted it, which is how a gate without JavaScript finds the way back.
fn way_back(app: &App, request: &Request, body: &Body) -> Option<RedirectPath> {
    let given = body.text("redirect").filter(|given| !given.is_empty());
    if given.is_some() {
        return app.settings.redirect(given);
    }
    let referrer = origin::own_referrer(&app.settings, request.headers())
        .filter(|referrer| referrer.path() == app.settings.gate.path())?;
    let (_, redirect) = referrer
        .query_pairs()
        .find(|(name, _)| name == "redirect")?;
    app.settings.redirect(Some(&redirect))
}
