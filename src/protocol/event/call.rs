//! Events of calls.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::choices::{CardType, ConferenceRegion, PaymentMethod};
use super::super::device::RemoteDevice;
use super::super::frame::Envelope;
use super::super::limits::{self, LARGEST_DEVICE};
use super::super::object::{Object, text_of};
use super::super::redact::{self, CONTENT, Content};
use super::super::states::{
    AiState, AudioDirection, CallState, CollectState, ConferenceEndReason, ConferenceStatus, ConnectState, DetectKind,
    DialState, Direction, EchoState, EndReason, EventName, FaxKind, HoldState, PauseBehavior, PayFault, PayResult,
    PayState, PayStep, PlayState, QueueStatus, RecordFormat, RecordState, ReferState, RoomStatus, SendDigitsState,
    StreamState, TapState, TranscribeState,
};
use super::{Event, RawEvent, TypedEvent, or_envelope};

/// A call that an event mentions. Members that the service left out are empty, and so are names of more than 1 KiB and
/// a device of more than 16 KiB, which the event itself has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// ID of the call.
    pub call_id: String,
    /// Node of the service that has the call.
    pub node_id: String,
    /// Tag of the call.
    pub tag: String,
    /// Device at the far end.
    pub device: RemoteDevice,
    /// Kind of the device, where only that is reported.
    pub device_type: String,
    /// ID of the queue that the call was taken from.
    pub queue_id: String,
    /// Name of the queue that the call was taken from.
    pub queue_name: String,
    /// Whether the call is the leg that won the dial. In the event of a dial only.
    #[doc(alias = "dial_winner")]
    pub is_dial_winner: bool,
}

impl Peer {
    fn read(raw: Option<&RawValue>) -> Option<Self> {
        let peer = Object::parse(raw?);
        // A peer is kept for as long as its bridge.
        let name = |key| peer.text(key).filter(|name| limits::is_name(name)).map(Cow::into_owned).unwrap_or_default();
        (!peer.is_empty()).then(|| Self {
            call_id: name("call_id"),
            node_id: name("node_id"),
            tag: name("tag"),
            device: RemoteDevice::read(peer.get("device").filter(|device| device.get().len() <= LARGEST_DEVICE)),
            device_type: name("device_type"),
            queue_id: name("queue_id"),
            queue_name: name("queue_name"),
            is_dial_winner: peer.flag("dial_winner").unwrap_or_default(),
        })
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>, envelope: &Envelope<'_>) -> Self {
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
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

/// A bridge progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectEvent {
    /// State that the event reports.
    #[doc(alias = "connect_state")]
    pub state: ConnectState,
    /// The other call of the bridge.
    pub peer: Option<Peer>,
    /// Reason for the failure.
    pub failed_reason: Option<String>,
    /// `true` if the bridge ended because this call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// `true` if the event that reported the connection was missed while the client was offline, and something else
    /// proved it: the service refused a second connect, for example. The service sent no event then: `raw` is empty.
    pub presumed: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl ConnectEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            state: payload.state("connect_state"),
            peer: Peer::read(payload.get("peer")),
            failed_reason: payload.optional("failed_reason"),
            ended_by_call: false,
            presumed: false,
            raw,
        }
    }

    fn unsent(state: ConnectState, call_id: &str, peer: Option<Peer>) -> Self {
        let raw = RawEvent::unsent(EventName::Connect, call_id, "");
        Self { state, peer, failed_reason: None, ended_by_call: false, presumed: false, raw }
    }

    /// The end of a bridge whose call ended.
    pub(crate) fn ended_by_call(call_id: &str, peer: Option<Peer>) -> Self {
        Self { ended_by_call: true, ..Self::unsent(ConnectState::Disconnected, call_id, peer) }
    }

    /// A connection that was not reported, and is known by other means.
    pub(crate) fn presumed(call_id: &str, peer: Option<Peer>) -> Self {
        Self { presumed: true, ..Self::unsent(ConnectState::Connected, call_id, peer) }
    }
}

