//! To whom a session is sent, and when none is.

use std::time::Duration;

use super::*;
use shared::session::EndReason;

/// That no row was ever made: this one is the first.
async fn made_no_row(place: &Place) {
    let first = visit(
        sqlite(place).as_ref(),
        "ann@b.example",
        Timestamp::now(),
        0,
        None,
    )
    .await;
    assert_eq!(first.as_str(), "1");
}

#[track_caller]
fn not_tried(ran: &Ran, because: &str) {
    let minds = ran.marked('!');
    let line = format!("no visit was tried: {because}");
    assert!(minds.iter().any(|mind| mind.starts_with(&line)), "{ran:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn no_session_travels_over_plain_http() {
    let place = laptop().set("SITE_AUDIENCE", "localhost");
    let serving = Serving::start(&place);
    // Leads here, and is no address that only this machine has.
    let ran = doctor(&place, &serving.url.replace("127.0.0.1", "0.0.0.0"));
    assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
    not_tried(&ran, "over plain http");
    made_no_row(&place).await;
}

#[tokio::test]
async fn no_session_is_sent_to_what_is_not_the_api() {
    let place = laptop();
    let serving = Serving::start(&place);
    let url = proxy(&serving.url, Act::Pass, |head| {
        with(&head, "access-control-allow-origin: *")
    });
    let ran = doctor(&place, &url);
    only_wrong(&ran, "lets any site's scripts read its answers");
    not_tried(&ran, "its session is for the API alone");
    made_no_row(&place).await;
}

#[tokio::test]
async fn no_session_is_sent_to_another_time() {
    let place = laptop();
    let serving = Serving::start(&place);
    let late = proxy(&serving.url, Act::Pass, |head| {
        let date = "date: Fri, 02 Jan 2026 03:04:05 GMT";
        with(&without(&head, &["date"]), date)
    });
    let part = "no visit was tried: it is 2026-01-02T03:04:05Z by the API's clock and ";
    only_wrong(&doctor(&place, &late), part);
    let timeless = proxy(&serving.url, Act::Pass, |head| without(&head, &["date"]));
    let ran = doctor(&place, &timeless);
    assert_eq!(ran.code, 0, "{ran:?}");
    not_tried(&ran, "the API's answers come without Date");
    made_no_row(&place).await;
}

/// What asks about a session, which all but one question do.
fn asks_about_a_session(head: &str) -> bool {
    head.starts_with("GET /api/session-heartbeat ") && header(head, "cookie").is_some()
}

#[tokio::test]
async fn looking_ends_no_visitors_session_however_soon_the_settings_would() {
    let place = laptop();
    let theirs = sqlite(&place);
    let minute_ago = Timestamp::now().minus(60);
    let ann = visit(theirs.as_ref(), "ann@b.example", minute_ago, 30, None).await;
    let serving = Serving::start(&place);
    let slow = |head: String| {
        if asks_about_a_session(&head) {
            std::thread::sleep(Duration::from_millis(2_100));
        }
        Act::Pass(head)
    };
    let doctors = laptop().set("IDLE_TIMEOUT_SECONDS", "1");
    drop(sqlite(&doctors));
    let ran = doctor(&doctors, &proxy(&serving.url, slow, |head| head));
    only_wrong(&ran, "does not find the session's row");
    assert_eq!(theirs.get(&ann).await.unwrap().end_reason, None);
}

#[tokio::test]
async fn a_session_that_ended_before_it_began_is_in_another_store() {
    for reason in [
        EndReason::Idle,
        EndReason::Expired,
        EndReason::Logout,
        EndReason::Revoked,
    ] {
        let place = laptop();
        let theirs = sqlite(&place);
        let minute_ago = Timestamp::now().minus(60);
        visit(
            theirs.as_ref(),
            "ann@b.example",
            minute_ago,
            30,
            Some(reason),
        )
        .await;
        let serving = Serving::start(&place);
        let doctors = laptop();
        drop(sqlite(&doctors));
        // Whatever ended the row of that id: it began at another second, and is not the session's.
        let part = "answered with revoked — the API does not find the session's row";
        only_wrong(&doctor(&doctors, &serving.url), part);
    }
}

#[tokio::test]
async fn only_a_revoked_session_is_a_missed_one() {
    let place = laptop();
    let serving = Serving::start(&place);
    let asked = std::sync::atomic::AtomicU32::new(0);
    let forgetful = move |head: String| {
        let asks = asks_about_a_session(&head);
        if asks && asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            Act::Pass(without(&head, &["cookie"]))
        } else {
            Act::Pass(head)
        }
    };
    let ran = doctor(&place, &proxy(&serving.url, forgetful, |head| head));
    only_wrong(&ran, "is answered with missing, and not as revoked");
    assert_eq!(rows(sqlite(&place).as_ref()).await, 0);
}

#[tokio::test]
async fn what_a_server_says_cannot_command_the_terminal() {
    let place = laptop();
    let serving = Serving::start(&place);
    let shouts = |head: String| {
        if asks_about_a_session(&head) {
            page(r#"{"hasSession":false,"reason":"\u001b[2Jidle"}"#)
        } else {
            Act::Pass(head)
        }
    };
    let ran = doctor(&place, &proxy(&serving.url, shouts, |head| head));
    only_wrong(&ran, "is answered with \u{fffd}[2Jidle");
    assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
}
