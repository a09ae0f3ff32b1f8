//! Visits put together by visitor.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answers::{Moment, VisitorItem, VisitorPage};
use super::median::median;
use super::{BadParameter, State, Visit, state};
use crate::session::Limits;
use crate::timestamp::Timestamp;

/// Pages that one visitor is listed with: a list of visitors has to fit into answers.
const MOST_PAGES: usize = 200;

/// What a visitor's visits add up to, as far as an order needs it.
#[derive(Clone, Debug)]
pub struct Visitor<'a, V> {
    email: Cow<'a, str>,
    visits: Vec<&'a V>,
    last_visit: Timestamp,
    duration_seconds: u64,
    active_seconds: u64,
}

/// In which order visitors are listed. Where two are alike, the address decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// The newest last visit first.
    #[default]
    Last,
    /// By address, from a to z.
    Email,
    /// Who looked longest first.
    Active,
    /// Whose visits spanned longest first.
    Duration,
    /// Who visited most often first.
    Sessions,
}

impl Sort {
    /// Reads the parameter `sort`.
    ///
    /// # Errors
    /// [`BadParameter`] for anything but `last`, `email`, `active`, `duration` and `sessions`.
    pub fn read(text: &str) -> Result<Self, BadParameter> {
        match text {
            "last" => Ok(Self::Last),
            "email" => Ok(Self::Email),
            "active" => Ok(Self::Active),
            "duration" => Ok(Self::Duration),
            "sessions" => Ok(Self::Sessions),
            _ => Err(BadParameter::new(
                "sort",
                "must be `last`, `email`, `active`, `duration` or `sessions`",
            )),
        }
    }

    /// As the parameter spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Email => "email",
            Self::Active => "active",
            Self::Duration => "duration",
            Self::Sessions => "sessions",
        }
    }

    fn figure<V>(self, visitor: &Visitor<'_, V>) -> i64 {
        let figure = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        match self {
            Self::Last => visitor.last_visit.as_unix(),
            Self::Email => 0,
            Self::Active => figure(visitor.active_seconds),
            Self::Duration => figure(visitor.duration_seconds),
            Self::Sessions => figure(visitor.visits.len() as u64),
        }
    }

    /// Where a visitor stands in this order.
    #[must_use]
    pub fn place<V>(self, visitor: &Visitor<'_, V>) -> Place {
        Place {
            figure: Reverse(self.figure(visitor)),
            email: visitor.email.clone().into_owned(),
        }
    }

    /// Puts visitors in this order.
    pub fn sort<V>(self, visitors: &mut [Visitor<'_, V>]) {
        visitors.sort_by(|a, b| {
            (self.figure(b).cmp(&self.figure(a))).then_with(|| a.email.cmp(&b.email))
        });
    }
}

/// A place in a list of visitors. What comes first is the smaller one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    figure: Reverse<i64>,
    email: String,
}

/// Puts visits together by visitor, in no particular order.
#[must_use]
pub fn by_visitor<'a, V: Visit>(visits: impl IntoIterator<Item = &'a V>) -> Vec<Visitor<'a, V>> {
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
    let mut visitors: Vec<Visitor<'a, V>> = Vec::new();
    for visit in visits {
        let email = visit.visitor();
        let place = if let Some(place) = places.get(&email) {
            *place
        } else {
            visitors.push(Visitor {
                email: email.clone(),
                visits: Vec::new(),
                last_visit: visit.start(),
                duration_seconds: 0,
                active_seconds: 0,
            });
            places.insert(email, visitors.len() - 1);
            visitors.len() - 1
        };
        if let Some(visitor) = visitors.get_mut(place) {
            visitor.add(visit);
        }
    }
    visitors
}

impl<'a, V: Visit> Visitor<'a, V> {
    fn add(&mut self, visit: &'a V) {
        self.last_visit = self.last_visit.max(visit.start());
        self.duration_seconds = self
            .duration_seconds
            .saturating_add(visit.duration_seconds());
        let active = visit.active_seconds().unwrap_or(0);
        self.active_seconds = self.active_seconds.saturating_add(active);
        self.visits.push(visit);
    }

    /// The address, in lower case.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// What the visits add up to at `now`.
    #[must_use]
    pub fn item(&self, limits: &Limits, now: Timestamp) -> VisitorItem {
        let visits = || self.visits.iter().copied();
        let states = || visits().map(|visit| State::of(visit, limits, now));
        let mut closed_active: Vec<u64> = visits()
            .zip(states())
            .filter(|(_, state)| state.is_closed())
            .filter_map(|(visit, _)| visit.active_seconds())
            .collect();
        // A visitor has a visit.
        let first_visit = visits().map(Visit::start).min().unwrap_or(self.last_visit);
        let last_seen = visits()
            .map(Visit::last_seen)
            .max()
            .unwrap_or(self.last_visit);
        let (pages, pages_left_out) = self.pages();
        VisitorItem {
            email: self.email.clone().into_owned(),
            sessions: self.visits.len() as u64,
            open_sessions: states().filter(|state| !state.is_closed()).count() as u64,
            looking: visits().any(|visit| state::is_looking(visit, limits, now)),
            first_visit: Moment(first_visit),
            last_visit: Moment(self.last_visit),
            last_seen: Moment(last_seen),
            duration_seconds: self.duration_seconds,
            active_seconds: self.active_seconds,
            active_unknown: visits()
                .filter(|visit| visit.active_seconds().is_none())
                .count() as u64,
            median_active_seconds: median(&mut closed_active),
            pages,
            pages_left_out,
        }
    }

    /// The most read ones, and how many more there are.
    fn pages(&self) -> (Vec<VisitorPage>, u64) {
        let mut pages: HashMap<&str, VisitorPage> = HashMap::new();
        for (path, figures) in self.visits.iter().flat_map(|visit| visit.pages()) {
            let page = pages.entry(path).or_insert_with(|| VisitorPage {
                path: path.to_owned(),
                seconds: 0,
                scroll: 0,
                sessions: 0,
            });
            page.seconds = page.seconds.saturating_add(figures.seconds);
            page.scroll = page.scroll.max(figures.scroll);
            page.sessions += 1;
        }
        let mut pages: Vec<_> = pages.into_values().collect();
        pages.sort_by(|a, b| b.seconds.cmp(&a.seconds).then_with(|| a.path.cmp(&b.path)));
        let left_out = pages.len().saturating_sub(MOST_PAGES) as u64;
        pages.truncate(MOST_PAGES);
        (pages, left_out)
    }
}

/// The names of [`cells`], in their order.
pub const NAMES: [&str; 10] = [
    "email",
    "sessions",
    "openSessions",
    "firstVisit",
    "lastVisit",
    "lastSeen",
    "durationSeconds",
    "activeSeconds",
    "medianActiveSeconds",
    "pages",
];

/// What stands under each of [`NAMES`].
#[must_use]
pub fn cells(visitor: &VisitorItem) -> [Value; NAMES.len()] {
    let pages: Map<String, Value> = visitor
        .pages
        .iter()
        .map(|page| {
            let VisitorPage {
                path,
                seconds,
                scroll,
                sessions,
            } = page;
            let figures = json!({ "seconds": seconds, "scroll": scroll, "sessions": sessions });
            (path.clone(), figures)
        })
        .collect();
    [
        json!(visitor.email),
        json!(visitor.sessions),
        json!(visitor.open_sessions),
        json!(visitor.first_visit),
        json!(visitor.last_visit),
        json!(visitor.last_seen),
        json!(visitor.duration_seconds),
        json!(visitor.active_seconds),
        json!(visitor.median_active_seconds),
        Value::Object(pages),
    ]
}
