//! The session rules: both deadlines, end reasons, and how a heartbeat becomes figures. Pure
//! functions; time is an argument.
//!
//! The words are those of the table: *start*, *last seen*, *end reason*, *active seconds*. A
//! [`Heartbeat`] is a cumulative snapshot after clamping; [`Session::fold`] is the one place where
//! it meets what is stored, for every store.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::snapshot::Snapshot;
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// A snapshot older than this, in seconds, is late: it is merged with what is stored and never
/// simply written over it. Above what one round trip takes, below what a second tab could have
/// written in between.
const LATE_AFTER_SECONDS: u64 = 5;

/// More pages than a person reads in one visit; a row stays readable and small.
pub(crate) const MAX_PAGES: usize = 50;

/// The id of a session's row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// From a store's own id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as the store spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long sessions live: the settings `IDLE_TIMEOUT_SECONDS` and `SESSION_LIFETIME_SECONDS`.
/// Source: OWASP ASVS 5.0 7.3.1 (idle) and 7.3.2 (absolute).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds without activity until a session ends.
    pub idle_timeout: u64,
    /// Seconds from its start until a session ends, whatever happens.
    pub lifetime: u64,
}

impl Limits {
    /// When a session is over by itself, as far as its row knows: the idle timeout after its visitor
    /// was last seen, or at the end of the session lifetime.
    #[must_use]
    pub fn deadline(&self, start: Timestamp, last_seen: Timestamp) -> Timestamp {
        let idle = last_seen.plus(self.idle_timeout);
        idle.min(start.plus(self.lifetime))
    }
}

/// Why a session ended. The first one written stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// The visitor logged out.
    Logout,
    /// The idle timeout passed.
    Idle,
    /// The session lifetime passed.
    Expired,
    /// The owner ended it.
    Revoked,
}

impl EndReason {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the table's cell. Blank means open; a word that is none of ours was typed by the
    /// owner, and revokes.
    #[must_use]
    pub fn from_cell(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" => None,
            "logout" => Some(Self::Logout),
            "idle" => Some(Self::Idle),
            "expired" => Some(Self::Expired),
            _ => Some(Self::Revoked),
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Time and furthest scroll on one page, cumulative for the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFigures {
    /// Active seconds on this page.
    #[serde(default)]
    pub seconds: u64,
    /// Furthest scroll in per cent, 0 to 100.
    #[serde(default)]
    pub scroll: u8,
}

/// Figures by page path.
pub type Pages = BTreeMap<String, PageFigures>;

/// One visit as it stands in the store: a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The row's id.
    pub id: RecordId,
    /// The visitor's address, as stored. Text, because an owner may edit it.
    pub email: String,
    /// When the visitor came in.
    pub start: Timestamp,
    /// The newest moment the visitor is known to have looked.
    pub last_seen: Timestamp,
    /// Why it ended; `None` while open or when the visitor just vanished.
    pub end_reason: Option<EndReason>,
    /// When the reason was written.
    pub ended_at: Option<Timestamp>,
    /// How long they really looked.
    pub active_seconds: Option<u64>,
    /// The page of the newest activity.
    pub current_page: Option<String>,
    /// Figures by page.
    pub pages: Pages,
}

/// What a heartbeat makes of a row: the columns it writes. `None` leaves a column as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// See [`Session::last_seen`].
    pub last_seen: Timestamp,
    /// See [`Session::active_seconds`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_seconds: Option<u64>,
    /// See [`Session::current_page`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_page: Option<String>,
    /// See [`Session::pages`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

impl Figures {
    /// Folds two reports of one session: the largest cumulative figures and the newest last seen
    /// win, so that their order does not matter, nor how often either comes.
    #[must_use]
    pub fn fold(self, other: Self) -> Self {
        let newest = newest_page(
            (self.last_seen, self.current_page),
            (other.last_seen, other.current_page),
        );
        Self {
            last_seen: self.last_seen.max(other.last_seen),
            active_seconds: self.active_seconds.max(other.active_seconds),
            current_page: newest,
            pages: match (self.pages, other.pages) {
                (Some(one), Some(other)) => Some(larger_of_each(&one, &other)),
                (one, other) => one.or(other),
            },
        }
    }
}

/// The page that was looked at last. Within one second nobody knows which was: then always the same
/// one, whichever came first.
fn newest_page(
    one: (Timestamp, Option<String>),
    other: (Timestamp, Option<String>),
) -> Option<String> {
    match (one, other) {
        ((_, one), (_, None)) => one,
        ((_, None), (_, other)) => other,
        (one, other) => one.max(other).1,
    }
}

/// A session's end, to be written into its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
}

