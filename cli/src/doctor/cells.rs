//! Cells of the newest visits that cannot be read.

use shared::store::{Listing, Order, Store, StoreError, found_unreadable};

use super::finding::Finding;

/// Visits that are looked at.
const NEWEST: u16 = 1_000;
/// Cells that are named one by one.
const MOST_NAMED: usize = 10;

/// Reads the newest visits, and names what counts as empty in them.
///
/// # Errors
/// [`StoreError`] where they cannot be read.
pub(super) async fn check(store: &dyn Store) -> Result<Vec<Finding>, StoreError> {
    let newest = Listing {
        order: Order::NewestFirst,
        page_size: NEWEST,
        ..Listing::of(None)
    };
    store.list(&newest, None).await?;
    let found = found_unreadable();
    let named = found.iter().take(MOST_NAMED).map(|(record, column)| {
        Finding::mind(format!(
            "session {record}: {column} cannot be read, and counts as empty — correct or empty it in the table"
        ))
    });
    let mut findings: Vec<_> = named.collect();
    if found.len() > MOST_NAMED {
        let more = found.len() - MOST_NAMED;
        findings.push(Finding::mind(format!(
            "{more} further cells cannot be read"
        )));
    }
    Ok(findings)
}
