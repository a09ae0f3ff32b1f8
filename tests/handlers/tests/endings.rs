//! Who is out, and when, after one browser or the owner ends a session.

use std::sync::atomic::Ordering;

use handler_tests::{START, Site, at};
use http::StatusCode;
use serde_json::{Value, json};
use shared::session::EndReason;

#[tokio::test]
async fn logging_out_ends_every_browser_of_the_visitor_and_nobody_else() {
    let site = Site::new(&[]);
    let (mut one, mut two, mut other) = (site.browser(), site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    two.enters("ann@example.com", at(5)).await;
    other.enters("bob@example.com", at(5)).await;
    let answer = one.logs_out(at(60)).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/access/?reason=logout#logout"))
    );
    assert!(one.cookies.is_empty());
    let answer = two.beats(Value::Null, at(70)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("logout"))
    );
    assert_eq!(
        other.beats(Value::Null, at(70)).await.status,
        StatusCode::OK
    );
    let rows = site.rows().await;
    assert_eq!(
        (rows[0].last_seen, rows[1].last_seen),
        (at(60), at(60)),
        "the second looked until it was ended"
    );
}

#[tokio::test]
async fn everywhere_reaches_as_far_as_the_owner_allows() {
    for (setting, wish, expected) in [
        ("logout", json!({}), StatusCode::UNAUTHORIZED),
        ("logout", json!({ "everywhere": false }), StatusCode::OK),
        ("logout", json!({ "reason": "idle" }), StatusCode::OK),
        (
            "logout,idle",
            json!({ "reason": "idle" }),
            StatusCode::UNAUTHORIZED,
        ),
        ("", json!({ "everywhere": true }), StatusCode::OK),
    ] {
        let site = Site::new(&[("EVERYWHERE_ON", setting)]);
        let (mut one, mut two) = (site.browser(), site.browser());
        one.enters("ann@example.com", START).await;
        two.enters("ann@example.com", START).await;
        let json_type = [("content-type", "application/json")];
        assert_eq!(
            one.send("POST", "/api/logout", &json_type, &wish.to_string(), at(60))
                .await
                .status,
            StatusCode::NO_CONTENT
        );
        assert_eq!(
            two.beats(Value::Null, at(70)).await.status,
            expected,
            "{setting} {wish}"
        );
    }
}

#[tokio::test]
async fn a_cookie_copied_before_logout_is_worth_nothing_after_it() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let mut thief = browser.clone();
    browser.logs_out(at(60)).await;
    let mut again = site.browser();
    again.enters("ann@example.com", at(70)).await;
    assert_eq!(
        thief.clone().beats(Value::Null, at(80)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert!(
        thief
            .clone()
            .refreshes(at(80))
            .await
            .location
            .unwrap()
            .starts_with("/access/")
    );
    thief.logs_out(at(80)).await;
    assert_eq!(
        again.beats(Value::Null, at(90)).await.status,
        StatusCode::OK,
        "nor can it log anybody out"
    );
}

#[tokio::test]
async fn a_word_of_the_owner_reaches_the_browser_with_its_next_heartbeat() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.revoke(&site.rows().await[0].id, at(50)).await;
    let answer = browser.beats(json!({ "page": "/" }), at(60)).await;
    assert_eq!(
        (&answer.json["reason"], &answer.json["protected"]),
        (&json!("revoked"), &json!(false))
    );
}

#[tokio::test]
async fn a_leaving_page_gets_no_cookie_and_loses_none() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let leaving = json!({ "seenSecondsAgo": 0, "leaving": true });
    let answer = browser.beats(leaving.clone(), at(60)).await;
    assert!(answer.status == StatusCode::OK && !answer.sets_cookies);
    assert_eq!(site.rows().await[0].last_seen, at(60));
    site.revoke(&site.rows().await[0].id, at(70)).await;
    let answer = browser.beats(leaving.clone(), at(80)).await;
    assert!(answer.status == StatusCode::UNAUTHORIZED && !answer.sets_cookies);
    site.store_is_down(true);
    let answer = browser.beats(leaving, at(80)).await;
    assert!(answer.status == StatusCode::SERVICE_UNAVAILABLE && !answer.sets_cookies);
}

