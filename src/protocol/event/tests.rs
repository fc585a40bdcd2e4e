//! Tests of how events are read.

use serde_json::json;

use super::*;
use crate::protocol::choices::{CardType, ConferenceRegion};
use crate::protocol::states::{
    CallState, ConferenceEndReason, ConferenceStatus, DetectKind, Direction, EndReason, MessageState, PayFault,
    PayStep, QueueStatus,
};

fn event(name: &str, payload: Value) -> Event {
    parse_event(&json!({ "event_type": name, "params": payload, "timestamp": 5.5, "event_channel": "ch" }))
}

/// Every type reads every payload: the result is an event of its type, with empty fields.
#[test]
fn no_payload_makes_an_event_fail() {
    let odd = [json!(null), json!([1, {"a": 2}]), json!(5), json!("x"), json!({"x": 1}), json!(true)];
    for name in EventName::ALL {
        let expected = std::mem::discriminant(&event(name.as_str(), json!({})));
        for payload in &odd {
            let event = event(name.as_str(), payload.clone());
            assert_eq!((event.name(), event.raw().value()), (name.clone(), payload.clone()));
            assert_eq!(std::mem::discriminant(&event), expected);
            assert_eq!((event.call_id(), event.control_id(), event.timestamp()), (None, None, 5.5));
        }
        for value in odd.iter().chain([&json!({}), &json!(-1.5)]) {
            let keys = [
                "call_id",
                "control_id",
                "state",
                "call_state",
                "device",
                "end_reason",
                "peer",
                "parent",
                "call",
                "tag",
                "url",
                "duration",
                "size",
                "record",
                "result",
                "final",
                "detect",
                "fax",
                "tap",
                "status",
                "name",
                "position",
                "media",
                "tags",
                "segments",
                "message_state",
                "reason",
                "code",
                "message",
                "error",
                "fatal",
                "sip_data",
                "for",
                "attempt",
                "payment_card_number",
                "enqueue_ts",
                "region",
                "muted",
                "rtt_avg",
                "reason_ended",
            ];
            let payload: Value = keys.iter().map(|key| ((*key).to_owned(), value.clone())).collect();
            assert_eq!(std::mem::discriminant(&event(name.as_str(), payload)), expected);
        }
    }
    for envelope in [json!(null), json!([]), json!({}), json!({"event_type": 5}), json!({"event_type": null})] {
        assert!(matches!(parse_event(&envelope), Event::Other(raw) if raw.name().as_str().is_empty()));
    }
    assert!(
        matches!(event("Calling.Call.Play", json!({"call_id": "c"})), Event::Other(raw) if raw.call_id() == Some("c"))
    );
}

#[test]
fn an_event_keeps_what_came() {
    let payload = json!({"call_id": "c", "control_id": "k", "state": "playing", "new": {"a": [1]}});
    let event = event("calling.call.play", payload.clone());
    assert_eq!((event.call_id(), event.control_id(), event.raw().event_channel()), (Some("c"), Some("k"), "ch"));
    assert_eq!((event.raw().value(), event.raw().get("new")), (payload, Some(json!({"a": [1]}))));
    let late = parse_event(&json!({"event_type": "x", "params": {"timestamp": 7.25}}));
    assert_eq!(late.timestamp(), 7.25);
}

#[test]
fn call_states_are_read() {
    let Event::CallState(state) = event(
        "calling.call.state",
        json!({
            "call_id": "c", "node_id": "n", "call_state": "ended", "direction": "outbound", "end_reason": "maxDuration",
            "device": {"type": "phone", "params": {"from_number": "+1", "to_number": "+2"}}, "dial_winner": "true",
            "start_time": 1_760_871_190_110_i64, "audio_in_mos": 4.38, "peer": {"call_id": "d"}, "parent": {},
        }),
    ) else {
        panic!("a call state")
    };
    assert_eq!((state.state, state.direction), (CallState::Ended, Direction::Outbound));
    assert_eq!(state.end_reason, Some(EndReason::MaxDuration));
    assert_eq!((state.device.from(), state.is_dial_winner, state.start_time), ("+1", true, 1_760_871_190_110));
    assert_eq!(state.peer.map(|peer| peer.call_id).as_deref(), Some("d"));
    assert!(state.parent.is_none() && state.audio_in_mos == Some(4.38));
}

