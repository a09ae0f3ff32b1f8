//! However entries come in, the rows they make are the same.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shared::email::{Email, EmailRules};
use shared::queue::local::LocalQueue;
use shared::queue::{Entry, Key, Queue, QueuedEnding};
use shared::session::{EndReason, Figures, Limits, PageFigures, RecordId, Session};
use shared::store::Store;
use shared::store::sqlite::SqliteStore;
use shared::timestamp::Timestamp;
use writer::{Budget, Writer};

const START: Timestamp = Timestamp::from_unix(1_767_323_045);
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

fn row(id: &str) -> Session {
    Session {
        id: RecordId::new(id),
        email: "ann@example.com".to_owned(),
        start: START,
        start_is_day: false,
        last_seen: START,
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: BTreeMap::new(),
    }
}

/// What is cut of the pages' times depends on the active time: in every report it is the same.
fn figures(active: u64) -> impl Strategy<Value = Figures> {
    let page = || select(vec!["/a", "/b", "/c/d", "/é"]);
    let on_page =
        (0..5_000_u64, 0..=100_u8).prop_map(|(seconds, scroll)| PageFigures { seconds, scroll });
    let pages = btree_map(page().prop_map(str::to_owned), on_page, 1..4);
    (0..5_000_u64, page(), proptest::option::of(pages)).prop_map(move |(seen, page, pages)| {
        Figures {
            last_seen: START.plus(seen),
            active_seconds: Some(active),
            current_page: Some(page.to_owned()),
            pages,
        }
    })
}

fn ending() -> impl Strategy<Value = QueuedEnding> {
    use EndReason::{Expired, Idle, Logout, Revoked};
    (select(vec![Logout, Idle, Expired, Revoked]), 0..5_000_u64).prop_map(|(reason, at)| {
        QueuedEnding {
            reason,
            at: START.plus(at),
            everywhere: None,
        }
    })
}

fn entry(record: &'static str, active: u64) -> impl Strategy<Value = Entry> {
    (figures(active), proptest::option::weighted(0.2, ending())).prop_map(
        move |(figures, ending)| Entry {
            key: Key {
                record: RecordId::new(record),
                start: START,
            },
            past_deadline: false,
            figures,
            ending,
        },
    )
}

fn entries(record: &'static str, most: usize) -> impl Strategy<Value = Vec<Entry>> {
    (0..5_000_u64).prop_flat_map(move |active| vec(entry(record, active), 1..most))
}

/// The order in which entries come, some of them again and again, and where one batch ends.
fn arrivals() -> impl Strategy<Value = Vec<(Index, bool)>> {
    vec((any::<Index>(), proptest::bool::weighted(0.3)), 0..20)
}

/// All entries at least once, in the order and the batches that `arrivals` says.
fn batches(entries: &[Entry], arrivals: &[(Index, bool)]) -> Vec<Vec<Entry>> {
    let mut batches = vec![Vec::new()];
    let mut left: Vec<usize> = (0..entries.len()).collect();
    let mut give = |entry: &Entry, ends: bool| {
        batches.last_mut().unwrap().push(entry.clone());
        if ends {
            batches.push(Vec::new());
        }
    };
    for (index, ends) in arrivals {
        let number = index.index(entries.len());
        left.retain(|one| *one != number);
        give(&entries[number], *ends);
    }
    for number in left.into_iter().rev() {
        give(&entries[number], number % 2 == 0);
    }
    batches
}

fn folded(entries: &[Entry]) -> Option<Entry> {
    entries.iter().cloned().reduce(Entry::fold)
}

/// What is looked at after the end is not told apart by page.
fn comparable(row: Session, entries: &[Entry]) -> Session {
    let end = row.ended_at;
    let after_the_end = entries
        .iter()
        .any(|one| end.is_some_and(|end| one.figures.last_seen >= end));
    Session {
        current_page: row.current_page.filter(|_| !after_the_end),
        ..row
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_any_repetition_and_any_batches_make_the_same_row(
        entries in entries("1", 8),
        arrivals in arrivals(),
    ) {
        let at_once = folded(&entries).unwrap().applied(&row("1"));
        let mut written = row("1");
        for batch in batches(&entries, &arrivals) {
            if let Some(entry) = folded(&batch) {
                written = entry.applied(&written);
            }
        }
        prop_assert_eq!(comparable(written, &entries), comparable(at_once, &entries));
    }

    #[test]
    fn a_row_that_says_it_all_is_not_written_again(entries in entries("1", 8)) {
        let all = folded(&entries).unwrap();
        let written = all.applied(&row("1"));
        prop_assert_eq!(all.change(&written), None);
        for entry in &entries {
            let again = comparable(entry.applied(&written), &entries);
            prop_assert_eq!(again, comparable(written.clone(), &entries));
        }
    }

    #[test]
    fn an_entry_survives_being_text(entry in entry("4711", 300)) {
        prop_assert_eq!(Entry::parse(&entry.to_json()).unwrap(), entry);
    }

    #[test]
    fn nothing_but_an_end_is_ever_taken_back(entries in entries("1", 8)) {
        let mut known = row("1");
        for entry in entries {
            let next = entry.applied(&known);
            let end = next.ended_at.unwrap_or(START.plus(1_000_000));
            prop_assert!(next.last_seen >= known.last_seen.min(end));
            let most = end.since(START);
            prop_assert!(next.active_seconds >= known.active_seconds.map(|seconds| seconds.min(most)));
            prop_assert!(next.last_seen <= end && next.last_seen >= START);
            prop_assert!(known.end_reason.is_none() || next.end_reason.is_some());
            known = next;
        }
    }
}

proptest! {
    // Each case is a database and a queue on disk.
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_real_queue_store_and_writer_agree(
        one in entries("1", 6),
        other in entries("2", 6),
        arrivals in arrivals(),
    ) {
        let entries: Vec<Entry> = one.iter().chain(&other).cloned().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rows = runtime.block_on(written(batches(&entries, &arrivals)));
        for (id, entries) in [("1", one), ("2", other)] {
            let expected = folded(&entries).unwrap().applied(&row(id));
            let found = rows.iter().find(|row| row.id.as_str() == id).unwrap().clone();
            prop_assert_eq!(comparable(found, &entries), comparable(expected, &entries));
        }
    }
}

async fn written(batches: Vec<Vec<Entry>>) -> Vec<Session> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("sessions.db")).unwrap();
    let queue = LocalQueue::open(&folder.path().join("queue.db")).unwrap();
    let email = Email::parse("ann@example.com").unwrap();
    for _ in 0..2 {
        store.create(&email, START, None).await.unwrap();
    }
    let rules = EmailRules::parse("", "").unwrap();
    let writer = Writer {
        queue: &queue,
        store: &store,
        limits: &LIMITS,
        rules: &rules,
        budget: &Budget::per_second(1_000),
        board: None,
        ended: None,
    };
    for batch in batches {
        for entry in batch {
            queue.push(&entry, START, START).await.unwrap();
        }
        let step = writer.step(Duration::from_secs(10), START).await.unwrap();
        assert_eq!((step.refused, step.away), (0, None));
    }
    let ids = ["1", "2"].map(RecordId::new);
    // Nothing is left that would be written.
    assert_eq!(queue.take(9, START).await.unwrap(), []);
    store.rows(&ids).await.unwrap().found
}
