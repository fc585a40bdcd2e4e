//! The digits, the speech and the text messages of people are shown nowhere unless the program asks for it.

use std::fmt::Debug;

use serde_json::json;
use signalwire_relay::events::parse_event;
use signalwire_relay::params::{BindDigit, SendDigits, digit_detector};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, Collect, Event, Heard, Play, phone, sms, tts};

use crate::support::{Capture, LONG, answered_call, builder, caught_up, child_role, report, reports_of_child, watched};

/// Digits, and what is said or written.
struct Secret {
    digits: &'static str,
    text: &'static str,
}

const HIDDEN: Secret = Secret { digits: "4711*90#", text: "B0dy-canary" };
const ASKED_FOR: Secret = Secret { digits: "0815*77#", text: "Sh0wn-canary" };

fn shows(what: &dyn Debug, secret: &Secret) -> bool {
    let shown = format!("{what:?} {what:#?}");
    shown.contains(secret.digits) || shown.contains(secret.text)
}

/// Everything that goes out or comes in with a content. `Debug` shows none of it, whatever the log shows.
fn say_everything(sim: &Simulator, client: &Client, secret: &Secret) {
    let mut shown: Vec<Box<dyn Debug>> = Vec::new();
    let call = answered_call(sim, client);
    let mut events = call.events();
    let sending = call.send_digits(secret.digits).unwrap();
    shown.push(Box::new(sending.wait(LONG).unwrap()));
    shown.push(Box::new(sending.reply()));
    shown.push(Box::new(call.play(tts(secret.text)).unwrap().wait(LONG).unwrap()));
    let collecting = call.collect(Collect::digits(8)).unwrap();
    let pressed = json!({"type": "digit", "params": {"digits": secret.digits, "terminator": "#"}});
    let told = json!({"call_id": call.id(), "control_id": collecting.control_id(), "result": pressed});
    sim.push_event("calling.call.collect", told);
    let collected = collecting.wait(LONG).unwrap();
    assert_eq!(collected.digits(), Some(secret.digits));
    shown.push(Box::new(collected));
    let said = json!({"type": "speech", "params": {"text": secret.text, "confidence": 83.2}});
    sim.push_event("calling.call.collect", json!({"call_id": call.id(), "control_id": "other", "result": said}));
    sim.push_event("calling.ai.response", json!({"call_id": call.id(), "response": secret.text}));
    while let Some(event) = events.next_within(LONG) {
        let last = *event.raw().name() == "calling.ai.response";
        shown.push(Box::new(event));
        if last {
            break;
        }
    }
    let text = client.send_message(sms("+15552222222").from("+15551111111").body(secret.text)).unwrap();
    assert_eq!(text.body(), secret.text);
    shown.push(Box::new(text.wait(LONG).unwrap()));
    shown.push(Box::new(text));
    let inbound = json!({"message_id": "m-1", "body": secret.text, "message_state": "received"});
    sim.push_event("messaging.receive", inbound);
    let message = client.next_message(LONG).unwrap();
    assert_eq!(message.body(), secret.text);
    shown.push(Box::new(message));
    shown.push(Box::new(call.execute("calling.ai_message", json!({"message_text": secret.text}))));
    caught_up(sim);
    call.hangup().unwrap();

    shown.push(Box::new(SendDigits::new(secret.digits)));
    shown.push(Box::new(sms("+15552222222").body(secret.text)));
    shown.push(Box::new(Play::new(tts(secret.text))));
    shown.push(Box::new(BindDigit::new(secret.digits, "calling.play").params(json!({"text": secret.text}))));
    shown.push(Box::new(phone("+15552222222").extra("send_digits", secret.digits)));
    shown.push(Box::new(digit_detector().extra("digits", secret.digits)));
    for what in &shown {
        assert!(!shows(&**what, secret), "{what:?}");
    }
}

fn child() {
    let capture = Capture::install();
    for (secret, asked_for) in [(&HIDDEN, false), (&ASKED_FOR, true)] {
        let sim = Simulator::builder().allow_violations().speed(50.0).start().unwrap();
        let client = builder(&sim).log_content(asked_for).connect().unwrap();
        say_everything(&sim, &client, secret);
        client.disconnect();
        let records = capture.take();
        let of_wire = records.iter().filter(|(target, _)| target == "signalwire_relay::wire");
        let frames = of_wire.clone().count();
        for text in [secret.digits, secret.text] {
            let seen = of_wire.clone().filter(|(_, line)| line.contains(text)).count();
            assert!(
                frames > 20 && if asked_for { seen > 1 } else { seen == 0 },
                "{text} is in {seen} of {frames} frames"
            );
            // No other record of the crate has the content, whatever is enabled: there is none at DEBUG.
            let other = records.iter().find(|(target, line)| {
                target.starts_with("signalwire_relay") && target != "signalwire_relay::wire" && line.contains(text)
            });
            assert_eq!(other, None);
        }
    }
    report("clean");
}

#[test]
fn digits_speech_and_text_messages_are_in_no_record_unless_enabled() {
    watched(|| {
        const NAME: &str = "contents::digits_speech_and_text_messages_are_in_no_record_unless_enabled";
        if child_role().is_some() {
            return child();
        }
        assert_eq!(reports_of_child(NAME, "child", &[]), ["clean"]);
    });
}

#[test]
fn debug_of_a_detected_digit_does_not_show_it() {
    let told = json!({"control_id": "d", "detect": {"type": "digit", "params": {"event": "7"}}});
    let event = parse_event(&json!({"event_type": "calling.call.detect", "params": told}));
    let Event::Detect(detected) = &event else { panic!("a detect") };
    assert_eq!(detected.heard, Heard::Digit('7'));
    assert_eq!(format!("{:?}", detected.heard), "Digit(<content>)");
    assert!(!format!("{event:?}").contains('7'), "{event:?}");
}
