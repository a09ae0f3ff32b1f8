//! What each step of an actor does: the handlers, the writer and the jobs that ship, over the model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::app::App;
use shared::gate::{self, Verdict as Gate};
use shared::nocodb::{Client, Config, Connections, Retry};
use shared::queue::WriteBehind;
use shared::settings::{Pace, Variables};
use shared::site_path::SitePath;
use shared::store::Store;
use shared::store::nocodb_store::NocoDbStore;
use shared::timestamp::Timestamp;
use shared::web::Response;
use writer::{Budget, Writer};

use crate::browser::{Browser, PAGE, location};
use crate::monitor::{Truth, Verdict};
use crate::scenario::{Mode, Op};
use crate::sqlite::{File, Steps};
use crate::world::Line;

/// When every schedule's visits begin.
pub const START: Timestamp = Timestamp::from_unix(1_767_323_045);
/// Between two writes of one row in batched mode.
const EVERY: u64 = 300;
const OWNER: &str = "owner-owner-owner-owner-owner-owner";
/// The visitor, and a stranger.
const VISITOR: &str = "ann@x.example";
const STRANGER: &str = "bob@y.example";

/// What every process begins with.
pub struct Site {
    base: App,
    connections: Connections,
    /// SQLite's.
    pub file: Arc<File>,
}

/// A process: a sandbox of Lambda's, or `serve`.
#[derive(Clone)]
pub struct Process {
    /// What its handlers are given.
    pub app: App,
    line: Line,
    mode: Mode,
    file: Arc<File>,
}

/// The browsers' cookie jars.
pub type Browsers = Arc<Mutex<Vec<Browser>>>;

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Reads the settings once.
    ///
    /// # Panics
    /// Where they are wrong.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only tests use it")]
    pub fn new() -> Self {
        let key = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let settings = [
            ("SESSION_KEYS", key),
            ("SITE_AUDIENCE", "localhost"),
            ("COOKIE_SECURE", "false"),
            ("ADMIN_TOKEN", OWNER),
            ("NOCODB_URL", "https://nocodb.example/"),
            ("NOCODB_BASE_ID", "p1"),
            ("NOCODB_TABLE_ID", "m1"),
            ("NOCODB_API_TOKEN", "token"),
        ];
        let pairs = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables: Variables = pairs.into_iter().collect();
        Self {
            base: App::start(&variables).expect("the settings are right"),
            connections: Connections::new().expect("TLS can be set up"),
            file: Arc::default(),
        }
    }

    /// A new process at this line to the world.
    ///
    /// # Panics
    /// Where the model's own ids are refused.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only tests use it")]
    pub fn process(&self, mode: Mode, line: &Line) -> Process {
        let url = "https://nocodb.example/".parse().expect("it is a URL");
        let config = Config {
            connections: Some(self.connections.clone().over(Arc::new(line.clone()))),
            // That a call is tried again is the explorer's doing.
            retry: Retry {
                retries: 0,
                ..Retry::default()
            },
            ..Config::new(url, "token".to_owned().into())
        };
        let table = Client::new(config).and_then(|client| client.table("p1", "m1"));
        let store: Arc<dyn Store> = if mode == Mode::Sqlite {
            Arc::new(Steps {
                line: line.clone(),
                file: Arc::clone(&self.file),
            })
        } else {
            Arc::new(NocoDbStore::new(table.expect("the ids are right")))
        };
        let limits = self.base.settings.limits;
        let behind = Arc::clone(&store);
        let queue = Arc::new(line.clone());
        let writes = match mode {
            Mode::Direct => WriteBehind::without_queue(behind, limits),
            Mode::Sqlite => WriteBehind::beside_sqlite(behind, limits, queue),
            Mode::Queued => WriteBehind::with_queue(behind, limits, queue, None),
            Mode::Batched => WriteBehind::with_queue(behind, limits, queue, Some(EVERY)),
            Mode::Board => WriteBehind::with_queue(behind, limits, queue, Some(EVERY))
                .told_by(Arc::new(line.clone())),
        };
        Process {
            app: App {
                store,
                writes: Arc::new(writes),
                flood: Arc::default(),
                ..self.base.clone()
            },
            line: line.clone(),
            mode,
            file: Arc::clone(&self.file),
        }
    }
}

