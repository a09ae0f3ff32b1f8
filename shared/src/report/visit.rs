//! What the rules need to know of a visit, whether it comes from a store or from what was read
//! before.

use std::borrow::Cow;

use crate::session::{EndReason, PageFigures, Session};
use crate::timestamp::Timestamp;

/// One visit, to be looked at.
pub trait Visit {
    /// The id of its row.
    fn id(&self) -> &str;
    /// The visitor's address as it is stored.
    fn email(&self) -> &str;
    /// The visitor: the address in lower case, since an owner may have typed another.
    fn visitor(&self) -> Cow<'_, str>;
    /// When it began.
    fn start(&self) -> Timestamp;
    /// When the visitor was last known to look.
    fn last_seen(&self) -> Timestamp;
    /// Why it ended; nothing while open, or when the visitor just vanished.
    fn end_reason(&self) -> Option<EndReason>;
    /// When the reason was written.
    fn ended_at(&self) -> Option<Timestamp>;
    /// How long the visitor really looked, in seconds; nothing where the table lacks the column.
    fn active_seconds(&self) -> Option<u64>;
    /// The page of the newest activity.
    fn current_page(&self) -> Option<&str>;
    /// Figures by page path, in no particular order.
    fn pages(&self) -> impl Iterator<Item = (&str, PageFigures)>;

    /// Seconds from start to last seen, never negative.
    fn duration_seconds(&self) -> u64 {
        self.last_seen().since(self.start())
    }
}

impl Visit for Session {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn email(&self) -> &str {
        &self.email
    }

    fn visitor(&self) -> Cow<'_, str> {
        if self.email.chars().all(is_lower) {
            Cow::Borrowed(&self.email)
        } else {
            Cow::Owned(self.email.to_lowercase())
        }
    }

    fn start(&self) -> Timestamp {
        self.start
    }

    fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    fn end_reason(&self) -> Option<EndReason> {
        self.end_reason
    }

    fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    fn active_seconds(&self) -> Option<u64> {
        self.active_seconds
    }

    fn current_page(&self) -> Option<&str> {
        self.current_page.as_deref()
    }

    fn pages(&self) -> impl Iterator<Item = (&str, PageFigures)> {
        self.pages
            .iter()
            .map(|(path, figures)| (path.as_str(), *figures))
    }
}

/// What gate and table hold almost always, told without an allocation.
const fn is_lower(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_uppercase()
}
