//! What waits to be written of one session.

use serde::{Deserialize, Serialize};

use crate::session::{EndReason, Ending, Figures, Heartbeat, RecordId, Session};
use crate::store::Change;
use crate::timestamp::Timestamp;

/// Which session it is. The row's id alone does not say: NocoDB on SQLite gives the id of a deleted
/// last row to the next one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The session's row.
    pub record: RecordId,
    /// When it began.
    pub start: Timestamp,
}

impl Key {
    /// A number that is the same in every process, and as good as random (FNV-1a, whose last bits are
    /// stirred once more): it spreads sessions over time.
    pub(super) fn spread(&self) -> u64 {
        let bytes = self.record.as_str().bytes();
        let mut hash = bytes
            .chain(self.start.as_unix().to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        hash ^= hash >> 32;
        hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
    }
}

/// An ending that waits to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedEnding {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
    /// All sessions of the visitor end with it, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<EndReason>,
}

impl QueuedEnding {
    /// The ending of the session itself.
    #[must_use]
    pub fn own(self) -> Ending {
        Ending {
            reason: self.reason,
            at: self.at,
        }
    }

    /// The earlier one. Of two in one second always the same one, whichever came first.
    fn first(self, other: Self) -> Self {
        let order = |ending: &Self| {
            (
                ending.at,
                ending.reason,
                ending.everywhere.is_none(),
                ending.everywhere,
            )
        };
        std::cmp::min_by_key(self, other, order)
    }
}

/// What waits to be written of one session: cumulative figures, and perhaps its end. No address and
/// nothing else that is personal stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose it is.
    #[serde(flatten)]
    pub key: Key,
    /// See [`Heartbeat::past_deadline`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub past_deadline: bool,
    /// What was reported.
    pub figures: Figures,
    /// How the session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<QueuedEnding>,
}

impl Entry {
    /// A heartbeat, and an ending that came with it.
    #[must_use]
    pub fn new(record: &RecordId, heartbeat: &Heartbeat, ending: Option<QueuedEnding>) -> Self {
        Self {
            key: Key {
                record: record.clone(),
                start: heartbeat.start,
            },
            past_deadline: heartbeat.past_deadline,
            figures: heartbeat.figures.clone(),
            ending,
        }
    }

    /// Two of one session as one.
    #[must_use]
    pub fn fold(self, other: Self) -> Self {
        debug_assert_eq!(self.key, other.key);
        Self {
            key: self.key,
            past_deadline: self.past_deadline && other.past_deadline,
            figures: self.figures.fold(other.figures),
            ending: match (self.ending, other.ending) {
                (Some(one), Some(other)) => Some(one.first(other)),
                (one, other) => one.or(other),
            },
        }
    }

    /// Whether the row is this session's.
    #[must_use]
    pub fn owns(&self, row: &Session) -> bool {
        row.id == self.key.record && row.is_of(self.key.start)
    }

    /// The row with this entry in it.
    #[must_use]
    pub fn applied(&self, row: &Session) -> Session {
        let ending = self.ending.map(QueuedEnding::own);
        let is_first = ending.is_some_and(|ending| ending.precedes(row));
        if self.past_deadline && row.end_reason.is_some() && !is_first {
            return row.clone();
        }
        row.with(&self.figures, ending)
    }

    /// What has to be written into the row; `None` where it says all of this already.
    #[must_use]
    pub fn change(&self, row: &Session) -> Option<Change> {
        Change::between(row, &self.applied(row))
    }

    /// The entry as text; see [`parse`](Self::parse).
    #[must_use]
    pub fn to_json(&self) -> String {
        // Text, numbers and maps with text for keys: there is nothing in it that JSON lacks.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote, in this version or an earlier one.
    ///
    /// # Errors
    /// Where it is no entry.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
