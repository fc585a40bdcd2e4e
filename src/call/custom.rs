//! Events that a program defines.

use serde_json::Value;

use super::Call;
use crate::error::Result;

params! {
    /// Parameters of [`Call::user_event`]. A string and JSON convert into `UserEvent`.
    pub struct UserEvent("calling.user_event") new [] {
        /// Content of the event: a string, or an object, whose members become those of the event.
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

/// # Events of the program
impl Call {
    /// Sends an event that the program defines to the listeners of the call. Sends `calling.user_event`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout. The event arrives with the type
    /// [`EventName::UserEvent`](crate::events::EventName::UserEvent). The documentation of the service disagrees on
    /// whether it is a string or an object.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.user_event(serde_json::json!({"order": 4711, "state": "placed"}))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
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
