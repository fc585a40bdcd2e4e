//! Queues of calls.

use serde_json::Value;
use uuid::Uuid;

use super::Call;
use crate::error::Result;
use crate::protocol::fields::Fields;

params! {
    /// Which queue the call is put into; sent by [`Call::queue_enter`]. A name is one, too.
    pub struct QueueEnter("calling.queue.enter") {
        /// Names this stay instead of a generated id; its events carry the name.
        control_id: NonEmpty,
        /// A webhook for what happens to the call in the queue.
        status_url: String,
        /// What the caller hears while waiting, by its URL.
        wait_url: String,
        /// How long the caller waits; sent in whole seconds, 180 by default.
        wait_time: WholeSeconds,
        /// What is done after the queue: a URL, or an SWML document.
        execute_after_queue: String,
        /// What whoever takes the call hears before the two are bridged, by its URL.
        whisper_url: String,
    }
}

params! {
    /// Which queue the call leaves; sent by [`Call::queue_leave`]. A name is one, too.
    pub struct QueueLeave("calling.queue.leave") {
        /// The stay that ends. By default the one that [`Call::queue_enter`] began last in this queue.
        control_id: NonEmpty,
        /// The queue's id, which events tell.
        queue_id: String,
        /// A webhook for what happens to the call in the queue.
        status_url: String,
    }
}

impl QueueEnter {
    /// Puts the call into the queue of this name, which is made if there is none.
    pub fn new(queue_name: impl Into<String>) -> Self {
        Self::of(named(queue_name.into()))
    }
}

impl QueueLeave {
    /// Takes the call out of the queue of this name.
    pub fn new(queue_name: impl Into<String>) -> Self {
        Self::of(named(queue_name.into()))
    }
}

fn named(queue_name: String) -> Fields {
    let mut fields = Fields::default();
    fields.set("", "queue_name", Value::String(queue_name));
    fields
}

impl From<&str> for QueueEnter {
    fn from(queue_name: &str) -> Self {
        Self::new(queue_name)
    }
}

impl From<String> for QueueEnter {
    fn from(queue_name: String) -> Self {
        Self::new(queue_name)
    }
}

impl From<&str> for QueueLeave {
    fn from(queue_name: &str) -> Self {
        Self::new(queue_name)
    }
}

impl From<String> for QueueLeave {
    fn from(queue_name: String) -> Self {
        Self::new(queue_name)
    }
}

impl Call {
    /// Puts the call into a queue: `calling.queue.enter`. It returns when the service has accepted it;
    /// [`QueueEvent`](crate::QueueEvent)s tell the call's place in it, and when it left.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use signalwire_relay::{Event, EventName, QueueEnter, QueueStatus};
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.queue_enter(QueueEnter::new("support").wait_time(Duration::from_secs(600)))?;
    /// let left = |event: &Event| matches!(event, Event::Queue(queue) if queue.status == QueueStatus::Leave);
    /// if call.wait_for(EventName::Queue, left, Duration::from_secs(60)).is_err() {
    ///     call.queue_leave("support")?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn queue_enter(&self, which: impl Into<QueueEnter>) -> Result<()> {
        let mut which = which.into();
        let control_id = match which.fields.text("control_id") {
            Some(given) => given.to_owned(),
            None => Uuid::new_v4().to_string(),
        };
        which = which.control_id(control_id.clone());
        let queue = which.fields.text("queue_name").unwrap_or_default().to_owned();
        let before = self.core.stay_in(&queue);
        self.core.stay(&queue, &control_id);
        let outcome = self.command(QueueEnter::METHOD, &which.fields);
        if outcome.as_ref().is_err_and(|error| !error.may_have_been_sent()) {
            // The stay never began; one that began before goes on.
            self.core.end_stay(&control_id);
            if let Some(before) = before {
                self.core.stay(&queue, &before);
            }
        }
        outcome.map(drop)
    }

    /// Takes the call out of a queue: `calling.queue.leave`, with the control id of the stay.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.queue_leave("support")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over, or has left the queue, is no error.
    pub fn queue_leave(&self, which: impl Into<QueueLeave>) -> Result<()> {
        let mut which = which.into();
        let control_id = match which.fields.text("control_id") {
            Some(given) => given.to_owned(),
            None => {
                let stay = self.core.stay_in(which.fields.text("queue_name").unwrap_or_default());
                stay.map_or_else(|| Uuid::new_v4().to_string(), String::from)
            }
        };
        which = which.control_id(control_id.clone());
        self.command(QueueLeave::METHOD, &which.fields)?;
        self.core.end_stay(&control_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (enter, params) in [
            (QueueEnter::from("support"), json!({"queue_name": "support"})),
            (QueueEnter::new("support").control_id("q-1"), json!({"control_id": "q-1", "queue_name": "support"})),
            (
                QueueEnter::new("support").control_id("").status_url("https://example.com/q"),
                json!({"queue_name": "support", "status_url": "https://example.com/q"}),
            ),
            (
                QueueEnter::new("q")
                    .wait_url("w")
                    .wait_time(Duration::from_millis(1500))
                    .execute_after_queue("e")
                    .whisper_url("h"),
                json!({"queue_name": "q", "wait_url": "w", "wait_time": 2, "execute_after_queue": "e",
                    "whisper_url": "h"}),
            ),
        ] {
            assert_eq!(enter.fields.to_json(), params);
        }
        for (leave, params) in [
            (QueueLeave::from("support").control_id(""), json!({"queue_name": "support"})),
            (
                QueueLeave::new("support")
                    .control_id("q-2")
                    .queue_id("qid-7")
                    .status_url("https://example.com/q")
                    .extra("reason", "timeout"),
                json!({"control_id": "q-2", "queue_name": "support", "queue_id": "qid-7",
                    "status_url": "https://example.com/q", "reason": "timeout"}),
            ),
        ] {
            assert_eq!(leave.fields.to_json(), params);
        }
    }
}
