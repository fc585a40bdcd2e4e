//! The meaning of rejections, and of legs, offers and reasons at unexpected moments: no request with an effect outside
//! of its call is taken for undone, and no phone is left ringing.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::devices::{Devices, Phone};
use signalwire_relay::params::{JoinConference, Pay, Transfer};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{
    Builder, Call, CallState, Client, Dial, Dialing, EndReason, Error, ErrorKind, Result, phone, sip, sms, tts,
};

use crate::support::{
    LONG, answer_by_hand, answered, builder, client, count, fence, offered, push_envelope, refusal, sent, sim, until,
    watched,
};

const BOB: &str = "+15552222222";
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any test.
const HOURS: Duration = Duration::from_secs(7200);

/// Codes of a service, or of a proxy before it, that may have failed after the request took effect.
const TROUBLE: [i64; 9] = [-32000, -32603, -32700, 408, 500, 502, 503, 504, 599];
/// Codes that are a verdict on the request itself, except those for a call that has ended.
const VERDICTS: [i64; 16] =
    [400, 401, 402, 403, 405, 409, 422, 429, -32001, -32002, -32003, -32004, -32005, -32600, -32601, -32602];

fn bob() -> Phone {
    phone(BOB).from("+15551111111")
}

/// A dial whose request the simulator does not answer by itself.
fn by_hand(sim: &Simulator, client: &Client, tag: &str) -> Dialing {
    sim.never_answer("calling.dial");
    client.start_dial(Dial::new(bob()).tag(tag).limit(HOURS)).unwrap()
}

fn leg(tag: &str, call_id: &str, state: &str) -> Value {
    json!({"node_id": "n-7", "call_id": call_id, "tag": tag, "call_state": state, "direction": "outbound"})
}

fn push_leg(sim: &Simulator, tag: &str, call_id: &str, state: &str) {
    sim.push_event("calling.call.state", leg(tag, call_id, state));
}

fn push_end(sim: &Simulator, tag: &str, call_id: &str, reason: &str) {
    let mut leg = leg(tag, call_id, "ended");
    leg["end_reason"] = reason.into();
    sim.push_event("calling.call.state", leg);
}

fn push_winner(sim: &Simulator, tag: &str, call_id: &str) {
    let call = json!({"call_id": call_id, "node_id": "n-7", "tag": tag, "dial_winner": "true"});
    let event = json!({"node_id": "n-7", "tag": tag, "dial_state": "answered", "call": call});
    sim.push_event("calling.call.dial", event);
}

fn push_failure(sim: &Simulator, tag: &str) {
    sim.push_event("calling.call.dial", json!({"node_id": "n-7", "tag": tag, "dial_state": "failed"}));
}

/// The calls that the client has had ended, in order.
fn ended(sim: &Simulator) -> Vec<String> {
    let requests = sim.journal().requests("calling.end");
    requests.iter().map(|request| request.params()["call_id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Fails unless a request was rejected by a service in trouble, so that its outcome is unknown.
fn assert_open(error: &Error, method: &str, code: i64) {
    let what = format!("{method} with {code}: {error:?}");
    assert_eq!((error.kind(), error.code()), (ErrorKind::OutcomeUnknown, Some(code)), "{what}");
    assert_eq!((error.method(), error.server_message()), (Some(method), Some("Service Timeout")), "{what}");
    assert!(error.may_have_been_sent() && !error.is_retryable() && !error.is_timeout(), "{what}");
    let text = error.to_string();
    assert!(text.contains("Service Timeout") && text.contains(&code.to_string()), "{what}");
    assert!(text.contains("not repeated"), "{what}");
}

// Refusals.

#[test]
fn a_dial_that_a_service_in_trouble_refuses_is_given_up_and_its_late_leg_is_ended() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, code) in TROUBLE.into_iter().enumerate() {
            for (form, as_error) in [("result", false), ("error", true)] {
                let (tag, call_id) = (format!("tag-{n}-{form}"), format!("leg-{n}-{form}"));
                let before = (ended(&sim).len(), client.stats().dials_given_up, count(&sim, "calling.dial"));
                let dialing = by_hand(&sim, &client, &tag);
                let refusal_of_it = json!({"code": code, "message": "Service Timeout"});
                let body = if as_error { json!({"error": refusal_of_it}) } else { json!({"result": refusal_of_it}) };
                answer_by_hand(&sim, "calling.dial", body);
                let error = refusal(dialing.wait(LONG));
                assert_open(&error, "calling.dial", code);
                // The phone rings all the same, and is answered.
                for state in ["created", "ringing", "answered"] {
                    push_leg(&sim, &tag, &call_id, state);
                }
                push_winner(&sim, &tag, &call_id);
                fence(&client);
                fence(&client);
                assert_eq!(ended(&sim)[before.0..], [call_id]);
                // No other dial can have its tag while a leg of it may arrive.
                let again = client.start_dial(Dial::new(bob()).tag(tag.as_str()));
                assert_eq!(refusal(again.map(drop)).kind(), ErrorKind::Config);
                assert_eq!(count(&sim, "calling.dial"), before.2 + 1);
                assert_eq!((client.stats().dials_given_up, client.stats().dials), (before.1 + 1, 0));
            }
        }
        assert_eq!(client.stats().calls, 0);
    });
}

