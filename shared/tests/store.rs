//! The store contract: one suite, run against a SQLite file and against a real NocoDB server.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;

use shared::email::Email;
use shared::ending::{delete_old, end_all, end_open, forget, make_room};
use shared::nocodb::{Client, Config, DEFAULT_WORKSPACE, FieldSpec, Table, TableSchema};
use shared::session::{EndReason, Heartbeat, Limits, PageFigures, Pages, RecordId, Session};
use shared::snapshot::Snapshot;
use shared::store::nocodb_store::NocoDbStore;
use shared::store::sqlite::SqliteStore;
use shared::store::{
    After, LARGEST_PAGE, Listing, Order, PAGE_SIZE, SessionPage, Starts, Store, StoreError, columns,
};
use shared::timestamp::Timestamp;
use shared::token::Claims;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const START: Timestamp = Timestamp::from_unix(1_767_323_045);

fn at(seconds: u64) -> Timestamp {
    START.plus(seconds)
}

fn email(address: &str) -> Email {
    Email::parse(address).unwrap()
}

/// A store with one open session, and the token its visitor holds.
struct Visit {
    store: Arc<dyn Store>,
    /// Lets a test do what an owner does at the screen.
    owner: Owner,
    token: Claims,
}

/// The owner's hands on the table.
enum Owner {
    Sqlite(std::path::PathBuf, tempfile::TempDir),
    NocoDb(Table),
}

impl Owner {
    async fn types_end_reason(&self, id: &RecordId, word: &str) {
        match self {
            Self::Sqlite(path, _) => {
                let update = "UPDATE emailAccess SET endReason = ?1 WHERE id = ?2";
                let db = rusqlite::Connection::open(path).unwrap();
                assert_eq!(db.execute(update, (word, id.as_str())).unwrap(), 1);
            }
            Self::NocoDb(table) => {
                let cells = serde_json::json!({ columns::END_REASON: word });
                table
                    .update(&id.as_str().parse().unwrap(), &cells)
                    .await
                    .unwrap();
            }
        }
    }

    async fn reads(&self, id: &RecordId, column: &str) -> Option<String> {
        match self {
            Self::Sqlite(path, _) => {
                let select = format!("SELECT {column} FROM emailAccess WHERE id = ?1");
                let db = rusqlite::Connection::open(path).unwrap();
                db.query_row(&select, [id.as_str()], |row| row.get(0))
                    .unwrap()
            }
            Self::NocoDb(table) => {
                let record = table.get(&id.as_str().parse().unwrap()).await.unwrap();
                record.fields.get(column)?.as_str().map(str::to_owned)
            }
        }
    }

    /// Nothing where it is to be emptied.
    async fn types_start(&self, id: &RecordId, start: Option<Timestamp>) {
        let start = start.map(|start| start.to_string());
        match self {
            Self::Sqlite(path, _) => {
                let update = "UPDATE emailAccess SET sessionStartTime = ?2 WHERE id = ?1";
                let db = rusqlite::Connection::open(path).unwrap();
                let values = (id.as_str(), start.unwrap_or_default());
                assert_eq!(db.execute(update, values).unwrap(), 1);
            }
            Self::NocoDb(table) => {
                let cells = serde_json::json!({ columns::START: start });
                table
                    .update(&id.as_str().parse().unwrap(), &cells)
                    .await
                    .unwrap();
            }
        }
    }

    async fn deletes(&self, id: &RecordId) {
        match self {
            Self::Sqlite(path, _) => {
                let db = rusqlite::Connection::open(path).unwrap();
                assert_eq!(
                    db.execute("DELETE FROM emailAccess WHERE id = ?1", [id.as_str()])
                        .unwrap(),
                    1
                );
            }
            Self::NocoDb(table) => table.delete(&[id.as_str().parse().unwrap()]).await.unwrap(),
        }
    }
}

fn sqlite() -> (Arc<dyn Store>, Owner) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (
        Arc::new(SqliteStore::open(&path).unwrap()),
        Owner::Sqlite(path, folder),
    )
}

async fn nocodb() -> (Arc<dyn Store>, Owner) {
    nocodb_with(&columns::ALL).await
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run through `make test`, or `tests/nocodb/with-server cargo test`"
        )
    })
}

