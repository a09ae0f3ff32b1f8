//! What verifies, and that nothing else does.

use super::*;
use crate::session::Limits;

const KEY_A: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const KEY_B: &str = "b:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn claims() -> Claims {
    let limits = Limits {
        idle_timeout: 1_800,
        lifetime: 86_400,
    };
    Claims::start(
        "example.com",
        new_session_id().unwrap(),
        RecordId::new("42"),
        &limits,
        Timestamp::from_unix(1_000_000),
    )
}

/// A token of any header and payload, signed with key a's secret where `signed`.
fn forge(header: &str, payload: &str, signed: bool) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let tag = ring::hmac::sign(
        &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[0; 32]),
        message.as_bytes(),
    );
    format!(
        "{message}.{}",
        if signed {
            URL_SAFE_NO_PAD.encode(tag.as_ref())
        } else {
            String::new()
        }
    )
}

#[test]
fn what_was_signed_is_read_again() {
    let claims = claims();
    let token = keys(KEY_A).sign(&claims).unwrap();
    assert_eq!(keys(KEY_A).verify(&token, "example.com"), Ok(claims));
    assert!(token.len() < 600, "{} characters", token.len());
}

#[test]
fn a_token_past_its_deadlines_still_reads() {
    let old = Claims {
        idle_deadline: Timestamp::from_unix(1),
        end_deadline: Timestamp::from_unix(2),
        ..claims()
    };
    assert_eq!(
        keys(KEY_A).verify(&keys(KEY_A).sign(&old).unwrap(), "example.com"),
        Ok(old)
    );
}

#[test]
fn the_first_key_signs_and_all_verify() {
    let old = keys(KEY_A).sign(&claims()).unwrap();
    let both = keys(&format!("{KEY_B},{KEY_A}"));
    assert!(
        both.verify(&old, "example.com").is_ok(),
        "a token from before the rotation"
    );
    let new = both.sign(&claims()).unwrap();
    assert!(keys(KEY_B).verify(&new, "example.com").is_ok());
    assert_eq!(keys(KEY_A).verify(&new, "example.com"), Err(InvalidToken));
    assert_eq!(
        keys(KEY_B).verify(&old, "example.com"),
        Err(InvalidToken),
        "the old key is gone"
    );
}

#[test]
fn a_token_for_another_site_is_refused() {
    let token = keys(KEY_A).sign(&claims()).unwrap();
    for site in ["example.org", "", "example.com ", "EXAMPLE.COM"] {
        assert_eq!(
            keys(KEY_A).verify(&token, site),
            Err(InvalidToken),
            "{site:?}"
        );
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let token = keys(KEY_A).sign(&claims()).unwrap();
    for index in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(
            keys(KEY_A).verify(&forged, "example.com"),
            Err(InvalidToken),
            "character {index}"
        );
    }
}

#[test]
fn no_algorithm_but_hs256_is_accepted() {
    let payload = serde_json::to_string(&claims()).unwrap();
    assert!(
        keys(KEY_A)
            .verify(
                &forge(r#"{"alg":"HS256","kid":"a"}"#, &payload, true),
                "example.com"
            )
            .is_ok(),
        "the forge itself works"
    );
    for header in [
        r#"{"alg":"none","kid":"a"}"#,
        r#"{"alg":"None","kid":"a"}"#,
        r#"{"alg":"HS384","kid":"a"}"#,
        r#"{"alg":"HS512","kid":"a"}"#,
        r#"{"alg":"RS256","kid":"a"}"#,
        r#"{"kid":"a"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"unknown"}"#,
        "{}",
    ] {
        for signed in [true, false] {
            assert_eq!(
                keys(KEY_A).verify(&forge(header, &payload, signed), "example.com"),
                Err(InvalidToken),
                "{header} {signed}"
            );
        }
    }
    assert_eq!(
        keys(KEY_A).verify(
            &forge(r#"{"alg":"HS256","kid":"a"}"#, &payload, false),
            "example.com"
        ),
        Err(InvalidToken),
        "unsigned"
    );
}

#[test]
fn every_claim_is_needed() {
    let whole = serde_json::to_value(claims()).unwrap();
    for claim in [
        "aud", "sid", "rid", "start", "iat", "exp", "end", "seen", "active",
    ] {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(claim);
        let token = forge(r#"{"alg":"HS256","kid":"a"}"#, &part.to_string(), true);
        assert_eq!(
            keys(KEY_A).verify(&token, "example.com"),
            Err(InvalidToken),
            "without {claim}"
        );
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let token = keys(KEY_A).sign(&claims()).unwrap();
    let long = "a".repeat(MAX_TOKEN_LENGTH + 1);
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "undefined",
        &token[..token.len() - 1],
        &format!("{token}."),
        &format!("{token} "),
        &long,
    ] {
        assert_eq!(
            keys(KEY_A).verify(text, "example.com"),
            Err(InvalidToken),
            "{text:?}"
        );
    }
}

#[test]
fn the_token_holds_nothing_personal() {
    let token = keys(KEY_A).sign(&claims()).unwrap();
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    assert!(!String::from_utf8(payload).unwrap().contains('@'));
}

#[test]
fn keys_that_cannot_be_are_named_by_their_number() {
    for (text, error) in [
        ("", InvalidKeys::Malformed(1)),
        ("noseparator", InvalidKeys::Malformed(1)),
        (
            ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            InvalidKeys::Malformed(1),
        ),
        ("a b:AAAA", InvalidKeys::Malformed(1)),
        ("a:AAAA", InvalidKeys::WrongLength(1)),
        ("a:!", InvalidKeys::WrongLength(1)),
        (&format!("{KEY_A},{KEY_A}"), InvalidKeys::Duplicate(2)),
        (&format!("{KEY_A},"), InvalidKeys::Malformed(2)),
    ] {
        assert_eq!(Keys::parse(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn generated_keys_are_read_and_differ() {
    let (one, two) = (Keys::generate().unwrap(), Keys::generate().unwrap());
    assert_ne!(one, two);
    assert_eq!(keys(&format!("{one},{two}")).ids().count(), 2);
}

#[test]
fn session_ids_have_128_bits_and_do_not_repeat() {
    let ids: std::collections::HashSet<String> =
        (0..10_000).map(|_| new_session_id().unwrap()).collect();
    assert_eq!(ids.len(), 10_000);
    assert!(
        ids.iter()
            .all(|id| URL_SAFE_NO_PAD.decode(id).unwrap().len() == 16)
    );
}

#[test]
fn debug_shows_ids_and_no_secrets() {
    assert_eq!(
        format!("{:?}", keys(&format!("{KEY_A},{KEY_B}"))),
        r#"["a", "b"]"#
    );
}
