//! One visit to a live site, made with the site's own keys and store: somebody comes in, is seen and
//! logs out. Their rows are deleted, whatever happens in between.
//!
//! The store here may not be the site's, and a row of the same id may be a visitor's there. So nothing
//! is sent that changes a row before it is known that both see the same one: a first session is
//! only looked at, then its row is deleted here, and the site has to miss it. Looking changes a row only
//! where the session is past a deadline, which is written down: so both clocks have to agree, and the
//! deadlines are far off.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use shared::app::open_store;
use shared::email::Email;
use shared::session::{EndReason, RecordId, Session};
use shared::settings::Settings;
use shared::store::Store;
use shared::timestamp::Timestamp;

use super::super::finding::Finding;
use super::api::{HEARTBEAT, badly_answered, cure};
use super::asking::{Answer, Site, send};
use super::pages::protected_pages;
use crate::signal;

mod row;

/// Who comes in, where the site leaves a choice.
const NAME: &str = "lastseen-doctor";
/// Rows know whole seconds, and both clocks may stand anywhere in theirs.
const A_MOMENT: Duration = Duration::from_millis(2_100);
/// More than clocks that are set by the network ever differ, and an answer is under way.
const CLOCKS_APART_SECONDS: u64 = 60;
/// More than an API remembers what it was told of a session.
const SECONDS_REMEMBERED: u32 = 7;
const SEE_STORE: &str = "`lastseen doctor` without --url says what is wrong with the store";
const REFRESH: &str = "/api/session-refresh";
const LOGOUT: &str = "/api/logout";

pub(super) async fn check(
    site: &Site,
    settings: &Settings,
) -> Result<Vec<Finding>, Box<dyn Error>> {
    let Some(email) = settings.email_rules.somebody(NAME) else {
        return Ok(vec![Finding::mind(
            "no visit was tried: DENIED_EMAILS keeps out everybody whom ALLOWED_EMAILS names",
        )]);
    };
    let store = match open_store(&settings.store, None) {
        Ok(store) => store,
        Err(error) => {
            return Ok(vec![Finding::wrong(format!("{error} — {SEE_STORE}"))]);
        }
    };
    let visit = Visit {
        site,
        settings,
        store,
        email,
    };
    if let Err(finding) = visit.is_of_this_time().await {
        return Ok(vec![finding]);
    }
    // From here on Ctrl-C ends the visit and not the process: the row has to go.
    let mut interrupted = Box::pin(signal::stop_or_hangup()?);
    let mut findings = Vec::new();
    for step in [Step::Look, Step::Visit] {
        let (more, goes_on) = visit.with_a_row(step, interrupted.as_mut()).await;
        findings.extend(more);
        if !goes_on {
            break;
        }
    }
    Ok(findings)
}

/// What is done with a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing that could change it.
    Look,
    /// A visit, from the heartbeat to the log-out.
    Visit,
}

/// What came of a question: what to say of it, or what makes further ones needless.
type Checked<T = Finding> = Result<T, Finding>;

struct Visit<'a> {
    site: &'a Site,
    settings: &'a Settings,
    store: Arc<dyn Store>,
    email: Email,
}

/// Somebody inside.
struct Guest {
    record: RecordId,
    start: Timestamp,
    /// As the browser sends it.
    cookie: String,
}

