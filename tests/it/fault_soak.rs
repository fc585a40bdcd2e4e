//! Programs, and faults of every name, drawn from a seed: no wait hangs, no request is repeated, no state goes back,
//! and after the faults the client works and its tables are empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::devices::Devices;
use signalwire_relay::params::Pay;
use signalwire_relay::simulator::{Fault, FrameKind, Malformed, PersonOnCall, Simulator, VirtualThread};
use signalwire_relay::{
    Call, Client, Collect, Dial, Error, ErrorKind, Event, Message, Record, machine, phone, silence, sms, tts,
};

use crate::support::{each, left};

const SECOND: Duration = Duration::from_secs(1);
/// Timeout of every wait of the programs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time in which faults begin and programs are started.
const TROUBLE: Duration = Duration::from_secs(1800);
/// Time after which a client no longer follows a call or message without events.
const FORGETS: Duration = Duration::from_secs(600);
/// A request ends after 10 s, and a hang-up may consist of two.
const REQUEST: Duration = Duration::from_secs(21);
/// An attempt to connect that hangs, the longest pause, and another attempt.
const BACK: Duration = Duration::from_secs(60);

/// The seeds of the suite; others with `SOAK_SEEDS=from..to`.
const SEEDS: std::ops::Range<u64> = 0..20;
/// Seeds that have failed once.
const FAILED_ONCE: &[u64] = &[37, 382, 477, 522, 1240, 1373, 1983, 2066, 2269, 2312, 2849, 3906, 3985, 6577, 7506];

/// Numbers drawn from a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from the first to the one before the last.
    fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.within(0, of.len() as u64)).unwrap()]
    }
}

const METHODS: &[&str] = &[
    "calling.answer",
    "calling.play",
    "calling.play_and_collect",
    "calling.record",
    "calling.connect",
    "calling.dial",
    "calling.end",
    "calling.pay",
    "messaging.send",
];
const EVENTS: &[&str] = &[
    "calling.call.receive",
    "calling.call.state",
    "calling.call.play",
    "calling.call.collect",
    "calling.call.record",
    "calling.call.dial",
    "calling.call.connect",
    "messaging.state",
];

/// The keys of a fault alone.
fn keys(name: &str, draw: &mut Draw) -> Value {
    match name {
        "latency" => json!({"ms": draw.within(1, 2000), "jitter_ms": draw.within(0, 1000)}),
        "bandwidth" => json!({"bytes_per_second": draw.within(2000, 200_000)}),
        "slices" => json!({"bytes": draw.within(1, 300)}),
        "flap" => json!({"up_ms": draw.within(100, 60_000), "down_ms": draw.within(100, 20_000)}),
        "delay" => json!({"ms": draw.within(1, 15_000), "jitter_ms": draw.within(0, 5000)}),
        "repeat" => json!({"copies": draw.within(1, 4)}),
        "reorder" => json!({"behind": draw.within(1, 4)}),
        "silence" | "cut_at" | "reset_at" => json!({"phase": draw.one(&["tcp", "upgrade", "auth"])}),
        "garbage" => json!({"phase": draw.one(&["tcp", "upgrade", "auth"]), "bytes": "HTTP/9 what\r\n\r\n"}),
        "drip" => json!({"phase": "upgrade", "every_ms": draw.within(1, 500)}),
        "http" => json!({"phase": "upgrade", "status": draw.one(&[401, 403, 404, 429, 500, 503]), "body": "no"}),
        "refuse" => json!({"code": draw.one(&[-32602, -32005, 400, 404, 410, 500, 503]), "on": draw.one(METHODS)}),
        "close" => json!({"code": draw.one(&[1000, 1001, 1006, 1011, 1012, 4001])}),
        "disconnect" => json!({"restart": draw.one(&[true, false]), "closes": draw.one(&[true, false])}),
        "pings" => json!({"count": draw.within(1, 400)}),
        "malformed" => json!({"kind": draw.one(&Malformed::all().map(Malformed::name).collect::<Vec<_>>())}),
        "large_frame" => json!({"bytes": draw.one(&[100_000, 1_000_000, 9_000_000, 11_000_000])}),
        "fragments" => json!({"pieces": draw.within(1, 100)}),
        "again" => json!({"event": draw.one(EVENTS)}),
        _ => json!({}),
    }
}

