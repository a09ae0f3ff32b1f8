//! HTTP for the SDK's clients: the same as to `NocoDB`, with the roots that are compiled in. The SDK's
//! own reads all certificates of the platform before its first request.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use super::{CONNECT_TIMEOUT, IDLE_TIMEOUT};
use crate::https;

/// One; `None` where TLS cannot be set up, which the first request says.
pub(super) fn new() -> Option<SharedHttpClient> {
    let client = https::client(https::public_roots())
        .ok()?
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
        .ok()?;
    let connector = SharedHttpConnector::new(Connector(client));
    Some(http_client_fn(move |_, _| connector.clone()))
}

#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { answer(&client, request).await })
    }
}

/// Requests and answers are small and in memory as a whole; nothing here is streamed.
async fn answer(
    client: &reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().unwrap_or_default().to_vec());
    let request =
        reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
    let answer = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = http::Response::new(SdkBody::from(answer.bytes().await.map_err(failed)?));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

/// The SDK tries both again.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}
