//! Cells as an owner may have left them: what cannot be read counts as empty, in both stores alike,
//! and is said once.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::columns::{
    ACTIVE_SECONDS, CURRENT_PAGE, EMAIL, END_REASON, ENDED_AT, LAST_SEEN, PAGES, START,
};
use super::start_of;
use crate::session::{EndReason, PageFigures, Pages, RecordId, Session};
use crate::timestamp::Timestamp;

/// Longest visit that a cell can tell of, in seconds: 400 days, as in a snapshot. Sums of larger
/// numbers would overflow.
const MAX_SECONDS: u64 = 400 * 86_400;

/// Cells that are remembered as unreadable. Further ones still count as empty.
const MAX_REMEMBERED: usize = 1_000;

/// One cell, as a store gave it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// NULL, or no such column.
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// A yes or no.
    Flag(bool),
    /// An object or a list.
    Json(Cow<'a, Value>),
    /// Bytes that are no text.
    Bytes,
}

impl<'a> Cell<'a> {
    #[expect(clippy::cast_precision_loss, reason = "only small numbers are read")]
    pub(super) fn from_json(value: Option<&'a Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Empty,
            Some(Value::String(text)) => Self::Text(Cow::Borrowed(text)),
            Some(Value::Bool(flag)) => Self::Flag(*flag),
            Some(Value::Number(number)) => {
                let whole = number.as_i64().map(|number| number as f64);
                Self::Number(whole.or_else(|| number.as_f64()).unwrap_or(f64::NAN))
            }
            Some(value) => Self::Json(Cow::Borrowed(value)),
        }
    }

    #[cfg(feature = "sqlite")]
    #[expect(clippy::cast_precision_loss, reason = "only small numbers are read")]
    pub(super) fn from_sqlite(value: rusqlite::types::ValueRef<'a>) -> Self {
        use rusqlite::types::ValueRef;
        match value {
            ValueRef::Null => Self::Empty,
            ValueRef::Integer(number) => Self::Number(number as f64),
            ValueRef::Real(number) => Self::Number(number),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(Cow::Borrowed(text)),
                Err(_) => Self::Bytes,
            },
        }
    }

    fn is_blank(&self) -> bool {
        match self {
            Self::Empty | Self::Flag(false) => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Json(value) => value.as_array().is_some_and(Vec::is_empty),
            Self::Number(_) | Self::Flag(true) | Self::Bytes => false,
        }
    }
}

/// A cell says something that is not what its column is for.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

/// The row that these cells make: an unreadable one counts as empty, and a missing time as the other
/// one.
pub(super) fn session<'a>(id: RecordId, cell: impl Fn(&'static str) -> Cell<'a>) -> Session {
    let reader = Reader { id: &id, cell };
    let start = reader.read(START, start);
    let last_seen = reader.read(LAST_SEEN, time);
    let start_is_day = start.is_some_and(|(_, is_day)| is_day);
    let start = start.map(|(start, _)| start).or(last_seen);
    let start = start.unwrap_or(Timestamp::from_unix(0));
    Session {
        email: reader.read(EMAIL, text).unwrap_or_default(),
        start,
        start_is_day,
        last_seen: last_seen.unwrap_or(start),
        end_reason: end_reason(&(reader.cell)(END_REASON)),
        ended_at: reader.read(ENDED_AT, time),
        active_seconds: reader.read(ACTIVE_SECONDS, seconds),
        current_page: reader.read(CURRENT_PAGE, text),
        pages: reader.pages(),
        id,
    }
}

struct Reader<'r, F> {
    id: &'r RecordId,
    cell: F,
}

