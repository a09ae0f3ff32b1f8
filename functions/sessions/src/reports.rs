//! `GET /api/sessions`, `/api/sessions/{id}`, `/api/visitors` and `/api/summary`.

use std::io;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::report::answers::{SessionList, VisitorList};
use shared::report::row::OwnPlace;
use shared::report::visitors::{Place, by_visitor};
use shared::report::{BadParameter, Visit, sessions as each, summary as sums};
use shared::session::RecordId;
use shared::timestamp::Timestamp;
use shared::web::{self, Request, Response};

use crate::question::{Extra, MAX_PART_BYTES, Question, aside, cursors, known, pairs};
use crate::refusal::Refusal;

/// Visits, the newest start first.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn sessions(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let question = Question::read(request, &[Extra::Limit, Extra::Cursor], now)?;
    let Question { filter, limit, .. } = &question;
    let cursors = cursors(app, "sessions", filter, "")?;
    let after: Option<OwnPlace> = match &question.cursor {
        Some(cursor) => cursors.open(cursor)?,
        None => None,
    };
    let view = known(app, now).await?.view;
    let (limits, limit) = (app.settings.limits, *limit);
    let work = {
        let (view, filter) = (view.clone(), filter.clone());
        move || {
            let mut total = 0;
            let mut found = Vec::new();
            for row in view.rows_of(&filter) {
                if filter.matches(row, now, &limits) {
                    total += 1;
                    let is_here = after
                        .as_ref()
                        .is_none_or(|place| row.place().is_below(place));
                    if is_here && found.len() <= limit {
                        found.push(row);
                    }
                }
            }
            let items = found.iter().take(limit);
            let items = fitting(items.map(|row| each::item(*row, &limits, now)))?;
            // More may follow that has not been read.
            let has_more = found.len() > items.len() || !view.has_all_of(&filter);
            let last = items.len().checked_sub(1).and_then(|last| found.get(last));
            let last = last.map(|row| row.place().own()).or(after);
            Ok::<_, io::Error>((items, total, has_more.then_some(last)))
        }
    };
    let (items, total, rest) = aside(work).await?;
    let answer = SessionList {
        sessions: items,
        total,
        next: rest.map(|last| cursors.seal(&last)),
        data: view.data(filter, now),
    };
    Ok(web::json(StatusCode::OK, &answer))
}

/// The first ones, as many as an answer has room for: one at least.
fn fitting<T: Serialize>(items: impl Iterator<Item = T>) -> io::Result<Vec<T>> {
    let mut bytes = 0;
    let mut fit = Vec::new();
    for item in items {
        bytes += serde_json::to_vec(&item)?.len();
        if bytes > MAX_PART_BYTES && !fit.is_empty() {
            break;
        }
        fit.push(item);
    }
    Ok(fit)
}

/// One visit, as the store has it.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn session(
    app: &App,
    request: &Request,
    id: &RecordId,
    now: Timestamp,
) -> Result<Response, Refusal> {
    if let Some((name, _)) = pairs(request).first() {
        return Err(BadParameter::new(name, "there is no such parameter here").into());
    }
    let limits = &app.settings.limits;
    let row = app.store.told(id, limits).await?;
    let item = each::item(&row, limits, now);
    Ok(web::json(StatusCode::OK, &item))
}

/// Where a list of visitors goes on.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct VisitorsPlace {
    /// The last one that was listed.
    pub(crate) after: Option<Place>,
    /// The newest visit there was when the list began, in seconds since the Unix epoch: later ones
    /// would move visitors while they are listed.
    pub(crate) until: Option<i64>,
}

impl VisitorsPlace {
    /// Whether a visit had begun when the list did.
    pub(crate) fn includes(&self, visit: &impl Visit) -> bool {
        let start = visit.start().as_unix();
        self.until.is_none_or(|until| start <= until)
    }
}

/// Visitors, and what their visits add up to.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn visitors(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let extras = [Extra::Limit, Extra::Cursor, Extra::Sort];
    let question = Question::read(request, &extras, now)?;
    let Question {
        filter,
        limit,
        sort,
        ..
    } = &question;
    let cursors = cursors(app, "visitors", filter, sort.name())?;
    let mut place: VisitorsPlace = match &question.cursor {
        Some(cursor) => cursors.open(cursor)?,
        None => VisitorsPlace::default(),
    };
    let view = known(app, now).await?.view;
    let (limits, limit, sort) = (app.settings.limits, *limit, *sort);
    let work = {
        let (view, filter) = (view.clone(), filter.clone());
        move || {
            let rows = view
                .rows_of(&filter)
                .filter(|row| filter.matches(*row, now, &limits));
            let rows: Vec<_> = rows.filter(|row| place.includes(*row)).collect();
            let newest = rows.first().map(|row| row.start().as_unix());
            let mut all = by_visitor(rows);
            sort.sort(&mut all);
            let begins = place.after.as_ref().map_or(0, |after| {
                all.partition_point(|one| sort.place(one) <= *after)
            });
            let rest = all.get(begins..).unwrap_or_default();
            let items = rest.iter().take(limit);
            let items = fitting(items.map(|one| one.item(&limits, now)))?;
            let listed = rest.get(..items.len()).unwrap_or(rest);
            place.until = place.until.or(newest);
            place.after = listed.last().map(|last| sort.place(last));
            let has_more = rest.len() > listed.len();
            Ok::<_, io::Error>((items, all.len() as u64, has_more.then_some(place)))
        }
    };
    let (visitors, total, rest) = aside(work).await?;
    let answer = VisitorList {
        visitors,
        total,
        next: rest.map(|place| cursors.seal(&place)),
        data: view.data(filter, now),
    };
    Ok(web::json(StatusCode::OK, &answer))
}

/// What visits add up to.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn summary(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let Question { filter, .. } = Question::read(request, &[], now)?;
    let view = known(app, now).await?.view;
    let data = view.data(&filter, now);
    let limits = app.settings.limits;
    let work = move || sums::summary(view.rows_of(&filter), &filter, &limits, now, data);
    let answer = aside(work).await;
    Ok(web::json(StatusCode::OK, &answer))
}
