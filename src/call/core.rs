//! What the crate keeps of a call: its fields, its state, and what waits on it.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use log::Level;
use parking_lot::Mutex;

use super::legs::News;
pub(crate) use super::over::{CallEnd, CallFate, Leaving, Refusal};
use super::owed::{Debt, Duty};
use super::running::{Claim, Fed, Running};
use crate::clock::{Clock, Deadline};
use crate::error::{self, Error, HandlerResult, Result};
use crate::latch::Latch;
use crate::mailbox::{Letter, Mailbox, PARTS, Reads};
use crate::protocol::device::RemoteDevice;
use crate::protocol::event::{ConnectEvent, Event, Peer, Unread};
use crate::protocol::fields::Fields;
use crate::protocol::frame::{self, Envelope, EventHead, Reply};
use crate::protocol::labels::{Label, Labels};
use crate::protocol::limits;
use crate::protocol::states::{CallState, ConnectState, Direction, EndReason, EventName};
use crate::session::{Alarm, Ask, Effect, HandlerFailure, OfCalls, Session, TARGET, end_wait};
use crate::steps::step;
use crate::stream::{EventStream, StreamSender};
use crate::workers::run_each;

/// The method of [`Call::connect`](super::Call::connect).
const CONNECT: &str = "calling.connect";

/// Of so many queues the stay of a call is remembered.
const QUEUE_ENTRIES: usize = 32;

/// The methods that bring a call together with others.
const BRIDGING: [&str; 4] = ["calling.connect", "calling.queue.enter", "calling.join_conference", "calling.join_room"];

/// A call has one end and one pass to ask for: more of them at a time would only wait for the same.
struct OneAtATime {
    of: Weak<CallCore>,
    bit: u8,
}

impl Drop for OneAtATime {
    fn drop(&mut self) {
        if let Some(call) = self.of.upgrade() {
            call.owed.fetch_and(!self.bit, Ordering::AcqRel);
        }
    }
}

pub(crate) struct CallCore {
    id: Box<str>,
    session: Weak<Session>,
    shared: Arc<OfCalls>,
    /// How many `Call`s there are. With the last one of an open offer, the offer goes back.
    handles: AtomicUsize,
    /// Which posted requests about it are unanswered.
    owed: AtomicU8,
    inner: Mutex<Inner>,
}

struct Inner {
    names: Names,
    device: RemoteDevice,
    direction: Direction,
    state: CallState,
    was_answered: bool,
    /// When an event reported that the call was answered.
    answered: Option<Instant>,
    /// An inbound call about which nothing has been decided yet.
    open_offer: bool,
    /// Whether we have given the call away, so that it may be offered anew.
    leaving: Leaving,
    /// What tells its offer from others under the same id; 0 for a call that was not offered.
    offer: u64,
    /// Since when it is not known whether the call still lives, after a resume.
    unconfirmed: Option<Instant>,
    over: Option<CallFate>,
    /// Made on first use: most calls of a busy program are idle most of the time.
    live: Option<Box<Live>>,
}

/// The names that a call has besides its id, in the order in which [`Names::update`] takes them.
#[derive(Clone, Copy)]
enum Name {
    Node,
    Project,
    Context,
    Tag,
    Segment,
}

/// The names of a call. A call that nobody uses should cost little: those that it shares with other calls are kept once
/// for all of them, and its own in one piece of memory.
#[derive(Default)]
struct Names {
    shared: Option<Arc<Label>>,
    /// Tag and segment.
    own: Box<str>,
    tag_end: u32,
}

impl Names {
    fn all(&self) -> [&str; 5] {
        let [node, project, context] = self.shared.as_ref().map(|label| label.names()).unwrap_or_default();
        let (tag, segment) = self.own.split_at_checked(self.tag_end as usize).unwrap_or_default();
        [node, project, context, tag, segment]
    }

    fn get(&self, name: Name) -> &str {
        self.all()[name as usize]
    }

    /// Takes over what is given, not empty and new.
    fn update(&mut self, labels: &Labels, given: [Option<&str>; 5]) {
        let present = self.all();
        let wanted = |at: usize| given[at].filter(|name| !name.is_empty()).unwrap_or(present[at]);
        let wanted: [&str; 5] = std::array::from_fn(wanted);
        let shared = (wanted[..3] != present[..3]).then(|| labels.get([wanted[0], wanted[1], wanted[2]]));
        // A frame is far smaller than 4 GiB.
        let tag_end = u32::try_from(wanted[3].len()).unwrap_or(u32::MAX);
        let own = (wanted[3..] != present[3..]).then(|| wanted[3..].concat().into());
        if let Some(shared) = shared {
            self.shared = Some(shared);
        }
        if let Some(own) = own {
            (self.own, self.tag_end) = (own, tag_end);
        }
    }
}

#[derive(Default)]
struct Live {
    operations: Vec<Arc<dyn Running<CallCore>>>,
    waiters: Vec<StateWaiter>,
    listeners: Vec<Arc<ListenerEntry>>,
    /// How many events were posted to listeners.
    posted: u64,
    streams: Vec<StreamSender<Event>>,
    mailbox: Option<Arc<Mailbox>>,
    /// The queues that the call was put into, and the control id of each stay, the oldest first.
    queue_entries: Vec<(Box<str>, Box<str>)>,
    /// The bridge with another call, which is named if it was told.
    bridge: Option<Box<Option<Peer>>>,
    /// Whether the connection was lost while there was something here, and the session resumed.
    had_gap: bool,
    /// A request that brings the call together with others was sent, and its outcome is unknown.
    perhaps_bridged: bool,
}

/// The operations that an event may be about, the newest first. Mostly there is one, or none.
#[derive(Default)]
struct Concerned {
    first: Option<(Arc<dyn Running<CallCore>>, Claim)>,
    more: Vec<(Arc<dyn Running<CallCore>>, Claim)>,
}

