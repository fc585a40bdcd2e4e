//! The reference's methods, by name and with arguments by name, as calls of this crate.
//!
//! A method of the reference is one arm of [`call_method`] or [`client_method`]; its arguments are written down once,
//! by name, whichever of them a row gives. What has no arm yet is listed in [`NOT_COVERED`]. To cover a method: give it
//! an arm; when it starts an operation, a line in `started!`; and take it from the list.

use std::time::Duration;

use serde_json::{Map, Value, json};
use signalwire_relay::{
    Action, Answer, Audio, Call, Client, Collect, Connect, Detect, Device, Devices, Dial, DigitDetector, FaxDetector,
    Hangup, Machine, Media, Play, Playlist, Prompt, Record, Result, Ringtone, SendDigits, Silence, Sms, Tts, agora,
    audio, digit_detector, fabric, fax_tone, machine, phone, ringtone, silence, sip, sms, stream_to, tts, webrtc,
};

use super::wire::Count;

/// Methods of the reference that this crate does not have yet: the rows that need them are skipped, and counted.
pub const NOT_COVERED: &[&str] = &[
    "ai",
    "ai_hold",
    "ai_message",
    "ai_unhold",
    "amazon_bedrock",
    "bind_digit",
    "clear_digit_bindings",
    "denoise",
    "denoise_stop",
    "echo",
    "hold",
    "join_conference",
    "join_room",
    "leave_conference",
    "leave_room",
    "live_transcribe",
    "live_translate",
    "pay",
    "queue_enter",
    "queue_leave",
    "receive_fax",
    "refer",
    "send_fax",
    "stream",
    "tap",
    "transcribe",
    "transfer",
    "unhold",
    "user_event",
];

/// How nested JSON is given: through builders as far as they go, or as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Typed,
    Raw,
}

/// Arguments by name. Each is taken once, and none may be left.
pub struct Args {
    given: Map<String, Value>,
    extra: Map<String, Value>,
    way: Way,
}

impl Args {
    pub fn new(args: &Value, extra: &Value, way: Way) -> Self {
        let mut given = super::json::members(args);
        given.retain(|_, value| !value.is_null());
        Self { given, extra: super::json::members(extra), way }
    }

    /// The members of an object within.
    fn within(object: &Value, way: Way) -> Self {
        Self::new(object, &Value::Null, way)
    }

    fn json(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.json(name).map(|value| value.as_str().unwrap_or_else(|| panic!("{name}: {value} is no text")).to_owned())
    }

    fn number(&mut self, name: &str) -> Option<f64> {
        self.json(name).map(|value| value.as_f64().unwrap_or_else(|| panic!("{name}: {value} is no number")))
    }

    fn whole(&mut self, name: &str) -> Option<u32> {
        self.number(name).map(|number| number as u32)
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        self.json(name).map(|value| value.as_bool().unwrap_or_else(|| panic!("{name}: {value} is no flag")))
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        self.number(name).map(Duration::from_secs_f64)
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let items = self.json(name)?;
        let text = |item: &Value| item.as_str().unwrap_or_else(|| panic!("{name}: {item} is no text")).to_owned();
        Some(items.as_array().unwrap_or_else(|| panic!("{name}: {items} is no array")).iter().map(text).collect())
    }

    fn media(&mut self, name: &str) -> Option<Playlist> {
        let (items, way) = (self.json(name)?, self.way);
        let items = items.as_array().unwrap_or_else(|| panic!("{name}: {items} is no array"));
        Some(items.iter().map(|item| medium(item, way)).collect::<Vec<Media>>().into())
    }

    fn devices(&mut self, name: &str) -> Option<Devices> {
        let (groups, way) = (self.json(name)?, self.way);
        let group = |group: &Value| {
            let devices = group.as_array().unwrap_or_else(|| panic!("{name}: {group} is no group"));
            Devices::at_once(devices.iter().map(|json| device(json, way)))
        };
        let groups = groups.as_array().unwrap_or_else(|| panic!("{name}: {groups} is no array"));
        Some(Devices::in_order(groups.iter().map(group)))
    }

    fn is_done(&self) -> bool {
        self.given.is_empty()
    }

    /// Every argument has been taken, and there are no others beside them.
    fn done(self) {
        assert!(self.is_done(), "arguments that the method does not have: {:?}", self.given);
        assert!(self.extra.is_empty(), "open arguments of a method that takes none: {:?}", self.extra);
    }
}

