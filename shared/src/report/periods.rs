//! A range of time in hours, days or months of a zone: days of 23 and 25 hours, hours that are
//! skipped or come twice.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{RoundMode, ToSpan, Unit as JiffUnit, Zoned, ZonedRound};
use serde::Serialize;

use crate::timestamp::Timestamp;

/// Up to two days, the one with 25 hours among them.
const MOST_SECONDS_IN_HOURS: u64 = 49 * 3_600;
/// Up to a quarter.
const MOST_SECONDS_IN_DAYS: u64 = 100 * 86_400;
/// More than a chart shows.
const MOST: usize = 1_300;

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// An hour as clocks show it.
    Hour,
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Unit {
    /// The one that shows a range of this many seconds well.
    #[must_use]
    pub const fn for_range(seconds: u64) -> Self {
        if seconds <= MOST_SECONDS_IN_HOURS {
            Self::Hour
        } else if seconds <= MOST_SECONDS_IN_DAYS {
            Self::Day
        } else {
            Self::Month
        }
    }

    /// The beginning of the period that holds this moment.
    fn start_of(self, moment: &Zoned) -> Option<Zoned> {
        match self {
            Self::Hour => {
                let down = ZonedRound::new().smallest(JiffUnit::Hour);
                moment.round(down.mode(RoundMode::Trunc)).ok()
            }
            Self::Day => start_of_day(moment.date(), moment.time_zone()),
            Self::Month => start_of_day(moment.date().first_of_month(), moment.time_zone()),
        }
    }

    /// The beginning of the one after the one that begins here.
    fn next(self, start: &Zoned) -> Option<Zoned> {
        let zone = start.time_zone();
        match self {
            Self::Hour => {
                let later = start.checked_add(1.hour()).ok()?;
                // Where clocks go by half an hour, an hour of the day may begin or end early.
                let rounded = self.start_of(&later).filter(|rounded| rounded > start);
                Some(rounded.unwrap_or(later))
            }
            Self::Day => start_of_day(start.date().tomorrow().ok()?, zone),
            Self::Month => {
                let month = start.date().first_of_month();
                start_of_day(month.checked_add(1.month()).ok()?, zone)
            }
        }
    }

    fn label(self, start: &Zoned) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%d %H:00",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
        };
        start.strftime(format).to_string()
    }
}

/// When the zone's clocks first show a day: later than midnight where that is skipped.
fn start_of_day(date: Date, zone: &TimeZone) -> Option<Zoned> {
    date.to_zoned(zone.clone()).ok()
}

/// One period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it begins. It ends where the next one begins.
    pub start: Timestamp,
    /// The same in RFC 3339 with the zone's offset then.
    pub written: String,
    /// What people call it.
    pub label: String,
}

/// The periods of a zone that a range touches: those that begin before `to`, from the one that holds
/// `from` on.
#[must_use]
pub fn spans(unit: Unit, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Span> {
    let first = unit.start_of(&from.to_jiff().to_zoned(zone.clone()));
    let mut spans: Vec<Span> = Vec::new();
    let mut next = first;
    while let Some(start) = next {
        let moment = Timestamp::from_unix(start.timestamp().as_second());
        if moment >= to || spans.len() >= MOST {
            break;
        }
        next = unit.next(&start);
        // A day that a zone left out would begin where the next one does.
        let is_empty = next
            .as_ref()
            .is_some_and(|next| next.timestamp() <= start.timestamp());
        if !is_empty {
            spans.push(Span {
                start: moment,
                written: start.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
                label: unit.label(&start),
            });
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn labels(unit: Unit, zone: &str, from: &str, to: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let spans = spans(unit, &zone, at(from), at(to));
        assert!(spans.is_sorted_by_key(|span| span.start));
        spans.into_iter().map(|span| span.written).collect()
    }

    #[test]
    fn an_hour_that_comes_twice_is_two_periods_and_a_skipped_one_none() {
        let autumn = labels(
            Unit::Hour,
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            "2026-10-25T02:30:00Z",
        );
        assert_eq!(
            autumn,
            [
                "2026-10-25T01:00:00+02:00",
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T03:00:00+01:00",
            ]
        );
        let spring = labels(
            Unit::Hour,
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            "2026-03-29T02:00:00Z",
        );
        assert_eq!(
            spring,
            ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]
        );
    }

    #[test]
    fn clocks_that_go_by_half_an_hour_make_half_hours() {
        let zone = "Australia/Lord_Howe";
        // From +10:30 to +11 at 2:00.
        let spring = labels(
            Unit::Hour,
            zone,
            "2026-10-03T14:30:00Z",
            "2026-10-03T17:00:00Z",
        );
        assert_eq!(
            spring,
            [
                "2026-10-04T01:00:00+10:30",
                "2026-10-04T02:30:00+11:00",
                "2026-10-04T03:00:00+11:00",
            ]
        );
    }

    #[test]
    fn days_have_23_24_and_25_hours() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for (day, hours) in [("2026-03-08", 23), ("2026-03-09", 24), ("2026-11-01", 25)] {
            let from = at(&format!("{day}T12:00:00Z"));
            let spans = spans(Unit::Day, &zone, from, from.plus(86_400));
            assert_eq!(spans.len(), 2);
            assert_eq!(spans[0].label, day);
            assert_eq!(spans[1].start.since(spans[0].start), hours * 3_600, "{day}");
        }
    }

    #[test]
    fn midnight_may_be_skipped_and_so_may_a_day() {
        let sao_paulo = labels(
            Unit::Day,
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            "2018-11-05T12:00:00Z",
        );
        assert_eq!(
            sao_paulo,
            [
                "2018-11-03T00:00:00-03:00",
                "2018-11-04T01:00:00-02:00",
                "2018-11-05T00:00:00-02:00",
            ]
        );
        let samoa = labels(
            Unit::Day,
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "2011-12-31T12:00:00Z",
        );
        assert_eq!(
            samoa,
            [
                "2011-12-29T00:00:00-10:00",
                "2011-12-31T00:00:00+14:00",
                "2012-01-01T00:00:00+14:00",
            ]
        );
    }

    #[test]
    fn months_begin_where_their_first_day_does() {
        let berlin = labels(
            Unit::Month,
            "Europe/Berlin",
            "2026-01-31T23:30:00Z",
            "2026-04-30T22:00:00Z",
        );
        assert_eq!(
            berlin,
            [
                "2026-02-01T00:00:00+01:00",
                "2026-03-01T00:00:00+01:00",
                "2026-04-01T00:00:00+02:00",
            ]
        );
    }

    #[test]
    fn the_unit_follows_from_the_length() {
        for (seconds, unit) in [
            (0, Unit::Hour),
            (49 * 3_600, Unit::Hour),
            (49 * 3_600 + 1, Unit::Day),
            (100 * 86_400, Unit::Day),
            (100 * 86_400 + 1, Unit::Month),
        ] {
            assert_eq!(Unit::for_range(seconds), unit, "{seconds}");
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let utc = TimeZone::UTC;
        assert!(
            spans(
                Unit::Month,
                &utc,
                Timestamp::from_unix(i64::MAX),
                at("2026-01-01T00:00:00Z")
            )
            .is_empty()
        );
        let first = Timestamp::from_unix(i64::MIN);
        assert!(spans(Unit::Month, &utc, first, at("2026-01-01T00:00:00Z")).len() <= MOST);
        let end = at("9999-12-30T20:00:00Z");
        assert_eq!(spans(Unit::Day, &utc, end, end.plus(1)).len(), 1);
    }
}