impl Live {
    fn concerned(&self, event_type: &str, control_id: Option<&str>) -> Concerned {
        let mut found = Concerned::default();
        for running in self.operations.iter().rev() {
            let claim = running.claims(event_type, control_id);
            if claim == Claim::No {
                continue;
            }
            let running = (Arc::clone(running), claim);
            match found.first {
                None => found.first = Some(running),
                Some(_) => found.more.push(running),
            }
        }
        found
    }

    fn mailbox(&mut self) -> Arc<Mailbox> {
        Arc::clone(self.mailbox.get_or_insert_with(Mailbox::new))
    }
}

struct StateWaiter {
    target: CallState,
    reached: Arc<Latch<Reached>>,
}

/// What ends a wait for a state.
#[derive(Clone)]
pub(crate) enum Reached {
    /// The state, or one past it.
    State(CallState),
    Over(CallFate),
}

pub(crate) type Handler = Box<dyn Fn(&Event) -> HandlerResult + Send + Sync>;

/// What can be listened to.
pub(crate) trait Listened: Send + Sync {
    fn unlisten(&self, entry: &Arc<ListenerEntry>);
}

/// One listener.
pub(crate) struct ListenerEntry {
    /// Which events; none is all of them.
    name: Option<EventName>,
    handler: Handler,
    /// How many events had been posted when it came: those are not for it.
    since: u64,
    removed: AtomicBool,
}

impl ListenerEntry {
    pub(crate) fn new(name: Option<EventName>, handler: Handler, since: u64) -> Self {
        Self { name, handler, since, removed: AtomicBool::new(false) }
    }

    /// Whether it was there before the event of this number.
    pub(crate) fn is_for(&self, number: u64) -> bool {
        self.since < number
    }

    /// Calls the handler, unless it was removed meanwhile.
    pub(crate) fn run(&self, event: &Event) -> HandlerResult {
        if self.is_retired() { Ok(()) } else { (self.handler)(event) }
    }

    /// From now on the handler is called no more.
    pub(crate) fn retire(&self) {
        self.removed.store(true, Ordering::Release);
    }

    fn is_retired(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    fn wants(&self, event_type: &str) -> bool {
        self.name.as_ref().is_none_or(|name| name.as_str() == event_type)
    }
}

/// The listeners of a call, to whom the letters of its mailbox are read.
struct Listening {
    call: Arc<CallCore>,
    session: Arc<Session>,
    /// Looked up once for many events: one that is registered later came after all of them.
    listeners: Option<Vec<Arc<ListenerEntry>>>,
}

impl Reads for Listening {
    fn read(&mut self, letter: &Letter, texts: [&str; PARTS]) {
        /// Gives the room back, also when a listener panics.
        struct Room<'a>(&'a Listening, &'a Letter);
        impl Drop for Room<'_> {
            fn drop(&mut self) {
                self.0.discard(self.1);
            }
        }
        let mut listeners = self.listeners.take().unwrap_or_else(|| self.call.listeners());
        let room = Room(self, letter);
        let [event_type, payload, call_id, control_id, channel] = texts;
        let event = Unread { event_type, timestamp: letter.timestamp, payload, call_id, control_id, channel }.read();
        self.call.run_listeners(&self.session, &listeners, letter.number, &event);
        drop(room);
        // One that was removed is let go here, where the program's code runs.
        listeners.retain(|listener| !listener.is_retired());
        self.listeners = Some(listeners);
    }

    fn pause(&mut self) {
        self.listeners = None;
    }

    fn discard(&self, letter: &Letter) {
        self.session.give_back(letter.bytes);
    }
}

/// What the lock gave out and is done after it is let go.
#[derive(Default)]
struct DeferredDrops {
    operations: Vec<Arc<dyn Running<CallCore>>>,
    waiters: Vec<StateWaiter>,
    streams: Vec<StreamSender<Event>>,
    /// There when there are listeners to be dropped.
    mailbox: Option<Arc<Mailbox>>,
    /// Operations that stay open for a moment, because their last event often comes after the call's.
    lingering: bool,
}

/// What an event did to its call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The call goes on.
    Live,
    /// The call is over, and operations of it still wait for their last event.
    Lingering,
    /// The call is over, and nothing waits any more.
    Over,
}

