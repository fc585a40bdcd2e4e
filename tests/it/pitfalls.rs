//! Faults of other clients, as far as no other module shows that this one does not have them; and the page that names
//! the tests for each fault.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::connection::LinkStates;
use signalwire_relay::simulator::{PersonOnCall, Simulator, VirtualThread};
use signalwire_relay::{Call, CallState, Client, Dial, Dialing, ErrorKind, LinkState, Play, phone, silence, sms, tts};

use crate::support::{LONG, Peer, Service, answer_by_hand, count, event, fence, online, refusal, watchdog};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const BOB: &str = "+15552222222";

/// A simulator and a client in virtual time.
fn pair() -> (Simulator, Client) {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    (sim, client)
}

/// A caller, and the caller's call, answered.
fn answered(sim: &Simulator, client: &Client, number: &str) -> (PersonOnCall, Call) {
    let caller = sim.caller(number).is_silent().dials();
    let call = client.next_call(MINUTE).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(MINUTE).unwrap();
    (caller, call)
}

fn forever() -> Play {
    Play::new(silence(1000 * HOUR))
}

/// The next time that the client is online after it was not; whether the session was resumed.
fn comes_back(states: &mut LinkStates) -> bool {
    let mut was_away = false;
    loop {
        match states.next_within(HOUR).expect("the link comes back") {
            LinkState::Online { resumed } if was_away => return resumed,
            LinkState::Online { .. } => {}
            _ => was_away = true,
        }
    }
}

fn is_lost(states: &mut LinkStates) -> LinkState {
    loop {
        let state = states.next_within(HOUR).expect("the link is lost");
        if !state.is_online() {
            return state;
        }
    }
}

// A: responses and events.

/// A dial that the service leaves unanswered.
fn dial(client: &Client, tag: &str) -> Dialing {
    client.start_dial(Dial::new(phone(BOB).from("+15551111111")).tag(tag)).unwrap()
}

fn push_leg(sim: &Simulator, tag: &str, call_id: &str, state: &str) {
    let leg = json!({"node_id": "n-7", "call_id": call_id, "tag": tag, "call_state": state, "direction": "outbound"});
    sim.push_event("calling.call.state", leg);
}

fn push_winner(sim: &Simulator, tag: &str, call_id: &str) {
    let call = json!({"call_id": call_id, "node_id": "n-7", "tag": tag, "dial_winner": "true"});
    let event = json!({"node_id": "n-7", "tag": tag, "dial_state": "answered", "call": call});
    sim.push_event("calling.call.dial", event);
}