#[test]
fn a_dial_that_was_refused_for_good_has_a_leg_ended_that_rings_all_the_same() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, code) in VERDICTS.into_iter().chain([404, 410]).enumerate() {
            let (tag, call_id) = (format!("tag-{n}"), format!("leg-{n}"));
            let dialing = by_hand(&sim, &client, &tag);
            answer_by_hand(&sim, "calling.dial", json!({"error": {"code": code, "message": "no"}}));
            let error = refusal(dialing.wait(LONG));
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)));
            assert!(!error.may_have_been_sent());
            assert_eq!(error.is_retryable(), [429, -32004, -32005].contains(&code), "{code}");
            for state in ["created", "ringing", "answered"] {
                push_leg(&sim, &tag, &call_id, state);
            }
            push_winner(&sim, &tag, &call_id);
            fence(&client);
            fence(&client);
            assert_eq!(ended(&sim).len(), n + 1, "{code}");
            assert_eq!(ended(&sim).last(), Some(&call_id), "{code}");
            assert_eq!((client.stats().calls, client.stats().dials), (0, 0), "{code}");
        }
    });
}

#[test]
fn a_dial_that_was_refused_may_be_repeated_under_its_tag() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let first = by_hand(&sim, &client, "same");
        answer_by_hand(&sim, "calling.dial", json!({"error": {"code": -32005, "message": "Over capacity"}}));
        assert!(refusal(first.wait(LONG)).is_retryable());
        let second = by_hand(&sim, &client, "same");
        push_leg(&sim, "same", "leg", "ringing");
        push_winner(&sim, "same", "leg");
        let call = second.wait(LONG).unwrap();
        drop(first);
        fence(&client);
        assert_eq!((call.id(), call.state(), ended(&sim)), ("leg", CallState::Answered, vec![]));
    });
}

type Verb = fn(&Client, &Call) -> Result<()>;

/// The methods whose effect reaches beyond their call.
fn outside() -> Vec<(&'static str, Verb)> {
    vec![
        ("messaging.send", |client, _| client.send_message(sms(BOB).from("+15551111111").body("x")).map(drop)),
        ("calling.connect", |_, call| call.connect(bob()).map(drop)),
        ("calling.pay", |_, call| call.pay(Pay::new("https://pay.example.com")).map(drop)),
        ("calling.transfer", |_, call| call.transfer(Transfer::to_context("default"))),
        ("calling.refer", |_, call| call.refer(sip("sip:desk@pbx.example")).map(drop)),
        ("calling.join_conference", |_, call| call.join_conference(JoinConference::new("room")).map(drop)),
        ("calling.leave_conference", |_, call| call.leave_conference("conference-1")),
        ("calling.queue.enter", |_, call| call.queue_enter("support").map(drop)),
        ("calling.queue.leave", |_, call| call.queue_leave("support")),
        ("calling.connect", |_, call| call.execute("calling.connect", json!({"devices": [[]]})).map(drop)),
        ("calling.dial", |client, _| client.execute("calling.dial", json!({"tag": "t", "devices": [[]]})).map(drop)),
        ("calling.transfer", |client, call| {
            client.execute("calling.transfer", json!({"call_id": call.id(), "dest": "context:x"})).map(drop)
        }),
    ]
}

