//! What a session is as the cells of a row, and what a row is as a session.

use serde_json::{Map, Value, json};

use crate::nocodb::Record;
use crate::session::{EndReason, Figures, RecordId, Session};
use crate::store::cells::{self, Cell};
use crate::store::columns::{
    ACTIVE_SECONDS, CURRENT_PAGE, EMAIL, END_REASON, ENDED_AT, EVERYONE, LAST_SEEN, PAGES, START,
};
use crate::store::{Change, ColumnProblem, StoreError};
use crate::timestamp::Timestamp;

/// The first column of those without which no visit is recorded that the row does not have: an
/// unknown one is dropped without an error when it is written.
pub(super) fn missing(record: &Record, needed: &[&'static str]) -> Result<(), StoreError> {
    match needed
        .iter()
        .find(|column| !record.fields.contains_key(**column))
    {
        Some(column) => Err(column_error(column, ColumnProblem::Missing)),
        None => Ok(()),
    }
}

/// Says so in the log, too.
pub(super) fn column_error(column: &'static str, problem: ColumnProblem) -> StoreError {
    let error = StoreError::Column {
        column,
        problem,
        rows: Vec::new(),
    };
    tracing::error!(column, "{error}");
    error
}

/// Whether the column for last seen gives back what was written: one of another type keeps a day, or
/// nothing.
pub(super) fn keeps_last_seen(record: &Record) -> bool {
    let cell = record.fields.get(LAST_SEEN).and_then(Value::as_str);
    cell.is_some_and(|text| text.parse::<Timestamp>().is_ok())
}

/// Whether a visitor was last seen before a moment; where nobody can say, whether the visit began
/// before it. A column that holds days is compared by them; what is no time is never before.
pub(super) fn is_before(record: &Record, moment: Timestamp) -> bool {
    let limit = moment.to_string();
    let before = |column: &str| {
        let cell = record.fields.get(column).and_then(Value::as_str)?.trim();
        if let Ok(time) = cell.parse::<Timestamp>() {
            return Some(time < moment);
        }
        let is_day = cell.parse::<jiff::civil::Date>().is_ok() && cell.len() == 10;
        is_day.then(|| limit.get(..10).is_some_and(|day| cell <= day))
    };
    before(LAST_SEEN).or_else(|| before(START)).unwrap_or(false)
}

pub(super) fn session_cells(session: &Session) -> Map<String, Value> {
    let mut cells = change_cells(&Change {
        last_seen: Some(session.last_seen),
        active_seconds: session.active_seconds,
        current_page: session.current_page.clone(),
        pages: (!session.pages.is_empty()).then(|| session.pages.clone()),
        ending: None,
    });
    cells.insert(EMAIL.to_owned(), json!(session.email));
    cells.insert(START.to_owned(), json!(session.start.to_string()));
    if let Some(reason) = session.end_reason {
        cells.insert(END_REASON.to_owned(), json!(reason.as_str()));
    }
    if let Some(moment) = session.ended_at {
        cells.insert(ENDED_AT.to_owned(), json!(moment.to_string()));
    }
    cells
}

pub(super) fn figure_cells(figures: &Figures) -> Map<String, Value> {
    change_cells(&Change {
        last_seen: Some(figures.last_seen),
        active_seconds: figures.active_seconds,
        current_page: figures.current_page.clone(),
        pages: figures.pages.clone(),
        ending: None,
    })
}

/// Only what differs from the row as it was read: whoever wrote the rest meanwhile knew more.
pub(super) fn changed_cells(row: &Session, figures: Figures) -> Map<String, Value> {
    let Figures {
        last_seen,
        active_seconds,
        current_page,
        pages,
    } = figures;
    change_cells(&Change {
        last_seen: Some(last_seen).filter(|moment| *moment != row.last_seen),
        active_seconds: active_seconds.filter(|seconds| row.active_seconds != Some(*seconds)),
        current_page: current_page.filter(|page| row.current_page.as_ref() != Some(page)),
        pages: pages.filter(|pages| *pages != row.pages),
        ending: None,
    })
}

pub(super) fn change_cells(change: &Change) -> Map<String, Value> {
    let mut cells = change
        .ending
        .map(|ending| ending_cells(ending.reason, ending.at))
        .unwrap_or_default();
    if let Some(moment) = change.last_seen {
        cells.insert(LAST_SEEN.to_owned(), json!(moment.to_string()));
    }
    if let Some(seconds) = change.active_seconds {
        cells.insert(ACTIVE_SECONDS.to_owned(), json!(seconds));
    }
    if let Some(page) = &change.current_page {
        cells.insert(CURRENT_PAGE.to_owned(), json!(page));
    }
    if let Some(pages) = &change.pages {
        // As text, which a column for text keeps as well: an object becomes `[object Object]` there
        // (measured on 0.265.1).
        let text = serde_json::to_string(pages).unwrap_or_default();
        cells.insert(PAGES.to_owned(), json!(text));
    }
    cells
}

pub(super) fn ending_cells(reason: EndReason, now: Timestamp) -> Map<String, Value> {
    [
        (END_REASON.to_owned(), json!(reason.as_str())),
        (ENDED_AT.to_owned(), json!(now.to_string())),
    ]
    .into_iter()
    .collect()
}

/// A row without any time is one that an owner added by hand and left empty: nobody's visit.
pub(super) fn has_time(record: &Record) -> bool {
    [START, LAST_SEEN].into_iter().any(|column| {
        record
            .fields
            .get(column)
            .is_some_and(|cell| !cell.is_null())
    })
}

pub(super) fn is_everyone(record: &Record) -> bool {
    record.fields.get(EMAIL).and_then(Value::as_str) == Some(EVERYONE)
}

/// Reads a row as an owner may have left it; see [`cells`].
pub(super) fn session(record: &Record) -> Session {
    cells::session(RecordId::new(record.id.as_str()), |column| {
        Cell::from_json(record.fields.get(column))
    })
}
