//! The pages of a live site: the gate page, what it stands in front of, headers, and the script.

use http::StatusCode;
use shared::settings::Settings;
use shared::site_path::SitePath;
use url::Url;

use super::super::finding::Finding;
use super::asking::{Answer, Site};

const SCRIPT_PATH: &str = "/lastseen.js";
/// The script as this program was built with.
const SCRIPT: &[u8] = include_bytes!("../../../../static/lastseen.js");
/// What the gate's form posts to.
const FORM: &str = "/api/verify-temp-access";
/// What hosts may serve past a gate, by their endings: one that most folders have, and one that none has.
const FILES: [&str; 2] = ["index.html", "lastseen-doctor.svg"];
/// Of the form of a token (`{"alg":"HS256"}`, `{"sid":"lastseen-doctor"}`), and signed by nobody.
const FORGED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiJsYXN0c2Vlbi1kb2N0b3IifQ.bGFzdHNlZW4tZG9jdG9yLWRpZC1ub3Qtc2lnbi10aGlzLi4";
pub(super) const MANY_LOCATIONS: &str =
    "browsers refuse an answer with more than one Location: let only the gate or the API set it";
/// Nobody has more than a few prefixes; no site is asked without end.
const MAX_PREFIXES: usize = 10;

pub(super) async fn check(site: &Site, settings: &Settings) -> Vec<Finding> {
    let mut findings = gate(site, settings).await;
    let pages = protected_pages(settings);
    for page in &pages {
        findings.extend(protected(site, settings, page).await);
    }
    if let Some(page) = pages.first() {
        findings.extend(spellings(site, page).await);
    }
    findings.push(script(site).await);
    findings
}

fn is_protected(settings: &Settings, path: &str) -> bool {
    SitePath::normalise(path).is_some_and(|path| settings.protected.contain(&path))
}

/// A page below each prefix: where visitors are sent by default, and the prefixes themselves.
pub(super) fn protected_pages(settings: &Settings) -> Vec<String> {
    let default = Some(settings.default_redirect.path().to_owned());
    let default = default.filter(|path| is_protected(settings, path));
    let below_default = default.clone().unwrap_or_default();
    let others = settings
        .protected
        .prefixes()
        .map(|prefix| format!("{}/", prefix.trim_end_matches('/')))
        .filter(|prefix| !below_default.starts_with(prefix.as_str()));
    default
        .into_iter()
        .chain(others)
        .take(MAX_PREFIXES)
        .collect()
}

async fn gate(site: &Site, settings: &Settings) -> Vec<Finding> {
    let path = settings.gate.path();
    let shown = site.address(path);
    let answer = match site.open(path, None).await {
        Ok(answer) if answer.status == StatusCode::OK => answer,
        Ok(answer) => {
            return vec![Finding::wrong(format!(
                "gate page: {shown} is answered with {} — put a page with the form there, or set GATE_PATH as the site has it",
                answer.say()
            ))];
        }
        Err(error) => return vec![no_answer(&shown, &error)],
    };
    let page = String::from_utf8_lossy(&answer.body);
    let of_page = if page.contains(FORM) {
        Finding::good(format!("gate page: {shown}, with its form"))
    } else {
        Finding::wrong(format!(
            "gate page: {shown} has no form that posts to {FORM} — visitors could not leave their email: put one there"
        ))
    };
    [of_page]
        .into_iter()
        .chain(headers(&answer, site.is_https()))
        .collect()
}

/// What every page should tell browsers. Without it everything works, with less to hold on to.
fn headers(answer: &Answer, is_https: bool) -> Vec<Finding> {
    let has = |name: &str, part: &str| {
        answer
            .header(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(part))
    };
    let missing = [
        (
            is_https && !has("strict-transport-security", "max-age="),
            "Strict-Transport-Security: browsers may come back over plain http",
        ),
        (
            !has("x-content-type-options", "nosniff"),
            "X-Content-Type-Options: nosniff: browsers guess what a file is",
        ),
        (
            !has("content-security-policy", "frame-ancestors") && !has("x-frame-options", ""),
            "Content-Security-Policy with frame-ancestors: another site may show the gate in a frame",
        ),
        (
            !has("referrer-policy", ""),
            "Referrer-Policy: it is left to the browser what other sites learn",
        ),
    ];
    let missing: Vec<Finding> = missing
        .into_iter()
        .filter(|(is_missing, _)| *is_missing)
        .map(|(_, header)| {
            Finding::mind(format!(
                "the gate page comes without {header} — let the host of the pages add it"
            ))
        })
        .collect();
    if missing.is_empty() {
        vec![Finding::good(
            "the gate page comes with the headers that protect it",
        )]
    } else {
        missing
    }
}

/// Whether somebody without a session is sent to the gate, and would find back; and then, whether
/// that is so of everything there.
async fn protected(site: &Site, settings: &Settings, path: &str) -> Vec<Finding> {
    let shown = site.address(path);
    let answer = match site.open(path, None).await {
        Ok(answer) => answer,
        Err(error) => return vec![no_answer(&shown, &error)],
    };
    let Some(gate) = way_to_gate(site, settings, &answer) else {
        return vec![Finding::wrong(format!(
            "{shown} is answered with {}, and not with the way to the gate — {}",
            answer.say(),
            if answer.locations().count() > 1 {
                MANY_LOCATIONS
            } else if answer.status.is_success() {
                "anybody can read it: put the gate in front of it, with its PROTECTED_PREFIXES"
            } else {
                "put the gate in front of it, or set PROTECTED_PREFIXES and GATE_PATH as the site has them"
            }
        ))];
    };
    let back = gate.query_pairs().find(|(name, _)| name == "redirect");
    let way = if back.is_some_and(|(_, back)| back == shown.path()) {
        Finding::good(format!(
            "{shown} needs a session: the gate, and the way back"
        ))
    } else {
        Finding::mind(format!(
            "{shown} needs a session, but visitors do not find back from the gate — something in between rewrites `redirect` in Location"
        ))
    };
    let holes = holes(site, settings, path).await;
    [way].into_iter().chain(holes).collect()
}

