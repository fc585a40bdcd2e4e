//! Responses and events in random orders, repeated: the result does not depend on the order.
//!
//! Each case has a seed, which a failure prints. `RUNS=10000 cargo test --release orders` for the long form, `SEED=17
//! RUNS=1` for one case.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::states::PlayState;
use signalwire_relay::{Call, CallState, Client, Dial, ErrorKind, MessageState, Play, Result, phone, silence, sms};

use crate::support::{NEVER, watchdog};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Largest distance of an event from its place.
const WINDOW: usize = 32;

/// After so many cases a new simulator.
const BATCH: u64 = 20;

/// Chance, from a seed; by splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Each of them so many times, none further from its place than the window.
    fn repeated<T: Clone>(&mut self, items: &[T], copies: RangeInclusive<usize>) -> Vec<T> {
        let mut all = items.iter().flat_map(|item| vec![item.clone(); self.within(copies.clone())]).collect::<Vec<_>>();
        let (mut waiting, mut mixed) = (Vec::new(), Vec::new());
        all.reverse();
        while !(all.is_empty() && waiting.is_empty()) {
            while waiting.len() < WINDOW {
                let Some(item) = all.pop() else { break };
                waiting.push(item);
            }
            let at = self.below(waiting.len());
            mixed.push(waiting.swap_remove(at));
        }
        mixed
    }
}

/// Prints the case that failed.
struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this case again: SEED={} RUNS=1", self.0);
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn simulator() -> Simulator {
    Simulator::builder().virtual_time().pings_every(NEVER).start().unwrap()
}

/// Runs a case for many seeds, a client for each few.
fn cases(what: &'static str, case: fn(&Simulator, &Client, &mut Dice, u64)) {
    let (first, runs) = (number("SEED", 1), number("RUNS", 100));
    let mut seeds = first..first + runs;
    while !seeds.is_empty() {
        let batch: Vec<u64> = seeds.by_ref().take(BATCH as usize).collect();
        watchdog(what, move || {
            let sim = simulator();
            let builder = Client::builder().simulator(&sim).contexts(["default"]).tuning(|t| t.ping_after(NEVER));
            let client = builder.connect().unwrap();
            for seed in batch {
                let _case = Case(seed);
                case(&sim, &client, &mut Dice(seed), seed);
            }
            // Longer than anything is kept that might still come.
            sim.advance(10 * MINUTE);
            let stats = client.stats();
            let left = [stats.calls, stats.messages, stats.dials, stats.dials_given_up, stats.unclaimed];
            assert_eq!(left, [0; 5], "{stats:?}");
            let left =
                [stats.unmatched_events, stats.pending_requests, stats.listener_backlog_bytes, stats.jobs_waiting];
            assert_eq!(left, [0; 4], "{stats:?}");
            assert_eq!((stats.connections, stats.panics, stats.frames_malformed), (1, 0, 0));
        });
    }
}

/// A frame on its way to the client.
#[derive(Clone)]
enum Frame {
    Event { id: String, event_type: &'static str, params: Value },
    Reply(Value),
}

impl Frame {
    fn event(id: String, event_type: &'static str, params: Value) -> Self {
        Self::Event { id, event_type, params }
    }

