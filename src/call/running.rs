//! What is kept of an operation, from before its request is written until nothing more comes from it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Call;
use super::action::{Action, Operation, Verdict};
use super::core::{CallCore, Over, Refusal};
use super::legs::News;
use crate::clock::{Clock, Deadline};
use crate::error::{self, Error, ErrorKind, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::event::{Event, TypedEvent};
use crate::protocol::frame::Reply;
use crate::protocol::limits::LONGEST_NAME;
use crate::session::{Answer, Charge, Session, end_wait};
use crate::stream::{EventStream, Feed};

pub(super) type Callback<T> = Box<dyn FnOnce(&Result<T>) + Send>;

/// Why an event is shown to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The event does not concern the operation.
    No,
    /// The event carries the operation's control ID, or is of the operation's second type.
    Own,
    /// The event is of the operation's kind: the newest operation that the event concerns gets it.
    ByKind,
}

/// What became of an event that was shown to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The event concerned another operation of the kind.
    NotMine,
    Taken,
    /// The event was the operation's last one.
    Over,
}

/// An operation in the table of its call.
pub(crate) trait Running: Send + Sync {
    fn method(&self) -> &'static str;
    fn control_id(&self) -> &str;
    /// Whether an event that is found by its kind is for all operations of the kind.
    fn shares(&self) -> bool;
    /// Whether its last event may come after the end of its call.
    fn lingers(&self) -> bool;
    fn claims(&self, event_type: &str, control_id: Option<&str>) -> Claim;
    /// Takes an event, on the reader.
    fn feed(self: Arc<Self>, session: &Arc<Session>, call: &Arc<CallCore>, event: &Event) -> Fed;
    /// Its call is over.
    fn end(&self, session: &Arc<Session>, over: &Over, call_id: &str);
    /// Waits until nothing more comes from it; false when the time is up.
    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool;
    /// The session goes on after a gap, in which its news may have been missed.
    fn doubt(self: Arc<Self>, session: &Arc<Session>, call_id: &str);
    /// The program asks for its end, or the request for that was refused.
    fn leaving(&self, is: bool);
    /// An event reports a call that the service has made for it.
    fn leg(&self, news: News<'_>, limit: usize);
    /// Something else proves that it succeeded while its news was missed.
    fn presume(&self, session: &Arc<Session>, call_id: &str);
}

/// What the crate keeps of an operation. It holds no call.
pub(super) struct OpCore<O: Operation> {
    control_id: Box<str>,
    outcome: Latch<Result<O::Outcome>>,
    /// The other stage of an operation that has two.
    ready: Latch<Result<O::Outcome>>,
    inner: Mutex<OpInner<O>>,
}

struct OpInner<O: Operation> {
    over: bool,
    /// Whether the service has accepted the operation, as far as a response or an event reported.
    started: bool,
    /// No event of the operation has come since a gap.
    in_doubt: bool,
    memo: O::Memo,
    reply: Reply,
    callbacks: Vec<(Arc<Mailbox>, Callback<O::Outcome>)>,
    /// Whether a thread is posting the callbacks, and posts what is added meanwhile too.
    calling_back: bool,
    streams: Vec<Feed<O::Event>>,
    /// Given back when nothing more comes.
    held: Option<Box<dyn Send>>,
    /// The room that the operation's response and outcome take.
    kept: Vec<Charge>,
}

impl<O: Operation> OpCore<O> {
    fn new(control_id: Box<str>, memo: O::Memo, held: Option<Box<dyn Send>>) -> Self {
        Self {
            control_id,
            outcome: Latch::new(),
            ready: Latch::new(),
            inner: Mutex::new(OpInner {
                over: false,
                started: false,
                in_doubt: false,
                memo,
                reply: Reply::empty(),
                callbacks: Vec::new(),
                calling_back: false,
                streams: Vec::new(),
                held,
                kept: Vec::new(),
            }),
        }
    }

    pub(super) fn control_id(&self) -> &str {
        &self.control_id
    }

    pub(super) fn outcome(&self) -> Option<Result<O::Outcome>> {
        self.outcome.get()
    }

    pub(super) fn reply(&self) -> Reply {
        self.inner.lock().reply.clone()
    }

    /// Looks at what is remembered of its events.
    pub(super) fn memo<T>(&self, look: impl FnOnce(&mut O::Memo) -> T) -> T {
        look(&mut self.inner.lock().memo)
    }

    pub(super) fn wait(&self, call: &Call, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.wait_on(&self.outcome, call, timeout)
    }

    pub(super) fn wait_until_ready(&self, call: &Call, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.wait_on(&self.ready, call, timeout)
    }

