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
    assert!(settings.cookies.secure && settings.cookies.domain.is_none());
    assert!(settings.allowed_origins.is_empty() && settings.passcode.is_none());
    assert!(settings.edge_secrets.is_empty());
    assert!(settings.codes.is_none() && settings.flood_limits);
    assert_eq!(settings.trusted_hops, 1);
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
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "1"),
        ("RETENTION_DAYS", "a month"),
        ("MAX_SESSIONS_PER_VISITOR", "0"),
        ("MAX_SESSIONS_PER_VISITOR", "101"),
        ("ADMIN_TOKEN", "short"),
        ("ACCESS_PASSCODE", "sesame!"),
        ("ACCESS_PASSCODE", "geöffne"),
        ("ADMIN_TOKEN", "thirty-two characters and a space"),
        ("ADMIN_TOKEN_PARAMETER", "/site/admin-token"),
        ("CONSENT_VERSION", &"x".repeat(65)),
        ("NOCODB_URL", "http://nocodb.example.com"),
        ("NOCODB_URL", "http://93.184.216.34:8080"),
        ("IDLE_TIMEOUT_SECONDS", "3601"),
        ("SESSION_LIFETIME_SECONDS", "86401"),
        ("VERIFY_EMAIL", "yes"),
        ("FLOOD_LIMITS", "maybe"),
        ("TRUSTED_HOPS", "all"),
        ("TRUSTED_HOPS", "-1"),
        ("ACCESS_PASSCODE_PARAMETER", "/site/passcode"),
        ("SMTP_URL_PARAMETER", "/site/smtp-url"),
        ("EDGE_SECRET_PARAMETER", "/site/edge-secret"),
        ("EDGE_SECRET", "short"),
        ("EDGE_SECRET", "thirty-two characters and a space"),
        ("EDGE_SECRET", ","),
        ("EDGE_SECRET", "a-secret-of-the-edge-32-characters,"),
        ("EDGE_SECRET", ",a-secret-of-the-edge-32-characters"),
        ("EDGE_SECRET", "a-secret-of-the-edge-32-characters,short"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name, "{name}={value}: {error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn longer_sessions_than_guidelines_recommend_have_to_be_meant() {
    let long = [
        ("IDLE_TIMEOUT_SECONDS", "7200"),
        ("SESSION_LIFETIME_SECONDS", "604800"),
    ];
    assert_eq!(read(&long).unwrap_err().name, "IDLE_TIMEOUT_SECONDS");
    assert_eq!(
        read(&long[1..]).unwrap_err().name,
        "SESSION_LIFETIME_SECONDS"
    );
    let meant = read(&[long[0], long[1], ("ALLOW_LONG_SESSIONS", "true")]).unwrap();
    assert_eq!(meant.limits.lifetime, 604_800);
    let usual = [
        ("IDLE_TIMEOUT_SECONDS", "3600"),
        ("SESSION_LIFETIME_SECONDS", "86400"),
    ];
    assert!(read(&usual).is_ok());
}

#[test]
fn plain_http_to_nocodb_stays_in_the_own_network() {
    for url in [
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://192.168.1.5",
        "http://10.0.0.2",
        "http://localhost",
        "http://nocodb:8080",
        "http://nocodb.internal",
    ] {
        let error = read(&[("NOCODB_URL", url)]).unwrap_err();
        assert_ne!(error.name, "NOCODB_URL", "{url}: {error}");
    }
}

#[test]
fn only_nocodbs_cloud_is_worked_slowly() {
    let pause = |url: &str| {
        let given = [
            ("NOCODB_URL", url),
            ("NOCODB_BASE_ID", "p1"),
            ("NOCODB_TABLE_ID", "m1"),
            ("NOCODB_API_TOKEN", "secret-token"),
        ];
        read(&given).unwrap().store.pace().pause
    };
    for url in ["https://app.nocodb.com", "https://nocodb.com"] {
        assert!(!pause(url).is_zero(), "{url}");
    }
    for url in ["https://nocodb.example.com", "https://notnocodb.com"] {
        assert!(pause(url).is_zero(), "{url}");
    }
}

#[test]
fn without_a_token_nobody_is_the_owner() {
    let token = "an-owners-token-of-40-characters-exactly";
    let settings = read(&[("ADMIN_TOKEN", token)]).unwrap();
    assert!(settings.is_admin_token(token));
    for given in ["", "an-owners-token", &token.to_uppercase()] {
        assert!(!settings.is_admin_token(given), "{given}");
        assert!(!read(&[]).unwrap().is_admin_token(given), "{given}");
    }
}

