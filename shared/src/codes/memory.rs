//! Challenges in memory, for one process. A restart forgets them, which is safe: what is unknown is
//! refused, and the visitor asks for a new code.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{ChallengeId, CodeHash, CodeStore, CodeStoreError, LIFETIME_SECONDS, MAX_TRIES};
use crate::clock::Lasting;
use crate::timestamp::Timestamp;

/// A megabyte at most. The flood limits let in fewer in the time that one lives.
const MAX_WAITING: usize = 10_000;

/// See the module.
#[derive(Default)]
pub struct MemoryCodes(Mutex<HashMap<ChallengeId, Waiting>>);

struct Waiting {
    hash: CodeHash,
    good: Lasting,
    tries: u32,
}

impl MemoryCodes {
    fn waiting(&self) -> MutexGuard<'_, HashMap<ChallengeId, Waiting>> {
        // Nothing that is done under the lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CodeStore for MemoryCodes {
    async fn begin(
        &self,
        id: &ChallengeId,
        hash: &CodeHash,
        now: Timestamp,
    ) -> Result<(), CodeStoreError> {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            waiting.retain(|_, one| one.good.is_on(now));
        }
        // Refused rather than evicted: a flood must not cost others the codes they wait for.
        if waiting.len() >= MAX_WAITING {
            return Err(CodeStoreError::Full);
        }
        let new = Waiting {
            hash: hash.clone(),
            good: Lasting::new(now, LIFETIME_SECONDS),
            tries: 0,
        };
        waiting.insert(*id, new);
        Ok(())
    }

    async fn count_try(
        &self,
        id: &ChallengeId,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, CodeStoreError> {
        let mut waiting = self.waiting();
        let Some(one) = waiting.get_mut(id) else {
            return Ok(None);
        };
        // It stays until it expires: the last try that was counted may yet be the right one.
        if !one.good.is_on(now) || one.tries >= MAX_TRIES {
            return Ok(None);
        }
        one.tries += 1;
        Ok(Some(one.hash.clone()))
    }

    async fn win(&self, id: &ChallengeId) -> Result<bool, CodeStoreError> {
        Ok(self.waiting().remove(id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;

    use super::*;
    use crate::codes::{Challenge, Code};
    use crate::email::Email;
    use crate::token::Keys;

    const START: Timestamp = Timestamp::from_unix(1_000_000);

    fn challenge() -> (ChallengeId, CodeHash) {
        let keys = Keys::parse("a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let challenge = Challenge::new(&Email::parse("anna@example.com").unwrap(), &keys).unwrap();
        let code = Code::generate().unwrap();
        (*challenge.id(), challenge.hash(&code, &keys).unwrap())
    }

    #[tokio::test]
    async fn a_code_outlives_no_clock_that_is_set() {
        const HOURS: u64 = 3 * 3_600;
        let keys = Keys::parse("a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let email = Email::parse("anna@example.com").unwrap();
        let challenge = Challenge::new(&email, &keys).unwrap();
        let hash = challenge.hash(&Code::generate().unwrap(), &keys).unwrap();
        let now = START.plus(HOURS);
        for (at, is_there) in [
            (now.plus(LIFETIME_SECONDS - 1), true),
            (now.plus(LIFETIME_SECONDS), false),
            (now.minus(HOURS), false),
            (now.plus(HOURS), false),
        ] {
            let codes = MemoryCodes::default();
            codes.begin(challenge.id(), &hash, now).await.unwrap();
            let tried = codes.count_try(challenge.id(), at).await.unwrap();
            assert_eq!(tried.is_some(), is_there, "{at}");
        }
    }

    #[tokio::test]
    async fn five_tries_are_given_and_no_sixth() {
        let store = MemoryCodes::default();
        let (id, hash) = challenge();
        store.begin(&id, &hash, START).await.unwrap();
        for _ in 0..MAX_TRIES {
            assert!(store.count_try(&id, START).await.unwrap() == Some(hash.clone()));
        }
        assert!(store.count_try(&id, START).await.unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_fifty_tries_at_once_five_are_compared_and_of_twenty_winners_one_wins() {
        let store = Arc::new(MemoryCodes::default());
        let (id, hash) = challenge();
        store.begin(&id, &hash, START).await.unwrap();
        let mut tries = JoinSet::new();
        for _ in 0..50 {
            let store = Arc::clone(&store);
            tries.spawn(async move { store.count_try(&id, START).await.unwrap().is_some() });
        }
        let compared = tries.join_all().await;
        assert_eq!(compared.iter().filter(|is_one| **is_one).count(), 5);
        let mut winners = JoinSet::new();
        for _ in 0..20 {
            let store = Arc::clone(&store);
            winners.spawn(async move { store.win(&id).await.unwrap() });
        }
        let won = winners.join_all().await;
        assert_eq!(won.iter().filter(|is_one| **is_one).count(), 1);
    }

    #[tokio::test]
    async fn a_code_lives_ten_minutes_and_not_a_second_longer() {
        let store = MemoryCodes::default();
        let (id, hash) = challenge();
        store.begin(&id, &hash, START).await.unwrap();
        let last = START.plus(LIFETIME_SECONDS - 1);
        assert!(store.count_try(&id, last).await.unwrap().is_some());
        assert!(store.count_try(&id, last.plus(1)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn one_wins_and_nobody_else() {
        let store = MemoryCodes::default();
        let (id, hash) = challenge();
        store.begin(&id, &hash, START).await.unwrap();
        assert!(store.win(&id).await.unwrap());
        assert!(!store.win(&id).await.unwrap());
        assert!(store.count_try(&id, START).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_flood_costs_nobody_the_code_they_wait_for_and_no_more_than_the_memory_set_aside() {
        let store = MemoryCodes::default();
        let (first, hash) = challenge();
        store.begin(&first, &hash, START).await.unwrap();
        for _ in 1..MAX_WAITING {
            store.begin(&challenge().0, &hash, START).await.unwrap();
        }
        let refused = store.begin(&challenge().0, &hash, START).await;
        assert!(matches!(refused, Err(CodeStoreError::Full)));
        assert!(store.count_try(&first, START).await.unwrap().is_some());
        let later = START.plus(LIFETIME_SECONDS);
        store.begin(&challenge().0, &hash, later).await.unwrap();
        assert_eq!(store.waiting().len(), 1, "the expired are dropped");
    }
}
