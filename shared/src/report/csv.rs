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

    /// One line: text without quotes and guarded against formulas, null as nothing, everything else as
    /// JSON.
    ///
    /// # Errors
    /// What `out` says.
    pub fn line(&mut self, cells: impl IntoIterator<Item = Value>) -> io::Result<()> {
        let cells = cells.into_iter().map(text);
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

/// What ends a cell in some spreadsheets or others, whatever stands around it: Excel splits at `;` in
/// countries that write decimals with a comma.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

fn text(cell: Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => guarded(&text),
        // In JSON it stands in texts only, and there it may be written so: it stays the same JSON. The
        // others are never written as they are.
        value => value.to_string().replace(';', "\\u003b"),
    }
}

/// Keeps a spreadsheet from reading as a formula what a visitor or an owner wrote
/// (<https://owasp.org/www-community/attacks/CSV_Injection>, full-width signs included): the whole, or
/// what follows one of [`ENDS`].
fn guarded(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len());
    let mut begins = true;
    for (index, letter) in cell.char_indices() {
        if begins && is_formula(&cell[index..]) || index == 0 && ENDS[1..].contains(&letter) {
            guarded.push('\'');
        }
        begins = ENDS.contains(&letter);
        guarded.push(letter);
    }
    guarded
}

/// Also behind blanks and quotes, which a spreadsheet may take away.
fn is_formula(text: &str) -> bool {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let hides = |letter: char| letter == '"' || letter.is_whitespace() && !ENDS.contains(&letter);
    text.trim_start_matches(hides).starts_with(SIGNS)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Csv, guarded};

    #[test]
    fn no_cell_is_a_formula() {
        for formula in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1",
        ] {
            let cell = guarded(formula);
            assert!(cell.starts_with('\''), "{formula:?}");
            assert_eq!(cell.replace('\'', ""), formula.replace('\'', ""));
        }
    }

    /// Where `;`, a tab or the end of a line ends a cell, as it does for spreadsheets in countries that
    /// write decimals with a comma.
    #[test]
    fn no_part_of_a_cell_is_a_formula() {
        for (text, guarded_text) in [
            ("/x;=cmd|' C'!A0;y", "/x;'=cmd|' C'!A0;y"),
            ("/x\t+1\r\n-1", "/x\t'+1\r\n'-1"),
            ("/x;\"=1", "/x;'\"=1"),
            ("/x; \u{a0}\"\" @A1;;=1", "/x;' \u{a0}\"\" @A1;;'=1"),
            ("/x;＝1;－1", "/x;'＝1;'－1"),
            (" \"=1", "' \"=1"),
        ] {
            assert_eq!(guarded(text), guarded_text);
        }
    }

    #[test]
    fn figures_by_page_still_read_back() {
        let pages = json!({ "/x;=cmd|' C'!A0;y": 1, "/x\t=1\n-1": "a;\\;b" });
        let mut csv = Csv::new(Vec::new());
        csv.line([json!("/y;=1"), pages.clone()]).unwrap();
        let out = csv.finish().unwrap();
        let told = String::from_utf8(out.clone()).unwrap();
        let figures = told.strip_prefix("/y;'=1,").unwrap().trim_end();
        assert!(!figures.contains([';', '\t', '\n']), "{figures}");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(out.as_slice());
        let line = reader.records().next().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line[1]).unwrap(), pages);
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
            "/a;b=c;d-e",
            "/a; b,=c",
        ] {
            assert_eq!(guarded(text), text);
        }
    }
}
