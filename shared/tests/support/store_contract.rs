//! What both stores promise of one visit: heartbeats, endings, limits, lists.

use super::*;

pub(crate) async fn a_new_row_ends_where_it_starts(visit: Visit) {
    let row = visit.row().await;
    assert_eq!(
        (row.start, row.last_seen, row.duration_seconds()),
        (START, START, 0)
    );
    assert_eq!(
        (row.email.as_str(), row.end_reason, row.ended_at),
        ("ann@example.com", None, None)
    );
    assert_eq!(
        (row.active_seconds.unwrap_or(0), row.current_page, row.pages),
        (0, None, Pages::new())
    );
}

pub(crate) async fn a_heartbeat_writes_all_figures_and_returns_the_row(mut visit: Visit) {
    let row = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    assert_eq!(row, visit.row().await);
    assert_eq!(
        (
            row.last_seen,
            row.active_seconds,
            row.current_page.as_deref()
        ),
        (at(100), Some(90), Some("/a/"))
    );
    assert_eq!(
        row.pages,
        Pages::from([(
            "/a/".to_owned(),
            PageFigures {
                seconds: 90,
                scroll: 85
            }
        )])
    );
}

pub(crate) async fn an_empty_heartbeat_moves_last_seen_and_nothing_else(mut visit: Visit) {
    visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    let row = visit.beats(&Snapshot::default(), at(200)).await;
    assert_eq!(
        (
            row.last_seen,
            row.active_seconds,
            row.current_page.as_deref()
        ),
        (at(200), Some(90), Some("/a/"))
    );
    assert_eq!(row.pages.len(), 1);
}

pub(crate) async fn a_repeated_heartbeat_changes_nothing(mut visit: Visit) {
    let once = visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await;
    assert_eq!(
        visit.beats(&snapshot(90, 0, "/a/", 85), at(100)).await,
        once
    );
}

pub(crate) async fn a_late_heartbeat_repairs_and_never_takes_back(mut visit: Visit) {
    // A page that is being left gets no new token, so the next heartbeat knows less than the
    // row.
    let leaving = visit.reading(&snapshot(90, 0, "/a/", 85), at(100));
    visit
        .store
        .heartbeat(&visit.token.record, &leaving)
        .await
        .unwrap();
    let row = visit.beats(&snapshot(40, 50, "/b/", 20), at(110)).await;
    assert_eq!((row.last_seen, row.active_seconds), (at(100), Some(90)));
    assert_eq!(
        row.current_page.as_deref(),
        Some("/a/"),
        "the page of the newest activity"
    );
    assert_eq!(
        row.pages.len(),
        2,
        "what it knows of the other page is kept"
    );
}

pub(crate) async fn ending_writes_reason_moment_and_last_figures(visit: Visit) {
    let heartbeat = visit.reading(&snapshot(90, 0, "/a/", 85), at(100));
    let ended = visit
        .store
        .end(&visit.token.record, &heartbeat, EndReason::Logout, at(100))
        .await
        .unwrap();
    assert!(!ended.already);
    assert_eq!(ended.session, visit.row().await);
    assert_eq!(
        (ended.session.end_reason, ended.session.ended_at),
        (Some(EndReason::Logout), Some(at(100)))
    );
    assert_eq!(
        (ended.session.last_seen, ended.session.active_seconds),
        (at(100), Some(90))
    );
}

pub(crate) async fn the_first_end_reason_stays(visit: Visit) {
    let heartbeat = visit.reading(&Snapshot::default(), at(50));
    visit
        .store
        .end(&visit.token.record, &heartbeat, EndReason::Idle, at(60))
        .await
        .unwrap();
    let again = visit
        .store
        .end(&visit.token.record, &heartbeat, EndReason::Logout, at(70))
        .await
        .unwrap();
    assert!(again.already);
    assert_eq!(
        (again.session.end_reason, again.session.ended_at),
        (Some(EndReason::Idle), Some(at(60)))
    );
}

pub(crate) async fn a_heartbeat_learns_of_an_ending_and_does_not_stretch_it(mut visit: Visit) {
    visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
    let heartbeat = visit.reading(
        &Snapshot {
            seen_seconds_ago: Some(40),
            ..Snapshot::default()
        },
        at(100),
    );
    visit
        .store
        .end(&visit.token.record, &heartbeat, EndReason::Logout, at(100))
        .await
        .unwrap();
    let row = visit.beats(&snapshot(190, 0, "/a/", 10), at(200)).await;
    assert_eq!(
        (row.end_reason, row.ended_at),
        (Some(EndReason::Logout), Some(at(100)))
    );
    assert_eq!(
        (row.last_seen, row.active_seconds),
        (at(100), Some(100)),
        "looked until it was ended"
    );
    assert_eq!(row, visit.row().await);
}

