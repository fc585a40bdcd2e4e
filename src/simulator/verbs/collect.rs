//! Collecting digits and speech, with a prompt or without.

use serde_json::{Value, json};

use crate::simulator::people::script::Occasion;
use crate::simulator::people::speech::audible;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Steps, Verb, View, by_default};
use crate::simulator::verbs::play::{ITEM, Playback, check_volume};
use crate::simulator::wire::frame::{flag, list, object, seconds, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, refuse, started};

pub(crate) const COLLECT: Verb = Verb {
    commands: &[("stop", "+ control_id:s!"), ("start_input_timers", "+ control_id:s!")],
    ..Verb::new(
        "calling.collect",
        "+ control_id:s! digits:Digits speech:Speech initial_timeout:n partial_results:b continuous:b \
         send_start_of_input:b start_input_timers:b status_url:s continue:b",
        begin,
    )
};

pub(crate) const PLAY_AND_COLLECT: Verb = Verb {
    commands: &[("stop", "+ control_id:s!"), ("volume", "+ control_id:s! volume:n!")],
    // The reference sends these two methods, but no documentation lists them.
    refused: &[("pause", "+ control_id:s! behavior:s"), ("resume", "+ control_id:s!")],
    ..Verb::new(
        "calling.play_and_collect",
        "+ control_id:s! play:[@Media]! collect:Collect! volume:n status_url:s",
        begin_with_prompt,
    )
};

const EVENT: &str = "calling.call.collect";

/// The alarm of the input: its begin, its next digit, or the silence after its words.
const INPUT: &str = "input";

/// A collect on a call, with its prompt.
struct Collecting {
    is_prompt: bool,
    prompt: Option<Playback>,
    digits: Option<Digits>,
    speech: Option<f64>,
    initial: f64,
    timers_on: bool,
    partial: bool,
    continuous: bool,
    start_of_input: bool,
    began: bool,
    got: String,
    awaits: Awaits,
}

/// The rules for DTMF digits of a collect.
struct Digits {
    max: usize,
    min: usize,
    terminators: String,
    timeout: f64,
}

/// The reason of the alarm of the input.
enum Awaits {
    Input,
    Digit,
    /// The silence after these words, which were recognized or not.
    Silence(String, bool),
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    let mut collect = Collecting::new(params, None)?;
    collect.asks().into_iter().for_each(|kind| out.did(kind, ""));
    if collect.timers_on {
        collect.start_timer(out);
    }
    out.goes_on();
    Ok(Begun::Runs(Box::new(collect), started("Collecting", call.call_id, params)))
}

fn begin_with_prompt(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if call.runs(&["play_and_collect"]) {
        return refuse(409, "A play_and_collect is running");
    }
    let prompt = Playback::new(params, call)?;
    let empty = Params::new();
    let mut collect = Collecting::new(object(params, "collect").unwrap_or(&empty), Some(prompt))?;
    out.emit("calling.call.play", json!({"state": "playing"}));
    if let Some(prompt) = &mut collect.prompt {
        prompt.start(call, out);
    }
    let words: Vec<String> = list(params, "play").iter().filter_map(audible).collect();
    collect.asks().into_iter().for_each(|kind| out.did(kind, words.join(" ")));
    Ok(Begun::Runs(Box::new(collect), started("Playing and collecting", call.call_id, params)))
}