impl Process {
    /// Somebody comes in with this browser, at the world's time.
    pub async fn enter(&self, browsers: &Browsers, number: usize) {
        let email = if number < 2 { VISITOR } else { STRANGER };
        let now = self.line.world().clock;
        let mut browser = Browser {
            start: now,
            cookie: None,
        };
        let body = json!({ "email": email });
        let request = browser.request("POST", "/api/verify-temp-access", Some(&body));
        let response = verify_access::handle(self.app.clone(), request, now).await;
        browser.keep(&response);
        let mut world = self.line.world();
        match browser.token() {
            Some(token) => {
                let truth = Truth {
                    browser: number,
                    row: token.row,
                    start: now,
                    email,
                    is_deleted: false,
                    confirmed: None,
                    is_promised: false,
                    promised_by: None,
                    is_begun: false,
                    kept: None,
                    is_disturbed: false,
                    is_cut_off: false,
                };
                world.monitor.sessions.push(truth);
            }
            None => world.monitor.fail("somebody could not come in"),
        }
        drop(world);
        let mut browsers = lock(browsers);
        while browsers.len() <= number {
            browsers.push(browser.clone());
        }
        browsers[number] = browser;
    }

    /// Does one step, from its begin to its answer.
    pub async fn step(&self, op: Op, actor: usize, number: usize, browsers: Browsers) {
        let browser = op.browser().map(|one| lock(&browsers)[one].clone());
        let now = {
            let mut world = self.line.world();
            let token = browser.as_ref().and_then(Browser::token);
            let (table, now) = (world.table.clone(), world.clock);
            world.monitor.begin(actor, number, op, token, &table, now);
            now
        };
        if op.is_instant() {
            self.at_once(op, &browsers).await;
            self.finish(actor, &Verdict::Done, None, None);
            return;
        }
        let Some(browser) = browser else {
            let verdict = self.others(op, &browsers, now).await;
            self.finish(actor, &verdict, None, None);
            return;
        };
        if browser.cookie.is_none() {
            self.finish(actor, &Verdict::Closed, None, None);
            return;
        }
        let (response, verdict, snapshot) = self.browsers(op, &browser, now).await;
        let mut renewed = None;
        if let (Some(response), Some(one)) = (response, op.browser()) {
            let mut browsers = lock(&browsers);
            if browsers[one].keep(&response) {
                renewed = browsers[one].token();
            }
        }
        self.finish(actor, &verdict, renewed.as_ref(), snapshot);
        if op == Op::Page(op.browser().unwrap_or(0)) && renewed.is_some() {
            // The browser comes back at once, and must not be sent round.
            let browser = lock(&browsers)[op.browser().unwrap_or(0)].clone();
            let verdict = gate(&self.app, &browser, now);
            if verdict != (Gate::Pass { protected: true }) {
                self.line.world().monitor.fail("a refresh never goes round");
            }
        }
    }

    fn finish(
        &self,
        actor: usize,
        verdict: &Verdict,
        renewed: Option<&crate::browser::Token>,
        snapshot: Option<(Timestamp, u64)>,
    ) {
        let mut world = self.line.world();
        let (table, clock) = (world.table.clone(), world.clock);
        world
            .monitor
            .finish(actor, verdict, renewed, snapshot, &table, clock);
    }

