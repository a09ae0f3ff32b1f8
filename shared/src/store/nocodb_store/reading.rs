//! Reading rows: complete or an error, whatever a server gives at once.
//!
//! Servers clamp pages, shift them while rows come and go, and refuse columns that are not there. So
//! a page is asked for by the row that the last one ended at, only by columns that are needed, and
//! what did not come is not there only once a server was asked for it and gave nothing.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cells::{has_time, is_everyone, missing, session};
use super::{NocoDbStore, id_of};
use crate::nocodb::{Error, Filter, KEY, Page, Query, Record, Unreadable};
use crate::session::RecordId;
use crate::store::columns::{
    ACTIVE_SECONDS, CURRENT_PAGE, EMAIL, END_REASON, ENDED_AT, LAST_SEEN, PAGES, START,
};
use crate::store::{After, Order, Rows, SessionPage, StoreError};
use crate::timestamp::Timestamp;

/// What a question about endings needs: the largest cells are not among them.
pub(super) const WITHOUT_PAGES: [&str; 5] = [EMAIL, START, LAST_SEEN, END_REASON, ENDED_AT];
/// What a session is made of.
pub(super) const WHOLE: [&str; 8] = [
    EMAIL,
    START,
    LAST_SEEN,
    END_REASON,
    ENDED_AT,
    ACTIVE_SECONDS,
    CURRENT_PAGE,
    PAGES,
];

/// For how long a column that was missing is not asked for again.
const MISSING_AGE: Duration = Duration::from_mins(1);
/// Ids in one question, in bytes as they stand in the URL with their commas: some 450 of nine digits,
/// with room for the rest of a URL that every proxy takes.
const MOST_ID_BYTES: usize = 5_400;
const COMMA_BYTES: usize = 3;

/// Columns that the table lacks, and when that was found.
#[derive(Default)]
pub(super) struct Columns(Mutex<Vec<(&'static str, Instant)>>);

impl Columns {
    fn of(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|(_, found)| found.elapsed() < MISSING_AGE);
        let is_there = |column: &&&'static str| !missing.iter().any(|(one, _)| one == *column);
        wanted.iter().filter(is_there).copied().collect()
    }

    fn lack(&self, column: &'static str) {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing.push((column, Instant::now()));
    }
}

/// Whether the server refused a request because the table has no such column: it names it.
pub(super) fn lacks(error: &Error, column: &str) -> bool {
    match error {
        Error::Refused { code, message, .. } => {
            matches!(code.as_str(), "INVALID_FILTER" | "FIELD_NOT_FOUND")
                && names(message.reveal(), column)
        }
        _ => false,
    }
}

/// Whether a refusal names this column: `Field 'endReason, endedAt' not found` (0.265.1 names all that
/// are missing at once).
fn names(message: &str, column: &str) -> bool {
    let mut quoted = message.split('\'').skip(1).step_by(2);
    quoted.any(|list| list.split(", ").any(|one| one == column))
}

/// What pages are ordered by: a column with times, and the key where these are alike; or the key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct By {
    column: Option<&'static str>,
    is_descending: bool,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    time: Option<Timestamp>,
    key: i64,
}

impl By {
    pub(super) const KEY: Self = Self::key(Order::OldestFirst);

    pub(super) const fn key(order: Order) -> Self {
        Self {
            column: None,
            is_descending: matches!(order, Order::NewestFirst),
        }
    }

    pub(super) const fn start(order: Order) -> Self {
        Self {
            column: Some(START),
            is_descending: matches!(order, Order::NewestFirst),
        }
    }

    /// The one that was ended last first.
    pub(super) const fn ending() -> Self {
        Self {
            column: Some(ENDED_AT),
            is_descending: true,
        }
    }

    fn sort(self, query: Query) -> Query {
        let columns = self.column.into_iter().chain([KEY]);
        columns.fold(query, |query, column| {
            if self.is_descending {
                query.descending(column)
            } else {
                query.ascending(column)
            }
        })
    }

