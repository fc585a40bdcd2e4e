//! Events of a program's own.

use serde_json::Value;

use super::Call;
use crate::error::Result;

params! {
    /// What is told; sent by [`Call::user_event`]. A string and JSON are one, too.
    pub struct UserEvent("calling.user_event") new [] {
        /// What is told: a string, or an object, whose members become those of the event.
        event: Json,
    }
}

impl From<&str> for UserEvent {
    fn from(event: &str) -> Self {
        Self::new().event(event)
    }
}

impl From<String> for UserEvent {
    fn from(event: String) -> Self {
        Self::new().event(event)
    }
}

impl From<Value> for UserEvent {
    fn from(event: Value) -> Self {
        Self::new().event(event)
    }
}

impl Call {
    /// Has an event of the program's own sent to whoever follows the call: `calling.user_event`. It arrives with the
    /// type [`EventName::UserEvent`](crate::events::EventName::UserEvent). The service's documents disagree on whether it is a
    /// string or an object.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.user_event(serde_json::json!({"order": 4711, "state": "placed"}))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn user_event(&self, event: impl Into<UserEvent>) -> Result<()> {
        self.command(UserEvent::METHOD, &event.into().fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (event, params) in [
            (UserEvent::new(), json!({})),
            (UserEvent::from("order_placed"), json!({"event": "order_placed"})),
            (UserEvent::from(json!({"a": 1})).extra("b", 2), json!({"event": {"a": 1}, "b": 2})),
        ] {
            assert_eq!(event.fields.to_json(), params);
        }
    }
}
