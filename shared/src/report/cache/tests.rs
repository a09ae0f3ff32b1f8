use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use async_trait::async_trait;

use super::*;
use crate::email::Email;
use crate::report::Filter;
use crate::session::{EndReason, Heartbeat, Pages, RecordId, Session};
use crate::store::Ended;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);
const DAY: u64 = 86_400;

/// What happens to the rows before a call is answered.
type Hand = Box<dyn FnMut(usize, &mut BTreeMap<u64, Session>) + Send>;

/// A table in memory, that tests change and break while it is read.
#[derive(Default)]
struct Table {
    rows: Lock<BTreeMap<u64, Session>>,
    startless: Lock<Vec<Session>>,
    everything_ended: Lock<Vec<Timestamp>>,
    is_down: AtomicBool,
    delay: Lock<Duration>,
    calls: AtomicUsize,
    hand: Lock<Option<Hand>>,
}

fn visit(id: u64, start: Timestamp) -> Session {
    Session {
        id: RecordId::new(id.to_string()),
        email: format!("visitor{}@example.com", id % 7),
        start,
        start_is_day: false,
        last_seen: start.plus(60),
        end_reason: None,
        ended_at: None,
        active_seconds: Some(60),
        current_page: None,
        pages: Pages::new(),
    }
}

impl Table {
    /// One row every so many seconds, the last one now.
    fn with(count: u64, every: u64) -> Self {
        let table = Self::default();
        for id in 0..count {
            table.add(id, NOW.minus((count - 1 - id) * every));
        }
        table
    }

    fn add(&self, id: u64, start: Timestamp) {
        self.rows.lock().unwrap().insert(id, visit(id, start));
    }

    fn remove(&self, id: u64) {
        self.rows.lock().unwrap().remove(&id).unwrap();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// From now on, before each call is answered, with how many there were.
    fn meanwhile(&self, hand: impl FnMut(usize, &mut BTreeMap<u64, Session>) + Send + 'static) {
        *self.hand.lock().unwrap() = Some(Box::new(hand));
    }

    async fn call(&self) -> Result<(), StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap();
        sleep(delay).await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Stopped);
        }
        if let Some(hand) = self.hand.lock().unwrap().as_mut() {
            hand(number, &mut self.rows.lock().unwrap());
        }
        Ok(())
    }

    fn of(&self, starts: Starts) -> Vec<Session> {
        let (from, before) = match starts {
            Starts::Missing => return self.startless.lock().unwrap().clone(),
            Starts::All => (None, None),
            Starts::Between { from, before } => (from, before),
        };
        let rows = self.rows.lock().unwrap();
        let mut rows: Vec<_> = rows
            .values()
            .filter(|row| from.is_none_or(|from| row.start >= from))
            .filter(|row| before.is_none_or(|before| row.start < before))
            .cloned()
            .collect();
        rows.sort_by_key(order);
        rows
    }

    fn ids(&self) -> BTreeSet<String> {
        let all = self.rows.lock().unwrap();
        all.keys().map(u64::to_string).collect()
    }
}

#[async_trait]
impl Store for Table {
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
    async fn rows(&self, _: &[RecordId]) -> Result<crate::store::Rows, StoreError> {
        unimplemented!()
    }
    async fn write_many(&self, _: &[(RecordId, crate::store::Change)]) -> Result<(), StoreError> {
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
    async fn row(&self, _: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        unimplemented!()
    }
    async fn within(
        &self,
        _: Timestamp,
        _: &[crate::store::Span],
        _: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        unimplemented!()
    }
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        self.call().await?;
        assert_eq!(listing.order, Order::NewestFirst);
        let rows = self.of(listing.starts);
        let begins = after.map_or(0, |after| {
            rows.partition_point(|row| order(row) <= place(after))
        });
        let size = usize::from(listing.page_size);
        let sessions: Vec<_> = rows.iter().skip(begins).take(size).cloned().collect();
        let last = sessions.last().filter(|_| begins + size < rows.len());
        Ok(SessionPage {
            rest: last.map(|row| After {
                cell: Some(row.start.to_string()),
                id: row.id.clone(),
            }),
            sessions,
            everything_ended: self.everything_ended.lock().unwrap().clone(),
        })
    }
    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        self.call().await?;
        Ok(self.of(starts).len() as u64)
    }
}

