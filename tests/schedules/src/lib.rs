//! Every order in which two browsers of one visitor, the owner, the writer and the jobs can meet, with a
//! store that is away, late, or answers twice, and processes that die between any two of its answers.
//!
//! The handlers, the rules and NocoDB's client are those that ship. What they reach is a model: a table
//! that is no kinder than NocoDB's ([`table`]), a queue like SQS's and a clock ([`world`]). What must hold
//! stands in [`monitor`], who does what in [`scenario`], and [`explore`] goes through all of it.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "only tests use it, and for them a panic is the report"
)]
#![allow(
    clippy::format_collect,
    clippy::match_same_arms,
    clippy::struct_excessive_bools,
    reason = "a model's state is many facts, and its tables are read line by line"
)]

pub mod actors;
pub mod browser;
pub mod explore;
pub mod monitor;
pub mod scenario;
pub mod sqlite;
pub mod table;
pub mod world;
