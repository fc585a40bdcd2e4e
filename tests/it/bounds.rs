//! What a client keeps is bounded, counted, and gone when a scene is over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Client, Dial, HandlerFailure, Play, Stats, phone, silence, sms};

use crate::support::{
    LONG, answered_call, builder, caught_up, event, online, reconnecting, sim, until, until_in, virtual_sim, watched,
};

/// Those that only grow.
const COUNTERS: [&str; 13] = [
    "frames_received",
    "events_received",
    "events_repeated",
    "frames_malformed",
    "events_unclaimed",
    "notices_dropped",
    "calls_passed",
    "messages_dropped",
    "connections",
    "sessions_resumed",
    "pings_sent",
    "panics",
    "handler_failures",
];

/// What is remembered on purpose until the session or the client ends.
const WINDOWS: [&str; 2] = ["seen_events", "remembered_ids"];

/// Everything that goes up and down, by name: also what is added to [`Stats`] after this was written.
fn gauges(stats: &Stats) -> BTreeMap<String, usize> {
    let shown = format!("{stats:?}");
    let fields = shown.trim_start_matches("Stats {").trim_end_matches('}').split(',');
    let pairs = fields.filter_map(|field| field.split_once(':'));
    let named = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().parse().unwrap()));
    let gauges: BTreeMap<String, usize> = named.filter(|(name, _)| !COUNTERS.contains(&name.as_str())).collect();
    assert!(gauges.len() >= 16 && WINDOWS.iter().all(|window| gauges.contains_key(*window)), "{gauges:?}");
    gauges
}

fn is_empty(client: &Client) -> bool {
    gauges(&client.stats()).iter().all(|(name, value)| *value == 0 || WINDOWS.contains(&name.as_str()))
}

fn empties(sim: &Simulator, client: &Client, after: &str) {
    let nothing_is_kept = || if is_empty(client) { Ok(()) } else { Err(gauges(&client.stats())) };
    until_in(sim, &format!("nothing is kept after {after}"), nothing_is_kept);
}

/// Waits for what is kept on purpose are short, so that their end is seen.
fn short(builder: Builder) -> Builder {
    let short = Duration::from_secs(1);
    // A timer stays until its time, whatever has become of what it was for.
    let limit = Duration::from_secs(4);
    builder
        .dial_timeout(limit)
        .message_limit(limit)
        .unconfirmed_limit(limit)
        .request_timeout(Duration::from_secs(2))
        .worker_idle(short)
        .early_wait(short)
        .late_winner(short)
        .loser_wait(short)
        .end_grace(short)
        .offer_wait(short)
        .on_handler_failure(HandlerFailure::EndCall)
}

#[test]
fn every_gauge_is_back_at_zero_when_a_scene_is_over() {
    watched(|| {
        let sim = virtual_sim();
        sim.callee("+15552220001").answers();
        sim.callee("+15552220002").does_not_answer();
        let client = short(builder(&sim)).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        drop(states);
        empties(&sim, &client, "connecting");

        let call = answered_call(&sim, &client);
        let listener = call.on("calling.call.play", |_| {});
        call.play(silence(Duration::from_secs(5))).unwrap().wait(LONG).unwrap();
        let _recording = call.record(signalwire_relay::Record::new()).unwrap();
        assert_eq!(client.stats().calls, 1);
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
        drop((call, listener));
        empties(&sim, &client, "a call");

        // Nobody claims it.
        let caller = sim.caller("+15551230000").calls("+15559990000").dials();
        until_in(&sim, "the call to be passed back", || client.stats().calls_passed == 1);
        caller.hang_up();
        empties(&sim, &client, "a call that nobody claimed");

        let won = client.dial(phone("+15552220001").from("+15551111111")).unwrap();
        won.hangup().unwrap();
        won.wait_for_ended(LONG).unwrap();
        drop(won);
        let lost = client.start_dial(Dial::new(phone("+15552220002").from("+15551111111"))).unwrap();
        sim.wait_for_request("calling.dial", LONG).unwrap();
        assert_eq!(client.stats().dials, 1);
        drop(lost);
        assert_eq!(client.stats().dials, 0);
        empties(&sim, &client, "two dials");

        let text = || sms("+15552222222").from("+15551111111").body("hello");
        client.send_message(text()).unwrap().wait(LONG).unwrap();
        sim.fail("messaging.send", 500, "no");
        client.send_message(text()).unwrap_err();
        empties(&sim, &client, "two messages");

        for n in 0..20 {
            let told = json!({"call_id": format!("nobody-{n}"), "state": "playing", "control_id": "c"});
            sim.push_event("calling.call.play", told);
            sim.push_event("messaging.state", json!({"message_id": format!("no-{n}"), "message_state": "sent"}));
        }
        caught_up(&sim);
        empties(&sim, &client, "events for nobody");

        let call = answered_call(&sim, &client);
        let playing = call.play(Play::new(silence(LONG)).loops(0)).unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.drop_link();
        reconnecting(&mut states);
        assert!(online(&mut states));
        sim.forget_sessions();
        sim.drop_link();
        reconnecting(&mut states);
        assert!(!online(&mut states));
        playing.wait(LONG).unwrap_err();
        drop((call, playing, states));
        empties(&sim, &client, "a session that was lost");

        assert!(client.stats().remembered_ids > 0);
        client.disconnect();
        until_in(&sim, "everything to be let go", || gauges(&client.stats()).values().all(|value| *value == 0));
    });
}

