//! One authenticated session over one link at a time: requests and replies, events, pings, reconnecting.

mod alarms;
mod auth;
mod backoff;
mod dispatch;
mod lines;
mod outcome;
mod pending;
mod reconnect;
mod refusals;
mod release;
mod settings;
mod state;
mod stats;
mod timers;
mod traced;
mod warnings;
mod watch;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use uuid::Uuid;

pub(crate) use self::alarms::Alarm;
use self::alarms::Alarms;
pub(crate) use self::lines::TARGET;
use self::pending::{Again, CancelOutcome, DeferredCompletion, Lost, Pending, Registered, Request, Slot};
pub(crate) use self::pending::{Answer, Effect};
pub(crate) use self::refusals::may_pass;
pub use self::settings::HandlerFailure;
pub(crate) use self::settings::{Credentials, JwtSource, OFFLINE_QUEUE, Settings, StateWatcher, WORKER_STACK};
use self::state::Board;
pub use self::state::{LinkState, LinkStates};
pub(crate) use self::stats::Counters;
pub use self::stats::Stats;
pub(crate) use self::timers::TimerId;
use self::timers::{Task, Timers};
pub(crate) use self::traced::end_wait;
use self::watch::{Act, Watch, Watched};
use crate::clock::{Clock, Deadline, Share, Whose};
use crate::error::{self, Error, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::constants::METHOD_SIGNALWIRE_PING;
use crate::protocol::frame::{self, Envelope, EventHead, Reply, WireError};
use crate::protocol::labels::Labels;
use crate::protocol::limits::SMALL;
use crate::secret::{Secret, Secrets};
use crate::trace::{Trace, Tracer};
use crate::transport::{Connector, Cutoff, Keeper, NotSent, Out, WRITE_SLICE, Writer, WriterSettings};
use crate::workers::{self, Pool, Workers};

/// The name of the reader thread.
const READER: &str = "relay-reader";
/// How long `disconnect()` waits for the reader and the writer to end.
const JOIN_LIMIT: Duration = Duration::from_secs(2);
/// Why a link ends that the service asked to close.
const LEAVING: &str = "the service asked to reconnect";
/// How long the service has to answer our Close before the socket is cut.
const GOODBYE: Duration = Duration::from_millis(250);

/// Where events go. Called on the reader: nothing here may block or run user code.
pub(crate) trait EventSink: Send + Sync {
    fn event(&self, session: &Arc<Session>, envelope: &Envelope<'_>);
    /// A call is over, or its last operation is.
    fn call_over(&self, call_id: &str);
    /// A call takes part in a conference, whose beginning and end are told to no call: until the returned guard is
    /// dropped.
    fn attend(&self, conference: &str, call_id: &str) -> Box<dyn Send>;
    /// The client is about to be closed: the last moment to send something.
    fn closing(&self, session: &Arc<Session>);
    /// Events that waited too long for somebody to know them are dropped.
    fn sweep(&self, session: &Arc<Session>);
    /// Whether a call of this ID is live here.
    fn is_live(&self, call_id: &str) -> bool;
    /// Messages that nothing was heard of for too long are followed no longer.
    fn sweep_messages(&self, session: &Arc<Session>);
    /// Dials that were given up long ago can no longer be answered.
    fn forget_dials(&self, session: &Arc<Session>);
    /// Calls that nothing was heard of since a resume at this time are given up.
    fn end_doubtful(&self, session: &Arc<Session>, since: Instant);
    /// The session goes on after a gap.
    fn resumed(&self, session: &Arc<Session>);
    /// Another session has taken its place: all that belonged to it ends.
    fn session_lost(&self, session: &Arc<Session>);
    /// The client is closed. Called on any thread.
    fn closed(&self, session: &Arc<Session>);
}

/// What a client and everything that belongs to it share.
pub(crate) struct Session {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) credentials: Credentials,
    pub(crate) secrets: Arc<Secrets>,
    /// What calls need of it as long as there are handles on them.
    pub(crate) of_calls: Arc<OfCalls>,
    /// Run listeners and callbacks.
    pub(crate) workers: Workers,
    /// Run the handlers of inbound calls, and of inbound messages. Each kind has threads of its own: handlers that block
    /// keep no callback from running, and messages no call.
    pub(crate) call_workers: Workers,
    pub(crate) message_workers: Workers,
    pub(crate) counters: Counters,
    pub(crate) board: Board,
    /// Where the program's watcher is told of states, one after another.
    states: Arc<Mailbox>,
    /// The process that has the threads of this client.
    process: u32,
    sink: Arc<dyn EventSink>,
    connector: Connector,
    cutoff: Cutoff,
    /// `None` when nothing is traced.
    tracer: Option<Tracer>,
    writer: Writer,
    pending: Pending,
    timers: Timers<Session>,
    alarms: Alarms,
    identity: Mutex<Identity>,
    watch: Mutex<Watch>,
    suspected: AtomicBool,
    closing: Latch<()>,
    /// Set by the reader when the first connection stands, or failed for good.
    ready: Latch<Result<()>>,
    /// Set when reader and writer are done.
    ended: Latch<Option<Error>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ids: Ids,
    /// Bytes of notices that wait for listeners and streams.
    notices: Arc<AtomicUsize>,
    /// Bytes of large replies and outcomes that handles hold.
    outcomes: Arc<AtomicUsize>,
    /// How many events the reader remembers.
    seen: AtomicUsize,
    owner: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// Given back when the client is closed.
    held: Mutex<Option<Box<dyn Send>>>,
}

/// What every call of a client has a part in.
pub(crate) struct OfCalls {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) labels: Labels,
}

