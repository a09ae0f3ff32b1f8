//! The gate in front of protected paths. It decides from the token alone, so that it costs no store
//! read; a token that was not confirmed lately goes through `/api/session-refresh`, which asks the
//! store once.

use http::header::HeaderMap;

use crate::cookies::Presented;
use crate::origin;
use crate::redirect::RedirectPath;
use crate::settings::Settings;
use crate::site_path::SitePath;
use crate::timestamp::Timestamp;

pub mod edge;

/// What a request is for, by what is served and not by what the client says: for pages a token is
/// trusted for a shorter time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// A page.
    Page,
    /// Anything else: pictures, styles, files.
    Part,
}

impl Served {
    /// By the path alone; see [`SitePath::names_page`].
    #[must_use]
    pub fn by_name(path: &SitePath) -> Self {
        if path.names_page() {
            Self::Page
        } else {
            Self::Part
        }
    }
}

/// For pictures and the like a token stays fresh this many times longer than for a page: longer
/// than the heartbeat interval, so that a page's pictures never cause store reads.
const PARTS_FACTOR: u64 = 5;

/// Where the gate sends a visitor whose token was not confirmed lately.
pub const REFRESH_PATH: &str = "/api/session-refresh";

/// Why a visitor is sent to the gate, or a heartbeat is refused, without a session that could have
/// ended.
pub const MISSING: &str = "missing";
/// The cookie is no token of ours.
pub const INVALID: &str = "invalid";

/// What becomes of a request for a path of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it. Protected answers must not be cached.
    Pass {
        /// The path needs a session.
        protected: bool,
    },
    /// A browser fetches ahead what nobody may ever look at: tell it to come again when somebody does.
    Ahead,
    /// Send the visitor through `/api/session-refresh`.
    Refresh {
        /// A deadline has passed, which is to be recorded; otherwise the store has to be asked.
        ended: bool,
    },
    /// Send the visitor to the gate, with this reason unless they simply have no session yet.
    ToGate {
        /// Shown at the gate.
        reason: Option<&'static str>,
    },
}

/// Decides about one request for what is [`Served`] at a path.
///
/// A token issued, or asked about, at or before `not_before` is never fresh: the owner ended sessions then, and the
/// store has to say whether this was one of them.
#[must_use]
pub fn decide(
    settings: &Settings,
    path: &SitePath,
    served: Served,
    headers: &HeaderMap,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Verdict {
    if !settings.protected.contain(path) {
        return Verdict::Pass { protected: false };
    }
    if origin::is_prefetch(headers) {
        return Verdict::Ahead;
    }
    let fresh_seconds = match served {
        Served::Page => settings.fresh_seconds,
        Served::Part => settings.fresh_seconds.saturating_mul(PARTS_FACTOR),
    };
    let token = match settings.presented(headers, now) {
        Presented::Missing => return Verdict::ToGate { reason: None },
        Presented::Invalid => {
            return Verdict::ToGate {
                reason: Some(INVALID),
            };
        }
        Presented::Session(token) => token,
    };
    let is_recalled = not_before.is_some_and(|moment| token.last_asked() <= moment);
    if token.ended_at(now).is_some() {
        Verdict::Refresh { ended: true }
    } else if token.is_fresh(now, fresh_seconds) && !is_recalled {
        Verdict::Pass { protected: true }
    } else {
        Verdict::Refresh { ended: false }
    }
}

/// Where to send a visitor: the gate, with the way back and what to tell them.
///
/// The fragment repeats the message, so that a static page can show it by `:target`, without
/// JavaScript.
#[must_use]
pub fn address(
    settings: &Settings,
    back: Option<&RedirectPath>,
    message: Option<Message<'_>>,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(back) = back {
        query.append_pair("redirect", back.as_str());
    }
    let mut fragment = String::new();
    if let Some(message) = message {
        let (name, value) = match message {
            Message::Reason(reason) => ("reason", reason),
            Message::Error(code) => ("error", code),
            Message::Step(step) => ("step", step),
        };
        query.append_pair(name, value);
        fragment = format!("#{value}");
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{}{separator}{query}{fragment}", settings.gate.path())
}

/// Where to send a visitor whose token was not confirmed lately.
#[must_use]
pub fn refresh_address(back: Option<&RedirectPath>) -> String {
    let Some(back) = back else {
        return REFRESH_PATH.to_owned();
    };
    // The serializer takes what stands before the given length as the address.
    let mut query =
        form_urlencoded::Serializer::for_suffix(format!("{REFRESH_PATH}?"), REFRESH_PATH.len() + 1);
    query.append_pair("redirect", back.as_str());
    query.finish()
}

/// What the gate tells a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Why the session ended.
    Reason(&'a str),
    /// What was wrong with the form.
    Error(&'a str),
    /// What is asked for next.
    Step(&'a str),
}

#[cfg(test)]
mod tests;
