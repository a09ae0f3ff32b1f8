//! The HTTP underneath: one request, its attempts, and a bounded answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    Config, Connections, Error, Table, Unreadable, connections::extended, error::Unreachable,
    record::identifier, retry,
};

const TOKEN_HEADER: HeaderName = HeaderName::from_static("xc-token");

/// A NocoDB server and the token to use there. Cheap to clone; clones share their connections.
///
/// Every call can fail with [`Error::BadCredentials`], [`Error::RateLimited`],
/// [`Error::Unreachable`], [`Error::Unreadable`] and [`Error::UnexpectedStatus`]; its own
/// documentation names what comes on top.
///
/// Calls that fail in passing are repeated as [`Config::retry`] says: anything that changes nothing
/// by being done twice after any such failure; a create only when the server cannot have seen it
/// (no connection) or turned it away (429).
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    token: HeaderValue,
    config: Config,
    /// The most rows that one answer had.
    largest_page: AtomicU32,
    /// Rows that fit into an answer, as far as larger ones have failed.
    fitting: AtomicU32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.inner.config.url.as_str())
            .finish_non_exhaustive()
    }
}

/// Whether doing a thing twice is as good as doing it once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    IsHarmless,
    IsOneTooMany,
}

impl Client {
    /// A client; connects only when used.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a URL that is not a plain `http(s)` address or a token that cannot be a header.
    pub fn new(mut config: Config) -> Result<Self, Error> {
        let url = &mut config.url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::invalid(
                "the NocoDB URL",
                "must start with https:// or http://",
            ));
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(Error::invalid(
                "the NocoDB URL",
                "must be an address only: no user name, no password, no ? and no #",
            ));
        }

        let mut token = HeaderValue::from_str(config.token.expose_secret())
            .ok()
            .filter(|token| !token.is_empty())
            .ok_or_else(|| {
                Error::invalid(
                    "the NocoDB API token",
                    "must be one line of visible characters",
                )
            })?;
        token.set_sensitive(true);

        let connections = match config.connections.clone() {
            Some(connections) => connections,
            None => Connections::with_timeouts(config.connect_timeout, config.pool_idle_timeout)?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                connections,
                token,
                config,
                largest_page: AtomicU32::new(0),
                fitting: AtomicU32::new(u32::MAX),
            }),
        })
    }

    /// A table, by the ids of its base and of itself (as in the address bar of NocoDB: `p…` and
    /// `m…`). Asks nothing.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an id that is not 1 to 64 letters, digits, `_` and `-`.
    pub fn table(&self, base_id: &str, table_id: &str) -> Result<Table, Error> {
        let table = identifier("the table id", table_id)?;
        let base = identifier("the base id", base_id)?;
        let url = self.url(&["api", "v3", "data", base, table]);
        let bulk = self.url(&["api", "v2", "tables", table, "records"]);
        Ok(Table::new(self.clone(), url, bulk))
    }

    /// Asks whether the server is up. Needs no valid token, and proves none.
    ///
    /// # Errors
    /// Those that every call can have.
    pub async fn health(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        struct Health {
            #[expect(
                dead_code,
                reason = "its presence tells NocoDB's answer from another server's"
            )]
            message: String,
        }
        self.get::<Health>(self.url(&["api", "v1", "health"]))
            .await
            .map(|_| ())
    }

    /// The address of a path below the configured one.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        extended(&self.inner.config.url, segments)
    }

    /// How many rows to ask for where so many are wanted.
    pub(super) fn page_size(&self, wanted: u32) -> u32 {
        wanted.min(self.inner.fitting.load(Ordering::Relaxed))
    }

    /// Whether this server's clamp, which is the same for every page, is known to lie above.
    pub(super) fn has_given_more_than(&self, rows: u32) -> bool {
        self.inner.largest_page.load(Ordering::Relaxed) > rows
    }

    /// So many rows came where so many were asked for. After one that was too large, pages grow again
    /// slowly.
    pub(super) fn page_came(&self, asked: u32, came: u32) {
        let Inner {
            largest_page,
            fitting,
            ..
        } = self.inner.as_ref();
        largest_page.fetch_max(came, Ordering::Relaxed);
        if came >= asked && asked == fitting.load(Ordering::Relaxed) {
            fitting.store(asked + asked / 8 + 1, Ordering::Relaxed);
        }
    }

    /// Only so many rows may fit.
    pub(super) fn page_was_too_large(&self, rows: u32) {
        self.inner.fitting.store(rows, Ordering::Relaxed);
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        self.call(Method::GET, url, None, Twice::IsHarmless).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: &impl Serialize,
        twice: Twice,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|_| Error::invalid("the request's body", "cannot be JSON"))?;
        self.call(method, url, Some(body), twice).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        twice: Twice,
    ) -> Result<T, Error> {
        let config = &self.inner.config;
        self.inner.connections.ready().await;
        self.turn().await;
        let deadline = Instant::now() + config.total_deadline;
        let mut retries = 0;
        let answer = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self
                .attempt(
                    &method,
                    &url,
                    body.clone(),
                    left.min(config.attempt_timeout),
                )
                .await
            {
                Ok(answer) => break answer,
                Err(error) => error,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(pause) = config.retry.pause(
                retries,
                &error,
                twice == Twice::IsHarmless,
                left,
                retry::random(),
            ) else {
                return Err(error);
            };
            retries += 1;
            tracing::debug!(retries, pause_ms = pause.as_millis(), %error, "NocoDB will be asked again");
            sleep(pause).await;
            self.turn().await;
        };
        serde_json::from_slice(&answer).map_err(|error| Error::from_json(&error))
    }

    /// Waits in the line, which counts for no deadline: nobody is slow but us.
    async fn turn(&self) {
        if let Some(throttle) = &self.inner.config.throttle {
            throttle.turn().await;
        }
    }

    async fn attempt(
        &self,
        method: &Method,
        url: &Url,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        if let Some(wire) = self.inner.connections.wire() {
            let carried = wire.carry(method.clone(), url.clone(), body).await;
            let (status, headers, bytes) =
                carried.map_err(|how| Error::Unreachable { how, source: None })?;
            if bytes.len() > self.inner.config.max_body_bytes {
                return Err(Error::Unreadable(Unreadable::TooLarge));
            }
            return judged(status, &headers, bytes);
        }
        let mut request = self
            .inner
            .connections
            .request(method.clone(), url.clone())
            .header(TOKEN_HEADER, self.inner.token.clone())
            .timeout(timeout);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(Error::from_transport)?;
        let (status, headers) = (answer.status(), answer.headers().clone());

        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken_off)? {
            if bytes.len() + chunk.len() > self.inner.config.max_body_bytes {
                return Err(Error::Unreadable(Unreadable::TooLarge));
            }
            bytes.extend_from_slice(&chunk);
        }
        judged(status, &headers, bytes)
    }
}

