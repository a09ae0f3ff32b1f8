//! Many rows in one request, of which one may be wrong.

use shared::nocodb;
use shared::session::RecordId;
use shared::store::{Change, StoreError};

use crate::Writer;

impl Writer<'_> {
    /// Writes changes, at most a page. One row that is gone, or that the store refuses, refuses the whole
    /// request: it is halved until that row is alone. Says which rows the store refuses; one that is gone
    /// is no loss.
    ///
    /// # Errors
    /// [`StoreError`] where the store is away; any of the changes may have been made.
    pub(crate) async fn write_or_split(
        &self,
        changes: &[(RecordId, Change)],
    ) -> Result<Vec<RecordId>, StoreError> {
        let mut refused = Vec::new();
        let mut left = vec![changes];
        while let Some(some) = left.pop() {
            self.budget.take().await;
            match (self.store.write_many(some).await, some) {
                (Ok(()), _) | (Err(StoreError::NotFound), [_]) => {}
                (Err(error), [(record, _)]) if is_refusal(&error) => {
                    tracing::error!(
                        record = record.as_str(),
                        error = error.to_string(),
                        "a row refuses what is to be written"
                    );
                    refused.push(record.clone());
                }
                (Err(error), _) if is_refusal(&error) || matches!(error, StoreError::NotFound) => {
                    let (one, other) = some.split_at(some.len() / 2);
                    left.extend([other, one]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(refused)
    }
}

fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NocoDb(nocodb::Error::Refused { .. } | nocodb::Error::InvalidInput { .. })
    )
}
