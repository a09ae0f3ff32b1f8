//! `lastseen visitors`.

use serde_json::Value;
use shared::session::EndReason;
use shared::store::Store;
use shared::timestamp::Timestamp;

use crate::place::Place;
use crate::tables::{Base, all};
use crate::visits::{START, sqlite, visit};

/// Ann came twice, Bob once and vanished, and Eve is there now.
async fn three_visitors(store: &dyn Store) {
    let logout = Some(EndReason::Logout);
    visit(store, "ann@example.com", START, 47 * 60, logout).await;
    visit(store, "bob@example.org", START.plus(60), 2 * 60, None).await;
    visit(store, "ann@example.com", START.plus(7_200), 8 * 60, None).await;
    visit(store, "eve@example.com", Timestamp::now(), 0, None).await;
}

fn emails(place: &Place, arguments: &[&str]) -> Vec<String> {
    let ran = place.run(&[&["visitors", "--json"], arguments].concat());
    let visitors: Vec<Value> = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let email = |visitor: &Value| visitor["email"].as_str().unwrap().to_owned();
    visitors.iter().map(email).collect()
}

#[tokio::test]
async fn the_table_shows_what_the_visits_of_each_add_up_to() {
    let place = Place::new();
    three_visitors(sqlite(&place).as_ref()).await;
    let ran = place.run(&["visitors", "--sort", "sessions", "--tz", "Europe/Berlin"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].contains("last visit (Europe/Berlin)"), "{ran:?}");
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    let ann =
        "ann@example.com 2 2026-01-02 04:04 2026-01-02 06:04 55 min 27 min 30 s 13 min 45 s 1";
    assert_eq!(cells.join(" "), ann, "{ran:?}");
    assert_eq!(
        lines[5], "3 visitors · 4 visits · 57 min in total · 28 min 30 s active",
        "{ran:?}"
    );
    assert_eq!((lines.len(), ran.code, ran.err.as_str()), (6, 0, ""));
}

#[tokio::test]
async fn they_come_in_the_order_that_is_asked_for() {
    let place = Place::new();
    three_visitors(sqlite(&place).as_ref()).await;
    let (ann, bob, eve) = ("ann@example.com", "bob@example.org", "eve@example.com");
    for (arguments, expected) in [
        (&[][..], &[eve, ann, bob][..]),
        (&["--sort", "email"], &[ann, bob, eve]),
        (
            &["--sort", "duration", "--domain", "example.com"],
            &[ann, eve],
        ),
        (&["--sort", "active", "--state", "ended"], &[ann, bob]),
        (&["--state", "open"], &[eve]),
    ] {
        assert_eq!(emails(&place, arguments), expected, "{arguments:?}");
    }
    let ran = place.run(&["visitors", "--sort", "age"]);
    assert!(
        ran.err.starts_with("lastseen: --sort: must be `last`"),
        "{ran:?}"
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
}

#[tokio::test]
async fn programs_read_what_the_api_tells_them() {
    let place = Place::new();
    three_visitors(sqlite(&place).as_ref()).await;
    let ran = place.run(&["visitors", "--json", "--email", "ann@example.com"]);
    let visitors: Value = serde_json::from_str(&ran.out).unwrap();
    let page = "/portfolio/confidential/";
    let expected = serde_json::json!([{
        "email": "ann@example.com", "sessions": 2, "openSessions": 0, "looking": false,
        "firstVisit": "2026-01-02T03:04:05Z", "lastVisit": "2026-01-02T05:04:05Z",
        "lastSeen": "2026-01-02T05:12:05Z", "durationSeconds": 3_300, "activeSeconds": 1_650,
        "activeUnknown": 0, "medianActiveSeconds": 825,
        "pages": [{ "path": page, "seconds": 1_650, "scroll": 85, "sessions": 2 }],
        "pagesLeftOut": 0,
    }]);
    assert_eq!(visitors, expected);
    let ran = place.run(&["visitors", "--csv", "--email", "ann@example.com"]);
    let pages = "\"{\"\"/portfolio/confidential/\"\":{\"\"scroll\"\":85,\"\"seconds\"\":1650,\"\"sessions\"\":2}}\"";
    let lines: Vec<&str> = ran.out.split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "email,sessions,openSessions,firstVisit,lastVisit,lastSeen,durationSeconds,\
             activeSeconds,medianActiveSeconds,pages",
            &format!(
                "ann@example.com,2,0,2026-01-02T03:04:05Z,2026-01-02T05:04:05Z,\
                 2026-01-02T05:12:05Z,3300,1650,825,{pages}"
            ),
            "",
        ]
    );
}

#[tokio::test]
async fn without_visits_it_says_what_to_do() {
    let place = Place::new();
    let ran = place.run(&["visitors"]);
    assert!(
        ran.out.starts_with("No visits yet: there is no database"),
        "{ran:?}"
    );
    assert_eq!(emails(&place, &[]), Vec::<String>::new());
    three_visitors(sqlite(&place).as_ref()).await;
    let ran = place.run(&["visitors", "--to", "2020-01-01"]);
    assert!(
        ran.out.starts_with("No visits pass these filters."),
        "{ran:?}"
    );
    assert_eq!(ran.code, 0);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn visitors_in_nocodb_read_like_those_in_sqlite() {
    let base = Base::new("visitors").await;
    let table = base.table("emailAccess", &all()).await;
    let place = base.place().set("NOCODB_TABLE_ID", &table);
    three_visitors(base.store(&table).as_ref()).await;
    assert_eq!(
        emails(&place, &["--from", "2026-01-02", "--sort", "email"]),
        ["ann@example.com", "bob@example.org", "eve@example.com"]
    );
}
