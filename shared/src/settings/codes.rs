//! Codes by mail: whether, from whom, and through which server.

use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{SettingError, Variables, wrong};
use crate::email::Email;

/// `VERIFY_EMAIL=code`, and what it needs.
#[derive(Clone, Debug)]
pub struct CodeSettings {
    /// `MAIL_FROM`.
    pub from: Email,
    /// `SMTP_URL`; without it, the function on AWS mails by SES.
    pub smtp: Option<SmtpUrl>,
    /// `CODES_TABLE`: the table in DynamoDB that the function on AWS keeps challenges in.
    pub table: Option<String>,
}

impl CodeSettings {
    /// Reads them; `None` where codes are off.
    ///
    /// # Errors
    /// The first [`SettingError`]. Mail settings without `VERIFY_EMAIL=code` are one: whoever set
    /// them takes addresses for verified that are not.
    pub fn read(variables: &Variables) -> Result<Option<Self>, SettingError> {
        match variables.get("VERIFY_EMAIL") {
            Some("code") => {}
            None | Some("off") => return refuse_the_rest(variables),
            Some(_) => return Err(wrong("VERIFY_EMAIL", "is neither `off` nor `code`")),
        }
        let from = variables.require(
            "MAIL_FROM",
            "codes are mailed from it, such as gate@example.com",
        )?;
        let from = Email::parse(from).map_err(|_| {
            wrong(
                "MAIL_FROM",
                format!("`{from}` is not an address, such as gate@example.com"),
            )
        })?;
        Ok(Some(Self {
            from,
            smtp: variables.get("SMTP_URL").map(SmtpUrl::parse).transpose()?,
            table: variables.get("CODES_TABLE").map(table).transpose()?,
        }))
    }
}

impl CodeSettings {
    /// The mail server of a program that keeps its codes in memory, as `serve` does.
    ///
    /// # Errors
    /// [`SettingError`] where `SMTP_URL` is missing, or `CODES_TABLE` names a table on AWS.
    pub fn mail_server(&self) -> Result<&SmtpUrl, SettingError> {
        if self.table.is_some() {
            let problem = "is for the function on AWS, and here codes wait in memory; unset it";
            return Err(wrong("CODES_TABLE", problem));
        }
        self.smtp.as_ref().ok_or_else(|| {
            wrong(
                "SMTP_URL",
                "is missing; VERIFY_EMAIL=code mails codes through it",
            )
        })
    }
}

fn refuse_the_rest(variables: &Variables) -> Result<Option<CodeSettings>, SettingError> {
    let set = ["MAIL_FROM", "SMTP_URL", "CODES_TABLE"]
        .into_iter()
        .find(|name| variables.get(name).is_some());
    set.map_or(Ok(None), |name| {
        let problem = "is set, but VERIFY_EMAIL is off and no code is asked for; set VERIFY_EMAIL=code or unset it";
        Err(wrong(name, problem))
    })
}

/// What DynamoDB calls a table.
fn table(name: &str) -> Result<String, SettingError> {
    let is_name = (3..=255).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_name.then(|| name.to_owned()).ok_or_else(|| {
        wrong(
            "CODES_TABLE",
            format!("`{name}` is not the name of a table"),
        )
    })
}

/// `SMTP_URL`: `smtps://user:password@host:465`, or `smtp://user:password@host:587?tls=required`
/// for STARTTLS. Plain `smtp://` only to this machine. `Debug` hides it, because of the password.
#[derive(Clone)]
pub struct SmtpUrl {
    url: SecretString,
}

impl SmtpUrl {
    /// Reads one.
    ///
    /// # Errors
    /// [`SettingError`], which never holds any part of it.
    fn parse(text: &str) -> Result<Self, SettingError> {
        const NAME: &str = "SMTP_URL";
        let url = Url::parse(text).ok().filter(Url::has_host);
        let Some(url) = url else {
            return Err(malformed());
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(malformed());
        }
        match (url.scheme(), url.query()) {
            ("smtps", None) | ("smtp", Some("tls=required")) => {}
            ("smtp", None) if url.host().is_some_and(|host| is_this_machine(&host)) => {}
            ("smtp", None) => {
                let problem = "would send codes and the password unencrypted; write smtps://, or ?tls=required behind smtp://";
                return Err(wrong(NAME, problem));
            }
            _ => return Err(malformed()),
        }
        Ok(Self { url: text.into() })
    }