/// The calls that were ended.
fn ended(sim: &Simulator) -> Vec<String> {
    let requests = sim.journal().requests("calling.end");
    requests.iter().map(|request| request.params()["call_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_answer_whose_dial_is_refused_afterwards_has_an_owner() {
    watchdog("a dial that is refused late", || {
        let (sim, client) = pair();
        sim.never_answer("calling.dial");
        let refused = json!({"result": {"code": "500", "message": "oh"}});
        // The leg has answered, and the dial has not been won: no dial waits for the leg.
        let dialing = dial(&client, "lost");
        push_leg(&sim, "lost", "leg-1", "answered");
        answer_by_hand(&sim, "calling.dial", refused.clone());
        assert_eq!(refusal(dialing.wait(MINUTE)).code(), Some(500));
        sim.advance(SECOND);
        assert_eq!(ended(&sim), ["leg-1"]);
        // The dial was won before: the winner counts more than the response.
        let dialing = dial(&client, "won");
        push_winner(&sim, "won", "leg-2");
        answer_by_hand(&sim, "calling.dial", refused.clone());
        let call = dialing.wait(MINUTE).unwrap();
        assert_eq!((call.id(), call.state()), ("leg-2", CallState::Answered));
        drop(dialing);
        sim.advance(SECOND);
        assert_eq!((ended(&sim).len(), call.state()), (1, CallState::Answered));
        // If the call is not taken, it is hung up, also if the response never arrives.
        for (tag, leg, reply) in [("left", "leg-3", true), ("mute", "leg-4", false)] {
            let dialing = dial(&client, tag);
            push_winner(&sim, tag, leg);
            if reply {
                answer_by_hand(&sim, "calling.dial", refused.clone());
            } else {
                sim.advance(20 * SECOND);
            }
            fence(&client);
            drop(dialing);
            sim.advance(SECOND);
            assert_eq!(ended(&sim).last().unwrap(), leg);
        }
        assert_eq!((client.stats().dials, client.stats().pending_requests), (0, 0));
    });
}

#[test]
fn a_winner_whose_last_state_was_ringing_is_answered() {
    watchdog("the state of a winner", || {
        let (sim, client) = pair();
        sim.never_answer("calling.dial");
        let dialing = dial(&client, "t");
        push_leg(&sim, "t", "leg", "ringing");
        fence(&client);
        let leg = dialing.legs().remove(0);
        assert_eq!(leg.state(), CallState::Ringing);
        push_winner(&sim, "t", "leg");
        let call = dialing.wait(MINUTE).unwrap();
        assert_eq!((call.state(), leg.state()), (CallState::Answered, CallState::Answered));
        assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
    });
}

// B: waits without an end.

#[test]
fn a_call_whose_end_was_missed_is_not_kept_indefinitely() {
    watchdog("calls that ended in a gap", || {
        let (sim, client) = pair();
        let (one, asked) = answered(&sim, &client, "+15551230001");
        let (two, forgotten) = answered(&sim, &client, "+15551230002");
        let play = forgotten.play(forever()).unwrap();
        let mut states = client.states();
        sim.stop_listening();
        sim.drop_link();
        is_lost(&mut states);
        one.hang_up();
        two.hang_up();
        sim.advance(3 * SECOND);
        sim.listen_again().unwrap();
        assert!(comes_back(&mut states));
        sim.advance(MINUTE);
        assert_eq!((client.stats().calls, asked.state()), (2, CallState::Answered));
        assert!(!asked.is_confirmed() && !forgotten.is_confirmed());
        // The first request on it finds its end.
        asked.hangup().unwrap();
        assert!(asked.end().is_some());
        // The other call has no request.
        let before = sim.elapsed();
        assert_eq!(refusal(forgotten.wait_for_ended(None)).kind(), ErrorKind::SessionLost);
        assert_eq!(refusal(play.wait(None)).kind(), ErrorKind::SessionLost);
        let took = sim.elapsed() - before;
        assert!(3 * HOUR < took && took <= 4 * HOUR, "{took:?}");
        sim.advance(SECOND);
        assert_eq!(client.stats().calls, 0);
    });
}

// C: times.

#[test]
fn a_second_is_a_second_whatever_is_waited_for() {
    watchdog("waits of seven seconds", || {
        const TIME: Duration = Duration::from_secs(7);
        let (sim, client) = pair();
        let (_caller, call) = answered(&sim, &client, "+15551230001");
        let play = call.play(forever()).unwrap();
        // There is neither an answer nor an event for two minutes.
        sim.never_answer("calling.dial");
        let dialing = dial(&client, "t");
        sim.never_answer("messaging.send");
        let sender = client.clone();
        let sending = sim.spawn(move || sender.send_message(sms(BOB).from("+15551111111").body("Hi"))).unwrap();
        answer_by_hand(&sim, "messaging.send", json!({"result": {"message_id": "m"}}));
        let message = sending.join().unwrap();
        let (mut states, mut events, mut of_play) = (client.states(), call.events(), play.events());
        while states.next_within(Duration::ZERO).is_some() {}
        while of_play.next_within(SECOND).is_some() {}
        type Wait<'a> = Box<dyn FnMut() -> bool + 'a>;
        let mut waits: Vec<(&str, Wait<'_>)> = vec![
            ("Dialing::wait", Box::new(|| refusal(dialing.wait(TIME)).kind() == ErrorKind::Timeout)),
            ("Call::wait_for_ending", Box::new(|| refusal(call.wait_for_ending(TIME)).is_timeout())),
            ("Call::wait_for_ended", Box::new(|| refusal(call.wait_for_ended(TIME)).is_timeout())),
            ("Call::wait_for", Box::new(|| refusal(call.wait_for("calling.x", |_| true, TIME)).is_timeout())),
            ("Action::wait", Box::new(|| refusal(play.wait(TIME)).is_timeout())),
            ("Message::wait", Box::new(|| refusal(message.wait(TIME)).is_timeout())),
            ("Client::next_call", Box::new(|| refusal(client.next_call(TIME)).is_timeout())),
            ("Client::next_message", Box::new(|| refusal(client.next_message(TIME)).is_timeout())),
            ("LinkStates", Box::new(move || states.next_within(TIME).is_none())),
            ("Call::events", Box::new(move || events.next_within(TIME).is_none())),
            ("Action::events", Box::new(move || of_play.next_within(TIME).is_none())),
        ];
        for (name, wait) in &mut waits {
            let before = sim.elapsed();
            assert!(wait(), "{name} did not time out");
            let took = sim.elapsed() - before;
            assert!(took >= TIME && took < TIME + SECOND / 100, "{name} took {took:?}");
        }
    });
}

#[test]
fn a_command_whose_operation_has_ended_leaves_the_call_and_one_whose_call_has_ended_ends_it() {
    watchdog("commands that find nobody", || {
        let (sim, client) = pair();
        let (_caller, call) = answered(&sim, &client, "+15551230001");
        let play = call.play(forever()).unwrap();
        sim.refuse_next("calling.play.pause", 404, "no such playback");
        play.pause().unwrap();
        assert!(call.end().is_none() && !play.is_done());
        sim.refuse_next("calling.play.pause", 410, "the call is gone");
        play.pause().unwrap();
        assert!(call.end().is_some());
        assert_eq!(refusal(play.wait(None)).kind(), ErrorKind::CallGone);
        assert_eq!(client.stats().calls, 0);
    });
}

// D: objects that are no longer needed.

#[test]
fn a_late_winner_is_hung_up_for_five_minutes() {
    watchdog("late winners", || {
        let (sim, client) = pair();
        sim.callee(BOB).does_not_answer();
        let before = sim.elapsed();
        let error = refusal(dial(&client, "t").wait(None));
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::DialFailed, false), "{error}");
        assert!(sim.elapsed() - before < 2 * MINUTE, "the service gave up first");
        // No event arrives until the dial is given up.
        sim.never_answer("calling.dial");
        let before = sim.elapsed();
        let error = refusal(client.dial(Dial::new(phone(BOB).from("+15551111111")).tag("u")));
        assert!(error.is_timeout(), "{error}");
        let took = sim.elapsed() - before;
        assert!(took >= 2 * MINUTE && took < 2 * MINUTE + SECOND, "{took:?}");
        sim.advance(5 * MINUTE - SECOND);
        push_leg(&sim, "u", "late", "answered");
        push_winner(&sim, "u", "late");
        sim.advance(SECOND / 2);
        assert_eq!(ended(&sim), ["late"]);
        assert_eq!((client.stats().calls, client.stats().dials_given_up), (0, 1));
        sim.advance(2 * MINUTE);
        assert_eq!(client.stats().dials_given_up, 0);
    });
}

