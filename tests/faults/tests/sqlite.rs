//! The same story with and without faults, on a SQLite file; and a file that somebody else has locked.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::sync::Arc;

use fault_tests::place::Place;
use fault_tests::story::{Faulty, Told, compare, tell, visits, windows};
use handler_tests::{Browser, START, Site, at};
use http::StatusCode;
use serde_json::json;
use shared::session::EndReason;
use shared::store::sqlite::SqliteStore;

const VISITS: usize = 30;

async fn told(seed: u64, is_faulty: bool) -> Told {
    let site = Site::new(&[]);
    let place = Place::on(site.store.clone(), site.store.clone());
    let windows = if is_faulty { windows(seed) } else { Vec::new() };
    let faulty: &dyn Faulty = site.store.as_ref();
    tell(place, Some(faulty), &visits(seed, VISITS), &windows, &[]).await
}

#[tokio::test]
async fn a_file_that_cannot_be_written_for_a_while_says_the_same_in_the_end() {
    let first = fault_tests::seed();
    for seed in first..first + 3 {
        println!("seed {seed}");
        compare(
            &visits(seed, VISITS),
            &told(seed, false).await,
            &told(seed, true).await,
        );
    }
}

/// The real fault, in real time: longer than SQLite waits for its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_program_has_locked_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let place = Place::on(store.clone(), store);
    let mut browser = Browser::new(&place.app);
    browser.enters("ann@example.com", START).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let snapshot = json!({ "activeSeconds": 50, "seenSecondsAgo": 0 });
    let answer = browser.beats(snapshot, at(60)).await;
    assert_eq!(answer.status, StatusCode::OK, "it waits in the queue");
    // The store is left alone for a moment, so that this costs no more time.
    assert_eq!(browser.logs_out(at(62)).await.status, StatusCode::SEE_OTHER);
    assert!(browser.cookies.is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    place.write(at(70)).await;
    let rows = place.rows().await;
    let row = rows.first().unwrap();
    assert_eq!((row.last_seen, row.active_seconds), (at(62), Some(50)));
    assert_eq!(
        (row.end_reason, row.ended_at),
        (Some(EndReason::Logout), Some(at(62)))
    );
}
