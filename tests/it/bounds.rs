//! The tables of a client are bounded, counted, and empty at the end of a scene.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::connection::{HandlerFailure, Stats};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Client, Dial, ErrorKind, Play, phone, silence, sms};

use crate::support::{
    LONG, answer_by_hand, answered_call, builder, caught_up, event, online, reconnecting, sim, until, until_in,
    virtual_sim, watched,
};

/// The counters, which only grow.
const COUNTERS: [&str; 16] = [
    "frames_received",
    "events_received",
    "events_repeated",
    "frames_malformed",
    "events_unclaimed",
    "listener_events_dropped",
    "calls_passed",
    "handlers_late",
    "calls_dropped",
    "legs_dropped",
    "messages_dropped",
    "connections",
    "sessions_resumed",
    "pings_sent",
    "panics",
    "handler_failures",
];

/// The tables that keep their entries on purpose until the session or the client ends.
const WINDOWS: [&str; 2] = ["remembered_events", "remembered_ids"];

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
        .tuning(|t| t.message_limit(limit).unconfirmed_limit(limit))
        .request_timeout(Duration::from_secs(2))
        .tuning(|t| {
            t.worker_idle(short)
                .unmatched_event_ttl(short)
                .late_answer_window(short)
                .losing_leg_timeout(short)
                .final_event_grace(short)
                .claim_timeout(short)
        })
        .on_handler_failure(HandlerFailure::EndCall)
}

#[test]
fn every_gauge_is_back_at_zero_when_a_scene_has_ended() {
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

        // The call stays unclaimed.
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
        sim.refuse_next("messaging.send", 500, "no");
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
        let client = short(builder(&sim)).tuning(|t| t.dedup_window(8).remembered_ids(4)).connect().unwrap();
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
        assert_eq!((stats.events_repeated, stats.remembered_events), (3, 8));
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
        let client =
            builder(&sim).tuning(|t| t.max_unmatched_bytes(10_000).unmatched_event_ttl(LONG * 10)).connect().unwrap();
        for n in 0..10 {
            let told = json!({"call_id": format!("nobody-{n}"), "call_state": "answered", "text": "x".repeat(2_500)});
            sim.push_event("calling.call.state", told);
        }
        caught_up(&sim);
        let stats = client.stats();
        assert!((6_000..=10_000).contains(&stats.unmatched_bytes) && stats.unmatched_events == 3, "{stats:?}");
        assert_eq!(stats.events_unclaimed, 7);
    });
}

#[test]
fn a_thread_for_user_code_leaves_after_the_time_that_was_set() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.worker_idle(Duration::ZERO)).connect().unwrap();
        let (ran, runs) = std::sync::mpsc::channel();
        client.on_event(move |_| ran.send(()).unwrap());
        sim.push_event("some.event", json!({}));
        runs.recv_timeout(LONG).unwrap();
        until("the thread to leave", || client.stats().workers == 0);
        let client = builder(&sim).tuning(|t| t.worker_idle(LONG * 1000)).connect().unwrap();
        let (ran, runs) = std::sync::mpsc::channel();
        client.on_event(move |_| ran.send(()).unwrap());
        sim.push_event("some.event", json!({}));
        runs.recv_timeout(LONG).unwrap();
        assert_eq!(client.stats().workers, 1);
        client.disconnect();
        until("the thread to leave", || client.stats().workers == 0);
    });
}