pub(crate) async fn a_word_typed_by_the_owner_ends_the_session(mut visit: Visit) {
    visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
    visit
        .owner
        .types_end_reason(&visit.token.record, "enough!")
        .await;
    let row = visit.beats(&snapshot(90, 0, "/a/", 10), at(100)).await;
    assert_eq!(row.end_reason, Some(EndReason::Revoked));
    assert_eq!((row.last_seen, row.active_seconds), (at(60), Some(60)));
    assert_eq!(row, visit.row().await);
    let late = visit.beats(&snapshot(90, 20, "/a/", 10), at(100)).await;
    assert_eq!(
        late.last_seen,
        at(60),
        "a late one does not stretch it either"
    );
}

pub(crate) async fn ending_all_reaches_every_open_session_of_that_visitor(visit: Visit) {
    let store = &visit.store;
    let mut own = vec![visit.token.record.clone()];
    for _ in 0..11 {
        own.push(
            store
                .create(&email("ann@example.com"), START, None)
                .await
                .unwrap(),
        );
    }
    let other = store
        .create(&email("nan@example.com"), START, None)
        .await
        .unwrap();
    let ended_before = own.pop().unwrap();
    let heartbeat = visit.reading(&Snapshot::default(), at(20));
    store
        .end(&ended_before, &heartbeat, EndReason::Revoked, at(20))
        .await
        .unwrap();

    assert_eq!(visit.logs_out_everywhere(at(30)).await.unwrap(), own.len());

    for id in &own {
        let row = store.get(id).await.unwrap();
        assert_eq!(
            (row.end_reason, row.ended_at),
            (Some(EndReason::Logout), Some(at(30)))
        );
        assert_eq!(row.last_seen, row.start, "last seen stays");
    }
    assert_eq!(store.get(&other).await.unwrap().end_reason, None);
    assert_eq!(
        store.get(&ended_before).await.unwrap().end_reason,
        Some(EndReason::Revoked)
    );
    assert_eq!(visit.logs_out_everywhere(at(40)).await.unwrap(), 0);
}

pub(crate) async fn ending_all_names_the_true_reason_and_leaves_the_long_gone(visit: Visit) {
    let store = &visit.store;
    let now = at(1_800);
    let fresh = store
        .create(&email("ann@example.com"), at(100), None)
        .await
        .unwrap();
    let gone = store
        .create(&email("ann@example.com"), START.minus(90_000), None)
        .await
        .unwrap();
    visit.logs_out_everywhere(now).await.unwrap();
    assert_eq!(
        visit.row().await.end_reason,
        Some(EndReason::Idle),
        "fell idle in that very second"
    );
    assert_eq!(
        store.get(&fresh).await.unwrap().end_reason,
        Some(EndReason::Logout)
    );
    assert_eq!(
        store.get(&gone).await.unwrap().end_reason,
        None,
        "just vanished"
    );
}

pub(crate) async fn a_deleted_row_is_not_found(visit: Visit) {
    let id = visit.token.record.clone();
    visit.owner.deletes(&id).await;
    let heartbeat = visit.reading(&Snapshot::default(), at(10));
    let late = visit.reading(&snapshot(1, 8, "/", 0), at(10));
    let store = &visit.store;
    assert!(matches!(store.get(&id).await, Err(StoreError::NotFound)));
    assert!(matches!(
        store.heartbeat(&id, &heartbeat).await,
        Err(StoreError::NotFound)
    ));
    assert!(matches!(
        store.heartbeat(&id, &late).await,
        Err(StoreError::NotFound)
    ));
    assert!(matches!(
        store.end(&id, &heartbeat, EndReason::Logout, at(10)).await,
        Err(StoreError::NotFound)
    ));
}

pub(crate) async fn the_token_of_a_deleted_row_reaches_no_other_session(visit: Visit) {
    let id = visit.token.record.clone();
    visit.owner.deletes(&id).await;
    // NocoDB on SQLite gives the deleted last row's id again; the SQLite store never does.
    let next = visit
        .store
        .create(&email("bob@example.com"), at(50), None)
        .await
        .unwrap();
    for snapshot in [Snapshot::default(), snapshot(1, 8, "/", 0)] {
        let heartbeat = visit.reading(&snapshot, at(100));
        assert!(matches!(
            visit.store.heartbeat(&id, &heartbeat).await,
            Err(StoreError::NotFound)
        ));
        let ended = visit
            .store
            .end(&id, &heartbeat, EndReason::Logout, at(100))
            .await;
        assert!(matches!(ended, Err(StoreError::NotFound)));
    }
    let row = visit.store.get(&next).await.unwrap();
    assert_eq!(
        (row.email.as_str(), row.last_seen, row.end_reason),
        ("bob@example.com", at(50), None)
    );
}

