//! A browser with one cookie jar, and what its page would report.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use shared::timestamp::Timestamp;
use shared::web::Response;

/// The page that is looked at.
pub const PAGE: &str = "/portfolio/confidential/";

/// What stands in a token, as far as anybody who holds it can read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// `rid`.
    pub row: u64,
    /// When its session began, by its browser.
    pub start: Timestamp,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `asked`.
    pub asked: Option<Timestamp>,
    /// `exp`.
    pub idle_deadline: Timestamp,
    /// `end`.
    pub end_deadline: Timestamp,
}

impl Token {
    fn read(cookie: &str, start: Timestamp) -> Option<Self> {
        let payload = cookie.split('.').nth(1)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let moment = |name: &str| claims[name].as_i64().map(Timestamp::from_unix);
        Some(Self {
            row: claims["rid"].as_str()?.parse().ok()?,
            start,
            issued_at: moment("iat")?,
            asked: moment("asked"),
            idle_deadline: moment("exp")?,
            end_deadline: moment("end")?,
        })
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Browser {
    /// When its session began.
    pub start: Timestamp,
    /// The session's cookie.
    pub cookie: Option<String>,
}

impl Browser {
    /// What its token says.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        Token::read(self.cookie.as_ref()?, self.start)
    }

    /// What its page reports at a moment, after having been looked at all the time.
    #[must_use]
    pub fn snapshot(&self, at: Timestamp, now: Timestamp) -> (Value, (Timestamp, u64)) {
        let active = at.since(self.start);
        let body = json!({
            "session": self.token().map(|token| token.row.to_string()),
            "activeSeconds": active,
            "inactiveSeconds": now.since(at),
            "seenSecondsAgo": now.since(at),
            "page": PAGE,
            "pages": { PAGE: { "seconds": active, "scroll": 10 } },
        });
        (body, (at, active))
    }

    /// A request with its cookie.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> http::Request<Bytes> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header("sec-fetch-site", "same-origin");
        if method == "GET" && !path.ends_with("heartbeat") {
            request = request
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
                .header("sec-fetch-user", "?1");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, format!("lastseen={cookie}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request.body(Bytes::from(body)).unwrap_or_default()
    }

    /// Keeps what an answer sets, and says whether it did.
    pub fn keep(&mut self, response: &Response) -> bool {
        let mut sets = false;
        for header in response.headers().get_all(SET_COOKIE) {
            let header = header.to_str().unwrap_or_default();
            let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
            if let Some(value) = pair.strip_prefix("lastseen=") {
                sets = !attributes.contains("Max-Age=0;");
                self.cookie = sets.then(|| value.to_owned());
            }
        }
        sets
    }
}

/// Where an answer leads.
#[must_use]
pub fn location(response: &Response) -> &str {
    let header = response.headers().get(LOCATION);
    header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
