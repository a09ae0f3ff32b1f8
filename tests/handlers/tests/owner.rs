//! The owner signs in: who may, for how long, and what that is worth.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use handler_tests::{Answer, Browser, START, Site, at};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use serde_json::json;
use shared::timestamp::Timestamp;

const TOKEN: &str = "an-owners-token-of-40-characters-exactly";
const COOKIE: &str = "__Host-lastseen-admin";
const LOGIN: &str = "/api/admin/login";
const LOGOUT: &str = "/api/admin/logout";
const REVOKE: &str = "/api/sessions/1/revoke";

fn site() -> Site {
    Site::new(&[
        ("ADMIN_TOKEN", TOKEN),
        ("ALLOWED_ORIGINS", "https://partner.example"),
    ])
}

async fn sign_in(browser: &mut Browser<'_>, token: &str, now: Timestamp) -> Answer {
    let body = json!({ "token": token }).to_string();
    let headers = [(CONTENT_TYPE.as_str(), "application/json")];
    browser.send("POST", LOGIN, &headers, &body, now).await
}

async fn post_form(browser: &mut Browser<'_>, path: &str, body: &str, now: Timestamp) -> Answer {
    let headers = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
    browser.send("POST", path, &headers, body, now).await
}

/// Ends session 1, as the owner's page does.
async fn revoke(browser: &mut Browser<'_>, now: Timestamp) -> Answer {
    let headers = [("sec-fetch-site", "same-origin")];
    browser.send("POST", REVOKE, &headers, "", now).await
}

fn cookie(answer: &Answer) -> &str {
    let mut cookies = answer.headers.get_all(SET_COOKIE).iter();
    let cookie = cookies.next().unwrap();
    assert_eq!(cookies.next(), None);
    cookie.to_str().unwrap()
}

#[tokio::test]
async fn the_token_shown_once_ends_sessions_for_eight_hours() {
    let site = site();
    site.browser().enters("ann@example.com", START).await;
    let mut owner = site.browser();
    let answer = sign_in(&mut owner, TOKEN, at(10)).await;
    assert_eq!(
        (answer.status, &answer.json),
        (
            StatusCode::OK,
            &json!({ "success": true, "expiresInSeconds": 28_800 })
        )
    );
    let (pair, attributes) = cookie(&answer).split_once(';').unwrap();
    assert!(pair.starts_with(COOKIE) && !pair.contains(TOKEN), "{pair}");
    assert_eq!(
        attributes,
        " Path=/; Max-Age=28800; HttpOnly; SameSite=Strict; Secure"
    );

    let mut later = owner.clone();
    let answer = revoke(&mut owner, at(20)).await;
    assert_eq!(
        (answer.status, &answer.json["ended"]),
        (StatusCode::OK, &json!(1))
    );
    let answer = revoke(&mut later, at(10 + 28_799)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = revoke(&mut later, at(10 + 28_800)).await;
    assert_eq!(
        (answer.status, &answer.json["code"], &answer.json["reason"]),
        (
            StatusCode::UNAUTHORIZED,
            &json!("not-the-owner"),
            &json!("expired")
        )
    );
}

#[tokio::test(start_paused = true)]
async fn signing_in_by_a_form_needs_no_script() {
    let site = site();
    let mut owner = site.browser();
    let answer = post_form(&mut owner, LOGIN, "token=guess", START).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (
            StatusCode::SEE_OTHER,
            Some("/admin/?error=wrong-token#wrong-token")
        )
    );
    assert!(owner.cookies.is_empty());
    // What is copied from a terminal may bring a space along.
    let body = format!("token=+{TOKEN}%0A");
    let answer = post_form(&mut owner, LOGIN, &body, START).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/admin/"))
    );
    assert!(owner.cookies.contains_key(COOKIE));
    let answer = post_form(&mut owner, LOGOUT, "", at(5)).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/admin/"))
    );
    assert!(owner.cookies.is_empty());
}

