//! Threads for user code: handlers, listeners and callbacks never run on the reader or the writer.
//!
//! A pool is one run queue and cached threads. A job is queued before a thread is made for it, so no job is lost if the
//! system refuses the thread: the job waits for the next free worker. A queued job wakes or makes at most one worker,
//! and a worker that takes a job while more are waiting wakes or makes the next.
//!
//! The number of threads in a pool is limited; beyond the limit jobs wait. Below the limit a burst does not make a
//! thread for each job: after the first ones the pool checks whether its workers will soon be free.

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

/// Default time for which an idle worker stays.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// Default limit of threads in a pool.
pub(crate) const MAX_WORKERS: usize = 4000;

/// Number of threads that are made without checking whether workers will soon be free.
const AT_ONCE: usize = 64;

/// Time for which the pool measures how fast its jobs are taken before it makes further threads. It is long enough for
/// a worker to get a processor on a busy machine.
const LOOK: Duration = Duration::from_millis(50);

/// Number of measurements, 1 s together. If all jobs would be taken within that time at the pace of the last
/// measurement, no further threads are made.
const LOOKS: usize = 20;

/// Delay before a refused thread is requested again.
const RETRY: Duration = Duration::from_millis(200);

/// Interval in which a refusal is logged at most once.
const WARNED: Duration = Duration::from_secs(10);

/// A piece of user code that a worker runs.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The mark of a thread of the crate that is no worker.
const NO_POOL: usize = 1;

thread_local! {
    /// The owner of this thread: 0 for the program, the address of its pool for a worker.
    static OURS: Cell<usize> = const { Cell::new(0) };
}

/// Returns `true` if this is a thread of the crate: waiting on it for the crate's threads would never end.
pub(crate) fn is_our_thread() -> bool {
    OURS.with(Cell::get) != 0
}

/// Marks this thread as one of the crate's own.
pub(crate) fn mark_our_thread() {
    OURS.with(|ours| ours.set(NO_POOL));
}

/// Runs all items. One that panics does not stop the others, and its panic continues afterwards.
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

/// Returns the message of a panic, if there is one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The properties of a pool's threads.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// The name of each thread.
    pub(crate) name: &'static str,
    /// Time for which an idle worker stays.
    pub(crate) stay: Duration,
    /// Limit of threads.
    pub(crate) limit: usize,
    /// Stack size of each thread in bytes. `None`: the default of the standard library.
    pub(crate) stack: Option<usize>,
    pub(crate) share: Share,
}

impl Default for Pool {
    fn default() -> Self {
        Self { name: "relay-worker", stay: IDLE, limit: MAX_WORKERS, stack: None, share: Share::Whole }
    }
}

/// A pool of threads for user code.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

/// The state of a pool, shared with its threads.
struct Shared {
    clock: Clock,
    secrets: Arc<Secrets>,
    pool: Pool,
    queue: Mutex<Queue>,
    bell: Condvar,
    /// Notified when a job is done.
    done: Condvar,
    panics: AtomicU64,
    /// Called when [`Workers::attend`] must be called soon.
    call: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The jobs and the counts of threads, behind their lock.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Number of workers that wait for a job.
    idle: usize,
    /// Number of idle workers that were woken and have not taken a job yet.
    woken: usize,
    /// Number of workers that were made and have not taken a job yet. They are counted apart, because an idle worker
    /// that wakes by itself counts as a woken one.
    coming: usize,
    threads: usize,
    /// Number of running jobs.
    busy: usize,
    /// Whether the system refused the last requested thread.
    refused: bool,
    /// End of the time in which further refusals are not logged.
    quiet: Deadline,
    /// Whether idle workers end at once, because the client is closed.
    leaving: bool,
    pace: Pace,
}

/// The pace at which jobs are taken, so that workers which will soon be free are preferred to new ones.
#[derive(Default)]
struct Pace {
    /// End of the present measurement.
    until: Deadline,
    /// Number of threads that may still be made until then.
    left: usize,
    /// Number of jobs that were taken in it.
    taken: usize,
    /// Whether [`Workers::attend`] is requested at its end.
    asked: bool,
}

