//! The fields that the service accepts: their description, and the check of a request against it.
//!
//! The descriptions come from the documentation of the service and from nothing of the client, so that a wrong name in
//! the client is noticed here.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::simulator::wire::reply::{Params, Refusal, refuse};

/// The fields that other clients add to every request about calls and messages; the service accepts them.
const ANY_REQUEST: &str = "protocol:s project_id:s";

/// Methods that the documentation names and the simulator rejects, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("signalwire.execute", "is a legacy method"),
    ("signalwire.event", "is for the service to send"),
    ("signalwire.disconnect", "is for the service to send"),
    ("calling.begin", "is a legacy method"),
    ("calling.receive", "is a legacy method"),
    ("calling.call", "is a legacy method"),
    ("provisioning.configure", "does not belong to calls or messages"),
];

/// Objects inside of requests.
///
/// Fields are written as `name:type`, with `!` where the field is required. A leading `+` stands for the `node_id` and
/// `call_id` of every method that addresses a call. Types: `s` string, `i` integer, `n` number, `b` boolean, `o` object,
/// `so` string or object, `[T]` array, `any`; a capital names one of these shapes, an `@` one of [`TAGGED`]. A `*`
/// stands for any further fields.
const SHAPES: &[(&str, &str)] = &[
    ("Version", "major:i! minor:i! revision:i!"),
    ("Record", "audio:RecordAudio"),
    (
        "RecordAudio",
        "beep:b format:s stereo:b direction:s initial_timeout:n end_silence_timeout:n terminators:s \
         input_sensitivity:n max_length:n",
    ),
    ("Digits", "max:i! min:i terminators:s digit_timeout:n"),
    ("Speech", "end_silence_timeout:n speech_timeout:n language:s hints:[s] engine:s model:s"),
    (
        "Collect",
        "initial_timeout:n digits:Digits speech:Speech partial_results:b continuous:b send_start_of_input:b \
         start_input_timers:b",
    ),
    ("Header", "name:s! value:s!"),
    ("Pair", "name:s! value:any!"),
    ("PayPrompt", "for:s! card_type:any error_type:any attempt:any require_matching_inputs:any actions:[PayAction]!"),
    ("PayAction", "type:s! phrase:s!"),
    ("Reset", "full_reset:b user_prompt:any system_prompt:any"),
    (
        "Stream",
        "url:s! name:s codec:s status_url:s status_url_method:s realtime:b authorization_bearer_token:s \
         custom_parameters:o",
    ),
];

/// Objects of the form `{"type": kind, "params": {...}}`: the name, then the kinds that are known.
const TAGGED: &[(&str, &[(&str, &str)])] = &[
    (
        "Media",
        &[
            ("audio", "url:s!"),
            ("tts", "text:s! language:s gender:s voice:s"),
            ("silence", "duration:n!"),
            ("ringtone", "name:s! duration:n"),
        ],
    ),
    (
        "Device",
        &[
            (
                "phone",
                "to_number:s! from_number:s timeout:i call_state_url:s call_state_events:[s] confirm:so \
                 confirm_timeout:i max_duration:i",
            ),
            (
                "sip",
                "to:s! from:s from_name:s timeout:i headers:[Header] codecs:[s] webrtc_media:b encryption:s \
                 username:s password:s session_timeout:i call_state_url:s call_state_events:[s] confirm:so \
                 confirm_timeout:i max_duration:i",
            ),
            ("fabric", "to:s! from:s timeout:i call_state_url:s call_state_events:[s] confirm:so confirm_timeout:i"),
            (
                "webrtc",
                "to:s from:s timeout:i codecs:[s] call_state_url:s call_state_events:[s] confirm:so confirm_timeout:i",
            ),
            (
                "agora",
                "from:s! appid:s! channel:s! to:s timeout:i call_state_url:s call_state_events:[s] confirm:so \
                 confirm_timeout:i",
            ),
            ("call", "node_id:s! call_id:s!"),
            ("queue", "node_id:s! queue_name:s! queue_id:s execute_after_queue:s"),
            (
                "stream",
                "url:s! name:s codec:s status_url:s status_url_method:s realtime:b \
                 authorization_bearer_token:s custom_parameters:o",
            ),
        ],
    ),
    ("ReferDevice", &[("sip", "to:s! from:s username:s password:s headers:[Header]")]),
    ("TapDevice", &[("rtp", "addr:s! port:i! codec:s ptime:i"), ("ws", "uri:s! codec:s rate:i")]),
    (
        "Detect",
        &[
            (
                "machine",
                "initial_timeout:n end_silence_timeout:n machine_ready_timeout:n machine_voice_threshold:n \
                 machine_words_threshold:i detect_interruptions:b detect_message_end:b",
            ),
            ("fax", "tone:s"),
            ("digit", "digits:s"),
        ],
    ),
    ("Tap", &[("audio", "direction:s")]),
];

