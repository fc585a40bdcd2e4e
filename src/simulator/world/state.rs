//! The simulated service itself: all its state, which is behind one lock.
//!
//! Everything happens under that lock, one thing after the other; what must not happen under it (closing sockets,
//! waking threads) is collected and done after. No code of the program runs here.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::{Clock, Sender};
use crate::simulator::faults::active::Faults;
use crate::simulator::faults::cut::Cutting;
use crate::simulator::line::link::{Lines, Link};
use crate::simulator::people::person::Person;
use crate::simulator::people::plan::NumberPlan;
use crate::simulator::people::speech::span;
use crate::simulator::record::deed::Deed;
use crate::simulator::record::log::Log;
use crate::simulator::verbs::activity::AgentScript;
use crate::simulator::wire::ids::Ids;
use crate::simulator::world::agenda::Agenda;
use crate::simulator::world::calls::{Attempt, CallId, Leg, SessionId};
use crate::simulator::world::connections::Conn;
use crate::simulator::world::meetings::{Conference, Queue};
use crate::simulator::world::numbers::{Outlooks, Text};
use crate::simulator::world::outbox::{ByHand, LateReply, PendingEvent};
use crate::simulator::world::over::Over;
use crate::simulator::world::sessions::Session;
use crate::simulator::world::settings::Settings;

/// How many lines the transcript keeps.
const LINES_KEPT: usize = 10_000;

/// What the IDs of calls begin with.
pub(crate) const CALL: u32 = 0xca11;

/// All state of the service.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) started: Instant,
    pub(crate) ids: Ids,
    agenda: Agenda<Self>,
    /// `true` if a frame of this method may hold secrets.
    pub(crate) may_carry_secrets: fn(&str) -> bool,
    pub(crate) conns: BTreeMap<u64, Conn>,
    pub(crate) connected_ever: u64,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) calls: HashMap<CallId, Leg>,
    pub(crate) unrouted: VecDeque<CallId>,
    pub(crate) attempts: BTreeMap<u64, Attempt>,
    pub(crate) conferences: BTreeMap<String, Conference>,
    pub(crate) queues: BTreeMap<String, Queue>,
    pub(crate) people: HashMap<u64, Person>,
    pub(crate) plans: HashMap<String, NumberPlan>,
    pub(crate) outlooks: HashMap<String, Outlooks>,
    pub(crate) texts_sent: Vec<Text>,
    pub(crate) unrouted_texts: VecDeque<(String, Value)>,
    pub(crate) faults: Faults,
    pub(crate) lines_to_clients: Arc<Lines>,
    pub(crate) cutting: Cutting,
    pub(crate) log: Log,
    pub(crate) claimed: HashMap<String, u64>,
    pub(crate) violations: Vec<String>,
    pub(crate) script: AgentScript,
    pub(crate) deeds: VecDeque<Deed>,
    /// What clients know to be over: calls, and operations by their control id.
    pub(crate) over: Over,
    pub(crate) slowest_ack: Duration,
    pub(crate) lines: VecDeque<String>,
    pub(crate) listeners: Vec<Sender<String>>,
    pub(crate) late: Vec<LateReply>,
    /// Ids, as JSON, of frames pushed by hand: answers to them are in order, however often they come.
    pub(crate) by_hand: ByHand,
    pub(crate) corked: Option<Vec<PendingEvent>>,
    pub(crate) to_close: Vec<Arc<Link>>,
    pub(crate) stopping: bool,
}

impl World {
    pub(crate) fn new(
        clock: Clock,
        settings: Settings,
        lines_to_clients: Arc<Lines>,
        may_carry_secrets: fn(&str) -> bool,
    ) -> Self {
        Self {
            started: clock.now(),
            clock,
            ids: Ids::new(settings.seed),
            log: Log::new(settings.journal_limit),
            settings,
            agenda: Agenda::default(),
            may_carry_secrets,
            conns: BTreeMap::new(),
            connected_ever: 0,
            sessions: BTreeMap::new(),
            calls: HashMap::new(),
            unrouted: VecDeque::new(),
            attempts: BTreeMap::new(),
            conferences: BTreeMap::new(),
            queues: BTreeMap::new(),
            people: HashMap::new(),
            plans: HashMap::new(),
            outlooks: HashMap::new(),
            texts_sent: Vec::new(),
            unrouted_texts: VecDeque::new(),
            faults: Faults::default(),
            lines_to_clients,
            cutting: Cutting::default(),
            claimed: HashMap::new(),
            violations: Vec::new(),
            script: AgentScript::default(),
            deeds: VecDeque::new(),
            over: Over::default(),
            slowest_ack: Duration::ZERO,
            lines: VecDeque::new(),
            listeners: Vec::new(),
            late: Vec::new(),
            by_hand: ByHand::default(),
            corked: None,
            to_close: Vec::new(),
            stopping: false,
        }
    }
}

impl World {
    // Time.

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.agenda.next_due()
    }

    /// Does the first of what is due; the rest has its turn after the lock was free once.
    pub(crate) fn run_due(&mut self) {
        let now = self.clock.now();
        if let Some(job) = self.agenda.take_due(now) {
            job(self);
        }
    }

    /// Does something after a span of simulated time.
    pub(crate) fn after(&mut self, span: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.after_real(self.real(span), job);
    }

    /// What a span of simulated time takes on the real clock.
    pub(crate) fn real(&self, span: Duration) -> Duration {
        Duration::try_from_secs_f64(span.as_secs_f64() / self.settings.speed).unwrap_or(Duration::MAX)
    }

    /// Does something after a span of seconds of simulated time.
    pub(crate) fn after_seconds(&mut self, seconds: f64, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.after(span(seconds), job);
    }

    pub(crate) fn after_real(&mut self, span: Duration, job: impl FnOnce(&mut Self) + Send + 'static) {
        // Something further away than time goes never happens.
        if let Some(at) = self.clock.after(span) {
            self.at(at, job);
        }
    }

    pub(crate) fn at(&mut self, at: Instant, job: impl FnOnce(&mut Self) + Send + 'static) {
        self.agenda.add(at, Box::new(job));
    }

    /// Simulated seconds since a moment.
    pub(crate) fn seconds_since(&self, moment: Instant) -> f64 {
        self.clock.now().saturating_duration_since(moment).as_secs_f64() * self.settings.speed
    }

    /// Epoch milliseconds, as calls carry them.
    pub(crate) fn millis(&self) -> u64 {
        // A date in this millennium fits with room to spare, and fractions are not wanted.
        (self.clock.unix() * 1000.0) as u64
    }

    /// Epoch microseconds, as queues and agents carry them.
    pub(crate) fn micros(&self) -> u64 {
        (self.clock.unix() * 1_000_000.0) as u64
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    // Names.

    pub(crate) fn fresh_id(&self, mark: u32) -> String {
        self.ids.fresh(mark)
    }

    pub(crate) fn number(&self) -> u64 {
        self.ids.number()
    }

    /// The signature in the names of sessions.
    pub(crate) fn signature(&self) -> String {
        self.ids.signature()
    }

    pub(crate) fn project_id(&self) -> String {
        self.settings.project.clone()
    }

    // What people and tests read.

    /// Adds a line to the transcript.
    pub(crate) fn tell(&mut self, line: String) {
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.listeners.retain(|listener| listener.send(line.clone()).is_ok());
        self.lines.push_back(line);
    }

    pub(crate) fn violation(&mut self, what: String) {
        if self.violations.len() < LINES_KEPT {
            self.violations.push(what);
        }
    }
}
