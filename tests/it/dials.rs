//! Outbound calls: their outcomes, and no phone that rings without a caller.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::devices::{Devices, Phone};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::states::{DialState, Direction};
use signalwire_relay::{CallState, Client, Dial, Dialing, EndReason, ErrorKind, Event, phone, sip, tts};

use crate::support::{
    LONG, SHORT, answer_by_hand, assert_accepted, builder, client, count, fence, refusal, sent, sim, until, until_in,
    virtual_sim, watched,
};

const BOB: &str = "+15552222222";
const CAROL: &str = "+15553333333";

/// Longer than any test.
const HOURS: Duration = Duration::from_secs(7200);

fn bob() -> Phone {
    phone(BOB).from("+15551111111")
}

fn carol() -> Phone {
    phone(CAROL).from("+15551111111")
}

/// An event of a leg that is made up, as all that follow here.
fn push_leg(sim: &Simulator, tag: &str, call_id: &str, state: &str) {
    sim.push_event(
        "calling.call.state",
        json!({"node_id": "n-7", "call_id": call_id, "tag": tag, "call_state": state, "direction": "outbound",
            "device": {"type": "phone", "params": {"from_number": "+15551111111", "to_number": BOB}}}),
    );
}

fn push_dial(sim: &Simulator, tag: &str, state: &str, winner: Option<&str>) {
    let mut params = json!({"node_id": "n-7", "tag": tag, "dial_state": state});
    if let Some(call_id) = winner {
        params["call"] = json!({"call_id": call_id, "node_id": "n-7", "tag": tag, "dial_winner": "true",
            "device": {"type": "phone", "params": {"from_number": "+15551111111", "to_number": BOB}}});
    }
    sim.push_event("calling.call.dial", params);
}

/// A client whose dials are answered by hand, with one of them under way.
fn by_hand(sim: &Simulator, client: &Client, tag: &str) -> Dialing {
    sim.never_answer("calling.dial");
    let dialing = client.start_dial(Dial::new(bob()).tag(tag).limit(HOURS)).unwrap();
    assert_eq!(dialing.tag(), tag);
    dialing
}

/// The calls that the program has had ended, with the reasons.
fn ended(sim: &Simulator) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let requests = sim.journal().requests("calling.end");
    requests.iter().map(|request| (text(&request.params()["call_id"]), text(&request.params()["reason"]))).collect()
}

#[test]
fn a_dial_gives_a_call_that_is_answered_and_can_be_spoken_to() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let callee = sim.callee(BOB);
        let call = client.dial(bob()).unwrap();
        assert_eq!((call.state(), call.direction()), (CallState::Answered, Direction::Outbound));
        assert_eq!((call.to_number().as_str(), call.from_number().as_str()), (BOB, "+15551111111"));
        assert!(!call.node_id().is_empty() && !call.segment_id().is_empty());
        assert_eq!(call.tag().len(), 36);
        assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
        call.play(tts("Hello")).unwrap().wait(LONG).unwrap();
        assert_eq!(callee.heard(), ["Hello"]);
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
        until("nothing is left", || client.stats().calls == 0);
        let stats = client.stats();
        assert_eq!((stats.dials, stats.dials_given_up, stats.unmatched_events, stats.pending_requests), (0, 0, 0, 0));
        assert_eq!(count(&sim, "calling.dial"), 1);
        assert_accepted(&sim);
    });
}

#[test]
fn a_dial_is_sent_as_it_was_given() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let devices = Devices::at_once([bob().timeout(Duration::from_secs(20)), carol()]).then(sip("sip:a@b.example"));
        let dial = Dial::new(devices)
            .tag("my dial")
            .max_duration(60)
            .region("us")
            .max_price_per_minute(0.5)
            .ring_timeout(Duration::from_secs(25))
            .send_digits("1")
            .limit(HOURS);
        let call = client.dial(dial).unwrap();
        assert_eq!(call.tag(), "my dial");
        let phone = |to: &str| json!({"type": "phone", "params": {"to_number": to, "from_number": "+15551111111"}});
        let mut first = phone(BOB);
        first["params"]["timeout"] = 20.into();
        assert_eq!(
            sent(&sim, "calling.dial"),
            json!({
                "devices": [[first, phone(CAROL)], [{"type": "sip", "params": {"to": "sip:a@b.example"}}]],
                "tag": "my dial", "max_duration": 60, "region": "us", "max_price_per_minute": 0.5, "timeout": 25,
                "send_digits": "1",
            })
        );
        assert_accepted(&sim);
    });
}

