//! How many requests a second a server is sent.
//!
//! NocoDB's cloud takes five requests a second from a token; one more, and it refuses everything for half
//! a minute. A server of one's own may do the same. So nothing is sent that could make it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Spaces the requests of all clients that share it evenly. Cheap to clone.
///
/// Requests wait in a line for their turn. Whoever starts something [`enter`](Self::enter)s first, which
/// keeps the line as short as they have patience; what is begun is finished, however long that is.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    every: Duration,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// When the next request may be sent.
    next: Option<Instant>,
    /// How many have entered, and have not left.
    inside: u32,
}

impl Throttle {
    /// So many requests a second.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self(Arc::new(Inner {
            every: Duration::from_secs(1) / requests.max(1),
            line: Mutex::default(),
        }))
    }

    /// A place for something that sends requests, unless its first one would have to wait longer.
    ///
    /// # Errors
    /// How long it would have to wait.
    pub fn enter(&self, longest: Duration) -> Result<Place, Duration> {
        let mut line = self.0.line();
        let sent = line
            .next
            .map(|next| next.saturating_duration_since(Instant::now()));
        let wait = sent.unwrap_or_default().max(self.0.every * line.inside);
        if wait > longest {
            return Err(wait);
        }
        line.inside += 1;
        Ok(Place(Arc::clone(&self.0)))
    }

    /// Waits until one more request may be sent.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut line = self.0.line();
            let now = Instant::now();
            let turn = line.next.map_or(now, |next| next.max(now));
            line.next = Some(turn + self.0.every);
            turn
        };
        sleep_until(turn).await;
    }
}

impl Inner {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of somebody who sends requests; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place(Arc<Inner>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.inside = line.inside.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_millis(250);

    #[tokio::test(start_paused = true)]
    async fn requests_are_sent_evenly_however_many_come_at_once() {
        let throttle = Throttle::per_second(4);
        let begin = Instant::now();
        let sent = (0..9).map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                throttle.turn().await;
                begin.elapsed()
            })
        });
        let mut at = Vec::new();
        for one in sent.collect::<Vec<_>>() {
            at.push(one.await.unwrap());
        }
        at.sort();
        // The fifth after one second: five within any second.
        for (number, at) in (0..).zip(at) {
            let turn = QUARTER * number;
            assert!(at >= turn && at < turn + Duration::from_millis(2), "{at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_as_long_as_patience_and_whoever_is_more_patient_still_enters() {
        let throttle = Throttle::per_second(4);
        let mut places = Vec::new();
        for _ in 0..5 {
            places.push(throttle.enter(QUARTER * 4).unwrap());
        }
        let wait = throttle.enter(QUARTER * 4).unwrap_err();
        assert_eq!(wait, QUARTER * 5);
        let last = throttle.enter(QUARTER * 20).unwrap();
        drop((places, last));
        assert!(throttle.enter(Duration::ZERO).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_did_not_enter_is_in_the_line_all_the_same() {
        let throttle = Throttle::per_second(4);
        for _ in 0..3 {
            throttle.turn().await;
        }
        assert!(throttle.enter(Duration::ZERO).is_err());
        tokio::time::sleep(QUARTER).await;
        assert!(throttle.enter(Duration::ZERO).is_ok());
    }
}
