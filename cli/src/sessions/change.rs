//! `lastseen sessions revoke` and `lastseen sessions forget`: the owner ends sessions, or erases a
//! visitor.

use std::process::ExitCode;

use shared::app::open_store;
use shared::email::{Email, InvalidEmail};
use shared::ending::{self, Step};
use shared::session::{EndReason, Limits, RecordId};
use shared::settings::{Pace, StoreSettings, Variables, limits};
use shared::store::{Store, StoreError};
use shared::timestamp::Timestamp;

use crate::CommandResult;
use crate::filters::no_database;
use crate::listing::ListError;
use crate::terminal::{Progress, say};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// End sessions: by id, all of a visitor, or all there are
    ///
    /// Whoever is looking is out with the next heartbeat or page. The visits stay in the table, with
    /// `revoked` as their end reason; one that had ended keeps its own.
    Revoke(Whose),
    /// Delete all visits of an address for good, and end those that are open
    Forget {
        /// The address
        #[arg(value_name = "ADDRESS")]
        email: String,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// The id of a session, as `lastseen sessions` shows it; several are separated by spaces
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All open sessions of this address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// All sessions there are, by this machine's clock; takes effect at once, however many that is
    #[arg(long)]
    all: bool,
}

/// What is asked for, read as far as it can be without the store.
enum Wish<'a> {
    RevokeIds(&'a [String]),
    RevokeVisitor(Email),
    RevokeAll,
    Forget(Email),
}

impl<'a> Wish<'a> {
    fn read(command: &'a Command) -> Result<Self, InvalidEmail> {
        Ok(match command {
            Command::Forget { email } => Self::Forget(Email::parse(email)?),
            Command::Revoke(Whose { all: true, .. }) => Self::RevokeAll,
            Command::Revoke(Whose {
                email: Some(email), ..
            }) => Self::RevokeVisitor(Email::parse(email)?),
            Command::Revoke(Whose { ids, .. }) => Self::RevokeIds(ids),
        })
    }
}

pub(crate) async fn run(variables: &Variables, command: &Command) -> CommandResult {
    let wish = Wish::read(command)?;
    let settings = StoreSettings::read(variables)?;
    let limits = limits(variables)?;
    if let Some(note) = no_database(&settings) {
        say(note);
        return Ok(ExitCode::SUCCESS);
    }
    let store = open_store(&settings, None)?;
    let owner = Owner {
        store: store.as_ref(),
        pace: settings.pace(),
        limits,
        now: Timestamp::now(),
    };
    Ok(match wish {
        Wish::RevokeIds(ids) => owner.revoke(ids).await?,
        Wish::RevokeVisitor(email) => owner.revoke_visitor(&email).await?,
        Wish::RevokeAll => owner.revoke_all().await?,
        Wish::Forget(email) => owner.forget(&email).await?,
    })
}

struct Owner<'a> {
    store: &'a dyn Store,
    pace: Pace,
    limits: Limits,
    now: Timestamp,
}

impl Owner<'_> {
    async fn revoke(&self, ids: &[String]) -> Result<ExitCode, ListError> {
        let mut code = ExitCode::SUCCESS;
        for id in ids {
            let id = RecordId::new(id.as_str());
            let row = match self.store.told(&id, &self.limits).await {
                Err(StoreError::NotFound) => {
                    eprintln!("lastseen: there is no session {id}");
                    code = ExitCode::FAILURE;
                    continue;
                }
                row => row?,
            };
            if let Some(reason) = row.end_reason {
                say(format!("Session {id} had ended before ({reason})."));
                continue;
            }
            let reason = row.reason_when_ended_with(EndReason::Revoked, &self.limits, self.now);
            let endings = [(id.clone(), reason)];
            self.store.end_many(&endings, self.now).await?;
            say(format!("Session {id} is ended ({reason})."));
        }
        Ok(code)
    }

    async fn revoke_visitor(&self, email: &Email) -> Result<ExitCode, ListError> {
        say(match self.close(Some(email.as_str())).await? {
            0 => "No session of this visitor is open.".to_owned(),
            1 => "Ended 1 session.".to_owned(),
            count => format!("Ended {count} sessions."),
        });
        Ok(ExitCode::SUCCESS)
    }

    async fn revoke_all(&self) -> Result<ExitCode, ListError> {
        self.store.end_everything(self.now).await?;
        say(format!(
            "Every session that began until {} is ended. Closing their rows:",
            self.now
        ));
        match self.close(None).await {
            Ok(count) => {
                say(format!("closed {count} rows."));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                say(
                    "not all rows could be closed, which lets nobody back in. The rest is closed when their browsers ask.",
                );
                Err(error.into())
            }
        }
    }

    async fn close(&self, email: Option<&str>) -> Result<usize, StoreError> {
        self.page_by_page("closed", async || {
            let (limits, now) = (&self.limits, self.now);
            ending::end_open(
                self.store,
                email,
                EndReason::Revoked,
                limits,
                now,
                self.pace.rows,
            )
            .await
        })
        .await
    }

    async fn forget(&self, email: &Email) -> Result<ExitCode, ListError> {
        let deleted = self
            .page_by_page("deleted", async || {
                ending::forget(self.store, email, self.pace.rows).await
            })
            .await?;
        say(match deleted {
            0 => "There was no visit of this address.".to_owned(),
            1 => "Deleted 1 visit.".to_owned(),
            count => format!("Deleted {count} visits."),
        });
        Ok(ExitCode::SUCCESS)
    }

    /// Goes on until nothing is left, and shows how far it is.
    async fn page_by_page(
        &self,
        done: &'static str,
        step: impl AsyncFn() -> Result<Step, StoreError>,
    ) -> Result<usize, StoreError> {
        let progress = Progress::start(done);
        let mut count = 0;
        loop {
            let Step {
                count: more,
                has_more,
            } = step().await?;
            count += more;
            if !has_more {
                return Ok(count);
            }
            progress.set(format!("{done} {count} rows"));
            tokio::time::sleep(self.pace.pause).await;
        }
    }
}
