//! Runs user code: handlers, listeners and callbacks. Never the reader, never the writer.
//!
//! A pool is one run queue and cached threads. A job is queued before a thread is made for it, so a thread that the
//! system refuses loses nothing: the job waits for the next worker that is free. A job that is queued wakes or makes at
//! most one worker, and a worker that takes a job while more are waiting wakes or makes the next.
//!
//! The threads of a pool have a limit, at which jobs wait. Below the limit a burst does not make a thread for each job:
//! after the first ones the pool looks whether the workers will soon be free by themselves.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline, Share};
use crate::secret::Secrets;

/// How long a worker with nothing to do stays, when nothing else is said.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// How many threads a pool may have, when nothing else is said.
pub(crate) const MAX_WORKERS: usize = 4000;

/// So many threads are made without looking whether the workers will soon be free.
const AT_ONCE: usize = 64;

/// How long the pool looks at how fast its jobs are taken before it makes further threads. Long enough for a worker to
/// get a processor on a busy machine.
const LOOK: Duration = Duration::from_millis(50);

/// Jobs that would all be taken within so many looks, at the pace of the last one, need no further threads: 1 s.
const LOOKS: usize = 20;

/// How soon a thread is asked for again that the system has refused.
const RETRY: Duration = Duration::from_millis(200);

/// A refusal is logged at most once in this time.
const WARNED: Duration = Duration::from_secs(10);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The mark of a thread of the crate that is no worker.
const NO_POOL: usize = 1;

thread_local! {
    /// What this thread belongs to: 0 is the program's own, and a worker has the address of its pool.
    static OURS: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is one of the crate's own: waiting on it for the crate's threads to end would never end.
pub(crate) fn is_our_thread() -> bool {
    OURS.with(Cell::get) != 0
}

/// Says that this thread is one of the crate's own.
pub(crate) fn mark_our_thread() {
    OURS.with(|ours| ours.set(NO_POOL));
}

/// Runs each of these; one that panics does not keep the others from running, and its panic goes on afterwards.
pub(crate) fn run_each<T>(all: impl IntoIterator<Item = T>, mut run: impl FnMut(T)) {
    let mut first = None;
    for one in all {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(one))) {
            first.get_or_insert(panic);
        }
    }
    if let Some(panic) = first {
        resume_unwind(panic);
    }
}

/// What a panic said, as far as it said anything.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// What the threads of a pool are like.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// The name of each thread.
    pub(crate) name: &'static str,
    /// How long a worker with nothing to do stays.
    pub(crate) stay: Duration,
    /// How many there may be.
    pub(crate) limit: usize,
    /// Bytes of the stack of each; `None` is what the standard library has.
    pub(crate) stack: Option<usize>,
    pub(crate) share: Share,
}

impl Default for Pool {
    fn default() -> Self {
        Self { name: "relay-worker", stay: IDLE, limit: MAX_WORKERS, stack: None, share: Share::Whole }
    }
}

#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    clock: Clock,
    secrets: Arc<Secrets>,
    pool: Pool,
    queue: Mutex<Queue>,
    bell: Condvar,
    /// Rings when a job is done.
    done: Condvar,
    panics: AtomicU64,
    /// Called when [`Workers::attend`] has to be called soon.
    call: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Workers that wait for a job.
    idle: usize,
    /// Idle workers that were woken and have not come for their job yet.
    woken: usize,
    /// Workers that were made and have not come for their job yet. Counted apart, because an idle one that wakes by
    /// itself takes itself for one that was woken.
    coming: usize,
    threads: usize,
    /// Jobs that run.
    busy: usize,
    /// The system refused the last thread that was asked for.
    refused: bool,
    /// Until when further refusals are not logged.
    quiet: Deadline,
    /// Idle workers leave at once, because the client is closed.
    leaving: bool,
    pace: Pace,
}

/// How fast jobs are taken, so that workers which will soon be free are preferred to new ones.
#[derive(Default)]
struct Pace {
    /// The end of the look that runs.
    until: Deadline,
    /// How many threads may still be made until then.
    left: usize,
    /// How many jobs have been taken in it.
    taken: usize,
    /// Whether [`Workers::attend`] was asked to come at its end.
    asked: bool,
}

