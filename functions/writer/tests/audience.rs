//! A hundred thousand viewers on the five requests a second that NocoDB's cloud takes, in simulated time.
//! The heartbeats, the folding, what is asked of endings and what empties the queue are the real code; SQS
//! and NocoDB are models that keep to the limits of the real ones.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

#[path = "support/model.rs"]
mod model;

use std::sync::Arc;
use std::time::Duration;

use model::{ModelBoard, ModelQueue, ModelStore, now};
use shared::email::{Email, EmailRules};
use shared::queue::{Beat, Board, Entry, Queue, WriteBehind};
use shared::session::{EndReason, Heartbeat, Limits, RecordId};
use shared::snapshot::Snapshot;
use shared::store::Store;
use shared::token::Claims;
use tokio::time::{Instant, sleep, sleep_until};
use writer::{Budget, Step, Writer};

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
/// Between two heartbeats of a page.
const INTERVAL: u64 = 180;
/// Functions that take heartbeats at once: 556 a second of 8 ms each are five, and Lambda keeps some more.
const SANDBOXES: usize = 10;
/// Somebody comes in so often.
const ARRIVAL_EVERY: Duration = Duration::from_millis(1_100);
/// As in `main.rs`: a run a minute.
const RUN: Duration = Duration::from_secs(55);

/// What one simulation came to.
#[derive(Debug)]
struct Figures {
    heartbeats: usize,
    requests: usize,
    most_requests_in_a_second: usize,
    rows_written: usize,
    longest_behind: u64,
    most_waiting: usize,
}

