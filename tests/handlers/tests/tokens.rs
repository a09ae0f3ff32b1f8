//! Which row a token means, and what one may still do when its time is over.

use handler_tests::{Browser, START, Site, at};
use http::StatusCode;
use serde_json::{Value, json};
use shared::session::{EndReason, Session};

const JSON: (&str, &str) = ("content-type", "application/json");
const GRACE: u64 = 86_400;

async fn state(browser: &mut Browser<'_>, seconds: u64) -> Value {
    let path = "/api/session-heartbeat";
    browser.send("GET", path, &[], "", at(seconds)).await.json
}

fn figures(pages: u64) -> Value {
    json!({ "activeSeconds": pages, "seenSecondsAgo": 0, "pages": { "/a": { "seconds": pages } } })
}

/// Everything that a browser can ask for with its cookie, each time with the same one.
async fn tries_everything(browser: &Browser<'_>, seconds: u64) {
    let beat = json!({ "activeSeconds": 999, "page": "/x", "pages": { "/x": { "seconds": 999 } } });
    browser.clone().beats(beat.clone(), at(seconds)).await;
    state(&mut browser.clone(), seconds).await;
    browser.clone().refreshes(at(seconds)).await;
    browser.clone().logs_out(at(seconds)).await;
    let own = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let mut again = browser.clone();
    again.send("GET", "/logout", &own, "", at(seconds)).await;
    let mut idle = browser.clone();
    let wish = json!({ "reason": "idle", "everywhere": true }).to_string();
    idle.send("POST", "/api/logout", &[JSON], &wish, at(seconds))
        .await;
    let mut gone = browser.clone();
    gone.enters("eve@example.com", at(seconds)).await;
}

async fn rows_of(site: &Site, email: &str) -> Vec<Session> {
    let rows = site.rows().await.into_iter();
    rows.filter(|row| row.email == email).collect()
}

