//! The session rules: both deadlines, end reasons, and how a heartbeat becomes figures. Pure
//! functions; time is an argument.
//!
//! The words are those of the table: *start*, *last seen*, *end reason*, *active seconds*. A
//! [`Heartbeat`] is a cumulative snapshot after clamping; [`Session::fold`] is the one place where
//! it meets what is stored, for every store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::snapshot::Snapshot;
use crate::timestamp::Timestamp;
use crate::token::Claims;

mod pages;
mod token;

pub(crate) use pages::bounded;
pub use pages::{PageFigures, Pages};
use pages::{larger_of_each, within};

/// A snapshot older than this, in seconds, is late: it is merged with what is stored and never
/// simply written over it. Above what one round trip takes, below what a second tab could have
/// written in between.
const LATE_AFTER_SECONDS: u64 = 5;
/// Where the store confirmed a token longer ago than this, in seconds, its row is read before it is
/// written: the table may be another one by now, or the row's id another session's (NocoDB on SQLite
/// gives the id of a deleted last row again, measured on 0.265.1). Above every pause between the
/// heartbeats of a page in sight.
const CONFIRMED_LATELY_SECONDS: u64 = 900;

/// For so long after its end a token can still say which session it was; then it is no token.
pub(crate) const GRACE_SECONDS: u64 = 86_400;
/// So long, from when the store last confirmed a session, heartbeats keep it open while the store does
/// not answer: what nobody could confirm for four hours ends.
const LONGEST_OUTAGE_SECONDS: u64 = 4 * 3_600;

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

/// One visit as it stands in the store: a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The row's id.
    pub id: RecordId,
    /// The visitor's address, as stored. Text, because an owner may edit it.
    pub email: String,
    /// When the visitor came in.
    pub start: Timestamp,
    /// The column holds no more of the start than its day (in UTC).
    pub start_is_day: bool,
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

    /// Whether this is the row of the session that began at `start`, to the second; where the column
    /// holds the day alone, on that day. Another start is another session's, or one that an owner
    /// edited, which ends the session.
    #[must_use]
    pub fn is_of(&self, start: Timestamp) -> bool {
        if self.start_is_day {
            self.start.day() == start.day()
        } else {
            self.start == start
        }
    }

    /// See [`Limits::deadline`].
    #[must_use]
    pub fn deadline(&self, limits: &Limits) -> Timestamp {
        limits.deadline(self.start, self.last_seen)
    }

    /// Folds a heartbeat into this row: the largest cumulative figures and the newest last seen
    /// win, so that a lost, repeated or late one changes nothing that is known already. An ended
    /// session is not stretched past the moment it was ended: that is `ended_at`, or, where an
    /// owner only typed a word, its last seen. The pages' times together are cut to the active time;
    /// see [`within`].
    #[must_use]
    pub fn fold(&self, heartbeat: &Heartbeat) -> Figures {
        let figures = &heartbeat.figures;
        let ended_at = self.ended_at.unwrap_or(self.last_seen);
        let cutoff = self.end_reason.map(|_| ended_at);
        let reported = figures.last_seen.min(cutoff.unwrap_or(figures.last_seen));
        let most = cutoff.map_or(u64::MAX, |cutoff| cutoff.since(self.start));
        let active = figures.active_seconds.map(|seconds| seconds.min(most));
        let is_newest = figures.last_seen >= self.last_seen;
        let last_seen = self.last_seen.max(reported);
        let active_seconds = self.active_seconds.max(active);
        let on_pages = active_seconds.unwrap_or_else(|| last_seen.since(self.start));
        Figures {
            last_seen,
            active_seconds,
            current_page: figures
                .current_page
                .clone()
                .filter(|_| is_newest)
                .or_else(|| self.current_page.clone()),
            pages: figures
                .pages
                .as_ref()
                .map(|pages| within(larger_of_each(&self.pages, pages), on_pages)),
        }
    }

    /// The row with what waited to be written: [`fold`](Self::fold), for reports that come in any
    /// order, and an ending that may be older than they are. What was reported of the time after the
    /// end is cut off, so that the row is the one there would be had the ending come in time.
    #[must_use]
    pub fn with(&self, figures: &Figures, ending: Option<Ending>) -> Self {
        // An ending that stands there already may have been written beside figures of another report.
        let is_own = |ending: &Ending| {
            (self.end_reason, self.ended_at) == (Some(ending.reason), Some(ending.at))
        };
        let ending = ending.filter(|ending| ending.precedes(self) || is_own(ending));
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
        let says_pages = figures.pages.is_some();
        let folded = own.fold(reported);
        let pages = folded.pages.unwrap_or_default();
        let on_pages = folded
            .active_seconds
            .unwrap_or_else(|| folded.last_seen.since(self.start));
        Self {
            last_seen: folded.last_seen,
            active_seconds: folded.active_seconds,
            current_page: folded.current_page,
            pages: if says_pages || is_new {
                within(pages, on_pages)
            } else {
                pages
            },
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
    /// When the token's session began: with the row's id it tells sessions apart; see
    /// [`Session::is_of`].
    pub start: Timestamp,
    /// It is older than what may be stored, and has to be merged with it; or the row may be another
    /// session's by now.
    pub is_late: bool,
    /// A deadline of the token has passed: it may end its own session, and change nothing that was
    /// ended before.
    pub past_deadline: bool,
    /// The newest activity, which the idle deadline counts from.
    activity: Timestamp,
}

impl Heartbeat {
    /// Clamps a snapshot by the token it came with.
    ///
    /// Last seen is never before the token's nor after `now` nor after the deadline the session
    /// ended at; active time never exceeds the time elapsed since the start and never goes back; the
    /// pages' times together never exceed the active time. A
    /// snapshot that does not say when the visitor looked counts as "looking now", but not after a
    /// deadline: then nothing is known of the time before it.
    #[must_use]
    pub fn new(token: &Claims, snapshot: &Snapshot, now: Timestamp) -> Self {
        let cutoff = now.min(token.idle_deadline);
        let past_deadline = token.ended_at(now).is_some();
        let looking_now = if past_deadline { token.seen } else { now };
        let reported = snapshot
            .seen_seconds_ago
            .map_or(looking_now, |ago| now.minus(ago));
        let elapsed = cutoff.since(token.start);
        let active_seconds = snapshot
            .active_seconds
            .map(|seconds| seconds.min(elapsed).max(token.active));
        let pages = within(
            snapshot.pages.clone(),
            active_seconds.unwrap_or(token.active),
        );
        Self {
            figures: Figures {
                last_seen: token.seen.max(reported.min(cutoff)),
                active_seconds,
                current_page: snapshot.page.clone(),
                pages: (!pages.is_empty()).then_some(pages),
            },
            known_last_seen: token.seen,
            known_active_seconds: token.active,
            start: token.start,
            is_late: now.since(reported) > LATE_AFTER_SECONDS
                || now.since(token.issued_at) > CONFIRMED_LATELY_SECONDS
                || reported < token.seen
                || snapshot
                    .active_seconds
                    .is_some_and(|seconds| seconds < token.active),
            past_deadline,
            // Looking is not enough to keep a session open: somebody may have walked away from it.
            activity: snapshot
                .inactive_seconds
                .map_or(reported, |inactive| now.minus(inactive))
                .min(cutoff),
        }
    }
}

#[cfg(test)]
mod tests;
