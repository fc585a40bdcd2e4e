//! Virtual time, which advances when all threads wait.
//!
//! The virtual clock counts busy threads exactly. A thread counts as busy from before it is started until it has ended.
//! A waiting thread does not count, and the thread that wakes it counts it again before it wakes. Bytes between the two
//! ends of a connection count from before they are written until their reader comes back for more. When no thread is
//! busy and no bytes are on their way, time jumps to the next deadline, and to one only: everything that this deadline
//! triggers is done before the next.

mod line;
mod processors;
mod ways;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

pub(crate) use self::line::LineEnd;
use self::ways::Line;
pub(crate) use self::ways::Side;
use super::socket::Socket;
use super::{Deadline, Rng, Whose};

/// The first of January 2026, when every virtual time begins.
const EPOCH: f64 = 1_767_225_600.0;

/// Interval, in real time, at which a waiting thread checks for progress.
const LOOKS: Duration = Duration::from_secs(5);
/// Number of points without progress after which time is held by something that the clock does not see. It takes
/// several checks, because a machine that was frozen for a while has seen no progress.
const STANDS: u32 = 24;
/// Points of a check that found every thread asleep: no thread will continue.
const ASLEEP: u32 = 6;
/// Points of a check that found a thread which could run: it waits for a processor, or is in an endless loop.
const COULD_RUN: u32 = 1;

/// Longest time that passes while the program waits without a deadline. Its event will not happen, and time would
/// otherwise advance through centuries of pings.
const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// The place at which a thread waits: an address that the waiting and the waking thread both know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(usize);

impl Key {
    pub(super) fn of<T>(bell: &T) -> Self {
        Self(std::ptr::from_ref(bell) as usize)
    }

    /// The key of a wait that no thread wakes.
    pub(super) fn nobody() -> Self {
        Self(0)
    }
}

/// A clock whose time passes when every thread that takes part waits.
#[derive(Clone)]
pub(super) struct Virtual(Arc<Mutex<State>>);

/// The state of a virtual clock, behind its lock.
struct State {
    began: Instant,
    now: Instant,
    /// The time up to which the clock advances by itself. No limit if it is not controlled by hand.
    limit: Deadline,
    /// The names of the busy threads, by their tokens.
    busy: BTreeMap<u64, Arc<str>>,
    /// The system's IDs of the threads that take part, by their tokens.
    threads: BTreeMap<u64, Box<str>>,
    /// Number of directions of connections with bytes on their way.
    flying: usize,
    made: u64,
    waiting: BTreeMap<u64, Waiting>,
    due: BTreeSet<(Instant, Whose, u64)>,
    /// Number of these deadlines that are the program's.
    awaited: usize,
    /// Time of the program's last action.
    active: Instant,
    /// Whether the horizon was reached: waits without a limit end with a panic.
    lost: bool,
    bells: HashMap<Key, VecDeque<u64>>,
    lines: HashMap<u64, Line>,
    /// The lines by the addresses of their two ends, the client's first.
    pairs: HashMap<(SocketAddr, SocketAddr), u64>,
    served: HashSet<SocketAddr>,
    /// Number of waits that have ended, so that a standstill is noticed.
    turns: u64,
    rng: Rng,
    /// Number of threads that are still to be refused.
    refusals: usize,
}

/// A thread that waits for a wake or a deadline.
struct Waiting {
    key: Key,
    until: Deadline,
    whose: Whose,
    /// The thread, if it is counted.
    token: Option<(u64, Arc<str>)>,
    /// Whether the wait was ended by a wake (`true`) or by its deadline (`false`).
    outcome: Option<bool>,
    parker: Arc<Condvar>,
    /// Whether the thread blocks in a socket instead of being parked.
    reads: bool,
    /// That socket, if it must be shut down to free the thread.
    socket: Option<Arc<Socket>>,
}

impl Waiting {
    fn new(key: Key, until: Deadline, whose: Whose, token: Option<(u64, Arc<str>)>, parker: Arc<Condvar>) -> Self {
        Self { key, until, whose, token, outcome: None, parker, reads: false, socket: None }
    }

    fn thread(&self) -> Option<u64> {
        self.token.as_ref().map(|(token, _)| *token)
    }
}

/// A thread that takes part in a virtual time.
struct Presence {
    time: Virtual,
    token: u64,
    name: Arc<str>,
    whose: Whose,
    depth: usize,
    /// Whether another thread has ended this presence.
    over: Arc<AtomicBool>,
}

thread_local! {
    static HERE: RefCell<Vec<Presence>> = const { RefCell::new(Vec::new()) };
}

