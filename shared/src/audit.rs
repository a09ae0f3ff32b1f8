//! What an auditor asks the log for: one line for each security event (OWASP ASVS 5.0 16.2 and
//! 16.3), with fields by fixed names.
//!
//! `event` is one of: `issued`, `renewed`, `ended`, `ended-everything`, `refused`, `denied`,
//! `code-sent`, `code-verified`, `limited`, `cross-site`, `not-through-the-site`, `owner-signed-in`,
//! `not-the-owner`, `erased`.
//!
//! `record` is the row's id: it joins the lines of one session and, for whoever may read the table,
//! leads to the visitor. Nothing that identifies anybody stands in a line by itself: no email, no
//! token, no code and no network address. Fields are written as JSON on Lambda and as debug strings
//! by `serve`, so what somebody sends cannot make a line of its own.

use crate::session::{EndReason, RecordId};

/// A visitor was let in.
pub fn issued(record: &RecordId) {
    tracing::info!(
        event = "issued",
        record = record.as_str(),
        "session started"
    );
}

/// The store confirmed a session, whose token was renewed.
pub fn renewed(record: &RecordId) {
    tracing::info!(
        event = "renewed",
        record = record.as_str(),
        "session renewed"
    );
}

/// A reason was written into a row.
pub fn ended(record: &RecordId, reason: EndReason) {
    tracing::info!(event = "ended", record = record.as_str(), %reason, "session ended");
}

/// Several rows at once got a reason.
pub fn ended_many(count: usize, reason: EndReason) {
    if count > 0 {
        tracing::info!(event = "ended", count, %reason, "sessions ended");
    }
}

/// The owner ended all sessions that there are.
pub fn ended_everything() {
    tracing::info!(event = "ended-everything", "every session was ended");
}

/// Somebody without an open session was turned away. `record` is known where the token is ours.
pub fn refused(record: Option<&RecordId>, reason: &str) {
    tracing::info!(
        event = "refused",
        record = record.map(RecordId::as_str),
        reason,
        "refused: no open session"
    );
}

/// Somebody was not let in at the gate.
pub fn denied(reason: &str) {
    tracing::warn!(event = "denied", reason, "refused at the gate");
}

/// A code was mailed.
pub fn code_sent() {
    tracing::info!(event = "code-sent", "code mailed");
}

/// A code was right, and its visitor is let in.
pub fn code_verified() {
    tracing::info!(event = "code-verified", "address verified by a code");
}

/// Somebody did this too often, counted `per` network, or visitor and site.
pub fn limited(deed: &str, per: &str) {
    tracing::warn!(event = "limited", deed, per, "too many requests");
}

/// Another site's page tried to act in a visitor's name.
pub fn cross_site(path: &str) {
    tracing::warn!(event = "cross-site", path, "cross-site request refused");
}

/// Somebody called the API around the site.
pub fn not_through_the_site() {
    tracing::warn!(
        event = "not-through-the-site",
        "refused: not through the site"
    );
}

/// The owner signed in.
pub fn owner_signed_in() {
    tracing::info!(event = "owner-signed-in", "the owner signed in");
}

/// Somebody asked for what is the owner's, with a wrong token or cookie, or none.
pub fn not_the_owner(reason: &str) {
    tracing::warn!(event = "not-the-owner", reason, "refused: not the owner");
}

/// Rows were deleted, at the owner's word or by age.
pub fn erased(count: usize, because: &str) {
    tracing::info!(event = "erased", count, because, "rows deleted");
}
