//! Paths on the owner's site: one spelling for each, and which of them are protected.

use percent_encoding::percent_decode_str;

/// A path on this site, decoded and in its one normal spelling: a leading slash, no empty, `.` or
/// `..` segments.
///
/// Everything that decides about a path or opens a file uses this form, so that the gate and the
/// file system can never disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePath(String);

impl SitePath {
    /// Normalises the path of a request target (without its query).
    ///
    /// Percent escapes are decoded once; `//` and `/./` collapse; `..` climbs, and stops at the
    /// root. A trailing slash is kept. `None` for what no file of a site is called and what servers
    /// read differently: control characters, backslashes, bytes that are not UTF-8, and escapes
    /// that are still there after decoding (`%252e`).
    #[must_use]
    pub fn normalise(raw: &str) -> Option<Self> {
        if !raw.starts_with('/') {
            return None;
        }
        let decoded = percent_decode_str(raw).decode_utf8().ok()?;
        let still_escaped = percent_decode_str(&decoded)
            .decode_utf8()
            .map_or(true, |again| again != decoded);
        if still_escaped || decoded.contains(|c: char| c == '\\' || c.is_control()) {
            return None;
        }
        let mut segments: Vec<&str> = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name => segments.push(name),
            }
        }
        let is_directory =
            decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..");
        let mut path = format!("/{}", segments.join("/"));
        if is_directory && path.len() > 1 {
            path.push('/');
        }
        Some(Self(path))
    }

    /// The path of a file, by its name within the site's folder. `None` where no request leads to that
    /// name: what its escapes or its spelling mean is something else.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        let path = Self(format!("/{name}"));
        (Self::normalise(&path.to_url_path()).as_ref() == Some(&path)).then_some(path)
    }

    /// The path, decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it may stand in a URL.
    #[must_use]
    pub fn to_url_path(&self) -> String {
        use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
        // What `encodeURI` escapes, so that the gate at the edge spells a path alike, and: `?`, `#`;
        // `;`, which some servers cut a segment at; `+`, which S3 reads as a space.
        const ESCAPED: &AsciiSet = &CONTROLS
            .add(b' ')
            .add(b'"')
            .add(b'#')
            .add(b'<')
            .add(b'>')
            .add(b'?')
            .add(b'[')
            .add(b']')
            .add(b'^')
            .add(b'`')
            .add(b'{')
            .add(b'|')
            .add(b'}')
            .add(b'%')
            .add(b';')
            .add(b'+');
        utf8_percent_encode(&self.0, ESCAPED).to_string()
    }

    /// Whether this names a page: a folder, a file of HTML, or a name without an ending. By the loosest
    /// reading any file system has.
    #[must_use]
    pub fn names_page(&self) -> bool {
        let last = loosest(self.0.rsplit('/').next().unwrap_or_default());
        let ending = last.rsplit_once('.').map(|(_, ending)| ending);
        ending.is_none_or(|ending| matches!(ending, "html" | "htm"))
    }

    /// Whether two names of files are one by the loosest reading any file system has.
    #[must_use]
    pub fn is_same_name(a: &str, b: &str) -> bool {
        loosest(a) == loosest(b)
    }

    /// Whether this is `directory` (given without its trailing slash) or lies below it, by the
    /// loosest reading any file system has.
    fn is_within(&self, directory: &str) -> bool {
        let mut segments = self
            .0
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(loosest);
        directory
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(loosest)
            .all(|name| segments.next().as_ref() == Some(&name))
    }
}

/// Folds what some file systems and servers treat alike: case, trailing dots and spaces (Windows),
/// and `;parameters`.
fn loosest(segment: &str) -> String {
    let name = segment.split(';').next().unwrap_or_default();
    name.trim_end_matches(['.', ' ']).to_lowercase()
}

/// Which paths need a session: the settings `PROTECTED_PREFIXES` and `GATE_PATH`.
#[derive(Clone, Debug)]
pub struct ProtectedPaths {
    prefixes: Vec<String>,
    gate: String,
}

impl ProtectedPaths {
    /// From prefixes and the gate's path, each absolute. What belongs to the gate is never
    /// protected, or nobody could come in. What is protected is read loosely, and what is left open to
    /// the letter: whatever is only like the gate is no part of it.
    ///
    /// # Errors
    /// A sentence that says which prefix or path cannot be.
    pub fn new(prefixes: &[String], gate: &str) -> Result<Self, String> {
        let read = |text: &str| {
            let path = SitePath::normalise(text)
                .ok_or_else(|| format!("`{text}` is not a path: it must start with `/`"))?;
            Ok::<_, String>(path.as_str().trim_end_matches('/').to_owned())
        };
        let gate_directory = read(gate)?;
        let prefixes = prefixes
            .iter()
            .map(|prefix| read(prefix))
            .collect::<Result<Vec<_>, _>>()?;
        if prefixes.is_empty() {
            return Err("names no path, so nothing would be protected".to_owned());
        }
        let inside_gate = prefixes.iter().find(|prefix| {
            !gate_directory.is_empty() && SitePath((*prefix).clone()).is_within(&gate_directory)
                || gate_directory == **prefix
        });
        match inside_gate {
            Some(prefix) => Err(format!(
                "`{prefix}/` lies within GATE_PATH `{gate}`, which must stay open"
            )),
            None => Ok(Self {
                prefixes,
                gate: gate_directory,
            }),
        }
    }

