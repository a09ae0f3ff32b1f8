//! Sessions as rows of a NocoDB table.

mod cells;
mod reading;
mod refusals;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use cells::{
    change_cells, changed_cells, column_error, ending_cells, figure_cells, has_time, is_before,
    is_everyone, keeps_last_seen, missing, session, session_cells,
};
use reading::{By, Columns, WHOLE, WITHOUT_PAGES, lacks};
use refusals::{Cells, OF_A_VISIT, Refusals};

use super::columns::{CONSENT, EMAIL, END_REASON, ENDED_AT, EVERYONE, LAST_SEEN, START};
use super::{
    After, Change, ColumnProblem, Ended, LARGEST_PAGE, Listing, Moment, Order, PAGE_SIZE, Rows,
    SessionPage, Span, Starts, Store, StoreError,
};
use crate::clock::Learned;
use crate::email::Email;
use crate::nocodb::{
    BATCH, BULK, Client, Config, Connections, Error, Filter, Query, Record, Table, Throttle,
    Unreadable,
};
use crate::session::{EndReason, Figures, Heartbeat, RecordId, Session};
use crate::settings::NocoDbSettings;
use crate::timestamp::Timestamp;

/// For how long a process believes what it last read of [`EVERYONE`]: the lateness of ending all
/// sessions, and at most one request in so many seconds, however many heartbeats come in.
const EVERYTHING_ENDED_AGE: Duration = Duration::from_secs(5);

/// Sessions in a NocoDB table.
pub struct NocoDbStore {
    table: Table,
    columns: Columns,
    /// Some times are days, or none: listings go by the key.
    times_are_odd: AtomicBool,
    warned_of_missing_reason: AtomicBool,
    refusals: Refusals,
    everything_ended: Mutex<EverythingEnded>,
}

/// A row after a write, and what it does not hold of it.
struct Patched {
    row: Session,
    problem: Option<StoreError>,
}

/// See [`Store::end_everything`].
#[derive(Clone, Default)]
struct EverythingEnded {
    moments: Vec<Timestamp>,
    read_at: Option<Learned>,
}

impl EverythingEnded {
    fn newest(&self) -> Option<Timestamp> {
        self.moments.iter().copied().max()
    }
}

