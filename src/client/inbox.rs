//! What comes in and waits for somebody to claim it: a handler, or a thread that pulls.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Deadline;
use crate::error::{self, BoxError, Error, HandlerResult, Result};
use crate::latch::Latch;
use crate::session::Session;

/// Something that is offered: an inbound call or message.
pub(crate) trait Offered: Clone + Send + Sync + 'static {
    const WHAT: &'static str;
    /// Nobody claimed it in time, or there were too many.
    fn unclaimed(&self, session: &Session, why: &str);
    /// Its handler failed.
    fn failed(&self, session: &Session);
    fn id(&self) -> String;
    /// Whether nothing can be done with it any more: nobody is bothered with it.
    fn is_over(&self) -> bool;
}

type Handler<T> = Arc<dyn Fn(T) -> HandlerResult + Send + Sync>;

pub(crate) struct Inbox<T>(Mutex<Inner<T>>);

struct Inner<T> {
    handler: Option<Handler<T>>,
    waiting: VecDeque<(u64, T)>,
    pullers: VecDeque<Arc<Latch<Option<T>>>>,
    count: u64,
    closed: bool,
}

impl<T: Offered> Inbox<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner {
            handler: None,
            waiting: VecDeque::new(),
            pullers: VecDeque::new(),
            count: 0,
            closed: false,
        }))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().waiting.len()
    }

    /// From now on everything goes to this handler, what waits already first.
    pub(crate) fn handle(&self, session: &Arc<Session>, handler: impl Fn(T) -> HandlerResult + Send + Sync + 'static) {
        let handler: Handler<T> = Arc::new(handler);
        let (old, waiting) = {
            let mut inner = self.0.lock();
            if inner.closed {
                return;
            }
            (inner.handler.replace(Arc::clone(&handler)), std::mem::take(&mut inner.waiting))
        };
        drop(old);
        for (_, offer) in waiting.into_iter().filter(|(_, offer)| !offer.is_over()) {
            run(session, &handler, offer);
        }
        session.workers.kick();
    }

    /// Offers something, on the reader.
    pub(crate) fn offer(self: &Arc<Self>, session: &Arc<Session>, offer: T) {
        enum To<T> {
            Handler(Handler<T>),
            Puller(Arc<Latch<Option<T>>>),
            Queue(u64),
            Nobody,
        }
        let to = {
            let mut inner = self.0.lock();
            inner.count += 1;
            if let Some(handler) = &inner.handler {
                To::Handler(Arc::clone(handler))
            } else if let Some(puller) = inner.pullers.pop_front() {
                To::Puller(puller)
            } else if inner.closed || inner.waiting.len() >= session.settings.offer_queue {
                To::Nobody
            } else {
                let count = inner.count;
                inner.waiting.push_back((count, offer.clone()));
                To::Queue(count)
            }
        };
        match to {
            To::Handler(handler) => run(session, &handler, offer),
            To::Puller(puller) => drop(puller.set(&session.clock, Some(offer))),
            To::Nobody => offer.unclaimed(session, "as many as allowed wait to be claimed already"),
            To::Queue(count) => {
                let inbox = Arc::clone(self);
                session.later(session.settings.offer_wait, move |session| inbox.expire(session, count));
            }
        }
    }

    fn expire(&self, session: &Session, count: u64) {
        let expired = {
            let mut inner = self.0.lock();
            let at = inner.waiting.iter().position(|(of, _)| *of == count);
            at.and_then(|at| inner.waiting.remove(at))
        };
        if let Some((_, offer)) = expired {
            offer.unclaimed(session, "it was not claimed in time");
        }
    }

    /// Waits for the next one.
    pub(crate) fn next(&self, session: &Session, until: Deadline) -> Result<T> {
        let what = || format!("waiting for an inbound {}", T::WHAT);
        session.check_process(&what())?;
        // Dropped without the lock.
        let mut over = Vec::new();
        let puller = {
            let mut inner = self.0.lock();
            while let Some((_, offer)) = inner.waiting.pop_front() {
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
            inner.pullers.push_back(Arc::clone(&puller));
            puller
        };
        let given = puller.wait(&session.clock, until).or_else(|| {
            let withdrawn = {
                let mut inner = self.0.lock();
                let at = inner.pullers.iter().position(|other| Arc::ptr_eq(other, &puller));
                at.is_some_and(|at| inner.pullers.remove(at).is_some())
            };
            // Somebody took this puller out to give it something: it comes at once.
            if withdrawn { None } else { puller.wait(&session.clock, None) }
        });
        match given {
            Some(Some(offer)) => Ok(offer),
            Some(None) => Err(error::closed(&what())),
            None => Err(error::timeout(&what())),
        }
    }

    /// What waits is given back; it belongs to a session that is gone.
    pub(crate) fn clear(&self) {
        let waiting = std::mem::take(&mut self.0.lock().waiting);
        drop(waiting);
    }

    /// Nothing comes in any more. The handler is the program's own closure: it is dropped where its code runs.
    pub(crate) fn close(&self, session: &Session) {
        let (handler, waiting, pullers) = {
            let mut inner = self.0.lock();
            inner.closed = true;
            (inner.handler.take(), std::mem::take(&mut inner.waiting), std::mem::take(&mut inner.pullers))
        };
        drop(waiting);
        for puller in pullers {
            puller.set(&session.clock, None);
        }
        if let Some(handler) = handler {
            session.workers.run(move || drop(handler));
        }
    }
}

/// One handler run is one job.
fn run<T: Offered>(session: &Arc<Session>, handler: &Handler<T>, offer: T) {
    let (session_of_job, handler) = (Arc::clone(session), Arc::clone(handler));
    session.workers.push(Box::new(move || {
        let session = session_of_job;
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(offer.clone())));
        // A closed client has let go of its handlers: this may be the last of this one.
        drop(handler);
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) if is_normal_way_out(&error) => {
                log::debug!("the handler of {} {} is done: {error}", T::WHAT, session.clean(&offer.id()));
            }
            Ok(Err(error)) => {
                session.counters.handler_failures.add(1);
                log::error!(
                    "the handler of {} {} failed: {}",
                    T::WHAT,
                    session.clean(&offer.id()),
                    session.clean(&error.to_string())
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
