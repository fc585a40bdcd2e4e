//! What runs on a call under a control id: playing, recording, collecting, detecting, sending digits, faxing, paying,
//! tapping, streaming, transcribing.
//!
//! Choices where the published material is silent: a prompt stops at the first key or word; keys that nothing waits
//! for are lost; pausing what is paused, or resuming what runs, is refused with 409; an operation that the end of its
//! call cuts short ends as the state tables say (`finished`, for digits `error`), one that makes a file (a recording,
//! a fax, a transcription) right after `ended`.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, refuse, reply};
use crate::simulator::switchboard::calls::{Leg, State};
use crate::simulator::verbs::collect::{Collecting, collected};
use crate::simulator::verbs::detect::Detecting;
use crate::simulator::verbs::fax::{Fax, faxed};
use crate::simulator::verbs::pay::{Payment, paid};
use crate::simulator::verbs::play::Playback;
use crate::simulator::verbs::record::Recording;
use crate::simulator::verbs::tap::{Copying, copied};
use crate::simulator::verbs::transcribe::Transcribing;
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::text;
use crate::simulator::world::state::World;

/// One running operation.
pub(crate) struct Operation {
    pub(crate) key: u64,
    control_id: String,
    pub(crate) what: What,
    /// Timers carry the mark that was valid when they were set, and mean nothing once it has changed.
    pub(crate) mark: u64,
}

pub(crate) enum What {
    Play(Playback),
    Record(Recording),
    Collect(Collecting),
    Detect(Detecting),
    Digits,
    Fax(Fax),
    Pay(Box<Payment>),
    Copy(Copying),
    Transcribe(Transcribing),
}

impl Operation {
    pub(crate) fn control_id(&self) -> &str {
        &self.control_id
    }

    /// Whether it is the moment to leave a message; gives what tells this occasion from others.
    pub(crate) fn records(&self) -> Option<u64> {
        matches!(self.what, What::Record(_)).then_some(self.key)
    }

    /// Whether its result is a file, which is complete only when the call is over.
    pub(crate) fn makes_a_file(&self) -> bool {
        matches!(self.what, What::Record(_) | What::Fax(_) | What::Transcribe(_))
    }

    /// The same for pressing keys, which somebody polite does when the prompt is over.
    pub(crate) fn asks_for_digits(&self) -> Option<u64> {
        match &self.what {
            What::Collect(collect) if collect.digits.is_some() && collect.prompt.is_none() => Some(self.key),
            _ => None,
        }
    }

    /// The same for an answer in words.
    pub(crate) fn asks_for_words(&self) -> Option<u64> {
        match &self.what {
            What::Collect(collect) if collect.speech.is_some() && collect.prompt.is_none() => Some(self.key),
            _ => None,
        }
    }

    /// The same for a part of a payment.
    pub(crate) fn asks_to_pay(&self) -> Option<u64> {
        match &self.what {
            What::Pay(payment) => payment.asking,
            _ => None,
        }
    }

    pub(crate) fn family(&self) -> &'static str {
        match &self.what {
            What::Play(_) => "play",
            What::Record(_) => "record",
            What::Collect(collect) if collect.is_prompt => "play_and_collect",
            What::Collect(_) => "collect",
            What::Detect(_) => "detect",
            What::Digits => "send_digits",
            What::Fax(fax) if fax.sends => "send_fax",
            What::Fax(_) => "receive_fax",
            What::Pay(_) => "pay",
            What::Copy(copying) => copying.family(),
            What::Transcribe(_) => "transcribe",
        }
    }

    pub(crate) fn playback(&mut self) -> Option<&mut Playback> {
        match &mut self.what {
            What::Play(playback) => Some(playback),
            What::Collect(collect) => collect.prompt.as_mut(),
            _ => None,
        }
    }
}

impl World {
    // Starting.

    pub(crate) fn start(&mut self, call_id: &str, params: &Map<String, Value>, what: What) -> Result<u64, Refusal> {
        let control_id = text(params, "control_id").unwrap_or_default().to_owned();
        self.reserve(call_id, &control_id)?;
        let key = self.number();
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        leg.operations.insert(key, Operation { key, control_id, what, mark: 0 });
        let person = leg.person;
        self.greeting_begins(person);
        Ok(key)
    }

    /// Takes a control id for something that is no [`Operation`].
    pub(crate) fn reserve(&mut self, call_id: &str, control_id: &str) -> Result<(), Refusal> {
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        if !leg.control_ids.insert(control_id.to_owned()) {
            self.violation(format!("call {call_id}: the control_id {control_id} was used before"));
            return refuse(409, "control_id is in use");
        }
        Ok(())
    }

    /// Whether an operation of these families runs on a call.
    pub(crate) fn runs(&self, call_id: &str, families: &[&str]) -> bool {
        let leg = self.calls.get(call_id);
        leg.is_some_and(|leg| leg.operations.values().any(|operation| families.contains(&operation.family())))
    }

