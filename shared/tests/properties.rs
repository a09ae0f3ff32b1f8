//! What must hold for any input at all: tokens, the cookie header, paths, the way back, email
//! addresses.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shared::cookies::{CookiePolicy, Presented};
use shared::email::Email;
use shared::redirect::RedirectPath;
use shared::session::{Limits, RecordId};
use shared::site_path::SitePath;
use shared::timestamp::Timestamp;
use shared::token::{Claims, Keys};
use url::Url;

const SITE: &str = "https://www.example.com/portfolio/";
const COOKIES: CookiePolicy = CookiePolicy {
    secure: true,
    domain: None,
};

fn keys() -> Keys {
    Keys::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn claims() -> Claims {
    let limits = Limits {
        idle_timeout: 1_800,
        lifetime: 86_400,
    };
    let sid = "AAECAwQFBgcICQoLDA0ODw".to_owned();
    let start = Timestamp::from_unix(1_000_000);
    Claims::start("www.example.com", sid, RecordId::new("42"), &limits, start)
}

fn token() -> String {
    keys().sign(&claims()).unwrap()
}

fn verifies(text: &str) -> bool {
    keys().verify(text, "www.example.com").is_ok()
}

fn read(header: &[u8]) -> Option<Presented> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_bytes(header).ok()?);
    Some(COOKIES.read(&headers, &keys(), "www.example.com"))
}

