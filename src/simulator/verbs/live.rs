//! Live transcription and translation.
//!
//! Where the documentation of the service is silent: the words of the call's person come from `remote-caller`, those
//! of the connected people from `local-caller`, and the program's playbacks are not transcribed; a translation is the
//! text after the name of its language, `[es-ES] hello`; single utterances are sent only if `live_events` is true, a
//! summary and the final log always; a summary is sent 1 s after its request; the log is sent at the stop or just
//! before the call ends. Starting a running session is rejected with 409, stopping or summarizing without one with
//! 404; an `action` with anything but one known key is rejected with 400.

use serde_json::{Value, json};

use crate::simulator::verbs::activity::{Activity, Begun, Ends, Role, Steps, Turn, Verb, View};
use crate::simulator::verbs::info::call_info;
use crate::simulator::wire::frame::{flag, list, text};
use crate::simulator::wire::reply::{Params, Refusal, Reply, one_of, refuse, reply};

pub(crate) const LIVE_TRANSCRIBE: Verb =
    Verb::new("calling.live_transcribe", "+ action:so! async:b swml:b", |p, call, _| begin(p, call, false));

pub(crate) const LIVE_TRANSLATE: Verb =
    Verb::new("calling.live_translate", "+ action:so! status_url:s async:b swml:b", |p, call, _| begin(p, call, true));

/// A live transcription or translation.
struct Live {
    translates: bool,
    settings: Params,
    log: Vec<Value>,
    translated: Vec<Value>,
    /// Times of the utterances, in epoch microseconds.
    times: Vec<u64>,
    /// Number of summaries that were requested.
    summaries: u64,
}

/// The requested action, and its settings.
fn action(params: &Params, translates: bool) -> Result<(&'static str, Params), Refusal> {
    let known = |verb: &str| match verb {
        "start" => Some("start"),
        "stop" => Some("stop"),
        "summarize" => Some("summarize"),
        "inject" if translates => Some("inject"),
        _ => None,
    };
    match params.get("action") {
        Some(Value::String(verb)) if verb == "stop" => Ok(("stop", Params::new())),
        Some(Value::String(verb)) if verb == "summarize" => Ok(("summarize", Params::new())),
        Some(Value::Object(action)) => {
            let mut all = action.iter();
            match (all.next(), all.next()) {
                (Some((verb, Value::Object(settings))), None) => match known(verb) {
                    Some(verb) => Ok((verb, settings.clone())),
                    None => refuse(400, "action must have one key, such as start or stop, with an object"),
                },
                _ => refuse(400, "action must have one key, such as start or stop, with an object"),
            }
        }
        _ => refuse(400, "action is neither an object, \"stop\" nor \"summarize\""),
    }
}

fn begin(params: &Params, call: &View<'_>, translates: bool) -> Result<Begun, Refusal> {
    let (verb, settings) = action(params, translates)?;
    let what = if translates { "translation" } else { "transcription" };
    let family = family(translates);
    match (verb, call.runs(&[family])) {
        ("start", true) => refuse(409, format!("A live {what} is running")),
        ("start", false) => {
            if translates && !(settings.contains_key("from_lang") && settings.contains_key("to_lang")) {
                return refuse(400, "from_lang and to_lang must be given");
            }
            let (log, translated, times) = (Vec::new(), Vec::new(), Vec::new());
            let live = Live { translates, settings, log, translated, times, summaries: 0 };
            Ok(Begun::Runs(Box::new(live), reply(&format!("Live {what} started"))))
        }
        (_, false) => refuse(404, format!("No live {what} is running")),
        (verb, true) => Ok(Begun::Passes(family, verb)),
    }
}

fn family(translates: bool) -> &'static str {
    if translates { "live_translate" } else { "live_transcribe" }
}

impl Live {
    fn listens_to(&self, role: Role) -> bool {
        let directions = list(&self.settings, "direction");
        directions.is_empty() || directions.iter().any(|direction| direction == role.name())
    }

    fn language(&self, key: &str) -> String {
        text(&self.settings, key).unwrap_or("en-US").to_owned()
    }

    fn turns(&self, role: Role) -> usize {
        self.log.iter().filter(|turn| turn["role"] == role.name()).count()
    }

    fn summary(&self) -> String {
        format!("{} utterances", self.log.len())
    }

    fn inject(&self, params: &Params, out: &mut Steps) -> Result<(), Refusal> {
        let (_, settings) = action(params, self.translates)?;
        one_of(&settings, "direction", &["local-caller", "remote-caller"])?;
        let Some(message) = text(&settings, "message") else { return refuse(400, "message is missing") };
        let whom = if text(&settings, "direction") == Some("local-caller") { Role::Local } else { Role::Remote };
        out.hears(whom, message);
        out.heard_out(whom, Some(message.to_owned()));
        Ok(())
    }

    fn summarize(&self, call: &View<'_>, out: &mut Steps) {
        let summary = self.summary();
        if self.translates {
            let event = json!({
                "primary_conversation_log": self.log, "secondary_conversation_log": self.translated,
                "primary_conversation_summary": summary, "secondary_conversation_summary": summary,
            });
            announce("calling.ai.translate.live_summary", event, call, out);
        } else {
            let event = json!({"conversation_log": self.log, "conversation_summary": summary});
            announce("calling.ai.transcribe.live_summarize", event, call, out);
        }
    }

