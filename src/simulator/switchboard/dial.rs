//! Reaching people: dialling, and connecting calls to each other.

use std::collections::VecDeque;

use crate::simulator::people::person::Person;
use crate::simulator::people::plan::Manner;
use crate::simulator::people::speech::audible;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::wire::frame::{list, seconds, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};
use crate::simulator::world::calls::{Attempt, CallId, Leg, State};
use crate::simulator::world::state::World;
use serde_json::{Value, json};

/// The number or address that a device stands for.
fn address(device: &Value) -> String {
    let params = &device["params"];
    ["to_number", "to", "channel", "url"].iter().find_map(|key| params[key].as_str()).unwrap_or_default().to_owned()
}

/// `true` if a device stands for an existing call.
fn is_there(device: &Value) -> bool {
    matches!(device["type"].as_str(), Some("call" | "queue"))
}

impl World {
    pub(crate) fn on_dial(&mut self, session: &str, params: &Params) -> Reply {
        let tag = text(params, "tag").unwrap_or_default().to_owned();
        if self.calls.attempts().any(|(_, attempt)| attempt.parent.is_none() && attempt.tag == tag) {
            self.violation(format!("calling.dial: the tag {tag} is in use"));
            return refuse(409, "Tag is in use");
        }
        let id = self.attempt(session, None, tag, params)?;
        self.start_group(id);
        Ok(reply("Dialing"))
    }

    fn attempt(&mut self, session: &str, parent: Option<CallId>, tag: String, params: &Params) -> Result<u64, Refusal> {
        let groups: VecDeque<Vec<Value>> =
            list(params, "devices").iter().filter_map(Value::as_array).cloned().collect();
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return refuse(400, "devices must hold at least one device in each group");
        }
        let kinds: &[&str] = &["phone", "sip", "fabric", "webrtc", "agora", "call", "queue", "stream"];
        let kinds = if parent.is_some() { kinds } else { &kinds[..5] };
        let given = groups.iter().flatten().filter_map(|device| device["type"].as_str());
        if let Some(other) = given.clone().find(|kind| !kinds.contains(kind)) {
            return refuse(400, format!("a device of the kind {other:?} cannot be called"));
        }
        if groups.iter().flatten().any(|device| !is_there(device) && address(device).is_empty()) {
            return refuse(400, "a device has no address");
        }
        let id = self.ids.number();
        self.calls.add_attempt(
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
        let Some(attempt) = self.calls.attempt_mut(id) else { return };
        let Some(group) = attempt.groups.pop_front() else { return self.failed(id) };
        let (session, tag, parent, timeout) =
            (attempt.session.clone(), attempt.tag.clone(), attempt.parent.clone(), attempt.timeout);
        let (there, group): (Vec<Value>, Vec<Value>) = group.into_iter().partition(is_there);
        if there.iter().any(|device| self.takes(id, device)) {
            return;
        }
        if group.is_empty() {
            return self.start_group(id);
        }
        let mut legs = Vec::new();
        for device in group {
            let number = address(&device);
            let (person, manner) = self.callee(&number);
            let limit = device["params"]["timeout"].as_f64().filter(|limit| *limit > 0.0).or(timeout).unwrap_or(30.0);
            let mut shown = device;
            if let Some(params) = shown["params"].as_object_mut() {
                params.remove("password");
                params.remove("authorization_bearer_token");
            }
            let mut leg = self.new_leg(&session, false, shown, person);
            leg.tag = Some(tag.clone()).filter(|tag| !tag.is_empty());
            leg.parent.clone_from(&parent);
            leg.attempt = Some(id);
            legs.push((leg.call_id.clone(), number, manner, limit));
            self.calls.add(leg);
        }
        if let Some(attempt) = self.calls.attempt_mut(id) {
            attempt.ringing = legs.iter().map(|(call_id, ..)| call_id.clone()).collect();
        }
        for (call_id, number, ..) in &legs {
            self.tell(format!("{number} is being called"));
            self.did(InteractionKind::Dialled, number, Some(call_id), "");
            self.emit_state(call_id);
        }
        if parent.is_none() {
            let node_id = self.ids.node();
            self.emit(&session, "calling.call.dial", json!({"node_id": node_id, "tag": tag, "dial_state": "dialing"}));
        }
        for (call_id, _, manner, limit) in legs {
            self.rings(call_id, &manner, limit);
        }
    }

    /// Bridges to an existing call, named or first in a queue; returns `false` if there is none.
    fn takes(&mut self, id: u64, device: &Value) -> bool {
        let Some(attempt) = self.calls.attempt(id) else { return false };
        let (session, Some(parent)) = (attempt.session.clone(), attempt.parent.clone()) else { return false };
        let params = &device["params"];
        let wanted = match device["type"].as_str() {
            Some("queue") => self.first_in_queue(params["queue_name"].as_str().unwrap_or_default()),
            _ => params["call_id"].as_str().map(str::to_owned),
        };
        let free = wanted.filter(|other| {
            let leg = self.calls.get(other).filter(|leg| *other != parent && leg.state == State::Answered);
            leg.is_some_and(|leg| leg.peer.is_none() && leg.session == session)
        });
        let Some(other) = free else { return false };
        self.calls.end_attempt(id);
        let queue = self.dequeue(&other);
        self.bridge_from(&parent, &other, queue);
        true
    }

