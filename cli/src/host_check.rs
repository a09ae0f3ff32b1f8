//! Which hosts `serve` answers to on a loopback address. A page anywhere can point a name of its own at
//! 127.0.0.1 and would then be of the same origin as what is served there (DNS rebinding).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HOST;
use http::uri::Authority;
use shared::origin;
use shared::settings::Settings;
use shared::web;
use url::Url;

/// The names besides those of this machine.
#[derive(Clone)]
pub(crate) enum Hosts {
    /// Whatever leads here.
    Any,
    /// These, and those below the domain of `COOKIE_DOMAIN`, which the owner calls theirs.
    These {
        names: Arc<[String]>,
        domain: Option<Arc<str>>,
    },
}

impl Hosts {
    /// What listens on another address than a loopback one is reached by names that nobody here knows.
    pub(crate) fn of(settings: &Settings, local: IpAddr) -> Self {
        if !local.to_canonical().is_loopback() {
            return Self::Any;
        }
        let audience = settings.audience.parse::<Authority>().ok();
        let audience = audience.map(|authority| authority.host().to_ascii_lowercase());
        let origins = settings
            .allowed_origins
            .iter()
            .filter_map(|origin| Some(Url::parse(origin).ok()?.host_str()?.to_owned()));
        Self::These {
            names: audience.into_iter().chain(origins).collect(),
            domain: settings.cookies.domain.as_deref().map(Arc::from),
        }
    }

    fn accept(&self, authority: &str) -> bool {
        let Self::These { names, domain } = self else {
            return true;
        };
        let Ok(parsed) = authority.parse::<Authority>() else {
            return false;
        };
        let host = parsed.host().to_ascii_lowercase();
        // 0.0.0.0 leads to this machine, too, and is nobody's name.
        !authority.contains('@')
            && (is_this_machine(&host)
                || host == "0.0.0.0"
                || names.contains(&host)
                || domain
                    .as_deref()
                    .is_some_and(|domain| is_within(&host, domain)))
    }

    /// Whatever names a host in the request has to name one of these. Browsers always do.
    fn accept_all_of(&self, request: &Request) -> bool {
        let in_headers = request.headers().get_all(HOST).iter();
        let mut hosts = in_headers.map(|value| value.to_str().unwrap_or_default());
        let in_target = request.uri().authority().map(Authority::as_str);
        hosts.all(|host| self.accept(host)) && in_target.is_none_or(|host| self.accept(host))
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Names and addresses that lead nowhere else (RFC 6761 6.3).
pub(crate) fn is_this_machine(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
        || address.is_some_and(|address| address.parse() == Ok(Ipv6Addr::LOCALHOST))
}

/// Answers what names another host with `421`.
pub(crate) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.accept_all_of(&request) {
        return next.run(request).await;
    }
    let is_for_a_person = origin::is_navigation(request.headers());
    web::misdirected(is_for_a_person).map(Body::from)
}

#[cfg(test)]
mod tests {
    use shared::settings::Variables;

    use super::*;

    fn hosts(local: &str) -> Hosts {
        hosts_with(local, "")
    }

    fn hosts_with(local: &str, domain: &str) -> Hosts {
        let variables: Variables = [
            ("COOKIE_DOMAIN", domain),
            (
                "SESSION_KEYS",
                "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            ("SITE_AUDIENCE", "www.Example.com:8443"),
            ("ALLOWED_ORIGINS", "https://blog.example.com"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
        Hosts::of(&Settings::read(&variables).unwrap(), local.parse().unwrap())
    }

    #[test]
    fn a_loopback_address_answers_to_its_own_names_and_the_sites() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("demo.localhost:1", true),
            ("www.example.com", true),
            ("WWW.example.com:443", true),
            ("blog.example.com", true),
            ("evil.example", false),
            ("example.com", false),
            ("x.www.example.com", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("evil@localhost", false),
            ("192.168.1.2", false),
            ("[::2]", false),
            ("0.0.0.0:8080", true),
            ("0.0.0.0.evil.example", false),
            ("a b", false),
            ("", false),
        ] {
            for local in ["127.0.0.1", "::1", "127.0.0.2", "::ffff:127.0.0.1"] {
                assert_eq!(hosts(local).accept(host), expected, "{host:?}");
            }
            assert!(hosts("0.0.0.0").accept(host) && hosts("192.168.1.2").accept(host));
        }
    }

    #[test]
    fn an_api_on_another_host_of_the_owners_domain_is_known_by_it() {
        let hosts = hosts_with("127.0.0.1", "example.com");
        for (host, expected) in [
            ("api.example.com", true),
            ("example.com", true),
            ("evilexample.com", false),
            ("example.com.evil.example", false),
        ] {
            assert_eq!(hosts.accept(host), expected, "{host}");
        }
    }

    #[test]
    fn every_name_in_the_request_counts() {
        let accepts = |target: &str, names: &[&str]| {
            let mut request = Request::builder().uri(target);
            for name in names {
                request = request.header(HOST, *name);
            }
            hosts("127.0.0.1").accept_all_of(&request.body(Body::empty()).unwrap())
        };
        assert!(accepts("/", &["localhost"]) && accepts("/", &[]));
        assert!(accepts("http://localhost/", &["localhost"]));
        assert!(!accepts("/", &["localhost", "evil.example"]));
        assert!(!accepts("/", &["evil.example", "localhost"]));
        assert!(!accepts("http://evil.example/", &["localhost"]));
    }
}
