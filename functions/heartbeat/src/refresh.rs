//! `GET /api/session-refresh`: where the gate sends a visitor whose token was not confirmed lately.

use std::time::Instant;

use http::StatusCode;
use shared::app::App;
use shared::audit;
use shared::cookies::Presented;
use shared::gate::{self, INVALID, MISSING, Message};
use shared::origin;
use shared::queue::Beat;
use shared::redirect::RedirectPath;
use shared::session::{EndReason, Heartbeat, RecordId, Session};
use shared::snapshot::Snapshot;
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::token::Claims;
use shared::web::{self, Request, Response};

use crate::{limited, look_up, over, presented, record_ending, with_token, within_limits};

/// Asks the store once. Open: back, with a fresh token. Ended: to the gate. Store not answering:
/// back all the same, with a token that says no more than that it was asked, so that an outage neither
/// loops nor throws anybody out.
pub(crate) async fn refresh(app: &App, request: &Request, now: Timestamp) -> Response {
    if origin::is_prefetch(request.headers()) {
        return web::not_ahead();
    }
    let query = request.uri().query().unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "redirect");
    let back = app
        .settings
        .redirect_or_default(given.as_ref().map(|(_, value)| value.as_ref()));
    let refuse = |record: Option<&RecordId>, reason: Option<&str>| {
        audit::refused(record, reason.unwrap_or(MISSING));
        to_gate(app, &back, reason)
    };
    let token = match presented(app, request, now) {
        Presented::Session(token) => token,
        Presented::Invalid => return refuse(None, Some(INVALID)),
        Presented::Missing => return refuse(None, None),
    };
    if let Err(limited) = within_limits(app, &token, now) {
        return limited;
    }
    if let Some(reason) = token.ended_at(now) {
        let reason = record_ending(app, &token, &Snapshot::default(), reason, now).await;
        return refuse(Some(&token.record), Some(reason.as_str()));
    }
    // The store may take longer to answer than a token stays fresh, and the browser comes back at
    // once: what it brings is as fresh as the answer.
    let asked = Instant::now();
    let answer = ask(app, request, &token, now).await;
    let now = now.plus(asked.elapsed().as_secs());
    let renewed = match answer {
        Ok(Answer::Row(row, renewed)) => match over(app, &token, &row, now).await {
            Some(reason) => Err(reason),
            None => Ok(renewed.confirmed(now)),
        },
        Ok(Answer::OpenAt(moment, renewed)) => {
            let renewed = renewed.confirmed(renewed.issued_at.max(moment));
            // What the browser brings next has to be fresh for the gate, or it would be sent here again.
            if renewed.is_fresh(now, app.settings.fresh_seconds / 2 + 1) {
                Ok(renewed)
            } else {
                Ok(renewed.asked_in_vain(now))
            }
        }
        Ok(Answer::Ended(reason)) => Err(reason),
        Err(StoreError::NotFound) => Err(EndReason::Revoked),
        Err(StoreError::Limited { retry_after }) => return limited(retry_after),
        // Patient, but not blind.
        Err(error) => {
            if let Some(reason) = app.writes.known_ending(&token).await {
                Err(reason)
            } else {
                tracing::error!(
                    record = token.record.as_str(),
                    error = error.to_string(),
                    "a session could not be confirmed; let through"
                );
                Ok(token.asked_in_vain(now))
            }
        }
    };
    match renewed {
        Ok(token) => {
            audit::renewed(&token.record);
            let response = web::redirect(StatusCode::FOUND, back.as_str());
            with_token(app, response, &token, &Snapshot::default(), now)
        }
        Err(reason) => refuse(Some(&token.record), Some(reason.as_str())),
    }
}

/// What the store says, and the token as it would be renewed.
enum Answer {
    Row(Session, Claims),
    /// Known from a question that served everybody, at that moment.
    OpenAt(Timestamp, Claims),
    Ended(EndReason),
}

/// A person opening a page counts as a heartbeat; a picture, and a page that opens by itself, do not.
async fn ask(
    app: &App,
    request: &Request,
    token: &Claims,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    if !origin::is_activity(request.headers()) {
        return confirm(app, request, token, now).await;
    }
    let limits = &app.settings.limits;
    let heartbeat = Heartbeat::new(token, &Snapshot::default(), now);
    let beat = app.writes.heartbeat_before_a_page(token, &heartbeat, now);
    match beat.await {
        Ok(Beat::Written(row)) => {
            let renewed = token.renewed(&heartbeat, &row, limits, now);
            Ok(Answer::Row(row, renewed))
        }
        Ok(Beat::Queued {
            confirmed_at: Some(moment),
        }) => {
            let renewed = token.queued(&heartbeat, Some(moment), limits);
            Ok(Answer::OpenAt(moment, renewed))
        }
        Ok(Beat::Ended(reason)) => Ok(Answer::Ended(reason)),
        // It waits, or there were too many at once: which says nothing of the session. An outage, or we
        // ourselves, extend nothing.
        Ok(Beat::Queued { confirmed_at: None })
        | Err(StoreError::Busy | StoreError::Limited { .. }) => {
            confirm(app, request, token, now).await
        }
        Err(error) => Err(error),
    }
}

/// Asks without a heartbeat.
async fn confirm(
    app: &App,
    request: &Request,
    token: &Claims,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    match look_up(app, request, token, now).await? {
        Beat::Written(row) => Ok(Answer::Row(row, token.clone())),
        Beat::Queued {
            confirmed_at: Some(moment),
        } => Ok(Answer::OpenAt(moment, token.clone())),
        Beat::Queued { confirmed_at: None } => Err(StoreError::Away),
        Beat::Ended(reason) => Ok(Answer::Ended(reason)),
    }
}

fn to_gate(app: &App, back: &RedirectPath, reason: Option<&str>) -> Response {
    let address = gate::address(&app.settings, Some(back), reason.map(Message::Reason));
    web::with_cookies(
        web::redirect(StatusCode::FOUND, &address),
        app.settings.cookies.clear(),
    )
}
