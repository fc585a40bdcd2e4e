//! Collecting digits and words.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, refuse};
use crate::simulator::switchboard::activities::{Operation, What, started};
use crate::simulator::verbs::play::{Playback, audible};
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::{flag, list, object, seconds, text};
use crate::simulator::world::state::World;

pub(crate) struct Collecting {
    pub(crate) is_prompt: bool,
    pub(crate) prompt: Option<Playback>,
    pub(crate) prompt_mark: u64,
    pub(crate) digits: Option<Digits>,
    pub(crate) speech: Option<f64>,
    initial: f64,
    pub(crate) timers_on: bool,
    pub(crate) partial: bool,
    continuous: bool,
    start_of_input: bool,
    pub(crate) began: bool,
    got: String,
}

pub(crate) struct Digits {
    max: usize,
    min: usize,
    terminators: String,
    timeout: f64,
}

impl Collecting {
    /// What the person is asked for.
    fn asks(&self) -> Vec<DeedKind> {
        let digits = self.digits.as_ref().map(|_| DeedKind::AskedForDigits);
        digits.into_iter().chain(self.speech.map(|_| DeedKind::AskedToSpeak)).collect()
    }
}

impl World {
    pub(crate) fn on_collect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let collect = collecting(params, None)?;
        let timers_on = collect.timers_on;
        let asks = collect.asks();
        let key = self.start(call_id, params, What::Collect(collect))?;
        asks.iter().for_each(|kind| self.did_on(call_id, *kind, ""));
        if timers_on {
            self.start_input_timer(call_id, key);
        }
        self.act_at(call_id);
        Ok(started("Collecting", call_id, params))
    }

    pub(crate) fn on_play_and_collect(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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
        let asks = collect.asks();
        let key = self.start(call_id, params, What::Collect(collect))?;
        self.emit_operation(call_id, key, "calling.call.play", json!({"state": "playing"}));
        let words: Vec<String> = list(params, "play").iter().filter_map(audible).collect();
        self.start_item(call_id, key);
        asks.iter().for_each(|kind| self.did_on(call_id, *kind, &words.join(" ")));
        Ok(started("Playing and collecting", call_id, params))
    }

    pub(crate) fn collect(&mut self, call_id: &str, key: u64) -> Option<&mut Collecting> {
        match &mut self.operation(call_id, key)?.what {
            What::Collect(collect) => Some(collect),
            _ => None,
        }
    }

    pub(crate) fn start_input_timer(&mut self, call_id: &str, key: u64) {
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

    pub(crate) fn input_begins(&mut self, call_id: &str, key: u64) {
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

    pub(crate) fn key_for_collect(&mut self, call_id: &str, key: u64, pressed: char) {
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
    pub(crate) fn result(&mut self, call_id: &str, key: u64, result: Value) {
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

    pub(crate) fn end_collect(&mut self, call_id: &str, key: u64, result: Value) {
        if let Some(operation) = self.take(call_id, key) {
            let event = collected(&operation, result);
            self.tell_operation(call_id, "calling.call.collect", &operation, event);
        }
    }
}

pub(crate) fn collected(operation: &Operation, result: Value) -> Value {
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
