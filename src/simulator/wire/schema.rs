//! What the service accepts: every method with its fields, and the check of a request against it.
//!
//! Made from the published descriptions and from nothing of the client, so that a wrong name over there cannot be
//! right over here too.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// A method and its fields: `name:type`, with `!` where the field is required. A leading `+` stands for the
/// `node_id` and `call_id` of every method that addresses a call.
///
/// Types: `s` string, `i` integer, `n` number, `b` boolean, `o` object, `so` string or object, `[T]` array,
/// `any`; a capital names one of [`SHAPES`], an `@` one of [`TAGGED`]. A `*` stands for any further fields.
const METHODS: &[(&str, &str)] = &[
    (
        "signalwire.connect",
        "version:Version! agent:s event_acks:b authentication:o! contexts:[s] protocol:s \
         authorization_state:s dpop_token:s topics:[s] eventing:[s] host:s identity:s params:o protocols:[o] \
         project:s token:s",
    ),
    ("signalwire.ping", "timestamp:n payload:s"),
    ("signalwire.receive", "contexts:[s]! context:s"),
    ("signalwire.unreceive", "contexts:[s]!"),
    ("signalwire.reauthenticate", "authentication:o! dpop_token:s"),
    (
        "calling.dial",
        "tag:s! devices:[[@Device]]! max_duration:i region:s max_price_per_minute:n timeout:n send_digits:s \
         dest_swml:so node_id:s",
    ),
    ("calling.answer", "+ codecs:[s] max_duration:i"),
    ("calling.end", "+ reason:s"),
    ("calling.pass", "+"),
    (
        "calling.connect",
        "+ devices:[[@Device]]! ringback:[@Media] tag:s max_duration:i max_price_per_minute:n status_url:s \
         timeout:n send_digits:s",
    ),
    ("calling.disconnect", "+ reason:s"),
    ("calling.transfer", "+ dest:so!"),
    ("calling.refer", "+ device:@ReferDevice! status_url:s"),
    ("calling.hold", "+"),
    ("calling.unhold", "+"),
    (
        "calling.play",
        "+ control_id:s! play:[@Media]! volume:n direction:s loop:i status_url:s language:s voice:s gender:s",
    ),
    ("calling.play.pause", "+ control_id:s! behavior:s"),
    ("calling.play.resume", "+ control_id:s!"),
    ("calling.play.stop", "+ control_id:s!"),
    ("calling.play.volume", "+ control_id:s! volume:n!"),
    ("calling.record", "+ control_id:s! record:Record! status_url:s"),
    ("calling.record.pause", "+ control_id:s! behavior:s"),
    ("calling.record.resume", "+ control_id:s!"),
    ("calling.record.stop", "+ control_id:s!"),
    (
        "calling.collect",
        "+ control_id:s! digits:Digits speech:Speech initial_timeout:n partial_results:b continuous:b \
         send_start_of_input:b start_input_timers:b status_url:s continue:b",
    ),
    ("calling.collect.stop", "+ control_id:s!"),
    ("calling.collect.start_input_timers", "+ control_id:s!"),
    ("calling.play_and_collect", "+ control_id:s! play:[@Media]! collect:Collect! volume:n status_url:s"),
    ("calling.play_and_collect.stop", "+ control_id:s!"),
    ("calling.play_and_collect.volume", "+ control_id:s! volume:n!"),
    ("calling.play_and_collect.pause", "+ control_id:s! behavior:s"),
    ("calling.play_and_collect.resume", "+ control_id:s!"),
    ("calling.detect", "+ control_id:s! detect:@Detect! timeout:n status_url:s"),
    ("calling.detect.stop", "+ control_id:s!"),
    ("calling.send_digits", "+ control_id:s! digits:s!"),
    (
        "calling.pay",
        "+ control_id:s! payment_connector_url:s! input:s status_url:s payment_method:s timeout:s \
         max_attempts:s security_code:s postal_code:s min_postal_code_length:s token_type:s charge_amount:s \
         currency:s language:s voice:s description:s valid_card_types:s parameters:[Pair] prompts:[PayPrompt] \
         bank_account_type:s say_voice:s",
    ),
    ("calling.pay.stop", "+ control_id:s!"),
    ("calling.send_fax", "+ control_id:s! document:s! identity:s header_info:s status_url:s"),
    ("calling.send_fax.stop", "+ control_id:s!"),
    ("calling.receive_fax", "+ control_id:s! status_url:s"),
    ("calling.receive_fax.stop", "+ control_id:s!"),
    ("calling.tap", "+ control_id:s! tap:@Tap! device:@TapDevice! status_url:s"),
    ("calling.tap.stop", "+ control_id:s!"),
    (
        "calling.stream",
        "+ control_id:s! url:s! name:s codec:s track:s status_url:s status_url_method:s \
         authorization_bearer_token:s custom_parameters:o async:b swml:b",
    ),
    ("calling.stream.stop", "+ control_id:s! async:b swml:b"),
    ("calling.transcribe", "+ control_id:s! status_url:s"),
    ("calling.transcribe.stop", "+ control_id:s!"),
    ("calling.live_transcribe", "+ action:so! async:b swml:b"),
    ("calling.live_translate", "+ action:so! status_url:s async:b swml:b"),
    (
        "calling.join_conference",
        "+ name:s! muted:b beep:s start_on_enter:b end_on_exit:b wait_url:s max_participants:i record:s \
         region:s trim:s coach:s status_callback:s status_callback_event:s status_callback_event_type:s \
         status_callback_method:s recording_status_callback:s recording_status_callback_event:s \
         recording_status_callback_event_type:s recording_status_callback_method:s stream:Stream acl:s \
         emit_call_quality:b swml:b",
    ),
    ("calling.leave_conference", "+ conference_id:s! async:b"),
    ("calling.join_room", "+ name:s! status_url:s hagrid_json_api_url:s hagrid_node_id:s swml:b"),
    ("calling.leave_room", "+ async:b"),
    (
        "calling.queue.enter",
        "+ control_id:s! queue_name:s! status_url:s wait_url:s wait_time:i execute_after_queue:s \
         whisper_url:s",
    ),
    ("calling.queue.leave", "+ control_id:s! queue_name:s! queue_id:s status_url:s"),
    ("calling.denoise", "+"),
    ("calling.denoise.stop", "+"),
    ("calling.echo", "+ timeout:n status_url:s swml:b"),
    ("calling.bind_digit", "+ digits:s! bind_method:s! params:o realm:s max_triggers:i swml:b"),
    ("calling.clear_digit_bindings", "+ realm:s swml:b"),
    ("calling.user_event", "+ event:any async:b swml:b *"),
    (
        "calling.ai",
        "+ control_id:s! agent:s prompt:o post_prompt:o post_prompt_url:s post_prompt_auth_user:s \
         post_prompt_auth_password:s global_data:o pronounce:[any] hints:[any] languages:[any] SWAIG:o \
         params:o",
    ),
    ("calling.ai.stop", "+ control_id:s!"),
    (
        "calling.amazon_bedrock",
        "+ prompt:any SWAIG:o params:o global_data:o post_prompt:o post_prompt_url:s control_id:s \
         async:b swml:b",
    ),
    ("calling.ai_message", "+ message_text:s role:s reset:Reset global_data:o control_id:s async:b swml:b"),
    ("calling.ai_hold", "+ timeout:s prompt:s control_id:s async:b swml:b"),
    ("calling.ai_unhold", "+ prompt:s control_id:s async:b swml:b"),
    ("calling.ai_sidecar", "+"),
    ("calling.ai_sidecar.poke", "+ text:s!"),
    ("calling.ai_sidecar.ask", "+ text:s!"),
    ("calling.ai_sidecar.stop", "+"),
    ("calling.ai_sidecar.status", "+"),
    (
        "messaging.send",
        "context:s to_number:s! from_number:s! body:s media:[s] tags:[s] region:s tag:s status_callback:s \
         send_as_mms:b message_type:s template_id:s header_template_parameters:any \
         body_template_parameters:any button_template_parameters:any",
    ),
];

