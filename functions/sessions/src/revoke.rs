//! `POST /api/sessions/{id}/revoke` and `POST /api/sessions/revoke`: the owner ends one session, all
//! of a visitor, or all there are.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::audit;
use shared::body::Body;
use shared::email::{Email, InvalidEmail};
use shared::ending::{self, Step};
use shared::report::answers::Moment;
use shared::session::{EndReason, RecordId};
use shared::settings::Pace;
use shared::snapshot;
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::web::{self, Problem, Request, Response};

/// For how long one request closes rows. Every session is out already; the rest is for the table.
const CLOSING_TIME: Duration = Duration::from_secs(10);

/// One session is over.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndedOne {
    /// True.
    success: bool,
    /// 1, or 0 where it had ended before.
    ended: u8,
    /// Why; the earlier reason where it had ended before.
    end_reason: EndReason,
}

/// Several sessions are over.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndedMany {
    /// True.
    success: bool,
    /// How many rows were closed.
    ended: usize,
    /// Rows are left to close: send `all` again, with `before`.
    more: bool,
    /// Every session that began by then is over.
    before: Moment,
}

/// Ends one session. One that had ended keeps its reason.
///
/// # Errors
/// `404` where there is none, `503` where the store does not answer.
pub(crate) async fn one(app: &App, id: &RecordId, now: Timestamp) -> Result<Response, Response> {
    let limits = &app.settings.limits;
    let row = app.store.told(id, limits).await.map_err(failed)?;
    let was_open = row.end_reason.is_none();
    let reason = row
        .end_reason
        .unwrap_or_else(|| row.reason_when_ended_with(EndReason::Revoked, limits, now));
    if was_open {
        let endings = [(id.clone(), reason)];
        app.store.end_many(&endings, now).await.map_err(failed)?;
        audit::ended(id, reason);
    }
    app.writes.ended().remember(id, row.start, reason);
    let body = EndedOne {
        success: true,
        ended: u8::from(was_open),
        end_reason: reason,
    };
    Ok(web::json(StatusCode::OK, &body))
}

/// What is to be ended.
enum Wish {
    /// All of a visitor.
    Visitor(Email),
    /// All there are.
    Everything,
    /// The rows that an earlier request had no time to close, by the moment it answered with.
    Rest(Timestamp),
}

/// Ends all sessions of a visitor, or all there are.
///
/// # Errors
/// `400` for a body that says neither, `503` where the store does not answer.
pub(crate) async fn many(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Response> {
    let wish = read(request, now).await.map_err(Problem::into_response)?;
    let (email, moment) = match &wish {
        Wish::Visitor(email) => (Some(email.as_str()), now),
        Wish::Everything => {
            app.store.end_everything(now).await.map_err(failed)?;
            audit::ended_everything();
            app.writes.ended().remember_everything(now);
            (None, now)
        }
        Wish::Rest(moment) => (None, *moment),
    };
    let closed = match close(app, email, moment).await {
        // Whoever asked again would end those, too, who came in since: everything is ended already.
        Err(error) if matches!(wish, Wish::Everything) => {
            tracing::error!(error = error.to_string(), "not all rows could be closed");
            Step {
                count: 0,
                has_more: true,
            }
        }
        closed => closed.map_err(failed)?,
    };
    Ok(web::json(
        StatusCode::OK,
        &EndedMany {
            success: true,
            ended: closed.count,
            more: closed.has_more,
            before: Moment(moment),
        },
    ))
}

async fn read(request: &Request, now: Timestamp) -> Result<Wish, Problem> {
    let wrong = |code, detail: &str| Problem::new(StatusCode::BAD_REQUEST, code, detail);
    let invalid_email = || wrong("invalid-email", &InvalidEmail.to_string());
    let body = Body::read(request).await?;
    let all = snapshot::flag(&body.fields, "all")?.unwrap_or(false);
    let invalid_before = || {
        wrong(
            "invalid-before",
            "before: must be the moment that an earlier answer gave, such as 2026-01-02T03:04:05Z",
        )
    };
    // What cannot be read must not be taken for missing: more would be ended than was meant.
    let email = body.only_text("email").map_err(|_| invalid_email())?;
    let before = body.only_text("before").map_err(|_| invalid_before())?;
    match (email, all, before) {
        (Some(email), false, None) => Email::parse(email)
            .map(Wish::Visitor)
            .map_err(|_| invalid_email()),
        (None, true, None) => Ok(Wish::Everything),
        (None, true, Some(before)) => match before.parse() {
            Ok(moment) if moment <= now => Ok(Wish::Rest(moment)),
            _ => Err(invalid_before()),
        },
        _ => Err(wrong(
            "invalid-body",
            "send either email, or all as true (with before, to go on closing rows)",
        )),
    }
}

/// Closes rows page by page, as long as there is time.
async fn close(app: &App, email: Option<&str>, moment: Timestamp) -> Result<Step, StoreError> {
    let started = Instant::now();
    let Pace { rows, pause } = app.settings.store.pace();
    let mut count = 0;
    loop {
        let limits = &app.settings.limits;
        let step = ending::end_open(
            app.store.as_ref(),
            email,
            EndReason::Revoked,
            limits,
            moment,
            rows,
        )
        .await?;
        count += step.count;
        if !step.has_more || started.elapsed() + pause > CLOSING_TIME {
            return Ok(Step { count, ..step });
        }
        tokio::time::sleep(pause).await;
    }
}

fn failed(error: StoreError) -> Response {
    match error {
        StoreError::NotFound => Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no such session",
        )
        .into_response(),
        error => {
            tracing::error!(error = error.to_string(), "sessions could not be ended");
            web::unavailable(error.retry_after())
        }
    }
}
