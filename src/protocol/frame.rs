//! Frames: parsing inbound and writing outbound ones. This is the hot path: every value is borrowed from the text of
//! the frame, and nested values are parsed only when they are used.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::envelope::{EVENT, MaybeEnvelope};
pub(crate) use super::envelope::{Envelope, EventHead, OwnedEnvelope};
use super::limits::bytes_of_value;
use super::object::{self, Object, Text};
use super::quick;
use super::redact::redact_keys;
pub(crate) use super::redact::{Contents, cut_numbers, learn, mask_frame, mask_texts, redact};

/// A text frame, classified by the action that it requires.
pub(crate) enum Incoming<'a> {
    /// `signalwire.event`, by far the most frequent frame: the envelope is read in the same pass.
    Event { id: Option<&'a RawValue>, envelope: Envelope<'a> },
    /// Another request or notification of the service. The service expects a response if there is an `id`. An event
    /// without an envelope is one of these, too.
    Request { id: Option<&'a RawValue>, method: Cow<'a, str>, params: Option<&'a RawValue> },
    /// The response to a request.
    Reply { id: ReplyId, body: Result<&'a RawValue, WireError> },
    /// A malformed frame, with the reason, which contains no part of the payload.
    Malformed(&'static str),
}

/// The ID of the request that a response belongs to. All requests of this client have a UUID.
#[derive(Debug)]
pub(crate) enum ReplyId {
    Ours(Uuid),
    Other,
}

/// An error response of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireError {
    /// The code. `None` if the service sent none, or one that is no number.
    pub(crate) code: Option<i64>,
    pub(crate) message: String,
    /// The members besides code and message, if there are any.
    pub(crate) details: Option<Value>,
    /// The delay that the service requests before the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

const EVENT_JSON: &str = "\"signalwire.event\"";
/// Longest details of an error that are kept, in bytes of JSON. Parsed they may need four times as much memory.
const LARGEST_DETAILS: usize = 64 << 10;
const NO_MESSAGE: &str = "Unknown error";

impl<'a> Incoming<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        match quick::event(text) {
            Some((id, envelope)) => Self::Event { id: Some(id), envelope },
            None => Self::parse_any(text),
        }
    }

    /// Parses a frame without the fast path.
    pub(super) fn parse_any(text: &'a str) -> Self {
        let frame: Frame<'a> = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) if error.is_data() => return Self::Malformed("not a JSON object"),
            Err(_) => return Self::Malformed("not JSON"),
        };
        // `method` decides first: the service may use an ID that a request of this client has.
        if let Some(envelope) = frame.envelope {
            return Self::Event { id: frame.id, envelope };
        }
        if let Some(method) = frame.method {
            return match object::text_of(method) {
                Some(method) if method == EVENT => match frame.params.and_then(Envelope::parse) {
                    Some(envelope) => Self::Event { id: frame.id, envelope },
                    None => Self::Request { id: frame.id, method, params: frame.params },
                },
                Some(method) => Self::Request { id: frame.id, method, params: frame.params },
                None => Self::Malformed("its method is not a string"),
            };
        }
        let body = match (frame.error, frame.result) {
            (Some(error), Some(result)) if is_null(error) => Ok(result),
            (Some(error), _) => Err(WireError::of(error)),
            (None, Some(result)) => Ok(result),
            (None, None) => return Self::Malformed("neither method nor result nor error"),
        };
        match frame.id {
            Some(id) => Self::Reply { id: ReplyId::of(id), body },
            None => Self::Malformed("a reply without id"),
        }
    }
}

impl ReplyId {
    fn of(raw: &RawValue) -> Self {
        match object::text_of(raw).and_then(|text| Uuid::try_parse(&text).ok()) {
            Some(id) => Self::Ours(id),
            None => Self::Other,
        }
    }
}

impl WireError {
    /// Reads the `error` member, which may be any JSON.
    fn of(raw: &RawValue) -> Self {
        if !raw.get().starts_with('{') {
            let message = object::text_of(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned);
            return Self { code: None, message, details: None, retry_after: None };
        }
        Self::of_object(&Object::parse(raw))
    }