/// What other clients add to every request about calls and messages; the service takes it.
const ANY_REQUEST: &str = "protocol:s project_id:s";

/// Methods that the published material names and the simulator refuses, with the reason.
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

#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: Type,
    required: bool,
}

struct Tables {
    methods: HashMap<&'static str, Vec<Field>>,
    shapes: HashMap<&'static str, Vec<Field>>,
    tagged: HashMap<&'static str, HashMap<&'static str, Vec<Field>>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    methods: METHODS.iter().map(|(name, text)| (*name, fields_of_method(name, text))).collect(),
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

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A field that the service does not know; the path to it.
    Unknown(String),
    /// A field is missing or has the wrong type; a sentence.
    Wrong(String),
}

/// Whether the service has such a method.
pub(crate) fn knows(method: &str) -> bool {
    TABLES.methods.contains_key(method)
}

/// Why a method that the published material names is refused all the same.
pub(crate) fn refused(method: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(name, _)| *name == method).map(|(_, why)| *why)
}

/// Whether the method addresses a call.
pub(crate) fn addresses_a_call(method: &str) -> bool {
    needs(method, "call_id")
}

/// Whether the method has such a field and requires it.
pub(crate) fn needs(method: &str, name: &str) -> bool {
    let fields = TABLES.methods.get(method);
    fields.is_some_and(|fields| fields.iter().any(|field| field.name == name && field.required))
}

