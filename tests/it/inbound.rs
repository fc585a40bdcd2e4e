//! Inbound calls and text messages: claimed by handlers, pulled, or passed back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::devices::DeviceKind;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::states::Direction;
use signalwire_relay::{Call, CallState, Client, Error, ErrorKind, MessageState, Result, tts};

use crate::support::{
    LONG, SHORT, acks, answered, assert_accepted, builder, client, count, fence, offered, push_envelope, refusal, sim,
    until, until_in, virtual_sim, watched,
};

/// Longer than any test.
const HOURS: Duration = Duration::from_secs(7200);

fn passed(sim: &Simulator) -> usize {
    count(sim, "calling.pass")
}

#[test]
fn a_handler_gets_the_call_with_all_that_is_known_of_it() {
    watched(|| {
        let (sim, (to, calls)) = (sim(), mpsc::channel());
        let client = client(&sim);
        client.on_call(move |call| Ok(to.send(call)?));
        let caller = sim.caller("+15551230000").calls("+15559990000").dials();
        let call = calls.recv_timeout(LONG).unwrap();
        assert_eq!(call.id(), caller.call_id());
        assert!(!call.node_id().is_empty());
        assert!(!call.segment_id().is_empty());
        assert_eq!(call.project_id(), sim.project());
        assert_eq!((call.context().as_str(), call.tag().as_str()), ("default", ""));
        assert_eq!((call.direction(), call.state()), (Direction::Inbound, CallState::Created));
        assert_eq!(call.device().kind(), DeviceKind::Phone);
        assert_eq!((call.from_number().as_str(), call.to_number().as_str()), ("+15551230000", "+15559990000"));
        assert_eq!((call.device().from(), call.device().to()), ("+15551230000", "+15559990000"));
        assert!(call.is_confirmed());
        assert_eq!(call.end(), None);
        assert_eq!(call.client().unwrap().host(), client.host());
        call.answer().unwrap();
        call.wait_for_answered(LONG).unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn the_context_is_that_of_the_payload_then_of_the_envelope_and_never_that_of_the_session() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, (payload, envelope, context)) in
            [(Some("office"), Some("other"), "office"), (None, Some("other"), "other"), (None, None, "signalwire_x")]
                .into_iter()
                .enumerate()
        {
            let id = format!("context-{n}");
            let mut params = json!({"call_id": id, "node_id": "n", "call_state": "created", "direction": "inbound",
                "device": {}, "protocol": "signalwire_x"});
            if let Some(payload) = payload {
                params["context"] = payload.into();
            }
            let mut event = json!({"event_type": "calling.call.receive", "project_id": "of the envelope",
                "params": params});
            if let Some(envelope) = envelope {
                event["context"] = envelope.into();
            }
            push_envelope(&sim, Some(id.clone().into()), event);
            let call = client.next_call(LONG).unwrap();
            assert_eq!((call.id(), call.context().as_str()), (id.as_str(), context));
            assert_eq!(call.project_id(), "of the envelope");
            assert!(call.device().is_unknown());
            // The device may be told later.
            let device = json!({"type": "sip", "params": {"from": "sip:a@b.example", "to": "sip:c@d.example"}});
            let state = json!({"call_id": id, "node_id": "n", "call_state": "ringing", "device": device});
            sim.push_event("calling.call.state", state);
            call.wait_for_ringing(LONG).unwrap();
            assert_eq!((call.device().kind(), call.from_number().as_str()), (DeviceKind::Sip, "sip:a@b.example"));
        }
    });
}

#[test]
fn calls_are_pulled_one_by_one_until_the_client_is_closed() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let callers: Vec<_> = (0..3).map(|n| sim.caller(format!("+1555123000{n}")).dials()).collect();
        let (to, seen) = mpsc::channel();
        let calls = client.calls();
        let puller = thread::spawn(move || calls.for_each(|call| to.send(call).unwrap()));
        for caller in &callers {
            assert_eq!(seen.recv_timeout(LONG).unwrap().id(), caller.call_id());
        }
        client.disconnect();
        puller.join().unwrap();
        assert_eq!(refusal(client.next_call(None)).kind(), ErrorKind::Closed);
        assert!(client.calls().next().is_none());
        assert!(client.messages().next().is_none());
    });
}

