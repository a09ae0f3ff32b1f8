//! Questions about sessions: several about one session within seconds are one.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::Mutex;

use crate::clock::Lasting;
use crate::session::Session;
use crate::store::StoreError;
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// How long an answer is good for: a page that asks, its pictures, and a visitor who is impatient.
const GOOD_FOR_SECONDS: u64 = 5;
/// Answers that are kept at most, each a row without its pages. Two sessions that share a place take
/// turns in it.
const PLACES: usize = 1_024;

/// The newest answers, and whoever waits for one.
pub(super) struct Questions {
    places: Vec<Mutex<Option<Answer>>>,
    salt: RandomState,
}

struct Answer {
    row: Session,
    start: Timestamp,
    is_good: Lasting,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
            salt: RandomState::new(),
        }
    }
}

impl Questions {
    /// The row of this token's session: what `ask` says, or what it said a few seconds ago. One asks
    /// while the others wait.
    ///
    /// # Errors
    /// Those of `ask`, which are not kept.
    pub(super) async fn ask(
        &self,
        token: &Claims,
        now: Timestamp,
        ask: impl AsyncFnOnce() -> Result<Session, StoreError>,
    ) -> Result<Session, StoreError> {
        let mut place = self.place(token).lock().await;
        let known = place.as_ref().filter(|answer| {
            answer.row.id == token.record
                && answer.start == token.start
                && answer.is_good.is_on(now)
        });
        if let Some(answer) = known {
            return Ok(answer.row.clone());
        }
        let row = ask().await?;
        *place = Some(Answer {
            row: Session {
                pages: crate::session::Pages::new(),
                ..row.clone()
            },
            start: token.start,
            is_good: Lasting::new(now, GOOD_FOR_SECONDS),
        });
        Ok(row)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of the hash will do"
    )]
    fn place(&self, token: &Claims) -> &Mutex<Option<Answer>> {
        let hash = self.salt.hash_one(&token.record) as usize;
        &self.places[hash % self.places.len()]
    }
}
