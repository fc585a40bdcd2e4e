//! Calls: what a program holds of one, and everything that can be done with it.

pub(crate) mod action;
mod ai;
mod audio;
mod collect;
mod conference;
mod confirmed;
mod connect;
mod control;
pub(crate) mod core;
mod custom;
mod detect;
mod digits;
mod fax;
pub(crate) mod legs;
mod media_stream;
pub(crate) mod owed;
mod pay;
mod play;
mod queue;
mod record;
mod room;
pub(crate) mod running;
mod speech;
mod stays;
mod tap;
mod transfer;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) use self::action::Verdict;
pub use self::action::{Action, Operation};
pub use self::ai::{
    Ai, AiAction, AiHold, AiLanguage, AiMessage, AiPrompt, AiUnhold, AmazonBedrock, Hint, Pronounce, Swaig,
};
pub use self::audio::{Denoise, DenoiseAction, DenoiseStop, DenoiseStopAction, Echo, EchoAction};
pub use self::collect::{Collect, CollectAction, Prompt, StandaloneCollectAction};
pub use self::conference::{ConferenceAction, ConferenceStay, ConferenceStream, JoinConference, LeaveConference};
pub use self::connect::{Connect, ConnectAction, Disconnect, DisconnectAction};
pub use self::control::{Answer, Hangup, HasVolume, InputTimers, Pausable, Stoppable};
pub use self::core::CallEnd;
use self::core::{CallCore, Leaving, Listened, ListenerEntry, Over, Reached};
pub use self::custom::UserEvent;
pub use self::detect::{Detect, DetectAction, DigitDetector, FaxDetector, Machine, digit_detector, fax_tone, machine};
pub use self::digits::{BindDigit, ClearDigitBindings, SendDigits, SendDigitsAction};
pub use self::fax::{ReceiveFax, ReceiveFaxAction, SendFax, SendFaxAction};
pub use self::legs::Leg;
pub use self::media_stream::{Stream, StreamAction};
pub use self::pay::{CardTypes, Pay, PayAction, PayPrompt, PostalCode};
pub use self::play::{Play, PlayAction};
pub use self::queue::{QueueAction, QueueEnter, QueueLeave, QueueStay, StayEnd};
pub use self::record::{Record, RecordAction};
pub use self::room::{JoinRoom, LeaveRoom, RoomAction, RoomStay};
pub use self::speech::{
    LiveSummary, LiveTranscribe, LiveTranscribeAction, LiveTranscription, LiveTranslate, LiveTranslateAction,
    LiveTranslation, Transcribe, TranscribeAction,
};
pub use self::tap::{Rtp, Tap, TapAction, TapDevice, Ws, rtp, ws};
pub use self::transfer::{Hold, HoldAction, Refer, ReferAction, Transfer, Unhold, UnholdAction};
use crate::error::{self, CallbackResult, Error, Result};
use crate::protocol::device::RemoteDevice;
use crate::protocol::event::Event;
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::protocol::states::{CallState, Direction, EventName};
use crate::session::end_wait;
use crate::stream::EventStream;

/// A live call, inbound or outbound.
///
/// Cheap to clone; clones are the same call. Its methods may be called from any thread, and block until the service
/// has answered, at most the client's request timeout (10 s).
///
/// Dropping a call changes nothing, with one exception: an inbound call that nobody has answered, passed or hung up is
/// passed back to routing when its last handle is dropped, so that no caller listens to ringing that nobody hears.
pub struct Call {
    pub(crate) core: Arc<CallCore>,
}

impl Call {
    pub(crate) fn new(core: Arc<CallCore>) -> Self {
        core.add_handle();
        Self { core }
    }

    // Who it is.

    /// Names the call at the service.
    #[must_use]
    #[doc(alias = "call_id")]
    pub fn id(&self) -> &str {
        self.core.id()
    }

    /// The node of the service that has the call; part of its address.
    #[must_use]
    pub fn node_id(&self) -> String {
        self.core.node_id()
    }

    /// The project that the call belongs to: as the service said, or else the client's own.
    #[must_use]
    pub fn project_id(&self) -> String {
        self.core.project_id()
    }

    /// The context on which an inbound call arrived. Empty for a dialled call: the service names none.
    #[must_use]
    pub fn context(&self) -> String {
        self.core.context()
    }

    /// The label given to it when it was dialled or connected.
    #[must_use]
    pub fn tag(&self) -> String {
        self.core.tag()
    }

    /// Groups calls that belong together.
    #[must_use]
    pub fn segment_id(&self) -> String {
        self.core.segment_id()
    }