#[test]
fn a_pull_that_timed_out_takes_nothing_away() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let error = refusal(client.next_call(Duration::from_millis(5)));
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true));
        assert_eq!(refusal(client.next_message(Duration::ZERO)).kind(), ErrorKind::Timeout);
        let (_caller, call) = offered(&sim, &client);
        assert_eq!(call.state(), CallState::Created);
        assert_eq!(passed(&sim), 0);
    });
}

#[test]
fn an_unclaimed_call_is_passed_back_after_its_timeout_and_counted() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.claim_timeout(Duration::from_secs(5))).connect().unwrap();
        let caller = sim.caller("+15551230000").dials();
        assert_eq!(sim.wait_for_request("calling.pass", LONG).unwrap().call_id(), Some(caller.call_id()));
        assert_eq!(caller.wait_ended(LONG).unwrap(), "noAnswer");
        assert!(caller.was_passed());
        fence(&client);
        let stats = client.stats();
        assert_eq!((stats.calls_passed, stats.calls, stats.unclaimed, stats.unmatched_events), (1, 0, 0, 0));
        assert_eq!(refusal(client.next_call(Duration::ZERO)).kind(), ErrorKind::Timeout);
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_is_claimed_in_time_is_not_passed_back_later() {
    watched(|| {
        let sim = virtual_sim();
        let wait = Duration::from_secs(5);
        let client = builder(&sim).tuning(|t| t.claim_timeout(wait)).connect().unwrap();
        let (_one, call) = offered(&sim, &client);
        // This one's time is up after that of the first.
        let other = sim.caller("+15551230001").dials();
        other.wait_ended(LONG).unwrap();
        assert_eq!((passed(&sim), call.state()), (1, CallState::Created));
        call.answer().unwrap();
        call.wait_for_answered(LONG).unwrap();
    });
}

#[test]
fn the_sixty_fifth_call_that_waits_is_passed_back_at_once() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.claim_timeout(HOURS).max_unclaimed(64)).connect().unwrap();
        let callers: Vec<_> = (0..65).map(|n| sim.caller(format!("+155512300{n:02}")).dials()).collect();
        assert_eq!(callers[64].wait_ended(LONG).unwrap(), "noAnswer");
        fence(&client);
        assert_eq!((passed(&sim), client.stats().unclaimed, client.stats().calls_passed), (1, 64, 1));
        // The others still wait, in their order.
        for caller in &callers[..64] {
            assert_eq!(client.next_call(LONG).unwrap().id(), caller.call_id());
        }
        assert_accepted(&sim);
    });
}

#[test]
fn calls_beyond_the_limit_are_passed_back_and_counted_exactly() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.claim_timeout(HOURS)).connect().unwrap();
        let kept: Arc<parking_lot::Mutex<Vec<Call>>> = Arc::default();
        let keeper = Arc::clone(&kept);
        client.on_call(move |call| {
            keeper.lock().push(call);
            Ok(())
        });
        let callers: Vec<_> = (0..1003).map(|n| sim.caller(format!("+15551{n:06}")).dials()).collect();
        for caller in &callers[1000..] {
            caller.wait_ended(LONG).unwrap();
        }
        fence(&client);
        until("all handlers ran", || kept.lock().len() == 1000);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.calls_passed, stats.unmatched_events), (1000, 3, 0));
        assert_eq!(callers.iter().filter(|caller| caller.was_passed()).count(), 3);
        // One goes, and there is room for one more.
        callers[0].hang_up();
        kept.lock()[0].wait_for_ended(LONG).ok();
        until("there is room again", || client.stats().calls == 999);
        let late = sim.caller("+15550000001").dials();
        until("the next one came", || kept.lock().iter().any(|call| call.id() == late.call_id()));
        assert_eq!(client.stats().calls_passed, 3);
        kept.lock().clear();
    });
}