pub(crate) async fn a_row_that_began_in_another_second_is_not_the_tokens(mut visit: Visit) {
    visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
    let id = visit.token.record.clone();
    for start in [START.minus(1), at(1), at(60), START.day()] {
        visit.owner.types_start(&id, Some(start)).await;
        let before = visit.row().await;
        let at_once = visit.reading(&Snapshot::default(), at(100));
        let late = visit.reading(&snapshot(90, 8, "/b/", 20), at(100));
        // Of a token that nobody confirmed for a while, the row is read first.
        let long_ago = visit.reading(&snapshot(90, 0, "/b/", 20), at(1_000));
        for heartbeat in [late, long_ago, at_once] {
            let beat = visit.store.heartbeat(&id, &heartbeat).await;
            assert!(matches!(beat, Err(StoreError::NotFound)), "{start}");
            let end = visit.store.end(&id, &heartbeat, EndReason::Logout, at(100));
            assert!(matches!(end.await, Err(StoreError::NotFound)), "{start}");
            assert_eq!(visit.row().await, before, "{start}");
        }
    }
    visit.owner.types_start(&id, Some(START)).await;
    let row = visit.beats(&snapshot(90, 0, "/b/", 20), at(120)).await;
    assert_eq!((row.last_seen, row.active_seconds), (at(120), Some(90)));
}

pub(crate) async fn past_a_deadline_nothing_is_written_into_a_row_that_was_ended(mut visit: Visit) {
    visit.beats(&snapshot(50, 0, "/a/", 10), at(60)).await;
    let id = visit.token.record.clone();
    let before = visit.reading(&Snapshot::default(), at(90));
    let ended = visit.store.end(&id, &before, EndReason::Revoked, at(90));
    let row = ended.await.unwrap().session;
    for snapshot in [Snapshot::default(), snapshot(1_800, 2_000, "/b/", 99)] {
        let late = visit.reading(&snapshot, at(3_700));
        let again = visit.store.end(&id, &late, EndReason::Idle, at(3_700));
        let again = again.await.unwrap();
        assert!(again.already);
        assert_eq!((&again.session, &visit.row().await), (&row, &row));
    }
}

pub(crate) async fn an_id_that_cannot_be_one_is_not_found(visit: Visit) {
    for id in ["999999", "abc"] {
        assert!(
            matches!(
                visit.store.get(&RecordId::new(id)).await,
                Err(StoreError::NotFound)
            ),
            "{id}"
        );
    }
}

pub(crate) async fn addresses_are_listed_by_exact_match_however_they_are_written(visit: Visit) {
    let nasty = [
        "o'brien@example.com",
        "a~or~b@example.com",
        "a%b@example.com",
        "a_b@example.com",
        "axb@example.com",
        "{x}|y@example.com",
    ];
    for address in nasty {
        visit
            .store
            .create(&email(address), START, None)
            .await
            .unwrap();
    }
    for address in nasty {
        let page = visit
            .store
            .list(&Listing::of(Some(&email(address))), None)
            .await
            .unwrap();
        let found: Vec<&str> = page
            .sessions
            .iter()
            .map(|session| session.email.as_str())
            .collect();
        assert_eq!(found, [address]);
    }
}

pub(crate) async fn a_long_list_comes_in_pages_in_order(visit: Visit) {
    let total = usize::from(PAGE_SIZE) + 3;
    for second in 1..total {
        visit
            .store
            .create(&email("ann@example.com"), at(second as u64), None)
            .await
            .unwrap();
    }
    let found = listed(&visit, &Listing::of(Some(&email("ann@example.com")))).await;
    let starts: Vec<u64> = found.iter().map(|row| row.start.since(START)).collect();
    assert_eq!(starts, (0..total as u64).collect::<Vec<_>>());
}

/// Page after page, no page being longer than it was asked to be.
async fn listed(visit: &Visit, listing: &Listing) -> Vec<Session> {
    let read = async |after: Option<After>| {
        let page = visit.store.list(listing, after.as_ref()).await.unwrap();
        assert!(page.sessions.len() <= listing.page_size.into());
        page
    };
    all_pages(read).await
}

