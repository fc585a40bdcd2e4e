//! Calls: offered, dialled, answered, bridged and ended.
//!
//! Where the published material leaves a choice, this is what happens here: `end_source` is `outbound` when the
//! program ended a call and `inbound` when the person did; a call that was passed ends for the session that passed it;
//! when a bridged call ends, the leg that `calling.connect` made for it ends too, while the end of that leg leaves the
//! first call up; a second `calling.answer` is refused with 409.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::operations::Operation;
use super::people::{Ending, Kind, Manner, Person};
use super::session::{Refusal, Verdict, refuse, reply};
use super::wire::{list, object, seconds, text};
use super::world::{CallId, SessionId, World};

/// One leg of a call.
pub(super) struct Leg {
    pub(super) call_id: CallId,
    pub(super) node_id: String,
    segment_id: String,
    /// The session that controls it; empty while nobody was offered it.
    pub(super) session: SessionId,
    tag: Option<String>,
    context: String,
    inbound: bool,
    device: Value,
    pub(super) state: State,
    times: [u64; 3],
    winner: bool,
    pub(super) person: u64,
    pub(super) operations: BTreeMap<u64, Operation>,
    pub(super) control_ids: HashSet<String>,
    /// The leg it is bridged to.
    pub(super) peer: Option<CallId>,
    /// The call on whose behalf `calling.connect` made this leg.
    parent: Option<CallId>,
    /// The attempt to reach somebody that it belongs to, while that runs.
    attempt: Option<u64>,
    /// The sessions that passed it.
    passed: Vec<SessionId>,
    /// Since when its person is speaking, and what.
    pub(super) speaking: Option<(String, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Created,
    Ringing,
    Answered,
    Ending,
    Ended,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

/// Somebody is being called: groups one after another, the devices of a group at once, the first answer wins.
pub(super) struct Attempt {
    session: SessionId,
    /// The call to bridge the winner to; without one it is a dial.
    parent: Option<CallId>,
    tag: String,
    groups: VecDeque<Vec<Value>>,
    ringing: Vec<CallId>,
    timeout: Option<f64>,
    digits: Option<String>,
    reason: String,
}

impl Leg {
    fn device_json(&self) -> Value {
        self.device.clone()
    }

    /// What all events of a call carry.
    fn base(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("node_id".into(), self.node_id.clone().into());
        fields.insert("call_id".into(), self.call_id.clone().into());
        fields.insert("segment_id".into(), self.segment_id.clone().into());
        if let Some(tag) = &self.tag {
            fields.insert("tag".into(), tag.clone().into());
        }
        fields
    }

    fn state_event(&self) -> Map<String, Value> {
        let mut fields = self.base();
        fields.insert("call_state".into(), self.state.name().into());
        fields.insert("direction".into(), if self.inbound { "inbound" } else { "outbound" }.into());
        fields.insert("device".into(), self.device_json());
        for (name, value) in ["start_time", "answer_time", "end_time"].into_iter().zip(self.times) {
            fields.insert(name.into(), value.into());
        }
        if self.winner {
            fields.insert("dial_winner".into(), "true".into());
        }
        if let Some(parent) = &self.parent {
            fields.insert("parent".into(), json!({"call_id": parent, "node_id": self.node_id, "device_type": "phone"}));
        }
        if let Some(peer) = &self.peer {
            fields.insert("peer".into(), json!({"call_id": peer, "node_id": self.node_id}));
        }
        fields
    }

    /// An event of an operation or a bridge on this call.
    pub(super) fn event(&self, more: Value) -> Value {
        let mut fields = self.base();
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        Value::Object(fields)
    }
}

/// The number or address that a device stands for.
fn address(device: &Value) -> String {
    let params = &device["params"];
    ["to_number", "to"].iter().find_map(|key| params[key].as_str()).unwrap_or_default().to_owned()
}

impl World {
    fn new_leg(&mut self, session: &str, inbound: bool, device: Value, mut person: Person) -> Leg {
        let call_id = self.fresh_id(0xca11);
        let segment_id = self.fresh_id(0x5e91);
        let number = self.number();
        person.call.clone_from(&call_id);
        self.people.insert(number, person);
        Leg {
            call_id,
            node_id: format!("n-{}:sim-1", self.signature()),
            segment_id,
            session: session.to_owned(),
            tag: None,
            context: String::new(),
            inbound,
            device,
            state: State::Created,
            times: [self.millis(), 0, 0],
            winner: false,
            person: number,
            operations: BTreeMap::new(),
            control_ids: HashSet::new(),
            peer: None,
            parent: None,
            attempt: None,
            passed: Vec::new(),
            speaking: None,
        }
    }

    pub(super) fn emit_state(&mut self, call_id: &str) {
        if let Some(leg) = self.calls.get(call_id) {
            let (session, event) = (leg.session.clone(), Value::Object(leg.state_event()));
            self.emit(&session, "calling.call.state", event);
        }
    }

    /// Sends an event of a call, with the call's own fields added.
    pub(super) fn emit_on(&mut self, call_id: &str, event_type: &'static str, more: Value) {
        if let Some(leg) = self.calls.get(call_id) {
            let (session, event) = (leg.session.clone(), leg.event(more));
            self.emit(&session, event_type, event);
        }
    }

    // Inbound.

    /// Somebody calls a number of the program; gives the person and the call.
    pub(super) fn call_in(&mut self, from: &str, to: &str, context: &str, person: Person) -> (u64, CallId) {
        let kind = if from.starts_with("sip:") { "sip" } else { "phone" };
        let device = if kind == "sip" {
            json!({"type": "sip", "params": {"from": from, "to": to}})
        } else {
            json!({"type": "phone", "params": {"from_number": from, "to_number": to}})
        };
        let mut leg = self.new_leg("", true, device, person);
        context.clone_into(&mut leg.context);
        let (person, call_id) = (leg.person, leg.call_id.clone());
        self.tell(format!("{from} calls {to}"));
        self.calls.insert(call_id.clone(), leg);
        self.unrouted.push_back(call_id.clone());
        self.route_waiting();
        (person, call_id)
    }

    /// Offers what waits for somebody to be connected.
    pub(super) fn route_waiting(&mut self) {
        for call_id in std::mem::take(&mut self.unrouted) {
            self.route(&call_id);
        }
        self.route_texts();
    }

    fn route(&mut self, call_id: &str) {
        let Some(leg) = self.calls.get(call_id) else { return };
        let (context, passed) = (leg.context.clone(), leg.passed.clone());
        let Some(session) = self.next_session(&context, &passed) else {
            self.unrouted.push_back(call_id.to_owned());
            return;
        };
        let project = self.project_id();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.session.clone_from(&session);
        let offer = json!({
            "call_state": leg.state.name(),
            "direction": "inbound",
            "device": leg.device,
            "context": context,
            "project_id": project,
        });
        let event = leg.event(offer);
        self.emit_in(&session, "calling.call.receive", Some(context), event);
    }

    pub(super) fn on_answer(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.inbound || leg.state >= State::Answered || leg.passed.contains(&leg.session) {
            return refuse(409, "Call is not waiting for an answer");
        }
        let limit = seconds(params, "max_duration");
        let (id, session) = (call_id.to_owned(), leg.session.clone());
        self.after_seconds(0.05, move |world| {
            if world.calls.get(&id).is_some_and(|leg| leg.state < State::Answered && leg.session == session) {
                world.answered(&id);
                if let Some(limit) = limit.filter(|limit| *limit > 0.0) {
                    world.after_seconds(limit, move |world| world.end_call(&id, "max_duration", "none"));
                }
            }
        });
        Ok(reply("Answering call"))
    }

    /// A leg is answered: by the program when it came in, by the person when it went out.
    fn answered(&mut self, call_id: &str) {
        let now = self.millis();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.state = State::Answered;
        leg.times[1] = now;
        let (person, inbound) = (leg.person, leg.inbound);
        if let Some(attempt) = leg.attempt.take() {
            self.won(attempt, call_id);
        } else {
            self.emit_state(call_id);
        }
        if inbound {
            let name = self.person_name(person);
            self.tell(format!("{name} was answered"));
        }
        self.person_answered(person);
    }

    pub(super) fn on_pass(&mut self, call_id: &str) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.inbound || leg.state >= State::Answered {
            return refuse(409, "Call is not waiting for an answer");
        }
        let (person, context, session) = (leg.person, leg.context.clone(), leg.session.clone());
        leg.passed.push(session.clone());
        let passed = leg.passed.clone();
        if let Some(person) = self.people.get_mut(&person) {
            person.passed = true;
        }
        let name = self.person_name(person);
        self.tell(format!("{name} was passed on"));
        let call_id = call_id.to_owned();
        let elsewhere = self.sessions.iter().any(|(name, session)| {
            session.conn.is_some() && session.contexts.contains(&context) && !passed.contains(name)
        });
        if elsewhere {
            if let Some(leg) = self.calls.get(&call_id) {
                let mut event = leg.state_event();
                event.insert("call_state".into(), "ended".into());
                event.insert("end_reason".into(), "hangup".into());
                event.insert("end_source".into(), "none".into());
                self.emit(&session, "calling.call.state", Value::Object(event));
            }
            self.route(&call_id);
        } else {
            self.end_call(&call_id, "noAnswer", "none");
        }
        Ok(reply("Passing call"))
    }

    pub(super) fn on_end(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let reason = text(params, "reason").unwrap_or("hangup").to_owned();
        if !["hangup", "cancel", "busy", "noAnswer", "decline", "error"].contains(&reason.as_str()) {
            return refuse(400, format!("unknown reason {reason:?}"));
        }
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        leg.state = State::Ending;
        self.emit_state(call_id);
        self.end_call(call_id, &reason, "outbound");
        Ok(reply("Ending call"))
    }

    /// Ends a leg: its operations first, then the call, then what hangs on it.
    pub(super) fn end_call(&mut self, call_id: &str, reason: &str, source: &'static str) {
        let now = self.millis();
        let Some(mut leg) = self.calls.remove(call_id) else { return };
        self.unrouted.retain(|waiting| waiting != call_id);
        let operations = std::mem::take(&mut leg.operations);
        let (recordings, others): (Vec<_>, Vec<_>) = operations.into_values().partition(Operation::is_recording);
        let abrupt = self.faults.abrupt_ends;
        let recordings_first = self.faults.recordings_end_first;
        if !abrupt {
            others.into_iter().for_each(|operation| self.cut_off(&leg, operation));
        }
        let mut recordings = Some(recordings).filter(|_| !abrupt).unwrap_or_default();
        if recordings_first {
            recordings.drain(..).for_each(|operation| self.cut_off(&leg, operation));
        }
        leg.state = State::Ended;
        leg.times[2] = now;
        let mut event = leg.state_event();
        event.insert("end_reason".into(), reason.into());
        event.insert("end_source".into(), source.into());
        self.emit(&leg.session, "calling.call.state", Value::Object(event));
        recordings.into_iter().for_each(|operation| self.cut_off(&leg, operation));
        self.person_left(leg.person, Ending { reason: reason.to_owned(), by_program: source == "outbound" });
        self.unbridge_ended(&leg);
        if let Some(attempt) = leg.attempt {
            self.lost(attempt, call_id, reason);
        }
        // Nobody is left for whom these still ring.
        let orphaned: Vec<u64> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.parent.as_deref() == Some(call_id))
            .map(|(id, _)| *id)
            .collect();
        for id in orphaned {
            if let Some(attempt) = self.attempts.remove(&id) {
                attempt.ringing.iter().for_each(|other| self.end_call(other, "cancel", "none"));
            }
        }
    }

