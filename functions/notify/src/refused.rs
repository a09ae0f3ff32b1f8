//! Messages that the receiver refused by an answer of its own, such as `403` or `404`. It may be the
//! message (a firewall that dislikes an address) or the receiver (a wrong path): so each is tried again
//! for a while, beside everything else, and keeps nothing waiting.

use shared::clock::Lasting;
use shared::timestamp::Timestamp;

use crate::message::Message;
use crate::receiver::{DeliveryError, Notifier};

/// Seconds after each refusal until it is tried again: time to mend a receiver, a quarter of an hour in
/// all.
const PAUSES: [u64; 4] = [60, 120, 240, 480];

/// A message that was refused.
#[derive(Debug)]
pub struct Refused {
    /// What was to be told.
    pub message: Message,
    /// When its session began.
    pub start: Timestamp,
    /// What the receiver answered.
    pub error: DeliveryError,
}

/// Those that are tried again.
#[derive(Default)]
pub(crate) struct Waiting(Vec<One>);

struct One {
    message: Message,
    refusals: usize,
    pause: Lasting,
}

impl Waiting {
    /// Has a message tried again later.
    pub(crate) fn add(&mut self, refused: Refused, now: Timestamp) {
        let one = One {
            message: refused.message,
            refusals: 0,
            pause: Lasting::new(now, 0),
        };
        self.0.extend(one.refused(&refused.error, now));
    }

    /// Tries those whose time has come. Where the receiver cannot be reached, they wait on.
    pub(crate) async fn step(&mut self, notifier: &dyn Notifier, now: Timestamp) {
        let (due, mut waiting): (Vec<_>, Vec<_>) =
            self.0.drain(..).partition(|one| !one.pause.is_on(now));
        let mut is_there = true;
        for one in due {
            if !is_there {
                waiting.push(one);
                continue;
            }
            match notifier.deliver(&one.message).await {
                Ok(()) => {}
                Err(error) if error.may_pass() => {
                    is_there = false;
                    waiting.push(one);
                }
                Err(error) => waiting.extend(one.refused(&error, now)),
            }
        }
        self.0 = waiting;
    }
}

impl One {
    /// Waits longer each time, and is given up in the end.
    fn refused(self, error: &DeliveryError, now: Timestamp) -> Option<Self> {
        let (id, error) = (self.message.id.as_str(), error.to_string());
        let Some(seconds) = PAUSES.get(self.refusals).copied() else {
            tracing::error!(id, error, "a message was refused too often and is given up");
            return None;
        };
        tracing::warn!(
            id,
            error,
            seconds,
            "a message was refused; it is tried again"
        );
        Some(Self {
            refusals: self.refusals + 1,
            pause: Lasting::new(now, seconds),
            ..self
        })
    }
}
