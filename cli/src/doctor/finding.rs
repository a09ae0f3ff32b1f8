//! One line of the report.

use std::fmt;

use crate::terminal::printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    /// Works, but something is turned off, or deserves a look.
    Mind,
    /// Does not work.
    Wrong,
}

/// What one check found. Never holds a secret or a visitor's address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    text: String,
}

impl Finding {
    pub(super) fn good(text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Good,
            text: text.into(),
        }
    }

    pub(super) fn mind(text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Mind,
            text: text.into(),
        }
    }

    /// What is wrong and, after a dash, the cure.
    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Wrong,
            text: text.into(),
        }
    }
}

/// Servers, tables and settings are quoted in it: nothing of theirs reaches the terminal raw.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Good => '✓',
            Mark::Mind => '!',
            Mark::Wrong => '✗',
        };
        write!(f, "{mark} {}", printable(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_wrote_cannot_command_the_terminal() {
        let finding = Finding::wrong("answered with \u{1b}[2J\u{202e} — mend it");
        assert_eq!(
            finding.to_string(),
            "✗ answered with \u{fffd}[2J\u{fffd} — mend it"
        );
    }
}
