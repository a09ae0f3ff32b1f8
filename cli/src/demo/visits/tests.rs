#![allow(
    clippy::unwrap_used,
    reason = "a failed test should stop where it fails"
)]

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

/// Saturday, 2026-11-21T20:00:00Z
const UNTIL: Timestamp = Timestamp::from_unix(1_795_291_200);
const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: DAY,
};

fn plan(seed: u64, days: u64, visits: u64) -> Plan {
    Plan {
        seed,
        days,
        visits,
        until: UNTIL,
        limits: LIMITS,
    }
}

fn made(plan: &Plan) -> Vec<Session> {
    Visits::new(plan).collect()
}

/// What no row that `lastseen` writes breaks.
fn assert_possible(plan: &Plan, visits: &[Session]) {
    let Plan { until, limits, .. } = *plan;
    assert_eq!(visits.len() as u64, plan.visits);
    assert!(visits.is_sorted_by_key(|visit| visit.start));
    let mut until_when: HashMap<&str, Timestamp> = HashMap::new();
    for visit in visits {
        let end = visit.start.plus(limits.lifetime);
        let deadline = visit.last_seen.plus(limits.idle_timeout).min(end);
        assert!(visit.start >= until.minus(plan.days * DAY) && visit.start <= until);
        assert!(visit.last_seen >= visit.start && visit.last_seen <= until.min(end));
        assert!(visit.email.ends_with(shared::email::MADE_UP));

        let active = visit.active_seconds.unwrap();
        assert!(active <= visit.duration_seconds(), "{visit:?}");
        let on_pages: u64 = visit.pages.values().map(|page| page.seconds).sum();
        assert!(on_pages <= active, "{visit:?}");
        assert!(visit.pages.values().all(|page| page.scroll <= 100));
        assert!(
            visit
                .pages
                .contains_key(visit.current_page.as_ref().unwrap())
        );

        assert_eq!(visit.end_reason.is_some(), visit.ended_at.is_some());
        if let (Some(reason), Some(at)) = (visit.end_reason, visit.ended_at) {
            assert!(
                at >= visit.last_seen && at <= deadline.min(until),
                "{visit:?}"
            );
            match reason {
                EndReason::Logout => assert_eq!(at, visit.last_seen),
                EndReason::Idle => assert_eq!(at, visit.last_seen.plus(limits.idle_timeout)),
                EndReason::Expired => assert_eq!(at, end),
                EndReason::Revoked => {}
            }
        }
        let free = until_when.insert(&visit.email, visit.ended_at.unwrap_or(deadline));
        assert!(free.is_none_or(|free| free < visit.start), "{visit:?}");
    }
}

proptest! {
    #[test]
    fn every_row_is_one_that_a_visit_could_have_left(
        seed in any::<u64>(),
        days in 1_u64..60,
        visits in 1_u64..400,
        until in 0_i64..4_000_000_000,
        lifetime in 1_u64..200_000,
        idle in 1_u64..10_000,
    ) {
        let limits = Limits { idle_timeout: idle.min(lifetime), lifetime };
        let until = Timestamp::from_unix(until);
        let plan = Plan { seed, days, visits, until, limits };
        assert_possible(&plan, &made(&plan));
    }
}

#[test]
fn the_same_plan_makes_the_same_visits_and_another_seed_others() {
    let one = made(&plan(1, 30, 300));
    assert_eq!(one, made(&plan(1, 30, 300)));
    assert_ne!(one, made(&plan(2, 30, 300)));
    // On every machine, and after every update of what draws the numbers.
    let Session {
        email,
        start,
        last_seen,
        active_seconds,
        ..
    } = &one[100];
    let row = format!("{email} {start} {last_seen} {active_seconds:?}");
    assert_eq!(
        row,
        "uma.ueda@meridian-trust.demo.example 2026-11-03T15:16:06Z 2026-11-03T15:21:14Z Some(189)"
    );
}

#[test]
fn a_month_looks_as_a_month_does() {
    let visits = made(&plan(1, 30, 3_000));
    assert_possible(&plan(1, 30, 3_000), &visits);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for visit in &visits {
        let reason = visit.end_reason.map_or("none", EndReason::as_str);
        *reasons.entry(reason).or_default() += 1;
    }
    let share = |reason: &str| reasons.get(reason).copied().unwrap_or(0) * 100 / visits.len();
    assert!((15..35).contains(&share("logout")), "{reasons:?}");
    assert!((20..40).contains(&share("idle")), "{reasons:?}");
    assert!((30..55).contains(&share("none")), "{reasons:?}");
    assert!(
        reasons["expired"] > 3 && reasons["revoked"] > 20,
        "{reasons:?}"
    );

    let weekday = |visit: &Session| visit.start.as_unix().div_euclid(86_400).rem_euclid(7);
    let on = |day| visits.iter().filter(|visit| weekday(visit) == day).count();
    assert!(on(2) * 3 < on(5), "a Saturday is quieter than a Tuesday");
    let hour = |visit: &Session| visit.start.as_unix().rem_euclid(86_400) / 3_600;
    let at = |from, to| {
        visits
            .iter()
            .filter(|visit| (from..to).contains(&hour(visit)))
            .count()
    };
    assert!(at(0, 6) * 20 < at(8, 18));

    let addresses: HashMap<&str, usize> = visits.iter().fold(HashMap::new(), |mut known, visit| {
        *known.entry(visit.email.as_str()).or_default() += 1;
        known
    });
    assert!(
        addresses.values().filter(|times| **times > 3).count() > 50,
        "many come back"
    );
    assert!(addresses.len() > 500);

    let scrolled = |least: u8| {
        let report = visits.iter().filter_map(|visit| visit.pages.get(REPORT));
        report.filter(|page| page.scroll >= least).count()
    };
    let steps: Vec<usize> = (0..=10).map(|step| scrolled(step * 10)).collect();
    assert!(
        steps[1] > steps[5] && steps[5] > steps[9] && steps[10] > 0,
        "{steps:?}"
    );
    let mut active: Vec<u64> = visits
        .iter()
        .filter_map(|visit| visit.active_seconds)
        .collect();
    active.sort_unstable();
    assert!(
        (100..300).contains(&active[active.len() / 2]),
        "{}",
        active[active.len() / 2]
    );
    assert!(active[active.len() - 1] >= 7_000, "one reads it all");
    assert!(active[active.len() / 20] < 12, "some look and go");
}

#[test]
fn some_are_open_at_the_end_and_say_where_they_are() {
    for visits in [1, 2, 3, 4, 300] {
        let visits = made(&plan(1, 30, visits));
        let looking = visits
            .iter()
            .filter(|visit| visit.end_reason.is_none() && UNTIL.since(visit.last_seen) < 210);
        assert!(looking.clone().count() >= visits.len().min(3));
        assert!(looking.clone().all(|visit| visit.current_page.is_some()));
    }
}
