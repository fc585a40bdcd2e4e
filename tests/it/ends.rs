//! The ends of operations, messages and clients, and events that arrive after them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use signalwire_relay::actions::Operation;
use signalwire_relay::events::CollectResult;
use signalwire_relay::params::{Prompt, ReceiveFax, Transcribe};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::Direction;
use signalwire_relay::{Action, Call, Client, Collect, Error, ErrorKind, Event, MessageState, Record, sms, tts};

use crate::support::{
    LONG, answer_by_hand, answered, client, fence, of_call, refusal, simulator_at, until, watchdog, watched,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_continuous_collect_ends_at_a_final_state_whatever_its_result() {
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let speech = json!({"type": "speech", "params": {"text": "yes", "confidence": 80.0}});
        let results =
            [json!({}), speech.clone(), json!({"type": "no_match"}), json!({"type": "no_input"}), Value::Null];
        for state in ["finished", "no_match", "no_input", "error"] {
            for result in &results {
                let push = |control_id: &str, state: &str, result: &Value| {
                    let more = json!({"control_id": control_id, "state": state, "result": result});
                    sim.push_event("calling.call.collect", of_call(&call, more));
                };
                let collect = call.collect(Collect::speech().continuous(true)).unwrap();
                let asked = Prompt::new(tts("Go on.")).control_id(format!("p-{state}-{result}").as_str());
                let prompt = call.prompt(asked, Collect::speech().continuous(true)).unwrap();
                for control_id in [collect.control_id(), prompt.control_id()] {
                    push(control_id, "collecting", &speech);
                    push(control_id, "collecting", &json!({"type": "no_match"}));
                }
                fence(&client);
                assert!(!collect.is_done() && !prompt.is_done(), "results come until it is stopped");
                push(collect.control_id(), state, result);
                push(prompt.control_id(), state, result);
                for ended in [collect.wait(LONG).unwrap(), prompt.wait(LONG).unwrap()] {
                    assert_eq!(ended.state.as_ref().map(ToString::to_string).as_deref(), Some(state));
                    assert_eq!(ended.result == CollectResult::NoInput, *result == json!({"type": "no_input"}));
                }
                // The simulator does not know that they have ended.
                collect.stop().unwrap();
                prompt.stop().unwrap();
            }
        }
    });
}

// The last event of a recording, a fax or a transcription.

/// A call of a caller who says nothing, in virtual time.
fn silent_call(sim: &Simulator, client: &Client) -> (Call, PersonOnCall) {
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(MINUTE).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(MINUTE).unwrap();
    (call, caller)
}

fn simulator() -> Arc<Simulator> {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    // The simulator does not finish by itself what runs on a call.
    sim.end_calls_abruptly(true);
    Arc::new(sim)
}

/// Waits in a thread of its own; gives the outcome and when it came.
type Waited<O> = Arc<Mutex<Option<(Result<O, Error>, Duration)>>>;

fn wait_aside<O: Operation>(sim: &Arc<Simulator>, action: &Action<O>) -> Waited<O::Outcome>
where
    O::Outcome: Send,
{
    let waited: Waited<O::Outcome> = Arc::default();
    let (keep, action, its_sim) = (Arc::clone(&waited), action.clone(), Arc::clone(sim));
    let waiting = sim.spawn(move || {
        let outcome = action.wait(None);
        *keep.lock() = Some((outcome, its_sim.elapsed()));
    });
    drop(waiting.unwrap());
    waited
}

/// Starts an operation on a call, hangs up, and reports the operation's end this many seconds later.
fn ends_after<O: Operation>(
    start: impl Fn(&Call) -> Result<Action<O>, Error>,
    event_type: &'static str,
    last: impl Fn() -> Value,
    seconds: u32,
) where
    O::Outcome: Send,
{
    let sim = simulator();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    let strays: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&strays);
    client.on_event(move |event: &Event| seen.lock().push(event.name().to_string()));
    let (call, caller) = silent_call(&sim, &client);
    let action = start(&call).unwrap();
    let waited = wait_aside(&sim, &action);
    caller.hang_up();
    call.wait_for_ended(MINUTE).unwrap();
    let ended = sim.elapsed();
    let params = {
        let mut more = last();
        more["control_id"] = action.control_id().into();
        of_call(&call, more)
    };
    sim.advance(seconds * SECOND);
    let so_far = waited.lock().as_ref().map(|(outcome, at)| (outcome.is_ok(), *at - ended));
    sim.push_event(event_type, params);
    sim.advance(SECOND);
    assert_eq!(*strays.lock(), [event_type], "the client's own listeners hear it in any case");
    if seconds < 15 {
        assert_eq!(so_far, None, "{event_type} after {seconds} s");
        let waited = waited.lock();
        let (outcome, at) = waited.as_ref().unwrap();
        assert!(outcome.is_ok(), "{outcome:?}");
        assert!(*at - ended < (seconds + 1) * SECOND, "{event_type}: {:?}", *at - ended);
    } else {
        assert_eq!(so_far, Some((false, 15 * SECOND)), "{event_type} after {seconds} s");
        assert_eq!(refusal(action.wait(MINUTE)).kind(), ErrorKind::CallEnded);
    }
    assert_eq!((client.stats().calls, client.stats().events_unclaimed), (0, 0));
}

