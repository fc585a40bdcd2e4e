//! Sessions, calls, people, text messages and faults.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message;

use super::{Bare, LONG, fast, no_violations, on_the_phone, phone, tts, with};
use crate::simulator::Simulator;

#[test]
fn an_inbound_call_is_answered_played_to_and_hung_up_by_the_program() {
    let sim = fast();
    let ann = sim.caller("+15551230000").calls("+15559990000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    ann.wait_answered(LONG).expect("an answer");
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("Welcome!")}));
    client.event("calling.call.play", |event| event["state"] == "playing");
    client.event("calling.call.play", |event| event["state"] == "finished" && event["control_id"] == "a");
    client.on(&call, "calling.end", json!({"reason": "hangup"}));
    let ended = client.state(&call, "ended");
    assert_eq!((&ended["end_reason"], &ended["end_source"]), (&json!("hangup"), &json!("outbound")));
    assert_eq!(ann.wait_ended(LONG).expect("an end"), "hangup");
    assert_eq!(ann.heard(), ["Welcome!"]);
    assert!(ann.was_hung_up_on());
    assert_eq!(sim.violations(), [""; 0]);
    let gone = client.ask("calling.play", with(&call, json!({"control_id": "b", "play": tts("x")})));
    assert_eq!(gone["result"]["code"], "404");
}

#[test]
fn a_connect_is_judged() {
    let sim = Simulator::builder().project("p").token("t").start().expect("a simulator");
    let mut client = Bare::open(&sim);
    let refused = client.connect(json!({"authentication": {"project": "p", "token": "wrong"}}));
    assert_eq!(refused["error"]["code"], -32002);
    assert!(client.try_event("nothing", |_| true).is_none(), "the link stays open");

    let refusals = [
        (json!({"version": {"major": 5, "minor": 0, "revision": 0}}), -32001),
        (json!({"authorization_state": "x"}), -32602),
        (json!({"contexts": "default"}), -32602),
    ];
    for (more, code) in refusals {
        let reply = Bare::open(&sim).connect(more);
        assert_eq!(reply["error"]["code"], code, "{reply}");
    }
    let mut first = Bare::open(&sim);
    assert_eq!(first.ask("calling.answer", json!({}))["error"]["code"], -32600);

    let mut good = Bare::open(&sim);
    assert!(good.connect(json!({}))["result"]["protocol"].is_string());
    good.event("signalwire.authorization.state", |event| event["authorization_state"].is_string());
    let token = sim.token().to_owned();
    assert!(!format!("{sim:?}{}", sim.journal()).contains(&format!("\"{token}\"")));
    assert_eq!(sim.take_violations().len(), 3);
}

#[test]
fn unknown_methods_are_refused_and_recorded() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    assert_eq!(client.ask("calling.levitate", json!({}))["error"]["code"], -32601);
    assert_eq!(client.ask("signalwire.receive", json!({"contexts": "a", "colour": 1}))["error"]["code"], -32602);
    let text = json!({"to_number": "+1555", "from_number": "+1556", "body": "x", "colour": 1});
    assert_eq!(client.ask("messaging.send", json!({"to_number": 7}))["result"]["code"], "400");
    let call = json!({"node_id": "n", "call_id": "c"});
    assert_eq!(client.ask("calling.answer", call)["result"]["code"], "404");
    client.next -= 1;
    assert_eq!(client.ask("signalwire.ping", json!({}))["error"]["code"], -32600);
    let violations = sim.take_violations().join("\n");
    for part in ["calling.levitate", "unknown field colour", "to_number must be a string", "was used before"] {
        assert!(violations.contains(part), "{part} is missing in {violations}");
    }
    let lax = Simulator::builder().allow_unknown_fields().start().expect("a simulator");
    assert_eq!(Bare::connected(&lax).ask("messaging.send", text)["result"]["code"], "200");
    no_violations(&lax);
}

