//! The table of cases that the gate here and the gate at the edge have to agree on, put to the one
//! here. `tests/edge/gate.test.mjs` puts it to the other.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::{COOKIE, HeaderName, HeaderValue};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::gate::{self, Message, Served, Verdict, edge};
use shared::settings::{Settings, Variables};
use shared::site_path::SitePath;
use shared::timestamp::Timestamp;

#[derive(Deserialize)]
struct Table {
    variables: Map<String, Value>,
    edge: Value,
    secrets: Map<String, Value>,
    now: i64,
    request: Request,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    cases: Vec<Case>,
    paths: Vec<PathCase>,
}

#[derive(Deserialize)]
struct Request {
    path: String,
    query: String,
    headers: Map<String, Value>,
    cookie: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    verdict: String,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    bare: Vec<String>,
    raw_header: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    without: Vec<String>,
    raw_claims: Option<String>,
    key: Option<String>,
    now: Option<i64>,
    not_before: Option<i64>,
    path: Option<String>,
    query: Option<String>,
    headers: Option<Map<String, Value>>,
    cookie: Option<String>,
    location: Option<String>,
}

#[derive(Deserialize)]
struct PathCase {
    path: String,
    is: String,
    url: Option<String>,
}

impl Table {
    fn read() -> Self {
        serde_json::from_str(include_str!("../../tests/edge/cases.json")).unwrap()
    }

    fn settings(&self) -> Settings {
        let variables: Variables = self
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        Settings::read(&variables).unwrap()
    }

    fn token(&self, case: Option<&Case>) -> String {
        let laid_over = |below: &Map<String, Value>, above: &Map<String, Value>| {
            let mut both = below.clone();
            both.extend(above.clone());
            both
        };
        let empty = Map::new();
        let mut header = laid_over(&self.header, case.map_or(&empty, |case| &case.header));
        let mut claims = laid_over(&self.claims, case.map_or(&empty, |case| &case.claims));
        for name in case.iter().flat_map(|case| &case.bare) {
            header.remove(name);
        }
        for name in case.iter().flat_map(|case| &case.without) {
            claims.remove(name);
        }
        let header = case
            .and_then(|case| case.raw_header.clone())
            .unwrap_or_else(|| Value::from(header).to_string());
        let claims = case
            .and_then(|case| case.raw_claims.clone())
            .unwrap_or_else(|| Value::from(claims).to_string());
        let secret = &self.secrets[case.and_then(|case| case.key.as_deref()).unwrap_or("a")];
        let key = STANDARD.decode(secret.as_str().unwrap()).unwrap();
        let message = [header, claims]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn headers(&self, given: Option<&Map<String, Value>>, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given.unwrap_or(&self.request.headers) {
            let name = HeaderName::try_from(name).unwrap();
            headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }
}

fn named(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass { protected: false } => "open",
        Verdict::Pass { protected: true } => "pass",
        Verdict::Ahead => "ahead",
        Verdict::Refresh { ended: false } => "refresh",
        Verdict::Refresh { ended: true } => "ended",
        Verdict::ToGate { reason: None } => "gate",
        Verdict::ToGate { reason: Some(_) } => "invalid",
    }
}

/// Where a visitor is sent, as `serve` does it.
fn location(settings: &Settings, verdict: &Verdict, path: &SitePath, query: &str) -> String {
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{query}")
    };
    let back = settings.redirect(Some(&(path.to_url_path() + &query)));
    match verdict {
        Verdict::Pass { .. } | Verdict::Ahead => String::new(),
        Verdict::Refresh { .. } => gate::refresh_address(back.as_ref()),
        Verdict::ToGate { reason } => {
            gate::address(settings, back.as_ref(), reason.map(Message::Reason))
        }
    }
}

#[test]
fn every_case_of_the_table_is_decided_as_it_says() {
    let table = Table::read();
    let settings = table.settings();
    let mut failures = Vec::new();
    for case in &table.cases {
        let cookie = case.cookie.as_ref().unwrap_or(&table.request.cookie);
        let cookie = cookie.replace("{token}", &table.token(Some(case)));
        let headers = table.headers(case.headers.as_ref(), &cookie);
        let path = case.path.as_ref().unwrap_or(&table.request.path);
        let path = SitePath::normalise(path).unwrap();
        let not_before = case.not_before.map(Timestamp::from_unix);
        let now = Timestamp::from_unix(case.now.unwrap_or(table.now));
        let served = Served::by_name(&path);
        let verdict = gate::decide(&settings, &path, served, &headers, not_before, now);
        let query = case.query.as_ref().unwrap_or(&table.request.query);
        let location = location(&settings, &verdict, &path, query);
        if named(&verdict) != case.verdict
            || case
                .location
                .as_ref()
                .is_some_and(|wanted| *wanted != location)
        {
            failures.push(format!("{}: {} {location}", case.what, named(&verdict)));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn every_spelling_of_a_path_is_read_as_the_table_says() {
    let table = Table::read();
    let settings = table.settings();
    let cookie = format!("__Host-lastseen={}", table.token(None));
    let with_session = table.headers(None, &cookie);
    let without = table.headers(None, "");
    let now = Timestamp::from_unix(table.now);
    let mut failures = Vec::new();
    for case in &table.paths {
        let path = SitePath::normalise(&case.path);
        let found = path.as_ref().map_or("refused", |path| {
            let verdicts = [&without, &with_session].map(|headers| {
                gate::decide(&settings, path, Served::by_name(path), headers, None, now)
            });
            match [named(&verdicts[0]), named(&verdicts[1])] {
                ["open", "open"] => "open",
                ["gate", "pass"] => "protected",
                _ => "decided in two minds",
            }
        });
        let url = path.map(|path| path.to_url_path());
        if found != case.is || url != case.url {
            failures.push(format!("{}: {found} {url:?}", case.path));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn no_flipped_bit_of_a_token_is_let_in() {
    let table = Table::read();
    let settings = table.settings();
    let now = Timestamp::from_unix(table.now);
    let path = SitePath::normalise(&table.request.path).unwrap();
    let token = table.token(None).into_bytes();
    for (index, bit) in (0..token.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
        let mut flipped = token.clone();
        flipped[index] ^= 1 << bit;
        let cookie = [b"__Host-lastseen=", flipped.as_slice()].concat();
        // What is no header value never gets here.
        let Ok(cookie) = HeaderValue::from_bytes(&cookie) else {
            continue;
        };
        let mut headers = table.headers(None, "");
        headers.insert(COOKIE, cookie);
        assert!(
            matches!(
                gate::decide(&settings, &path, Served::Page, &headers, None, now),
                Verdict::ToGate { .. }
            ),
            "byte {index}, bit {bit}"
        );
    }
}

#[test]
fn the_edge_is_given_the_settings_the_table_gives_it() {
    let table = Table::read();
    let value = edge::settings(&table.settings(), None).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&value).unwrap(), table.edge);
}
