use super::*;
use crate::session::{Pages, RecordId, Session};

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T12:00:00Z")
}

fn read(pairs: &[(&str, &str)]) -> Result<Filter, BadParameter> {
    Filter::read(pairs.iter().copied(), now())
}

fn visit(email: &str, start: &str, reason: Option<EndReason>) -> Session {
    Session {
        id: RecordId::new("1"),
        email: email.to_owned(),
        start: at(start),
        start_is_day: false,
        last_seen: at(start).plus(60),
        end_reason: reason,
        ended_at: None,
        active_seconds: Some(60),
        current_page: None,
        pages: Pages::new(),
    }
}

fn matches(pairs: &[(&str, &str)], visit: &Session) -> bool {
    read(pairs).unwrap().matches(visit, now(), &LIMITS)
}

#[test]
fn a_visit_belongs_to_the_range_it_began_in() {
    for (start, expected) in [
        ("2026-10-31T23:59:59Z", false),
        ("2026-11-01T00:00:00Z", true),
        ("2026-11-02T23:59:59Z", true),
        ("2026-11-03T00:00:00Z", false),
    ] {
        let visit = visit("ann@example.com", start, None);
        for range in [
            [("from", "2026-11-01"), ("to", "2026-11-02")],
            [
                ("from", "2026-11-01T00:00:00Z"),
                ("to", "2026-11-03T01:00:00+01:00"),
            ],
        ] {
            assert_eq!(matches(&range, &visit), expected, "{start} in {range:?}");
        }
    }
}

