//! What other tools would read as a pattern, and lastseen would read letter by letter: `/deck/*` would
//! protect nothing, and `*@x.example` would let in nobody.

/// Characters of globs, regular expressions, route templates, SQL and addresses of pages. A folder whose
/// name has one is written with its escape, such as `%28`.
const SPECIAL: [char; 16] = [
    '*', '?', '#', '^', '$', '|', '\\', '(', ')', '[', ']', '{', '}', '<', '>', ';',
];

/// The problem with a path that is a pattern, and how to write it; `None` for a plain path.
pub(super) fn of_path(text: &str) -> Option<String> {
    let is_special = |segment: &str| {
        segment.contains(SPECIAL)
            // `:path`, `.+`, `**`, `~ /deck`, and a second path after a space.
            || segment.starts_with([':', '~'])
            || segment.contains(".+")
            || segment.ends_with(char::is_whitespace)
            || segment.starts_with(char::is_whitespace)
    };
    if !text.split('/').any(is_special) {
        return None;
    }
    // What stands before the first part that is none is what was meant, but for the marks of a start.
    let start = text.trim_start_matches(|c: char| "^~(\\".contains(c) || c.is_whitespace());
    let mut plain: Vec<&str> = Vec::new();
    for segment in start.trim_start_matches('/').split('/') {
        let segment = segment.trim_end_matches('\\');
        if segment.is_empty() || is_special(segment) {
            break;
        }
        plain.push(segment);
    }
    let cure = if plain.is_empty() {
        "/".to_owned()
    } else {
        format!("/{}", plain.join("/"))
    };
    Some(format!(
        "`{text}` is a pattern, and paths are none; write `{cure}`, which covers everything below it, with commas between several"
    ))
}

/// The problem with an entry of `ALLOWED_EMAILS` or `DENIED_EMAILS` that is a pattern.
pub(super) fn of_address(text: &str) -> Option<String> {
    if !text.contains(SPECIAL) && !text.contains(['%', ' ']) && !text.starts_with('/') {
        return None;
    }
    let domain: String = text
        .rsplit_once('@')
        .map_or(text, |(_, domain)| domain)
        .chars()
        .filter(|c| c.is_alphanumeric() || ".-".contains(*c))
        .collect();
    let domain = domain.trim_matches(['.', '-']);
    let domain = if domain.contains('.') {
        domain
    } else {
        "example.com"
    };
    Some(format!(
        "`{text}` is a pattern, and entries are none; write `@{domain}` for everybody there, or name@{domain} for one address"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_a_pattern_is_named_with_the_plain_one() {
        for (given, plain) in [
            ("/deck/*", "/deck"),
            ("/deck/**", "/deck"),
            ("/deck*", "/"),
            ("/deck/:path*", "/deck"),
            ("/deck/:path", "/deck"),
            ("/deck/(.*)", "/deck"),
            ("/deck/.*", "/deck"),
            ("/deck/.+", "/deck"),
            ("/deck/[id]", "/deck"),
            ("/deck/{slug}", "/deck"),
            ("/deck/<slug>", "/deck"),
            ("/deck/?", "/deck"),
            ("^/deck", "/deck"),
            ("^/deck/q3/.*$", "/deck/q3"),
            ("^\\/deck\\/", "/deck"),
            ("~ /deck", "/deck"),
            ("(?i)/deck", "/"),
            ("/deck(/|$)", "/"),
            ("/*", "/"),
            ("/deck /board", "/"),
            ("/deck;/board", "/"),
            ("/deck?x=1", "/"),
            ("/deck#top", "/"),
        ] {
            let problem = of_path(given).unwrap_or_else(|| panic!("{given} passes"));
            assert!(
                problem.contains(&format!("write `{plain}`,")),
                "{given}: {problem}"
            );
        }
    }

    #[test]
    fn plain_paths_and_escapes_are_no_patterns() {
        for given in [
            "/",
            "/deck",
            "/deck/",
            "/a%20b/",
            "/Q3%20%28final%29",
            "/c++/",
            "/caf\u{e9}",
            "/a b/c",
            "/v1.2/x_y-z~1",
            "/deck.html",
            "/100%25-x",
        ] {
            assert_eq!(of_path(given), None, "{given}");
        }
    }

    #[test]
    fn an_address_that_is_a_pattern_is_named_with_the_domain() {
        for (given, plain) in [
            ("*@x.example", "@x.example"),
            ("@*.x.example", "@x.example"),
            ("*.x.example", "@x.example"),
            (".*@x\\.example", "@x.example"),
            ("^.+@x\\.example$", "@x.example"),
            ("/@x.example/", "@x.example"),
            ("%@x.example", "@x.example"),
            ("(ann|bob)@x.example", "@x.example"),
            ("a?n@x.example", "@x.example"),
            ("@x.example ann@y.example", "@y.example"),
            ("*", "@example.com"),
        ] {
            let problem = of_address(given).unwrap_or_else(|| panic!("{given} passes"));
            assert!(
                problem.contains(&format!("write `{plain}` for")),
                "{given}: {problem}"
            );
        }
        for given in [
            "ann@x.example",
            "@x.example",
            "o'brien+deck@x.example",
            "a_b-c.d@x.example",
            "@b\u{fc}cher.example",
        ] {
            assert_eq!(of_address(given), None, "{given}");
        }
    }
}
