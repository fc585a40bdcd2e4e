//! The effects of injected faults on frames, requests, connections and lines.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::Rng;
use crate::simulator::faults::active::{Again, Begins, FrameFate, HeldFrame, RequestFate};
use crate::simulator::faults::fault::{Act, Fault, Only, Ways};
use crate::simulator::faults::json;
use crate::simulator::faults::malformed::{self, Sent};
use crate::simulator::line::handshake::HandshakeFault;
use crate::simulator::line::link::Way;
use crate::simulator::line::out::Out;
use crate::simulator::record::journal::{Direction, Frame, FrameKind};
use crate::simulator::wire::frame;
use crate::simulator::wire::reply::Refusal;
use crate::simulator::world::state::World;

/// Longest time that a frame waits for those that must overtake it.
const REORDER_LIMIT: Duration = Duration::from_secs(1);

/// Time from the announcement until the connection is closed.
const CLOSE_AFTER: Duration = Duration::from_millis(200);

impl World {
    /// Adds a fault, which takes effect at once, or after the time that it says.
    pub(crate) fn inject(&mut self, fault: Fault) -> u64 {
        let id = self.faults.injected.next_id();
        let rng = Rng::new(self.ids.seed_of_fault(id));
        let (after, lasting) = (fault.after, fault.lasting);
        self.faults.injected.add(id, fault, rng);
        if let Some(span) = lasting {
            self.after_real(after.saturating_add(span), move |world| world.remove_fault(id));
        }
        if after.is_zero() {
            self.begin_fault(id);
        } else {
            self.after_real(after, move |world| world.begin_fault(id));
        }
        id
    }

    pub(crate) fn remove_fault(&mut self, id: u64) {
        self.faults.injected.remove(id);
        self.reshape();
    }

    /// Removes all faults.
    pub(crate) fn remove_faults(&mut self) {
        self.faults.injected.clear();
        self.reshape();
    }

    fn begin_fault(&mut self, id: u64) {
        match self.faults.injected.begin(id) {
            Some(Begins::Acts(act)) => {
                let conns = self.connections.numbers();
                self.perform(&act, conns);
            }
            Some(Begins::Flaps(span)) => self.after_real(span, move |world| world.flap(id, true)),
            Some(Begins::Waits) | None => {}
        }
        self.reshape();
    }

    fn flap(&mut self, id: u64, goes_down: bool) {
        let Some(span) = self.faults.injected.flap(id, goes_down) else { return };
        if goes_down {
            let conns: Vec<u64> = self.connections.numbers();
            self.record_fault("flap", &conns);
            conns.into_iter().for_each(|conn| self.cut(conn));
        }
        self.after_real(span, move |world| world.flap(id, !goes_down));
    }

    // The line.

    /// Applies the injected faults to the lines.
    pub(crate) fn reshape(&mut self) {
        let shape = self.faults.injected.shape();
        self.lines.shape(shape);
    }

    /// The time at which bytes that are sent now arrive; `None` is at once. They do not overtake bytes on the way.
    pub(crate) fn arrival(&mut self, conn: u64, way: Way) -> Option<Instant> {
        let direction = if way == Way::ToClient { Ways::ToClient } else { Ways::FromClient };
        let injected = &mut self.faults.injected;
        let delay = if injected.is_quiet() { Duration::ZERO } else { injected.latency(direction) };
        let now = self.time.now();
        let last = &mut self.connections.get_mut(conn)?.arrival[usize::from(way == Way::FromClient)];
        let at = last.unwrap_or(now).max(now.checked_add(delay)?);
        // A frame that is due at this very moment may still wait for its timer, and a later frame must not overtake
        // it.
        let is_behind = last.is_some_and(|last| last >= now);
        *last = (at > now || is_behind).then_some(at);
        *last
    }

    /// Handles a text frame of a client, after the latency of the line.
    pub(crate) fn receive_text(&mut self, conn: u64, frame: &str) {
        match self.arrival(conn, Way::FromClient) {
            None => self.on_text(conn, frame),
            Some(at) => {
                let frame = frame.to_owned();
                self.at(at, move |world| world.on_text(conn, &frame));
            }
        }
    }

    /// Handles the end of a connection, after the frames that are on their way.
    pub(crate) fn receive_end(&mut self, conn: u64) {
        match self.arrival(conn, Way::FromClient) {
            None => self.disconnected(conn),
            Some(at) => self.at(at, move |world| world.disconnected(conn)),
        }
    }

    // Connecting.

    /// `true` if a fault, set by hand or injected, rejects the credentials of a connect.
    pub(crate) fn rejects_credentials(&mut self, resumes: bool) -> bool {
        self.faults.by_hand.rejects_credentials() || self.faults.injected.rejects_credentials(resumes)
    }

    // Requests.

