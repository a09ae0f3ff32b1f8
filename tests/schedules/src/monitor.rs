//! What must hold in every schedule, whatever happens in which order.
//!
//! Each rule has a name, which a failure is told by. What the store cannot give is said here, too:
//! NocoDB's PATCH knows no condition, so of two endings that were under way at once either may stand.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::Value;
use shared::queue::Entry;
use shared::session::EndReason;
use shared::store::columns::EVERYONE;
use shared::timestamp::Timestamp;

use crate::browser::Token;
use crate::scenario::Op;
use crate::table::{Cells, Request, Table};

/// For how long the gate trusts a token for a page, by `FRESH_SECONDS`' default.
const FRESH_SECONDS: u64 = 60;
/// An ending is noticed within this in batched mode: twice what lies between two questions.
const BATCHED_SECONDS: u64 = 2 * shared::queue::EVERY_SECONDS;
/// The longest that a store which failed is left alone.
const LONGEST_AWAY_SECONDS: u64 = 60;
/// How long a session may go on that nobody could confirm.
const UNCONFIRMED_SECONDS: u64 = 4 * 3_600;
/// A token past its end is none any more after that.
const GRACE_SECONDS: u64 = 86_400;

/// One visit, as it really is.
#[derive(Clone, Debug, Hash)]
pub struct Truth {
    /// Whose, by the browser's number.
    pub browser: usize,
    /// Its row.
    pub row: u64,
    /// When it began.
    pub start: Timestamp,
    /// Who it is.
    pub email: &'static str,
    /// The owner deleted it.
    pub is_deleted: bool,
    /// Somebody was told that it is over, at that time, and the row says so.
    pub confirmed: Option<Timestamp>,
    /// Somebody was told that it is over; the row says so, or will.
    pub is_promised: bool,
    /// Its log-out was begun when its client went away.
    pub is_begun: bool,
    /// That it is over waits with the log-out of this row.
    pub promised_by: Option<u64>,
    /// What a browser was told to be kept: last seen, active seconds.
    pub kept: Option<(Timestamp, u64)>,
    /// A write landed that nobody waited for any more: until its next heartbeat a row may say less.
    pub is_disturbed: bool,
    /// The process died that was about to put its end right.
    pub is_cut_off: bool,
}

/// What an actor is about.
#[derive(Clone, Debug, Hash)]
pub struct Running {
    op: Op,
    process: usize,
    token: Option<Token>,
    began: Timestamp,
    was_deleted: bool,
    ended_before: BTreeSet<u64>,
    confirmed_before: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    wrote_ending: BTreeSet<u64>,
    pushed: BTreeSet<u64>,
    pushed_everywhere: bool,
    failed: bool,
    asked: bool,
}

/// How an actor's request ended, as its sender sees it.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Verdict {
    /// The session goes on; by the gate alone where nobody was asked.
    Open {
        /// The gate let a page through by the token alone.
        by_token: bool,
    },
    /// It does not.
    Closed,
    /// Nobody can say now.
    Unavailable,
    /// Too many requests.
    Limited,
    /// The owner's, or a log-out's, was done.
    Done,
    /// It was not.
    Failed,
}

/// See the module.
#[derive(Clone, Debug, Default, Hash)]
pub struct Monitor {
    /// By browser.
    pub sessions: Vec<Truth>,
    running: BTreeMap<usize, Running>,
    /// Sessions that a process was told to be over.
    known: BTreeSet<(usize, u64)>,
    /// When a process was last left without an answer.
    failed_at: BTreeMap<usize, Timestamp>,
    /// A process was answered by the store at least once.
    answered_at: BTreeMap<usize, Timestamp>,
    /// Endings are asked for once for everybody.
    pub is_batched: bool,
    /// A write and the read before it are one, as on SQLite.
    pub is_atomic: bool,
    /// There is a queue that takes what the store does not.
    pub has_queue: bool,
    failure: Option<String>,
}

impl Monitor {
    /// A rule was broken.
    pub fn fail(&mut self, what: &str) {
        self.failure.get_or_insert_with(|| what.to_owned());
    }

    /// Which rule was broken first.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Forgets who asked for what, at the end of a prelude.
    pub fn settle(&mut self) {
        self.running.clear();
        self.known.clear();
        self.failed_at.clear();
        self.answered_at.clear();
    }

