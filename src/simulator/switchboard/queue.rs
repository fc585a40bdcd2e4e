//! Queues of waiting calls.
//!
//! A call is taken out by `calling.connect` to a device of the kind `queue`, on a call of the same session. Where the
//! documentation of the service is silent: a name stands for one queue of all sessions; a call waits in one queue at a
//! time, a second enter is rejected with 409; a call leaves by the name of its queue, and the ID if one is given,
//! whatever the control ID; the first position is 1; calls that move up receive `stats`; the end of `wait_time` and
//! the end of the call are reported as `leave`; a connect to an empty queue fails at once; the document for the time
//! after the queue is not run.

use crate::simulator::wire::frame::{seconds, text};
use crate::simulator::wire::reply::{Params, Reply, refuse, started};
use crate::simulator::world::calls::{CallId, QueueEntry};
use crate::simulator::world::state::World;
use serde_json::{Value, json};

/// Default time that a call waits.
const WAIT_SECONDS: f64 = 180.0;

impl World {
    pub(crate) fn on_queue_enter(&mut self, call_id: &str, params: &Params) -> Reply {
        let own = |key| text(params, key).unwrap_or_default().to_owned();
        let (control_id, name) = (own("control_id"), own("queue_name"));
        if name.is_empty() {
            return refuse(400, "queue_name is empty");
        }
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        if leg.stay.is_some() {
            return refuse(409, "Call is in a queue");
        }
        let person = leg.person;
        self.reserve(call_id, &control_id)?;
        let (id, mark, entered) = (self.ids.fresh(0x90e0), self.ids.number(), self.time.micros());
        let queue = self.meetings.queue_or_new(&name);
        if queue.id.is_empty() {
            queue.id = id;
        }
        queue.waiting.push(call_id.to_owned());
        let stay = QueueEntry { control_id, queue: name.clone(), status_url: own("status_url"), entered, mark };
        if let Some(leg) = self.calls.get_mut(call_id) {
            leg.stay = Some(stay);
        }
        self.emit_stay(call_id, "enqueue");
        let who = self.person_name(person);
        self.tell(format!("{who} waits in the queue {name}"));
        let limit = seconds(params, "wait_time").filter(|limit| *limit > 0.0).unwrap_or(WAIT_SECONDS);
        let waiting = call_id.to_owned();
        self.after_seconds(limit, move |world| {
            let stay = world.calls.get(&waiting).and_then(|leg| leg.stay.as_ref());
            if stay.is_some_and(|stay| stay.mark == mark) {
                world.leave_queue(&waiting, true);
            }
        });
        if let Some(url) = text(params, "wait_url") {
            self.hears(person, url);
        }
        Ok(started("Entering queue", call_id, params))
    }

    pub(crate) fn on_queue_leave(&mut self, call_id: &str, params: &Params) -> Reply {
        let stay = self.calls.get(call_id).and_then(|leg| leg.stay.as_ref());
        let id = stay.and_then(|stay| self.meetings.queue(&stay.queue)).map(|queue| queue.id.as_str());
        let same = |key: &str, value: &str| text(params, key).is_none_or(|given| given == value);
        // The control ID is ignored, because most clients send a new one.
        let fits = stay.is_some_and(|stay| same("queue_name", &stay.queue) && same("queue_id", id.unwrap_or_default()));
        if !fits {
            return refuse(404, "Call is not in this queue");
        }
        self.leave_queue(call_id, true);
        Ok(started("Leaving queue", call_id, params))
    }

    /// Takes a call out of its queue, if it is in one.
    pub(crate) fn leave_queue(&mut self, call_id: &str, tell: bool) {
        self.remove_from_queue(call_id, if tell { Some("leave") } else { None });
    }

    /// Takes a call out of its queue to be connected; returns the queue's ID and name.
    pub(crate) fn dequeue(&mut self, call_id: &str) -> Option<(String, String)> {
        self.remove_from_queue(call_id, Some("dequeue"))
    }

    /// The call that has waited longest.
    pub(crate) fn first_in_queue(&self, name: &str) -> Option<CallId> {
        self.meetings.queue(name)?.waiting.first().cloned()
    }

    fn remove_from_queue(&mut self, call_id: &str, status: Option<&str>) -> Option<(String, String)> {
        let now = self.time.micros();
        let stay = self.calls.get(call_id)?.stay.as_ref()?;
        let (name, waited) = (stay.queue.clone(), now.saturating_sub(stay.entered));
        let queue = self.meetings.queue_mut(&name)?;
        let at = queue.waiting.iter().position(|waiting| waiting == call_id)?;
        let event = self.stay_event(call_id, status.unwrap_or_default());
        let queue = self.meetings.queue_mut(&name)?;
        queue.waiting.remove(at);
        queue.waited = (queue.waited.0 + 1, queue.waited.1 + waited);
        let (id, behind) = (queue.id.clone(), queue.waiting.iter().skip(at).cloned().collect::<Vec<_>>());
        if let Some(leg) = self.calls.get_mut(call_id) {
            leg.stay = None;
        }
        if let (Some(mut event), Some(status)) = (event, status) {
            event["size"] = self.meetings.queue(&name).map_or(0, |queue| queue.waiting.len()).into();
            event[if status == "dequeue" { "dequeue_ts" } else { "leave_ts" }] = now.into();
            self.emit_on(call_id, "calling.call.queue", event);
        }
        behind.iter().for_each(|other| self.emit_stay(other, "stats"));
        Some((id, name))
    }

    fn emit_stay(&mut self, call_id: &str, status: &str) {
        if let Some(event) = self.stay_event(call_id, status) {
            self.emit_on(call_id, "calling.call.queue", event);
        }
    }

    fn stay_event(&self, call_id: &str, status: &str) -> Option<Value> {
        let stay = self.calls.get(call_id)?.stay.as_ref()?;
        let queue = self.meetings.queue(&stay.queue)?;
        let position = queue.waiting.iter().position(|waiting| waiting == call_id).map_or(0, |at| at + 1);
        // The value is only informative: the clock of a test runs at another speed than the people in it.
        let average = queue.waited.1.checked_div(queue.waited.0).unwrap_or(0) / 1_000_000;
        Some(json!({
            "control_id": stay.control_id,
            "status": status,
            "id": queue.id,
            "name": stay.queue,
            "position": position,
            "size": queue.waiting.len(),
            "avg_time": average,
            "enqueue_ts": stay.entered,
            "dequeue_ts": 0,
            "leave_ts": 0,
            "status_url": stay.status_url,
        }))
    }
}
