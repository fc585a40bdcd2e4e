//! Detecting: people, machines, fax tones, keys.

use serde_json::{Map, Value, json};

use crate::simulator::handles::people::Kind;
use crate::simulator::service::sessions::Verdict;
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::switchboard::calls::settings;
use crate::simulator::wire::frame::{flag, object, seconds, text};
use crate::simulator::world::state::World;

pub(crate) struct Detecting {
    pub(crate) kind: String,
    pub(crate) digits: String,
}

impl World {
    pub(crate) fn on_detect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let kind = object(params, "detect").and_then(|detect| text(detect, "type")).unwrap_or("machine").to_owned();
        let tuning = settings(params, &["detect", "params"]).cloned().unwrap_or_default();
        let digits = text(&tuning, "digits").unwrap_or("0123456789#*").to_owned();
        let detect = Detecting { kind: kind.clone(), digits };
        let key = self.start(call_id, params, What::Detect(detect))?;
        let id = call_id.to_owned();
        let limit = seconds(params, "timeout").unwrap_or(30.0);
        self.after_seconds(limit, move |world| world.finish_detect(&id, key));
        match kind.as_str() {
            "machine" => self.listen_for_machine(call_id, key, &tuning),
            "fax" => {
                let tone = text(&tuning, "tone").unwrap_or("CED");
                // A machine that is called answers with CED; one that calls sends CNG.
                let sent = if self.calls.get(call_id).is_some_and(|leg| leg.inbound) { "CNG" } else { "CED" };
                if tone == sent && matches!(self.kind_at(call_id), Some(Kind::Fax(_))) {
                    self.verdict_after(1.5, call_id, key, sent, None);
                    self.finish_detect_after(2.0, call_id, key);
                }
            }
            _ => {}
        }
        Ok(started("Detecting", call_id, params))
    }

    fn listen_for_machine(&mut self, call_id: &str, key: u64, tuning: &Map<String, Value>) {
        let silence = seconds(tuning, "end_silence_timeout").unwrap_or(1.0);
        let initial = seconds(tuning, "initial_timeout").unwrap_or(4.5);
        let voice = seconds(tuning, "machine_voice_threshold").unwrap_or(1.25);
        let interruptions = flag(tuning, "detect_interruptions");
        let message_end = tuning.get("detect_message_end").and_then(Value::as_bool).unwrap_or(true);
        match self.kind_at(call_id) {
            // What is as short as a hello, and has no beep behind it, is taken for one.
            Some(Kind::Machine(machine)) if !machine.beep && machine.lasts.as_secs_f64() < voice => {
                self.verdict_after(1.0, call_id, key, "HUMAN", None);
                self.finish_detect_after(1.0 + silence, call_id, key);
            }
            Some(Kind::Machine(machine)) => {
                let beep = machine.beep;
                let verdict = voice + 0.25;
                self.verdict_after(verdict, call_id, key, "MACHINE", None);
                if !message_end {
                    return self.finish_detect_after(verdict, call_id, key);
                }
                let greeting = self.greeting_left(call_id);
                let ready = greeting.max(verdict) + if beep { 0.0 } else { silence };
                if interruptions && greeting > verdict {
                    self.verdict_after(verdict, call_id, key, "NOT_READY", None);
                }
                self.verdict_after(ready, call_id, key, "READY", beep.then_some(true));
                if !interruptions {
                    self.finish_detect_after(ready, call_id, key);
                }
            }
            Some(Kind::Silent) => self.finish_detect_after(initial, call_id, key),
            Some(Kind::Fax(_)) => {
                self.verdict_after(initial, call_id, key, "UNKNOWN", None);
                self.finish_detect_after(initial, call_id, key);
            }
            _ => {
                self.verdict_after(1.0, call_id, key, "HUMAN", None);
                self.finish_detect_after(1.0 + silence, call_id, key);
            }
        }
    }

    fn verdict_after(&mut self, wait: f64, call_id: &str, key: u64, event: &'static str, beep: Option<bool>) {
        let id = call_id.to_owned();
        self.after_seconds(wait, move |world| world.verdict(&id, key, event, beep));
    }

    pub(crate) fn verdict(&mut self, call_id: &str, key: u64, event: &str, beep: Option<bool>) {
        let Some(operation) = self.operation(call_id, key) else { return };
        let What::Detect(detect) = &operation.what else { return };
        let mut params = json!({"event": event});
        if let Some(beep) = beep {
            params["beep"] = beep.into();
        }
        let event = json!({"detect": {"type": detect.kind, "params": params}});
        self.emit_operation(call_id, key, "calling.call.detect", event);
    }

    fn finish_detect_after(&mut self, wait: f64, call_id: &str, key: u64) {
        let id = call_id.to_owned();
        self.after_seconds(wait, move |world| world.finish_detect(&id, key));
    }

    pub(crate) fn finish_detect(&mut self, call_id: &str, key: u64) {
        if !matches!(self.operation(call_id, key).map(|operation| &operation.what), Some(What::Detect(_))) {
            return;
        }
        if let Some(operation) = self.take(call_id, key) {
            let What::Detect(detect) = &operation.what else { return };
            let event = json!({"detect": {"type": detect.kind, "params": {"event": "finished"}}});
            self.tell_operation(call_id, "calling.call.detect", &operation, event);
        }
    }
}