/// What the service knows this client by.
#[derive(Default)]
struct Identity {
    /// The contexts wanted, in the order they were asked for.
    contexts: Vec<String>,
    /// The protocol string of the session, empty before the first.
    protocol: String,
    /// Whether `protocol` may be sent to resume.
    resumable: bool,
    authorization_state: Secret,
    /// The one before it, which the service may still repeat when it refuses it.
    former_state: Secret,
    /// A JWT that takes the place of the one that the client was built with.
    jwt: Option<Secret>,
    /// The one before it, which the service may still repeat when it refuses it.
    former_jwt: Option<Secret>,
}

impl Identity {
    fn replace_state(&mut self, state: Secret) {
        let former = std::mem::replace(&mut self.authorization_state, state);
        if !former.is_empty() {
            self.former_state = former;
        }
    }
}

/// Request ids: UUIDs of the random kind, one random base and a counter, because asking the system for randomness
/// costs more than the rest of a request.
struct Ids {
    base: [u8; 16],
    made: AtomicU64,
}

impl Ids {
    fn next(&self) -> Uuid {
        let mut bytes = self.base;
        let count = self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, count) in bytes[10..].iter_mut().zip(&count[2..]) {
            *byte ^= count;
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// One request, as it is asked for.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    /// The JSON object of its parameters.
    pub(crate) params: &'a str,
    pub(crate) call_id: Option<&'a str>,
    /// Whether it makes sense in this session only, as everything about a call does.
    pub(crate) of_session: bool,
    /// Whether something else bounds how many of these there are, so that [`Settings::offline_queue`] does not apply:
    /// a call owes one end and one pass, and a full queue must not leave a caller on the line.
    pub(crate) owed: bool,
    /// Until when it may take; the request timeout from now, when not said.
    pub(crate) until: Deadline,
    pub(crate) effect: Option<Effect>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: &'a str, params: &'a str, call_id: Option<&'a str>) -> Self {
        Self { method, params, call_id, of_session: call_id.is_some(), owed: false, until: None, effect: None }
    }

