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

/// Another call that an event mentions. What the service leaves out is empty, and so is a name of more than 1 KiB or a
/// device of more than 16 KiB, which the event itself has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The call's id.
    pub call_id: String,
    /// The node that runs it.
    pub node_id: String,
    /// Its tag.
    pub tag: String,
    /// What it calls, or who calls.
    pub device: RemoteDevice,
    /// What kind of endpoint it is, where only that is told.
    pub device_type: String,
    /// The id of the queue that it was taken from.
    pub queue_id: String,
    /// The name of the queue that it was taken from.
    pub queue_name: String,
    /// Whether it is the leg that won the dial. In the event of a dial only.
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

/// A call is in a new state.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallStateEvent {
    /// The state it is in now.
    #[doc(alias = "call_state")]
    pub state: CallState,
    /// Who called whom; `Other` without text when the service did not say.
    pub direction: Direction,
    /// The other end.
    pub device: RemoteDevice,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Which side ended it: `inbound`, `outbound` or `none`.
    pub end_source: String,
    /// The node that runs it.
    pub node_id: String,
    /// Its segment, which related events share.
    pub segment_id: String,
    /// The tag given with the dial or the connect.
    pub tag: String,
    /// When it began, in milliseconds since 1970; 0 until known.
    pub start_time: i64,
    /// When it was answered, in milliseconds since 1970; 0 until known.
    pub answer_time: i64,
    /// When it ended, in milliseconds since 1970; 0 until known.
    pub end_time: i64,
    /// Whether it is the leg that won a dial.
    #[doc(alias = "dial_winner")]
    pub is_dial_winner: bool,
    /// The call that this one was made for.
    pub parent: Option<Peer>,
    /// The call that this one is bridged with.
    pub peer: Option<Peer>,
    /// Of a SIP leg: user, host and parameters of the request and of its From, To and Contact, as JSON.
    /// `None` if it is larger than 64 KiB: then it is in [`raw`](Self::raw) only.
    pub sip_data: Option<Value>,
    /// The quality of the audio that came in, from 1 to 5.
    pub audio_in_mos: Option<f64>,
    /// What made the call: `dial`, `connect` or `receive`. Not every version of the service says so.
    pub created_by: String,
    /// The event as it came.
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

/// A call came in.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallReceiveEvent {
    /// The state it is in: created or ringing.
    #[doc(alias = "call_state")]
    pub state: CallState,
    /// Who called whom: inbound.
    pub direction: Direction,
    /// The caller.
    pub device: RemoteDevice,
    /// The node that runs it.
    pub node_id: String,
    /// The project it belongs to.
    pub project_id: String,
    /// The context it came in on.
    pub context: String,
    /// Its segment, which related events share.
    pub segment_id: String,
    /// Its tag, when it has one.
    pub tag: String,
    /// The call that this one was made for.
    pub parent: Option<Peer>,
    /// The call that this one is bridged with.
    pub peer: Option<Peer>,
    /// Of a SIP leg: user, host and parameters of the request and of its From, To and Contact, as JSON.
    /// `None` if it is larger than 64 KiB: then it is in [`raw`](Self::raw) only.
    pub sip_data: Option<Value>,
    /// The event as it came.
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

/// A dial went on or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DialEvent {
    /// The tag of the dial.
    pub tag: String,
    /// How far it has come.
    #[doc(alias = "dial_state")]
    pub state: DialState,
    /// The leg it is about; when answered, the one that won.
    pub call: Option<Peer>,
    /// Why it failed.
    pub reason: Option<EndReason>,
    /// Which side made it fail: `inbound`, `outbound` or `none`.
    pub source: String,
    /// The node that runs the dial.
    pub node_id: String,
    /// The event as it came.
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

