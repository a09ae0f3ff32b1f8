//! Flood limits at the gate: who is refused, for how long, and who is not.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::sync::atomic::Ordering;

use handler_tests::{Answer, START, Site, at};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use shared::session::EndReason;
use shared::timestamp::Timestamp;

const CODES: [(&str, &str); 2] = [("VERIFY_EMAIL", "code"), ("MAIL_FROM", "gate@example.com")];

/// One post of this email from this address, as the proxy in front tells it.
async fn post(site: &Site, from: &str, email: &str, now: Timestamp) -> Answer {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/json"),
        ("x-forwarded-for", from),
    ];
    let body = json!({ "email": email }).to_string();
    site.browser()
        .send("POST", "/api/verify-temp-access", &headers, &body, now)
        .await
}

fn seconds(answer: &Answer) -> u64 {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json["code"], "limited");
    assert!(!answer.sets_cookies);
    let header = answer.headers[RETRY_AFTER].to_str().unwrap();
    header.parse().unwrap()
}

#[tokio::test]
async fn one_address_enters_twenty_at_once_and_then_one_in_three_seconds() {
    let site = Site::new(&[]);
    let email = |n: u64| format!("visitor-{n}@example.com");
    for n in 0..20 {
        let answer = post(&site, "192.0.2.1", &email(n), START).await;
        assert_eq!(answer.status, StatusCode::OK, "{n}");
    }
    assert_eq!(
        seconds(&post(&site, "192.0.2.1", &email(20), START).await),
        3
    );
    assert_eq!(
        seconds(&post(&site, "192.0.2.1", &email(20), at(2)).await),
        1
    );
    let answer = post(&site, "192.0.2.1", &email(20), at(3)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        seconds(&post(&site, "192.0.2.1", &email(21), at(3)).await),
        3
    );
    assert_eq!(site.rows().await.len(), 21);
    let answer = post(&site, "192.0.2.2", &email(21), at(3)).await;
    assert_eq!(answer.status, StatusCode::OK, "others are not concerned");
}

#[tokio::test]
async fn what_a_client_writes_into_the_header_gives_it_no_other_bucket() {
    let site = Site::new(&[]);
    for n in 0..20 {
        let from = format!("10.0.0.{n}, 192.0.2.1");
        let email = format!("visitor-{n}@example.com");
        assert_eq!(
            post(&site, &from, &email, START).await.status,
            StatusCode::OK
        );
    }
    seconds(&post(&site, "10.0.0.99, 192.0.2.1", "x@example.com", START).await);
}

#[tokio::test]
async fn who_cannot_be_told_apart_shares_one_bucket() {
    let site = Site::new(&[]);
    for n in 0..20 {
        let email = format!("visitor-{n}@example.com");
        assert_eq!(
            site.browser().enters(&email, START).await.status,
            StatusCode::OK
        );
    }
    seconds(&site.browser().enters("x@example.com", START).await);
}

#[tokio::test]
async fn a_stranger_elsewhere_cannot_lock_a_visitor_out() {
    let site = Site::new(&[]);
    let (mut refused, mut let_in) = (0, 0);
    // An hour of as many tries as there are seconds, all for one visitor.
    for second in 0..3_600 {
        match post(&site, "203.0.113.9", "anna@example.com", at(second))
            .await
            .status
        {
            StatusCode::OK => let_in += 1,
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            status => panic!("{status}"),
        }
    }
    assert!(refused > 3_000 && let_in > 0, "{refused} {let_in}");
    let anna = post(&site, "192.0.2.1", "anna@example.com", at(3_600)).await;
    assert_eq!(anna.status, StatusCode::OK);
}

#[tokio::test]
async fn many_strangers_lock_a_visitor_out_only_while_they_keep_at_it() {
    let site = Site::new(&[]);
    for n in 0..40 {
        post(&site, &format!("203.0.113.{n}"), "anna@example.com", START).await;
    }
    let wait = seconds(&post(&site, "192.0.2.1", "anna@example.com", START).await);
    assert!(wait <= 10, "{wait}");
    let anna = post(&site, "192.0.2.1", "anna@example.com", at(wait)).await;
    assert_eq!(anna.status, StatusCode::OK);
}