    async fn browsers(
        &self,
        op: Op,
        browser: &Browser,
        now: Timestamp,
    ) -> (Option<Response>, Verdict, Option<(Timestamp, u64)>) {
        let heartbeat = async |method: &str, body: Option<Value>| {
            let request = browser.request(method, "/api/session-heartbeat", body.as_ref());
            heartbeat::handle(self.app.clone(), request, now).await
        };
        let log_out = async |body: Value| {
            let request = browser.request("POST", "/api/logout", Some(&body));
            let response = logout::handle(self.app.clone(), request, now).await;
            let verdict = if response.status() == StatusCode::NO_CONTENT {
                Verdict::Done
            } else {
                Verdict::Failed
            };
            (Some(response), verdict, None)
        };
        match op {
            Op::Beat(_) | Op::Late(_) | Op::Lie(_) => {
                let at = if matches!(op, Op::Late(_)) {
                    browser.start.plus(10)
                } else {
                    now
                };
                let (mut body, kept) = browser.snapshot(at, now);
                match op {
                    Op::Late(_) => body["leaving"] = json!(true),
                    Op::Lie(_) => {
                        body["pages"]["/portfolio/confidential/other/"] =
                            json!({ "seconds": kept.1, "scroll": 100 });
                    }
                    _ => {}
                }
                let response = heartbeat("POST", Some(body)).await;
                let verdict = beat(response.status());
                (Some(response), verdict, Some(kept))
            }
            Op::Status(_) => {
                let response = heartbeat("GET", None).await;
                let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
                let verdict = match (response.status(), body["hasSession"].as_bool()) {
                    (StatusCode::OK, Some(true)) => Verdict::Open { by_token: false },
                    (StatusCode::OK, _) => Verdict::Closed,
                    (StatusCode::TOO_MANY_REQUESTS, _) => Verdict::Limited,
                    _ => Verdict::Unavailable,
                };
                (Some(response), verdict, None)
            }
            Op::LogOut(_) => log_out(json!({ "everywhere": false })).await,
            Op::LogOutEverywhere(_) => log_out(json!({ "everywhere": true })).await,
            Op::Idle(_) => log_out(json!({ "reason": "idle", "everywhere": false })).await,
            _ => self.page(browser, now).await,
        }
    }

    async fn page(
        &self,
        browser: &Browser,
        now: Timestamp,
    ) -> (Option<Response>, Verdict, Option<(Timestamp, u64)>) {
        match gate(&self.app, browser, now) {
            Gate::Pass { .. } => (None, Verdict::Open { by_token: true }, None),
            Gate::ToGate { .. } | Gate::Ahead => (None, Verdict::Closed, None),
            Gate::Refresh { .. } => {
                let path = gate::refresh_address(self.app.settings.redirect(Some(PAGE)).as_ref());
                let request = browser.request("GET", &path, None);
                let response = heartbeat::handle(self.app.clone(), request, now).await;
                let verdict = match response.status() {
                    StatusCode::FOUND if location(&response) == PAGE => {
                        Verdict::Open { by_token: false }
                    }
                    StatusCode::FOUND => Verdict::Closed,
                    StatusCode::TOO_MANY_REQUESTS => Verdict::Limited,
                    _ => Verdict::Unavailable,
                };
                (Some(response), verdict, None)
            }
        }
    }

    async fn others(&self, op: Op, browsers: &Browsers, now: Timestamp) -> Verdict {
        let owner = async |path: String, body: Value| {
            let request = http::Request::builder()
                .method("POST")
                .uri(path)
                .header("host", "localhost")
                .header("authorization", format!("Bearer {OWNER}"))
                .header("content-type", "application/json");
            let body = bytes::Bytes::from(body.to_string());
            let request = request.body(body).unwrap_or_default();
            let response = sessions::handle(self.app.clone(), request, now).await;
            if response.status() == StatusCode::OK {
                Verdict::Done
            } else {
                Verdict::Failed
            }
        };
        match op {
            Op::RevokeOne(one) => {
                let row = self.row(one, browsers);
                owner(format!("/api/sessions/{row}/revoke"), json!({})).await
            }
            Op::RevokeVisitor => {
                owner(
                    "/api/sessions/revoke".to_owned(),
                    json!({ "email": VISITOR }),
                )
                .await
            }
            Op::RevokeAll => owner("/api/sessions/revoke".to_owned(), json!({ "all": true })).await,
            Op::Retention => {
                let pace = Pace {
                    rows: 100,
                    pause: Duration::ZERO,
                };
                let done = retention::run(self.app.store.as_ref(), pace, 1, now).await;
                done.map_or(Verdict::Failed, |_| Verdict::Done)
            }
            op => {
                let time = if op == Op::Post {
                    Duration::from_secs(1)
                } else {
                    Duration::from_secs(30)
                };
                self.write(time, now).await
            }
        }
    }

