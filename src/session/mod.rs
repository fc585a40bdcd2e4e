//! One authenticated session over one connection at a time: requests and responses, events, pings, reconnecting.
//!
//! This file has what a client and everything that belongs to it share. Its methods are in the files beside it, by what
//! they are for: `requests`, `room`, `ticks`, `ending`, `auth`, `lines`, `reconnect`.

mod alarms;
mod auth;
mod backoff;
mod dispatch;
mod ending;
mod identity;
mod ids;
mod lines;
mod outcome;
mod pending;
mod reconnect;
mod refusals;
mod release;
mod requests;
mod room;
mod settings;
mod state;
mod stats;
mod ticks;
mod timers;
mod traced;
mod warnings;
mod watch;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;

pub(crate) use self::alarms::Alarm;
use self::alarms::Alarms;
use self::identity::Identity;
use self::ids::Ids;
pub(crate) use self::lines::TARGET;
use self::pending::Pending;
pub(crate) use self::pending::{Answer, Effect};
pub(crate) use self::refusals::may_pass;
pub(crate) use self::requests::Ask;
pub(crate) use self::room::Charge;
pub use self::settings::HandlerFailure;
pub(crate) use self::settings::{Credentials, JwtSource, OFFLINE_QUEUE, Settings, StateWatcher, WORKER_STACK};
use self::state::Board;
pub use self::state::{LinkState, LinkStates};
pub(crate) use self::stats::Counters;
pub use self::stats::Stats;
pub(crate) use self::timers::TimerId;
use self::timers::Timers;
pub(crate) use self::traced::end_wait;
use self::watch::{Watch, Watched};
use crate::clock::{Clock, Deadline, Share, Whose};
use crate::error::{self, Error, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::frame::Envelope;
use crate::protocol::labels::Labels;
use crate::secret::Secrets;
use crate::trace::{Trace, Tracer};
use crate::transport::{Connector, Cutoff, WRITE_SLICE, Writer, WriterSettings};
use crate::workers::{self, Pool, Workers};

/// The name of the reader thread.
const READER: &str = "relay-reader";

/// Receives every event, and what happens to the connection. Methods run on the reader or the writer thread, except where
/// they say otherwise: they must not block and must not run user code.
pub(crate) trait EventSink: Send + Sync {
    fn event(&self, session: &Arc<Session>, envelope: &Envelope<'_>);
    /// Takes a call out of the tables that has ended, or whose last operation has. Called on any thread.
    fn call_over(&self, call_id: &str);
    /// Delivers the start and the end of a conference, which name no call, to a call that takes part in it, until the
    /// returned guard is dropped. Called on any thread.
    fn attend(&self, conference: &str, call_id: &str) -> Box<dyn Send>;
    /// Ends the dials, because the client is about to be closed: requests can still be sent. Called on any thread.
    fn closing(&self, session: &Arc<Session>);
    /// Drops the events whose call or message has not become known in time.
    fn sweep(&self, session: &Arc<Session>);
    /// `true` if a call of this ID is live.
    fn is_live(&self, call_id: &str) -> bool;
    /// Gives up the messages whose last event is too old.
    fn sweep_messages(&self, session: &Arc<Session>);
    /// Forgets the dials that were given up so long ago that they can no longer be answered.
    fn forget_dials(&self, session: &Arc<Session>);
    /// Gives up the calls that are unconfirmed since a resume at this time.
    fn end_doubtful(&self, session: &Arc<Session>, since: Instant);
    /// Marks the calls unconfirmed, because the session was resumed and events may have been missed.
    fn resumed(&self, session: &Arc<Session>);
    /// Ends everything that belonged to the previous session.
    fn session_lost(&self, session: &Arc<Session>);
    /// Ends everything, because the client is closed. Called on any thread.
    fn closed(&self, session: &Arc<Session>);
}

/// The state that a client and everything that belongs to it share.
pub(crate) struct Session {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) credentials: Credentials,
    pub(crate) secrets: Arc<Secrets>,
    /// The part that calls need for as long as a program holds handles of them.
    pub(crate) of_calls: Arc<OfCalls>,
    /// Runs listeners and callbacks.
    pub(crate) workers: Workers,
    /// Runs the handlers of inbound calls. Each kind of user code has threads of its own, so that handlers that block do
    /// not delay callbacks, and handlers of messages do not delay calls.
    pub(crate) call_workers: Workers,
    /// Runs the handlers of inbound messages.
    pub(crate) message_workers: Workers,
    pub(crate) counters: Counters,
    pub(crate) board: Board,
    /// Calls the program's `on_state` with one state after another.
    states: Arc<Mailbox>,
    /// ID of the process that has the threads of this client.
    process: u32,
    sink: Arc<dyn EventSink>,
    connector: Connector,
    cutoff: Cutoff,
    /// `None` if nothing is traced.
    tracer: Option<Tracer>,
    writer: Writer,
    pending: Pending,
    timers: Timers<Session>,
    alarms: Alarms,
    identity: Mutex<Identity>,
    watch: Mutex<Watch>,
    suspected: AtomicBool,
    closing: Latch<()>,
    /// Set by the reader when the first connection is up, or has failed for good.
    ready: Latch<Result<()>>,
    /// Set when the reader and the writer have ended.
    ended: Latch<Option<Error>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ids: Ids,
    /// Bytes of events that wait for listeners and streams.
    notices: Arc<AtomicUsize>,
    /// Bytes of large responses and results that handles keep.
    outcomes: Arc<AtomicUsize>,
    /// Number of events that the reader remembers.
    seen: AtomicUsize,
    owner: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// Dropped when the client is closed.
    held: Mutex<Option<Box<dyn Send>>>,
}

/// The part of a session that every call shares.
pub(crate) struct OfCalls {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) labels: Labels,
}