impl TypedEvent for ConnectEvent {
    const NAME: EventName = EventName::Connect;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Connect(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { state: payload.state("state"), raw }
    }
}

impl TypedEvent for HoldEvent {
    const NAME: EventName = EventName::Hold;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Hold(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), raw }
    }
}

impl TypedEvent for PlayEvent {
    const NAME: EventName = EventName::Play;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Play(event) = event { Some(event) } else { None }
    }
}

/// A recording progressed or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: RecordState,
    /// URL of the file. Empty until known.
    pub url: String,
    /// Duration, in seconds. 0 until known.
    pub duration: f64,
    /// Size, in bytes. 0 until known.
    pub size: i64,
    /// ID of the recording.
    pub recording_id: String,
    /// Start, in seconds since 1970. 0 until known.
    pub start_time: f64,
    /// End, in seconds since 1970. 0 until known.
    pub end_time: f64,
    /// First captured audio, in seconds since 1970. 0 until known.
    pub first_frame_time: f64,
    /// Content of the recording for the time of a pause, where the service reports it.
    pub pause_behavior: Option<PauseBehavior>,
    /// The format of the file.
    #[doc(alias = "record")]
    pub format: Option<RecordFormat>,
    /// Whether the two sides are two channels.
    pub is_stereo: bool,
    /// Which side is recorded.
    pub direction: Option<AudioDirection>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl RecordEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let nested = payload.object("record");
        let audio = nested.object("audio");
        let url = nested.optional("url").unwrap_or_else(|| payload.string("url"));
        let number = |key| nested.optional_number(key).or_else(|| payload.optional_number(key)).unwrap_or_default();
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url,
            duration: number("duration"),
            size: number("size") as i64,
            recording_id: payload.string("recording_id"),
            start_time: payload.number("start_time"),
            end_time: payload.number("end_time"),
            first_frame_time: payload.number("first_frame_time"),
            pause_behavior: payload.optional_state("pause_behavior"),
            format: audio.optional_state("format"),
            is_stereo: audio.flag("stereo").unwrap_or_default(),
            direction: audio.optional_state("direction"),
            raw,
        }
    }
}

impl TypedEvent for RecordEvent {
    const NAME: EventName = EventName::Record;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Record(event) = event { Some(event) } else { None }
    }
}

/// A caller gave input, or none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CollectEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Input of the caller.
    pub result: CollectResult,
    /// State of the collect, where the service reports one.
    pub state: Option<CollectState>,
    /// Whether the result is final: `Some(false)` for an interim result, `Some(true)` for a complete utterance, `None`
    /// if the service did not report it.
    #[doc(alias = "final")]
    pub is_final: Option<bool>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl CollectEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            result: CollectResult::read(&payload.object("result")),
            state: payload.optional_state("state"),
            is_final: payload.flag("final"),
            raw,
        }
    }
}

impl TypedEvent for CollectEvent {
    const NAME: EventName = EventName::Collect;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Collect(event) = event { Some(event) } else { None }
    }
}

/// A detector heard something, or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DetectEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Kind of the detector.
    #[doc(alias = "detect")]
    pub kind: DetectKind,
    /// Result of the detector.
    pub heard: Heard,
    /// Whether a beep was heard, with [`Heard::Ready`].
    pub beep: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl DetectEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let detect = payload.object("detect");
        let params = detect.object("params");
        // A state beside it, which only older servers send, counts where it says that the detector ended.
        let state = || payload.text("state").filter(|state| matches!(&**state, "finished" | "error"));
        let heard = match params.text("event").or_else(state) {
            Some(text) => Heard::from(&*text),
            None if detect.is_empty() => Heard::None,
            None => Heard::Other("".into()),
        };
        Self {
            control_id: payload.string("control_id"),
            kind: detect.state("type"),
            heard,
            beep: params.flag("beep").unwrap_or_default(),
            raw,
        }
    }
}

impl TypedEvent for DetectEvent {
    const NAME: EventName = EventName::Detect;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Detect(event) = event { Some(event) } else { None }
    }
}

