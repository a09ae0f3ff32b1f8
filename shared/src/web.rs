//! HTTP in, HTTP out: the answers all handlers share, and the checks that come before every one of
//! them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::audit;
use crate::body::BodyError;
use crate::gate;
use crate::origin::{self, Callers};
use crate::settings::Settings;
use crate::snapshot::InvalidSnapshot;

/// A request whose body has been read. What `lambda_http` and axum both turn into.
pub type Request = http::Request<Bytes>;
/// A response whose body is whole.
pub type Response = http::Response<Bytes>;

/// Runs a handler between what comes before and after all of them: the way the request took, CORS,
/// the cross-site check, and the headers that every answer carries.
pub async fn serve(
    settings: &Settings,
    request: Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    serve_to(Callers::Allowed, settings, request, handler).await
}

/// The same for the owner's routes, which no page of another origin may call or read, not even one
/// of `ALLOWED_ORIGINS`: those are for pages that visitors look at.
pub async fn serve_owner(
    settings: &Settings,
    request: Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    serve_to(Callers::OwnSite, settings, request, handler).await
}

async fn serve_to(
    callers: Callers,
    settings: &Settings,
    request: Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let is_through = origin::came_through_the_site(settings, request.headers());
    let origin = request
        .headers()
        .get(ORIGIN)
        .filter(|origin| is_through && origin::may_call(callers, settings, origin))
        .cloned();
    // Whom the gate sends through here comes back to its host, wherever they followed a link.
    let is_of_the_gate = request.uri().path() == gate::REFRESH_PATH;
    let site = origin::other_site(settings, request.headers())
        .filter(|_| !is_of_the_gate)
        .map(str::to_owned);
    let mut response = if !is_through {
        audit::not_through_the_site();
        not_through_the_site()
    } else if request.method() == Method::OPTIONS && origin.is_some() {
        preflight()
    } else if let Err(refused) = origin::check(callers, settings, &request) {
        audit::cross_site(request.uri().path());
        refused
    } else {
        handler(request).await
    };
    let headers = response.headers_mut();
    protect(headers, settings.cookies.secure);
    if origin.is_none() {
        keep_to_the_site(headers);
    }
    if let Some(site) = site {
        lead_back(headers, &site);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Origin, Sec-Fetch-Site"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Handlers redirect to paths of the site. Where its pages are on another host than the API, a path
/// alone would lead to the API's.
fn lead_back(headers: &mut HeaderMap, site: &str) {
    let location = headers.get(LOCATION).and_then(|path| path.to_str().ok());
    // Nothing else is ever there; what does not begin a path could change which host the rest names.
    let Some(path) = location.filter(|path| path.starts_with('/')) else {
        return;
    };
    if let Ok(location) = HeaderValue::try_from(format!("{site}{path}")) {
        headers.insert(LOCATION, location);
    }
}

/// What every answer tells a browser, of the API and of the site alike (OWASP ASVS 5.0 3.4): guess
/// no types, tell other sites no paths, and let no other site's window hold on to this one.
///
/// The referrer must name the gate page's whole address to the gate's own form. Over plain http
/// nothing may ask for https: whoever sits in between could have written it.
pub fn protect(headers: &mut HeaderMap, is_https: bool) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_https {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
}

/// For what is confidential: no page of another origin may show it. `same-site` would let a sibling
/// subdomain, to which a browser sends the visitor's cookie along.
pub fn keep_to_the_site(headers: &mut HeaderMap) {
    let name = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(name, HeaderValue::from_static("same-origin"));
}

/// `403`: the call did not come by way of the site.
fn not_through_the_site() -> Response {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-through-the-site",
        "call the API at the site's own address",
    )
    .into_response()
}

fn preflight() -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
        (ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// An answer in JSON.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    with_body(
        status,
        "application/json",
        serde_json::to_vec(body).unwrap_or_default(),
    )
}

/// A page that holds nothing but text, a form to this site and its own style, and stands in nobody's
/// frame.
#[must_use]
pub fn html(status: StatusCode, body: &'static str) -> Response {
    const POLICY: &str =
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let own = body.split_once("<style>");
    let style = own.and_then(|(_, rest)| rest.split_once("</style>"));
    let policy = style.map_or_else(
        || POLICY.to_owned(),
        |(style, _)| {
            let hash = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
            format!("{POLICY}; style-src 'sha256-{}'", STANDARD.encode(hash))
        },
    );
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(POLICY));
    with_header(
        with_body(status, "text/html; charset=utf-8", body.into()),
        CONTENT_SECURITY_POLICY,
        policy,
    )
}

