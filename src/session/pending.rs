//! Request ↔ reply: the table of what was asked and not answered yet.
//!
//! The right to complete a request is its removal from the table. Who removes it, under the table's lock, completes
//! it after unlocking: the reader with the reply, the loss of the link with "unknown", the caller with its deadline.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline, Receiver, Sender};
use crate::protocol::frame::{Reply, WireError};

/// How a request ended.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    Refused(WireError),
    /// It was sent, and the link went before the reply came.
    Lost,
    /// It was sent, and the reply did not come in time.
    Late,
    /// It was never sent.
    Unsent,
    /// Its session is gone; it was never sent.
    SessionLost,
    /// The client was closed. It may have been sent.
    Closed,
    /// The client was closed before it was sent.
    ClosedUnsent,
}

/// Changes tables before the caller wakes. Runs on whichever thread completes the request, so it must not block.
pub(crate) type Effect = Box<dyn FnOnce(&Answer) + Send>;

/// A request on its way into the table.
pub(crate) struct Request {
    pub(crate) id: u128,
    pub(crate) text: String,
    pub(crate) until: Deadline,
    /// Whether it makes sense in this session only, as everything about a call does.
    pub(crate) of_session: bool,
    /// Whether something else bounds how many of these there are, so that the bound on what is queued does not apply.
    pub(crate) owed: bool,
    pub(crate) waiter: Option<Sender<(u128, Answer)>>,
    pub(crate) effect: Option<Effect>,
}

pub(crate) enum Registered {
    /// The link is up: hand the text to this generation.
    Online(u64, String),
    /// It waits for the link.
    Queued,
    Full,
    /// Its session was lost while it waited for room.
    SessionLost,
    Closed,
}

struct Entry {
    place: Place,
    until: Deadline,
    of_session: bool,
    owed: bool,
    waiter: Option<Sender<(u128, Answer)>>,
    effect: Option<Effect>,
}

enum Place {
    /// Not sent: waits for the link.
    Queued(String),
    /// Handed to the writer of this generation.
    Handed(u64),
}

#[derive(Default)]
struct Table {
    generation: Option<u64>,
    entries: HashMap<u128, Entry>,
    /// The ids of what is queued, in order.
    queue: VecDeque<u128>,
    /// How many of the queue count against its bound.
    counted: usize,
    /// How many threads wait for room in the queue.
    waiting: usize,
    /// How many sessions were lost.
    sessions_lost: u64,
    closed: bool,
}

pub(crate) struct Pending {
    table: Mutex<Table>,
    /// How many are in the table, readable without the lock.
    count: AtomicUsize,
    offline_limit: usize,
    clock: Clock,
    /// Rings when the queue has room, and when it is not needed any more.
    room: Condvar,
}

/// A removed entry: completing it is the remover's duty.
#[must_use]
pub(crate) struct Owed {
    id: u128,
    waiter: Option<Sender<(u128, Answer)>>,
    effect: Option<Effect>,
}

impl Owed {
    pub(crate) fn complete(self, answer: Answer) {
        if let Some(effect) = self.effect {
            // A defect in an effect must not cost the caller its answer.
            if catch_unwind(AssertUnwindSafe(|| effect(&answer))).is_err() {
                log::error!("what a reply was to change was not changed, by a defect of this crate");
            }
        }
        if let Some(waiter) = self.waiter {
            // Its thread waits for exactly this: the channel has room, or the thread is gone.
            let _gone = waiter.send((self.id, answer));
        }
    }
}

impl Owed {
    /// The same on the waiting thread itself, which has its answer already.
    pub(crate) fn complete_here(self, answer: &Answer) {
        if let Some(effect) = self.effect {
            effect(answer);
        }
    }
}

/// What was found when a caller's time was up.
pub(crate) enum Withdrawn {
    /// Removed before it was handed to a writer.
    Unsent(Owed),
    /// Removed after it was handed to the writer of this generation.
    Handed(u64, Owed),
    /// Somebody else removed it: the answer is on its way.
    Answered,
}

