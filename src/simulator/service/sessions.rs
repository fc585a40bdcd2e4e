//! Sessions: connecting, resuming, contexts, pings, and the handling of requests.

use crate::simulator::line::out::Out;
use crate::simulator::record::journal::FrameKind;
use crate::simulator::wire::frame::{self, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};
use crate::simulator::world::calls::SessionId;
use crate::simulator::world::connections::Conn;
use crate::simulator::world::state::World;
use serde_json::{Map, Value, json};

impl World {
    /// Registers a connection that has finished its handshakes.
    pub(crate) fn connected(&mut self, connection: Conn) -> u64 {
        self.connections.open(connection)
    }

    /// Handles the end of a connection.
    pub(crate) fn disconnected(&mut self, conn: u64) {
        if let Some(connection) = self.connections.close(conn) {
            self.detach_connection(conn, &connection);
        }
    }

    /// Removes a connection from its session, the outbox and the replay.
    pub(crate) fn detach_connection(&mut self, conn: u64, connection: &Conn) {
        if let Some(replay) = &mut self.replay {
            replay.closed(conn);
        }
        if let Some(session) = connection.session.as_ref().and_then(|name| self.sessions.get_mut(name)) {
            if session.conn == Some(conn) {
                session.conn = None;
            }
        }
        self.outbox.forget(conn);
    }

    pub(crate) fn on_connect(&mut self, conn: u64, id: &Value, params: &Params) {
        match self.authenticate(conn, params) {
            Err(refusal) => {
                self.refuse_request(conn, id, "signalwire.connect", &refusal);
                self.close(conn);
            }
            Ok((session, restored)) => {
                let identity = if self.settings.echo_secrets {
                    format!("{}@simulator.invalid", self.settings.token.expose())
                } else {
                    format!("{}@simulator.invalid", self.ids.fresh(0x1de0))
                };
                let result = json!({
                    "protocol": session,
                    "identity": identity,
                    "authorization": self.authorization(),
                    "session_restored": restored,
                });
                self.answer(conn, "signalwire.connect", params, frame::result(id, result));
                self.opened(conn, &session, restored);
            }
        }
    }

