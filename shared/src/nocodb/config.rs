//! Where the server is, and how long to wait for it.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{
    Connections, Retry, Throttle,
    connections::{CONNECT_TIMEOUT, IDLE_TIMEOUT},
};

/// What a [`Client`](super::Client) needs to know. Make one with [`Config::new`] and change what
/// differs.
///
/// `Debug` shows the URL but never the token.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's address, `https://host/` or with a path prefix (`https://host/nocodb/`). Plain
    /// `http` is taken as it is: whether that is acceptable is the caller's policy. User names,
    /// passwords, queries and fragments are refused.
    pub url: Url,
    /// The API token, sent as `xc-token`.
    pub token: SecretString,
    /// How long connecting may take, TLS included. Default 2 s.
    pub connect_timeout: Duration,
    /// How long one attempt may take, from connecting to the last byte of the answer. Default 5 s.
    pub attempt_timeout: Duration,
    /// How long one call may take, with all its attempts and the pauses between them. Default 8 s.
    pub total_deadline: Duration,
    /// How long an unused connection is kept. Default 4 s: Node's HTTP server, which NocoDB is,
    /// closes its own after 5, and a Lambda sandbox that was frozen in between thaws with a pool of
    /// connections that look alive and are not.
    pub pool_idle_timeout: Duration,
    /// The largest answer read, in bytes; larger ones are
    /// [`Unreadable::TooLarge`](super::Unreadable::TooLarge). Default 8 MiB.
    pub max_body_bytes: usize,
    /// Connections to share, which may be open already. Default none: the client makes its own, by
    /// the two timeouts above.
    pub connections: Option<Connections>,
    /// What spaces the requests, shared with other clients of the same server. Default none.
    pub throttle: Option<Throttle>,
    /// How often, and after which pauses, a call is tried again.
    pub retry: Retry,
}

impl Config {
    /// The defaults named at each field.
    #[must_use]
    pub fn new(url: Url, token: SecretString) -> Self {
        Self {
            url,
            token,
            connect_timeout: CONNECT_TIMEOUT,
            attempt_timeout: Duration::from_secs(5),
            total_deadline: Duration::from_secs(8),
            pool_idle_timeout: IDLE_TIMEOUT,
            max_body_bytes: 8 * 1024 * 1024,
            connections: None,
            throttle: None,
            retry: Retry::default(),
        }
    }
}
