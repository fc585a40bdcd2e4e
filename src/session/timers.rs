//! Timer tasks, ordered by time. The writer thread runs them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::clock::Deadline;

/// A task. Tasks run on the writer thread: they must not block and must not call user code.
pub(crate) type Task<S> = Box<dyn FnOnce(&Arc<S>) + Send>;

/// The tasks of a session. Each task receives the session.
pub(crate) struct Timers<S>(Mutex<Inner<S>>);

/// The tasks, behind their lock.
struct Inner<S> {
    tasks: BTreeMap<TimerId, Task<S>>,
    made: u64,
    closed: bool,
}

/// ID of a task: its time, and its number among the tasks of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId(Instant, u64);

impl<S> Default for Timers<S> {
    fn default() -> Self {
        Self(Mutex::new(Inner { tasks: BTreeMap::new(), made: 0, closed: false }))
    }
}

impl<S> Timers<S> {
    /// Adds a task. Also returns `true` if the task is now the first one due, so that the writer thread must be woken.
    pub(crate) fn add(&self, at: Instant, task: Task<S>) -> (TimerId, bool) {
        let mut inner = self.0.lock();
        inner.made += 1;
        let id = TimerId(at, inner.made);
        if inner.closed {
            return (id, false);
        }
        let first = inner.tasks.first_key_value().is_none_or(|(first, _)| at < first.0);
        inner.tasks.insert(id, task);
        (id, first)
    }

    /// Removes a task that has not run yet. The caller drops the task without holding a lock.
    pub(crate) fn remove(&self, id: TimerId) -> Option<Task<S>> {
        self.0.lock().tasks.remove(&id)
    }

    /// Removes and returns the first task that is due.
    pub(crate) fn due(&self, now: Instant) -> Option<Task<S>> {
        let mut inner = self.0.lock();
        let first = inner.tasks.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(crate) fn next(&self) -> Deadline {
        self.0.lock().tasks.first_key_value().map(|(id, _)| id.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().tasks.len()
    }

    /// Closes the timers and returns the tasks that have not run. Tasks that are added later are dropped.
    pub(crate) fn close(&self) -> Vec<Task<S>> {
        let tasks = {
            let mut inner = self.0.lock();
            inner.closed = true;
            std::mem::take(&mut inner.tasks)
        };
        tasks.into_values().collect()
    }
}