#[test]
fn acknowledgements_that_were_not_written_are_dropped_with_their_connection() {
    watchdog("acknowledgements of an old link", || {
        let peer = Peer::new();
        let (client, mut service, _) = by_hand(&peer, peer.builder(), json!({"protocol": "p1"}));
        // Each acknowledgement contains the ID. The acknowledgements are not read, so they fill the socket and then
        // the queue, and the client may end the connection for that.
        for n in 0..100 {
            let id = format!("old-{n}-{}", "x".repeat(100_000));
            let event = event(&id, "some.event", json!({"n": n}));
            if service.0.send(tungstenite::Message::text(event.to_string())).is_err() {
                break;
            }
        }
        drop(service);
        let (mut service, _) = peer.welcome("p1");
        service.send(event("new", "some.event", json!({"n": -1})));
        assert_eq!(service.frame()["id"], "new");
        client.disconnect();
    });
}

// E: the connection.

#[test]
fn refused_credentials_open_three_connections_and_not_one_more_in_an_hour() {
    watchdog("refused credentials", || {
        let sim = Simulator::builder().virtual_time().start().unwrap();
        sim.refuse_all_credentials();
        let error = refusal(Client::builder().simulator(&sim).connect().map(drop));
        assert_eq!(error.kind(), ErrorKind::AuthRejected);
        assert!(sim.elapsed() >= 3 * SECOND && sim.elapsed() < 4 * SECOND, "{:?}", sim.elapsed());
        sim.advance(HOUR);
        assert_eq!((sim.connections_ever(), sim.connections()), (3, 0));
    });
}