#[test]
fn a_surplus_call_that_is_offered_again_is_passed_back_and_counted_once() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).max_active_calls(1).connect().unwrap();
        let (_first, _call) = offered(&sim, &client);
        let second = sim.caller("+15551230001").dials();
        second.wait_ended(LONG).unwrap();
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        fence(&client);
        let stats = client.stats();
        assert_eq!((passed(&sim), stats.calls_passed, stats.unmatched_events), (1, 1, 0));
    });
}

#[test]
fn dropping_the_last_handle_of_an_offer_passes_it_back() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = offered(&sim, &client);
        let clone = call.clone();
        drop(call);
        fence(&client);
        assert_eq!(passed(&sim), 0);
        drop(clone);
        assert_eq!(sim.wait_for_request("calling.pass", LONG).unwrap().call_id(), Some(caller.call_id()));
        caller.wait_ended(LONG).unwrap();
        assert_eq!(client.stats().calls_passed, 1);
    });
}

#[test]
fn a_call_about_which_something_was_decided_is_not_passed_back_when_dropped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let verdicts: [fn(&Call) -> Result<()>; 4] = [
            Call::answer,
            Call::hangup,
            Call::pass,
            // The method is unknown to the crate, but it decides the call all the same.
            |call| call.execute("calling.answer", json!({})).map(drop),
        ];
        for (n, decide) in verdicts.into_iter().enumerate() {
            let (caller, call) = offered(&sim, &client);
            decide(&call).unwrap();
            drop(call);
            fence(&client);
            assert_eq!(passed(&sim), usize::from(n >= 2), "verdict {n}");
            caller.hang_up();
            caller.wait_ended(LONG).unwrap();
        }
        assert_eq!(client.stats().calls_passed, 0);
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_was_answered_by_other_means_is_not_passed_back_when_dropped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        let address = json!({"node_id": call.node_id(), "call_id": call.id()});
        client.execute("calling.answer", address).unwrap();
        call.wait_for_answered(LONG).unwrap();
        drop(call);
        fence(&client);
        assert_eq!((passed(&sim), client.stats().calls), (0, 1));
    });
}

#[test]
fn an_offer_whose_answer_was_refused_is_still_an_offer() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.refuse_next("calling.answer", 500, "not now");
        let (caller, call) = offered(&sim, &client);
        assert_eq!(refusal(call.answer()).code(), Some(500));
        drop(call);
        sim.wait_for_request("calling.pass", LONG).unwrap();
        caller.wait_ended(LONG).unwrap();
        assert!(caller.was_passed());

        // A handler that fails so has its call passed back, too.
        sim.refuse_next("calling.answer", -32603, "not now either");
        client.on_call(|call| Ok(call.answer()?));
        let caller = sim.caller("+15551230001").dials();
        caller.wait_ended(LONG).unwrap();
        assert!(caller.was_passed());
        assert_eq!(count(&sim, "calling.end"), 0);
    });
}

