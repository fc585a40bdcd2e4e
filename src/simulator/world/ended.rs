//! Calls and operations that have ended, and since when a client knows: later commands on them are violations.
//!
//! The service rejects a command for an ended call or operation with 404, and so does the simulator at any time. A
//! caller may hang up while a command is on its way, which is not a fault of the client; a client that sends commands
//! more than 1 s after it has acknowledged the end is at fault. Hanging up is allowed at any time: programs do so to
//! be sure.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::simulator::world::calls::CallId;

/// Time after the client's acknowledgement of an end from which a command on the ended object is a violation.
///
/// A program on another thread cannot react at once to an event that the client has just received.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Number of ends that are kept; the oldest is dropped first.
const KEPT: usize = 10_000;

/// A call, or one operation on it.
pub(crate) type Ended = (CallId, Option<String>);

/// An event without an acknowledgement.
pub(crate) struct Unacked {
    pub(crate) sent: Instant,
    /// The object whose end the event reports.
    pub(crate) ends: Option<Ended>,
}

/// The calls and operations of whose end the clients know.
#[derive(Default)]
pub(crate) struct EndedIndex {
    since: HashMap<Ended, Instant>,
    order: VecDeque<Ended>,
}

impl EndedIndex {
    pub(crate) fn add(&mut self, ended: Ended, now: Instant) {
        if self.since.insert(ended.clone(), now).is_none() {
            self.order.push_back(ended);
        }
        if self.order.len() > KEPT {
            if let Some(old) = self.order.pop_front() {
                self.since.remove(&old);
            }
        }
    }

    /// The time since when a client has known of an end.
    pub(crate) fn known_since(&self, ended: &Ended) -> Option<Instant> {
        self.since.get(ended).copied()
    }

    /// Forgets the end of a call that is offered again, to a session without knowledge of its past.
    pub(crate) fn forget_call(&mut self, call_id: &str) {
        let Self { since, order } = self;
        since.retain(|(call, _), _| call != call_id);
        order.retain(|(call, _)| call != call_id);
    }
}