#[tokio::test]
async fn the_whole_site_takes_a_hundred_at_once() {
    let site = Site::new(&[]);
    for n in 0..100 {
        let email = format!("visitor-{n}@example.com");
        let answer = post(&site, &format!("203.0.113.{n}"), &email, START).await;
        assert_eq!(answer.status, StatusCode::OK, "{n}");
    }
    assert_eq!(
        seconds(&post(&site, "192.0.2.1", "x@example.com", START).await),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn mails_have_a_tighter_limit_and_it_is_the_same_for_everybody() {
    let denied = ("DENIED_EMAILS", "eve@example.com");
    let site = Site::new(&[CODES.as_slice(), &[denied]].concat());
    for (from, email) in [
        ("192.0.2.1", "anna@example.com"),
        ("192.0.2.2", "eve@example.com"),
    ] {
        for n in 0..3 {
            let answer = post(&site, from, email, at(n)).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{email} {n}");
        }
        assert_eq!(seconds(&post(&site, from, email, at(3)).await), 177);
    }
    assert_eq!(site.postbox.count(), 3);

    // From ever other addresses, one visitor gets six mails and then one a minute.
    let mut mailed = 0;
    for n in 0..50 {
        let from = format!("203.0.113.{n}");
        let answer = post(&site, &from, "ben@example.com", at(4)).await;
        mailed += usize::from(answer.status == StatusCode::ACCEPTED);
    }
    assert_eq!(mailed, 6);
    let answer = post(&site, "198.51.100.1", "ben@example.com", at(64)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn tries_have_a_limit_of_their_own_across_codes() {
    let site = Site::new(&CODES);
    let mut statuses = Vec::new();
    let headers = [
        (CONTENT_TYPE.as_str(), "application/json"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let path = "/api/verify-temp-access";
    for _ in 0..3 {
        let mut browser = site.browser();
        let email = json!({ "email": "anna@example.com" }).to_string();
        browser.send("POST", path, &headers, &email, START).await;
        for _ in 0..5 {
            let code = json!({ "code": "7777-7777" }).to_string();
            let answer = browser.send("POST", path, &headers, &code, START).await;
            statuses.push(answer.status);
        }
    }
    let tried = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!(tried(StatusCode::FORBIDDEN), 10, "{statuses:?}");
    assert_eq!(tried(StatusCode::TOO_MANY_REQUESTS), 5, "{statuses:?}");
}

#[tokio::test]
async fn a_form_is_told_at_the_gate() {
    let site = Site::new(&[]);
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let mut location = None;
    for n in 0..21 {
        let form = format!("email=visitor-{n}%40example.com");
        let answer = site
            .browser()
            .send("POST", "/api/verify-temp-access", &headers, &form, START)
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        location = answer.location;
    }
    assert_eq!(location.unwrap(), "/access/?error=limited#limited");
}

#[tokio::test]
async fn allowed_and_unknown_addresses_are_limited_alike() {
    let site = Site::new(&[("ALLOWED_EMAILS", "anna@example.com")]);
    for (email, from) in [
        ("anna@example.com", "192.0.2.1"),
        ("x@example.com", "192.0.2.2"),
    ] {
        for _ in 0..10 {
            assert_ne!(
                post(&site, from, email, START).await.status,
                StatusCode::TOO_MANY_REQUESTS
            );
        }
        assert_eq!(seconds(&post(&site, from, email, START).await), 30);
    }
}

#[tokio::test]
async fn the_limits_can_be_left_to_what_stands_in_front() {
    let site = Site::new(&[("FLOOD_LIMITS", "off")]);
    for n in 0..150 {
        let answer = post(&site, "192.0.2.1", "anna@example.com", START).await;
        assert_eq!(answer.status, StatusCode::OK, "{n}");
    }
}

#[tokio::test]
async fn one_session_cannot_use_up_the_store_for_everybody() {
    let site = Site::new(&[]);
    let (mut ann, mut bob) = (site.browser(), site.browser());
    ann.enters("ann@example.com", START).await;
    bob.enters("bob@example.com", START).await;
    for _ in 0..20 {
        assert_eq!(ann.beats(Value::Null, START).await.status, StatusCode::OK);
    }
    let asked = site.store.calls.load(Ordering::SeqCst);
    let answer = ann.beats(Value::Null, START).await;
    assert_eq!(
        (answer.status, &answer.json["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("limited"))
    );
    assert!(answer.headers.contains_key(RETRY_AFTER) && !answer.sets_cookies);
    assert_eq!(
        ann.refreshes(START).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(site.store.calls.load(Ordering::SeqCst), asked);
    assert_eq!(bob.beats(Value::Null, START).await.status, StatusCode::OK);
    assert_eq!(ann.beats(Value::Null, at(2)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_holds_a_copy_of_a_cookie_cannot_keep_its_visitor_from_logging_out() {
    let site = Site::new(&[]);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let mut copy = ann.clone();
    for _ in 0..40 {
        copy.beats(Value::Null, START).await;
    }
    ann.logs_out(START).await;
    assert_eq!(
        site.rows().await[0].end_reason,
        Some(EndReason::Logout),
        "it was ended in the store"
    );
    for _ in 0..20 {
        copy.clone().logs_out(START).await;
    }
    let asked = site.store.calls.load(Ordering::SeqCst);
    assert!(copy.logs_out(START).await.sets_cookies, "out is out");
    assert_eq!(
        site.store.calls.load(Ordering::SeqCst),
        asked,
        "without asking again"
    );
}

/// As seen: twenty networks guessed five times a second, and kept a newcomer out in 12 of 13 tries.
#[tokio::test]
async fn whoever_guesses_the_passcode_keeps_nobody_out_who_knows_it() {
    let site = Site::new(&[("ACCESS_PASSCODE", "open sesame")]);
    let enter = async |from: &str, passcode: &str, email: String, now| {
        let headers = [
            (CONTENT_TYPE.as_str(), "application/json"),
            ("x-forwarded-for", from),
        ];
        let body = json!({ "email": email, "passcode": passcode }).to_string();
        let mut browser = site.browser();
        let path = "/api/verify-temp-access";
        browser
            .send("POST", path, &headers, &body, now)
            .await
            .status
    };
    let (mut guesses, mut let_in) = (0, 0);
    for second in 0..130_u64 {
        for number in 0..5 {
            let stranger = format!("203.0.113.{}", (second * 5 + number) % 20);
            let email = format!("visitor-{second}-{number}@example.com");
            let guess = format!("guess {second} {number}");
            let status = enter(&stranger, &guess, email, at(second)).await;
            guesses += usize::from(status == StatusCode::FORBIDDEN);
            assert_ne!(status, StatusCode::OK);
        }
        if second % 10 == 9 {
            let email = format!("newcomer-{second}@example.com");
            let status = enter("198.51.100.7", "open sesame", email, at(second)).await;
            let_in += usize::from(status == StatusCode::OK);
        }
    }
    assert_eq!(let_in, 13);
    assert!(guesses < 200, "{guesses} guesses were looked at");
}

#[tokio::test]
async fn a_clock_that_is_set_back_shuts_nobody_out() {
    let site = Site::new(&[]);
    for n in 0..20 {
        post(
            &site,
            "192.0.2.1",
            &format!("visitor-{n}@example.com"),
            at(11_000),
        )
        .await;
    }
    let answer = post(&site, "192.0.2.1", "x@example.com", at(11_000)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    // Three hours back, and a few seconds on.
    post(&site, "192.0.2.2", "y@example.com", at(200)).await;
    let answer = post(&site, "192.0.2.1", "x@example.com", at(204)).await;
    assert_eq!(answer.status, StatusCode::OK);
}