/// `503` to a browser that fetches ahead what nobody may ever look at: it asks again when somebody does.
#[must_use]
pub fn not_ahead() -> Response {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "prefetch",
        "this is answered when somebody opens it, and not before",
    )
    .into_response()
}

/// A file of comma-separated values, to be saved under this name.
#[must_use]
pub fn csv(name: &str, body: Vec<u8>) -> Response {
    let response = with_body(StatusCode::OK, "text/csv; charset=utf-8", body);
    // Names are made of letters, digits, hyphens and dots.
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    with_header(response, CONTENT_DISPOSITION, disposition)
}

fn with_body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A redirect. `303` after a form post makes the browser GET; `302` answers a navigation (RFC 9110
/// 15.4.3, 15.4.4).
#[must_use]
pub fn redirect(status: StatusCode, location: &str) -> Response {
    let mut response = empty(status);
    // Locations are built from percent-encoded paths and fixed words; the root is where nothing
    // else fits a header.
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Adds cookies to an answer.
#[must_use]
pub fn with_cookies(
    mut response: Response,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Adds a header to an answer.
#[must_use]
pub fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// An error as programs read it: `application/problem+json` (RFC 9457) with a member `code`.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// `code` is for programs and never changes; `detail` is for people and names what to do.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let members =
            json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
        Self {
            status,
            members: members.as_object().cloned().unwrap_or_default(),
        }
    }

    /// Adds a member of our own.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.members).unwrap_or_default();
        with_body(self.status, "application/problem+json", body)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            BodyError::UnsupportedType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-type"),
            BodyError::Malformed(_) | BodyError::Repeated(_) => {
                (StatusCode::BAD_REQUEST, "invalid-body")
            }
        };
        Self::new(status, code, &error.to_string())
    }
}

impl From<InvalidSnapshot> for Problem {
    fn from(error: InvalidSnapshot) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-snapshot",
            &error.to_string(),
        )
    }
}

/// `404`: no such route.
#[must_use]
pub fn not_found() -> Response {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "there is no such endpoint",
    )
    .into_response()
}

/// `405`, with the methods that would do.
#[must_use]
pub fn method_not_allowed(allow: &'static str) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        &format!("use {allow}"),
    );
    with_header(
        problem.into_response(),
        ALLOW,
        HeaderValue::from_static(allow),
    )
}

/// `503` with `Retry-After`: the store cannot do it now.
#[must_use]
pub fn unavailable(retry_after: Duration) -> Response {
    unavailable_with(retry_after, [])
}

/// `503` with `Retry-After`: the store cannot be read now, and nothing is known from before.
#[must_use]
pub fn unreadable(retry_after: Duration) -> Response {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "the visits cannot be read right now; try again soon",
    );
    with_retry_after(problem, retry_after)
}

/// `421`: the request names another host than the site's (RFC 9110 15.5.20).
#[must_use]
pub fn misdirected(is_for_a_person: bool) -> Response {
    if is_for_a_person {
        return html(
            StatusCode::MISDIRECTED_REQUEST,
            include_str!("web/misdirected.html"),
        );
    }
    let detail = "no site of this name is here; the owner sets SITE_AUDIENCE to the host that the site is reached at";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail).into_response()
}

/// `429` with `Retry-After`: too many of these, for now.
#[must_use]
pub fn limited(retry_after: Duration) -> Response {
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "limited",
        "too many requests; wait as long as Retry-After says",
    );
    with_retry_after(problem, retry_after)
}

/// As [`unavailable`], with members of our own.
#[must_use]
pub fn unavailable_with<const N: usize>(
    retry_after: Duration,
    members: [(&str, u64); N],
) -> Response {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "the visit cannot be recorded right now; try again soon",
    );
    let problem = members
        .into_iter()
        .fold(problem, |problem, (member, value)| {
            problem.with(member, value)
        });
    with_retry_after(problem, retry_after)
}

/// In whole seconds, rounded up: who comes back then is not too early.
fn with_retry_after(problem: Problem, retry_after: Duration) -> Response {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    with_header(
        problem.into_response(),
        RETRY_AFTER,
        HeaderValue::from(seconds.max(1)),
    )
}