/// A fault of this name, as a script would have it.
fn fault(name: &str, draw: &mut Draw) -> Fault {
    let mut fault = keys(name, draw);
    fault["fault"] = name.into();
    fault["after_ms"] = draw.within(0, TROUBLE.as_secs() * 1000).into();
    let is_frames = ["lose", "delay", "repeat", "redeliver", "reorder"].contains(&name);
    let first_act = Fault::names().iter().position(|other| *other == "reset").unwrap();
    let is_act = Fault::names().iter().position(|other| *other == name).unwrap() >= first_act;
    if is_frames {
        fault["probability"] = (draw.within(1, 101) as f64 / 100.0).into();
        match draw.within(0, 4) {
            0 => fault["on"] = draw.one(EVENTS).into(),
            1 => fault["on"] = draw.one(METHODS).into(),
            2 => fault["only"] = draw.one(&["replies", "events"]).into(),
            _ => {}
        }
    }
    if is_act {
        // At a moment, or whenever something goes over the wire.
        if draw.within(0, 2) == 0 {
            fault["on"] = draw.one(&[METHODS, EVENTS].concat()).into();
            fault["next"] = draw.within(1, 4).into();
        }
    } else {
        fault["lasting_ms"] = draw.within(100, draw_span(name)).into();
    }
    Fault::from_json(&fault).unwrap_or_else(|error| panic!("{fault}: {error}"))
}

/// Longest duration of such a fault, in milliseconds.
fn draw_span(name: &str) -> u64 {
    match name {
        "slices" | "bandwidth" => 60_000,
        _ => 300_000,
    }
}

/// The acts of the programs, and the events that they received.
#[derive(Default)]
struct Seen {
    wrong: Mutex<Vec<String>>,
    /// The events that the listeners of each call received, in their order.
    events: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    calls: Mutex<Vec<Call>>,
    messages: Mutex<Vec<Message>>,
    dials: AtomicUsize,
}

impl Seen {
    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Records the events that the listeners of a call receive, and the call's state at that time: a delayed event is
    /// received late and in the order of arrival, and the state does not go back because of it.
    fn follow(self: &Arc<Self>, call: &Call) {
        self.calls.lock().unwrap().push(call.clone());
        let (seen, own, highest) = (Arc::clone(self), call.clone(), AtomicUsize::new(0));
        call.on_any(move |event| {
            let payload: Value = serde_json::from_str(event.raw().json()).unwrap();
            let heard = (event.name().as_str().to_owned(), payload.to_string());
            seen.events.lock().unwrap().entry(own.id().to_owned()).or_default().push(heard);
            let (state, order) = (own.state(), ["created", "ringing", "answered", "ending", "ended"]);
            match order.iter().position(|name| *name == state.as_str()) {
                Some(rank) if highest.fetch_max(rank, Ordering::SeqCst) <= rank => {}
                _ => seen.wrong(format!("the state of call {} went back to {state:?}", own.id())),
            }
        });
    }
}

/// The environment of every program.
#[derive(Clone)]
struct Stage {
    sim: Arc<Simulator>,
    seen: Arc<Seen>,
}

