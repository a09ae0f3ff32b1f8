//! A table of NocoDB's, as its API answers: no kinder than the real one.
//!
//! Each behaviour was seen by requests to released servers (0.265.1, and 0.301.3 where they differ), as
//! the comments of `shared::nocodb` say that have the word *measured*:
//! - a PATCH knows no condition, writes what it names and nothing else, and answers with the whole row;
//! - an id that is not there refuses the whole request with `404 RECORD_NOT_FOUND`, and changes nothing;
//! - the bulk PATCH of API v2 is flat, names the key `Id`, and answers with ids alone;
//! - unknown columns are dropped with `200`;
//! - moments come back in UTC with a space and without fractions;
//! - on SQLite the id of a deleted last row is given to the next one;
//! - there are no transactions: two requests of one caller have any number of others between them.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::timestamp::Timestamp;
use url::Url;

/// Everything that a table has columns for.
const COLUMNS: [&str; 9] = [
    "emailOfAccessor",
    "sessionStartTime",
    "sessionEndTime",
    "endReason",
    "endedAt",
    "activeSeconds",
    "currentPage",
    "pages",
    "consentVersion",
];
const MOMENTS: [&str; 3] = ["sessionStartTime", "sessionEndTime", "endedAt"];
/// Of the cloud, by its maintainers.
const LARGEST_PAGE: usize = 100;

/// A row's cells by column.
pub type Cells = Map<String, Value>;

/// What one request does, taken apart when it arrives.
#[derive(Clone, Debug, Hash)]
pub enum Request {
    /// One row.
    Get(u64),
    /// Rows that match: the condition, the columns, the page.
    List(Listing),
    /// Cells of rows; v2 answers with ids alone.
    Patch(Vec<(u64, Cells)>, bool),
    /// A new row for each.
    Create(Vec<Cells>, bool),
    /// These go.
    Delete(Vec<u64>),
    /// None of those.
    Unknown,
}

/// See [`Request::List`].
#[derive(Clone, Debug, Default, Hash)]
pub struct Listing {
    filter: String,
    sort: Option<(String, bool)>,
    fields: Vec<String>,
    page: usize,
    size: usize,
    counts: bool,
}

/// The rows there are.
#[derive(Clone, Debug, Default, Hash)]
pub struct Table {
    /// By id.
    pub rows: BTreeMap<u64, Cells>,
}

impl Request {
    /// Reads a request as the server would.
    #[must_use]
    pub fn read(method: &Method, url: &Url, body: Option<&[u8]>) -> Self {
        let body: Value = body
            .and_then(|body| serde_json::from_slice(body).ok())
            .unwrap_or_default();
        let segments: Vec<&str> = url.path().split('/').collect();
        let is_bulk = segments.contains(&"v2");
        let many = |value: &Value| match value {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        let id = |value: &Value| match value {
            Value::String(text) => text.parse().unwrap_or(0),
            value => value.as_u64().unwrap_or(0),
        };
        match (method, segments.as_slice()) {
            (&Method::GET, [.., "records", one]) => one.parse().map_or(Self::Unknown, Self::Get),
            (&Method::GET, [.., last @ ("records" | "count")]) => {
                Self::List(Listing::read(url, *last == "count"))
            }
            (&Method::PATCH, _) if is_bulk => Self::Patch(
                many(&body)
                    .iter()
                    .map(|row| {
                        let mut cells = row.as_object().cloned().unwrap_or_default();
                        let id = id(&cells.remove("Id").unwrap_or_default());
                        (id, cells)
                    })
                    .collect(),
                true,
            ),
            (&Method::PATCH, _) => Self::Patch(
                many(&body)
                    .iter()
                    .map(|row| (id(&row["id"]), cells(&row["fields"])))
                    .collect(),
                false,
            ),
            (&Method::POST, _) => Self::Create(
                many(&body)
                    .iter()
                    .map(|row| cells(&row["fields"]))
                    .collect(),
                is_bulk,
            ),
            (&Method::DELETE, _) => {
                Self::Delete(many(&body).iter().map(|row| id(&row["id"])).collect())
            }
            _ => Self::Unknown,
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Patch(..) | Self::Create(..) | Self::Delete(_))
    }

    /// Whether it writes, or reads whole, this row.
    #[must_use]
    pub fn names(&self, row: u64) -> bool {
        match self {
            Self::Get(id) => *id == row,
            Self::Patch(rows, false) => rows.iter().any(|(id, _)| *id == row),
            _ => false,
        }
    }

    /// Whether it lists the rows of this address alone.
    #[must_use]
    pub fn asks_for(&self, email: &str) -> bool {
        let wanted = format!("('emailOfAccessor',eq,'{email}')");
        matches!(self, Self::List(listing) if listing.filter == wanted)
    }

    /// The same for SQLite, where an owner's hand does it.
    #[must_use]
    pub fn as_sql(&self) -> String {
        match self {
            Self::Patch(rows, _) => rows
                .iter()
                .flat_map(|(id, cells)| {
                    cells.iter().map(move |(name, cell)| {
                        let cell = cell.as_str().unwrap_or_default();
                        format!("UPDATE emailAccess SET {name} = '{cell}' WHERE id = {id};")
                    })
                })
                .collect(),
            Self::Delete(ids) => ids
                .iter()
                .map(|id| format!("DELETE FROM emailAccess WHERE id = {id};"))
                .collect(),
            _ => String::new(),
        }
    }

    /// In a few words.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::Get(id) => format!("GET {id}"),
            Self::List(listing) => format!("LIST {}", listing.filter),
            Self::Patch(rows, _) => {
                let rows: Vec<String> = rows
                    .iter()
                    .map(|(id, cells)| format!("{id} {}", Value::Object(cells.clone())))
                    .collect();
                format!("PATCH {}", rows.join(", "))
            }
            Self::Create(rows, _) => format!("POST {}", rows.len()),
            Self::Delete(ids) => format!("DELETE {ids:?}"),
            Self::Unknown => "?".to_owned(),
        }
    }
}

