//! Reports beside the same figures counted anew, row by row and without any of their code: whatever
//! the visits, the filter and the zone.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::report::answers::{Data, Moment};
use shared::report::summary::summary;
use shared::report::visitors::{Sort, by_visitor};
use shared::report::{Filter, sessions};
use shared::session::{EndReason, Limits, PageFigures, Pages, RecordId, Session};
use shared::timestamp::Timestamp;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
/// 2026-11-03T12:00:00Z: clocks were put back ten days before in Berlin, two before in New York.
const NOW: i64 = 1_793_707_200;
const PATHS: [&str; 4] = ["/", "/a/", "/b/", "/b/deep/"];
const PEOPLE: [&str; 6] = [
    "ann@example.com",
    "Ann@Example.com",
    "bob@example.com",
    "cyd@mail.example.com",
    "dan@b.cc",
    "Ann, the investor",
];

fn visits() -> impl Strategy<Value = Vec<Session>> {
    let reason = prop_oneof![
        3 => Just(None),
        1 => Just(Some(EndReason::Logout)),
        1 => Just(Some(EndReason::Idle)),
        1 => Just(Some(EndReason::Expired)),
        1 => Just(Some(EndReason::Revoked)),
    ];
    let page = (0..PATHS.len(), 0_u64..2_000, 0_u8..=100);
    // Most of them lately, so that some are open and some are being looked at.
    let ago = prop_oneof![0_i64..1_000, 0_i64..90_000, 0_i64..30_000_000];
    let visit = (
        0..PEOPLE.len(),
        ago,
        0_i64..50_000,
        reason,
        prop::option::of(0_u64..5_000),
        prop::collection::vec(page, 0..4),
    );
    prop::collection::vec(visit, 0..60).prop_map(|visits| {
        let visits = visits.into_iter().enumerate();
        visits
            .map(
                |(index, (who, ago, seen, end_reason, active_seconds, pages))| Session {
                    id: RecordId::new(index.to_string()),
                    email: PEOPLE[who].to_owned(),
                    start: Timestamp::from_unix(NOW - ago),
                    start_is_day: false,
                    last_seen: Timestamp::from_unix((NOW - ago + seen).min(NOW)),
                    end_reason,
                    ended_at: None,
                    active_seconds,
                    current_page: None,
                    pages: pages
                        .into_iter()
                        .map(|(path, seconds, scroll)| {
                            (PATHS[path].to_owned(), PageFigures { seconds, scroll })
                        })
                        .collect::<Pages>(),
                },
            )
            .collect()
    })
}

/// A question, with what it means spelled out.
#[derive(Clone, Debug)]
struct Asked {
    pairs: Vec<(&'static str, String)>,
    zone: &'static str,
}

fn questions() -> impl Strategy<Value = Asked> {
    let who = prop::option::of(prop_oneof![
        Just(("email", "ANN@example.com".to_owned())),
        Just(("email", "dan@b.cc".to_owned())),
        Just(("domain", "example.com".to_owned())),
    ]);
    let state = prop::option::of(prop_oneof![Just("open"), Just("ended")]);
    let reason = prop::option::of(prop_oneof![Just("logout"), Just("none")]);
    let ago = prop_oneof![0_i64..100_000, 0_i64..5_000_000, 0_i64..31_000_000];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York")];
    (who, state, reason, prop::option::of(ago), zone).prop_map(
        |(who, state, reason, from, zone)| {
            let moment = |ago: i64| Timestamp::from_unix(NOW - ago).to_string();
            let mut pairs: Vec<_> = who.into_iter().collect();
            pairs.extend(from.map(|ago| ("from", moment(ago))));
            pairs.extend(state.map(|state| ("state", state.to_owned())));
            // An open one has no reason.
            let reason = reason.filter(|_| state != Some("open"));
            pairs.extend(reason.map(|reason| ("reason", reason.to_owned())));
            pairs.push(("tz", zone.to_owned()));
            Asked { pairs, zone }
        },
    )
}

impl Asked {
    fn filter(&self) -> Filter {
        let pairs = self
            .pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        Filter::read(pairs, Timestamp::from_unix(NOW)).unwrap()
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    fn wants(&self, row: &Naive) -> bool {
        let email = row.email.to_lowercase();
        self.value("email")
            .is_none_or(|wanted| email == wanted.to_lowercase())
            && self
                .value("domain")
                .is_none_or(|domain| email.ends_with(&format!("@{domain}")))
            && self
                .value("from")
                .is_none_or(|from| row.start >= from.parse::<Timestamp>().unwrap().as_unix())
            && match self.value("state") {
                Some("open") => row.state == "open",
                Some(_) => row.state != "open",
                None => true,
            }
            && match self.value("reason") {
                Some("none") => row.state == "vanished",
                Some(reason) => row.reason == Some(reason),
                None => true,
            }
    }
}

/// A row in numbers and words.
#[derive(Clone, Debug)]
struct Naive {
    email: String,
    start: i64,
    seen: i64,
    reason: Option<&'static str>,
    active: Option<i64>,
    pages: Vec<(String, i64, i64)>,
    state: &'static str,
    looking: bool,
}

impl Naive {
    fn of(session: &Session) -> Self {
        let (start, seen) = (session.start.as_unix(), session.last_seen.as_unix());
        let state = match session.end_reason {
            Some(_) => "ended",
            None if NOW >= seen + 1_800 || NOW >= start + 86_400 => "vanished",
            None => "open",
        };
        Self {
            email: session.email.clone(),
            start,
            seen,
            reason: session.end_reason.map(EndReason::as_str),
            active: session.active_seconds.map(u64::cast_signed),
            pages: session
                .pages
                .iter()
                .map(|(path, figures)| {
                    (
                        path.clone(),
                        figures.seconds.cast_signed(),
                        figures.scroll.into(),
                    )
                })
                .collect(),
            state,
            looking: state == "open" && NOW - seen <= 210,
        }
    }

