//! AI agents on a call.
//!
//! No model is behind them: an agent greets with its `static_greeting`, or with a default sentence, and answers the
//! person as [`agent_answers`](crate::simulator::Simulator::agent_answers) sets, otherwise with the same words after
//! `You said`. Where the documentation of the service is silent: one agent runs on a call at a time, others are
//! rejected with 409, but operations are not; without an agent, its commands are rejected with 404; `calling.ai.stop`
//! causes the events `calling.ai.stop` and `calling.call.ai`, the end of the call only the first; an agent on hold
//! does not answer, and continues by itself when the time of the hold has passed; the result of a post prompt is set
//! by [`agent_post_prompt_result`](crate::simulator::Simulator::agent_post_prompt_result) and sent just before
//! `calling.ai.stop`; tools and webhooks are never run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::people::speech::speaking_seconds;
use crate::simulator::record::interaction::InteractionKind;
use crate::simulator::verbs::activity::{
    Activity, AgentScript, Begun, Ends, Last, Role, Steps, Turn, Verb, View, by_default,
};
use crate::simulator::wire::frame::{object, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, one_of, refuse, reply, started};

pub(crate) const AI: Verb = Verb {
    commands: &[("stop", "+ control_id:s!")],
    secrets: true,
    ..Verb::new(
        "calling.ai",
        "+ control_id:s! agent:s prompt:o post_prompt:o post_prompt_url:s post_prompt_auth_user:s \
         post_prompt_auth_password:s global_data:o pronounce:[any] hints:[any] languages:[any] SWAIG:o \
         params:o",
        begin,
    )
};

// Some clients send a control ID with the following methods. It has no meaning there.

pub(crate) const AMAZON_BEDROCK: Verb = Verb {
    last: Last::Never,
    ..Verb::new(
        "calling.amazon_bedrock",
        "+ prompt:any SWAIG:o params:o global_data:o post_prompt:o post_prompt_url:s control_id:s \
         async:b swml:b",
        begin_bedrock,
    )
};

pub(crate) const AI_MESSAGE: Verb = Verb {
    last: Last::Never,
    ..Verb::new(
        "calling.ai_message",
        "+ message_text:s role:s reset:Reset global_data:o control_id:s async:b swml:b",
        |params, call, _| {
            one_of(params, "role", &["system", "user", "assistant"])?;
            if ["message_text", "reset", "global_data"].iter().all(|key| !params.contains_key(*key)) {
                return refuse(400, "message_text, reset and global_data are all missing");
            }
            pass(call, "message")
        },
    )
};

pub(crate) const AI_HOLD: Verb = Verb {
    last: Last::Never,
    ..Verb::new("calling.ai_hold", "+ timeout:s prompt:s control_id:s async:b swml:b", |params, call, _| {
        hold_seconds(params)?;
        pass(call, "hold")
    })
};

pub(crate) const AI_UNHOLD: Verb = Verb {
    last: Last::Never,
    ..Verb::new("calling.ai_unhold", "+ prompt:s control_id:s async:b swml:b", |_, call, _| pass(call, "unhold"))
};

/// Longest hold, and the default.
const HOLD_SECONDS: f64 = 300.0;

/// An agent on a call.
struct Agent {
    /// The control ID of an agent that was started with `calling.ai`.
    control_id: Option<String>,
    since: u64,
    held: bool,
    /// `true` if the program has requested a summary.
    sums_up: bool,
    /// The sentences that the agent is about to say or is saying, by number.
    words: BTreeMap<u64, String>,
    said: u64,
}

fn begin(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    if !params.contains_key("prompt") && !params.contains_key("agent") {
        return refuse(400, "prompt and agent are both missing");
    }
    check_none(call)?;
    let control_id = text(params, "control_id").unwrap_or_default().to_owned();
    let own = object(params, "params").and_then(|params| text(params, "static_greeting"));
    let agent = Agent::new(Some(control_id), own, params, call, out);
    Ok(Begun::Runs(Box::new(agent), started("AI started", call.call_id, params)))
}

fn begin_bedrock(params: &Params, call: &View<'_>, out: &mut Steps) -> Result<Begun, Refusal> {
    check_none(call)?;
    out.greets();
    Ok(Begun::Runs(Box::new(Agent::new(None, None, params, call, out)), reply("AI started")))
}

fn check_none(call: &View<'_>) -> Result<(), Refusal> {
    if call.runs(&["ai"]) { refuse(409, "An agent is running") } else { Ok(()) }
}

fn pass(call: &View<'_>, command: &'static str) -> Result<Begun, Refusal> {
    if call.runs(&["ai"]) { Ok(Begun::Passes("ai", command)) } else { refuse(404, "No agent is running") }
}

fn hold_seconds(params: &Params) -> Result<f64, Refusal> {
    match text(params, "timeout").map_or(Some(HOLD_SECONDS), held_seconds) {
        Some(lasts) => Ok(lasts.min(HOLD_SECONDS)),
        None => refuse(400, "timeout is neither seconds nor a duration such as 5m"),
    }
}

fn answer(script: &AgentScript, said: &str) -> String {
    let heard = said.to_lowercase();
    let known = script.answers.iter().find(|(wanted, _)| heard.contains(wanted));
    known.map_or_else(|| format!("You said: {said}"), |(_, answer)| answer.clone())
}

