//! `lastseen files`: the files of the site, with the headers that `serve` sends each of them with, for
//! a bucket that is to answer alike.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use shared::settings::{Settings, Variables};
use shared::token::Keys;

use crate::CommandResult;
use crate::site::{self, Site};
use crate::terminal::{printable, say};

/// Prints one line of JSON for each file, in the order of their names.
pub(crate) async fn run(variables: &Variables) -> CommandResult {
    let mut variables = variables.clone();
    // Nothing is signed here; a list of files should need no secret.
    variables.set("SESSION_KEYS", &Keys::generate().unwrap_or_default());
    let settings = Arc::new(Settings::read(&variables)?);
    let site = Site::open(&variables)?;
    for name in names(&site::folder_of(&variables))? {
        let served = match site.serves(&settings, &name).await {
            Ok(served) => served,
            Err(why) => {
                let name = printable(&name);
                eprintln!("left out, as {why}: {name}");
                continue;
            }
        };
        let mut line = serde_json::json!({
            "name": name,
            "contentType": served.content_type,
            "cacheControl": served.cache_control,
        });
        if served.is_protected {
            line["crossOriginResourcePolicy"] = "same-origin".into();
        }
        say(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Every file below the folder, by its path from there with `/` between the parts.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    collect(folder, "", &mut vec![folder.canonicalize()?], &mut names)?;
    names.sort();
    Ok(names)
}

/// `within` are the folders that lead here: a link to one of them leads nowhere new.
fn collect(
    folder: &Path,
    prefix: &str,
    within: &mut Vec<PathBuf>,
    names: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A name that is no Unicode has no address.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        // As `serve` does, which follows links; one that leads nowhere is no file.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_file() {
            names.push(name);
            continue;
        }
        let place = path.canonicalize()?;
        if metadata.is_dir() && !within.contains(&place) {
            within.push(place);
            collect(&path, &format!("{name}/"), within, names)?;
            within.pop();
        }
    }
    Ok(())
}