impl Virtual {
    pub(super) fn new(seed: u64, by_hand: bool) -> Self {
        let began = Instant::now();
        Self(Arc::new(Mutex::new(State {
            began,
            now: began,
            limit: by_hand.then_some(began),
            busy: BTreeMap::new(),
            threads: BTreeMap::new(),
            flying: 0,
            made: 0,
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            awaited: 0,
            active: began,
            lost: false,
            bells: HashMap::new(),
            lines: HashMap::new(),
            pairs: HashMap::new(),
            served: HashSet::new(),
            turns: 0,
            rng: Rng::new(seed),
            refusals: 0,
        })))
    }

    pub(super) fn now(&self) -> Instant {
        self.0.lock().now
    }

    pub(super) fn unix(&self) -> f64 {
        let state = self.0.lock();
        EPOCH + state.now.saturating_duration_since(state.began).as_secs_f64()
    }

    /// Returns the next number of the seed.
    pub(super) fn random(&self) -> u64 {
        self.0.lock().rng.next()
    }

    // Threads.

    /// Counts a thread as busy that is about to take part.
    pub(super) fn hold_for(&self, whose: Whose, name: &str) -> Claim {
        let name: Arc<str> = if name.is_empty() {
            std::thread::current().name().unwrap_or("a thread without a name").into()
        } else {
            name.into()
        };
        let mut state = self.0.lock();
        let token = state.number();
        state.busy.insert(token, Arc::clone(&name));
        Claim { time: self.clone(), token, name, whose, taken: false }
    }

    pub(super) fn refuse(&self, count: usize) {
        self.0.lock().refusals = count;
    }

    /// Returns `true` if the requested thread is one of those to refuse.
    pub(super) fn refuses(&self) -> bool {
        let mut state = self.0.lock();
        let refused = state.refusals > 0;
        state.refusals -= usize::from(refused);
        refused
    }

    /// The calling thread's participation, if it takes part.
    fn presence(&self) -> (Whose, Option<(u64, Arc<str>)>) {
        // A thread that is being torn down has no thread-local values.
        let found = HERE.try_with(|here| {
            let here = here.borrow();
            let own = here.iter().find(|own| own.time == *self && !own.over.load(Ordering::Acquire))?;
            Some((own.whose, (own.token, Arc::clone(&own.name))))
        });
        match found.ok().flatten() {
            Some((whose, token)) => (whose, Some(token)),
            None => (Whose::User, None),
        }
    }

    pub(super) fn blocking<R>(&self, job: impl FnOnce() -> R) -> R {
        /// Counts the thread again, also when the job panics.
        struct Back<'a>(&'a Virtual, (u64, Arc<str>));
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.0.lock().busy.insert(self.1.0, Arc::clone(&self.1.1));
            }
        }
        let (_, token) = self.presence();
        let _back = token.map(|token| {
            let mut state = self.0.lock();
            state.busy.remove(&token.0);
            state.go_on();
            Back(self, token)
        });
        job()
    }

    // Waiting.

    /// Queues the calling thread among those that wait at `key`. No wake is missed from here on, and the thread counts
    /// as busy until it really waits.
    pub(super) fn queue_up(&self, key: Key, until: Deadline) -> Place {
        let (whose, token) = self.presence();
        let parker = Arc::new(Condvar::new());
        let waiting = Waiting::new(key, until, whose, token, Arc::clone(&parker));
        let id = self.0.lock().queue_up(waiting);
        Place { time: self.clone(), id, parker, over: false }
    }

    pub(super) fn wake(&self, key: Key, count: usize) {
        let mut state = self.0.lock();
        for _ in 0..count {
            let Some(id) = state.bells.get(&key).and_then(|queue| queue.front().copied()) else { return };
            state.let_go(id, true);
        }
    }

    /// Waits until everything in a span has happened.
    pub(super) fn pass(&self, span: Duration) {
        let (_, token) = self.presence();
        let parker = Arc::new(Condvar::new());
        let id = {
            let mut state = self.0.lock();
            let until = state.now.checked_add(span);
            if let (Some(limit), Some(until)) = (state.limit, until) {
                state.limit = Some(limit.max(until));
            }
            state.queue_up(Waiting::new(Key::nobody(), until, Whose::Nobody, token, Arc::clone(&parker)))
        };
        Place { time: self.clone(), id, parker, over: false }.wait();
    }
}

