//! Flood limits: how often the gate is asked, by whom, and for whom. In memory, for this process;
//! on AWS the route's throttle (and a WAF, where there is one) stands in front of all of them.
//!
//! A limit is a bucket; see [`limiter`]. What a bucket refuses takes nothing out of it, so that it shuts
//! nobody out for longer than one refill, nor does a clock that is set.
//!
//! A network counts together with those around it ([`Network::nets`]): a household of IPv6 has hundreds.

use std::hash::Hash;
use std::time::Duration;

use crate::client::Network;
use crate::email::Email;
use crate::session::RecordId;
use crate::timestamp::Timestamp;

mod limiter;
#[cfg(test)]
mod tests;

use limiter::{Bucket, Rate, Table, rate, rate_of};

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
    /// For everybody. The last quarter of it is kept for networks that have not asked often lately
    /// ([`LATELY`]).
    site: Rate,
}

/// The gate's form, with or without a code. An office behind one address fits in.
const ENTER: Rates = Rates {
    network: rate(20, 3),
    pair: rate(10, 30),
    visitor: rate(30, 10),
    site: rate_of(100, 200),
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
    site: rate_of(100, 500),
};
/// A network that has done something more often than this has done it often lately.
const LATELY: Rate = rate(10, 60);

/// Wrong passcodes. One that is right is never counted.
///
/// A network is not listened to while its bucket is full, and no network that has guessed wrong often in
/// the last hour ([`GUESSED_LATELY`]) while the site's is. Those that have not are then still listened to, as long as they share
/// [`WRONG_PASSCODES_OF_NEWCOMERS`]: so guessing is bounded for the site as a whole, to 86,400 a day, and
/// keeps nobody out who knows the passcode, unless it comes from ever new networks, more than one in two
/// seconds.
const WRONG_PASSCODE: Rate = rate(10, 30);
const WRONG_PASSCODES: Rate = rate(60, 2);
const WRONG_PASSCODES_OF_NEWCOMERS: Rate = rate(60, 2);
const GUESSED_LATELY: Rate = rate(3, 1_200);

/// Questions about sessions from one network, where the store takes few requests a second: at most half
/// of what NocoDB's cloud takes, before any of them is found to be one that was asked a moment ago.
const QUESTION: Rate = rate_of(30, 500);
/// A network that asks more often than this waits behind those that do not.
const QUESTIONS_LATELY: Rate = rate(20, 3);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Leaves an email.
    Enter,
    /// Has a code mailed.
    SendCode,
    /// Enters a code.
    TryCode,
}

impl Deed {
    const fn rates(self) -> &'static Rates {
        match self {
            Self::Enter => &ENTER,
            Self::SendCode => &SEND,
            Self::TryCode => &TRY,
        }
    }
}

/// What is counted, besides by whom: each has buckets of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Network(Deed),
    Pair(Deed),
    Visitor(Deed),
    Lately(Deed),
    WrongPasscode,
    GuessedLately,
    WrongToken,
    Question,
    QuestionsLately,
    Session,
    LogOut,
}

