//! Rows, and what names them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::Error;

/// A row as the server returned it: **all** its columns, also after an update of one.
///
/// A column that the table lacks is simply not in `fields`, and writing to it was dropped without
/// an error (measured on 0.265.1 and 0.301.3); a column without a value is there as `null`. Dates
/// come back as `2026-01-02 03:04:05+00:00`: UTC, a space, whole seconds.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Record {
    /// The row's primary key.
    pub id: RecordId,
    /// Column title to value.
    pub fields: Map<String, Value>,
}

/// Shows the id and the column names, not the values: they may be personal.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("columns", &self.fields.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The first rows of what a query matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows.
    pub records: Vec<Record>,
    /// Whether more may match. `false` is proven: see [`Table::list`](super::Table::list).
    pub has_more: bool,
}

/// A row's primary key: 1 to 64 of `A-Z a-z 0-9 _ -`, so that it can be part of a URL as it is.
///
/// The server returns numbers (and, from a delete, strings) and takes either in PATCH and DELETE
/// (measured on 0.265.1 and 0.301.3); this reads both and writes strings, which keeps keys beyond
/// 2⁵³ whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a number, as NocoDB's own keys are.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<u64> for RecordId {
    fn from(id: u64) -> Self {
        Self(id.to_string())
    }
}

impl FromStr for RecordId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        identifier("record id", id).map(|id| Self(id.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrString;

        impl de::Visitor<'_> for NumberOrString {
            type Value = RecordId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a string of letters, digits, _ and -")
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<RecordId, E> {
                Ok(RecordId::from(id))
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<RecordId, E> {
                id.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrString)
    }
}

/// Checks what becomes a segment of a URL's path. `Url` would drop `..` and `.` silently, turning a
/// row's address into its table's.
pub(super) fn identifier<'a>(what: &str, id: &'a str) -> Result<&'a str, Error> {
    let fits = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits {
        Ok(id)
    } else {
        Err(Error::invalid(
            what,
            "must be 1 to 64 letters, digits, _ and -",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_id_reads_from_a_number_and_from_a_string_and_writes_as_a_string() {
        for json in ["42", "\"42\""] {
            let id: RecordId = serde_json::from_str(json).unwrap();
            assert_eq!(id.as_str(), "42");
            assert_eq!(serde_json::to_string(&id).unwrap(), "\"42\"");
        }
    }

    #[test]
    fn a_record_id_that_could_change_a_path_is_refused() {
        let long = "1".repeat(65);
        for id in [
            "",
            ".",
            "..",
            "1/2",
            "1?x",
            "1#x",
            "1%2F",
            "é",
            " 1",
            "1\n",
            long.as_str(),
        ] {
            assert!(
                matches!(id.parse::<RecordId>(), Err(Error::InvalidInput { .. })),
                "{id:?}"
            );
        }
        for json in ["-1", "1.5", "null", "\"../x\"", "[1]", "true"] {
            assert!(serde_json::from_str::<RecordId>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn debug_output_of_a_record_has_no_values() {
        let record: Record =
            serde_json::from_str(r#"{"id":1,"fields":{"email":"ada@example.com"}}"#).unwrap();
        let text = format!("{record:?}");
        assert!(text.contains("email") && !text.contains("ada"), "{text}");
    }
}
