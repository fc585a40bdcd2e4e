//! Malformed frames: each affects at most itself, never the connection.

use std::thread;

use serde_json::{Value, json};
use signalwire_relay::connection::Reply;
use signalwire_relay::simulator::{FrameKind, FrameRecord, Simulator};
use signalwire_relay::{Client, Error, ErrorKind, LinkState};

use crate::support::{
    LONG, answered_call, answers_to, builder, caught_up, event, next_state, online, sim, until, watched,
};

/// `true` if client and simulator still work, over the connection that they had from the start.
fn is_well(sim: &Simulator, client: &Client) {
    client.execute("signalwire.ping", json!({})).unwrap();
    assert_eq!(sim.connections_ever(), 1, "the link did not survive");
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    assert_eq!(client.stats().panics, 0);
}

fn push(sim: &Simulator, frame: &Value) {
    sim.push_raw(&frame.to_string());
}

#[test]
fn what_is_no_frame_is_counted_and_skipped() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let deep_in_a_frame = format!(r#"{{"jsonrpc":"2.0","result":{deep}}}"#);
        let frames = [
            "",
            " ",
            "{",
            "}",
            "hello",
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":",
            "[]",
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"signalwire.ping\"}]",
            "1",
            "-0.0",
            "1e999",
            "true",
            "null",
            "\"text\"",
            "{}",
            "{\"jsonrpc\":\"2.0\"}",
            "{\"id\":1}",
            "{\"id\":null,\"result\":{}}",
            "{\"result\":{}}",
            "{\"error\":{\"code\":1}}",
            "{\"method\":7,\"id\":1}",
            "{\"method\":{},\"id\":1}",
            "{\"method\":null}",
            "{\"id\":\"x\",\"method\":\"a\",}",
            "{\"id\":\"\\ud800\",\"result\":",
            "{'id':1,'result':{}}",
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"signalwire.ping\"}",
            &deep,
            &deep_in_a_frame,
        ];
        for (sent, frame) in (1..).zip(frames) {
            sim.push_raw(frame);
            caught_up(&sim);
            assert_eq!(client.stats().frames_malformed, sent, "{frame:.60}");
        }
        sim.push_binary(b"\x00\x01");
        sim.push_binary(b"");
        caught_up(&sim);
        assert_eq!(client.stats().frames_malformed, frames.len() as u64 + 2);
        is_well(&sim, &client);
    });
}