#[test]
fn a_dial_without_an_answer_has_its_reason() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let reasons = [
            (EndReason::Busy, "busy"),
            (EndReason::NoAnswer, "no answer"),
            (EndReason::Decline, "declined"),
            (EndReason::NotFound, "not found"),
        ];
        for (n, (reason, words)) in reasons.into_iter().enumerate() {
            let number = format!("+1555222200{n}");
            let callee = sim.callee(&number);
            match reason {
                EndReason::Busy => callee.is_busy(),
                EndReason::NoAnswer => callee.does_not_answer(),
                EndReason::Decline => callee.declines(),
                _ => callee.does_not_exist(),
            };
            let error = refusal(client.dial(phone(&number).timeout(Duration::from_secs(3))));
            assert_eq!((error.kind(), error.is_timeout(), error.code()), (ErrorKind::DialFailed, false, None));
            assert_eq!(error.method(), Some("calling.dial"));
            assert_eq!(error.end_reason(), Some(reason));
            assert_eq!(error.to_string(), format!("dial {number}: {words}"));
        }
        fence(&client);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.dials, stats.dials_given_up, stats.unmatched_events), (0, 0, 0, 0));
        assert_eq!(count(&sim, "calling.end"), 0);
        assert_accepted(&sim);
    });
}

#[test]
fn devices_ring_one_after_another_until_one_answers() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (busy, answers) = (sim.callee(BOB).is_busy(), sim.callee(CAROL));
        let call = client.dial(Devices::in_order([bob(), carol(), bob()])).unwrap();
        assert_eq!(call.to_number(), CAROL);
        assert_eq!((busy.times_called(), answers.times_called()), (1, 1));
        until("the busy leg left", || client.stats().calls == 1);
        assert_accepted(&sim);
    });
}

#[test]
fn devices_ring_at_once_and_those_that_lose_leave() {
    watched(|| {
        let sim = virtual_sim();
        let client = client(&sim);
        let second = Duration::from_secs(1);
        sim.callee(BOB).answers_after(30 * second);
        sim.callee(CAROL).answers_after(2 * second);
        let dialing = client.start_dial(Devices::at_once([bob(), carol()])).unwrap();
        until_in(&sim, "both ring", || {
            dialing.legs().iter().filter(|leg| leg.state() == CallState::Ringing).count() == 2
        });
        assert!(dialing.legs().iter().all(|leg| leg.tag() == dialing.tag() && leg.direction() == Direction::Outbound));
        let call = dialing.wait(LONG).unwrap();
        assert_eq!(call.to_number(), CAROL);
        until_in(&sim, "the loser left", || client.stats().calls == 1);
        // The service ends it, so nothing had to be sent; and letting go of the dial now ends nothing.
        drop(dialing);
        fence(&client);
        assert_eq!((ended(&sim), call.state()), (vec![], CallState::Answered));
        assert_accepted(&sim);
    });
}

#[test]
fn a_loser_whose_end_is_never_reported_leaves_the_tables() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_leg(&sim, "t", "loser", "ringing");
        push_leg(&sim, "t", "winner", "ringing");
        push_dial(&sim, "t", "answered", Some("winner"));
        let call = dialing.wait(LONG).unwrap();
        let loser = client.stats().calls;
        assert_eq!((call.id(), loser), ("winner", 2));
        until("the loser is dropped", || client.stats().calls == 1);
        assert_eq!(call.state(), CallState::Answered);
        // Later events of it are not kept.
        push_leg(&sim, "t", "loser", "ended");
        fence(&client);
        assert_eq!((client.stats().unmatched_events, client.stats().calls), (0, 1));
    });
}

