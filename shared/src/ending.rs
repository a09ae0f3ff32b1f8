//! Ending and erasing many sessions, one page of rows at a time, so that whoever asks can show how
//! far it is, leave the store room for visitors, and stop.

use std::time::{Duration, Instant};

use crate::audit;
use crate::email::Email;
use crate::session::{EndReason, Limits, RecordId, Session};
use crate::store::{Listing, PAGE_SIZE, Store, StoreError};
use crate::timestamp::Timestamp;

/// A visitor who logs out waits for an answer that clears their cookies, and Lambda ends a function
/// that takes too long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of one page of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many rows it was.
    pub count: usize,
    /// Call again.
    pub has_more: bool,
}

/// Ends some sessions that were open at `now`, of a visitor or of all, at most `rows`: called again with
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
    rows: usize,
) -> Result<Step, StoreError> {
    let open = store.open(email, now.minus(limits.lifetime), None).await?;
    // In the order they began, so that those which began since stand at the end.
    let began_by_now = open.sessions.iter().filter(|session| session.start <= now);
    let has_more = began_by_now.clone().count() > rows
        || (open.rest.is_some() && open.sessions.iter().all(|session| session.start <= now));
    let endings: Vec<_> = began_by_now
        .take(rows)
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

/// Ends the open sessions of a visitor, and says how many. Somebody waits for it, so what could not be
/// ended in [`PATIENCE`] stays open.
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
    let started = Instant::now();
    let mut count = 0;
    loop {
        let step = end_open(store, Some(email), reason, limits, now, PAGE_SIZE.into()).await?;
        count += step.count;
        if !step.has_more {
            return Ok(count);
        }
        if started.elapsed() > PATIENCE {
            tracing::error!(
                count,
                "not all sessions of the visitor could be ended in time"
            );
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
    let since = now.minus(limits.lifetime);
    // Which of them was seen longest ago, only all of them say.
    let (mut open, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .open(Some(email.as_str()), since, after.as_ref())
            .await?;
        open.extend(page.sessions);
        after = page.rest;
        if after.is_none() {
            break;
        }
    }
    let endings = too_many(open, most, limits, now);
    store.end_many(&endings, now).await?;
    for (record, reason) in &endings {
        audit::ended(record, *reason);
    }
    Ok(())
}

/// Which of these open sessions have to go, and why.
fn too_many(
    mut open: Vec<Session>,
    most: usize,
    limits: &Limits,
    now: Timestamp,
) -> Vec<(RecordId, EndReason)> {
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
    let excess = (open.len() + 1).saturating_sub(most);
    let longest_ago = open.into_iter().take(excess);
    endings.extend(longest_ago.map(|session| (session.id, EndReason::Revoked)));
    endings
}

/// Deletes at most `rows` rows of a visitor, open ones included: their browsers are out with the next
/// heartbeat.
///
/// # Errors
/// [`StoreError`]; some may have been deleted.
pub async fn forget(store: &dyn Store, email: &Email, rows: usize) -> Result<Step, StoreError> {
    // What was on this page is gone with it, so the next one is the first again.
    let page = store.list(&Listing::of(Some(email)), None).await?;
    let has_more = page.rest.is_some() || page.sessions.len() > rows;
    let listed = page.sessions.into_iter().take(rows);
    let ids: Vec<_> = listed.map(|row| row.id).collect();
    store.delete(&ids).await?;
    audit::erased(ids.len(), "forgotten");
    Ok(Step {
        count: ids.len(),
        has_more,
    })
}

/// Deletes at most `rows` rows whose visitor was last seen over `days` days ago.
///
/// # Errors
/// [`StoreError`]; some may have been deleted.
pub async fn delete_old(
    store: &dyn Store,
    days: u64,
    now: Timestamp,
    rows: usize,
) -> Result<Step, StoreError> {
    let mut ids = store
        .seen_before(now.minus(days.saturating_mul(86_400)))
        .await?;
    ids.truncate(rows);
    store.delete(&ids).await?;
    if !ids.is_empty() {
        audit::erased(ids.len(), "older than RETENTION_DAYS");
    }
    Ok(Step {
        count: ids.len(),
        has_more: !ids.is_empty(),
    })
}
