//! The lines of a trace: the type of a frame, its masked content, and its JSON.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value};

use crate::protocol::constants::METHOD_SIGNALWIRE_EVENT;
use crate::protocol::frame::{Contents, cut_numbers, mask_frame};
use crate::secret::{Mask, clean, one_line, short_numbers};

/// Version of the format, which is the first member of a trace's first line.
const VERSION: u32 = 1;

/// Number of unanswered requests whose method is remembered for the response.
const REQUESTS: usize = 4096;

/// Size of the lines that are kept for all calls together, in bytes.
const ALL_CALLS: usize = 8 << 20;

/// Cost of a line or an entry besides its text, in bytes.
pub(super) const COST: usize = 160;

/// The sender of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    FromClient,
    ToClient,
}

/// The content of a line.
pub(super) enum What {
    Frame(Way, Box<str>),
    /// An event that no frame shows.
    Note {
        kind: &'static str,
        call_id: Option<Box<str>>,
        fields: Map<String, Value>,
    },
    /// The number of lines that were dropped before this one.
    Lost(u64),
}

/// An entry that waits to be formatted.
pub(super) struct Entry {
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
    pub(super) connection: u64,
    /// The mask of the secrets that were known at this time.
    pub(super) mask: Arc<Mask>,
    pub(super) what: What,
    /// The bytes that were charged for the entry.
    pub(super) bytes: usize,
}

/// A formatted line.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) text: Arc<str>,
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
    /// Number of dropped lines that this line reports.
    pub(super) lost: u64,
}

impl Line {
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + COST
    }
}

/// The format of a client's lines.
pub(super) struct Style {
    pub(super) origin: Instant,
    pub(super) client: u64,
    pub(super) contents: Contents,
    pub(super) numbers: bool,
    /// Size of the lines that are kept for one call, in bytes.
    pub(super) call_bytes: usize,
}

impl Style {
    /// Returns the first line of a file.
    pub(super) fn header(&self, at: Instant, wall: SystemTime) -> String {
        let by = concat!("signalwire-relay ", env!("CARGO_PKG_VERSION"));
        let (at, wall) = (self.seconds(at), unix(wall));
        format!("{{\"trace\":{VERSION},\"by\":\"{by}\",\"wall\":{wall},\"at\":{at}}}")
    }

    fn seconds(&self, at: Instant) -> Value {
        seconds(at.saturating_duration_since(self.origin))
    }

    fn shown(&self, text: &str, mask: &Mask) -> String {
        let text = clean(text, mask);
        if self.numbers { text } else { short_numbers(&text) }
    }
}

/// Seconds with six decimals.
pub(crate) fn seconds(span: Duration) -> Value {
    (span.as_micros() as f64 / 1e6).into()
}

