//! Who may call the API, and by which way.

use url::Url;

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
