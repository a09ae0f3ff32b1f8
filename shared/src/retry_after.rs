//! `Retry-After`: how long a server wants to be left alone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest that a store is left alone for: one wrong answer must not stop everything for an hour.
pub const LONGEST: Duration = Duration::from_mins(1);

/// Seconds, or an HTTP date (RFC 9110, 10.2.3), which `jiff` reads as the mail date it once was.
/// `None` for anything else; nothing for a date that has passed.
#[must_use]
pub fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The same of a store, which visitors wait for: at most [`LONGEST`].
#[must_use]
pub fn wait_for_store(value: &str, now: Timestamp) -> Option<Duration> {
    wait(value, now).map(|wish| wish.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_left_alone_for_a_minute_at_most() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("60", Some(60)),
            ("61", Some(60)),
            ("3600", Some(60)),
            ("99999999999999999999999", None),
            ("Fri, 02 Jan 2026 03:04:35 GMT", Some(30)),
            ("Fri, 02 Jan 2026 06:04:05 GMT", Some(60)),
            ("Thu, 01 Jan 2026 03:04:05 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(
                wait_for_store(value, now),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }
}