    fn unbridge_ended(&mut self, leg: &Leg) {
        let Some(peer_id) = &leg.peer else { return };
        let Some(peer) = self.calls.get_mut(peer_id) else { return };
        peer.peer = None;
        if peer.parent.as_ref() == Some(&leg.call_id) {
            let peer_id = peer_id.clone();
            self.end_call(&peer_id, "hangup", "none");
        } else {
            let gone =
                json!({"connect_state": "disconnected", "peer": {"call_id": leg.call_id, "node_id": leg.node_id}});
            self.emit_on(peer_id, "calling.call.connect", gone);
        }
    }

    // Outbound.

    pub(super) fn on_dial(&mut self, session: &str, params: &Map<String, Value>) -> Verdict {
        let tag = text(params, "tag").unwrap_or_default().to_owned();
        if self.attempts.values().any(|attempt| attempt.parent.is_none() && attempt.tag == tag) {
            self.violation(format!("calling.dial: the tag {tag} is in use"));
            return refuse(409, "Tag is in use");
        }
        let id = self.attempt(session, None, tag, params)?;
        self.start_group(id);
        Ok(reply("Dialing"))
    }

    fn attempt(
        &mut self,
        session: &str,
        parent: Option<CallId>,
        tag: String,
        params: &Map<String, Value>,
    ) -> Result<u64, Refusal> {
        let groups: VecDeque<Vec<Value>> =
            list(params, "devices").iter().filter_map(Value::as_array).cloned().collect();
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return refuse(400, "devices must hold at least one device in each group");
        }
        let kinds: &[&str] = &["phone", "sip", "fabric", "webrtc"];
        if let Some(other) =
            groups.iter().flatten().filter_map(|device| device["type"].as_str()).find(|kind| !kinds.contains(kind))
        {
            return refuse(500, format!("devices of the kind {other} are not simulated yet"));
        }
        if groups.iter().flatten().any(|device| address(device).is_empty()) {
            return refuse(400, "a device has no address");
        }
        let id = self.number();
        self.attempts.insert(
            id,
            Attempt {
                session: session.to_owned(),
                parent,
                tag,
                groups,
                ringing: Vec::new(),
                timeout: seconds(params, "timeout"),
                digits: text(params, "send_digits").map(str::to_owned),
                reason: "noAnswer".into(),
            },
        );
        Ok(id)
    }

    fn start_group(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        let Some(group) = attempt.groups.pop_front() else { return self.failed(id) };
        let (session, tag, parent, timeout) =
            (attempt.session.clone(), attempt.tag.clone(), attempt.parent.clone(), attempt.timeout);
        let mut legs = Vec::new();
        for device in group {
            let number = address(&device);
            let (person, manner) = self.callee(&number);
            let limit = device["params"]["timeout"].as_f64().filter(|limit| *limit > 0.0).or(timeout).unwrap_or(30.0);
            let mut shown = device;
            if let Some(params) = shown["params"].as_object_mut() {
                params.remove("password");
            }
            let mut leg = self.new_leg(&session, false, shown, person);
            leg.tag = Some(tag.clone()).filter(|tag| !tag.is_empty());
            leg.parent.clone_from(&parent);
            leg.attempt = Some(id);
            legs.push((leg.call_id.clone(), number, manner, limit));
            self.calls.insert(leg.call_id.clone(), leg);
        }
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.ringing = legs.iter().map(|(call_id, ..)| call_id.clone()).collect();
        }
        for (call_id, number, ..) in &legs {
            self.tell(format!("{number} is being called"));
            self.emit_state(call_id);
        }
        if parent.is_none() {
            let node_id = format!("n-{}:sim-1", self.signature());
            self.emit(&session, "calling.call.dial", json!({"node_id": node_id, "tag": tag, "dial_state": "dialing"}));
        }
        for (call_id, _, manner, limit) in legs {
            self.rings(call_id, &manner, limit);
        }
    }

    /// What the dialled number does, in simulated time.
    fn rings(&mut self, call_id: CallId, manner: &Manner, limit: f64) {
        let id = call_id.clone();
        let ring = move |world: &mut Self| {
            if let Some(leg) = world.calls.get_mut(&id).filter(|leg| leg.state == State::Created) {
                leg.state = State::Ringing;
                world.emit_state(&id);
            }
        };
        let end = |reason: &'static str| {
            let id = call_id.clone();
            move |world: &mut Self| {
                if world.calls.get(&id).is_some_and(|leg| leg.attempt.is_some()) {
                    let name = world.calls.get(&id).map(|leg| leg.person).map(|person| world.person_name(person));
                    world.tell(format!("{}: {reason}", name.unwrap_or_default()));
                    world.end_call(&id, reason, "inbound");
                }
            }
        };
        match manner {
            Manner::NotFound => return self.after_seconds(0.3, end("not_found")),
            Manner::Busy => return self.after_seconds(0.5, end("busy")),
            Manner::Answers(delay) => {
                let id = call_id.clone();
                self.after_seconds(0.3_f64.min(delay.as_secs_f64()), ring);
                self.after(*delay, move |world| {
                    if world.calls.get(&id).is_some_and(|leg| leg.attempt.is_some()) {
                        world.answered(&id);
                    }
                });
            }
            Manner::Declines => {
                self.after_seconds(0.3, ring);
                self.after_seconds(1.5, end("decline"));
            }
            Manner::NoAnswer => self.after_seconds(0.3, ring),
        }
        self.after_seconds(limit, end("noAnswer"));
    }

    /// Somebody answered: they are the winner, and everybody else stops ringing.
    fn won(&mut self, id: u64, call_id: &str) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let is_dial = attempt.parent.is_none();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.winner = is_dial;
        let person = leg.person;
        let name = self.person_name(person);
        self.tell(format!("{name} answered"));
        if let (Some(digits), Some(person)) = (&attempt.digits, self.people.get_mut(&person)) {
            person.digits_heard.push_str(digits);
        }
        self.emit_state(call_id);
        match &attempt.parent {
            None => {
                if let Some(leg) = self.calls.get(call_id) {
                    let (node_id, call) = (leg.node_id.clone(), leg.state_event());
                    let event = json!({"node_id": node_id, "tag": attempt.tag, "dial_state": "answered", "call": call});
                    self.emit(&attempt.session, "calling.call.dial", event);
                }
            }
            Some(parent) => self.bridge(parent, call_id),
        }
        for loser in attempt.ringing.iter().filter(|other| *other != call_id) {
            if let Some(leg) = self.calls.get_mut(loser) {
                leg.attempt = None;
            }
            self.end_call(loser, "cancel", "none");
        }
    }

    /// One of those who were called will not answer.
    fn lost(&mut self, id: u64, call_id: &str, reason: &str) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.ringing.retain(|other| other != call_id);
        reason.clone_into(&mut attempt.reason);
        if attempt.ringing.is_empty() {
            self.start_group(id);
        }
    }

    fn failed(&mut self, id: u64) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        match attempt.parent {
            None => {
                let node_id = format!("n-{}:sim-1", self.signature());
                let event = json!({
                    "node_id": node_id, "tag": attempt.tag, "dial_state": "failed",
                    "reason": attempt.reason, "source": "inbound",
                });
                self.emit(&attempt.session, "calling.call.dial", event);
            }
            Some(parent) => {
                let event = json!({"connect_state": "failed", "failed_reason": attempt.reason});
                self.emit_on(&parent, "calling.call.connect", event);
            }
        }
    }

    // Bridges.

    pub(super) fn on_connect_call(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        let (session, person, bridged) = (leg.session.clone(), leg.person, leg.peer.is_some());
        if bridged || self.attempts.values().any(|attempt| attempt.parent.as_deref() == Some(call_id)) {
            return refuse(409, "A connect is in progress");
        }
        let tag = text(params, "tag").unwrap_or_default().to_owned();
        let id = self.attempt(&session, Some(call_id.to_owned()), tag, params)?;
        let ringback: Vec<String> = list(params, "ringback").iter().filter_map(super::operations::audible).collect();
        for heard in ringback {
            self.hears(person, &heard);
        }
        self.emit_on(call_id, "calling.call.connect", json!({"connect_state": "connecting"}));
        self.start_group(id);
        Ok(reply("Connecting call"))
    }

    fn bridge(&mut self, parent: &str, child: &str) {
        for (one, other) in [(parent, child), (child, parent)] {
            if let Some(leg) = self.calls.get_mut(one) {
                leg.peer = Some(other.to_owned());
            }
        }
        for (one, other) in [(parent, child), (child, parent)] {
            let Some(peer) = self.calls.get(other) else { continue };
            let mut shown = json!({"call_id": peer.call_id, "node_id": peer.node_id, "device": peer.device});
            if let Some(tag) = &peer.tag {
                shown["tag"] = tag.clone().into();
            }
            self.emit_on(one, "calling.call.connect", json!({"connect_state": "connected", "peer": shown}));
        }
        let names: Vec<String> = [parent, child]
            .iter()
            .filter_map(|id| self.calls.get(*id))
            .map(|leg| leg.person)
            .map(|person| self.person_name(person))
            .collect();
        self.tell(format!("{} are connected", names.join(" and ")));
        if let Some(person) = self.calls.get(parent).map(|leg| leg.person) {
            self.act(person);
        }
    }

    pub(super) fn on_disconnect_call(&mut self, call_id: &str) -> Verdict {
        let peer = self.calls.get_mut(call_id).and_then(|leg| leg.peer.take());
        let Some(peer) = peer else { return refuse(404, "Call is not connected") };
        if let Some(leg) = self.calls.get_mut(&peer) {
            leg.peer = None;
        }
        for (one, other) in [(call_id, peer.as_str()), (peer.as_str(), call_id)] {
            let node_id = self.calls.get(other).map(|leg| leg.node_id.clone());
            let event = json!({"connect_state": "disconnected", "peer": {"call_id": other, "node_id": node_id}});
            self.emit_on(one, "calling.call.connect", event);
        }
        Ok(reply("Disconnecting call"))
    }

    /// The person at a number, and what the number does when it is dialled.
    fn callee(&mut self, number: &str) -> (Person, Manner) {
        let plan = self.plans.entry(number.to_owned()).or_default();
        plan.times_called += 1;
        (Person::new(number, plan.kind.clone(), plan.script.clone()), plan.manner.clone())
    }

    /// What kind of person is at the other end of a call.
    pub(super) fn kind_at(&self, call_id: &str) -> Option<Kind> {
        let leg = self.calls.get(call_id)?;
        self.people.get(&leg.person).map(|person| person.kind.clone())
    }
}

/// The `object` accessor, for the operations.
pub(super) fn settings<'a>(params: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Map<String, Value>> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object(params, first)?, |inner, key| object(inner, key))
}