#[test]
fn what_acts_outside_of_its_call_has_an_unknown_outcome_when_the_service_is_in_trouble() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        for (method, ask) in outside() {
            for code in TROUBLE {
                let before = count(&sim, method);
                sim.refuse_next(method, code, "Service Timeout");
                assert_open(&refusal(ask(&client, &call)), method, code);
                assert_eq!(count(&sim, method), before + 1, "{method} is not sent again");
            }
            for code in VERDICTS {
                sim.refuse_next(method, code, "no");
                let error = refusal(ask(&client, &call));
                assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)), "{method}");
                assert!(!error.may_have_been_sent(), "{method}");
                assert_eq!(error.is_retryable(), [429, -32004, -32005].contains(&code), "{method} with {code}");
            }
        }
        let stats = client.stats();
        assert_eq!((call.end(), stats.calls, stats.messages, stats.pending_requests), (None, 1, 0, 0));
    });
}

#[test]
fn what_acts_on_its_call_alone_is_refused_whatever_the_code_is() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let inside: [(&str, Verb); 4] = [
            ("calling.play", |_, call| call.play(tts("x")).map(drop)),
            ("calling.hold", |_, call| call.hold().map(drop)),
            ("calling.send_digits", |_, call| call.send_digits("1").map(drop)),
            ("signalwire.receive", |client, _| client.receive(["more"])),
        ];
        for (method, ask) in inside {
            for code in TROUBLE.into_iter().chain(VERDICTS) {
                sim.refuse_next(method, code, "no");
                let error = refusal(ask(&client, &call));
                assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)), "{method}");
                assert!(!error.may_have_been_sent(), "{method}");
                assert_eq!(error.is_retryable(), [429, 503, -32004, -32005].contains(&code), "{method} with {code}");
            }
        }
    });
}

#[test]
fn a_code_that_is_none_proves_nothing_about_a_text_message() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.never_answer("messaging.send");
        for body in [
            json!({"error": "out of order"}),
            json!({"error": {"message": "out of order"}}),
            json!({"result": {"code": "oops", "message": "out of order"}}),
        ] {
            let same = client.clone();
            let sending = thread::spawn(move || same.send_message(sms(BOB).from("+15551111111").body("x")).map(drop));
            answer_by_hand(&sim, "messaging.send", body.clone());
            let error = refusal(sending.join().unwrap());
            assert!(error.kind() == ErrorKind::OutcomeUnknown && error.may_have_been_sent(), "{body}: {error:?}");
            assert_eq!(error.server_message(), Some("out of order"), "{body}");
        }
        assert_eq!((count(&sim, "messaging.send"), client.stats().messages), (3, 0));
    });
}

#[test]
fn a_stay_that_may_have_begun_is_left_under_its_own_id() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.refuse_next("calling.queue.enter", 504, "Service Timeout");
        assert!(refusal(call.queue_enter("support")).may_have_been_sent());
        sim.refuse_next("calling.queue.leave", 404, "not in the queue");
        call.queue_leave("support").unwrap();
        let id = |method: &str| sent(&sim, method)["control_id"].clone();
        assert_eq!(id("calling.queue.enter"), id("calling.queue.leave"));
    });
}

#[test]
fn a_call_whose_transfer_may_have_begun_is_offered_again() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        sim.refuse_next("calling.transfer", -32000, "Service Timeout");
        assert!(refusal(call.transfer(Transfer::to_context("default"))).may_have_been_sent());
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        push_offer(&sim, call.id(), "answered", 2.0);
        let anew = client.next_call(LONG).unwrap();
        assert_eq!((anew.id(), anew.state()), (call.id(), CallState::Answered));
    });
}

