//! Properties for any input: JSON of every kind does no harm, and values are sent as they were set.
//!
//! The inputs are drawn from a seed, which a failing test prints. `CONFORMANCE_SEED` sets another one.

use std::time::Duration;

use serde_json::{Map, Value, json};
use signalwire_relay::events::{EventName, parse_event};
use signalwire_relay::media::ringtone;
use signalwire_relay::params::{Answer, Hangup, Prompt, SendDigits, Sms, digit_detector, fax_tone};
use signalwire_relay::{
    Call, Client, Collect, Connect, Detect, Dial, ErrorKind, Play, Record, machine, phone, sip, sms, tts,
};

use super::json::same;
use super::wire::{Answers, LONG, Link, Wire};

/// A generator of numbers: xorshift, which is good enough to be all over the place.
struct Dice(u64);

impl Dice {
    fn new(test: &str) -> Self {
        let given = std::env::var("CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed: u64 = given.unwrap_or(0x5157_2026);
        println!("{test}: CONFORMANCE_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    // JSON.

    fn string(&mut self) -> String {
        let pieces = [
            "",
            "a",
            "+15551230001",
            "finished",
            "error",
            "\"",
            "\\",
            "\n\r\t",
            "\u{0}\u{1f}",
            "ü",
            "🎉",
            "\u{2028}",
            "null",
            "{}",
            "1",
            "-0.0",
            "true",
            " ",
            "c-live",
            "k-live",
            "t-live",
            "m-live",
            "\u{feff}",
        ];
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            text.push_str(self.pick(&pieces));
        }
        text
    }

    fn key(&mut self) -> String {
        if self.one_in(4) {
            return self.string();
        }
        let known = [
            "call_id",
            "control_id",
            "node_id",
            "tag",
            "state",
            "call_state",
            "dial_state",
            "message_state",
            "device",
            "end_reason",
            "reason",
            "peer",
            "parent",
            "call",
            "url",
            "duration",
            "size",
            "record",
            "result",
            "final",
            "detect",
            "fax",
            "tap",
            "status",
            "name",
            "position",
            "media",
            "tags",
            "segments",
            "type",
            "params",
            "code",
            "message",
            "event",
            "timestamp",
            "direction",
            "context",
            "project_id",
            "segment_id",
            "message_id",
            "id",
            "error",
            "jsonrpc",
            "method",
            "event_type",
            "event_channel",
            "authorization_state",
            "conference_id",
        ];
        self.pick(&known).to_owned()
    }

    fn number(&mut self) -> Value {
        match self.below(8) {
            0 => json!(0),
            1 => json!(-1),
            2 => json!(u64::MAX),
            3 => json!(i64::MIN),
            4 => json!(1e308),
            5 => json!(-2.5),
            6 => json!(200),
            _ => json!(self.roll()),
        }
    }

    fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => self.number(),
            3 | 4 => Value::String(self.string()),
            5 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let members: Map<String, Value> = (0..self.below(7)).map(|_| (self.key(), self.json(depth))).collect();
        Value::Object(members)
    }

    /// The parameters of an event: mostly of a known type, with members that are mostly known.
    fn event(&mut self) -> Value {
        let mut event = json!({});
        if !self.one_in(12) {
            let names: Vec<&str> = EventName::ALL.iter().map(EventName::as_str).collect();
            event["event_type"] = self.pick(&names).into();
        }
        if !self.one_in(12) {
            event["params"] = if self.one_in(6) { self.json(2) } else { self.object(3) };
        }
        while self.one_in(2) {
            let (key, value) = (self.key(), self.json(2));
            event[key] = value;
        }
        event
    }
}

#[test]
fn any_json_is_an_event() {
    let mut dice = Dice::new("any_json_is_an_event");
    for number in 0..20_000 {
        let envelope = if dice.one_in(10) { dice.json(3) } else { dice.event() };
        let event = parse_event(&envelope);
        let said = envelope.get("params");
        assert_eq!(event.raw().value(), said.cloned().unwrap_or_else(|| json!({})), "{number}: {envelope}");
        let text = |key| said?.get(key)?.as_str().filter(|text| !text.is_empty());
        assert_eq!(
            (event.call_id(), event.control_id()),
            (text("call_id"), text("control_id")),
            "{number}: {envelope}"
        );
        let kind = envelope.get("event_type").and_then(Value::as_str).unwrap_or_default();
        assert_eq!(event.name(), *kind, "{number}: {envelope}");
        // Printing it reads every field.
        let _ = format!("{event:?}");
    }
}

/// A frame of any kind: JSON, nearly JSON, and text that is none.
fn any_frame(dice: &mut Dice, number: usize) -> String {
    let id = if dice.one_in(6) { dice.json(1) } else { json!(format!("any-{number}")) };
    let mut frame = match dice.below(10) {
        0 => dice.json(4),
        1 => json!({"jsonrpc": "2.0", "id": id, "result": dice.json(3)}),
        2 => json!({"jsonrpc": "2.0", "id": id, "error": dice.json(3)}),
        3 => json!({"jsonrpc": dice.json(1), "id": id, "method": dice.json(1), "params": dice.json(3)}),
        4 => json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.ping", "params": dice.json(3)}),
        5 => json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": dice.json(3)}),
        _ => json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": dice.event()}),
    };
    if frame["method"] == "signalwire.disconnect" {
        frame = Value::Null;
    }
    let mut text = frame.to_string();
    match dice.below(20) {
        0 => {
            // Cut off in the middle of anything but a character.
            let mut end = dice.below(text.len() + 1);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        1 => text = text.replacen("\"params\"", "\"params\":1,\"params\"", 1),
        2 => text.push_str(" x"),
        3 => text = format!("{}{}", "[".repeat(500), "]".repeat(500)),
        4 => text = text.replacen("\"id\"", "\"\\ud800\"", 1),
        5 => text = dice.string(),
        _ => {}
    }
    text
}

/// Whether something that could end what the test holds is in a frame. Anything else may be.
fn concerns_what_lives(text: &str) -> bool {
    text.contains("-live")
}

#[test]
fn any_frame_harms_neither_the_connection_nor_what_runs() {
    let mut dice = Dice::new("any_frame_harms_neither_the_connection_nor_what_runs");
    let wire = Wire::new();
    let (client, link) = wire.connect(wire.builder().tuning(|t| t.max_unclaimed(8)));
    let call = link.offer(&client, "c-live", "n-live", "answered");
    let heard = super::wire::Count::default();
    {
        let heard = heard.clone();
        call.on("calling.call.play", move |_| heard.add());
    }
    let playing = call.play(Play::new(tts("x")).control_id("k-live")).unwrap();
    let dialing = client.start_dial(Dial::new(phone("+15550001111")).tag("t-live")).unwrap();
    let sent = client.send_message(sms("+1").from("+2").body("x")).unwrap();
    for number in 0..5_000 {
        let text = any_frame(&mut dice, number);
        if !concerns_what_lives(&text) {
            link.send_text(&text);
        }
        if number % 500 == 0 {
            link.handled();
            client.execute("calling.x", json!({})).unwrap_or_else(|error| panic!("{number}: {error}"));
        }
    }
    link.handled();
    assert_eq!((client.stats().connections, client.stats().panics), (1, 0));
    // The operations from before continue, and end normally.
    assert!(!playing.is_done() && !sent.is_done());
    let of_play = json!({"call_id": "c-live", "control_id": "k-live", "state": "finished"});
    link.send(&link.event(&json!({"event_type": "calling.call.play", "params": of_play})));
    assert_eq!(playing.wait(LONG).unwrap().control_id, "k-live");
    heard.await_number(1, "the listener");
    let of_message = json!({"message_id": sent.id(), "message_state": "delivered"});
    link.send(&link.event(&json!({"event_type": "messaging.state", "params": of_message})));
    assert_eq!(sent.wait(LONG).unwrap().state, "delivered");
    let leg = json!({"call_id": "c-2", "node_id": "n-2", "dial_winner": true});
    let of_dial = json!({"tag": "t-live", "dial_state": "answered", "call": leg});
    link.send(&link.event(&json!({"event_type": "calling.call.dial", "params": of_dial})));
    assert_eq!(dialing.wait(LONG).unwrap().id(), "c-2");
    client.disconnect();
}

/// Events about the call, the operation, the dial and the message itself may end them, and nothing else. Every wait
/// ends.
#[test]
fn any_event_of_what_runs_ends_it_at_most() {
    let mut dice = Dice::new("any_event_of_what_runs_ends_it_at_most");
    let wire = Wire::new();
    // A recording is not waited for any longer, once its call has ended.
    let (client, link) = wire.connect(wire.builder().tuning(|t| t.final_event_grace(Duration::from_millis(5))));
    for round in 0..100 {
        let (call_id, tag) = (format!("c-{round}"), format!("t-{round}"));
        let call = link.offer(&client, &call_id, "n-1", "answered");
        call.on_any(|event| drop(format!("{event:?}")));
        let mut events = call.events();
        let play = call.play(Play::new(tts("x")).control_id("k")).unwrap();
        let prompt = call.prompt(Prompt::new(tts("x")).control_id("p"), Collect::digits(1)).unwrap();
        let record = call.record(Record::new().control_id("r")).unwrap();
        let detect = call.detect(machine().control_id("d")).unwrap();
        let dialing = client.start_dial(Dial::new(phone("+1")).tag(&tag)).unwrap();
        for _ in 0..30 {
            let mut event = dice.event();
            let mut params = dice.object(3);
            for (key, values) in [
                ("call_id", [call_id.as_str(), "c-x"].as_slice()),
                ("control_id", &["k", "p", "r", "d"]),
                ("tag", &[tag.as_str()]),
                ("message_id", &["m-1"]),
            ] {
                if !dice.one_in(4) {
                    params[key] = dice.pick(values).into();
                }
            }
            event["params"] = params;
            link.send(&link.event(&event));
        }
        link.handled();
        link.send(&link.event(&json!({"event_type": "calling.call.state", "params": {
            "call_id": call_id, "call_state": "ended", "end_reason": "hangup",
        }})));
        call.wait_for_ended(LONG).unwrap();
        for ended in [
            play.wait(LONG).map(drop),
            prompt.wait(LONG).map(drop),
            record.wait(LONG).map(drop),
            detect.wait(LONG).map(drop),
        ] {
            assert!(ended.as_ref().err().is_none_or(signalwire_relay::Error::is_call_gone), "{ended:?}");
        }
        while events.next_within(LONG).is_some() {}
        dialing.cancel();
        assert_eq!((client.stats().connections, client.stats().panics), (1, 0), "round {round}");
    }
    client.execute("calling.x", json!({})).unwrap();
    client.disconnect();
}

#[test]
fn any_answer_is_an_answer() {
    let mut dice = Dice::new("any_answer_is_an_answer");
    let wire = Wire::new();
    let (client, link) = wire.client();
    for number in 0..300 {
        link.set_answers(Answers::Ok);
        let call = link.offer(&client, &format!("c-{number}"), "n-1", "answered");
        let mut members = json!({});
        let any = if dice.one_in(2) { dice.object(3) } else { dice.json(3) };
        match dice.below(5) {
            0 | 1 => members["result"] = any,
            2 | 3 => members["error"] = any,
            _ => {
                members["result"] = any;
                members["error"] = dice.json(2);
            }
        }
        link.set_answers(Answers::Always(members.clone()));
        // The dial gets no answer, and only receives events.
        let dialing = client.start_dial(phone("+1")).unwrap();
        let errors = [
            client.execute("calling.x", json!({})).err(),
            client.send_message(sms("+1").body("x")).err(),
            client.receive(["x"]).err(),
            call.execute("calling.x", json!({})).err(),
            call.connect(phone("+1")).err(),
            call.play(tts("x")).err(),
            call.answer().err(),
            call.hangup().err(),
        ];
        for error in errors.into_iter().flatten() {
            // The frame is taken for a response, and ends the wait.
            assert!(!error.is_timeout(), "{number}: {members}: {error:?}");
            let acts_outside = matches!(error.method(), Some("messaging.send" | "calling.connect"));
            let is_open = error.kind() == ErrorKind::OutcomeUnknown;
            assert!(!is_open || (acts_outside && error.server_message().is_some()), "{number}: {members}: {error:?}");
        }
        dialing.cancel();
        assert_eq!((client.stats().connections, client.stats().panics), (1, 0), "{number}: {members}");
    }
    link.set_answers(Answers::Ok);
    client.execute("calling.x", json!({})).unwrap();
    client.disconnect();
}

#[test]
fn an_answer_that_says_nothing_ends_its_request_too() {
    let wire = Wire::new();
    let (client, link) = wire.connect(wire.builder().request_timeout(Duration::from_millis(200)));
    link.set_answers(Answers::Always(json!({})));
    let error = client.execute("calling.x", json!({})).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Protocol | ErrorKind::Rejected), "{error:?}");
    link.set_answers(Answers::Ok);
    client.execute("calling.x", json!({})).unwrap();
    assert_eq!(client.stats().connections, 1);
    client.disconnect();
}

