//! Sessions as rows of a NocoDB table.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::columns::{
    ACTIVE_SECONDS, CURRENT_PAGE, EMAIL, END_REASON, ENDED_AT, LAST_SEEN, PAGES, START,
};
use super::{Ended, PAGE_SIZE, SessionPage, Store, StoreError};
use crate::email::Email;
use crate::nocodb::{Client, Config, Connections, Error, Filter, Query, Record, Table};
use crate::session::{EndReason, Figures, Heartbeat, Limits, Pages, RecordId, Session};
use crate::settings::NocoDbSettings;
use crate::timestamp::Timestamp;

/// Sessions in a NocoDB table.
pub struct NocoDbStore {
    table: Table,
    warned_of_missing_reason: AtomicBool,
}

impl NocoDbStore {
    /// A store over this table.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self {
            table,
            warned_of_missing_reason: AtomicBool::new(false),
        }
    }

    /// Connects by the settings, over connections that may be open already. Sends nothing yet.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a URL or an id that cannot be one.
    pub fn connect(
        settings: &NocoDbSettings,
        connections: Option<Connections>,
    ) -> Result<Self, Error> {
        let config = Config::new(settings.url.clone(), settings.token.clone());
        let client = Client::new(Config {
            connections,
            ..config
        })?;
        Ok(Self::new(client.table(
            &settings.base,
            settings.table.as_deref().unwrap_or_default(),
        )?))
    }

    async fn patch(
        &self,
        id: &RecordId,
        cells: &Map<String, Value>,
    ) -> Result<Session, StoreError> {
        let record = self.table.update(&id.as_str().parse()?, cells).await?;
        self.warn_of_missing_reason(&record);
        Ok(session(&record))
    }

    /// The row, where it is the session's own; see [`Heartbeat::confirmed_at`].
    async fn own_row(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let row = self.get(id).await?;
        if row.start <= heartbeat.confirmed_at {
            Ok(row)
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Once for each process: the table is checked by what it answers, so that no start-up has to
    /// wait for it.
    fn warn_of_missing_reason(&self, record: &Record) {
        if !record.fields.contains_key(END_REASON)
            && !self.warned_of_missing_reason.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                column = END_REASON,
                "the table lacks a column: endings do not reach other browsers; `lastseen setup` adds it"
            );
        }
    }
}

#[async_trait]
impl Store for NocoDbStore {
    async fn create(&self, email: &Email, start: Timestamp) -> Result<RecordId, StoreError> {
        let start = start.to_string();
        let cells = json!({ EMAIL: email.as_str(), START: start, LAST_SEEN: start });
        let record = self.table.create(&cells).await?;
        self.warn_of_missing_reason(&record);
        // Unknown columns are dropped without an error: a table without one of these would let
        // visitors in unrecorded.
        match [EMAIL, START, LAST_SEEN]
            .into_iter()
            .find(|column| !record.fields.contains_key(*column))
        {
            Some(column) => {
                tracing::error!(
                    column,
                    "the table lacks a column without which no visit is recorded; `lastseen setup` adds it"
                );
                Err(StoreError::NocoDb(Error::TableNotFound))
            }
            None => Ok(RecordId::new(record.id.as_str())),
        }
    }

