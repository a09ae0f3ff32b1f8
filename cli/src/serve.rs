//! `lastseen serve`: the site, the API and the gate in one process, from the same handlers that run
//! on Lambda.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HOST, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming;
use notify::{Receiver, Watch};
use shared::app::App;
use shared::body::MAX_BODY_BYTES;
use shared::origin;
use shared::queue::local::LocalQueue;
use shared::settings::{Settings, StoreSettings, Variables, write_requests};
use shared::sign_in_link::sqlite::SqliteLinks;
use shared::store::Store;
use shared::timestamp::Timestamp;
use shared::web;
use tower::ServiceExt;

use crate::host_check::{self, Hosts};
use crate::site::{self, Site};
use crate::{CommandResult, admin, connections, keys, log, parts, queue, signal};

/// A body of 64 KiB takes less on any line that people use; a slower one is an attack.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// In characters; longer paths are no pages of a site but attempts to fill the log.
const MAX_LOGGED_PATH: usize = 300;
/// Old rows go within this of their time.
const RETENTION_INTERVAL: Duration = Duration::from_hours(1);

pub(crate) async fn run(mut variables: Variables) -> CommandResult {
    // Dropped last: until then everything is written down.
    let _log = log::start();
    let address = address(&variables)?;
    let site = Site::open(&variables)?;
    keys::check_the_rest(&variables, &site)?;
    let made_key = keys::ensure(&mut variables)?;
    let has_own_token = keys::ensure_admin_token(&mut variables)?;
    let app = App::start(&variables)?.with_codes()?;
    let (mut app, queue) = queue::behind(app, &variables)?;
    let links = admin::open(&variables)?;
    app.sign_in_links = Some(Arc::new(links.clone()));

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
        queue.clone(),
        write_requests(&variables)?,
    ));
    if let Some(days) = app.settings.retention_days {
        tokio::spawn(delete_old(app.clone(), days));
    }
    tracing::info!("{}", doors(&app.settings));
    let page = admin::page(&app.settings, local, &variables);
    links.set_page(page.as_deref())?;
    match page {
        Some(page) => tell_the_owner(&page, &links, has_own_token, &variables)?,
        None => tell_of_no_page(&app.settings, local, has_own_token, &variables),
    }
    if let Some(settings) = app.settings.notify.clone() {
        tracing::info!("visits are told to {}", settings.url.host());
        tokio::spawn(tell(app.clone(), Receiver::new(settings)?));
    }
    tracing::info!("listening on http://{local}");
    let stop = asked_to_stop(signal::stop()?, app.store.clone(), queue);
    let hosts = Hosts::of(&app.settings, local.ip());
    let router = router(Apps::new(app), site, hosts);
    connections::serve(
        listener,
        move |request| route(router.clone(), request),
        stop,
    )
    .await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
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

/// What is closed, and who may come in: what a wrong setting would have made otherwise.
pub(crate) fn doors(settings: &Settings) -> String {
    let prefixes: Vec<&str> = settings.protected.prefixes().collect();
    let are = if prefixes.len() == 1 { "is" } else { "are" };
    let who = if settings.email_rules.allow_everybody() {
        "anybody with an address"
    } else {
        "only those in ALLOWED_EMAILS"
    };
    let passcode = if settings.passcode.is_some() {
        "with the passcode"
    } else {
        "no passcode"
    };
    let code = if settings.codes.is_some() {
        ", with a code by mail"
    } else {
        ""
    };
    let prefixes = prefixes.join(", ");
    format!("{prefixes} {are} closed; {who} may come in, {passcode}{code}")
}

/// Where the owner signs in, and how. A link is shown to somebody at a terminal alone: logs are kept.
fn tell_the_owner(
    page: &str,
    links: &SqliteLinks,
    has_own_token: bool,
    variables: &Variables,
) -> Result<(), Box<dyn std::error::Error>> {
    if std::io::stdout().is_terminal() {
        let link = admin::signing_in(page, links)?;
        tracing::info!(
            "the owner signs in at {link} (once, within ten minutes; `lastseen admin link` makes another)"
        );
        return Ok(());
    }
    let token = where_the_token_is(has_own_token, variables);
    tracing::info!(
        "the owner signs in at {page} with {token}, or by a link that `lastseen admin link` makes"
    );
    Ok(())
}

fn tell_of_no_page(
    settings: &Settings,
    local: SocketAddr,
    has_own_token: bool,
    variables: &Variables,
) {
    let page = admin::address(settings, local);
    tracing::info!(
        "STATIC_DIR has no admin/index.html: copy static/admin there to see visits at {page}"
    );
    if !has_own_token {
        // It is for programs, too.
        let file = keys::admin_token_path(variables);
        tracing::info!("the owner's token is kept in {}", file.display());
    }
}

