//! The connection is cut before and after every frame of realistic programs, in both directions, and restored in every
//! way: no wait hangs, nothing is left behind, no request and no event is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::actions::StayEnd;
use signalwire_relay::devices::{Devices, queue, rtp};
use signalwire_relay::events::EventName;
use signalwire_relay::params::{
    Ai, JoinConference, LiveSummary, LiveTranscribe, LiveTranscription, Pay, ReceiveFax, SendFax, Transcribe, Transfer,
};
use signalwire_relay::simulator::{Caller, CutPoint, Direction, FrameKind, Journal, PersonOnCall, Simulator};
use signalwire_relay::states::ConnectState;
use signalwire_relay::{Call, Client, Collect, Dial, Event, HandlerResult, Record, machine, phone, silence, sms, tts};

use crate::support::{NEVER, each, left};

const SECOND: Duration = Duration::from_secs(1);
/// Timeout of every wait of the programs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any program takes, with all its patience.
const AN_HOUR: Duration = Duration::from_secs(3600);
/// Time after which a client no longer follows a call or message without events.
const FORGETS: Duration = Duration::from_secs(600);

/// The suite makes one of this many cuts; all of them with `CUTS=all`.
const ONE_OF: u64 = 41;

/// The way in which the connection is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// The session is resumed; events of the time without a connection are lost.
    Resumed,
    /// The session is resumed; events of the time without a connection, and unacknowledged ones, are sent again.
    Replayed,
    /// Another session takes the place of the lost one.
    Lost,
}

/// The place where the connection is cut.
#[derive(Clone, Copy, Debug)]
struct At {
    frame: usize,
    cut: CutPoint,
    direction: Direction,
    back: Back,
    /// Number of frames until the connection is cut again; 0 for never.
    again: usize,
}

struct Flow {
    name: &'static str,
    run: fn(&Stage),
}

/// One client and one simulator, and what is seen of their calls.
struct Stage {
    sim: Arc<Simulator>,
    client: Client,
    seen: Arc<Seen>,
}

/// The events that listeners received.
#[derive(Default)]
struct Seen {
    /// The events of the calls, by name and payload.
    events: Mutex<Vec<(String, String)>>,
    /// The states of each call or message, as its listeners received them.
    states: Mutex<Vec<Vec<String>>>,
    /// The failures, by the measure of an undisturbed run.
    failures: Mutex<Vec<String>>,
}

impl Seen {
    fn track(&self) -> usize {
        let mut states = self.states.lock().unwrap();
        states.push(Vec::new());
        states.len() - 1
    }

    fn state(&self, of: usize, state: &str) {
        self.states.lock().unwrap()[of].push(state.to_owned());
    }

    fn told(&self, event: &Event) {
        let payload: Value = serde_json::from_str(event.raw().json()).unwrap();
        self.events.lock().unwrap().push((event.name().as_str().to_owned(), payload.to_string()));
    }

    fn follow(self: &Arc<Self>, call: &Call) {
        let (seen, number) = (Arc::clone(self), self.track());
        call.on_any(move |event| {
            seen.told(event);
            if let Event::CallState(state) = event {
                seen.state(number, state.state.as_str());
            }
        });
    }

    fn follow_text(self: &Arc<Self>, message: &signalwire_relay::Message) {
        let (seen, number) = (Arc::clone(self), self.track());
        message.on(move |event| seen.state(number, event.state.as_str()));
    }

    fn ended(&self, what: &HandlerResult) {
        if let Err(error) = what {
            self.failures.lock().unwrap().push(error.to_string());
        }
    }
}

impl Stage {
    /// Lets a program take all calls.
    fn on_call(&self, program: impl Fn(&Call) -> HandlerResult + Send + Sync + 'static) {
        let seen = Arc::clone(&self.seen);
        self.client.on_call(move |call| {
            seen.follow(&call);
            let outcome = program(&call);
            seen.ended(&outcome);
            outcome
        });
    }

