//! What the owner does: ends sessions by the API, changes who may come in, bounds sessions, and
//! asks for consent.

use std::sync::atomic::Ordering;

use handler_tests::{START, Site, at};
use http::StatusCode;
use serde_json::{Value, json};
use shared::session::EndReason;

const TOKEN: &str = "an-owners-token-of-40-characters-exactly";

#[tokio::test]
async fn the_owner_ends_one_session_or_all_of_a_visitor() {
    let site = Site::new(&[("ADMIN_TOKEN", TOKEN)]);
    let (mut one, mut two, mut bob) = (site.browser(), site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    two.enters("ann@example.com", START).await;
    bob.enters("bob@example.com", START).await;
    let id = site.rows().await[0].id.clone();

    let answer = site
        .owner(TOKEN, &format!("/api/sessions/{id}/revoke"), "", at(10))
        .await;
    assert_eq!(
        (answer.status, &answer.json["ended"]),
        (StatusCode::OK, &json!(1))
    );
    let answer = site
        .owner(TOKEN, &format!("/api/sessions/{id}/revoke"), "", at(11))
        .await;
    assert_eq!(
        (&answer.json["ended"], &answer.json["endReason"]),
        (&json!(0), &json!("revoked")),
        "a second time changes nothing"
    );
    assert_eq!(
        one.beats(Value::Null, at(12)).await.json["reason"],
        "revoked"
    );
    assert_eq!(two.beats(Value::Null, at(12)).await.status, StatusCode::OK);

    let body = json!({ "email": "Ann@example.com" }).to_string();
    let answer = site
        .owner(TOKEN, "/api/sessions/revoke", &body, at(20))
        .await;
    assert_eq!(
        (answer.status, &answer.json["ended"]),
        (StatusCode::OK, &json!(1))
    );
    assert_eq!(
        two.beats(Value::Null, at(21)).await.json["reason"],
        "revoked"
    );
    assert_eq!(bob.beats(Value::Null, at(21)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_owner_ends_everything_at_once() {
    let site = Site::new(&[("ADMIN_TOKEN", TOKEN)]);
    let (mut ann, mut bob) = (site.browser(), site.browser());
    ann.enters("ann@example.com", START).await;
    bob.enters("bob@example.com", START).await;
    let answer = site
        .owner(TOKEN, "/api/sessions/revoke", r#"{"all":true}"#, at(30))
        .await;
    assert_eq!(
        (answer.status, &answer.json["ended"], &answer.json["more"]),
        (StatusCode::OK, &json!(2), &json!(false))
    );
    let mut since = site.browser();
    since.enters("ann@example.com", at(31)).await;
    for browser in [&mut ann, &mut bob] {
        assert_eq!(
            browser.beats(Value::Null, at(40)).await.json["reason"],
            "revoked"
        );
    }
    assert_eq!(
        since.beats(Value::Null, at(40)).await.status,
        StatusCode::OK
    );
    let rest = json!({ "all": true, "before": answer.json["before"] }).to_string();
    let again = site
        .owner(TOKEN, "/api/sessions/revoke", &rest, at(50))
        .await;
    assert_eq!(again.json["ended"], 0);
    assert_eq!(
        since.beats(Value::Null, at(60)).await.status,
        StatusCode::OK,
        "going on with the rows ends nobody who came since"
    );
}

#[tokio::test]
async fn rows_that_cannot_be_closed_make_nobody_end_everything_twice() {
    let site = Site::new(&[("ADMIN_TOKEN", TOKEN)]);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    site.store.lists_nothing_open.store(true, Ordering::SeqCst);
    let all = r#"{"all":true}"#;
    let answer = site.owner(TOKEN, "/api/sessions/revoke", all, at(30)).await;
    assert_eq!(
        (answer.status, &answer.json["more"]),
        (StatusCode::OK, &json!(true))
    );
    assert_eq!(
        ann.beats(Value::Null, at(40)).await.json["reason"],
        "revoked"
    );
    let rest = json!({ "all": true, "before": answer.json["before"] }).to_string();
    let answer = site
        .owner(TOKEN, "/api/sessions/revoke", &rest, at(50))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn nobody_else_ends_anything() {
    let site = Site::new(&[("ADMIN_TOKEN", TOKEN)]);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let without = Site::new(&[]);
    for (site, token) in [
        (&site, ""),
        (&site, "wrong-token-that-is-as-long-as-the-real1"),
        (&without, TOKEN),
        (&without, ""),
    ] {
        for path in ["/api/sessions/1/revoke", "/api/sessions/revoke"] {
            let answer = site.owner(token, path, r#"{"all":true}"#, at(5)).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (StatusCode::UNAUTHORIZED, &json!("not-the-owner"))
            );
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }
    assert_eq!(ann.beats(Value::Null, at(10)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unclear_wish_of_the_owner_ends_nothing() {
    let site = Site::new(&[("ADMIN_TOKEN", TOKEN)]);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    for (path, body, status, code) in [
        ("/api/sessions/revoke", "", 400, "invalid-body"),
        (
            "/api/sessions/revoke",
            r#"{"all":false}"#,
            400,
            "invalid-body",
        ),
        (
            "/api/sessions/revoke",
            r#"{"all":true,"email":"ann@example.com"}"#,
            400,
            "invalid-body",
        ),
        (
            "/api/sessions/revoke",
            r#"{"email":"ann"}"#,
            400,
            "invalid-email",
        ),
        (
            "/api/sessions/revoke",
            r#"{"all":true,"before":"soon"}"#,
            400,
            "invalid-before",
        ),
        (
            "/api/sessions/revoke",
            r#"{"all":true,"before":5}"#,
            400,
            "invalid-before",
        ),
        (
            "/api/sessions/revoke",
            r#"{"all":true,"email":{"of":"ann@example.com"}}"#,
            400,
            "invalid-email",
        ),
        (
            "/api/sessions/revoke",
            r#"{"all":true,"before":"2999-01-01T00:00:00Z"}"#,
            400,
            "invalid-before",
        ),
        ("/api/sessions/4711/revoke", "", 404, "not-found"),
        ("/api/sessions//revoke", "", 404, "not-found"),
        ("/api/sessions/1", "", 405, "method-not-allowed"),
        ("/api/sessions/1/2", "", 404, "not-found"),
    ] {
        let answer = site.owner(TOKEN, path, body, at(5)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["code"]),
            (status, &json!(code)),
            "{path} {body}"
        );
    }
    assert_eq!(ann.beats(Value::Null, at(10)).await.status, StatusCode::OK);
    site.store_is_down(true);
    let answer = site
        .owner(TOKEN, "/api/sessions/revoke", r#"{"all":true}"#, at(20))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn whoever_may_not_come_in_any_more_is_out_with_the_next_heartbeat() {
    for (rules, ann, bob) in [
        (("DENIED_EMAILS", "ann@example.com"), 401, 200),
        (("DENIED_EMAILS", "@example.com"), 401, 401),
        (("ALLOWED_EMAILS", "bob@example.com"), 401, 200),
    ] {
        let site = Site::new(&[]);
        let (mut one, mut other) = (site.browser(), site.browser());
        one.enters("ann@example.com", START).await;
        other.enters("bob@example.com", START).await;
        let restarted = site.restarted(&[rules]);
        let (mut one, mut other) = (one.at(&restarted), other.at(&restarted));
        let mut opens_a_page = one.clone();
        assert_eq!(
            one.beats(Value::Null, at(60)).await.status.as_u16(),
            ann,
            "{rules:?}"
        );
        assert_eq!(
            other.beats(Value::Null, at(60)).await.status.as_u16(),
            bob,
            "{rules:?}"
        );
        let row = &site.rows().await[0];
        assert_eq!(
            (row.end_reason, row.ended_at, row.last_seen),
            (Some(EndReason::Revoked), Some(at(60)), at(60))
        );
        let answer = opens_a_page.refreshes(at(70)).await;
        assert!(answer.location.unwrap().contains("reason=revoked"));
    }
}

#[tokio::test]
async fn opening_a_page_applies_changed_rules_as_well() {
    let site = Site::new(&[]);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let restarted = site.restarted(&[("DENIED_EMAILS", "@example.com")]);
    let mut ann = ann.at(&restarted);
    let answer = ann.refreshes(at(70)).await;
    assert!(answer.location.unwrap().contains("reason=revoked"));
    assert!(ann.cookies.is_empty());
    assert_eq!(site.rows().await[0].end_reason, Some(EndReason::Revoked));
}

#[tokio::test]
async fn a_visitor_has_as_many_sessions_as_the_owner_allows() {
    let site = Site::new(&[("MAX_SESSIONS_PER_VISITOR", "2")]);
    let mut browsers = [site.browser(), site.browser(), site.browser()];
    for (second, browser) in (0..).zip(&mut browsers) {
        browser.enters("ann@example.com", at(second)).await;
    }
    let [one, two, three] = &mut browsers;
    assert_eq!(
        one.beats(Value::Null, at(10)).await.json["reason"],
        "revoked"
    );
    assert_eq!(two.beats(Value::Null, at(10)).await.status, StatusCode::OK);
    assert_eq!(
        three.beats(Value::Null, at(10)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn nobody_comes_in_without_agreeing_to_the_text_of_today() {
    let site = Site::new(&[("CONSENT_VERSION", "2026-11")]);
    let mut browser = site.browser();
    let json_type = [("content-type", "application/json")];
    for consent in [json!(null), json!(""), json!("2026-10"), json!(true)] {
        let body = json!({ "email": "ann@example.com", "consent": consent }).to_string();
        let answer = browser
            .send("POST", "/api/verify-temp-access", &json_type, &body, START)
            .await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (StatusCode::BAD_REQUEST, &json!("consent-missing")),
            "{consent}"
        );
    }
    assert!(site.rows().await.is_empty() && browser.cookies.is_empty());
    let body = json!({ "email": "ann@example.com", "consent": "2026-11" }).to_string();
    let answer = browser
        .send("POST", "/api/verify-temp-access", &json_type, &body, START)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_deadline_that_passed_is_written_down_even_by_a_question() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let answer = browser
        .send("GET", "/api/session-heartbeat", &[], "", at(1_800))
        .await;
    assert_eq!(
        (&answer.json["hasSession"], &answer.json["reason"]),
        (&json!(false), &json!("idle"))
    );
    let row = &site.rows().await[0];
    assert_eq!(
        (row.end_reason, row.last_seen),
        (Some(EndReason::Idle), START)
    );
}