#[test]
fn odd_frames_that_can_be_understood_are() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        for (frame, id, result) in [
            (r#" {"id":"a","method":"signalwire.ping"} "#, json!("a"), json!({})),
            (r#"{"jsonrpc":"1.0","id":"b","method":"signalwire.ping","params":null}"#, json!("b"), json!({})),
            ("\n{\"id\"\t:\r\"c\",\"method\":\"signalwire\\u002eping\"}\n", json!("c"), json!({})),
            (r#"{"method":"signalwire.ping","params":{"payload":1e999},"id":"d","x":[[]]}"#, json!("d"), json!(null)),
            (r#"{"id":"e","method":"x","method":"signalwire.ping"}"#, json!("e"), json!({})),
            (r#"{"id":"f","method":"signalwire.ping","result":{},"error":{}}"#, json!("f"), json!({})),
            (r#"{"id":"","method":"signalwire.ping"}"#, json!(""), json!({})),
            (r#"{"id":{"a":1},"method":"signalwire.ping"}"#, json!({"a": 1}), json!({})),
        ] {
            if result.is_null() {
                // The response repeats a number that the parser of this test cannot hold, so the test only checks that
                // it does no harm.
                continue;
            }
            sim.push_raw(frame);
            until(frame, || !answers_to(&sim, &id).is_empty());
            assert_eq!(answers_to(&sim, &id)[0].params(), &result, "{frame}");
        }
        assert_eq!(client.stats().frames_malformed, 0);
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn an_unknown_method_is_answered_and_one_without_id_is_not() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let before = sim.journal().entries().len();
        push(&sim, &json!({"jsonrpc": "2.0", "method": "signalwire.unheard_of", "params": {}}));
        push(&sim, &json!({"jsonrpc": "2.0", "id": null, "method": "signalwire.unheard_of", "params": {}}));
        push(&sim, &json!({"jsonrpc": "2.0", "id": 4711, "method": "signalwire.unheard_of", "params": {"a": 1}}));
        push(&sim, &json!({"jsonrpc": "2.0", "id": "x\u{fc}\"", "method": "\u{fc}\n".repeat(1000)}));
        caught_up(&sim);
        let journal = sim.journal();
        let said: Vec<String> = journal.entries()[before..]
            .iter()
            .filter(|entry| entry.kind() == FrameKind::Ack && entry.text().contains("error"))
            .map(FrameRecord::text)
            .collect();
        let refusal = |id: Value| {
            let error = json!({"code": -32601, "message": "Method not found"});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        let said: Vec<Value> = said.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(said, [refusal(json!(4711)), refusal(json!("x\u{fc}\""))]);
        is_well(&sim, &client);
    });
}

#[test]
fn unknown_events_and_fields_reach_the_program() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let call = answered_call(&sim, &client);
        let mut events = call.events();
        let params = json!({"call_id": call.id(), "node_id": "n", "new": {"deep": [1, null]}, "state": 7});
        sim.push_event("calling.call.of_the_future", params.clone());
        let event = events.next_within(LONG).unwrap();
        assert_eq!(event.name().to_string(), "calling.call.of_the_future");
        assert_eq!(event.raw().value(), params);
        // A known type with fields of a wrong type, and without any.
        sim.push_event("calling.call.play", json!({"call_id": call.id(), "control_id": 5, "state": {"x": 1}}));
        sim.push_event("calling.call.state", json!({"call_id": call.id(), "call_state": "of_the_future"}));
        sim.push_event("calling.call.state", json!({"call_id": call.id(), "call_state": 5}));
        sim.push_event("calling.call.state", json!({"call_id": call.id()}));
        for name in ["calling.call.play", "calling.call.state", "calling.call.state", "calling.call.state"] {
            assert_eq!(events.next_within(LONG).unwrap().name().to_string(), name);
        }
        assert_eq!(call.state().to_string(), "answered");
        // A response to no request.
        sim.push_event("something.else", json!({}));
        sim.push_event("calling.call.play", json!({"call_id": 5}));
        sim.push_event("messaging.state", json!({"message_id": null}));
        sim.push_event("calling.call.dial", json!({"tag": [], "dial_state": "answered", "call": 5}));
        sim.push_event("calling.call.receive", json!({"call_id": ""}));
        sim.push_event("calling.call.receive", json!({}));
        sim.push_event("messaging.receive", json!({}));
        caught_up(&sim);
        is_well(&sim, &client);
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
        // The client believed the service that the call had moved to another node.
        let violations = sim.take_violations();
        assert!(violations.len() == 1 && violations[0].contains("is not on node \"n\""), "{violations:?}");
    });
}

#[test]
fn an_event_is_acknowledged_under_the_id_that_it_came_with() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        // The ID is compared as text, because the same text must be sent back.
        for (number, id) in [
            "\"e-1\"",
            "1",
            "-1",
            "1.50",
            "123456789012345678901234567890",
            "\"\u{fc}\u{1f600}\"",
            "\"\\u00fc\"",
            "true",
            "[1]",
        ]
        .into_iter()
        .enumerate()
        {
            let before = sim.journal().entries().len();
            sim.push_raw(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"signalwire.event","params":{{"event_type":"some.event","params":{{"n":{number}}}}}}}"#
            ));
            caught_up(&sim);
            let journal = sim.journal();
            let wanted: Value = serde_json::from_str(id).unwrap();
            let acks = journal.entries()[before..].iter().filter(|entry| entry.kind() == FrameKind::Ack);
            let acks: Vec<&Value> = acks.map(FrameRecord::id).filter(|id| **id == wanted).collect();
            assert_eq!(acks, [&wanted]);
        }
        let acknowledged = |sim: &Simulator| {
            let journal = sim.journal();
            journal.entries().iter().filter(|entry| entry.kind() == FrameKind::Ack).count()
        };
        caught_up(&sim);
        let before = acknowledged(&sim);
        for id in ["", r#""id":null,"#] {
            sim.push_raw(&format!(
                r#"{{"jsonrpc":"2.0",{id}"method":"signalwire.event","params":{{"event_type":"some.event","params":{{}}}}}}"#
            ));
        }
        caught_up(&sim);
        assert_eq!(acknowledged(&sim), before + 1, "only the mark is answered");
        assert_eq!(client.stats().events_received, 1 + 9 + 2);
        is_well(&sim, &client);
    });
}

