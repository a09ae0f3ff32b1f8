//! Running a handler on AWS Lambda: secrets, settings, and the runtime's requests and answers.

use std::process::ExitCode;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HOST, HeaderValue};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Service, lambda_runtime, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::sync::Mutex;
use url::Url;

use crate::app::{App, StartError};
use crate::clock::Lasting;
use crate::nocodb::Connections;
use crate::setting_names;
use crate::settings::{SettingError, Variables};
use crate::ssm::{self, SecretsError};
use crate::store::DEFAULT_RETRY_AFTER;
use crate::timestamp::Timestamp;
use crate::web::{self, Request, Response};

/// Besides these, only letters of other alphabets have to be encoded, and they always are.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Runs a handler until the sandbox is taken away.
///
/// Secrets are read before the first request, and again when they are older than
/// [`SECRETS_MAX_AGE_SECONDS`](crate::settings::Settings::secrets_max_age), so that a key or a token
/// can be replaced without a deployment. Where they cannot be read at the start, the function
/// answers `503` and tries again with the next request, instead of crashing in a loop; later it goes
/// on with those it has. A bad setting stops it with one line that names it.
pub async fn run<Handler, Answer>(handler: Handler) -> ExitCode
where
    Handler: Fn(App, Request, Timestamp) -> Answer + Send + Sync,
    Answer: Future<Output = Response> + Send,
{
    start_log();
    let app = Mutex::new(None);
    // Whatever else prevents a start may have passed when the first request comes.
    if let Err(InitError::Start(_)) = current(&app, Timestamp::now()).await {
        return ExitCode::FAILURE;
    }
    let (app, handler) = (&app, &handler);
    let answer = move |event: lambda_http::Request| async move {
        let (parts, body) = event.into_parts();
        let request = Request::from_parts(parts, bytes(body));
        let now = Timestamp::now();
        let response = match current(app, now).await {
            Ok(app) => handler(app, request, Timestamp::now()).await,
            Err(_) => not_started(),
        };
        Ok::<_, Error>(response.map(text))
    };
    let mut adapter = Adapter::from(service_fn(answer));
    let tamed = service_fn(move |event: LambdaEvent<LambdaRequest>| {
        let LambdaEvent {
            payload, context, ..
        } = event;
        adapter.call(LambdaEvent::new(tame(payload), context))
    });
    until_taken_away(lambda_runtime::run(tamed).await)
}

/// Runs a task whenever its schedule says, with secrets read anew each time: it is rare. The moment
/// is the one that it was scheduled for, and stays when the event comes again; of an event without
/// one, now. An error is what the runtime counts as a failed invocation.
pub async fn run_scheduled<Task, Done>(task: Task) -> ExitCode
where
    Task: Fn(Variables, Timestamp) -> Done + Send + Sync,
    Done: Future<Output = Result<(), Error>> + Send,
{
    start_log();
    let task = &task;
    let scheduled = service_fn(move |event: LambdaEvent<serde_json::Value>| async move {
        let variables = Variables::from_env();
        setting_names::check(&variables)?;
        let variables = ssm::resolve(&variables).await?;
        let moment = event.payload["time"].as_str();
        let moment = moment.and_then(|time| time.parse().ok());
        let done = task(variables, moment.unwrap_or_else(Timestamp::now)).await;
        if let Err(error) = &done {
            tracing::error!(error = error.to_string(), "the scheduled task failed");
        }
        done
    });
    until_taken_away(lambda_runtime::run(scheduled).await)
}

/// One JSON object a line, with the time in UTC: a line is readable alone, wherever it is copied to
/// (OWASP ASVS 5.0 16.2.2).
fn start_log() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_max_level(tracing::Level::INFO)
        .init();
}

fn until_taken_away(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the Lambda runtime cannot be talked to");
            ExitCode::FAILURE
        }
    }
}

/// The function cannot answer yet.
#[derive(Debug, thiserror::Error)]
enum InitError {
    /// Will be the same next time: the program stops.
    #[error(transparent)]
    Start(#[from] StartError),
    /// May pass: the next request tries again.
    #[error(transparent)]
    Secrets(SecretsError),
}

impl From<SecretsError> for InitError {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Setting(error) => Self::Start(error.into()),
            error => Self::Secrets(error),
        }
    }
}

