//! Bases and tables on the real NocoDB.

use std::sync::Arc;
use std::time::Duration;

use shared::app::open_store;
use shared::nocodb::{Client, Config, DEFAULT_WORKSPACE, FieldSpec, TableSchema};
use shared::settings::{StoreSettings, Variables};
use shared::store::Store;

use crate::place::Place;

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run through `make test`, or `tests/nocodb/with-server cargo test`"
        )
    })
}

pub(crate) fn token() -> String {
    given("NOCODB_TEST_TOKEN")
}

/// The first three columns of the design, without which nothing works.
pub(crate) const REQUIRED: [(&str, &str); 3] = [
    ("emailOfAccessor", "Email"),
    ("sessionStartTime", "DateTime"),
    ("sessionEndTime", "DateTime"),
];

/// The others.
pub(crate) const OPTIONAL: [(&str, &str); 6] = [
    ("endReason", "SingleLineText"),
    ("endedAt", "DateTime"),
    ("activeSeconds", "Number"),
    ("currentPage", "SingleLineText"),
    ("pages", "JSON"),
    ("consentVersion", "SingleLineText"),
];

pub(crate) fn all() -> Vec<(&'static str, &'static str)> {
    [&REQUIRED[..], &OPTIONAL[..]].concat()
}

/// A base of a test's own.
pub(crate) struct Base {
    pub(crate) client: Client,
    pub(crate) id: String,
}

impl Base {
    pub(crate) async fn new(title: &str) -> Self {
        let mut config = Config::new(given("NOCODB_TEST_URL").parse().unwrap(), token().into());
        // The tests run beside each other, and making something is not repeated.
        config.attempt_timeout = Duration::from_mins(1);
        config.total_deadline = Duration::from_mins(2);
        let client = Client::new(config).unwrap();
        let id = client
            .create_base(DEFAULT_WORKSPACE, title)
            .await
            .unwrap()
            .id;
        Self { client, id }
    }

    pub(crate) async fn table(&self, title: &str, columns: &[(&str, &str)]) -> String {
        let fields: Vec<_> = columns
            .iter()
            .map(|(title, kind)| FieldSpec::new(*title, *kind))
            .collect();
        self.client
            .create_table(&self.id, title, &fields)
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn schema(&self, table: &str) -> TableSchema {
        self.client.table_schema(&self.id, table).await.unwrap()
    }

    /// Titles and types, the key left out.
    pub(crate) async fn columns(&self, table: &str) -> Vec<(String, String)> {
        let fields = self.schema(table).await.fields;
        fields
            .into_iter()
            .filter(|field| field.kind != "ID")
            .map(|field| (field.title, field.kind))
            .collect()
    }

    /// A store over one of its tables, as the program opens it.
    pub(crate) fn store(&self, table: &str) -> Arc<dyn Store> {
        let variables: Variables = [
            ("NOCODB_URL", given("NOCODB_TEST_URL")),
            ("NOCODB_API_TOKEN", token()),
            ("NOCODB_BASE_ID", self.id.clone()),
            ("NOCODB_TABLE_ID", table.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        open_store(&StoreSettings::read(&variables).unwrap(), None).unwrap()
    }

    /// A folder whose settings lead to this base.
    pub(crate) fn place(&self) -> Place {
        Place::new()
            .set("NOCODB_URL", given("NOCODB_TEST_URL"))
            .set("NOCODB_API_TOKEN", token())
            .set("NOCODB_BASE_ID", &self.id)
    }
}

/// A folder whose settings lead to the server and to no base.
pub(crate) fn server() -> Place {
    Place::new()
        .set("NOCODB_URL", given("NOCODB_TEST_URL"))
        .set("NOCODB_API_TOKEN", token())
}