#[tokio::test]
async fn a_cookie_from_before_the_database_was_exchanged_reaches_nobodys_row() {
    let before = Site::new(&[]);
    let mut ann = before.browser();
    ann.enters("ann@example.com", START).await;
    ann.beats(figures(50), at(60)).await;
    for second in [70, 5] {
        let site = Site::new(&[]);
        let (mut bob, mut elsewhere) = (site.browser(), site.browser());
        bob.enters("bob@example.com", at(second)).await;
        elsewhere.enters("bob@example.com", at(second)).await;
        bob.beats(figures(3), at(second + 3)).await;
        assert_eq!(
            ann.claims().record,
            bob.claims().record,
            "the same id again"
        );
        let rows = rows_of(&site, "bob@example.com").await;
        let ann = ann.at(&site);
        tries_everything(&ann, 100).await;
        assert_eq!(rows_of(&site, "bob@example.com").await, rows);
        let answer = ann.clone().beats(Value::Null, at(100)).await;
        assert_eq!(
            (answer.status, &answer.json["reason"]),
            (StatusCode::UNAUTHORIZED, &json!("revoked"))
        );
        assert_eq!(bob.beats(Value::Null, at(110)).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_start_that_the_owner_edits_ends_the_session_and_costs_the_row_nothing() {
    for (start, is_open) in [
        ("2026-01-02T03:04:05Z", true),
        // The day alone, as a column without times has it.
        ("2026-01-02", true),
        ("2026-01-02T03:04:04Z", false),
        ("2026-01-02T00:00:00Z", false),
        ("2026-01-01", false),
        ("some day", false),
        ("", false),
    ] {
        let site = Site::new(&[]);
        let mut browser = site.browser();
        browser.enters("ann@example.com", START).await;
        browser.beats(figures(50), at(60)).await;
        site.types("sessionStartTime", start);
        let row = site.rows().await.remove(0);
        assert_eq!(
            state(&mut browser.clone(), 70).await["hasSession"],
            is_open,
            "{start}"
        );
        let answer = browser.beats(figures(60), at(70)).await;
        assert_eq!(answer.status == StatusCode::OK, is_open, "{start}");
        if !is_open {
            assert_eq!(answer.json["reason"], "revoked");
            assert_eq!(site.rows().await, [row]);
        }
    }
}

#[tokio::test]
async fn a_lifetime_shortened_during_a_visit_ends_it_then_and_takes_no_figure_back() {
    let site = Site::new(&[]);
    let (mut one, mut two) = (site.browser(), site.browser());
    one.enters("ann@example.com", START).await;
    two.enters("ann@example.com", at(10)).await;
    for minute in (20..=120).step_by(20) {
        one.beats(figures(minute * 50), at(minute * 60)).await;
        two.beats(figures(minute * 50), at(minute * 60)).await;
    }
    let today = [
        ("SESSION_LIFETIME_SECONDS", "8000"),
        ("MAX_SESSIONS_PER_VISITOR", "2"),
        ("ADMIN_TOKEN", "a-token-of-the-owner-of-at-least-32"),
    ];
    let site = site.restarted(&today);
    let (mut one, mut two) = (one.at(&site), two.at(&site));
    let answer = one.beats(figures(6_100), at(7_300)).await;
    assert_eq!(
        (
            answer.status,
            &answer.json["sessionExpiresInSeconds"],
            &answer.json["idleExpiresInSeconds"]
        ),
        (StatusCode::OK, &json!(700), &json!(700))
    );
    let row = site.rows().await.remove(0);
    assert_eq!(
        (row.active_seconds, row.pages["/a"].seconds),
        (Some(6_100), 6_100)
    );
    // It counts as open for whoever bounds sessions, and for the owner.
    let mut three = site.browser();
    three.enters("ann@example.com", at(7_350)).await;
    let open = site
        .rows()
        .await
        .iter()
        .filter(|row| row.end_reason.is_none())
        .count();
    assert_eq!(open, 2, "the one seen longest ago made room");
    assert_eq!(
        two.beats(Value::Null, at(7_360)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        one.beats(figures(6_200), at(7_999)).await.status,
        StatusCode::OK
    );
    let mut late = one.clone();
    let answer = one.beats(figures(6_300), at(8_000)).await;
    assert_eq!(answer.json["reason"], "expired");
    assert_eq!(
        late.refreshes(at(8_001)).await.location.as_deref(),
        Some("/access/?redirect=%2Fportfolio%2Fconfidential%2F&reason=expired#expired")
    );
    let body = json!({ "email": "ann@example.com" }).to_string();
    let owner = "a-token-of-the-owner-of-at-least-32";
    let answer = site
        .owner(owner, "/api/sessions/revoke", &body, at(8_002))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let reasons = site.rows().await.into_iter().map(|row| row.end_reason);
    let (expired, revoked) = (Some(EndReason::Expired), Some(EndReason::Revoked));
    assert_eq!(reasons.collect::<Vec<_>>(), [expired, revoked, revoked]);
}

#[tokio::test]
async fn past_its_deadline_a_token_ends_its_own_session_and_nothing_else() {
    // One second later, days later within the grace, and past it.
    for (seconds, everywhere) in [
        (1_800, "logout"),
        (1_860, "logout,idle"),
        (86_400 + GRACE - 1, "logout,idle"),
        (86_400 + GRACE, "logout,idle"),
        (10 * 86_400, "logout,idle"),
    ] {
        let site = Site::new(&[("EVERYWHERE_ON", everywhere)]);
        let mut thief = site.browser();
        thief.enters("ann@example.com", START).await;
        let mut ann = site.browser();
        ann.enters("ann@example.com", at(seconds - 30)).await;
        tries_everything(&thief, seconds).await;
        assert_eq!(
            ann.beats(Value::Null, at(seconds + 1)).await.status,
            StatusCode::OK,
            "{seconds}"
        );
        let row = &rows_of(&site, "ann@example.com").await[0];
        let is_token = seconds < 86_400 + GRACE;
        assert_eq!(
            row.end_reason,
            is_token.then_some(EndReason::Idle),
            "{seconds}"
        );
        let reason = if is_token { "idle" } else { "invalid" };
        let answer = thief.clone().beats(Value::Null, at(seconds)).await;
        assert_eq!(
            (answer.status, &answer.json["reason"]),
            (StatusCode::UNAUTHORIZED, &json!(reason)),
            "{seconds}"
        );
        assert_eq!(state(&mut thief.clone(), seconds).await["reason"], reason);
        let refreshed = thief.refreshes(at(seconds)).await.location.unwrap();
        assert!(
            refreshed.ends_with(&format!("reason={reason}#{reason}")),
            "{refreshed}"
        );
    }
}

#[tokio::test]
async fn past_its_deadline_a_token_edits_no_row_that_was_ended() {
    for queued in [None, Some(60)] {
        let site = Site::new(&[]);
        let mut browser = site.browser();
        browser.enters("ann@example.com", START).await;
        browser.beats(figures(50), at(60)).await;
        site.revoke(&browser.claims().record, at(70)).await;
        let row = site.rows().await;
        let again = match queued {
            None => site.restarted(&[]),
            every => site.restarted(&[]).with_queue(every).0,
        };
        tries_everything(&browser.at(&again), 1_900).await;
        assert_eq!(site.rows().await[0], row[0]);
    }
}

#[tokio::test]
async fn a_late_snapshot_is_kept_up_to_the_deadline_once() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    let late = |active: u64| json!({ "activeSeconds": active, "seenSecondsAgo": 400 });
    browser.clone().beats(late(1_500), at(2_000)).await;
    let row = site.rows().await.remove(0);
    assert_eq!(
        (row.end_reason, row.last_seen, row.active_seconds),
        (Some(EndReason::Idle), at(1_600), Some(1_500))
    );
    browser.beats(late(1_700), at(2_100)).await;
    assert_eq!(site.rows().await, [row]);
}

#[tokio::test]
async fn an_idle_page_ends_all_where_the_owner_wants_that() {
    for (seconds, expected) in [
        (1_799, StatusCode::UNAUTHORIZED),
        (1_802, StatusCode::UNAUTHORIZED),
        (1_900, StatusCode::OK),
    ] {
        let site = Site::new(&[("EVERYWHERE_ON", "logout,idle")]);
        let (mut one, mut two) = (site.browser(), site.browser());
        one.enters("ann@example.com", START).await;
        two.enters("ann@example.com", at(1_000)).await;
        let wish = json!({ "reason": "idle" }).to_string();
        one.send("POST", "/api/logout", &[JSON], &wish, at(seconds))
            .await;
        assert_eq!(
            two.beats(Value::Null, at(2_000)).await.status,
            expected,
            "{seconds}"
        );
    }
}
