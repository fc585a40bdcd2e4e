//! The state of the simulated service: a composition of owners, behind one lock.
//!
//! Everything happens under that lock, one job after the other. Work that must not happen under it (closing sockets,
//! waking threads) is collected and done afterwards. No code of the program runs here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::simulator::faults::Faults;
use crate::simulator::line::link::Lines;
use crate::simulator::people::speech::span;
use crate::simulator::record::history::History;
use crate::simulator::replay::engine::Engine;
use crate::simulator::wire::ids::Ids;
use crate::simulator::world::calls::Calls;
use crate::simulator::world::connections::Connections;
use crate::simulator::world::ended::EndedIndex;
use crate::simulator::world::meetings::Meetings;
use crate::simulator::world::numbers::Numbers;
use crate::simulator::world::outbox::Outbox;
use crate::simulator::world::sessions::Sessions;
use crate::simulator::world::settings::Settings;
use crate::simulator::world::time::Time;

/// The prefix of the IDs of calls.
pub(crate) const CALL: u32 = 0xca11;

/// All state of the service. Only the methods of a part change it.
pub(crate) struct World {
    pub(crate) time: Time<Self>,
    pub(crate) ids: Ids,
    pub(crate) settings: Settings,
    pub(crate) lines: Arc<Lines>,
    pub(crate) connections: Connections,
    pub(crate) sessions: Sessions,
    pub(crate) calls: Calls,
    pub(crate) meetings: Meetings,
    pub(crate) numbers: Numbers,
    pub(crate) faults: Faults,
    /// The calls, and the operations by their control ID, of whose end the clients know.
    pub(crate) over: EndedIndex,
    pub(crate) record: History,
    pub(crate) outbox: Outbox,
    /// A recording that is played in place of the service.
    pub(crate) replay: Option<Box<Engine>>,
    pub(crate) stopping: bool,
    /// `true` if a frame of this method may hold secrets.
    pub(crate) may_carry_secrets: fn(&str) -> bool,
}

impl World {
    pub(crate) fn new(
        clock: Clock,
        settings: Settings,
        lines: Arc<Lines>,
        may_carry_secrets: fn(&str) -> bool,
    ) -> Self {
        Self {
            time: Time::new(clock, settings.speed),
            ids: Ids::new(settings.seed),
            lines,
            connections: Connections::default(),
            sessions: Sessions::default(),
            calls: Calls::default(),
            meetings: Meetings::default(),
            numbers: Numbers::default(),
            faults: Faults::default(),
            over: EndedIndex::default(),
            record: History::new(settings.journal_limit),
            outbox: Outbox::default(),
            replay: None,
            stopping: false,
            may_carry_secrets,
            settings,
        }
    }

    /// Runs the first job that is due; the next one runs after the lock was free once.
    pub(crate) fn run_due(&mut self) {
        if let Some(job) = self.time.take_due() {
            job(self);
        }
    }

    /// Runs a job after a span of simulated time.
    pub(crate) fn after(&mut self, span: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.after_real(self.time.real(span), job);
    }

    /// Runs a job after a number of seconds of simulated time.
    pub(crate) fn after_seconds(&mut self, seconds: f64, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.after(span(seconds), job);
    }

    pub(crate) fn after_real(&mut self, span: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        // A job beyond the range of the clock never runs.
        if let Some(at) = self.time.after(span) {
            self.at(at, job);
        }
    }

    pub(crate) fn at(&mut self, at: Instant, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.time.add(at, Box::new(job));
    }

    /// Adds a line to the transcript.
    pub(crate) fn tell(&mut self, line: String) {
        self.record.tell(line);
    }

    /// Records a violation by a client.
    pub(crate) fn violation(&mut self, what: String) {
        self.record.violation(what);
    }
}