    /// An actor begins something.
    pub fn begin(
        &mut self,
        actor: usize,
        process: usize,
        op: Op,
        token: Option<Token>,
        table: &Table,
        now: Timestamp,
    ) {
        let rows = table.rows.iter();
        let ended = rows.filter(|(_, cells)| reason(cells).is_some());
        let confirmed = self.sessions.iter().filter(|one| one.confirmed.is_some());
        let mut gone = self.sessions.iter().filter(|one| one.is_deleted);
        let own = token.as_ref().map(|token| (token.row, token.start));
        let was_deleted = gone.any(|one| Some((one.row, one.start)) == own);
        self.running.insert(
            actor,
            Running {
                op,
                process,
                token,
                began: now,
                was_deleted,
                ended_before: ended.map(|(id, _)| *id).collect(),
                confirmed_before: confirmed.map(|one| one.row).collect(),
                answered: BTreeSet::new(),
                wrote_ending: BTreeSet::new(),
                pushed: BTreeSet::new(),
                pushed_everywhere: false,
                failed: false,
                asked: false,
            },
        );
    }

    /// An actor's process died, and what it knew with it.
    pub fn crashed(&mut self, actor: usize) {
        if let Some(running) = self.running.remove(&actor) {
            self.known
                .retain(|(process, _)| *process != running.process);
            self.failed_at.remove(&running.process);
            self.answered_at.remove(&running.process);
            if let Some(token) = &running.token
                && let Some(one) = self.sessions.iter_mut().find(|one| one.row == token.row)
            {
                one.is_cut_off = true;
            }
        }
    }

    /// A write landed after its caller had gone, or a second time.
    pub fn disturbed(&mut self, request: &Request) {
        if let Request::Patch(rows, _) = request {
            for (id, _) in rows {
                for one in self.sessions.iter_mut().filter(|one| one.row == *id) {
                    one.is_disturbed = true;
                }
            }
        }
    }

    /// A question was not answered.
    pub fn lost(&mut self, actor: usize, now: Timestamp) {
        if let Some(running) = self.running.get_mut(&actor) {
            running.failed = true;
            running.asked = true;
            self.failed_at.insert(running.process, now);
        }
    }

    /// The queue has taken an entry.
    pub fn pushed(&mut self, actor: usize, entry: &Entry) {
        if let Some(running) = self.running.get_mut(&actor) {
            let row = entry.key.record.as_str().parse().unwrap_or(0);
            if let Some(ending) = &entry.ending {
                running.pushed.insert(row);
                running.pushed_everywhere |= ending.everywhere.is_some();
            }
        }
    }

    /// A question was answered.
    pub fn served(&mut self, actor: usize, request: &Request, status: StatusCode, table: &Table) {
        let Some(running) = self.running.get_mut(&actor) else {
            return;
        };
        running.asked = true;
        self.answered_at.insert(running.process, running.began);
        for (id, cells) in &table.rows {
            if status.is_success() && request.names(*id) {
                running.answered.insert(*id);
                if reason(cells).is_some() {
                    self.known.insert((running.process, *id));
                }
            }
        }
    }

    /// A request was done, whether its answer arrives or not.
    pub fn wrote(&mut self, actor: usize, request: &Request, status: StatusCode) {
        if let Some(running) = self.running.get_mut(&actor)
            && let Request::Patch(rows, _) = request
            && status.is_success()
        {
            let ends = rows
                .iter()
                .filter(|(_, cells)| cells.contains_key("endReason"));
            running.wrote_ending.extend(ends.map(|(id, _)| *id));
        }
    }

    /// SQLite told an actor of a row.
    pub fn answered(&mut self, actor: usize, row: u64, is_over: bool) {
        if let Some(running) = self.running.get_mut(&actor) {
            running.asked = true;
            running.answered.insert(row);
            self.answered_at.insert(running.process, running.began);
            if is_over {
                self.known.insert((running.process, row));
            }
        }
    }

    /// A client went away after it was begun what it asked for, which is finished all the same.
    pub fn left(&mut self, actor: usize) {
        if let Some(running) = self.running.remove(&actor)
            && let Some(token) = &running.token
            && matches!(running.op, Op::LogOut(_) | Op::LogOutEverywhere(_))
            && let Some(one) = self.own(token)
        {
            one.is_begun = true;
        }
    }

