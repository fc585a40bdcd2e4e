//! The content of a frame in a few words.

use serde_json::Value;

/// Number of characters of a text that a row shows.
const SHOWN: usize = 200;

/// A request: its method, and the important parameters.
pub(super) fn request(method: &str, params: &Value) -> String {
    let detail = match method {
        "signalwire.connect" => {
            let resumes = params.get("protocol").is_some();
            Some(format!("{}{}", if resumes { "resume " } else { "" }, list(params.get("contexts"))))
        }
        "signalwire.receive" | "signalwire.unreceive" => Some(list(params.get("contexts"))),
        "calling.dial" | "calling.connect" => Some(format!("to {}", devices(&params["devices"]).join(", "))),
        "calling.send_digits" => word(params, "digits"),
        "calling.end" | "calling.pass" => word(params, "reason"),
        "messaging.send" => Some(format!("to {}", word(params, "to_number").unwrap_or_default())),
        "calling.transfer" => word(params, "dest"),
        "calling.join_conference" | "calling.leave_conference" | "calling.join_room" => word(params, "name"),
        "calling.queue.enter" | "calling.queue.leave" => word(params, "queue_name"),
        _ => spoken(params),
    };
    match detail.map(|detail| detail.trim().to_owned()) {
        Some(detail) if !detail.is_empty() => format!("{method} {detail}"),
        _ => method.to_owned(),
    }
}

/// The text or media that a request plays on its call.
pub(super) fn spoken(params: &Value) -> Option<String> {
    let media = params.get("play").or_else(|| params.get("media")).or_else(|| params.get("ringback"))?;
    let each: Vec<String> = items(media).filter_map(medium).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

fn medium(medium: &Value) -> Option<String> {
    let params = medium.get("params").unwrap_or(medium);
    match medium.get("type")?.as_str()? {
        "tts" => Some(quoted(params.get("text")?.as_str()?)),
        "audio" => word(params, "url"),
        "silence" => Some(format!("silence {} s", params.get("duration")?)),
        "ringtone" => Some(format!("ringtone {}", word(params, "name")?)),
        other => Some(other.to_owned()),
    }
}

/// A response: the code and the message of the service.
pub(super) fn response(frame: &Value) -> (String, bool) {
    if let Some(error) = frame.get("error") {
        let code = error.get("code").map(plain).unwrap_or_default();
        return (format!("error {code} {}", word(error, "message").unwrap_or_default()).trim().to_owned(), false);
    }
    let result = &frame["result"];
    let code = result.get("code").map(plain).unwrap_or_default();
    let good = code.is_empty() || code.starts_with('2');
    let text = if code.is_empty() { "ok".to_owned() } else { code };
    let words = if good { None } else { word(result, "message") };
    let restored = match result.get("session_restored").and_then(Value::as_bool) {
        Some(true) => Some("session resumed".to_owned()),
        _ => None,
    };
    let parts = [Some(text), words, restored];
    (parts.into_iter().flatten().collect::<Vec<_>>().join(" "), good)
}

/// An event: its type without `calling.`, and its new information.
pub(super) fn event(kind: &str, params: &Value) -> String {
    const STATES: [&str; 8] = [
        "call_state",
        "dial_state",
        "connect_state",
        "message_state",
        "conference_state",
        "state",
        "status",
        "denoised",
    ];
    const REASONS: [&str; 5] = ["end_reason", "failed_reason", "reason", "error", "message"];
    let mut text = kind.strip_prefix("calling.").unwrap_or(kind).to_owned();
    let mut add = |what: String| {
        if !what.is_empty() {
            text.push(' ');
            text.push_str(&what);
        }
    };
    if kind == "calling.call.receive" {
        add(word(params, "context").map(|context| format!("in {context}")).unwrap_or_default());
        return text;
    }
    for state in STATES {
        add(word(params, state).unwrap_or_default());
    }
    for part in ["result", "detect", "fax"] {
        let Some(part) = params.get(part).filter(|part| part.is_object()) else { continue };
        add(word(part, "type").unwrap_or_default());
        let inner = part.get("params").unwrap_or(&Value::Null);
        for key in ["digits", "text", "event", "pages", "number_of_pages"] {
            add(word(inner, key).unwrap_or_default());
        }
    }
    for part in [params, params.get("record").unwrap_or(&Value::Null)] {
        if let Some(duration) = part.get("duration").and_then(Value::as_f64).filter(|duration| *duration > 0.0) {
            add(format!("{duration} s"));
        }
    }
    for key in ["position", "name"] {
        add(word(params, key).unwrap_or_default());
    }
    let reasons: Vec<String> = REASONS.iter().filter_map(|reason| word(params, reason)).collect();
    if !reasons.is_empty() {
        add(format!("({})", reasons.join(", ")));
    }
    text
}

/// The input of the person on the call, from an event: whether it is digits, and the words.
pub(super) fn input(kind: &str, params: &Value) -> Option<(bool, String)> {
    match kind {
        "calling.call.collect" => {
            let result = params.get("result")?;
            let inner = result.get("params")?;
            match result.get("type")?.as_str()? {
                "digit" => Some((true, format!("presses {}", word(inner, "digits")?))),
                "speech" => Some((false, quoted(inner.get("text")?.as_str()?))),
                _ => None,
            }
        }
        "calling.ai.speech_detect" | "calling.ai.transcribe.utterance" => {
            let text = ["text", "utterance"].into_iter().find_map(|key| params.get(key)?.as_str())?;
            Some((false, quoted(text)))
        }
        _ => None,
    }
}

/// The body of a text message, or that it has pictures.
pub(super) fn text_message(params: &Value) -> String {
    let body = params.get("body").and_then(Value::as_str).filter(|body| !body.is_empty());
    let media = params.get("media").map_or(0, |media| items(media).count());
    match (body, media) {
        (Some(body), 0) => format!("text {}", quoted(body)),
        (Some(body), count) => format!("text {} with media: {count}", quoted(body)),
        (None, count) => format!("text with media: {count}"),
    }
}

/// The far end of a call: a number, or a SIP address.
pub(super) fn far_end(params: &Value, outbound: bool) -> Option<String> {
    end(params, outbound)
}

/// The near end of a call.
pub(super) fn near_end(params: &Value, outbound: bool) -> Option<String> {
    end(params, !outbound)
}

/// The end that is called, or the one that calls.
fn end(params: &Value, is_called: bool) -> Option<String> {
    let device = params.get("device")?;
    let device = device.get("params").unwrap_or(device);
    let keys = if is_called { ["to_number", "to"] } else { ["from_number", "from"] };
    keys.into_iter().find_map(|key| word(device, key))
}

/// The numbers of a list of lists of devices.
fn devices(groups: &Value) -> Vec<String> {
    let each = items(groups).flat_map(|group| match group.as_array() {
        Some(devices) => devices.iter().collect(),
        None => vec![group],
    });
    each.filter_map(|device| {
        let params = device.get("params").unwrap_or(device);
        ["to_number", "to", "id"].into_iter().find_map(|key| word(params, key))
    })
    .collect()
}

fn list(value: Option<&Value>) -> String {
    value.map(|value| items(value).map(plain).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// The items of a list, or the one thing that stands in its place.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
    .iter()
}

/// A member that is a text, a number or a flag.
fn word(object: &Value, key: &str) -> Option<String> {
    let value = object.get(key)?;
    (!value.is_null() && !value.is_object() && !value.is_array()).then(|| plain(value)).filter(|word| !word.is_empty())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    format!("\u{201c}{}\u{201d}", shortened(text))
}

/// A text of one line that is not too long.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
