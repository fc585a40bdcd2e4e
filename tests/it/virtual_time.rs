//! Time that passes when every thread waits.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::devices::Phone;
use signalwire_relay::simulator::{Simulator, Time, VirtualThread};
use signalwire_relay::{Call, CallState, Client, Collect, ErrorKind, HandlerResult, LinkState, Record, phone, tts};

use tungstenite::{Message, WebSocket};

use crate::support::watchdog;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// More real time than anything here takes that does not wait.
const HOUR: Duration = Duration::from_secs(3600);

fn simulator() -> Simulator {
    Simulator::builder().virtual_time().start().unwrap()
}

fn client(sim: &Simulator) -> Client {
    Client::builder().simulator(sim).contexts(["default"]).connect().unwrap()
}

fn bob() -> Phone {
    phone("+15552222222").from("+15551111111")
}

/// Fails unless `span` has passed in virtual time, to a hundredth of a second.
fn assert_took(took: Duration, span: Duration) {
    assert!((span..span + Duration::from_millis(10)).contains(&took), "{took:?} instead of {span:?}");
}

#[test]
fn a_ring_of_thirty_seconds_costs_nothing() {
    watchdog("a dial in virtual time", || {
        let sim = simulator();
        let client = client(&sim);
        sim.callee("+15552222222").answers_after(30 * SECOND);
        let before = sim.elapsed();
        let call = client.dial(bob()).unwrap();
        assert_eq!(call.state(), CallState::Answered);
        assert_took(sim.elapsed() - before, 30 * SECOND);
        // An hour that passed at the pace of the machine would be a hang.
        sim.advance(HOUR);
    });
}

