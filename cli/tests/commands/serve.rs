//! `lastseen serve`: where it cannot start, one line that names what to change, and nothing left
//! behind; and what it does by itself.

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
            .list(&shared::store::Listing::of(None), 0)
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