/// A bridge went on or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectEvent {
    /// How far it has come.
    #[doc(alias = "connect_state")]
    pub state: ConnectState,
    /// The other call.
    pub peer: Option<Peer>,
    /// Why it failed.
    pub failed_reason: Option<String>,
    /// `true` if the bridge ended because this call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// `true` if the event that reported the connection was missed while the client was offline, and something else
    /// proved it: the service refused a second connect, for example. The service sent no event then: `raw` is empty.
    pub presumed: bool,
    /// The event as it came.
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

/// A SIP REFER went on or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReferEvent {
    /// How far it has come.
    pub state: ReferState,
    /// The SIP URI it goes to.
    pub sip_refer_to: String,
    /// The SIP status of the REFER.
    pub sip_refer_response_code: String,
    /// The SIP status in the last NOTIFY.
    pub sip_notify_response_code: String,
    /// The event as it came.
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

/// Hold was switched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HoldEvent {
    /// Whether the call is on hold.
    pub state: HoldState,
    /// The event as it came.
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

/// A playback went on or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlayEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing.
    pub state: PlayState,
    /// The event as it came.
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

/// A recording went on or ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing.
    pub state: RecordState,
    /// Where the file is; empty until known.
    pub url: String,
    /// Its length in seconds; 0 until known.
    pub duration: f64,
    /// Its size in bytes; 0 until known.
    pub size: i64,
    /// The recording's id.
    pub recording_id: String,
    /// When it began, in seconds since 1970; 0 until known.
    pub start_time: f64,
    /// When it ended, in seconds since 1970; 0 until known.
    pub end_time: f64,
    /// When the first audio was captured, in seconds since 1970; 0 until known.
    pub first_frame_time: f64,
    /// What becomes of the time that it is paused, where the service says so.
    pub pause_behavior: Option<PauseBehavior>,
    /// The format of the file.
    #[doc(alias = "record")]
    pub format: Option<RecordFormat>,
    /// Whether the two sides are two channels.
    pub is_stereo: bool,
    /// Which side is recorded.
    pub direction: Option<AudioDirection>,
    /// The event as it came.
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

/// Something was pressed or said, or was not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CollectEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What came.
    pub result: CollectResult,
    /// What the collect is doing, where the service says so.
    pub state: Option<CollectState>,
    /// `false`: an interim result. `true`: this utterance is complete. `None`: the service did not say.
    #[doc(alias = "final")]
    pub is_final: Option<bool>,
    /// The event as it came.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// What the detector looks for.
    #[doc(alias = "detect")]
    pub kind: DetectKind,
    /// What it heard.
    pub heard: Heard,
    /// With [`Heard::Ready`]: whether a beep was heard.
    pub beep: bool,
    /// The event as it came.
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

/// What a detector heard. `Debug` does not show a digit.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// A person.
    Human,
    /// An answering machine.
    Machine,
    /// It could not be decided.
    Unknown,
    /// The machine is done with its greeting: speak now.
    Ready,
    /// The machine speaks again.
    NotReady,
    /// The tone of a receiving fax.
    Ced,
    /// The tone of a calling fax.
    Cng,
    /// This key: `0` to `9`, `#`, `*` or `A` to `D`.
    Digit(char),
    /// The detector ended; as the first event, it ended without having heard anything.
    Finished,
    /// The detector failed.
    Error,
    /// The event does not say.
    None,
    /// Something that this version does not know.
    Other(Box<str>),
}

