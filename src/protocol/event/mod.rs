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
mod raw;

use std::borrow::Cow;
use std::fmt::{self, Debug};

use serde_json::Value;

pub use self::call::*;
pub use self::live::*;
pub use self::message::*;
pub use self::raw::RawEvent;
pub(crate) use self::raw::Unread;
use super::frame::Envelope;
use super::limits;
use super::object::Object;
use super::states::EventName;

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

impl Unread<'_> {
    /// Reads the event, on the thread that its listeners run on.
    pub(crate) fn read(&self) -> Event {
        Event::read(RawEvent::of(self), &Object::parse_text(self.payload))
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
mod tests;
