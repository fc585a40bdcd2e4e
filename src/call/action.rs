//! Operations: started on a call, controlled by their handle, ended by an event.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Call;
use super::core::{Over, Refusal};
use crate::clock::{Clock, Deadline};
use crate::error::{self, Error, ErrorKind, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::event::{Event, TypedEvent};
use crate::protocol::fields::Fields;
use crate::protocol::frame::Reply;
use crate::session::{Answer, Session};
use crate::stream::{EventStream, Feed};
use crate::workers::Workers;

/// What an event means for the operation it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Verdict {
    /// It goes on.
    Progress,
    /// This is what `wait` returns; more events may follow.
    Outcome,
    /// This is what `wait` returns, unless something was before, and the end.
    Final,
}

pub(crate) mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// Something that is started on a call and goes on until an event ends it. Implemented by its set of parameters.
///
/// This trait is sealed: the operations are those of the crate.
pub trait Operation: Sealed + Sized + 'static {
    /// What [`Action::wait`] returns.
    type Outcome: TypedEvent;
    /// The RELAY method that starts it.
    const METHOD: &'static str;
    /// The RELAY method that stops it.
    const STOP: &'static str;
    /// Whether its last event often comes after the end of its call, so that it is waited for a moment longer.
    #[doc(hidden)]
    const GRACE: bool = false;

    #[doc(hidden)]
    fn fields(&self) -> &Fields;

    /// Takes the control id that the program gave, if it gave one.
    #[doc(hidden)]
    fn control_id(&self) -> Option<&str> {
        self.fields().text("control_id")
    }

    /// Refuses, before anything is sent, what cannot be right.
    #[doc(hidden)]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Whether results come one after another until it is stopped.
    #[doc(hidden)]
    fn is_continuous(&self) -> bool {
        false
    }

    /// What an event of its kind means.
    #[doc(hidden)]
    fn judge(event: &Self::Outcome, continuous: bool) -> Verdict;

    /// What [`Action::wait`] returns when the call ended first, for operations that normally end with their call. The
    /// others end with an error then.
    #[doc(hidden)]
    fn ended_by_call(_call_id: &str, _control_id: &str) -> Option<Self::Outcome> {
        None
    }

    /// Whether the event says that it is time to speak, after an answering machine's greeting.
    #[doc(hidden)]
    fn is_ready(_event: &Self::Outcome) -> bool {
        false
    }
}

/// An operation on a call: playing, recording, collecting, detecting, paying, an AI session and the like.
///
/// Cheap to clone; clones share the operation. It keeps its [`Call`] with it. Dropping it changes nothing: the
/// operation goes on until it ends by itself, is stopped, or its call ends.
///
/// It ends by the event that its kind ends with, or when its call ends, is gone, or can no longer be followed, or the
/// client is closed: no wait on it lasts longer than that.
#[must_use = "an operation goes on in the background; wait for its outcome, or let it be with `let _ =`"]
pub struct Action<O: Operation> {
    call: Call,
    core: Arc<OpCore<O>>,
}

