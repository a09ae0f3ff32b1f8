//! The owner, signed in: whoever shows the `ADMIN_TOKEN` once has a cookie for eight hours.
//!
//! The cookie's value is a JWT by the keys that sign sessions, for an audience of its own: neither is
//! ever taken for the other. It names the owner's token by a keyed hash, so that another
//! `ADMIN_TOKEN` signs everybody out who showed the old one. Nothing is kept on the server; until
//! then, or until its deadline, a copy of the cookie stays good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderMap;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::timestamp::Timestamp;
use crate::token::{InvalidToken, Keys};

/// How long the owner stays signed in, in seconds: a working day.
pub const LIFETIME_SECONDS: u64 = 8 * 3_600;

/// What the key is derived for that the owner's token is hashed with.
const PURPOSE: &str = "lastseen owner's token";
/// Of the hash: 128 bits are more than anybody can find a second token for.
const MARK_BYTES: usize = 16;

/// What the cookie says. Nothing personal, and nothing to guess the owner's token from.
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "aud")]
    audience: String,
    #[serde(rename = "iat")]
    issued_at: Timestamp,
    #[serde(rename = "exp")]
    deadline: Timestamp,
    /// Which owner's token was shown.
    #[serde(rename = "own")]
    mark: String,
}

/// What a request shows in the owner's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A cookie of ours that is good.
    Owner,
    /// One of ours, past its deadline.
    Expired,
    /// One that is not of ours, or of another owner's token than today's.
    Invalid,
    /// None.
    Missing,
}

/// The value of the cookie for whoever has just shown the owner's token.
///
/// # Errors
/// [`InvalidToken`] where there is no `ADMIN_TOKEN`: nobody can have shown it.
pub fn sign(settings: &Settings, now: Timestamp) -> Result<String, InvalidToken> {
    let keys = &settings.keys;
    let mark = keys.newest().and_then(|id| mark(settings, id));
    keys.sign_any(&Claims {
        audience: audience(settings),
        issued_at: now,
        deadline: now.plus(LIFETIME_SECONDS),
        mark: mark.ok_or(InvalidToken)?,
    })
}

/// What the request's cookie is worth at this moment. Where there are several, the best counts: over
/// plain http, another application on the same laptop may have set one of the name.
#[must_use]
pub fn shown(settings: &Settings, headers: &HeaderMap, now: Timestamp) -> Shown {
    let mut worth = Shown::Missing;
    for value in settings.cookies.owners(headers) {
        match verify(settings, value, now) {
            Shown::Owner => return Shown::Owner,
            Shown::Expired => worth = Shown::Expired,
            Shown::Invalid if worth == Shown::Missing && !value.is_empty() => {
                worth = Shown::Invalid;
            }
            Shown::Invalid | Shown::Missing => {}
        }
    }
    worth
}

fn verify(settings: &Settings, value: &str, now: Timestamp) -> Shown {
    let read = settings
        .keys
        .verify_any::<Claims>(value, &audience(settings));
    match read {
        Ok((key, claims)) if Some(&claims.mark) == mark(settings, key).as_ref() => {
            if now < claims.deadline {
                Shown::Owner
            } else {
                Shown::Expired
            }
        }
        _ => Shown::Invalid,
    }
}

/// A site is a host, which has no slash: no session's audience is ever this.
fn audience(settings: &Settings) -> String {
    format!("{}/admin", settings.audience)
}

