//! A call in a video room.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, RoomStatus};

/// The call joined a room, could not join it, or left it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomEvent {
    /// Kind of the event.
    pub status: RoomStatus,
    /// The room's name.
    pub room_name: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl RoomEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { status: payload.state("join_status"), room_name: payload.string("room_name"), raw }
    }
}

impl TypedEvent for RoomEvent {
    const NAME: EventName = EventName::Room;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Room(event) = event { Some(event) } else { None }
    }
}
