use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue};

use super::*;

const NOW: Timestamp = Timestamp::from_unix(1_767_323_045);
const HOURS: u64 = 3 * 3_600;

fn from(address: impl Into<IpAddr>) -> Option<Network> {
    let address = address.into().to_string();
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", HeaderValue::try_from(address).unwrap());
    Network::of_client(&headers, 1)
}

fn network(number: u32) -> Option<Network> {
    from(Ipv4Addr::from(number))
}

fn email(number: u64) -> Email {
    Email::parse(&format!("visitor-{number}@example.com")).unwrap()
}

#[test]
fn memory_has_an_end_however_many_addresses_a_flood_comes_from() {
    let flood = Flood::default();
    for number in 0..300_000 {
        let _ = flood.network(Deed::Enter, network(number), NOW);
    }
    let kept = flood.table.len();
    assert!((150_000..=262_144).contains(&kept), "{kept}");
    // And goes again.
    let _ = flood.network(Deed::Enter, network(1), NOW.plus(61));
    assert_eq!(flood.table.len(), 1);
}

#[test]
fn no_single_network_can_empty_the_bucket_of_a_visitor() {
    for Rates {
        pair,
        visitor,
        site,
        ..
    } in [ENTER, SEND, TRY]
    {
        assert!(visitor.every_ms < pair.every_ms);
        assert!(visitor.burst > pair.burst);
        assert!(site.every_ms < visitor.every_ms);
    }
}

#[test]
fn each_deed_has_limits_of_its_own() {
    let flood = Flood::default();
    let anna = email(0);
    while flood.visitor(Deed::SendCode, &anna, None, NOW).is_ok() {}
    assert!(flood.visitor(Deed::TryCode, &anna, None, NOW).is_ok());
    assert!(flood.visitor(Deed::Enter, &anna, None, NOW).is_ok());
}

#[test]
fn a_clock_that_is_set_shuts_nobody_out() {
    for set in [NOW.minus(HOURS), NOW.plus(HOURS)] {
        let flood = Flood::default();
        for number in 0.. {
            if flood
                .visitor(Deed::Enter, &email(number), network(1), NOW)
                .is_err()
            {
                break;
            }
        }
        while flood.network(Deed::Enter, network(1), NOW).is_ok() {}
        while flood.wrong_token(network(1), NOW).is_ok() {}
        while flood.may_try_passcode(network(1), NOW).is_ok() {
            flood.wrong_passcode(network(1), NOW);
        }
        let record = RecordId::new("1");
        while flood.session(&record, NOW).is_ok() {}
        while flood.log_out(&record, NOW).is_ok() {}
        let _ = flood.network(Deed::Enter, network(2), set);
        let later = set.plus(30);
        assert!(
            flood.network(Deed::Enter, network(1), later).is_ok(),
            "{set}"
        );
        assert!(
            flood
                .visitor(Deed::Enter, &email(9_999), network(1), later)
                .is_ok()
        );
        assert!(flood.wrong_token(network(1), later).is_ok());
        assert!(flood.may_try_passcode(network(1), later).is_ok());
        assert!(flood.session(&record, later).is_ok());
        assert!(flood.log_out(&record, later).is_ok());
    }
}

#[test]
fn a_household_counts_as_one_however_many_networks_it_has() {
    let tries = |network: &dyn Fn(u16) -> Option<Network>| {
        let flood = Flood::default();
        let taken = (0..=u8::MAX).filter(|number| {
            let network = network(u16::from(*number));
            flood.network(Deed::Enter, network, NOW).is_ok()
        });
        taken.count()
    };
    let v6 = |third, fourth| from(Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, 1));
    assert_eq!(tries(&|_| v6(1, 1)), 20, "one /64");
    assert_eq!(tries(&|number| v6(1, number)), 40, "one /56");
    assert_eq!(tries(&|number| v6(1, number << 8)), 80, "one /48");
    assert_eq!(tries(&|number| v6(number, 1)), 256, "others");
    assert_eq!(
        tries(&|number| network(u32::from(number))),
        256,
        "neighbours in IPv4"
    );
}

/// One second of guesses of 20 networks, and one of somebody who knows the passcode.
#[test]
fn guessing_a_passcode_is_slow_and_keeps_nobody_out_who_knows_it() {
    let flood = Flood::default();
    let (mut guesses, mut refused) = (0, 0);
    for second in 0..86_400_u32 {
        let now = NOW.plus(second.into());
        for number in 0..5 {
            let stranger = network((second * 5 + number) % 20);
            if flood.may_try_passcode(stranger, now).is_ok() {
                guesses += 1;
                flood.wrong_passcode(stranger, now);
            }
        }
        let newcomer = network(1_000 + second / 60);
        refused += u32::from(flood.may_try_passcode(newcomer, now).is_err());
    }
    assert_eq!(refused, 0);
    assert!((40_000..=45_000).contains(&guesses), "{guesses}");
}

#[test]
fn guesses_from_ever_new_networks_are_bounded_too() {
    let flood = Flood::default();
    let mut guesses = 0;
    for number in 0..200_000 {
        let now = NOW.plus(u64::from(number) / 10);
        if flood.may_try_passcode(network(number), now).is_ok() {
            guesses += 1;
            flood.wrong_passcode(network(number), now);
        }
    }
    // 20,000 seconds.
    assert!((19_000..=20_000 + 120).contains(&guesses), "{guesses}");
}

#[test]
fn a_wrong_passcode_now_and_then_is_forgiven() {
    let flood = Flood::default();
    for number in 0..10 {
        assert!(flood.may_try_passcode(network(1), NOW).is_ok(), "{number}");
        flood.wrong_passcode(network(1), NOW);
    }
    let limited = flood.may_try_passcode(network(1), NOW).unwrap_err();
    assert_eq!(limited.retry_after, Duration::from_secs(30));
    assert!(flood.may_try_passcode(network(2), NOW).is_ok());
    assert!(flood.may_try_passcode(network(1), NOW.plus(30)).is_ok());
}

#[test]
fn a_flood_leaves_room_for_networks_that_were_not_there_lately() {
    let flood = Flood::default();
    let enters = |number, network, now| {
        flood.network(Deed::Enter, network, now).is_ok()
            && flood
                .visitor(Deed::Enter, &email(number), network, now)
                .is_ok()
    };
    let (mut number, mut let_in, mut tries) = (0, 0, 0);
    for second in 0..600_u32 {
        let now = NOW.plus(second.into());
        // Twenty requests a second from a hundred networks: four times what the site takes.
        for _ in 0..20 {
            number += 1;
            enters(number, network(u32::try_from(number % 100).unwrap()), now);
        }
        if second > 60 && second % 5 == 0 {
            tries += 1;
            let_in += u32::from(enters(
                1_000_000 + u64::from(second),
                network(1_000 + second),
                now,
            ));
        }
    }
    assert_eq!(let_in, tries);
}
