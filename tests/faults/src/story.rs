//! Visitors who come, look, hide, leave, vanish and log out, by a seed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use handler_tests::{Browser, START, Switchable};
use http::StatusCode;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use shared::session::Session;

use crate::place::Place;
use crate::proxy::{FAULTS, Fault, Proxy};

/// Everybody has come by then, and faults begin.
pub const EVERYBODY_IS_IN: u64 = 600;
/// Nothing happens any more.
pub const END: u64 = 2 * 3_600 + 600;
/// The longest pause between two heartbeats of a page that is looked at.
const INTERVAL: u64 = 180;
const PAGES: [&str; 3] = [
    "/portfolio/confidential/",
    "/portfolio/confidential/a",
    "/b?c='d'",
];

/// What a browser does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// The visitor leaves an email.
    Enter(String),
    /// The script tells how things stand.
    Beat(Value),
    /// The page is left.
    Leave(Value),
    /// The button on this page is pressed.
    LogOut(&'static str),
}

/// One visit: what its browser does, and when, in seconds after the start.
#[derive(Clone, Debug)]
pub struct Visit {
    /// In order.
    pub deeds: Vec<(u64, Deed)>,
}

/// From one second to another.
pub type Window = (u64, u64, Fault);

/// Visits by a seed.
#[must_use]
pub fn visits(seed: u64, count: usize) -> Vec<Visit> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|number| visit(&mut random, number))
        .collect()
}

/// Some windows of one fault each, of a minute to an hour, and one in which everything goes wrong.
#[must_use]
pub fn windows(seed: u64) -> Vec<Window> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 1);
    let mut windows = Vec::new();
    let mut from = EVERYBODY_IS_IN + random.random_range(1..300);
    while from < END - 1_800 {
        let long = [60, 200, 600, 3_600][random.random_range(0..4)];
        let to = from + random.random_range(30..=long);
        let fault = if random.random_bool(0.3) {
            Fault::Mixed
        } else {
            FAULTS[random.random_range(0..FAULTS.len())]
        };
        windows.push((from, to, fault));
        from = to + random.random_range(1..900);
    }
    windows
}

fn visit(random: &mut ChaCha8Rng, number: usize) -> Visit {
    // Some visitors come in two browsers, of which one ends both.
    let email = format!("visitor-{}@example.com", number * 2 / 3);
    let mut now = random.random_range(0..EVERYBODY_IS_IN);
    let mut deeds = vec![(now, Deed::Enter(email))];
    let (mut active, mut figures) = (0, BTreeMap::<&str, (u64, u64)>::new());
    let mut page = PAGES[0];
    let mut snapshot = |ago: u64,
                        looked: u64,
                        page: &'static str,
                        scroll: u64|
     -> Map<String, Value> {
        active += looked;
        let known = figures.entry(page).or_default();
        *known = (known.0 + looked, known.1.max(scroll));
        let pages: Map<String, Value> = figures
            .iter()
            .map(|(page, (seconds, scroll))| {
                (
                    (*page).to_owned(),
                    json!({ "seconds": seconds, "scroll": scroll }),
                )
            })
            .collect();
        let snapshot = json!({
            "activeSeconds": active, "inactiveSeconds": ago, "seenSecondsAgo": ago, "page": page, "pages": pages,
        });
        snapshot.as_object().unwrap().clone()
    };
    let mut pauses = [5, 15, 30, 60, 120].into_iter();
    let stays_until = now + [120, 900, 3_000, END][random.random_range(0..4)];
    loop {
        let pause = pauses.next().unwrap_or(INTERVAL);
        if now + pause >= stays_until.min(END - 600) {
            break;
        }
        now += pause;
        let looked = pause * random.random_range(3..=10) / 10;
        if random.random_bool(0.3) {
            page = PAGES[random.random_range(0..PAGES.len())];
        }
        let scroll = random.random_range(0..=100);
        let told = snapshot(0, looked, page, scroll);
        if random.random_bool(0.15) {
            let mut told = told;
            told.insert("leaving".to_owned(), true.into());
            deeds.push((now, Deed::Leave(told.into())));
            let hidden = [20, 200, 1_500, 2_400][random.random_range(0..4)];
            now += random.random_range(10..hidden);
            let back = snapshot(now - deeds.last().unwrap().0, 0, page, scroll);
            deeds.push((now, Deed::Beat(back.into())));
        } else {
            deeds.push((now, Deed::Beat(told.into())));
        }
    }
    match random.random_range(0..10) {
        0..4 => deeds.push((now + random.random_range(1..60), Deed::LogOut(page))),
        4..7 => {
            let after = random.random_range(1..60);
            let mut told = snapshot(0, after, page, 0);
            told.insert("leaving".to_owned(), true.into());
            deeds.push((now + after, Deed::Leave(told.into())));
        }
        // Killed.
        _ => {}
    }
    Visit { deeds }
}

/// What can be made to fail.
pub trait Faulty {
    /// What goes wrong from now on.
    fn fail(&self, fault: Fault);
}

impl Faulty for Proxy {
    fn fail(&self, fault: Fault) {
        Proxy::fail(self, fault);
    }
}

/// SQLite, which either answers or does not.
impl Faulty for Switchable {
    fn fail(&self, fault: Fault) {
        self.is_down.store(fault != Fault::None, Ordering::SeqCst);
    }
}