#[test]
fn a_winner_that_overtakes_the_response_is_the_call() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.events_before_reply("calling.dial");
        let call = client.dial(bob()).unwrap();
        assert_eq!(call.state(), CallState::Answered);
        call.play(tts("Hello")).unwrap().wait(LONG).unwrap();
        assert_eq!((client.stats().calls, client.stats().dials), (1, 0));
        assert_accepted(&sim);
    });
}

/// All orders of so many things.
fn orders(things: usize) -> Vec<Vec<usize>> {
    if things == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for order in orders(things - 1) {
        for at in 0..things {
            let mut order = order.clone();
            order.insert(at, things - 1);
            all.push(order);
        }
    }
    all
}

#[test]
fn in_whatever_order_response_dial_and_states_come_the_call_is_the_same() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let orders = orders(5);
        assert_eq!(orders.len(), 120);
        for (n, order) in orders.iter().enumerate() {
            let (tag, id) = (format!("tag-{n}"), format!("leg-{n}"));
            let dialing = by_hand(&sim, &client, &tag);
            for step in order {
                match step {
                    0 => answer_by_hand(&sim, "calling.dial", json!({"result": {"code": "200", "message": "Dialing"}})),
                    1 => push_leg(&sim, &tag, &id, "created"),
                    2 => push_leg(&sim, &tag, &id, "ringing"),
                    3 => push_leg(&sim, &tag, &id, "answered"),
                    _ => push_dial(&sim, &tag, "answered", Some(&id)),
                }
            }
            let call = dialing.wait(LONG).unwrap();
            fence(&client);
            assert_eq!((call.id(), call.state(), call.direction()), (&*id, CallState::Answered, Direction::Outbound));
            assert_eq!((call.node_id().as_str(), call.tag()), ("n-7", tag.clone()), "{order:?}");
            assert_eq!((call.to_number().as_str(), call.from_number().as_str()), (BOB, "+15551111111"), "{order:?}");
            assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
            let stats = client.stats();
            assert_eq!(
                (stats.calls, stats.dials, stats.pending_requests, stats.unmatched_events),
                (1, 0, 0, 0),
                "{order:?}"
            );
            push_leg(&sim, &tag, &id, "ended");
            call.wait_for_ended(LONG).unwrap();
            until("it left", || client.stats().calls == 0);
        }
        assert_eq!((ended(&sim), client.stats().events_unclaimed), (vec![], 0));
    });
}

#[test]
fn a_winner_without_an_earlier_event_is_addressable() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        // The node stands only beside the call.
        let params = json!({"node_id": "n-outer", "tag": "t", "dial_state": "answered", "call": {"call_id": "leg"}});
        sim.push_event("calling.call.dial", params);
        let call = dialing.wait(LONG).unwrap();
        assert_eq!((call.node_id().as_str(), call.tag().as_str()), ("n-outer", "t"));
        assert_eq!(call.state(), CallState::Answered);
        let _ = call.play(tts("x"));
        assert_eq!(sim.journal().requests("calling.play")[0].params()["node_id"], "n-outer");
    });
}

#[test]
fn progress_of_a_dial_is_no_outcome() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_dial(&sim, "t", "dialing", None);
        push_dial(&sim, "t", "dialing", Some("leg"));
        push_dial(&sim, "t", "something new", None);
        push_dial(&sim, "another", "failed", None);
        push_dial(&sim, "t", "answered", None);
        assert_eq!(refusal(dialing.wait(SHORT)).kind(), ErrorKind::Timeout);
        push_dial(&sim, "t", "failed", None);
        assert_eq!(refusal(dialing.wait(LONG)).kind(), ErrorKind::DialFailed);
        // The outcome stays.
        push_dial(&sim, "t", "answered", Some("leg"));
        fence(&client);
        assert_eq!(refusal(dialing.wait(None)).kind(), ErrorKind::DialFailed);
    });
}

#[test]
fn the_winner_receives_later_events_of_its_dial() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_dial(&sim, "t", "answered", Some("leg"));
        let call = dialing.wait(LONG).unwrap();
        let mut events = call.events();
        push_dial(&sim, "t", "answered", Some("leg"));
        let Event::Dial(event) = events.next_within(LONG).unwrap() else { panic!("a dial event") };
        assert_eq!(event.state, DialState::Answered);
        assert_eq!((client.stats().calls, ended(&sim)), (1, vec![]));
    });
}

