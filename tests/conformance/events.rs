//! `events.jsonl`: the payloads of events, through the parser alone and through the socket.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signalwire_relay::devices::RemoteDevice;
use signalwire_relay::events::{CollectResult, Peer, RawEvent, parse_event};
use signalwire_relay::{Event, Heard, Message};

use super::deviations::{self, Rule, Verdict};
use super::json::{lists, name, rows, same};
use super::mutations::Case;
use super::wire::{LONG, Wire};

const ROWS: &str = include_str!("../wire/events.jsonl");

/// The reference's class for the variant.
pub fn class(event: &Event) -> &'static str {
    match event {
        Event::CallState(_) => "CallStateEvent",
        Event::CallReceive(_) => "CallReceiveEvent",
        Event::Play(_) => "PlayEvent",
        Event::Record(_) => "RecordEvent",
        Event::Collect(_) => "CollectEvent",
        Event::Connect(_) => "ConnectEvent",
        Event::Detect(_) => "DetectEvent",
        Event::Fax(_) => "FaxEvent",
        Event::Tap(_) => "TapEvent",
        Event::Stream(_) => "StreamEvent",
        Event::SendDigits(_) => "SendDigitsEvent",
        Event::Dial(_) => "DialEvent",
        Event::Refer(_) => "ReferEvent",
        Event::Denoise(_) => "DenoiseEvent",
        Event::Pay(_) => "PayEvent",
        Event::Queue(_) => "QueueEvent",
        Event::Echo(_) => "EchoEvent",
        Event::Transcribe(_) => "TranscribeEvent",
        Event::Hold(_) => "HoldEvent",
        Event::Conference(_) => "ConferenceEvent",
        Event::CallingError(_) => "CallingErrorEvent",
        Event::MessageReceive(_) => "MessageReceiveEvent",
        Event::MessageState(_) => "MessageStateEvent",
        // The reference has no class of its own for it.
        Event::Ai(_) | Event::Live(_) | Event::Other(_) => "RelayEvent",
        _ => panic!("a variant that this table does not know: {event:?}"),
    }
}

/// A field as we have it.
enum Ours {
    /// The recorded value, of the declared type.
    Value(Value),
    /// Of an object, what has a typed field of its own. Absent members have their empty value there.
    Parts(Value),
}

fn value(value: impl Into<Value>) -> Ours {
    Ours::Value(value.into())
}

fn text(value: impl ToString) -> Ours {
    Ours::Value(value.to_string().into())
}

fn optional(value: Option<impl ToString>) -> Ours {
    Ours::Value(value.map(|value| value.to_string()).unwrap_or_default().into())
}

fn device(device: &RemoteDevice) -> Ours {
    if device.is_unknown() {
        return value(json!({}));
    }
    Ours::Parts(json!({"type": device.kind(), "params": device.params()}))
}

fn peer(peer: Option<&Peer>) -> Ours {
    let Some(peer) = peer else { return value(json!({})) };
    let mut parts = json!({"call_id": peer.call_id, "node_id": peer.node_id, "tag": peer.tag});
    if let Ours::Parts(device) = device(&peer.device) {
        parts["device"] = device;
    }
    Ours::Parts(parts)
}

