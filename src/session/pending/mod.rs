//! The table of requests that have no response yet.
//!
//! The right to complete a request is its removal from the table. The thread that removes a request under the table's
//! lock completes it after unlocking: the reader with the response, the loss of the connection with "unknown", the
//! caller at its deadline.

mod slot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

pub(crate) use self::slot::Slot;
use crate::clock::{Clock, Deadline, Sender};
use crate::protocol::frame::{Reply, WireError};
use crate::steps::step;
use crate::transport::Prepared;

/// Result of a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    Refused(WireError),
    /// The request was sent, and the connection was lost before the response arrived.
    Lost,
    /// The request was sent, and timed out without a response.
    Late,
    /// The request was never sent.
    Unsent,
    /// The session of the request is lost; the request was never sent.
    SessionLost,
    /// The client was closed. It may have been sent.
    Closed,
    /// The client was closed before the request was sent.
    ClosedUnsent,
}

/// Changes tables before the caller wakes. Runs on whichever thread completes the request, so it must not block.
pub(crate) type Effect = Box<dyn FnOnce(&Answer) + Send>;

/// A request on its way into the table.
pub(crate) struct Request {
    pub(crate) id: u128,
    pub(crate) text: String,
    pub(crate) until: Deadline,
    /// Whether the request is valid in this session only, as every request about a call is.
    pub(crate) of_session: bool,
    /// Whether another bound limits these requests, so that the bound of the queue does not apply.
    pub(crate) owed: bool,
    pub(crate) waiter: Option<Sender<(u128, Answer)>>,
    pub(crate) effect: Option<Effect>,
}

/// Result of registering a request.
pub(crate) enum Registered {
    /// The connection is up: the text goes to this generation.
    Online(u64, String),
    /// The request waits for the connection.
    Queued,
    Full,
    /// The session was lost while the request waited for room.
    SessionLost,
    Closed,
}

/// Outcome for a request that its generation did not accept.
pub(crate) enum Again {
    /// Another connection is up: the text goes to this generation.
    Online(u64, String),
    /// The request waits for the connection, or was completed meanwhile.
    Settled,
    /// The queue is full: as many requests as allowed wait for the connection already.
    Full(DeferredCompletion),
    /// The request waits for the connection and replaces this one, which no thread waits for.
    InPlaceOf(DeferredCompletion),
}

/// A request in the table.
struct Entry {
    place: Place,
    until: Deadline,
    of_session: bool,
    owed: bool,
    waiter: Option<Sender<(u128, Answer)>>,
    effect: Option<Effect>,
}

/// Treatment of a request when the queue has no room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// The request is queued beyond the bound.
    Owed,
    /// A thread waits for the request.
    Awaited,
    /// No thread waits for the request.
    Spare,
}

impl Worth {
    fn of(owed: bool, is_awaited: bool) -> Self {
        match (owed, is_awaited) {
            (true, _) => Self::Owed,
            (false, true) => Self::Awaited,
            (false, false) => Self::Spare,
        }
    }
}

impl Entry {
    fn worth(&self) -> Worth {
        Worth::of(self.owed, self.waiter.is_some())
    }
}

/// The place of a request's text.
enum Place {
    /// The request is not sent: it waits for the connection, at this place of the queue.
    Queued(i64, String),
    /// The request was handed to the writer of this generation.
    Handed(u64),
}

/// The requests, behind the lock.
#[derive(Default)]
struct Table {
    generation: Option<u64>,
    entries: HashMap<u128, Entry>,
    /// The IDs of the queued requests, in order.
    queue: BTreeMap<i64, u128>,
    /// Number of queued requests that count against the bound.
    counted: usize,
    /// The places of the counted requests that no thread waits for. These are dropped first when the queue is full.
    spare: BTreeSet<i64>,
    /// Number of threads that wait for room in the queue.
    waiting: usize,
    /// Number of lost sessions.
    sessions_lost: u64,
    /// The deadlines of requests that no thread waits for.
    deadlines: BTreeSet<(Instant, u128)>,
    /// Number of requests that no thread waits for.
    posted: usize,
    closed: bool,
}

impl Table {
    /// Queues a text at the end, or in front.
    fn place(&mut self, id: u128, worth: Worth, text: String, in_front: bool) -> Place {
        let ends = if in_front { self.queue.first_key_value() } else { self.queue.last_key_value() };
        let place = ends.map_or(0, |(at, _)| if in_front { at - 1 } else { at + 1 });
        self.queue.insert(place, id);
        self.counted += usize::from(worth != Worth::Owed);
        if worth == Worth::Spare {
            self.spare.insert(place);
        }
        Place::Queued(place, text)
    }

