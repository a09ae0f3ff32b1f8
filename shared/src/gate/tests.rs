//! Every verdict, and freshness to the second.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use super::*;
use crate::session::{Limits, RecordId};
use crate::settings::Variables;
use crate::token::Claims;

const START: Timestamp = Timestamp::from_unix(1_000_000);
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

fn settings() -> Settings {
    let variables: Variables = [
        (
            "SESSION_KEYS",
            "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("SITE_AUDIENCE", "localhost"),
        ("COOKIE_SECURE", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    Settings::read(&variables).unwrap()
}

fn verdict(path: &str, cookie: Option<&str>, now: Timestamp) -> Verdict {
    let path = SitePath::normalise(path).unwrap();
    verdict_as(&path, Served::by_name(&path), cookie, now)
}

fn verdict_as(path: &SitePath, served: Served, cookie: Option<&str>, now: Timestamp) -> Verdict {
    let mut headers = HeaderMap::new();
    if let Some(cookie) = cookie {
        headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
    }
    decide(&settings(), path, served, &headers, None, now)
}

fn cookie() -> String {
    let claims = Claims::start(
        "localhost",
        "sid".to_owned(),
        RecordId::new("42"),
        &LIMITS,
        START,
    );
    format!("lastseen={}", settings().keys.sign(&claims).unwrap())
}

const PAGE: &str = "/portfolio/confidential/";
const PICTURE: &str = "/portfolio/confidential/plan.svg";

#[test]
fn open_paths_pass_whatever_the_cookie() {
    for cookie in [None, Some("lastseen=x")] {
        assert_eq!(
            verdict("/", cookie, START),
            Verdict::Pass { protected: false }
        );
    }
}

#[test]
fn without_a_session_everything_protected_leads_to_the_gate() {
    for path in [PAGE, PICTURE, "//portfolio/CONFIDENTIAL/x"] {
        assert_eq!(verdict(path, None, START), Verdict::ToGate { reason: None });
        assert_eq!(
            verdict(path, Some("lastseen=x.y.z"), START),
            Verdict::ToGate {
                reason: Some(INVALID)
            }
        );
        assert_eq!(
            verdict(path, Some("session_record_id=42"), START),
            Verdict::ToGate { reason: None }
        );
    }
}

#[test]
fn a_page_is_served_for_a_minute_after_the_store_confirmed_the_session() {
    let cookie = cookie();
    assert_eq!(
        verdict(PAGE, Some(&cookie), START.plus(59)),
        Verdict::Pass { protected: true }
    );
    assert_eq!(
        verdict(PAGE, Some(&cookie), START.plus(60)),
        Verdict::Refresh { ended: false }
    );
}

#[test]
fn its_pictures_are_served_five_times_as_long() {
    let cookie = cookie();
    assert_eq!(
        verdict(PICTURE, Some(&cookie), START.plus(299)),
        Verdict::Pass { protected: true }
    );
    assert_eq!(
        verdict(PICTURE, Some(&cookie), START.plus(300)),
        Verdict::Refresh { ended: false }
    );
}

#[test]
fn what_is_served_as_a_page_is_one_whatever_its_name() {
    let picture = SitePath::normalise(PICTURE).unwrap();
    let cookie = cookie();
    let at_60 = verdict_as(&picture, Served::Page, Some(&cookie), START.plus(60));
    assert_eq!(at_60, Verdict::Refresh { ended: false });
}

#[test]
fn a_session_past_its_deadline_is_never_served() {
    assert_eq!(
        verdict(PICTURE, Some(&cookie()), START.plus(1_800)),
        Verdict::Refresh { ended: true }
    );
}

#[test]
fn the_gates_address_carries_the_way_back_and_the_message() {
    let back = RedirectPath::parse("/portfolio/confidential/?a=1&b=2#top").unwrap();
    let settings = settings();
    assert_eq!(address(&settings, None, None), "/access/");
    assert_eq!(
        address(&settings, Some(&back), None),
        "/access/?redirect=%2Fportfolio%2Fconfidential%2F%3Fa%3D1%26b%3D2%23top"
    );
    assert_eq!(
        address(&settings, None, Some(Message::Reason("idle"))),
        "/access/?reason=idle#idle"
    );
    let back = RedirectPath::parse("/x/").unwrap();
    assert_eq!(
        address(
            &settings,
            Some(&back),
            Some(Message::Error("invalid-email"))
        ),
        "/access/?redirect=%2Fx%2F&error=invalid-email#invalid-email"
    );
}