    /// Schedules the behaviour of the dialled number, in simulated time.
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

    /// Answers by hand for the callee; returns `false` if the call does not ring there.
    pub(crate) fn person_answers(&mut self, call_id: &str) -> bool {
        if !self.rings_at_a_person(call_id) {
            return false;
        }
        if let Some(leg) = self.calls.get_mut(call_id).filter(|leg| leg.state == State::Created) {
            leg.state = State::Ringing;
            self.emit_state(call_id);
        }
        self.answered(call_id);
        true
    }

    /// Declines by hand for the callee, for this reason; returns `false` if the call does not ring there.
    pub(crate) fn person_declines(&mut self, call_id: &str, reason: &'static str) -> bool {
        let rings = self.rings_at_a_person(call_id);
        if let Some(person) = self.calls.get(call_id).filter(|_| rings).map(|leg| leg.person) {
            let name = self.person_name(person);
            self.tell(format!("{name}: {reason}"));
            self.end_call(call_id, reason, "inbound");
        }
        rings
    }

    fn rings_at_a_person(&self, call_id: &str) -> bool {
        self.calls.get(call_id).is_some_and(|leg| !leg.inbound && leg.attempt.is_some() && leg.state < State::Answered)
    }

    /// Makes an answered leg the winner; all other legs stop ringing.
    pub(crate) fn won(&mut self, id: u64, call_id: &str) {
        let Some(attempt) = self.calls.end_attempt(id) else { return };
        let is_dial = attempt.parent.is_none();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.winner = is_dial;
        let person = leg.person;
        let name = self.person_name(person);
        self.tell(format!("{name} answered"));
        if let Some(digits) = &attempt.digits {
            self.hears_digits(person, digits);
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

    /// Notes that a callee will not answer.
    pub(crate) fn lost(&mut self, id: u64, call_id: &str, reason: &str) {
        let Some(attempt) = self.calls.attempt_mut(id) else { return };
        attempt.ringing.retain(|other| other != call_id);
        reason.clone_into(&mut attempt.reason);
        if attempt.ringing.is_empty() {
            self.start_group(id);
        }
    }

    fn failed(&mut self, id: u64) {
        let Some(attempt) = self.calls.end_attempt(id) else { return };
        match attempt.parent {
            None => {
                let node_id = self.ids.node();
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

    pub(crate) fn on_connect_call(&mut self, call_id: &str, params: &Params) -> Reply {
        let Some(leg) = self.calls.get(call_id) else { return refuse(404, "Call does not exist") };
        let (session, person, bridged) = (leg.session.clone(), leg.person, leg.peer.is_some());
        if bridged || self.calls.attempts().any(|(_, attempt)| attempt.parent.as_deref() == Some(call_id)) {
            return refuse(409, "A connect is in progress");
        }
        let tag = text(params, "tag").unwrap_or_default().to_owned();
        let id = self.attempt(&session, Some(call_id.to_owned()), tag, params)?;
        let ringback: Vec<String> = list(params, "ringback").iter().filter_map(audible).collect();
        for heard in &ringback {
            self.record_interaction(call_id, InteractionKind::Said, heard);
            self.hears(person, heard);
        }
        self.emit_on(call_id, "calling.call.connect", json!({"connect_state": "connecting"}));
        self.start_group(id);
        for heard in ringback {
            self.heard_out(person, Some(heard));
        }
        Ok(reply("Connecting call"))
    }

    fn bridge(&mut self, parent: &str, child: &str) {
        self.bridge_from(parent, child, None);
    }

    /// Bridges two calls. If the second one comes from a queue, the queue's ID and name are given.
    fn bridge_from(&mut self, parent: &str, child: &str, queue: Option<(String, String)>) {
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
            if let Some((id, name)) = queue.as_ref().filter(|_| one == parent) {
                shown["queue_id"] = id.clone().into();
                shown["queue_name"] = name.clone().into();
            }
            self.emit_on(one, "calling.call.connect", json!({"connect_state": "connected", "peer": shown}));
        }
        let names: Vec<String> = [parent, child]
            .iter()
            .filter_map(|id| self.calls.get(id))
            .map(|leg| leg.person)
            .map(|person| self.person_name(person))
            .collect();
        self.tell(format!("{} are connected", names.join(" and ")));
        if let [one, other] = names.as_slice() {
            self.did(InteractionKind::Connected, one, Some(parent), other);
        }
        self.act_at(parent);
        self.act_at(child);
    }

    pub(crate) fn on_disconnect_call(&mut self, call_id: &str) -> Reply {
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

    pub(crate) fn unbridge_ended(&mut self, leg: &Leg) {
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

    /// The person at a number, and the number's behaviour when it is dialled.
    fn callee(&mut self, number: &str) -> (Person, Manner) {
        let (manner, kind, script) = self.numbers.plan_or_new(number).is_called();
        (Person::new(number, kind, script), manner)
    }
}
