//! The interface of `parking_lot`, on the scheduler's threads. The waits of a condition variable are written out, so
//! that the clock can end them; a waiter has one outcome, and nobody wakes by himself.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use shuttle::thread::{self, Thread};

#[derive(Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T> {
    of: &'a Mutex<T>,
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { of: self, held: Some(self.take()) }
    }

    fn take(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("locked outside a wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("locked outside a wait")
    }
}

/// A thread in a wait. The locks of the standard library in here are never held where another thread can go on.
pub(crate) struct Waiter {
    thread: Thread,
    /// Whether it was woken, and not let go by its deadline.
    outcome: std::sync::Mutex<Option<bool>>,
}

impl Waiter {
    /// False when its wait was over already.
    pub(crate) fn end(&self, woken: bool) -> bool {
        {
            let mut outcome = self.outcome.lock().expect("nothing panics with it");
            if outcome.is_some() {
                return false;
            }
            *outcome = Some(woken);
        }
        self.thread.unpark();
        true
    }

    fn outcome(&self) -> Option<bool> {
        *self.outcome.lock().expect("nothing panics with it")
    }
}

pub(crate) struct Condvar(std::sync::Mutex<VecDeque<Arc<Waiter>>>);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(std::sync::Mutex::new(VecDeque::new()))
    }

    /// Waits until it is woken, or until whoever gets to know the waiter ends it; false in the latter case.
    pub(crate) fn wait_known<T>(&self, guard: &mut MutexGuard<'_, T>, tell: impl FnOnce(&Arc<Waiter>)) -> bool {
        let waiter = Arc::new(Waiter { thread: thread::current(), outcome: std::sync::Mutex::new(None) });
        self.0.lock().expect("nothing panics with it").push_back(Arc::clone(&waiter));
        tell(&waiter);
        guard.held = None;
        let outcome = loop {
            match waiter.outcome() {
                Some(outcome) => break outcome,
                None => thread::park(),
            }
        };
        guard.held = Some(guard.of.take());
        outcome
    }

    pub(crate) fn notify_one(&self) {
        while let Some(waiter) = self.next() {
            if waiter.end(true) {
                break;
            }
        }
    }

    pub(crate) fn notify_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().expect("nothing panics with it"));
        for waiter in all {
            waiter.end(true);
        }
    }

    fn next(&self) -> Option<Arc<Waiter>> {
        self.0.lock().expect("nothing panics with it").pop_front()
    }
}