impl Session {
    pub(crate) fn new(
        clock: Clock,
        settings: Settings,
        credentials: Credentials,
        contexts: Vec<String>,
        mut connector: Connector,
        sink: Arc<dyn EventSink>,
        trace: Option<&Trace>,
    ) -> Arc<Self> {
        let writer = WriterSettings {
            queue_bytes: settings.write_queue,
            stall: settings.write_timeout,
            hand_over: WRITE_SLICE,
            control_bytes: 4 << 20,
        };
        let secrets = Arc::new(Secrets::default());
        secrets.set_own(credentials.secrets().cloned().collect());
        let tracer =
            trace.and_then(|trace| Tracer::start(trace, &clock, &secrets, settings.log_content, settings.log_numbers));
        if let Some(tracer) = tracer.clone() {
            connector.report_phases(move |phase, took, error| traced::phase(&tracer, phase, took, error));
        }
        let pool = |name, share| {
            let Settings { worker_idle: stay, max_workers: limit, worker_stack: stack, .. } = settings;
            Workers::new(clock.clone(), Arc::clone(&secrets), Pool { name, stay, limit, stack, share })
        };
        let session = Arc::new(Self {
            workers: pool("relay-worker", Share::Whole),
            call_workers: pool("relay-handler", Share::Most),
            message_workers: pool("relay-handler", Share::Most),
            of_calls: Arc::new(OfCalls { secrets: Arc::clone(&secrets), labels: Labels::default() }),
            secrets,
            counters: Counters::default(),
            board: Board::new(),
            states: Mailbox::new(),
            process: std::process::id(),
            sink,
            connector,
            cutoff: Cutoff::new(clock.clone()),
            tracer,
            writer: Writer::new(clock.clone(), writer),
            pending: Pending::new(clock.clone(), settings.offline_queue),
            timers: Timers::default(),
            alarms: Alarms::default(),
            identity: Mutex::new(Identity::new(contexts)),
            watch: Mutex::default(),
            suspected: AtomicBool::new(false),
            closing: Latch::new(),
            ready: Latch::new(),
            ended: Latch::new(),
            threads: Mutex::default(),
            ids: Ids::new(),
            notices: Arc::default(),
            outcomes: Arc::default(),
            seen: AtomicUsize::new(0),
            owner: OnceLock::new(),
            held: Mutex::new(None),
            credentials,
            clock,
            settings,
        });
        for workers in session.pools() {
            let of_workers = Arc::downgrade(&session);
            workers.on_call_for_help(move || {
                if let Some(session) = of_workers.upgrade() {
                    session.writer.wake();
                }
            });
        }
        session
    }

    /// Starts the writer, makes the first connection on the calling thread, and starts the reader on it.
    pub(crate) fn start(self: &Arc<Self>) -> Result<()> {
        let keeper = Arc::clone(self);
        self.spawn("relay-writer", move || {
            // The writer thread has nothing else to do while the name is looked up and the connection is made. An error
            // here would be returned there as well.
            let _ = catch_unwind(AssertUnwindSafe(|| keeper.connector.warm_up()));
            keeper.writer.run(&keeper);
        })?;
        // This thread does the reader's work, and takes the reader's place in virtual time.
        let _here = self.clock.stand_in(Whose::Client, READER);
        self.trace_state(&LinkState::Connecting);
        match reconnect::connect(self) {
            Ok(connected) => {
                let made = self.spawn(READER, move || connected.supervise());
                made.inspect_err(|_| {
                    self.close();
                    self.finish(None);
                })
            }
            Err(cause) => {
                self.finish(cause);
                self.join();
                self.ready.get().unwrap_or_else(|| Err(error::closed("connect")))
            }
        }
    }

    fn pools(&self) -> [&Workers; 3] {
        [&self.call_workers, &self.message_workers, &self.workers]
    }