/// How a network has behaved lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not been here often.
    New,
    /// It has.
    Frequent,
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
    table: Table,
    enter: Bucket,
    send: Bucket,
    try_code: Bucket,
    wrong_passcodes: Bucket,
    wrong_passcodes_of_newcomers: Bucket,
    wrong_tokens: Bucket,
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            table: Table::default(),
            enter: Bucket::new(ENTER.site),
            send: Bucket::new(SEND.site),
            try_code: Bucket::new(TRY.site),
            wrong_passcodes: Bucket::new(WRONG_PASSCODES),
            wrong_passcodes_of_newcomers: Bucket::new(WRONG_PASSCODES_OF_NEWCOMERS),
            wrong_tokens: Bucket::new(WRONG_TOKENS),
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
        let (counted, rate) = (Counted::Network(deed), deed.rates().network);
        self.take_all(counted, network, rate, ms_of(now))
    }

    /// Counts one question about this session to the store.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn session(&self, record: &RecordId, now: Timestamp) -> Result<(), Limited> {
        let of = (Counted::Session, record);
        self.table.take(of, SESSION, ms_of(now))
    }

    /// Counts one question from this network about a session. Those that nobody vouches for are not
    /// counted, and wait behind all others.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn question(&self, network: Option<Network>, now: Timestamp) -> Result<Standing, Limited> {
        if network.is_none() {
            return Ok(Standing::Frequent);
        }
        let ms = ms_of(now);
        self.take_all(Counted::Question, network, QUESTION, ms)?;
        Ok(self.standing(Counted::QuestionsLately, network, QUESTIONS_LATELY, ms))
    }

    /// Counts one log-out of this session.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn log_out(&self, record: &RecordId, now: Timestamp) -> Result<(), Limited> {
        let of = (Counted::LogOut, record);
        self.table.take(of, LOG_OUT, ms_of(now))
    }

    /// Counts one wrong owner's token from this network, and at the site.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn wrong_token(&self, network: Option<Network>, now: Timestamp) -> Result<(), Limited> {
        let ms = ms_of(now);
        self.take_all(Counted::WrongToken, network, WRONG_TOKEN, ms)?;
        self.wrong_tokens.take(0, ms)
    }

    /// Whether a passcode from this network is looked at; see [`WRONG_PASSCODE`]. Counts nothing.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn may_try_passcode(
        &self,
        network: Option<Network>,
        now: Timestamp,
    ) -> Result<(), Limited> {
        let ms = ms_of(now);
        for (of, factor) in of_nets(Counted::WrongPasscode, network) {
            self.table.has_room(of, WRONG_PASSCODE.wider(factor), ms)?;
        }
        self.room_for_guess(network, ms).map(|_| ())
    }

    /// Counts a wrong passcode from this network.
    pub fn wrong_passcode(&self, network: Option<Network>, now: Timestamp) {
        let ms = ms_of(now);
        if let Ok(bucket) = self.room_for_guess(network, ms) {
            // Others may have filled it meanwhile; then it is full.
            let _ = bucket.take(0, ms);
        }
        for (counted, rate) in [
            (Counted::WrongPasscode, WRONG_PASSCODE),
            (Counted::GuessedLately, GUESSED_LATELY),
        ] {
            for (of, factor) in of_nets(counted, network) {
                self.table.add(of, rate.wider(factor), ms);
            }
        }
    }

    /// Which of the site's buckets a guess of this network would go into.
    fn room_for_guess(&self, network: Option<Network>, ms: u64) -> Result<&Bucket, Limited> {
        match self.wrong_passcodes.has_room(ms) {
            Ok(()) => Ok(&self.wrong_passcodes),
            Err(limited) => {
                for (of, factor) in of_nets(Counted::GuessedLately, network) {
                    let lately = GUESSED_LATELY.wider(factor);
                    self.table.has_room(of, lately, ms).map_err(|_| limited)?;
                }
                let bucket = &self.wrong_passcodes_of_newcomers;
                bucket.has_room(ms).map(|()| bucket)
            }
        }
    }

    /// Counts one request for this visitor, and for the site. Says how its network has behaved.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn visitor(
        &self,
        deed: Deed,
        email: &Email,
        network: Option<Network>,
        now: Timestamp,
    ) -> Result<Standing, Limited> {
        let (ms, rates) = (ms_of(now), deed.rates());
        let pair = (Counted::Pair(deed), email, network);
        self.table.take(pair, rates.pair, ms)?;
        let visitor = (Counted::Visitor(deed), email);
        self.table.take(visitor, rates.visitor, ms)?;
        let standing = self.standing(Counted::Lately(deed), network, LATELY, ms);
        let spare = match standing {
            Standing::New => 0,
            Standing::Frequent => rates.site.burst / 4,
        };
        self.site(deed).take(spare, ms).map(|()| standing)
    }

    fn standing(
        &self,
        counted: Counted,
        network: Option<Network>,
        lately: Rate,
        ms: u64,
    ) -> Standing {
        match self.take_all(counted, network, lately, ms) {
            Ok(()) => Standing::New,
            Err(_) => Standing::Frequent,
        }
    }

    fn take_all(
        &self,
        counted: Counted,
        network: Option<Network>,
        rate: Rate,
        ms: u64,
    ) -> Result<(), Limited> {
        for (of, factor) in of_nets(counted, network) {
            self.table.take(of, rate.wider(factor), ms)?;
        }
        Ok(())
    }

    const fn site(&self, deed: Deed) -> &Bucket {
        match deed {
            Deed::Enter => &self.enter,
            Deed::SendCode => &self.send,
            Deed::TryCode => &self.try_code,
        }
    }
}

fn ms_of(now: Timestamp) -> u64 {
    now.as_unix().unsigned_abs().saturating_mul(1_000)
}

/// This network and those around it, the narrowest first. All that nobody vouches for are one.
fn of_nets(counted: Counted, network: Option<Network>) -> impl Iterator<Item = (impl Hash, u32)> {
    let unknown = network.is_none().then_some((None, 1));
    let nets = network.into_iter().flat_map(Network::nets);
    unknown
        .into_iter()
        .chain(nets.map(|(net, factor)| (Some(net), factor)))
        .map(move |(net, factor)| ((counted, net), factor))
}
