//! `/api/session-heartbeat` and `/api/session-refresh`: is this session still open, and until when?

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Serialize;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::client::Network;
use shared::cookies::Presented;
use shared::flood::{Limited, Standing};
use shared::gate::{INVALID, MISSING};
use shared::origin;
use shared::queue::{Beat, Ending, Patience};
use shared::session::{EndReason, Heartbeat, Session};
use shared::site_path::SitePath;
use shared::snapshot::Snapshot;
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::token::Claims;
use shared::web::{self, Problem, Request, Response};

#[cfg(feature = "openapi")]
pub mod openapi;
mod refresh;

/// Answers one request; see the routes in `docs/api.md`.
pub async fn handle(app: App, request: Request, now: Timestamp) -> Response {
    web::serve(&app.settings, request, async |request| {
        match (request.uri().path(), request.method()) {
            ("/api/session-heartbeat", &Method::POST) => heartbeat(&app, &request, now).await,
            ("/api/session-heartbeat", &Method::GET) => status(&app, &request, now).await,
            ("/api/session-heartbeat", _) => web::method_not_allowed("GET, POST"),
            ("/api/session-refresh", &Method::GET) => refresh::refresh(&app, &request, now).await,
            ("/api/session-refresh", _) => web::method_not_allowed("GET"),
            _ => web::not_found(),
        }
    })
    .await
}

async fn heartbeat(app: &App, request: &Request, now: Timestamp) -> Response {
    let snapshot = match read_snapshot(request).await {
        Ok(snapshot) => snapshot,
        Err(problem) => return problem.into_response(),
    };
    let token = match presented(app, request, now) {
        Presented::Session(token) => token,
        Presented::Invalid => return refuse(app, request, &snapshot, None, INVALID),
        Presented::Missing => return refuse(app, request, &snapshot, None, MISSING),
    };
    if let Err(limited) = within_limits(app, &token, now) {
        return limited;
    }
    let refuse = |reason: EndReason| refuse(app, request, &snapshot, Some(&token), reason.as_str());
    if let Some(reason) = token.ended_at(now) {
        return refuse(record_ending(app, &token, &snapshot, reason, now).await);
    }
    if !snapshot.belongs_to(token.record.as_str()) {
        return foreign(app, request, &snapshot, &token, now).await;
    }
    let heartbeat = Heartbeat::new(&token, &snapshot, now);
    match app.writes.heartbeat(&token, &heartbeat, now).await {
        Ok(Beat::Written(row)) => {
            if let Some(reason) = over(app, &token, &row, now).await {
                return refuse(reason);
            }
            audit::renewed(&token.record);
            let token = token.renewed(&heartbeat, &row, &app.settings.limits, now);
            with_token(app, alive(&token, now), &token, &snapshot, now)
        }
        Ok(Beat::Queued { confirmed_at }) => {
            let token = token.queued(&heartbeat, confirmed_at, &app.settings.limits);
            with_token(app, alive(&token, now), &token, &snapshot, now)
        }
        Ok(Beat::Ended(reason)) => refuse(reason),
        // A deleted row: the owner wants no trace of this visit, and no more of it.
        Err(StoreError::NotFound) => refuse(EndReason::Revoked),
        Err(StoreError::Limited { retry_after }) => limited(retry_after),
        Err(error) => {
            // A page that is being left is told whether its figures were kept, and gets no cookie anyway.
            let known = app.writes.ended().reason(&token);
            if let Some(reason) = known.filter(|_| !snapshot.leaving) {
                return refuse(reason);
            }
            tracing::error!(
                record = token.record.as_str(),
                error = error.to_string(),
                "a heartbeat could not be written"
            );
            let token = token.kept_alive(&heartbeat, &app.settings.limits);
            // The page has to know that its deadline moved, or it would lock a visitor out.
            let response = web::unavailable_with(error.retry_after(), deadlines(&token, now));
            with_token(app, response, &token, &snapshot, now)
        }
    }
}

/// Another session's figures came with this session's cookie: of this one nothing is known to have
/// happened, so it is neither written nor extended, only looked up.
async fn foreign(
    app: &App,
    request: &Request,
    snapshot: &Snapshot,
    token: &Claims,
    now: Timestamp,
) -> Response {
    match ended(app, request, token, now).await {
        Ok(None) => alive(token, now),
        Ok(Some(reason)) => refuse(app, request, snapshot, Some(token), reason.as_str()),
        Err(error) => unanswered(&error),
    }
}

