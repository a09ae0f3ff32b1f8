//! Where a request comes from, word by word.

use super::*;
use crate::settings::Variables;

fn settings() -> Settings {
    settings_with(&[])
}

fn settings_with(more: &[(&str, &str)]) -> Settings {
    let mut variables: Variables = [
        (
            "SESSION_KEYS",
            "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("SITE_AUDIENCE", "example.com"),
        ("ALLOWED_ORIGINS", "https://www.example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    for (name, value) in more {
        variables.set(name, value);
    }
    Settings::read(&variables).unwrap()
}

fn request(method: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = http::Request::builder()
        .method(method)
        .uri("/api/logout")
        .header("host", "example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(bytes::Bytes::new()).unwrap()
}

#[test]
fn only_this_site_and_the_allowed_origins_may_post() {
    const OWN: &str = "https://example.com";
    const ALLOWED: &str = "https://www.example.com";
    for (site, origin, passes) in [
        (Some("same-origin"), Some(OWN), true),
        (Some("same-origin"), None, true),
        (Some("none"), None, true),
        (Some("same-site"), Some(ALLOWED), true),
        (Some("cross-site"), Some(ALLOWED), true),
        (Some("same-site"), Some("https://blog.example.com"), false),
        (Some("cross-site"), Some("https://evil.example"), false),
        (Some("cross-site"), Some("null"), false),
        (Some("cross-site"), None, false),
        (Some("same-site"), None, false),
        (Some("future"), Some(OWN), true),
        (Some("future"), Some("https://evil.example"), false),
        (None, Some(OWN), true),
        (None, Some("http://EXAMPLE.com"), true),
        (None, Some("https://evil.example"), false),
        (None, Some("https://example.com.evil.example"), false),
        (None, Some("https://www.example.com:8443"), false),
        (None, Some("null"), false),
        (None, None, true),
    ] {
        let headers: Vec<(&str, &str)> = [("sec-fetch-site", site), ("origin", origin)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let check =
            |callers, method| check(callers, &settings(), &request(method, &headers)).is_ok();
        let what = format!("{site:?} {origin:?}");
        assert_eq!(check(Callers::Allowed, "POST"), passes, "{what}");
        assert!(check(Callers::Allowed, "GET"), "{what}");
        // The owner's routes: what they answer is for this site alone.
        let is_own = passes && origin != Some(ALLOWED);
        for method in ["POST", "GET"] {
            assert_eq!(check(Callers::OwnSite, method), is_own, "{method} {what}");
        }
    }
}

#[test]
fn behind_a_proxy_the_forwarded_host_is_our_own() {
    let headers = [
        ("x-forwarded-host", "site.example"),
        ("origin", "https://site.example"),
    ];
    assert!(check(Callers::Allowed, &settings(), &request("POST", &headers)).is_ok());
}

#[test]
fn https_in_front_is_told_by_the_proxy_the_page_or_a_cookie_of_https() {
    const PROXY: &str = "x-forwarded-proto";
    for (headers, expected) in [
        (&[][..], false),
        (&[(PROXY, "https")], true),
        (&[(PROXY, "HTTPS")], true),
        // Behind a CDN that speaks https to browsers and http to the next.
        (&[(PROXY, "https, http")], true),
        (&[(PROXY, "https"), (PROXY, "http")], true),
        (&[(PROXY, "http"), ("origin", "https://example.com")], true),
        (&[(PROXY, "http")], false),
        (&[(PROXY, "")], false),
        (&[("origin", "https://example.com")], true),
        (&[("origin", "http://example.com")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("referer", "https://example.com/a/")], true),
        (&[("referer", "http://example.com/a/")], false),
        (&[("referer", "https://evil.example/example.com")], false),
        (&[("cookie", "a=1; __Host-lastseen=x")], true),
        (&[("cookie", "__Host-lastseen-admin=x")], true),
        (&[("cookie", "__Host-lastseen-code=x")], true),
        (&[("cookie", "__Host-lastseen=; lastseen=x")], false),
        (&[("cookie", "__host-lastseen=x")], false),
    ] {
        let request = request("GET", headers);
        assert_eq!(came_over_https(request.headers()), expected, "{headers:?}");
    }
}

#[test]
fn a_person_opening_a_page_is_told_from_pictures_and_prefetches() {
    for (headers, expected) in [
        (
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ][..],
            true,
        ),
        (
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            false,
        ),
        (
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            false,
        ),
        (
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-purpose", "prefetch;prerender"),
            ],
            false,
        ),
        (&[("accept", "text/html,*/*")], true),
        (&[("accept", "text/html"), ("purpose", "prefetch")], false),
        (&[("accept", "image/avif,*/*")], false),
        (&[], false),
    ] {
        assert_eq!(
            is_navigation(request("GET", headers).headers()),
            expected,
            "{headers:?}"
        );
    }
}

#[test]
fn what_is_fetched_ahead_is_known_by_every_name_it_ever_had() {
    for (name, value, expected) in [
        ("sec-purpose", "prefetch", true),
        ("sec-purpose", "prefetch;prerender", true),
        ("sec-purpose", "Prefetch;anonymous-client-ip", true),
        ("sec-purpose", "none, prefetch", true),
        ("purpose", "prefetch", true),
        ("purpose", "prerender", true),
        ("x-purpose", "preview", true),
        ("x-moz", "prefetch", true),
        ("sec-purpose", "none", false),
        ("sec-purpose", "no-prefetch", false),
        ("x-purpose", "", false),
        ("x-other", "prefetch", false),
    ] {
        let request = request("GET", &[(name, value)]);
        assert_eq!(is_prefetch(request.headers()), expected, "{name}: {value}");
    }
    let twice = request(
        "GET",
        &[("sec-purpose", "none"), ("sec-purpose", "prefetch")],
    );
    assert!(is_prefetch(twice.headers()));
}

#[test]
fn only_what_a_person_opens_is_a_sign_of_life() {
    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36";
    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
    const ON_IOS: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1";
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let page = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let (person, ahead) = (("sec-fetch-user", "?1"), ("sec-purpose", "prefetch"));
    let from = |site: &'static str| ("sec-fetch-site", site);
    let by = |agent: &'static str| ("user-agent", agent);
    for (headers, expected) in [
        (vec![person, from("same-origin"), by(CHROME)], true),
        (vec![person, from("none"), by(FIREFOX)], true),
        (vec![person, from("cross-site"), by(CHROME)], true),
        // `<meta refresh>`, `history.back()`, a script's `location`, another site's script.
        (vec![from("same-origin"), by(CHROME)], false),
        (vec![from("same-origin"), by(FIREFOX)], false),
        (vec![from("none"), by(CHROME)], false),
        (vec![from("cross-site"), by(CHROME)], false),
        (
            vec![("sec-fetch-user", "?0"), from("same-origin"), by(CHROME)],
            false,
        ),
        (vec![person, ahead, from("same-origin"), by(CHROME)], false),
        // WebKit never says that it was a person.
        (vec![from("same-origin"), by(SAFARI)], true),
        (vec![from("same-origin"), by(ON_IOS)], true),
        (vec![from("none"), by(SAFARI)], false),
        (vec![from("same-site"), by(SAFARI)], false),
        (vec![from("cross-site"), by(SAFARI)], false),
        (vec![ahead, from("same-origin"), by(SAFARI)], false),
    ] {
        let headers = [&page[..], &headers].concat();
        let request = request("GET", &headers);
        assert_eq!(is_activity(request.headers()), expected, "{headers:?}");
    }
    for (headers, expected) in [
        (vec![("accept", "text/html")], true),
        (vec![("accept", "text/html"), by(SAFARI)], true),
        (vec![("accept", "image/*")], false),
        (vec![("accept", "text/html"), ahead], false),
        (vec![("accept", "text/html"), from("cross-site")], false),
        (vec![("sec-fetch-mode", "no-cors"), person], false),
    ] {
        let request = request("GET", &headers);
        assert_eq!(is_activity(request.headers()), expected, "{headers:?}");
    }
}

#[test]
fn a_link_on_another_site_is_no_navigation_of_our_own() {
    let navigation = ("sec-fetch-mode", "navigate");
    for (headers, expected) in [
        (&[navigation, ("sec-fetch-site", "same-origin")][..], true),
        (&[navigation, ("sec-fetch-site", "none")], false),
        (&[navigation, ("sec-fetch-site", "cross-site")], false),
        (&[navigation, ("sec-fetch-site", "same-site")], false),
        (
            &[
                ("accept", "text/html"),
                ("referer", "https://example.com/x"),
            ],
            true,
        ),
        (
            &[
                ("accept", "text/html"),
                ("referer", "https://evil.example/x"),
            ],
            false,
        ),
        (&[("accept", "text/html")], false),
    ] {
        assert_eq!(
            is_own_navigation(&settings(), request("GET", headers).headers()),
            expected,
            "{headers:?}"
        );
    }
}

#[test]
fn only_a_page_of_this_host_is_an_own_referrer() {
    let referrer = |value: &str| {
        own_referrer(&settings(), request("GET", &[("referer", value)]).headers())
            .map(|url| url.path().to_owned())
    };
    assert_eq!(
        referrer("https://example.com/access/?redirect=%2Fa").as_deref(),
        Some("/access/")
    );
    assert_eq!(referrer("https://evil.example/access/"), None);
    assert_eq!(referrer("nonsense"), None);
}

/// The pages are at `www.example.com`, the API is at `example.com`; the partner is another site.
fn apart() -> Settings {
    settings_with(&[
        ("COOKIE_DOMAIN", "example.com"),
        (
            "ALLOWED_ORIGINS",
            "https://www.example.com,https://partner.example,http://example.com:4321",
        ),
    ])
}

#[test]
fn redirects_lead_back_only_to_an_allowed_origin_that_the_browser_names() {
    const WWW: &str = "https://www.example.com";
    const DEV: &str = "http://example.com:4321";
    for (origin, referer, expected) in [
        (Some(WWW), None, Some(WWW)),
        (Some(WWW), Some("https://evil.example/"), Some(WWW)),
        (None, Some("https://www.example.com/"), Some(WWW)),
        (None, Some("https://www.example.com/a?b#c"), Some(WWW)),
        (None, Some("https://x@www.example.com/"), Some(WWW)),
        (Some(DEV), None, Some(DEV)),
        // What the browser says of the origin goes before the page.
        (Some("null"), Some("https://www.example.com/"), None),
        (
            Some("https://evil.example"),
            Some("https://www.example.com/"),
            None,
        ),
        (
            Some("https://example.com"),
            Some("https://www.example.com/"),
            None,
        ),
        // Its pages do not see the session.
        (Some("https://partner.example"), None, None),
        (None, Some("https://partner.example/"), None),
        // Nobody allowed these.
        (Some("http://www.example.com"), None, None),
        (Some("https://www.example.com:444"), None, None),
        (Some("https://WWW.example.com"), None, None),
        (Some("https://www.example.com/"), None, None),
        (Some("https://www.example.com.evil.example"), None, None),
        (
            Some("https://evil.example#https://www.example.com"),
            None,
            None,
        ),
        (Some("https://blog.example.com"), None, None),
        (None, Some("https://www.example.com@evil.example/"), None),
        (None, Some("//www.example.com/"), None),
        (None, Some("nonsense"), None),
        (None, None, None),
    ] {
        let headers: Vec<(&str, &str)> = [("origin", origin), ("referer", referer)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let request = request("POST", &headers);
        let settings = apart();
        assert_eq!(
            other_site(&settings, request.headers()),
            expected,
            "{headers:?}"
        );
        // Without the domain, nobody's pages are elsewhere.
        if expected != Some(DEV) {
            assert_eq!(other_site(&self::settings(), request.headers()), None);
        }
    }
}

#[test]
fn a_page_on_the_other_host_is_of_this_site() {
    let settings = apart();
    let path = |referer: &str| {
        let request = request("GET", &[("referer", referer)]);
        own_referrer(&settings, request.headers()).map(|url| url.path().to_owned())
    };
    let page = path("https://www.example.com/access/?redirect=%2Fa");
    assert_eq!(page.as_deref(), Some("/access/"));
    for origin_alone in ["https://www.example.com/", "https://www.example.com"] {
        assert_eq!(path(origin_alone), None, "{origin_alone}");
    }
    assert_eq!(path("https://partner.example/access/"), None);
    for (site, referer, expected) in [
        ("same-site", "https://www.example.com/", true),
        ("same-site", "https://blog.example.com/", false),
        ("cross-site", "https://partner.example/", false),
    ] {
        let headers = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", site),
            ("referer", referer),
        ];
        let request = request("GET", &headers);
        assert_eq!(is_own_navigation(&settings, request.headers()), expected);
    }
}
