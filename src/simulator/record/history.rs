//! The records of a simulator: frames, lines of the transcript, interactions, violations.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::Sender;
use crate::simulator::record::interaction::{Interaction, InteractionKind};
use crate::simulator::record::journal::{Direction, Frame, FrameKind, FrameRecord, Journal, WaitTimeout};
use crate::simulator::record::log::Log;

/// Number of lines of the transcript, and of violations, that are kept.
const LINES_KEPT: usize = 10_000;

/// Number of interactions that are kept; the oldest are dropped first.
const INTERACTIONS_KEPT: usize = 50_000;

/// The records of a simulator.
pub(crate) struct History {
    log: Log,
    /// Places up to which a test has waited for entries, by their kind and method.
    claimed: HashMap<(FrameKind, String), u64>,
    lines: VecDeque<String>,
    listeners: Vec<Sender<String>>,
    interaction_listeners: Vec<Sender<Interaction>>,
    violations: Vec<String>,
    interactions: VecDeque<Interaction>,
    told: u64,
    slowest_ack: Duration,
}

impl History {
    pub(crate) fn new(journal_limit: usize) -> Self {
        Self {
            log: Log::new(journal_limit),
            claimed: HashMap::new(),
            lines: VecDeque::new(),
            listeners: Vec::new(),
            interaction_listeners: Vec::new(),
            violations: Vec::new(),
            interactions: VecDeque::new(),
            told: 0,
            slowest_ack: Duration::ZERO,
        }
    }

    // Frames.

    pub(crate) fn frame(
        &mut self,
        at: Duration,
        direction: Direction,
        kind: FrameKind,
        conn: u64,
        method: &str,
        frame: Frame,
    ) {
        self.log.add(at, direction, kind, conn, method, frame);
    }

    pub(crate) fn journal(&self) -> Journal {
        self.log.snapshot()
    }

    /// The last frame that matches.
    pub(crate) fn last(&self, fits: impl Fn(&FrameRecord) -> bool) -> Option<FrameRecord> {
        self.log.last(fits)
    }

    /// `true` if a frame to a client contains this text.
    pub(crate) fn tells_of(&self, text: &str) -> bool {
        self.log.tells_of(text)
    }

    /// Returns the next entry of this kind and method, each one once.
    pub(crate) fn claim(&mut self, kind: FrameKind, method: &str) -> Option<FrameRecord> {
        let name = (kind, method.to_owned());
        let from = self.claimed.get(&name).copied().unwrap_or(0);
        let found = self.log.find(from, |entry| entry.kind() == kind && entry.method() == method)?;
        self.claimed.insert(name, found.sequence() + 1);
        Some(found)
    }

    pub(crate) fn missed(&self, what: String) -> WaitTimeout {
        self.log.missed(what)
    }

    // The transcript.

    /// Adds a line to the transcript.
    pub(crate) fn tell(&mut self, line: String) {
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.listeners.retain(|listener| listener.send(line.clone()).is_ok());
        self.lines.push_back(line);
    }

    pub(crate) fn transcript(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    /// The last lines of the transcript.
    pub(crate) fn last_lines(&self, count: usize) -> Vec<String> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).cloned().collect()
    }

    // The listeners.

    /// Sends all kept lines to a listener, and each new one from now on.
    pub(crate) fn on_line(&mut self, listener: Sender<String>) {
        self.lines.iter().for_each(|line| drop(listener.send(line.clone())));
        self.listeners.push(listener);
    }

    /// Registers a listener for frames.
    pub(crate) fn on_frame(&mut self, listener: Sender<FrameRecord>) {
        self.log.listen(listener);
    }

    /// Registers a listener for interactions.
    pub(crate) fn on_interaction(&mut self, listener: Sender<Interaction>) {
        self.interactions.iter().for_each(|interaction| drop(listener.send(interaction.clone())));
        self.interaction_listeners.push(listener);
    }

    /// Lets the listeners end after they have processed everything.
    pub(crate) fn end_listening(&mut self) {
        self.listeners.clear();
        self.interaction_listeners.clear();
        self.log.end_listening();
    }

    // Violations.

    pub(crate) fn violation(&mut self, what: String) {
        if self.violations.len() < LINES_KEPT {
            self.violations.push(what);
        }
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    pub(crate) fn forget_violations(&mut self) {
        self.violations.clear();
    }

    // Interactions.

    /// Records an interaction of the program with a person.
    pub(crate) fn did(
        &mut self,
        at: Duration,
        kind: InteractionKind,
        who: &str,
        call_id: Option<&str>,
        words: &str,
        lasted: Duration,
    ) {
        if self.interactions.len() == INTERACTIONS_KEPT {
            self.interactions.pop_front();
        }
        self.told += 1;
        let place = (self.log.last_sequence(), self.told);
        let interaction = Interaction::new(kind, who, words, call_id, at, lasted, place);
        self.interaction_listeners.retain(|listener| listener.send(interaction.clone()).is_ok());
        self.interactions.push_back(interaction);
    }

    pub(crate) fn interactions(&self) -> impl Iterator<Item = &Interaction> {
        self.interactions.iter()
    }

    // Acknowledgements.

    /// Records the time until an event was acknowledged.
    pub(crate) fn acked_after(&mut self, span: Duration) {
        self.slowest_ack = self.slowest_ack.max(span);
    }

    pub(crate) fn slowest_ack(&self) -> Duration {
        self.slowest_ack
    }
}
