//! The entry points of the fuzz targets under `fuzz/`. Not part of the API: only with the feature `__fuzz`.

use crate::protocol::constants::EVENT_TYPES;
use crate::protocol::event::Event;
use crate::protocol::frame::{self, Envelope, EventHead, Incoming, Reply};
use crate::secret::{Secret, Secrets};

/// Handles a frame as the reader does.
pub fn frame(text: &str) {
    match Incoming::parse(text) {
        Incoming::Event { id, envelope } => {
            let _ack = id.map(frame::ack);
            look_into(&envelope);
        }
        Incoming::Request { id, method: _, params } => {
            if let Some(id) = id {
                let _answers = (frame::pong(id, params), frame::method_not_found(id));
            }
        }
        Incoming::Reply { id: _, body } => {
            if let Ok(reply) = frame::judge(body) {
                read(&reply);
            }
        }
        Incoming::Malformed(_) => {}
    }
}

/// Reads `text` as the response to a request, whole and as its result.
pub fn reply(text: &str) {
    const ID: &str = r#""id":"6f0c2e44-8a5e-4f39-9f0e-5d2f6f6b7a10""#;
    for text in [format!("{{{ID},\"result\":{text}}}"), format!("{{{ID},\"error\":{text}}}")] {
        frame(&text);
    }
}

/// Reads `text` as the payload of an event of each type.
pub fn event(text: &str) {
    for (_, name) in EVENT_TYPES {
        let envelope = format!(r#"{{"event_type":"{name}","timestamp":1.5,"params":{text}}}"#);
        if let Some(envelope) = Envelope::parse_text(&envelope) {
            look_into(&envelope);
        }
    }
}

/// Reads `text` as the result of `signalwire.connect`.
pub fn welcome(text: &str) {
    let text = format!(r#"{{"id":"6f0c2e44-8a5e-4f39-9f0e-5d2f6f6b7a10","result":{text}}}"#);
    if let Incoming::Reply { body, .. } = Incoming::parse(&text) {
        if let Ok(reply) = frame::judge(body) {
            let _session = (reply.get("session_restored").and_then(|value| value.as_bool()), reply.text("protocol"));
        }
    }
}

/// Masks `text`, whose first line is taken for a secret: the rest must not have it afterwards.
///
/// # Panics
///
/// When it has, which is what is looked for.
pub fn mask(text: &str) {
    let secrets = Secrets::default();
    frame::learn(text, &secrets);
    let (secret, rest) = text.split_once('\n').unwrap_or(("canary", text));
    secrets.set_own(vec![Secret::new(secret)]);
    let mask = secrets.mask();
    let _trace = frame::redact(rest, &mask, frame::Contents::Masked);
    let _part = mask.clean_part(rest);
    let shown = mask.clean(rest);
    // The mask itself together with the text around it may form another secret.
    let made_up = crate::secret::MASK.contains(secret) || secret.contains(['<', '>']);
    assert!(made_up || secret.len() < 4 || !shown.contains(secret), "a secret was left");
}

fn look_into(envelope: &Envelope<'_>) {
    let head = EventHead::parse(envelope.params);
    let _leg = head.call.map(EventHead::parse);
    let event = Event::parse(envelope);
    let raw = event.raw();
    let _all = (format!("{event:?}"), raw.value(), raw.get("call_id"), raw.node_id(), raw.segment_id(), raw.tag());
    let _kept = envelope.to_owned().borrow().params.get().len();
}

fn read(reply: &Reply) {
    let _all = (format!("{reply:?}"), reply.value(), reply.get("code"), reply.text("message"), reply.json().len());
}