impl CallCore {
    pub(crate) fn new(session: &Arc<Session>, id: &str, direction: Direction, state: CallState) -> Arc<Self> {
        let inner = Inner {
            names: Names::default(),
            device: RemoteDevice::default(),
            was_answered: matches!(state, CallState::Answered | CallState::Ending),
            answered: None,
            direction,
            state,
            open_offer: false,
            leaving: Leaving::No,
            offer: 0,
            unconfirmed: None,
            over: None,
            live: None,
        };
        Arc::new(Self {
            id: id.into(),
            session: Arc::downgrade(session),
            shared: Arc::clone(&session.of_calls),
            handles: AtomicUsize::new(0),
            owed: AtomicU8::new(0),
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The ID as it may be shown: it is a text of the service.
    pub(crate) fn shown_id(&self) -> String {
        self.shared.secrets.clean(&self.id)
    }

    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.upgrade()
    }

    /// The session, or what the call says when there is none any more.
    fn session_for(&self, what: &str) -> Result<Arc<Session>> {
        self.session.upgrade().ok_or_else(|| match &self.inner.lock().over {
            Some(over) => over.error(what, &self.shown_id()),
            None => CallFate::Closed.error(what, &self.shown_id()),
        })
    }

    // Getters.

    pub(crate) fn node_id(&self) -> String {
        self.inner.lock().names.get(Name::Node).to_owned()
    }

    pub(crate) fn project_id(&self) -> String {
        let told = self.inner.lock().names.get(Name::Project).to_owned();
        if !told.is_empty() {
            return told;
        }
        // The events of a dial do not say, and it can be no other than the client's own.
        let session = self.session.upgrade();
        session.and_then(|session| session.credentials.project().map(str::to_owned)).unwrap_or_default()
    }

    pub(crate) fn context(&self) -> String {
        self.inner.lock().names.get(Name::Context).to_owned()
    }

    pub(crate) fn tag(&self) -> String {
        self.inner.lock().names.get(Name::Tag).to_owned()
    }

    pub(crate) fn segment_id(&self) -> String {
        self.inner.lock().names.get(Name::Segment).to_owned()
    }

    /// Everything that is kept of it, but for what the program does with it.
    pub(crate) fn bytes(&self) -> usize {
        let inner = self.inner.lock();
        self.id.len() + inner.names.own.len() + inner.device.bytes() + 600
    }

    pub(crate) fn device(&self) -> RemoteDevice {
        self.inner.lock().device.clone()
    }

    pub(crate) fn direction(&self) -> Direction {
        self.inner.lock().direction.clone()
    }

    pub(crate) fn state(&self) -> CallState {
        self.inner.lock().state.clone()
    }

    pub(crate) fn was_answered(&self) -> bool {
        self.inner.lock().was_answered
    }

    pub(crate) fn over(&self) -> Option<CallFate> {
        self.inner.lock().over.clone()
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.inner.lock().unconfirmed.is_none()
    }

    /// What is known of a call that no event has told of yet.
    pub(crate) fn address_to(&self, node_id: &str, device: Option<&RemoteDevice>) {
        let mut inner = self.inner.lock();
        inner.names.update(&self.shared.labels, [Some(node_id), None, None, None, None]);
        if let Some(device) = device {
            inner.device = device.clone();
        }
    }

    // Handles, and the offer that an inbound call is.

    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drop_handle(self: &Arc<Self>) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && self.settle_offer() {
            self.pass_back("its last handle was dropped");
        }
    }

    /// The call is about to be given away, or the service refused that. Said before the request is sent: the end of the
    /// call, and its offer to the next, may be told before the reply comes.
    pub(crate) fn leaves(&self, how: Leaving) {
        self.inner.lock().leaving = how;
    }

    /// What tells the offer of a call that was given away from others; once.
    pub(crate) fn take_left(&self) -> Option<u64> {
        let mut inner = self.inner.lock();
        (std::mem::take(&mut inner.leaving) != Leaving::No).then_some(inner.offer)
    }

    /// Whether the call is being passed back, and this is not the offer it came with: routing was faster with its next
    /// offer than with its reply.
    pub(crate) fn is_passed_and_offered_anew(&self, offer: u64) -> bool {
        let inner = self.inner.lock();
        inner.over.is_none() && inner.leaving == Leaving::Passed && inner.offer != offer
    }

    pub(crate) fn make_offer(&self, offer: u64) {
        let mut inner = self.inner.lock();
        inner.open_offer = true;
        inner.offer = offer;
    }

    /// Takes the decision about an open offer; true for the one who takes it.
    pub(crate) fn settle_offer(&self) -> bool {
        let mut inner = self.inner.lock();
        std::mem::take(&mut inner.open_offer) && inner.over.is_none()
    }

    /// The decision about an offer was refused, or not sent: somebody else may take it.
    pub(crate) fn reopen_offer(&self) {
        let mut inner = self.inner.lock();
        inner.open_offer = inner.over.is_none() && inner.state.rank() < CallState::Answered.rank();
    }

    /// Passes an offer back that is still open.
    pub(crate) fn pass_unclaimed(self: &Arc<Self>, why: &str) {
        if self.settle_offer() {
            self.pass_back(why);
        }
    }

    /// Gives an inbound call back to routing, without waiting for the reply.
    pub(crate) fn pass_back(self: &Arc<Self>, why: &str) {
        let Some(session) = self.session.upgrade() else { return };
        if session.is_forked() || session.is_closing() {
            return;
        }
        session.warn(Alarm::CallPassed, || format!("inbound call {} is passed back: {why}", self.id));
        session.counters.calls_passed.add(1);
        self.leaves(Leaving::Passed);
        self.owe(Duty::Pass, "");
        self.passed();
    }

    /// Code of the program that had this call in hand has failed: the call is ended, unless the program wants it left.
    pub(crate) fn handler_failed(self: &Arc<Self>, session: &Session) {
        if session.settings.on_handler_failure == HandlerFailure::Leave || self.over().is_some() {
            return;
        }
        if self.settle_offer() {
            self.pass_back("its handler failed");
        } else if self.may_be_bridged_unnoticed() {
            // Hanging up would cut off a caller who is talking to somebody else.
            log::warn!(
                "call {} is left up although its handler failed: the connection was interrupted, and the call may be \
                 bridged, in a conference or in a queue",
                self.shown_id()
            );
        } else {
            self.owe(Duty::End, "\"reason\":\"error\"");
        }
    }

    /// Runs a listener or a callback of the program's; `what` says of which event or operation.
    pub(crate) fn run_callback(self: &Arc<Self>, session: &Session, what: &str, code: impl FnOnce() -> HandlerResult) {
        let what = || format!("a callback of {what} on call {}", self.shown_id());
        session.run_user(&[("call_id", &self.id)], what, code, || self.handler_failed(session));
    }

    /// Has the call hung up or passed back without waiting for the response, unless that is on its way already;
    /// `members` are further members of the request's parameters.
    pub(crate) fn owe(self: &Arc<Self>, duty: Duty, members: &str) {
        let Some(session) = self.session.upgrade() else { return };
        let bit = if duty == Duty::End { 1 } else { 2 };
        if self.owed.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
            return;
        }
        let mut params = self.address();
        if !members.is_empty() {
            params.push(',');
            params.push_str(members);
        }
        params.push('}');
        let held = OneAtATime { of: Arc::downgrade(self), bit };
        Debt::new(&session, duty, &self.id, params).holding(held).pay(&session);
    }

    /// `{"node_id":…,"call_id":…`, to be continued.
    fn address(&self) -> String {
        // Enough for two IDs, a control ID and what most requests say besides.
        let mut params = String::with_capacity(256);
        params.push_str("{\"node_id\":");
        frame::push_string(&mut params, self.inner.lock().names.get(Name::Node));
        params.push_str(",\"call_id\":");
        frame::push_string(&mut params, &self.id);
        params
    }

    // Requests.