#[test]
fn a_hang_up_of_a_leg_that_a_service_in_trouble_refuses_is_repeated() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().start().unwrap();
        let client = Client::builder().simulator(&sim).connect().unwrap();
        sim.callee(BOB).does_not_answer();
        for code in [-32000, 500, 503, 429] {
            let before = count(&sim, "calling.end");
            let dialing = client.start_dial(Dial::new(bob().timeout(HOURS))).unwrap();
            sim.advance(SECOND);
            assert_eq!(sim.calls().len(), 1);
            for _ in 0..3 {
                sim.refuse_next("calling.end", code, "not now");
            }
            dialing.cancel();
            sim.advance(SECOND / 2);
            assert_eq!((count(&sim, "calling.end") - before, sim.calls().len()), (1, 1), "{code}");
            // After one, two and four seconds.
            sim.advance(8 * SECOND);
            assert_eq!((count(&sim, "calling.end") - before, sim.calls().len()), (4, 0), "{code}");
        }
        // A request that is rejected permanently is not repeated.
        let before = count(&sim, "calling.end");
        let dialing = client.start_dial(Dial::new(bob().timeout(HOURS))).unwrap();
        sim.advance(SECOND);
        sim.refuse_next("calling.end", 403, "never");
        drop(dialing);
        sim.advance(400 * SECOND);
        assert_eq!((count(&sim, "calling.end") - before, sim.calls().len()), (1, 1));
        assert_eq!(client.stats().pending_requests, 0);
    });
}

// Legs.

#[test]
fn a_second_answered_leg_of_a_dial_is_ended_and_the_winner_stays() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        type Way = fn(&Simulator, &str, &str, &str);
        let ways: [(&str, Way); 5] = [
            ("both answered before the dial did", |sim, tag, winner, second| {
                push_leg(sim, tag, winner, "answered");
                push_leg(sim, tag, second, "answered");
                push_winner(sim, tag, winner);
            }),
            ("the second was ringing when the dial was won", |sim, tag, winner, second| {
                push_leg(sim, tag, winner, "ringing");
                push_leg(sim, tag, second, "ringing");
                push_winner(sim, tag, winner);
                push_leg(sim, tag, second, "answered");
            }),
            ("the second was heard of afterwards", |sim, tag, winner, second| {
                push_winner(sim, tag, winner);
                push_leg(sim, tag, second, "answered");
            }),
            ("a second dial event names it", |sim, tag, winner, second| {
                push_winner(sim, tag, winner);
                push_winner(sim, tag, second);
            }),
            ("a second dial event names one that is known", |sim, tag, winner, second| {
                push_leg(sim, tag, second, "ringing");
                push_winner(sim, tag, winner);
                push_winner(sim, tag, second);
            }),
        ];
        for (n, (what, way)) in ways.into_iter().enumerate() {
            let [tag, winner, second] = ["tag", "winner", "second"].map(|name| format!("{name}-{n}"));
            let dialing = by_hand(&sim, &client, &tag);
            way(&sim, &tag, &winner, &second);
            let call = dialing.wait(LONG).unwrap();
            // A repeated event ends nothing twice.
            push_leg(&sim, &tag, &second, "answered");
            push_leg(&sim, &tag, &winner, "answered");
            push_winner(&sim, &tag, &winner);
            fence(&client);
            fence(&client);
            assert_eq!(ended(&sim).len(), n + 1, "{what}");
            assert_eq!(ended(&sim)[n], second, "{what}");
            assert_eq!((call.id(), call.state(), call.end()), (&*winner, CallState::Answered, None), "{what}");
            push_end(&sim, &tag, &second, "cancel");
            push_end(&sim, &tag, &winner, "hangup");
            call.wait_for_ended(LONG).unwrap();
            until("nothing is left", || client.stats().calls == 0);
        }
    });
}

#[test]
fn a_loser_that_was_dropped_and_answers_all_the_same_is_ended() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.losing_leg_timeout(Duration::from_secs(1))).connect().unwrap();
        let dialing = by_hand(&sim, &client, "t");
        push_leg(&sim, "t", "loser", "ringing");
        push_winner(&sim, "t", "winner");
        let call = dialing.wait(LONG).unwrap();
        until("the loser is dropped", || client.stats().calls == 1);
        push_leg(&sim, "t", "loser", "answered");
        push_leg(&sim, "t", "winner", "answered");
        fence(&client);
        fence(&client);
        assert_eq!((ended(&sim), call.state()), (vec!["loser".to_owned()], CallState::Answered));
    });
}

