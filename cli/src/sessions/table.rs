//! Visits for people: a table that fits the terminal, and what they add up to.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use shared::duration::human;
use shared::report::State;
use shared::session::Session;
use shared::timestamp::Timestamp;

use crate::filters::Question;
use crate::grid::drawn;
use crate::listing::Output;
use crate::terminal::printable;

const COLUMNS: usize = 8;
/// The columns that hold figures.
const FIGURES: [usize; 3] = [0, 4, 5];
/// What a narrow terminal leaves of each column: a date, hours and minutes, a word.
const NARROWEST: [u16; COLUMNS] = [6, 14, 10, 10, 10, 10, 7, 10];
/// Minutes are what people read; programs get the seconds.
const MOMENT: &str = "%Y-%m-%d %H:%M";
/// More durations than this in a sum tell nobody anything.
const MAX_TERMS: usize = 6;

pub(super) struct Table<'a, W> {
    out: W,
    question: &'a Question,
    rows: Vec<[String; COLUMNS]>,
    total: Total,
}

impl<'a, W: Write> Table<'a, W> {
    /// A table of the visits that are asked for, at the times of their zone.
    pub(super) fn new(out: W, question: &'a Question) -> Self {
        Self {
            out,
            question,
            rows: Vec::new(),
            total: Total::default(),
        }
    }
}

impl<W: Write> Output for Table<'_, W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        for session in sessions {
            self.total
                .add(session.duration_seconds(), session.active_seconds);
            self.rows.push(row(session, self.question));
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            writeln!(self.out, "{}", self.question.nothing_found())?;
        } else {
            let rows = std::mem::take(&mut self.rows);
            let zone = &self.question.filter.zone;
            writeln!(
                self.out,
                "{}\n\n{}",
                drawn(header(zone), rows, &FIGURES, NARROWEST),
                self.total.line()
            )?;
        }
        self.out.flush()
    }
}

fn row(session: &Session, question: &Question) -> [String; COLUMNS] {
    let zone = &question.filter.zone;
    let ending = match State::of(session, &question.limits, question.now) {
        State::Open => "open".to_owned(),
        State::Vanished => "vanished".to_owned(),
        State::Ended => session
            .end_reason
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
    };
    [
        printable(session.id.as_str()),
        printable(&session.email),
        written(session.start, zone, MOMENT),
        last_seen(session.start, session.last_seen, zone),
        human(session.duration_seconds()),
        session.active_seconds.map(human).unwrap_or_default(),
        ending,
        printable(session.current_page.as_deref().unwrap_or_default()),
    ]
}

fn written(moment: Timestamp, zone: &TimeZone, format: &str) -> String {
    let there = moment.to_jiff().to_zoned(zone.clone());
    there.strftime(format).to_string()
}

/// The date is said only where it is another one.
fn last_seen(start: Timestamp, last_seen: Timestamp, zone: &TimeZone) -> String {
    let date = |moment| written(moment, zone, "%Y-%m-%d");
    let format = if date(start) == date(last_seen) {
        "%H:%M"
    } else {
        MOMENT
    };
    written(last_seen, zone, format)
}

fn header(zone: &TimeZone) -> [String; COLUMNS] {
    let start = format!("start ({})", zone.iana_name().unwrap_or("UTC"));
    [
        "id",
        "email",
        &start,
        "last seen",
        "duration",
        "active",
        "end reason",
        "page",
    ]
    .map(str::to_owned)
}

/// How many visits, how long together, and how much of it they really looked.
#[derive(Default)]
struct Total {
    visits: u64,
    seconds: u64,
    /// The durations that count, as long as they fit a line.
    terms: Vec<u64>,
    active: u64,
    /// Visits whose active seconds are not known.
    unknown: u64,
}

impl Total {
    fn add(&mut self, seconds: u64, active: Option<u64>) {
        self.visits += 1;
        self.seconds = self.seconds.saturating_add(seconds);
        if seconds > 0 && self.terms.len() <= MAX_TERMS {
            self.terms.push(seconds);
        }
        match active {
            Some(active) => self.active = self.active.saturating_add(active),
            None => self.unknown += 1,
        }
    }

    /// `3 visits · 47 min + 8 min = 55 min in total · 41 min active`
    fn line(&self) -> String {
        let visits = if self.visits == 1 { "visit" } else { "visits" };
        let sum = if (2..=MAX_TERMS).contains(&self.terms.len()) {
            let terms: Vec<String> = self.terms.iter().copied().map(human).collect();
            format!("{} = ", terms.join(" + "))
        } else {
            String::new()
        };
        let active = match self.unknown {
            unknown if unknown == self.visits => String::new(),
            0 => format!(" · {} active", human(self.active)),
            unknown => format!(" · {} active (not known of {unknown})", human(self.active)),
        };
        format!(
            "{} {visits} · {sum}{} in total{active}",
            self.visits,
            human(self.seconds)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(durations: &[u64]) -> String {
        let mut total = Total::default();
        for seconds in durations {
            total.add(*seconds, None);
        }
        total.line()
    }

    #[test]
    fn totals_are_exact_and_show_what_they_add_up() {
        for (durations, expected) in [
            (
                &[47 * 60, 8 * 60][..],
                "2 visits · 47 min + 8 min = 55 min in total",
            ),
            (
                &[47 * 60, 0, 8 * 60],
                "3 visits · 47 min + 8 min = 55 min in total",
            ),
            (
                &[59, 59, 2],
                "3 visits · 59 s + 59 s + 2 s = 2 min in total",
            ),
            (&[47 * 60], "1 visit · 47 min in total"),
            (&[0, 5], "2 visits · 5 s in total"),
            (&[0], "1 visit · 0 s in total"),
            (
                &[60; 6],
                "6 visits · 1 min + 1 min + 1 min + 1 min + 1 min + 1 min = 6 min in total",
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
        let utc = &TimeZone::UTC;
        assert_eq!(last_seen(evening, evening, utc), "23:59");
        assert_eq!(last_seen(evening, evening.plus(1), utc), "2026-01-02 00:00");
        let berlin = &TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(last_seen(evening, evening.plus(1), berlin), "01:00");
    }

    #[test]
    fn active_time_is_added_up_as_far_as_it_is_known() {
        let mut total = Total::default();
        total.add(60, Some(50));
        assert_eq!(total.line(), "1 visit · 1 min in total · 50 s active");
        total.add(0, None);
        assert_eq!(
            total.line(),
            "2 visits · 1 min in total · 50 s active (not known of 1)"
        );
    }
}
