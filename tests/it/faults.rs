//! Faults on demand: each has the effect that its name says, and the client survives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalwire_relay::connection::LinkStates;
use signalwire_relay::errors::Phase;
use signalwire_relay::simulator::{Fault, FrameKind, FrameRecord, Malformed, PersonOnCall, Simulator, VirtualThread};
use signalwire_relay::{Builder, Call, Client, Error, ErrorKind, LinkState, sms, tts};

use crate::support::watchdog;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const PLAIN: [Phase; 3] = [Phase::Tcp, Phase::Upgrade, Phase::Auth];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn simulator() -> Simulator {
    Simulator::builder().virtual_time().seed(5).start().unwrap()
}

fn builder(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"])
}

fn client(sim: &Simulator) -> Client {
    builder(sim).connect().unwrap()
}

/// A request without consequences.
fn ping(client: &Client) -> Result<(), Error> {
    client.execute("signalwire.ping", json!({})).map(drop)
}

/// An inbound call that has been answered.
fn answered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let caller = sim.caller("+15551230000").calls("+15559990000").dials();
    let call = client.next_call(MINUTE).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(MINUTE).unwrap();
    (caller, call)
}

/// Time that a job takes in the time of the simulator.
fn took<T>(sim: &Simulator, job: impl FnOnce() -> T) -> (Duration, T) {
    let before = sim.elapsed();
    let value = job();
    (sim.elapsed() - before, value)
}

fn assert_about(took: Duration, span: Duration) {
    assert!((span..span + span / 4 + ms(2)).contains(&took), "{took:?} instead of {span:?}");
}

