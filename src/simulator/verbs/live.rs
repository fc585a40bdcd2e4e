//! Live transcription and translation, and what events about them share.
//!
//! Choices where the published material is silent: what the person of the call says is heard from `remote-caller`,
//! what those say to whom the call is connected from `local-caller`, and what the program plays is not transcribed;
//! a translation is the text behind the name of its language, `[es-ES] hello`; single utterances are told only when
//! `live_events` is true, a summary and the final log always; a summary comes a second after it was asked for; the log
//! comes when it is stopped and just before the call ends. Starting what runs is refused with 409, stopping or asking
//! what does not with 404; an `action` with anything but one known key is refused with 400.

use serde_json::{Map, Value, json};

use crate::simulator::service::sessions::{Refusal, Verdict, one_of, refuse, reply};
use crate::simulator::wire::frame::{flag, list, text};
use crate::simulator::world::state::World;

/// A live transcription or translation.
pub(crate) struct Live {
    settings: Map<String, Value>,
    log: Vec<Value>,
    translated: Vec<Value>,
    /// When things were said: epoch microseconds.
    times: Vec<u64>,
}

impl Live {
    fn listens_to(&self, role: &str) -> bool {
        let directions = list(&self.settings, "direction");
        directions.is_empty() || directions.iter().any(|direction| direction == role)
    }

    fn language(&self, key: &str) -> String {
        text(&self.settings, key).unwrap_or("en-US").to_owned()
    }

    fn turns(&self, role: &str) -> usize {
        self.log.iter().filter(|turn| turn["role"] == role).count()
    }

    fn summary(&self) -> String {
        format!("{} utterances", self.log.len())
    }
}

/// What is wanted, and with which settings.
fn action(params: &Map<String, Value>, translates: bool) -> Result<(String, Map<String, Value>), Refusal> {
    let known = |verb: &str| matches!(verb, "start" | "stop" | "summarize") || (translates && verb == "inject");
    match params.get("action") {
        Some(Value::String(verb)) if matches!(verb.as_str(), "stop" | "summarize") => Ok((verb.clone(), Map::new())),
        Some(Value::Object(action)) => {
            let mut all = action.iter();
            match (all.next(), all.next()) {
                (Some((verb, Value::Object(settings))), None) if known(verb) => Ok((verb.clone(), settings.clone())),
                _ => refuse(400, "action must have one key, such as start or stop, with an object"),
            }
        }
        _ => refuse(400, "action is neither an object, \"stop\" nor \"summarize\""),
    }
}

impl World {
    pub(crate) fn on_live(&mut self, call_id: &str, params: &Map<String, Value>, translates: bool) -> Verdict {
        let (verb, settings) = action(params, translates)?;
        let Some(leg) = self.calls.get_mut(call_id) else { return refuse(404, "Call does not exist") };
        let person = leg.person;
        let peer = leg.peer.clone();
        let slot = if translates { &mut leg.features.translation } else { &mut leg.features.transcription };
        let what = if translates { "translation" } else { "transcription" };
        match (verb.as_str(), slot.is_some()) {
            ("start", true) => return refuse(409, format!("A live {what} is running")),
            ("start", false) => {
                if translates && !(settings.contains_key("from_lang") && settings.contains_key("to_lang")) {
                    return refuse(400, "from_lang and to_lang must be given");
                }
                *slot = Some(Live { settings, log: Vec::new(), translated: Vec::new(), times: Vec::new() });
                return Ok(reply(&format!("Live {what} started")));
            }
            (_, false) => return refuse(404, format!("No live {what} is running")),
            ("stop", true) => self.end_live(call_id, translates),
            ("summarize", true) => {
                let id = call_id.to_owned();
                self.after_seconds(1.0, move |world| world.summarize_live(&id, translates));
            }
            _ => {
                one_of(&settings, "direction", &["local-caller", "remote-caller"])?;
                let Some(message) = text(&settings, "message") else { return refuse(400, "message is missing") };
                let other = peer.and_then(|peer| self.calls.get(&peer)).map(|peer| peer.person);
                let whom = if text(&settings, "direction") == Some("local-caller") { other } else { Some(person) };
                if let Some(whom) = whom {
                    self.hears(whom, message);
                    self.heard_out(whom, Some(message.to_owned()));
                }
            }
        }
        Ok(reply("+OK"))
    }

    fn live(&mut self, call_id: &str, translates: bool) -> Option<&mut Live> {
        let features = &mut self.calls.get_mut(call_id)?.features;
        if translates { features.translation.as_mut() } else { features.transcription.as_mut() }
    }