// Given up.

#[test]
fn a_dial_beyond_its_limit_fails_and_its_legs_are_ended() {
    watched(|| {
        let sim = virtual_sim();
        let client = client(&sim);
        sim.callee(BOB).does_not_answer();
        sim.callee(CAROL).does_not_answer();
        let both = Devices::at_once([bob().timeout(HOURS), carol().timeout(HOURS)]);
        let error = refusal(client.dial(Dial::new(both).limit(Duration::from_secs(5))));
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::DialFailed, true));
        assert!(!error.may_have_been_sent() && !error.is_retryable());
        until_in(&sim, "both legs are ended", || ended(&sim).len() == 2);
        assert!(ended(&sim).iter().all(|(_, reason)| reason == "cancel"));
        until_in(&sim, "nothing rings", || client.stats().calls == 0);
        let stats = client.stats();
        assert_eq!((stats.dials, stats.dials_given_up), (0, 1));
        assert_accepted(&sim);
    });
}

#[test]
fn the_limit_of_the_client_counts_where_the_dial_has_none() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).dial_timeout(Duration::from_secs(5)).connect().unwrap();
        sim.callee(BOB).does_not_answer();
        assert!(refusal(client.dial(bob().timeout(HOURS))).is_timeout());
    });
}

#[test]
fn a_dial_without_any_event_has_an_unknown_outcome() {
    watched(|| {
        let sim = virtual_sim();
        let client = client(&sim);
        sim.never_answer("calling.dial");
        let error = refusal(client.dial(Dial::new(bob()).tag("t").limit(Duration::from_secs(5))));
        assert_eq!(
            (error.kind(), error.is_timeout(), error.method()),
            (ErrorKind::OutcomeUnknown, true, Some("calling.dial"))
        );
        assert_eq!(count(&sim, "calling.dial"), 1);
    });
}

#[test]
fn a_late_winner_is_hung_up_once() {
    watched(|| {
        let sim = virtual_sim();
        let client = client(&sim);
        sim.never_answer("calling.dial");
        refusal(client.dial(Dial::new(bob()).tag("t").limit(Duration::from_secs(5))));
        push_leg(&sim, "t", "late", "answered");
        push_dial(&sim, "t", "answered", Some("late"));
        push_dial(&sim, "t", "answered", Some("other"));
        push_leg(&sim, "t", "over", "ended");
        push_dial(&sim, "t", "failed", None);
        fence(&client);
        fence(&client);
        let cancelled = |id: &str| (id.to_owned(), "cancel".to_owned());
        assert_eq!(ended(&sim), [cancelled("late"), cancelled("other")]);
        assert_eq!(sim.journal().requests("calling.end")[0].params()["node_id"], "n-7");
        assert_eq!((client.stats().calls, client.stats().dials), (0, 0));
    });
}

#[test]
fn a_dial_that_was_given_up_is_forgotten_after_a_while() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.late_answer_window(Duration::from_secs(5))).connect().unwrap();
        sim.never_answer("calling.dial");
        let dialing = client.start_dial(Dial::new(bob()).tag("t")).unwrap();
        dialing.cancel();
        // While a late answer may come, the tag is taken.
        until_in(&sim, "it is forgotten", || client.stats().dials_given_up == 0);
        push_leg(&sim, "t", "late", "answered");
        fence(&client);
        assert_eq!(ended(&sim), []);
        assert!(client.start_dial(Dial::new(bob()).tag("t")).is_ok());
    });
}

#[test]
fn cancelling_and_dropping_a_dial_end_what_rings() {
    for drops in [false, true] {
        watched(move || {
            let sim = sim();
            let client = client(&sim);
            sim.callee(BOB).does_not_answer();
            let dialing = client.start_dial(bob().timeout(HOURS)).unwrap();
            until("it rings", || dialing.legs().iter().any(|leg| leg.state() == CallState::Ringing));
            let leg = dialing.legs().remove(0);
            if drops {
                drop(dialing);
            } else {
                dialing.cancel();
                dialing.cancel();
                let error = refusal(dialing.wait(None));
                assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::DialFailed, false));
                assert!(error.to_string().contains("cancelled"), "{error}");
            }
            assert_eq!(leg.wait_for_ended(LONG).unwrap().reason, Some("cancel".into()));
            assert_eq!(ended(&sim), [(leg.id().to_owned(), "cancel".to_owned())]);
            until("nothing is left", || client.stats().calls == 0);
            assert_accepted(&sim);
        });
    }
}

