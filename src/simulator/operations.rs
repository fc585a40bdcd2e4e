//! What runs on a call: playing, recording, collecting, detecting, sending digits.
//!
//! Choices where the published material is silent: a prompt stops at the first key or word; keys that nothing waits
//! for are lost; pausing what is paused, or resuming what runs, is refused with 409; an operation that the end of its
//! call cuts short ends as the state tables say (`finished`, for digits `error`), a recording right after `ended`.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::calls::{Leg, State, settings};
use super::people::Kind;
use super::session::{Refusal, Verdict, refuse, reply};
use super::wire::{flag, list, object, seconds, text};
use super::world::World;

/// What an audio file lasts, since nobody looks into it, and a ringtone without a length.
const AUDIO_SECONDS: f64 = 3.0;

/// How many characters are spoken in a second.
const CHARACTERS_PER_SECOND: f64 = 12.0;

/// One running operation.
pub(super) struct Operation {
    pub(super) key: u64,
    control_id: String,
    pub(super) what: What,
    /// Timers carry the mark that was valid when they were set, and mean nothing once it has changed.
    mark: u64,
}

pub(super) enum What {
    Play(Playback),
    Record(Recording),
    Collect(Collecting),
    Detect(Detecting),
    Digits,
}

/// Media in a row.
pub(super) struct Playback {
    items: Vec<Item>,
    at: usize,
    rounds_left: Option<i64>,
    left: f64,
    since: Instant,
    paused: bool,
}

struct Item {
    heard: Option<String>,
    seconds: f64,
}

pub(super) struct Recording {
    id: String,
    audio: Map<String, Value>,
    start: f64,
    counted: f64,
    running_since: Option<Instant>,
    spoke: bool,
    terminators: String,
    end_silence: f64,
}

pub(super) struct Collecting {
    is_prompt: bool,
    pub(super) prompt: Option<Playback>,
    prompt_mark: u64,
    digits: Option<Digits>,
    speech: Option<f64>,
    initial: f64,
    timers_on: bool,
    partial: bool,
    continuous: bool,
    start_of_input: bool,
    began: bool,
    got: String,
}

struct Digits {
    max: usize,
    min: usize,
    terminators: String,
    timeout: f64,
}

pub(super) struct Detecting {
    kind: String,
    digits: String,
}

impl Operation {
    pub(super) fn is_recording(&self) -> bool {
        matches!(self.what, What::Record(_))
    }

    /// Whether somebody who is polite would now press a key.
    pub(super) fn asks_for_digits(&self) -> bool {
        matches!(&self.what, What::Collect(collect) if collect.digits.is_some() && collect.prompt.is_none())
    }

    /// Whether somebody who is polite would now answer in words.
    pub(super) fn asks_for_words(&self) -> bool {
        matches!(&self.what, What::Collect(collect) if collect.speech.is_some() && collect.prompt.is_none())
    }

    fn family(&self) -> &'static str {
        match &self.what {
            What::Play(_) => "play",
            What::Record(_) => "record",
            What::Collect(collect) if collect.is_prompt => "play_and_collect",
            What::Collect(_) => "collect",
            What::Detect(_) => "detect",
            What::Digits => "send_digits",
        }
    }

    fn playback(&mut self) -> Option<&mut Playback> {
        match &mut self.what {
            What::Play(playback) => Some(playback),
            What::Collect(collect) => collect.prompt.as_mut(),
            _ => None,
        }
    }
}

/// How long speaking a text takes.
pub(super) fn speaking_seconds(text: &str) -> f64 {
    let mut in_tag = false;
    let spoken = text.chars().filter(|c| match c {
        '<' => {
            in_tag = true;
            false
        }
        '>' => {
            in_tag = false;
            false
        }
        _ => !in_tag,
    });
    // A text is shorter than what a float counts exactly.
    (spoken.count() as f64 / CHARACTERS_PER_SECOND).max(0.1)
}

/// What a person hears of one item of media; nothing of silence.
pub(super) fn audible(media: &Value) -> Option<String> {
    let params = &media["params"];
    match media["type"].as_str()? {
        "tts" => params["text"].as_str().map(str::to_owned),
        "audio" => params["url"].as_str().map(str::to_owned),
        "ringtone" => params["name"].as_str().map(|name| format!("ringtone {name}")),
        _ => None,
    }
}