    /// Whether it came in or was dialled.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.core.direction()
    }

    /// The other end.
    #[must_use]
    pub fn device(&self) -> RemoteDevice {
        self.core.device()
    }

    /// Who calls: a number or a SIP address; empty when unknown.
    #[must_use]
    pub fn from_number(&self) -> String {
        self.core.device().from().to_owned()
    }

    /// Who is called: a number or a SIP address; empty when unknown.
    #[must_use]
    pub fn to_number(&self) -> String {
        self.core.device().to().to_owned()
    }

    /// The state, as far as events have told.
    #[must_use]
    pub fn state(&self) -> CallState {
        self.core.state()
    }

    /// How it ended, when it has ended.
    #[must_use]
    pub fn end(&self) -> Option<CallEnd> {
        match self.core.over()? {
            Over::Ended(end) => Some((*end).clone()),
            Over::Gone => Some(CallEnd::default()),
            Over::SessionLost | Over::Closed => None,
        }
    }

    /// Returns what the trace of the client has of this call so far: lines of JSON in the form of [`Trace`](crate::connection::Trace),
    /// with its first line. A handler can attach it to a report. Empty if the client writes no trace.
    ///
    /// The text has the requests about the call and their responses, its events, and handlers and waits that concern it.
    /// Acknowledgements, and what happened before the ID of the call was known, are not in it. At most 64 KiB are kept for
    /// a call ([`Trace::call_bytes`](crate::connection::Trace::call_bytes)), and 8 MiB for all calls: the oldest lines are dropped first,
    /// which a line of the kind `dropped` says. Secrets, content and phone numbers are masked as in the trace itself.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// if let Err(error) = call.answer() {
    ///     eprintln!("{error}\n{}", call.trace());
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn trace(&self) -> String {
        self.core.session().map(|session| session.trace_of_call(self.id())).unwrap_or_default()
    }

    /// Whether the call has been heard of since the connection was last interrupted. A call that is not confirmed may
    /// have ended unnoticed; it is confirmed by its next event or by any reply to a request about it.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.core.is_confirmed()
    }

    // Events.

    /// Registers a listener for events of this kind, from now until the call ends.
    ///
    /// Listeners of one call run in order, one at a time, on a thread for callbacks: they may block and use any
    /// method. If one returns an error or panics, the call is ended, see [`CallbackResult`]. Events that wait for slow ones count against the client's bound on waiting notices; beyond that they
    /// are dropped and counted, but never the call's end.
    ///
    /// ```no_run
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// # let call = client.next_call(None)?;
    /// call.on("calling.call.state", |event| println!("{event:?}"));
    /// # Ok(()) }
    /// ```
    pub fn on<R: CallbackResult>(
        &self,
        event: impl Into<EventName>,
        handler: impl Fn(&Event) -> R + Send + Sync + 'static,
    ) -> Listener {
        self.listen(Some(event.into()), handler)
    }

    /// Has `handler` called with every event of this call, from now until it ends; see [`on`](Self::on).
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.on_any(|event| println!("{}", event.name()));
    /// # Ok(()) }
    /// ```
    pub fn on_any<R: CallbackResult>(&self, handler: impl Fn(&Event) -> R + Send + Sync + 'static) -> Listener {
        self.listen(None, handler)
    }

    fn listen<R: CallbackResult>(
        &self,
        name: Option<EventName>,
        handler: impl Fn(&Event) -> R + Send + Sync + 'static,
    ) -> Listener {
        let entry = self.core.listen(name, Box::new(move |event| handler(event).into_result()));
        let call: Weak<CallCore> = Arc::downgrade(&self.core);
        Listener::new(call, &entry)
    }

    /// The events of this call from now on, as an iterator that ends with the call.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// for event in call.events() {
    ///     println!("{}", event.name());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> EventStream<Event> {
        self.core.stream()
    }

    /// Makes a waiter for an event of this kind, which sees every event from now on.
    ///
    /// Made before a command is sent, the waiter cannot miss what the command brings about, however fast the service
    /// is. [`wait_for`](Self::wait_for) begins to listen only when it is called.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use serde_json::json;
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let mut sent = call.waiter(EventName::UserEvent);
    /// call.execute("calling.user_event", json!({"event": {"order": "4711"}}))?;
    /// println!("{:?}", sent.wait(Duration::from_secs(5))?);
    /// # Ok(()) }
    /// ```
    pub fn waiter(&self, event: impl Into<EventName>) -> EventWaiter {
        EventWaiter { call: Self::clone(self), name: event.into(), events: self.core.stream() }
    }

    /// Blocks until the next event of this kind for which `predicate` is true, at most `timeout`. With `None` it blocks
    /// until the call ends. The predicate runs in the waiting thread.
    ///
    /// An event that came before the method was called is not seen. What a command of the program brings about may come
    /// while the command is still being answered: use [`waiter`](Self::waiter) there, or the action that the command
    /// returns, such as [`connect`](Self::connect) and [`queue_enter`](Self::queue_enter).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{CallState, Event};
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let ending = |event: &Event| matches!(event, Event::CallState(event) if event.state == CallState::Ending);
    /// call.wait_for(EventName::CallState, ending, Duration::from_secs(60))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`; `CallEnded`, `CallGone`, `SessionLost` or `Closed` when the event cannot come any
    /// more.
    pub fn wait_for(
        &self,
        event: impl Into<EventName>,
        predicate: impl FnMut(&Event) -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Event> {
        self.waiter(event).wait_until(predicate, timeout)
    }

    /// Waits until the call rings, or is past that; at once when it is there already.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.wait_for_ringing(Duration::from_secs(10))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up; `CallEnded` and the like when the call is over.
    pub fn wait_for_ringing(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Ringing, timeout.into(), "waiting for ringing")
    }

    /// Waits until the call is answered; at once when it has been.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.answer()?;
    /// call.wait_for_answered(Duration::from_secs(10))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `CallEnded` when it ended without having been answered; `Timeout` when the time is up.
    pub fn wait_for_answered(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Answered, timeout.into(), "waiting for an answer")
    }

    /// Waits until the call is ending, or has ended; at once when it is there already.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.wait_for_ending(None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up; `SessionLost` or `Closed` when the call can no longer be followed.
    pub fn wait_for_ending(&self, timeout: impl Into<Option<Duration>>) -> Result<CallState> {
        self.wait_for_state(CallState::Ending, timeout.into(), "waiting for the call to end")
    }

    /// Waits until the call has ended; at once when it has. May be called again, also after a time-out.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let end = call.wait_for_ended(None)?;
    /// println!("ended: {:?} by {:?} after {:?}", end.reason, end.source, end.duration);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up; `SessionLost` or `Closed` when the call can no longer be followed.
    pub fn wait_for_ended(&self, timeout: impl Into<Option<Duration>>) -> Result<CallEnd> {
        let what = "waiting for the call to end";
        match self.core.wait_for_state(CallState::Ended, self.deadline(timeout.into()), what)? {
            Reached::State(_) | Reached::Over(Over::Gone) => Ok(CallEnd::default()),
            Reached::Over(Over::Ended(end)) => Ok((*end).clone()),
            Reached::Over(over) => Err(over.error(what, &self.core.shown_id())),
        }
    }

    fn wait_for_state(&self, target: CallState, timeout: Option<Duration>, what: &str) -> Result<CallState> {
        let passed = target.rank();
        match self.core.wait_for_state(target, self.deadline(timeout), what)? {
            Reached::State(state) => Ok(state),
            Reached::Over(over @ (Over::Ended(_) | Over::Gone)) => {
                // Past the state is as good as there, but an answer is not something that a call passes by ending.
                if passed != CallState::Answered.rank() || self.core.was_answered() {
                    Ok(CallState::Ended)
                } else {
                    Err(over.error(what, &self.core.shown_id()))
                }
            }
            Reached::Over(over) => Err(over.error(what, &self.core.shown_id())),
        }
    }

    fn deadline(&self, timeout: Option<Duration>) -> crate::clock::Deadline {
        self.core.session().and_then(|session| session.clock.deadline(timeout))
    }

    fn over_error(&self, what: &str) -> Error {
        self.core.over().unwrap_or(Over::Closed).error(what, &self.core.shown_id())
    }

    // Requests.

    /// Sends any request about this call: `params` is a JSON object, to which the call's address is added.
    ///
    /// The escape hatch for methods that this crate does not know. It gives the service's whole reply.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let reply = call.execute("calling.new_method", serde_json::json!({"key": "value"}))?;
    /// println!("{reply:?}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the call or the connection is gone.
    pub fn execute(&self, method: &str, params: serde_json::Value) -> Result<Reply> {
        let serde_json::Value::Object(members) = params else {
            return Err(error::refused(method, "its parameters must be a JSON object"));
        };
        let mut fields = Fields::default();
        for (key, value) in members {
            fields.extra(key, value);
        }
        self.deciding(method, |decides| {
            let outcome = self.core.request(method, &fields);
            match &outcome {
                Err(error) if error.code() == Some(410) || (decides && error.code() == Some(404)) => self.core.gone(),
                _ => {}
            }
            outcome
        })
    }

    /// A command that is complete when it is acknowledged. That nobody is left to hear it is no error.
    pub(crate) fn command(&self, method: &'static str, fields: &Fields) -> Result<Reply> {
        self.deciding(method, |decides| self.core.command(method, fields, decides))
    }

    /// Sends what may decide about an open offer, and is told whether it does.
    fn deciding(&self, method: &str, send: impl FnOnce(bool) -> Result<Reply>) -> Result<Reply> {
        let decides = matches!(method, "calling.answer" | "calling.end" | "calling.pass");
        let was_open = decides && self.core.settle_offer();
        let leaving = Leaving::of_method(method);
        if leaving != Leaving::No {
            self.core.leaves(leaving);
        }
        let outcome = send(decides);
        match &outcome {
            Ok(_) if leaving == Leaving::Passed => self.core.passed(),
            Err(error) if !error.may_have_been_sent() => {
                if leaving != Leaving::No {
                    self.core.leaves(Leaving::No);
                }
                if was_open {
                    // Nothing came of it: the caller still hears it ringing.
                    self.core.reopen_offer();
                }
            }
            _ => {}
        }
        outcome
    }
}

