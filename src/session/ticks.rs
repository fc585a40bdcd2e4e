//! The work of the writer thread besides writing: deadlines, timers, and the watch over the connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Session;
use super::timers::{Task, TimerId};
use super::watch::{self, Act};
use crate::clock::Deadline;
use crate::protocol::constants::METHOD_SIGNALWIRE_PING;
use crate::protocol::frame;
use crate::transport::{Keeper, Out};
use crate::workers;

impl Keeper for Arc<Session> {
    fn tick(&self) -> Deadline {
        let now = self.clock.now();
        while let Some((owed, answer)) = self.pending.overdue(now) {
            owed.complete(answer);
        }
        while let Some(task) = self.timers.due(now) {
            // A panicking timer task must not take down the writer thread.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(self))) {
                log::error!(
                    "a timer failed, which is a defect of this crate: {}",
                    self.clean(workers::panic_text(&*panic))
                );
            }
        }
        let workers = self.pools().into_iter().filter_map(|pool| pool.attend(now)).min();
        let watch = self.keep_watch(now);
        let next = [self.timers.next(), self.pending.next(), watch, workers].into_iter().flatten().min();
        self.watch.lock().expected = next;
        next
    }
}

impl Session {
    /// Runs a task on the writer thread at a time. The task must not block and must not call user code.
    pub(crate) fn at(&self, at: Instant, task: Task<Self>) -> TimerId {
        let (id, first) = self.timers.add(at, task);
        if first {
            self.writer.wake();
        }
        id
    }

    /// Runs a task on the writer thread after a time. `None` if that time never comes.
    pub(crate) fn later(&self, span: Duration, task: impl FnOnce(&Arc<Self>) + Send + 'static) -> Option<TimerId> {
        self.clock.after(span).map(|at| self.at(at, Box::new(task)))
    }

    /// Removes a task that has not run yet.
    pub(crate) fn cancel(&self, timer: TimerId) {
        drop(self.timers.remove(timer));
    }

    /// Checks that the service still sends something. Every byte received proves that the connection is alive. After a
    /// time without one a ping is sent, and if nothing follows, the connection is cut.
    fn keep_watch(self: &Arc<Self>, now: Instant) -> Deadline {
        let suspected = self.suspected.swap(false, Ordering::Relaxed);
        let suspected = suspected && self.pending.count() > 0;
        let (generation, act, next) = watch::examine(&self.watch, now, &self.settings, suspected)?;
        match act {
            Act::Nothing => {}
            Act::Ping => {
                let text = frame::request(self.ids.next(), METHOD_SIGNALWIRE_PING, "{}");
                self.counters.pings_sent.add(1);
                self.writer.post(generation, Out::Text(text));
            }
            Act::Cut(why) => self.cut(generation, why),
        }
        next
    }
}
