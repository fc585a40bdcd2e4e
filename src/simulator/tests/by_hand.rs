//! People who are controlled by hand, and the records of their calls.

use std::collections::BTreeMap;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Bare, LONG, fast, no_violations, phone, tts, with};
use crate::simulator::interactions::{Interaction, InteractionKind, pressed, spoke};
use crate::simulator::{PersonOnCall, Simulator};

/// A phone that rings for so many simulated seconds.
fn patient(number: &str, seconds: f64) -> Value {
    let mut device = phone(number);
    device["params"]["timeout"] = seconds.into();
    device
}

/// Longer than any machine takes to answer by hand, whatever the speed.
const AN_AGE: f64 = 1e6;

/// Dials a number; gives the person at whom it rings.
fn ringing(sim: &Simulator, client: &mut Bare<TcpStream>, tag: &str, device: Value) -> PersonOnCall {
    let reply = client.ask("calling.dial", json!({"tag": tag, "devices": [[device]]}));
    assert_eq!(reply["result"]["code"], "200", "{reply}");
    let event = client.event("calling.call.state", |event| event["tag"] == tag && event["call_state"] == "ringing");
    sim.person_on(event["call_id"].as_str().expect("a call ID")).expect("a call that rings")
}

fn outcome(client: &mut Bare<TcpStream>, tag: &str) -> Value {
    client.event("calling.call.dial", |event| event["tag"] == tag && event["dial_state"] != "dialing")
}

#[test]
fn a_phone_that_rings_is_answered_or_declined_by_hand() {
    let sim = fast();
    sim.callee("+15552222222").rings();
    let mut client = Bare::connected(&sim);
    let bob = ringing(&sim, &mut client, "a", patient("+15552222222", AN_AGE));
    assert_eq!((bob.state(), bob.was_answered()), ("ringing", false));
    assert!(bob.answer() && !bob.answer() && !bob.decline(), "a call is answered once");
    assert_eq!(outcome(&mut client, "a")["dial_state"], "answered");
    bob.hang_up();
    assert_eq!((bob.end_reason().as_deref(), bob.answer()), (Some("hangup"), false));

    for (tag, reason) in [("b", "decline"), ("c", "busy"), ("d", "decline")] {
        let bob = ringing(&sim, &mut client, tag, patient("+15552222222", AN_AGE));
        match tag {
            "b" => assert!(bob.decline()),
            "c" => assert!(bob.is_busy()),
            // Hanging up before the answer declines the call.
            _ => bob.hang_up(),
        }
        let failed = outcome(&mut client, tag);
        assert_eq!((&failed["dial_state"], &failed["reason"]), (&json!("failed"), &json!(reason)));
    }
    no_violations(&sim);
}

#[test]
fn a_phone_that_rings_by_hand_stops_when_the_dial_is_given_up() {
    let sim = fast();
    sim.callee("+15552222222").rings();
    let mut client = Bare::connected(&sim);
    let bob = ringing(&sim, &mut client, "a", patient("+15552222222", 30.0));
    assert_eq!(outcome(&mut client, "a")["reason"], "noAnswer");
    assert!(!bob.answer() && !bob.decline() && !bob.is_busy());
    // The phone of a caller does not ring.
    let ann = sim.caller("+15551110000").dials();
    client.offered();
    assert!(!ann.answer() && !ann.decline());
    assert_eq!(ann.state(), "created");
    no_violations(&sim);
}

