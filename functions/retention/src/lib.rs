//! Deletes visits older than `RETENTION_DAYS`: once a day on AWS, every hour in `serve`.

use std::time::{Duration, Instant};

use shared::ending;
use shared::settings::Pace;
use shared::store::{Store, StoreError};
use shared::timestamp::Timestamp;

/// What is left after this long is deleted the next time: a function may run for five minutes.
const LONGEST: Duration = Duration::from_mins(4);
/// A store that wants to be left alone is left alone; one that does not answer is given up.
const MOST_FAILURES: u32 = 2;

/// Deletes the rows whose visitor was last seen over `days` days before `now`, step by step, at a
/// pace that leaves the store room for visitors. Says how many.
///
/// # Errors
/// [`StoreError`] where the store fails several times in a row; some may have been deleted, and the
/// next run goes on.
pub async fn run(
    store: &dyn Store,
    pace: Pace,
    days: u64,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let started = Instant::now();
    let (mut count, mut failures) = (0, 0);
    loop {
        let pause = match ending::delete_old(store, days, now, pace.rows).await {
            Ok(step) => {
                failures = 0;
                count += step.count;
                if !step.has_more {
                    return Ok(count);
                }
                pace.pause
            }
            Err(error) if failures < MOST_FAILURES => {
                failures += 1;
                error.retry_after()
            }
            Err(error) => return Err(error),
        };
        if started.elapsed() > LONGEST {
            tracing::warn!(count, "old visits are left over for the next run");
            return Ok(count);
        }
        tokio::time::sleep(pause).await;
    }
}
