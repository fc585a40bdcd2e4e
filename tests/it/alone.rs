//! The parts of the stand-alone simulator, in this process. The program itself is tested in `tests/cli`.

use std::sync::mpsc::channel;

use serde_json::json;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, ErrorKind, phone};

use crate::support::{LONG, client, simulator_at};

const ANN: &str = "+15551230000";
const BOB: &str = "+15552222222";
const OURS: &str = "+15559990000";

#[test]
fn it_listens_at_the_address_that_is_set_and_reports_when_it_cannot() {
    let first = Simulator::start().unwrap();
    let taken = Simulator::builder().listen(first.address()).start().unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Config);
    assert!(taken.to_string().contains(&first.host()), "{taken}");

    let everywhere = Simulator::builder().listen("0.0.0.0:0".parse().unwrap()).tls(true).start().unwrap();
    assert!(everywhere.address().ip().is_unspecified());
    assert!(everywhere.url().starts_with("wss://127.0.0.1:"), "{}", everywhere.url());
    Client::builder().simulator(&everywhere).connect().unwrap().disconnect();
}

#[test]
fn both_ends_of_two_connected_calls_are_seen_and_can_be_steered() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    assert!(sim.calls().is_empty() && sim.person_on("no such call").is_none());
    let ann = sim.caller(ANN).calls(OURS).when_put_through().says("Bob?").dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.connect(phone(BOB).from(OURS)).unwrap();
    sim.callee(BOB).wait_heard("Bob?", LONG).unwrap();

    let calls = sim.calls();
    let seen: Vec<_> = calls.iter().map(|call| (&*call.person, &*call.program, call.inbound, call.state)).collect();
    assert_eq!(seen, [(ANN, OURS, true, "answered"), (BOB, OURS, false, "answered")]);
    assert_eq!(calls[0].call_id, call.id());
    let bob = sim.person_on(&calls[1].call_id).unwrap();
    assert_eq!((bob.number(), bob.state()), (BOB, "answered"));
    bob.say("This is Bob");
    ann.wait_heard("this is bob", LONG).unwrap();
    ann.hang_up();
    bob.wait_ended(LONG).unwrap();
    assert_eq!(bob.state(), "ended");
    call.wait_for_ended(LONG).unwrap();
    assert!(sim.calls().is_empty());
}

#[test]
fn a_late_listener_gets_the_early_frames_too_and_all_of_them_by_the_end() {
    let sim = simulator_at(20.0);
    let early = client(&sim);
    let (sender, frames) = channel();
    sim.on_frame(move |frame| drop(sender.send(frame.clone())));
    early.execute("calling.sing", json!({})).unwrap_err();
    assert_eq!(sim.take_violations().len(), 1);
    early.disconnect();
    let journal = sim.journal();
    drop(sim);
    let heard: Vec<u64> = frames.iter().map(|frame| frame.sequence()).collect();
    let kept = journal.entries().len() as u64;
    assert!(heard.len() as u64 >= kept && heard.iter().copied().eq(0..heard.len() as u64), "{heard:?} of {kept}");
    assert_eq!(journal.requests("calling.sing")[0].to_json()["kind"], "request");
}

#[test]
fn a_slip_of_the_pen_is_no_method() {
    let sim = simulator_at(20.0);
    let known = ["signalwire.connect", "calling.play", "messaging.send"];
    assert!(known.into_iter().all(|method| sim.knows_method(method)));
    assert!(["", "calling.plai", "play"].into_iter().all(|method| !sim.knows_method(method)));
}
