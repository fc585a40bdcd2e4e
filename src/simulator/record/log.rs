//! The growing journal.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Sender;
use crate::simulator::record::journal::{Direction, Frame, FrameKind, FrameRecord, Journal, WaitTimeout};
use crate::simulator::record::ladder;

/// Number of rows of the ladder that a failed wait shows.
const SHOWN: usize = 20;

/// The growing journal: frames in order, the oldest of which are dropped first.
pub(crate) struct Log {
    entries: VecDeque<FrameRecord>,
    limit: usize,
    next: u64,
    /// The receivers of every new entry.
    listeners: Vec<Sender<FrameRecord>>,
}

impl Log {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), limit, next: 0, listeners: Vec::new() }
    }

    /// Number of entries that are no longer kept.
    fn dropped(&self) -> u64 {
        self.next.saturating_sub(self.entries.len() as u64)
    }

    pub(crate) fn add(
        &mut self,
        at: Duration,
        direction: Direction,
        kind: FrameKind,
        connection: u64,
        method: &str,
        frame: Frame,
    ) {
        let sequence = self.next;
        self.next += 1;
        let entry = FrameRecord::new(sequence, at, direction, kind, connection, method, frame);
        self.listeners.retain(|listener| listener.send(entry.clone()).is_ok());
        self.entries.push_back(entry);
        if self.entries.len() > self.limit {
            self.entries.pop_front();
        }
    }

    /// Sends all kept entries to a listener, and each new one from now on.
    pub(crate) fn listen(&mut self, listener: Sender<FrameRecord>) {
        if self.entries.iter().all(|entry| listener.send(entry.clone()).is_ok()) {
            self.listeners.push(listener);
        }
    }

    /// Lets the listeners end after they have processed everything.
    pub(crate) fn end_listening(&mut self) {
        self.listeners.clear();
    }

    /// The number of the latest entry.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// `true` if a frame to a client contains this text.
    pub(crate) fn tells_of(&self, text: &str) -> bool {
        self.entries.iter().any(|entry| entry.direction() == Direction::ToClient && entry.text().contains(text))
    }

    pub(crate) fn snapshot(&self) -> Journal {
        Journal::new(self.entries.iter().cloned().collect(), self.dropped())
    }

    /// The first entry at or after `from` that matches.
    pub(crate) fn find(&self, from: u64, fits: impl Fn(&FrameRecord) -> bool) -> Option<FrameRecord> {
        let skip = usize::try_from(from.saturating_sub(self.dropped())).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).find(|entry| fits(entry)).cloned()
    }

    pub(crate) fn last(&self, fits: impl Fn(&FrameRecord) -> bool) -> Option<FrameRecord> {
        self.entries.iter().rev().find(|entry| fits(entry)).cloned()
    }

    pub(crate) fn missed(&self, what: String) -> WaitTimeout {
        let entries: Vec<FrameRecord> = self.entries.iter().cloned().collect();
        WaitTimeout::new(what, ladder::end_of(&entries, SHOWN))
    }
}
