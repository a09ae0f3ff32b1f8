//! Links that sign the owner in: each once, within ten minutes. A link stays in histories and terminals;
//! one that holds the `ADMIN_TOKEN` would be a key for whoever reads them later.

use async_trait::async_trait;

use crate::timestamp::Timestamp;

#[cfg(feature = "sqlite")]
pub mod sqlite;

/// How long a link is good, in seconds.
pub const LIFETIME_SECONDS: u64 = 600;

/// What a link is worth, once it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Good, and spent by this.
    Good,
    /// It was spent before.
    Used,
    /// Too old; or the clock has been set back since it was made.
    Expired,
    /// None of ours.
    Unknown,
}

/// The links cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the sign-in links cannot be read: {0}")]
pub struct LinksError(pub String);

/// Where links are kept until they are spent. Only a program on one machine has them.
#[async_trait]
pub trait SignInLinks: Send + Sync {
    /// Spends the link with this code. Of two at once exactly one is told [`Worth::Good`].
    ///
    /// # Errors
    /// [`LinksError`].
    async fn spend(&self, code: &str, now: Timestamp) -> Result<Worth, LinksError>;
}
