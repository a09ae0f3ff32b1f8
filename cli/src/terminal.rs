//! What is only for somebody at a terminal: lines, safe text, and a sign of life for what takes
//! longer than a second.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// What is over sooner needs no sign of life.
const AFTER: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Prints a line. Whoever stopped reading does not stop the work.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// What visitors, owners and servers wrote, without what could move the cursor, colour the screen
/// or turn the line around.
pub(crate) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|c: char| c.is_control() || turns(c), "\u{fffd}")
}

/// A spinner on standard error, and only where that is a terminal. Gone when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: JoinHandle<()>,
}

impl Progress {
    pub(crate) fn start(message: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(message);
        let later = bar.clone();
        let start = tokio::spawn(async move {
            tokio::time::sleep(AFTER).await;
            later.set_draw_target(ProgressDrawTarget::stderr());
            later.enable_steady_tick(TICK);
        });
        Self { bar, start }
    }

    /// Says how far it is.
    pub(crate) fn set(&self, message: String) {
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.start.abort();
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_command_the_terminal() {
        let text = printable("/a\u{1b}[2J\n\u{9b}\u{202e}b");
        assert_eq!(text, "/a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(printable("josé@例子.example"), "josé@例子.example");
    }
}