#[test]
fn a_leg_that_answers_after_its_dial_has_failed_is_ended_and_one_that_rings_is_left_to_the_service() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_leg(&sim, "t", "one", "ringing");
        push_leg(&sim, "t", "two", "answered");
        push_leg(&sim, "t", "three", "ringing");
        push_failure(&sim, "t");
        assert_eq!(refusal(dialing.wait(LONG)).kind(), ErrorKind::DialFailed);
        push_leg(&sim, "t", "one", "answered");
        push_leg(&sim, "t", "four", "ringing");
        push_leg(&sim, "t", "five", "answered");
        fence(&client);
        fence(&client);
        assert_eq!(ended(&sim), ["two", "one", "five"]);
    });
}

#[test]
fn a_call_that_was_connected_under_the_tag_of_a_dial_is_no_leg_of_it() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_winner(&sim, "t", "winner");
        let call = dialing.wait(LONG).unwrap();
        for (id, of) in [("peer", "parent"), ("other peer", "peer")] {
            let mut connected = leg("t", id, "answered");
            connected[of] = json!({"call_id": call.id(), "node_id": "n-7"});
            sim.push_event("calling.call.state", connected);
        }
        fence(&client);
        fence(&client);
        assert_eq!((ended(&sim), call.state()), (vec![], CallState::Answered));
    });
}

#[test]
fn a_leg_that_has_ended_cannot_win() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, states) in
            [&["created", "answered", "ended"][..], &["ringing", "ended"], &["ended"]].into_iter().enumerate()
        {
            let (tag, id) = (format!("tag-{n}"), format!("leg-{n}"));
            let dialing = by_hand(&sim, &client, &tag);
            for state in states {
                match *state {
                    "ended" => push_end(&sim, &tag, &id, "hangup"),
                    state => push_leg(&sim, &tag, &id, state),
                }
            }
            let other = format!("other-{n}");
            push_leg(&sim, &tag, &other, "ringing");
            push_winner(&sim, &tag, &id);
            let error = refusal(dialing.wait(LONG));
            assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::DialFailed, false), "{states:?}");
            assert!(error.to_string().ends_with("has ended: hung up"), "{error}");
            push_end(&sim, &tag, &other, "cancel");
            until("nothing is left", || client.stats().calls == 0 && client.stats().dials == 0);
        }
        assert_eq!(ended(&sim), [""; 0]);
    });
}

#[test]
fn the_end_of_an_answered_call_is_no_failure_of_its_dial() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_leg(&sim, "t", "leg", "answered");
        push_winner(&sim, "t", "leg");
        push_end(&sim, "t", "leg", "hangup");
        fence(&client);
        let call = dialing.wait(LONG).unwrap();
        assert_eq!(call.wait_for_ended(None).unwrap().reason, Some(EndReason::Hangup));
        assert_eq!((client.stats().calls, ended(&sim)), (0, vec![]));
    });
}

#[test]
fn a_dial_that_fails_without_a_reason_has_that_of_its_last_leg() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, (reasons, text)) in [
            (&["busy"][..], "busy"),
            (&["decline", "busy"], "busy"),
            (&["busy", "cancel"], "busy"),
            (&["cancel"], "cancelled"),
            (&["something new"], "something new"),
            (&[""], "it was not answered, and the service did not report why"),
            (&[], "it was not answered, and the service did not report why"),
        ]
        .into_iter()
        .enumerate()
        {
            let tag = format!("tag-{n}");
            let dialing = by_hand(&sim, &client, &tag);
            for (leg, reason) in reasons.iter().enumerate() {
                push_leg(&sim, &tag, &format!("leg-{n}-{leg}"), "created");
                push_end(&sim, &tag, &format!("leg-{n}-{leg}"), reason);
            }
            push_failure(&sim, &tag);
            let error = refusal(dialing.wait(LONG));
            assert_eq!(error.kind(), ErrorKind::DialFailed);
            assert_eq!(error.to_string(), format!("dial {BOB}: {text}"));
        }
        // The service's reason for the dial itself counts more.
        let dialing = by_hand(&sim, &client, "t");
        push_end(&sim, "t", "leg", "busy");
        let failed = json!({"node_id": "n-7", "tag": "t", "dial_state": "failed", "reason": "noAnswer"});
        sim.push_event("calling.call.dial", failed);
        let error = refusal(dialing.wait(LONG));
        assert_eq!(
            (error.end_reason(), error.to_string()),
            (Some(EndReason::NoAnswer), format!("dial {BOB}: no answer"))
        );
    });
}

