//! Calls: offered, dialled, answered, bridged and ended.
//!
//! Where the documentation of the service is silent: `end_source` is `outbound` if the program ended a call and
//! `inbound` if the person did; a call that was passed ends for the session that passed it; if a bridged call ends,
//! the leg that `calling.connect` created for it ends as well, while the end of that leg leaves the first call up; a
//! second `calling.answer` is rejected with 409.

use crate::simulator::people::person::{Ending, Person};
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::Turn;
use crate::simulator::wire::frame::{seconds, text};
use crate::simulator::wire::reply::{Params, Reply, refuse, reply};
use crate::simulator::world::calls::{CallId, Leg, State};
use crate::simulator::world::state::{CALL, World};
use serde_json::{Value, json};

impl World {
    pub(crate) fn new_leg(&mut self, session: &str, inbound: bool, device: Value, mut person: Person) -> Leg {
        let (call_id, segment_id, number) = (self.ids.fresh(CALL), self.ids.fresh(0x5e91), self.ids.number());
        person.call.clone_from(&call_id);
        self.numbers.add_person(number, person);
        let mut leg = Leg::new((call_id, segment_id), self.ids.node(), number, inbound, device);
        session.clone_into(&mut leg.session);
        leg.times[0] = self.time.millis();
        leg
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

    /// Starts a call of a person to a number of the program; returns the person and the call.
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
        self.calls.add(leg);
        self.calls.waits(&call_id);
        self.route_waiting();
        (person, call_id)
    }

    /// Offers the calls and text messages that wait for a subscriber.
    pub(crate) fn route_waiting(&mut self) {
        for call_id in self.calls.take_waiting() {
            self.route(&call_id);
        }
        self.route_texts();
    }

    fn route(&mut self, call_id: &str) {
        let Some(leg) = self.calls.get(call_id) else { return };
        let (context, passed) = (leg.context.clone(), leg.passed.clone());
        let Some(session) = self.sessions.next_for(&context, &passed) else {
            self.calls.waits(call_id);
            return;
        };
        let project = self.settings.project.clone();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.session.clone_from(&session);
        if leg.handed_over {
            self.over.forget_call(call_id);
        }
        let Some(leg) = self.calls.get(call_id) else { return };
        // An offer never has a later state than `ringing`, even if the person hears an open line already.
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

    pub(crate) fn on_answer(&mut self, call_id: &str, params: &Params) -> Reply {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if std::mem::take(&mut leg.handed_over) && leg.state == State::Answered {
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
        // The call is answered at once, so that the program's next request finds an answered call.
        self.answered(call_id);
        Ok(reply("Answering call"))
    }

    /// Answers a leg: an inbound one for the program, an outbound one for the person.
    pub(crate) fn answered(&mut self, call_id: &str) {
        let now = self.time.millis();
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
            self.did(InteractionKind::Answered, &name, Some(call_id), "");
        }
        self.person_answered(person);
    }

    pub(crate) fn on_pass(&mut self, call_id: &str) -> Reply {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.handed_over && (!leg.inbound || leg.state >= State::Answered) {
            return refuse(409, "Call is not waiting for an answer");
        }
        let (person, context, session) = (leg.person, leg.context.clone(), leg.session.clone());
        leg.passed.push(session.clone());
        let passed = leg.passed.clone();
        if let Some(person) = self.numbers.person_mut(person) {
            person.passed = true;
        }
        let name = self.person_name(person);
        self.tell(format!("{name} was passed on"));
        self.did(InteractionKind::Passed, &name, Some(call_id), "");
        let call_id = call_id.to_owned();
        let elsewhere = self.sessions.any_for(&context, &passed);
        if elsewhere {
            if let Some(leg) = self.calls.get(&call_id) {
                let event = leg.end_event("hangup", "none");
                self.emit(&session, "calling.call.state", event);
            }
            self.route(&call_id);
        } else {
            self.end_call(&call_id, "noAnswer", "none");
        }
        Ok(reply("Passing call"))
    }

    pub(crate) fn on_end(&mut self, call_id: &str, params: &Params) -> Reply {
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

    /// Hands a call to another application: to the one that is subscribed to the context, or to none.
    pub(crate) fn hand_over(&mut self, call_id: &str, context: Option<String>) {
        self.end_attempts_of(call_id);
        self.leave_everything(call_id, false);
        let Some(mut leg) = self.calls.remove(call_id) else { return };
        for running in std::mem::take(&mut leg.running).into_values() {
            self.cut_off(&leg, running);
        }
        self.emit(&leg.session, "calling.call.state", leg.end_event("hangup", "none"));
        leg.session.clear();
        leg.passed.clear();
        leg.control_ids.clear();
        leg.pressed.clear();
        (leg.held, leg.referring, leg.handed_over) = (false, false, context.is_some());
        let routed = context.is_some();
        leg.context = context.unwrap_or_default();
        self.calls.add(leg);
        if routed {
            self.calls.waits(call_id);
            self.route_waiting();
        }
    }

    /// Ends a leg: its operations first, then the call, then the legs that depend on it.
    pub(crate) fn end_call(&mut self, call_id: &str, reason: &str, source: &'static str) {
        let now = self.time.millis();
        let abrupt = self.faults.by_hand.ends_calls_abruptly();
        self.leave_everything(call_id, abrupt);
        let Some(mut leg) = self.calls.remove(call_id) else { return };
        self.calls.waits_no_more(call_id);
        let running = std::mem::take(&mut leg.running);
        let (recordings, others): (Vec<_>, Vec<_>) = running.into_values().partition(|one| one.turn == Turn::File);
        let recordings_first = self.faults.by_hand.ends_recordings_first();
        if !abrupt {
            others.into_iter().for_each(|running| self.cut_off(&leg, running));
        }
        let mut recordings = Some(recordings).filter(|_| !abrupt).unwrap_or_default();
        if recordings_first {
            recordings.drain(..).for_each(|running| self.cut_off(&leg, running));
        }
        leg.state = State::Ended;
        leg.times[2] = now;
        self.emit(&leg.session, "calling.call.state", leg.end_event(reason, source));
        recordings.into_iter().for_each(|running| self.cut_off(&leg, running));
        if source == "outbound" {
            let name = self.person_name(leg.person);
            self.did(InteractionKind::HungUp, &name, Some(call_id), reason);
        }
        self.person_left(leg.person, Ending { reason: reason.to_owned(), by_program: source == "outbound" });
        self.unbridge_ended(&leg);
        if let Some(attempt) = leg.attempt {
            self.lost(attempt, call_id, reason);
        }
        self.end_attempts_of(call_id);
    }

    /// Ends the legs that ring on behalf of a call that has ended.
    fn end_attempts_of(&mut self, call_id: &str) {
        let orphaned = self.calls.attempts().filter(|(_, attempt)| attempt.parent.as_deref() == Some(call_id));
        let orphaned: Vec<u64> = orphaned.map(|(id, _)| id).collect();
        for id in orphaned {
            if let Some(attempt) = self.calls.end_attempt(id) {
                attempt.ringing.iter().for_each(|other| self.end_call(other, "cancel", "none"));
            }
        }
    }
}