#[test]
fn a_repeat_is_acknowledged_and_dropped_and_another_event_under_its_id_is_not() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let call = answered_call(&sim, &client);
        let mut events = call.events();
        let handled = |name: &str, n: u64| event("same", name, json!({"call_id": call.id(), "n": n}));
        caught_up(&sim);
        let before = client.stats();
        for (name, n) in [("x.one", 1), ("x.one", 1), ("x.one", 2), ("x.two", 1), ("x.one", 1), ("x.two", 1)] {
            push(&sim, &handled(name, n));
        }
        caught_up(&sim);
        assert_eq!(answers_to(&sim, &json!("same")).len(), 6);
        let seen: Vec<(String, u64)> = (0..3)
            .map(|_| events.next_within(LONG).unwrap())
            .map(|event| (event.name().to_string(), event.raw().value()["n"].as_u64().unwrap()))
            .collect();
        assert_eq!(seen, [("x.one".into(), 1), ("x.one".into(), 2), ("x.two".into(), 1)]);
        assert!(events.next_within(std::time::Duration::ZERO).is_none());
        let after = client.stats();
        assert_eq!(after.events_received - before.events_received, 6);
        assert_eq!(after.events_repeated - before.events_repeated, 3);
        // Without an id nothing is a repeat.
        let mut nameless = handled("x.three", 1);
        nameless.as_object_mut().unwrap().remove("id");
        push(&sim, &nameless);
        push(&sim, &nameless);
        assert!(events.next_within(LONG).is_some() && events.next_within(LONG).is_some());
        is_well(&sim, &client);
    });
}

#[test]
fn events_without_a_type_or_a_payload_are_acknowledged() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        caught_up(&sim);
        let envelope = |id: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": params});
        let frames = [
            (envelope("a", json!({"event_type": "", "params": {}})), 1),
            (envelope("b", json!({"params": {}})), 1),
            (envelope("c", json!({"event_type": 5, "params": {}})), 1),
            (envelope("d", json!({"event_type": null})), 1),
            (envelope("e", json!({})), 1),
            (envelope("f", json!([])), 1),
            (envelope("g", json!("text")), 1),
            (envelope("h", json!(null)), 1),
            (json!({"jsonrpc": "2.0", "id": "i", "method": "signalwire.event"}), 1),
            // A type and no payload is an event all the same, but an offer of no call is none.
            (envelope("j", json!({"event_type": "some.event"})), 0),
            (envelope("k", json!({"event_type": "some.event", "params": null})), 0),
            (envelope("l", json!({"event_type": "some.event", "params": [1]})), 0),
            (envelope("m", json!({"event_type": "calling.call.state", "params": "text"})), 0),
            (envelope("n", json!({"event_type": "calling.call.receive", "params": [{}]})), 1),
            (envelope("o", json!({"event_type": "messaging.receive", "params": 5})), 0),
            (envelope("p", json!({"event_type": "signalwire.authorization.state", "params": []})), 0),
            (envelope("q", json!({"event_type": "calling.call.dial", "params": null, "timestamp": "soon"})), 0),
        ];
        let mut malformed = 0;
        for (frame, counts) in frames {
            push(&sim, &frame);
            caught_up(&sim);
            malformed += counts;
            assert_eq!(answers_to(&sim, &frame["id"]).len(), 1, "{frame}");
            assert_eq!(client.stats().frames_malformed, malformed, "{frame}");
        }
        is_well(&sim, &client);
    });
}

