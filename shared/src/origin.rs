//! Where a request comes from: this site, the address bar, or another site that must not act in a
//! visitor's name; and whether it came through the site at all.
//!
//! Forms must work without JavaScript, so the defence is Fetch Metadata with `Origin` as its
//! fallback (OWASP CSRF cheat sheet; ASVS 5.0 3.5.1), and cookies that are `SameSite=Lax`.

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN, REFERER};
use http::{Method, StatusCode};
use url::{Position, Url};

use crate::cookies::CookiePolicy;
use crate::settings::Settings;
use crate::web::{Problem, Request, Response};

/// What shows that the edge, or a proxy in front, passed a request on.
const EDGE_HEADER: &str = "x-lastseen-edge";

/// Whether a request shows one of the `EDGE_SECRET`s, where there are any. Who calls the API at its
/// own address comes around the gate's limits, and can write any `X-Forwarded-For`.
///
/// The header is there once: the edge overwrites what a client sent.
#[must_use]
pub fn came_through_the_site(settings: &Settings, headers: &HeaderMap) -> bool {
    let secrets = &settings.edge_secrets;
    let mut shown = headers.get_all(EDGE_HEADER).iter();
    match (shown.next(), shown.next()) {
        _ if secrets.is_empty() => true,
        (Some(shown), None) => shown
            .to_str()
            .is_ok_and(|shown| secrets.iter().any(|secret| secret.matches(shown))),
        _ => false,
    }
}

/// Whose pages may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// This site's, and those of `ALLOWED_ORIGINS`.
    Allowed,
    /// This site's alone: the owner's routes.
    OwnSite,
}

/// Whether a route takes calls from this origin because `ALLOWED_ORIGINS` names it.
#[must_use]
pub fn may_call(callers: Callers, settings: &Settings, origin: &HeaderValue) -> bool {
    callers == Callers::Allowed
        && settings
            .allowed_origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

/// Refuses what another site makes a browser send. Methods that change nothing pass, but for the
/// owner's routes: what those answer is for nobody else.
///
/// `same-site` is not trusted: a sibling subdomain is another owner. A request without either
/// header was not sent by a browser of today, and carries a visitor's cookie only where that
/// visitor sent it.
///
/// # Errors
/// `403 cross-site`.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
pub fn check(callers: Callers, settings: &Settings, request: &Request) -> Result<(), Response> {
    let headers = request.headers();
    let is_harmless = match *request.method() {
        Method::HEAD | Method::OPTIONS => true,
        Method::GET => callers == Callers::Allowed,
        _ => false,
    };
    let from_here = match text(headers, "sec-fetch-site") {
        Some("same-origin" | "none") => true,
        Some("same-site" | "cross-site") => false,
        // Missing, or a word of the future: decide by Origin.
        _ => headers
            .get(ORIGIN)
            .is_none_or(|origin| is_own(headers, origin)),
    };
    if is_harmless
        || from_here
        || headers
            .get(ORIGIN)
            .is_some_and(|origin| may_call(callers, settings, origin))
    {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "cross-site",
        "this request came from another site",
    )
    .into_response())
}

/// Where the pages are that this request came from, where that is not the host it was sent to: the
/// origin that redirects have to lead back to.
///
/// An origin is named only where `ALLOWED_ORIGINS` has it, where the browser says that the request
/// comes from there (by `Origin`, and by `Referer` for navigations, which have none), and where its
/// pages see the session: on a host of `COOKIE_DOMAIN`, or on another port of this host. Another
/// site that may call the API hands its visitors over to this one.
#[must_use]
pub fn other_site<'a>(settings: &'a Settings, headers: &HeaderMap) -> Option<&'a str> {
    let from = match headers.get(ORIGIN) {
        Some(origin) => origin.to_str().ok()?.to_owned(),
        None => referrer(headers)?.origin().ascii_serialization(),
    };
    let allowed = settings
        .allowed_origins
        .iter()
        .find(|allowed| **allowed == from)?;
    let url = Url::parse(allowed).ok()?;
    let host = url.host_str()?;
    let is_own_name = |own: &str| {
        own.strip_prefix(host)
            .is_some_and(|port| port.is_empty() || port.starts_with(':'))
    };
    (settings.cookies.is_seen_at(host) || hosts(headers).any(is_own_name)).then_some(allowed)
}