impl<O: Operation> Action<O> {
    /// Waits for the outcome: for ever with `None`, or as long as a `Duration` says.
    ///
    /// An AI session, a tap and a media stream normally end with their call: then the outcome says so
    /// (`ended_by_call`), and is no error.
    ///
    /// May be called again, from any thread; once there is an outcome it returns at once, the same for all.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::tts;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.play(tts("Hello!"))?.wait(Duration::from_secs(30))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout` when the time is up: the operation goes on and may be waited for again. `CallEnded`, `CallGone`,
    /// `SessionLost` or `Closed` when the call or the connection went before the operation had ended.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<O::Outcome> {
        self.core.wait(&self.call, &self.core.outcome, timeout.into())
    }

    /// Waits until it is time to speak, or the operation ends without that.
    pub(crate) fn wait_until_ready(&self, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.core.wait(&self.call, &self.core.ready, timeout)
    }

    /// Whether there is an outcome.
    #[must_use]
    #[doc(alias = "completed")]
    pub fn is_done(&self) -> bool {
        self.core.outcome.is_set()
    }

    /// The outcome, if there is one yet: what [`wait`](Self::wait) returns.
    #[must_use]
    pub fn result(&self) -> Option<Result<O::Outcome>> {
        self.core.outcome.get()
    }

    /// Has `callback` called once with the outcome, also when it is there already.
    ///
    /// It runs on a thread of its own kind, never inline, in order with the call's other callbacks and listeners, and
    /// may block and use any method.
    ///
    /// ```no_run
    /// # use signalwire_relay::Record;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.record(Record::new())?.on_completed(|ended| match ended {
    ///     Ok(recording) => println!("{}", recording.url),
    ///     Err(error) => println!("no recording: {error}"),
    /// });
    /// # Ok(()) }
    /// ```
    pub fn on_completed(&self, callback: impl FnOnce(&Result<O::Outcome>) + Send + 'static) {
        let Some(session) = self.call.core.session() else {
            if let Some(ended) = self.result() {
                Workers::run_alone(move || callback(&ended));
            }
            return;
        };
        let mailbox = self.call.core.mailbox();
        self.core.inner.lock().callbacks.push((mailbox, Box::new(callback)));
        if let Some(ended) = self.core.outcome.get() {
            self.core.call_back(&session, &ended);
        }
    }

    /// Names the operation in its requests and events.
    #[must_use]
    pub fn control_id(&self) -> &str {
        &self.core.control_id
    }

    /// The call it runs on.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The events of this operation from now on; ends with the operation.
    ///
    /// ```no_run
    /// # use signalwire_relay::Collect;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let collect = call.collect(Collect::speech().partial_results(true))?;
    /// for event in collect.events() {
    ///     println!("{:?}", event.speech());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> EventStream<O::Outcome> {
        let Some(session) = self.call.core.session() else { return EventStream::ended() };
        let mut inner = self.core.inner.lock();
        if inner.over {
            return EventStream::ended();
        }
        let (feed, stream) = Feed::new(&session);
        inner.streams.push(feed);
        stream
    }

    /// What the service answered to the request that started it; empty when the call was gone.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.core.inner.lock().reply.clone()
    }

    /// Sends a command about this operation: `method` with its control id. That it has ended meanwhile is no error.
    pub(crate) fn command(&self, method: &str, fields: &Fields) -> Result<()> {
        let mut fields = fields.clone();
        fields.set("", "control_id", self.control_id().into());
        self.call.core.command(method, &fields, false)?;
        Ok(())
    }
}

impl<O: Operation> Clone for Action<O> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), core: Arc::clone(&self.core) }
    }
}

impl<O: Operation> fmt::Debug for Action<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("method", &O::METHOD)
            .field("control_id", &self.core.control_id)
            .field("call_id", &self.call.id())
            .field("done", &self.is_done())
            .finish()
    }
}

type Callback<E> = Box<dyn FnOnce(&Result<E>) + Send>;

/// What the crate keeps of an operation. It holds no call.
struct OpCore<O: Operation> {
    control_id: Box<str>,
    continuous: bool,
    outcome: Latch<Result<O::Outcome>>,
    ready: Latch<Result<O::Outcome>>,
    inner: Mutex<OpInner<O::Outcome>>,
}

struct OpInner<E> {
    over: bool,
    /// Whether the service has taken it, as far as its reply or an event told.
    started: bool,
    reply: Reply,
    callbacks: Vec<(Arc<Mailbox>, Callback<E>)>,
    /// Whether somebody is posting them, and posts what is added meanwhile too.
    calling_back: bool,
    streams: Vec<Feed<E>>,
}