/// The type of a field.
#[derive(Clone, Debug)]
enum Type {
    Text,
    Whole,
    Number,
    Bool,
    Object,
    TextOrObject,
    Any,
    List(Box<Type>),
    Shape(&'static str),
    Tagged(&'static str),
}

/// A field of a method's parameters.
#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: Type,
    required: bool,
}

/// The shapes of nested objects, by their names.
struct Tables {
    shapes: HashMap<&'static str, Vec<Field>>,
    tagged: HashMap<&'static str, HashMap<&'static str, Vec<Field>>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    shapes: SHAPES.iter().map(|(name, text)| (*name, fields(text))).collect(),
    tagged: TAGGED
        .iter()
        .map(|(name, kinds)| (*name, kinds.iter().map(|(kind, text)| (*kind, fields(text))).collect()))
        .collect(),
});

fn fields_of_method(name: &str, text: &'static str) -> Vec<Field> {
    let mut all = fields(text);
    if !name.starts_with("signalwire.") {
        all.extend(fields(ANY_REQUEST));
    }
    all
}

fn fields(text: &'static str) -> Vec<Field> {
    let mut out = Vec::new();
    for word in text.split_ascii_whitespace() {
        if word == "+" {
            out.push(Field { name: "node_id", kind: Type::Text, required: true });
            out.push(Field { name: "call_id", kind: Type::Text, required: true });
            continue;
        }
        let (name, kind) = word.split_once(':').unwrap_or((word, "any"));
        let required = kind.ends_with('!');
        out.push(Field { name, kind: parse_type(kind.trim_end_matches('!')), required });
    }
    out
}

fn parse_type(text: &'static str) -> Type {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Type::List(Box::new(parse_type(inner)));
    }
    if let Some(name) = text.strip_prefix('@') {
        return Type::Tagged(name);
    }
    match text {
        "s" => Type::Text,
        "i" => Type::Whole,
        "n" => Type::Number,
        "b" => Type::Bool,
        "o" => Type::Object,
        "so" => Type::TextOrObject,
        "any" => Type::Any,
        name => Type::Shape(name),
    }
}

/// The error in a request.
#[derive(Debug, PartialEq, Eq)]
enum SchemaError {
    /// A field that the service does not know; the path to it.
    Unknown(String),
    /// A field is missing or has the wrong type; a sentence.
    Wrong(String),
}

/// The errors in a request, as sentences, and whether it is rejected for them.
pub(crate) type Judgement = (Vec<String>, Result<(), Refusal>);

/// Methods and their fields.
pub(crate) struct Methods(HashMap<&'static str, Vec<Field>>);

impl Methods {
    pub(crate) fn new(rows: impl Iterator<Item = (&'static str, &'static str)>) -> Self {
        Self(rows.map(|(name, text)| (name, fields_of_method(name, text))).collect())
    }

    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    pub(crate) fn knows(&self, method: &str) -> bool {
        self.0.contains_key(method)
    }

    /// `true` if the method addresses a call.
    pub(crate) fn addresses_a_call(&self, method: &str) -> bool {
        self.needs(method, "call_id")
    }

    /// `true` if the method has such a field and requires it.
    pub(crate) fn needs(&self, method: &str, name: &str) -> bool {
        let fields = self.0.get(method);
        fields.is_some_and(|fields| fields.iter().any(|field| field.name == name && field.required))
    }

    /// Checks a request; returns its errors, and whether it is rejected.
    pub(crate) fn judge(&self, method: &str, params: &Params, allow_unknown_fields: bool) -> Judgement {
        if !self.knows(method) {
            let why = refused(method).unwrap_or("there is no such method");
            return (vec![format!("{method}: {why}")], refuse(-32601, "Method not found"));
        }
        let code = if method.starts_with("signalwire.") { -32602 } else { 400 };
        let (mut violations, mut refusal) = (Vec::new(), Ok(()));
        for error in self.check(method, params) {
            match error {
                SchemaError::Unknown(_) if allow_unknown_fields => {}
                // The service ignores unknown fields and carries the request out.
                SchemaError::Unknown(path) => violations.push(format!("{method}: unknown field {path}")),
                SchemaError::Wrong(why) => {
                    violations.push(format!("{method}: {why}"));
                    if refusal.is_ok() {
                        refusal = refuse(code, why);
                    }
                }
            }
        }
        (violations, refusal)
    }

    /// Everything that is wrong with the parameters of a request; empty for an unknown method.
    fn check(&self, method: &str, params: &Params) -> Vec<SchemaError> {
        let mut errors = Vec::new();
        if let Some(fields) = self.0.get(method) {
            check_fields("", fields, params, &mut errors);
        }
        errors
    }
}

/// The reason why a documented method is rejected all the same.
pub(crate) fn refused(method: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(name, _)| *name == method).map(|(_, why)| *why)
}

#[cfg(test)]
pub(crate) fn refused_names() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|(name, _)| *name)
}

