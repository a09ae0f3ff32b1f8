//! A queue behind the store: what a store cannot take now is kept, and written when it answers again.
//!
//! [`WriteBehind`] stands in front of the store and decides what is written at once and what waits. An
//! [`Entry`] is what waits of one session. A [`Queue`] keeps entries: [`local`] in a file, for one
//! machine, and [`sqs`] on AWS. Whoever empties it is the function `writer`.
//!
//! Entries of one session fold into one: the largest cumulative figures, the newest last seen and the
//! first ending win. So it does not matter in which order they come, how often, or in which batches
//! they are written.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use async_trait::async_trait;

use crate::timestamp::Timestamp;

mod asking;
mod ended;
mod endings;
mod entry;
#[cfg(feature = "sqlite")]
pub mod local;
mod questions;
#[cfg(feature = "queue-on-aws")]
pub mod sqs;
mod write_behind;

pub use asking::Patience;
pub use ended::EndedSessions;
pub use endings::{Board, EVERY_SECONDS, Notice};
pub use entry::{Entry, Key, QueuedEnding};
pub use write_behind::{Beat, Ending, WriteBehind};

/// How long a heartbeat that could not be written waits before it is tried again: longer than the
/// 180 s until the same page's next one, which brings all its figures and most often leaves nothing to
/// be written. Whoever has left by then is not written to by anybody else at that moment.
pub const SETTLE_SECONDS: u64 = 240;

/// The longest that SQS keeps a message back, and so the longest that a row may be behind on purpose.
pub const LONGEST_DELAY_SECONDS: u64 = 900;

/// An entry that is being written, and what its queue knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is to be written.
    pub entry: Entry,
    /// See [`Queue::done`].
    pub receipt: String,
}

/// All that was taken of one session, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What is to be written.
    pub entry: Entry,
    /// Of all that it was made of.
    pub receipts: Vec<String>,
}

/// Makes one of all entries of each session, in the order in which the sessions came first.
#[must_use]
pub fn folded(taken: Vec<Taken>) -> Vec<Waiting> {
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(taken.len());
    let mut waiting: Vec<Waiting> = Vec::new();
    for Taken { entry, receipt } in taken {
        match places.entry(entry.key.clone()) {
            Occupied(place) => {
                let known = &mut waiting[*place.get()];
                known.entry = known.entry.clone().fold(entry);
                known.receipts.push(receipt);
            }
            Vacant(place) => {
                place.insert(waiting.len());
                waiting.push(Waiting {
                    entry,
                    receipts: vec![receipt],
                });
            }
        }
    }
    waiting
}

/// A place where entries wait, and stay until somebody says that they were written.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Keeps an entry, to be taken at `due` or later. When this returns, it is there to stay.
    ///
    /// # Errors
    /// [`QueueError`]; it may be kept all the same.
    async fn push(&self, entry: &Entry, due: Timestamp, now: Timestamp) -> Result<(), QueueError>;

    /// Entries that are due, at most `most`. Who takes them has them for a minute at least; after that
    /// they may be given to another. None means that nothing is due.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn take(&self, most: usize, now: Timestamp) -> Result<Vec<Taken>, QueueError>;

    /// These were written, and go. What has come in of the same sessions since stays.
    ///
    /// # Errors
    /// [`QueueError`]; then they come again, which changes nothing.
    async fn done(&self, receipts: &[String]) -> Result<(), QueueError>;

    /// These could not be written because the store is away: they wait until `due`, however often that
    /// happens.
    ///
    /// # Errors
    /// [`QueueError`]; then they come again anyway.
    async fn put_back(
        &self,
        waiting: &[Waiting],
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError>;

    /// The store refuses these while it takes others. They come again a few times, and are then put
    /// aside where somebody can look at them.
    ///
    /// # Errors
    /// [`QueueError`]; then they come again anyway.
    async fn refuse(&self, receipts: &[String], now: Timestamp) -> Result<(), QueueError>;

    /// The same, with the store's words, for whoever looks at them; a queue may have no place for those.
    ///
    /// # Errors
    /// Those of [`refuse`](Self::refuse).
    async fn refuse_because(
        &self,
        receipts: &[String],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let _ = reason;
        self.refuse(receipts, now).await
    }
}

/// The queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the queue: {0}")]
pub struct QueueError(pub String);

/// When an entry that waits on purpose becomes due: every session has its own second in every `every`
/// seconds, so that all its entries of that time become due together and make one write, and the
/// writes of all sessions are spread evenly.
#[must_use]
pub fn next_turn(key: &Key, every: u64, now: Timestamp) -> Timestamp {
    let every = every.max(1);
    let seconds = now.as_unix().unsigned_abs();
    let phase = key.spread() % every;
    // From 1 to `every` seconds ahead.
    let ahead = every - (seconds + every - phase) % every;
    now.plus(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::RecordId;

    fn key(record: u64) -> Key {
        Key {
            record: RecordId::new(record.to_string()),
            start: Timestamp::from_unix(1_767_400_000),
        }
    }

    #[test]
    fn a_session_has_one_turn_in_every_so_many_seconds() {
        let begin = Timestamp::from_unix(1_767_323_045);
        for record in 1..50 {
            let first = next_turn(&key(record), 300, begin);
            assert!((1..=300).contains(&first.since(begin)), "{record}");
            for second in 0..first.since(begin) {
                assert_eq!(next_turn(&key(record), 300, begin.plus(second)), first);
            }
            assert_eq!(next_turn(&key(record), 300, first), first.plus(300));
        }
    }

    #[test]
    fn turns_are_spread_evenly() {
        let begin = Timestamp::from_unix(1_767_323_045);
        let mut counts = [0_u32; 10];
        for record in 0..10_000 {
            let ahead = next_turn(&key(record), 300, begin).since(begin) - 1;
            counts[usize::try_from(ahead / 30).unwrap()] += 1;
        }
        for count in counts {
            assert!((850..1_150).contains(&count), "{counts:?}");
        }
    }
}
