//! Visits as comma-separated values by RFC 4180: lines end in CR LF, and no cell is a formula.

use std::io::{self, Write};

use csv::Terminator;
use serde_json::{Value, json};

use super::Visit;
use crate::session::Pages;
use crate::store::columns;

/// The names of [`cells`], in their order: those the table has for them.
pub const NAMES: [&str; 10] = [
    "id",
    columns::EMAIL,
    columns::START,
    columns::LAST_SEEN,
    columns::END_REASON,
    columns::ENDED_AT,
    columns::ACTIVE_SECONDS,
    columns::CURRENT_PAGE,
    columns::PAGES,
    "durationSeconds",
];

/// What stands under each of [`NAMES`]. Times are RFC 3339 in UTC; what is not known is null.
#[must_use]
pub fn cells(visit: &impl Visit) -> [Value; NAMES.len()] {
    let pages: Pages = visit
        .pages()
        .map(|(path, figures)| (path.to_owned(), figures))
        .collect();
    [
        json!(visit.id()),
        json!(visit.email()),
        json!(visit.start().to_string()),
        json!(visit.last_seen().to_string()),
        json!(visit.end_reason()),
        json!(visit.ended_at().map(|moment| moment.to_string())),
        json!(visit.active_seconds()),
        json!(visit.current_page()),
        json!(pages),
        json!(visit.duration_seconds()),
    ]
}

/// Writes lines of cells.
pub struct Csv<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    /// Lines go to `out`, through a buffer: see [`flush`](Self::flush).
    pub fn new(out: W) -> Self {
        Self {
            writer: csv::WriterBuilder::new()
                .terminator(Terminator::CRLF)
                .from_writer(out),
        }
    }

    /// One line of names, as they are.
    ///
    /// # Errors
    /// What `out` says.
    pub fn header(&mut self, names: &[&str]) -> io::Result<()> {
        self.writer.write_record(names).map_err(io_error)
    }

    /// One line: text without quotes, null as nothing, everything else as JSON.
    ///
    /// # Errors
    /// What `out` says.
    pub fn line(&mut self, cells: impl IntoIterator<Item = Value>) -> io::Result<()> {
        let cells = cells.into_iter().map(|cell| guarded(text(cell)));
        self.writer.write_record(cells).map_err(io_error)
    }

    /// What has been handed on so far; the buffer holds a few kilobytes more.
    #[must_use]
    pub fn out(&self) -> &W {
        self.writer.get_ref()
    }

    /// Hands on what is in the buffer, and gives back what lines went to.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(self) -> io::Result<W> {
        self.writer
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)
    }

    /// Hands on what is in the buffer.
    ///
    /// # Errors
    /// What `out` says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// `csv`'s own conversion hides what kind of error it was, and with it a closed pipe.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn text(cell: Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// Keeps a spreadsheet from reading as a formula what a visitor or an owner wrote
/// (<https://owasp.org/www-community/attacks/CSV_Injection>, full-width signs included).
fn guarded(cell: String) -> String {
    const STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if cell.starts_with(STARTS) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1",
        ] {
            let cell = guarded(formula.to_owned());
            assert!(cell.starts_with('\''), "{formula:?}");
            assert!(cell.ends_with(formula), "{formula:?}");
        }
    }

    #[test]
    fn other_cells_stay_as_they_are() {
        for text in [
            "",
            "ann@example.com",
            "2026-01-02T03:04:05Z",
            "/a=b",
            "{\"/\":{}}",
            "42",
        ] {
            assert_eq!(guarded(text.to_owned()), text);
        }
    }
}