impl Ending {
    /// The first end reason stays: whether this one came before what a row says. What an owner typed
    /// has no moment, and stays.
    #[must_use]
    pub fn precedes(&self, row: &Session) -> bool {
        match (row.end_reason, row.ended_at) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(reason), Some(at)) => (self.at, self.reason) < (at, reason),
        }
    }
}

impl Session {
    /// Seconds from start to last seen.
    #[must_use]
    pub fn duration_seconds(&self) -> u64 {
        self.last_seen.since(self.start)
    }

    /// See [`Limits::deadline`].
    #[must_use]
    pub fn deadline(&self, limits: &Limits) -> Timestamp {
        limits.deadline(self.start, self.last_seen)
    }

    /// Folds a heartbeat into this row: the largest cumulative figures and the newest last seen
    /// win, so that a lost, repeated or late one changes nothing that is known already. An ended
    /// session is not stretched past the moment it was ended: that is `ended_at`, or, where an
    /// owner only typed a word, its last seen.
    #[must_use]
    pub fn fold(&self, heartbeat: &Heartbeat) -> Figures {
        let figures = &heartbeat.figures;
        let ended_at = self.ended_at.unwrap_or(self.last_seen);
        let cutoff = self.end_reason.map(|_| ended_at);
        let reported = figures.last_seen.min(cutoff.unwrap_or(figures.last_seen));
        let most = cutoff.map_or(u64::MAX, |cutoff| cutoff.since(self.start));
        let active = figures.active_seconds.map(|seconds| seconds.min(most));
        let is_newest = figures.last_seen >= self.last_seen;
        Figures {
            last_seen: self.last_seen.max(reported),
            active_seconds: self.active_seconds.max(active),
            current_page: figures
                .current_page
                .clone()
                .filter(|_| is_newest)
                .or_else(|| self.current_page.clone()),
            pages: figures
                .pages
                .as_ref()
                .map(|pages| larger_of_each(&self.pages, pages)),
        }
    }

    /// The row with what waited to be written: [`fold`](Self::fold), for reports that come in any
    /// order, and an ending that may be older than they are. What was reported of the time after the
    /// end is cut off, so that the row is the one there would be had the ending come in time.
    #[must_use]
    pub fn with(&self, figures: &Figures, ending: Option<Ending>) -> Self {
        let ending = ending.filter(|ending| ending.precedes(self));
        let (end_reason, ended_at) = match ending {
            Some(Ending { reason, at }) => (Some(reason), Some(at)),
            None => (self.end_reason, self.ended_at),
        };
        let cutoff = end_reason.map(|_| ended_at.unwrap_or(self.last_seen));
        let cut = |moment: Timestamp| moment.min(cutoff.unwrap_or(moment)).max(self.start);
        let most = cutoff.map_or(u64::MAX, |cutoff| cutoff.since(self.start));
        let at_most = |seconds: Option<u64>| seconds.map(|seconds| seconds.min(most));
        // Where the row was ended before, what it says stays, whatever an owner made of it.
        let is_new = ending.is_some();
        let own = Figures {
            last_seen: if is_new {
                cut(self.last_seen)
            } else {
                self.last_seen
            },
            active_seconds: if is_new {
                at_most(self.active_seconds)
            } else {
                self.active_seconds
            },
            current_page: self.current_page.clone(),
            pages: Some(self.pages.clone()),
        };
        let reported = Figures {
            last_seen: cut(figures.last_seen),
            active_seconds: at_most(figures.active_seconds),
            ..figures.clone()
        };
        let folded = own.fold(reported);
        Self {
            last_seen: folded.last_seen,
            active_seconds: folded.active_seconds,
            current_page: folded.current_page,
            pages: folded.pages.unwrap_or_default(),
            end_reason,
            ended_at,
            ..self.clone()
        }
    }

