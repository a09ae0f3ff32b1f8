//! Buckets that hold `burst` and refill by one `every` so often (GCRA).
//!
//! Written out rather than taken from `governor`: a wrong passcode is counted after it was compared, and
//! part of a bucket is kept for some, for which a library would have to tell how full a bucket is.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Limited;
use crate::clock::SLACK_SECONDS;

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// So often at once,
    pub(super) burst: u32,
    /// and then once in so many milliseconds.
    pub(super) every_ms: u64,
}

/// So many at once, and then one in so many seconds.
pub(super) const fn rate(burst: u32, every_seconds: u64) -> Rate {
    rate_of(burst, every_seconds * 1_000)
}

/// The same, in milliseconds.
pub(super) const fn rate_of(burst: u32, every_ms: u64) -> Rate {
    assert!(
        burst > 0 && every_ms > 0,
        "a limit of nothing lets nobody in"
    );
    Rate { burst, every_ms }
}

impl Rate {
    /// For a network that holds `factor` of those that this rate is for.
    pub(super) const fn wider(self, factor: u32) -> Self {
        Self {
            burst: self.burst * factor,
            every_ms: self.every_ms / factor as u64,
        }
    }

    /// Milliseconds until a bucket that is empty again at `empty_at` is empty.
    ///
    /// None is ever more than full. One that looks so was filled before the clock was set back, and counts
    /// as empty: nobody is shut out until the clock is where it was.
    fn filled_for(self, empty_at: u64, now_ms: u64) -> u64 {
        let filled_for = empty_at.saturating_sub(now_ms);
        if filled_for > self.full_for() + SLACK_SECONDS * 1_000 {
            0
        } else {
            filled_for
        }
    }

    fn full_for(self) -> u64 {
        u64::from(self.burst) * self.every_ms
    }

    /// How long until one more fits, with so many places left free.
    fn wait(self, empty_at: u64, spare: u32, now_ms: u64) -> u64 {
        let room = u64::from(self.burst.saturating_sub(1 + spare)) * self.every_ms;
        self.filled_for(empty_at, now_ms).saturating_sub(room)
    }

    fn after_one_more(self, empty_at: u64, now_ms: u64) -> u64 {
        let filled_for = self.filled_for(empty_at, now_ms);
        let more = (filled_for + self.every_ms).min(self.full_for().max(filled_for));
        now_ms + more
    }
}

fn limited(wait_ms: u64) -> Result<(), Limited> {
    if wait_ms == 0 {
        return Ok(());
    }
    Err(Limited {
        retry_after: Duration::from_millis(wait_ms),
    })
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    empty_at: Mutex<u64>,
}

impl Bucket {
    pub(super) const fn new(rate: Rate) -> Self {
        Self {
            rate,
            empty_at: Mutex::new(0),
        }
    }

    /// Counts one, which may leave no fewer than `spare` places free.
    pub(super) fn take(&self, spare: u32, now_ms: u64) -> Result<(), Limited> {
        let mut empty_at = self.lock();
        limited(self.rate.wait(*empty_at, spare, now_ms))?;
        *empty_at = self.rate.after_one_more(*empty_at, now_ms);
        Ok(())
    }

    /// Whether one more fits; counts nothing.
    pub(super) fn has_room(&self, now_ms: u64) -> Result<(), Limited> {
        limited(self.rate.wait(*self.lock(), 0, now_ms))
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.empty_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that a hash with a secret of this process makes of what is counted. Memory has an end
/// however many there are, and nobody can choose to share a bucket with somebody else.
type Slot = u32;
/// 2 to this power, 262,144, are 9 MB when all are in use.
const SLOT_BITS: u32 = 18;
/// Between two looks at which buckets are empty again, and can go.
const SWEEP_MS: u64 = 60_000;

/// Buckets of many.
pub(super) struct Table {
    salt: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    /// When each is empty again.
    empty_at: HashMap<Slot, u64>,
    sweep_at: u64,
}

impl Buckets {
    fn add(&mut self, slot: Slot, rate: Rate, now_ms: u64) {
        if !(now_ms..=now_ms + 2 * SWEEP_MS).contains(&self.sweep_at) {
            self.sweep_at = now_ms + SWEEP_MS;
            self.empty_at.retain(|_, empty_at| *empty_at > now_ms);
        }
        let empty_at = self.empty_at.entry(slot).or_default();
        *empty_at = rate.after_one_more(*empty_at, now_ms);
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            salt: RandomState::new(),
            buckets: Mutex::default(),
        }
    }
}

impl Table {
    /// Counts one.
    pub(super) fn take(&self, of: impl Hash, rate: Rate, now_ms: u64) -> Result<(), Limited> {
        let slot = self.slot(of);
        let mut buckets = self.lock();
        let empty_at = buckets.empty_at.get(&slot).copied().unwrap_or_default();
        limited(rate.wait(empty_at, 0, now_ms))?;
        buckets.add(slot, rate, now_ms);
        Ok(())
    }

    /// Whether one more fits; counts nothing.
    pub(super) fn has_room(&self, of: impl Hash, rate: Rate, now_ms: u64) -> Result<(), Limited> {
        limited(rate.wait(self.empty_at(of), 0, now_ms))
    }

    /// Counts one that was found out later. A full bucket stays full.
    pub(super) fn add(&self, of: impl Hash, rate: Rate, now_ms: u64) {
        let slot = self.slot(of);
        self.lock().add(slot, rate, now_ms);
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().empty_at.len()
    }

    fn empty_at(&self, of: impl Hash) -> u64 {
        let slot = self.slot(of);
        self.lock().empty_at.get(&slot).copied().unwrap_or_default()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "these bits of the hash are what is wanted"
    )]
    fn slot(&self, of: impl Hash) -> Slot {
        self.salt.hash_one(of) as Slot & ((1 << SLOT_BITS) - 1)
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