#[tokio::test]
async fn figures_of_another_session_are_ignored() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let answer = browser
        .beats(
            json!({ "session": "999", "activeSeconds": 50, "seenSecondsAgo": 0 }),
            at(60),
        )
        .await;
    assert!(answer.status == StatusCode::OK && !answer.sets_cookies);
    let row = &site.rows().await[0];
    assert_eq!((row.last_seen, row.active_seconds), (START, None));
}

#[tokio::test]
async fn figures_of_another_session_tell_nobody_that_an_ended_one_is_open() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let mut copy = browser.clone();
    browser.logs_out(at(60)).await;
    let answer = copy.beats(json!({ "session": "999" }), at(70)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("logout"))
    );
}

#[tokio::test]
async fn coming_in_again_ends_the_session_that_was_open() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let mut copy = browser.clone();
    browser.enters("bob@example.com", at(60)).await;
    let rows = site.rows().await;
    assert_eq!(
        (rows[0].end_reason, rows[0].last_seen),
        (Some(EndReason::Logout), START)
    );
    assert_eq!(
        (rows[1].email.as_str(), rows[1].end_reason),
        ("bob@example.com", None)
    );
    assert_eq!(
        copy.beats(Value::Null, at(70)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        browser.beats(Value::Null, at(70)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_link_on_this_site_logs_out_and_any_other_only_asks() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let navigate = ("sec-fetch-mode", "navigate");
    for headers in [
        &[navigate, ("sec-fetch-site", "cross-site")][..],
        &[navigate, ("sec-fetch-site", "same-site")],
        // Typed by hand, or a link in a native app: nobody can tell.
        &[
            navigate,
            ("sec-fetch-site", "none"),
            ("sec-fetch-user", "?1"),
        ],
        &[
            ("accept", "text/html"),
            ("referer", "https://evil.example/"),
        ],
        &[
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        let answer = browser.send("GET", "/logout", headers, "", at(60)).await;
        assert!(
            answer.status == StatusCode::OK && !answer.sets_cookies,
            "{headers:?}"
        );
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("; style-src 'sha256-")
        );
    }
    for path in ["/logout", "/api/session-refresh"] {
        let ahead = [
            navigate,
            ("sec-fetch-site", "same-origin"),
            ("sec-purpose", "prefetch;prerender"),
        ];
        let answer = browser.send("GET", path, &ahead, "", at(60)).await;
        assert_eq!(
            (answer.status, answer.sets_cookies),
            (StatusCode::SERVICE_UNAVAILABLE, false)
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert_eq!(
        browser.beats(Value::Null, at(70)).await.status,
        StatusCode::OK
    );
    let own = [navigate, ("sec-fetch-site", "same-origin")];
    let answer = browser
        .send("GET", "/logout?reason=idle", &own, "", at(80))
        .await;
    assert_eq!(
        answer.headers["clear-site-data"],
        r#""cache", "prefetchCache", "prerenderCache""#
    );
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/access/?reason=idle#idle"))
    );
    assert_eq!(site.rows().await[0].end_reason, Some(EndReason::Idle));
}

#[tokio::test]
async fn a_link_to_logout_with_an_unknown_reason_logs_out() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let own = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let answer = browser
        .send("GET", "/logout?reason=bored", &own, "", at(60))
        .await;
    assert_eq!(
        answer.location.as_deref(),
        Some("/access/?reason=logout#logout")
    );
    assert_eq!(site.rows().await[0].end_reason, Some(EndReason::Logout));
}

#[tokio::test]
async fn another_site_can_neither_log_out_nor_beat() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let calls = site.store.calls.load(Ordering::SeqCst);
    for path in [
        "/api/logout",
        "/api/session-heartbeat",
        "/api/verify-temp-access",
    ] {
        let answer = browser
            .send(
                "POST",
                path,
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://evil.example"),
                ],
                "",
                at(60),
            )
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (StatusCode::FORBIDDEN, &json!("cross-site")),
            "{path}"
        );
    }
    assert_eq!(site.store.calls.load(Ordering::SeqCst), calls);
    assert!(!browser.cookies.is_empty());
}
