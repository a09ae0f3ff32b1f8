//! Ages and pauses that survive a wall clock which is set, forward or back, by any amount.
//!
//! Rules are given the wall clock's time, which jumps: a laptop's clock is corrected, a virtual machine
//! wakes up. A monotonic clock does not jump, but may stand still while a Lambda sandbox is frozen. So
//! what has an age takes one of these types, and nothing compares a remembered moment with `now` by
//! itself.

use std::time::{Duration, Instant, SystemTime};

use crate::timestamp::Timestamp;

/// Requests overtake each other, and each brings the time at which it came in. A time that lies further
/// back than this many seconds means that the clock was set.
pub const SLACK_SECONDS: u64 = 60;

/// A span that begins at a moment: a pause, or how long an answer is good for.
///
/// It is over when its seconds have passed, and also when its beginning lies in the future: a clock that
/// was set back ends it, and never makes it longer by more than [`SLACK_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    since: Timestamp,
    seconds: u64,
}

impl Lasting {
    /// From this moment on, for so many seconds.
    #[must_use]
    pub const fn new(since: Timestamp, seconds: u64) -> Self {
        Self { since, seconds }
    }

    /// Whether `now` lies in it.
    #[must_use]
    pub fn is_on(&self, now: Timestamp) -> bool {
        !is_ahead(self.since, now) && now < self.until()
    }

    /// The first second after it.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.since.plus(self.seconds)
    }

    /// Seconds that are left of it; 0 where it is over.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> u64 {
        if self.is_on(now) {
            self.until().since(now)
        } else {
            0
        }
    }
}

/// Whether this moment, which was once the present, lies in the future now: the clock was set back.
#[must_use]
pub fn is_ahead(past: Timestamp, now: Timestamp) -> bool {
    past > now.plus(SLACK_SECONDS)
}

/// When something was learned, for code that is given no time: by two clocks, of which the one that says
/// more is right. The wall clock goes on in a frozen sandbox; the monotonic one cannot be set back.
#[derive(Clone, Copy, Debug)]
pub struct Learned {
    wall: SystemTime,
    monotonic: Instant,
}

impl Learned {
    /// Just now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }

    /// How long ago that was, at least.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age_by(SystemTime::now(), Instant::now())
    }

    fn age_by(&self, wall: SystemTime, monotonic: Instant) -> Duration {
        let by_wall = wall.duration_since(self.wall).unwrap_or_default();
        by_wall.max(monotonic.saturating_duration_since(self.monotonic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);
    const HOURS: u64 = 3 * 3_600;

    #[test]
    fn a_pause_ends_in_its_last_second_and_with_a_clock_that_is_set_either_way() {
        let pause = Lasting::new(NOW, 30);
        for (now, is_on) in [
            (NOW, true),
            (NOW.plus(29), true),
            (NOW.plus(30), false),
            (NOW.plus(HOURS), false),
            (NOW.minus(HOURS), false),
            (NOW.minus(SLACK_SECONDS + 1), false),
            // A request that was overtaken.
            (NOW.minus(SLACK_SECONDS), true),
            (NOW.minus(3), true),
        ] {
            assert_eq!(pause.is_on(now), is_on, "{now}");
        }
        assert_eq!(
            (pause.left(NOW.plus(10)), pause.left(NOW.minus(HOURS))),
            (20, 0)
        );
    }

    #[test]
    fn what_was_learned_ages_by_the_clock_that_says_more() {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        let learned = Learned { wall, monotonic };
        let [second, hours] = [1, HOURS].map(Duration::from_secs);
        for (wall, monotonic, age) in [
            (wall + second, monotonic + second, second),
            // Set back: only the monotonic clock goes on.
            (wall - hours, monotonic + second, second),
            // Frozen: only the wall clock went on.
            (wall + hours, monotonic, hours),
        ] {
            assert_eq!(learned.age_by(wall, monotonic), age);
        }
    }
}