    fn wait_on(&self, on: &Latch<Result<O::Outcome>>, call: &Call, timeout: Option<Duration>) -> Result<O::Outcome> {
        if let Some(ended) = on.get() {
            return ended;
        }
        let Some(session) = call.core.session() else {
            return on.get().unwrap_or_else(|| Err(error::closed(O::METHOD)));
        };
        session.check_process(O::METHOD)?;
        let wait = session.begin_wait(Some(call.id()), || O::METHOD.to_owned());
        let outcome = on.wait(&session.clock, session.clock.deadline(timeout)).unwrap_or_else(|| {
            if self.inner.lock().in_doubt {
                return Err(error::missed(O::METHOD, &call.core.shown_id(), true));
            }
            Err(error::timeout(&format!("{} on call {}", O::METHOD, call.core.shown_id())))
        });
        end_wait(wait, &outcome);
        outcome
    }

    pub(super) fn stream(&self, session: &Session) -> EventStream<O::Event> {
        let mut inner = self.inner.lock();
        if inner.over {
            return EventStream::ended();
        }
        let (feed, stream) = Feed::new(session);
        inner.streams.push(feed);
        stream
    }

    pub(super) fn add_callback(&self, session: &Arc<Session>, mailbox: Arc<Mailbox>, callback: Callback<O::Outcome>) {
        self.inner.lock().callbacks.push((mailbox, callback));
        if let Some(ended) = self.outcome.get() {
            self.call_back(session, &ended);
        }
    }

    /// Nothing was begun, and nothing will be: its call was over before, or the service did not know it.
    pub(super) fn never_began(&self) -> bool {
        self.outcome.is_set() && !self.inner.lock().started
    }

    /// A command was answered as if the operation did not exist. After a gap that proves that its end was missed.
    pub(super) fn contradicted(&self, session: &Arc<Session>, call: &Arc<CallCore>) {
        if self.inner.lock().in_doubt && !self.outcome.is_set() {
            self.give_up(session, call.id());
            call.leave(&self.control_id);
        }
    }

    /// Its news was missed, and nothing is known of how it ended.
    fn give_up(&self, session: &Arc<Session>, call_id: &str) {
        let missed = Err(error::missed(O::METHOD, call_id, false));
        self.settle(session, &missed);
        self.close(session, missed);
    }

    fn settle(&self, session: &Arc<Session>, outcome: &Result<O::Outcome>) {
        if self.outcome.set(&session.clock, outcome.clone()) {
            self.call_back(session, outcome);
        }
    }

    /// Posts the callbacks there are, in the order in which they were added. Called when the outcome is set, and for
    /// each callback that is added after that: each is taken out once, and by one thread at a time, or they would
    /// overtake each other.
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

    /// Nothing more will come: streams end, and so does the wait for the other stage.
    fn close(&self, session: &Arc<Session>, last: Result<O::Outcome>) {
        let (streams, held) = {
            let mut inner = self.inner.lock();
            inner.over = true;
            (std::mem::take(&mut inner.streams), inner.held.take())
        };
        drop((streams, held));
        self.ready.set(&session.clock, last);
    }

    fn feed_streams(&self, session: &Arc<Session>, event: &Event, typed: &O::Event, last: bool) {
        let streams = std::mem::take(&mut self.inner.lock().streams);
        if streams.is_empty() {
            return;
        }
        let bytes = event.bytes();
        let fed = streams.into_iter().filter(|feed| feed.push(session, typed.clone(), bytes, last));
        let fed: Vec<_> = fed.collect();
        let mut inner = self.inner.lock();
        if !inner.over {
            inner.streams.extend(fed);
        }
    }

    /// The outcome that an event stands for, if there is room for what it owns until the operation's last handle goes. `last`
    /// when it also ends the wait for the other stage.
    fn keep(&self, session: &Session, event: &Event, last: bool, outcome: Result<O::Outcome>) -> Result<O::Outcome> {
        if self.outcome.is_set() && (!last || self.ready.is_set()) {
            return outcome;
        }
        let what = || format!("{} on call {}", O::METHOD, session.clean(event.call_id().unwrap_or_default()));
        let charge = session.keep(event.bytes(), what)?;
        self.inner.lock().kept.extend(charge);
        outcome
    }

    /// An event of another type: its second one, or one that carries the same control ID, as a prompt plays as well as
    /// it collects.
    fn feed_other(&self, session: &Arc<Session>, event: &Event) -> Fed {
        if O::ALSO.is_none_or(|also| also != event.name()) {
            return Fed::NotMine;
        }
        let ended = O::also(event, &mut self.inner.lock().memo);
        let Some(ended) = ended else { return Fed::Taken };
        let ended = self.keep(session, event, true, ended);
        self.settle(session, &ended);
        self.close(session, ended);
        Fed::Over
    }
}

impl<O: Operation> Running for OpCore<O> {
    fn method(&self) -> &'static str {
        O::METHOD
    }