/// Sets what is given: `"name": kind => setter`, where the kind is a method of [`Args`].
macro_rules! set {
    ($set:expr, $args:expr) => { $set };
    ($set:expr, $args:expr $(, $name:literal: $kind:ident => $setter:ident)+ $(,)?) => {{
        let mut set = $set;
        $( if let Some(value) = $args.$kind($name) { set = set.$setter(value); } )+
        set
    }};
}

/// As `set!`, for the set that a method sends: what is open goes into `extra`, and nothing may be left.
macro_rules! all {
    ($set:expr, $args:ident $($rest:tt)*) => {{
        let mut args: Args = $args;
        let mut set = set!($set, args $($rest)*);
        for (key, value) in std::mem::take(&mut args.extra) {
            set = set.extra(key, value);
        }
        args.done();
        set
    }};
}

/// As `set!`, for an object within: what no setter takes goes into `extra`.
macro_rules! rest {
    ($set:expr, $args:ident $($rest:tt)*) => {{
        let mut set = set!($set, $args $($rest)*);
        for (key, value) in $args.given {
            set = set.extra(key, value);
        }
        set
    }};
}

fn medium(json: &Value, way: Way) -> Media {
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
        _ => Media::raw(json.clone()),
    }
}

fn device(json: &Value, way: Way) -> Device {
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
        _ => Device::raw(json.clone()),
    }
}

/// A detector of `{"type", "params"}`.
fn detector(json: &Value, way: Way) -> Detect {
    let mut args = Args::within(&json["params"], way);
    let known =
        way == Way::Typed && json["params"].is_object() && json.as_object().is_some_and(|members| members.len() == 2);
    let typed: Option<Detect> = match json["type"].as_str().filter(|_| known) {
        Some("machine") => Some(machine_of(machine(), &mut args).into()),
        Some("fax") => Some(set!(fax_tone(), args, "tone": text => tone).into()),
        Some("digit") => Some(set!(digit_detector(), args, "digits": text => digits).into()),
        _ => None,
    };
    typed.filter(|_| args.is_done()).unwrap_or_else(|| Detect::raw(json.clone()))
}

fn machine_of(set: Machine, args: &mut Args) -> Machine {
    set!(set, args, "initial_timeout": seconds => initial_timeout,
        "end_silence_timeout": seconds => end_silence_timeout,
        "machine_ready_timeout": seconds => machine_ready_timeout,
        "machine_voice_threshold": seconds => machine_voice_threshold,
        "machine_words_threshold": whole => machine_words_threshold,
        "detect_interruptions": flag => detect_interruptions, "detect_message_end": flag => detect_message_end)
}

/// The settings for input: of `collect`, and the object that goes with a prompt.
fn collecting(args: &mut Args) -> Collect {
    let mut set = Collect::new();
    if let Some(json) = args.json("digits") {
        let mut digits = Args::within(&json, args.way);
        let typed = if let Some(max) = digits.whole("max") { set.clone().or_digits(max) } else { set.clone() };
        let typed = set!(typed, digits, "min": whole => min, "terminators": text => terminators,
            "digit_timeout": seconds => digit_timeout);
        let fits = args.way == Way::Typed && digits.is_done() && json.as_object().is_some_and(|keys| !keys.is_empty());
        set = if fits { typed } else { set.extra("digits", json) };
    }
    if let Some(json) = args.json("speech") {
        let mut speech = Args::within(&json, args.way);
        let typed = set!(set.clone().or_speech(), speech, "end_silence_timeout": seconds => end_silence_timeout,
            "speech_timeout": seconds => speech_timeout, "language": text => language, "hints": texts => hints,
            "engine": text => engine, "model": text => model);
        let fits = args.way == Way::Typed && speech.is_done() && json.is_object();
        set = if fits { typed } else { set.extra("speech", json) };
    }
    set!(set, args, "initial_timeout": seconds => initial_timeout, "partial_results": flag => partial_results,
        "continuous": flag => continuous, "send_start_of_input": flag => send_start_of_input,
        "start_input_timers": flag => start_input_timers)
}

/// The `collect` of a prompt.
fn collect_within(args: &mut Args) -> Collect {
    let json = args.json("collect").expect("a prompt collects");
    let mut inner = Args::within(&json, args.way);
    let mut set = if args.way == Way::Typed { collecting(&mut inner) } else { Collect::new() };
    for (key, value) in inner.given {
        set = set.extra(key, value);
    }
    set
}

