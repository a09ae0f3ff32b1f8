//! Which rows are asked for, in SQL.

use rusqlite::{Connection, Statement};

use super::rows::session;
use crate::session::RecordId;
use crate::store::columns::EVERYONE;
use crate::store::{Moment, SessionPage, Span, Starts, StoreError};
use crate::timestamp::Timestamp;

/// Not the row that ends everything.
pub(super) const IS_VISIT: &str = "emailOfAccessor <> :everyone";
/// See [`range`]. Only what is spelled as times here are sorts by when it was; anything else an owner
/// typed counts as no start.
pub(super) const BEGAN: &str = "sessionStartTime >= :from AND sessionStartTime < :before
    AND (:is_time IS NULL OR :is_time = (sessionStartTime GLOB
        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'))";
/// Neither ended nor of the row that ends everything.
pub(super) const IS_OPEN: &str =
    "trim(coalesce(endReason, '')) = '' AND emailOfAccessor <> :everyone";

/// Texts that a start is not below, and below, in the order they sort in, so that the index finds
/// them; and whether it has to be a time, or none.
pub(super) fn range(starts: Starts) -> (String, String, Option<bool>) {
    const LAST: &str = "\u{10ffff}";
    let (from, before, is_time) = match starts {
        Starts::All => (None, None, None),
        Starts::Missing => (None, None, Some(false)),
        Starts::Between { from, before } => (from, before, Some(true)),
    };
    let text = |moment: Timestamp| moment.to_string();
    let before = before.map_or_else(|| LAST.to_owned(), text);
    (from.map(text).unwrap_or_default(), before, is_time)
}

/// Whether a row has the span's moment in it.
pub(super) fn condition(span: &Span) -> String {
    let (column, of_everyone) = match span.moment {
        Moment::Start => ("sessionStartTime", "<>"),
        Moment::LastSeen => ("sessionEndTime", "<>"),
        Moment::EndedAt => ("endedAt", "<>"),
        Moment::EverythingEnded => ("sessionStartTime", "="),
    };
    let Span { from, to, .. } = span;
    format!(
        "({column} >= '{from}' AND {column} < '{to}' AND emailOfAccessor {of_everyone} '{EVERYONE}')"
    )
}

/// The ids that a query selects.
pub(super) fn ids(
    db: &Connection,
    select: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
) -> Result<Vec<RecordId>, StoreError> {
    let mut select = db.prepare_cached(select)?;
    let ids = select.query_map(values, |row| row.get::<_, i64>("id"))?;
    Ok(ids
        .map(|id| id.map(|id| RecordId::new(id.to_string())))
        .collect::<Result<_, _>>()?)
}

/// One page of what a query selects, whose limit is one more than a page: that tells whether
/// another follows.
pub(super) fn page(
    db: &Connection,
    select: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
) -> Result<SessionPage, StoreError> {
    page_of(&mut *db.prepare_cached(select)?, values, size)
}

pub(super) fn page_of(
    select: &mut Statement<'_>,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
) -> Result<SessionPage, StoreError> {
    let sessions = select.query_map(values, session)?;
    let mut sessions = sessions.collect::<Result<Vec<_>, _>>()?;
    let has_more = sessions.len() > usize::from(size);
    sessions.truncate(size.into());
    Ok(SessionPage {
        sessions,
        has_more,
        ..SessionPage::default()
    })
}
