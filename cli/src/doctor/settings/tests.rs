//! What the report says about the settings and the keys.

use super::*;
use crate::doctor::keys;

fn lines(settings: &[(&str, &str)]) -> Vec<String> {
    let defaults = [
        ("SITE_AUDIENCE", "localhost"),
        ("COOKIE_SECURE", "false"),
        ("HOST", "127.0.0.1"),
        ("DATABASE_PATH", "/nowhere/at/all.db"),
    ];
    let pairs = defaults
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables = pairs.collect();
    let findings = check(&variables).into_iter().chain(keys::check(&variables));
    findings.map(|finding| finding.to_string()).collect()
}

fn wrong(settings: &[(&str, &str)]) -> Vec<String> {
    lines(settings)
        .into_iter()
        .filter(|line| line.starts_with('✗'))
        .collect()
}

#[test]
fn every_wrong_setting_is_named_and_not_only_the_first() {
    let wrong = wrong(&[
        ("SESSION_KEYS", "nonsense"),
        ("SITE_AUDIENCE", "https://example.com/"),
        ("IDLE_TIMEOUT_SECONDS", "soon"),
        ("GATE_PATH", "//evil.example"),
        ("PORT", "http"),
        ("NOCODB_URL", "ftp://example.com"),
        ("RETENTION_DAYS", "1"),
    ]);
    for name in [
        "SESSION_KEYS",
        "SITE_AUDIENCE",
        "IDLE_TIMEOUT_SECONDS",
        "GATE_PATH",
        "PORT",
        "NOCODB_URL",
        "NOCODB_BASE_ID",
        "NOCODB_API_TOKEN",
        "NOCODB_TABLE_ID",
        "RETENTION_DAYS",
    ] {
        let of_this: Vec<&String> = wrong
            .iter()
            .filter(|line| line.starts_with(&format!("✗ {name}: ")))
            .collect();
        assert_eq!(of_this.len(), 1, "{name} in {wrong:#?}");
        assert!(of_this[0].contains(" — "), "no cure: {of_this:?}");
    }
}

#[test]
fn a_contradiction_is_named_once() {
    let wrong = wrong(&[
        ("IDLE_TIMEOUT_SECONDS", "60"),
        ("SESSION_LIFETIME_SECONDS", "30"),
    ]);
    assert!(
        wrong.len() == 1 && wrong[0].starts_with("✗ IDLE_TIMEOUT_SECONDS: "),
        "{wrong:?}"
    );
}

#[test]
fn keys_are_shown_by_their_ids_alone() {
    let lines = lines(&[(
        "SESSION_KEYS",
        "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,b:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    )]);
    assert!(
        lines.contains(&"✓ SESSION_KEYS: 2 keys (a, b); the first signs".to_owned()),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("AAAA")), "{lines:?}");
}

#[test]
fn no_keys_yet_is_no_error_on_a_laptop() {
    let lines = lines(&[]);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("! SESSION_KEYS: none yet")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| !line.starts_with('✗')), "{lines:?}");
}

#[test]
fn insecure_cookies_are_worth_a_look_where_others_can_connect() {
    let minds = |host: &str, secure: &str| {
        lines(&[("HOST", host), ("COOKIE_SECURE", secure)])
            .iter()
            .any(|line| line.starts_with("! COOKIE_SECURE"))
    };
    assert!(minds("0.0.0.0", "false") && minds("example.com", "false"));
    assert!(
        !minds("127.0.0.1", "false")
            && !minds("::1", "false")
            && !minds("localhost", "false")
            && !minds("0.0.0.0", "true")
    );
}

#[test]
fn a_parameter_name_is_no_value_here() {
    let lines = lines(&[("SESSION_KEYS_PARAMETER", "/lastseen/keys")]);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("! SESSION_KEYS_PARAMETER is read")),
        "{lines:?}"
    );
}

#[test]
fn what_codes_need_is_named_with_a_cure_and_hides_nothing_else() {
    let named = wrong(&[("VERIFY_EMAIL", "code"), ("IDLE_TIMEOUT_SECONDS", "soon")]);
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(
        named[0].starts_with("✗ MAIL_FROM: is missing — "),
        "{named:?}"
    );
    let named = wrong(&[("MAIL_FROM", "gate@example.com")]);
    assert!(
        named.len() == 1 && named[0].contains("set VERIFY_EMAIL=code or unset it"),
        "{named:?}"
    );
    let secret = wrong(&[
        ("VERIFY_EMAIL", "code"),
        ("MAIL_FROM", "gate@example.com"),
        ("SMTP_URL", "smtp://user:pa55word@mail.example.com"),
    ]);
    assert!(
        secret.len() == 1 && secret[0].starts_with("✗ SMTP_URL: ") && !secret[0].contains("pa55"),
        "{secret:?}"
    );
}

#[test]
fn limits_that_are_off_are_worth_a_look_where_others_can_connect() {
    let minds = |host: &str| {
        lines(&[("HOST", host), ("FLOOD_LIMITS", "off")])
            .iter()
            .any(|line| line.starts_with("! FLOOD_LIMITS"))
    };
    assert!(minds("0.0.0.0") && !minds("127.0.0.1"));
}