pub(crate) async fn rows_that_come_and_go_between_pages_hide_and_double_no_others(visit: Visit) {
    let bob = email("bob@example.com");
    let mut ids = Vec::new();
    for second in 1..40 {
        // Three to a second, so that pages end within one.
        ids.push(
            visit
                .store
                .create(&bob, at(second / 3), None)
                .await
                .unwrap(),
        );
    }
    let between = Starts::Between {
        from: None,
        before: None,
    };
    for (starts, order) in [
        (between, Order::OldestFirst),
        (between, Order::NewestFirst),
        (Starts::All, Order::OldestFirst),
    ] {
        let listing = Listing {
            starts,
            order,
            page_size: 7,
            ..Listing::of(Some(&bob))
        };
        let gone = ids.remove(ids.len() / 2);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = visit.store.list(&listing, after.as_ref()).await.unwrap();
            seen.extend(page.sessions.into_iter().map(|row| row.id));
            let Some(rest) = page.rest else { break };
            if after.is_none() {
                // The row that the page ended at, too.
                visit.owner.deletes(&rest.id).await;
                ids.retain(|id| *id != rest.id);
                if seen.contains(&gone) {
                    seen.retain(|id| *id != gone);
                }
                visit.owner.deletes(&gone).await;
                seen.retain(|id| *id != rest.id);
                let early = visit.store.create(&bob, at(0), None).await.unwrap();
                ids.push(early);
            }
            after = Some(rest);
        }
        let newest = ids.last().unwrap().clone();
        seen.retain(|id| *id != newest && *id != gone);
        let mut seen: Vec<_> = seen.iter().map(RecordId::to_string).collect();
        let others = ids.iter().filter(|id| **id != newest);
        let mut others: Vec<_> = others.map(RecordId::to_string).collect();
        seen.sort();
        others.sort();
        assert_eq!(seen, others, "{listing:?}");
    }
}

fn newest_first(starts: Starts, page_size: u16) -> Listing {
    Listing {
        starts,
        order: Order::NewestFirst,
        page_size,
        ..Listing::of(None)
    }
}

pub(crate) async fn a_range_is_listed_from_the_newest_down_and_counted(visit: Visit) {
    let bob = email("bob@example.com");
    // Two of them in the same second.
    for second in [10, 20, 20, 30] {
        visit.store.create(&bob, at(second), None).await.unwrap();
    }
    let between = |from: Option<u64>, before: Option<u64>| Starts::Between {
        from: from.map(at),
        before: before.map(at),
    };
    for (starts, expected) in [
        (Starts::All, &[30, 20, 20, 10, 0][..]),
        (between(None, None), &[30, 20, 20, 10, 0]),
        (between(Some(10), Some(30)), &[20, 20, 10]),
        (between(Some(11), None), &[30, 20, 20]),
        (between(None, Some(20)), &[10, 0]),
        (between(Some(31), None), &[]),
        (Starts::Missing, &[]),
    ] {
        let all = listed(&visit, &newest_first(starts, LARGEST_PAGE)).await;
        let found: Vec<u64> = all.iter().map(|row| row.start.since(START)).collect();
        assert_eq!(found, expected, "{starts:?}");
        let count = visit.store.count(starts).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{starts:?}");

        let by_two = listed(&visit, &newest_first(starts, 2)).await;
        let ids: Vec<_> = by_two.into_iter().map(|row| row.id).collect();
        let whole: Vec<_> = all.into_iter().map(|row| row.id).collect();
        assert_eq!(ids, whole, "page by page, in the same order: {starts:?}");
    }
}

pub(crate) async fn a_visit_whose_start_was_emptied_is_found_and_counted(visit: Visit) {
    let bob = email("bob@example.com");
    let id = visit.store.create(&bob, at(10), None).await.unwrap();
    visit.owner.types_start(&id, None).await;
    let list = async |starts| listed(&visit, &newest_first(starts, 10)).await;
    let missing = list(Starts::Missing).await;
    assert_eq!(missing.len(), 1);
    assert_eq!(
        (&missing[0].id, missing[0].start),
        (&id, at(10)),
        "its last seen stands in for its start"
    );
    let dated = Starts::Between {
        from: None,
        before: None,
    };
    assert_eq!(list(dated).await.len(), 1);
    for (starts, expected) in [(Starts::All, 2), (dated, 1), (Starts::Missing, 1)] {
        let count = visit.store.count(starts).await.unwrap();
        assert_eq!(count, expected, "{starts:?}");
    }
}
