//! Deletes visits older than `RETENTION_DAYS`: once a day on AWS, every hour in `serve`.

use std::time::{Duration, Instant};

use shared::ending;
use shared::store::{Store, StoreError};
use shared::timestamp::Timestamp;

/// What is left after this long is deleted the next time: a function may run for five minutes.
const LONGEST: Duration = Duration::from_mins(4);

/// Deletes the rows whose visitor was last seen over `days` days before `now`, page by page, with a
/// pause after each that leaves the store room for visitors. Says how many.
///
/// # Errors
/// [`StoreError`]; some may have been deleted, and the next run goes on.
pub async fn run(
    store: &dyn Store,
    pause: Duration,
    days: u64,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let started = Instant::now();
    let mut count = 0;
    loop {
        let step = ending::delete_old(store, days, now).await?;
        count += step.count;
        if !step.has_more {
            return Ok(count);
        }
        if started.elapsed() > LONGEST {
            tracing::warn!(count, "old visits are left over for the next run");
            return Ok(count);
        }
        tokio::time::sleep(pause).await;
    }
}
