//! The state of a tap.

use crate::protocol::device::RemoteDevice;
use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{AudioDirection, EventName, TapState};

/// A tap started or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TapEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: TapState,
    /// Media that are tapped: `audio`. Empty if the service did not report it.
    pub tap_type: String,
    /// Side of the call that is tapped.
    #[doc(alias = "tap")]
    pub direction: Option<AudioDirection>,
    /// Receiver of the audio.
    pub device: RemoteDevice,
    /// Whether the operation ended because its call ended. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl TapEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            tap_type: payload.object("tap").string("type"),
            direction: payload.object("tap").object("params").optional_state("direction"),
            device: RemoteDevice::read(payload.get("device")),
            ended_by_call: false,
            raw,
        }
    }

    /// Creates the end of a tap whose call has ended.
    pub(crate) fn ended_by_call(call_id: &str, control_id: &str) -> Self {
        Self {
            control_id: control_id.into(),
            state: TapState::Finished,
            tap_type: String::new(),
            direction: None,
            device: RemoteDevice::default(),
            ended_by_call: true,
            raw: RawEvent::unsent(EventName::Tap, call_id, control_id),
        }
    }
}

impl TypedEvent for TapEvent {
    const NAME: EventName = EventName::Tap;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Tap(event) = event { Some(event) } else { None }
    }
}
