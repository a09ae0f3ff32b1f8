//! Moments in whole seconds, the unit of tokens (RFC 7519 `NumericDate`) and of the table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment in whole seconds since the Unix epoch.
///
/// Seconds, because both ends of a session's life keep no more: a token's dates are whole seconds,
/// and `NocoDB` drops milliseconds from a `DateTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// The text is not a moment in RFC 3339.
#[derive(Debug, thiserror::Error)]
#[error("not a date and time in RFC 3339, such as 2026-01-02T03:04:05Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// After every other.
    pub const LATEST: Self = Self(i64::MAX);

    /// From seconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix(self) -> i64 {
        self.0
    }

    /// The system clock. Called where a request enters; rules are given the result.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_second())
    }

    /// The same moment for jiff; beyond its years -9999 to 9999, the nearest it knows.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        let limit = if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        jiff::Timestamp::from_second(self.0).unwrap_or(limit)
    }

    /// The first second of its day in UTC.
    #[must_use]
    pub const fn day(self) -> Self {
        Self(self.0.div_euclid(86_400) * 86_400)
    }

    /// The first second of a day that is written without a time, such as `2026-01-02`, in UTC.
    #[must_use]
    pub fn of_day(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_day = text.len() == "2026-01-02".len();
        is_day.then(|| format!("{text}T00:00:00Z").parse().ok())?
    }

    /// This many seconds later.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add_unsigned(seconds))
    }

    /// This many seconds earlier.
    #[must_use]
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(seconds))
    }

    /// Seconds from `earlier` to this moment; 0 where `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// RFC 3339 in UTC: `2026-01-02T03:04:05Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.to_jiff())
    }
}

/// Reads RFC 3339 and the form `NocoDB` answers with, `2026-01-02 03:04:05+00:00`; fractions of a
/// second are dropped.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.trim().parse().map_err(|_| InvalidTimestamp)?;
        // `as_second` rounds toward zero; whole seconds since 1970 are what is stored, so that is
        // the same as dropping.
        Ok(Self(moment.as_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_moment_read_the_same() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02 03:04:05+00:00",
            "2026-01-02T04:04:05.999+01:00",
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap(),
                Timestamp::from_unix(1_767_323_045),
                "{text}"
            );
        }
        assert_eq!(
            Timestamp::from_unix(1_767_323_045).to_string(),
            "2026-01-02T03:04:05Z"
        );
    }

    #[test]
    fn what_is_not_a_moment_is_refused() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-02"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_without_a_time_begins_at_midnight() {
        let moment: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(Timestamp::of_day(" 2026-01-02"), Some(moment.day()));
        assert_eq!(moment.day().to_string(), "2026-01-02T00:00:00Z");
        let before_1970 = Timestamp::from_unix(-1);
        assert_eq!(before_1970.day(), Timestamp::from_unix(-86_400));
        for text in [
            "",
            "2026-02-30",
            "2026-1-2",
            "2026-01-02T03:04:05",
            "01.02.2026",
        ] {
            assert_eq!(Timestamp::of_day(text), None, "{text}");
        }
    }

    #[test]
    fn time_never_runs_negative() {
        let noon = Timestamp::from_unix(1_000);
        assert_eq!(noon.since(noon.plus(5)), 0);
        assert_eq!(noon.plus(5).since(noon), 5);
        assert_eq!(noon.minus(5).plus(5), noon);
    }
}
