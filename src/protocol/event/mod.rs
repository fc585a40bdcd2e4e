//! Events: typed if the type is known, and always with the raw JSON.

/// Implements `Debug` of an event as derived, except that one field is masked.
macro_rules! debug_masked {
    ($name:ident { $($field:ident),*; $masked:ident: $shown:ident }) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self { $($field,)* $masked } = self;
                let mut out = f.debug_struct(stringify!($name));
                $( out.field(stringify!($field), $field); )*
                out.field(stringify!($masked), &$shown($masked)).finish()
            }
        }
    };
}

mod call;
mod live;
mod message;

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::sync::Arc;

use serde_json::Value;

pub use self::call::*;
pub use self::live::*;
pub use self::message::*;
use super::frame::{Envelope, EventHead};
use super::limits;
use super::object::{self, Object};
use super::redact;
use super::states::EventName;
use crate::secret::one_line;

/// A report of the service about a call, an operation or a message.
///
/// Fields that the service left out, or sent with another type, have their empty value: "", 0, `false` or `None`. The
/// whole event is always in [`raw`](Self::raw).
#[doc(alias = "RelayEvent")]
#[derive(Clone)]
#[non_exhaustive]
pub enum Event {
    /// The state of a call changed.
    CallState(CallStateEvent),
    /// An inbound call arrived.
    CallReceive(CallReceiveEvent),
    /// A playback progressed or ended.
    Play(PlayEvent),
    /// A recording progressed or ended.
    Record(RecordEvent),
    /// A caller gave input.
    Collect(CollectEvent),
    /// A bridge progressed or ended.
    Connect(ConnectEvent),
    /// A detector heard something.
    Detect(DetectEvent),
    /// A fax progressed or ended.
    Fax(FaxEvent),
    /// A tap started or ended.
    Tap(TapEvent),
    /// A media stream started or ended.
    Stream(StreamEvent),
    /// Digits were sent.
    SendDigits(SendDigitsEvent),
    /// A dial progressed or ended.
    Dial(DialEvent),
    /// A SIP REFER progressed or ended.
    Refer(ReferEvent),
    /// Noise reduction was switched on or off.
    Denoise(DenoiseEvent),
    /// A payment progressed or ended.
    Pay(PayEvent),
    /// The place of a call in a queue changed.
    Queue(QueueEvent),
    /// An echo started or ended.
    Echo(EchoEvent),
    /// A transcription started or ended.
    Transcribe(TranscribeEvent),
    /// A call was put on hold or resumed.
    Hold(HoldEvent),
    /// A conference or a participant changed.
    Conference(ConferenceEvent),
    /// The call joined a room, could not join it, or left it.
    Room(RoomEvent),
    /// An error that belongs to no pending request.
    CallingError(CallingErrorEvent),
    /// An inbound message arrived.
    MessageReceive(MessageReceiveEvent),
    /// The state of a message changed.
    MessageState(MessageStateEvent),
    /// An AI session ended.
    Ai(AiEvent),
    /// Live transcription or translation.
    Live(LiveEvent),
    /// Any other event, as it arrived.
    Other(RawEvent),
}

/// Parses the envelope of an event: the object with `event_type` and `params`. Never fails; events that cannot be
/// parsed are [`Event::Other`], or have empty fields.
///
/// ```
/// use signalwire_relay::Event;
/// use signalwire_relay::events::parse_event;
/// use signalwire_relay::states::PlayState;
/// use serde_json::json;
///
/// let event = parse_event(&json!({
///     "event_type": "calling.call.play",
///     "params": { "call_id": "c", "control_id": "p", "state": "finished" },
/// }));
/// assert!(matches!(event, Event::Play(play) if play.state == PlayState::Finished));
/// ```
#[must_use]
pub fn parse_event(envelope: &Value) -> Event {
    let text = envelope.to_string();
    match Envelope::parse_text(&text).or_else(|| Envelope::parse_text("{}")) {
        Some(envelope) => Event::parse(&envelope),
        None => Event::Other(RawEvent::empty()),
    }
}

