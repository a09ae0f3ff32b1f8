//! The log: one line for each security event, readable alone, and nobody's name in any.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use handler_tests::{START, Site, at};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

const TOKEN: &str = "an-owners-token-of-40-characters-exactly";

/// What was logged on this thread, as the functions write it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Every line, which has to be one JSON object with a time in UTC.
    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<Value> = lines.collect();
        for line in &lines {
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        }
        lines
    }

    /// Event and reason of each line that is one, and forgets them.
    fn events(&self) -> Vec<String> {
        let lines = self.lines();
        self.0.lock().unwrap().clear();
        let told = lines.iter().filter_map(|line| {
            let event = line["event"].as_str()?;
            let reason = line["reason"].as_str().or_else(|| line["deed"].as_str());
            Some(reason.map_or(event.to_owned(), |reason| format!("{event} {reason}")))
        });
        told.collect()
    }
}

#[tokio::test]
async fn each_security_event_is_one_line() {
    let (log, _guard) = Log::start();
    let site = Site::new(&[
        ("ADMIN_TOKEN", TOKEN),
        ("DENIED_EMAILS", "@denied.example"),
        ("ACCESS_PASSCODE", "open sesame"),
    ]);
    let json_type = [("content-type", "application/json")];
    let enter =
        |email: &str, passcode: &str| json!({ "email": email, "passcode": passcode }).to_string();
    let path = "/api/verify-temp-access";
    let (mut ann, mut bob) = (site.browser(), site.browser());

    ann.send(
        "POST",
        path,
        &json_type,
        &enter("ann@denied.example", "open sesame"),
        START,
    )
    .await;
    ann.send(
        "POST",
        path,
        &json_type,
        &enter("ann@example.com", "guess"),
        START,
    )
    .await;
    assert_eq!(
        log.events(),
        ["denied not-allowed", "denied wrong-passcode"]
    );

    ann.send(
        "POST",
        path,
        &json_type,
        &enter("ann@example.com", "open sesame"),
        START,
    )
    .await;
    bob.send(
        "POST",
        path,
        &json_type,
        &enter("bob@example.com", "open sesame"),
        START,
    )
    .await;
    ann.beats(Value::Null, at(60)).await;
    ann.refreshes(at(90)).await;
    assert_eq!(log.events(), ["issued", "issued", "renewed", "renewed"]);

    let mut copy = ann.clone();
    ann.logs_out(at(100)).await;
    copy.beats(Value::Null, at(110)).await;
    ann.beats(Value::Null, at(110)).await;
    bob.beats(Value::Null, at(1_800)).await;
    assert_eq!(
        log.events(),
        [
            "ended logout",
            "refused logout",
            "refused missing",
            "ended idle",
            "refused idle"
        ]
    );

    site.owner(
        "guess",
        "/api/sessions/revoke",
        r#"{"all":true}"#,
        at(1_900),
    )
    .await;
    site.owner(TOKEN, "/api/sessions/revoke", r#"{"all":true}"#, at(1_900))
        .await;
    let (path, login) = ("/api/admin/login", json!({ "token": TOKEN }).to_string());
    bob.send("POST", path, &json_type, &login, at(1_900)).await;
    bob.send("POST", path, &json_type, "{}", at(1_900)).await;
    bob.send("GET", "/api/summary", &[], "", at(40_000)).await;
    assert!(!log.text().contains(TOKEN), "{}", log.text());
    let elsewhere = [("sec-fetch-site", "cross-site")];
    ann.send("POST", "/api/logout", &elsewhere, "", at(1_900))
        .await;
    assert_eq!(
        log.events(),
        [
            "not-the-owner invalid",
            "ended-everything",
            "owner-signed-in",
            "not-the-owner invalid",
            "not-the-owner expired",
            "cross-site"
        ]
    );
}

#[tokio::test]
async fn a_call_around_the_site_is_one_line_without_what_it_showed() {
    let (log, _guard) = Log::start();
    let site = Site::new(&[("EDGE_SECRET", TOKEN)]);
    let guess = [
        ("x-lastseen-edge", "a-guess"),
        ("sec-fetch-site", "cross-site"),
    ];
    let path = "/api/logout?ann@example.com";
    site.browser().send("POST", path, &guess, "", START).await;
    assert_eq!(log.lines().len(), 1);
    for secret in ["a-guess", TOKEN, "ann@"] {
        assert!(!log.text().contains(secret), "{secret} in {}", log.text());
    }
    assert_eq!(log.events(), ["not-through-the-site"]);
}

#[tokio::test]
async fn too_many_requests_are_told_by_what_was_done() {
    let (log, _guard) = Log::start();
    let site = Site::new(&[("FLOOD_LIMITS", "on")]);
    for _ in 0..200 {
        site.browser().enters("ann@example.com", START).await;
    }
    let events = log.events();
    assert!(events.contains(&"limited Enter".to_owned()), "{events:?}");
    assert!(!log.text().contains("ann@"));
}

#[tokio::test]
async fn no_line_names_anybody_and_nothing_sent_makes_a_line() {
    let (log, _guard) = Log::start();
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann.secret@example.com", START).await;
    let token = browser.cookies.values().next().unwrap().clone();
    let evil = "x\r\n{\"event\":\"issued\",\"record\":\"1\"}";
    for body in [
        json!({ "email": format!("ann.secret@example.com{evil}") }),
        json!({ "email": "ann.secret@example.com", "redirect": evil, "passcode": evil }),
    ] {
        let json_type = [
            ("content-type", "application/json"),
            ("x-forwarded-for", "203.0.113.77"),
        ];
        site.browser()
            .send(
                "POST",
                "/api/verify-temp-access",
                &json_type,
                &body.to_string(),
                START,
            )
            .await;
    }
    browser
        .beats(json!({ "page": evil, "session": evil }), at(10))
        .await;
    site.store_is_down(true);
    browser.beats(Value::Null, at(20)).await;
    browser.logs_out(at(30)).await;
    let issued = log
        .lines()
        .iter()
        .filter(|line| line["event"] == "issued")
        .count();
    assert_eq!(issued, 2);
    for secret in ["secret@", "example.com", token.as_str(), "203.0.113.77"] {
        assert!(!log.text().contains(secret), "{secret} in {}", log.text());
    }
}
