//! Dialling: one request, several legs, one winner.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::ordered::Ordered;
use super::over::HowOver;
use crate::call::core::{CallCore, CallFate};
use crate::call::legs::{Legs, Moment, News};
use crate::call::owed::{Debt, Duty};
use crate::call::{Call, Leg};
use crate::clock::Deadline;
use crate::error::{self, CallbackResult, Cause, Error, HandlerResult, Result};
use crate::latch::Latch;
use crate::mailbox::Mailbox;
use crate::protocol::frame::{self, Envelope};
use crate::protocol::states::EndReason;
use crate::session::{Alarm, Answer, Session, TimerId, end_wait};
use crate::stream::{EventStream, StreamSender};
use crate::workers::run_each;

/// A dial in progress.
///
/// [`wait`](Self::wait) blocks until the dial is answered or has failed. [`progress`](Self::progress) and
/// [`on_progress`](Self::on_progress) report what happens to each leg meanwhile.
///
/// ```no_run
/// # use signalwire_relay::{CallState, Client, phone};
/// # use signalwire_relay::devices::Devices;
/// # fn dial(client: &Client) -> signalwire_relay::Result<()> {
/// let ours = "+15551111111";
/// let agents = Devices::at_once([phone("+15552222222").from(ours), phone("+15553333333").from(ours)]);
/// let dialing = client.start_dial(agents)?;
/// for leg in dialing.progress() {
///     match leg.state {
///         CallState::Ringing => println!("{} rings", leg.to),
///         CallState::Ended => println!("{}: {:?} after {:?}", leg.to, leg.end_reason, leg.rang),
///         _ => {}
///     }
/// }
/// dialing.wait(None)?.hangup()
/// # }
/// ```
///
/// # Dropping
///
/// Dropping the dial cancels it: the ringing legs are ended, and a leg that is answered nevertheless is hung up.
/// [`cancel`](Self::cancel), the limit of the dial and the end of the client do the same.
#[must_use = "dropping a dial cancels it"]
pub struct Dialing {
    session: Arc<Session>,
    registry: Arc<dyn Registry>,
    core: Arc<DialCore>,
}

/// The state of a dial, shared by its handles, its request and the tables of the client.
pub(crate) struct DialCore {
    tag: Box<str>,
    /// The dial's destinations, for messages.
    to: Box<str>,
    outcome: Latch<Result<Arc<CallCore>>>,
    /// ID of the dial's request.
    request: OnceLock<u128>,
    /// Whether the request was taken back before it was sent.
    retracted: AtomicBool,
    legs: Mutex<Ordered<Arc<CallCore>>>,
    log: Mutex<Log>,
    /// Whether the dial had more legs than its limit.
    surplus: AtomicBool,
    /// Timer of the dial's limit. `None` once the dial has an outcome.
    timer: Mutex<Option<TimerId>>,
    /// Whether an event or response about this dial has arrived.
    heard: AtomicBool,
    /// Whether a thread has claimed the right to set the outcome.
    decided: AtomicBool,
    /// Whether the program has dropped or cancelled the dial.
    abandoned: AtomicBool,
    /// Whether the answered call has been handed to the program.
    taken: AtomicBool,
}

/// A listener of the program for the steps of legs.
type LegHandler = Arc<dyn Fn(&Leg) -> HandlerResult + Send + Sync>;
/// A callback of the program for the result of a dial.
type Callback = Box<dyn FnOnce(&Result<Call>) -> HandlerResult + Send>;

/// The steps of the legs, and the receivers of these steps.
#[derive(Default)]
struct Log {
    legs: Legs,
    /// End reason of the last leg that ended.
    reason: Option<EndReason>,
    streams: Vec<StreamSender<Leg>>,
    handlers: Vec<LegHandler>,
    callbacks: Vec<Callback>,
    mailbox: Option<Arc<Mailbox>>,
    /// Whether the dial has an outcome. Nothing is reported after that.
    over: bool,
}

impl Log {
    /// Reports a leg. The caller holds the lock, so that the steps of a leg stay in order: this must not block.
    fn report(&mut self, session: &Arc<Session>, leg: &Leg) {
        self.streams.retain(|stream| push(stream, session, leg));
        if !self.handlers.is_empty() {
            let handlers = self.handlers.clone();
            self.post(session, leg, handlers);
        }
    }