impl Event {
    /// Reads the payload according to its type, once.
    pub(crate) fn parse(envelope: &Envelope<'_>) -> Self {
        let payload = Object::parse(envelope.params);
        let raw = RawEvent::new(envelope, &payload);
        match raw.name() {
            EventName::CallReceive => Self::CallReceive(CallReceiveEvent::read(raw, &payload, envelope)),
            EventName::MessageReceive => Self::MessageReceive(MessageReceiveEvent::read(raw, &payload, envelope)),
            EventName::MessageState => Self::MessageState(MessageStateEvent::read(raw, &payload, envelope)),
            _ => Self::read(raw, &payload),
        }
    }

    /// Reads an event whose payload is sufficient.
    fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        match raw.name() {
            EventName::CallState => Self::CallState(CallStateEvent::read(raw, payload)),
            EventName::Play => Self::Play(PlayEvent::read(raw, payload)),
            EventName::Record => Self::Record(RecordEvent::read(raw, payload)),
            EventName::Collect => Self::Collect(CollectEvent::read(raw, payload)),
            EventName::Connect => Self::Connect(ConnectEvent::read(raw, payload)),
            EventName::Detect => Self::Detect(DetectEvent::read(raw, payload)),
            EventName::Fax => Self::Fax(FaxEvent::read(raw, payload)),
            EventName::Tap => Self::Tap(TapEvent::read(raw, payload)),
            EventName::Stream => Self::Stream(StreamEvent::read(raw, payload)),
            EventName::SendDigits => Self::SendDigits(SendDigitsEvent::read(raw, payload)),
            EventName::Dial => Self::Dial(DialEvent::read(raw, payload)),
            EventName::Refer => Self::Refer(ReferEvent::read(raw, payload)),
            EventName::Denoise => Self::Denoise(DenoiseEvent::read(raw, payload)),
            EventName::Pay => Self::Pay(PayEvent::read(raw, payload)),
            EventName::Queue => Self::Queue(QueueEvent::read(raw, payload)),
            EventName::Echo => Self::Echo(EchoEvent::read(raw, payload)),
            EventName::Transcribe => Self::Transcribe(TranscribeEvent::read(raw, payload)),
            EventName::Hold => Self::Hold(HoldEvent::read(raw, payload)),
            EventName::Conference => Self::Conference(ConferenceEvent::read(raw, payload)),
            EventName::Room => Self::Room(RoomEvent::read(raw, payload)),
            EventName::CallingError => Self::CallingError(CallingErrorEvent::read(raw, payload)),
            EventName::Ai => Self::Ai(AiEvent::read(raw, payload)),
            EventName::AiTranscribeUtterance
            | EventName::AiTranscribeLiveSummarize
            | EventName::AiTranscribeConversationLog
            | EventName::AiTranslateTranscriptDelta
            | EventName::AiTranslateLiveSummary
            | EventName::AiTranslateConversationLog => Self::Live(LiveEvent::read(raw, payload)),
            _ => Self::Other(raw),
        }
    }

    /// The whole event, as it arrived.
    #[must_use]
    pub fn raw(&self) -> &RawEvent {
        match self {
            Self::CallState(event) => &event.raw,
            Self::CallReceive(event) => &event.raw,
            Self::Play(event) => &event.raw,
            Self::Record(event) => &event.raw,
            Self::Collect(event) => &event.raw,
            Self::Connect(event) => &event.raw,
            Self::Detect(event) => &event.raw,
            Self::Fax(event) => &event.raw,
            Self::Tap(event) => &event.raw,
            Self::Stream(event) => &event.raw,
            Self::SendDigits(event) => &event.raw,
            Self::Dial(event) => &event.raw,
            Self::Refer(event) => &event.raw,
            Self::Denoise(event) => &event.raw,
            Self::Pay(event) => &event.raw,
            Self::Queue(event) => &event.raw,
            Self::Echo(event) => &event.raw,
            Self::Transcribe(event) => &event.raw,
            Self::Hold(event) => &event.raw,
            Self::Conference(event) => &event.raw,
            Self::Room(event) => &event.raw,
            Self::CallingError(event) => &event.raw,
            Self::MessageReceive(event) => &event.raw,
            Self::MessageState(event) => &event.raw,
            Self::Ai(event) => &event.raw,
            Self::Live(event) => &event.raw,
            Self::Other(raw) => raw,
        }
    }

    /// The type of the event.
    #[must_use]
    #[doc(alias = "event_type")]
    pub fn name(&self) -> EventName {
        self.raw().name().clone()
    }

    /// The ID of the event's call. `None` if there is none.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.raw().call_id()
    }

    /// The control ID of the event's operation. `None` if there is none.
    #[must_use]
    pub fn control_id(&self) -> Option<&str> {
        self.raw().control_id()
    }

    /// Time at which the service sent the event, in seconds since 1970. 0 if the service did not report it.
    #[must_use]
    pub fn timestamp(&self) -> f64 {
        self.raw().timestamp()
    }

    /// Size of the event in bytes: its text, and the values that were read from it.
    pub(crate) fn bytes(&self) -> usize {
        let values = |sip_data: &Option<Value>| sip_data.as_ref().map_or(0, limits::bytes_of_value);
        let read = match self {
            Self::CallState(event) => values(&event.sip_data),
            Self::CallReceive(event) => values(&event.sip_data),
            Self::MessageReceive(event) => limits::bytes_of_texts(&event.media) + limits::bytes_of_texts(&event.tags),
            Self::MessageState(event) => event.bytes_of_lists(),
            Self::Other(_) => return self.raw().bytes(),
            _ => 0,
        };
        // Each text that was read is a part of the payload.
        2 * self.raw().bytes() + read
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallState(event) => Debug::fmt(event, f),
            Self::CallReceive(event) => Debug::fmt(event, f),
            Self::Play(event) => Debug::fmt(event, f),
            Self::Record(event) => Debug::fmt(event, f),
            Self::Collect(event) => Debug::fmt(event, f),
            Self::Connect(event) => Debug::fmt(event, f),
            Self::Detect(event) => Debug::fmt(event, f),
            Self::Fax(event) => Debug::fmt(event, f),
            Self::Tap(event) => Debug::fmt(event, f),
            Self::Stream(event) => Debug::fmt(event, f),
            Self::SendDigits(event) => Debug::fmt(event, f),
            Self::Dial(event) => Debug::fmt(event, f),
            Self::Refer(event) => Debug::fmt(event, f),
            Self::Denoise(event) => Debug::fmt(event, f),
            Self::Pay(event) => Debug::fmt(event, f),
            Self::Queue(event) => Debug::fmt(event, f),
            Self::Echo(event) => Debug::fmt(event, f),
            Self::Transcribe(event) => Debug::fmt(event, f),
            Self::Hold(event) => Debug::fmt(event, f),
            Self::Conference(event) => Debug::fmt(event, f),
            Self::Room(event) => Debug::fmt(event, f),
            Self::CallingError(event) => Debug::fmt(event, f),
            Self::MessageReceive(event) => Debug::fmt(event, f),
            Self::MessageState(event) => Debug::fmt(event, f),
            Self::Ai(event) => Debug::fmt(event, f),
            Self::Live(event) => Debug::fmt(event, f),
            Self::Other(raw) => Debug::fmt(raw, f),
        }
    }
}

