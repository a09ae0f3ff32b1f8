//! Rows, pages, tables and errors of a real NocoDB.

use serde_json::json;
use shared::nocodb::{DEFAULT_WORKSPACE, Error, FieldSpec, Filter, Query};

use crate::place::{Place, client_with, emails, fill, found, place};

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_row_is_created_changed_read_and_removed() {
    let Place { table, .. } = place("rows").await;
    let row = table
        .create(&json!({ "email": "a@b.c", "at": "2026-01-02T03:04:05.678Z" }))
        .await
        .unwrap();
    assert_eq!(row.fields["at"], "2026-01-02 03:04:05+00:00");
    assert!(row.fields["note"].is_null());

    let changed = table
        .update(&row.id, &json!({ "note": "x", "no such column": 1 }))
        .await
        .unwrap();
    assert_eq!(
        (
            &changed.id,
            &changed.fields["email"],
            &changed.fields["note"]
        ),
        (&row.id, &json!("a@b.c"), &json!("x"))
    );
    assert!(!changed.fields.contains_key("no such column"));
    assert_eq!(table.get(&row.id).await.unwrap().fields["note"], "x");

    table.delete(std::slice::from_ref(&row.id)).await.unwrap();
    for error in [
        table.get(&row.id).await.unwrap_err(),
        table.update(&row.id, &json!({ "n": 1 })).await.unwrap_err(),
        table.delete(&[row.id]).await.unwrap_err(),
        table.get(&"abc".parse().unwrap()).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::RecordNotFound), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn many_rows_are_changed_and_removed_in_batches_the_server_takes() {
    let Place { table, .. } = place("batches").await;
    let ids = fill(&table, &vec![json!({}); 23]).await;
    let changes: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| (id.clone(), json!({ "n": n })))
        .collect();
    let records = table.update_many(&changes).await.unwrap();
    assert_eq!(
        records.iter().map(|r| r.id.clone()).collect::<Vec<_>>(),
        ids
    );
    assert!(records.iter().enumerate().all(|(n, r)| r.fields["n"] == n));
    table.delete(&ids[..21]).await.unwrap();
    assert_eq!(table.count(None).await.unwrap(), 2);

    let missing = [
        (ids[21].clone(), json!({ "n": 0 })),
        (ids[0].clone(), json!({ "n": 0 })),
    ];
    assert!(matches!(
        table.update_many(&missing).await,
        Err(Error::RecordNotFound)
    ));
    assert_eq!(
        table.get(&ids[21]).await.unwrap().fields["n"],
        21,
        "a batch with a missing row changes nothing"
    );
    assert!(
        table
            .update_many::<serde_json::Value>(&[])
            .await
            .unwrap()
            .is_empty()
    );
    table.delete(&[]).await.unwrap();
    assert_eq!(table.count(None).await.unwrap(), 2);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn pages_come_one_after_the_other_and_end() {
    let Place { table, .. } = place("pages").await;
    assert_eq!(table.list(&Query::new()).await.unwrap().records, vec![]);
    fill(&table, &vec![json!({}); 6]).await;
    for size in [2, 4, 6, 10] {
        let mut pages = table.pages(None, &["email"], size);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(!page.is_empty() && page.len() <= size as usize);
            all.extend(page);
        }
        assert_eq!(
            emails(&all),
            ["0", "1", "2", "3", "4", "5"],
            "{size} a page"
        );
        assert_eq!(pages.next().await.unwrap(), None);
    }
    let some = Some(Filter::neq("email", "3"));
    let mut pages = table.pages(some, &["email"], 3);
    let mut found = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        found.extend(page);
    }
    assert_eq!(emails(&found), ["0", "1", "2", "4", "5"]);
    let lean = table.list(&Query::new().fields(["email"])).await.unwrap();
    assert_eq!(lean.records[0].fields.keys().collect::<Vec<_>>(), ["email"]);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn errors_of_the_real_server_have_their_meanings() {
    let Place {
        client,
        base,
        table_id,
        table,
    } = place("errors").await;
    let intruder = client_with("wrong");
    let error = intruder
        .table(&base, &table_id)
        .unwrap()
        .list(&Query::new())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BadCredentials), "{error:?}");

    let nowhere = client.table("p00000000000000", &table_id).unwrap();
    let nothing = client.table(&base, "m00000000000000").unwrap();
    for error in [
        nowhere.list(&Query::new()).await.unwrap_err(),
        nothing.create(&json!({ "n": 1 })).await.unwrap_err(),
        nothing.count(None).await.unwrap_err(),
        client.tables("p00000000000000").await.unwrap_err(),
        client
            .table_schema(&base, "m00000000000000")
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::TableNotFound), "{error:?}");
    }

    let refused = |error: Error| match error {
        Error::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(table.create(&json!({ "at": "never" })).await.unwrap_err()),
        "INVALID_VALUE_FOR_FIELD"
    );
    assert_eq!(
        refused(
            table
                .list(&Query::new().filter(Filter::eq("missing", "x")))
                .await
                .unwrap_err()
        ),
        "INVALID_FILTER"
    );
    assert_eq!(
        refused(
            table
                .list(&Query::new().fields(["missing"]))
                .await
                .unwrap_err()
        ),
        "FIELD_NOT_FOUND"
    );
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_table_can_be_made_completed_and_described() {
    let Place {
        client,
        base,
        table_id,
        table,
    } = place("meta").await;
    client.health().await.unwrap();
    assert!(
        client
            .bases(DEFAULT_WORKSPACE)
            .await
            .unwrap()
            .iter()
            .any(|found| found.id == base)
    );
    assert_eq!(
        client
            .tables(&base)
            .await
            .unwrap()
            .iter()
            .map(|t| (&*t.id, &*t.title))
            .collect::<Vec<_>>(),
        [(&*table_id, "visits")]
    );

    let field = client
        .add_field(
            &base,
            &table_id,
            &FieldSpec::new("it's (odd), yes", "Number"),
        )
        .await
        .unwrap();
    let schema = client.table_schema(&base, &table_id).await.unwrap();
    let kinds: Vec<_> = schema
        .fields
        .iter()
        .map(|f| (&*f.title, &*f.kind))
        .collect();
    let expected = [
        ("Id", "ID"),
        ("email", "Email"),
        ("note", "SingleLineText"),
        ("at", "DateTime"),
        ("n", "Number"),
        ("it's (odd), yes", "Number"),
    ];
    assert_eq!(kinds, expected);
    assert!(schema.fields.contains(&field));

    fill(&table, &[json!({ "it's (odd), yes": 5 }), json!({})]).await;
    assert_eq!(
        found(&table, Filter::eq("it's (odd), yes", "5")).await,
        ["0"],
        "odd titles are quoted like values"
    );
    for result in [
        client
            .create_table(&base, "visits", &[FieldSpec::new("a", "Number")])
            .await
            .map(|_| ()),
        client
            .add_field(&base, &table_id, &FieldSpec::new("n", "Number"))
            .await
            .map(|_| ()),
        client
            .add_field(&base, &table_id, &FieldSpec::new("b", "No such type"))
            .await
            .map(|_| ()),
    ] {
        assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn many_rows_are_changed_in_one_request_and_all_or_none_where_one_is_gone() {
    let Place { table, .. } = place("bulk").await;
    let ids = fill(&table, &vec![json!({}); 5]).await;
    let changes = |n: u64| -> Vec<_> {
        let all = ids.iter().enumerate();
        all.map(|(index, id)| {
            (
                id.clone(),
                json!({ "n": n + index as u64, "at": "2026-01-02T03:04:05Z" }),
            )
        })
        .collect()
    };
    table.update_bulk(&changes(10)).await.unwrap();
    let row = table.get(&ids[4]).await.unwrap();
    assert_eq!(
        (&row.fields["n"], &row.fields["email"]),
        (&json!(14), &json!("4"))
    );
    assert_eq!(row.fields["at"], "2026-01-02 03:04:05+00:00");
    table.delete(&ids[2..3]).await.unwrap();
    let gone = table.update_bulk(&changes(20)).await.unwrap_err();
    assert!(matches!(gone, Error::RecordNotFound), "{gone:?}");
    assert_eq!(table.get(&ids[0]).await.unwrap().fields["n"], 10);
    let twice = [changes(30)[0].clone(), changes(31)[0].clone()];
    let twice = table.update_bulk(&twice).await.unwrap_err();
    assert!(matches!(twice, Error::Refused { .. }), "{twice:?}");
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn rows_are_found_by_their_keys() {
    let Place { table, .. } = place("keys").await;
    let ids = fill(&table, &vec![json!({}); 5]).await;
    assert_eq!(
        found(&table, Filter::ids("Id", &ids[1..3])).await,
        ["1", "2"]
    );
    let many: Vec<_> = (1..=450)
        .map(|id| shared::nocodb::RecordId::from(100_000_000 + id))
        .collect();
    assert_eq!(found(&table, Filter::ids("Id", &many)).await, [""; 0]);
    let none = table
        .list(&Query::new().filter(Filter::ids("Id", &[])))
        .await
        .unwrap_err();
    assert!(matches!(none, Error::InvalidInput { .. }), "{none:?}");
    let wrong = table
        .list(&Query::new().filter(Filter::ids("Key", &ids)))
        .await
        .unwrap_err();
    assert!(matches!(wrong, Error::Refused { .. }), "{wrong:?}");
}
