//! Sessions as rows.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::session::{EndReason, Heartbeat, Pages, RecordId, Session};
use crate::store::StoreError;
use crate::store::cells::{self, Cell};
use crate::store::columns::EVERYONE;
use crate::timestamp::Timestamp;

/// The moments of [`Store::end_everything`](crate::store::Store::end_everything).
pub(super) fn everything_ended(db: &Connection) -> Result<Vec<Timestamp>, rusqlite::Error> {
    let mut select = db.prepare_cached(
        "SELECT sessionStartTime FROM emailAccess WHERE emailOfAccessor = :everyone",
    )?;
    let moments = select.query_map(named_params! { ":everyone": EVERYONE }, |row| {
        let text = row.get_ref(0)?.as_str().ok();
        Ok(text.and_then(|text| text.parse().ok()))
    })?;
    moments.filter_map(Result::transpose).collect()
}

/// A row as it stands.
pub(super) fn stored(db: &Connection, id: &RecordId) -> Result<Session, StoreError> {
    let mut select = db.prepare_cached("SELECT * FROM emailAccess WHERE id = :id")?;
    select
        .query_row(named_params! { ":id": id.as_str() }, session)
        .optional()?
        .ok_or(StoreError::NotFound)
}

/// Reads a row, after writing into it that everything was ended, where that is so.
pub(super) fn read(db: &Connection, id: &RecordId) -> Result<Session, StoreError> {
    let newest = everything_ended(db)?.into_iter().max();
    let (row, closed_at) = stored(db, id)?.closed_by(newest);
    if let Some(moment) = closed_at {
        write_ending(db, id, EndReason::Revoked, moment)?;
    }
    Ok(row)
}

/// The same, where the row is the session's own.
pub(super) fn own_row(
    db: &Connection,
    id: &RecordId,
    heartbeat: &Heartbeat,
) -> Result<Session, StoreError> {
    let row = read(db, id)?;
    if row.is_of(heartbeat.start) {
        Ok(row)
    } else {
        Err(StoreError::NotFound)
    }
}

/// Figures by page, as their column holds them.
pub(super) fn written(pages: &Pages) -> String {
    serde_json::to_string(pages).unwrap_or_default()
}

/// Folds a heartbeat into its row and returns the row as it stands then.
pub(super) fn fold(
    db: &Connection,
    id: &RecordId,
    heartbeat: &Heartbeat,
) -> Result<Session, StoreError> {
    let row = own_row(db, id, heartbeat)?;
    let figures = row.fold(heartbeat);
    let pages = figures.pages.as_ref().map(written);
    let mut update = db.prepare_cached(
        "UPDATE emailAccess SET sessionEndTime = :last_seen, activeSeconds = :active, currentPage = :page, pages = coalesce(:pages, pages)
         WHERE id = :id",
    )?;
    update.execute(named_params! {
        ":last_seen": figures.last_seen.to_string(),
        ":active": figures.active_seconds.map(u64::cast_signed),
        ":page": figures.current_page,
        ":pages": pages,
        ":id": id.as_str(),
    })?;
    Ok(Session {
        last_seen: figures.last_seen,
        active_seconds: figures.active_seconds,
        current_page: figures.current_page,
        pages: figures.pages.unwrap_or(row.pages),
        ..row
    })
}

/// Writes a reason where there is none: the first one stays.
pub(super) fn write_ending(
    db: &Connection,
    id: &RecordId,
    reason: EndReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut update = db.prepare_cached(
        "UPDATE emailAccess SET endReason = :reason, endedAt = :now
         WHERE id = :id AND trim(coalesce(endReason, '')) = ''",
    )?;
    update.execute(
        named_params! { ":reason": reason.as_str(), ":now": now.to_string(), ":id": id.as_str() },
    )?;
    Ok(())
}

/// Reads a row as an owner may have left it; see [`cells`].
pub(super) fn session(row: &Row<'_>) -> Result<Session, rusqlite::Error> {
    let id = RecordId::new(row.get::<_, i64>("id")?.to_string());
    Ok(cells::session(id, |column| {
        row.get_ref(column).map_or(Cell::Empty, Cell::from_sqlite)
    }))
}