    fn control_id(&self) -> &str {
        &self.control_id
    }

    fn shares(&self) -> bool {
        O::SHARES
    }

    fn lingers(&self) -> bool {
        O::GRACE
    }

    fn claims(&self, event_type: &str, control_id: Option<&str>) -> Claim {
        if O::BY_KIND {
            if O::NAMES.iter().any(|name| name.as_str() == event_type) {
                return Claim::ByKind;
            }
        } else if control_id == Some(&*self.control_id) {
            return Claim::Own;
        }
        if O::ALSO.is_some_and(|also| also.as_str() == event_type) { Claim::Own } else { Claim::No }
    }

    fn feed(self: Arc<Self>, session: &Arc<Session>, call: &Arc<CallCore>, event: &Event) -> Fed {
        let Some(typed) = O::Event::from_event(event) else { return self.feed_other(session, event) };
        let (verdict, ready, outcome) = {
            let mut inner = self.inner.lock();
            if !O::concerns(typed, &inner.memo, inner.in_doubt) {
                return Fed::NotMine;
            }
            inner.started = true;
            inner.in_doubt = false;
            let verdict = O::judge(typed, &mut inner.memo);
            let outcome = (verdict != Verdict::Progress).then(|| O::outcome(typed, &inner.memo));
            (verdict, O::ready(typed, &inner.memo), outcome)
        };
        self.feed_streams(session, event, typed, verdict == Verdict::Final);
        if let Some(ready) = ready.filter(|_| !self.ready.is_set()) {
            self.ready.set(&session.clock, self.keep(session, event, true, Ok(ready)));
        }
        let Some(outcome) = outcome else { return Fed::Taken };
        let outcome = self.keep(session, event, verdict == Verdict::Final, outcome);
        match verdict {
            Verdict::Within(span) => {
                let call = Arc::downgrade(call);
                session.later(span, move |session| self.end_late(session, &call, outcome));
                Fed::Taken
            }
            Verdict::Final => {
                self.settle(session, &outcome);
                self.close(session, outcome);
                Fed::Over
            }
            Verdict::Progress | Verdict::Outcome => {
                self.settle(session, &outcome);
                Fed::Taken
            }
        }
    }

    fn end(&self, session: &Arc<Session>, over: &Over, call_id: &str) {
        // What never started did not end with the call either.
        let outcome = {
            let inner = self.inner.lock();
            let with_call = matches!(over, Over::Ended(_) | Over::Gone) && inner.started;
            if with_call { O::ended_by_call(call_id, &self.control_id, &inner.memo) } else { None }
        };
        let outcome = outcome.ok_or_else(|| over.error(O::METHOD, &session.clean(call_id)));
        self.settle(session, &outcome);
        self.close(session, outcome);
    }

    fn wait_over(&self, clock: &Clock, until: Deadline) -> bool {
        self.outcome.wait(clock, until).is_some()
    }

    fn doubt(self: Arc<Self>, session: &Arc<Session>, call_id: &str) {
        let limit = {
            let mut inner = self.inner.lock();
            inner.in_doubt = !inner.over;
            O::doubt_limit(&inner.memo)
        };
        let Some(limit) = limit.filter(|_| !self.outcome.is_set()) else { return };
        let (of, call_id): (Weak<Self>, Box<str>) = (Arc::downgrade(&self), call_id.into());
        session.later(limit, move |session| {
            let Some(operation) = of.upgrade() else { return };
            let in_doubt = operation.inner.lock().in_doubt;
            if in_doubt {
                // It stays in its table: what still comes of it is followed, though this outcome stays.
                operation.settle(session, &Err(error::missed(O::METHOD, &call_id, false)));
            }
        });
    }

    fn leaving(&self, is: bool) {
        O::leaving(&mut self.inner.lock().memo, is);
    }

    fn leg(&self, news: News<'_>, limit: usize) {
        O::leg(&mut self.inner.lock().memo, news, limit);
    }

    fn presume(&self, session: &Arc<Session>, call_id: &str) {
        if self.outcome.is_set() {
            return;
        }
        let presumed = O::presumed(call_id, &mut self.inner.lock().memo);
        if let Some(outcome) = presumed {
            self.settle(session, &Ok(outcome));
        }
    }
}

