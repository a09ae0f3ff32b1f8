//! `lastseen sessions`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value, json};
use shared::session::EndReason;
use shared::timestamp::Timestamp;

use crate::place::Place;
use crate::tables::{Base, all};
use crate::visits::{START, sqlite, visit};

/// What a program reads.
fn parsed(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

async fn three_visits(place: &Place) {
    let store = sqlite(place);
    visit(
        store.as_ref(),
        "ann@example.com",
        START,
        47 * 60,
        Some(EndReason::Logout),
    )
    .await;
    visit(store.as_ref(), "bob@example.com", START.plus(60), 0, None).await;
    visit(
        store.as_ref(),
        "ann@example.com",
        START.plus(7_200),
        8 * 60,
        None,
    )
    .await;
}

#[tokio::test]
async fn the_table_shows_each_visit_and_what_they_add_up_to() {
    let place = Place::new();
    three_visits(&place).await;
    let ran = place.run(&["sessions"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    let ann = "1 ann@example.com 2026-01-02 03:04 03:51 47 min 23 min 30 s logout /portfolio/confidential/";
    assert_eq!(cells.join(" "), ann, "{ran:?}");
    assert_eq!(
        lines[5],
        "3 visits · 47 min + 8 min = 55 min in total · 27 min 30 s active (not known of 1)",
        "{ran:?}"
    );
    assert_eq!((lines.len(), ran.code, ran.err.as_str()), (6, 0, ""));
}

#[tokio::test]
async fn the_visits_of_one_address_are_listed_however_it_is_spelt() {
    let place = Place::new();
    three_visits(&place).await;
    let ran = place.run(&["sessions", "--email", " Ann@Example.COM "]);
    assert!(
        ran.out
            .ends_with("\n2 visits · 47 min + 8 min = 55 min in total · 27 min 30 s active\n"),
        "{ran:?}"
    );
    assert!(!ran.out.contains("bob@"), "{ran:?}");
    let ran = place.run(&["sessions", "--email", "eve@example.com"]);
    assert!(
        ran.out.starts_with("No visits of eve@example.com yet."),
        "{ran:?}"
    );
    assert_eq!(ran.code, 0);
}

#[tokio::test]
async fn filters_leave_out_what_does_not_pass_each_of_them() {
    let place = Place::new();
    three_visits(&place).await;
    let store = sqlite(&place);
    // Somebody who came in just now.
    visit(store.as_ref(), "eve@example.org", Timestamp::now(), 0, None).await;
    for (filters, expected) in [
        (&["--domain", "example.com"][..], &["1", "2", "3"][..]),
        (&["--domain", "Example.ORG"], &["4"]),
        // The range is by start: the first began at 03:04:05, the third two hours later.
        (&["--to", "2026-01-02T05:04:05Z"], &["1", "2"]),
        (
            &["--from", "2026-01-02T05:04:05Z", "--to", "2026-01-02"],
            &["3"],
        ),
        // In New York it was still the first of January.
        (&["--to", "2026-01-01"], &[]),
        (
            &["--to", "2026-01-01", "--tz", "America/New_York"],
            &["1", "2"],
        ),
        (&["--state", "open"], &["4"]),
        (&["--state", "ended"], &["1", "2", "3"]),
        (&["--reason", "logout"], &["1"]),
        (&["--reason", "none"], &["2", "3"]),
        (&["--reason", "none", "--email", "ann@example.com"], &["3"]),
    ] {
        let arguments = [&["sessions", "--json"], filters].concat();
        let visits = parsed(&place.run(&arguments).out);
        let ids: Vec<&str> = visits
            .iter()
            .map(|visit| visit["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{filters:?}");
    }
    let ran = place.run(&["sessions", "--tz", "Europe/Berlin"]);
    assert!(ran.out.contains("start (Europe/Berlin)"), "{ran:?}");
    assert!(ran.out.contains("2026-01-02 04:04"), "{ran:?}");
    assert!(
        ran.out.contains("vanished") && ran.out.contains("open"),
        "{ran:?}"
    );
    let ran = place.run(&["sessions", "--reason", "revoked"]);
    assert_eq!(
        (ran.out.as_str(), ran.code),
        (
            "No visits pass these filters. Without them, all visits are listed.\n",
            0
        )
    );
}

#[test]
fn a_filter_that_cannot_be_followed_is_named() {
    for (filters, expected) in [
        (&["--from", "yesterday"][..], "--from"),
        (&["--to", "2026-02-30"], "--to"),
        (&["--from", "2026-02-03", "--to", "2026-02-01"], "--from"),
        (&["--state", "closed"], "--state"),
        (&["--reason", "bored"], "--reason"),
        (&["--reason", "idle", "--state", "open"], "--reason"),
        (&["--tz", "Mars/Olympus"], "--tz"),
        (&["--domain", "@"], "--domain"),
    ] {
        let ran = Place::new().run(&[&["sessions"], filters].concat());
        let start = format!("lastseen: {expected}: ");
        assert!(ran.err.starts_with(&start), "{filters:?}: {ran:?}");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{filters:?}");
    }
}

#[tokio::test]
async fn json_holds_what_the_store_holds() {
    let place = Place::new();
    three_visits(&place).await;
    let visits = parsed(&place.run(&["sessions", "--json"]).out);
    assert_eq!(
        visits[0],
        json!({
            "id": "1",
            "emailOfAccessor": "ann@example.com",
            "sessionStartTime": "2026-01-02T03:04:05Z",
            "sessionEndTime": "2026-01-02T03:51:05Z",
            "endReason": "logout",
            "endedAt": "2026-01-02T03:51:05Z",
            "activeSeconds": 1410,
            "currentPage": "/portfolio/confidential/",
            "pages": { "/portfolio/confidential/": { "seconds": 1410, "scroll": 85 } },
            "durationSeconds": 2820,
        })
    );
    assert_eq!(visits[1]["durationSeconds"], 0);
    assert_eq!(visits[2]["endReason"], Value::Null);
}

#[tokio::test]
async fn csv_reads_back_and_holds_no_formula() {
    let place = Place::new();
    let store = sqlite(&place);
    visit(
        store.as_ref(),
        "=1+1@example.com",
        START,
        60,
        Some(EndReason::Idle),
    )
    .await;
    let ran = place.run(&["sessions", "--csv"]);
    let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |name| {
        rows[0]
            .get(header.iter().position(|title| title == name).unwrap())
            .unwrap()
    };
    assert_eq!(cell("emailOfAccessor"), "'=1+1@example.com");
    assert_eq!(cell("endReason"), "idle");
    assert_eq!(cell("durationSeconds"), "60");
    let pages: Value = serde_json::from_str(cell("pages")).unwrap();
    assert_eq!(pages["/portfolio/confidential/"]["scroll"], 85);
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn every_page_of_a_long_listing_counts() {
    let place = Place::new();
    let store = sqlite(&place);
    for index in 0..250 {
        // Several begin in the same second.
        visit(
            store.as_ref(),
            "ann@example.com",
            START.plus(index / 7),
            61,
            None,
        )
        .await;
    }
    let ran = place.run(&["sessions"]);
    assert!(
        ran.out
            .ends_with("\n250 visits · 4 h 14 min 10 s in total · 2 h 05 min active\n"),
        "{ran:?}"
    );
    let visits = parsed(&place.run(&["sessions", "--json"]).out);
    let ids: HashSet<&str> = visits
        .iter()
        .filter_map(|visit| visit["id"].as_str())
        .collect();
    assert_eq!((visits.len(), ids.len()), (250, 250));
}

#[test]
fn listing_makes_no_database() {
    let place = Place::new();
    let ran = place.run(&["sessions"]);
    assert!(
        ran.out
            .starts_with("No visits yet: there is no database at data/lastseen.db."),
        "{ran:?}"
    );
    assert_eq!((ran.code, ran.out.contains("lastseen serve")), (0, true));
    for (format, empty) in [("--json", "[]\n"), ("--csv", "id,emailOfAccessor")] {
        let ran = place.run(&["sessions", format]);
        assert!(
            ran.out.starts_with(empty) && ran.err.contains("data/lastseen.db"),
            "{ran:?}"
        );
        assert_eq!(ran.code, 0);
    }
    assert!(!place.path("data").exists());
}

#[tokio::test]
async fn an_empty_database_says_what_to_do() {
    let place = Place::new();
    drop(sqlite(&place));
    let ran = place.run(&["sessions"]);
    assert!(
        ran.out.starts_with("No visits yet.") && ran.out.contains("lastseen serve"),
        "{ran:?}"
    );
    assert_eq!(place.run(&["sessions", "--json"]).out, "[]\n");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in [
        "",
        "ann",
        "a@b.cc,c@d.ee",
        "x),(emailOfAccessor,neq,)~or(a@example.com",
    ] {
        let ran = Place::new().run(&["sessions", "--email", address]);
        let sentence = "lastseen: --email: must be one address, like name@example.com\n";
        assert_eq!(
            (ran.code, ran.err.as_str(), ran.out.as_str()),
            (1, sentence, ""),
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_has_read_enough_is_no_error() {
    let place = Place::new();
    let store = sqlite(&place);
    // More than a pipe holds (64 KiB on Linux).
    for _ in 0..600 {
        visit(store.as_ref(), "ann@example.com", START, 1, None).await;
    }
    for format in [
        &["sessions"][..],
        &["sessions", "--json"],
        &["sessions", "--csv"],
    ] {
        let mut command = place.command(format);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), err.as_str()),
            (Some(0), ""),
            "{format:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn visits_in_nocodb_are_listed_page_by_page() {
    let base = Base::new("sessions").await;
    let table = base.table("emailAccess", &all()).await;
    let place = base.place().set("NOCODB_TABLE_ID", &table);
    let ran = place.run(&["sessions"]);
    assert!(ran.out.starts_with("No visits yet."), "{ran:?}");

    let rows = base.client.table(&base.id, &table).unwrap();
    for minute in 0..103_u64 {
        let (start, end) = (START.plus(minute * 60), START.plus(minute * 60 + 61));
        let email = if minute < 2 {
            "o'brien@example.com"
        } else {
            "ann@example.com"
        };
        let row = json!({
            "emailOfAccessor": email,
            "sessionStartTime": start.to_string(),
            "sessionEndTime": end.to_string(),
        });
        rows.create(&row).await.unwrap();
    }
    let ran = place.run(&["sessions"]);
    assert!(
        ran.out
            .ends_with("\n103 visits · 1 h 44 min 43 s in total\n"),
        "{ran:?}"
    );
    let visits = parsed(
        &place
            .run(&["sessions", "--json", "--email", "o'brien@example.com"])
            .out,
    );
    assert_eq!(visits.len(), 2);
    assert_eq!(visits[1]["sessionStartTime"], "2026-01-02T03:05:05Z");
    assert_eq!(visits[1]["durationSeconds"], 61);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_visit_in_nocodb_reads_like_one_in_sqlite() {
    let base = Base::new("sessions alike").await;
    let table = base.table("emailAccess", &all()).await;
    let place = base.place().set("NOCODB_TABLE_ID", &table);
    let nocodb = base.store(&table);
    let local = Place::new();
    let sqlite = sqlite(&local);
    for store in [nocodb.as_ref(), sqlite.as_ref()] {
        visit(
            store,
            "ann@example.com",
            START,
            47 * 60,
            Some(EndReason::Logout),
        )
        .await;
        visit(store, "ann@example.com", START.plus(9), 0, None).await;
    }
    for format in ["--json", "--csv"] {
        let [there, here] = [&place, &local].map(|place| place.run(&["sessions", format]).out);
        assert_eq!(there, here);
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_token_that_nocodb_does_not_accept_is_named_and_not_shown() {
    let base = Base::new("sessions token").await;
    let table = base.table("emailAccess", &all()).await;
    let place = base
        .place()
        .set("NOCODB_TABLE_ID", table)
        .set("NOCODB_API_TOKEN", "se-cret");
    let ran = place.run(&["sessions", "--json"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("lastseen: ") && ran.err.contains("API token"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("se-cret"), "{ran:?}");
}