#[test]
fn outcomes_that_handles_keep_are_bounded() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.outcome_bytes(1_000_000)).connect().unwrap();
        let call = answered_call(&sim, &client);
        let finish = |text: &str| {
            let action = call.play(Play::new(silence(LONG)).loops(0)).unwrap();
            let of = json!({"call_id": call.id(), "control_id": action.control_id(), "state": "finished", "x": text});
            sim.push_event("calling.call.play", of);
            (action.wait(LONG), action)
        };
        let large = "x".repeat(200_000);
        let (first, kept) = finish(&large);
        assert_eq!(first.unwrap().raw.get("x"), Some(json!(large)));
        let held = client.stats().outcome_bytes;
        assert!((400_000..420_000).contains(&held), "{held}");
        let (second, kept_too) = finish(&large);
        second.unwrap();
        // There is no room for a third; what is small is kept all the same.
        let (third, none) = finish(&large);
        let error = third.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("Tuning::outcome_bytes"), "{error}");
        let (small, _) = finish(&"x".repeat(20_000));
        small.unwrap();
        // A text message likewise.
        sim.never_answer("messaging.send");
        let sender = client.clone();
        let text = std::thread::spawn(move || sender.send_message(sms("+15552222222").from("+15551111111").body("x")));
        answer_by_hand(&sim, "messaging.send", json!({"result": {"message_id": "m-1"}}));
        let text = text.join().unwrap().unwrap();
        sim.push_event("messaging.state", json!({"message_id": "m-1", "message_state": "delivered", "x": large}));
        assert_eq!(text.wait(LONG).unwrap_err().kind(), ErrorKind::Protocol);
        // The room is freed with the last handle.
        drop((kept, kept_too, none));
        until("the room to come back", || client.stats().outcome_bytes == 0);
        let (again, _kept) = finish(&large);
        again.unwrap();
    });
}

/// Present and largest memory of the process, in MiB.
#[cfg(target_os = "linux")]
fn resident() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    (kib("VmRSS:") / 1024, kib("VmHWM:") / 1024)
}

/// A client whose service is the test, one frame at a time: each is acknowledged before the next is sent.
#[cfg(target_os = "linux")]
struct Flood {
    client: Client,
    service: crate::support::Service,
    sent: usize,
    /// A text as long as the largest frame allows.
    long: String,
}

#[cfg(target_os = "linux")]
impl Flood {
    fn new() -> Self {
        let peer = crate::support::Peer::new();
        let builder =
            peer.builder().tuning(|t| t.max_unclaimed(5000).claim_timeout(LONG * 10)).max_active_calls(200).tuning(
                |t| {
                    t.remembered_ids(200)
                        .max_listener_backlog_bytes(16 << 20)
                        .max_unmatched_bytes(2 << 20)
                        .max_unclaimed_bytes(12 << 20)
                },
            );
        let connecting = std::thread::spawn(move || builder.connect().unwrap());
        let (service, _) = peer.welcome("p");
        Self { client: connecting.join().unwrap(), service, sent: 0, long: "x".repeat(9_961_472) }
    }

    /// `LONG` in an event becomes the longest text that a frame has room for.
    fn send(&mut self, envelope: Value) {
        self.push(envelope);
        self.settle();
    }

    fn push(&mut self, mut envelope: Value) {
        self.sent += 1;
        let id = format!("e{}", self.sent);
        envelope["timestamp"] = json!(self.sent);
        let frame = json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": envelope});
        let text = frame.to_string().replace("LONG", &self.long);
        self.service.0.send(tungstenite::Message::text(text)).unwrap();
    }

    /// Waits until the last event is acknowledged.
    fn settle(&mut self) {
        let id = format!("e{}", self.sent);
        while self.service.frame()["id"] != id {}
    }
}

/// Number of the largest frames that are sent: a hundred with `FLOOD=100`, which is for a release build.
#[cfg(target_os = "linux")]
fn frames() -> usize {
    std::env::var("FLOOD").ok().and_then(|frames| frames.parse().ok()).unwrap_or(8)
}

#[cfg(target_os = "linux")]
#[test]
fn frames_with_a_name_of_nine_mebibytes_leave_nothing() {
    const TEST: &str = "bounds::frames_with_a_name_of_nine_mebibytes_leave_nothing";
    crate::support::in_child(TEST, &[], || {
        let mut flood = Flood::new();
        let (before, _) = resident();
        let around = ["context", "event_channel", "project_id", "event_type"];
        let within = ["context", "project_id", "call_id", "message_id", "tag", "node_id", "segment_id", "control_id"];
        for n in 0..frames() {
            let event_type = ["calling.call.state", "messaging.state", "calling.call.receive"][n % 3];
            let mut envelope = json!({"event_type": event_type, "params": {"call_id": "c", "message_id": "m"}});
            if n % 2 == 0 {
                envelope[around[n / 2 % 4]] = "LONG".into();
            } else {
                envelope["params"][within[n / 2 % 8]] = "LONG".into();
            }
            flood.send(envelope);
        }
        let frames = frames() as u64;
        // The last one is acknowledged before it is counted.
        let counted = || (flood.client.stats().frames_malformed, flood.client.stats().events_received);
        until("all are counted", || counted() == (frames, frames));
        let stats = flood.client.stats();
        let kept = (
            stats.unmatched_bytes,
            stats.unclaimed_bytes,
            stats.listener_backlog_bytes,
            stats.calls,
            stats.remembered_ids,
        );
        assert_eq!(kept, (0, 0, 0, 0, 0));
        let (after, peak) = resident();
        println!("{before} MiB before {frames} frames, {after} MiB after them, {peak} MiB at most");
        assert!(after < before + 64 && peak < before + 160, "{before} MiB before, {after} after, {peak} at most");
    });
}