/// All that is wrong with the parameters of a request; nothing for a method that is not known.
pub(crate) fn check(method: &str, params: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(fields) = TABLES.methods.get(method) {
        check_fields("", fields, params, &mut faults);
    }
    faults
}

fn check_fields(path: &str, fields: &[Field], given: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for field in fields {
        match given.get(field.name) {
            Some(value) => check_value(&join(path, field.name), &field.kind, value, faults),
            None if field.required => faults.push(Fault::Wrong(format!("{} is missing", join(path, field.name)))),
            None => {}
        }
    }
    if fields.iter().any(|field| field.name == "*") {
        return;
    }
    for name in given.keys() {
        if !fields.iter().any(|field| field.name == name) {
            faults.push(Fault::Unknown(join(path, name)));
        }
    }
}

fn check_value(path: &str, kind: &Type, value: &Value, faults: &mut Vec<Fault>) {
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
                    check_value(&format!("{path}[{at}]"), inner, item, faults);
                }
                true
            }
            None => false,
        },
        Type::Shape(name) => match (value.as_object(), TABLES.shapes.get(name)) {
            (Some(object), Some(fields)) => {
                check_fields(path, fields, object, faults);
                true
            }
            _ => false,
        },
        Type::Tagged(name) => match value.as_object() {
            Some(object) => {
                check_tagged(path, name, object, faults);
                true
            }
            None => false,
        },
    };
    if !fits {
        faults.push(Fault::Wrong(format!("{path} must be {}", describe(kind))));
    }
}

fn check_tagged(path: &str, name: &str, object: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for key in object.keys() {
        if key != "type" && key != "params" {
            faults.push(Fault::Unknown(join(path, key)));
        }
    }
    // The service takes a detector without a type for one of machines.
    let default = if name == "Detect" { Some("machine") } else { None };
    let Some(kind) = object.get("type").and_then(Value::as_str).or(default) else {
        faults.push(Fault::Wrong(format!("{} is missing", join(path, "type"))));
        return;
    };
    let Some(fields) = TABLES.tagged.get(name).and_then(|kinds| kinds.get(kind)) else {
        faults.push(Fault::Wrong(format!("{} has the unknown value {kind:?}", join(path, "type"))));
        return;
    };
    let inner = join(path, "params");
    match object.get("params") {
        Some(Value::Object(params)) => check_fields(&inner, fields, params, faults),
        Some(_) => faults.push(Fault::Wrong(format!("{inner} must be an object"))),
        // What to tap has no parameter that is required, and yet the object has to be there.
        None if name == "Tap" => faults.push(Fault::Wrong(format!("{inner} is missing"))),
        None => check_fields(&inner, fields, &Map::new(), faults),
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

    fn faults(method: &str, params: Value) -> Vec<Fault> {
        check(method, params.as_object().expect("tests give objects"))
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
        for fields in TABLES.methods.values().chain(TABLES.shapes.values()).chain(tagged) {
            for field in fields {
                visit(&field.kind);
            }
        }
    }

    /// Every method, those that are refused included.
    fn all() -> impl Iterator<Item = &'static str> {
        METHODS.iter().map(|(name, _)| *name).chain(REFUSED.iter().map(|(name, _)| *name))
    }

    #[test]
    fn the_page_on_methods_has_one_line_for_each() {
        let page = include_str!("../methods.md");
        let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for method in all() {
            assert_eq!(listed.iter().filter(|name| **name == method).count(), 1, "{method}");
        }
        for name in listed {
            assert!(all().any(|method| method == name), "{name} is no method");
        }
    }

    #[test]
    fn every_method_is_sent_by_a_test() {
        let tests = [
            include_str!("../tests/mod.rs"),
            include_str!("../tests/service.rs"),
            include_str!("../tests/operations.rs"),
            include_str!("../tests/together.rs"),
            include_str!("../tests/agents.rs"),
        ]
        .concat();
        for method in all() {
            assert!(tests.contains(&format!("\"{method}\"")), "{method}");
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
        assert!(found.contains(&Fault::Wrong("tag must be a string".into())), "{found:?}");
        assert!(found.contains(&Fault::Wrong("devices[0][0].params.to_number is missing".into())), "{found:?}");
        assert!(found.contains(&Fault::Unknown("devices[0][0].params.to_nmber".into())), "{found:?}");
    }
}