impl Pending {
    pub(crate) fn new(clock: Clock, offline_limit: usize) -> Self {
        let count = AtomicUsize::new(0);
        Self { table: Mutex::default(), count, offline_limit, clock, room: Condvar::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        self.table.lock().queue.len()
    }

    /// Registers a request that no thread waits for: with too many in the queue it is refused.
    pub(crate) fn register(&self, request: Request) -> Registered {
        let mut table = self.table.lock();
        if self.is_full(&table, &request) {
            // Here, where the effect is let go after the lock: its drop takes another.
            drop(table);
            return Registered::Full;
        }
        self.enter(&mut table, request)
    }

    /// Registers the request of the calling thread, which waits for room in the queue until the request's deadline.
    pub(crate) fn register_in_turn(&self, request: Request) -> Registered {
        let mut table = self.table.lock();
        let (sessions_lost, mut in_time) = (table.sessions_lost, true);
        loop {
            if request.of_session && table.sessions_lost != sessions_lost {
                return Registered::SessionLost;
            }
            // Room that comes at the last moment is taken: somebody has woken this thread for it, and no other.
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
        let entry = |place| Entry { place, until, of_session, owed, waiter, effect };
        let registered = match table.generation {
            Some(generation) => {
                table.entries.insert(id, entry(Place::Handed(generation)));
                Registered::Online(generation, text)
            }
            None => {
                table.entries.insert(id, entry(Place::Queued(text)));
                table.queue.push_back(id);
                table.counted += usize::from(!owed);
                Registered::Queued
            }
        };
        self.count.store(table.entries.len(), Ordering::Relaxed);
        registered
    }

    /// Lets threads that wait for room look again.
    fn ring(&self, table: &Table, all: bool) {
        if table.waiting == 0 {
        } else if all {
            self.clock.wake_all(&self.room);
        } else {
            self.clock.wake_one(&self.room);
        }
    }

    /// How many requests of a generation have no answer yet.
    pub(crate) fn in_flight(&self, generation: u64) -> usize {
        let table = self.table.lock();
        table.entries.values().filter(|entry| matches!(entry.place, Place::Handed(of) if of == generation)).count()
    }

    /// The generation that requests go to at the moment.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.table.lock().generation
    }

    /// A request that the writer would not take, because its generation is over: it waits for the next, or goes to
    /// the one that is up by now.
    pub(crate) fn again(&self, id: u128, text: String) -> Option<(u64, String)> {
        let mut table = self.table.lock();
        let up = table.generation;
        let entry = table.entries.get_mut(&id)?;
        // The link that would not take it may not have been noticed to be over yet: its loss takes what is queued
        // for granted, and its successor sends it.
        let refused = matches!(entry.place, Place::Handed(generation) if up == Some(generation));
        if let Some(generation) = up.filter(|_| !refused) {
            entry.place = Place::Handed(generation);
            return Some((generation, text));
        }
        entry.place = Place::Queued(text);
        let counts = !entry.owed;
        table.queue.push_back(id);
        table.counted += usize::from(counts);
        None
    }

    /// The reply to a request has come.
    pub(crate) fn answered(&self, id: u128) -> Option<Owed> {
        self.remove(&mut self.table.lock(), id).map(|(owed, _)| owed)
    }

    /// Time is up for a request.
    pub(crate) fn withdraw(&self, id: u128) -> Withdrawn {
        match self.remove(&mut self.table.lock(), id) {
            None => Withdrawn::Answered,
            Some((owed, Place::Queued(_))) => Withdrawn::Unsent(owed),
            Some((owed, Place::Handed(generation))) => Withdrawn::Handed(generation, owed),
        }
    }

    /// Whether this request waits for the link.
    pub(crate) fn is_queued(&self, id: u128) -> bool {
        self.table.lock().entries.get(&id).is_some_and(|entry| matches!(entry.place, Place::Queued(_)))
    }

    /// Takes a request back that still waits for the link; none when it was sent or answered.
    pub(crate) fn retract(&self, id: u128) -> Option<Owed> {
        let mut table = self.table.lock();
        let queued = table.entries.get(&id).is_some_and(|entry| matches!(entry.place, Place::Queued(_)));
        if queued { self.remove(&mut table, id).map(|(owed, _)| owed) } else { None }
    }

    /// The link is up: from here on requests go to this generation. Gives what waited for it, in order.
    pub(crate) fn online(&self, generation: u64, now: Instant) -> Vec<(u128, String)> {
        let mut table = self.table.lock();
        table.generation = Some(generation);
        let queue = std::mem::take(&mut table.queue);
        table.counted = 0;
        let mut released = Vec::with_capacity(queue.len());
        for id in queue {
            let Some(entry) = table.entries.get_mut(&id) else { continue };
            // What is past its deadline is not sent: its caller is about to find that out.
            if entry.until.is_some_and(|until| until <= now) {
                continue;
            }
            if let Place::Queued(text) = &mut entry.place {
                released.push((id, std::mem::take(text)));
                entry.place = Place::Handed(generation);
            }
        }
        self.ring(&table, true);
        released
    }

    /// The service asked for quiet: what comes from here on waits for the next generation.
    pub(crate) fn hold(&self) {
        self.table.lock().generation = None;
    }

    /// The link is gone. What was never handed to its encoder is queued again, in front; the rest is owed an answer.
    pub(crate) fn lost(&self, generation: u64, unsent: Vec<(u128, String)>) -> Vec<Owed> {
        let mut table = self.table.lock();
        table.generation = None;
        for (id, text) in unsent.into_iter().rev() {
            if let Some(entry) = table.entries.get_mut(&id) {
                entry.place = Place::Queued(text);
                let counts = !entry.owed;
                table.queue.push_front(id);
                table.counted += usize::from(counts);
            }
        }
        self.drain(&mut table, |entry| matches!(entry.place, Place::Handed(of) if of == generation))
    }

    /// The session is gone: what was queued for it makes no sense in another.
    pub(crate) fn session_lost(&self) -> Vec<Owed> {
        let mut table = self.table.lock();
        table.sessions_lost += 1;
        self.ring(&table, true);
        self.drain(&mut table, |entry| entry.of_session && matches!(entry.place, Place::Queued(_)))
    }

    /// The client is closed: everything is owed an answer, and nothing comes in any more. Gives what was sent, and what
    /// was not.
    pub(crate) fn close(&self) -> (Vec<Owed>, Vec<Owed>) {
        let mut table = self.table.lock();
        table.closed = true;
        table.generation = None;
        self.ring(&table, true);
        let unsent = self.drain(&mut table, |entry| matches!(entry.place, Place::Queued(_)));
        (self.drain(&mut table, |_| true), unsent)
    }

    fn remove(&self, table: &mut Table, id: u128) -> Option<(Owed, Place)> {
        let Entry { place, owed, waiter, effect, .. } = table.entries.remove(&id)?;
        self.count.store(table.entries.len(), Ordering::Relaxed);
        if matches!(place, Place::Queued(_)) {
            let before = table.queue.len();
            table.queue.retain(|queued| *queued != id);
            // What was past its deadline when the link came up has left the queue already.
            if !owed && table.queue.len() < before {
                table.counted -= 1;
                self.ring(table, false);
            }
        }
        Some((Owed { id, waiter, effect }, place))
    }

    fn drain(&self, table: &mut Table, which: impl Fn(&Entry) -> bool) -> Vec<Owed> {
        let ids: Vec<u128> = table.entries.iter().filter(|(_, entry)| which(entry)).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(table, id).map(|(owed, _)| owed)).collect()
    }
}

type Ends = (Sender<(u128, Answer)>, Receiver<(u128, Answer)>);

thread_local! {
    /// A thread waits for one reply at a time, so one slot a thread is enough.
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
                // The first one, or a thread that goes from one clock to another: tests do.
                _ => slot.insert((clock.clone(), clock.bounded(1))).1.clone(),
            }
        });
        // A thread that is being torn down has no thread-local values left.
        let (sender, receiver) = kept.unwrap_or_else(|_| clock.bounded(1));
        Self { sender, receiver }
    }

    /// Waits for the answer to this request: eight yields, which is what a busy link takes, then a sleep.
    pub(crate) fn wait(&self, clock: &Clock, id: u128, until: Deadline) -> Option<Answer> {
        for _ in 0..8 {
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
                // The answer to a request whose caller gave up on this thread.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}