#[test]
fn a_call_that_ended_may_be_hung_up_at_any_time() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    // The state of a client that has known of the end for hours.
    sim.shared.with(|world| world.settings.known_for = Duration::ZERO);
    ann.hang_up();
    client.state(&call, "ended");
    assert_eq!(client.refused(&call, "calling.end", json!({})), 404);
    no_violations(&sim);
    // Any other command is a violation by then, and so is the end of a call that never existed.
    assert_eq!(client.refused(&call, "calling.hold", json!({})), 404);
    let never = json!({"node_id": "n", "call_id": "never"});
    assert_eq!(client.refused(&never, "calling.end", json!({})), 404);
    let violations = sim.take_violations();
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].starts_with("calling.hold: the client knew"), "{violations:?}");
    assert!(violations[1].starts_with("calling.end: there never was"), "{violations:?}");
}

#[test]
fn a_fax_machine_that_calls_sends_cng_and_one_that_is_called_ced() {
    let sim = fast();
    sim.callee("+15553333333").is_fax();
    let _fax = sim.caller("+15551230000").is_fax().dials();
    let mut client = Bare::connected(&sim);
    let calls_in = client.answered();
    client.ask("calling.dial", json!({"tag": "d", "devices": [[phone("+15553333333")]]}));
    let won = client.event("calling.call.dial", |event| event["dial_state"] == "answered");
    let called = json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]});
    for (call, tone, heard) in
        [(&calls_in, "CNG", true), (&calls_in, "CED", false), (&called, "CED", true), (&called, "CNG", false)]
    {
        let detect = json!({"type": "fax", "params": {"tone": tone}});
        let id = format!("{tone}-{heard}");
        client.on(call, "calling.detect", json!({"control_id": id, "detect": detect, "timeout": 4}));
        let first = client.event("calling.call.detect", |event| event["control_id"] == id);
        let expected = if heard { tone } else { "finished" };
        assert_eq!(first["detect"], json!({"type": "fax", "params": {"event": expected}}), "{id}");
    }
    no_violations(&sim);
}

#[test]
fn an_mms_brings_the_addresses_of_its_media() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let photos = ["https://files.example.com/1.jpg", "https://files.example.com/2.jpg"];
    let id = sim.texts_with_media("default", "+15551230000", "+15559990000", "Look", photos);
    let event = client.event("messaging.receive", |event| event["message_id"] == *id);
    assert_eq!((&event["media"], &event["body"]), (&json!(photos), &json!("Look")));
    let alone = sim.texts_with_media("default", "+15551230000", "+15559990000", "", [photos[0]]);
    let event = client.event("messaging.receive", |event| event["message_id"] == *alone);
    assert_eq!((&event["media"], &event["body"]), (&json!([photos[0]]), &json!("")));
    let line = format!("+15551230000 texts +15559990000: Look {} {}", photos[0], photos[1]);
    assert!(sim.transcript().contains(&line), "{:?}", sim.transcript());
}

#[test]
fn the_journal_keeps_what_its_limit_says_and_counts_the_rest() {
    let run = |limit: usize| {
        let sim = Simulator::builder().seed(1).journal_limit(limit).start().expect("a simulator");
        let mut client = Bare::connected(&sim);
        client.event("signalwire.authorization.state", |_| true);
        for _ in 0..20 {
            client.ask("signalwire.ping", json!({}));
        }
        sim
    };
    // The request and the response of each ping and of the connect; an event and its acknowledgement.
    let all = run(44);
    assert_eq!((all.journal().entries().len(), all.journal().dropped()), (44, 0), "{}", all.journal());
    let sim = run(10);
    let journal = sim.journal();
    assert_eq!((journal.entries().len(), journal.dropped()), (10, 34));
    let sequences: Vec<u64> = journal.entries().iter().map(crate::simulator::FrameRecord::sequence).collect();
    assert_eq!(sequences, (34..44).collect::<Vec<u64>>());
    // The remaining frames are found, each once.
    for _ in 0..5 {
        sim.wait_for_request("signalwire.ping", Duration::ZERO).expect("one of the last pings");
    }
    assert!(sim.wait_for_request("signalwire.ping", Duration::ZERO).is_err());
    assert_eq!(run(0).journal().dropped(), 44);
}