/// An event on its way to its listeners, as the texts that they read it from. The listeners' thread parses them, not
/// the reader.
pub(crate) struct Unread<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) timestamp: f64,
    pub(crate) payload: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) control_id: &'a str,
    pub(crate) channel: &'a str,
}

impl<'a> Unread<'a> {
    /// Returns `None` for an event that cannot be read from these texts alone.
    pub(crate) fn new(envelope: &'a Envelope<'_>, head: &'a EventHead<'_>) -> Option<Self> {
        if matches!(&*envelope.event_type, "calling.call.receive" | "messaging.receive" | "messaging.state") {
            return None;
        }
        Some(Self {
            event_type: &envelope.event_type,
            timestamp: envelope.timestamp?,
            payload: envelope.params.get(),
            call_id: head.call_id.as_deref().unwrap_or_default(),
            control_id: head.control_id.as_deref().unwrap_or_default(),
            channel: envelope.event_channel.as_deref().unwrap_or_default(),
        })
    }

    /// Size of the event while it waits to be read, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let Self { payload, call_id, control_id, channel, .. } = self;
        payload.len() + call_id.len() + control_id.len() + channel.len() + RawEvent::BYTES
    }

    pub(crate) fn read(&self) -> Event {
        Event::read(RawEvent::of(self), &Object::parse_text(self.payload))
    }
}