#[test]
fn no_request_is_sent_before_the_service_has_answered_the_connect() {
    watchdog("a request during authentication", || {
        let (sim, client) = pair();
        let mut states = client.states();
        sim.hold_replies("signalwire.connect");
        sim.drop_link();
        is_lost(&mut states);
        sim.advance(2 * SECOND);
        let connects = sim.journal().requests("signalwire.connect");
        assert_eq!(connects.len(), 2, "it waits for the verdict");
        let asking = client.clone();
        let asking = sim.spawn(move || asking.receive(["more"])).unwrap();
        sim.advance(3 * SECOND);
        assert_eq!((client.stats().offline_requests, count(&sim, "signalwire.receive")), (1, 0));
        assert!(!client.state().is_online());
        sim.release_replies("signalwire.connect");
        asking.join().unwrap();
        assert!(comes_back_or_is(&client));
        let journal = sim.journal();
        let verdict = journal.replies("signalwire.connect")[1].sequence();
        assert!(journal.requests("signalwire.receive")[0].sequence() > verdict);
        assert_eq!(sim.violations(), [""; 0]);
    });
}

fn comes_back_or_is(client: &Client) -> bool {
    client.states().next_within(MINUTE).is_some_and(|state| state.is_online())
}

/// Number of connections of a client in ten minutes to a useless service.
fn attempts(spoil: impl FnOnce(&Simulator, &Client) + Send + 'static, mend: fn(&Simulator)) -> u64 {
    watchdog("ten minutes without a link", move || {
        let (sim, client) = pair();
        let mut states = client.states();
        spoil(&sim, &client);
        let attempts = sim.connections_ever() - 1;
        mend(&sim);
        // The longest wait, and the time that an attempt may take which has begun.
        let before = sim.elapsed();
        while !client.state().is_online() {
            states.next_within(MINUTE).expect("another attempt");
        }
        let took = sim.elapsed() - before;
        assert!(took <= 40 * SECOND, "{took:?}");
        client.receive(["more"]).unwrap();
        client.disconnect();
        attempts
    })
}

#[test]
fn a_service_that_is_of_no_use_is_not_hammered() {
    const TIME: Duration = Duration::from_secs(600);
    let drops_at_once = |sim: &Simulator, client: &Client| {
        let mut states = client.states();
        let end = sim.elapsed() + TIME;
        while sim.elapsed() < end {
            if states.next_within(TIME).expect("another attempt").is_online() {
                sim.drop_link();
            }
        }
        // Until the last drop has been noticed.
        sim.advance(SECOND / 10);
    };
    let refuses = |sim: &Simulator, _: &Client| {
        sim.refuse_all_credentials();
        sim.drop_link();
        sim.advance(TIME);
    };
    let says_nothing = |sim: &Simulator, _: &Client| {
        sim.never_answer("signalwire.connect");
        sim.drop_link();
        sim.advance(TIME);
    };
    let nothing = |_: &Simulator| {};
    let flapping = attempts(drops_at_once, nothing);
    let refused = attempts(refuses, Simulator::accept_credentials);
    let silent = attempts(says_nothing, |sim| sim.answer_again("signalwire.connect"));
    for (what, attempts) in [("flapping", flapping), ("refused", refused), ("silent", silent)] {
        assert!((15..=50).contains(&attempts), "{what}: {attempts} attempts in ten minutes");
    }
}