    fn post(&mut self, session: &Arc<Session>, leg: &Leg, handlers: Vec<LegHandler>) {
        let Some(room) = session.charge(leg.bytes(), leg.is_last_step()) else { return };
        let (leg, its_session) = (leg.clone(), Arc::clone(session));
        let notice = Box::new(move || {
            let _room = room;
            run_each(handlers, |handler| {
                its_session.run_user(&[], || "a callback of a dial".into(), || handler(&leg), || ());
            });
        });
        self.mailbox().push(&session.workers, notice);
    }

    fn mailbox(&mut self) -> Arc<Mailbox> {
        Arc::clone(self.mailbox.get_or_insert_with(Mailbox::new))
    }

    fn call_back(&mut self, session: &Arc<Session>, outcome: &Result<Arc<CallCore>>) {
        for callback in std::mem::take(&mut self.callbacks) {
            let (outcome, its_session) = (outcome.clone(), Arc::clone(session));
            let tell = move || {
                let answered = outcome.as_ref().ok().cloned();
                let outcome = outcome.map(Call::new);
                match answered {
                    Some(call) => call.run_callback(&its_session, "calling.dial", || callback(&outcome)),
                    None => its_session.run_user(&[], || "a callback of a dial".into(), || callback(&outcome), || ()),
                }
            };
            self.mailbox().push(&session.workers, Box::new(tell));
        }
    }
}

fn push(stream: &StreamSender<Leg>, session: &Arc<Session>, leg: &Leg) -> bool {
    stream.push(session, leg.clone(), leg.bytes(), leg.is_last_step())
}