#[test]
fn every_number_of_which_nothing_is_said_does_what_unlisted_callees_do() {
    let sim = fast();
    sim.callee("+15553333333").answers();
    sim.unlisted_callee().is_busy();
    let mut client = Bare::connected(&sim);
    for (tag, number, state) in [("a", "+15552222222", "failed"), ("b", "+15553333333", "answered")] {
        let reply = client.ask("calling.dial", json!({"tag": tag, "devices": [[phone(number)]]}));
        assert_eq!(reply["result"]["code"], "200", "{reply}");
        assert_eq!(outcome(&mut client, tag)["dial_state"], state, "{number}");
    }
    // A later setting for one number applies to that number, and a setting for all numbers to those that were not
    // called yet.
    sim.unlisted_callee().answers().is_silent();
    sim.callee("+15552222222").answers();
    for (tag, number) in [("c", "+15552222222"), ("d", "+15554444444")] {
        client.ask("calling.dial", json!({"tag": tag, "devices": [[phone(number)]]}));
        assert_eq!(outcome(&mut client, tag)["dial_state"], "answered", "{number}");
    }
    assert_eq!(sim.callee("+15554444444").times_called(), 1);
    no_violations(&sim);
}

#[test]
fn a_watcher_receives_each_interaction_and_sees_which_people_are_connected() {
    let sim = fast();
    sim.callee("+15552222222").rings();
    let ann = sim.caller("+15551110000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let (sender, interactions) = std::sync::mpsc::channel();
    sim.on_interaction(move |interaction| drop(sender.send(interaction.clone())));
    let is = |kind: InteractionKind| move |interaction: &Interaction| interaction.kind() == kind;
    let next = |fits: &dyn Fn(&Interaction) -> bool| loop {
        let interaction = interactions.recv_timeout(LONG).expect("an interaction");
        if fits(&interaction) {
            return interaction;
        }
    };
    // The listener also receives the interactions from before its registration.
    assert_eq!(next(&is(InteractionKind::Answered)).call_id(), Some(ann.call_id()));

    let device = patient("+15552222222", AN_AGE);
    client.ask("calling.connect", with(&call, json!({"devices": [[device]]})));
    let event = client.event("calling.call.state", |event| event["call_state"] == "ringing");
    let bob = sim.person_on(event["call_id"].as_str().expect("a call ID")).expect("a call that rings");
    let peers = || -> Vec<Option<String>> { sim.calls().into_iter().map(|call| call.connected_to).collect() };
    assert_eq!(peers(), [None, None]);
    assert!(bob.answer());
    assert_eq!(peers(), [Some(bob.call_id().to_owned()), Some(ann.call_id().to_owned())]);
    ann.say("is that you?");
    let said = next(&is(InteractionKind::Spoke));
    assert_eq!((said.with(), said.words(), said.call_id()), ("+15551110000", "is that you?", Some(ann.call_id())));
    let heard = next(&is(InteractionKind::Heard));
    assert_eq!((heard.with(), heard.words(), heard.call_id()), ("+15552222222", "is that you?", Some(bob.call_id())));

    bob.press("12");
    assert_eq!(next(&is(InteractionKind::Pressed)).words(), "12");
    assert_eq!(sim.count_of(&pressed("2").with("+15552222222")), 1);
    assert_eq!(sim.count_of(&spoke("that you").with("+15551110000")), 1);

    client.on(&call, "calling.hold", json!({}));
    assert!(sim.calls()[0].held && !sim.calls()[1].held);
    client.on(&call, "calling.unhold", json!({}));
    client.on(&call, "calling.disconnect", json!({}));
    client.on(&call, "calling.join_conference", json!({"name": "standup"}));
    assert_eq!(sim.calls()[0].conference.as_deref(), Some("standup"));
    let caller = sim.caller("+15554440000").dials();
    let waiting = client.answered();
    client.on(&waiting, "calling.queue.enter", json!({"control_id": "q", "queue_name": "sales"}));
    let queues: Vec<(String, Option<String>)> =
        sim.calls().into_iter().map(|call| (call.call_id, call.queue)).collect();
    assert!(queues.contains(&(caller.call_id().to_owned(), Some("sales".into()))), "{queues:?}");
    no_violations(&sim);
}

#[test]
fn a_callee_meets_one_call_after_the_other_as_the_settings_between_then_say() {
    let sim = fast();
    let bob = sim.callee("+15552222222").is_busy().then().is_machine("You have reached Bob", true).declines();
    let bob = bob.then().answers().presses("7");
    // The same for every number that is not set up.
    sim.unlisted_callee().does_not_exist().then().answers();
    let mut client = Bare::connected(&sim);
    let dials = [("+15552222222", "busy"), ("+15552222222", "decline"), ("+15552222222", "answered")];
    let others = [("+15553333333", "not_found"), ("+15553333333", "answered"), ("+15554444444", "not_found")];
    for (tag, (number, wanted)) in dials.into_iter().chain(others).enumerate() {
        let tag = tag.to_string();
        client.ask("calling.dial", json!({"tag": tag, "devices": [[phone(number)]]}));
        let seen = outcome(&mut client, &tag);
        let state = if wanted == "answered" { "answered" } else { "failed" };
        assert_eq!(seen["dial_state"], state, "{number}, {wanted}: {seen}");
        assert_eq!(seen["reason"].as_str().unwrap_or("answered"), wanted, "{number}");
    }
    assert_eq!(bob.times_called(), 3);
    assert_eq!(sim.callee("+15553333333").times_called(), 2);
    // The last setting applies to all further calls.
    client.ask("calling.dial", json!({"tag": "again", "devices": [[phone("+15552222222")]]}));
    assert_eq!(outcome(&mut client, "again")["dial_state"], "answered");
    no_violations(&sim);
}

#[test]
fn what_was_stopped_was_heard_but_not_to_the_end() {
    let sim = fast();
    let bob = sim.callee("+15552222222").answers();
    let mut client = Bare::connected(&sim);
    client.ask("calling.dial", json!({"tag": "a", "devices": [[phone("+15552222222")]]}));
    let call = outcome(&mut client, "a")["call"].clone();
    let call = json!({"call_id": call["call_id"], "node_id": call["node_id"]});
    client.on(&call, "calling.play", json!({"control_id": "whole", "play": tts("Hello")}));
    client.event("calling.call.play", |event| event["control_id"] == "whole" && event["state"] == "finished");
    // This is far longer than a machine needs to stop it, at any speed.
    let story = "and they lived happily ".repeat(5_000);
    client.on(&call, "calling.play", json!({"control_id": "part", "play": tts(&story)}));
    bob.wait_heard("lived happily", LONG).expect("the story begins");
    client.on(&call, "calling.play.stop", json!({"control_id": "part"}));
    client.event("calling.call.play", |event| event["control_id"] == "part" && event["state"] == "finished");
    assert_eq!(bob.heard(), ["Hello", &story]);
    assert_eq!(bob.heard_to_the_end(), ["Hello"]);
    let on_call = sim.person_on(call["call_id"].as_str().expect("a call ID")).expect("a call that is up");
    assert_eq!((on_call.heard(), on_call.heard_to_the_end()), (bob.heard(), bob.heard_to_the_end()));
    no_violations(&sim);
}

#[test]
fn a_program_in_another_process_finds_the_simulator_by_its_environment() {
    for (tls, trust) in [(false, "SIGNALWIRE_RELAY_SCHEME"), (true, "SIGNALWIRE_RELAY_CA_FILE")] {
        let sim = Simulator::builder().tls(tls).project("p-1").token("t-1").start().expect("a simulator");
        let environment: BTreeMap<_, _> = sim.environment().into_iter().collect();
        let ca = sim.ca_file().map_or("ws".to_owned(), |ca| ca.display().to_string());
        let wanted = [
            ("SIGNALWIRE_API_TOKEN", "t-1".to_owned()),
            ("SIGNALWIRE_PROJECT_ID", "p-1".to_owned()),
            ("SIGNALWIRE_RELAY_HOST", sim.host()),
            (trust, ca),
            ("no_proxy", "*".to_owned()),
        ];
        assert_eq!(environment, BTreeMap::from(wanted));
    }
}