#[test]
fn any_result_of_the_first_request_makes_a_client() {
    let mut dice = Dice::new("any_result_of_the_first_request_makes_a_client");
    let wire = Wire::new();
    for number in 0..200 {
        let mut result = dice.json(3);
        if let Some(members) = result.as_object_mut() {
            // A code may say that the credentials are refused, which takes its time; so may one within.
            members.remove("code");
            members.remove("result");
        }
        wire.set_connect_result(result.clone());
        let client = wire.builder().connect().unwrap_or_else(|error| panic!("{number}: {result}: {error}"));
        client.execute("calling.x", json!({})).unwrap();
        client.disconnect();
    }
}

// Builders.

/// Values for setters, each with what it is on the wire; `null` is not sent.
impl Dice {
    fn a_text(&mut self) -> (String, Value) {
        let text = self.string();
        (text.clone(), text.into())
    }

    /// Where an empty text means that there is none.
    fn a_name(&mut self) -> (String, Value) {
        if self.one_in(5) {
            return (String::new(), Value::Null);
        }
        let name = format!("{}{}", self.string(), self.roll());
        (name.clone(), name.into())
    }

    fn a_flag(&mut self) -> (bool, Value) {
        let flag = self.one_in(2);
        (flag, flag.into())
    }

    fn a_count(&mut self) -> (u32, Value) {
        let count = if self.one_in(3) { 0 } else { self.roll() as u32 };
        (count, count.into())
    }