    /// A caller whose call rings for one minute at most.
    fn caller(&self, number: &str) -> Caller {
        self.sim.caller(number).gives_up_after(PATIENCE)
    }

    /// Waits until a caller has hung up, which happens after ten minutes.
    fn until_gone(&self, caller: &PersonOnCall) {
        if caller.wait_ended(10 * PATIENCE).is_err() {
            caller.hang_up();
        }
    }

    /// Runs a program that calls others, and hangs up whatever comes of it.
    fn dials(&self, what: impl Into<Dial>, program: impl FnOnce(&Call) -> HandlerResult) {
        let outcome = match self.client.dial(what) {
            Ok(call) => {
                self.seen.follow(&call);
                let outcome = program(&call);
                if call.hangup().is_err() {
                    // The message may not have arrived.
                    drop(call.hangup());
                }
                outcome
            }
            Err(error) => Err(error.into()),
        };
        self.seen.ended(&outcome);
    }

    fn texts(&self, body: &str) {
        let outcome = self.client.send_message(sms("+15552220000").from("+15551110000").body(body));
        let outcome = outcome.and_then(|message| {
            self.seen.follow_text(&message);
            message.wait(PATIENCE)
        });
        self.seen.ended(&outcome.map(drop).map_err(Into::into));
    }
}

const DOCUMENT: &str = "https://example.com/doc.pdf";

