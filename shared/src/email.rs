//! Email addresses: what counts as one, and who may come in.

use std::fmt;

/// The longest address that can be delivered to (RFC 5321 4.5.3.1.3, less the angle brackets).
pub(crate) const MAX_LENGTH: usize = 254;
/// The longest part before the `@` (RFC 5321 4.5.3.1.1), in octets.
const MAX_LOCAL_LENGTH: usize = 64;

/// How the addresses end that `lastseen demo` makes up, which are told from visitors' by that alone:
/// nobody comes in with one. No mail reaches them either (RFC 2606).
pub const MADE_UP: &str = ".demo.example";

/// One valid address: trimmed, lower-cased, its domain in the form DNS knows (`münchen.de` is
/// `xn--mnchen-3ya.de`).
///
/// `Debug` hides it, so that no log line can hold one by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is not one email address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("email: enter one address, like name@example.com")]
pub struct InvalidEmail;

impl Email {
    /// Reads one address as a person types it.
    ///
    /// White space around it is forgiven. The part before the `@` follows HTML's `input type=email`
    /// (which is stricter than RFC 5322: no quoted strings, no comments) plus the letters and
    /// digits of other scripts (RFC 6531); dots stand alone and inside. The domain follows IDNA
    /// (UTS 46) and has at least two labels.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything else: several addresses, a display name, over 254 octets,
    /// control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim_matches(|c: char| c == ' ' || c == '\t' || c == '\u{a0}');
        // `@` is ASCII, so the last one is the only one that can end the local part; another before
        // it is refused below.
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let local = local.to_lowercase();
        let domain = domain_to_ascii(domain).ok_or(InvalidEmail)?;
        let address = format!("{local}@{domain}");
        if is_local_part(&local) && address.len() <= MAX_LENGTH {
            Ok(Self(address))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

fn is_local_part(local: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
    !local.is_empty()
        && local.len() <= MAX_LOCAL_LENGTH
        && local.chars().all(allowed)
        && local.split('.').all(|atom| !atom.is_empty())
}

/// The domain as DNS spells it, or nothing where no mail could be sent there.
fn domain_to_ascii(domain: &str) -> Option<String> {
    // STD3 rules: letters, digits and hyphens; the strict check of label and total length.
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let top_is_name = labels.last()?.chars().any(|c| !c.is_ascii_digit());
    (labels.len() >= 2 && labels.iter().all(|label| !label.is_empty()) && top_is_name)
        .then_some(ascii)
}

/// Who may come in: the settings `ALLOWED_EMAILS` and `DENIED_EMAILS`.
#[derive(Clone, Debug, Default)]
pub struct EmailRules {
    allowed: Vec<Pattern>,
    denied: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Address(Email),
    Domain(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, InvalidEmail> {
        match text.strip_prefix('@') {
            Some(domain) => domain_to_ascii(domain)
                .map(Self::Domain)
                .ok_or(InvalidEmail),
            None => Email::parse(text).map(Self::Address),
        }
    }

    fn matches(&self, email: &Email) -> bool {
        match self {
            Self::Address(address) => address == email,
            Self::Domain(domain) => domain == email.domain(),
        }
    }
}

impl EmailRules {
    /// From two lists of `name@example.com` and `@example.com`, separated by commas. An empty list
    /// of the allowed allows everybody. `@example.com` means that domain and none below it.
    ///
    /// # Errors
    /// The first entry that is neither, as it was written.
    pub fn parse(allowed: &str, denied: &str) -> Result<Self, String> {
        let list = |text: &str| {
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(|entry| Pattern::parse(entry).map_err(|_| entry.to_owned()))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            allowed: list(allowed)?,
            denied: list(denied)?,
        })
    }

    /// Whether no list says who may come in.
    #[must_use]
    pub const fn allow_everybody(&self) -> bool {
        self.allowed.is_empty()
    }

    /// Whether this visitor may come in. A denial beats a permission, and whoever is [`MADE_UP`] may
    /// never.
    #[must_use]
    pub fn permit(&self, email: &Email) -> bool {
        let allowed =
            self.allowed.is_empty() || self.allowed.iter().any(|pattern| pattern.matches(email));
        let denied = self.denied.iter().any(|pattern| pattern.matches(email));
        allowed && !denied && !email.as_str().ends_with(MADE_UP)
    }

    /// An address that may come in, for a visit that is no visitor's: with this local part where the
    /// rules leave a choice, else the first that is allowed. `None` where all that are allowed are
    /// denied.
    #[must_use]
    pub fn somebody(&self, local: &str) -> Option<Email> {
        let anywhere = self.allowed.is_empty().then_some("example.com");
        let domains = self.allowed.iter().filter_map(|pattern| match pattern {
            Pattern::Domain(domain) => Some(domain.as_str()),
            Pattern::Address(_) => None,
        });
        let made = anywhere
            .into_iter()
            .chain(domains)
            .filter_map(|domain| Email::parse(&format!("{local}@{domain}")).ok());
        let addresses = self.allowed.iter().filter_map(|pattern| match pattern {
            Pattern::Address(email) => Some(email.clone()),
            Pattern::Domain(_) => None,
        });
        made.chain(addresses).find(|email| self.permit(email))
    }

    /// The same for what stands in a row, where an owner may have written anything: what is no
    /// address is on no list.
    #[must_use]
    pub fn permit_text(&self, text: &str) -> bool {
        Email::parse(text).map_or(self.allowed.is_empty(), |email| self.permit(&email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let long_local = format!("{}@example.com", "a".repeat(64));
        for (typed, stored) in [
            ("ann@example.com", "ann@example.com"),
            ("  Ann@Example.COM\t", "ann@example.com"),
            (
                "o'brien+deck@mail.example.co.uk",
                "o'brien+deck@mail.example.co.uk",
            ),
            (
                "tilde~dash-under_score@example.com",
                "tilde~dash-under_score@example.com",
            ),
            ("ann@münchen.de", "ann@xn--mnchen-3ya.de"),
            ("ann@MÜNCHEN.de", "ann@xn--mnchen-3ya.de"),
            ("JOSÉ@example.com", "josé@example.com"),
            ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
            (&long_local, &long_local),
        ] {
            assert_eq!(
                Email::parse(typed).map(|email| email.0),
                Ok(stored.to_owned()),
                "{typed}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", ["b".repeat(60).as_str(); 5].join("."));
        assert!(long.len() > MAX_LENGTH);
        for typed in [
            "",
            " ",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@example..com",
            "ann@.com",
            "ann@example.com.",
            "ann@-example.com",
            "ann@exa_mple.com",
            "ann@[127.0.0.1]",
            "ann@127.0.0.1",
            ".ann@example.com",
            "ann.@example.com",
            "a..b@example.com",
            "a b@example.com",
            "ann@exam ple.com",
            "ann@a.com,bob@b.com",
            "ann@a.com bob@b.com",
            "ann@a.com;bob@b.com",
            "Ann <ann@example.com>",
            "\"ann\"@example.com",
            "ann(comment)@example.com",
            "a@b@example.com",
            "ann@example.com\n",
            "ann@example.com\r\nBcc: x@y.zz",
            "ann\0@example.com",
            "ann@example.com\u{7f}",
            "\u{202e}ann@example.com",
            "a\\b@example.com",
            "x),(emailOfAccessor,neq,)~or(a@example.com",
            &long_local,
            &long,
        ] {
            assert_eq!(Email::parse(typed), Err(InvalidEmail), "{typed:?}");
        }
    }

    #[test]
    fn debug_never_shows_an_address() {
        assert!(!format!("{:?}", Email::parse("ann@example.com")).contains("ann"));
    }

    #[test]
    fn rules_allow_and_deny_addresses_and_whole_domains() {
        let permit = |allowed: &str, denied: &str, email: &str| {
            EmailRules::parse(allowed, denied)
                .unwrap()
                .permit(&Email::parse(email).unwrap())
        };
        assert!(permit("", "", "ann@example.com"));
        assert!(permit("@Example.com, bob@b.cc", "", "ann@example.com"));
        assert!(permit("@example.com, BOB@b.cc ", "", "bob@b.cc"));
        assert!(!permit("@example.com", "", "ann@b.cc"));
        assert!(!permit("@example.com", "", "ann@sub.example.com"));
        assert!(!permit("@example.com", "", "ann@notexample.com"));
        assert!(!permit(
            "@example.com",
            "ann@example.com",
            "ann@example.com"
        ));
        assert!(!permit("", "@example.com", "ann@example.com"));
        let stored =
            |allowed: &str, text: &str| EmailRules::parse(allowed, "").unwrap().permit_text(text);
        assert!(stored("", "Ann, the investor"));
        assert!(!stored("@example.com", "Ann, the investor"));
        assert!(stored("@example.com", "ann@example.com"));
        assert_eq!(
            EmailRules::parse("ann@example.com, nonsense", "").unwrap_err(),
            "nonsense"
        );
    }

    #[test]
    fn nobody_comes_in_with_an_address_that_is_made_up() {
        for allowed in ["", "@x.demo.example", "ann@x.demo.example"] {
            let rules = EmailRules::parse(allowed, "").unwrap();
            for text in [
                "ann@x.demo.example",
                "Ann@X.Demo.Example",
                "ann@x.ｄemo.example",
            ] {
                let email = Email::parse(text).unwrap();
                assert!(!rules.permit(&email), "{text}");
            }
        }
        let rules = EmailRules::default();
        for text in [
            "ann@demo.example",
            "ann@x.example",
            "ann@x.demo.example.com",
        ] {
            assert!(rules.permit(&Email::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn somebody_is_found_who_may_come_in() {
        for (allowed, denied, expected) in [
            ("", "", Some("doctor@example.com")),
            ("", "@example.org", Some("doctor@example.com")),
            ("", "@example.com", None),
            ("ann@a.example,@b.example", "", Some("doctor@b.example")),
            (
                "@a.example,@b.example",
                "@a.example",
                Some("doctor@b.example"),
            ),
            ("ann@a.example,bob@a.example", "", Some("ann@a.example")),
            (
                "ann@a.example,bob@a.example",
                "ann@a.example",
                Some("bob@a.example"),
            ),
            ("ann@a.example", "@a.example", None),
        ] {
            let somebody = EmailRules::parse(allowed, denied)
                .unwrap()
                .somebody("doctor");
            assert_eq!(
                somebody.as_ref().map(Email::as_str),
                expected,
                "{allowed} without {denied}"
            );
        }
    }
}