/// Whether a visitor's browser sent this over https, though it came to us by plain http: TLS ends in
/// front.
///
/// By what a proxy says (`X-Forwarded-Proto`), by an `Origin` or `Referer` of this host, and by a cookie
/// that a browser sends over https alone. Whoever makes it up is given cookies that their browser does not
/// keep, and no browser can be made to.
#[must_use]
pub fn came_over_https(headers: &HeaderMap) -> bool {
    let proxies = headers.get_all("x-forwarded-proto").iter();
    let mut schemes = proxies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|schemes| schemes.split(','));
    schemes.any(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
        || is_own_https(headers)
        || CookiePolicy::shows_https(headers)
}

fn is_own_https(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let referrer = referrer(headers).map(|page| page.origin().ascii_serialization());
    [origin.map(str::to_owned), referrer]
        .into_iter()
        .flatten()
        .filter(|origin| origin.starts_with("https://"))
        .filter_map(|origin| HeaderValue::try_from(origin).ok())
        .any(|origin| is_own(headers, &origin))
}

/// Whether an origin is the host this request was sent to.
fn is_own(headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let origin_host = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    origin_host.is_some_and(|host| hosts(headers).any(|own| own.eq_ignore_ascii_case(host)))
}

/// The host a visitor typed. Behind CloudFront that is passed on as `X-Forwarded-Host`; a browser
/// cannot be made to forge either.
fn hosts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    [HOST.as_str(), "x-forwarded-host"]
        .into_iter()
        .filter_map(|name| text(headers, name))
}

/// The page that linked or posted here, where it is of this site.
///
/// To another host browsers tell no more than the origin, unless the page asks them to: that says
/// nothing about the page.
#[must_use]
pub fn own_referrer(settings: &Settings, headers: &HeaderMap) -> Option<Url> {
    let referrer = referrer(headers)?;
    let origin = referrer.origin().ascii_serialization();
    let is_here = is_own(headers, &HeaderValue::try_from(&origin).ok()?);
    let is_elsewhere = || {
        &referrer[Position::BeforePath..] != "/"
            && other_site(settings, headers) == Some(origin.as_str())
    };
    (is_here || is_elsewhere()).then_some(referrer)
}

fn referrer(headers: &HeaderMap) -> Option<Url> {
    Url::parse(text(headers, REFERER.as_str())?).ok()
}

/// Whether a person is opening a page: a navigation of the whole window, and not a prefetch that
/// nobody may ever look at.
///
/// Browsers without Fetch Metadata (before 2023) are told by what they accept.
#[must_use]
pub fn is_navigation(headers: &HeaderMap) -> bool {
    if is_prefetch(headers) {
        return false;
    }
    match (
        text(headers, "sec-fetch-mode"),
        text(headers, "sec-fetch-dest"),
    ) {
        (Some(mode), destination) => {
            mode == "navigate" && destination.is_none_or(|destination| destination == "document")
        }
        (None, _) => text(headers, "accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Whether a browser fetches ahead (`Sec-Purpose: prefetch`, with `;prerender` or without, and the
/// older `Purpose`, `X-Purpose` and `X-Moz`): what nobody may ever look at.
#[must_use]
pub fn is_prefetch(headers: &HeaderMap) -> bool {
    const AHEAD: [&str; 3] = ["prefetch", "prerender", "preview"];
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|purpose| purpose.trim_start().to_ascii_lowercase())
        .any(|purpose| AHEAD.iter().any(|ahead| purpose.starts_with(ahead)))
}

/// Whether opening this page is a sign of life: a navigation that a person made. A page that reloads
/// itself, and another site's script, open pages too.
///
/// Engines say so with `Sec-Fetch-User: ?1`. `WebKit` sends every other such header and never that one
/// (nine kinds of navigation measured in `WebKitGTK`); there, coming from this site has to do. Without
/// any such header, nobody knows better.
#[must_use]
pub fn is_activity(headers: &HeaderMap) -> bool {
    let has_metadata = headers
        .keys()
        .any(|name| name.as_str().starts_with("sec-fetch-"));
    let by_person = text(headers, "sec-fetch-user") == Some("?1");
    let in_webkit = || {
        let agent = text(headers, "user-agent").unwrap_or_default();
        agent.contains("AppleWebKit") && !agent.contains("Chrome/")
    };
    let from_here = text(headers, "sec-fetch-site") == Some("same-origin");
    is_navigation(headers) && (!has_metadata || by_person || from_here && in_webkit())
}

/// Whether this navigation began on this site. One that has no beginning (`Sec-Fetch-Site: none`) may be
/// a link in a native app as well as an address typed by hand.
#[must_use]
pub fn is_own_navigation(settings: &Settings, headers: &HeaderMap) -> bool {
    let from_here = match text(headers, "sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => own_referrer(settings, headers).is_some(),
    };
    is_navigation(headers) && (from_here || other_site(settings, headers).is_some())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