/// Result of a detector. `Debug` does not show a digit.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// A human.
    Human,
    /// An answering machine.
    Machine,
    /// The detector could not decide.
    Unknown,
    /// The greeting of the answering machine has ended: a message can be left now.
    Ready,
    /// The answering machine speaks again.
    NotReady,
    /// The tone of a receiving fax.
    Ced,
    /// The tone of a calling fax.
    Cng,
    /// A DTMF digit: `0` to `9`, `#`, `*` or `A` to `D`.
    Digit(char),
    /// The detector ended; as the first event, it ended without having heard anything.
    Finished,
    /// The detector failed.
    Error,
    /// The event has no result.
    None,
    /// A result that this version does not know.
    Other(Box<str>),
}

impl Heard {
    /// `true` if the detector ended with this result.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Finished | Self::Error)
    }
}

impl From<&str> for Heard {
    fn from(text: &str) -> Self {
        let mut chars = text.chars();
        if let (Some(key @ ('0'..='9' | '#' | '*' | 'A'..='D')), None) = (chars.next(), chars.next()) {
            return Self::Digit(key);
        }
        match text.to_ascii_lowercase().as_str() {
            "human" => Self::Human,
            "machine" => Self::Machine,
            "unknown" => Self::Unknown,
            "ready" => Self::Ready,
            "not_ready" => Self::NotReady,
            "ced" => Self::Ced,
            "cng" => Self::Cng,
            "finished" => Self::Finished,
            "error" => Self::Error,
            _ => Self::Other(text.into()),
        }
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "Human",
            Self::Machine => "Machine",
            Self::Unknown => "Unknown",
            Self::Ready => "Ready",
            Self::NotReady => "NotReady",
            Self::Ced => "Ced",
            Self::Cng => "Cng",
            Self::Digit(_) => return write!(f, "Digit({CONTENT})"),
            Self::Finished => "Finished",
            Self::Error => "Error",
            Self::None => "None",
            Self::Other(text) => return f.debug_tuple("Other").field(text).finish(),
        })
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Human => "HUMAN",
            Self::Machine => "MACHINE",
            Self::Unknown => "UNKNOWN",
            Self::Ready => "READY",
            Self::NotReady => "NOT_READY",
            Self::Ced => "CED",
            Self::Cng => "CNG",
            Self::Digit(key) => return write!(f, "{key}"),
            Self::Finished => "finished",
            Self::Error => "error",
            Self::None => "",
            Self::Other(text) => text,
        })
    }
}

/// A page of a fax was sent or received, or the fax ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaxEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Kind of the event.
    #[doc(alias = "fax")]
    pub kind: FaxKind,
    /// Number of the page that was sent or received. 0 if the event is not about a page.
    #[doc(alias = "number")]
    pub page: i64,
    /// Number of pages, at the end.
    pub pages: i64,
    /// Whether the fax succeeded, at the end.
    #[doc(alias = "success")]
    pub is_success: bool,
    /// URL of the document, at the end.
    pub document: String,
    /// Format of the document.
    pub format: String,
    /// `send` or `receive`.
    pub direction: String,
    /// Identity of this station.
    pub identity: String,
    /// Identity of the remote station.
    pub remote_identity: String,
    /// Code of the result. 0 is success.
    pub result: i64,
    /// Text of the result.
    pub result_text: String,
    /// State of the fax. Only older servers send it.
    pub state: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl FaxEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let fax = payload.object("fax");
        let params = fax.object("params");
        Self {
            control_id: payload.string("control_id"),
            kind: fax.state("type"),
            page: params.integer("number"),
            pages: params.integer("pages"),
            is_success: params.flag("success").unwrap_or_default(),
            document: params.string("document"),
            format: params.string("format"),
            direction: params.string("direction"),
            identity: params.string("identity"),
            remote_identity: params.string("remote_identity"),
            result: params.integer("result"),
            result_text: params.string("result_text"),
            state: payload.string("state"),
            raw,
        }
    }
}

