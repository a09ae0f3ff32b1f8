//! What visits add up to.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::answers::{
    ActiveFigures, Data, DurationFigures, PageSummary, Period, Periods, ReasonCounts,
    ScrollFigures, SessionCounts, SessionItem, Summary,
};
use super::median::median;
use super::periods::{Span, Unit, spans};
use super::sessions::item;
use super::{Filter, State, Visit, state};
use crate::session::{EndReason, Limits, PageFigures};
use crate::timestamp::Timestamp;

/// Pages that an answer holds.
const MOST_PAGES: usize = 200;
/// Visits being looked at that an answer holds, and the pages of all of these.
const MOST_LOOKING: usize = 100;
const MOST_PAGES_LOOKED_AT: usize = 1_000;
/// What a chart can show, in months.
const LONGEST: u64 = 100 * 366 * 86_400;

/// Adds up the visits that a filter means, as they stand at `now`. `data` says what they were read
/// from.
#[must_use]
pub fn summary<'a, V: Visit + 'a>(
    visits: impl IntoIterator<Item = &'a V>,
    filter: &Filter,
    limits: &Limits,
    now: Timestamp,
    data: Data,
) -> Summary {
    let visits: Vec<&V> = visits
        .into_iter()
        .filter(|visit| filter.matches(*visit, now, limits))
        .collect();
    let mut sum = Sum::new(periods(&visits, filter, now));
    for visit in &visits {
        sum.add(*visit, limits, now);
    }
    let (pages, pages_left_out) = pages(sum.pages);
    Summary {
        sessions: sum.sessions,
        visitors: sum.visitors.len() as u64,
        duration_seconds: DurationFigures {
            total: sum.duration,
            median: median(&mut sum.closed_durations),
        },
        active_seconds: ActiveFigures {
            total: sum.active,
            median: median(&mut sum.closed_active),
            unknown: sum.active_unknown,
        },
        reasons: sum.reasons,
        periods: Periods {
            unit: sum.unit,
            time_zone: filter.zone_name().to_owned(),
            items: sum.periods,
        },
        pages,
        pages_left_out,
        looking: looking(&visits, limits, now),
        data,
    }
}

/// From the first moment that is meant, or the first visit, to the last one, or now.
fn periods<V: Visit>(visits: &[&V], filter: &Filter, now: Timestamp) -> (Unit, Vec<Span>) {
    let starts = || visits.iter().map(|visit| visit.start());
    let Some(from) = filter.from.or_else(|| starts().min()) else {
        return (Unit::for_range(0), Vec::new());
    };
    let mut to = filter.to.unwrap_or(now.plus(1));
    if to.since(from) > LONGEST {
        // The future is left out before any visit is.
        to = to.min(starts().fold(now, Timestamp::max).plus(1));
    }
    let from = from.max(to.minus(LONGEST));
    let unit = Unit::for_range(filter.to.map_or(now, |asked| asked.min(to)).since(from));
    (unit, spans(unit, &filter.zone, from, to))
}

fn looking<V: Visit>(visits: &[&V], limits: &Limits, now: Timestamp) -> Vec<SessionItem> {
    let mut looking: Vec<&V> = visits
        .iter()
        .copied()
        .filter(|visit| state::is_looking(*visit, limits, now))
        .collect();
    looking.sort_by_key(|visit| std::cmp::Reverse((visit.last_seen(), visit.start())));
    looking.truncate(MOST_LOOKING);
    let mut pages = 0;
    let items = looking.into_iter().map(|visit| item(visit, limits, now));
    let items = items.take_while(|item| {
        pages += item.pages.len();
        pages <= MOST_PAGES_LOOKED_AT
    });
    items.collect()
}

/// The most read ones, and how many more there are.
fn pages(pages: HashMap<&str, PageSum>) -> (Vec<PageSummary>, u64) {
    let mut pages: Vec<_> = pages.into_iter().collect();
    pages.sort_by(|(a_path, a), (b_path, b)| {
        b.seconds.cmp(&a.seconds).then_with(|| a_path.cmp(b_path))
    });
    let left_out = pages.len().saturating_sub(MOST_PAGES) as u64;
    pages.truncate(MOST_PAGES);
    let pages = pages.into_iter().map(|(path, page)| page.finish(path));
    (pages.collect(), left_out)
}

struct Sum<'a> {
    sessions: SessionCounts,
    reasons: ReasonCounts,
    duration: u64,
    closed_durations: Vec<u64>,
    active: u64,
    active_unknown: u64,
    closed_active: Vec<u64>,
    /// Visitors by a number, which is compared faster than an address.
    visitors: HashMap<Cow<'a, str>, u32>,
    pages: HashMap<&'a str, PageSum>,
    unit: Unit,
    starts: Vec<Timestamp>,
    periods: Vec<Period>,
    /// Who has been counted in which period.
    period_visitors: HashSet<(usize, u32)>,
}