    fn tell_log(&self, call: &View<'_>, out: &mut Steps) {
        let summary = flag(&self.settings, "ai_summary").then(|| self.summary());
        if self.translates {
            let (from, to) = (self.language("from_lang"), self.language("to_lang"));
            let leg_data = |role: Role, position: &str, from: &str, to: &str| json!({"from_language": from, "to_language": to, "role": role.name(), "position": position});
            let mut event = json!({
                "primary_conversation_log": self.log,
                "secondary_conversation_log": self.translated,
                "translate_data": {
                    "remote-caller": leg_data(Role::Remote, "primary", &from, &to),
                    "local-caller": leg_data(Role::Local, "secondary", &to, &from),
                },
            });
            if let Some(summary) = summary {
                event["primary_conversation_summary"] = summary.clone().into();
                event["secondary_conversation_summary"] = summary.into();
            }
            announce("calling.ai.translate.conversation_log", event, call, out);
            return;
        }
        let mut event = json!({
            "conversation_log": self.log,
            "metrics": {
                "total_utterances": self.log.len(),
                "remote_caller_turns": self.turns(Role::Remote),
                "local_caller_turns": self.turns(Role::Local),
            },
        });
        for (key, time) in [("first_utterance_ts", self.times.first()), ("last_utterance_ts", self.times.last())] {
            if let Some(time) = time {
                event["metrics"][key] = (*time).into();
            }
        }
        if let Some(summary) = summary {
            event["conversation_summary"] = summary.into();
        }
        announce("calling.ai.transcribe.conversation_log", event, call, out);
    }
}

fn announce(event_type: &'static str, mut event: Value, call: &View<'_>, out: &mut Steps) {
    event["channel_data"] = json!({
        "content_type": "text/plain", "content_disposition": "inline", "call_id": call.call_id,
        "caller_id_number": call.person,
    });
    event["call_info"] = call_info(call);
    out.announce(event_type, event);
}

impl Activity for Live {
    fn family(&self) -> &'static str {
        family(self.translates)
    }

    fn turn(&self) -> Turn {
        Turn::Attached(if self.translates { 2 } else { 1 })
    }

    fn command(&mut self, command: &str, params: &Params, call: &View<'_>, out: &mut Steps) -> Reply {
        match command {
            "stop" => self.ends(Ends::Asked, call, out),
            "summarize" => {
                self.summaries += 1;
                out.nth_alarm("summary", self.summaries, 1.0);
            }
            _ => self.inject(params, out)?,
        }
        Ok(reply("+OK"))
    }

    fn alarm(&mut self, _: &'static str, _: u64, call: &View<'_>, out: &mut Steps) {
        self.summarize(call, out);
    }

    fn overhears(&mut self, role: Role, said: &str, call: &View<'_>, out: &mut Steps) {
        if !self.listens_to(role) {
            return;
        }
        let now = call.micros();
        let language = self.language(if self.translates { "from_lang" } else { "lang" });
        let target = self.language("to_lang");
        let translation = format!("[{target}] {said}");
        let role = role.name();
        self.log.push(json!({"role": role, "content": said, "language": language, "confidence": 0.95}));
        self.translated.push(json!({"role": role, "content": translation, "language": target}));
        self.times.push(now);
        if !flag(&self.settings, "live_events") {
            return;
        }
        if self.translates {
            let event = json!({
                "input_utterance": {"language": language, "delta": said},
                "output_utterance": {"language": target, "delta": translation},
            });
            announce("calling.ai.translate.transcript_delta", event, call, out);
        } else {
            let utterance = json!({
                "role": role, "content": said, "lang": language, "utterance_id": format!("u-{}", call.ids.number()),
                "timestamp": now, "confidence": 0.95, "char_count": said.chars().count(),
                "word_count": said.split_whitespace().count(),
            });
            let event = json!({"utterance": utterance, "confidence": 0.95});
            announce("calling.ai.transcribe.utterance", event, call, out);
        }
    }

    fn ends(&mut self, _: Ends, call: &View<'_>, out: &mut Steps) {
        out.gone();
        self.tell_log(call, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::verbs::tests::Rig;

    #[test]
    fn a_translation_puts_the_language_before_the_words_and_ends_with_its_log() {
        let langs = json!({"from_lang": "en-US", "to_lang": "es-ES", "direction": ["remote-caller"]});
        let mut rig = Rig::begin(&LIVE_TRANSLATE, json!({"action": {"start": langs}})).expect("it runs");
        rig.overhears(Role::Remote, "hello");
        rig.overhears(Role::Local, "not for it");
        assert!(rig.command("stop", json!({"action": "stop"})).is_ok() && rig.is_over());
        let log = rig.told().pop().expect("it runs").1["secondary_conversation_log"].clone();
        assert_eq!(log, json!([{"role": "remote-caller", "content": "[es-ES] hello", "language": "es-ES"}]));
    }
}