async fn nocodb_with(columns: &[columns::Column]) -> (Arc<dyn Store>, Owner) {
    let (_, _, table) = nocodb_table(columns).await;
    (
        Arc::new(NocoDbStore::new(table.clone())),
        Owner::NocoDb(table),
    )
}

/// The schema of a new table, who asks for it, and the table.
async fn nocodb_table(columns: &[columns::Column]) -> (Client, TableSchema, Table) {
    let url = variable("NOCODB_TEST_URL").parse().unwrap();
    let mut config = Config::new(url, variable("NOCODB_TEST_TOKEN").into());
    // Many tests share one server on two cores.
    config.attempt_timeout = std::time::Duration::from_mins(1);
    config.total_deadline = std::time::Duration::from_mins(2);
    let client = Client::new(config).unwrap();
    let base = client
        .create_base(DEFAULT_WORKSPACE, "store tests")
        .await
        .unwrap();
    let fields: Vec<FieldSpec> = columns
        .iter()
        .map(|column| FieldSpec::new(column.title, column.kind))
        .collect();
    let schema = client
        .create_table(&base.id, columns::TABLE, &fields)
        .await
        .unwrap();
    let table = client.table(&base.id, &schema.id).unwrap();
    (client, schema, table)
}

impl Visit {
    async fn begin((store, owner): (Arc<dyn Store>, Owner)) -> Self {
        let record = store
            .create(&email("ann@example.com"), START, None)
            .await
            .unwrap();
        let token = Claims::start("localhost", "sid".to_owned(), record, &LIMITS, START);
        Self {
            store,
            owner,
            token,
        }
    }

    fn reading(&self, snapshot: &Snapshot, now: Timestamp) -> Heartbeat {
        Heartbeat::new(&self.token, snapshot, now)
    }

    /// A heartbeat as the function sends it: with the token renewed where the session is open.
    async fn beats(&mut self, snapshot: &Snapshot, now: Timestamp) -> Session {
        let heartbeat = self.reading(snapshot, now);
        let row = self
            .store
            .heartbeat(&self.token.record, &heartbeat)
            .await
            .unwrap();
        if row.end_reason.is_none() {
            self.token = self.token.renewed(&heartbeat, &row, &LIMITS, now);
        }
        row
    }

    async fn row(&self) -> Session {
        self.store.get(&self.token.record).await.unwrap()
    }

    /// Ends every session of hers, as her log-out does. How many there were.
    async fn logs_out_everywhere(&self, now: Timestamp) -> Result<usize, StoreError> {
        let store = self.store.as_ref();
        end_all(store, "ann@example.com", EndReason::Logout, &LIMITS, now).await
    }
}

/// Page after page, until one says that nothing follows.
async fn all_pages(read: impl AsyncFn(Option<After>) -> SessionPage) -> Vec<Session> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = read(after).await;
        all.extend(page.sessions);
        after = page.rest;
        if after.is_none() {
            return all;
        }
    }
}

fn snapshot(active: u64, ago: u64, page: &str, scroll: u8) -> Snapshot {
    let figures = PageFigures {
        seconds: active,
        scroll,
    };
    Snapshot {
        active_seconds: Some(active),
        seen_seconds_ago: Some(ago),
        page: Some(page.to_owned()),
        pages: Pages::from([(page.to_owned(), figures)]),
        ..Snapshot::default()
    }
}

#[path = "support/store_bulk.rs"]
mod bulk;
#[path = "support/store_changed_columns.rs"]
mod changed_columns;
#[path = "support/store_contract.rs"]
mod contract;
#[path = "support/store_odd_cells.rs"]
mod odd_cells;
#[path = "support/store_owners_hands.rs"]
mod owners_hands;
#[path = "support/store_spans.rs"]
mod spans;
#[path = "support/store_whole_sessions.rs"]
mod whole_sessions;

/// Each behaviour becomes one test for each store.
macro_rules! for_both_stores {
    ($module:ident: $sqlite:ident, $nocodb:ident: $($behaviour:ident),* $(,)?) => {
        mod $sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$module::$behaviour(super::Visit::begin(super::sqlite()).await).await;
            })*
        }
        mod $nocodb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a real NocoDB"]
            async fn $behaviour() {
                super::$module::$behaviour(super::Visit::begin(super::nocodb().await).await).await;
            })*
        }
    };
}

