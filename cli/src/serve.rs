//! `lastseen serve`: the site, the API and the gate in one process, from the same handlers that run
//! on Lambda.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use notify::{Receiver, Watch};
use shared::app::App;
use shared::body::MAX_BODY_BYTES;
use shared::settings::{Settings, StoreSettings, Variables, write_requests};
use shared::timestamp::Timestamp;
use shared::web;
use tower_http::timeout::TimeoutLayer;

use crate::keys::TokenFrom;
use crate::site::{self, Site};
use crate::{CommandResult, connections, keys, parts, queue, signal};

/// A body of 64 KiB takes less on any line that people use; a slower one is an attack.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// In characters; longer paths are no pages of a site but attempts to fill the log.
const MAX_LOGGED_PATH: usize = 300;
/// Old rows go within this of their time.
const RETENTION_INTERVAL: Duration = Duration::from_hours(1);

pub(crate) async fn run(mut variables: Variables) -> CommandResult {
    start_log();
    let address = address(&variables)?;
    let site = Site::open(PathBuf::from(
        variables.get("STATIC_DIR").unwrap_or_default(),
    ))?;
    keys::check_the_rest(&variables)?;
    let made_key = keys::ensure(&mut variables)?;
    let owners_token = keys::ensure_admin_token(&mut variables)?;
    let app = App::start(&variables)?.with_codes()?;
    let (app, queue) = queue::behind(app, &variables)?;

    let listener = connections::listen(&address)
        .await
        .map_err(|error| format!("HOST and PORT: cannot listen on {address}: {error}"))?;
    let local = listener.local_addr()?;
    if made_key {
        tracing::info!(
            "made a key for signing sessions and keeps it in {}",
            keys::path(&variables).display()
        );
    }
    tracing::info!("sessions are kept in {}", describe(&app.settings.store));
    if let StoreSettings::NocoDb(settings) = &app.settings.store {
        crate::doctor::warn_of_missing_columns(settings).await;
    }
    queue::announce(&queue, &variables).await;
    tokio::spawn(queue::empty(
        app.clone(),
        queue,
        write_requests(&variables)?,
    ));
    if let Some(days) = app.settings.retention_days {
        tokio::spawn(delete_old(app.clone(), days));
    }
    tell_the_owner(&app.settings, local, &owners_token, &variables);
    if let Some(settings) = app.settings.notify.clone() {
        tracing::info!("visits are told to {}", settings.url.host());
        tokio::spawn(tell(app.clone(), Receiver::new(settings)?));
    }
    tracing::info!("listening on http://{local}");
    connections::serve(listener, router(app, site), asked_to_stop(signal::stop()?)).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Lines for people: time, what, how long. No query strings, which may hold a way back, and no
/// cookies.
fn start_log() {
    let colours = std::io::stdout().is_terminal();
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(colours)
        .with_max_level(tracing::Level::INFO)
        .init();
}

fn address(variables: &Variables) -> Result<String, String> {
    let port = variables.get("PORT").unwrap_or_default();
    port.parse::<u16>()
        .map_err(|_| format!("PORT: `{port}` is not a port, 0 to 65535"))?;
    let host = variables.get("HOST").unwrap_or_default();
    let is_ipv6 = host.contains(':') && !host.starts_with('[');
    Ok(if is_ipv6 {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

/// Deletes old rows now and every hour: what the scheduled function does on AWS.
async fn delete_old(app: App, days: u64) {
    loop {
        let pace = app.settings.store.pace();
        let deleted = retention::run(app.store.as_ref(), pace, days, Timestamp::now()).await;
        if let Err(error) = deleted {
            tracing::error!(error = error.to_string(), "old visits could not be deleted");
        }
        tokio::time::sleep(RETENTION_INTERVAL).await;
    }
}

/// Where the owner signs in, and with what. The token itself stands in a link, and only when it was
/// just made: whoever reads the output later learns no more than where it is kept.
fn tell_the_owner(settings: &Settings, local: SocketAddr, from: &TokenFrom, variables: &Variables) {
    let page = if settings.cookies.secure {
        // Something in front speaks https; nothing else than its address keeps the cookie.
        format!("https://{}/admin/", settings.audience)
    } else if local.ip().is_unspecified() {
        format!("http://localhost:{}/admin/", local.port())
    } else {
        format!("http://{local}/admin/")
    };
    let file = keys::admin_token_path(variables);
    let site = Path::new(variables.get("STATIC_DIR").unwrap_or_default());
    if !site.join("admin/index.html").is_file() {
        // The token is for programs, too; a link to a page that is not there would be shown in vain.
        tracing::info!(
            "STATIC_DIR has no admin/index.html: copy static/admin there to see visits at {page}"
        );
        if !matches!(from, TokenFrom::Setting) {
            tracing::info!("the owner's token is kept in {}", file.display());
        }
        return;
    }
    match from {
        TokenFrom::Setting => tracing::info!("the owner signs in at {page} with the ADMIN_TOKEN"),
        TokenFrom::File => tracing::info!(
            "the owner signs in at {page} with the token in {}",
            file.display()
        ),
        TokenFrom::Made(token) => tracing::info!(
            "the owner signs in at {page}#token={token} (shown this once; the token is kept in {})",
            file.display()
        ),
    }
}

/// Tells the owner of visits, from the table: what the scheduled function does on AWS. No request
/// waits for it.
async fn tell(app: App, receiver: Receiver) {
    let settings = &app.settings;
    let mut watch = Watch::new(&settings.store, Timestamp::now());
    let (pace, limits) = (settings.store.pace(), &settings.limits);
    loop {
        let (store, now) = (app.store.as_ref(), Timestamp::now());
        let pause = watch.step(store, pace, &receiver, limits, now).await;
        tokio::time::sleep(pause).await;
    }
}

fn describe(store: &StoreSettings) -> String {
    match store {
        StoreSettings::Sqlite(path) => path.display().to_string(),
        StoreSettings::NocoDb(settings) => format!("NocoDB at {}", settings.url),
    }
}

fn router(app: App, site: Site) -> Router {
    let api = Router::new()
        .route(
            "/api/verify-temp-access",
            any(|State(app): State<App>, request| answer(app, request, verify_access::handle)),
        )
        .route(
            "/api/session-heartbeat",
            any(|State(app): State<App>, request| answer(app, request, heartbeat::handle)),
        )
        .route(
            "/api/session-refresh",
            any(|State(app): State<App>, request| answer(app, request, heartbeat::handle)),
        )
        .route(
            "/api/logout",
            any(|State(app): State<App>, request| answer(app, request, logout::handle)),
        )
        .route(
            "/logout",
            any(|State(app): State<App>, request| answer(app, request, logout::handle)),
        )
        .route(
            "/api/sessions",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions.csv",
            any(|State(app): State<App>, request| parts::answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/{id}",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/visitors",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/visitors.csv",
            any(|State(app): State<App>, request| parts::answer(app, request, sessions::handle)),
        )
        .route(
            "/api/summary",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/admin/login",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/admin/logout",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/revoke",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/{id}/revoke",
            any(|State(app): State<App>, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/{*unknown}",
            any(|State(app): State<App>, request| answer(app, request, unknown)),
        )
        .with_state(app.clone());
    let is_https = app.settings.cookies.secure;
    api.fallback(move |request| site::answer(app.clone(), site.clone(), request))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .layer(map_response(move |response| async move {
            protect(response, is_https)
        }))
        .layer(from_fn(log))
}

/// Whatever made the answer, the time limit included.
fn protect(mut response: Response, is_https: bool) -> Response {
    web::protect(response.headers_mut(), is_https);
    let cache = response.headers_mut().entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Hands a request to one of the functions, as the Lambda runtime would.
pub(crate) async fn answer<Answer: Future<Output = web::Response>>(
    app: App,
    request: Request,
    handler: impl FnOnce(App, web::Request, Timestamp) -> Answer,
) -> Response {
    /// Stands for whatever is not read to its end: too large by its length, which is all that
    /// anybody looks at. When that matters is the handler's to say, as on Lambda.
    const TOO_LARGE: Bytes = Bytes::from_static(&[0; MAX_BODY_BYTES + 1]);

    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap_or(TOO_LARGE);
    let request = web::Request::from_parts(parts, body);
    handler(app, request, Timestamp::now())
        .await
        .map(Body::from)
}

/// An API path that is none answers programs, and not with the site's page.
async fn unknown(app: App, request: web::Request, _: Timestamp) -> web::Response {
    web::serve(&app.settings, request, async |_| web::not_found()).await
}

async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(MAX_LOGGED_PATH).collect();
    let start = Instant::now();
    let response = next.run(request).await;
    let milliseconds = start.elapsed().as_secs_f64() * 1_000.0;
    // A path is the visitor's to write: as a debug string it cannot break a line.
    tracing::info!(
        "{} {:.16} {path:?} {milliseconds:.1} ms",
        response.status().as_u16(),
        method.as_str()
    );
    response
}

/// Resolves when the process is asked to stop.
async fn asked_to_stop(signal: impl Future<Output = ()>) {
    signal.await;
    tracing::info!("stopping: answers under way are finished first");
}
