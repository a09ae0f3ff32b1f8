//! What is written, what is cleared, and what a request shows.

use super::*;
use crate::session::{Limits, RecordId};

const SECURE: CookiePolicy = CookiePolicy {
    secure: true,
    domain: None,
};
const PLAIN: CookiePolicy = CookiePolicy {
    secure: false,
    domain: None,
};
const START: Timestamp = Timestamp::from_unix(1_000_000);

fn keys() -> Keys {
    Keys::parse("a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

fn claims() -> Claims {
    let limits = Limits {
        idle_timeout: 1_800,
        lifetime: 86_400,
    };
    Claims::start(
        "localhost",
        "sid".to_owned(),
        RecordId::new("42"),
        &limits,
        START,
    )
}

fn read(header: &str) -> Presented {
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, HeaderValue::from_str(header).unwrap());
    PLAIN.read(&headers, &keys(), "localhost")
}

#[test]
fn the_attributes_are_exactly_these() {
    let token = keys().sign(&claims()).unwrap();
    let [session, record] = SECURE.write(&claims(), &keys(), START).unwrap();
    assert_eq!(
        session,
        format!("__Host-lastseen={token}; Path=/; Max-Age=172800; HttpOnly; SameSite=Lax; Secure")
    );
    assert_eq!(
        record,
        "session_record_id=42; Path=/; Max-Age=172800; SameSite=Lax; Secure"
    );
    let [session, record] = PLAIN.write(&claims(), &keys(), START.plus(800)).unwrap();
    assert_eq!(
        session,
        format!("lastseen={token}; Path=/; Max-Age=172000; HttpOnly; SameSite=Lax")
    );
    assert_eq!(
        record,
        "session_record_id=42; Path=/; Max-Age=172000; SameSite=Lax"
    );
}

#[test]
fn clearing_repeats_the_attributes() {
    let [session, record] = SECURE.clear();
    assert_eq!(
        session,
        "__Host-lastseen=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
    );
    assert_eq!(
        record,
        "session_record_id=; Path=/; Max-Age=0; SameSite=Lax; Secure"
    );
}

#[test]
fn only_what_nobody_trusts_is_for_the_whole_domain() {
    for (secure, ending) in [(true, "; SameSite=Lax; Secure"), (false, "; SameSite=Lax")] {
        let domain = Some("example.test".to_owned());
        let policy = CookiePolicy { secure, domain };
        let [session, record] = policy.write(&claims(), &keys(), START).unwrap();
        assert_eq!(
            record,
            format!("session_record_id=42; Path=/; Max-Age=172800; Domain=example.test{ending}")
        );
        let [cleared_session, cleared] = policy.clear();
        assert_eq!(
            cleared,
            format!("session_record_id=; Path=/; Max-Age=0; Domain=example.test{ending}")
        );
        let code = policy.write_code("sealed", 600).unwrap();
        for cookie in [session, cleared_session, code, policy.clear_code()] {
            assert!(!cookie.to_str().unwrap().contains("Domain"), "{cookie:?}");
        }
    }
}

#[test]
fn the_code_cookie_is_guarded_as_the_session_is() {
    assert_eq!(
        SECURE.write_code("sealed", 600).unwrap(),
        "__Host-lastseen-code=sealed; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
    );
    assert_eq!(
        PLAIN.write_code("sealed", 600).unwrap(),
        "lastseen-code=sealed; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        SECURE.clear_code(),
        "__Host-lastseen-code=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
    );
}

#[test]
fn the_owners_cookie_comes_from_this_site_alone() {
    assert_eq!(
        SECURE.write_owner("signed", 28_800).unwrap(),
        "__Host-lastseen-admin=signed; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict; Secure"
    );
    assert_eq!(
        PLAIN.write_owner("signed", 28_800).unwrap(),
        "lastseen-admin=signed; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict"
    );
    assert_eq!(
        SECURE.clear_owner(),
        "__Host-lastseen-admin=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
    );
    let domain = Some("example.test".to_owned());
    let policy = CookiePolicy {
        secure: true,
        domain,
    };
    assert_eq!(policy.clear_owner(), SECURE.clear_owner());
}

#[test]
fn a_code_and_a_session_are_not_taken_for_each_other() {
    let mut headers = HeaderMap::new();
    headers.append(
        COOKIE,
        HeaderValue::from_static("lastseen-code=a; lastseen=b"),
    );
    assert_eq!(PLAIN.codes(&headers).collect::<Vec<_>>(), ["a"]);
    assert_eq!(SECURE.codes(&headers).count(), 0);
}

#[test]
fn a_cookie_fits_what_browsers_keep() {
    let [session, _] = SECURE.write(&claims(), &keys(), START).unwrap();
    assert!(session.len() < 4096);
}

#[test]
fn a_session_is_read_among_other_cookies() {
    let token = keys().sign(&claims()).unwrap();
    for header in [
        format!("lastseen={token}"),
        format!("a=1; lastseen={token}; session_record_id=7"),
        format!("lastseen=\"{token}\""),
    ] {
        assert_eq!(read(&header), Presented::Session(claims()), "{header}");
    }
}

#[test]
fn missing_and_invalid_are_told_apart() {
    for header in [
        "",
        "a=1",
        "lastseen",
        "lastseen=",
        "xlastseen=1",
        "__Host-lastseen=x",
        "session_record_id=42",
    ] {
        assert_eq!(read(header), Presented::Missing, "{header}");
    }
    for header in ["lastseen=x", "lastseen=a.b.c; a=1"] {
        assert_eq!(read(header), Presented::Invalid, "{header}");
    }
}

#[test]
fn a_neighbour_in_other_letters_hides_no_cookie() {
    let token = keys().sign(&claims()).unwrap();
    for neighbour in ["name=Ren\u{e9}".as_bytes(), b"name=Ren\xe9"] {
        let header = [neighbour, b"; lastseen=", token.as_bytes()].concat();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_bytes(&header).unwrap());
        assert_eq!(
            PLAIN.read(&headers, &keys(), "localhost"),
            Presented::Session(claims())
        );
    }
}