    fn is_full(&self, limit: usize) -> bool {
        self.counted >= limit
    }
}

/// The requests of a client that have no response yet.
pub(crate) struct Pending {
    table: Mutex<Table>,
    /// Number of requests in the table, readable without the lock.
    count: AtomicUsize,
    /// Number of these requests that no thread waits for.
    posted: AtomicUsize,
    offline_limit: usize,
    clock: Clock,
    /// Notified when the queue has room, and when room is not needed any more.
    room: Condvar,
}

/// The requests that have to be completed after the loss of a connection.
pub(crate) struct Lost {
    /// Requests that were sent and have no response.
    pub(crate) sent: Vec<DeferredCompletion>,
    /// Requests that were not sent and exceed the bound of the queue.
    pub(crate) unsent: Vec<DeferredCompletion>,
}

/// A removed entry. The thread that removed the entry must complete it.
#[must_use]
pub(crate) struct DeferredCompletion {
    id: u128,
    waiter: Option<Sender<(u128, Answer)>>,
    effect: Option<Effect>,
}

impl DeferredCompletion {
    pub(crate) fn complete(self, answer: Answer) {
        if let Some(effect) = self.effect {
            // The caller gets its response even if an effect panics.
            if catch_unwind(AssertUnwindSafe(|| effect(&answer))).is_err() {
                log::error!(
                    "applying a response failed, which is a defect of this crate: state of a call or message may be stale"
                );
            }
        }
        if let Some(waiter) = self.waiter {
            // The channel has room, because its thread waits for one response at a time; otherwise the thread has
            // ended.
            let _gone = waiter.send((self.id, answer));
        }
    }
}

impl DeferredCompletion {
    /// Completes the request on the waiting thread itself, which has the response already.
    pub(crate) fn complete_here(self, answer: &Answer) {
        if let Some(effect) = self.effect {
            effect(answer);
        }
    }
}

/// State of a caller's request when the caller timed out.
pub(crate) enum CancelOutcome {
    /// Removed before it was handed to a writer.
    Unsent(DeferredCompletion),
    /// Removed after it was handed to the writer of this generation.
    Handed(u64, DeferredCompletion),
    /// Another thread removed the request: the response is on its way.
    Answered,
}

impl Pending {
    pub(crate) fn new(clock: Clock, offline_limit: usize) -> Self {
        let (count, posted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { table: Mutex::default(), count, posted, offline_limit, clock, room: Condvar::new() }
    }

    /// Number of requests that no thread waits for.
    pub(crate) fn posted(&self) -> usize {
        self.posted.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        self.table.lock().queue.len()
    }

    /// Registers a request that no thread waits for. The request is refused if the queue is full.
    pub(crate) fn register(&self, request: Request) -> Registered {
        let mut table = self.table.lock();
        if self.is_full(&table, &request) {
            // The effect is dropped after the lock is released, because its drop takes another lock.
            drop(table);
            return Registered::Full;
        }
        self.enter(&mut table, request)
    }

    /// Registers the request of the calling thread, and blocks until the queue has room, at most until the request's
    /// deadline.
    pub(crate) fn register_in_turn(&self, request: Request) -> Registered {
        let mut table = self.table.lock();
        let (sessions_lost, mut in_time) = (table.sessions_lost, true);
        loop {
            if request.of_session && table.sessions_lost != sessions_lost {
                return Registered::SessionLost;
            }
            // Room that appears at the deadline is used: this thread alone was woken for it.
            if !self.is_full(&table, &request) {
                return self.enter(&mut table, request);
            }
            if !in_time {
                return Registered::Full;
            }
            table.waiting += 1;
            in_time = self.clock.wait(&self.room, &mut table, request.until);
            table.waiting -= 1;
        }
    }

    fn is_full(&self, table: &Table, request: &Request) -> bool {
        !table.closed && table.generation.is_none() && !request.owed && table.counted >= self.offline_limit
    }

    fn enter(&self, table: &mut Table, request: Request) -> Registered {
        let Request { id, text, until, of_session, owed, waiter, effect } = request;
        if table.closed {
            return Registered::Closed;
        }
        let (place, registered) = match table.generation {
            Some(generation) => (Place::Handed(generation), Registered::Online(generation, text)),
            None => (table.place(id, Worth::of(owed, waiter.is_some()), text, false), Registered::Queued),
        };
        table.posted += usize::from(waiter.is_none());
        table.entries.insert(id, Entry { place, until, of_session, owed, waiter, effect });
        self.publish(table);
        registered
    }

    /// Wakes threads that wait for room.
    fn ring(&self, table: &Table, all: bool) {
        if table.waiting == 0 {
        } else if all {
            self.clock.wake_all(&self.room);
        } else {
            self.clock.wake_one(&self.room);
        }
    }

    /// Number of requests of a generation that have no response yet.
    pub(crate) fn in_flight(&self, generation: u64) -> usize {
        let table = self.table.lock();
        table.entries.values().filter(|entry| matches!(entry.place, Place::Handed(of) if of == generation)).count()
    }

    /// Watches the deadline of a posted request, which no thread waits for. Returns `true` if this deadline is now the
    /// first one.
    pub(crate) fn watch(&self, id: u128) -> bool {
        let mut table = self.table.lock();
        let Some(until) = table.entries.get(&id).and_then(|entry| entry.until) else { return false };
        let first = table.deadlines.first().is_none_or(|(first, _)| until < *first);
        table.deadlines.insert((until, id));
        first
    }

    /// The first deadline of a posted request.
    pub(crate) fn next(&self) -> Deadline {
        self.table.lock().deadlines.first().map(|(until, _)| *until)
    }

    /// Removes the first posted request whose deadline has passed, and returns it with its answer.
    pub(crate) fn overdue(&self, now: Instant) -> Option<(DeferredCompletion, Answer)> {
        let mut table = self.table.lock();
        let (_, id) = *table.deadlines.first().filter(|(until, _)| *until <= now)?;
        let (owed, place) = self.remove(&mut table, id)?;
        Some((owed, if matches!(place, Place::Queued(..)) { Answer::Unsent } else { Answer::Late }))
    }

    /// The generation that receives requests at present.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.table.lock().generation
    }

