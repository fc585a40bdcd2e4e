//! Progress of a dial.

use super::peer::Peer;
use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::states::{DialState, EndReason, EventName};

/// A dial progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DialEvent {
    /// The tag of the dial.
    pub tag: String,
    /// State that the event reports.
    #[doc(alias = "dial_state")]
    pub state: DialState,
    /// Leg that the event is about. In the event of the answer, the leg that won.
    pub call: Option<Peer>,
    /// Reason for the failure.
    pub reason: Option<EndReason>,
    /// Side that caused the failure: `inbound`, `outbound` or `none`.
    pub source: String,
    /// The node that runs the dial.
    pub node_id: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl DialEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            tag: payload.string("tag"),
            state: payload.state("dial_state"),
            call: Peer::read(payload.get("call")),
            reason: payload.optional_state("reason"),
            source: payload.string("source"),
            node_id: payload.string("node_id"),
            raw,
        }
    }
}

impl TypedEvent for DialEvent {
    const NAME: EventName = EventName::Dial;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Dial(event) = event { Some(event) } else { None }
    }
}