async fn simulate(viewers: usize, every: u64, minutes: u64) -> Figures {
    let store = Arc::new(ModelStore::of(viewers));
    let queue = Arc::new(ModelQueue::default());
    let board = Arc::new(ModelBoard::default());
    let sandboxes: Vec<WriteBehind> = (0..SANDBOXES)
        .map(|_| {
            WriteBehind::with_queue(store.clone(), LIMITS, queue.clone(), Some(every))
                .told_by(board.clone())
        })
        .collect();
    let began = Instant::now();
    let end = began + Duration::from_secs(minutes * 60);
    let heartbeats = async {
        let mut tokens: Vec<Claims> = (0..viewers)
            .map(|number| {
                let record = RecordId::new((number + 1).to_string());
                Claims::start("localhost", String::new(), record, &LIMITS, now())
            })
            .collect();
        let mut count = 0;
        for second in 1..=minutes * 60 {
            sleep_until(began + Duration::from_secs(second)).await;
            let phase = usize::try_from(second % INTERVAL).unwrap();
            for number in (phase..viewers).step_by(usize::try_from(INTERVAL).unwrap()) {
                let snapshot = Snapshot {
                    active_seconds: Some(second / 2),
                    seen_seconds_ago: Some(0),
                    page: Some("/portfolio/confidential/".to_owned()),
                    ..Snapshot::default()
                };
                let token = &mut tokens[number];
                let heartbeat = Heartbeat::new(token, &snapshot, now());
                let sandbox = &sandboxes[(number / 7 + count) % SANDBOXES];
                let beat = sandbox.heartbeat(token, &heartbeat, now()).await.unwrap();
                let Beat::Queued { confirmed_at } = beat else {
                    panic!("{beat:?}");
                };
                *token = token.queued(&heartbeat, confirmed_at, &LIMITS);
                count += 1;
                store.expect(number, now());
            }
        }
        count
    };
    let writing = async {
        let rules = EmailRules::parse("", "").unwrap();
        let budget = Budget::per_second(4);
        let writer = Writer {
            queue: queue.as_ref(),
            store: store.as_ref(),
            limits: &LIMITS,
            rules: &rules,
            budget: &budget,
            board: Some(board.as_ref()),
            ended: None,
        };
        // Beyond the end, so that everything is written.
        while Instant::now() < end + Duration::from_secs(every + 600) {
            let next = Instant::now() + Duration::from_mins(1);
            writer.run(RUN, now).await.unwrap();
            sleep_until(next).await;
        }
    };
    // One a second is left for whoever comes in, evenly at best; each is one request.
    let arrivals = async {
        let email = Email::parse("new@example.com").unwrap();
        while Instant::now() < end {
            store.create(&email, now(), None).await.unwrap();
            sleep(ARRIVAL_EVERY).await;
        }
    };
    let (heartbeats, (), ()) = tokio::join!(heartbeats, writing, arrivals);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(queue.left(), (0, 0), "everything was written");
    store.check();
    Figures {
        heartbeats,
        requests: store.requests(),
        most_requests_in_a_second: store.most_requests_in_a_second(),
        rows_written: store.rows_written(),
        longest_behind: store.longest_behind(),
        most_waiting: queue.most_waiting(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_viewers_fit_into_five_requests_a_second() {
    for (viewers, every) in [(100, 10), (1_000, 10), (10_000, 60), (100_000, 900)] {
        let figures = simulate(viewers, every, 20).await;
        println!(
            "{viewers} viewers, a row every {every} s: {} heartbeats made {} writes of rows in {} requests, {} a \
             second at most; {} s behind at most, {} messages waiting at most",
            figures.heartbeats,
            figures.rows_written,
            figures.requests,
            figures.most_requests_in_a_second,
            figures.longest_behind,
            figures.most_waiting,
        );
        assert!(figures.most_requests_in_a_second <= 5, "{figures:?}");
        // A turn, the run that has just ended, and the writing itself.
        assert!(figures.longest_behind <= every + 120, "{figures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_locks_out_is_left_alone_for_as_long_as_it_asks_for() {
    let store = ModelStore::of(1);
    let queue = ModelQueue::default();
    let token = Claims::start(
        "localhost",
        String::new(),
        RecordId::new("1"),
        &LIMITS,
        now(),
    );
    sleep(Duration::from_mins(1)).await;
    let heartbeat = Heartbeat::new(&token, &Snapshot::default(), now());
    let entry = Entry::new(&token.record, &heartbeat, None);
    queue.push(&entry, now(), now()).await.unwrap();
    store.expect(0, now());
    let rules = EmailRules::parse("", "").unwrap();
    let writer = Writer {
        queue: &queue,
        store: &store,
        limits: &LIMITS,
        rules: &rules,
        budget: &Budget::per_second(4),
        board: None,
        ended: None,
    };
    // As long as NocoDB's cloud does, and longer than the writer waits by itself.
    let locked = Duration::from_secs(30);
    store.lock_out(locked);
    let step = writer.step(RUN, now()).await.unwrap();
    assert!(
        step.away
            .is_some_and(|away| away <= locked && away.as_secs() >= 29),
        "{step:?}"
    );
    let refused = store.requests();
    for _ in 0..5 {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(writer.step(RUN, now()).await.unwrap(), Step::default());
    }
    assert_eq!(store.requests(), refused, "nothing was asked meanwhile");
    sleep(Duration::from_secs(6)).await;
    let step = writer.step(RUN, now()).await.unwrap();
    assert_eq!((step.taken, step.rows, step.away), (1, 1, None));
    store.check();
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_deleted_is_told_with_the_next_endings() {
    let store = Arc::new(ModelStore::of(1));
    let queue = Arc::new(ModelQueue::default());
    let board = Arc::new(ModelBoard::default());
    let every = 10;
    let sandbox = WriteBehind::with_queue(store.clone(), LIMITS, queue.clone(), Some(every))
        .told_by(board.clone());
    let record = RecordId::new("1");
    let token = Claims::start("localhost", String::new(), record, &LIMITS, now());
    let beat = async || {
        let heartbeat = Heartbeat::new(&token, &Snapshot::default(), now());
        sandbox.heartbeat(&token, &heartbeat, now()).await.unwrap()
    };
    assert!(matches!(beat().await, Beat::Queued { .. }));
    store.delete(0);
    let rules = EmailRules::parse("", "").unwrap();
    let writer = Writer {
        queue: queue.as_ref(),
        store: store.as_ref(),
        limits: &LIMITS,
        rules: &rules,
        budget: &Budget::per_second(4),
        board: Some(board.as_ref()),
        ended: None,
    };
    writer.run(RUN, now).await.unwrap();
    assert_eq!(beat().await, Beat::Ended(EndReason::Revoked));
    assert_eq!(board.read().await.unwrap().unwrap().ended.len(), 1);
}
