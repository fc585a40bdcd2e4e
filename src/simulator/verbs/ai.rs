//! AI agents on a call.
//!
//! There is no model behind them: an agent greets with its `static_greeting`, or with a sentence of its own, and
//! answers what the person says as [`agent_answers`](Simulator::agent_answers) lays down, else with the same words
//! behind `You said`. Choices where the published material is
//! silent: one agent runs on a call at a time, others are refused with 409, but operations are not; without an agent,
//! its commands are refused with 404; `calling.ai.stop` is answered by the events `calling.ai.stop` and
//! `calling.call.ai`, while the end of the call brings only the first; an agent on hold does not answer, and goes on
//! by itself when the hold's time is over; the result of a post prompt is what
//! [`agent_sums_up`](Simulator::agent_sums_up) lays down, told just before `calling.ai.stop`; tools and webhooks are
//! never run.

use serde_json::{Map, Value, json};

use crate::simulator::Simulator;
use crate::simulator::service::sessions::{Verdict, one_of, refuse, reply};
use crate::simulator::switchboard::activities::started;
use crate::simulator::verbs::play::speaking_seconds;
use crate::simulator::verdict::deeds::DeedKind;
use crate::simulator::wire::frame::{object, text};
use crate::simulator::world::state::World;

/// The longest hold, and what it is when nothing else is said.
const HOLD_SECONDS: f64 = 300.0;

/// An agent on a call.
pub(crate) struct Agent {
    /// Of one that was started with `calling.ai`.
    control_id: Option<String>,
    since: u64,
    /// The hold, so that the timer of an earlier one means nothing.
    held: Option<u64>,
    mark: u64,
    /// Whether the program asked for a summary.
    sums_up: bool,
}

/// What the agents of a simulator have to say.
#[derive(Default)]
pub(crate) struct Wits {
    /// What an answer is to, in lower case, and the answer.
    answers: Vec<(String, String)>,
    summary: Option<Map<String, Value>>,
}

/// What AI agents say, since there is no model behind them.
impl Simulator {
    /// Has agents answer this to whatever contains `heard`; upper and lower case are the same, and what was said first
    /// wins. What no answer fits is answered with `You said: ...`.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.agent_answers("opening hours", "We open at nine.");
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn agent_answers(&self, heard: &str, answer: &str) {
        let answer = (heard.to_lowercase(), answer.to_owned());
        self.shared.with(|world| world.wits.answers.push(answer));
    }

    /// What agents make of a post prompt: these are the fields of the event `calling.ai.post_prompt`, which comes just
    /// before the agent's end when the program gave a post prompt. Without this it does not come. What is no object
    /// is in the field `post_prompt_data`.
    pub fn agent_sums_up(&self, result: Value) {
        let fields = match result {
            Value::Object(fields) => fields,
            other => Map::from_iter([("post_prompt_data".to_owned(), other)]),
        };
        self.shared.with(|world| world.wits.summary = Some(fields));
    }
}

impl World {
    pub(crate) fn on_ai(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        if !params.contains_key("prompt") && !params.contains_key("agent") {
            return refuse(400, "prompt and agent are both missing");
        }
        self.check_no_agent(call_id)?;
        let control_id = text(params, "control_id").unwrap_or_default().to_owned();
        self.reserve(call_id, &control_id)?;
        let own = object(params, "params").and_then(|params| text(params, "static_greeting"));
        self.start_agent(call_id, Some(control_id), own, params.contains_key("post_prompt"));
        Ok(started("AI started", call_id, params))
    }

    pub(crate) fn on_amazon_bedrock(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        self.check_no_agent(call_id)?;
        self.start_agent(call_id, None, None, params.contains_key("post_prompt"));
        Ok(reply("AI started"))
    }

    fn check_no_agent(&self, call_id: &str) -> Result<(), crate::simulator::service::sessions::Refusal> {
        match self.calls.get(call_id).map(|leg| leg.features.agent.is_some()) {
            Some(false) => Ok(()),
            Some(true) => refuse(409, "An agent is running"),
            None => refuse(404, "Call does not exist"),
        }
    }

    fn start_agent(&mut self, call_id: &str, control_id: Option<String>, greeting: Option<&str>, sums_up: bool) {
        let (since, mark) = (self.micros(), self.number());
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        leg.features.agent = Some(Agent { control_id, since, held: None, mark, sums_up });
        let person = leg.person;
        self.greeting_begins(person);
        self.emit_on(call_id, "calling.ai.start", json!({}));
        self.agent_says_soon(call_id, greeting.unwrap_or("Hello, how can I help you?").to_owned());
    }

    pub(crate) fn on_ai_stop(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let agent = self.calls.get(call_id).and_then(|leg| leg.features.agent.as_ref());
        if agent.is_none_or(|agent| agent.control_id.as_deref() != text(params, "control_id")) {
            let control_id = text(params, "control_id").unwrap_or_default();
            return self.no_such_operation(call_id, control_id, "calling.ai.stop");
        }
        self.end_agent(call_id, true);
        Ok(started("+OK", call_id, params))
    }

    /// Ends the agent of a call, if there is one.
    pub(crate) fn end_agent(&mut self, call_id: &str, stopped: bool) {
        let agent = self.calls.get_mut(call_id).and_then(|leg| leg.features.agent.take());
        let Some(agent) = agent else { return };
        if let Some(summary) = self.wits.summary.clone().filter(|_| agent.sums_up) {
            self.emit_on(call_id, "calling.ai.post_prompt", Value::Object(summary));
        }
        let event = json!({"start_time": agent.since, "end_time": self.micros(), "wallet_paused_sec": 0});
        self.emit_on(call_id, "calling.ai.stop", event);
        if let Some(control_id) = agent.control_id.filter(|_| stopped) {
            self.emit_on(call_id, "calling.call.ai", json!({"control_id": control_id, "state": "finished"}));
        }
    }

