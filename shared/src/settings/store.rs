//! Where sessions live, and how to get there.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{SettingError, Variables, address, wrong};
use crate::store::PAGE_SIZE;

/// Where sessions live.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// `NOCODB_URL` is set.
    NocoDb(NocoDbSettings),
    /// It is not: SQLite at `DATABASE_PATH`, for `serve`.
    Sqlite(PathBuf),
}

/// How to reach the `NocoDB` table.
#[derive(Clone, Debug)]
pub struct NocoDbSettings {
    /// `NOCODB_URL`.
    pub url: Url,
    /// `NOCODB_BASE_ID`.
    pub base: String,
    /// `NOCODB_TABLE_ID`; `setup` finds or creates it.
    pub table: Option<String>,
    /// `NOCODB_API_TOKEN`.
    pub token: SecretString,
}

/// How fast long work goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At most so many rows are changed in one step.
    pub rows: usize,
    /// Then it waits.
    pub pause: Duration,
}

/// NocoDB's cloud takes five requests a second from a token and then none for 30 s, which would
/// lock visitors out too. A step lists rows and changes ten, which is two requests; so this leaves
/// visitors more than half.
const ON_CLOUD: Pace = Pace {
    rows: 10,
    pause: Duration::from_millis(800),
};
const ELSEWHERE: Pace = Pace {
    rows: PAGE_SIZE as usize,
    pause: Duration::ZERO,
};

impl StoreSettings {
    /// Reads where sessions live.
    ///
    /// # Errors
    /// The first [`SettingError`].
    pub fn read(variables: &Variables) -> Result<Self, SettingError> {
        if variables.get("NOCODB_URL").is_none() {
            return Ok(Self::Sqlite(
                variables
                    .get("DATABASE_PATH")
                    .unwrap_or("data/lastseen.db")
                    .into(),
            ));
        }
        let settings = NocoDbSettings::read(variables)?;
        if settings.table.is_none() {
            return Err(wrong(
                "NOCODB_TABLE_ID",
                "is missing; `lastseen setup` creates the table and prints its id",
            ));
        }
        Ok(Self::NocoDb(settings))
    }

    /// How fast work of many requests may go on.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let is_cloud = |domain: &str| domain == "nocodb.com" || domain.ends_with(".nocodb.com");
        match self {
            Self::NocoDb(nocodb) if nocodb.url.domain().is_some_and(is_cloud) => ON_CLOUD,
            _ => ELSEWHERE,
        }
    }
}

impl NocoDbSettings {
    /// Reads how to reach `NocoDB`.
    ///
    /// # Errors
    /// The first [`SettingError`].
    pub fn read(variables: &Variables) -> Result<Self, SettingError> {
        let text = variables.require(
            "NOCODB_URL",
            "it is the address of your NocoDB, such as https://app.nocodb.com",
        )?;
        let read = "the token and the visitors' addresses";
        let url = address::address("NOCODB_URL", text, read)?;
        let because = "NOCODB_URL is set";
        let id = |name: &'static str, id: &str| {
            let fits = id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if fits {
                Ok(id.to_owned())
            } else {
                Err(wrong(
                    name,
                    "must be letters, digits, `-` and `_`, as in the address bar of NocoDB",
                ))
            }
        };
        let token = variables.require("NOCODB_API_TOKEN", because)?;
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong(
                "NOCODB_API_TOKEN",
                "must be one line of visible characters",
            ));
        }
        Ok(Self {
            url,
            base: id(
                "NOCODB_BASE_ID",
                variables.require("NOCODB_BASE_ID", because)?,
            )?,
            table: variables
                .get("NOCODB_TABLE_ID")
                .map(|table| id("NOCODB_TABLE_ID", table))
                .transpose()?,
            token: variables.require("NOCODB_API_TOKEN", because)?.into(),
        })
    }
}
