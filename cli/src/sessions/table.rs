//! Visits for people: a table that fits the terminal, and what they add up to.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Width};
use shared::session::Session;
use shared::timestamp::Timestamp;

use super::Output;
use crate::duration::human;
use crate::terminal::printable;

const HEADER: [&str; 8] = [
    "id",
    "email",
    "start (UTC)",
    "last seen",
    "duration",
    "active",
    "end reason",
    "page",
];
/// The columns that hold figures.
const FIGURES: [usize; 3] = [0, 4, 5];
/// What a narrow terminal leaves of each column: a date, hours and minutes, a word.
const NARROWEST: [u16; HEADER.len()] = [6, 14, 10, 10, 10, 10, 7, 10];
/// Below this width, columns stand closer.
const WIDE: u16 = 100;
/// Minutes are what people read; programs get the seconds.
const MOMENT: &str = "%Y-%m-%d %H:%M";
/// More durations than this in a sum tell nobody anything.
const MAX_TERMS: usize = 6;

pub(super) struct Table<W> {
    out: W,
    email: Option<String>,
    rows: Vec<[String; HEADER.len()]>,
    total: Total,
}

impl<W: Write> Table<W> {
    /// A table of all visits, or of one visitor's.
    pub(super) fn new(out: W, email: Option<String>) -> Self {
        Self {
            out,
            email,
            rows: Vec::new(),
            total: Total::default(),
        }
    }
}

impl<W: Write> Output for Table<W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        for session in sessions {
            self.total.add(session.duration_seconds());
            self.rows.push(row(session));
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            match &self.email {
                Some(email) => writeln!(
                    self.out,
                    "No visits of {email} yet. Without --email, all visits are listed."
                )?,
                None => writeln!(
                    self.out,
                    "No visits yet. One begins when a visitor leaves an email at the gate: try \
                     it yourself with `lastseen serve`."
                )?,
            }
        } else {
            let rows = std::mem::take(&mut self.rows);
            writeln!(self.out, "{}\n\n{}", drawn(rows), self.total.line())?;
        }
        self.out.flush()
    }
}

fn row(session: &Session) -> [String; HEADER.len()] {
    [
        printable(session.id.as_str()),
        printable(&session.email),
        session.start.to_jiff().strftime(MOMENT).to_string(),
        last_seen(session.start, session.last_seen),
        human(session.duration_seconds()),
        session.active_seconds.map(human).unwrap_or_default(),
        session
            .end_reason
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
        printable(session.current_page.as_deref().unwrap_or_default()),
    ]
}

/// The date is said only where it is another one.
fn last_seen(start: Timestamp, last_seen: Timestamp) -> String {
    let date = |moment: Timestamp| moment.to_jiff().strftime("%Y-%m-%d").to_string();
    let format = if date(start) == date(last_seen) {
        "%H:%M"
    } else {
        MOMENT
    };
    last_seen.to_jiff().strftime(format).to_string()
}

fn drawn(rows: Vec<[String; HEADER.len()]>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(HEADER).add_rows(rows);
    let mut space = 2;
    if table.is_tty() {
        // The line under the header also takes one between columns.
        space = u16::from(table.width().is_some_and(|width| width >= WIDE));
        table.style_mut().header_separator = LineStyle::none().fill('─').junction('─');
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let widths = table.column_max_content_widths();
        for (index, column) in table.column_iter_mut().enumerate() {
            let least = Width::Fixed(widths[index].min(NARROWEST[index]) + space);
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, space));
        if FIGURES.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// How many visits, and how long together.
#[derive(Default)]
struct Total {
    visits: u64,
    seconds: u64,
    /// The durations that count, as long as they fit a line.
    terms: Vec<u64>,
}

impl Total {
    fn add(&mut self, seconds: u64) {
        self.visits += 1;
        self.seconds = self.seconds.saturating_add(seconds);
        if seconds > 0 && self.terms.len() <= MAX_TERMS {
            self.terms.push(seconds);
        }
    }

    /// `3 visits · 55 min in total (47 min + 8 min)`
    fn line(&self) -> String {
        let visits = if self.visits == 1 { "visit" } else { "visits" };
        let line = format!(
            "{} {visits} · {} in total",
            self.visits,
            human(self.seconds)
        );
        if (2..=MAX_TERMS).contains(&self.terms.len()) {
            let terms: Vec<String> = self.terms.iter().copied().map(human).collect();
            format!("{line} ({})", terms.join(" + "))
        } else {
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(durations: &[u64]) -> String {
        let mut total = Total::default();
        for seconds in durations {
            total.add(*seconds);
        }
        total.line()
    }

    #[test]
    fn totals_are_exact_and_show_what_they_add_up() {
        for (durations, expected) in [
            (
                &[47 * 60, 8 * 60][..],
                "2 visits · 55 min in total (47 min + 8 min)",
            ),
            (
                &[47 * 60, 0, 8 * 60],
                "3 visits · 55 min in total (47 min + 8 min)",
            ),
            (
                &[59, 59, 2],
                "3 visits · 2 min in total (59 s + 59 s + 2 s)",
            ),
            (&[47 * 60], "1 visit · 47 min in total"),
            (&[0, 5], "2 visits · 5 s in total"),
            (&[0], "1 visit · 0 s in total"),
            (
                &[60; 6],
                "6 visits · 6 min in total (1 min + 1 min + 1 min + 1 min + 1 min + 1 min)",
            ),
            (&[60; 7], "7 visits · 7 min in total"),
            (&[60; 90], "90 visits · 1 h 30 min in total"),
        ] {
            assert_eq!(line(durations), expected);
        }
    }

    #[test]
    fn the_date_of_last_seen_is_said_only_where_it_is_another() {
        let evening = Timestamp::from_unix(1_767_311_999); // 2026-01-01T23:59:59Z
        assert_eq!(last_seen(evening, evening), "23:59");
        assert_eq!(last_seen(evening, evening.plus(1)), "2026-01-02 00:00");
    }
}