    /// Places a request again that the writer did not accept because its generation has ended. The request waits for
    /// the next generation, or goes to the one that is up already.
    pub(crate) fn again(&self, id: u128, text: String) -> Again {
        let mut table = self.table.lock();
        let up = table.generation;
        let full = table.is_full(self.offline_limit);
        let Some(entry) = table.entries.get_mut(&id) else { return Again::Settled };
        // The loss of the refusing generation may not have been noticed yet. When it is, the queued requests stay
        // queued, and the next generation sends them.
        let refused = matches!(entry.place, Place::Handed(generation) if up == Some(generation));
        if let Some(generation) = up.filter(|_| !refused) {
            entry.place = Place::Handed(generation);
            return Again::Online(generation, text);
        }
        let worth = entry.worth();
        let mut again = Again::Settled;
        if full && worth != Worth::Owed {
            let spare = table.spare.last().filter(|_| worth == Worth::Awaited);
            let spare = spare.and_then(|at| table.queue.get(at)).copied();
            let Some((owed, _)) = self.remove(&mut table, spare.unwrap_or(id)) else { return Again::Settled };
            if spare.is_none() {
                return Again::Full(owed);
            }
            again = Again::InPlaceOf(owed);
        }
        let place = table.place(id, worth, text, false);
        if let Some(entry) = table.entries.get_mut(&id) {
            entry.place = place;
        }
        again
    }

    /// Removes a request whose response has arrived.
    pub(crate) fn answered(&self, id: u128) -> Option<DeferredCompletion> {
        self.remove(&mut self.table.lock(), id).map(|(owed, _)| owed)
    }

    /// Removes a request that has timed out.
    pub(crate) fn withdraw(&self, id: u128) -> CancelOutcome {
        match self.remove(&mut self.table.lock(), id) {
            None => CancelOutcome::Answered,
            Some((owed, Place::Queued(..))) => CancelOutcome::Unsent(owed),
            Some((owed, Place::Handed(generation))) => CancelOutcome::Handed(generation, owed),
        }
    }

    /// Returns `true` if this request waits for the connection.
    pub(crate) fn is_queued(&self, id: u128) -> bool {
        self.table.lock().entries.get(&id).is_some_and(|entry| matches!(entry.place, Place::Queued(..)))
    }

    /// Takes back a request that still waits for the connection. `None` if the request was sent or answered.
    pub(crate) fn retract(&self, id: u128) -> Option<DeferredCompletion> {
        let mut table = self.table.lock();
        let queued = table.entries.get(&id).is_some_and(|entry| matches!(entry.place, Place::Queued(..)));
        if queued { self.remove(&mut table, id).map(|(owed, _)| owed) } else { None }
    }