#[test]
fn a_leg_that_is_made_after_its_dial_was_given_up_is_ended() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        drop(dialing);
        answer_by_hand(&sim, "calling.dial", json!({"result": {"code": "200"}}));
        push_leg(&sim, "t", "leg", "created");
        push_leg(&sim, "t", "leg", "ringing");
        fence(&client);
        fence(&client);
        assert_eq!(ended(&sim), [("leg".to_owned(), "cancel".to_owned())]);
    });
}

#[test]
fn an_answer_that_no_dial_waits_for_is_hung_up() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = client.start_dial(bob()).unwrap();
        until("it is answered", || dialing.legs().is_empty() && client.stats().dials == 0);
        assert_eq!(client.stats().calls, 1);
        drop(dialing);
        until("it is hung up", || client.stats().calls == 0);
        assert_eq!(ended(&sim).len(), 1);
        // One that was waited for belongs to the program.
        let dialing = client.start_dial(bob()).unwrap();
        let call = dialing.wait(LONG).unwrap();
        assert_eq!(dialing.wait(LONG).unwrap(), call, "again the same");
        dialing.cancel();
        drop(dialing);
        fence(&client);
        assert_eq!((ended(&sim).len(), call.state()), (1, CallState::Answered));
    });
}

#[test]
fn a_wait_on_a_dial_that_timed_out_may_be_repeated() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        let error = refusal(dialing.wait(Duration::from_millis(3)));
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true));
        push_dial(&sim, "t", "answered", Some("leg"));
        assert_eq!(dialing.wait(LONG).unwrap().id(), "leg");
        assert_eq!(ended(&sim), []);
    });
}

#[test]
fn closing_the_client_ends_what_rings() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.callee(BOB).does_not_answer();
        let dialing = client.start_dial(bob().timeout(HOURS)).unwrap();
        until("it rings", || dialing.legs().iter().any(|leg| leg.state() == CallState::Ringing));
        let (to, outcome) = std::sync::mpsc::channel();
        let waiting = thread::spawn(move || to.send(dialing.wait(None)).unwrap());
        client.disconnect();
        assert_eq!(refusal(outcome.recv_timeout(LONG).unwrap()).kind(), ErrorKind::Closed);
        waiting.join().unwrap();
        sim.wait_for_request("calling.end", LONG).unwrap();
        assert_eq!(refusal(client.dial(bob())).kind(), ErrorKind::Closed);
    });
}

// Refused.

#[test]
fn what_cannot_be_dialled_is_refused_before_anything_is_sent() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let none: [Devices; 0] = [];
        let nobody: [Phone; 0] = [];
        for (dial, mend) in [
            (Dial::new(phone("")), "`to` is empty: give"),
            (Dial::new(phone("+1 555")), "remove it"),
            (Dial::new(phone("+1555\n")), "remove them"),
            (Dial::new(bob()).extra("devices", json!([[{"type": "sip", "params": {"to": ""}}]])), "give a number"),
            (Dial::new(Devices::in_order(none)), "give at least one"),
            (Dial::new(Devices::at_once(nobody)), "give it one, or leave it out"),
            (Dial::new(Devices::from(bob()).then(Devices::at_once([phone("")]))), "give a number"),
        ] {
            let error = refusal(client.start_dial(dial).map(drop));
            assert_eq!((error.kind(), error.method(), error.code()), (ErrorKind::Config, Some("calling.dial"), None));
            let text = error.to_string();
            assert!(text.contains("not sent") && text.contains(mend), "{text}");
        }
        assert_eq!((count(&sim, "calling.dial"), client.stats().dials), (0, 0));
    });
}

