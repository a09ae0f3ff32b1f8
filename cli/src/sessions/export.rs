//! Visits for programs. Written as they come, so that a long table needs no memory.

use std::io::{self, Write};

use csv::Terminator;
use serde_json::Value;
use shared::session::Session;

use super::Output;
use super::row::{NAMES, cells};

/// An array of objects.
pub(super) struct Json<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> Json<W> {
    pub(super) const fn new(out: W) -> Self {
        Self {
            out,
            is_first: true,
        }
    }

    fn object(&mut self, session: &Session) -> io::Result<()> {
        self.out
            .write_all(if self.is_first { b"[\n  {" } else { b",\n  {" })?;
        self.is_first = false;
        for (index, (name, cell)) in NAMES.iter().zip(cells(session)).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // The names need no escapes, and `Value` writes JSON.
            write!(self.out, "{comma}\"{name}\": {cell}")?;
        }
        self.out.write_all(b"}")
    }
}

impl<W: Write> Output for Json<W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        sessions
            .iter()
            .try_for_each(|session| self.object(session))?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out
            .write_all(if self.is_first { b"[]\n" } else { b"\n]\n" })?;
        self.out.flush()
    }
}

/// Comma-separated values by RFC 4180: a header, and lines that end in CR LF.
pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    has_header: bool,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W) -> Self {
        let writer = csv::WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(out);
        Self {
            writer,
            has_header: false,
        }
    }

    fn header(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.has_header = true;
            self.writer.write_record(NAMES).map_err(io_error)?;
        }
        Ok(())
    }
}

impl<W: Write> Output for Csv<W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        self.header()?;
        for session in sessions {
            let cells = cells(session).map(|cell| guarded(text(cell)));
            self.writer.write_record(cells).map_err(io_error)?;
        }
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.header()?;
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
