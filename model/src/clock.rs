//! A clock with the interface of the crate's, on the scheduler's threads. Time stands still until somebody moves it,
//! which a scenario does on a thread of its own: so a deadline comes at any moment that the scheduler likes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::thread::{self, JoinHandle};

use crate::locks::{Condvar, Mutex, MutexGuard, Waiter};

pub(crate) type Deadline = Option<Instant>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    Whole,
}

#[derive(Clone)]
pub(crate) struct Clock(Arc<std::sync::Mutex<Time>>);

struct Time {
    now: Instant,
    due: Vec<(Instant, Arc<Waiter>)>,
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self(Arc::new(std::sync::Mutex::new(Time { now: Instant::now(), due: Vec::new() })))
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.lock().expect("nothing panics with it").now
    }

    pub(crate) fn after(&self, span: Duration) -> Deadline {
        self.now().checked_add(span)
    }

    pub(crate) fn is_past(&self, deadline: Deadline) -> bool {
        deadline.is_some_and(|at| at <= self.now())
    }

    /// Lets time pass, and with it the deadlines in that span.
    pub(crate) fn pass(&self, span: Duration) {
        thread::yield_now();
        let due = {
            let mut time = self.0.lock().expect("nothing panics with it");
            time.now += span;
            let now = time.now;
            let (due, later) = std::mem::take(&mut time.due).into_iter().partition(|(at, _)| *at <= now);
            time.due = later;
            due
        };
        for (_, waiter) in Vec::<(Instant, Arc<Waiter>)>::from(due) {
            waiter.end(false);
        }
    }

    pub(crate) fn wait<T>(&self, bell: &Condvar, guard: &mut MutexGuard<'_, T>, until: Deadline) -> bool {
        if until.is_some_and(|at| at <= self.now()) {
            return false;
        }
        bell.wait_known(guard, |waiter| {
            if let Some(at) = until {
                self.0.lock().expect("nothing panics with it").due.push((at, Arc::clone(waiter)));
            }
        })
    }

    pub(crate) fn wake_one(&self, bell: &Condvar) {
        bell.notify_one();
    }

    pub(crate) fn wake_all(&self, bell: &Condvar) {
        bell.notify_all();
    }

    pub(crate) fn bounded<T>(&self, room: usize) -> (Sender<T>, Receiver<T>) {
        let line = Arc::new(Line { values: Mutex::default(), bell: Condvar::new(), room });
        (Sender(Arc::clone(&line)), Receiver(line))
    }

    pub(crate) fn for_this_thread<T>(&self) -> (Sender<T>, Receiver<T>) {
        self.bounded(1)
    }

    pub(crate) fn recv<T>(&self, from: &Receiver<T>, until: Deadline) -> Result<T, TimedOut> {
        let mut values = from.0.values.lock();
        loop {
            if let Some(value) = values.pop_front() {
                return Ok(value);
            }
            if !self.wait(&from.0.bell, &mut values, until) {
                return values.pop_front().ok_or(TimedOut);
            }
        }
    }

    pub(crate) fn spawn_worker(
        &self,
        name: &str,
        _stack: Option<usize>,
        _share: Share,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(name.into()).spawn(body)
    }

    /// No: threads are made as soon as they are wanted.
    pub(crate) fn is_real(&self) -> bool {
        false
    }
}

pub(crate) struct TimedOut;

struct Line<T> {
    values: Mutex<VecDeque<T>>,
    bell: Condvar,
    room: usize,
}

pub(crate) struct Sender<T>(Arc<Line<T>>);

pub(crate) struct Receiver<T>(Arc<Line<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        let mut values = self.0.values.lock();
        if values.len() >= self.0.room {
            return Err(value);
        }
        values.push_back(value);
        drop(values);
        self.0.bell.notify_one();
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TimedOut> {
        self.0.values.lock().pop_front().ok_or(TimedOut)
    }
}
