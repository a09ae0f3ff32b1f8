//! Writing into a table whose columns may not be what they were: a column that refuses a value costs
//! that value, and never the rest of the write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::nocodb::Error;
use crate::store::columns::{
    ACTIVE_SECONDS, ALL, CONSENT, CURRENT_PAGE, END_REASON, ENDED_AT, LAST_SEEN, PAGES,
};

/// For how long a column that refused a value is not written to.
const REFUSAL_AGE: Duration = Duration::from_mins(1);

/// Columns whose values are as good as any other of theirs: one that refuses one refuses all.
const ALIKE: [&str; 5] = [ACTIVE_SECONDS, CURRENT_PAGE, PAGES, CONSENT, ENDED_AT];

/// What a heartbeat, an ending or what waited of both may leave out.
pub(super) const OF_A_VISIT: [&str; 6] = [
    LAST_SEEN,
    ACTIVE_SECONDS,
    CURRENT_PAGE,
    PAGES,
    END_REASON,
    ENDED_AT,
];

/// Cells of one row.
pub(super) type Cells = Map<String, Value>;

/// Columns that refused a value a moment ago.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<&'static str, Instant>>);

/// Cells of some rows on their way, less those that their columns refuse.
pub(super) struct Attempt {
    /// What is to be sent.
    pub(super) rows: Vec<Cells>,
    /// Columns whose values were left out.
    pub(super) left_out: Vec<&'static str>,
    may_lack: &'static [&'static str],
}

impl Attempt {
    fn leave_out(&mut self, column: &'static str) {
        if remove(&mut self.rows, column) {
            self.left_out.push(column);
        }
    }
}

impl Refusals {
    /// Begins with what is known to be refused left out. Only columns that `may_lack` names ever are.
    pub(super) fn attempt(&self, rows: Vec<Cells>, may_lack: &'static [&'static str]) -> Attempt {
        let mut attempt = Attempt {
            rows,
            left_out: Vec::new(),
            may_lack,
        };
        for column in self.refusing() {
            if may_lack.contains(&column) {
                attempt.leave_out(column);
            }
        }
        attempt
    }

    /// After an error: what the columns refuse is left out, to be sent again.
    ///
    /// # Errors
    /// The same one, where it is no refusal, or no column can be blamed for it.
    pub(super) fn after(&self, error: Error, attempt: &mut Attempt) -> Result<(), Error> {
        let Error::Refused { message, .. } = &error else {
            return Err(error);
        };
        let rows = &attempt.rows;
        let is_written = |column: &&'static str| rows.iter().any(|row| row.contains_key(*column));
        let candidates = attempt.may_lack.iter().copied().filter(is_written);
        let blamed: Vec<_> = match named(message.reveal()) {
            Some(column) => candidates.filter(|known| *known == column).collect(),
            // Nobody says which: what can be done without is tried without.
            None => candidates.filter(|column| ALIKE.contains(column)).collect(),
        };
        if blamed.is_empty() {
            return Err(error);
        }
        if let [column] = blamed[..] {
            self.note(column);
        }
        for column in blamed {
            attempt.leave_out(column);
        }
        Ok(())
    }

    fn refusing(&self) -> Vec<&'static str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < REFUSAL_AGE);
        known.keys().copied().collect()
    }

    /// Says so, once in [`REFUSAL_AGE`].
    fn note(&self, column: &'static str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = known
            .get(column)
            .is_none_or(|since| since.elapsed() >= REFUSAL_AGE);
        if ALIKE.contains(&column) {
            known.insert(column, Instant::now());
        }
        drop(known);
        if is_old {
            tracing::error!(
                column,
                "the table's column refuses what is written, and goes without it; `lastseen doctor` names the type it has to have"
            );
        }
    }
}

/// Removes a column from rows; the moment of an ending goes with its reason. Whether it was there.
fn remove(rows: &mut [Cells], column: &'static str) -> bool {
    let mut was_there = false;
    for row in rows {
        let is_reason = row.remove(column).is_some();
        was_there |= is_reason;
        if is_reason && column == END_REASON {
            row.remove(ENDED_AT);
        }
    }
    was_there
}

