//! Many rows at once, as whoever empties the queue reads and changes them.

use shared::session::{EndReason, Ending, PageFigures, Pages, RecordId};
use shared::store::{After, Change, PAGE_SIZE, StoreError};

use shared::session::Session;
use shared::timestamp::Timestamp;

use super::{START, Visit, all_pages, at, email};

async fn another(visit: &Visit, seconds: u64) -> RecordId {
    let who = email("bob@example.com");
    visit.store.create(&who, at(seconds), None).await.unwrap()
}

fn seen(seconds: u64) -> Change {
    Change {
        last_seen: Some(at(seconds)),
        ..Change::default()
    }
}

/// Asks until nothing is left.
async fn all_rows(visit: &Visit, ids: &[RecordId]) -> (Vec<Session>, Vec<Timestamp>) {
    visit.store.read_everything().await;
    let (mut found, mut left) = (Vec::new(), ids.to_vec());
    loop {
        let rows = visit.store.rows(&left).await.unwrap();
        assert!(rows.left.len() < left.len() && rows.too_large.is_empty());
        found.extend(rows.found);
        left = rows.left;
        if left.is_empty() {
            return (found, rows.everything_ended);
        }
    }
}

pub(crate) async fn rows_are_read_by_their_ids_and_those_that_are_gone_left_out(visit: Visit) {
    let mut ids = vec![visit.token.record.clone()];
    for number in 0..12 {
        ids.push(another(&visit, number).await);
    }
    visit.store.end_everything(at(50)).await.unwrap();
    visit.owner.deletes(&ids[3]).await;
    let wanted = [ids.clone(), vec![RecordId::new("999999")]].concat();
    let (rows, everything_ended) = all_rows(&visit, &wanted).await;
    let mut found: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    found.sort_by_key(|id| id.as_str().parse::<u64>().unwrap());
    ids.remove(3);
    assert_eq!(found, ids);
    assert_eq!(everything_ended, [at(50)]);
    assert!(
        rows.iter().all(|row| row.end_reason.is_none()),
        "as they stand"
    );
}

pub(crate) async fn each_row_gets_its_own_change_and_keeps_the_rest(visit: Visit) {
    let (one, other) = (visit.token.record.clone(), another(&visit, 0).await);
    let figures = PageFigures {
        seconds: 40,
        scroll: 85,
    };
    let pages = Pages::from([("/a?c='d',(e)".to_owned(), figures)]);
    let ending = Ending {
        reason: EndReason::Logout,
        at: at(90),
    };
    let whole = Change {
        last_seen: Some(at(80)),
        active_seconds: Some(60),
        current_page: Some("/a?c='d',(e)".to_owned()),
        pages: Some(pages.clone()),
        ending: Some(ending),
    };
    let changes = [(one.clone(), whole), (other.clone(), seen(70))];
    visit.store.write_many(&changes).await.unwrap();
    let row = visit.store.get(&one).await.unwrap();
    assert_eq!(
        (row.start, row.last_seen, row.active_seconds),
        (START, at(80), Some(60))
    );
    assert_eq!(
        (row.end_reason, row.ended_at),
        (Some(EndReason::Logout), Some(at(90)))
    );
    assert_eq!(
        (row.current_page.as_deref(), row.pages),
        (Some("/a?c='d',(e)"), pages)
    );
    let row = visit.store.get(&other).await.unwrap();
    assert_eq!(
        (row.last_seen, row.active_seconds, row.end_reason),
        (at(70), None, None)
    );
    assert_eq!(row.email, "bob@example.com");
}

pub(crate) async fn a_hundred_rows_are_written_and_one_that_is_gone_is_said(visit: Visit) {
    let mut changes = Vec::new();
    for number in 0..PAGE_SIZE {
        changes.push((another(&visit, number.into()).await, seen(500)));
    }
    visit.store.write_many(&changes).await.unwrap();
    let ids: Vec<_> = changes.iter().map(|(id, _)| id.clone()).collect();
    let (rows, _) = all_rows(&visit, &ids).await;
    assert_eq!(rows.len(), usize::from(PAGE_SIZE));
    assert!(rows.iter().all(|row| row.last_seen == at(500)));
    visit.owner.deletes(&ids[50]).await;
    let refused = visit.store.write_many(&changes).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    visit.store.write_many(&[]).await.unwrap();
}

pub(crate) async fn what_was_ended_lately_is_told_with_what_an_owner_typed(visit: Visit) {
    let by_hand = visit.token.record.clone();
    let (long_ago, lately) = (another(&visit, 0).await, another(&visit, 10).await);
    another(&visit, 20).await;
    let logout = |id: &RecordId| [(id.clone(), EndReason::Logout)];
    visit
        .store
        .end_many(&logout(&long_ago), at(100))
        .await
        .unwrap();
    visit
        .store
        .end_many(&logout(&lately), at(200))
        .await
        .unwrap();
    visit.owner.types_end_reason(&by_hand, "enough").await;
    visit.store.end_everything(at(300)).await.unwrap();
    let found = async |began: u64, since: u64| {
        let mut rows = Vec::new();
        for since in [None, Some(at(since))] {
            let read = async |after: Option<After>| {
                let after = after.as_ref();
                visit.store.ended(at(began), since, after).await.unwrap()
            };
            rows.extend(all_pages(read).await);
        }
        let rows = rows.into_iter().map(|row| (row.email, row.ended_at));
        rows.collect::<Vec<_>>()
    };
    let (ann, bob) = ("ann@example.com".to_owned(), "bob@example.com".to_owned());
    let everything = ("everyone".to_owned(), Some(at(300)));
    assert_eq!(
        found(0, 200).await,
        [
            (ann.clone(), None),
            everything.clone(),
            (bob.clone(), Some(at(200))),
        ]
    );
    assert_eq!(found(5, 201).await, std::slice::from_ref(&everything));
    assert_eq!(found(0, 100).await.len(), 4);
}
