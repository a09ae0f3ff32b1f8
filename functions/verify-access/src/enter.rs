//! What records the visit: a new row, and the cookies of its session.

use shared::app::App;
use shared::audit;
use shared::cookies::Presented;
use shared::email::Email;
use shared::ending;
use shared::queue::{Ending, Patience};
use shared::session::{EndReason, Heartbeat};
use shared::snapshot::Snapshot;
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::token::{Claims, new_session_id};
use shared::web::Request;

use crate::Refusal;

/// Records the visit and makes its cookies.
///
/// A presented session is never taken over: it is ended first, so that whoever holds a copy of its
/// cookie is out (OWASP ASVS 5.0 7.2.4).
pub(crate) async fn enter(
    app: &App,
    request: &Request,
    email: &Email,
    patience: Patience,
    now: Timestamp,
) -> Result<[http::HeaderValue; 2], Refusal> {
    let settings = &app.settings;
    // As long as there are too many, nobody more is begun with.
    let _place = app.writes.place(patience).map_err(|error| {
        audit::limited("Enter", "store");
        Refusal::Limited(error.retry_after())
    })?;
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::error!(
            error = error.to_string(),
            "the visit could not be recorded; nobody was let in"
        );
        Refusal::Unavailable(shared::store::DEFAULT_RETRY_AFTER)
    };
    if let Presented::Session(token) = settings.presented(request.headers(), now) {
        end_presented(app, &token, now).await;
    }
    let session_id = new_session_id().map_err(|error| unavailable(&error))?;
    let store_failed = |error: StoreError| {
        unavailable(&error);
        Refusal::Unavailable(error.retry_after())
    };
    let store = app.store.as_ref();
    if let Some(most) = settings.max_sessions {
        ending::make_room(store, email, most, &settings.limits, now)
            .await
            .map_err(store_failed)?;
    }
    let consent = settings.consent_version.as_deref();
    let created = store.create(email, now, consent).await;
    let record = created.map_err(store_failed)?;
    audit::issued(&record);
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
    let heartbeat = Heartbeat::new(token, &nothing_new, now);
    let ending = app.writes.end(token, &heartbeat, reason, None, now).await;
    match ending {
        Ok(Ending::Written(ended)) if !ended.already => audit::ended(&token.record, reason),
        Ok(_) | Err(StoreError::NotFound) => {}
        Err(error) => tracing::warn!(
            record = token.record.as_str(),
            error = error.to_string(),
            "the earlier session could not be ended"
        ),
    }
}
