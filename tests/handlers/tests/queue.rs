//! What waits behind a store that is away, and batched mode.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use handler_tests::{Browser, START, Site, at};
use http::StatusCode;
use serde_json::json;
use shared::queue::local::LocalQueue;
use shared::session::EndReason;
use shared::timestamp::Timestamp;
use writer::{Budget, Writer};

async fn write(site: &Site, queue: &LocalQueue, now: Timestamp) -> writer::Step {
    let settings = &site.app.settings;
    let writer = Writer {
        queue,
        store: site.app.store.as_ref(),
        limits: &settings.limits,
        rules: &settings.email_rules,
        budget: &Budget::per_second(1_000),
        board: None,
        ended: Some(site.app.writes.ended()),
    };
    writer.step(Duration::from_secs(10), now).await.unwrap()
}

async fn beats(browser: &mut Browser<'_>, active: u64, seconds: u64) -> StatusCode {
    let snapshot = json!({ "activeSeconds": active, "seenSecondsAgo": 0, "page": "/a" });
    browser.beats(snapshot, at(seconds)).await.status
}

#[tokio::test]
async fn what_the_store_cannot_take_is_as_good_as_written() {
    let (site, queue) = Site::new(&[]).with_queue(None);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    for minute in (3..90).step_by(3) {
        assert_eq!(
            beats(&mut browser, minute * 50, minute * 60).await,
            StatusCode::OK
        );
    }
    assert_eq!(browser.confirmed_at(), START, "nobody confirmed it");
    let step = write(&site, &queue, at(6_000)).await;
    assert_eq!((step.taken, step.rows, step.away.is_some()), (1, 0, true));
    site.store_is_down(false);
    let step = write(&site, &queue, at(6_020)).await;
    assert_eq!((step.sessions, step.rows, step.away), (1, 1, None));
    let row = &site.rows().await[0];
    assert_eq!(
        (row.last_seen, row.active_seconds),
        (at(87 * 60), Some(87 * 50))
    );
    assert_eq!(write(&site, &queue, at(9_000)).await.taken, 0);
}

#[tokio::test]
async fn a_store_that_failed_is_left_alone_for_a_moment() {
    let (site, _queue) = Site::new(&[]).with_queue(None);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    site.store_is_down(true);
    let before = site.store.calls.load(Ordering::SeqCst);
    for seconds in 10..14 {
        beats(&mut browser, 5, seconds).await;
    }
    assert_eq!(site.store.calls.load(Ordering::SeqCst) - before, 1);
    site.store_is_down(false);
    beats(&mut browser, 9, 16).await;
    assert_eq!(
        site.rows().await[0].active_seconds,
        Some(9),
        "and then asked again"
    );
}