impl Dialing {
    /// Blocks until the dial is answered or has failed, at most `timeout`. With `None` it blocks until the limit of the
    /// dial. May be called several times, from any thread.
    ///
    /// # Errors
    ///
    /// `Timeout` after `timeout`: the dial continues. `DialFailed` if there was no answer. `OutcomeUnknown` if the
    /// service did not respond, or rejected the dial while it was in trouble. `Rejected` if the service rejected the
    /// dial. `SessionLost`, `Closed`.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Call> {
        self.session.check_process("calling.dial")?;
        let clock = &self.session.clock;
        let wait = self.session.begin_wait(None, || format!("dial {}", self.core.to));
        let outcome = match self.core.outcome.wait(clock, clock.deadline(timeout.into())) {
            None => Err(error::timeout(&format!("dial {}", self.core.to))),
            Some(Err(error)) => Err(error),
            Some(Ok(call)) => {
                self.core.taken.store(true, Ordering::SeqCst);
                Ok(Call::new(call))
            }
        };
        end_wait(wait, &outcome);
        outcome
    }

    /// Returns the steps of the dial's legs: a [`Leg`] for each leg that is called, rings, is answered or ends.
    ///
    /// The stream begins with the legs that are known already, each in its present state, so no step is missed between
    /// [`start_dial`](crate::Client::start_dial) and this method. It ends when the dial has its outcome: answered, failed,
    /// cancelled, or ended with its session or its client. The legs that lose are ended by the service afterwards, which
    /// the stream does not report.
    ///
    /// Nothing is reported while the connection is down. After the session has resumed, a step that was missed is not
    /// repeated: the next step of the leg is reported, and the outcome ends the stream.
    pub fn progress(&self) -> EventStream<Leg> {
        let (stream, events) = StreamSender::new(&self.session);
        let mut log = self.core.log.lock();
        for leg in log.legs.all(self.core.now(&self.session)) {
            push(&stream, &self.session, &leg);
        }
        if !log.over {
            log.streams.push(stream);
        }
        events
    }

    /// Registers a handler for the steps of the dial's legs: those of [`progress`](Self::progress), in the same order.
    ///
    /// The handler runs on a worker thread, one step at a time. It may block and use any method.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Client, phone};
    /// # fn dial(client: &Client) -> signalwire_relay::Result<()> {
    /// let dialing = client.start_dial(phone("+15552222222").from("+15551111111"))?;
    /// dialing.on_progress(|leg| println!("{}: {}", leg.to, leg.state));
    /// dialing.wait(None)?.hangup()
    /// # }
    /// ```
    pub fn on_progress<R: CallbackResult>(&self, handler: impl Fn(&Leg) -> R + Send + Sync + 'static) {
        let handler: LegHandler = Arc::new(move |leg| handler(leg).into_result());
        {
            let mut log = self.core.log.lock();
            for leg in log.legs.all(self.core.now(&self.session)) {
                log.post(&self.session, &leg, vec![Arc::clone(&handler)]);
            }
            if !log.over {
                log.handlers.push(handler);
            }
        }
        self.session.workers.kick();
    }

    /// Registers a callback that receives the result of the dial, exactly once: the answered call, or the error that
    /// [`wait`](Self::wait) returns. If there is a result already, the callback receives it at once, never in the
    /// calling thread.
    ///
    /// The callback runs on a worker thread, after the last step that [`on_progress`](Self::on_progress) reports. It
    /// may block and use any method. Callbacks are called in the order in which they were added. If one returns an
    /// error or panics, the answered call is ended, see [`CallbackResult`].
    ///
    /// The answered call belongs to the callback: dropping the dial no longer hangs that call up. Dropping the dial
    /// before it is answered cancels the dial as usual, and the callback receives the error.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Client, phone, tts};
    /// # fn dial(client: &Client) -> signalwire_relay::Result<()> {
    /// let dialing = client.start_dial(phone("+15552222222").from("+15551111111"))?;
    /// dialing.on_completed(|outcome| match outcome {
    ///     Ok(call) => drop(call.play(tts("Your order is on its way."))),
    ///     Err(error) => println!("{error}"),
    /// });
    /// # drop(dialing.wait(None)); Ok(())
    /// # }
    /// ```
    pub fn on_completed<R: CallbackResult>(&self, callback: impl FnOnce(&Result<Call>) -> R + Send + 'static) {
        self.core.taken.store(true, Ordering::SeqCst);
        {
            let mut log = self.core.log.lock();
            log.callbacks.push(Box::new(move |outcome| callback(outcome).into_result()));
            if log.over {
                if let Some(outcome) = self.core.outcome.get() {
                    log.call_back(&self.session, &outcome);
                }
            }
        }
        self.session.workers.kick();
    }

    /// Cancels the dial: the legs that ring are ended. A call that was answered already is hung up, unless it was
    /// returned by [`wait`](Self::wait) or goes to a callback of [`on_completed`](Self::on_completed).
    ///
    /// ```no_run
    /// # use signalwire_relay::phone;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let dialing = client.start_dial(phone("+15552222222").from("+15551111111"))?;
    /// // The caller has hung up in the meantime:
    /// dialing.cancel();
    /// # Ok(()) }
    /// ```
    pub fn cancel(&self) {
        let error = error::dial_failed(&self.core.to, None, self.core.cause(&self.session, Some(EndReason::Cancel)));
        self.registry.give_up(&self.session, &self.core, error);
        self.core.abandoned.store(true, Ordering::SeqCst);
        self.core.hang_up_if_abandoned();
    }

    #[cfg(test)]
    pub(super) fn legs_kept(&self) -> usize {
        self.core.legs.lock().len()
    }

    #[cfg(test)]
    pub(super) fn core(&self) -> &Arc<DialCore> {
        &self.core
    }

    /// The dial's tag, which is part of its events.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.core.tag
    }

    /// Returns the calls of the dial that ring or were answered. [`progress`](Self::progress) reports what happens to
    /// them.
    #[must_use]
    pub fn legs(&self) -> Vec<Call> {
        let legs: Vec<_> = self.core.legs.lock().values().cloned().collect();
        legs.into_iter().filter(|leg| leg.over().is_none()).map(Call::new).collect()
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if !self.session.is_forked() {
            self.cancel();
        }
    }
}

impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing")
            .field("tag", &self.core.tag)
            .field("done", &self.core.outcome.is_set())
            .finish_non_exhaustive()
    }
}

