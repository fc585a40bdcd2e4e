//! Operations with a control ID that the other tests do not cover, and the rules for one call.

use std::time::Duration;

use serde_json::json;

use super::{Bare, fast, no_violations, on_the_phone, phone, tts, with};
use crate::simulator::Simulator;
use crate::simulator::interactions::charged;

#[test]
fn a_fax_machine_takes_a_fax_and_a_person_does_not() {
    let sim = fast();
    let office = sim.callee("+15552222222").is_fax();
    let mut client = Bare::connected(&sim);
    let dialled = |client: &mut Bare<_>, number: &str| {
        client.ask("calling.dial", json!({"tag": number, "devices": [[phone(number)]]}));
        let won = client.event("calling.call.dial", |event| event["tag"] == number && event["call"].is_object());
        json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]})
    };
    let call = dialled(&mut client, "+15552222222");
    let fax = json!({"control_id": "f", "document": "https://example.com/a.pdf", "header_info": "x"});
    client.on(&call, "calling.send_fax", fax.clone());
    for number in [1, 2] {
        let page = client.about(&call, "calling.call.fax");
        let params = json!({"direction": "send", "number": number});
        assert_eq!(page["fax"], json!({"type": "page", "params": params}));
    }
    let last = client.about(&call, "calling.call.fax");
    assert_eq!(last["control_id"], "f");
    assert_eq!(
        last["fax"],
        json!({"type": "finished", "params": {
            "direction": "send", "identity": "+15550000000", "remote_identity": "+15552222222",
            "document": "https://example.com/a.pdf", "format": "pdf", "pages": 2,
            "success": true, "result": 0, "result_text": "OK"}})
    );
    assert_eq!(office.faxes_received(), ["https://example.com/a.pdf"]);
    client.on(&call, "calling.receive_fax", json!({"control_id": "r"}));
    let last = client.event("calling.call.fax", |event| event["fax"]["type"] == "finished");
    assert_eq!(last["fax"]["params"]["direction"], "receive");
    assert!(last["fax"]["params"]["document"].as_str().is_some_and(|url| url.ends_with(".pdf")), "{last}");

    let call = dialled(&mut client, "+15553333333");
    client.on(&call, "calling.send_fax", fax.clone());
    let last = client.about(&call, "calling.call.fax");
    assert_eq!(last["fax"]["params"]["success"], false);
    assert_eq!(last["fax"]["params"]["result_text"], "CED not heard");
    assert_eq!(client.refused(&call, "calling.send_fax", json!({"control_id": "x", "document": "a.pdf"})), 400);
    no_violations(&sim);
}

fn pay(more: serde_json::Value) -> serde_json::Value {
    with(&json!({"control_id": "p", "payment_connector_url": "https://example.com/pay", "timeout": "30"}), more)
}

#[test]
fn a_card_is_asked_for_field_by_field_and_charged() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| {
        sim.caller("+15551230000")
            .when_asked_to_pay()
            .presses("4242424242424241#")
            .when_asked_to_pay()
            .presses("4242424242424242#1299")
            .presses("123#94043#")
    });
    let prompt = json!([{"for": "payment-card-number", "actions": [{"type": "Say", "phrase": "Your card, please"}]}]);
    client.on(&call, "calling.pay", pay(json!({"max_attempts": "2", "charge_amount": "9.99", "prompts": prompt})));
    let mut seen = Vec::new();
    let result = loop {
        let event = client.about(&call, "calling.call.pay");
        assert!(!event.to_string().contains("4242424242424242"), "{event}");
        match event["for"].as_str() {
            Some(what) => seen.push(format!("{what} {} {}", event["attempt"], event["error_type"])),
            None => break event,
        }
    };
    assert_eq!(
        seen,
        [
            "payment-card-number \"1\" null",
            "payment-card-number \"2\" \"invalid-card-number\"",
            "expiration-date \"1\" null",
            "security-code \"1\" null",
            "postal-code \"1\" null",
            "payment-processing null null",
            "payment-completed null null",
        ]
    );
    assert_eq!((&result["result"], &result["control_id"]), (&json!("success"), &json!("p")));
    assert_eq!(result["payment_card_number"], "************4242");
    assert_eq!((&result["payment_card_type"], &result["payment_card_postal_code"]), (&json!("visa"), &json!("94043")));
    assert!(result["payment_token"].is_string() && result["payment_card_expiration_date"] == "1299", "{result}");
    assert_eq!(ann.heard()[0], "Your card, please");
    assert_eq!(sim.count_of(&charged("success").with("+15551230000")), 1);
    let shown = format!("{:?}", sim.transcript());
    assert!(shown.contains("pressed ****************#") && !shown.contains("4242"), "{shown}");
    no_violations(&sim);
}

