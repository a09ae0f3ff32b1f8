//! Columns that an owner gave another type or name, or made required or hid, on the real NocoDB:
//! each costs its own values, and nothing else.

use super::*;
use serde_json::{Value, json};
use shared::session::Ending;
use shared::store::{Change, ColumnProblem, ErrorScope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A table whose owner has changed something.
struct Table {
    visit: Visit,
    schema: TableSchema,
}

impl Table {
    async fn new() -> Self {
        let (_, schema, table) = nocodb_table(&columns::ALL).await;
        let store = Arc::new(NocoDbStore::new(table.clone()));
        let visit = Visit::begin((store, Owner::NocoDb(table))).await;
        Self { visit, schema }
    }

    /// What the screen sends when an owner edits a column.
    async fn edits(&self, column: &str, change: &Value) {
        let field = self
            .schema
            .fields
            .iter()
            .find(|field| field.title == column);
        let field = field.unwrap();
        let mut body = json!({"title": column, "column_name": column, "uidt": field.kind});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        // A plain request: the client is for rows, and changes no columns.
        let server = variable("NOCODB_TEST_URL");
        let server = server.trim_start_matches("http://").trim_end_matches('/');
        let (token, body) = (variable("NOCODB_TEST_TOKEN"), body.to_string());
        let request = format!(
            "PATCH /api/v2/meta/columns/{} HTTP/1.1\r\nhost: {server}\r\nxc-token: {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            field.id,
            body.len(),
        );
        let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    async fn becomes(&self, column: &str, kind: &str) {
        let change = if kind.ends_with("Select") {
            let options = json!({"options": [{"title": "yes"}, {"title": "no"}]});
            json!({"uidt": kind, "colOptions": options, "dtxp": "'yes','no'"})
        } else {
            json!({"uidt": kind})
        };
        self.edits(column, &change).await;
    }

    async fn is_renamed(&self, column: &str) {
        self.edits(column, &json!({"title": "other", "column_name": "other"}))
            .await;
    }

    async fn cell(&self, column: &str) -> Value {
        let Owner::NocoDb(table) = &self.visit.owner else {
            unreachable!()
        };
        let id = self.visit.token.record.as_str().parse().unwrap();
        let record = table.get(&id).await.unwrap();
        record.fields.get(column).cloned().unwrap_or_default()
    }

    async fn beats(&self, active: u64, now: Timestamp) -> Result<Session, StoreError> {
        let heartbeat = self.visit.reading(&snapshot(active, 0, "/a/", 50), now);
        self.visit
            .store
            .heartbeat(&self.visit.token.record, &heartbeat)
            .await
    }

    async fn logs_out(&self, now: Timestamp) -> Result<shared::store::Ended, StoreError> {
        let heartbeat = self.visit.reading(&snapshot(40, 0, "/a/", 50), now);
        let id = &self.visit.token.record;
        self.visit
            .store
            .end(id, &heartbeat, EndReason::Logout, now)
            .await
    }
}

const TYPES: [&str; 8] = [
    "SingleSelect",
    "Checkbox",
    "LongText",
    "Number",
    "DateTime",
    "JSON",
    "Duration",
    "Email",
];

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn an_optional_column_of_any_type_costs_its_own_value() {
    for column in [
        columns::ACTIVE_SECONDS,
        columns::CURRENT_PAGE,
        columns::PAGES,
    ] {
        for kind in TYPES {
            let case = format!("{column} as {kind}");
            let table = Table::new().await;
            table.becomes(column, kind).await;
            let row = table.beats(30, at(40)).await;
            let row = row.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!((row.last_seen, row.end_reason), (at(40), None), "{case}");
            if column != columns::ACTIVE_SECONDS {
                assert_eq!(row.active_seconds, Some(30), "{case}");
            }
            if column != columns::CURRENT_PAGE {
                assert_eq!(row.current_page.as_deref(), Some("/a/"), "{case}");
            }
            if column != columns::PAGES {
                assert_eq!(row.pages["/a/"].seconds, 30, "{case}");
            }
            assert_ne!(
                table.cell(columns::PAGES).await,
                "[object Object]",
                "{case}"
            );
            let ended = table.logs_out(at(50)).await;
            let ended = ended.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(
                (ended.session.end_reason, ended.session.last_seen),
                (Some(EndReason::Logout), at(50)),
                "{case}"
            );
            let page = table
                .visit
                .store
                .list(&Listing::of(None), None)
                .await
                .unwrap();
            assert_eq!(page.sessions.len(), 1, "{case}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn figures_by_page_are_kept_by_a_column_for_text() {
    for kind in ["LongText", "SingleLineText"] {
        let table = Table::new().await;
        table.becomes(columns::PAGES, kind).await;
        let row = table.beats(30, at(40)).await.unwrap();
        assert_eq!(row.pages["/a/"].seconds, 30, "{kind}");
        let change = Change {
            pages: Some(snapshot(35, 0, "/a/", 60).pages),
            ..Change::default()
        };
        let id = table.visit.token.record.clone();
        table.visit.store.write_many(&[(id, change)]).await.unwrap();
        assert_eq!(table.visit.row().await.pages["/a/"].seconds, 35, "{kind}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_column_for_reasons_of_another_type_costs_no_figures() {
    for kind in TYPES {
        let table = Table::new().await;
        table.becomes(columns::END_REASON, kind).await;
        let row = table.beats(30, at(40)).await;
        let row = row.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!((row.last_seen, row.end_reason), (at(40), None), "{kind}");
        let ended = table.logs_out(at(50)).await;
        let row = table.visit.row().await;
        assert_eq!(
            (row.last_seen, row.active_seconds, row.pages["/a/"].seconds),
            (at(50), Some(40), 40),
            "{kind}: the figures are written"
        );
        // A choice takes none but its options, and JSON no word: then the ending waits, and who asked
        // is told so.
        let is_refused = ["SingleSelect", "JSON"].contains(&kind);
        match ended {
            Ok(_) => assert!(row.end_reason.is_some() && !is_refused, "{kind}"),
            Err(StoreError::Column {
                column, problem, ..
            }) => {
                assert_eq!(
                    (column, problem, is_refused, row.end_reason),
                    (columns::END_REASON, ColumnProblem::Refuses, true, None),
                    "{kind}"
                );
            }
            Err(error) => panic!("{kind}: {error}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn the_emergency_stop_works_whatever_became_of_the_other_columns() {
    for column in [
        columns::END_REASON,
        columns::ENDED_AT,
        columns::LAST_SEEN,
        columns::PAGES,
    ] {
        for kind in ["SingleSelect", "Number", "JSON", "renamed"] {
            let case = format!("{column} as {kind}");
            let table = Table::new().await;
            match kind {
                "renamed" => table.is_renamed(column).await,
                kind => table.becomes(column, kind).await,
            }
            let store = table.visit.store.as_ref();
            let stopped = store.end_everything(at(20)).await;
            stopped.unwrap_or_else(|error| panic!("{case}: {error}"));
            let row = store.get(&table.visit.token.record).await;
            let row = row.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(row.end_reason, Some(EndReason::Revoked), "{case}");
            let row = table.beats(30, at(40)).await;
            let row = row.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(row.end_reason, Some(EndReason::Revoked), "{case}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_renamed_column_for_last_seen_is_told_and_an_owners_word_still_ends_the_session() {
    let table = Table::new().await;
    table.is_renamed(columns::LAST_SEEN).await;
    let told = |error: StoreError| match error {
        StoreError::Column {
            column, problem, ..
        } => (column, problem),
        error => panic!("{error}"),
    };
    let missing = (columns::LAST_SEEN, ColumnProblem::Missing);
    let error = table.beats(30, at(40)).await.unwrap_err();
    assert_eq!(error.scope(), ErrorScope::Column, "no outage");
    assert_eq!(told(error), missing);
    // What waits is not taken for written: the older API drops the column without a word.
    let id = table.visit.token.record.clone();
    let error = table
        .visit
        .store
        .rows(std::slice::from_ref(&id))
        .await
        .unwrap_err();
    assert_eq!(told(error), missing);
    // Nobody comes in, and nobody leaves a row behind.
    let ann = email("ann@example.com");
    let error = table
        .visit
        .store
        .create(&ann, at(41), None)
        .await
        .unwrap_err();
    assert_eq!(told(error), missing);
    // Logging out and an owner's word do their work.
    let error = table.logs_out(at(50)).await.unwrap_err();
    assert_eq!(told(error), missing, "the last figures wait");
    assert_eq!(table.cell(columns::END_REASON).await, "logout");
    let row = table.beats(30, at(60)).await.unwrap();
    assert_eq!(row.end_reason, Some(EndReason::Logout));
    let edit = json!({"title": columns::LAST_SEEN, "column_name": columns::LAST_SEEN});
    table.edits(columns::LAST_SEEN, &edit).await;
    assert_eq!(table.visit.store.count(Starts::All).await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_column_for_last_seen_that_keeps_no_time_is_told() {
    for kind in ["Number", "Date", "Checkbox", "SingleSelect", "JSON"] {
        let table = Table::new().await;
        table.becomes(columns::LAST_SEEN, kind).await;
        let error = table.beats(30, at(40)).await.unwrap_err();
        let StoreError::Column {
            column, problem, ..
        } = error
        else {
            panic!("{kind}: {error}")
        };
        assert_eq!(
            (column, problem),
            (columns::LAST_SEEN, ColumnProblem::Refuses),
            "{kind}"
        );
        assert_eq!(
            table.cell(columns::ACTIVE_SECONDS).await,
            30,
            "{kind}: the rest is there"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_renamed_start_or_address_throws_nobody_out() {
    for column in [columns::START, columns::EMAIL] {
        let table = Table::new().await;
        table.is_renamed(column).await;
        let error = table.beats(30, at(40)).await.unwrap_err();
        assert_eq!(error.scope(), ErrorScope::Column, "{column}: {error}");
        let error = table
            .visit
            .store
            .get(&table.visit.token.record)
            .await
            .unwrap_err();
        assert_eq!(error.scope(), ErrorScope::Column, "{column}: {error}");
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn what_waits_is_written_but_for_what_its_column_refuses() {
    let change = Change {
        last_seen: Some(at(70)),
        active_seconds: Some(60),
        current_page: Some("/b/".to_owned()),
        pages: Some(snapshot(60, 0, "/b/", 5).pages),
        ending: Some(Ending {
            reason: EndReason::Logout,
            at: at(70),
        }),
    };
    for (column, kind, waits) in [
        (columns::END_REASON, "SingleSelect", true),
        (columns::END_REASON, "Number", false),
        (columns::LAST_SEEN, "SingleSelect", true),
        (columns::PAGES, "SingleSelect", false),
    ] {
        let table = Table::new().await;
        table.becomes(column, kind).await;
        let id = table.visit.token.record.clone();
        let written = table
            .visit
            .store
            .write_many(&[(id.clone(), change.clone())])
            .await;
        match written {
            Ok(()) => assert!(!waits, "{column} as {kind}"),
            Err(StoreError::Column {
                column: told, rows, ..
            }) => {
                assert_eq!((told, rows, waits), (column, vec![id], true), "{kind}");
            }
            Err(error) => panic!("{column} as {kind}: {error}"),
        }
        let row = table.visit.row().await;
        assert_eq!(row.active_seconds, Some(60), "{column} as {kind}");
        assert_eq!(
            row.end_reason.is_some(),
            !(column == columns::END_REASON && waits),
            "{column} as {kind}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_column_of_another_type_keeps_nobody_out_and_nobody_in() {
    let table = Table::new().await;
    table.becomes(columns::CONSENT, "Number").await;
    let ann = email("ann@example.com");
    let store = table.visit.store.as_ref();
    store.create(&ann, at(1), Some("2026-11")).await.unwrap();
    table.becomes(columns::ENDED_AT, "Date").await;
    table.logs_out(at(50)).await.unwrap();
    assert_eq!(table.visit.row().await.end_reason, Some(EndReason::Logout));
}
