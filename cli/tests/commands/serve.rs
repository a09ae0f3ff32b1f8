//! `lastseen serve`: where it cannot start, one line that names what to change, and nothing left
//! behind; and what it does by itself.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use shared::timestamp::Timestamp;

use crate::place::Place;
use crate::visits::{START, sqlite, visit};

#[test]
fn a_start_that_fails_names_the_setting_and_leaves_no_key_behind() {
    for (name, value) in [
        ("PORT", "abc"),
        ("PORT", "65536"),
        ("STATIC_DIR", "nowhere"),
        ("IDLE_TIMEOUT_SECONDS", "soon"),
        ("GATE_PATH", "access"),
        ("DATABASE_PATH", "static"),
        ("SESSION_KEYS", "nonsense"),
        ("PROTECTED_PREFIXES", "/nothing-there"),
        ("PROTECTED_PREFIXES", "/portfolio/*"),
        ("DEFAULT_REDIRECT", "/open/"),
        ("ALLOWED_EMAILS", "*@x.example"),
        ("DENIED_EMAILS", "*@x.example"),
        ("SESSION_KEYS_PARAMETER", "/site/keys"),
        ("ACCESS_PASSCODE_PARAMETER", "/site/passcode"),
        ("RETENTION_DAYS", "1"),
    ] {
        let place = Place::new().with_site().set(name, value);
        let ran = place.run(&[]);
        let line = format!("lastseen: {name}: ");
        assert!(ran.err.starts_with(&line), "{name}={value}: {ran:?}");
        assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
        assert!(!place.path("data/session-keys").exists(), "{name}={value}");
    }
}

