//! Many rows in one request, of which one may be wrong.

use shared::session::RecordId;
use shared::store::{Change, ErrorScope, StoreError};

use crate::Writer;

impl Writer<'_> {
    /// Writes changes, at most a page. One row that is gone, or that the store refuses, refuses the whole
    /// request: it is halved until that row is alone. Says which rows lack something; one that is gone
    /// is no loss.
    ///
    /// # Errors
    /// [`StoreError`] where the store is away; any of the changes may have been made.
    pub(crate) async fn write_or_split(
        &self,
        changes: &[(RecordId, Change)],
    ) -> Result<Unwritten, StoreError> {
        let mut unwritten = Unwritten::default();
        let mut left = vec![changes];
        while let Some(some) = left.pop() {
            self.budget.take().await;
            match (self.store.write_many(some).await, some) {
                (Ok(()), _) | (Err(StoreError::NotFound), [_]) => {}
                // All else of these changes was written.
                (Err(error @ StoreError::Column { .. }), some) => {
                    tracing::error!(error = error.to_string(), "some of it waits");
                    let StoreError::Column { rows, .. } = error else {
                        continue;
                    };
                    let all = some.iter().map(|(record, _)| record.clone());
                    unwritten
                        .waits
                        .extend(if rows.is_empty() { all.collect() } else { rows });
                }
                (Err(error), [(record, _)]) if error.scope() == ErrorScope::Row => {
                    tracing::error!(
                        record = record.as_str(),
                        error = error.to_string(),
                        "a row refuses what is to be written"
                    );
                    unwritten.refused.push((record.clone(), error.to_string()));
                }
                (Err(error), _) if error.scope() == ErrorScope::Row => {
                    let (one, other) = some.split_at(some.len() / 2);
                    left.extend([other, one]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(unwritten)
    }
}

/// Rows that do not hold what was to be written.
#[derive(Default)]
pub(crate) struct Unwritten {
    /// The store refuses the row, and says why.
    pub(crate) refused: Vec<(RecordId, String)>,
    /// A column refuses its value, for every row: the owner can put it right.
    pub(crate) waits: Vec<RecordId>,
}
