//! What every handler is given: the checked settings and the store.

use std::sync::Arc;

use crate::codes::Codes;
#[cfg(feature = "smtp")]
use crate::codes::memory::MemoryCodes;
use crate::flood::Flood;
#[cfg(feature = "codes-on-aws")]
use crate::mail::Mailer;
#[cfg(feature = "smtp")]
use crate::mail::smtp::Smtp;
use crate::nocodb::{Connections, Throttle};
use crate::queue::{Queue, WriteBehind};
#[cfg(feature = "reports")]
use crate::report::Cache;
use crate::settings::{SettingError, Settings, StoreSettings, Variables, write_requests};
use crate::sign_in_link::SignInLinks;
use crate::store::Store;
use crate::store::nocodb_store::NocoDbStore;

/// Settings, store and limits, built once for each process.
#[derive(Clone)]
pub struct App {
    /// See [`Settings`].
    pub settings: Arc<Settings>,
    /// See [`Store`].
    pub store: Arc<dyn Store>,
    /// What stands in front of the store, for heartbeats and endings; see [`WriteBehind`].
    pub writes: Arc<WriteBehind>,
    /// See [`Codes`]. Only the program that answers the gate has them; where the settings ask for
    /// codes and there are none, nobody is let in.
    pub codes: Option<Arc<Codes>>,
    /// Links that sign the owner in; `None` where only the token does.
    pub sign_in_links: Option<Arc<dyn SignInLinks>>,
    /// See [`Flood`].
    pub flood: Arc<Flood>,
    /// See [`Cache`].
    #[cfg(feature = "reports")]
    pub reports: Arc<Cache>,
}

/// The program cannot start. One line that names what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// See [`SettingError`].
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The NocoDB client cannot be made from the settings.
    #[error("NOCODB_URL, NOCODB_BASE_ID or NOCODB_TABLE_ID: {0}")]
    NocoDb(#[from] crate::nocodb::Error),
    /// The database file cannot be opened.
    #[cfg(feature = "sqlite")]
    #[error("DATABASE_PATH: cannot open {path}: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// Why not.
        source: rusqlite::Error,
    },
}

