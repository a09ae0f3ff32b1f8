//! Who does what: a few actors with a few steps each, in one of the ways in which the product runs.

use crate::monitor::Truth;

/// How the product runs.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Mode {
    /// NocoDB, and nothing behind it.
    Direct,
    /// NocoDB with a queue behind it.
    Queued,
    /// Every heartbeat into the queue; each process asks for endings itself.
    Batched,
    /// The same; endings are read from what the writer posts.
    Board,
    /// SQLite with a queue behind it, in one process.
    Sqlite,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Direct,
        Self::Queued,
        Self::Batched,
        Self::Board,
        Self::Sqlite,
    ];

    /// Whether heartbeats wait on purpose.
    #[must_use]
    pub const fn is_batched(self) -> bool {
        matches!(self, Self::Batched | Self::Board)
    }
}

/// One thing that somebody does. Browsers are told by number: 0 and 1 are one visitor's, 2 a
/// stranger's, and 3 holds a copy of the first one's cookie.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Op {
    /// A heartbeat of a page that was looked at all the time.
    Beat(usize),
    /// A beacon of 10 s after the start, which comes only now.
    Late(usize),
    /// A heartbeat whose pages' times are twice what can be.
    Lie(usize),
    /// Logs out this browser alone.
    LogOut(usize),
    /// Logs out everywhere.
    LogOutEverywhere(usize),
    /// The script's clock ran out.
    Idle(usize),
    /// Asks whether the session is open.
    Status(usize),
    /// Opens a page: the gate decides, and sends through the refresh where it must.
    Page(usize),
    /// The owner types a word into this browser's row.
    Word(usize),
    /// The owner ends this browser's session.
    RevokeOne(usize),
    /// The owner ends all of the visitor's.
    RevokeVisitor,
    /// The owner ends everything.
    RevokeAll,
    /// The owner deletes this browser's row.
    Delete(usize),
    /// The same; then a stranger comes in, whose row may get the same id.
    DeleteForStranger(usize),
    /// The owner corrects the address in this browser's row.
    Rename(usize),
    /// The writer empties what is due.
    Write,
    /// The writer posts which sessions were ended.
    Post,
    /// Old rows are deleted.
    Retention,
    /// So many seconds pass.
    Tick(u32),
    /// NocoDB goes away.
    Down,
    /// NocoDB comes back.
    Up,
    /// Another program takes the lock of SQLite's file.
    Hold,
    /// It lets go.
    Release,
}

impl Op {
    /// Which browser sends it.
    #[must_use]
    pub const fn browser(self) -> Option<usize> {
        match self {
            Self::Beat(one)
            | Self::Late(one)
            | Self::Lie(one)
            | Self::LogOut(one)
            | Self::LogOutEverywhere(one)
            | Self::Idle(one)
            | Self::Status(one)
            | Self::Page(one) => Some(one),
            _ => None,
        }
    }

    /// Whether a browser sends it.
    #[must_use]
    pub const fn is_browsers(self) -> bool {
        self.browser().is_some()
    }

    /// Whether the owner does it in the table itself.
    #[must_use]
    pub const fn is_owners_hand(self) -> bool {
        matches!(
            self,
            Self::Word(_) | Self::Rename(_) | Self::Delete(_) | Self::DeleteForStranger(_)
        )
    }

    /// Whether this session is over once it is done.
    #[must_use]
    pub fn ends(self, one: &Truth, is_own: bool) -> bool {
        match self {
            Self::LogOut(_) | Self::Idle(_) => is_own,
            Self::LogOutEverywhere(_) | Self::RevokeVisitor => one.browser < 2,
            Self::RevokeOne(browser) | Self::Word(browser) => one.browser == browser,
            _ => false,
        }
    }

    /// Whether it is over at once, with nobody asked.
    #[must_use]
    pub const fn is_instant(self) -> bool {
        self.is_owners_hand()
            || matches!(
                self,
                Self::Tick(_) | Self::Down | Self::Up | Self::Hold | Self::Release
            )
    }
}

/// What can go wrong with a question to the store.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Away,
    /// It is done, and the answer is lost.
    Lost,
    /// The answer is given up, and it is done later.
    Late,
    /// It is done, the answer is lost, and it is sent again.
    Twice,
    /// The process that asked dies, before it is done.
    Crash,
    /// The process that asked dies, after it is done.
    CrashAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Away,
        Self::Lost,
        Self::Late,
        Self::Twice,
        Self::Crash,
        Self::CrashAfter,
    ];
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How the product runs.
    pub mode: Mode,
    /// What each actor does, in order. Each has a process of its own, as on Lambda, unless `is_shared`.
    pub actors: Vec<Vec<Op>>,
    /// All are in one process.
    pub is_shared: bool,
    /// Faults at most.
    pub faults: u8,
}

impl Scenario {
    /// In one line.
    #[must_use]
    pub fn name(&self) -> String {
        let shared = if self.is_shared {
            " in one process"
        } else {
            ""
        };
        format!(
            "{:?}{shared}, {} faults: {:?}",
            self.mode, self.faults, self.actors
        )
    }
}
