//! What clients send: sorted, checked against the tables, carried out, answered.

use serde_json::{Map, Value, json};

use crate::simulator::record::journal::{Direction, EntryKind};
use crate::simulator::service::sessions::{Refusal, Verdict, refuse};
use crate::simulator::wire::frame::{self, Incoming, text};
use crate::simulator::wire::schema::{self, Fault};
use crate::simulator::world::state::{LateReply, Trigger, World};

impl World {
    /// A client sent a text frame.
    pub(crate) fn on_text(&mut self, conn: u64, frame: &str) {
        if self.faults.frozen || !self.conns.contains_key(&conn) {
            return;
        }
        let (passes, cut_behind) = self.takes_frame(conn, frame);
        if !passes {
            return;
        }
        let parsed = serde_json::from_str::<Value>(frame).map_err(|error| error.to_string());
        let sorted = parsed.as_ref().map_err(Clone::clone).and_then(frame::sort);
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
                self.send(conn, EntryKind::ErrorReply, "", frame::error(&id, -32600, "Invalid request"));
            }
            (Ok(_), Err(_)) => {}
        }
        if cut_behind {
            self.end_here(conn);
        }
    }

    /// A client sent something other than text.
    pub(crate) fn on_binary(&mut self, conn: u64) {
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
                Some(unacked) => {
                    let now = self.clock.now();
                    if !connection.foreign {
                        self.slowest_ack = self.slowest_ack.max(now.saturating_duration_since(unacked.sent));
                        // Until it knows that it is authenticated, a client acknowledges what its program is told later.
                        let ends = unacked.ends.filter(|_| connection.welcomed);
                        ends.into_iter().for_each(|ends| self.over.add(ends, now));
                    }
                    true
                }
                None => false,
            },
            None => false,
        };
        // A client that did not ask for acknowledgements, and sends them all the same, is in order.
        let known = known || !connection.event_acks || self.by_hand.contains(&id.to_string());
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
            return self.send(conn, EntryKind::ErrorReply, method, frame::error(id, -32600, "Repeated id"));
        }
        if !authenticated && method != "signalwire.connect" {
            self.violation(format!("{method} was sent before signalwire.connect was answered"));
            self.send(conn, EntryKind::ErrorReply, method, frame::error(id, -32600, "Not connected"));
            return self.close(conn);
        }
        if authenticated && method == "signalwire.connect" {
            self.violation(format!("connection {conn} sent signalwire.connect twice"));
            return self.send(conn, EntryKind::ErrorReply, method, frame::error(id, -32600, "Already connected"));
        }
        if self.faults.drop_before.remove(method) {
            return self.cut(conn);
        }
        if !self.faults.is_quiet() && self.goes_amiss(conn, id, method) {
            return;
        }
        if method == "signalwire.connect" && self.authentication_amiss(conn) {
            return;
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
                // These two are not judged by a code.
                if !matches!(method, "signalwire.ping" | "signalwire.reauthenticate") {
                    fields.insert("code".into(), "200".into());
                }
                let frame = frame::result(id, Value::Object(fields));
                self.answer(conn, method, params, frame);
            }
            Err(refusal) => self.refuse_request(conn, id, method, &refusal),
        }
        self.uncork();
    }

    /// Sends a reply, or keeps it back when that was asked for.
    pub(crate) fn answer(&mut self, conn: u64, method: &str, params: &Map<String, Value>, frame: Value) {
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

    pub(crate) fn refuse_request(&mut self, conn: u64, id: &Value, method: &str, refusal: &Refusal) {
        if refusal.code < 0 {
            self.send(conn, EntryKind::ErrorReply, method, frame::error(id, refusal.code, &refusal.message));
        } else {
            let fields = json!({"code": refusal.code.to_string(), "message": refusal.message});
            self.send(conn, EntryKind::Reply, method, frame::result(id, fields));
        }
    }

    /// Whether the request has the form that the service asks for.
    pub(crate) fn check(&mut self, method: &str, params: &Map<String, Value>) -> Result<(), Refusal> {
        if !schema::knows(method) {
            let why = schema::refused(method).unwrap_or("there is no such method");
            self.violation(format!("{method}: {why}"));
            return refuse(-32601, "Method not found");
        }
        let code = if method.starts_with("signalwire.") { -32602 } else { 400 };
        let mut refusal = Ok(());
        for fault in schema::check(method, params) {
            match fault {
                Fault::Unknown(_) if self.settings.allow_unknown_fields => {}
                // The service does not look at what it does not know, and carries the request out.
                Fault::Unknown(path) => self.violation(format!("{method}: unknown field {path}")),
                Fault::Wrong(why) => {
                    self.violation(format!("{method}: {why}"));
                    if refusal.is_ok() {
                        refusal = refuse(code, why);
                    }
                }
            }
        }
        refusal
    }

    fn dispatch(&mut self, conn: u64, session: &str, method: &str, params: &Map<String, Value>) -> Verdict {
        if schema::addresses_a_call(method) {
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
                // Another session has it now, or is offered it.
                Some(_) => refuse(404, "Call does not exist"),
                None => self.no_such_call(&call_id, method),
            };
        }
        match method {
            "signalwire.ping" => Ok(params.clone()),
            "signalwire.receive" => self.on_receive(conn, session, params),
            "signalwire.unreceive" => self.on_unreceive(session, params),
            "calling.dial" => self.on_dial(session, params),
            "messaging.send" => self.on_send(session, params),
            "signalwire.reauthenticate" => self.on_reauthenticate(params),
            _ => refuse(-32601, "Method not found"),
        }
    }

    pub(crate) fn dispatch_call(&mut self, call_id: &str, method: &str, params: &Map<String, Value>) -> Verdict {
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
            "calling.transfer" => self.on_transfer(call_id, params),
            "calling.refer" => self.on_refer(call_id, params),
            "calling.hold" => self.on_hold(call_id, true),
            "calling.unhold" => self.on_hold(call_id, false),
            "calling.denoise" => self.on_denoise(call_id, true),
            "calling.denoise.stop" => self.on_denoise(call_id, false),
            "calling.echo" => self.on_echo(call_id, params),
            "calling.user_event" => self.on_user_event(call_id, params),
            "calling.bind_digit" => self.on_bind_digit(call_id, params),
            "calling.clear_digit_bindings" => self.on_clear_digit_bindings(call_id, params),
            "calling.send_fax" => self.on_fax(call_id, params, true),
            "calling.receive_fax" => self.on_fax(call_id, params, false),
            "calling.pay" => self.on_pay(call_id, params),
            "calling.tap" => self.on_tap(call_id, params),
            "calling.stream" => self.on_stream(call_id, params),
            "calling.transcribe" => self.on_transcribe(call_id, params),
            "calling.live_transcribe" => self.on_live(call_id, params, false),
            "calling.live_translate" => self.on_live(call_id, params, true),
            "calling.join_conference" => self.on_join_conference(call_id, params),
            "calling.leave_conference" => self.on_leave_conference(call_id, params),
            "calling.join_room" => self.on_join_room(call_id, params),
            "calling.leave_room" => self.on_leave_room(call_id),
            "calling.queue.enter" => self.on_queue_enter(call_id, params),
            "calling.queue.leave" => self.on_queue_leave(call_id, params),
            "calling.ai" => self.on_ai(call_id, params),
            "calling.ai.stop" => self.on_ai_stop(call_id, params),
            "calling.amazon_bedrock" => self.on_amazon_bedrock(call_id, params),
            "calling.ai_message" => self.on_ai_message(call_id, params),
            "calling.ai_hold" => self.on_ai_hold(call_id, params),
            "calling.ai_unhold" => self.on_ai_unhold(call_id, params),
            "calling.ai_sidecar" => self.on_sidecar(call_id),
            "calling.ai_sidecar.poke" => self.on_sidecar_poke(call_id, params),
            "calling.ai_sidecar.ask" => self.on_sidecar_ask(call_id, params),
            "calling.ai_sidecar.stop" => self.on_sidecar_stop(call_id),
            "calling.ai_sidecar.status" => self.on_sidecar_status(call_id),
            // The reference sends these two, but no published list holds them.
            "calling.play_and_collect.pause" | "calling.play_and_collect.resume" => refuse(-32601, "Method not found"),
            _ => match method.strip_prefix("calling.").and_then(|rest| rest.rsplit_once('.')) {
                Some((kind, command)) => self.on_command(call_id, kind, command, params),
                None => refuse(-32601, "Method not found"),
            },
        }
    }
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
        "calling.refer" => Box::new(move |kind: &str, event: &Value| {
            kind == "calling.call.refer" && is(event, "call_id", &[&call_id]) && !is(event, "state", &["inProgress"])
        }),
        "calling.hold"
        | "calling.unhold"
        | "calling.denoise"
        | "calling.denoise.stop"
        | "calling.echo"
        | "calling.join_room"
        | "calling.leave_room"
        | "calling.user_event" => {
            let wanted = match method {
                "calling.hold" | "calling.unhold" => "calling.call.hold",
                "calling.echo" => "calling.call.echo",
                "calling.user_event" => "calling.user_event",
                "calling.join_room" | "calling.leave_room" => "calling.call.room",
                _ => "calling.call.denoise",
            };
            let echo = method == "calling.echo";
            Box::new(move |kind: &str, event: &Value| {
                kind == wanted && is(event, "call_id", &[&call_id]) && (!echo || is(event, "state", &["finished"]))
            })
        }
        "calling.join_conference" | "calling.leave_conference" => {
            let last = if method == "calling.join_conference" { "participant-join" } else { "participant-leave" };
            Box::new(move |kind: &str, event: &Value| {
                kind == "calling.conference" && is(event, "call_id", &[&call_id]) && is(event, "status", &[last])
            })
        }
        // Some clients send these with a control id, which means nothing.
        "calling.amazon_bedrock" | "calling.ai_message" | "calling.ai_hold" | "calling.ai_unhold" => return None,
        _ if !control_id.is_empty() => Box::new(move |kind: &str, event: &Value| {
            let mark = event.pointer("/detect/params/event").and_then(Value::as_str);
            let fax = event.pointer("/fax/type").and_then(Value::as_str);
            let last = mark == Some("finished")
                || matches!(fax, Some("finished" | "error"))
                || is(event, "status", &["leave", "dequeue"])
                || event.get("result").is_some()
                || is(event, "state", &["finished", "error", "no_input"]);
            // The prompt of a collect shares its control id, and its end is not the end of the collect.
            is(event, "control_id", &[&control_id]) && last && !(prompts && kind == "calling.call.play")
        }),
        _ => return None,
    })
}
