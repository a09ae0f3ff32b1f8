//! Sign-in links in a SQLite file, which a command and a running `serve` share.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::{LIFETIME_SECONDS, LinksError, SignInLinks, Worth};
use crate::store::sqlite::file::open_to_write;
use crate::timestamp::Timestamp;
use crate::token::new_secret;

/// So long a link is remembered after it was made, to say what became of it.
const REMEMBERED_SECONDS: u64 = 7 * 86_400;

/// Of a link only a digest is kept: who reads the file cannot sign in by it.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS links (
        digest BLOB PRIMARY KEY,
        made   INTEGER NOT NULL,
        used   INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS page (
        one     INTEGER PRIMARY KEY CHECK (one = 1),
        address TEXT NOT NULL
    );";

/// See the module.
#[derive(Clone)]
pub struct SqliteLinks(Arc<Mutex<Connection>>);

impl From<rusqlite::Error> for LinksError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl SqliteLinks {
    /// Opens the file, and creates it, for its owner alone, and its folder where they are missing.
    ///
    /// # Errors
    /// Where the folder cannot be made or the file is no database.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let connection = open_to_write(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Makes a link, and returns its code.
    ///
    /// # Errors
    /// [`LinksError`] where the file cannot be written, or the system has no random bytes.
    pub fn make(&self, now: Timestamp) -> Result<String, LinksError> {
        let code = new_secret()
            .map_err(|_| LinksError("the system has no random bytes to give".to_owned()))?;
        let db = self.lock();
        db.execute(
            "DELETE FROM links WHERE made < :oldest",
            named_params! { ":oldest": now.minus(REMEMBERED_SECONDS).as_unix() },
        )?;
        db.execute(
            "INSERT INTO links (digest, made) VALUES (:digest, :now)",
            named_params! { ":digest": digest_of(&code), ":now": now.as_unix() },
        )?;
        Ok(code)
    }

    /// Notes where the owner signs in, or that there is no page for it.
    ///
    /// # Errors
    /// [`LinksError`].
    pub fn set_page(&self, address: Option<&str>) -> Result<(), LinksError> {
        let db = self.lock();
        match address {
            Some(address) => db.execute(
                "INSERT INTO page (one, address) VALUES (1, :address)
                 ON CONFLICT (one) DO UPDATE SET address = :address",
                named_params! { ":address": address },
            )?,
            None => db.execute("DELETE FROM page", [])?,
        };
        Ok(())
    }

    /// Where the owner signs in, as the last start of `serve` had it.
    ///
    /// # Errors
    /// [`LinksError`].
    pub fn page(&self) -> Result<Option<String>, LinksError> {
        let select = "SELECT address FROM page";
        let page = self.lock().query_row(select, [], |row| row.get(0));
        Ok(page.optional()?)
    }

