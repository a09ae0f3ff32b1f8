//! `lastseen keys rotate`: replaces the key that signs, without logging anybody out.
//!
//! Every place that verifies has to know a key before any place signs with it, and has to know the
//! old one until the last token it signed is over. Hence three steps, with the new keys put
//! everywhere after each.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use shared::session::Limits;
use shared::settings::{Settings, Variables};
use shared::timestamp::Timestamp;

use super::current::{self, Current, Source};
use super::new_key;
use crate::CommandResult;

/// The cookie outlives the token by this much, so that an ended session can still be told why; and
/// nobody has to put the keys everywhere in the same second.
const MARGIN_SECONDS: u64 = 86_400;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Step {
    /// Add a new key behind the one that signs: it verifies
    Publish,
    /// Swap the two: the new one signs, the old one still verifies
    Sign,
    /// Take away all keys but the one that signs
    Retire,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// What to do; left out, the file of `serve` is taken through the first two at once, as one
    /// process both signs and verifies
    #[arg(long)]
    step: Option<Step>,
    /// For `retire`: since when the first key has been the one that signs, everywhere
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
}

pub(super) fn run(variables: &Variables, arguments: &Arguments) -> CommandResult {
    let Current { text, file } = arguments.source.read(variables)?;
    let limits = limits(variables, &text)?;
    let now = Timestamp::now();
    let keys: Vec<String> = text.split(',').map(|key| key.trim().to_owned()).collect();
    let rotated = match (arguments.step, &file) {
        (None, None) => Err(Refusal::WhichStep),
        (None, Some(_)) => publish(&keys, new_key()?).and_then(|both| sign(&both)),
        (Some(Step::Publish), _) => publish(&keys, new_key()?),
        (Some(Step::Sign), _) => sign(&keys),
        (Some(Step::Retire), _) => {
            let since = match (arguments.since, &file) {
                // It was last written when its first key began to sign.
                (None, Some(path)) => Some(last_written(path)?),
                (since, _) => since,
            };
            retire(&keys, since, &limits, now)
        }
    };
    let rotated = rotated?.join(",");
    match &file {
        Some(path) => {
            current::replace(path, &rotated)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            eprintln!(
                "{}: rewritten. Restart `lastseen serve` now.",
                path.display()
            );
        }
        None => arguments.source.print(&rotated)?,
    }
    eprintln!(
        "{}",
        what_is_next(arguments.step, file.is_some(), &limits, now)
    );
    Ok(ExitCode::SUCCESS)
}

fn last_written(path: &Path) -> io::Result<Timestamp> {
    let written = fs::metadata(path)?.modified()?;
    let since_1970 = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_unix(0).plus(since_1970.as_secs()))
}

/// How long sessions live, which the other settings have to be good for as well.
fn limits(variables: &Variables, keys: &str) -> Result<Limits, Box<dyn std::error::Error>> {
    let mut variables = variables.clone();
    variables.set("SESSION_KEYS", keys);
    Ok(Settings::read(&variables)?.limits)
}

/// A rotation that would log somebody out, or cannot be told from one that would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error(
        "say which, as --step publish, sign or retire: keys that are not in the file of `serve` are used in several places, which learn of a step one after the other"
    )]
    WhichStep,
    #[error(
        "publish: there are {0} keys, so a rotation is under way: finish it with --step sign and --step retire"
    )]
    UnderWay(usize),
    #[error(
        "sign: two keys are needed, the old one first, and there is one: begin with --step publish"
    )]
    NothingPublished,
    #[error(
        "sign: two keys are needed, and there are {0}: which of them is to sign? Put them in order by hand"
    )]
    WhichOne(usize),
    #[error("retire: there is one key, which every session is signed with")]
    LastKey,
    #[error(
        "retire: say since when the first key has been signing, as --since 2026-01-02T03:04:05Z; sessions may still be signed with the other"
    )]
    SinceWhen,
    #[error(
        "retire: the first key has been signing since {since}, and sessions that the other one signed live until {until}: retire it then"
    )]
    TooEarly { since: Timestamp, until: Timestamp },
}

fn publish(keys: &[String], new: String) -> Result<Vec<String>, Refusal> {
    match keys {
        [only] => Ok(vec![only.clone(), new]),
        several => Err(Refusal::UnderWay(several.len())),
    }
}

fn sign(keys: &[String]) -> Result<Vec<String>, Refusal> {
    match keys {
        [old, new] => Ok(vec![new.clone(), old.clone()]),
        [_] => Err(Refusal::NothingPublished),
        several => Err(Refusal::WhichOne(several.len())),
    }
}

fn retire(
    keys: &[String],
    since: Option<Timestamp>,
    limits: &Limits,
    now: Timestamp,
) -> Result<Vec<String>, Refusal> {
    let [signing, _, ..] = keys else {
        return Err(Refusal::LastKey);
    };
    let since = since.ok_or(Refusal::SinceWhen)?;
    let until = retirement(since, limits);
    if now < until {
        return Err(Refusal::TooEarly { since, until });
    }
    Ok(vec![signing.clone()])
}

/// When nothing that the old key signed is alive any more.
fn retirement(since: Timestamp, limits: &Limits) -> Timestamp {
    since.plus(limits.lifetime).plus(MARGIN_SECONDS)
}

fn what_is_next(step: Option<Step>, is_file: bool, limits: &Limits, now: Timestamp) -> String {
    let when = retirement(now, limits);
    match (step, is_file) {
        (Some(Step::Publish), true) => "Then: lastseen keys rotate --step sign".to_owned(),
        (Some(Step::Publish), false) => {
            "Put these keys everywhere that verifies. When they are everywhere: --step sign"
                .to_owned()
        }
        (None, _) | (Some(Step::Sign), true) => {
            format!("After {when}: lastseen keys rotate --step retire")
        }
        (Some(Step::Sign), false) => format!(
            "Put these keys everywhere. If that is done within minutes, then after {when}: \
             --step retire --since {now}"
        ),
        (Some(Step::Retire), true) => "The old key is gone.".to_owned(),
        (Some(Step::Retire), false) => {
            "Put these keys everywhere, and the old key is gone.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
