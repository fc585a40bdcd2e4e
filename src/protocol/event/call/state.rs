//! The state of a call, and the offer of an inbound one.

use std::fmt;

use serde_json::Value;

use super::peer::Peer;
use crate::protocol::device::RemoteDevice;
use crate::protocol::event::{Event, RawEvent, TypedEvent, or_envelope};
use crate::protocol::frame::Envelope;
use crate::protocol::object::Object;
use crate::protocol::redact;
use crate::protocol::states::{CallState, Direction, EndReason, EventName};

/// The headers of a call, as `Debug` shows them.
struct Headers<'a>(&'a Option<Value>);

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_ref().map_or_else(|| "None".to_owned(), |value| redact::shown(value.clone())))
    }
}

/// The largest object that is parsed with its event, in bytes.
const LARGEST_OBJECT: usize = 64 << 10;

/// A member that is an object, parsed.
fn json_object(payload: &Object<'_>, key: &str) -> Option<Value> {
    // Parsed, it may take a hundred times as much as it was written in.
    payload
        .get(key)
        .filter(|raw| raw.get().len() <= LARGEST_OBJECT)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .filter(Value::is_object)
}

/// The state of a call changed.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallStateEvent {
    /// New state.
    #[doc(alias = "call_state")]
    pub state: CallState,
    /// Direction of the call. `Other` without text if the service reported none.
    pub direction: Direction,
    /// Device at the far end.
    pub device: RemoteDevice,
    /// Reason for the end.
    pub end_reason: Option<EndReason>,
    /// Side that ended the call: `inbound`, `outbound` or `none`.
    pub end_source: String,
    /// Node of the service that has the call.
    pub node_id: String,
    /// ID of the call's segment, which related events share.
    pub segment_id: String,
    /// The tag given with the dial or the connect.
    pub tag: String,
    /// Start, in milliseconds since 1970. 0 until known.
    pub start_time: i64,
    /// Answer, in milliseconds since 1970. 0 until known.
    pub answer_time: i64,
    /// End, in milliseconds since 1970. 0 until known.
    pub end_time: i64,
    /// Whether the call is the leg that won a dial.
    #[doc(alias = "dial_winner")]
    pub is_dial_winner: bool,
    /// ID of the call that this one was made for.
    pub parent: Option<Peer>,
    /// Call that this one is bridged with.
    pub peer: Option<Peer>,
    /// User, host and parameters of the request of a SIP leg and of its From, To and Contact, as JSON. `None` if it is
    /// larger than 64 KiB: then it is in [`raw`](Self::raw) only.
    pub sip_data: Option<Value>,
    /// Quality of the inbound audio, from 1 to 5.
    pub audio_in_mos: Option<f64>,
    /// Origin of the call: `dial`, `connect` or `receive`. Not every version of the service reports it.
    pub created_by: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

debug_masked!(CallStateEvent {
    state, direction, device, end_reason, end_source, node_id, segment_id, tag, start_time, answer_time, end_time, is_dial_winner, parent, peer, audio_in_mos, created_by, raw; sip_data: Headers
});

impl CallStateEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            state: payload.state("call_state"),
            direction: payload.state("direction"),
            device: RemoteDevice::read(payload.get("device")),
            end_reason: payload.optional_state("end_reason"),
            end_source: payload.string("end_source"),
            node_id: payload.string("node_id"),
            segment_id: payload.string("segment_id"),
            tag: payload.string("tag"),
            start_time: payload.integer("start_time"),
            answer_time: payload.integer("answer_time"),
            end_time: payload.integer("end_time"),
            is_dial_winner: payload.flag("dial_winner").unwrap_or_default(),
            parent: Peer::read(payload.get("parent")),
            peer: Peer::read(payload.get("peer")),
            sip_data: json_object(payload, "sip_data"),
            audio_in_mos: payload.optional_number("audio_in_mos"),
            created_by: payload.string("created_by"),
            raw,
        }
    }
}

impl TypedEvent for CallStateEvent {
    const NAME: EventName = EventName::CallState;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::CallState(event) = event { Some(event) } else { None }
    }
}

/// An inbound call arrived.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallReceiveEvent {
    /// State of the call: created or ringing.
    #[doc(alias = "call_state")]
    pub state: CallState,
    /// Direction of the call: inbound.
    pub direction: Direction,
    /// The caller.
    pub device: RemoteDevice,
    /// Node of the service that has the call.
    pub node_id: String,
    /// ID of the project that the call belongs to.
    pub project_id: String,
    /// Context of the inbound call or message.
    pub context: String,
    /// ID of the call's segment, which related events share.
    pub segment_id: String,
    /// Tag of the call. Empty if there is none.
    pub tag: String,
    /// ID of the call that this one was made for.
    pub parent: Option<Peer>,
    /// Call that this one is bridged with.
    pub peer: Option<Peer>,
    /// User, host and parameters of the request of a SIP leg and of its From, To and Contact, as JSON. `None` if it is
    /// larger than 64 KiB: then it is in [`raw`](Self::raw) only.
    pub sip_data: Option<Value>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

debug_masked!(CallReceiveEvent {
    state, direction, device, node_id, project_id, context, segment_id, tag, parent, peer, raw; sip_data: Headers
});

impl CallReceiveEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>, envelope: &Envelope<'_>) -> Self {
        // Older servers give the session's protocol in place of a context.
        let context = or_envelope(payload.text("context"), envelope.context.as_ref());
        let context = if context.is_empty() { payload.string("protocol") } else { context };
        Self {
            state: payload.optional_state("call_state").unwrap_or(CallState::Created),
            direction: payload.optional_state("direction").unwrap_or(Direction::Inbound),
            device: RemoteDevice::read(payload.get("device")),
            node_id: payload.string("node_id"),
            project_id: or_envelope(payload.text("project_id"), envelope.project_id.as_ref()),
            context,
            segment_id: payload.string("segment_id"),
            tag: payload.string("tag"),
            parent: Peer::read(payload.get("parent")),
            peer: Peer::read(payload.get("peer")),
            sip_data: json_object(payload, "sip_data"),
            raw,
        }
    }
}

impl TypedEvent for CallReceiveEvent {
    const NAME: EventName = EventName::CallReceive;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::CallReceive(event) = event { Some(event) } else { None }
    }
}
