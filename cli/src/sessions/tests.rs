//! The shape of what programs read, and of what people see, visit by visit.

use serde_json::{Value, json};
use shared::report::Filter;
use shared::session::{EndReason, Limits, PageFigures, RecordId, Session};
use shared::timestamp::Timestamp;

use super::*;

fn session(id: &str) -> Session {
    let start = Timestamp::from_unix(1_767_323_045); // 2026-01-02T03:04:05Z
    Session {
        id: RecordId::new(id),
        email: "ann@example.com".to_owned(),
        start,
        start_is_day: false,
        last_seen: start.plus(47 * 60),
        end_reason: Some(EndReason::Logout),
        ended_at: Some(start.plus(47 * 60 + 3)),
        active_seconds: Some(1_800),
        current_page: Some("/portfolio/confidential/".to_owned()),
        pages: [(
            "/a,\"b\"".to_owned(),
            PageFigures {
                seconds: 1_800,
                scroll: 85,
            },
        )]
        .into(),
    }
}

fn open(id: &str) -> Session {
    Session {
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: shared::session::Pages::new(),
        ..session(id)
    }
}

fn written(form: Form, email: Option<&str>, pages: &[&[Session]]) -> String {
    let mut bytes = Vec::new();
    let now = session("1").start.plus(86_400);
    let filters = email.into_iter().map(|email| ("email", email));
    let question = Question {
        filter: Filter::read(filters, now).unwrap(),
        limits: LIMITS,
        now,
    };
    let mut output = output(form, &question, &mut bytes);
    for page in pages {
        output.page(page).unwrap();
    }
    output.finish().unwrap();
    drop(output);
    String::from_utf8(bytes).unwrap()
}

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

const CSV: Form = Form {
    csv: true,
    json: false,
};
const JSON: Form = Form {
    csv: false,
    json: true,
};
const TABLE: Form = Form {
    csv: false,
    json: false,
};

#[test]
fn json_is_an_array_of_objects_with_the_tables_columns() {
    let text = written(JSON, None, &[&[session("1"), open("2")], &[open("3")]]);
    let visits: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(
        visits[0],
        json!({
            "id": "1",
            "emailOfAccessor": "ann@example.com",
            "sessionStartTime": "2026-01-02T03:04:05Z",
            "sessionEndTime": "2026-01-02T03:51:05Z",
            "endReason": "logout",
            "endedAt": "2026-01-02T03:51:08Z",
            "activeSeconds": 1800,
            "currentPage": "/portfolio/confidential/",
            "pages": { "/a,\"b\"": { "seconds": 1800, "scroll": 85 } },
            "durationSeconds": 2820,
        })
    );
    let nulls = ["endReason", "endedAt", "activeSeconds", "currentPage"];
    assert!(
        nulls.iter().all(|name| visits[1][name] == Value::Null),
        "{text}"
    );
    assert_eq!(visits[1]["pages"], json!({}));
    assert_eq!(visits.len(), 3);
}

#[test]
fn json_of_no_visits_is_an_empty_array() {
    assert_eq!(written(JSON, None, &[]), "[]\n");
    assert_eq!(written(JSON, None, &[&[]]), "[]\n");
}

#[test]
fn csv_has_a_header_and_a_line_for_each_visit() {
    let text = written(CSV, None, &[&[session("1")], &[open("-2")]]);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "id,emailOfAccessor,sessionStartTime,sessionEndTime,endReason,endedAt,activeSeconds,\
             currentPage,pages,durationSeconds",
            "1,ann@example.com,2026-01-02T03:04:05Z,2026-01-02T03:51:05Z,logout,\
             2026-01-02T03:51:08Z,1800,/portfolio/confidential/,\
             \"{\"\"/a,\\\"\"b\\\"\"\"\":{\"\"scroll\"\":85,\"\"seconds\"\":1800}}\",2820",
            "'-2,ann@example.com,2026-01-02T03:04:05Z,2026-01-02T03:51:05Z,,,,,{},2820",
            "",
        ]
    );
}

#[test]
fn csv_of_no_visits_is_its_header() {
    let text = written(CSV, None, &[&[]]);
    assert!(
        text.starts_with("id,") && text.ends_with("durationSeconds\r\n"),
        "{text}"
    );
}

#[test]
fn the_table_ends_in_what_the_visits_add_up_to() {
    let short = Session {
        last_seen: open("2").start.plus(8 * 60),
        ..open("2")
    };
    let text = written(TABLE, None, &[&[session("1"), short]]);
    assert!(
        text.ends_with(
            "\n\n2 visits · 47 min + 8 min = 55 min in total · 30 min active (not known of 1)\n"
        ),
        "{text}"
    );
    let first = text.lines().nth(1).unwrap();
    let cells: Vec<&str> = first
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    assert_eq!(
        cells,
        [
            "1",
            "ann@example.com",
            "2026-01-02 03:04",
            "03:51",
            "47 min",
            "30 min",
            "logout",
            "/portfolio/confidential/",
        ]
    );
}

#[test]
fn an_empty_table_says_what_to_do() {
    assert!(written(TABLE, None, &[&[]]).starts_with("No visits yet."));
    let text = written(TABLE, Some("Ann@example.com"), &[]);
    assert!(
        text.starts_with("No visits of ann@example.com yet."),
        "{text}"
    );
}
