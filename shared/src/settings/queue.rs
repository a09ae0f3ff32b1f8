//! What is written when: the queue behind the store.

use super::{SettingError, Variables, limits, wrong};
use crate::queue::LONGEST_DELAY_SECONDS;

/// Where the functions' queue is; the stack makes it.
pub const QUEUE_URL: &str = "QUEUE_URL";
/// Where the functions read what the writer was told of endings; the stack makes it.
const ENDINGS_URL: &str = "ENDINGS_URL";
/// NocoDB's cloud takes five requests a second from a token; one is left for arrivals, endings and
/// whoever asks.
const WRITE_REQUESTS: u32 = 4;
/// What a row is behind besides: a heartbeat's interval of 180 s, and the minute between two runs.
const LATENESS_SECONDS: u64 = 240;
/// More than any NocoDB answers.
const MOST_WRITE_REQUESTS: u32 = 1_000;

/// `WRITE_EVERY_SECONDS`: batched mode, in which each row is written once in so many seconds. `None`
/// where it is off: 0, or unset.
///
/// # Errors
/// [`SettingError`] for what is no number or too much, also beside the idle timeout, and where sessions are
/// in SQLite, which takes every heartbeat at once.
pub fn write_every(variables: &Variables) -> Result<Option<u64>, SettingError> {
    const NAME: &str = "WRITE_EVERY_SECONDS";
    match variables.parse(NAME, 0, "a whole number of seconds")? {
        0 => Ok(None),
        seconds if seconds > LONGEST_DELAY_SECONDS => Err(wrong(
            NAME,
            format!("must be at most {LONGEST_DELAY_SECONDS}; 0 writes every heartbeat at once"),
        )),
        seconds if seconds + LATENESS_SECONDS >= limits(variables)?.idle_timeout => Err(wrong(
            NAME,
            format!(
                "{seconds} leaves rows so far behind that IDLE_TIMEOUT_SECONDS would pass in them; keep it {LATENESS_SECONDS} below"
            ),
        )),
        _ if variables.get("NOCODB_URL").is_none() => Err(wrong(
            NAME,
            "is for NocoDB, and NOCODB_URL is not set; SQLite takes every heartbeat at once",
        )),
        seconds => Ok(Some(seconds)),
    }
}

/// `WRITE_REQUESTS_PER_SECOND`: how many requests a second whoever empties the queue may send.
///
/// # Errors
/// [`SettingError`] for what is no number from 1 to 1000.
pub fn write_requests(variables: &Variables) -> Result<u32, SettingError> {
    const NAME: &str = "WRITE_REQUESTS_PER_SECOND";
    match variables.parse(NAME, WRITE_REQUESTS, "a whole number")? {
        requests if (1..=MOST_WRITE_REQUESTS).contains(&requests) => Ok(requests),
        _ => Err(wrong(
            NAME,
            format!("must be from 1 to {MOST_WRITE_REQUESTS}"),
        )),
    }
}

/// `ENDINGS_URL`: the functions' board for endings; `None` where they have none, and each asks NocoDB.
#[must_use]
pub fn endings_url(variables: &Variables) -> Option<&str> {
    variables.get(ENDINGS_URL)
}

/// `QUEUE_URL`: the functions' queue; `None` where they have none.
#[must_use]
pub fn queue_url(variables: &Variables) -> Option<&str> {
    variables.get(QUEUE_URL)
}