impl Heard {
    /// Whether the detector ended with this.
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

/// A page of a fax is through, or the fax ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaxEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What happened.
    #[doc(alias = "fax")]
    pub kind: FaxKind,
    /// The number of the page that is through; 0 when it is not about one.
    #[doc(alias = "number")]
    pub page: i64,
    /// How many pages there were, when it is over.
    pub pages: i64,
    /// Whether it succeeded, when it is over.
    #[doc(alias = "success")]
    pub is_success: bool,
    /// Where the document is, when it is over.
    pub document: String,
    /// The document's format.
    pub format: String,
    /// `send` or `receive`.
    pub direction: String,
    /// Our station's name.
    pub identity: String,
    /// The other station's name.
    pub remote_identity: String,
    /// The result's number; 0 is success.
    pub result: i64,
    /// The result in words.
    pub result_text: String,
    /// A state, which only older servers send.
    pub state: String,
    /// The event as it came.
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
    /// Whether the fax is over, well or not: [`is_success`](Self::is_success) tells.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing.
    pub state: TapState,
    /// What is tapped: `audio`. Empty when the service did not say.
    pub tap_type: String,
    /// Which side is tapped.
    #[doc(alias = "tap")]
    pub direction: Option<AudioDirection>,
    /// Where the audio goes.
    pub device: RemoteDevice,
    /// Whether it ended because its call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The event as it came.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing.
    pub state: StreamState,
    /// Where the audio goes.
    pub url: String,
    /// The name given at the start.
    pub name: String,
    /// Whether it ended because its call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The event as it came.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// What became of them.
    pub state: SendDigitsState,
    /// The event as it came.
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

/// Noise reduction was switched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DenoiseEvent {
    /// Whether it is on.
    pub denoised: bool,
    /// The event as it came.
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

/// A payment went on or ended. `Debug` shows nothing of what was entered or issued.
#[derive(Clone)]
#[non_exhaustive]
pub struct PayEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing, which only older servers say.
    pub state: Option<PayState>,
    /// How it ended; `None` while it goes on.
    pub result: Option<PayResult>,
    /// What is being asked for.
    #[doc(alias = "for")]
    pub step: Option<PayStep>,
    /// Which attempt it is.
    pub attempt: i64,
    /// What was wrong with the last attempt.
    #[doc(alias = "error_type")]
    pub fault: Option<PayFault>,
    /// At the end: what was wrong.
    pub payment_error: Option<PayFault>,
    /// At the end: the number of what was wrong, from `700` to `706`.
    pub payment_error_code: String,
    /// At the end: the payment connector's own code.
    pub payment_connector_error_code: String,
    /// At the end: the payment connector's own words.
    pub payment_connector_error_message: String,
    /// At the end: the token that the connector issued.
    pub payment_token: String,
    /// At the end: the connector's id of the charge.
    pub payment_confirmation_code: String,
    /// What is paid with.
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
    /// The webhook that is told too.
    pub status_url: String,
    /// How the webhook is called.
    pub status_url_method: String,
    /// The event as it came.
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

    /// Whether it is over: it has a result, or a state of older servers that says so.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let states = [PayState::Finished, PayState::Error, PayState::Completed, PayState::Failed, PayState::Canceled];
        self.result.is_some() || self.state.as_ref().is_some_and(|state| states.contains(state))
    }

    /// Whether it succeeded.
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

/// Something about the call's place in a queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueEvent {
    /// The operation it belongs to.
    pub control_id: String,
    /// What happened.
    pub status: QueueStatus,
    /// The queue's id.
    pub queue_id: String,
    /// The queue's name.
    pub queue_name: String,
    /// The call's place in line.
    pub position: i64,
    /// How many calls wait.
    pub size: i64,
    /// The average wait, in seconds.
    pub avg_time: f64,
    /// When it entered, in microseconds since 1970; 0 when it did not.
    #[doc(alias = "enqueue_ts")]
    pub entered_at: i64,
    /// When it was taken out, in microseconds since 1970; 0 until then.
    #[doc(alias = "dequeue_ts")]
    pub taken_at: i64,
    /// When it left, in microseconds since 1970; 0 until then.
    #[doc(alias = "leave_ts")]
    pub left_at: i64,
    /// The webhook that is told too.
    pub status_url: String,
    /// The event as it came.
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
    /// What it is doing.
    pub state: EchoState,
    /// `true` if the echo ended because its call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The event as it came.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// What it is doing.
    pub state: TranscribeState,
    /// Where the recording is, perhaps a relative path; empty until known.
    pub url: String,
    /// The recording's id.
    pub recording_id: String,
    /// Its length in seconds; 0 until known.
    pub duration: f64,
    /// Its size in bytes; 0 until known.
    pub size: i64,
    /// When it began, in seconds since 1970; 0 until known.
    pub start_time: f64,
    /// When it ended, in seconds since 1970; 0 until known.
    pub end_time: f64,
    /// The webhook that gets the text.
    pub status_url: String,
    /// The event as it came.
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
    /// The operation it belongs to.
    pub control_id: String,
    /// How it ended.
    pub state: AiState,
    /// Whether it ended because its call did. The service sent no event then: `raw` is empty.
    pub ended_by_call: bool,
    /// The event as it came.
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

