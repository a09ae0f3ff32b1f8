#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shared::session::{EndReason, Pages, RecordId};

use super::*;
use crate::SETTLED_AFTER_SECONDS;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_767_323_045).plus(seconds)
}

fn session(last_seen: u64, ended: Option<(EndReason, Option<u64>)>) -> Session {
    Session {
        id: RecordId::new("1"),
        email: "ann@example.com".to_owned(),
        start: at(0),
        start_is_day: false,
        last_seen: at(last_seen),
        end_reason: ended.map(|(reason, _)| reason),
        ended_at: ended.and_then(|(_, moment)| moment).map(at),
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    }
}

#[test]
fn an_ending_is_told_when_it_was_written_or_when_nobody_writes_it_any_more() {
    let vanished = 100 + 1_800 + LAG_SECONDS;
    for (ended, expected) in [
        (None, vanished),
        (Some((EndReason::Logout, Some(100))), 100),
        (Some((EndReason::Revoked, Some(500))), 500),
        (Some((EndReason::Idle, Some(1_900))), 1_900),
        // Just in time, and just too late: it was told as vanished.
        (Some((EndReason::Idle, Some(vanished - 1))), vanished - 1),
        (Some((EndReason::Idle, Some(vanished))), vanished),
        (Some((EndReason::Idle, Some(40_000))), vanished),
        // A word without a moment.
        (Some((EndReason::Revoked, None)), vanished),
    ] {
        let told = told_at(&session(100, ended), &LIMITS, &[]);
        assert_eq!(told, at(expected), "{ended:?}");
    }
    let near_the_end = session(86_000, None);
    assert_eq!(
        told_at(&near_the_end, &LIMITS, &[]),
        at(86_400 + LAG_SECONDS)
    );
}

#[test]
fn whatever_was_open_when_everything_was_ended_is_told_with_that() {
    let moments = [at(900), at(400)];
    let told = |session: Session| told_at(&session, &LIMITS, &moments);
    assert_eq!(told(session(100, None)), at(400), "the first of them");
    let closed = session(100, Some((EndReason::Revoked, Some(900))));
    assert_eq!(
        told(closed),
        at(400),
        "though its row was closed by the second"
    );
    let before = session(100, Some((EndReason::Logout, Some(300))));
    assert_eq!(told(before), at(300));
    let since = Session {
        start: at(401),
        last_seen: at(500),
        ..session(100, None)
    };
    assert_eq!(told(since), at(900));
}

#[test]
fn windows_that_touch_have_no_second_in_common_and_leave_none_out() {
    let window = |from, to| Window {
        from: at(from),
        to: at(to),
    };
    for second in 10..30 {
        let windows = [window(10, 20), window(20, 21), window(21, 30)];
        let holding = windows.iter().filter(|window| window.contains(at(second)));
        assert_eq!(holding.count(), 1, "{second}");
    }
    assert!(!window(10, 20).contains(at(9)) && !window(10, 20).contains(at(20)));
}

#[test]
fn windows_of_minutes_touch_though_the_schedule_is_late() {
    let noon: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
    let window = Window::of_minute(noon);
    assert_eq!(window.from.to_string(), "2026-01-02T11:58:30Z");
    assert_eq!(window.to.to_string(), "2026-01-02T11:59:30Z");
    assert_eq!(Window::of_minute(noon.plus(59)), window);
    assert_eq!(Window::of_minute(noon.plus(60)).from, window.to);
}

/// How a visit ends, in seconds after it was last seen.
#[derive(Clone, Debug)]
enum Ending {
    Vanishes,
    /// A reason at a moment before the deadline, by logging out or by the owner's hand.
    Early(EndReason, u64),
    /// The deadline's own reason, written by the browser or, much later, by whoever comes back.
    Late(u64),
    /// A word in the table, and no moment beside it.
    Typed(u64),
    /// Everything was ended, once or twice, and the row is closed this much later, or never.
    Everything(u64, u64, Option<u64>),
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Vanishes),
        (0..5_000_u64).prop_map(|after| Ending::Early(EndReason::Logout, after)),
        (0..5_000_u64).prop_map(|after| Ending::Early(EndReason::Revoked, after)),
        (0..100_u64).prop_map(Ending::Late),
        (0..90_000_u64).prop_map(Ending::Late),
        (0..90_000_u64).prop_map(Ending::Typed),
        (
            0..5_000_u64,
            0..5_000_u64,
            proptest::option::of(0..5_000_u64)
        )
            .prop_map(|(first, second, closed)| Ending::Everything(first, second, closed)),
    ]
}

