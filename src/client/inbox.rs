//! Inbound calls and messages that wait to be claimed, by a handler or by a thread that pulls.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::clock::Deadline;
use crate::error::{self, HandlerResult, Result};
use crate::latch::Latch;
use crate::session::{Charge, Session, end_wait};
use crate::steps::step;
use crate::workers::Workers;

/// An inbound offer: a call or a message.
pub(crate) trait Offered: Clone + Send + Sync + 'static {
    const WHAT: &'static str;
    /// The name of the offer's ID in the log.
    const ID: &'static str;
    /// Whether the offer counts against the bound on bytes until its handler has returned. This is so for offers
    /// without a bound of their own.
    const HELD_BY_HANDLER: bool;
    /// Size of the offer in bytes.
    fn bytes(&self) -> usize;
    /// The threads for handlers of this kind.
    fn workers(session: &Session) -> &Workers;
    /// Handles an offer that was not claimed before the timeout, or that was one too many.
    fn unclaimed(&self, session: &Session, why: &str);
    /// Handles the failure of the offer's handler.
    fn failed(&self, session: &Session);
    fn id(&self) -> Cow<'_, str>;
    /// Returns `true` if the offer has ended, so that no handler is run for it.
    fn is_over(&self) -> bool;
}

/// The handler that the program has registered.
type Handler<T> = Arc<dyn Fn(T) -> HandlerResult + Send + Sync>;

/// The inbound calls or messages that wait for the program: for its handler, or for a blocking method.
pub(crate) struct Inbox<T> {
    inner: Mutex<Inner<T>>,
    /// Bytes of the waiting offers, and of those that handlers hold.
    bytes: Arc<AtomicUsize>,
}

/// The state of an inbox, behind its lock.
struct Inner<T> {
    handler: Option<Handler<T>>,
    /// Offers that wait to be claimed, or for a thread of the handler: each of these has a job of [`Inbox::serve`].
    /// They are in the order of arrival, which is also the order of their timeouts.
    waiting: VecDeque<Waiting<T>>,
    /// Whether a sweep is scheduled.
    sweeping: bool,
    pullers: BTreeMap<u64, Arc<Latch<Option<T>>>>,
    count: u64,
    closed: bool,
}

/// An offer that waits in the inbox.
struct Waiting<T> {
    /// `None` if the offer waits for its handler without a limit.
    until: Deadline,
    offer: T,
    room: Option<Charge>,
}