#[test]
fn pings_are_echoed_and_garbage_does_not_end_the_connection() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    client.socket.send(Message::text("{not json")).expect("an open link");
    client.socket.send(Message::binary(vec![1, 2])).expect("an open link");
    client.socket.send(Message::text("[]")).expect("an open link");
    let pong = client.ask("signalwire.ping", json!({"timestamp": 1.5, "payload": "x"}));
    assert_eq!(pong["result"], json!({"timestamp": 1.5, "payload": "x"}));
    assert_eq!(sim.take_violations().len(), 3);
}

#[test]
fn a_client_that_leaves_a_ping_unanswered_is_closed() {
    let sim = Simulator::builder().pings_every(Duration::from_millis(20)).start().expect("a simulator");
    let mut client = Bare::connected(&sim);
    client.event("signalwire.authorization.state", |_| true);
    // The test client acknowledges only what it reads, and it reads nothing now.
    sim.wait_connected(0, LONG).expect("the end of the connection");
    assert!(sim.take_violations().iter().any(|line| line.contains("did not answer a ping")));
}

#[test]
fn a_caller_hears_the_prompt_and_presses_the_digits() {
    let sim = fast();
    let ann =
        sim.caller("+15551230000").when_asked_for_digits().presses("1#").when_asked_for_digits().presses("42").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let collect = json!({"digits": {"max": 4, "terminators": "#"}});
    let prompt = json!({"control_id": "p", "play": tts("Press one"), "collect": collect});
    client.on(&call, "calling.play_and_collect", prompt);
    client.event("calling.call.play", |event| event["state"] == "finished");
    let result = client.event("calling.call.collect", |event| event["control_id"] == "p");
    assert_eq!(result["result"], json!({"type": "digit", "params": {"digits": "1", "terminator": "#"}}));
    client.on(&call, "calling.collect", json!({"control_id": "c", "digits": {"max": 2}, "send_start_of_input": true}));
    client.event("calling.call.collect", |event| event["result"]["type"] == "start_of_input");
    let result = client.event("calling.call.collect", |event| event["control_id"] == "c");
    assert_eq!(result["result"]["params"]["digits"], "42");
    assert_eq!(ann.heard(), ["Press one"]);
    // No person presses a digit now.
    let timed = json!({"control_id": "n", "digits": {"max": 2}, "initial_timeout": 1, "start_input_timers": true});
    client.on(&call, "calling.collect", timed);
    let result = client.event("calling.call.collect", |event| event["control_id"] == "n");
    assert_eq!(result["result"]["type"], "no_input");
    assert!(sim.transcript().iter().any(|line| line == "+15551230000 pressed 1#"), "{:?}", sim.transcript());
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn speech_is_collected() {
    let sim = fast();
    let _ann = sim.caller("+15551230000").when_asked_to_speak().says("a large pizza").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    client.on(&call, "calling.collect", json!({"control_id": "c", "speech": {}, "partial_results": true}));
    let partial = client.event("calling.call.collect", |event| event["final"] == false);
    assert_eq!(partial["state"], "collecting");
    let last = client.event("calling.call.collect", |event| event["final"] == true);
    assert_eq!(last["result"]["params"]["text"], "a large pizza");
}

#[test]
fn a_voicemail_is_kept_when_the_caller_hangs_up_in_the_middle() {
    for before in [false, true] {
        let sim = fast();
        sim.finish_recordings_before_ended(before);
        let ann = sim.caller("+15551230000").after_the_beep().says("Hello, this is Ann").hangs_up().dials();
        let mut client = Bare::connected(&sim);
        let call = client.answered();
        client.on(&call, "calling.record", json!({"control_id": "r", "record": {"audio": {"beep": true}}}));
        let recorded = client.event("calling.call.record", |event| event["state"] == "finished");
        assert!(recorded["url"].as_str().is_some_and(|url| url.ends_with(".mp3")), "{recorded}");
        assert!(recorded["duration"].as_f64().is_some_and(|seconds| seconds >= 1.5), "{recorded}");
        client.state(&call, "ended");
        assert_eq!(ann.wait_ended(LONG).expect("an end"), "hangup");
        assert!(!ann.was_hung_up_on());
        let journal = sim.journal();
        let place = |kind: &str, key: &str, value: &str| {
            let events = journal.events(kind);
            events.iter().find(|entry| entry.params()[key] == value).map(crate::simulator::FrameRecord::sequence)
        };
        let (record, end) =
            (place("calling.call.record", "state", "finished"), place("calling.call.state", "call_state", "ended"));
        assert_eq!(record < end, before, "{journal}");
    }
}

#[test]
fn play_is_paused_resumed_and_stopped() {
    let sim = fast();
    let _ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let control = json!({"control_id": "a"});
    client.on(&call, "calling.play", json!({"control_id": "a", "loop": 0, "play": tts("over and over")}));
    client.on(&call, "calling.play.volume", json!({"control_id": "a", "volume": -6}));
    for (command, state) in [("pause", "paused"), ("resume", "playing"), ("stop", "finished")] {
        client.on(&call, &format!("calling.play.{command}"), control.clone());
        client.event("calling.call.play", |event| event["state"] == state);
    }
    let again = client.ask("calling.play.stop", with(&call, control.clone()));
    assert_eq!(again["result"]["code"], "404");
    let reused = client.ask("calling.play", with(&call, json!({"control_id": "a", "play": tts("x")})));
    assert_eq!(reused["result"]["code"], "409");
    client.on(&call, "calling.send_digits", json!({"control_id": "d", "digits": "12w#"}));
    client.event("calling.call.send_digits", |event| event["state"] == "finished");
    let violations = sim.take_violations();
    assert!(violations.len() == 1 && violations[0].contains("the control_id a was used before"), "{violations:?}");
}

#[test]
fn operations_end_with_their_call_unless_set_otherwise() {
    for abrupt in [false, true] {
        let sim = fast();
        sim.end_calls_abruptly(abrupt);
        let ann = sim.caller("+15551230000").dials();
        let mut client = Bare::connected(&sim);
        let call = client.answered();
        client.on(&call, "calling.play", json!({"control_id": "a", "loop": 0, "play": tts("x")}));
        client.on(&call, "calling.collect", json!({"control_id": "c", "digits": {"max": 1}}));
        ann.hang_up();
        client.state(&call, "ended");
        let finished = sim.journal().events("calling.call.collect").len();
        assert_eq!(finished, usize::from(!abrupt), "{}", sim.journal());
    }
}

#[test]
fn a_dial_is_answered_busy_unanswered_or_won_by_the_fastest() {
    let sim = fast();
    let bob = sim.callee("+15552222222").answers().after_hearing("hello").says("hi").hangs_up();
    sim.callee("+15553333333").is_busy();
    sim.callee("+15554444444").does_not_answer();
    sim.callee("+15555555555").answers_after(Duration::from_secs(9));
    let mut client = Bare::connected(&sim);
    let dial = |client: &mut Bare<TcpStream>, tag: &str, devices: Value| {
        let reply = client.ask("calling.dial", json!({"tag": tag, "devices": devices}));
        assert_eq!(reply["result"]["code"], "200", "{reply}");
        client.event("calling.call.dial", |event| event["tag"] == tag && event["dial_state"] != "dialing")
    };

    let won = dial(&mut client, "a", json!([[phone("+15552222222")]]));
    assert_eq!((&won["dial_state"], &won["call"]["dial_winner"]), (&json!("answered"), &json!("true")));
    let call = json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]});
    for state in ["created", "ringing", "answered"] {
        assert_eq!(client.state(&call, state)["tag"], "a");
    }
    client.on(&call, "calling.play", json!({"control_id": "p", "play": tts("Hello Bob")}));
    client.state(&call, "ended");
    assert_eq!((bob.heard(), bob.times_called()), (vec!["Hello Bob".to_owned()], 1));

    let busy = dial(&mut client, "b", json!([[phone("+15553333333")]]));
    assert_eq!((&busy["dial_state"], &busy["reason"]), (&json!("failed"), &json!("busy")));

    let mut patient = phone("+15554444444");
    patient["params"]["timeout"] = json!(2);
    let unanswered = dial(&mut client, "c", json!([[patient]]));
    assert_eq!(unanswered["reason"], "noAnswer");

    // First a busy line, then two phones at once, of which the faster one wins and the other is ended.
    let groups = json!([[phone("+15553333333")], [phone("+15555555555"), phone("+15556666666")]]);
    let won = dial(&mut client, "d", groups);
    assert_eq!(won["call"]["device"]["params"]["to_number"], "+15556666666");
    let slow = "+15555555555";
    client.event("calling.call.state", |event| {
        event["call_state"] == "ended"
            && event["device"]["params"]["to_number"] == slow
            && event["end_reason"] == "cancel"
    });
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn a_detector_tells_humans_from_answering_machines() {
    let sim = fast();
    sim.callee("+15551111111").is_person();
    let bob = sim.callee("+15552222222").is_machine("You have reached Bob, please leave a message", true);
    sim.callee("+15553333333").is_fax();
    let mut client = Bare::connected(&sim);
    let mut heard = |number: &str, kind: &str| {
        client.ask("calling.dial", json!({"tag": number, "devices": [[phone(number)]]}));
        let won = client.event("calling.call.dial", |event| event["tag"] == number && event["call"].is_object());
        let call = json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]});
        if number == "+15552222222" {
            client.on(&call, "calling.play", json!({"control_id": "early", "play": tts("too early")}));
        }
        client.on(&call, "calling.detect", json!({"control_id": "d", "detect": {"type": kind, "params": {}}}));
        let mut verdicts = Vec::new();
        loop {
            let event = client.event("calling.call.detect", |event| event["call_id"] == call["call_id"]);
            let verdict = event["detect"]["params"].clone();
            if verdict["event"] == "finished" {
                client.on(&call, "calling.play", json!({"control_id": "late", "play": tts("in time")}));
                return verdicts;
            }
            verdicts.push(verdict);
        }
    };
    assert_eq!(heard("+15551111111", "machine"), [json!({"event": "HUMAN"})]);
    let machine = heard("+15552222222", "machine");
    assert_eq!(machine, [json!({"event": "MACHINE"}), json!({"event": "READY", "beep": true})]);
    assert_eq!(heard("+15553333333", "fax"), [json!({"event": "CED"})]);
    assert_eq!(bob.said_over_greeting(), ["too early"]);
    bob.wait_heard("in time", LONG).expect("what was said after the beep");
}

