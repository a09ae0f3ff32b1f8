//! Whether a session was ended: what is known of it, and asking the store.

use std::time::Duration;

use super::endings::Known;
use super::write_behind::{Beat, WriteBehind};
use crate::nocodb::Place;
use crate::session::{EndReason, Session};
use crate::store::StoreError;
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// How long somebody may wait for their turn at the store. Whoever may wait longer is in front of whoever
/// may not: the line never gets longer than the impatient let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// What can be queued instead, such as a heartbeat.
    None,
    /// A question or a visit from a network that has asked often lately.
    Short,
    /// A question from one that has not.
    Long,
    /// Coming in, and logging out.
    Longest,
}

impl Patience {
    const fn longest(self) -> Duration {
        Duration::from_millis(match self {
            Self::None => 500,
            Self::Short => 1_000,
            Self::Long => 3_000,
            Self::Longest => 5_000,
        })
    }
}

impl WriteBehind {
    /// Whether this token's session was ended: what this process knows, or the row says, or in batched
    /// mode what was told of endings. Several questions within seconds are one.
    ///
    /// # Errors
    /// [`StoreError::Limited`] where it would take too long for this `patience`: then nothing is known,
    /// and it is not the store's fault. Any other where the store cannot say.
    pub async fn look_up(
        &self,
        token: &Claims,
        patience: Patience,
        now: Timestamp,
    ) -> Result<Beat, StoreError> {
        if let Some(reason) = self.ended.reason(token) {
            return Ok(Beat::Ended(reason));
        }
        if self.every.is_some()
            && let Some(known) = self.told_of(token, now).await
        {
            return Ok(known);
        }
        let row = self.ask(token, patience, now).await?;
        Ok(Beat::Written(row))
    }

    /// A place at the store, for something that is not a heartbeat, an ending or a question.
    ///
    /// # Errors
    /// [`StoreError::Limited`].
    pub fn place(&self, patience: Patience) -> Result<Option<Place>, StoreError> {
        let Some(throttle) = &self.throttle else {
            return Ok(None);
        };
        let place = throttle.enter(patience.longest());
        place.map(Some).map_err(|wait| StoreError::Limited {
            retry_after: wait.max(Duration::from_secs(1)),
        })
    }

    /// Whether the store takes so few requests that questions have to be counted.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.throttle.is_some()
    }

    /// Sessions that are known to be ended.
    #[must_use]
    pub fn ended(&self) -> &super::EndedSessions {
        &self.ended
    }

    /// What another one is known to have ended, in batched mode; `None` where the store has to be asked.
    pub(super) async fn told_of(&self, token: &Claims, now: Timestamp) -> Option<Beat> {
        if !self.is_away(now) {
            self.endings
                .ask(self.store.as_ref(), &self.limits, now)
                .await;
        }
        match self.endings.known(token, now) {
            Known::Ended(reason) => {
                self.remember(token, reason);
                Some(Beat::Ended(reason))
            }
            Known::OpenAt(moment) => Some(Beat::Queued {
                confirmed_at: Some(moment),
            }),
            // Its token is older than what was told, or nobody tells anything: its row knows.
            Known::TooOld | Known::Nothing => None,
        }
    }

    /// Asks the store for the row of this token's session, where it is the session's own.
    pub(super) async fn ask(
        &self,
        token: &Claims,
        patience: Patience,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        if self.throttle.is_none() {
            return self.ask_now(token).await;
        }
        let ask = async || {
            if self.is_away(now) {
                return Err(StoreError::Away);
            }
            let _place = self.place(patience)?;
            let asked = self.ask_now(token).await;
            if let Err(error) = &asked {
                self.failed(error, now);
            }
            asked
        };
        self.questions.ask(token, now, ask).await
    }

    async fn ask_now(&self, token: &Claims) -> Result<Session, StoreError> {
        let row = self.store.get(&token.record).await;
        let row = match row {
            Ok(row) if !token.owns(&row) => Err(StoreError::NotFound),
            row => row,
        };
        self.learn(token, row.as_ref());
        row
    }

    /// Keeps in mind what the store says of an ending.
    pub(super) fn learn(&self, token: &Claims, row: Result<&Session, &StoreError>) {
        let reason = match row {
            Ok(row) => row.end_reason,
            // Deleted: the owner wants no trace of this visit, and no more of it.
            Err(StoreError::NotFound) => Some(EndReason::Revoked),
            Err(_) => None,
        };
        if let Some(reason) = reason {
            self.remember(token, reason);
        }
    }

    pub(super) fn remember(&self, token: &Claims, reason: EndReason) {
        self.ended.remember(&token.record, token.start, reason);
    }

    /// Why a session is over, where the store does not say so: this process knows it, or that everything
    /// was ended.
    pub async fn known_ending(&self, token: &Claims) -> Option<EndReason> {
        if let Some(reason) = self.ended.reason(token) {
            return Some(reason);
        }
        let everything = self.store.not_before().await;
        everything
            .filter(|moment| token.start <= *moment)
            .map(|_| EndReason::Revoked)
    }
}
