//! Codes by mail: whether the mail server answers, and takes the login.

use shared::mail::smtp::Smtp;
use shared::settings::{CodeSettings, Variables};

use super::finding::Finding;
use super::settings::line;

pub(super) async fn check(variables: &Variables) -> Vec<Finding> {
    // What is wrong with these settings has been said; and where codes are off, nothing is mailed.
    let Ok(Some(settings)) = CodeSettings::read(variables) else {
        return Vec::new();
    };
    let site = variables.get("SITE_AUDIENCE").unwrap_or_default();
    let found = settings
        .mail_server()
        .and_then(|url| Ok((url.server(), Smtp::new(url, &settings.from, site)?)));
    let finding = match found {
        Err(error) => Finding::wrong(line(&error)),
        Ok((server, smtp)) => match smtp.check().await {
            Ok(()) => Finding::good(format!("codes are mailed through {server}, which answers")),
            Err(error) => Finding::wrong(format!(
                "SMTP_URL: {error} — codes could not be mailed: check the address, the port and the password of {server}"
            )),
        },
    };
    vec![finding]
}