#[test]
fn a_call_is_connected_and_both_hear_each_other() {
    let sim = fast();
    let agent = sim.callee("+15553334444").answers().says("Sales, how can I help?");
    let ann = sim.caller("+15551230000").when_put_through().says("I want a refund").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let connect = json!({"devices": [[phone("+15553334444")]], "ringback": tts("Please wait"), "tag": "leg"});
    client.on(&call, "calling.connect", connect.clone());
    assert_eq!(client.ask("calling.connect", with(&call, connect))["result"]["code"], "409");
    let id = call["call_id"].clone();
    let connected =
        client.event("calling.call.connect", |event| event["call_id"] == id && event["connect_state"] == "connected");
    let other = json!({"node_id": connected["peer"]["node_id"], "call_id": connected["peer"]["call_id"]});
    agent.wait_heard("refund", LONG).expect("what Ann says");
    ann.wait_heard("how can I help", LONG).expect("what the agent says");
    assert_eq!(ann.heard()[0], "Please wait");
    agent.hang_up();
    client.state(&other, "ended");
    client.event("calling.call.connect", |event| event["call_id"] == id && event["connect_state"] == "disconnected");
    assert_eq!(ann.state(), "answered");

    // In the other direction, the leg that was created for the call ends with it.
    client.on(&call, "calling.connect", json!({"devices": [[phone("+15553334444")]]}));
    let connected =
        client.event("calling.call.connect", |event| event["call_id"] == id && event["connect_state"] == "connected");
    let other = json!({"call_id": connected["peer"]["call_id"]});
    ann.hang_up();
    client.state(&other, "ended");
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn a_call_that_is_passed_goes_to_the_next_client_or_ends() {
    let sim = fast();
    let mut one = Bare::connected(&sim);
    let ann = sim.caller("+15551230000").dials();
    let call = one.offered();
    let mut two = Bare::connected(&sim);
    one.on(&call, "calling.pass", json!({}));
    one.state(&call, "ended");
    let again = two.offered();
    assert_eq!(again["call_id"], call["call_id"]);
    assert!(ann.was_passed() && ann.end_reason().is_none());
    assert_eq!(one.ask("calling.answer", call)["result"]["code"], "404");
    two.on(&again, "calling.pass", json!({}));
    assert_eq!(ann.wait_ended(LONG).expect("an end"), "noAnswer");
    assert!(ann.wait_answered(LONG).is_err());
}

#[test]
fn text_messages_go_out_and_come_in() {
    let sim = fast();
    sim.number("+15552222222").undelivered("handset unreachable");
    let mut client = Bare::connected(&sim);
    for (to, last) in [("+15551111111", "delivered"), ("+15552222222", "undelivered")] {
        let text = json!({"context": "default", "to_number": to, "from_number": "+15550000000", "body": "hi"});
        let sent = client.ask("messaging.send", text)["result"].clone();
        assert_eq!(sent["code"], "200");
        for state in ["queued", "initiated", "sent", last] {
            let event = client.event("messaging.state", |event| event["message_id"] == sent["message_id"]);
            assert_eq!(event["message_state"], state);
            assert_eq!(event["reason"].is_string(), state == "undelivered");
        }
    }
    let id = sim.texts("+15557777777", "+15550000000", "Where is my order?");
    let text = client.event("messaging.receive", |_| true);
    assert_eq!((&text["message_id"], &text["body"]), (&json!(id), &json!("Where is my order?")));
    assert_eq!(sim.texts_sent().len(), 2);
}

#[test]
fn a_dropped_session_is_resumed_and_its_calls_go_on() {
    let sim = fast();
    let ann = sim.caller("+15551230000").dials();
    let mut client = Bare::open(&sim);
    let protocol = client.connect(json!({"contexts": ["default"]}))["result"]["protocol"].clone();
    let state = client.event("signalwire.authorization.state", |_| true)["authorization_state"].clone();
    let call = client.answered();
    sim.drop_link();
    assert!(client.try_event("nothing", |_| true).is_none());

    let mut client = Bare::open(&sim);
    let reply = client.connect(json!({"protocol": protocol, "authorization_state": state}));
    assert_eq!((&reply["result"]["protocol"], &reply["result"]["session_restored"]), (&protocol, &json!(true)));
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("back")}));
    client.event("calling.call.play", |event| event["state"] == "finished");

    sim.forget_sessions();
    sim.drop_link();
    assert_eq!(ann.wait_ended(LONG).expect("an end"), "error");
    assert_eq!(sim.transcript().last().map(String::as_str), Some("the call of +15551230000 ended with its session"));
    let mut client = Bare::open(&sim);
    let reply = client.connect(json!({"protocol": protocol, "authorization_state": state}));
    assert_ne!(reply["result"]["protocol"], protocol);
    assert_eq!(client.ask("calling.end", call)["result"]["code"], "404");
}