    /// Reads an object with a code and a message.
    fn of_object(refusal: &Object<'_>) -> Self {
        let others = || refusal.keys().filter(|key| !matches!(*key, "code" | "message"));
        let written = others().map(|key| key.len() + refusal.get(key).map_or(0, |value| value.get().len()));
        let details: Map<String, Value> = match written.sum::<usize>() {
            0..=LARGEST_DETAILS => {
                others().filter_map(|key| Some((key.to_owned(), object::value_of(refusal.get(key)?.get())))).collect()
            }
            _ => Map::new(),
        };
        Self {
            code: code_of(refusal.get("code")),
            message: message_of(refusal),
            retry_after: retry_after_of(refusal).or_else(|| retry_after_of(&refusal.object("data"))),
            details: (!details.is_empty())
                .then_some(Value::Object(details))
                .filter(|details| bytes_of_value(details) <= 4 * LARGEST_DETAILS),
        }
    }
}

/// Interprets the response to a request.
pub(crate) fn judge(body: Result<&RawValue, WireError>) -> Result<Reply, WireError> {
    let result = body?;
    if !result.get().starts_with('{') {
        return Ok(Reply::of(result));
    }
    let [code, wrapped] = object::pick(result.get(), ["code", "result"]).values;
    // Older servers wrap the result twice.
    let (judged, code) = match (code, wrapped) {
        (None, Some(wrapped)) => {
            let [code] = object::pick(wrapped.get(), ["code"]).values;
            (wrapped, code)
        }
        _ => (result, code),
    };
    match code {
        Some(code) if !is_success(code) => Err(WireError::of_object(&Object::parse(judged))),
        _ => Ok(Reply::of(result)),
    }
}

/// Returns `true` if a code, a string or a number, is of the form 2xx.
fn is_success(raw: &RawValue) -> bool {
    match object::text_of(raw) {
        Some(text) => matches!(text.as_bytes(), [b'2', b'0'..=b'9', b'0'..=b'9']),
        None => code_of(Some(raw)).is_some_and(|code| (200..=299).contains(&code)),
    }
}

fn code_of(raw: Option<&RawValue>) -> Option<i64> {
    let raw = raw?;
    match object::text_of(raw) {
        Some(text) => text.trim().parse().ok(),
        None => object::number_of(raw).filter(|code| code.fract() == 0.0).and_then(|_| object::integer_of(raw)),
    }
}

fn message_of(object: &Object<'_>) -> String {
    match object.get("message") {
        Some(raw) => object::text_of(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned),
        None => NO_MESSAGE.to_owned(),
    }
}

/// Reads the delay in seconds. A negative value or another type counts as absent.
fn retry_after_of(object: &Object<'_>) -> Option<Duration> {
    let seconds = object.optional_number("retry_after")?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Returns `None` for `null`.
fn present(raw: &RawValue) -> Option<&RawValue> {
    (!is_null(raw)).then_some(raw)
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The service's whole response to a request that it accepted.
#[derive(Clone, Default)]
pub struct Reply(Option<Arc<str>>);

impl Reply {
    fn of(result: &RawValue) -> Self {
        if result.get().starts_with('{') {
            return Self(Some(result.get().into()));
        }
        Self(Some(format!("{{\"raw\":{}}}", result.get()).into()))
    }

    /// The empty response: `{}`.
    #[must_use]
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// The result as it arrived: the text of a JSON object. A result that is no object is under `raw`.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.as_deref().unwrap_or("{}")
    }

    /// The result as a JSON object.
    #[must_use]
    pub fn value(&self) -> Value {
        object::value_of(self.json())
    }

    /// Returns one member of the result. `None` if the member is absent or `null`. Older servers wrap the result in a
    /// member `result`: a missing member is searched for there too.
    ///
    /// ```no_run
    /// # use serde_json::json;
    /// # fn main() -> signalwire_relay::Result<()> {
    /// # let client = signalwire_relay::Client::from_env()?;
    /// let reply = client.execute("signalwire.ping", json!({}))?;
    /// println!("{:?} {:?}", reply.code(), reply.get("timestamp"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        let member = self.raw_member(key)?;
        serde_json::from_str(member.get()).ok()
    }

    /// Returns a member that is a string, like [`get`](Self::get).
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        object::text_of(self.raw_member(key)?).map(Cow::into_owned)
    }

    fn raw_member(&self, key: &str) -> Option<&RawValue> {
        let outer = Object::parse_text(self.json());
        outer.get(key).or_else(|| outer.object("result").get(key))
    }

    /// The service's message. Its text differs between versions of the service: a program should not depend on it.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.text("message")
    }

    /// The service's code, usually 200.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        code_of(self.raw_member("code"))
    }
}