impl App {
    /// Reads the settings and opens the store they name.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(variables: &Variables) -> Result<Self, StartError> {
        Self::start_over(variables, None)
    }

    /// The same, over connections to `NocoDB` that may be open already.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_over(
        variables: &Variables,
        connections: Option<Connections>,
    ) -> Result<Self, StartError> {
        let settings = Settings::read(variables)?;
        let throttle = match settings.store {
            StoreSettings::NocoDb(_) => Some(Throttle::per_second(write_requests(variables)?)),
            StoreSettings::Sqlite(_) => None,
        };
        let store = open_throttled_store(&settings.store, connections, throttle.clone())?;
        let writes = WriteBehind::without_queue(Arc::clone(&store), settings.limits);
        let writes = writes.throttled_by(throttle);
        Ok(Self {
            settings: Arc::new(settings),
            store,
            writes: Arc::new(writes),
            codes: None,
            sign_in_links: None,
            flood: Arc::default(),
            #[cfg(feature = "reports")]
            reports: Arc::default(),
        })
    }

    /// With a queue behind the store.
    #[must_use]
    pub fn with_queue(mut self, queue: Arc<dyn Queue>) -> Self {
        let (store, limits) = (Arc::clone(&self.store), self.settings.limits);
        let writes = match self.settings.store {
            StoreSettings::Sqlite(_) => WriteBehind::beside_sqlite(store, limits, queue),
            StoreSettings::NocoDb(_) => {
                WriteBehind::with_queue(store, limits, queue, self.settings.write_every)
            }
        };
        self.writes = Arc::new(writes.throttled_by(self.writes.throttle()));
        self
    }

    /// With the queue on AWS that `QUEUE_URL` names, where it names one.
    ///
    /// # Errors
    /// [`SettingError`] where batched mode is on and there is no queue.
    #[cfg(feature = "queue-on-aws")]
    pub fn with_queue_on_aws(self, variables: &Variables) -> Result<Self, SettingError> {
        use crate::queue::sqs::SqsQueue;
        match crate::settings::queue_url(variables) {
            Some(url) => {
                let queue = Arc::new(SqsQueue::new(variables, url));
                let (store, settings) = (Arc::clone(&self.store), Arc::clone(&self.settings));
                let (limits, every) = (settings.limits, settings.write_every);
                let mut writes = WriteBehind::with_queue(store, limits, queue, every);
                if let Some(url) = crate::settings::endings_url(variables) {
                    writes = writes.told_by(Arc::new(SqsQueue::new(variables, url)));
                }
                let writes = writes.throttled_by(self.writes.throttle());
                Ok(Self {
                    writes: Arc::new(writes),
                    ..self
                })
            }
            None if self.settings.write_every.is_some() => Err(SettingError {
                name: crate::settings::QUEUE_URL,
                problem: "is missing; WRITE_EVERY_SECONDS needs the queue that the stack makes"
                    .to_owned(),
            }),
            None => Ok(self),
        }
    }

    /// With codes, where the settings ask for them: kept in memory, and mailed by SMTP. For one
    /// process alone.
    ///
    /// # Errors
    /// [`SettingError`] where `SMTP_URL` is missing, or `CODES_TABLE` names a table on AWS.
    #[cfg(feature = "smtp")]
    pub fn with_codes(mut self) -> Result<Self, SettingError> {
        if let Some(settings) = &self.settings.codes {
            let smtp = settings.mail_server()?;
            let mailer = Smtp::new(smtp, &settings.from, &self.settings.audience)?;
            self.codes = Some(Arc::new(Codes {
                store: Box::new(MemoryCodes::default()),
                mailer: Box::new(mailer),
            }));
        }
        Ok(self)
    }

    /// With codes, where the settings ask for them: kept in DynamoDB, where every sandbox sees
    /// them, and mailed by SMTP or SES.
    ///
    /// # Errors
    /// [`SettingError`] where `CODES_TABLE` is missing.
    #[cfg(feature = "codes-on-aws")]
    pub fn with_codes_on_aws(mut self, variables: &Variables) -> Result<Self, SettingError> {
        if let Some(settings) = &self.settings.codes {
            let Some(table) = &settings.table else {
                return Err(SettingError {
                    name: "CODES_TABLE",
                    problem: "is missing; VERIFY_EMAIL=code keeps codes in that table of DynamoDB"
                        .to_owned(),
                });
            };
            let mailer: Box<dyn Mailer> = match &settings.smtp {
                Some(smtp) => Box::new(Smtp::new(smtp, &settings.from, &self.settings.audience)?),
                None => Box::new(crate::mail::ses::Ses::new(variables, &settings.from)),
            };
            self.codes = Some(Arc::new(Codes {
                store: Box::new(crate::codes::dynamodb::DynamoCodes::new(variables, table)),
                mailer,
            }));
        }
        Ok(self)
    }
}

/// Opens the store that the settings name.
///
/// # Errors
/// [`StartError`].
pub fn open_store(
    settings: &StoreSettings,
    connections: Option<Connections>,
) -> Result<Arc<dyn Store>, StartError> {
    open_throttled_store(settings, connections, None)
}

fn open_throttled_store(
    settings: &StoreSettings,
    connections: Option<Connections>,
    throttle: Option<Throttle>,
) -> Result<Arc<dyn Store>, StartError> {
    match settings {
        StoreSettings::NocoDb(nocodb) => {
            let store = NocoDbStore::connect(nocodb, connections, throttle)?;
            Ok(Arc::new(store))
        }
        #[cfg(feature = "sqlite")]
        StoreSettings::Sqlite(path) => match crate::store::sqlite::SqliteStore::open(path) {
            Ok(store) => Ok(Arc::new(store)),
            Err(source) => Err(StartError::Sqlite {
                path: path.display().to_string(),
                source,
            }),
        },
        #[cfg(not(feature = "sqlite"))]
        StoreSettings::Sqlite(_) => Err(StartError::Setting(SettingError {
            name: "NOCODB_URL",
            problem: "is missing; only `lastseen serve` can do without a NocoDB".to_owned(),
        })),
    }
}
