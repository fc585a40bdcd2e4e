//! The behaviour of the simulator, frame by frame: one scene for each family of verbs, each fault and each example.
//!
//! Each scene runs in virtual time with a fixed seed. Its canonical journal and its transcript have a digest in
//! `journals.txt`. A refactoring of the simulator leaves every digest unchanged. If one differs, the test writes the
//! journal to a file and names it; the same test on the commit before writes the other half of the comparison with
//! `JOURNALS=all`. A change that is meant to change frames replaces `journals.txt` by the file that the test names.

mod scenes;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::errors::Phase;
use signalwire_relay::simulator::interactions::InteractionKind;
use signalwire_relay::simulator::{Callee, Caller, Fault, Malformed, PersonOnCall, Simulator};
use signalwire_relay::{Call, Client, HandlerResult};

use self::scenes::{ALL, SCENES};
use crate::support::{builder, watched};

const DIGESTS: &str = include_str!("journals.txt");
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const OURS: &str = "+15559990000";
const ANN: &str = "+15551230000";
const BOB: &str = "+15552222222";

/// A person on the line, and a program that sends the requests of the scene.
struct Scene {
    sim: Simulator,
    client: Client,
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn spoken(text: &str) -> Value {
    json!([{"type": "tts", "params": {"text": text}}])
}

fn device(number: &str) -> Value {
    json!([[{"type": "phone", "params": {"to_number": number, "from_number": OURS}}]])
}

impl Scene {
    fn new() -> Self {
        let sim = Simulator::builder().virtual_time().seed(14).allow_violations().start().unwrap();
        let client = builder(&sim).request_timeout(10 * SECOND).connect().unwrap();
        Self { sim, client }
    }

    fn caller(&self) -> Caller {
        self.sim.caller(ANN).calls(OURS)
    }

    fn callee(&self) -> Callee {
        self.sim.callee(BOB)
    }

    fn offered(&self, caller: Caller) -> (PersonOnCall, Call) {
        let person = caller.dials();
        (person, self.client.next_call(MINUTE).unwrap())
    }

    /// A call that has been answered.
    fn answered(&self, caller: Caller) -> (PersonOnCall, Call) {
        let (person, call) = self.offered(caller);
        call.answer().unwrap();
        self.sim.advance(seconds(0.1));
        (person, call)
    }

    /// The number that a scene dials, once it has answered.
    fn dialled(&self) -> Call {
        let number = signalwire_relay::phone(BOB).from(OURS);
        let call = self.client.dial(number).unwrap();
        self.sim.advance(seconds(0.1));
        call
    }

    fn wait(&self, span: f64) {
        self.sim.advance(seconds(span));
    }

    /// Requests on a call, one after the other; what becomes of them is in the journal.
    fn on(&self, call: &Call, requests: &[(&str, Value)]) {
        for (method, params) in requests {
            let mut params = params.clone();
            params["call_id"] = call.id().into();
            params["node_id"] = call.node_id().into();
            self.ask(&format!("calling.{method}"), params);
        }
    }

    fn ask(&self, method: &str, params: Value) {
        // Rejections and missing responses are part of some scenes.
        drop(self.client.execute(method, params));
    }

