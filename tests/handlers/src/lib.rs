//! A browser with cookies, a clock that tests set, and a store that tests can switch off: what the
//! real parts can't be made to do. The handlers and the SQLite file below them are the real ones.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "only tests use it, and for them a panic is the report"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use serde_json::Value;
use shared::app::App;
use shared::codes::Codes;
use shared::codes::memory::MemoryCodes;
use shared::email::Email;
use shared::mail::{Mail, MailError, Mailer};
use shared::queue::WriteBehind;
use shared::queue::local::LocalQueue;
use shared::session::{EndReason, Heartbeat, RecordId, Session};
use shared::settings::{Settings, Variables};
use shared::store::sqlite::SqliteStore;
use shared::store::{
    After, Change, Ended, Listing, Rows, SessionPage, Span, Starts, Store, StoreError,
};
use shared::timestamp::Timestamp;
use shared::token::Claims;
use shared::web::Response;
use tempfile::TempDir;

/// How the paths of the owner's routes begin.
const OWNERS: [&str; 4] = [
    "/api/admin/",
    "/api/sessions",
    "/api/summary",
    "/api/visitors",
];

/// When every test begins.
pub const START: Timestamp = Timestamp::from_unix(1_767_323_045);

/// A SQLite store that can be switched off, and counts what it is asked.
pub struct Switchable {
    inner: SqliteStore,
    /// Nothing answers while set.
    pub is_down: AtomicBool,
    /// Open sessions cannot be listed while set.
    pub lists_nothing_open: AtomicBool,
    /// How long every answer takes, in milliseconds.
    pub delay: AtomicU64,
    /// How many calls came in.
    pub calls: AtomicUsize,
}

impl Switchable {
    fn reach(&self) -> Result<&SqliteStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
        if self.is_down.load(Ordering::SeqCst) {
            Err(StoreError::Stopped)
        } else {
            Ok(&self.inner)
        }
    }
}

#[async_trait]
impl Store for Switchable {
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        self.reach()?.create(email, start, consent).await
    }
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        self.reach()?.heartbeat(id, heartbeat).await
    }
    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        self.reach()?.end(id, heartbeat, reason, now).await
    }
    async fn open(
        &self,
        email: Option<&str>,
        since: Timestamp,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        if self.lists_nothing_open.load(Ordering::SeqCst) {
            return Err(StoreError::Stopped);
        }
        self.reach()?.open(email, since, after).await
    }
    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.reach()?.end_many(endings, now).await
    }
    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        self.reach()?.end_everything(now).await
    }
    async fn not_before(&self) -> Option<Timestamp> {
        self.reach().ok()?.not_before().await
    }
    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        self.reach()?.seen_before(moment).await
    }
    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError> {
        self.reach()?.delete(ids).await
    }
    async fn import(&self, sessions: &[Session]) -> Result<(), StoreError> {
        self.reach()?.import(sessions).await
    }
    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        self.reach()?.rows(ids).await
    }
    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        self.reach()?.write_many(changes).await
    }
    async fn ended(
        &self,
        began: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.reach()?.ended(began, since, after).await
    }
    async fn with_address_ending(&self, end: &str) -> Result<Vec<RecordId>, StoreError> {
        self.reach()?.with_address_ending(end).await
    }
    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        self.reach()?.row(id).await
    }
    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.reach()?.within(since, spans, after).await
    }
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.reach()?.list(listing, after).await
    }
    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        self.reach()?.count(starts).await
    }
}

/// What was mailed, and how well that goes.
#[derive(Clone, Default)]
pub struct Postbox {
    /// Address and mail, in order.
    pub mails: Arc<Mutex<Vec<(String, Mail)>>>,
    /// Nothing is taken while set.
    pub is_down: Arc<AtomicBool>,
    /// How long every mail takes, in milliseconds.
    pub delay: Arc<AtomicU64>,
}

impl Postbox {
    /// The code that was mailed last.
    #[must_use]
    pub fn code(&self) -> String {
        let mails = self.mails.lock().unwrap();
        let (_, mail) = mails.last().unwrap();
        let line = mail.text.lines().find(|line| line.starts_with("    "));
        line.unwrap().trim().to_owned()
    }

    /// How many mails were taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.mails.lock().unwrap().len()
    }
}