/// Nobody can say whether the session is open: the store does not answer, or may not be asked now.
fn unanswered(error: &StoreError) -> Response {
    match error {
        StoreError::Limited { retry_after } => limited(*retry_after),
        error => web::unavailable(error.retry_after()),
    }
}

/// Our own limit, which extends nothing: or whoever asks often could keep a session open that is over.
fn limited(retry_after: Duration) -> Response {
    audit::limited("Store", "site");
    web::limited(retry_after)
}

/// Why the session is over, by its row; `None` where it is open. Somebody who may not come in any
/// more loses it here, which is written down.
async fn over(app: &App, token: &Claims, row: &Session, now: Timestamp) -> Option<EndReason> {
    if !token.owns(row) {
        return Some(EndReason::Revoked);
    }
    if row.end_reason.is_some() || app.settings.email_rules.permit_text(&row.email) {
        return row.end_reason;
    }
    let endings = [(token.record.clone(), EndReason::Revoked)];
    match app.store.end_many(&endings, now).await {
        Ok(()) => audit::ended(&token.record, EndReason::Revoked),
        Err(error) => not_written(token, EndReason::Revoked, &error),
    }
    Some(EndReason::Revoked)
}

fn not_written(token: &Claims, reason: EndReason, error: &StoreError) {
    tracing::error!(
        record = token.record.as_str(),
        %reason,
        error = error.to_string(),
        "an ending could not be written"
    );
}

/// Asks the store why the session is over; `None` where it is open.
async fn ended(
    app: &App,
    request: &Request,
    token: &Claims,
    now: Timestamp,
) -> Result<Option<EndReason>, StoreError> {
    match look_up(app, request, token, now).await {
        Ok(Beat::Written(row)) => Ok(over(app, token, &row, now).await),
        Ok(Beat::Ended(reason)) => Ok(Some(reason)),
        Ok(Beat::Queued { .. }) => Ok(None),
        Err(StoreError::NotFound) => Ok(Some(EndReason::Revoked)),
        Err(error @ StoreError::Limited { .. }) => Err(error),
        Err(error) => {
            let record = token.record.as_str();
            tracing::error!(
                record,
                error = error.to_string(),
                "the session could not be looked up"
            );
            Err(error)
        }
    }
}

/// `GET`: asks the store and extends nothing. A deadline that has passed is written down, as
/// everywhere.
async fn status(app: &App, request: &Request, now: Timestamp) -> Response {
    let no_session = |reason: &'static str| {
        let status = Status {
            has_session: false,
            idle_expires_in_seconds: None,
            reason: Some(reason),
        };
        web::json(StatusCode::OK, &status)
    };
    let token = match presented(app, request, now) {
        Presented::Session(token) => token,
        Presented::Invalid => return no_session(INVALID),
        Presented::Missing => return no_session(MISSING),
    };
    if let Err(limited) = within_limits(app, &token, now) {
        return limited;
    }
    if let Some(reason) = token.ended_at(now) {
        let reason = record_ending(app, &token, &Snapshot::default(), reason, now).await;
        return no_session(reason.as_str());
    }
    match ended(app, request, &token, now).await {
        Ok(None) => {
            let status = Status {
                has_session: true,
                idle_expires_in_seconds: Some(token.idle_deadline.since(now)),
                reason: None,
            };
            web::json(StatusCode::OK, &status)
        }
        Ok(Some(reason)) => no_session(reason.as_str()),
        Err(error) => unanswered(&error),
    }
}

/// Asks about a session, as far as its network may ask where the store takes few questions.
async fn look_up(
    app: &App,
    request: &Request,
    token: &Claims,
    now: Timestamp,
) -> Result<Beat, StoreError> {
    let patience = if app.settings.flood_limits && app.writes.is_throttled() {
        let network = Network::of_client(request.headers(), app.settings.trusted_hops);
        let asked = app.flood.question(network, now);
        match asked.map_err(|Limited { retry_after }| StoreError::Limited { retry_after })? {
            Standing::New => Patience::Long,
            Standing::Frequent => Patience::Short,
        }
    } else {
        Patience::Long
    };
    app.writes.look_up(token, patience, now).await
}

/// Keeps one session from using up what the store takes from everybody. A page tries again when it
/// may; its figures are cumulative, so nothing is lost.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn within_limits(app: &App, token: &Claims, now: Timestamp) -> Result<(), Response> {
    if !app.settings.flood_limits {
        return Ok(());
    }
    app.flood.session(&token.record, now).map_err(|limited| {
        audit::limited("Session", "session");
        web::limited(limited.retry_after)
    })
}

