//! Which visits a question is about.

use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{State, Visit};
use crate::email::Email;
use crate::session::{EndReason, Limits};
use crate::timestamp::Timestamp;

/// A range no visit fills, and as many months as a chart can show.
const MAX_YEARS: u64 = 100;
const YEAR_SECONDS: u64 = 366 * 86_400;
/// Names of zones are shorter; what is longer is not worth repeating in an error either.
const MAX_NAME_LENGTH: usize = 64;

/// A parameter that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct BadParameter {
    /// Its name, as the API spells it.
    pub name: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

impl BadParameter {
    /// A parameter and what is wrong with it. A name that nobody would send by mistake is cut.
    #[must_use]
    pub fn new(name: &str, problem: impl Into<String>) -> Self {
        Self {
            name: name.chars().take(MAX_NAME_LENGTH).collect(),
            problem: problem.into(),
        }
    }
}

/// Which visits: everything that is set must hold. [`Filter::default`] is all there are.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose.
    pub who: Option<Who>,
    /// Those that began at this moment or later.
    pub from: Option<Timestamp>,
    /// Those that began before this moment.
    pub to: Option<Timestamp>,
    /// Only open ones, or only those that are over.
    pub state: Option<Wanted>,
    /// Only those that ended so.
    pub reason: Option<Ending>,
    /// The zone whose days are meant; UTC unless it is given.
    pub zone: TimeZone,
}

/// Whose visits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Of one address.
    Visitor(Email),
    /// Of everybody whose address ends in this domain, in the form DNS knows, and none below it.
    Domain(String),
}

/// Which states; see [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `open`.
    Open,
    /// `ended`: with a reason or without.
    Closed,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this reason.
    Reason(EndReason),
    /// `none`: the visitor just vanished.
    Vanished,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            who: None,
            from: None,
            to: None,
            state: None,
            reason: None,
            zone: TimeZone::UTC,
        }
    }
}

impl Filter {
    /// Reads names and values: `email`, `domain`, `from`, `to`, `state`, `reason`, `tz`. `from` and
    /// `to` are moments in RFC 3339, or dates, whose days are those of `tz`: the first and the last
    /// one that is meant.
    ///
    /// # Errors
    /// [`BadParameter`] for the first name that is unknown, repeated or has a value that cannot be
    /// read, and where two contradict each other.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<Self, BadParameter> {
        let given = Given::read(pairs)?;
        let zone = given.zone.map_or(Ok(TimeZone::UTC), zone)?;
        let filter = Self {
            who: who(given.email, given.domain)?,
            from: given
                .from
                .map(|text| moment("from", text, &zone, Edge::Start))
                .transpose()?,
            to: given
                .to
                .map(|text| moment("to", text, &zone, Edge::End))
                .transpose()?,
            state: given.state.map(state).transpose()?,
            reason: given.reason.map(reason).transpose()?,
            zone,
        };
        // The day before `from` ends where `from` begins.
        let is_day_before = given.to.is_some_and(is_date) && filter.to == filter.from;
        if is_day_before && filter.from.is_some() {
            return Err(after_to());
        }
        filter.check(now)?;
        Ok(filter)
    }

    fn check(&self, now: Timestamp) -> Result<(), BadParameter> {
        if let Some(from) = self.from {
            if self.to.is_some_and(|to| to < from) {
                return Err(after_to());
            }
            if self.to.unwrap_or(now).since(from) > MAX_YEARS * YEAR_SECONDS {
                let problem =
                    format!("must be at most {MAX_YEARS} years before `to` (or before now)");
                return Err(BadParameter::new("from", problem));
            }
        }
        if self.reason.is_some() && self.state == Some(Wanted::Open) {
            return Err(BadParameter::new(
                "reason",
                "an open session has none; leave `state` out or make it `ended`",
            ));
        }
        Ok(())
    }

    /// Whether a visit is meant, as it stands at `now`.
    #[must_use]
    pub fn matches(&self, visit: &impl Visit, now: Timestamp, limits: &Limits) -> bool {
        let start = visit.start();
        if self.from.is_some_and(|from| start < from) || self.to.is_some_and(|to| start >= to) {
            return false;
        }
        let is_theirs = match &self.who {
            None => true,
            Some(Who::Visitor(email)) => visit.visitor() == email.as_str(),
            Some(Who::Domain(domain)) => {
                let visitor = visit.visitor();
                visitor.rsplit_once('@').is_some_and(|(_, of)| of == domain)
            }
        };
        if !is_theirs {
            return false;
        }
        if self.state.is_none() && self.reason.is_none() {
            return true;
        }
        let state = State::of(visit, limits, now);
        let has_state = match self.state {
            None => true,
            Some(Wanted::Open) => state == State::Open,
            Some(Wanted::Closed) => state.is_closed(),
        };
        let has_reason = match self.reason {
            None => true,
            Some(Ending::Reason(reason)) => visit.end_reason() == Some(reason),
            Some(Ending::Vanished) => state == State::Vanished,
        };
        has_state && has_reason
    }

    /// The question in one spelling, whichever way it was asked: what a cursor is bound to.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        let who = match &self.who {
            None => String::new(),
            Some(Who::Visitor(email)) => email.as_str().to_owned(),
            Some(Who::Domain(domain)) => format!("@{domain}"),
        };
        let moment = |moment: Option<Timestamp>| moment.map(Timestamp::as_unix);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{who}\n{:?}\n{:?}\n{:?}\n{:?}\n{}",
            moment(self.from),
            moment(self.to),
            self.state,
            self.reason,
            self.zone_name(),
        );
        text
    }

    /// The day it is at `now` in the zone: `2026-11-01`.
    #[must_use]
    pub fn date(&self, now: Timestamp) -> String {
        let here = now.to_jiff().to_zoned(self.zone.clone());
        here.date().to_string()
    }

    /// The zone's IANA name.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// What was given, each at most once.
