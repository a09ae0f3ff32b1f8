//! The way back: where a visitor goes after the gate.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::{Position, Url};

/// Long enough for any page address people share, short enough for every proxy's header limit.
const MAX_LENGTH: usize = 2048;

/// Any host would do: only paths that stay on it come through.
const BASE: &str = "https://site.invalid/";

/// A path on this site that is safe in a `Location` header: one leading slash, never another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectPath(String);

impl RedirectPath {
    /// Reads a `redirect` as given by anybody.
    ///
    /// `None` where it is not a path on this site by the URL standard (`//evil`, `/\evil`,
    /// `https:evil`), where decoding it once would make it such, where it holds control characters,
    /// where it is one of our own endpoints (which a visitor never looks at: `/logout` would throw
    /// them out again), or over 2,048 characters. Source: OWASP ASVS 5.0 3.7.2; the URL standard's
    /// treatment of backslashes, tabs and newlines.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A query may hold any bytes, encoded; only what comes before it can become another host.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let decoded = percent_decode_str(path).decode_utf8().ok()?;
        let unsafe_text = |text: &str| {
            !text.starts_with('/')
                || text.starts_with("//")
                || text.contains(|c: char| c == '\\' || c.is_control())
        };
        if text.len() > MAX_LENGTH || unsafe_text(text) || unsafe_text(&decoded) {
            return None;
        }
        let base = Url::parse(BASE).ok()?;
        let url = base.join(text).ok()?;
        let path = url.path();
        let is_ours = path == "/logout" || path == "/api" || path.starts_with("/api/");
        let stays =
            url.origin() == base.origin() && !path.starts_with("//") && url.username().is_empty();
        (stays && !is_ours).then(|| Self(url[Position::BeforePath..].to_owned()))
    }

    /// The path with its query and fragment, percent-encoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without query and fragment.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Display for RedirectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_this_site_come_through() {
        for (given, kept) in [
            ("/", "/"),
            (
                "/portfolio/confidential/?tab=2#top",
                "/portfolio/confidential/?tab=2#top",
            ),
            ("/a b/é", "/a%20b/%C3%A9"),
            ("/a/../b", "/b"),
            (
                "/search?next=https://example.com/",
                "/search?next=https://example.com/",
            ),
            ("/apiary/", "/apiary/"),
            ("/a/?q=C:%5Cx%0A%FF#%5C", "/a/?q=C:%5Cx%0A%FF#%5C"),
        ] {
            assert_eq!(
                RedirectPath::parse(given).map(|path| path.0).as_deref(),
                Some(kept),
                "{given}"
            );
        }
    }

    #[test]
    fn every_way_to_another_host_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_LENGTH));
        for given in [
            "",
            "evil",
            "//evil",
            "///evil",
            "/\\evil",
            "\\\\evil",
            "https:evil",
            "https://evil/",
            "HTTPS:/evil",
            "javascript:alert(1)",
            "/\t/evil",
            "/\n/evil",
            "\t//evil",
            " //evil",
            "/%2fevil",
            "/%2F%2Fevil",
            "/%5cevil",
            "/%5C%5Cevil",
            "%2f%2fevil",
            "/%09/evil",
            "/%0d%0aSet-Cookie:x",
            "/a\r\nb",
            "/..//evil",
            "/.//evil",
            "/a/..//evil",
            "/\u{0}",
            "/%ff",
            "/logout",
            "/api/logout",
            "/x/../api/logout",
            &long,
        ] {
            assert_eq!(RedirectPath::parse(given), None, "{given:?}");
        }
    }

    #[test]
    fn what_comes_through_is_a_fixed_point() {
        for given in ["/a b/é?q=ü#ö", "/portfolio/confidential/"] {
            let once = RedirectPath::parse(given).unwrap();
            assert_eq!(RedirectPath::parse(once.as_str()), Some(once));
        }
    }
}