    /// The parameters of a request about this call: its address, the control ID if it is about an operation, and what was
    /// set. Extra fields may override them.
    fn params(&self, fields: &Fields, control_id: Option<&str>) -> String {
        let overridden = |key| fields.has(key);
        let mut params = match (overridden("node_id"), overridden("call_id")) {
            (false, false) => self.address(),
            (node, call) => {
                let mut params = String::from("{");
                if !node {
                    params.push_str("\"node_id\":");
                    frame::push_string(&mut params, self.inner.lock().names.get(Name::Node));
                }
                if !call {
                    params.push_str("\"call_id\":");
                    frame::push_string(&mut params, &self.id);
                }
                params
            }
        };
        let control_id = control_id.filter(|_| !fields.has_extra("control_id"));
        if let Some(control_id) = control_id {
            params.push_str(if params.len() > 1 { ",\"control_id\":" } else { "\"control_id\":" });
            frame::push_string(&mut params, control_id);
        }
        fields.write_into(&mut params, control_id.map(|_| "control_id"));
        params.push('}');
        params
    }

    /// Sends a request about this call and waits for the reply, whatever it is.
    pub(crate) fn request(self: &Arc<Self>, method: &str, fields: &Fields) -> Result<Reply> {
        self.request_with(method, fields, None, None)
    }

    /// The same of an operation, by its control ID, and with an effect that the reply has before its caller wakes.
    pub(crate) fn request_with(
        self: &Arc<Self>,
        method: &str,
        fields: &Fields,
        control_id: Option<&str>,
        effect: Option<Effect>,
    ) -> Result<Reply> {
        fields.check(method)?;
        let session = self.session_for(method)?;
        session.check_process(method)?;
        if session.is_closing() {
            return Err(self.over().unwrap_or(CallFate::Closed).error(method, &self.shown_id()));
        }
        if let Some(over @ CallFate::SessionLost) = self.over() {
            return Err(over.error(method, &self.shown_id()));
        }
        let params = self.params(fields, control_id);
        let mut ask = Ask::new(method, &params, Some(&self.id));
        ask.effect = effect;
        let outcome = session.request(ask);
        if outcome.is_ok() {
            self.confirm();
        }
        // What was waiting when the call ended is told so, though the request ended first by the same cause.
        match outcome {
            Err(error) if error.kind() == crate::ErrorKind::Closed => {
                Err(self.over().unwrap_or(CallFate::Closed).error(method, &self.shown_id()))
            }
            outcome => outcome,
        }
    }

    /// A command: somebody who left meanwhile is no error. `ends` tells whether 404 means the call itself.
    pub(crate) fn command(self: &Arc<Self>, method: &str, fields: &Fields, ends: bool) -> Result<Reply> {
        match self.request(method, fields) {
            Err(error) if matches!(error.code(), Some(404 | 410)) => {
                if ends || error.code() == Some(410) {
                    self.gone();
                }
                Ok(Reply::empty())
            }
            outcome => outcome,
        }
    }

    /// The service does not know this call: it ends here.
    pub(crate) fn gone(self: &Arc<Self>) {
        let Some(session) = self.session.upgrade() else { return };
        if self.finish(&session, CallFate::Gone, None) != Delivered::Live {
            session.call_over(&self.id);
        }
    }

    /// Routing has it back: nothing more is heard of it.
    pub(crate) fn passed(self: &Arc<Self>) {
        let Some(session) = self.session.upgrade() else { return };
        if self.finish(&session, CallFate::Ended(Arc::default()), None) != Delivered::Live {
            session.call_over(&self.id);
        }
    }

    fn confirm(&self) {
        let mut inner = self.inner.lock();
        inner.unconfirmed = None;
    }

    /// After a resume: it is not known whether the call is still there, and what of its operations was missed.
    pub(crate) fn doubt(&self, session: &Arc<Session>, now: Instant) {
        let operations: Vec<_> = {
            let mut inner = self.inner.lock();
            inner.unconfirmed.get_or_insert(now);
            if let Some(live) = inner.live.as_mut() {
                live.had_gap = true;
            }
            inner.live.iter().flat_map(|live| &live.operations).cloned().collect()
        };
        for operation in operations {
            operation.doubt(session, &self.id);
        }
    }

    /// Whether the call has been in doubt since before `moment`.
    pub(crate) fn in_doubt_since(&self, moment: Instant) -> bool {
        self.inner.lock().unconfirmed.is_some_and(|since| since <= moment)
    }

    // Operations.

