//! The visits themselves. One generator of random numbers makes them in the order they begin, so that
//! the same plan makes the same visits, and however many they are, only a day's beginnings are held.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal};
use shared::session::{EndReason, Limits, PageFigures, Pages, RecordId, Session};
use shared::timestamp::Timestamp;

use super::people;

const DAY: u64 = 86_400;
/// The pages of `static/portfolio`, and how much of their time visitors give to each.
const REPORT: &str = "/portfolio/confidential/";
const FIGURES: &str = "/portfolio/confidential/figures/";
/// How many visits begin on each day of the week, from Thursday 1 January 1970 on.
const WEEK: [u64; 7] = [10, 8, 2, 1, 9, 11, 11];
/// And in each hour of a day, in UTC.
const HOURS: [u64; 24] = [
    1, 0, 0, 0, 0, 1, 3, 8, 18, 26, 27, 22, 14, 18, 25, 24, 20, 14, 8, 6, 6, 5, 4, 2,
];
/// So many are open at the end: enough to look at.
const OPEN: u64 = 3;
/// Half of the readers look longer than this.
const MEDIAN_SECONDS: f64 = 240.0;
/// Of the logarithm: one in forty looks over seven times as long.
const SPREAD: f64 = 1.0;
/// Nobody reads two pages for longer, except for one.
const LONGEST_SECONDS: u64 = 5_400;
/// Of ten visits, about so many are of somebody new.
const NEW_IN_TEN: u64 = 3;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) days: u64,
    pub(super) visits: u64,
    pub(super) until: Timestamp,
    pub(super) limits: Limits,
}

/// The visits, in the order they begin.
pub(super) struct Visits {
    plan: Plan,
    random: ChaCha8Rng,
    reading: Option<LogNormal<f64>>,
    /// The day that comes next, counted from the first.
    day: u64,
    /// What the days until then weigh of the weight of all.
    weighed: u64,
    weight: u64,
    /// How many visits have begun on the days until then.
    begun: u64,
    /// When the day's visits begin, the next one last.
    starts: Vec<Timestamp>,
    /// Until when each visitor is there, or may be: nobody comes twice at once.
    busy: Vec<Timestamp>,
    made: u64,
}

/// How a visit goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A look, and away.
    Bounce,
    /// As long as people read.
    Reading,
    /// Two hours, to the last line.
    LongRead,
    /// Again and again, until the session lifetime is over.
    ToTheEnd,
}

impl Visits {
    pub(super) fn new(plan: &Plan) -> Self {
        let first = plan.until.minus(plan.days * DAY);
        let weight = (0..plan.days).map(|day| weight_of(first, day)).sum();
        Self {
            plan: *plan,
            random: ChaCha8Rng::seed_from_u64(plan.seed),
            reading: LogNormal::new(MEDIAN_SECONDS.ln(), SPREAD).ok(),
            day: 0,
            weighed: 0,
            weight,
            begun: 0,
            starts: Vec::new(),
            busy: Vec::new(),
            made: 0,
        }
    }

    /// When the first day began.
    pub(super) fn since(&self) -> Timestamp {
        self.plan.until.minus(self.plan.days * DAY)
    }

    /// How many visitors have come so far.
    pub(super) fn visitors(&self) -> usize {
        self.busy.len()
    }

    /// Those that are still open at the end come last.
    fn finished(&self) -> u64 {
        self.plan.visits - OPEN.min(self.plan.visits)
    }

    /// When the next visit begins.
    fn next_start(&mut self) -> Option<Timestamp> {
        while self.starts.is_empty() {
            if self.made >= self.plan.visits {
                return None;
            }
            if self.day < self.plan.days {
                self.plan_a_day();
            } else {
                self.plan_the_end();
            }
        }
        self.starts.pop()
    }