#[test]
fn a_request_that_waits_for_a_connection_outlives_attempts_that_fail() {
    watchdog("a request without a link", || {
        let sim = Simulator::builder().virtual_time().start().unwrap();
        let client = Client::builder().simulator(&sim).request_timeout(2 * MINUTE).connect().unwrap();
        let mut states = client.states();
        let ask = |context: &'static str| {
            let client = client.clone();
            sim.spawn(move || client.receive([context])).unwrap()
        };
        sim.stop_listening();
        sim.drop_link();
        is_lost(&mut states);
        let asking = ask("early");
        while !matches!(states.next_within(HOUR), Some(LinkState::Reconnecting { attempt: 4, .. })) {}
        assert_eq!(client.stats().offline_requests, 1);
        sim.listen_again().unwrap();
        asking.join().unwrap();
        assert_eq!(count(&sim, "signalwire.receive"), 1);
        // A request past its deadline fails at the deadline, and is not sent afterwards.
        sim.stop_listening();
        sim.drop_link();
        is_lost(&mut states);
        let before = sim.elapsed();
        assert_eq!(refusal(VirtualThread::join(ask("late"))).kind(), ErrorKind::Offline);
        let took = sim.elapsed() - before;
        assert!(took >= 2 * MINUTE && took < 2 * MINUTE + SECOND / 100, "{took:?}");
        sim.listen_again().unwrap();
        while !client.state().is_online() {
            states.next_within(HOUR);
        }
        sim.advance(MINUTE);
        assert_eq!((count(&sim, "signalwire.receive"), client.stats().pending_requests), (1, 0));
    });
}

#[test]
fn every_half_open_connection_is_noticed_in_its_time() {
    watchdog("half-open links", || {
        let (sim, client) = pair();
        let mut states = client.states();
        for round in 0..4 {
            sim.advance(MINUTE);
            assert!(client.state().is_online());
            while states.next_within(Duration::ZERO).is_some() {}
            let before = sim.elapsed();
            sim.freeze_link(true);
            is_lost(&mut states);
            let took = sim.elapsed() - before;
            // Fifteen seconds after the last byte a ping, ten more for its answer.
            assert!(took <= 25 * SECOND + SECOND / 100, "round {round}: {took:?}");
            sim.freeze_link(false);
            while !client.state().is_online() {
                states.next_within(HOUR).unwrap();
            }
        }
        assert_eq!(client.stats().sessions_resumed, 4);
    });
}

#[test]
fn run_goes_on_over_every_reconnect() {
    watchdog("run", || {
        let (sim, client) = pair();
        let over = Arc::new(AtomicBool::new(false));
        let (running, done) = (client.clone(), Arc::clone(&over));
        let running = sim
            .spawn(move || {
                let outcome = running.run();
                done.store(true, Ordering::SeqCst);
                outcome
            })
            .unwrap();
        let mut states = client.states();
        for lost in [false, true, false] {
            if lost {
                sim.forget_sessions();
            }
            sim.drop_link();
            assert_eq!(comes_back(&mut states), !lost);
            sim.advance(2 * MINUTE);
            assert!(!over.load(Ordering::SeqCst));
        }
        client.disconnect();
        running.join().unwrap();
    });
}

/// A client of a service made by hand.
fn by_hand(peer: &Peer, builder: signalwire_relay::Builder, result: Value) -> (Client, Service, Value) {
    let connecting = thread::spawn(move || builder.connect());
    let mut service = peer.accept();
    let connect = service.frame();
    service.reply(&connect, result);
    (connecting.join().unwrap().unwrap(), service, connect["params"]["authentication"].clone())
}

#[test]
fn credentials_are_never_taken_from_a_response() {
    watchdog("the credentials of the second connect", || {
        let peer = Peer::new();
        let hers = json!({"protocol": "p1", "jwt_token": "", "token": "other", "project": "other",
            "authentication": {"jwt_token": null, "project": "other", "token": "other"}, "authorization": {"jti": "x"}});
        for (builder, ours) in [
            (peer.builder(), json!({"project": "project-1", "token": "token-1"})),
            (peer.builder().jwt("jwt-1"), json!({"jwt_token": "jwt-1"})),
        ] {
            let (client, service, first) = by_hand(&peer, builder, hers.clone());
            drop(service);
            let mut service = peer.accept();
            let again = service.frame();
            assert_eq!((&first, &again["params"]["authentication"]), (&ours, &ours));
            service.reply(&again, hers.clone());
            client.disconnect();
        }
    });
}

#[test]
fn a_drain_ends_though_the_connection_is_down() {
    watchdog("a drain without a link", || {
        let (sim, client) = pair();
        let (_caller, call) = answered(&sim, &client, "+15551230001");
        let mut states = client.states();
        sim.stop_listening();
        sim.drop_link();
        is_lost(&mut states);
        let before = sim.elapsed();
        client.shutdown(30 * SECOND);
        let took = sim.elapsed() - before;
        assert!(took <= 32 * SECOND, "{took:?}");
        assert!(client.state().is_closed());
        assert_eq!(refusal(call.wait_for_ended(None)).kind(), ErrorKind::Closed);
    });
}

