//! The simulated service itself: all its state behind one lock, and the heap of what is due.
//!
//! Everything happens under that lock, one thing after the other; what must not happen under it (closing sockets,
//! waking threads) is collected and done after. No code of the program runs here.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Clock, Deadline, Sender};
use crate::secret::Secret;
use crate::simulator::faults::cut::Cutting;
use crate::simulator::handles::expect::Expected;
use crate::simulator::handles::link::Faults;
use crate::simulator::handles::people::{NumberPlan, Person};
use crate::simulator::line::link::{Lines, Link, Way};
use crate::simulator::record::journal::{Direction, EntryKind, Frame, Log};
use crate::simulator::service::sessions::Session;
use crate::simulator::switchboard::calls::Leg;
use crate::simulator::switchboard::conference::Conference;
use crate::simulator::switchboard::dial::Attempt;
use crate::simulator::switchboard::queue::Queue;
use crate::simulator::switchboard::texts::Outlooks;
use crate::simulator::verbs::ai::Wits;
use crate::simulator::verdict::deeds::Deed;
use crate::simulator::wire::frame;
use crate::simulator::world::mishaps::Trouble;
use crate::simulator::world::over::{Over, Unacked};

/// A client that does not read is cut when this much waits for it.
const UNREAD_LIMIT: usize = 64 << 20;

/// How many lines the transcript keeps.
const LINES_KEPT: usize = 10_000;

/// How many ids of requests are remembered for each connection, to find repeated ones.
const IDS_KEPT: usize = 65_536;

pub(crate) type SessionId = String;
pub(crate) type CallId = String;

/// What the writer of a connection is told.
pub(crate) enum Out {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Bytes as they are, after what was written before them.
    Bytes(Vec<u8>),
    Close,
    /// Closes with this code and reason.
    CloseWith(u16, String),
    /// Ends without a word, so that the socket can be reset.
    Abandon,
    /// The end, without a Close.
    End,
    /// TLS has something to say of its own.
    Flush,
}

pub(crate) struct Settings {
    pub(crate) speed: f64,
    pub(crate) seed: Option<u64>,
    pub(crate) project: String,
    pub(crate) token: Secret,
    pub(crate) any_credentials: bool,
    pub(crate) allow_unknown_fields: bool,
    pub(crate) allow_violations: bool,
    /// As [`KNOWN_FOR`](crate::simulator::world::over::KNOWN_FOR), but for tests.
    pub(crate) known_for: Duration,
    pub(crate) ping_every: Duration,
    pub(crate) ping_limit: Duration,
    pub(crate) replays_missed_events: bool,
    pub(crate) echo_secrets: bool,
    pub(crate) journal_limit: usize,
}

/// A connection that has finished its handshakes.
pub(crate) struct Conn {
    pub(crate) out: Sender<Out>,
    pub(crate) unread: Arc<std::sync::atomic::AtomicUsize>,
    pub(crate) socket: Arc<Link>,
    /// The client lives in another time, so that no deadline of this one holds for it.
    pub(crate) foreign: bool,
    pub(crate) session: Option<SessionId>,
    /// The client was told that it is authenticated, which it may never hear when replies are lost.
    pub(crate) welcomed: bool,
    pub(crate) event_acks: bool,
    pub(crate) major: i64,
    pub(crate) unacked: HashMap<String, Unacked>,
    pub(crate) ping: Option<String>,
    /// What goes wrong with its authentication.
    pub(crate) trouble: Option<Trouble>,
    /// When the last of what is on its way to the client, and from it, arrives.
    pub(crate) arrival: [Option<Instant>; 2],
    ids: HashSet<String>,
    id_order: VecDeque<String>,
}

impl Conn {
    pub(crate) fn new(out: Sender<Out>, unread: Arc<std::sync::atomic::AtomicUsize>, socket: Arc<Link>) -> Self {
        Self {
            out,
            unread,
            foreign: socket.is_foreign(),
            socket,
            session: None,
            welcomed: false,
            event_acks: false,
            major: 0,
            unacked: HashMap::new(),
            ping: None,
            trouble: None,
            arrival: [None, None],
            ids: HashSet::new(),
            id_order: VecDeque::new(),
        }
    }

    /// False when the id was used before.
    pub(crate) fn note_id(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.id_order.push_back(id.to_owned());
        if self.id_order.len() > IDS_KEPT {
            if let Some(old) = self.id_order.pop_front() {
                self.ids.remove(&old);
            }
        }
        true
    }
}

type Job = Box<dyn FnOnce(&mut World) + Send>;