#[tokio::test]
async fn a_log_out_in_an_outage_takes_effect_everywhere_when_it_is_over() {
    let (site, queue) = Site::new(&[]).with_queue(None);
    let (mut one, mut other) = (site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    other.enters("ann@example.com", START).await;
    let mut stranger = site.browser();
    stranger.enters("bob@example.com", START).await;
    site.store_is_down(true);
    assert_eq!(beats(&mut other, 50, 60).await, StatusCode::OK);
    assert_eq!(one.logs_out(at(70)).await.status, StatusCode::SEE_OTHER);
    assert!(one.cookies.is_empty(), "out at once");
    assert_eq!(
        beats(&mut other, 150, 180).await,
        StatusCode::OK,
        "nobody knows yet"
    );
    write(&site, &queue, at(200)).await;
    site.store_is_down(false);
    write(&site, &queue, at(300)).await;
    let rows = site.rows().await;
    for row in &rows[..2] {
        assert_eq!(
            (row.end_reason, row.ended_at),
            (Some(EndReason::Logout), Some(at(70)))
        );
        assert_eq!(row.last_seen, at(70), "not beyond the end");
    }
    assert_eq!((rows[2].end_reason, rows[2].last_seen), (None, START));
    assert_eq!(beats(&mut other, 200, 360).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn in_batched_mode_heartbeats_cost_the_store_nothing_and_endings_are_noticed() {
    let (site, queue) = Site::new(&[]).with_queue(Some(60));
    let (mut one, mut other) = (site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    other.enters("bob@example.com", START).await;
    beats(&mut one, 1, 10).await;
    let before = site.store.calls.load(Ordering::SeqCst);
    for seconds in 11..25 {
        assert_eq!(beats(&mut one, seconds / 2, seconds).await, StatusCode::OK);
        assert_eq!(
            beats(&mut other, seconds / 2, seconds).await,
            StatusCode::OK
        );
    }
    assert_eq!(
        site.store.calls.load(Ordering::SeqCst),
        before,
        "one question was enough"
    );
    assert_eq!(one.confirmed_at(), at(10), "when the store was asked");
    let id = other.claims().record;
    site.revoke(&id, at(26)).await;
    assert_eq!(
        beats(&mut other, 13, 29).await,
        StatusCode::OK,
        "not known yet"
    );
    let answer = other
        .beats(json!({ "activeSeconds": 15, "seenSecondsAgo": 0 }), at(31))
        .await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("revoked"))
    );
    let step = write(&site, &queue, at(100)).await;
    assert_eq!((step.sessions, step.rows), (2, 2));
    let rows = site.rows().await;
    assert_eq!(
        (rows[0].last_seen, rows[0].active_seconds),
        (at(24), Some(12))
    );
    assert_eq!(
        (rows[1].last_seen, rows[1].end_reason),
        (at(26), Some(EndReason::Revoked))
    );
}

#[tokio::test]
async fn in_batched_mode_a_log_out_is_written_at_once_and_stays() {
    let (site, queue) = Site::new(&[]).with_queue(Some(60));
    let (mut one, mut other) = (site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    other.enters("ann@example.com", START).await;
    beats(&mut one, 15, 20).await;
    one.logs_out(at(30)).await;
    let reasons = async || {
        let rows = site.rows().await;
        rows.iter()
            .map(|row| (row.end_reason, row.ended_at))
            .collect::<Vec<_>>()
    };
    let both = [(Some(EndReason::Logout), Some(at(30))); 2];
    assert_eq!(reasons().await, both);
    write(&site, &queue, at(200)).await;
    assert_eq!(reasons().await, both);
    let row = &site.rows().await[0];
    assert_eq!((row.last_seen, row.active_seconds), (at(30), Some(15)));
}

#[tokio::test]
async fn in_batched_mode_the_gate_neither_loops_nor_asks_for_each_page() {
    let (site, _queue) = Site::new(&[]).with_queue(Some(60));
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    browser.refreshes(at(100)).await;
    let before = site.store.calls.load(Ordering::SeqCst);
    for seconds in 101..115 {
        let answer = browser.refreshes(at(seconds)).await;
        assert_eq!(answer.location.as_deref(), Some("/portfolio/confidential/"));
        let age = at(seconds).since(browser.claims().last_asked());
        assert!(age <= 30, "fresh for the gate, {age} s");
    }
    assert_eq!(site.store.calls.load(Ordering::SeqCst), before);
    site.store_is_down(true);
    for seconds in [200, 300, 400] {
        let answer = browser.refreshes(at(seconds)).await;
        assert_eq!(answer.location.as_deref(), Some("/portfolio/confidential/"));
        let token = browser.claims();
        assert_eq!(
            token.last_asked(),
            at(seconds),
            "an outage keeps nobody out"
        );
        assert!(token.issued_at <= at(114), "and confirms nothing");
    }
}

#[tokio::test]
async fn in_batched_mode_whoever_may_not_come_in_any_more_is_found_out_by_the_writer() {
    let (site, queue) = Site::new(&[]).with_queue(Some(60));
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let (site, queue) = {
        drop(queue);
        site.restarted(&[("DENIED_EMAILS", "@example.com")])
            .with_queue(Some(60))
    };
    let mut browser = browser.at(&site);
    assert_eq!(beats(&mut browser, 5, 10).await, StatusCode::OK);
    write(&site, &queue, at(100)).await;
    assert_eq!(site.rows().await[0].end_reason, Some(EndReason::Revoked));
    assert_eq!(beats(&mut browser, 50, 140).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_log_out_is_looking_at_the_page_with_the_button() {
    let site = Site::new(&[]);
    for (page, expected) in [
        (
            "/portfolio/confidential/b",
            Some("/portfolio/confidential/b"),
        ),
        ("/logout", None),
    ] {
        let mut browser = site.browser();
        browser.enters("ann@example.com", START).await;
        browser.logs_out_from(page, at(10)).await;
        let row = site.rows().await.pop().unwrap();
        assert_eq!(row.current_page.as_deref(), expected);
    }
}

#[tokio::test]
async fn in_batched_mode_a_deleted_row_ends_its_session_with_the_next_write() {
    let (site, queue) = Site::new(&[]).with_queue(Some(60));
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    assert_eq!(beats(&mut browser, 15, 20).await, StatusCode::OK);
    let email = shared::email::Email::parse("ann@example.com").unwrap();
    let store = site.store.as_ref();
    shared::ending::forget(store, &email, 100).await.unwrap();
    assert_eq!(beats(&mut browser, 30, 40).await, StatusCode::OK);
    let step = write(&site, &queue, at(100)).await;
    assert_eq!((step.sessions, step.rows, step.deleted.len()), (1, 0, 1));
    let answer = browser
        .beats(json!({ "activeSeconds": 40, "seenSecondsAgo": 0 }), at(110))
        .await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!("revoked"))
    );
    assert!(site.rows().await.is_empty());
}
