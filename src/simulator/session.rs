//! Sessions: connecting, resuming, contexts, pings, and who handles which request.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::journal::{Direction, EntryKind};
use super::tables::{self, Fault};
use super::wire::{self, Incoming, text};
use super::world::{Conn, LateReply, Out, SessionId, Trigger, World};

/// A session, which outlives its connections.
pub(super) struct Session {
    pub(super) conn: Option<u64>,
    pub(super) contexts: BTreeSet<String>,
    authorization_state: String,
    /// Events that found no connection, for a resume: type, id, frame.
    pub(super) missed: Vec<(String, String, Value)>,
    /// When it was last offered something; the one that waits longest is next.
    pub(super) last_offer: u64,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

/// What the reply to a request holds beside `code` and `message`.
pub(super) type Verdict = Result<Map<String, Value>, Refusal>;

pub(super) fn refuse<T>(code: i64, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, message: message.into() })
}

/// The fields of a reply.
pub(super) fn reply(message: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("message".into(), message.into());
    fields
}

impl World {
    /// A connection has finished its handshakes.
    pub(super) fn connected(&mut self, connection: Conn) -> u64 {
        self.connected_ever += 1;
        let conn = self.connected_ever;
        self.conns.insert(conn, connection);
        conn
    }

    /// A connection has ended.
    pub(super) fn gone(&mut self, conn: u64) {
        if let Some(connection) = self.conns.remove(&conn) {
            self.left(conn, &connection);
        }
    }

    pub(super) fn left(&mut self, conn: u64, connection: &Conn) {
        if let Some(session) = connection.session.as_ref().and_then(|name| self.sessions.get_mut(name)) {
            if session.conn == Some(conn) {
                session.conn = None;
            }
        }
        self.late.retain(|reply| reply.conn != conn);
    }

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
    fn answer(&mut self, conn: u64, method: &str, params: &Map<String, Value>, frame: Value) {
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

    fn refuse_request(&mut self, conn: u64, id: &Value, method: &str, refusal: &Refusal) {
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

    fn on_connect(&mut self, conn: u64, id: &Value, params: &Map<String, Value>) {
        match self.authenticate(conn, params) {
            Err(refusal) => {
                self.refuse_request(conn, id, "signalwire.connect", &refusal);
                self.close(conn);
            }
            Ok((session, restored)) => {
                let identity = if self.settings.echo_secrets {
                    format!("{}@simulator.invalid", self.settings.token.expose())
                } else {
                    format!("{}@simulator.invalid", self.fresh_id(0x1de0))
                };
                let result = json!({
                    "protocol": session,
                    "identity": identity,
                    "authorization": {
                        "project": self.settings.project,
                        "scopes": ["calling", "messaging"],
                        "signature": self.signature(),
                    },
                    "session_restored": restored,
                });
                self.answer(conn, "signalwire.connect", params, wire::result(id, result));
                self.opened(conn, &session, restored);
            }
        }
    }

    /// Judges a `signalwire.connect`; gives the session and whether it is an old one.
    fn authenticate(&mut self, conn: u64, params: &Map<String, Value>) -> Result<(SessionId, bool), Refusal> {
        let version = wire::object(params, "version");
        let part = |name| version.and_then(|version| version.get(name)).and_then(Value::as_i64);
        let major = part("major").unwrap_or(-1);
        if !(0..=4).contains(&major) || part("minor") != Some(0) {
            return refuse(-32001, "Protocol version not supported");
        }
        if self.faults.refuses_credentials() || !self.credentials_fit(params) {
            return refuse(-32002, "Authentication failed");
        }
        let wanted = text(params, "protocol").filter(|name| !name.is_empty());
        let state = text(params, "authorization_state");
        if state.is_some() && wanted.is_none() {
            self.violation("signalwire.connect: authorization_state without protocol".into());
            return refuse(-32602, "authorization_state needs protocol");
        }
        let known = wanted.filter(|name| self.sessions.contains_key(*name)).map(str::to_owned);
        let restored = known.is_some();
        let name = known.unwrap_or_else(|| {
            let unique = self.fresh_id(0x5e55);
            format!("signalwire_{}_{unique}_{}", self.signature(), self.settings.project)
        });
        let blob = self.fresh_id(0xa071);
        let session = self.sessions.entry(name.clone()).or_insert_with(|| Session {
            conn: None,
            contexts: BTreeSet::new(),
            authorization_state: blob,
            missed: Vec::new(),
            last_offer: 0,
        });
        let contexts = wire::list(params, "contexts").iter().filter_map(Value::as_str).map(str::to_owned);
        session.contexts.extend(contexts);
        let before = session.conn.replace(conn);
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.session = Some(name.clone());
            connection.event_acks = wire::flag(params, "event_acks");
            connection.major = major;
        }
        // A client that comes back has given its old connection up, though that may not be seen here yet.
        if let Some(old) = before.filter(|old| *old != conn) {
            self.cut(old);
        }
        Ok((name, restored))
    }

    fn credentials_fit(&self, params: &Map<String, Value>) -> bool {
        let Some(given) = wire::object(params, "authentication") else { return false };
        let some = |key| text(given, key).filter(|value| !value.is_empty());
        match (some("jwt_token"), some("project"), some("token")) {
            (Some(jwt), None, None) => self.settings.any_credentials || jwt == self.settings.token.expose(),
            (None, Some(project), Some(token)) => {
                self.settings.any_credentials
                    || (project == self.settings.project && token == self.settings.token.expose())
            }
            _ => false,
        }
    }

    fn opened(&mut self, conn: u64, session: &str, restored: bool) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        let missed = std::mem::take(&mut known.missed);
        let blob = known.authorization_state.clone();
        if !restored {
            self.emit(session, "signalwire.authorization.state", json!({"authorization_state": blob}));
        }
        for (event_type, id, frame) in missed {
            self.deliver(session, &event_type, id, frame);
        }
        self.ping_later(conn);
        self.route_waiting();
    }