    /// Enters an operation, before its request is written. Refused when the call is over or the id is in use.
    pub(crate) fn enter(&self, operation: Arc<dyn Running<CallCore>>) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        if let Some(over) = &inner.over {
            return Err(Refusal::Over(over.clone()));
        }
        let live = inner.live.get_or_insert_default();
        if live.operations.iter().any(|running| running.control_id() == operation.control_id()) {
            return Err(Refusal::InUse);
        }
        live.operations.push(operation);
        Ok(())
    }

    /// The start of an operation failed, which may tell of an earlier one, or leave open what became of the call.
    pub(crate) fn not_started(&self, session: &Arc<Session>, method: &str, error: &Error) {
        if BRIDGING.contains(&method) && error.may_have_been_sent() {
            self.inner.lock().live.get_or_insert_default().perhaps_bridged = true;
        }
        if method == CONNECT && error.code() == Some(409) {
            // A connect is in progress, so the earlier one has succeeded.
            for running in self.running(method) {
                running.presume(session, &self.id);
            }
            let mut inner = self.inner.lock();
            if inner.over.is_none() {
                inner.live.get_or_insert_default().bridge.get_or_insert_default();
            }
        }
    }

    fn running(&self, method: &str) -> Vec<Arc<dyn Running<CallCore>>> {
        let inner = self.inner.lock();
        let operations = inner.live.iter().flat_map(|live| &live.operations);
        operations.filter(|running| running.method() == method).cloned().collect()
    }

    /// An event reports a call that the service has made for this one: it is a leg of the newest connect.
    pub(crate) fn take_leg(&self, news: News<'_>, limit: usize) {
        if let Some(connect) = self.running(CONNECT).pop() {
            connect.leg(news, limit);
        }
    }

    /// The program asks for the end of an operation, or the request for that was refused.
    pub(crate) fn leaving(&self, control_id: &str, is: bool) {
        let running = {
            let inner = self.inner.lock();
            let mut operations = inner.live.iter().flat_map(|live| &live.operations);
            operations.find(|running| running.control_id() == control_id).cloned()
        };
        if let Some(running) = running {
            running.leaving(is);
        }
    }

    /// The same for all operations of a method.
    pub(crate) fn all_leaving(&self, method: &str, is: bool) {
        for running in self.running(method) {
            running.leaving(is);
        }
    }

    /// The other call of the bridge, as far as it is known; `None` when there is no bridge.
    pub(crate) fn bridge(&self) -> Option<Option<Peer>> {
        self.inner.lock().live.as_ref()?.bridge.as_deref().cloned()
    }

    /// Whether the caller may be talking to others, or wait for them, although no event has told: the call was bridged,
    /// or was to be, and what was told may have been missed.
    pub(crate) fn may_be_bridged_unnoticed(&self) -> bool {
        let inner = self.inner.lock();
        let Some(live) = inner.live.as_ref() else { return false };
        let among_others =
            live.bridge.is_some() || live.operations.iter().any(|running| BRIDGING.contains(&running.method()));
        live.perhaps_bridged || (live.had_gap && among_others)
    }

    /// A conference that this call takes part in has something to tell that names no call.
    pub(crate) fn of_conference(self: &Arc<Self>, session: &Arc<Session>, event: &Event) {
        let concerned = {
            let inner = self.inner.lock();
            inner.live.as_ref().map(|live| live.concerned(event.raw().name().as_str(), None)).unwrap_or_default()
        };
        self.feed_operations(session, concerned, event);
    }

    /// Takes an operation out; it gets no more events.
    pub(crate) fn leave(&self, control_id: &str) {
        let taken = {
            let mut inner = self.inner.lock();
            let Some(live) = inner.live.as_mut() else { return };
            let Some(at) = live.operations.iter().position(|running| running.control_id() == control_id) else {
                return;
            };
            // The order stays: the newest of a kind comes last.
            live.operations.remove(at)
        };
        drop(taken);
    }

    // Queues.

    /// Remembers the control id of a stay in a queue: leaving it takes the same.
    pub(crate) fn stay(&self, queue: &str, control_id: &str) {
        let mut inner = self.inner.lock();
        if inner.over.is_some() {
            return;
        }
        let queue_entries = &mut inner.live.get_or_insert_default().queue_entries;
        queue_entries.retain(|(of, _)| **of != *queue);
        if queue_entries.len() >= QUEUE_ENTRIES {
            queue_entries.remove(0);
        }
        queue_entries.push((queue.into(), control_id.into()));
    }

    /// The control id of the stay in a queue, if there is one.
    pub(crate) fn stay_in(&self, queue: &str) -> Option<Box<str>> {
        let inner = self.inner.lock();
        let queue_entries = inner.live.as_ref().map(|live| live.queue_entries.as_slice()).unwrap_or_default();
        queue_entries.iter().find(|(of, _)| **of == *queue).map(|(_, control_id)| control_id.clone())
    }

    /// The queue of the stay with this control id.
    pub(crate) fn queue_of(&self, control_id: &str) -> Option<Box<str>> {
        let inner = self.inner.lock();
        let mut queue_entries = inner.live.iter().flat_map(|live| &live.queue_entries);
        queue_entries.find(|(_, of)| **of == *control_id).map(|(queue, _)| queue.clone())
    }

    /// The stay of this control id is over.
    pub(crate) fn end_stay(&self, control_id: &str) {
        if let Some(live) = self.inner.lock().live.as_mut() {
            live.queue_entries.retain(|(_, of)| **of != *control_id);
        }
    }

    // Listeners, streams, the mailbox.

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.inner.lock().live.get_or_insert_default().mailbox()
    }

    pub(crate) fn listen(&self, name: Option<EventName>, handler: Handler) -> Arc<ListenerEntry> {
        let entry = |since| Arc::new(ListenerEntry::new(name, handler, since));
        let mut inner = self.inner.lock();
        if inner.over.is_some() {
            drop(inner);
            return entry(0);
        }
        let live = inner.live.get_or_insert_default();
        let entry = entry(live.posted);
        live.listeners.push(Arc::clone(&entry));
        entry
    }

    pub(crate) fn stream(&self) -> EventStream<Event> {
        let Some(session) = self.session.upgrade() else { return EventStream::ended() };
        let mut inner = self.inner.lock();
        if inner.over.is_some() {
            return EventStream::ended();
        }
        let (feed, stream) = StreamSender::new(&session);
        inner.live.get_or_insert_default().streams.push(feed);
        stream
    }

    // Events.

    /// Fields that any event may carry. Called when the call is made, and with every event of it.
    pub(crate) fn fill(&self, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        self.inner.lock().fill(&self.shared.labels, envelope, head);
    }

    /// One event of this call, on the reader.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        session: &Arc<Session>,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
    ) -> Delivered {
        let mut reached = Vec::new();
        // Rare: read before the lock, for the bridge that it tells of.
        let mut connect = (envelope.event_type == "calling.call.connect").then(|| Event::parse(envelope));
        let (operations, notice, streams, end, was_over) = {
            let mut inner = self.inner.lock();
            inner.fill(&self.shared.labels, envelope, head);
            inner.unconfirmed = None;
            if let Some(Event::Connect(connect)) = &connect {
                inner.enter_bridge(connect);
            }
            let is_state = envelope.event_type == "calling.call.state";
            let end = if is_state { inner.enter_state(&session.clock, envelope, head, &mut reached) } else { None };
            let was_over = inner.over.is_some();
            match inner.live.as_mut() {
                None => (Concerned::default(), None, false, end, was_over),
                Some(live) => {
                    let operations = live.concerned(&envelope.event_type, head.control_id.as_deref());
                    let notice =
                        live.listeners.iter().any(|listener| listener.wants(&envelope.event_type)).then(|| {
                            live.posted += 1;
                            (live.mailbox(), live.posted)
                        });
                    (operations, notice, !live.streams.is_empty(), end, was_over)
                }
            }
        };
        for (latch, reached) in reached {
            latch.set(&session.clock, reached);
        }
        let fed = operations.first.is_some();
        let last = end.is_some();
        // What only listeners get is looked into on their thread, not here.
        let unread = if fed || streams || connect.is_some() { None } else { Unread::new(envelope, head) };
        match (notice, unread) {
            (Some((mailbox, number)), Some(unread)) => self.notify_unread(session, &mailbox, number, &unread, last),
            (None, _) if !fed && !streams => {}
            (notice, _) => {
                let event = connect.take().unwrap_or_else(|| Event::parse(envelope));
                self.feed_operations(session, operations, &event);
                if streams {
                    self.feed_streams(session, &event, last);
                }
                if let Some((mailbox, number)) = notice {
                    self.notify(session, &mailbox, number, event, last);
                }
            }
        }
        match end {
            Some(end) => self.finish(session, CallFate::Ended(Arc::new(end)), None),
            // A thread that ended the call since then has it leave the tables itself.
            None if !fed && !was_over => Delivered::Live,
            None => self.standing(),
        }
    }

    /// Shows an event to the operations that it may be about. Of those that are found by their kind, the newest that it
    /// concerns takes it.
    fn feed_operations(self: &Arc<Self>, session: &Arc<Session>, operations: Concerned, event: &Event) {
        let mut taken: Vec<&'static str> = Vec::new();
        for (operation, claim) in operations.first.into_iter().chain(operations.more) {
            if claim == Claim::ByKind && !operation.shares() && taken.contains(&operation.method()) {
                continue;
            }
            let fed = Arc::clone(&operation).feed(session, self, event);
            if claim == Claim::ByKind && fed != Fed::NotMine {
                taken.push(operation.method());
            }
            if fed == Fed::Over {
                self.leave(operation.control_id());
            }
        }
    }

    /// Has listeners told of an event. Who they are is looked up where they run: the reader never holds a closure of
    /// the program's, not even the last one of it.
    fn notify(
        self: &Arc<Self>,
        session: &Arc<Session>,
        mailbox: &Arc<Mailbox>,
        number: u64,
        event: Event,
        always: bool,
    ) {
        let Some(room) = session.charge(event.bytes(), always) else { return };
        let (call, its_session) = (Arc::clone(self), Arc::clone(session));
        mailbox.push(
            &session.workers,
            Box::new(move || {
                let _room = room;
                call.run_listeners(&its_session, &call.listeners(), number, &event);
            }),
        );
    }

    /// The same for an event that is read on their thread.
    fn notify_unread(
        self: &Arc<Self>,
        session: &Arc<Session>,
        mailbox: &Arc<Mailbox>,
        number: u64,
        event: &Unread<'_>,
        always: bool,
    ) {
        let bytes = event.bytes();
        if !session.take_room(bytes, always) {
            return;
        }
        let reader = || Listening { call: Arc::clone(self), session: Arc::clone(session), listeners: None };
        let Unread { event_type, timestamp, payload, call_id, control_id, channel } = *event;
        let letter = Letter { number, timestamp, bytes };
        mailbox.push_letter(&session.workers, reader, letter, [event_type, payload, call_id, control_id, channel]);
    }

    fn run_listeners(
        self: &Arc<Self>,
        session: &Session,
        listeners: &[Arc<ListenerEntry>],
        number: u64,
        event: &Event,
    ) {
        let name = event.raw().name().as_str();
        let concerned = listeners.iter().filter(|listener| listener.is_for(number) && listener.wants(name));
        run_each(concerned, |listener| self.run_callback(session, name, || listener.run(event)));
    }

    fn listeners(&self) -> Vec<Arc<ListenerEntry>> {
        self.inner.lock().live.as_ref().map(|live| live.listeners.clone()).unwrap_or_default()
    }

    /// Feeds are taken out while they are fed: the channel send is not done under the lock of the call.
    fn feed_streams(&self, session: &Arc<Session>, event: &Event, always: bool) {
        let bytes = event.bytes();
        let streams = {
            let mut inner = self.inner.lock();
            inner.live.as_mut().map(|live| std::mem::take(&mut live.streams)).unwrap_or_default()
        };
        let kept: Vec<_> =
            streams.into_iter().filter(|feed| feed.push(session, event.clone(), bytes, always)).collect();
        let mut inner = self.inner.lock();
        if inner.over.is_none() {
            inner.live.get_or_insert_default().streams.extend(kept);
        }
    }

    fn standing(&self) -> Delivered {
        let inner = self.inner.lock();
        match (&inner.over, &inner.live) {
            (None, _) => Delivered::Live,
            (Some(_), Some(live)) if !live.operations.is_empty() => Delivered::Lingering,
            (Some(_), _) => Delivered::Over,
        }
    }

    /// Whether the call is over and operations of it wait for their last event.
    pub(crate) fn is_lingering(&self) -> bool {
        self.standing() == Delivered::Lingering
    }

    /// Raises an outbound leg to answered: the dial says so, whatever the leg's own events have said yet.
    pub(crate) fn raise_to_answered(&self, session: &Arc<Session>) {
        let mut reached = Vec::new();
        {
            let mut inner = self.inner.lock();
            if inner.over.is_none() {
                inner.raise(&session.clock, CallState::Answered, &mut reached);
            }
        }
        for (latch, reached) in reached {
            latch.set(&session.clock, reached);
        }
    }

    /// The call is over. Ends all that waits on it, in this order: state, operations, streams, listeners.
    ///
    /// `Live` when it had been over before, so that there was nothing to do.
    pub(crate) fn finish(
        self: &Arc<Self>,
        session: &Arc<Session>,
        over: CallFate,
        last: Option<CallState>,
    ) -> Delivered {
        let departed = {
            let mut inner = self.inner.lock();
            if inner.over.is_some() {
                return Delivered::Live;
            }
            inner.over = Some(over.clone());
            inner.state = last.unwrap_or(CallState::Ended);
            inner.open_offer = false;
            // A closed client has no timers to wait with.
            let grace = matches!(over, CallFate::Ended(_) | CallFate::Gone);
            inner.live.as_mut().map(|live| live.depart(grace)).unwrap_or_default()
        };
        self.log_end(session, &over);
        for waiter in &departed.waiters {
            waiter.reached.set(&session.clock, Reached::Over(over.clone()));
        }
        for operation in &departed.operations {
            operation.end(session, &over, &self.id);
        }
        let lingering = departed.lingering;
        drop(departed.streams);
        // The program's closures go where its code runs, after the notices that are still to be delivered to them.
        if let Some(mailbox) = departed.mailbox {
            let call = Arc::clone(self);
            mailbox.post(&session.workers, Box::new(move || drop(call.take_listeners())));
        }
        if !lingering {
            return Delivered::Over;
        }
        // The last event usually comes long before: the timer keeps no call until then.
        let core = Arc::downgrade(self);
        session.later(session.settings.final_event_grace, move |session| {
            if let Some(core) = core.upgrade() {
                core.end_lingering(session, &over);
                session.call_over(core.id());
            }
        });
        Delivered::Lingering
    }

    /// The one line of a call at INFO: who called whom, whether it was answered, how it ended and how long it lasted.
    fn log_end(&self, session: &Session, over: &CallFate) {
        if !log::log_enabled!(target: TARGET, Level::Info) {
            return;
        }
        let (device, direction, context, was_answered) = {
            let inner = self.inner.lock();
            let context = inner.names.get(Name::Context).to_owned();
            (inner.device.clone(), inner.direction.clone(), context, inner.was_answered)
        };
        let (reason, lasted) = match over {
            CallFate::Ended(end) => (end.reason.as_ref().map(EndReason::as_str), end.duration),
            CallFate::Gone => (Some("the service does not know the call"), None),
            CallFate::SessionLost => (Some("the session was lost"), None),
            CallFate::Closed => (Some("the client was closed"), None),
        };
        let (reason, direction) = (reason.unwrap_or("no reason was given"), direction.as_str());
        let answered = if was_answered { "answered" } else { "not answered" };
        let seconds = lasted.map(|lasted| format!("{:.1}", lasted.as_secs_f64())).unwrap_or_default();
        let after = lasted.map(|_| format!(" after {seconds} s")).unwrap_or_default();
        let on = if context.is_empty() { String::new() } else { format!(" on {context}") };
        let names = if device.from().is_empty() && device.to().is_empty() {
            String::new()
        } else {
            format!(" from {} to {}", device.from(), device.to())
        };
        let pairs = [
            ("call_id", &*self.id),
            ("direction", direction),
            ("context", &context),
            ("answered", answered),
            ("reason", reason),
            ("seconds", &seconds),
        ];
        let begun = if direction == Direction::Inbound.as_str() { "offered" } else { "dialled" };
        session.line(Level::Info, &pairs, || {
            format!("{direction}{names}{on}: {begun}, {answered}, ended{after}: {reason}")
        });
    }

    fn take_listeners(&self) -> Vec<Arc<ListenerEntry>> {
        self.inner.lock().live.as_mut().map(|live| std::mem::take(&mut live.listeners)).unwrap_or_default()
    }

    /// The grace time has passed, or the client was closed meanwhile.
    pub(crate) fn end_lingering(&self, session: &Arc<Session>, over: &CallFate) {
        let operations = {
            let mut inner = self.inner.lock();
            inner.live.as_mut().map(|live| std::mem::take(&mut live.operations)).unwrap_or_default()
        };
        for operation in operations {
            operation.end(session, over, &self.id);
        }
    }

    // Waiting.

    /// How many waits for a state it knows of.
    #[cfg(test)]
    pub(crate) fn waiters(&self) -> usize {
        self.inner.lock().live.as_ref().map_or(0, |live| live.waiters.len())
    }

    /// Waits until the call is in a state, or past it, or over.
    pub(crate) fn wait_for_state(&self, target: CallState, until: Deadline, what: &str) -> Result<Reached> {
        if let Some(session) = self.session.upgrade() {
            session.check_process(what)?;
        }
        let reached = {
            let mut inner = self.inner.lock();
            if let Some(over) = &inner.over {
                return Ok(Reached::Over(over.clone()));
            }
            if inner.state.rank() >= target.rank() {
                return Ok(Reached::State(inner.state.clone()));
            }
            let reached = Arc::new(Latch::new());
            let waiter = StateWaiter { target, reached: Arc::clone(&reached) };
            inner.live.get_or_insert_default().waiters.push(waiter);
            reached
        };
        let session = self.session_for(what)?;
        let wait = session.begin_wait(Some(&self.id), || what.to_owned());
        let outcome = reached.wait(&session.clock, until);
        drop(session);
        let outcome = outcome.ok_or_else(|| {
            let mut inner = self.inner.lock();
            if let Some(live) = inner.live.as_mut() {
                live.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.reached, &reached));
            }
            error::timeout(&format!("{what} on call {}", self.shown_id()))
        });
        end_wait(wait, &outcome);
        outcome
    }
}

