//! What somebody has to know: compared without telling how much of a guess was right.

use ring::digest::{SHA256, digest};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// A passcode or a token. `Debug` hides it.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        // Comparing digests hides the length as well.
        let wanted = digest(&SHA256, self.0.expose_secret().as_bytes());
        let given = digest(&SHA256, given.as_bytes());
        wanted
            .as_ref()
            .iter()
            .zip(given.as_ref())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
    }
}

impl Secret {
    /// Signs a message (HMAC, SHA-256): whoever does not know the secret cannot make the tag.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key(), message).as_ref().to_vec()
    }

    /// Whether this tag was made by [`sign`](Self::sign), in constant time.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key(), message, tag).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes())
    }

    /// The secret itself: for what is made of it, and never for a comparison.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
