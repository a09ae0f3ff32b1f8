//! Codes by mail: the first post has one sent, the second brings it back.

use std::time::Duration;

use http::HeaderValue;
use shared::app::App;
use shared::audit;
use shared::client::Network;
use shared::codes::{Challenge, Code, CodeStoreError, Codes, LIFETIME_SECONDS};
use shared::email::Email;
use shared::flood::Deed;
use shared::mail::Mail;
use shared::queue::Patience;
use shared::store::DEFAULT_RETRY_AFTER;
use shared::timestamp::Timestamp;
use shared::web::Request;
use tokio::time::Instant;

use crate::Refusal;
use crate::limits;

/// No answer to somebody who asks for a code comes sooner: longer than most mail servers take, so
/// that an address which is mailed to looks like one that is not.
const FLOOR: Duration = Duration::from_secs(1);

/// Mails a code, and gives the cookie that goes with it.
///
/// What a stranger sees is the same for every address: a challenge is made, kept and answered with
/// whether or not the address may come in; only the mail is left out, and nobody is told.
pub(crate) async fn send(
    app: &App,
    email: &Email,
    network: Option<Network>,
    now: Timestamp,
) -> Result<HeaderValue, Refusal> {
    let earliest = Instant::now() + FLOOR;
    limits::network(app, Deed::SendCode, network, now)?;
    limits::visitor(app, Deed::SendCode, email, network, now)?;
    let settings = &app.settings;
    let codes = codes(app)?;
    let code = Code::generate().map_err(|error| unavailable(&error))?;
    let challenge = Challenge::new(email, &settings.keys).map_err(|error| unavailable(&error))?;
    let hash = challenge
        .hash(&code, &settings.keys)
        .ok_or_else(|| unavailable(&"no key to hash the code with"))?;
    let sealed = challenge
        .seal(&settings.keys, &settings.audience)
        .map_err(|error| unavailable(&error))?;
    let cookie = settings
        .cookies
        .write_code(&sealed, LIFETIME_SECONDS)
        .map_err(|error| unavailable(&error))?;
    codes
        .store
        .begin(challenge.id(), &hash, now)
        .await
        .map_err(|error| unavailable(&error))?;
    mail(app, codes, email, &code).await;
    tokio::time::sleep_until(earliest).await;
    Ok(cookie)
}

async fn mail(app: &App, codes: &Codes, email: &Email, code: &Code) {
    if !app.settings.email_rules.permit(email) {
        audit::denied("not-allowed");
        return;
    }
    let mail = Mail::with_code(code, &app.settings.audience);
    match codes.mailer.send(email, &mail).await {
        Ok(()) => audit::code_sent(),
        Err(error) => tracing::error!(
            error = error.to_string(),
            "a code could not be mailed; its visitor waits for it in vain"
        ),
    }
}

/// Whose code this is, and how long the visit may wait for its turn. The try is counted before it is compared, and of several right ones at once
/// the first alone gets in.
pub(crate) async fn check(
    app: &App,
    request: &Request,
    given: &str,
    network: Option<Network>,
    now: Timestamp,
) -> Result<(Email, Patience), Refusal> {
    limits::network(app, Deed::TryCode, network, now)?;
    let settings = &app.settings;
    let codes = codes(app)?;
    let challenge = settings
        .cookies
        .codes(request.headers())
        .find_map(|sealed| Challenge::open(sealed, &settings.keys, &settings.audience));
    let Some(challenge) = challenge else {
        audit::denied("code-of-another-browser");
        return Err(Refusal::CodeExpired);
    };
    let patience = limits::visitor(app, Deed::TryCode, challenge.email(), network, now)?;
    let failed = |error: CodeStoreError| unavailable(&error);
    let hash = codes.store.count_try(challenge.id(), now).await;
    let Some(hash) = hash.map_err(failed)? else {
        audit::denied("code-expired");
        return Err(Refusal::CodeExpired);
    };
    let is_right =
        Code::parse(given).is_some_and(|code| challenge.matches(&code, &hash, &settings.keys));
    // Nobody was mailed a code who may not come in; this is for lists that changed since.
    if !is_right || !settings.email_rules.permit(challenge.email()) {
        audit::denied("wrong-code");
        return Err(Refusal::WrongCode);
    }
    if !codes.store.win(challenge.id()).await.map_err(failed)? {
        audit::denied("code-used");
        return Err(Refusal::CodeExpired);
    }
    audit::code_verified();
    Ok((challenge.email().clone(), patience))
}

/// Fails closed: a program that was put together without codes lets nobody in who needs one.
fn codes(app: &App) -> Result<&Codes, Refusal> {
    app.codes
        .as_deref()
        .ok_or_else(|| unavailable(&"this program cannot mail codes"))
}

fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(
        error = error.to_string(),
        "codes do not work; nobody was let in"
    );
    Refusal::Unavailable(DEFAULT_RETRY_AFTER)
}