#[cfg(target_os = "linux")]
fn call(name: &str, device: &str) -> Value {
    let params = json!({
        "call_id": name, "node_id": name, "tag": name, "context": name, "segment_id": name, "project_id": name,
        "call_state": "created", "device": {"type": "sip", "params": {"x": device}},
    });
    json!({"event_type": "calling.call.receive", "params": params})
}

#[cfg(target_os = "linux")]
#[test]
fn every_table_filled_with_the_largest_frames_stays_within_its_bound() {
    const TEST: &str = "bounds::every_table_filled_with_the_largest_frames_stays_within_its_bound";
    const MIB: usize = 1 << 20;
    crate::support::in_child(TEST, &[], || {
        let mut flood = Flood::new();
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let waits = std::sync::Mutex::new(waits);
        flood.client.on_event(move |_| {
            let _gone = waits.lock().unwrap().recv();
        });
        let name = |n: usize| format!("{n}-{}", "n".repeat(1000));
        let (before, _) = resident();
        // Events for a listener that is busy with the first, and for calls that do not come.
        for n in 0..frames() / 2 {
            flood.send(json!({"event_type": "some.event", "params": {"text": "LONG"}}));
            let early = json!({"call_id": name(n), "call_state": "answered", "text": "e".repeat(MIB)});
            flood.send(json!({"event_type": "calling.call.state", "params": early, "event_channel": name(n)}));
        }
        // Unclaimed messages, with a long text and with many parts.
        for n in 0..frames() / 4 {
            let message = json!({"message_id": name(n), "context": name(n), "body": "LONG"});
            flood.send(json!({"event_type": "messaging.receive", "params": message}));
            let parts = vec![""; MIB / 8];
            let message = json!({"message_id": name(100 + n), "body": "x", "media": parts, "tags": parts});
            flood.send(json!({"event_type": "messaging.receive", "params": message}));
        }
        // Calls, each with the longest names; one describes its device at length.
        flood.send(call(&name(0), "LONG"));
        for n in 1..250 {
            flood.push(call(&name(n), &"d".repeat(10_000)));
        }
        // IDs to be remembered.
        for n in 0..300 {
            flood.push(
                json!({"event_type": "messaging.receive", "params": {"message_id": name(1000 + n), "body": "x"}}),
            );
        }
        flood.settle();
        let stats = flood.client.stats();
        let (after, peak) = resident();
        println!("{before} MiB before, {after} MiB after, {peak} MiB at most: {stats:?}");
        assert!(stats.listener_backlog_bytes > 9 * MIB && stats.listener_backlog_bytes <= 16 * MIB, "{stats:?}");
        assert!(stats.unmatched_bytes <= 2 * MIB && stats.unmatched_events <= 1, "{stats:?}");
        assert!(stats.unclaimed_bytes <= 2 * 12 * MIB && stats.unclaimed > 200, "{stats:?}");
        assert!(stats.calls == 200 && stats.remembered_ids <= 400, "{stats:?}");
        assert!(stats.listener_events_dropped >= 2 && stats.messages_dropped >= 3, "{stats:?}");
        // The sum: the counted bytes, 17 KiB for each call, 1 KiB twice for each ID, and the frames on their way.
        let counted = (stats.listener_backlog_bytes + stats.unmatched_bytes + stats.unclaimed_bytes) / MIB;
        let kept = counted + (stats.calls * 17 + stats.remembered_ids * 2) / 1024;
        assert!(after < before + kept + 96, "{before} MiB before, {after} after, {kept} are accounted for: {stats:?}");
        assert!(peak < before + kept + 192, "{before} MiB before, {peak} at most, {kept} are accounted for");
        drop(go_on);
    });
}
