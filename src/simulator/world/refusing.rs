//! Requests that are rejected because their object does not exist or has ended.

use serde_json::Value;

use crate::simulator::wire::reply::{Refusal, refuse};
use crate::simulator::world::ended::Ended;
use crate::simulator::world::state::{CALL, World};

impl World {
    /// The object whose end an event reports.
    pub(crate) fn what_ends(&self, event_type: &str, frame: &Value) -> Option<Ended> {
        let params = &frame["params"]["params"];
        let call_id = params["call_id"].as_str()?;
        if event_type == "calling.call.state" {
            return (params["call_state"] == "ended").then(|| (call_id.to_owned(), None));
        }
        let control_id = params["control_id"].as_str()?;
        let leg = self.calls.get(call_id)?;
        // An event that is sent after its operation was removed is the operation's last one.
        let runs = leg.operation(control_id).is_some();
        let known = leg.control_ids.contains(control_id);
        (known && !runs).then(|| (call_id.to_owned(), Some(control_id.to_owned())))
    }

    fn known_to_be_over(&self, ended: &Ended) -> bool {
        let now = self.time.now();
        let since = self.over.known_since(ended);
        since.is_some_and(|since| now.saturating_duration_since(since) >= self.settings.known_for)
    }

    /// Rejects a request for a call that does not exist.
    pub(crate) fn no_such_call<A>(&mut self, call_id: &str, method: &str) -> Result<A, Refusal> {
        // A test may have sent events of calls with IDs of its own.
        if !self.ids.is_ours(CALL, call_id) && !self.record.tells_of(call_id) {
            self.violation(format!("{method}: there never was a call {call_id:?}"));
        } else if method != "calling.end" && self.known_to_be_over(&(call_id.to_owned(), None)) {
            self.violation(format!("{method}: the client knew that call {call_id} had ended"));
        }
        refuse(404, "Call does not exist")
    }

    /// Rejects a command for an operation that does not run.
    pub(crate) fn no_such_operation<A>(&mut self, call_id: &str, control_id: &str, method: &str) -> Result<A, Refusal> {
        let leg = self.calls.get(call_id);
        let family = leg.and_then(|leg| leg.operation(control_id)).map(|running| running.family);
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
