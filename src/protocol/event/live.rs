//! Events of live transcription and translation.

use std::fmt;

use serde_json::Value;

use super::super::object::Object;
use super::super::redact::Content;
use super::super::states::EventName;
use super::{Event, RawEvent, TypedEvent};

/// Kind of an event of live transcription or translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LiveReport {
    /// An utterance.
    Utterance,
    /// A summary of what was said so far.
    Summary,
    /// The end, with everything that was said.
    Log,
    /// No event: the service accepted a request whose completion it does not report, such as an injected message.
    Accepted,
}

/// An event of live transcription or live translation. `Debug` does not show what was said.
#[derive(Clone)]
#[non_exhaustive]
pub struct LiveEvent {
    /// Kind of the event.
    pub report: LiveReport,
    /// Speaker of an utterance of a transcription: `remote-caller` or `local-caller`.
    pub role: String,
    /// Text of an utterance.
    pub text: String,
    /// Translation of an utterance, of a translation.
    pub translation: String,
    /// The summary: always for [`LiveReport::Summary`], and for [`LiveReport::Log`] if a summary was requested.
    pub summary: Option<String>,
    /// `true` if the call ended and the service reported no log.
    pub ended_by_call: bool,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

/// A turn of a conversation that was transcribed or translated. `Debug` does not show what was said.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveTurn {
    /// Speaker: `remote-caller` or `local-caller`.
    pub role: String,
    /// Text of the turn, or its translation.
    pub text: String,
    /// The language of the text; empty if the service did not report it.
    pub language: String,
}

impl LiveEvent {
    pub(super) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let report = match raw.name() {
            EventName::AiTranscribeLiveSummarize | EventName::AiTranslateLiveSummary => LiveReport::Summary,
            EventName::AiTranscribeConversationLog | EventName::AiTranslateConversationLog => LiveReport::Log,
            _ => LiveReport::Utterance,
        };
        let utterance = payload.object("utterance");
        let (input, output) = (payload.object("input_utterance"), payload.object("output_utterance"));
        let said = utterance.text("content").or_else(|| input.text("delta"));
        let summary = ["conversation_summary", "primary_conversation_summary"];
        Self {
            report,
            role: utterance.string("role"),
            text: said.unwrap_or_default().into(),
            translation: output.string("delta"),
            summary: summary.into_iter().find_map(|key| payload.text(key)).map(Into::into),
            ended_by_call: false,
            raw,
        }
    }

    /// Creates an event in place of one that the service did not send.
    pub(crate) fn unsent(report: LiveReport, name: EventName, call_id: &str) -> Self {
        Self {
            report,
            role: String::new(),
            text: String::new(),
            translation: String::new(),
            summary: None,
            ended_by_call: report == LiveReport::Log,
            raw: RawEvent::unsent(name, call_id, ""),
        }
    }

    /// Returns the conversation, for a log and for a summary, in the language in which it was held.
    #[must_use]
    pub fn turns(&self) -> Vec<LiveTurn> {
        self.turns_in(&["conversation_log", "primary_conversation_log"])
    }

    /// Returns the translated conversation, for a log and for a summary of a translation.
    #[must_use]
    pub fn translated_turns(&self) -> Vec<LiveTurn> {
        self.turns_in(&["secondary_conversation_log"])
    }

    fn turns_in(&self, keys: &[&str]) -> Vec<LiveTurn> {
        let turns = keys.iter().find_map(|key| self.raw.get(key)).unwrap_or_default();
        let text = |turn: &Value, key| turn.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let turn =
            |turn| LiveTurn { role: text(turn, "role"), text: text(turn, "content"), language: text(turn, "language") };
        turns.as_array().into_iter().flatten().map(turn).collect()
    }
}

impl fmt::Debug for LiveEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveEvent")
            .field("report", &self.report)
            .field("role", &self.role)
            .field("text", &Content(&self.text))
            .field("translation", &Content(&self.translation))
            .field("summary", &self.summary.as_deref().map(Content))
            .field("ended_by_call", &self.ended_by_call)
            .field("raw", &self.raw)
            .finish()
    }
}

impl fmt::Debug for LiveTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTurn")
            .field("role", &self.role)
            .field("text", &Content(&self.text))
            .field("language", &self.language)
            .finish()
    }
}

impl TypedEvent for LiveEvent {
    const NAME: EventName = EventName::AiTranscribeUtterance;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Live(event) = event { Some(event) } else { None }
    }
}