impl Stage {
    /// Runs a step that takes at most `limit`, and fails only in an allowed way.
    fn step<T>(&self, what: &str, limit: Duration, job: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let before = self.sim.elapsed();
        let outcome = job();
        let took = self.sim.elapsed() - before;
        if took > limit + Duration::from_millis(10) {
            self.seen.wrong(format!("{what} took {took:?} instead of {limit:?}: {:?}", outcome.as_ref().err()));
        }
        let error = match outcome {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let is_legal = matches!(
            error.kind(),
            ErrorKind::Rejected
                | ErrorKind::CallGone
                | ErrorKind::CallEnded
                | ErrorKind::Timeout
                | ErrorKind::OutcomeUnknown
                | ErrorKind::Offline
                | ErrorKind::SessionLost
                | ErrorKind::DialFailed
        );
        if !is_legal {
            self.seen.wrong(format!("{what} failed with {:?}: {error}", error.kind()));
        }
        None
    }

    fn hangs_up(&self, call: &Call) {
        self.step("a hang-up", REQUEST, || call.hangup());
    }

    /// Handles an inbound call; its last digit chooses the program.
    fn takes(&self, call: &Call) -> Option<()> {
        self.step("an answer", REQUEST, || call.answer())?;
        match call.to_number().bytes().last() {
            Some(b'0') => {
                for question in ["Which floor?", "Which door?"] {
                    let digits = Collect::digits(1).initial_timeout(10 * SECOND);
                    let asked = self.step("a prompt", REQUEST, || call.prompt(tts(question), digits))?;
                    self.step("the wait of a prompt", PATIENCE, || asked.wait(PATIENCE))?;
                }
            }
            Some(b'1') => {
                let greeting = self.step("a play", REQUEST, || call.play(tts("Leave a message.")))?;
                self.step("the wait of a play", PATIENCE, || greeting.wait(PATIENCE));
                let what = Record::new().beep(true).max_length(30 * SECOND);
                let recording = self.step("a record", REQUEST, || call.record(what))?;
                self.step("the wait of a record", PATIENCE, || recording.wait(PATIENCE))?;
            }
            Some(b'2') => {
                let mut events = call.events();
                let to = phone("+15552220000").from("+15551110000");
                self.step("a connect", REQUEST, || call.connect(to))?;
                while let Some(event) = events.next_within(PATIENCE) {
                    if matches!(&event, Event::Connect(connect) if connect.state.as_str() == "disconnected") {
                        break;
                    }
                }
            }
            Some(b'3') => {
                let pay = Pay::new("https://pay.example.com/charge").charge_amount("25.99").postal_code(false);
                let pay = self.step("a payment", REQUEST, || call.pay(pay))?;
                self.step("the wait of a payment", 2 * PATIENCE, || pay.wait(2 * PATIENCE))?;
            }
            _ => {
                let play = self.step("a play", REQUEST, || call.play(silence(1000 * SECOND)))?;
                self.step("a pause", REQUEST, || play.pause());
                self.step("a resume", REQUEST, || play.resume());
                self.step("the wait of a play", 5 * SECOND, || play.wait(5 * SECOND));
                self.step("a stop", REQUEST, || play.stop());
                self.step("the wait of a play", PATIENCE, || play.wait(PATIENCE))?;
                self.step("a wait for the end", PATIENCE, || call.wait_for_ended(5 * SECOND));
            }
        }
        Some(())
    }

    fn rings(&self, digit: u64) -> PersonOnCall {
        let caller = self.sim.caller(format!("+1555123000{digit}")).calls(format!("+1555999000{digit}"));
        let caller = caller.gives_up_after(PATIENCE);
        match digit {
            0 => caller.when_asked_for_digits().presses("4").when_asked_for_digits().presses("2").dials(),
            1 => caller.after_the_beep().says("Call me back").hangs_up().dials(),
            3 => caller.when_asked_to_pay().presses("4242424242424242").when_asked_to_pay().presses("1299").dials(),
            _ => caller.dials(),
        }
    }

    fn texts(&self, client: &Client, number: u64) {
        let text = sms("+15552220000").from("+15551110000").body(format!("text {number}"));
        let Some(message) = self.step("a text", REQUEST, || client.send_message(text)) else { return };
        self.seen.messages.lock().unwrap().push(message.clone());
        self.step("the wait of a text", PATIENCE, || message.wait(PATIENCE));
    }

    fn dials(&self, client: &Client, to_many: bool) -> Option<()> {
        let group = if to_many { 1..=3 } else { 4..=4 };
        let group = group.map(|n| phone(format!("+1555222000{n}")).from("+15551110000"));
        self.seen.dials.fetch_add(1, Ordering::Relaxed);
        let limit = PATIENCE + REQUEST;
        let call = self.step("a dial", limit, || client.dial(Dial::new(Devices::at_once(group))))?;
        self.seen.follow(&call);
        if !to_many {
            let detect = self.step("a detect", REQUEST, || call.detect(machine()));
            detect.and_then(|detect| self.step("the wait of a detect", PATIENCE, || detect.wait_ready(PATIENCE)));
        }
        let play = self.step("a play", REQUEST, || call.play(tts("Your order is on its way.")));
        play.and_then(|play| self.step("the wait of a play", PATIENCE, || play.wait(PATIENCE)));
        self.hangs_up(&call);
        Some(())
    }
}

/// The faults and programs that a seed stands for.
struct Script {
    faults: Vec<Fault>,
    /// The programs, with the times at which they are started.
    programs: Vec<(Duration, u64)>,
    replays: bool,
}

fn script(seed: u64) -> Script {
    let mut draw = Draw(seed);
    let count = draw.within(2, 11);
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let name = draw.one(Fault::names());
            fault(name, &mut draw)
        })
        .collect();
    // Megabytes that come byte by byte take more real time than they are worth.
    if faults.iter().any(|fault| fault.name() == "large_frame") {
        faults.retain(|fault| fault.name() != "slices");
    }
    let count = draw.within(4, 17);
    let at = |draw: &mut Draw| Duration::from_millis(draw.within(0, TROUBLE.as_secs() * 1000));
    // Half of them come when something goes wrong.
    let programs = (0..count)
        .map(|_| {
            let fault = draw.one(&faults.iter().collect::<Vec<_>>());
            let begins = fault.to_json()["after_ms"].as_f64().unwrap_or(0.0) / 1000.0;
            let begins = Duration::from_secs_f64(begins).saturating_sub(Duration::from_millis(draw.within(0, 20_000)));
            let at = if draw.within(0, 2) == 0 { begins } else { at(&mut draw) };
            (at, draw.within(0, 8))
        })
        .collect();
    Script { faults, programs, replays: draw.within(0, 3) == 0 }
}

