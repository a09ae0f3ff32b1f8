//! What somebody has to know: compared without telling how much of a guess was right.

use ring::digest::{SHA256, digest};
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

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
