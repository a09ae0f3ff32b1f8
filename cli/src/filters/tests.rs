//! Every visit is read once, whatever happens to the table meanwhile.

use std::collections::BTreeSet;
use std::path::Path;

use shared::session::{Pages, RecordId};
use shared::store::sqlite::SqliteStore;

use super::*;

const START: Timestamp = Timestamp::from_unix(1_767_323_045);

fn visit(start: Timestamp) -> Session {
    Session {
        id: RecordId::new(""),
        email: "ann@example.com".to_owned(),
        start,
        start_is_day: false,
        last_seen: start,
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    }
}

/// The ids that are read from a table with one row for each of these starts, whose ids count from 1;
/// `meanwhile` is called after every page.
async fn ids(starts: impl Iterator<Item = u64>, meanwhile: impl Fn(&Path)) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("visits.db");
    let store = SqliteStore::open(&path).unwrap();
    let visits: Vec<_> = starts.map(|second| visit(START.plus(second))).collect();
    store.import(&visits).await.unwrap();
    let question = Question {
        filter: Filter::default(),
        now: START,
        limits: Limits {
            idle_timeout: 1_800,
            lifetime: 86_400,
        },
    };
    let mut ids = Vec::new();
    let take = |page: &[Session]| {
        ids.extend(
            page.iter()
                .map(|row| row.id.as_str().parse::<u64>().unwrap()),
        );
        meanwhile(&path);
        Ok::<(), StoreError>(())
    };
    let read = question.each_page(&store, Duration::ZERO, take).await;
    read.unwrap();
    ids
}

fn execute(path: &Path, change: &str) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute(change, []).unwrap();
}

#[tokio::test]
async fn visits_deleted_while_the_table_is_read_hide_none_that_follow() {
    let delete = |path: &Path| execute(path, "DELETE FROM emailAccess WHERE id <= 50");
    assert_eq!(ids(0..350, delete).await, (1..=350).collect::<Vec<_>>());
}

#[tokio::test]
async fn visits_of_one_second_are_read_once_each() {
    for same in [1, 2, 99, 100, 101, 250] {
        let read = ids((0..350).map(|row| row / same), |_| {}).await;
        assert_eq!(read, (1..=350).collect::<Vec<_>>(), "{same} in a second");
    }
}

#[tokio::test]
async fn a_start_that_is_no_time_keeps_nobody_from_reading_on() {
    for start in ["", "soon", "2026-01-02 03:04:05", "2026-01-02T99:99:99Z"] {
        let change =
            format!("UPDATE emailAccess SET sessionStartTime = '{start}' WHERE id % 100 = 0");
        let read = ids(0..350, |path| execute(path, &change)).await;
        let all: BTreeSet<u64> = read.iter().copied().collect();
        assert_eq!(all, (1..=350).collect(), "{start}");
    }
}