    fn ping_later(&mut self, conn: u64) {
        let every = self.settings.ping_every;
        self.after_real(every, move |world| world.ping(conn));
    }

    fn ping(&mut self, conn: u64) {
        let Some(connection) = self.conns.get(&conn) else { return };
        if connection.ping.is_none() && !self.faults.frozen {
            let id = self.fresh_id(0x9199);
            let frame = wire::request(&id, "signalwire.ping", json!({"timestamp": self.clock.unix()}));
            self.send(conn, EntryKind::ServiceRequest, "signalwire.ping", frame);
            if let Some(connection) = self.conns.get_mut(&conn) {
                connection.ping = Some(id.clone());
            }
            let limit = self.settings.ping_limit;
            self.after_real(limit, move |world| {
                if world.conns.get(&conn).is_some_and(|connection| connection.ping.as_ref() == Some(&id)) {
                    world.violation(format!("connection {conn} did not answer a ping, so it was closed"));
                    world.cut(conn);
                }
            });
        }
        self.ping_later(conn);
    }

    fn on_receive(&mut self, conn: u64, session: &str, params: &Map<String, Value>) -> Verdict {
        if self.conns.get(&conn).is_some_and(|connection| connection.major >= 4) {
            return refuse(-32001, "Not available in this protocol version");
        }
        let contexts: Vec<String> =
            wire::list(params, "contexts").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if let Some(session) = self.sessions.get_mut(session) {
            session.contexts.extend(contexts);
        }
        self.route_waiting();
        Ok(reply("Receiving events"))
    }

    fn on_unreceive(&mut self, session: &str, params: &Map<String, Value>) -> Verdict {
        if let Some(session) = self.sessions.get_mut(session) {
            for context in wire::list(params, "contexts").iter().filter_map(Value::as_str) {
                session.contexts.remove(context);
            }
        }
        Ok(reply("Unreceiving events"))
    }

    /// Closes a connection in good order, after what is queued for it.
    pub(super) fn close(&mut self, conn: u64) {
        if let Some(connection) = self.conns.remove(&conn) {
            let _ = connection.out.send(Out::Close);
            self.left(conn, &connection);
        }
    }

    /// Announces the end of every connection, as before maintenance, and closes them a moment later.
    pub(super) fn ask_to_reconnect(&mut self, restart: bool) {
        for conn in self.conns.keys().copied().collect::<Vec<_>>() {
            let id = self.fresh_id(0xd15c);
            let frame = wire::request(&id, "signalwire.disconnect", json!({"restart": restart}));
            self.by_hand.insert(format!("{id:?}"));
            self.send(conn, EntryKind::ServiceRequest, "signalwire.disconnect", frame);
            self.after_real(std::time::Duration::from_millis(200), move |world| world.close(conn));
        }
        if restart {
            self.forget_sessions();
        }
    }

    /// Forgets all sessions: the next reconnect of each client is not a resume, and its calls are gone.
    pub(super) fn forget_sessions(&mut self) {
        let forgotten: Vec<SessionId> = self.sessions.keys().cloned().collect();
        let mut calls: Vec<String> =
            self.calls.values().filter(|leg| forgotten.contains(&leg.session)).map(|leg| leg.call_id.clone()).collect();
        calls.sort();
        self.sessions.clear();
        for call_id in calls {
            self.end_call(&call_id, "error", "none");
        }
    }

    /// The session that is next for something in this context, when one is connected.
    pub(super) fn next_session(&mut self, context: &str, except: &[SessionId]) -> Option<SessionId> {
        let turn = self.number();
        let (name, session) = self
            .sessions
            .iter_mut()
            .filter(|(name, session)| {
                session.conn.is_some() && session.contexts.contains(context) && !except.contains(name)
            })
            .min_by_key(|(_, session)| session.last_offer)?;
        session.last_offer = turn;
        Some(name.clone())
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