    /// Rows were changed, by an actor or by a write that nobody waits for any more.
    pub fn changed(&mut self, before: &Table, after: &Table, actor: Option<usize>, now: Timestamp) {
        if self.is_atomic {
            // Nobody writes endings but with a session's own figures.
            let ended = after.rows.iter().filter(|(id, cells)| {
                let old = before.rows.get(id);
                reason(cells).is_some() && old.is_some_and(|old| reason(old).is_none())
            });
            let ended: Vec<u64> = ended.map(|(id, _)| *id).collect();
            if let Some(running) = actor.and_then(|actor| self.running.get_mut(&actor)) {
                running.wrote_ending.extend(ended);
            }
        }
        for (id, old) in &before.rows {
            let Some(new) = after.rows.get(id) else {
                for one in self.sessions.iter_mut().filter(|one| one.row == *id) {
                    one.is_deleted = true;
                }
                continue;
            };
            if old != new {
                self.row_changed(*id, old, new, actor, now);
            }
        }
    }

    fn row_changed(
        &mut self,
        id: u64,
        old: &Cells,
        new: &Cells,
        actor: Option<usize>,
        now: Timestamp,
    ) {
        let running = actor.and_then(|actor| self.running.get(&actor)).cloned();
        let by_owner = running
            .as_ref()
            .is_some_and(|running| running.op.is_owners_hand());
        let (was, is) = (ending(old), ending(new));
        if was.0.is_some() && was != is && !by_owner {
            // What lands late was under way before, too: no condition can keep it out.
            let ended_before = running
                .as_ref()
                .is_some_and(|running| running.ended_before.contains(&id));
            let rank = |cell: &Option<String>| cell.as_deref().and_then(EndReason::from_cell);
            // Of two in one second always the same one is the first; see `Ending::precedes`.
            let is_earlier = matches!(
                (was.1, is.1),
                (Some(then), Some(now)) if (now, rank(&is.0)) < (then, rank(&was.0))
            );
            if (self.is_atomic || ended_before) && !is_earlier {
                self.fail("the first end reason stays");
            }
        }
        let since_start = moment(new, "sessionStartTime").map(|start| now.since(start));
        let active = new["activeSeconds"].as_u64();
        if !by_owner
            && let (Some(active), Some(elapsed)) = (active, since_start)
            && old["activeSeconds"] != new["activeSeconds"]
            && active > elapsed
        {
            self.fail("nothing counts twice: active time is never above the truth");
        }
        if !by_owner && old["pages"] != new["pages"] {
            let most = active.or(since_start).unwrap_or(u64::MAX);
            if page_seconds(&new["pages"]) > most {
                self.fail("nothing counts twice: the pages' times are never above the active time");
            }
        }
        let Some(running) = running else { return };
        let Some(token) = &running.token else { return };
        let is_own = self
            .sessions
            .iter()
            .any(|one| one.row == id && one.start == token.start && !one.is_deleted);
        let ends = was != is;
        if token.row == id && !is_own && (self.is_atomic || (running.was_deleted && ends)) {
            self.fail("a stranger's row is never written");
        }
        if running.began >= token.idle_deadline && running.op.is_browsers() {
            if token.row != id {
                self.fail("a token past its deadline commands nothing");
            } else if moment(new, "sessionEndTime") > Some(token.idle_deadline)
                && old["sessionEndTime"] != new["sessionEndTime"]
            {
                self.fail("a token past its deadline writes nothing that came after it");
            }
            if running.began >= token.end_deadline.plus(GRACE_SECONDS) {
                self.fail("a token past its grace is none");
            }
        }
    }

    /// An actor's request was answered, with a new token where one was set.
    pub fn finish(
        &mut self,
        actor: usize,
        verdict: &Verdict,
        renewed: Option<&Token>,
        snapshot: Option<(Timestamp, u64)>,
        table: &Table,
        now: Timestamp,
    ) {
        let Some(running) = self.running.remove(&actor) else {
            return;
        };
        if let (Some(old), Some(new)) = (&running.token, renewed) {
            self.check_token(&running, old, new, verdict, now);
        }
        match verdict {
            Verdict::Open { by_token } => self.check_open(&running, *by_token),
            Verdict::Closed => self.told_over(&running, table, now),
            Verdict::Done => self.was_done(&running, table, now),
            Verdict::Limited if renewed.is_some() => self.fail("our own 429 extends nothing"),
            _ => {}
        }
        let Some(token) = &running.token else { return };
        if let (Verdict::Open { by_token: false }, Some((seen, active))) = (verdict, snapshot)
            && let Some(one) = self.own(token)
        {
            let known = one.kept.unwrap_or((seen, active));
            one.kept = Some((known.0.max(seen), known.1.max(active)));
            one.is_disturbed = false;
        }
    }

