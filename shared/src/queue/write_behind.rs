//! What stands in front of the store: whether a heartbeat or an ending is written at once, or waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::asking::Patience;
use super::endings::Endings;
use super::questions::Questions;
use super::{Board, EndedSessions, Entry, Queue, QueuedEnding, SETTLE_SECONDS, next_turn};
use crate::clock::Lasting;
use crate::nocodb::Throttle;
use crate::session::{EndReason, Heartbeat, Limits, Session};
use crate::store::{Ended, ErrorScope, Store, StoreError};
use crate::timestamp::Timestamp;
use crate::token::Claims;

/// Heartbeats that are written at once beside each other. A real NocoDB takes as many a second with
/// one connection as with fifty (measured); with SQLite it is what fits into some hundredths of a
/// second, and leaves the gate and logging out room.
const AT_ONCE_ON_NOCODB: usize = 16;
const AT_ONCE_ON_SQLITE: usize = 256;
/// An ending that was written comes by again so much later: NocoDB's client gives up long before.
const ENDING_AGAIN_SECONDS: u64 = 60;
/// How long somebody who opens a page waits for a file to be written that can be read all the same.
const PAGE_TIMEOUT: Duration = Duration::from_millis(10);

/// What became of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The row as it stands now, which tells whether the session was ended elsewhere.
    Written(Session),
    /// It will be written. The session was open when the store last told of endings, if it did.
    Queued {
        /// When that was.
        confirmed_at: Option<Timestamp>,
    },
    /// The session was ended, as the store told lately.
    Ended(EndReason),
}

/// What became of an ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// See [`Store::end`].
    Written(Ended),
    /// It will be written, and end the visitor's other sessions where that was asked for.
    Queued,
}

/// The store with a queue behind it, or without one.
///
/// - **With a queue**, what the store cannot take waits there, and is as good as written for whoever
///   sent it. A store that failed is left alone for a moment, so that an outage costs no visitor the
///   time that it takes to fail.
/// - **In batched mode** every heartbeat goes into the queue, and the session's endings are known from
///   one question that serves everybody.
/// - **On SQLite** heartbeats that are too many at once are refused, so that they never keep the gate or
///   a log-out waiting.
pub struct WriteBehind {
    pub(super) store: Arc<dyn Store>,
    pub(super) limits: Limits,
    queue: Option<Arc<dyn Queue>>,
    pub(super) every: Option<u64>,
    /// What is too much is refused, and not queued.
    sheds: bool,
    /// What cannot be written now can still be read: so it is with a SQLite file that another program
    /// has locked.
    reads_while_locked: bool,
    pub(super) endings: Endings,
    away: Mutex<Option<Lasting>>,
    at_once: Semaphore,
    /// What the store's requests wait for, where it takes so many a second.
    pub(super) throttle: Option<Throttle>,
    pub(super) questions: Questions,
    pub(super) ended: Arc<EndedSessions>,
}

impl WriteBehind {
    /// The store alone.
    #[must_use]
    pub fn without_queue(store: Arc<dyn Store>, limits: Limits) -> Self {
        Self::new(store, limits, None, None, true)
    }

    /// SQLite with a queue behind it, for what keeps it from writing for a while. What is too much for it
    /// would be too much for the queue as well, and is refused.
    #[must_use]
    pub fn beside_sqlite(store: Arc<dyn Store>, limits: Limits, queue: Arc<dyn Queue>) -> Self {
        Self {
            reads_while_locked: true,
            ..Self::new(store, limits, Some(queue), None, true)
        }
    }

    /// NocoDB with a queue behind it. `every` turns batched mode on: each row is written once in so many
    /// seconds.
    #[must_use]
    pub fn with_queue(
        store: Arc<dyn Store>,
        limits: Limits,
        queue: Arc<dyn Queue>,
        every: Option<u64>,
    ) -> Self {
        Self::new(store, limits, Some(queue), every, false)
    }

    /// Endings are known from what another process posts there, and the store is not asked for them.
    #[must_use]
    pub fn told_by(self, board: Arc<dyn Board>) -> Self {
        Self {
            endings: Endings::on(board),
            ..self
        }
    }

    /// The store's requests wait for this; what would make others wait too long is queued, or refused.
    #[must_use]
    pub fn throttled_by(self, throttle: Option<Throttle>) -> Self {
        Self { throttle, ..self }
    }