#[test]
fn conferences_report_themselves_participants_and_their_lines() {
    let Event::Conference(end) = event(
        "calling.conference",
        json!({
            "conference_id": "k", "name": "stand-up", "region": "eu", "status": "conference-end", "size": 0,
            "reason_ended": "last-participant-left", "call_id_ending_conf": "c", "recording_url": "u",
            "recording_duration": 63, "recording_file_size": 1024,
        }),
    ) else {
        panic!("a conference")
    };
    assert_eq!((end.status, end.region), (ConferenceStatus::End, Some(ConferenceRegion::Eu)));
    assert_eq!((end.ended_by.as_str(), end.end_reason), ("c", Some(ConferenceEndReason::LastLeft)));
    assert_eq!((end.recording_url.as_str(), end.recording_duration, end.recording_file_size), ("u", 63, 1024));
    assert!(end.call_id.is_empty() && end.qos.is_empty());
    let Event::Conference(line) = event(
        "calling.conference",
        json!({
            "call_id": "c", "status": "participant-call-quality", "muted": true, "coaching": true,
            "call_id_to_coach": "d", "start_on_join": true, "rtt_avg": "12.5", "in_mos": "4.4", "out_lost": "none",
        }),
    ) else {
        panic!("a conference")
    };
    assert!(line.is_muted && line.is_coaching && !line.is_on_hold && line.start_on_join && !line.end_on_leave);
    let figures: Vec<_> = line.qos.iter().map(|(name, figure)| (name.as_str(), *figure)).collect();
    assert_eq!(figures, [("in_mos", 4.4), ("rtt_avg", 12.5)]);
}

#[test]
fn payments_queues_and_faxes_are_read() {
    let Event::Pay(step) = event(
        "calling.call.pay",
        json!({"for": "security-code", "attempt": "2", "error_type": "timeout", "security_code": "***",
            "payment_card_type": "visa", "payment_method": "credit-card"}),
    ) else {
        panic!("a payment")
    };
    assert_eq!((step.step, step.attempt, step.fault), (Some(PayStep::SecurityCode), 2, Some(PayFault::Timeout)));
    assert_eq!((step.card_type, step.security_code.as_str()), (Some(CardType::Visa), "***"));
    let Event::Pay(end) = event(
        "calling.call.pay",
        json!({"result": {"deep": "canary"}, "payment_error_code": 703, "payment_connector_error_message": "no"}),
    ) else {
        panic!("a payment")
    };
    assert!(end.is_end() && !end.is_success() && !format!("{end:?}").contains("canary"));
    assert_eq!((end.payment_error_code.as_str(), end.payment_connector_error_message.as_str()), ("703", "no"));
    let Event::Queue(queue) = event(
        "calling.call.queue",
        json!({"status": "leave", "id": "q", "name": "billing", "enqueue_ts": 1_760_871_234_498_113_i64}),
    ) else {
        panic!("a queue")
    };
    assert_eq!((queue.status, queue.entered_at, queue.left_at), (QueueStatus::Leave, 1_760_871_234_498_113, 0));
    let fax = json!({"type": "finished", "params": {"direction": "send", "pages": 3, "success": true, "result": 0,
        "document": "u", "format": "pdf", "identity": "a", "remote_identity": "b", "result_text": "OK"}});
    let Event::Fax(fax) = event("calling.call.fax", json!({ "fax": fax })) else { panic!("a fax") };
    assert!(fax.is_end() && fax.is_success && fax.pages == 3 && fax.document == "u");
}

#[test]
fn an_offer_takes_its_context_where_it_finds_it() {
    for (payload, envelope, context) in [
        (json!({"context": "a", "protocol": "p"}), json!("b"), "a"),
        (json!({"context": "", "protocol": "p"}), json!("b"), "b"),
        (json!({"protocol": "p"}), json!(null), "p"),
    ] {
        let name = "calling.call.receive";
        let event = parse_event(&json!({"event_type": name, "params": payload, "context": envelope}));
        let Event::CallReceive(offer) = event else { panic!("an offer") };
        assert_eq!(
            (offer.context.as_str(), offer.state, offer.direction),
            (context, CallState::Created, Direction::Inbound)
        );
    }
}

#[test]
fn a_recording_is_read_nested_first() {
    let top = json!({"state": "finished", "url": "top", "duration": 17.42, "size": 139360});
    let Event::Record(recording) = event("calling.call.record", top) else { panic!("a recording") };
    assert_eq!((recording.url.as_str(), recording.duration, recording.size), ("top", 17.42, 139_360));
    let nested = json!({"url": "top", "size": 1, "record": {"url": "nested", "duration": 2}});
    let Event::Record(recording) = event("calling.call.record", nested) else { panic!("a recording") };
    assert_eq!((recording.url.as_str(), recording.duration, recording.size), ("nested", 2.0, 1));
}

