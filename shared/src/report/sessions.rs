//! Visits one by one.

use super::answers::{Moment, PageItem, SessionItem};
use super::{State, Visit, state};
use crate::session::Limits;
use crate::timestamp::Timestamp;

/// A visit as it stands at `now`.
#[must_use]
pub fn item(visit: &impl Visit, limits: &Limits, now: Timestamp) -> SessionItem {
    let mut pages: Vec<PageItem> = visit
        .pages()
        .map(|(path, figures)| PageItem {
            path: path.to_owned(),
            seconds: figures.seconds,
            scroll: figures.scroll,
        })
        .collect();
    pages.sort_by(|a, b| b.seconds.cmp(&a.seconds).then_with(|| a.path.cmp(&b.path)));
    SessionItem {
        id: visit.id().to_owned(),
        email: visit.email().to_owned(),
        start: Moment(visit.start()),
        last_seen: Moment(visit.last_seen()),
        duration_seconds: visit.duration_seconds(),
        active_seconds: visit.active_seconds(),
        state: State::of(visit, limits, now),
        looking: state::is_looking(visit, limits, now),
        end_reason: visit.end_reason(),
        ended_at: visit.ended_at().map(Moment),
        current_page: visit.current_page().map(str::to_owned),
        pages,
    }
}