#[test]
fn what_is_remembered_of_events_and_calls_has_the_bounds_that_were_set() {
    watched(|| {
        let sim = sim();
        let client = short(builder(&sim)).seen_events(8).remembered_ids(4).connect().unwrap();
        let (told, seen) = std::sync::mpsc::channel();
        client.on_event(move |event| told.send(event.raw().get("n")).unwrap());
        let tell = |n: usize| sim.push_raw(&event(&format!("e{n}"), "some.event", json!({"n": n})).to_string());
        for n in 0..20 {
            tell(n);
        }
        // The last eight are known, the others are forgotten.
        for n in [12, 19, 0, 19] {
            tell(n);
        }
        caught_up(&sim);
        let all: Vec<Option<Value>> = (0..21).map(|_| seen.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(all[20], Some(json!(0)));
        let stats = client.stats();
        assert_eq!((stats.events_repeated, stats.seen_events), (3, 8));
        for _ in 0..7 {
            let call = answered_call(&sim, &client);
            call.hangup().unwrap();
            call.wait_for_ended(LONG).unwrap();
        }
        until("the calls to leave", || client.stats().calls == 0);
        assert_eq!(client.stats().remembered_ids, 4);
    });
}

#[test]
fn bytes_of_early_events_are_bounded() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).early_bytes(10_000).early_wait(LONG * 10).connect().unwrap();
        for n in 0..10 {
            let told = json!({"call_id": format!("nobody-{n}"), "call_state": "answered", "text": "x".repeat(3_000)});
            sim.push_event("calling.call.state", told);
        }
        caught_up(&sim);
        let stats = client.stats();
        assert!((6_000..=10_000).contains(&stats.early_bytes) && stats.early_events == 3, "{stats:?}");
        assert_eq!(stats.events_unclaimed, 7);
    });
}

#[test]
fn a_thread_for_user_code_leaves_after_the_time_that_was_set() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).worker_idle(Duration::ZERO).connect().unwrap();
        let (ran, runs) = std::sync::mpsc::channel();
        client.on_event(move |_| ran.send(()).unwrap());
        sim.push_event("some.event", json!({}));
        runs.recv_timeout(LONG).unwrap();
        until("the thread to leave", || client.stats().workers == 0);
        let client = builder(&sim).worker_idle(LONG * 1000).connect().unwrap();
        let (ran, runs) = std::sync::mpsc::channel();
        client.on_event(move |_| ran.send(()).unwrap());
        sim.push_event("some.event", json!({}));
        runs.recv_timeout(LONG).unwrap();
        assert_eq!(client.stats().workers, 1);
        client.disconnect();
        until("the thread to leave", || client.stats().workers == 0);
    });
}
