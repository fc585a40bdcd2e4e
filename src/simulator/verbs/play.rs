//! Playing: media one after the other, on their own or as the prompt of a collect.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, refuse};
use crate::simulator::switchboard::activities::{What, started};
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::list;
use crate::simulator::world::state::World;

/// What an audio file lasts, since nobody looks into it, and a ringtone without a length.
const AUDIO_SECONDS: f64 = 3.0;

/// How many characters are spoken in a second.
const CHARACTERS_PER_SECOND: f64 = 12.0;

/// Media in a row.
pub(crate) struct Playback {
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

/// How long speaking a text takes.
pub(crate) fn speaking_seconds(text: &str) -> f64 {
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
pub(crate) fn audible(media: &Value) -> Option<String> {
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
    pub(crate) fn media(&mut self, params: &Map<String, Value>) -> Result<Playback, Refusal> {
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

    pub(crate) fn check_volume(&self, params: &Map<String, Value>) -> Result<(), Refusal> {
        match params.get("volume").and_then(Value::as_f64) {
            Some(volume) if !(-40.0..=40.0).contains(&volume) => refuse(400, "volume is not between -40 and 40"),
            _ => Ok(()),
        }
    }

    pub(crate) fn on_play(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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

    pub(crate) fn pause_play(&mut self, call_id: &str, key: u64, pause: bool) -> Result<(), Refusal> {
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

    pub(crate) fn start_item(&mut self, call_id: &str, key: u64) {
        let Some(operation) = self.operation(call_id, key) else { return };
        let Some(playback) = operation.playback() else { return };
        let Some(item) = playback.items.get(playback.at) else { return };
        let (heard, lasts) = (item.heard.clone(), item.seconds);
        self.run_item(call_id, key, lasts);
        if let (Some(heard), Some(person)) = (heard, self.calls.get(call_id).map(|leg| leg.person)) {
            self.did_on(call_id, DeedKind::Said, &heard);
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
    pub(crate) fn stop_prompt(&mut self, call_id: &str, key: u64) {
        if self.collect(call_id, key).is_some_and(|collect| collect.prompt.take().is_some()) {
            self.emit_operation(call_id, key, "calling.call.play", json!({"state": "finished"}));
        }
    }
}

/// Whether an audio file has an address that nobody can fetch from.
fn unplayable(params: &Map<String, Value>) -> bool {
    list(params, "play").iter().filter(|media| media["type"] == "audio").any(|media| {
        let url = media["params"]["url"].as_str().unwrap_or_default();
        !url.starts_with("http://") && !url.starts_with("https://")
    })
}
