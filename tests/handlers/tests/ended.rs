//! What is known to be ended stays ended, and nobody is let in because nobody was asked.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use handler_tests::{Answer, Browser, START, Site, at};
use http::StatusCode;
use serde_json::{Value, json};
use shared::nocodb::Throttle;
use shared::queue::{Board, Notice, QueueError, WriteBehind};
use shared::store::Store;

/// A board on which another process posts, or does not.
#[derive(Default)]
struct Posted(Mutex<Option<Notice>>);

#[async_trait]
impl Board for Posted {
    async fn post(&self, notice: &Notice) -> Result<(), QueueError> {
        *self.0.lock().unwrap() = Some(notice.clone());
        Ok(())
    }
    async fn read(&self) -> Result<Option<Notice>, QueueError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

fn batched() -> (Site, Arc<Posted>) {
    let longest_idle = [("IDLE_TIMEOUT_SECONDS", "3600")];
    let (mut site, queue) = Site::new(&longest_idle).with_queue(Some(60));
    let board = Arc::new(Posted::default());
    let store = Arc::clone(&site.store) as Arc<dyn Store>;
    let limits = site.app.settings.limits;
    let writes = WriteBehind::with_queue(store, limits, Arc::new(queue), Some(60));
    site.app.writes = Arc::new(writes.told_by(Arc::clone(&board) as Arc<dyn Board>));
    (site, board)
}

async fn is_out(browser: &Browser<'_>, reason: &str, now: shared::timestamp::Timestamp) {
    let answer = browser.clone().refreshes(now).await;
    let location = answer.location.unwrap_or_default();
    assert!(location.contains(&format!("reason={reason}")), "{location}");
    let answer = browser.clone().beats(Value::Null, now).await;
    assert_eq!(
        (answer.status, &answer.json["reason"]),
        (StatusCode::UNAUTHORIZED, &json!(reason))
    );
    let answer = asks(browser, now).await;
    assert_eq!(
        (&answer.json["hasSession"], &answer.json["reason"]),
        (&json!(false), &json!(reason))
    );
}

async fn asks(browser: &Browser<'_>, now: shared::timestamp::Timestamp) -> Answer {
    let path = "/api/session-heartbeat";
    browser.clone().send("GET", path, &[], "", now).await
}

#[tokio::test]
async fn a_silent_board_means_asking_the_store() {
    let (site, _) = batched();
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let row = site.rows().await[0].id.clone();
    // Once an hour, as long as a day: the writer does not run, and the store answers.
    assert_eq!(
        ann.clone().refreshes(at(100)).await.status,
        StatusCode::FOUND
    );
    site.revoke(&row, at(101)).await;
    is_out(&ann, "revoked", at(130)).await;
}

#[tokio::test]
async fn a_board_that_fell_silent_is_not_believed() {
    let (site, board) = batched();
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let limits = &site.app.settings.limits;
    let none = || std::future::ready(());
    let notice = Notice::ask(site.store.as_ref(), limits, at(10), none).await;
    board.post(&notice.unwrap()).await.unwrap();
    assert_eq!(ann.beats(Value::Null, at(12)).await.status, StatusCode::OK);
    site.revoke(&site.rows().await[0].id, at(20)).await;
    is_out(&ann, "revoked", at(200)).await;
}

#[tokio::test]
async fn a_clock_that_is_set_hides_no_ending() {
    // No further than a token lives.
    for (before, after) in [(3_000, 0), (0, 3_000)] {
        let (site, board) = batched();
        let mut ann = site.browser();
        ann.enters("ann@example.com", at(0)).await;
        let limits = &site.app.settings.limits;
        let none = || std::future::ready(());
        // What was told while the clock was wrong.
        let notice = Notice::ask(site.store.as_ref(), limits, at(before), none).await;
        board.post(&notice.unwrap()).await.unwrap();
        asks(&ann, at(before)).await;
        site.revoke(&site.rows().await[0].id, at(after + 1)).await;
        is_out(&ann, "revoked", at(after + 200)).await;
    }
}

#[tokio::test]
async fn what_is_known_to_be_ended_stays_so_in_an_outage() {
    for with_queue in [false, true] {
        let mut site = Site::new(&[]);
        if with_queue {
            site = site.with_queue(None).0;
        }
        let [mut ann, mut bob] = [site.browser(), site.browser()];
        ann.enters("ann@example.com", START).await;
        bob.enters("bob@example.com", START).await;
        let (ann_copy, bob_copy) = (ann.clone(), bob.clone());
        for row in site.rows().await {
            if row.email.starts_with("ann") {
                site.revoke(&row.id, at(10)).await;
            }
        }
        // Asked once while the store answers.
        assert_eq!(asks(&ann, at(20)).await.json["reason"], "revoked");
        site.store_is_down(true);
        is_out(&ann_copy, "revoked", at(100)).await;
        // Ended while it does not.
        bob.logs_out(at(110)).await;
        is_out(&bob_copy, "logout", at(120)).await;
    }
}

#[tokio::test]
async fn many_questions_about_one_session_are_one() {
    let mut site = Site::new(&[]);
    throttle(&mut site, 4);
    let mut ann = site.browser();
    ann.enters("ann@example.com", START).await;
    let before = site.store.calls.load(Ordering::SeqCst);
    for second in 0..5 {
        for _ in 0..3 {
            assert_eq!(asks(&ann, at(second)).await.json["hasSession"], true);
        }
    }
    assert_eq!(site.store.calls.load(Ordering::SeqCst) - before, 1);
    assert_eq!(asks(&ann, at(6)).await.json["hasSession"], true);
    assert_eq!(site.store.calls.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn our_own_limit_extends_nothing() {
    let mut site = Site::new(&[]);
    throttle(&mut site, 1);
    let mut browsers = Vec::new();
    for number in 0..12 {
        let mut browser = site.browser();
        browser
            .enters(&format!("ann-{number}@example.com"), START)
            .await;
        browsers.push(browser);
    }
    site.store.delay.store(300, Ordering::SeqCst);
    let all = browsers.iter().map(|browser| async {
        let mut browser = browser.clone();
        let before = browser.claims();
        let answer = browser.refreshes(at(100)).await;
        (answer, before == browser.claims())
    });
    let mut limited = 0;
    for (answer, is_same) in futures(all).await {
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            limited += 1;
            assert!(is_same && !answer.sets_cookies);
            assert!(answer.headers.contains_key("retry-after"));
        } else {
            assert!(!is_same, "{answer:?}");
        }
    }
    assert!((1..12).contains(&limited), "{limited}");
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (one, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn throttle(site: &mut Site, requests: u32) {
    let store = Arc::clone(&site.store) as Arc<dyn Store>;
    let writes = WriteBehind::without_queue(store, site.app.settings.limits);
    let throttle = Throttle::per_second(requests);
    site.app.writes = Arc::new(writes.throttled_by(Some(throttle)));
}
