//! The example `transfer`, with faults.

use std::sync::Arc;
use std::time::Duration;

use signalwire_relay::simulator::{Caller, Fault, PersonOnCall, Simulator};
use signalwire_relay::{Client, EndReason};

use crate::support::{LONG, watched};

#[path = "../../examples/transfer.rs"]
#[allow(dead_code)]
mod example;

const FIRST: &str = "+15553330001";
const SECOND: &str = "+15553330002";
const MINUTE: Duration = Duration::from_secs(60);

fn stage(simulator: Simulator) -> (Arc<Simulator>, Client) {
    let sim = Arc::new(simulator);
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    client.on_call(example::menu);
    (sim, client)
}

fn in_virtual_time() -> (Arc<Simulator>, Client) {
    stage(Simulator::builder().virtual_time().start().unwrap())
}

fn caller(sim: &Simulator) -> Caller {
    sim.caller("+15551230002").when_asked_for_digits().presses("1")
}

fn heard(person: &PersonOnCall, text: &str) -> bool {
    person.heard().iter().any(|heard| heard.contains(text))
}

#[test]
fn the_second_agent_is_tried_when_the_first_is_busy() {
    let (sim, client) = in_virtual_time();
    sim.callee(FIRST).is_busy();
    sim.callee(SECOND).answers().when_put_through().says("Hello").waits(MINUTE).hangs_up();
    let caller = caller(&sim).dials();
    caller.wait_ended(10 * MINUTE).unwrap();
    assert!(heard(&caller, "Hello") && heard(&caller, "Thank you for calling."));
    assert_eq!(client.stats().handler_failures, 0);
}

#[test]
fn a_caller_hears_that_no_agent_is_free() {
    let (sim, client) = in_virtual_time();
    sim.callee(FIRST).is_busy();
    sim.callee(SECOND).does_not_answer();
    let caller = caller(&sim).dials();
    caller.wait_ended(10 * MINUTE).unwrap();
    assert!(heard(&caller, "All agents are busy."));
    assert_eq!(client.stats().handler_failures, 0);
}

#[test]
fn a_caller_who_hangs_up_while_the_agent_rings_leaves_nothing_behind() {
    let (sim, client) = in_virtual_time();
    sim.callee(FIRST).does_not_answer();
    let caller = caller(&sim).after_hearing("please wait").waits(Duration::from_secs(3)).hangs_up().dials();
    assert_eq!(caller.wait_ended(10 * MINUTE).unwrap(), EndReason::Hangup.as_str());
    sim.advance(MINUTE);
    let stats = client.stats();
    assert_eq!((stats.handler_failures, stats.calls), (0, 0));
    // The second agent was not called after the caller had left.
    assert_eq!(sim.journal().requests("calling.connect").len(), 1);
}

#[test]
fn a_caller_whose_agent_answered_in_a_gap_goes_on_talking() {
    let (sim, client) = in_virtual_time();
    sim.callee(FIRST).answers_after(Duration::from_secs(3)).when_put_through().says("Hello");
    sim.inject(Fault::lose().on("calling.call.connect").events().for_next(3));
    let caller = caller(&sim).after_hearing("Hello").waits(MINUTE * 3).hangs_up().dials();
    caller.wait_heard("Hello", 2 * MINUTE).unwrap();
    sim.drop_link();
    // No party hangs up, although the handler never learns that the agent has answered.
    sim.advance(MINUTE * 2);
    assert_eq!(caller.state(), "answered");
    assert!(sim.journal().requests("calling.end").is_empty());
    caller.wait_ended(10 * MINUTE).unwrap();
    sim.advance(MINUTE);
    assert_eq!(client.stats().calls, 0);
}

#[test]
fn a_transfer_ends_with_its_session() {
    let (sim, client) = in_virtual_time();
    sim.callee(FIRST).answers_after(Duration::from_secs(15));
    let caller = caller(&sim).dials();
    caller.wait_heard("please wait", 2 * MINUTE).unwrap();
    // The agent's phone rings; the response to `calling.connect` arrived long before.
    sim.advance(Duration::from_secs(5));
    sim.forget_sessions();
    sim.drop_link();
    sim.advance(MINUTE);
    // The end of the call is no failure of the handler.
    let stats = client.stats();
    assert_eq!((stats.handler_failures, stats.calls), (0, 0));
}

#[test]
fn two_hundred_transfers_at_high_speed_miss_nothing() {
    watched(|| {
        let (sim, client) = stage(Simulator::builder().speed(200.0).start().unwrap());
        sim.callee(FIRST).is_busy();
        sim.callee(SECOND).answers().when_put_through().says("Hello");
        for _ in 0..200 {
            let caller = caller(&sim).after_hearing("Hello").hangs_up().dials();
            caller.wait_ended(LONG).unwrap();
            assert!(heard(&caller, "Hello"));
        }
        crate::support::until("every call is over", || client.stats().calls == 0);
        assert_eq!(client.stats().handler_failures, 0);
    });
}
