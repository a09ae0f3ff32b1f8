//! How many requests a second the store is sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spaces requests evenly: NocoDB's cloud counts them by the second, and one too many locks everybody
/// out for half a minute.
pub struct Budget {
    every: Duration,
    next: Mutex<Instant>,
    taken: AtomicUsize,
}

impl Budget {
    /// So many requests a second.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self {
            every: Duration::from_secs(1) / requests.max(1),
            next: Mutex::new(Instant::now()),
            taken: AtomicUsize::new(0),
        }
    }

    /// Waits until one more may be sent.
    pub async fn take(&self) {
        let mut next = self.next.lock().await;
        let turn = (*next).max(Instant::now());
        *next = turn + self.every;
        drop(next);
        self.taken.fetch_add(1, Ordering::Relaxed);
        sleep_until(turn).await;
    }

    /// How many were sent so far.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many may be sent in this time.
    #[must_use]
    pub fn within(&self, time: Duration) -> usize {
        let requests = time.as_nanos() / self.every.as_nanos().max(1);
        usize::try_from(requests).unwrap_or(usize::MAX)
    }
}
