//! Any text as a token: refused, unless it is the very one that was signed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared::token::Keys;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    Keys::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a key of 32 bytes")
});
/// The seed in corpus/token/signed.
const SIGNED: &str = include_str!("../corpus/token/signed");

fuzz_target!(|text: &str| {
    let read = KEYS.verify(text, "www.example.com");
    assert_eq!(read.is_ok(), text == SIGNED, "{text:?}");
    // Keys are text as well.
    let _ = Keys::parse(text);
});