    /// Where a row stands; `None` where its cell is no time to the second, or its key no number.
    fn place(self, record: &Record) -> Option<Place> {
        let time = match self.column {
            Some(column) => {
                let cell = record.fields.get(column).and_then(Value::as_str)?;
                Some(time(cell)?)
            }
            None => None,
        };
        let key = record.id.number()?;
        Some(Place { time, key })
    }

    fn place_of(self, after: &After) -> Option<Place> {
        let time = match self.column {
            Some(_) => Some(time(after.cell.as_deref()?)?),
            None => None,
        };
        let key = after.id.as_str().parse().ok()?;
        Some(Place { time, key })
    }

    /// What stands behind that place.
    fn behind(self, place: Place) -> Filter {
        let Place { time, key } = place;
        let (Some(column), Some(time)) = (self.column, time) else {
            return if self.is_descending {
                Filter::lt(KEY, key)
            } else {
                Filter::gt(KEY, key)
            };
        };
        let (second, next) = (time.to_jiff(), time.plus(1).to_jiff());
        if self.is_descending {
            let below = Filter::before(column, second).or(Filter::lt(KEY, key));
            Filter::before(column, next).and(below)
        } else {
            let above = Filter::at_or_after(column, next).or(Filter::gt(KEY, key));
            Filter::at_or_after(column, second).and(above)
        }
    }

    fn is_behind(self, place: Place, other: Place) -> bool {
        if self.is_descending {
            place < other
        } else {
            place > other
        }
    }
}

/// A day alone says nothing of where in it a row stands.
fn time(cell: &str) -> Option<Timestamp> {
    let has_time = cell.contains(':');
    has_time.then(|| cell.parse().ok()).flatten()
}

const fn unreadable() -> Error {
    Error::Unreadable(Unreadable::WrongShape)
}