    /// The row as it is to be read after everything was ended at `not_before`, and that moment where
    /// the row does not say so yet.
    #[must_use]
    pub fn closed_by(self, not_before: Option<Timestamp>) -> (Self, Option<Timestamp>) {
        match not_before {
            Some(moment) if self.end_reason.is_none() && self.start <= moment => {
                let closed = Self {
                    end_reason: Some(EndReason::Revoked),
                    ended_at: Some(moment),
                    ..self
                };
                (closed, Some(moment))
            }
            _ => (self, None),
        }
    }

    /// The row as it is told to the owner, given every moment at which everything was ended: it was
    /// ended by the first of them that came while it was open. One that had passed a deadline before
    /// just vanished, and stays so whatever was ended afterwards.
    #[must_use]
    pub fn told(self, everything_ended: &[Timestamp], limits: &Limits) -> Self {
        let open = self.start..self.deadline(limits);
        let moments = everything_ended.iter().copied();
        let ended = moments.filter(|moment| open.contains(moment)).min();
        self.closed_by(ended).0
    }

    /// Why this open session is over when another one of the same visitor ends with `reason`: it
    /// may have fallen idle, or reached its lifetime, without anybody noticing.
    #[must_use]
    pub fn reason_when_ended_with(
        &self,
        reason: EndReason,
        limits: &Limits,
        now: Timestamp,
    ) -> EndReason {
        let end = self.start.plus(limits.lifetime);
        let idle = self.last_seen.plus(limits.idle_timeout);
        if now < idle.min(end) {
            reason
        } else if idle < end {
            EndReason::Idle
        } else {
            EndReason::Expired
        }
    }
}

fn larger_of_each(stored: &Pages, reported: &Pages) -> Pages {
    let mut pages = stored.clone();
    for (path, figures) in reported {
        let known = pages.entry(path.clone()).or_default();
        known.seconds = known.seconds.max(figures.seconds);
        known.scroll = known.scroll.max(figures.scroll);
    }
    most_read(pages)
}

/// At most [`MAX_PAGES`], those with the most time: which ones stay does not depend on the order in
/// which snapshots arrive, since figures only grow.
#[must_use]
pub(crate) fn most_read(pages: Pages) -> Pages {
    if pages.len() <= MAX_PAGES {
        return pages;
    }
    let mut by_time: Vec<_> = pages.into_iter().collect();
    by_time.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.seconds));
    by_time.truncate(MAX_PAGES);
    by_time.into_iter().collect()
}

/// A snapshot after clamping, ready to be written: what the browser says, as far as the token
/// allows it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What would be written if nothing else were stored.
    pub figures: Figures,
    /// The token's `seen`: what was last known to be written.
    pub known_last_seen: Timestamp,
    /// The token's `active`.
    pub known_active_seconds: u64,
    /// When the store last confirmed the token's session. A row that began later is another
    /// session's: NocoDB on SQLite gives the id of a deleted last row again (measured on 0.265.1).
    pub confirmed_at: Timestamp,
    /// It is older than what may be stored, and has to be merged with it.
    pub is_late: bool,
    /// The end of the token's session lifetime, which no heartbeat moves: with the row's id it tells
    /// sessions apart.
    pub session_end: Timestamp,
    /// The newest activity, which the idle deadline counts from.
    activity: Timestamp,
}

