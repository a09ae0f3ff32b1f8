//! What goes wrong between lastseen and its store, on schedule and by a seed, and a story of visitors
//! that is told twice: once while nothing goes wrong, and once with faults. In the end both tables have
//! to say the same.
//!
//! The handlers, the queue, what empties it, NocoDB's client and the NocoDB server are the real ones.
//! Time is an argument everywhere, so that an outage of an hour takes no hour; only the patience of the
//! client is shorter.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "only tests use it, and for them a panic is the report"
)]

pub mod place;
pub mod proxy;
pub mod story;

/// The seed of this run: 1, so that a test that passed passes again; `FAULT_SEED` tells another story, and
/// `FAULT_SEED=any` one that nobody has heard. Printed, so that a failure can be told again.
#[must_use]
pub fn seed() -> u64 {
    let seed = match std::env::var("FAULT_SEED").as_deref() {
        Ok("any") => anything().into(),
        Ok(text) => text.parse().unwrap(),
        Err(_) => 1,
    };
    println!("FAULT_SEED={seed} tells this again");
    seed
}

/// A number that nobody chose.
fn anything() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