impl NocoDbStore {
    /// One page of rows, those that end everything included.
    ///
    /// # Errors
    /// [`Error`]; also [`Unreadable::WrongShape`] where the server gives rows that were not asked for,
    /// since then nobody knows what it keeps back.
    pub(super) async fn page(
        &self,
        filter: Option<Filter>,
        by: By,
        size: u16,
        columns: &[&'static str],
        after: Option<&After>,
    ) -> Result<SessionPage, Error> {
        let key_alone = By { column: None, ..by };
        let mut by = match after {
            // A cursor says which of the two orders its listing has.
            Some(After { cell: None, .. }) => key_alone,
            None if self.times_are_odd.load(Ordering::Relaxed) => key_alone,
            _ => by,
        };
        let place = match after {
            Some(after) => Some(by.place_of(after).ok_or_else(unreadable)?),
            None => None,
        };
        let mut page = self
            .ordered(filter.as_ref(), by, place, size, columns)
            .await?;
        if by.column.is_some() && page.records.iter().any(|one| by.place(one).is_none()) {
            // Days, or what is no time at all: where such a row stands, only its key says.
            self.times_are_odd.store(true, Ordering::Relaxed);
            if after.is_some() {
                return Err(unreadable());
            }
            by = key_alone;
            page = self
                .ordered(filter.as_ref(), by, place, size, columns)
                .await?;
        }
        for record in &page.records {
            let stands = by.place(record).ok_or_else(unreadable)?;
            if place.is_some_and(|place| !by.is_behind(stands, place)) {
                return Err(unreadable());
            }
        }
        let last = page.records.last().filter(|_| page.has_more);
        let rest = last.map(|record| After {
            cell: by.column.and_then(|column| {
                let cell = record.fields.get(column).and_then(Value::as_str);
                cell.map(str::to_owned)
            }),
            id: id_of(record),
        });
        let visits = page.records.iter().filter(|record| has_time(record));
        Ok(SessionPage {
            sessions: visits.map(session).collect(),
            rest,
            ..SessionPage::default()
        })
    }

    async fn ordered(
        &self,
        filter: Option<&Filter>,
        by: By,
        place: Option<Place>,
        size: u16,
        columns: &[&'static str],
    ) -> Result<Page, Error> {
        let behind = place.map(|place| by.behind(place));
        let filter = match (behind, filter.cloned()) {
            (Some(behind), Some(filter)) => Some(behind.and(filter)),
            (behind, filter) => behind.or(filter),
        };
        let query = by.sort(Query::new()).page_size(size.into());
        let query = match filter {
            Some(filter) => query.filter(filter),
            None => query,
        };
        self.naming(query, columns).await
    }

    /// The first rows, by those of these columns that the table has.
    async fn naming(&self, query: Query, columns: &[&'static str]) -> Result<Page, Error> {
        let mut named = self.columns.of(columns);
        loop {
            match self
                .table
                .list(&query.clone().fields(named.iter().copied()))
                .await
            {
                Err(error) => {
                    let missing = named.iter().position(|column| lacks_field(&error, column));
                    // Where none is left to be named, all would come.
                    let Some(missing) = missing.filter(|_| named.len() > 1) else {
                        return Err(error);
                    };
                    self.columns.lack(named.remove(missing));
                }
                page => return page,
            }
        }
    }

    /// Rows by their ids, as many as one question brings.
    ///
    /// # Errors
    /// As for [`page`](Self::page), and [`StoreError::Column`]: what is written to a column that is not
    /// there is dropped without an error, and would count as written.
    pub(super) async fn by_ids(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        // What cannot be an id names no row.
        let ids: Vec<crate::nocodb::RecordId> = ids
            .iter()
            .filter_map(|id| id.as_str().parse().ok())
            .collect();
        let (mut asked, mut later) = ids.split_at(that_fit(&ids));
        let mut rows = Rows::default();
        let page = loop {
            if asked.is_empty() {
                return Ok(rows);
            }
            let size = u32::try_from(asked.len()).unwrap_or(u32::MAX);
            let query = Query::new().filter(Filter::ids(KEY, asked)).page_size(size);
            match self.naming(query, &WHOLE).await {
                Err(Error::Unreadable(Unreadable::TooLarge)) => {
                    // One of them is, alone.
                    if let [one] = asked {
                        rows.too_large.push(RecordId::new(one.as_str()));
                        break Page {
                            records: Vec::new(),
                            has_more: false,
                        };
                    }
                    asked = &ids[..asked.len() / 2];
                    later = &ids[asked.len()..];
                }
                page => break page?,
            }
        };
        let found: HashSet<_> = page.records.iter().map(|record| &record.id).collect();
        // A server that drops the condition must not have others changed, nor these counted as gone.
        if found.iter().any(|id| !asked.contains(id)) {
            return Err(unreadable().into());
        }
        for record in &page.records {
            missing(record, &[EMAIL, START, LAST_SEEN])?;
        }
        let left = asked
            .iter()
            .filter(|id| page.has_more && !found.contains(id));
        let left = left.chain(later);
        rows.left = left.map(|id| RecordId::new(id.as_str())).collect();
        let visits = page.records.iter();
        let visits = visits.filter(|record| has_time(record) && !is_everyone(record));
        rows.found = visits.map(session).collect();
        Ok(rows)
    }
}

/// How many of these ids one question holds.
fn that_fit(ids: &[crate::nocodb::RecordId]) -> usize {
    let mut bytes = 0;
    let fit = ids.iter().take_while(|id| {
        bytes += id.as_str().len() + COMMA_BYTES;
        bytes <= MOST_ID_BYTES
    });
    fit.count().min(1_000)
}

fn lacks_field(error: &Error, column: &str) -> bool {
    matches!(error, Error::Refused { code, .. } if code == "FIELD_NOT_FOUND")
        && lacks(error, column)
}
