//! Which failed attempts are worth another, and after which pause.
//!
//! Written out rather than taken from `backon`: its jitter only ever lengthens a pause, while full
//! jitter (anything from nothing to the whole pause) is what spreads out clients that failed
//! together; and the decision here also depends on the request, on the server's wish and on the
//! time left, which leaves a library only the multiplication.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use super::Error;

/// How often, and after which pauses, a call is tried again.
///
/// Before the n-th retry comes a random pause between nothing and `base · 2ⁿ⁻¹`, at most `max`; or
/// exactly what the server asked for in `Retry-After`, if the call's total deadline leaves time for
/// it. Otherwise the error is returned at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first. Default 2.
    pub retries: u32,
    /// The longest pause before the first retry. Default 200 ms.
    pub base: Duration,
    /// The longest pause before any retry. Default 2 s.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 2,
            base: Duration::from_millis(200),
            max: Duration::from_secs(2),
        }
    }
}

impl Retry {
    /// The pause before the next attempt, or none if the `error` is final.
    ///
    /// `done` counts the retries made, `repeatable` says that doing it twice does no harm, `left`
    /// is the time until the total deadline, and `random` in 0..=1 places the pause.
    pub(super) fn pause(
        &self,
        done: u32,
        error: &Error,
        repeatable: bool,
        left: Duration,
        random: f64,
    ) -> Option<Duration> {
        let allowed = if repeatable {
            error.is_retryable()
        } else {
            error.was_not_processed()
        };
        if done >= self.retries || !allowed {
            return None;
        }
        let pause = error.retry_after().unwrap_or_else(|| {
            self.base
                .saturating_mul(2_u32.saturating_pow(done))
                .min(self.max)
                .mul_f64(random.clamp(0.0, 1.0))
        });
        (pause < left).then_some(pause)
    }
}

/// A number in 0..=1. The system's generator is at hand (TLS brought it); should it fail, half is
/// as good as any.
pub(super) fn random() -> f64 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Unreachable, *};

    const RETRY: Retry = Retry {
        retries: 2,
        base: Duration::from_millis(100),
        max: Duration::from_millis(150),
    };
    const AMPLE: Duration = Duration::from_secs(8);

    fn limited(seconds: Option<u64>) -> Error {
        Error::RateLimited {
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn unreachable(how: Unreachable) -> Error {
        Error::Unreachable { how, source: None }
    }

    #[test]
    fn pauses_double_up_to_the_maximum_and_jitter_covers_all_of_them() {
        let error = unreachable(Unreachable::Broken);
        for (done, random, millis) in [
            (0, 1.0, 100),
            (1, 1.0, 150),
            (0, 0.0, 0),
            (0, 0.5, 50),
            (1, 0.5, 75),
        ] {
            assert_eq!(
                RETRY.pause(done, &error, true, AMPLE, random),
                Some(Duration::from_millis(millis))
            );
        }
        assert_eq!(
            RETRY.pause(2, &error, true, AMPLE, 0.5),
            None,
            "two retries are all"
        );
    }

    #[test]
    fn what_must_not_happen_twice_is_repeated_only_when_it_cannot_have_happened() {
        for (error, expected) in [
            (unreachable(Unreachable::Connect), true),
            (limited(None), true),
            (unreachable(Unreachable::Timeout), false),
            (unreachable(Unreachable::Broken), false),
            (
                Error::UnexpectedStatus {
                    status: 503,
                    retry_after: None,
                },
                false,
            ),
            (Error::BadCredentials, false),
        ] {
            assert_eq!(
                RETRY.pause(0, &error, false, AMPLE, 0.5).is_some(),
                expected,
                "{error}"
            );
        }
    }

    #[test]
    fn the_servers_wish_is_followed_exactly_when_time_is_left_and_never_otherwise() {
        assert_eq!(
            RETRY.pause(0, &limited(Some(7)), true, AMPLE, 0.0),
            Some(Duration::from_secs(7))
        );
        assert_eq!(RETRY.pause(0, &limited(Some(8)), true, AMPLE, 0.0), None);
        assert_eq!(RETRY.pause(0, &limited(Some(30)), true, AMPLE, 0.0), None);
    }

    #[test]
    fn nothing_is_retried_after_the_deadline() {
        assert_eq!(
            RETRY.pause(
                0,
                &unreachable(Unreachable::Connect),
                true,
                Duration::ZERO,
                0.0
            ),
            None
        );
    }

    #[test]
    fn what_no_repetition_can_change_is_final() {
        for error in [
            Error::BadCredentials,
            Error::TableNotFound,
            Error::RecordNotFound,
        ] {
            assert_eq!(RETRY.pause(0, &error, true, AMPLE, 0.5), None, "{error}");
        }
    }

    #[test]
    fn randomness_stays_in_its_range() {
        assert!((0..100).all(|_| (0.0..=1.0).contains(&random())));
    }
}
