//! Many rows wait for a NocoDB that gives few of them at once: by how many it gives, or by how large they
//! are. `tests/outsider/` runs this on a server with `DB_QUERY_LIMIT_MAX=25`, too.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::time::Duration;

use shared::email::EmailRules;
use shared::nocodb::{Client, Config, DEFAULT_WORKSPACE, FieldSpec};
use shared::queue::local::LocalQueue;
use shared::queue::{Entry, Queue, QueuedEnding};
use shared::session::{EndReason, Heartbeat, Limits, PageFigures, Pages, RecordId, Session};
use shared::snapshot::Snapshot;
use shared::store::nocodb_store::NocoDbStore;
use shared::store::sqlite::SqliteStore;
use shared::store::{Listing, Store, columns};
use shared::timestamp::Timestamp;
use shared::token::Claims;
use writer::{Budget, Step, Writer};

const START: Timestamp = Timestamp::from_unix(1_767_323_045);
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

async fn nocodb() -> NocoDbStore {
    let variable = |name| std::env::var(name).unwrap();
    let url = variable("NOCODB_TEST_URL").parse().unwrap();
    let mut config = Config::new(url, variable("NOCODB_TEST_TOKEN").into());
    // Other tests use the server, too.
    config.attempt_timeout = Duration::from_mins(1);
    config.total_deadline = Duration::from_mins(2);
    let client = Client::new(config).unwrap();
    let base = client.create_base(DEFAULT_WORKSPACE, "clamped").await;
    let base = base.unwrap().id;
    let fields = columns::ALL.map(|column| FieldSpec::new(column.title, column.kind));
    let table = client.create_table(&base, columns::TABLE, &fields).await;
    NocoDbStore::new(client.table(&base, &table.unwrap().id).unwrap())
}

/// Rows, all of which it gives page by page.
async fn rows(store: &dyn Store) -> Vec<Session> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let listing = Listing::of(None);
        let page = store.list(&listing, after.as_ref()).await.unwrap();
        rows.extend(page.sessions);
        after = page.rest;
        if after.is_none() {
            return rows;
        }
    }
}

/// So many open sessions in the table, whose log-outs wait in the queue.
async fn waiting(store: &dyn Store, count: u64, pages: &Pages) -> (LocalQueue, tempfile::TempDir) {
    let row = |number: u64| Session {
        email: format!("visitor-{number}@example.com"),
        pages: pages.clone(),
        ..session()
    };
    let sessions: Vec<_> = (0..count).map(row).collect();
    store.import(&sessions).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let queue = LocalQueue::open(&folder.path().join("queue.db")).unwrap();
    for Session { id, .. } in rows(store).await {
        let token = Claims::start("localhost", String::new(), id, &LIMITS, START);
        let now = START.plus(60);
        let heartbeat = Heartbeat::new(&token, &Snapshot::default(), now);
        let logout = QueuedEnding {
            reason: EndReason::Logout,
            at: now,
            everywhere: None,
        };
        let entry = Entry::new(&token.record, &heartbeat, Some(logout));
        queue.push(&entry, now, now).await.unwrap();
    }
    (queue, folder)
}

/// An open session as a store reads it.
fn session() -> Session {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("one.db")).unwrap();
    let email = shared::email::Email::parse("ann@example.com").unwrap();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        runtime.block_on(async {
            let id = store.create(&email, START, None).await.unwrap();
            store.get(&id).await.unwrap()
        })
    })
}

async fn write(store: &dyn Store, queue: &LocalQueue) -> Step {
    let rules = EmailRules::parse("", "").unwrap();
    let writer = Writer {
        queue,
        store,
        limits: &LIMITS,
        rules: &rules,
        budget: &Budget::per_second(1_000),
        board: None,
        ended: None,
    };
    let step = writer.step(Duration::from_secs(50), START.plus(120)).await;
    step.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real NocoDB"]
async fn what_a_page_did_not_show_is_written_all_the_same() {
    let store = nocodb().await;
    let (queue, _folder) = waiting(&store, 200, &Pages::new()).await;
    let gone = RecordId::new("77");
    store.delete(std::slice::from_ref(&gone)).await.unwrap();
    let step = write(&store, &queue).await;
    assert_eq!((step.taken, step.rows, step.refused), (200, 199, 0));
    let rows = rows(&store).await;
    assert_eq!(rows.len(), 199);
    let reason = Some(EndReason::Logout);
    assert!(
        rows.iter()
            .all(|row| row.end_reason == reason && row.id != gone)
    );
    assert_eq!(queue.depth().await.unwrap().waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real NocoDB"]
async fn rows_that_are_too_large_together_are_read_some_at_a_time() {
    let store = nocodb().await;
    let figures = PageFigures {
        seconds: 1,
        scroll: 50,
    };
    let name = |number: u64| format!("/{}{number:03}", "\u{1f600}".repeat(296));
    let pages: Pages = (0..50).map(|number| (name(number), figures)).collect();
    let (queue, _folder) = waiting(&store, 150, &pages).await;
    // Nobody asks for figures by page to learn who was ended.
    store.end_everything(START).await.unwrap();
    let step = write(&store, &queue).await;
    assert_eq!((step.taken, step.rows, step.away), (150, 150, None));
    let ended = store.ended(START.minus(60), Some(START), None).await;
    assert!(!ended.unwrap().sessions.is_empty());
    let rows = rows(&store).await;
    assert_eq!(rows.len(), 150);
    assert!(
        rows.iter()
            .all(|row| row.end_reason.is_some() && row.pages == pages)
    );
    assert_eq!(queue.depth().await.unwrap().waiting, 0);
}
