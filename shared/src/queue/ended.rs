//! Sessions that this process knows to be ended: they stay so, also while the store does not answer.

use std::collections::hash_map::Entry::Vacant;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::Key;
use crate::session::{EndReason, RecordId};
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// So many that were revoked, and as many that ended in another way, which anybody can do by the dozen:
/// coming in and logging out forgets no revocation. Some 2 MB when both are full.
const MOST: usize = 10_000;

/// What is known, the newest of it.
#[derive(Debug, Default)]
pub struct EndedSessions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    revoked: Kind,
    others: Kind,
    /// When everything was last ended.
    everything: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Kind {
    reasons: HashMap<Key, EndReason>,
    /// The one that goes first is in front.
    order: VecDeque<Key>,
}

impl EndedSessions {
    /// The session of this row, which began then, was ended. The first reason stays.
    pub fn remember(&self, record: &RecordId, start: Timestamp, reason: EndReason) {
        let record = record.clone();
        let mut known = self.lock();
        let kind = match reason {
            EndReason::Revoked => &mut known.revoked,
            EndReason::Logout | EndReason::Idle | EndReason::Expired => &mut known.others,
        };
        kind.remember(Key { record, start }, reason);
    }

    /// Every session was ended that had begun by then.
    pub fn remember_everything(&self, moment: Timestamp) {
        let mut known = self.lock();
        known.everything = known.everything.max(Some(moment));
    }

    /// Why this token's session is over, where that is known.
    #[must_use]
    pub fn reason(&self, token: &Claims) -> Option<EndReason> {
        let (record, start) = (token.record.clone(), token.start);
        let key = Key { record, start };
        let known = self.lock();
        let mut kinds = [&known.others, &known.revoked].into_iter();
        let own = kinds.find_map(|kind| kind.reasons.get(&key).copied());
        let with_all = known.everything.filter(|moment| token.start <= *moment);
        own.or(with_all.map(|_| EndReason::Revoked))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn remember(&mut self, key: Key, reason: EndReason) {
        if let Vacant(place) = self.reasons.entry(key.clone()) {
            place.insert(reason);
            self.order.push_back(key);
            if self.order.len() > MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.reasons.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Limits;

    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);
    const LIMITS: Limits = Limits {
        idle_timeout: 1_800,
        lifetime: 86_400,
    };

    fn token(record: u64, start: Timestamp) -> Claims {
        let record = RecordId::new(record.to_string());
        Claims::start("localhost", String::new(), record, &LIMITS, start)
    }

    #[test]
    fn an_ending_stays_known_with_its_first_reason() {
        let ended = EndedSessions::default();
        let mine = token(1, NOW);
        assert_eq!(ended.reason(&mine), None);
        ended.remember(&mine.record, NOW, EndReason::Idle);
        ended.remember(&mine.record, NOW, EndReason::Logout);
        assert_eq!(ended.reason(&mine), Some(EndReason::Idle));
        assert_eq!(ended.reason(&token(2, NOW)), None);
        ended.remember_everything(NOW);
        assert_eq!(ended.reason(&mine), Some(EndReason::Idle));
        assert_eq!(ended.reason(&token(2, NOW)), Some(EndReason::Revoked));
        assert_eq!(ended.reason(&token(2, NOW.plus(1))), None);
        assert_eq!(
            ended.reason(&token(1, NOW.plus(100))),
            None,
            "the next row of that id"
        );
    }

    #[test]
    fn memory_has_an_end_and_log_outs_forget_no_revocation() {
        let ended = EndedSessions::default();
        ended.remember(&token(0, NOW).record, NOW, EndReason::Revoked);
        for number in 1..=20_000 {
            ended.remember(&token(number, NOW).record, NOW, EndReason::Logout);
        }
        let of = |number| ended.reason(&token(number, NOW));
        assert_eq!(of(0), Some(EndReason::Revoked));
        assert_eq!((of(10_000), of(10_001)), (None, Some(EndReason::Logout)));
        for number in 1..=10_000 {
            ended.remember(&token(number, NOW).record, NOW, EndReason::Revoked);
        }
        assert_eq!((of(0), of(1)), (None, Some(EndReason::Revoked)));
    }
}