    /// Checks a `signalwire.connect`; returns the session and whether it is an old one.
    fn authenticate(&mut self, conn: u64, params: &Params) -> Result<(SessionId, bool), Refusal> {
        let version = frame::object(params, "version");
        let part = |name| version.and_then(|version| version.get(name)).and_then(Value::as_i64);
        let major = part("major").unwrap_or(-1);
        if !(0..=4).contains(&major) || part("minor") != Some(0) {
            return refuse(-32001, "Protocol version not supported");
        }
        let resumes = text(params, "protocol").is_some_and(|name| !name.is_empty());
        if self.rejects_credentials(resumes) || !self.credentials_fit(params) {
            return refuse(-32002, "Authentication failed");
        }
        let wanted = text(params, "protocol").filter(|name| !name.is_empty());
        let state = text(params, "authorization_state");
        if state.is_some() && wanted.is_none() {
            self.violation("signalwire.connect: authorization_state without protocol".into());
            return refuse(-32602, "authorization_state needs protocol");
        }
        let known = wanted.filter(|name| self.sessions.knows(name)).map(str::to_owned);
        let restored = known.is_some();
        let name = known.unwrap_or_else(|| {
            let unique = self.ids.fresh(0x5e55);
            format!("signalwire_{}_{unique}_{}", self.ids.signature(), self.settings.project)
        });
        let blob = self.ids.fresh(0xa071);
        let session = self.sessions.get_or_new(&name, blob);
        let contexts = frame::list(params, "contexts").iter().filter_map(Value::as_str).map(str::to_owned);
        session.contexts.extend(contexts);
        let before = session.conn.replace(conn);
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.session = Some(name.clone());
            connection.event_acks = frame::flag(params, "event_acks");
            connection.major = major;
        }
        // A client that reconnects has given up its old connection, although the simulator may not have noticed yet.
        if let Some(old) = before.filter(|old| *old != conn) {
            self.cut(old);
        }
        Ok((name, restored))
    }

    fn authorization(&self) -> Value {
        json!({
            "project": self.settings.project,
            "scopes": ["calling", "messaging"],
            "signature": self.ids.signature(),
        })
    }

    /// Checks a new JWT on an open connection. If it is rejected, the connection and its session stay unchanged.
    pub(crate) fn on_reauthenticate(&mut self, params: &Params) -> Reply {
        let given = frame::object(params, "authentication");
        let jwt = given.and_then(|given| text(given, "jwt_token")).filter(|jwt| !jwt.is_empty());
        if given.is_some_and(|given| given.contains_key("token")) || jwt.is_none() {
            return refuse(-32602, "authentication.jwt_token is missing");
        }
        let fits = self.settings.any_credentials || jwt == Some(self.settings.token.expose());
        if self.rejects_credentials(false) || !fits {
            return refuse(-32002, "Authentication failed");
        }
        Ok(Map::from_iter([("authorization".to_owned(), self.authorization())]))
    }

    fn credentials_fit(&self, params: &Params) -> bool {
        let Some(given) = frame::object(params, "authentication") else { return false };
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
        let Some(connection) = self.connections.get(conn).filter(|connection| !connection.foreign) else { return };
        if connection.ping.is_none() && !self.faults.is_frozen() {
            let id = self.ids.fresh(0x9199);
            let frame = frame::request(&id, "signalwire.ping", json!({"timestamp": self.time.unix()}));
            self.send(conn, FrameKind::ServiceRequest, "signalwire.ping", frame);
            if let Some(connection) = self.connections.get_mut(conn) {
                connection.ping = Some(id.clone());
            }
            let limit = self.settings.ping_limit;
            self.after_real(limit, move |world| {
                if world.connections.get(conn).is_some_and(|connection| connection.ping.as_ref() == Some(&id)) {
                    world.violation(format!("connection {conn} did not answer a ping, so it was closed"));
                    world.cut(conn);
                }
            });
        }
        self.ping_later(conn);
    }

    pub(crate) fn on_receive(&mut self, conn: u64, session: &str, params: &Params) -> Reply {
        if self.connections.get(conn).is_some_and(|connection| connection.major >= 4) {
            return refuse(-32001, "Not available in this protocol version");
        }
        let contexts: Vec<String> =
            frame::list(params, "contexts").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if let Some(session) = self.sessions.get_mut(session) {
            session.contexts.extend(contexts);
        }
        self.route_waiting();
        Ok(reply("Receiving events"))
    }

    pub(crate) fn on_unreceive(&mut self, session: &str, params: &Params) -> Reply {
        if let Some(session) = self.sessions.get_mut(session) {
            for context in frame::list(params, "contexts").iter().filter_map(Value::as_str) {
                session.contexts.remove(context);
            }
        }
        Ok(reply("Unreceiving events"))
    }

    /// Closes a connection regularly, after its queued frames.
    pub(crate) fn close(&mut self, conn: u64) {
        self.close_with(conn, Out::Close);
    }

    pub(crate) fn close_with(&mut self, conn: u64, how: Out) {
        if self.connections.is_open(conn) {
            self.pass_on(conn, how);
        }
        if let Some(connection) = self.connections.close(conn) {
            self.detach_connection(conn, &connection);
        }
    }

    /// Announces the end of every connection, as before maintenance, and closes them 200 ms later.
    pub(crate) fn ask_to_reconnect(&mut self, restart: bool) {
        for conn in self.connections.numbers() {
            let id = self.ids.fresh(0xd15c);
            let frame = frame::request(&id, "signalwire.disconnect", json!({"restart": restart}));
            self.outbox.by_hand(format!("{id:?}"));
            self.send(conn, FrameKind::ServiceRequest, "signalwire.disconnect", frame);
            self.after_real(std::time::Duration::from_millis(200), move |world| world.close(conn));
        }
        if restart {
            self.forget_sessions();
        }
    }

    /// Forgets all sessions: the next reconnect of each client is not a resume, and its calls are lost.
    pub(crate) fn forget_sessions(&mut self) {
        let forgotten = self.sessions.names();
        let mut calls: Vec<String> =
            self.calls.all().filter(|leg| forgotten.contains(&leg.session)).map(|leg| leg.call_id.clone()).collect();
        calls.sort();
        self.sessions.forget_all();
        for call_id in calls {
            if let Some(person) = self.calls.get(&call_id).map(|leg| leg.person) {
                let name = self.person_name(person);
                self.tell(format!("the call of {name} ended with its session"));
            }
            self.end_call(&call_id, "error", "none");
        }
    }
}