fn flows() -> Vec<Flow> {
    let flow = |name, run| Flow { name, run };
    vec![
        flow("an IVR", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                for question in ["Which floor?", "Which door?"] {
                    let digits = Collect::digits(1).initial_timeout(10 * SECOND);
                    call.prompt(tts(question), digits)?.wait(PATIENCE)?;
                }
                call.play(tts("Thank you."))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            let caller = stage.caller("+15551230000");
            let caller = caller.when_asked_for_digits().presses("4").when_asked_for_digits().presses("2");
            stage.until_gone(&caller.dials());
        }),
        flow("a dial with losers", |stage| {
            stage.sim.callee("+15552220001").is_busy();
            stage.sim.callee("+15552220002").does_not_answer();
            stage.sim.callee("+15552220003").answers_after(4 * SECOND).waits(5 * PATIENCE).hangs_up();
            let group = [1, 2, 3].map(|n| phone(format!("+1555222000{n}")).from("+15551110000"));
            stage.dials(Dial::new(Devices::at_once(group)), |call| {
                call.play(tts("Your order is on its way."))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
        }),
        flow("a spoken prompt", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let play = call.play(silence(NEVER))?;
                play.pause()?;
                play.resume()?;
                play.stop()?;
                play.wait(PATIENCE)?;
                call.prompt(tts("Who is there?"), Collect::speech().initial_timeout(10 * SECOND))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").when_asked_to_speak().says("It is me").dials());
        }),
        flow("voicemail", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                call.play(tts("Leave a message."))?.wait(PATIENCE)?;
                let recording = call.record(Record::new().beep(true).max_length(30 * SECOND))?;
                recording.wait(PATIENCE)?;
                Ok(())
            });
            stage.until_gone(&stage.caller("+15551230000").after_the_beep().says("Call me back").hangs_up().dials());
        }),
        flow("a fax in and out", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                call.receive_fax(ReceiveFax::new())?.wait(PATIENCE)?;
                call.send_fax(SendFax::new(DOCUMENT))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").is_fax().dials());
        }),
        flow("an agent", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let greeting = json!({"static_greeting": "Welcome"});
                call.ai(Ai::new().prompt("Be brief.").ai_params(greeting))?.wait(2 * PATIENCE)?;
                Ok(())
            });
            let caller = stage.caller("+15551230000").after_hearing("Welcome").says("hello").waits(3 * SECOND);
            stage.until_gone(&caller.hangs_up().dials());
        }),
        flow("texts out", |stage| {
            stage.texts("one");
            stage.texts("two");
        }),
        flow("a text in, answered", |stage| {
            let seen = Arc::clone(&stage.seen);
            let client = stage.client.downgrade();
            stage.client.on_message(move |message| {
                let Some(client) = client.upgrade() else { return Ok(()) };
                let answer = client.send_message(sms(message.from_number()).from(message.to_number()).body("Hi"))?;
                seen.follow_text(&answer);
                answer.wait(PATIENCE)?;
                Ok(())
            });
            stage.sim.texts("+15553330000", "+15559990000", "hello");
            stage.sim.advance(2 * PATIENCE);
        }),
        flow("a connection to somebody else", |stage| {
            stage.sim.callee("+15552220000").answers_after(3 * SECOND).waits(10 * SECOND).hangs_up();
            stage.on_call(|call| {
                call.answer()?;
                let bridge = call.connect(phone("+15552220000").from("+15551110000"))?;
                bridge.wait(PATIENCE)?;
                bridge.wait_disconnected(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").dials());
        }),
        flow("a payment", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let pay = Pay::new("https://pay.example.com/charge").charge_amount("25.99").postal_code(false);
                call.pay(pay)?.wait(2 * PATIENCE)?;
                Ok(call.hangup()?)
            });
            let caller = stage.caller("+15551230000").when_asked_to_pay().presses("4242424242424242");
            let caller = caller.when_asked_to_pay().presses("1299").when_asked_to_pay().presses("123");
            stage.until_gone(&caller.dials());
        }),
        flow("a message for a machine", |stage| {
            let bob = stage.sim.callee("+15552220000").answers_after(2 * SECOND);
            bob.is_machine("You have reached Bob", true).waits(5 * PATIENCE).hangs_up();
            stage.dials(phone("+15552220000").from("+15551110000"), |call| {
                call.detect(machine())?.wait_ready(PATIENCE)?;
                call.play(tts("Call me back."))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
        }),
        flow("a conference of two", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let stay = call.join_conference(JoinConference::new("standup"))?;
                stay.wait_joined(PATIENCE)?;
                call.wait_for("calling.error", |_| true, 5 * SECOND).ok();
                stay.leave()?;
                stay.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            let callers = ["+15551230000", "+15551230001"].map(|number| stage.caller(number).dials());
            callers.iter().for_each(|caller| stage.until_gone(caller));
        }),
        flow("a queue", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let stay = call.queue_enter("support")?;
                call.wait_for("calling.error", |_| true, 5 * SECOND).ok();
                stay.leave()?;
                stay.wait(PATIENCE)?;
                call.send_digits("12")?.wait(PATIENCE)?;
                call.hold()?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").dials());
        }),
        flow("a queue and its agent", |stage| {
            stage.sim.callee("+15552220000").answers_after(2 * SECOND).waits(5 * PATIENCE).hangs_up();
            stage.on_call(|call| {
                call.answer()?;
                let mut bridge = call.waiter(EventName::Connect);
                if call.queue_enter("support")?.wait(2 * PATIENCE)?.end == StayEnd::Connected {
                    let over = |event: &Event| {
                        matches!(event, Event::Connect(event) if event.state == ConnectState::Disconnected)
                    };
                    bridge.wait_until(over, PATIENCE)?;
                }
                Ok(call.hangup()?)
            });
            let caller = stage.caller("+15551230000").is_silent().dials();
            stage.sim.advance(3 * SECOND);
            stage.dials(phone("+15552220000").from("+15551110000"), |agent| {
                let bridge = agent.connect(queue("n", "support"))?;
                bridge.wait(PATIENCE)?;
                agent.wait_for("calling.error", |_| true, 5 * SECOND).ok();
                bridge.disconnect()?.wait(PATIENCE)?;
                bridge.wait_disconnected(PATIENCE)?;
                Ok(())
            });
            stage.until_gone(&caller);
        }),
        flow("live transcription", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let transcription = call.live_transcribe(LiveTranscription::new().live_events(true))?;
                call.wait_for("calling.error", |_| true, 3 * SECOND).ok();
                call.live_transcribe(LiveSummary::new())?.wait(PATIENCE)?;
                call.live_transcribe(LiveTranscribe::stop())?.wait(PATIENCE)?;
                transcription.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").waits(SECOND).says("hello").dials());
        }),
        flow("a transfer that leads back", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                if call.context() == "default" {
                    call.transfer(Transfer::to_context("office"))?;
                    call.wait_for_ended(PATIENCE)?;
                    return Ok(());
                }
                call.play(tts("This is the office."))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            stage.until_gone(&stage.caller("+15551230000").dials());
        }),
        flow("ears on a call", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                let tap = call.tap(rtp("192.0.2.10", 5000))?;
                let stream = call.stream("wss://example.com/audio")?;
                let transcription = call.transcribe(Transcribe::new())?;
                tap.stop()?;
                tap.wait(PATIENCE)?;
                transcription.wait(PATIENCE)?;
                stream.wait(PATIENCE)?;
                Ok(())
            });
            stage.until_gone(&stage.caller("+15551230000").waits(20 * SECOND).hangs_up().dials());
        }),
        flow("an end of the shift", |stage| {
            stage.on_call(|call| {
                call.answer()?;
                call.play(silence(20 * SECOND))?.wait(PATIENCE)?;
                Ok(call.hangup()?)
            });
            let callers = ["+15551230000", "+15551230001"].map(|number| stage.caller(number).dials());
            stage.sim.advance(5 * SECOND);
            stage.client.shutdown(30 * SECOND);
            callers.iter().for_each(|caller| stage.until_gone(caller));
        }),
    ]
}

