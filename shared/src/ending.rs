//! Ending and erasing many sessions, one page of rows at a time, so that whoever asks can show how
//! far it is, leave the store room for visitors, and stop.

use crate::audit;
use crate::email::Email;
use crate::session::{EndReason, Limits};
use crate::store::{Store, StoreError};
use crate::timestamp::Timestamp;

/// What became of one page of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many rows it was.
    pub count: usize,
    /// Call again.
    pub has_more: bool,
}

/// Ends one page of the sessions that were open at `now`, of a visitor or of all: called again with
/// the same moment, it leaves those alone that began since. Those that fell idle or reached their
/// lifetime unnoticed get that reason. Their last seen stays.
///
/// # Errors
/// [`StoreError`]; some may have been ended.
pub async fn end_open(
    store: &dyn Store,
    email: Option<&str>,
    reason: EndReason,
    limits: &Limits,
    now: Timestamp,
) -> Result<Step, StoreError> {
    let open = store.open(email, now.minus(limits.lifetime)).await?;
    let has_more = open.has_more && open.sessions.iter().all(|session| session.start <= now);
    let endings: Vec<_> = open
        .sessions
        .iter()
        .filter(|session| session.start <= now)
        .map(|session| {
            let reason = session.reason_when_ended_with(reason, limits, now);
            (session.id.clone(), reason)
        })
        .collect();
    store.end_many(&endings, now).await?;
    audit::ended_many(endings.len(), reason);
    Ok(Step {
        count: endings.len(),
        has_more,
    })
}

/// Ends all the open sessions of a visitor, and says how many.
///
/// # Errors
/// [`StoreError`]; some may have been ended.
pub async fn end_all(
    store: &dyn Store,
    email: &str,
    reason: EndReason,
    limits: &Limits,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let step = end_open(store, Some(email), reason, limits, now).await?;
        count += step.count;
        if !step.has_more {
            return Ok(count);
        }
    }
}

/// Makes room for one more session of this visitor: of those still open, the ones seen longest ago
/// are ended as `revoked`, until fewer than `most` are left (OWASP ASVS 5.0 7.1.2).
///
/// # Errors
/// [`StoreError`]; some may have been ended.
pub async fn make_room(
    store: &dyn Store,
    email: &Email,
    most: usize,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut open = store
        .open(Some(email.as_str()), now.minus(limits.lifetime))
        .await?
        .sessions;
    let mut endings = Vec::new();
    open.retain(|session| {
        let reason = session.reason_when_ended_with(EndReason::Revoked, limits, now);
        let is_open = reason == EndReason::Revoked;
        if !is_open {
            endings.push((session.id.clone(), reason));
        }
        is_open
    });
    open.sort_by_key(|session| session.last_seen);
    let too_many = (open.len() + 1).saturating_sub(most);
    for session in &open[..too_many.min(open.len())] {
        endings.push((session.id.clone(), EndReason::Revoked));
        audit::ended(&session.id, EndReason::Revoked);
    }
    store.end_many(&endings, now).await
}

/// Deletes one page of a visitor's rows, open ones included: their browsers are out with the next
/// heartbeat.
///
/// # Errors
/// [`StoreError`]; some may have been deleted.
pub async fn forget(store: &dyn Store, email: &Email) -> Result<Step, StoreError> {
    // What was on this page is gone with it, so the next one is the first again.
    let page = store.list(Some(email), 0).await?;
    let ids: Vec<_> = page.sessions.into_iter().map(|row| row.id).collect();
    store.delete(&ids).await?;
    audit::erased(ids.len(), "forgotten");
    Ok(Step {
        count: ids.len(),
        has_more: page.has_more,
    })
}

/// Deletes one page of the rows whose visitor was last seen over `days` days ago.
///
/// # Errors
/// [`StoreError`]; some may have been deleted.
pub async fn delete_old(store: &dyn Store, days: u64, now: Timestamp) -> Result<Step, StoreError> {
    let ids = store
        .seen_before(now.minus(days.saturating_mul(86_400)))
        .await?;
    store.delete(&ids).await?;
    if !ids.is_empty() {
        audit::erased(ids.len(), "older than RETENTION_DAYS");
    }
    Ok(Step {
        count: ids.len(),
        has_more: !ids.is_empty(),
    })
}
