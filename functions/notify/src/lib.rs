//! Tells the owner who came for the first time and how visits ended: every minute on AWS, every few
//! seconds in `serve`.
//!
//! Everything is told **from the table**, never from a visitor's request, so that no receiver, however
//! slow, can keep a visitor waiting. Time is cut into [`Window`]s that touch: an event is told with the
//! window that its moment lies in, by whoever looks at that window, so nobody has to remember
//! anything. A window that could not be told is told again as a whole: a message may come twice, with
//! the same id, and none is left out. One that the receiver refuses keeps no other waiting; it is tried
//! again for a while, and the log says which one was given up.

use std::collections::HashMap;
use std::time::Duration;

use shared::session::Limits;
use shared::settings::Pace;
use shared::store::{Store, StoreError};
use shared::timestamp::Timestamp;

mod events;
mod message;
mod reading;
mod receiver;
mod refused;
mod watch;

pub use events::{Event, Kind, LAG_SECONDS, Window, told_at};
pub use message::{Message, test_message};
pub use receiver::{DeliveryError, Notifier, Receiver};
pub use refused::Refused;
pub use watch::Watch;

/// A visit is written down by the clock of when its request came, and stands in the table when that is
/// answered: within the 29 seconds that a function has, and no later in `serve`. Who looks sooner may
/// miss it.
pub const SETTLED_AFTER_SECONDS: u64 = 30;

/// Not everything of a window was told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The table could not be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The receiver is not there for now: a message could not be delivered, and those after it were not
    /// tried.
    #[error("{0}")]
    Delivery(#[from] DeliveryError),
}

impl NotifyError {
    /// When trying again may help, where anybody said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => Some(error.retry_after()),
            Self::Delivery(error) => error.retry_after(),
        }
    }
}

/// What has been told already, by the ids of messages, with the start of the session that each is of.
pub type Told = HashMap<String, Timestamp>;

/// Tells what happened in a window, in the order it happened. What `told` has is left out, and what is
/// told goes into it. What the receiver refuses keeps nothing else from being told, and is handed back.
///
/// The window must lie [`SETTLED_AFTER_SECONDS`] before `now`, or in SQLite as long as a transaction
/// may wait.
///
/// # Errors
/// [`NotifyError`]; the same window can be told again.
pub async fn run(
    store: &dyn Store,
    pace: Pace,
    notifier: &dyn Notifier,
    limits: &Limits,
    window: Window,
    now: Timestamp,
    told: &mut Told,
) -> Result<Vec<Refused>, NotifyError> {
    let mut refused = Vec::new();
    for event in reading::events(store, pace, limits, window).await? {
        let message = Message::of(&event, limits, now);
        if told.contains_key(&message.id) {
            continue;
        }
        let start = event.session.start;
        match notifier.deliver(&message).await {
            Ok(()) => {
                told.insert(message.id, start);
            }
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => refused.push(Refused {
                message,
                start,
                error,
            }),
        }
    }
    Ok(refused)
}
