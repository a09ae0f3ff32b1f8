//! `lastseen doctor`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::place::{Place, Ran};
use crate::tables::{Base, OPTIONAL, REQUIRED, all, token};
use crate::visits::{START, sqlite, visit};

const KEYS: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn laptop() -> Place {
    Place::new().with_site().set("SESSION_KEYS", KEYS)
}

fn starts(lines: &[&str], start: &str) -> bool {
    lines.iter().any(|line| line.starts_with(start))
}

/// One thing is wrong, and the line about it names it and its cure.
#[track_caller]
fn only_wrong(ran: &Ran, start: &str) {
    let wrong = ran.marked('✗');
    // The last line explains the marks.
    assert_eq!((ran.code, wrong.len()), (1, 2), "{ran:?}");
    assert!(
        wrong[0].starts_with(start) && wrong[0].contains(" — "),
        "{ran:?}"
    );
}

#[tokio::test]
async fn on_a_laptop_where_all_is_well_every_line_has_a_tick() {
    let place = laptop();
    visit(sqlite(&place).as_ref(), "ann@example.com", START, 60, None).await;
    let ran = place.run(&["doctor"]);
    assert_eq!(
        (ran.code, ran.marked('✗'), ran.marked('!')),
        (0, vec![], vec![]),
        "{ran:?}"
    );
    let good = ran.marked('✓');
    for start in [
        "settings: idle timeout 30 min, session lifetime 24 h",
        "SESSION_KEYS: 1 key (a)",
        "store: SQLite at data/lastseen.db, writable",
        "STATIC_DIR: static",
        "gate page: static/access/index.html",
        "script: static/lastseen.js",
    ] {
        assert!(starts(&good, start), "{start}: {ran:?}");
    }
    assert!(!ran.out.contains("AAAA") && !ran.out.contains("ann@") && !ran.out.contains('\u{1b}'));
}

#[test]
fn a_fresh_clone_has_nothing_wrong_and_stays_as_it_was() {
    let place = Place::new().with_site();
    let ran = place.run(&["doctor"]);
    assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
    assert!(
        starts(
            &ran.marked('!'),
            "SESSION_KEYS: none yet; `lastseen serve` makes one"
        ),
        "{ran:?}"
    );
    assert!(
        starts(
            &ran.marked('✓'),
            "store: SQLite at data/lastseen.db, not there yet"
        ),
        "{ran:?}"
    );
    assert!(!place.path("data").exists());
}

#[test]
fn the_key_that_serve_keeps_is_found_and_not_shown() {
    let place = Place::new().with_site();
    place.write("data/session-keys", KEYS);
    let ran = place.run(&["doctor"]);
    let line = "SESSION_KEYS: 1 key (a) from data/session-keys, which `lastseen serve` made";
    assert!(starts(&ran.marked('✓'), line), "{ran:?}");
    assert!(!ran.out.contains("AAAA"), "{ran:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (mode, minds) in [(0o644, true), (0o600, false)] {
            let path = place.path("data/session-keys");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let ran = place.run(&["doctor"]);
            assert_eq!(
                starts(&ran.marked('!'), "others on this machine may read"),
                minds,
                "{ran:?}"
            );
        }
    }
    place.write("data/session-keys", "nonsense");
    only_wrong(
        &place.run(&["doctor"]),
        "SESSION_KEYS: data/session-keys: key 1: ",
    );
    fs::remove_file(place.path("data/session-keys")).unwrap();
    fs::create_dir(place.path("data/session-keys")).unwrap();
    only_wrong(
        &place.run(&["doctor"]),
        "SESSION_KEYS: is not set, and data/session-keys cannot be read",
    );
}

