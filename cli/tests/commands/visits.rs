//! Visits as the program's own stores record them.

use std::sync::Arc;

use shared::app::open_store;
use shared::email::Email;
use shared::session::{EndReason, Heartbeat, Limits, PageFigures, RecordId};
use shared::settings::StoreSettings;
use shared::snapshot::Snapshot;
use shared::store::Store;
use shared::timestamp::Timestamp;
use shared::token::Claims;

use crate::place::Place;

const LIMITS: Limits = Limits {
    idle_timeout: 86_400,
    lifetime: 86_400,
};

/// 2026-01-02T03:04:05Z
pub(crate) const START: Timestamp = Timestamp::from_unix(1_767_323_045);

pub(crate) fn sqlite(place: &Place) -> Arc<dyn Store> {
    open_store(&StoreSettings::Sqlite(place.path("data/lastseen.db")), None).unwrap()
}

/// A visit of this many seconds, half of them active, ended or not.
pub(crate) async fn visit(
    store: &dyn Store,
    email: &str,
    start: Timestamp,
    seconds: u64,
    end: Option<EndReason>,
) -> RecordId {
    let id = store
        .create(&Email::parse(email).unwrap(), start, None)
        .await
        .unwrap();
    if seconds > 0 || end.is_some() {
        let now = start.plus(seconds);
        let heartbeat = heartbeat(&id, start, now);
        match end {
            Some(reason) => drop(store.end(&id, &heartbeat, reason, now).await.unwrap()),
            None => drop(store.heartbeat(&id, &heartbeat).await.unwrap()),
        }
    }
    id
}

fn heartbeat(id: &RecordId, start: Timestamp, now: Timestamp) -> Heartbeat {
    let token = Claims::start(
        "localhost",
        "session".to_owned(),
        id.clone(),
        &LIMITS,
        start,
    );
    let page = "/portfolio/confidential/".to_owned();
    let active = now.since(start) / 2;
    let snapshot = Snapshot {
        active_seconds: Some(active),
        pages: [(
            page.clone(),
            PageFigures {
                seconds: active,
                scroll: 85,
            },
        )]
        .into(),
        page: Some(page),
        ..Snapshot::default()
    };
    Heartbeat::new(&token, &snapshot, now)
}
