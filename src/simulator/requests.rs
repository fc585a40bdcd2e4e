//! What clients send: sorted, checked against the tables, carried out, answered.

use serde_json::{Map, Value, json};

use super::journal::{Direction, EntryKind};
use super::session::{Refusal, Verdict, refuse};
use super::tables::{self, Fault};
use super::wire::{self, Incoming, text};
use super::world::{LateReply, Trigger, World};

impl World {
    /// A client sent a text frame.
    pub(super) fn on_text(&mut self, conn: u64, frame: &str) {
        if self.faults.frozen || !self.conns.contains_key(&conn) {
            return;
        }
        let parsed = serde_json::from_str::<Value>(frame).map_err(|error| error.to_string());
        let sorted = parsed.as_ref().map_err(Clone::clone).and_then(wire::sort);
        match (sorted, parsed) {
            (Ok(Incoming::Request { id, method, params }), Ok(whole)) => {
                self.note(Direction::FromClient, EntryKind::Request, conn, &method, whole);
                self.on_request(conn, &id, &method, &params);
            }
            (Ok(Incoming::Reply { id }), Ok(whole)) => {
                self.note(Direction::FromClient, EntryKind::Ack, conn, "", whole);
                self.on_reply(conn, &id);
            }
            (Err(why), parsed) => {
                // What cannot be understood is not kept either: nobody knows what secrets are in it.
                let id = parsed.ok().and_then(|value| value.get("id").cloned()).unwrap_or(Value::Null);
                self.violation(format!("connection {conn} sent a malformed frame: {why}"));
                self.send(conn, EntryKind::ErrorReply, "", wire::error(&id, -32600, "Invalid request"));
            }
            (Ok(_), Err(_)) => {}
        }
    }

    /// A client sent something other than text.
    pub(super) fn on_binary(&mut self, conn: u64) {
        self.violation(format!("connection {conn} sent a binary frame"));
    }

    fn on_reply(&mut self, conn: u64, id: &Value) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        let known = match id.as_str() {
            Some(id) if connection.ping.as_deref() == Some(id) => {
                connection.ping = None;
                true
            }
            Some(id) => match connection.unacked.remove(id) {
                Some(sent) => {
                    let took = self.clock.now().saturating_duration_since(sent);
                    self.slowest_ack = self.slowest_ack.max(took);
                    true
                }
                None => false,
            },
            None => false,
        };
        let known = known || self.by_hand.contains(&id.to_string());
        if !known {
            self.violation(format!("connection {conn} answered {id}, which was not asked or is answered already"));
        }
    }

    fn on_request(&mut self, conn: u64, id: &Value, method: &str, params: &Map<String, Value>) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        let first_use = id.as_str().is_some_and(|id| connection.note_id(id));
        let authenticated = connection.session.is_some();
        if !first_use {
            self.violation(format!("{method}: the id {id} was used before"));
            return self.send(conn, EntryKind::ErrorReply, method, wire::error(id, -32600, "Repeated id"));
        }
        if !authenticated && method != "signalwire.connect" {
            self.violation(format!("{method} was sent before signalwire.connect was answered"));
            self.send(conn, EntryKind::ErrorReply, method, wire::error(id, -32600, "Not connected"));
            return self.close(conn);
        }
        if authenticated && method == "signalwire.connect" {
            self.violation(format!("connection {conn} sent signalwire.connect twice"));
            return self.send(conn, EntryKind::ErrorReply, method, wire::error(id, -32600, "Already connected"));
        }
        if self.faults.drop_before.remove(method) {
            return self.cut(conn);
        }
        if self.faults.unanswered.contains(method) || (method == "signalwire.ping" && self.faults.ignore_pings) {
            return;
        }
        if let Some((code, message)) = self.faults.failure(method) {
            return self.refuse_request(conn, id, method, &Refusal { code, message });
        }
        if let Err(refusal) = self.check(method, params) {
            return self.refuse_request(conn, id, method, &refusal);
        }
        if method == "signalwire.connect" {
            return self.on_connect(conn, id, params);
        }
        let Some(session) = self.conns.get(&conn).and_then(|connection| connection.session.clone()) else { return };
        self.cork();
        let verdict = self.dispatch(conn, &session, method, params);
        if self.faults.drop_after.remove(method) {
            self.cut(conn);
        }
        match verdict {
            Ok(mut fields) => {
                if method != "signalwire.ping" {
                    fields.insert("code".into(), "200".into());
                }
                let frame = wire::result(id, Value::Object(fields));
                self.answer(conn, method, params, frame);
            }
            Err(refusal) => self.refuse_request(conn, id, method, &refusal),
        }
        self.uncork();
    }

    /// Sends a reply, or keeps it back when that was asked for.
    pub(super) fn answer(&mut self, conn: u64, method: &str, params: &Map<String, Value>, frame: Value) {
        if !self.conns.contains_key(&conn) {
            return;
        }
        let after = if self.faults.events_first.contains(method) { last_event(method, params, &frame) } else { None };
        if after.is_some() || self.faults.held.contains(method) {
            self.late.push(LateReply { conn, method: method.to_owned(), frame, after });
        } else {
            self.send(conn, EntryKind::Reply, method, frame);
        }
    }

    pub(super) fn refuse_request(&mut self, conn: u64, id: &Value, method: &str, refusal: &Refusal) {
        if refusal.code < 0 {
            self.send(conn, EntryKind::ErrorReply, method, wire::error(id, refusal.code, &refusal.message));
        } else {
            let fields = json!({"code": refusal.code.to_string(), "message": refusal.message});
            self.send(conn, EntryKind::Reply, method, wire::result(id, fields));
        }
    }

    /// Whether the request has the form that the service asks for.
    fn check(&mut self, method: &str, params: &Map<String, Value>) -> Result<(), Refusal> {
        if !tables::knows(method) {
            self.violation(format!("{method}: there is no such method"));
            return refuse(-32601, "Method not found");
        }
        let code = if method.starts_with("signalwire.") { -32602 } else { 400 };
        let mut refusal = Ok(());
        for fault in tables::check(method, params) {
            let why = match fault {
                Fault::Unknown(_) if self.settings.allow_unknown_fields => continue,
                Fault::Unknown(path) => format!("unknown field {path}"),
                Fault::Wrong(why) => why,
            };
            self.violation(format!("{method}: {why}"));
            if refusal.is_ok() {
                refusal = refuse(code, why);
            }
        }
        refusal
    }

    fn dispatch(&mut self, conn: u64, session: &str, method: &str, params: &Map<String, Value>) -> Verdict {
        if tables::addresses_a_call(method) {
            let call_id = text(params, "call_id").unwrap_or_default().to_owned();
            let node_id = text(params, "node_id").unwrap_or_default();
            return match self.calls.get(&call_id) {
                Some(leg) if leg.session == session && leg.node_id == node_id => {
                    self.dispatch_call(&call_id, method, params)
                }
                Some(leg) if leg.session == session => {
                    self.violation(format!("{method}: call {call_id} is not on node {node_id:?}"));
                    refuse(404, "Call does not exist")
                }
                _ => refuse(404, "Call does not exist"),
            };
        }
        match method {
            "signalwire.ping" => Ok(params.clone()),
            "signalwire.receive" => self.on_receive(conn, session, params),
            "signalwire.unreceive" => self.on_unreceive(session, params),
            "calling.dial" => self.on_dial(session, params),
            "messaging.send" => self.on_send(session, params),
            _ => not_simulated(method),
        }
    }

    fn dispatch_call(&mut self, call_id: &str, method: &str, params: &Map<String, Value>) -> Verdict {
        match method {
            "calling.answer" => self.on_answer(call_id, params),
            "calling.end" => self.on_end(call_id, params),
            "calling.pass" => self.on_pass(call_id),
            "calling.connect" => self.on_connect_call(call_id, params),
            "calling.disconnect" => self.on_disconnect_call(call_id),
            "calling.play" => self.on_play(call_id, params),
            "calling.record" => self.on_record(call_id, params),
            "calling.collect" => self.on_collect(call_id, params),
            "calling.play_and_collect" => self.on_play_and_collect(call_id, params),
            "calling.detect" => self.on_detect(call_id, params),
            "calling.send_digits" => self.on_send_digits(call_id, params),
            // The reference sends these two, but no published list holds them.
            "calling.play_and_collect.pause" | "calling.play_and_collect.resume" => refuse(-32601, "Method not found"),
            _ => match method.strip_prefix("calling.").and_then(|rest| rest.rsplit_once('.')) {
                Some((kind @ ("play" | "record" | "collect" | "play_and_collect" | "detect"), command)) => {
                    self.on_command(call_id, kind, command, params)
                }
                _ => not_simulated(method),
            },
        }
    }
}

