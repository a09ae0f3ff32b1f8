//! Sessions that come in whole, as imports and reports have them.

use super::*;

fn whole(address: &str, start: Timestamp) -> Session {
    Session {
        id: RecordId::new("4711"),
        email: address.to_owned(),
        start,
        start_is_day: false,
        last_seen: start.plus(100),
        end_reason: Some(EndReason::Idle),
        ended_at: Some(start.plus(1_900)),
        active_seconds: Some(90),
        current_page: Some("/b/".to_owned()),
        pages: Pages::from([
            (
                "/a/".to_owned(),
                PageFigures {
                    seconds: 60,
                    scroll: 85,
                },
            ),
            (
                "/b/".to_owned(),
                PageFigures {
                    seconds: 30,
                    scroll: 5,
                },
            ),
        ]),
    }
}

/// Only what every row has.
fn bare(address: &str, start: Timestamp) -> Session {
    Session {
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
        ..whole(address, start)
    }
}

pub(crate) async fn they_are_added_as_they_stand_under_ids_of_the_stores_own(visit: Visit) {
    // More than one request of NocoDB's.
    let mut sessions: Vec<Session> = (1..12)
        .map(|second| whole("ann@demo.example", at(second)))
        .collect();
    sessions.push(bare("bob@demo.example", at(12)));
    visit.store.import(&sessions).await.unwrap();
    visit.store.import(&[]).await.unwrap();
    let mut listed = visit
        .store
        .list(&Listing::of(None), None)
        .await
        .unwrap()
        .sessions;
    assert_eq!(listed.remove(0), visit.row().await);
    let ids: std::collections::BTreeSet<_> = listed.iter().map(|one| one.id.clone()).collect();
    assert_eq!((ids.len(), listed.len()), (12, 12));
    assert!(!ids.contains(&RecordId::new("4711")));
    for (stored, given) in listed.iter().zip(&sessions) {
        let given = Session {
            id: stored.id.clone(),
            ..given.clone()
        };
        assert_eq!(*stored, given);
    }
}

pub(crate) async fn they_are_found_by_how_their_address_ends(visit: Visit) {
    let store = &visit.store;
    let mut sessions: Vec<Session> = (0..u64::from(PAGE_SIZE) + 5)
        .map(|second| bare("ann@demo.example", at(second)))
        .collect();
    sessions.push(bare("ann@example", START));
    sessions.push(bare("ann@demo.example.com", START));
    sessions.push(bare("ann@demoXexample", START));
    store.import(&sessions).await.unwrap();
    store.end_everything(at(1)).await.unwrap();
    let mut found = 0;
    loop {
        let ids = store.with_address_ending(".example").await.unwrap();
        if ids.is_empty() {
            break;
        }
        assert!(ids.len() <= usize::from(PAGE_SIZE));
        found += ids.len();
        store.delete(&ids).await.unwrap();
    }
    assert_eq!(found, usize::from(PAGE_SIZE) + 5);
    assert_eq!(
        store.count(Starts::All).await.unwrap(),
        4,
        "and its visitor's own"
    );
}

pub(crate) async fn the_row_that_ends_everything_is_not_counted(visit: Visit) {
    visit.store.end_everything(at(1)).await.unwrap();
    assert_eq!(visit.store.count(Starts::All).await.unwrap(), 1);
}
