//! `lastseen serve` where it cannot start: one line that names what to change, and nothing left
//! behind.

use crate::place::Place;

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
