//! Every setting: its default, what it refuses, and the words of the refusal.

use super::*;

const KEYS: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn variables(more: &[(&str, &str)]) -> Variables {
    [("SESSION_KEYS", KEYS), ("SITE_AUDIENCE", "www.example.com")]
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(more: &[(&str, &str)]) -> Result<Settings, SettingError> {
    Settings::read(&variables(more))
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let settings = read(&[]).unwrap();
    assert!(matches!(settings.store, StoreSettings::Sqlite(path) if path == *"data/lastseen.db"));
    assert_eq!(settings.gate.as_str(), "/access/");
    assert_eq!(
        settings.default_redirect.as_str(),
        "/portfolio/confidential/"
    );
    assert_eq!(
        settings.limits,
        Limits {
            idle_timeout: 1_800,
            lifetime: 86_400
        }
    );
    assert_eq!(settings.fresh_seconds, 60);
    assert_eq!(
        settings.everywhere_on,
        EverywhereOn {
            logout: true,
            idle: false
        }
    );
    assert!(settings.cookies.secure);
    assert!(settings.allowed_origins.is_empty() && settings.passcode.is_none());
}

#[test]
fn nocodb_is_the_store_as_soon_as_its_url_is_set() {
    let all = [
        ("NOCODB_URL", "https://app.nocodb.com"),
        ("NOCODB_BASE_ID", "p1"),
        ("NOCODB_TABLE_ID", "m1"),
        ("NOCODB_API_TOKEN", "secret-token"),
    ];
    let settings = read(&all).unwrap();
    assert!(
        matches!(&settings.store, StoreSettings::NocoDb(nocodb) if nocodb.base == "p1" && nocodb.table.as_deref() == Some("m1"))
    );
    assert!(!format!("{settings:?}").contains("secret-token"));
    for (name, value) in [
        ("NOCODB_BASE_ID", "../x"),
        ("NOCODB_TABLE_ID", "m 1"),
        ("NOCODB_API_TOKEN", "a\nb"),
    ] {
        let some = all.iter().filter(|(other, _)| *other != name);
        let some: Vec<_> = some.copied().chain([(name, value)]).collect();
        assert_eq!(read(&some).unwrap_err().name, name);
    }
    for missing in 1..4 {
        let mut some = all.to_vec();
        let (name, _) = some.remove(missing);
        assert_eq!(read(&some).unwrap_err().name, name);
    }
}

#[test]
fn a_bad_setting_is_named() {
    let long = (MAX_LIFETIME_SECONDS + 1).to_string();
    for (name, value) in [
        ("SESSION_KEYS", "nonsense"),
        ("SITE_AUDIENCE", "https://example.com/"),
        ("NOCODB_URL", "nocodb.example.com"),
        ("NOCODB_URL", "ftp://nocodb.example.com"),
        ("PROTECTED_PREFIXES", "confidential"),
        ("PROTECTED_PREFIXES", "/access/secret"),
        ("PROTECTED_PREFIXES", ","),
        ("GATE_PATH", "//evil"),
        ("GATE_PATH", "access"),
        ("GATE_PATH", "/a%5cb"),
        ("GATE_PATH", "/access/?x=1"),
        ("DEFAULT_REDIRECT", "https://evil/"),
        ("DEFAULT_REDIRECT", "/access/"),
        ("ALLOWED_EMAILS", "@example.com,nonsense"),
        ("DENIED_EMAILS", "nonsense"),
        ("IDLE_TIMEOUT_SECONDS", "0"),
        ("IDLE_TIMEOUT_SECONDS", "-1"),
        ("IDLE_TIMEOUT_SECONDS", "30m"),
        ("IDLE_TIMEOUT_SECONDS", "86401"),
        ("SESSION_LIFETIME_SECONDS", &long),
        ("FRESH_SECONDS", "0"),
        ("EVERYWHERE_ON", "always"),
        ("ALLOWED_ORIGINS", "www.example.com"),
        ("ALLOWED_ORIGINS", "https://www.example.com/path"),
        ("ALLOWED_ORIGINS", "*"),
        ("COOKIE_SECURE", "yes"),
        ("VERIFY_EMAIL", "code"),
        ("RETENTION_DAYS", "30"),
        ("ACCESS_PASSCODE_PARAMETER", "/site/passcode"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name, "{name}={value}: {error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn empty_means_unset_except_where_it_means_something() {
    assert_eq!(
        read(&[("IDLE_TIMEOUT_SECONDS", ""), ("ALLOWED_EMAILS", " ")])
            .unwrap()
            .limits
            .idle_timeout,
        1_800
    );
    let everywhere = |value| read(&[("EVERYWHERE_ON", value)]).unwrap().everywhere_on;
    assert_eq!(
        everywhere(""),
        EverywhereOn {
            logout: false,
            idle: false
        }
    );
    assert_eq!(
        everywhere("logout, idle"),
        EverywhereOn {
            logout: true,
            idle: true
        }
    );
}

#[test]
fn the_way_back_is_never_the_gate_itself() {
    let settings = read(&[]).unwrap();
    let back = |given: Option<&str>| settings.redirect_or_default(given).as_str().to_owned();
    assert_eq!(
        back(Some("/portfolio/confidential/figures/")),
        "/portfolio/confidential/figures/"
    );
    for given in [
        None,
        Some(""),
        Some("//evil"),
        Some("/access/"),
        Some("/access/?redirect=%2Faccess%2F"),
        Some("/logout"),
    ] {
        assert_eq!(back(given), "/portfolio/confidential/", "{given:?}");
    }
}

#[test]
fn a_passcode_must_match_exactly() {
    let settings = read(&[("ACCESS_PASSCODE", "open sesame")]).unwrap();
    assert!(settings.passcode_matches("open sesame"));
    for given in ["", "open", "open sesame ", "Open sesame"] {
        assert!(!settings.passcode_matches(given), "{given}");
    }
    assert!(read(&[]).unwrap().passcode_matches(""));
}