impl<'a> Sum<'a> {
    fn new((unit, spans): (Unit, Vec<Span>)) -> Self {
        Self {
            sessions: SessionCounts::default(),
            reasons: ReasonCounts::default(),
            duration: 0,
            closed_durations: Vec::new(),
            active: 0,
            active_unknown: 0,
            closed_active: Vec::new(),
            visitors: HashMap::new(),
            pages: HashMap::new(),
            unit,
            starts: spans.iter().map(|span| span.start).collect(),
            periods: spans
                .into_iter()
                .map(|span| Period {
                    start: span.written,
                    label: span.label,
                    sessions: 0,
                    visitors: 0,
                    duration_seconds: 0,
                    active_seconds: 0,
                })
                .collect(),
            period_visitors: HashSet::new(),
        }
    }

    fn add<V: Visit>(&mut self, visit: &'a V, limits: &Limits, now: Timestamp) {
        let state = State::of(visit, limits, now);
        self.count(visit, state, limits, now);
        let duration = visit.duration_seconds();
        self.duration = self.duration.saturating_add(duration);
        let active = visit.active_seconds();
        self.active = self.active.saturating_add(active.unwrap_or(0));
        self.active_unknown += u64::from(active.is_none());
        if state.is_closed() {
            self.closed_durations.push(duration);
            self.closed_active.extend(active);
        }
        let next = u32::try_from(self.visitors.len()).unwrap_or(u32::MAX);
        let visitor = *self.visitors.entry(visit.visitor()).or_insert(next);
        for (path, figures) in visit.pages() {
            let page = self.pages.entry(path).or_default();
            page.add(figures, visitor, state);
        }
        self.add_to_period(visit, visitor);
    }

    fn count(&mut self, visit: &impl Visit, state: State, limits: &Limits, now: Timestamp) {
        self.sessions.total += 1;
        match state {
            State::Open => self.sessions.open += 1,
            State::Ended => self.sessions.ended += 1,
            State::Vanished => self.sessions.vanished += 1,
        }
        self.sessions.looking += u64::from(state::is_looking(visit, limits, now));
        let reasons = &mut self.reasons;
        match (visit.end_reason(), state) {
            (Some(EndReason::Logout), _) => reasons.logout += 1,
            (Some(EndReason::Idle), _) => reasons.idle += 1,
            (Some(EndReason::Expired), _) => reasons.expired += 1,
            (Some(EndReason::Revoked), _) => reasons.revoked += 1,
            (None, State::Open) => {}
            (None, _) => reasons.none += 1,
        }
    }

    fn add_to_period(&mut self, visit: &impl Visit, visitor: u32) {
        let begun = self.starts.partition_point(|start| *start <= visit.start());
        let Some(index) = begun.checked_sub(1) else {
            return;
        };
        if let Some(period) = self.periods.get_mut(index) {
            period.sessions += 1;
            period.visitors += u64::from(self.period_visitors.insert((index, visitor)));
            let (duration, active) = (visit.duration_seconds(), visit.active_seconds());
            period.duration_seconds = period.duration_seconds.saturating_add(duration);
            period.active_seconds = period.active_seconds.saturating_add(active.unwrap_or(0));
        }
    }
}

#[derive(Default)]
struct PageSum {
    sessions: u64,
    visitors: HashSet<u32>,
    seconds: u64,
    closed_seconds: Vec<u64>,
    closed_scroll: Vec<u64>,
    reached: [u64; 11],
}

impl PageSum {
    fn add(&mut self, figures: PageFigures, visitor: u32, state: State) {
        self.sessions += 1;
        self.visitors.insert(visitor);
        self.seconds = self.seconds.saturating_add(figures.seconds);
        if state.is_closed() {
            self.closed_seconds.push(figures.seconds);
            self.closed_scroll.push(figures.scroll.into());
        }
        let tenths = usize::from(figures.scroll / 10).min(10);
        for reached in &mut self.reached[..=tenths] {
            *reached += 1;
        }
    }

    fn finish(mut self, path: &str) -> PageSummary {
        PageSummary {
            path: path.to_owned(),
            sessions: self.sessions,
            visitors: self.visitors.len() as u64,
            seconds: self.seconds,
            median_seconds: median(&mut self.closed_seconds),
            scroll: ScrollFigures {
                median: median(&mut self.closed_scroll),
                reached: self.reached,
            },
        }
    }
}