    /// The journal and the transcript, after all that was still to come.
    fn story(self) -> String {
        self.sim.advance(4 * MINUTE);
        self.client.disconnect();
        let mut story = self.sim.journal().canonical().replace(env!("CARGO_PKG_VERSION"), "<version>");
        // An id that is a number alone depends on how much else was numbered before.
        for id in numbered(&story, "\"u-") {
            story = story.replace(&format!("\"u-{id}\""), "\"u-<number>\"");
        }
        for line in self.sim.transcript() {
            let _infallible = writeln!(story, "{}", without_file(&line));
        }
        // The digits and the words of people are in the transcript.
        let by_people = |kind: InteractionKind| matches!(kind, InteractionKind::Pressed | InteractionKind::Spoke);
        for interaction in self.sim.interactions().iter().filter(|interaction| !by_people(interaction.kind())) {
            let words = without_file(interaction.words());
            let _infallible =
                writeln!(story, "{:?} {} {words} {:?}", interaction.kind(), interaction.with(), interaction.lasted());
        }
        story + &self.sim.violations().len().to_string()
    }
}

/// A line without the ID in the name of a file of the simulator's.
fn without_file(line: &str) -> String {
    match line.split_once("files.simulator.invalid/") {
        Some((before, file)) => format!("{before}<file>{}", &file[36..]),
        None => line.to_owned(),
    }
}

fn numbered(text: &str, before: &str) -> Vec<String> {
    let ids = text.split(before).skip(1);
    ids.map(|rest| rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()).collect()
}

/// A short conversation while a fault is at work.
fn under(fault: Fault) -> String {
    let scene = Scene::new();
    // No frame is in flight when the scene begins, or when the connection is cut.
    scene.wait(1.0);
    let injected = scene.sim.inject(fault);
    scene.wait(0.5);
    let ann = scene.caller().when_asked_for_digits().presses("1").dials();
    let call = scene.client.next_call(20 * SECOND);
    if let Ok(call) = &call {
        scene.on(call, &[("answer", json!({})), ("play", json!({"control_id": "p", "play": spoken("Hello")}))]);
        scene.wait(3.0);
        scene.on(call, &[("collect", json!({"control_id": "c", "digits": {"max": 1}}))]);
        scene.wait(3.0);
        scene.on(call, &[("end", json!({}))]);
    }
    scene.sim.texts(ANN, OURS, "Hello");
    scene.wait(1.0);
    // The last handle passes on a call that is not known to be answered, so it outlives the events of the call's end.
    drop(call);
    scene.sim.drop_link();
    scene.wait(90.0);
    let times = injected.times();
    injected.remove();
    scene.wait(30.0);
    drop(ann);
    // An acknowledgement may come before or after the end of a connection.
    let mut story = scene.story();
    for at in numbered(&story, "\"acknowledged\":") {
        story = story.replace(&format!("\"acknowledged\":{at},"), "");
    }
    format!("{story}\n{times} times")
}

/// A fault of each name, and some narrowed ones.
fn faults() -> Vec<(String, Fault)> {
    let needs = |name: &str| match name {
        "latency" | "delay" => json!({"ms": 50, "jitter_ms": 30}),

        "flap" => json!({"up_ms": 9000, "down_ms": 3000}),
        "silence" | "garbage" | "cut_at" | "reset_at" | "http" => json!({"phase": "upgrade", "status": 503, "next": 2}),
        "drip" => json!({"phase": "upgrade", "every_ms": 2}),
        "refuse_connections" | "refuse_credentials" | "refuse_resume" => json!({"next": 2}),
        "refuse" => json!({"code": 500, "message": "no", "on": "calling.play"}),
        "lose" => json!({"only": "events", "probability": 0.3}),
        "stall" | "freeze" | "unanswered_pings" => json!({"after_ms": 1500, "lasting_ms": 40000}),
        "large_frame" => json!({"bytes": 30000}),
        "malformed" => json!({"kind": "wrong_types"}),
        "again" => json!({"event": "calling.call.state", "on": "calling.collect"}),
        "reset" | "cut" | "disconnect" | "pings" => json!({"on": "calling.call.play"}),
        _ => json!({}),
    };
    let mut all: Vec<(String, Fault)> = Vec::new();
    // The effects of a rate or of small pieces depend on the order of two frames; separate tests check these.
    for name in Fault::names().iter().filter(|name| !["bandwidth", "slices"].contains(name)) {
        let mut form = needs(name);
        for extra in ["status"].iter().filter(|_| *name != "http") {
            form.as_object_mut().unwrap().remove(*extra);
        }
        form["fault"] = (*name).into();
        all.push((format!("fault {name}"), Fault::from_json(&form).unwrap()));
    }
    for phase in [Phase::Tcp, Phase::Auth] {
        all.push((format!("fault silence {phase:?}"), Fault::silence(phase).for_next(1)));
        all.push((format!("fault reset_at {phase:?}"), Fault::reset_at(phase).for_next(1)));
    }
    all.push(("fault lose requests".into(), Fault::lose().requests().on("calling.play")));
    all.push(("fault reset on a request".into(), Fault::reset().on("calling.collect").for_next(1)));
    all.push(("fault disconnect with restart".into(), Fault::disconnect(true, true).after(4 * SECOND)));
    all.push(("fault close with a reason".into(), Fault::close(1012, "restart").after(4 * SECOND)));
    for kind in [Malformed::NotJson, Malformed::Deep, Malformed::Binary, Malformed::Masked] {
        all.push((format!("fault malformed {}", kind.name()), Fault::malformed(kind).after(2 * SECOND)));
    }
    all
}

/// The program of an example, with the people of its script.
fn example(name: &str) -> String {
    let scene = Scene::new();
    let caller = scene.caller();
    let program: fn(Call) -> HandlerResult = match name {
        "voice menu" => menu,
        "voicemail" => voicemail,
        _ => welcome,
    };
    scene.client.on_call(program);
    drop(scene.callee().answers().when_put_through().says("Hello, how can I help?"));
    let caller = match name {
        "voice menu" => {
            caller.when_asked_for_digits().presses("0").after_hearing("how can I help").says("Bye").hangs_up()
        }
        "voicemail" => caller.after_the_beep().says("Hello, this is Ann. Please call me ba").hangs_up(),
        _ => caller.after_hearing("welcome").hangs_up(),
    };
    drop(caller.dials().wait_ended(5 * MINUTE));
    scene.story()
}

fn menu(call: Call) -> HandlerResult {
    use signalwire_relay::{Collect, Connect, phone, tts};
    call.answer()?;
    let prompt = tts("Press 1 for sales, 2 for support, 0 for an agent.");
    let choice = call.prompt(prompt, Collect::digits(1).initial_timeout(10 * SECOND))?.wait(None)?;
    assert_eq!(choice.digits(), Some("0"));
    call.connect(Connect::new(phone(BOB).from(call.from_number())).ringback(tts("Please wait.")))?;
    call.wait_for_ended(None)?;
    Ok(())
}

fn voicemail(call: Call) -> HandlerResult {
    use signalwire_relay::{Record, tts};
    call.answer()?;
    call.play(tts("Leave a message after the beep, then press pound."))?.wait(None)?;
    drop(call.record(Record::new().beep(true).terminators("#"))?.wait(2 * MINUTE));
    drop(call.hangup());
    Ok(())
}

fn welcome(call: Call) -> HandlerResult {
    use signalwire_relay::tts;
    call.answer()?;
    drop(call.play(tts("Welcome to the machine"))?.wait(None));
    drop(call.hangup());
    Ok(())
}

/// FNV-1a: the same on every machine. The input is not hostile.
fn digest(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x} {}", text.lines().count())
}

