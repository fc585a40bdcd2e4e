//! Detecting humans, answering machines, fax tones and digits.

use serde_json::{Value, json};

use crate::simulator::people::plan::PersonKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Verb, View};
use crate::simulator::wire::frame::{flag, inner, object, seconds, text};
use crate::simulator::wire::reply::{Params, Refusal, started};

pub(crate) const DETECT: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    ..Verb::new("calling.detect", "+ control_id:s! detect:@Detect! timeout:n status_url:s", begin)
};

const EVENT: &str = "calling.call.detect";

/// A detector on a call.
#[derive(Default)]
struct Detecting {
    kind: String,
    digits: String,
    /// The results to come, each at an alarm of its own: the result, and whether there was a beep.
    to_find: Vec<(&'static str, Option<bool>)>,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let kind = object(params, "detect").and_then(|detect| text(detect, "type")).unwrap_or("machine").to_owned();
    let tuning = inner(params, &["detect", "params"]).cloned().unwrap_or_default();
    let digits = text(&tuning, "digits").unwrap_or("0123456789#*").to_owned();
    let mut detect = Detecting { kind, digits, to_find: Vec::new() };
    out.alarm("limit", seconds(params, "timeout").unwrap_or(30.0));
    match detect.kind.as_str() {
        "machine" => detect.listen_for_machine(&tuning, call, out),
        "fax" => {
            let tone = text(&tuning, "tone").unwrap_or("CED");
            // A machine that is called answers with CED; one that calls sends CNG.
            let sent = if call.inbound { "CNG" } else { "CED" };
            if tone == sent && matches!(call.kind, PersonKind::Fax(_)) {
                detect.finds_after(1.5, sent, None, out);
                out.alarm("finish", 2.0);
            }
        }
        _ => {}
    }
    Ok(Begun::Runs(Box::new(detect), started("Detecting", call.call_id, params)))
}

impl Detecting {
    fn listen_for_machine(&mut self, tuning: &Params, call: &View<'_>, out: &mut Steps) {
        let silence = seconds(tuning, "end_silence_timeout").unwrap_or(1.0);
        let initial = seconds(tuning, "initial_timeout").unwrap_or(4.5);
        let voice = seconds(tuning, "machine_voice_threshold").unwrap_or(1.25);
        let interruptions = flag(tuning, "detect_interruptions");
        let message_end = tuning.get("detect_message_end").and_then(Value::as_bool).unwrap_or(true);
        match call.kind {
            // A greeting as short as a hello, without a beep, is detected as a human.
            PersonKind::Machine(machine) if !machine.beep && machine.lasts.as_secs_f64() < voice => {
                self.finds_after(1.0, "HUMAN", None, out);
                out.alarm("finish", 1.0 + silence);
            }
            PersonKind::Machine(machine) => {
                let beep = machine.beep;
                let verdict = voice + 0.25;
                self.finds_after(verdict, "MACHINE", None, out);
                if !message_end {
                    return out.alarm("finish", verdict);
                }
                let greeting = call.greeting_left;
                let ready = greeting.max(verdict) + if beep { 0.0 } else { silence };
                if interruptions && greeting > verdict {
                    self.finds_after(verdict, "NOT_READY", None, out);
                }
                self.finds_after(ready, "READY", beep.then_some(true), out);
                if !interruptions {
                    out.alarm("finish", ready);
                }
            }
            PersonKind::Silent => out.alarm("finish", initial),
            PersonKind::Fax(_) => {
                self.finds_after(initial, "UNKNOWN", None, out);
                out.alarm("finish", initial);
            }
            PersonKind::Person => {
                self.finds_after(1.0, "HUMAN", None, out);
                out.alarm("finish", 1.0 + silence);
            }
        }
    }

    fn finds_after(&mut self, wait: f64, verdict: &'static str, beep: Option<bool>, out: &mut Steps) {
        out.nth_alarm("verdict", self.to_find.len() as u64, wait);
        self.to_find.push((verdict, beep));
    }

    fn finds(&self, verdict: &str, beep: Option<bool>, out: &mut Steps) {
        let mut params = json!({"event": verdict});
        if let Some(beep) = beep {
            params["beep"] = beep.into();
        }
        out.emit(EVENT, json!({"detect": {"type": self.kind, "params": params}}));
    }

    fn finish(&self, out: &mut Steps) {
        out.end(EVENT, json!({"detect": {"type": self.kind, "params": {"event": "finished"}}}));
    }
}

impl Activity for Detecting {
    fn family(&self) -> &'static str {
        "detect"
    }

    fn alarm(&mut self, name: &'static str, nth: u64, _: &View<'_>, out: &mut Steps) {
        let found = usize::try_from(nth).ok().and_then(|nth| self.to_find.get(nth)).copied();
        match found.filter(|_| name == "verdict") {
            Some((verdict, beep)) => self.finds(verdict, beep, out),
            None => self.finish(out),
        }
    }

    fn key(&mut self, key: char, _: &View<'_>, out: &mut Steps) {
        if self.kind == "digit" && self.digits.contains(key) {
            self.finds(&key.to_string(), None, out);
        }
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        self.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_human_is_found_after_a_second_and_digits_as_they_come() {
        let mut rig = Rig::begin(&DETECT, json!({"detect": {"type": "machine", "params": {}}})).expect("it runs");
        rig.pass(3.0);
        let found = |rig: &Rig| -> Vec<Value> {
            rig.told().iter().map(|(_, event)| event["detect"]["params"]["event"].clone()).collect()
        };
        assert_eq!(found(&rig), ["HUMAN", "finished"]);
        let mut rig =
            Rig::begin(&DETECT, json!({"detect": {"type": "digit", "params": {"digits": "12"}}})).expect("it runs");
        rig.presses("312");
        rig.pass(31.0);
        assert_eq!(found(&rig), ["1", "2", "finished"]);
    }
}
