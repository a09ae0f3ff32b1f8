//! Visits for programs. Written as they come, so that a long table needs no memory.

use std::io::{self, Write};

use shared::report::csv::{self, NAMES, cells};
use shared::session::Session;

use crate::listing::Output;

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

/// Comma-separated values: a header, and a line for each visit.
pub(super) struct Csv<W: Write> {
    lines: csv::Csv<W>,
    has_header: bool,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            lines: csv::Csv::new(out),
            has_header: false,
        }
    }

    fn header(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.has_header = true;
            self.lines.header(&NAMES)?;
        }
        Ok(())
    }
}

impl<W: Write> Output for Csv<W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        self.header()?;
        for session in sessions {
            self.lines.line(cells(session))?;
        }
        self.lines.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.header()?;
        self.lines.flush()
    }
}