#[test]
fn dates_are_days_of_the_zone_in_summer_in_winter_and_between() {
    for (zone, date, from, to) in [
        (
            "UTC",
            "2026-11-01",
            "2026-11-01T00:00:00Z",
            "2026-11-02T00:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-07-01",
            "2026-06-30T22:00:00Z",
            "2026-07-01T22:00:00Z",
        ),
        // 23 hours.
        (
            "Europe/Berlin",
            "2026-03-29",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        // 25 hours.
        (
            "Europe/Berlin",
            "2026-10-25",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        ),
        (
            "America/New_York",
            "2026-11-01",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        ),
        (
            "Asia/Kathmandu",
            "2026-01-01",
            "2025-12-31T18:15:00Z",
            "2026-01-01T18:15:00Z",
        ),
        // Midnight is skipped.
        (
            "America/Sao_Paulo",
            "2018-11-04",
            "2018-11-04T03:00:00Z",
            "2018-11-05T02:00:00Z",
        ),
    ] {
        let filter = read(&[("tz", zone), ("from", date), ("to", date)]).unwrap();
        assert_eq!(filter.from, Some(at(from)), "{zone} {date}");
        assert_eq!(filter.to, Some(at(to)), "{zone} {date}");
    }
}

#[test]
fn addresses_and_domains_compare_in_lower_case_and_as_a_whole() {
    let ann = visit("Ann@Example.com", "2026-11-01T00:00:00Z", None);
    for (name, value, expected) in [
        ("email", "ann@example.com", true),
        ("email", " ANN@EXAMPLE.COM", true),
        ("email", "an@example.com", false),
        ("domain", "example.com", true),
        ("domain", "@Example.COM", true),
        ("domain", "mple.com", false),
        ("domain", "www.example.com", false),
    ] {
        assert_eq!(matches(&[(name, value)], &ann), expected, "{name}={value}");
    }
    let by_hand = visit("Ann, the investor", "2026-11-01T00:00:00Z", None);
    assert!(!matches(&[("domain", "example.com")], &by_hand));
}

#[test]
fn states_and_reasons_tell_visits_apart() {
    let open = visit("a@b.cc", "2026-11-21T11:59:00Z", None);
    let vanished = visit("a@b.cc", "2026-11-21T11:00:00Z", None);
    let idle = visit("a@b.cc", "2026-11-21T11:59:00Z", Some(EndReason::Idle));
    for (pairs, expected) in [
        (&[][..], [true, true, true]),
        (&[("state", "open")], [true, false, false]),
        (&[("state", "ended")], [false, true, true]),
        (&[("reason", "idle")], [false, false, true]),
        (&[("reason", "logout")], [false, false, false]),
        (&[("reason", "none")], [false, true, false]),
        (
            &[("reason", "none"), ("state", "ended")],
            [false, true, false],
        ),
    ] {
        let found = [&open, &vanished, &idle].map(|visit| matches(pairs, visit));
        assert_eq!(found, expected, "{pairs:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_named() {
    let long = "Z".repeat(65);
    for (pairs, name) in [
        (&[("colour", "red")][..], "colour"),
        (&[("Email", "a@b.cc")], "Email"),
        (&[("email", "a@b.cc"), ("email", "a@b.cc")], "email"),
        (&[("email", "ann")], "email"),
        (&[("email", "")], "email"),
        (&[("domain", "")], "domain"),
        (&[("domain", "localhost")], "domain"),
        (&[("domain", "a@b.cc")], "domain"),
        (&[("email", "a@b.cc"), ("domain", "b.cc")], "domain"),
        (&[("from", "yesterday")], "from"),
        (&[("from", "2026-13-01")], "from"),
        (&[("from", "2026-02-29")], "from"),
        (&[("from", "20261101")], "from"),
        (&[("from", "2026-W01-1")], "from"),
        (&[("from", "2026-11-01T10:00:00")], "from"),
        (&[("from", "2026-11-01T10:00:00 01:00")], "from"),
        (&[("from", "")], "from"),
        (&[("to", "2026-11-31")], "to"),
        (
            &[("from", "2026-11-02"), ("to", "2026-11-01T00:00:00Z")],
            "from",
        ),
        (&[("from", "1900-01-01"), ("to", "2026-11-01")], "from"),
        (&[("from", "2026-11-02"), ("to", "2026-11-01")], "from"),
        (&[("from", "1900-01-01")], "from"),
        (&[("state", "vanished")], "state"),
        (&[("state", "OPEN")], "state"),
        (&[("reason", "bored")], "reason"),
        (&[("reason", "idle"), ("state", "open")], "reason"),
        (&[("reason", "none"), ("state", "open")], "reason"),
        (&[("tz", "Berlin")], "tz"),
        (&[("tz", "+01:00")], "tz"),
        (&[("tz", "EST5EDT,M3.2.0,M11.1.0")], "tz"),
        (&[("tz", "../../etc/passwd")], "tz"),
        (&[("tz", "")], "tz"),
        (&[("tz", &long)], "tz"),
    ] {
        let error = read(pairs).unwrap_err();
        assert_eq!(error.name, name, "{pairs:?}");
        assert!(error.to_string().starts_with(&format!("{name}: ")));
    }
}

#[test]
fn an_empty_range_is_a_question_and_no_mistake() {
    let moment = "2026-11-01T00:00:00Z";
    assert!(read(&[("from", moment), ("to", moment)]).is_ok());
    assert!(read(&[("from", "2027-01-01")]).is_ok());
    assert!(read(&[("to", "9999-12-30")]).is_ok());
    assert!(read(&[("to", "9999-12-31")]).is_ok());
}

#[test]
fn one_question_has_one_spelling() {
    let canonical = |pairs: &[(&str, &str)]| read(pairs).unwrap().canonical();
    assert_eq!(
        canonical(&[("tz", "Europe/Berlin"), ("from", "2026-11-01")]),
        canonical(&[("from", "2026-10-31T23:00:00Z"), ("tz", "europe/berlin")]),
    );
    let different = [
        canonical(&[]),
        canonical(&[("tz", "Europe/Berlin")]),
        canonical(&[("email", "a@b.cc")]),
        canonical(&[("domain", "b.cc")]),
        canonical(&[("from", "2026-11-01")]),
        canonical(&[("to", "2026-11-01")]),
        canonical(&[("state", "open")]),
        canonical(&[("state", "ended")]),
        canonical(&[("reason", "idle")]),
        canonical(&[("reason", "none")]),
    ];
    let unique: std::collections::HashSet<_> = different.iter().collect();
    assert_eq!(unique.len(), different.len());
}