    /// Something was said that a live transcription or translation of this call may hear.
    pub(crate) fn transcribe_live(&mut self, call_id: &str, role: &'static str, said: &str) {
        let (now, number) = (self.micros(), self.number());
        for translates in [false, true] {
            let Some(live) = self.live(call_id, translates).filter(|live| live.listens_to(role)) else { continue };
            let language = live.language(if translates { "from_lang" } else { "lang" });
            let target = live.language("to_lang");
            let translation = format!("[{target}] {said}");
            live.log.push(json!({"role": role, "content": said, "language": language, "confidence": 0.95}));
            live.translated.push(json!({"role": role, "content": translation, "language": target}));
            live.times.push(now);
            if !flag(&live.settings, "live_events") {
                continue;
            }
            if translates {
                let event = json!({
                    "input_utterance": {"language": language, "delta": said},
                    "output_utterance": {"language": target, "delta": translation},
                });
                self.emit_live(call_id, "calling.ai.translate.transcript_delta", event);
            } else {
                let utterance = json!({
                    "role": role, "content": said, "lang": language, "utterance_id": format!("u-{number}"),
                    "timestamp": now, "confidence": 0.95, "char_count": said.chars().count(),
                    "word_count": said.split_whitespace().count(),
                });
                let event = json!({"utterance": utterance, "confidence": 0.95});
                self.emit_live(call_id, "calling.ai.transcribe.utterance", event);
            }
        }
    }

    fn summarize_live(&mut self, call_id: &str, translates: bool) {
        let Some(live) = self.live(call_id, translates) else { return };
        let summary = live.summary();
        if translates {
            let event = json!({
                "primary_conversation_log": live.log, "secondary_conversation_log": live.translated,
                "primary_conversation_summary": summary, "secondary_conversation_summary": summary,
            });
            self.emit_live(call_id, "calling.ai.translate.live_summary", event);
        } else {
            let event = json!({"conversation_log": live.log, "conversation_summary": summary});
            self.emit_live(call_id, "calling.ai.transcribe.live_summarize", event);
        }
    }

    /// Ends a live transcription or translation, if it runs, with its log.
    pub(crate) fn end_live(&mut self, call_id: &str, translates: bool) {
        let Some(leg) = self.calls.get_mut(call_id) else { return };
        let slot = if translates { &mut leg.features.translation } else { &mut leg.features.transcription };
        let Some(live) = slot.take() else { return };
        let summary = flag(&live.settings, "ai_summary").then(|| live.summary());
        if translates {
            let (from, to) = (live.language("from_lang"), live.language("to_lang"));
            let leg_data = |role: &str, position: &str, from: &str, to: &str| json!({"from_language": from, "to_language": to, "role": role, "position": position});
            let mut event = json!({
                "primary_conversation_log": live.log,
                "secondary_conversation_log": live.translated,
                "translate_data": {
                    "remote-caller": leg_data("remote-caller", "primary", &from, &to),
                    "local-caller": leg_data("local-caller", "secondary", &to, &from),
                },
            });
            if let Some(summary) = summary {
                event["primary_conversation_summary"] = summary.clone().into();
                event["secondary_conversation_summary"] = summary.into();
            }
            self.emit_live(call_id, "calling.ai.translate.conversation_log", event);
        } else {
            let mut event = json!({
                "conversation_log": live.log,
                "metrics": {
                    "total_utterances": live.log.len(),
                    "remote_caller_turns": live.turns("remote-caller"),
                    "local_caller_turns": live.turns("local-caller"),
                },
            });
            for (key, time) in [("first_utterance_ts", live.times.first()), ("last_utterance_ts", live.times.last())] {
                if let Some(time) = time {
                    event["metrics"][key] = (*time).into();
                }
            }
            if let Some(summary) = summary {
                event["conversation_summary"] = summary.into();
            }
            self.emit_live(call_id, "calling.ai.transcribe.conversation_log", event);
        }
    }

    fn emit_live(&mut self, call_id: &str, event_type: &'static str, mut event: Value) {
        let Some(leg) = self.calls.get(call_id) else { return };
        event["channel_data"] = json!({
            "content_type": "text/plain", "content_disposition": "inline", "call_id": call_id,
            "caller_id_number": self.person_name(leg.person),
        });
        event["call_info"] = self.call_info(call_id);
        self.emit_on(call_id, event_type, event);
    }

    /// Where events about what was said belong.
    pub(crate) fn call_info(&self, call_id: &str) -> Value {
        json!({
            "project_id": self.settings.project,
            "space_id": "51500000-0000-4000-8000-000000000001",
            "content_type": "text/plain",
            "content_disposition": "inline",
            "conversation_type": "voice",
            "call_id": call_id,
        })
    }
}
