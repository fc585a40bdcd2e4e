//! The parameters of an AI on a call: through builders as far as they exist, or as raw JSON.

use serde_json::Value;
use signalwire_relay::params::{
    Ai, AiLanguage, AiMessage, AiPrompt, AmazonBedrock, Hint, LiveSummary, LiveTranscribe, LiveTranscription,
    LiveTranslate, LiveTranslation, Pronounce, Swaig,
};

use super::args::{Args, Way};
use super::objects::past;

/// A prompt; `None` when it is no object.
pub fn prompt(json: &Value, way: Way) -> Option<AiPrompt> {
    json.as_object()?;
    if way == Way::Raw {
        return Some(json.clone().into());
    }
    let mut args = Args::within(json, way);
    Some(rest!(AiPrompt::new(), args, "text": text => text, "pom": json => pom, "temperature": number => temperature,
        "top_p": number => top_p, "confidence": number => confidence, "presence_penalty": number => presence_penalty,
        "frequency_penalty": number => frequency_penalty, "max_tokens": whole => max_tokens,
        "contexts": json => contexts))
}

/// The functions that may be called; `None` if the value is not an object.
pub fn swaig(json: &Value, way: Way) -> Option<Swaig> {
    json.as_object()?;
    if way == Way::Raw {
        return Some(json.clone().into());
    }
    let mut args = Args::within(json, way);
    let set = args.items("functions").into_iter().flatten().fold(Swaig::new(), Swaig::function);
    Some(rest!(set, args, "defaults": json => defaults, "includes": json => includes,
        "native_functions": texts => native_functions, "mcp_servers": json => mcp_servers,
        "internal_fillers": json => internal_fillers))
}

/// The parts of an agent that are objects.
pub fn agent(args: &mut Args) -> Ai {
    let way = args.way;
    let each = |items: Vec<Value>, typed: fn(&Value, Way) -> Value| {
        items.into_iter().map(move |item| if way == Way::Typed { typed(&item, way) } else { item })
    };
    let mut set = set!(Ai::new(), args, "prompt": instructions => prompt, "post_prompt": instructions => post_prompt,
        "SWAIG": functions => swaig);
    if let Some(rules) = args.array("pronounce") {
        set = set.pronounce(each(rules, pronounce));
    }
    if let Some(hints) = args.array("hints") {
        set = set.hints(each(hints, hint));
    }
    if let Some(languages) = args.array("languages") {
        set = set.languages(each(languages, language));
    }
    set
}

/// The parts of the other kind of agent that are objects.
pub fn bedrock(args: &mut Args) -> AmazonBedrock {
    let way = args.way;
    let instructions = |json: Value| prompt(&json, way).map_or(json, Value::from);
    let mut set = set!(AmazonBedrock::new(), args, "SWAIG": functions => swaig);
    if let Some(json) = args.json("prompt") {
        set = set.prompt(instructions(json));
    }
    if let Some(json) = args.json("post_prompt") {
        set = set.post_prompt(instructions(json));
    }
    set
}

fn pronounce(json: &Value, way: Way) -> Value {
    let mut args = Args::within(json, way);
    match (args.text("replace"), args.text("with")) {
        (Some(replace), Some(with)) => {
            rest!(Pronounce::new(replace, with), args, "ignore_case": flag => ignore_case).into()
        }
        _ => {
            past("pronounce", way);
            json.clone()
        }
    }
}

fn hint(json: &Value, way: Way) -> Value {
    // A word is a hint as it is.
    if json.is_string() {
        return json.clone();
    }
    let mut args = Args::within(json, way);
    match (args.text("hint"), args.text("pattern"), args.text("replace")) {
        (Some(hint), Some(pattern), Some(replace)) => {
            rest!(Hint::new(hint, pattern, replace), args, "ignore_case": flag => ignore_case).into()
        }
        _ => {
            past("hints", way);
            json.clone()
        }
    }
}