// F: delivery.

#[test]
fn what_can_no_longer_be_acknowledged_is_delivered_all_the_same() {
    watchdog("events before the end of a link", || {
        let peer = Peer::new();
        let (client, mut service, _) = by_hand(&peer, peer.builder(), json!({"protocol": "p1"}));
        let (heard, hears) = channel();
        client.on_event(move |event| heard.send(event.raw().get("n")).unwrap());
        let mut states = client.states();
        assert!(!online(&mut states));
        // The frame arrives in one piece with the end of the connection, which is no longer read.
        let events: Vec<Value> = (0..20).map(|n| event(&format!("e-{n}"), "some.event", json!({"n": n}))).collect();
        service.send_together(&events);
        drop(service);
        for n in 0..20 {
            assert_eq!(hears.recv_timeout(LONG).unwrap(), Some(json!(n)));
        }
        let (_service, _) = peer.welcome("p1");
        assert!(online(&mut states));
    });
}

#[test]
fn the_channel_of_an_event_does_not_decide_its_receiver() {
    watchdog("events of other channels", || {
        let peer = Peer::new();
        let (client, mut service, _) = by_hand(&peer, peer.builder(), json!({"protocol": "p1"}));
        for (n, channel) in
            [json!("p1"), json!("another"), json!(""), json!(null), json!(["p1"])].into_iter().enumerate()
        {
            let id = format!("m-{n}");
            let mut frame = event(&id, "messaging.receive", json!({"message_id": id, "body": "Hi"}));
            frame["params"]["event_channel"] = channel;
            service.send(frame);
            assert_eq!(client.next_message(LONG).unwrap().id(), id);
        }
    });
}

#[test]
fn a_handler_that_takes_minutes_holds_nothing_up() {
    watchdog("a slow handler", || {
        let (sim, client) = pair();
        client.on_call(|call| {
            call.answer()?;
            if call.from_number() == "+15551230001" {
                // No event arrives during the wait.
                let _none = call.wait_for("calling.x", |_| true, 30 * MINUTE);
            } else {
                call.play(tts("Hello"))?.wait(None)?;
            }
            Ok(call.hangup()?)
        });
        let slow = sim.caller("+15551230001").is_silent().dials();
        sim.advance(MINUTE);
        let before = sim.elapsed();
        for n in 0..5 {
            let quick = sim.caller(format!("+1555123001{n}")).is_silent().dials();
            quick.wait_ended(MINUTE).unwrap();
            assert_eq!(quick.heard(), ["Hello"]);
            sim.advance(MINUTE);
        }
        assert!(sim.elapsed() - before < 6 * MINUTE);
        assert_eq!(slow.state(), "answered");
        slow.wait_ended(HOUR).unwrap();
        assert_eq!((sim.connections_ever(), sim.violations()), (1, vec![]));
    });
}

// Bounds.

#[test]
fn a_listener_that_is_too_slow_loses_notices_that_are_counted_and_never_the_end() {
    watchdog("a bound for notices", || {
        const SIZE: usize = 1000;
        let sim = Simulator::builder().virtual_time().start().unwrap();
        let client = Client::builder()
            .simulator(&sim)
            .contexts(["default"])
            .tuning(|t| t.max_listener_backlog_bytes(20 * SIZE))
            .connect()
            .unwrap();
        let (caller, call) = answered(&sim, &client, "+15551230001");
        let heard = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let list = Arc::clone(&heard);
        let same = call.clone();
        call.on_any(move |event| {
            list.lock().push(event.name().to_string());
            // This takes as long as a wait that times out.
            let _none = same.wait_for_ended(MINUTE);
        });
        for n in 0..100 {
            let text = "x".repeat(SIZE);
            sim.push_event("calling.x", json!({"call_id": call.id(), "n": n, "text": text}));
        }
        fence(&client);
        let stats = client.stats();
        assert!(stats.listener_backlog_bytes <= 20 * SIZE, "{stats:?}");
        let dropped = stats.listener_events_dropped;
        assert!((80..100).contains(&dropped), "{dropped}");
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        sim.advance(2 * HOUR);
        let heard = heard.lock().clone();
        assert_eq!(heard.len() as u64, 100 - dropped + 1, "what was not dropped was delivered");
        assert_eq!(heard.last().map(String::as_str), Some("calling.call.state"));
        assert_eq!((client.stats().listener_backlog_bytes, client.stats().listener_events_dropped), (0, dropped));
    });
}

