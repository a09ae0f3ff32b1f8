//! Whom the owner has told of visits: `NOTIFY_URL` and `NOTIFY_SECRET`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::{SettingError, Variables, address, wrong};

/// What a secret of Standard Webhooks starts with.
const PREFIX: &str = "whsec_";
/// And how many bytes follow, in base64.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Where Slack's incoming webhooks are, which take a text and nothing else.
const SLACK: [&str; 2] = ["hooks.slack.com", "hooks.slack-gov.com"];

/// Where messages go, and what signs them.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// `NOTIFY_URL`.
    pub url: NotifyUrl,
    /// `NOTIFY_SECRET`. Without it messages are not signed.
    pub key: Option<NotifyKey>,
}

impl NotifySettings {
    /// Reads them; `None` where nobody is told.
    ///
    /// # Errors
    /// The first [`SettingError`]. A secret without an address is one: whoever set it expects
    /// messages.
    pub fn read(variables: &Variables) -> Result<Option<Self>, SettingError> {
        let key = variables
            .get("NOTIFY_SECRET")
            .map(NotifyKey::parse)
            .transpose()?;
        match (variables.get("NOTIFY_URL"), key) {
            (Some(url), key) => Ok(Some(Self {
                url: NotifyUrl::parse(url)?,
                key,
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(wrong(
                "NOTIFY_SECRET",
                "is set, but NOTIFY_URL is not and nobody is told anything; set both or neither",
            )),
        }
    }
}

/// `NOTIFY_URL`. Whoever knows it can write to where it leads, so `Debug` hides it.
#[derive(Clone)]
pub struct NotifyUrl {
    url: SecretString,
    host: String,
}

impl NotifyUrl {
    /// Reads one.
    ///
    /// # Errors
    /// [`SettingError`], which never holds any part of it.
    fn parse(text: &str) -> Result<Self, SettingError> {
        const NAME: &str = "NOTIFY_URL";
        let url = address::address(NAME, text, "who visits what")?;
        if url.fragment().is_some() {
            return Err(wrong(NAME, "must end before the #"));
        }
        Ok(Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            url: String::from(url).into(),
        })
    }

    /// The whole address, for the client that posts to it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.url.expose_secret()
    }

    /// The host alone, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether Slack is there.
    #[must_use]
    pub fn is_slack(&self) -> bool {
        SLACK.contains(&self.host())
    }
}

impl std::fmt::Debug for NotifyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NotifyUrl(…)")
    }
}

/// `NOTIFY_SECRET`: `whsec_` and 24 to 64 bytes in base64. `Debug` hides it.
#[derive(Clone)]
pub struct NotifyKey(hmac::Key);

impl NotifyKey {
    /// Reads one.
    ///
    /// # Errors
    /// [`SettingError`], which never holds any part of it.
    fn parse(text: &str) -> Result<Self, SettingError> {
        text.strip_prefix(PREFIX)
            .and_then(|base64| STANDARD.decode(base64).ok())
            .filter(|bytes| KEY_BYTES.contains(&bytes.len()))
            .map(|bytes| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
            .ok_or_else(|| {
                wrong(
                    "NOTIFY_SECRET",
                    "is not whsec_ and 24 to 64 bytes in base64; `echo whsec_$(openssl rand -base64 32)` makes one",
                )
            })
    }

    /// The signature of a message, as the header `webhook-signature` holds it.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let tag = hmac::sign(&self.0, signed.as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl std::fmt::Debug for NotifyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NotifyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(url: &str, secret: &str) -> Result<Option<NotifySettings>, SettingError> {
        let variables: Variables = [("NOTIFY_URL", url), ("NOTIFY_SECRET", secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        NotifySettings::read(&variables)
    }

    #[test]
    fn nobody_is_told_unless_somebody_is_named() {
        assert!(read("", "").unwrap().is_none());
        let settings = read("https://example.com/hook", "").unwrap().unwrap();
        assert!(settings.key.is_none() && !settings.url.is_slack());
        for (url, slack) in [
            ("https://hooks.slack.com/services/T0/B0/x", true),
            ("https://hooks.slack-gov.com/services/T0/B0/x", true),
            ("https://hooks.slack.com.example.com/services/x", false),
            ("https://example.com/hooks.slack.com", false),
        ] {
            assert_eq!(
                read(url, "").unwrap().unwrap().url.is_slack(),
                slack,
                "{url}"
            );
        }
    }

    #[test]
    fn messages_go_over_https_or_stay_among_neighbours() {
        for url in [
            "https://example.com/hook?token=1",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/",
            "http://192.168.1.2/hook",
            "http://receiver/hook",
        ] {
            assert!(read(url, "").is_ok(), "{url}");
        }
        for url in [
            "http://example.com/secret",
            "http://8.8.8.8/secret",
            "ftp://example.com/secret",
            "example.com/secret",
            "https://",
            "https://example.com/secret#part",
        ] {
            let error = read(url, "").unwrap_err();
            assert_eq!(error.name, "NOTIFY_URL", "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_one_of_standard_webhooks() {
        assert!(
            read("https://example.com/", SECRET)
                .unwrap()
                .unwrap()
                .key
                .is_some()
        );
        for secret in [
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
            "whsec_",
        ] {
            let error = read("https://example.com/", secret).unwrap_err();
            assert_eq!(error.name, "NOTIFY_SECRET", "{secret}");
            assert!(!error.to_string().contains("MfKQ"), "{error}");
        }
        assert_eq!(read("", SECRET).unwrap_err().name, "NOTIFY_SECRET");
    }

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let settings = read("https://example.com/", SECRET).unwrap().unwrap();
        let signature = settings.key.unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn neither_address_nor_secret_is_told_to_anybody() {
        let settings = read("https://example.com/pa55", SECRET).unwrap();
        let told = format!("{settings:?}");
        assert!(!told.contains("pa55") && !told.contains("MfKQ"), "{told}");
        assert_eq!(settings.unwrap().url.host(), "example.com");
    }
}
