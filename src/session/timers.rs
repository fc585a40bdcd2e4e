//! What is to happen later: kept in one heap, run by the writer thread.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::Session;
use crate::clock::Deadline;

/// Runs on the writer thread: it must not block and must not call user code.
pub(crate) type Task = Box<dyn FnOnce(&Arc<Session>) + Send>;

#[derive(Default)]
pub(crate) struct Timers(Mutex<Heap>);

#[derive(Default)]
struct Heap {
    entries: BinaryHeap<Entry>,
    made: u64,
    closed: bool,
}

struct Entry {
    at: Instant,
    order: u64,
    task: Task,
}

impl Timers {
    /// Adds a task; true when it is now the first one due, so that the writer thread has to be told.
    pub(crate) fn add(&self, at: Instant, task: Task) -> bool {
        let mut heap = self.0.lock();
        if heap.closed {
            return false;
        }
        heap.made += 1;
        let order = heap.made;
        let first = heap.entries.peek().is_none_or(|entry| at < entry.at);
        heap.entries.push(Entry { at, order, task });
        first
    }

    /// Takes the first task that is due.
    pub(crate) fn due(&self, now: Instant) -> Option<Task> {
        let mut heap = self.0.lock();
        if heap.entries.peek()?.at > now {
            return None;
        }
        heap.entries.pop().map(|entry| entry.task)
    }

    pub(crate) fn next(&self) -> Deadline {
        self.0.lock().entries.peek().map(|entry| entry.at)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// Nothing runs any more; gives what has not run. What is added later is dropped.
    pub(crate) fn close(&self) -> Vec<Task> {
        let entries = {
            let mut heap = self.0.lock();
            heap.closed = true;
            std::mem::take(&mut heap.entries)
        };
        entries.into_iter().map(|entry| entry.task).collect()
    }
}

// The heap gives the greatest first: the earliest, and of equals the one added first.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}
