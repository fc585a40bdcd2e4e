//! Objects within the arguments: through builders as far as they exist, or as raw JSON.

use serde_json::{Value, json};
use signalwire_relay::devices::{Device, TapDevice, agora, fabric, rtp, stream_to, webrtc, ws};
use signalwire_relay::media::{Audio, Media, Ringtone, Silence, Tts, ringtone};
use signalwire_relay::params::{JoinConference, Machine, Pay, PayPrompt, Tap, digit_detector, fax_tone};
use signalwire_relay::{Collect, Detect, Record, audio, machine, phone, silence, sip, tts};

use super::args::{Args, Way, unfit};

/// Notes that an object was to go through its builders and goes as it is.
pub fn past(name: &str, way: Way) {
    if way == Way::Typed {
        unfit(name);
    }
}

pub fn medium(json: &Value, way: Way) -> Media {
    let mut args = Args::within(&json["params"], way);
    let known = way == Way::Typed && json.as_object().is_some_and(|members| members.len() == 2);
    match json["type"].as_str().filter(|_| known) {
        Some("tts") if json["params"]["text"].is_string() => {
            let set = tts(args.text("text").unwrap());
            rest!(set, args, "language": text => language, "gender": text => gender, "voice": text => voice).into()
        }
        Some("audio") if json["params"]["url"].is_string() => {
            let set = audio(args.text("url").unwrap());
            rest!(set, args).into()
        }
        Some("silence") if json["params"]["duration"].is_number() => {
            let set = silence(args.seconds("duration").unwrap());
            rest!(set, args).into()
        }
        Some("ringtone") if json["params"]["name"].is_string() => {
            let set = ringtone(args.text("name").unwrap());
            rest!(set, args, "duration": seconds => duration).into()
        }
        _ => {
            past("media", way);
            Media::raw(json.clone())
        }
    }
}

pub fn device(json: &Value, way: Way) -> Device {
    let mut args = Args::within(&json["params"], way);
    let known = way == Way::Typed && json.as_object().is_some_and(|members| members.len() == 2);
    match json["type"].as_str().filter(|_| known) {
        Some("phone") if json["params"]["to_number"].is_string() => {
            let set = phone(args.text("to_number").unwrap());
            rest!(set, args, "from_number": text => from, "timeout": seconds => timeout,
                "call_state_url": text => call_state_url, "call_state_events": texts => call_state_events,
                "confirm": json => confirm, "confirm_timeout": seconds => confirm_timeout,
                "max_duration": whole => max_duration)
            .into()
        }
        Some("sip") if json["params"]["to"].is_string() => {
            let mut set = sip(args.text("to").unwrap());
            for header in args.json("headers").iter().flat_map(|headers| headers.as_array().unwrap()) {
                set = set.header(header["name"].as_str().unwrap(), header["value"].as_str().unwrap());
            }
            rest!(set, args, "from": text => from, "from_name": text => from_name, "timeout": seconds => timeout,
                "codecs": texts => codecs, "webrtc_media": flag => webrtc_media, "encryption": text => encryption,
                "username": text => username, "password": text => password,
                "session_timeout": seconds => session_timeout)
            .into()
        }
        Some("call_fabric") if json["params"]["to"].is_string() => {
            let set = fabric(args.text("to").unwrap());
            rest!(set, args, "from": text => from, "timeout": seconds => timeout).into()
        }
        Some("webrtc") if json["params"]["to"].is_string() => {
            let set = webrtc(args.text("to").unwrap());
            rest!(set, args, "from": text => from, "timeout": seconds => timeout, "codecs": texts => codecs).into()
        }
        Some("agora") if json["params"]["appid"].is_string() && json["params"]["channel"].is_string() => {
            let set = agora(args.text("appid").unwrap(), args.text("channel").unwrap());
            rest!(set, args, "from": text => from, "to": text => to, "timeout": seconds => timeout).into()
        }
        Some("stream") if json["params"]["url"].is_string() => {
            let set = stream_to(args.text("url").unwrap());
            rest!(set, args, "name": text => name, "codec": text => codec, "realtime": flag => realtime).into()
        }
        _ => {
            past("device", way);
            Device::raw(json.clone())
        }
    }
}

