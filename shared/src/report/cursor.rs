//! Where a list goes on: signed, so that it names a place in the same question's answer and nothing
//! else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BadParameter;
use crate::settings::Secret;

/// Far above what an address and an id take.
const MAX_LENGTH: usize = 2_048;
const TAG_LENGTH: usize = 32;

/// Makes and reads the cursors of one question.
pub struct Cursors<'a> {
    secret: &'a Secret,
    question: String,
}

impl<'a> Cursors<'a> {
    /// Cursors of a question: everything that decides what a list holds, and in which order.
    #[must_use]
    pub fn new(secret: &'a Secret, question: &[&str]) -> Self {
        Self {
            secret,
            question: question.join("\0"),
        }
    }

    /// The cursor of a place.
    #[must_use]
    pub fn seal(&self, place: &impl Serialize) -> String {
        // Places are numbers and texts, which JSON holds.
        let place = serde_json::to_vec(place).unwrap_or_default();
        let mut sealed = self.secret.sign(&self.message(&place));
        sealed.extend(place);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place of a cursor.
    ///
    /// # Errors
    /// [`BadParameter`] for a cursor that was not made here, or for another question.
    pub fn open<Place: DeserializeOwned>(&self, cursor: &str) -> Result<Place, BadParameter> {
        self.read(cursor).ok_or_else(|| {
            BadParameter::new(
                "cursor",
                "must be `next` of an earlier answer to the same question; leave it out to begin",
            )
        })
    }

    fn read<Place: DeserializeOwned>(&self, cursor: &str) -> Option<Place> {
        if cursor.len() > MAX_LENGTH {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, place) = sealed.split_at_checked(TAG_LENGTH)?;
        if !self.secret.has_signed(&self.message(place), tag) {
            return None;
        }
        serde_json::from_slice(place).ok()
    }

    fn message(&self, place: &[u8]) -> Vec<u8> {
        [b"lastseen cursor\0", self.question.as_bytes(), b"\0", place].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_question_and_owner_only() {
        let (ours, theirs) = (Secret::from("one"), Secret::from("two"));
        let question = Cursors::new(&ours, &["sessions", "state=open"]);
        let sealed = question.seal(&(7, "ann"));
        assert_eq!(
            question.open::<(u64, String)>(&sealed),
            Ok((7, "ann".to_owned()))
        );
        let others = [
            Cursors::new(&ours, &["sessions", "state=ended"]),
            Cursors::new(&ours, &["visitors", "state=open"]),
            Cursors::new(&theirs, &["sessions", "state=open"]),
        ];
        for other in others {
            assert!(other.open::<(u64, String)>(&sealed).is_err());
        }
    }

    #[test]
    fn what_was_changed_or_made_up_opens_nothing() {
        let secret = Secret::from("one");
        let question = Cursors::new(&secret, &["sessions"]);
        let sealed = question.seal(&7);
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert!(
                question
                    .open::<u64>(&URL_SAFE_NO_PAD.encode(&bytes))
                    .is_err()
            );
            bytes[index] ^= 1;
        }
        let long = "A".repeat(MAX_LENGTH + 1);
        for forged in ["", "x", "!!!!", &sealed[..sealed.len() - 2], &long] {
            assert!(question.open::<u64>(forged).is_err(), "{forged}");
        }
        assert!(
            question.open::<String>(&sealed).is_err(),
            "of another shape"
        );
    }
}
