//! Visits as they are kept between questions: a hundred thousand of them must fit beside a small
//! function's program, so texts that repeat are kept once.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::Visit;
use crate::session::{EndReason, PageFigures, Session};
use crate::timestamp::Timestamp;

/// One visit; see [`Visit`].
#[derive(Clone, Debug)]
pub struct Row {
    id: Box<str>,
    email: Arc<str>,
    visitor: Arc<str>,
    start: Timestamp,
    last_seen: Timestamp,
    ended_at: Option<Timestamp>,
    active_seconds: Option<u64>,
    current_page: Option<Arc<str>>,
    pages: Box<[(Arc<str>, PageFigures)]>,
    end_reason: Option<EndReason>,
}

impl Row {
    /// The same visit, its texts shared with others.
    #[must_use]
    pub fn new(session: &Session, texts: &mut Texts) -> Self {
        let email = texts.shared(&session.email);
        let visitor = match session.visitor() {
            Cow::Borrowed(_) => Arc::clone(&email),
            Cow::Owned(lower) => texts.shared(&lower),
        };
        Self {
            id: session.id.as_str().into(),
            email,
            visitor,
            start: session.start,
            last_seen: session.last_seen,
            ended_at: session.ended_at,
            active_seconds: session.active_seconds,
            current_page: session
                .current_page
                .as_deref()
                .map(|path| texts.shared(path)),
            pages: session
                .pages
                .iter()
                .map(|(path, figures)| (texts.shared(path), *figures))
                .collect(),
            end_reason: session.end_reason,
        }
    }

    /// Where it stands in a list that begins with the newest start.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place {
            start: self.start,
            id: &self.id,
        }
    }
}

impl Visit for Row {
    fn id(&self) -> &str {
        &self.id
    }

    fn email(&self) -> &str {
        &self.email
    }

    fn visitor(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.visitor)
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
            .map(|(path, figures)| (path.as_ref(), *figures))
    }
}

/// The same for a cursor: seconds since the Unix epoch, and the id.
pub type OwnPlace = (i64, String);

impl Place<'_> {
    /// The same for a cursor.
    #[must_use]
    pub fn own(&self) -> OwnPlace {
        (self.start.as_unix(), self.id.to_owned())
    }

    /// Whether it stands below another one.
    #[must_use]
    pub fn is_below(&self, other: &OwnPlace) -> bool {
        let (start, id) = other;
        let start = Timestamp::from_unix(*start);
        *self > Place { start, id }
    }
}

/// A place in the list: the newest start comes first, and of the same second the largest id, which
/// is the newest row where ids are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// When the visit began.
    pub start: Timestamp,
    /// The id of its row.
    pub id: &'a str,
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |place: &Self| (place.start, place.id.len());
        key(other)
            .cmp(&key(self))
            .then_with(|| other.id.cmp(self.id))
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Every text once.
#[derive(Debug, Default)]
pub struct Texts(HashSet<Arc<str>>);

impl Texts {
    /// The one copy of a text.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }

    /// Gives up what no row holds any more.
    pub fn forget_unused(&mut self) {
        self.0.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_start_comes_first_and_then_the_largest_id() {
        let place = |start, id| Place {
            start: Timestamp::from_unix(start),
            id,
        };
        let mut places = [
            place(1, "9"),
            place(2, "10"),
            place(1, "10"),
            place(2, "9"),
            place(1, "rec1"),
        ];
        places.sort();
        let sorted = places.map(|place| (place.start.as_unix(), place.id));
        assert_eq!(
            sorted,
            [(2, "10"), (2, "9"), (1, "rec1"), (1, "10"), (1, "9")]
        );
    }

    #[test]
    fn a_text_that_no_row_holds_is_given_up() {
        let mut texts = Texts::default();
        let kept = texts.shared("/a/");
        assert!(Arc::ptr_eq(&kept, &texts.shared("/a/")));
        let _ = texts.shared("/b/");
        texts.forget_unused();
        assert_eq!(texts.0.len(), 1);
    }
}
