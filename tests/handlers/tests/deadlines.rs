//! Both deadlines through the handlers, to the second, and what is written when they pass.

use handler_tests::{START, Site, at};
use http::StatusCode;
use serde_json::{Value, json};
use shared::session::EndReason;

#[tokio::test]
async fn a_heartbeat_in_the_last_second_extends_and_one_second_later_ends() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let mut late = browser.clone();
    let answer = browser.beats(Value::Null, at(1_799)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json["idleExpiresInSeconds"], 1_800);
    assert_eq!(answer.json["sessionExpiresInSeconds"], 86_400 - 1_799);
    assert_eq!(answer.json["timestamp"], at(1_799).to_string());

    let answer = late.beats(Value::Null, at(1_800)).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("idle"))
    );
    assert!(late.cookies.is_empty());
}

#[tokio::test]
async fn a_session_ends_at_its_lifetime_however_busy_it_is() {
    let site = Site::new(&[
        ("IDLE_TIMEOUT_SECONDS", "60"),
        ("SESSION_LIFETIME_SECONDS", "120"),
    ]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    for second in [30, 60, 90, 119] {
        assert_eq!(
            browser.beats(Value::Null, at(second)).await.status,
            StatusCode::OK,
            "{second}"
        );
    }
    let answer = browser
        .beats(
            json!({ "activeSeconds": 119, "seenSecondsAgo": 0 }),
            at(120),
        )
        .await;
    assert_eq!(answer.json["reason"], "expired");
    let row = &site.rows().await[0];
    assert_eq!(
        (row.end_reason, row.ended_at, row.last_seen),
        (Some(EndReason::Expired), Some(at(120)), at(120))
    );
    assert_eq!(row.active_seconds, Some(119), "the last figures are kept");
}

#[tokio::test]
async fn an_idle_ending_is_written_with_the_figures_up_to_the_deadline() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let asleep = json!({ "activeSeconds": 300, "seenSecondsAgo": 9_700, "page": "/portfolio/confidential/" });
    let answer = browser.beats(asleep, at(10_000)).await;
    assert_eq!(
        (&answer.json["reason"], &answer.json["protected"]),
        (&json!("idle"), &json!(true))
    );
    let row = &site.rows().await[0];
    assert_eq!(
        (row.end_reason, row.ended_at),
        (Some(EndReason::Idle), Some(at(10_000)))
    );
    assert_eq!((row.last_seen, row.active_seconds), (at(300), Some(300)));
}

#[tokio::test]
async fn a_stale_page_of_an_idle_session_leads_to_the_gate_and_records_why() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let answer = browser.refreshes(at(1_800)).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(
        answer.location.as_deref(),
        Some("/access/?redirect=%2Fportfolio%2Fconfidential%2F&reason=idle#idle")
    );
    assert!(browser.cookies.is_empty());
    let row = &site.rows().await[0];
    assert_eq!(
        (row.end_reason, row.last_seen),
        (Some(EndReason::Idle), START)
    );
}

#[tokio::test]
async fn opening_a_page_with_a_stale_token_counts_as_a_heartbeat_and_a_picture_does_not() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let picture = browser
        .send(
            "GET",
            "/api/session-refresh?redirect=%2Fx.png",
            &[("sec-fetch-mode", "no-cors")],
            "",
            at(300),
        )
        .await;
    assert_eq!(
        (picture.status, picture.location.as_deref()),
        (StatusCode::FOUND, Some("/x.png"))
    );
    // A prefetch, and a page that loads itself again.
    let navigate = ("sec-fetch-mode", "navigate");
    for (headers, status) in [
        (
            &[navigate, ("sec-purpose", "prefetch")][..],
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (
            &[navigate, ("sec-fetch-site", "same-origin")],
            StatusCode::FOUND,
        ),
        (
            &[navigate, ("sec-fetch-site", "cross-site")],
            StatusCode::FOUND,
        ),
    ] {
        let path = "/api/session-refresh?redirect=%2F";
        let deadline = browser.claims().idle_deadline;
        let answer = browser.send("GET", path, headers, "", at(350)).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(browser.claims().idle_deadline, deadline, "{headers:?}");
    }
    assert_eq!(site.rows().await[0].last_seen, START);
    browser.refreshes(at(400)).await;
    assert_eq!(site.rows().await[0].last_seen, at(400));
}

#[tokio::test]
async fn asking_for_the_state_extends_nothing() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    let ask = async |browser: &mut handler_tests::Browser<'_>, now| {
        browser
            .send("GET", "/api/session-heartbeat", &[], "", now)
            .await
            .json
    };
    assert_eq!(
        ask(&mut browser, START).await,
        json!({ "hasSession": false, "reason": "missing" })
    );
    browser.enters("ann@example.com", START).await;
    assert_eq!(
        ask(&mut browser, at(1_799)).await,
        json!({ "hasSession": true, "idleExpiresInSeconds": 1 })
    );
    assert_eq!(
        ask(&mut browser, at(1_800)).await,
        json!({ "hasSession": false, "reason": "idle" })
    );
    assert_eq!(site.rows().await[0].last_seen, START);
}

#[tokio::test]
async fn logging_out_after_the_deadline_records_the_deadline() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    browser.logs_out(at(5_000)).await;
    assert_eq!(site.rows().await[0].end_reason, Some(EndReason::Idle));
}