/// The owner's token of today, hashed under the key of this id. `None` without such a token or key.
fn mark(settings: &Settings, key: &str) -> Option<String> {
    let token = settings.admin_token.as_ref()?;
    let keys: &Keys = &settings.keys;
    let key: hmac::Key = keys.derive(key, PURPOSE, hmac::HMAC_SHA256)?;
    let tag = hmac::sign(&key, token.expose().as_bytes());
    Some(URL_SAFE_NO_PAD.encode(tag.as_ref().get(..MARK_BYTES)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;
    use crate::session::{Limits, RecordId};
    use crate::settings::Variables;
    use crate::token;

    const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TOKEN: &str = "an-owners-token-of-40-characters-exactly";
    const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);

    fn settings(keys: &str, token: &str, site: &str) -> Settings {
        let pairs = [
            ("SESSION_KEYS", keys),
            ("ADMIN_TOKEN", token),
            ("SITE_AUDIENCE", site),
        ];
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Settings::read(&variables.into_iter().collect::<Variables>()).unwrap()
    }

    fn ours() -> Settings {
        settings(OLD, TOKEN, "example.com")
    }

    fn shown_at(settings: &Settings, cookies: &str, now: Timestamp) -> Shown {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(cookies).unwrap());
        shown(settings, &headers, now)
    }

    fn worth(settings: &Settings, value: &str) -> Shown {
        shown_at(settings, &format!("__Host-lastseen-admin={value}"), NOW)
    }

    #[test]
    fn who_signed_in_is_the_owner_for_eight_hours_and_not_a_second_longer() {
        let cookie = format!("__Host-lastseen-admin={}", sign(&ours(), NOW).unwrap());
        for (seconds, expected) in [
            (0, Shown::Owner),
            (28_799, Shown::Owner),
            (28_800, Shown::Expired),
            (900_000, Shown::Expired),
        ] {
            let then = NOW.plus(seconds);
            assert_eq!(shown_at(&ours(), &cookie, then), expected, "{seconds}");
        }
    }

    #[test]
    fn another_owners_token_signs_everybody_out() {
        let value = sign(&ours(), NOW).unwrap();
        assert_eq!(worth(&ours(), &value), Shown::Owner);
        let other = settings(
            OLD,
            "another-owners-token-of-40-characters-ab",
            "example.com",
        );
        assert_eq!(worth(&other, &value), Shown::Invalid);
        let none = settings(OLD, "", "example.com");
        assert_eq!(worth(&none, &value), Shown::Invalid);
        assert_eq!(sign(&none, NOW), Err(InvalidToken));
    }

    #[test]
    fn another_site_and_another_key_know_no_such_owner() {
        let value = sign(&ours(), NOW).unwrap();
        let elsewhere = settings(OLD, TOKEN, "example.org");
        assert_eq!(worth(&elsewhere, &value), Shown::Invalid);
        let stranger = settings(&NEW.replace("new", "old"), TOKEN, "example.com");
        assert_eq!(worth(&stranger, &value), Shown::Invalid);
    }

    #[test]
    fn a_key_can_be_replaced_while_the_owner_is_signed_in() {
        let value = sign(&ours(), NOW).unwrap();
        let both = settings(&format!("{NEW},{OLD}"), TOKEN, "example.com");
        assert_eq!(worth(&both, &value), Shown::Owner);
        let by_the_new = sign(&both, NOW).unwrap();
        assert_eq!(worth(&both, &by_the_new), Shown::Owner);
        assert_eq!(worth(&ours(), &by_the_new), Shown::Invalid);
    }

    #[test]
    fn a_session_is_no_owner_and_an_owner_no_session() {
        let settings = ours();
        let limits = Limits {
            idle_timeout: 1_800,
            lifetime: 86_400,
        };
        for audience in ["example.com", "example.com/admin"] {
            let claims = token::Claims::start(
                audience,
                "sid".to_owned(),
                RecordId::new("42"),
                &limits,
                NOW,
            );
            let session = settings.keys.sign(&claims).unwrap();
            assert_eq!(worth(&settings, &session), Shown::Invalid, "{audience}");
        }
        // Not even one with all that is asked for: what it was made for decides.
        let owners = Claims {
            audience: "example.com".to_owned(),
            issued_at: NOW,
            deadline: NOW.plus(60),
            mark: mark(&settings, "old").unwrap(),
        };
        let borrowed = settings.keys.sign_any(&owners).unwrap();
        assert_eq!(worth(&settings, &borrowed), Shown::Invalid);
        let value = sign(&settings, NOW).unwrap();
        for audience in ["example.com", "example.com/admin"] {
            let read = settings.keys.verify(&value, audience);
            assert_eq!(read, Err(InvalidToken), "{audience}");
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let value = sign(&ours(), NOW).unwrap();
        for index in 0..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(worth(&ours(), &forged), Shown::Invalid, "character {index}");
        }
    }

    #[test]
    fn it_does_not_tell_the_owners_token() {
        let value = sign(&ours(), NOW).unwrap();
        let payload = value.split('.').nth(1).unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert!(!payload.contains(TOKEN), "{payload}");
        // A hash without a key could be tried on guesses by whoever has a copy.
        let plain = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes());
        let plain = URL_SAFE_NO_PAD.encode(&plain.as_ref()[..MARK_BYTES]);
        assert!(!payload.contains(&plain), "{payload}");
        assert!(value.len() < 400, "{}", value.len());
    }

    #[test]
    fn of_several_cookies_the_best_counts() {
        let value = sign(&ours(), NOW).unwrap();
        let old = sign(&ours(), NOW.minus(90_000)).unwrap();
        let name = "__Host-lastseen-admin";
        for (cookies, expected) in [
            (String::new(), Shown::Missing),
            ("a=1".to_owned(), Shown::Missing),
            (format!("{name}="), Shown::Missing),
            (format!("lastseen-admin={value}"), Shown::Missing),
            (format!("__Host-lastseen={value}"), Shown::Missing),
            (format!("{name}=x"), Shown::Invalid),
            (format!("{name}={old}; {name}=x"), Shown::Expired),
            (format!("{name}=x; {name}={old}"), Shown::Expired),
            (format!("{name}=x; {name}={value}"), Shown::Owner),
            (format!("{name}={value}; {name}={old}"), Shown::Owner),
        ] {
            assert_eq!(shown_at(&ours(), &cookies, NOW), expected, "{cookies}");
        }
    }
}
