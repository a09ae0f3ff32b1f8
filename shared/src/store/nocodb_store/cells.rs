//! What a session is as the cells of a row, and what a row is as a session.

use serde_json::{Map, Value, json};

use crate::nocodb::{Error, Record};
use crate::session::{EndReason, Figures, RecordId, Session};
use crate::store::cells::{self, Cell};
use crate::store::columns::{
    ACTIVE_SECONDS, CURRENT_PAGE, EMAIL, END_REASON, ENDED_AT, EVERYONE, LAST_SEEN, PAGES, START,
};
use crate::store::{Change, StoreError, start_of};
use crate::timestamp::Timestamp;

/// Unknown columns are dropped without an error: a table without one of these would let visitors in
/// unrecorded.
pub(super) fn has_what_is_needed(record: &Record) -> Result<(), StoreError> {
    match [EMAIL, START, LAST_SEEN]
        .into_iter()
        .find(|column| !record.fields.contains_key(*column))
    {
        Some(column) => {
            tracing::error!(
                column,
                "the table lacks a column without which no visit is recorded; `lastseen setup` adds it"
            );
            Err(StoreError::NocoDb(Error::TableNotFound))
        }
        None => Ok(()),
    }
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
        cells.insert(PAGES.to_owned(), json!(pages));
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