fn item(media: &Value) -> Item {
    let params = &media["params"];
    let given = params["duration"].as_f64().map(|seconds| seconds.clamp(0.01, 86_400.0));
    let seconds = match media["type"].as_str() {
        Some("tts") => speaking_seconds(params["text"].as_str().unwrap_or_default()),
        _ => given.unwrap_or(AUDIO_SECONDS),
    };
    Item { heard: audible(media), seconds }
}

impl World {
    // Starting.

    fn start(&mut self, call_id: &str, params: &Map<String, Value>, what: What) -> Result<u64, Refusal> {
        let control_id = text(params, "control_id").unwrap_or_default().to_owned();
        let key = self.number();
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.control_ids.insert(control_id.clone()) {
            self.violation(format!("call {call_id}: the control_id {control_id} was used before"));
            return refuse(409, "control_id is in use");
        }
        leg.operations.insert(key, Operation { key, control_id, what, mark: 0 });
        let person = leg.person;
        self.greeting_begins(person);
        Ok(key)
    }

    fn media(&mut self, params: &Map<String, Value>) -> Result<Playback, Refusal> {
        let media = list(params, "play");
        if media.is_empty() {
            return refuse(400, "play is empty");
        }
        self.check_volume(params)?;
        let rounds_left = match params.get("loop").and_then(Value::as_i64).unwrap_or(1) {
            0 => None,
            rounds if rounds > 0 => Some(rounds),
            _ => return refuse(400, "loop is negative"),
        };
        let items = media.iter().map(item).collect();
        Ok(Playback { items, at: 0, rounds_left, left: 0.0, since: self.clock.now(), paused: false })
    }

    fn check_volume(&self, params: &Map<String, Value>) -> Result<(), Refusal> {
        match params.get("volume").and_then(Value::as_f64) {
            Some(volume) if !(-40.0..=40.0).contains(&volume) => refuse(400, "volume is not between -40 and 40"),
            _ => Ok(()),
        }
    }

    pub(super) fn on_play(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let playback = self.media(params)?;
        let broken = unplayable(params);
        let key = self.start(call_id, params, What::Play(playback))?;
        if broken {
            if let Some(operation) = self.take(call_id, key) {
                self.tell_operation(call_id, "calling.call.play", &operation, json!({"state": "error"}));
            }
        } else {
            self.emit_operation(call_id, key, "calling.call.play", json!({"state": "playing"}));
            self.start_item(call_id, key);
        }
        Ok(started("Playing", call_id, params))
    }

    pub(super) fn on_record(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let audio = settings(params, &["record", "audio"]).cloned().unwrap_or_default();
        let spoke = self.calls.get(call_id).is_some_and(|leg| leg.speaking.is_some());
        let recording = Recording {
            id: self.fresh_id(0x2ec0),
            start: self.clock.unix(),
            counted: 0.0,
            running_since: Some(self.clock.now()),
            spoke,
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

    pub(super) fn on_collect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let collect = collecting(params, None)?;
        let timers_on = collect.timers_on;
        let key = self.start(call_id, params, What::Collect(collect))?;
        if timers_on {
            self.start_input_timer(call_id, key);
        }
        self.act_at(call_id);
        Ok(started("Collecting", call_id, params))
    }

    pub(super) fn on_play_and_collect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let running = self
            .calls
            .get(call_id)
            .is_some_and(|leg| leg.operations.values().any(|operation| operation.family() == "play_and_collect"));
        if running {
            return refuse(409, "A play_and_collect is running");
        }
        let prompt = self.media(params)?;
        let empty = Map::new();
        let collect = collecting(object(params, "collect").unwrap_or(&empty), Some(prompt))?;
        let key = self.start(call_id, params, What::Collect(collect))?;
        self.emit_operation(call_id, key, "calling.call.play", json!({"state": "playing"}));
        self.start_item(call_id, key);
        Ok(started("Playing and collecting", call_id, params))
    }