#[test]
fn an_offer_that_comes_again_refreshes_the_call_and_starts_nothing() {
    watched(|| {
        let (sim, (to, calls)) = (sim(), mpsc::channel());
        let client = client(&sim);
        client.on_call(move |call| Ok(to.send(call)?));
        let _caller = sim.caller("+15551230000").dials();
        let call = calls.recv_timeout(LONG).unwrap();
        call.answer().unwrap();
        call.wait_for_answered(LONG).unwrap();
        assert!(sim.resend_last_event("calling.call.receive"));
        assert!(sim.redeliver_last_event("calling.call.receive"));
        let again = json!({"call_id": call.id(), "node_id": "another node", "call_state": "created",
            "direction": "inbound", "context": "default", "segment_id": "another segment"});
        push_envelope(&sim, Some("x-1".into()), json!({"event_type": "calling.call.receive", "params": again}));
        fence(&client);
        assert_eq!((call.state(), call.node_id().as_str()), (CallState::Answered, "another node"));
        assert_eq!((call.segment_id().as_str(), call.from_number().as_str()), ("another segment", "+15551230000"));
        assert!(calls.recv_timeout(SHORT).is_err(), "the handler ran again");
        assert_eq!((client.stats().calls, client.stats().unclaimed), (1, 0));
        assert_eq!(client.stats().events_repeated, 1);
        assert_eq!(passed(&sim), 0);
    });
}

#[test]
fn an_offer_of_a_call_that_has_ended_starts_nothing() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = offered(&sim, &client);
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed, passed(&sim)), (0, 0, 0));
    });
}

#[test]
fn an_event_that_overtakes_its_offer_is_not_lost() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let base = json!({"call_id": "early", "node_id": "n-1", "direction": "inbound"});
        let with = |key: &str, value: &str| {
            let mut params = base.clone();
            params[key] = value.into();
            params
        };
        sim.push_event("calling.call.state", with("call_state", "ringing"));
        sim.push_event("calling.call.state", with("call_state", "answered"));
        fence(&client);
        assert_eq!(client.stats().unmatched_events, 2);
        sim.push_event("calling.call.receive", with("call_state", "created"));
        let call = client.next_call(LONG).unwrap();
        assert_eq!((call.id(), call.state()), ("early", CallState::Answered));
        assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
        assert_eq!((client.stats().unmatched_events, client.stats().events_unclaimed), (0, 0));
    });
}

#[test]
fn an_event_that_no_offer_follows_is_dropped_and_counted() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.push_event("calling.call.play", json!({"call_id": "nobody", "state": "playing"}));
        sim.push_event("messaging.state", json!({"message_id": "nothing", "message_state": "sent"}));
        fence(&client);
        assert_eq!(client.stats().unmatched_events, 2);
        until("both are dropped", || client.stats().events_unclaimed == 2);
        assert_eq!(client.stats().unmatched_events, 0);
    });
}

/// Lets a handler fail before or after its answer, and returns the outcome of the call.
fn handler_that_fails(failure: HandlerFailure, answers: bool, panics: bool) -> (Simulator, Client, String) {
    let sim = sim();
    let client = builder(&sim).on_handler_failure(failure).connect().unwrap();
    let (done, ended) = mpsc::channel();
    client.on_call(move |call| {
        if answers {
            call.answer()?;
            call.wait_for_answered(LONG)?;
        }
        done.send(())?;
        assert!(!panics, "on purpose");
        Err("on purpose".into())
    });
    let caller = sim.caller("+15551230000").dials();
    ended.recv_timeout(LONG).unwrap();
    let reason = if failure == HandlerFailure::EndCall || !answers {
        caller.wait_ended(LONG).unwrap()
    } else {
        until("the handler is over", || client.stats().handler_failures + client.stats().panics == 1);
        fence(&client);
        caller.state().to_owned()
    };
    until("the failure is counted", || {
        let stats = client.stats();
        (stats.handler_failures, stats.panics) == if panics { (0, 1) } else { (1, 0) }
    });
    (sim, client, reason)
}

#[test]
fn a_call_whose_handler_failed_before_the_answer_is_passed_back() {
    for panics in [false, true] {
        watched(move || {
            let (sim, client, reason) = handler_that_fails(HandlerFailure::EndCall, false, panics);
            assert_eq!((reason.as_str(), passed(&sim), count(&sim, "calling.end")), ("noAnswer", 1, 0));
            assert_eq!(client.stats().calls_passed, 1);
        });
    }
}

