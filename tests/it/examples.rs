//! The examples `queue`, `conference` and `reminder`, with faults.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use signalwire_relay::simulator::{Caller, PersonOnCall, Simulator};
use signalwire_relay::{Client, EndReason, ErrorKind};

use crate::support::{until_in, watched};

#[path = "../../examples/conference.rs"]
#[allow(dead_code, clippy::duplicate_mod)]
mod conference;
#[path = "../../examples/queue.rs"]
#[allow(dead_code, clippy::duplicate_mod)]
mod queue;
#[path = "../../examples/reminder.rs"]
#[allow(dead_code, clippy::duplicate_mod)]
mod reminder;

const AGENT: &str = "+15553330001";
const BOB: &str = "+15552220000";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn stage() -> (Arc<Simulator>, Client) {
    let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    (sim, client)
}

fn caller(sim: &Simulator) -> Caller {
    sim.caller("+15551230002")
}

fn heard(person: &PersonOnCall, text: &str) -> bool {
    person.heard().iter().any(|heard| heard.contains(text))
}

/// Fails if a call is left, or a handler has failed.
fn assert_over(sim: &Simulator, client: &Client) {
    sim.advance(MINUTE);
    assert_eq!((client.stats().handler_failures, client.stats().calls), (0, 0));
    assert!(sim.calls().is_empty(), "{:?}", sim.calls());
}

/// Loses the connection, and its session too unless it `resumes`.
fn lose(sim: &Simulator, resumes: bool) {
    if !resumes {
        sim.forget_sessions();
    }
    sim.drop_link();
    sim.advance(10 * SECOND);
}

// The queue.

/// A caller who has waited in line for ten seconds, and the node that the desk receives.
fn in_line(person: impl FnOnce(Caller) -> Caller) -> (Arc<Simulator>, Client, PersonOnCall, String) {
    let (sim, client) = stage();
    let (waiting, line) = channel();
    client.on_call(move |call| queue::wait_in_line(&call, &waiting));
    let caller = person(caller(&sim)).dials();
    sim.advance(10 * SECOND);
    let line: Receiver<String> = line;
    let node_id = line.try_recv().unwrap();
    (sim, client, caller, node_id)
}

#[test]
fn a_caller_in_line_talks_to_the_agent_and_is_thanked_when_the_agent_hangs_up() {
    let (sim, client, caller, node_id) = in_line(Caller::is_silent);
    sim.callee(AGENT).answers_after(8 * SECOND).when_put_through().says("how can I help?").waits(MINUTE).hangs_up();
    queue::serve(&client, &node_id).unwrap();
    caller.wait_ended(10 * MINUTE).unwrap();
    assert!(heard(&caller, "how can I help") && heard(&caller, "Thank you for calling."));
    assert_over(&sim, &client);
}

#[test]
fn a_caller_in_line_hears_that_no_agent_is_free_when_the_agent_is_busy_or_does_not_answer() {
    for reason in [EndReason::Busy, EndReason::NoAnswer] {
        let (sim, client, caller, node_id) = in_line(Caller::is_silent);
        let agent = sim.callee(AGENT);
        drop(if reason == EndReason::Busy { agent.is_busy() } else { agent.does_not_answer() });
        let error = queue::serve(&client, &node_id).unwrap_err();
        assert_eq!((error.kind(), error.end_reason()), (ErrorKind::DialFailed, Some(reason)));
        caller.wait_ended(10 * MINUTE).unwrap();
        assert!(heard(&caller, "Nobody is free."));
        assert_over(&sim, &client);
    }
}