fn cells(value: &Value) -> Cells {
    value.as_object().cloned().unwrap_or_default()
}

impl Listing {
    fn read(url: &Url, counts: bool) -> Self {
        let mut listing = Self {
            page: 1,
            size: 25,
            counts,
            ..Self::default()
        };
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "where" => listing.filter = value.into_owned(),
                "page" => listing.page = value.parse().unwrap_or(1),
                "pageSize" => listing.size = value.parse().unwrap_or(25),
                "fields" => listing.fields = value.split(',').map(str::to_owned).collect(),
                "sort" => {
                    let sort: Value = serde_json::from_str(&value).unwrap_or_default();
                    let field = sort[0]["field"].as_str().unwrap_or_default();
                    listing.sort = Some((field.to_owned(), sort[0]["direction"] == "desc"));
                }
                _ => {}
            }
        }
        listing
    }
}

impl Table {
    /// Does what a request asks for, all at once, and answers.
    pub fn serve(&mut self, request: &Request) -> (StatusCode, Value) {
        match request {
            Request::Get(id) => match self.rows.get(id) {
                Some(cells) => (StatusCode::OK, record(*id, cells)),
                None => missing(),
            },
            Request::List(listing) => self.list(listing),
            Request::Patch(rows, is_bulk) => {
                if rows.iter().any(|(id, _)| !self.rows.contains_key(id)) {
                    return missing();
                }
                for (id, cells) in rows {
                    let row = self.rows.entry(*id).or_default();
                    write(row, cells);
                }
                if *is_bulk {
                    let ids: Vec<_> = rows.iter().map(|(id, _)| json!({ "Id": id })).collect();
                    return (StatusCode::OK, Value::from(ids));
                }
                let ids: Vec<u64> = rows.iter().map(|(id, _)| *id).collect();
                self.records(&ids)
            }
            Request::Create(rows, is_bulk) => {
                let ids: Vec<u64> = rows.iter().map(|cells| self.create(cells)).collect();
                if *is_bulk {
                    let ids: Vec<_> = ids.iter().map(|id| json!({ "Id": id })).collect();
                    return (StatusCode::OK, Value::from(ids));
                }
                self.records(&ids)
            }
            Request::Delete(ids) => {
                if ids.iter().any(|id| !self.rows.contains_key(id)) {
                    return missing();
                }
                for id in ids {
                    self.rows.remove(id);
                }
                let gone: Vec<_> = ids
                    .iter()
                    .map(|id| json!({ "id": id.to_string(), "deleted": true }))
                    .collect();
                (StatusCode::OK, json!({ "records": gone }))
            }
            Request::Unknown => (
                StatusCode::NOT_FOUND,
                json!({ "error": "NOT_FOUND", "message": "" }),
            ),
        }
    }

    fn create(&mut self, cells: &Cells) -> u64 {
        let id = self.rows.keys().next_back().map_or(1, |last| last + 1);
        let mut row: Cells = COLUMNS
            .iter()
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        write(&mut row, cells);
        self.rows.insert(id, row);
        id
    }

    fn records(&self, ids: &[u64]) -> (StatusCode, Value) {
        let records: Vec<_> = ids.iter().map(|id| record(*id, &self.rows[id])).collect();
        (StatusCode::OK, json!({ "records": records }))
    }