#[test]
fn each_part_of_the_site_that_is_missing_is_named() {
    let place = laptop();
    only_wrong(
        &place.set("STATIC_DIR", "elsewhere").run(&["doctor"]),
        "STATIC_DIR: there is no folder elsewhere",
    );
    let place = laptop();
    fs::remove_file(place.path("static/lastseen.js")).unwrap();
    only_wrong(
        &place.run(&["doctor"]),
        "script: there is no static/lastseen.js",
    );
    let place = laptop().set("GATE_PATH", "/door");
    only_wrong(
        &place.run(&["doctor"]),
        "gate page: there is no static/door",
    );
    place.write("static/door", "<form></form>");
    assert_eq!(place.run(&["doctor"]).code, 0);
    let ran = laptop().set("GATE_PATH", "/access").run(&["doctor"]);
    assert!(
        starts(&ran.marked('✓'), "gate page: static/access/index.html"),
        "{ran:?}"
    );
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let place = laptop().set("DATABASE_PATH", "notes.txt");
    place.write("notes.txt", "Dear diary, this is no database at all.");
    only_wrong(
        &place.run(&["doctor"]),
        "DATABASE_PATH: notes.txt is no SQLite database",
    );
    assert!(
        fs::read_to_string(place.path("notes.txt"))
            .unwrap()
            .starts_with("Dear diary")
    );
    let place = laptop().set("DATABASE_PATH", "static");
    only_wrong(&place.run(&["doctor"]), "DATABASE_PATH: ");
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn every_column_in_nocodb_is_ticked() {
    let base = Base::new("doctor well").await;
    let table = base.table("emailAccess", &all()).await;
    let ran = doctor(&base, &table);
    assert_eq!(
        (ran.code, ran.marked('✗'), ran.marked('!')),
        (0, vec![], vec![]),
        "{ran:?}"
    );
    let good = ran.marked('✓');
    for start in [
        "NocoDB answers at http://",
        "NocoDB accepts the token",
        "table emailAccess (",
        "rows can be read: 0 visits",
    ] {
        assert!(starts(&good, start), "{start}: {ran:?}");
    }
    for (title, _) in all() {
        assert!(
            good.contains(&format!("column {title}").as_str()),
            "{title}: {ran:?}"
        );
    }
    assert!(!ran.out.contains(&token()), "{ran:?}");
}

fn doctor(base: &Base, table: &str) -> Ran {
    let place = base.place().with_site();
    place
        .set("SESSION_KEYS", KEYS)
        .set("NOCODB_TABLE_ID", table)
        .run(&["doctor"])
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_missing_optional_column_deserves_a_look_and_says_what_it_turns_off() {
    let base = Base::new("doctor optional").await;
    let table = base.table("emailAccess", &REQUIRED).await;
    let ran = doctor(&base, &table);
    assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
    let minds = ran.marked('!');
    assert_eq!(minds.len(), OPTIONAL.len(), "{ran:?}");
    for (title, _) in OPTIONAL {
        let line = minds
            .iter()
            .find(|line| line.starts_with(&format!("column {title} is missing: ")));
        assert!(
            line.is_some_and(|line| line.ends_with("`lastseen setup` adds it")),
            "{title}: {ran:?}"
        );
    }
    assert!(
        minds[0].contains("endings do not reach other browsers"),
        "{ran:?}"
    );
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_missing_required_column_and_a_wrong_type_are_wrong() {
    let base = Base::new("doctor required").await;
    let mut columns = all();
    columns.remove(2);
    let table = base.table("without", &columns).await;
    only_wrong(
        &doctor(&base, &table),
        "column sessionEndTime is missing: nobody can be let in",
    );
    let mut columns = all();
    columns[3].1 = "Checkbox";
    let table = base.table("checkbox", &columns).await;
    let ran = doctor(&base, &table);
    assert!(
        starts(
            &ran.marked('✗'),
            "column endReason has the type Checkbox instead of SingleLineText"
        ),
        "{ran:?}"
    );
    assert_eq!(ran.code, 1);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn each_step_on_the_way_to_the_table_has_its_own_line() {
    let base = Base::new("doctor ways").await;
    let table = base.table("emailAccess", &all()).await;
    for (name, value, start) in [
        (
            "NOCODB_URL",
            "http://127.0.0.1:1",
            "NocoDB could not be reached",
        ),
        (
            "NOCODB_API_TOKEN",
            "se-cret",
            "NocoDB does not accept the API token",
        ),
        ("NOCODB_BASE_ID", "pnowhere", "there is no base pnowhere"),
        (
            "NOCODB_TABLE_ID",
            "mnowhere",
            "the base has no table mnowhere",
        ),
    ] {
        let place = base
            .place()
            .with_site()
            .set("SESSION_KEYS", KEYS)
            .set("NOCODB_TABLE_ID", &table);
        let ran = place.set(name, value).run(&["doctor"]);
        only_wrong(&ran, start);
        assert!(
            !ran.out.contains("se-cret") && !ran.out.contains(&token()),
            "{ran:?}"
        );
    }
    let ran = base
        .place()
        .with_site()
        .set("SESSION_KEYS", KEYS)
        .run(&["doctor"]);
    only_wrong(&ran, "NOCODB_TABLE_ID: is missing");
    assert!(
        ran.out.contains(&format!("set NOCODB_TABLE_ID={table}")),
        "{ran:?}"
    );
}

#[test]
fn a_page_that_is_not_nocodb_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let page = "<!doctype html><title>Log in</title>";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    let place = laptop()
        .set("NOCODB_URL", url)
        .set("NOCODB_API_TOKEN", "t")
        .set("NOCODB_BASE_ID", "p1");
    only_wrong(
        &place.set("NOCODB_TABLE_ID", "m1").run(&["doctor"]),
        "NocoDB's answer could not be read: it is not JSON",
    );
}
