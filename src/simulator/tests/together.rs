//! Conferences, rooms, queues, transfers, and devices that stand for calls.

use serde_json::{Value, json};

use super::{Bare, LONG, fast, no_violations, on_the_phone, tts, with};
use crate::simulator::Simulator;

/// Two callers on answered calls.
fn two(sim: &Simulator, client: &mut Bare<std::net::TcpStream>) -> [(crate::simulator::PersonOnCall, Value); 2] {
    ["+15551110000", "+15552220000"].map(|number| {
        let person = sim.caller(number).dials();
        (person, client.answered())
    })
}

#[test]
fn calls_meet_in_a_conference() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let [(ann, first), (bob, second)] = two(&sim, &mut client);
    let join = json!({"name": "standup", "record": "record-from-start", "end_on_exit": true, "beep": "onEnter"});
    let early = json!({"name": "standup", "start_on_enter": false, "wait_url": "https://example.com/wait.mp3"});
    let id = client.on(&second, "calling.join_conference", early)["conference_id"].clone();
    let joined = client.event("calling.conference", |_| true);
    assert_eq!((&joined["status"], &joined["call_id"]), (&json!("participant-join"), &second["call_id"]));
    assert_eq!((&joined["size"], &joined["start_on_join"]), (&json!(1), &json!(false)));
    assert_eq!(bob.heard(), ["https://example.com/wait.mp3"]);

    assert_eq!(client.on(&first, "calling.join_conference", join.clone())["conference_id"], id);
    let start = client.event("calling.conference", |event| event["status"] == "conference-start");
    assert_eq!((&start["call_id"], &start["name"], &start["size"]), (&Value::Null, &json!("standup"), &json!(2)));
    client.event("calling.conference", |event| event["status"] == "record-start");
    client.event("calling.conference", |event| {
        event["status"] == "participant-join" && event["call_id"] == first["call_id"]
    });
    assert_eq!(client.refused(&first, "calling.join_conference", join), 409);
    ann.say("good morning");
    bob.wait_heard("good morning", LONG).expect("what Ann says");
    client.on(&second, "calling.hold", json!({}));
    let held = client.event("calling.conference", |event| event["status"] == "participant-hold");
    assert_eq!((&held["call_id"], &held["hold"]), (&second["call_id"], &json!(true)));

    assert_eq!(client.refused(&second, "calling.leave_conference", json!({"conference_id": "other"})), 404);
    client.on(&second, "calling.leave_conference", json!({"conference_id": id}));
    let left = client.event("calling.conference", |event| event["status"] == "participant-leave");
    assert_eq!((&left["call_id"], &left["size"]), (&second["call_id"], &json!(1)));
    client.on(&second, "calling.join_conference", json!({"name": "standup", "muted": true}));
    ann.hang_up();
    for call in [&first, &second] {
        client.event("calling.conference", |event| {
            event["status"] == "participant-leave" && event["call_id"] == call["call_id"]
        });
    }
    let end = client.event("calling.conference", |event| event["status"] == "conference-end");
    assert_eq!(end["reason_ended"], "participant-with-end-conference-on-exit-left");
    assert_eq!((&end["call_id"], &end["call_id_ending_conf"]), (&Value::Null, &first["call_id"]));
    assert!(end["recording_url"].is_string(), "{end}");
    assert_eq!(bob.state(), "answered");
    no_violations(&sim);
}

#[test]
fn conferences_end_with_the_last_and_have_limits() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let [(_ann, first), (_bob, second)] = two(&sim, &mut client);
    let small = json!({"name": "tiny", "max_participants": 1});
    let id = client.on(&first, "calling.join_conference", small.clone())["conference_id"].clone();
    assert_eq!(client.refused(&second, "calling.join_conference", small), 409);
    for bad in [json!({"beep": "loud"}), json!({"max_participants": 251}), json!({"coach": "nobody"})] {
        assert_eq!(client.refused(&second, "calling.join_conference", with(&json!({"name": "x"}), bad)), 400);
    }
    client.on(&first, "calling.leave_conference", json!({"conference_id": id}));
    let end = client.event("calling.conference", |event| event["status"] == "conference-end");
    assert_eq!(end["reason_ended"], "last-participant-left");
    assert_eq!(client.refused(&first, "calling.leave_conference", json!({"conference_id": id})), 404);
    no_violations(&sim);
}