/// The attribute of the reference's event, from the typed fields of ours.
fn field(event: &Event, name: &str) -> Result<Ours, String> {
    Ok(match (event, name) {
        (_, "event_type") => text(event.name()),
        (_, "params") => value(event.raw().value()),
        (_, "call_id") => optional(event.call_id()),
        (_, "timestamp") => value(event.timestamp()),
        (Event::CallState(e), "call_state") => text(&e.state),
        (Event::CallState(e), "end_reason") => optional(e.end_reason.as_ref()),
        (Event::CallState(e), "direction") => text(&e.direction),
        (Event::CallState(e), "device") => device(&e.device),
        (Event::CallReceive(e), "call_state") => text(&e.state),
        (Event::CallReceive(e), "direction") => text(&e.direction),
        (Event::CallReceive(e), "device") => device(&e.device),
        (Event::CallReceive(e), "node_id") => text(&e.node_id),
        (Event::CallReceive(e), "project_id") => text(&e.project_id),
        (Event::CallReceive(e), "context") => text(&e.context),
        (Event::CallReceive(e), "segment_id") => text(&e.segment_id),
        (Event::CallReceive(e), "tag") => text(&e.tag),
        (Event::Play(e), "control_id") => text(&e.control_id),
        (Event::Play(e), "state") => text(&e.state),
        (Event::Record(e), "control_id") => text(&e.control_id),
        (Event::Record(e), "state") => text(&e.state),
        (Event::Record(e), "url") => text(&e.url),
        (Event::Record(e), "duration") => value(e.duration),
        (Event::Record(e), "size") => value(e.size),
        (Event::Record(e), "record") => match e.raw.get("record") {
            // The members that have typed fields, where they are there and of the type.
            Some(Value::Object(given)) => {
                let mut parts = json!({"url": e.url, "duration": e.duration, "size": e.size});
                let is_typed =
                    |key: &str, given: &Value| if key == "url" { given.is_string() } else { given.is_number() };
                let of_type = |key: &str| given.get(key).is_some_and(|given| is_typed(key, given));
                parts.as_object_mut().expect("an object").retain(|key, _| of_type(key));
                Ours::Parts(parts)
            }
            _ => value(json!({})),
        },
        (Event::Collect(e), "control_id") => text(&e.control_id),
        (Event::Collect(e), "state") => optional(e.state.as_ref()),
        (Event::Collect(e), "result") => result(&e.result),
        (Event::Collect(e), "final") => value(e.is_final),
        (Event::Connect(e), "connect_state") => text(&e.state),
        (Event::Connect(e), "peer") => peer(e.peer.as_ref()),
        (Event::Detect(e), "control_id") => text(&e.control_id),
        (Event::Detect(e), "detect") => match e.raw.get("detect") {
            Some(Value::Object(_)) => {
                // A state beside it also counts for `heard`, but stands in another field.
                let heard = if e.heard == Heard::None { String::new() } else { e.heard.to_string() };
                Ours::Parts(json!({"type": e.kind, "params": {"event": heard, "beep": e.beep}}))
            }
            _ => value(json!({})),
        },
        (Event::Fax(e), "control_id") => text(&e.control_id),
        (Event::Fax(e), "fax") => Ours::Parts(json!({"type": e.kind, "params": {
            "number": e.page, "pages": e.pages, "success": e.is_success, "document": e.document, "format": e.format,
            "direction": e.direction, "identity": e.identity, "remote_identity": e.remote_identity,
            "result": e.result, "result_text": e.result_text,
        }})),
        (Event::Tap(e), "control_id") => text(&e.control_id),
        (Event::Tap(e), "state") => text(&e.state),
        (Event::Tap(e), "tap") => {
            let direction = e.direction.as_ref().map(ToString::to_string).unwrap_or_default();
            Ours::Parts(json!({"params": {"direction": direction}}))
        }
        (Event::Tap(e), "device") => device(&e.device),
        (Event::Stream(e), "control_id") => text(&e.control_id),
        (Event::Stream(e), "state") => text(&e.state),
        (Event::Stream(e), "url") => text(&e.url),
        (Event::Stream(e), "name") => text(&e.name),
        (Event::SendDigits(e), "control_id") => text(&e.control_id),
        (Event::SendDigits(e), "state") => text(&e.state),
        (Event::Dial(e), "tag") => text(&e.tag),
        (Event::Dial(e), "dial_state") => text(&e.state),
        (Event::Dial(e), "call") => peer(e.call.as_ref()),
        (Event::Refer(e), "state") => text(&e.state),
        (Event::Refer(e), "sip_refer_to") => text(&e.sip_refer_to),
        (Event::Refer(e), "sip_refer_response_code") => text(&e.sip_refer_response_code),
        (Event::Refer(e), "sip_notify_response_code") => text(&e.sip_notify_response_code),
        (Event::Denoise(e), "denoised") => value(e.denoised),
        (Event::Pay(e), "control_id") => text(&e.control_id),
        (Event::Pay(e), "state") => optional(e.state.as_ref()),
        (Event::Queue(e), "control_id") => text(&e.control_id),
        (Event::Queue(e), "status") => text(&e.status),
        (Event::Queue(e), "queue_id") => text(&e.queue_id),
        (Event::Queue(e), "queue_name") => text(&e.queue_name),
        (Event::Queue(e), "position") => value(e.position),
        (Event::Queue(e), "size") => value(e.size),
        (Event::Echo(e), "state") => text(&e.state),
        (Event::Transcribe(e), "control_id") => text(&e.control_id),
        (Event::Transcribe(e), "state") => text(&e.state),
        (Event::Transcribe(e), "url") => text(&e.url),
        (Event::Transcribe(e), "recording_id") => text(&e.recording_id),
        (Event::Transcribe(e), "duration") => value(e.duration),
        (Event::Transcribe(e), "size") => value(e.size),
        (Event::Hold(e), "state") => text(&e.state),
        (Event::Conference(e), "conference_id") => text(&e.conference_id),
        (Event::Conference(e), "name") => text(&e.name),
        (Event::Conference(e), "status") => text(&e.status),
        (Event::CallingError(e), "code") => text(&e.code),
        (Event::CallingError(e), "message") => text(&e.message),
        (Event::MessageReceive(e), "message_id") => text(&e.message_id),
        (Event::MessageReceive(e), "context") => text(&e.context),
        (Event::MessageReceive(e), "direction") => text(&e.direction),
        (Event::MessageReceive(e), "from_number") => text(&e.from_number),
        (Event::MessageReceive(e), "to_number") => text(&e.to_number),
        (Event::MessageReceive(e), "body") => text(&e.body),
        (Event::MessageReceive(e), "media") => value(e.media.clone()),
        (Event::MessageReceive(e), "segments") => value(e.segments),
        (Event::MessageReceive(e), "message_state") => text(&e.state),
        (Event::MessageReceive(e), "tags") => value(e.tags.clone()),
        (Event::MessageState(e), "message_id") => text(&e.message_id),
        (Event::MessageState(e), "context") => text(&e.context),
        (Event::MessageState(e), "direction") => text(&e.direction),
        (Event::MessageState(e), "from_number") => text(&e.from_number),
        (Event::MessageState(e), "to_number") => text(&e.to_number),
        (Event::MessageState(e), "body") => text(&e.body),
        (Event::MessageState(e), "media") => value(e.media.clone()),
        (Event::MessageState(e), "segments") => value(e.segments),
        (Event::MessageState(e), "message_state") => text(&e.state),
        (Event::MessageState(e), "reason") => text(e.reason.clone().unwrap_or_default()),
        (Event::MessageState(e), "tags") => value(e.tags.clone()),
        _ => return Err(format!("no field of {} for {name}", class(event))),
    })
}