impl Script {
    fn describe(&self) -> String {
        let mut text = format!("programs {:?}, replays {}", self.programs, self.replays);
        for fault in &self.faults {
            write!(text, "\n    {fault}").unwrap();
        }
        text
    }
}

fn run(seed: u64) -> Result<(), String> {
    let script = script(seed);
    let mut builder = Simulator::builder().virtual_time().seed(seed).pings_every(PATIENCE).allow_violations();
    if script.replays {
        builder = builder.replays_missed_events();
    }
    let sim = Arc::new(builder.start().unwrap());
    sim.callee("+15552220000").answers_after(3 * SECOND).waits(10 * SECOND).hangs_up();
    sim.callee("+15552220001").is_busy();
    sim.callee("+15552220002").does_not_answer();
    sim.callee("+15552220003").answers_after(4 * SECOND).waits(5 * PATIENCE).hangs_up();
    let machine = sim.callee("+15552220004").answers_after(2 * SECOND).is_machine("You have reached Bob", true);
    machine.waits(5 * PATIENCE).hangs_up();
    let client = Client::builder()
        .simulator(&sim)
        .contexts(["default"])
        .dial_timeout(PATIENCE)
        .tuning(|t| t.unconfirmed_limit(FORGETS).message_limit(FORGETS))
        .connect()
        .map_err(|error| error.to_string())?;
    for fault in &script.faults {
        sim.inject(fault.clone());
    }
    let stage = Stage { sim: Arc::clone(&sim), seen: Arc::default() };
    let of_handler = stage.clone();
    client.on_call(move |call| {
        of_handler.seen.follow(&call);
        of_handler.takes(&call);
        of_handler.hangs_up(&call);
        Ok(())
    });
    let mut sends = 0;
    let (mut people, mut running) = (Vec::new(), Vec::new());
    let mut programs = script.programs.clone();
    programs.sort();
    for (at, program) in programs {
        sim.advance(at.saturating_sub(sim.elapsed()));
        let (stage, client) = (stage.clone(), client.clone());
        match program {
            0..=4 => people.push(stage.rings(program)),
            5 => {
                sends += 1;
                running.push(sim.spawn(move || stage.texts(&client, sends)).unwrap());
            }
            _ => {
                let dials = move || {
                    let _given_up = stage.dials(&client, program == 6);
                };
                running.push(sim.spawn(dials).unwrap());
            }
        }
    }
    running.into_iter().for_each(VirtualThread::join);
    // All handlers are through by then, with all their patience.
    sim.advance((TROUBLE + 6 * PATIENCE).saturating_sub(sim.elapsed()) + 6 * PATIENCE);

    // The end of the trouble.
    sim.remove_faults();
    sim.advance(BACK);
    let seen = stage.seen;
    if !client.state().is_online() {
        seen.wrong(format!("after {BACK:?} without faults: {:?}", client.state()));
    }
    if let Err(error) = client.execute("signalwire.ping", json!({})) {
        seen.wrong(format!("after {BACK:?} without faults: {error}"));
    }
    // Some ends were lost. Another request finds them.
    for call in std::mem::take(&mut *seen.calls.lock().unwrap()) {
        if let Err(error) = call.hangup() {
            let is_over = error.is_call_gone() || error.kind() == ErrorKind::SessionLost;
            if !is_over {
                seen.wrong(format!("a hang-up without faults: {error}"));
            }
        }
    }
    people.iter().for_each(PersonOnCall::hang_up);
    sim.advance(FORGETS + 5 * PATIENCE);
    if !left(&client).is_empty() {
        seen.wrong(format!("left in the client: {}", left(&client)));
    }
    client.disconnect();
    sim.advance(5 * SECOND);
    let stats = client.stats();
    if !left(&client).is_empty() || stats.timers > 0 || stats.workers > 0 {
        seen.wrong(format!("left in the closed client: {}; {stats:?}", left(&client)));
    }
    if stats.panics > 0 {
        seen.wrong(format!("{} panics", stats.panics));
    }
    if !sim.calls().is_empty() {
        seen.wrong(format!("calls that nobody ends: {:?}", sim.calls()));
    }
    for violation in sim.take_violations() {
        if !is_caused(&violation, &script) {
            seen.wrong(format!("violation: {violation}"));
        }
    }
    asked_twice(&sim, &seen);
    heard_out_of_order(&sim, &seen);
    let wrong = seen.wrong.lock().unwrap();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n  {}", wrong.join("\n  "), script.describe())) }
}

