//! The code itself: made, written for people, and read as people type it.

use std::fmt;

use crate::token::random_bytes;

/// Crockford's base 32: no I, L, O or U, so that nothing in it is mistaken for something else
/// (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 40 bits; OWASP ASVS 5.0 6.5.4 asks for 20.
const LENGTH: usize = 8;

/// Eight characters that came by mail. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; LENGTH]);

impl Code {
    /// A new one from the system's generator.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn generate() -> Result<Self, ring::error::Unspecified> {
        // 256 is a multiple of 32, so every character is as likely as any other.
        let pick = |byte: u8| ALPHABET[usize::from(byte) % ALPHABET.len()];
        Ok(Self(random_bytes::<LENGTH>()?.map(pick)))
    }

    /// Reads a code as a person types it: in any case, with or without hyphen and spaces, an O for
    /// a zero and an I or L for a one. `None` for what cannot be a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_code =
            |c: &char| !c.is_whitespace() && !"-\u{2010}\u{2011}\u{2012}\u{2013}".contains(*c);
        let read = |c: char| match c.to_ascii_uppercase() {
            'O' => Some(b'0'),
            'I' | 'L' => Some(b'1'),
            c => u8::try_from(c).ok().filter(|c| ALPHABET.contains(c)),
        };
        let characters: Option<Vec<u8>> = text
            .chars()
            .filter(is_code)
            // What is longer is no code, however long it is.
            .take(LENGTH + 1)
            .map(read)
            .collect();
        characters?.try_into().ok().map(Self)
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// As it stands in the mail: `XXXX-XXXX`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.iter().enumerate() {
            if index == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*character))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_has_forty_bits_of_the_systems_generator() {
        assert!(ALPHABET.len().pow(u32::try_from(LENGTH).unwrap()) >= 1 << 40);
        let codes: Vec<Code> = (0..2_000).map(|_| Code::generate().unwrap()).collect();
        let different: HashSet<String> = codes.iter().map(ToString::to_string).collect();
        assert_eq!(different.len(), codes.len());
        for place in 0..LENGTH {
            let seen: HashSet<u8> = codes.iter().map(|code| code.0[place]).collect();
            assert_eq!(seen.len(), ALPHABET.len(), "place {place}");
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = Code(*b"7K0M1QZ9");
        assert_eq!(code.to_string(), "7K0M-1QZ9");
        for typed in [
            "7K0M-1QZ9",
            "7k0m1qz9",
            " 7K0M 1QZ9 ",
            "7kom-lqz9",
            "7KOM-IQZ9",
            "7K0M\u{2011}1QZ9",
            "7 K 0 M - 1 Q Z 9\t",
        ] {
            assert_eq!(Code::parse(typed), Some(code.clone()), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_a_code_is_none() {
        for typed in [
            "",
            "7K0M-1QZ",
            "7K0M-1QZ99",
            "7K0M-1QZU",
            "7K0M_1QZ9",
            "７K0M1QZ9",
            "-",
        ] {
            assert_eq!(Code::parse(typed), None, "{typed}");
        }
        assert_eq!(Code::parse(&"7".repeat(60_000)), None);
    }

    #[test]
    fn no_log_line_holds_a_code_by_accident() {
        assert_eq!(format!("{:?}", Code(*b"7K0M1QZ9")), "Code(…)");
    }
}
