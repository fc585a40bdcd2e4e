//! Digit bindings: a method that runs when the person presses certain keys.
//!
//! Choices where the published material is silent: the keys match wherever they are the last ones pressed, pauses in
//! them count for nothing, and they also reach whatever else waits for keys; a control id that the bound method needs
//! and has not been given is made up, one that was given may be used again once its operation is over; a bound method
//! that fails is told by `calling.error`; `max_triggers` of 0 is no limit; without a realm, only the bindings of the
//! realm `default` are cleared, with `all` every one.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Verdict, refuse, reply};
use crate::simulator::wire::frame::{object, text};
use crate::simulator::wire::schema;
use crate::simulator::world::state::World;

/// How many of the last keys are remembered, and how long a sequence may be.
const KEYS_KEPT: usize = 64;

pub(crate) struct Binding {
    digits: String,
    method: String,
    params: Map<String, Value>,
    realm: String,
    left: Option<u64>,
}

impl World {
    pub(crate) fn on_bind_digit(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let given = text(params, "digits").unwrap_or_default();
        let digits: String = given.chars().filter(|key| !"wW".contains(*key)).collect();
        if digits.is_empty() || digits.len() > KEYS_KEPT || !digits.chars().all(|key| "0123456789*#ABCD".contains(key))
        {
            return refuse(400, "digits may hold 0-9 * # A-D w W");
        }
        let method = text(params, "bind_method").unwrap_or_default().to_owned();
        if !schema::addresses_a_call(&method) {
            return refuse(400, format!("{method:?} is no method that runs on a call"));
        }
        let bound = object(params, "params").cloned().unwrap_or_default();
        let whole = self.bound_params(call_id, &method, &bound);
        self.check(&method, &whole)?;
        let limit = params.get("max_triggers").and_then(Value::as_i64).unwrap_or(0);
        let Ok(limit) = u64::try_from(limit) else { return refuse(400, "max_triggers is negative") };
        let binding = Binding {
            digits,
            method,
            params: bound,
            realm: text(params, "realm").unwrap_or("default").to_owned(),
            left: Some(limit).filter(|limit| *limit > 0),
        };
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        leg.features.bindings.push(binding);
        Ok(reply("Digit binding created"))
    }

    pub(crate) fn on_clear_digit_bindings(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let realm = text(params, "realm").unwrap_or("default");
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        leg.features.bindings.retain(|binding| realm != "all" && binding.realm != realm);
        Ok(reply("Digit bindings cleared"))
    }

    pub(crate) fn key_for_bindings(&mut self, call_id: &str, pressed: char) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        let features = &mut leg.features;
        if features.keys.len() == KEYS_KEPT {
            features.keys.remove(0);
        }
        features.keys.push(pressed.to_ascii_uppercase());
        let mut triggered = Vec::new();
        for binding in &mut features.bindings {
            if features.keys.ends_with(&binding.digits) {
                binding.left = binding.left.map(|left| left - 1);
                triggered.push((binding.method.clone(), binding.params.clone()));
            }
        }
        if triggered.is_empty() {
            return;
        }
        features.keys.clear();
        features.bindings.retain(|binding| binding.left != Some(0));
        for (method, params) in triggered {
            self.run_bound(call_id, &method, &params);
        }
    }

    fn run_bound(&mut self, call_id: &str, method: &str, params: &Map<String, Value>) {
        let params = self.bound_params(call_id, method, params);
        if let (Some(leg), Some(control_id)) = (self.calls.get_mut(call_id), text(&params, "control_id")) {
            if !leg.operations.values().any(|operation| operation.control_id() == control_id) {
                leg.control_ids.remove(control_id);
            }
        }
        let name = self.calls.get(call_id).map(|leg| leg.person).map(|person| self.person_name(person));
        self.tell(format!("the keys of {} ran {method}", name.unwrap_or_default()));
        if let Err(refusal) = self.dispatch_call(call_id, method, &params) {
            let error = format!("{method}: {}", refusal.message);
            self.emit_on(call_id, "calling.error", json!({"error": error, "fatal": false}));
        }
    }

    /// The parameters of a bound method with what every method on a call needs.
    fn bound_params(&mut self, call_id: &str, method: &str, bound: &Map<String, Value>) -> Map<String, Value> {
        let mut params = bound.clone();
        let node_id = self.calls.get(call_id).map(|leg| leg.node_id.clone());
        params.insert("node_id".into(), node_id.unwrap_or_default().into());
        params.insert("call_id".into(), call_id.into());
        if schema::needs(method, "control_id") && !params.contains_key("control_id") {
            params.insert("control_id".into(), self.fresh_id(0xb17d).into());
        }
        params
    }
}