/// An event as JSON, as it arrived. Cheap to clone.
#[derive(Clone)]
pub struct RawEvent(Arc<Came>);

struct Came {
    name: EventName,
    timestamp: f64,
    /// The payload and the other kept texts of the event in one allocation, because most events are never read.
    text: Box<str>,
    payload_end: usize,
    call_id_end: usize,
    control_id_end: usize,
}

impl RawEvent {
    /// Size of an event besides its texts, in bytes.
    const BYTES: usize = 256;

    pub(crate) fn new(envelope: &Envelope<'_>, payload: &Object<'_>) -> Self {
        let call_id = payload.text("call_id").unwrap_or_default();
        let control_id = payload.text("control_id").unwrap_or_default();
        let timestamp = envelope.timestamp.or_else(|| payload.optional_number("timestamp")).unwrap_or_default();
        Self::of(&Unread {
            event_type: &envelope.event_type,
            timestamp,
            payload: envelope.params.get(),
            call_id: &call_id,
            control_id: &control_id,
            channel: envelope.event_channel.as_deref().unwrap_or_default(),
        })
    }

    fn of(texts: &Unread<'_>) -> Self {
        let Unread { event_type, timestamp, payload, call_id, control_id, channel } = *texts;
        let payload_end = payload.len();
        let call_id_end = payload_end + call_id.len();
        let control_id_end = call_id_end + control_id.len();
        let mut text = String::with_capacity(control_id_end + channel.len());
        for part in [payload, call_id, control_id, channel] {
            text.push_str(part);
        }
        Self(Arc::new(Came {
            name: EventName::from(event_type),
            timestamp,
            text: text.into(),
            payload_end,
            call_id_end,
            control_id_end,
        }))
    }

    /// An event with an empty payload.
    fn empty() -> Self {
        Self::unsent(EventName::from(""), "", "")
    }