struct Timer {
    at: Instant,
    sequence: u64,
    job: Job,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// Whether an event of this type and payload is the one that is waited for.
pub(crate) type Trigger = Box<dyn Fn(&str, &Value) -> bool + Send>;

/// A reply that is kept until something else has been sent.
pub(crate) struct LateReply {
    pub(crate) conn: u64,
    pub(crate) method: String,
    pub(crate) frame: Value,
    /// The event after which it goes out, when it is not released by hand.
    pub(crate) after: Option<Trigger>,
}

struct PendingEvent {
    session: SessionId,
    event_type: &'static str,
    context: Option<String>,
    params: Value,
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    started: Instant,
    pub(crate) run: Uuid,
    counter: u64,
    timers: BinaryHeap<Reverse<Timer>>,
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
    pub(crate) texts_sent: Vec<crate::simulator::switchboard::texts::Text>,
    pub(crate) unrouted_texts: VecDeque<(String, Value)>,
    pub(crate) faults: Faults,
    pub(crate) lines_to_clients: Arc<Lines>,
    pub(crate) cutting: Cutting,
    pub(crate) log: Log,
    pub(crate) claimed: HashMap<String, u64>,
    pub(crate) violations: Vec<String>,
    pub(crate) wits: Wits,
    pub(crate) deeds: VecDeque<Deed>,
    pub(crate) expected: Vec<(u64, Expected)>,
    /// What clients know to be over: calls, and operations by their control id.
    pub(crate) over: Over,
    pub(crate) slowest_ack: Duration,
    pub(crate) lines: VecDeque<String>,
    pub(crate) listeners: Vec<Sender<String>>,
    pub(crate) late: Vec<LateReply>,
    /// Ids, as JSON, of frames pushed by hand: answers to them are in order, however often they come.
    pub(crate) by_hand: ByHand,
    corked: Option<Vec<PendingEvent>>,
    to_close: Vec<Arc<Link>>,
    pub(crate) stopping: bool,
}

/// What is shared by the simulator, its threads and the handles on its people.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) lines_to_clients: Arc<Lines>,
    pub(crate) world: Mutex<World>,
    /// Rung after every change.
    pub(crate) bell: Condvar,
    /// Rung when the timer thread has to look again.
    pub(crate) timer_bell: Condvar,
}

impl Shared {
    pub(crate) fn new(clock: Clock, settings: Settings) -> Self {
        let lines_to_clients = Lines::new(clock.clone());
        let world = World {
            started: clock.now(),
            clock: clock.clone(),
            run: settings.seed.map_or_else(Uuid::new_v4, seeded),
            log: Log::new(settings.journal_limit),
            settings,
            counter: 0,
            timers: BinaryHeap::new(),
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
            lines_to_clients: Arc::clone(&lines_to_clients),
            cutting: Cutting::default(),
            claimed: HashMap::new(),
            violations: Vec::new(),
            wits: Wits::default(),
            deeds: VecDeque::new(),
            expected: Vec::new(),
            over: Over::default(),
            slowest_ack: Duration::ZERO,
            lines: VecDeque::new(),
            listeners: Vec::new(),
            late: Vec::new(),
            by_hand: ByHand::default(),
            corked: None,
            to_close: Vec::new(),
            stopping: false,
        };
        Self { clock, lines_to_clients, world: Mutex::new(world), bell: Condvar::new(), timer_bell: Condvar::new() }
    }

    /// Does something to the world, and afterwards what may not be done under its lock.
    pub(crate) fn with<R>(&self, job: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.world.lock();
        let before = world.next_due();
        let answer = job(&mut world);
        let sockets = std::mem::take(&mut world.to_close);
        let wake_timer = world.stopping || world.next_due() != before;
        drop(world);
        for socket in sockets {
            // A socket that is closed already is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if wake_timer {
            self.clock.wake_all(&self.timer_bell);
        }
        self.clock.wake_all(&self.bell);
        answer
    }

    /// Waits until `look` finds something; `None` when the deadline came first or the simulator stopped.
    pub(crate) fn wait_for<R>(&self, until: Deadline, mut look: impl FnMut(&mut World) -> Option<R>) -> Option<R> {
        let mut world = self.world.lock();
        loop {
            if let Some(found) = look(&mut world) {
                return Some(found);
            }
            if world.stopping {
                return None;
            }
            if !self.clock.wait(&self.bell, &mut world, until) {
                return look(&mut world);
            }
        }
    }

