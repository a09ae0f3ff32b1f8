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

#[test]
fn the_owners_link_is_shown_once_and_then_where_the_token_is() {
    let place = Place::new().with_site().set("PORT", "0");
    let lines = first_lines(&place);
    let kept = std::fs::read_to_string(place.path("data/admin-token")).unwrap();
    let (address, rest) = told(&lines).split_once('#').unwrap();
    assert!(address.starts_with("://127.0.0.1:"), "{address}");
    assert!(address.ends_with("/admin/"), "{address}");
    let token = rest.strip_prefix("token=").unwrap();
    assert_eq!(token.split_once(' ').unwrap().0, kept.trim());

    let lines = first_lines(&place);
    assert!(told(&lines).ends_with("/admin/ with the token in data/admin-token"));
    let place = place.set("ADMIN_TOKEN", "an-owners-token-of-40-characters-exactly");
    let set = first_lines(&place);
    assert!(told(&set).ends_with("/admin/ with the ADMIN_TOKEN"));
    let again = [lines, set].concat().concat();
    assert!(!again.contains(kept.trim()) && !again.contains("exactly"));
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
