//! No caller is left on the line: hang-ups and passes that the client sends by itself reach the service, whatever the
//! fate of the first attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use signalwire_relay::connection::LinkStates;
use signalwire_relay::simulator::{Fault, PersonOnCall, Simulator};
use signalwire_relay::{Builder, Client, Dial, ErrorKind, phone, silence};

use crate::support::{
    LONG, Warnings, child_role, count, log_to, online, push_envelope, reconnecting, report, reports_of_child, until_in,
    virtual_sim, watchdog, watched,
};

const SECOND: Duration = Duration::from_secs(1);
const BOB: &str = "+15552222222";

/// A client with default settings, except those that connect it to the simulator.
fn plain(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"])
}

fn online_client(builder: Builder) -> (Client, LinkStates) {
    let client = builder.connect().unwrap();
    let mut states = client.states();
    online(&mut states);
    (client, states)
}

fn take_away(sim: &Simulator, states: &mut LinkStates) {
    sim.stop_listening();
    sim.drop_link();
    reconnecting(states);
}

fn dials_in(sim: &Simulator) -> PersonOnCall {
    sim.caller("+15551230000").calls("+15559990000").dials()
}

/// A handler that answers and then sends a request every second, like a program that speaks to callers.
fn speaks(client: &Client, times: usize) -> Arc<AtomicUsize> {
    let speaking = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&speaking);
    client.on_call(move |call| {
        call.answer()?;
        count.fetch_add(1, Ordering::SeqCst);
        for _ in 0..times {
            if call.wait_for_ended(SECOND).is_ok() {
                return Ok(());
            }
            call.play(silence(SECOND))?;
        }
        call.hangup()?;
        Ok(())
    });
    speaking
}

#[test]
fn a_caller_is_hung_up_after_the_connection_was_down_for_25_s() {
    watched(|| a_caller_whose_link_was_away_for_25_s(&virtual_sim()));
}

fn a_caller_whose_link_was_away_for_25_s(sim: &Simulator) {
    let (client, mut states) = online_client(plain(sim));
    speaks(&client, usize::MAX);
    let caller = dials_in(sim);
    caller.wait_answered(LONG).unwrap();
    take_away(sim, &mut states);
    sim.advance(25 * SECOND);
    assert_eq!(client.stats().handler_failures, 1, "its request failed after 10 s");
    sim.listen_again().unwrap();
    assert!(online(&mut states));
    caller.wait_ended(LONG).unwrap();
    assert!(caller.was_hung_up_on());
    until_in(sim, "nothing is left", || client.stats().calls + client.stats().pending_requests == 0);
    assert_eq!(count(sim, "calling.end"), 1);
}

/// Runs a number of callers while the connection is down for some time, with default settings. Returns the number of
/// failed handlers.
fn callers(sim: &Simulator, many: usize, away: Duration, lost: bool) -> u64 {
    let (client, mut states) = online_client(plain(sim));
    let speaking = speaks(&client, 6);
    let callers: Vec<PersonOnCall> = (0..many).map(|_| dials_in(sim)).collect();
    until_in(sim, "all calls", || speaking.load(Ordering::SeqCst) == many);
    take_away(sim, &mut states);
    if lost {
        sim.forget_sessions();
    }
    sim.advance(away);
    sim.listen_again().unwrap();
    assert_eq!(online(&mut states), !lost);
    for caller in &callers {
        caller.wait_ended(LONG).unwrap();
        assert_eq!(caller.was_hung_up_on(), !lost);
    }
    until_in(sim, "nothing is left", || client.stats().calls + client.stats().pending_requests == 0);
    client.stats().handler_failures
}

/// The tests of virtual time, in real time. `REAL=1` uses the same numbers and takes two minutes.
#[test]
fn in_real_time_too_no_caller_is_left_on_the_line() {
    let is_long = std::env::var_os("REAL").is_some();
    let (many, away) = if is_long { (1000, 3 * SECOND) } else { (10, SECOND) };
    for lost in [false, true] {
        // A request whose response was on its way when the connection was lost has an unknown outcome, and its handler
        // fails: that call is hung up as well.
        watched(move || {
            let failed = callers(&Simulator::start().unwrap(), many, away, lost);
            assert!(failed <= many as u64, "{failed}");
        });
    }
    if is_long {
        watched(|| a_caller_whose_link_was_away_for_25_s(&Simulator::start().unwrap()));
    }
}

#[test]
fn a_thousand_callers_outlive_a_connection_that_is_down_for_3_s_at_default_settings() {
    watched(|| assert_eq!(callers(&virtual_sim(), 1000, 3 * SECOND, false), 0));
}

#[test]
fn of_a_thousand_callers_none_is_left_when_the_session_is_lost_with_the_connection() {
    watched(|| assert_eq!(callers(&virtual_sim(), 1000, 3 * SECOND, true), 0));
}