#[test]
fn a_call_whose_handler_failed_after_the_answer_is_hung_up() {
    for panics in [false, true] {
        watched(move || {
            let (sim, client, reason) = handler_that_fails(HandlerFailure::EndCall, true, panics);
            assert_eq!((reason.as_str(), passed(&sim), count(&sim, "calling.end")), ("error", 0, 1));
            until("the call is over", || client.stats().calls == 0);
        });
    }
}

#[test]
fn a_call_whose_handler_failed_is_left_alone_when_that_is_set() {
    for panics in [false, true] {
        watched(move || {
            let (sim, client, state) = handler_that_fails(HandlerFailure::Leave, true, panics);
            assert_eq!((state.as_str(), passed(&sim), count(&sim, "calling.end")), ("answered", 0, 0));
            assert_eq!(client.stats().calls, 1);
        });
    }
}

#[test]
fn a_caller_who_hangs_up_makes_no_failure_of_the_handler() {
    watched(|| {
        let (sim, (to, outcomes)) = (sim(), mpsc::channel());
        let client = client(&sim);
        client.on_call(move |call| {
            call.answer()?;
            let outcome =
                call.play(tts("for ever").then(tts("and ever")))?.call().wait_for("calling.x", |_| true, LONG);
            to.send(outcome.as_ref().map(drop).map_err(Error::kind))?;
            outcome?;
            Ok(())
        });
        let caller = sim.caller("+15551230000").while_hearing("for ever").hangs_up().dials();
        caller.wait_ended(LONG).unwrap();
        assert_eq!(outcomes.recv_timeout(LONG).unwrap(), Err(ErrorKind::CallEnded));
        // The second run of a handler shows that the first has ended, or nearly.
        let (_other, _) = (sim.caller("+15551230001").while_hearing("for ever").hangs_up().dials(), ());
        outcomes.recv_timeout(LONG).unwrap().unwrap_err();
        until("the handlers are over", || client.stats().jobs_waiting == 0);
        assert_eq!((client.stats().handler_failures, client.stats().panics), (0, 0));
        assert_eq!((passed(&sim), count(&sim, "calling.end")), (0, 0));
    });
}

#[test]
fn a_handler_that_is_set_later_gets_what_waits_and_all_that_follows() {
    watched(|| {
        let (sim, (to, calls)) = (sim(), mpsc::channel());
        let client = builder(&sim).tuning(|t| t.claim_timeout(HOURS)).connect().unwrap();
        let before: Vec<_> = (0..3).map(|n| sim.caller(format!("+1555123000{n}")).dials()).collect();
        until("they wait", || client.stats().unclaimed == 3);
        let first = to.clone();
        client.on_call(move |call| Ok(first.send(("first", call))?));
        let mut seen: Vec<_> = (0..3).map(|_| calls.recv_timeout(LONG).unwrap()).collect();
        seen.sort_by(|(_, one), (_, other)| one.id().cmp(other.id()));
        for (caller, (who, call)) in before.iter().zip(&seen) {
            assert_eq!((*who, call.id()), ("first", caller.call_id()));
        }
        // While there is a handler, nothing can be pulled.
        let after = sim.caller("+15551230009").dials();
        let (who, call) = calls.recv_timeout(LONG).unwrap();
        assert_eq!((who, call.id()), ("first", after.call_id()));
        assert_eq!(refusal(client.next_call(Duration::ZERO)).kind(), ErrorKind::Timeout);
        // Another one takes its place.
        client.on_call(move |call| Ok(to.send(("second", call))?));
        let _last = sim.caller("+15551230010").dials();
        assert_eq!(calls.recv_timeout(LONG).unwrap().0, "second");
    });
}