/// Ties in another order than the one that answers have.
fn order(row: &Session) -> (Reverse<Timestamp>, u64) {
    (Reverse(row.start), row.id.as_str().parse().unwrap())
}

fn place(after: &After) -> (Reverse<Timestamp>, u64) {
    let start = after.cell.as_deref().unwrap().parse().unwrap();
    (Reverse(start), after.id.as_str().parse().unwrap())
}

async fn know(cache: &Cache, table: &Table, now: Timestamp) -> Result<Known, Unavailable> {
    cache.know(table, Duration::ZERO, &LIMITS, now).await
}

async fn view(cache: &Cache, table: &Table, now: Timestamp) -> View {
    know(cache, table, now).await.unwrap().view
}

/// The ids in the view, which must be in order and stand there once.
fn ids(view: &View) -> BTreeSet<String> {
    let rows: Vec<_> = view.rows().collect();
    assert!(rows.is_sorted_by_key(|row| row.place()), "in order");
    let ids: BTreeSet<String> = rows.iter().map(|row| row.id().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "once each");
    ids
}

#[tokio::test]
async fn every_row_is_read_once_however_they_are_spread() {
    for (count, every) in [
        (0, 1),
        (1, 1),
        (999, 1),
        (1_000, 1),
        (1_001, 1),
        // Some recent, most older.
        (3_500, 600),
        // Thousands within one second, and on both sides of it.
        (4_200, 0),
    ] {
        let table = Table::with(count, every);
        if every == 0 {
            for id in 10_000..10_700 {
                table.add(id, NOW.minus(id));
                table.add(id + 1_000, NOW.plus(id));
            }
        }
        let cache = Cache::default();
        let view = view(&cache, &table, NOW).await;
        assert_eq!(ids(&view), table.ids(), "{count} rows, one every {every} s");
        let data = view.data(&Filter::default(), NOW);
        let rows = table.ids().len() as u64;
        assert_eq!((data.rows, data.stored), (rows, Some(rows)));
        assert!(data.complete && !data.left_out && data.complete_since.is_none());
    }
}

#[tokio::test]
async fn a_row_without_a_start_stands_where_it_was_last_seen() {
    let table = Table::with(50, DAY);
    let startless = visit(1_000, NOW.minus(10 * DAY + 5));
    table.startless.lock().unwrap().push(startless);
    let view = view(&Cache::default(), &table, NOW).await;
    assert_eq!(ids(&view).len(), 51);
    assert!(ids(&view).contains("1000"));
}

#[tokio::test]
async fn what_can_change_is_read_again_after_seconds_and_the_rest_after_minutes() {
    let table = Table::with(100, DAY / 4);
    let cache = Cache::default();
    assert_eq!(ids(&view(&cache, &table, NOW).await), table.ids());
    let calls = table.calls();
    let (recent, older) = (99, 3);
    table.remove(recent);
    let seen = NOW.minus(90 * DAY);
    let change = |rows: &mut BTreeMap<u64, Session>| rows.get_mut(&older).unwrap().last_seen = seen;
    change(&mut table.rows.lock().unwrap());
    let is_seen = |view: &View| view.rows().any(|row| row.last_seen() == seen);

    let soon = view(&cache, &table, NOW.plus(4)).await;
    assert_eq!(
        (ids(&soon).len(), table.calls()),
        (100, calls),
        "nothing is asked"
    );
    assert_eq!(soon.data(&Filter::default(), NOW.plus(4)).as_of.0, NOW);

    let later = view(&cache, &table, NOW.plus(5)).await;
    assert!(!ids(&later).contains("99") && !is_seen(&later));
    assert_eq!(table.calls(), calls + 2, "one page, and a count");
    let data = later.data(&Filter::default(), NOW.plus(5));
    assert_eq!((data.as_of.0, data.older_as_of.0), (NOW.plus(5), NOW));

    let latest = view(&cache, &table, NOW.plus(600)).await;
    assert_eq!(ids(&latest), table.ids());
    assert!(is_seen(&latest));
    let data = latest.data(&Filter::default(), NOW.plus(600));
    assert_eq!(
        (data.as_of.0, data.older_as_of.0),
        (NOW.plus(600), NOW.plus(600))
    );
}

