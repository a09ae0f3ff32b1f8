//! `Retry-After`: how long a server wants to be left alone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

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