/// An operation in the table of its call.
pub(crate) trait Running: Send + Sync {
    fn control_id(&self) -> &str;
    /// Whether its last event may come after the end of its call.
    fn lingers(&self) -> bool;
    /// Takes an event with its control id, on the reader; true when it is over.
    fn feed(&self, session: &Arc<Session>, event: &Event) -> bool;
    /// Its call is over.
    fn end(&self, session: &Arc<Session>, over: &Over, call_id: &str);
    /// Waits until nothing more comes from it; false when the time is up.
    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool;
}

impl<O: Operation> OpCore<O> {
    fn wait(&self, call: &Call, on: &Latch<Result<O::Outcome>>, timeout: Option<Duration>) -> Result<O::Outcome> {
        if let Some(ended) = on.get() {
            return ended;
        }
        let Some(session) = call.core.session() else {
            return on.get().unwrap_or_else(|| Err(error::closed(O::METHOD)));
        };
        session.check_process(O::METHOD)?;
        on.wait(&session.clock, session.clock.deadline(timeout))
            .unwrap_or_else(|| Err(error::timeout(&format!("{} on call {}", O::METHOD, call.id()))))
    }

    fn settle(&self, session: &Arc<Session>, outcome: Result<O::Outcome>) {
        if !self.outcome.set(&session.clock, outcome.clone()) {
            return;
        }
        self.call_back(session, &outcome);
    }

    /// Posts the callbacks there are, in the order in which they were added. Called when the outcome is set, and by
    /// whoever adds one after that: each is taken out once, and by one thread at a time, or they would overtake each
    /// other.
    fn call_back(&self, session: &Arc<Session>, outcome: &Result<O::Outcome>) {
        if std::mem::replace(&mut self.inner.lock().calling_back, true) {
            return;
        }
        loop {
            let callbacks = {
                let mut inner = self.inner.lock();
                inner.calling_back = !inner.callbacks.is_empty();
                std::mem::take(&mut inner.callbacks)
            };
            if callbacks.is_empty() {
                return;
            }
            for (mailbox, callback) in callbacks {
                let outcome = outcome.clone();
                mailbox.post(&session.workers, Box::new(move || callback(&outcome)));
            }
        }
    }

    /// Nothing more will come: streams end, and so does the wait for a machine to be ready.
    fn close(&self, session: &Arc<Session>, last: Result<O::Outcome>) {
        let streams = {
            let mut inner = self.inner.lock();
            inner.over = true;
            std::mem::take(&mut inner.streams)
        };
        drop(streams);
        self.ready.set(&session.clock, last);
    }
}

impl<O: Operation> Running for OpCore<O> {
    fn control_id(&self) -> &str {
        &self.control_id
    }

    fn lingers(&self) -> bool {
        O::GRACE
    }

    fn feed(&self, session: &Arc<Session>, event: &Event) -> bool {
        // An event of another type may carry the same control id: a prompt plays as well as it collects.
        let Some(typed) = O::Outcome::from_event(event) else { return false };
        let verdict = O::judge(typed, self.continuous);
        let streams = {
            let mut inner = self.inner.lock();
            inner.started = true;
            std::mem::take(&mut inner.streams)
        };
        if !streams.is_empty() {
            let bytes = event.raw().json().len() + 256;
            let last = verdict == Verdict::Final;
            let fed = streams.into_iter().filter(|feed| feed.push(session, typed.clone(), bytes, last));
            let fed: Vec<_> = fed.collect();
            let mut inner = self.inner.lock();
            if !inner.over {
                inner.streams.extend(fed);
            }
        }
        if O::is_ready(typed) {
            self.ready.set(&session.clock, Ok(typed.clone()));
        }
        match verdict {
            Verdict::Progress => false,
            Verdict::Outcome => {
                self.settle(session, Ok(typed.clone()));
                false
            }
            Verdict::Final => {
                self.settle(session, Ok(typed.clone()));
                self.close(session, Ok(typed.clone()));
                true
            }
        }
    }

