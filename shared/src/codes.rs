//! Codes by mail: `VERIFY_EMAIL=code`. Who comes to the gate shows with a code that the address is
//! theirs, before any session starts.
//!
//! A [`Challenge`] (a random id and the address) travels in the browser that asked, sealed. What
//! the server keeps is in a [`CodeStore`]: under that id a keyed hash of the code, a deadline and a
//! count of tries, and nothing personal.

use async_trait::async_trait;

use crate::mail::Mailer;
use crate::timestamp::Timestamp;

mod challenge;
mod code;
#[cfg(feature = "codes-on-aws")]
pub mod dynamodb;
pub mod memory;

pub use challenge::{Challenge, ChallengeId, CodeHash};
pub use code::Code;

/// How long a code lives (OWASP ASVS 5.0 6.5.5: at most 10 minutes).
pub const LIFETIME_SECONDS: u64 = 600;
/// Tries after which a code is burned, right or wrong (OWASP ASVS 5.0 6.6.3).
pub const MAX_TRIES: u32 = 5;

/// A place where challenges wait for their code. None of its methods reads a clock.
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// Keeps a new challenge until [`LIFETIME_SECONDS`] after `now`.
    ///
    /// # Errors
    /// [`CodeStoreError`]; then no code may be mailed, since none could be entered.
    async fn begin(
        &self,
        id: &ChallengeId,
        hash: &CodeHash,
        now: Timestamp,
    ) -> Result<(), CodeStoreError>;

    /// Counts one try, and gives what to compare it with. Counting comes first, and as one step:
    /// of any number of tries at once, at most [`MAX_TRIES`] are ever compared.
    ///
    /// `None` where there is nothing to compare with: unknown, expired, used, or burned.
    ///
    /// # Errors
    /// [`CodeStoreError`]; then nothing may be compared, since the try may not be counted.
    async fn count_try(
        &self,
        id: &ChallengeId,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, CodeStoreError>;

    /// Uses a challenge up. True for exactly one caller, whoever else had the right code too.
    ///
    /// # Errors
    /// [`CodeStoreError`]; then nobody may be let in.
    async fn win(&self, id: &ChallengeId) -> Result<bool, CodeStoreError>;
}

/// The place where challenges wait did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CodeStoreError {
    /// As many are waiting as there is room for.
    #[error("too many codes are waiting to be entered")]
    Full,
    /// It did not answer in time.
    #[error("the table of codes did not answer in time")]
    Timeout,
    /// It refused, or could not be reached.
    #[error("the table of codes: {0}")]
    Failed(String),
}

/// Where challenges wait, and who carries the codes.
pub struct Codes {
    /// See [`CodeStore`].
    pub store: Box<dyn CodeStore>,
    /// See [`Mailer`].
    pub mailer: Box<dyn Mailer>,
}