    fn duration(&self) -> i64 {
        (self.seen - self.start).max(0)
    }

    fn is_over(&self) -> bool {
        self.state != "open"
    }
}

fn middle(mut figures: Vec<i64>) -> Value {
    figures.sort_unstable();
    match figures.len() {
        0 => Value::Null,
        count if count % 2 == 1 => json!(figures[count / 2]),
        count => json!(i64::midpoint(figures[count / 2 - 1], figures[count / 2])),
    }
}

fn count(rows: &[Naive], is_one: impl Fn(&Naive) -> bool) -> usize {
    rows.iter().filter(|row| is_one(row)).count()
}

fn people<'a>(rows: impl IntoIterator<Item = &'a Naive>) -> BTreeSet<String> {
    rows.into_iter()
        .map(|row| row.email.to_lowercase())
        .collect()
}

fn moment(seconds: i64) -> String {
    Timestamp::from_unix(seconds).to_string()
}

fn naive_pages(rows: &[Naive]) -> Vec<Value> {
    let paths: BTreeSet<&String> = rows
        .iter()
        .flat_map(|row| &row.pages)
        .map(|page| &page.0)
        .collect();
    let mut pages: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let on: Vec<_> = rows
                .iter()
                .flat_map(|row| row.pages.iter().map(move |page| (row, page)))
                .filter(|(_, page)| &page.0 == path)
                .collect();
            let over = || on.iter().filter(|(row, _)| row.is_over());
            let reached: Vec<_> = (0..=10)
                .map(|tenth| on.iter().filter(|(_, page)| page.2 >= 10 * tenth).count())
                .collect();
            json!({
                "path": path,
                "sessions": on.len(),
                "visitors": people(on.iter().map(|(row, _)| *row)).len(),
                "seconds": on.iter().map(|(_, page)| page.1).sum::<i64>(),
                "medianSeconds": middle(over().map(|(_, page)| page.1).collect()),
                "scroll": {
                    "median": middle(over().map(|(_, page)| page.2).collect()),
                    "reached": reached,
                },
            })
        })
        .collect();
    // Stable: of equal ones the path decides, by which they come.
    pages.sort_by_key(|page| -page["seconds"].as_i64().unwrap());
    pages
}

/// By what the zone's clocks and calendars showed when each began.
fn naive_periods(rows: &[Naive], unit: &str, zone: &TimeZone) -> BTreeMap<String, Value> {
    let format = match unit {
        "hour" => "%Y-%m-%dT%H:00:00%:z",
        "day" => "%Y-%m-%d",
        _ => "%Y-%m",
    };
    let name = |row: &Naive| {
        let start = jiff::Timestamp::from_second(row.start).unwrap();
        start.to_zoned(zone.clone()).strftime(format).to_string()
    };
    let names: BTreeSet<String> = rows.iter().map(name).collect();
    names
        .into_iter()
        .map(|period| {
            let of: Vec<_> = rows.iter().filter(|row| name(row) == period).collect();
            let figures = json!({
                "sessions": of.len(),
                "visitors": people(of.iter().copied()).len(),
                "durationSeconds": of.iter().map(|row| row.duration()).sum::<i64>(),
                "activeSeconds": of.iter().filter_map(|row| row.active).sum::<i64>(),
            });
            (period, figures)
        })
        .collect()
}

