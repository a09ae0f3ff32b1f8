//! The row of a visit: how it is made, and how it goes, alone of all rows.

use shared::session::{Limits, RecordId, Session};
use shared::store::StoreError;
use shared::timestamp::Timestamp;
use shared::token::{Claims, new_session_id};

use super::{Checked, Guest, NAME, SEE_STORE, Visit};
use crate::doctor::finding::Finding;

/// Not those of the settings, which may be seconds: looking must not find a deadline that has passed.
const LIMITS: Limits = Limits {
    idle_timeout: 86_400,
    lifetime: 86_400,
};

impl Visit<'_> {
    /// What the gate's function does for a visitor, done here: nobody but the owner could.
    pub(super) async fn comes_in(&self) -> Checked<Guest> {
        let said = |error: &dyn std::fmt::Display, left: &str| {
            Finding::wrong(format!(
                "a visit cannot be recorded: {error} — nobody can be let in: {SEE_STORE}{left}"
            ))
        };
        let settings = self.settings;
        let start = Timestamp::now();
        let session_id = new_session_id().map_err(|error| said(&error, ""))?;
        let consent = settings.consent_version.as_deref();
        let record = match self.store.create(&self.email, start, consent).await {
            Ok(record) => record,
            Err(error) => return Err(said(&error, &self.clean_up(start).await)),
        };
        let claims = Claims::start(
            &settings.audience,
            session_id,
            record.clone(),
            &LIMITS,
            start,
        );
        let cookie = match settings.cookies.write(&claims, &settings.keys, start) {
            Ok([cookie, _]) => cookie.to_str().unwrap_or_default().to_owned(),
            Err(error) => {
                let left = match self.delete(&record, start).await {
                    Ok(()) => String::new(),
                    Err(_) => self.may_be_left(start),
                };
                return Err(said(&error, &left));
            }
        };
        Ok(Guest {
            record,
            start,
            cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
        })
    }

    /// A row may have been made although the store's answer says otherwise, or never came. Deletes it, or
    /// says how to find it.
    async fn clean_up(&self, start: Timestamp) -> String {
        // Without an id, a visitor's own row of that second looks the same.
        if !self.is_made_up() {
            return self.may_be_left(start);
        }
        let Ok(page) = self
            .store
            .open(Some(self.email.as_str()), start, None)
            .await
        else {
            return self.may_be_left(start);
        };
        let mut rows = page
            .sessions
            .iter()
            .filter(|row| self.is_ours(row, start))
            .peekable();
        // One that lacks a column is not found.
        let mut is_left = rows.peek().is_none();
        for row in rows {
            is_left |= self.delete(&row.id, start).await.is_err();
        }
        if is_left {
            self.may_be_left(start)
        } else {
            "; the row that was made is deleted".to_owned()
        }
    }

    fn may_be_left(&self, start: Timestamp) -> String {
        let whose = if self.is_made_up() {
            self.email.as_str()
        } else {
            "the first address in ALLOWED_EMAILS that may come in"
        };
        format!("; if the table has a row of {whose} from {start}, delete it")
    }

    /// Whether nobody has the address. Else it is a visitor's, whom no finding names.
    fn is_made_up(&self) -> bool {
        self.email.as_str().split('@').next() == Some(NAME)
    }

    /// Deletes a row and makes sure that it is gone; once more where that fails.
    pub(super) async fn delete(&self, record: &RecordId, start: Timestamp) -> Result<(), String> {
        match self.delete_once(record, start).await {
            Ok(()) => Ok(()),
            Err(_) => self.delete_once(record, start).await,
        }
    }

    async fn delete_once(&self, record: &RecordId, start: Timestamp) -> Result<(), String> {
        if !self.is_there(record, start).await? {
            return Ok(());
        }
        let deleted = self.store.delete(std::slice::from_ref(record)).await;
        deleted.map_err(|error| error.to_string())?;
        if self.is_there(record, start).await? {
            return Err("it is still there".to_owned());
        }
        Ok(())
    }

    /// Whether our row is. The store may have given its id to somebody who came in since: NocoDB does
    /// over SQLite, where the newest row was deleted.
    async fn is_there(&self, record: &RecordId, start: Timestamp) -> Result<bool, String> {
        match self.store.get(record).await {
            Ok(row) => Ok(self.is_ours(&row, start)),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_ours(&self, row: &Session, start: Timestamp) -> bool {
        row.email == self.email.as_str() && row.start == start
    }
}
