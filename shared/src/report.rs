//! What the owner asks about visits: which ones, in which state, and what they add up to.
//!
//! Pure rules over anything that is a [`Visit`], so that the functions and the command line count
//! alike. A visit belongs to a range by its start; totals include what open ones have so far,
//! medians only those that are over. [`Cache`] keeps what was read of the table; the rules are given
//! its [`View`].

pub mod answers;
pub mod cache;
pub mod csv;
pub mod cursor;
pub mod filter;
pub mod median;
pub mod periods;
pub mod row;
pub mod sessions;
pub mod state;
pub mod summary;
pub mod view;
pub mod visit;
pub mod visitors;

pub use cache::Cache;
pub use filter::{BadParameter, Filter};
pub use row::Row;
pub use state::State;
pub use view::View;
pub use visit::Visit;