#[test]
fn responses_are_late_missing_rejections_or_lost_on_demand() {
    let sim = fast();
    let _ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    sim.refuse_next("calling.play", 404, "no such call");
    sim.refuse_next("calling.play", -32603, "out of order");
    let play = |id: &str| with(&call, json!({"control_id": id, "play": tts("x")}));
    assert_eq!(client.ask("calling.play", play("a"))["result"]["code"], "404");
    assert_eq!(client.ask("calling.play", play("b"))["error"]["code"], -32603);

    sim.events_before_reply("calling.play");
    let id = client.send("calling.play", play("c"));
    client.event("calling.call.play", |event| event["state"] == "finished");
    assert!(client.replies.is_empty());
    client.reply(&id);

    sim.events_before_reply("messaging.send");
    let id = client.send("messaging.send", json!({"to_number": "+1555", "from_number": "+1556", "body": "x"}));
    let last = client.event("messaging.state", |event| event["message_state"] == "delivered");
    assert!(client.replies.is_empty());
    assert_eq!(client.reply(&id)["result"]["message_id"], last["message_id"]);

    sim.hold_replies("calling.record");
    let id = client.send("calling.record", with(&call, json!({"control_id": "r", "record": {"audio": {}}})));
    client.event("calling.call.record", |event| event["state"] == "recording");
    sim.release_replies("calling.record");
    assert_eq!(client.reply(&id)["result"]["code"], "200");

    assert!(sim.redeliver_last_event("calling.call.receive"));
    assert_eq!(client.offered(), call);
    sim.push_event("calling.call.levitate", with(&call, json!({"height": 3})));
    client.event("calling.call.levitate", |event| event["height"] == 3);
    sim.push_raw("garbage");
    sim.drop_link_after_request("calling.end");
    client.send("calling.end", with(&call, json!({"reason": "hangup"})));
    while client.try_frame() {}
    assert!(client.replies.is_empty());
    assert_eq!(
        sim.transcript().last().map(String::as_str),
        Some("+15551230000 was hung up on by the program (hangup)")
    );
    assert_eq!(sim.violations(), [""; 0]);
}