impl<T: Offered> Inbox<T> {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            handler: None,
            waiting: VecDeque::new(),
            sweeping: false,
            pullers: BTreeMap::new(),
            count: 0,
            closed: false,
        };
        Self { inner: Mutex::new(inner), bytes: Arc::default() }
    }

    /// Bytes of the waiting offers, and of those that handlers hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    /// Registers the handler. It receives the waiting offers first.
    pub(crate) fn handle(
        self: &Arc<Self>,
        session: &Arc<Session>,
        handler: impl Fn(T) -> HandlerResult + Send + Sync + 'static,
    ) {
        let (old, over, jobs) = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return;
            }
            let old = inner.handler.replace(Arc::new(handler));
            if old.is_some() {
                (old, Vec::new(), 0)
            } else {
                let all = std::mem::take(&mut inner.waiting);
                let (over, live): (Vec<_>, Vec<_>) = all.into_iter().partition(|waiting| waiting.offer.is_over());
                inner.waiting = live.into();
                for waiting in &mut inner.waiting {
                    waiting.is_for_a_handler();
                }
                (old, over, inner.waiting.len())
            }
        };
        drop((old, over));
        (0..jobs).for_each(|_| self.push_job(session));
        session.kick();
    }

    /// Adds an offer. Called on the reader.
    pub(crate) fn offer(self: &Arc<Self>, session: &Arc<Session>, offer: T) {
        /// The receiver of an offer.
        enum To<T> {
            Handler,
            Puller(Arc<Latch<Option<T>>>),
            Queue,
            Nobody,
        }
        let settings = &session.settings;
        let bytes = offer.bytes();
        let until = session.clock.after(settings.claim_timeout);
        let room = || Charge::take(&self.bytes, settings.max_unclaimed_bytes, bytes);
        let mut sweep = None;
        let to = {
            let mut inner = self.inner.lock();
            let is_handled = inner.handler.is_some();
            let puller = if is_handled { None } else { inner.pullers.pop_first() };
            let is_full = inner.closed || (!is_handled && inner.waiting.len() >= settings.max_unclaimed);
            if let Some((_, puller)) = puller {
                To::Puller(puller)
            } else if let Some(waiting) = Waiting::new(&offer, until, is_handled, room).filter(|_| !is_full) {
                if waiting.until.is_some() && !std::mem::replace(&mut inner.sweeping, true) {
                    sweep = waiting.until;
                }
                inner.waiting.push_back(waiting);
                if is_handled { To::Handler } else { To::Queue }
            } else {
                To::Nobody
            }
        };
        match to {
            // The reader wakes a worker once for all jobs that it has queued.
            To::Handler => self.push_job(session),
            To::Puller(puller) => drop(puller.set(&session.clock, Some(offer))),
            To::Nobody => offer.unclaimed(session, "as many as allowed wait to be claimed already"),
            To::Queue => {}
        }
        self.sweep_at(session, sweep);
    }

    fn push_job(self: &Arc<Self>, session: &Arc<Session>) {
        let (inbox, of_job) = (Arc::clone(self), Arc::clone(session));
        T::workers(session).push(Box::new(move || inbox.serve(&of_job)));
    }

    /// Runs the handler for the oldest offer, on a thread for handlers.
    fn serve(&self, session: &Arc<Session>) {
        let (handler, waiting) = {
            let mut inner = self.inner.lock();
            // The last offer of a closed client takes the handler out.
            let is_last = inner.closed && inner.waiting.len() <= 1;
            let handler = if is_last { inner.handler.take() } else { inner.handler.clone() };
            (handler, inner.waiting.pop_front())
        };
        if let (Some(handler), Some(Waiting { offer, room, .. })) = (handler, waiting) {
            run(session, handler, offer, room);
        }
    }

    fn sweep_at(self: &Arc<Self>, session: &Session, at: Deadline) {
        if let Some(at) = at {
            let inbox = Arc::clone(self);
            session.at(at, Box::new(move |session| inbox.sweep(session)));
        }
    }

    /// Passes back the offers that have timed out.
    fn sweep(self: &Arc<Self>, session: &Session) {
        let mut expired = Vec::new();
        let (next, is_handled) = {
            let mut inner = self.inner.lock();
            while inner.waiting.front().is_some_and(|waiting| session.clock.is_past(waiting.until)) {
                step();
                expired.extend(inner.waiting.pop_front());
            }
            let next = inner.waiting.front().and_then(|waiting| waiting.until);
            inner.sweeping = next.is_some();
            (next, inner.handler.is_some())
        };
        self.sweep_at(session, next);
        let workers = T::workers(session);
        let why = match is_handled {
            false => "it was not claimed in time",
            true if workers.is_refused() => "the system refused a thread for its handler",
            true => "all threads for handlers are busy (Tuning::max_workers)",
        };
        if is_handled {
            workers.withdraw(expired.len());
            session.counters.handlers_late.add(expired.len() as u64);
        }
        for Waiting { offer, .. } in expired {
            offer.unclaimed(session, why);
        }
    }

    /// Blocks until the next offer arrives.
    pub(crate) fn next(&self, session: &Session, until: Deadline) -> Result<T> {
        let what = || format!("waiting for an inbound {}", T::WHAT);
        session.check_process(&what())?;
        // These are dropped after the lock is released.
        let mut over = Vec::new();
        let (number, puller) = {
            let mut inner = self.inner.lock();
            // With a handler set, all waiting offers belong to the handler.
            let is_handled = inner.handler.is_some();
            while let Some(Waiting { offer, .. }) = inner.waiting.pop_front().filter(|_| !is_handled) {
                // The caller may have hung up while the offer waited.
                if !offer.is_over() {
                    return Ok(offer);
                }
                over.push(offer);
            }
            if inner.closed {
                return Err(error::closed(&what()));
            }
            let puller = Arc::new(Latch::new());
            inner.count += 1;
            let number = inner.count;
            inner.pullers.insert(number, Arc::clone(&puller));
            (number, puller)
        };
        let wait = session.begin_wait(None, what);
        let given = puller.wait(&session.clock, until).or_else(|| {
            let withdrawn = self.inner.lock().pullers.remove(&number).is_some();
            // Another thread has taken this puller out to hand over an offer, which arrives at once.
            if withdrawn { None } else { puller.wait(&session.clock, None) }
        });
        let outcome = match given {
            Some(Some(offer)) => Ok(offer),
            Some(None) => Err(error::closed(&what())),
            None => Err(error::timeout(&what())),
        };
        end_wait(wait, &outcome);
        outcome
    }

    /// Takes the first pulling thread, as [`offer`](Self::offer) does before it hands over an offer.
    #[cfg(test)]
    pub(super) fn take_puller(&self) -> Option<Arc<Latch<Option<T>>>> {
        self.inner.lock().pullers.pop_first().map(|(_, puller)| puller)
    }

    /// Returns the waiting offers of a lost session. A handler still runs for its offers and sees their end.
    pub(crate) fn clear(&self) {
        let waiting = {
            let mut inner = self.inner.lock();
            if inner.handler.is_some() { VecDeque::new() } else { std::mem::take(&mut inner.waiting) }
        };
        drop(waiting);
    }

    /// Closes the inbox. Offers that wait for a thread of the handler still get one. The handler is a closure of the
    /// program: it is dropped on a thread that runs the program's code.
    pub(crate) fn close(&self, session: &Session) {
        let (handler, waiting, pullers) = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            let pullers = std::mem::take(&mut inner.pullers);
            if inner.handler.is_some() && !inner.waiting.is_empty() {
                (None, VecDeque::new(), pullers)
            } else {
                (inner.handler.take(), std::mem::take(&mut inner.waiting), pullers)
            }
        };
        drop(waiting);
        for puller in pullers.into_values() {
            puller.set(&session.clock, None);
        }
        if let Some(handler) = handler {
            session.workers.run(move || drop(handler));
        }
    }
}