#[test]
fn a_frame_that_is_large_is_taken_and_one_that_is_too_large_costs_the_connection() {
    watched(|| {
        let sim = Simulator::builder().speed(50.0).pings_every(LONG).start().unwrap();
        // Nine mebibytes may take long on a busy machine, and no ping is to end the connection meanwhile.
        let client = builder(&sim).tuning(|t| t.ping_after(LONG).ping_timeout(LONG)).connect().unwrap();
        let mut states = client.states();
        assert!(!online(&mut states));
        let call = answered_call(&sim, &client);
        let mut events = call.events();
        let sized = |id: &str, bytes: usize| {
            event(id, "x.large", json!({"call_id": call.id(), "text": "x".repeat(bytes)})).to_string()
        };
        sim.push_raw(&sized("nine", 9 << 20));
        assert_eq!(events.next_within(LONG).unwrap().raw().value()["text"].as_str().unwrap().len(), 9 << 20);
        until("the acknowledgement", || answers_to(&sim, &json!("nine")).len() == 1);
        assert_eq!((sim.connections_ever(), client.stats().frames_malformed), (1, 0));
        sim.push_raw(&sized("eleven", 11 << 20));
        let state = next_state(&mut states, "Reconnecting", |state| matches!(state, LinkState::Reconnecting { .. }));
        assert!(format!("{state:?}").contains("large"), "{state:?}");
        assert!(online(&mut states), "the session goes on");
        assert_eq!(client.stats().frames_malformed, 1);
        assert!(answers_to(&sim, &json!("eleven")).is_empty());
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
    });
}

#[test]
fn the_largest_frame_is_a_setting() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.max_frame(100_000)).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.push_raw(&event("a", "x", json!({"text": "x".repeat(90_000)})).to_string());
        caught_up(&sim);
        assert_eq!(sim.connections_ever(), 1);
        sim.push_raw(&event("b", "x", json!({"text": "x".repeat(100_000)})).to_string());
        assert!(
            next_state(&mut states, "Online again", |state| matches!(state, LinkState::Online { resumed: true }))
                .is_online()
        );
    });
}

// Replies.

