//! The settings: every error there is, not only the first, and what is allowed but unwise.

use std::net::IpAddr;

use shared::setting_names;
use shared::settings::{SettingError, Settings, StoreSettings, Variables};
use shared::token::Keys;

use super::finding::Finding;
use crate::serve::doors;
use shared::duration::human;

pub(super) fn check(variables: &Variables) -> Vec<Finding> {
    let (settings, errors) = read(variables);
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| Finding::wrong(line(error)))
        .collect();
    if let Some(settings) = &settings {
        if errors.is_empty() {
            let limits = &settings.limits;
            findings.push(Finding::good(format!(
                "settings: idle timeout {}, session lifetime {}",
                human(limits.idle_timeout),
                human(limits.lifetime)
            )));
            findings.push(Finding::good(doors(settings)));
        }
        findings.extend(unwise(settings, variables));
    }
    findings.extend(port(variables));
    findings.extend(parameters(variables));
    findings
}

/// Reads the settings, and reads on after each error with something in its place that is right.
pub(super) fn read(variables: &Variables) -> (Option<Settings>, Vec<SettingError>) {
    let mut variables = variables.clone();
    // They have a check of their own, which knows of the file that `serve` keeps them in.
    variables.set("SESSION_KEYS", &Keys::generate().unwrap_or_default());
    let mut errors: Vec<SettingError> = Vec::new();
    for (name, error) in setting_names::misspelt(&variables) {
        variables.unset(&name);
        errors.push(error);
    }
    loop {
        match Settings::read(&variables) {
            Ok(settings) => return (Some(settings), errors),
            // A contradiction between two settings that the stand-in does not solve.
            Err(error) if errors.iter().any(|known| known.name == error.name) => {
                return (None, errors);
            }
            Err(error) => {
                let instead = stand_in(error.name, &variables);
                variables.set(error.name, instead);
                errors.push(error);
            }
        }
    }
}

fn stand_in(name: &str, variables: &Variables) -> &'static str {
    let wants_codes = variables.get("VERIFY_EMAIL") == Some("code");
    match name {
        "MAIL_FROM" if wants_codes => "gate@example.com",
        "SITE_AUDIENCE" => "localhost",
        "NOCODB_URL" | "NOTIFY_URL" => "http://localhost",
        "NOCODB_BASE_ID" | "NOCODB_TABLE_ID" | "NOCODB_API_TOKEN" => "unknown",
        "IDLE_TIMEOUT_SECONDS" => "1",
        // Empty counts as unset, and unset has a default.
        _ => "",
    }
}

/// The problem as the program itself puts it at start, then the cure.
pub(super) fn line(error: &SettingError) -> String {
    let SettingError { name, problem } = error;
    match (*name, problem.split_once("; ")) {
        ("NOCODB_BASE_ID", _) => {
            format!("{error} — `lastseen setup` lists the bases the token sees")
        }
        ("NOCODB_API_TOKEN", _) => {
            format!("{error} — make one in NocoDB (account settings, Tokens)")
        }
        // What follows is the cure already.
        (_, Some((problem, cure))) => format!("{name}: {problem} — {cure}"),
        (_, None) => format!("{error} — correct it; the README lists all settings"),
    }
}

fn unwise(settings: &Settings, variables: &Variables) -> Vec<Finding> {
    let mut findings = Vec::new();
    let host = variables.get("HOST").unwrap_or_default();
    if !settings.cookies.secure && !is_this_machine(host) {
        findings.push(Finding::mind(format!(
            "COOKIE_SECURE is false while HOST {host} can be reached from elsewhere: sessions can be stolen on the way — serve over https and set COOKIE_SECURE=true"
        )));
    }
    if !settings.flood_limits && !is_this_machine(host) {
        findings.push(Finding::mind(format!(
            "FLOOD_LIMITS is off while HOST {host} can be reached from elsewhere: anybody can fill the table — unset it, unless a proxy in front counts requests"
        )));
    }
    if let StoreSettings::NocoDb(nocodb) = &settings.store {
        let host = nocodb
            .url
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']']);
        if nocodb.url.scheme() == "http" && !is_this_machine(host) {
            findings.push(Finding::mind(
                "NOCODB_URL: the token travels unencrypted — use https:// unless the network is your own",
            ));
        }
    }
    findings
}

pub(super) fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn port(variables: &Variables) -> Option<Finding> {
    let port = variables.get("PORT")?;
    port.parse::<u16>().is_err().then(|| {
        Finding::wrong(format!(
            "PORT: `{port}` is not a port — set one from 0 to 65535"
        ))
    })
}

/// `…_PARAMETER` is read on AWS alone.
fn parameters(variables: &Variables) -> Vec<Finding> {
    let is_unset = |name: &&str| {
        variables.get(name).is_none() && variables.get(&format!("{name}_PARAMETER")).is_some()
    };
    [
        "NOCODB_API_TOKEN",
        "SESSION_KEYS",
        "ACCESS_PASSCODE",
        "ADMIN_TOKEN",
        "SMTP_URL",
        "EDGE_SECRET",
        "NOTIFY_URL",
        "NOTIFY_SECRET",
    ]
    .iter()
    .copied()
    .filter(is_unset)
    .map(|name| {
        Finding::mind(format!(
            "{name}_PARAMETER is read by the functions on AWS alone — here, set {name}"
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests;