impl FaxEvent {
    /// `true` if the fax has ended, with success or not: [`is_success`](Self::is_success).
    #[must_use]
    pub fn is_end(&self) -> bool {
        match &self.kind {
            FaxKind::Finished | FaxKind::Error => true,
            // Older servers say it in a state.
            kind => kind.as_str().is_empty() && matches!(self.state.as_str(), "finished" | "error"),
        }
    }
}

impl TypedEvent for FaxEvent {
    const NAME: EventName = EventName::Fax;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Fax(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
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
}

impl TapEvent {
    /// What a tap ends with when its call ends.
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url: payload.string("url"),
            name: payload.string("name"),
            ended_by_call: false,
            raw,
        }
    }
}

impl StreamEvent {
    /// What a media stream ends with when its call ends.
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), raw }
    }
}

impl TypedEvent for SendDigitsEvent {
    const NAME: EventName = EventName::SendDigits;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::SendDigits(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { denoised: payload.flag("denoised").unwrap_or_default(), raw }
    }
}

impl TypedEvent for DenoiseEvent {
    const NAME: EventName = EventName::Denoise;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Denoise(event) = event { Some(event) } else { None }
    }
}

/// A payment progressed or ended. `Debug` shows nothing of what was entered or issued.
#[derive(Clone)]
#[non_exhaustive]
pub struct PayEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports. Only older servers send it.
    pub state: Option<PayState>,
    /// Result of the payment. `None` while it is in progress.
    pub result: Option<PayResult>,
    /// Step of the payment.
    #[doc(alias = "for")]
    pub step: Option<PayStep>,
    /// Number of the attempt.
    pub attempt: i64,
    /// Mistake in the last attempt.
    #[doc(alias = "error_type")]
    pub fault: Option<PayFault>,
    /// Mistake that ended the payment.
    pub payment_error: Option<PayFault>,
    /// Code of the mistake that ended the payment, from `700` to `706`.
    pub payment_error_code: String,
    /// The payment connector's own code, at the end.
    pub payment_connector_error_code: String,
    /// The payment connector's own message, at the end.
    pub payment_connector_error_message: String,
    /// Token that the connector issued, at the end.
    pub payment_token: String,
    /// The connector's ID of the charge, at the end.
    pub payment_confirmation_code: String,
    /// Means of payment.
    pub payment_method: Option<PaymentMethod>,
    /// The card's number, of which only the last digits are shown.
    #[doc(alias = "payment_card_number")]
    pub card_number: String,
    /// The card's brand.
    #[doc(alias = "payment_card_type")]
    pub card_type: Option<CardType>,
    /// The postal code that was entered.
    #[doc(alias = "payment_card_postal_code")]
    pub postal_code: String,
    /// The card's expiration date, as it was entered so far, or at the end.
    #[doc(alias = "payment_card_expiration_date")]
    pub expiration_date: String,
    /// The card's security code, masked.
    #[doc(alias = "payment_card_security_code")]
    pub security_code: String,
    /// URL that receives the status callbacks too.
    pub status_url: String,
    /// HTTP method of the status callback.
    pub status_url_method: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl PayEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let either = |first, second| {
            let text = payload.string(first);
            if text.is_empty() { payload.string(second) } else { text }
        };
        // A result that is no string is one all the same, so that the payment is over; what is in it is not shown.
        let result = payload.get("result").map(text_of);
        Self {
            control_id: payload.string("control_id"),
            state: payload.optional_state("state"),
            result: result
                .filter(|text| text.as_deref() != Some(""))
                .map(|text| PayResult::from(text.as_deref().unwrap_or_default())),
            step: payload.optional_state("for"),
            attempt: payload.integer("attempt"),
            fault: payload.optional_state("error_type"),
            payment_error: payload.optional_state("payment_error"),
            payment_error_code: payload.code("payment_error_code"),
            payment_connector_error_code: payload.code("payment_connector_error_code"),
            payment_connector_error_message: payload.string("payment_connector_error_message"),
            payment_token: payload.string("payment_token"),
            payment_confirmation_code: payload.code("payment_confirmation_code"),
            payment_method: payload.optional_state("payment_method"),
            card_number: payload.code("payment_card_number"),
            card_type: payload.optional_state("payment_card_type"),
            postal_code: payload.code("payment_card_postal_code"),
            expiration_date: either("payment_card_expiration_date", "expiration_date"),
            security_code: either("payment_card_security_code", "security_code"),
            status_url: payload.string("status_url"),
            status_url_method: payload.string("status_url_method"),
            raw,
        }
    }

    /// `true` if the payment has ended: it has a result, or a final state of older servers.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let states = [PayState::Finished, PayState::Error, PayState::Completed, PayState::Failed, PayState::Canceled];
        self.result.is_some() || self.state.as_ref().is_some_and(|state| states.contains(state))
    }

    /// `true` if the payment succeeded.
    #[must_use]
    #[doc(alias = "success")]
    pub fn is_success(&self) -> bool {
        match &self.result {
            Some(result) => *result == PayResult::Success,
            None => self.state == Some(PayState::Completed),
        }
    }
}

