//! One odd cell in a SQLite file costs itself, and no other cell, row or visitor.

use super::*;
use rusqlite::types::Value;
use shared::store::{Change, Moment, Span};

/// What an owner's program or hand may leave in a cell.
fn odd() -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        text(""),
        text("   "),
        text("about 5 min"),
        text("1 January"),
        text("2026-01-02"),
        text("9999-99-99T99:99:99Z"),
        text("0000-00-00 00:00:00"),
        text("{\"/a/\": {\"seconds\": -1}}"),
        text("[[[[[["),
        text("[object Object]"),
        text("\u{0}\u{202e}"),
        Value::Integer(-5),
        Value::Integer(i64::MAX),
        Value::Integer(i64::MIN),
        Value::Real(312.5),
        Value::Real(1e300),
        Value::Real(f64::INFINITY),
        Value::Blob(vec![0xff, 0xfe, 0]),
        Value::Blob(b"2026".to_vec()),
        Value::Null,
    ]
}

#[tokio::test]
async fn an_odd_cell_costs_no_other_cell_row_or_visitor() {
    let visit = Visit::begin(sqlite()).await;
    let Owner::Sqlite(path, _folder) = &visit.owner else {
        unreachable!()
    };
    let db = rusqlite::Connection::open(path).unwrap();
    let store = visit.store.as_ref();
    for column in columns::ALL.iter().map(|column| column.title) {
        for value in odd() {
            let case = format!("{column}: {value:?}");
            db.execute("DELETE FROM emailAccess", []).unwrap();
            let mut ids = Vec::new();
            for address in ["odd@example.com", "ann@example.com"] {
                let id = store.create(&email(address), START, None).await.unwrap();
                ids.push(id);
            }
            let (id, neighbour) = (&ids[0], &ids[1]);
            let update = format!("UPDATE emailAccess SET {column} = ?1 WHERE id = ?2");
            if db.execute(&update, (&value, id.as_str())).is_err() {
                assert_eq!(value, Value::Null, "{case}");
                continue;
            }
            looked_at(store, id)
                .await
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            for (id, is_odd) in [(id, true), (neighbour, false)] {
                let row = written(store, id).await;
                // A start that an owner edited ends the session, whose token says another one.
                if is_odd && column == columns::START && matches!(row, Err(StoreError::NotFound)) {
                    continue;
                }
                let row = row.unwrap_or_else(|error| panic!("{case}: {error}"));
                if !is_odd
                    || ![columns::START, columns::END_REASON, columns::ENDED_AT].contains(&column)
                {
                    assert_eq!(
                        (row.active_seconds, row.pages.len(), row.last_seen),
                        (Some(25), 1, at(40)),
                        "{case}"
                    );
                }
            }
            store.delete(std::slice::from_ref(id)).await.unwrap();
        }
    }
}

/// All that is ever read of rows.
async fn looked_at(store: &dyn Store, id: &RecordId) -> Result<(), StoreError> {
    let ids = [id.clone()];
    for starts in [
        Starts::All,
        Starts::Missing,
        Starts::Between {
            from: Some(START.minus(9)),
            before: Some(at(9)),
        },
    ] {
        store.count(starts).await?;
        store
            .list(
                &Listing {
                    starts,
                    order: Order::NewestFirst,
                    ..Listing::of(None)
                },
                None,
            )
            .await?;
    }
    let spans = [
        Moment::Start,
        Moment::LastSeen,
        Moment::EndedAt,
        Moment::EverythingEnded,
    ];
    let spans = spans.map(|moment| Span {
        moment,
        from: START,
        to: at(1),
    });
    store.within(START.minus(9), &spans, None).await?;
    store
        .ended(START.minus(9), Some(START.minus(9)), None)
        .await?;
    store.open(None, START.minus(9), None).await?;
    store.rows(&ids).await?;
    store.with_address_ending("@example.com").await?;
    store.end_everything(START.minus(10)).await?;
    store.not_before().await;
    match store.get(id).await {
        // A row whose address an owner made the one that ends everything is no visit.
        Ok(_) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is ever written to a row: a heartbeat, what waited, and an ending.
async fn written(store: &dyn Store, id: &RecordId) -> Result<Session, StoreError> {
    let token = Claims::start("localhost", "sid".to_owned(), id.clone(), &LIMITS, START);
    let heartbeat = Heartbeat::new(&token, &snapshot(20, 0, "/a/", 1), at(30));
    store.heartbeat(id, &heartbeat).await?;
    let change = Change {
        active_seconds: Some(25),
        last_seen: Some(at(40)),
        ..Change::default()
    };
    store.write_many(&[(id.clone(), change)]).await?;
    store
        .end_many(&[(id.clone(), EndReason::Revoked)], at(50))
        .await?;
    store.end(id, &heartbeat, EndReason::Logout, at(60)).await?;
    store.get(id).await
}

#[tokio::test]
async fn retention_neither_takes_a_row_early_nor_keeps_it_for_an_odd_cell() {
    let visit = Visit::begin(sqlite()).await;
    let Owner::Sqlite(path, _folder) = &visit.owner else {
        unreachable!()
    };
    let db = rusqlite::Connection::open(path).unwrap();
    for odd in ["", "1 January", "about noon", "2026-01-02"] {
        db.execute("UPDATE emailAccess SET sessionEndTime = ?1", [odd])
            .unwrap();
        let ids = async |moment| visit.store.seen_before(moment).await.unwrap();
        assert_eq!(ids(START).await, [], "{odd:?}: begun later");
        assert_eq!(ids(at(1)).await.len(), 1, "{odd:?}: begun before");
    }
}

#[tokio::test]
async fn an_ending_whose_moment_cannot_be_read_is_told_all_the_same() {
    let visit = Visit::begin(sqlite()).await;
    let Owner::Sqlite(path, _folder) = &visit.owner else {
        unreachable!()
    };
    let db = rusqlite::Connection::open(path).unwrap();
    for odd in ["1 January", "later", ""] {
        let update = "UPDATE emailAccess SET endReason = 'enough', endedAt = ?1";
        db.execute(update, [odd]).unwrap();
        let page = visit.store.ended(START, None, None).await.unwrap();
        assert_eq!(page.sessions.len(), 1, "{odd:?}");
    }
}