fn naive_visitor(email: &str, rows: &[Naive]) -> Value {
    let theirs: Vec<_> = rows
        .iter()
        .filter(|row| row.email.to_lowercase() == email)
        .collect();
    let paths: BTreeSet<&String> = theirs
        .iter()
        .flat_map(|row| &row.pages)
        .map(|page| &page.0)
        .collect();
    let mut pages: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let on = || {
                theirs
                    .iter()
                    .flat_map(|row| &row.pages)
                    .filter(|page| &page.0 == path)
            };
            json!({
                "path": path,
                "seconds": on().map(|page| page.1).sum::<i64>(),
                "scroll": on().map(|page| page.2).max(),
                "sessions": on().count(),
            })
        })
        .collect();
    pages.sort_by_key(|page| -page["seconds"].as_i64().unwrap());
    let over = theirs.iter().filter(|row| row.is_over());
    json!({
        "email": email,
        "sessions": theirs.len(),
        "openSessions": theirs.iter().filter(|row| row.state == "open").count(),
        "looking": theirs.iter().any(|row| row.looking),
        "firstVisit": theirs.iter().map(|row| row.start).min().map(moment),
        "lastVisit": theirs.iter().map(|row| row.start).max().map(moment),
        "lastSeen": theirs.iter().map(|row| row.seen).max().map(moment),
        "durationSeconds": theirs.iter().map(|row| row.duration()).sum::<i64>(),
        "activeSeconds": theirs.iter().filter_map(|row| row.active).sum::<i64>(),
        "activeUnknown": theirs.iter().filter(|row| row.active.is_none()).count(),
        "medianActiveSeconds": middle(over.filter_map(|row| row.active).collect()),
        "pages": pages,
        "pagesLeftOut": 0,
    })
}

