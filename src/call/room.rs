//! Rooms with audio and video.

use serde_json::Value;

use super::Call;
use crate::error::Result;
use crate::protocol::fields::Fields;

params! {
    /// Which room is joined; sent by [`Call::join_room`]. A name is one, too.
    pub struct JoinRoom("calling.join_room") {
        /// A webhook for the call's part in the room.
        status_url: String,
        /// An API of the room's mixer. Only in the service's schema, for its own use.
        hagrid_json_api_url: String,
        /// The node of the room's mixer. Only in the service's schema, for its own use.
        hagrid_node_id: String,
    }
}

params! {
    /// How a room is left; sent by [`Call::leave_room_with`].
    pub struct LeaveRoom("calling.leave_room") new [] {}
}

impl JoinRoom {
    /// Joins the room of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let mut fields = Fields::default();
        fields.set("", "name", Value::String(name.into()));
        Self::of(fields)
    }
}

impl From<&str> for JoinRoom {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for JoinRoom {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl Call {
    /// Has the call take part in a room: `calling.join_room`. It returns when the service has accepted it; events of
    /// the type [`EventName::Room`](crate::EventName::Room) tell how it goes on.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.join_room("lobby")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn join_room(&self, which: impl Into<JoinRoom>) -> Result<()> {
        self.command(JoinRoom::METHOD, &which.into().fields).map(drop)
    }

    /// Takes the call out of the room that it is in: `calling.leave_room`.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_room()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the service refuses, or the connection is gone. A call that is over is no error.
    pub fn leave_room(&self) -> Result<()> {
        self.leave_room_with(LeaveRoom::new())
    }

    /// Takes the call out of the room that it is in, with parameters: `calling.leave_room`.
    ///
    /// ```no_run
    /// # use signalwire_relay::LeaveRoom;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_room_with(LeaveRoom::new().extra("reason", "bye"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`leave_room`](Self::leave_room).
    pub fn leave_room_with(&self, how: LeaveRoom) -> Result<()> {
        self.command(LeaveRoom::METHOD, &how.fields).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_as_on_the_wire() {
        for (join, params) in [
            (JoinRoom::from("room-a"), json!({"name": "room-a"})),
            (JoinRoom::new("room-a").status_url(""), json!({"name": "room-a", "status_url": ""})),
            (
                JoinRoom::new("Stand-up / 09:00").status_url("https://example.com/r"),
                json!({"name": "Stand-up / 09:00", "status_url": "https://example.com/r"}),
            ),
        ] {
            assert_eq!(join.fields.to_json(), params);
        }
        assert_eq!(LeaveRoom::new().fields.to_json(), json!({}));
        assert_eq!(LeaveRoom::new().extra("reason", "bye").fields.to_json(), json!({"reason": "bye"}));
    }
}
