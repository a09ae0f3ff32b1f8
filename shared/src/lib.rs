//! What all of lastseen's programs share: the session rules, the token, the cookies, the gate's
//! decision, and the stores.
//!
//! Data flows one way: a request becomes a [`cookies::Presented`] session and a
//! [`snapshot::Snapshot`]; the pure rules in [`session`] make a [`session::Heartbeat`] of them; a
//! [`store::Store`] writes it; [`web`] says how it went.

pub mod app;
pub mod audit;
#[cfg(feature = "lambda")]
mod aws;
pub mod body;
pub mod causes;
pub mod client;
pub mod clock;
pub mod codes;
pub mod cookies;
pub mod duration;
pub mod email;
pub mod ending;
pub mod flood;
pub mod gate;
pub mod https;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod mail;
pub mod nocodb;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod origin;
pub mod owner;
pub mod queue;
pub mod redirect;
#[cfg(feature = "reports")]
pub mod report;
pub mod retry_after;
pub mod session;
pub mod setting_names;
pub mod settings;
pub mod sign_in_link;
pub mod site_path;
pub mod snapshot;
#[cfg(feature = "lambda")]
pub mod ssm;
pub mod store;
pub mod timestamp;
pub mod token;
pub mod web;