#[test]
fn a_payment_is_declined_interrupted_or_forgotten() {
    let (sim, _ann, mut client, call) = on_the_phone(|sim| {
        sim.caller("+15551230000")
            .when_asked_to_pay()
            .presses("4000000000000002#1299")
            .when_asked_to_pay()
            .presses("4*")
    });
    let short = json!({"security_code": "false", "postal_code": "false"});
    let mut results = Vec::new();
    for (id, more) in [("declined", &short), ("star", &short), ("silence", &json!({"timeout": "1"}))] {
        client.on(&call, "calling.pay", with(&pay(json!({"control_id": id})), more.clone()));
        let last = client.event("calling.call.pay", |event| event["result"].is_string());
        results.push((last["result"].clone(), last["payment_error"].clone()));
    }
    assert_eq!(
        results,
        [
            (json!("payment-connector-error"), json!("card-declined")),
            (json!("caller-interrupted-with-star"), json!(null)),
            (json!("too-many-failed-attempts"), json!("timeout")),
        ]
    );
    no_violations(&sim);
}

#[test]
fn what_runs_is_not_started_twice_and_can_be_stopped() {
    // In real time, none of these operations ends by itself during the test.
    let sim = Simulator::start().expect("a simulator");
    sim.callee("sip:slow@pbx.example").answers_after(Duration::from_secs(3600));
    let ann = sim.caller("sip:ann@pbx.example").calls("sip:program@pbx.example").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let refer = json!({"device": {"type": "sip", "params": {"to": "sip:slow@pbx.example"}}});
    client.on(&call, "calling.refer", refer.clone());
    assert_eq!(client.refused(&call, "calling.refer", refer), 409);

    let fax = json!({"control_id": "s", "document": "https://example.com/a.pdf"});
    for (start, more, stop) in [
        ("calling.send_fax", fax, "calling.send_fax.stop"),
        ("calling.receive_fax", json!({"control_id": "r"}), "calling.receive_fax.stop"),
    ] {
        let control = json!({"control_id": more["control_id"]});
        client.on(&call, start, more);
        assert_eq!(client.refused(&call, "calling.receive_fax", json!({"control_id": "x"})), 409);
        client.on(&call, stop, control.clone());
        let last = client.about(&call, "calling.call.fax");
        assert_eq!((&last["control_id"], &last["fax"]["params"]["success"]), (&control["control_id"], &json!(false)));
        assert_eq!(client.refused(&call, stop, control), 404);
    }

    client.on(&call, "calling.pay", pay(json!({"control_id": "stop"})));
    assert_eq!(client.refused(&call, "calling.pay", pay(json!({"control_id": "q"}))), 409);
    client.on(&call, "calling.pay.stop", json!({"control_id": "stop"}));
    let last = client.event("calling.call.pay", |event| event["result"].is_string());
    assert_eq!(last["result"], "relay-pay-stop");
    client.on(&call, "calling.pay", pay(json!({"control_id": "gone"})));
    ann.hang_up();
    let last = client.event("calling.call.pay", |event| event["result"].is_string());
    assert_eq!(last["result"], "caller-hung-up");
    no_violations(&sim);
}