/// Something about a conference, or about somebody in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConferenceEvent {
    /// The conference's id.
    pub conference_id: String,
    /// The conference's name.
    pub name: String,
    /// What happened.
    pub status: ConferenceStatus,
    /// How many are in it.
    pub size: i64,
    /// Where it is mixed.
    pub region: Option<ConferenceRegion>,
    /// The call of whom it is about; empty at its start and its end.
    pub call_id: String,
    /// The node that runs that call.
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
    /// Whether the conference began when that call came.
    pub start_on_join: bool,
    /// At its end: the call whose leaving ended it.
    #[doc(alias = "call_id_ending_conf")]
    pub ended_by: String,
    /// At its end: why.
    #[doc(alias = "reason_ended")]
    pub end_reason: Option<ConferenceEndReason>,
    /// At its end: where its recording is, when it was recorded.
    pub recording_url: String,
    /// The recording's length in seconds; 0 until known.
    pub recording_duration: i64,
    /// The recording's size in bytes; 0 until known.
    pub recording_file_size: i64,
    /// What was announced.
    pub announce_url: String,
    /// With [`ConferenceStatus::CallQuality`]: the figures on the line, such as `rtt_avg`, `in_mos` and
    /// `out_jitter_max`, by the service's names. Otherwise empty.
    pub qos: BTreeMap<String, f64>,
    /// The event as it came.
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
    /// What happened.
    pub status: RoomStatus,
    /// The room's name.
    pub room_name: String,
    /// The event as it came.
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

/// Something failed that no request waits for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallingErrorEvent {
    /// The code, when there is one.
    pub code: String,
    /// What went wrong: text, or JSON where the service sent a structure.
    pub message: String,
    /// Whether the operation that ran died of it.
    #[doc(alias = "fatal")]
    pub is_fatal: Option<bool>,
    /// The event as it came.
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

/// What was pressed or said. `Debug` does not show it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum CollectResult {
    /// The event has no result.
    None,
    /// Keys were pressed.
    Digits {
        /// The keys.
        digits: String,
        /// The key that ended the input; empty when none did.
        terminator: String,
    },
    /// Something was said.
    Speech {
        /// What was understood.
        text: String,
        /// How sure that is, from 0 to 100; 0 when it was not judged.
        confidence: f64,
    },
    /// Nothing came in time.
    NoInput,
    /// What came fits nothing that was asked for.
    NoMatch,
    /// It failed.
    Error,
    /// The caller began to speak or to press.
    StartOfInput,
    /// It ended without input: it was stopped, or the caller hung up.
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
    /// The keys that were pressed, when keys were.
    #[must_use]
    pub fn digits(&self) -> Option<&str> {
        if let CollectResult::Digits { digits, .. } = &self.result { Some(digits) } else { None }
    }

    /// What was said, when something was.
    #[must_use]
    #[doc(alias = "transcript")]
    pub fn speech(&self) -> Option<&str> {
        if let CollectResult::Speech { text, .. } = &self.result { Some(text) } else { None }
    }
}

impl ConnectEvent {
    /// The id of the other call, when it is known.
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
