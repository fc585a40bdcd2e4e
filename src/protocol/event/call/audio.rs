//! Noise reduction and echo.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EchoState, EventName};

/// Noise reduction was switched on or off.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DenoiseEvent {
    /// `true` if noise reduction is on.
    pub denoised: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl DenoiseEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { denoised: payload.flag("denoised").unwrap_or_default(), raw }
    }
}

impl TypedEvent for DenoiseEvent {
    const NAME: EventName = EventName::Denoise;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Denoise(event) = event { Some(event) } else { None }
    }
}

/// An echo started or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EchoEvent {
    /// State that the event reports.
    pub state: EchoState,
    /// `true` if the echo ended because its call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl EchoEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { state: payload.state("state"), ended_by_call: false, raw }
    }

    /// Creates the end of an echo whose call has ended.
    pub(crate) fn ended_by_call(call_id: &str) -> Self {
        let raw = RawEvent::unsent(EventName::Echo, call_id, "");
        Self { state: EchoState::Finished, ended_by_call: true, raw }
    }
}

impl TypedEvent for EchoEvent {
    const NAME: EventName = EventName::Echo;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Echo(event) = event { Some(event) } else { None }
    }
}
