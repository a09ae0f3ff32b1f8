#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use async_trait::async_trait;
use http::StatusCode;
use shared::session::{EndReason, Pages, RecordId, Session};
use shared::store::sqlite::SqliteStore;

use super::*;
use crate::message::Message;
use crate::receiver::DeliveryError;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const PACE: Pace = Pace {
    rows: 100,
    pause: Duration::ZERO,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_767_323_045).plus(seconds)
}

/// A receiver that takes so many messages, and then none until it is opened again.
#[derive(Default)]
struct Heard {
    ids: Mutex<Vec<String>>,
    room: Mutex<usize>,
    /// What the body of a message that it refuses holds.
    dislikes: Mutex<Option<&'static str>>,
    refusals: Mutex<u32>,
}

#[async_trait]
impl Notifier for Heard {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            return Err(DeliveryError::Refused {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: None,
            });
        }
        let dislikes = *self.dislikes.lock().unwrap();
        if dislikes.is_some_and(|word| message.json().contains(word)) {
            *self.refusals.lock().unwrap() += 1;
            return Err(DeliveryError::Refused {
                status: StatusCode::FORBIDDEN,
                retry_after: None,
            });
        }
        *room -= 1;
        self.ids.lock().unwrap().push(message.id.clone());
        Ok(())
    }
}

impl Heard {
    fn opens(&self, room: usize) {
        *self.room.lock().unwrap() = room;
    }

    /// What it was told since the last time, without the moments in the ids.
    fn took(&self) -> Vec<String> {
        let ids = std::mem::take(&mut *self.ids.lock().unwrap());
        let short = |id: &str| id.rsplit_once('-').unwrap().0.to_owned();
        ids.iter().map(|id| short(id)).collect()
    }
}

struct Place {
    store: SqliteStore,
    watch: Watch,
    heard: Heard,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let heard = Heard::default();
        heard.opens(usize::MAX);
        Self {
            store: SqliteStore::open(&path).unwrap(),
            watch: Watch::new(&StoreSettings::Sqlite(path.clone()), at(0)),
            path,
            heard,
            _folder: folder,
        }
    }

    async fn visit(&self, email: &str, start: u64, ended_at: Option<u64>) {
        let session = Session {
            id: RecordId::new(""),
            email: email.to_owned(),
            start: at(start),
            start_is_day: false,
            last_seen: at(ended_at.unwrap_or(start)),
            end_reason: ended_at.map(|_| EndReason::Logout),
            ended_at: ended_at.map(at),
            active_seconds: Some(1),
            current_page: None,
            pages: Pages::new(),
        };
        self.store.import(&[session]).await.unwrap();
    }

    async fn step(&mut self, now: u64) -> u64 {
        let (store, heard) = (&self.store, &self.heard);
        let pause = self.watch.step(store, PACE, heard, &LIMITS, at(now)).await;
        pause.as_secs()
    }
}

#[tokio::test]
async fn first_visits_and_endings_are_told_once_and_in_order() {
    let mut place = Place::new();
    place.visit("ann@example.com", 10, Some(30)).await;
    place.visit("ann@example.com", 20, None).await;
    place.visit("bob@example.com", 20, Some(25)).await;
    assert_eq!(place.step(100).await, 5);
    assert_eq!(
        place.heard.took(),
        ["first-1", "first-3", "ended-3", "ended-1"]
    );
    place.step(200).await;
    assert_eq!(place.heard.took(), [""; 0]);
    // Ann's second visit vanishes.
    for now in (200..3_000).step_by(50) {
        place.step(now).await;
    }
    assert_eq!(place.heard.took(), ["ended-2"]);
}

#[tokio::test]
async fn what_happened_before_the_start_is_not_told_and_what_ends_after_it_is() {
    let mut place = Place::new();
    let before = Session {
        id: RecordId::new(""),
        email: "ann@example.com".to_owned(),
        start: at(0).minus(500),
        start_is_day: false,
        last_seen: at(0).minus(100),
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    };
    let ended = Session {
        end_reason: Some(EndReason::Logout),
        ended_at: Some(at(0).minus(1)),
        ..before.clone()
    };
    place.store.import(&[ended, before]).await.unwrap();
    place.step(3_000).await;
    assert_eq!(place.heard.took(), ["ended-2"]);
}

#[tokio::test]
async fn what_could_not_be_told_is_told_later_and_nothing_twice() {
    let mut place = Place::new();
    for second in 1..=4 {
        place
            .visit(&format!("v{second}@example.com"), second, None)
            .await;
    }
    place.heard.opens(2);
    let mut pauses = Vec::new();
    for now in [100, 200, 300] {
        pauses.push(place.step(now).await);
    }
    assert_eq!(pauses, [5, 10, 20]);
    assert_eq!(place.heard.took(), ["first-1", "first-2"]);
    place.visit("v5@example.com", 250, None).await;
    place.heard.opens(usize::MAX);
    assert_eq!(place.step(400).await, 5);
    assert_eq!(place.heard.took(), ["first-3", "first-4", "first-5"]);
}

