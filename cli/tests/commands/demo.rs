//! `lastseen demo`: visits that nobody made, beside real ones.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::email::Email;
use shared::store::Starts;

use crate::place::{Place, Ran};
use crate::tables::{Base, REQUIRED, all};
use crate::visits::{START, sqlite, visit};

const UNTIL: &str = "2026-11-20T16:00:00Z";

fn rows(place: &Place) -> Vec<Value> {
    let ran = place.run(&["sessions", "--json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))
}

/// Without their ids, which are the store's.
fn nameless(place: &Place) -> Vec<Value> {
    let mut rows = rows(place);
    for row in &mut rows {
        row["id"] = Value::Null;
    }
    rows
}

fn demo(place: &Place, arguments: &[&str]) -> Ran {
    let ran = place.run(&[&["demo"], arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran
}

#[test]
fn a_month_of_visits_is_made_in_a_new_database() {
    let place = Place::new();
    let ran = demo(&place, &["--until", UNTIL]);
    let told = "Made 300 visits of ";
    assert!(ran.out.starts_with(told), "{ran:?}");
    assert!(
        ran.out
            .contains("from 2026-10-21T16:00:00Z until 2026-11-20T16:00:00Z."),
        "{ran:?}"
    );
    assert!(ran.out.contains("lastseen demo --remove"), "{ran:?}");
    assert!(!ran.out.contains("real"), "{ran:?}");
    let rows = rows(&place);
    assert_eq!(rows.len(), 300);
    for row in &rows {
        let start = row["sessionStartTime"].as_str().unwrap();
        assert!(("2026-10-21T16:00:00Z"..=UNTIL).contains(&start), "{row}");
    }
    let open = rows.iter().filter(|row| {
        row["endReason"].is_null() && row["sessionEndTime"].as_str().unwrap() > "2026-11-20T15:57"
    });
    assert!(open.count() >= 3);
}

#[test]
fn the_same_wish_makes_the_same_rows() {
    let (one, other) = (Place::new(), Place::new());
    let wish = [
        "--until", UNTIL, "--seed", "7", "--days", "9", "--visits", "40",
    ];
    demo(&one, &wish);
    demo(&other, &wish);
    assert_eq!(nameless(&one), nameless(&other));
    demo(
        &other,
        &[
            "--until", UNTIL, "--seed", "8", "--days", "9", "--visits", "40",
        ],
    );
    assert_ne!(nameless(&one), nameless(&other));
}

#[tokio::test]
async fn a_second_run_replaces_the_first_and_real_visits_stay() {
    let place = Place::new();
    let store = sqlite(&place);
    for email in ["ann@example.com", "bob@demo.example.com", "eve@x.example"] {
        visit(store.as_ref(), email, START, 60, None).await;
    }
    demo(&place, &["--visits", "120"]);
    let ran = demo(&place, &["--visits", "20", "--seed", "2"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "Removed 120 demo visits of an earlier run.");
    assert!(lines[1].starts_with("Made 20 visits of "), "{ran:?}");
    assert_eq!(
        lines[2],
        "3 real visits are there as well, and stay as they are."
    );
    assert_eq!(rows(&place).len(), 23);

    let ran = demo(&place, &["--remove"]);
    assert_eq!(
        ran.out,
        "Removed 20 demo visits.\n3 real visits are there as well, and stay as they are.\n"
    );
    let left: BTreeSet<String> = rows(&place)
        .iter()
        .map(|row| row["emailOfAccessor"].as_str().unwrap().to_owned())
        .collect();
    let real = ["ann@example.com", "bob@demo.example.com", "eve@x.example"];
    assert_eq!(left, real.map(str::to_owned).into());
    let again = demo(&place, &["--remove"]).out;
    assert!(again.starts_with("There was no demo visit.\n"), "{again}");
}

#[test]
fn removing_makes_no_database() {
    let place = Place::new();
    let ran = demo(&place, &["--remove"]);
    assert!(ran.out.starts_with("No visits yet"), "{ran:?}");
    assert!(!place.path("data").exists());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::new();
    for arguments in [
        &["--days", "0"][..],
        &["--days", "4000"],
        &["--visits", "0"],
        &["--visits", "many"],
        &["--until", "yesterday"],
        &["--remove", "--seed", "2"],
    ] {
        let ran = place.run(&[&["demo"], arguments].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(arguments[0]), "{ran:?}");
    }
    assert!(!place.path("data").exists());
}

#[test]
fn the_help_says_how_they_are_told_from_real_visits() {
    let help = Place::new().run(&["demo", "--help"]).out;
    for word in [".demo.example", "--remove", "--seed", "real visits"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn a_great_many_visits_are_made_and_removed() {
    // Ten times as many take half a minute, which `make test-all` has.
    let is_thorough = std::env::var("LASTSEEN_LOOP").is_ok_and(|name| name == "test-all");
    let count = if is_thorough { "100000" } else { "10000" };
    let place = Place::new();
    let ran = demo(&place, &["--visits", count, "--days", "365"]);
    assert!(
        ran.out.starts_with(&format!("Made {count} visits")),
        "{ran:?}"
    );
    let ran = demo(&place, &["--remove"]);
    assert_eq!(ran.out, format!("Removed {count} demo visits.\n"));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn nocodb_gets_the_same_visits() {
    let base = Base::new("demo").await;
    let table = base.table("emailAccess", &all()).await;
    let place = base.place().set("NOCODB_TABLE_ID", &table);
    let store = base.store(&table);
    let ann = Email::parse("ann@example.com").unwrap();
    store.create(&ann, START, None).await.unwrap();
    let wish = ["--until", UNTIL, "--visits", "25"];
    let ran = demo(&place, &wish);
    assert!(
        ran.out
            .contains("\n1 real visit is there as well, and stays as it is.\n"),
        "{ran:?}"
    );
    let local = Place::new();
    demo(&local, &wish);
    let there: Vec<Value> = nameless(&place);
    // The real one is the oldest.
    assert_eq!(there[1..], nameless(&local));

    let ran = demo(&place, &["--visits", "5"]);
    assert!(
        ran.out
            .starts_with("Removed 25 demo visits of an earlier run.\n"),
        "{ran:?}"
    );
    demo(&place, &["--remove"]);
    assert_eq!(store.count(Starts::All).await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_table_that_cannot_hold_visits_is_named() {
    let base = Base::new("demo without").await;
    let table = base.table("emailAccess", &REQUIRED[..2]).await;
    let place = base.place().set("NOCODB_TABLE_ID", &table);
    let ran = place.run(&["demo", "--visits", "3"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("lastseen: NocoDB "), "{ran:?}");
}