    /// For the client of the mail server.
    #[cfg(feature = "smtp")]
    pub(crate) fn expose_secret(&self) -> &str {
        self.url.expose_secret()
    }

    /// Where the server is, for people. Without user and password.
    #[must_use]
    pub fn server(&self) -> String {
        let url = Url::parse(self.url.expose_secret()).ok();
        url.and_then(|url| {
            let port = url.port().map(|port| format!(":{port}"));
            Some(format!("{}{}", url.host_str()?, port.unwrap_or_default()))
        })
        .unwrap_or_default()
    }

    /// What to say where that client cannot make anything of it.
    #[cfg(feature = "smtp")]
    pub(crate) fn unusable() -> SettingError {
        malformed()
    }
}

fn malformed() -> SettingError {
    wrong(
        "SMTP_URL",
        "is not smtps://USER:PASSWORD@HOST:465 or smtp://USER:PASSWORD@HOST:587?tls=required",
    )
}

/// Schemes that browsers do not know keep their host as it was written.
fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            *name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Option<CodeSettings>, SettingError> {
        let variables: Variables = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        CodeSettings::read(&variables)
    }

    fn with_smtp(url: &str) -> Result<Option<CodeSettings>, SettingError> {
        read(&[
            ("VERIFY_EMAIL", "code"),
            ("MAIL_FROM", "Gate@Example.com"),
            ("SMTP_URL", url),
        ])
    }

    #[test]
    fn codes_are_off_unless_asked_for() {
        for value in ["off", ""] {
            assert!(read(&[("VERIFY_EMAIL", value)]).unwrap().is_none());
        }
        let settings = with_smtp("smtps://mail.example.com").unwrap().unwrap();
        assert_eq!(settings.from.as_str(), "gate@example.com");
    }

    #[test]
    fn a_mail_server_is_reached_with_tls_or_on_this_machine() {
        for (url, server) in [
            ("smtps://mail.example.com", "mail.example.com"),
            ("smtps://u:p@mail.example.com:465", "mail.example.com:465"),
            (
                "smtp://u:p%40@mail.example.com:587?tls=required",
                "mail.example.com:587",
            ),
            ("smtp://127.0.0.1:2525", "127.0.0.1:2525"),
            ("smtp://[::1]:2525", "[::1]:2525"),
            ("smtp://localhost", "localhost"),
        ] {
            let settings = with_smtp(url).unwrap().unwrap();
            assert_eq!(settings.smtp.unwrap().server(), server);
        }
        for url in [
            "mail.example.com",
            "https://mail.example.com",
            "smtp://mail.example.com",
            "smtp://localhost.example.com",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://mail.example.com?tls=required&x=1",
            "smtps://mail.example.com/path",
            "smtps://",
            "smtp:",
        ] {
            assert_eq!(with_smtp(url).unwrap_err().name, "SMTP_URL", "{url}");
        }
    }

    #[test]
    fn no_password_is_told_to_anybody() {
        let settings = with_smtp("smtps://user:pa55word@mail.example.com").unwrap();
        assert!(!format!("{settings:?}").contains("pa55word"));
        let error = with_smtp("smtp://user:pa55word@mail.example.com").unwrap_err();
        assert!(!error.to_string().contains("pa55word"));
    }

    #[test]
    fn what_is_missing_wrong_or_contradictory_is_named() {
        let code = ("VERIFY_EMAIL", "code");
        let from = ("MAIL_FROM", "gate@example.com");
        for (settings, name) in [
            (vec![("VERIFY_EMAIL", "yes")], "VERIFY_EMAIL"),
            (vec![code], "MAIL_FROM"),
            (vec![code, ("MAIL_FROM", "nobody")], "MAIL_FROM"),
            (vec![code, from, ("CODES_TABLE", "a b c")], "CODES_TABLE"),
            (vec![from], "MAIL_FROM"),
            (vec![("SMTP_URL", "smtps://mail.example.com")], "SMTP_URL"),
            (vec![("CODES_TABLE", "codes")], "CODES_TABLE"),
        ] {
            assert_eq!(read(&settings).unwrap_err().name, name, "{settings:?}");
        }
        let smtp = ("SMTP_URL", "smtps://mail.example.com");
        for (settings, name) in [
            (vec![code, from], "SMTP_URL"),
            (
                vec![code, from, smtp, ("CODES_TABLE", "codes")],
                "CODES_TABLE",
            ),
        ] {
            let settings = read(&settings).unwrap().unwrap();
            assert_eq!(settings.mail_server().unwrap_err().name, name);
        }
    }
}
