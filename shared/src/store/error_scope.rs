//! What an error of the store says about everything else: whether one row is at fault, one column, or
//! nobody can be served.

use std::fmt;

use super::StoreError;
use crate::nocodb::{self, Unreadable};

/// What is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorScope {
    /// This row, or what was to be written into it. All others can be read and written.
    Row,
    /// A column, for every row. The other columns can be read and written.
    Column,
    /// The store, for everybody: it is away, or is none of ours.
    Store,
}

/// What became of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnProblem {
    /// Deleted, or renamed: what is written there is dropped without an error.
    Missing,
    /// Of another type, which takes no such value or does not give it back.
    Refuses,
}

impl fmt::Display for ColumnProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing: give it its name back, or let `lastseen setup` add one",
            Self::Refuses => {
                "does not take what is written: `lastseen doctor` names the type it has to have"
            }
        })
    }
}

impl StoreError {
    /// What is at fault. Only [`ErrorScope::Store`] is an outage.
    #[must_use]
    pub fn scope(&self) -> ErrorScope {
        match self {
            Self::NotFound => ErrorScope::Row,
            Self::NocoDb(error) => of_nocodb(error),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(error) => of_sqlite(error),
            Self::Column { .. } => ErrorScope::Column,
            _ => ErrorScope::Store,
        }
    }
}

fn of_nocodb(error: &nocodb::Error) -> ErrorScope {
    match error {
        nocodb::Error::RecordNotFound
        | nocodb::Error::Refused { .. }
        | nocodb::Error::InvalidInput { .. }
        | nocodb::Error::Unreadable(Unreadable::TooLarge) => ErrorScope::Row,
        _ => ErrorScope::Store,
    }
}

/// A file that is locked, full, damaged or gone is everybody's; what one statement cannot take is a
/// row's.
#[cfg(feature = "sqlite")]
fn of_sqlite(error: &rusqlite::Error) -> ErrorScope {
    use rusqlite::{Error, ErrorCode};
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
                ErrorScope::Row
            }
            _ => ErrorScope::Store,
        },
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::ToSqlConversionFailure(..) => ErrorScope::Row,
        _ => ErrorScope::Store,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nocodb::Unreachable;

    #[test]
    fn what_one_row_or_value_brings_about_is_no_outage() {
        let refused = nocodb::Error::InvalidInput {
            what: "record id".to_owned(),
            why: "must be one",
        };
        for error in [
            StoreError::NotFound,
            StoreError::NocoDb(refused),
            StoreError::NocoDb(nocodb::Error::Unreadable(Unreadable::TooLarge)),
        ] {
            assert_eq!(error.scope(), ErrorScope::Row, "{error}");
        }
        let column = StoreError::Column {
            column: "sessionEndTime",
            problem: ColumnProblem::Missing,
            rows: Vec::new(),
        };
        assert_eq!(column.scope(), ErrorScope::Column);
        assert!(column.to_string().contains("sessionEndTime is missing"));
    }

    #[test]
    fn what_nobody_can_do_anything_about_is_an_outage() {
        let answers = [
            nocodb::Error::Unreadable(Unreadable::NotJson),
            nocodb::Error::Unreadable(Unreadable::WrongShape),
            nocodb::Error::BadCredentials,
            nocodb::Error::TableNotFound,
            nocodb::Error::RateLimited { retry_after: None },
            nocodb::Error::UnexpectedStatus {
                status: 503,
                retry_after: None,
            },
            nocodb::Error::Unreachable {
                how: Unreachable::Timeout,
                source: None,
            },
        ];
        let answers = answers.into_iter().map(StoreError::NocoDb);
        for error in answers.chain([StoreError::Stopped, StoreError::Away, StoreError::Busy]) {
            assert_eq!(error.scope(), ErrorScope::Store, "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_statement_that_sqlite_refuses_is_told_from_a_file_it_cannot_use() {
        use rusqlite::ffi;
        for (code, scope) in [
            (ffi::SQLITE_CONSTRAINT, ErrorScope::Row),
            (ffi::SQLITE_MISMATCH, ErrorScope::Row),
            (ffi::SQLITE_TOOBIG, ErrorScope::Row),
            (ffi::SQLITE_BUSY, ErrorScope::Store),
            (ffi::SQLITE_LOCKED, ErrorScope::Store),
            (ffi::SQLITE_FULL, ErrorScope::Store),
            (ffi::SQLITE_IOERR, ErrorScope::Store),
            (ffi::SQLITE_CORRUPT, ErrorScope::Store),
            (ffi::SQLITE_NOTADB, ErrorScope::Store),
            (ffi::SQLITE_READONLY, ErrorScope::Store),
            (ffi::SQLITE_CANTOPEN, ErrorScope::Store),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(StoreError::from(error).scope(), scope, "{code}");
        }
    }
}
