//! The NocoDB client against servers that misbehave on purpose, and against a real NocoDB.
//!
//! The real one is named by `NOCODB_TEST_URL` and `NOCODB_TEST_TOKEN`; `make test` and
//! `tests/nocodb/with-server` set them.
#![allow(
    clippy::unwrap_used,
    reason = "a failed test should stop where it fails"
)]
#![allow(clippy::doc_markdown, reason = "NocoDB is a name, not code")]

#[path = "support/nocodb_faults.rs"]
mod faults;
#[path = "support/nocodb_filters.rs"]
mod filters;
#[path = "support/nocodb_place.rs"]
mod place;
#[path = "support/nocodb_real.rs"]
mod real;
#[path = "support/stub_server.rs"]
mod stub;