    pub(crate) fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }
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
            identity: Mutex::new(Identity { contexts, ..Identity::default() }),
            watch: Mutex::default(),
            suspected: AtomicBool::new(false),
            closing: Latch::new(),
            ready: Latch::new(),
            ended: Latch::new(),
            threads: Mutex::default(),
            ids: Ids { base: Uuid::new_v4().into_bytes(), made: AtomicU64::new(0) },
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
            // It has nothing else to do while the name is looked up and the connection is made. What fails here fails
            // there as well.
            let _ = catch_unwind(AssertUnwindSafe(|| keeper.connector.warm_up()));
            keeper.writer.run(&keeper);
        })?;
        // The reader's work, and its place in virtual time.
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

    /// Sees to it that what was queued for handlers and callbacks is taken.
    pub(crate) fn kick(&self) {
        self.pools().into_iter().for_each(Workers::kick);
    }

    /// Waits until no handler or callback waits or runs but the one that asks; false when the time is up.
    pub(crate) fn wait_quiet(&self, until: Deadline) -> bool {
        // In this order: handlers start callbacks.
        self.pools().into_iter().all(|pool| pool.wait_quiet(until))
    }

    /// How many handlers and callbacks run or wait, apart from the one that asks.
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

    /// A new id, for an operation or a dial.
    pub(crate) fn new_id(&self) -> String {
        self.ids.next().to_string()
    }

    // What the service knows of us.

    pub(crate) fn protocol(&self) -> String {
        self.identity.lock().protocol.clone()
    }

    pub(crate) fn contexts(&self) -> Vec<String> {
        self.identity.lock().contexts.clone()
    }

    /// Adds to the contexts that this and every later connection subscribes to.
    pub(crate) fn want(&self, contexts: &[String]) {
        let mut identity = self.identity.lock();
        for context in contexts {
            if !identity.contexts.contains(context) {
                identity.contexts.push(context.clone());
            }
        }
    }

    pub(crate) fn unwant(&self, contexts: &[String]) {
        self.identity.lock().contexts.retain(|context| !contexts.contains(context));
    }

    pub(crate) fn host(&self) -> &str {
        self.connector.endpoint().host()
    }

    /// Where events go.
    pub(crate) fn sink(&self) -> &dyn EventSink {
        &*self.sink
    }

    /// What the `Client` of this session can be found by; set once.
    pub(crate) fn set_owner(&self, owner: Weak<dyn Any + Send + Sync>) {
        let _twice = self.owner.set(owner);
    }

    pub(crate) fn owner(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.owner.get()?.upgrade()
    }

    /// A text of others as it may be shown; see [`Secrets::clean`].
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.clean(text)
    }

    /// A refusal in the service's words, without our secrets in them.
    fn clean_refusal(&self, mut refusal: WireError) -> WireError {
        refusal.message = self.clean(&refusal.message);
        if let Some(details) = &mut refusal.details {
            frame::mask_texts(details, &self.secrets.mask());
        }
        refusal
    }

    // Requests.

    /// Sends a request and waits for its reply, at most as long as the request timeout.
    pub(crate) fn request(&self, ask: Ask<'_>) -> Result<Reply> {
        let Ask { method, params, call_id, of_session, owed, until, effect } = ask;
        self.check_process(method)?;
        let slot = Slot::of_this_thread(&self.clock);
        let until = until.or_else(|| self.clock.after(self.settings.request_timeout));
        let id = self.ids.next();
        frame::learn(params, &self.secrets);
        let text = frame::request(id, method, params);
        self.log_frame("→", &text);
        let waiter = Some(slot.sender.clone());
        let request = Request { id: id.as_u128(), text, until, of_session, owed, waiter, effect };
        let answer = match self.pending.register_in_turn(request) {
            Registered::Closed => return Err(error::closed(method)),
            Registered::Full => return Err(self.queue_full(method, call_id)),
            Registered::SessionLost => return Err(error::session_lost(method)),
            Registered::Queued => None,
            Registered::Online(generation, text) => self.hand_over(id.as_u128(), generation, text, until),
        };
        let answer = match answer {
            Some(answer) => answer,
            None => self.wait_for_answer(&slot, id.as_u128(), until),
        };
        self.judge(method, call_id, params, answer)
    }

    /// Turns the end of a request into what its caller gets.
    pub(crate) fn judge(&self, method: &str, call_id: Option<&str>, params: &str, answer: Answer) -> Result<Reply> {
        if matches!(answer, Answer::Unsent | Answer::ClosedUnsent) {
            self.request_dropped(method, call_id);
        }
        let shown = match &answer {
            Answer::Reply(_) => None,
            _ => call_id.map(|id| self.clean(id)),
        };
        let call_id = shown.as_deref();
        let outcome = match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Refused(refusal) => {
                let refusal = self.clean_refusal(refusal);
                let error = match (refusal.code, call_id) {
                    (Some(404 | 410), Some(call_id)) => {
                        error::call_gone(method, call_id, refusal.code, &refusal.message)
                    }
                    (code, call_id) if refusals::leaves_outcome_open(method, code) => {
                        error::failed_midway(method, call_id, code, &refusal.message)
                    }
                    (code, call_id) => error::rejected(method, call_id, code, &refusal.message),
                };
                Err(error.with_details(refusal.details))
            }
            Answer::Lost => Err(error::outcome_unknown(method, call_id, false)),
            Answer::Late => Err(error::outcome_unknown(method, call_id, true)),
            Answer::Unsent => Err(error::offline(method, call_id)),
            Answer::SessionLost => Err(error::session_lost(method)),
            Answer::Closed | Answer::ClosedUnsent => Err(error::closed(method)),
        };
        if log::log_enabled!(target: TARGET, log::Level::Debug) {
            let head = EventHead::parse_text(params);
            let about = [
                ("method", method),
                ("call_id", head.call_id.as_deref().unwrap_or_default()),
                ("control_id", head.control_id.as_deref().unwrap_or_default()),
                ("tag", head.tag.as_deref().unwrap_or_default()),
            ];
            self.line(log::Level::Debug, &about, || match &outcome {
                Ok(_) => "done".to_owned(),
                Err(error) => match error.code() {
                    Some(code) => {
                        format!("{:?} ({code}): {}", error.kind(), error.server_message().unwrap_or_default())
                    }
                    None => format!("{:?}", error.kind()),
                },
            });
        }
        outcome
    }

    /// Sends a request that nobody waits for; its effect is told how it ended. Never blocks. Gives its id.
    pub(crate) fn post(self: &Arc<Self>, ask: Ask<'_>) -> Result<u128> {
        let Ask { method, params, call_id, of_session, owed, until, effect } = ask;
        self.check_process(method)?;
        let until = until.or_else(|| self.clock.after(self.settings.request_timeout));
        let id = self.ids.next();
        frame::learn(params, &self.secrets);
        let text = frame::request(id, method, params);
        self.log_frame("→", &text);
        let id = id.as_u128();
        let request = Request { id, text, until, of_session, owed, waiter: None, effect };
        match self.pending.register(request) {
            Registered::Online(mut generation, mut text) => {
                while let Err(back) = self.writer.post_request(generation, id, text) {
                    match self.pending.again(id, back) {
                        Again::Online(next, back) => (generation, text) = (next, back),
                        Again::Settled => break,
                        Again::Full(owed) | Again::InPlaceOf(owed) => {
                            owed.complete(Answer::Unsent);
                            break;
                        }
                    }
                }
            }
            Registered::Queued => {}
            Registered::Full => return Err(self.queue_full(method, call_id)),
            Registered::SessionLost => return Err(error::session_lost(method)),
            Registered::Closed => return Err(error::closed(method)),
        }
        if self.pending.watch(id) {
            self.writer.wake();
        }
        Ok(id)
    }

    /// As many requests as allowed wait for the connection: this one is dropped.
    fn queue_full(&self, method: &str, call_id: Option<&str>) -> Error {
        self.request_dropped(method, call_id);
        error::queue_full(method, call_id.map(|id| self.clean(id)).as_deref(), self.settings.offline_queue)
    }

    /// Whether requests are sent at once.
    pub(crate) fn is_up(&self) -> bool {
        self.pending.generation().is_some()
    }

    /// Whether as many requests as allowed are unanswered that no thread waits for.
    pub(crate) fn posts_are_full(&self) -> bool {
        self.pending.posted() >= self.settings.posted_requests
    }

    /// Whether a posted request still waits for the link.
    pub(crate) fn is_queued(&self, id: u128) -> bool {
        self.pending.is_queued(id)
    }

    /// Takes a posted request back that still waits for the link; false when it is too late for that. Its effect is
    /// told nothing.
    pub(crate) fn retract(&self, id: u128) -> bool {
        self.pending.retract(id).is_some()
    }

    /// Sends a notification, which gets no answer. Only over a link that is up.
    pub(crate) fn notify(&self, method: &str, params: &str) -> Result<()> {
        self.check_process(method)?;
        if self.is_closing() {
            return Err(error::closed(method));
        }
        let Some(generation) = self.pending.generation() else { return Err(error::offline(method, None)) };
        frame::learn(params, &self.secrets);
        let text = frame::notification(method, params);
        self.log_frame("→", &text);
        let until = self.clock.after(self.settings.request_timeout);
        // The writer's own name for it: no entry of the table has it, so its loss concerns nobody.
        let id = self.ids.next().as_u128();
        let sent = self.writer.send(generation, id, text, self.pending.count(), until);
        log::debug!("{method}: {}", if sent.is_ok() { "sent" } else { "not sent" });
        sent.map_err(|_| error::offline(method, None))
    }

    /// Gives a registered request to the writer. An answer, if it came to one without a reply.
    fn hand_over(&self, id: u128, mut generation: u64, mut text: String, until: Deadline) -> Option<Answer> {
        loop {
            match self.writer.send(generation, id, text, self.pending.count(), until) {
                Ok(()) => return None,
                Err(NotSent::Gone(back)) => match self.pending.again(id, back) {
                    Again::Online(next, back) => (generation, text) = (next, back),
                    Again::Settled => return None,
                    Again::InPlaceOf(other) => {
                        other.complete(Answer::Unsent);
                        return None;
                    }
                    Again::Full(owed) => {
                        owed.complete_here(&Answer::Unsent);
                        return Some(Answer::Unsent);
                    }
                },
                Err(NotSent::Full) => {
                    return match self.pending.withdraw(id) {
                        CancelOutcome::Unsent(owed) | CancelOutcome::Handed(_, owed) => {
                            owed.complete_here(&Answer::Unsent);
                            Some(Answer::Unsent)
                        }
                        CancelOutcome::Answered => None,
                    };
                }
            }
        }
    }

    fn wait_for_answer(&self, slot: &Slot, id: u128, until: Deadline) -> Answer {
        let suspicious = self.clock.after(self.settings.probe_after);
        let first = match (suspicious, until) {
            (Some(suspicious), Some(until)) => Some(suspicious.min(until)),
            (suspicious, until) => suspicious.or(until),
        };
        if let Some(answer) = slot.wait(&self.clock, id, self.pending.count(), first) {
            return answer;
        }
        if !self.clock.is_past(until) {
            self.suspect();
            if let Some(answer) = slot.wait(&self.clock, id, 0, until) {
                return answer;
            }
        }
        let (answer, owed) = match self.pending.withdraw(id) {
            // Whoever took it completes it: the answer is on its way.
            CancelOutcome::Answered => return slot.wait(&self.clock, id, 0, None).unwrap_or(Answer::Closed),
            CancelOutcome::Unsent(owed) => (Answer::Unsent, owed),
            CancelOutcome::Handed(generation, owed) => {
                let unsent = self.writer.withdraw(generation, id);
                (if unsent { Answer::Unsent } else { Answer::Late }, owed)
            }
        };
        owed.complete_here(&answer);
        answer
    }

    /// A caller has waited for a while: if the link is silent as well, the writer asks the peer now.
    fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
        self.writer.wake();
    }

    fn complete(&self, owed: Vec<DeferredCompletion>, answer: &Answer) {
        for owed in owed {
            owed.complete(answer.clone());
        }
    }

    fn complete_lost(&self, lost: Lost) {
        self.complete(lost.sent, &Answer::Lost);
        self.complete(lost.unsent, &Answer::Unsent);
    }

    /// Requests count as sent from here on, though there is no link.
    #[cfg(test)]
    pub(crate) fn pretend_online(&self) {
        drop(self.pending.online(self.writer.prepare(1), self.clock.now()));
    }

    // Later.

    /// Has a task run at a time, on the writer thread: it must not block and must not call user code.
    pub(crate) fn at(&self, at: Instant, task: Task<Self>) -> TimerId {
        let (id, first) = self.timers.add(at, task);
        if first {
            self.writer.wake();
        }
        id
    }

    /// Has a task run after a time, on the writer thread. `None` when that time never comes.
    pub(crate) fn later(&self, span: Duration, task: impl FnOnce(&Arc<Self>) + Send + 'static) -> Option<TimerId> {
        self.clock.after(span).map(|at| self.at(at, Box::new(task)))
    }

    /// A task that has not run yet will not run.
    pub(crate) fn cancel(&self, timer: TimerId) {
        drop(self.timers.remove(timer));
    }

    // Notices that wait for slow listeners.

    /// Takes room for a notice that owns this many bytes. Without any more, a notice that has to be told all the same
    /// (`always`) takes it beyond the bound, and one that has not is to be dropped, which is counted.
    pub(crate) fn charge(&self, bytes: usize, always: bool) -> Option<Charge> {
        let limit = if always { usize::MAX } else { self.settings.max_listener_backlog_bytes };
        let charge = Charge::take(&self.notices, limit, bytes);
        if charge.is_none() {
            self.notice_dropped();
        }
        charge
    }

    /// The same for a notice that keeps no guard, and tells with [`give_back`](Self::give_back) that it waits no more.
    pub(crate) fn take_room(&self, bytes: usize, always: bool) -> bool {
        let limit = if always { usize::MAX } else { self.settings.max_listener_backlog_bytes };
        let taken = Charge::add(&self.notices, limit, bytes);
        if !taken {
            self.notice_dropped();
        }
        taken
    }

    /// Gives back what [`take_room`](Self::take_room) has taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.notices.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn notice_dropped(&self) {
        self.counters.listener_events_dropped.add(1);
        if let Some(tracer) = &self.tracer {
            tracer.note("dropped", None, serde_json::json!({"what": "notice", "count": 1}));
        }
        self.warn(Alarm::NoticeDropped, || {
            let limit = self.settings.max_listener_backlog_bytes;
            format!(
                "an event was dropped: {limit} bytes wait for slow listeners and streams already (Tuning::max_listener_backlog_bytes)"
            )
        });
    }

    /// Takes room for a reply or an outcome that a handle keeps: none, if it is a small one. An error when there is no
    /// more.
    pub(crate) fn keep(&self, bytes: usize, what: impl FnOnce() -> String) -> Result<Option<Charge>> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let limit = self.settings.outcome_bytes;
        match Charge::take(&self.outcomes, limit, bytes) {
            Some(charge) => Ok(Some(charge)),
            None => {
                let error = error::not_kept(&what(), bytes, limit);
                self.warn(Alarm::OutcomeDropped, || error.to_string());
                Err(error)
            }
        }
    }

    // Ending.

    /// A call is over: it leaves the tables.
    pub(crate) fn call_over(&self, call_id: &str) {
        self.sink.call_over(call_id);
    }

    /// Whether this process was forked from the one that connected: the socket is shared with that, and the threads are
    /// not there. It asks the system, which takes 0.2 µs: once or twice for a request, and once for a wait.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// Refuses what a forked process wants. Called before a lock of the session is taken: a thread that had it at the fork
    /// is not there to give it back.
    pub(crate) fn check_process(&self, what: &str) -> Result<()> {
        if self.is_forked() { Err(error::forked(what)) } else { Ok(()) }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_set()
    }

    /// Ends everything that waits and has the threads stop; returns at once. Whoever is first does it.
    pub(crate) fn close(self: &Arc<Self>) {
        if self.is_forked() || !self.closing.set(&self.clock, ()) {
            return;
        }
        if matches!(self.ready.get(), Some(Ok(()))) {
            log::info!("closing the connection to {}", self.host());
        }
        self.sink.closing(self);
        self.cutoff.cut();
        let (sent, unsent) = self.pending.close();
        self.complete(sent, &Answer::Closed);
        self.complete(unsent, &Answer::ClosedUnsent);
        self.warn_of_the_rest();
        self.sink.closed(self);
        let generation = self.watch.lock().link.as_ref().map(|link| link.generation);
        if let Some(generation) = generation {
            self.writer.post(generation, Out::Close(1000));
            self.later(GOODBYE, move |session| session.cut(generation, "closed"));
        }
        self.writer.wake();
    }

    /// Announces a state of the link, also to the program's own watcher, whose code runs on a worker.
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

    /// The lines that the trace has of a call; none without a trace.
    pub(crate) fn trace_of_call(&self, call_id: &str) -> String {
        self.tracer.as_ref().map(|tracer| tracer.of_call(call_id)).unwrap_or_default()
    }

    /// Keeps something until the client is closed.
    pub(crate) fn hold_until_closed(&self, what: impl Send + 'static) {
        *self.held.lock() = Some(Box::new(what));
    }

    /// Waits for reader and writer to end, unless this thread is one that they or a handler run on.
    pub(crate) fn join(&self) {
        if workers::is_our_thread() || self.is_forked() {
            return;
        }
        let limit = Clock::real().after(JOIN_LIMIT);
        if self.ended.wait(&self.clock, self.clock.after(JOIN_LIMIT)).is_none() {
            log::warn!("the connection to {} takes long to close; no longer waiting for it", self.host());
            return;
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A thread that panicked has said so in the log.
            let _panicked = thread.join();
        }
        if let Some(tracer) = &self.tracer {
            tracer.wait_written(limit);
        }
    }

    /// Blocks until the client is closed; gives the reason if nobody asked for it.
    pub(crate) fn wait_ended(&self) -> Option<Error> {
        self.ended.wait(&self.clock, None).flatten()
    }

    /// The end of the reader: nothing of this session runs after it but user code.
    fn finish(self: &Arc<Self>, cause: Option<Error>) {
        self.close();
        for task in self.timers.close() {
            drop(task);
        }
        match &cause {
            None => log::info!("the connection to {} is closed", self.host()),
            // Who waits in `connect` is told there.
            Some(cause) if !self.ready.is_set() => log::debug!("{cause}"),
            Some(cause) => log::error!("the client gives up: {cause}"),
        }
        self.announce(LinkState::Closed { cause: cause.clone() });
        if let Some(tracer) = &self.tracer {
            tracer.close();
        }
        self.seen.store(0, Ordering::Relaxed);
        self.writer.stop();
        self.pools().into_iter().for_each(Workers::leave);
        let held = self.held.lock().take();
        drop(held);
        self.ready.set(&self.clock, Err(cause.clone().unwrap_or_else(|| error::closed("connect"))));
        self.ended.set(&self.clock, cause);
    }

    /// Says goodbye on the link that the service asked to close; everything that was queued before goes out first.
    fn leave(&self, generation: u64) {
        if let Some(link) = self.watch.lock().link.as_mut().filter(|link| link.generation == generation) {
            link.cut.get_or_insert(LEAVING);
        }
        self.writer.post(generation, Out::Close(1000));
        self.later(GOODBYE, move |session| session.cut(generation, LEAVING));
    }

    /// Cuts the socket of a generation; the reader notices and goes on from there.
    fn cut(&self, generation: u64, why: &'static str) {
        let socket = {
            let mut watch = self.watch.lock();
            let Some(link) = watch.link.as_mut().filter(|link| link.generation == generation) else { return };
            link.cut.get_or_insert(why);
            link.socket.clone()
        };
        socket.shutdown();
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

/// Room that something takes that waits; given back when this is dropped.
pub(crate) struct Charge {
    /// The counter alone: the session itself is passed from hand to hand too often as it is.
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Charge {
    /// Adds to what is held, unless that would be more than the limit.
    pub(crate) fn take(held: &Arc<AtomicUsize>, limit: usize, bytes: usize) -> Option<Self> {
        Self::add(held, limit, bytes).then(|| Self { held: Arc::clone(held), bytes })
    }

    fn add(held: &AtomicUsize, limit: usize, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= limit);
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What the writer thread does besides writing: timers, and the watch over the link.
impl Keeper for Arc<Session> {
    fn tick(&self) -> Deadline {
        let now = self.clock.now();
        while let Some((owed, answer)) = self.pending.overdue(now) {
            owed.complete(answer);
        }
        while let Some(task) = self.timers.due(now) {
            // One that trips us up costs what it was to do, not the thread that writes.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(self))) {
                log::error!(
                    "a timer failed, which is a defect of this crate: {}",
                    self.clean(workers::panic_text(&*panic))
                );
            }
        }
        let workers = self.pools().into_iter().filter_map(|pool| pool.attend(now)).min();
        let watch = self.keep_watch(now);
        let next = [self.timers.next(), self.pending.next(), watch, workers].into_iter().flatten().min();
        self.watch.lock().expected = next;
        next
    }
}

impl Session {
    /// Any byte received is life. Silence is answered with a ping, and no answer to that with the end of the link.
    fn keep_watch(self: &Arc<Self>, now: Instant) -> Deadline {
        let suspected = self.suspected.swap(false, Ordering::Relaxed);
        let suspected = suspected && self.pending.count() > 0;
        let (generation, act, next) = watch::examine(&self.watch, now, &self.settings, suspected)?;
        match act {
            Act::Nothing => {}
            Act::Ping => {
                let text = frame::request(self.ids.next(), METHOD_SIGNALWIRE_PING, "{}");
                self.counters.pings_sent.add(1);
                self.writer.post(generation, Out::Text(text));
            }
            Act::Cut(why) => self.cut(generation, why),
        }
        next
    }
}