/// What is left when a story has been told.
pub struct Told {
    /// The row of each visit.
    pub rows: Vec<Session>,
    /// When its browser last told something that was taken, in seconds after the start.
    pub last_taken: Vec<u64>,
}

/// Tells the story, with faults in their windows, and then has everything written.
///
/// Whatever happens, nobody who is inside is thrown out, and whoever logs out is out.
pub async fn tell(
    place: Place,
    faulty: Option<&dyn Faulty>,
    visits: &[Visit],
    windows: &[Window],
    kills: &[u64],
) -> Told {
    let mut all: Vec<(u64, usize, &Deed)> = Vec::new();
    for (number, visit) in visits.iter().enumerate() {
        all.extend(visit.deeds.iter().map(|(at, deed)| (*at, number, deed)));
    }
    all.sort_by_key(|(at, number, _)| (*at, *number));
    let fault = |faulty: &dyn Faulty, now: u64| {
        let window = windows
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&now));
        faulty.fail(window.map_or(Fault::None, |(.., fault)| *fault));
    };
    let mut place = place;
    let mut cookies = vec![BTreeMap::new(); visits.len()];
    let mut ids = vec![String::new(); visits.len()];
    let mut last_taken = vec![0; visits.len()];
    let (mut ran, mut killed) = (0, 0);
    for (now, number, deed) in all {
        // What empties the queue runs all the time.
        for moment in (ran..now).step_by(60) {
            if let Some(faulty) = faulty {
                fault(faulty, moment);
            }
            place.write(START.plus(moment)).await;
            ran = moment + 60;
        }
        if let Some(faulty) = faulty {
            fault(faulty, now);
        }
        if kills.get(killed).is_some_and(|at| *at <= now) {
            killed += 1;
            place = place.killed();
        }
        let mut browser = Browser::new(&place.app);
        browser.cookies = std::mem::take(&mut cookies[number]);
        let is_inside = !browser.cookies.is_empty();
        let moment = START.plus(now);
        match deed {
            Deed::Enter(email) => {
                // A busy machine is slower than the client of these tests waits.
                for _ in 0..200 {
                    if browser.enters(email, moment).await.status == StatusCode::OK {
                        break;
                    }
                }
                ids[number].clone_from(&browser.cookies["session_record_id"]);
            }
            Deed::Beat(snapshot) | Deed::Leave(snapshot) => {
                let answer = browser.beats(snapshot.clone(), moment).await;
                match answer.status {
                    StatusCode::OK => last_taken[number] = now,
                    StatusCode::UNAUTHORIZED => {
                        let reason = answer.json["reason"].as_str().unwrap();
                        let ended = ["idle", "logout"].contains(&reason);
                        assert!(!is_inside || ended, "thrown out: {reason}");
                    }
                    status => panic!("{status} for a heartbeat at {now}"),
                }
            }
            Deed::LogOut(page) => {
                let answer = browser.logs_out_from(page, moment).await;
                assert_eq!(answer.status, StatusCode::SEE_OTHER);
                assert!(browser.cookies.is_empty(), "out at once");
            }
        }
        cookies[number] = browser.cookies;
    }
    let mut moment = START.plus(END);
    if let Some(faulty) = faulty {
        faulty.fail(Fault::None);
    }
    for _ in 0..100 {
        place.write(moment).await;
        if place.depth().await.waiting == 0 {
            break;
        }
        moment = moment.plus(60);
    }
    let depth = place.depth().await;
    assert_eq!((depth.waiting, depth.refused), (0, 0));
    let rows = place.rows().await;
    let rows = ids
        .iter()
        .map(|id| {
            rows.iter()
                .find(|row| row.id.as_str() == id)
                .unwrap()
                .clone()
        })
        .collect();
    Told { rows, last_taken }
}

/// Compares what two tellings left. Everything is the same, but for one thing: who went on looking after
/// another browser of theirs had logged out, which a fault kept from being noticed, did look, and is
/// recorded so up to the moment of that log-out.
///
/// # Panics
/// Where they differ.
pub fn compare(visits: &[Visit], truth: &Told, told: &Told) {
    for (number, visit) in visits.iter().enumerate() {
        let (expected, found) = (&truth.rows[number], &told.rows[number]);
        let end = |row: &Session| (row.start, row.end_reason, row.ended_at);
        let went_on = match found.ended_at {
            Some(at) => START.plus(told.last_taken[number]).since(at),
            None => 0,
        };
        let context = format!(
            "visit {number}, {went_on} s beyond its end: {visit:?}\nexpected {expected:?}\nfound {found:?}"
        );
        assert_eq!(end(found), end(expected), "{context}");
        if went_on == 0 {
            assert_eq!(found.last_seen, expected.last_seen, "{context}");
            assert_eq!(found.active_seconds, expected.active_seconds, "{context}");
            assert_eq!(found.current_page, expected.current_page, "{context}");
            assert_eq!(found.pages, expected.pages, "{context}");
        } else {
            let until = expected.last_seen..=found.ended_at.unwrap();
            assert!(until.contains(&found.last_seen), "{context}");
            // The heartbeat that told of it tells of the interval before the end as well.
            let most = went_on + INTERVAL;
            let most = expected.active_seconds.map(|seconds| seconds + most);
            assert!(found.active_seconds >= expected.active_seconds, "{context}");
            assert!(found.active_seconds <= most, "{context}");
        }
    }
}