fn language(json: &Value, way: Way) -> Value {
    let mut args = Args::within(json, way);
    match (args.text("name"), args.text("code")) {
        (Some(name), Some(code)) => rest!(AiLanguage::new(name, code), args, "voice": text => voice,
            "model": text => model, "emotion": text => emotion, "speed": text => speed, "engine": text => engine,
            "params": json => params, "fillers": texts => fillers)
        .into(),
        _ => {
            past("languages", way);
            json.clone()
        }
    }
}

/// The `reset` of a message to an AI.
pub fn reset(set: AiMessage, args: &mut Args) -> AiMessage {
    let Some(json) = args.json("reset") else { return set };
    let mut inner = Args::within(&json, args.way);
    let typed = set!(set.clone(), inner, "full_reset": flag => full_reset, "user_prompt": text => user_prompt,
        "system_prompt": text => system_prompt);
    let fits = !args.is_raw() && inner.is_done() && json.as_object().is_some_and(|members| !members.is_empty());
    if fits {
        return typed;
    }
    past("reset", args.way);
    set.reset(json)
}

/// The name and the object of an action that consists of one entry.
fn one_action(json: &Value, way: Way) -> Option<(&str, Args)> {
    let mut members = json.as_object().filter(|members| way == Way::Typed && members.len() == 1)?.iter();
    let (name, how) = members.next()?;
    how.is_object().then(|| (name.as_str(), Args::within(how, way)))
}

pub fn live_transcribing(args: &mut Args) -> LiveTranscribe {
    let json = args.json("action").expect("an action");
    let typed: Option<(LiveTranscribe, Args)> = match one_action(&json, args.way) {
        Some(("start", mut how)) => {
            let set = set!(LiveTranscription::new(), how, "lang": text => lang, "direction": texts => direction,
                "webhook": text => webhook, "live_events": flag => live_events, "ai_summary": flag => ai_summary,
                "ai_summary_prompt": text => ai_summary_prompt, "speech_timeout": milliseconds => speech_timeout,
                "vad_silence_ms": milliseconds => vad_silence, "vad_thresh": whole => vad_thresh,
                "speech_engine": text => speech_engine, "hints": texts => hints,
                "verbose_utterances": flag => verbose_utterances);
            Some((set.into(), how))
        }
        Some(("summarize", mut how)) => Some((summary(&mut how).into(), how)),
        Some(("stop", how)) => Some((LiveTranscribe::stop(), how)),
        _ => None,
    };
    if let Some((typed, _)) = typed.filter(|(_, left)| left.is_done()) {
        return typed;
    }
    past("action", args.way);
    LiveTranscribe::raw(json)
}

pub fn live_translating(args: &mut Args) -> LiveTranslate {
    let json = args.json("action").expect("an action");
    let typed: Option<(LiveTranslate, Args)> = match one_action(&json, args.way) {
        Some(("start", mut how)) => {
            let set = set!(LiveTranslation::new(), how, "from_lang": text => from_lang, "to_lang": text => to_lang,
                "direction": texts => direction, "from_voice": text => from_voice, "to_voice": text => to_voice,
                "filter_from": text => filter_from, "filter_to": text => filter_to, "mode": text => mode,
                "webhook": text => webhook, "live_events": flag => live_events, "ai_summary": flag => ai_summary,
                "ai_summary_prompt": text => ai_summary_prompt, "speech_timeout": milliseconds => speech_timeout,
                "vad_silence_ms": milliseconds => vad_silence, "vad_thresh": whole => vad_thresh,
                "speech_engine": text => speech_engine);
            Some((set.into(), how))
        }
        Some(("summarize", mut how)) => Some((summary(&mut how).into(), how)),
        Some(("inject", mut how)) => match (how.text("message"), how.text("direction")) {
            (Some(message), Some(side)) => Some((LiveTranslate::inject(message, side), how)),
            _ => None,
        },
        Some(("stop", how)) => Some((LiveTranslate::stop(), how)),
        _ => None,
    };
    if let Some((typed, _)) = typed.filter(|(_, left)| left.is_done()) {
        return typed;
    }
    past("action", args.way);
    LiveTranslate::raw(json)
}

fn summary(how: &mut Args) -> LiveSummary {
    set!(LiveSummary::new(), how, "webhook": text => webhook, "prompt": text => prompt)
}