#[tokio::test]
async fn signing_out_deletes_the_cookie_whoever_asks() {
    let site = site();
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    for mut browser in [owner, site.browser()] {
        let answer = browser.send("POST", LOGOUT, &[], "", at(5)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(
            cookie(&answer),
            "__Host-lastseen-admin=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(browser.cookies.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_signs_in_with_anything_but_the_token() {
    let without = Site::new(&[]);
    for (site, body) in [
        (&site(), json!({ "token": "guess" })),
        (&site(), json!({ "token": TOKEN.to_uppercase() })),
        (&site(), json!({ "token": [TOKEN] })),
        (&site(), json!({ "token": true })),
        (&site(), json!({ "password": TOKEN })),
        (&site(), json!({})),
        (&without, json!({ "token": TOKEN })),
        (&without, json!({ "token": "" })),
    ] {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let mut browser = site.browser();
        let answer = browser
            .send("POST", LOGIN, &headers, &body.to_string(), START)
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (StatusCode::UNAUTHORIZED, &json!("wrong-token")),
            "{body}"
        );
        assert!(answer.headers.contains_key("www-authenticate"));
        assert!(browser.cookies.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_no_wrong_token() {
    let site = site();
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    for (path, media_type, body, status, code) in [
        (LOGIN, json, "{", 400, "invalid-body"),
        (LOGIN, form, "token=a&token=b", 400, "invalid-body"),
        (LOGIN, "image/png", "x", 415, "unsupported-type"),
        (LOGOUT, json, "{", 400, "invalid-body"),
    ] {
        let headers = [(CONTENT_TYPE.as_str(), media_type)];
        let mut browser = site.browser();
        let answer = browser.send("POST", path, &headers, body, START).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["code"]),
            (status, &json!(code)),
            "{path} {body}"
        );
    }
    for path in [LOGIN, LOGOUT] {
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            let answer = site.browser().send(method, path, &[], "", START).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(answer.headers["allow"], "POST");
        }
    }
}

#[tokio::test]
async fn another_owners_token_signs_out_whoever_showed_the_old_one() {
    let site = site();
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    let restarted = site.restarted(&[("ADMIN_TOKEN", "another-owners-token-of-40-characters-ab")]);
    let answer = revoke(&mut owner.at(&restarted), at(5)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid"))
    );
}

#[tokio::test]
async fn a_session_is_no_sign_of_the_owner_nor_the_other_way_round() {
    let site = site();
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    let session = ann.cookies["__Host-lastseen"].clone();
    let owners = owner.cookies[COOKIE].clone();

    ann.cookies.insert(COOKIE.to_owned(), session);
    let answer = revoke(&mut ann, at(5)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid"))
    );
    owner.cookies.insert("__Host-lastseen".to_owned(), owners);
    let answer = owner.beats(json!(null), at(5)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_shown_decides_alone() {
    let site = site();
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    for (authorization, status) in [
        ("Bearer guess", 401),
        ("bearer guess", 401),
        // A proxy's own: nothing to do with us.
        ("Basic b3duZXI6Z3Vlc3M=", 404),
        ("", 404),
    ] {
        let headers = [("authorization", authorization)];
        let answer = owner.send("POST", REVOKE, &headers, "", at(5)).await;
        assert_eq!(answer.status.as_u16(), status, "{authorization}");
    }
}

#[tokio::test]
async fn no_other_site_calls_the_owners_routes_and_none_reads_them() {
    let site = site();
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    let partner = ("origin", "https://partner.example");
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[partner],
        &[partner, ("sec-fetch-site", "same-site")],
    ] {
        for (method, path) in [
            ("POST", LOGIN),
            ("POST", LOGOUT),
            ("POST", REVOKE),
            ("GET", "/api/sessions"),
            ("GET", "/api/summary"),
        ] {
            let mut owner = owner.clone();
            let answer = owner.send(method, path, headers, "", at(5)).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (StatusCode::FORBIDDEN, &json!("cross-site")),
                "{method} {path} {headers:?}"
            );
            let granted = answer.headers.keys();
            let granted = granted.filter(|name| name.as_str().starts_with("access-control"));
            assert_eq!(granted.count(), 0, "{method} {path} {headers:?}");
        }
    }
    let asks_first = [partner, ("access-control-request-method", "POST")];
    let answer = owner.send("OPTIONS", REVOKE, &asks_first, "", at(5)).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

/// A wrong token from this address.
async fn guess(site: &Site, from: &str, now: Timestamp) -> Answer {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/json"),
        ("x-forwarded-for", from),
    ];
    let body = r#"{"token":"guess"}"#;
    site.browser()
        .send("POST", LOGIN, &headers, body, now)
        .await
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_waits_for_every_guess_and_soon_is_not_listened_to() {
    let site = site();
    for _ in 0..10 {
        let asked = tokio::time::Instant::now();
        let answer = guess(&site, "192.0.2.1", START).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(asked.elapsed().as_secs(), 1);
    }
    let asked = tokio::time::Instant::now();
    let answer = guess(&site, "192.0.2.1", START).await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("limited"))
    );
    assert_eq!(answer.headers[RETRY_AFTER], "10");
    assert_eq!(asked.elapsed().as_secs(), 0, "it holds nobody up");
    let answer = guess(&site, "192.0.2.2", START).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "others");
    let answer = guess(&site, "192.0.2.1", at(10)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    let mut browser = site.browser();
    for _ in 0..10 {
        post_form(&mut browser, LOGIN, "token=guess", at(10)).await;
    }
    let answer = post_form(&mut browser, LOGIN, "token=guess", at(10)).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/admin/?error=limited#limited"))
    );
}

#[tokio::test(start_paused = true)]
async fn no_flood_of_guesses_keeps_the_owner_out() {
    let site = site();
    site.browser().enters("ann@example.com", START).await;
    let mut limited = 0;
    for n in 0..200 {
        let answer = guess(&site, &format!("203.0.113.{}", n % 50), START).await;
        limited += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(limited, 140, "sixty at once, from wherever");
    // By the same address, too: all who cannot be told apart share one.
    for n in 0..20 {
        let answer = site.owner("guess", REVOKE, "", START).await;
        assert!(answer.status.is_client_error(), "{n}");
    }
    let answer = site.owner("guess", REVOKE, "", START).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let answer = sign_in(&mut site.browser(), TOKEN, START).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = site.owner(TOKEN, REVOKE, "", START).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_old_cookie_or_none_is_answered_at_once() {
    let site = site();
    let mut owner = site.browser();
    sign_in(&mut owner, TOKEN, START).await;
    let asked = tokio::time::Instant::now();
    for now in [at(28_800), at(28_900)] {
        assert_eq!(revoke(&mut owner, now).await.json["reason"], "expired");
    }
    for _ in 0..100 {
        let answer = revoke(&mut site.browser(), START).await;
        assert_eq!(
            (answer.status, &answer.json["reason"]),
            (StatusCode::UNAUTHORIZED, &json!("missing"))
        );
    }
    assert_eq!(asked.elapsed().as_secs(), 0);
}
