//! What comes in and waits for somebody to claim it: a handler, or a thread that pulls.

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

/// Something that is offered: an inbound call or message.
pub(crate) trait Offered: Clone + Send + Sync + 'static {
    const WHAT: &'static str;
    /// The name of its ID, in the log.
    const ID: &'static str;
    /// Whether it counts against the bound on bytes until its handler has returned: what has no bound of its own.
    const HELD_BY_HANDLER: bool;
    /// Everything that it owns.
    fn bytes(&self) -> usize;
    /// The threads of its handlers.
    fn workers(session: &Session) -> &Workers;
    /// Nobody claimed it in time, or there were too many.
    fn unclaimed(&self, session: &Session, why: &str);
    /// Its handler failed.
    fn failed(&self, session: &Session);
    fn id(&self) -> Cow<'_, str>;
    /// Whether nothing can be done with it any more: nobody is bothered with it.
    fn is_over(&self) -> bool;
}

type Handler<T> = Arc<dyn Fn(T) -> HandlerResult + Send + Sync>;

pub(crate) struct Inbox<T> {
    inner: Mutex<Inner<T>>,
    /// Bytes of what waits, and of what handlers hold.
    bytes: Arc<AtomicUsize>,
}

struct Inner<T> {
    handler: Option<Handler<T>>,
    /// What waits to be claimed, or for a thread of the handler: there is a job of [`Inbox::serve`] for each then. In the
    /// order in which it came, and in which its time is up.
    waiting: VecDeque<Waiting<T>>,
    /// Whether a sweep of it is due.
    sweeping: bool,
    pullers: BTreeMap<u64, Arc<Latch<Option<T>>>>,
    count: u64,
    closed: bool,
}

struct Waiting<T> {
    /// `None` for what a handler takes however long that takes.
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

    /// Bytes of what waits, and of what handlers hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    /// From now on everything goes to this handler, what waits already first.
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

    /// Offers something, on the reader.
    pub(crate) fn offer(self: &Arc<Self>, session: &Arc<Session>, offer: T) {
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
            // The reader sees to it that somebody takes the job, once for all that it has read.
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

    /// Runs the handler for what has waited longest, on a thread for handlers.
    fn serve(&self, session: &Arc<Session>) {
        let (handler, waiting) = {
            let mut inner = self.inner.lock();
            // The last one of a closed client takes the handler with it.
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

    /// What has waited for too long is unclaimed.
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

    /// Waits for the next one.
    pub(crate) fn next(&self, session: &Session, until: Deadline) -> Result<T> {
        let what = || format!("waiting for an inbound {}", T::WHAT);
        session.check_process(&what())?;
        // Dropped without the lock.
        let mut over = Vec::new();
        let (number, puller) = {
            let mut inner = self.inner.lock();
            // What waits for the handler is none of ours.
            let is_handled = inner.handler.is_some();
            while let Some(Waiting { offer, .. }) = inner.waiting.pop_front().filter(|_| !is_handled) {
                // A caller who has left while waiting.
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
            // Somebody took this puller out to give it something: it comes at once.
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

    /// Takes the first thread that pulls, as [`offer`](Self::offer) does before it gives it something.
    #[cfg(test)]
    pub(super) fn take_puller(&self) -> Option<Arc<Latch<Option<T>>>> {
        self.inner.lock().pullers.pop_first().map(|(_, puller)| puller)
    }

    /// What waits is given back; it belongs to a session that is gone. A handler finds that out by itself.
    pub(crate) fn clear(&self) {
        let waiting = {
            let mut inner = self.inner.lock();
            if inner.handler.is_some() { VecDeque::new() } else { std::mem::take(&mut inner.waiting) }
        };
        drop(waiting);
    }

    /// Nothing comes in any more. What waits for a thread of the handler still gets it. The handler is the program's own
    /// closure: it is dropped where its code runs.
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
    /// `None` when there is no room for it.
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

    /// From now on it waits for a thread of the handler. Only what has no bound of its own is charged for its bytes and
    /// may wait for as long as that takes: a call is passed back in time.
    fn is_for_a_handler(&mut self) {
        if T::HELD_BY_HANDLER {
            self.until = None;
        } else {
            self.room = None;
        }
    }
}

/// One run of a handler.
fn run<T: Offered>(session: &Session, handler: Handler<T>, offer: T, room: Option<Charge>) {
    let _room = room;
    let given = offer.clone();
    let code = move || {
        // A closed client has let go of its handlers: this may be the last of this one.
        let handler = handler;
        handler(given)
    };
    let id = offer.id();
    let what = || format!("the handler of {} {}", T::WHAT, session.clean(&id));
    session.run_user(&[(T::ID, &id)], what, code, || offer.failed(session));
}