    /// Applies the faults to a request. Returns `true` if the request does not take effect.
    pub(crate) fn apply_request_faults(&mut self, conn: u64, id: &Value, method: &str) -> bool {
        for act in self.faults.injected.acts_on_request(method) {
            self.perform(&act, vec![conn]);
        }
        if !self.connections.is_open(conn) {
            return true;
        }
        match self.faults.injected.on_request(method) {
            None => return false,
            Some(RequestFate::Lost) => {}
            Some(RequestFate::Refused { code, message }) => {
                self.refuse_request(conn, id, method, &Refusal { code, message });
            }
        }
        true
    }

    /// Applies the faults to the authentication of a connection. Returns `true` if it gets no response.
    pub(crate) fn apply_authentication_faults(&mut self, conn: u64) -> bool {
        let Some(trouble) = self.connections.get_mut(conn).and_then(|connection| connection.trouble.take()) else {
            return false;
        };
        match trouble.what {
            HandshakeFault::Silence => {}
            HandshakeFault::Garbage(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.push_text(conn, text, None);
            }
            HandshakeFault::Cut => self.cut(conn),
            HandshakeFault::Reset => self.reset(conn),
            HandshakeFault::Drip(_) | HandshakeFault::Http(..) => return false,
        }
        true
    }

    // Frames.

    /// Sends a frame, and applies the faults to it.
    pub(crate) fn send_with_faults(&mut self, conn: u64, kind: FrameKind, method: &str, frame: Value) {
        let sort = match kind {
            FrameKind::Reply | FrameKind::ErrorReply => Only::Replies,
            FrameKind::Event => Only::Events,
            // Pings and similar frames are not affected; they have faults of their own.
            _ => return self.put(conn, kind, method, frame),
        };
        let FrameFate { is_lost, delay, behind, again } = self.faults.injected.on_frame(sort, method);
        let mut frames = vec![frame.clone()];
        for again in again {
            match again {
                Again::Same(copies) => {
                    self.outbox.by_hand(frame["id"].to_string());
                    frames.extend(std::iter::repeat_n(frame.clone(), copies));
                }
                Again::FreshId => {
                    let mut again = frame.clone();
                    again["id"] = self.ids.fresh(0xe7e7).into();
                    frames.push(again);
                }
            }
        }
        if is_lost {
            self.tell(format!("lost on the way: {method}"));
        } else if behind > 0 {
            let id = self.ids.number();
            let (left, method) = (behind, method.to_owned());
            self.faults.injected.hold(HeldFrame { id, conn, left, kind, method, frames });
            self.after_real(REORDER_LIMIT, move |world| {
                let held = world.faults.injected.take_held(|frame| frame.id == id);
                world.release(held);
            });
        } else if delay.is_zero() {
            frames.into_iter().for_each(|frame| self.put(conn, kind, method, frame));
            self.release_overtaken(conn);
        } else {
            let method = method.to_owned();
            self.after_real(delay, move |world| {
                frames.into_iter().for_each(|frame| world.put(conn, kind, &method, frame));
                world.release_overtaken(conn);
            });
        }
        if kind == FrameKind::Event {
            for act in self.faults.injected.acts_on_event(method) {
                self.perform(&act, vec![conn]);
            }
        }
    }

    /// Sends the frames that the frame before has overtaken, if enough others have.
    fn release_overtaken(&mut self, conn: u64) {
        let held = self.faults.injected.overtaken(conn);
        self.release(held);
    }

    fn release(&mut self, held: Vec<HeldFrame>) {
        for HeldFrame { conn, kind, method, frames, .. } in held {
            frames.into_iter().for_each(|frame| self.put(conn, kind, &method, frame));
        }
    }

    // Faults that occur once.

    fn perform(&mut self, act: &Act, conns: Vec<u64>) {
        self.record_fault(json::name_of(act), &conns);
        match act {
            Act::Reset => conns.into_iter().for_each(|conn| self.reset(conn)),
            Act::Cut => conns.into_iter().for_each(|conn| self.cut(conn)),
            Act::Close { code, reason } => {
                for conn in conns {
                    self.close_with(conn, Out::CloseWith(*code, reason.clone()));
                }
            }
            Act::Disconnect { restart, closes } => self.announce_end(&conns, *restart, *closes),
            Act::ForgetSessions => self.forget_sessions(),
            Act::Pings { count } => {
                for conn in conns {
                    for _ in 0..*count {
                        let id = self.ids.fresh(0x9199);
                        self.outbox.by_hand(json!(id).to_string());
                        let frame = frame::request(&id, "signalwire.ping", json!({"timestamp": self.time.unix()}));
                        self.put(conn, FrameKind::ServiceRequest, "signalwire.ping", frame);
                        self.pass_on(conn, Out::Ping(id.into_bytes()));
                    }
                }
            }
            Act::Malformed(kind) => {
                for conn in conns {
                    let id = self.ids.fresh(0xbadf);
                    self.outbox.by_hand(json!(id).to_string());
                    match kind.sent(&id) {
                        Sent::Text(text) => self.push_text(conn, text, None),
                        Sent::Binary => self.pass_on(conn, Out::Binary(vec![0, 1, 2, 255])),
                        Sent::Bytes(bytes) => self.pass_on(conn, Out::Bytes(bytes)),
                    }
                }
            }
            Act::LargeFrame { bytes } => {
                for conn in conns {
                    let text = self.padded(conn, *bytes).to_string();
                    let shown = format!("<{} bytes>", text.len());
                    self.push_text(conn, text, Some(shown));
                }
            }
            Act::Fragments { pieces } => {
                for conn in conns {
                    let frame = self.padded(conn, 2000);
                    self.pass_on(conn, Out::Bytes(malformed::in_pieces(&frame.to_string(), *pieces)));
                    self.note(Direction::ToClient, FrameKind::Event, conn, "simulator.padding", frame);
                }
            }
            Act::UnknownCall => conns.into_iter().for_each(|conn| self.send_unknown_call(conn)),
            Act::Again { event } => self.again(event, true, &conns),
        }
    }