fn result(result: &CollectResult) -> Ours {
    let plain = |kind: &str| Ours::Parts(json!({ "type": kind }));
    match result {
        CollectResult::None => value(json!({})),
        CollectResult::Digits { digits, terminator } => {
            Ours::Parts(json!({"type": "digit", "params": {"digits": digits, "terminator": terminator}}))
        }
        CollectResult::Speech { text, confidence } => {
            Ours::Parts(json!({"type": "speech", "params": {"text": text, "confidence": confidence}}))
        }
        CollectResult::NoInput => plain("no_input"),
        CollectResult::NoMatch => plain("no_match"),
        CollectResult::Error => plain("error"),
        CollectResult::StartOfInput => plain("start_of_input"),
        CollectResult::Finished => plain("finished"),
        CollectResult::Other(kind) => plain(kind),
        _ => panic!("a result that this table does not know: {result:?}"),
    }
}

/// Whether a value says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// Whether every part is what was recorded there, or empty where nothing was; and whether what was recorded beside
/// the parts is in the raw event, at the same place.
fn agrees(parts: &Value, recorded: Option<&Value>, raw: Option<&Value>) -> bool {
    match (parts, recorded) {
        (parts, None) => is_empty(parts),
        (Value::Object(parts), Some(Value::Object(recorded))) => {
            let raw_of = |key: &String| raw.and_then(|raw| raw.get(key));
            let is_kept = |key, recorded| raw_of(key).is_some_and(|raw| same(raw, recorded));
            parts.iter().all(|(key, part)| agrees(part, recorded.get(key), raw_of(key)))
                && recorded.iter().all(|(key, recorded)| parts.contains_key(key) || is_kept(key, recorded))
        }
        (part, Some(recorded)) => same(part, recorded),
    }
}

