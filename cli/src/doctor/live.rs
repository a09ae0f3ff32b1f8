//! `lastseen doctor --url`: a live site, as a browser finds it. Every question is bounded in time and
//! size, and no redirect is followed.

use std::error::Error;
use std::fs;

use shared::settings::{SettingError, Settings, Variables};
use url::Url;

use self::asking::Site;
use super::Report;
use super::finding::{Finding, Mark};
use super::settings::{self, is_this_machine, line};
use crate::terminal::Progress;
use crate::{defaults, keys};

mod api;
mod asking;
mod pages;
mod visit;

/// Reads an address without a path: `--url` and `--api`.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    url.ok_or_else(|| "give an address without a path, such as https://www.example.com".to_owned())
}

pub(super) async fn check(
    url: &Url,
    api: Option<&Url>,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let here = Variables::from_env();
    let variables = as_the_site_has_them(&here, url);
    let (settings, errors) = settings::read(&variables);
    report.add(errors.iter().map(|error| Finding::wrong(line(error))));
    let Some(settings) = settings else {
        return Ok(());
    };
    let site = Site::new(url, &here)?;
    let progress = Progress::start("asking the site");
    let reached = site.reach().await;
    let findings = match reached {
        Ok(findings) => findings,
        Err(finding) => {
            drop(progress);
            report.add([finding]);
            return Ok(());
        }
    };
    let pages = pages::check(&site, &settings).await;
    let mut of_api = api::check(&site).await;
    let is_api_wrong = of_api.iter().any(|finding| finding.mark == Mark::Wrong);
    if let Some(api) = api {
        of_api.push(api::around(&Site::new(api, &here)?).await);
    }
    drop(progress);
    report.add(findings.into_iter().chain(pages).chain(of_api));
    let progress = Progress::start("making a visit");
    let visit = match settings_of_a_visit(&here, variables, url) {
        // What is wrong has been said.
        _ if !errors.is_empty() => Vec::new(),
        // Whoever reads a session on the way, or is given it, has it.
        _ if !site.is_https() && !is_here(url) => vec![Finding::mind(
            "no visit was tried: over plain http its session could be read on the way — give the address with https",
        )],
        _ if is_api_wrong => vec![Finding::mind(
            "no visit was tried: its session is for the API alone, and what answers as the API is wrong — mend that first",
        )],
        Ok(Ok(settings)) => visit::check(&site, &settings).await?,
        Ok(Err(error)) => vec![Finding::wrong(line(&error))],
        Err(missing) => vec![Finding::mind(format!(
            "no visit was tried: set {missing} as the site has them"
        ))],
    };
    drop(progress);
    report.add(visit);
    Ok(())
}

/// What is not set is as it follows from the address, and not as a laptop's `serve` would have it.
fn as_the_site_has_them(here: &Variables, url: &Url) -> Variables {
    let mut variables = here.clone();
    let host = url.host_str().unwrap_or_default();
    let audience = if is_here(url) { "localhost" } else { host };
    variables.set_default("SITE_AUDIENCE", audience);
    // What goes out over https is for https alone, whatever the site's setting says.
    if url.scheme() == "https" {
        variables.set("COOKIE_SECURE", "true");
    }
    variables.set_default("COOKIE_SECURE", "false");
    variables.set_default("DATABASE_PATH", defaults::DATABASE_PATH);
    variables
}

/// What a session can be made with; or, where something is not there, the names of what is missing.
/// Nothing is made here that was not.
fn settings_of_a_visit(
    here: &Variables,
    mut variables: Variables,
    url: &Url,
) -> Result<Result<Settings, SettingError>, String> {
    let mut missing = Vec::new();
    let database = variables.get("DATABASE_PATH").unwrap_or_default();
    if here.get("NOCODB_URL").is_none() && fs::metadata(database).is_err() {
        missing.push("NOCODB_URL and what belongs to it");
    }
    if here.get("SESSION_KEYS").is_none() {
        match fs::read_to_string(keys::path(&variables)) {
            Ok(kept) => variables.set("SESSION_KEYS", kept.trim()),
            Err(_) => missing.push("SESSION_KEYS"),
        }
    }
    if here.get("SITE_AUDIENCE").is_none() && !is_here(url) {
        missing.push("SITE_AUDIENCE");
    }
    if missing.is_empty() {
        Ok(Settings::read(&variables))
    } else {
        Err(missing.join(", "))
    }
}

/// Whether it is a `serve` on this machine, whose settings may all be defaults.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    is_this_machine(host.trim_matches(['[', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_without_a_path_is_taken() {
        for good in [
            "https://www.example.com",
            "http://127.0.0.1:8080/",
            "https://[::1]:8443",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "www.example.com",
            "ftp://www.example.com",
            "https://www.example.com/access/",
            "https://www.example.com/?a",
            "https://www.example.com/#a",
            "https://ann@www.example.com",
            "https://:secret@www.example.com",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