/// Text of pieces that have a meaning somewhere, and of any other.
fn pieces(with_meaning: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(with_meaning).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => ".{0,6}",
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

const OF_ADDRESSES: &[&str] = &[
    "/",
    "//",
    "\\",
    "/\\",
    ".",
    "..",
    "/..",
    "%2f",
    "%2F",
    "%5c",
    "%2e",
    "%09",
    "%0d%0a",
    "%00",
    "%ff",
    "\t",
    "\n",
    "\r",
    " ",
    "@",
    ":",
    "evil.example",
    "user:pass@",
    "https:",
    "https://",
    "http:",
    "javascript:",
    "data:",
    "?",
    "#",
    "&",
    ";",
    "a",
    "é",
    "/api",
    "/logout",
    "api/",
    "/api/",
    "%61pi/",
    "logout",
    "[",
    "]",
    "。",
    "／",
    "+",
    "%2B",
    "%25",
];

const OF_EMAILS: &[&str] = &[
    "@",
    "@@",
    ".",
    "..",
    "a",
    "Z",
    "é",
    "İ",
    "ẞ",
    "Σ",
    "ß",
    "name",
    "example.com",
    "münchen.de",
    "xn--",
    "xn--mnchen-3ya",
    "-",
    "+",
    "\"",
    ",",
    ";",
    "<",
    ">",
    " ",
    "\t",
    "\u{a0}",
    "\n",
    "\0",
    "\u{200d}",
    "。",
    "EXAMPLE.COM",
    "127.0.0.1",
    "[::1]",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Mostly what begins like a path.
fn addresses() -> impl Strategy<Value = String> {
    let rest = pieces(OF_ADDRESSES);
    (select(vec!["/", "/", "/x/", ""]), rest).prop_map(|(start, rest)| start.to_owned() + &rest)
}

/// Mostly what has one `@` and a domain.
fn emails() -> impl Strategy<Value = String> {
    let domain = select(vec!["@example.com", "@MÜNCHEN.de", ".example.com", ""]);
    (pieces(OF_EMAILS), domain).prop_map(|(start, domain)| start + domain)
}

// More cases: `make fuzz`.
proptest! {
    #[test]
    fn a_token_with_any_other_byte_is_refused(place in any::<Index>(), byte in 0u8..128) {
        let token = token();
        let mut changed = token.clone().into_bytes();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        prop_assert!(!verifies(&String::from_utf8(changed).unwrap()));
    }

    #[test]
    fn a_token_with_anything_cut_out_or_put_in_is_refused(
        from in any::<Index>(), to in any::<Index>(), put in "[A-Za-z0-9_.=-]{0,8}",
    ) {
        let token = token();
        let (from, to) = (from.index(token.len()), to.index(token.len()));
        let changed = format!("{}{put}{}", &token[..from.min(to)], &token[from.max(to)..]);
        prop_assume!(changed != token);
        prop_assert!(!verifies(&changed));
    }

    #[test]
    fn no_text_is_a_token(text in any::<String>()) {
        prop_assert!(!verifies(&text));
    }

    #[test]
    fn nothing_in_the_form_of_a_token_is_one(
        header in "[A-Za-z0-9_=-]{0,60}", payload in "[A-Za-z0-9_=-]{0,200}", tag in "[A-Za-z0-9_-]{43}",
    ) {
        let text = [header, payload, tag].join(".");
        prop_assert!(!verifies(&text));
    }

    #[test]
    fn no_cookie_header_without_our_token_shows_a_session(header in vec(any::<u8>(), 0..200)) {
        let presented = read(&header);
        prop_assert!(!matches!(presented, Some(Presented::Session(_))));
    }

    #[test]
    fn neighbours_neither_hide_a_session_nor_change_it(
        before in vec("[^;\\x00-\\x1f\\x7f]{0,20}", 0..4), after in vec("[^;\\x00-\\x1f\\x7f]{0,20}", 0..4),
    ) {
        let own = format!("__Host-lastseen={}", token());
        let header = [before, vec![own], after].concat().join("; ");
        prop_assert_eq!(read(header.as_bytes()), Some(Presented::Session(claims())));
    }

    #[test]
    fn the_way_back_never_leaves_the_site(text in addresses()) {
        let Some(path) = RedirectPath::parse(&text) else { return Ok(()) };
        let site = Url::parse(SITE).unwrap();
        let there = site.join(path.as_str()).unwrap();
        prop_assert_eq!(there.origin(), site.origin(), "{}", path);
        prop_assert_eq!((there.username(), there.password()), ("", None));
        prop_assert!(path.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", path);
        // Where a program in between decodes it once more, it still stays.
        let decoded = percent_encoding::percent_decode_str(path.path()).decode_utf8_lossy();
        prop_assert_eq!(site.join(&decoded).unwrap().origin(), site.origin(), "{}", path);
        prop_assert_eq!(RedirectPath::parse(path.as_str()), Some(path));
    }

    #[test]
    fn the_way_back_is_never_an_endpoint_of_ours(text in addresses()) {
        let Some(path) = RedirectPath::parse(&text) else { return Ok(()) };
        let there = Url::parse(SITE).unwrap().join(path.as_str()).unwrap();
        prop_assert!(there.path() != "/logout" && !there.path().starts_with("/api/"), "{}", path);
    }

    #[test]
    fn a_path_survives_the_way_through_a_url(text in addresses()) {
        let Some(path) = SitePath::normalise(&text) else { return Ok(()) };
        let url = path.to_url_path();
        prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
        // What a URL parser makes of it, and S3, which reads a plus sign as a space.
        let parsed = Url::parse(SITE).unwrap().join(&url).unwrap();
        prop_assert_eq!(SitePath::normalise(parsed.path()), Some(path.clone()));
        prop_assert_eq!(SitePath::normalise(&url.replace('+', " ")), Some(path));
    }

    #[test]
    fn an_email_is_read_as_what_it_is_kept_as(text in emails()) {
        let Ok(email) = Email::parse(&text) else { return Ok(()) };
        let kept = email.as_str();
        prop_assert!(kept.len() <= 254, "{} octets", kept.len());
        prop_assert!(!kept.contains(|c: char| c.is_control() || c.is_whitespace()), "{:?}", kept);
        prop_assert_eq!(kept.matches('@').count(), 1);
        prop_assert_eq!(kept.to_lowercase(), kept);
        let again = Email::parse(kept);
        prop_assert_eq!(again.as_ref(), Ok(&email), "{:?}", kept);
    }

    #[test]
    fn an_address_that_cannot_be_delivered_to_is_refused(
        local in "[a-z]{1,70}", domain in "[a-z]{1,66}(\\.[a-z]{1,66}){1,4}",
    ) {
        let given = format!("{local}@{domain}");
        let fits = local.len() <= 64 && given.len() <= 254 && domain.split('.').all(|label| label.len() <= 63);
        let read = Email::parse(&given).ok();
        prop_assert_eq!(read.as_ref().map(Email::as_str), fits.then_some(given.as_str()));
    }
}
