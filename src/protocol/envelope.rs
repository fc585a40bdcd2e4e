//! The envelope of an event, and those fields of the payload that decide where the event is routed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{Number, Text};

/// The method of a frame that is an event.
pub(super) const EVENT: &str = "signalwire.event";

/// The `params` of `signalwire.event`: the fields around the payload of an event.
#[derive(Clone)]
pub(crate) struct Envelope<'a> {
    /// The type; empty if the service sent none.
    pub(crate) event_type: Cow<'a, str>,
    /// The payload as it arrived; `{}` if there is none. It may be no object.
    pub(crate) params: &'a RawValue,
    pub(crate) timestamp: Option<f64>,
    pub(crate) event_channel: Option<Cow<'a, str>>,
    pub(crate) context: Option<Cow<'a, str>>,
    pub(crate) project_id: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    /// Parses an envelope. Returns `None` if `params` is no object.
    pub(crate) fn parse(params: &'a RawValue) -> Option<Self> {
        Self::parse_text(params.get())
    }

    pub(crate) fn parse_text(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// An envelope that outlives its frame.
pub(crate) struct OwnedEnvelope {
    event_type: Box<str>,
    params: Box<RawValue>,
    timestamp: Option<f64>,
    event_channel: Option<Box<str>>,
    context: Option<Box<str>>,
    project_id: Option<Box<str>>,
}

impl Envelope<'_> {
    pub(crate) fn to_owned(&self) -> OwnedEnvelope {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(Box::from);
        OwnedEnvelope {
            event_type: (*self.event_type).into(),
            params: self.params.to_owned(),
            timestamp: self.timestamp,
            event_channel: owned(&self.event_channel),
            context: owned(&self.context),
            project_id: owned(&self.project_id),
        }
    }
}

impl OwnedEnvelope {
    pub(crate) fn borrow(&self) -> Envelope<'_> {
        Envelope {
            event_type: Cow::Borrowed(&self.event_type),
            params: &self.params,
            timestamp: self.timestamp,
            event_channel: self.event_channel.as_deref().map(Cow::Borrowed),
            context: self.context.as_deref().map(Cow::Borrowed),
            project_id: self.project_id.as_deref().map(Cow::Borrowed),
        }
    }
}

/// The fields of an event's payload that decide where the event is routed. `null` and values of wrong types count as
/// absent.
#[derive(Clone, Default)]
pub(crate) struct EventHead<'a> {
    pub(crate) call_id: Option<Cow<'a, str>>,
    pub(crate) node_id: Option<Cow<'a, str>>,
    pub(crate) control_id: Option<Cow<'a, str>>,
    pub(crate) tag: Option<Cow<'a, str>>,
    pub(crate) call_state: Option<Cow<'a, str>>,
    pub(crate) state: Option<Cow<'a, str>>,
    pub(crate) segment_id: Option<Cow<'a, str>>,
    pub(crate) message_id: Option<Cow<'a, str>>,
    pub(crate) message_state: Option<Cow<'a, str>>,
    pub(crate) dial_state: Option<Cow<'a, str>>,
    pub(crate) direction: Option<Cow<'a, str>>,
    pub(crate) end_reason: Option<Cow<'a, str>>,
    pub(crate) reason: Option<Cow<'a, str>>,
    pub(crate) context: Option<Cow<'a, str>>,
    pub(crate) protocol: Option<Cow<'a, str>>,
    pub(crate) project_id: Option<Cow<'a, str>>,
    pub(crate) conference_id: Option<Cow<'a, str>>,
    pub(crate) authorization_state: Option<Cow<'a, str>>,
    /// The leg of a dial event, to be read with [`EventHead::parse`] again.
    pub(crate) call: Option<&'a RawValue>,
    pub(crate) device: Option<&'a RawValue>,
    /// The call that this one was made for, to be read with [`EventHead::parse`] again.
    pub(crate) parent: Option<&'a RawValue>,
}

impl<'a> EventHead<'a> {
    pub(crate) fn parse_text(json: &'a str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Returns the place for the text of this key, if the text is kept.
    pub(super) fn text(&mut self, key: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match key {
            "call_id" => &mut self.call_id,
            "node_id" => &mut self.node_id,
            "control_id" => &mut self.control_id,
            "tag" => &mut self.tag,
            "call_state" => &mut self.call_state,
            "state" => &mut self.state,
            "segment_id" => &mut self.segment_id,
            "message_id" => &mut self.message_id,
            "message_state" => &mut self.message_state,
            "dial_state" => &mut self.dial_state,
            "direction" => &mut self.direction,
            "end_reason" => &mut self.end_reason,
            "reason" => &mut self.reason,
            "context" => &mut self.context,
            "protocol" => &mut self.protocol,
            "project_id" => &mut self.project_id,
            "conference_id" => &mut self.conference_id,
            "authorization_state" => &mut self.authorization_state,
            _ => return None,
        })
    }

    /// Returns the place for the value of this key, if the value is kept unchanged.
    pub(super) fn part(&mut self, key: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match key {
            "call" => &mut self.call,
            "device" => &mut self.device,
            "parent" => &mut self.parent,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

/// Reads the envelope of an event.
struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut event_type, mut params, mut timestamp) = (None, None, None);
        let (mut event_channel, mut context, mut project_id) = (None, None, None);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_deref().unwrap_or_default() {
                "event_type" => event_type = map.next_value::<Text<'de>>()?.0,
                "params" => params = Some(map.next_value()?),
                "timestamp" => timestamp = map.next_value::<Number>()?.0,
                "event_channel" => event_channel = map.next_value::<Text<'de>>()?.0,
                "context" => context = map.next_value::<Text<'de>>()?.0,
                "project_id" => project_id = map.next_value::<Text<'de>>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let params = match params {
            Some(params) => params,
            None => serde_json::from_str("{}").map_err(serde::de::Error::custom)?,
        };
        let event_type = event_type.unwrap_or_default();
        Ok(Envelope { event_type, params, timestamp, event_channel, context, project_id })
    }
}

/// The envelope of an event, or `None` if its place has another value.
pub(super) struct MaybeEnvelope<'a>(pub(super) Option<Envelope<'a>>);

impl<'de> Deserialize<'de> for MaybeEnvelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeEnvelopeVisitor)
    }
}

/// Reads JSON that may be the envelope of an event.
struct MaybeEnvelopeVisitor;

impl<'de> Visitor<'de> for MaybeEnvelopeVisitor {
    type Value = MaybeEnvelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        EnvelopeVisitor.visit_map(map).map(|envelope| MaybeEnvelope(Some(envelope)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MaybeEnvelope(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(MaybeEnvelope(None))
    }
}

impl<'de> Deserialize<'de> for EventHead<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadVisitor)
    }
}

/// Reads the members of an event's payload by which it is routed.
struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = EventHead<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload of an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut head = EventHead::default();
        while let Some(Text(key)) = map.next_key()? {
            let key = key.as_deref().unwrap_or_default();
            if let Some(slot) = head.text(key) {
                *slot = map.next_value::<Text<'de>>()?.0;
            } else if let Some(slot) = head.part(key) {
                *slot = Some(map.next_value::<&RawValue>()?).filter(|raw| raw.get() != "null");
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(head)
    }
}