    /// One round trip: the PATCH returns the whole row, which tells whether the session was ended
    /// elsewhere. It has overwritten what was stored, so a late snapshot is read and merged first,
    /// and the last seen of an ended session is put back.
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let stored = if heartbeat.is_late {
            Some(self.own_row(id, heartbeat).await?)
        } else {
            None
        };
        let figures = stored
            .as_ref()
            .map_or_else(|| heartbeat.figures.clone(), |row| row.fold(heartbeat));
        let row = self.patch(id, &figure_cells(&figures)).await?;
        if row.start > heartbeat.confirmed_at {
            // Another session's: its start is all that is known of it now, until its own next
            // heartbeat says more.
            let start_only = Figures {
                last_seen: row.start,
                active_seconds: None,
                current_page: None,
                pages: None,
            };
            self.patch(id, &figure_cells(&start_only)).await?;
            return Err(StoreError::NotFound);
        }
        let was_open = stored
            .as_ref()
            .is_none_or(|stored| stored.end_reason.is_none());
        if row.end_reason.is_none() || !was_open {
            return Ok(row);
        }
        let known = Session {
            last_seen: stored
                .as_ref()
                .map_or(heartbeat.known_last_seen, |stored| stored.last_seen),
            active_seconds: stored.map_or(Some(heartbeat.known_active_seconds), |stored| {
                stored.active_seconds
            }),
            ..row
        };
        let truth = Figures {
            current_page: None,
            pages: None,
            ..known.fold(heartbeat)
        };
        let active_seconds = truth
            .active_seconds
            .filter(|_| heartbeat.figures.active_seconds.is_some());
        self.patch(
            id,
            &figure_cells(&Figures {
                active_seconds,
                ..truth
            }),
        )
        .await
    }

    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let stored = self.own_row(id, heartbeat).await?;
        let already = stored.end_reason.is_some();
        let mut cells = figure_cells(&stored.fold(heartbeat));
        if !already {
            cells.extend(ending_cells(reason, now));
        }
        Ok(Ended {
            session: self.patch(id, &cells).await?,
            already,
        })
    }

    async fn end_all(
        &self,
        email: &str,
        reason: EndReason,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        // No token outlives the lifetime, so older rows are not open, whatever they say.
        let newest_dead = now.minus(limits.lifetime);
        let recent =
            Filter::eq(EMAIL, email).and(Filter::at_or_after(START, newest_dead.to_jiff()));
        let mut pages = self.table.pages(
            Query::new()
                .filter(recent)
                .ascending(START)
                .page_size(PAGE_SIZE.into()),
        );
        let mut endings = Vec::new();
        while let Some(records) = pages.next().await? {
            for record in records {
                let session = session(&record);
                if session.end_reason.is_none() {
                    let reason = session.reason_when_ended_with(reason, limits, now);
                    endings.push((record.id, ending_cells(reason, now)));
                }
            }
        }
        self.table.update_many(&endings).await?;
        Ok(endings.len())
    }

    async fn get(&self, id: &RecordId) -> Result<Session, StoreError> {
        let record = self.table.get(&id.as_str().parse()?).await?;
        Ok(session(&record))
    }

    async fn list(&self, email: Option<&Email>, page: u32) -> Result<SessionPage, StoreError> {
        let mut query = Query::new()
            .ascending(START)
            .page_size(PAGE_SIZE.into())
            .page(page + 1);
        if let Some(email) = email {
            query = query.filter(Filter::eq(EMAIL, email.as_str()));
        }
        let page = self.table.list(&query).await?;
        Ok(SessionPage {
            sessions: page
                .records
                .iter()
                .filter(|record| is_visit(record))
                .map(session)
                .collect(),
            has_more: page.has_more,
        })
    }
}

fn figure_cells(figures: &Figures) -> Map<String, Value> {
    let mut cells = Map::new();
    cells.insert(LAST_SEEN.to_owned(), json!(figures.last_seen.to_string()));
    if let Some(seconds) = figures.active_seconds {
        cells.insert(ACTIVE_SECONDS.to_owned(), json!(seconds));
    }
    if let Some(page) = &figures.current_page {
        cells.insert(CURRENT_PAGE.to_owned(), json!(page));
    }
    if let Some(pages) = &figures.pages {
        cells.insert(PAGES.to_owned(), json!(pages));
    }
    cells
}

fn ending_cells(reason: EndReason, now: Timestamp) -> Map<String, Value> {
    [
        (END_REASON.to_owned(), json!(reason.as_str())),
        (ENDED_AT.to_owned(), json!(now.to_string())),
    ]
    .into_iter()
    .collect()
}

/// A row without any time is one that an owner added by hand and left empty: nobody's visit.
fn is_visit(record: &Record) -> bool {
    let has = |column: &str| {
        record
            .fields
            .get(column)
            .is_some_and(|cell| !cell.is_null())
    };
    has(START) || has(LAST_SEEN)
}

/// Reads a row as an owner may have left it: a cell that cannot be read counts as empty, and a
/// missing time as the other one.
fn session(record: &Record) -> Session {
    let text = |column: &str| record.fields.get(column).and_then(Value::as_str);
    let time = |column: &str| text(column).and_then(|text| text.parse::<Timestamp>().ok());
    let (start, last_seen) = (time(START), time(LAST_SEEN));
    let start = start.or(last_seen).unwrap_or(Timestamp::from_unix(0));
    Session {
        id: RecordId::new(record.id.as_str()),
        email: text(EMAIL).unwrap_or_default().to_owned(),
        start,
        last_seen: last_seen.unwrap_or(start),
        end_reason: text(END_REASON).and_then(EndReason::from_cell),
        ended_at: time(ENDED_AT),
        active_seconds: record.fields.get(ACTIVE_SECONDS).and_then(Value::as_u64),
        current_page: text(CURRENT_PAGE).map(str::to_owned),
        pages: record.fields.get(PAGES).map(read_pages).unwrap_or_default(),
    }
}

/// A JSON column comes back as the object or as its text, depending on the database below NocoDB.
fn read_pages(cell: &Value) -> Pages {
    let pages = match cell {
        Value::String(text) => serde_json::from_str(text).ok(),
        value => serde_json::from_value(value.clone()).ok(),
    };
    pages.unwrap_or_default()
}