#[async_trait]
impl Mailer for Postbox {
    async fn send(&self, to: &Email, mail: &Mail) -> Result<(), MailError> {
        tokio::time::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst))).await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(MailError::Timeout);
        }
        let mail = (to.as_str().to_owned(), mail.clone());
        self.mails.lock().unwrap().push(mail);
        Ok(())
    }
}

/// One site with its store.
pub struct Site {
    /// What the handlers are given.
    pub app: App,
    /// The store, to break it.
    pub store: Arc<Switchable>,
    /// What visitors were mailed.
    pub postbox: Postbox,
    folder: Arc<TempDir>,
}

impl Site {
    /// A site with these settings besides the necessary ones.
    #[must_use]
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&folder.path().join("sessions.db")).unwrap();
        let store = Arc::new(Switchable {
            inner,
            is_down: AtomicBool::new(false),
            lists_nothing_open: AtomicBool::new(false),
            delay: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
        });
        Self::over(store, Arc::new(folder), settings)
    }

    /// The same site and store with other settings.
    #[must_use]
    pub fn restarted(&self, settings: &[(&str, &str)]) -> Self {
        Self::over(Arc::clone(&self.store), Arc::clone(&self.folder), settings)
    }

    fn over(store: Arc<Switchable>, folder: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        let necessary = [
            (
                "SESSION_KEYS",
                "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            ("SITE_AUDIENCE", "localhost"),
        ];
        let all = necessary
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::read(&all.collect::<Variables>()).unwrap();
        let postbox = Postbox::default();
        let codes = settings.codes.is_some().then(|| {
            Arc::new(Codes {
                store: Box::new(MemoryCodes::default()),
                mailer: Box::new(postbox.clone()),
            })
        });
        let behind = Arc::clone(&store) as Arc<dyn Store>;
        let writes = WriteBehind::without_queue(behind, settings.limits);
        Self {
            app: App {
                settings: Arc::new(settings),
                store: Arc::clone(&store) as Arc<dyn Store>,
                writes: Arc::new(writes),
                sign_in_links: None,
                codes,
                flood: Arc::default(),
                reports: Arc::default(),
            },
            store,
            postbox,
            folder,
        }
    }

    /// The same site with a queue behind its store, in batched mode where `every` is given.
    #[must_use]
    pub fn with_queue(mut self, every: Option<u64>) -> (Self, LocalQueue) {
        let queue = LocalQueue::open(&self.folder.path().join("queue.db")).unwrap();
        let behind = Arc::clone(&self.store) as Arc<dyn Store>;
        let limits = self.app.settings.limits;
        let writes = WriteBehind::with_queue(behind, limits, Arc::new(queue.clone()), every);
        self.app.writes = Arc::new(writes);
        (self, queue)
    }

    /// A browser without cookies.
    #[must_use]
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(&self.app)
    }

    /// Everything the store has written to disk.
    #[must_use]
    pub fn stored(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    /// The owner's program asks for something, with this token.
    pub async fn owner(&self, token: &str, path: &str, body: &str, now: Timestamp) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
        ];
        self.browser().send("POST", path, &headers, body, now).await
    }

    /// Switches the store off or on.
    pub fn store_is_down(&self, is_down: bool) {
        self.store.is_down.store(is_down, Ordering::SeqCst);
    }

    /// All rows.
    pub async fn rows(&self) -> Vec<Session> {
        self.store
            .inner
            .list(&Listing::of(None), None)
            .await
            .unwrap()
            .sessions
    }

    /// The owner types something into a column of every row.
    pub fn types(&self, column: &str, value: &str) {
        let file = self.folder.path().join("sessions.db");
        let update = format!("UPDATE emailAccess SET {column} = ?1");
        let rows = rusqlite::Connection::open(file).unwrap();
        rows.execute(&update, [value]).unwrap();
    }

    /// The owner types a word into a row.
    pub async fn revoke(&self, id: &RecordId, now: Timestamp) {
        let row = self.store.inner.get(id).await.unwrap();
        let token = Claims::start(
            "localhost",
            String::new(),
            id.clone(),
            &self.app.settings.limits,
            row.start,
        );
        let heartbeat = Heartbeat::new(
            &token,
            &shared::snapshot::Snapshot::default(),
            row.last_seen,
        );
        self.store
            .inner
            .end(id, &heartbeat, EndReason::Revoked, now)
            .await
            .unwrap();
    }
}