    pub(super) fn on_detect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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
                if tone == "CED" && matches!(self.kind_at(call_id), Some(Kind::Fax)) {
                    self.verdict_after(1.5, call_id, key, "CED", None);
                    self.finish_detect_after(2.0, call_id, key);
                }
            }
            _ => {}
        }
        Ok(started("Detecting", call_id, params))
    }

    pub(super) fn on_send_digits(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let digits = text(params, "digits").unwrap_or_default().to_owned();
        if digits.is_empty() || !digits.chars().all(|key| "0123456789*#ABCDabcdwW".contains(key)) {
            return refuse(400, "digits may hold 0-9 * # A-D w W");
        }
        let lasts: f64 = digits
            .chars()
            .map(|key| match key {
                'w' => 0.5,
                'W' => 1.0,
                _ => 0.25,
            })
            .sum();
        let key = self.start(call_id, params, What::Digits)?;
        let id = call_id.to_owned();
        self.after_seconds(lasts, move |world| {
            if let Some(operation) = world.take(&id, key) {
                let tones: String = digits.chars().filter(|key| !"wW".contains(*key)).collect();
                if let Some(person) = world.calls.get(&id).map(|leg| leg.person) {
                    world.hears_digits(person, &tones);
                }
                world.tell_operation(&id, "calling.call.send_digits", &operation, json!({"state": "finished"}));
            }
        });
        Ok(started("Sending digits", call_id, params))
    }

    // Commands.

    pub(super) fn on_command(
        &mut self,
        call_id: &str,
        family: &str,
        command: &str,
        params: &Map<String, Value>,
    ) -> Verdict {
        let control_id = text(params, "control_id").unwrap_or_default();
        let found = self.calls.get(call_id).and_then(|leg| {
            leg.operations.values().find(|operation| operation.control_id == control_id).map(|operation| {
                let fits = operation.family() == family
                    || (command == "start_input_timers" && matches!(operation.what, What::Collect(_)));
                (operation.key, fits)
            })
        });
        let Some((key, true)) = found else { return refuse(404, "No such operation") };
        let words = match (family, command) {
            (_, "stop") => {
                self.stop(call_id, key);
                "Stopping"
            }
            (_, "volume") => {
                self.check_volume(params)?;
                "Changed volume"
            }
            ("play", "pause" | "resume") => {
                self.pause_play(call_id, key, command == "pause")?;
                if command == "pause" { "Paused play" } else { "Resumed play" }
            }
            ("record", "pause" | "resume") => {
                self.pause_recording(call_id, key, command == "pause")?;
                if command == "pause" { "Pausing recording" } else { "Resuming recording" }
            }
            (_, "start_input_timers") => {
                self.start_input_timer(call_id, key);
                "Starting input timers"
            }
            _ => return refuse(-32601, "Method not found"),
        };
        Ok(started(words, call_id, params))
    }

    fn stop(&mut self, call_id: &str, key: u64) {
        match self.family_of(call_id, key) {
            Some("play") => {
                if let Some(operation) = self.take(call_id, key) {
                    self.tell_operation(call_id, "calling.call.play", &operation, json!({"state": "finished"}));
                }
            }
            Some("record") => self.finish_recording(call_id, key, "finished"),
            Some("collect" | "play_and_collect") => {
                self.stop_prompt(call_id, key);
                self.end_collect(call_id, key, json!({"type": "finished"}));
            }
            Some("detect") => self.finish_detect(call_id, key),
            _ => {}
        }
    }

    fn pause_play(&mut self, call_id: &str, key: u64, pause: bool) -> Result<(), Refusal> {
        let now = self.clock.now();
        let speed = self.settings.speed;
        let Some(operation) = self.operation(call_id, key) else { return refuse(404, "No such operation") };
        let Some(playback) = operation.playback() else { return refuse(404, "No such operation") };
        if playback.paused == pause {
            return refuse(409, if pause { "It is paused" } else { "It is not paused" });
        }
        playback.paused = pause;
        if pause {
            let played = now.saturating_duration_since(playback.since).as_secs_f64() * speed;
            playback.left = (playback.left - played).max(0.0);
            operation.mark = 0;
            self.emit_operation(call_id, key, "calling.call.play", json!({"state": "paused"}));
        } else {
            let left = playback.left;
            self.emit_operation(call_id, key, "calling.call.play", json!({"state": "playing"}));
            self.run_item(call_id, key, left);
        }
        Ok(())
    }

    fn pause_recording(&mut self, call_id: &str, key: u64, pause: bool) -> Result<(), Refusal> {
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

    // Looking things up.

    fn operation(&mut self, call_id: &str, key: u64) -> Option<&mut Operation> {
        self.calls.get_mut(call_id)?.operations.get_mut(&key)
    }

    fn family_of(&mut self, call_id: &str, key: u64) -> Option<&'static str> {
        self.operation(call_id, key).map(|operation| operation.family())
    }

    fn recording(&mut self, call_id: &str, key: u64) -> Option<&mut Recording> {
        match &mut self.operation(call_id, key)?.what {
            What::Record(recording) => Some(recording),
            _ => None,
        }
    }

    fn collect(&mut self, call_id: &str, key: u64) -> Option<&mut Collecting> {
        match &mut self.operation(call_id, key)?.what {
            What::Collect(collect) => Some(collect),
            _ => None,
        }
    }

    fn take(&mut self, call_id: &str, key: u64) -> Option<Operation> {
        self.calls.get_mut(call_id)?.operations.remove(&key)
    }

    /// The operations of a call, oldest first.
    fn keys(&self, call_id: &str) -> Vec<u64> {
        self.calls.get(call_id).map(|leg| leg.operations.keys().copied().collect()).unwrap_or_default()
    }

    /// Gives an operation a new mark, so that its timers so far mean nothing.
    fn fresh_mark(&mut self, call_id: &str, key: u64) -> u64 {
        let mark = self.number();
        if let Some(operation) = self.operation(call_id, key) {
            operation.mark = mark;
        }
        mark
    }

    fn has_mark(&mut self, call_id: &str, key: u64, mark: u64) -> bool {
        self.operation(call_id, key).is_some_and(|operation| operation.mark == mark)
    }

    fn emit_operation(&mut self, call_id: &str, key: u64, event_type: &'static str, mut more: Value) {
        if let Some(operation) = self.operation(call_id, key) {
            more["control_id"] = operation.control_id.clone().into();
            self.emit_on(call_id, event_type, more);
        }
    }

    /// The same for an operation that is over.
    fn tell_operation(&mut self, call_id: &str, event_type: &'static str, of: &Operation, mut more: Value) {
        more["control_id"] = of.control_id.clone().into();
        self.emit_on(call_id, event_type, more);
    }

    // Playing.

    fn start_item(&mut self, call_id: &str, key: u64) {
        let Some(operation) = self.operation(call_id, key) else { return };
        let Some(playback) = operation.playback() else { return };
        let Some(item) = playback.items.get(playback.at) else { return };
        let (heard, lasts) = (item.heard.clone(), item.seconds);
        self.run_item(call_id, key, lasts);
        if let (Some(heard), Some(person)) = (heard, self.calls.get(call_id).map(|leg| leg.person)) {
            self.hears(person, &heard);
        }
    }

    fn run_item(&mut self, call_id: &str, key: u64, lasts: f64) {
        let (now, mark) = (self.clock.now(), self.number());
        let Some(operation) = self.operation(call_id, key) else { return };
        match &mut operation.what {
            What::Collect(collect) => collect.prompt_mark = mark,
            _ => operation.mark = mark,
        }
        if let Some(playback) = operation.playback() {
            playback.left = lasts;
            playback.since = now;
        }
        let id = call_id.to_owned();
        self.after_seconds(lasts, move |world| world.item_over(&id, key, mark));
    }

    fn item_over(&mut self, call_id: &str, key: u64, mark: u64) {
        let Some(operation) = self.operation(call_id, key) else { return };
        let valid = match &operation.what {
            What::Collect(collect) => collect.prompt_mark == mark,
            _ => operation.mark == mark,
        };
        let is_prompt = matches!(operation.what, What::Collect(_));
        let Some(playback) = operation.playback().filter(|_| valid) else { return };
        let heard = playback.items.get(playback.at).and_then(|item| item.heard.clone());
        playback.at += 1;
        let mut over = false;
        if playback.at == playback.items.len() {
            playback.at = 0;
            if let Some(left) = &mut playback.rounds_left {
                *left -= 1;
                over = *left == 0;
            }
        }
        let person = self.calls.get(call_id).map(|leg| leg.person);
        if !over {
            self.start_item(call_id, key);
        } else if is_prompt {
            self.stop_prompt(call_id, key);
            if self.collect(call_id, key).is_some_and(|collect| collect.timers_on && !collect.began) {
                self.start_input_timer(call_id, key);
            }
        } else if let Some(operation) = self.take(call_id, key) {
            self.tell_operation(call_id, "calling.call.play", &operation, json!({"state": "finished"}));
        }
        if let Some(person) = person {
            self.heard_out(person, heard);
        }
    }

    /// Ends the prompt of a collect, which goes on.
    fn stop_prompt(&mut self, call_id: &str, key: u64) {
        if self.collect(call_id, key).is_some_and(|collect| collect.prompt.take().is_some()) {
            self.emit_operation(call_id, key, "calling.call.play", json!({"state": "finished"}));
        }
    }

    // Recording.

    fn emit_recording(&mut self, call_id: &str, key: u64, state: &str) {
        if let Some(recording) = self.recording(call_id, key) {
            let event = json!({"state": state, "recording_id": recording.id, "record": {"audio": recording.audio}});
            self.emit_operation(call_id, key, "calling.call.record", event);
        }
    }

    fn finish_recording(&mut self, call_id: &str, key: u64, state: &str) {
        if self.recording(call_id, key).is_none() {
            return;
        }
        if let Some(operation) = self.take(call_id, key) {
            let Some(event) = self.recorded(&operation, state) else { return };
            self.tell_operation(call_id, "calling.call.record", &operation, event);
            if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
                self.tell_recorded(person, &operation);
            }
        }
    }

    fn recorded_seconds(&self, recording: &Recording) -> f64 {
        let running = recording.running_since.map_or(0.0, |since| self.seconds_since(since));
        ((recording.counted + running) * 1000.0).round() / 1000.0
    }

    fn recorded(&self, operation: &Operation, state: &str) -> Option<Value> {
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

    fn tell_recorded(&mut self, person: u64, operation: &Operation) {
        if let What::Record(recording) = &operation.what {
            let (name, lasts) = (self.person_name(person), self.recorded_seconds(recording));
            self.tell(format!("{lasts:.1} s of {name} were recorded"));
        }
    }

    // Collecting.

    fn start_input_timer(&mut self, call_id: &str, key: u64) {
        let Some(collect) = self.collect(call_id, key) else { return };
        collect.timers_on = true;
        // The time for the first input begins when the prompt is over.
        if collect.began || collect.prompt.is_some() {
            return;
        }
        let initial = collect.initial;
        let mark = self.fresh_mark(call_id, key);
        let id = call_id.to_owned();
        self.after_seconds(initial, move |world| {
            if world.has_mark(&id, key, mark) {
                world.result(&id, key, json!({"type": "no_input"}));
            }
        });
    }

    fn input_begins(&mut self, call_id: &str, key: u64) {
        self.stop_prompt(call_id, key);
        self.fresh_mark(call_id, key);
        let Some(collect) = self.collect(call_id, key) else { return };
        if collect.began {
            return;
        }
        collect.began = true;
        if collect.start_of_input {
            self.emit_operation(call_id, key, "calling.call.collect", json!({"result": {"type": "start_of_input"}}));
        }
    }

    fn key_for_collect(&mut self, call_id: &str, key: u64, pressed: char) {
        self.input_begins(call_id, key);
        let Some(collect) = self.collect(call_id, key) else { return };
        let Some(digits) = &collect.digits else { return };
        let ends = digits.terminators.contains(pressed);
        if !ends {
            collect.got.push(pressed);
        }
        let (max, timeout, partial, got) = (digits.max, digits.timeout, collect.partial, collect.got.clone());
        if ends || got.len() >= max {
            return self.digits_done(call_id, key, if ends { pressed.to_string() } else { String::new() });
        }
        if partial {
            let result = json!({"type": "digit", "params": {"digits": got, "terminator": ""}});
            let event = json!({"result": result, "state": "collecting", "final": false});
            self.emit_operation(call_id, key, "calling.call.collect", event);
        }
        let mark = self.fresh_mark(call_id, key);
        let id = call_id.to_owned();
        self.after_seconds(timeout, move |world| {
            if world.has_mark(&id, key, mark) {
                world.digits_done(&id, key, String::new());
            }
        });
    }

    fn digits_done(&mut self, call_id: &str, key: u64, terminator: String) {
        let Some(collect) = self.collect(call_id, key) else { return };
        let got = std::mem::take(&mut collect.got);
        let enough = collect.digits.as_ref().is_none_or(|digits| got.len() >= digits.min);
        let result = if enough {
            json!({"type": "digit", "params": {"digits": got, "terminator": terminator}})
        } else {
            json!({"type": "no_match"})
        };
        self.result(call_id, key, result);
    }

    /// A result came: the end of a one-shot collect, a delivery of a continuous one.
    fn result(&mut self, call_id: &str, key: u64, result: Value) {
        let Some(collect) = self.collect(call_id, key) else { return };
        if !collect.continuous {
            return self.end_collect(call_id, key, result);
        }
        collect.began = false;
        self.fresh_mark(call_id, key);
        let event = json!({"result": result, "state": "collecting", "final": true});
        self.emit_operation(call_id, key, "calling.call.collect", event);
        self.act_at(call_id);
    }

    fn end_collect(&mut self, call_id: &str, key: u64, result: Value) {
        if let Some(operation) = self.take(call_id, key) {
            let event = collected(&operation, result);
            self.tell_operation(call_id, "calling.call.collect", &operation, event);
        }
    }

    // Detecting.

    fn listen_for_machine(&mut self, call_id: &str, key: u64, tuning: &Map<String, Value>) {
        let silence = seconds(tuning, "end_silence_timeout").unwrap_or(1.0);
        let initial = seconds(tuning, "initial_timeout").unwrap_or(4.5);
        let voice = seconds(tuning, "machine_voice_threshold").unwrap_or(1.25);
        let interruptions = flag(tuning, "detect_interruptions");
        let message_end = tuning.get("detect_message_end").and_then(Value::as_bool).unwrap_or(true);
        match self.kind_at(call_id) {
            Some(Kind::Machine { beep, .. }) => {
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
            Some(Kind::Fax) => {
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

    fn verdict(&mut self, call_id: &str, key: u64, event: &str, beep: Option<bool>) {
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

    fn finish_detect(&mut self, call_id: &str, key: u64) {
        self.verdict(call_id, key, "finished", None);
        self.take(call_id, key);
    }

    // What the person does.

    /// A key is pressed on the phone of a call's person.
    pub(super) fn key_pressed(&mut self, call_id: &str, pressed: char) {
        let Some(leg) = self.calls.get(call_id).filter(|leg| leg.state == State::Answered) else { return };
        let peer = leg.peer.as_ref().and_then(|peer| self.calls.get(peer)).map(|peer| peer.person);
        for key in self.keys(call_id) {
            let Some(operation) = self.operation(call_id, key) else { continue };
            match &operation.what {
                What::Collect(collect) if collect.digits.is_some() => self.key_for_collect(call_id, key, pressed),
                What::Record(recording) if recording.terminators.contains(pressed) => {
                    self.finish_recording(call_id, key, "finished");
                }
                What::Detect(detect) if detect.kind == "digit" && detect.digits.contains(pressed) => {
                    self.verdict(call_id, key, &pressed.to_string(), None);
                }
                _ => {}
            }
        }
        if let Some(peer) = peer {
            self.hears_digits(peer, &pressed.to_string());
        }
    }

    /// The person of a call begins to speak.
    pub(super) fn speech_begins(&mut self, call_id: &str, said: &str) {
        let now = self.clock.now();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = Some((said.to_owned(), now));
        for key in self.keys(call_id) {
            let Some(operation) = self.operation(call_id, key) else { continue };
            match &mut operation.what {
                What::Collect(collect) if collect.speech.is_some() => self.input_begins(call_id, key),
                What::Record(recording) => {
                    recording.spoke = true;
                    self.fresh_mark(call_id, key);
                }
                _ => {}
            }
        }
    }

    /// The person of a call stops speaking.
    pub(super) fn speech_ends(&mut self, call_id: &str, said: &str) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = None;
        let peer = leg.peer.clone().and_then(|peer| self.calls.get(&peer)).map(|peer| peer.person);
        for key in self.keys(call_id) {
            let Some(operation) = self.operation(call_id, key) else { continue };
            match &operation.what {
                What::Collect(collect) => {
                    let Some(silence) = collect.speech else { continue };
                    if collect.partial {
                        let result = json!({"type": "speech", "params": {"text": said, "confidence": 0.0}});
                        let event = json!({"result": result, "state": "collecting", "final": false});
                        self.emit_operation(call_id, key, "calling.call.collect", event);
                    }
                    let mark = self.fresh_mark(call_id, key);
                    let (id, said) = (call_id.to_owned(), said.to_owned());
                    self.after_seconds(silence, move |world| {
                        if world.has_mark(&id, key, mark) {
                            let params = json!({"text": said, "confidence": 92.5});
                            world.result(&id, key, json!({"type": "speech", "params": params}));
                        }
                    });
                }
                What::Record(recording) if recording.end_silence > 0.0 => {
                    let silence = recording.end_silence;
                    let mark = self.fresh_mark(call_id, key);
                    let id = call_id.to_owned();
                    self.after_seconds(silence, move |world| {
                        if world.has_mark(&id, key, mark) {
                            world.finish_recording(&id, key, "finished");
                        }
                    });
                }
                _ => {}
            }
        }
        if let Some(peer) = peer {
            self.hears(peer, said);
            self.heard_out(peer, Some(said.to_owned()));
        }
    }

    /// Ends an operation because its call has ended.
    pub(super) fn cut_off(&mut self, leg: &Leg, operation: Operation) {
        let tell = |world: &mut Self, event_type: &'static str, mut more: Value| {
            more["control_id"] = operation.control_id.clone().into();
            world.emit(&leg.session, event_type, leg.event(more));
        };
        match &operation.what {
            What::Play(_) => tell(self, "calling.call.play", json!({"state": "finished"})),
            What::Collect(collect) => {
                if collect.prompt.is_some() {
                    tell(self, "calling.call.play", json!({"state": "finished"}));
                }
                let event = collected(&operation, json!({"type": "finished"}));
                tell(self, "calling.call.collect", event);
            }
            What::Detect(detect) => {
                let event = json!({"detect": {"type": detect.kind, "params": {"event": "finished"}}});
                tell(self, "calling.call.detect", event);
            }
            What::Digits => tell(self, "calling.call.send_digits", json!({"state": "error"})),
            What::Record(_) => {
                if let Some(event) = self.recorded(&operation, "finished") {
                    tell(self, "calling.call.record", event);
                    self.tell_recorded(leg.person, &operation);
                }
            }
        }
    }
}

fn collected(operation: &Operation, result: Value) -> Value {
    match &operation.what {
        What::Collect(collect) if collect.partial || collect.continuous => {
            json!({"result": result, "state": "finished", "final": true})
        }
        _ => json!({"result": result}),
    }
}

fn collecting(params: &Map<String, Value>, prompt: Option<Playback>) -> Result<Collecting, Refusal> {
    let (digits, speech) = (object(params, "digits"), object(params, "speech"));
    if digits.is_none() && speech.is_none() {
        return refuse(400, "digits and speech are both missing");
    }
    let count = |object: &Map<String, Value>, key: &str| {
        object.get(key).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
    };
    let digits = match digits {
        None => None,
        Some(given) => match count(given, "max") {
            None | Some(0) => return refuse(400, "digits.max must be at least 1"),
            Some(max) => Some(Digits {
                max,
                min: count(given, "min").unwrap_or(0),
                terminators: text(given, "terminators").unwrap_or_default().to_owned(),
                timeout: seconds(given, "digit_timeout").unwrap_or(5.0),
            }),
        },
    };
    let is_prompt = prompt.is_some();
    Ok(Collecting {
        is_prompt,
        prompt,
        prompt_mark: 0,
        digits,
        speech: speech.map(|given| seconds(given, "end_silence_timeout").unwrap_or(1.0)),
        initial: seconds(params, "initial_timeout").unwrap_or(4.0),
        timers_on: params.get("start_input_timers").and_then(Value::as_bool).unwrap_or(is_prompt),
        partial: flag(params, "partial_results"),
        continuous: flag(params, "continuous") || flag(params, "continue"),
        start_of_input: flag(params, "send_start_of_input"),
        began: false,
        got: String::new(),
    })
}

/// Whether an audio file has an address that nobody can fetch from.
fn unplayable(params: &Map<String, Value>) -> bool {
    list(params, "play").iter().filter(|media| media["type"] == "audio").any(|media| {
        let url = media["params"]["url"].as_str().unwrap_or_default();
        !url.starts_with("http://") && !url.starts_with("https://")
    })
}

fn started(message: &str, call_id: &str, params: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = reply(message);
    fields.insert("call_id".into(), call_id.into());
    if let Some(control_id) = text(params, "control_id") {
        fields.insert("control_id".into(), control_id.into());
    }
    fields
}