for_both_stores![
    contract: on_sqlite, on_nocodb:
    a_new_row_ends_where_it_starts,
    a_heartbeat_writes_all_figures_and_returns_the_row,
    an_empty_heartbeat_moves_last_seen_and_nothing_else,
    a_repeated_heartbeat_changes_nothing,
    a_late_heartbeat_repairs_and_never_takes_back,
    ending_writes_reason_moment_and_last_figures,
    the_first_end_reason_stays,
    a_heartbeat_learns_of_an_ending_and_does_not_stretch_it,
    a_word_typed_by_the_owner_ends_the_session,
    ending_all_reaches_every_open_session_of_that_visitor,
    ending_all_names_the_true_reason_and_leaves_the_long_gone,
    a_deleted_row_is_not_found,
    the_token_of_a_deleted_row_reaches_no_other_session,
    a_row_that_began_in_another_second_is_not_the_tokens,
    past_a_deadline_nothing_is_written_into_a_row_that_was_ended,
    an_id_that_cannot_be_one_is_not_found,
    addresses_are_listed_by_exact_match_however_they_are_written,
    a_long_list_comes_in_pages_in_order,
    a_range_is_listed_from_the_newest_down_and_counted,
    rows_that_come_and_go_between_pages_hide_and_double_no_others,
    a_visit_whose_start_was_emptied_is_found_and_counted,
];

for_both_stores![
    owners_hands: owners_hands_on_sqlite, owners_hands_on_nocodb:
    ending_everything_ends_what_had_begun_and_nothing_since,
    a_late_snapshot_closes_the_row_as_well,
    a_listing_shows_who_was_ended_before_their_rows_say_so,
    what_had_vanished_before_everything_was_ended_is_not_told_as_revoked,
    logging_out_after_everything_was_ended_changes_no_reason,
    the_newest_of_such_moments_counts,
    more_than_a_page_of_rows_is_closed_step_by_step,
    those_seen_longest_ago_make_room,
    a_forgotten_visitor_leaves_no_row,
    rows_are_deleted_by_when_their_visitor_was_last_seen,
    the_version_a_visitor_agreed_to_stands_in_the_row,
];

for_both_stores![
    whole_sessions: whole_sessions_on_sqlite, whole_sessions_on_nocodb:
    they_are_added_as_they_stand_under_ids_of_the_stores_own,
    they_are_found_by_how_their_address_ends,
    the_row_that_ends_everything_is_not_counted,
];

for_both_stores![
    spans: spans_on_sqlite, spans_on_nocodb:
    sessions_are_found_by_their_moments_to_the_second,
    many_come_page_by_page,
];

