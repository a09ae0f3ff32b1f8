//! The rows of a visit: all of them go, and nobody else's.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_visitor_who_is_given_the_id_of_a_deleted_row_keeps_theirs() {
    let place = laptop();
    drop(sqlite(&place));
    let database = rusqlite::Connection::open(place.path("data/lastseen.db")).unwrap();
    // As NocoDB over SQLite does it when somebody comes in at that moment.
    let reuse = "CREATE TRIGGER reuse AFTER DELETE ON emailAccess
        WHEN old.emailOfAccessor LIKE 'lastseen-doctor@%' BEGIN
            INSERT INTO emailAccess (id, emailOfAccessor, sessionStartTime, sessionEndTime)
            VALUES (old.id, 'ann@b.example', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+1 second'),
                strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+1 second'));
        END";
    database.execute_batch(reuse).unwrap();
    let serving = Serving::start(&place);
    let ran = doctor(&place, &serving.url);
    assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
    let kept = sqlite(&place)
        .list(&shared::store::Listing::of(None), None)
        .await
        .unwrap()
        .sessions;
    let kept: Vec<_> = kept.iter().map(|row| row.email.as_str()).collect();
    assert_eq!(kept, ["ann@b.example", "ann@b.example"]);
}

#[cfg(unix)]
#[tokio::test]
async fn whoever_interrupts_it_leaves_no_row_either() {
    let place = laptop();
    let serving = Serving::start(&place);
    for signal in ["-INT", "-TERM", "-HUP"] {
        let (reached, is_reached) = std::sync::mpsc::channel();
        let hangs = move |head: String| {
            if head.starts_with("POST /api/session-heartbeat") && header(&head, "cookie").is_some()
            {
                reached.send(()).unwrap();
                Act::Hang
            } else {
                Act::Pass(head)
            }
        };
        let url = proxy(&serving.url, hangs, |head| head);
        let mut command = place.command(&["doctor", "--url", &url]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        is_reached.recv_timeout(Duration::from_secs(30)).unwrap();
        let store = sqlite(&place);
        assert_eq!(rows(store.as_ref()).await, 1);
        let id = child.id().to_string();
        let kill = Command::new("kill").args([signal, &id]).status();
        assert!(kill.unwrap().success());
        let ran = Ran::from(child.wait_with_output().unwrap());
        only_wrong(&ran, "interrupted");
        assert_eq!(rows(store.as_ref()).await, 0, "{signal}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_row_that_was_made_though_the_store_said_otherwise_goes() {
    let base = Base::new("doctor lost answer").await;
    let table = base.table("visits", &all()).await;
    let place = with_pages(base.place()).set("NOCODB_TABLE_ID", &table);
    let serving = Serving::start(&place);
    let is_made = Arc::new(AtomicBool::new(false));
    let made = is_made.clone();
    let ask = move |head: String| {
        made.store(head.starts_with("POST "), Ordering::Relaxed);
        Act::Pass(head)
    };
    let answer = move |head: String| {
        if is_made.load(Ordering::Relaxed) {
            head.replacen("HTTP/1.1 200", "HTTP/1.1 500", 1)
        } else {
            head
        }
    };
    let nocodb = proxy(&std::env::var("NOCODB_TEST_URL").unwrap(), ask, answer);
    let doctors = with_pages(base.place())
        .set("NOCODB_TABLE_ID", &table)
        .set("NOCODB_URL", nocodb);
    let ran = doctor(&doctors, &serving.url);
    only_wrong(&ran, "; the row that was made is deleted");
    assert_eq!(rows(base.store(&table).as_ref()).await, 0);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_row_that_may_be_left_is_described() {
    let base = Base::new("doctor half a table").await;
    let table = base.table("visits", &REQUIRED[..1]).await;
    let place = with_pages(base.place()).set("NOCODB_TABLE_ID", &table);
    let serving = Serving::start(&place);
    let ran = doctor(&place, &serving.url);
    only_wrong(
        &ran,
        "; if the table has a row of lastseen-doctor@example.com from 20",
    );
    let mine = place.set("ALLOWED_EMAILS", "ann@b.example");
    let ran = doctor(&mine, &serving.url);
    only_wrong(&ran, "a row of the first address in ALLOWED_EMAILS");
    assert!(!ran.out.contains("ann@"), "{ran:?}");
}