fn not_simulated(method: &str) -> Verdict {
    refuse(500, format!("{method} is not simulated yet"))
}

/// What tells the last event that a request causes.
fn last_event(method: &str, params: &Map<String, Value>, reply: &Value) -> Option<Trigger> {
    fn is(event: &Value, key: &str, any: &[&str]) -> bool {
        event.get(key).and_then(Value::as_str).is_some_and(|value| any.contains(&value))
    }
    let own = |key: &str| text(params, key).unwrap_or_default().to_owned();
    let (call_id, control_id, tag) = (own("call_id"), own("control_id"), own("tag"));
    let prompts = method == "calling.play_and_collect";
    let message_id = reply["result"]["message_id"].as_str().unwrap_or_default().to_owned();
    Some(match method {
        "calling.dial" => Box::new(move |kind: &str, event: &Value| {
            kind == "calling.call.dial" && is(event, "tag", &[&tag]) && is(event, "dial_state", &["answered", "failed"])
        }),
        "messaging.send" => Box::new(move |kind: &str, event: &Value| {
            kind == "messaging.state"
                && is(event, "message_id", &[&message_id])
                && is(event, "message_state", &["delivered", "undelivered", "failed"])
        }),
        "calling.answer" | "calling.end" => {
            let last = if method == "calling.end" { "ended" } else { "answered" };
            Box::new(move |kind: &str, event: &Value| {
                kind == "calling.call.state" && is(event, "call_id", &[&call_id]) && is(event, "call_state", &[last])
            })
        }
        "calling.connect" => Box::new(move |kind: &str, event: &Value| {
            kind == "calling.call.connect"
                && is(event, "call_id", &[&call_id])
                && is(event, "connect_state", &["connected", "failed"])
        }),
        _ if !control_id.is_empty() => Box::new(move |kind: &str, event: &Value| {
            let mark = event.pointer("/detect/params/event").and_then(Value::as_str);
            let last = mark == Some("finished")
                || event.get("result").is_some()
                || is(event, "state", &["finished", "error", "no_input"]);
            // The prompt of a collect shares its control id, and its end is not the end of the collect.
            is(event, "control_id", &[&control_id]) && last && !(prompts && kind == "calling.call.play")
        }),
        _ => return None,
    })
}
