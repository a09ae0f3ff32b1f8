//! Flood limits: how often the gate is asked, by whom, and for whom. In memory, for this process;
//! on AWS the route's throttle (and a WAF, where there is one) stands in front of all of them.
//!
//! A limit is a bucket that holds `burst` and refills by one `every` so often (GCRA). What a bucket
//! refuses takes nothing out of it, so that it shuts nobody out for longer than one refill.
//!
//! What is kept is no address but a number from 0 to 65,535 that a hash with a secret of this
//! process makes of it: memory has an end however many addresses a flood comes from, and nobody
//! can choose to share a bucket with somebody else.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::client::Network;
use crate::email::Email;
use crate::session::RecordId;
use crate::timestamp::Timestamp;

/// How often something may happen.
#[derive(Clone, Copy)]
struct Rate {
    burst: NonZeroU32,
    every: Duration,
}

const fn rate(burst: u32, every_seconds: u64) -> Rate {
    rate_of(burst, Duration::from_secs(every_seconds))
}

const fn rate_of(burst: u32, every: Duration) -> Rate {
    let Some(burst) = NonZeroU32::new(burst) else {
        panic!("a limit of nothing lets nobody in");
    };
    Rate { burst, every }
}

/// The limits of one thing that visitors do. Looked at from the narrowest to the widest, so that who
/// is refused at home takes nothing from the others.
struct Rates {
    /// From one network, whoever for.
    network: Rate,
    /// From one network for one visitor.
    pair: Rate,
    /// For one visitor, from wherever. It refills faster than any one network may ask: one stranger
    /// elsewhere can never empty it, and many only for as long as they keep at it.
    visitor: Rate,
    /// For everybody.
    site: Rate,
}

/// The gate's form, with or without a code. An office behind one address fits in.
const ENTER: Rates = Rates {
    network: rate(20, 3),
    pair: rate(10, 30),
    visitor: rate(30, 10),
    site: rate_of(100, Duration::from_millis(200)),
};
/// Mails with a code: somebody who did not ask for them gets them.
const SEND: Rates = Rates {
    network: rate(10, 30),
    pair: rate(3, 180),
    visitor: rate(6, 60),
    site: rate(60, 1),
};
/// Codes entered. Each has five tries at most; this is for those who ask for many.
const TRY: Rates = Rates {
    network: rate(15, 6),
    pair: rate(10, 30),
    visitor: rate(20, 10),
    site: rate_of(100, Duration::from_millis(500)),
};

/// What one session asks the store: more than a visitor who changes tabs all the time, and far less
/// than would use up what NocoDB's cloud takes from everybody.
const SESSION: Rate = rate(20, 2);
/// Log-outs of one session, of which the first ends it. Apart from the rest, or whoever has a copy of
/// a cookie could keep its visitor from ending it.
const LOG_OUT: Rate = rate(5, 10);

/// Wrong owner's tokens, from one network and from everywhere. Right ones are never counted and never
/// refused, or anybody could lock the owner out. Guessing is hopeless at any rate: a token has 32
/// characters at least, 128 bits even where they are hexadecimal digits. But each wrong one is kept
/// waiting, which keeps a process busy.
const WRONG_TOKEN: Rate = rate(10, 10);
const WRONG_TOKENS: Rate = rate(60, 1);

/// What a visitor does at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Leaves an email.
    Enter,
    /// Has a code mailed.
    SendCode,
    /// Enters a code.
    TryCode,
}

/// Too many of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {} seconds", retry_after.as_secs())]
pub struct Limited {
    /// When one more fits in.
    pub retry_after: Duration,
}

/// All limits of one process.
pub struct Flood {
    clock: RequestClock,
    salt: RandomState,
    enter: Buckets,
    send: Buckets,
    try_code: Buckets,
    session: Limiter,
    log_out: Limiter,
    wrong_token: Limiter,
    wrong_tokens: Limiter,
}

impl Default for Flood {
    fn default() -> Self {
        let clock = RequestClock::default();
        let buckets = |rates: &Rates| Buckets::new(rates, &clock);
        Self {
            enter: buckets(&ENTER),
            send: buckets(&SEND),
            try_code: buckets(&TRY),
            session: Limiter::new(SESSION, &clock),
            log_out: Limiter::new(LOG_OUT, &clock),
            wrong_token: Limiter::new(WRONG_TOKEN, &clock),
            wrong_tokens: Limiter::new(WRONG_TOKENS, &clock),
            salt: RandomState::new(),
            clock,
        }
    }
}