/// Whether the raw event has this value under the name of a field, at any depth.
fn is_kept(raw: &Value, field: &str, recorded: &Value) -> bool {
    // A queue's own members have shorter names.
    let is_it = |key: &str| key == field || field.strip_prefix("queue_") == Some(key);
    match raw {
        Value::Object(members) => {
            members.iter().any(|(key, value)| (is_it(key) && same(value, recorded)) || is_kept(value, field, recorded))
        }
        Value::Array(items) => items.iter().any(|item| is_kept(item, field, recorded)),
        _ => false,
    }
}

/// A field that is not as recorded.
struct Difference<'a> {
    field: &'a str,
    ours: Value,
    recorded: &'a Value,
    is_odd: bool,
}

/// Whether a field of the declared type may stand for one of another type: it is empty, or it means the same.
fn stands_for(ours: &Value, recorded: &Value) -> bool {
    is_empty(ours) || means(ours, recorded)
}

/// The difference of a field from the recorded one; `None` if there is none.
fn difference<'a>(
    event: &Event,
    payload: &Value,
    (field_name, recorded): (&'a str, &'a Value),
    is_odd: bool,
) -> Result<Option<Difference<'a>>, String> {
    let raw = event.raw().value();
    let (ours, equal) = match field(event, field_name)? {
        Ours::Value(ours) => {
            let equal = same(&ours, recorded);
            (ours, equal)
        }
        Ours::Parts(parts) => {
            let equal = agrees(&parts, Some(recorded), raw.get(field_name));
            (parts, equal)
        }
    };
    let is_type = field_name == "event_type" && same(&payload["event_type"], recorded);
    if is_odd && !is_type && !is_kept(&raw, field_name, recorded) {
        return Err(format!("{field_name}: {recorded} was recorded, and is not in the raw event {raw}"));
    }
    if equal || (is_odd && stands_for(&ours, recorded)) {
        return Ok(None);
    }
    Ok(Some(Difference { field: field_name, ours, recorded, is_odd }))
}

/// Whether a value of the declared type says what one of another type does: 42 for "42", "42" for 42, `true` for
/// "true", 3 for 3.7; of an array, the items that have the type; of an object, the members that have it.
fn means(ours: &Value, odd: &Value) -> bool {
    match (ours, odd) {
        (Value::Number(ours), Value::String(odd)) => odd.parse().ok() == ours.as_f64(),
        (Value::Number(ours), Value::Number(odd)) => odd.as_f64().map(f64::trunc) == ours.as_f64(),
        (Value::String(ours), odd @ (Value::Number(_) | Value::Object(_) | Value::Array(_))) => {
            ours.as_str() == serde_json::to_string(odd).expect("it was JSON")
        }
        (Value::Bool(ours), Value::String(odd)) => odd.parse() == Ok(*ours),
        (Value::Array(ours), Value::Array(odd)) => ours.iter().all(|item| odd.contains(item)),
        (Value::Object(ours), Value::Object(odd)) => ours
            .iter()
            .all(|(key, ours)| is_empty(ours) || odd.get(key).is_some_and(|odd| same(ours, odd) || means(ours, odd))),
        _ => false,
    }
}

/// The value that the type of an event implies for a field that the event leaves out.
fn known_by_type(event: &Event, field: &str) -> Option<&'static str> {
    match (event, field) {
        (Event::CallReceive(_), "call_state") => Some("created"),
        (Event::CallReceive(_) | Event::MessageReceive(_), "direction") => Some("inbound"),
        (Event::MessageReceive(_), "message_state") => Some("received"),
        (Event::MessageState(_), "direction") => Some("outbound"),
        _ => None,
    }
}