/// The frames of an undisturbed run.
struct Undisturbed {
    frames: [usize; 2],
    requests: BTreeMap<String, usize>,
    /// Whether the client has connected again.
    was_cut: bool,
}

fn requests(journal: &Journal) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for method in journal.methods() {
        *counts.entry(method.to_owned()).or_default() += 1;
    }
    counts
}

/// Runs a program, with a cut or without: what is wrong with it.
fn run(flow: &Flow, at: Option<At>, undisturbed: Option<&Undisturbed>) -> Result<Undisturbed, String> {
    let mut builder = Simulator::builder().virtual_time().pings_every(PATIENCE);
    if at.is_some_and(|at| at.back == Back::Replayed) {
        builder = builder.replays_missed_events();
    }
    let sim = Arc::new(builder.start().unwrap());
    if let Some(at) = at {
        let frames = [Some(at.frame), (at.again > 0).then_some(at.frame + at.again)];
        for frame in frames.into_iter().flatten() {
            match at.back {
                Back::Lost => sim.cut_and_forget_at_frame(frame, at.cut, at.direction),
                Back::Resumed | Back::Replayed => sim.cut_at_frame(frame, at.cut, at.direction),
            }
        }
    }
    let client = Client::builder()
        .simulator(&sim)
        .contexts(["default", "office"])
        .retry_first_connect(true)
        .dial_timeout(PATIENCE)
        .tuning(|t| t.unconfirmed_limit(FORGETS).message_limit(FORGETS))
        // Their number is what the long waits at the end cost.
        .tuning(|t| t.ping_after(FORGETS))
        .connect()
        .map_err(|error| error.to_string())?;
    let stage = Stage { sim, client, seen: Arc::default() };
    (flow.run)(&stage);
    let Stage { sim, client, seen } = stage;
    if sim.elapsed() > AN_HOUR {
        return Err(format!("it took {:?}", sim.elapsed()));
    }
    let journal = sim.journal();
    let count = |direction| journal.entries().iter().filter(|entry| entry.direction() == direction).count();
    let frames = [Direction::FromClient, Direction::ToClient].map(count);
    let mut faults = Vec::new();
    sim.advance(10 * SECOND);
    if client.stats().calls == 0 {
        faults.extend(rings_for_nobody(&sim));
    }
    // Every person whose phone rings gives up in the end, and the client forgets calls without events.
    sim.advance(FORGETS + 2 * PATIENCE);
    let is_left = left(&client);
    if !is_left.is_empty() {
        faults.push(format!("left in the client: {is_left}"));
    }
    client.disconnect();
    sim.advance(SECOND);
    let is_left = left(&client);
    if !is_left.is_empty() || client.stats().timers > 0 {
        faults.push(format!("left in the closed client: {is_left} and {} timers", client.stats().timers));
    }
    if !live_calls(&sim).is_empty() {
        faults.push(format!("calls that nobody ends: {:?}", live_calls(&sim)));
    }
    if client.stats().panics > 0 || client.stats().frames_malformed > 0 {
        faults.push("a handler panicked, or a frame was malformed".into());
    }
    // If a call ends on both sides while the connection is down, the first side is unknown.
    let hung_up_twice = |violation: &String| violation.starts_with("calling.end: the client knew");
    faults.extend(sim.take_violations().into_iter().filter(|violation| !hung_up_twice(violation)));
    let journal = sim.journal();
    faults.extend(told_twice(&journal, &seen));
    let requests = requests(&journal);
    match undisturbed {
        None => {
            let failures = seen.failures.lock().unwrap();
            faults.extend(failures.iter().map(|failure| format!("it failed undisturbed: {failure}")));
        }
        Some(undisturbed) => {
            // Requests that the crate sends by itself are not the program's.
            let of_program = |method: &str| !method.starts_with("signalwire.") && method != "calling.end";
            for (method, count) in requests.iter().filter(|(method, _)| of_program(method)) {
                let once = undisturbed.requests.get(method).copied().unwrap_or(0);
                if *count > once && method != "calling.pass" {
                    faults.push(format!("{method} was sent {count} times instead of {once}"));
                }
            }
        }
    }
    let was_cut = sim.connections_ever() > 1 || sim.connections_ever() == 0;
    if faults.is_empty() { Ok(Undisturbed { frames, requests, was_cut }) } else { Err(faults.join("; ")) }
}