    /// Makes sure that a thread takes the handlers and callbacks that are queued.
    pub(crate) fn kick(&self) {
        self.pools().into_iter().for_each(Workers::kick);
    }

    /// Blocks until no handler or callback is queued or runs, except the calling one. Returns `false` on a timeout.
    pub(crate) fn wait_quiet(&self, until: Deadline) -> bool {
        // Handlers first, because they start callbacks.
        self.pools().into_iter().all(|pool| pool.wait_quiet(until))
    }

    /// Returns `true` on a thread that runs a handler, a listener or a callback of this client.
    pub(crate) fn runs_here(&self) -> bool {
        self.pools().into_iter().any(Workers::runs_here)
    }

    /// Number of handlers and callbacks that run or are queued, except the calling one.
    pub(crate) fn unfinished(&self) -> usize {
        self.pools().into_iter().map(Workers::unfinished).sum()
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let body = move || {
            workers::mark_our_thread();
            body();
        };
        let thread = self.clock.spawn(Whose::Client, name, body);
        let thread = thread.map_err(|e| error::config(format!("the system refused a thread ({name}): {e}")))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Returns a new ID for an operation or a dial.
    pub(crate) fn new_id(&self) -> String {
        self.ids.next().to_string()
    }

    pub(crate) fn protocol(&self) -> String {
        self.identity.lock().protocol().to_owned()
    }

    pub(crate) fn contexts(&self) -> Vec<String> {
        self.identity.lock().contexts().to_vec()
    }

    /// Adds to the contexts that this and every later connection subscribes to.
    pub(crate) fn want(&self, contexts: &[String]) {
        self.identity.lock().add_contexts(contexts);
    }

    pub(crate) fn unwant(&self, contexts: &[String]) {
        self.identity.lock().remove_contexts(contexts);
    }

    pub(crate) fn host(&self) -> &str {
        self.connector.endpoint().host()
    }

    /// The receiver of events.
    pub(crate) fn sink(&self) -> &dyn EventSink {
        &*self.sink
    }

    /// Sets the owner by which the `Client` of this session is found. Only the first call has an effect.
    pub(crate) fn set_owner(&self, owner: Weak<dyn Any + Send + Sync>) {
        let _twice = self.owner.set(owner);
    }

    pub(crate) fn owner(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.owner.get()?.upgrade()
    }

    /// A text of the service or the program as it may be shown; see [`Secrets::clean`].
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.clean(text)
    }

    /// Takes a call out of the tables that has ended.
    pub(crate) fn call_over(&self, call_id: &str) {
        self.sink.call_over(call_id);
    }

    /// `true` if this process was forked from the one that connected. A forked process shares the socket and has none of
    /// the threads. The system call takes 0.2 µs; a request makes one or two, a wait makes one.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// Returns an error in a forked process. Called before a lock of the session is taken, because a thread that held the
    /// lock at the time of the fork does not exist in the new process and would never release it.
    pub(crate) fn check_process(&self, what: &str) -> Result<()> {
        if self.is_forked() { Err(error::forked(what)) } else { Ok(()) }
    }

    /// Announces a state of the connection, also to the program's `on_state`, whose code runs on a worker.
    fn announce(self: &Arc<Self>, state: LinkState) {
        self.trace_state(&state);
        if let Some(watcher) = &self.settings.on_state {
            let (session, watcher, state) = (Arc::clone(self), watcher.clone(), state.clone());
            let tell =
                move || session.run_user(&[], || "the callback of on_state".into(), || watcher.call(&state), || ());
            self.states.post(&self.workers, Box::new(tell));
        }
        self.board.set(state);
    }

    /// The lines of the trace that are about a call. Empty without a trace.
    pub(crate) fn trace_of_call(&self, call_id: &str) -> String {
        self.tracer.as_ref().map(|tracer| tracer.of_call(call_id)).unwrap_or_default()
    }

    /// Keeps something until the client is closed.
    pub(crate) fn hold_until_closed(&self, what: impl Send + 'static) {
        *self.held.lock() = Some(Box::new(what));
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.counters.read();
        stats.pending_requests = self.pending.count();
        stats.offline_requests = self.pending.queued();
        stats.posted_requests = self.pending.posted();
        stats.write_queue_bytes = self.writer.queued_bytes();
        stats.listener_backlog_bytes = self.notices.load(Ordering::Relaxed);
        stats.outcome_bytes = self.outcomes.load(Ordering::Relaxed);
        stats.remembered_events = self.seen.load(Ordering::Relaxed);
        stats.timers = self.timers.len();
        for pool in self.pools() {
            stats.workers += pool.threads();
            stats.jobs_waiting += pool.waiting();
            stats.panics += pool.panics();
        }
        if let Some(tracer) = &self.tracer {
            stats.trace_dropped = tracer.dropped();
            stats.trace_bytes = tracer.waiting();
        }
        stats
    }
}
