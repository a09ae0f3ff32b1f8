//! A proxy between lastseen and NocoDB that fails as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::net::TcpListener;

/// Longer than the clients of these tests wait.
pub const TOO_LONG: Duration = Duration::from_millis(450);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections are closed without an answer, and nothing reaches the server.
    Down,
    /// `429`, with the wish to be left alone for half a minute.
    Limited,
    /// The server does it, and its answer comes too late.
    Slow,
    /// The server does it, and the connection breaks before the answer.
    Cut,
    /// `500`, and nothing reaches the server.
    Error,
    /// The server does it, and answers `500`.
    ErrorAfter,
    /// Of many rows the first half is written, and the answer is `500`.
    Half,
    /// `200` from somebody else: a login page, or JSON of another kind.
    Wrong,
    /// Any of these, or nothing, at every request.
    Mixed,
}

/// All that are one thing.
pub const FAULTS: [Fault; 8] = [
    Fault::Down,
    Fault::Limited,
    Fault::Slow,
    Fault::Cut,
    Fault::Error,
    Fault::ErrorAfter,
    Fault::Half,
    Fault::Wrong,
];

/// See the module.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    state: Arc<State>,
}

struct State {
    target: String,
    client: reqwest::Client,
    fault: Mutex<Fault>,
    random: Mutex<ChaCha8Rng>,
    requests: AtomicUsize,
}

impl Proxy {
    /// In front of this server, with what happens by chance decided by a seed.
    pub async fn start(target: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let builder = shared::https::client(shared::https::public_roots()).unwrap();
        let state = Arc::new(State {
            target: target.trim_end_matches('/').to_owned(),
            client: builder.build().unwrap(),
            fault: Mutex::new(Fault::None),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            requests: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // A fault is the end of its connection.
                    let _ = connection.await;
                });
            }
        });
        Self { url, state }
    }

    /// What goes wrong from now on.
    pub fn fail(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// How many requests came in.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

/// No answer: hyper ends the connection.
#[derive(Debug)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}
impl std::error::Error for NoAnswer {}

type Answer = Result<Response<Full<Bytes>>, NoAnswer>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let fault = match *state.fault.lock().unwrap() {
        Fault::Mixed => {
            let mut random = state.random.lock().unwrap();
            if random.random_bool(0.5) {
                Fault::None
            } else {
                FAULTS[random.random_range(0..FAULTS.len())]
            }
        }
        fault => fault,
    };
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let forward = async |body: Bytes| {
        state
            .forward(&parts.method, path, &parts.headers, body)
            .await
    };
    match fault {
        Fault::None | Fault::Mixed => forward(body).await,
        Fault::Down => Err(NoAnswer),
        Fault::Limited => Ok(text(StatusCode::TOO_MANY_REQUESTS, "")),
        Fault::Slow => {
            let answer = forward(body).await;
            tokio::time::sleep(TOO_LONG).await;
            answer
        }
        Fault::Cut => {
            forward(body).await?;
            Err(NoAnswer)
        }
        Fault::Error => Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "")),
        Fault::ErrorAfter => {
            forward(body).await?;
            Ok(text(StatusCode::BAD_GATEWAY, "<html>"))
        }
        Fault::Half => {
            match serde_json::from_slice(&body) {
                Ok(Value::Array(rows)) if rows.len() > 1 => {
                    let half = Value::from(rows[..rows.len() / 2].to_vec());
                    forward(half.to_string().into()).await?;
                }
                _ => {}
            }
            Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "{}"))
        }
        Fault::Wrong => {
            let wrong = ["<html>Sign in</html>", "{\"ok\":true}", "[]", "null"];
            let number = state.random.lock().unwrap().random_range(0..wrong.len());
            Ok(text(StatusCode::OK, wrong[number]))
        }
    }
}

impl State {
    async fn forward(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.target))
            .body(body);
        for name in ["xc-token", "content-type"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.map_err(|_| NoAnswer)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|_| NoAnswer)?;
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        Ok(response)
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        let wish = http::HeaderValue::from_static("30");
        response.headers_mut().insert("retry-after", wish);
    }
    response
}
