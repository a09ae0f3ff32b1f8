//! `lastseen serve`, `sessions`, `demo`, `setup`, `doctor`, `notify`, `files`, `admin` and `keys`, as people run them: the built program, a SQLite file
//! of the test's own, and a real NocoDB, named by `NOCODB_TEST_URL` and `NOCODB_TEST_TOKEN` (`make
//! test` and `tests/nocodb/with-server` set them).
#![allow(
    clippy::unwrap_used,
    reason = "a failed test should stop where it fails"
)]

mod changes;
mod demo;
mod doctor;
mod files;
mod keys;
mod live;
mod notify;
mod outsider;
mod place;
mod serve;
mod sessions;
mod setup;
mod tables;
mod visitors;
mod visits;
