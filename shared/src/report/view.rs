//! What has been read of the table, as one question sees it.

use std::collections::HashSet;
use std::iter::Peekable;
use std::sync::Arc;

use super::Filter;
use super::Visit;
use super::answers::{Data, Moment};
use super::row::Row;
use crate::timestamp::Timestamp;

/// Rows newest first, in pieces that are shared and never change.
pub(super) type Pieces = Vec<Arc<[Row]>>;

/// Rows that were read together.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) pieces: Pieces,
    /// When reading them began; nothing before that.
    pub(super) as_of: Option<Timestamp>,
    /// Every row of the part is there.
    pub(super) is_complete: bool,
}

impl Part {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }
}

/// How far down the table has been read, from the newest start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadTo {
    /// Not at all.
    #[default]
    Nothing,
    /// Every row that began then or later.
    DownTo(Timestamp),
    /// To its end.
    End,
}

/// What was known of the table at one moment. Cheap to clone: the rows are shared.
#[derive(Clone, Debug)]
pub struct View {
    /// Rows that began at `boundary` or later, and can still change.
    pub(super) recent: Part,
    /// Those that began before it.
    pub(super) older: Part,
    /// Those whose start an owner has emptied. They stand where they were last seen.
    pub(super) startless: Arc<[Row]>,
    /// Ids of rows that are among the recent ones, and besides where they stood before an owner
    /// changed their start.
    pub(super) moved: Arc<HashSet<Box<str>>>,
    pub(super) boundary: Timestamp,
    pub(super) read_to: ReadTo,
    /// How many rows the table had when it was counted.
    pub(super) stored: Option<u64>,
}

/// Nothing has been read.
impl Default for View {
    fn default() -> Self {
        Self {
            recent: Part::default(),
            older: Part::default(),
            startless: Arc::default(),
            moved: Arc::default(),
            boundary: Timestamp::from_unix(0),
            read_to: ReadTo::Nothing,
            stored: None,
        }
    }
}

impl View {
    /// Every row that was read, newest start first, down to where none is missing.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let stays = |row: &&Row| !self.moved.contains(row.id());
        let startless = self.startless.iter().filter(stays);
        Merged {
            main: (self.recent.rows().chain(self.older.rows().filter(stays))).peekable(),
            side: startless.filter(|row| self.reaches(row)).peekable(),
        }
    }

    /// Finds the rows that an owner has moved among the recent ones, so that they count once.
    pub(super) fn find_moved(&mut self) {
        let recent: HashSet<&str> = self.recent.rows().map(Visit::id).collect();
        let elsewhere = self.older.rows().chain(self.startless.iter());
        let moved = elsewhere.map(Visit::id).filter(|id| recent.contains(id));
        self.moved = Arc::new(moved.map(Box::from).collect());
    }

    /// Those of a range of starts.
    pub fn rows_of(&self, filter: &Filter) -> impl Iterator<Item = &Row> {
        let (from, to) = (filter.from, filter.to);
        self.rows()
            .skip_while(move |row| to.is_some_and(|to| row.start() >= to))
            .take_while(move |row| from.is_none_or(|from| row.start() >= from))
    }

    /// Nothing has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent.as_of.is_none()
    }

    /// How many rows were read.
    #[must_use]
    pub fn len(&self) -> usize {
        let all = self.recent.len() + self.older.len() + self.startless.len();
        all.saturating_sub(self.moved.len())
    }

    /// Whether every row of a range of starts was read.
    #[must_use]
    pub fn has_all_of(&self, filter: &Filter) -> bool {
        match self.read_to {
            ReadTo::Nothing => false,
            ReadTo::DownTo(start) => filter.from.is_some_and(|from| from >= start),
            ReadTo::End => true,
        }
    }

    /// Whether every row that stands above this one was read.
    fn reaches(&self, row: &Row) -> bool {
        match self.read_to {
            ReadTo::Nothing => false,
            ReadTo::DownTo(start) => row.start() >= start,
            ReadTo::End => true,
        }
    }

    /// What an answer to this question says about the data below it.
    #[must_use]
    pub fn data(&self, filter: &Filter, now: Timestamp) -> Data {
        let as_of = self.recent.as_of.unwrap_or(now);
        let rows = self.len() as u64;
        let is_complete = self.read_to == ReadTo::End;
        Data {
            as_of: Moment(as_of),
            older_as_of: Moment(self.older.as_of.unwrap_or(as_of)),
            complete: is_complete,
            complete_since: match self.read_to {
                ReadTo::DownTo(start) => Some(Moment(start)),
                ReadTo::Nothing | ReadTo::End => None,
            },
            left_out: !self.has_all_of(filter),
            rows,
            stored: if is_complete { Some(rows) } else { self.stored },
        }
    }
}

/// Two sorted lists as one.
struct Merged<Main: Iterator, Side: Iterator> {
    main: Peekable<Main>,
    side: Peekable<Side>,
}

impl<'a, Main, Side> Iterator for Merged<Main, Side>
where
    Main: Iterator<Item = &'a Row>,
    Side: Iterator<Item = &'a Row>,
{
    type Item = &'a Row;

    fn next(&mut self) -> Option<&'a Row> {
        let is_side = match (self.main.peek(), self.side.peek()) {
            (Some(main), Some(side)) => side.place() < main.place(),
            (None, side) => side.is_some(),
            (Some(_), None) => false,
        };
        if is_side {
            self.side.next()
        } else {
            self.main.next()
        }
    }
}

/// Adds rows below others. They mostly follow in order; where they do not, because rows of the same
/// second stand on both sides, the pieces become one.
pub(super) fn append(pieces: &mut Pieces, mut rows: Vec<Row>) {
    loop {
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        rows.dedup_by(|a, b| a.place() == b.place());
        let overlaps = match (pieces.last().and_then(|piece| piece.last()), rows.first()) {
            (Some(above), Some(first)) => above.place() >= first.place(),
            _ => false,
        };
        if !overlaps {
            break;
        }
        let above = pieces.pop();
        rows.extend(above.iter().flat_map(|piece| piece.iter().cloned()));
    }
    if !rows.is_empty() {
        pieces.push(rows.into());
    }
}

/// Only the rows that began at `boundary` or later.
pub(super) fn trim(pieces: &mut Pieces, boundary: Timestamp) {
    while let Some(last) = pieces.last() {
        let stays = last.partition_point(|row| row.start() >= boundary);
        if stays == last.len() {
            return;
        }
        let kept: Arc<[Row]> = last[..stays].into();
        pieces.pop();
        if !kept.is_empty() {
            pieces.push(kept);
            return;
        }
    }
}
