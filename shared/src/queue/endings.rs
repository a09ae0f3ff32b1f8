//! Which sessions were ended, asked of the store once for everybody: in batched mode no heartbeat asks
//! for itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Key, QueueError};
use crate::clock::{Lasting, is_ahead};
use crate::session::{EndReason, Limits, RecordId};
use crate::store::columns::EVERYONE;
use crate::store::{Store, StoreError};
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// How often whoever asks the store asks it, and how often a process looks at what another one was told:
/// an ending is noticed within twice that, at one request in so many seconds, however many heartbeats
/// come in.
pub const EVERY_SECONDS: u64 = 20;
/// Where nothing new has been said for so long, nobody knows.
const STALE_SECONDS: u64 = 6 * EVERY_SECONDS;
/// An ending stands in the table up to half a minute after its moment, and clocks differ.
const OVERLAP_SECONDS: u64 = 90;
/// How far back the first question goes beyond the idle timeout: a token that was confirmed before has
/// to be looked up by itself.
const HORIZON_SECONDS: u64 = 3_600;
/// In one notice: some 150 kB of the 256 that a message of SQS holds.
const MOST_ENDED: usize = 2_000;
/// Sessions whose rows are gone, besides.
const MOST_DELETED: usize = 1_000;

/// What the store told of endings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Every ending since then,
    pub from: Timestamp,
    /// until then.
    pub until: Timestamp,
    /// When everything was last ended.
    pub everything: Option<Timestamp>,
    /// Sessions that were ended.
    pub ended: Vec<Ended>,
}

/// A session that was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    #[serde(rename = "r")]
    record: RecordId,
    #[serde(rename = "w")]
    reason: EndReason,
    #[serde(rename = "b")]
    began: Timestamp,
    /// See [`Session::start_is_day`](crate::session::Session::start_is_day).
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    began_on_day: bool,
    /// Nobody wrote down when: an owner typed a word, and may take it back.
    #[serde(rename = "h", default, skip_serializing_if = "std::ops::Not::not")]
    is_by_hand: bool,
    /// When it was ended, for whoever asked.
    #[serde(skip)]
    at: Option<Timestamp>,
}

impl Ended {
    /// Its row was deleted: by `forget`, by an owner's hand, or because it was old.
    fn by_deletion(key: &Key) -> Self {
        Self {
            record: key.record.clone(),
            reason: EndReason::Revoked,
            began: key.start,
            began_on_day: false,
            is_by_hand: false,
            at: None,
        }
    }

    /// Whether this session began then; see [`Session::is_of`](crate::session::Session::is_of).
    fn is_of(&self, start: Timestamp) -> bool {
        self.began == start || self.began_on_day && self.began.day() == start.day()
    }
}

/// Where one process posts what the store told it, for all others to read.
#[async_trait]
pub trait Board: Send + Sync {
    /// Posts a notice, which stays for a minute or two.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn post(&self, notice: &Notice) -> Result<(), QueueError>;

    /// The newest notice there is, as far as one look shows.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn read(&self) -> Result<Option<Notice>, QueueError>;
}

impl Notice {
    /// Tells of sessions whose rows are gone, too: no question about endings finds them.
    #[must_use]
    pub fn with_deleted(mut self, deleted: &[Key]) -> Self {
        let newest = deleted.iter().rev().take(MOST_DELETED);
        self.ended.extend(newest.map(Ended::by_deletion));
        self
    }

