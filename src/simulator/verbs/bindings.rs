//! Digit bindings: a method that runs when the person presses certain digits.
//!
//! Where the documentation of the service is silent: the digits match if they are the last ones pressed, with any
//! pauses between them, and they also reach every operation that waits for digits; a control ID that the bound method
//! needs and lacks is generated, and one that it has may be used again after its operation has ended; the failure of a
//! bound method is reported by `calling.error`; `max_triggers` of 0 is no limit; without a realm, only the bindings of
//! the realm `default` are cleared, with `all` every one.

use serde_json::Value;

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Turn, Verb, View};
use crate::simulator::wire::frame::{object, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};

pub(crate) const BIND_DIGIT: Verb = Verb {
    secrets: true,
    ..Verb::new("calling.bind_digit", "+ digits:s! bind_method:s! params:o realm:s max_triggers:i swml:b", begin)
};

pub(crate) const CLEAR_DIGIT_BINDINGS: Verb =
    Verb::new("calling.clear_digit_bindings", "+ realm:s swml:b", |_, call, _| {
        if call.runs(&[FAMILY]) {
            return Ok(Begun::Passes(FAMILY, "clear"));
        }
        Ok(Begun::Done(reply("Digit bindings cleared")))
    });

const FAMILY: &str = "bind_digit";

/// Number of the last digits that are kept, and the greatest length of a sequence.
pub(crate) const KEYS_KEPT: usize = 64;

/// A request that is made when the caller presses certain digits.
struct Binding {
    digits: String,
    method: String,
    params: Params,
    realm: String,
    left: Option<u64>,
}

/// The bindings of a call.
struct Bindings {
    all: Vec<Binding>,
    /// Digits that were pressed since a binding was last triggered.
    keys: String,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let binding = binding(params, call, out)?;
    if call.runs(&[FAMILY]) {
        return Ok(Begun::Passes(FAMILY, "bind"));
    }
    let bindings = Bindings { all: vec![binding], keys: call.pressed.to_owned() };
    Ok(Begun::Runs(Box::new(bindings), reply("Digit binding created")))
}

fn binding(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Binding, Refusal> {
    let given = text(params, "digits").unwrap_or_default();
    let digits: String = given.chars().filter(|key| !"wW".contains(*key)).collect();
    if digits.is_empty() || digits.len() > KEYS_KEPT || !digits.chars().all(|key| "0123456789*#ABCD".contains(key)) {
        return refuse(400, "digits may hold 0-9 * # A-D w W");
    }
    let method = text(params, "bind_method").unwrap_or_default().to_owned();
    if !call.methods.addresses_a_call(&method) {
        return refuse(400, format!("{method:?} is no method that runs on a call"));
    }
    let bound = object(params, "params").cloned().unwrap_or_default();
    let (violations, judged) = call.methods.judge(&method, &whole(&method, &bound, call), call.allow_unknown_fields);
    violations.into_iter().for_each(|violation| out.violation(violation));
    judged?;
    let limit = params.get("max_triggers").and_then(Value::as_i64).unwrap_or(0);
    let Ok(limit) = u64::try_from(limit) else { return refuse(400, "max_triggers is negative") };
    Ok(Binding {
        digits,
        method,
        params: bound,
        realm: text(params, "realm").unwrap_or("default").to_owned(),
        left: Some(limit).filter(|limit| *limit > 0),
    })
}

/// The parameters of a bound method, with the fields that every method on a call needs.
fn whole(method: &str, bound: &Params, call: &View<'_>) -> Params {
    let mut params = bound.clone();
    params.insert("node_id".into(), call.node_id.into());
    params.insert("call_id".into(), call.call_id.into());
    if call.methods.needs(method, "control_id") && !params.contains_key("control_id") {
        params.insert("control_id".into(), call.ids.fresh(0xb17d).into());
    }
    params
}

impl Activity for Bindings {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn turn(&self) -> Turn {
        Turn::Attached(6)
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, _: &mut Steps) -> Reply {
        if command == "clear" {
            let realm = text(params, "realm").unwrap_or("default");
            self.all.retain(|binding| realm != "all" && binding.realm != realm);
            return Ok(reply("Digit bindings cleared"));
        }
        // Errors in the request were reported before.
        self.all.push(binding(params, call, &mut Steps::default())?);
        Ok(reply("Digit binding created"))
    }

    fn key(&mut self, key: char, call: &View<'_>, out: &mut Steps) {
        if self.keys.len() == KEYS_KEPT {
            self.keys.remove(0);
        }
        self.keys.push(key.to_ascii_uppercase());
        let mut triggered = false;
        for binding in self.all.iter_mut().filter(|binding| self.keys.ends_with(&binding.digits)) {
            binding.left = binding.left.map(|left| left - 1);
            triggered = true;
            out.run(binding.method.clone(), whole(&binding.method, &binding.params, call));
        }
        if triggered {
            self.keys.clear();
            self.all.retain(|binding| binding.left != Some(0));
        }
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.gone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::verbs::activity::Step;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn digits_run_their_method_wherever_they_are_the_last_ones() {
        let play = json!({"play": [{"type": "tts", "params": {"text": "x"}}]});
        let bind = json!({"digits": "1w2", "bind_method": "calling.play", "params": play, "max_triggers": 1});
        let mut rig = Rig::begin(&BIND_DIGIT, bind.clone()).expect("it runs");
        rig.presses("91212");
        let runs: Vec<&Step> = rig.done().iter().filter(|step| matches!(step, Step::Run(..))).collect();
        assert_eq!(runs.len(), 1);
        assert!(
            matches!(runs[0], Step::Run(method, params) if method == "calling.play" && params["call_id"] == "call")
        );
        for bad in ["x", "", "w"] {
            let mut odd = bind.clone();
            odd["digits"] = bad.into();
            assert_eq!(Rig::begin(&BIND_DIGIT, odd).err().map(|refusal| refusal.code), Some(400));
        }
    }
}
