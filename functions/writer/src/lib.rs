//! Empties the queue behind the store: takes what is due, folds it by session, reads the rows, and
//! writes what they do not say yet, many rows to a request and so many requests a second.
//!
//! An entry leaves the queue when its row says all of it, and not before: whatever stops this in the
//! middle, the rest comes again, and what was written already is not written twice. A row is read
//! before it is written, so that nothing in it is ever taken back.

use std::collections::HashMap;
use std::time::Duration;

use shared::audit;
use shared::email::EmailRules;
use shared::queue::{Queue, QueueError, QueuedEnding, Waiting, folded};
use shared::session::{EndReason, Ending, Limits, RecordId, Session};
use shared::store::nocodb_store::ROWS_AT_ONCE;
use shared::store::{Change, PAGE_SIZE, Store, StoreError};
use shared::timestamp::Timestamp;

mod budget;
mod others;
mod refusals;

pub use budget::Budget;

/// Entries in one step: what a sandbox has room for many times over.
const MOST_AT_ONCE: usize = 10_000;
/// How long nothing is tried after the store was away, where it does not say.
const AWAY: Duration = Duration::from_secs(10);

/// What became of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Entries that were taken.
    pub taken: usize,
    /// Sessions that they were of.
    pub sessions: usize,
    /// Rows that were changed.
    pub rows: usize,
    /// Entries that the store refuses.
    pub refused: usize,
    /// The store is away: when trying again may help.
    pub away: Option<Duration>,
}

/// What empties the queue.
pub struct Writer<'a> {
    /// From there.
    pub queue: &'a dyn Queue,
    /// To there.
    pub store: &'a dyn Store,
    /// When sessions end by themselves.
    pub limits: &'a Limits,
    /// Who may come in: whoever may not any more loses a running session, which in batched mode only
    /// shows here.
    pub rules: &'a EmailRules,
    /// How fast.
    pub budget: &'a Budget,
}

/// How far the writing of some entries came.
#[derive(Default)]
struct Progress {
    done: Vec<String>,
    refused: Vec<String>,
    rows: usize,
}

impl Writer<'_> {
    /// Takes what is due and writes it, as much as fits into `time`.
    ///
    /// # Errors
    /// [`QueueError`]; what was taken comes again.
    pub async fn step(&self, time: Duration, now: Timestamp) -> Result<Step, QueueError> {
        // One request writes a hundred rows, and another reads what four and a half of them write.
        let fits = self
            .budget
            .within(time)
            .saturating_mul(usize::from(PAGE_SIZE))
            * 4
            / 5;
        let taken = self.queue.take(fits.clamp(1, MOST_AT_ONCE), now).await?;
        let mut step = Step {
            taken: taken.len(),
            ..Step::default()
        };
        if taken.is_empty() {
            return Ok(step);
        }
        let mut waiting = folded(taken);
        step.sessions = waiting.len();
        while !waiting.is_empty() {
            let some = &waiting[..waiting.len().min(ROWS_AT_ONCE)];
            let mut progress = Progress::default();
            let result = self.write(some, now, &mut progress).await;
            step.rows += progress.rows;
            step.refused += progress.refused.len();
            let (done, refused) = (progress.done, progress.refused);
            self.queue.done(&done).await?;
            self.queue.refuse(&refused, now).await?;
            if let Err(error) = result {
                let away = match error.retry_after() {
                    wait if wait > AWAY => wait,
                    _ => AWAY,
                };
                tracing::error!(
                    error = error.to_string(),
                    seconds = away.as_secs(),
                    "the queue cannot be written; it is tried again"
                );
                step.away = Some(away);
                waiting.retain(|one| {
                    let is_left =
                        |receipt: &String| !done.contains(receipt) && !refused.contains(receipt);
                    one.receipts.first().is_some_and(is_left)
                });
                let due = now.plus(away.as_secs());
                self.queue.put_back(&waiting, due, now).await?;
                break;
            }
            waiting.drain(..waiting.len().min(ROWS_AT_ONCE));
        }
        tracing::info!(
            entries = step.taken,
            sessions = step.sessions,
            rows = step.rows,
            refused = step.refused,
            "the queue was written"
        );
        Ok(step)
    }

    /// Writes entries of sessions that all differ, at most [`ROWS_AT_ONCE`].
    async fn write(
        &self,
        some: &[Waiting],
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        let ids: Vec<RecordId> = some
            .iter()
            .map(|one| one.entry.key.record.clone())
            .collect();
        self.budget.take().await;
        let (rows, everything_ended) = self.store.rows(&ids).await?;
        let rows: HashMap<&RecordId, &Session> = rows.iter().map(|row| (&row.id, row)).collect();
        let newest = everything_ended.into_iter().max();

        let mut changes: Vec<(&Waiting, &Session, Session, Change)> = Vec::new();
        let mut as_they_are: Vec<(&Waiting, Option<Session>)> = Vec::new();
        for one in some {
            // A row that is gone, or another session's: the owner wants no trace of this visit.
            let row = rows
                .get(&one.entry.key.record)
                .filter(|row| one.entry.owns(row));
            let Some(row) = row else {
                as_they_are.push((one, None));
                continue;
            };
            let after = self.after(one, row, newest, now);
            match Change::between(row, &after) {
                Some(change) => changes.push((one, row, after, change)),
                None => as_they_are.push((one, Some(after))),
            }
        }
        for (one, after) in as_they_are {
            self.end_others(one, after.as_ref()).await?;
            progress.done.extend(one.receipts.iter().cloned());
        }
        for some in changes.chunks(PAGE_SIZE.into()) {
            let wanted: Vec<_> = some
                .iter()
                .map(|(one, .., change)| (one.entry.key.record.clone(), change.clone()))
                .collect();
            let refused = self.write_or_split(&wanted).await?;
            for (one, row, after, _) in some {
                if refused.contains(&one.entry.key.record) {
                    progress.refused.extend(one.receipts.iter().cloned());
                    continue;
                }
                progress.rows += 1;
                if row.end_reason.is_none()
                    && let Some(reason) = after.end_reason
                {
                    audit::ended(&after.id, reason);
                }
                self.end_others(one, Some(after)).await?;
                progress.done.extend(one.receipts.iter().cloned());
            }
        }
        Ok(())
    }

    /// The row with the entry in it.
    fn after(
        &self,
        one: &Waiting,
        row: &Session,
        everything_ended: Option<Timestamp>,
        now: Timestamp,
    ) -> Session {
        let (closed, _) = row.clone().closed_by(everything_ended);
        let after = one.entry.applied(&closed);
        if after.end_reason.is_some() || self.rules.permit_text(&row.email) {
            return after;
        }
        let revoked = Ending {
            reason: EndReason::Revoked,
            at: now,
        };
        after.with(&one.entry.figures, Some(revoked))
    }

    /// Ends the visitor's other sessions, where this ending asks for that and is the one that stands.
    async fn end_others(&self, one: &Waiting, after: Option<&Session>) -> Result<(), StoreError> {
        let ending = one
            .entry
            .ending
            .filter(|ending| ending.everywhere.is_some());
        let stands = |ending: &QueuedEnding, row: &Session| {
            (row.end_reason, row.ended_at) == (Some(ending.reason), Some(ending.at))
        };
        match (ending, after) {
            (Some(ending), Some(row)) if stands(&ending, row) => {
                others::end(self, row, ending).await
            }
            _ => Ok(()),
        }
    }
}