    /// Records a fault of connections in the journal.
    fn record_fault(&mut self, what: &str, conns: &[u64]) {
        let at = self.time.elapsed();
        for conn in conns {
            let frame = Frame::Text(format!("<{what}>"));
            self.record.frame(at, Direction::ToClient, FrameKind::Raw, *conn, "", frame);
        }
    }

    /// Ends a connection with a reset: its reader leaves the response to a ping unread.
    fn reset(&mut self, conn: u64) {
        if let Some(connection) = self.connections.close(conn) {
            connection.socket.will_reset();
            let _ = connection.out.send(Out::Ping(Vec::new()));
            self.detach_connection(conn, &connection);
        }
    }

    fn announce_end(&mut self, conns: &[u64], restart: bool, closes: bool) {
        for conn in conns.iter().copied() {
            let id = self.ids.fresh(0xd15c);
            let frame = frame::request(&id, "signalwire.disconnect", json!({"restart": restart}));
            self.outbox.by_hand(json!(id).to_string());
            self.put(conn, FrameKind::ServiceRequest, "signalwire.disconnect", frame);
            if closes {
                self.after_real(CLOSE_AFTER, move |world| world.close(conn));
            }
        }
        if restart {
            self.forget_sessions();
        }
    }

    fn push_text(&mut self, conn: u64, text: String, shown: Option<String>) {
        let Some(connection) = self.connections.get(conn) else { return };
        connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
        let frame = Frame::Text(shown.unwrap_or_else(|| text.clone()));
        let at = self.time.elapsed();
        self.record.frame(at, Direction::ToClient, FrameKind::Raw, conn, "", frame);
        self.pass_on(conn, Out::Text(text));
    }

    /// The session that a connection serves.
    fn session_of(&self, conn: u64) -> String {
        self.connections.get(conn).and_then(|connection| connection.session.clone()).unwrap_or_default()
    }

    /// An event without an addressee, as a frame of this many bytes.
    fn padded(&mut self, conn: u64, bytes: usize) -> Value {
        let session = self.session_of(conn);
        let (id, mut frame) = self.envelope(&session, "simulator.padding", None, json!({"padding": ""}));
        self.outbox.by_hand(json!(id).to_string());
        let bare = frame.to_string().len();
        frame["params"]["params"]["padding"] = "x".repeat(bytes.saturating_sub(bare)).into();
        frame
    }

    /// Sends events of an unknown call.
    fn send_unknown_call(&mut self, conn: u64) {
        let session = self.session_of(conn);
        let call_id = self.ids.fresh(0xdead);
        let of_call = |more: Value| {
            let mut params = json!({"call_id": call_id, "node_id": "nowhere", "segment_id": call_id});
            for (key, value) in more.as_object().into_iter().flatten() {
                params[key] = value.clone();
            }
            params
        };
        for (event, params) in [
            ("calling.call.state", of_call(json!({"call_state": "answered", "direction": "inbound"}))),
            ("calling.call.play", of_call(json!({"control_id": "nobody's", "state": "finished"}))),
            ("calling.call.state", of_call(json!({"call_state": "ended", "end_reason": "hangup"}))),
        ] {
            let (id, frame) = self.envelope(&session, event, None, params);
            self.outbox.by_hand(json!(id).to_string());
            self.put(conn, FrameKind::Event, event, frame);
        }
    }

    /// Sends the last event of a type again.
    pub(crate) fn again(&mut self, event_type: &str, fresh_id: bool, conns: &[u64]) {
        let last = self.record.last(|entry| entry.kind() == FrameKind::Event && entry.method() == event_type);
        let Some(mut frame) = last.and_then(|entry| serde_json::from_str::<Value>(&entry.text()).ok()) else { return };
        if fresh_id {
            frame["id"] = self.ids.fresh(0xe7e7).into();
        }
        self.outbox.by_hand(frame["id"].to_string());
        for conn in conns {
            self.put(*conn, FrameKind::Event, event_type, frame.clone());
        }
    }
}