/// Calls that are live although the client has received them and no longer follows them.
fn rings_for_nobody(sim: &Simulator) -> Vec<String> {
    let journal = sim.journal();
    let is_told = |call: &str| {
        let mut events = journal.entries().iter().filter(|entry| entry.kind() == FrameKind::Event);
        events.any(|event| event.call_id() == Some(call))
    };
    let calls = live_calls(sim).into_iter().filter(|call| is_told(call));
    calls.map(|call| format!("call {call} goes on for nobody")).collect()
}

/// Events that listeners received more often than they occurred, or after their successors.
fn told_twice(journal: &Journal, seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    let mut happened: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for entry in journal.entries().iter().filter(|entry| entry.kind() == FrameKind::Event) {
        let event = (entry.method().to_owned(), entry.params().to_string());
        happened.entry(event).or_default().insert(entry.id().to_string());
    }
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in seen.events.lock().unwrap().iter() {
        *told.entry(event.clone()).or_default() += 1;
    }
    for (event, count) in told {
        let of = happened.get(&event).map_or(0, BTreeSet::len);
        if count > of {
            faults.push(format!("{event:?} was told {count} times and happened {of} times"));
        }
    }
    const ORDER: [&str; 10] = [
        "created",
        "ringing",
        "answered",
        "ending",
        "ended",
        "queued",
        "initiated",
        "sent",
        "delivered",
        "undelivered",
    ];
    for states in seen.states.lock().unwrap().iter() {
        let ranks: Vec<_> = states.iter().map(|state| ORDER.iter().position(|of| of == state)).collect();
        if !ranks.is_sorted_by(|a, b| a < b) || ranks.contains(&None) {
            faults.push(format!("the states went back: {states:?}"));
        }
    }
    faults
}