    fn end(&self, session: &Arc<Session>, over: &Over, call_id: &str) {
        // What never started did not end with the call either.
        let with_call = matches!(over, Over::Ended(_) | Over::Gone) && self.inner.lock().started;
        let outcome = if with_call { O::ended_by_call(call_id, &self.control_id) } else { None };
        let outcome = outcome.ok_or_else(|| over.error(O::METHOD, call_id));
        self.settle(session, outcome.clone());
        self.close(session, outcome);
    }

    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool {
        self.outcome.wait(clock, until).is_some()
    }
}

impl Call {
    /// Starts an operation: registers it, sends its request, and waits for the reply.
    pub(crate) fn start<O: Operation>(&self, operation: O) -> Result<Action<O>> {
        operation.check()?;
        operation.fields().check(O::METHOD)?;
        let call = &self.core;
        let Some(session) = call.session() else {
            return Err(call.over().unwrap_or(Over::Closed).error(O::METHOD, self.id()));
        };
        session.check_process(O::METHOD)?;
        let given = operation.control_id().map(Box::from);
        let control_id: Box<str> = given.unwrap_or_else(|| session.new_id().into());
        let core = Arc::new(OpCore::<O> {
            control_id,
            continuous: operation.is_continuous(),
            outcome: Latch::new(),
            ready: Latch::new(),
            inner: Mutex::new(OpInner {
                over: false,
                started: false,
                reply: Reply::empty(),
                callbacks: Vec::new(),
                calling_back: false,
                streams: Vec::new(),
            }),
        });
        let action = Action { call: self.clone(), core: Arc::clone(&core) };
        match call.enter(Arc::clone(&core) as Arc<dyn Running>) {
            Ok(()) => {}
            Err(Refusal::InUse) => {
                let why = format!("control id {:?} is in use on this call: choose another", core.control_id);
                return Err(error::refused(O::METHOD, &why));
            }
            Err(Refusal::Over(over @ (Over::SessionLost | Over::Closed))) => {
                return Err(over.error(O::METHOD, self.id()));
            }
            Err(Refusal::Over(over)) => {
                core.end(&session, &over, self.id());
                return Ok(action);
            }
        }
        let mut fields = operation.fields().clone();
        fields.set("", "control_id", (&*core.control_id).into());
        let of_reply = (Arc::clone(call), Arc::clone(&core));
        let effect = Box::new(move |answer: &Answer| {
            let (call, core) = of_reply;
            // A refused operation gets no more events. One whose fate is unknown gets none either: its starter
            // hears so, and has no handle to wait on.
            match answer {
                Answer::Reply(_) => core.inner.lock().started = true,
                _ => call.leave(&core.control_id),
            }
        });
        match call.request_with(O::METHOD, &fields, Some(effect)) {
            Ok(reply) => {
                core.inner.lock().reply = reply;
                Ok(action)
            }
            Err(error) => self.not_started(&session, action, error),
        }
    }

    fn not_started<O: Operation>(&self, session: &Arc<Session>, action: Action<O>, error: Error) -> Result<Action<O>> {
        let core = &action.core;
        self.core.leave(&core.control_id);
        if error.kind() == ErrorKind::CallGone {
            self.core.gone();
        }
        // It may have run and ended although the reply was lost; and a call that ended meanwhile has ended it too.
        if core.outcome.is_set() && (error.is_call_gone() || error.may_have_been_sent()) {
            return Ok(action);
        }
        // On a call that has ended the operation ends with it, though it may still wait for its last event.
        if let Some(over @ (Over::Ended(_) | Over::Gone)) = self.core.over().filter(|_| error.may_have_been_sent()) {
            core.end(session, &over, self.id());
            return Ok(action);
        }
        core.settle(session, Err(error.clone()));
        core.close(session, Err(error.clone()));
        if error.is_call_gone() { Ok(action) } else { Err(error) }
    }
}