#[test]
fn the_deadlines_of_the_program_run_in_the_same_time() {
    watchdog("deadlines in virtual time", || {
        let sim = simulator();
        let client = client(&sim);
        sim.callee("+15552222222").does_not_answer();
        let before = sim.elapsed();
        let dialing = client.start_dial(bob()).unwrap();
        assert_eq!(dialing.wait(20 * SECOND).unwrap_err().kind(), ErrorKind::Timeout);
        assert_took(sim.elapsed() - before, 20 * SECOND);
        dialing.cancel();

        sim.never_answer("signalwire.receive");
        let before = sim.elapsed();
        let error = client.receive(["office"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert_took(sim.elapsed() - before, 10 * SECOND);

        let before = sim.elapsed();
        assert_eq!(client.next_call(5 * MINUTE).unwrap_err().kind(), ErrorKind::Timeout);
        assert_took(sim.elapsed() - before, 5 * MINUTE);
    });
}

#[test]
fn a_response_at_the_moment_of_the_ping_keeps_the_connection() {
    watchdog("pings in virtual time", || {
        let sim = Simulator::builder().virtual_time().pings_every(1000 * MINUTE).start().unwrap();
        let client = client(&sim);
        sim.never_answer("signalwire.receive");
        client.receive(["office"]).unwrap_err();
        sim.advance(10 * MINUTE);
        let stats = client.stats();
        assert!(stats.pings_sent > 10, "{stats:?}");
        assert_eq!((stats.connections, sim.connections_ever()), (1, 1));
    });
}

/// Number of answered dials.
fn answered(sim: &Simulator) -> usize {
    let dials = sim.journal().events("calling.call.dial");
    dials.iter().filter(|dial| dial.params()["dial_state"] == "answered").count()
}

#[test]
fn time_by_hand_stands_until_it_is_led_on() {
    watchdog("time by hand", || {
        let sim = Simulator::builder().time(Time::ByHand).start().unwrap();
        let client = client(&sim);
        sim.callee("+15552222222").answers_after(30 * SECOND);
        let dialing = client.start_dial(bob()).unwrap();
        sim.advance(29 * SECOND);
        assert_eq!(sim.elapsed(), 29 * SECOND);
        assert_eq!(answered(&sim), 0);
        sim.advance(2 * SECOND);
        assert_eq!(answered(&sim), 1);
        assert!(dialing.wait(SECOND).is_ok());
        assert_eq!(sim.elapsed(), 31 * SECOND);
    });
}

/// Asks for five digits, one after the other, each of which takes a while; then takes a message.
fn menu(call: Call) -> HandlerResult {
    call.answer()?;
    for round in 1..=5 {
        let asked = format!("This is question {round}. Take your time, there is a minute for it.");
        let digits = Collect::digits(1).initial_timeout(MINUTE);
        let heard = call.prompt(tts(&asked), digits)?.wait(None)?;
        call.play(tts(format!("You pressed {}", heard.digits().unwrap_or("nothing"))))?.wait(None)?;
    }
    call.record(Record::new().beep(true).max_length(20 * SECOND))?.wait(None)?;
    Ok(call.hangup()?)
}

/// A caller who thinks for so long before each key.
fn thinks(sim: &Simulator, number: &str, pause: Duration) -> signalwire_relay::simulator::PersonOnCall {
    let mut caller = sim.caller(number).calls("+15550000000");
    for key in ["1", "2", "3", "4", "5"] {
        caller = caller.when_asked_for_digits().waits(pause).presses(key);
    }
    caller.dials()
}

#[test]
fn a_conversation_of_five_minutes_sleeps_nowhere() {
    watchdog("an IVR in virtual time", || {
        let sim = simulator();
        let client = client(&sim);
        client.on_call(menu);
        let before = sim.elapsed();
        let caller = thinks(&sim, "+15551230000", 45 * SECOND);
        caller.wait_ended(10 * MINUTE).unwrap();
        let took = sim.elapsed() - before;
        assert!(took > 4 * MINUTE + 30 * SECOND, "{took:?}\n{}", sim.transcript().join("\n"));
        client.disconnect();
    });
}

#[test]
#[should_panic(expected = "24 hours have passed in it")]
fn a_wait_for_what_cannot_come_panics_instead_of_hanging() {
    let sim = simulator();
    let client = client(&sim);
    drop(client.next_call(None));
}

/// A call that survives two cuts of the connection, the second of which costs the session.
fn cuts(seed: u64) -> (String, Vec<Duration>) {
    let sim = Simulator::builder().virtual_time().seed(seed).start().unwrap();
    let client = client(&sim);
    let _caller = sim.caller("+15551230000").calls("+15550000000").dials();
    let call = client.next_call(SECOND).unwrap();
    call.answer().unwrap();
    let mut back = Vec::new();
    for lost in [false, true] {
        // Until every thread waits, because the fate of frames in flight at a cut is not defined.
        sim.advance(SECOND);
        let states = client.states();
        if lost {
            sim.forget_sessions();
        }
        let before = sim.elapsed();
        sim.drop_link();
        for state in states {
            if matches!(state, LinkState::Online { resumed } if resumed != lost) && sim.elapsed() > before {
                break;
            }
        }
        back.push(sim.elapsed() - before);
        sim.advance(20 * SECOND);
        assert_eq!(call.state() == CallState::Ended, lost);
    }
    client.disconnect();
    (sim.journal().canonical(), back)
}

#[test]
fn the_same_seed_reconnects_at_the_same_moments() {
    let run = |seed| watchdog("cuts in virtual time", move || cuts(seed));
    let (first, back) = run(7);
    assert!(back.iter().all(|took| *took >= SECOND / 4 && *took <= 2 * SECOND), "{back:?}");
    for round in 1..10 {
        assert_same(&first, &run(7).0, round);
    }
    assert_ne!(run(8).1, back);
}

/// Four calls at once, two in and two out, and what went over the wire.
fn four_calls(seed: u64) -> String {
    let sim = Simulator::builder().virtual_time().seed(seed).start().unwrap();
    let client = client(&sim);
    client.on_call(menu);
    sim.callee("+15552222222").answers_after(7 * SECOND).after_hearing("Good morning").hangs_up();
    sim.callee("+15553333333").answers_after(7 * SECOND).is_machine("You have reached Carol", true);
    let first = thinks(&sim, "+15551230001", 20 * SECOND);
    let second = thinks(&sim, "+15551230002", 20 * SECOND);
    let dials = ["+15552222222", "+15553333333"].map(|number| {
        let client = client.clone();
        let job = move || {
            let call = client.dial(phone(number).from("+15551111111")).unwrap();
            let played = call.play(tts("Good morning, this is a call for you")).and_then(|action| action.wait(None));
            drop(played);
            drop(call.hangup());
        };
        sim.spawn(job).unwrap()
    });
    let [(), ()] = dials.map(VirtualThread::join);
    for caller in [first, second] {
        caller.wait_ended(10 * MINUTE).unwrap();
    }
    sim.advance(MINUTE);
    client.disconnect();
    assert_eq!(sim.violations(), [""; 0]);
    sim.journal().canonical()
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let run = || watchdog("four calls in virtual time", || four_calls(1));
    let first = run();
    assert!(first.lines().count() > 100, "{first}");
    for round in 1..rounds() {
        assert_same(&first, &run(), round);
    }
}

fn assert_same(first: &str, again: &str, round: usize) {
    if again != first {
        let differ = first.lines().zip(again.lines()).position(|(a, b)| a != b).unwrap_or(0);
        let show = |text: &str| text.lines().skip(differ.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
        panic!("run {round} differs in line {differ}:\n{}\n\n{}", show(first), show(again));
    }
}

/// A client of no virtual time: it has done the upgrade, and reads nothing by itself.
fn foreign(sim: &Simulator) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(sim.address()).unwrap();
    tungstenite::client(sim.url(), stream).unwrap().0
}

/// Authenticates, and leaves the answer where it is.
fn introduce(foreign: &mut WebSocket<TcpStream>) {
    let params = json!({"version": {"major": 2, "minor": 0, "revision": 0}, "event_acks": true,
        "contexts": ["office"], "authentication": {"project": "p", "token": "t"}});
    let connect = json!({"jsonrpc": "2.0", "id": "1", "method": "signalwire.connect", "params": params});
    foreign.send(Message::text(connect.to_string())).unwrap();
}

#[test]
fn a_peer_from_another_time_is_served_in_its_own_and_holds_nothing_up() {
    watchdog("a foreign peer", || {
        let sim = simulator();
        let mut idle = foreign(&sim);
        let mut deaf = foreign(&sim);
        introduce(&mut deaf);
        // In real time, because virtual time does not know of a foreign peer. The events that follow are left unread.
        let welcome = sim.blocking(|| deaf.read().unwrap());
        assert!(welcome.to_text().unwrap().contains("\"protocol\""), "{welcome}");
        let client = client(&sim);
        sim.callee("+15552222222").answers_after(30 * SECOND);
        assert_eq!(client.dial(bob()).unwrap().state(), CallState::Answered);
        sim.advance(60 * MINUTE);
        // An event for a peer that does not read it, either.
        sim.texts_in("office", "+15551230000", "+15559990000", "hello");
        sim.advance(60 * MINUTE);
        assert_eq!(client.next_call(SECOND).unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(sim.violations(), [""; 0], "nothing is wrong with it");

        let mut heard = String::new();
        while !heard.contains("messaging.receive") {
            heard += deaf.read().unwrap().to_text().unwrap();
        }
        assert!(heard.contains("authorization_state") && !heard.contains("signalwire.ping"), "{heard}");
        introduce(&mut idle);
        assert!(idle.read().unwrap().to_text().unwrap().contains("\"protocol\""));
        drop((idle, deaf));
        sim.advance(MINUTE);
        assert_eq!(client.stats().connections, 1);
    });
}

#[test]
fn a_foreign_peer_that_reaches_a_port_in_an_outage_holds_nothing_up() {
    watchdog("a foreign peer in an outage", || {
        let sim = simulator();
        let client = client(&sim);
        for _ in 0..20 {
            sim.stop_listening();
            sim.drop_link();
            assert!(TcpStream::connect(sim.address()).is_err(), "nobody accepts");
            sim.advance(20 * SECOND);
            sim.listen_again().unwrap();
            let peer = foreign(&sim);
            sim.wait_connected(1, MINUTE).unwrap();
            // Until the client knows that too.
            sim.advance(SECOND);
            drop(peer);
        }
        assert_eq!(client.stats().connections, 21);
    });
}

/// Whether a connection has this port at its own end, by what the system says.
#[cfg(target_os = "linux")]
fn has_a_connection(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|own| own.ends_with(&format!(":{port:04X}"))) && fields.get(3) == Some(&"01")
    };
    table.lines().any(established)
}

#[test]
#[cfg(target_os = "linux")]
fn the_port_of_an_outage_is_given_to_no_other_program() {
    let sim = Simulator::start().unwrap();
    let port = sim.address().port();
    sim.stop_listening();
    assert!(TcpStream::connect(sim.address()).is_err(), "nobody accepts");
    assert!(has_a_connection(port), "the system gives away a port that nothing uses");
    sim.listen_again().unwrap();
    drop(foreign(&sim));
    drop(sim);
    assert!(!has_a_connection(port));
}

/// Number of repetitions of the four calls: `RUNS=300 cargo test --release the_same_seed` for the long form.
fn rounds() -> usize {
    std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(10)
}
