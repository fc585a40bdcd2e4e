//! Frames on their way to clients, and their records.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::line::link::Way;
use crate::simulator::line::out::Out;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::record::journal::{Direction, Frame, FrameKind};
use crate::simulator::wire::frame;
use crate::simulator::world::connections::IDS_KEPT;
use crate::simulator::world::ended::Unacked;
use crate::simulator::world::outbox::PendingEvent;
use crate::simulator::world::state::World;

/// Number of waiting bytes at which a client that does not read is cut.
const UNREAD_LIMIT: usize = 64 << 20;

impl World {
    /// Sends a frame, and applies faults to it.
    pub(crate) fn send(&mut self, conn: u64, kind: FrameKind, method: &str, frame: Value) {
        if self.faults.is_frozen() || !self.connections.is_open(conn) {
            return;
        }
        if self.faults.injected.is_quiet() {
            self.put(conn, kind, method, frame);
        } else {
            self.send_with_faults(conn, kind, method, frame);
        }
    }

    /// Puts a frame into the queue of a connection and into the journal.
    pub(crate) fn put(&mut self, conn: u64, kind: FrameKind, method: &str, frame: Value) {
        if !self.connections.is_open(conn) {
            return;
        }
        let (passes, cut_behind) = self.sends_frame(conn, kind, method, &frame);
        let Some(connection) = self.connections.get_mut(conn).filter(|_| passes) else { return };
        connection.welcomed |= kind == FrameKind::Reply && method == "signalwire.connect";
        let text = frame.to_string();
        let waiting = connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
        if waiting > UNREAD_LIMIT {
            self.violation(format!("connection {conn} did not read: {waiting} bytes wait for it, so it was cut"));
            self.cut(conn);
            return;
        }
        if kind == FrameKind::Event && connection.event_acks && connection.unacked.len() < IDS_KEPT {
            let unacked = Unacked { sent: self.time.now(), ends: self.what_ends(method, &frame) };
            if let (Some(id), Some(connection)) = (frame["id"].as_str(), self.connections.get_mut(conn)) {
                connection.unacked.insert(id.to_owned(), unacked);
            }
        }
        self.pass_on(conn, Out::Text(text));
        self.note(Direction::ToClient, kind, conn, method, frame);
        if cut_behind {
            self.end_here(conn);
        }
    }

    /// Gives an order to the writer of a connection, with the latency of the line.
    pub(crate) fn pass_on(&mut self, conn: u64, out: Out) {
        let arrival = self.arrival(conn, Way::ToClient);
        let Some(connection) = self.connections.get(conn) else { return };
        match arrival {
            // If the connection's writer has ended, its reader is about to remove the connection.
            None => drop(connection.out.send(out)),
            // The frame arrives even if the service has closed its end by then.
            Some(at) => {
                let to = connection.out.clone();
                self.at(at, move |_| drop(to.send(out)));
            }
        }
    }

    pub(crate) fn note(&mut self, direction: Direction, kind: FrameKind, conn: u64, method: &str, mut frame: Value) {
        if (self.may_carry_secrets)(method) {
            frame::redact(&mut frame);
            if self.settings.echo_secrets {
                if let Some(identity) = frame.pointer_mut("/result/identity") {
                    *identity = "<secret>".into();
                }
            }
        }
        let at = self.time.elapsed();
        self.record.frame(at, direction, kind, conn, method, Frame::Json(frame));
    }

    /// Closes a connection at once: queued frames are lost.
    pub(crate) fn cut(&mut self, conn: u64) {
        if let Some(connection) = self.connections.close(conn) {
            self.outbox.close(Arc::clone(&connection.socket));
            self.detach_connection(conn, &connection);
        }
    }

    /// Closes all connections at once.
    pub(crate) fn cut_all(&mut self) {
        for conn in self.connections.numbers() {
            self.cut(conn);
        }
    }

    /// Sends the events that were held back, after the response that had to be sent before them.
    pub(crate) fn uncork(&mut self) {
        for event in self.outbox.uncork() {
            self.push(event);
        }
    }

    /// Sends an event of a call.
    pub(crate) fn emit(&mut self, session: &str, event_type: &'static str, params: Value) {
        self.emit_in(session, event_type, None, params);
    }

    /// Sends an event whose envelope names a context.
    pub(crate) fn emit_in(&mut self, session: &str, event_type: &'static str, context: Option<String>, params: Value) {
        let event = PendingEvent { session: session.to_owned(), event_type, context, params };
        if let Some(event) = self.outbox.keep(event) {
            self.push(event);
        }
    }

    fn push(&mut self, event: PendingEvent) {
        let PendingEvent { session, event_type, context, params } = event;
        self.outbox.note_event(event_type, &params);
        let (id, frame) = self.envelope(&session, event_type, context, params);
        self.deliver(&session, event_type, id, frame);
        for reply in self.outbox.take_due() {
            self.send(reply.conn, FrameKind::Reply, &reply.method, reply.frame);
        }
    }

    /// Builds the request that carries an event.
    pub(crate) fn envelope(
        &mut self,
        session: &str,
        event_type: &str,
        context: Option<String>,
        params: Value,
    ) -> (String, Value) {
        let id = self.ids.fresh(0xe7e7);
        let mut envelope = json!({
            "event_type": event_type,
            "timestamp": self.time.unix(),
            "project_id": self.settings.project,
            "space_id": "51500000-0000-4000-8000-000000000001",
            "params": params,
        });
        if let Some(context) = context {
            envelope["context"] = context.into();
        }
        if !event_type.starts_with("messaging.") {
            envelope["event_channel"] = session.into();
        }
        let frame = frame::request(&id, "signalwire.event", envelope);
        (id, frame)
    }

    /// Sends an event to the connection of a session, or keeps it for a resume if missed events are replayed.
    pub(crate) fn deliver(&mut self, session: &str, event_type: &str, id: String, frame: Value) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        let Some(conn) = known.conn else {
            if self.settings.replays_missed_events {
                known.missed.push((event_type.to_owned(), id, frame));
            }
            return;
        };
        self.send(conn, FrameKind::Event, event_type, frame);
    }

    // What the program did.

    /// Records an interaction of the program with the person of a call.
    pub(crate) fn record_interaction(&mut self, call_id: &str, kind: InteractionKind, words: &str) {
        let Some(person) = self.calls.get(call_id).map(|leg| leg.person) else { return };
        let who = self.person_name(person);
        self.did(kind, &who, Some(call_id), words);
    }

    pub(crate) fn did(&mut self, kind: InteractionKind, who: &str, call_id: Option<&str>, words: &str) {
        self.did_for(kind, who, call_id, words, Duration::ZERO);
    }

    pub(crate) fn did_for(
        &mut self,
        kind: InteractionKind,
        who: &str,
        call_id: Option<&str>,
        words: &str,
        lasted: Duration,
    ) {
        self.record.did(self.time.elapsed(), kind, who, call_id, words, lasted);
    }
}