fn data() -> Data {
    let now = Moment(Timestamp::from_unix(NOW));
    Data {
        as_of: now,
        older_as_of: now,
        complete: true,
        complete_since: None,
        left_out: false,
        rows: 0,
        stored: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_summary_is_what_counting_row_by_row_gives(visits in visits(), asked in questions()) {
        let now = Timestamp::from_unix(NOW);
        let answer = summary(&visits, &asked.filter(), &LIMITS, now, data());
        let answer = serde_json::to_value(&answer).unwrap();
        let rows: Vec<_> = visits.iter().map(Naive::of).filter(|row| asked.wants(row)).collect();
        let over = || rows.iter().filter(|row| row.is_over());
        prop_assert_eq!(&answer["sessions"], &json!({
            "total": rows.len(),
            "open": count(&rows, |row| row.state == "open"),
            "looking": count(&rows, |row| row.looking),
            "ended": count(&rows, |row| row.state == "ended"),
            "vanished": count(&rows, |row| row.state == "vanished"),
        }));
        prop_assert_eq!(&answer["visitors"], &json!(people(&rows).len()));
        prop_assert_eq!(&answer["durationSeconds"], &json!({
            "total": rows.iter().map(Naive::duration).sum::<i64>(),
            "median": middle(over().map(Naive::duration).collect()),
        }));
        prop_assert_eq!(&answer["activeSeconds"], &json!({
            "total": rows.iter().filter_map(|row| row.active).sum::<i64>(),
            "median": middle(over().filter_map(|row| row.active).collect()),
            "unknown": count(&rows, |row| row.active.is_none()),
        }));
        let reason = |word: &'static str| count(&rows, |row| row.reason == Some(word));
        prop_assert_eq!(&answer["reasons"], &json!({
            "logout": reason("logout"),
            "idle": reason("idle"),
            "expired": reason("expired"),
            "revoked": reason("revoked"),
            "none": count(&rows, |row| row.state == "vanished"),
        }));
        prop_assert_eq!(&answer["pages"], &json!(naive_pages(&rows)));
        prop_assert_eq!(answer["looking"].as_array().unwrap().len(), count(&rows, |row| row.looking));
    }

    #[test]
    fn periods_have_no_gaps_and_hold_every_visit(visits in visits(), asked in questions()) {
        let now = Timestamp::from_unix(NOW);
        let zone = TimeZone::get(asked.zone).unwrap();
        let answer = summary(&visits, &asked.filter(), &LIMITS, now, data());
        let answer = serde_json::to_value(&answer).unwrap();
        let unit = answer["periods"]["unit"].as_str().unwrap().to_owned();
        let rows: Vec<_> = visits.iter().map(Naive::of).filter(|row| asked.wants(row)).collect();
        let mut expected = naive_periods(&rows, &unit, &zone);
        let items = answer["periods"]["items"].as_array().unwrap();
        let starts: Vec<i64> = items
            .iter()
            .map(|item| item["start"].as_str().unwrap().parse::<Timestamp>().unwrap().as_unix())
            .collect();
        for pair in starts.windows(2) {
            let hours = (pair[1] - pair[0]) / 3_600;
            prop_assert!(match unit.as_str() {
                "hour" => hours == 1,
                "day" => (23..=25).contains(&hours),
                _ => (28 * 24 - 1..=31 * 24 + 1).contains(&hours),
            }, "{hours} hours");
        }
        for item in items {
            let mut figures = item.clone();
            let figures = figures.as_object_mut().unwrap();
            let start = figures.remove("start").unwrap();
            let label = figures.remove("label").unwrap();
            let name = if unit == "hour" { start } else { label };
            let none = json!({ "sessions": 0, "visitors": 0, "durationSeconds": 0, "activeSeconds": 0 });
            let wanted = expected.remove(name.as_str().unwrap()).unwrap_or(none);
            prop_assert_eq!(&json!(figures), &wanted, "{}", name);
        }
        prop_assert!(expected.is_empty(), "left out: {:?}", expected);
        if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
            prop_assert!(*last <= NOW, "the last one holds now");
            let from = asked.filter().from.map(Timestamp::as_unix);
            let begins = from.or(rows.iter().map(|row| row.start).min()).unwrap();
            prop_assert!(*first <= begins, "the first one holds the beginning");
        }
    }

    #[test]
    fn visitors_are_what_counting_row_by_row_gives(visits in visits(), asked in questions()) {
        let now = Timestamp::from_unix(NOW);
        let filter = asked.filter();
        let found = visits.iter().filter(|visit| filter.matches(*visit, now, &LIMITS));
        let mut found = by_visitor(found);
        let rows: Vec<_> = visits.iter().map(Naive::of).filter(|row| asked.wants(row)).collect();
        for (sort, key) in [
            (Sort::Last, "lastVisit"),
            (Sort::Email, ""),
            (Sort::Active, "activeSeconds"),
            (Sort::Duration, "durationSeconds"),
            (Sort::Sessions, "sessions"),
        ] {
            sort.sort(&mut found);
            let items = found.iter().map(|one| serde_json::to_value(one.item(&LIMITS, now)).unwrap());
            let mut expected: Vec<_> = people(&rows)
                .iter()
                .map(|email| naive_visitor(email, &rows))
                .collect();
            // Stable: of equal ones the address decides, by which they come.
            expected.sort_by(|a, b| match (&a[key], &b[key]) {
                (Value::String(a), Value::String(b)) => b.cmp(a),
                (a, b) => b.as_i64().cmp(&a.as_i64()),
            });
            prop_assert_eq!(items.collect::<Vec<_>>(), expected, "{:?}", sort);
            let places: Vec<_> = found.iter().map(|one| sort.place(one)).collect();
            prop_assert!(places.is_sorted_by(|a, b| a < b), "a place for each");
        }
    }

    #[test]
    fn a_visit_says_what_its_row_does(visits in visits()) {
        let now = Timestamp::from_unix(NOW);
        for visit in &visits {
            let row = Naive::of(visit);
            let item = serde_json::to_value(sessions::item(visit, &LIMITS, now)).unwrap();
            prop_assert_eq!(&item["state"], row.state);
            prop_assert_eq!(&item["looking"], row.looking);
            prop_assert_eq!(&item["endReason"], &json!(row.reason));
            prop_assert_eq!(&item["start"], &moment(row.start));
            prop_assert_eq!(&item["lastSeen"], &moment(row.seen));
            prop_assert_eq!(&item["durationSeconds"], row.duration());
            prop_assert_eq!(&item["activeSeconds"], &json!(row.active));
            let mut pages = row.pages.clone();
            pages.sort_by_key(|page| -page.1);
            let pages: Vec<_> = pages
                .into_iter()
                .map(|(path, seconds, scroll)| json!({ "path": path, "seconds": seconds, "scroll": scroll }))
                .collect();
            prop_assert_eq!(&item["pages"], &json!(pages));
        }
    }
}

#[test]
fn an_end_far_ahead_leaves_no_visit_out_of_the_chart() {
    let now = Timestamp::from_unix(NOW);
    let visit = Session {
        id: RecordId::new("1"),
        email: "ann@example.com".to_owned(),
        start: now.minus(86_400),
        start_is_day: false,
        last_seen: now,
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    };
    for to in ["2200-01-01", "9000-01-01"] {
        let filter = Filter::read([("to", to)], now).unwrap();
        let answer = summary([&visit], &filter, &LIMITS, now, data());
        let counted: u64 = answer.periods.items.iter().map(|item| item.sessions).sum();
        assert_eq!((answer.sessions.total, counted), (1, 1), "{to}");
    }
}