impl<S: std::io::Read + std::io::Write> Bare<S> {
    /// Reads any bytes, malformed ones too; returns `false` if the connection is closed.
    fn try_frame(&mut self) -> bool {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                if let Ok(frame) = serde_json::from_str::<Value>(text.as_str()) {
                    if frame["method"].is_null() {
                        self.replies.push_back(frame);
                    }
                }
                true
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }
}

#[test]
fn the_service_can_ask_to_reconnect_and_close() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    sim.ask_to_reconnect(false);
    assert!(client.try_event("nothing", |_| true).is_none());
    assert_eq!(sim.sessions().len(), 1);
    sim.stop_listening();
    assert!(TcpStream::connect(sim.address()).is_err());
    sim.listen_again().expect("the same port");
    let mut client = Bare::connected(&sim);
    sim.ask_to_reconnect(true);
    assert!(client.try_event("nothing", |_| true).is_none());
    assert_eq!(sim.sessions().len(), 0);
    sim.refuse_credentials(1);
    assert!(Bare::open(&sim).connect(json!({}))["error"].is_object());
    assert!(Bare::open(&sim).connect(json!({}))["result"].is_object());
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn requests_are_waited_for_in_order_and_a_failure_shows_what_was_near() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    for contexts in [["a"], ["b"]] {
        client.ask("signalwire.receive", json!({"contexts": contexts}));
    }
    for context in ["a", "b"] {
        let entry = sim.wait_for_request("signalwire.receive", LONG).expect("a request");
        assert_eq!(entry.params()["contexts"][0], context);
    }
    let missed = sim.wait_for_request("calling.dial", Duration::ZERO).expect_err("nobody dials");
    let text = format!("{missed:?}");
    assert!(text.contains("calling.dial did not come") && text.contains("signalwire.receive"), "{text}");
    assert_eq!(sim.journal().methods(), ["signalwire.connect", "signalwire.receive", "signalwire.receive"]);
}

