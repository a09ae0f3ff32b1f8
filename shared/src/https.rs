//! HTTPS as lastseen's programs speak it to other servers: one TLS, the roots they trust, and no
//! redirects followed.

use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

/// The roots that are compiled in: reading the platform's certificates costs more than starting the
/// process.
#[must_use]
pub fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// A client to be, which trusts these roots.
///
/// # Errors
/// Where TLS has no version to offer.
pub fn client(roots: RootCertStore) -> Result<ClientBuilder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none()))
}