#[test]
fn a_dial_lasts_as_long_as_its_ringing_time() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().start().unwrap();
        let client = Client::builder().simulator(&sim).connect().unwrap();
        let number = |n: usize| format!("+1555222000{n}");
        let device = |n: usize| phone(number(n)).from("+15551111111").timeout(30 * SECOND);
        for n in 0..4 {
            sim.callee(number(n)).does_not_answer();
        }
        sim.callee(number(4)).answers_after(25 * SECOND);
        let before = sim.elapsed();
        let call = client.dial(Devices::in_order((0..5).map(device))).unwrap();
        assert_eq!(call.to_number(), number(4));
        assert!(sim.elapsed() - before > 140 * SECOND, "{:?}", sim.elapsed() - before);

        sim.callee(BOB).answers_after(170 * SECOND);
        assert_eq!(client.dial(bob().timeout(180 * SECOND)).unwrap().to_number(), BOB);
        assert_eq!(client.dial(Dial::new(bob()).ring_timeout(180 * SECOND)).unwrap().to_number(), BOB);

        // A limit that the program has set counts.
        let error = refusal(client.dial(Dial::new(bob().timeout(180 * SECOND)).limit(60 * SECOND)));
        assert!(error.kind() == ErrorKind::DialFailed && error.is_timeout(), "{error}");
    });
}

// Places.

#[test]
fn legs_of_a_dial_that_has_ended_do_not_count_as_calls() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).max_active_calls(3).tuning(|t| t.losing_leg_timeout(HOURS)).connect().unwrap();
        let dialing = by_hand(&sim, &client, "won");
        for leg in ["winner", "loser", "another"] {
            push_leg(&sim, "won", leg, "ringing");
        }
        push_winner(&sim, "won", "winner");
        let winner = dialing.wait(LONG).unwrap();
        let given_up = by_hand(&sim, &client, "given up");
        push_leg(&sim, "given up", "cancelled", "ringing");
        until("it rings", || given_up.legs().len() == 1);
        drop(given_up);
        let failed = by_hand(&sim, &client, "failed");
        push_leg(&sim, "failed", "failing", "ringing");
        push_failure(&sim, "failed");
        assert_eq!(refusal(failed.wait(LONG)).kind(), ErrorKind::DialFailed);
        // Five legs, of which one is a call that lives: there is room for two more.
        assert_eq!(client.stats().calls, 5);
        let (_one, first) = offered(&sim, &client);
        let (_two, second) = offered(&sim, &client);
        let third = sim.caller("+15551230003").dials();
        third.wait_ended(LONG).unwrap();
        assert!(third.was_passed() && client.stats().calls_passed == 1);
        // When one of the legs ends, that makes no more room; when a call does, it makes room for one.
        push_end(&sim, "won", "loser", "cancel");
        fence(&client);
        let fourth = sim.caller("+15551230004").dials();
        fourth.wait_ended(LONG).unwrap();
        assert!(fourth.was_passed());
        push_end(&sim, "won", "winner", "hangup");
        winner.wait_for_ended(LONG).unwrap();
        let (_five, fifth) = offered(&sim, &client);
        assert_eq!(client.stats().calls_passed, 2);
        drop((first, second, fifth));
    });
}

// Offers.