/// Why a field may be otherwise than recorded; `Ok(None)` where the row leaves it free.
fn rule(row: &Value, event: &Event, difference: &Difference<'_>) -> Result<Option<Rule>, ()> {
    let Difference { field, ours, recorded, is_odd } = difference;
    if known_by_type(event, field).is_some_and(|known| *ours == known) {
        if *is_odd {
            return Ok(None);
        }
        if is_empty(recorded) {
            return Ok(Some(Rule::KnownByType));
        }
    }
    let params = &row["payload"]["params"];
    if matches!(event, Event::Record(_)) && recorded.is_null() && params["record"].is_object() {
        return if same(ours, &params[*field]) { Ok(Some(Rule::BesideRecord)) } else { Err(()) };
    }
    Err(())
}

/// Compares an event with a row.
fn judge(row: &Value, event: &Event) -> Verdict {
    let kept = row["payload"].get("params").cloned().unwrap_or_else(|| json!({}));
    if event.raw().value() != kept {
        return Err(format!("raw: {}, sent {kept}", event.raw().json()));
    }
    let mut rules = BTreeSet::new();
    if !row["python_raises"].is_null() {
        return Ok(rules);
    }
    if class(event) != row["class"] {
        return Err(format!("class: {}, recorded {}", class(event), row["class"]));
    }
    for (name, recorded) in row["fields"].as_object().ok_or("no fields are recorded")? {
        let is_odd = lists(&row["odd_fields"], name);
        let Some(difference) = difference(event, &row["payload"], (name, recorded), is_odd)? else { continue };
        match rule(row, event, &difference) {
            Ok(None) => {}
            Ok(Some(rule)) => drop(rules.insert(rule)),
            Err(()) => {
                let Difference { field, ours, recorded, .. } = difference;
                return Err(format!("{field}: {ours}, recorded {recorded}"));
            }
        }
    }
    Ok(rules)
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 570);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let event = parse_event(&row["payload"]);
            let columns = &["class", "fields", "python_raises"];
            Case::new(row, columns, deviations::EVENTS, move |row| judge(row, &event))
        })
        .collect()
}

#[test]
fn payloads_are_parsed_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::EVENTS);
}

/// The call of a payload, if the call's own events report it.
fn call_of(payload: &Value) -> Option<&str> {
    let kind = payload["event_type"].as_str()?;
    let elsewhere = ["calling.call.receive", "calling.call.dial"];
    if !kind.starts_with("calling.") || elsewhere.contains(&kind) {
        return None;
    }
    payload["params"].get("call_id")?.as_str().filter(|id| !id.is_empty())
}

#[test]
fn events_of_a_call_come_through_the_socket_as_they_are_parsed() {
    let wire = Wire::new();
    let mut seen = deviations::Seen::default();
    let mut through = 0;
    // A state may end its call, so that each row has a call of its own; the class of the rest is one call's business.
    let rows = rows(ROWS);
    for row in rows.iter().filter(|row| row["python_raises"].is_null()) {
        let Some(call_id) = call_of(&row["payload"]) else { continue };
        let (client, link, call) = wire.call(call_id, "n-0001", "answered");
        let mut events = call.events();
        link.send(&link.event(&row["payload"]));
        let Some(event) = events.next_within(LONG) else {
            seen.take(row, Err("no event came".into()));
            continue;
        };
        seen.take(row, judge(row, &event));
        through += 1;
        client.disconnect();
    }
    println!("{through} events through the socket");
    assert!(through > 300);
    seen.done_of(deviations::EVENTS);
}

