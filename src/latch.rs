//! A value that is set once and that many threads may wait for.

use parking_lot::{Condvar, Mutex};

use crate::clock::{Clock, Deadline};

/// A value that is set once. Many threads may wait for it, each with its own deadline.
pub(crate) struct Latch<T> {
    value: Mutex<Option<T>>,
    bell: Condvar,
}

impl<T: Clone> Latch<T> {
    pub(crate) const fn new() -> Self {
        Self { value: Mutex::new(None), bell: Condvar::new() }
    }

    /// Sets the value and wakes all waiting threads. Returns `false`, without an effect, if it was set already.
    pub(crate) fn set(&self, clock: &Clock, value: T) -> bool {
        {
            let mut slot = self.value.lock();
            if slot.is_some() {
                return false;
            }
            *slot = Some(value);
        }
        clock.wake_all(&self.bell);
        true
    }

    pub(crate) fn get(&self) -> Option<T> {
        self.value.lock().clone()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.value.lock().is_some()
    }

    /// Waits for the value. Returns `None` if the deadline passed first. A value that is set already is always
    /// returned.
    pub(crate) fn wait(&self, clock: &Clock, until: Deadline) -> Option<T> {
        let mut slot = self.value.lock();
        loop {
            if let Some(value) = slot.as_ref() {
                return Some(value.clone());
            }
            if !clock.wait(&self.bell, &mut slot, until) {
                return slot.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn first_value_stays_and_reaches_every_waiter() {
        let clock = Clock::real();
        let latch = Arc::new(Latch::new());
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (latch, clock) = (Arc::clone(&latch), clock.clone());
                std::thread::spawn(move || latch.wait(&clock, None))
            })
            .collect();
        assert!(latch.set(&clock, 7));
        assert!(!latch.set(&clock, 8));
        for waiter in waiters {
            assert_eq!(waiter.join().ok().flatten(), Some(7));
        }
    }

    #[test]
    fn a_wait_that_timed_out_changes_nothing() {
        let clock = Clock::real();
        let latch = Latch::new();
        assert_eq!(latch.wait(&clock, clock.after(Duration::ZERO)), None);
        latch.set(&clock, 1);
        assert_eq!(latch.wait(&clock, clock.after(Duration::ZERO)), Some(1));
    }
}