#[tokio::test]
async fn older_rows_that_come_or_go_are_seen_with_the_recent_ones() {
    let table = Table::with(100, DAY / 4);
    let cache = Cache::default();
    view(&cache, &table, NOW).await;
    for (seconds, change) in [(5, Some(3)), (10, None)] {
        match change {
            Some(id) => table.remove(id),
            None => (1_000..4_000).for_each(|id| table.add(id, NOW.minus(id * 3_600))),
        }
        let view = view(&cache, &table, NOW.plus(seconds)).await;
        assert_eq!(ids(&view), table.ids());
        let calls = table.calls();
        self::view(&cache, &table, NOW.plus(seconds + 1)).await;
        assert_eq!(table.calls(), calls, "nothing is left to read");
    }
}

#[tokio::test]
async fn a_row_whose_start_was_changed_counts_once() {
    let table = Table::with(100, DAY / 4);
    let cache = Cache::default();
    view(&cache, &table, NOW).await;
    // Another one in its place, so that there are as many as before.
    table.add(3, NOW.minus(5));
    table.add(1_000, NOW.minus(20 * DAY));
    let view = view(&cache, &table, NOW.plus(5)).await;
    assert_eq!((ids(&view).len(), view.len()), (100, 100));
    let moved = view.rows().find(|row| row.id() == "3").unwrap();
    assert_eq!(moved.start(), NOW.minus(5));
}

#[tokio::test]
async fn what_this_process_changed_is_read_again_at_once() {
    let table = Table::with(10, 60);
    let cache = Cache::default();
    view(&cache, &table, NOW).await;
    let mut rows = table.rows.lock().unwrap().clone();
    rows.get_mut(&9).unwrap().end_reason = Some(EndReason::Revoked);
    *table.rows.lock().unwrap() = rows;
    cache.changed();
    let view = view(&cache, &table, NOW).await;
    let first = view.rows().next().unwrap();
    assert_eq!(first.end_reason(), Some(EndReason::Revoked));
}

#[tokio::test]
async fn ending_everything_ends_what_was_open_and_not_what_had_vanished() {
    // One every day: the last one is open, the others have vanished, recent ones and older ones.
    let table = Table::with(10, DAY);
    table.everything_ended.lock().unwrap().push(NOW.plus(1));
    let view = view(&Cache::default(), &table, NOW.plus(2)).await;
    let reasons: Vec<_> = view.rows().map(Visit::end_reason).collect();
    assert_eq!((reasons.len(), reasons[0]), (10, Some(EndReason::Revoked)));
    assert_eq!(reasons[1..], [None; 9]);
}

#[tokio::test]
async fn a_row_moves_from_the_recent_ones_to_the_older_ones_and_is_there_all_the_time() {
    let table = Table::with(300, 3_600);
    let cache = Cache::default();
    for minutes in 0..200 {
        let now = NOW.plus(minutes * 60);
        if minutes % 7 == 0 {
            table.add(10_000 + minutes, now);
        }
        assert_eq!(
            ids(&view(&cache, &table, now).await),
            table.ids(),
            "{minutes}"
        );
    }
}