#[test]
fn names_and_values_are_trimmed_of_spaces_and_tabs_alone() {
    let token = keys().sign(&claims()).unwrap();
    let read = |header: String| {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        SECURE.read(&headers, &keys(), "localhost")
    };
    for header in [
        format!(" \t__Host-lastseen\t = \t{token} "),
        format!("a=1; \t__Host-lastseen=\"{token}\"\t"),
        format!("a=1;__Host-lastseen= {token} ;b"),
    ] {
        assert_eq!(
            read(header.clone()),
            Presented::Session(claims()),
            "{header}"
        );
    }
    // Each is trimmed somewhere, and no part of a cookie's syntax.
    for blank in [
        "\u{2003}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\u{200b}",
    ] {
        for (header, expected) in [
            (
                format!("{blank}__Host-lastseen={token}"),
                Presented::Missing,
            ),
            (
                format!("__Host-lastseen{blank}={token}"),
                Presented::Missing,
            ),
            (
                format!("__Host-lastseen={blank}{token}"),
                Presented::Invalid,
            ),
            (
                format!("__Host-lastseen={token}{blank}"),
                Presented::Invalid,
            ),
        ] {
            assert_eq!(read(header.clone()), expected, "{header:?}");
        }
    }
    for name in [
        "__host-lastseen",
        "__HOST-LASTSEEN",
        "__Host-Lastseen",
        "lastseen",
    ] {
        assert_eq!(
            read(format!("{name}={token}")),
            Presented::Missing,
            "{name}"
        );
    }
    assert_eq!(
        read(format!("__Host-lastseen=\"\"{token}\"\"")),
        Presented::Invalid
    );
}

#[test]
fn two_valid_tokens_are_a_contradiction_and_no_more_than_four_are_looked_at() {
    let [one, other] = ["41", "42"].map(|record| {
        let claims = Claims {
            record: RecordId::new(record),
            ..claims()
        };
        keys().sign(&claims).unwrap()
    });
    for second in [&one, &other] {
        let header = format!("lastseen={one}; a=1; lastseen=x; lastseen={second}");
        assert_eq!(read(&header), Presented::Invalid);
    }
    let after = |junk: usize| read(&format!("{}lastseen={other}", "lastseen=x; ".repeat(junk)));
    assert_eq!(after(3), Presented::Session(claims()));
    assert_eq!(after(4), Presented::Invalid);
    let empty = "lastseen=; ".repeat(9);
    assert_eq!(
        read(&format!("{empty}lastseen={other}")),
        Presented::Session(claims())
    );
}

#[test]
fn of_two_cookies_of_one_name_the_valid_one_counts() {
    let token = keys().sign(&claims()).unwrap();
    assert_eq!(
        read(&format!("lastseen=forged; lastseen={token}")),
        Presented::Session(claims())
    );
    assert_eq!(
        read(&format!("lastseen={token}; lastseen=forged")),
        Presented::Session(claims())
    );
    assert_eq!(read("lastseen=; lastseen=forged"), Presented::Invalid);
}
