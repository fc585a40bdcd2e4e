//! Recording.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, refuse};
use crate::simulator::switchboard::activities::{Operation, What, started};
use crate::simulator::switchboard::calls::settings;
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::{seconds, text};
use crate::simulator::world::state::{World, span};

pub(crate) struct Recording {
    id: String,
    audio: Map<String, Value>,
    start: f64,
    counted: f64,
    running_since: Option<Instant>,
    pub(crate) spoke: bool,
    /// What was said meanwhile.
    pub(crate) words: Vec<String>,
    pub(crate) terminators: String,
    pub(crate) end_silence: f64,
}

impl Recording {
    /// Whether it is not paused.
    pub(crate) fn is_running(&self) -> bool {
        self.running_since.is_some()
    }
}

impl World {
    pub(crate) fn on_record(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let audio = settings(params, &["record", "audio"]).cloned().unwrap_or_default();
        let speaking = self.calls.get(call_id).and_then(|leg| leg.speaking.as_ref());
        let words: Vec<String> = speaking.map(|(words, _)| words.clone()).into_iter().collect();
        let spoke = !words.is_empty();
        let recording = Recording {
            id: self.fresh_id(0x2ec0),
            start: self.clock.unix(),
            counted: 0.0,
            running_since: Some(self.clock.now()),
            spoke,
            words,
            terminators: text(&audio, "terminators").unwrap_or("#").to_owned(),
            end_silence: seconds(&audio, "end_silence_timeout").unwrap_or(0.0),
            audio,
        };
        let (initial, longest) =
            (seconds(&recording.audio, "initial_timeout"), seconds(&recording.audio, "max_length"));
        let key = self.start(call_id, params, What::Record(recording))?;
        self.emit_recording(call_id, key, "recording");
        let id = call_id.to_owned();
        if let Some(initial) = initial.filter(|limit| *limit > 0.0) {
            let id = id.clone();
            self.after_seconds(initial, move |world| {
                if world.recording(&id, key).is_some_and(|recording| !recording.spoke) {
                    world.finish_recording(&id, key, "no_input");
                }
            });
        }
        if let Some(longest) = longest.filter(|limit| *limit > 0.0) {
            self.after_seconds(longest, move |world| world.finish_recording(&id, key, "finished"));
        }
        self.act_at(call_id);
        Ok(started("Recording", call_id, params))
    }

    pub(crate) fn pause_recording(&mut self, call_id: &str, key: u64, pause: bool) -> Result<(), Refusal> {
        let now = self.clock.now();
        let speed = self.settings.speed;
        let Some(recording) = self.recording(call_id, key) else { return refuse(404, "No such operation") };
        match (pause, recording.running_since) {
            (true, Some(since)) => {
                recording.counted += now.saturating_duration_since(since).as_secs_f64() * speed;
                recording.running_since = None;
            }
            (false, None) => recording.running_since = Some(now),
            _ => return refuse(409, if pause { "It is paused" } else { "It is not paused" }),
        }
        self.emit_recording(call_id, key, if pause { "paused" } else { "recording" });
        Ok(())
    }

    fn recording(&mut self, call_id: &str, key: u64) -> Option<&mut Recording> {
        match &mut self.operation(call_id, key)?.what {
            What::Record(recording) => Some(recording),
            _ => None,
        }
    }

    fn emit_recording(&mut self, call_id: &str, key: u64, state: &str) {
        if let Some(recording) = self.recording(call_id, key) {
            let event = json!({"state": state, "recording_id": recording.id, "record": {"audio": recording.audio}});
            self.emit_operation(call_id, key, "calling.call.record", event);
        }
    }

    pub(crate) fn finish_recording(&mut self, call_id: &str, key: u64, state: &str) {
        if self.recording(call_id, key).is_none() {
            return;
        }
        if let Some(operation) = self.take(call_id, key) {
            let Some(event) = self.recorded(&operation, state) else { return };
            self.tell_operation(call_id, "calling.call.record", &operation, event);
            if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
                self.tell_recorded(call_id, person, &operation);
            }
        }
    }

    fn recorded_seconds(&self, recording: &Recording) -> f64 {
        let running = recording.running_since.map_or(0.0, |since| self.seconds_since(since));
        ((recording.counted + running) * 1000.0).round() / 1000.0
    }

    pub(crate) fn recorded(&self, operation: &Operation, state: &str) -> Option<Value> {
        let What::Record(recording) = &operation.what else { return None };
        let duration = self.recorded_seconds(recording);
        let format = text(&recording.audio, "format").unwrap_or("mp3");
        Some(json!({
            "state": state,
            "recording_id": recording.id,
            "url": format!("https://files.simulator.invalid/{}.{format}", recording.id),
            "duration": duration,
            // Bytes of a recording of this length; it is a positive number of a sane size.
            "size": (duration * 8000.0) as u64,
            "start_time": recording.start,
            "end_time": recording.start + duration,
            "record": {"audio": recording.audio},
        }))
    }

    pub(crate) fn tell_recorded(&mut self, call_id: &str, person: u64, operation: &Operation) {
        if let What::Record(recording) = &operation.what {
            let (name, lasts) = (self.person_name(person), self.recorded_seconds(recording));
            self.tell(format!("{lasts:.1} s of {name} were recorded"));
            self.did_for(DeedKind::Recorded, &name, Some(call_id), &recording.words.join(" "), span(lasts));
        }
    }
}