impl TypedEvent for PayEvent {
    const NAME: EventName = EventName::Pay;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Pay(event) = event { Some(event) } else { None }
    }
}

/// The place of a call in a queue changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// Kind of the event.
    pub status: QueueStatus,
    /// ID of the queue.
    pub queue_id: String,
    /// Name of the queue.
    pub queue_name: String,
    /// Position of the call in the queue.
    pub position: i64,
    /// Number of calls in the queue.
    pub size: i64,
    /// Average wait, in seconds.
    pub avg_time: f64,
    /// Time at which the call entered, in microseconds since 1970. 0 if it did not.
    #[doc(alias = "enqueue_ts")]
    pub entered_at: i64,
    /// Time at which the call was taken out, in microseconds since 1970. 0 until then.
    #[doc(alias = "dequeue_ts")]
    pub taken_at: i64,
    /// Time at which the call left, in microseconds since 1970. 0 until then.
    #[doc(alias = "leave_ts")]
    pub left_at: i64,
    /// URL that receives the status callbacks too.
    pub status_url: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl QueueEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            status: payload.state("status"),
            queue_id: payload.string("id"),
            queue_name: payload.string("name"),
            position: payload.integer("position"),
            size: payload.integer("size"),
            avg_time: payload.number("avg_time"),
            entered_at: payload.integer("enqueue_ts"),
            taken_at: payload.integer("dequeue_ts"),
            left_at: payload.integer("leave_ts"),
            status_url: payload.string("status_url"),
            raw,
        }
    }
}

impl TypedEvent for QueueEvent {
    const NAME: EventName = EventName::Queue;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Queue(event) = event { Some(event) } else { None }
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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { state: payload.state("state"), ended_by_call: false, raw }
    }

    /// What an echo ends with when its call ends.
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

/// A transcription started or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TranscribeEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports.
    pub state: TranscribeState,
    /// URL of the recording, which may be a relative path. Empty until known.
    pub url: String,
    /// ID of the recording.
    pub recording_id: String,
    /// Duration, in seconds. 0 until known.
    pub duration: f64,
    /// Size, in bytes. 0 until known.
    pub size: i64,
    /// Start, in seconds since 1970. 0 until known.
    pub start_time: f64,
    /// End, in seconds since 1970. 0 until known.
    pub end_time: f64,
    /// URL that receives the text.
    pub status_url: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl TranscribeEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            state: payload.state("state"),
            url: payload.string("url"),
            recording_id: payload.string("recording_id"),
            duration: payload.number("duration"),
            size: payload.integer("size"),
            start_time: payload.number("start_time"),
            end_time: payload.number("end_time"),
            status_url: payload.string("status_url"),
            raw,
        }
    }
}

