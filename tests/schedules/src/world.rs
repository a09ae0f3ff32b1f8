//! Everything that the actors share: the table, the queue and its notice board, the clock, and the
//! requests that are on their way. What one actor asks is done when the explorer says so.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use shared::nocodb::{Unreachable, Wire};
use shared::queue::{Board, Entry, Notice, Queue, QueueError, Taken, Waiting};
use shared::store::columns::EVERYONE;
use shared::timestamp::Timestamp;
use url::Url;

use crate::monitor::Monitor;
use crate::table::{Request, Table};

/// What is asked of the world, and waits until the explorer decides about it.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Of NocoDB.
    Store(Request),
    /// Of the queue.
    Push(Entry, Timestamp),
    /// Of the queue: what was written goes.
    Done(Vec<String>),
    /// Of SQLite: this may begin.
    File(&'static str),
}

/// What comes of it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// NocoDB's status and body.
    Answer(StatusCode, Vec<u8>),
    /// No answer.
    Lost(Unreachable),
    /// The queue has done it.
    Done,
    /// The queue has not.
    Refused,
}

/// A question that waits.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which one.
    pub id: u64,
    /// Whose.
    pub actor: usize,
    /// What.
    pub ask: Ask,
    /// It was done once, and its answer got lost on the way: its caller asks again.
    pub is_repeated: bool,
}

/// An entry in the queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// What waits.
    pub entry: Entry,
    /// Nobody is given it before.
    pub due: Timestamp,
    /// Somebody has it.
    pub is_taken: bool,
}

/// See the module.
pub struct World {
    /// NocoDB's.
    pub table: Table,
    /// SQS's, by receipt.
    pub queue: BTreeMap<u64, Message>,
    /// What was posted last.
    pub board: Option<Notice>,
    /// The time of whoever begins something now.
    pub clock: Timestamp,
    /// Questions that wait, in the order in which they came.
    pub calls: Vec<Call>,
    /// Answers that wait to be picked up.
    pub replies: BTreeMap<u64, Reply>,
    /// Writes that nobody waits for any more, and that land all the same.
    pub limbo: Vec<Request>,
    /// Who waits for SQLite, and whether to write.
    pub busy: BTreeMap<usize, bool>,
    /// Another program holds SQLite's file.
    pub is_held: bool,
    /// The store answers nobody.
    pub is_down: bool,
    /// Every question is answered at once.
    pub is_open: bool,
    /// What each actor's process was told so far, in order.
    pub told: Vec<u64>,
    /// All actors are in one process.
    pub is_shared: bool,
    /// Somebody may end everything in this schedule.
    pub ends_everything: bool,
    /// Who is at work.
    pub actor: usize,
    /// What was promised, and what is known of it.
    pub monitor: Monitor,
    next: u64,
}

impl World {
    /// An empty one.
    #[must_use]
    pub fn new(clock: Timestamp) -> Self {
        Self {
            table: Table::default(),
            queue: BTreeMap::new(),
            board: None,
            clock,
            calls: Vec::new(),
            replies: BTreeMap::new(),
            limbo: Vec::new(),
            busy: BTreeMap::new(),
            is_held: false,
            is_down: false,
            is_open: false,
            told: Vec::new(),
            is_shared: false,
            ends_everything: true,
            actor: 0,
            monitor: Monitor::default(),
            next: 0,
        }
    }

