//! Recording.

use std::time::Instant;

use serde_json::{Value, json};

use crate::simulator::people::script::Occasion;
use crate::simulator::people::speech::span;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Steps, Turn, Verb, View, by_default};
use crate::simulator::wire::frame::{inner, seconds, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, started};

pub(crate) const RECORD: Verb = Verb {
    commands: &[("pause", "+ control_id:s! behavior:s"), ("resume", "+ control_id:s!"), ("stop", "+ control_id:s!")],
    ..Verb::new("calling.record", "+ control_id:s! record:Record! status_url:s", begin)
};

const EVENT: &str = "calling.call.record";

/// A recording of a call.
struct Recording {
    id: String,
    audio: Params,
    start: f64,
    counted: f64,
    running_since: Option<Instant>,
    spoke: bool,
    /// The words that were said during the recording.
    words: Vec<String>,
    terminators: String,
    end_silence: f64,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let audio = inner(params, &["record", "audio"]).cloned().unwrap_or_default();
    let words: Vec<String> = call.speaking.map(str::to_owned).into_iter().collect();
    let recording = Recording {
        id: call.ids.fresh(0x2ec0),
        start: call.unix,
        counted: 0.0,
        running_since: Some(call.now),
        spoke: !words.is_empty(),
        words,
        terminators: text(&audio, "terminators").unwrap_or("#").to_owned(),
        end_silence: seconds(&audio, "end_silence_timeout").unwrap_or(0.0),
        audio,
    };
    recording.emit("recording", out);
    for (key, alarm) in [("initial_timeout", "initial"), ("max_length", "longest")] {
        if let Some(limit) = seconds(&recording.audio, key).filter(|limit| *limit > 0.0) {
            out.alarm(alarm, limit);
        }
    }
    out.goes_on();
    Ok(Begun::Runs(Box::new(recording), started("Recording", call.call_id, params)))
}

impl Recording {
    fn emit(&self, state: &str, out: &mut Steps) {
        out.emit(EVENT, json!({"state": state, "recording_id": self.id, "record": {"audio": self.audio}}));
    }

    fn pause(&mut self, pause: bool, call: &View<'_>, out: &mut Steps) -> Result<(), Refusal> {
        match (pause, self.running_since) {
            (true, Some(since)) => {
                self.counted += call.seconds_since(since);
                self.running_since = None;
            }
            (false, None) => self.running_since = Some(call.now),
            _ => return refuse(409, if pause { "It is paused" } else { "It is not paused" }),
        }
        self.emit(if pause { "paused" } else { "recording" }, out);
        Ok(())
    }

    fn seconds(&self, call: &View<'_>) -> f64 {
        let running = self.running_since.map_or(0.0, |since| call.seconds_since(since));
        ((self.counted + running) * 1000.0).round() / 1000.0
    }

    fn last_event(&self, state: &str, call: &View<'_>) -> Value {
        let duration = self.seconds(call);
        let format = text(&self.audio, "format").unwrap_or("mp3");
        json!({
            "state": state,
            "recording_id": self.id,
            "url": format!("https://files.simulator.invalid/{}.{format}", self.id),
            "duration": duration,
            // The product is positive and small enough for a recording of this length.
            "size": (duration * 8000.0) as u64,
            "start_time": self.start,
            "end_time": self.start + duration,
            "record": {"audio": self.audio},
        })
    }

    fn finish(&self, state: &str, call: &View<'_>, out: &mut Steps) {
        out.end(EVENT, self.last_event(state, call));
        let lasts = self.seconds(call);
        out.tell(format!("{lasts:.1} s of {} were recorded", call.person));
        out.did_for(InteractionKind::Recorded, self.words.join(" "), span(lasts));
    }
}

impl Activity for Recording {
    fn family(&self) -> &'static str {
        "record"
    }

    fn turn(&self) -> Turn {
        Turn::File
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        let words = match command {
            "pause" => {
                self.pause(true, call, out)?;
                "Pausing recording"
            }
            "resume" => {
                self.pause(false, call, out)?;
                "Resuming recording"
            }
            _ => return by_default(self, command, params, call, out),
        };
        Ok(started(words, call.call_id, params))
    }

    fn alarm(&mut self, name: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        match name {
            "initial" if self.spoke => {}
            "initial" => self.finish("no_input", call, out),
            _ => self.finish("finished", call, out),
        }
    }

    fn key(&mut self, key: char, call: &View<'_>, out: &mut Steps) {
        if self.terminators.contains(key) {
            self.finish("finished", call, out);
        }
    }

    fn speech_begins(&mut self, said: &str, _: &View<'_>, out: &mut Steps) {
        self.spoke = true;
        if self.running_since.is_some() {
            self.words.push(said.to_owned());
        }
        out.disarm("silence");
    }

    fn speech_ends(&mut self, _: &str, _: bool, _: &View<'_>, out: &mut Steps) {
        if self.end_silence > 0.0 {
            out.alarm("silence", self.end_silence);
        }
    }

    fn occasion(&self, which: Occasion) -> Option<u64> {
        (which == Occasion::Recorded).then_some(0)
    }

    fn ends(&mut self, _: Ends, call: &View<'_>, out: &mut Steps) {
        self.finish("finished", call, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn silence_ends_a_recording_and_what_was_said_is_kept() {
        let audio = json!({"end_silence_timeout": 1.0, "initial_timeout": 5.0});
        let mut rig = Rig::begin(&RECORD, json!({"record": {"audio": audio}})).expect("it runs");
        rig.pass(2.0);
        rig.says("Hello there");
        rig.pass(0.9);
        rig.says("again");
        rig.pass(1.1);
        assert!(rig.is_over());
        assert_eq!(rig.interactions(), [(InteractionKind::Recorded, "Hello there again".to_owned())]);
        assert_eq!(rig.told().last().expect("it runs").1["state"], "finished");
    }

    #[test]
    fn nothing_said_is_no_input_and_a_pause_does_not_count() {
        let mut rig = Rig::begin(&RECORD, json!({"record": {"audio": {"initial_timeout": 5.0}}})).expect("it runs");
        rig.pass(1.0);
        assert!(rig.command("pause", json!({})).is_ok());
        rig.pass(4.0);
        let last = rig.told().pop().expect("it runs").1;
        assert_eq!((&last["state"], &last["duration"]), (&json!("no_input"), &json!(1.0)));
    }
}