/// What there is to record.
fn recording(args: &mut Args) -> Record {
    let Some(json) = args.json("audio") else { return Record::new() };
    let mut audio = Args::within(&json, args.way);
    let typed = set!(Record::new(), audio, "beep": flag => beep, "format": text => format, "stereo": flag => stereo,
        "direction": text => direction, "initial_timeout": seconds => initial_timeout,
        "end_silence_timeout": seconds => end_silence_timeout, "terminators": text => terminators,
        "input_sensitivity": number => input_sensitivity, "max_length": seconds => max_length);
    if args.way == Way::Typed && audio.is_done() {
        typed
    } else {
        Record::new().extra("record", json!({"audio": json}))
    }
}

fn speech(args: &mut Args) -> Tts {
    let text = args.text("text").expect("a text");
    set!(tts(text), args, "language": text => language, "gender": text => gender, "voice": text => voice)
}

fn file(args: &mut Args) -> Audio {
    audio(args.text("url").expect("a URL"))
}

fn quiet(args: &mut Args) -> Silence {
    silence(args.seconds("duration").expect("a duration"))
}

fn ringing(args: &mut Args) -> Ringtone {
    let name = args.text("name").expect("a name");
    set!(ringtone(name), args, "duration": seconds => duration)
}

/// What a method gave.
pub enum Outcome {
    /// Nothing but that it was accepted.
    Done,
    Started(Box<dyn Started>),
}

fn started<S: Started + 'static>(started: Result<S>) -> Result<Outcome> {
    started.map(|started| Outcome::Started(Box::new(started)))
}

fn done(done: Result<()>) -> Result<Outcome> {
    done.map(|()| Outcome::Done)
}