    /// A share of the visits by the day's weight; what rounding takes from one day, the next one has.
    fn plan_a_day(&mut self) {
        let since = self.since();
        self.weighed += weight_of(since, self.day);
        let all = u128::from(self.finished());
        let until_now = all * u128::from(self.weighed) / u128::from(self.weight);
        let until_now = u64::try_from(until_now).unwrap_or(self.finished());
        let day = since.plus(self.day * DAY);
        for _ in self.begun..until_now {
            // Those that would begin in the last minutes would be open, and these are counted.
            let latest = self.plan.until.minus(self.longest_open());
            let mut start = day.plus(self.time_after(day));
            if start > latest {
                start = latest.minus(self.random.random_range(0..3_600)).max(since);
            }
            self.starts.push(start);
        }
        self.starts.sort_unstable_by(|one, other| other.cmp(one));
        self.begun = until_now;
        self.day += 1;
    }

    fn plan_the_end(&mut self) {
        let earliest = self.longest_open().min(self.plan.days * DAY);
        for _ in self.made..self.plan.visits {
            let ago = self.random.random_range(1..=earliest);
            self.starts.push(self.plan.until.minus(ago));
        }
        self.starts.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Somebody who is there at the end has come within this, in seconds.
    fn longest_open(&self) -> u64 {
        (20 * 60).min(self.plan.limits.lifetime / 2).max(1)
    }

    /// Seconds from a moment to a time of day that people visit at, within the next 24 hours.
    fn time_after(&mut self, day: Timestamp) -> u64 {
        let hour = self.one_of(&HOURS) as u64;
        let time = hour * 3_600 + self.random.random_range(0..3_600);
        let midnight = u64::try_from(day.as_unix().rem_euclid(DAY.cast_signed())).unwrap_or(0);
        (time + DAY - midnight) % DAY
    }

    /// An index, as often as its weight says.
    fn one_of(&mut self, weights: &[u64]) -> usize {
        let mut place = self.random.random_range(0..weights.iter().sum());
        weights
            .iter()
            .position(|weight| {
                let here = place < *weight;
                place = place.saturating_sub(*weight);
                here
            })
            .unwrap_or(0)
    }

    /// Somebody who is not there, more often one who came before.
    fn visitor(&mut self, start: Timestamp) -> usize {
        let known = self.busy.len() as u64;
        if known > 0 && self.random.random_range(0..10) >= NEW_IN_TEN {
            for _ in 0..4 {
                // The smaller of two: the first ones come most often.
                let pick = self.random.random_range(0..known);
                let pick = pick.min(self.random.random_range(0..known));
                let index = usize::try_from(pick).unwrap_or(0);
                if self.busy[index] < start {
                    return index;
                }
            }
        }
        self.busy.push(start);
        self.busy.len() - 1
    }

    /// Seconds of looking.
    fn active(&mut self, way: Way) -> u64 {
        let seconds = match way {
            Way::Bounce => self.random.random_range(1..12),
            Way::LongRead | Way::ToTheEnd => self.random.random_range(7_000..8_000),
            Way::Reading => {
                let drawn = self
                    .reading
                    .map_or(MEDIAN_SECONDS, |reading| reading.sample(&mut self.random));
                whole(drawn).clamp(12, LONGEST_SECONDS)
            }
        };
        // A session does not live longer.
        seconds.min(self.plan.limits.lifetime / 2).max(1)
    }

    /// What of this was looked at on which page, and how far down: whoever stays longer gets
    /// further.
    fn pages(&mut self, way: Way, active: u64) -> Pages {
        let mut pages = Pages::new();
        let mut look = |random: &mut ChaCha8Rng, page: &str, seconds: u64| {
            let scroll = if way == Way::LongRead {
                100
            } else {
                let minutes = f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) / 60.0;
                let depth = random.random::<f64>().powf(1.0 / (0.4 + minutes / 3.0));
                u8::try_from(whole(5.0 + 95.0 * depth).min(100)).unwrap_or(100)
            };
            pages.insert(page.to_owned(), PageFigures { seconds, scroll });
        };
        let both = match way {
            Way::Bounce => false,
            Way::LongRead | Way::ToTheEnd => true,
            Way::Reading => active > 30 && self.random.random_range(0..10) < 6,
        };
        let first = if both {
            active * self.random.random_range(40..90) / 100
        } else {
            active
        };
        look(&mut self.random, REPORT, first);
        if both {
            look(&mut self.random, FIGURES, active - first);
        }
        pages
    }