/// Everything that the client sends by itself about a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Post {
    /// The handler of an answered call has failed.
    End,
    /// No handler has claimed an inbound call.
    Pass,
    /// A dial that rings is given up.
    Cancel,
    /// A leg of a dial that was given up shows itself.
    LateWinner,
}

/// The fate of the first attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The connection is down for longer than the request timeout.
    Unsent,
    /// The first attempt is not sent, and no request may wait for the connection.
    OverTheBound,
    /// The service does not respond.
    Expired,
    /// The connection is lost before the service has read the request.
    LostBefore,
    /// The connection is lost before the service has responded, but after it has acted.
    LostAfter,
}

/// Makes a handler fail that plays something.
fn fail_the_handler(sim: &Simulator) {
    sim.refuse_always("calling.play", 400, "no");
}

/// The program has one call, for which the client is about to send something by itself; then `fate`, then the post.
fn is_sent_until_the_service_has_responded(post: Post, fate: Fate) {
    let sim = virtual_sim();
    let bob = sim.callee(BOB).answers_after(100 * SECOND);
    let method = if post == Post::Pass { "calling.pass" } else { "calling.end" };
    let bound = if fate == Fate::OverTheBound { 0 } else { 100 };
    let (client, mut states) = online_client(plain(&sim).tuning(|t| t.offline_queue(bound)));
    let dial = || client.start_dial(Dial::new(phone(BOB).from("+15551111111")).limit(1000 * SECOND)).unwrap();
    let (mut caller, mut dialing) = (None, None);
    match post {
        Post::End => {
            speaks(&client, usize::MAX);
            let person = dials_in(&sim);
            person.wait_answered(LONG).unwrap();
            caller = Some(person);
        }
        Post::Pass => {
            caller = Some(dials_in(&sim));
            until_in(&sim, "the offer", || client.stats().unclaimed == 1);
        }
        Post::Cancel => {
            dialing = Some(dial());
            until_in(&sim, "a phone that rings", || bob.times_called() == 1 && client.stats().calls == 1);
        }
        Post::LateWinner => {}
    }
    let away = matches!(fate, Fate::Unsent | Fate::OverTheBound);
    match fate {
        Fate::Unsent | Fate::OverTheBound => take_away(&sim, &mut states),
        Fate::Expired => sim.never_answer(method),
        Fate::LostBefore => sim.drop_link_before_request(method),
        Fate::LostAfter => sim.drop_link_after_request(method),
    }
    match post {
        // The handler's next request fails without a connection.
        Post::End if away => {}
        Post::End => fail_the_handler(&sim),
        // The offer waits for 5 s.
        Post::Pass => {}
        Post::Cancel => drop(dialing.take()),
        // The dial is given up before any event of the phone.
        Post::LateWinner => dial().cancel(),
    }
    sim.advance(25 * SECOND);
    if away {
        sim.listen_again().unwrap();
    }
    sim.answer_again(method);
    if let (Post::Pass, Some(caller)) = (post, &caller) {
        until_in(&sim, "the call to be passed back", || caller.was_passed());
    } else {
        until_in(&sim, "nobody on the line", || {
            let live = sim.calls();
            if live.is_empty() { Ok(()) } else { Err(format!("{live:?}")) }
        });
    }
    until_in(&sim, "nothing is owed", || client.stats().pending_requests == 0);
    let sent = count(&sim, method);
    let right = if away { sent == 1 } else { (2..=4).contains(&sent) };
    assert!(right, "{sent} times {method}");
}

#[test]
fn whatever_becomes_of_a_hang_up_or_a_pass_of_the_client_s_own_it_is_sent_until_the_service_responds() {
    let fates = [Fate::Unsent, Fate::OverTheBound, Fate::Expired, Fate::LostBefore, Fate::LostAfter];
    for post in [Post::End, Post::Pass, Post::Cancel, Post::LateWinner] {
        for fate in fates {
            if post == Post::LateWinner && matches!(fate, Fate::Unsent | Fate::OverTheBound) {
                // A late winner is reported by an event, which requires a connection.
                continue;
            }
            watchdog(&format!("{post:?}, {fate:?}"), move || is_sent_until_the_service_has_responded(post, fate));
        }
    }
}

