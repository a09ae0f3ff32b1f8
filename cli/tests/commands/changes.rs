//! `lastseen sessions revoke` and `lastseen sessions forget`, on a real file and on a real NocoDB.

use std::sync::Arc;

use shared::email::Email;
use shared::session::{EndReason, RecordId};
use shared::store::Store;
use shared::timestamp::Timestamp;

use crate::place::Place;
use crate::tables::{Base, all};
use crate::visits::{sqlite, visit};

/// Somebody who came in a moment ago.
async fn comes_in(store: &dyn Store, email: &str) -> RecordId {
    let just_now = Timestamp::now().minus(10);
    let created = store
        .create(&Email::parse(email).unwrap(), just_now, None)
        .await;
    created.unwrap()
}

async fn reason(store: &dyn Store, id: &RecordId) -> Option<EndReason> {
    store.get(id).await.unwrap().end_reason
}

/// A place over SQLite, and one over NocoDB, each with its store.
async fn places() -> [(Place, Arc<dyn Store>); 2] {
    let on_sqlite = Place::new();
    let store = sqlite(&on_sqlite);
    let base = Base::new("changes").await;
    let table = base.table("emailAccess", &all()).await;
    let nocodb = base.store(&table);
    let on_nocodb = base.place().set("NOCODB_TABLE_ID", table);
    [(on_sqlite, store), (on_nocodb, nocodb)]
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn one_session_is_ended_by_its_id() {
    for (place, store) in places().await {
        let id = comes_in(store.as_ref(), "ann@example.com").await;
        let other = comes_in(store.as_ref(), "ann@example.com").await;
        let ran = place.run(&["sessions", "revoke", id.as_str()]);
        assert_eq!(
            ran.out,
            format!("Session {id} is ended (revoked).\n"),
            "{ran:?}"
        );
        assert_eq!(reason(store.as_ref(), &id).await, Some(EndReason::Revoked));
        assert_eq!(reason(store.as_ref(), &other).await, None);
        let ran = place.run(&["sessions", "revoke", id.as_str(), "4711", other.as_str()]);
        assert!(ran.out.contains("had ended before (revoked)"), "{ran:?}");
        assert!(ran.err.contains("there is no session 4711"), "{ran:?}");
        assert_eq!(ran.code, 1);
        assert_eq!(
            reason(store.as_ref(), &other).await,
            Some(EndReason::Revoked),
            "the rest goes on"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn all_of_a_visitor_are_ended_and_nobody_elses() {
    for (place, store) in places().await {
        for _ in 0..12 {
            comes_in(store.as_ref(), "ann@example.com").await;
        }
        let bob = comes_in(store.as_ref(), "bob@example.com").await;
        let ran = place.run(&["sessions", "revoke", "--email", "Ann@example.com"]);
        assert_eq!(
            (ran.out.as_str(), ran.code),
            ("Ended 12 sessions.\n", 0),
            "{ran:?}"
        );
        assert_eq!(reason(store.as_ref(), &bob).await, None);
        let ran = place.run(&["sessions", "revoke", "--email", "ann@example.com"]);
        assert_eq!(ran.out, "No session of this visitor is open.\n");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn everything_is_ended_at_once_and_the_rows_are_closed() {
    for (place, store) in places().await {
        for number in 0..103 {
            comes_in(store.as_ref(), &format!("v{number}@example.com")).await;
        }
        let ran = place.run(&["sessions", "revoke", "--all"]);
        assert!(
            ran.out.starts_with("Every session that began until 20"),
            "{ran:?}"
        );
        assert!(ran.out.ends_with("closed 103 rows.\n"), "{ran:?}");
        assert!(
            store
                .open(None, Timestamp::from_unix(0), None)
                .await
                .unwrap()
                .sessions
                .is_empty()
        );
        let listed = place.run(&["sessions", "--json"]).out;
        let visits: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
        assert_eq!(
            visits.len(),
            103,
            "the row that ends everything is no visit"
        );
        assert!(visits.iter().all(|visit| visit["endReason"] == "revoked"));
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_visitor_is_forgotten() {
    for (place, store) in places().await {
        let ann = comes_in(store.as_ref(), "ann@example.com").await;
        visit(
            store.as_ref(),
            "ann@example.com",
            Timestamp::now().minus(900),
            60,
            Some(EndReason::Logout),
        )
        .await;
        let bob = comes_in(store.as_ref(), "bob@example.com").await;
        let ran = place.run(&["sessions", "forget", "ANN@example.com"]);
        assert_eq!(
            (ran.out.as_str(), ran.code),
            ("Deleted 2 visits.\n", 0),
            "{ran:?}"
        );
        assert!(store.get(&ann).await.is_err());
        assert_eq!(reason(store.as_ref(), &bob).await, None);
        assert_eq!(
            place.run(&["sessions", "forget", "ann@example.com"]).out,
            "There was no visit of this address.\n"
        );
    }
}

#[test]
fn an_unclear_wish_changes_nothing() {
    for arguments in [
        &["sessions", "revoke"][..],
        &["sessions", "revoke", "--all", "--email", "ann@example.com"],
        &["sessions", "revoke", "--all", "1"],
        &["sessions", "forget"],
        &["sessions", "forget", "ann"],
    ] {
        let ran = Place::new().run(arguments);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{ran:?}");
    }
    let ran = Place::new().run(&["sessions", "revoke", "--all"]);
    assert!(ran.out.starts_with("No visits yet"), "{ran:?}");
}
