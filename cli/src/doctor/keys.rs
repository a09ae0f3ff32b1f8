//! The keys that sign sessions: set, or in the file that `serve` keeps beside the database. Shown
//! by their ids alone.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use shared::settings::{SettingError, Variables};
use shared::token::Keys;

use super::finding::Finding;
use super::settings::line;
use crate::keys;

const NAME: &str = "SESSION_KEYS";

pub(super) fn check(variables: &Variables) -> Vec<Finding> {
    if let Some(text) = variables.get(NAME) {
        return vec![match Keys::parse(text) {
            Ok(keys) => Finding::good(format!("{NAME}: {}; the first signs", ids(&keys))),
            Err(error) => Finding::wrong(line(&SettingError {
                name: NAME,
                problem: error.to_string(),
            })),
        }];
    }
    let path = keys::path(variables);
    let shown = path.display();
    match fs::read_to_string(&path) {
        Ok(text) => {
            let of_keys = match Keys::parse(text.trim()) {
                Ok(keys) => Finding::good(format!(
                    "{NAME}: {} from {shown}, which `lastseen serve` made",
                    ids(&keys)
                )),
                Err(error) => Finding::wrong(format!(
                    "{NAME}: {shown}: {error} — remove the file, and `lastseen serve` makes another"
                )),
            };
            [Some(of_keys), readable_by_others(&path)]
                .into_iter()
                .flatten()
                .collect()
        }
        Err(error) if error.kind() == ErrorKind::NotFound => vec![Finding::mind(format!(
            "{NAME}: none yet; `lastseen serve` makes one when it starts, and what runs on AWS \
             needs one (`lastseen keys new`)"
        ))],
        Err(error) => vec![Finding::wrong(format!(
            "{NAME}: is not set, and {shown} cannot be read: {error} — set {NAME}, or give \
             lastseen the right to read the file"
        ))],
    }
}

fn ids(keys: &Keys) -> String {
    let ids: Vec<&str> = keys.ids().collect();
    let plural = if ids.len() == 1 { "key" } else { "keys" };
    format!("{} {plural} ({})", ids.len(), ids.join(", "))
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt;
    let is_open = fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    let path = path.display();
    is_open.then(|| {
        Finding::mind(format!(
            "others on this machine may read {path} — chmod 600 {path}"
        ))
    })
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> Option<Finding> {
    None
}