/// Waits until the connection is lost, with its reason, and restored; returns whether the session was resumed.
fn lost_and_back(states: &mut LinkStates) -> (Error, bool) {
    let mut why = None;
    loop {
        match states.next_within(5 * MINUTE) {
            Some(LinkState::Reconnecting { cause, .. }) => why = why.or(Some(cause)),
            Some(LinkState::Online { resumed }) => {
                if let Some(why) = why {
                    return (why, resumed);
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Checks that the client's connection works, and that no table has an entry that waits for a lost event.
fn is_well(client: &Client) {
    ping(client).unwrap();
    let stats = client.stats();
    assert_eq!((stats.pending_requests, stats.offline_requests, stats.panics), (0, 0, 0), "{stats:?}");
}

// The line.

#[test]
fn latency_delays_both_directions_and_keeps_the_order() {
    watchdog("latency", || {
        let sim = simulator();
        let client = client(&sim);
        assert!(took(&sim, || ping(&client)).0 < ms(1));
        let slow = sim.inject(Fault::latency(ms(50)));
        assert_about(took(&sim, || ping(&client).unwrap()).0, ms(100));
        slow.remove();
        let slow = sim.inject(Fault::latency(ms(30)).to_client());
        assert_about(took(&sim, || ping(&client).unwrap()).0, ms(30));
        slow.remove();
        let slow = sim.inject(Fault::latency(ms(70)).from_client());
        assert_about(took(&sim, || ping(&client).unwrap()).0, ms(70));
        slow.remove();
        assert!(took(&sim, || ping(&client)).0 < ms(1));

        sim.inject(Fault::latency(ms(10)).jitter(ms(500)));
        let (_caller, call) = answered(&sim, &client);
        for _ in 0..5 {
            call.play(tts("One two three")).unwrap().wait(MINUTE).unwrap();
        }
        call.hangup().unwrap();
        call.wait_for_ended(MINUTE).unwrap();
        assert_eq!(client.stats().frames_malformed, 0);
        is_well(&client);
    });
}

#[test]
fn handshakes_take_a_round_trip_more_each() {
    watchdog("latency of handshakes", || {
        let sim = simulator();
        sim.inject(Fault::latency(ms(100)));
        let (span, client) = took(&sim, || client(&sim));
        // The upgrade, and authentication.
        assert_about(span, ms(400));
        is_well(&client);
    });
}

#[test]
fn a_narrow_line_takes_its_time() {
    watchdog("bandwidth", || {
        let sim = simulator();
        let client = client(&sim);
        let narrow = sim.inject(Fault::bandwidth(1000).to_client());
        sim.inject(Fault::large_frame(5000));
        assert_about(took(&sim, || ping(&client).unwrap()).0, 5 * SECOND);
        narrow.remove();
        sim.inject(Fault::bandwidth(1000).from_client());
        let long = "x".repeat(4000);
        let sent = took(&sim, || client.send_message(sms("+15552222222").from("+15551111111").body(long)).unwrap());
        assert_about(sent.0, ms(4200));
        is_well(&client);
    });
}

/// A call with all that belongs to it.
fn converse(sim: &Simulator, client: &Client) {
    let (caller, call) = answered(sim, client);
    call.play(tts("Good morning")).unwrap().wait(MINUTE).unwrap();
    call.hangup().unwrap();
    caller.wait_ended(MINUTE).unwrap();
    call.wait_for_ended(MINUTE).unwrap();
}

#[test]
fn bytes_may_come_one_by_one() {
    watchdog("slices", || {
        for size in [1, 2, 3, 7, 100] {
            let sim = simulator();
            sim.inject(Fault::slices(size));
            let client = client(&sim);
            converse(&sim, &client);
            assert_eq!(client.stats().frames_malformed, 0);
            assert_eq!(sim.violations(), [""; 0]);
        }
    });
}

#[test]
fn bytes_may_come_one_by_one_also_within_tls() {
    watchdog("slices of TLS records", || {
        for (size, backend) in crate::tls::backends().into_iter().flat_map(|one| [1, 5, 50].map(|size| (size, one))) {
            let sim = Simulator::builder().tls(true).virtual_time().start().unwrap();
            sim.inject(Fault::slices(size));
            let client = builder(&sim).tls_backend(backend).connect().unwrap();
            converse(&sim, &client);
            assert_eq!(sim.violations(), [""; 0]);
        }
    });
}

#[test]
fn a_service_that_stops_reading_is_given_up_and_nothing_is_sent_twice() {
    watchdog("stall", || {
        let sim = simulator();
        let client = builder(&sim)
            .tuning(|t| {
                t.reconnect_delay(ms(100), SECOND)
                    .write_timeout(2 * SECOND)
                    .ping_after(2 * SECOND)
                    .ping_timeout(2 * SECOND)
            })
            .connect()
            .unwrap();
        let mut states = client.states();
        let stalled = sim.inject(Fault::stall());
        let bulk = "x".repeat(1 << 20);
        let sends: Vec<_> = (0..12)
            .map(|_| {
                let (client, bulk) = (client.clone(), bulk.clone());
                sim.spawn(move || client.send_message(sms("+15552222222").from("+15551111111").body(bulk))).unwrap()
            })
            .collect();
        let (span, outcomes) = took(&sim, || sends.into_iter().map(VirtualThread::join).collect::<Vec<_>>());
        assert!(span < 30 * SECOND, "{span:?}");
        for outcome in outcomes {
            let kind = outcome.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::OutcomeUnknown | ErrorKind::Offline), "{kind:?}");
        }
        stalled.remove();
        assert!(lost_and_back(&mut states).1);
        // The unread bytes are read now, with those of old attempts to connect, and each of these takes the session
        // over.
        sim.advance(5 * MINUTE);
        let texts = sim.texts_sent().len();
        assert!(texts <= 12, "{texts}");
        is_well(&client);
    });
}

#[test]
fn a_line_that_swallows_everything_is_noticed_by_its_silence() {
    watchdog("freeze", || {
        let sim = simulator();
        let client = client(&sim);
        let mut states = client.states();
        sim.inject(Fault::freeze().lasting(MINUTE));
        let (span, (why, resumed)) = took(&sim, || lost_and_back(&mut states));
        assert!(why.to_string().contains("ping"), "{why}");
        assert!(resumed);
        assert!((MINUTE..3 * MINUTE).contains(&span), "{span:?}");
        is_well(&client);
    });
}

#[test]
fn pings_without_an_answer_cost_the_connection() {
    watchdog("unanswered pings", || {
        let sim = Simulator::builder().virtual_time().pings_every(10 * MINUTE).start().unwrap();
        let client = client(&sim);
        let mut states = client.states();
        let deaf = sim.inject(Fault::unanswered_pings());
        let (why, resumed) = lost_and_back(&mut states);
        deaf.remove();
        assert!(why.to_string().contains("ping"), "{why}");
        assert!(resumed);
        is_well(&client);
    });
}

#[test]
fn a_client_survives_a_flapping_connection() {
    watchdog("flap", || {
        let sim = simulator();
        let client = client(&sim);
        let flapping = sim.inject(Fault::flap(8 * SECOND, 3 * SECOND));
        let mut went = 0;
        for _ in 0..60 {
            let (span, outcome) =
                took(&sim, || client.send_message(sms("+15552222222").from("+15551111111").body("x")));
            assert!(span <= 11 * SECOND, "{span:?}");
            match outcome {
                Ok(_) => went += 1,
                Err(e) => assert!(matches!(e.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Offline), "{e}"),
            }
            sim.advance(5 * SECOND);
        }
        assert!(flapping.times() > 10, "{}", flapping.times());
        assert!(went > 10, "{went}");
        assert!(sim.texts_sent().len() <= 60);
        flapping.remove();
        sim.advance(MINUTE);
        is_well(&client);
        assert_eq!(sim.connections(), 1);
    });
}

// Frames.

#[test]
fn a_lost_response_leaves_the_outcome_unknown_and_nothing_is_sent_again() {
    watchdog("lost replies", || {
        let sim = simulator();
        let client = client(&sim);
        let lost = sim.inject(Fault::lose().on("messaging.send").replies().for_next(1));
        let send = || client.send_message(sms("+15552222222").from("+15551111111").body("once"));
        let (span, outcome) = took(&sim, send);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert_about(span, 10 * SECOND);
        assert!(lost.is_over());
        assert_eq!(lost.times(), 1);
        sim.advance(5 * MINUTE);
        assert_eq!(sim.texts_sent().len(), 1);
        send().unwrap();
        is_well(&client);
    });
}

#[test]
fn a_lost_request_has_no_effect_and_a_lost_event_ends_no_wait_early() {
    watchdog("lost requests and events", || {
        let sim = simulator();
        let client = client(&sim);
        sim.inject(Fault::lose().on("messaging.send").requests().for_next(1));
        let send = || client.send_message(sms("+15552222222").from("+15551111111").body("never"));
        assert_eq!(send().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(sim.texts_sent().len(), 0);

        let (_caller, call) = answered(&sim, &client);
        let lost = sim.inject(Fault::lose().on("calling.call.play").events());
        let playing = call.play(tts("Good morning")).unwrap();
        assert_eq!(playing.wait(MINUTE).unwrap_err().kind(), ErrorKind::Timeout);
        assert!(lost.times() >= 1);
        lost.remove();
        call.hangup().unwrap();
        call.wait_for_ended(MINUTE).unwrap();
        assert!(playing.wait(MINUTE).is_err(), "the call ended before anything was heard of it");
        assert_eq!(sim.violations(), [""; 0]);
        is_well(&client);
    });
}

#[test]
fn what_comes_late_is_taken_and_what_comes_too_late_does_no_harm() {
    watchdog("late frames", || {
        let sim = simulator();
        let client = client(&sim);
        sim.inject(Fault::delay(4 * SECOND).on("calling.play").replies().for_next(1));
        let (_caller, call) = answered(&sim, &client);
        // The events arrive long before the response.
        let (span, playing) = took(&sim, || call.play(tts("Hello")).unwrap());
        assert_about(span, 4 * SECOND);
        assert!(playing.is_done());

        sim.inject(Fault::delay(15 * SECOND).on("calling.user_event").replies().for_next(1));
        let told = call.execute("calling.user_event", json!({"event": "x"}));
        assert_eq!(told.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        sim.inject(Fault::delay(3 * SECOND).jitter(SECOND).on("calling.call.state").events());
        call.hangup().unwrap();
        let (span, ended) = took(&sim, || call.wait_for_ended(MINUTE));
        ended.unwrap();
        assert!(span >= 2 * SECOND, "{span:?}");
        sim.advance(MINUTE);
        is_well(&client);
    });
}

#[test]
fn what_arrives_twice_is_delivered_once() {
    watchdog("repeated frames", || {
        let sim = simulator();
        let client = client(&sim);
        sim.inject(Fault::repeat(2));
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        client.on_call(move |call| {
            counted.fetch_add(1, Ordering::Relaxed);
            call.answer()?;
            call.play(tts("Good morning"))?.wait(None)?;
            Ok(call.hangup()?)
        });
        let caller = sim.caller("+15551230000").calls("+15559990000").dials();
        caller.wait_ended(MINUTE).unwrap();
        sim.advance(MINUTE);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(sim.journal().requests("calling.play").len(), 1);
        let stats = client.stats();
        // Without the one that came before.
        assert_eq!(stats.events_repeated * 3, (stats.events_received - 1) * 2, "{stats:?}");
        assert_eq!(stats.calls, 0);
        is_well(&client);
        assert_eq!(sim.violations(), [""; 0]);
    });
}

#[test]
fn what_is_delivered_again_under_another_id_starts_nothing_twice() {
    watchdog("redelivered events", || {
        let sim = simulator();
        let client = client(&sim);
        sim.inject(Fault::redeliver());
        let (caller, call) = answered(&sim, &client);
        assert_eq!(client.next_call(MINUTE).unwrap_err().kind(), ErrorKind::Timeout);
        sim.inject(Fault::again("calling.call.receive"));
        assert_eq!(client.next_call(MINUTE).unwrap_err().kind(), ErrorKind::Timeout);
        assert!(call.state() == signalwire_relay::CallState::Answered);
        call.play(tts("Good morning")).unwrap().wait(MINUTE).unwrap();
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        // By its answer, the client has looked at everything before.
        is_well(&client);
        assert_eq!(client.stats().calls, 0);
    });
}

#[test]
fn frames_out_of_order_are_understood() {
    watchdog("reordered frames", || {
        for behind in 1..4 {
            let sim = simulator();
            let client = client(&sim);
            let turned = sim.inject(Fault::reorder(behind).with_probability(0.5));
            sim.callee("+15552222222").answers_after(5 * SECOND);
            for _ in 0..4 {
                let call = client.dial(signalwire_relay::phone("+15552222222").from("+15551111111")).unwrap();
                drop(call.play(tts("Good morning")).unwrap().wait(MINUTE));
                call.hangup().unwrap();
                call.wait_for_ended(MINUTE).unwrap();
            }
            assert!(turned.times() > 3);
            turned.remove();
            sim.advance(10 * MINUTE);
            assert_eq!(client.stats().calls, 0);
            is_well(&client);
        }
    });
}

#[test]
fn events_of_a_resumed_session_may_be_missing() {
    watchdog("missing events", || {
        let sim = Simulator::builder().virtual_time().replays_missed_events().start().unwrap();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let playing = call.play(tts("Good morning")).unwrap();
        let mut states = client.states();
        sim.inject(Fault::refuse_connections().lasting(10 * SECOND));
        let lost = sim.inject(Fault::lose().on("calling.call.play").events());
        sim.inject(Fault::cut());
        assert!(lost_and_back(&mut states).1);
        // The end may have been missed, and a wait that times out reports that.
        let missed = playing.wait(MINUTE).unwrap_err();
        assert_eq!((missed.kind(), missed.is_timeout()), (ErrorKind::OutcomeUnknown, true));
        assert!(lost.times() >= 1);
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        is_well(&client);
    });
}

// Connecting.

/// The first connect fails in this phase, within its deadline, and works when nothing goes wrong any more.
fn fails(sim: &Simulator, phase: Phase, fault: Fault) -> Error {
    let name = fault.to_string();
    let at_work = sim.inject(fault);
    let (span, outcome) = took(sim, || builder(sim).connect());
    let error = outcome.expect_err(&name);
    assert_eq!(error.kind(), ErrorKind::Connect, "{name}: {error}");
    assert_eq!(error.phase(), Some(phase), "{name}: {error}");
    assert!(span <= 11 * SECOND, "{name}: {span:?}");
    assert!(at_work.times() >= 1, "{name}");
    at_work.remove();
    is_well(&client(sim));
    error
}

/// A client that was connected comes through the same.
fn survives(sim: &Simulator, fault: Fault) {
    let name = fault.to_string();
    let client = client(sim);
    let mut states = client.states();
    let at_work = sim.inject(fault.for_next(2));
    sim.drop_link();
    assert!(lost_and_back(&mut states).1, "{name}");
    assert!(at_work.is_over(), "{name}");
    is_well(&client);
}

/// The phase in which a fault before the first byte is noticed.
fn shown(sim: &Simulator, phase: Phase) -> Phase {
    match phase {
        Phase::Tcp if sim.is_tls() => Phase::Tls,
        Phase::Tcp => Phase::Upgrade,
        other => other,
    }
}

fn goes_wrong_at(sim: &Simulator, phase: Phase) {
    let garbage = || "SSH-2.0-OpenSSH_9.6\r\n\r\n";
    let faults: [fn(Phase) -> Fault; 3] = [Fault::silence, Fault::cut_at, Fault::reset_at];
    for fault in faults {
        let error = fails(sim, shown(sim, phase), fault(phase));
        assert_eq!(error.is_timeout(), fault(phase).name() == "silence", "{error}");
        survives(sim, fault(phase));
    }
    fails(sim, shown(sim, phase), Fault::garbage(phase, garbage()));
    survives(sim, Fault::garbage(phase, garbage()));
}

#[test]
fn every_fault_while_connecting_is_reported_with_its_phase() {
    watchdog("phases of connecting", || {
        let sim = simulator();
        PLAIN.into_iter().for_each(|phase| goes_wrong_at(&sim, phase));
    });
}

/// One test for each phase: a client over TLS loads the system's certificates, which takes its time.
fn goes_wrong_over_tls_at(phase: Phase) {
    watchdog("a phase of connecting over TLS", move || {
        let sim = Simulator::builder().tls(true).virtual_time().start().unwrap();
        goes_wrong_at(&sim, phase);
    });
}

#[test]
fn every_fault_before_tls_is_reported() {
    goes_wrong_over_tls_at(Phase::Tcp);
}

#[test]
fn every_fault_in_tls_is_reported() {
    goes_wrong_over_tls_at(Phase::Tls);
}

#[test]
fn every_fault_in_the_upgrade_over_tls_is_reported() {
    goes_wrong_over_tls_at(Phase::Upgrade);
}

#[test]
fn every_fault_in_authentication_over_tls_is_reported() {
    goes_wrong_over_tls_at(Phase::Auth);
}

#[test]
fn a_slow_handshake_is_waited_for_until_the_deadline() {
    watchdog("drip", || {
        let sim = simulator();
        let dripping = sim.inject(Fault::drip(Phase::Upgrade, ms(20)));
        let (span, client) = took(&sim, || client(&sim));
        assert!(span > SECOND, "{span:?}");
        is_well(&client);
        dripping.remove();
        let error = fails(&sim, Phase::Upgrade, Fault::drip(Phase::Upgrade, SECOND));
        assert!(error.is_timeout(), "{error}");
    });
}

#[test]
fn a_slow_handshake_of_tls_is_waited_for_until_the_deadline() {
    watchdog("drip of TLS", || {
        let sim = Simulator::builder().tls(true).virtual_time().start().unwrap();
        let dripping = sim.inject(Fault::drip(Phase::Tls, ms(1)));
        is_well(&client(&sim));
        dripping.remove();
        let error = fails(&sim, Phase::Tls, Fault::drip(Phase::Tls, SECOND));
        assert!(error.is_timeout(), "{error}");
    });
}

#[test]
fn an_upgrade_that_is_refused_says_why() {
    watchdog("HTTP refusals", || {
        let sim = simulator();
        for (status, body) in [(401, "no"), (403, "not you"), (404, ""), (429, "slowly"), (503, "come back later")] {
            let error = fails(&sim, Phase::Upgrade, Fault::http(status, body));
            let told = error.to_string();
            assert!(told.contains(&format!("HTTP {status}")) && told.contains(body), "{told}");
        }
        survives(&sim, Fault::http(503, "come back later"));
    });
}

#[test]
fn connections_that_are_closed_at_once_are_made_again() {
    watchdog("refused connections", || {
        let sim = simulator();
        fails(&sim, Phase::Upgrade, Fault::refuse_connections());
        survives(&sim, Fault::refuse_connections());
    });
}

#[test]
fn credentials_are_refused_at_first_later_or_with_the_keys_of_a_session() {
    watchdog("refused credentials", || {
        let sim = simulator();
        sim.inject(Fault::refuse_credentials().for_next(2));
        let client = client(&sim);
        assert_eq!(sim.connections_ever(), 3);

        let mut states = client.states();
        sim.inject(Fault::refuse_credentials().for_next(5));
        sim.inject(Fault::cut());
        let mut refused = 0;
        loop {
            match states.next_within(5 * MINUTE) {
                Some(LinkState::Reconnecting { cause, .. }) if cause.kind() == ErrorKind::AuthRejected => refused += 1,
                Some(LinkState::Online { .. }) if refused > 0 => break,
                Some(LinkState::Reconnecting { .. } | LinkState::Online { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(refused >= 4, "{refused}");

        let with_keys = sim.inject(Fault::refuse_resume());
        sim.inject(Fault::cut());
        let (_, resumed) = lost_and_back(&mut states);
        assert!(!resumed);
        assert_eq!(with_keys.times(), 2, "the keys are dropped when they are refused again");
        is_well(&client);

        sim.inject(Fault::refuse_credentials());
        assert_eq!(builder(&sim).connect().unwrap_err().kind(), ErrorKind::AuthRejected);
    });
}

#[test]
fn requests_are_refused_with_the_code_of_the_fault() {
    watchdog("refusals", || {
        let sim = simulator();
        let client = client(&sim);
        let refused = sim.inject(Fault::refuse(-32005, "Too many").on("messaging.send").for_next(2));
        let send = || client.send_message(sms("+15552222222").from("+15551111111").body("x"));
        for _ in 0..2 {
            let error = send().unwrap_err();
            assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::Rejected, Some(-32005), true));
        }
        assert!(refused.is_over());
        send().unwrap();
        sim.inject(Fault::refuse(503, "Later").on("messaging.send"));
        assert_eq!(send().unwrap_err().code(), Some(503));
        is_well(&client);
    });
}

// Faults that occur once.

#[test]
fn a_connection_that_ends_in_any_way_is_restored_and_resumed() {
    watchdog("ends of the link", || {
        let sim = simulator();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let mut states = client.states();
        for (fault, told) in [
            (Fault::reset(), "reset"),
            (Fault::cut(), ""),
            (Fault::close(1012, "service restart"), "1012"),
            (Fault::close(1000, ""), ""),
            (Fault::close(4001, "go away"), "4001"),
            (Fault::disconnect(false, true), ""),
            (Fault::disconnect(false, false), ""),
        ] {
            let name = fault.to_string();
            let before = sim.connections_ever();
            sim.inject(fault);
            let (why, resumed) = lost_and_back(&mut states);
            assert!(why.to_string().contains(told), "{name}: {why}");
            assert!(resumed, "{name}");
            assert_eq!(sim.connections_ever(), before + 1, "{name}");
            assert_eq!(sim.connections(), 1, "{name}");
            call.play(tts("Still there?")).unwrap().wait(MINUTE).unwrap();
        }
        is_well(&client);
        assert_eq!(sim.violations(), [""; 0]);
    });
}

#[test]
fn a_reset_instead_of_a_response_leaves_the_outcome_unknown() {
    watchdog("resets at a request", || {
        let sim = simulator();
        let client = client(&sim);
        let faults = [Fault::reset(), Fault::cut(), Fault::close(1011, "oh"), Fault::disconnect(false, true)];
        for (round, fault) in faults.into_iter().enumerate() {
            let name = fault.to_string();
            let at_work = sim.inject(fault.on("messaging.send").for_next(1));
            let sent = client.send_message(sms("+15552222222").from("+15551111111").body("once"));
            assert_eq!(at_work.times(), 1, "{name}");
            // The service announces its close, and still carries requests out.
            match round {
                3 => drop(sent.unwrap()),
                _ => assert_eq!(sent.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "{name}"),
            }
            is_well(&client);
        }
        sim.advance(5 * MINUTE);
        assert_eq!(sim.texts_sent().len(), 1);
        assert_eq!(sim.journal().requests("messaging.send").len(), 4);
    });
}

#[test]
fn the_connection_may_be_lost_after_any_event() {
    watchdog("cuts after an event", || {
        let sim = simulator();
        let client = client(&sim);
        for event in ["calling.call.receive", "calling.call.state", "calling.call.play"] {
            let mut states = client.states();
            let at_work = sim.inject(Fault::reset().on(event).for_next(1));
            let caller = sim.caller("+15551230000").calls("+15559990000").dials();
            let call = client.next_call(MINUTE).unwrap();
            drop(call.answer());
            drop(call.play(tts("Good morning")).and_then(|playing| playing.wait(MINUTE)));
            assert!(lost_and_back(&mut states).1);
            assert_eq!(at_work.times(), 1, "{event}");
            drop(call.hangup());
            caller.wait_ended(MINUTE).unwrap();
            call.wait_for_ended(5 * MINUTE).unwrap();
            is_well(&client);
        }
    });
}

#[test]
fn forgotten_sessions_and_a_restart_end_what_belonged_to_them() {
    watchdog("forgotten sessions", || {
        let sim = simulator();
        let client = client(&sim);
        let mut states = client.states();
        for fault in [Fault::forget_sessions(), Fault::disconnect(true, true)] {
            let (_caller, call) = answered(&sim, &client);
            let playing = call.play(tts("Good morning, this takes a while")).unwrap();
            sim.inject(fault);
            sim.inject(Fault::cut());
            assert!(!lost_and_back(&mut states).1);
            assert_eq!(playing.wait(MINUTE).unwrap_err().kind(), ErrorKind::SessionLost);
            is_well(&client);
        }
    });
}

#[test]
fn a_storm_of_pings_is_answered_to_the_last() {
    watchdog("ping storm", || {
        let sim = simulator();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.inject(Fault::pings(2000));
        call.play(tts("Good morning")).unwrap().wait(MINUTE).unwrap();
        is_well(&client);
        let journal = sim.journal();
        let pings: Vec<&Value> = journal
            .entries()
            .iter()
            .filter(|entry| entry.kind() == FrameKind::ServiceRequest && entry.method() == "signalwire.ping")
            .map(FrameRecord::id)
            .collect();
        let acks: std::collections::HashSet<String> = journal
            .entries()
            .iter()
            .filter(|entry| entry.kind() == FrameKind::Ack)
            .map(|entry| entry.id().to_string())
            .collect();
        assert!(pings.len() >= 2000);
        assert!(pings.iter().all(|id| acks.contains(&id.to_string())));
        assert_eq!(sim.violations(), [""; 0]);
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn malformed_frames_of_every_kind_are_lived_through() {
    watchdog("malformed frames", || {
        let sim = simulator();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let mut states = client.states();
        for kind in Malformed::all() {
            let before = (sim.connections_ever(), client.stats());
            let playing = call.play(tts("Good morning")).unwrap();
            sim.inject(Fault::malformed(kind));
            if kind.ends_the_connection() {
                let (why, resumed) = lost_and_back(&mut states);
                assert!(resumed, "{kind:?}: {why}");
            } else {
                playing.wait(MINUTE).unwrap();
                is_well(&client);
                assert_eq!(sim.connections_ever(), before.0, "{kind:?} cost the link");
            }
            drop(playing.wait(MINUTE));
            is_well(&client);
        }
        call.play(tts("Still there?")).unwrap().wait(MINUTE).unwrap();
    });
}

#[test]
fn frames_in_pieces_and_large_ones_are_taken_up_to_the_bound() {
    watchdog("large frames", || {
        let sim = simulator();
        let client = client(&sim);
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        client.on_event(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut states = client.states();
        for pieces in [1, 2, 3, 50, 2000] {
            sim.inject(Fault::fragments(pieces));
        }
        sim.inject(Fault::large_frame(9 << 20));
        is_well(&client);
        sim.advance(SECOND);
        assert_eq!(seen.load(Ordering::Relaxed), 6);
        assert_eq!((sim.connections_ever(), client.stats().frames_malformed), (1, 0));
        sim.inject(Fault::large_frame(11 << 20));
        let (why, resumed) = lost_and_back(&mut states);
        assert!(resumed, "{why}");
        is_well(&client);
    });
}

#[test]
fn events_of_an_unknown_call_are_acknowledged_and_dropped() {
    watchdog("unknown calls", || {
        let sim = simulator();
        let client = client(&sim);
        sim.inject(Fault::unknown_call());
        is_well(&client);
        sim.advance(MINUTE);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.unmatched_events), (0, 0), "{stats:?}");
        assert_eq!(sim.violations(), [""; 0]);
    });
}

// Faults themselves.

#[test]
fn faults_begin_end_and_are_used_up_as_they_say() {
    watchdog("spans", || {
        let sim = simulator();
        let client = client(&sim);
        let slow = sim.inject(Fault::latency(ms(50)).after(10 * SECOND).lasting(10 * SECOND));
        assert!(took(&sim, || ping(&client)).0 < ms(1));
        sim.advance(11 * SECOND);
        assert_about(took(&sim, || ping(&client).unwrap()).0, ms(100));
        sim.advance(10 * SECOND);
        assert!(slow.is_over());
        assert!(took(&sim, || ping(&client)).0 < ms(1));
        let mut states = client.states();
        let cut = sim.inject(Fault::cut().after(30 * SECOND));
        assert_eq!(sim.faults(), [Fault::cut().after(30 * SECOND)]);
        lost_and_back(&mut states);
        assert_eq!((cut.times(), cut.is_over()), (1, true));
        sim.inject(Fault::freeze());
        sim.inject(Fault::stall());
        sim.remove_faults();
        assert_eq!(sim.faults(), []);
        is_well(&client);
    });
}

/// Much at once, and what went over the wire.
fn bad_day(seed: u64) -> String {
    let sim = Simulator::builder().virtual_time().seed(seed).start().unwrap();
    sim.inject(Fault::latency(ms(40)).jitter(ms(30)));
    sim.inject(Fault::lose().with_probability(0.05).events());
    sim.inject(Fault::repeat(1).with_probability(0.1));
    sim.inject(Fault::reorder(2).with_probability(0.1));
    sim.inject(Fault::delay(ms(300)).jitter(SECOND).with_probability(0.1).replies());
    sim.inject(Fault::slices(200));
    sim.inject(Fault::flap(40 * SECOND, 5 * SECOND));
    let client = builder(&sim).retry_first_connect(true).connect().unwrap();
    for round in 0..10 {
        let caller = sim.caller(format!("+1555123000{round}")).calls("+15559990000").dials();
        if let Ok(call) = client.next_call(20 * SECOND) {
            drop(call.answer());
            drop(call.play(tts("Good morning")).and_then(|playing| playing.wait(20 * SECOND)));
            drop(call.hangup());
        }
        caller.hang_up();
        drop(client.send_message(sms("+15552222222").from("+15551111111").body("How are you?")));
    }
    sim.remove_faults();
    sim.advance(5 * MINUTE);
    is_well(&client);
    let journal = sim.journal();
    let sent = journal.requests("messaging.send").len();
    assert!(sent <= 10, "{sent}");
    client.disconnect();
    journal.canonical()
}

#[test]
fn the_same_seed_hits_the_same_frames() {
    watchdog("seeds", || {
        let first = bad_day(3);
        assert!(first.lines().count() > 100, "{first}");
        for _ in 0..4 {
            let again = bad_day(3);
            let differ = first.lines().zip(again.lines()).find(|(a, b)| a != b);
            assert!(first == again, "{differ:#?}");
        }
        assert!(bad_day(4) != first);
    });
}

#[test]
fn many_seeds_hang_nothing() {
    watchdog("a bad day of many seeds", || (10..18).for_each(|seed| drop(bad_day(seed))));
}

#[test]
fn every_fault_has_a_name_and_is_read_from_its_json() {
    let forms = [
        json!({"fault": "latency", "ms": 50.0, "jitter_ms": 20.0, "direction": "to_client"}),
        json!({"fault": "bandwidth", "bytes_per_second": 1000}),
        json!({"fault": "slices", "bytes": 1, "every_ms": 2.5}),
        json!({"fault": "stall", "lasting_ms": 1000.0}),
        json!({"fault": "freeze", "after_ms": 1000.0}),
        json!({"fault": "unanswered_pings"}),
        json!({"fault": "refuse_connections", "next": 3}),
        json!({"fault": "flap", "up_ms": 1000.0, "down_ms": 10.0}),
        json!({"fault": "lose", "on": "calling.play", "only": "replies", "next": 1}),
        json!({"fault": "delay", "ms": 1.0, "jitter_ms": 0.0, "probability": 0.25}),
        json!({"fault": "repeat", "copies": 2}),
        json!({"fault": "redeliver", "only": "events"}),
        json!({"fault": "reorder", "behind": 2}),
        json!({"fault": "silence", "phase": "tcp"}),
        json!({"fault": "garbage", "phase": "tls", "bytes": [0, 255]}),
        json!({"fault": "cut_at", "phase": "upgrade"}),
        json!({"fault": "reset_at", "phase": "auth"}),
        json!({"fault": "drip", "phase": "upgrade", "every_ms": 5.0}),
        json!({"fault": "http", "phase": "upgrade", "status": 503, "body": "no"}),
        json!({"fault": "refuse_credentials", "next": 2}),
        json!({"fault": "refuse_resume"}),
        json!({"fault": "refuse", "code": -32602, "message": "no", "only": "requests", "on": "calling.play"}),
        json!({"fault": "reset", "on": "calling.play"}),
        json!({"fault": "cut"}),
        json!({"fault": "close", "code": 1012, "reason": "restart"}),
        json!({"fault": "disconnect", "restart": true, "closes": false}),
        json!({"fault": "forget_sessions"}),
        json!({"fault": "pings", "count": 5}),
        json!({"fault": "malformed", "kind": "not_utf8"}),
        json!({"fault": "large_frame", "bytes": 9_000_000}),
        json!({"fault": "fragments", "pieces": 4}),
        json!({"fault": "unknown_call"}),
        json!({"fault": "again", "event": "calling.call.receive"}),
    ];
    let names: Vec<&str> = forms.iter().map(|form| form["fault"].as_str().unwrap()).collect();
    assert_eq!(names, Fault::names());
    for form in forms {
        let fault = Fault::from_json(&form).unwrap();
        assert_eq!(fault.name(), form["fault"]);
        assert_eq!(fault.to_json(), form);
        assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
    }
    assert_eq!("cut".parse::<Fault>().unwrap(), Fault::cut());
    let table = include_str!("../../src/simulator/faults.md");
    assert!(Fault::names().iter().all(|name| table.contains(&format!("`{name}`"))));
    for kind in Malformed::all() {
        assert_eq!(Malformed::named(kind.name()), Some(kind));
    }
}

#[test]
fn json_that_is_no_fault_is_refused_with_what_was_expected() {
    for (form, told) in [
        (json!([]), "JSON object"),
        (json!({"name": "cut"}), "\"fault\" must be one of latency, "),
        (json!({"fault": "earthquake"}), "no fault \"earthquake\""),
        (json!({"fault": "latency"}), "\"ms\" must be a number of milliseconds; it is missing"),
        (json!({"fault": "latency", "ms": -1}), "not below zero; it is -1"),
        (json!({"fault": "slices", "bytes": "one"}), "\"bytes\" must be a whole number"),
        (json!({"fault": "close", "code": 70_000}), "it is 70000"),
        (json!({"fault": "cut", "mss": 5}), "no key \"mss\"; its keys are "),
        (json!({"fault": "silence", "phase": "lunch"}), "\"tcp\", \"tls\", \"upgrade\" or \"auth\""),
        (json!({"fault": "malformed", "kind": "odd"}), "one of not_json, "),
        (json!({"fault": "lose", "only": "some"}), "\"requests\", \"replies\" or \"events\""),
        (json!({"fault": "lose", "probability": 2}), "a number from 0 to 1"),
    ] {
        let error = Fault::from_json(&form).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(told), "{form}: {error}");
    }
    assert!("{".parse::<Fault>().unwrap_err().to_string().contains("not JSON"));
}

// Real time.

#[test]
fn lines_are_bad_in_real_time_too() {
    watchdog("faults in real time", || {
        let sim = Simulator::builder().speed(50.0).seed(1).start().unwrap();
        let client = builder(&sim).tuning(|t| t.reconnect_delay(ms(5), ms(40))).connect().unwrap();
        let mut states = client.states();
        let slow = sim.inject(Fault::latency(ms(40)).jitter(ms(10)));
        let began = Instant::now();
        ping(&client).unwrap();
        assert!(began.elapsed() >= ms(80), "{:?}", began.elapsed());
        slow.remove();
        sim.inject(Fault::slices(1));
        let narrow = sim.inject(Fault::bandwidth(100_000));
        ping(&client).unwrap();
        narrow.remove();
        for fault in [Fault::reset(), Fault::close(1012, "restart"), Fault::cut(), Fault::malformed(Malformed::Masked)]
        {
            let name = fault.to_string();
            sim.inject(fault);
            let (why, resumed) = lost_and_back(&mut states);
            assert!(resumed, "{name}: {why}");
            assert!(name != Fault::reset().to_string() || why.to_string().contains("reset"), "{why}");
        }
        sim.remove_faults();
        for fault in
            [Fault::reset_at(Phase::Upgrade), Fault::http(503, "later"), Fault::garbage(Phase::Tcp, "?\r\n\r\n")]
        {
            let once = sim.inject(fault.for_next(1));
            sim.inject(Fault::cut());
            assert!(lost_and_back(&mut states).1);
            assert!(once.is_over());
        }
        is_well(&client);
    });
}

#[test]
fn a_service_that_stops_reading_is_given_up_in_real_time_too() {
    watchdog("stall in real time", || {
        let sim = Simulator::start().unwrap();
        let client = builder(&sim)
            .tuning(|t| t.write_timeout(SECOND).ping_after(SECOND).ping_timeout(SECOND))
            .request_timeout(4 * SECOND)
            .tuning(|t| t.reconnect_delay(ms(5), ms(40)))
            .connect()
            .unwrap();
        let mut states = client.states();
        let stalled = sim.inject(Fault::stall());
        let bulk = "x".repeat(8 << 20);
        let outcome = client.send_message(sms("+15552222222").from("+15551111111").body(bulk));
        // A connection that was given up before the request was begun has certainly not sent it.
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Offline), "{error:?}");
        // The size of the system's buffers is unknown: if the blocked write does not end the connection, the silence
        // does.
        while states.next_within(MINUTE).expect("the link is lost").is_online() {}
        stalled.remove();
        while !states.next_within(MINUTE).expect("the link comes back").is_online() {}
        is_well(&client);
    });
}
