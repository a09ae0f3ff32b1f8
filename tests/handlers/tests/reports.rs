//! Reports while the store fails, and under a clock.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::atomic::Ordering;

use bytes::Bytes;
use handler_tests::{Site, at};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{Request, StatusCode};
use serde_json::Value;
use shared::email::Email;
use shared::store::Store;
use shared::timestamp::Timestamp;
use shared::web::Response;

const TOKEN: &str = "token-of-the-owner-in-tests-0123456789";
const REPORTS: [&str; 5] = [
    "/api/sessions",
    "/api/visitors",
    "/api/summary",
    "/api/sessions.csv",
    "/api/visitors.csv",
];

fn site() -> Site {
    Site::new(&[("ADMIN_TOKEN", TOKEN)])
}

async fn ask(site: &Site, path: &str, now: Timestamp) -> Response {
    let request = Request::get(path)
        .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
        .body(Bytes::new())
        .unwrap();
    sessions::handle(site.app.clone(), request, now).await
}

async fn told(site: &Site, path: &str, now: Timestamp) -> Value {
    let answer = ask(site, path, now).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    serde_json::from_slice(answer.body()).unwrap()
}

async fn comes_in(site: &Site, address: &str, now: Timestamp) -> String {
    let email = Email::parse(address).unwrap();
    let created = site.store.create(&email, now, None).await;
    created.unwrap().as_str().to_owned()
}

#[tokio::test]
async fn a_store_that_is_down_from_the_start_is_said_to_be() {
    let site = site();
    site.store.is_down.store(true, Ordering::SeqCst);
    for path in REPORTS.into_iter().chain(["/api/sessions/1"]) {
        let answer = ask(&site, path, at(0)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.headers().contains_key(RETRY_AFTER));
        let problem: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(problem["code"], "unavailable");
    }
}

#[tokio::test]
async fn what_was_read_before_an_outage_is_shown_with_its_time() {
    let site = site();
    comes_in(&site, "ann@example.com", at(0)).await;
    let before = told(&site, "/api/sessions", at(10)).await;
    site.store.is_down.store(true, Ordering::SeqCst);
    for path in REPORTS {
        assert_eq!(
            ask(&site, path, at(600)).await.status(),
            StatusCode::OK,
            "{path}"
        );
    }
    let during = told(&site, "/api/sessions", at(600)).await;
    assert_eq!(during["data"]["asOf"], before["data"]["asOf"]);
    assert_eq!(during["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_visit_goes_from_looking_to_open_to_vanished_by_the_clock_alone() {
    let site = site();
    comes_in(&site, "ann@example.com", at(0)).await;
    for (now, state, looking) in [
        (0, "open", true),
        (210, "open", true),
        (211, "open", false),
        (1_799, "open", false),
        (1_800, "vanished", false),
    ] {
        let answer = told(&site, "/api/sessions", at(now)).await;
        let visit = &answer["sessions"][0];
        assert_eq!(visit["state"], state, "after {now} s");
        assert_eq!(visit["looking"], looking, "after {now} s");
    }
}

#[tokio::test]
async fn the_row_that_ends_everything_is_no_visit_and_ends_what_had_begun() {
    let site = site();
    let before = comes_in(&site, "ann@example.com", at(0)).await;
    site.store.end_everything(at(50)).await.unwrap();
    let since = comes_in(&site, "bob@example.com", at(60)).await;
    let answer = told(&site, "/api/sessions", at(100)).await;
    let visits: Vec<_> = answer["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|visit| (visit["id"].as_str().unwrap(), visit["endReason"].as_str()))
        .collect();
    let expected = [(since.as_str(), None), (before.as_str(), Some("revoked"))];
    assert_eq!(visits, expected);
    assert_eq!(answer["data"]["rows"], 2);
    let everyone = ask(&site, "/api/sessions/2", at(100)).await;
    assert_eq!(everyone.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_visitor_who_was_forgotten_is_gone_within_seconds() {
    let site = site();
    let id = comes_in(&site, "ann@example.com", at(0)).await;
    assert_eq!(told(&site, "/api/visitors", at(1)).await["total"], 1);
    let id = shared::session::RecordId::new(id);
    site.store.delete(&[id]).await.unwrap();
    assert_eq!(told(&site, "/api/visitors", at(6)).await["total"], 0);
}

/// Lambda answers 6 MB at most, and every quote in JSON takes two bytes there.
const MOST_BYTES: usize = 2_500_000;

/// 120 visits of three visitors with 61 KB of page names each, all being looked at.
async fn large_rows(site: &Site) {
    let email = Email::parse("ann@example.com").unwrap();
    let id = site.store.create(&email, at(0), None).await.unwrap();
    let one = site.store.get(&id).await.unwrap();
    let figures = shared::session::PageFigures {
        seconds: 1,
        scroll: 50,
    };
    let name = |page: u64| format!("/{}{page:06}", "\u{1f600}".repeat(296));
    let visit = |number: u64| shared::session::Session {
        email: format!("visitor-{}@example.com", number % 3),
        pages: (0..50)
            .map(|page| (name(number * 50 + page), figures))
            .collect(),
        ..one.clone()
    };
    let visits: Vec<_> = (1..120).map(visit).collect();
    site.store.import(&visits).await.unwrap();
}

#[tokio::test]
async fn large_rows_make_shorter_pages_and_none_is_left_out() {
    let site = site();
    large_rows(&site).await;
    for (list, expected) in [("sessions", 120), ("visitors", 4)] {
        let mut seen = std::collections::BTreeSet::new();
        let mut path = format!("/api/{list}?limit=1000");
        loop {
            let answer = ask(&site, &path, at(10)).await;
            assert_eq!(answer.status(), StatusCode::OK, "{list}");
            assert!(answer.body().len() < MOST_BYTES, "{}", answer.body().len());
            let page: Value = serde_json::from_slice(answer.body()).unwrap();
            for one in page[list].as_array().unwrap() {
                let key = one.get("id").unwrap_or(&one["email"]);
                assert!(seen.insert(key.to_string()), "once");
            }
            assert_eq!(page["total"], expected);
            match page["next"].as_str() {
                Some(next) => path = format!("/api/{list}?limit=1000&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{list}");
    }
    for path in REPORTS {
        let answer = ask(&site, path, at(10)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.body().len() < MOST_BYTES, "{path}");
    }
}