impl Agent {
    fn new(
        control_id: Option<String>,
        greeting: Option<&str>,
        params: &Params,
        call: &View<'_>,
        out: &mut Steps,
    ) -> Self {
        let sums_up = params.contains_key("post_prompt");
        let since = call.micros();
        let mut agent = Self { control_id, since, held: false, sums_up, words: BTreeMap::new(), said: 0 };
        out.announce("calling.ai.start", json!({}));
        agent.says_soon(greeting.unwrap_or("Hello, how can I help you?").to_owned(), out);
        agent
    }

    fn number(&mut self, words: String) -> u64 {
        self.said += 1;
        self.words.insert(self.said, words);
        self.said
    }

    fn says_soon(&mut self, words: String, out: &mut Steps) {
        let number = self.number(words);
        out.nth_alarm("says", number, 0.5);
    }

    fn says(&mut self, words: &str, out: &mut Steps) {
        out.announce("calling.ai.response", json!({"response": words}));
        out.announce("calling.ai.begin_speaking", json!({}));
        out.announce("calling.ai.response_utterance", json!({"utterance": words}));
        let number = self.number(words.to_owned());
        out.nth_alarm("said", number, speaking_seconds(words));
        out.did(InteractionKind::Said, words);
        out.hears(Role::Remote, words);
    }

    fn message(&mut self, params: &Params, call: &View<'_>, out: &mut Steps) {
        if let Some(message) = text(params, "message_text").filter(|_| !params.contains_key("reset")) {
            match text(params, "role") {
                Some("assistant") => self.says_soon(message.to_owned(), out),
                Some("user") => self.says_soon(answer(call.script, message), out),
                _ => {}
            }
        }
    }
}

impl Activity for Agent {
    fn family(&self) -> &'static str {
        "ai"
    }

    fn turn(&self) -> Turn {
        Turn::Attached(3)
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        match command {
            "stop" => {
                self.ends(Ends::Asked, call, out);
                return Ok(started("+OK", call.call_id, params));
            }
            "message" => {
                self.message(params, call, out);
                return Ok(reply("Message sent"));
            }
            "hold" if self.held => return refuse(409, "The agent is on hold"),
            "hold" => self.held = true,
            "unhold" if !self.held => return refuse(409, "The agent is not on hold"),
            "unhold" => {
                self.held = false;
                out.disarm("hold");
            }
            _ => return by_default(self, command, params, call, out),
        }
        if let Some(prompt) = text(params, "prompt") {
            self.says(prompt, out);
        }
        if self.held {
            out.alarm("hold", hold_seconds(params)?);
        }
        Ok(reply(if self.held { "AI on hold" } else { "AI resumed" }))
    }

    fn alarm(&mut self, name: &'static str, nth: u64, _: &View<'_>, out: &mut Steps) {
        if name == "hold" {
            self.held = false;
            return;
        }
        let Some(words) = self.words.remove(&nth) else { return };
        if name == "said" {
            out.announce("calling.ai.completion", json!({"text": words, "type": "normal"}));
            out.heard_out(Role::Remote, Some(words));
        } else if !self.held {
            self.says(&words, out);
        }
    }

    fn speech_begins(&mut self, _: &str, _: &View<'_>, out: &mut Steps) {
        if !self.held {
            out.announce("calling.ai.user_speaking", json!({}));
        }
    }

    fn overhears(&mut self, who: Role, said: &str, call: &View<'_>, out: &mut Steps) {
        if !self.held && who == Role::Remote {
            out.announce("calling.ai.speech_detect", json!({"text": said}));
            self.says_soon(answer(call.script, said), out);
        }
    }

    fn ends(&mut self, why: Ends, call: &View<'_>, out: &mut Steps) {
        out.gone();
        if let Some(summary) = call.script.summary.clone().filter(|_| self.sums_up) {
            out.announce("calling.ai.post_prompt", Value::Object(summary));
        }
        let event = json!({"start_time": self.since, "end_time": call.micros(), "wallet_paused_sec": 0});
        out.announce("calling.ai.stop", event);
        if let Some(control_id) = self.control_id.as_ref().filter(|_| why == Ends::Asked) {
            out.announce("calling.call.ai", json!({"control_id": control_id, "state": "finished"}));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn an_agent_answers_as_scripted_and_not_on_hold() {
        let mut rig = Rig::begin(&AI, json!({"control_id": "a", "prompt": {}})).expect("it runs");
        rig.script.answers.push(("hours".into(), "We open at nine.".into()));
        rig.pass(5.0);
        rig.says("Your HOURS?");
        rig.pass(5.0);
        assert!(rig.command("hold", json!({"timeout": "1m"})).is_ok());
        rig.says("Anybody?");
        rig.pass(59.0);
        assert!(rig.command("hold", json!({})).is_err());
        rig.pass(2.0);
        rig.says("Again");
        rig.pass(1.0);
        assert_eq!(rig.heard(), ["Hello, how can I help you?", "We open at nine.", "You said: Again"]);
        assert!(rig.command("stop", json!({"control_id": "a"})).is_ok() && rig.is_over());
        assert_eq!(rig.told().pop().expect("it runs").0, "calling.call.ai");
    }
}
