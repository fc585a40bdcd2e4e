//! The only source of time: every deadline, wait and timer of the crate goes through a [`Clock`].
//!
//! A thread that is about to block says so by blocking *through* the clock, and a thread that wakes another does
//! that through the clock too. On the real clock these are plain waits and wakes.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use parking_lot::{Condvar, MutexGuard};

/// A cheap handle on the time that one client, and the simulator beside it, live in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    _kind: Kind,
}

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    Real,
}

/// A point in time until which something may take; `None` is "for ever".
pub(crate) type Deadline = Option<Instant>;

impl Clock {
    /// The time of the machine, by its monotonic clock.
    pub(crate) fn real() -> Self {
        Self::default()
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall clock as seconds since 1970, for what people read; never for a timer.
    #[cfg(feature = "simulator")]
    pub(crate) fn unix(&self) -> f64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }

    /// The moment `span` from now; `None`, which is never, when that is further away than time goes.
    pub(crate) fn after(&self, span: Duration) -> Deadline {
        self.now().checked_add(span)
    }

    /// The deadline of a caller who gave `timeout`, where none means for ever.
    pub(crate) fn deadline(&self, timeout: Option<Duration>) -> Deadline {
        timeout.and_then(|span| self.after(span))
    }

    /// How long it is until `deadline`; zero when it has passed, `None` when there is none.
    pub(crate) fn left(&self, deadline: Deadline) -> Option<Duration> {
        deadline.map(|at| at.saturating_duration_since(self.now()))
    }

    pub(crate) fn is_past(&self, deadline: Deadline) -> bool {
        deadline.is_some_and(|at| at <= self.now())
    }

    /// Waits on a condition variable; false when the deadline has passed.
    pub(crate) fn wait<T>(&self, bell: &Condvar, guard: &mut MutexGuard<'_, T>, until: Deadline) -> bool {
        match until {
            None => {
                bell.wait(guard);
                true
            }
            Some(at) => !bell.wait_until(guard, at).timed_out(),
        }
    }

    pub(crate) fn wake_one(&self, bell: &Condvar) {
        bell.notify_one();
    }

    pub(crate) fn wake_all(&self, bell: &Condvar) {
        bell.notify_all();
    }

    /// Waits for the next value of a channel.
    pub(crate) fn recv<T>(&self, from: &Receiver<T>, until: Deadline) -> Result<T, RecvTimeoutError> {
        match from.try_recv() {
            Ok(value) => return Ok(value),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        match until {
            None => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => from.recv_deadline(at),
        }
    }

    /// Puts a value into a channel without ever waiting for room; gives it back when there is none.
    pub(crate) fn send<T>(&self, to: &Sender<T>, value: T) -> Result<(), T> {
        to.try_send(value).map_err(crossbeam_channel::TrySendError::into_inner)
    }
}
