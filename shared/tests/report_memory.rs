//! What a hundred thousand visits take of a small function's memory. A process of its own: nothing
//! else may come and go in it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use async_trait::async_trait;
use shared::email::Email;
use shared::report::{Cache, Filter};
use shared::session::{EndReason, Heartbeat, Limits, PageFigures, RecordId, Session};
use shared::store::{After, Ended, Listing, SessionPage, Starts, Store, StoreError};
use shared::timestamp::Timestamp;

const ROWS: u64 = 100_000;
const MOST_BYTES: u64 = 100_000_000;
const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);
const EVERY: u64 = 600;
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};

/// A table that has a row every ten minutes, and makes them up as they are asked for.
struct Endless;

/// The one that began so many tens of minutes before the newest.
fn visit(number: u64) -> Session {
    let start = NOW.minus(number * EVERY);
    let page = |step: u64| {
        let path = format!(
            "/portfolio/confidential/page-{}/",
            (number + step * 31) % 200
        );
        let seconds = number % 900 + step;
        (
            path,
            PageFigures {
                seconds,
                scroll: 85,
            },
        )
    };
    Session {
        id: RecordId::new((ROWS - number).to_string()),
        email: format!("visitor-{}@example.com", number % 20_000),
        start,
        start_is_day: false,
        last_seen: start.plus(number % 5_000),
        end_reason: Some(EndReason::Idle),
        ended_at: Some(start.plus(6_000)),
        active_seconds: Some(number % 4_000),
        current_page: Some(page(0).0),
        pages: (0..4).map(page).collect(),
    }
}

/// The numbers of the rows that began then.
fn numbers(starts: Starts) -> std::ops::Range<u64> {
    match starts {
        Starts::All => 0..ROWS,
        Starts::Missing => 0..0,
        Starts::Between { from, before } => {
            let first = before.map_or(0, |before| NOW.since(before) / EVERY + 1);
            let first = if before.is_some_and(|before| before > NOW) {
                0
            } else {
                first
            };
            let last = from.map_or(ROWS, |from| NOW.since(from) / EVERY + 1);
            first.min(ROWS)..last.min(ROWS)
        }
    }
}

#[async_trait]
impl Store for Endless {
    async fn create(
        &self,
        _: &Email,
        _: Timestamp,
        _: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        unimplemented!()
    }
    async fn heartbeat(&self, _: &RecordId, _: &Heartbeat) -> Result<Session, StoreError> {
        unimplemented!()
    }
    async fn end(
        &self,
        _: &RecordId,
        _: &Heartbeat,
        _: EndReason,
        _: Timestamp,
    ) -> Result<Ended, StoreError> {
        unimplemented!()
    }
    async fn open(
        &self,
        _: Option<&str>,
        _: Timestamp,
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unimplemented!()
    }
    async fn end_many(&self, _: &[(RecordId, EndReason)], _: Timestamp) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn end_everything(&self, _: Timestamp) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn not_before(&self) -> Option<Timestamp> {
        unimplemented!()
    }
    async fn seen_before(&self, _: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        unimplemented!()
    }
    async fn delete(&self, _: &[RecordId]) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn import(&self, _: &[Session]) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn rows(&self, _: &[RecordId]) -> Result<shared::store::Rows, StoreError> {
        unimplemented!()
    }
    async fn write_many(&self, _: &[(RecordId, shared::store::Change)]) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn ended(
        &self,
        _: Timestamp,
        _: Option<Timestamp>,
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unimplemented!()
    }
    async fn with_address_ending(&self, _: &str) -> Result<Vec<RecordId>, StoreError> {
        unimplemented!()
    }
    async fn within(
        &self,
        _: Timestamp,
        _: &[shared::store::Span],
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unimplemented!()
    }
    async fn row(&self, _: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        unimplemented!()
    }
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let size = u64::from(listing.page_size);
        let mut rows = numbers(listing.starts);
        // The page's number stands in for its last row.
        let number = after.map_or(0, |after| after.id.as_str().parse::<u64>().unwrap());
        rows.start += size * number;
        let has_more = rows.start + size < rows.end;
        Ok(SessionPage {
            sessions: rows.take(listing.page_size.into()).map(visit).collect(),
            rest: has_more.then(|| After {
                cell: None,
                id: RecordId::new((number + 1).to_string()),
            }),
            ..SessionPage::default()
        })
    }
    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        Ok(numbers(starts).count() as u64)
    }
}

/// A line of what Linux knows about this process, in bytes.
fn bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1_024
}

async fn read_all(cache: &Cache, now: Timestamp) {
    loop {
        let known = cache.know(&Endless, Duration::ZERO, &LIMITS, now).await;
        let data = known.unwrap().view.data(&Filter::default(), now);
        if data.complete && data.older_as_of.0 == now {
            assert_eq!(data.rows, ROWS);
            return;
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_visits_fit_beside_the_function_even_while_they_are_read_anew() {
    let cache = Cache::default();
    let before = bytes("VmRSS:");
    let began = Instant::now();
    read_all(&cache, NOW).await;
    let kept = bytes("VmRSS:") - before;
    let took = began.elapsed();
    read_all(&cache, NOW.plus(601)).await;
    let peak = bytes("VmHWM:") - before;
    println!("{ROWS} visits: {kept} bytes kept, {peak} at most while read anew; read in {took:?}");
    assert!(peak < MOST_BYTES, "{peak} bytes");
}
