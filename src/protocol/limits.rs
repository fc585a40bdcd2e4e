//! Limits of the names that the service chooses, and of the data that an event holds.

use serde_json::Value;

use super::envelope::{Envelope, EventHead};
use crate::error::{self, Result};

/// The longest ID, tag, name or type, in bytes. An event with a longer one is malformed.
pub(crate) const LONGEST_NAME: usize = 1024;

/// The largest description of a device that is kept with a call, in bytes. The event itself has no such limit.
pub(crate) const LARGEST_DEVICE: usize = 16 << 10;

/// Size of an event or response up to which it is kept without being counted, in bytes.
pub(crate) const SMALL: usize = 64 << 10;

/// Largest size of an event besides its texts, in bytes.
const EVENT: usize = 256;

/// Returns `true` if this can be an ID or a name of the service: not empty, and short enough.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
}

/// Rejects a context that is too long for a name.
pub(crate) fn check_contexts<'a>(what: &str, contexts: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match contexts.into_iter().map(String::len).find(|bytes| *bytes > LONGEST_NAME) {
        Some(bytes) => {
            let why =
                format!("a context has {bytes} bytes, and at most {LONGEST_NAME} are allowed: give a shorter one");
            Err(error::refused(what, &why))
        }
        None => Ok(()),
    }
}

impl Envelope<'_> {
    /// Size of the event when it is kept, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let around = [&self.event_channel, &self.context, &self.project_id];
        let around: usize = around.into_iter().flatten().map(|text| text.len()).sum();
        self.event_type.len() + self.params.get().len() + around + EVENT
    }

    /// Returns the name of an envelope member that is longer than allowed, and its length.
    pub(crate) fn too_long(&self) -> Option<(&'static str, usize)> {
        first_too_long([
            ("event_type", Some(&*self.event_type)),
            ("event_channel", self.event_channel.as_deref()),
            ("context", self.context.as_deref()),
            ("project_id", self.project_id.as_deref()),
        ])
    }
}

impl EventHead<'_> {
    /// Returns the name of a member that is longer than allowed, and its length. Reasons are texts, and not checked.
    pub(crate) fn too_long(&self) -> Option<(&'static str, usize)> {
        first_too_long([
            ("call_id", self.call_id.as_deref()),
            ("node_id", self.node_id.as_deref()),
            ("control_id", self.control_id.as_deref()),
            ("tag", self.tag.as_deref()),
            ("call_state", self.call_state.as_deref()),
            ("state", self.state.as_deref()),
            ("segment_id", self.segment_id.as_deref()),
            ("message_id", self.message_id.as_deref()),
            ("message_state", self.message_state.as_deref()),
            ("dial_state", self.dial_state.as_deref()),
            ("direction", self.direction.as_deref()),
            ("context", self.context.as_deref()),
            ("protocol", self.protocol.as_deref()),
            ("project_id", self.project_id.as_deref()),
            ("conference_id", self.conference_id.as_deref()),
        ])
    }
}

fn first_too_long<const N: usize>(names: [(&'static str, Option<&str>); N]) -> Option<(&'static str, usize)> {
    let lengths = names.into_iter().filter_map(|(name, text)| Some((name, text?.len())));
    lengths.into_iter().find(|(_, length)| *length > LONGEST_NAME)
}

/// Returns the beginning of a text, at most as long as a name.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Size of a list of strings in bytes.
pub(crate) fn bytes_of_texts(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
}

/// Size of a JSON value in bytes, with its allocations rounded up.
pub(crate) fn bytes_of_value(value: &Value) -> usize {
    /// A node of the map, which has room for eleven members.
    const NODE: usize = 11 * (size_of::<Value>() + size_of::<String>()) + 32;
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(bytes_of_value).sum(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| key.len() + bytes_of_value(value) + NODE / 4);
                NODE + members.sum::<usize>()
            }
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cut_ends_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(5000)).len(), LONGEST_NAME);
        let text = format!("x{}", "\u{20ac}".repeat(1000));
        assert_eq!((cut(&text).len(), cut(&text).chars().last()), (1024, Some('\u{20ac}')));
        let text = "\u{20ac}".repeat(1000);
        assert_eq!((cut(&text).len(), cut(&text).chars().last()), (1023, Some('\u{20ac}')));
    }

    #[test]
    fn names_longer_than_a_kibibyte_are_found_and_reasons_may_be() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in ["call_id", "tag", "state", "message_id", "conference_id", "context"] {
            let head = json!({"call_id": "c", name: long}).to_string();
            assert_eq!(EventHead::parse_text(&head).too_long(), Some((name, LONGEST_NAME + 1)));
            let head = json!({"call_id": "c", name: long[1..]}).to_string();
            assert_eq!(EventHead::parse_text(&head).too_long(), None);
        }
        let head = json!({"call_id": "c", "end_reason": long, "reason": long}).to_string();
        assert_eq!(EventHead::parse_text(&head).too_long(), None);
        for name in ["event_type", "event_channel", "context", "project_id"] {
            let envelope = json!({"params": {"text": long}, name: long}).to_string();
            let envelope = Envelope::parse_text(&envelope).expect("it is there");
            assert_eq!(envelope.too_long(), Some((name, LONGEST_NAME + 1)));
            assert!(envelope.bytes() > 2 * LONGEST_NAME, "{}", envelope.bytes());
        }
    }

    #[test]
    fn a_value_is_charged_what_it_takes_and_not_what_it_was_written_in() {
        let many = Value::Array(vec![json!({"": 0}); 1000]);
        assert!(bytes_of_value(&many) > 600_000, "{}", bytes_of_value(&many));
        assert!(bytes_of_value(&json!("x".repeat(1000))) < 1100);
    }
}