#[tokio::test]
async fn visits_that_come_and_go_while_it_is_read_hide_and_double_no_others() {
    for seed in 0..20_u64 {
        let table = Table::with(5_000, 300);
        let removed = std::sync::Arc::new(Lock::new(HashSet::new()));
        let hand = std::sync::Arc::clone(&removed);
        table.meanwhile(move |number, rows| {
            // Some come in above, and anywhere; some are deleted anywhere.
            let number = number as u64;
            for step in 0..40 {
                let mix = (seed + 1) * 7_919 + number * 104_729 + step * 1_299_709;
                let id = mix % 5_000;
                if rows.remove(&id).is_some() {
                    hand.lock().unwrap().insert(id.to_string());
                }
                let id = 10_000 + number * 100 + step;
                rows.insert(id, visit(id, NOW.minus(mix % 1_500_000)));
            }
        });
        let view = view(&Cache::default(), &table, NOW).await;
        let read = ids(&view);
        let removed = removed.lock().unwrap();
        for id in (0..5_000_u64).map(|id| id.to_string()) {
            assert!(
                read.contains(&id) || removed.contains(&id),
                "{id} was there all the time (seed {seed})"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_reads_for_some_seconds_and_the_next_one_goes_on() {
    let table = Table::with(4_200, 1_800);
    // Three in every second that has any, so that pages end within one.
    for id in 0..4_200 {
        let start = NOW.minus((4_199 - id) * 1_800);
        table.add(10_000 + id, start);
        table.add(20_000 + id, start);
    }
    let cache = Cache::default();
    let pause = Duration::from_millis(800);
    let mut rows = 0;
    let mut requests = 0;
    loop {
        let began = Instant::now();
        let view = cache.know(&table, pause, &LIMITS, NOW).await.unwrap().view;
        assert!(began.elapsed() <= DRIVE + GRACE);
        let data = view.data(&Filter::default(), NOW);
        let read = ids(&view);
        assert!(data.rows > rows, "it goes on");
        rows = data.rows;
        requests += 1;
        if data.complete {
            break;
        }
        assert_eq!(data.stored, Some(12_600));
        let since = data.complete_since.unwrap().0;
        for row in table
            .of(Starts::All)
            .iter()
            .filter(|row| row.start >= since)
        {
            assert!(
                read.contains(row.id.as_str()),
                "nothing is missing since then"
            );
        }
        assert!(
            view.rows().all(|row| row.start() >= since),
            "and nothing below it is shown in part"
        );
        let newer = Filter {
            from: Some(since),
            ..Filter::default()
        };
        assert!(data.left_out && !view.data(&newer, NOW).left_out);
        assert!(requests < 10);
    }
    assert!(requests > 1);
    assert_eq!(ids(&view(&cache, &table, NOW).await), table.ids());
}

#[tokio::test(start_paused = true)]
async fn many_requests_at_once_read_once() {
    let table = Table::with(3_000, 600);
    *table.delay.lock().unwrap() = Duration::from_millis(300);
    let cache = Cache::default();
    let know = || know(&cache, &table, NOW);
    let (one, two, three) = tokio::join!(know(), know(), know());
    for known in [one, two, three] {
        assert_eq!(ids(&known.unwrap().view), table.ids());
    }
    let alone = Table::with(3_000, 600);
    view(&Cache::default(), &alone, NOW).await;
    assert_eq!(table.calls(), alone.calls());
}

#[tokio::test]
async fn a_store_that_fails_leaves_what_was_known() {
    let table = Table::with(100, 600);
    let cache = Cache::default();
    table.is_down.store(true, Ordering::SeqCst);
    assert_eq!(
        know(&cache, &table, NOW).await.unwrap_err().retry_after,
        DEFAULT_RETRY_AFTER
    );
    table.is_down.store(false, Ordering::SeqCst);
    assert!(know(&cache, &table, NOW).await.unwrap().failed.is_none());
    table.is_down.store(true, Ordering::SeqCst);
    let known = know(&cache, &table, NOW.plus(60)).await.unwrap();
    assert!(known.failed.is_some());
    assert_eq!(ids(&known.view), table.ids());
    assert_eq!(
        known.view.data(&Filter::default(), NOW.plus(60)).as_of.0,
        NOW
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_and_reading_goes_on_later() {
    let table = Table::with(3_000, 600);
    let cache = Cache::default();
    table.meanwhile(|_, _| {});
    *table.delay.lock().unwrap() = Duration::from_secs(3);
    // Two calls, and a third that would take too long.
    assert!(know(&cache, &table, NOW).await.unwrap_err().retry_after > Duration::ZERO);
    *table.delay.lock().unwrap() = Duration::from_mins(10);
    let began = Instant::now();
    assert!(know(&cache, &table, NOW).await.is_err());
    assert!(began.elapsed() <= DRIVE + GRACE);
    *table.delay.lock().unwrap() = Duration::ZERO;
    assert_eq!(ids(&view(&cache, &table, NOW).await), table.ids());
}

#[tokio::test(start_paused = true)]
async fn reading_that_rested_begins_at_the_top_again() {
    // All of them recent.
    let table = Table::with(9_000, 10);
    let cache = Cache::default();
    let pause = Duration::from_secs(2);
    let partly = cache.know(&table, pause, &LIMITS, NOW).await.unwrap().view;
    assert!(!partly.data(&Filter::default(), NOW).complete);
    let later = NOW.plus(3_600);
    table.add(50_000, later);
    let view = view(&cache, &table, later).await;
    assert_eq!(ids(&view), table.ids());
}