#[test]
fn audio_is_tapped_and_streamed() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    let device = json!({"type": "rtp", "params": {"addr": "198.51.100.24", "port": 40012}});
    let tap = json!({"control_id": "t", "tap": {"type": "audio", "params": {"direction": "both"}}, "device": device});
    let reply = client.on(&call, "calling.tap", tap.clone());
    assert_eq!(
        reply["source_device"]["params"],
        json!({"addr": "198.51.100.24", "port": 40012, "codec": "PCMU", "ptime": 20, "rate": 8000})
    );
    let event = client.about(&call, "calling.call.tap");
    assert_eq!((&event["state"], &event["tap"], &event["device"]), (&json!("tapping"), &tap["tap"], &device));
    client.on(&call, "calling.tap.stop", json!({"control_id": "t"}));
    assert_eq!(client.about(&call, "calling.call.tap")["state"], "finished");

    let stream = json!({"control_id": "s", "url": "wss://example.com/in", "name": "qa", "track": "both_tracks",
        "authorization_bearer_token": "canary"});
    client.on(&call, "calling.stream", stream);
    let event = client.about(&call, "calling.call.stream");
    assert_eq!(
        (&event["state"], &event["url"], &event["name"]),
        (&json!("streaming"), &json!("wss://example.com/in"), &json!("qa"))
    );
    client.on(&call, "calling.stream.stop", json!({"control_id": "s"}));
    assert_eq!(client.about(&call, "calling.call.stream")["state"], "finished");
    assert_eq!(client.refused(&call, "calling.stream", json!({"control_id": "x", "url": "https://example.com"})), 400);
    no_violations(&sim);

    let bare = json!({"control_id": "u", "tap": {"type": "audio"}, "device": device});
    assert_eq!(client.refused(&call, "calling.tap", bare), 400);
    client.on(&call, "calling.stream", json!({"control_id": "v", "url": "wss://example.com/in"}));
    client.about(&call, "calling.call.stream");
    ann.hang_up();
    assert_eq!(client.about(&call, "calling.call.stream")["state"], "finished");
    assert!(!sim.journal().to_string().contains("canary"));
    assert_eq!(sim.take_violations().len(), 1);
}

#[test]
fn a_call_is_transcribed_once_at_a_time() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    let reply = client.on(&call, "calling.transcribe", json!({"control_id": "t", "status_url": "https://example.com"}));
    let begun = client.about(&call, "calling.call.transcribe");
    assert_eq!((&begun["state"], &begun["url"]), (&json!("transcribing"), &reply["url"]));
    assert_eq!(client.refused(&call, "calling.transcribe", json!({"control_id": "u"})), 409);
    client.on(&call, "calling.transcribe.stop", json!({"control_id": "t"}));
    let done = client.about(&call, "calling.call.transcribe");
    assert_eq!((&done["state"], &done["url"]), (&json!("finished"), &reply["url"]));
    assert!(done["duration"].is_number() && done["size"].is_u64(), "{done}");
    client.on(&call, "calling.transcribe", json!({"control_id": "v"}));
    client.about(&call, "calling.call.transcribe");
    ann.hang_up();
    client.state(&call, "ended");
    assert_eq!(client.about(&call, "calling.call.transcribe")["state"], "finished");
    no_violations(&sim);
}

#[test]
fn hold_denoise_and_echo_are_switched_on_and_off_once() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    for (on, off, kind, key, values) in [
        ("calling.hold", "calling.unhold", "calling.call.hold", "state", [json!("hold"), json!("unhold")]),
        ("calling.denoise", "calling.denoise.stop", "calling.call.denoise", "denoised", [json!(true), json!(false)]),
    ] {
        assert_eq!(client.refused(&call, off, json!({})), 409);
        client.on(&call, on, json!({}));
        assert_eq!(client.about(&call, kind)[key], values[0]);
        assert_eq!(client.refused(&call, on, json!({})), 409);
        client.on(&call, off, json!({}));
        assert_eq!(client.about(&call, kind)[key], values[1]);
    }
    client.on(&call, "calling.echo", json!({"timeout": 0}));
    assert_eq!(client.about(&call, "calling.call.echo")["state"], "echoing");
    assert_eq!(client.refused(&call, "calling.echo", json!({})), 409);
    ann.say("anybody there?");
    ann.wait_heard("anybody there?", super::LONG).expect("the echo");
    ann.hang_up();
    assert_eq!(client.about(&call, "calling.call.echo")["state"], "finished");
    no_violations(&sim);

    let (_sim, _ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    client.on(&call, "calling.echo", json!({"timeout": 5}));
    client.about(&call, "calling.call.echo");
    assert_eq!(client.about(&call, "calling.call.echo")["state"], "finished");
}