impl Collecting {
    fn new(params: &Params, prompt: Option<Playback>) -> Result<Self, Refusal> {
        let (digits, speech) = (object(params, "digits"), object(params, "speech"));
        if digits.is_none() && speech.is_none() {
            return refuse(400, "digits and speech are both missing");
        }
        let count = |object: &Params, key: &str| {
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
        Ok(Self {
            is_prompt,
            prompt,
            digits,
            speech: speech.map(|given| seconds(given, "end_silence_timeout").unwrap_or(1.0)),
            initial: seconds(params, "initial_timeout").unwrap_or(4.0),
            timers_on: params.get("start_input_timers").and_then(Value::as_bool).unwrap_or(is_prompt),
            partial: flag(params, "partial_results"),
            continuous: flag(params, "continuous") || flag(params, "continue"),
            start_of_input: flag(params, "send_start_of_input"),
            began: false,
            got: String::new(),
            awaits: Awaits::Input,
        })
    }

    /// The kinds of input that the person is asked for.
    fn asks(&self) -> Vec<InteractionKind> {
        let digits = self.digits.as_ref().map(|_| InteractionKind::AskedForDigits);
        digits.into_iter().chain(self.speech.map(|_| InteractionKind::AskedToSpeak)).collect()
    }

    fn await_input(&mut self, awaits: Awaits, seconds: f64, out: &mut Steps) {
        self.awaits = awaits;
        out.alarm(INPUT, seconds);
    }

    fn start_timer(&mut self, out: &mut Steps) {
        self.timers_on = true;
        // The initial timeout starts at the end of the prompt.
        if !self.began && self.prompt.is_none() {
            self.await_input(Awaits::Input, self.initial, out);
        }
    }

    /// Ends the prompt of a collect, which continues.
    fn stop_prompt(&mut self, out: &mut Steps) {
        if self.prompt.take().is_some() {
            out.disarm(ITEM);
            out.emit("calling.call.play", json!({"state": "finished"}));
        }
    }

    fn input_begins(&mut self, out: &mut Steps) {
        self.stop_prompt(out);
        out.disarm(INPUT);
        if !std::mem::replace(&mut self.began, true) && self.start_of_input {
            out.emit(EVENT, json!({"result": {"type": "start_of_input"}}));
        }
    }

    fn digits_done(&mut self, terminator: &str, out: &mut Steps) {
        let got = std::mem::take(&mut self.got);
        let enough = self.digits.as_ref().is_none_or(|digits| got.len() >= digits.min);
        let result = if enough {
            json!({"type": "digit", "params": {"digits": got, "terminator": terminator}})
        } else {
            json!({"type": "no_match"})
        };
        self.result(result, out);
    }

    /// Handles a result: it ends a one-shot collect, and is delivered by a continuous one.
    fn result(&mut self, result: Value, out: &mut Steps) {
        if !self.continuous {
            return self.finish(result, out);
        }
        self.began = false;
        out.disarm(INPUT);
        out.emit(EVENT, json!({"result": result, "state": "collecting", "final": true}));
        out.goes_on();
    }

    fn finish(&self, result: Value, out: &mut Steps) {
        let event = if self.partial || self.continuous {
            json!({"result": result, "state": "finished", "final": true})
        } else {
            json!({"result": result})
        };
        out.end(EVENT, event);
    }
}

impl Activity for Collecting {
    fn family(&self) -> &'static str {
        if self.is_prompt { "play_and_collect" } else { "collect" }
    }

    fn takes(&self, family: &str, command: &str) -> bool {
        family == self.family() || command == "start_input_timers"
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        let words = match command {
            "volume" => {
                check_volume(params)?;
                "Changed volume"
            }
            "start_input_timers" => {
                self.start_timer(out);
                "Starting input timers"
            }
            _ => return by_default(self, command, params, call, out),
        };
        Ok(started(words, call.call_id, params))
    }

    fn alarm(&mut self, name: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        if name == INPUT {
            return match std::mem::replace(&mut self.awaits, Awaits::Input) {
                Awaits::Input => self.result(json!({"type": "no_input"}), out),
                Awaits::Digit => self.digits_done("", out),
                Awaits::Silence(said, true) => {
                    let params = json!({"text": said, "confidence": 92.5});
                    self.result(json!({"type": "speech", "params": params}), out);
                }
                Awaits::Silence(_, false) => self.result(json!({"type": "no_match"}), out),
            };
        }
        let Some(prompt) = &mut self.prompt else { return };
        let (heard, over) = prompt.item_over();
        if !over {
            prompt.start(call, out);
        } else {
            self.stop_prompt(out);
            if self.timers_on && !self.began {
                self.start_timer(out);
            }
        }
        out.heard_out(Role::Remote, heard);
    }

