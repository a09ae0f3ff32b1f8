//! Addresses of other servers that secrets or visitors' addresses are sent to.

use url::{Host, Url};

use super::{SettingError, wrong};

/// An address that starts with https://, or with http:// where that stays among neighbours.
///
/// # Errors
/// [`SettingError`], which holds no part of it; over http elsewhere, with what could be `read` on the way.
pub(super) fn address(name: &'static str, text: &str, read: &str) -> Result<Url, SettingError> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        wrong(
            name,
            "is not an address that starts with https:// (or http://)",
        )
    })?;
    if url.scheme() == "http" && !is_nearby(&url) {
        return Err(wrong(
            name,
            format!("must start with https://: over http, {read} could be read on the way"),
        ));
    }
    Ok(url)
}

/// On this machine or in its own network, where plain http stays among neighbours.
fn is_nearby(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
        // A name without a dot is one that only a local resolver knows, such as a container's.
        Some(Host::Domain(name)) => {
            !name.contains('.')
                || [".localhost", ".local", ".internal"]
                    .iter()
                    .any(|top| name.ends_with(top))
        }
        None => false,
    }
}
