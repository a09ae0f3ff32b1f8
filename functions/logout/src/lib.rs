//! `POST /api/logout` and `GET /logout`: the end of a session, at the visitor's wish or by the
//! script's clock.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use shared::app::App;
use shared::audit;
use shared::body::{Body, NotText};
use shared::cookies::Presented;
use shared::ending;
use shared::gate::{self, Message};
use shared::origin;
use shared::queue::Ending;
use shared::session::{EndReason, Heartbeat};
use shared::snapshot::{self, Snapshot};
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::token::Claims;
use shared::web::{self, Problem, Request, Response};

#[cfg(feature = "openapi")]
pub mod openapi;

/// For a link on another site or in an app, which must not log anybody out, and for an address typed by
/// hand, which looks like one.
const BUTTON_PAGE: &str = include_str!("button.html");

/// So late a page's clock, slowed down in a tab that is hidden, may call its session idle.
const IDLE_CALL_SECONDS: u64 = 60;

/// Answers one request; see the routes in `docs/api.md`.
pub async fn handle(app: App, request: Request, now: Timestamp) -> Response {
    web::serve(&app.settings, request, async |request| {
        match (request.uri().path(), request.method()) {
            ("/api/logout", &Method::POST) => posted(&app, &request, now).await,
            ("/api/logout", _) => web::method_not_allowed("POST"),
            ("/logout", &Method::GET) => navigated(&app, &request, now).await,
            ("/logout", _) => web::method_not_allowed("GET"),
            _ => web::not_found(),
        }
    })
    .await
}

async fn posted(app: &App, request: &Request, now: Timestamp) -> Response {
    let (wish, is_form) = match read(request).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    end(app, request, &wish, now).await;
    if is_form {
        to_gate(app, request, wish.reason)
    } else {
        cleared(app, web::empty(StatusCode::NO_CONTENT))
    }
}

async fn navigated(app: &App, request: &Request, now: Timestamp) -> Response {
    if origin::is_prefetch(request.headers()) {
        return web::not_ahead();
    }
    if !origin::is_own_navigation(&app.settings, request.headers()) {
        return web::html(StatusCode::OK, BUTTON_PAGE);
    }
    let query = request.uri().query().unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "reason");
    // Somebody who follows a link wants to be out, whatever the link says.
    let reason =
        reason(Ok(given.as_ref().map(|(_, value)| value.as_ref()))).unwrap_or(EndReason::Logout);
    end(
        app,
        request,
        &Wish {
            reason,
            everywhere: true,
            snapshot: Snapshot::default(),
        },
        now,
    )
    .await;
    to_gate(app, request, reason)
}

/// What whoever logs out wants.
struct Wish {
    reason: EndReason,
    /// False keeps it to this browser. True asks for what `EVERYWHERE_ON` allows, and never for
    /// more.
    everywhere: bool,
    snapshot: Snapshot,
}

async fn read(request: &Request) -> Result<(Wish, bool), Problem> {
    let body = Body::read(request).await?;
    let wish = Wish {
        reason: reason(body.only_text("reason"))?,
        everywhere: snapshot::flag(&body.fields, "everywhere")?.unwrap_or(true),
        snapshot: Snapshot::read(&body.fields)?,
    };
    Ok((wish, body.is_form))
}

fn reason(given: Result<Option<&str>, NotText>) -> Result<EndReason, Problem> {
    match given {
        Ok(None | Some("" | "logout")) => Ok(EndReason::Logout),
        Ok(Some("idle")) => Ok(EndReason::Idle),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid-reason",
            "reason: must be logout or idle",
        )),
    }
}