#[test]
fn a_room_is_joined_and_left() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    assert_eq!(client.refused(&call, "calling.leave_room", json!({})), 404);
    client.on(&call, "calling.join_room", json!({"name": "lobby"}));
    let joined = client.about(&call, "calling.call.room");
    assert_eq!((&joined["join_status"], &joined["room_name"]), (&json!("joined"), &json!("lobby")));
    assert_eq!(client.refused(&call, "calling.join_room", json!({"name": "bar"})), 409);
    client.on(&call, "calling.leave_room", json!({}));
    assert_eq!(client.about(&call, "calling.call.room")["join_status"], "leave");
    client.on(&call, "calling.join_room", json!({"name": "bar"}));
    client.about(&call, "calling.call.room");
    ann.hang_up();
    assert_eq!(client.about(&call, "calling.call.room")["join_status"], "leave");
    no_violations(&sim);
}

#[test]
fn a_call_waits_in_a_queue_until_an_agent_takes_it() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let [(ann, first), (_bob, second)] = two(&sim, &mut client);
    let enter = |id: &str| json!({"control_id": id, "queue_name": "billing", "wait_time": 100_000});
    client.on(&first, "calling.queue.enter", enter("a"));
    let event = client.about(&first, "calling.call.queue");
    assert_eq!((&event["status"], &event["position"], &event["size"]), (&json!("enqueue"), &json!(1), &json!(1)));
    assert_eq!((&event["control_id"], &event["name"], &event["leave_ts"]), (&json!("a"), &json!("billing"), &json!(0)));
    assert_eq!(client.refused(&first, "calling.queue.enter", enter("b")), 409);
    client.on(&second, "calling.queue.enter", enter("c"));
    assert_eq!(client.about(&second, "calling.call.queue")["position"], 2);

    let _carl = sim.caller("+15553330000").dials();
    let agent = client.answered();
    let queue = json!({"type": "queue", "params": {"node_id": agent["node_id"], "queue_name": "billing"}});
    client.on(&agent, "calling.connect", json!({"devices": [[queue]]}));
    let event = client.about(&first, "calling.call.queue");
    assert_eq!((&event["status"], event["dequeue_ts"].as_u64() > Some(0)), (&json!("dequeue"), true));
    let connected = client.event("calling.call.connect", |event| {
        event["call_id"] == agent["call_id"] && event["connect_state"] == "connected"
    });
    assert_eq!(
        (&connected["peer"]["call_id"], &connected["peer"]["queue_name"]),
        (&first["call_id"], &json!("billing"))
    );
    let moved = client.about(&second, "calling.call.queue");
    assert_eq!((&moved["status"], &moved["position"]), (&json!("stats"), &json!(1)));
    client.on(&agent, "calling.disconnect", json!({}));
    assert_eq!(ann.state(), "answered");

    assert_eq!(client.refused(&second, "calling.queue.leave", json!({"control_id": "c", "queue_name": "x"})), 404);
    let other = json!({"control_id": "c", "queue_name": "billing", "queue_id": "another"});
    assert_eq!(client.refused(&second, "calling.queue.leave", other), 404);
    // The request has a control ID of its own, as most clients send it; the event has that of the stay.
    let leave = json!({"control_id": "fresh", "queue_name": "billing", "queue_id": moved["id"]});
    assert_eq!(client.on(&second, "calling.queue.leave", leave)["control_id"], "fresh");
    let left = client.about(&second, "calling.call.queue");
    assert_eq!((&left["status"], left["leave_ts"].as_u64() > Some(0)), (&json!("leave"), true));
    assert_eq!(left["control_id"], "c");
    client.on(&second, "calling.queue.enter", json!({"control_id": "d", "queue_name": "billing", "wait_time": 2}));
    client.about(&second, "calling.call.queue");
    assert_eq!(client.about(&second, "calling.call.queue")["status"], "leave");

    let queue = json!({"type": "queue", "params": {"node_id": agent["node_id"], "queue_name": "billing"}});
    client.on(&agent, "calling.connect", json!({"devices": [[queue]]}));
    client.event("calling.call.connect", |event| event["connect_state"] == "failed");
    no_violations(&sim);
}

