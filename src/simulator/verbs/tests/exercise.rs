//! An exercise: an invented verb, from its row to its test, in one file.
//!
//! A metronome beats at a tempo until it is stopped, and the digits 1 to 9 set its beats per second. A real verb also
//! has its row in the list of all verbs and its line on the page on methods, and nothing else elsewhere.

use serde_json::json;

use super::Rig;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Steps, Verb, View, by_default};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, started};

const METRONOME: Verb = Verb {
    commands: &[("pause", "+ control_id:s!"), ("stop", "+ control_id:s!")],
    ..Verb::new("calling.metronome", "+ control_id:s! tempo:n!", begin)
};

const EVENT: &str = "calling.call.metronome";

struct Metronome {
    tempo: f64,
    beats: u64,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let tempo = params["tempo"].as_f64().unwrap_or_default();
    if tempo <= 0.0 {
        return refuse(400, "tempo is not above zero");
    }
    out.emit(EVENT, json!({"state": "beating"}));
    out.alarm("beat", 1.0 / tempo);
    Ok(Begun::Runs(Box::new(Metronome { tempo, beats: 0 }), started("Beating", call.call_id, params)))
}

impl Activity for Metronome {
    fn family(&self) -> &'static str {
        "metronome"
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        if command != "pause" {
            return by_default(self, command, params, call, out);
        }
        out.disarm("beat");
        Ok(started("Pausing", call.call_id, params))
    }

    fn alarm(&mut self, _: &'static str, _: u64, _: &View<'_>, out: &mut Steps) {
        self.beats += 1;
        out.hears(Role::Remote, "tock");
        out.alarm("beat", 1.0 / self.tempo);
    }

    fn key(&mut self, key: char, _: &View<'_>, out: &mut Steps) {
        if let Some(tempo) = key.to_digit(10).filter(|tempo| *tempo > 0) {
            self.tempo = tempo.into();
            out.alarm("beat", 1.0 / self.tempo);
        }
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        out.end(EVENT, json!({"state": "finished", "beats": self.beats}));
    }
}

#[test]
fn a_made_up_verb_takes_one_file_and_one_row() {
    let mut rig = Rig::begin(&METRONOME, json!({"control_id": "m", "tempo": 2})).expect("a tempo");
    rig.pass(1.6);
    rig.presses("5");
    rig.pass(1.1);
    assert_eq!(rig.heard().len(), 8);
    assert!(rig.command("pause", json!({})).is_ok());
    rig.pass(60.0);
    assert!(rig.command("volume", json!({})).is_err());
    assert!(rig.command("stop", json!({})).is_ok() && rig.is_over());
    assert_eq!(rig.told(), [(EVENT, json!({"state": "beating"})), (EVENT, json!({"state": "finished", "beats": 8}))]);
    assert_eq!(Rig::begin(&METRONOME, json!({"tempo": 0})).err().map(|refusal| refusal.code), Some(400));
}