impl TypedEvent for TranscribeEvent {
    const NAME: EventName = EventName::Transcribe;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Transcribe(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { control_id: payload.string("control_id"), state: payload.state("state"), ended_by_call: false, raw }
    }

    /// What an AI session ends with when its call ends.
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

/// A conference or a participant changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConferenceEvent {
    /// ID of the conference.
    pub conference_id: String,
    /// Name of the conference.
    pub name: String,
    /// Kind of the event.
    pub status: ConferenceStatus,
    /// Number of participants.
    pub size: i64,
    /// Region in which the conference is mixed.
    pub region: Option<ConferenceRegion>,
    /// ID of the participant's call. Empty at the start and the end of the conference.
    pub call_id: String,
    /// Node of that call.
    pub node_id: String,
    /// Whether that call is muted.
    #[doc(alias = "muted")]
    pub is_muted: bool,
    /// Whether that call is on hold.
    #[doc(alias = "hold")]
    pub is_on_hold: bool,
    /// Whether that call coaches another.
    #[doc(alias = "coaching")]
    pub is_coaching: bool,
    /// The call that is coached.
    pub call_id_to_coach: String,
    /// Whether the conference ends when that call leaves.
    pub end_on_leave: bool,
    /// Whether the conference started when that call entered.
    pub start_on_join: bool,
    /// ID of the call that ended the conference by leaving, at the end.
    #[doc(alias = "call_id_ending_conf")]
    pub ended_by: String,
    /// Reason for the end, at the end.
    #[doc(alias = "reason_ended")]
    pub end_reason: Option<ConferenceEndReason>,
    /// URL of the recording, at the end, if the conference was recorded.
    pub recording_url: String,
    /// Duration of the recording, in seconds. 0 until known.
    pub recording_duration: i64,
    /// Size of the recording, in bytes. 0 until known.
    pub recording_file_size: i64,
    /// Media of the announcement.
    pub announce_url: String,
    /// Figures of the line quality, with [`ConferenceStatus::CallQuality`], such as `rtt_avg`, `in_mos` and
    /// `out_jitter_max`, by the service's names. Otherwise empty.
    pub qos: BTreeMap<String, f64>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl ConferenceEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let status: ConferenceStatus = payload.state("status");
        let flag = |key| payload.flag(key).unwrap_or_default();
        let qos = if status == ConferenceStatus::CallQuality { quality(payload) } else { BTreeMap::new() };
        Self {
            conference_id: payload.string("conference_id"),
            name: payload.string("name"),
            size: payload.integer("size"),
            region: payload.optional_state("region"),
            call_id: payload.string("call_id"),
            node_id: payload.string("node_id"),
            is_muted: flag("muted"),
            is_on_hold: flag("hold"),
            is_coaching: flag("coaching"),
            call_id_to_coach: payload.string("call_id_to_coach"),
            end_on_leave: flag("end_on_leave"),
            start_on_join: flag("start_on_join"),
            ended_by: payload.string("call_id_ending_conf"),
            end_reason: payload.optional_state("reason_ended"),
            recording_url: payload.string("recording_url"),
            recording_duration: payload.integer("recording_duration"),
            recording_file_size: payload.integer("recording_file_size"),
            announce_url: payload.string("announce_url"),
            qos,
            status,
            raw,
        }
    }
}

/// The figures stand among the other members, each a number, or a string of one.
fn quality(payload: &Object<'_>) -> BTreeMap<String, f64> {
    let is_figure = |key: &str| ["rtt_", "in_", "out_"].iter().any(|start| key.starts_with(start));
    let keys = payload.keys().filter(|key| is_figure(key));
    keys.filter_map(|key| Some((key.to_owned(), payload.optional_number(key)?))).collect()
}

impl TypedEvent for ConferenceEvent {
    const NAME: EventName = EventName::Conference;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Conference(event) = event { Some(event) } else { None }
    }
}

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
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self { status: payload.state("join_status"), room_name: payload.string("room_name"), raw }
    }
}

impl TypedEvent for RoomEvent {
    const NAME: EventName = EventName::Room;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Room(event) = event { Some(event) } else { None }
    }
}

