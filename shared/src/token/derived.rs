//! Keys for other purposes, derived from those that sign: one secret to keep and to replace, and no
//! key ever used for two things.

use ring::hkdf::{HKDF_SHA256, KeyType, Okm, Salt};

use super::{Key, Keys};

/// Any fixed text will do (RFC 5869 3.1).
const SALT: &[u8] = b"lastseen";

impl Keys {
    /// The id of the key that signs, which new things are made with.
    pub(crate) fn newest(&self) -> Option<&str> {
        self.ids().next()
    }

    /// A key for one purpose, derived (HKDF-SHA256, RFC 5869) from the one with this id. `None`
    /// where there is no such key (any more).
    pub(crate) fn derive<Kind, Derived>(
        &self,
        id: &str,
        purpose: &str,
        kind: Kind,
    ) -> Option<Derived>
    where
        Kind: KeyType,
        Derived: for<'a> From<Okm<'a, Kind>>,
    {
        let Key { encoding, .. } = self.0.iter().find(|key| key.id == id)?;
        let root = Salt::new(HKDF_SHA256, SALT).extract(encoding.as_bytes());
        let info = [purpose.as_bytes()];
        let derived = root.expand(&info, kind).ok()?;
        Some(derived.into())
    }
}