impl CallCore {
    /// Waits until the call is over, however that comes about.
    pub(crate) fn wait_over(&self, until: Deadline) -> Result<()> {
        self.wait_for_state(CallState::Ended, until, "waiting for the call to end").map(drop)
    }

    /// Waits for the operations that go on after their call, until they have their last event.
    pub(crate) fn wait_operations(&self, session: &Session, until: Deadline) {
        let operations: Vec<_> = {
            let inner = self.inner.lock();
            inner.live.iter().flat_map(|live| &live.operations).cloned().collect()
        };
        for operation in operations {
            if !operation.wait_over(&session.clock, until) {
                return;
            }
        }
    }
}

impl Listened for CallCore {
    fn unlisten(&self, entry: &Arc<ListenerEntry>) {
        entry.retire();
        let removed = {
            let mut inner = self.inner.lock();
            let Some(live) = inner.live.as_mut() else { return };
            let at = live.listeners.iter().position(|listener| Arc::ptr_eq(listener, entry));
            at.map(|at| live.listeners.remove(at))
        };
        drop(removed);
    }
}

impl Live {
    fn depart(&mut self, grace: bool) -> DeferredDrops {
        let (lingering, ending) =
            std::mem::take(&mut self.operations).into_iter().partition(|running| grace && running.lingers());
        self.operations = lingering;
        self.queue_entries = Vec::new();
        self.bridge = None;
        let streams = std::mem::take(&mut self.streams);
        let mailbox = (!self.listeners.is_empty()).then(|| self.mailbox());
        DeferredDrops {
            operations: ending,
            waiters: std::mem::take(&mut self.waiters),
            streams,
            mailbox,
            lingering: !self.operations.is_empty(),
        }
    }
}

