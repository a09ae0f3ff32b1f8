//! A base and a table of a test's own on the real server.

use std::time::Duration;

use shared::nocodb::{
    Client, Config, DEFAULT_WORKSPACE, FieldSpec, Filter, Query, Record, RecordId, Table,
};

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run through `make test`, or `tests/nocodb/with-server cargo test`"
        )
    })
}

pub(crate) fn client() -> Client {
    client_with(&setting("NOCODB_TEST_TOKEN"))
}

/// Patient: the tests run beside each other, and a create is not repeated.
pub(crate) fn client_with(token: &str) -> Client {
    let url = setting("NOCODB_TEST_URL").parse().unwrap();
    let mut config = Config::new(url, token.to_owned().into());
    config.attempt_timeout = Duration::from_mins(1);
    config.total_deadline = Duration::from_mins(2);
    Client::new(config).unwrap()
}

pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) base: String,
    pub(crate) table_id: String,
    pub(crate) table: Table,
}

pub(crate) async fn place(title: &str) -> Place {
    let client = client();
    let base = client
        .create_base(DEFAULT_WORKSPACE, title)
        .await
        .unwrap()
        .id;
    let fields = [
        ("email", "Email"),
        ("note", "SingleLineText"),
        ("at", "DateTime"),
        ("n", "Number"),
    ];
    let fields: Vec<_> = fields
        .iter()
        .map(|(title, kind)| FieldSpec::new(*title, *kind))
        .collect();
    let table_id = client
        .create_table(&base, "visits", &fields)
        .await
        .unwrap()
        .id;
    let table = client.table(&base, &table_id).unwrap();
    Place {
        client,
        base,
        table_id,
        table,
    }
}

pub(crate) fn emails(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.fields["email"].as_str().unwrap())
        .collect()
}

pub(crate) async fn found(table: &Table, filter: Filter) -> Vec<String> {
    let page = table
        .list(&Query::new().filter(filter).ascending("Id").page_size(1000))
        .await
        .unwrap();
    emails(&page.records)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// Rows with emails `0`, `1`, …: whole and partial ones of these.
pub(crate) async fn fill(table: &Table, rows: &[serde_json::Value]) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let mut row = row.clone();
        row["email"] = index.to_string().into();
        ids.push(table.create(&row).await.unwrap().id);
    }
    ids
}