for_both_stores![
    bulk: bulk_on_sqlite, bulk_on_nocodb:
    rows_are_read_by_their_ids_and_those_that_are_gone_left_out,
    each_row_gets_its_own_change_and_keeps_the_rest,
    a_hundred_rows_are_written_and_one_that_is_gone_is_said,
    what_was_ended_lately_is_told_with_what_an_owner_typed,
];

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn where_starts_are_kept_as_days_a_session_is_known_by_its_day() {
    let columns = columns::ALL.map(|column| columns::Column {
        kind: if column.title == columns::START {
            "Date"
        } else {
            column.kind
        },
        ..column
    });
    let mut visit = Visit::begin(nocodb_with(&columns).await).await;
    let row = visit.row().await;
    assert_eq!((row.start, row.start_is_day), (START.day(), true));
    let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    assert_eq!((row.last_seen, row.active_seconds), (at(100), Some(90)));
    visit.token.start = START.minus(86_400);
    let heartbeat = visit.reading(&snapshot(1, 8, "/", 0), at(200));
    let id = &visit.token.record;
    let strangers = visit.store.heartbeat(id, &heartbeat).await;
    assert!(matches!(strangers, Err(StoreError::NotFound)));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_table_without_columns_for_endings_tells_of_none() {
    for columns in [3, 4] {
        let visit = Visit::begin(nocodb_with(&columns::ALL[..columns]).await).await;
        visit.store.end_everything(at(10)).await.unwrap();
        let mut told = 0;
        for since in [None, Some(at(0))] {
            let page = visit.store.ended(at(0), since, None).await.unwrap();
            told += page.sessions.len();
        }
        assert_eq!(told, columns - 3, "{columns} columns");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_table_without_the_moment_of_endings_is_searched_by_the_others() {
    use shared::store::{Moment, Span};
    let visit = Visit::begin(nocodb_with(&columns::ALL[..3]).await).await;
    let span = |moment| Span {
        moment,
        from: START,
        to: at(1),
    };
    for (spans, expected) in [
        (&[span(Moment::EndedAt), span(Moment::Start)][..], 1),
        (&[span(Moment::EndedAt)], 0),
    ] {
        let page = visit.store.within(START, spans, None).await.unwrap();
        assert_eq!(page.sessions.len(), expected, "{spans:?}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_table_with_the_three_needed_columns_records_visits() {
    let mut visit = Visit::begin(nocodb_with(&columns::ALL[..3]).await).await;
    let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    assert_eq!(
        (row.last_seen, row.active_seconds, row.end_reason),
        (at(100), None, None)
    );
    assert_eq!(visit.token.active, 90, "the token still knows");
    // Nothing could say that a session was ended, so nobody is told that it was.
    let ended = visit.logs_out_everywhere(at(110)).await;
    assert!(ended.is_err(), "{ended:?}");
    // Ending everything needs none of the columns that may be missing.
    visit.store.end_everything(at(120)).await.unwrap();
    for _ in 0..2 {
        let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(130)).await;
        assert_eq!(
            (row.end_reason, row.last_seen),
            (Some(EndReason::Revoked), at(120))
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn nobody_comes_in_where_a_needed_column_is_missing() {
    for missing in 0..3 {
        let mut some = columns::ALL.to_vec();
        some.remove(missing);
        let (store, _owner) = nocodb_with(&some).await;
        assert!(
            store
                .create(&email("ann@example.com"), START, None)
                .await
                .is_err(),
            "without {}",
            columns::ALL[missing].title
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_a_new_sqlite_file() {
    use std::os::unix::fs::PermissionsExt;
    let visit = Visit::begin(sqlite()).await;
    let Owner::Sqlite(_, folder) = &visit.owner else {
        unreachable!()
    };
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(files.len() > 1, "the log beside it, too");
    for file in files {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

#[tokio::test]
async fn a_start_that_does_not_sort_as_a_time_is_listed_apart() {
    let visit = Visit::begin(sqlite()).await;
    let Owner::Sqlite(path, _folder) = &visit.owner else {
        unreachable!()
    };
    let db = rusqlite::Connection::open(path).unwrap();
    let dated = Starts::Between {
        from: None,
        before: None,
    };
    for (start, is_time) in [
        ("2026-01-02T03:04:05Z", true),
        ("2026-01-02T03:04:05+01:00", false),
        ("2026-01-02 03:04:05", false),
        ("yesterday", false),
        (" ", false),
        ("", false),
    ] {
        db.execute("UPDATE emailAccess SET sessionStartTime = ?1", [start])
            .unwrap();
        for (starts, expected) in [
            (Starts::All, true),
            (dated, is_time),
            (Starts::Missing, !is_time),
        ] {
            let listing = Listing {
                starts,
                ..Listing::of(None)
            };
            let page = visit.store.list(&listing, None).await.unwrap();
            assert_eq!(
                page.sessions.len(),
                usize::from(expected),
                "{start:?} {starts:?}"
            );
            let count = visit.store.count(starts).await.unwrap();
            assert_eq!(count, u64::from(expected), "{start:?} {starts:?}");
        }
    }
}

#[tokio::test]
async fn two_processes_share_one_sqlite_file() {
    let (store, owner) = sqlite();
    let Owner::Sqlite(path, _folder) = &owner else {
        unreachable!()
    };
    let other = SqliteStore::open(path).unwrap();
    let writes = (0..50u64).map(|second| {
        let (store, other) = (Arc::clone(&store), other.clone());
        tokio::spawn(async move {
            store
                .create(&email("ann@example.com"), at(second), None)
                .await
                .unwrap();
            other
                .create(&email("bob@example.com"), at(second), None)
                .await
                .unwrap();
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert_eq!(
        other
            .list(&Listing::of(Some(&email("ann@example.com"))), None)
            .await
            .unwrap()
            .sessions
            .len(),
        50
    );
    assert_eq!(
        store
            .list(&Listing::of(Some(&email("bob@example.com"))), None)
            .await
            .unwrap()
            .sessions
            .len(),
        50
    );
}