    fn push(&self, sim: &Simulator) {
        match self {
            Self::Event { id, event_type, params } => {
                let envelope = json!({"event_type": event_type, "context": "default", "params": params});
                let frame = json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": envelope});
                sim.push_raw(&frame.to_string());
            }
            Self::Reply(frame) => sim.push_raw(&frame.to_string()),
        }
    }
}

fn reply(sim: &Simulator, method: &str, result: Value) -> Frame {
    let request = sim.wait_for_request(method, MINUTE).unwrap();
    Frame::Reply(json!({"jsonrpc": "2.0", "id": request.id(), "result": result}))
}

/// A call that comes in, by hand.
fn offered(sim: &Simulator, client: &Client, call_id: &str) -> (Call, Value) {
    let offer = json!({"call_id": call_id, "node_id": "n", "call_state": "created", "direction": "inbound",
        "context": "default", "device": {}});
    Frame::event(format!("{call_id}-offer"), "calling.call.receive", offer.clone()).push(sim);
    let call = client.next_call(MINUTE).unwrap();
    assert_eq!(call.id(), call_id);
    (call, offer)
}

const STATES: [&str; 5] = ["created", "ringing", "answered", "ending", "ended"];

fn rank(state: &CallState) -> usize {
    STATES.iter().position(|name| *name == state.as_str()).unwrap()
}

/// The number of the event that ends a call whose own events do not.
const LAST: usize = 1000;

fn end(sim: &Simulator, call: &Call) {
    let ended = json!({"call_id": call.id(), "node_id": "n", "call_state": "ended", "n": LAST});
    Frame::event(format!("{}-end", call.id()), "calling.call.state", ended).push(sim);
    call.wait_for_ended(MINUTE).unwrap();
}

/// Events of one call, each of them two to ten times, in any order.
fn events_of_a_call(sim: &Simulator, client: &Client, dice: &mut Dice, seed: u64) {
    let (call, offer) = offered(sim, client, &format!("call-{seed}"));
    let heard: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (list, own, highest) = (Arc::clone(&heard), call.clone(), AtomicUsize::new(0));
    call.on_any(move |event| {
        let rank = rank(&own.state());
        assert!(highest.fetch_max(rank, Ordering::SeqCst) <= rank, "the state went back to {rank}");
        if event.name().as_str() != "calling.call.receive" {
            list.lock().push(event.raw().value()["n"].as_u64().unwrap() as usize);
        }
    });
    let events = call.events();
    let mut items = Vec::new();
    let mut states = Vec::new();
    for n in 0..dice.within(3..=20) {
        let of_call = |key: &str, value: &str| json!({"call_id": call.id(), "node_id": "n", "n": n, key: value});
        let (event_type, params, state) = match dice.below(12) {
            0 => ("calling.call.receive", offer.clone(), None),
            1 => ("calling.call.play", of_call("state", "playing"), None),
            2 => ("calling.error", of_call("error", "x"), None),
            3 => ("calling.of_tomorrow", of_call("news", "x"), None),
            4 => ("calling.call.state", of_call("call_state", "ended"), Some(4)),
            _ => {
                let rank = dice.below(4);
                ("calling.call.state", of_call("call_state", STATES[rank]), Some(rank))
            }
        };
        states.push(state);
        items.push((n, Frame::event(format!("{seed}-{n}"), event_type, params)));
    }
    let sent = dice.repeated(&items, 2..=10);
    for (_, frame) in &sent {
        frame.push(sim);
    }
    sim.advance(SECOND);
    let (mut wanted, mut state) = (Vec::new(), 0);
    for (n, frame) in &sent {
        let is_offer = matches!(frame, Frame::Event { event_type: "calling.call.receive", .. });
        if state < 4 && !is_offer && !wanted.contains(n) {
            wanted.push(*n);
            state = state.max(states[*n].unwrap_or(0));
        }
    }
    assert_eq!(*heard.lock(), wanted, "each event once, in the order in which they came, and none after the end");
    assert_eq!(call.state().as_str(), STATES[state]);
    assert_eq!(call.end().is_some(), state == 4);
    if state < 4 {
        end(sim, &call);
        wanted.push(LAST);
    }
    let pulled = events.filter(|event| event.name().as_str() != "calling.call.receive").count();
    assert_eq!(pulled, wanted.len());
    assert_eq!(call.state(), CallState::Ended);
    assert_eq!(client.next_call(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout, "the handler would run again");
}

#[test]
fn each_event_of_a_call_is_delivered_once_and_no_state_goes_back() {
    cases("events of a call", events_of_a_call);
}

/// Reply, verdict, and the states of the leg that wins and of one that loses; also under new ids.
fn a_dial(sim: &Simulator, client: &Client, dice: &mut Dice, seed: u64) {
    sim.never_answer("calling.dial");
    let (tag, winner, loser) = (format!("tag-{seed}"), format!("winner-{seed}"), format!("loser-{seed}"));
    let devices = phone("+15552222222").from("+15551111111");
    let dialing = client.start_dial(Dial::new(devices).tag(&tag).limit(5 * MINUTE)).unwrap();
    let leg = |call_id: &str, state: &str| {
        json!({"node_id": "n-7", "call_id": call_id, "tag": tag, "call_state": state, "direction": "outbound",
            "device": {"type": "phone", "params": {"from_number": "+15551111111", "to_number": "+15552222222"}}})
    };
    let call = json!({"call_id": winner, "node_id": "n-7", "tag": tag, "dial_winner": "true"});
    let verdict = json!({"node_id": "n-7", "tag": tag, "dial_state": "answered", "call": call});
    let mut events = vec![("calling.call.dial", verdict)];
    events.extend(["created", "ringing", "answered"].map(|state| ("calling.call.state", leg(&winner, state))));
    let of_loser = dice.below(4);
    events.extend(
        ["created", "ringing", "ended"].iter().take(of_loser).map(|state| ("calling.call.state", leg(&loser, state))),
    );
    let mut items = Vec::new();
    for (n, (event_type, params)) in events.into_iter().enumerate() {
        // A service that delivers again after a resume sends the same event under a new ID.
        for id in 0..dice.within(1..=2) {
            items.push(Frame::event(format!("{seed}-{n}-{id}"), event_type, params.clone()));
        }
    }
    items.push(reply(sim, "calling.dial", json!({"code": "200", "message": "Dialing"})));
    for frame in dice.repeated(&items, 1..=3) {
        frame.push(sim);
    }
    let call = dialing.wait(MINUTE).unwrap();
    sim.advance(SECOND);
    assert_eq!((call.id(), call.state()), (&*winner, CallState::Answered));
    assert_eq!((call.node_id().as_str(), call.tag()), ("n-7", tag.clone()));
    assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
    assert_eq!((client.stats().dials, client.stats().pending_requests), (0, 0));
    end(sim, &call);
    sim.advance(MINUTE);
    let ended = sim.journal().requests("calling.end");
    assert!(ended.iter().all(|request| request.call_id() != Some(&*winner)), "the winner was hung up");
    assert_eq!(sim.journal().requests("calling.dial").len() as u64 % BATCH, (seed - number("SEED", 1) + 1) % BATCH);
}

#[test]
fn a_dial_has_one_outcome_in_every_order() {
    cases("dials", a_dial);
}

/// The response to the start of a playback, or none, and its states.
fn an_action(sim: &Simulator, client: &Client, dice: &mut Dice, seed: u64) {
    sim.never_answer("calling.play");
    let (call, _) = offered(sim, client, &format!("call-{seed}"));
    let name = format!("play-{seed}");
    let (starting, own) = (call.clone(), name.clone());
    let helper = sim.spawn(move || starting.play(Play::new(silence(NEVER)).control_id(own))).unwrap();
    let answer = reply(sim, "calling.play", json!({"code": "200", "message": "Playing", "call_id": call.id()}));
    let (answered, finished) = (!dice.once_in(4), !dice.once_in(8));
    let states = ["playing", "paused", "playing", "finished"].iter().take(if finished { 4 } else { 3 });
    let mut items: Vec<Frame> = states
        .enumerate()
        .map(|(n, state)| {
            let params = json!({"call_id": call.id(), "node_id": "n", "control_id": name, "state": state});
            Frame::event(format!("{seed}-{n}"), "calling.call.play", params)
        })
        .collect();
    if answered {
        items.push(answer);
    }
    for frame in dice.repeated(&items, 1..=10) {
        frame.push(sim);
    }
    match helper.join() {
        Ok(action) => {
            assert!(answered || finished);
            let count = Arc::new(AtomicUsize::new(0));
            for _ in 0..2 {
                let count = Arc::clone(&count);
                action.on_completed(move |_| {
                    let _count = count.fetch_add(1, Ordering::SeqCst);
                });
            }
            sim.advance(SECOND);
            assert_eq!((action.is_done(), count.load(Ordering::SeqCst)), (finished, if finished { 2 } else { 0 }));
            end(sim, &call);
            let outcome: Result<_> = action.wait(MINUTE);
            match outcome {
                Ok(event) => assert_eq!((finished, event.state), (true, PlayState::Finished)),
                Err(error) => assert_eq!((finished, error.kind()), (false, ErrorKind::CallEnded)),
            }
            sim.advance(SECOND);
            assert_eq!(count.load(Ordering::SeqCst), 2);
        }
        Err(error) => {
            assert_eq!((answered, finished, error.kind()), (false, false, ErrorKind::OutcomeUnknown));
            end(sim, &call);
        }
    }
    sim.advance(SECOND);
}

#[test]
fn an_action_completes_once_in_every_order() {
    cases("actions", an_action);
}

/// The response with the ID of a text message, and its states.
fn a_text(sim: &Simulator, client: &Client, dice: &mut Dice, seed: u64) {
    sim.never_answer("messaging.send");
    let (sender, id) = (client.clone(), format!("text-{seed}"));
    let text = sms("+15552222222").from("+15551111111").body("Hello");
    let helper = sim.spawn(move || sender.send_message(text)).unwrap();
    let mut items = vec![reply(sim, "messaging.send", json!({"code": "200", "message_id": id}))];
    let verdict = if dice.once_in(3) { "undelivered" } else { "delivered" };
    for (n, state) in ["queued", "initiated", "sent", verdict].into_iter().enumerate() {
        let params = json!({"message_id": id, "message_state": state, "direction": "outbound", "segments": 2});
        items.push(Frame::event(format!("{seed}-{n}"), "messaging.state", params));
    }
    for frame in dice.repeated(&items, 1..=10) {
        frame.push(sim);
    }
    let text = helper.join().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    text.on_completed(move |_| {
        let _count = own.fetch_add(1, Ordering::SeqCst);
    });
    let state = if verdict == "delivered" { MessageState::Delivered } else { MessageState::Undelivered };
    assert_eq!(text.wait(MINUTE).unwrap().state, state);
    sim.advance(SECOND);
    assert_eq!((text.id(), text.state(), text.segments()), (id, state, 2));
    assert_eq!((count.load(Ordering::SeqCst), client.stats().messages), (1, 0));
}

#[test]
fn a_text_message_has_one_outcome_in_every_order() {
    cases("texts", a_text);
}