fn directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("journals");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Compares stories with their digests, and keeps those that differ.
fn assert_as_recorded(part: &str, stories: Vec<(String, String)>) {
    let (mut lines, mut differ) = (String::new(), Vec::new());
    for (name, story) in stories {
        let line = format!("{name}: {}", digest(&story));
        let is_known = DIGESTS.lines().any(|known| known == line);
        if !is_known || std::env::var_os("JOURNALS").is_some() {
            fs::write(directory().join(format!("{name}.txt")), story).unwrap();
        }
        if !is_known {
            differ.push(name);
        }
        let _infallible = writeln!(lines, "{line}");
    }
    let digests = directory().join(format!("{part}.digests"));
    fs::write(&digests, lines).unwrap();
    assert!(differ.is_empty(), "{differ:?} went otherwise than recorded; see {}", digests.display());
}

fn scenes(events_first: bool) -> Vec<(String, String)> {
    let mut stories = Vec::new();
    for (name, play) in SCENES {
        let scene = Scene::new();
        let suffix = if events_first { ", events first" } else { "" };
        if events_first {
            ALL.iter().for_each(|method| scene.sim.events_before_reply(&format!("calling.{method}")));
            scene.sim.events_before_reply("messaging.send");
        }
        play(&scene);
        stories.push((format!("{name}{suffix}"), scene.story()));
    }
    stories
}

#[test]
fn every_verb_goes_as_recorded() {
    watched(|| assert_as_recorded("verbs", scenes(false)));
}

#[test]
fn every_verb_whose_events_come_first_goes_as_recorded() {
    watched(|| assert_as_recorded("events first", scenes(true)));
}

#[test]
fn every_fault_goes_as_recorded() {
    watched(|| {
        let stories = faults().into_iter().map(|(name, fault)| (name, under(fault)));
        assert_as_recorded("faults", stories.collect());
    });
}

#[test]
fn the_programs_of_examples_go_as_recorded() {
    watched(|| {
        let names = ["voice menu", "voicemail", "welcome"];
        assert_as_recorded("examples", names.map(|name| (format!("example {name}"), example(name))).into());
    });
}
