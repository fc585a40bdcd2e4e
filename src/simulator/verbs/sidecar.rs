//! AI sidecars: they listen to a call and send their comments to the program.
//!
//! No model is behind them, and the documentation of the service leaves most of it open. Here a sidecar starts and
//! stops with the events of these names; a poke is followed by an `insight` that repeats it, a question by
//! `ask_request` and, 1 s later, `ask_answer`; a running sidecar is not started again (409), and without one the other
//! methods are rejected with 404. The end of a call sends `final`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Turn, Verb, View};
use crate::simulator::verbs::info::call_info;
use crate::simulator::wire::frame::text;
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, reply};

pub(crate) const AI_SIDECAR: Verb = Verb::new("calling.ai_sidecar", "+", begin);
pub(crate) const POKE: Verb = Verb::new("calling.ai_sidecar.poke", "+ text:s!", |_, call, _| pass(call, "poke"));
pub(crate) const ASK: Verb = Verb::new("calling.ai_sidecar.ask", "+ text:s!", |_, call, _| pass(call, "ask"));
pub(crate) const STOP: Verb = Verb::new("calling.ai_sidecar.stop", "+", |_, call, _| pass(call, "stop"));
pub(crate) const STATUS: Verb = Verb::new("calling.ai_sidecar.status", "+", |_, call, _| pass(call, "status"));

const FAMILY: &str = "ai_sidecar";

/// A sidecar, with the number of its events so far.
#[derive(Default)]
struct Observer {
    ticks: u64,
    /// The open questions, by number, with their IDs.
    asked: BTreeMap<u64, (String, String)>,
}

fn begin(_: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if call.runs(&[FAMILY]) {
        return refuse(409, "An observer is attached");
    }
    let mut observer = Observer::default();
    observer.tells("start", json!({}), call, out);
    Ok(Begun::Runs(Box::new(observer), reply("+OK")))
}

fn pass(call: &View<'_>, command: &'static str) -> Result<Begun, Refusal> {
    if call.runs(&[FAMILY]) { Ok(Begun::Passes(FAMILY, command)) } else { refuse(404, "No observer is attached") }
}

impl Observer {
    fn tells(&mut self, what: &str, mut event: Value, call: &View<'_>, out: &mut Steps) {
        self.ticks += 1;
        event["type"] = what.into();
        event["ts"] = call.micros().into();
        event["tick_id"] = self.ticks.into();
        event["channel_data"] = json!({"call_id": call.call_id});
        out.announce("calling.ai.sidecar", json!({"call_info": call_info(call), "sidecar_event": event}));
    }
}

impl Activity for Observer {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn turn(&self) -> Turn {
        Turn::Attached(4)
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        match command {
            "poke" => self.tells("insight", json!({"raw": text(params, "text")}), call, out),
            "ask" => {
                let ask_id = format!("ask-{}", call.ids.fresh(0xa5c0));
                let asked = text(params, "text").unwrap_or_default().to_owned();
                self.tells("ask_request", json!({"ask_id": ask_id, "raw": asked}), call, out);
                let number = self.ticks;
                self.asked.insert(number, (ask_id.clone(), asked));
                out.nth_alarm("answer", number, 1.0);
                let mut fields = reply("queued");
                fields.insert("ask_id".into(), ask_id.into());
                return Ok(fields);
            }
            "stop" => {
                self.tells("stop", json!({}), call, out);
                out.gone();
            }
            _ => {}
        }
        Ok(reply("+OK"))
    }

    fn alarm(&mut self, _: &'static str, nth: u64, call: &View<'_>, out: &mut Steps) {
        if let Some((ask_id, asked)) = self.asked.remove(&nth) {
            self.tells("ask_answer", json!({"ask_id": ask_id, "raw": format!("You asked: {asked}")}), call, out);
        }
    }

    fn ends(&mut self, _: Ends, call: &View<'_>, out: &mut Steps) {
        self.tells("final", json!({}), call, out);
        out.gone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_question_is_answered_after_a_second_unless_the_sidecar_has_ended() {
        let mut rig = Rig::begin(&AI_SIDECAR, json!({})).expect("it runs");
        assert!(rig.command("ask", json!({"text": "why"})).expect("it runs").contains_key("ask_id"));
        rig.pass(1.1);
        assert!(rig.command("ask", json!({"text": "how"})).is_ok() && rig.command("stop", json!({})).is_ok());
        rig.pass(2.0);
        let told: Vec<Value> = rig.told().iter().map(|(_, event)| event["sidecar_event"]["type"].clone()).collect();
        assert_eq!(told, ["start", "ask_request", "ask_answer", "ask_request", "stop"]);
    }
}