// The page.

const PAGE: &str = include_str!("../../src/docs/reliability.md");

/// One entry of the page.
struct Entry {
    id: String,
    what_happens: String,
    what_is_done: String,
    tests: Vec<String>,
}

/// The entries under a heading, up to the next one: `- **A1.** What happens.\`, `→ What is done.\`, `<small>tests</small>`.
fn entries(heading: &str) -> Vec<Entry> {
    let under = PAGE.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let under: Vec<&str> = under.take_while(|line| !line.starts_with('#')).collect();
    let text = format!("\n{}", under.join("\n"));
    text.split("\n- **").skip(1).map(entry).collect()
}

fn entry(text: &str) -> Entry {
    let (id, rest) = text.split_once(".** ").unwrap_or_else(|| panic!("an entry without an ID: {text}"));
    let mut parts = rest.split("\\\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut part = |begin: &str| {
        let part = parts.next().unwrap_or_default();
        part.strip_prefix(begin).unwrap_or_else(|| panic!("{id}: {part:?} does not begin with {begin:?}")).to_owned()
    };
    let (what_happens, what_is_done, tests) = (part(""), part("→ "), part("<small>"));
    Entry { id: id.to_owned(), what_happens, what_is_done, tests: named(&tests) }
}

/// The tests that a text names: between backticks, with a module, in lower case.
fn named(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
    quoted.filter(|name| name.contains("::") && name.chars().all(is_name)).map(str::to_owned).collect()
}

#[test]
fn the_page_has_an_entry_for_every_fault() {
    for (heading, id, count) in [
        ("## A. ", "A", 6),
        ("## B. ", "B", 15),
        ("## C. ", "C", 14),
        ("## D. ", "D", 6),
        ("## E. ", "E", 16),
        ("## F. ", "F", 7),
        ("## G. ", "G", 4),
        ("## R. ", "R", 10),
        ("# Scenarios", "", 30),
    ] {
        let entries = entries(heading);
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, (1..=count).map(|n| format!("{id}{n}")).collect::<Vec<_>>(), "{heading}");
        for Entry { id, what_happens, what_is_done, tests } in entries {
            assert!(!what_happens.is_empty() && !what_is_done.is_empty() && !tests.is_empty(), "{id}");
        }
    }
    assert!(entries("# Faults of the machine").len() > 30);
}

fn sources(beneath: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(beneath).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// All tests, by the modules that they stand in.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for top in ["tests/it", "tests/cli", "tests/conformance", "tests/allocations", "tests/trace", "src"] {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join(top);
        let mut files = Vec::new();
        sources(&top, &mut files);
        for file in files {
            let name = file.strip_prefix(&top).unwrap().with_extension("").to_str().unwrap().replace(['/', '\\'], "::");
            let of_file = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            // A module within is all that follows which is indented.
            let (mut module, mut is_test) = (of_file.clone(), false);
            for line in text.lines() {
                let words = line.trim_start();
                if !line.starts_with(' ') && line.contains("mod ") && line.ends_with('{') {
                    let inner = line.split("mod ").nth(1).unwrap().trim_end_matches(" {");
                    module = format!("{of_file}::{inner}");
                } else if line.starts_with('}') {
                    module.clone_from(&of_file);
                }
                if words.starts_with("#[test]") {
                    is_test = true;
                } else if let Some(name) = words.strip_prefix("fn ").filter(|_| is_test) {
                    tests.insert(format!("{module}::{}", name.split('(').next().unwrap()));
                    is_test = false;
                }
            }
        }
    }
    tests
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let tests = tests();
    assert!(tests.len() > 400, "{}", tests.len());
    let named = named(PAGE);
    assert!(named.len() > 400, "{}", named.len());
    let missing: Vec<&String> = named.iter().filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "src/docs/reliability.md names what is not there: {missing:#?}");
}