/// A browser that keeps cookies and sends them to the handlers.
#[derive(Clone)]
pub struct Browser<'a> {
    app: &'a App,
    /// By name.
    pub cookies: BTreeMap<String, String>,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it leads.
    pub location: Option<String>,
    /// Whether it came with cookies.
    pub sets_cookies: bool,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body as JSON, or null.
    pub json: Value,
}

impl<'a> Browser<'a> {
    /// A browser without cookies, in front of these handlers.
    #[must_use]
    pub fn new(app: &'a App) -> Self {
        Self {
            app,
            cookies: BTreeMap::new(),
        }
    }
}

impl Browser<'_> {
    /// The same browser, after the site was started again.
    #[must_use]
    pub fn at<'a>(&self, site: &'a Site) -> Browser<'a> {
        Browser {
            app: &site.app,
            cookies: self.cookies.clone(),
        }
    }

    /// Sends a request, given as method, path, headers and body, at a moment.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        now: Timestamp,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let app = self.app.clone();
        let response = match path.split('?').next().unwrap() {
            "/api/verify-temp-access" => verify_access::handle(app, request, now).await,
            "/api/logout" | "/logout" => logout::handle(app, request, now).await,
            path if OWNERS.iter().any(|owners| path.starts_with(owners)) => {
                sessions::handle(app, request, now).await
            }
            _ => heartbeat::handle(app, request, now).await,
        };
        self.keep_cookies(&response);
        Answer {
            status: response.status(),
            location: response
                .headers()
                .get(LOCATION)
                .map(|value| value.to_str().unwrap().to_owned()),
            sets_cookies: response.headers().contains_key(SET_COOKIE),
            headers: response.headers().clone(),
            json: serde_json::from_slice(response.body()).unwrap_or_default(),
        }
    }

    fn keep_cookies(&mut self, response: &Response) {
        for header in response.headers().get_all(SET_COOKIE) {
            let (pair, attributes) = header.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// What the session's token says.
    #[must_use]
    pub fn claims(&self) -> Claims {
        let settings = &self.app.settings;
        let token = &self.cookies[settings.cookies.session_cookie()];
        settings.keys.verify(token, &settings.audience).unwrap()
    }

    /// When the store last confirmed the session, by the token.
    #[must_use]
    pub fn confirmed_at(&self) -> Timestamp {
        self.claims().issued_at
    }

    /// Comes in at the gate.
    pub async fn enters(&mut self, email: &str, now: Timestamp) -> Answer {
        let body = serde_json::json!({ "email": email }).to_string();
        self.send(
            "POST",
            "/api/verify-temp-access",
            &[(CONTENT_TYPE.as_str(), "application/json")],
            &body,
            now,
        )
        .await
    }

    /// Sends a heartbeat with this snapshot, or with an empty body where it is null.
    pub async fn beats(&mut self, snapshot: Value, now: Timestamp) -> Answer {
        let body = if snapshot.is_null() {
            String::new()
        } else {
            snapshot.to_string()
        };
        self.send(
            "POST",
            "/api/session-heartbeat",
            &[(CONTENT_TYPE.as_str(), "text/plain;charset=UTF-8")],
            &body,
            now,
        )
        .await
    }

    /// Opens a protected page whose token is stale, as the gate sends it.
    pub async fn refreshes(&mut self, now: Timestamp) -> Answer {
        let path = "/api/session-refresh?redirect=%2Fportfolio%2Fconfidential%2F";
        self.send(
            "GET",
            path,
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-user", "?1"),
            ],
            "",
            now,
        )
        .await
    }

    /// Logs out by a button, on a page that its browser does not name.
    pub async fn logs_out(&mut self, now: Timestamp) -> Answer {
        self.posts_logout(&[], now).await
    }

    /// Logs out by the button on this page.
    pub async fn logs_out_from(&mut self, page: &str, now: Timestamp) -> Answer {
        let referrer = format!("http://localhost{page}");
        self.posts_logout(&[("referer", &referrer)], now).await
    }

    async fn posts_logout(&mut self, headers: &[(&str, &str)], now: Timestamp) -> Answer {
        let form = [
            (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        let headers = [&form, headers].concat();
        self.send("POST", "/api/logout", &headers, "reason=logout", now)
            .await
    }
}

/// This many seconds after the start.
#[must_use]
pub const fn at(seconds: u64) -> Timestamp {
    START.plus(seconds)
}
