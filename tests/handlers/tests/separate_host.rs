//! Pages on another host of the domain than the API: redirects lead back to where the visitor is,
//! and nowhere else.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use handler_tests::{Answer, START, Site, at};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::Value;

const WWW: &str = "https://www.example.test";
const PARTNER: &str = "https://partner.example";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ENTER: &str = "/api/verify-temp-access";

fn site() -> Site {
    Site::new(&[
        ("SITE_AUDIENCE", "api.example.test"),
        ("COOKIE_DOMAIN", "example.test"),
        ("ALLOWED_ORIGINS", &format!("{WWW},{PARTNER}")),
    ])
}

async fn post(site: &Site, path: &str, origin: &str, body: &str) -> Answer {
    let headers = [FORM, ("sec-fetch-site", "same-site"), ("origin", origin)];
    let mut browser = site.browser();
    browser.send("POST", path, &headers, body, START).await
}

#[tokio::test]
async fn a_form_leads_back_to_the_host_it_came_from() {
    let site = site();
    let body = "email=ann%40example.com&redirect=%2Fdeck%2F%3Ftab%3D2";
    let entered = post(&site, ENTER, WWW, body).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER);
    let location = format!("{WWW}/deck/?tab=2");
    assert_eq!(entered.location.as_deref(), Some(location.as_str()));
    let cookies = entered.headers.get_all(SET_COOKIE).iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(cookies[0].starts_with("__Host-lastseen=") && !cookies[0].contains("Domain"));
    assert!(cookies[1].contains("; Domain=example.test;"), "{cookies:?}");

    let wrong = post(&site, ENTER, WWW, "email=ann&redirect=%2Fdeck%2F").await;
    let gate = format!("{WWW}/access/?redirect=%2Fdeck%2F&error=invalid-email#invalid-email");
    assert_eq!(wrong.location.as_deref(), Some(gate.as_str()));

    let out = post(&site, "/api/logout", WWW, "reason=logout").await;
    let gate = format!("{WWW}/access/?reason=logout#logout");
    assert_eq!(out.location.as_deref(), Some(gate.as_str()));
}

#[tokio::test]
async fn a_page_that_names_itself_is_the_way_back() {
    let site = site();
    let gate = format!("{WWW}/access/?redirect=%2Fdeck%2F");
    let headers = [FORM, ("origin", WWW), ("referer", gate.as_str())];
    let mut browser = site.browser();
    let entered = browser
        .send("POST", ENTER, &headers, "email=ann%40example.com", START)
        .await;
    assert_eq!(entered.location, Some(format!("{WWW}/deck/")));
    // Whoever says only where the page is, and not which, is not taken to the front page.
    let origin_alone = format!("{WWW}/");
    let headers = [FORM, ("origin", WWW), ("referer", origin_alone.as_str())];
    let out = browser
        .send("POST", "/api/logout", &headers, "", at(1))
        .await;
    let gate = format!("{WWW}/access/?reason=logout#logout");
    assert_eq!(out.location, Some(gate));
}

#[tokio::test]
async fn a_link_to_the_log_out_works_across_hosts_and_leads_back() {
    let site = site();
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let from = |page: &'static str| {
        [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "same-site"),
            ("referer", page),
        ]
    };
    for elsewhere in ["https://blog.example.test/", "https://partner.example/"] {
        let asked = ann
            .send("GET", "/logout", &from(elsewhere), "", at(10))
            .await;
        assert_eq!((asked.status, asked.sets_cookies), (StatusCode::OK, false));
    }
    let out = ann
        .send(
            "GET",
            "/logout",
            &from("https://www.example.test/"),
            "",
            at(20),
        )
        .await;
    let gate = format!("{WWW}/access/?reason=logout#logout");
    assert_eq!(out.location, Some(gate));
    assert!(ann.cookies.is_empty());
}

#[tokio::test]
async fn no_origin_and_no_way_back_make_a_redirect_to_anybody_else() {
    let site = site();
    for origin in [
        "https://evil.example",
        "https://blog.example.test",
        "http://www.example.test",
        "https://www.example.test.evil.example",
        "https://www.example.test@evil.example",
        "null",
    ] {
        let refused = post(&site, ENTER, origin, "email=ann%40example.com").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(refused.location, None, "{origin}");
    }
    // May call, but its pages see no session: its visitors are handed over to this host.
    let handed_over = post(&site, ENTER, PARTNER, "email=ann%40example.com").await;
    assert_eq!(
        handed_over.location.as_deref(),
        Some("/portfolio/confidential/")
    );
    let default = format!("{WWW}/portfolio/confidential/");
    for redirect in [
        "@evil.example/",
        ".evil.example/",
        ":80@evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/%2f/evil.example",
        "https://evil.example/",
        "https://www.example.test/deck/",
        "%0d%0aLocation:%20https://evil.example/",
    ] {
        let encoded = redirect.replace('%', "%25");
        let body = format!("email=ann%40example.com&redirect={encoded}");
        let entered = post(&site, ENTER, WWW, &body).await;
        assert_eq!(entered.location.as_ref(), Some(&default), "{redirect}");
    }
}

#[tokio::test]
async fn the_gate_of_this_host_leads_back_to_this_host() {
    let site = site();
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    // Browsers keep the page of the link through the gate's redirect.
    let link = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-site"),
        ("referer", "https://www.example.test/"),
    ];
    let path = "/api/session-refresh?redirect=%2Fdeck%2F";
    let back = ann.send("GET", path, &link, "", at(90)).await;
    assert_eq!(back.location.as_deref(), Some("/deck/"));
    let gate = site.browser().send("GET", path, &link, "", at(90)).await;
    assert_eq!(
        gate.location.as_deref(),
        Some("/access/?redirect=%2Fdeck%2F")
    );
}

#[tokio::test]
async fn a_script_is_told_a_path_and_when_to_come_back() {
    let site = site();
    let headers = [("content-type", "application/json"), ("origin", WWW)];
    let body = r#"{"email":"ann@example.com","redirect":"/deck/"}"#;
    let mut ann = site.browser();
    let entered = ann.send("POST", ENTER, &headers, body, START).await;
    assert_eq!(entered.json["redirect"], "/deck/");
    assert_eq!(entered.location, None);
    assert_eq!(entered.headers["access-control-allow-origin"], WWW);
    site.store_is_down(true);
    let beat = [("origin", WWW), ("sec-fetch-site", "same-site")];
    let path = "/api/session-heartbeat";
    let failed = ann.send("POST", path, &beat, "", at(10)).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        failed.headers["access-control-expose-headers"],
        "Retry-After"
    );
    // The origin alone says nothing of the page, which is then taken for a protected one.
    site.store_is_down(false);
    let beat = [beat[0], ("referer", "https://www.example.test/")];
    let refused = site.browser().send("POST", path, &beat, "", at(20)).await;
    assert_eq!(refused.json["protected"], Value::Bool(true));
}
