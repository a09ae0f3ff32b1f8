//! What the owner asks about visits: which ones, in which state, and what they add up to.
//!
//! Pure rules over anything that is a [`Visit`], so that the functions and the command line count
//! alike. A visit belongs to a range by its start; totals include what open ones have so far,
//! medians only those that are over.

pub mod csv;
pub mod filter;
pub mod state;
pub mod visit;

pub use filter::{BadParameter, Filter};
pub use state::State;
pub use visit::Visit;
