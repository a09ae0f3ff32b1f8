//! What the reports answer with, member by member.

use serde::{Serialize, Serializer};

use super::State;
use super::periods::Unit;
use crate::session::EndReason;
use crate::timestamp::Timestamp;

/// A moment, written in RFC 3339 in UTC: `2026-11-01T10:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(value_type = String, format = DateTime)
)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// One visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionItem {
    /// The id of its row.
    pub id: String,
    /// The visitor's address as it is stored.
    pub email: String,
    /// When it began.
    pub start: Moment,
    /// When the visitor was last known to look.
    pub last_seen: Moment,
    /// Seconds from start to last seen.
    pub duration_seconds: u64,
    /// How long the visitor really looked, in seconds; null where the table lacks the column.
    pub active_seconds: Option<u64>,
    /// Whether it is open, ended, or over without a reason.
    pub state: State,
    /// It is open, and was seen within the last heartbeat interval.
    pub looking: bool,
    /// Why it ended; null while open, or when the visitor just vanished.
    pub end_reason: Option<EndReason>,
    /// When the reason was written.
    pub ended_at: Option<Moment>,
    /// The page of the newest activity.
    pub current_page: Option<String>,
    /// Its pages, the one with the most seconds first.
    pub pages: Vec<PageItem>,
}

/// One page of a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageItem {
    /// Its path, as it is stored.
    pub path: String,
    /// Active seconds on it.
    pub seconds: u64,
    /// Furthest scroll in per cent, 0 to 100.
    pub scroll: u8,
}

/// Visits, the newest start first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    /// At most as many as were asked for.
    pub sessions: Vec<SessionItem>,
    /// How many there are in all.
    pub total: u64,
    /// What to send as `cursor` for those that follow; null after the last.
    pub next: Option<String>,
    /// What the answer is made of.
    pub data: Data,
}

/// One visitor, and what their visits add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorItem {
    /// The address, in lower case.
    pub email: String,
    /// How many visits.
    pub sessions: u64,
    /// How many of them are open.
    pub open_sessions: u64,
    /// One of them is being looked at.
    pub looking: bool,
    /// When the first one began.
    pub first_visit: Moment,
    /// When the newest one began.
    pub last_visit: Moment,
    /// When the visitor was last known to look.
    pub last_seen: Moment,
    /// Seconds from start to last seen, of all visits.
    pub duration_seconds: u64,
    /// How long the visitor really looked, in seconds, where it is known.
    pub active_seconds: u64,
    /// For how many visits it is not known.
    pub active_unknown: u64,
    /// The median of it over visits that are over; null where there is none.
    pub median_active_seconds: Option<u64>,
    /// The pages they read, the one with the most seconds first; at most 200.
    pub pages: Vec<VisitorPage>,
    /// How many more pages there are.
    pub pages_left_out: u64,
}

/// One page, as one visitor read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorPage {
    /// Its path, as it is stored.
    pub path: String,
    /// Active seconds on it, of all visits.
    pub seconds: u64,
    /// Furthest scroll in per cent, 0 to 100, of all visits.
    pub scroll: u8,
    /// In how many visits.
    pub sessions: u64,
}

/// Visitors, in the order that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorList {
    /// At most as many as were asked for.
    pub visitors: Vec<VisitorItem>,
    /// How many there are in all.
    pub total: u64,
    /// What to send as `cursor` for those that follow; null after the last.
    pub next: Option<String>,
    /// What the answer is made of.
    pub data: Data,
}

/// What visits add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many visits, by what became of them.
    pub sessions: SessionCounts,
    /// How many different visitors.
    pub visitors: u64,
    /// Seconds from start to last seen.
    pub duration_seconds: DurationFigures,
    /// How long visitors really looked, in seconds.
    pub active_seconds: ActiveFigures,
    /// How many visits ended for which reason.
    pub reasons: ReasonCounts,
    /// The same over time.
    pub periods: Periods,
    /// Pages, the one with the most seconds first; at most 200.
    pub pages: Vec<PageSummary>,
    /// How many more pages there are.
    pub pages_left_out: u64,
    /// Visits that are being looked at, the newest last seen first; at most 100, and fewer where their
    /// pages are very many.
    pub looking: Vec<SessionItem>,
    /// What the answer is made of.
    pub data: Data,
}

/// How many visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionCounts {
    /// In all.
    pub total: u64,
    /// Open ones.
    pub open: u64,
    /// Those of them that were seen within the last heartbeat interval.
    pub looking: u64,
    /// Those with an end reason.
    pub ended: u64,
    /// Those past a deadline without a reason.
    pub vanished: u64,
}

/// How long visits spanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DurationFigures {
    /// Of all visits, open ones with what they have so far.
    pub total: u64,
    /// Over visits that are over; null where there is none.
    pub median: Option<u64>,
}

/// How long visitors looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActiveFigures {
    /// Of all visits where it is known, open ones with what they have so far.
    pub total: u64,
    /// Over visits that are over; null where there is none.
    pub median: Option<u64>,
    /// For how many visits it is not known.
    pub unknown: u64,
}

/// How many visits ended for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReasonCounts {
    /// The visitor logged out.
    pub logout: u64,
    /// The idle timeout passed.
    pub idle: u64,
    /// The session lifetime passed.
    pub expired: u64,
    /// The owner ended it.
    pub revoked: u64,
    /// The visitor just vanished.
    pub none: u64,
}

/// Visits over time, without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Periods {
    /// How long each is, by the calendar of the zone.
    pub unit: Unit,
    /// The zone's IANA name.
    pub time_zone: String,
    /// From the first to the last, those without visits too.
    pub items: Vec<Period>,
}

/// What began in one hour, day or month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// When it begins, in RFC 3339 with the zone's offset then.
    pub start: String,
    /// What people call it: `2026-11`, `2026-11-01`, `2026-11-01 10:00`.
    pub label: String,
    /// How many visits.
    pub sessions: u64,
    /// How many different visitors.
    pub visitors: u64,
    /// Seconds from start to last seen, of all of them.
    pub duration_seconds: u64,
    /// How long visitors really looked, in seconds, where it is known.
    pub active_seconds: u64,
}

/// One page, as all visitors read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageSummary {
    /// Its path, as it is stored.
    pub path: String,
    /// In how many visits.
    pub sessions: u64,
    /// By how many different visitors.
    pub visitors: u64,
    /// Active seconds on it.
    pub seconds: u64,
    /// The median of them over visits that are over; null where there is none.
    pub median_seconds: Option<u64>,
    /// How far down visitors came.
    pub scroll: ScrollFigures,
}

/// How far down a page visitors came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScrollFigures {
    /// The median of the furthest scroll in per cent, over visits that are over; null where there is
    /// none.
    pub median: Option<u64>,
    /// How many visits came at least this far: 0, 10, 20 … 100 per cent.
    #[cfg_attr(feature = "openapi", schema(min_items = 11, max_items = 11))]
    pub reached: [u64; 11],
}

/// What an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// When rows that can still change were read.
    pub as_of: Moment,
    /// When the others were.
    pub older_as_of: Moment,
    /// Every row of the table was read.
    pub complete: bool,
    /// Where it is not: every row that began then or later was; null where even that is not so.
    pub complete_since: Option<Moment>,
    /// Rows that this question asks for are missing. Ask again: reading goes on from there.
    pub left_out: bool,
    /// How many rows were read.
    pub rows: u64,
    /// How many there are; null where they have not been counted.
    pub stored: Option<u64>,
}
