//! The SQLite file of `serve`. Looked at first, so that checking never makes or changes one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use shared::app::open_store;
use shared::settings::{StoreSettings, Variables};

use super::cells;
use super::finding::Finding;

/// How every SQLite file begins (<https://sqlite.org/fileformat.html>, 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the header says which journal readers must know; 2 is write-ahead logging.
const READ_VERSION: usize = 19;

pub(super) async fn check(variables: &Variables) -> Vec<Finding> {
    let path = Path::new(variables.get("DATABASE_PATH").unwrap_or("data/lastseen.db"));
    let shown = path.display();
    let wrong = |problem: &str| vec![Finding::wrong(format!("DATABASE_PATH: {problem}"))];
    let head = match head(path) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![Finding::good(format!(
                "store: SQLite at {shown}, not there yet; `lastseen serve` makes it"
            ))];
        }
        Err(error) => {
            return wrong(&format!(
                "cannot read {shown}: {error} — check the path and its permissions"
            ));
        }
    };
    if !head.is_empty() && !head.starts_with(MAGIC) {
        return wrong(&format!(
            "{shown} is no SQLite database — name another file, or move that one away"
        ));
    }
    if let Err(error) = writable(path) {
        return wrong(&format!(
            "cannot write {shown}: {error} — give lastseen the right to write it and its folder"
        ));
    }
    let listed = match open_store(&StoreSettings::Sqlite(path.to_owned()), None) {
        Ok(store) => cells::check(store.as_ref())
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let cells = match listed {
        Ok(cells) => cells,
        Err(error) => {
            return wrong(&format!(
                "{shown} cannot be used ({error}) — another program's database? Name another file"
            ));
        }
    };
    let mut findings = vec![Finding::good(format!("store: SQLite at {shown}, writable"))];
    let is_wal = head.get(READ_VERSION).is_none_or(|version| *version == 2);
    if !is_wal {
        findings.push(Finding::mind(format!(
            "{shown} was not in write-ahead mode, and is now"
        )));
    }
    findings.extend(cells);
    findings
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut head)?;
    Ok(head)
}

/// The file, and its folder for the log beside it.
fn writable(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?;
    let probe = path.with_file_name(format!(".lastseen-doctor-{}", std::process::id()));
    File::create_new(&probe)?;
    fs::remove_file(probe)
}
