//! The state of a media stream.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, StreamState};

/// A media stream started or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: StreamState,
    /// Receiver of the audio.
    pub url: String,
    /// Label of the stream.
    pub name: String,
    /// Whether the operation ended because its call ended. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl StreamEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url: payload.string("url"),
            name: payload.string("name"),
            ended_by_call: false,
            raw,
        }
    }

    /// Creates the end of a media stream whose call has ended.
    pub(crate) fn ended_by_call(call_id: &str, control_id: &str) -> Self {
        Self {
            control_id: control_id.into(),
            state: StreamState::Finished,
            url: String::new(),
            name: String::new(),
            ended_by_call: true,
            raw: RawEvent::unsent(EventName::Stream, call_id, control_id),
        }
    }
}

impl TypedEvent for StreamEvent {
    const NAME: EventName = EventName::Stream;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Stream(event) = event { Some(event) } else { None }
    }
}