#[test]
fn a_pass_without_a_response_is_not_repeated_for_a_call_that_routing_has_offered_again() {
    watched(|| {
        let sim = virtual_sim();
        let (client, _states) = online_client(plain(&sim));
        sim.never_answer("calling.pass");
        let offer = |timestamp: f64| {
            let params = json!({"node_id": "n", "call_id": "call", "segment_id": "call", "direction": "inbound",
                "call_state": "created", "context": "default",
                "device": {"type": "phone", "params": {"from_number": "+15551230000", "to_number": BOB}}});
            let told = json!({"event_type": "calling.call.receive", "timestamp": timestamp, "params": params});
            push_envelope(&sim, Some(json!(format!("offer {timestamp}"))), told);
        };
        offer(1.0);
        until_in(&sim, "the call to be passed back", || count(&sim, "calling.pass") == 1);
        offer(2.0);
        let anew = client.next_call(LONG).unwrap();
        sim.advance(60 * SECOND);
        assert_eq!((anew.id(), anew.end(), count(&sim, "calling.pass")), ("call", None, 1));
    });
}

#[test]
fn a_hang_up_that_a_service_in_trouble_refuses_is_repeated_after_growing_pauses_and_given_up() {
    watched(|| {
        let sim = virtual_sim();
        let (client, _states) = online_client(plain(&sim).tuning(|t| t.late_answer_window(300 * SECOND)));
        client.on_call(|call| {
            call.answer()?;
            Err("a mistake of the program".into())
        });
        sim.inject(Fault::refuse(500, "trouble").on("calling.end"));
        let _caller = sim.caller("+15551230000").calls("+15559990000").is_silent().dials();
        sim.wait_for_request("calling.end", LONG).unwrap();
        sim.advance(600 * SECOND);
        // After 1, 2, 4, 8, 16 s, and then every 30 s.
        let sent = count(&sim, "calling.end");
        assert!((10..=17).contains(&sent), "{sent}");
        sim.advance(600 * SECOND);
        assert_eq!((count(&sim, "calling.end"), client.stats().posted_requests), (sent, 0));
    });
}

#[test]
fn a_call_whose_hang_up_was_refused_is_hung_up_again_by_a_shutdown() {
    watched(|| {
        let sim = virtual_sim();
        let (client, _states) = online_client(plain(&sim));
        client.on_call(|call| {
            call.answer()?;
            Err("a mistake of the program".into())
        });
        sim.refuse_next("calling.end", 400, "not like this");
        let caller = dials_in(&sim);
        sim.wait_for_request("calling.end", LONG).unwrap();
        sim.advance(SECOND);
        assert_eq!((caller.state(), client.stats().posted_requests), ("answered", 0));
        client.shutdown(SECOND);
        assert_eq!((caller.state(), count(&sim, "calling.end")), ("ended", 2));
    });
}

#[test]
fn a_hang_up_that_waits_for_the_connection_is_sent_in_the_session_that_comes() {
    watched(|| {
        let sim = virtual_sim();
        let (client, mut states) = online_client(plain(&sim));
        speaks(&client, usize::MAX);
        let caller = dials_in(&sim);
        caller.wait_answered(LONG).unwrap();
        take_away(&sim, &mut states);
        sim.advance(25 * SECOND);
        sim.forget_sessions();
        sim.listen_again().unwrap();
        assert!(!online(&mut states));
        until_in(&sim, "nothing is owed", || client.stats().pending_requests == 0);
        let ends = sim.journal().requests("calling.end");
        assert_eq!(ends.len(), 1);
        assert_eq!(ends[0].params()["call_id"], caller.call_id());
    });
}

#[test]
fn what_could_not_be_cleaned_up_is_a_warning_with_the_id_of_the_call() {
    const NAME: &str = "owed::what_could_not_be_cleaned_up_is_a_warning_with_the_id_of_the_call";
    if let Some(role) = child_role() {
        return watched(move || {
            log_to(&Warnings);
            let sim = virtual_sim();
            let (client, mut states) = online_client(plain(&sim).tuning(|t| t.late_answer_window(60 * SECOND)));
            speaks(&client, usize::MAX);
            let caller = dials_in(&sim);
            caller.wait_answered(LONG).unwrap();
            report(format!("call {}", caller.call_id()));
            if role == "refused" || role == "gone" {
                sim.refuse_next("calling.end", if role == "gone" { 404 } else { 403 }, "not allowed");
                fail_the_handler(&sim);
            } else {
                take_away(&sim, &mut states);
            }
            sim.advance(if role == "down" { 120 * SECOND } else { 30 * SECOND });
            client.disconnect();
        });
    }
    let cases = [
        ("down", Some("the connection was down for too long")),
        ("closed", Some("the client was closed")),
        ("refused", Some("the service rejected the request: not allowed (403)")),
        // The caller hung up in the same moment.
        ("gone", None),
    ];
    for (role, why) in cases {
        let said = reports_of_child(NAME, role, &[]);
        let call = said.iter().find(|line| line.starts_with("call ")).unwrap();
        let warned = why.map(|why| format!("{call} could not be hung up, and may still be up: {why}"));
        let warnings = said.iter().filter(|line| line.contains("could not be")).collect::<Vec<_>>();
        assert_eq!(warnings, warned.iter().collect::<Vec<_>>(), "{role}");
    }
}