/// What a row says from which second on, and when everything was ended.
struct History {
    states: Vec<(Timestamp, Session)>,
    everything_ended: Vec<Timestamp>,
}

impl History {
    /// Each figure stands in the table up to so many seconds after the moment it is of.
    fn of(limits: &Limits, gaps: &[u64], ending: &Ending, delay: u64) -> Self {
        let mut row = session(0, None);
        let mut states = vec![(row.start.plus(delay), row.clone())];
        for gap in gaps {
            let seen = row.last_seen.plus(*gap);
            // After its deadline, no heartbeat is taken.
            if seen >= row.deadline(limits) {
                break;
            }
            row.last_seen = seen;
            states.push((seen.plus(delay), row.clone()));
        }
        let deadline = row.deadline(limits);
        let mut everything_ended = Vec::new();
        let seen = row.last_seen;
        let mut ends = |reason, moment: Option<Timestamp>, written: Timestamp| {
            row.end_reason = Some(reason);
            row.ended_at = moment;
            states.push((written, row.clone()));
        };
        match *ending {
            Ending::Vanishes => {}
            Ending::Early(reason, after) => {
                let left = deadline.since(seen).max(1);
                let moment = seen.plus(after % left);
                ends(reason, Some(moment), moment.plus(delay));
            }
            Ending::Late(after) => {
                let moment = deadline.plus(after);
                ends(EndReason::Idle, Some(moment), moment.plus(delay));
            }
            Ending::Typed(after) => {
                let written = seen.plus(after);
                ends(EndReason::Revoked, None, written);
            }
            Ending::Everything(first, second, closed) => {
                let first = seen.plus(first);
                let second = first.plus(second);
                everything_ended = vec![first, second];
                if let Some(after) = closed {
                    // Unless its time was up by itself, it is closed with the newest moment.
                    ends(EndReason::Revoked, Some(second), second.plus(after));
                }
            }
        }
        states.sort_by_key(|(moment, _)| *moment);
        Self {
            states,
            everything_ended,
        }
    }

    fn row(&self, now: Timestamp) -> Option<&Session> {
        let known = self.states.iter().rev().find(|(moment, _)| *moment <= now);
        known.map(|(_, row)| row)
    }

    /// What of them can be known by then.
    fn ended_by(&self, window: Window, limits: &Limits) -> Vec<Timestamp> {
        let span = window.spans(limits)[4];
        let moments = self.everything_ended.iter().copied();
        moments
            .filter(|moment| span.from <= *moment && *moment < span.to)
            .collect()
    }
}

/// Whether the store would give the row for these spans, as `reading` asks for it.
fn is_looked_at(row: &Session, window: Window, limits: &Limits, ended: &[Timestamp]) -> bool {
    if row.start < window.earliest_start(limits) {
        return false;
    }
    let lies = |moment: Timestamp, span: &Span| span.from <= moment && moment < span.to;
    let in_a_span = window.spans(limits).iter().any(|span| match span.moment {
        Moment::Start => lies(row.start, span),
        Moment::LastSeen => lies(row.last_seen, span),
        Moment::EndedAt => row.ended_at.is_some_and(|moment| lies(moment, span)),
        Moment::EverythingEnded => false,
    });
    let newest = ended
        .iter()
        .filter(|moment| window.contains(**moment))
        .max();
    in_a_span || newest.is_some_and(|newest| row.start <= *newest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_the_windows_each_ending_is_told_exactly_once(
        idle in 1_u64..2_000,
        more in 0_u64..4_000,
        gaps in proptest::collection::vec(1_u64..2_000, 0..12),
        ending in ending(),
        delay in 0..=SETTLED_AFTER_SECONDS,
        widths in proptest::collection::vec(1_u64..3_600, 1..20),
        late in proptest::collection::vec(0_u64..4_000, 1..20),
    ) {
        let limits = Limits { idle_timeout: idle, lifetime: idle + more };
        let history = History::of(&limits, &gaps, &ending, delay);
        let mut from = at(0).minus(100);
        let mut told = 0;
        for index in 0.. {
            let window = Window { from, to: from.plus(widths[index % widths.len()]) };
            // Looked at as soon as it is settled, or later.
            let now = window.to.plus(SETTLED_AFTER_SECONDS + late[index % late.len()]);
            let ended = history.ended_by(window, &limits);
            if let Some(row) = history.row(now) {
                let is_told = window.contains(told_at(row, &limits, &ended))
                    && is_looked_at(row, window, &limits, &ended);
                told += u8::from(is_told);
            }
            from = window.to;
            if from > at(250_000) {
                break;
            }
        }
        prop_assert_eq!(told, 1);
    }
}