#[test]
fn the_last_event_of_a_recording_a_fax_and_a_transcription_is_waited_for_after_the_end_of_the_call() {
    for seconds in [0, 3, 8, 14, 16] {
        watchdog("a last event", move || {
            let stored = || json!({"state": "finished", "url": "https://example.com/a", "duration": 4.5, "size": 9});
            ends_after(|call| call.record(Record::new()), "calling.call.record", stored, seconds);
            ends_after(|call| call.transcribe(Transcribe::new()), "calling.call.transcribe", stored, seconds);
            let faxed = || json!({"fax": {"type": "finished", "params": {"success": true}}});
            ends_after(|call| call.receive_fax(ReceiveFax::new()), "calling.call.fax", faxed, seconds);
            ends_after(|call| call.send_fax("https://example.com/fax.pdf"), "calling.call.fax", faxed, seconds);
        });
    }
}

#[test]
fn the_grace_for_last_events_is_a_setting() {
    watchdog("a grace", || {
        let sim = simulator();
        let client = Client::builder()
            .simulator(&sim)
            .contexts(["default"])
            .tuning(|t| t.final_event_grace(2 * MINUTE))
            .connect()
            .unwrap();
        let (call, caller) = silent_call(&sim, &client);
        let record = call.record(Record::new()).unwrap();
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        let ended = sim.elapsed();
        assert_eq!(refusal(record.wait(None)).kind(), ErrorKind::CallEnded);
        assert_eq!(sim.elapsed() - ended, 2 * MINUTE);
    });
}

#[test]
fn a_shutdown_waits_for_last_events_and_no_longer_than_its_limit() {
    // When the last event comes, the limit, and how long the shutdown takes, in seconds after the end of the call.
    for (last, limit, takes) in [(3, 10, 3), (3, 2, 2), (60, 5, 5), (60, 20, 15)] {
        watchdog("a shutdown", move || {
            let sim = simulator();
            let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
            let (call, caller) = silent_call(&sim, &client);
            let record = call.record(Record::new()).unwrap();
            caller.hang_up();
            call.wait_for_ended(MINUTE).unwrap();
            let (going, its_sim, ended) = (client.clone(), Arc::clone(&sim), sim.elapsed());
            let helper = sim
                .spawn(move || {
                    going.shutdown(limit * SECOND);
                    its_sim.elapsed() - ended
                })
                .unwrap();
            sim.advance(last.min(limit + 1) * SECOND);
            let stored =
                json!({"control_id": record.control_id(), "state": "finished", "url": "https://example.com/a"});
            sim.push_event("calling.call.record", of_call(&call, stored));
            let took = helper.join();
            let allowed = Duration::from_secs(takes)..=Duration::from_secs(takes) + SECOND / 2;
            assert!(allowed.contains(&took), "event after {last} s, limit {limit} s: {took:?}");
            assert_eq!(record.result().unwrap().is_ok(), last < limit.min(15));
        });
    }
}

#[test]
fn a_shutdown_hangs_up_no_call_that_has_ended() {
    for _ in 0..60 {
        watchdog("a shutdown of calls that end", || {
            let sim = simulator();
            let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
            let calls: Vec<_> = (0..4).map(|_| silent_call(&sim, &client)).collect();
            let going = client.clone();
            let helper = sim.spawn(move || going.shutdown(MINUTE)).unwrap();
            for (_, caller) in &calls {
                caller.hang_up();
            }
            helper.join();
            assert_eq!(sim.journal().requests("calling.end").len(), 0);
            assert!(sim.elapsed() < MINUTE);
        });
    }
}

// Messages.

#[test]
fn the_state_of_a_message_never_goes_back() {
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        sim.never_answer("messaging.send");
        let sender = client.clone();
        let sending =
            std::thread::spawn(move || sender.send_message(sms("+15552222222").from("+15551111111").body("a")));
        answer_by_hand(&sim, "messaging.send", json!({"result": {"code": "200", "message_id": "m"}}));
        let message = sending.join().unwrap().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&heard);
        message.on(move |event| hears.lock().push(event.state.to_string()));
        let push = |state: &str, reason: Value| {
            let params = json!({"message_id": "m", "message_state": state, "direction": "outbound", "reason": reason});
            sim.push_event("messaging.state", params);
        };
        let mut sent = Vec::new();
        for (state, shown) in [
            ("initiated", "initiated"),
            ("queued", "initiated"),
            ("sent", "sent"),
            ("queued", "sent"),
            ("initiated", "sent"),
            ("on_its_way", "sent"),
            ("sent", "sent"),
        ] {
            push(state, if state == shown { Value::Null } else { json!("late") });
            fence(&client);
            assert_eq!((message.state().as_str(), message.reason()), (shown, None), "after {state}");
            sent.push(state.to_owned());
        }
        push("undelivered", json!("unreachable"));
        assert_eq!(message.wait(LONG).unwrap().state, MessageState::Undelivered);
        push("sent", Value::Null);
        fence(&client);
        let shown = (message.state(), message.reason());
        assert_eq!(shown, (MessageState::Undelivered, Some("unreachable".to_owned())));
        sent.push("undelivered".to_owned());
        until("every state to be heard", || heard.lock().len() == sent.len());
        assert_eq!(*heard.lock(), sent, "listeners hear every event until the last");
    });
}

#[test]
fn a_received_message_is_not_done() {
    watched(|| {
        let sim = simulator_at(50.0);
        let client = client(&sim);
        sim.texts("+15552222222", "+15551111111", "Hello");
        let message = client.next_message(LONG).unwrap();
        assert_eq!((message.direction(), message.state()), (Direction::Inbound, MessageState::Received));
        assert!(!message.is_done() && message.result().is_none());
        assert_eq!(refusal(message.wait(LONG)).kind(), ErrorKind::Config);
    });
}
