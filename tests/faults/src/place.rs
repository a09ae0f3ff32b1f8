//! A site with its table, behind a proxy or not.

use std::sync::Arc;
use std::time::Duration;

use shared::app::App;
use shared::nocodb::{Client, Config, FieldSpec, Retry};
use shared::queue::WriteBehind;
use shared::queue::local::{Depth, LocalQueue};
use shared::session::Session;
use shared::settings::{Settings, Variables};
use shared::store::columns::ALL;
use shared::store::nocodb_store::NocoDbStore;
use shared::store::{Listing, Store};
use shared::timestamp::Timestamp;
use tempfile::TempDir;
use writer::{Budget, Step, Writer};

use crate::proxy::TOO_LONG;

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run through `make test`, or `tests/nocodb/with-server cargo test`"
        )
    })
}

/// The real server.
#[must_use]
pub fn server() -> String {
    setting("NOCODB_TEST_URL")
}

/// One site.
pub struct Place {
    /// What the handlers are given.
    pub app: App,
    queue: LocalQueue,
    /// The store as its owner sees it, past the proxy.
    truth: Arc<dyn Store>,
    budget: Budget,
    folder: TempDir,
}

/// A new table on the real server, by its base and id.
pub async fn table() -> (String, String) {
    let client = client(&server());
    let base = setting("NOCODB_TEST_BASE");
    let fields: Vec<_> = ALL
        .iter()
        .map(|column| FieldSpec::new(column.title, column.kind))
        .collect();
    let title = format!("emailAccess-{:08x}", crate::anything());
    let table = client.create_table(&base, &title, &fields).await.unwrap();
    (base, table.id)
}

fn client(url: &str) -> Client {
    let url = url.parse().unwrap();
    let config = Config::new(url, setting("NOCODB_TEST_TOKEN").into());
    Client::new(Config {
        attempt_timeout: Duration::from_secs(20),
        total_deadline: Duration::from_secs(30),
        ..config
    })
    .unwrap()
}

/// The real client, with less patience than in production.
fn impatient(url: &str) -> Client {
    let config = Config::new(url.parse().unwrap(), setting("NOCODB_TEST_TOKEN").into());
    Client::new(Config {
        attempt_timeout: TOO_LONG * 2 / 3,
        total_deadline: TOO_LONG * 2 / 3,
        retry: Retry {
            retries: 1,
            base: Duration::from_millis(2),
            max: Duration::from_millis(2),
        },
        ..config
    })
    .unwrap()
}

impl Place {
    /// On a new table, reached at this address.
    pub async fn on_nocodb(url: &str, every: Option<u64>) -> Self {
        let (base, table) = table().await;
        let store = |client: Client| -> Arc<dyn Store> {
            Arc::new(NocoDbStore::new(client.table(&base, &table).unwrap()))
        };
        let truth = store(client(&server()));
        let store = if url == server() {
            Arc::clone(&truth)
        } else {
            store(impatient(url))
        };
        let given = [("NOCODB_URL", url), ("NOCODB_BASE_ID", &base)];
        Self::new(store, truth, every, &given)
    }

    /// On any store; `truth` is the same one as its owner sees it.
    #[must_use]
    pub fn on(store: Arc<dyn Store>, truth: Arc<dyn Store>) -> Self {
        Self::new(store, truth, None, &[])
    }

    fn new(
        store: Arc<dyn Store>,
        truth: Arc<dyn Store>,
        every: Option<u64>,
        given: &[(&str, &str)],
    ) -> Self {
        let necessary = [
            (
                "SESSION_KEYS",
                "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            ("SITE_AUDIENCE", "localhost"),
            ("NOCODB_TABLE_ID", "m1"),
            ("NOCODB_API_TOKEN", "not-used"),
            ("FLOOD_LIMITS", "off"),
        ];
        let all = necessary.iter().chain(given);
        let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::read(&all.collect::<Variables>()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let queue = LocalQueue::open(&folder.path().join("queue.db")).unwrap();
        let behind = Arc::new(queue.clone());
        let limits = settings.limits;
        let writes = if given.is_empty() {
            WriteBehind::beside_sqlite(Arc::clone(&store), limits, behind)
        } else {
            WriteBehind::with_queue(Arc::clone(&store), limits, behind, every)
        };
        Self {
            app: App {
                settings: Arc::new(settings),
                store,
                writes: Arc::new(writes),
                codes: None,
                sign_in_links: None,
                flood: Arc::default(),
                reports: Arc::default(),
            },
            queue,
            truth,
            budget: Budget::per_second(1_000),
            folder,
        }
    }

    /// One run of what empties the queue.
    pub async fn write(&self, now: Timestamp) -> Step {
        let settings = &self.app.settings;
        let writer = Writer {
            queue: &self.queue,
            store: self.app.store.as_ref(),
            limits: &settings.limits,
            rules: &settings.email_rules,
            budget: &self.budget,
            board: None,
            ended: None,
        };
        writer.step(Duration::from_secs(50), now).await.unwrap()
    }

    /// How much waits.
    pub async fn depth(&self) -> Depth {
        self.queue.depth().await.unwrap()
    }

    /// The process was killed and is started again: what it knew is gone, and its files are there.
    #[must_use]
    pub fn killed(self) -> Self {
        let path = self.folder.path().join("queue.db");
        let queue = LocalQueue::open(&path).unwrap();
        let (store, limits) = (Arc::clone(&self.app.store), self.app.settings.limits);
        let behind = Arc::new(queue.clone());
        let writes = WriteBehind::with_queue(store, limits, behind, None);
        Self {
            app: App {
                writes: Arc::new(writes),
                ..self.app
            },
            queue,
            ..self
        }
    }

    /// All rows, as the owner sees them.
    pub async fn rows(&self) -> Vec<Session> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let listing = Listing::of(None);
            let page = self.truth.list(&listing, after.as_ref()).await.unwrap();
            rows.extend(page.sessions);
            after = page.rest;
            if after.is_none() {
                break;
            }
        }
        rows
    }
}
