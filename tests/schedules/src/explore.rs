//! Goes through every schedule of a scenario, depth first.
//!
//! A schedule is a sequence of choices: who begins, whose question is done, what goes wrong. Futures
//! cannot be copied, so each run begins anew and repeats the choices so far. Two schedules that have led
//! to the same state go on in the same way: the second is counted and not gone through again. A state
//! is the world, what was promised, and for each process all that it was ever told, in order: what a
//! process holds in its memory follows from that.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shared::nocodb::Unreachable;

use crate::actors::{Browsers, Process, START, Site};
use crate::browser::Browser;
use crate::scenario::{Fault, Mode, Op, Scenario};
use crate::world::{Ask, Line, Reply, World};

/// An actor that is none of the scenario's.
const CLOSING: usize = 90;
/// Longer than anything waits in the queue, and shorter than the idle timeout.
const CLOSING_SECONDS: u64 = 901;
/// Nobody waits for so many seconds of the simulated time for what comes at all,
const MOST_SECONDS: usize = 200;
/// nor for so many moments of SQLite's, 10 s together at the least.
const MOST_MOMENTS: usize = 500_000;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// An actor begins its next step.
    Begin(usize),
    /// A question is done and answered.
    Serve(usize),
    /// Something goes wrong with it.
    Fail(usize, Fault),
    /// A write lands that nobody waits for.
    Land(usize),
    /// A client goes away while what it asked for waits for SQLite.
    Leave(usize),
}

/// What was gone through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Schedules.
    pub schedules: u128,
    /// Those that were run to their end or to a state that was known.
    pub runs: u64,
    /// States.
    pub states: u64,
    /// The longest schedule, in choices.
    pub depth: usize,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.schedules = self.schedules.saturating_add(other.schedules);
        self.runs += other.runs;
        self.states += other.states;
        self.depth = self.depth.max(other.depth);
    }
}

/// A rule that was broken, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which one.
    pub rule: String,
    /// The choices, by number, to be repeated.
    pub picks: Vec<usize>,
    /// The same in words.
    pub story: Vec<String>,
}

/// Goes through scenarios.
pub struct Explorer {
    site: Site,
    runtime: tokio::runtime::Runtime,
    begins: HashMap<Mode, (World, Vec<Browser>)>,
}

struct Frame {
    state: u64,
    choices: usize,
    at: usize,
    schedules: u128,
}

