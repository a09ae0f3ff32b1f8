//! Every step's keys verify every token that may be alive then; what would log people out is
//! refused.

use shared::session::RecordId;
use shared::token::{Claims, Keys};

use super::*;

const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const START: Timestamp = Timestamp::from_unix(1_000_000);

fn token(keys: &str) -> String {
    let claims = Claims::start(
        "localhost",
        "sid".to_owned(),
        RecordId::new("42"),
        &LIMITS,
        START,
    );
    Keys::parse(keys).unwrap().sign(&claims).unwrap()
}

fn verifies(keys: &str, token: &str) -> bool {
    Keys::parse(keys)
        .unwrap()
        .verify(token, "localhost")
        .is_ok()
}

fn keys(given: &[&str]) -> Vec<String> {
    given.iter().map(|key| (*key).to_owned()).collect()
}

/// The keys before a rotation, and after each step.
fn steps() -> [String; 4] {
    let before = keys(&[OLD]);
    let published = publish(&before, NEW.to_owned()).unwrap();
    let signing = sign(&published).unwrap();
    let later = retirement(START, &LIMITS);
    let retired = retire(&signing, Some(START), &LIMITS, later).unwrap();
    [before, published, signing, retired].map(|keys| keys.join(","))
}

#[test]
fn while_keys_spread_no_place_refuses_what_another_signs() {
    // Some places have the keys of one step, the rest still those of the step before.
    for pair in steps().windows(2).take(2) {
        for signer in pair {
            for verifier in pair {
                assert!(verifies(verifier, &token(signer)), "{signer} by {verifier}");
            }
        }
    }
}

#[test]
fn a_session_from_before_a_rotation_lives_on_until_the_old_key_is_retired() {
    let [before, published, signing, retired] = steps();
    let old = token(&before);
    assert!(
        [&before, &published, &signing]
            .iter()
            .all(|keys| verifies(keys, &old))
    );
    assert!(
        !verifies(&retired, &old),
        "retired keys must verify nothing"
    );
    let new = token(&signing);
    assert!(
        [&published, &signing, &retired]
            .iter()
            .all(|keys| verifies(keys, &new))
    );
    assert!(
        !verifies(&before, &new),
        "which is why the new key is published first"
    );
}

#[test]
fn steps_out_of_order_are_refused() {
    let publish = |given: &[&str]| publish(&keys(given), NEW.to_owned());
    assert_eq!(publish(&[OLD, NEW]), Err(Refusal::UnderWay(2)));
    assert_eq!(publish(&[OLD, NEW, "x"]), Err(Refusal::UnderWay(3)));
    let sign = |given: &[&str]| sign(&keys(given));
    assert_eq!(sign(&[OLD]), Err(Refusal::NothingPublished));
    assert_eq!(sign(&[OLD, NEW, "x"]), Err(Refusal::WhichOne(3)));
    let retire = |given: &[&str], since| retire(&keys(given), since, &LIMITS, START);
    assert_eq!(retire(&[OLD], Some(START)), Err(Refusal::LastKey));
    assert_eq!(retire(&[NEW, OLD], None), Err(Refusal::SinceWhen));
}

#[test]
fn a_key_is_retired_a_lifetime_and_a_day_after_the_other_began_to_sign() {
    let until = START.plus(86_400).plus(86_400);
    let at = |now| retire(&keys(&[NEW, OLD, "older"]), Some(START), &LIMITS, now);
    assert_eq!(
        at(until.minus(1)),
        Err(Refusal::TooEarly {
            since: START,
            until
        })
    );
    assert_eq!(at(until), Ok(keys(&[NEW])));
}
