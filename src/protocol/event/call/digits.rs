//! DTMF digits that were sent.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, SendDigitsState};

/// Digits were sent, or could not be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendDigitsEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: SendDigitsState,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl SendDigitsEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), raw }
    }
}

impl TypedEvent for SendDigitsEvent {
    const NAME: EventName = EventName::SendDigits;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::SendDigits(event) = event { Some(event) } else { None }
    }
}