impl<'a, F: Fn(&'static str) -> Cell<'a>> Reader<'_, F> {
    fn read<T>(
        &self,
        column: &'static str,
        read: impl Fn(&Cell<'_>) -> Result<Option<T>, Unreadable>,
    ) -> Option<T> {
        read(&(self.cell)(column)).unwrap_or_else(|Unreadable| {
            remember(self.id, column);
            None
        })
    }

    /// What can be read of the figures by page.
    fn pages(&self) -> Pages {
        let (pages, is_whole) = pages(&(self.cell)(PAGES));
        if !is_whole {
            remember(self.id, PAGES);
        }
        pages
    }
}

fn text(cell: &Cell<'_>) -> Result<Option<String>, Unreadable> {
    match cell {
        Cell::Empty => Ok(None),
        Cell::Text(text) => Ok(Some(text.clone().into_owned())),
        Cell::Number(number) => Ok(Some(number.to_string())),
        Cell::Flag(_) | Cell::Json(_) | Cell::Bytes => Err(Unreadable),
    }
}

fn time(cell: &Cell<'_>) -> Result<Option<Timestamp>, Unreadable> {
    match cell {
        cell if cell.is_blank() => Ok(None),
        Cell::Text(text) => text.parse().map(Some).map_err(|_| Unreadable),
        _ => Err(Unreadable),
    }
}

/// A start, and whether it is a day without a time.
fn start(cell: &Cell<'_>) -> Result<Option<(Timestamp, bool)>, Unreadable> {
    match cell {
        cell if cell.is_blank() => Ok(None),
        Cell::Text(text) => start_of(text).map(Some).ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}

/// Anything that stands there ends the session: the owner's word wins over the column's type.
fn end_reason(cell: &Cell<'_>) -> Option<EndReason> {
    match cell {
        cell if cell.is_blank() => None,
        Cell::Text(word) => EndReason::from_cell(word),
        _ => Some(EndReason::Revoked),
    }
}

/// A number, also as text; a part of a second is dropped.
fn seconds(cell: &Cell<'_>) -> Result<Option<u64>, Unreadable> {
    match cell {
        cell if cell.is_blank() => Ok(None),
        Cell::Number(number) => whole(*number).map(Some).ok_or(Unreadable),
        Cell::Text(text) => {
            let number = text.trim().parse().ok();
            number.and_then(whole).map(Some).ok_or(Unreadable)
        }
        _ => Err(Unreadable),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "in a range that f64 holds exactly"
)]
fn whole(number: f64) -> Option<u64> {
    (0.0..=MAX_SECONDS as f64)
        .contains(&number)
        .then_some(number as u64)
}

/// Figures by page, and whether all that stands there is: an entry that is none is left out.
fn pages(cell: &Cell<'_>) -> (Pages, bool) {
    let parsed;
    let value = match cell {
        cell if cell.is_blank() => return (Pages::new(), true),
        Cell::Json(value) => value.as_ref(),
        Cell::Text(text) => match serde_json::from_str(text) {
            Ok(Value::Null) => return (Pages::new(), true),
            Ok(value) => {
                parsed = value;
                &parsed
            }
            Err(_) => return (Pages::new(), false),
        },
        _ => return (Pages::new(), false),
    };
    let Some(by_path) = value.as_object() else {
        return (Pages::new(), false);
    };
    let read = |(path, figures): (&String, &Value)| {
        let figures = page_figures(figures.as_object()?)?;
        Some((path.clone(), figures))
    };
    let pages: Pages = by_path.iter().filter_map(read).collect();
    let is_whole = pages.len() == by_path.len();
    (pages, is_whole)
}

fn page_figures(figures: &Map<String, Value>) -> Option<PageFigures> {
    let number = |name: &str| {
        let read = seconds(&Cell::from_json(figures.get(name)));
        read.ok().map(Option::unwrap_or_default)
    };
    Some(PageFigures {
        seconds: number("seconds")?,
        scroll: u8::try_from(number("scroll")?.min(100)).ok()?,
    })
}

static UNREADABLE: Mutex<BTreeSet<(RecordId, &'static str)>> = Mutex::new(BTreeSet::new());

fn unreadable() -> MutexGuard<'static, BTreeSet<(RecordId, &'static str)>> {
    UNREADABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Warns of a cell, once in a process. What it says may be personal, and is not repeated.
fn remember(id: &RecordId, column: &'static str) {
    let mut known = unreadable();
    let is_new = known.len() < MAX_REMEMBERED && known.insert((id.clone(), column));
    drop(known);
    if is_new {
        tracing::warn!(
            record = id.as_str(),
            column,
            "a cell cannot be read, and counts as empty"
        );
    }
}

/// Cells that this process found unreadable, by row and column: at most a thousand.
#[must_use]
pub fn found_unreadable() -> Vec<(RecordId, &'static str)> {
    unreadable().iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cells(values: &Value) -> Session {
        session(RecordId::new("7"), |column| {
            Cell::from_json(values.get(column))
        })
    }

    const START_TEXT: &str = "2026-01-02T03:04:05Z";
    const START_MOMENT: Timestamp = Timestamp::from_unix(1_767_323_045);

    /// What an owner, an import or a retyped column may leave in a cell.
    fn odd() -> Vec<Value> {
        vec![
            json!(null),
            json!(""),
            json!("   "),
            json!("about 5 min"),
            json!("2026-01-02"),
            json!("02.01.2026 03:04"),
            json!("+275760-09-13T00:00:00Z"),
            json!("0000-00-00 00:00:00"),
            json!(-5),
            json!(312.5),
            json!(1e300),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(true),
            json!(false),
            json!([]),
            json!(["a", "b"]),
            json!({}),
            json!({"/a/": 5}),
            json!("{\"/a/\": {\"seconds\": -1}}"),
            json!("[[[[[[["),
            json!("[object Object]"),
            json!("\u{0}\u{202e}"),
        ]
    }

    #[test]
    fn whatever_one_cell_holds_every_other_cell_is_read() {
        let good = json!({
            EMAIL: "ann@example.com", START: START_TEXT, LAST_SEEN: "2026-01-02 03:05:05+00:00",
            END_REASON: "logout", ENDED_AT: "2026-01-02T03:05:05Z", ACTIVE_SECONDS: 40,
            CURRENT_PAGE: "/a/", PAGES: {"/a/": {"seconds": 40, "scroll": 5}},
        });
        let whole = cells(&good);
        for column in [
            EMAIL,
            START,
            LAST_SEEN,
            END_REASON,
            ENDED_AT,
            ACTIVE_SECONDS,
            CURRENT_PAGE,
            PAGES,
        ] {
            for value in odd() {
                let mut one = good.clone();
                one[column] = value.clone();
                let mut read = cells(&one);
                match column {
                    EMAIL => read.email.clone_from(&whole.email),
                    START => {
                        read.start = whole.start;
                        read.start_is_day = whole.start_is_day;
                    }
                    LAST_SEEN => read.last_seen = whole.last_seen,
                    END_REASON => read.end_reason = whole.end_reason,
                    ENDED_AT => read.ended_at = whole.ended_at,
                    ACTIVE_SECONDS => read.active_seconds = whole.active_seconds,
                    CURRENT_PAGE => read.current_page.clone_from(&whole.current_page),
                    _ => read.pages.clone_from(&whole.pages),
                }
                assert_eq!(read, whole, "{column}: {value}");
            }
        }
    }

    #[test]
    fn seconds_are_read_from_numbers_and_their_text_and_nothing_else() {
        let active = |value: Value| cells(&json!({ACTIVE_SECONDS: value})).active_seconds;
        for (value, expected) in [
            (json!(312), Some(312)),
            (json!(312.5), Some(312)),
            (json!("312"), Some(312)),
            (json!(" 312.00 "), Some(312)),
            (json!(0), Some(0)),
            (json!("about 5 min"), None),
            (json!(-1), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!(true), None),
            (json!([312]), None),
        ] {
            assert_eq!(active(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn anything_in_the_column_for_reasons_ends_the_session_except_what_is_blank() {
        let reason = |value: Value| cells(&json!({END_REASON: value})).end_reason;
        for blank in [json!(null), json!(""), json!(" "), json!(false), json!([])] {
            assert_eq!(reason(blank.clone()), None, "{blank}");
        }
        assert_eq!(reason(json!("Logout ")), Some(EndReason::Logout));
        for word in [
            json!("enough!"),
            json!(1),
            json!(0),
            json!(true),
            json!(["idle"]),
            json!({"a": 1}),
        ] {
            assert_eq!(reason(word.clone()), Some(EndReason::Revoked), "{word}");
        }
    }

    #[test]
    fn one_page_that_cannot_be_read_costs_no_other_page() {
        let row = cells(&json!({
            START: START_TEXT,
            PAGES: "{\"/a/\": {\"seconds\": 40, \"scroll\": 400}, \"/b/\": {\"seconds\": -1}, \"/c/\": 5}",
        }));
        let figures = PageFigures {
            seconds: 40,
            scroll: 100,
        };
        assert_eq!(row.pages, Pages::from([("/a/".to_owned(), figures)]));
    }

    #[test]
    fn a_missing_time_counts_as_the_other_one() {
        let row = cells(&json!({START: START_TEXT, LAST_SEEN: "noon"}));
        assert_eq!((row.start, row.last_seen), (START_MOMENT, START_MOMENT));
        let row = cells(&json!({START: 5, LAST_SEEN: START_TEXT}));
        assert_eq!((row.start, row.last_seen), (START_MOMENT, START_MOMENT));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_row_and_column_and_what_is_blank_is_not() {
        let row =
            json!({ACTIVE_SECONDS: "about 5 min", PAGES: "{", ENDED_AT: "", START: START_TEXT});
        session(RecordId::new("named"), |column| {
            Cell::from_json(row.get(column))
        });
        let found = found_unreadable();
        let named: Vec<_> = found
            .iter()
            .filter(|(id, _)| id.as_str() == "named")
            .map(|(_, column)| *column)
            .collect();
        assert_eq!(named, [ACTIVE_SECONDS, PAGES]);
    }
}