async fn read_snapshot(request: &Request) -> Result<Snapshot, Problem> {
    let body = Body::read(request).await?;
    Ok(Snapshot::read(&body.fields)?)
}

fn presented(app: &App, request: &Request, now: Timestamp) -> Presented {
    app.settings.presented(request.headers(), now)
}

/// Writes down that a deadline has passed, with what the last snapshot says of the time before it,
/// and returns the reason that stands in the row: the first one. An outage changes nothing for the
/// visitor, whose session is over all the same.
async fn record_ending(
    app: &App,
    token: &Claims,
    snapshot: &Snapshot,
    reason: EndReason,
    now: Timestamp,
) -> EndReason {
    let ours = if snapshot.belongs_to(token.record.as_str()) {
        snapshot
    } else {
        &Snapshot::default()
    };
    let heartbeat = Heartbeat::new(token, ours, now);
    let ending = app.writes.end(token, &heartbeat, reason, None, now).await;
    match ending {
        Ok(Ending::Written(ended)) => {
            if !ended.already {
                audit::ended(&token.record, reason);
            }
            ended.session.end_reason.unwrap_or(reason)
        }
        Ok(Ending::Queued) => reason,
        Err(StoreError::NotFound) => EndReason::Revoked,
        Err(error) => {
            not_written(token, reason, &error);
            reason
        }
    }
}

/// What is left of a session, in seconds.
fn deadlines(token: &Claims, now: Timestamp) -> [(&'static str, u64); 2] {
    [
        ("idleExpiresInSeconds", token.idle_deadline.since(now)),
        ("sessionExpiresInSeconds", token.end_deadline.since(now)),
    ]
}

/// A heartbeat was written down.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
struct Alive {
    /// True.
    success: bool,
    /// The server's time.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    timestamp: String,
    /// Until the session is idle.
    idle_expires_in_seconds: u64,
    /// Until it is over, whatever happens.
    session_expires_in_seconds: u64,
}

/// Whether there is an open session.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Whether there is.
    has_session: bool,
    /// Where there is: until it is idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    idle_expires_in_seconds: Option<u64>,
    /// Where there is none: why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(schema_with = openapi::reason, required = false)
    )]
    reason: Option<&'static str>,
}

fn alive(token: &Claims, now: Timestamp) -> Response {
    let body = Alive {
        success: true,
        timestamp: now.to_string(),
        idle_expires_in_seconds: token.idle_deadline.since(now),
        session_expires_in_seconds: token.end_deadline.since(now),
    };
    web::json(StatusCode::OK, &body)
}

/// Renews the cookies, except for a page that is being left: browsers do take cookies from the
/// answer to a beacon, and a late one would revive a session that has ended meanwhile.
fn with_token(
    app: &App,
    response: Response,
    token: &Claims,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Response {
    if snapshot.leaving {
        return response;
    }
    match app.settings.cookies.write(token, &app.settings.keys, now) {
        Ok(cookies) => web::with_cookies(response, cookies),
        Err(error) => {
            tracing::error!(
                record = token.record.as_str(),
                error = error.to_string(),
                "the cookies could not be renewed"
            );
            web::unavailable(Duration::from_secs(1))
        }
    }
}

/// `401` with the reason, and whether the page in front of the visitor needs a session. Clears the
/// cookies, except for a page that is being left.
fn refuse(
    app: &App,
    request: &Request,
    snapshot: &Snapshot,
    token: Option<&Claims>,
    reason: &str,
) -> Response {
    audit::refused(token.map(|token| &token.record), reason);
    let response = Problem::new(
        StatusCode::UNAUTHORIZED,
        "no-session",
        "there is no open session",
    )
    .with("reason", reason)
    .with("protected", needs_session(app, request, snapshot))
    .into_response();
    if snapshot.leaving {
        response
    } else {
        web::with_cookies(response, app.settings.cookies.clear())
    }
}

/// Older pages' scripts do not say where they are; their browser does. Where nobody says, the page
/// is taken to be protected.
fn needs_session(app: &App, request: &Request, snapshot: &Snapshot) -> bool {
    let page = snapshot.page.clone().or_else(|| {
        Some(
            origin::own_referrer(&app.settings, request.headers())?
                .path()
                .to_owned(),
        )
    });
    page.and_then(|page| SitePath::normalise(&page))
        .is_none_or(|page| app.settings.protected.contain(&page))
}
