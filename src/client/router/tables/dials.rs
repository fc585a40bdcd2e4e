//! The table of dials.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::super::super::dial::DialCore;
use super::super::super::ordered::Ordered;
use super::super::super::over::{HowOver, OverDials};
use super::sweep::Sweep;
use crate::clock::Deadline;
use crate::steps::Key;

/// The dials of a client: running, given up, and ended by the service.
#[derive(Default)]
pub(crate) struct Dials {
    running: HashMap<Key, Arc<DialCore>>,
    given_up: Ordered<GivenUp>,
    /// Dials that the service has ended.
    over: OverDials,
    sweep: Sweep,
}

impl Dials {
    /// Enters a dial. Returns `false` if a dial of this tag runs, or was given up and may still be answered.
    pub(crate) fn add(&mut self, dial: &Arc<DialCore>) -> bool {
        if self.running.contains_key(dial.tag()) || self.given_up.contains(dial.tag()) {
            return false;
        }
        self.over.remove(dial.tag());
        self.running.insert(dial.tag().into(), Arc::clone(dial));
        true
    }

    pub(crate) fn get(&self, tag: &str) -> Option<Arc<DialCore>> {
        self.running.get(tag).cloned()
    }

    pub(crate) fn running(&self) -> Vec<Arc<DialCore>> {
        self.running.values().cloned().collect()
    }

    /// Number of dials that run.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Number of dials that were given up and may still be answered.
    pub(crate) fn given_up(&self) -> usize {
        self.given_up.len()
    }

    /// Number of dials that are remembered after the service has ended them.
    pub(crate) fn remembered(&self) -> usize {
        self.over.len()
    }

    /// Takes this dial out. Another one may have its tag by now, and stays.
    pub(crate) fn remove(&mut self, dial: &DialCore) -> bool {
        let is_it = self.running.get(dial.tag()).is_some_and(|known| std::ptr::eq(&raw const **known, dial));
        is_it && self.running.remove(dial.tag()).is_some()
    }

    /// Takes a dial out that the program has given up. Until `until` its legs are hung up. Returns `None` if the dial is
    /// not in the table, and `Some(true)` if a timer has to be started for it.
    pub(crate) fn give_up(&mut self, dial: &DialCore, until: Deadline, limit: usize) -> Option<bool> {
        if !self.remove(dial) {
            return None;
        }
        Some(until.is_some_and(|until| {
            self.given_up.insert(dial.tag(), GivenUp { until, ended: HashSet::new() });
            if self.given_up.len() > limit {
                self.given_up.pop_oldest();
            }
            self.sweep.begin()
        }))
    }

    /// Takes a dial out that the service has ended. Until `until` its legs are hung up if they are answered.
    pub(crate) fn end(&mut self, dial: &DialCore, how: HowOver, until: Deadline, limit: usize) {
        if self.remove(dial) {
            self.over.insert(dial.tag(), how, until, limit);
        }
    }

    /// Decides about a leg of a dial that was given up. `leg` returns a fingerprint of the leg's call ID if the leg can be
    /// hung up now. `None` if no dial of this tag was given up.
    pub(crate) fn late_leg(&mut self, tag: &str, limit: usize, leg: impl FnOnce() -> Option<u64>) -> Option<Late> {
        let dial = self.given_up.get_mut(tag)?;
        Some(leg().map_or(Late::Known, |leg| dial.late_leg(leg, limit)))
    }

    /// `true`, once for each leg, if this leg of a dial that the service has ended is to be hung up.
    pub(crate) fn must_end(&mut self, tag: &str, call_id: &str, answered: bool, now: Instant) -> bool {
        self.over.must_end(tag, call_id, answered, now)
    }

    /// Forgets the dials that can no longer be answered. Returns the time at which the next one is forgotten.
    pub(crate) fn expire(&mut self, now: Instant) -> Deadline {
        while self.given_up.oldest().is_some_and(|dial| dial.until <= now) {
            self.given_up.pop_oldest();
        }
        let next = self.given_up.oldest().map(|dial| dial.until);
        self.sweep.goes_on(next.is_some());
        next
    }

    /// Takes all dials out, and forgets the others.
    pub(crate) fn take(&mut self) -> Vec<Arc<DialCore>> {
        self.forget();
        std::mem::take(&mut self.running).into_values().collect()
    }

    /// Takes these dials out, and forgets those that do not run.
    pub(crate) fn take_these(&mut self, dials: &[Arc<DialCore>]) -> Vec<Arc<DialCore>> {
        self.forget();
        dials.iter().filter_map(|dial| self.running.remove(dial.tag())).collect()
    }

    fn forget(&mut self) {
        self.given_up = Ordered::default();
        self.over = OverDials::default();
    }
}

/// A dial for which no thread waits any more: its legs are hung up.
struct GivenUp {
    until: Instant,
    /// Fingerprints of the legs that were hung up already.
    ended: HashSet<u64>,
}

/// Decision about a leg of a dial that was given up.
pub(crate) enum Late {
    HangUp,
    /// The leg has ended, or was hung up already.
    Known,
    /// The dial has as many legs as are allowed. `first` for the first leg beyond.
    Surplus {
        first: bool,
    },
}

impl GivenUp {
    fn late_leg(&mut self, leg: u64, limit: usize) -> Late {
        if self.ended.contains(&leg) {
            return Late::Known;
        }
        if self.ended.len() > limit {
            return Late::Surplus { first: false };
        }
        self.ended.insert(leg);
        if self.ended.len() > limit { Late::Surplus { first: true } } else { Late::HangUp }
    }
}
