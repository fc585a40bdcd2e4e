//! What can go wrong on demand.

use std::collections::{HashMap, HashSet};

/// How many of the next requests something applies to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    Next(usize),
    Always,
}

impl Times {
    /// Uses it once; false when it is used up.
    pub(super) fn take(&mut self) -> bool {
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

/// A refusal that waits for its request.
pub(super) struct Failure {
    pub(super) times: Times,
    pub(super) code: i64,
    pub(super) message: String,
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) failures: HashMap<String, Vec<Failure>>,
    pub(super) refuse_credentials: Option<Times>,
    pub(super) held: HashSet<String>,
    pub(super) unanswered: HashSet<String>,
    pub(super) events_first: HashSet<String>,
    pub(super) drop_after: HashSet<String>,
    pub(super) drop_before: HashSet<String>,
    pub(super) ignore_pings: bool,
    pub(super) frozen: bool,
    pub(super) abrupt_ends: bool,
    pub(super) recordings_end_first: bool,
}

impl Faults {
    /// The refusal that is due for a request of this method.
    pub(super) fn failure(&mut self, method: &str) -> Option<(i64, String)> {
        let waiting = self.failures.get_mut(method)?;
        while let Some(first) = waiting.first_mut() {
            if first.times.take() {
                return Some((first.code, first.message.clone()));
            }
            waiting.remove(0);
        }
        None
    }

    pub(super) fn refuses_credentials(&mut self) -> bool {
        self.refuse_credentials.as_mut().is_some_and(Times::take)
    }
}
