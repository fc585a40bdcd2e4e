//! An event as it arrived.

use std::fmt::{self, Debug};
use std::sync::Arc;

use serde_json::Value;

use crate::protocol::frame::{Envelope, EventHead};
use crate::protocol::object::{self, Object};
use crate::protocol::redact;
use crate::protocol::states::EventName;
use crate::secret::one_line;

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
}

/// An event as JSON, as it arrived. Cheap to clone.
#[derive(Clone)]
pub struct RawEvent(Arc<Contents>);

/// The type, the time and the texts of a raw event.
struct Contents {
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

    pub(super) fn of(texts: &Unread<'_>) -> Self {
        let Unread { event_type, timestamp, payload, call_id, control_id, channel } = *texts;
        let payload_end = payload.len();
        let call_id_end = payload_end + call_id.len();
        let control_id_end = call_id_end + control_id.len();
        let mut text = String::with_capacity(control_id_end + channel.len());
        for part in [payload, call_id, control_id, channel] {
            text.push_str(part);
        }
        Self(Arc::new(Contents {
            name: EventName::from(event_type),
            timestamp,
            text: text.into(),
            payload_end,
            call_id_end,
            control_id_end,
        }))
    }

    /// An event with an empty payload.
    pub(super) fn empty() -> Self {
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
        Self(Arc::new(Contents {
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
    ///
    /// ```no_run
    /// # use signalwire_relay::Event;
    /// # fn handler(call: signalwire_relay::Call) -> signalwire_relay::HandlerResult {
    /// call.on_any(|event: &Event| {
    ///     if let Some(quality) = event.raw().get("audio_in_mos") {
    ///         println!("line quality: {quality}");
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
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