/// Events that the reference cannot parse neither end the connection nor stay unacknowledged.
#[test]
fn what_the_reference_fails_on_is_acknowledged_and_the_connection_stays() {
    let wire = Wire::new();
    let (client, link, call) = wire.call("c-0001", "n-0001", "answered");
    let rows = rows(ROWS);
    let mut tried = 0;
    for row in rows.iter().filter(|row| !row["python_raises"].is_null()) {
        let event = link.event(&row["payload"]);
        link.send(&event);
        let sent = link.handled();
        assert!(sent.iter().any(|frame| frame["id"] == event["id"]), "{}: not acknowledged", name(row));
        tried += 1;
    }
    assert_eq!(tried, rows.len() - rows.iter().filter(|row| !row["class"].is_null()).count());
    call.answer().unwrap();
    assert_eq!(client.stats().connections, 1);
    client.disconnect();
}

/// An inbound message in the words of a row; `None` for what is the event's alone.
fn of_message(message: &Message, field: &str) -> Option<Value> {
    Some(match field {
        "message_id" => message.id().into(),
        "context" => message.context().into(),
        "direction" => message.direction().to_string().into(),
        "from_number" => message.from_number().into(),
        "to_number" => message.to_number().into(),
        "body" => message.body().into(),
        "media" => message.media().into(),
        "segments" => message.segments().into(),
        "tags" => message.tags().into(),
        "message_state" => message.state().to_string().into(),
        _ => return None,
    })
}

/// Compares an inbound message with the recorded fields of its event.
fn judge_message(row: &Value, message: &Message) -> Verdict {
    let mut rules = BTreeSet::new();
    let fields = row["fields"].as_object().ok_or("no fields are recorded")?;
    for (field, recorded) in fields {
        let Some(ours) = of_message(message, field) else { continue };
        let is_odd = lists(&row["odd_fields"], field);
        let known = match field.as_str() {
            "direction" => "inbound",
            "message_state" => "received",
            _ => "",
        };
        match ours == known {
            _ if same(&ours, recorded) || (is_odd && stands_for(&ours, recorded)) => {}
            true if is_odd => {}
            true if is_empty(recorded) && !known.is_empty() => drop(rules.insert(Rule::KnownByType)),
            _ => return Err(format!("{field}: {ours}, recorded {recorded}")),
        }
    }
    Ok(rules)
}

/// Messages that come in, through the socket.
#[test]
fn inbound_messages_come_through_the_socket_as_they_are_parsed() {
    let wire = Wire::new();
    let (client, link) = wire.client();
    let mut seen = deviations::Seen::default();
    let mut through = 0;
    for (number, row) in rows(ROWS).iter().filter(|row| row["class"] == "MessageReceiveEvent").enumerate() {
        if row["payload"]["params"].get("message_id").is_some_and(|id| id.as_str().is_none_or(str::is_empty)) {
            continue;
        }
        let mut row = row.clone();
        // A message is offered once; the rows repeat its id.
        if !row["payload"]["params"]["message_id"].is_null() {
            let id = Value::from(format!("m-{number}"));
            row["fields"]["message_id"] = id.clone();
            row["payload"]["params"]["message_id"] = id;
        }
        link.send(&link.event(&row["payload"]));
        let message = client.next_message(LONG).unwrap();
        seen.take(&row, judge_message(&row, &message));
        // Each of the fields is compared: a change of one is noticed, unless its type is not the declared one.
        for (field, recorded) in row["fields"].as_object().expect("fields") {
            if of_message(&message, field).is_some() && !lists(&row["odd_fields"], field) {
                let mut changed = row.clone();
                changed["fields"][field] = super::mutations::changed(recorded);
                let verdict = judge_message(&changed, &message);
                assert!(verdict.is_err(), "{}: another {field} goes unnoticed", name(&row));
            }
        }
        through += 1;
    }
    assert!(through > 20, "{through} messages");
    seen.done_of(deviations::EVENTS);
    client.disconnect();
}

/// The parts of an event are there in every form that a program may want.
#[test]
fn the_raw_event_has_every_member() {
    for row in rows(ROWS) {
        let event = parse_event(&row["payload"]);
        let raw: &RawEvent = event.raw();
        let Some(members) = row["payload"]["params"].as_object() else { continue };
        for (key, value) in members {
            assert_eq!(raw.get(key).as_ref(), Some(value).filter(|value| !value.is_null()), "{}: {key}", name(&row));
        }
    }
}
