//! What owners do to many rows: end all of them, make room, forget a visitor, delete what is old.

use super::*;

/// Another session of the same store.
async fn another(visit: &Visit, address: &str, start: Timestamp) -> RecordId {
    let created = visit.store.create(&email(address), start, None).await;
    created.unwrap()
}

async fn reason(visit: &Visit, id: &RecordId) -> Option<EndReason> {
    visit.store.get(id).await.unwrap().end_reason
}

pub(crate) async fn ending_everything_ends_what_had_begun_and_nothing_since(mut visit: Visit) {
    visit.beats(&snapshot(20, 0, "/a/", 50), at(30)).await;
    visit.store.end_everything(at(40)).await.unwrap();
    let since = another(&visit, "ann@example.com", at(41)).await;
    assert_eq!(visit.row().await.end_reason, Some(EndReason::Revoked));
    assert_eq!(reason(&visit, &since).await, None);

    let row = visit.beats(&snapshot(60, 0, "/a/", 80), at(70)).await;
    assert_eq!(
        (row.end_reason, row.ended_at, row.last_seen),
        (Some(EndReason::Revoked), Some(at(40)), at(40)),
        "and what came after that moment does not count"
    );
    let again = visit.beats(&snapshot(60, 20, "/a/", 80), at(75)).await;
    assert_eq!((again.last_seen, again.ended_at), (at(40), Some(at(40))));
    assert_eq!(visit.store.not_before().await, Some(at(40)));
    let listed = visit
        .store
        .list(&Listing::of(None), None)
        .await
        .unwrap()
        .sessions;
    assert_eq!(listed.len(), 2, "the row that ends everything is no visit");
    let id = &visit.token.record;
    let written = visit.owner.reads(id, columns::END_REASON).await;
    assert_eq!(
        written.as_deref(),
        Some("revoked"),
        "it was written where the owner looks"
    );
    assert_eq!(visit.store.count(Starts::All).await.unwrap(), 2);
}

pub(crate) async fn a_listing_shows_who_was_ended_before_their_rows_say_so(visit: Visit) {
    visit.store.end_everything(at(40)).await.unwrap();
    let since = another(&visit, "ann@example.com", at(41)).await;
    let page = visit.store.list(&Listing::of(None), None).await.unwrap();
    let listed: Vec<Session> = page.told(&LIMITS).collect();
    let ended = (Some(EndReason::Revoked), Some(at(40)));
    assert_eq!((listed[0].end_reason, listed[0].ended_at), ended);
    assert_eq!((&listed[1].id, listed[1].end_reason), (&since, None));
    let told = visit.store.told(&listed[0].id, &LIMITS).await.unwrap();
    assert_eq!(told, listed[0]);
}

pub(crate) async fn what_had_vanished_before_everything_was_ended_is_not_told_as_revoked(
    visit: Visit,
) {
    let over = LIMITS.idle_timeout;
    let open = another(&visit, "ann@example.com", at(over - 100)).await;
    visit.store.end_everything(at(over)).await.unwrap();
    // Once more, when the other one would have been over, too.
    visit.store.end_everything(at(3 * over)).await.unwrap();
    let vanished = &visit.token.record;
    for (id, expected) in [(vanished, None), (&open, Some(at(over)))] {
        let held = visit.store.get(id).await.unwrap();
        assert_eq!(held.ended_at, Some(at(3 * over)), "no token is good for it");
        let told = visit.store.told(id, &LIMITS).await.unwrap();
        assert_eq!(told.ended_at, expected);
        let page = visit.store.list(&Listing::of(None), None).await.unwrap();
        let listed = page.told(&LIMITS).find(|row| row.id == *id);
        assert_eq!(listed, Some(told));
        let written = visit.owner.reads(id, columns::END_REASON).await;
        assert_eq!(written, None, "reading writes nothing");
    }
}

pub(crate) async fn a_late_snapshot_closes_the_row_as_well(mut visit: Visit) {
    visit.store.end_everything(at(40)).await.unwrap();
    visit.beats(&snapshot(35, 60, "/a/", 80), at(95)).await;
    let listed = &visit
        .store
        .list(&Listing::of(None), None)
        .await
        .unwrap()
        .sessions[0];
    assert_eq!(
        (listed.end_reason, listed.ended_at, listed.last_seen),
        (Some(EndReason::Revoked), Some(at(40)), at(35))
    );
    let id = &visit.token.record;
    let written = visit.owner.reads(id, columns::END_REASON).await;
    assert_eq!(written.as_deref(), Some("revoked"));
}

pub(crate) async fn logging_out_after_everything_was_ended_changes_no_reason(visit: Visit) {
    visit.store.end_everything(at(40)).await.unwrap();
    let heartbeat = visit.reading(&Snapshot::default(), at(50));
    let id = &visit.token.record;
    let ended = visit
        .store
        .end(id, &heartbeat, EndReason::Logout, at(50))
        .await;
    let ended = ended.unwrap();
    assert_eq!(
        (
            ended.already,
            ended.session.end_reason,
            ended.session.last_seen
        ),
        (true, Some(EndReason::Revoked), at(40))
    );
}

