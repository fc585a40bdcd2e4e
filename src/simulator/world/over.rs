//! What is over, and since when a client knows: commands for it after that are violations.
//!
//! The service refuses a command for an ended call or operation with 404, and so does the simulator at any time. That
//! a caller hangs up while a command is on its way is nobody's fault; a client that goes on a second after it has
//! acknowledged the end is at fault. To hang up is in order at any time: a program makes sure that way.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::simulator::service::sessions::{Refusal, refuse};
use crate::simulator::world::state::{CallId, World};

/// How long the client has known that something is over when a command for it counts as a violation.
///
/// A program on another thread cannot know at once what the client has just been told.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(1);

/// How much of it is remembered; the oldest goes first.
const KEPT: usize = 10_000;

/// A call, or one operation on it.
pub(crate) type Ended = (CallId, Option<String>);

/// An event that is not acknowledged yet.
pub(crate) struct Unacked {
    pub(crate) sent: Instant,
    /// What it tells to be over.
    pub(crate) ends: Option<Ended>,
}

/// What clients know to be over.
#[derive(Default)]
pub(crate) struct Over {
    since: HashMap<Ended, Instant>,
    order: VecDeque<Ended>,
}

impl Over {
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

    /// A call comes back, to a session that knows nothing of its former life.
    pub(crate) fn forget_call(&mut self, call_id: &str) {
        let Self { since, order } = self;
        since.retain(|(call, _), _| call != call_id);
        order.retain(|(call, _)| call != call_id);
    }
}

impl World {
    /// What an event tells to be over.
    pub(crate) fn what_ends(&self, event_type: &str, frame: &Value) -> Option<Ended> {
        let params = &frame["params"]["params"];
        let call_id = params["call_id"].as_str()?;
        if event_type == "calling.call.state" {
            return (params["call_state"] == "ended").then(|| (call_id.to_owned(), None));
        }
        let control_id = params["control_id"].as_str()?;
        let leg = self.calls.get(call_id)?;
        // What is told after its operation was taken away is the last of it.
        let runs = leg.operations.values().any(|operation| operation.control_id() == control_id);
        let known = leg.control_ids.contains(control_id);
        (known && !runs).then(|| (call_id.to_owned(), Some(control_id.to_owned())))
    }

    fn known_to_be_over(&self, ended: &Ended) -> bool {
        let now = self.clock.now();
        self.over.since.get(ended).is_some_and(|since| now.saturating_duration_since(*since) >= self.settings.known_for)
    }

    /// Refuses a request for a call that is not there.
    pub(crate) fn no_such_call<A>(&mut self, call_id: &str, method: &str) -> Result<A, Refusal> {
        // A test may have told of calls of its own making.
        if !self.is_ours(call_id) && !self.log.tells_of(call_id) {
            self.violation(format!("{method}: there never was a call {call_id:?}"));
        } else if method != "calling.end" && self.known_to_be_over(&(call_id.to_owned(), None)) {
            self.violation(format!("{method}: the client knew that call {call_id} had ended"));
        }
        refuse(404, "Call does not exist")
    }

    /// Refuses a command for an operation that does not run.
    pub(crate) fn no_such_operation<A>(&mut self, call_id: &str, control_id: &str, method: &str) -> Result<A, Refusal> {
        let leg = self.calls.get(call_id);
        let running = leg.and_then(|leg| leg.operations.values().find(|running| running.control_id() == control_id));
        let family = running.map(crate::simulator::switchboard::activities::Operation::family);
        let ever = leg.is_some_and(|leg| leg.control_ids.contains(control_id));
        if let Some(family) = family {
            self.violation(format!("{method}: {control_id} is a {family} on call {call_id}"));
        } else if !ever {
            self.violation(format!("{method}: there never was an operation {control_id:?} on call {call_id}"));
        } else if self.known_to_be_over(&(call_id.to_owned(), Some(control_id.to_owned()))) {
            self.violation(format!("{method}: the client knew that {control_id} on call {call_id} was over"));
        }
        refuse(404, "No such operation")
    }
}