    /// Where 0 means that there is none.
    fn a_nonzero(&mut self) -> (u32, Value) {
        let (count, json) = self.a_count();
        (count, if count == 0 { Value::Null } else { json })
    }

    fn a_number(&mut self) -> (f64, Value) {
        let number = if self.one_in(3) { 0.0 } else { self.below(100_000) as f64 / 8.0 - 6000.0 };
        (number, number.into())
    }

    fn a_time(&mut self) -> (Duration, Value) {
        let millis = if self.one_in(4) { 0 } else { self.below(1_000_000) as u64 };
        (Duration::from_millis(millis), (millis as f64 / 1000.0).into())
    }

    /// Rounded up.
    fn a_whole_time(&mut self) -> (Duration, Value) {
        let (time, _) = self.a_time();
        (time, time.as_millis().div_ceil(1000).to_string().parse::<u64>().unwrap().into())
    }

    fn texts(&mut self) -> (Vec<String>, Value) {
        let texts: Vec<String> = (0..self.below(4)).map(|_| self.string()).collect();
        (texts.clone(), texts.into())
    }

    /// A list of strings, or an empty list that means that there is none.
    fn some_texts(&mut self) -> (Vec<String>, Value) {
        let (texts, json) = self.texts();
        let json = if texts.is_empty() { Value::Null } else { json };
        (texts, json)
    }