    /// The same throttle, for what stands in front of the same store.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttle> {
        self.throttle.clone()
    }

    fn new(
        store: Arc<dyn Store>,
        limits: Limits,
        queue: Option<Arc<dyn Queue>>,
        every: Option<u64>,
        sheds: bool,
    ) -> Self {
        let at_once = if sheds {
            AT_ONCE_ON_SQLITE
        } else {
            AT_ONCE_ON_NOCODB
        };
        Self {
            store,
            limits,
            queue,
            every,
            sheds,
            reads_while_locked: false,
            endings: Endings::default(),
            away: Mutex::default(),
            at_once: Semaphore::new(at_once),
            throttle: None,
            questions: Questions::default(),
            ended: Arc::default(),
        }
    }

    /// Takes a heartbeat of this token's session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the row was deleted; any other means that it is kept nowhere.
    pub async fn heartbeat(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        now: Timestamp,
    ) -> Result<Beat, StoreError> {
        let beat = self.take(token, heartbeat, now).await;
        let ending = match &beat {
            Ok(Beat::Written(row)) if token.owns(row) => {
                if row.end_reason.is_some() {
                    self.learn(token, Ok(row));
                    return beat;
                }
                self.ended.reason(token)
            }
            Ok(Beat::Written(_)) | Err(StoreError::NotFound) => {
                self.learn(token, Err(&StoreError::NotFound));
                return beat;
            }
            Ok(Beat::Queued { .. }) => self.ended.reason(token),
            Ok(Beat::Ended(_)) | Err(_) => return beat,
        };
        ending.map_or(beat, |reason| Ok(Beat::Ended(reason)))
    }

    async fn take(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        now: Timestamp,
    ) -> Result<Beat, StoreError> {
        let Some(queue) = &self.queue else {
            let _place = self.free_place().ok_or(StoreError::Busy)?;
            let _turn = self.place(Patience::Long)?;
            let row = self.store.heartbeat(&token.record, heartbeat).await?;
            return Ok(Beat::Written(row));
        };
        let entry = Entry::new(&token.record, heartbeat, None);
        if let Some(every) = self.every {
            let known = self.known(token, now).await?;
            let due = next_turn(&entry.key, every, now);
            match queue.push(&entry, due, now).await {
                Ok(()) => return Ok(known),
                Err(_) if matches!(known, Beat::Ended(_)) => return Ok(known),
                Err(error) => not_kept(&error),
            }
        }
        let error = match self.direct_heartbeat(token, heartbeat, now).await {
            Ok(row) => {
                self.cut_off_again(queue.as_ref(), entry, &row, now).await;
                return Ok(Beat::Written(row));
            }
            Err(StoreError::NotFound) => return Err(StoreError::NotFound),
            Err(StoreError::Busy) if self.sheds => return Err(StoreError::Busy),
            Err(error) => error,
        };
        let due = now.plus(SETTLE_SECONDS);
        match queue.push(&entry, due, now).await {
            Ok(()) => Ok(Beat::Queued { confirmed_at: None }),
            Err(not_kept_error) => {
                not_kept(&not_kept_error);
                Err(error)
            }
        }
    }

    /// In batched mode: what is known of this session's ending. Where nobody tells, the store is asked, as
    /// far as that keeps nobody waiting.
    async fn known(&self, token: &Claims, now: Timestamp) -> Result<Beat, StoreError> {
        if let Some(known) = self.told_of(token, now).await {
            return Ok(known);
        }
        match self.ask(token, Patience::None, now).await {
            Ok(row) => Ok(match row.end_reason {
                Some(reason) => Beat::Ended(reason),
                None => Beat::Queued {
                    confirmed_at: Some(now),
                },
            }),
            Err(StoreError::NotFound) => Err(StoreError::NotFound),
            Err(_) => Ok(Beat::Queued { confirmed_at: None }),
        }
    }

    /// Takes a heartbeat of somebody who opens a page, and does not let them wait for a file that is
    /// locked: the heartbeat is written later then, and the session can be [looked up](Self::look_up).
    ///
    /// # Errors
    /// Those of [`heartbeat`](Self::heartbeat).
    pub async fn heartbeat_before_a_page(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        now: Timestamp,
    ) -> Result<Beat, StoreError> {
        let beat = self.heartbeat(token, heartbeat, now);
        let Some(queue) = self.queue.as_ref().filter(|_| self.reads_while_locked) else {
            return beat.await;
        };
        if let Ok(result) = tokio::time::timeout(PAGE_TIMEOUT, beat).await {
            return result;
        }
        // It may still be written, and once more from the queue: its figures are cumulative.
        let entry = Entry::new(&token.record, heartbeat, None);
        let push = queue.push(&entry, now.plus(SETTLE_SECONDS), now);
        if let Ok(Err(error)) = tokio::time::timeout(PAGE_TIMEOUT, push).await {
            not_kept(&error);
        }
        Ok(Beat::Queued { confirmed_at: None })
    }

    /// A heartbeat that met an ending has written over the row, and what it put back may not have
    /// arrived, or another one may have come between: the ending comes by once more.
    async fn cut_off_again(&self, queue: &dyn Queue, entry: Entry, row: &Session, now: Timestamp) {
        let ending = standing(row);
        if self.sheds || ending.is_none() {
            return;
        }
        let entry = Entry { ending, ..entry };
        let due = now.plus(ENDING_AGAIN_SECONDS);
        if let Err(error) = queue.push(&entry, due, now).await {
            not_kept(&error);
        }
    }

    /// Ends this token's session, with its last figures. `everywhere` is for an ending that the store
    /// cannot take now: the visitor's other sessions end too, for that reason, once it is written. Where
    /// it is written at once, that is the caller's to do.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the row was deleted; any other means that it is kept nowhere.
    pub async fn end(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        reason: EndReason,
        everywhere: Option<EndReason>,
        now: Timestamp,
    ) -> Result<Ending, StoreError> {
        let ending = self
            .write_ending(token, heartbeat, reason, everywhere, now)
            .await;
        // Also where it is kept nowhere: whoever holds a copy of the cookie is out here.
        self.remember(
            token,
            match &ending {
                Ok(Ending::Written(ended)) => ended.session.end_reason.unwrap_or(reason),
                Err(StoreError::NotFound) => EndReason::Revoked,
                Ok(Ending::Queued) | Err(_) => reason,
            },
        );
        ending
    }

    async fn write_ending(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        reason: EndReason,
        everywhere: Option<EndReason>,
        now: Timestamp,
    ) -> Result<Ending, StoreError> {
        let place = self.place(Patience::Longest);
        let Some(queue) = &self.queue else {
            let ended = self
                .store
                .end(&token.record, heartbeat, reason, now)
                .await?;
            return Ok(Ending::Written(ended));
        };
        let ending = QueuedEnding {
            reason,
            at: now,
            everywhere,
        };
        let entry = Entry::new(&token.record, heartbeat, Some(ending));
        let error = if self.is_away(now) {
            StoreError::Away
        } else if let Err(limited) = place {
            limited
        } else {
            match self.store.end(&token.record, heartbeat, reason, now).await {
                Ok(ended) => {
                    // NocoDB cannot change a row only where nobody else has: whoever read it before,
                    // here or from the queue, may write over this. So the ending comes by once more,
                    // after the longest that such a write can take, and the first one is put back.
                    let changes_nothing = ended.already && heartbeat.past_deadline;
                    if !self.sheds && !changes_nothing {
                        let due = match self.every {
                            Some(every) => next_turn(&entry.key, every, now),
                            None => now.plus(ENDING_AGAIN_SECONDS),
                        };
                        let alone = QueuedEnding {
                            everywhere: None,
                            ..ending
                        };
                        let entry = Entry {
                            ending: if ended.already {
                                standing(&ended.session)
                            } else {
                                Some(alone)
                            },
                            ..entry
                        };
                        if let Err(error) = queue.push(&entry, due, now).await {
                            not_kept(&error);
                        }
                    }
                    return Ok(Ending::Written(ended));
                }
                Err(StoreError::NotFound) => return Err(StoreError::NotFound),
                Err(error) => {
                    self.failed(&error, now);
                    error
                }
            }
        };
        match queue.push(&entry, now, now).await {
            Ok(()) => Ok(Ending::Queued),
            Err(not_kept_error) => {
                not_kept(&not_kept_error);
                Err(error)
            }
        }
    }

    /// Has a visitor's other sessions ended later, after this one was ended at once and they could not
    /// be.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where there is no queue, or it does not take it either.
    pub async fn end_others_later(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        reason: EndReason,
        everywhere: EndReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Busy)?;
        let ending = QueuedEnding {
            reason,
            at: now,
            everywhere: Some(everywhere),
        };
        let entry = Entry::new(&token.record, heartbeat, Some(ending));
        queue.push(&entry, now, now).await.map_err(|error| {
            not_kept(&error);
            StoreError::Busy
        })
    }

    async fn direct_heartbeat(
        &self,
        token: &Claims,
        heartbeat: &Heartbeat,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        if self.is_away(now) {
            return Err(StoreError::Away);
        }
        let _place = self.free_place().ok_or(StoreError::Busy)?;
        let _turn = self.place(Patience::None)?;
        let result = self.store.heartbeat(&token.record, heartbeat).await;
        match &result {
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => self.failed(error, now),
        }
        result
    }

    fn free_place(&self) -> Option<SemaphorePermit<'_>> {
        self.at_once.try_acquire().ok()
    }

    pub(super) fn is_away(&self, now: Timestamp) -> bool {
        self.away().is_some_and(|pause| pause.is_on(now))
    }

    /// Leaves the store alone for a moment, and says why. One row or column that fails is no reason to.
    pub(super) fn failed(&self, error: &StoreError, now: Timestamp) {
        // These are not the store's doing.
        if matches!(error, StoreError::Limited { .. } | StoreError::NotFound) {
            return;
        }
        if error.scope() != ErrorScope::Store {
            tracing::error!(
                error = error.to_string(),
                "a write was refused; it waits in the queue"
            );
            return;
        }
        let wait = error.retry_after().as_secs().max(1);
        let pause = Lasting::new(now, wait);
        let mut away = self.away();
        if away.is_none_or(|known| known.left(now) < wait) {
            *away = Some(pause);
        }
        tracing::error!(
            error = error.to_string(),
            seconds = wait,
            "the store is left alone for a moment; what comes in waits in the queue"
        );
    }

    fn away(&self) -> std::sync::MutexGuard<'_, Option<Lasting>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ending that a row says, where it says when.
fn standing(row: &Session) -> Option<QueuedEnding> {
    Some(QueuedEnding {
        reason: row.end_reason?,
        at: row.ended_at?,
        everywhere: None,
    })
}

fn not_kept(error: &super::QueueError) {
    tracing::error!(
        error = error.to_string(),
        "what the store could not take could not be queued either"
    );
}
