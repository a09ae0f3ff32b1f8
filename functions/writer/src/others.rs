//! The visitor's other sessions, where one that waited ends them all.

use shared::email::Email;
use shared::queue::QueuedEnding;
use shared::session::{Ending, Figures, Session};
use shared::store::{Change, Listing, Order, PAGE_SIZE, Starts, StoreError};

use crate::Writer;

/// Ends what was open when `own` was ended, as it would have been ended then: also what has been
/// looked at since, and what has ended for another reason since. Says how many rows that changed, and
/// whether none refused.
pub(crate) async fn end(
    writer: &Writer<'_>,
    own: &Session,
    ending: QueuedEnding,
) -> Result<(usize, bool), StoreError> {
    let Some(reason) = ending.everywhere else {
        return Ok((0, true));
    };
    let wanted = Ending {
        reason,
        at: ending.at,
    };
    let Ok(email) = Email::parse(&own.email) else {
        tracing::warn!(
            record = own.id.as_str(),
            "the row's address is none; the visitor's other sessions were not looked for"
        );
        return Ok((0, true));
    };
    let listing = Listing {
        email: Some(email),
        starts: Starts::Between {
            from: Some(ending.at.minus(writer.limits.lifetime)),
            before: Some(ending.at.plus(1)),
        },
        order: Order::OldestFirst,
        page_size: PAGE_SIZE,
    };
    let (mut count, mut all_ended) = (0, true);
    let mut after = None;
    loop {
        writer.budget.take().await;
        let page = writer.store.list(&listing, after.as_ref()).await?;
        let others = page.sessions.iter().filter(|row| row.id != own.id);
        let changes: Vec<_> = others
            .filter_map(|row| Some((row.id.clone(), change(writer, row, wanted)?)))
            .collect();
        if !changes.is_empty() {
            let unwritten = writer.write_or_split(&changes).await?;
            all_ended &= unwritten.waits.is_empty();
            count += changes.len();
            shared::audit::ended_many(changes.len(), reason);
        }
        after = page.rest;
        if after.is_none() {
            return Ok((count, all_ended));
        }
    }
}

fn change(writer: &Writer<'_>, row: &Session, ending: Ending) -> Option<Change> {
    // What had fallen idle before, or reached its lifetime, was over by then.
    let reason = row.reason_when_ended_with(ending.reason, writer.limits, ending.at);
    let nothing_new = Figures {
        last_seen: row.last_seen,
        active_seconds: None,
        current_page: None,
        pages: None,
    };
    let at = ending.at;
    Change::between(row, &row.with(&nothing_new, Some(Ending { reason, at })))
}
