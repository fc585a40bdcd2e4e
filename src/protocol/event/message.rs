//! Events of messages.

use std::fmt;

use super::super::frame::Envelope;
use super::super::limits;
use super::super::object::Object;
use super::super::redact::Content;
use super::super::states::{Direction, EventName, MessageState};
use super::{Event, RawEvent, TypedEvent, or_envelope};
use crate::secret::one_line;

/// An inbound text message arrived. `Debug` does not show its text.
#[derive(Clone)]
#[non_exhaustive]
pub struct MessageReceiveEvent {
    /// ID of the message.
    pub message_id: String,
    /// Context of the inbound call or message.
    pub context: String,
    /// Direction: inbound.
    pub direction: Direction,
    /// Number of the sender.
    pub from_number: String,
    /// Number of the recipient.
    pub to_number: String,
    /// Text of the message. May be empty.
    pub body: String,
    /// URLs of the media.
    pub media: Vec<String>,
    /// Number of segments.
    pub segments: i64,
    /// State: received.
    #[doc(alias = "message_state")]
    pub state: MessageState,
    /// Tags of the message.
    pub tags: Vec<String>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl MessageReceiveEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>, envelope: &Envelope<'_>) -> Self {
        Self {
            message_id: payload.string("message_id"),
            context: or_envelope(payload.text("context"), envelope.context.as_ref()),
            direction: payload.optional_state("direction").unwrap_or(Direction::Inbound),
            from_number: payload.string("from_number"),
            to_number: payload.string("to_number"),
            body: payload.string("body"),
            media: payload.strings("media"),
            segments: payload.integer("segments"),
            state: payload.optional_state("message_state").unwrap_or(MessageState::Received),
            tags: payload.strings("tags"),
            raw,
        }
    }
}

impl TypedEvent for MessageReceiveEvent {
    const NAME: EventName = EventName::MessageReceive;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::MessageReceive(event) = event { Some(event) } else { None }
    }
}

/// The state of a sent text message changed. `Debug` does not show its text.
#[derive(Clone)]
#[non_exhaustive]
pub struct MessageStateEvent {
    /// ID of the message.
    pub message_id: String,
    /// Context to which the states of the message are delivered.
    pub context: String,
    /// Direction: outbound.
    pub direction: Direction,
    /// Number of the sender.
    pub from_number: String,
    /// Number of the recipient.
    pub to_number: String,
    /// Text of the message. May be empty.
    pub body: String,
    /// URLs of the media.
    pub media: Vec<String>,
    /// Number of segments.
    pub segments: i64,
    /// New state.
    #[doc(alias = "message_state")]
    pub state: MessageState,
    /// Reason why the message was not delivered, or could not be sent.
    pub reason: Option<String>,
    /// Tags of the message.
    pub tags: Vec<String>,
    /// Tag that some versions of the service send in place of the tags.
    pub tag: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl MessageStateEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>, envelope: &Envelope<'_>) -> Self {
        Self {
            message_id: payload.string("message_id"),
            context: or_envelope(payload.text("context"), envelope.context.as_ref()),
            direction: payload.optional_state("direction").unwrap_or(Direction::Outbound),
            from_number: payload.string("from_number"),
            to_number: payload.string("to_number"),
            body: payload.string("body"),
            media: payload.strings("media"),
            segments: payload.integer("segments"),
            state: payload.state("message_state"),
            reason: payload.optional("reason").filter(|reason| !reason.is_empty()),
            tags: payload.strings("tags"),
            tag: payload.string("tag"),
            raw,
        }
    }
}

/// Failure of a text message: its state, the reason, and the event that reported it.
///
/// `Display` is one line, for example `undelivered: destination handset unreachable`.
///
/// RELAY documents one text as the reason, and no member for a code of the carrier. A reason that is a number is that
/// code: [`code`](Self::code). Whatever else the service sends is in [`raw`](Self::raw), for example
/// `failure.raw.get("error_code")`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessageFailure {
    /// `Undelivered` if the carrier could not deliver the message, `Failed` if the message could not be sent.
    pub state: MessageState,
    /// The reason, in the words of the service or the carrier. `None` if none was reported.
    pub reason: Option<String>,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl fmt::Display for MessageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{}: {}", self.state, one_line(reason)),
            None => write!(f, "{}, and no reason was reported", self.state),
        }
    }
}

impl MessageFailure {
    /// The carrier's code, if the reason is a number and nothing else, for example `30003`.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let reason = self.reason.as_deref()?.trim();
        reason.bytes().all(|byte| byte.is_ascii_digit()).then(|| reason.parse().ok())?
    }
}

impl MessageStateEvent {
    /// Returns the failure of the message. `None` unless its state is `Undelivered` or `Failed`.
    #[must_use]
    pub fn failure(&self) -> Option<MessageFailure> {
        let failed = matches!(self.state, MessageState::Undelivered | MessageState::Failed);
        failed.then(|| MessageFailure { state: self.state.clone(), reason: self.reason.clone(), raw: self.raw.clone() })
    }

    pub(super) fn bytes_of_lists(&self) -> usize {
        limits::bytes_of_texts(&self.media) + limits::bytes_of_texts(&self.tags)
    }

    /// Size of the event in bytes.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.raw.bytes() + self.bytes_of_lists()
    }
}

impl TypedEvent for MessageStateEvent {
    const NAME: EventName = EventName::MessageState;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::MessageState(event) = event { Some(event) } else { None }
    }
}

debug_masked!(MessageReceiveEvent {
    message_id, context, direction, from_number, to_number, media, segments, state, tags, raw; body: Content
});

debug_masked!(MessageStateEvent {
    message_id, context, direction, from_number, to_number, media, segments, state, reason, tags, tag, raw; body: Content
});