impl PartialEq for Virtual {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Virtual {}

impl fmt::Debug for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Virtual")
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn queue_up(&mut self, waiting: Waiting) -> u64 {
        let id = self.number();
        if let Some(at) = waiting.until {
            self.due.insert((at, waiting.whose, id));
            self.awaited += usize::from(waiting.whose >= Whose::User);
        }
        if waiting.whose >= Whose::User {
            self.active = self.now;
        }
        if waiting.key != Key::nobody() {
            self.bells.entry(waiting.key).or_default().push_back(id);
        }
        self.waiting.insert(id, waiting);
        id
    }

    /// Removes a wait from all queues.
    fn dequeue(&mut self, id: u64) {
        let Some(waiting) = self.waiting.get(&id) else { return };
        if let Some(at) = waiting.until {
            let was_there = self.due.remove(&(at, waiting.whose, id));
            self.awaited -= usize::from(was_there && waiting.whose >= Whose::User);
        }
        let key = waiting.key;
        if let Some(queue) = self.bells.get_mut(&key) {
            queue.retain(|waits| *waits != id);
            if queue.is_empty() {
                self.bells.remove(&key);
            }
        }
    }

    /// Ends a wait, and counts its thread before it wakes.
    fn let_go(&mut self, id: u64, woken: bool) {
        self.dequeue(id);
        self.turns += 1;
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        waiting.outcome = Some(woken);
        if let Some((token, name)) = &waiting.token {
            self.busy.insert(*token, Arc::clone(name));
        }
        waiting.parker.notify_one();
        if let Some(socket) = &waiting.socket {
            // A socket that is closed already has freed its reader.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Advances time while no thread is busy and nothing is on its way.
    fn go_on(&mut self) {
        while self.busy.is_empty() && self.flying == 0 {
            let Some((at, _, id)) = self.due.first().copied() else { return };
            if self.limit.is_some_and(|limit| at > limit) {
                return;
            }
            if self.awaited == 0 && at.saturating_duration_since(self.active) > HORIZON {
                self.lost = true;
                for waiting in self.waiting.values() {
                    waiting.parker.notify_one();
                }
                return;
            }
            self.now = self.now.max(at);
            self.let_go(id, false);
        }
    }

    /// The threads that are not parked in a wait. `None` if one of them has not begun yet.
    fn acting(&self) -> Option<Vec<Box<str>>> {
        if self.busy.keys().any(|token| !self.threads.contains_key(token)) && processors::ARE_KNOWN {
            return None;
        }
        let parked = |waiting: &&Waiting| waiting.outcome.is_none() && !waiting.reads;
        let parked: BTreeSet<u64> = self.waiting.values().filter(parked).filter_map(Waiting::thread).collect();
        let acting = self.threads.iter().filter(|(token, _)| !parked.contains(*token));
        Some(acting.map(|(_, thread)| thread.clone()).collect())
    }

    /// Reason why a wait cannot end any more, if there was no progress for a while.
    fn standstill(&self) -> Option<String> {
        let what = if !self.busy.is_empty() {
            let names: Vec<&str> = self.busy.values().map(|name| &**name).collect();
            format!(
                "these threads are held and outside every wait of the crate: {}; what blocks elsewhere belongs into \
                 `Simulator::blocking`",
                names.join(", ")
            )
        } else if self.flying > 0 {
            format!("connections have bytes that nobody reads: {}", self.unread())
        } else if self.lost {
            format!("{} hours have passed in it, and what is waited for has not come", HORIZON.as_secs() / 3600)
        } else if self.due.is_empty() {
            "nobody is busy, and nobody waits for a moment to come".to_owned()
        } else {
            return None;
        };
        Some(format!("virtual time stands still: {what}"))
    }
}

/// A counted thread that has not started yet.
pub(crate) struct Claim {
    time: Virtual,
    token: u64,
    name: Arc<str>,
    whose: Whose,
    taken: bool,
}

impl Claim {
    /// Turns the calling thread into the claimed one.
    pub(crate) fn here(mut self) -> Held {
        let time = self.time.clone();
        HERE.with(|here| {
            let mut here = here.borrow_mut();
            here.retain(|own| !own.over.load(Ordering::Acquire));
            if let Some(own) = here.iter_mut().find(|own| own.time == time) {
                // The calling thread is counted already, so the claim is returned.
                own.depth += 1;
            } else {
                let (token, name, whose) = (self.token, Arc::clone(&self.name), self.whose);
                if let Some(thread) = processors::own_thread() {
                    time.0.lock().threads.insert(token, thread);
                }
                here.push(Presence { time: time.clone(), token, name, whose, depth: 1, over: Arc::default() });
                self.taken = true;
            }
        });
        Held { time, _not_send: PhantomData }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.time.0.lock();
        state.busy.remove(&self.token);
        state.go_on();
    }
}

/// Stops time while this thread is outside a wait.
#[derive(Debug)]
pub(crate) struct Held {
    time: Virtual,
    _not_send: PhantomData<*const ()>,
}

impl Held {
    /// Turns the guard into one that another thread may drop.
    pub(crate) fn unbound(self) -> Unbound {
        let own = HERE.try_with(|here| {
            let here = here.borrow();
            let own = here.iter().find(|own| own.time == self.time)?;
            Some((own.token, Arc::clone(&own.over)))
        });
        let (token, over) = own.ok().flatten().unwrap_or_default();
        let unbound = Unbound { time: self.time.clone(), token, over, thread: std::thread::current().id() };
        HERE.with(|here| {
            // The returned guard takes over.
            here.borrow_mut().iter_mut().filter(|own| own.time == self.time).for_each(|own| own.depth += 1);
        });
        unbound
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        leave(&self.time);
    }
}

/// Ends one participation of the calling thread.
fn leave(time: &Virtual) {
    let last = HERE.try_with(|here| {
        let mut here = here.borrow_mut();
        let at = here.iter().position(|own| own.time == *time)?;
        here[at].depth -= 1;
        (here[at].depth == 0).then(|| here.remove(at))
    });
    if let Some(presence) = last.ok().flatten() {
        let mut state = time.0.lock();
        state.threads.remove(&presence.token);
        state.busy.remove(&presence.token);
        state.go_on();
    }
}

/// A guard that holds a thread until it is dropped, by any thread.
pub(crate) struct Unbound {
    time: Virtual,
    token: u64,
    thread: ThreadId,
    over: Arc<AtomicBool>,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        if self.thread == std::thread::current().id() {
            leave(&self.time);
            return;
        }
        self.over.store(true, Ordering::Release);
        let mut state = self.time.0.lock();
        state.threads.remove(&self.token);
        state.busy.remove(&self.token);
        state.go_on();
    }
}

/// A thread's place in a queue of waits.
#[must_use]
pub(super) struct Place {
    time: Virtual,
    id: u64,
    parker: Arc<Condvar>,
    over: bool,
}

impl Place {
    /// Waits. Returns `false` if the deadline ended the wait.
    pub(super) fn wait(mut self) -> bool {
        self.over = true;
        let time = self.time.clone();
        let mut state = time.0.lock();
        state.rest(self.id);
        let (mut turns, mut points) = (state.turns, 0);
        loop {
            let Some(waiting) = state.waiting.get(&self.id) else { return true };
            if let Some(outcome) = waiting.outcome {
                state.waiting.remove(&self.id);
                return outcome;
            }
            if self.parker.wait_for(&mut state, LOOKS).timed_out() {
                let acting = state.acting();
                let could_run = MutexGuard::unlocked(&mut state, || acting.is_none_or(processors::any_could_run));
                points += if could_run { COULD_RUN } else { ASLEEP };
                if std::mem::replace(&mut turns, state.turns) != state.turns {
                    points = 0;
                }
            }
            if state.lost || points >= STANDS {
                self.complain(&mut state);
            }
        }
    }

