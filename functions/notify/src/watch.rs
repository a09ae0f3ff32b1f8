//! One window after the other, for a process that stays: `serve`.

use std::time::Duration;

use shared::clock::is_ahead;
use shared::session::Limits;
use shared::settings::{Pace, StoreSettings};
use shared::store::Store;
use shared::timestamp::Timestamp;

use crate::events::Window;
use crate::receiver::Notifier;
use crate::refused::Waiting;
use crate::{NotifyError, SETTLED_AFTER_SECONDS, Told, run};

/// What was missed while a receiver was away is caught up in steps of an hour, so that what has been
/// told of it stays told.
const LONGEST_WINDOW: u64 = 3_600;
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A transaction of SQLite's waits five seconds for its turn at most.
const SQLITE_SETTLED_AFTER: u64 = 6;

/// How far it has been told.
pub struct Watch {
    from: Timestamp,
    settled_after: u64,
    every: Duration,
    failures: u32,
    told: Told,
    refused: Waiting,
}

impl Watch {
    /// What happens from `now` on: every 5 seconds with SQLite; every 30 with NocoDB, where looking
    /// costs visitors a share of its requests.
    #[must_use]
    pub fn new(store: &StoreSettings, now: Timestamp) -> Self {
        let (every, settled_after) = match store {
            StoreSettings::Sqlite(_) => (5, SQLITE_SETTLED_AFTER),
            StoreSettings::NocoDb(_) => (30, SETTLED_AFTER_SECONDS),
        };
        Self {
            from: now,
            settled_after,
            every: Duration::from_secs(every),
            failures: 0,
            told: Told::new(),
            refused: Waiting::default(),
        }
    }

    /// Tells what happened since the last time that all was told, and says how long to wait until the
    /// next call. What could not be told stays for that; what the receiver refused is tried again beside
    /// everything else, and given up after a quarter of an hour.
    pub async fn step(
        &mut self,
        store: &dyn Store,
        pace: Pace,
        notifier: &dyn Notifier,
        limits: &Limits,
        now: Timestamp,
    ) -> Duration {
        let settled = now.minus(self.settled_after);
        // The clock was set back: what happens from here on would be looked for only when it is there
        // again. What has been told is known, and not told again.
        if is_ahead(self.from, now) {
            self.from = settled;
        }
        if settled <= self.from {
            return self.every;
        }
        let window = Window {
            from: self.from,
            to: settled.min(self.from.plus(LONGEST_WINDOW)),
        };
        match run(store, pace, notifier, limits, window, now, &mut self.told).await {
            Ok(refused) => {
                self.failures = 0;
                self.refused.step(notifier, now).await;
                for one in refused {
                    // From here on it is told by nobody else.
                    self.told.insert(one.message.id.clone(), one.start);
                    self.refused.add(one, now);
                }
                self.from = window.to;
                self.forget(limits);
                if window.to < settled {
                    pace.pause
                } else {
                    self.every
                }
            }
            Err(error) => self.after(&error),
        }
    }

    fn after(&mut self, error: &NotifyError) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let pause = self.every.saturating_mul(doubled);
        let pause = pause
            .max(error.retry_after().unwrap_or_default())
            .min(LONGEST_PAUSE);
        tracing::error!(
            error = error.to_string(),
            seconds = pause.as_secs(),
            "the owner could not be told of visits; it is tried again"
        );
        pause
    }

    /// Of a session that began so long ago, nothing is left to be told.
    fn forget(&mut self, limits: &Limits) {
        let earliest = self.from.minus(limits.lifetime + 86_400);
        self.told.retain(|_, start| *start >= earliest);
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
