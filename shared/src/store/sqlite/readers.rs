//! Connections that only read, opened as they are needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::database::DatabaseError;
use super::file::open_to_read;

/// At the same time. Each may hold 2 MB of the file in memory; a page of 1,000 rows takes some 20 ms.
const MOST: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Semaphore,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Arc::default(),
            places: Semaphore::new(MOST),
        }
    }

    /// See [`super::database::Database::read`].
    pub(super) async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        // Nobody closes the semaphore.
        let _place = self.places.acquire().await;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let run = move || {
            let known = lock(&idle).pop();
            let mut connection = match known {
                Some(connection) => connection,
                None => open_to_read(&path).map_err(DatabaseError::from)?,
            };
            let transaction = connection.transaction().map_err(DatabaseError::from)?;
            let result = work(&transaction);
            drop(transaction);
            // After an error the next one opens the file anew.
            if result.is_ok() {
                lock(&idle).push(connection);
            }
            result
        };
        tokio::task::spawn_blocking(run)
            .await
            .unwrap_or_else(|_| Err(DatabaseError::Stopped.into()))
    }
}

/// A lock that is held for no longer than a list takes to change.
fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