impl<T: Offered> Waiting<T> {
    /// Creates an entry. Returns `None` if there is no room for the offer.
    fn new(offer: &T, until: Deadline, is_handled: bool, room: impl FnOnce() -> Option<Charge>) -> Option<Self> {
        if is_handled && !T::HELD_BY_HANDLER {
            return Some(Self { until, offer: offer.clone(), room: None });
        }
        let mut waiting = Self { until, offer: offer.clone(), room: Some(room()?) };
        if is_handled {
            waiting.is_for_a_handler();
        }
        Some(waiting)
    }

    /// Marks an offer that waits for a thread of the handler. Only offers without a bound of their own are charged for
    /// their bytes and wait without a limit: a call is passed back at its timeout.
    fn is_for_a_handler(&mut self) {
        if T::HELD_BY_HANDLER {
            self.until = None;
        } else {
            self.room = None;
        }
    }
}

/// Runs a handler once.
fn run<T: Offered>(session: &Session, handler: Handler<T>, offer: T, room: Option<Charge>) {
    let _room = room;
    let given = offer.clone();
    let code = move || {
        // A closed client has dropped its handlers: this may be the last reference to this one.
        let handler = handler;
        handler(given)
    };
    let id = offer.id();
    let what = || format!("the handler of {} {}", T::WHAT, session.clean(&id));
    session.run_user(&[(T::ID, &id)], what, code, || offer.failed(session));
}
