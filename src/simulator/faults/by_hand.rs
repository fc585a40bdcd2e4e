//! Faults that a method of the simulator turns on and off.
//!
//! They are no injected faults under another name: several rejections of one method apply one after the other, a cut
//! before or after a request leaves no entry in the journal, and a response that is held back is sent later.

use std::collections::{HashMap, HashSet};

/// Number of next requests that a setting applies to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    Next(usize),
    Always,
}

impl Times {
    /// Counts one use; returns `false` if none is left.
    fn take(&mut self) -> bool {
        match self {
            Self::Always => true,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A rejection that waits for its request.
struct Rejection {
    times: Times,
    code: i64,
    message: String,
}

/// The faults that are turned on by a method of the simulator.
#[derive(Default)]
pub(crate) struct ByHand {
    /// Rejections by method, in the order in which they apply.
    rejections: HashMap<String, Vec<Rejection>>,
    credentials: Option<Times>,
    /// Methods whose responses are held back.
    held: HashSet<String>,
    /// Methods whose requests are ignored.
    ignored: HashSet<String>,
    /// Methods whose responses follow the last event that the request causes.
    events_first: HashSet<String>,
    /// Methods whose next request takes effect and cuts its connection.
    cut_after: HashSet<String>,
    /// Methods whose next request cuts its connection without taking effect.
    cut_before: HashSet<String>,
    ignores_pings: bool,
    is_frozen: bool,
    /// Whether calls end without the last events of their operations.
    ends_calls_abruptly: bool,
    /// Whether recordings that end with their call are reported before the end of the call.
    ends_recordings_first: bool,
}

impl ByHand {
    /// Rejects requests of a method, after those that are rejected by an earlier setting.
    pub(crate) fn reject(&mut self, method: &str, times: Times, code: i64, message: &str) {
        let rejection = Rejection { times, code, message: message.to_owned() };
        self.rejections.entry(method.to_owned()).or_default().push(rejection);
    }

    pub(crate) fn stop_rejecting(&mut self, method: &str) {
        self.rejections.remove(method);
    }

    /// Returns code and message if a request of this method is rejected now.
    pub(crate) fn rejection(&mut self, method: &str) -> Option<(i64, String)> {
        let waiting = self.rejections.get_mut(method)?;
        while let Some(first) = waiting.first_mut() {
            if first.times.take() {
                return Some((first.code, first.message.clone()));
            }
            waiting.remove(0);
        }
        None
    }

    /// Sets how many of the next connects have their credentials rejected. `None` accepts all valid ones.
    pub(crate) fn set_credentials(&mut self, times: Option<Times>) {
        self.credentials = times;
    }

    pub(crate) fn rejects_credentials(&mut self) -> bool {
        self.credentials.as_mut().is_some_and(Times::take)
    }

    pub(crate) fn hold(&mut self, method: &str) {
        self.held.insert(method.to_owned());
    }

    pub(crate) fn stop_holding(&mut self, method: &str) {
        self.held.remove(method);
    }

    pub(crate) fn holds(&self, method: &str) -> bool {
        self.held.contains(method)
    }

    pub(crate) fn ignore(&mut self, method: &str) {
        self.ignored.insert(method.to_owned());
    }

    pub(crate) fn stop_ignoring(&mut self, method: &str) {
        self.ignored.remove(method);
    }

    pub(crate) fn ignores(&self, method: &str) -> bool {
        self.ignored.contains(method)
    }

    pub(crate) fn send_events_first(&mut self, method: &str) {
        self.events_first.insert(method.to_owned());
    }

    pub(crate) fn sends_events_first(&self, method: &str) -> bool {
        self.events_first.contains(method)
    }

    pub(crate) fn set_ignores_pings(&mut self, ignores: bool) {
        self.ignores_pings = ignores;
    }

    pub(crate) fn ignores_pings(&self) -> bool {
        self.ignores_pings
    }

    pub(crate) fn set_frozen(&mut self, is_frozen: bool) {
        self.is_frozen = is_frozen;
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    pub(crate) fn end_calls_abruptly(&mut self, abruptly: bool) {
        self.ends_calls_abruptly = abruptly;
    }

    pub(crate) fn ends_calls_abruptly(&self) -> bool {
        self.ends_calls_abruptly
    }

    pub(crate) fn end_recordings_first(&mut self, first: bool) {
        self.ends_recordings_first = first;
    }

    pub(crate) fn ends_recordings_first(&self) -> bool {
        self.ends_recordings_first
    }

    pub(crate) fn cut_before(&mut self, method: &str) {
        self.cut_before.insert(method.to_owned());
    }

    /// Returns `true` once if the connection is cut before a request of this method takes effect.
    pub(crate) fn cuts_before(&mut self, method: &str) -> bool {
        self.cut_before.remove(method)
    }

    pub(crate) fn cut_after(&mut self, method: &str) {
        self.cut_after.insert(method.to_owned());
    }

    /// Returns `true` once if the connection is cut after a request of this method took effect.
    pub(crate) fn cuts_after(&mut self, method: &str) -> bool {
        self.cut_after.remove(method)
    }
}
