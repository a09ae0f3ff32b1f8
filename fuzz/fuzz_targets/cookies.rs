//! Any bytes as a `Cookie` header: no session comes of them, and none is lost among them.

#![no_main]

use std::sync::LazyLock;

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use libfuzzer_sys::fuzz_target;
use shared::cookies::{CookiePolicy, Presented};
use shared::token::Keys;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    Keys::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key of 32 bytes")
});
const SIGNED: &str = include_str!("../corpus/token/signed");
const COOKIES: CookiePolicy = CookiePolicy {
    secure: true,
    domain: None,
};

fuzz_target!(|bytes: &[u8]| {
    let read = |bytes: &[u8]| {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(bytes).ok()?);
        Some(COOKIES.read(&headers, &KEYS, "www.example.com"))
    };
    let has_token = bytes
        .windows(SIGNED.len())
        .any(|part| part == SIGNED.as_bytes());
    if !has_token {
        assert!(!matches!(read(bytes), Some(Presented::Session(_))));
    }
    let among = [bytes, b"; __Host-lastseen=", SIGNED.as_bytes()].concat();
    assert!(matches!(read(&among), None | Some(Presented::Session(_))));
});