    fn own(&mut self, token: &Token) -> Option<&mut Truth> {
        self.sessions
            .iter_mut()
            .find(|one| one.row == token.row && one.start == token.start)
    }

    fn check_token(
        &mut self,
        running: &Running,
        old: &Token,
        new: &Token,
        verdict: &Verdict,
        now: Timestamp,
    ) {
        if *verdict == Verdict::Limited {
            self.fail("our own 429 extends nothing");
        }
        if new.issued_at > old.issued_at {
            let is_told = running.answered.contains(&new.row)
                || (self.is_batched && self.answered_at.contains_key(&running.process))
                || (self.is_batched && !running.failed);
            if !is_told {
                self.fail("iat moves only when the store confirmed");
            }
        }
        if new.idle_deadline > new.end_deadline {
            self.fail("no deadline lies past the session's lifetime");
        }
        let most = new.issued_at.plus(UNCONFIRMED_SECONDS);
        if new.idle_deadline > old.idle_deadline && new.idle_deadline > most {
            self.fail("an outage extends at most to four hours after the store last confirmed");
        }
        if old.idle_deadline <= running.began {
            self.fail("a token past its deadline is not renewed");
        }
        let _ = now;
    }

    /// Somebody was told that the session goes on.
    fn check_open(&mut self, running: &Running, by_token: bool) {
        let Some(token) = &running.token else { return };
        if by_token {
            let trusted = token.issued_at.max(token.asked.unwrap_or(token.issued_at));
            if running.began >= trusted.plus(FRESH_SECONDS) {
                self.fail("a page is let through only while the token is fresh");
            }
            if running.began >= token.idle_deadline {
                self.fail("a token past its deadline opens nothing");
            }
            return;
        }
        if running.began >= token.idle_deadline {
            self.fail("a token past its deadline opens nothing");
        }
        let Some(one) = self
            .sessions
            .iter()
            .find(|one| one.row == token.row && one.start == token.start)
        else {
            return;
        };
        let is_over = running.confirmed_before.contains(&one.row) || one.is_deleted;
        if !is_over {
            return;
        }
        let knows = self.known.contains(&(running.process, one.row));
        let was_left_alone = self
            .failed_at
            .get(&running.process)
            .is_some_and(|at| running.began.since(*at) <= LONGEST_AWAY_SECONDS);
        let since = one.confirmed.map_or(0, |at| running.began.since(at));
        let is_within_bound = self.is_batched && since <= BATCHED_SECONDS;
        if knows && running.confirmed_before.contains(&one.row) && !one.is_deleted {
            self.fail("what a process knows to be ended stays ended");
        } else if running.confirmed_before.contains(&one.row)
            && !running.failed
            && !was_left_alone
            && !is_within_bound
        {
            self.fail("no open after a confirmed ending");
        }
    }

    /// A browser was told that its session is over.
    fn told_over(&mut self, running: &Running, table: &Table, now: Timestamp) {
        let Some(token) = &running.token else { return };
        let process = running.process;
        let is_in_row = is_over(table, token.row);
        if let Some(one) = self.own(token)
            && !one.is_deleted
            && is_in_row
        {
            one.confirmed = one.confirmed.or(Some(now));
            one.is_promised = true;
            let row = one.row;
            self.known.insert((process, row));
        }
    }

