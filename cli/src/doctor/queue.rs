//! The queue of `serve`: what waits in it, and what the store refused.

use shared::settings::Variables;

use super::finding::Finding;
use crate::queue::{self, command};

/// Entries that are named one by one.
const MOST_NAMED: usize = 5;

/// Looks at the file where there is one, and makes none.
pub(super) async fn check(variables: &Variables) -> Vec<Finding> {
    let path = queue::path(variables);
    if !path.is_file() {
        return Vec::new();
    }
    match look(&path).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::wrong(format!(
            "queue: {} cannot be read: {error}",
            path.display()
        ))],
    }
}

async fn look(path: &std::path::Path) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let queue = command::open(path)?;
    let depth = queue.depth().await?;
    let mut findings = vec![match depth.waiting {
        0 => Finding::good("queue: nothing waits to be written"),
        count => Finding::good(format!("queue: {count} sessions wait to be written")),
    }];
    if depth.refused > 0 {
        findings.push(Finding::mind(format!(
            "queue: the store refused the last figures of {} sessions, which are kept — put right what \
             the reasons say, and run `lastseen queue retry`",
            depth.refused
        )));
        let named = queue.refused_entries(MOST_NAMED).await?;
        findings.extend(
            named
                .iter()
                .map(|entry| Finding::mind(format!("queue: {}", command::line(entry)))),
        );
    }
    Ok(findings)
}
