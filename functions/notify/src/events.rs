//! What happened when, as far as rows tell it. Pure; time is an argument.

use shared::session::{Limits, Session};
use shared::store::{Moment, Span};
use shared::timestamp::Timestamp;

/// So long after its deadline a session that got no end reason counts as vanished: its browser ends it
/// at the deadline, and that takes a moment to arrive.
pub const LAG_SECONDS: u64 = 60;

/// From one second on, and up to another, without that: windows that touch have no second in common
/// and leave none out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first second.
    pub from: Timestamp,
    /// The first second after it.
    pub to: Timestamp,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody came who had never been here before.
    VisitorFirst,
    /// A session ended, or its visitor vanished.
    VisitEnded,
}

impl Kind {
    /// Its name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VisitorFirst => "visitor.first",
            Self::VisitEnded => "visit.ended",
        }
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// Of which session, as it stands in the table.
    pub session: Session,
}

impl Window {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }

    /// The minute before the one of this moment that is settled: see
    /// [`SETTLED_AFTER_SECONDS`](crate::SETTLED_AFTER_SECONDS). Of moments a minute apart, windows that
    /// touch, even where the schedule is some seconds late.
    #[must_use]
    pub fn of_minute(moment: Timestamp) -> Self {
        let minute = moment.as_unix().div_euclid(60) * 60;
        let to = Timestamp::from_unix(minute).minus(crate::SETTLED_AFTER_SECONDS);
        Self {
            from: to.minus(60),
            to,
        }
    }

    /// Sessions that began before this cannot have ended in the window.
    pub(crate) fn earliest_start(&self, limits: &Limits) -> Timestamp {
        self.from.minus(limits.lifetime + LAG_SECONDS)
    }

    /// Where rows have to be looked for: whoever began or was ended in the window, and who may have
    /// vanished in it; and when everything was ended, as far back as that matters.
    pub(crate) fn spans(&self, limits: &Limits) -> [Span; 5] {
        let span = |moment, ago: u64| Span {
            moment,
            from: self.from.minus(ago),
            to: self.to.minus(ago),
        };
        [
            span(Moment::Start, 0),
            span(Moment::EndedAt, 0),
            span(Moment::LastSeen, limits.idle_timeout + LAG_SECONDS),
            span(Moment::Start, limits.lifetime + LAG_SECONDS),
            Span {
                moment: Moment::EverythingEnded,
                from: self.earliest_start(limits),
                to: self.to,
            },
        ]
    }
}

/// When a session's ending is told, given the moments when everything was ended.
///
/// That is the earliest of: `endedAt`; the first time since its start that everything was ended; and
/// [`LAG_SECONDS`] after its deadline. The last of these is known from the first figures on, and the
/// others stay once they are written. So a reason that is written later, such as `idle` when somebody
/// opens their laptop the next day, moves nothing: that session was told as vanished, and is not told
/// again. Nor does a word that an owner typed without a moment beside it, which is told with the
/// deadline.
#[must_use]
pub fn told_at(session: &Session, limits: &Limits, everything_ended: &[Timestamp]) -> Timestamp {
    let vanished = session.deadline(limits).plus(LAG_SECONDS);
    let ended_at = session.ended_at.filter(|_| session.end_reason.is_some());
    let ended = everything_ended
        .iter()
        .copied()
        .filter(|moment| session.start <= *moment)
        .chain(ended_at);
    ended.fold(vanished, Timestamp::min)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
