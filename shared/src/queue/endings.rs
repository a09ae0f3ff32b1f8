//! Which sessions were ended, asked of the store once for everybody: in batched mode no heartbeat asks
//! for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::session::{EndReason, Limits, RecordId};
use crate::store::columns::EVERYONE;
use crate::store::{Store, StoreError};
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// How often a process asks: the lateness with which an ending is noticed, and at most one request in
/// so many seconds, however many heartbeats come in.
pub(super) const EVERY_SECONDS: u64 = 20;
/// Where the store has not said anything for so long, nobody knows.
const STALE_SECONDS: u64 = 3 * EVERY_SECONDS;
/// An ending stands in the table up to half a minute after its moment, and clocks differ.
const OVERLAP_SECONDS: u64 = 90;
/// How far back the first question goes beyond the idle timeout: a token that was confirmed before has
/// to be looked up by itself.
const HORIZON_SECONDS: u64 = 3_600;
/// A question is so many pages at most.
const MOST_PAGES: u32 = 50;

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was ended.
    Ended(EndReason),
    /// It was open at that moment.
    OpenAt(Timestamp),
    /// Its token is older than what is known: its row has to be asked for.
    TooOld,
    /// The store has not answered yet, or not for a while.
    Nothing,
}

#[derive(Default)]
pub(super) struct Endings {
    known: Mutex<State>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    ended: HashMap<RecordId, Ended>,
    everything: Option<Timestamp>,
    /// Since when every ending is known, and until when.
    spans: Option<(Timestamp, Timestamp)>,
    ask_again: Option<Timestamp>,
}

struct Ended {
    reason: EndReason,
    began: Timestamp,
    /// Nobody wrote down when: an owner typed a word, and may take it back.
    is_by_hand: bool,
}

impl Endings {
    /// Asks the store, where it is time to; one at a time, while others go on with what is known.
    ///
    /// A process asks for the first time after a random part of [`EVERY_SECONDS`]: many that start
    /// together must not ask together.
    pub(super) async fn ask(&self, store: &dyn Store, limits: &Limits, now: Timestamp) {
        let Ok(_asking) = self.asking.try_lock() else {
            return;
        };
        let since = {
            let mut state = self.state();
            let first = || now.plus(random_part(EVERY_SECONDS));
            if now < *state.ask_again.get_or_insert_with(first) {
                return;
            }
            let horizon = now.minus(limits.idle_timeout + HORIZON_SECONDS);
            state
                .spans
                .map_or(horizon, |(_, until)| until.minus(OVERLAP_SECONDS))
        };
        let began = now.minus(limits.lifetime);
        let read = read(store, began, since).await;
        let mut state = self.state();
        match read {
            Ok((ended, everything)) => {
                let is_known = |ended: &Ended| !ended.is_by_hand && ended.began >= began;
                state.ended.retain(|_, ended| is_known(ended));
                state.ended.extend(ended);
                state.everything = state.everything.max(everything);
                let from = state.spans.map_or(since, |(from, _)| from);
                state.spans = Some((from, now));
                state.ask_again = Some(now.plus(EVERY_SECONDS));
            }
            Err(error) => {
                let wait = error.retry_after().as_secs().max(EVERY_SECONDS);
                state.ask_again = Some(now.plus(wait));
                tracing::warn!(
                    error = error.to_string(),
                    "which sessions were ended could not be read"
                );
            }
        }
    }

    /// What is known of this token's session.
    pub(super) fn known(&self, token: &Claims, limits: &Limits, now: Timestamp) -> Known {
        let state = self.state();
        if let Some(ended) = state.ended.get(&token.record)
            && ended.began <= token.issued_at
        {
            return Known::Ended(ended.reason);
        }
        let start = token.end_deadline.minus(limits.lifetime);
        if state.everything.is_some_and(|moment| start <= moment) {
            return Known::Ended(EndReason::Revoked);
        }
        match state.spans {
            Some((_, until)) if now.since(until) > STALE_SECONDS => Known::Nothing,
            Some((from, _)) if token.issued_at < from => Known::TooOld,
            Some((_, until)) => Known::OpenAt(until),
            None => Known::Nothing,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Read = (Vec<(RecordId, Ended)>, Option<Timestamp>);

async fn read(store: &dyn Store, began: Timestamp, since: Timestamp) -> Result<Read, StoreError> {
    let (mut ended, mut everything) = (Vec::new(), None);
    for number in 0..MOST_PAGES {
        let page = store.ended(began, since, number).await?;
        for row in page.sessions {
            if row.email == EVERYONE {
                everything = everything.max(Some(row.start));
            } else if let Some(reason) = row.end_reason {
                let session = Ended {
                    reason,
                    began: row.start,
                    is_by_hand: row.ended_at.is_none(),
                };
                ended.push((row.id, session));
            }
        }
        if !page.has_more {
            break;
        }
    }
    Ok((ended, everything))
}

/// From 0 to below `seconds`.
fn random_part(seconds: u64) -> u64 {
    let random = crate::token::random_bytes::<8>().map_or(0, u64::from_le_bytes);
    random % seconds
}
