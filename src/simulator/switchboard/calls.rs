//! Calls: offered, dialled, answered, bridged and ended.
//!
//! Where the published material leaves a choice, this is what happens here: `end_source` is `outbound` when the
//! program ended a call and `inbound` when the person did; a call that was passed ends for the session that passed it;
//! when a bridged call ends, the leg that `calling.connect` made for it ends too, while the end of that leg leaves the
//! first call up; a second `calling.answer` is refused with 409.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::simulator::handles::people::{Ending, Kind, Person};
use crate::simulator::service::sessions::{Verdict, refuse, reply};
use crate::simulator::switchboard::activities::Operation;
use crate::simulator::switchboard::hearing::Features;
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::{object, seconds, text};
use crate::simulator::world::state::{CallId, SessionId, World};

/// One leg of a call.
pub(crate) struct Leg {
    pub(crate) call_id: CallId,
    pub(crate) node_id: String,
    segment_id: String,
    /// The session that controls it; empty while nobody was offered it.
    pub(crate) session: SessionId,
    pub(crate) tag: Option<String>,
    context: String,
    pub(crate) inbound: bool,
    pub(crate) device: Value,
    pub(crate) state: State,
    times: [u64; 3],
    pub(crate) winner: bool,
    pub(crate) person: u64,
    pub(crate) operations: BTreeMap<u64, Operation>,
    pub(crate) control_ids: HashSet<String>,
    /// The leg it is bridged to.
    pub(crate) peer: Option<CallId>,
    /// The call on whose behalf `calling.connect` made this leg.
    pub(crate) parent: Option<CallId>,
    /// The attempt to reach somebody that it belongs to, while that runs.
    pub(crate) attempt: Option<u64>,
    /// The sessions that passed it.
    passed: Vec<SessionId>,
    /// What is switched on, and what it takes part in.
    pub(crate) features: Features,
    /// Since when its person is speaking, and what.
    pub(crate) speaking: Option<(String, Instant)>,
}

/// A call, as it is at one moment; from [`Simulator::calls`](crate::simulator::Simulator::calls).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSeen {
    /// Its id, as the program sees it too.
    pub call_id: String,
    /// The number or address of the person.
    pub person: String,
    /// The number or address of the program.
    pub program: String,
    /// Whether the person called the program.
    pub inbound: bool,
    /// `created`, `ringing`, `answered` or `ending`.
    pub state: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Created,
    Ringing,
    Answered,
    Ending,
    Ended,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

/// Events that name their call, and neither its segment nor its tag.
const WITHOUT_SEGMENT: &[&str] = &[
    "calling.call.play",
    "calling.call.collect",
    "calling.call.send_digits",
    "calling.call.pay",
    "calling.call.queue",
    "calling.error",
];

