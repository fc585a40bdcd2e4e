//! SIP REFER and hold.

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{EventName, HoldState, ReferState};

/// A SIP REFER progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReferEvent {
    /// State that the event reports.
    pub state: ReferState,
    /// SIP URI that the call is referred to.
    pub sip_refer_to: String,
    /// The SIP status of the REFER.
    pub sip_refer_response_code: String,
    /// The SIP status in the last NOTIFY.
    pub sip_notify_response_code: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl ReferEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            state: payload.state("state"),
            sip_refer_to: payload.string("sip_refer_to"),
            sip_refer_response_code: payload.code("sip_refer_response_code"),
            sip_notify_response_code: payload.code("sip_notify_response_code"),
            raw,
        }
    }
}

impl TypedEvent for ReferEvent {
    const NAME: EventName = EventName::Refer;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Refer(event) = event { Some(event) } else { None }
    }
}

/// A call was put on hold or resumed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HoldEvent {
    /// Whether the call is on hold.
    pub state: HoldState,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl HoldEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { state: payload.state("state"), raw }
    }
}

impl TypedEvent for HoldEvent {
    const NAME: EventName = EventName::Hold;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Hold(event) = event { Some(event) } else { None }
    }
}
