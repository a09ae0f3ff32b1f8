#![allow(clippy::unwrap_used)]

use serde_json::Value;
use shared::session::{PageFigures, Pages, RecordId};

use super::*;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn session() -> Session {
    let page = |seconds, scroll| PageFigures { seconds, scroll };
    Session {
        id: RecordId::new("42"),
        email: "ann@example.com".to_owned(),
        start: start(),
        start_is_day: false,
        last_seen: start().plus(900),
        end_reason: Some(EndReason::Logout),
        ended_at: Some(start().plus(900)),
        active_seconds: Some(754),
        current_page: Some("/b/".to_owned()),
        pages: Pages::from([
            ("/a/".to_owned(), page(100, 85)),
            ("/b/".to_owned(), page(600, 40)),
            ("/c/".to_owned(), page(54, 0)),
        ]),
    }
}

fn ended(session: Session) -> Message {
    let event = Event {
        kind: Kind::VisitEnded,
        at: start().plus(900),
        session,
    };
    Message::of(&event, &LIMITS, start().plus(4_000))
}

fn text(session: Session) -> String {
    let body: Value = serde_json::from_str(&ended(session).json()).unwrap();
    body["text"].as_str().unwrap().to_owned()
}

#[test]
fn an_ending_says_who_looked_for_how_long_and_how_they_left() {
    let visit = session();
    assert_eq!(
        text(visit.clone()),
        "ann@example.com looked for 12 min (3 pages) and logged out"
    );
    for (reason, how) in [
        (Some(EndReason::Idle), "and fell idle"),
        (Some(EndReason::Expired), "until the session's time was up"),
        (Some(EndReason::Revoked), "until the session was revoked"),
        (None, "and left without a word"),
    ] {
        let visit = Session {
            end_reason: reason,
            ..session()
        };
        let told = text(visit);
        assert!(told.ends_with(&format!(" (3 pages) {how}")), "{told}");
    }
    let short = Session {
        active_seconds: Some(35),
        pages: Pages::from([("/".to_owned(), PageFigures::default())]),
        ..visit.clone()
    };
    assert_eq!(
        text(short),
        "ann@example.com looked for 35 s (1 page) and logged out"
    );
    let unknown = Session {
        active_seconds: None,
        pages: Pages::new(),
        ..visit
    };
    assert_eq!(
        text(unknown),
        "ann@example.com was here for 15 min and logged out"
    );
}

#[test]
fn the_body_is_that_of_standard_webhooks_with_the_session_as_the_api_has_it() {
    let body: Value = serde_json::from_str(&ended(session()).json()).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "visit.ended",
            "timestamp": "2026-01-02T03:19:05Z",
            "text": "ann@example.com looked for 12 min (3 pages) and logged out",
            "data": {
                "id": "42",
                "email": "ann@example.com",
                "start": "2026-01-02T03:04:05Z",
                "lastSeen": "2026-01-02T03:19:05Z",
                "durationSeconds": 900,
                "activeSeconds": 754,
                "state": "ended",
                "looking": false,
                "endReason": "logout",
                "endedAt": "2026-01-02T03:19:05Z",
                "currentPage": "/b/",
                "pages": [
                    { "path": "/b/", "seconds": 600, "scroll": 40 },
                    { "path": "/a/", "seconds": 100, "scroll": 85 },
                    { "path": "/c/", "seconds": 54, "scroll": 0 },
                ],
            },
        })
    );
}

#[test]
fn a_first_visit_is_open_and_its_visitor_looking() {
    let open = Session {
        last_seen: start(),
        end_reason: None,
        ended_at: None,
        ..session()
    };
    let event = Event {
        kind: Kind::VisitorFirst,
        at: start(),
        session: open.clone(),
    };
    let told = |now| {
        let message = Message::of(&event, &LIMITS, now);
        let body: Value = serde_json::from_str(&message.json()).unwrap();
        (message, body)
    };
    let (message, body) = told(start().plus(30));
    assert_eq!(message.id, "first-42-1767323045");
    assert_eq!(body["type"], "visitor.first");
    assert_eq!(body["text"], "ann@example.com is here for the first time");
    assert_eq!(
        (&body["data"]["state"], &body["data"]["looking"]),
        (&json!("open"), &json!(true))
    );
    let (again, later) = told(start().plus(211));
    assert_eq!(again.id, message.id);
    assert_eq!(
        (&later["data"]["state"], &later["data"]["looking"]),
        (&json!("open"), &json!(false))
    );
    assert_eq!(told(start().plus(1_800)).1["data"]["state"], "vanished");
    assert_ne!(ended(open).id, message.id);
}

#[test]
fn slack_gets_a_text_in_which_a_visitor_can_write_no_link_no_mention_and_no_style() {
    let named = |email: &str| {
        let visit = Session {
            email: email.to_owned(),
            ..session()
        };
        let body: Value = serde_json::from_str(&ended(visit).slack()).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        body["text"].as_str().unwrap().to_owned()
    };
    let rest = " looked for 12 min (3 pages) and logged out";
    for (email, shown) in [
        ("ann@example.com", "`ann@example.com`"),
        ("a&b@example.com", "`a&amp;b@example.com`"),
        ("`*_~@example.com", "`'*_~@example.com`"),
        (
            "www.example.com/x@example.com",
            "`www.example.com/x@example.com`",
        ),
        // An owner may have typed anything.
        (
            "<!channel> <http://x|y>\n",
            "`&lt;!channel&gt; &lt;http://x|y&gt; `",
        ),
    ] {
        assert_eq!(named(email), format!("{shown}{rest}"));
    }
}

#[test]
fn a_test_message_names_nobody() {
    let message = test_message(start());
    let body: Value = serde_json::from_str(&message.json()).unwrap();
    assert_eq!(body["type"], "test");
    assert_eq!(body["text"], "lastseen can reach you: this is a test.");
    assert!(message.slack().contains("this is a test"));
}