#[tokio::test]
async fn old_visits_are_deleted_as_soon_as_it_starts() {
    let place = Place::new().with_site();
    let place = place.set("PORT", "0").set("RETENTION_DAYS", "30");
    let store = sqlite(&place);
    visit(store.as_ref(), "ann@example.com", START, 60, None).await;
    let recently = Timestamp::now().minus(60);
    let recent = visit(store.as_ref(), "bob@example.com", recently, 0, None).await;
    let mut serve = place.command(&[]).stdout(Stdio::null()).spawn().unwrap();
    let mut left = Vec::new();
    for _ in 0..100 {
        left = store
            .list(&shared::store::Listing::of(None), None)
            .await
            .unwrap()
            .sessions;
        if left.len() < 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert_eq!(
        left.into_iter().map(|row| row.id).collect::<Vec<_>>(),
        [recent]
    );
}

/// Starts it, and stops it as soon as it listens; what it printed until then.
fn first_lines(place: &Place) -> Vec<String> {
    let mut serve = place.command(&[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(serve.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().contains("listening on") {
            break;
        }
    }
    serve.kill().unwrap();
    serve.wait().unwrap();
    lines
}

/// The end of the line that tells the owner where to sign in.
fn told(lines: &[String]) -> &str {
    let mut told = lines
        .iter()
        .filter_map(|line| line.split_once("the owner signs in at http"));
    let (_, place) = told.next().unwrap();
    assert!(told.next().is_none(), "{lines:?}");
    place
}

/// The log goes into a pipe here, which is kept by whoever reads it.
#[test]
fn neither_link_nor_token_is_printed_into_a_pipe() {
    let place = Place::new().with_site().set("PORT", "0");
    let lines = first_lines(&place);
    let kept = std::fs::read_to_string(place.path("data/admin-token")).unwrap();
    let end =
        "/admin/ with the token in data/admin-token, or by a link that `lastseen admin link` makes";
    assert!(told(&lines).starts_with("://127.0.0.1:"), "{lines:?}");
    assert!(told(&lines).ends_with(end), "{lines:?}");
    let again = first_lines(&place);
    let place = place.set("ADMIN_TOKEN", "an-owners-token-of-40-characters-exactly");
    let set = first_lines(&place);
    assert!(told(&set).contains("/admin/ with the ADMIN_TOKEN, or by a link"));
    let all = [lines, again, set].concat().concat();
    for secret in [kept.trim(), "exactly", "#once=", "#token="] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn a_command_makes_links_to_the_address_of_the_last_start() {
    let place = Place::new().with_site().set("PORT", "0");
    let ran = place.run(&["admin", "link"]);
    assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.err.contains("DATABASE_PATH") && ran.err.contains("lastseen serve"));
    assert!(!place.path("data").exists());
    let said = first_lines(&place);
    let address = said.last().unwrap().split("listening on ").nth(1).unwrap();
    let links = [(); 2].map(|()| place.run(&["admin", "link"]));
    for ran in &links {
        assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
        let start = format!("{address}/admin/#once=");
        assert!(ran.out.starts_with(&start), "{start}: {ran:?}");
        assert!(ran.out.trim().len() >= start.len() + 43, "{ran:?}");
        assert!(ran.err.contains("once, within ten minutes"), "{ran:?}");
    }
    assert_ne!(links[0].out, links[1].out);
    std::fs::remove_file(place.path("static/admin/index.html")).unwrap();
    first_lines(&place);
    assert_eq!(
        place.run(&["admin", "link"]).code,
        1,
        "there is no such page"
    );
}

#[test]
fn the_start_says_what_is_closed_and_who_may_come_in() {
    for (settings, expected) in [
        (
            &[][..],
            "/portfolio/confidential is closed; anybody with an address may come in, no passcode",
        ),
        (
            &[
                ("PROTECTED_PREFIXES", "/reports/q3,/deck"),
                ("ALLOWED_EMAILS", "@x.example"),
                ("ACCESS_PASSCODE", "open sesame"),
            ],
            "/reports/q3, /deck are closed; only those in ALLOWED_EMAILS may come in, with the passcode",
        ),
    ] {
        let place = Place::new().with_site().set("PORT", "0");
        place.write("static/reports/q3/index.html", "");
        place.write("static/deck/a.pdf", "");
        let place = settings
            .iter()
            .fold(place, |place, (name, value)| place.set(name, *value));
        let lines = first_lines(&place);
        assert!(
            lines.iter().any(|line| line.ends_with(expected)),
            "{lines:?}"
        );
    }
}

#[test]
fn without_a_dashboard_no_link_is_shown_in_vain() {
    let place = Place::new().with_site().set("PORT", "0");
    std::fs::remove_file(place.path("static/admin/index.html")).unwrap();
    let lines = first_lines(&place).concat();
    assert!(
        lines.contains("STATIC_DIR has no admin/index.html"),
        "{lines}"
    );
    assert!(
        lines.contains("token is kept in data/admin-token"),
        "{lines}"
    );
    assert!(!lines.contains("#token="), "{lines}");
}

#[test]
fn the_owner_is_sent_to_where_the_cookie_is_kept() {
    for (settings, expected) in [
        (
            &[("HOST", "0.0.0.0"), ("COOKIE_SECURE", "false")][..],
            "://localhost:",
        ),
        (
            &[("HOST", "0.0.0.0"), ("SITE_AUDIENCE", "www.example.com")],
            "s://www.example.com/admin/ ",
        ),
        // Nothing here speaks https, whatever the cookies are for.
        (&[("HOST", "0.0.0.0")], "://localhost:"),
        (
            &[("HOST", "0.0.0.0"), ("SITE_AUDIENCE", "localhost:8443")],
            "://localhost:",
        ),
    ] {
        let token = "an-owners-token-of-40-characters-exactly";
        let place = Place::new().with_site().set("PORT", "0");
        let place = settings
            .iter()
            .fold(place.set("ADMIN_TOKEN", token), |place, (name, value)| {
                place.set(name, *value)
            });
        let lines = first_lines(&place);
        assert!(told(&lines).starts_with(expected), "{lines:?}");
    }
}
