//! Requests of clients: sorted, checked against the tables, carried out, answered.

use crate::simulator::record::journal::{Direction, FrameKind};
use crate::simulator::service::methods::{self, last_event_of};
use crate::simulator::wire::frame::{self, Incoming, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse};
use crate::simulator::world::outbox::LateReply;
use crate::simulator::world::state::World;
use serde_json::{Value, json};

impl World {
    /// Handles a text frame of a client.
    pub(crate) fn on_text(&mut self, conn: u64, frame: &str) {
        if self.faults.is_frozen() || !self.connections.is_open(conn) {
            return;
        }
        if self.takes_for_replay(conn, frame) {
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
                self.note(Direction::FromClient, FrameKind::Request, conn, &method, whole);
                self.on_request(conn, &id, &method, &params);
            }
            (Ok(Incoming::Reply { id }), Ok(whole)) => {
                self.note(Direction::FromClient, FrameKind::Ack, conn, "", whole);
                self.on_reply(conn, &id);
            }
            (Err(why), parsed) => {
                // A frame that cannot be parsed is not kept, because it may contain secrets in unknown places.
                let id = parsed.ok().and_then(|value| value.get("id").cloned()).unwrap_or(Value::Null);
                self.violation(format!("connection {conn} sent a malformed frame: {why}"));
                self.send(conn, FrameKind::ErrorReply, "", frame::error(&id, -32600, "Invalid request"));
            }
            (Ok(_), Err(_)) => {}
        }
        if cut_behind {
            self.end_here(conn);
        }
    }

    /// Handles a frame of a client that is not text.
    pub(crate) fn on_binary(&mut self, conn: u64) {
        self.violation(format!("connection {conn} sent a binary frame"));
    }

    fn on_reply(&mut self, conn: u64, id: &Value) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let known = match id.as_str() {
            Some(id) if connection.ping.as_deref() == Some(id) => {
                connection.ping = None;
                true
            }
            Some(id) => match connection.unacked.remove(id) {
                Some(unacked) => {
                    let now = self.time.now();
                    if !connection.foreign {
                        self.record.acked_after(now.saturating_duration_since(unacked.sent));
                        // Until the client knows that it is authenticated, it acknowledges events before its program
                        // receives them.
                        let ends = unacked.ends.filter(|_| connection.welcomed);
                        ends.into_iter().for_each(|ends| self.over.add(ends, now));
                    }
                    true
                }
                None => false,
            },
            None => false,
        };
        // A client may send acknowledgements without having requested them.
        let known = known || !connection.event_acks || self.outbox.was_by_hand(&id.to_string());
        if !known {
            self.violation(format!("connection {conn} answered {id}, which was not asked or is answered already"));
        }
    }

    fn on_request(&mut self, conn: u64, id: &Value, method: &str, params: &Params) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let first_use = id.as_str().is_some_and(|id| connection.note_id(id));
        let authenticated = connection.session.is_some();
        if !first_use {
            self.violation(format!("{method}: the id {id} was used before"));
            return self.send(conn, FrameKind::ErrorReply, method, frame::error(id, -32600, "Repeated id"));
        }
        if !authenticated && method != "signalwire.connect" {
            self.violation(format!("{method} was sent before signalwire.connect was answered"));
            self.send(conn, FrameKind::ErrorReply, method, frame::error(id, -32600, "Not connected"));
            return self.close(conn);
        }
        if authenticated && method == "signalwire.connect" {
            self.violation(format!("connection {conn} sent signalwire.connect twice"));
            return self.send(conn, FrameKind::ErrorReply, method, frame::error(id, -32600, "Already connected"));
        }
        if self.faults.by_hand.cuts_before(method) {
            return self.cut(conn);
        }
        if !self.faults.injected.is_quiet() && self.apply_request_faults(conn, id, method) {
            return;
        }
        if method == "signalwire.connect" && self.apply_authentication_faults(conn) {
            return;
        }
        if self.faults.by_hand.ignores(method) || (method == "signalwire.ping" && self.faults.ignores_pings()) {
            return;
        }
        if let Some((code, message)) = self.faults.by_hand.rejection(method) {
            return self.refuse_request(conn, id, method, &Refusal { code, message });
        }
        if let Err(refusal) = self.check(method, params) {
            return self.refuse_request(conn, id, method, &refusal);
        }
        if method == "signalwire.connect" {
            return self.on_connect(conn, id, params);
        }
        let Some(session) = self.connections.get(conn).and_then(|connection| connection.session.clone()) else {
            return;
        };
        self.outbox.cork();
        let verdict = self.dispatch(conn, &session, method, params);
        if self.faults.by_hand.cuts_after(method) {
            self.cut(conn);
        }
        match verdict {
            Ok(mut fields) => {
                // Responses to these two methods have no code.
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

    /// Sends a response, or holds it back if the test has set that.
    pub(crate) fn answer(&mut self, conn: u64, method: &str, params: &Params, frame: Value) {
        if !self.connections.is_open(conn) {
            return;
        }
        let after =
            if self.faults.by_hand.sends_events_first(method) { last_event_of(method, params, &frame) } else { None };
        if after.is_some() || self.faults.by_hand.holds(method) {
            self.outbox.hold(LateReply::new(conn, method, frame, after));
        } else {
            self.send(conn, FrameKind::Reply, method, frame);
        }
    }

    pub(crate) fn refuse_request(&mut self, conn: u64, id: &Value, method: &str, refusal: &Refusal) {
        if refusal.code < 0 {
            self.send(conn, FrameKind::ErrorReply, method, frame::error(id, refusal.code, &refusal.message));
        } else {
            let fields = json!({"code": refusal.code.to_string(), "message": refusal.message});
            self.send(conn, FrameKind::Reply, method, frame::result(id, fields));
        }
    }

    /// Whether the request has the form that the service asks for.
    fn check(&mut self, method: &str, params: &Params) -> Result<(), Refusal> {
        let (violations, judged) = methods::all().judge(method, params, self.settings.allow_unknown_fields);
        violations.into_iter().for_each(|violation| self.violation(violation));
        judged
    }

    fn dispatch(&mut self, conn: u64, session: &str, method: &str, params: &Params) -> Reply {
        if methods::all().addresses_a_call(method) {
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
                // The call belongs to another session now, or is offered to one.
                Some(_) => refuse(404, "Call does not exist"),
                None => self.no_such_call(&call_id, method),
            };
        }
        match methods::of_session(method) {
            Some(carry) => carry(self, (conn, session), params),
            None => refuse(-32601, "Method not found"),
        }
    }
}
