//! What is sent of an event: an id that stays, and JSON by the conventions of Standard Webhooks
//! (<https://www.standardwebhooks.com>).

use serde_json::{Value, json};
use shared::duration::human;
use shared::report::sessions::item;
use shared::session::{EndReason, Limits, Session};
use shared::timestamp::Timestamp;

use crate::events::{Event, Kind};

/// A message, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same for the same event, however often it is sent.
    pub id: String,
    /// The sentence, and the address that it starts with: visitors write that themselves.
    pub about: Option<String>,
    /// What follows the address.
    pub text: String,
    kind: &'static str,
    timestamp: Timestamp,
    data: Value,
}

impl Message {
    /// The message of an event, told at a moment.
    #[must_use]
    pub fn of(event: &Event, limits: &Limits, now: Timestamp) -> Self {
        let session = &event.session;
        let word = match event.kind {
            Kind::VisitorFirst => "first",
            Kind::VisitEnded => "ended",
        };
        Self {
            id: format!("{word}-{}-{}", session.id, session.start.as_unix()),
            about: Some(session.email.clone()),
            text: match event.kind {
                Kind::VisitorFirst => "is here for the first time".to_owned(),
                Kind::VisitEnded => ended(session),
            },
            kind: event.kind.as_str(),
            timestamp: event.at,
            // As the API tells it.
            data: serde_json::to_value(item(session, limits, now)).unwrap_or_default(),
        }
    }

    /// The body for a receiver that reads JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let about = self.about.as_deref().unwrap_or_default();
        json!({
            "type": self.kind,
            "timestamp": self.timestamp.to_string(),
            "text": format!("{about} {}", self.text).trim_start(),
            "data": self.data,
        })
        .to_string()
    }

    /// The body for Slack, which shows a text. The address stands there as code, in which nothing is a
    /// link, a mention or a style; `&`, `<` and `>` are what Slack reads as commands
    /// (<https://docs.slack.dev/messaging/formatting-message-text>).
    #[must_use]
    pub fn slack(&self) -> String {
        let about = self.about.as_deref().map_or_else(String::new, |about| {
            let code = escaped(&about.replace('`', "'"));
            format!("`{code}` ")
        });
        json!({ "text": format!("{about}{}", escaped(&self.text)) }).to_string()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(char::is_control, " ")
}

/// What an owner sends to see whether messages arrive.
#[must_use]
pub fn test_message(now: Timestamp) -> Message {
    Message {
        id: format!("test-{}", now.as_unix()),
        about: None,
        text: "lastseen can reach you: this is a test.".to_owned(),
        kind: "test",
        timestamp: now,
        data: json!({}),
    }
}

/// `looked for 12 min (3 pages) and logged out`
fn ended(session: &Session) -> String {
    let looked = session.active_seconds.map_or_else(
        || format!("was here for {}", about(session.duration_seconds())),
        |seconds| format!("looked for {}", about(seconds)),
    );
    let pages = match session.pages.len() {
        0 => String::new(),
        1 => " (1 page)".to_owned(),
        pages => format!(" ({pages} pages)"),
    };
    let how = match session.end_reason {
        Some(EndReason::Logout) => "and logged out",
        Some(EndReason::Idle) => "and fell idle",
        Some(EndReason::Expired) => "until the session's time was up",
        Some(EndReason::Revoked) => "until the session was revoked",
        None => "and left without a word",
    };
    format!("{looked}{pages} {how}")
}

/// To the minute, where it is one.
fn about(seconds: u64) -> String {
    human(if seconds < 60 {
        seconds
    } else {
        seconds / 60 * 60
    })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