    /// The body of the timer thread.
    pub(crate) fn keep_time(&self) {
        loop {
            {
                let mut world = self.world.lock();
                loop {
                    if world.stopping {
                        return;
                    }
                    let due = world.next_due();
                    // Also when something is due already: in virtual time what the one before it has set off is
                    // over by the end of this.
                    if !self.clock.wait(&self.timer_bell, &mut world, due) {
                        break;
                    }
                }
            }
            self.with(World::run_due);
        }
    }
}

impl World {
    // Time.

    fn next_due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse(timer)| timer.at)
    }

    /// Does the first of what is due; the rest has its turn after the lock was free once.
    fn run_due(&mut self) {
        let now = self.clock.now();
        if self.timers.peek().is_some_and(|Reverse(timer)| timer.at <= now) {
            if let Some(Reverse(timer)) = self.timers.pop() {
                (timer.job)(self);
            }
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
        self.counter += 1;
        self.timers.push(Reverse(Timer { at, sequence: self.counter, job: Box::new(job) }));
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

    /// A fresh id that looks like the service's and says what it is for: the first group is `mark`.
    pub(crate) fn fresh_id(&mut self, mark: u32) -> String {
        self.counter += 1;
        let (_, a, b, _) = self.run.as_fields();
        format!("{mark:08x}-{a:04x}-{b:04x}-8000-{:012x}", self.counter)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The signature in the names of sessions.
    pub(crate) fn signature(&self) -> String {
        format!("{:06x}", self.run.as_fields().0 & 0x00ff_ffff)
    }

    pub(crate) fn project_id(&self) -> String {
        self.settings.project.clone()
    }

    // What people and tests read.

    /// Whether this is the id of a call that there was.
    pub(crate) fn is_ours(&self, call_id: &str) -> bool {
        let (_, a, b, _) = self.run.as_fields();
        let number = call_id.strip_prefix(&format!("{:08x}-{a:04x}-{b:04x}-8000-", 0xca11));
        number.and_then(|number| u64::from_str_radix(number, 16).ok()).is_some_and(|number| number <= self.counter)
    }

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

    // Sending.

    /// Sends a frame, and lets go wrong with it what is to go wrong.
    pub(crate) fn send(&mut self, conn: u64, kind: EntryKind, method: &str, frame: Value) {
        if self.faults.frozen || !self.conns.contains_key(&conn) {
            return;
        }
        if self.faults.is_quiet() {
            self.put(conn, kind, method, frame);
        } else {
            self.send_amiss(conn, kind, method, frame);
        }
    }

    /// Puts a frame into the queue of a connection and into the journal.
    pub(crate) fn put(&mut self, conn: u64, kind: EntryKind, method: &str, frame: Value) {
        if !self.conns.contains_key(&conn) {
            return;
        }
        let (passes, cut_behind) = self.sends_frame(conn, kind, method, &frame);
        let Some(connection) = self.conns.get_mut(&conn).filter(|_| passes) else { return };
        connection.welcomed |= kind == EntryKind::Reply && method == "signalwire.connect";
        let text = frame.to_string();
        let waiting = connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
        if waiting > UNREAD_LIMIT {
            self.violation(format!("connection {conn} did not read: {waiting} bytes wait for it, so it was cut"));
            self.cut(conn);
            return;
        }
        if kind == EntryKind::Event && connection.event_acks && connection.unacked.len() < IDS_KEPT {
            let unacked = Unacked { sent: self.clock.now(), ends: self.what_ends(method, &frame) };
            if let (Some(id), Some(connection)) = (frame["id"].as_str(), self.conns.get_mut(&conn)) {
                connection.unacked.insert(id.to_owned(), unacked);
            }
        }
        self.pass_on(conn, Out::Text(text));
        self.note(Direction::ToClient, kind, conn, method, frame);
        if cut_behind {
            self.end_here(conn);
        }
    }

    /// Gives the writer of a connection something to do, as late as the latency of the line has it.
    pub(crate) fn pass_on(&mut self, conn: u64, out: Out) {
        let arrival = self.arrival(conn, Way::ToClient);
        let Some(connection) = self.conns.get(&conn) else { return };
        match arrival {
            // A connection whose writer has gone is about to be removed by its reader.
            None => drop(connection.out.send(out)),
            // It arrives even when the service has closed its end by then.
            Some(at) => {
                let to = connection.out.clone();
                self.at(at, move |_| drop(to.send(out)));
            }
        }
    }

    pub(crate) fn note(&mut self, direction: Direction, kind: EntryKind, conn: u64, method: &str, mut frame: Value) {
        if frame::may_carry_secrets(method) {
            frame::redact(&mut frame);
            if self.settings.echo_secrets {
                if let Some(identity) = frame.pointer_mut("/result/identity") {
                    *identity = "<secret>".into();
                }
            }
        }
        let at = self.elapsed();
        self.log.add(at, direction, kind, conn, method, Frame::Json(frame));
    }

    /// Closes a connection at once: what is queued is lost.
    pub(crate) fn cut(&mut self, conn: u64) {
        if let Some(connection) = self.conns.remove(&conn) {
            self.to_close.push(Arc::clone(&connection.socket));
            self.left(conn, &connection);
        }
    }

    /// Keeps events back, until [`uncork`](Self::uncork), so that a reply can go out before them.
    pub(crate) fn cork(&mut self) {
        self.corked = Some(Vec::new());
    }

    pub(crate) fn uncork(&mut self) {
        for event in self.corked.take().unwrap_or_default() {
            self.push(&event.session, event.event_type, event.context, event.params);
        }
    }

    /// Sends an event of a call.
    pub(crate) fn emit(&mut self, session: &str, event_type: &'static str, params: Value) {
        self.emit_in(session, event_type, None, params);
    }

    /// Sends an event whose envelope names a context.
    pub(crate) fn emit_in(&mut self, session: &str, event_type: &'static str, context: Option<String>, params: Value) {
        match &mut self.corked {
            Some(waiting) => waiting.push(PendingEvent { session: session.to_owned(), event_type, context, params }),
            None => self.push(session, event_type, context, params),
        }
    }

    fn push(&mut self, session: &str, event_type: &'static str, context: Option<String>, params: Value) {
        let releases: Vec<bool> =
            self.late.iter().map(|reply| reply.after.as_ref().is_some_and(|fits| fits(event_type, &params))).collect();
        let (id, frame) = self.envelope(session, event_type, context, params);
        self.deliver(session, event_type, id, frame);
        if releases.contains(&true) {
            let mut at = 0;
            let (ready, kept) = std::mem::take(&mut self.late).into_iter().partition(|_| {
                at += 1;
                releases[at - 1]
            });
            self.late = kept;
            let ready: Vec<LateReply> = ready;
            for reply in ready {
                self.send(reply.conn, EntryKind::Reply, &reply.method, reply.frame);
            }
        }
    }

    /// Builds the request that carries an event.
    pub(crate) fn envelope(
        &mut self,
        session: &str,
        event_type: &str,
        context: Option<String>,
        params: Value,
    ) -> (String, Value) {
        let id = self.fresh_id(0xe7e7);
        let mut envelope = json!({
            "event_type": event_type,
            "timestamp": self.clock.unix(),
            "project_id": self.settings.project,
            "space_id": "51500000-0000-4000-8000-000000000001",
            "params": params,
        });
        if let Some(context) = context {
            envelope["context"] = context.into();
        }
        if !event_type.starts_with("messaging.") {
            envelope["event_channel"] = session.into();
        }
        let frame = frame::request(&id, "signalwire.event", envelope);
        (id, frame)
    }

    /// Sends an event to the connection of a session, or keeps it for a resume when that was asked for.
    pub(crate) fn deliver(&mut self, session: &str, event_type: &str, id: String, frame: Value) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        let Some(conn) = known.conn else {
            if self.settings.replays_missed_events {
                known.missed.push((event_type.to_owned(), id, frame));
            }
            return;
        };
        self.send(conn, EntryKind::Event, event_type, frame);
    }
}

/// The part of all ids that tells one run from another, when it is chosen.
fn seeded(seed: u64) -> Uuid {
    // Neighbouring seeds are not to give ids that look alike (the finisher of MurmurHash3).
    let mix = |mut bits: u64| {
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        bits ^ (bits >> 33)
    };
    Uuid::from_u64_pair(mix(seed.wrapping_add(1)), mix(!seed))
}

/// Seconds as a `Duration`; nonsense counts as zero, far too much as a year.
pub(crate) fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(31_536_000.0)).unwrap_or_default()
}

/// How many ids of frames sent by hand are remembered, at least.
const BY_HAND: usize = 10_000;

/// The ids of frames that were sent by hand: the last ones of them, because a million may be sent.
#[derive(Default)]
pub(crate) struct ByHand {
    recent: HashSet<String>,
    former: HashSet<String>,
}

impl ByHand {
    pub(crate) fn insert(&mut self, id: String) {
        if self.recent.len() >= BY_HAND {
            self.former = std::mem::take(&mut self.recent);
        }
        self.recent.insert(id);
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.recent.contains(id) || self.former.contains(id)
    }
}
