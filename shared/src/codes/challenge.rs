//! What travels in the browser that asked for a code: a random id and the address, encrypted and
//! authenticated, because nobody's address may stand readable in a cookie.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{self, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hmac;

use super::Code;
use crate::email::{Email, MAX_LENGTH};
use crate::token::{Keys, random_bytes};

/// Derived keys differ by these words, so that nothing made for one purpose passes for another.
const SEAL: &str = "lastseen code challenge v1: seal";
const HASH: &str = "lastseen code challenge v1: hash";
const ID_BYTES: usize = 16;
/// The address is padded to the longest there is, so that the cookie's length says nothing.
const PLAIN_BYTES: usize = ID_BYTES + MAX_LENGTH;

/// Which challenge: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeId([u8; ID_BYTES]);

impl ChallengeId {
    /// In base64url, for stores that keep text.
    #[must_use]
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// The code of one challenge, hashed under a key that the store does not have (OWASP ASVS 5.0
/// 6.5.2).
#[derive(Clone, PartialEq, Eq)]
pub struct CodeHash(Vec<u8>);

impl CodeHash {
    /// From what [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For keeping.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Somebody asked for a code for an address; whoever holds the cookie and the code is let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    id: ChallengeId,
    email: Email,
    key_id: String,
}

impl Challenge {
    /// A new one for this address, made with the newest key.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn new(email: &Email, keys: &Keys) -> Result<Self, Unspecified> {
        Ok(Self {
            id: ChallengeId(random_bytes()?),
            email: email.clone(),
            key_id: keys.newest().ok_or(Unspecified)?.to_owned(),
        })
    }

    /// Under which it is kept.
    #[must_use]
    pub const fn id(&self) -> &ChallengeId {
        &self.id
    }

    /// Whose address was given.
    #[must_use]
    pub const fn email(&self) -> &Email {
        &self.email
    }

    /// Its form in a cookie: `kid.base64url`, of the same length for every address.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn seal(&self, keys: &Keys, audience: &str) -> Result<String, Unspecified> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut sealed = Vec::with_capacity(PLAIN_BYTES + CHACHA20_POLY1305.tag_len());
        sealed.extend(self.id.0);
        sealed.extend(self.email.as_str().bytes());
        sealed.resize(PLAIN_BYTES, 0);
        sealing_key(keys, &self.key_id)
            .ok_or(Unspecified)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                bound_to(audience, &self.key_id),
                &mut sealed,
            )?;
        let sealed = [nonce.as_slice(), &sealed].concat();
        Ok(format!(
            "{}.{}",
            self.key_id,
            URL_SAFE_NO_PAD.encode(sealed)
        ))
    }

    /// Reads what [`seal`](Self::seal) made. `None` for anything else: made up, changed, for
    /// another site, or under a key that is gone.
    #[must_use]
    pub fn open(text: &str, keys: &Keys, audience: &str) -> Option<Self> {
        let (key_id, sealed) = text.split_once('.')?;
        let key = sealing_key(keys, key_id)?;
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key
            .open_in_place(nonce, bound_to(audience, key_id), sealed)
            .ok()?;
        let (id, email) = plain.split_first_chunk::<ID_BYTES>()?;
        let email = std::str::from_utf8(email).ok()?.trim_end_matches('\0');
        Some(Self {
            id: ChallengeId(*id),
            email: Email::parse(email).ok()?,
            key_id: key_id.to_owned(),
        })
    }

    /// The hash of this challenge's code. `None` where its key is gone.
    #[must_use]
    pub fn hash(&self, code: &Code, keys: &Keys) -> Option<CodeHash> {
        let key = hashing_key(keys, &self.key_id)?;
        Some(CodeHash(
            hmac::sign(&key, &self.hashed(code)).as_ref().to_vec(),
        ))
    }

    /// Whether this is the code that was mailed, in constant time.
    #[must_use]
    pub fn matches(&self, code: &Code, hash: &CodeHash, keys: &Keys) -> bool {
        hashing_key(keys, &self.key_id)
            .is_some_and(|key| hmac::verify(&key, &self.hashed(code), &hash.0).is_ok())
    }

    /// Both parts have one length each, so no two challenges and codes read the same.
    fn hashed(&self, code: &Code) -> Vec<u8> {
        [self.id.0.as_slice(), code.as_bytes()].concat()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(…)")
    }
}