/// The tables that contain a dial and its legs.
pub(super) trait Registry: Send + Sync {
    /// Gives up a dial that the service rejected or the program abandoned: its legs are ended.
    fn give_up(&self, session: &Arc<Session>, dial: &Arc<DialCore>, why: Error);
    /// Removes a finished dial. `how` is the way in which it ended.
    fn end_dial(&self, session: &Session, dial: &DialCore, how: HowOver);
    /// Removes a dial whose request was never sent.
    fn forget_unsent(&self, dial: &DialCore);
    /// Ends a leg that was answered too late.
    fn end_second_winner(&self, session: &Session, call: &Arc<CallCore>, envelope: Option<&Envelope<'_>>);
    /// Stops counting these losing legs as live calls.
    fn discount(&self, legs: &[Arc<CallCore>]);
}

/// Hangs up an unwanted leg.
pub(super) fn end_leg(session: &Session, leg: &Arc<CallCore>) {
    let unwanted = || "no dial waits for this call, and it is hung up".to_owned();
    session.line(log::Level::Debug, &[("call_id", leg.id())], unwanted);
    leg.owe(Duty::End, "\"reason\":\"cancel\"");
}

impl Dialing {
    pub(super) fn new(session: &Arc<Session>, registry: Arc<dyn Registry>, core: Arc<DialCore>) -> Self {
        Self { session: Arc::clone(session), registry, core }
    }
}

impl DialCore {
    pub(super) fn new(tag: Box<str>, to: Box<str>) -> Self {
        Self {
            tag,
            to,
            outcome: Latch::new(),
            request: OnceLock::new(),
            retracted: AtomicBool::new(false),
            legs: Mutex::default(),
            log: Mutex::default(),
            surplus: AtomicBool::new(false),
            timer: Mutex::default(),
            heard: AtomicBool::new(false),
            decided: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            taken: AtomicBool::new(false),
        }
    }

    /// Keeps the ID of the request, so that the request can be taken back.
    pub(super) fn keep_request(&self, request: u128) {
        // The ID is set only once.
        let _already_set = self.request.set(request);
    }

    pub(super) fn has_outcome(&self) -> bool {
        self.outcome.is_set()
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// The destinations, masked for messages.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn add_leg(&self, leg: &Arc<CallCore>) {
        self.heard.store(true, Ordering::Relaxed);
        self.legs.lock().insert(leg.id(), Arc::clone(leg));
    }

    fn is_leg(&self, call: &Arc<CallCore>) -> bool {
        self.legs.lock().get(call.id()).is_some_and(|known| Arc::ptr_eq(known, call))
    }

    /// Notes the state of a leg. `told` is the time of the event that reported the state, if the event has one.
    pub(super) fn leg_told(&self, session: &Arc<Session>, leg: &Arc<CallCore>, told: Option<f64>) {
        if !self.is_leg(leg) {
            return;
        }
        let end_reason = match leg.over() {
            Some(CallFate::Ended(end)) => end.reason.clone(),
            _ => None,
        };
        let at = Moment { arrived: Some(session.clock.now()), told };
        let device = leg.device();
        let news = News { call_id: leg.id(), to: device.to(), state: leg.state(), end_reason, at };
        let mut log = self.log.lock();
        if let Some(leg) = log.legs.take(news, session.settings.dial_legs).filter(|_| !log.over) {
            log.report(session, &leg);
        }
    }

    fn now(&self, session: &Session) -> Moment {
        Moment { arrived: Some(session.clock.now()), told: None }
    }

    /// Removes an ended leg. Its end reason is the reason of a failed dial for which the service sends none.
    pub(super) fn leg_ended(&self, leg: &Arc<CallCore>) {
        if let Some(session) = leg.session() {
            // The leg may have ended without an event.
            self.leg_told(&session, leg, None);
        }
        {
            let mut legs = self.legs.lock();
            if legs.get(leg.id()).is_some_and(|known| Arc::ptr_eq(known, leg)) {
                legs.remove(leg.id());
            }
        }
        let Some(CallFate::Ended(end)) = leg.over() else { return };
        let Some(reason) = end.reason.clone() else { return };
        let last = &mut self.log.lock().reason;
        // A cancelled leg is a consequence: the end of another leg is the reason.
        if reason != EndReason::Cancel || last.is_none() {
            *last = Some(reason);
        }
    }