impl Clone for Call {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.core))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.core.drop_handle();
    }
}

impl PartialEq for Call {
    /// Whether both are the same call.
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Call {}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.core.shown_id())
            .field("direction", &self.direction())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A waiter for an event of a call, which was listening before it is waited for. Made by [`Call::waiter`].
///
/// Events that it has not looked at count against the client's bound on waiting notices
/// ([`Tuning::notice_bytes`](crate::connection::Tuning::notice_bytes)). Dropping it ends the subscription.
#[must_use = "an event is only waited for by `wait` or `wait_until`"]
pub struct EventWaiter {
    call: Call,
    name: EventName,
    events: EventStream<Event>,
}

impl EventWaiter {
    /// Blocks until the first event of the kind since the waiter was made, or since it last returned one, at most
    /// `timeout`. With `None` it blocks until the call ends.
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`: the waiter goes on listening, so nothing is missed when it is waited for again.
    /// `CallEnded`, `CallGone`, `SessionLost` or `Closed` when the event cannot come any more.
    pub fn wait(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Event> {
        self.wait_until(|_| true, timeout)
    }

    /// The same for the first event for which `predicate` is true; it runs in the waiting thread, once for each event.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::Event;
    /// # use signalwire_relay::events::EventName;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let mut switched = call.waiter(EventName::Denoise);
    /// let _ = call.denoise()?;
    /// switched.wait_until(|event| matches!(event, Event::Denoise(event) if event.denoised), Duration::from_secs(5))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    pub fn wait_until(
        &mut self,
        mut predicate: impl FnMut(&Event) -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Event> {
        if let Some(session) = self.call.core.session() {
            session.check_process("waiting for an event")?;
        }
        let until = self.call.deadline(timeout.into());
        let session = self.call.core.session();
        let wait = session
            .and_then(|session| session.begin_wait(Some(self.call.id()), || format!("waiting for {}", self.name)));
        let outcome = loop {
            match self.events.next_until(until) {
                Ok(event) if *event.raw().name() == self.name && predicate(&event) => break Ok(event),
                Ok(_) => {}
                Err(true) => break Err(self.call.over_error(&format!("waiting for {}", self.name))),
                Err(false) => break Err(error::no_event(self.name.as_str(), &self.call.core.shown_id())),
            }
        };
        end_wait(wait, &outcome);
        outcome
    }
}

impl fmt::Debug for EventWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWaiter").field("call", &self.call).field("event", &self.name).finish_non_exhaustive()
    }
}

/// Takes a handler away again. Dropping it keeps the handler listening, until its call or its client ends.
#[derive(Clone)]
pub struct Listener {
    of: Weak<dyn Listened>,
    entry: Weak<ListenerEntry>,
}

impl Listener {
    pub(crate) fn new(of: Weak<dyn Listened>, entry: &Arc<ListenerEntry>) -> Self {
        Self { of, entry: Arc::downgrade(entry) }
    }

    /// Has the handler called no more. An event that it is handling right now is finished.
    pub fn remove(&self) {
        if let (Some(of), Some(entry)) = (self.of.upgrade(), self.entry.upgrade()) {
            of.unlisten(&entry);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
