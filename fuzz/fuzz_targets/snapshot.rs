//! Any JSON as a snapshot: what is kept is bounded by the token, and sending it twice changes
//! nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::session::{Heartbeat, Limits, RecordId, Session};
use shared::snapshot::Snapshot;
use shared::timestamp::Timestamp;
use shared::token::Claims;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const START: Timestamp = Timestamp::from_unix(1_000_000);

fuzz_target!(|bytes: &[u8]| {
    let Ok(fields) = serde_json::from_slice(bytes) else {
        return;
    };
    let Ok(snapshot) = Snapshot::read(&fields) else {
        return;
    };
    let sid = "AAECAwQFBgcICQoLDA0ODw".to_owned();
    let token = Claims::start("www.example.com", sid, RecordId::new("42"), &LIMITS, START);
    // A second after the start, just before the idle deadline, and long after it.
    for seconds in [1, 1_799, 100_000] {
        let now = START.plus(seconds);
        let heartbeat = Heartbeat::new(&token, &snapshot, now);
        let figures = &heartbeat.figures;
        assert!(START <= figures.last_seen && figures.last_seen <= now.min(token.idle_deadline));
        assert!(
            figures
                .active_seconds
                .is_none_or(|active| active <= seconds)
        );
        let pages = figures.pages.iter().flatten();
        assert!(pages.clone().count() <= 50);
        for (path, page) in pages {
            assert!(path.starts_with('/') && path.len() <= 300, "{path}");
            assert!(page.seconds <= seconds && page.scroll <= 100);
        }
        let row = |figures: shared::session::Figures| Session {
            id: RecordId::new("42"),
            email: String::new(),
            start: START,
            start_is_day: false,
            last_seen: figures.last_seen,
            end_reason: None,
            ended_at: None,
            active_seconds: figures.active_seconds,
            current_page: figures.current_page,
            pages: figures.pages.unwrap_or_default(),
        };
        let once = row(figures.clone());
        assert_eq!(row(once.fold(&heartbeat)), once);
    }
});