impl Heartbeat {
    /// Clamps a snapshot by the token it came with.
    ///
    /// Last seen is never before the token's nor after `now` nor after the deadline the session
    /// ended at; active time never exceeds the time elapsed since the start and never goes back. A
    /// snapshot that does not say when the visitor looked counts as "looking now", but not after a
    /// deadline: then nothing is known of the time before it.
    #[must_use]
    pub fn new(token: &Claims, snapshot: &Snapshot, limits: &Limits, now: Timestamp) -> Self {
        let cutoff = now.min(token.idle_deadline);
        let looking_now = if token.ended_at(now).is_none() {
            now
        } else {
            token.seen
        };
        let reported = snapshot
            .seen_seconds_ago
            .map_or(looking_now, |ago| now.minus(ago));
        let elapsed = cutoff.since(token.end_deadline.minus(limits.lifetime));
        let clamp_page = |figures: PageFigures| PageFigures {
            seconds: figures.seconds.min(elapsed),
            ..figures
        };
        let pages: Pages = snapshot
            .pages
            .iter()
            .map(|(path, figures)| (path.clone(), clamp_page(*figures)))
            .collect();
        Self {
            figures: Figures {
                last_seen: token.seen.max(reported.min(cutoff)),
                active_seconds: snapshot
                    .active_seconds
                    .map(|seconds| seconds.min(elapsed).max(token.active)),
                current_page: snapshot.page.clone(),
                pages: (!pages.is_empty()).then_some(pages),
            },
            known_last_seen: token.seen,
            known_active_seconds: token.active,
            confirmed_at: token.issued_at,
            is_late: now.since(reported) > LATE_AFTER_SECONDS
                || reported < token.seen
                || snapshot
                    .active_seconds
                    .is_some_and(|seconds| seconds < token.active),
            session_end: token.end_deadline,
            // Looking is not enough to keep a session open: somebody may have walked away from it.
            activity: snapshot
                .inactive_seconds
                .map_or(reported, |inactive| now.minus(inactive))
                .min(cutoff),
        }
    }
}

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
            issued_at: now,
            idle_deadline: now.plus(limits.idle_timeout).min(end),
            end_deadline: end,
            seen: now,
            active: 0,
        }
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
            issued_at: now,
            seen: row.last_seen,
            active: row
                .active_seconds
                .or(heartbeat.figures.active_seconds)
                .unwrap_or(self.active),
            ..self.kept_alive(heartbeat, limits)
        }
    }

    /// After a heartbeat the store could not take: the deadline moves all the same, or an outage
    /// would throw visitors out. Nothing is claimed to be confirmed or written.
    #[must_use]
    pub fn kept_alive(&self, heartbeat: &Heartbeat, limits: &Limits) -> Self {
        let deadline = heartbeat
            .activity
            .plus(limits.idle_timeout)
            .min(self.end_deadline);
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
        let alive = self.kept_alive(heartbeat, limits);
        match confirmed_at {
            Some(moment) => Self {
                issued_at: self.issued_at.max(moment),
                seen: heartbeat.figures.last_seen,
                active: heartbeat.figures.active_seconds.unwrap_or(self.active),
                ..alive
            },
            // The store is away, and nothing that it last wrote has changed.
            None => alive,
        }
    }

    /// Confirmed (or, in an outage, not refuted) without activity: fresh for the gate, deadlines
    /// unchanged.
    #[must_use]
    pub fn refreshed(&self, now: Timestamp) -> Self {
        Self {
            issued_at: now,
            ..self.clone()
        }
    }

    /// Whether this row is the token's own; see [`Heartbeat::confirmed_at`].
    #[must_use]
    pub fn owns(&self, row: &Session) -> bool {
        row.start <= self.issued_at
    }

    /// Whether the gate may trust this token without asking the store, given for how many seconds
    /// it may.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, fresh_seconds: u64) -> bool {
        now.since(self.issued_at) < fresh_seconds
    }
}

#[cfg(test)]
mod tests;