#[test]
fn the_transcript_is_heard_live_and_complete() {
    let (sender, lines) = crossbeam_channel::unbounded();
    let sim = fast();
    sim.caller("+15551230000").dials();
    sim.on_transcript(move |line| drop(sender.send(line.to_owned())));
    sim.texts("+1555", "+1556", "hi");
    drop(sim);
    let all: Vec<String> = lines.iter().collect();
    assert_eq!(all, ["+15551230000 calls +15559990000", "+1555 texts +1556: hi"]);
}

#[test]
fn a_drop_frees_every_connection_whatever_its_state() {
    let sim = Simulator::builder().allow_violations().start().expect("a simulator");
    let _silent = TcpStream::connect(sim.address()).expect("the simulator listens");
    let mut client = Bare::connected(&sim);
    // This is not read, and is more than the sockets can hold.
    let big = "x".repeat(1 << 20);
    (0..20).for_each(|_| sim.push_raw(&big));
    drop(sim);
    while client.try_frame() {}
}

#[test]
fn a_frozen_connection_loses_everything_and_a_resume_may_replay_what_was_missed() {
    let sim = Simulator::builder().speed(100.0).replays_missed_events().start().expect("a simulator");
    let ann = sim.caller("+15551230000").dials();
    let mut client = Bare::open(&sim);
    let protocol = client.connect(json!({"contexts": ["default"]}))["result"]["protocol"].clone();
    let call = client.answered();
    sim.freeze_link(true);
    client.send("signalwire.ping", json!({}));
    sim.push_event("calling.call.levitate", call.clone());
    sim.drop_link();
    sim.freeze_link(false);
    assert!(client.try_event("calling.call.levitate", |_| true).is_none());
    ann.hang_up();
    let mut client = Bare::open(&sim);
    client.connect(json!({"protocol": protocol}));
    assert_eq!(client.state(&call, "ended")["end_source"], "inbound");
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn a_caller_may_interrupt_a_prompt_and_lose_patience() {
    let sim = fast();
    let hasty = sim.caller("+15551230000").gives_up_after(Duration::from_secs(1)).context("nobody").dials();
    assert_eq!(hasty.wait_ended(LONG).expect("an end"), "abandoned");
    let long = "Thank you for calling. ".repeat(100);
    let _ann = sim.caller("+15551230000").while_hearing("thank you").presses("5").waits(Duration::MAX).dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let prompt = json!({"control_id": "p", "play": tts(&long), "collect": {"digits": {"max": 1}}});
    client.on(&call, "calling.play_and_collect", prompt);
    assert_eq!(client.event("calling.call.collect", |_| true)["result"]["params"]["digits"], "5");
}

#[test]
fn nothing_that_is_printed_shows_the_token() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let builder = Simulator::builder().project("p").token("canary-4711").echoes_secrets();
    let mut printed = format!("{builder:?}");
    let sim = builder.start().expect("a simulator");
    shared(&sim);
    let mut client = Bare::open(&sim);
    let reply = client.connect(json!({"authentication": {"jwt_token": "canary-4711"}}));
    assert!(reply.to_string().contains("canary-4711"), "the echo is asked for");
    let journal = sim.journal();
    let caller = sim.caller("+1555");
    printed += &format!("{sim:?} {caller:?} {:?} {journal}", sim.callee("+1556"));
    assert!(!printed.contains("canary"), "{printed}");
}

