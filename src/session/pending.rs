//! The table of requests that have no response yet.
//!
//! The right to complete a request is its removal from the table. The thread that removes a request under the table's
//! lock completes it after unlocking: the reader with the response, the loss of the connection with "unknown", the
//! caller at its deadline.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline, Receiver, Sender};
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
    DeferredCompletion,
    /// A thread waits for the request.
    Awaited,
    /// No thread waits for the request.
    Spare,
}

impl Worth {
    fn of(owed: bool, is_awaited: bool) -> Self {
        match (owed, is_awaited) {
            (true, _) => Self::DeferredCompletion,
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

enum Place {
    /// The request is not sent: it waits for the connection, at this place of the queue.
    Queued(i64, String),
    /// The request was handed to the writer of this generation.
    Handed(u64),
}

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
        self.counted += usize::from(worth != Worth::DeferredCompletion);
        if worth == Worth::Spare {
            self.spare.insert(place);
        }
        Place::Queued(place, text)
    }

    fn is_full(&self, limit: usize) -> bool {
        self.counted >= limit
    }
}

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
        if full && worth != Worth::DeferredCompletion {
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

/// Number of requests in flight above which a waiting thread yields before it sleeps.
const FEW: usize = 3;

/// Number of yields: about as long as a busy connection takes for a response.
const YIELDS: usize = 8;

type Ends = (Sender<(u128, Answer)>, Receiver<(u128, Answer)>);

thread_local! {
    /// The reply channel of a thread. A thread waits for one response at a time, so one slot is enough.
    static SLOT: RefCell<Option<(Clock, Ends)>> = const { RefCell::new(None) };
}

/// The reply channel of the calling thread.
pub(crate) struct Slot {
    pub(crate) sender: Sender<(u128, Answer)>,
    receiver: Receiver<(u128, Answer)>,
}

impl Slot {
    pub(crate) fn of_this_thread(clock: &Clock) -> Self {
        let kept = SLOT.try_with(|slot| {
            let mut slot = slot.borrow_mut();
            match &*slot {
                Some((of, ends)) if of == clock => ends.clone(),
                // This is the thread's first request, or its first one on another clock, as in tests.
                _ => slot.insert((clock.clone(), clock.for_this_thread())).1.clone(),
            }
        });
        // A thread that is being torn down has no thread-local values.
        let (sender, receiver) = kept.unwrap_or_else(|_| clock.bounded(1));
        Self { sender, receiver }
    }

    /// Waits for the response to this request. With few requests in flight the thread sleeps at once. With many the
    /// thread yields first, because responses arrive together and waking each thread would take longer.
    pub(crate) fn wait(&self, clock: &Clock, id: u128, in_flight: usize, until: Deadline) -> Option<Answer> {
        for _ in 0..if in_flight > FEW { YIELDS } else { 0 } {
            if let Ok((of, answer)) = self.receiver.try_recv() {
                if of == id {
                    return Some(answer);
                }
            }
            std::thread::yield_now();
        }
        loop {
            match clock.recv(&self.receiver, until) {
                Ok((of, answer)) if of == id => return Some(answer),
                // This is the response to an earlier request that timed out on this thread.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::steps;

    const LIMIT: usize = 10;

    fn request(id: u128, owed: bool, until: Deadline) -> Request {
        Request { id, text: id.to_string(), until, of_session: true, owed, waiter: None, effect: None }
    }

    /// Creates a table with `count` requests that no thread waits for.
    fn filled(limit: usize, count: usize, until: Deadline, online: bool) -> Pending {
        let pending = Pending::new(Clock::real(), limit);
        if online {
            pending.online(Prepared::pretended(1), Instant::now());
        }
        for id in 0..count as u128 {
            assert!(!matches!(pending.register(request(id, false, until)), Registered::Full | Registered::Closed));
            pending.watch(id);
        }
        assert_eq!((pending.count(), pending.posted()), (count, count));
        pending
    }

    #[test]
    fn the_end_of_requests_takes_steps_in_proportion() {
        type End = fn(&Pending, usize);
        let unsent = |count: usize| (0..count as u128).map(|id| (id, id.to_string())).collect::<Vec<_>>();
        let far = Instant::now().checked_add(Duration::from_secs(1000));
        let ends: [(&str, bool, End); 6] = [
            ("closed", false, |pending, count| {
                let (sent, unsent) = pending.close();
                assert_eq!(sent.len() + unsent.len(), count);
            }),
            ("their session is lost", false, |pending, count| assert_eq!(pending.session_lost().len(), count)),
            ("withdrawn", false, |pending, count| {
                (0..count as u128).for_each(|id| assert!(matches!(pending.withdraw(id), CancelOutcome::Unsent(_))));
            }),
            ("answered", true, |pending, count| {
                (0..count as u128).for_each(|id| assert!(pending.answered(id).is_some()));
            }),
            ("lost", true, |pending, count| assert_eq!(pending.lost(1, Vec::new()).sent.len(), count)),
            ("overdue", false, |pending, count| {
                let late = Instant::now() + Duration::from_secs(2000);
                let overdue = std::iter::from_fn(|| pending.overdue(late));
                assert_eq!(overdue.filter(|(_, answer)| matches!(answer, Answer::Unsent)).count(), count);
            }),
        ];
        for (what, online, end) in ends {
            let steps = |count| {
                let pending = filled(usize::MAX, count, far, online);
                let steps = steps::of(|| end(&pending, count));
                assert_eq!((pending.count(), pending.queued(), pending.posted()), (0, 0, 0), "{what}");
                assert_eq!(pending.next(), None, "{what}");
                steps
            };
            let (once, twice) = (steps(500), steps(1000));
            assert!(once >= 500 && twice <= 2 * once, "{what}: {once} steps, {twice} for twice as many");
        }
        let steps = |count| {
            let pending = filled(usize::MAX, count, far, true);
            steps::of(|| assert!(pending.lost(1, unsent(count)).unsent.is_empty()))
        };
        assert!(steps(1000) <= 2 * steps(500) && steps(500) >= 500, "queued again");
    }

    #[test]
    fn what_comes_back_from_a_lost_link_counts_against_the_bound_and_keeps_its_order() {
        let pending = filled(LIMIT, 30, None, true);
        // The service is about to close the connection, so later requests are queued.
        pending.hold();
        for id in 30..60 {
            let taken = !matches!(pending.register(request(id, false, None)), Registered::Full);
            assert_eq!(taken, id < 30 + LIMIT as u128, "{id}");
        }
        for id in 60..65 {
            assert!(matches!(pending.register(request(id, true, None)), Registered::Queued), "{id} is owed");
        }
        let unsent = (22..30).map(|id| (id, id.to_string())).collect();
        let lost = pending.lost(1, unsent);
        let ids = |owed: &[DeferredCompletion]| {
            let mut ids: Vec<u128> = owed.iter().map(|owed| owed.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&lost.sent), (0..22).collect::<Vec<_>>());
        assert_eq!(ids(&lost.unsent), (32..40).collect::<Vec<_>>(), "the newest have no room");
        let released = pending.online(Prepared::pretended(2), Instant::now());
        let released: Vec<u128> = released.into_iter().map(|(id, _)| id).collect();
        assert_eq!(released, (22..32).chain(60..65).collect::<Vec<_>>());
    }

    fn awaited(id: u128) -> Request {
        Request { waiter: Some(Clock::real().bounded(1).0), ..request(id, false, None) }
    }

    #[test]
    fn without_room_what_no_thread_waits_for_goes_first() {
        let ids = |owed: &[DeferredCompletion]| owed.iter().map(|owed| owed.id).collect::<Vec<_>>();
        let pending = Pending::new(Clock::real(), LIMIT);
        pending.online(Prepared::pretended(1), Instant::now());
        // A thread waits for each request with an odd ID.
        for id in 0..14 {
            let request = if id % 2 == 1 { awaited(id) } else { request(id, false, None) };
            assert!(matches!(pending.register(request), Registered::Online(1, _)));
        }
        let lost = pending.lost(1, (0..14).map(|id| (id, id.to_string())).collect());
        assert_eq!(ids(&lost.unsent), [12, 10, 8, 6]);
        // Another writer returns the requests that it did not accept: one replaces another in the queue.
        pending.online(Prepared::pretended(2), Instant::now());
        for id in 20..30 {
            assert!(matches!(pending.register(awaited(id)), Registered::Online(2, _)));
        }
        assert_eq!(pending.lost(2, vec![(0, "0".into()), (2, "2".into())]).unsent.len(), 0);
        let mut in_place = Vec::new();
        for id in 40..50 {
            let Registered::Queued = pending.register(awaited(id)) else { break };
        }
        assert_eq!(pending.queued(), LIMIT);
        pending.online(Prepared::pretended(3), Instant::now());
        for id in [40, 41, 0, 42, 43, 2, 44, 45, 46, 47] {
            assert!(matches!(pending.again(id, id.to_string()), Again::Settled), "{id}");
        }
        for id in 60..63 {
            assert!(matches!(pending.register(awaited(id)), Registered::Online(3, _)));
            match pending.again(id, id.to_string()) {
                Again::InPlaceOf(owed) => in_place.push(owed.id),
                Again::Full(owed) => assert_eq!((owed.id, id), (62, 62), "none is left that nobody waits for"),
                _ => panic!("{id}: there is no room"),
            }
        }
        assert_eq!((in_place, pending.queued()), (vec![2, 0], LIMIT));
    }

    #[test]
    fn what_a_writer_gives_back_counts_against_the_bound() {
        let pending = filled(LIMIT, 20, None, true);
        let mut full = 0;
        for id in 0..20 {
            match pending.again(id, id.to_string()) {
                Again::Settled => assert!(id < LIMIT as u128, "{id}"),
                Again::Full(owed) => {
                    assert_eq!(owed.id, id);
                    full += 1;
                }
                Again::Online(..) | Again::InPlaceOf(_) => panic!("{id}: that link refused it"),
            }
        }
        assert_eq!((full, pending.queued(), pending.count()), (10, LIMIT, LIMIT));
    }

    #[test]
    fn timers_of_requests_are_the_requests_own() {
        let base = Instant::now();
        let at = |seconds| base.checked_add(Duration::from_secs(seconds));
        let pending = Pending::new(Clock::real(), LIMIT);
        for (id, until, first) in [(1, at(5), true), (2, at(9), false), (3, at(2), true), (4, None, false)] {
            assert!(matches!(pending.register(request(id, false, until)), Registered::Queued));
            assert_eq!(pending.watch(id), first, "{id}");
        }
        assert!(!pending.watch(99), "it was answered before it was watched");
        assert!(pending.answered(3).is_some());
        assert_eq!(pending.next(), at(5));
        assert!(pending.overdue(base).is_none());
        let overdue: Vec<u128> =
            std::iter::from_fn(|| pending.overdue(at(100).expect("it is there"))).map(|(o, _)| o.id).collect();
        assert_eq!((overdue, pending.count()), (vec![1, 2], 1));
    }

    #[test]
    fn the_effect_of_a_response_comes_before_its_caller_wakes() {
        let clock = Clock::real();
        let slot = Slot::of_this_thread(&clock);
        let woken = Arc::new(AtomicBool::new(false));
        let (its_slot, was_woken) = (slot.receiver.clone(), Arc::clone(&woken));
        let effect: Effect = Box::new(move |_| was_woken.store(its_slot.try_recv().is_ok(), Ordering::Relaxed));
        DeferredCompletion { id: 1, waiter: Some(slot.sender.clone()), effect: Some(effect) }.complete(Answer::Closed);
        assert!(!woken.load(Ordering::Relaxed), "the effect found its caller woken");
        assert!(matches!(slot.wait(&clock, 1, 1, None), Some(Answer::Closed)));
    }

    #[test]
    fn the_response_to_a_request_that_timed_out_is_not_taken_for_the_next_one() {
        let clock = Clock::real();
        let slot = Slot::of_this_thread(&clock);
        slot.sender.send((1, Answer::Closed)).expect("there is room");
        assert!(slot.wait(&clock, 2, 1, Some(clock.now())).is_none());
        slot.sender.send((2, Answer::ClosedUnsent)).expect("the late one is gone");
        assert!(matches!(slot.wait(&clock, 2, 1, None), Some(Answer::ClosedUnsent)));
    }

    #[test]
    fn the_loss_of_a_link_ends_the_requests_of_that_link_alone() {
        let pending = filled(LIMIT, 3, None, true);
        drop(pending.online(Prepared::pretended(2), Instant::now()));
        assert!(matches!(pending.register(request(3, false, None)), Registered::Online(2, _)));
        let lost = pending.lost(1, vec![(2, "2".into())]);
        assert_eq!((lost.sent.len(), lost.unsent.len()), (2, 0));
        assert_eq!((pending.in_flight(2), pending.queued(), pending.count()), (1, 1, 2));
    }

    #[test]
    fn what_is_past_its_deadline_when_the_link_comes_up_is_not_sent() {
        let pending = Pending::new(Clock::real(), LIMIT);
        let now = Instant::now();
        for (id, until) in [(1, now), (2, now + Duration::from_secs(1))] {
            assert!(matches!(pending.register(request(id, false, Some(until))), Registered::Queued));
        }
        let released = pending.online(Prepared::pretended(1), now);
        assert_eq!(released, [(2, "2".to_owned())]);
        assert!(matches!(pending.withdraw(1), CancelOutcome::Unsent(_)), "its caller is told so");
        assert!(matches!(pending.withdraw(2), CancelOutcome::Handed(1, _)));
    }

    /// Returns the outcomes of `count` requests that wait for room while `happens` runs.
    fn waiting_for_room(of_session: bool, count: usize, happens: impl FnOnce(&Pending)) -> Vec<Registered> {
        let pending = filled(LIMIT, LIMIT, None, false);
        // Only a thread that is not woken reaches this deadline.
        let until = Instant::now().checked_add(Duration::from_secs(60));
        std::thread::scope(|scope| {
            let register = |id| {
                let request = Request { of_session, ..request(id, false, until) };
                scope.spawn(|| pending.register_in_turn(request))
            };
            let threads: Vec<_> = (100..100 + count as u128).map(register).collect();
            while pending.table.lock().waiting < count {
                std::thread::yield_now();
            }
            happens(&pending);
            let registered = threads.into_iter().map(|thread| thread.join().expect("it returns")).collect();
            assert!(until > Some(Instant::now()), "a thread was not woken");
            registered
        })
    }

    #[test]
    fn a_thread_that_waits_for_room_is_woken_by_whatever_makes_it_or_ends_the_wait() {
        let of = |registered: Vec<Registered>, fits: fn(&Registered) -> bool| registered.iter().all(fits);
        let withdrawn =
            waiting_for_room(true, 1, |pending| assert!(matches!(pending.withdraw(0), CancelOutcome::Unsent(_))));
        assert!(of(withdrawn, |one| matches!(one, Registered::Queued)));
        let online = waiting_for_room(true, 3, |pending| {
            assert_eq!(pending.online(Prepared::pretended(1), Instant::now()).len(), LIMIT);
        });
        assert!(of(online, |one| matches!(one, Registered::Online(1, _))));
        let lost = waiting_for_room(true, 3, |pending| assert_eq!(pending.session_lost().len(), LIMIT));
        assert!(of(lost, |one| matches!(one, Registered::SessionLost)), "their session is lost with the others'");
        let of_none = waiting_for_room(false, 3, |pending| assert_eq!(pending.session_lost().len(), LIMIT));
        assert!(of(of_none, |one| matches!(one, Registered::Queued)));
        let closed = waiting_for_room(true, 3, |pending| assert_eq!(pending.close().1.len(), LIMIT));
        assert!(of(closed, |one| matches!(one, Registered::Closed)));
    }
}
