//! The store contract: one suite, run against a SQLite file and against a real NocoDB server.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;

use shared::email::Email;
use shared::ending::{delete_old, end_all, end_open, forget, make_room};
use shared::nocodb::{Client, Config, DEFAULT_WORKSPACE, FieldSpec, Table};
use shared::session::{EndReason, Heartbeat, Limits, PageFigures, Pages, RecordId, Session};
use shared::snapshot::Snapshot;
use shared::store::nocodb_store::NocoDbStore;
use shared::store::sqlite::SqliteStore;
use shared::store::{LARGEST_PAGE, Listing, Order, PAGE_SIZE, Starts, Store, StoreError, columns};
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

    async fn empties_the_start(&self, id: &RecordId) {
        match self {
            Self::Sqlite(path, _) => {
                let update = "UPDATE emailAccess SET sessionStartTime = '' WHERE id = ?1";
                let db = rusqlite::Connection::open(path).unwrap();
                assert_eq!(db.execute(update, [id.as_str()]).unwrap(), 1);
            }
            Self::NocoDb(table) => {
                let cells = serde_json::json!({ columns::START: null });
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

async fn nocodb_with(columns: &[columns::Column]) -> (Arc<dyn Store>, Owner) {
    let variable = |name| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run through `make test`, or `tests/nocodb/with-server cargo test`")
        })
    };
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
    let table = client
        .create_table(&base.id, columns::TABLE, &fields)
        .await
        .unwrap();
    let table = client.table(&base.id, &table.id).unwrap();
    (
        Arc::new(NocoDbStore::new(table.clone())),
        Owner::NocoDb(table),
    )
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
        Heartbeat::new(&self.token, snapshot, &LIMITS, now)
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

mod contract {
    use super::*;

    pub(crate) async fn a_new_row_ends_where_it_starts(visit: Visit) {
        let row = visit.row().await;
        assert_eq!(
            (row.start, row.last_seen, row.duration_seconds()),
            (START, START, 0)
        );
        assert_eq!(
            (row.email.as_str(), row.end_reason, row.ended_at),
            ("ann@example.com", None, None)
        );
        assert_eq!(
            (row.active_seconds.unwrap_or(0), row.current_page, row.pages),
            (0, None, Pages::new())
        );
    }

    pub(crate) async fn a_heartbeat_writes_all_figures_and_returns_the_row(mut visit: Visit) {
        let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
        assert_eq!(row, visit.row().await);
        assert_eq!(
            (
                row.last_seen,
                row.active_seconds,
                row.current_page.as_deref()
            ),
            (at(100), Some(90), Some("/a/"))
        );
        assert_eq!(
            row.pages,
            Pages::from([(
                "/a/".to_owned(),
                PageFigures {
                    seconds: 90,
                    scroll: 85
                }
            )])
        );
    }

    pub(crate) async fn an_empty_heartbeat_moves_last_seen_and_nothing_else(mut visit: Visit) {
        visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
        let row = visit.beats(&Snapshot::default(), at(200)).await;
        assert_eq!(
            (
                row.last_seen,
                row.active_seconds,
                row.current_page.as_deref()
            ),
            (at(200), Some(90), Some("/a/"))
        );
        assert_eq!(row.pages.len(), 1);
    }

    pub(crate) async fn a_repeated_heartbeat_changes_nothing(mut visit: Visit) {
        let once = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
        assert_eq!(
            visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await,
            once
        );
    }

    pub(crate) async fn a_late_heartbeat_repairs_and_never_takes_back(mut visit: Visit) {
        // A page that is being left gets no new token, so the next heartbeat knows less than the
        // row.
        let leaving = visit.reading(&snapshot(90, 0, "/a/", 85), at(100));
        visit
            .store
            .heartbeat(&visit.token.record, &leaving)
            .await
            .unwrap();
        let row = visit.beats(&snapshot(40, 50, "/b/", 20), at(110)).await;
        assert_eq!((row.last_seen, row.active_seconds), (at(100), Some(90)));
        assert_eq!(
            row.current_page.as_deref(),
            Some("/a/"),
            "the page of the newest activity"
        );
        assert_eq!(
            row.pages.len(),
            2,
            "what it knows of the other page is kept"
        );
    }

    pub(crate) async fn ending_writes_reason_moment_and_last_figures(visit: Visit) {
        let heartbeat = visit.reading(&snapshot(90, 0, "/a/", 85), at(100));
        let ended = visit
            .store
            .end(&visit.token.record, &heartbeat, EndReason::Logout, at(100))
            .await
            .unwrap();
        assert!(!ended.already);
        assert_eq!(ended.session, visit.row().await);
        assert_eq!(
            (ended.session.end_reason, ended.session.ended_at),
            (Some(EndReason::Logout), Some(at(100)))
        );
        assert_eq!(
            (ended.session.last_seen, ended.session.active_seconds),
            (at(100), Some(90))
        );
    }

    pub(crate) async fn the_first_end_reason_stays(visit: Visit) {
        let heartbeat = visit.reading(&Snapshot::default(), at(50));
        visit
            .store
            .end(&visit.token.record, &heartbeat, EndReason::Idle, at(60))
            .await
            .unwrap();
        let again = visit
            .store
            .end(&visit.token.record, &heartbeat, EndReason::Logout, at(70))
            .await
            .unwrap();
        assert!(again.already);
        assert_eq!(
            (again.session.end_reason, again.session.ended_at),
            (Some(EndReason::Idle), Some(at(60)))
        );
    }

    pub(crate) async fn a_heartbeat_learns_of_an_ending_and_does_not_stretch_it(mut visit: Visit) {
        visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
        let heartbeat = visit.reading(
            &Snapshot {
                seen_seconds_ago: Some(40),
                ..Snapshot::default()
            },
            at(100),
        );
        visit
            .store
            .end(&visit.token.record, &heartbeat, EndReason::Logout, at(100))
            .await
            .unwrap();
        let row = visit.beats(&snapshot(190, 0, "/a/", 10), at(200)).await;
        assert_eq!(
            (row.end_reason, row.ended_at),
            (Some(EndReason::Logout), Some(at(100)))
        );
        assert_eq!(
            (row.last_seen, row.active_seconds),
            (at(100), Some(100)),
            "looked until it was ended"
        );
        assert_eq!(row, visit.row().await);
    }

    pub(crate) async fn a_word_typed_by_the_owner_ends_the_session(mut visit: Visit) {
        visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
        visit
            .owner
            .types_end_reason(&visit.token.record, "enough!")
            .await;
        let row = visit.beats(&snapshot(90, 0, "/a/", 10), at(100)).await;
        assert_eq!(row.end_reason, Some(EndReason::Revoked));
        assert_eq!((row.last_seen, row.active_seconds), (at(60), Some(60)));
        assert_eq!(row, visit.row().await);
        let late = visit.beats(&snapshot(90, 20, "/a/", 10), at(100)).await;
        assert_eq!(
            late.last_seen,
            at(60),
            "a late one does not stretch it either"
        );
    }

    pub(crate) async fn ending_all_reaches_every_open_session_of_that_visitor(visit: Visit) {
        let store = &visit.store;
        let mut own = vec![visit.token.record.clone()];
        for _ in 0..11 {
            own.push(
                store
                    .create(&email("ann@example.com"), START, None)
                    .await
                    .unwrap(),
            );
        }
        let other = store
            .create(&email("nan@example.com"), START, None)
            .await
            .unwrap();
        let ended_before = own.pop().unwrap();
        let heartbeat = visit.reading(&Snapshot::default(), at(20));
        store
            .end(&ended_before, &heartbeat, EndReason::Revoked, at(20))
            .await
            .unwrap();

        assert_eq!(
            end_all(
                visit.store.as_ref(),
                "ann@example.com",
                EndReason::Logout,
                &LIMITS,
                at(30)
            )
            .await
            .unwrap(),
            own.len()
        );

        for id in &own {
            let row = store.get(id).await.unwrap();
            assert_eq!(
                (row.end_reason, row.ended_at),
                (Some(EndReason::Logout), Some(at(30)))
            );
            assert_eq!(row.last_seen, row.start, "last seen stays");
        }
        assert_eq!(store.get(&other).await.unwrap().end_reason, None);
        assert_eq!(
            store.get(&ended_before).await.unwrap().end_reason,
            Some(EndReason::Revoked)
        );
        assert_eq!(
            end_all(
                visit.store.as_ref(),
                "ann@example.com",
                EndReason::Logout,
                &LIMITS,
                at(40)
            )
            .await
            .unwrap(),
            0
        );
    }

    pub(crate) async fn ending_all_names_the_true_reason_and_leaves_the_long_gone(visit: Visit) {
        let store = &visit.store;
        let now = at(1_800);
        let fresh = store
            .create(&email("ann@example.com"), at(100), None)
            .await
            .unwrap();
        let gone = store
            .create(&email("ann@example.com"), START.minus(90_000), None)
            .await
            .unwrap();
        end_all(
            visit.store.as_ref(),
            "ann@example.com",
            EndReason::Logout,
            &LIMITS,
            now,
        )
        .await
        .unwrap();
        assert_eq!(
            visit.row().await.end_reason,
            Some(EndReason::Idle),
            "fell idle in that very second"
        );
        assert_eq!(
            store.get(&fresh).await.unwrap().end_reason,
            Some(EndReason::Logout)
        );
        assert_eq!(
            store.get(&gone).await.unwrap().end_reason,
            None,
            "just vanished"
        );
    }

    pub(crate) async fn a_deleted_row_is_not_found(visit: Visit) {
        let id = visit.token.record.clone();
        visit.owner.deletes(&id).await;
        let heartbeat = visit.reading(&Snapshot::default(), at(10));
        let late = visit.reading(&snapshot(1, 8, "/", 0), at(10));
        let store = &visit.store;
        assert!(matches!(store.get(&id).await, Err(StoreError::NotFound)));
        assert!(matches!(
            store.heartbeat(&id, &heartbeat).await,
            Err(StoreError::NotFound)
        ));
        assert!(matches!(
            store.heartbeat(&id, &late).await,
            Err(StoreError::NotFound)
        ));
        assert!(matches!(
            store.end(&id, &heartbeat, EndReason::Logout, at(10)).await,
            Err(StoreError::NotFound)
        ));
    }

    pub(crate) async fn the_token_of_a_deleted_row_reaches_no_other_session(visit: Visit) {
        let id = visit.token.record.clone();
        visit.owner.deletes(&id).await;
        // NocoDB on SQLite gives the deleted last row's id again; the SQLite store never does.
        let next = visit
            .store
            .create(&email("bob@example.com"), at(50), None)
            .await
            .unwrap();
        for snapshot in [Snapshot::default(), snapshot(1, 8, "/", 0)] {
            let heartbeat = visit.reading(&snapshot, at(100));
            assert!(matches!(
                visit.store.heartbeat(&id, &heartbeat).await,
                Err(StoreError::NotFound)
            ));
            let ended = visit
                .store
                .end(&id, &heartbeat, EndReason::Logout, at(100))
                .await;
            assert!(matches!(ended, Err(StoreError::NotFound)));
        }
        let row = visit.store.get(&next).await.unwrap();
        assert_eq!(
            (row.email.as_str(), row.last_seen, row.end_reason),
            ("bob@example.com", at(50), None)
        );
    }

    pub(crate) async fn an_id_that_cannot_be_one_is_not_found(visit: Visit) {
        for id in ["999999", "abc"] {
            assert!(
                matches!(
                    visit.store.get(&RecordId::new(id)).await,
                    Err(StoreError::NotFound)
                ),
                "{id}"
            );
        }
    }

    pub(crate) async fn addresses_are_listed_by_exact_match_however_they_are_written(visit: Visit) {
        let nasty = [
            "o'brien@example.com",
            "a~or~b@example.com",
            "a%b@example.com",
            "a_b@example.com",
            "axb@example.com",
            "{x}|y@example.com",
        ];
        for address in nasty {
            visit
                .store
                .create(&email(address), START, None)
                .await
                .unwrap();
        }
        for address in nasty {
            let page = visit
                .store
                .list(&Listing::of(Some(&email(address))), 0)
                .await
                .unwrap();
            let found: Vec<&str> = page
                .sessions
                .iter()
                .map(|session| session.email.as_str())
                .collect();
            assert_eq!(found, [address]);
        }
    }

    pub(crate) async fn a_long_list_comes_in_pages_in_order(visit: Visit) {
        let total = usize::from(PAGE_SIZE) + 3;
        for second in 1..total {
            visit
                .store
                .create(&email("ann@example.com"), at(second as u64), None)
                .await
                .unwrap();
        }
        let first = visit.store.list(&Listing::of(None), 0).await.unwrap();
        let second = visit
            .store
            .list(&Listing::of(Some(&email("ann@example.com"))), 1)
            .await
            .unwrap();
        let third = visit.store.list(&Listing::of(None), 2).await.unwrap();
        assert_eq!(
            (first.sessions.len(), first.has_more),
            (PAGE_SIZE.into(), true)
        );
        assert_eq!((second.sessions.len(), second.has_more), (3, false));
        assert_eq!((third.sessions.len(), third.has_more), (0, false));
        let starts: Vec<Timestamp> = first
            .sessions
            .iter()
            .chain(&second.sessions)
            .map(|session| session.start)
            .collect();
        assert!(starts.is_sorted());
    }

    fn newest_first(starts: Starts, page_size: u16) -> Listing {
        Listing {
            starts,
            order: Order::NewestFirst,
            page_size,
            ..Listing::of(None)
        }
    }

    pub(crate) async fn a_range_is_listed_from_the_newest_down_and_counted(visit: Visit) {
        let bob = email("bob@example.com");
        // Two of them in the same second.
        for second in [10, 20, 20, 30] {
            visit.store.create(&bob, at(second), None).await.unwrap();
        }
        let between = |from: Option<u64>, before: Option<u64>| Starts::Between {
            from: from.map(at),
            before: before.map(at),
        };
        for (starts, expected) in [
            (Starts::All, &[30, 20, 20, 10, 0][..]),
            (between(None, None), &[30, 20, 20, 10, 0]),
            (between(Some(10), Some(30)), &[20, 20, 10]),
            (between(Some(11), None), &[30, 20, 20]),
            (between(None, Some(20)), &[10, 0]),
            (between(Some(31), None), &[]),
            (Starts::Missing, &[]),
        ] {
            let whole = newest_first(starts, LARGEST_PAGE);
            let all = visit.store.list(&whole, 0).await.unwrap();
            let found: Vec<u64> = all
                .sessions
                .iter()
                .map(|row| row.start.since(START))
                .collect();
            assert_eq!(found, expected, "{starts:?}");
            assert!(!all.has_more);
            let count = visit.store.count(starts).await.unwrap();
            assert_eq!(count, expected.len() as u64, "{starts:?}");

            let by_two = newest_first(starts, 2);
            let mut ids = Vec::new();
            for number in 0.. {
                let page = visit.store.list(&by_two, number).await.unwrap();
                ids.extend(page.sessions.into_iter().map(|row| row.id));
                if !page.has_more {
                    break;
                }
            }
            let whole: Vec<_> = all.sessions.into_iter().map(|row| row.id).collect();
            assert_eq!(ids, whole, "page by page, in the same order: {starts:?}");
        }
    }

    pub(crate) async fn a_large_page_holds_more_than_a_usual_one(visit: Visit) {
        let total = usize::from(PAGE_SIZE) + 3;
        let ann = email("ann@example.com");
        for second in 1..total {
            visit
                .store
                .create(&ann, at(second as u64), None)
                .await
                .unwrap();
        }
        let large = newest_first(Starts::All, LARGEST_PAGE);
        let page = visit.store.list(&large, 0).await.unwrap();
        assert_eq!((page.sessions.len(), page.has_more), (total, false));
    }

    pub(crate) async fn a_visit_whose_start_was_emptied_is_found_and_counted(visit: Visit) {
        let bob = email("bob@example.com");
        let id = visit.store.create(&bob, at(10), None).await.unwrap();
        visit.owner.empties_the_start(&id).await;
        let list = async |starts| {
            let page = visit.store.list(&newest_first(starts, 10), 0).await;
            page.unwrap().sessions
        };
        let missing = list(Starts::Missing).await;
        assert_eq!(missing.len(), 1);
        assert_eq!(
            (&missing[0].id, missing[0].start),
            (&id, at(10)),
            "its last seen stands in for its start"
        );
        let dated = Starts::Between {
            from: None,
            before: None,
        };
        assert_eq!(list(dated).await.len(), 1);
        for (starts, expected) in [(Starts::All, 2), (dated, 1), (Starts::Missing, 1)] {
            let count = visit.store.count(starts).await.unwrap();
            assert_eq!(count, expected, "{starts:?}");
        }
    }
}

mod owners_hands {
    use super::*;

    /// Another session of the same store.
    async fn another(visit: &Visit, address: &str, start: Timestamp) -> RecordId {
        let created = visit.store.create(&email(address), start, None).await;
        created.unwrap()
    }

    async fn reason(visit: &Visit, id: &RecordId) -> Option<EndReason> {
        visit.store.get(id).await.unwrap().end_reason
    }

    pub(crate) async fn ending_everything_ends_what_had_begun_and_nothing_since(mut visit: Visit) {
        visit.beats(&snapshot(20, 0, "/a/", 50), at(30)).await;
        visit.store.end_everything(at(40)).await.unwrap();
        let since = another(&visit, "ann@example.com", at(41)).await;
        assert_eq!(visit.row().await.end_reason, Some(EndReason::Revoked));
        assert_eq!(reason(&visit, &since).await, None);

        let row = visit.beats(&snapshot(60, 0, "/a/", 80), at(70)).await;
        assert_eq!(
            (row.end_reason, row.ended_at, row.last_seen),
            (Some(EndReason::Revoked), Some(at(40)), at(40)),
            "and what came after that moment does not count"
        );
        let again = visit.beats(&snapshot(60, 20, "/a/", 80), at(75)).await;
        assert_eq!((again.last_seen, again.ended_at), (at(40), Some(at(40))));
        assert_eq!(visit.store.not_before().await, Some(at(40)));
        let listed = visit
            .store
            .list(&Listing::of(None), 0)
            .await
            .unwrap()
            .sessions;
        assert_eq!(listed.len(), 2, "the row that ends everything is no visit");
        let id = &visit.token.record;
        let written = visit.owner.reads(id, columns::END_REASON).await;
        assert_eq!(
            written.as_deref(),
            Some("revoked"),
            "it was written where the owner looks"
        );
        assert_eq!(visit.store.count(Starts::All).await.unwrap(), 2);
    }

    pub(crate) async fn a_listing_shows_who_was_ended_before_their_rows_say_so(visit: Visit) {
        visit.store.end_everything(at(40)).await.unwrap();
        let since = another(&visit, "ann@example.com", at(41)).await;
        let page = visit.store.list(&Listing::of(None), 0).await.unwrap();
        let listed: Vec<Session> = page.told(&LIMITS).collect();
        let ended = (Some(EndReason::Revoked), Some(at(40)));
        assert_eq!((listed[0].end_reason, listed[0].ended_at), ended);
        assert_eq!((&listed[1].id, listed[1].end_reason), (&since, None));
        let told = visit.store.told(&listed[0].id, &LIMITS).await.unwrap();
        assert_eq!(told, listed[0]);
    }

    pub(crate) async fn what_had_vanished_before_everything_was_ended_is_not_told_as_revoked(
        visit: Visit,
    ) {
        let over = LIMITS.idle_timeout;
        let open = another(&visit, "ann@example.com", at(over - 100)).await;
        visit.store.end_everything(at(over)).await.unwrap();
        // Once more, when the other one would have been over, too.
        visit.store.end_everything(at(3 * over)).await.unwrap();
        let vanished = &visit.token.record;
        for (id, expected) in [(vanished, None), (&open, Some(at(over)))] {
            let held = visit.store.get(id).await.unwrap();
            assert_eq!(held.ended_at, Some(at(3 * over)), "no token is good for it");
            let told = visit.store.told(id, &LIMITS).await.unwrap();
            assert_eq!(told.ended_at, expected);
            let page = visit.store.list(&Listing::of(None), 0).await.unwrap();
            let listed = page.told(&LIMITS).find(|row| row.id == *id);
            assert_eq!(listed, Some(told));
            let written = visit.owner.reads(id, columns::END_REASON).await;
            assert_eq!(written, None, "reading writes nothing");
        }
    }

    pub(crate) async fn a_late_snapshot_closes_the_row_as_well(mut visit: Visit) {
        visit.store.end_everything(at(40)).await.unwrap();
        visit.beats(&snapshot(35, 60, "/a/", 80), at(95)).await;
        let listed = &visit
            .store
            .list(&Listing::of(None), 0)
            .await
            .unwrap()
            .sessions[0];
        assert_eq!(
            (listed.end_reason, listed.ended_at, listed.last_seen),
            (Some(EndReason::Revoked), Some(at(40)), at(35))
        );
        let id = &visit.token.record;
        let written = visit.owner.reads(id, columns::END_REASON).await;
        assert_eq!(written.as_deref(), Some("revoked"));
    }

    pub(crate) async fn logging_out_after_everything_was_ended_changes_no_reason(visit: Visit) {
        visit.store.end_everything(at(40)).await.unwrap();
        let heartbeat = visit.reading(&Snapshot::default(), at(50));
        let id = &visit.token.record;
        let ended = visit
            .store
            .end(id, &heartbeat, EndReason::Logout, at(50))
            .await;
        let ended = ended.unwrap();
        assert_eq!(
            (
                ended.already,
                ended.session.end_reason,
                ended.session.last_seen
            ),
            (true, Some(EndReason::Revoked), at(40))
        );
    }

    pub(crate) async fn the_newest_of_such_moments_counts(visit: Visit) {
        let later = another(&visit, "bob@example.com", at(50)).await;
        visit.store.end_everything(at(60)).await.unwrap();
        visit.store.end_everything(at(40)).await.unwrap();
        // Another process knows nothing but the rows.
        assert_eq!(reason(&visit, &later).await, Some(EndReason::Revoked));
    }

    pub(crate) async fn more_than_a_page_of_rows_is_closed_step_by_step(visit: Visit) {
        for second in 0..110u64 {
            another(&visit, &format!("v{second}@example.com"), at(second)).await;
        }
        let since = another(&visit, "new@example.com", at(500)).await;
        let store = visit.store.as_ref();
        let mut steps = Vec::new();
        loop {
            let step = end_open(store, None, EndReason::Revoked, &LIMITS, at(499), 100).await;
            let step = step.unwrap();
            steps.push(step.count);
            if !step.has_more {
                break;
            }
        }
        assert_eq!(steps, [100, 11]);
        assert_eq!(reason(&visit, &since).await, None, "it began later");
    }

    pub(crate) async fn those_seen_longest_ago_make_room(mut visit: Visit) {
        let (two, three) = (
            another(&visit, "ann@example.com", at(10)).await,
            another(&visit, "ann@example.com", at(20)).await,
        );
        let other = another(&visit, "bob@example.com", START).await;
        visit.beats(&snapshot(50, 0, "/a/", 1), at(60)).await;
        let ann = email("ann@example.com");
        make_room(visit.store.as_ref(), &ann, 4, &LIMITS, at(70))
            .await
            .unwrap();
        assert_eq!(reason(&visit, &two).await, None, "there was room");
        make_room(visit.store.as_ref(), &ann, 2, &LIMITS, at(70))
            .await
            .unwrap();
        assert_eq!(reason(&visit, &two).await, Some(EndReason::Revoked));
        assert_eq!(reason(&visit, &three).await, Some(EndReason::Revoked));
        assert_eq!(visit.row().await.end_reason, None, "seen last");
        assert_eq!(reason(&visit, &other).await, None);
        make_room(visit.store.as_ref(), &ann, 1, &LIMITS, at(60 + 1_800))
            .await
            .unwrap();
        assert_eq!(
            visit.row().await.end_reason,
            Some(EndReason::Idle),
            "what is over by itself takes no room"
        );
    }

    pub(crate) async fn a_forgotten_visitor_leaves_no_row(visit: Visit) {
        for second in 0..15 {
            another(&visit, "ann@example.com", at(second)).await;
        }
        let other = another(&visit, "bob@example.com", START).await;
        let step = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
            .await
            .unwrap();
        assert_eq!((step.count, step.has_more), (10, true));
        let step = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
            .await
            .unwrap();
        assert_eq!((step.count, step.has_more), (6, false));
        assert_eq!(
            visit
                .store
                .list(&Listing::of(None), 0)
                .await
                .unwrap()
                .sessions
                .len(),
            1
        );
        assert_eq!(reason(&visit, &other).await, None);
        let again = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
            .await
            .unwrap();
        assert_eq!(again.count, 0);
    }

    pub(crate) async fn rows_are_deleted_by_when_their_visitor_was_last_seen(mut visit: Visit) {
        let day = 86_400;
        for second in 0..12 {
            another(&visit, "old@example.com", START.minus(day + second)).await;
        }
        visit.beats(&snapshot(50, 0, "/a/", 1), at(60)).await;
        let now = at(30 * day);
        let store = visit.store.as_ref();
        assert_eq!(delete_old(store, 30, now, 100).await.unwrap().count, 12);
        assert_eq!(delete_old(store, 30, now, 100).await.unwrap().count, 0);
        assert_eq!(
            visit.row().await.last_seen,
            at(60),
            "seen within the 30 days"
        );
        let gone = [visit.token.record.clone(), RecordId::new("4711")];
        store.delete(&gone).await.unwrap();
        assert!(matches!(
            store.get(&visit.token.record).await,
            Err(StoreError::NotFound)
        ));
    }

    pub(crate) async fn the_version_a_visitor_agreed_to_stands_in_the_row(visit: Visit) {
        let agreed = visit
            .store
            .create(&email("ann@example.com"), START, Some("2026-11"))
            .await;
        let id = agreed.unwrap();
        assert_eq!(
            visit.owner.reads(&id, columns::CONSENT).await.as_deref(),
            Some("2026-11")
        );
        let without = visit.token.record.clone();
        assert_eq!(visit.owner.reads(&without, columns::CONSENT).await, None);
    }
}

mod whole_sessions {
    use super::*;

    fn whole(address: &str, start: Timestamp) -> Session {
        Session {
            id: RecordId::new("4711"),
            email: address.to_owned(),
            start,
            last_seen: start.plus(100),
            end_reason: Some(EndReason::Idle),
            ended_at: Some(start.plus(1_900)),
            active_seconds: Some(90),
            current_page: Some("/b/".to_owned()),
            pages: Pages::from([
                (
                    "/a/".to_owned(),
                    PageFigures {
                        seconds: 60,
                        scroll: 85,
                    },
                ),
                (
                    "/b/".to_owned(),
                    PageFigures {
                        seconds: 30,
                        scroll: 5,
                    },
                ),
            ]),
        }
    }

    /// Only what every row has.
    fn bare(address: &str, start: Timestamp) -> Session {
        Session {
            end_reason: None,
            ended_at: None,
            active_seconds: None,
            current_page: None,
            pages: Pages::new(),
            ..whole(address, start)
        }
    }

    pub(crate) async fn they_are_added_as_they_stand_under_ids_of_the_stores_own(visit: Visit) {
        // More than one request of NocoDB's.
        let mut sessions: Vec<Session> = (1..12)
            .map(|second| whole("ann@demo.example", at(second)))
            .collect();
        sessions.push(bare("bob@demo.example", at(12)));
        visit.store.import(&sessions).await.unwrap();
        visit.store.import(&[]).await.unwrap();
        let mut listed = visit
            .store
            .list(&Listing::of(None), 0)
            .await
            .unwrap()
            .sessions;
        assert_eq!(listed.remove(0), visit.row().await);
        let ids: std::collections::BTreeSet<_> = listed.iter().map(|one| one.id.clone()).collect();
        assert_eq!((ids.len(), listed.len()), (12, 12));
        assert!(!ids.contains(&RecordId::new("4711")));
        for (stored, given) in listed.iter().zip(&sessions) {
            let given = Session {
                id: stored.id.clone(),
                ..given.clone()
            };
            assert_eq!(*stored, given);
        }
    }

    pub(crate) async fn they_are_found_by_how_their_address_ends(visit: Visit) {
        let store = &visit.store;
        let mut sessions: Vec<Session> = (0..u64::from(PAGE_SIZE) + 5)
            .map(|second| bare("ann@demo.example", at(second)))
            .collect();
        sessions.push(bare("ann@example", START));
        sessions.push(bare("ann@demo.example.com", START));
        sessions.push(bare("ann@demoXexample", START));
        store.import(&sessions).await.unwrap();
        store.end_everything(at(1)).await.unwrap();
        let mut found = 0;
        loop {
            let ids = store.with_address_ending(".example").await.unwrap();
            if ids.is_empty() {
                break;
            }
            assert!(ids.len() <= usize::from(PAGE_SIZE));
            found += ids.len();
            store.delete(&ids).await.unwrap();
        }
        assert_eq!(found, usize::from(PAGE_SIZE) + 5);
        assert_eq!(
            store.count(Starts::All).await.unwrap(),
            4,
            "and its visitor's own"
        );
    }

    pub(crate) async fn the_row_that_ends_everything_is_not_counted(visit: Visit) {
        visit.store.end_everything(at(1)).await.unwrap();
        assert_eq!(visit.store.count(Starts::All).await.unwrap(), 1);
    }
}

mod spans {
    use super::*;
    use shared::store::{Moment, Span};

    fn span(moment: Moment, from: u64, to: u64) -> Span {
        Span {
            moment,
            from: at(from),
            to: at(to),
        }
    }

    async fn add(visit: &Visit, address: &str, start: u64, last_seen: u64, ended_at: Option<u64>) {
        let session = Session {
            id: RecordId::new(""),
            email: address.to_owned(),
            start: at(start),
            last_seen: at(last_seen),
            end_reason: ended_at.map(|_| EndReason::Logout),
            ended_at: ended_at.map(at),
            active_seconds: None,
            current_page: None,
            pages: Pages::new(),
        };
        visit.store.import(&[session]).await.unwrap();
    }

    async fn found(visit: &Visit, since: u64, spans: &[Span]) -> Vec<String> {
        let page = visit.store.within(at(since), spans, 0).await.unwrap();
        let local = |email: &str| email.split('@').next().unwrap_or_default().to_owned();
        page.sessions.iter().map(|one| local(&one.email)).collect()
    }

    pub(crate) async fn sessions_are_found_by_their_moments_to_the_second(visit: Visit) {
        add(&visit, "a@example.com", 10, 20, Some(30)).await;
        add(&visit, "b@example.com", 11, 40, Some(50)).await;
        add(&visit, "c@example.com", 60, 60, None).await;
        visit.store.end_everything(at(40)).await.unwrap();
        let (start, seen, ended) = (Moment::Start, Moment::LastSeen, Moment::EndedAt);
        let everything = Moment::EverythingEnded;
        for (since, spans, expected) in [
            (0, &[span(start, 10, 11)][..], "a"),
            (0, &[span(start, 10, 12)], "a b"),
            (0, &[span(start, 9, 10)], ""),
            (0, &[span(start, 0, 100)], "ann a b c"),
            (11, &[span(start, 0, 100)], "b c"),
            (0, &[span(seen, 20, 21)], "a"),
            (0, &[span(seen, 21, 40)], ""),
            (0, &[span(ended, 30, 51)], "a b"),
            (0, &[span(ended, 31, 50)], ""),
            (0, &[span(everything, 40, 41)], "everyone"),
            (0, &[span(everything, 41, 99)], ""),
            (
                0,
                &[
                    span(ended, 30, 31),
                    span(seen, 60, 61),
                    span(start, 11, 12),
                    span(everything, 0, 41),
                ],
                "a b everyone c",
            ),
            (0, &[], ""),
        ] {
            let found = found(&visit, since, spans).await.join(" ");
            assert_eq!(found, expected, "{since} {spans:?}");
        }
    }

    pub(crate) async fn many_come_page_by_page(visit: Visit) {
        for second in 1..u64::from(PAGE_SIZE) + 5 {
            add(&visit, "a@example.com", second, second, None).await;
        }
        let all = [
            span(Moment::Start, 1, 1_000),
            span(Moment::LastSeen, 1, 1_000),
        ];
        let first = visit.store.within(START, &all, 0).await.unwrap();
        let second = visit.store.within(START, &all, 1).await.unwrap();
        assert_eq!(
            (first.sessions.len(), first.has_more),
            (PAGE_SIZE.into(), true)
        );
        assert_eq!((second.sessions.len(), second.has_more), (4, false));
        let both = first.sessions.iter().chain(&second.sessions);
        assert!(both.map(|one| one.start).is_sorted());
    }
}

/// Each behaviour becomes one test for each store.
#[path = "support/store_bulk.rs"]
mod bulk;

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
    an_id_that_cannot_be_one_is_not_found,
    addresses_are_listed_by_exact_match_however_they_are_written,
    a_long_list_comes_in_pages_in_order,
    a_range_is_listed_from_the_newest_down_and_counted,
    a_large_page_holds_more_than_a_usual_one,
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

/// A table that somebody made elsewhere: its rows are read one by one, and changed ten at a time.
#[tokio::test]
async fn a_table_whose_key_has_another_title_is_written_all_the_same() {
    let visit = Visit::begin(nocodb().await).await;
    let Owner::NocoDb(table) = &visit.owner else {
        unreachable!("it is NocoDB")
    };
    let store = NocoDbStore::with_key(table.clone(), "Number");
    let id = visit.token.record.clone();
    let (rows, _) = store
        .rows(&[id.clone(), RecordId::new("99999")])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    let change = shared::store::Change {
        last_seen: Some(at(70)),
        ..Default::default()
    };
    store.write_many(&[(id, change)]).await.unwrap();
    assert_eq!(visit.row().await.last_seen, at(70));
}

#[tokio::test]
async fn a_table_without_columns_for_endings_tells_of_none() {
    for columns in [3, 4] {
        let visit = Visit::begin(nocodb_with(&columns::ALL[..columns]).await).await;
        visit.store.end_everything(at(10)).await.unwrap();
        let page = visit.store.ended(at(0), at(0), 0).await.unwrap();
        assert_eq!(page.sessions.len(), columns - 3, "{columns} columns");
    }
}

#[tokio::test]
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
        let page = visit.store.within(START, spans, 0).await.unwrap();
        assert_eq!(page.sessions.len(), expected, "{spans:?}");
    }
}

#[tokio::test]
async fn a_table_with_the_three_needed_columns_records_visits() {
    let mut visit = Visit::begin(nocodb_with(&columns::ALL[..3]).await).await;
    let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    assert_eq!(
        (row.last_seen, row.active_seconds, row.end_reason),
        (at(100), None, None)
    );
    assert_eq!(visit.token.active, 90, "the token still knows");
    // Nothing could say that a session was ended, so nobody is told that it was.
    let ended = end_all(
        visit.store.as_ref(),
        "ann@example.com",
        EndReason::Logout,
        &LIMITS,
        at(110),
    )
    .await;
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
            let page = visit.store.list(&listing, 0).await.unwrap();
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
            .list(&Listing::of(Some(&email("ann@example.com"))), 0)
            .await
            .unwrap()
            .sessions
            .len(),
        50
    );
    assert_eq!(
        store
            .list(&Listing::of(Some(&email("bob@example.com"))), 0)
            .await
            .unwrap()
            .sessions
            .len(),
        50
    );
}