/// A detector of `{"type", "params"}`.
pub fn detector(json: &Value, way: Way) -> Detect {
    let mut args = Args::within(&json["params"], way);
    let known =
        way == Way::Typed && json["params"].is_object() && json.as_object().is_some_and(|members| members.len() == 2);
    let typed: Option<Detect> = match json["type"].as_str().filter(|_| known) {
        Some("machine") => Some(machine_of(machine(), &mut args).into()),
        Some("fax") => Some(set!(fax_tone(), args, "tone": text => tone).into()),
        Some("digit") => Some(set!(digit_detector(), args, "digits": text => digits).into()),
        _ => None,
    };
    typed.filter(|_| args.is_done()).unwrap_or_else(|| {
        past("detect", way);
        Detect::raw(json.clone())
    })
}

pub fn machine_of(set: Machine, args: &mut Args) -> Machine {
    set!(set, args, "initial_timeout": seconds => initial_timeout,
        "end_silence_timeout": seconds => end_silence_timeout,
        "machine_ready_timeout": seconds => machine_ready_timeout,
        "machine_voice_threshold": seconds => machine_voice_threshold,
        "machine_words_threshold": whole => machine_words_threshold,
        "detect_interruptions": flag => detect_interruptions, "detect_message_end": flag => detect_message_end)
}

/// The settings for input: of `collect`, and the object that goes with a prompt.
pub fn collecting(args: &mut Args) -> Collect {
    let mut set = Collect::new();
    if let Some(json) = args.json("digits") {
        let mut digits = Args::within(&json, args.way);
        let typed = if let Some(max) = digits.whole("max") { set.clone().or_digits(max) } else { set.clone() };
        let typed = set!(typed, digits, "min": whole => min, "terminators": text => terminators,
            "digit_timeout": seconds => digit_timeout);
        let fits = !args.is_raw() && digits.is_done() && json.as_object().is_some_and(|keys| !keys.is_empty());
        if !fits {
            past("digits", args.way);
        }
        set = if fits { typed } else { set.extra("digits", json) };
    }
    if let Some(json) = args.json("speech") {
        let mut speech = Args::within(&json, args.way);
        let typed = set!(set.clone().or_speech(), speech, "end_silence_timeout": seconds => end_silence_timeout,
            "speech_timeout": seconds => speech_timeout, "language": text => language, "hints": texts => hints,
            "engine": text => engine, "model": text => model);
        let fits = !args.is_raw() && speech.is_done() && json.is_object();
        if !fits {
            past("speech", args.way);
        }
        set = if fits { typed } else { set.extra("speech", json) };
    }
    set!(set, args, "initial_timeout": seconds => initial_timeout, "partial_results": flag => partial_results,
        "continuous": flag => continuous, "send_start_of_input": flag => send_start_of_input,
        "start_input_timers": flag => start_input_timers)
}

/// The `collect` of a prompt.
pub fn collect_within(args: &mut Args) -> Collect {
    let json = args.json("collect").expect("a prompt collects");
    let mut inner = Args::within(&json, args.way);
    let mut set = if !args.is_raw() { collecting(&mut inner) } else { Collect::new() };
    for (key, value) in inner.rest() {
        set = set.extra(key, value);
    }
    set
}

/// The parameters of a recording.
pub fn recording(args: &mut Args) -> Record {
    let Some(json) = args.json("audio") else { return Record::new() };
    let mut audio = Args::within(&json, args.way);
    let typed = set!(Record::new(), audio, "beep": flag => beep, "format": text => format, "stereo": flag => stereo,
        "direction": text => direction, "initial_timeout": seconds => initial_timeout,
        "end_silence_timeout": seconds => end_silence_timeout, "terminators": text => terminators,
        "input_sensitivity": number => input_sensitivity, "max_length": seconds => max_length);
    if !args.is_raw() && audio.is_done() {
        return typed;
    }
    past("audio", args.way);
    Record::new().extra("record", json!({"audio": json}))
}

pub fn speech(args: &mut Args) -> Tts {
    let text = args.text("text").expect("a text");
    set!(tts(text), args, "language": text => language, "gender": text => gender, "voice": text => voice)
}

pub fn file(args: &mut Args) -> Audio {
    audio(args.text("url").expect("a URL"))
}