    fn key(&mut self, key: char, _: &View<'_>, out: &mut Steps) {
        if self.digits.is_none() {
            return;
        }
        self.input_begins(out);
        let Some(digits) = &self.digits else { return };
        let ends = digits.terminators.contains(key);
        let (max, timeout) = (digits.max, digits.timeout);
        if !ends {
            self.got.push(key);
        }
        if ends || self.got.len() >= max {
            return self.digits_done(&if ends { key.to_string() } else { String::new() }, out);
        }
        if self.partial {
            let result = json!({"type": "digit", "params": {"digits": self.got, "terminator": ""}});
            out.emit(EVENT, json!({"result": result, "state": "collecting", "final": false}));
        }
        self.await_input(Awaits::Digit, timeout, out);
    }

    fn speech_begins(&mut self, _: &str, _: &View<'_>, out: &mut Steps) {
        if self.speech.is_some() {
            self.input_begins(out);
        }
    }

    fn speech_ends(&mut self, said: &str, clearly: bool, _: &View<'_>, out: &mut Steps) {
        let Some(silence) = self.speech else { return };
        if self.partial && clearly {
            let result = json!({"type": "speech", "params": {"text": said, "confidence": 0.0}});
            out.emit(EVENT, json!({"result": result, "state": "collecting", "final": false}));
        }
        self.await_input(Awaits::Silence(said.to_owned(), clearly), silence, out);
    }

    fn occasion(&self, which: Occasion) -> Option<u64> {
        let asks = match which {
            Occasion::AskedForDigits => self.digits.is_some(),
            Occasion::AskedToSpeak => self.speech.is_some(),
            _ => false,
        };
        // This person waits for the end of the prompt.
        (asks && self.prompt.is_none()).then_some(0)
    }

    fn ends(&mut self, _: Ends, _: &View<'_>, out: &mut Steps) {
        self.stop_prompt(out);
        self.finish(json!({"type": "finished"}), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn digits_are_complete_with_a_terminator_and_too_few_match_nothing() {
        let digits = json!({"max": 9, "min": 2, "terminators": "#", "digit_timeout": 1.0});
        let mut rig = Rig::begin(&COLLECT, json!({"digits": digits, "continuous": true})).expect("it runs");
        rig.presses("12#");
        rig.presses("4");
        rig.pass(1.1);
        let results: Vec<Value> = rig.told().into_iter().map(|(_, event)| event["result"].clone()).collect();
        let first = json!({"type": "digit", "params": {"digits": "12", "terminator": "#"}});
        assert_eq!(results, [first, json!({"type": "no_match"})]);
        assert!(rig.command("stop", json!({})).is_ok() && rig.is_over());
    }

    #[test]
    fn a_prompt_stops_at_the_first_digit_and_its_timeout_begins_at_its_end() {
        let prompt = json!([{"type": "tts", "params": {"text": "Press a key, please now!"}}]);
        let params = json!({"play": prompt, "collect": {"digits": {"max": 1}, "initial_timeout": 1.0}});
        let mut rig = Rig::begin(&PLAY_AND_COLLECT, params.clone()).expect("it runs");
        rig.pass(2.9);
        assert!(!rig.is_over());
        rig.pass(0.2);
        assert_eq!(rig.told().pop().expect("it runs").1, json!({"result": {"type": "no_input"}}));
        let mut rig = Rig::begin(&PLAY_AND_COLLECT, params).expect("it runs");
        rig.presses("7");
        let events: Vec<&str> = rig.told().iter().map(|(event, _)| *event).collect();
        assert_eq!(events, ["calling.call.play", "calling.call.play", EVENT]);
        assert!(rig.is_over());
    }
}