    fn any(&mut self) -> (Value, Value) {
        let json = self.object(2);
        (json.clone(), json)
    }
}

/// Puts a value at a path with dots.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().expect("a path has a key");
    for key in keys {
        if at[key].is_null() {
            at[key] = json!({});
        }
        at = &mut at[key];
    }
    if value.is_null() {
        at.as_object_mut().expect("an object").remove(last);
    } else {
        at[last] = value;
    }
}

/// Calls some of the setters, and says what is on the wire then.
macro_rules! some_of {
    ($dice:ident, $set:expr, $sent:expr, { $( $setter:ident: $kind:ident => $path:literal ),* $(,)? }) => {{
        let (mut set, mut sent) = ($set, $sent);
        $( if $dice.one_in(2) {
            let (value, json) = $dice.$kind();
            set = set.$setter(value);
            put(&mut sent, $path, json);
        } )*
        while $dice.one_in(3) {
            let (key, value) = (format!("x-{}", $dice.string()), $dice.json(2));
            set = set.extra(key.clone(), value.clone());
            sent[key] = value;
        }
        (set, sent)
    }};
}

/// A test object: a client with a call, and what both send.
struct Sender {
    client: Client,
    link: Link,
    call: Call,
}

impl Sender {
    /// Compares the one request that was sent with what was set.
    fn check(&self, method: &str, mut set: Value) {
        let sent = self.link.requests(&self.client);
        let [request] = sent.as_slice() else { panic!("one request: {sent:?}") };
        let mut sent = request["params"].clone();
        if method.starts_with("calling.") && method != "calling.dial" {
            put(&mut set, "call_id", "c-live".into());
            put(&mut set, "node_id", "n-live".into());
        }
        // Values that are not named are generated.
        for key in ["control_id", "tag", "context"] {
            if set.get(key).is_none() && sent.get(key).is_some_and(|name| name.as_str() != Some("")) {
                put(&mut sent, key, Value::Null);
            }
        }
        assert_eq!(request["method"], method);
        assert!(same(&set, &sent), "{method}\nset:  {set}\nsent: {sent}");
    }
}

