//! Progress of a playback.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, PlayState};

/// A playback progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlayEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: PlayState,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl PlayEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), raw }
    }
}

impl TypedEvent for PlayEvent {
    const NAME: EventName = EventName::Play;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Play(event) = event { Some(event) } else { None }
    }
}
