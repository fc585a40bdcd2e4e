//! Rooms with audio and video.

use std::time::Duration;

use serde_json::Value;

use super::operation::sealed::Sealed;
use super::queue::StayEnd;
use super::stays::{MOMENT, wait_joined};
use super::{Action, Call, Meaning, Operation};
use crate::error::{self, Result};
use crate::protocol::event::RoomEvent;
use crate::protocol::fields::Fields;
use crate::protocol::states::RoomStatus;

params! {
    /// Parameters of [`Call::join_room`]. The name of a room converts into `JoinRoom`.
    pub struct JoinRoom("calling.join_room") {
        /// URL that receives status callbacks about the call in the room.
        status_url: String,
        /// An API of the room's mixer. Only in the service's schema, for its own use.
        hagrid_json_api_url: String,
        /// The node of the room's mixer. Only in the service's schema, for its own use.
        hagrid_node_id: String,
    }
}

params! {
    /// Parameters of [`Call::leave_room_with`].
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

/// The end of a call's stay in a room: the outcome of [`Call::join_room`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomStay {
    /// The reason why the stay ended.
    pub end: StayEnd,
    /// The room's name.
    pub room_name: String,
}

/// State of a stay in a room, from the events so far.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct RoomMemo {
    name: String,
    joined: bool,
    leaving: bool,
}

impl RoomMemo {
    fn stay(&self, end: StayEnd) -> RoomStay {
        RoomStay { end, room_name: self.name.clone() }
    }
}

impl Sealed for JoinRoom {}

impl Operation for JoinRoom {
    type Event = RoomEvent;
    type Outcome = RoomStay;
    type Memo = RoomMemo;
    const METHOD: &'static str = Self::METHOD;
    const NEEDS_CALL_ONLY: bool = false;
    const BY_KIND: bool = true;

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn memo(&self) -> RoomMemo {
        RoomMemo { name: self.fields.text("name").unwrap_or_default().to_owned(), ..RoomMemo::default() }
    }

    fn concerns(event: &RoomEvent, memo: &RoomMemo, _in_doubt: bool) -> bool {
        event.room_name == memo.name
    }

    fn judge(event: &RoomEvent, memo: &mut RoomMemo) -> Meaning {
        match event.status {
            RoomStatus::Joined => {
                memo.joined = true;
                Meaning::Progress
            }
            // The end of the call may follow, and is more precise.
            RoomStatus::Leave if !memo.leaving => Meaning::Within(MOMENT),
            RoomStatus::Leave | RoomStatus::Failed | RoomStatus::Cancel | RoomStatus::Locked => Meaning::Final,
            RoomStatus::Other(_) => Meaning::Progress,
        }
    }

    fn outcome(event: &RoomEvent, memo: &RoomMemo) -> Result<RoomStay> {
        match event.status {
            RoomStatus::Leave => Ok(memo.stay(if memo.leaving { StayEnd::Left } else { StayEnd::Removed })),
            ref status => Err(error::not_joined(event.raw.call_id().unwrap_or_default(), &memo.name, status.as_str())),
        }
    }

    fn ready(_event: &RoomEvent, memo: &RoomMemo) -> Option<RoomStay> {
        // Only the existence of the outcome counts here; the end of the stay is not known yet.
        memo.joined.then(|| memo.stay(StayEnd::CallEnded))
    }

    fn ended_by_call(_call_id: &str, _control_id: &str, memo: &RoomMemo) -> Option<RoomStay> {
        Some(memo.stay(StayEnd::CallEnded))
    }

    fn leaving(memo: &mut RoomMemo, is: bool) {
        memo.leaving = is;
    }
}

/// A call's stay in a room.
pub type RoomAction = Action<JoinRoom>;

/// # A stay in a room
impl RoomAction {
    /// Blocks until the call takes part in the room, at most `timeout`. With `None` it blocks indefinitely. Returns at
    /// once when it has joined.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// let stay = call.join_room("lobby")?;
    /// stay.wait_joined(Duration::from_secs(10))?;
    /// // Later:
    /// stay.leave()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `ConnectFailed` if the room could not be joined, `CallEnded` if the stay ended before the call had joined;
    /// otherwise as [`wait`](Self::wait).
    pub fn wait_joined(&self, timeout: impl Into<Option<Duration>>) -> Result<()> {
        wait_joined(self, |memo| memo.joined, "joining the room", timeout.into())
    }

    /// Takes the call out of the room. Sends `calling.leave_room`, as [`Call::leave_room`].
    ///
    /// # Errors
    ///
    /// The same as for [`Call::leave_room`].
    pub fn leave(&self) -> Result<()> {
        self.call.leave_room()
    }
}

/// # Rooms
impl Call {
    /// Puts the call into a room. Sends `calling.join_room`, and returns when the service has accepted the request.
    ///
    /// [`wait_joined`](Action::wait_joined) on the returned action blocks until the call takes part,
    /// [`wait`](Action::wait) until the stay ends. Dropping the action changes nothing.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.join_room("lobby")?.wait_joined(Duration::from_secs(10))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the returned action is already complete.
    pub fn join_room(&self, which: impl Into<JoinRoom>) -> Result<RoomAction> {
        self.start(which.into())
    }

    /// Takes the call out of the room. Sends `calling.leave_room`.
    ///
    /// Blocks until the service has accepted the request, at most the request timeout.
    ///
    /// ```no_run
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_room()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the service rejects the request, or the connection is down for longer than the request
    /// timeout. If the call has already ended, the method returns `Ok`.
    pub fn leave_room(&self) -> Result<()> {
        self.leave_room_with(LeaveRoom::new())
    }

    /// Takes the call out of the room, with parameters. Sends `calling.leave_room`.
    ///
    /// ```no_run
    /// # use signalwire_relay::params::LeaveRoom;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.leave_room_with(LeaveRoom::new().extra("reason", "bye"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`leave_room`](Self::leave_room).
    pub fn leave_room_with(&self, how: LeaveRoom) -> Result<()> {
        self.leave_stays(JoinRoom::METHOD, LeaveRoom::METHOD, &how.fields)
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