#[test]
fn a_tag_in_use_is_refused_before_anything_is_sent() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "mine");
        fence(&client);
        let error = refusal(client.start_dial(Dial::new(carol()).tag("mine")).map(drop));
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("\"mine\"") && error.to_string().contains("choose another"), "{error}");
        // The tag is not free while a late answer may arrive: its owner would be unknown.
        dialing.cancel();
        assert_eq!(refusal(client.start_dial(Dial::new(carol()).tag("mine")).map(drop)).kind(), ErrorKind::Config);
        assert_eq!(count(&sim, "calling.dial"), 1);
        // A dial that has ended has freed its tag.
        let other = by_hand(&sim, &client, "other");
        push_dial(&sim, "other", "failed", None);
        refusal(other.wait(LONG));
        assert!(client.start_dial(Dial::new(bob()).tag("other")).is_ok());
    });
}

#[test]
fn a_dial_that_the_service_refuses_fails_with_its_words() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (code, retry) in [(402, false), (404, false), (-32602, false), (429, true), (-32005, true)] {
            sim.refuse_next("calling.dial", code, "no credit");
            let error = refusal(client.dial(bob()));
            assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::Rejected, Some(code), retry));
            assert_eq!((error.method(), error.server_message()), (Some("calling.dial"), Some("no credit")));
            assert_eq!(error.call_id(), None);
        }
        let stats = client.stats();
        assert_eq!((stats.calls, stats.dials, stats.dials_given_up), (0, 0, 0));
    });
}

#[test]
fn a_leg_that_rang_before_its_dial_was_refused_is_ended() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let dialing = by_hand(&sim, &client, "t");
        push_leg(&sim, "t", "leg", "ringing");
        answer_by_hand(&sim, "calling.dial", json!({"result": {"code": "500", "message": "oh"}}));
        assert_eq!(refusal(dialing.wait(LONG)).code(), Some(500));
        fence(&client);
        assert_eq!(ended(&sim), [("leg".to_owned(), "cancel".to_owned())]);
    });
}

// The connection.

#[test]
fn a_dial_whose_response_is_lost_succeeds_by_its_events() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).request_timeout(Duration::from_secs(5)).connect().unwrap();
        sim.hold_replies("calling.dial");
        sim.callee(BOB).answers_after(Duration::from_secs(10));
        let call = client.dial(bob()).unwrap();
        assert_eq!((call.state(), call.to_number().as_str()), (CallState::Answered, BOB));
        assert_eq!(count(&sim, "calling.dial"), 1);
    });
}

#[test]
fn a_dial_goes_on_over_the_loss_of_the_connection_and_is_sent_once() {
    watched(|| {
        let sim = Simulator::builder().speed(50.0).replays_missed_events().start().unwrap();
        let client = client(&sim);
        sim.drop_link_after_request("calling.dial");
        let call = client.dial(bob()).unwrap();
        assert_eq!(call.state(), CallState::Answered);
        call.play(tts("Hello")).unwrap().wait(LONG).unwrap();
        assert_eq!((count(&sim, "calling.dial"), client.stats().sessions_resumed), (1, 1));
        assert_accepted(&sim);
    });
}

#[test]
fn a_dial_ends_with_its_session() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.callee(BOB).does_not_answer();
        let dialing = client.start_dial(bob().timeout(HOURS)).unwrap();
        until("it rings", || !dialing.legs().is_empty());
        sim.forget_sessions();
        sim.drop_link();
        let error = refusal(dialing.wait(LONG));
        assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::DialFailed), "{error}");
        until("nothing is left", || client.stats().calls == 0 && client.stats().dials == 0);
    });
}

#[test]
fn a_dial_without_a_connection_is_not_sent_late() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).request_timeout(Duration::from_secs(5)).connect().unwrap();
        sim.stop_listening();
        sim.drop_link();
        until_in(&sim, "it is noticed", || !client.state().is_online());
        let error = refusal(client.dial(bob()));
        assert_eq!((error.kind(), error.is_retryable(), error.may_have_been_sent()), (ErrorKind::Offline, true, false));
        sim.listen_again().unwrap();
        until_in(&sim, "the link is back", || client.state().is_online());
        fence(&client);
        assert_eq!((count(&sim, "calling.dial"), client.stats().dials, client.stats().pending_requests), (0, 0, 0));
        assert!(client.dial(bob()).is_ok());
    });
}
