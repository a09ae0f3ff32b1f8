//! Bases, tables and columns: what setting up and checking a table needs.
//!
//! All of it through API v3. A table made through v2 gets no primary key on 0.265.1 unless one is
//! spelled out, and a PATCH of one row then changes **every** row.

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Client, Error, client::Twice, record::identifier};

/// The workspace of a self-hosted server, which has only one (measured: 0.265.1 and 0.301.3 take
/// any id here). The cloud has several, named in its address bar (`w…`).
pub const DEFAULT_WORKSPACE: &str = "nc";

/// A base: a set of tables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Base {
    /// Its id, `p…`.
    pub id: String,
    /// Its name.
    pub title: String,
}

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TableInfo {
    /// Its id, `m…`.
    pub id: String,
    /// Its name.
    pub title: String,
}

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TableSchema {
    /// Its id, `m…`.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Its columns, the primary key among them; `CreatedAt` and `UpdatedAt` are not listed.
    pub fields: Vec<Field>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Field {
    /// Its id, `c…`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// NocoDB's name of its type: `Email`, `DateTime`, `SingleLineText`, `Number`, `JSON`, `ID`…
    #[serde(rename = "type")]
    pub kind: String,
}

/// A column to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldSpec {
    /// Its title.
    pub title: String,
    /// NocoDB's name of its type.
    #[serde(rename = "type")]
    pub kind: String,
}

impl FieldSpec {
    /// A column of this title and type.
    #[must_use]
    pub fn new(title: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            kind: kind.into(),
        }
    }
}

#[derive(Deserialize)]
struct List<T> {
    list: Vec<T>,
}

impl Client {
    /// The bases of a workspace ([`DEFAULT_WORKSPACE`] where self-hosted) that the token sees.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an id that is none; [`Error::TableNotFound`] for an unknown workspace.
    pub async fn bases(&self, workspace: &str) -> Result<Vec<Base>, Error> {
        self.listed(&[
            "workspaces",
            identifier("the workspace id", workspace)?,
            "bases",
        ])
        .await
    }

    /// Makes a base. Not repeated when in doubt: there may be two of one title.
    ///
    /// # Errors
    /// As for [`bases`](Self::bases).
    pub async fn create_base(&self, workspace: &str, title: &str) -> Result<Base, Error> {
        let body = serde_json::json!({ "title": title });
        self.made(
            &[
                "workspaces",
                identifier("the workspace id", workspace)?,
                "bases",
            ],
            &body,
        )
        .await
    }

    /// The tables of a base.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an id that is none; [`Error::TableNotFound`] for an unknown base.
    pub async fn tables(&self, base_id: &str) -> Result<Vec<TableInfo>, Error> {
        self.listed(&["bases", identifier("the base id", base_id)?, "tables"])
            .await
    }

    /// A table's columns.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an id that is none; [`Error::TableNotFound`] for an unknown base or table.
    pub async fn table_schema(&self, base_id: &str, table_id: &str) -> Result<TableSchema, Error> {
        let (base, table) = (
            identifier("the base id", base_id)?,
            identifier("the table id", table_id)?,
        );
        self.get(self.url(&["api", "v3", "meta", "bases", base, "tables", table]))
            .await
    }

    /// Makes a table with these columns and, as the primary key, a numeric `Id` that the server
    /// adds.
    ///
    /// # Errors
    /// [`Error::TableNotFound`] for an unknown base; [`Error::Refused`] for an unknown type, and for a title that is taken
    /// (`DUPLICATE_ALIAS` on 0.265.1, `DUPLICATE_IN_ALIAS` on 0.301.3).
    pub async fn create_table(
        &self,
        base_id: &str,
        title: &str,
        fields: &[FieldSpec],
    ) -> Result<TableSchema, Error> {
        let body = serde_json::json!({ "title": title, "fields": fields });
        self.made(
            &["bases", identifier("the base id", base_id)?, "tables"],
            &body,
        )
        .await
    }

    /// Adds a column.
    ///
    /// # Errors
    /// As for [`create_table`](Self::create_table).
    pub async fn add_field(
        &self,
        base_id: &str,
        table_id: &str,
        field: &FieldSpec,
    ) -> Result<Field, Error> {
        let (base, table) = (
            identifier("the base id", base_id)?,
            identifier("the table id", table_id)?,
        );
        self.made(&["bases", base, "tables", table, "fields"], field)
            .await
    }

    async fn listed<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Vec<T>, Error> {
        let url = self.url(&[&["api", "v3", "meta"], path].concat());
        self.get::<List<T>>(url).await.map(|answer| answer.list)
    }

    async fn made<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let url = self.url(&[&["api", "v3", "meta"], path].concat());
        self.send(Method::POST, url, body, Twice::IsOneTooMany)
            .await
    }
}