    /// Asks the store for all endings that a live token may not know of. `turn` is awaited before each
    /// request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ask<Turn: Future<Output = ()>>(
        store: &dyn Store,
        limits: &Limits,
        now: Timestamp,
        turn: impl Fn() -> Turn,
    ) -> Result<Self, StoreError> {
        let since = now.minus(limits.idle_timeout + HORIZON_SECONDS);
        Self::ask_since(store, limits, since, now, turn).await
    }

    /// The same for whoever asked before: what has been ended since, and what was told then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ask_again<Turn: Future<Output = ()>>(
        &self,
        store: &dyn Store,
        limits: &Limits,
        now: Timestamp,
        turn: impl Fn() -> Turn,
    ) -> Result<Self, StoreError> {
        let since = self.until.minus(OVERLAP_SECONDS);
        let new = Self::ask_since(store, limits, since, now, turn).await?;
        if new.from > self.until {
            return Ok(new);
        }
        let earliest = self
            .from
            .max(now.minus(limits.idle_timeout + HORIZON_SECONDS));
        let told: HashSet<_> = new.ended.iter().map(|ended| &ended.record).collect();
        let before = self.ended.iter().filter(|ended| {
            ended.at.is_some_and(|at| at >= earliest) && !told.contains(&ended.record)
        });
        let before: Vec<_> = before.cloned().collect();
        let (from, ended) = newest([new.ended, before].concat(), earliest, now);
        Ok(Self {
            from,
            ended,
            everything: new.everything.max(self.everything),
            ..new
        })
    }

    async fn ask_since<Turn: Future<Output = ()>>(
        store: &dyn Store,
        limits: &Limits,
        since: Timestamp,
        now: Timestamp,
        turn: impl Fn() -> Turn,
    ) -> Result<Self, StoreError> {
        let began = now.minus(limits.lifetime);
        let (mut ended, mut everything) = (Vec::new(), None);
        // What an owner typed, all of it; and then what has a moment, the newest first.
        let (mut since_when, mut after) = (None, None);
        loop {
            turn().await;
            let page = store.ended(began, since_when, after.as_ref()).await?;
            for row in page.sessions {
                if row.email == EVERYONE {
                    everything = everything.max(Some(row.start));
                } else if let Some(reason) = row.end_reason {
                    let session = Ended {
                        record: row.id,
                        reason,
                        began: row.start,
                        began_on_day: row.start_is_day,
                        is_by_hand: row.ended_at.is_none(),
                        at: row.ended_at,
                    };
                    ended.push(session);
                }
            }
            after = page.rest;
            match (&after, since_when) {
                (Some(_), Some(_)) if ended.len() > MOST_ENDED && is_newest_first(&ended) => break,
                (Some(_), _) => {}
                (None, None) => since_when = Some(since),
                (None, Some(_)) => break,
            }
        }
        let (from, ended) = newest(ended, since, now);
        Ok(Self {
            from,
            until: now,
            everything,
            ended,
        })
    }
}

/// Whether what follows was ended no later than what came. A table whose moments are days is listed by
/// its key.
fn is_newest_first(ended: &[Ended]) -> bool {
    let moments = ended.iter().filter_map(|ended| ended.at);
    moments.is_sorted_by(|one, next| one >= next)
}

/// At most [`MOST_ENDED`], those that were ended last, and since when they are all.
fn newest(mut ended: Vec<Ended>, since: Timestamp, now: Timestamp) -> (Timestamp, Vec<Ended>) {
    // Those without a moment first: an owner's words.
    ended.sort_by_key(|ended| (ended.at.is_some(), std::cmp::Reverse(ended.at)));
    let from = match ended.get(MOST_ENDED).map(|ended| ended.at) {
        None => since,
        Some(Some(at)) => since.max(at.plus(1)),
        // Not even all of these are told: whoever is not among them may have been ended.
        Some(None) => now.plus(1),
    };
    ended.truncate(MOST_ENDED);
    (from, ended)
}

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

/// What this process knows of endings.
#[derive(Default)]
pub(super) struct Endings {
    board: Option<Arc<dyn Board>>,
    known: Mutex<State>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    ended: HashMap<RecordId, Ended>,
    everything: Option<Timestamp>,
    /// Since when every ending is known, and until when.
    spans: Option<(Timestamp, Timestamp)>,
    rests: Option<Lasting>,
}

impl Endings {
    /// Known from what another process posts.
    pub(super) fn on(board: Arc<dyn Board>) -> Self {
        Self {
            board: Some(board),
            ..Self::default()
        }
    }

