//! Requests of clients of other makers.

use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{Bare, LONG, fast, no_violations};
use crate::simulator::Simulator;

/// The first requests of the service's SDKs: most repeat the credentials beside the required ones.
#[test]
fn the_first_requests_of_other_sdks_are_taken_as_they_come() {
    let (project, token) = ("7d1f0b52-93c4-4f1e-8f55-2a6c0e9b1d44", "PTcanary");
    let version = json!({"major": 2, "minor": 0, "revision": 0});
    let authentication = json!({"project": project, "token": token});
    let with_copies = |agent: &str| {
        json!({"version": version, "agent": agent, "event_acks": true, "authentication": authentication,
            "project": project, "token": token, "contexts": ["default"]})
    };
    let resumes = |mut connect: Value, protocol: &Value| {
        connect["protocol"] = protocol.clone();
        connect
    };
    let jwt = json!({"version": version, "agent": "x/1.0", "authentication": {"jwt_token": token},
        "project": project, "token": token});
    for connect in [
        with_copies("@signalwire/sdk-typescript/2.0"),
        with_copies("signalwire-agents-perl/1.0"),
        with_copies("signalwire-agents-cpp/1.0"),
        with_copies("signalwire-agents-php/1.0"),
        with_copies("signalwire-agents-rust/1.0"),
        jwt,
    ] {
        let sim = Simulator::builder().project(project).token(token).start().expect("a simulator");
        let as_it_comes = Simulator::start().expect("a simulator");
        for sim in [&sim, &as_it_comes] {
            let mut client = Bare::open(sim);
            let reply = client.ask("signalwire.connect", connect.clone());
            let protocol = &reply["result"]["protocol"];
            assert!(protocol.is_string(), "{connect}: {reply}");
            client.event("signalwire.authorization.state", |_| true);
            let again = Bare::open(sim).ask("signalwire.connect", resumes(connect.clone(), protocol));
            assert_eq!(again["result"]["session_restored"], true, "{again}");
            assert!(!sim.journal().to_string().contains("canary"), "a copy of the token is a secret too");
            no_violations(sim);
        }
        // The copies have no effect.
        let mut wrong = connect;
        wrong["authentication"] = json!({"project": project, "token": "PTother"});
        assert_eq!(Bare::open(&sim).ask("signalwire.connect", wrong)["error"]["code"], -32002);
    }
}

#[test]
fn what_other_sdks_send_beside_the_documented_fields_is_no_violation() {
    let sim = fast();
    let ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.offered();
    let anywhere = json!({"protocol": "signalwire_x", "project_id": "p"});
    client.on(&call, "calling.answer", anywhere.clone());
    client.state(&call, "answered");
    let ai = json!({"control_id": "a", "prompt": {"text": "You are helpful"}, "protocol": "signalwire_x"});
    client.on(&call, "calling.ai", ai);
    client.on(&call, "calling.ai_message", json!({"control_id": "fresh", "message_text": "hello", "role": "system"}));
    client.on(&call, "calling.ai_hold", json!({"control_id": "fresh"}));
    client.on(&call, "calling.ai_unhold", json!({"control_id": "fresh"}));
    client.on(&call, "calling.ai.stop", json!({"control_id": "a"}));
    client.on(&call, "calling.amazon_bedrock", json!({"control_id": "b", "prompt": {"text": "hello"}}));
    client.on(&call, "calling.user_event", json!({"event": "lunch", "dish": "soup", "for": {"two": 2}}));
    let text = json!({"to_number": "+1555", "from_number": "+1556", "body": "x", "protocol": "signalwire_x"});
    assert_eq!(client.ask("messaging.send", text)["result"]["code"], "200");
    let told = json!({"timeout": 5, "call_state_url": "https://example.com/s", "call_state_events": ["ended"],
        "confirm": "https://example.com/c", "confirm_timeout": 3});
    for (kind, mut params) in [
        ("webrtc", json!({"to": "ann", "from": "x"})),
        ("agora", json!({"from": "x", "appid": "a", "channel": "c", "to": "ann"})),
    ] {
        params.as_object_mut().expect("an object").extend(told.as_object().expect("an object").clone());
        let dial = json!({"tag": kind, "devices": [[{"type": kind, "params": params}]], "project_id": "p"});
        assert_eq!(client.ask("calling.dial", dial)["result"]["code"], "200");
    }
    assert_eq!(ann.state(), "answered");
    no_violations(&sim);
}

#[test]
fn an_unknown_field_is_recorded_and_the_request_carried_out() {
    let sim = fast();
    let ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.offered();
    client.on(&call, "calling.answer", json!({"colour": "red"}));
    ann.wait_answered(LONG).expect("an answer");
    let odd = json!([{"type": "tts", "params": {"text": "Hello", "pitch": 3}, "mood": "good"}]);
    client.on(&call, "calling.play", json!({"control_id": "p", "play": odd}));
    ann.wait_heard("Hello", LONG).expect("what was said");
    assert_eq!(
        sim.take_violations(),
        [
            "calling.answer: unknown field colour",
            "calling.play: unknown field play[0].mood",
            "calling.play: unknown field play[0].params.pitch"
        ]
    );
    // If another fault of the request is rejected, both are recorded.
    assert_eq!(client.refused(&call, "calling.play", json!({"control_id": "q", "colour": 1})), 400);
    assert_eq!(sim.take_violations(), ["calling.play: play is missing", "calling.play: unknown field colour"]);
}

#[test]
fn a_close_of_the_client_is_answered_with_its_code() {
    let sim = fast();
    for round in 0..40 {
        let mut client = Bare::connected(&sim);
        client.event("signalwire.authorization.state", |_| true);
        let code = if round % 2 == 0 { CloseCode::Normal } else { CloseCode::Away };
        let given = (round % 4 != 3).then(|| CloseFrame { code, reason: "done".into() });
        client.socket.close(given.clone()).expect("an open link");
        let answer = loop {
            match client.socket.read() {
                Ok(Message::Close(answer)) => break answer,
                Ok(_) => {}
                Err(error) => panic!("round {round}: no answer, but {error}"),
            }
        };
        assert_eq!(answer.map(|frame| frame.code), given.map(|frame| frame.code));
        assert!(matches!(client.socket.read(), Err(tungstenite::Error::ConnectionClosed)), "the server closes first");
    }
    sim.wait_connected(0, LONG).expect("the end of all connections");
    no_violations(&sim);
}
