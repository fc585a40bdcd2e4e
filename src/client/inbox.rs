//! What comes in and waits for somebody to claim it: a handler, or a thread that pulls.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::clock::Deadline;
use crate::error::{self, BoxError, Error, HandlerResult, Result};
use crate::latch::Latch;
use crate::session::{Charge, Session};
use crate::steps::step;

/// Something that is offered: an inbound call or message.
pub(crate) trait Offered: Clone + Send + Sync + 'static {
    const WHAT: &'static str;
    /// The name of its ID, in the log.
    const ID: &'static str;
    /// Whether it counts against the bound on bytes until its handler has returned: what has no bound of its own.
    const HELD_BY_HANDLER: bool;
    /// Everything that it owns.
    fn bytes(&self) -> usize;
    /// Nobody claimed it in time, or there were too many.
    fn unclaimed(&self, session: &Session, why: &str);
    /// Its handler failed.
    fn failed(&self, session: &Session);
    fn id(&self) -> String;
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
    /// In the order in which it came, and in which its time is up.
    waiting: VecDeque<Waiting<T>>,
    /// Whether a sweep of it is due.
    sweeping: bool,
    pullers: BTreeMap<u64, Arc<Latch<Option<T>>>>,
    count: u64,
    closed: bool,
}

struct Waiting<T> {
    until: Deadline,
    offer: T,
    room: Charge,
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
    pub(crate) fn handle(&self, session: &Arc<Session>, handler: impl Fn(T) -> HandlerResult + Send + Sync + 'static) {
        let handler: Handler<T> = Arc::new(handler);
        let (old, waiting) = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return;
            }
            (inner.handler.replace(Arc::clone(&handler)), std::mem::take(&mut inner.waiting))
        };
        drop(old);
        for Waiting { offer, room, .. } in waiting.into_iter().filter(|waiting| !waiting.offer.is_over()) {
            run(session, &handler, offer, Some(room).filter(|_| T::HELD_BY_HANDLER));
        }
        session.workers.kick();
    }

    /// Offers something, on the reader.
    pub(crate) fn offer(self: &Arc<Self>, session: &Arc<Session>, offer: T) {
        enum To<T> {
            Handler(Handler<T>),
            Puller(Arc<Latch<Option<T>>>),
            Queue,
            Sweep,
            Nobody,
        }
        let settings = &session.settings;
        let bytes = offer.bytes();
        let until = session.clock.after(settings.offer_wait);
        let room = || Charge::take(&self.bytes, settings.offer_bytes, bytes);
        let mut room_of_handler = None;
        let to = {
            let mut inner = self.inner.lock();
            if let Some(handler) = &inner.handler {
                room_of_handler = if T::HELD_BY_HANDLER { room() } else { None };
                if T::HELD_BY_HANDLER && room_of_handler.is_none() {
                    To::Nobody
                } else {
                    To::Handler(Arc::clone(handler))
                }
            } else if let Some((_, puller)) = inner.pullers.pop_first() {
                To::Puller(puller)
            } else if inner.closed || inner.waiting.len() >= settings.offer_queue {
                To::Nobody
            } else if let Some(room) = room() {
                inner.waiting.push_back(Waiting { until, offer: offer.clone(), room });
                let sweep = until.is_some() && !std::mem::replace(&mut inner.sweeping, true);
                if sweep { To::Sweep } else { To::Queue }
            } else {
                To::Nobody
            }
        };
        match to {
            To::Handler(handler) => run(session, &handler, offer, room_of_handler),
            To::Puller(puller) => drop(puller.set(&session.clock, Some(offer))),
            To::Nobody => offer.unclaimed(session, "as many as allowed wait to be claimed already"),
            To::Queue => {}
            To::Sweep => self.sweep_at(session, until),
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
        let next = {
            let mut inner = self.inner.lock();
            while inner.waiting.front().is_some_and(|waiting| session.clock.is_past(waiting.until)) {
                step();
                expired.extend(inner.waiting.pop_front());
            }
            let next = inner.waiting.front().and_then(|waiting| waiting.until);
            inner.sweeping = next.is_some();
            next
        };
        self.sweep_at(session, next);
        for Waiting { offer, .. } in expired {
            offer.unclaimed(session, "it was not claimed in time");
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
            while let Some(Waiting { offer, .. }) = inner.waiting.pop_front() {
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
        let given = puller.wait(&session.clock, until).or_else(|| {
            let withdrawn = self.inner.lock().pullers.remove(&number).is_some();
            // Somebody took this puller out to give it something: it comes at once.
            if withdrawn { None } else { puller.wait(&session.clock, None) }
        });
        match given {
            Some(Some(offer)) => Ok(offer),
            Some(None) => Err(error::closed(&what())),
            None => Err(error::timeout(&what())),
        }
    }

    /// Takes the first thread that pulls, as [`offer`](Self::offer) does before it gives it something.
    #[cfg(test)]
    pub(super) fn take_puller(&self) -> Option<Arc<Latch<Option<T>>>> {
        self.inner.lock().pullers.pop_first().map(|(_, puller)| puller)
    }

    /// What waits is given back; it belongs to a session that is gone.
    pub(crate) fn clear(&self) {
        let waiting = std::mem::take(&mut self.inner.lock().waiting);
        drop(waiting);
    }

    /// Nothing comes in any more. The handler is the program's own closure: it is dropped where its code runs.
    pub(crate) fn close(&self, session: &Session) {
        let (handler, waiting, pullers) = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            (inner.handler.take(), std::mem::take(&mut inner.waiting), std::mem::take(&mut inner.pullers))
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

/// One handler run is one job.
fn run<T: Offered>(session: &Arc<Session>, handler: &Handler<T>, offer: T, room: Option<Charge>) {
    let (session_of_job, handler) = (Arc::clone(session), Arc::clone(handler));
    session.workers.push(Box::new(move || {
        let (session, _room) = (session_of_job, room);
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(offer.clone())));
        // A closed client has let go of its handlers: this may be the last of this one.
        drop(handler);
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) if is_normal_way_out(&error) => {
                session.line(log::Level::Debug, &[(T::ID, &offer.id())], || format!("the handler is done: {error}"));
            }
            Ok(Err(error)) => {
                session.counters.handler_failures.add(1);
                log::error!(
                    "the handler of {} {} failed: {}",
                    T::WHAT,
                    session.clean(&offer.id()),
                    session.for_log(&error.to_string())
                );
                offer.failed(&session);
            }
            Err(panic) => {
                log::error!("the handler of {} {} panicked", T::WHAT, session.clean(&offer.id()));
                offer.failed(&session);
                drop(offer);
                resume_unwind(panic);
            }
        }
    }));
}

fn is_normal_way_out(error: &BoxError) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_normal_way_out)
}
