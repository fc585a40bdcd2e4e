//! Input of a caller: DTMF digits and speech.

use std::fmt;

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::redact::Content;
use crate::protocol::states::{CollectState, EventName};

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
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        Self {
            control_id: payload.string("control_id"),
            result: CollectResult::read(&payload.object("result")),
            state: payload.optional_state("state"),
            is_final: payload.flag("final"),
            raw,
        }
    }

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

impl TypedEvent for CollectEvent {
    const NAME: EventName = EventName::Collect;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Collect(event) = event { Some(event) } else { None }
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