pub(crate) async fn the_newest_of_such_moments_counts(visit: Visit) {
    let later = another(&visit, "bob@example.com", at(50)).await;
    visit.store.end_everything(at(60)).await.unwrap();
    visit.store.end_everything(at(40)).await.unwrap();
    // Another process knows nothing but the rows.
    assert_eq!(reason(&visit, &later).await, Some(EndReason::Revoked));
}

pub(crate) async fn more_than_a_page_of_rows_is_closed_step_by_step(visit: Visit) {
    for second in 0..110u64 {
        another(&visit, &format!("v{second}@example.com"), at(second)).await;
    }
    let since = another(&visit, "new@example.com", at(500)).await;
    let store = visit.store.as_ref();
    let mut steps = Vec::new();
    loop {
        let step = end_open(store, None, EndReason::Revoked, &LIMITS, at(499), 100).await;
        let step = step.unwrap();
        steps.push(step.count);
        if !step.has_more {
            break;
        }
    }
    // A store may give fewer at once, and the last step may find that nothing is left.
    assert_eq!(steps.iter().sum::<usize>(), 111);
    assert!(steps.iter().all(|count| *count <= 100), "{steps:?}");
    assert_eq!(reason(&visit, &since).await, None, "it began later");
}

pub(crate) async fn those_seen_longest_ago_make_room(mut visit: Visit) {
    let (two, three) = (
        another(&visit, "ann@example.com", at(10)).await,
        another(&visit, "ann@example.com", at(20)).await,
    );
    let other = another(&visit, "bob@example.com", START).await;
    visit.beats(&snapshot(50, 0, "/a/", 1), at(60)).await;
    let ann = email("ann@example.com");
    make_room(visit.store.as_ref(), &ann, 4, &LIMITS, at(70))
        .await
        .unwrap();
    assert_eq!(reason(&visit, &two).await, None, "there was room");
    make_room(visit.store.as_ref(), &ann, 2, &LIMITS, at(70))
        .await
        .unwrap();
    assert_eq!(reason(&visit, &two).await, Some(EndReason::Revoked));
    assert_eq!(reason(&visit, &three).await, Some(EndReason::Revoked));
    assert_eq!(visit.row().await.end_reason, None, "seen last");
    assert_eq!(reason(&visit, &other).await, None);
    make_room(visit.store.as_ref(), &ann, 1, &LIMITS, at(60 + 1_800))
        .await
        .unwrap();
    assert_eq!(
        visit.row().await.end_reason,
        Some(EndReason::Idle),
        "what is over by itself takes no room"
    );
}

pub(crate) async fn a_forgotten_visitor_leaves_no_row(visit: Visit) {
    for second in 0..15 {
        another(&visit, "ann@example.com", at(second)).await;
    }
    let other = another(&visit, "bob@example.com", START).await;
    let step = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
        .await
        .unwrap();
    assert_eq!((step.count, step.has_more), (10, true));
    let step = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
        .await
        .unwrap();
    assert_eq!((step.count, step.has_more), (6, false));
    assert_eq!(
        visit
            .store
            .list(&Listing::of(None), None)
            .await
            .unwrap()
            .sessions
            .len(),
        1
    );
    assert_eq!(reason(&visit, &other).await, None);
    let again = forget(visit.store.as_ref(), &email("ann@example.com"), 10)
        .await
        .unwrap();
    assert_eq!(again.count, 0);
}

pub(crate) async fn rows_are_deleted_by_when_their_visitor_was_last_seen(mut visit: Visit) {
    let day = 86_400;
    for second in 0..12 {
        another(&visit, "old@example.com", START.minus(day + second)).await;
    }
    visit.beats(&snapshot(50, 0, "/a/", 1), at(60)).await;
    let now = at(30 * day);
    let store = visit.store.as_ref();
    assert_eq!(delete_old(store, 30, now, 100).await.unwrap().count, 12);
    assert_eq!(delete_old(store, 30, now, 100).await.unwrap().count, 0);
    assert_eq!(
        visit.row().await.last_seen,
        at(60),
        "seen within the 30 days"
    );
    let gone = [visit.token.record.clone(), RecordId::new("4711")];
    store.delete(&gone).await.unwrap();
    assert!(matches!(
        store.get(&visit.token.record).await,
        Err(StoreError::NotFound)
    ));
}

pub(crate) async fn the_version_a_visitor_agreed_to_stands_in_the_row(visit: Visit) {
    let agreed = visit
        .store
        .create(&email("ann@example.com"), START, Some("2026-11"))
        .await;
    let id = agreed.unwrap();
    assert_eq!(
        visit.owner.reads(&id, columns::CONSENT).await.as_deref(),
        Some("2026-11")
    );
    let without = visit.token.record.clone();
    assert_eq!(visit.owner.reads(&without, columns::CONSENT).await, None);
}
