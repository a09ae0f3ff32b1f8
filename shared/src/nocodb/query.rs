//! What to list.

use super::{Error, Filter};

/// What to list: which rows, in which order, which columns. [`Query::new`] lists everything, 100 rows
/// a page. There are no page numbers: servers give fewer rows than they are asked for, so that a
/// second page begins nobody knows where. Ask for what stands behind the last row instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    filter: Option<Filter>,
    sort: Vec<Sort>,
    fields: Vec<String>,
    page_size: u32,
}

/// A column to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The column's title.
    pub field: String,
    /// From the largest down.
    pub descending: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}

impl Query {
    /// All rows and columns, in the server's order, the first 100.
    #[must_use]
    pub fn new() -> Self {
        Self {
            filter: None,
            sort: Vec::new(),
            fields: Vec::new(),
            page_size: 100,
        }
    }

    /// Only rows that match.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Smallest first. A second call breaks the first one's ties.
    #[must_use]
    pub fn ascending(mut self, field: impl Into<String>) -> Self {
        self.sort.push(Sort {
            field: field.into(),
            descending: false,
        });
        self
    }

    /// Largest first. A second call breaks the first one's ties.
    #[must_use]
    pub fn descending(mut self, field: impl Into<String>) -> Self {
        self.sort.push(Sort {
            field: field.into(),
            descending: true,
        });
        self
    }

    /// Only these columns. Their titles must have no comma; one that does not exist is
    /// [`Error::Refused`].
    #[must_use]
    pub fn fields<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Rows wanted, 1 to 1,000. The server may give fewer, or more: by `DB_QUERY_LIMIT_MAX` (1,000
    /// on 0.265.1 and 0.301.3 unless set; 100 on the cloud) and `DB_QUERY_LIMIT_MIN`.
    #[must_use]
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = rows.clamp(1, 1000);
        self
    }

    pub(super) const fn rows(&self) -> u32 {
        self.page_size
    }

    /// Names and values for the URL, not yet percent-encoded.
    pub(super) fn parameters(&self, rows: u32) -> Result<Vec<(&'static str, String)>, Error> {
        let mut parameters = vec![("pageSize", rows.to_string())];
        if let Some(filter) = &self.filter {
            parameters.push(("where", filter.render()?));
        }
        if !self.sort.is_empty() {
            let sort: Vec<_> = self.sort.iter().map(Sort::json).collect();
            parameters.push(("sort", serde_json::Value::from(sort).to_string()));
        }
        if let Some(field) = self
            .fields
            .iter()
            .find(|field| field.contains(',') || field.trim().is_empty())
        {
            return Err(Error::invalid(field, "cannot be listed by its title"));
        }
        if !self.fields.is_empty() {
            parameters.push(("fields", self.fields.join(",")));
        }
        Ok(parameters)
    }
}

impl Sort {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "field": self.field, "direction": if self.descending { "desc" } else { "asc" } })
    }
}