    /// Makes a connection the one that requests go to. Returns the requests that waited for it, in order.
    pub(crate) fn online(&self, link: Prepared, now: Instant) -> Vec<(u128, String)> {
        let generation = link.generation();
        let mut table = self.table.lock();
        table.generation = Some(generation);
        let queue = std::mem::take(&mut table.queue);
        table.spare.clear();
        table.counted = 0;
        let mut released = Vec::with_capacity(queue.len());
        for id in queue.into_values() {
            step();
            let Some(entry) = table.entries.get_mut(&id) else { continue };
            // Requests past their deadline are not sent; their callers time out on their own.
            if entry.until.is_some_and(|until| until <= now) {
                continue;
            }
            if let Place::Queued(_, text) = &mut entry.place {
                released.push((id, std::mem::take(text)));
                entry.place = Place::Handed(generation);
            }
        }
        self.ring(&table, true);
        released
    }

    /// Queues further requests for the next generation, because the service is about to close this one.
    pub(crate) fn hold(&self) {
        self.table.lock().generation = None;
    }

    /// Handles the loss of the connection. Requests that were never handed to its encoder are queued again, in front.
    /// The others are returned to be completed, with those that exceed the bound, taken from the back of the queue.
    pub(crate) fn lost(&self, generation: u64, unsent: Vec<(u128, String)>) -> Lost {
        let mut table = self.table.lock();
        table.generation = None;
        for (id, text) in unsent.into_iter().rev() {
            step();
            let Some(worth) = table.entries.get(&id).map(Entry::worth) else { continue };
            let place = table.place(id, worth, text, true);
            if let Some(entry) = table.entries.get_mut(&id) {
                entry.place = place;
            }
        }
        let mut surplus = Vec::new();
        let excess = table.counted.saturating_sub(self.offline_limit);
        if excess > 0 {
            let spare = table.spare.iter().rev().filter_map(|at| table.queue.get(at));
            let is_awaited = |id: &&u128| table.entries.get(id).is_some_and(|entry| entry.worth() == Worth::Awaited);
            let awaited = table.queue.values().rev().filter(is_awaited);
            surplus.extend(spare.chain(awaited).take(excess).copied());
        }
        let unsent = surplus.into_iter().filter_map(|id| Some(self.remove(&mut table, id)?.0)).collect();
        let sent = self.drain(&mut table, |entry| matches!(entry.place, Place::Handed(of) if of == generation));
        Lost { sent, unsent }
    }

    /// Removes the queued requests of a lost session, which are invalid in another one.
    pub(crate) fn session_lost(&self) -> Vec<DeferredCompletion> {
        let mut table = self.table.lock();
        table.sessions_lost += 1;
        self.ring(&table, true);
        self.drain(&mut table, |entry| entry.of_session && matches!(entry.place, Place::Queued(..)))
    }

    /// Closes the table: no request is registered any more. Returns the requests that were sent, and those that were
    /// not.
    pub(crate) fn close(&self) -> (Vec<DeferredCompletion>, Vec<DeferredCompletion>) {
        let mut table = self.table.lock();
        table.closed = true;
        table.generation = None;
        self.ring(&table, true);
        let unsent = self.drain(&mut table, |entry| matches!(entry.place, Place::Queued(..)));
        (self.drain(&mut table, |_| true), unsent)
    }

    fn remove(&self, table: &mut Table, id: u128) -> Option<(DeferredCompletion, Place)> {
        step();
        let Entry { place, until, owed, waiter, effect, .. } = table.entries.remove(&id)?;
        if waiter.is_none() {
            table.posted -= 1;
            if let Some(until) = until {
                table.deadlines.remove(&(until, id));
            }
        }
        if let Place::Queued(at, _) = &place {
            table.spare.remove(at);
            // A request that was past its deadline when the connection came up has left the queue already.
            if table.queue.remove(at).is_some() && !owed {
                table.counted -= 1;
                self.ring(table, false);
            }
        }
        self.publish(table);
        Some((DeferredCompletion { id, waiter, effect }, place))
    }

    fn publish(&self, table: &Table) {
        self.count.store(table.entries.len(), Ordering::Relaxed);
        self.posted.store(table.posted, Ordering::Relaxed);
    }

    fn drain(&self, table: &mut Table, which: impl Fn(&Entry) -> bool) -> Vec<DeferredCompletion> {
        let is_one = |(_, entry): &(&u128, &Entry)| {
            step();
            which(entry)
        };
        let ids: Vec<u128> = table.entries.iter().filter(is_one).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(table, id).map(|(owed, _)| owed)).collect()
    }
}

#[cfg(test)]
mod tests;
