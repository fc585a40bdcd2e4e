//! Runs user code: handlers, listeners and callbacks. Never the reader, never the writer.
//!
//! One run queue and cached threads. A job is queued before a thread is made for it, so a thread that the system
//! refuses loses nothing: the job waits for the next worker that is free. Whoever queues wakes or makes at most one
//! worker, and a worker that takes a job while more are waiting wakes or makes the next.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline, Whose};
use crate::secret::Secrets;

/// How long a worker with nothing to do stays, when nothing else is said.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one of the crate's own: waiting on it for the crate's threads to end would never end.
pub(crate) fn is_our_thread() -> bool {
    OURS.with(Cell::get)
}

/// Says that this thread is one of the crate's own.
pub(crate) fn mark_our_thread() {
    OURS.with(|ours| ours.set(true));
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

#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    clock: Clock,
    secrets: Arc<Secrets>,
    stay: Duration,
    queue: Mutex<Queue>,
    bell: Condvar,
    /// Rings when a job is done.
    done: Condvar,
    panics: AtomicU64,
    /// Told when the system refuses a thread, so that somebody asks again.
    refusal: OnceLock<Box<dyn Fn() + Send + Sync>>,
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
    /// Idle workers leave at once, because the client is closed.
    leaving: bool,
}

impl Queue {
    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.busy += 1;
        Some(job)
    }
}

impl Workers {
    /// `secrets` is what no panic of user code shows in the log; `stay` is how long a worker with nothing to do stays.
    pub(crate) fn new(clock: Clock, secrets: Arc<Secrets>, stay: Duration) -> Self {
        Self(Arc::new(Shared {
            clock,
            secrets,
            stay,
            queue: Mutex::default(),
            bell: Condvar::new(),
            done: Condvar::new(),
            panics: AtomicU64::new(0),
            refusal: OnceLock::new(),
        }))
    }

    /// What is to be called when the system refuses a thread: it sees to it that [`is_stuck`](Self::is_stuck) is asked
    /// now and then. Set once; it must not block.
    pub(crate) fn on_refusal(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _twice = self.0.refusal.set(Box::new(tell));
    }

    /// Runs a job of something whose client is gone, and its threads with it, on a thread that is made for it.
    pub(crate) fn run_alone(job: impl FnOnce() + Send + 'static) {
        let workers = Self::new(Clock::real(), Arc::default(), IDLE);
        workers.leave();
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

    /// Wakes or makes one worker, if there is work that nobody was woken for.
    pub(crate) fn kick(&self) {
        let make = {
            let mut queue = self.0.queue.lock();
            if queue.jobs.is_empty() || queue.woken + queue.coming > 0 {
                return;
            }
            if queue.idle > 0 {
                queue.idle -= 1;
                queue.woken += 1;
                false
            } else {
                queue.threads += 1;
                queue.coming += 1;
                true
            }
        };
        if make {
            self.make();
        } else {
            self.0.clock.wake_one(&self.0.bell);
        }
    }

    /// Whether jobs wait because the system refused a thread. Workers that are there may be busy for minutes, and with
    /// something that waits for these very jobs.
    pub(crate) fn is_stuck(&self) -> bool {
        let mut queue = self.0.queue.lock();
        queue.refused &= !queue.jobs.is_empty();
        queue.refused
    }

    /// Waits until no job waits or runs but the one that asks; false when the time is up.
    pub(crate) fn wait_quiet(&self, until: Deadline) -> bool {
        let own = usize::from(is_our_thread());
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
        let own = usize::from(is_our_thread());
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
        let made = self.0.clock.spawn(Whose::User, "relay-worker", move || workers.work());
        let known = {
            let mut queue = self.0.queue.lock();
            if made.is_err() {
                queue.threads -= 1;
                queue.coming -= 1;
            }
            std::mem::replace(&mut queue.refused, made.is_err())
        };
        // Once: who has been told asks again until there is a thread.
        if let (Err(error), false) = (made, known) {
            log::warn!("no thread for user code, its work waits: {error}");
            if let Some(tell) = self.0.refusal.get() {
                tell();
            }
        }
    }

    fn work(&self) {
        mark_our_thread();
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
        let until = self.0.clock.after(self.0.stay);
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
        let workers = Workers::new(Clock::real(), Arc::default(), IDLE);
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
        let workers = Workers::new(Clock::real(), Arc::default(), IDLE);
        let (done, ended) = mpsc::channel();
        workers.run(|| panic!("on purpose"));
        workers.run(move || done.send(()).unwrap_or_default());
        assert!(ended.recv().is_ok());
    }

    /// An idle worker that wakes while another thread is on its way does not take that one's place.
    #[test]
    fn workers_that_leave_while_others_are_made_keep_the_count() {
        for _ in 0..300 {
            let workers = Workers::new(Clock::real(), Arc::default(), IDLE);
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
        let workers = Workers::new(Clock::real(), Arc::default(), IDLE);
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
}