#[test]
fn a_call_is_connected_to_a_call_and_to_a_stream() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let [(ann, first), (bob, second)] = two(&sim, &mut client);
    let other = json!({"type": "call", "params": {"node_id": second["node_id"], "call_id": second["call_id"]}});
    client.on(&first, "calling.connect", json!({"devices": [[other]]}));
    client.event("calling.call.connect", |event| event["connect_state"] == "connected");
    ann.say("is that you?");
    bob.wait_heard("is that you?", LONG).expect("what Ann says");
    // A person on hold is not heard; the live transcription shows when the words have ended.
    client.on(&first, "calling.live_transcribe", json!({"action": {"start": {"live_events": true}}}));
    client.on(&first, "calling.hold", json!({}));
    ann.say("a secret");
    client.about(&first, "calling.ai.transcribe.utterance");
    client.on(&first, "calling.unhold", json!({}));
    ann.say("still there?");
    bob.wait_heard("still there?", LONG).expect("what Ann says");
    assert_eq!(bob.heard(), ["is that you?", "still there?"]);
    client.on(&first, "calling.disconnect", json!({}));
    let stream = json!({"type": "stream", "params": {"url": "wss://example.com/agent", "realtime": true,
        "authorization_bearer_token": "canary"}});
    client.on(&first, "calling.connect", json!({"devices": [[stream.clone()]]}));
    let connected = client.event("calling.call.connect", |event| {
        event["connect_state"] == "connected" && event["peer"]["device"]["type"] == "stream"
    });
    assert!(!connected.to_string().contains("canary"));
    let refused = client.ask("calling.dial", json!({"tag": "t", "devices": [[stream]]}));
    assert_eq!(refused["result"]["code"], "400");
    no_violations(&sim);
}

#[test]
fn a_sip_call_is_referred_as_the_target_answers_it() {
    let sim = fast();
    sim.callee("sip:busy@pbx.example").is_busy();
    sim.callee("sip:nobody@pbx.example").does_not_answer();
    let desk = sim.callee("sip:desk@pbx.example").answers();
    let ann = sim.caller("sip:ann@pbx.example").calls("sip:program@pbx.example").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let refer = |to: &str| json!({"device": {"type": "sip", "params": {"to": to}}});
    for (target, state, notify) in [
        ("sip:busy@pbx.example", "busy", "486"),
        ("sip:nobody@pbx.example", "noAnswer", "480"),
        ("sip:desk@pbx.example", "success", "200"),
    ] {
        client.on(&call, "calling.refer", refer(target));
        let begun = client.about(&call, "calling.call.refer");
        assert_eq!((&begun["state"], &begun["sip_refer_to"]), (&json!("inProgress"), &json!(target)));
        let last = client.about(&call, "calling.call.refer");
        assert_eq!((&last["state"], &last["sip_notify_response_code"]), (&json!(state), &json!(notify)));
    }
    client.state(&call, "ended");
    assert_eq!((desk.times_called(), ann.was_hung_up_on()), (1, false));
    no_violations(&sim);

    let (_sim, _ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    assert_eq!(client.refused(&call, "calling.refer", refer("sip:desk@pbx.example")), 400);
}

#[test]
fn a_call_is_transferred_to_another_application_or_out_of_reach() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let mut sales = Bare::open(&sim);
    sales.connect(json!({"contexts": ["sales"]}));
    let [(ann, first), (bob, second)] = two(&sim, &mut client);
    client.on(&first, "calling.play", json!({"control_id": "a", "loop": 0, "play": tts("over and over")}));
    client.on(&first, "calling.transfer", json!({"dest": "context:sales"}));
    client.event("calling.call.play", |event| event["state"] == "finished");
    client.state(&first, "ended");
    assert_eq!(client.refused(&first, "calling.end", json!({})), 404);
    let told = sales.event("calling.call.receive", |_| true);
    assert_eq!((&told["call_id"], &told["call_state"]), (&first["call_id"], &json!("ringing")));
    let offer = json!({"node_id": told["node_id"], "call_id": told["call_id"]});
    sales.on(&offer, "calling.answer", json!({}));
    sales.state(&offer, "answered");
    sales.on(&offer, "calling.play", json!({"control_id": "a", "play": tts("This is sales")}));
    ann.wait_heard("This is sales", LONG).expect("what sales says");

    assert_eq!(client.refused(&second, "calling.transfer", json!({"dest": "nonsense"})), 400);
    client.on(&second, "calling.transfer", json!({"dest": {"version": "1.0.0", "sections": {"main": []}}}));
    client.state(&second, "ended");
    assert_eq!(bob.state(), "answered");
    bob.hang_up();
    no_violations(&sim);
}