impl Queue {
    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.busy += 1;
        self.pace.taken += 1;
        Some(job)
    }

    /// Takes one of the threads that may be made without another look.
    fn may_make(&mut self, now: Instant) -> bool {
        let pace = &mut self.pace;
        if !pace.asked && pace.until.is_none_or(|until| until <= now) {
            *pace = Pace { until: now.checked_add(LOOK), left: AT_ONCE, taken: 0, asked: false };
        }
        let may = pace.left > 0;
        pace.left = pace.left.saturating_sub(1);
        may
    }

    /// A look is over: tells when the next one is, if there is one. As many threads as there are may be made when the jobs
    /// would wait for too long otherwise.
    fn look(&mut self, now: Instant, limit: usize) -> Deadline {
        let pace = &mut self.pace;
        match pace.until {
            _ if !pace.asked => return None,
            Some(until) if now < until => return Some(until),
            _ => {}
        }
        if self.jobs.is_empty() || self.threads >= limit {
            *pace = Pace::default();
            return None;
        }
        let soon_free = pace.taken.saturating_mul(LOOKS) >= self.jobs.len();
        pace.left = if soon_free { 0 } else { self.threads.max(AT_ONCE) };
        pace.taken = 0;
        pace.until = now.checked_add(LOOK);
        pace.until
    }
}

impl Workers {
    /// `secrets` is what no panic of user code shows in the log.
    pub(crate) fn new(clock: Clock, secrets: Arc<Secrets>, pool: Pool) -> Self {
        Self(Arc::new(Shared {
            clock,
            secrets,
            pool,
            queue: Mutex::default(),
            bell: Condvar::new(),
            done: Condvar::new(),
            panics: AtomicU64::new(0),
            call: OnceLock::new(),
        }))
    }

    /// Sets what is called when [`attend`](Self::attend) has to be called soon. Set once; it must not block.
    pub(crate) fn on_call_for_help(&self, call: impl Fn() + Send + Sync + 'static) {
        let _twice = self.0.call.set(Box::new(call));
    }

    fn call_for_help(&self) {
        if let Some(call) = self.0.call.get() {
            call();
        }
    }

    /// Runs a job of something whose client is gone, and its threads with it: all such jobs of the process share a pool.
    pub(crate) fn run_alone(job: impl FnOnce() + Send + 'static) {
        static POOL: OnceLock<Workers> = OnceLock::new();
        let workers = POOL.get_or_init(|| {
            let workers = Self::new(Clock::real(), Arc::default(), Pool::default());
            workers.leave();
            workers
        });
        workers.run(job);
    }