#[test]
fn each_edge_secret_is_one_that_may_be_shown() {
    let (first, second) = ("1".repeat(32), "2".repeat(32));
    let settings = read(&[("EDGE_SECRET", &format!(" {first} ,{second}\n"))]).unwrap();
    let matches = |given: &str| {
        let secrets = settings.edge_secrets.iter();
        secrets.filter(|secret| secret.matches(given)).count()
    };
    assert_eq!((matches(&first), matches(&second), matches("")), (1, 1, 0));
    assert!(!format!("{settings:?}").contains(&first));
    assert!(
        read(&[("EDGE_SECRET", "")])
            .unwrap()
            .edge_secrets
            .is_empty()
    );
}

#[test]
fn what_is_wrong_with_an_edge_secret_is_said_without_it() {
    let given = format!("{},hunter2", "1".repeat(32));
    let error = read(&[("EDGE_SECRET", &given)]).unwrap_err().to_string();
    assert!(error.starts_with("EDGE_SECRET: secret 2 "), "{error}");
    assert!(
        !error.contains("hunter2") && !error.contains("111"),
        "{error}"
    );
}

#[test]
fn a_cookie_domain_holds_the_site_and_an_origin_that_may_call() {
    let domain = |domain: &str, audience: &str, origins: &str| {
        let given = [
            ("COOKIE_DOMAIN", domain),
            ("SITE_AUDIENCE", audience),
            ("ALLOWED_ORIGINS", origins),
        ];
        read(&given).map(|settings| settings.cookies.domain)
    };
    let (audience, origins) = ("api.example.test", "https://www.example.test");
    for given in ["example.test", ".example.test", "Example.TEST"] {
        let kept = domain(given, audience, origins).unwrap();
        assert_eq!(kept.as_deref(), Some("example.test"));
    }
    assert_eq!(domain("", "localhost", "").unwrap(), None);
    for (audience, origins) in [
        ("example.test", origins),
        ("www.example.test:8443", "http://example.test:81"),
        (audience, "https://other.test,https://www.example.test"),
    ] {
        assert!(domain("example.test", audience, origins).is_ok());
    }
    for (given, audience, origins, problem) in [
        ("test", audience, origins, "is not a domain"),
        ("localhost", "localhost", origins, "is not a domain"),
        ("127.0.0.1", "127.0.0.1", origins, "is not a domain"),
        ("[::1]", audience, origins, "is not a domain"),
        ("..example.test", audience, origins, "is not a domain"),
        ("example.test.", audience, origins, "is not a domain"),
        ("a..example.test", audience, origins, "is not a domain"),
        ("-a.example.test", audience, origins, "is not a domain"),
        ("*.example.test", audience, origins, "is not a domain"),
        ("example.test; Secure", audience, origins, "is not a domain"),
        ("https://example.test", audience, origins, "is not a domain"),
        ("example.test/", audience, origins, "is not a domain"),
        ("example.test", "localhost", origins, "SITE_AUDIENCE"),
        ("example.test", "notexample.test", origins, "SITE_AUDIENCE"),
        ("www.example.test", audience, origins, "SITE_AUDIENCE"),
        ("example.test", audience, "", "ALLOWED_ORIGINS"),
        (
            "example.test",
            audience,
            "https://example.com",
            "ALLOWED_ORIGINS",
        ),
    ] {
        let error = domain(given, audience, origins).unwrap_err();
        assert_eq!(error.name, "COOKIE_DOMAIN", "{given}: {error}");
        assert!(error.problem.contains(problem), "{given}: {error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn the_default_page_is_one_that_is_closed() {
    let page = |given: &[(&str, &str)]| {
        read(given).map(|settings| settings.default_redirect.as_str().to_owned())
    };
    for (prefixes, first) in [
        ("/portfolio/confidential", "/portfolio/confidential/"),
        ("/deck", "/deck/"),
        ("/deck/,/board", "/deck/"),
        ("/a%20b", "/a%20b/"),
        ("//deck", "/deck/"),
        ("/deck/q3.pdf", "/deck/q3.pdf"),
        ("/", "/"),
    ] {
        let given = [("PROTECTED_PREFIXES", prefixes)];
        assert_eq!(page(&given).as_deref(), Ok(first), "{prefixes}");
    }
    let deck = |target: &'static str| {
        page(&[
            ("PROTECTED_PREFIXES", "/deck,/Board"),
            ("DEFAULT_REDIRECT", target),
        ])
    };
    for target in ["/deck/", "/deck/q3/?tab=1#top", "/board/x.pdf", "/DECK/"] {
        assert_eq!(deck(target).as_deref(), Ok(target));
    }
    for target in [
        "/",
        "/decks/",
        "/investors/q3/",
        "/deck/../open/",
        "/access/",
    ] {
        let error = deck(target).unwrap_err();
        assert_eq!(error.name, "DEFAULT_REDIRECT", "{target}");
    }
}

#[test]
fn patterns_are_refused_where_paths_and_addresses_belong() {
    for (name, value) in [
        ("PROTECTED_PREFIXES", "/deck/*"),
        ("PROTECTED_PREFIXES", "/board,/deck/**"),
        ("PROTECTED_PREFIXES", "/deck/:path*"),
        ("PROTECTED_PREFIXES", "^/deck"),
        ("GATE_PATH", "/access/*"),
        ("ALLOWED_EMAILS", "ann@x.example,*@y.example"),
        ("DENIED_EMAILS", ".*@x.example"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name, "{value}");
        assert!(error.problem.contains("is a pattern"), "{error}");
        assert!(error.problem.contains("; write `"), "{error}");
    }
}

#[test]
fn a_list_of_separators_alone_is_no_list() {
    for (name, value) in [
        ("ALLOWED_EMAILS", ","),
        ("ALLOWED_EMAILS", " , ,"),
        ("DENIED_EMAILS", ","),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name, "{value}");
        assert!(error.problem.contains("names nobody"), "{error}");
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

#[test]
fn the_flood_limits_stay_on_where_codes_are() {
    assert!(!read(&[("FLOOD_LIMITS", "off")]).unwrap().flood_limits);
    let both = [
        ("FLOOD_LIMITS", "off"),
        ("VERIFY_EMAIL", "code"),
        ("MAIL_FROM", "gate@example.com"),
    ];
    assert_eq!(read(&both).unwrap_err().name, "FLOOD_LIMITS");
}

#[test]
fn rows_are_written_at_once_or_every_so_many_seconds() {
    assert_eq!(read(&[]).unwrap().write_every, None);
    assert_eq!(
        read(&[("WRITE_EVERY_SECONDS", "0")]).unwrap().write_every,
        None
    );
    let nocodb = [
        ("NOCODB_URL", "https://app.nocodb.com"),
        ("NOCODB_BASE_ID", "p1"),
        ("NOCODB_TABLE_ID", "m1"),
        ("NOCODB_API_TOKEN", "t"),
    ];
    let every = |seconds| read(&[&nocodb[..], &[("WRITE_EVERY_SECONDS", seconds)]].concat());
    assert_eq!(every("400").unwrap().write_every, Some(400));
    for seconds in ["901", "-1", "often"] {
        assert_eq!(
            every(seconds).unwrap_err().name,
            "WRITE_EVERY_SECONDS",
            "{seconds}"
        );
    }
    let short = [
        &nocodb[..],
        &[
            ("WRITE_EVERY_SECONDS", "60"),
            ("IDLE_TIMEOUT_SECONDS", "300"),
        ],
    ];
    assert_eq!(
        read(&short.concat()).unwrap_err().name,
        "WRITE_EVERY_SECONDS"
    );
    let on_sqlite = read(&[("WRITE_EVERY_SECONDS", "60")]).unwrap_err();
    assert!(
        on_sqlite
            .to_string()
            .starts_with("WRITE_EVERY_SECONDS: is for NocoDB"),
        "{on_sqlite}"
    );
}

#[test]
fn a_budget_of_requests_is_from_one_to_a_thousand() {
    let requests = |given: &[(&str, &str)]| {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        write_requests(&given.collect())
    };
    assert_eq!(requests(&[]).unwrap(), 4);
    assert_eq!(
        requests(&[("WRITE_REQUESTS_PER_SECOND", "1000")]).unwrap(),
        1_000
    );
    for wrong in ["0", "1001", "-1", "four"] {
        let error = requests(&[("WRITE_REQUESTS_PER_SECOND", wrong)]).unwrap_err();
        assert_eq!(error.name, "WRITE_REQUESTS_PER_SECOND", "{wrong}");
    }
}