#[test]
fn what_is_set_is_what_is_sent() {
    let mut dice = Dice::new("what_is_set_is_what_is_sent");
    let wire = Wire::new();
    let (client, link, call) = wire.call("c-live", "n-live", "answered");
    let sender = Sender { client, link, call };
    for _ in 0..60 {
        operations(&mut dice, &sender);
        detectors(&mut dice, &sender);
        commands(&mut dice, &sender);
        client_methods(&mut dice, &sender);
    }
    assert_eq!((sender.client.stats().connections, sender.client.stats().panics), (1, 0));
    sender.client.disconnect();
}

fn speech(dice: &mut Dice) -> (signalwire_relay::media::Tts, Value) {
    let (text, json) = dice.a_text();
    let (media, params) = some_of!(dice, tts(text), json!({ "text": json }), {
        language: a_text => "language", gender: a_text => "gender", voice: a_text => "voice",
    });
    (media, json!({"type": "tts", "params": params}))
}

fn input(dice: &mut Dice) -> (Collect, Value) {
    // Settings of a kind of input come with it.
    let (mut set, mut sent) = (Collect::new(), json!({}));
    if dice.one_in(2) {
        let (max, json) = dice.a_count();
        set = set.or_digits(max);
        put(&mut sent, "digits.max", json);
    }
    if dice.one_in(2) {
        set = set.or_speech();
        put(&mut sent, "speech", json!({}));
    }
    some_of!(dice, set, sent, {
        min: a_count => "digits.min", terminators: a_text => "digits.terminators",
        digit_timeout: a_time => "digits.digit_timeout", end_silence_timeout: a_time => "speech.end_silence_timeout",
        speech_timeout: a_time => "speech.speech_timeout", language: a_text => "speech.language",
        hints: texts => "speech.hints", engine: a_text => "speech.engine", model: a_text => "speech.model",
        initial_timeout: a_time => "initial_timeout", partial_results: a_flag => "partial_results",
        continuous: a_flag => "continuous", send_start_of_input: a_flag => "send_start_of_input",
        start_input_timers: a_flag => "start_input_timers",
    })
}

