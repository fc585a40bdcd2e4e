//! The frames of all connections, in order, without secrets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// Default number of frames that are kept; the oldest are dropped first.
pub(crate) const KEPT: usize = 50_000;

/// Sender of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The frame is from the program's client.
    FromClient,
    /// The frame is from the simulated service.
    ToClient,
}

/// The kind of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// A request of the client, such as `calling.play`.
    Request,
    /// A response of the service that is not a JSON-RPC error; its `code` may still be a rejection.
    Reply,
    /// A response of the service that is a JSON-RPC error.
    ErrorReply,
    /// An event of the service.
    Event,
    /// A request of the service: a ping, or the announcement that it will close the connection.
    ServiceRequest,
    /// Response of the client to an event or to a request of the service.
    Ack,
    /// A frame that is not well-formed, pushed by hand or sent by the client.
    Raw,
}

/// One frame. Cheap to clone.
#[derive(Clone)]
pub struct FrameRecord(Arc<Inner>);

/// The fields of a frame record, behind one pointer.
struct Inner {
    sequence: u64,
    at: Duration,
    direction: Direction,
    kind: FrameKind,
    connection: u64,
    method: Box<str>,
    frame: Frame,
}

/// The content of a frame.
pub(crate) enum Frame {
    Json(Value),
    Text(String),
}

static NULL: Value = Value::Null;

impl FrameRecord {
    pub(crate) fn new(
        sequence: u64,
        at: Duration,
        direction: Direction,
        kind: FrameKind,
        connection: u64,
        method: &str,
        frame: Frame,
    ) -> Self {
        Self(Arc::new(Inner { sequence, at, direction, kind, connection, method: method.into(), frame }))
    }

    /// The frame's place in the order of all frames, from 0.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// Time since the start of the simulator, by its clock, whatever the speed.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.0.at
    }

    /// The sender of the frame.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.0.direction
    }

    /// The kind of the frame.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        self.0.kind
    }

    /// The connection of the frame, counted from 1.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.0.connection
    }

    /// The method of a request and of its response, or the type of an event; empty for other frames.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// The JSON-RPC ID, as it was on the wire.
    #[must_use]
    pub fn id(&self) -> &Value {
        self.part("id")
    }

    /// The parameters of a request, the payload of an event, the result or error of a response; null for raw frames.
    /// Secrets are replaced.
    #[must_use]
    pub fn params(&self) -> &Value {
        match self.0.kind {
            FrameKind::Event => self.part("params").get("params").unwrap_or(&NULL),
            FrameKind::Request | FrameKind::ServiceRequest => self.part("params"),
            FrameKind::Reply | FrameKind::Ack => self.part("result"),
            FrameKind::ErrorReply => self.part("error"),
            FrameKind::Raw => &NULL,
        }
    }

    /// The ID of the frame's call.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        let params = self.params();
        params.get("call_id").or_else(|| params.get("call")?.get("call_id")).and_then(Value::as_str)
    }

    /// The frame as text; secrets are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0.frame {
            Frame::Json(value) => value.to_string(),
            Frame::Text(text) => text.clone(),
        }
    }

    /// All of it as one JSON object, as a file of JSON lines keeps it: `sequence`, `at` in seconds, `connection`,
    /// `direction` (`from_client`, `to_client`), `kind` (`request`, `reply`, `error_reply`, `event`, `service_request`,
    /// `ack`, `raw`), `method`, and `frame`, which is a string where the frame was not JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Inner { sequence, at, direction, kind, connection, method, frame } = &*self.0;
        let direction = match direction {
            Direction::FromClient => "from_client",
            Direction::ToClient => "to_client",
        };
        let kind = match kind {
            FrameKind::Request => "request",
            FrameKind::Reply => "reply",
            FrameKind::ErrorReply => "error_reply",
            FrameKind::Event => "event",
            FrameKind::ServiceRequest => "service_request",
            FrameKind::Ack => "ack",
            FrameKind::Raw => "raw",
        };
        let frame = match frame {
            Frame::Json(value) => value.clone(),
            Frame::Text(text) => Value::from(text.as_str()),
        };
        json!({
            "sequence": sequence,
            "at": at.as_micros() as f64 / 1e6,
            "connection": connection,
            "direction": direction,
            "kind": kind,
            "method": method,
            "frame": frame,
        })
    }

    fn part(&self, key: &str) -> &Value {
        match &self.0.frame {
            Frame::Json(value) => value.get(key).unwrap_or(&NULL),
            Frame::Text(_) => &NULL,
        }
    }
}

impl fmt::Display for FrameRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.0.direction {
            Direction::FromClient => "→",
            Direction::ToClient => "←",
        };
        let Inner { at, connection, method, .. } = &*self.0;
        write!(f, "{:>9.3} #{connection} {arrow} {method}: {}", at.as_secs_f64(), self.text())
    }
}

impl fmt::Debug for FrameRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A copy of the journal at one moment. `Display` prints it, a line per frame.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<FrameRecord>,
    dropped: u64,
}

impl Journal {
    pub(crate) fn new(entries: Vec<FrameRecord>, dropped: u64) -> Self {
        Self { entries, dropped }
    }

    /// All frames in order.
    #[must_use]
    pub fn entries(&self) -> &[FrameRecord] {
        &self.entries
    }

    /// The number of older frames that the journal has dropped, because more than
    /// [`Builder::journal_limit`](crate::simulator::Builder::journal_limit) were sent.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The client's requests of one method, in order.
    #[must_use]
    pub fn requests(&self, method: &str) -> Vec<FrameRecord> {
        self.pick(FrameKind::Request, method)
    }

    /// The events of one type, in order.
    #[must_use]
    pub fn events(&self, event_type: &str) -> Vec<FrameRecord> {
        self.pick(FrameKind::Event, event_type)
    }

    /// The service's responses to one method, in order, rejections included.
    #[must_use]
    pub fn replies(&self, method: &str) -> Vec<FrameRecord> {
        let is_reply = |entry: &&FrameRecord| matches!(entry.kind(), FrameKind::Reply | FrameKind::ErrorReply);
        self.entries.iter().filter(is_reply).filter(|entry| entry.method() == method).cloned().collect()
    }

    /// The methods of all requests of the client, in order.
    #[must_use]
    pub fn methods(&self) -> Vec<&str> {
        self.entries.iter().filter(|entry| entry.kind() == FrameKind::Request).map(FrameRecord::method).collect()
    }

    fn pick(&self, kind: FrameKind, method: &str) -> Vec<FrameRecord> {
        self.entries.iter().filter(|entry| entry.kind() == kind && entry.method() == method).cloned().collect()
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// The error of a wait that timed out. `Display` and `Debug` name the awaited frame, and show the last frames as a
/// [ladder](crate::ladder).
#[derive(Clone)]
pub struct WaitTimeout {
    what: String,
    ladder: Vec<String>,
}

impl WaitTimeout {
    pub(crate) fn new(what: String, ladder: Vec<String>) -> Self {
        Self { what, ladder }
    }
}

impl fmt::Display for WaitTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not come in time; ", self.what)?;
        if self.ladder.is_empty() {
            return f.write_str("no frame went over the wire");
        }
        write!(f, "the last frames are:")?;
        self.ladder.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Debug for WaitTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WaitTimeout {}