impl Visit<'_> {
    /// Makes a row, does something with it, and deletes it. Says whether all went well.
    async fn with_a_row(
        &self,
        step: Step,
        interrupted: impl Future<Output = ()>,
    ) -> (Vec<Finding>, bool) {
        let guest = match self.comes_in().await {
            Ok(guest) => guest,
            Err(finding) => return (vec![finding], false),
        };
        let mut findings = Vec::new();
        let done = async {
            match step {
                Step::Look => self.looks(&guest, &mut findings).await,
                Step::Visit => self.visits(&guest, &mut findings).await,
            }
        };
        let stopped = tokio::select! {
            done = done => done.err(),
            () = interrupted => Some(Finding::wrong("interrupted — run it again for the rest")),
        };
        let mut goes_on = stopped.is_none();
        findings.extend(stopped);
        match self.delete(&guest.record, guest.start).await {
            Ok(()) if step == Step::Look && goes_on => match self.is_missed(&guest).await {
                Ok(()) => {}
                Err(finding) => {
                    findings.push(finding);
                    goes_on = false;
                }
            },
            Ok(()) => findings.push(Finding::good("the visit's row is deleted")),
            Err(error) => {
                let row = guest.record.as_str();
                findings.push(Finding::wrong(format!(
                    "the visit's row {row} could not be deleted: {error} — delete it in the table"
                )));
                goes_on = false;
            }
        }
        (findings, goes_on)
    }

    /// Whether the API's clock and this one agree.
    async fn is_of_this_time(&self) -> Checked<()> {
        let answer = self.site.get(HEARTBEAT).await;
        let answer = answer.map_err(|error| unanswered(HEARTBEAT, &error))?;
        let now = Timestamp::now();
        let Some(there) = answer.date() else {
            return Err(Finding::mind(
                "no visit was tried: the API's answers come without Date, so that nobody knows whether its clock and this one agree — let that header through",
            ));
        };
        if there.since(now).max(now.since(there)) > CLOCKS_APART_SECONDS {
            return Err(Finding::wrong(format!(
                "no visit was tried: it is {there} by the API's clock and {now} by this one — set the one that is wrong"
            )));
        }
        Ok(())
    }

    async fn looks(&self, guest: &Guest, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        self.is_inside(guest).await?;
        findings.push(Finding::good(
            "the API knows a session that was made with the keys and the store here",
        ));
        if let Some(page) = protected_pages(self.settings).first() {
            findings.push(self.opens(guest, page).await?);
        }
        Ok(())
    }

    async fn visits(&self, guest: &Guest, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let renewed = self.is_seen(guest, findings).await?;
        findings.push(self.logs_out(guest, &renewed).await?);
        Ok(())
    }

    /// Whether the API takes the session for an open one. That changes nothing.
    async fn is_inside(&self, guest: &Guest) -> Result<(), Finding> {
        let answer = self.asks(HEARTBEAT, guest).await?;
        let status = answer.json();
        if status["hasSession"] == true {
            return Ok(());
        }
        let because = match status["reason"].as_str() {
            Some("missing") if self.site.is_https() => {
                "the API sees no cookie of https: let the cookies through to it, and pass X-Forwarded-Proto on to it"
            }
            Some("missing") => "the API sees no cookie: let the cookies through to it",
            Some("invalid") => {
                "the API does not accept the session: set SESSION_KEYS and SITE_AUDIENCE here as the functions have them"
            }
            // Whatever is said to have ended it: seconds after it began, that was another row.
            Some("revoked" | "logout" | "idle" | "expired") => {
                "the API does not find the session's row: set NOCODB_… (or DATABASE_PATH) here as the site has them"
            }
            _ => cure(&answer),
        };
        Err(Finding::wrong(format!(
            "a session that was made here is answered with {} — {because}",
            said(&answer)
        )))
    }

    /// Whether the API misses the session whose row was deleted here. Otherwise it has another store.
    async fn is_missed(&self, guest: &Guest) -> Checked<()> {
        let mut answer = self.asks(HEARTBEAT, guest).await?;
        let mut status = answer.json();
        // The API asks its store once in a few seconds about one session.
        for _ in 0..SECONDS_REMEMBERED {
            if status["hasSession"] != true {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer = self.asks(HEARTBEAT, guest).await?;
            status = answer.json();
        }
        // Anything else may be said of a row that is still there.
        if status["reason"] == EndReason::Revoked.as_str() {
            return Ok(());
        }
        Err(Finding::wrong(if status["hasSession"] == true {
            "the API still knows a session whose row was deleted here: its store is another one — set NOCODB_… (or DATABASE_PATH) here as the site has them; nothing more was tried".to_owned()
        } else {
            format!(
                "a session whose row was deleted here is answered with {}, and not as revoked — {}; nothing more was tried",
                said(&answer),
                cure(&answer)
            )
        }))
    }

    /// Whether the gate lets the session through to a page.
    async fn opens(&self, guest: &Guest, page: &str) -> Checked {
        let shown = self.site.address(page);
        let opened = self.site.open(page, Some(&guest.cookie)).await;
        let answer = opened.map_err(|error| unanswered(page, &error))?;
        let is_kept = !answer
            .header("cache-control")
            .is_some_and(|value| value.contains("no-store"));
        let to = self.site.leads_to(&answer);
        let cure = match to.as_ref().map(url::Url::path) {
            _ if answer.status == StatusCode::OK && is_kept => {
                "a copy could be shown to somebody else: it has to come with Cache-Control: no-store"
            }
            _ if answer.status == StatusCode::OK => {
                return Ok(Finding::good(format!("{shown} opens with a session")));
            }
            Some(to) if *to == *self.settings.gate.path() => {
                "the gate does not accept the session: give it the keys and settings of the functions (`lastseen keys edge`)"
            }
            Some(REFRESH) => {
                "the gate takes a new session for an old one: set this machine's clock, or run `lastseen keys edge` without an old --not-before"
            }
            _ if answer.status == StatusCode::NOT_FOUND => {
                "there is no page: put one there, or set DEFAULT_REDIRECT"
            }
            _ => "let the site's host deliver it",
        };
        Err(Finding::wrong(format!(
            "{shown} is answered with {} to somebody with a session — {cure}",
            answer.say()
        )))
    }

    /// Whether a heartbeat arrives in the store. Gives the cookie that came back.
    async fn is_seen(&self, guest: &Guest, findings: &mut Vec<Finding>) -> Result<Guest, Finding> {
        tokio::time::sleep(A_MOMENT).await;
        let record = guest.record.as_str();
        let page = protected_pages(self.settings).into_iter().next();
        let snapshot =
            json!({ "session": record, "activeSeconds": 1, "seenSecondsAgo": 0, "page": page });
        let answer = self.posts(HEARTBEAT, guest, &snapshot).await?;
        if answer.status != StatusCode::OK {
            return Err(badly_answered("a heartbeat", &answer));
        }
        let row = self.row(guest).await?;
        let has_moved = row.last_seen > guest.start;
        // The column is the owner's to have.
        let is_counted = row.active_seconds.is_none_or(|seconds| seconds > 0);
        if !has_moved || !is_counted {
            return Err(Finding::wrong(
                "a heartbeat was answered, but the row's sessionEndTime or activeSeconds did not move — set the clock here and at the API: one of them is behind",
            ));
        }
        findings.push(Finding::good(
            "a heartbeat arrives, and moves the row in the store",
        ));
        let name = self.settings.cookies.session_cookie();
        let renewed = answer
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .find(|cookie| cookie.starts_with(&format!("{name}=")));
        let Some(cookie) = renewed else {
            return Err(Finding::wrong(format!(
                "a heartbeat's answer comes without the cookie {name} — let Set-Cookie through, and X-Forwarded-Proto to the API"
            )));
        };
        Ok(Guest {
            record: guest.record.clone(),
            start: guest.start,
            cookie: cookie.to_owned(),
        })
    }

    /// Whether the log-out ends the session, for the API and for the gate when it next asks.
    async fn logs_out(&self, guest: &Guest, renewed: &Guest) -> Checked {
        // The address may be a visitor's, who is looking.
        let wish = json!({ "reason": "logout", "everywhere": false });
        let answer = self.posts(LOGOUT, renewed, &wish).await?;
        if answer.status != StatusCode::NO_CONTENT {
            return Err(badly_answered("a log-out", &answer));
        }
        if self.row(guest).await?.end_reason.is_none() {
            return Ok(Finding::mind(
                "a log-out clears the cookies and is not written down, so that a copy of them stays good — `lastseen setup` adds the column endReason",
            ));
        }
        for copy in [guest, renewed] {
            let answer = self.asks(HEARTBEAT, copy).await?;
            if answer.json()["hasSession"] != false {
                return Err(Finding::wrong(format!(
                    "after the log-out, the session is answered with {} and not as ended — {}",
                    answer.say(),
                    cure(&answer)
                )));
            }
        }
        // Within FRESH_SECONDS the gate serves the page from a copy of the cookie; this is where it
        // sends whoever comes later.
        let opened = self.site.open(REFRESH, Some(&renewed.cookie)).await;
        let answer = opened.map_err(|error| unanswered(REFRESH, &error))?;
        let to = self.site.leads_to(&answer);
        if to.is_some_and(|to| *to.path() == *self.settings.gate.path()) {
            Ok(Finding::good(
                "a log-out ends the session, and leads to the gate from then on",
            ))
        } else {
            Err(Finding::wrong(format!(
                "after the log-out, {REFRESH} is answered with {}, and not with the way to the gate — {}",
                answer.say(),
                cure(&answer)
            )))
        }
    }

    async fn row(&self, guest: &Guest) -> Result<Session, Finding> {
        self.store.get(&guest.record).await.map_err(|error| {
            Finding::wrong(format!(
                "the visit's row cannot be read: {error} — {SEE_STORE}"
            ))
        })
    }

    async fn asks(&self, path: &str, guest: &Guest) -> Result<Answer, Finding> {
        let request = self.site.request(Method::GET, path);
        let answer = send(request.header("cookie", &guest.cookie)).await;
        answer.map_err(|error| unanswered(path, &error))
    }

    /// As a page of the site does in a browser that says where it is, and no more.
    async fn posts(
        &self,
        path: &str,
        guest: &Guest,
        body: &serde_json::Value,
    ) -> Result<Answer, Finding> {
        let request = self.site.request(Method::POST, path);
        let request = request
            .header("cookie", &guest.cookie)
            .header("origin", self.site.origin())
            .header("content-type", "application/json")
            .body(body.to_string());
        send(request)
            .await
            .map_err(|error| unanswered(path, &error))
    }
}

/// The reason that an answer gives, or what is known of it.
fn said(answer: &Answer) -> String {
    let status = answer.json();
    let reason = status["reason"].as_str();
    reason.map_or_else(|| answer.say(), str::to_owned)
}

fn unanswered(path: &str, error: &str) -> Finding {
    super::pages::no_answer(&path, error)
}
