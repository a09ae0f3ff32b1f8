//! The rules of the token: its deadlines, and what a heartbeat, an outage and an answer of the store make
//! of it.

use super::{
    EndReason, GRACE_SECONDS, Heartbeat, LONGEST_OUTAGE_SECONDS, Limits, RecordId, Session,
};
use crate::timestamp::Timestamp;
use crate::token::Claims;

impl Claims {
    /// The claims of a session that starts now.
    #[must_use]
    pub fn start(
        audience: &str,
        session_id: String,
        record: RecordId,
        limits: &Limits,
        now: Timestamp,
    ) -> Self {
        let end = now.plus(limits.lifetime);
        Self {
            audience: audience.to_owned(),
            session_id,
            record,
            start: now,
            issued_at: now,
            asked: None,
            idle_deadline: now.plus(limits.idle_timeout).min(end),
            end_deadline: end,
            seen: now,
            active: 0,
        }
    }

    /// The claims under the limits of today: the session ends at the smaller of its `end` and its start
    /// plus the session lifetime. `None` past the grace: then it is no token any more.
    #[must_use]
    pub fn in_force(self, limits: &Limits, now: Timestamp) -> Option<Self> {
        let end = self.end_deadline.min(self.start.plus(limits.lifetime));
        (now < end.plus(GRACE_SECONDS)).then_some(Self {
            idle_deadline: self.idle_deadline.min(end),
            end_deadline: end,
            ..self
        })
    }

    /// Which deadline has passed by `now`, the earlier one where both have. A deadline is passed
    /// from its own second on (RFC 7519 4.1.4). Our tokens' idle deadline is never the later one;
    /// both are looked at all the same.
    #[must_use]
    pub fn ended_at(&self, now: Timestamp) -> Option<EndReason> {
        match (
            now >= self.idle_deadline.min(self.end_deadline),
            self.idle_deadline >= self.end_deadline,
        ) {
            (false, _) => None,
            (true, true) => Some(EndReason::Expired),
            (true, false) => Some(EndReason::Idle),
        }
    }

    /// After a heartbeat the store has taken: the idle deadline moves to the newest activity plus
    /// the idle timeout, never back and never past the session lifetime. `row` is what the store
    /// holds now.
    #[must_use]
    pub fn renewed(
        &self,
        heartbeat: &Heartbeat,
        row: &Session,
        limits: &Limits,
        now: Timestamp,
    ) -> Self {
        Self {
            seen: row.last_seen,
            active: row
                .active_seconds
                .or(heartbeat.figures.active_seconds)
                .unwrap_or(self.active),
            ..self.extended(heartbeat, limits, Timestamp::LATEST)
        }
        .confirmed(now)
    }

    /// After a heartbeat the store could not take: the deadline moves all the same, or an outage
    /// would throw visitors out; but no further than four hours after the store last confirmed the
    /// session. Nothing is claimed to be confirmed or written.
    #[must_use]
    pub fn kept_alive(&self, heartbeat: &Heartbeat, limits: &Limits) -> Self {
        let latest = self.issued_at.plus(LONGEST_OUTAGE_SECONDS);
        self.extended(heartbeat, limits, latest)
    }

    /// The idle deadline moves, at most to `latest`.
    fn extended(&self, heartbeat: &Heartbeat, limits: &Limits, latest: Timestamp) -> Self {
        let deadline = heartbeat
            .activity
            .plus(limits.idle_timeout)
            .min(self.end_deadline)
            .min(latest);
        Self {
            idle_deadline: self.idle_deadline.max(deadline),
            ..self.clone()
        }
    }

    /// After a heartbeat that waits in the queue, which keeps it as surely as the store: what is queued
    /// counts as written. `confirmed_at` is when the store last told of endings and this session was
    /// not among them.
    #[must_use]
    pub fn queued(
        &self,
        heartbeat: &Heartbeat,
        confirmed_at: Option<Timestamp>,
        limits: &Limits,
    ) -> Self {
        let Some(moment) = confirmed_at else {
            // The store is away, and nothing that it last wrote has changed.
            return self.kept_alive(heartbeat, limits);
        };
        let confirmed = self.confirmed(self.issued_at.max(moment));
        Self {
            seen: heartbeat.figures.last_seen,
            active: heartbeat.figures.active_seconds.unwrap_or(self.active),
            ..confirmed.extended(heartbeat, limits, Timestamp::LATEST)
        }
    }

    /// The store said at that moment that the session is open: fresh for the gate, deadlines unchanged.
    #[must_use]
    pub fn confirmed(&self, at: Timestamp) -> Self {
        Self {
            issued_at: at,
            asked: None,
            ..self.clone()
        }
    }

    /// The store was asked in vain: fresh for the gate, so that an outage sends nobody round in circles,
    /// and nothing else.
    #[must_use]
    pub fn asked_in_vain(&self, at: Timestamp) -> Self {
        Self {
            asked: Some(at),
            ..self.clone()
        }
    }

    /// Whether this row is the token's own; see [`Session::is_of`].
    #[must_use]
    pub fn owns(&self, row: &Session) -> bool {
        row.is_of(self.start)
    }

    /// When the store was last asked about the session, and whether it answered or not.
    #[must_use]
    pub fn last_asked(&self) -> Timestamp {
        self.asked
            .map_or(self.issued_at, |asked| asked.max(self.issued_at))
    }

    /// Whether the gate may trust this token without asking the store, given for how many seconds
    /// it may. A token from further ahead than that is of a clock that was wrong.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, fresh_seconds: u64) -> bool {
        let asked = self.last_asked();
        now.since(asked) < fresh_seconds && asked.since(now) < fresh_seconds
    }
}