/// What a sandbox keeps from one request to the next.
struct Current {
    app: App,
    /// What the app was made of.
    variables: Variables,
    connections: Connections,
    read_at: Timestamp,
}

impl Current {
    /// Connects to `NocoDB` while SSM is asked: the token is needed only for the first call. Init
    /// runs with more of the processor than a small function has later, when a TLS handshake can
    /// take hundreds of milliseconds.
    async fn start(now: Timestamp) -> Result<Self, InitError> {
        let variables = Variables::from_env();
        let Some(url) = variables.get("NOCODB_URL") else {
            return Err(StartError::from(no_store()).into());
        };
        let connections = Connections::new().map_err(StartError::from)?;
        let opening = async {
            // What is no address is refused with the other settings.
            if let Ok(url) = url.parse::<Url>() {
                connections.open(&url).await;
            }
        };
        let (variables, ()) = tokio::join!(ssm::resolve(&variables), opening);
        let variables = variables?;
        Ok(Self {
            app: app(&variables, &connections)?,
            variables,
            connections,
            read_at: now,
        })
    }

    /// Reads the secrets anew. Whatever goes wrong, those that are known still serve: an outage of
    /// SSM throws nobody out.
    async fn refresh(&mut self, now: Timestamp) -> Result<(), InitError> {
        self.read_at = now;
        let variables = ssm::resolve(&Variables::from_env()).await?;
        if variables != self.variables {
            self.app = app(&variables, &self.connections)?;
            self.variables = variables;
            tracing::info!("the secrets have changed");
        }
        Ok(())
    }
}

fn app(variables: &Variables, connections: &Connections) -> Result<App, StartError> {
    let app = App::start_over(variables, Some(connections.clone()))?;
    #[cfg(feature = "queue-on-aws")]
    let app = app.with_queue_on_aws(variables)?;
    // The gate's function alone is built with it; the others never ask for a code.
    #[cfg(feature = "codes-on-aws")]
    let app = app.with_codes_on_aws(variables)?;
    Ok(app)
}

async fn current(kept: &Mutex<Option<Current>>, now: Timestamp) -> Result<App, InitError> {
    let mut kept = kept.lock().await;
    if let Some(current) = kept.as_mut() {
        let max_age = current.app.settings.secrets_max_age;
        if !Lasting::new(current.read_at, max_age).is_on(now)
            && let Err(error) = current.refresh(now).await
        {
            let error = error.to_string();
            tracing::error!(
                error,
                "the secrets could not be read anew; those known still serve"
            );
        }
        return Ok(current.app.clone());
    }
    match Current::start(now).await {
        Ok(current) => Ok(kept.insert(current).app.clone()),
        Err(error) => {
            tracing::error!(error = error.to_string(), "the function cannot start");
            Err(error)
        }
    }
}

fn no_store() -> SettingError {
    let problem = "is missing; only `lastseen serve` can do without a NocoDB".to_owned();
    SettingError {
        name: "NOCODB_URL",
        problem,
    }
}

/// Without settings there is neither a gate to redirect to nor a cookie to renew.
fn not_started() -> Response {
    let mut response = web::unavailable(DEFAULT_RETRY_AFTER);
    let headers = response.headers_mut();
    // Nor is it known whether this is https.
    web::protect(headers, false);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes an address out of what a client sent for one. `lambda_http` panics where it is none (seen
/// in 1.3.2), and the sandbox would end with it.
fn tame(mut event: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(event) = &mut event {
        if let Some(query) = &mut event.raw_query_string {
            *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
        }
        let host = event
            .headers
            .get(HOST)
            .map(|host| host.to_str().unwrap_or_default());
        if host.is_some_and(|host| Url::parse(&format!("https://{host}/")).is_err()) {
            event.headers.remove(HOST);
        }
        // Becomes the scheme, which nobody asks for.
        event.headers.remove("x-forwarded-proto");
    }
    event
}

/// The runtime decodes base64; what it takes for binary are the bytes all the same.
fn bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        _ => Bytes::new(),
    }
}

/// All our answers are text, which saves API Gateway the base64.
fn text(body: Bytes) -> Body {
    String::from_utf8(body.into()).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
}
