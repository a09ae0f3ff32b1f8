//! What all clients of AWS services share.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::settings::Variables;

mod http_client;

/// How long connecting may take, as the SDK itself has it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);
/// A sandbox that is frozen for longer finds its connections dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// What a client needs, from what Lambda puts into the environment. `aws-config` would look in five
/// more places and start 2 ms slower. `endpoint` is the variable that names another server than
/// AWS's for this service alone; `AWS_ENDPOINT_URL` names one for all.
pub(crate) fn config(variables: &Variables, endpoint: &str) -> SdkConfig {
    let get = |name: &str| variables.get(name).map(str::to_owned);
    let credentials = Credentials::new(
        get("AWS_ACCESS_KEY_ID").unwrap_or_default(),
        get("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
        get("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(aws_sdk_ssm::config::BehaviorVersion::latest())
        .region(get("AWS_REGION").map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_http_client(http_client::new());
    if let Some(endpoint) = get(endpoint).or_else(|| get("AWS_ENDPOINT_URL")) {
        config = config.endpoint_url(endpoint);
    }
    config.build()
}
