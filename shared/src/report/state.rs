//! Whether a visit is still open, and whether its visitor is looking.

use serde::Serialize;

use super::Visit;
use crate::session::Limits;
use crate::timestamp::Timestamp;

/// A visitor counts as looking for this long after they were last seen: the script's heartbeat
/// interval of 180 s, and what a late one takes.
pub const LOOKING_SECONDS: u64 = 210;

/// What has become of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Neither ended nor past a deadline.
    Open,
    /// It has an end reason.
    Ended,
    /// Past a deadline without a reason: nobody will hear of it again.
    Vanished,
}

impl State {
    /// The state of a visit at `now`.
    #[must_use]
    pub fn of(visit: &impl Visit, limits: &Limits, now: Timestamp) -> Self {
        if visit.end_reason().is_some() {
            Self::Ended
        } else if now < limits.deadline(visit.start(), visit.last_seen()) {
            Self::Open
        } else {
            Self::Vanished
        }
    }

    /// Whether the visit is over, with a reason or without.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        !matches!(self, Self::Open)
    }
}

/// Whether somebody is in front of it at `now`: it is open, and was seen within
/// [`LOOKING_SECONDS`].
#[must_use]
pub fn is_looking(visit: &impl Visit, limits: &Limits, now: Timestamp) -> bool {
    State::of(visit, limits, now) == State::Open && now.since(visit.last_seen()) <= LOOKING_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{EndReason, Pages, RecordId, Session};

    const LIMITS: Limits = Limits {
        idle_timeout: 1_800,
        lifetime: 86_400,
    };
    const START: Timestamp = Timestamp::from_unix(1_767_323_045);

    fn seen_after(seconds: u64) -> Session {
        Session {
            id: RecordId::new("1"),
            email: "ann@example.com".to_owned(),
            start: START,
            start_is_day: false,
            last_seen: START.plus(seconds),
            end_reason: None,
            ended_at: None,
            active_seconds: None,
            current_page: None,
            pages: Pages::new(),
        }
    }

    #[test]
    fn a_visit_is_open_until_the_earlier_deadline_and_vanished_from_then_on() {
        for (seen, after, expected) in [
            (0, 0, State::Open),
            (0, 1_799, State::Open),
            (0, 1_800, State::Vanished),
            (600, 2_399, State::Open),
            (600, 2_400, State::Vanished),
            (86_000, 86_399, State::Open),
            (86_000, 86_400, State::Vanished),
        ] {
            let state = State::of(&seen_after(seen), &LIMITS, START.plus(after));
            assert_eq!(
                state, expected,
                "seen after {seen} s, asked after {after} s"
            );
        }
    }

    #[test]
    fn a_reason_ends_it_whatever_the_clock_says() {
        let ended = Session {
            end_reason: Some(EndReason::Logout),
            ..seen_after(0)
        };
        for after in [0, 100_000] {
            assert_eq!(State::of(&ended, &LIMITS, START.plus(after)), State::Ended);
            assert!(!is_looking(&ended, &LIMITS, START.plus(after)));
        }
    }

    #[test]
    fn somebody_looks_for_one_heartbeat_after_they_were_seen() {
        for (after, expected) in [(600, true), (810, true), (811, false), (3_000, false)] {
            assert_eq!(
                is_looking(&seen_after(600), &LIMITS, START.plus(after)),
                expected,
                "{after}"
            );
        }
    }
}