#[tokio::test]
async fn pauses_grow_to_five_minutes_and_a_day_is_caught_up_hour_by_hour() {
    let mut place = Place::new();
    place.visit("ann@example.com", 10, None).await;
    place.heard.opens(0);
    let mut longest = 0;
    for now in (100..40_000).step_by(1_000) {
        longest = longest.max(place.step(now).await);
    }
    assert_eq!(longest, 300);
    place.visit("bob@example.com", 39_000, None).await;
    place.heard.opens(usize::MAX);
    let mut steps = 0;
    while place.step(40_000).await == 0 {
        steps += 1;
    }
    assert_eq!(steps, 11);
    assert_eq!(place.heard.took(), ["first-1", "ended-1", "first-2"]);
}

#[tokio::test]
async fn a_session_that_came_back_after_it_was_told_as_vanished_is_not_told_again() {
    let mut place = Place::new();
    place.visit("ann@example.com", 10, None).await;
    for now in (50..2_000).step_by(50) {
        place.step(now).await;
    }
    assert_eq!(place.heard.took(), ["first-1", "ended-1"]);
    // The laptop was offline; what it looked at meanwhile comes late, and with it the ending.
    let late = "UPDATE emailAccess SET sessionEndTime = ?1, endReason = 'idle', endedAt = ?2";
    let db = rusqlite::Connection::open(&place.path).unwrap();
    db.execute(late, (at(1_500).to_string(), at(2_100).to_string()))
        .unwrap();
    for now in (2_000..6_000).step_by(50) {
        place.step(now).await;
    }
    assert_eq!(place.heard.took(), [""; 0]);
}

#[tokio::test]
async fn ending_everything_is_told_of_whoever_was_here() {
    let mut place = Place::new();
    place.visit("ann@example.com", 10, None).await;
    place.visit("bob@example.com", 20, Some(30)).await;
    place.visit("eve@example.com", 200, None).await;
    place.step(100).await;
    place.heard.took();
    place.store.end_everything(at(150)).await.unwrap();
    place.step(160).await;
    assert_eq!(
        place.heard.took(),
        ["ended-1"],
        "though its row does not say so yet"
    );
    // It is closed later, by a second one.
    place.store.end_everything(at(180)).await.unwrap();
    let closed = [(RecordId::new("1"), EndReason::Revoked)];
    place.store.end_many(&closed, at(180)).await.unwrap();
    place.step(400).await;
    assert_eq!(place.heard.took(), ["first-3"]);
}

#[tokio::test]
async fn a_message_that_is_refused_keeps_no_other_waiting_and_is_given_up() {
    let mut place = Place::new();
    *place.heard.dislikes.lock().unwrap() = Some("eve@");
    place.visit("eve@example.com", 10, None).await;
    place.visit("ann@example.com", 20, None).await;
    assert_eq!(place.step(100).await, 5);
    assert_eq!(place.heard.took(), ["first-2"]);
    place.visit("bob@example.com", 100, None).await;
    assert_eq!(place.step(110).await, 5);
    assert_eq!(place.heard.took(), ["first-3"]);
    for now in (115..1_800).step_by(5) {
        assert_eq!(place.step(now).await, 5);
    }
    assert_eq!(place.heard.took(), [""; 0]);
    assert_eq!(*place.heard.refusals.lock().unwrap(), 5);
}

#[tokio::test]
async fn a_message_that_is_refused_is_told_once_the_receiver_was_mended() {
    let mut place = Place::new();
    *place.heard.dislikes.lock().unwrap() = Some("@");
    place.visit("ann@example.com", 10, None).await;
    place.step(100).await;
    // Gone for a while, which is not held against the message.
    place.heard.opens(0);
    for now in (110..700).step_by(10) {
        place.step(now).await;
    }
    place.heard.opens(usize::MAX);
    *place.heard.dislikes.lock().unwrap() = None;
    place.step(710).await;
    place.step(720).await;
    assert_eq!(place.heard.took(), ["first-1"]);
}

#[tokio::test]
async fn a_refusal_beside_an_outage_loses_and_repeats_nothing() {
    let mut place = Place::new();
    *place.heard.dislikes.lock().unwrap() = Some("eve@");
    place.visit("ann@example.com", 10, None).await;
    place.visit("eve@example.com", 20, None).await;
    place.visit("bob@example.com", 30, None).await;
    place.heard.opens(1);
    for now in [100, 110] {
        place.step(now).await;
    }
    assert_eq!(place.heard.took(), ["first-1"]);
    place.heard.opens(usize::MAX);
    *place.heard.dislikes.lock().unwrap() = None;
    place.step(130).await;
    assert_eq!(place.heard.took(), ["first-2", "first-3"]);
}

#[tokio::test]
async fn a_clock_that_is_set_silences_nobody_and_repeats_nothing() {
    let mut place = Place::new();
    place.visit("ann@example.com", 10, Some(30)).await;
    // Three hours forward, which are caught up hour by hour,
    for _ in 0..4 {
        place.step(11_000).await;
    }
    assert_eq!(place.heard.took(), ["first-1", "ended-1"]);
    // and back.
    place.step(1_000).await;
    place.visit("bob@example.com", 1_005, Some(1_015)).await;
    place.step(1_030).await;
    assert_eq!(place.heard.took(), ["first-2", "ended-2"]);
}