fn operations(dice: &mut Dice, sender: &Sender) {
    let (media, json) = speech(dice);
    let (set, sent) = some_of!(dice, Play::new(media), json!({ "play": [json] }), {
        volume: a_number => "volume", direction: a_text => "direction", loops: a_count => "loop",
        control_id: a_name => "control_id", status_url: a_text => "status_url", language: a_text => "language",
        voice: a_text => "voice", gender: a_text => "gender",
    });
    let _ = sender.call.play(set).unwrap();
    sender.check("calling.play", sent);

    let (media, params) = some_of!(dice, ringtone("us"), json!({"name": "us"}), { duration: a_time => "duration" });
    let (collect, collected) = input(dice);
    let sent = json!({"play": [{"type": "ringtone", "params": params}], "collect": collected});
    let (set, sent) = some_of!(dice, Prompt::new(media), sent, {
        volume: a_number => "volume", control_id: a_name => "control_id", status_url: a_text => "status_url",
    });
    let _ = sender.call.prompt(set, collect).unwrap();
    sender.check("calling.play_and_collect", sent);

    let (set, sent) = input(dice);
    let (set, sent) =
        some_of!(dice, set, sent, { control_id: a_name => "control_id", status_url: a_text => "status_url" });
    let _ = sender.call.collect(set).unwrap();
    sender.check("calling.collect", sent);

    let (set, sent) = some_of!(dice, Record::new(), json!({"record": {"audio": {}}}), {
        beep: a_flag => "record.audio.beep", format: a_text => "record.audio.format",
        stereo: a_flag => "record.audio.stereo", direction: a_text => "record.audio.direction",
        initial_timeout: a_time => "record.audio.initial_timeout",
        end_silence_timeout: a_time => "record.audio.end_silence_timeout",
        terminators: a_text => "record.audio.terminators", input_sensitivity: a_number => "record.audio.input_sensitivity",
        max_length: a_time => "record.audio.max_length", control_id: a_name => "control_id",
        status_url: a_text => "status_url",
    });
    let _ = sender.call.record(set).unwrap();
    sender.check("calling.record", sent);
}

fn detectors(dice: &mut Dice, sender: &Sender) {
    let (set, sent) = some_of!(dice, machine(), json!({"detect": {"type": "machine", "params": {}}}), {
        initial_timeout: a_time => "detect.params.initial_timeout",
        end_silence_timeout: a_time => "detect.params.end_silence_timeout",
        machine_ready_timeout: a_time => "detect.params.machine_ready_timeout",
        machine_voice_threshold: a_time => "detect.params.machine_voice_threshold",
        machine_words_threshold: a_count => "detect.params.machine_words_threshold",
        detect_interruptions: a_flag => "detect.params.detect_interruptions",
        detect_message_end: a_flag => "detect.params.detect_message_end",
        timeout: a_time => "timeout", control_id: a_name => "control_id", status_url: a_text => "status_url",
    });
    let _ = sender.call.detect_answering_machine(set).unwrap();
    sender.check("calling.detect", sent);

    let (set, sent) = some_of!(dice, fax_tone(), json!({"detect": {"type": "fax", "params": {}}}), {
        tone: a_text => "detect.params.tone", timeout: a_time => "timeout", control_id: a_name => "control_id",
        status_url: a_text => "status_url",
    });
    let _ = sender.call.detect_fax(set).unwrap();
    sender.check("calling.detect", sent);

    let (set, sent) = some_of!(dice, digit_detector(), json!({"detect": {"type": "digit", "params": {}}}), {
        digits: a_text => "detect.params.digits", timeout: a_time => "timeout", control_id: a_name => "control_id",
        status_url: a_text => "status_url",
    });
    let _ = sender.call.detect_digit(set).unwrap();
    sender.check("calling.detect", sent);

    let (raw, json) = dice.any();
    let (set, sent) = some_of!(dice, Detect::raw(raw), json!({ "detect": json }), {
        timeout: a_time => "timeout", control_id: a_name => "control_id", status_url: a_text => "status_url",
    });
    let _ = sender.call.detect(set).unwrap();
    sender.check("calling.detect", sent);
}

