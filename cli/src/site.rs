//! The static site behind the gate.
//!
//! The path is normalised once; the gate decides about that form and the file is opened by that
//! form, so no spelling can mean one thing to the gate and another to the file system. What that form
//! really leads to is judged once more; see [`place`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use shared::app::App;
use shared::cookies::Presented;
use shared::gate::{self, Message, Verdict};
use shared::origin;
use shared::redirect::RedirectPath;
use shared::settings::{SettingError, Settings, Variables};
use shared::site_path::SitePath;
use shared::timestamp::Timestamp;
use shared::web;
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_status::SetStatus;

use crate::{keys, serve};
use place::{Folder, Place};

mod place;

/// No site has a file in a folder of this name; it leads to the page for what is not there.
const NOWHERE: &str = "/-/";

/// What can be said of any site's pages without breaking one: no other site frames them, and nothing
/// that slips into a page loads a plug-in or bends its links.
const CONTENT_POLICY: &str = "object-src 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The folder that holds the site.
#[derive(Clone)]
pub(crate) struct Site {
    folder: Folder,
    files: ServeDir<SetStatus<ServeFile>>,
}

impl Site {
    /// The folder in `STATIC_DIR`.
    ///
    /// # Errors
    /// A line that names `STATIC_DIR` where it is no folder, and where what `serve` keeps lies in it.
    pub(crate) fn open(variables: &Variables) -> Result<Self, String> {
        let folder = folder_of(variables);
        if !folder.is_dir() {
            return Err(format!(
                "STATIC_DIR: there is no folder {}",
                folder.display()
            ));
        }
        let folder = Folder::open(&folder, keys::private_files(variables))?;
        let not_found = ServeFile::new(folder.root().join("404.html"));
        Ok(Self {
            files: ServeDir::new(folder.root()).not_found_service(not_found),
            folder,
        })
    }

    /// # Errors
    /// Lines that name the setting by which a page would be open, or would lead nowhere.
    pub(crate) fn check(&self, settings: &Settings) -> Vec<SettingError> {
        // The pages are on another host of this domain, where nobody here sees them.
        if settings.cookies.domain.is_some() {
            return Vec::new();
        }
        let empty = settings
            .protected
            .prefixes()
            .filter(|prefix| !self.folder.has(prefix));
        empty
            .map(|prefix| SettingError {
                name: "PROTECTED_PREFIXES",
                problem: format!(
                    "the site in STATIC_DIR {} has nothing below `{prefix}`, so that nothing there is closed; write the folder that holds what is confidential, or set STATIC_DIR to the site",
                    self.folder.root().display()
                ),
            })
            .collect()
    }

    /// Where a path leads, and as what the gate has to see it.
    async fn place(&self, settings: &Arc<Settings>, path: &SitePath) -> Place {
        let (folder, settings, path) = (self.folder.clone(), Arc::clone(settings), path.clone());
        let place = tokio::task::spawn_blocking(move || folder.place(&settings.protected, &path));
        place.await.unwrap_or(Place::Nowhere(place::MISSING))
    }

    /// The file at this path, or the page for what is not there.
    async fn file(&self, path: Option<&SitePath>, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().map(|query| format!("?{query}"));
        parts.uri = path
            .map(|path| path.to_url_path() + &query.unwrap_or_default())
            .and_then(|target| Uri::try_from(target).ok())
            .unwrap_or(Uri::from_static(NOWHERE));
        let request = Request::from_parts(parts, body);
        match self.files.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    }

    /// How the file of this name (its path within the folder) is served to who may see it.
    ///
    /// # Errors
    /// Why it is not, here or where a gate sees the name alone.
    pub(crate) async fn serves(
        &self,
        settings: &Arc<Settings>,
        name: &str,
    ) -> Result<Served, &'static str> {
        let path = SitePath::of_file(name).ok_or(place::MISSING)?;
        let is_protected = settings.protected.contain(&path);
        match self.place(settings, &path).await {
            Place::Nowhere(why) => return Err(why),
            Place::Served(seen_as) if !is_protected && settings.protected.contain(&seen_as) => {
                return Err("it is a protected file under a name that is open");
            }
            Place::Served(_) => {}
        }
        let content_type = self.content_type(&path).await.ok_or(place::MISSING)?;
        Ok(Served {
            content_type,
            cache_control: cache_control(!is_protected),
            is_protected,
        })
    }

    async fn content_type(&self, path: &SitePath) -> Option<String> {
        let request = Request::head("/").body(Body::empty()).ok()?;
        let mut response = self.file(Some(path), request).await;
        name_charset(&mut response);
        let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        (response.status() == StatusCode::OK).then(|| content_type.to_owned())
    }
}

/// `STATIC_DIR`.
pub(crate) fn folder_of(variables: &Variables) -> PathBuf {
    Path::new(variables.get("STATIC_DIR").unwrap_or_default()).to_owned()
}

/// What a file is served with.
pub(crate) struct Served {
    pub(crate) content_type: String,
    pub(crate) cache_control: &'static str,
    pub(crate) is_protected: bool,
}

/// What is protected, and the way there, must leave no copy behind; the rest is checked for changes
/// on every use.
fn cache_control(is_open: bool) -> &'static str {
    if is_open { "no-cache" } else { "no-store" }
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
    let place = match &path {
        Some(path) => site.place(&app.settings, path).await,
        None => Place::Nowhere(place::MISSING),
    };
    let is_served = matches!(place, Place::Served(_));
    // What is not there is decided about as it was asked for: an answer tells nobody what is.
    let seen_as = match place {
        Place::Served(path) => Some(path),
        Place::Nowhere(_) => path.clone(),
    };
    let mut verdict = match &seen_as {
        Some(path) => verdict(&app, path, gate::Served::by_name(path), request.headers()).await,
        None => Verdict::Pass { protected: false },
    };
    let back = path
        .as_ref()
        .and_then(|path| way_back(&app, path, request.uri().query()));
    let mut response = match verdict {
        Verdict::Pass { protected } => {
            let headers = request.headers().clone();
            let file = site
                .file(path.as_ref().filter(|_| is_served), request)
                .await;
            match seen_as.filter(|path| protected && !path.names_page() && is_page(&file)) {
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
    if !is_open {
        // No other site's page shows it, not even a sibling's, whose visitors bring their cookie along.
        web::keep_to_the_site(headers);
    }
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
    // What is known to be ended goes to the one place that says so, and clears its cookies.
    if let Presented::Session(token) = app.settings.presented(headers, now)
        && app.writes.ended().reason(&token).is_some()
    {
        return Verdict::Refresh { ended: true };
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