struct Run<'a> {
    explorer: &'a Explorer,
    scenario: &'a Scenario,
    line: Line,
    browsers: Browsers,
    processes: Vec<Process>,
    tasks: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    done: Vec<usize>,
    faults: u8,
    picks: Vec<usize>,
    story: Vec<String>,
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explorer {
    /// Ready to go.
    ///
    /// # Panics
    /// Where there is no runtime to be had.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only tests use it")]
    pub fn new() -> Self {
        let mut explorer = Self {
            site: Site::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime"),
            begins: HashMap::new(),
        };
        for mode in Mode::ALL {
            let begin = explorer.begin(mode);
            if mode == Mode::Sqlite {
                explorer.site.file.remember();
            }
            explorer.begins.insert(mode, begin);
        }
        explorer
    }

    /// Two browsers of one visitor have come in, and one has sent a heartbeat.
    fn begin(&self, mode: Mode) -> (World, Vec<Browser>) {
        let mut world = World::new(START);
        (world.is_open, world.actor) = (true, CLOSING);
        world.monitor.is_batched = mode.is_batched();
        world.monitor.has_queue = mode != Mode::Direct;
        world.monitor.is_atomic = mode == Mode::Sqlite;
        let line = Line(Arc::new(Mutex::new(world)));
        let browsers = Browsers::default();
        let process = self.site.process(mode, &line);
        let at = |seconds: u64| line.world().clock = START.plus(seconds);
        self.finish(&line, process.enter(&browsers, 0));
        at(3);
        self.finish(&line, process.enter(&browsers, 1));
        at(20);
        self.finish(
            &line,
            process.step(Op::Beat(0), CLOSING, CLOSING, Arc::clone(&browsers)),
        );
        at(40);
        line.world().monitor.settle();
        let world = line.world().copy();
        let browsers = browsers.lock().unwrap_or_else(PoisonError::into_inner);
        let stranger = Browser {
            start: START,
            cookie: None,
        };
        let copycat = browsers[0].clone();
        (world, [browsers.clone(), vec![stranger, copycat]].concat())
    }

    /// Drives what waits for nothing but time.
    fn finish<T>(&self, line: &Line, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        for _ in 0..most_waits(line) {
            if let Poll::Ready(value) = self.poll(future.as_mut()) {
                return value;
            }
            self.wait(line);
        }
        panic!("it waits for something that does not come");
    }

    fn poll<T>(&self, future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
        let _inside = self.runtime.enter();
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Lets a second of the simulated time pass, for whoever sleeps; or SQLite's threads work.
    fn wait(&self, world: &Line) {
        if !world.world().busy.is_empty() {
            std::thread::sleep(Duration::from_micros(20));
            return;
        }
        self.runtime
            .block_on(tokio::time::advance(Duration::from_secs(1)));
    }

    /// SQLite's file is what it was at the begin, once what is under way in it is done.
    fn clear(&self) {
        self.site.file.run_if_held("ROLLBACK");
        let nothing: Vec<shared::session::RecordId> = Vec::new();
        let mut future = Box::pin(shared::store::Store::delete(
            &self.site.file.store,
            &nothing,
        ));
        while self.poll(future.as_mut()).is_pending() {
            std::thread::sleep(Duration::from_micros(20));
        }
        self.site.file.reset();
    }

    /// Goes through all schedules of a scenario.
    ///
    /// # Errors
    /// The first [`Failure`].
    pub fn explore(&self, scenario: &Scenario) -> Result<Count, Box<Failure>> {
        let mut known: HashMap<u64, u128> = HashMap::new();
        let mut frames: Vec<Frame> = Vec::new();
        let mut count = Count::default();
        loop {
            let mut run = Run::new(self, scenario);
            for frame in &frames {
                run.go(frame.at)?;
            }
            count.runs += 1;
            let schedules = loop {
                let state = run.state();
                if let Some(schedules) = known.get(&state) {
                    break *schedules;
                }
                let choices = run.choices().len();
                if choices == 0 {
                    run.close()?;
                    known.insert(state, 1);
                    break 1;
                }
                frames.push(Frame {
                    state,
                    choices,
                    at: 0,
                    schedules: 0,
                });
                count.depth = count.depth.max(frames.len());
                run.go(0)?;
            };
            let mut schedules = schedules;
            loop {
                let Some(top) = frames.last_mut() else {
                    count.schedules = schedules;
                    count.states = known.len() as u64;
                    return Ok(count);
                };
                top.schedules = top.schedules.saturating_add(schedules);
                top.at += 1;
                if top.at < top.choices {
                    break;
                }
                schedules = top.schedules;
                known.insert(top.state, schedules);
                frames.pop();
            }
        }
    }

    /// Repeats one schedule.
    ///
    /// # Errors
    /// The [`Failure`], where it still is one; else what happened.
    pub fn replay(
        &self,
        scenario: &Scenario,
        picks: &[usize],
    ) -> Result<Vec<String>, Box<Failure>> {
        let mut run = Run::new(self, scenario);
        for pick in picks {
            run.go(*pick)?;
        }
        while !run.choices().is_empty() {
            run.go(0)?;
        }
        run.close()?;
        Ok(run.story)
    }
}

impl<'a> Run<'a> {
    fn new(explorer: &'a Explorer, scenario: &'a Scenario) -> Self {
        let (world, browsers) = &explorer.begins[&scenario.mode];
        if scenario.mode == Mode::Sqlite {
            explorer.clear();
        }
        let mut world = world.copy();
        world.told = vec![0; scenario.actors.len() + 1];
        world.is_shared = scenario.is_shared;
        world.ends_everything = scenario
            .actors
            .iter()
            .any(|steps| steps.contains(&Op::RevokeAll));
        let line = Line(Arc::new(Mutex::new(world)));
        let count = scenario.actors.len();
        let one = explorer.site.process(scenario.mode, &line);
        let processes = (0..count)
            .map(|number| {
                if scenario.is_shared || number == 0 {
                    one.clone()
                } else {
                    explorer.site.process(scenario.mode, &line)
                }
            })
            .collect();
        Self {
            explorer,
            scenario,
            line,
            browsers: Arc::new(Mutex::new(browsers.clone())),
            processes,
            tasks: (0..count).map(|_| None).collect(),
            done: vec![0; count],
            faults: scenario.faults,
            picks: Vec::new(),
            story: Vec::new(),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.line.world()
    }

    /// What can come next, always in the same order.
    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        let world = self.world();
        for (index, call) in world.calls.iter().enumerate() {
            choices.push(Choice::Serve(index));
            if self.faults == 0 {
                continue;
            }
            let faults: &[Fault] = match &call.ask {
                Ask::Store(request) if request.writes() => &Fault::ALL,
                Ask::Store(_) => &[Fault::Away],
                Ask::Push(..) => &[Fault::Away, Fault::Lost],
                Ask::Done(_) => &[Fault::Crash],
                Ask::File(_) => &[Fault::Away, Fault::Lost],
            };
            let is_repeated = call.is_repeated;
            let faults = faults
                .iter()
                .filter(|fault| !is_repeated || **fault != Fault::Twice);
            choices.extend(faults.map(|fault| Choice::Fail(index, *fault)));
        }
        for (actor, steps) in self.scenario.actors.iter().enumerate() {
            if self.tasks[actor].is_none() && self.done[actor] < steps.len() {
                choices.push(Choice::Begin(actor));
            }
        }
        choices.extend((0..world.limbo.len()).map(Choice::Land));
        if world.is_held {
            choices.extend(world.busy.keys().map(|actor| Choice::Leave(*actor)));
        }
        choices
    }

    /// Takes the choice of this number.
    fn go(&mut self, pick: usize) -> Result<(), Box<Failure>> {
        let choice = self.choices().get(pick).copied();
        self.picks.push(pick);
        match choice {
            Some(Choice::Begin(actor)) => self.begin(actor),
            Some(Choice::Serve(index)) => self.serve(index, None),
            Some(Choice::Fail(index, fault)) => {
                self.faults -= 1;
                self.serve(index, Some(fault));
            }
            Some(Choice::Land(index)) => {
                let mut world = self.world();
                let request = world.limbo.remove(index);
                world.monitor.disturbed(&request);
                world.apply(&request, None);
                drop(world);
                self.tell(format!("lands late: {}", request.brief()));
            }
            Some(Choice::Leave(actor)) => {
                self.tasks[actor] = None;
                let mut world = self.world();
                world.busy.remove(&actor);
                world.monitor.left(actor);
                world.observe(actor, &"left");
                drop(world);
                self.tell(format!("         the client of actor {actor} goes away"));
            }
            None => self
                .world()
                .monitor
                .fail("a schedule cannot be repeated: something in it goes by chance"),
        }
        self.check()
    }

    fn check(&self) -> Result<(), Box<Failure>> {
        match self.world().monitor.failure() {
            None => Ok(()),
            Some(rule) => Err(Box::new(Failure {
                rule: rule.to_owned(),
                picks: self.picks.clone(),
                story: self.story.clone(),
            })),
        }
    }

    fn tell(&mut self, line: String) {
        self.story.push(line);
    }

    fn begin(&mut self, actor: usize) {
        let op = self.scenario.actors[actor][self.done[actor]];
        self.done[actor] += 1;
        let clock = self.world().clock.since(START);
        self.tell(format!("{clock:>5} s  actor {actor} begins {op:?}"));
        let process = self.processes[actor].clone();
        let number = if self.scenario.is_shared { 0 } else { actor };
        let browsers = Arc::clone(&self.browsers);
        self.world().observe(actor, &(op, clock));
        let task = async move { process.step(op, actor, number, browsers).await };
        self.tasks[actor] = Some(Box::pin(task));
        self.poll(actor);
    }

    fn serve(&mut self, index: usize, fault: Option<Fault>) {
        let mut world = self.world();
        let mut call = world.calls.remove(index);
        let actor = call.actor;
        let what = match &call.ask {
            Ask::Store(request) => request.brief(),
            Ask::Push(entry, _) => format!("queue {}", entry.to_json()),
            Ask::Done(_) => "queue: done".to_owned(),
            Ask::File(what) => format!("SQLite: {what}"),
        };
        let line = match fault {
            None => format!("         actor {actor}: {what}"),
            Some(fault) => format!("         actor {actor}: {fault:?}: {what}"),
        };
        let clock = world.clock;
        let is_queues = !matches!(call.ask, Ask::Store(_));
        let failed = |how| {
            if is_queues {
                Reply::Refused
            } else {
                Reply::Lost(how)
            }
        };
        let reply = match fault {
            None => Some(world.perform(&call, true)),
            Some(Fault::Away) => Some(failed(Unreachable::Connect)),
            Some(Fault::Lost) => {
                world.perform(&call, false);
                Some(failed(Unreachable::Timeout))
            }
            Some(Fault::Late) => {
                if let Ask::Store(request) = &call.ask {
                    world.limbo.push(request.clone());
                }
                Some(failed(Unreachable::Timeout))
            }
            Some(Fault::Twice) => {
                world.perform(&call, false);
                if let Ask::Store(request) = &call.ask {
                    world.monitor.disturbed(request);
                }
                call.is_repeated = true;
                world.calls.insert(index, call.clone());
                None
            }
            Some(Fault::Crash | Fault::CrashAfter) => {
                if fault == Some(Fault::CrashAfter) {
                    world.perform(&call, false);
                }
                world.calls.retain(|other| other.actor != actor);
                world.monitor.crashed(actor);
                None
            }
        };
        if let Some(reply) = reply {
            if fault.is_some() && !is_queues {
                world.monitor.lost(actor, clock);
            }
            world.observe(actor, &format!("{reply:?}"));
            world.replies.insert(call.id, reply);
        }
        drop(world);
        self.tell(line);
        match fault {
            Some(Fault::Crash | Fault::CrashAfter) => {
                self.tasks[actor] = None;
                self.world().forget(actor);
                self.processes[actor] = self.explorer.site.process(self.scenario.mode, &self.line);
            }
            Some(Fault::Twice) => {}
            _ => self.poll(actor),
        }
    }

    fn poll(&mut self, actor: usize) {
        let Some(mut task) = self.tasks[actor].take() else {
            return;
        };
        for _ in 0..most_waits(&self.line) {
            self.world().actor = actor;
            if self.explorer.poll(task.as_mut()).is_ready() {
                self.released();
                return;
            }
            let world = self.line.clone();
            let world = world.world();
            let waits = world.calls.iter().any(|call| call.actor == actor);
            let is_held = world.is_held && world.busy.get(&actor) == Some(&true);
            drop(world);
            if waits || is_held {
                self.tasks[actor] = Some(task);
                return;
            }
            self.explorer.wait(&self.line);
        }
        self.world().monitor.fail("somebody waits for nothing");
    }

    /// Where another program has let SQLite's file go, whoever waited is served.
    fn released(&mut self) {
        if self.world().is_held {
            return;
        }
        let waiting: Vec<usize> = self.world().busy.keys().copied().collect();
        for actor in waiting {
            if self.tasks.get(actor).is_some_and(Option::is_some) {
                self.poll(actor);
            }
        }
    }

    /// See the module.
    fn state(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.world().hash(&mut hash);
        self.done.hash(&mut hash);
        self.faults.hash(&mut hash);
        let under_way: Vec<bool> = self.tasks.iter().map(Option::is_some).collect();
        under_way.hash(&mut hash);
        let browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        for browser in browsers.iter() {
            browser.cookie.hash(&mut hash);
        }
        hash.finish()
    }

    /// Lets the queue run empty and every browser that is still there send another heartbeat, and looks
    /// at what the rows say.
    fn close(&mut self) -> Result<(), Box<Failure>> {
        let process = self.explorer.site.process(self.scenario.mode, &self.line);
        {
            let mut world = self.world();
            (world.is_open, world.is_down, world.actor) = (true, false, CLOSING);
        }
        self.empty_queue(&process)?;
        let table = self.world().table.clone();
        self.world().monitor.check_rows(&table, false);
        self.check()?;
        let count = self
            .browsers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        for browser in 0..count {
            self.tell(format!("at the end, a heartbeat of browser {browser}"));
            let step = process.step(
                Op::Beat(browser),
                CLOSING,
                CLOSING,
                Arc::clone(&self.browsers),
            );
            self.explorer.finish(&self.line, step);
            self.check()?;
        }
        self.empty_queue(&process)?;
        let table = self.world().table.clone();
        self.world().monitor.check_rows(&table, true);
        self.check()
    }

    fn empty_queue(&mut self, process: &Process) -> Result<(), Box<Failure>> {
        {
            let mut world = self.world();
            world.clock = world.clock.plus(CLOSING_SECONDS);
            for message in world.queue.values_mut() {
                message.is_taken = false;
            }
        }
        if self.scenario.mode == Mode::Direct {
            return Ok(());
        }
        for _ in 0..4 {
            let now = self.world().clock;
            let post = self.scenario.mode == Mode::Board;
            if post {
                self.explorer
                    .finish(&self.line, process.write(Duration::from_secs(1), now));
            }
            if self.world().queue.is_empty() {
                return self.check();
            }
            self.explorer
                .finish(&self.line, process.write(Duration::from_secs(30), now));
        }
        if !self.world().queue.is_empty() {
            self.world().monitor.fail("the queue runs empty");
        }
        self.check()
    }
}

/// How often something is waited for: SQLite's threads for moments, the simulated time for seconds.
fn most_waits(line: &Line) -> usize {
    if line.world().monitor.is_atomic {
        MOST_MOMENTS
    } else {
        MOST_SECONDS
    }
}