impl Flood {
    /// Counts one request from this network. Requests that nobody vouches for share one.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn network(
        &self,
        deed: Deed,
        network: Option<Network>,
        now: Timestamp,
    ) -> Result<(), Limited> {
        self.clock.set(now);
        self.buckets(deed).network.check(self.slot(network))
    }

    /// Counts one question about this session to the store.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn session(&self, record: &RecordId, now: Timestamp) -> Result<(), Limited> {
        self.clock.set(now);
        self.session.check(self.slot(record))
    }

    /// Counts one log-out of this session.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn log_out(&self, record: &RecordId, now: Timestamp) -> Result<(), Limited> {
        self.clock.set(now);
        self.log_out.check(self.slot(record))
    }

    /// Counts one wrong owner's token from this network, and at the site.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn wrong_token(&self, network: Option<Network>, now: Timestamp) -> Result<(), Limited> {
        self.clock.set(now);
        self.wrong_token.check(self.slot(network))?;
        self.wrong_tokens.check(0)
    }

    /// Counts one request for this visitor, and for the site.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn visitor(
        &self,
        deed: Deed,
        email: &Email,
        network: Option<Network>,
        now: Timestamp,
    ) -> Result<(), Limited> {
        self.clock.set(now);
        let buckets = self.buckets(deed);
        buckets.pair.check(self.slot((email, network)))?;
        buckets.visitor.check(self.slot(email))?;
        buckets.site.check(0)
    }

    const fn buckets(&self, deed: Deed) -> &Buckets {
        match deed {
            Deed::Enter => &self.enter,
            Deed::SendCode => &self.send,
            Deed::TryCode => &self.try_code,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "sixteen bits of the hash are what is wanted"
    )]
    fn slot(&self, of: impl Hash) -> Slot {
        self.salt.hash_one(of) as Slot
    }
}

type Slot = u16;

struct Buckets {
    network: Limiter,
    pair: Limiter,
    visitor: Limiter,
    site: Limiter,
}

impl Buckets {
    fn new(rates: &Rates, clock: &RequestClock) -> Self {
        let limiter = |rate: Rate| Limiter::new(rate, clock);
        Self {
            network: limiter(rates.network),
            pair: limiter(rates.pair),
            visitor: limiter(rates.visitor),
            site: limiter(rates.site),
        }
    }
}

struct Limiter {
    limiter: RateLimiter<Slot, HashMapStateStore<Slot>, RequestClock, NoOpMiddleware<Duration>>,
    clock: RequestClock,
}

impl Limiter {
    fn new(rate: Rate, clock: &RequestClock) -> Self {
        // No period is zero; governor's default would be one a second.
        let quota = Quota::with_period(rate.every)
            .unwrap_or_else(|| Quota::per_second(rate.burst))
            .allow_burst(rate.burst);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            clock: clock.clone(),
        }
    }

    fn check(&self, slot: Slot) -> Result<(), Limited> {
        self.limiter.check_key(&slot).map_err(|not_until| Limited {
            retry_after: not_until.wait_time_from(self.clock.now()),
        })
    }
}

/// A clock that shows the time of the latest request, so that tests can set it.
#[derive(Clone, Default)]
struct RequestClock(Arc<AtomicU64>);

impl RequestClock {
    fn set(&self, now: Timestamp) {
        let seconds = u64::try_from(now.as_unix()).unwrap_or(0);
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for RequestClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);

    fn network(number: u32) -> Option<Network> {
        let address = std::net::Ipv4Addr::from(number).to_string();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::try_from(address).unwrap());
        Network::of_client(&headers, 1)
    }

    #[test]
    fn memory_has_an_end_however_many_addresses_a_flood_comes_from() {
        let flood = Flood::default();
        for number in 0..200_000 {
            let _ = flood.network(Deed::Enter, network(number), NOW);
        }
        let kept = flood.enter.network.limiter.len();
        assert!((60_000..=65_536).contains(&kept), "{kept}");
    }

    #[test]
    fn no_single_network_can_empty_the_bucket_of_a_visitor() {
        for rates in [ENTER, SEND, TRY] {
            assert!(rates.visitor.every < rates.pair.every);
            assert!(rates.visitor.burst > rates.pair.burst);
            assert!(rates.site.every < rates.visitor.every);
        }
    }

    #[test]
    fn each_deed_has_limits_of_its_own() {
        let flood = Flood::default();
        let anna = Email::parse("anna@example.com").unwrap();
        while flood.visitor(Deed::SendCode, &anna, None, NOW).is_ok() {}
        assert!(flood.visitor(Deed::TryCode, &anna, None, NOW).is_ok());
        assert!(flood.visitor(Deed::Enter, &anna, None, NOW).is_ok());
    }
}
