//! Calls around the site: with an edge secret, no function answers who cannot show one.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use handler_tests::{Answer, START, Site, at};
use http::StatusCode;

const NEW: &str = "the-new-secret-of-the-edge-32-characters";
const OLD: &str = "the-old-secret-of-the-edge-32-characters";
const PARTNER: &str = "https://partner.example";
/// One of each function, and one that is no route.
const ROUTES: [(&str, &str); 8] = [
    ("POST", "/api/verify-temp-access"),
    ("POST", "/api/session-heartbeat"),
    ("GET", "/api/session-heartbeat"),
    ("GET", "/api/session-refresh"),
    ("POST", "/api/logout"),
    ("GET", "/logout"),
    ("POST", "/api/sessions/revoke"),
    ("PUT", "/api/nonsense"),
];

fn site() -> Site {
    Site::new(&[
        ("EDGE_SECRET", &format!("{NEW}, {OLD}")),
        ("ALLOWED_ORIGINS", PARTNER),
    ])
}

async fn ask(site: &Site, route: (&str, &str), headers: &[(&str, &str)]) -> Answer {
    let (method, path) = route;
    site.browser()
        .send(method, path, headers, "email=ann%40example.com", START)
        .await
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == StatusCode::FORBIDDEN && answer.json["code"] == "not-through-the-site"
}

#[tokio::test]
async fn whoever_shows_either_secret_is_answered_as_ever() {
    let (closed, open) = (site(), Site::new(&[("ALLOWED_ORIGINS", PARTNER)]));
    let form = ("content-type", "application/x-www-form-urlencoded");
    for route in ROUTES {
        let expected = ask(&open, route, &[form]).await.status;
        for secret in [NEW, OLD] {
            let headers = [form, ("x-lastseen-edge", secret)];
            let answer = ask(&closed, route, &headers).await;
            assert_eq!(answer.status, expected, "{route:?}");
            assert!(!is_refused(&answer), "{route:?}");
        }
    }
}

#[tokio::test]
async fn around_the_site_every_function_refuses_and_does_nothing() {
    let site = site();
    let both = format!("{NEW},{OLD}");
    for headers in [
        &[][..],
        &[("x-lastseen-edge", "")],
        &[(
            "x-lastseen-edge",
            "a-guess-that-has-as-many-as-32-characters",
        )],
        &[("x-lastseen-edge", &NEW[..NEW.len() - 1])],
        &[("x-lastseen-edge", &NEW.to_uppercase())],
        &[("x-lastseen-edge", &both)],
        // Where somebody's own stands beside the edge's, the edge did not overwrite it.
        &[("x-lastseen-edge", "guess"), ("x-lastseen-edge", NEW)],
        &[("x-lastseen-edge", NEW), ("x-lastseen-edge", NEW)],
        &[("x-forwarded-host", "localhost"), ("origin", PARTNER)],
    ] {
        for route in ROUTES {
            let answer = ask(&site, route, headers).await;
            assert!(is_refused(&answer), "{route:?} {headers:?} {answer:?}");
            assert!(!answer.sets_cookies && answer.location.is_none());
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    assert!(site.rows().await.is_empty());
}

#[tokio::test]
async fn a_preflight_around_the_site_is_granted_nothing() {
    let site = site();
    let route = ("OPTIONS", "/api/session-heartbeat");
    let origin = ("origin", PARTNER);
    let refused = ask(&site, route, &[origin]).await;
    assert!(is_refused(&refused));
    let granted = refused.headers.keys();
    assert_eq!(
        granted
            .filter(|name| name.as_str().starts_with("access-control-"))
            .count(),
        0
    );
    let through = ask(&site, route, &[origin, ("x-lastseen-edge", NEW)]).await;
    assert_eq!(through.headers["access-control-allow-origin"], PARTNER);
}

#[tokio::test]
async fn a_visitor_around_the_site_keeps_the_session_they_have() {
    let open = Site::new(&[]);
    let mut ann = open.browser();
    ann.enters("ann@example.com", START).await;
    let closed = open.restarted(&[("EDGE_SECRET", NEW)]);
    let mut around = ann.at(&closed);
    assert!(is_refused(&around.logs_out(at(10)).await));
    assert_eq!(closed.rows().await[0].end_reason, None);
    assert!(!around.cookies.is_empty());
}
