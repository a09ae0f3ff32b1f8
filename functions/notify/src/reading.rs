//! What happened in a window, read from the store.

use std::collections::BTreeMap;

use shared::email::Email;
use shared::session::{Limits, Session};
use shared::settings::Pace;
use shared::store::{Listing, Moment, Span, Starts, Store, StoreError, columns};
use shared::timestamp::Timestamp;

use crate::events::{Event, Kind, Window, told_at};

/// In the order it happened.
pub(crate) async fn events(
    store: &dyn Store,
    pace: Pace,
    limits: &Limits,
    window: Window,
) -> Result<Vec<Event>, StoreError> {
    let reader = Reader {
        store,
        pace,
        since: window.earliest_start(limits),
    };
    let mut rows = reader.all(&window.spans(limits)).await?;
    let (everyone, sessions): (Vec<_>, Vec<_>) = rows
        .drain(..)
        .partition(|row| row.email == columns::EVERYONE);
    let everything_ended: Vec<Timestamp> = everyone.iter().map(|row| row.start).collect();
    let mut sessions = by_id(sessions);
    // Rows that it ended need not say so yet.
    let last = everything_ended
        .iter()
        .filter(|moment| window.contains(**moment))
        .max();
    if let Some(last) = last {
        let began_before = Span {
            moment: Moment::Start,
            from: reader.since,
            to: last.plus(1),
        };
        tokio::time::sleep(pace.pause).await;
        sessions.extend(by_id(reader.all(&[began_before]).await?));
    }

    let mut events = Vec::new();
    for session in sessions.into_values() {
        let at = told_at(&session, limits, &everything_ended);
        if window.contains(session.start) && reader.is_first(&session).await? {
            events.push(Event {
                kind: Kind::VisitorFirst,
                at: session.start,
                session: session.clone(),
            });
        }
        if window.contains(at) {
            let ended = everything_ended
                .iter()
                .copied()
                .filter(|moment| *moment == at);
            let (session, _) = session.closed_by(ended.max());
            events.push(Event {
                kind: Kind::VisitEnded,
                at,
                session,
            });
        }
    }
    events.sort_by_key(|event| (event.at, event.kind));
    Ok(events)
}

/// A row that moved between two pages is there twice, and counts once.
fn by_id(sessions: Vec<Session>) -> BTreeMap<String, Session> {
    sessions
        .into_iter()
        .map(|session| (session.id.to_string(), session))
        .collect()
}

struct Reader<'a> {
    store: &'a dyn Store,
    pace: Pace,
    since: Timestamp,
}

impl Reader<'_> {
    async fn all(&self, spans: &[Span]) -> Result<Vec<Session>, StoreError> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.within(self.since, spans, after.as_ref()).await?;
            rows.extend(page.sessions);
            after = page.rest;
            if after.is_none() {
                break;
            }
            tokio::time::sleep(self.pace.pause).await;
        }
        Ok(rows)
    }

    /// Whether its visitor has no earlier session. Of several that began in the same second, the one
    /// with the smallest id is the first.
    async fn is_first(&self, session: &Session) -> Result<bool, StoreError> {
        // What an owner typed into the column and is no address is nobody's.
        let Ok(email) = Email::parse(&session.email) else {
            return Ok(false);
        };
        tokio::time::sleep(self.pace.pause).await;
        // In the order they began, so that the first one that comes is the first visit.
        let listing = Listing {
            starts: Starts::Between {
                from: None,
                before: Some(session.start.plus(1)),
            },
            ..Listing::of(Some(&email))
        };
        let mut after = None;
        loop {
            let page = self.store.list(&listing, after.as_ref()).await?;
            after = page.rest;
            if let Some(first) = page.sessions.first() {
                return Ok(first.id == session.id);
            }
            if after.is_none() {
                // A row that was deleted meanwhile was nobody's first visit either.
                return Ok(false);
            }
            tokio::time::sleep(self.pace.pause).await;
        }
    }
}