/// Calls a method of a call; `None` when there is none that would be the reference's of this name.
pub fn call_method(call: &Call, method: &str, mut args: Args) -> Option<Result<Outcome>> {
    Some(match method {
        "answer" if args.given.is_empty() && args.extra.is_empty() => done(call.answer()),
        "answer" => done(call.answer_with(all!(Answer::new(), args))),
        "hangup" if args.given.is_empty() && args.extra.is_empty() => done(call.hangup()),
        "hangup" => done(call.hangup_with(all!(Hangup::new(), args, "reason": text => reason))),
        "pass_" => {
            args.done();
            done(call.pass())
        }
        "play" => {
            let media = args.media("media").expect("media");
            started(call.play(all!(Play::new(media), args, "volume": number => volume, "direction": text => direction,
                "loop": whole => loops, "control_id": text => control_id)))
        }
        "play_tts" => {
            let media = speech(&mut args);
            started(match plain(&args) {
                true => call.play_tts(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_audio" => {
            let media = file(&mut args);
            started(match plain(&args) {
                true => call.play_audio(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_silence" => {
            let media = quiet(&mut args);
            started(match plain(&args) {
                true => call.play_silence(media),
                false => call.play(all!(Play::new(media), args)),
            })
        }
        "play_ringtone" => {
            let media = ringing(&mut args);
            started(match plain(&args) {
                true => call.play_ringtone(media),
                false => call.play(all!(Play::new(media), args, "volume": number => volume)),
            })
        }
        "play_and_collect" => {
            let (media, collect) = (args.media("media").expect("media"), collect_within(&mut args));
            let prompt = Prompt::new(media);
            started(call.play_and_collect(
                all!(prompt, args, "volume": number => volume, "control_id": text => control_id),
                collect,
            ))
        }
        "prompt_tts" => {
            let (media, collect) = (speech(&mut args), collect_within(&mut args));
            started(match plain(&args) {
                true => call.prompt_tts(media, collect),
                false => call.prompt(all!(Prompt::new(media), args, "volume": number => volume), collect),
            })
        }
        "prompt_audio" => {
            let (media, collect) = (file(&mut args), collect_within(&mut args));
            started(match plain(&args) {
                true => call.prompt_audio(media, collect),
                false => call.prompt(all!(Prompt::new(media), args, "volume": number => volume), collect),
            })
        }
        "record" => {
            let set = recording(&mut args);
            started(call.record(all!(set, args, "control_id": text => control_id)))
        }
        "collect" => {
            let set = collecting(&mut args);
            started(call.collect(all!(set, args, "control_id": text => control_id)))
        }
        "detect" => {
            let set = detector(&args.json("detect").expect("a detector"), args.way);
            started(call.detect(all!(set, args, "timeout": seconds => timeout, "control_id": text => control_id)))
        }
        "detect_digit" => {
            let set: DigitDetector =
                all!(digit_detector(), args, "digits": text => digits, "timeout": seconds => timeout);
            started(call.detect_digit(set))
        }
        "detect_fax" => {
            let set: FaxDetector = all!(fax_tone(), args, "tone": text => tone, "timeout": seconds => timeout);
            started(call.detect_fax(set))
        }
        "detect_answering_machine" => {
            let set = machine_of(machine(), &mut args);
            started(call.detect_answering_machine(all!(set, args, "timeout": seconds => timeout)))
        }
        "connect" => {
            let set = Connect::new(args.devices("devices").expect("devices"));
            let set = all!(set, args, "ringback": media => ringback, "tag": text => tag,
                "max_duration": whole => max_duration, "max_price_per_minute": number => max_price_per_minute,
                "status_url": text => status_url);
            call.connect(set).map(|_| Outcome::Done)
        }
        "disconnect" => {
            args.done();
            done(call.disconnect())
        }
        "send_digits" => {
            let set = SendDigits::new(args.text("digits").expect("digits"));
            done(call.send_digits(all!(set, args, "control_id": text => control_id)))
        }
        _ => return None,
    })
}

/// Whether nothing is left, so that the short form of a method will do.
fn plain(args: &Args) -> bool {
    args.given.is_empty() && args.extra.is_empty()
}

/// Calls a method of a client; as [`call_method`].
pub fn client_method(client: &Client, method: &str, mut args: Args) -> Option<Result<Outcome>> {
    Some(match method {
        "dial" => client.dial(dialled(args)).map(|_| Outcome::Done),
        "send_message" => client.send_message(message(args)).map(|_| Outcome::Done),
        "receive" => {
            let contexts = args.texts("contexts").expect("contexts");
            args.done();
            done(client.receive(contexts))
        }
        "unreceive" => {
            let contexts = args.texts("contexts").expect("contexts");
            args.done();
            done(client.unreceive(contexts))
        }
        "execute" => {
            let (method, params) = (args.text("method").expect("a method"), args.json("params").expect("params"));
            args.done();
            client.execute(&method, params).map(|_| Outcome::Done)
        }
        _ => return None,
    })
}

/// The text message of `send_message`.
pub fn message(mut args: Args) -> Sms {
    let set = sms(args.text("to_number").expect("a recipient"));
    all!(set, args, "from_number": text => from, "body": text => body, "context": text => context,
        "media": texts => media, "tags": texts => tags, "region": text => region)
}

/// What is dialled by `dial`.
pub fn dialled(mut args: Args) -> Dial {
    let set = Dial::new(args.devices("devices").expect("devices"));
    all!(set, args, "tag": text => tag, "max_duration": whole => max_duration, "dial_timeout": seconds => limit)
}

/// An operation, whatever it is.
pub trait Started: Send {
    fn control_id(&self) -> &str;
    fn is_done(&self) -> bool;
    /// The type and the payload of the event that it ended with.
    fn result(&self) -> Option<Result<(String, Value)>>;
    /// The same, by waiting for it.
    fn wait(&self, limit: Duration) -> Result<(String, Value)>;
    fn count_completions(&self, count: Count);
    /// Calls a method of the action; `None` when it has none that would be the reference's of this name.
    fn command(&self, method: &str, args: Args) -> Option<Result<()>>;
}

macro_rules! started {
    ($( $operation:ident: $($command:ident)*; )*) => { $(
        impl Started for Action<$operation> {
            fn control_id(&self) -> &str {
                self.control_id()
            }

            fn is_done(&self) -> bool {
                self.is_done()
            }

            fn result(&self) -> Option<Result<(String, Value)>> {
                Some(self.result()?.map(|event| (event.raw.name().to_string(), event.raw.value())))
            }

            fn wait(&self, limit: Duration) -> Result<(String, Value)> {
                self.wait(limit).map(|event| (event.raw.name().to_string(), event.raw.value()))
            }

            fn count_completions(&self, count: Count) {
                self.on_completed(move |_| count.add());
            }

            #[allow(unused_mut, unused_variables)]
            fn command(&self, method: &str, mut args: Args) -> Option<Result<()>> {
                $( if method == stringify!($command) {
                    let sent = started!(@ $command self args);
                    args.done();
                    return Some(sent);
                } )*
                None
            }
        }
    )* };
    (@ stop $action:ident $args:ident) => { $action.stop() };
    (@ pause $action:ident $args:ident) => {
        match $args.text("behavior") {
            Some(behavior) => $action.pause_with(behavior),
            None => $action.pause(),
        }
    };
    (@ resume $action:ident $args:ident) => { $action.resume() };
    (@ volume $action:ident $args:ident) => { $action.volume($args.number("volume").expect("a volume")) };
    (@ start_input_timers $action:ident $args:ident) => { $action.start_input_timers() };
}

started! {
    Play: stop pause resume volume;
    Record: stop pause resume;
    Detect: stop;
    Prompt: stop pause resume volume start_input_timers;
    Collect: stop start_input_timers;
}
