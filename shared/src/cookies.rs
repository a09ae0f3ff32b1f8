//! The cookies: two of a session, one of a code that is on its way, and the owner's. Writing and clearing spell
//! the attributes in one place: a browser does not delete a `__Host-` cookie otherwise (RFC 6265bis
//! 4.1.3.2).

use http::header::{COOKIE, HeaderMap, HeaderValue, InvalidHeaderValue};

use crate::session::GRACE_SECONDS;
use crate::timestamp::Timestamp;
use crate::token::{Claims, InvalidToken, Keys};

/// Readable by scripts; holds the row id and says "there is something to track". The server never
/// trusts it.
pub const RECORD_COOKIE: &str = "session_record_id";

/// More of one name are no browser's, and each costs a signature.
const MOST_CANDIDATES: usize = 4;

/// No script reads it; a link on another site that leads here brings it along.
const HIDDEN: &str = "; HttpOnly; SameSite=Lax";
/// No script reads it, and nothing on another site makes a browser send it, links included.
const HIDDEN_AND_STRICT: &str = "; HttpOnly; SameSite=Strict";

/// How the cookies are named and guarded, and who sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePolicy {
    /// `COOKIE_SECURE`: false only over plain http on a laptop, where browsers refuse `Secure`
    /// cookies and the `__Host-` prefix.
    pub secure: bool,
    /// `COOKIE_DOMAIN`: whose hosts' pages see that there is a session, where they are on another
    /// host than the API. It is for `session_record_id` alone: what the server trusts stays with the
    /// host that set it (and the `__Host-` prefix allows no other).
    pub domain: Option<String>,
}

/// The cookies cannot be written: the claims cannot be signed, or do not fit a header.
#[derive(Debug, thiserror::Error)]
pub enum CookieError {
    /// See [`InvalidToken`].
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// A store's row id with characters no header can carry.
    #[error("the row id does not fit a cookie")]
    RecordId(#[from] InvalidHeaderValue),
}

impl CookiePolicy {
    /// `__Host-lastseen`, or `lastseen` over plain http.
    #[must_use]
    pub const fn session_cookie(&self) -> &'static str {
        if self.secure {
            "__Host-lastseen"
        } else {
            "lastseen"
        }
    }