    /// Size of the event in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.text.len() + Self::BYTES
    }

    /// Creates an event with an empty payload in place of one that the service did not send.
    pub(crate) fn unsent(name: EventName, call_id: &str, control_id: &str) -> Self {
        let text = format!("{{}}{call_id}{control_id}");
        let call_id_end = 2 + call_id.len();
        Self(Arc::new(Came {
            name,
            timestamp: 0.0,
            control_id_end: text.len(),
            text: text.into(),
            payload_end: 2,
            call_id_end,
        }))
    }

    /// The type of the event.
    #[must_use]
    #[doc(alias = "event_type")]
    pub fn name(&self) -> &EventName {
        &self.0.name
    }

    /// The ID of the event's call. `None` if there is none.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        Some(&self.0.text[self.0.payload_end..self.0.call_id_end]).filter(|id| !id.is_empty())
    }

    /// The control ID of the event's operation. `None` if there is none.
    #[must_use]
    pub fn control_id(&self) -> Option<&str> {
        Some(&self.0.text[self.0.call_id_end..self.0.control_id_end]).filter(|id| !id.is_empty())
    }

    /// Time at which the service sent the event, in seconds since 1970. 0 if the service did not report it.
    #[must_use]
    pub fn timestamp(&self) -> f64 {
        self.0.timestamp
    }

    /// The channel on which the service delivered the event. Empty if the service did not report it.
    #[must_use]
    pub fn event_channel(&self) -> &str {
        &self.0.text[self.0.control_id_end..]
    }

    /// The node of the service that sent the event. Empty if the service did not report it.
    #[must_use]
    pub fn node_id(&self) -> String {
        Object::parse_text(self.json()).string("node_id")
    }

    /// The ID of the call's segment, which related events share. Empty if the service did not report it.
    #[must_use]
    pub fn segment_id(&self) -> String {
        Object::parse_text(self.json()).string("segment_id")
    }

    /// The tag of the call, or of the dial. Empty if there is none.
    #[must_use]
    pub fn tag(&self) -> String {
        Object::parse_text(self.json()).string("tag")
    }

    /// The payload, as it arrived: JSON, nearly always an object. The payload of a payment may hold card data.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0.text[..self.0.payload_end]
    }

    /// The payload, parsed.
    #[must_use]
    #[doc(alias = "params")]
    pub fn value(&self) -> Value {
        object::value_of(self.json())
    }

    /// One member of the payload. `None` if it is absent or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        object::member_of(self.json(), key)
    }
}

/// Masks secrets and contents; [`json`](RawEvent::json) has them.
impl Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            EventName::Pay => write!(f, "{} <payload not shown>", self.name()),
            name => write!(f, "{} {}", one_line(name.as_str()), redact::redact_keys(self.json())),
        }
    }
}

/// An event type that a program can request by its Rust type. The trait cannot be implemented outside of the crate.
pub trait TypedEvent: Clone + Debug + Send + Sync + 'static {
    /// The type on the wire.
    const NAME: EventName;

    /// Returns the typed event in `event`. `None` if it is of another type.
    fn from_event(event: &Event) -> Option<&Self>;
}