fn offer_of(call_id: &str, state: &str, timestamp: f64) -> Value {
    let params = json!({"node_id": "n-7", "call_id": call_id, "call_state": state, "direction": "inbound",
        "context": "default", "device": {"type": "phone", "params": {"from_number": "+15551230000", "to_number": BOB}}});
    json!({"event_type": "calling.call.receive", "timestamp": timestamp, "params": params})
}

/// An offer under an id of its own, of this moment.
fn push_offer(sim: &Simulator, call_id: &str, state: &str, timestamp: f64) {
    let id = format!("offer of {call_id} at {timestamp}");
    push_envelope(sim, Some(id.into()), offer_of(call_id, state, timestamp));
}

/// A client with short timeouts for unclaimed calls.
fn impatient(sim: &Simulator) -> Builder {
    builder(sim).tuning(|t| t.claim_timeout(Duration::from_secs(1)))
}

#[test]
fn a_call_that_was_passed_back_and_is_offered_anew_is_handed_out() {
    watched(|| {
        type Way = fn(&Simulator) -> Client;
        let ways: [(&str, Way); 5] = [
            ("by the program", |sim| {
                let client = client(sim);
                push_offer(sim, "call", "created", 1.0);
                client.next_call(LONG).unwrap().pass().unwrap();
                client
            }),
            ("by dropping it", |sim| {
                let client = client(sim);
                push_offer(sim, "call", "created", 1.0);
                drop(client.next_call(LONG).unwrap());
                client
            }),
            ("unclaimed", |sim| {
                let client = impatient(sim).connect().unwrap();
                push_offer(sim, "call", "created", 1.0);
                client
            }),
            ("by a handler that failed", |sim| {
                let client = client(sim);
                client.on_call(|_| Err("no".into()));
                push_offer(sim, "call", "created", 1.0);
                client
            }),
            ("as one too many", |sim| {
                let client = builder(sim).max_active_calls(1).connect().unwrap();
                push_offer(sim, "other", "created", 1.0);
                let other = client.next_call(LONG).unwrap();
                push_offer(sim, "call", "created", 1.0);
                until("it is too many", || client.stats().calls_passed == 1);
                other.hangup().unwrap();
                client
            }),
        ];
        for (way, make) in ways {
            let sim = sim();
            let client = make(&sim);
            let passed = sim.wait_for_request("calling.pass", LONG).unwrap();
            assert_eq!(passed.params()["call_id"], "call", "{way}");
            until("it is passed back", || client.stats().calls == 0);
            // An exact repeat is no new offer, under its own id or another.
            push_offer(&sim, "call", "created", 1.0);
            push_envelope(&sim, Some("again".into()), offer_of("call", "created", 1.0));
            fence(&client);
            assert_eq!((client.stats().calls, count(&sim, "calling.pass")), (0, 1), "{way}");
            // A new one is.
            let (to, calls) = mpsc::channel();
            client.on_call(move |call| Ok(to.send(call)?));
            push_offer(&sim, "call", "created", 2.0);
            let anew = calls.recv_timeout(LONG).unwrap();
            assert_eq!((anew.id(), anew.state(), anew.end()), ("call", CallState::Created, None), "{way}");
            push_leg(&sim, "", "call", "answered");
            anew.wait_for_answered(LONG).unwrap();
            assert_eq!(client.stats().calls, 1, "{way}");
        }
    });
}

#[test]
fn a_call_may_be_passed_back_and_offered_anew_any_number_of_times() {
    watched(|| {
        let sim = sim();
        let client = impatient(&sim).connect().unwrap();
        for n in 1..=10 {
            push_offer(&sim, "call", "created", n as f64);
            until("it is passed back", || client.stats().calls_passed == n && client.stats().calls == 0);
        }
        until("the last one is sent", || count(&sim, "calling.pass") == 10);
    });
}

#[test]
fn a_call_whose_end_was_reported_when_it_was_passed_back_is_handed_out_when_it_is_offered_again() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = offered(&sim, &client);
        call.pass().unwrap();
        caller.wait_ended(LONG).unwrap();
        fence(&client);
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed), (0, 0));
        push_offer(&sim, caller.call_id(), "ringing", 2.0);
        assert_eq!(client.next_call(LONG).unwrap().state(), CallState::Ringing);
    });
}

