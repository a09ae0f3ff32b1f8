//! Which visits a command is about: the same filters for `sessions` and `visitors` as the API has.

use std::time::Duration;

use shared::report::filter::Who;
use shared::report::{BadParameter, Filter};
use shared::session::{Limits, Session};
use shared::settings::{SettingError, StoreSettings, Variables, limits};
use shared::store::{Listing, PAGE_SIZE, Starts, Store, StoreError};
use shared::timestamp::Timestamp;

/// All are optional; a visit must pass every one that is given.
#[derive(clap::Args, Default)]
pub(crate) struct Filters {
    /// Only the visits of this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "domain")]
    email: Option<String>,
    /// Only the visits of addresses in this domain, such as example.com
    #[arg(long)]
    domain: Option<String>,
    /// Only those that began then or later: a date, or a moment such as 2026-11-01T09:00:00Z
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Only those that began by the end of this date, or before this moment
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Only those that are `open`, or that have `ended` (with a reason or without)
    #[arg(long)]
    state: Option<String>,
    /// Only those that ended so: logout, idle, expired, revoked, or none (the visitor vanished)
    #[arg(long)]
    reason: Option<String>,
    /// The time zone of dates, such as Europe/Berlin; UTC unless it is given
    #[arg(long = "tz", value_name = "ZONE")]
    zone: Option<String>,
}

/// The filters, and what they are held against.
pub(crate) struct Question {
    pub(crate) filter: Filter,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
}

/// They cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("--{0}")]
    Bad(#[from] BadParameter),
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl Filters {
    /// Reads them. Whether a visit is open depends on the time limits of the settings, and on `now`.
    ///
    /// # Errors
    /// [`FilterError`] names the filter, or the setting.
    pub(crate) fn read(
        &self,
        variables: &Variables,
        now: Timestamp,
    ) -> Result<Question, FilterError> {
        let given = [
            ("email", &self.email),
            ("domain", &self.domain),
            ("from", &self.from),
            ("to", &self.to),
            ("state", &self.state),
            ("reason", &self.reason),
            ("tz", &self.zone),
        ];
        let pairs = given
            .iter()
            .filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)));
        Ok(Question {
            filter: Filter::read(pairs, now)?,
            limits: limits(variables)?,
            now,
        })
    }
}

impl Question {
    /// What to say where no visit is meant: what to do about it.
    pub(crate) fn nothing_found(&self) -> String {
        let Filter {
            who,
            from,
            to,
            state,
            reason,
            zone: _,
        } = &self.filter;
        let is_whenever = from.is_none() && to.is_none() && state.is_none() && reason.is_none();
        match who {
            Some(Who::Visitor(email)) if is_whenever => {
                let email = email.as_str();
                format!("No visits of {email} yet. Without --email, all visits are listed.")
            }
            None if is_whenever => "No visits yet. One begins when a visitor leaves an email at \
                 the gate: try it yourself with `lastseen serve`, or with made-up ones by \
                 `lastseen demo`."
                .to_owned(),
            _ => "No visits pass these filters. Without them, all visits are listed.".to_owned(),
        }
    }

    /// Hands over page after page of the visits that are meant, in the order they began, at the pace
    /// that leaves the store room for visitors. Those whose start an owner emptied come last, by when
    /// they were last seen.
    ///
    /// # Errors
    /// What `take` says, and [`StoreError`].
    pub(crate) async fn each_page<E: From<StoreError>>(
        &self,
        store: &dyn Store,
        pause: Duration,
        mut take: impl FnMut(&[Session]) -> Result<(), E>,
    ) -> Result<(), E> {
        for starts in self.starts() {
            let listing = Listing {
                starts,
                page_size: PAGE_SIZE,
                ..Listing::of(match &self.filter.who {
                    Some(Who::Visitor(email)) => Some(email),
                    _ => None,
                })
            };
            let mut after = None;
            loop {
                let page = store.list(&listing, after.as_ref()).await?;
                after.clone_from(&page.rest);
                let mut sessions: Vec<Session> = page.told(&self.limits).collect();
                sessions.retain(|session| self.filter.matches(session, self.now, &self.limits));
                take(&sessions)?;
                if after.is_none() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    /// A store lists a range by the starts that are there. Rows whose start an owner emptied count as
    /// begun when they were last seen, so they are looked at besides.
    fn starts(&self) -> [Starts; 2] {
        let (from, before) = (self.filter.from, self.filter.to);
        [Starts::Between { from, before }, Starts::Missing]
    }
}

/// Opening a database makes one, which only listing should not.
pub(crate) fn no_database(settings: &StoreSettings) -> Option<String> {
    match settings {
        StoreSettings::Sqlite(path) if !path.exists() => Some(format!(
            "No visits yet: there is no database at {}. `lastseen serve` makes it when it starts; \
             DATABASE_PATH names another place, and NOCODB_URL a NocoDB.",
            path.display()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