/// An error without a request that waits for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallingErrorEvent {
    /// Error code. `None` if there is none.
    pub code: String,
    /// Error message: text, or JSON if the service sent a structure.
    pub message: String,
    /// Whether the error ended the running operation.
    #[doc(alias = "fatal")]
    pub is_fatal: Option<bool>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl CallingErrorEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        // Two shapes are in use: code and message, or error and fatal.
        let message = ["message", "error"].iter().find_map(|key| payload.get(key));
        let message = message.map(|raw| text_of(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned));
        Self { code: payload.code("code"), message: message.unwrap_or_default(), is_fatal: payload.flag("fatal"), raw }
    }
}

impl TypedEvent for CallingErrorEvent {
    const NAME: EventName = EventName::CallingError;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::CallingError(event) = event { Some(event) } else { None }
    }
}

/// Input of a caller. `Debug` does not show it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum CollectResult {
    /// The event has no result.
    None,
    /// The caller pressed digits.
    Digits {
        /// The digits.
        digits: String,
        /// The digit that ended the input. Empty if none did.
        terminator: String,
    },
    /// The caller spoke.
    Speech {
        /// The recognized text.
        text: String,
        /// Confidence, from 0 to 100. 0 if it was not rated.
        confidence: f64,
    },
    /// There was no input within the timeout.
    NoInput,
    /// The input matches nothing that was requested.
    NoMatch,
    /// The collect failed.
    Error,
    /// The caller started to speak or to press digits.
    StartOfInput,
    /// The collect ended without input: it was stopped, or the caller hung up.
    Finished,
    /// A type of result that this version does not know.
    Other(Box<str>),
}

impl CollectResult {
    fn read(result: &Object<'_>) -> Self {
        if result.is_empty() {
            return Self::None;
        }
        let params = result.object("params");
        match &*result.text("type").unwrap_or_default() {
            "digit" => Self::Digits { digits: params.string("digits"), terminator: params.string("terminator") },
            "speech" => Self::Speech { text: params.string("text"), confidence: params.number("confidence") },
            "no_input" => Self::NoInput,
            "no_match" => Self::NoMatch,
            "error" => Self::Error,
            "start_of_input" => Self::StartOfInput,
            "finished" => Self::Finished,
            other => Self::Other(other.into()),
        }
    }
}

impl CollectEvent {
    /// The digits that the caller pressed. `None` if there were none.
    #[must_use]
    pub fn digits(&self) -> Option<&str> {
        if let CollectResult::Digits { digits, .. } = &self.result { Some(digits) } else { None }
    }

    /// The text that the caller said. `None` if there was none.
    #[must_use]
    #[doc(alias = "transcript")]
    pub fn speech(&self) -> Option<&str> {
        if let CollectResult::Speech { text, .. } = &self.result { Some(text) } else { None }
    }
}

impl ConnectEvent {
    /// The ID of the other call. `None` if unknown.
    #[must_use]
    pub fn peer_call_id(&self) -> Option<&str> {
        self.peer.as_ref().map(|peer| peer.call_id.as_str()).filter(|id| !id.is_empty())
    }
}

impl fmt::Debug for CollectResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Digits { digits, terminator } => {
                let (digits, terminator) = (Content(digits), Content(terminator));
                return f.debug_struct("Digits").field("digits", &digits).field("terminator", &terminator).finish();
            }
            Self::Speech { text, confidence } => {
                return f.debug_struct("Speech").field("text", &Content(text)).field("confidence", confidence).finish();
            }
            Self::NoInput => "NoInput",
            Self::NoMatch => "NoMatch",
            Self::Error => "Error",
            Self::StartOfInput => "StartOfInput",
            Self::Finished => "Finished",
            Self::Other(kind) => return f.debug_tuple("Other").field(kind).finish(),
        })
    }
}

impl fmt::Debug for PayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayEvent")
            .field("control_id", &self.control_id)
            .field("state", &self.state)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}