    /// The reason of the failure: the one that the service sent for the dial, or the end reason of its last leg.
    pub(super) fn cause(&self, session: &Session, reason: Option<EndReason>) -> Cause {
        let log = self.log.lock();
        Cause { reason: reason.or_else(|| log.reason.clone()), legs: log.legs.all(self.now(session)) }
    }

    /// Returns `true` if the dial has reached its limit of legs.
    pub(super) fn is_full(&self, session: &Session) -> bool {
        self.legs.lock().len() >= session.settings.dial_legs
    }

    /// Returns `true` once: for the first leg beyond the limit.
    pub(super) fn first_surplus(&self) -> bool {
        !self.surplus.swap(true, Ordering::Relaxed)
    }

    /// Keeps the timer of the dial's limit, unless the dial has an outcome already.
    pub(super) fn keep_timer(&self, session: &Session, timer: Option<TimerId>) {
        *self.timer.lock() = timer;
        if self.decided.load(Ordering::Acquire) {
            self.drop_timer(session);
        }
    }

    pub(super) fn drop_timer(&self, session: &Session) {
        let timer = self.timer.lock().take();
        if let Some(timer) = timer {
            session.cancel(timer);
        }
    }

    /// Returns `true` if the request waits for the connection: the dial belongs to no session yet.
    pub(super) fn is_queued(&self, session: &Session) -> bool {
        self.request.get().is_none_or(|request| session.is_queued(*request))
    }

    /// Takes back the request if it was not sent yet. Returns `true` if no phone will ring because of this dial.
    pub(super) fn retract(&self, session: &Session) -> bool {
        if self.request.get().is_some_and(|request| session.retract(*request)) {
            self.retracted.store(true, Ordering::Relaxed);
        }
        self.retracted.load(Ordering::Relaxed)
    }

    pub(super) fn limit_error(&self, session: &Session) -> Error {
        if self.retract(session) {
            error::offline("calling.dial", None)
        } else if self.heard.load(Ordering::Relaxed) {
            error::dial_timeout(&self.to, self.cause(session, Some(EndReason::NoAnswer)))
        } else {
            error::outcome_unknown("calling.dial", None, true)
        }
    }

    /// Handles the response to the request, on the thread that completes the request.
    pub(super) fn answered_by_service(
        self: &Arc<Self>,
        session: &Arc<Session>,
        registry: &dyn Registry,
        answer: &Answer,
    ) {
        match answer {
            Answer::Reply(_) => self.heard.store(true, Ordering::Relaxed),
            // The service may be dialling: the dial's events or its limit decide.
            Answer::Lost | Answer::Late => {}
            refused => {
                let Err(error) = session.judge("calling.dial", None, "{}", refused.clone()) else { return };
                // A leg that arrived before the rejection, or that rings in spite of it, must be ended.
                if error.may_have_been_sent() {
                    registry.give_up(session, self, error);
                } else {
                    if matches!(refused, Answer::Refused(_)) {
                        registry.end_dial(session, self, HowOver::Refused);
                    } else {
                        registry.forget_unsent(self);
                    }
                    self.fail_and_end(session, registry, error);
                }
            }
        }
    }

    /// Runs a closure while no other thread can end the legs. The closure can check whether a thread is about to.
    #[cfg(test)]
    pub(super) fn with_legs_locked<T>(&self, body: impl FnOnce(&dyn Fn() -> bool) -> T) -> T {
        let _legs = self.legs.lock();
        body(&|| self.decided.load(Ordering::Acquire))
    }

    /// Blocks until the dial has an outcome.
    pub(super) fn wait_over(&self, session: &Session, until: Deadline) {
        drop(self.outcome.wait(&session.clock, until));
    }

    pub(super) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Hangs up an answered call that the program does not want. The thread that abandons the dial and the one that
    /// sets the outcome both call this after setting their flag: the later one sees both flags, so the call is hung up
    /// exactly once.
    fn hang_up_if_abandoned(&self) {
        if !self.abandoned.load(Ordering::SeqCst) {
            return;
        }
        if let Some(Ok(call)) = self.outcome.get() {
            if !self.taken.swap(true, Ordering::SeqCst) {
                if let Some(session) = call.session() {
                    session.warn(Alarm::LateLeg, || {
                        format!("dial {} was answered after it was given up: hanging up call {}", self.tag, call.id())
                    });
                    end_leg(&session, &call);
                }
            }
        }
    }