    /// Asks, where it is time to; one at a time, while others go on with what is known.
    pub(super) async fn ask(&self, store: &dyn Store, limits: &Limits, now: Timestamp) {
        let Ok(_asking) = self.asking.try_lock() else {
            return;
        };
        let spans = {
            let state = self.state();
            if state.rests.is_some_and(|rest| rest.is_on(now)) {
                return;
            }
            state.spans_by(now)
        };
        let (notice, wait) = if let Some(board) = &self.board {
            (board.read().await.map_err(|error| error.to_string()), 0)
        } else {
            let since = spans.map(|(_, until)| until.minus(OVERLAP_SECONDS));
            let turn = || std::future::ready(());
            let asked = match since {
                Some(since) => Notice::ask_since(store, limits, since, now, turn).await,
                None => Notice::ask(store, limits, now, turn).await,
            };
            let wait = asked.as_ref().err().map(StoreError::retry_after);
            let wait = wait.unwrap_or_default().as_secs();
            (asked.map(Some).map_err(|error| error.to_string()), wait)
        };
        let mut state = self.state();
        state.rests = Some(Lasting::new(now, wait.max(EVERY_SECONDS)));
        match notice {
            Ok(Some(notice)) => state.learn(notice, now.minus(limits.lifetime), now),
            Ok(None) => {}
            Err(error) => tracing::warn!(error, "which sessions were ended could not be read"),
        }
    }

    /// What is known of this token's session.
    pub(super) fn known(&self, token: &Claims, now: Timestamp) -> Known {
        let state = self.state();
        if let Some(ended) = state.ended.get(&token.record)
            && ended.is_of(token.start)
        {
            return Known::Ended(ended.reason);
        }
        if state.everything.is_some_and(|moment| token.start <= moment) {
            return Known::Ended(EndReason::Revoked);
        }
        match state.spans_by(now) {
            Some((_, until)) if now.since(until) > STALE_SECONDS => Known::Nothing,
            Some((from, _)) if token.issued_at < from => Known::TooOld,
            Some((_, until)) => Known::OpenAt(until.min(now)),
            None => Known::Nothing,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is known of, unless a clock was set since: where `until` lies ahead, ours was set back, and
    /// endings have happened since that nobody looked for.
    fn spans_by(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.spans.filter(|(_, until)| !is_ahead(*until, now))
    }

    fn learn(&mut self, notice: Notice, lifetime_ago: Timestamp, now: Timestamp) {
        self.spans = self.spans_by(now);
        let is_older = self.spans.is_some_and(|(_, until)| notice.until <= until);
        if is_older || is_ahead(notice.until, now) {
            return;
        }
        // A word that an owner typed is told each time, as long as it stands there.
        self.ended
            .retain(|_, ended| !ended.is_by_hand && ended.began >= lifetime_ago);
        let told = notice.ended.into_iter();
        self.ended
            .extend(told.map(|ended| (ended.record.clone(), ended)));
        self.everything = self.everything.max(notice.everything);
        // What was known before goes on without a gap, or begins anew.
        let from = match self.spans {
            Some((from, until)) if notice.from <= until => from.min(notice.from),
            _ => notice.from,
        };
        self.spans = Some((from, notice.until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_that_would_be_too_large_begins_later_and_keeps_what_an_owner_typed() {
        let since = Timestamp::from_unix(1_767_323_045);
        let ended = |number: u64| Ended {
            record: RecordId::new(number.to_string()),
            reason: EndReason::Logout,
            began: since,
            began_on_day: false,
            is_by_hand: false,
            at: Some(since.plus(number)),
        };
        let by_hand = Ended {
            is_by_hand: true,
            at: None,
            ..ended(9_999)
        };
        let now = since.plus(5_400);
        let all =
            |count: u64| -> Vec<_> { (0..count).map(ended).chain([by_hand.clone()]).collect() };
        let (from, kept) = newest(all(100), since, now);
        assert_eq!((from, kept.len()), (since, 101));
        let (from, kept) = newest(all(3_000), since, now);
        assert_eq!(kept.len(), MOST_ENDED);
        assert!(kept.contains(&by_hand) && kept.contains(&ended(2_999)));
        // Everything from then on is there, and nothing is said of before.
        let first = from.since(since);
        assert!(kept.contains(&ended(first)) && !kept.contains(&ended(first - 1)));
        let typed = vec![by_hand.clone(); MOST_ENDED + 1];
        let (nothing, _) = newest(typed, since, now);
        assert!(nothing > now, "nobody is known to be open");
        let notice = Notice {
            from,
            until: from,
            everything: None,
            ended: kept,
        };
        assert!(serde_json::to_string(&notice).unwrap().len() < 200_000);
    }
}
