//! `GET /api/sessions`, `/api/sessions/{id}`, `/api/visitors` and `/api/summary`.

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

use crate::question::{Extra, Question, cursors, known, pairs};
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
    let limits = &app.settings.limits;
    let mut total = 0;
    let mut found = Vec::new();
    for row in view.rows_of(filter) {
        if filter.matches(row, now, limits) {
            total += 1;
            let is_here = after
                .as_ref()
                .is_none_or(|place| row.place().is_below(place));
            if is_here && found.len() <= *limit {
                found.push(row);
            }
        }
    }
    // More may follow that has not been read.
    let has_more = found.len() > *limit || !view.has_all_of(filter);
    found.truncate(*limit);
    let last = found.last().map(|row| row.place().own()).or(after);
    let answer = SessionList {
        sessions: found
            .into_iter()
            .map(|row| each::item(row, limits, now))
            .collect(),
        total,
        next: has_more.then(|| cursors.seal(&last)),
        data: view.data(filter, now),
    };
    Ok(web::json(StatusCode::OK, &answer))
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
    let limits = &app.settings.limits;
    let rows = view
        .rows_of(filter)
        .filter(|row| filter.matches(*row, now, limits));
    let rows: Vec<_> = rows.filter(|row| place.includes(*row)).collect();
    let newest = rows.first().map(|row| row.start().as_unix());
    let mut all = by_visitor(rows);
    sort.sort(&mut all);
    let begins = place.after.as_ref().map_or(0, |after| {
        all.partition_point(|one| sort.place(one) <= *after)
    });
    let rest = all.get(begins..).unwrap_or_default();
    let listed = rest.get(..*limit).unwrap_or(rest);
    place.until = place.until.or(newest);
    place.after = listed.last().map(|last| sort.place(last));
    let answer = VisitorList {
        visitors: listed.iter().map(|one| one.item(limits, now)).collect(),
        total: all.len() as u64,
        next: (rest.len() > listed.len()).then(|| cursors.seal(&place)),
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
    let limits = &app.settings.limits;
    let answer = sums::summary(view.rows_of(&filter), &filter, limits, now, data);
    Ok(web::json(StatusCode::OK, &answer))
}