fn sealing_key(keys: &Keys, id: &str) -> Option<LessSafeKey> {
    let key: UnboundKey = keys.derive(id, SEAL, &CHACHA20_POLY1305)?;
    Some(LessSafeKey::new(key))
}

fn hashing_key(keys: &Keys, id: &str) -> Option<hmac::Key> {
    keys.derive(id, HASH, hmac::HMAC_SHA256)
}

/// Authenticated with it: the key's id, which has no dot, and the site.
fn bound_to(audience: &str, key_id: &str) -> Aad<String> {
    aead::Aad::from(format!("{SEAL}.{key_id}.{audience}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const SITE: &str = "www.example.com";

    fn keys(text: &str) -> Keys {
        Keys::parse(text).unwrap()
    }

    fn challenge(email: &str) -> Challenge {
        Challenge::new(&Email::parse(email).unwrap(), &keys(OLD)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_names_the_address() {
        let longest = format!(
            "{}@{}.example",
            "a".repeat(64),
            ["b".repeat(60).as_str(); 2].join(".")
        );
        for email in ["anna@example.com", "jörg.müller@example.org", &longest] {
            let made = challenge(email);
            let sealed = made.seal(&keys(OLD), SITE).unwrap();
            let opened = Challenge::open(&sealed, &keys(OLD), SITE).unwrap();
            assert_eq!(opened, made);
            assert_eq!(opened.email().as_str(), email);
        }
    }

    #[test]
    fn it_says_nothing_of_the_address_and_not_even_its_length() {
        let short = challenge("a@b.c").seal(&keys(OLD), SITE).unwrap();
        let long = challenge("somebody.with.a.long.name@department.example.com");
        let long = long.seal(&keys(OLD), SITE).unwrap();
        assert_eq!(short.len(), long.len());
        assert!(short.len() < 1_000, "{}", short.len());
        let bytes = URL_SAFE_NO_PAD
            .decode(long.split_once('.').unwrap().1)
            .unwrap();
        assert!(!bytes.windows(8).any(|part| part == b"somebody"));
        assert!(!format!("{:?}", challenge("a@b.c")).contains('@'));
    }

    #[test]
    fn whatever_is_changed_in_it_it_does_not_open() {
        let sealed = challenge("anna@example.com")
            .seal(&keys(OLD), SITE)
            .unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Challenge::open(&changed, &keys(OLD), SITE), None, "{index}");
        }
        for text in [
            "",
            ".",
            "old.",
            "old",
            "old.AAAA",
            &sealed[1..],
            &sealed[..sealed.len() - 4],
        ] {
            assert_eq!(Challenge::open(text, &keys(OLD), SITE), None, "{text}");
        }
    }

    #[test]
    fn another_site_and_another_key_do_not_open_it() {
        let made = challenge("anna@example.com");
        let sealed = made.seal(&keys(OLD), SITE).unwrap();
        assert_eq!(Challenge::open(&sealed, &keys(OLD), "example.com"), None);
        let stranger = NEW.replace("new", "old");
        assert_eq!(Challenge::open(&sealed, &keys(&stranger), SITE), None);
    }

    #[test]
    fn a_key_can_be_replaced_while_codes_are_on_their_way() {
        let made = challenge("anna@example.com");
        let code = Code::generate().unwrap();
        let hash = made.hash(&code, &keys(OLD)).unwrap();
        let sealed = made.seal(&keys(OLD), SITE).unwrap();
        let both = keys(&format!("{NEW},{OLD}"));
        let opened = Challenge::open(&sealed, &both, SITE).unwrap();
        assert!(opened.matches(&code, &hash, &both));
        assert_eq!(Challenge::open(&sealed, &keys(NEW), SITE), None);
        assert!(!opened.matches(&code, &hash, &keys(NEW)));
    }

    #[test]
    fn a_hash_fits_one_code_of_one_challenge() {
        let (keys, made) = (keys(OLD), challenge("anna@example.com"));
        let code = Code::parse("7K0M-1QZ9").unwrap();
        let hash = made.hash(&code, &keys).unwrap();
        assert!(made.matches(&code, &hash, &keys));
        assert!(!made.matches(&Code::parse("7K0M-1QZ8").unwrap(), &hash, &keys));
        assert!(!challenge("anna@example.com").matches(&code, &hash, &keys));
        assert!(!made.matches(&code, &CodeHash::from_bytes(Vec::new()), &keys));
    }
}
