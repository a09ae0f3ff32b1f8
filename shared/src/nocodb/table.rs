//! Rows of one table.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{
    Client, Error, Filter, Page, Query, Record, RecordId, Unreadable, client::Twice,
    connections::extended,
};

/// Rows per request that create, update and delete take (`422` beyond it; measured on 0.265.1 and
/// 0.301.3).
pub const BATCH: usize = 10;

/// Rows per request that an update through API v2 takes (0.301.3; 0.265.1 takes more).
pub const BULK: usize = 100;

/// The title of the key in every table that NocoDB made.
pub const KEY: &str = "Id";

/// One table's rows. Cheap to clone.
///
/// Every call can fail like any of the [`Client`]'s, and with [`Error::TableNotFound`].
///
/// `F` is anything that serialises to a JSON object of column titles and values; what it leaves out
/// stays as it is. Two things go unreported: **a column that the table lacks is dropped without an
/// error** (it is then missing from the returned [`Record`]'s fields), and emails are not checked.
#[derive(Clone)]
pub struct Table {
    client: Client,
    url: Url,
    bulk: Url,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Create {
    fields: Map<String, Value>,
}

#[derive(Serialize)]
struct Update<'a> {
    id: &'a RecordId,
    fields: Map<String, Value>,
}

#[derive(Serialize)]
struct Delete<'a> {
    id: &'a RecordId,
}

#[derive(Deserialize)]
struct Deleted {
    records: Vec<DeletedRow>,
}

#[derive(Deserialize)]
struct DeletedRow {
    id: RecordId,
}

#[derive(Deserialize)]
struct Records {
    records: Vec<Record>,
    /// The next page's address; absent on the last one.
    #[serde(default)]
    next: Option<String>,
}

impl Table {
    pub(super) fn new(client: Client, url: Url, bulk: Url) -> Self {
        Self { client, url, bulk }
    }

    /// Adds a row and returns it whole.
    ///
    /// After [`Error::Unreachable`] other than for want of a connection, and after
    /// [`Error::Unreadable`], the row may exist: creating is the one call that is not repeated
    /// then.
    ///
    /// # Errors
    /// [`Error::Refused`] for a value that its column does not take.
    pub async fn create<F: Serialize + ?Sized>(&self, fields: &F) -> Result<Record, Error> {
        let body = Create {
            fields: object(fields)?,
        };
        self.write(Method::POST, &body, Twice::IsOneTooMany)
            .await
            .and_then(only)
    }