/// Lets the test respond to one request; `body` is the rest of the frame after the ID.
fn answered_with(sim: &Simulator, client: &Client, body: &str) -> Result<Reply, Error> {
    let asking = {
        let client = client.clone();
        thread::spawn(move || client.execute("signalwire.receive", json!({"contexts": ["more"]})))
    };
    let asked = sim.wait_for_request("signalwire.receive", LONG).unwrap();
    sim.push_raw(&format!(r#"{{"jsonrpc":"2.0","id":{},{body}}}"#, asked.id()));
    asking.join().unwrap()
}

#[test]
fn responses_are_judged_by_their_code() {
    watched(|| {
        let sim = sim();
        sim.never_answer("signalwire.receive");
        let client = builder(&sim).connect().unwrap();
        for (body, reply) in [
            (r#""result":{"code":"200","message":"fine"}"#, json!({"code": "200", "message": "fine"})),
            (r#""result":{"code":200}"#, json!({"code": 200})),
            (r#""result":{"code":201}"#, json!({"code": 201})),
            (r#""result":{"code":"299"}"#, json!({"code": "299"})),
            (r#""result":{}"#, json!({})),
            (r#""result":{"code":null}"#, json!({"code": null})),
            (r#""result":{"message":"no code"}"#, json!({"message": "no code"})),
            (r#""result":null"#, json!({"raw": null})),
            (r#""result":[1]"#, json!({"raw": [1]})),
            (r#""result":"text""#, json!({"raw": "text"})),
            (r#""error":null,"result":{"a":1}"#, json!({"a": 1})),
            (r#""result":{"result":{"code":"200"}}"#, json!({"result": {"code": "200"}})),
        ] {
            let outcome = answered_with(&sim, &client, body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(outcome.value(), reply, "{body}");
        }
        for (body, code, message) in [
            (r#""result":{"code":"400","message":"bad parameter"}"#, Some(400), "bad parameter"),
            (r#""result":{"code":404,"message":"unknown"}"#, Some(404), "unknown"),
            (r#""result":{"code":"20"}"#, Some(20), "Unknown error"),
            (r#""result":{"code":"2000","message":5}"#, Some(2000), "5"),
            (r#""result":{"code":" 200"}"#, Some(200), "Unknown error"),
            (r#""result":{"code":"OK"}"#, None, "Unknown error"),
            (r#""result":{"code":true}"#, None, "Unknown error"),
            (r#""result":{"code":{}}"#, None, "Unknown error"),
            (r#""result":{"code":""}"#, None, "Unknown error"),
            (r#""result":{"result":{"code":"402","message":"pay"}}"#, Some(402), "pay"),
            (r#""error":{"code":-32602,"message":"Invalid params"}"#, Some(-32602), "Invalid params"),
            (r#""error":{"code":"-32602","message":"Invalid params"}"#, Some(-32602), "Invalid params"),
            (r#""error":{"code":"many","message":"m"}"#, None, "m"),
            (r#""error":{"code":1e999,"message":"m"}"#, None, "m"),
            (r#""error":{"message":"m","data":{"x":1}}"#, None, "m"),
            (r#""error":{}"#, None, "Unknown error"),
            (r#""error":"out of order""#, None, "out of order"),
            (r#""error":[1]"#, None, "[1]"),
            (r#""error":{"code":1,"message":"m"},"result":{}"#, Some(1), "m"),
        ] {
            let error = match answered_with(&sim, &client, body) {
                Ok(reply) => panic!("{body} was taken as {reply:?}"),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::Rejected, "{body}: {error}");
            assert_eq!((error.code(), error.server_message()), (code, Some(message)), "{body}");
            assert_eq!(error.method(), Some("signalwire.receive"));
            assert!(!error.may_have_been_sent());
        }
        for code in [-32004, -32005, 429, 503] {
            let error = answered_with(&sim, &client, &format!(r#""error":{{"code":{code}}}"#)).unwrap_err();
            assert!(error.is_retryable(), "{error}");
        }
        is_well(&sim, &client);
    });
}

#[test]
fn the_details_of_a_refusal_can_be_read_and_hide_the_credentials() {
    watched(|| {
        let sim = sim();
        sim.never_answer("signalwire.receive");
        let client = builder(&sim).project("a-project-of-some-length").connect().unwrap();
        for (body, details) in [
            (
                r#""error":{"code":-32602,"message":"Invalid params","data":{"errors":[{"field":"to"}]}}"#,
                Some(json!({"data": {"errors": [{"field": "to"}]}})),
            ),
            (
                r#""result":{"code":"422","message":"no","errors":[{"message":"not a-project-of-some-length"}]}"#,
                Some(json!({"errors": [{"message": "not <secret>"}]})),
            ),
            (r#""error":{"message":"m","data":5}"#, Some(json!({"data": 5}))),
            (r#""error":{"code":1,"message":"m"}"#, None),
            (r#""error":"out of order""#, None),
        ] {
            let error = answered_with(&sim, &client, body).unwrap_err();
            assert_eq!(error.details(), details.as_ref(), "{body}");
            // They are for the program to look at, and in no log.
            assert!(!format!("{error:?} {error}").contains("errors"), "{error:?}");
        }
        is_well(&sim, &client);
    });
}

#[test]
fn responses_to_no_request_and_second_responses_do_no_harm() {
    watched(|| {
        let sim = sim();
        sim.never_answer("signalwire.receive");
        let client = builder(&sim).connect().unwrap();
        for id in ["1", "\"\"", "\"x\"", "{}", "\"00000000-0000-4000-8000-000000000000\""] {
            sim.push_raw(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"code":"200"}}}}"#));
        }
        let asking = {
            let client = client.clone();
            thread::spawn(move || client.execute("signalwire.receive", json!({"contexts": ["more"]})))
        };
        let asked = sim.wait_for_request("signalwire.receive", LONG).unwrap();
        let id = asked.id();
        // The service may use the same ID for a request of its own, which is no response.
        push(&sim, &json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.ping", "params": {}}));
        caught_up(&sim);
        assert_eq!(client.stats().pending_requests, 1);
        push(&sim, &json!({"jsonrpc": "2.0", "id": id, "result": {"code": "200", "first": true}}));
        push(&sim, &json!({"jsonrpc": "2.0", "id": id, "result": {"code": "500", "first": false}}));
        push(&sim, &json!({"jsonrpc": "2.0", "id": id, "error": {"code": 1}}));
        assert_eq!(asking.join().unwrap().unwrap().get("first"), Some(json!(true)));
        caught_up(&sim);
        assert_eq!(client.stats().frames_malformed, 0);
        is_well(&sim, &client);
    });
}

#[test]
fn refusals_of_the_simulator_come_as_set() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        sim.refuse_next("signalwire.receive", -32603, "broken");
        sim.refuse_next("signalwire.receive", 500, "broken too");
        for (code, message) in [(-32603, "broken"), (500, "broken too")] {
            let error = client.receive(["more"]).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)));
            assert_eq!(error.server_message(), Some(message));
        }
        client.receive(["more"]).unwrap();
        is_well(&sim, &client);
    });
}