    fn agent(&mut self, call_id: &str) -> Option<&mut Agent> {
        self.calls.get_mut(call_id)?.features.agent.as_mut()
    }

    pub(crate) fn on_ai_message(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        one_of(params, "role", &["system", "user", "assistant"])?;
        let message = text(params, "message_text");
        if message.is_none() && !params.contains_key("reset") && !params.contains_key("global_data") {
            return refuse(400, "message_text, reset and global_data are all missing");
        }
        if self.agent(call_id).is_none() {
            return refuse(404, "No agent is running");
        }
        if let Some(message) = message.filter(|_| !params.contains_key("reset")) {
            match text(params, "role") {
                Some("assistant") => self.agent_says_soon(call_id, message.to_owned()),
                Some("user") => {
                    let answer = self.agent_answer(message);
                    self.agent_says_soon(call_id, answer);
                }
                _ => {}
            }
        }
        Ok(reply("Message sent"))
    }

    pub(crate) fn on_ai_hold(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(lasts) = text(params, "timeout").map_or(Some(HOLD_SECONDS), held_seconds) else {
            return refuse(400, "timeout is neither seconds nor a duration such as 5m");
        };
        let mark = self.number();
        let Some(agent) = self.agent(call_id) else { return refuse(404, "No agent is running") };
        if agent.held.is_some() {
            return refuse(409, "The agent is on hold");
        }
        agent.held = Some(mark);
        if let Some(prompt) = text(params, "prompt") {
            self.agent_says(call_id, prompt);
        }
        let id = call_id.to_owned();
        self.after_seconds(lasts.min(HOLD_SECONDS), move |world| {
            if let Some(agent) = world.agent(&id).filter(|agent| agent.held == Some(mark)) {
                agent.held = None;
            }
        });
        Ok(reply("AI on hold"))
    }

    pub(crate) fn on_ai_unhold(&mut self, call_id: &str, params: &Map<String, Value>) -> Verdict {
        let Some(agent) = self.agent(call_id) else { return refuse(404, "No agent is running") };
        if agent.held.take().is_none() {
            return refuse(409, "The agent is not on hold");
        }
        if let Some(prompt) = text(params, "prompt") {
            self.agent_says(call_id, prompt);
        }
        Ok(reply("AI resumed"))
    }

    // The conversation.

    /// The person begins to speak.
    pub(crate) fn agent_is_spoken_to(&mut self, call_id: &str) {
        if self.agent(call_id).is_some_and(|agent| agent.held.is_none()) {
            self.emit_on(call_id, "calling.ai.user_speaking", json!({}));
        }
    }

    /// The person has said something.
    pub(crate) fn agent_hears(&mut self, call_id: &str, said: &str) {
        if self.agent(call_id).is_some_and(|agent| agent.held.is_none()) {
            self.emit_on(call_id, "calling.ai.speech_detect", json!({"text": said}));
            let answer = self.agent_answer(said);
            self.agent_says_soon(call_id, answer);
        }
    }

    fn agent_answer(&self, said: &str) -> String {
        let heard = said.to_lowercase();
        let known = self.wits.answers.iter().find(|(wanted, _)| heard.contains(wanted));
        known.map_or_else(|| format!("You said: {said}"), |(_, answer)| answer.clone())
    }

    fn agent_says_soon(&mut self, call_id: &str, words: String) {
        let Some(mark) = self.agent(call_id).map(|agent| agent.mark) else { return };
        let id = call_id.to_owned();
        self.after_seconds(0.5, move |world| {
            if world.agent(&id).is_some_and(|agent| agent.mark == mark && agent.held.is_none()) {
                world.agent_says(&id, &words);
            }
        });
    }

    fn agent_says(&mut self, call_id: &str, words: &str) {
        let Some(mark) = self.agent(call_id).map(|agent| agent.mark) else { return };
        self.emit_on(call_id, "calling.ai.response", json!({"response": words}));
        self.emit_on(call_id, "calling.ai.begin_speaking", json!({}));
        self.emit_on(call_id, "calling.ai.response_utterance", json!({"utterance": words}));
        let (id, said) = (call_id.to_owned(), words.to_owned());
        self.after_seconds(speaking_seconds(words), move |world| {
            if world.agent(&id).is_some_and(|agent| agent.mark == mark) {
                world.emit_on(&id, "calling.ai.completion", json!({"text": said, "type": "normal"}));
                if let Some(person) = world.calls.get(&id).map(|leg| leg.person) {
                    world.heard_out(person, Some(said));
                }
            }
        });
        if let Some(person) = self.calls.get(call_id).map(|leg| leg.person) {
            self.did_on(call_id, DeedKind::Said, words);
            self.hears(person, words);
        }
    }
}

/// Seconds, or a duration such as `5m`.
fn held_seconds(given: &str) -> Option<f64> {
    let (digits, unit) = match given.strip_suffix(['s', 'm', 'h']) {
        Some(digits) => (digits, given.chars().last()),
        None => (given, None),
    };
    let count: u32 = digits.parse().ok()?;
    let factor = match unit {
        Some('m') => 60.0,
        Some('h') => 3600.0,
        _ => 1.0,
    };
    Some(f64::from(count) * factor)
}