impl Leg {
    /// The number or address of the program's side.
    pub(crate) fn own_address(&self) -> String {
        let keys = if self.inbound { ["to_number", "to"] } else { ["from_number", "from"] };
        let params = &self.device["params"];
        keys.iter().find_map(|key| params[key].as_str()).unwrap_or_default().to_owned()
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

    pub(crate) fn state_event(&self) -> Map<String, Value> {
        let mut fields = self.base();
        fields.insert("call_state".into(), self.state.name().into());
        fields.insert("direction".into(), if self.inbound { "inbound" } else { "outbound" }.into());
        fields.insert("device".into(), self.device.clone());
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
    pub(crate) fn event(&self, event_type: &str, more: Value) -> Value {
        let mut fields = self.base();
        if WITHOUT_SEGMENT.contains(&event_type) {
            fields.remove("segment_id");
            fields.remove("tag");
        }
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        Value::Object(fields)
    }
}

impl World {
    pub(crate) fn new_leg(&mut self, session: &str, inbound: bool, device: Value, mut person: Person) -> Leg {
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
            features: Features::default(),
            speaking: None,
        }
    }

    pub(crate) fn calls_seen(&self) -> Vec<CallSeen> {
        let mut legs: Vec<&Leg> = self.calls.values().collect();
        legs.sort_unstable_by_key(|leg| leg.person);
        let seen = |leg: &Leg| CallSeen {
            call_id: leg.call_id.clone(),
            person: self.people.get(&leg.person).map(|person| person.name.clone()).unwrap_or_default(),
            program: leg.own_address(),
            inbound: leg.inbound,
            state: leg.state.name(),
        };
        legs.into_iter().map(seen).collect()
    }

    pub(crate) fn emit_state(&mut self, call_id: &str) {
        if let Some(leg) = self.calls.get(call_id) {
            let (session, event) = (leg.session.clone(), Value::Object(leg.state_event()));
            self.emit(&session, "calling.call.state", event);
        }
    }

    /// Sends an event of a call, with the call's own fields added.
    pub(crate) fn emit_on(&mut self, call_id: &str, event_type: &'static str, more: Value) {
        if let Some(leg) = self.calls.get(call_id) {
            let (session, event) = (leg.session.clone(), leg.event(event_type, more));
            self.emit(&session, event_type, event);
        }
    }

    // Inbound.

    /// Somebody calls a number of the program; gives the person and the call.
    pub(crate) fn call_in(&mut self, from: &str, to: &str, context: &str, person: Person) -> (u64, CallId) {
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
    pub(crate) fn route_waiting(&mut self) {
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
        if leg.features.handed_over {
            self.over.forget_call(call_id);
        }
        let Some(leg) = self.calls.get(call_id) else { return };
        // Also when the person hears an open line already: an offer is of a call that is to be answered.
        let offer = json!({
            "call_state": leg.state.min(State::Ringing).name(),
            "direction": if leg.inbound { "inbound" } else { "outbound" },
            "device": leg.device,
            "context": context,
            "project_id": project,
        });
        let event = leg.event("calling.call.receive", offer);
        self.emit_in(&session, "calling.call.receive", Some(context), event);
    }

    pub(crate) fn on_answer(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if std::mem::take(&mut leg.features.handed_over) && leg.state == State::Answered {
            self.emit_state(call_id);
            return Ok(reply("Answering call"));
        }
        if !leg.inbound || leg.state >= State::Answered || leg.passed.contains(&leg.session) {
            return refuse(409, "Call is not waiting for an answer");
        }
        if let Some(limit) = seconds(params, "max_duration").filter(|limit| *limit > 0.0) {
            let id = call_id.to_owned();
            self.after_seconds(limit, move |world| world.end_call(&id, "max_duration", "none"));
        }
        // At once: whatever the program does next, it does on an answered call.
        self.answered(call_id);
        Ok(reply("Answering call"))
    }

    /// A leg is answered: by the program when it came in, by the person when it went out.
    pub(crate) fn answered(&mut self, call_id: &str) {
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
            self.did(DeedKind::Answered, &name, Some(call_id), "");
        }
        self.person_answered(person);
    }

    pub(crate) fn on_pass(&mut self, call_id: &str) -> Verdict {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.features.handed_over && (!leg.inbound || leg.state >= State::Answered) {
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
        self.did(DeedKind::Passed, &name, Some(call_id), "");
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

    pub(crate) fn on_end(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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

    /// A call goes to another application: to the one that is subscribed to the context, or out of sight.
    pub(crate) fn hand_over(&mut self, call_id: &str, context: Option<String>) {
        self.end_attempts_of(call_id);
        self.leave_everything(call_id, false);
        let Some(mut leg) = self.calls.remove(call_id) else { return };
        for operation in std::mem::take(&mut leg.operations).into_values() {
            self.cut_off(&leg, operation);
        }
        let mut event = leg.state_event();
        event.insert("call_state".into(), State::Ended.name().into());
        event.insert("end_reason".into(), "hangup".into());
        event.insert("end_source".into(), "none".into());
        self.emit(&leg.session, "calling.call.state", Value::Object(event));
        leg.session.clear();
        leg.passed.clear();
        leg.control_ids.clear();
        leg.features = Features { handed_over: context.is_some(), ..Features::default() };
        let routed = context.is_some();
        leg.context = context.unwrap_or_default();
        self.calls.insert(call_id.to_owned(), leg);
        if routed {
            self.unrouted.push_back(call_id.to_owned());
            self.route_waiting();
        }
    }

    /// Ends a leg: its operations first, then the call, then what hangs on it.
    pub(crate) fn end_call(&mut self, call_id: &str, reason: &str, source: &'static str) {
        let now = self.millis();
        let abrupt = self.faults.abrupt_ends;
        self.leave_everything(call_id, abrupt);
        let Some(mut leg) = self.calls.remove(call_id) else { return };
        self.unrouted.retain(|waiting| waiting != call_id);
        let operations = std::mem::take(&mut leg.operations);
        let (recordings, others): (Vec<_>, Vec<_>) = operations.into_values().partition(Operation::makes_a_file);
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
        if source == "outbound" {
            let name = self.person_name(leg.person);
            self.did(DeedKind::HungUp, &name, Some(call_id), reason);
        }
        self.person_left(leg.person, Ending { reason: reason.to_owned(), by_program: source == "outbound" });
        self.unbridge_ended(&leg);
        if let Some(attempt) = leg.attempt {
            self.lost(attempt, call_id, reason);
        }
        self.end_attempts_of(call_id);
    }

    /// Ends what rings on behalf of a call: nobody is left for whom it does.
    fn end_attempts_of(&mut self, call_id: &str) {
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

    /// What kind of person is at the other end of a call.
    pub(crate) fn kind_at(&self, call_id: &str) -> Option<Kind> {
        let leg = self.calls.get(call_id)?;
        self.people.get(&leg.person).map(|person| person.kind.clone())
    }
}

/// The `object` accessor, for the operations.
pub(crate) fn settings<'a>(params: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Map<String, Value>> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object(params, first)?, |inner, key| object(inner, key))
}
