//! Errors for the log, and for people at a terminal.

use std::error::Error;

/// An error with its causes. The AWS SDK's own way of showing them adds pages of structure.
#[must_use]
pub fn in_one_line(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
