//! The jobs that are due, and their times.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

/// The heap of pending jobs. `W` is the type that the jobs change.
pub(crate) struct Agenda<W> {
    timers: BinaryHeap<Reverse<Timer<W>>>,
    added: u64,
}

/// A job for later.
pub(crate) type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// A job with its time.
struct Timer<W> {
    at: Instant,
    sequence: u64,
    job: Job<W>,
}

impl<W> PartialEq for Timer<W> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl<W> Eq for Timer<W> {}

impl<W> PartialOrd for Timer<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Timer<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<W> Default for Agenda<W> {
    fn default() -> Self {
        Self { timers: BinaryHeap::new(), added: 0 }
    }
}

impl<W> Agenda<W> {
    /// Adds a job. Jobs of the same moment run in the order in which they were added.
    pub(crate) fn add(&mut self, at: Instant, job: Job<W>) {
        self.added += 1;
        self.timers.push(Reverse(Timer { at, sequence: self.added, job }));
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse(timer)| timer.at)
    }

    /// Takes the first job that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Job<W>> {
        if self.next_due()? > now {
            return None;
        }
        self.timers.pop().map(|Reverse(timer)| timer.job)
    }
}