#[test]
fn handlers_of_different_calls_run_side_by_side() {
    watched(|| {
        const CALLS: usize = 12;
        let sim = sim();
        let client = client(&sim);
        let all = Arc::new(Barrier::new(CALLS + 1));
        let gate = Arc::clone(&all);
        client.on_call(move |call| {
            call.answer()?;
            // A barrier that every thread has to reach before one continues.
            gate.wait();
            Ok(call.hangup()?)
        });
        let callers: Vec<_> = (0..CALLS).map(|n| sim.caller(format!("+155512300{n:02}")).dials()).collect();
        all.wait();
        for caller in callers {
            assert_eq!(caller.wait_ended(LONG).unwrap(), "hangup");
        }
    });
}

#[test]
fn offers_of_unsubscribed_contexts_do_not_come_and_those_added_later_do() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let caller = sim.caller("+15551230000").context("office").dials();
        fence(&client);
        assert_eq!(client.stats().unclaimed, 0);
        client.receive(["office"]).unwrap();
        let call = client.next_call(LONG).unwrap();
        assert_eq!((call.id(), call.context().as_str()), (caller.call_id(), "office"));
    });
}

#[test]
fn a_closed_client_passes_nothing_back_and_lets_its_handler_go() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.claim_timeout(HOURS)).connect().unwrap();
        let _caller = sim.caller("+15551230000").dials();
        until("it waits", || client.stats().unclaimed == 1);
        let kept = Arc::new(());
        client.disconnect();
        let captured = Arc::clone(&kept);
        client.on_call(move |_| {
            let _captured = &captured;
            Ok(())
        });
        assert_eq!(Arc::strong_count(&kept), 1);
        assert_eq!(passed(&sim), 0);

        let client = crate::support::client(&sim);
        let captured = Arc::clone(&kept);
        client.on_call(move |_| {
            let _captured = &captured;
            Ok(())
        });
        assert_eq!(Arc::strong_count(&kept), 2);
        client.disconnect();
        until("the handler is dropped", || Arc::strong_count(&kept) == 1);
    });
}

// Events in all shapes.

#[test]
fn strange_events_do_no_harm() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let (to, seen) = mpsc::channel();
        call.on_any(move |event| drop(to.send((event.name().to_string(), event.raw().value()))));
        let of_call = |event_type: &str, more: serde_json::Value| json!({"event_type": event_type, "params": crate::support::of_call(&call, more), "unknown": [1, {"a": null}]});
        // Numbers as IDs, no ID, an ID for two different events, an unknown type, fields of other types.
        push_envelope(&sim, Some(17.into()), of_call("calling.call.play", json!({"state": "playing", "x": {"y": 1}})));
        push_envelope(&sim, None, of_call("calling.call.new_thing", json!({"state": 5, "control_id": null})));
        push_envelope(&sim, Some("same".into()), of_call("calling.call.play", json!({"state": "paused"})));
        push_envelope(&sim, Some("same".into()), of_call("calling.call.play", json!({"state": "playing"})));
        push_envelope(&sim, Some("same".into()), of_call("calling.call.play", json!({"state": "playing"})));
        push_envelope(&sim, Some("same".into()), of_call("calling.call.record", json!({"state": "playing"})));
        push_envelope(
            &sim,
            Some("nulls".into()),
            of_call("calling.call.state", json!({"call_state": null, "device": null, "tag": null, "end_reason": 7})),
        );
        let names = ["play", "new_thing", "play", "play", "record", "state"];
        let seen: Vec<_> = names.iter().map(|_| seen.recv_timeout(LONG).unwrap()).collect();
        for (name, (seen, _)) in names.iter().zip(&seen) {
            assert_eq!(seen, &format!("calling.call.{name}"));
        }
        assert_eq!(seen[0].1["x"]["y"], 1);
        // An event that is repeated while its first copy is fresh is acknowledged, and not delivered.
        push_envelope(&sim, Some("same".into()), of_call("calling.call.play", json!({"state": "playing"})));
        // Neither of these events belongs to a call or a message.
        push_envelope(&sim, Some("typeless".into()), json!({"event_type": "", "params": {}}));
        push_envelope(&sim, Some("odd".into()), json!({"event_type": "calling.call.play", "params": [1, 2]}));
        push_envelope(&sim, Some("none".into()), json!({"event_type": "calling.call.play"}));
        push_envelope(&sim, Some("list".into()), json!([]));
        fence(&client);
        assert_eq!(client.stats().events_repeated, 2);
        assert_eq!((call.state(), client.state().is_online()), (CallState::Answered, true));
        until("all that has an id is acknowledged", || {
            acks(&sim, &"same".into()) == 5
                && ["nulls", "typeless", "odd", "none", "list"].iter().all(|id| acks(&sim, &(*id).into()) == 1)
        });
        assert_eq!((acks(&sim, &17.into()), acks(&sim, &serde_json::Value::Null)), (1, 0));
    });
}