    /// Makes a test's program fail instead of hanging. The crate's own threads continue to wait.
    fn complain(&self, state: &mut MutexGuard<'_, State>) {
        let Some(waiting) = state.waiting.get(&self.id) else { return };
        if waiting.whose < Whose::User || waiting.outcome.is_some() {
            return;
        }
        let Some(why) = state.standstill() else { return };
        state.lost = false;
        state.let_go(self.id, true);
        state.waiting.remove(&self.id);
        MutexGuard::unlocked(state, || panic!("{why}"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.time.0.lock();
        state.dequeue(self.id);
        if let Some(waiting) = state.waiting.remove(&self.id) {
            if waiting.outcome == Some(true) {
                // The woken thread does not wait any more: the next one is woken instead.
                let next = state.bells.get(&waiting.key).and_then(|queue| queue.front().copied());
                if let Some(next) = next {
                    state.let_go(next, true);
                }
            }
        }
    }
}

impl State {
    /// Marks the thread of this place as no longer busy, unless it was woken already.
    fn rest(&mut self, id: u64) {
        let Some(waiting) = self.waiting.get(&id) else { return };
        if waiting.outcome.is_none() {
            if let Some((token, _)) = &waiting.token {
                self.busy.remove(token);
            }
            self.go_on();
        }
    }
}