fn where_the_token_is(has_own_token: bool, variables: &Variables) -> String {
    if has_own_token {
        "the ADMIN_TOKEN".to_owned()
    } else {
        let file = keys::admin_token_path(variables);
        format!("the token in {}", file.display())
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

/// One app for visitors who come by plain http, and the same for those who come over https: what a
/// browser may send over http is never taken for what it keeps for https, nor the other way round.
///
/// A visitor who comes by both has a session in each.
#[derive(Clone)]
struct Apps {
    plain: App,
    https: App,
}

impl Apps {
    fn new(plain: App) -> Self {
        let mut settings = Settings::clone(&plain.settings);
        settings.cookies.secure = true;
        let https = App {
            settings: Arc::new(settings),
            ..plain.clone()
        };
        Self { plain, https }
    }

    fn of(&self, headers: &HeaderMap) -> &App {
        if origin::came_over_https(headers) {
            &self.https
        } else {
            &self.plain
        }
    }
}

/// The app for a request.
struct For(App);

impl FromRequestParts<Apps> for For {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, apps: &Apps) -> Result<Self, Infallible> {
        Ok(Self(apps.of(&parts.headers).clone()))
    }
}

fn router(apps: Apps, site: Site, hosts: Hosts) -> Router {
    let api = Router::new()
        .route(
            "/api/verify-temp-access",
            any(|For(app): For, request| answer(app, request, verify_access::handle)),
        )
        .route(
            "/api/session-heartbeat",
            any(|For(app): For, request| answer(app, request, heartbeat::handle)),
        )
        .route(
            "/api/session-refresh",
            any(|For(app): For, request| answer(app, request, heartbeat::handle)),
        )
        .route(
            "/api/logout",
            any(|For(app): For, request| answer(app, request, logout::handle)),
        )
        .route(
            "/logout",
            any(|For(app): For, request| answer(app, request, logout::handle)),
        )
        .route(
            "/api/sessions",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions.csv",
            any(|For(app): For, request| parts::answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/{id}",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/visitors",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/visitors.csv",
            any(|For(app): For, request| parts::answer(app, request, sessions::handle)),
        )
        .route(
            "/api/summary",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/admin/login",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/admin/logout",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/revoke",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/sessions/{id}/revoke",
            any(|For(app): For, request| answer(app, request, sessions::handle)),
        )
        .route(
            "/api/{*unknown}",
            any(|For(app): For, request| answer(app, request, unknown)),
        )
        .with_state(apps.clone());
    let in_front = apps.clone();
    api.fallback(move |request: Request| {
        let app = apps.of(request.headers()).clone();
        site::answer(app, site.clone(), request)
    })
    .layer(from_fn_with_state(hosts, host_check::check))
    .layer(from_fn_with_state(in_front, protect))
    .layer(from_fn(write_line))
}

/// Whatever made the answer.
async fn protect(State(apps): State<Apps>, request: Request, next: Next) -> Response {
    let is_https = apps.of(request.headers()).settings.cookies.secure;
    // A browser would keep to https for whatever else this machine serves.
    let is_here = !apps.plain.settings.cookies.secure && names_this_machine(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    web::protect(headers, is_https);
    if is_here {
        headers.remove(STRICT_TRANSPORT_SECURITY);
    }
    let cache = headers.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    response
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| host_check::is_this_machine(authority.host()))
}

/// Hands a request to one of the functions, as the Lambda runtime would, once all of it is there. From
/// then on it is not given up: what is asked of the store ends by itself.
pub(crate) async fn answer<Answer: Future<Output = web::Response>>(
    app: App,
    request: Request,
    handler: impl FnOnce(App, web::Request, Timestamp) -> Answer,
) -> Response {
    /// Stands for whatever is not read to its end: too large by its length, which is all that
    /// anybody looks at. When that matters is the handler's to say, as on Lambda.
    const TOO_LARGE: Bytes = Bytes::from_static(&[0; MAX_BODY_BYTES + 1]);

    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES);
    let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        return web::empty(StatusCode::REQUEST_TIMEOUT).map(Body::from);
    };
    let body = body.unwrap_or(TOO_LARGE);
    let request = web::Request::from_parts(parts, body);
    handler(app, request, Timestamp::now())
        .await
        .map(Body::from)
}

/// An API path that is none answers programs, and not with the site's page.
async fn unknown(app: App, request: web::Request, _: Timestamp) -> web::Response {
    web::serve(&app.settings, request, async |_| web::not_found()).await
}

async fn write_line(request: Request, next: Next) -> Response {
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

/// Answers one request.
async fn route(router: Router, request: http::Request<Incoming>) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Resolves when the process is asked to stop.
async fn asked_to_stop(signal: impl Future<Output = ()>, store: Arc<dyn Store>, queue: LocalQueue) {
    signal.await;
    tracing::info!("stopping: answers under way are finished first");
    store.hurry();
    queue.hurry();
}