fn check_fields(path: &str, fields: &[Field], given: &Map<String, Value>, errors: &mut Vec<SchemaError>) {
    for field in fields {
        match given.get(field.name) {
            Some(value) => check_value(&join(path, field.name), &field.kind, value, errors),
            None if field.required => errors.push(SchemaError::Wrong(format!("{} is missing", join(path, field.name)))),
            None => {}
        }
    }
    if fields.iter().any(|field| field.name == "*") {
        return;
    }
    for name in given.keys() {
        if !fields.iter().any(|field| field.name == name) {
            errors.push(SchemaError::Unknown(join(path, name)));
        }
    }
}

fn check_value(path: &str, kind: &Type, value: &Value, errors: &mut Vec<SchemaError>) {
    let fits = match kind {
        Type::Any => true,
        Type::Text => value.is_string(),
        Type::Whole => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Type::Number => value.is_number(),
        Type::Bool => value.is_boolean(),
        Type::Object => value.is_object(),
        Type::TextOrObject => value.is_string() || value.is_object(),
        Type::List(inner) => match value.as_array() {
            Some(items) => {
                for (at, item) in items.iter().enumerate() {
                    check_value(&format!("{path}[{at}]"), inner, item, errors);
                }
                true
            }
            None => false,
        },
        Type::Shape(name) => match (value.as_object(), TABLES.shapes.get(name)) {
            (Some(object), Some(fields)) => {
                check_fields(path, fields, object, errors);
                true
            }
            _ => false,
        },
        Type::Tagged(name) => match value.as_object() {
            Some(object) => {
                check_tagged(path, name, object, errors);
                true
            }
            None => false,
        },
    };
    if !fits {
        errors.push(SchemaError::Wrong(format!("{path} must be {}", describe(kind))));
    }
}

fn check_tagged(path: &str, name: &str, object: &Map<String, Value>, errors: &mut Vec<SchemaError>) {
    for key in object.keys() {
        if key != "type" && key != "params" {
            errors.push(SchemaError::Unknown(join(path, key)));
        }
    }
    // The service treats a detector without a type as one for answering machines.
    let default = if name == "Detect" { Some("machine") } else { None };
    let Some(kind) = object.get("type").and_then(Value::as_str).or(default) else {
        errors.push(SchemaError::Wrong(format!("{} is missing", join(path, "type"))));
        return;
    };
    let Some(fields) = TABLES.tagged.get(name).and_then(|kinds| kinds.get(kind)) else {
        errors.push(SchemaError::Wrong(format!("{} has the unknown value {kind:?}", join(path, "type"))));
        return;
    };
    let inner = join(path, "params");
    match object.get("params") {
        Some(Value::Object(params)) => check_fields(&inner, fields, params, errors),
        Some(_) => errors.push(SchemaError::Wrong(format!("{inner} must be an object"))),
        // The object `tap` has no required field, but the object itself is required.
        None if name == "Tap" => errors.push(SchemaError::Wrong(format!("{inner} is missing"))),
        None => check_fields(&inner, fields, &Map::new(), errors),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn describe(kind: &Type) -> &'static str {
    match kind {
        Type::Text => "a string",
        Type::Whole => "an integer",
        Type::Number => "a number",
        Type::Bool => "a boolean",
        Type::Object | Type::Shape(_) | Type::Tagged(_) => "an object",
        Type::TextOrObject => "a string or an object",
        Type::List(_) => "an array",
        Type::Any => "present",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::service::methods::all;

    fn faults(method: &str, params: Value) -> Vec<SchemaError> {
        all().check(method, params.as_object().expect("tests give objects"))
    }

    #[test]
    fn every_shape_that_is_named_exists() {
        fn visit(kind: &Type) {
            match kind {
                Type::List(inner) => visit(inner),
                Type::Shape(name) => assert!(TABLES.shapes.contains_key(name), "{name}"),
                Type::Tagged(name) => assert!(TABLES.tagged.contains_key(name), "{name}"),
                _ => {}
            }
        }
        let tagged = TABLES.tagged.values().flat_map(HashMap::values);
        for fields in all().0.values().chain(TABLES.shapes.values()).chain(tagged) {
            for field in fields {
                visit(&field.kind);
            }
        }
    }

    #[test]
    fn a_sound_request_has_no_faults() {
        let play = json!({"node_id": "n", "call_id": "c", "control_id": "o", "loop": 2, "volume": -3,
            "play": [{"type": "tts", "params": {"text": "hi", "voice": "x"}}, {"type": "silence", "params": {"duration": 0.5}}]});
        assert_eq!(faults("calling.play", play), []);
    }

    #[test]
    fn faults_are_named_with_their_path() {
        let dial = json!({"tag": 7, "devices": [[{"type": "phone", "params": {"to_nmber": "+1"}}]]});
        let found = faults("calling.dial", dial);
        assert!(found.contains(&SchemaError::Wrong("tag must be a string".into())), "{found:?}");
        assert!(found.contains(&SchemaError::Wrong("devices[0][0].params.to_number is missing".into())), "{found:?}");
        assert!(found.contains(&SchemaError::Unknown("devices[0][0].params.to_nmber".into())), "{found:?}");
    }
}
