//! Values at the edge: numbers that are not finite, addresses with names, settings of the environment.

use serde_json::{Value, json};
use signalwire_relay::events::parse_event;
use signalwire_relay::params::{Ai, AiPrompt, AmazonBedrock, Prompt};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, Connect, Dial, ErrorKind, Event, Play, Record, phone, silence, sip, sms, tts};

use crate::support::{
    LONG, answered, builder, child_role, client, count, log_to, refusal, report, reports_of_child, sent, simulator_at,
    watched,
};

#[test]
fn a_number_that_is_not_finite_is_refused_before_it_is_sent() {
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let play = call.play(silence(LONG)).unwrap();
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let price = |key: &str| (key.to_owned(), "max_price_per_minute".to_owned());
            let refusals = [
                (refusal(play.volume(odd)), ("calling.play.volume".to_owned(), "volume".to_owned())),
                (refusal(call.play(Play::new(tts("a")).volume(odd))), ("calling.play".into(), "volume".into())),
                (
                    refusal(call.prompt(Prompt::new(tts("a")).volume(odd), signalwire_relay::Collect::digits(1))),
                    ("calling.play_and_collect".into(), "volume".into()),
                ),
                (
                    refusal(call.record(Record::new().input_sensitivity(odd))),
                    ("calling.record".into(), "input_sensitivity".into()),
                ),
                (
                    refusal(call.connect(Connect::new(phone("+15552222222")).max_price_per_minute(odd))),
                    price("calling.connect"),
                ),
                (
                    refusal(client.dial(Dial::new(phone("+15552222222")).max_price_per_minute(odd))),
                    price("calling.dial"),
                ),
                (
                    refusal(call.amazon_bedrock(AmazonBedrock::new().prompt(AiPrompt::from("a").top_p(odd)))),
                    ("calling.amazon_bedrock".into(), "top_p".into()),
                ),
                (
                    refusal(call.ai(Ai::new().prompt(AiPrompt::from("a").temperature(odd)))),
                    ("calling.ai".into(), "temperature".into()),
                ),
            ];
            for (error, (method, key)) in refusals {
                assert_eq!((error.kind(), error.method()), (ErrorKind::Config, Some(&*method)), "{error}");
                assert!(error.to_string().contains(&key) && error.to_string().contains("finite"), "{error}");
            }
        }
        let methods = ["play.volume", "play_and_collect", "record", "connect", "dial", "ai", "amazon_bedrock"];
        assert_eq!(methods.map(|method| count(&sim, &format!("calling.{method}"))), [0; 7]);
        // The value that was given last counts.
        let _ = call.play(Play::new(tts("a")).volume(f64::NAN).volume(-6.0)).unwrap();
        assert_eq!(count(&sim, "calling.play"), 2);
        play.volume(3.5).unwrap();
        assert_eq!(sent(&sim, "calling.play.volume")["volume"], 3.5);
    });
}

#[test]
fn whole_numbers_out_of_range_are_absent() {
    for (segments, read) in [
        (json!(3), 3),
        (json!("3"), 3),
        (json!(2.9), 2),
        (json!(9_007_199_254_740_993_i64), 9_007_199_254_740_993),
        (json!(i64::MAX), i64::MAX),
        (json!(i64::MIN), i64::MIN),
        (json!(12_345_678_901_234_567_890_u64), 0),
        (json!("12345678901234567890"), 0),
        (json!(1e300), 0),
        (json!(-1e300), 0),
        (json!("many"), 0),
        (json!(true), 0),
    ] {
        let envelope = json!({"event_type": "messaging.receive", "params": {"message_id": "m", "segments": segments}});
        let Event::MessageReceive(event) = parse_event(&envelope) else { panic!("a message") };
        assert_eq!(event.segments, read, "{segments}");
    }
}

#[test]
fn an_empty_body_is_left_out_beside_media() {
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let message = sms("+15552222222").from("+15551111111").body("").media(["https://example.com/a.png"]);
        client.send_message(message).unwrap();
        let params = sent(&sim, "messaging.send");
        assert_eq!((params.get("body"), &params["media"]), (None, &json!(["https://example.com/a.png"])));
        assert_eq!(refusal(client.send_message(sms("+15552222222").body(""))).kind(), ErrorKind::Config);
    });
}

fn event(name: &str, params: Value) -> Event {
    parse_event(&json!({"event_type": name, "params": params}))
}

#[test]
fn the_winner_of_a_dial_the_type_of_a_tap_and_the_whole_device_have_a_type() {
    for (told, is) in [(json!("true"), true), (json!(true), true), (json!("false"), false), (Value::Null, false)] {
        let leg = json!({"call_id": "c", "node_id": "n", "dial_winner": told});
        let Event::Dial(dial) = event("calling.call.dial", json!({"dial_state": "answered", "call": leg})) else {
            panic!("a dial")
        };
        assert_eq!(dial.call.unwrap().is_dial_winner, is, "{told}");
    }
    for (tap, is) in [(json!({"type": "audio", "params": {"direction": "both"}}), "audio"), (json!({}), "")] {
        let Event::Tap(tap) = event("calling.call.tap", json!({"state": "tapping", "tap": tap})) else {
            panic!("a tap")
        };
        assert_eq!(tap.tap_type, is);
    }
    let device = json!({"type": "ws", "params": {"uri": "wss://example.com"}, "beside": {"a": [1]}});
    let Event::Tap(tap) = event("calling.call.tap", json!({"state": "tapping", "device": device})) else {
        panic!("a tap")
    };
    assert_eq!(serde_json::from_str::<Value>(tap.device.raw()).unwrap(), device);
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let raw: Value = serde_json::from_str(call.device().raw()).unwrap();
        assert_eq!((&raw["type"], &raw["params"]), (&json!("phone"), &call.device().params()));
    });
}

