//! Who may call the API, and by which way.

use url::{Host, Url};

use crate::cookies::is_within;

use super::{Secret, SettingError, Variables, wrong};

/// Shorter ones could be guessed. `openssl rand -base64 32` makes one of 44.
const MIN_EDGE_SECRET_LENGTH: usize = 32;

/// `ALLOWED_ORIGINS`: other origins whose pages may call the API.
pub(super) fn allowed_origins(variables: &Variables) -> Result<Vec<String>, SettingError> {
    const NAME: &str = "ALLOWED_ORIGINS";
    variables
        .list(NAME, "")
        .into_iter()
        .map(|text| {
            let origin = Url::parse(&text)
                .ok()
                .map(|url| url.origin().ascii_serialization())
                .filter(|origin| origin != "null");
            match origin {
                Some(origin) if origin == text.trim_end_matches('/') => Ok(origin),
                _ => Err(wrong(
                    NAME,
                    format!("`{text}` is not an origin, such as https://www.example.com"),
                )),
            }
        })
        .collect()
}

/// `COOKIE_DOMAIN`: the domain of the site and the API, where they are on different hosts of it.
///
/// A browser drops a cookie for another domain than the host's that sets it, without a word; so what
/// can be known of that is held against the other settings.
pub(super) fn cookie_domain(
    variables: &Variables,
    audience: &str,
    allowed_origins: &[String],
) -> Result<Option<String>, SettingError> {
    const NAME: &str = "COOKIE_DOMAIN";
    let Some(given) = variables.get(NAME) else {
        return Ok(None);
    };
    let Some(domain) = domain(given.strip_prefix('.').unwrap_or(given)) else {
        return Err(wrong(
            NAME,
            format!("`{given}` is not a domain of several hosts, such as example.com"),
        ));
    };
    let site = audience.split(':').next().unwrap_or_default();
    if !is_within(site, &domain) {
        return Err(wrong(
            NAME,
            format!(
                "SITE_AUDIENCE {audience} is no host of {domain}; set one to fit the other, or unset COOKIE_DOMAIN"
            ),
        ));
    }
    let mut hosts = allowed_origins
        .iter()
        .filter_map(|origin| Url::parse(origin).ok()?.host_str().map(str::to_owned));
    if !hosts.any(|host| is_within(&host, &domain)) {
        return Err(wrong(
            NAME,
            format!(
                "is for pages on another host than the API's, and ALLOWED_ORIGINS names no host of {domain}; name their origin there, or unset COOKIE_DOMAIN"
            ),
        ));
    }
    Ok(Some(domain))
}

/// A name that browsers take for a domain with hosts below it. Which ones are public suffixes, such
/// as co.uk, they alone know.
fn domain(text: &str) -> Option<String> {
    let Ok(Host::Domain(domain)) = Host::parse(text) else {
        return None;
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    (domain.contains('.') && domain.len() <= 253 && domain.split('.').all(is_label))
        .then_some(domain)
}
/// `EDGE_SECRET`: one, or several while one replaces another.
pub(super) fn edge_secrets(variables: &Variables) -> Result<Vec<Secret>, SettingError> {
    const NAME: &str = "EDGE_SECRET";
    let Some(list) = variables.get(NAME) else {
        return Ok(Vec::new());
    };
    // An empty entry is refused with those that are too short: it is a shell variable that was not
    // set, and everybody could show it.
    list.split(',')
        .map(str::trim)
        .enumerate()
        .map(|(index, secret)| {
            let is_visible = secret.chars().all(|c| c.is_ascii_graphic());
            if secret.len() >= MIN_EDGE_SECRET_LENGTH && is_visible {
                return Ok(Secret::from(secret));
            }
            Err(wrong(
                NAME,
                format!(
                    "secret {} is not of at least {MIN_EDGE_SECRET_LENGTH} visible characters; \
                     `openssl rand -base64 32` makes one, and commas separate several",
                    index + 1
                ),
            ))
        })
        .collect()
}
