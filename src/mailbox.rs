//! The notices of one call or message: delivered in order, one at a time, on a thread for user code.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::workers::{Job, Workers};

/// How many notices one job delivers before others get their turn.
const TURN: usize = 256;

pub(crate) struct Mailbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    notices: VecDeque<Job>,
    /// Whether a job that delivers is queued or runs.
    delivering: bool,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// Adds a notice and sees to it that it is delivered.
    pub(crate) fn post(self: &Arc<Self>, workers: &Workers, notice: Job) {
        self.push(workers, notice);
        workers.kick();
    }

    /// Adds a notice; the reader sends somebody for all of them at the end of a burst.
    pub(crate) fn push(self: &Arc<Self>, workers: &Workers, notice: Job) {
        let start = {
            let mut inner = self.0.lock();
            inner.notices.push_back(notice);
            !std::mem::replace(&mut inner.delivering, true)
        };
        if start {
            self.go_on(workers);
        }
    }

    fn go_on(self: &Arc<Self>, workers: &Workers) {
        let (mailbox, workers_of_job) = (Arc::clone(self), workers.clone());
        workers.push(Box::new(move || mailbox.deliver(&workers_of_job)));
    }

    fn deliver(self: &Arc<Self>, workers: &Workers) {
        let mut turn = Turn { mailbox: self, workers, notices: VecDeque::new() };
        for _ in 0..TURN {
            if turn.notices.is_empty() {
                let mut inner = self.0.lock();
                // All at once: the reader, which puts them in, is after the same lock.
                std::mem::swap(&mut turn.notices, &mut inner.notices);
                if turn.notices.is_empty() {
                    inner.delivering = false;
                    drop(inner);
                    turn.finish();
                    return;
                }
            }
            if let Some(notice) = turn.notices.pop_front() {
                notice();
            }
        }
    }
}

/// One job's work. Has the rest delivered by another: after a full turn, and when a notice panicked.
struct Turn<'a> {
    mailbox: &'a Arc<Mailbox>,
    workers: &'a Workers,
    /// Taken out of the mailbox, and in front of what is in it.
    notices: VecDeque<Job>,
}

impl Turn<'_> {
    /// Nothing is left, and the next notice starts a job of its own.
    fn finish(mut self) {
        drop(std::mem::take(&mut self.notices));
        std::mem::forget(self);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.notices.is_empty() {
            let mut inner = self.mailbox.0.lock();
            self.notices.append(&mut inner.notices);
            std::mem::swap(&mut self.notices, &mut inner.notices);
        }
        self.mailbox.go_on(self.workers);
        self.workers.kick();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn notices_keep_their_order_though_some_panic() {
        let workers = Workers::new(Clock::real(), Arc::default(), crate::workers::Pool::default());
        let mailbox = Mailbox::new();
        let (done, ended) = mpsc::channel();
        for n in 0..500 {
            let done = done.clone();
            mailbox.post(
                &workers,
                Box::new(move || {
                    done.send(n).ok();
                    assert!(n % 7 != 0, "on purpose");
                }),
            );
        }
        assert_eq!(ended.iter().take(500).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    }
}