#[test]
fn a_sip_address_may_have_a_name() {
    const ALICE: &str = "Alice <sip:alice@example.com>";
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let caller = sim.caller("sip:bob@example.com").calls("sip:office@example.com").dials();
        let call = client.next_call(LONG).unwrap();
        call.answer().unwrap();
        call.refer(sip(ALICE)).unwrap();
        assert_eq!(sent(&sim, "calling.refer")["device"]["params"]["to"], ALICE);
        // The simulator has no callee at that address; only the request is checked.
        let _nobody = client.start_dial(sip(ALICE)).unwrap();
        sim.wait_for_request("calling.dial", LONG).unwrap();
        assert_eq!(sent(&sim, "calling.dial")["devices"][0][0]["params"]["to"], ALICE);
        for to in ["", " ", "sip:a\n@example.com", "sip:a\u{7}@example.com"] {
            assert_eq!(refusal(call.refer(sip(to))).kind(), ErrorKind::Config, "{to:?}");
            assert_eq!(refusal(client.dial(sip(to))).kind(), ErrorKind::Config, "{to:?}");
        }
        assert_eq!(refusal(client.dial(phone("+1 555"))).kind(), ErrorKind::Config);
        drop(caller);
    });
}

#[test]
fn what_the_environment_has_wrong_is_named() {
    watched(|| {
        const NAME: &str = "values::what_the_environment_has_wrong_is_named";
        if child_role().is_some() {
            let error = Client::from_env().expect_err("it cannot connect");
            return report(format!("{:?}: {error}", error.kind()));
        }
        for (name, value) in [
            ("RELAY_MAX_ACTIVE_CALLS", "1,000"),
            ("RELAY_MAX_ACTIVE_CALLS", "many"),
            ("RELAY_MAX_ACTIVE_CALLS", "-1"),
            ("RELAY_MAX_CONNECTIONS", "2 or 3"),
            ("RELAY_MAX_CONNECTIONS", "1e3"),
            ("SIGNALWIRE_SPACE", "https://space.example.com"),
            ("SIGNALWIRE_SPACE", "not a host"),
            ("SIGNALWIRE_RELAY_HOST", "space.example.com/path"),
            ("SIGNALWIRE_RELAY_SCHEME", "http"),
        ] {
            let who = [("SIGNALWIRE_PROJECT_ID", "p"), ("SIGNALWIRE_API_TOKEN", "t"), (name, value)];
            let said = reports_of_child(NAME, "child", &who).remove(0);
            assert!(said.starts_with("Config: ") && said.contains(name), "{name}={value}: {said}");
        }
    });
}

/// Prints what the crate logs as warnings.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        report(format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn white_space_around_credentials_is_removed_with_a_warning() {
    watched(|| {
        const NAME: &str = "values::white_space_around_credentials_is_removed_with_a_warning";
        if let Some(role) = child_role() {
            log_to(&Warnings);
            log::set_max_level(log::LevelFilter::Warn);
            let builder = match role.as_str() {
                "environment" => Client::builder(),
                _ => Client::builder().project("a-project").token(" a-token\r\n").host(format!("{role}\n")),
            };
            let client = builder.connect().unwrap();
            return report(format!("connected as {:?}", client.project()));
        }
        let sim = Simulator::builder().project("a-project").token("a-token").start().unwrap();
        let host = sim.host();
        let scheme = ("SIGNALWIRE_RELAY_SCHEME", "ws");
        let (project, token) = (("SIGNALWIRE_PROJECT_ID", "a-project"), ("SIGNALWIRE_API_TOKEN", "a-token\n"));
        let said = reports_of_child(NAME, "environment", &[scheme, project, token, ("SIGNALWIRE_SPACE", &host)]);
        let warned = "WARN: SIGNALWIRE_API_TOKEN has white space around it, which is removed";
        assert_eq!(said, [warned, "connected as Some(\"a-project\")"]);
        let said = reports_of_child(NAME, &host, &[scheme]);
        let warned = ["Builder::token", "Builder::host"]
            .map(|name| format!("WARN: {name} has white space around it, which is removed"));
        assert_eq!(said, [warned[0].as_str(), &warned[1], "connected as Some(\"a-project\")"]);
        // A file with nothing but a newline holds no token.
        let none = [scheme, project, ("SIGNALWIRE_API_TOKEN", "\n"), ("SIGNALWIRE_SPACE", &*host)];
        let output = std::panic::catch_unwind(|| reports_of_child(NAME, "environment", &none));
        assert!(output.is_err(), "connected without a token");
        assert_eq!(sim.connections_ever(), 2);
    });
}

#[test]
fn a_context_longer_than_a_name_may_be_is_refused() {
    watched(|| {
        let sim = simulator_at(50.0);
        let long = "x".repeat(1025);
        let refused = builder(&sim).contexts(["a", &long]).connect().map(drop).unwrap_err();
        assert_eq!((refused.kind(), sim.connections_ever()), (ErrorKind::Config, 0));
        assert!(refused.to_string().contains("a context has 1025 bytes, and at most 1024 are allowed"), "{refused}");
        let client = builder(&sim).contexts(["a", &long[1..]]).connect().unwrap();
        for refused in [client.receive([long.as_str()]), client.unreceive(["b", &long])] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
        }
        let message = sms("+15552222222").from("+15551111111").body("x").context(long.as_str());
        assert_eq!(client.send_message(message).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(client.contexts(), ["a", &long[1..]]);
        for method in ["signalwire.receive", "signalwire.unreceive", "messaging.send"] {
            assert!(sim.journal().requests(method).is_empty(), "{method} was sent");
        }
    });
}