/// `true` if a cut is made: one in `ONE_OF` by a seed, all with `CUTS=all`, another seed with `CUTS=<number>`.
fn is_made(number: u64) -> bool {
    let wish = std::env::var("CUTS").unwrap_or_default();
    if wish == "all" {
        return true;
    }
    let seed: u64 = wish.parse().unwrap_or(0);
    // A different one of each few in a row.
    let mixed = (number / ONE_OF).wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    number % ONE_OF == mixed % ONE_OF
}

#[test]
fn a_cut_at_any_frame_hangs_leaks_and_repeats_nothing() {
    let ways: Vec<(Back, usize)> = [Back::Resumed, Back::Replayed, Back::Lost]
        .into_iter()
        .flat_map(|back| [0, 1, 2, 4].map(|again| (back, again)))
        .collect();
    let mut cuts = Vec::new();
    let mut number = 0;
    for (index, flow) in flows().iter().enumerate() {
        let undisturbed = run(flow, None, None).unwrap_or_else(|fault| panic!("{}: {fault}", flow.name));
        let undisturbed = Arc::new(undisturbed);
        for (frames, direction) in undisturbed.frames.iter().zip([Direction::FromClient, Direction::ToClient]) {
            assert!(*frames > 4, "{} says next to nothing", flow.name);
            for frame in 1..=*frames {
                for cut in [CutPoint::Before, CutPoint::After] {
                    for (back, again) in &ways {
                        number += 1;
                        if is_made(number) {
                            let at = At { frame, cut, direction, back: *back, again: *again };
                            cuts.push((index, at, Arc::clone(&undisturbed)));
                        }
                    }
                }
            }
        }
    }
    let (made, all) = (cuts.len(), flows());
    let name = |(index, at, _): &(usize, At, Arc<Undisturbed>)| format!("{}, {at:?}", flows()[*index].name);
    let unharmed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unharmed);
    let faults = each(cuts, name, move |(index, at, undisturbed)| {
        let outcome = run(&all[*index], Some(*at), Some(undisturbed))?;
        counter.fetch_add(usize::from(!outcome.was_cut), Ordering::Relaxed);
        Ok(())
    });
    // Events of one moment have no order, so a run may have one frame less; and a client that shuts down does not
    // reconnect.
    let unharmed = unharmed.load(Ordering::Relaxed);
    println!("{made} cuts of {number}, {unharmed} of them in vain");
    assert!(unharmed * 20 < made, "{unharmed} of {made} cuts did not harm the link");
    assert!(faults.is_empty(), "{} of {made} cuts (of {number}):\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_hang_up_without_a_response_is_repeated_when_the_connection_was_lost() {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let client = Client::builder().simulator(&sim).connect().unwrap();
    sim.callee("+15552220000").does_not_answer();
    for frame in 1..=2 {
        let ends = sim.journal().requests("calling.end").len();
        let dialing = client.start_dial(phone("+15552220000").from("+15551110000")).unwrap();
        sim.advance(SECOND);
        assert_eq!(live_calls(&sim).len(), 1);
        // First the hang-up itself, then its response.
        let direction = if frame == 1 { Direction::FromClient } else { Direction::ToClient };
        sim.cut_at_frame(1, CutPoint::Before, direction);
        dialing.cancel();
        sim.advance(5 * SECOND);
        assert_eq!(live_calls(&sim), [""; 0], "a phone rings for nobody");
        assert_eq!(sim.journal().requests("calling.end").len(), ends + 2);
        assert_eq!(client.stats().pending_requests, 0);
    }
    assert_eq!(sim.violations(), [""; 0]);
}

/// The ids of all calls that have not ended, whether a client knows of them or not.
fn live_calls(sim: &Simulator) -> Vec<String> {
    sim.calls().into_iter().map(|call| call.call_id).collect()
}
