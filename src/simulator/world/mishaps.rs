//! The effects of injected faults on frames, requests, connections and lines.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clock::Rng;
use crate::simulator::faults::active::{Active, HeldFrame};
use crate::simulator::faults::fault::{Act, Fault, FaultKind, Only, Ways};
use crate::simulator::faults::json;
use crate::simulator::faults::malformed::{self, Sent};
use crate::simulator::line::handshake::{HandshakeFault, Trouble};
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
    /// Takes a fault on; it has an effect at once, or from the moment that it says.
    pub(crate) fn inject(&mut self, fault: Fault) -> u64 {
        self.faults.injected += 1;
        let id = self.faults.injected;
        let rng = Rng::new(self.ids.seed_of_fault(id));
        let (after, lasting, left) = (fault.after, fault.lasting, fault.times);
        self.faults.active.push(Active { id, fault, left, begun: false, rng });
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
        self.faults.active.retain(|active| active.id != id);
        self.faults.down.remove(&id);
        self.reshape();
    }

    fn begin_fault(&mut self, id: u64) {
        let Some(active) = self.faults.active.iter_mut().find(|active| active.id == id) else { return };
        active.begun = true;
        let kind = active.fault.kind.clone();
        match kind {
            FaultKind::Act(act) if active.fault.on.is_none() => {
                let happens = active.rng.part() < active.fault.chance;
                self.faults.active.retain(|active| active.id != id);
                if happens {
                    *self.faults.took.entry(id).or_default() += 1;
                    let conns = self.connections.numbers();
                    self.perform(&act, conns);
                }
            }
            FaultKind::Flap { up, .. } => {
                let span = up.mul_f64(0.5 + active.rng.part());
                self.after_real(span, move |world| world.flap(id, true));
            }
            _ => {}
        }
        self.reshape();
    }

    fn flap(&mut self, id: u64, goes_down: bool) {
        let Some(active) = self.faults.active.iter_mut().find(|active| active.id == id) else { return };
        let FaultKind::Flap { up, down } = active.fault.kind else { return };
        let span = if goes_down { down } else { up }.mul_f64(0.5 + active.rng.part());
        if goes_down {
            self.faults.down.insert(id);
            *self.faults.took.entry(id).or_default() += 1;
            let conns: Vec<u64> = self.connections.numbers();
            self.mark("flap", &conns);
            conns.into_iter().for_each(|conn| self.cut(conn));
        } else {
            self.faults.down.remove(&id);
        }
        self.after_real(span, move |world| world.flap(id, !goes_down));
    }

    // The line.

    /// Applies the injected faults to the lines.
    pub(crate) fn reshape(&mut self) {
        let shape = self.faults.shape();
        self.lines.shape(shape);
    }

    /// The time at which bytes that are sent now arrive; `None` is at once. They do not overtake bytes on the way.
    pub(crate) fn arrival(&mut self, conn: u64, way: Way) -> Option<Instant> {
        let other = if way == Way::ToClient { Ways::FromClient } else { Ways::ToClient };
        let mut delay = Duration::ZERO;
        if !self.faults.is_quiet() {
            for (kind, part) in
                self.faults.turns(|fault| matches!(fault.kind, FaultKind::Latency { .. }) && fault.way != other)
            {
                if let FaultKind::Latency { by, jitter } = kind {
                    delay += by + jitter.mul_f64(part);
                }
            }
        }
        let now = self.time.now();
        let last = &mut self.connections.get_mut(conn)?.arrival[usize::from(way == Way::FromClient)];
        let at = last.unwrap_or(now).max(now.checked_add(delay)?);
        // A frame that is due at this very moment may still wait for its timer, and a later frame must not overtake
        // it.
        let is_behind = last.is_some_and(|last| last >= now);
        *last = (at > now || is_behind).then_some(at);
        *last
    }

    /// A text frame of a client is read; it arrives as late as the latency of the line has it.
    pub(crate) fn arrives(&mut self, conn: u64, frame: &str) {
        match self.arrival(conn, Way::FromClient) {
            None => self.on_text(conn, frame),
            Some(at) => {
                let frame = frame.to_owned();
                self.at(at, move |world| world.on_text(conn, &frame));
            }
        }
    }

    /// A connection has ended; that is known here after what is on its way.
    pub(crate) fn ends(&mut self, conn: u64) {
        match self.arrival(conn, Way::FromClient) {
            None => self.gone(conn),
            Some(at) => self.at(at, move |world| world.gone(conn)),
        }
    }

    // Connecting.

    /// The faults of the handshakes of a new connection.
    pub(crate) fn troubles(&mut self) -> Vec<Trouble> {
        let turns = self.faults.turns(|fault| matches!(fault.kind, FaultKind::Connecting(_)));
        let troubles = turns.into_iter().filter_map(|(kind, _)| match kind {
            FaultKind::Connecting(trouble) => Some(trouble),
            _ => None,
        });
        troubles.collect()
    }

    /// Whether a new connection is closed at once.
    pub(crate) fn refuses_connections(&mut self) -> bool {
        !self.faults.down.is_empty()
            || !self.faults.turns(|fault| fault.kind == FaultKind::RefuseConnections).is_empty()
    }

    pub(crate) fn credentials_amiss(&mut self, resumes: bool) -> bool {
        let turns = self.faults.turns(
            |fault| matches!(fault.kind, FaultKind::RefuseCredentials { resumed_only } if resumes || !resumed_only),
        );
        !turns.is_empty()
    }

    // Requests.

    /// Lets go wrong with a request what is to go wrong; true when nothing more becomes of it.
    pub(crate) fn apply_request_faults(&mut self, conn: u64, id: &Value, method: &str) -> bool {
        let fits = |fault: &Fault| fault.on.as_deref() == Some(method) && fault.only != Only::Events;
        for (kind, _) in self.faults.turns(|fault| matches!(fault.kind, FaultKind::Act(_)) && fits(fault)) {
            if let FaultKind::Act(act) = kind {
                self.perform(&act, vec![conn]);
            }
        }
        if !self.connections.is_open(conn) {
            return true;
        }
        let named = |fault: &Fault| fault.on.is_none() || fault.on.as_deref() == Some(method);
        let lost = |fault: &Fault| fault.kind == FaultKind::Lose && fault.only == Only::Requests && named(fault);
        if !self.faults.turns(lost).is_empty() {
            return true;
        }
        let refusals = self.faults.turns(|fault| matches!(fault.kind, FaultKind::Refuse { .. }) && named(fault));
        if let Some((FaultKind::Refuse { code, message }, _)) = refusals.into_iter().next() {
            self.refuse_request(conn, id, method, &Refusal { code, message });
            return true;
        }
        false
    }

    /// Lets go wrong with the authentication of a connection what is to go wrong; true when nothing becomes of it.
    pub(crate) fn authentication_amiss(&mut self, conn: u64) -> bool {
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

    /// Sends a frame, and lets go wrong with it what is to go wrong.
    pub(crate) fn send_with_faults(&mut self, conn: u64, kind: FrameKind, method: &str, frame: Value) {
        let sort = match kind {
            FrameKind::Reply | FrameKind::ErrorReply => Only::Replies,
            FrameKind::Event => Only::Events,
            // Pings and similar frames are not affected; they have faults of their own.
            _ => return self.put(conn, kind, method, frame),
        };
        let turns = self.faults.turns(|fault| {
            matches!(
                fault.kind,
                FaultKind::Lose
                    | FaultKind::Delay { .. }
                    | FaultKind::Repeat { .. }
                    | FaultKind::Redeliver
                    | FaultKind::Reorder { .. }
            ) && (fault.only == Only::Any || fault.only == sort)
                && (fault.on.is_none() || fault.on.as_deref() == Some(method))
        });
        let (mut lost, mut delay, mut behind) = (false, Duration::ZERO, 0);
        let mut frames = vec![frame.clone()];
        for (turn, part) in turns {
            match turn {
                FaultKind::Lose => lost = true,
                FaultKind::Delay { by, jitter } => delay += by + jitter.mul_f64(part),
                FaultKind::Repeat { copies } => {
                    self.outbox.by_hand(frame["id"].to_string());
                    frames.extend(std::iter::repeat_n(frame.clone(), copies));
                }
                FaultKind::Redeliver => {
                    let mut again = frame.clone();
                    again["id"] = self.ids.fresh(0xe7e7).into();
                    frames.push(again);
                }
                FaultKind::Reorder { behind: more } => behind += more,
                _ => {}
            }
        }
        if lost {
            self.tell(format!("lost on the way: {method}"));
        } else if behind > 0 {
            let id = self.ids.number();
            let (left, method) = (behind, method.to_owned());
            self.faults.behind.push(HeldFrame { id, conn, left, kind, method, frames });
            self.after_real(REORDER_LIMIT, move |world| world.release(|frame| frame.id == id));
        } else if delay.is_zero() {
            frames.into_iter().for_each(|frame| self.put(conn, kind, method, frame));
            self.passed(conn);
        } else {
            let method = method.to_owned();
            self.after_real(delay, move |world| {
                frames.into_iter().for_each(|frame| world.put(conn, kind, &method, frame));
                world.passed(conn);
            });
        }
        if kind == FrameKind::Event {
            let fits = |fault: &Fault| fault.on.as_deref() == Some(method) && fault.only != Only::Requests;
            for (turn, _) in self.faults.turns(|fault| matches!(fault.kind, FaultKind::Act(_)) && fits(fault)) {
                if let FaultKind::Act(act) = turn {
                    self.perform(&act, vec![conn]);
                }
            }
        }
    }

    /// A frame went out, by which others that wait for it were overtaken.
    fn passed(&mut self, conn: u64) {
        self.faults.behind.iter_mut().filter(|frame| frame.conn == conn).for_each(|frame| frame.left -= 1);
        self.release(|frame| frame.left == 0);
    }

    fn release(&mut self, due: impl Fn(&HeldFrame) -> bool) {
        let (ready, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.faults.behind).into_iter().partition(due);
        self.faults.behind = kept;
        for HeldFrame { conn, kind, method, frames, .. } in ready {
            frames.into_iter().for_each(|frame| self.put(conn, kind, &method, frame));
        }
    }

    // Faults that occur once.

    fn perform(&mut self, act: &Act, conns: Vec<u64>) {
        self.mark(json::name_of(act), &conns);
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
            Act::UnknownCall => conns.into_iter().for_each(|conn| self.tell_of_nobody(conn)),
            Act::Again { event } => self.again(event, true, &conns),
        }
    }

    /// Writes into the journal what was done to connections.
    fn mark(&mut self, what: &str, conns: &[u64]) {
        let at = self.time.elapsed();
        for conn in conns {
            let frame = Frame::Text(format!("<{what}>"));
            self.record.frame(at, Direction::ToClient, FrameKind::Raw, *conn, "", frame);
        }
    }

    /// Ends a connection with a reset: its reader leaves the answer to a ping unread.
    fn reset(&mut self, conn: u64) {
        if let Some(connection) = self.connections.close(conn) {
            connection.socket.will_reset();
            let _ = connection.out.send(Out::Ping(Vec::new()));
            self.left(conn, &connection);
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
    fn tell_of_nobody(&mut self, conn: u64) {
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

    /// Sends the last event of a type once more.
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
