//! The signed token in the session cookie: a JWT, HS256 and nothing else (RFC 7519, RFC 8725).
//!
//! Two keys live at once: the first signs, all verify, so that a key can be replaced without
//! logging anybody out.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::session::RecordId;
use crate::timestamp::Timestamp;

mod derived;
mod hs256;

/// Length of a key (RFC 7518 3.2 asks for at least the hash's output).
const KEY_BYTES: usize = 32;
/// Ours are under 600 characters; browsers keep at most 4,096 octets of name and value (RFC 6265bis
/// 5.6).
const MAX_TOKEN_LENGTH: usize = 4096;

/// What the token says. Nothing personal: which row, three moments, two deadlines, and the figures last
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The site the token is for.
    #[serde(rename = "aud")]
    pub audience: String,
    /// 128 random bits, in base64url.
    #[serde(rename = "sid")]
    pub session_id: String,
    /// The session's row.
    #[serde(rename = "rid")]
    pub record: RecordId,
    /// When the row began. A row is the token's only where it says the same; see
    /// [`Session::is_of`](crate::session::Session::is_of).
    pub start: Timestamp,
    /// When the store last confirmed the session. Nothing else moves it.
    #[serde(rename = "iat")]
    pub issued_at: Timestamp,
    /// When the store was last asked in vain; `None` once it has answered.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub asked: Option<Timestamp>,
    /// From this second on the session is idle.
    #[serde(rename = "exp")]
    pub idle_deadline: Timestamp,
    /// From this second on the session is over, whatever happens.
    #[serde(rename = "end")]
    pub end_deadline: Timestamp,
    /// The last seen that was last written.
    pub seen: Timestamp,
    /// The active seconds that were last written.
    pub active: u64,
}

/// A claim that may be missing, but not null: the gate at the edge reads it so, too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Timestamp::deserialize(deserializer).map(Some)
}

/// The token is not one of ours: malformed, signed with an unknown key, by another algorithm, or
/// for another site.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

/// `SESSION_KEYS` cannot be read. Never holds any part of a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// Nothing before the colon, or an id that cannot stand in a token's header.
    #[error("key {0}: write it as kid:base64, the kid of 1 to 32 letters, digits, `-` or `_`")]
    Malformed(usize),
    /// Not 32 bytes.
    #[error("key {0}: must be {KEY_BYTES} random bytes in base64; `lastseen keys new` makes one")]
    WrongLength(usize),
    /// Two keys share an id.
    #[error("key {0}: its kid stands twice")]
    Duplicate(usize),
}

/// The keys that sign and verify. `Debug` shows their ids alone.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Keys {
    /// Reads `kid:base64,kid:base64`; the first key signs. Either base64 alphabet, padded or not.
    ///
    /// # Errors
    /// [`InvalidKeys`] says which key, counted from 1, and why.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        hs256::install();
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in text.split(',').map(str::trim).enumerate() {
            let number = index + 1;
            let (id, secret) = entry
                .split_once(':')
                .ok_or(InvalidKeys::Malformed(number))?;
            let is_id_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if id.is_empty() || id.len() > 32 || !id.chars().all(is_id_char) {
                return Err(InvalidKeys::Malformed(number));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(InvalidKeys::Duplicate(number));
            }
            let secret = decode_base64(secret)
                .filter(|bytes| bytes.len() == KEY_BYTES)
                .ok_or(InvalidKeys::WrongLength(number))?;
            keys.push(Key {
                id: id.to_owned(),
                encoding: EncodingKey::from_secret(&secret),
                decoding: DecodingKey::from_secret(&secret),
            });
        }
        Ok(Self(keys))
    }

    /// A new key in the form [`Keys::parse`] reads, from the system's generator. Its id is random
    /// too, so that two never collide.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn generate() -> Result<String, ring::error::Unspecified> {
        Ok(format!(
            "{}:{}",
            random_text::<6>()?,
            STANDARD.encode(random_bytes::<KEY_BYTES>()?)
        ))
    }

    /// Signs with the first key.
    ///
    /// # Errors
    /// [`InvalidToken`] only where there is no key; [`Keys::parse`] makes no such set.
    pub fn sign(&self, claims: &Claims) -> Result<String, InvalidToken> {
        self.sign_any(claims)
    }

    /// The same for other claims than a session's. They need an audience that no session has.
    pub(crate) fn sign_any(&self, claims: &impl Serialize) -> Result<String, InvalidToken> {
        let key = self.0.first().ok_or(InvalidToken)?;
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, claims, &key.encoding).map_err(|_| InvalidToken)
    }

    /// Reads a token that one of the keys signed for this site. Deadlines are the session rules'
    /// business, so that a token past them can still say which one it was.
    ///
    /// # Errors
    /// [`InvalidToken`], without saying which part is wrong.
    pub fn verify(&self, token: &str, audience: &str) -> Result<Claims, InvalidToken> {
        self.verify_any(token, audience).map(|(_, claims)| claims)
    }

    /// The same for what [`sign_any`](Self::sign_any) signed; with the id of the key that did.
    pub(crate) fn verify_any<Said: DeserializeOwned>(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<(&str, Said), InvalidToken> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(InvalidToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
        let key = self
            .0
            .iter()
            .find(|key| Some(&key.id) == header.kid.as_ref())
            .ok_or(InvalidToken)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["aud", "exp"]);
        jsonwebtoken::decode::<Said>(token, &key.decoding, &validation)
            .map(|token| (key.id.as_str(), token.claims))
            .map_err(|_| InvalidToken)
    }

    /// The ids with their secret bytes, the signing one first: for the gate at the edge, which
    /// checks signatures on its own.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|key| (key.id.as_str(), key.encoding.as_bytes()))
    }

    /// The ids, the signing one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// A session id: 128 bits from the system's generator (OWASP ASVS 5.0 7.2.3), in base64url.
///
/// # Errors
/// Where the system has no random bytes to give.
pub fn new_session_id() -> Result<String, ring::error::Unspecified> {
    random_text::<16>()
}

/// A secret that nobody can guess: 256 bits from the system's generator, in base64url.
///
/// # Errors
/// Where the system has no random bytes to give.
pub fn new_secret() -> Result<String, ring::error::Unspecified> {
    random_text::<32>()
}

pub(crate) fn random_text<const N: usize>() -> Result<String, ring::error::Unspecified> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<N>()?))
}

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], ring::error::Unspecified> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(bytes)
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
}

#[cfg(test)]
mod tests;
