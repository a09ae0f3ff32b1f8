//! The store does not answer: closed at the door, patient inside.

use std::sync::atomic::Ordering;

use handler_tests::{START, Site, at};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

#[tokio::test]
async fn nobody_comes_in_unrecorded() {
    let site = Site::new(&[]);
    site.store_is_down(true);
    let mut browser = site.browser();
    let answer = browser.enters("ann@example.com", START).await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
    );
    assert!(answer.headers.contains_key(RETRY_AFTER) && !answer.sets_cookies);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = browser
        .send(
            "POST",
            "/api/verify-temp-access",
            &form,
            "email=ann%40example.com",
            START,
        )
        .await;
    assert_eq!(
        answer.location.as_deref(),
        Some("/access/?error=unavailable#unavailable")
    );
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_visitor_inside_is_not_thrown_out_by_an_outage() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    // Longer than the idle timeout, with a heartbeat every three minutes.
    for minute in (3..60).step_by(3) {
        let answer = browser
            .beats(
                json!({ "activeSeconds": minute * 60, "seenSecondsAgo": 0 }),
                at(minute * 60),
            )
            .await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers.contains_key(RETRY_AFTER) && answer.sets_cookies);
        let left = [
            &answer.json["idleExpiresInSeconds"],
            &answer.json["sessionExpiresInSeconds"],
        ];
        assert_eq!(
            left,
            [&json!(1_800), &json!(86_400 - minute * 60)],
            "the page learns that its deadline moved"
        );
    }
    site.store_is_down(false);
    let answer = browser
        .beats(
            json!({ "activeSeconds": 3_600, "seenSecondsAgo": 0 }),
            at(3_600),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let row = &site.rows().await[0];
    assert_eq!(
        (row.last_seen, row.active_seconds),
        (at(3_600), Some(3_600)),
        "nothing is lost"
    );
}

#[tokio::test]
async fn an_outage_neither_loops_nor_extends() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    let answer = browser.refreshes(at(100)).await;
    assert_eq!(
        (answer.status, answer.location.as_deref()),
        (StatusCode::FOUND, Some("/portfolio/confidential/"))
    );
    let token = browser.claims();
    assert_eq!(
        (token.issued_at, token.asked, token.idle_deadline),
        (START, Some(at(100)), at(1_800)),
        "fresh for the gate, or the browser would come back at once; and nothing else"
    );
    let answer = browser.refreshes(at(1_800)).await;
    assert!(
        answer.location.unwrap().ends_with("reason=idle#idle"),
        "the deadline stood still"
    );
}

#[tokio::test]
async fn what_nobody_could_confirm_for_four_hours_ends() {
    for with_queue in [false, true] {
        let site = Site::new(&[]);
        let mut browser = site.browser();
        browser.enters("ann@example.com", START).await;
        browser.beats(Value::Null, at(600)).await;
        let cookies = browser.cookies.clone();
        let site = if with_queue {
            site.restarted(&[]).with_queue(None).0
        } else {
            site.restarted(&[])
        };
        let mut browser = site.browser();
        browser.cookies = cookies;
        site.store_is_down(true);
        let four_hours = 600 + 4 * 3_600;
        for seconds in (700..four_hours).step_by(100) {
            if seconds % 1_000 == 0 {
                browser.refreshes(at(seconds)).await;
            }
            let answer = browser
                .beats(json!({ "seenSecondsAgo": 0 }), at(seconds))
                .await;
            assert!(answer.sets_cookies, "{seconds}");
            let left = answer.json["idleExpiresInSeconds"].as_u64().unwrap();
            assert_eq!(left, (four_hours - seconds).min(1_800), "{seconds}");
        }
        assert_eq!(browser.confirmed_at(), at(600));
        let answer = browser.beats(Value::Null, at(four_hours)).await;
        assert_eq!(answer.json["reason"], "idle", "queue: {with_queue}");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_is_given_no_cookie() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let mut limited = 0;
    for _ in 0..200 {
        let answer = browser.beats(Value::Null, at(60)).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(!answer.sets_cookies);
            limited += 1;
        }
        let answer = browser.refreshes(at(60)).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(!answer.sets_cookies);
            limited += 1;
        }
    }
    assert!(limited > 0);
}

/// The one wait in these tests: how long a store takes is measured, and cannot be passed.
#[tokio::test]
async fn a_token_is_as_fresh_as_the_stores_answer_however_long_that_took() {
    let site = Site::new(&[("COOKIE_SECURE", "false")]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store.delay.store(1_100, Ordering::SeqCst);
    for is_down in [true, false] {
        site.store_is_down(is_down);
        browser.refreshes(at(100)).await;
        let confirmed_at = browser.claims().last_asked();
        // Whole seconds of what it took, and never none.
        assert!(
            (at(101)..=at(103)).contains(&confirmed_at),
            "store down: {is_down}, {confirmed_at:?}"
        );
    }
}

#[tokio::test]
async fn the_lifetime_ends_a_session_in_an_outage_too() {
    let site = Site::new(&[
        ("IDLE_TIMEOUT_SECONDS", "60"),
        ("SESSION_LIFETIME_SECONDS", "100"),
    ]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    browser.beats(Value::Null, at(50)).await;
    assert_eq!(
        browser.beats(Value::Null, at(99)).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        browser.beats(Value::Null, at(100)).await.json["reason"],
        "expired"
    );
}

#[tokio::test]
async fn logging_out_in_an_outage_still_logs_this_browser_out() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    let answer = browser.logs_out(at(60)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn asking_for_the_state_says_that_nobody_knows() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    let answer = browser
        .send("GET", "/api/session-heartbeat", &[], "", at(10))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!browser.cookies.is_empty());
}