#[test]
fn another_offer_may_overtake_the_response_to_the_pass() {
    watched(|| {
        let sim = sim();
        sim.never_answer("calling.pass");
        let client = client(&sim);
        push_offer(&sim, "call", "created", 1.0);
        let call = client.next_call(LONG).unwrap();
        let same = call.clone();
        let passing = thread::spawn(move || same.pass());
        let pass = sim.wait_for_request("calling.pass", LONG).unwrap();
        // The offer that it came with is a repeat still.
        push_envelope(&sim, Some("again".into()), offer_of("call", "created", 1.0));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed, call.end()), (1, 0, None));
        push_offer(&sim, "call", "created", 2.0);
        let anew = client.next_call(LONG).unwrap();
        call.wait_for_ended(LONG).unwrap();
        let reply = json!({"jsonrpc": "2.0", "id": pass.id(), "result": {"code": "200"}});
        sim.push_raw(&reply.to_string());
        passing.join().unwrap().unwrap();
        fence(&client);
        assert_eq!((anew.end(), client.stats().calls), (None, 1));
    });
}

#[test]
fn an_answered_call_is_not_taken_for_one_that_is_offered_anew() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        // Once the service said that it was not passed back, once that shows only by what it does.
        for (id, code) in [("refused", 409), ("unknown", 200)] {
            sim.never_answer("calling.pass");
            push_offer(&sim, id, "created", 1.0);
            let call = client.next_call(LONG).unwrap();
            let same = call.clone();
            let passing = thread::spawn(move || same.pass());
            let pass = sim.wait_for_request("calling.pass", LONG).unwrap();
            if code == 409 {
                let refused = json!({"jsonrpc": "2.0", "id": pass.id(), "result": {"code": "409", "message": "no"}});
                sim.push_raw(&refused.to_string());
                assert_eq!(refusal(passing.join().unwrap()).code(), Some(409));
                push_offer(&sim, id, "created", 2.0);
                fence(&client);
                assert_eq!((call.end(), client.stats().unclaimed), (None, 0));
                push_leg(&sim, "", id, "answered");
            } else {
                push_leg(&sim, "", id, "answered");
                fence(&client);
                push_offer(&sim, id, "created", 3.0);
                fence(&client);
                assert_eq!((call.state(), call.end(), client.stats().unclaimed), (CallState::Answered, None, 0));
                let done = json!({"jsonrpc": "2.0", "id": pass.id(), "error": {"code": 409}});
                sim.push_raw(&done.to_string());
                assert_eq!(refusal(passing.join().unwrap()).code(), Some(409));
            }
            push_offer(&sim, id, "created", 4.0);
            fence(&client);
            assert_eq!((call.state(), call.end(), client.stats().unclaimed), (CallState::Answered, None, 0), "{id}");
        }
        assert_eq!(client.stats().calls, 2);
    });
}

#[test]
fn an_offer_of_a_caller_who_has_hung_up_is_ignored() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (to, calls) = mpsc::channel();
        client.on_call(move |call| Ok(to.send(call.id().to_owned())?));
        // The offer says so itself.
        push_offer(&sim, "gone", "ended", 1.0);
        // The end overtook the offer.
        let mut end = leg("", "overtaken", "ended");
        end["direction"] = "inbound".into();
        sim.push_event("calling.call.state", end);
        push_offer(&sim, "overtaken", "created", 1.0);
        fence(&client);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.unclaimed, stats.unmatched_events, stats.calls_passed), (0, 0, 0, 0));
        // An offer of a call that goes on is delivered again, and says that it has ended.
        push_offer(&sim, "known", "created", 1.0);
        assert_eq!(calls.recv_timeout(LONG).as_deref(), Ok("known"));
        push_offer(&sim, "known", "ended", 2.0);
        until("nothing is left", || client.stats().calls == 0);
        // The handler received no other call. It is dropped with its client.
        client.disconnect();
        assert_eq!(calls.iter().collect::<Vec<_>>(), [""; 0]);
    });
}