// Texts.

#[test]
fn an_inbound_text_message_reaches_its_handler_with_all_fields() {
    watched(|| {
        let (sim, (to, texts)) = (sim(), mpsc::channel());
        let client = client(&sim);
        client.on_message(move |message| Ok(to.send(message)?));
        let id = sim.texts("+15551230000", "+15559990000", "STOP");
        let text = texts.recv_timeout(LONG).unwrap();
        assert_eq!((text.id(), text.body().as_str(), text.context().as_str()), (id, "STOP", "default"));
        assert_eq!((text.from_number().as_str(), text.to_number().as_str()), ("+15551230000", "+15559990000"));
        assert_eq!((text.direction(), text.state(), text.segments()), (Direction::Inbound, MessageState::Received, 1));
        assert_eq!((text.media(), text.tags(), text.reason()), (vec![], vec![], None));
        assert!(!text.is_done());
        assert!(text.result().is_none());
        assert_eq!(refusal(text.wait(LONG)).kind(), ErrorKind::Config);
    });
}

#[test]
fn text_messages_are_pulled_and_repeated_ones_are_not() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.texts("+15551230000", "+15559990000", "one");
        assert_eq!(client.next_message(LONG).unwrap().body(), "one");
        assert!(sim.resend_last_event("messaging.receive"));
        assert!(sim.redeliver_last_event("messaging.receive"));
        sim.texts("+15551230000", "+15559990000", "two");
        sim.texts("+15551230000", "+15559990000", "two");
        let (to, seen) = mpsc::channel();
        let texts = client.messages();
        let puller = thread::spawn(move || texts.for_each(|text| to.send(text.body()).unwrap()));
        assert_eq!(seen.recv_timeout(LONG).unwrap(), "two");
        assert_eq!(seen.recv_timeout(LONG).unwrap(), "two", "the same words are not the same text");
        client.disconnect();
        puller.join().unwrap();
        assert!(seen.recv().is_err());
    });
}

#[test]
fn unclaimed_text_messages_are_dropped_and_counted() {
    watched(|| {
        let sim = virtual_sim();
        let client =
            builder(&sim).tuning(|t| t.claim_timeout(Duration::from_secs(5)).max_unclaimed(2)).connect().unwrap();
        for n in 0..3 {
            sim.texts("+15551230000", "+15559990000", &format!("text {n}"));
        }
        until_in(&sim, "all are dropped", || client.stats().messages_dropped == 3);
        assert_eq!((client.stats().unclaimed, client.stats().calls_passed), (0, 0));
        assert_eq!(refusal(client.next_message(Duration::ZERO)).kind(), ErrorKind::Timeout);
    });
}

#[test]
fn a_message_handler_that_fails_is_counted_and_the_next_message_is_handled() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        client.on_message(move |message| {
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(message.body() != "panic", "on purpose");
            if message.body() == "fail" { Err("on purpose".into()) } else { Ok(()) }
        });
        for body in ["fail", "panic", "fine"] {
            sim.texts("+15551230000", "+15559990000", body);
        }
        until("all three ran", || runs.load(Ordering::SeqCst) == 3);
        until("both are counted", || (client.stats().handler_failures, client.stats().panics) == (1, 1));
    });
}
