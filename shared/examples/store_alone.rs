//! Times heartbeats on a SQLite file without HTTP in front, as so many pages that each send the next one
//! when the last is written:
//!
//! ```sh
//! store_alone SECONDS PAGES
//! ```
//!
//! Prints heartbeats a second and microseconds of CPU time for each, separated by a tab; Linux only.

use std::error::Error;
use std::time::{Duration, Instant};
use std::{env, fs};

use shared::email::Email;
use shared::session::{Heartbeat, Limits, PageFigures, Pages};
use shared::snapshot::Snapshot;
use shared::store::Store;
use shared::store::sqlite::SqliteStore;
use shared::timestamp::Timestamp;
use shared::token::Claims;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const PAGE: &str = "/portfolio/confidential/";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [seconds, pages] = arguments.as_slice() else {
        return Err("usage: store_alone SECONDS PAGES".into());
    };
    let (length, pages) = (Duration::from_secs(seconds.parse()?), pages.parse::<u32>()?);
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("lastseen.db"))?;
    let start = Timestamp::now();
    let mut visits = Vec::new();
    for number in 0..pages {
        let email = Email::parse(&format!("visitor-{number}@example.com"))?;
        let record = store.create(&email, start, None).await?;
        visits.push(Claims::start(
            "localhost",
            number.to_string(),
            record,
            &LIMITS,
            start,
        ));
    }
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    let beats = visits.into_iter().map(|token| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut count = 0_u32;
            while begun.elapsed() < length {
                let snapshot = snapshot(u64::from(count % 1_000));
                let heartbeat = Heartbeat::new(&token, &snapshot, start.plus(1_000));
                store.heartbeat(&token.record, &heartbeat).await?;
                count += 1;
            }
            Ok::<_, shared::store::StoreError>(count)
        })
    });
    let mut count = 0;
    for beats in beats.collect::<Vec<_>>() {
        count += beats.await??;
    }
    let each = cpu_time()?.saturating_sub(cpu).as_secs_f64() * 1e6 / f64::from(count);
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("{rate:.0}\t{each:.1}");
    Ok(())
}

fn snapshot(active: u64) -> Snapshot {
    let figures = PageFigures {
        seconds: active,
        scroll: 85,
    };
    Snapshot {
        active_seconds: Some(active),
        seen_seconds_ago: Some(0),
        page: Some(PAGE.to_owned()),
        pages: Pages::from([(PAGE.to_owned(), figures)]),
        ..Snapshot::default()
    }
}

/// Of all living threads.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let (on_cpu, _) = text.split_once(' ').ok_or("schedstat has no times")?;
        nanoseconds += on_cpu.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
