//! The columns a table has against those it should have.

use shared::nocodb::Field;
use shared::store::columns::{ALL, Column, START};

use crate::terminal::printable;

/// How one column stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There, and able to hold what is written.
    Present,
    /// Not there.
    Missing,
    /// There with a type that cannot hold what is written.
    WrongType(String),
    /// Not there, but another one that differs in upper and lower case, which the database below
    /// may take for the same.
    OtherCase(String),
}

/// All columns, in the order of [`ALL`].
pub(crate) fn check(fields: &[Field]) -> Vec<(Column, State)> {
    ALL.into_iter()
        .map(|column| (column, state(&column, fields)))
        .collect()
}

fn state(column: &Column, fields: &[Field]) -> State {
    let exact = fields.iter().find(|field| field.title == column.title);
    let similar = || {
        fields
            .iter()
            .find(|field| field.title.trim().eq_ignore_ascii_case(column.title))
    };
    match (exact, similar()) {
        (Some(field), _) if holds(&field.kind, column.kind) => State::Present,
        (Some(field), _) => State::WrongType(field.kind.clone()),
        (None, Some(field)) => State::OtherCase(field.title.clone()),
        (None, None) => State::Missing,
    }
}

/// Whether a column of one type holds what is written for another one and gives it back. Measured
/// on 0.265.1, where a choice takes no word that is not among its options.
fn holds(kind: &str, wanted: &str) -> bool {
    kind == wanted
        || match wanted {
            "Email" => matches!(kind, "SingleLineText" | "LongText"),
            // Figures by page are sent as text.
            "SingleLineText" | "JSON" => kind == "LongText",
            "Number" => matches!(kind, "Decimal" | "Duration"),
            _ => false,
        }
}

/// What only the owner can put right, and how.
pub(crate) fn problem(column: &Column, state: &State) -> Option<String> {
    let Column { title, kind, .. } = column;
    match state {
        State::Present | State::Missing => None,
        State::WrongType(found) => {
            let costs = if *title == START && found == "Date" {
                ", so that sessions of one day are not told apart"
            } else {
                ""
            };
            Some(format!(
                "{title} has the type {found} instead of {kind}{costs}: change its type in NocoDB, \
                 or give the column another name and run `lastseen setup` again"
            ))
        }
        State::OtherCase(found) => Some(format!(
            "{} must be spelt {title}: rename it in NocoDB",
            printable(found)
        )),
    }
}

/// A table without a key has no way to say which row to change: on 0.265.1 changing one changes
/// them all. Tables made through NocoDB's older API can lack one.
pub(crate) fn missing_key(fields: &[Field]) -> Option<String> {
    let has_key = fields.iter().any(|field| field.kind == "ID");
    (!has_key).then(|| {
        "it has no column of the type ID, so its rows cannot be told apart: give it another \
         name, and `lastseen setup` makes a new table"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Vec<Field> {
        let field = |(title, kind): &(&str, &str)| Field {
            id: String::new(),
            title: (*title).to_owned(),
            kind: (*kind).to_owned(),
        };
        of.iter().map(field).collect()
    }

    #[test]
    fn a_type_that_holds_what_is_written_is_as_good() {
        for (title, kind, good) in [
            ("emailOfAccessor", "Email", true),
            ("emailOfAccessor", "SingleLineText", true),
            ("emailOfAccessor", "Number", false),
            ("sessionStartTime", "DateTime", true),
            ("sessionStartTime", "Date", false),
            ("sessionStartTime", "SingleLineText", false),
            ("endReason", "LongText", true),
            ("endReason", "SingleSelect", false),
            ("activeSeconds", "Decimal", true),
            ("activeSeconds", "SingleLineText", false),
            ("pages", "LongText", true),
            ("pages", "Number", false),
        ] {
            let states = check(&fields(&[(title, kind)]));
            let state = &states
                .iter()
                .find(|(column, _)| column.title == title)
                .unwrap()
                .1;
            let expected = if good {
                State::Present
            } else {
                State::WrongType(kind.to_owned())
            };
            assert_eq!(*state, expected, "{title} as {kind}");
        }
    }

    #[test]
    fn what_is_not_there_is_missing_and_no_problem() {
        let states = check(&[]);
        assert_eq!(states.len(), ALL.len());
        assert!(states.iter().all(|(column, state)| *state == State::Missing && problem(column, state).is_none()));
    }

    #[test]
    fn a_start_without_a_time_costs_what_tells_sessions_apart() {
        let states = check(&fields(&[("sessionStartTime", "Date")]));
        let (column, state) = &states[1];
        let problem = problem(column, state).unwrap();
        assert!(
            problem.contains("sessions of one day are not told apart"),
            "{problem}"
        );
    }

    #[test]
    fn another_spelling_is_named() {
        let states = check(&fields(&[("EndReason", "SingleLineText")]));
        let (column, state) = &states[3];
        assert_eq!(*state, State::OtherCase("EndReason".to_owned()));
        assert!(
            problem(column, state)
                .unwrap()
                .contains("must be spelt endReason")
        );
    }

    #[test]
    fn a_table_without_a_key_is_a_problem() {
        assert!(missing_key(&fields(&[("emailOfAccessor", "Email")])).is_some());
        assert!(missing_key(&fields(&[("Id", "ID")])).is_none());
    }
}
