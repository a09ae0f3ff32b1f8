//! What every handler is given: the checked settings and the store.

use std::sync::Arc;

use crate::nocodb::Connections;
use crate::settings::{SettingError, Settings, StoreSettings, Variables};
use crate::store::Store;
use crate::store::nocodb_store::NocoDbStore;

/// Settings and store, built once for each process.
#[derive(Clone)]
pub struct App {
    /// See [`Settings`].
    pub settings: Arc<Settings>,
    /// See [`Store`].
    pub store: Arc<dyn Store>,
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
        let store = open_store(&settings.store, connections)?;
        Ok(Self {
            settings: Arc::new(settings),
            store,
        })
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
    match settings {
        StoreSettings::NocoDb(nocodb) => Ok(Arc::new(NocoDbStore::connect(nocodb, connections)?)),
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
