//! `GET /api/sessions.csv` and `/api/visitors.csv`, part by part: a function's answer has a limit.
//!
//! A part says where the next one begins. Joined they are one file: only the first has a line of
//! names, every row stands in one of them, and none is left out: a part that would need rows that
//! have not been read yet ends before them, empty if need be.

use std::io;

use http::header::{HeaderName, HeaderValue, LINK};
use shared::app::App;
use shared::report::cache::{Known, Unavailable};
use shared::report::csv::{Csv, NAMES, cells};
use shared::report::row::OwnPlace;
use shared::report::visitors::{self, Sort, by_visitor};
use shared::report::{Filter, Visit};
use shared::timestamp::Timestamp;
use shared::web::{self, Request, Response};

use crate::question::{Extra, MAX_PART_BYTES, Question, aside, cursors, known, pairs};
use crate::refusal::Refusal;
use crate::reports::VisitorsPlace;

/// For programs that read no `Link`.
const NEXT: HeaderName = HeaderName::from_static("lastseen-next");

const EXTRAS: [Extra; 2] = [Extra::Cursor, Extra::Part];

/// Visits, the newest start first.
///
/// # Errors
/// [`Refusal`], also where nothing is known of what comes next.
pub(crate) async fn sessions(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let question = Question::read(request, &EXTRAS, now)?;
    let filter = &question.filter;
    let cursors = cursors(app, "sessions.csv", filter, "")?;
    let after: Option<OwnPlace> = match &question.cursor {
        Some(cursor) => cursors.open(cursor)?,
        None => None,
    };
    let known = known(app, now).await?;
    let limits = app.settings.limits;
    let mut lines = lines(&question, &NAMES)?;
    let work = {
        let (view, filter, after) = (known.view.clone(), filter.clone(), after.clone());
        move || {
            let mut last = None;
            for row in view.rows_of(&filter) {
                let is_here = after
                    .as_ref()
                    .is_none_or(|place| row.place().is_below(place));
                if !is_here || !filter.matches(row, now, &limits) {
                    continue;
                }
                if lines.out().len() >= MAX_PART_BYTES {
                    return Ok((lines, last, true));
                }
                lines.line(cells(row))?;
                last = Some(row.place().own());
            }
            Ok::<_, io::Error>((lines, last, false))
        }
    };
    let (lines, last, is_full) = aside(work).await?;
    let is_waiting = !is_full && waits(&known, filter, last.is_some())?;
    let next = (is_full || is_waiting).then(|| cursors.seal(&last.or(after)));
    part(request, "sessions", filter, now, lines, next)
}

/// Visitors, by address.
///
/// # Errors
/// [`Refusal`], also where nothing is known of what comes next.
pub(crate) async fn visitors(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let question = Question::read(request, &EXTRAS, now)?;
    let filter = &question.filter;
    let cursors = cursors(app, "visitors.csv", filter, "")?;
    let mut place: VisitorsPlace = match &question.cursor {
        Some(cursor) => cursors.open(cursor)?,
        None => VisitorsPlace::default(),
    };
    let known = known(app, now).await?;
    let mut lines = lines(&question, &visitors::NAMES)?;
    // The next row to be read may be of the first visitor.
    if waits(&known, filter, false)? {
        let next = Some(cursors.seal(&place));
        return part(request, "visitors", filter, now, lines, next);
    }
    let (limits, view) = (app.settings.limits, known.view);
    let work = {
        let filter = filter.clone();
        move || {
            let rows = view
                .rows_of(&filter)
                .filter(|row| filter.matches(*row, now, &limits));
            let rows: Vec<_> = rows.filter(|row| place.includes(*row)).collect();
            place.until = place
                .until
                .or(rows.first().map(|row| row.start().as_unix()));
            let mut all = by_visitor(rows);
            Sort::Email.sort(&mut all);
            let begins = place.after.as_ref().map_or(0, |after| {
                all.partition_point(|one| Sort::Email.place(one) <= *after)
            });
            for one in all.iter().skip(begins) {
                if lines.out().len() >= MAX_PART_BYTES {
                    return Ok((lines, Some(place)));
                }
                let cells = visitors::cells(&one.item(&limits, now));
                lines.line(cells)?;
                place.after = Some(Sort::Email.place(one));
            }
            Ok::<_, io::Error>((lines, None))
        }
    };
    let (lines, rest) = aside(work).await?;
    let next = rest.map(|place| cursors.seal(&place));
    part(request, "visitors", filter, now, lines, next)
}

/// A part, with the line of names where it is the first.
fn lines(question: &Question, names: &[&str]) -> io::Result<Csv<Vec<u8>>> {
    let mut lines = Csv::new(Vec::new());
    if question.cursor.is_none() {
        lines.header(names)?;
    }
    Ok(lines)
}

/// Whether rows that are asked for have not been read yet.
///
/// # Errors
/// [`Unavailable`] where they cannot be, and the part would be empty.
fn waits(known: &Known, filter: &Filter, has_lines: bool) -> Result<bool, Unavailable> {
    match known.failed {
        _ if known.view.has_all_of(filter) => Ok(false),
        Some(unavailable) if !has_lines => Err(unavailable),
        _ => Ok(true),
    }
}

fn part(
    request: &Request,
    what: &str,
    filter: &Filter,
    now: Timestamp,
    lines: Csv<Vec<u8>>,
    next: Option<String>,
) -> Result<Response, Refusal> {
    let body = lines.finish()?;
    let name = format!("lastseen-{what}-{}.csv", filter.date(now));
    let mut response = web::csv(&name, body);
    if let Some(cursor) = next {
        let link = format!("<{}>; rel=\"next\"", address(request, &cursor));
        for (name, value) in [(LINK, link), (NEXT, cursor)] {
            // Both are percent-encoded or of base64.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Ok(response)
}

/// The same question, from this cursor on.
fn address(request: &Request, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let others = pairs(request);
    let others = others
        .iter()
        .filter(|(name, _)| !EXTRAS.iter().any(|extra| extra.name() == name));
    query.extend_pairs(others);
    query.append_pair(Extra::Cursor.name(), cursor);
    format!("{}?{}", request.uri().path(), query.finish())
}