fn commands(dice: &mut Dice, sender: &Sender) {
    let (set, sent) = some_of!(dice, Answer::new(), json!({}), {
        codecs: texts => "codecs", max_duration: a_whole_time => "max_duration",
    });
    sender.call.answer_with(set).unwrap();
    sender.check("calling.answer", sent);

    let (set, sent) = some_of!(dice, Hangup::new(), json!({"reason": "hangup"}), { reason: a_reason => "reason" });
    sender.call.hangup_with(set).unwrap();
    sender.check("calling.end", sent);

    let (digits, json) = dice.a_text();
    let (set, sent) =
        some_of!(dice, SendDigits::new(digits), json!({ "digits": json }), { control_id: a_name => "control_id" });
    sender.call.send_digits(set).unwrap();
    sender.check("calling.send_digits", sent);

    let (device, params) = some_of!(dice, sip("sip:a@b"), json!({"to": "sip:a@b"}), {
        from: a_text => "from", from_name: a_text => "from_name", timeout: a_whole_time => "timeout",
        codecs: texts => "codecs", webrtc_media: a_flag => "webrtc_media", encryption: a_text => "encryption",
        username: a_text => "username", password: a_text => "password",
        session_timeout: a_whole_time => "session_timeout", call_state_url: a_text => "call_state_url",
        call_state_events: texts => "call_state_events", confirm: any => "confirm",
        confirm_timeout: a_whole_time => "confirm_timeout",
    });
    let (media, played) = speech(dice);
    let (set, mut sent) = some_of!(dice, Connect::new(device), json!({"devices": [[{"type": "sip", "params": params}]]}), {
        tag: a_text => "tag", max_duration: a_count => "max_duration",
        max_price_per_minute: a_number => "max_price_per_minute", status_url: a_text => "status_url",
        timeout: a_time => "timeout", send_digits: a_text => "send_digits",
    });
    put(&mut sent, "ringback", json!([played]));
    sender.call.connect(set.ringback(media)).unwrap();
    sender.check("calling.connect", sent);
}

/// A reason that is none of the service's own, which are read in any case, and written in theirs.
impl Dice {
    fn a_reason(&mut self) -> (String, Value) {
        let (text, _) = self.a_text();
        let text = format!("my {text}");
        (text.clone(), text.into())
    }
}

fn client_methods(dice: &mut Dice, sender: &Sender) {
    let (device, params) = some_of!(dice, phone("+1555"), json!({"to_number": "+1555"}), {
        from: a_text => "from_number", timeout: a_whole_time => "timeout", call_state_url: a_text => "call_state_url",
        call_state_events: texts => "call_state_events", confirm: any => "confirm",
        confirm_timeout: a_whole_time => "confirm_timeout", max_duration: a_count => "max_duration",
    });
    let (set, sent) = some_of!(dice, Dial::new(device), json!({"devices": [[{"type": "phone", "params": params}]]}), {
        tag: a_name => "tag", max_duration: a_nonzero => "max_duration", region: a_text => "region",
        max_price_per_minute: a_number => "max_price_per_minute", ring_timeout: a_time => "timeout",
        send_digits: a_text => "send_digits", dest_swml: any => "dest_swml",
    });
    let dialing = sender.client.start_dial(set).unwrap();
    sender.check("calling.dial", sent);
    drop(dialing);

    let to = format!("+{}", dice.roll());
    let set: Sms = sms(&*to).body("x");
    let (set, sent) = some_of!(dice, set, json!({"to_number": to, "body": "x"}), {
        from: a_text => "from_number", media: some_texts => "media", tags: some_texts => "tags",
        region: a_name => "region", context: a_name => "context", tag: a_text => "tag",
        status_callback: a_text => "status_callback", send_as_mms: a_flag => "send_as_mms",
        message_type: a_text => "message_type", template_id: a_text => "template_id",
        header_template_parameters: any => "header_template_parameters",
        body_template_parameters: any => "body_template_parameters",
        button_template_parameters: any => "button_template_parameters",
    });
    sender.client.send_message(set).unwrap();
    sender.check("messaging.send", sent);

    let params = dice.object(3);
    sender.client.execute("calling.any", params.clone()).unwrap();
    let sent = sender.link.requests(&sender.client);
    assert_eq!((sent.len(), &sent[0]["params"]), (1, &params));
}
