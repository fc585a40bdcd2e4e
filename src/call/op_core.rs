//! The state of an operation, from before its request is written until its last event.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::core::CallCore;
use super::legs::News;
use super::operation::{Meaning, Operation};
use super::over::CallFate;
use super::running::{Claim, Fed, Running};
use crate::clock::{Clock, Deadline};
use crate::error::{self, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::event::{Event, TypedEvent};
use crate::protocol::frame::Reply;
use crate::session::{Charge, Session, end_wait};
use crate::stream::{EventStream, StreamSender};

/// A callback of the program for the result of an operation.
pub(super) type Callback<T> = Box<dyn FnOnce(&Result<T>) + Send>;

/// The state of an operation. It holds no call.
pub(super) struct OpCore<O: Operation> {
    control_id: Box<str>,
    outcome: Latch<Result<O::Outcome>>,
    /// The second latch of an operation that has two stages.
    ready: Latch<Result<O::Outcome>>,
    inner: Mutex<OpInner<O>>,
}

/// The part of an operation's state that is behind its lock.
struct OpInner<O: Operation> {
    over: bool,
    /// Whether the service has accepted the operation, according to a response or an event.
    started: bool,
    /// Whether no event of the operation has arrived since a gap.
    in_doubt: bool,
    memo: O::Memo,
    reply: Reply,
    callbacks: Vec<(Arc<Mailbox>, Callback<O::Outcome>)>,
    /// Whether a thread is posting the callbacks. That thread also posts those that are added meanwhile.
    calling_back: bool,
    streams: Vec<StreamSender<O::Event>>,
    /// A guard that is dropped after the last event.
    held: Option<Box<dyn Send>>,
    /// The charges for the sizes of the operation's response and outcome.
    kept: Vec<Charge>,
}

impl<O: Operation> OpCore<O> {
    pub(super) fn new(control_id: Box<str>, memo: O::Memo, held: Option<Box<dyn Send>>) -> Self {
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

    /// Notes that the service has accepted the request.
    pub(super) fn begun(&self, reply: &Reply) {
        let mut inner = self.inner.lock();
        inner.started = true;
        O::accepted(reply, &mut inner.memo);
    }

    /// Keeps the response and the charge for its size.
    pub(super) fn keep_reply(&self, reply: Reply, charge: Option<Charge>) {
        let mut inner = self.inner.lock();
        inner.kept.extend(charge);
        inner.reply = reply;
    }

    /// Completes the operation. No event follows.
    pub(super) fn end_with(&self, session: &Arc<Session>, outcome: Result<O::Outcome>) {
        self.settle(session, &outcome);
        self.close(session, outcome);
    }

    /// `true` if the operation has its outcome.
    pub(super) fn has_outcome(&self) -> bool {
        self.outcome.is_set()
    }

    /// Runs a closure on the state that the events have built.
    pub(super) fn memo<T>(&self, look: impl FnOnce(&mut O::Memo) -> T) -> T {
        look(&mut self.inner.lock().memo)
    }

    pub(super) fn wait(&self, call: &CallCore, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.wait_on(&self.outcome, call, timeout)
    }

    pub(super) fn wait_until_ready(&self, call: &CallCore, timeout: Option<Duration>) -> Result<O::Outcome> {
        self.wait_on(&self.ready, call, timeout)
    }

    fn wait_on(
        &self,
        on: &Latch<Result<O::Outcome>>,
        call: &CallCore,
        timeout: Option<Duration>,
    ) -> Result<O::Outcome> {
        if let Some(ended) = on.get() {
            return ended;
        }
        let Some(session) = call.session() else {
            return on.get().unwrap_or_else(|| Err(error::closed(O::METHOD)));
        };
        session.check_process(O::METHOD)?;
        let wait = session.begin_wait(Some(call.id()), || O::METHOD.to_owned());
        let outcome = on.wait(&session.clock, session.clock.deadline(timeout)).unwrap_or_else(|| {
            if self.inner.lock().in_doubt {
                return Err(error::missed(O::METHOD, &call.shown_id(), true));
            }
            Err(error::timeout(&format!("{} on call {}", O::METHOD, call.shown_id())))
        });
        end_wait(wait, &outcome);
        outcome
    }

    pub(super) fn stream(&self, session: &Session) -> EventStream<O::Event> {
        let mut inner = self.inner.lock();
        if inner.over {
            return EventStream::ended();
        }
        let (feed, stream) = StreamSender::new(session);
        inner.streams.push(feed);
        stream
    }

    pub(super) fn add_callback(&self, session: &Arc<Session>, mailbox: Arc<Mailbox>, callback: Callback<O::Outcome>) {
        self.inner.lock().callbacks.push((mailbox, callback));
        if let Some(ended) = self.outcome.get() {
            self.call_back(session, &ended);
        }
    }

    /// Returns `true` if the operation never began: its call had ended before, or was unknown to the service.
    pub(super) fn never_began(&self) -> bool {
        self.outcome.is_set() && !self.inner.lock().started
    }

    /// Handles a response by which the operation does not exist. After a gap, that proves that the end of the operation
    /// was missed.
    pub(super) fn contradicted(&self, session: &Arc<Session>, call: &Arc<CallCore>) {
        if self.inner.lock().in_doubt && !self.outcome.is_set() {
            self.give_up(session, call.id());
            call.leave(&self.control_id);
        }
    }

    /// Ends an operation whose events were missed, so that its result is unknown.
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

    /// Posts the callbacks in the order in which they were added. Called when the outcome is set, and for each callback
    /// that is added later. Each callback is taken out once, and only one thread posts at a time, so that callbacks
    /// stay in order.
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

    /// Ends the streams and the wait for the second stage.
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

    /// Returns the outcome of an event, if there is room for its data until the operation's last handle is dropped.
    /// `last` is `true` if the outcome also ends the wait for the second stage.
    fn keep(&self, session: &Session, event: &Event, last: bool, outcome: Result<O::Outcome>) -> Result<O::Outcome> {
        if self.outcome.is_set() && (!last || self.ready.is_set()) {
            return outcome;
        }
        let what = || format!("{} on call {}", O::METHOD, session.clean(event.call_id().unwrap_or_default()));
        let charge = session.keep(event.bytes(), what)?;
        self.inner.lock().kept.extend(charge);
        outcome
    }

    /// Handles an event of another type: the operation's second type, or one with the same control ID, because a prompt
    /// both plays and collects.
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

impl<O: Operation> Running<CallCore> for OpCore<O> {
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
            let outcome = (verdict != Meaning::Progress).then(|| O::outcome(typed, &inner.memo));
            (verdict, O::ready(typed, &inner.memo), outcome)
        };
        self.feed_streams(session, event, typed, verdict == Meaning::Final);
        if let Some(ready) = ready.filter(|_| !self.ready.is_set()) {
            self.ready.set(&session.clock, self.keep(session, event, true, Ok(ready)));
        }
        let Some(outcome) = outcome else { return Fed::Taken };
        let outcome = self.keep(session, event, verdict == Meaning::Final, outcome);
        match verdict {
            Meaning::Within(span) => {
                let call = Arc::downgrade(call);
                session.later(span, move |session| self.end_late(session, &call, outcome));
                Fed::Taken
            }
            Meaning::Final => {
                self.settle(session, &outcome);
                self.close(session, outcome);
                Fed::Over
            }
            Meaning::Progress | Meaning::Outcome => {
                self.settle(session, &outcome);
                Fed::Taken
            }
        }
    }

    fn end(&self, session: &Arc<Session>, over: &CallFate, call_id: &str) {
        // An operation that never started did not end with the call either.
        let outcome = {
            let inner = self.inner.lock();
            let with_call = matches!(over, CallFate::Ended(_) | CallFate::Gone) && inner.started;
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
                // The operation stays in its table: its later events are followed, but this outcome stays.
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
    /// Ends the operation because an expected event did not arrive in time.
    fn end_late(&self, session: &Arc<Session>, call: &Weak<CallCore>, outcome: Result<O::Outcome>) {
        self.end_with(session, outcome);
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