#[test]
fn digits_run_what_is_bound_to_them() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    let play = json!({"play": tts("Goodbye")});
    let bind = json!({"digits": "*9", "bind_method": "calling.play", "params": play, "max_triggers": 2});
    client.on(&call, "calling.bind_digit", bind);
    let fails = json!({"digits": "5", "bind_method": "calling.unhold", "realm": "other"});
    client.on(&call, "calling.bind_digit", fails);
    for _ in 0..3 {
        ann.press("1*9");
    }
    for _ in 0..2 {
        client.event("calling.call.play", |event| event["state"] == "finished");
    }
    assert_eq!(ann.heard(), ["Goodbye", "Goodbye"]);
    ann.press("5");
    let error = client.about(&call, "calling.error");
    assert_eq!((&error["fatal"], &error["error"]), (&json!(false), &json!("calling.unhold: Call is not on hold")));
    client.on(&call, "calling.clear_digit_bindings", json!({}));
    ann.press("5");
    client.about(&call, "calling.error");
    client.on(&call, "calling.clear_digit_bindings", json!({"realm": "all"}));
    ann.press("5");
    client.on(&call, "calling.hold", json!({}));
    assert_eq!(sim.journal().events("calling.error").len(), 2);
    no_violations(&sim);
    for bad in [
        json!({"digits": "x", "bind_method": "calling.play"}),
        json!({"digits": "1", "bind_method": "calling.dial"}),
        json!({"digits": "1", "bind_method": "calling.play", "params": {"play": 7}}),
    ] {
        assert_eq!(client.refused(&call, "calling.bind_digit", bad), 400);
    }
    assert!(!sim.take_violations().is_empty());
}

#[test]
fn user_events_are_sent_back_without_changing_their_call() {
    let (sim, _ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    client.on(&call, "calling.user_event", json!({"event": {"topic": "crm", "call_id": "other"}}));
    assert_eq!(client.about(&call, "calling.user_event")["topic"], "crm");
    client.on(&call, "calling.user_event", json!({"event": "ready"}));
    assert_eq!(client.about(&call, "calling.user_event")["event"], "ready");
    no_violations(&sim);
}

#[test]
fn a_prompt_has_its_own_commands_but_is_not_paused() {
    // In real time, none of these operations ends by itself during the test.
    let sim = Simulator::start().expect("a simulator");
    let _ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    let prompt = json!({"control_id": "p", "play": tts("Press any of the keys, whenever you like"), "collect": {"digits": {"max": 1}}});
    client.on(&call, "calling.play_and_collect", prompt.clone());
    let second = with(&prompt, json!({"control_id": "q"}));
    assert_eq!(client.refused(&call, "calling.play_and_collect", second), 409);
    client.on(&call, "calling.play_and_collect.volume", json!({"control_id": "p", "volume": 3}));
    for method in ["calling.play_and_collect.pause", "calling.play_and_collect.resume"] {
        assert_eq!(client.refused(&call, method, json!({"control_id": "p"})), -32601);
    }
    client.on(&call, "calling.collect.start_input_timers", json!({"control_id": "p"}));
    client.on(&call, "calling.play_and_collect.stop", json!({"control_id": "p"}));
    assert_eq!(client.about(&call, "calling.call.collect")["result"]["type"], "finished");
    client.on(&call, "calling.collect", json!({"control_id": "c", "digits": {"max": 1}}));
    client.on(&call, "calling.collect.stop", json!({"control_id": "c"}));
    client.on(&call, "calling.detect", json!({"control_id": "d", "detect": {"type": "digit", "params": {}}}));
    client.on(&call, "calling.detect.stop", json!({"control_id": "d"}));
    client.on(&call, "calling.record", json!({"control_id": "r", "record": {"audio": {}}}));
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("over and over"), "loop": 0}));
    for (control_id, method) in [
        ("r", "calling.record.pause"),
        ("r", "calling.record.resume"),
        ("r", "calling.record.stop"),
        ("a", "calling.play.pause"),
        ("a", "calling.play.resume"),
        ("a", "calling.play.stop"),
    ] {
        client.on(&call, method, json!({"control_id": control_id}));
        assert_eq!(sim.violations(), [""; 0], "{method}");
    }
    client.on(&call, "calling.play", json!({"control_id": "b", "play": tts("over and over"), "loop": 0}));
    client.on(&call, "calling.play.volume", json!({"control_id": "b", "volume": 3}));
}