#[test]
fn tls_is_offered_with_a_certificate_that_the_authority_vouches_for() {
    let sim = Simulator::builder().tls(true).speed(100.0).allow_violations().start().expect("a simulator");
    let file = sim.ca_file().expect("a file").to_owned();
    let pem = std::fs::read(&file).expect("the certificate");
    let authority = native_tls::Certificate::from_pem(&pem).expect("a certificate");
    let connect = |connector: native_tls::TlsConnector| {
        let stream = TcpStream::connect(sim.address()).expect("the simulator listens");
        connector.connect("127.0.0.1", stream)
    };
    assert!(connect(native_tls::TlsConnector::new().expect("a connector")).is_err());
    let knowing = native_tls::TlsConnector::builder().add_root_certificate(authority).build().expect("a connector");
    let stream = connect(knowing).expect("a trusted certificate");
    let (socket, _) = tungstenite::client(sim.url(), stream).expect("an upgrade");
    let mut client = Bare::over(socket);
    assert!(client.connect(json!({"contexts": ["default"]}))["result"].is_object());
    let _ann = sim.caller("+15551230000").dials();
    let call = client.answered();
    let long = "long ".repeat(20_000);
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts(&long)}));
    assert!(sim.url().starts_with("wss://"));
    drop(sim);
    assert!(!file.exists());
}