    /// The writer runs for so long; one second is enough to post, and for nothing else.
    pub async fn write(&self, time: Duration, now: Timestamp) -> Verdict {
        let budget = Budget::per_second(u32::MAX);
        let settings = &self.app.settings;
        let writer = Writer {
            queue: &self.line,
            store: self.app.store.as_ref(),
            limits: &settings.limits,
            rules: &settings.email_rules,
            budget: &budget,
            board: (self.mode == Mode::Board).then_some(&self.line as _),
            ended: None,
        };
        let done = if time < Duration::from_secs(2) {
            writer.run(time, || now).await.is_ok()
        } else {
            writer.step(time, now).await.is_ok()
        };
        if done { Verdict::Done } else { Verdict::Failed }
    }

    fn row(&self, browser: usize, browsers: &Browsers) -> u64 {
        let _ = browsers;
        let world = self.line.world();
        let mut sessions = world.monitor.sessions.iter();
        sessions
            .find(|one| one.browser == browser)
            .map_or(0, |one| one.row)
    }

    /// What happens in one moment, with nobody asked.
    async fn at_once(&self, op: Op, browsers: &Browsers) {
        use crate::table::{Cells, Request};
        let cell = |name: &str, value: &str| {
            let mut cells = Cells::new();
            cells.insert(name.to_owned(), json!(value));
            cells
        };
        let actor = self.line.world().actor;
        let apply = |request: &Request| {
            if self.mode == Mode::Sqlite {
                self.file.run(&request.as_sql());
                let table = self.file.table();
                self.line.world().look_at(table, actor);
            } else {
                self.line.world().apply(request, Some(actor));
            }
        };
        match op {
            Op::Word(one) => {
                let row = self.row(one, browsers);
                apply(&Request::Patch(
                    vec![(row, cell("endReason", "gone fishing"))],
                    false,
                ));
            }
            Op::Rename(one) => {
                let row = self.row(one, browsers);
                let cells = cell("emailOfAccessor", "ann@x2.example");
                apply(&Request::Patch(vec![(row, cells)], false));
            }
            Op::Delete(one) | Op::DeleteForStranger(one) => {
                apply(&Request::Delete(vec![self.row(one, browsers)]));
                if matches!(op, Op::DeleteForStranger(_)) {
                    self.line.world().is_open = true;
                    self.enter(browsers, 2).await;
                    self.line.world().is_open = false;
                }
            }
            Op::Tick(seconds) => {
                let mut world = self.line.world();
                world.clock = world.clock.plus(seconds.into());
            }
            Op::Down => self.line.world().is_down = true,
            Op::Up => self.line.world().is_down = false,
            Op::Hold => {
                self.file.run("BEGIN IMMEDIATE");
                self.line.world().is_held = true;
            }
            Op::Release => {
                self.file.run("ROLLBACK");
                self.line.world().is_held = false;
            }
            _ => {}
        }
    }
}

fn beat(status: StatusCode) -> Verdict {
    match status {
        StatusCode::OK => Verdict::Open { by_token: false },
        StatusCode::UNAUTHORIZED => Verdict::Closed,
        StatusCode::TOO_MANY_REQUESTS => Verdict::Limited,
        _ => Verdict::Unavailable,
    }
}

/// What the gate makes of a browser's wish to see the page.
fn gate(app: &App, browser: &Browser, now: Timestamp) -> Gate {
    let request = browser.request("GET", PAGE, None);
    let headers: &HeaderMap = request.headers();
    SitePath::normalise(PAGE).map_or(Gate::ToGate { reason: None }, |path| {
        gate::decide(&app.settings, &path, gate::Served::Page, headers, None, now)
    })
}

fn lock(browsers: &Browsers) -> std::sync::MutexGuard<'_, Vec<Browser>> {
    browsers
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