type PendingWakes = Vec<(Arc<Latch<Reached>>, Reached)>;

impl Inner {
    fn fill(&mut self, labels: &Labels, envelope: &Envelope<'_>, head: &EventHead<'_>) {
        if !matches!(&*envelope.event_type, "calling.call.state" | "calling.call.receive" | "calling.call.dial") {
            self.names.update(labels, [head.node_id.as_deref(), None, None, None, None]);
            return;
        }
        let contexts = [head.context.as_deref(), envelope.context.as_deref(), head.protocol.as_deref()];
        self.names.update(
            labels,
            [
                head.node_id.as_deref(),
                head.project_id.as_deref().or(envelope.project_id.as_deref()),
                contexts.into_iter().flatten().find(|context| !context.is_empty()),
                head.tag.as_deref(),
                head.segment_id.as_deref(),
            ],
        );
        if let Some(direction) = head.direction.as_deref().filter(|direction| !direction.is_empty()) {
            self.direction = Direction::from(direction);
        }
        // It may be empty while the service does not know what kind it is; it does not change afterwards.
        if self.device.is_unknown() {
            self.device = RemoteDevice::read(head.device.filter(|device| device.get().len() <= limits::LARGEST_DEVICE));
        }
    }

    /// Applies a state event. The end, when it is that; ranks never go back.
    fn enter_state(
        &mut self,
        clock: &Clock,
        envelope: &Envelope<'_>,
        head: &EventHead<'_>,
        woken: &mut PendingWakes,
    ) -> Option<CallEnd> {
        let state = CallState::from(head.call_state.as_deref()?);
        if self.over.is_some() {
            return None;
        }
        if state == CallState::Ended {
            let mut end = CallEnd::of(head, envelope.params);
            end.complete(clock, self.answered);
            return Some(end);
        }
        self.raise(clock, state, woken);
        None
    }

