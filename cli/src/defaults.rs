//! What settings are when nobody sets them, on one machine: a laptop needs none.

use std::net::IpAddr;

use shared::settings::Variables;

/// Where `serve` keeps sessions.
pub(crate) const DATABASE_PATH: &str = "data/lastseen.db";

/// Fills in what a laptop's `serve` and the commands beside it assume. Production sets these
/// itself.
pub(crate) fn fill_in(mut variables: Variables) -> Variables {
    variables.set_default("HOST", "127.0.0.1");
    variables.set_default("PORT", "8080");
    variables.set_default("STATIC_DIR", "static");
    variables.set_default("DATABASE_PATH", DATABASE_PATH);
    variables.set_default("SITE_AUDIENCE", "localhost");
    // Browsers refuse `Secure` cookies over plain http, which is what a loopback address speaks.
    if variables.get("HOST").is_some_and(is_loopback) {
        variables.set_default("COOKIE_SECURE", "false");
    }
    variables
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie_secure(host: &str) -> Option<String> {
        let variables = [("HOST".to_owned(), host.to_owned())].into_iter().collect();
        fill_in(variables).get("COOKIE_SECURE").map(str::to_owned)
    }

    #[test]
    fn cookies_are_insecure_on_a_loopback_address_only() {
        for host in ["127.0.0.1", "127.0.0.2", "::1", "localhost", ""] {
            assert_eq!(cookie_secure(host).as_deref(), Some("false"), "{host}");
        }
        for host in ["0.0.0.0", "192.168.1.2", "example.com"] {
            assert_eq!(cookie_secure(host), None, "{host}");
        }
    }

    #[test]
    fn what_is_set_stays() {
        let variables = fill_in(
            [("PORT".to_owned(), "9090".to_owned())]
                .into_iter()
                .collect(),
        );
        assert_eq!(variables.get("PORT"), Some("9090"));
    }
}
