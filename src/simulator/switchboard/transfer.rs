//! Handing a call over: SIP REFER, and transfers to another application.
//!
//! Where the documentation of the service is silent: only a call whose device is a SIP one can be referred, others are
//! rejected with 400; the callee at the target decides the outcome, a decline and an unknown address are `error`;
//! after `success` the call ends with `hangup`, as the person has left it. A transferred call ends for its session
//! (`ended`, source `none`). With `context:…` it is then offered, as `ringing`, to a client that is subscribed there,
//! which may send `calling.answer` or `calling.pass`; with any other destination the document is not run, and the
//! person stays on the line without a client.

use crate::simulator::people::plan::Manner;
use crate::simulator::wire::frame::{object, text};
use crate::simulator::wire::reply::{Params, Reply, refuse, reply};
use crate::simulator::world::state::World;
use serde_json::{Value, json};

/// Time that a referred call rings.
const RINGING_SECONDS: f64 = 30.0;

impl World {
    pub(crate) fn on_refer(&mut self, call_id: &str, params: &Params) -> Reply {
        let device = object(params, "device").and_then(|device| object(device, "params"));
        let target = device.and_then(|device| text(device, "to")).unwrap_or_default();
        // The address alone, without the name in front of it (RFC 3261, name-addr).
        let in_brackets = target.split_once('<').and_then(|(_, address)| address.split_once('>'));
        let target = in_brackets.map_or(target, |(address, _)| address).to_owned();
        if !(target.starts_with("sip:") || target.starts_with("sips:")) {
            return refuse(400, format!("{target:?} is no SIP address"));
        }
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if leg.device["type"] != "sip" {
            return refuse(400, "Only a SIP call can be referred");
        }
        if std::mem::replace(&mut leg.referring, true) {
            return refuse(409, "A refer is in progress");
        }
        let (manner, ..) = self.numbers.plan_or_new(&target).is_called();
        let (wait, state, notify) = match manner {
            Manner::Answers(delay) => (delay.as_secs_f64(), "success", "200"),
            Manner::Busy => (0.5, "busy", "486"),
            Manner::NoAnswer => (RINGING_SECONDS, "noAnswer", "480"),
            Manner::Declines => (1.5, "error", "603"),
            Manner::NotFound => (0.3, "error", "404"),
        };
        let begun = json!({"state": "inProgress", "sip_refer_to": target, "sip_refer_response_code": "202"});
        self.emit_on(call_id, "calling.call.refer", begun);
        let id = call_id.to_owned();
        self.after_seconds(wait, move |world| {
            let Some(leg) = world.calls.get_mut(&id).filter(|leg| leg.referring) else { return };
            leg.referring = false;
            let person = leg.person;
            let event = json!({
                "state": state,
                "sip_refer_to": target,
                "sip_refer_response_code": "202",
                "sip_notify_response_code": notify,
            });
            world.emit_on(&id, "calling.call.refer", event);
            let name = world.person_name(person);
            world.tell(format!("{name} was referred to {target}: {state}"));
            if state == "success" {
                world.end_call(&id, "hangup", "inbound");
            }
        });
        Ok(reply("Starting SIP REFER"))
    }

    pub(crate) fn on_transfer(&mut self, call_id: &str, params: &Params) -> Reply {
        let (shown, context) = match params.get("dest") {
            Some(Value::String(dest)) => match dest.strip_prefix("context:") {
                Some("") => return refuse(400, "dest names no context"),
                Some(context) => (dest.clone(), Some(context.to_owned())),
                None if dest.starts_with("https://") || dest.starts_with("http://") => (dest.clone(), None),
                None if dest.trim_start().starts_with('{') => ("a document".into(), None),
                None => return refuse(400, "dest is neither an address, a document nor a context"),
            },
            _ => ("a document".into(), None),
        };
        let Some(person) = self.calls.get(call_id).map(|leg| leg.person) else {
            return refuse(404, "Call does not exist");
        };
        let name = self.person_name(person);
        self.tell(format!("{name} was transferred to {shown}"));
        // A call that is not bridged has nothing to be disconnected from.
        let _ = self.on_disconnect_call(call_id);
        self.hand_over(call_id, context);
        Ok(reply("Transferring"))
    }
}