fn way_to_gate(site: &Site, settings: &Settings, answer: &Answer) -> Option<Url> {
    site.leads_to(answer)
        .filter(|to| answer.status.is_redirection() && *to.path() == *settings.gate.path())
        .filter(|to| to.origin().ascii_serialization() == site.origin())
}

/// Ways past a gate that only looks closed: files, requests that are no navigation, and a cookie that
/// nobody signed. The gate decides before anybody looks whether there is such a file.
async fn holes(site: &Site, settings: &Settings, page: &str) -> Vec<Finding> {
    let folder = folder(settings, page);
    let files = FILES.map(|file| format!("{folder}{file}"));
    let mut tried = Vec::new();
    for file in &files {
        let answer = site.open(file, None).await;
        let cure = "let the gate decide about every file below its PROTECTED_PREFIXES";
        tried.push((site.address(file).to_string(), answer, cure));
    }
    let shown = site.address(page);
    tried.push((
        format!("asked for by no navigation, {shown}"),
        site.get(page).await,
        "let the gate decide about every request: programs and scripts need not say that they open a page",
    ));
    let forged = format!("{}={FORGED}", settings.cookies.session_cookie());
    tried.push((
        format!("with a forged session, {shown}"),
        site.open(page, Some(&forged)).await,
        "let the gate check who signed the session: anybody can make up a cookie",
    ));
    let mut findings = Vec::new();
    for (shown, answer, cure) in tried {
        match answer {
            Ok(answer) if way_to_gate(site, settings, &answer).is_some() => {}
            Ok(answer) => {
                let cure = match answer.locations().count() {
                    0 | 1 => cure,
                    _ => MANY_LOCATIONS,
                };
                findings.push(Finding::wrong(format!(
                    "{shown} is answered with {}, and not with the way to the gate — {cure}",
                    answer.say()
                )));
            }
            Err(error) => findings.push(no_answer(&shown, &error)),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(format!(
            "below {} every file needs a session, whoever asks, and a forged one is none",
            site.address(&folder)
        )));
    }
    findings
}

/// Where files beside a page would be.
fn folder(settings: &Settings, page: &str) -> String {
    let parent = page.rfind('/').map(|at| &page[..=at]);
    // `/deck` is protected, and what stands beside it is not.
    match parent.filter(|parent| is_protected(settings, parent)) {
        Some(parent) => parent.to_owned(),
        None => format!("{page}/"),
    }
}

/// Other ways to write the same path, which a server may read as the same file.
async fn spellings(site: &Site, page: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let written = others(page);
    for spelling in &written {
        // Not as an address, which would be tidied up.
        let shown = spelling.as_str();
        match site.open(spelling, None).await {
            Ok(answer) if answer.status.is_success() => findings.push(Finding::wrong(format!(
                "{shown} is answered with {}: written like that, {page} needs no session — the gate and the host of the pages must read a path alike",
                answer.say()
            ))),
            Ok(_) => {}
            Err(error) => findings.push(no_answer(&shown, &error)),
        }
    }
    if findings.is_empty() {
        let count = written.len();
        findings.push(Finding::good(format!(
            "{count} other spellings of {page} open nothing"
        )));
    }
    findings
}

/// `/deck/` as `//deck/`, `/%64eck/` and `/DECK/`.
fn others(page: &str) -> Vec<String> {
    let encoded = page
        .char_indices()
        .find(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(at, c)| format!("{}%{:02x}{}", &page[..at], u32::from(c), &page[at + 1..]));
    let mut others = vec![format!("/{page}")];
    others.extend(encoded);
    others.push(page.to_ascii_uppercase());
    others.retain(|other| other != page);
    others
}

async fn script(site: &Site) -> Finding {
    let shown = site.address(SCRIPT_PATH);
    let answer = match site.get(SCRIPT_PATH).await {
        Ok(answer) => answer,
        Err(error) => return no_answer(&shown, &error),
    };
    let kind = answer.header("content-type").unwrap_or_default();
    if answer.status != StatusCode::OK {
        return Finding::wrong(format!(
            "script: {shown} is answered with {} — pages could not send heartbeats: copy lastseen.js into the site",
            answer.say()
        ));
    }
    if !kind.contains("javascript") {
        return Finding::wrong(format!(
            "script: {shown} is not served as JavaScript, and browsers refuse it — let its type be text/javascript"
        ));
    }
    if answer.body == SCRIPT {
        Finding::good(format!("script: {shown}, the same as this version's"))
    } else {
        Finding::mind(format!(
            "script: {shown} is not that of this version — copy static/lastseen.js into the site, unless the change is yours"
        ))
    }
}

pub(super) fn no_answer(shown: &impl std::fmt::Display, error: &str) -> Finding {
    Finding::wrong(format!(
        "{shown} gives no answer: {error} — try again; look into the log of the site's host"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_in_other_ways() {
        assert_eq!(others("/deck/"), ["//deck/", "/%64eck/", "/DECK/"]);
        assert_eq!(others("/"), ["//"]);
    }
}