    pub(crate) fn on_send_digits(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
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
                    world.did_on(&id, DeedKind::SentDigits, &tones);
                }
                world.tell_operation(&id, "calling.call.send_digits", &operation, json!({"state": "finished"}));
            }
        });
        Ok(started("Sending digits", call_id, params))
    }

    // Commands.

    pub(crate) fn on_command(
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
        let Some((key, true)) = found else {
            return self.no_such_operation(call_id, control_id, &format!("calling.{family}.{command}"));
        };
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
            Some("send_fax" | "receive_fax") => self.finish_fax(call_id, key, &Err("The fax was stopped")),
            Some("pay") => self.finish_payment(call_id, key, "relay-pay-stop", None),
            Some("tap" | "stream") => self.finish_copy(call_id, key),
            Some("transcribe") => self.finish_transcribing(call_id, key),
            _ => {}
        }
    }

    // Looking things up.

    pub(crate) fn operation(&mut self, call_id: &str, key: u64) -> Option<&mut Operation> {
        self.calls.get_mut(call_id)?.operations.get_mut(&key)
    }

    fn family_of(&mut self, call_id: &str, key: u64) -> Option<&'static str> {
        self.operation(call_id, key).map(|operation| operation.family())
    }

    pub(crate) fn take(&mut self, call_id: &str, key: u64) -> Option<Operation> {
        self.calls.get_mut(call_id)?.operations.remove(&key)
    }

    /// The operations of a call, oldest first.
    fn keys(&self, call_id: &str) -> Vec<u64> {
        self.calls.get(call_id).map(|leg| leg.operations.keys().copied().collect()).unwrap_or_default()
    }

    /// Gives an operation a new mark, so that its timers so far mean nothing.
    pub(crate) fn fresh_mark(&mut self, call_id: &str, key: u64) -> u64 {
        let mark = self.number();
        if let Some(operation) = self.operation(call_id, key) {
            operation.mark = mark;
        }
        mark
    }

    pub(crate) fn has_mark(&mut self, call_id: &str, key: u64, mark: u64) -> bool {
        self.operation(call_id, key).is_some_and(|operation| operation.mark == mark)
    }

    pub(crate) fn emit_operation(&mut self, call_id: &str, key: u64, event_type: &'static str, mut more: Value) {
        if let Some(operation) = self.operation(call_id, key) {
            more["control_id"] = operation.control_id.clone().into();
            self.emit_on(call_id, event_type, more);
        }
    }

    /// The same for an operation that is over.
    pub(crate) fn tell_operation(&mut self, call_id: &str, event_type: &'static str, of: &Operation, mut more: Value) {
        more["control_id"] = of.control_id.clone().into();
        self.emit_on(call_id, event_type, more);
    }

    // What the person does.

    /// A key is pressed on the phone of a call's person.
    pub(crate) fn key_pressed(&mut self, call_id: &str, pressed: char) {
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
                What::Pay(_) => self.key_for_payment(call_id, key, pressed),
                _ => {}
            }
        }
        if let Some(peer) = peer {
            self.hears_digits(peer, &pressed.to_string());
        }
        self.key_for_bindings(call_id, pressed);
    }

    /// The person of a call begins to speak.
    pub(crate) fn speech_begins(&mut self, call_id: &str, said: &str) {
        let now = self.clock.now();
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = Some((said.to_owned(), now));
        self.agent_is_spoken_to(call_id);
        for key in self.keys(call_id) {
            let Some(operation) = self.operation(call_id, key) else { continue };
            match &mut operation.what {
                What::Collect(collect) if collect.speech.is_some() => self.input_begins(call_id, key),
                What::Record(recording) => {
                    recording.spoke = true;
                    if recording.is_running() {
                        recording.words.push(said.to_owned());
                    }
                    self.fresh_mark(call_id, key);
                }
                _ => {}
            }
        }
    }

    /// The person of a call stops speaking.
    pub(crate) fn speech_ends(&mut self, call_id: &str, said: &str, clearly: bool) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.speaking = None;
        for key in self.keys(call_id) {
            let Some(operation) = self.operation(call_id, key) else { continue };
            match &operation.what {
                What::Collect(collect) => {
                    let Some(silence) = collect.speech else { continue };
                    if collect.partial && clearly {
                        let result = json!({"type": "speech", "params": {"text": said, "confidence": 0.0}});
                        let event = json!({"result": result, "state": "collecting", "final": false});
                        self.emit_operation(call_id, key, "calling.call.collect", event);
                    }
                    let mark = self.fresh_mark(call_id, key);
                    let (id, said) = (call_id.to_owned(), said.to_owned());
                    self.after_seconds(silence, move |world| {
                        if world.has_mark(&id, key, mark) {
                            let params = json!({"text": said, "confidence": 92.5});
                            let heard = json!({"type": "speech", "params": params});
                            world.result(&id, key, if clearly { heard } else { json!({"type": "no_match"}) });
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
        self.overheard(call_id, said);
    }

    /// Ends an operation because its call has ended.
    pub(crate) fn cut_off(&mut self, leg: &Leg, operation: Operation) {
        let tell = |world: &mut Self, event_type: &'static str, mut more: Value| {
            more["control_id"] = operation.control_id.clone().into();
            world.emit(&leg.session, event_type, leg.event(event_type, more));
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
            What::Fax(fax) => tell(self, "calling.call.fax", faxed(fax, &Err("The call ended"))),
            What::Pay(payment) => tell(self, "calling.call.pay", paid(payment, "caller-hung-up", None)),
            What::Copy(copying) => tell(self, copying.event(), copied(copying, "finished")),
            What::Transcribe(transcribing) => {
                let event = self.transcribed(transcribing);
                tell(self, "calling.call.transcribe", event);
            }
            What::Record(_) => {
                if let Some(event) = self.recorded(&operation, "finished") {
                    tell(self, "calling.call.record", event);
                    self.tell_recorded(&leg.call_id, leg.person, &operation);
                }
            }
        }
    }
}

pub(crate) fn started(message: &str, call_id: &str, params: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = reply(message);
    fields.insert("call_id".into(), call_id.into());
    if let Some(control_id) = text(params, "control_id") {
        fields.insert("control_id".into(), control_id.into());
    }
    fields
}
