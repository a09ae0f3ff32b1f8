//! A client for [NocoDB](https://nocodb.com)'s API v3: rows in, rows out, and the little of the
//! meta API that setting up and checking a table needs.
//!
//! It is written against what released servers do, not against their documentation: where a comment
//! says *measured*, the behaviour was seen on 0.265.1 (and 0.301.3 where named), self-hosted on
//! SQLite.
//!
//! - Every request is bounded: in time (per attempt and in total), in the size of the answer, in the number of attempts.
//! - No value can change the meaning of a query, however it is written: see [`Filter`].
//! - Errors are meanings, not status codes: see [`Error`]. Neither they nor any `Debug` output hold the token or a row's values.
//!
//! ```no_run
//! # async fn example() -> Result<(), shared::nocodb::Error> {
//! use shared::nocodb::{Client, Config, Filter, Query};
//!
//! # #[expect(clippy::unwrap_used)]
//! let url = "https://app.nocodb.com".parse().unwrap();
//! let client = Client::new(Config::new(url, "the API token".to_owned().into()))?;
//! let people = client.table("p1a2b3c4d5e6f7g", "m1a2b3c4d5e6f7g")?;
//!
//! let record = people.create(&serde_json::json!({ "email": "o'brien@example.com" })).await?;
//! people.update(&record.id, &serde_json::json!({ "visits": 2 })).await?;
//! let page = people.list(&Query::new().filter(Filter::eq("email", "o'brien@example.com"))).await?;
//! # let _ = page; Ok(()) }
//! ```

#![allow(clippy::doc_markdown, reason = "NocoDB and SQLite are names, not code")]

mod client;
mod config;
mod connections;
mod error;
mod filter;
mod meta;
mod query;
mod record;
mod retry;
mod table;
mod throttle;

pub use client::Client;
pub use config::Config;
pub use connections::{Connections, Wire};
pub use error::{Error, ServerMessage, Unreachable, Unreadable};
pub use filter::Filter;
pub use meta::{Base, DEFAULT_WORKSPACE, Field, FieldSpec, TableInfo, TableSchema};
pub use query::{Query, Sort};
pub use record::{Page, Record, RecordId};
pub use retry::Retry;
pub use table::{BATCH, BULK, KEY, Pages, Table};
pub use throttle::{Place, Throttle};