    /// A copy of it between two questions.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            table: self.table.clone(),
            queue: self.queue.clone(),
            board: self.board.clone(),
            clock: self.clock,
            calls: Vec::new(),
            replies: BTreeMap::new(),
            limbo: Vec::new(),
            busy: BTreeMap::new(),
            is_held: false,
            is_down: false,
            is_open: false,
            told: Vec::new(),
            is_shared: false,
            ends_everything: true,
            actor: 0,
            monitor: self.monitor.clone(),
            next: self.next,
        }
    }

    /// Something is told to an actor's process, which it may remember.
    pub fn observe(&mut self, actor: usize, what: &impl Hash) {
        let place = if self.is_shared { 0 } else { actor };
        if let Some(told) = self.told.get_mut(place) {
            let mut hash = DefaultHasher::new();
            (*told, actor).hash(&mut hash);
            what.hash(&mut hash);
            *told = hash.finish();
        }
    }

    /// A process died.
    pub fn forget(&mut self, actor: usize) {
        if let Some(told) = self.told.get_mut(actor) {
            *told = 1;
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Does what a call asks, and says what comes of it. Where the answer `arrives`, its asker knows
    /// what it says.
    pub fn perform(&mut self, call: &Call, arrives: bool) -> Reply {
        match &call.ask {
            Ask::Store(request) => {
                let (status, body) = self.apply(request, Some(call.actor));
                if arrives {
                    self.monitor
                        .served(call.actor, request, status, &self.table);
                }
                self.monitor.wrote(call.actor, request, status);
                Reply::Answer(status, body)
            }
            Ask::Push(entry, due) => {
                let receipt = self.number();
                self.monitor.pushed(call.actor, entry);
                self.queue.insert(
                    receipt,
                    Message {
                        entry: entry.clone(),
                        due: *due,
                        is_taken: false,
                    },
                );
                Reply::Done
            }
            Ask::Done(receipts) => {
                for receipt in receipts {
                    self.queue.remove(&receipt.parse().unwrap_or(0));
                }
                Reply::Done
            }
            Ask::File(_) => Reply::Done,
        }
    }

    /// SQLite's file was read again.
    pub fn look_at(&mut self, after: Table, actor: usize) {
        self.monitor
            .changed(&self.table, &after, Some(actor), self.clock);
        self.table = after;
    }

    /// A request reaches NocoDB.
    pub fn apply(&mut self, request: &Request, actor: Option<usize>) -> (StatusCode, Vec<u8>) {
        let before = request.writes().then(|| self.table.clone());
        let (status, body) = self.table.serve(request);
        if let Some(before) = before {
            self.monitor
                .changed(&before, &self.table, actor, self.clock);
        }
        (status, body.to_string().into_bytes())
    }
}

/// Everything but the numbers that requests and receipts happen to have.
impl Hash for World {
    fn hash<H: Hasher>(&self, hash: &mut H) {
        self.table.hash(hash);
        let mut queue: Vec<_> = self
            .queue
            .values()
            .map(|message| (message.entry.to_json(), message.due, message.is_taken))
            .collect();
        queue.sort();
        queue.hash(hash);
        let board = self.board.as_ref().map(serde_json::to_string);
        board.and_then(Result::ok).hash(hash);
        self.clock.hash(hash);
        let mut calls: Vec<_> = self
            .calls
            .iter()
            .map(|call| (call.actor, call.is_repeated))
            .collect();
        calls.sort_unstable();
        calls.hash(hash);
        self.limbo.hash(hash);
        (self.is_down, self.is_held).hash(hash);
        self.busy.hash(hash);
        self.told.hash(hash);
        self.monitor.hash(hash);
    }
}

/// The world as one actor's process reaches it.
#[derive(Clone)]
pub struct Line(pub Arc<Mutex<World>>);

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// The world.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits until the explorer has decided.
    pub async fn ask(&self, ask: Ask) -> Reply {
        let id = {
            let mut world = self.world();
            let (id, actor) = (world.number(), world.actor);
            let call = Call {
                id,
                actor,
                ask,
                is_repeated: false,
            };
            if world.is_down && matches!(call.ask, Ask::Store(_) | Ask::File(_)) {
                let now = world.clock;
                world.monitor.lost(actor, now);
                return match call.ask {
                    Ask::File(_) => Reply::Refused,
                    _ => Reply::Lost(Unreachable::Connect),
                };
            }
            // Whether everything was ended has one answer where nobody ends everything.
            let is_constant = !world.ends_everything
                && matches!(&call.ask, Ask::Store(request) if request.asks_for(EVERYONE));
            if world.is_open || is_constant {
                return world.perform(&call, true);
            }
            world.calls.push(call);
            id
        };
        poll_fn(|_| match self.world().replies.remove(&id) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }
}

#[async_trait]
impl Wire for Line {
    async fn carry(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Unreachable> {
        let request = Request::read(&method, &url, body.as_deref());
        match self.ask(Ask::Store(request)).await {
            Reply::Answer(status, body) => Ok((status, HeaderMap::new(), body)),
            Reply::Lost(how) => Err(how),
            Reply::Done | Reply::Refused => Err(Unreachable::Broken),
        }
    }
}

/// SQS, by its documentation: each message by itself, in no order, and given out again where nobody says
/// that it is done.
#[async_trait]
impl Queue for Line {
    async fn push(&self, entry: &Entry, due: Timestamp, _: Timestamp) -> Result<(), QueueError> {
        match self.ask(Ask::Push(entry.clone(), due)).await {
            Reply::Done => Ok(()),
            _ => Err(QueueError("no answer".to_owned())),
        }
    }

    async fn take(&self, most: usize, now: Timestamp) -> Result<Vec<Taken>, QueueError> {
        let mut world = self.world();
        let due = world.queue.iter_mut();
        let due = due.filter(|(_, message)| message.due <= now && !message.is_taken);
        let taken: Vec<_> = due
            .take(most)
            .map(|(receipt, message)| {
                message.is_taken = true;
                Taken {
                    entry: message.entry.clone(),
                    receipt: receipt.to_string(),
                }
            })
            .collect();
        let actor = world.actor;
        for one in &taken {
            world.observe(actor, &one.entry.to_json());
        }
        Ok(taken)
    }

    async fn done(&self, receipts: &[String]) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        match self.ask(Ask::Done(receipts.to_vec())).await {
            Reply::Done => Ok(()),
            _ => Err(QueueError("no answer".to_owned())),
        }
    }

    async fn put_back(
        &self,
        waiting: &[Waiting],
        due: Timestamp,
        _: Timestamp,
    ) -> Result<(), QueueError> {
        let mut world = self.world();
        for receipt in waiting.iter().flat_map(|one| &one.receipts) {
            if let Some(message) = world.queue.get_mut(&receipt.parse().unwrap_or(0)) {
                (message.due, message.is_taken) = (due, false);
            }
        }
        Ok(())
    }

    async fn refuse(&self, _: &[String], _: Timestamp) -> Result<(), QueueError> {
        self.world()
            .monitor
            .fail("the model refuses nothing, and an entry was refused");
        Ok(())
    }
}

#[async_trait]
impl Board for Line {
    async fn post(&self, notice: &Notice) -> Result<(), QueueError> {
        self.world().board = Some(notice.clone());
        Ok(())
    }

    async fn read(&self) -> Result<Option<Notice>, QueueError> {
        let mut world = self.world();
        let (actor, notice) = (world.actor, world.board.clone());
        let text = notice.as_ref().map(serde_json::to_string);
        world.observe(actor, &text.and_then(Result::ok));
        Ok(notice)
    }
}
