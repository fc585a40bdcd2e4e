//! The end of an AI session.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{AiState, EventName};

/// An AI session ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AiEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State at the end.
    pub state: AiState,
    /// Whether the operation ended because its call ended. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl AiEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), ended_by_call: false, raw }
    }

    /// Creates the end of an AI session whose call has ended.
    pub(crate) fn ended_by_call(call_id: &str, control_id: &str) -> Self {
        Self {
            control_id: control_id.into(),
            state: AiState::Finished,
            ended_by_call: true,
            raw: RawEvent::unsent(EventName::Ai, call_id, control_id),
        }
    }
}

impl TypedEvent for AiEvent {
    const NAME: EventName = EventName::Ai;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Ai(event) = event { Some(event) } else { None }
    }
}