/// The column that a refusal blames: the last one that it names, since it quotes values before
/// (`Invalid value 'x' for type 'Number' on column 'pages'`, `Invalid option(s) "x" provided for
/// column "endReason"`; measured on 0.265.1).
fn named(message: &str) -> Option<&'static str> {
    let place = |column: &str| {
        ['\'', '"', '`']
            .into_iter()
            .filter_map(|quote| message.rfind(&format!("column {quote}{column}{quote}")))
            .max()
    };
    let named = ALL
        .iter()
        .filter_map(|column| Some((place(column.title)?, column.title)));
    named.max().map(|(_, column)| column)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: &Value) -> Cells {
        value.as_object().unwrap().clone()
    }

    fn refused(message: &str) -> Error {
        let body = json!({"error": "INVALID_VALUE_FOR_FIELD", "message": message}).to_string();
        Error::from_answer(
            http::StatusCode::UNPROCESSABLE_ENTITY,
            &http::HeaderMap::new(),
            body.as_bytes(),
        )
    }

    /// What was left out and sent, to a table whose columns of these names refuse everything.
    fn written(
        refusals: &Refusals,
        refusing: &[&str],
        cells: &Value,
    ) -> (Vec<&'static str>, Vec<Cells>) {
        let mut sent = Vec::new();
        let mut attempt = refusals.attempt(vec![row(cells)], &OF_A_VISIT);
        loop {
            sent.push(attempt.rows[0].clone());
            let mut refusing = refusing.iter();
            let Some(column) = refusing.find(|column| attempt.rows[0].contains_key(**column))
            else {
                return (attempt.left_out, sent);
            };
            let error = refused(&format!(
                "Invalid value 'on column 'pages'' for type 'Number' on column '{column}'"
            ));
            refusals.after(error, &mut attempt).unwrap();
        }
    }

    #[test]
    fn what_a_column_refuses_is_left_out_and_the_rest_is_written() {
        let cells = json!({LAST_SEEN: "t", ACTIVE_SECONDS: 5, CURRENT_PAGE: "/a/", END_REASON: "logout", ENDED_AT: "t"});
        for (refusing, rest) in [
            (
                &[CURRENT_PAGE][..],
                json!({LAST_SEEN: "t", ACTIVE_SECONDS: 5, END_REASON: "logout", ENDED_AT: "t"}),
            ),
            (
                &[END_REASON],
                json!({LAST_SEEN: "t", ACTIVE_SECONDS: 5, CURRENT_PAGE: "/a/"}),
            ),
            (
                &[ENDED_AT],
                json!({LAST_SEEN: "t", ACTIVE_SECONDS: 5, CURRENT_PAGE: "/a/", END_REASON: "logout"}),
            ),
            (
                &[LAST_SEEN, ACTIVE_SECONDS],
                json!({CURRENT_PAGE: "/a/", END_REASON: "logout", ENDED_AT: "t"}),
            ),
        ] {
            let (left_out, sent) = written(&Refusals::default(), refusing, &cells);
            assert_eq!(left_out, refusing);
            assert_eq!(sent.last().unwrap(), &row(&rest));
        }
    }

    #[test]
    fn a_column_that_refused_is_not_tried_at_each_write_unless_it_holds_endings() {
        let refusals = Refusals::default();
        let cells = json!({LAST_SEEN: "t", CURRENT_PAGE: "/a/", END_REASON: "logout"});
        let refusing = [CURRENT_PAGE, END_REASON];
        let (_, sent) = written(&refusals, &refusing, &cells);
        assert_eq!(sent.len(), 3);
        let (left_out, sent) = written(&refusals, &refusing, &cells);
        assert_eq!(left_out, refusing);
        assert_eq!(sent.len(), 2, "an ending is tried each time");
    }

    #[test]
    fn a_refusal_that_blames_nobody_costs_what_can_be_done_without() {
        let cells = row(&json!({LAST_SEEN: "t", PAGES: "{}", END_REASON: "logout"}));
        let refusals = Refusals::default();
        let mut attempt = refusals.attempt(vec![cells], &OF_A_VISIT);
        let error = || refused("value too long for type character varying(255)");
        refusals.after(error(), &mut attempt).unwrap();
        assert_eq!(attempt.left_out, [PAGES]);
        let again = refusals.after(error(), &mut attempt);
        assert!(matches!(again, Err(Error::Refused { .. })));
    }

    #[test]
    fn what_a_row_cannot_do_without_is_never_left_out() {
        let cells = row(&json!({LAST_SEEN: "t", CONSENT: "2026-11"}));
        let refusals = Refusals::default();
        let mut attempt = refusals.attempt(vec![cells], &[CONSENT]);
        let error = refused("Invalid value 't' for type 'Number' on column 'sessionEndTime'");
        assert!(refusals.after(error, &mut attempt).is_err());
    }

    #[test]
    fn a_value_that_quotes_a_column_blames_no_other_one() {
        let message =
            "Invalid value '/x' on column 'endReason'' for type 'Number' on column 'currentPage'";
        assert_eq!(named(message), Some(CURRENT_PAGE));
        let message = "Invalid option(s) \"logout\" provided for column \"endReason\". Valid options are \"a\"";
        assert_eq!(named(message), Some(END_REASON));
        assert_eq!(named("a row is not there"), None);
    }
}