    fn spend_now(&self, code: &str, now: Timestamp) -> Result<Worth, LinksError> {
        let db = self.lock();
        let digest = digest_of(code);
        // One statement looks and writes: of two at once, one changes nothing.
        let spent = db.execute(
            "UPDATE links SET used = :now
             WHERE digest = :digest AND used IS NULL AND made <= :now AND made > :oldest",
            named_params! {
                ":digest": digest,
                ":now": now.as_unix(),
                ":oldest": now.minus(LIFETIME_SECONDS).as_unix(),
            },
        )?;
        if spent == 1 {
            return Ok(Worth::Good);
        }
        let select = "SELECT used IS NOT NULL FROM links WHERE digest = :digest";
        let is_used = db
            .query_row(select, named_params! { ":digest": digest }, |row| {
                row.get(0)
            })
            .optional()?;
        Ok(match is_used {
            Some(true) => Worth::Used,
            Some(false) => Worth::Expired,
            None => Worth::Unknown,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // No statement is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SignInLinks for SqliteLinks {
    async fn spend(&self, code: &str, now: Timestamp) -> Result<Worth, LinksError> {
        let (links, code) = (self.clone(), code.to_owned());
        let spend = move || links.spend_now(&code, now);
        tokio::task::spawn_blocking(spend)
            .await
            .map_err(|error| LinksError(error.to_string()))?
    }
}

fn digest_of(code: &str) -> Vec<u8> {
    digest(&SHA256, code.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);

    fn links() -> (tempfile::TempDir, SqliteLinks) {
        let home = tempfile::tempdir().unwrap();
        let links = SqliteLinks::open(&home.path().join("data/sign-in.db")).unwrap();
        (home, links)
    }

    #[test]
    fn a_link_is_good_once_and_for_ten_minutes() {
        let (_home, links) = links();
        for (seconds, expected) in [
            (0, Worth::Good),
            (599, Worth::Good),
            (600, Worth::Expired),
            (86_400, Worth::Expired),
        ] {
            let code = links.make(NOW).unwrap();
            let then = NOW.plus(seconds);
            assert_eq!(links.spend_now(&code, then).unwrap(), expected, "{seconds}");
            let again = links.spend_now(&code, then).unwrap();
            assert_ne!(again, Worth::Good, "{seconds}");
            if expected == Worth::Good {
                assert_eq!(again, Worth::Used, "{seconds}");
            }
        }
        for other in ["", "x", "\u{0}", "' OR 1=1 --"] {
            assert_eq!(links.spend_now(other, NOW).unwrap(), Worth::Unknown);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_link_live_longer() {
        let (_home, links) = links();
        let code = links.make(NOW).unwrap();
        assert_eq!(
            links.spend_now(&code, NOW.minus(3_600)).unwrap(),
            Worth::Expired
        );
        assert_eq!(
            links.spend_now(&code, NOW.plus(3_600)).unwrap(),
            Worth::Expired
        );
    }

    #[test]
    fn a_spent_link_stays_spent_over_a_restart_and_the_file_holds_no_code() {
        let (home, links) = links();
        let (spent, unspent) = (links.make(NOW).unwrap(), links.make(NOW).unwrap());
        assert_eq!(links.spend_now(&spent, NOW).unwrap(), Worth::Good);
        links.set_page(Some("http://127.0.0.1:1/admin/")).unwrap();
        drop(links);
        let path = home.path().join("data/sign-in.db");
        let bytes = std::fs::read(&path).unwrap();
        for code in [&spent, &unspent] {
            let code = code.as_bytes();
            assert!(!bytes.windows(code.len()).any(|window| window == code));
        }
        let links = SqliteLinks::open(&path).unwrap();
        assert_eq!(links.spend_now(&spent, NOW).unwrap(), Worth::Used);
        assert_eq!(links.spend_now(&unspent, NOW).unwrap(), Worth::Good);
        assert_eq!(
            links.page().unwrap().as_deref(),
            Some("http://127.0.0.1:1/admin/")
        );
        links.set_page(None).unwrap();
        assert_eq!(links.page().unwrap(), None);
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let (home, links) = links();
        let path = home.path().join("data/sign-in.db");
        let code = links.make(NOW).unwrap();
        let racing: Vec<_> = (0..8)
            .map(|_| {
                // Each as a process of its own would have it.
                let (links, code) = (SqliteLinks::open(&path).unwrap(), code.clone());
                std::thread::spawn(move || links.spend_now(&code, NOW).unwrap())
            })
            .collect();
        let told: Vec<Worth> = racing.into_iter().map(|one| one.join().unwrap()).collect();
        let good = told.iter().filter(|worth| **worth == Worth::Good).count();
        let used = told.iter().filter(|worth| **worth == Worth::Used).count();
        assert_eq!((good, used), (1, 7));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::MetadataExt;
        let (home, links) = links();
        links.make(NOW).unwrap();
        for name in ["sign-in.db", "sign-in.db-wal"] {
            let metadata = std::fs::metadata(home.path().join("data").join(name)).unwrap();
            assert_eq!(metadata.mode() & 0o077, 0, "{name}");
        }
    }
}