    /// Adds several rows and returns them whole, in the order given. Ten go into one request; after
    /// an error, those of earlier requests are there, and as with [`create`](Self::create) those of
    /// the last one may be.
    ///
    /// # Errors
    /// [`Error::Refused`] for a value that its column does not take.
    pub async fn create_many<F: Serialize>(&self, rows: &[F]) -> Result<Vec<Record>, Error> {
        let creates: Vec<_> = rows
            .iter()
            .map(|fields| {
                Ok(Create {
                    fields: object(fields)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        let mut records = Vec::with_capacity(rows.len());
        for batch in creates.chunks(BATCH) {
            let added = self
                .write(Method::POST, &batch, Twice::IsOneTooMany)
                .await?;
            all_of_them(&added, batch.len())?;
            records.extend(added);
        }
        Ok(records)
    }

    /// Changes a row and returns it whole, other people's changes included: one round trip writes
    /// and reads.
    ///
    /// # Errors
    /// [`Error::RecordNotFound`]; [`Error::Refused`] for a value that its column does not take.
    pub async fn update<F: Serialize + ?Sized>(
        &self,
        id: &RecordId,
        fields: &F,
    ) -> Result<Record, Error> {
        let body = Update {
            id,
            fields: object(fields)?,
        };
        let row = self
            .write(Method::PATCH, &body, Twice::IsHarmless)
            .await
            .and_then(only)?;
        // Whatever answers with another row has not changed this one.
        if row.id == *id {
            Ok(row)
        } else {
            Err(Error::Unreadable(Unreadable::WrongShape))
        }
    }

    /// Changes several rows and returns them whole, in the order given. Ten go into one request,
    /// and each request is all or nothing; after an error, earlier requests remain done.
    ///
    /// # Errors
    /// [`Error::RecordNotFound`]; [`Error::Refused`] for a value that its column does not take, and for the same id twice
    /// in one request.
    pub async fn update_many<F: Serialize>(
        &self,
        changes: &[(RecordId, F)],
    ) -> Result<Vec<Record>, Error> {
        let updates: Vec<_> = changes
            .iter()
            .map(|(id, fields)| {
                Ok(Update {
                    id,
                    fields: object(fields)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        let mut records = Vec::with_capacity(changes.len());
        for batch in updates.chunks(BATCH) {
            let answered = self.write(Method::PATCH, &batch, Twice::IsHarmless).await?;
            all_of_them(&answered, batch.len())?;
            // Whatever answers with another row has not changed this one.
            let is_changed = |update: &Update<'_>| answered.iter().any(|row| row.id == *update.id);
            if !batch.iter().all(is_changed) {
                return Err(Error::Unreadable(Unreadable::WrongShape));
            }
            records.extend(answered);
        }
        Ok(records)
    }

    /// Changes up to [`BULK`] rows in one request of API v2, which takes ten times as many as v3 and
    /// answers with ids alone. It **checks no value** (a date that is none is stored as `Invalid
    /// Date`; measured on 0.265.1), and needs the key to be titled [`KEY`], as it is in every table
    /// that NocoDB made.
    ///
    /// # Errors
    /// [`Error::RecordNotFound`] where one of the rows is not there, or the key has another title: nothing was changed.
    /// After any other error, any of the rows may have been.
    pub async fn update_bulk<F: Serialize>(&self, changes: &[(RecordId, F)]) -> Result<(), Error> {
        let updates = changes
            .iter()
            .map(|(id, fields)| {
                let mut fields = object(fields)?;
                fields.insert(KEY.to_owned(), Value::from(id.as_str()));
                Ok(fields)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let answer: Vec<Map<String, Value>> = self
            .client
            .send(
                Method::PATCH,
                self.bulk.clone(),
                &updates,
                Twice::IsHarmless,
            )
            .await?;
        // Whatever else answers with a success has written nothing.
        let answered: Vec<RecordId> = answer.iter().filter_map(key).collect();
        let is_changed = |(id, _): &(RecordId, F)| answered.contains(id);
        if answer.len() == changes.len() && changes.iter().all(is_changed) {
            Ok(())
        } else {
            Err(Error::Unreadable(Unreadable::WrongShape))
        }
    }

    /// One row.
    ///
    /// # Errors
    /// [`Error::RecordNotFound`].
    pub async fn get(&self, id: &RecordId) -> Result<Record, Error> {
        let url = extended(&self.url, &["records", id.as_str()]);
        let row: Record = self.client.get(url).await?;
        if row.id == *id {
            Ok(row)
        } else {
            Err(Error::Unreadable(Unreadable::WrongShape))
        }
    }

    /// Removes rows for good, ten per request, each request all or nothing.
    ///
    /// # Errors
    /// [`Error::RecordNotFound`] if one of the request's rows is not there: already gone, or gone by an attempt whose answer
    /// got lost.
    pub async fn delete(&self, ids: &[RecordId]) -> Result<(), Error> {
        for batch in ids.chunks(BATCH) {
            let body: Vec<_> = batch.iter().map(|id| Delete { id }).collect();
            let answer: Deleted = self
                .client
                .send(Method::DELETE, self.records(), &body, Twice::IsHarmless)
                .await?;
            let is_gone = |id: &RecordId| answer.records.iter().any(|row| row.id == *id);
            if !batch.iter().all(is_gone) {
                return Err(Error::Unreadable(Unreadable::WrongShape));
            }
        }
        Ok(())
    }

    /// The first rows of what matches, in the query's order.
    ///
    /// A short page is not the last one: servers clamp pages to a length of their own, and what an
    /// answer says of itself (`next`) has been wrong. So [`Page::has_more`] is `false` only where
    /// nothing came, or where the answer says so **and** this server has given more rows at once
    /// before. Anybody else asks for what stands behind the last row, until nothing comes.
    ///
    /// A page that is [`Unreadable::TooLarge`] is asked for again with half the rows, and the
    /// client's later ones begin there.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a filter that cannot be put; [`Error::Refused`] for a column that does not exist;
    /// [`Unreadable::TooLarge`] where a single row is.
    pub async fn list(&self, query: &Query) -> Result<Page, Error> {
        let mut rows = self.client.page_size(query.rows());
        loop {
            let mut url = self.records();
            url.query_pairs_mut().extend_pairs(query.parameters(rows)?);
            match self.client.get::<Records>(url).await {
                Ok(answer) if has_twice(&answer.records) => {
                    return Err(Error::Unreadable(Unreadable::WrongShape));
                }
                Ok(answer) => {
                    let count = u32::try_from(answer.records.len()).unwrap_or(u32::MAX);
                    let is_last = count == 0
                        || (answer.next.is_none()
                            && count < rows
                            && self.client.has_given_more_than(count));
                    self.client.page_came(rows, count);
                    return Ok(Page {
                        records: answer.records,
                        has_more: !is_last,
                    });
                }
                Err(Error::Unreadable(Unreadable::TooLarge)) if rows > 1 => {
                    rows /= 2;
                    self.client.page_was_too_large(rows);
                    tracing::info!(
                        rows,
                        "NocoDB's answer was too large; fewer rows are asked for"
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All rows that match, in the order of their keys: whatever comes or goes meanwhile, no other row
    /// is missed or seen twice. The table's key must be titled [`KEY`].
    #[must_use]
    pub fn pages(&self, filter: Option<Filter>, fields: &[&str], page_size: u32) -> Pages {
        let query = Query::new().fields(fields.iter().copied()).ascending(KEY);
        Pages {
            table: self.clone(),
            filter,
            query: query.page_size(page_size),
            after: None,
            is_over: false,
        }
    }

    /// How many rows match.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub async fn count(&self, filter: Option<&Filter>) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let mut url = extended(&self.url, &["count"]);
        if let Some(filter) = filter {
            url.query_pairs_mut()
                .append_pair("where", &filter.render()?);
        }
        self.client
            .get::<Count>(url)
            .await
            .map(|answer| answer.count)
    }

    fn records(&self) -> Url {
        extended(&self.url, &["records"])
    }

    async fn write(
        &self,
        method: Method,
        body: &impl Serialize,
        twice: Twice,
    ) -> Result<Vec<Record>, Error> {
        self.client
            .send::<Records>(method, self.records(), body, twice)
            .await
            .map(|answer| answer.records)
    }
}

/// Page after page; see [`Table::pages`].
#[derive(Debug)]
pub struct Pages {
    table: Table,
    filter: Option<Filter>,
    query: Query,
    after: Option<i64>,
    is_over: bool,
}

impl Pages {
    /// The next page's rows, or `None` after the last.
    ///
    /// # Errors
    /// As for [`Table::list`]; the same page may be asked for again by another call.
    /// [`Unreadable::WrongShape`] for rows that were not asked for, since then nobody knows what is
    /// missing.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let behind = self.after.map(|key| Filter::gt(KEY, key));
        let filter = match (self.filter.clone(), behind) {
            (Some(filter), Some(behind)) => Some(behind.and(filter)),
            (filter, behind) => filter.or(behind),
        };
        let query = match filter {
            Some(filter) => self.query.clone().filter(filter),
            None => self.query.clone(),
        };
        let page = self.table.list(&query).await?;
        for record in &page.records {
            let key = record.id.number();
            if key.is_none() || key <= self.after {
                return Err(Error::Unreadable(Unreadable::WrongShape));
            }
            self.after = key;
        }
        self.is_over = !page.has_more;
        Ok(Some(page.records).filter(|records| !records.is_empty()))
    }
}

/// Anything but an object would be accepted with `200` and write nothing (measured on 0.265.1).
fn object(fields: &(impl Serialize + ?Sized)) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(fields) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Error::invalid(
            "a record's fields",
            "must be a JSON object of column titles and values",
        )),
    }
}

/// The key of a row in an answer of API v2.
fn key(row: &Map<String, Value>) -> Option<RecordId> {
    serde_json::from_value(row.get(KEY)?.clone()).ok()
}

/// As many as were sent, and none twice.
fn all_of_them(records: &[Record], count: usize) -> Result<(), Error> {
    if records.len() == count && !has_twice(records) {
        Ok(())
    } else {
        Err(Error::Unreadable(Unreadable::WrongShape))
    }
}

fn has_twice(records: &[Record]) -> bool {
    let mut seen = std::collections::HashSet::new();
    !records.iter().all(|row| seen.insert(&row.id))
}

fn only(records: Vec<Record>) -> Result<Record, Error> {
    match <[Record; 1]>::try_from(records) {
        Ok([record]) => Ok(record),
        Err(_) => Err(Error::Unreadable(Unreadable::WrongShape)),
    }
}
