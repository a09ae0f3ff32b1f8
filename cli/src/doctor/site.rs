//! The static site: what visitors cannot do without.

use std::path::{Path, PathBuf};

use shared::redirect::RedirectPath;
use shared::settings::Variables;
use shared::site_path::SitePath;

use super::finding::Finding;
use super::settings::{self, line};
use crate::site::Site;

const SCRIPT: &str = "lastseen.js";

pub(super) fn check(variables: &Variables) -> Vec<Finding> {
    let folder = Path::new(variables.get("STATIC_DIR").unwrap_or("static"));
    if !folder.is_dir() {
        return vec![Finding::wrong(format!(
            "STATIC_DIR: there is no folder {} — set it to the folder that holds the site, or run lastseen where the folder is",
            folder.display()
        ))];
    }
    let site = match Site::open(variables) {
        Ok(site) => site,
        Err(problem) => {
            let problem = problem.replacen("; ", " — ", 1);
            return vec![Finding::wrong(problem)];
        }
    };
    let mut findings = vec![Finding::good(format!("STATIC_DIR: {}", folder.display()))];
    // What is wrong with the settings has been said.
    if let (Some(settings), _) = settings::read(variables) {
        let errors = site.check(&settings);
        findings.extend(errors.iter().map(|error| Finding::wrong(line(error))));
    }
    let gate = variables.get("GATE_PATH").unwrap_or("/access/");
    // A gate path that is none has been named among the settings.
    if let Some(file) = gate_file(folder, gate) {
        findings.push(found(&file, "gate page", "visitors could not leave their email: put a page with the form there, or set GATE_PATH"));
    }
    findings.push(found(
        &folder.join(SCRIPT),
        "script",
        "pages could not send heartbeats: copy lastseen.js into the site",
    ));
    findings
}

fn found(file: &Path, what: &str, cure: &str) -> Finding {
    let path = file.display();
    if file.is_file() {
        Finding::good(format!("{what}: {path}"))
    } else {
        Finding::wrong(format!("{what}: there is no {path} — {cure}"))
    }
}

/// The file that answers the gate's path: the page itself, or the folder's index.
fn gate_file(folder: &Path, gate: &str) -> Option<PathBuf> {
    let path = SitePath::normalise(RedirectPath::parse(gate)?.path())?;
    let file = folder.join(path.as_str().trim_start_matches('/'));
    Some(if file.is_dir() || path.as_str().ends_with('/') {
        file.join("index.html")
    } else {
        file
    })
}
