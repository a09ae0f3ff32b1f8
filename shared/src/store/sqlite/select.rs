//! Which rows are asked for, in SQL.

use std::iter;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, Statement};

use super::rows::session;
use crate::session::{RecordId, Session};
use crate::store::columns::EVERYONE;
use crate::store::{After, Moment, SessionPage, Span, Starts, StoreError};
use crate::timestamp::Timestamp;

/// Not the row that ends everything.
pub(super) const IS_VISIT: &str = "emailOfAccessor <> :everyone";
/// Whether a column holds a time as it is spelled here, which sorts by when it was; anything else that
/// an owner typed counts as empty.
macro_rules! is_time {
    ($column:literal) => {
        concat!(
            "(coalesce(",
            $column,
            ", '') GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z')"
        )
    };
}
/// See [`range`].
pub(super) const BEGAN: &str = concat!(
    "sessionStartTime >= :from AND sessionStartTime < :before
    AND (:is_time IS NULL OR :is_time = ",
    is_time!("sessionStartTime"),
    ")"
);
/// Last seen before a moment; begun before it where the last seen is none.
pub(super) const SEEN_BEFORE: &str = concat!(
    is_time!("sessionEndTime"),
    " AND sessionEndTime < :moment OR NOT ",
    is_time!("sessionEndTime"),
    " AND ",
    is_time!("sessionStartTime"),
    " AND sessionStartTime < :moment"
);
/// Ended at or after a moment; without one, ended at a moment that cannot be read.
pub(super) const ENDED_SINCE: &str = concat!(
    "CASE WHEN :since IS NULL THEN NOT ",
    is_time!("endedAt"),
    " ELSE ",
    is_time!("endedAt"),
    " AND endedAt >= :since END"
);
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

/// What a listing is ordered by: a column, and the id where its cells are alike; or the id alone.
#[derive(Clone, Copy)]
pub(super) struct By {
    pub(super) column: Option<&'static str>,
    pub(super) direction: &'static str,
}

impl By {
    pub(super) fn order(self) -> String {
        let Self { column, direction } = self;
        match column {
            Some(column) => format!("{column} {direction}, id {direction}"),
            None => format!("id {direction}"),
        }
    }

    /// What stands behind [`place`], or everything where there is none.
    pub(super) fn behind(self) -> String {
        let sign = if self.direction == "ASC" { ">" } else { "<" };
        match self.column {
            Some(column) => {
                format!("(coalesce(:cell, :key) IS NULL OR ({column}, id) {sign} (:cell, :key))")
            }
            None => format!("(coalesce(:key, :cell) IS NULL OR id {sign} :key)"),
        }
    }
}

/// Where a page begins.
pub(super) fn place(after: Option<&After>) -> (Option<Value>, Option<i64>) {
    match after {
        // What can be no id stands nowhere; 0 is no row's.
        Some(after) => (
            after.cell.as_deref().map(from_text),
            Some(after.id.as_str().parse().unwrap_or_default()),
        ),
        None => (None, None),
    }
}

/// Stands before a cell that is no text, whose bytes follow: it sorts behind all texts.
const BYTES: char = '\u{10ffff}';

/// A cell that pages are ordered by, as a cursor holds it.
fn to_text(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => iter::once(BYTES)
            .chain(bytes.iter().map(|byte| char::from(*byte)))
            .collect(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Null => String::new(),
    }
}

/// The cell of a cursor.
fn from_text(text: &str) -> Value {
    match text.strip_prefix(BYTES) {
        Some(bytes) => Value::Blob(
            bytes
                .chars()
                .filter_map(|char| u8::try_from(char).ok())
                .collect(),
        ),
        None => Value::Text(text.to_owned()),
    }
}

/// One page of what a query selects, whose limit is one more than a page: that tells whether
/// another follows.
pub(super) fn page(
    db: &Connection,
    select: &str,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
    by: By,
) -> Result<SessionPage, StoreError> {
    page_of(&mut *db.prepare_cached(select)?, values, size, by)
}

pub(super) fn page_of(
    select: &mut Statement<'_>,
    values: &[(&str, &dyn rusqlite::ToSql)],
    size: u16,
    by: By,
) -> Result<SessionPage, StoreError> {
    let cell = |row: &Row<'_>| {
        let cell = by.column.map(|column| row.get_ref(column)).transpose()?;
        Ok::<_, rusqlite::Error>(cell.map(to_text))
    };
    let rows = select.query_map(values, |row| Ok((session(row)?, cell(row)?)))?;
    let mut rows = rows.collect::<Result<Vec<(Session, Option<String>)>, _>>()?;
    let has_more = rows.len() > usize::from(size);
    rows.truncate(size.into());
    let last = rows.last().filter(|_| has_more);
    let rest = last.map(|(session, cell)| After {
        cell: cell.clone(),
        id: session.id.clone(),
    });
    Ok(SessionPage {
        sessions: rows.into_iter().map(|(session, _)| session).collect(),
        rest,
        ..SessionPage::default()
    })
}