#[test]
fn legacy_methods_and_those_of_the_service_are_refused() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let refused = [
        "signalwire.execute",
        "signalwire.event",
        "signalwire.disconnect",
        "calling.begin",
        "calling.receive",
        "calling.call",
        "provisioning.configure",
    ];
    for method in refused {
        assert_eq!(client.refused(&json!({}), method, json!({})), -32601);
    }
    assert_eq!(sim.take_violations().len(), refused.len());
    client.ask("signalwire.unreceive", json!({"contexts": ["default"]}));
}

#[test]
fn a_fresh_jwt_is_taken_on_an_open_connection() {
    let sim = Simulator::builder().token("good").start().expect("a simulator");
    let mut client = Bare::open(&sim);
    client.connect(json!({"authentication": {"jwt_token": "good"}}));
    let reply = client.ask("signalwire.reauthenticate", json!({"authentication": {"jwt_token": "good"}}));
    assert_eq!(reply["result"]["authorization"]["project"], sim.project());
    for (given, code) in [(json!({"jwt_token": "bad"}), -32002), (json!({"project": "p", "token": "good"}), -32602)] {
        let reply = client.ask("signalwire.reauthenticate", json!({"authentication": given}));
        assert_eq!(reply["error"]["code"], code, "{reply}");
    }
    client.ask("signalwire.ping", json!({}));
    no_violations(&sim);
}

#[test]
fn an_answer_comes_before_whatever_the_program_does_next() {
    let sim = Simulator::builder().speed(10_000.0).start().expect("a simulator");
    let ann = sim.caller("+15551230000").dials();
    let mut client = Bare::connected(&sim);
    let call = client.offered();
    let answer = client.send("calling.answer", call.clone());
    let play = client.send("calling.play", with(&call, json!({"control_id": "a", "play": tts("Welcome")})));
    client.reply(&answer);
    client.reply(&play);
    client.event("calling.call.play", |event| event["state"] == "finished");
    let lines = sim.transcript();
    let place = |part: &str| lines.iter().position(|line| line.contains(part));
    assert!(place("was answered") < place("heard: Welcome"), "{lines:?}");
    let sent: Vec<String> = sim
        .journal()
        .entries()
        .iter()
        .filter(|entry| entry.method().starts_with("calling."))
        .map(|entry| format!("{:?} {}", entry.kind(), entry.method()))
        .collect();
    let place = |part: &str| sent.iter().position(|line| line == part);
    assert!(place("Reply calling.answer") < place("Event calling.call.state"), "{sent:?}");
    assert!(place("Event calling.call.state") < place("Reply calling.play"), "{sent:?}");
    assert!(ann.was_answered());
    assert_eq!(client.refused(&call, "calling.answer", json!({})), 409);
}

#[test]
fn the_response_can_come_after_the_last_event_of_any_operation() {
    let (sim, _ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000").is_fax());
    for (method, more, kind) in [
        ("calling.receive_fax", json!({"control_id": "f"}), "calling.call.fax"),
        ("calling.denoise", json!({}), "calling.call.denoise"),
        ("calling.join_conference", json!({"name": "c"}), "calling.conference"),
        ("calling.queue.enter", json!({"control_id": "q", "queue_name": "q", "wait_time": 1}), "calling.call.queue"),
        ("calling.echo", json!({"timeout": 5}), "calling.call.echo"),
        ("calling.user_event", json!({"event": {}}), "calling.user_event"),
    ] {
        sim.events_before_reply(method);
        let id = client.send(method, with(&call, more));
        assert_eq!(client.reply(&id)["result"]["code"], "200");
        let frames = sim.journal();
        let reply = frames.replies(method).pop().expect("the reply");
        let event = frames.events(kind).pop().expect("an event");
        assert!(event.sequence() < reply.sequence(), "{frames}");
    }
    no_violations(&sim);
}