    fn list(&self, listing: &Listing) -> (StatusCode, Value) {
        let mut found: Vec<(u64, &Cells)> = self
            .rows
            .iter()
            .map(|(id, cells)| (*id, cells))
            .filter(|(id, cells)| listing.filter.is_empty() || matches(&listing.filter, *id, cells))
            .collect();
        if listing.counts {
            return (StatusCode::OK, json!({ "count": found.len() }));
        }
        if let Some((field, descending)) = &listing.sort {
            found.sort_by_key(|(_, cells)| cells.get(field).map(Value::to_string));
            if *descending {
                found.reverse();
            }
        }
        let size = listing.size.clamp(1, LARGEST_PAGE);
        let skipped = (listing.page.max(1) - 1) * size;
        if skipped > 0 && skipped >= found.len() {
            let body = json!({ "error": "INVALID_OFFSET_VALUE", "message": "" });
            return (StatusCode::UNPROCESSABLE_ENTITY, body);
        }
        let has_more = found.len() > skipped + size;
        let records: Vec<_> = found
            .into_iter()
            .skip(skipped)
            .take(size)
            .map(|(id, cells)| {
                let mut record = record(id, cells);
                if !listing.fields.is_empty()
                    && let Some(fields) = record["fields"].as_object_mut()
                {
                    fields.retain(|name, _| listing.fields.contains(name));
                }
                record
            })
            .collect();
        let next = has_more.then_some("https://nocodb.example/next");
        (StatusCode::OK, json!({ "records": records, "next": next }))
    }
}

fn missing() -> (StatusCode, Value) {
    let body = json!({ "error": "RECORD_NOT_FOUND", "message": "" });
    (StatusCode::NOT_FOUND, body)
}

fn record(id: u64, cells: &Cells) -> Value {
    json!({ "id": id, "fields": cells })
}

fn write(row: &mut Cells, cells: &Cells) {
    for (name, value) in cells {
        if !COLUMNS.contains(&name.as_str()) {
            continue;
        }
        let value = match value.as_str().map(str::parse::<Timestamp>) {
            Some(Ok(moment)) if MOMENTS.contains(&name.as_str()) => {
                Value::from(moment.to_string().replace('T', " ").replace('Z', "+00:00"))
            }
            _ => value.clone(),
        };
        row.insert(name.clone(), value);
    }
}

/// Whether a row meets a condition: `(field,op,value)`, joined by `~and` and `~or`, in groups.
fn matches(filter: &str, id: u64, cells: &Cells) -> bool {
    let (result, rest) = expression(filter, id, cells);
    assert!(
        rest.is_empty(),
        "the model cannot read the rest of this condition: {rest}"
    );
    result
}

fn expression<'a>(text: &'a str, id: u64, cells: &Cells) -> (bool, &'a str) {
    let (mut result, mut rest) = term(text, id, cells);
    loop {
        if let Some(after) = rest.strip_prefix("~and") {
            let (other, after) = term(after, id, cells);
            (result, rest) = (result && other, after);
        } else if let Some(after) = rest.strip_prefix("~or") {
            let (other, after) = term(after, id, cells);
            (result, rest) = (result || other, after);
        } else {
            return (result, rest);
        }
    }
}

fn term<'a>(text: &'a str, id: u64, cells: &Cells) -> (bool, &'a str) {
    if let Some(after) = text.strip_prefix("~not") {
        let (result, rest) = term(after, id, cells);
        return (!result, rest);
    }
    let Some(inner) = text.strip_prefix('(') else {
        panic!("the model cannot read this condition: {text}");
    };
    if inner.starts_with('(') || inner.starts_with("~not") {
        let (result, rest) = expression(inner, id, cells);
        return (result, rest.strip_prefix(')').unwrap_or(rest));
    }
    let (mut end, mut quote) = (inner.len(), None);
    for (place, letter) in inner.char_indices() {
        match (letter, quote) {
            (')', None) => {
                end = place;
                break;
            }
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            _ => {}
        }
    }
    (compare(&inner[..end], id, cells), &inner[end + 1..])
}

fn compare(text: &str, id: u64, cells: &Cells) -> bool {
    let mut parts = text.splitn(3, ',');
    let bare = |text: &str| text.trim_matches(['\'', '"']).to_owned();
    let field = bare(parts.next().unwrap_or_default());
    let op = parts.next().unwrap_or_default();
    let given = parts.next().unwrap_or_default();
    let cell = if field == "Id" {
        Value::from(id)
    } else {
        cells.get(&field).cloned().unwrap_or_default()
    };
    let text = match &cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    if let Some(moment) = given.strip_prefix("exactDate,") {
        let at = bare(moment).parse::<Timestamp>().ok();
        let stored = text.parse::<Timestamp>().ok();
        return match (stored, at, op) {
            (Some(stored), Some(at), "ge" | "gt") => stored >= at,
            (Some(stored), Some(at), "lt" | "le") => stored < at,
            _ => false,
        };
    }
    match op {
        "blank" => text.is_empty(),
        "notblank" => !text.is_empty(),
        "eq" => text == bare(given),
        "neq" => text != bare(given),
        "in" => given.split(',').any(|one| bare(one) == text),
        "gt" | "ge" | "lt" | "le" => {
            let numbers = (text.parse::<f64>(), bare(given).parse::<f64>());
            match (numbers, op) {
                ((Ok(stored), Ok(given)), "gt") => stored > given,
                ((Ok(stored), Ok(given)), "ge") => stored >= given,
                ((Ok(stored), Ok(given)), "lt") => stored < given,
                ((Ok(stored), Ok(given)), _) => stored <= given,
                _ => false,
            }
        }
        "like" => text.ends_with(bare(given).trim_start_matches('%')),
        op => panic!("the model knows no {op}"),
    }
}
