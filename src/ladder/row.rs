//! A row of a ladder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// A column of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Column {
    /// The program that uses this crate.
    Program,
    /// SignalWire, or the simulator.
    Service,
    /// A phone, by its number. A second call of the same number has the suffix `(2)`.
    Leg(Arc<str>),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("program"),
            Self::Service => f.write_str("service"),
            Self::Leg(number) => f.write_str(number),
        }
    }
}

/// Kind of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowKind {
    /// A request of the program, or one of the service.
    Request,
    /// A response without an error.
    Response,
    /// A response that is an error or a refusal.
    Refusal,
    /// An event of the service, or the act of a phone that causes one.
    Event,
    /// Words that are spoken on a call, or a text message.
    Speech,
    /// DTMF digits.
    Digits,
    /// A note without a frame: a state of the connection, a handler, a wait.
    Note,
    /// The connection was lost; events may be missing after it.
    Gap,
    /// A request that got no response, or frames that were dropped.
    Lost,
}

impl RowKind {
    /// The kind's name in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Refusal => "refusal",
            Self::Event => "event",
            Self::Speech => "speech",
            Self::Digits => "digits",
            Self::Note => "note",
            Self::Gap => "gap",
            Self::Lost => "lost",
        }
    }
}

/// One row of a ladder: an arrow from one column to another, or a note at one of them.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) at: Duration,
    pub(super) call: Option<Arc<str>>,
    /// The section, which connected calls share. `None`: the connection.
    pub(super) section: Option<usize>,
    pub(super) from: Column,
    pub(super) to: Column,
    pub(super) kind: RowKind,
    pub(super) text: String,
    pub(super) took: Option<Duration>,
    pub(super) frame: Option<Arc<Value>>,
}

impl Row {
    /// Returns the time since the trace or the journal began.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Returns the ID of the call that the row is about.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.call.as_deref()
    }

    /// Returns the column that the arrow begins at. A note has one column, which is both.
    #[must_use]
    pub fn from(&self) -> &Column {
        &self.from
    }

    /// Returns the column that the arrow points to.
    #[must_use]
    pub fn to(&self) -> &Column {
        &self.to
    }

    /// Returns the kind of the row.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// Returns the row's text, such as `calling.play "Welcome"`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the duration of a response, a handler or a wait.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took
    }

    /// Returns the frame of the row, with its secrets replaced.
    #[must_use]
    pub fn frame(&self) -> Option<&Value> {
        self.frame.as_deref()
    }

    /// Returns the row as a JSON object: `at` and `took` in seconds, `call`, `section` (a number, the same for all calls
    /// that were connected), `from`, `to`, `kind`, `text`, `frame`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "at": seconds(self.at),
            "call": self.call.as_deref(),
            "section": self.section,
            "from": self.from.to_string(),
            "to": self.to.to_string(),
            "kind": self.kind.word(),
            "text": self.text,
            "took": self.took.map(seconds),
            "frame": self.frame.as_deref(),
        })
    }

    pub(super) fn is_gap(&self) -> bool {
        self.kind == RowKind::Gap
    }

    /// The text with the time that it took.
    pub(super) fn label(&self) -> String {
        match self.took {
            Some(took) => format!("{} · {}", self.text, spoken(took)),
            None => self.text.clone(),
        }
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// A duration for people: `340 µs`, `12 ms`, `3.2 s`.
pub(super) fn spoken(time: Duration) -> String {
    match time.as_micros() {
        micros @ ..1_000 => format!("{micros} µs"),
        micros @ ..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// At most `room` characters of a text.
pub(super) fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(room.saturating_sub(1)).collect();
    if room > 0 {
        short.push('…');
    }
    short
}