#[test]
fn a_method_that_blocks_waits_for_room_in_the_offline_queue() {
    watched(|| {
        let sim = virtual_sim();
        let settings = plain(&sim)
            .tuning(|t| t.offline_queue(1))
            .request_timeout(30 * SECOND)
            .tuning(|t| t.reconnect_delay(SECOND, SECOND));
        let (client, mut states) = online_client(settings);
        let caller = dials_in(&sim);
        let call = client.next_call(LONG).unwrap();
        call.answer().unwrap();
        take_away(&sim, &mut states);
        let receive = |client: &Client| {
            let client = client.clone();
            sim.spawn(move || client.execute("signalwire.receive", json!({"contexts": ["more"]})).map(drop)).unwrap()
        };
        let full = client.start_dial(phone(BOB).from("+15551111111")).unwrap();
        // Until its own deadline.
        let begun = sim.elapsed();
        let error = receive(&client).join().unwrap_err();
        assert_eq!((error.kind(), sim.elapsed() - begun), (ErrorKind::Offline, 30 * SECOND));
        assert!(error.is_retryable() && !error.may_have_been_sent());
        drop(full);
        // Until there is room.
        let full = client.start_dial(phone(BOB).from("+15551111111")).unwrap();
        let waiting = receive(&client);
        sim.advance(SECOND);
        full.cancel();
        until_in(&sim, "a request that waits", || client.stats().offline_requests == 1);
        // Until the client has reconnected, or the session is lost.
        let second = receive(&client);
        let of_call = call.clone();
        let of_session = sim.spawn(move || of_call.play(silence(SECOND)).map(drop)).unwrap();
        sim.advance(SECOND);
        assert_eq!(client.stats().offline_requests, 1);
        sim.forget_sessions();
        sim.listen_again().unwrap();
        waiting.join().unwrap();
        second.join().unwrap();
        assert_eq!(of_session.join().unwrap_err().kind(), ErrorKind::SessionLost);
        drop(caller);
        // The other end of the wait is the end of the client.
        online(&mut states);
        take_away(&sim, &mut states);
        let full = client.start_dial(phone(BOB).from("+15551111111")).unwrap();
        let waiting = receive(&client);
        sim.advance(SECOND);
        client.disconnect();
        assert_eq!(waiting.join().unwrap_err().kind(), ErrorKind::Closed);
        drop(full);
    });
}

#[test]
fn an_offline_queue_that_does_not_fit_the_calls_is_a_warning() {
    const NAME: &str = "owed::an_offline_queue_that_does_not_fit_the_calls_is_a_warning";
    if child_role().is_some() {
        return watched(|| {
            log_to(&Warnings);
            let sim = virtual_sim();
            drop(plain(&sim).connect().unwrap());
            drop(plain(&sim).max_active_calls(10_000).connect().unwrap());
            drop(plain(&sim).max_active_calls(10).tuning(|t| t.offline_queue(20)).connect().unwrap());
            drop(plain(&sim).max_active_calls(10).tuning(|t| t.offline_queue(19)).connect().unwrap());
        });
    }
    let said = reports_of_child(NAME, "builder", &[]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("offline_queue is 19") && said[0].contains("set it to 20 or more"), "{said:?}");
}

#[test]
fn each_passed_call_is_one_warning_and_many_are_two_lines() {
    const NAME: &str = "owed::each_passed_call_is_one_warning_and_many_are_two_lines";
    if child_role().is_some() {
        return watched(|| {
            log_to(&Warnings);
            let sim = virtual_sim();
            let client = plain(&sim).max_active_calls(1).tuning(|t| t.max_unclaimed(1)).connect().unwrap();
            let first = dials_in(&sim);
            until_in(&sim, "the first offer", || client.stats().unclaimed == 1);
            report(format!("first {}", first.call_id()));
            // There may be one call, and it is there.
            let others: Vec<PersonOnCall> = (0..200).map(|_| dials_in(&sim)).collect();
            report(format!("second {}", others[0].call_id()));
            sim.advance(60 * SECOND);
            assert_eq!(client.stats().calls_passed, 201);
            drop(client);
        });
    }
    let said = reports_of_child(NAME, "passed", &[]);
    let id = |which: &str| said.iter().find_map(|line| line.strip_prefix(which)).unwrap().to_owned();
    let lines: Vec<&String> = said.iter().filter(|line| line.contains("passed back")).collect();
    assert_eq!(lines.len(), 2, "{said:?}");
    let (first, second) = (id("first "), id("second "));
    assert_eq!(*lines[0], format!("inbound call {second} is passed back: as many calls as allowed are live already"));
    assert_eq!(lines[1], "200 more inbound calls were passed back in the last 10s", "{first} among them");
}