    /// Queues a job and sees to it that somebody takes it.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.push(Box::new(job));
        self.kick();
    }

    /// Queues a job without waking anyone; [`kick`](Self::kick) follows, once per burst.
    pub(crate) fn push(&self, job: Job) {
        self.0.queue.lock().jobs.push_back(job);
    }

    /// Takes up to `count` jobs back that no worker has taken yet, the oldest first. For a pool whose jobs are all alike.
    pub(crate) fn withdraw(&self, count: usize) {
        let withdrawn: Vec<Job> = {
            let jobs = &mut self.0.queue.lock().jobs;
            let count = count.min(jobs.len());
            jobs.drain(..count).collect()
        };
        drop(withdrawn);
        self.0.clock.wake_all(&self.0.done);
    }

    /// Wakes or makes one worker, if there is work that nobody was woken for.
    pub(crate) fn kick(&self) {
        enum Next {
            Wake,
            Make,
            Look,
        }
        let next = {
            let mut queue = self.0.queue.lock();
            if queue.jobs.is_empty() || queue.woken + queue.coming > 0 {
                return;
            }
            // In virtual time nobody will soon be free: what runs has ended before time passes.
            let paced = self.0.clock.is_real() && self.0.call.get().is_some();
            if queue.idle > 0 {
                queue.idle -= 1;
                queue.woken += 1;
                Next::Wake
            } else if queue.threads >= self.0.pool.limit {
                return;
            } else if paced && !queue.may_make(self.0.clock.now()) {
                if std::mem::replace(&mut queue.pace.asked, true) {
                    return;
                }
                Next::Look
            } else {
                queue.threads += 1;
                queue.coming += 1;
                Next::Make
            }
        };
        match next {
            Next::Wake => self.0.clock.wake_one(&self.0.bell),
            Next::Make => self.make(),
            Next::Look => self.call_for_help(),
        }
    }

    /// Makes workers that were put off or refused, and tells when to call this again.
    pub(crate) fn attend(&self, now: Instant) -> Deadline {
        let (wanted, look) = {
            let mut queue = self.0.queue.lock();
            let look = queue.look(now, self.0.pool.limit);
            queue.refused &= !queue.jobs.is_empty();
            (queue.refused || look.is_some(), look)
        };
        if !wanted {
            return None;
        }
        self.kick();
        let retry = if self.is_refused() { now.checked_add(RETRY) } else { None };
        [look, retry].into_iter().flatten().min()
    }

    /// Whether jobs wait because the system refused a thread. Workers that are there may be busy for minutes, and with
    /// something that waits for these very jobs.
    pub(crate) fn is_refused(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.refused && !queue.jobs.is_empty()
    }

    /// 1 if the calling thread is a worker of this pool.
    fn own(&self) -> usize {
        usize::from(OURS.with(Cell::get) == self.address())
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Waits until no job waits or runs but the one that asks; false when the time is up.
    pub(crate) fn wait_quiet(&self, until: Deadline) -> bool {
        let own = self.own();
        let mut queue = self.0.queue.lock();
        let mut in_time = true;
        loop {
            if queue.jobs.is_empty() && queue.busy <= own {
                return true;
            }
            if !in_time {
                return false;
            }
            in_time = self.0.clock.wait(&self.0.done, &mut queue, until);
        }
    }

    /// How many jobs run or wait, apart from the one that asks.
    pub(crate) fn unfinished(&self) -> usize {
        let own = self.own();
        let queue = self.0.queue.lock();
        (queue.jobs.len() + queue.busy).saturating_sub(own)
    }

    /// From now on a worker with nothing to do leaves at once.
    pub(crate) fn leave(&self) {
        self.0.queue.lock().leaving = true;
        self.0.clock.wake_all(&self.0.bell);
    }

    pub(crate) fn threads(&self) -> usize {
        self.0.queue.lock().threads
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.queue.lock().jobs.len()
    }

    pub(crate) fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    fn make(&self) {
        let workers = self.clone();
        let Pool { name, stack, share, .. } = self.0.pool;
        let made = self.0.clock.spawn_worker(name, stack, share, move || workers.work());
        let Err(error) = made else {
            self.0.queue.lock().refused = false;
            return;
        };
        let (known, logged) = {
            let now = self.0.clock.now();
            let mut queue = self.0.queue.lock();
            queue.threads -= 1;
            queue.coming -= 1;
            let logged = queue.quiet.is_none_or(|until| until <= now);
            if logged {
                queue.quiet = now.checked_add(WARNED);
            }
            (std::mem::replace(&mut queue.refused, true), logged)
        };
        if logged {
            log::warn!("no thread for a handler or callback, which waits: {error}");
        }
        if !known {
            // `attend` asks again until there is a thread.
            self.call_for_help();
        }
    }

    fn work(&self) {
        OURS.with(|ours| ours.set(self.address()));
        // This thread is the one that was made for somebody's kick.
        self.0.queue.lock().coming -= 1;
        while let Some(job) = self.next() {
            // More work and nobody on the way to it: this worker may be busy for minutes, so it sends the next one.
            self.kick();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                self.0.panics.fetch_add(1, Ordering::Relaxed);
                log::error!("user code panicked: {}", self.0.secrets.clean(panic_text(&*panic)));
                // The payload is the user's own value, and dropping it is user code too.
                if catch_unwind(AssertUnwindSafe(|| drop(panic))).is_err() {
                    log::error!("user code panicked again while its panic was dropped");
                }
            }
            self.0.queue.lock().busy -= 1;
            self.0.clock.wake_all(&self.0.done);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.0.queue.lock();
        if let Some(job) = queue.take() {
            return Some(job);
        }
        let until = self.0.clock.after(self.0.pool.stay);
        queue.idle += 1;
        while !queue.leaving {
            let in_time = self.0.clock.wait(&self.0.bell, &mut queue, until);
            if queue.woken > 0 {
                // `kick` took one of the idle out of their count, and it is this one.
                queue.woken -= 1;
                if let Some(job) = queue.take() {
                    return Some(job);
                }
                queue.idle += 1;
            }
            if !in_time {
                break;
            }
        }
        queue.idle -= 1;
        let job = queue.take();
        if job.is_none() {
            queue.threads -= 1;
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_job_runs_though_the_one_before_it_blocks() {
        let workers = Workers::new(Clock::real(), Arc::default(), Pool::default());
        let (done, ended) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        workers.run(move || {
            let _ = gate.recv();
        });
        for n in 0..100 {
            let done = done.clone();
            workers.run(move || done.send(n).unwrap_or_default());
        }
        let mut seen: Vec<i32> = ended.iter().take(100).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        drop(release);
    }

    #[test]
    fn a_panic_is_counted_and_hurts_nobody() {
        let workers = Workers::new(Clock::real(), Arc::default(), Pool::default());
        let (done, ended) = mpsc::channel();
        workers.run(|| panic!("on purpose"));
        workers.run(move || done.send(()).unwrap_or_default());
        assert!(ended.recv().is_ok());
    }

    /// An idle worker that wakes while another thread is on its way does not take that one's place.
    #[test]
    fn workers_that_leave_while_others_are_made_keep_the_count() {
        for _ in 0..300 {
            let workers = Workers::new(Clock::real(), Arc::default(), Pool::default());
            let (done, ended) = mpsc::channel();
            for _ in 0..4 {
                let done = done.clone();
                workers.run(move || done.send(()).unwrap_or_default());
            }
            assert_eq!(ended.iter().take(4).count(), 4);
            workers.leave();
            while workers.threads() > 0 {
                std::thread::yield_now();
            }
            let queue = workers.0.queue.lock();
            assert_eq!((queue.idle, queue.woken, queue.coming, queue.busy), (0, 0, 0, 0));
        }
    }

    #[test]
    fn idle_workers_leave_at_once_when_told_to() {
        let workers = Workers::new(Clock::real(), Arc::default(), Pool::default());
        let (done, ended) = mpsc::channel();
        for _ in 0..8 {
            let done = done.clone();
            workers.run(move || done.send(()).unwrap_or_default());
        }
        assert_eq!(ended.iter().take(8).count(), 8);
        workers.leave();
        while workers.threads() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn there_are_never_more_threads_than_the_limit_and_every_job_runs() {
        let pool = Pool { limit: 3, ..Pool::default() };
        let workers = Workers::new(Clock::real(), Arc::default(), pool);
        let (done, ended) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for n in 0..50 {
            let (done, gate, own) = (done.clone(), Arc::clone(&gate), workers.clone());
            workers.run(move || {
                let _ = gate.lock().recv();
                done.send((n, own.threads())).unwrap_or_default();
            });
        }
        drop(release);
        let mut seen: Vec<(i32, usize)> = ended.iter().take(50).collect();
        seen.sort_unstable();
        assert_eq!(seen.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
        assert!(seen.iter().all(|(_, threads)| *threads <= 3), "{seen:?}");
    }

    /// The queue of a pool with so many threads, all busy, after a look in which `taken` jobs were taken.
    fn looked(threads: usize, waiting: usize, taken: usize) -> Queue {
        let mut queue = Queue { threads, ..Queue::default() };
        queue.jobs.extend((0..waiting).map(|_| Box::new(|| ()) as Job));
        queue.pace = Pace { until: Some(Instant::now()), left: 0, taken, asked: true };
        queue
    }

    #[test]
    fn jobs_that_are_soon_taken_make_no_thread_and_those_that_would_wait_make_as_many_as_there_are() {
        let now = Instant::now() + LOOK;
        // Ten thousand jobs, 64 workers: at five hundred jobs in a look all are taken within a second.
        let mut queue = looked(64, 10_000, 500);
        assert_eq!(queue.look(now, 4000), Some(now + LOOK));
        assert!(!queue.may_make(now));
        // At a slower pace they are not, and when every worker blocks, nothing is taken at all.
        for taken in [499, 0] {
            let mut queue = looked(200, 10_000, taken);
            assert_eq!(queue.look(now, 4000), Some(now + LOOK));
            assert_eq!((0..300).filter(|_| queue.may_make(now)).count(), 200, "{taken}");
            assert_eq!(queue.look(now, 4000), Some(now + LOOK), "not before the next look is over");
        }
        let mut queue = looked(2, 1, 0);
        queue.look(now, 4000);
        assert!(queue.may_make(now), "one job that waits for two that block");
        // Nothing waits, or nothing may be made: nobody looks any more.
        assert_eq!(looked(64, 0, 3).look(now, 4000), None);
        assert_eq!(looked(64, 5, 0).look(now, 64), None);
    }

    #[test]
    fn a_few_threads_are_made_at_once_whatever_runs_already() {
        let now = Instant::now();
        let mut queue = looked(1000, 1, 0);
        queue.pace = Pace::default();
        assert_eq!((0..AT_ONCE + 10).filter(|_| queue.may_make(now)).count(), AT_ONCE);
        assert!(!queue.may_make(now + LOOK / 2));
        assert!(queue.may_make(now + LOOK), "a look later there may be more");
    }
}
