//! The static site behind the gate.
//!
//! The path is normalised once; the gate decides about that form and the file is opened by that
//! form, so no spelling can mean one thing to the gate and another to the file system.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use shared::app::App;
use shared::gate::{self, Message, Verdict};
use shared::origin;
use shared::redirect::RedirectPath;
use shared::settings::Settings;
use shared::site_path::SitePath;
use shared::timestamp::Timestamp;
use shared::web;
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_status::SetStatus;

use crate::serve;

/// No site has a file in a folder of this name; it leads to the page for what is not there.
const NOWHERE: &str = "/-/";

/// What can be said of any site's pages without breaking one: no other site frames them, and nothing
/// that slips into a page loads a plug-in or bends its links.
const CONTENT_POLICY: &str = "object-src 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The folder that holds the site.
#[derive(Clone)]
pub(crate) struct Site {
    files: ServeDir<SetStatus<ServeFile>>,
}

impl Site {
    /// # Errors
    /// A line that names `STATIC_DIR` where it is no folder.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, String> {
        if !folder.is_dir() {
            return Err(format!(
                "STATIC_DIR: there is no folder {}",
                folder.display()
            ));
        }
        let not_found = ServeFile::new(folder.join("404.html"));
        Ok(Self {
            files: ServeDir::new(folder).not_found_service(not_found),
        })
    }

    /// The file at this path, or the page for what is not there.
    async fn file(&self, path: Option<&SitePath>, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().map(|query| format!("?{query}"));
        parts.uri = path
            .filter(|path| !is_hidden(path))
            .map(|path| path.to_url_path() + &query.unwrap_or_default())
            .and_then(|target| Uri::try_from(target).ok())
            .unwrap_or(Uri::from_static(NOWHERE));
        let request = Request::from_parts(parts, body);
        match self.files.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    }

    /// How the file of this name (its path within the folder) is served to who may see it; `None` where
    /// no address leads to it.
    pub(crate) async fn serves(&self, settings: &Settings, name: &str) -> Option<Served> {
        let path = SitePath::of_file(name)?;
        let request = Request::head("/").body(Body::empty()).ok()?;
        let mut response = self.file(Some(&path), request).await;
        if response.status() != StatusCode::OK {
            return None;
        }
        name_charset(&mut response);
        let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        Some(Served {
            content_type: content_type.to_owned(),
            cache_control: cache_control(!settings.protected.contain(&path)),
        })
    }
}

/// What a file is served with.
pub(crate) struct Served {
    pub(crate) content_type: String,
    pub(crate) cache_control: &'static str,
}

/// What is protected, and the way there, must leave no copy behind; the rest is checked for changes
/// on every use.
fn cache_control(is_open: bool) -> &'static str {
    if is_open { "no-cache" } else { "no-store" }
}

/// Files such as `.git/config` and `.env` lie in many a site's folder and belong to nobody outside.
fn is_hidden(path: &SitePath) -> bool {
    let mut segments = path.as_str().split('/');
    segments.any(|segment| segment.starts_with('.') && segment != ".well-known")
}

/// Text files are UTF-8; a browser that is not told may guess (OWASP ASVS 5.0 4.1.1).
fn name_charset(response: &mut Response) {
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let text = content_type.filter(|kind| kind.starts_with("text/") && !kind.contains("charset"));
    let with_charset = text.map(|kind| HeaderValue::try_from(format!("{kind}; charset=utf-8")));
    if let Some(Ok(value)) = with_charset {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
}

/// Answers a request for the site: a file, or the way to the gate.
pub(crate) async fn answer(app: App, site: Site, request: Request) -> Response {
    let path = SitePath::normalise(request.uri().path());
    let mut verdict = match &path {
        Some(path) => verdict(&app, path, gate::Served::by_name(path), request.headers()).await,
        None => Verdict::Pass { protected: false },
    };
    let back = path
        .as_ref()
        .and_then(|path| way_back(&app, path, request.uri().query()));
    let mut response = match verdict {
        Verdict::Pass { protected } => {
            let headers = request.headers().clone();
            let file = site.file(path.as_ref(), request).await;
            match path.filter(|path| protected && !path.names_page() && is_page(&file)) {
                None => file,
                // What opens as a page is one, whatever its name.
                Some(path) => {
                    verdict = self::verdict(&app, &path, gate::Served::Page, &headers).await;
                    match verdict {
                        Verdict::Pass { .. } => file,
                        _ => found(&gate::refresh_address(back.as_ref())),
                    }
                }
            }
        }
        Verdict::Ahead => web::not_ahead().map(Body::from),
        Verdict::ToGate { reason } => {
            let message = reason.map(Message::Reason);
            found(&gate::address(&app.settings, back.as_ref(), message))
        }
        // The ending is recorded on the spot, which saves the visitor a round trip; except where the
        // API takes only what shows a secret, which a proxy in front may add for the API alone.
        Verdict::Refresh { ended: true }
            if origin::came_through_the_site(&app.settings, request.headers()) =>
        {
            let (mut parts, _) = request.into_parts();
            parts.method = Method::GET;
            parts.uri = Uri::try_from(gate::refresh_address(back.as_ref())).unwrap_or_default();
            serve::answer(
                app,
                Request::from_parts(parts, Body::empty()),
                heartbeat::handle,
            )
            .await
        }
        Verdict::Refresh { .. } => found(&gate::refresh_address(back.as_ref())),
    };
    name_charset(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_POLICY),
    );
    let is_open = verdict == Verdict::Pass { protected: false };
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(cache_control(is_open)),
    );
    response
}

/// Whether a browser would open this answer as a page.
fn is_page(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html") || kind.starts_with("application/xhtml"))
}

async fn verdict(app: &App, path: &SitePath, served: gate::Served, headers: &HeaderMap) -> Verdict {
    let now = Timestamp::now();
    let verdict = gate::decide(&app.settings, path, served, headers, None, now);
    // Whoever would be kept out anyhow costs no question to the store.
    if verdict != (Verdict::Pass { protected: true }) {
        return verdict;
    }
    let not_before = app.store.not_before().await;
    gate::decide(&app.settings, path, served, headers, not_before, now)
}

fn way_back(app: &App, path: &SitePath, query: Option<&str>) -> Option<RedirectPath> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    app.settings.redirect(Some(&(path.to_url_path() + &query)))
}

fn found(location: &str) -> Response {
    web::redirect(StatusCode::FOUND, location).map(Body::from)
}
