//! Visitors that nobody is: names at a handful of companies.

/// Below a domain that is reserved for examples and for these: see [`shared::email::MADE_UP`].
const COMPANIES: [&str; 7] = [
    "meridian-trust.demo.example",
    "harbour-partners.demo.example",
    "alder-foundation.demo.example",
    "kestrel-bank.demo.example",
    "quayside-council.demo.example",
    "lindqvist.demo.example",
    "mail.demo.example",
];
/// Of seventeen visitors in a row, so many are of each company: some send a whole team.
const SHARES: [usize; 7] = [5, 4, 3, 2, 1, 1, 1];

const FIRST: [&str; 31] = [
    "ann", "bela", "carlos", "dina", "emeka", "farah", "greta", "hugo", "ines", "jonas", "kaya",
    "lena", "marek", "nadia", "oscar", "priya", "quentin", "rosa", "sven", "tariq", "uma", "vera",
    "wanda", "xenia", "yusuf", "zoe", "aisha", "bruno", "clara", "david", "elif",
];
const LAST: [&str; 29] = [
    "abbott", "berg", "costa", "diaz", "evans", "fischer", "garcia", "haddad", "ivers", "jansen",
    "keller", "lopez", "moreau", "nowak", "okafor", "patel", "quist", "rossi", "sato", "tanaka",
    "ueda", "virtanen", "weber", "xu", "yilmaz", "zeman", "brandt", "chen", "doyle",
];

/// The address of visitor number `index`; no two are the same.
pub(super) fn address(index: usize) -> String {
    // Both lists have a prime length, so that each name meets each other one before any pair comes
    // again; the second is not gone through in its order.
    let first = FIRST[index % FIRST.len()];
    let last = LAST[(index * 11 + 3) % LAST.len()];
    let pairs = FIRST.len() * LAST.len();
    let again = match index / pairs {
        0 => String::new(),
        round => (round + 1).to_string(),
    };
    format!("{first}.{last}{again}@{}", company(index))
}

fn company(index: usize) -> &'static str {
    // Not in blocks: whoever comes next is of another company.
    let mut place = index * 7 % SHARES.iter().sum::<usize>();
    for (company, share) in COMPANIES.into_iter().zip(SHARES) {
        if place < share {
            return company;
        }
        place -= share;
    }
    COMPANIES[0]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::email::{Email, MADE_UP};

    use super::*;

    #[test]
    fn every_visitor_has_an_address_of_their_own_that_nobody_can_have() {
        let addresses: HashSet<String> = (0..20_000).map(address).collect();
        assert_eq!(addresses.len(), 20_000);
        for address in &addresses {
            assert_eq!(Email::parse(address).unwrap().as_str(), address);
            assert!(address.ends_with(MADE_UP), "{address}");
        }
    }

    #[test]
    fn every_company_sends_somebody() {
        let sent: HashSet<_> = (0..17).map(company).collect();
        assert_eq!(sent.len(), COMPANIES.len());
    }
}
