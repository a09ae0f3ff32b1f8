//! Which rows are asked for, in SQL.

use rusqlite::{Connection, Row, Statement};

use super::rows::session;
use crate::session::{RecordId, Session};
use crate::store::columns::EVERYONE;
use crate::store::{After, Moment, SessionPage, Span, Starts, StoreError};
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
pub(super) fn place(after: Option<&After>) -> (Option<&str>, Option<i64>) {
    match after {
        // What can be no id stands nowhere; 0 is no row's.
        Some(after) => (
            after.cell.as_deref(),
            Some(after.id.as_str().parse().unwrap_or_default()),
        ),
        None => (None, None),
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
    let cell = |row: &Row<'_>| by.column.map(|column| row.get(column)).transpose();
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