/// Masks secrets and content; [`json`](Reply::json) has them.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", redact_keys(self.json()))
    }
}

impl<'a> EventHead<'a> {
    /// Reads a payload. The result is empty if the payload is no object.
    pub(crate) fn parse(payload: &'a RawValue) -> Self {
        quick::head(payload).unwrap_or_else(|| Self::parse_text(payload.get()))
    }
}

// Outbound frames.

/// Writes a request. `params` is the text of an object.
pub(crate) fn request(id: Uuid, method: &str, params: &str) -> String {
    // The capacity is exact, because a text with spare capacity costs another allocation on its way into a frame.
    let mut out = String::with_capacity(params.len() + method.len() + 83);
    out.push_str(r#"{"jsonrpc":"2.0","id":""#);
    out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    out.push_str(r#"","method":"#);
    push_string(&mut out, method);
    out.push_str(r#","params":"#);
    out.push_str(params);
    out.push('}');
    out
}

/// Writes a request that gets no response. `params` is the text of an object.
pub(crate) fn notification(method: &str, params: &str) -> String {
    let mut out = String::with_capacity(params.len() + method.len() + 48);
    out.push_str(r#"{"jsonrpc":"2.0","method":"#);
    push_string(&mut out, method);
    out.push_str(r#","params":"#);
    out.push_str(params);
    out.push('}');
    out
}

/// Writes the acknowledgement of an event or of a request that requires nothing more.
pub(crate) fn ack(id: &RawValue) -> String {
    reply(id, "{}")
}

/// Appends an acknowledgement to a text.
pub(crate) fn push_ack(out: &mut String, id: &RawValue) {
    push_reply(out, id, "{}");
}

/// Writes the response to `signalwire.ping`, with the ping's own parameters.
pub(crate) fn pong(id: &RawValue, params: Option<&RawValue>) -> String {
    let params = params.map(Object::parse).unwrap_or_default();
    let mut result = String::from("{");
    for key in ["timestamp", "payload"] {
        if let Some(value) = params.get(key) {
            if result.len() > 1 {
                result.push(',');
            }
            push_string(&mut result, key);
            result.push(':');
            result.push_str(value.get());
        }
    }
    result.push('}');
    reply(id, &result)
}

/// Writes the response to a request of an unsupported method.
pub(crate) fn method_not_found(id: &RawValue) -> String {
    let id = id.get();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#)
}

fn reply(id: &RawValue, result: &str) -> String {
    // The capacity is exact, as for a request.
    let mut out = String::with_capacity(id.get().len() + result.len() + 33);
    push_reply(&mut out, id, result);
    out
}

fn push_reply(out: &mut String, id: &RawValue, result: &str) {
    for part in [r#"{"jsonrpc":"2.0","id":"#, id.get(), r#","result":"#, result, "}"] {
        out.push_str(part);
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

// Inbound frames.

/// The members of a JSON-RPC frame, not read yet.
#[derive(Default)]
struct Frame<'a> {
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    /// The envelope, in place of `params`, if the frame was known to be an event before them.
    envelope: Option<Envelope<'a>>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Frame<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor)
    }
}

/// Reads the members of a JSON-RPC frame.
struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut frame = Frame::default();
        while let Some(Text(key)) = map.next_key()? {
            // `null` is a valid result and a valid error; under other keys it counts as absent.
            match key.as_deref().unwrap_or_default() {
                "id" => frame.id = present(map.next_value()?),
                "method" => frame.method = present(map.next_value()?),
                "params" if frame.method.is_some_and(|method| method.get() == EVENT_JSON) => {
                    frame.envelope = map.next_value::<MaybeEnvelope<'de>>()?.0;
                }
                "params" => frame.params = present(map.next_value()?),
                "result" => frame.result = Some(map.next_value()?),
                "error" => frame.error = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(response: &str) -> Result<Value, (Option<i64>, String)> {
        let frame = format!(r#"{{"id":"6f0c2e44-8a5e-4f39-9f0e-5d2f6f6b7a10",{response}}}"#);
        let Incoming::Reply { id: ReplyId::Ours(_), body } = Incoming::parse(&frame) else {
            panic!("{frame} is a reply to one of our requests");
        };
        judge(body).map(|reply| reply.value()).map_err(|error| (error.code, error.message))
    }

    #[test]
    fn members_of_a_wrapped_result_are_found() {
        let found = |json: &str| {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            let reply = judge(Ok(raw)).expect("a success");
            (reply.code(), reply.text("message_id"), reply.get("protocol"), reply.message())
        };
        let text = |text: &str| Some(text.to_owned());
        let wrapped =
            r#"{"requester_nodeid":"x","result":{"code":"200","message":"ok","message_id":"m","protocol":"p"}}"#;
        assert_eq!(found(wrapped), (Some(200), text("m"), Some("p".into()), text("ok")));
        // The outer result takes precedence.
        let both =
            r#"{"code":"200","message_id":"outer","protocol":null,"result":{"message_id":"inner","protocol":"p"}}"#;
        assert_eq!(found(both), (Some(200), text("outer"), Some("p".into()), None));
        assert_eq!(found(r#"{"code":"200","result":"text"}"#), (Some(200), None, None, None));
    }

    #[test]
    fn responses_are_judged_by_code() {
        for (response, value) in [
            (r#""result":{"code":"200","message":"OK"}"#, json!({"code": "200", "message": "OK"})),
            (r#""result":{"code":200}"#, json!({"code": 200})),
            (r#""result":{"code":"202","url":"https://x/y"}"#, json!({"code": "202", "url": "https://x/y"})),
            (r#""result":{"call_id":"c","any":[1,{"a":null}]}"#, json!({"call_id": "c", "any": [1, {"a": null}]})),
            (r#""result":{"code":null}"#, json!({"code": null})),
            (r#""result":{}"#, json!({})),
            (r#""result":null"#, json!({"raw": null})),
            (r#""result":5"#, json!({"raw": 5})),
            (r#""result":[1,2]"#, json!({"raw": [1, 2]})),
            (r#""result":"text""#, json!({"raw": "text"})),
            (r#""result":{"result":{"code":"200"}}"#, json!({"result": {"code": "200"}})),
            (r#""result":{"code":"200"},"error":null"#, json!({"code": "200"})),
        ] {
            assert_eq!(judged(response), Ok(value), "{response}");
        }
        for (response, code, message) in [
            (r#""result":{"code":"403","message":"Forbidden"}"#, Some(403), "Forbidden"),
            (r#""result":{"code":410,"message":"Gone"}"#, Some(410), "Gone"),
            (r#""result":{"code":"503"}"#, Some(503), "Unknown error"),
            (r#""result":{"code":true,"message":"bool"}"#, None, "bool"),
            (r#""result":{"code":0,"message":"zero"}"#, Some(0), "zero"),
            (r#""result":{"code":-1,"message":"neg"}"#, Some(-1), "neg"),
            (r#""result":{"code":"odd","message":"odd"}"#, None, "odd"),
            (r#""result":{"code":"2000","message":"long"}"#, Some(2000), "long"),
            (r#""result":{"code":"500","message":12}"#, Some(500), "12"),
            (r#""result":{"result":{"code":"404","message":"inner"}}"#, Some(404), "inner"),
            (r#""error":{"code":-32601,"message":"Method not found"}"#, Some(-32601), "Method not found"),
            (r#""error":{"code":"500","message":"text code"}"#, Some(500), "text code"),
            (r#""error":{"message":"no code"}"#, None, "no code"),
            (r#""error":{"code":-32603}"#, Some(-32603), "Unknown error"),
            (r#""error":{"code":null,"message":"null code"}"#, None, "null code"),
            (r#""error":{}"#, None, "Unknown error"),
            (r#""error":"plain text""#, None, "plain text"),
            (r#""error":[1]"#, None, "[1]"),
            (r#""result":{"code":"200"},"error":{"code":1,"message":"both"}"#, Some(1), "both"),
        ] {
            assert_eq!(judged(response), Err((code, message.to_owned())), "{response}");
        }
    }

    #[test]
    fn details_beyond_their_bound_are_left_out() {
        let refused = |details: &str| {
            let response = format!(r#""result":{{"code":"400","message":"no","data":{details}}}"#);
            let frame = format!(r#"{{"id":"6f0c2e44-8a5e-4f39-9f0e-5d2f6f6b7a10",{response}}}"#);
            let Incoming::Reply { body, .. } = Incoming::parse(&frame) else { panic!("{frame} is a reply") };
            judge(body).expect_err("a refusal")
        };
        for (details, kept) in [
            (format!("\"{}\"", "x".repeat(60_000)), true),
            (format!("\"{}\"", "x".repeat(70_000)), false),
            // Parsed, these need a hundred times the memory of their text.
            (format!("[{}0]", "{\"\":0},".repeat(200)), true),
            (format!("[{}0]", "{\"\":0},".repeat(5_000)), false),
        ] {
            let refusal = refused(&details);
            assert_eq!((refusal.code, &*refusal.message), (Some(400), "no"));
            assert_eq!(refusal.details.is_some(), kept, "{} bytes", details.len());
        }
    }

    #[test]
    fn the_details_of_a_refusal_are_all_it_says_besides_code_and_message() {
        for (response, details) in [
            (r#""error":{"code":1,"message":"m","data":{"x":[1]}}"#, Some(json!({"data": {"x": [1]}}))),
            (r#""error":{"data":"text","more":1}"#, Some(json!({"data": "text", "more": 1}))),
            (
                r#""result":{"code":"422","message":"m","errors":[{"code":"a"}]}"#,
                Some(json!({"errors": [{"code": "a"}]})),
            ),
            (r#""result":{"result":{"code":"404","errors":[]},"x":1}"#, Some(json!({"errors": []}))),
            (r#""result":{"code":"400","message":"m","errors":null}"#, None),
            (r#""error":{"code":1,"message":"m","data":null}"#, None),
            (r#""error":"plain text""#, None),
        ] {
            let frame = format!(r#"{{"id":"6f0c2e44-8a5e-4f39-9f0e-5d2f6f6b7a10",{response}}}"#);
            let Incoming::Reply { body, .. } = Incoming::parse(&frame) else { panic!("{frame} is a reply") };
            assert_eq!(judge(body).err().map(|refusal| refusal.details), Some(details), "{response}");
        }
    }

    #[test]
    fn requests_keep_any_id() {
        for id in ["1", "\"ev-71\"", "\"\\u00e4\u{1f389}\"", "-1.5e3", "{\"a\":[]}", "true"] {
            let text = format!(r#"{{"method":"signalwire.ping","id":{id},"params":{{}},"result":{{}}}}"#);
            let Incoming::Request { id: Some(raw), method, params: Some(_) } = Incoming::parse(&text) else {
                panic!("{text}")
            };
            assert_eq!((raw.get(), &*method), (id, "signalwire.ping"));
            assert_eq!(ack(raw), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        }
        let text = r#"{"method":"x","id":null}"#;
        assert!(matches!(Incoming::parse(text), Incoming::Request { id: None, params: None, .. }));
    }

    #[test]
    fn events_come_with_their_envelope_in_any_order_of_keys() {
        for text in [
            r#"{"method":"signalwire.event","id":1,"params":{"event_type":"x","params":{"a":1}}}"#,
            r#"{"params":{"params":{"a":1},"event_type":"x"},"id":1,"method":"signalwire.event"}"#,
            r#"{"method":"signalwire\u002eevent","id":1,"params":{"event_type":"x","params":{"a":1}}}"#,
            r#"{"result":{},"method":"signalwire.event","id":1,"params":{"event_type":"x","params":{"a":1}},"error":{}}"#,
        ] {
            let Incoming::Event { id: Some(id), envelope } = Incoming::parse(text) else { panic!("{text}") };
            assert_eq!((id.get(), &*envelope.event_type, envelope.params.get()), ("1", "x", r#"{"a":1}"#));
        }
        for params in ["null", "5", "-5", "1.5", "true", "\"x\"", "[1,{}]"] {
            for text in [
                format!(r#"{{"method":"signalwire.event","params":{params},"id":2}}"#),
                format!(r#"{{"params":{params},"method":"signalwire.event","id":2}}"#),
            ] {
                assert!(matches!(Incoming::parse(&text), Incoming::Request { id: Some(_), .. }), "{text}");
            }
        }
    }

    #[test]
    fn odd_frames_are_malformed_and_nothing_worse() {
        for text in ["", "nonsense", "[]", "5", "null", "{}", r#"{"id":1}"#, r#"{"result":{}}"#, r#"{"method":5}"#, "{"]
        {
            assert!(matches!(Incoming::parse(text), Incoming::Malformed(_)), "{text}");
        }
        let text = r#"{"id":7,"result":{}}"#;
        assert!(matches!(Incoming::parse(text), Incoming::Reply { id: ReplyId::Other, body: Ok(_) }));
    }

    #[test]
    fn envelopes_and_heads_take_anything() {
        let envelope = Envelope::parse_text(r#"{"event_type":5,"timestamp":"x","params":[1],"context":"c\u0061"}"#)
            .expect("an object");
        assert_eq!((&*envelope.event_type, envelope.timestamp, envelope.params.get()), ("", None, "[1]"));
        assert_eq!(envelope.context.as_deref(), Some("ca"));
        assert!(EventHead::parse(envelope.params).call_id.is_none());
        assert_eq!(Envelope::parse_text("{}").map(|envelope| envelope.params.get()), Some("{}"));
        assert!(Envelope::parse_text("[]").is_none());

        let head = EventHead::parse_text(
            r#"{"call_id":"c","node_id":null,"tag":{"a":1},"call":{"call_id":"d"},"device":null,"state":["x"]}"#,
        );
        assert_eq!(head.call_id.as_deref(), Some("c"));
        assert!(head.node_id.is_none() && head.tag.is_none() && head.device.is_none() && head.state.is_none());
        let leg = head.call.map(EventHead::parse).unwrap_or_default();
        assert_eq!(leg.call_id.as_deref(), Some("d"));
    }

    #[test]
    fn frames_go_out_as_json() {
        let text = request(Uuid::nil(), "odd \"method\"", r#"{"a":1}"#);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value,
            json!({"jsonrpc": "2.0", "id": Uuid::nil().to_string(), "method": "odd \"method\"", "params": {"a": 1}})
        );
        let id: &RawValue = serde_json::from_str("\"p-1\"").expect("JSON");
        let params: &RawValue = serde_json::from_str(r#"{"timestamp":1.5,"payload":[1],"x":2}"#).expect("JSON");
        assert_eq!(pong(id, None), r#"{"jsonrpc":"2.0","id":"p-1","result":{}}"#);
        assert_eq!(pong(id, Some(params)), r#"{"jsonrpc":"2.0","id":"p-1","result":{"timestamp":1.5,"payload":[1]}}"#);
        assert!(method_not_found(id).contains("-32601"));
    }
}