    /// `__Host-lastseen-code`, or `lastseen-code` over plain http.
    #[must_use]
    pub const fn code_cookie(&self) -> &'static str {
        if self.secure {
            "__Host-lastseen-code"
        } else {
            "lastseen-code"
        }
    }

    /// `__Host-lastseen-admin`, or `lastseen-admin` over plain http.
    #[must_use]
    pub const fn owner_cookie(&self) -> &'static str {
        if self.secure {
            "__Host-lastseen-admin"
        } else {
            "lastseen-admin"
        }
    }

    /// Whether the pages of another host see `session_record_id`.
    #[must_use]
    pub fn is_seen_at(&self, host: &str) -> bool {
        self.domain
            .as_deref()
            .is_some_and(|domain| is_within(host, domain))
    }

    /// The two `Set-Cookie` values of an open session. Both cookies outlive the token's deadlines by the
    /// grace, so that the server can tell `idle` and `expired` from `missing`.
    ///
    /// # Errors
    /// [`CookieError`].
    pub fn write(
        &self,
        claims: &Claims,
        keys: &Keys,
        now: Timestamp,
    ) -> Result<[HeaderValue; 2], CookieError> {
        let max_age = claims.end_deadline.plus(GRACE_SECONDS).since(now);
        self.spell(&keys.sign(claims)?, claims.record.as_str(), max_age)
    }

    /// The two `Set-Cookie` values that delete both.
    #[must_use]
    pub fn clear(&self) -> [HeaderValue; 2] {
        // Empty values and a constant fit any header, so there is nothing that could fail.
        self.spell("", "", 0)
            .unwrap_or_else(|_| [HeaderValue::from_static(""), HeaderValue::from_static("")])
    }

    /// The `Set-Cookie` value of a challenge that waits for its code this long.
    ///
    /// # Errors
    /// Where the sealed challenge does not fit a header; ours always do.
    pub fn write_code(
        &self,
        sealed: &str,
        max_age: u64,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        self.spell_one(self.code_cookie(), sealed, max_age, HIDDEN)
    }

    /// The `Set-Cookie` value that deletes it.
    #[must_use]
    pub fn clear_code(&self) -> HeaderValue {
        self.write_code("", 0)
            .unwrap_or(HeaderValue::from_static(""))
    }

    /// The `Set-Cookie` value of an owner who has signed in; see [`crate::owner`].
    ///
    /// # Errors
    /// Where the value does not fit a header; ours always do.
    pub fn write_owner(
        &self,
        value: &str,
        max_age: u64,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        self.spell_one(self.owner_cookie(), value, max_age, HIDDEN_AND_STRICT)
    }

    /// The `Set-Cookie` value that deletes it.
    #[must_use]
    pub fn clear_owner(&self) -> HeaderValue {
        self.write_owner("", 0)
            .unwrap_or(HeaderValue::from_static(""))
    }

    fn spell(
        &self,
        token: &str,
        record: &str,
        max_age: u64,
    ) -> Result<[HeaderValue; 2], CookieError> {
        // Only what RFC 6265 allows in a cookie value; a row id of ours always is.
        let record: String = record
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
            .collect();
        let domain = self.domain.as_ref();
        let domain = domain.map(|domain| format!("; Domain={domain}"));
        let readable = format!("{}; SameSite=Lax", domain.unwrap_or_default());
        Ok([
            self.spell_one(self.session_cookie(), token, max_age, HIDDEN)?,
            self.spell_one(RECORD_COOKIE, &record, max_age, &readable)?,
        ])
    }

    fn spell_one(
        &self,
        name: &str,
        value: &str,
        max_age: u64,
        guard: &str,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!(
            "{name}={value}; Path=/; Max-Age={max_age}{guard}{secure}"
        ))
    }

    /// What the request's code cookie holds; several come about as in [`read`](Self::read).
    pub fn codes<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        values(headers, self.code_cookie())
    }

    /// What the request's owner's cookie holds; several come about as in [`read`](Self::read).
    pub fn owners<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        values(headers, self.owner_cookie())
    }

    /// Whether the request has a cookie that a browser keeps for https alone, under a name of ours.
    #[must_use]
    pub fn shows_https(headers: &HeaderMap) -> bool {
        let policy = Self {
            secure: true,
            domain: None,
        };
        [
            policy.session_cookie(),
            policy.code_cookie(),
            policy.owner_cookie(),
        ]
        .iter()
        .any(|name| values(headers, name).any(|value| !value.is_empty()))
    }

    /// What the request's session cookie says.
    ///
    /// Several cookies of the name cannot come about under the `__Host-` prefix; without it,
    /// another application on the same laptop may have set one. The one that verifies counts. Two that
    /// do are a contradiction: nobody knows whose request it is. No more than [`MOST_CANDIDATES`] are
    /// looked at.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap, keys: &Keys, audience: &str) -> Presented {
        let candidates = values(headers, self.session_cookie())
            .filter(|value| !value.is_empty())
            .take(MOST_CANDIDATES);
        let mut presented = Presented::Missing;
        for value in candidates {
            presented = match (keys.verify(value, audience), presented) {
                (Ok(_), Presented::Session(_)) => return Presented::Invalid,
                (Ok(claims), _) | (Err(InvalidToken), Presented::Session(claims)) => {
                    Presented::Session(claims)
                }
                (Err(InvalidToken), _) => Presented::Invalid,
            };
        }
        presented
    }
}

/// Whether a host is of a domain (RFC 6265bis 5.1.3).
pub(crate) fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a request showed of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// A token of ours, whose deadlines may have passed; see [`Claims::in_force`].
    Session(Claims),
    /// A cookie that is no token of ours.
    Invalid,
    /// No cookie.
    Missing,
}

/// All values of one cookie, in the order sent. HTTP/2 may split the header (RFC 9113 8.2.3).
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        // Cookie by cookie: another application's may be in letters that are not ASCII.
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=').map(trimmed);
            let is_ours = parts.next() == Some(name.as_bytes());
            parts.next().filter(|_| is_ours)
        })
        // What is no text is no token, and there all the same.
        .map(|value| std::str::from_utf8(value).unwrap_or("?"))
        .map(|value| {
            let bare = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            bare.unwrap_or(value)
        })
}

/// Without the spaces and tabs around it, and no other white space (RFC 6265 5.2): a cookie whose name
/// looks like ours may be another site's.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests;