/// `true` if a violation is not the client's: if a call ends on both sides while the connection is down, the first
/// side is unknown; and a service that reads nothing reads no response to its pings.
fn is_caused(violation: &str, script: &Script) -> bool {
    let is_deaf = || script.faults.iter().any(|fault| fault.name() == "stall");
    violation.starts_with("calling.end: the client knew") || (violation.contains("did not answer a ping") && is_deaf())
}

/// Fails if a request or an event occurred more often than it should.
fn asked_twice(sim: &Simulator, seen: &Seen) {
    let journal = sim.journal();
    let dials = seen.dials.load(Ordering::Relaxed);
    if journal.requests("calling.dial").len() > dials {
        seen.wrong(format!("{} dials instead of {dials}", journal.requests("calling.dial").len()));
    }
    let mut once: BTreeMap<String, usize> = BTreeMap::new();
    for text in journal.requests("messaging.send") {
        *once.entry(format!("text {}", text.params()["body"])).or_default() += 1;
    }
    for method in ["calling.pay", "calling.connect", "calling.record"] {
        for request in journal.requests(method) {
            *once.entry(format!("{method} of {}", request.params()["call_id"])).or_default() += 1;
        }
    }
    for (what, times) in once {
        if times > 1 {
            seen.wrong(format!("{what} was asked for {times} times"));
        }
    }
}

/// Events that listeners received twice, that never occurred, or that they received in another order than that of the
/// wire.
fn heard_out_of_order(sim: &Simulator, seen: &Seen) {
    let journal = sim.journal();
    let mut sent = Vec::new();
    let mut happened: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for entry in journal.entries().iter().filter(|entry| entry.kind() == FrameKind::Event) {
        // Parsed from text once more, as the listener did: a number may lose its last bit on that way.
        let payload: Value = serde_json::from_str(&entry.params().to_string()).unwrap();
        let event = (entry.method().to_owned(), payload.to_string());
        happened.entry(event.clone()).or_default().insert(entry.id().to_string());
        sent.push(event);
    }
    for (call, heard) in seen.events.lock().unwrap().iter() {
        let mut times: BTreeMap<&(String, String), usize> = BTreeMap::new();
        let mut wire = sent.iter();
        for event in heard {
            let heard_times = times.entry(event).or_default();
            *heard_times += 1;
            let of = happened.get(event).map_or(0, BTreeSet::len);
            if *heard_times > of {
                seen.wrong(format!("{event:?} was heard {heard_times} times and happened {of} times"));
            } else if !wire.any(|sent| sent == event) {
                seen.wrong(format!(
                    "call {call}: {event:?} was heard in another order than it came; heard: {heard:#?}"
                ));
                break;
            }
        }
    }
}

/// The seeds to run: those of the suite, or `SOAK_SEEDS=from..to`.
fn seeds() -> Vec<u64> {
    let Ok(wish) = std::env::var("SOAK_SEEDS") else { return FAILED_ONCE.iter().copied().chain(SEEDS).collect() };
    let ends = wish.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to): (u64, u64) = ends.unwrap_or_else(|| panic!("SOAK_SEEDS is from..to, not {wish:?}"));
    (from..to).collect()
}

#[test]
fn programs_outlive_any_faults_that_a_seed_draws() {
    let seeds = seeds();
    let count = seeds.len();
    let faults = each(seeds, |seed| format!("SOAK_SEEDS={seed}..{}", seed + 1), |seed| run(*seed));
    assert!(faults.is_empty(), "{} of {count} seeds:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_fault_is_drawn_and_a_seed_is_always_the_same() {
    let drawn: BTreeSet<&str> = (0..200).flat_map(|seed| script(seed).faults).map(|fault| fault.name()).collect();
    assert_eq!(drawn, Fault::names().iter().copied().collect());
    assert_eq!(script(7).describe(), script(7).describe());
}
