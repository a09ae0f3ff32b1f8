//! Where a request comes from on the network, as far as that can be believed.
//!
//! Every proxy appends to `X-Forwarded-For` the address that it was called from (Amazon CloudFront,
//! API Gateway and `lastseen serve` all do). What stands left of the entries of trusted proxies is
//! the client's own to write, and is never read.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::HeaderMap;

/// A client's network, for counting: one IPv4 address, or the /64 that an IPv6 subscriber has at
/// least. `Debug` hides it: no log line may hold an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

/// A network and those around it that one subscriber may hold as a whole, the narrowest first: IPv6
/// providers give out a /56 (256 networks of /64) and a /48 (65,536) as well (RFC 6177). Each comes with
/// how many subscribers' worth of requests it may send.
///
/// An IPv4 address stands alone: those beside it are most often other people's, and whole offices and
/// mobile networks are behind one already.
const IPV6_NETS: [(u32, u32); 3] = [(64, 1), (56, 2), (48, 4)];

impl Network {
    fn of(address: IpAddr) -> Self {
        // An IPv4 client on an IPv6 socket is the same client.
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// This network and those around it, as [`IPV6_NETS`] says.
    pub(crate) fn nets(self) -> impl Iterator<Item = (Net, u32)> {
        let v6 = match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        };
        let wide = move |(length, factor): (u32, u32)| {
            let prefix = u128::from(v6?) >> (128 - length);
            Some((Net::V6(length, prefix), factor))
        };
        let alone = match self.0 {
            IpAddr::V4(address) => Some((Net::V4(address), 1)),
            IpAddr::V6(_) => None,
        };
        alone
            .into_iter()
            .chain(IPV6_NETS.into_iter().filter_map(wide))
    }

    /// The network that the outermost trusted proxy saw: entry `trusted_hops` of
    /// `X-Forwarded-For`, counted from the right. `None` where there is no such entry or it is no
    /// address, and always with 0 hops: an address that nobody vouches for is none.
    #[must_use]
    pub fn of_client(headers: &HeaderMap, trusted_hops: usize) -> Option<Self> {
        // Several headers of the name are one list (RFC 9110 5.3).
        let entries: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b','))
            .collect();
        let index = entries.len().checked_sub(trusted_hops)?;
        let entry = std::str::from_utf8(entries.get(index)?).ok()?.trim();
        parse(entry).map(Self::of)
    }
}

/// A network of some length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Net {
    V4(Ipv4Addr),
    /// Its length, and so many bits.
    V6(u32, u128),
}

/// With or without a port, as different proxies write it.
fn parse(entry: &str) -> Option<IpAddr> {
    entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(…)")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(forwarded: &[&[u8]], trusted_hops: usize) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        Network::of_client(&headers, trusted_hops).map(|network| network.0.to_string())
    }

    #[test]
    fn only_what_a_trusted_proxy_wrote_counts() {
        type Case = (&'static [&'static [u8]], usize, Option<&'static str>);
        let cases: &[Case] = &[
            // Nobody in front.
            (&[], 1, None),
            (&[b""], 1, None),
            (&[b"1.1.1.1"], 0, None),
            // One proxy: what the client made up stands further left.
            (&[b"1.1.1.1"], 1, Some("1.1.1.1")),
            (&[b"9.9.9.9, 1.1.1.1"], 1, Some("1.1.1.1")),
            (&[b"9.9.9.9", b"1.1.1.1"], 1, Some("1.1.1.1")),
            (
                &[b"9.9.9.9,8.8.8.8", b"7.7.7.7, 1.1.1.1"],
                1,
                Some("1.1.1.1"),
            ),
            (&[b"1.1.1.1", b""], 1, None),
            (&[b"1.1.1.1,"], 1, None),
            (&[b"1.1.1.1, unknown"], 1, None),
            (&[b"nonsense, 1.1.1.1"], 1, Some("1.1.1.1")),
            (&[b"\xff\xfe, 1.1.1.1"], 1, Some("1.1.1.1")),
            (&[b"1.1.1.1, \xff\xfe"], 1, None),
            // Two proxies.
            (&[b"1.1.1.1, 2.2.2.2"], 2, Some("1.1.1.1")),
            (&[b"9.9.9.9, 1.1.1.1, 2.2.2.2"], 2, Some("1.1.1.1")),
            (&[b"9.9.9.9", b"1.1.1.1", b"2.2.2.2"], 2, Some("1.1.1.1")),
            // Called around the outer proxy: there is nobody to vouch.
            (&[b"2.2.2.2"], 2, None),
            (&[b"1.1.1.1"], usize::MAX, None),
            // Other spellings.
            (&[b" 1.1.1.1:4711 "], 1, Some("1.1.1.1")),
            (&[b"::ffff:1.1.1.1"], 1, Some("1.1.1.1")),
            (&[b"[2001:db8::1]:443"], 1, Some("2001:db8::")),
            (&[b"1.1.1.1.1"], 1, None),
            (&[b"01.1.1.1"], 1, None),
        ];
        for (forwarded, hops, expected) in cases {
            assert_eq!(
                client(forwarded, *hops).as_deref(),
                *expected,
                "{forwarded:?} {hops}"
            );
        }
    }

    #[test]
    fn an_ipv6_subscriber_counts_once_however_many_addresses_they_have() {
        let of = |text: &[u8]| client(&[text], 1).unwrap();
        assert_eq!(
            of(b"2001:db8:1:2::1"),
            of(b"2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(of(b"2001:db8:1:2::1"), of(b"2001:db8:1:3::1"));
    }

    #[test]
    fn a_household_is_one_network_of_many() {
        let nets = |text: &str| {
            Network::of(text.parse().unwrap())
                .nets()
                .collect::<Vec<_>>()
        };
        let shared = |one: &str, other: &str| {
            let (one, other) = (nets(one), nets(other));
            one.iter().filter(|net| other.contains(net)).count()
        };
        for (one, other, expected) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:3::1", 3),
            ("2001:db8:1:2::1", "2001:db8:1:ff::1", 2),
            ("2001:db8:1:2::1", "2001:db8:1:102::1", 1),
            ("2001:db8:1:2::1", "2001:db8:2:2::1", 0),
            ("192.0.2.1", "192.0.2.1", 1),
            ("192.0.2.1", "192.0.2.2", 0),
        ] {
            assert_eq!(shared(one, other), expected, "{one} {other}");
        }
        let factors: Vec<_> = nets("2001:db8::1")
            .iter()
            .map(|(_, factor)| *factor)
            .collect();
        assert_eq!(factors, [1, 2, 4]);
    }

    #[test]
    fn no_log_line_holds_an_address_by_accident() {
        let network = Network::of("1.2.3.4".parse().unwrap());
        assert_eq!(format!("{network:?}"), "Network(…)");
    }
}