#[test]
fn an_agent_is_not_kept_on_the_line_when_the_caller_has_left() {
    let (sim, client, caller, node_id) =
        in_line(|caller| caller.after_hearing("hold the line").waits(12 * SECOND).hangs_up());
    sim.callee(AGENT).answers_after(8 * SECOND);
    let error = queue::serve(&client, &node_id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
    assert!(caller.wait_ended(MINUTE).is_ok() && !heard(&caller, "Thank you"));
    assert_over(&sim, &client);
}

#[test]
fn a_caller_stays_in_line_over_a_gap_and_the_program_lets_go_with_its_session() {
    let (sim, client, caller, node_id) = in_line(Caller::is_silent);
    sim.callee(AGENT).answers().when_put_through().says("how can I help?").waits(5 * SECOND).hangs_up();
    lose(&sim, true);
    queue::serve(&client, &node_id).unwrap();
    caller.wait_ended(10 * MINUTE).unwrap();
    assert!(heard(&caller, "how can I help"));
    assert_over(&sim, &client);

    let (sim, client, caller, node_id) = in_line(Caller::is_silent);
    lose(&sim, false);
    assert_eq!((client.stats().handler_failures, client.stats().calls), (0, 0));
    // For this session, the line is empty.
    sim.callee(AGENT).is_busy();
    assert_eq!(queue::serve(&client, &node_id).unwrap_err().end_reason(), Some(EndReason::Busy));
    assert!(!heard(&caller, "Nobody is free."));
    assert_over(&sim, &client);
}

// The conference.

#[test]
fn a_conference_goes_on_when_one_hangs_up_before_joining_and_one_in_the_middle() {
    let (sim, client) = stage();
    client.on_call(conference::take_part);
    let early = caller(&sim).after_hearing("Welcome").hangs_up().dials();
    early.wait_ended(MINUTE).unwrap();
    let (ann, bob) = (sim.caller("+15551230004"), sim.caller("+15551230005"));
    let ann = ann.when_put_through().says("Good morning, Bob.").waits(10 * SECOND).hangs_up().dials();
    let bob = bob.after_hearing("Good morning, Bob").waits(MINUTE).hangs_up().dials();
    ann.wait_ended(10 * MINUTE).unwrap();
    assert_eq!(bob.state(), "answered");
    bob.wait_ended(10 * MINUTE).unwrap();
    // A caller who hangs up hears nothing more.
    assert!(!heard(&bob, "stand-up is over") && !heard(&early, "stand-up is over"));
    assert_over(&sim, &client);
}

#[test]
fn a_caller_who_is_taken_out_of_a_conference_hears_that_it_has_ended() {
    let (sim, client) = stage();
    client.on_call(conference::take_part);
    let ann = sim.caller("+15551230004").is_silent().dials();
    ann.wait_heard("Welcome", MINUTE).unwrap();
    sim.advance(10 * SECOND);
    let call = sim.calls().remove(0);
    let removed = json!({"call_id": call.call_id, "name": "stand-up", "status": "participant-leave"});
    sim.push_event("calling.conference", removed);
    ann.wait_ended(MINUTE).unwrap();
    assert!(heard(&ann, "The stand-up is over."));
    assert_over(&sim, &client);
}

#[test]
fn a_conference_lasts_over_a_gap_and_the_program_lets_go_with_its_session() {
    for resumes in [true, false] {
        let (sim, client) = stage();
        client.on_call(conference::take_part);
        let ann = sim.caller("+15551230004").is_silent().dials();
        ann.wait_heard("Welcome", MINUTE).unwrap();
        sim.advance(10 * SECOND);
        lose(&sim, resumes);
        assert_eq!((client.stats().handler_failures, client.stats().calls), (0, usize::from(resumes)));
        if resumes {
            assert_eq!(ann.state(), "answered");
            ann.hang_up();
        }
        assert_over(&sim, &client);
    }
}

// The reminders.

fn remind(client: &Client) -> reminder::Outcome {
    reminder::remind(client, BOB, "+15551111111", "Bob")
}

/// Number of calls to a number.
fn dials(sim: &Simulator) -> usize {
    sim.journal().requests("calling.dial").len()
}

#[test]
fn a_reminder_says_how_it_went_and_how_long_it_lasted() {
    let (sim, client) = stage();
    let bob = || sim.callee(BOB).answers().is_person();
    let _bob = bob().waits(5 * MINUTE);
    let outcome = remind(&client);
    assert_eq!((outcome.result, outcome.reason, outcome.rang), ("reminded", Some(EndReason::Hangup), None));
    assert!(outcome.lasted.is_some_and(|lasted| lasted > SECOND && lasted < MINUTE), "{:?}", outcome.lasted);
    sim.callee(BOB).answers().is_machine("You have reached my mailbox.", true);
    assert_eq!(remind(&client).result, "left a message");
    // The callee hangs up in the middle.
    let callee = bob();
    let plays = || sim.journal().requests("calling.play").len();
    let before = plays();
    let (calling, on) = (client.clone(), Arc::clone(&sim));
    let outcome = on.spawn(move || remind(&calling)).unwrap();
    until_in(&sim, "the callee is spoken to", || plays() > before);
    callee.hang_up();
    let outcome = outcome.join();
    assert_eq!((outcome.result, outcome.reason), ("hung up", Some(EndReason::Hangup)));
    assert_over(&sim, &client);
}

#[test]
fn a_reminder_tries_twice_who_is_busy_or_away_and_once_who_declines() {
    let (sim, client) = stage();
    let seconds = |span: Option<Duration>| span.map(|span| (span.as_secs_f64() * 10.0).round() / 10.0);
    for (reason, rang, tries) in [
        (EndReason::Busy, None, 2),
        (EndReason::NoAnswer, Some(24.7), 2),
        (EndReason::Decline, Some(1.2), 1),
        (EndReason::NotFound, None, 1),
    ] {
        let callee = sim.callee(BOB);
        drop(match reason {
            EndReason::Busy => callee.is_busy(),
            EndReason::NoAnswer => callee.does_not_answer(),
            EndReason::Decline => callee.declines(),
            _ => callee.does_not_exist(),
        });
        let before = dials(&sim);
        let outcome = remind(&client);
        assert_eq!((outcome.result, &outcome.reason), ("not reached", &Some(reason.clone())));
        assert_eq!((seconds(outcome.rang), dials(&sim) - before), (rang, tries), "{reason}");
        let rang = rang.map(|rang| rang.to_string()).unwrap_or_default();
        assert_eq!(outcome.to_string(), format!("not reached,{reason},{rang},"));
    }
    assert_over(&sim, &client);
}

#[test]
fn a_reminder_goes_on_over_a_gap_and_calls_no_number_twice_when_its_session_is_lost() {
    for (resumes, result) in [(true, "reminded"), (false, "unknown")] {
        let (sim, client) = stage();
        sim.callee(BOB).answers_after(20 * SECOND).is_person().waits(MINUTE).hangs_up();
        let (calling, on) = (client.clone(), Arc::clone(&sim));
        let outcome = on.spawn(move || remind(&calling)).unwrap();
        sim.advance(5 * SECOND);
        lose(&sim, resumes);
        assert_eq!((outcome.join().result, dials(&sim)), (result, 1));
        sim.advance(3 * MINUTE);
        assert_over(&sim, &client);
    }
}

#[test]
fn a_campaign_has_a_line_for_each_number() {
    watched(|| {
        let sim = Simulator::builder().speed(200.0).start().unwrap();
        let number = |index: usize| format!("+155522200{index:02}");
        for index in 0..20 {
            let callee = sim.callee(number(index));
            drop(match index % 4 {
                0 => callee.is_busy(),
                1 => callee.does_not_answer(),
                2 => callee.declines(),
                _ => callee.does_not_exist(),
            });
        }
        let client = Client::builder().simulator(&sim).connect().unwrap();
        let list: String = (0..20).map(|index| format!("{},Customer {index}\n", number(index))).collect();
        let lines = Mutex::new(Vec::new());
        reminder::campaign(&client, &list, "+15551111111", |line| lines.lock().unwrap().push(line));
        let mut lines = lines.into_inner().unwrap();
        lines.sort();
        assert_eq!(lines.len(), 20);
        for (index, line) in lines.iter().enumerate() {
            let reason = ["busy", "noAnswer", "decline", "not_found"][index % 4];
            let begin = format!("{},Customer {index},not reached,{reason},", number(index));
            assert!(line.starts_with(&begin) && line.ends_with(','), "{line}");
        }
    });
}