pub fn quiet(args: &mut Args) -> Silence {
    silence(args.seconds("duration").expect("a duration"))
}

pub fn ringing(args: &mut Args) -> Ringtone {
    let name = args.text("name").expect("a name");
    set!(ringtone(name), args, "duration": seconds => duration)
}

/// The parameters of a tap, with its destination.
pub fn tapping(args: &mut Args) -> Tap {
    let device = tap_device(&args.json("device").expect("a device"), args.way);
    let json = args.json("tap").expect("what to tap");
    let mut inner = Args::within(&json["params"], args.way);
    let typed = set!(Tap::new(device.clone()), inner, "direction": text => direction);
    let known = json["type"] == "audio" && json["params"].is_object() && crate::json::members(&json).len() == 2;
    if known && !args.is_raw() && inner.is_done() {
        return typed;
    }
    past("tap", args.way);
    Tap::new(device).extra("tap", json)
}

fn tap_device(json: &Value, way: Way) -> TapDevice {
    let raw = || {
        past("device", way);
        TapDevice::raw(json.clone())
    };
    let mut args = Args::within(&json["params"], way);
    let known = way == Way::Typed && json.as_object().is_some_and(|members| members.len() == 2);
    match json["type"].as_str().filter(|_| known) {
        Some("rtp") => match (args.text("addr"), args.whole("port").and_then(|port| u16::try_from(port).ok())) {
            (Some(addr), Some(port)) => {
                rest!(rtp(addr, port), args, "codec": text => codec, "ptime": whole => ptime).into()
            }
            _ => raw(),
        },
        Some("ws") => match args.text("uri") {
            Some(uri) => rest!(ws(uri), args, "codec": text => codec, "rate": whole => rate).into(),
            None => raw(),
        },
        _ => raw(),
    }
}

/// A payment with what belongs to it in lists and words.
pub fn paying(args: &mut Args) -> Pay {
    let mut set = Pay::new(args.text("payment_connector_url").expect("a connector"));
    if let Some(types) = args.text("valid_card_types") {
        set = set.valid_card_types(types.as_str());
    }
    for (key, items) in [("parameters", args.items("parameters")), ("prompts", args.items("prompts"))] {
        let Some(items) = items else { continue };
        let typed = items.iter().try_fold(set.clone(), |set, item| match key {
            "parameters" => parameter(set, item),
            _ => Some(set.prompt(pay_prompt(item, args.way)?)),
        });
        set = typed.filter(|_| !args.is_raw()).unwrap_or_else(|| {
            past(key, args.way);
            set.extra(key, items)
        });
    }
    set
}

fn parameter(set: Pay, json: &Value) -> Option<Pay> {
    let mut args = Args::within(json, Way::Typed);
    let set = set.parameter(args.text("name")?, args.text("value")?);
    args.is_done().then_some(set)
}

fn pay_prompt(json: &Value, way: Way) -> Option<PayPrompt> {
    let mut args = Args::within(json, way);
    let mut set = PayPrompt::new(args.text("for")?);
    for action in args.items("actions")? {
        let mut inner = Args::within(&action, way);
        set = match (inner.text("type")?.as_str(), inner.text("phrase")?) {
            ("Say", phrase) => set.say(phrase),
            ("Play", url) => set.play(url),
            _ => return None,
        };
        if !inner.is_done() {
            return None;
        }
    }
    if let Some(faults) = args.words("error_type") {
        set = set.errors(faults.iter().map(|fault| fault.as_str().into()));
    }
    if let Some(types) = args.text("card_type") {
        set = set.card_type(types.as_str());
    }
    Some(rest!(set, args, "attempt": text => attempt,
        "require_matching_inputs": flag_in_text => require_matching_inputs))
}

/// A conference, with a stream of its audio.
pub fn conference(args: &mut Args) -> JoinConference {
    let set = JoinConference::new(args.text("name").expect("a name"));
    let Some(json) = args.json("stream_obj") else { return set };
    let mut inner = Args::within(&json, args.way);
    match inner.text("url").filter(|_| !args.is_raw()) {
        Some(url) => set.stream(rest!(stream_to(url), inner, "name": text => name, "codec": text => codec,
            "realtime": flag => realtime)),
        None => {
            past("stream_obj", args.way);
            set.stream(json)
        }
    }
}