#[derive(Default)]
struct Given<'a> {
    email: Option<&'a str>,
    domain: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    state: Option<&'a str>,
    reason: Option<&'a str>,
    zone: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn read(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BadParameter> {
        let mut given = Self::default();
        for (name, value) in pairs {
            let place = match name {
                "email" => &mut given.email,
                "domain" => &mut given.domain,
                "from" => &mut given.from,
                "to" => &mut given.to,
                "state" => &mut given.state,
                "reason" => &mut given.reason,
                "tz" => &mut given.zone,
                _ => return Err(BadParameter::new(name, "there is no such parameter here")),
            };
            if place.replace(value).is_some() {
                return Err(BadParameter::new(name, "is given more than once"));
            }
        }
        Ok(given)
    }
}

fn after_to() -> BadParameter {
    BadParameter::new("from", "must not be after `to`")
}

fn who(email: Option<&str>, domain: Option<&str>) -> Result<Option<Who>, BadParameter> {
    match (email, domain) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(BadParameter::new(
            "domain",
            "cannot be combined with `email`; give one of them",
        )),
        (Some(email), None) => Email::parse(email)
            .map(|email| Some(Who::Visitor(email)))
            .map_err(|_| BadParameter::new("email", "must be one address, like name@example.com")),
        (None, Some(domain)) => Email::parse(&format!("x@{}", domain.trim_start_matches('@')))
            .map(|email| Some(Who::Domain(email.domain().to_owned())))
            .map_err(|_| BadParameter::new("domain", "must be a domain, like example.com")),
    }
}

fn state(text: &str) -> Result<Wanted, BadParameter> {
    match text {
        "open" => Ok(Wanted::Open),
        "ended" => Ok(Wanted::Closed),
        _ => Err(BadParameter::new("state", "must be `open` or `ended`")),
    }
}

fn reason(text: &str) -> Result<Ending, BadParameter> {
    match text {
        "logout" => Ok(Ending::Reason(EndReason::Logout)),
        "idle" => Ok(Ending::Reason(EndReason::Idle)),
        "expired" => Ok(Ending::Reason(EndReason::Expired)),
        "revoked" => Ok(Ending::Reason(EndReason::Revoked)),
        "none" => Ok(Ending::Vanished),
        _ => Err(BadParameter::new(
            "reason",
            "must be `logout`, `idle`, `expired`, `revoked` or `none`",
        )),
    }
}

/// Only names of places: other spellings of zones mean different things to different programs.
fn zone(name: &str) -> Result<TimeZone, BadParameter> {
    let zone = (name.len() <= MAX_NAME_LENGTH)
        .then(|| TimeZone::get(name).ok())
        .flatten();
    zone.filter(|zone| zone.iana_name().is_some())
        .ok_or_else(|| {
            BadParameter::new(
                "tz",
                "must be the IANA name of a time zone, like Europe/Berlin",
            )
        })
}

/// Which end of its day a date stands for.
#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

fn moment(
    name: &'static str,
    text: &str,
    zone: &TimeZone,
    edge: Edge,
) -> Result<Timestamp, BadParameter> {
    let moment = if is_date(text) {
        let date = text.parse().ok();
        date.and_then(|date| edge_of(date, zone, edge))
    } else {
        // What has no offset is no moment.
        text.parse().ok()
    };
    moment.ok_or_else(|| {
        BadParameter::new(
            name,
            "must be a date, like 2026-11-01, or a date and time with its offset, like 2026-11-01T00:00:00Z (a + must be sent as %2B)",
        )
    })
}

/// `2026-11-01` and no other spelling.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The day begins when the zone's clocks first show it: at 1:00 where midnight is skipped.
fn edge_of(date: Date, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let start = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
    let moment = match edge {
        Edge::Start => start(date)?,
        // After the last days there are comes no other.
        Edge::End => (date.tomorrow().ok())
            .and_then(start)
            .unwrap_or(jiff::Timestamp::MAX),
    };
    Some(Timestamp::from_unix(moment.as_second()))
}

#[cfg(test)]
mod tests;
