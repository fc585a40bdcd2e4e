//! Time that passes when nobody has anything to do.
//!
//! It knows who is busy, and does not guess: a thread is counted from before it is made until it is gone, is taken out
//! of the count when it waits, and is counted again by whoever wakes it, before it wakes. Bytes between the two ends of
//! a connection count from before they are written until whoever read them comes back for more. When nobody is busy
//! and nothing is on its way, time jumps to the next deadline that anybody waits for, and to one only: what that sets
//! off is over before the next.

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

/// How often, in real time, somebody who waits looks whether there was a turn.
const LOOKS: Duration = Duration::from_secs(5);
/// After so many points without a turn, something holds time that does not know it. More than one look: a machine that was
/// frozen for a while has seen nothing.
const STANDS: u32 = 24;
/// The points of a look that found every thread asleep: nobody is going to go on.
const ASLEEP: u32 = 6;
/// The points of one that found a thread which could run: it waits for a processor, or it turns in a circle.
const COULD_RUN: u32 = 1;

/// So long time goes on while the program waits without a deadline: what it waits for does not come, and it would see
/// the pings of centuries.
const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// What a thread waits at: a place in memory that who waits and who wakes both know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(usize);

impl Key {
    pub(super) fn of<T>(bell: &T) -> Self {
        Self(std::ptr::from_ref(bell) as usize)
    }

    /// Where nobody wakes anybody.
    pub(super) fn nobody() -> Self {
        Self(0)
    }
}

#[derive(Clone)]
pub(super) struct Virtual(Arc<Mutex<State>>);

struct State {
    began: Instant,
    now: Instant,
    /// So far may time go by itself; no limit when it is not led by hand.
    limit: Deadline,
    /// Who is busy, by the tokens of their threads.
    busy: BTreeMap<u64, Arc<str>>,
    /// What the system calls the threads that take part, by their tokens.
    threads: BTreeMap<u64, Box<str>>,
    /// How many directions of connections have something on its way.
    flying: usize,
    made: u64,
    waiting: BTreeMap<u64, Waiting>,
    due: BTreeSet<(Instant, Whose, u64)>,
    /// How many of those are the program's.
    awaited: usize,
    /// When the program last did anything.
    active: Instant,
    /// The horizon was reached: whoever waits for ever is told.
    lost: bool,
    bells: HashMap<Key, VecDeque<u64>>,
    lines: HashMap<u64, Line>,
    /// The lines by the addresses of their two ends, the client's first.
    pairs: HashMap<(SocketAddr, SocketAddr), u64>,
    served: HashSet<SocketAddr>,
    /// Counts what happens, so that a standstill is seen.
    turns: u64,
    rng: Rng,
    /// How many threads are still to be refused.
    refusals: usize,
}

struct Waiting {
    key: Key,
    until: Deadline,
    whose: Whose,
    /// The thread, when it is counted.
    token: Option<(u64, Arc<str>)>,
    /// Whether it was woken, and not let go by its deadline.
    outcome: Option<bool>,
    parker: Arc<Condvar>,
    /// It blocks in a socket instead of being parked.
    reads: bool,
    /// That socket, when it is to be shut down to free it.
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
    /// Ended by another thread.
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

    /// The next number of the seed.
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

    /// Whether the thread that is asked for is one of those that are refused.
    pub(super) fn refuses(&self) -> bool {
        let mut state = self.0.lock();
        let refused = state.refusals > 0;
        state.refusals -= usize::from(refused);
        refused
    }

    /// How the calling thread takes part, if it does.
    fn presence(&self) -> (Whose, Option<(u64, Arc<str>)>) {
        // A thread that is being torn down has no thread-local values left.
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

    /// Puts the calling thread into the queue of those who wait there. Nothing is missed from here on; it goes on
    /// counting as busy until it really waits.
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

    /// Waits for the very end of what happens in a span.
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

    /// Takes somebody out of all queues.
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

    /// Ends somebody's wait, and counts the thread before it wakes.
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
            // One that is closed already frees its reader by that.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Lets time jump, if nobody is busy and nothing is on its way.
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

    /// The threads that are not parked in a wait; `None` when one of them has not begun yet.
    fn acting(&self) -> Option<Vec<Box<str>>> {
        if self.busy.keys().any(|token| !self.threads.contains_key(token)) && processors::ARE_KNOWN {
            return None;
        }
        let parked = |waiting: &&Waiting| waiting.outcome.is_none() && !waiting.reads;
        let parked: BTreeSet<u64> = self.waiting.values().filter(parked).filter_map(Waiting::thread).collect();
        let acting = self.threads.iter().filter(|(token, _)| !parked.contains(*token));
        Some(acting.map(|(_, thread)| thread.clone()).collect())
    }

    /// Why a wait cannot end any more, if that is so after a while without a turn.
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

/// A thread that is counted and has not said yet that it is the one.
pub(crate) struct Claim {
    time: Virtual,
    token: u64,
    name: Arc<str>,
    whose: Whose,
    taken: bool,
}

impl Claim {
    /// It is the calling thread.
    pub(crate) fn here(mut self) -> Held {
        let time = self.time.clone();
        HERE.with(|here| {
            let mut here = here.borrow_mut();
            here.retain(|own| !own.over.load(Ordering::Acquire));
            if let Some(own) = here.iter_mut().find(|own| own.time == time) {
                // Counted already: the claim is given back.
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

/// Time does not pass while this thread is outside a wait.
#[derive(Debug)]
pub(crate) struct Held {
    time: Virtual,
    _not_send: PhantomData<*const ()>,
}

impl Held {
    /// The same as something that another thread may drop.
    pub(crate) fn unbound(self) -> Unbound {
        let own = HERE.try_with(|here| {
            let here = here.borrow();
            let own = here.iter().find(|own| own.time == self.time)?;
            Some((own.token, Arc::clone(&own.over)))
        });
        let (token, over) = own.ok().flatten().unwrap_or_default();
        let unbound = Unbound { time: self.time.clone(), token, over, thread: std::thread::current().id() };
        HERE.with(|here| {
            // Taken over by what is given.
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

/// The calling thread takes part once less.
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

/// A thread is held until this is dropped, by whichever thread.
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

/// A thread's place among those who wait.
#[must_use]
pub(super) struct Place {
    time: Virtual,
    id: u64,
    parker: Arc<Condvar>,
    over: bool,
}

impl Place {
    /// Waits; false when the deadline ended it.
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

    /// Has a program of a test end instead of hanging. The crate's own threads wait on.
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
                // Somebody was woken who does not wait: the next one gets it.
                let next = state.bells.get(&waiting.key).and_then(|queue| queue.front().copied());
                if let Some(next) = next {
                    state.let_go(next, true);
                }
            }
        }
    }
}

impl State {
    /// The thread of this place is busy no more, unless it was woken already.
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