impl NocoDbStore {
    /// A store over this table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            columns: Columns::default(),
            times_are_odd: AtomicBool::new(false),
            warned_of_missing_reason: AtomicBool::new(false),
            refusals: Refusals::default(),
            everything_ended: Mutex::default(),
        }
    }

    /// Connects by the settings, over connections that may be open already. Sends nothing yet, and later
    /// as fast as the throttle lets it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a URL or an id that cannot be one.
    pub fn connect(
        settings: &NocoDbSettings,
        connections: Option<Connections>,
        throttle: Option<Throttle>,
    ) -> Result<Self, Error> {
        let config = Config::new(settings.url.clone(), settings.token.clone());
        let client = Client::new(Config {
            connections,
            throttle,
            ..config
        })?;
        Ok(Self::new(client.table(
            &settings.base,
            settings.table.as_deref().unwrap_or_default(),
        )?))
    }

    /// Writes what the table takes, and says what it did not.
    async fn patch(&self, id: &RecordId, cells: Cells) -> Result<Patched, StoreError> {
        let id = id.as_str().parse()?;
        let writes = |column: &str| cells.contains_key(column);
        let (writes_last_seen, writes_ending) = (writes(LAST_SEEN), writes(END_REASON));
        let mut attempt = self.refusals.attempt(vec![cells], &OF_A_VISIT);
        let record = loop {
            let answer = match &attempt.rows[..] {
                [cells] if !cells.is_empty() => self.table.update(&id, cells).await,
                _ => self.table.get(&id).await,
            };
            match answer {
                Ok(record) => break record,
                Err(error) => self.refusals.after(error, &mut attempt)?,
            }
        };
        let left_out = attempt.left_out;
        self.warn_of_missing_reason(&record);
        let problem = if let Err(error) = missing(&record, &[EMAIL, START]) {
            Some(error)
        } else if writes_ending && left_out.contains(&END_REASON) {
            Some(column_error(END_REASON, ColumnProblem::Refuses))
        } else if !writes_last_seen {
            None
        } else if let Err(error) = missing(&record, &[LAST_SEEN]) {
            Some(error)
        } else if left_out.contains(&LAST_SEEN) || !keeps_last_seen(&record) {
            Some(column_error(LAST_SEEN, ColumnProblem::Refuses))
        } else {
            None
        };
        Ok(Patched {
            row: session(&record),
            problem,
        })
    }

    /// Adds a row. One that lacks what it is there for is taken back: nobody is let in unrecorded, and
    /// who tries again and again leaves nothing.
    async fn add(
        &self,
        cells: Cells,
        needed: &[&'static str],
        may_lack: &'static [&'static str],
    ) -> Result<Record, StoreError> {
        let mut attempt = self.refusals.attempt(vec![cells], may_lack);
        let record = loop {
            match self.table.create(&attempt.rows[0]).await {
                Ok(record) => break record,
                Err(error) => self.refusals.after(error, &mut attempt)?,
            }
        };
        match missing(&record, needed) {
            Ok(()) => Ok(record),
            Err(error) => Err(self.taken_back(&record, error).await),
        }
    }

    /// Deletes a row that was just added, for this reason.
    async fn taken_back(&self, record: &Record, reason: StoreError) -> StoreError {
        if let Err(error) = self.table.delete(std::slice::from_ref(&record.id)).await {
            tracing::warn!(
                record = record.id.as_str(),
                error = error.to_string(),
                "a row of nobody is left in the table"
            );
        }
        reason
    }

    /// Writes endings alone through the older API, which takes a word in most columns that refuse it
    /// otherwise (measured on 0.265.1: not in a choice without that option). Says which rows refuse it
    /// there, too.
    async fn end_unchecked(
        &self,
        endings: &[(RecordId, Cells)],
    ) -> Result<Vec<RecordId>, StoreError> {
        let mut refused = Vec::new();
        for (id, cells) in endings {
            let ending = [END_REASON, ENDED_AT].into_iter();
            let ending =
                ending.filter_map(|column| Some((column.to_owned(), cells.get(column)?.clone())));
            let change = (id.as_str().parse()?, ending.collect::<Cells>());
            match self.table.update_bulk(&[change]).await {
                Ok(()) | Err(Error::RecordNotFound) => {}
                Err(Error::Refused { .. }) => refused.push(id.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(refused)
    }

    /// The row, and when everything was ended, where that has not been written into it yet.
    async fn read(&self, id: &RecordId) -> Result<(Session, Option<Timestamp>), StoreError> {
        let id = id.as_str().parse()?;
        let (record, not_before) = tokio::join!(self.table.get(&id), self.read_not_before());
        let record = record?;
        missing(&record, &[EMAIL, START])?;
        Ok(session(&record).closed_by(not_before))
    }

    /// The same, where the row is the session's own; see [`Session::is_of`].
    async fn own_row(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
    ) -> Result<(Session, Option<Timestamp>), StoreError> {
        let (row, closed_at) = self.read(id).await?;
        if row.is_of(heartbeat.start) {
            Ok((row, closed_at))
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// When everything was last ended, not older than [`NOT_BEFORE_AGE`]. Where it cannot be read,
    /// what was known before: an outage throws nobody out.
    async fn read_everything_ended(&self) -> EverythingEnded {
        let known = self.known_everything_ended();
        if known
            .read_at
            .is_some_and(|read_at| read_at.age() < EVERYTHING_ENDED_AGE)
        {
            return known;
        }
        match self.everyone_rows().await {
            Ok(rows) => {
                let read = EverythingEnded {
                    moments: rows.iter().map(|record| session(record).start).collect(),
                    read_at: Some(Learned::now()),
                };
                self.remember_everything_ended(read.clone());
                read
            }
            Err(error) => {
                tracing::warn!(
                    error = error.to_string(),
                    "whether everything was ended could not be read"
                );
                known
            }
        }
    }

    /// All rows of [`EVERYONE`].
    async fn everyone_rows(&self) -> Result<Vec<Record>, Error> {
        let everyone = Some(Filter::eq(EMAIL, EVERYONE));
        let columns = [EMAIL, START, LAST_SEEN];
        let mut pages = self.table.pages(everyone, &columns, LARGEST_PAGE.into());
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await? {
            // A server that drops the condition must not end everything.
            rows.extend(page.into_iter().filter(is_everyone));
        }
        Ok(rows)
    }

    /// The newest moment of these.
    async fn read_not_before(&self) -> Option<Timestamp> {
        self.read_everything_ended().await.newest()
    }

    /// One by one, those that are still there.
    async fn update_those_there(
        &self,
        changes: &[(crate::nocodb::RecordId, Map<String, Value>)],
    ) -> Result<Vec<Record>, Error> {
        let mut rows = Vec::new();
        for (id, cells) in changes {
            match self.table.update(id, cells).await {
                Ok(row) => rows.push(row),
                Err(Error::RecordNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    fn known_everything_ended(&self) -> EverythingEnded {
        self.everything_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember_everything_ended(&self, known: EverythingEnded) {
        *self
            .everything_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = known;
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
    async fn create(
        &self,
        email: &Email,
        start: Timestamp,
        consent: Option<&str>,
    ) -> Result<RecordId, StoreError> {
        let start = json!(start.to_string());
        let mut cells = Cells::new();
        cells.insert(EMAIL.to_owned(), json!(email.as_str()));
        cells.insert(START.to_owned(), start.clone());
        cells.insert(LAST_SEEN.to_owned(), start);
        if let Some(version) = consent {
            cells.insert(CONSENT.to_owned(), json!(version));
        }
        let record = self
            .add(cells, &[EMAIL, START, LAST_SEEN], &[CONSENT])
            .await?;
        self.warn_of_missing_reason(&record);
        Ok(RecordId::new(record.id.as_str()))
    }

    /// One round trip: the PATCH returns the whole row, which tells whether the session was ended
    /// elsewhere. It has overwritten what was stored, so a late snapshot is read and merged first,
    /// and the last seen of an ended session is put back.
    async fn heartbeat(&self, id: &RecordId, heartbeat: &Heartbeat) -> Result<Session, StoreError> {
        let stored = if heartbeat.is_late {
            Some(self.own_row(id, heartbeat).await?.0)
        } else {
            None
        };
        let cells = match &stored {
            Some(row) => changed_cells(row, row.fold(heartbeat)),
            None => figure_cells(&heartbeat.figures),
        };
        let (patched, not_before) = tokio::join!(self.patch(id, cells), self.read_not_before());
        let Patched { row, problem } = patched?;
        let (row, closed_at) = row.closed_by(not_before);
        if let Some(problem) = problem {
            // An owner's word ends the session, whatever became of the other columns.
            return match row.end_reason {
                Some(_) => Ok(row),
                None => Err(problem),
            };
        }
        if !row.is_of(heartbeat.start) {
            // Another session's, of which no more is known until its own next heartbeat; or ours, whose
            // start an owner edited.
            let start_only = Figures {
                last_seen: row.start.max(heartbeat.known_last_seen),
                active_seconds: None,
                current_page: None,
                pages: None,
            };
            self.patch(id, figure_cells(&start_only)).await?;
            return Err(StoreError::NotFound);
        }
        let was_open = stored
            .as_ref()
            .is_none_or(|stored| stored.end_reason.is_none());
        if row.end_reason.is_none() || (!was_open && closed_at.is_none()) {
            return Ok(row);
        }
        let known = Session {
            // Where the ending waited in a queue, this may have been written after its moment.
            last_seen: stored
                .as_ref()
                .map_or(heartbeat.known_last_seen, |stored| stored.last_seen)
                .min(row.ended_at.unwrap_or(heartbeat.known_last_seen)),
            active_seconds: stored
                .as_ref()
                .map_or(Some(heartbeat.known_active_seconds), |stored| {
                    stored.active_seconds
                }),
            pages: stored.map(|stored| stored.pages).unwrap_or_default(),
            ..row
        };
        // All of the snapshot up to the ending, in every column that it has written.
        let truth = known.fold(heartbeat);
        let active_seconds = truth
            .active_seconds
            .filter(|_| heartbeat.figures.active_seconds.is_some());
        let mut cells = figure_cells(&Figures {
            active_seconds,
            current_page: None,
            ..truth.clone()
        });
        if let Some(moment) = closed_at {
            cells.extend(ending_cells(EndReason::Revoked, moment));
        }
        match self.patch(id, cells).await {
            // A table without the column for reasons does not say it back.
            Ok(corrected) => Ok(corrected.row.closed_by(closed_at).0),
            // That it ended is known all the same, and must not be forgotten with the rest.
            Err(error) => {
                tracing::error!(
                    record = id.as_str(),
                    error = error.to_string(),
                    "the last seen of an ended session could not be put back"
                );
                Ok(Session {
                    last_seen: truth.last_seen,
                    ..known
                })
            }
        }
    }

    async fn end(
        &self,
        id: &RecordId,
        heartbeat: &Heartbeat,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let (stored, closed_at) = self.own_row(id, heartbeat).await?;
        let already = stored.end_reason.is_some();
        if already && heartbeat.past_deadline && closed_at.is_none() {
            return Ok(Ended {
                session: stored,
                already,
            });
        }
        let mut cells = changed_cells(&stored, stored.fold(heartbeat));
        if let Some(moment) = closed_at {
            cells.extend(ending_cells(EndReason::Revoked, moment));
        } else if !already {
            cells.extend(ending_cells(reason, now));
        }
        let ending = cells.clone();
        let Patched { mut row, problem } = self.patch(id, cells).await?;
        match problem {
            Some(StoreError::Column {
                column: END_REASON, ..
            }) => {
                let refused = self.end_unchecked(&[(id.clone(), ending)]).await?;
                if !refused.is_empty() && closed_at.is_none() {
                    return Err(reasons_refused(refused));
                }
                row.end_reason = row.end_reason.or(Some(reason));
                row.ended_at = row.ended_at.or(Some(now));
            }
            Some(problem) => return Err(problem),
            None => {}
        }
        Ok(Ended {
            session: row.closed_by(closed_at).0,
            already,
        })
    }

    async fn open(
        &self,
        email: Option<&str>,
        since: Timestamp,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let open = Filter::blank(END_REASON).and(Filter::at_or_after(START, since.to_jiff()));
        let filter = match email {
            Some(email) => open.and(Filter::eq(EMAIL, email)),
            None => open,
        };
        let by = By::start(Order::OldestFirst);
        let page = self.page(Some(filter), by, PAGE_SIZE, &WITHOUT_PAGES, after);
        match page.await {
            // Without a column for starts, whoever ends all sessions ends the rows of older ones, too.
            Err(error) if lacks(&error, START) && email.is_none() => {
                let open = Some(Filter::blank(END_REASON));
                let page = self.page(open, By::KEY, PAGE_SIZE, &WITHOUT_PAGES, after);
                Ok(visits(page.await?))
            }
            page => Ok(visits(page?)),
        }
    }

    async fn end_many(
        &self,
        endings: &[(RecordId, EndReason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut refused = Vec::new();
        for some in endings.chunks(BATCH) {
            let ids = some
                .iter()
                .map(|(id, _)| id.as_str().parse())
                .collect::<Result<Vec<_>, Error>>()?;
            let cells: Vec<_> = some
                .iter()
                .map(|(_, reason)| ending_cells(*reason, now))
                .collect();
            let mut attempt = self
                .refusals
                .attempt(cells.clone(), &[END_REASON, ENDED_AT]);
            let rows = loop {
                let changes = ids.iter().cloned().zip(attempt.rows.iter().cloned());
                let changes: Vec<_> = changes.filter(|(_, cells)| !cells.is_empty()).collect();
                let answer = match self.table.update_many(&changes).await {
                    // One of ten is gone, and none of the ten was changed.
                    Err(Error::RecordNotFound) => self.update_those_there(&changes).await,
                    rows => rows,
                };
                match answer {
                    Ok(rows) => break rows,
                    Err(error) => self.refusals.after(error, &mut attempt)?,
                }
            };
            if attempt.left_out.contains(&END_REASON) {
                let endings = some.iter().zip(cells);
                let endings: Vec<_> = endings
                    .map(|((id, _), cells)| (id.clone(), cells))
                    .collect();
                refused.extend(self.end_unchecked(&endings).await?);
            }
            // A column that is not there is dropped without an error: whoever asks for open sessions
            // again would be given the same ones for ever.
            for row in &rows {
                missing(row, &[END_REASON])?;
            }
        }
        if refused.is_empty() {
            Ok(())
        } else {
            Err(reasons_refused(refused))
        }
    }

    async fn end_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        let moment = now.to_string();
        let mut cells = ending_cells(EndReason::Revoked, now);
        for (column, value) in [(EMAIL, EVERYONE), (START, &moment), (LAST_SEEN, &moment)] {
            cells.insert(column.to_owned(), json!(value));
        }
        let may_lack = &[END_REASON, ENDED_AT, LAST_SEEN];
        let record = self.add(cells, &[EMAIL, START], may_lack).await?;
        // What does not read as that moment ends nothing.
        if !is_everyone(&record) || session(&record).start != now {
            let error = column_error(START, ColumnProblem::Refuses);
            return Err(self.taken_back(&record, error).await);
        }
        let mut known = self.known_everything_ended();
        known.moments.push(now);
        // Another row may hold a later moment.
        known.read_at = None;
        self.remember_everything_ended(known);
        Ok(())
    }

    async fn not_before(&self) -> Option<Timestamp> {
        self.known_everything_ended().newest()
    }

    async fn seen_before(&self, moment: Timestamp) -> Result<Vec<RecordId>, StoreError> {
        let old = Filter::before(LAST_SEEN, moment.to_jiff());
        // A last seen that an owner emptied counts as the start.
        let begun = Filter::blank(LAST_SEEN).and(Filter::before(START, moment.to_jiff()));
        let query = Query::new()
            .filter(old.or(begun))
            .ascending(LAST_SEEN)
            .fields([START, LAST_SEEN])
            .page_size(PAGE_SIZE.into());
        let page = self.table.list(&query).await?;
        let old = page
            .records
            .iter()
            .filter(|record| is_before(record, moment));
        let old: Vec<_> = old.map(id_of).collect();
        // A server that drops the condition must not have others deleted.
        if old.is_empty() && !page.records.is_empty() {
            return Err(Error::Unreadable(Unreadable::WrongShape).into());
        }
        Ok(old)
    }

    async fn delete(&self, ids: &[RecordId]) -> Result<(), StoreError> {
        let ids = ids
            .iter()
            .map(|id| id.as_str().parse())
            .collect::<Result<Vec<_>, Error>>()?;
        match self.table.delete(&ids).await {
            Err(Error::RecordNotFound) => {}
            result => return Ok(result?),
        }
        // One of ten was gone already, and none of the ten was deleted.
        for id in ids {
            match self.table.delete(&[id]).await {
                Ok(()) | Err(Error::RecordNotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn import(&self, sessions: &[Session]) -> Result<(), StoreError> {
        let rows: Vec<_> = sessions.iter().map(session_cells).collect();
        let added = self.table.create_many(&rows).await?;
        let first = added.first();
        first.map_or(Ok(()), |row| missing(row, &[EMAIL, START, LAST_SEEN]))
    }

    async fn with_address_ending(&self, end: &str) -> Result<Vec<RecordId>, StoreError> {
        let filter = Some(Filter::ends_with(EMAIL, end));
        let mut pages = self.table.pages(filter, &[EMAIL], PAGE_SIZE.into());
        // What the server finds, letter case and wildcards aside: a server that drops the condition must
        // not have others deleted.
        let ends_so = |record: &&Record| {
            let email = record.fields.get(EMAIL).and_then(Value::as_str);
            email.is_some_and(|email| email.ends_with(end))
        };
        while let Some(page) = pages.next().await? {
            let found: Vec<_> = page.iter().filter(ends_so).map(id_of).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn row(&self, id: &RecordId) -> Result<(Session, Vec<Timestamp>), StoreError> {
        // What cannot be an id names no row.
        let id = id.as_str().parse().map_err(|_| StoreError::NotFound)?;
        let (record, ended) = tokio::join!(self.table.get(&id), self.read_everything_ended());
        let record = record?;
        missing(&record, &[EMAIL, START])?;
        if !has_time(&record) || is_everyone(&record) {
            return Err(StoreError::NotFound);
        }
        Ok((session(&record), ended.moments))
    }

    /// When everything was ended is what [`read_everything`](Store::read_everything) read.
    async fn rows(&self, ids: &[RecordId]) -> Result<Rows, StoreError> {
        let rows = self.by_ids(ids).await?;
        Ok(Rows {
            everything_ended: self.known_everything_ended().moments,
            ..rows
        })
    }

    fn everything_is_stale(&self) -> bool {
        let read_at = self.known_everything_ended().read_at;
        read_at.is_none_or(|read_at| read_at.age() >= EVERYTHING_ENDED_AGE)
    }

    async fn read_everything(&self) {
        self.read_everything_ended().await;
    }

    async fn write_many(&self, changes: &[(RecordId, Change)]) -> Result<(), StoreError> {
        let mut refused = (Vec::new(), Vec::new());
        for some in changes.chunks(BULK) {
            let ids = some
                .iter()
                .map(|(id, _)| id.as_str().parse())
                .collect::<Result<Vec<_>, Error>>()?;
            let cells: Vec<_> = some
                .iter()
                .map(|(_, change)| change_cells(change))
                .collect();
            let mut attempt = self.refusals.attempt(cells.clone(), &OF_A_VISIT);
            loop {
                let changes = ids.iter().cloned().zip(attempt.rows.iter().cloned());
                let changes: Vec<_> = changes.filter(|(_, cells)| !cells.is_empty()).collect();
                let answer = if changes.is_empty() {
                    Ok(())
                } else {
                    self.table.update_bulk(&changes).await
                };
                match answer {
                    Ok(()) => break,
                    Err(error) => self.refusals.after(error, &mut attempt)?,
                }
            }
            let left_out = attempt.left_out;
            let (reasons, times) = &mut refused;
            if left_out.contains(&END_REASON) {
                let endings = some.iter().zip(cells);
                let endings = endings.filter(|((_, change), _)| change.ending.is_some());
                let endings: Vec<_> = endings
                    .map(|((id, _), cells)| (id.clone(), cells))
                    .collect();
                reasons.extend(self.end_unchecked(&endings).await?);
            }
            if left_out.contains(&LAST_SEEN) {
                let rows = some.iter().filter(|(_, change)| change.last_seen.is_some());
                times.extend(rows.map(|(id, _)| id.clone()));
            }
        }
        match refused {
            (reasons, times) if reasons.is_empty() && times.is_empty() => Ok(()),
            (mut rows, times) if times.is_empty() => {
                rows.dedup();
                Err(reasons_refused(rows))
            }
            (reasons, mut rows) => {
                rows.extend(reasons);
                Err(StoreError::Column {
                    column: LAST_SEEN,
                    problem: ColumnProblem::Refuses,
                    rows,
                })
            }
        }
    }

    async fn ended(
        &self,
        began: Timestamp,
        since: Option<Timestamp>,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let ended = Filter::not_blank(END_REASON).and(Filter::at_or_after(START, began.to_jiff()));
        let (filter, by) = match since {
            Some(since) => (
                ended
                    .clone()
                    .and(Filter::at_or_after(ENDED_AT, since.to_jiff())),
                By::ending(),
            ),
            None => (ended.clone().and(Filter::blank(ENDED_AT)), By::KEY),
        };
        let read = async |filter, by| {
            let filter = Some(filter);
            self.page(filter, by, LARGEST_PAGE, &WITHOUT_PAGES, after)
                .await
        };
        match read(filter, by).await {
            // Without the column for moments, every ending is one that nobody wrote down; without
            // the one for reasons, nothing ends.
            Err(error) if lacks(&error, ENDED_AT) && since.is_none() => {
                match read(ended, By::KEY).await {
                    Err(error) if lacks(&error, END_REASON) => Ok(SessionPage::default()),
                    page => Ok(page?),
                }
            }
            Err(error) if lacks(&error, ENDED_AT) || lacks(&error, END_REASON) => {
                Ok(SessionPage::default())
            }
            page => Ok(page?),
        }
    }

    async fn within(
        &self,
        since: Timestamp,
        spans: &[Span],
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let read = async |spans: Vec<Filter>| {
            let Some(any) = spans.into_iter().reduce(Filter::or) else {
                return Ok(SessionPage::default());
            };
            let filter = Filter::at_or_after(START, since.to_jiff()).and(any);
            let by = By::start(Order::OldestFirst);
            self.page(Some(filter), by, PAGE_SIZE, &WHOLE, after).await
        };
        match read(spans.iter().map(condition).collect()).await {
            // Of the columns with moments, only this one may be missing.
            Err(error) if lacks(&error, ENDED_AT) => {
                let others = spans.iter().filter(|span| span.moment != Moment::EndedAt);
                Ok(read(others.map(condition).collect()).await?)
            }
            page => Ok(page?),
        }
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&After>,
    ) -> Result<SessionPage, StoreError> {
        let by = match listing.starts {
            Starts::All | Starts::Missing => By::key(listing.order),
            Starts::Between { .. } => By::start(listing.order),
        };
        let email = listing.email.as_ref();
        let of_email = email.map(|email| Filter::eq(EMAIL, email.as_str()));
        let filter = both(of_email, began(listing.starts));
        let page = self.page(filter, by, listing.page_size, &WHOLE, after);
        let (page, ended) = tokio::join!(page, self.read_everything_ended());
        Ok(SessionPage {
            everything_ended: ended.moments,
            ..visits(page?)
        })
    }

    async fn count(&self, starts: Starts) -> Result<u64, StoreError> {
        // What a listing shows.
        let visits = Filter::neq(EMAIL, EVERYONE)
            .and(Filter::not_blank(START).or(Filter::not_blank(LAST_SEEN)));
        let filter = both(Some(visits), began(starts));
        Ok(self.table.count(filter.as_ref()).await?)
    }
}

fn id_of(record: &Record) -> RecordId {
    RecordId::new(record.id.as_str())
}

/// Without the rows that end everything.
fn visits(mut page: SessionPage) -> SessionPage {
    page.sessions.retain(|session| session.email != EVERYONE);
    page
}

fn reasons_refused(rows: Vec<RecordId>) -> StoreError {
    StoreError::Column {
        column: END_REASON,
        problem: ColumnProblem::Refuses,
        rows,
    }
}

fn both(one: Option<Filter>, other: Option<Filter>) -> Option<Filter> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

fn began(starts: Starts) -> Option<Filter> {
    match starts {
        Starts::All => None,
        Starts::Missing => Some(Filter::blank(START)),
        Starts::Between { from, before } => both(
            from.map(|moment| Filter::at_or_after(START, moment.to_jiff())),
            before.map(|moment| Filter::before(START, moment.to_jiff())),
        )
        .or_else(|| Some(Filter::not_blank(START))),
    }
}

/// Whether a row has the span's moment in it.
fn condition(span: &Span) -> Filter {
    let within = |column: &str| {
        Filter::at_or_after(column, span.from.to_jiff())
            .and(Filter::before(column, span.to.to_jiff()))
    };
    match span.moment {
        Moment::Start => within(START).and(Filter::neq(EMAIL, EVERYONE)),
        Moment::LastSeen => within(LAST_SEEN).and(Filter::neq(EMAIL, EVERYONE)),
        Moment::EndedAt => within(ENDED_AT).and(Filter::neq(EMAIL, EVERYONE)),
        Moment::EverythingEnded => within(START).and(Filter::eq(EMAIL, EVERYONE)),
    }
}
