//! Asking a live site: one request after the other, each bounded.

use std::error::Error;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use jiff::fmt::rfc2822;
use reqwest::{Client, RequestBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use shared::causes::in_one_line;
use shared::https;
use shared::settings::Variables;
use shared::timestamp::Timestamp;
use url::Url;

use super::super::finding::Finding;
/// Somebody waits at a terminal.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than any page with a form, and than the script.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// What a browser says of a visitor who opens a page.
const NAVIGATION: [(&str, &str); 4] = [
    ("accept", "text/html"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
];

/// A live site.
pub(super) struct Site {
    client: Client,
    url: Url,
}

impl Site {
    /// # Errors
    /// A line that names `SSL_CERT_FILE` where it cannot be read.
    pub(super) fn new(url: &Url, variables: &Variables) -> Result<Self, Box<dyn Error>> {
        let mut roots = https::public_roots();
        if let Some(file) = variables.get("SSL_CERT_FILE") {
            let unusable = |error: &dyn Error| format!("SSL_CERT_FILE: {file}: {error}");
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
        }
        let client = https::client(roots)?
            .timeout(TIMEOUT)
            .user_agent(concat!("lastseen-doctor/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            url: url.clone(),
        })
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// As `Origin` has it.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The address of a path, which is asked for as it is written.
    pub(super) fn address(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// Where an answer of this site leads, with the path alone where it stays on the site.
    pub(super) fn leads_to(&self, answer: &Answer) -> Option<Url> {
        self.url.join(answer.location()?).ok()
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.address(path))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        send(self.request(Method::GET, path)).await
    }

    /// As a visitor opens a page, with these cookies.
    pub(super) async fn open(&self, path: &str, cookie: Option<&str>) -> Result<Answer, String> {
        let mut request = self.request(Method::GET, path);
        for (name, value) in NAVIGATION {
            request = request.header(name, value);
        }
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        send(request).await
    }

    /// Whether there is anything to ask; everything else would only say the same again.
    pub(super) async fn reach(&self) -> Result<Vec<Finding>, Finding> {
        let url = &self.url;
        let answer = self.get("/").await.map_err(|error| {
            Finding::wrong(format!(
                "{url} could not be reached: {error} — check the address, its DNS record, its certificate, and that the site is running"
            ))
        })?;
        if answer.status == StatusCode::MISDIRECTED_REQUEST {
            return Err(Finding::wrong(format!(
                "{url} is answered with 421: the API does not know the site's host — set SITE_AUDIENCE there to the host of this address, and let what stands in front pass Host on"
            )));
        }
        let mut findings = vec![Finding::good(if self.is_https() {
            format!("{url} answers, with a certificate that is trusted")
        } else {
            format!("{url} answers")
        })];
        // Only there is it known where plain http would be.
        if self.is_https() && url.port().is_none() {
            let mut plain = url.clone();
            // Fails for no address with a host.
            let _ = plain.set_scheme("http");
            let answer = send(self.client.get(plain.clone())).await;
            findings.push(about_plain_http(url, &plain, answer));
        }
        Ok(findings)
    }
}

fn about_plain_http(url: &Url, plain: &Url, answer: Result<Answer, String>) -> Finding {
    let Ok(answer) = answer else {
        return Finding::good(format!(
            "{plain} does not answer, so nothing is sent in the open"
        ));
    };
    let to = answer.location().and_then(|to| plain.join(to).ok());
    let is_secure = to.is_some_and(|to| to.scheme() == "https" && to.host_str() == url.host_str());
    if answer.status.is_redirection() && is_secure {
        Finding::good(format!("{plain} leads to https"))
    } else {
        Finding::wrong(format!(
            "{plain} is answered with {} and does not lead to https — what visitors send there can be read on the way: redirect it",
            answer.say()
        ))
    }
}

/// An answer, with as much of its body as was worth reading.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where it leads. Browsers refuse an answer that names more than one place (seen in Chromium:
    /// `ERR_RESPONSE_HEADERS_MULTIPLE_LOCATION`), so that leads nowhere.
    fn location(&self) -> Option<&str> {
        let mut places = self.locations();
        places.next().filter(|_| places.next().is_none())
    }

    pub(super) fn locations(&self) -> impl Iterator<Item = &str> {
        let places = self.headers.get_all("location").iter();
        places.map(|place| place.to_str().unwrap_or_default())
    }

    /// By the clock of whoever answered.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let date = rfc2822::parse(self.header("date")?).ok()?;
        Some(Timestamp::from_unix(date.timestamp().as_second()))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The `code` of an error of the API's.
    pub(super) fn code(&self) -> Option<String> {
        Some(self.json().get("code")?.as_str()?.to_owned())
    }

    /// The status, and what is known besides.
    pub(super) fn say(&self) -> String {
        let status = self.status.as_u16();
        let places: Vec<String> = self.locations().map(|to| format!("to {to}")).collect();
        let more = self.code().unwrap_or_else(|| places.join(" and "));
        if more.is_empty() {
            status.to_string()
        } else {
            format!("{status} ({more})")
        }
    }
}

/// One answer, or why there was none.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, String> {
    let said = |error: reqwest::Error| {
        if error.is_timeout() {
            format!("no answer within {} seconds", TIMEOUT.as_secs())
        } else {
            in_one_line(&error.without_url())
        }
    };
    let mut response = request.send().await.map_err(said)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            body.truncate(MAX_BODY_BYTES);
            break;
        }
    }
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, location: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("location", location.parse().unwrap());
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Vec::new(),
        }
    }

    #[test]
    fn an_answer_says_when_it_was_given() {
        let dated = |date: &str| {
            let mut answer = answer(200, "/");
            answer.headers.insert("date", date.parse().unwrap());
            answer.date().map(Timestamp::as_unix)
        };
        // RFC 9110 5.6.7
        assert_eq!(dated("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(dated("today"), None);
        assert_eq!(answer(200, "/").date(), None);
    }

    #[test]
    fn an_answer_with_two_locations_leads_nowhere() {
        let url = Url::parse("http://www.example.com").unwrap();
        let mut answer = answer(302, "https://www.example.com/");
        answer.headers.append("location", "/b".parse().unwrap());
        assert_eq!(answer.location(), None);
        let said = about_plain_http(&url, &url, Ok(answer)).to_string();
        let both = "is answered with 302 (to https://www.example.com/ and to /b)";
        assert!(said.starts_with('✗') && said.contains(both), "{said}");
    }

    #[test]
    fn plain_http_leads_to_https_or_nowhere() {
        let url = Url::parse("https://www.example.com").unwrap();
        let plain = Url::parse("http://www.example.com").unwrap();
        let mark = |answer| about_plain_http(&url, &plain, answer).to_string().remove(0);
        for good in [
            Ok(answer(301, "https://www.example.com/")),
            Ok(answer(308, "https://www.example.com:443/x")),
            Err("connection refused".to_owned()),
        ] {
            assert_eq!(mark(good), '✓');
        }
        for bad in [
            Ok(answer(200, "https://www.example.com/")),
            Ok(answer(301, "http://www.example.com/de/")),
            Ok(answer(301, "/de/")),
            Ok(answer(301, "https://evil.example/")),
        ] {
            assert_eq!(mark(bad), '✗');
        }
    }
}