fn judged(status: StatusCode, headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    if status.is_success() {
        Ok(bytes)
    } else {
        Err(Error::from_answer(status, headers, &bytes))
    }
}

/// The head has arrived, so whatever the transport says now, the connection had been made.
fn broken_off(error: reqwest::Error) -> Error {
    let how = if error.is_timeout() {
        Unreachable::Timeout
    } else {
        Unreachable::Broken
    };
    Error::Unreachable {
        how,
        source: Some(Box::new(error.without_url())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(url: &str, token: &str) -> Result<Client, Error> {
        Client::new(Config::new(url.parse().unwrap(), token.to_owned().into()))
    }

    #[test]
    fn a_path_prefix_is_kept_with_and_without_its_slash() {
        for (url, expected) in [
            ("https://host", "https://host/api/v1/health"),
            ("https://host/", "https://host/api/v1/health"),
            ("https://host/nocodb", "https://host/nocodb/api/v1/health"),
            (
                "http://host:8080/a/b/",
                "http://host:8080/a/b/api/v1/health",
            ),
        ] {
            assert_eq!(
                client(url, "t")
                    .unwrap()
                    .url(&["api", "v1", "health"])
                    .as_str(),
                expected
            );
        }
    }

    #[test]
    fn an_address_that_is_more_than_an_address_is_refused() {
        for url in [
            "ftp://host/",
            "mailto:a@b.c",
            "https://user@host/",
            "https://:pw@host/",
            "https://host/?a",
            "https://host/#a",
        ] {
            assert!(
                matches!(client(url, "t"), Err(Error::InvalidInput { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn a_token_that_cannot_be_a_header_is_refused_without_being_shown() {
        for token in ["", "se\ncret", "se\0cret"] {
            let error = client("https://host/", token).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { .. }));
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
        }
    }

    #[test]
    fn debug_output_never_shows_the_token() {
        let config = Config::new(
            "https://host/".parse().unwrap(),
            "se-cret".to_owned().into(),
        );
        let client = Client::new(config.clone()).unwrap();
        let table = client.table("p1", "m1").unwrap();
        let text = format!(
            "{config:?} {client:?} {table:?} {:?} {:?}",
            client.inner.connections, client.inner.token
        );
        assert!(
            text.contains("https://host/") && !text.contains("se-cret"),
            "{text}"
        );
    }

    #[test]
    fn ids_that_could_change_a_path_are_refused() {
        let client = client("https://host/", "t").unwrap();
        for id in ["", ".", "..", "a/b", "a%2Fb", "a?b", "é", "a b"] {
            assert!(
                matches!(client.table(id, "m1"), Err(Error::InvalidInput { .. })),
                "{id}"
            );
            assert!(
                matches!(client.table("p1", id), Err(Error::InvalidInput { .. })),
                "{id}"
            );
        }
    }
}