    /// The prefixes, decoded and without a trailing slash; `/` where everything is protected.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|prefix| match prefix.as_str() {
            "" => "/",
            prefix => prefix,
        })
    }

    /// Whether a request for this path needs a session.
    #[must_use]
    pub fn contain(&self, path: &SitePath) -> bool {
        let below_gate = path.as_str().strip_prefix(&self.gate);
        let belongs_to_gate = if self.gate.is_empty() {
            path.as_str() == "/"
        } else {
            below_gate.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !belongs_to_gate && self.prefixes.iter().any(|prefix| path.is_within(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(raw: &str) -> Option<String> {
        SitePath::normalise(raw).map(|path| path.0)
    }

    #[test]
    fn every_spelling_of_a_path_becomes_one() {
        for raw in [
            "/portfolio/confidential/",
            "//portfolio//confidential//",
            "/./portfolio/./confidential/./",
            "/portfolio/x/../confidential/",
            "/../../portfolio/confidential/",
            "/%70ortfolio/confidential/",
            "/portfolio%2Fconfidential/",
            "/portfolio/%2e/confidential/",
            "/x/%2e%2e/portfolio/confidential/",
        ] {
            assert_eq!(
                normal(raw).as_deref(),
                Some("/portfolio/confidential/"),
                "{raw}"
            );
        }
        assert_eq!(normal("/").as_deref(), Some("/"));
        assert_eq!(normal("/..").as_deref(), Some("/"));
        assert_eq!(normal("/a%20b.html").as_deref(), Some("/a b.html"));
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for raw in [
            "",
            "portfolio",
            "/%252e%252e/x",
            "/a%00b",
            "/a\\b",
            "/a%5cb",
            "/a%0d%0ab",
            "/a%ff",
            "/%25%32%65",
        ] {
            assert_eq!(normal(raw), None, "{raw}");
        }
    }

    #[test]
    fn the_prefix_and_all_below_it_are_protected_in_any_spelling() {
        let protected =
            ProtectedPaths::new(&["/portfolio/confidential".to_owned()], "/access/").unwrap();
        let contains = |raw: &str| protected.contain(&SitePath::normalise(raw).unwrap());
        for raw in [
            "/portfolio/confidential",
            "/portfolio/confidential/",
            "/portfolio/confidential/plan.svg",
            "/Portfolio/CONFIDENTIAL/plan.svg",
            "/portfolio/confidential./",
            "/portfolio/confidential%20/x",
            "/portfolio/confidential;v=1/x",
            "/portfolio;a/confidential",
        ] {
            assert!(contains(raw), "{raw}");
        }
        for raw in [
            "/",
            "/portfolio/",
            "/portfolio/confidential-summary/",
            "/access/",
            "/lastseen.js",
        ] {
            assert!(!contains(raw), "{raw}");
        }
    }

    #[test]
    fn the_gate_stays_open_even_where_everything_is_protected() {
        let protected = ProtectedPaths::new(&["/".to_owned()], "/access/").unwrap();
        let contains = |raw: &str| protected.contain(&SitePath::normalise(raw).unwrap());
        for raw in ["/access", "/access/", "//access/./gate.js", "/%61ccess/x/"] {
            assert!(!contains(raw), "{raw}");
        }
        // What is only like the gate is another folder on most file systems.
        for raw in [
            "/index.html",
            "/Access/",
            "/access;board/",
            "/access./",
            "/access%20/x",
            "/access/../x",
            "/accessories/",
        ] {
            assert!(contains(raw), "{raw}");
        }
        let at_root = ProtectedPaths::new(&["/secret".to_owned()], "/").unwrap();
        assert!(!at_root.contain(&SitePath::normalise("/").unwrap()));
        assert!(at_root.contain(&SitePath::normalise("/secret/").unwrap()));
    }

    #[test]
    fn a_page_is_known_by_its_name() {
        let names_page = |raw: &str| SitePath::normalise(raw).unwrap().names_page();
        for raw in [
            "/",
            "/a/",
            "/a.b/",
            "/a",
            "/a.b/c",
            "/a.html",
            "/a.HTM",
            "/a.html.",
            "/a.html;v=1",
            "/a.html%20",
            "/a.pdf/",
        ] {
            assert!(names_page(raw), "{raw}");
        }
        for raw in [
            "/a.pdf",
            "/a.html.pdf",
            "/html.svg",
            "/a/b.xhtml",
            "/.html5",
            "/a.b",
        ] {
            assert!(!names_page(raw), "{raw}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(
            ProtectedPaths::new(&["/access/secret".to_owned()], "/access/")
                .unwrap_err()
                .contains("/access/secret")
        );
        assert!(
            ProtectedPaths::new(&["secret".to_owned()], "/access/")
                .unwrap_err()
                .contains("`secret`")
        );
        assert!(ProtectedPaths::new(&[], "/access/").is_err());
    }

    #[test]
    fn a_path_survives_the_way_through_a_url() {
        for raw in ["/a%20b;c/%C3%A9.html", "/100%25-x/"] {
            let path = SitePath::normalise(raw);
            if let Some(path) = path {
                assert_eq!(SitePath::normalise(&path.to_url_path()), Some(path));
            }
        }
    }
}