    fn visit(&mut self, start: Timestamp) -> Session {
        let Plan { until, limits, .. } = self.plan;
        let stays_open = self.made >= self.finished();
        // In the middle of them one who reads it all.
        let way = match self.random.random_range(0..200) {
            _ if stays_open => Way::Reading,
            _ if self.made == self.finished() / 2 => Way::LongRead,
            0..28 => Way::Bounce,
            28 => Way::ToTheEnd,
            _ => Way::Reading,
        };
        let visitor = self.visitor(start);
        let wanted = self.active(way);
        // Breaks, in which nobody looks.
        let pauses = wanted * self.random.random_range(2..70) / 100;
        let latest = until.since(start).min(limits.lifetime);
        let not_seen_since = self.random.random_range(0..120);
        let duration = match way {
            _ if stays_open => latest.saturating_sub(not_seen_since),
            Way::ToTheEnd => latest.saturating_sub(not_seen_since.min(limits.idle_timeout / 2)),
            _ => (wanted + pauses).min(latest),
        };
        let active = wanted.min(duration * 9 / 10);
        let pages = self.pages(way, active);
        let last_seen = start.plus(duration);
        let (end_reason, ended_at) = if stays_open {
            (None, None)
        } else {
            self.ending(way, start, last_seen)
        };
        let current_page = if self.random.random_range(0..10) < 5 {
            pages.keys().next_back()
        } else {
            pages.keys().next()
        };
        self.busy[visitor] = ended_at.unwrap_or_else(|| {
            let idle = last_seen.plus(limits.idle_timeout);
            idle.min(start.plus(limits.lifetime))
        });
        Session {
            // Given by the store.
            id: RecordId::new(""),
            email: people::address(visitor),
            start,
            start_is_day: false,
            last_seen,
            end_reason,
            ended_at,
            active_seconds: Some(active),
            current_page: current_page.cloned(),
            pages,
        }
    }

    /// Why and when it ended. What would end after the end of all has not ended yet.
    fn ending(
        &mut self,
        way: Way,
        start: Timestamp,
        last_seen: Timestamp,
    ) -> (Option<EndReason>, Option<Timestamp>) {
        let Plan { until, limits, .. } = self.plan;
        let end = start.plus(limits.lifetime);
        let idle = last_seen.plus(limits.idle_timeout);
        // Of a hundred: logged out, fell idle, was revoked, vanished.
        let shares = match way {
            Way::Bounce => [3, 12, 0, 85],
            Way::ToTheEnd => [0, 100, 0, 0],
            _ => [29, 34, 2, 35],
        };
        let (reason, at) = match self.one_of(&shares) {
            0 => (EndReason::Logout, last_seen),
            1 if idle < end => (EndReason::Idle, idle),
            1 => (EndReason::Expired, end),
            2 => {
                let within = idle.min(end).since(last_seen);
                let after = self.random.random_range(0..=within / 2);
                (EndReason::Revoked, last_seen.plus(after))
            }
            _ => return (None, None),
        };
        if at <= until {
            (Some(reason), Some(at))
        } else {
            (None, None)
        }
    }
}

impl Iterator for Visits {
    type Item = Session;

    fn next(&mut self) -> Option<Session> {
        let start = self.next_start()?;
        let visit = self.visit(start);
        self.made += 1;
        Some(visit)
    }
}

/// What a day weighs, counted from the first: by its weekday, and a little more the later it is.
fn weight_of(first: Timestamp, day: u64) -> u64 {
    let noon = first.plus(day * DAY + DAY / 2).as_unix();
    let days = noon.div_euclid(DAY.cast_signed()).rem_euclid(7);
    WEEK[usize::try_from(days).unwrap_or(0)] * (100 + day.min(300))
}

/// Rounded down; never negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 1e9) as u64
}

#[cfg(test)]
mod tests;