/// Returns the payload's ID, or that of the envelope if the payload has none.
fn or_envelope(payload: Option<Cow<'_, str>>, envelope: Option<&Cow<'_, str>>) -> String {
    let text = payload.filter(|text| !text.is_empty());
    text.map(Cow::into_owned).or_else(|| envelope.map(|text| text.clone().into_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::choices::{CardType, ConferenceRegion};
    use super::super::states::{
        CallState, ConferenceEndReason, ConferenceStatus, DetectKind, Direction, EndReason, MessageState, PayFault,
        PayStep, QueueStatus,
    };
    use super::*;

    fn event(name: &str, payload: Value) -> Event {
        parse_event(&json!({ "event_type": name, "params": payload, "timestamp": 5.5, "event_channel": "ch" }))
    }

    /// Every type reads every payload: the result is an event of its type, with empty fields.
    #[test]
    fn no_payload_makes_an_event_fail() {
        let odd = [json!(null), json!([1, {"a": 2}]), json!(5), json!("x"), json!({"x": 1}), json!(true)];
        for name in EventName::ALL {
            let expected = std::mem::discriminant(&event(name.as_str(), json!({})));
            for payload in &odd {
                let event = event(name.as_str(), payload.clone());
                assert_eq!((event.name(), event.raw().value()), (name.clone(), payload.clone()));
                assert_eq!(std::mem::discriminant(&event), expected);
                assert_eq!((event.call_id(), event.control_id(), event.timestamp()), (None, None, 5.5));
            }
            for value in odd.iter().chain([&json!({}), &json!(-1.5)]) {
                let keys = [
                    "call_id",
                    "control_id",
                    "state",
                    "call_state",
                    "device",
                    "end_reason",
                    "peer",
                    "parent",
                    "call",
                    "tag",
                    "url",
                    "duration",
                    "size",
                    "record",
                    "result",
                    "final",
                    "detect",
                    "fax",
                    "tap",
                    "status",
                    "name",
                    "position",
                    "media",
                    "tags",
                    "segments",
                    "message_state",
                    "reason",
                    "code",
                    "message",
                    "error",
                    "fatal",
                    "sip_data",
                    "for",
                    "attempt",
                    "payment_card_number",
                    "enqueue_ts",
                    "region",
                    "muted",
                    "rtt_avg",
                    "reason_ended",
                ];
                let payload: Value = keys.iter().map(|key| ((*key).to_owned(), value.clone())).collect();
                assert_eq!(std::mem::discriminant(&event(name.as_str(), payload)), expected);
            }
        }
        for envelope in [json!(null), json!([]), json!({}), json!({"event_type": 5}), json!({"event_type": null})] {
            assert!(matches!(parse_event(&envelope), Event::Other(raw) if raw.name().as_str().is_empty()));
        }
        assert!(
            matches!(event("Calling.Call.Play", json!({"call_id": "c"})), Event::Other(raw) if raw.call_id() == Some("c"))
        );
    }

    #[test]
    fn an_event_keeps_what_came() {
        let payload = json!({"call_id": "c", "control_id": "k", "state": "playing", "new": {"a": [1]}});
        let event = event("calling.call.play", payload.clone());
        assert_eq!((event.call_id(), event.control_id(), event.raw().event_channel()), (Some("c"), Some("k"), "ch"));
        assert_eq!((event.raw().value(), event.raw().get("new")), (payload, Some(json!({"a": [1]}))));
        let late = parse_event(&json!({"event_type": "x", "params": {"timestamp": 7.25}}));
        assert_eq!(late.timestamp(), 7.25);
    }

    #[test]
    fn call_states_are_read() {
        let Event::CallState(state) = event(
            "calling.call.state",
            json!({
                "call_id": "c", "node_id": "n", "call_state": "ended", "direction": "outbound", "end_reason": "maxDuration",
                "device": {"type": "phone", "params": {"from_number": "+1", "to_number": "+2"}}, "dial_winner": "true",
                "start_time": 1_760_871_190_110_i64, "audio_in_mos": 4.38, "peer": {"call_id": "d"}, "parent": {},
            }),
        ) else {
            panic!("a call state")
        };
        assert_eq!((state.state, state.direction), (CallState::Ended, Direction::Outbound));
        assert_eq!(state.end_reason, Some(EndReason::MaxDuration));
        assert_eq!((state.device.from(), state.is_dial_winner, state.start_time), ("+1", true, 1_760_871_190_110));
        assert_eq!(state.peer.map(|peer| peer.call_id).as_deref(), Some("d"));
        assert!(state.parent.is_none() && state.audio_in_mos == Some(4.38));
    }

    #[test]
    fn conferences_tell_of_themselves_of_participants_and_of_their_lines() {
        let Event::Conference(end) = event(
            "calling.conference",
            json!({
                "conference_id": "k", "name": "stand-up", "region": "eu", "status": "conference-end", "size": 0,
                "reason_ended": "last-participant-left", "call_id_ending_conf": "c", "recording_url": "u",
                "recording_duration": 63, "recording_file_size": 1024,
            }),
        ) else {
            panic!("a conference")
        };
        assert_eq!((end.status, end.region), (ConferenceStatus::End, Some(ConferenceRegion::Eu)));
        assert_eq!((end.ended_by.as_str(), end.end_reason), ("c", Some(ConferenceEndReason::LastLeft)));
        assert_eq!((end.recording_url.as_str(), end.recording_duration, end.recording_file_size), ("u", 63, 1024));
        assert!(end.call_id.is_empty() && end.qos.is_empty());
        let Event::Conference(line) = event(
            "calling.conference",
            json!({
                "call_id": "c", "status": "participant-call-quality", "muted": true, "coaching": true,
                "call_id_to_coach": "d", "start_on_join": true, "rtt_avg": "12.5", "in_mos": "4.4", "out_lost": "none",
            }),
        ) else {
            panic!("a conference")
        };
        assert!(line.is_muted && line.is_coaching && !line.is_on_hold && line.start_on_join && !line.end_on_leave);
        let figures: Vec<_> = line.qos.iter().map(|(name, figure)| (name.as_str(), *figure)).collect();
        assert_eq!(figures, [("in_mos", 4.4), ("rtt_avg", 12.5)]);
    }

    #[test]
    fn payments_queues_and_faxes_are_read() {
        let Event::Pay(step) = event(
            "calling.call.pay",
            json!({"for": "security-code", "attempt": "2", "error_type": "timeout", "security_code": "***",
                "payment_card_type": "visa", "payment_method": "credit-card"}),
        ) else {
            panic!("a payment")
        };
        assert_eq!((step.step, step.attempt, step.fault), (Some(PayStep::SecurityCode), 2, Some(PayFault::Timeout)));
        assert_eq!((step.card_type, step.security_code.as_str()), (Some(CardType::Visa), "***"));
        let Event::Pay(end) = event(
            "calling.call.pay",
            json!({"result": {"deep": "canary"}, "payment_error_code": 703, "payment_connector_error_message": "no"}),
        ) else {
            panic!("a payment")
        };
        assert!(end.is_end() && !end.is_success() && !format!("{end:?}").contains("canary"));
        assert_eq!((end.payment_error_code.as_str(), end.payment_connector_error_message.as_str()), ("703", "no"));
        let Event::Queue(queue) = event(
            "calling.call.queue",
            json!({"status": "leave", "id": "q", "name": "billing", "enqueue_ts": 1_760_871_234_498_113_i64}),
        ) else {
            panic!("a queue")
        };
        assert_eq!((queue.status, queue.entered_at, queue.left_at), (QueueStatus::Leave, 1_760_871_234_498_113, 0));
        let fax = json!({"type": "finished", "params": {"direction": "send", "pages": 3, "success": true, "result": 0,
            "document": "u", "format": "pdf", "identity": "a", "remote_identity": "b", "result_text": "OK"}});
        let Event::Fax(fax) = event("calling.call.fax", json!({ "fax": fax })) else { panic!("a fax") };
        assert!(fax.is_end() && fax.is_success && fax.pages == 3 && fax.document == "u");
    }

    #[test]
    fn an_offer_takes_its_context_where_it_finds_it() {
        for (payload, envelope, context) in [
            (json!({"context": "a", "protocol": "p"}), json!("b"), "a"),
            (json!({"context": "", "protocol": "p"}), json!("b"), "b"),
            (json!({"protocol": "p"}), json!(null), "p"),
        ] {
            let name = "calling.call.receive";
            let event = parse_event(&json!({"event_type": name, "params": payload, "context": envelope}));
            let Event::CallReceive(offer) = event else { panic!("an offer") };
            assert_eq!(
                (offer.context.as_str(), offer.state, offer.direction),
                (context, CallState::Created, Direction::Inbound)
            );
        }
    }

    #[test]
    fn a_recording_is_read_nested_first() {
        let top = json!({"state": "finished", "url": "top", "duration": 17.42, "size": 139360});
        let Event::Record(recording) = event("calling.call.record", top) else { panic!("a recording") };
        assert_eq!((recording.url.as_str(), recording.duration, recording.size), ("top", 17.42, 139_360));
        let nested = json!({"url": "top", "size": 1, "record": {"url": "nested", "duration": 2}});
        let Event::Record(recording) = event("calling.call.record", nested) else { panic!("a recording") };
        assert_eq!((recording.url.as_str(), recording.duration, recording.size), ("nested", 2.0, 1));
    }

    #[test]
    fn collect_results_are_typed() {
        for (payload, result, is_final) in [
            (
                json!({"result": {"type": "digit", "params": {"digits": "4021", "terminator": "#"}}}),
                CollectResult::Digits { digits: "4021".into(), terminator: "#".into() },
                None,
            ),
            (
                json!({"result": {"type": "speech", "params": {"text": "yes", "confidence": 83.2}}, "final": false}),
                CollectResult::Speech { text: "yes".into(), confidence: 83.2 },
                Some(false),
            ),
            (json!({"result": {"type": "no_input"}, "final": true}), CollectResult::NoInput, Some(true)),
            (json!({"result": {}}), CollectResult::None, None),
            (json!({"result": {"type": "new"}}), CollectResult::Other("new".into()), None),
        ] {
            let Event::Collect(collect) = event("calling.call.collect", payload) else { panic!("a collect") };
            assert_eq!((collect.result, collect.is_final), (result, is_final));
        }
    }

    #[test]
    fn detectors_hear() {
        for (detect, heard) in [
            (json!({"type": "machine", "params": {"event": "HUMAN"}}), Heard::Human),
            (json!({"type": "machine", "params": {"event": "NOT_READY"}}), Heard::NotReady),
            (json!({"type": "digit", "params": {"event": "#"}}), Heard::Digit('#')),
            (json!({"type": "fax", "params": {"event": "CED"}}), Heard::Ced),
            (json!({"type": "machine", "params": {"event": "finished"}}), Heard::Finished),
            (json!({"type": "machine"}), Heard::Other("".into())),
            (json!({}), Heard::None),
        ] {
            let Event::Detect(event) = event("calling.call.detect", json!({"detect": detect})) else {
                panic!("a detect")
            };
            assert_eq!(event.heard, heard);
        }
        let ready = json!({"detect": {"type": "machine", "params": {"event": "READY", "beep": true}}});
        let Event::Detect(ready) = event("calling.call.detect", ready) else { panic!("a detect") };
        assert!(ready.beep && ready.heard == Heard::Ready && ready.kind == DetectKind::Machine);
        let Event::Detect(end) = event("calling.call.detect", json!({"state": "finished"})) else { panic!("a detect") };
        assert_eq!(end.heard, Heard::Finished);
    }

    #[test]
    fn both_shapes_of_errors_are_read() {
        for (payload, code, message, fatal) in [
            (json!({"code": "500", "message": "m"}), "500", "m", None),
            (json!({"code": 500, "error": "e", "fatal": true}), "500", "e", Some(true)),
            (json!({"error": {"a": 1}}), "", r#"{"a":1}"#, None),
        ] {
            let Event::CallingError(error) = event("calling.error", payload) else { panic!("an error") };
            assert_eq!((error.code.as_str(), error.message.as_str(), error.is_fatal), (code, message, fatal));
        }
    }

    #[test]
    fn message_states_are_read() {
        let payload =
            json!({"message_id": "m", "message_state": "undelivered", "reason": "r", "tags": ["a", 1], "media": ["u"]});
        let Event::MessageState(state) = event("messaging.state", payload) else { panic!("a message state") };
        assert_eq!((state.state, state.reason.as_deref()), (MessageState::Undelivered, Some("r")));
        assert_eq!((state.tags, state.media), (vec!["a".to_owned()], vec!["u".to_owned()]));
        let Event::MessageReceive(message) = event("messaging.receive", json!({"body": "ü"})) else {
            panic!("a message")
        };
        assert_eq!((message.body.as_str(), message.state), ("ü", MessageState::Received));
    }

    #[test]
    fn debug_shows_no_secret() {
        let device = json!({"type": "sip", "params": {"password": "canary"}});
        let payload = json!({"device": device, "call": {"device": device}, "peer": {"device": device}, "token": "canary",
                "sip_data": {"Authorization": "canary", "list": [{"name": "X-Token", "value": "canary"}]}});
        for name in EventName::ALL {
            let shown = format!("{:?}", event(name.as_str(), payload.clone()));
            assert!(!shown.contains("canary"), "{shown}");
        }
        let shown = format!("{:?}", event("calling.call.pay", json!({"security_code": "canary", "x": "canary"})));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