#[test]
fn collect_results_are_typed() {
    for (payload, result, is_final) in [
        (
            json!({"result": {"type": "digit", "params": {"digits": "4021", "terminator": "#"}}}),
            CollectResult::Digits { digits: "4021".into(), terminator: "#".into() },
            None,
        ),
        (
            json!({"result": {"type": "speech", "params": {"text": "yes", "confidence": 83.2}}, "final": false}),
            CollectResult::Speech { text: "yes".into(), confidence: 83.2 },
            Some(false),
        ),
        (json!({"result": {"type": "no_input"}, "final": true}), CollectResult::NoInput, Some(true)),
        (json!({"result": {}}), CollectResult::None, None),
        (json!({"result": {"type": "new"}}), CollectResult::Other("new".into()), None),
    ] {
        let Event::Collect(collect) = event("calling.call.collect", payload) else { panic!("a collect") };
        assert_eq!((collect.result, collect.is_final), (result, is_final));
    }
}

#[test]
fn detectors_hear() {
    for (detect, heard) in [
        (json!({"type": "machine", "params": {"event": "HUMAN"}}), Heard::Human),
        (json!({"type": "machine", "params": {"event": "NOT_READY"}}), Heard::NotReady),
        (json!({"type": "digit", "params": {"event": "#"}}), Heard::Digit('#')),
        (json!({"type": "fax", "params": {"event": "CED"}}), Heard::Ced),
        (json!({"type": "machine", "params": {"event": "finished"}}), Heard::Finished),
        (json!({"type": "machine"}), Heard::Other("".into())),
        (json!({}), Heard::None),
    ] {
        let Event::Detect(event) = event("calling.call.detect", json!({"detect": detect})) else { panic!("a detect") };
        assert_eq!(event.heard, heard);
    }
    let ready = json!({"detect": {"type": "machine", "params": {"event": "READY", "beep": true}}});
    let Event::Detect(ready) = event("calling.call.detect", ready) else { panic!("a detect") };
    assert!(ready.beep && ready.heard == Heard::Ready && ready.kind == DetectKind::Machine);
    let Event::Detect(end) = event("calling.call.detect", json!({"state": "finished"})) else { panic!("a detect") };
    assert_eq!(end.heard, Heard::Finished);
}

#[test]
fn both_shapes_of_errors_are_read() {
    for (payload, code, message, fatal) in [
        (json!({"code": "500", "message": "m"}), "500", "m", None),
        (json!({"code": 500, "error": "e", "fatal": true}), "500", "e", Some(true)),
        (json!({"error": {"a": 1}}), "", r#"{"a":1}"#, None),
    ] {
        let Event::CallingError(error) = event("calling.error", payload) else { panic!("an error") };
        assert_eq!((error.code.as_str(), error.message.as_str(), error.is_fatal), (code, message, fatal));
    }
}

#[test]
fn message_states_are_read() {
    let payload =
        json!({"message_id": "m", "message_state": "undelivered", "reason": "r", "tags": ["a", 1], "media": ["u"]});
    let Event::MessageState(state) = event("messaging.state", payload) else { panic!("a message state") };
    assert_eq!((state.state, state.reason.as_deref()), (MessageState::Undelivered, Some("r")));
    assert_eq!((state.tags, state.media), (vec!["a".to_owned()], vec!["u".to_owned()]));
    let Event::MessageReceive(message) = event("messaging.receive", json!({"body": "ü"})) else { panic!("a message") };
    assert_eq!((message.body.as_str(), message.state), ("ü", MessageState::Received));
}

#[test]
fn debug_shows_no_secret() {
    let device = json!({"type": "sip", "params": {"password": "canary"}});
    let payload = json!({"device": device, "call": {"device": device}, "peer": {"device": device}, "token": "canary",
            "sip_data": {"Authorization": "canary", "list": [{"name": "X-Token", "value": "canary"}]}});
    for name in EventName::ALL {
        let shown = format!("{:?}", event(name.as_str(), payload.clone()));
        assert!(!shown.contains("canary"), "{shown}");
    }
    let shown = format!("{:?}", event("calling.call.pay", json!({"security_code": "canary", "x": "canary"})));
    assert!(!shown.contains("canary"), "{shown}");
}