    fn enter_bridge(&mut self, event: &ConnectEvent) {
        if self.over.is_some() {
            return;
        }
        let live = self.live.get_or_insert_default();
        match event.state {
            ConnectState::Connected => live.bridge = Some(Box::new(event.peer.clone())),
            ConnectState::Disconnected | ConnectState::Failed => live.bridge = None,
            _ => return,
        }
        // From here on it is known.
        live.perhaps_bridged = false;
        live.had_gap = false;
    }

    fn raise(&mut self, clock: &Clock, state: CallState, woken: &mut PendingWakes) {
        if state.rank() <= self.state.rank() {
            return;
        }
        if state.rank() == CallState::Answered.rank() {
            self.was_answered = true;
            self.answered = Some(clock.now());
        }
        // Whoever answered it, and by whatever request: it is no offer any more.
        self.open_offer &= state.rank() < CallState::Answered.rank();
        if self.leaving == Leaving::Passed && state.rank() == CallState::Answered.rank() {
            // Nothing came of passing it back.
            self.leaving = Leaving::No;
        }
        self.state = state.clone();
        let Some(live) = self.live.as_mut() else { return };
        let mut at = 0;
        while at < live.waiters.len() {
            if live.waiters[at].target.rank() <= state.rank() {
                let waiter = live.waiters.swap_remove(at);
                woken.push((waiter.reached, Reached::State(state.clone())));
            } else {
                at += 1;
            }
        }
    }
}

/// A call in a table, found by its id.
pub(crate) struct ById(pub(crate) Arc<CallCore>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        step();
        self.0.id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_the_names_they_share_once_and_their_own_apart() {
        let labels = Labels::default();
        let (mut one, mut other) = (Names::default(), Names::default());
        one.update(&labels, [Some("node-1"), Some("project"), Some("sales"), Some("t"), Some("segment-1")]);
        other.update(&labels, [Some("node-1"), Some("project"), Some("sales"), None, Some("segment-2")]);
        assert_eq!(one.all(), ["node-1", "project", "sales", "t", "segment-1"]);
        assert_eq!(other.all(), ["node-1", "project", "sales", "", "segment-2"]);
        let shared = |names: &Names| names.shared.clone().expect("a label");
        assert!(Arc::ptr_eq(&shared(&one), &shared(&other)));
        // What is empty or absent changes nothing.
        one.update(&labels, [None, Some(""), None, None, None]);
        assert!(Arc::ptr_eq(&shared(&one), &shared(&other)));
        one.update(&labels, [Some("node-2"), None, None, None, Some("segment-3")]);
        assert_eq!(one.all(), ["node-2", "project", "sales", "t", "segment-3"]);
        assert_eq!(other.all(), ["node-1", "project", "sales", "", "segment-2"]);
    }

    #[test]
    fn the_method_that_connects_is_that_of_its_parameters() {
        assert_eq!(CONNECT, crate::call::Connect::METHOD);
    }

    /// What an idle call takes besides its texts. Whoever adds a field that is rarely used finds a place for it in
    /// [`Live`].
    #[test]
    fn an_idle_call_is_small() {
        assert!(size_of::<CallCore>() <= 248, "{} bytes", size_of::<CallCore>());
    }
}
