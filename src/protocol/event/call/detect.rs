//! Results of a detector: a human, an answering machine, a fax, a digit.

use std::fmt;

use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::Object;
use crate::protocol::redact::CONTENT;
use crate::protocol::states::{DetectKind, EventName};

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
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
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