impl<O: Operation> OpCore<O> {
    /// What it was given time for did not come.
    fn end_late(&self, session: &Arc<Session>, call: &Weak<CallCore>, outcome: Result<O::Outcome>) {
        self.settle(session, &outcome);
        self.close(session, outcome);
        if let Some(call) = call.upgrade() {
            call.leave(&self.control_id);
        }
        session.workers.kick();
    }
}

impl<O: Operation> fmt::Debug for OpCore<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpCore").field("method", &O::METHOD).finish_non_exhaustive()
    }
}

impl Call {
    /// Starts an operation: registers it, sends its request, and waits for the reply.
    pub(crate) fn start<O: Operation>(&self, operation: O) -> Result<Action<O>> {
        self.start_holding(operation, None)
    }

    /// The same, with something that is given back when nothing more comes from the operation.
    pub(crate) fn start_holding<O: Operation>(&self, operation: O, held: Option<Box<dyn Send>>) -> Result<Action<O>> {
        operation.check()?;
        operation.fields().check(O::METHOD)?;
        let call = &self.core;
        let Some(session) = call.session() else {
            return Err(call.over().unwrap_or(Over::Closed).error(O::METHOD, &call.shown_id()));
        };
        let given = operation.control_id().map(Box::from).filter(|_| !O::BY_KIND);
        let control_id: Box<str> = given.unwrap_or_else(|| session.new_id().into());
        if control_id.len() > LONGEST_NAME {
            let why = format!("its control ID has {} bytes, and at most {LONGEST_NAME} are allowed", control_id.len());
            return Err(error::refused(O::METHOD, &why));
        }
        let core = Arc::new(OpCore::<O>::new(control_id, operation.memo(), held));
        let action = Action { call: self.clone(), core: Arc::clone(&core) };
        match call.enter(Arc::clone(&core) as Arc<dyn Running>) {
            Ok(()) => {}
            Err(Refusal::InUse) => {
                let why = format!("control id {:?} is in use on this call: choose another", core.control_id);
                return Err(error::refused(O::METHOD, &why));
            }
            Err(Refusal::Over(over @ (Over::SessionLost | Over::Closed))) => {
                return Err(over.error(O::METHOD, &call.shown_id()));
            }
            Err(Refusal::Over(over)) => {
                core.end(&session, &over, self.id());
                return Ok(action);
            }
        }
        let of_reply = (Arc::clone(call), Arc::clone(&core));
        let effect = Box::new(move |answer: &Answer| {
            let (call, core) = of_reply;
            // A refused operation gets no more events. One whose fate is unknown gets none either: its starter
            // hears so, and has no handle to wait on.
            match answer {
                Answer::Reply(reply) => {
                    let mut inner = core.inner.lock();
                    inner.started = true;
                    O::accepted(reply, &mut inner.memo);
                }
                _ => call.leave(&core.control_id),
            }
        });
        let control_id = (!O::BY_KIND).then_some(&*core.control_id);
        match call.request_with(O::METHOD, operation.fields(), control_id, Some(effect)) {
            Ok(reply) => {
                let done = O::done_by_reply(self.id(), &core.inner.lock().memo);
                // Without room for it the operation goes on, and its reply is empty.
                if let Ok(charge) = session.keep(reply.json().len(), || format!("{} (its reply)", O::METHOD)) {
                    let mut inner = core.inner.lock();
                    inner.kept.extend(charge);
                    inner.reply = reply;
                }
                if let Some(outcome) = done {
                    call.leave(&core.control_id);
                    let done = Ok(outcome);
                    core.settle(&session, &done);
                    core.close(&session, done);
                }
                Ok(action)
            }
            Err(error) => self.not_started(&session, action, error),
        }
    }

    fn not_started<O: Operation>(&self, session: &Arc<Session>, action: Action<O>, error: Error) -> Result<Action<O>> {
        let core = &action.core;
        self.core.leave(&core.control_id);
        if error.kind() == ErrorKind::CallGone && (O::NEEDS_CALL_ONLY || error.code() == Some(410)) {
            self.core.gone();
        }
        // It may have run and ended although the reply was lost; and a call that ended meanwhile has ended it too.
        if core.outcome.is_set() && (error.is_call_gone() || error.may_have_been_sent()) {
            return Ok(action);
        }
        self.core.not_started(session, O::METHOD, &error);
        // On a call that has ended the operation ends with it, though it may still wait for its last event.
        if let Some(over @ (Over::Ended(_) | Over::Gone)) = self.core.over().filter(|_| error.may_have_been_sent()) {
            core.end(session, &over, self.id());
            return Ok(action);
        }
        let failed = Err(error.clone());
        core.settle(session, &failed);
        core.close(session, failed);
        if error.is_call_gone() { Ok(action) } else { Err(error) }
    }
}