    /// A log-out, or the owner's ending, was done.
    fn was_done(&mut self, running: &Running, table: &Table, now: Timestamp) {
        let row_of = |token: &Token| token.row;
        let own = running.token.as_ref().map(row_of);
        let own_is_deleted = self
            .sessions
            .iter()
            .any(|one| Some(one.row) == own && one.is_deleted);
        for one in &mut self.sessions {
            let is_in_row = is_over(table, one.row);
            let is_own = own == Some(one.row);
            // Whoever holds a copy of a cookie that was logged out ends nobody else.
            let commands = own.is_none_or(|own| {
                running.wrote_ending.contains(&own) || running.pushed.contains(&own)
            }) && !own_is_deleted;
            let is_meant = running.op.ends(one, is_own) && (is_own || commands);
            let was_written = running.wrote_ending.contains(&one.row) && is_in_row;
            let was_pushed = running.pushed.contains(&one.row)
                || (running.pushed_everywhere && is_meant && !is_own);
            if !is_meant || one.is_deleted {
                continue;
            }
            if is_in_row {
                one.confirmed = one.confirmed.or(Some(now));
                one.is_promised = true;
                self.known.insert((running.process, one.row));
            }
            if was_pushed && !is_own {
                one.promised_by = own;
            } else if was_written || was_pushed {
                one.is_promised = true;
            } else if !is_in_row && !running.failed && one.start <= running.began {
                let is_late = running
                    .token
                    .as_ref()
                    .is_some_and(|token| running.began >= token.idle_deadline);
                let is_none = running
                    .token
                    .as_ref()
                    .is_some_and(|token| running.began >= token.end_deadline.plus(GRACE_SECONDS));
                if (!is_late || is_own) && !is_none {
                    self.failure.get_or_insert_with(|| {
                        "what was confirmed is in the row: an ending".to_owned()
                    });
                }
            }
        }
    }

    /// After everything that was on its way has arrived, and the queue is empty. `is_repaired` says that
    /// every browser that is still there has sent another heartbeat.
    pub fn check_rows(&mut self, table: &Table, is_repaired: bool) {
        for one in self.sessions.clone() {
            let Some(cells) = table.rows.get(&one.row) else {
                continue;
            };
            if one.is_deleted || moment(cells, "sessionStartTime") != Some(one.start) {
                continue;
            }
            let (reason, ended_at) = ending(cells);
            let seen = moment(cells, "sessionEndTime");
            let is_excused = (one.is_cut_off || one.is_disturbed) && !self.is_atomic;
            if reason.is_some()
                && let (Some(ended_at), Some(seen)) = (ended_at, seen)
                && seen > ended_at
                && !is_excused
            {
                self.fail("last seen is never after the end");
            }
            // An owner's word has no moment: nobody can tell whether the log-out came before it.
            let asker = one.promised_by.and_then(|row| table.rows.get(&row));
            let is_promised = one.is_promised || asker.is_some_and(|row| ending(row).1.is_some());
            if one.is_begun && !is_over(table, one.row) {
                self.fail("what has begun is finished");
            }
            if is_promised && !is_over(table, one.row) {
                self.fail("what was confirmed is in the row: an ending");
            }
            if let Some((kept_seen, kept_active)) = one.kept
                && (is_repaired || !one.is_disturbed)
            {
                let ends = reason.as_ref().and(ended_at).unwrap_or(kept_seen);
                let most = ends.since(one.start);
                let typed = reason.is_some() && ended_at.is_none();
                let active = cells["activeSeconds"].as_u64().unwrap_or(0);
                if seen < Some(kept_seen.min(ends)) && !typed {
                    self.fail("what was confirmed is in the row: last seen");
                }
                if active < kept_active.min(most) {
                    self.fail("what was confirmed is in the row: active time");
                }
                if page_seconds(&cells["pages"]) < kept_active.min(most) {
                    self.fail("what was confirmed is in the row: the pages' times");
                }
            }
        }
    }
}

/// Whether a row is over: it says so, or everything was ended after it began.
fn is_over(table: &Table, id: u64) -> bool {
    let Some(cells) = table.rows.get(&id) else {
        return false;
    };
    let start = moment(cells, "sessionStartTime");
    let mut rows = table.rows.values();
    let everything = |row: &Cells| row["emailOfAccessor"] == EVERYONE;
    reason(cells).is_some()
        || rows.any(|row| everything(row) && moment(row, "sessionStartTime") >= start)
}

/// The end reason in a row.
fn reason(cells: &Cells) -> Option<String> {
    let text = cells.get("endReason")?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn moment(cells: &Cells, column: &str) -> Option<Timestamp> {
    cells.get(column)?.as_str()?.parse().ok()
}

fn ending(cells: &Cells) -> (Option<String>, Option<Timestamp>) {
    (reason(cells), moment(cells, "endedAt"))
}

fn page_seconds(cell: &Value) -> u64 {
    // As the column's type has it: the object, or its text.
    let read: Option<Value> = cell
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    let pages = read.as_ref().unwrap_or(cell).as_object();
    let seconds = |page: &Value| page["seconds"].as_u64();
    pages
        .into_iter()
        .flatten()
        .filter_map(|(_, page)| seconds(page))
        .sum()
}