    /// Returns `true` to the one thread that may set the outcome.
    fn decide(&self, session: &Session) -> bool {
        let first = !self.decided.swap(true, Ordering::AcqRel);
        if first {
            self.drop_timer(session);
        }
        first
    }

    /// Sets the outcome and reports it. Only the thread that has decided calls this.
    fn settle(&self, session: &Arc<Session>, outcome: Result<Arc<CallCore>>) {
        self.outcome.set(&session.clock, outcome.clone());
        let streams = {
            let mut log = self.log.lock();
            log.over = true;
            log.call_back(session, &outcome);
            let handlers = std::mem::take(&mut log.handlers);
            if !handlers.is_empty() {
                // Closures of the program are dropped on the threads that run its code.
                log.mailbox().push(&session.workers, Box::new(move || drop(handlers)));
            }
            std::mem::take(&mut log.streams)
        };
        drop(streams);
        session.workers.kick();
    }

    pub(super) fn fail(&self, session: &Arc<Session>, error: Error) {
        if self.decide(session) {
            self.settle(session, Err(error));
        }
    }

    /// Fails the dial. The ringing legs are ended before the outcome is reported, because a callback may close the
    /// client.
    pub(super) fn fail_and_end(&self, session: &Arc<Session>, registry: &dyn Registry, error: Error) {
        if self.decide(session) {
            self.end_legs(session, registry);
            self.settle(session, Err(error));
        }
    }

    /// Sets the answered call as the outcome. The losing legs leave the tables when they end, or a little later.
    pub(super) fn won(
        &self,
        session: &Arc<Session>,
        registry: &dyn Registry,
        winner: &Arc<CallCore>,
        told: Option<f64>,
    ) -> bool {
        winner.raise_to_answered(session);
        self.leg_told(session, winner, told);
        if !self.decide(session) {
            return false;
        }
        self.settle(session, Ok(Arc::clone(winner)));
        self.hang_up_if_abandoned();
        self.drop_losers(session, registry, Some(winner));
        true
    }

    /// Ends the known legs of a dial that was given up.
    fn end_legs(&self, session: &Arc<Session>, registry: &dyn Registry) {
        let losers = self.losers(None);
        for leg in &losers {
            end_leg(session, leg);
        }
        Self::drop_legs(session, registry, losers);
    }

    /// Drops the losing legs. The service ends them, except for those that were answered: these are hung up here.
    pub(super) fn drop_losers(&self, session: &Arc<Session>, registry: &dyn Registry, winner: Option<&Arc<CallCore>>) {
        let losers = self.losers(winner);
        for leg in losers.iter().filter(|leg| leg.was_answered()) {
            registry.end_second_winner(session, leg, None);
        }
        Self::drop_legs(session, registry, losers);
    }

    /// Takes out all legs except the winner.
    fn losers(&self, winner: Option<&Arc<CallCore>>) -> Vec<Arc<CallCore>> {
        let mut losers = self.legs.lock().take();
        losers.retain(|leg| winner.is_none_or(|winner| !Arc::ptr_eq(leg, winner)) && leg.over().is_none());
        losers
    }

    fn drop_legs(session: &Arc<Session>, registry: &dyn Registry, losers: Vec<Arc<CallCore>>) {
        if losers.is_empty() {
            return;
        }
        registry.discount(&losers);
        session.later(session.settings.losing_leg_timeout, move |session| {
            for leg in losers {
                leg.finish(session, CallFate::Gone, None);
                session.call_over(leg.id());
            }
        });
    }
}

/// Hangs up a leg of a finished or abandoned dial.
pub(super) fn hang_up_late(session: &Arc<Session>, node_id: &str, call_id: &str) {
    session.warn(Alarm::LateLeg, || format!("call {call_id} belongs to a finished dial: hanging up the call"));
    let mut params = String::from("{\"node_id\":");
    frame::push_string(&mut params, node_id);
    params.push_str(",\"call_id\":");
    frame::push_string(&mut params, call_id);
    params.push_str(",\"reason\":\"cancel\"}");
    Debt::new(session, Duty::End, call_id, params).pay(session);
}