/// Ends the session in the store. The browser is logged out whatever comes of it.
async fn end(app: &App, request: &Request, wish: &Wish, now: Timestamp) {
    let settings = &app.settings;
    let Presented::Session(token) = settings.presented(request.headers(), now) else {
        return;
    };
    // Whoever logs out over and over is out, and need not ask the store each time.
    if settings.flood_limits && app.flood.log_out(&token.record, now).is_err() {
        audit::limited("LogOut", "session");
        return;
    }
    // A deadline that passed before anybody logged out is the reason.
    let reason = token.ended_at(now).unwrap_or(wish.reason);
    let heartbeat = Heartbeat::new(&token, &last_snapshot(app, request, &token, wish, now), now);
    let record = token.record.as_str();
    let is_everywhere = wish.everywhere
        && settings.everywhere_on.includes(wish.reason)
        && may_end_others(&token, wish.reason, now);
    let everywhere = is_everywhere.then_some(wish.reason);
    let ending = app.writes.end(&token, &heartbeat, reason, everywhere, now);
    match ending.await {
        // Whoever holds a copy of a cookie that has been logged out can do nothing more with it.
        Ok(Ending::Written(ended)) if ended.already => {}
        Ok(Ending::Written(ended)) => {
            audit::ended(&token.record, reason);
            if is_everywhere && !end_all(app, &ended.session.email, wish.reason, now).await {
                let writes = &app.writes;
                let later = writes.end_others_later(&token, &heartbeat, reason, wish.reason, now);
                // Where this fails too, it is in the log, and nobody else can be told.
                let _ = later.await;
            }
        }
        Ok(Ending::Queued) | Err(StoreError::NotFound) => {}
        Err(error) => {
            tracing::error!(record, %reason, error = error.to_string(), "an ending could not be written");
        }
    }
}

/// Past a deadline a token ends its own session alone. But the page's clock can only call a session idle
/// when the deadline has come, and the call takes its time.
fn may_end_others(token: &Claims, wish: EndReason, now: Timestamp) -> bool {
    match token.ended_at(now) {
        None => true,
        Some(EndReason::Idle) if wish == EndReason::Idle => {
            now.since(token.idle_deadline) < IDLE_CALL_SECONDS
        }
        Some(_) => false,
    }
}

/// Says whether it could.
async fn end_all(app: &App, email: &str, reason: EndReason, now: Timestamp) -> bool {
    let limits = &app.settings.limits;
    match ending::end_all(app.store.as_ref(), email, reason, limits, now).await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(
                error = error.to_string(),
                "the visitor's other sessions could not be ended"
            );
            false
        }
    }
}

/// The figures that come with the logout. Pressing the button is looking, at the page that the button is
/// on; a clock that ran out is not.
fn last_snapshot(
    app: &App,
    request: &Request,
    token: &Claims,
    wish: &Wish,
    now: Timestamp,
) -> Snapshot {
    let ours = wish.snapshot.belongs_to(token.record.as_str());
    let snapshot = if ours {
        wish.snapshot.clone()
    } else {
        Snapshot::default()
    };
    let nothing_new = (wish.reason == EndReason::Idle).then(|| now.since(token.seen));
    let here = || {
        let referrer = origin::own_referrer(&app.settings, request.headers())?;
        let page = referrer.path();
        // The page with one button is none of the site's.
        let is_page = page != "/logout" && snapshot::is_page_path(page);
        (wish.reason == EndReason::Logout && is_page).then(|| page.to_owned())
    };
    Snapshot {
        page: snapshot.page.clone().or_else(here),
        seen_seconds_ago: snapshot.seen_seconds_ago.or(nothing_new),
        ..snapshot
    }
}

/// To the gate with the reason, and with the way back to the page where the visitor logged out.
fn to_gate(app: &App, request: &Request, reason: EndReason) -> Response {
    let referrer = origin::own_referrer(&app.settings, request.headers());
    let back = referrer.and_then(|url| {
        app.settings
            .redirect(Some(&url[url::Position::BeforePath..]))
    });
    let address = gate::address(
        &app.settings,
        back.as_ref(),
        Some(Message::Reason(reason.as_str())),
    );
    cleared(app, web::redirect(StatusCode::SEE_OTHER, &address))
}

/// Clears the cookies, and every copy that the browser keeps of a page or has fetched ahead. No other value
/// of `Clear-Site-Data`: they would wipe what else the owner has on the domain.
fn cleared(app: &App, response: Response) -> Response {
    const COPIES: &str = r#""cache", "prefetchCache", "prerenderCache""#;
    let name = HeaderName::from_static("clear-site-data");
    let response = web::with_header(response, name, HeaderValue::from_static(COPIES));
    web::with_cookies(response, app.settings.cookies.clear())
}