fn unix(wall: SystemTime) -> Value {
    seconds(wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// Formats lines, and keeps the state that later lines need.
pub(super) struct Formatter {
    style: Arc<Style>,
    requests: Requests,
    calls: Calls,
}

impl Formatter {
    pub(super) fn new(style: Arc<Style>) -> Self {
        Self { style, requests: Requests::default(), calls: Calls::default() }
    }

    pub(super) fn line(&mut self, entry: Entry) -> Line {
        let Entry { at, wall, connection, mask, what, bytes: _ } = entry;
        let (seconds, unix, client) = (self.style.seconds(at), unix(wall), self.style.client);
        let mut text = format!("{{\"at\":{seconds},\"wall\":{unix},\"client\":{client},\"connection\":{connection}");
        let (call_id, lost) = match what {
            What::Frame(way, frame) => (self.frame(&mut text, way, &frame, &mask), 0),
            What::Note { kind, call_id, fields } => {
                push(&mut text, "kind", &Value::from(kind));
                if let Some(call_id) = &call_id {
                    push(&mut text, "call_id", &Value::from(self.style.shown(call_id, &mask)));
                }
                for (name, value) in fields {
                    let value = match value {
                        Value::String(text) => Value::from(self.style.shown(&text, &mask)),
                        other => other,
                    };
                    push(&mut text, &name, &value);
                }
                (call_id.map(String::from), 0)
            }
            What::Lost(count) => {
                text.push_str(&lost_lines(count));
                (None, count)
            }
        };
        text.push('}');
        let line = Line { text: text.into(), at, wall, lost };
        if let Some(call_id) = call_id.filter(|_| self.style.call_bytes > 0) {
            self.calls.keep(&call_id, &line.text, self.style.call_bytes);
        }
        line
    }

    /// Adds the fields of a frame. Returns the ID of the call that the frame is about.
    fn frame(&mut self, text: &mut String, way: Way, frame: &str, mask: &Mask) -> Option<String> {
        let direction = if way == Way::FromClient { "from_client" } else { "to_client" };
        push(text, "direction", &Value::from(direction));
        let Ok(mut frame) = serde_json::from_str::<Value>(frame) else {
            push(text, "kind", &Value::from("raw"));
            push(text, "method", &Value::from(""));
            push(text, "frame", &Value::from(format!("<{} bytes that are not JSON>", frame.len())));
            return None;
        };
        let call_id = call_of(&frame);
        let id = frame.get("id").filter(|id| !id.is_null()).map(Value::to_string);
        mask_frame(&mut frame, mask, self.style.contents);
        if !self.style.numbers {
            cut_numbers(&mut frame);
        }
        let method = frame.get("method").and_then(Value::as_str).map(str::to_owned);
        let event = || frame.pointer("/params/event_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_reply = frame.get("result").is_some() || frame.get("error").is_some();
        let (kind, method, call_id) = match (way, method) {
            (Way::FromClient, Some(method)) => {
                if let Some(id) = id {
                    self.requests.sent(id, &method, call_id.as_deref());
                }
                ("request", method, call_id)
            }
            (Way::FromClient, None) if is_reply => ("ack", String::new(), None),
            (Way::ToClient, Some(method)) if method == METHOD_SIGNALWIRE_EVENT => ("event", event(), call_id),
            (Way::ToClient, Some(method)) => ("service_request", method, None),
            (Way::ToClient, None) if is_reply => {
                let (method, of_request) = id.and_then(|id| self.requests.answered(&id)).unwrap_or_default();
                let kind =
                    if frame.get("error").is_some_and(|error| !error.is_null()) { "error_reply" } else { "reply" };
                (kind, method, of_request.or(call_id))
            }
            _ => ("raw", String::new(), None),
        };
        push(text, "kind", &Value::from(kind));
        push(text, "method", &Value::from(method));
        push(text, "frame", &frame);
        call_id
    }

    /// Returns the lines of a call so far; an empty text if there are none.
    pub(super) fn of_call(&self, call_id: &str, at: Instant, wall: SystemTime) -> String {
        let Some(call) = self.calls.known.get(call_id) else { return String::new() };
        let mut text = self.style.header(at, wall);
        text.push('\n');
        if call.dropped > 0 {
            let (at, wall) = (self.style.seconds(at), unix(wall));
            text.push_str(&format!("{{\"at\":{at},\"wall\":{wall}{}}}\n", lost_lines(call.dropped)));
        }
        for line in &call.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

fn lost_lines(count: u64) -> String {
    format!(",\"kind\":\"dropped\",\"what\":\"trace lines\",\"count\":{count}")
}

fn push(text: &mut String, name: &str, value: &Value) {
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":");
    // Within JSON these escapes are valid.
    text.push_str(&one_line(&value.to_string()));
}

/// Returns the call that a frame is about.
fn call_of(frame: &Value) -> Option<String> {
    let params = frame.get("params").or_else(|| frame.get("result"))?;
    let payload = params.get("params").filter(|payload| payload.is_object()).unwrap_or(params);
    let id = payload.get("call_id").or_else(|| payload.get("call")?.get("call_id"))?;
    id.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// The method of a request, and the call that it is about.
type Asked = (String, Option<String>);

/// The requests that have no response yet.
#[derive(Default)]
struct Requests {
    known: HashMap<String, Asked>,
    order: VecDeque<String>,
}

impl Requests {
    fn sent(&mut self, id: String, method: &str, call_id: Option<&str>) {
        if self.order.len() >= REQUESTS {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(id.clone(), (method.to_owned(), call_id.map(str::to_owned)));
        self.order.push_back(id);
    }

    fn answered(&mut self, id: &str) -> Option<Asked> {
        let asked = self.known.remove(id)?;
        // The request is mostly one of the first.
        if let Some(at) = self.order.iter().position(|waits| waits == id) {
            self.order.remove(at);
        }
        Some(asked)
    }
}

/// The lines of each call. The call with the latest line is the last one.
#[derive(Default)]
struct Calls {
    known: HashMap<String, OfCall>,
    order: BTreeMap<u64, String>,
    count: u64,
    bytes: usize,
}

/// The last lines about one call.
#[derive(Default)]
struct OfCall {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    dropped: u64,
    last: u64,
}

impl Calls {
    fn keep(&mut self, call_id: &str, line: &Arc<str>, limit: usize) {
        self.count += 1;
        let call = self.known.entry(call_id.to_owned()).or_default();
        self.order.remove(&call.last);
        call.last = self.count;
        self.order.insert(self.count, call_id.to_owned());
        let bytes = line.len() + COST;
        call.lines.push_back(Arc::clone(line));
        call.bytes += bytes;
        self.bytes += bytes;
        while call.bytes > limit && call.lines.len() > 1 {
            let Some(oldest) = call.lines.pop_front() else { break };
            call.dropped += 1;
            call.bytes -= oldest.len() + COST;
            self.bytes -= oldest.len() + COST;
        }
        while self.bytes > ALL_CALLS && self.order.len() > 1 {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.bytes -= self.known.remove(&oldest).map_or(0, |call| call.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatter(call_bytes: usize) -> (Formatter, Instant) {
        let origin = crate::clock::Clock::real().now();
        let style = Style { origin, client: 1, contents: Contents::Masked, numbers: false, call_bytes };
        (Formatter::new(Arc::new(style)), origin)
    }

    fn entry(at: Instant, what: What) -> Entry {
        Entry { at, wall: SystemTime::UNIX_EPOCH, connection: 1, mask: Arc::default(), what, bytes: 0 }
    }

    fn frame(formatter: &mut Formatter, at: Instant, way: Way, frame: &str) -> Value {
        let line = formatter.line(entry(at, What::Frame(way, frame.into())));
        serde_json::from_str(&line.text).expect("a line of JSON")
    }

    #[test]
    fn each_frame_has_its_kind_and_a_response_the_method_of_its_request() {
        let (mut formatter, at) = formatter(1 << 16);
        for (way, text, kind, method) in [
            (
                Way::FromClient,
                r#"{"id":"1","method":"calling.play","params":{"call_id":"c"}}"#,
                "request",
                "calling.play",
            ),
            (Way::ToClient, r#"{"id":"1","result":{"code":"200"}}"#, "reply", "calling.play"),
            (Way::ToClient, r#"{"id":"1","result":{}}"#, "reply", ""),
            (Way::FromClient, r#"{"id":2,"method":"calling.end","params":{}}"#, "request", "calling.end"),
            (Way::ToClient, r#"{"id":2,"error":{"code":-1}}"#, "error_reply", "calling.end"),
            (
                Way::ToClient,
                r#"{"id":"e","method":"signalwire.event","params":{"event_type":"calling.call.play"}}"#,
                "event",
                "calling.call.play",
            ),
            (Way::FromClient, r#"{"id":"e","result":{}}"#, "ack", ""),
            (Way::ToClient, r#"{"id":"p","method":"signalwire.ping"}"#, "service_request", "signalwire.ping"),
            (Way::ToClient, "[]", "raw", ""),
            (Way::ToClient, "no JSON", "raw", ""),
        ] {
            let line = frame(&mut formatter, at, way, text);
            assert_eq!((line["kind"].as_str(), line["method"].as_str()), (Some(kind), Some(method)), "{text}");
        }
        // These are the request and its response. No other line is about the call.
        assert_eq!(formatter.of_call("c", at, SystemTime::UNIX_EPOCH).lines().count(), 3);
        assert_eq!(formatter.of_call("d", at, SystemTime::UNIX_EPOCH), "");
    }

    #[test]
    fn the_oldest_lines_of_a_call_are_dropped_and_counted() {
        let (mut formatter, at) = formatter(3 * (COST + 300));
        for n in 0..100 {
            let text = format!(r#"{{"id":"{n}","method":"calling.play","params":{{"call_id":"c","n":{n}}}}}"#);
            frame(&mut formatter, at, Way::FromClient, &text);
        }
        let text = formatter.of_call("c", at, SystemTime::UNIX_EPOCH);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["trace"], 1);
        let kept = lines.len() - 2;
        assert!((2..5).contains(&kept), "{kept}");
        assert_eq!((lines[1]["kind"].as_str(), lines[1]["count"].as_u64()), (Some("dropped"), Some(100 - kept as u64)));
        assert_eq!(lines.last().expect("a line")["frame"]["params"]["n"], 99);
    }

    #[test]
    fn all_calls_together_have_a_bound_and_the_latest_one_is_kept() {
        let mut calls = Calls::default();
        let line: Arc<str> = "x".repeat(1 << 10).into();
        for n in 0..20_000 {
            calls.keep(&n.to_string(), &line, 1 << 16);
            calls.keep("busy", &line, 1 << 16);
        }
        assert!(calls.bytes <= ALL_CALLS && calls.known.len() == calls.order.len(), "{}", calls.bytes);
        assert!(
            calls.known.contains_key("busy") && calls.known.contains_key("19999") && !calls.known.contains_key("0")
        );
        assert_eq!(calls.bytes, calls.known.values().map(|call| call.bytes).sum::<usize>());
    }
}
