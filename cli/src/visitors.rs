//! `lastseen visitors`: what the visits of each visitor add up to.

use std::io::{self, BufWriter, Write};

use jiff::tz::TimeZone;
use shared::duration::human;
use shared::report::answers::VisitorItem;
use shared::report::csv::Csv;
use shared::report::row::{Row, Texts};
use shared::report::visitors::{NAMES, Sort, by_visitor, cells};
use shared::session::Session;
use shared::settings::Variables;
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::filters::{Filters, Question};
use crate::grid::drawn;
use crate::listing::{Form, Output, show};
use crate::terminal::printable;

const COLUMNS: usize = 8;
/// The columns that hold figures.
const FIGURES: [usize; 5] = [1, 4, 5, 6, 7];
/// What a narrow terminal leaves of each column.
const NARROWEST: [u16; COLUMNS] = [14, 6, 10, 10, 10, 10, 10, 5];
/// Minutes are what people read; programs get the seconds.
const MOMENT: &str = "%Y-%m-%d %H:%M";

/// Whose visits, in which order and form.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lastseen visitors --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin
  lastseen visitors --domain example.com --sort active
  lastseen visitors --csv > visitors.csv

Duration and active are totals, open visits with what they have so far; the median
is that of active, over visits that are over. What an owner or a filter leaves out
counts for nothing. Times are UTC, in the table those of --tz.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filters: Filters,
    /// In which order: last (the newest visit first), email, active, duration or sessions
    #[arg(long, default_value = "last")]
    sort: String,
    #[command(flatten)]
    form: Form,
}

pub(crate) async fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let question = arguments.filters.read(variables, Timestamp::now())?;
    let sort = Sort::read(&arguments.sort).map_err(|error| format!("--{error}"))?;
    let mut visitors = Visitors {
        out: BufWriter::new(io::stdout()),
        form: arguments.form,
        question: &question,
        sort,
        rows: Vec::new(),
        texts: Texts::default(),
    };
    show(variables, &question, arguments.form, &mut visitors).await
}

/// Collects visits, and tells of visitors at the end.
struct Visitors<'a, W> {
    out: W,
    form: Form,
    question: &'a Question,
    sort: Sort,
    rows: Vec<Row>,
    texts: Texts,
}

impl<W: Write> Output for Visitors<'_, W> {
    fn page(&mut self, sessions: &[Session]) -> io::Result<()> {
        let texts = &mut self.texts;
        let rows = sessions.iter().map(|session| Row::new(session, texts));
        self.rows.extend(rows);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let Question {
            filter,
            now,
            limits,
        } = self.question;
        let mut visitors = by_visitor(&self.rows);
        self.sort.sort(&mut visitors);
        let items = visitors.iter().map(|visitor| visitor.item(limits, *now));
        if self.form.csv {
            let mut lines = Csv::new(&mut self.out);
            lines.header(&NAMES)?;
            for item in items {
                lines.line(cells(&item))?;
            }
            lines.flush()?;
        } else if self.form.json {
            let items: Vec<VisitorItem> = items.collect();
            serde_json::to_writer_pretty(&mut self.out, &items)?;
            writeln!(self.out)?;
        } else if visitors.is_empty() {
            writeln!(self.out, "{}", self.question.nothing_found())?;
        } else {
            let items: Vec<VisitorItem> = items.collect();
            let rows = items.iter().map(|item| row(item, &filter.zone)).collect();
            let table = drawn(header(&filter.zone), rows, &FIGURES, NARROWEST);
            writeln!(self.out, "{table}\n\n{}", total(&items))?;
        }
        self.out.flush()
    }
}

fn header(zone: &TimeZone) -> [String; COLUMNS] {
    let last = format!("last visit ({})", zone.iana_name().unwrap_or("UTC"));
    [
        "email",
        "visits",
        "first visit",
        &last,
        "duration",
        "active",
        "median",
        "pages",
    ]
    .map(str::to_owned)
}

fn row(visitor: &VisitorItem, zone: &TimeZone) -> [String; COLUMNS] {
    let written = |moment: Timestamp| {
        let there = moment.to_jiff().to_zoned(zone.clone());
        there.strftime(MOMENT).to_string()
    };
    [
        printable(&visitor.email),
        visitor.sessions.to_string(),
        written(visitor.first_visit.0),
        written(visitor.last_visit.0),
        human(visitor.duration_seconds),
        human(visitor.active_seconds),
        visitor.median_active_seconds.map(human).unwrap_or_default(),
        visitor.pages.len().to_string(),
    ]
}

/// `2 visitors · 3 visits · 55 min in total · 27 min active`
fn total(visitors: &[VisitorItem]) -> String {
    let sum = |figure: fn(&VisitorItem) -> u64| visitors.iter().map(figure).sum::<u64>();
    let count = |number: u64, one: &str| {
        let s = if number == 1 { "" } else { "s" };
        format!("{number} {one}{s}")
    };
    format!(
        "{} · {} · {} in total · {} active",
        count(visitors.len() as u64, "visitor"),
        count(sum(|visitor| visitor.sessions), "visit"),
        human(sum(|visitor| visitor.duration_seconds)),
        human(sum(|visitor| visitor.active_seconds)),
    )
}
