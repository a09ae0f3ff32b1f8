//! The connections to servers, apart from what is said on them: they can be opened before the token
//! is known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use reqwest::RequestBuilder;
use tokio::sync::{Notify, RwLock};
use tower::util::MapResponseLayer;
use url::Url;

use super::{Error, Unreachable};
use crate::https;

/// How long connecting may take, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept; for the reason see [`Config`](super::Config).
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Opening ahead is a favour to the first call, and not worth more than that call would spend on
/// it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// What carries requests instead of the network: for tests that decide when each one arrives, and
/// whether its answer does.
#[async_trait]
pub trait Wire: fmt::Debug + Send + Sync {
    /// Carries one request, and brings the answer back whole.
    ///
    /// # Errors
    /// [`Unreachable`]: how it went unanswered.
    async fn carry(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Unreachable>;
}

/// Connections that several clients can share, one after the other or at once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections {
    client: reqwest::Client,
    /// Instead of it.
    wire: Option<Arc<dyn Wire>>,
    /// Told of each connection that is made.
    made: Arc<Notify>,
    /// Locked for writing while one is opened ahead.
    opening: Arc<RwLock<()>>,
}

impl Connections {
    /// None yet; with the timeouts that are the default of [`Config`](super::Config).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        Self::with_timeouts(CONNECT_TIMEOUT, IDLE_TIMEOUT)
    }

    pub(super) fn with_timeouts(connect: Duration, idle: Duration) -> Result<Self, Error> {
        let made = Arc::new(Notify::new());
        let tells = Arc::clone(&made);
        let client = https::client(https::public_roots())
            .map_err(|_| Error::invalid("TLS", "has no usable protocol version"))?
            .connect_timeout(connect)
            .pool_idle_timeout(idle)
            .connector_layer(MapResponseLayer::new(move |connection| {
                tells.notify_one();
                connection
            }))
            .build()
            .map_err(|_| Error::invalid("the HTTP client", "could not be set up"))?;
        Ok(Self {
            client,
            wire: None,
            made,
            opening: Arc::default(),
        })
    }

    /// The same connections, with nothing sent on them: `wire` carries it all.
    #[must_use]
    pub fn over(self, wire: Arc<dyn Wire>) -> Self {
        Self {
            wire: Some(wire),
            ..self
        }
    }

    /// Opens one ahead of the first call, within 2 seconds, TLS included. Needs no token and sends
    /// none. Where it fails, the first call says so.
    ///
    /// A connection is kept only with a request and its answer on it. That answer nobody waits for
    /// but the first call, in [`ready`](Self::ready), so that it makes no start slower.
    pub async fn open(&self, url: &Url) {
        // Any answer does, so what a server answers soonest: measured on 0.265.1, this takes 1.5 ms
        // where `/api/v1/health` takes 2.6 and a route that there is none of 3.
        let cheapest = extended(url, &["favicon.ico"]);
        let request = self.request(Method::HEAD, cheapest).timeout(OPEN_TIMEOUT);
        let opening = Arc::clone(&self.opening).write_owned().await;
        let answered = tokio::spawn(async move {
            if let Err(error) = request.send().await {
                tracing::debug!(error = %error.without_url(), "NocoDB could not be connected to ahead of the first call");
            }
            drop(opening);
        });
        tokio::select! {
            () = self.made.notified() => {}
            _ = answered => {}
        }
    }

    /// Waits while a connection is being opened ahead, for 2 seconds at most: whoever does not
    /// would open another beside it.
    pub(super) async fn ready(&self) {
        drop(self.opening.read().await);
    }

    /// See [`over`](Self::over).
    pub(super) fn wire(&self) -> Option<&dyn Wire> {
        self.wire.as_deref()
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// `base` with more segments; a trailing slash makes no difference.
pub(super) fn extended(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Fails only for addresses like `mailto:`, which `Client::new` refuses.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