impl Queue {
    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.busy += 1;
        self.pace.taken += 1;
        Some(job)
    }

    /// Takes one of the threads that may be made without another measurement.
    fn may_make(&mut self, now: Instant) -> bool {
        let pace = &mut self.pace;
        if !pace.asked && pace.until.is_none_or(|until| until <= now) {
            *pace = Pace { until: now.checked_add(LOOK), left: AT_ONCE, taken: 0, asked: false };
        }
        let may = pace.left > 0;
        pace.left = pace.left.saturating_sub(1);
        may
    }

    /// Ends a measurement and returns the end of the next one, if there is one. If the jobs would wait for too long, as
    /// many threads as there are may be made.
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
    /// Creates a pool. `secrets` are masked in the logged panics of user code.
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

    /// Sets the function that is called when [`attend`](Self::attend) must be called soon. It is set once and must not
    /// block.
    pub(crate) fn on_call_for_help(&self, call: impl Fn() + Send + Sync + 'static) {
        let _twice = self.0.call.set(Box::new(call));
    }

    fn call_for_help(&self) {
        if let Some(call) = self.0.call.get() {
            call();
        }
    }

    /// Runs a job whose client has been dropped with its threads. All such jobs of the process share a pool.
    pub(crate) fn run_alone(job: impl FnOnce() + Send + 'static) {
        static POOL: OnceLock<Workers> = OnceLock::new();
        let workers = POOL.get_or_init(|| {
            let workers = Self::new(Clock::real(), Arc::default(), Pool::default());
            workers.leave();
            workers
        });
        workers.run(job);
    }

    /// Queues a job and wakes or makes a worker for it.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.push(Box::new(job));
        self.kick();
    }

    /// Queues a job without waking a worker; [`kick`](Self::kick) follows once per burst.
    pub(crate) fn push(&self, job: Job) {
        self.0.queue.lock().jobs.push_back(job);
    }

    /// Takes back up to `count` jobs that no worker has taken yet, the oldest first. For a pool whose jobs are all
    /// alike.
    pub(crate) fn withdraw(&self, count: usize) {
        let withdrawn: Vec<Job> = {
            let jobs = &mut self.0.queue.lock().jobs;
            let count = count.min(jobs.len());
            jobs.drain(..count).collect()
        };
        drop(withdrawn);
        self.0.clock.wake_all(&self.0.done);
    }

    /// Wakes or makes one worker, if there is work for which none was woken.
    pub(crate) fn kick(&self) {
        /// The next step to get a job done.
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
            // In virtual time no worker becomes free soon: running jobs have ended before time advances.
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

    /// Makes workers that were postponed or refused. Returns the time of the next call.
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

    /// Returns `true` if jobs wait because the system refused a thread. The present workers may be busy for minutes
    /// with jobs that wait for these very jobs.
    pub(crate) fn is_refused(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.refused && !queue.jobs.is_empty()
    }

    /// Returns 1 if the calling thread is a worker of this pool.
    fn own(&self) -> usize {
        usize::from(self.runs_here())
    }

    /// Returns `true` on a thread of this pool.
    pub(crate) fn runs_here(&self) -> bool {
        OURS.with(Cell::get) == self.address()
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Waits until no other job waits or runs. Returns `false` after a timeout.
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

    /// Number of running and waiting jobs, apart from the calling one.
    pub(crate) fn unfinished(&self) -> usize {
        let own = self.own();
        let queue = self.0.queue.lock();
        (queue.jobs.len() + queue.busy).saturating_sub(own)
    }

    /// Makes idle workers end at once from now on.
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
            log::warn!("no thread for a handler or callback, which waits for a free one: {error}");
        }
        if !known {
            // `attend` retries until there is a thread.
            self.call_for_help();
        }
    }

    fn work(&self) {
        OURS.with(|ours| ours.set(self.address()));
        // This thread was made by a `kick`.
        self.0.queue.lock().coming -= 1;
        while let Some(job) = self.next() {
            // There is more work and no worker on its way: this worker may be busy for minutes, so it wakes the next
            // one.
            self.kick();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                self.0.panics.fetch_add(1, Ordering::Relaxed);
                log::error!("user code panicked: {}", self.0.secrets.clean(panic_text(&*panic)));
                // The payload is a value of the program, and its drop is user code too.
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
                // `kick` has removed one idle worker from the count, and it is this one.
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
    fn a_panic_is_counted_and_affects_no_other_job() {
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
    fn idle_workers_leave_at_once_when_they_are_stopped() {
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

    /// A queue of a pool with `threads` busy threads, after a measurement in which `taken` jobs were taken.
    fn looked(threads: usize, waiting: usize, taken: usize) -> Queue {
        let mut queue = Queue { threads, ..Queue::default() };
        queue.jobs.extend((0..waiting).map(|_| Box::new(|| ()) as Job));
        queue.pace = Pace { until: Some(Instant::now()), left: 0, taken, asked: true };
        queue
    }

    #[test]
    fn jobs_that_are_soon_taken_make_no_thread_and_those_that_would_wait_make_as_many_as_there_are() {
        let now = Instant::now() + LOOK;
        // With ten thousand jobs and 64 workers, five hundred jobs in a measurement mean that all are taken within a
        // second.
        let mut queue = looked(64, 10_000, 500);
        assert_eq!(queue.look(now, 4000), Some(now + LOOK));
        assert!(!queue.may_make(now));
        // At a slower pace they are not. If every worker blocks, no job is taken at all.
        for taken in [499, 0] {
            let mut queue = looked(200, 10_000, taken);
            assert_eq!(queue.look(now, 4000), Some(now + LOOK));
            assert_eq!((0..300).filter(|_| queue.may_make(now)).count(), 200, "{taken}");
            assert_eq!(queue.look(now, 4000), Some(now + LOOK), "not before the next look is over");
        }
        let mut queue = looked(2, 1, 0);
        queue.look(now, 4000);
        assert!(queue.may_make(now), "one job that waits for two that block");
        // No job waits, or no thread may be made: the measurement ends.
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
