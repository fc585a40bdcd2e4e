//! Calls: their states, their waits, their events, and their commands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use signalwire_relay::choices::Codec;
use signalwire_relay::connection::{HandlerFailure, Reply};
use signalwire_relay::devices::Devices;
use signalwire_relay::media::ringtone;
use signalwire_relay::params::{Answer, Disconnect, Hangup, SendDigits};
use signalwire_relay::states::ConnectState;
use signalwire_relay::{
    Call, CallState, Collect, Connect, EndReason, Error, ErrorKind, Event, Record, Result, machine, phone, silence,
    sip, tts,
};

use crate::support::{
    LONG, SHORT, answer_by_hand, answered, assert_accepted, builder, client, count, fence, of_call, offered,
    push_state, refusal, sent, sim, until, watched,
};

// States.

#[test]
fn a_state_never_goes_back() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        // The answer itself changes nothing before the service says so.
        sim.never_answer("calling.answer");
        for (told, shown) in [
            ("ringing", CallState::Ringing),
            ("created", CallState::Ringing),
            ("answered", CallState::Answered),
            ("ringing", CallState::Answered),
            ("something new", CallState::Answered),
            ("ending", CallState::Ending),
            ("answered", CallState::Ending),
        ] {
            push_state(&sim, &call, told);
            fence(&client);
            assert_eq!(call.state(), shown, "after {told}");
        }
        assert_eq!((call.end(), client.stats().calls), (None, 1));
    });
}

#[test]
fn the_answer_changes_the_state_only_when_the_service_says_so() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        sim.never_answer("calling.answer");
        let same = call.clone();
        let answering = thread::spawn(move || same.answer());
        answer_by_hand(&sim, "calling.answer", json!({"result": {"code": "200"}}));
        answering.join().unwrap().unwrap();
        assert_eq!(call.state(), CallState::Created);
        push_state(&sim, &call, "answered");
        call.wait_for_answered(LONG).unwrap();
        assert_eq!(call.state(), CallState::Answered);
    });
}

#[test]
fn a_call_reports_how_it_ended() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        caller.hang_up();
        assert_eq!(call.wait_for_ended(LONG).unwrap().reason, Some(EndReason::Hangup));
        assert_eq!((call.state(), call.end().unwrap().reason), (CallState::Ended, Some(EndReason::Hangup)));
        until("it left the tables", || client.stats().calls == 0);

        // In whatever way the reason is spelled; and a new one is kept.
        let known = [("no_answer", EndReason::NoAnswer), ("maxDuration", EndReason::MaxDuration)];
        for (text, reason) in known.into_iter().chain([("weather", EndReason::Other("weather".into()))]) {
            let (_caller, call) = offered(&sim, &client);
            let ended = json!({"call_state": "ended", "end_reason": text});
            sim.push_event("calling.call.state", of_call(&call, ended));
            assert_eq!(call.wait_for_ended(LONG).unwrap().reason, Some(reason));
        }
    });
}

// Waiting.

#[test]
fn a_wait_for_a_state_that_was_passed_returns_at_once() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        assert_eq!(call.wait_for_ringing(Duration::ZERO).unwrap(), CallState::Answered);
        assert_eq!(call.wait_for_answered(Duration::ZERO).unwrap(), CallState::Answered);
        assert_eq!(refusal(call.wait_for_ending(Duration::ZERO)).kind(), ErrorKind::Timeout);
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        for wait in [Call::wait_for_ringing, Call::wait_for_answered, Call::wait_for_ending] {
            assert_eq!(wait(&call, Duration::ZERO).unwrap(), CallState::Ended);
        }
        assert_eq!(call.wait_for_ended(None).unwrap().reason, Some(EndReason::Hangup));
    });
}

#[test]
fn a_wait_for_a_state_that_is_skipped_ends() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        let wait = |wait: fn(&Call, Duration) -> Result<CallState>| {
            let call = call.clone();
            thread::spawn(move || wait(&call, LONG))
        };
        let ringing = wait(Call::wait_for_ringing);
        push_state(&sim, &call, "answered");
        assert_eq!(ringing.join().unwrap().unwrap(), CallState::Answered);
        let ending = wait(Call::wait_for_ending);
        push_state(&sim, &call, "ended");
        assert_eq!(ending.join().unwrap().unwrap(), CallState::Ended);
    });
}

#[test]
fn a_wait_for_the_answer_to_a_call_that_ends_without_one_says_so() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = offered(&sim, &client);
        push_state(&sim, &call, "ringing");
        call.wait_for_ringing(LONG).unwrap();
        let same = call.clone();
        let (to, outcome) = mpsc::channel();
        let waiting = thread::spawn(move || to.send(same.wait_for_answered(LONG)).unwrap());
        caller.hang_up();
        let error = refusal(outcome.recv_timeout(LONG).unwrap());
        assert_eq!((error.kind(), error.is_timeout(), error.is_call_gone()), (ErrorKind::CallEnded, false, true));
        waiting.join().unwrap();
        // The wait is repeated after the end.
        assert_eq!(refusal(call.wait_for_answered(None)).kind(), ErrorKind::CallEnded);
        assert_eq!(call.wait_for_ringing(None).unwrap(), CallState::Ended);
        assert_eq!(call.wait_for_ended(None).unwrap().reason, Some(EndReason::Abandoned));
    });
}

#[test]
fn a_wait_that_timed_out_harms_no_other() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let patient: Vec<_> = (0..3)
            .map(|_| {
                let call = call.clone();
                thread::spawn(move || call.wait_for_ended(LONG))
            })
            .collect();
        for _ in 0..3 {
            let error = refusal(call.wait_for_ended(Duration::from_millis(3)));
            assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true));
            assert!(error.to_string().contains(call.id()), "{error}");
        }
        caller.hang_up();
        for wait in patient {
            assert_eq!(wait.join().unwrap().unwrap().reason, Some(EndReason::Hangup));
        }
        assert_eq!(call.wait_for_ended(Duration::ZERO).unwrap().reason, Some(EndReason::Hangup));
    });
}

// Events.

#[test]
fn listeners_hear_their_events_in_order_until_the_call_ends() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (states, all) = (Arc::clone(&heard), Arc::clone(&heard));
        call.on("calling.call.state", move |event| {
            let Event::CallState(event) = event else { panic!("a state") };
            states.lock().push(format!("state {}", event.state));
        });
        call.on_any(move |event| all.lock().push(event.name().to_string()));
        for n in 0..100 {
            sim.push_event("calling.call.strange", of_call(&call, json!({"n": n})));
        }
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        until("the end was told", || heard.lock().len() == 102);
        let heard = heard.lock().clone();
        assert!(heard[..100].iter().all(|name| name == "calling.call.strange"));
        assert_eq!(heard[100..], ["state ended", "calling.call.state"]);
    });
}

#[test]
fn a_listener_that_was_removed_receives_no_more() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let (to, heard) = mpsc::channel();
        let kept = Arc::new(());
        let (first, captured) = (to.clone(), Arc::clone(&kept));
        let listener = call.on("calling.x", move |_| {
            let _captured = &captured;
            first.send("first").unwrap();
        });
        // Dropping the handle on this one keeps it.
        drop(call.on("calling.x", move |_| to.send("second").unwrap()));
        sim.push_event("calling.x", of_call(&call, json!({"n": 1})));
        assert_eq!(heard.recv_timeout(LONG).unwrap(), "first");
        assert_eq!(heard.recv_timeout(LONG).unwrap(), "second");
        listener.remove();
        listener.clone().remove();
        sim.push_event("calling.x", of_call(&call, json!({"n": 2})));
        assert_eq!(heard.recv_timeout(LONG).unwrap(), "second");
        until("its closure is dropped", || Arc::strong_count(&kept) == 1);
    });
}

#[test]
fn listeners_may_use_the_call_and_do_not_hold_up_others() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_one, slow) = answered(&sim, &client);
        let (_two, quick) = answered(&sim, &client);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let (to, done) = mpsc::channel();
        let inside = slow.clone();
        slow.on("calling.x", move |_| {
            gate.lock().recv().ok();
            to.send(inside.send_digits("1")).unwrap();
        });
        sim.push_event("calling.x", of_call(&slow, json!({})));
        // The other call goes on, and so does this one.
        assert!(quick.play(tts("Hello")).unwrap().wait(LONG).is_ok());
        assert!(slow.play(tts("Hello")).unwrap().wait(LONG).is_ok());
        drop(release);
        done.recv_timeout(LONG).unwrap().unwrap();
    });
}

#[test]
fn a_listener_that_panics_takes_nothing_from_the_others() {
    watched(|| {
        let sim = sim();
        // Otherwise the first panic hangs the call up, and the second event may come too late for it.
        let client = builder(&sim).on_handler_failure(HandlerFailure::Leave).connect().unwrap();
        let (_caller, call) = answered(&sim, &client);
        let (to, heard) = mpsc::channel();
        call.on("calling.x", |_| panic!("on purpose"));
        call.on("calling.x", move |event| to.send(event.raw().get("n")).unwrap());
        for n in 0..2 {
            sim.push_event("calling.x", of_call(&call, json!({"n": n})));
            assert_eq!(heard.recv_timeout(LONG).unwrap(), Some(json!(n)));
        }
        until("both are counted", || client.stats().panics == 2);
    });
}

#[test]
fn closures_of_a_call_that_ended_are_dropped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let kept = Arc::new(());
        // A listener that holds its own call is a cycle, which the end breaks.
        let (captured, same) = (Arc::clone(&kept), call.clone());
        call.on_any(move |_| {
            let _held = (&captured, &same);
        });
        let captured = Arc::clone(&kept);
        let play = call.play(tts("for ever").then(silence(Duration::from_secs(36_000)))).unwrap();
        play.on_completed(move |_| drop(captured));
        assert_eq!(Arc::strong_count(&kept), 3);
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        until("they are dropped", || Arc::strong_count(&kept) == 1);
        let captured = Arc::clone(&kept);
        call.on_any(move |_| {
            let _held = &captured;
        });
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn the_stream_of_events_ends_with_the_call_and_with_its_last_event() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let mut events = call.events();
        assert!(events.next_within(Duration::from_millis(1)).is_none());
        sim.push_event("calling.call.strange", of_call(&call, json!({"n": 1})));
        assert_eq!(events.next_within(LONG).unwrap().raw().get("n"), Some(json!(1)));
        caller.hang_up();
        let left: Vec<_> = events.map(|event| event.raw().get("call_state")).collect();
        assert_eq!(left, [Some(json!("ended"))]);
        assert!(call.events().next().is_none());
    });
}

#[test]
fn wait_for_gives_the_first_event_that_fits_from_its_own_thread() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let (to, started) = mpsc::channel();
        let same = call.clone();
        let waiting = thread::spawn(move || {
            let here = thread::current().id();
            let seen = AtomicUsize::new(0);
            let event = same.wait_for(
                "calling.x",
                |event| {
                    assert_eq!(thread::current().id(), here);
                    to.send(()).unwrap();
                    seen.fetch_add(1, Ordering::SeqCst);
                    event.raw().get("n") == Some(json!(3))
                },
                LONG,
            );
            (event.unwrap().raw().get("n"), seen.into_inner())
        });
        // The wait begins at some moment: what came before does not count.
        let mut n = 0;
        while started.recv_timeout(Duration::from_millis(20)).is_err() {
            sim.push_event("calling.x", of_call(&call, json!({"n": 1, "try": n})));
            n += 1;
        }
        sim.push_event("calling.y", of_call(&call, json!({"n": 3})));
        sim.push_event("calling.x", of_call(&call, json!({"n": 2})));
        sim.push_event("calling.x", of_call(&call, json!({"n": 3})));
        let (found, seen) = waiting.join().unwrap();
        assert_eq!(found, Some(json!(3)));
        assert!(seen >= 3);

        assert_eq!(refusal(call.wait_for("calling.x", |_| true, SHORT)).kind(), ErrorKind::Timeout);
        let same = call.clone();
        let endless = thread::spawn(move || same.wait_for("calling.x", |_| true, None));
        caller.hang_up();
        assert_eq!(refusal(endless.join().unwrap()).kind(), ErrorKind::CallEnded);
        assert_eq!(refusal(call.wait_for("calling.x", |_| true, None)).kind(), ErrorKind::CallEnded);
    });
}

// Commands, as they are on the wire.

#[test]
fn answer_sends_what_was_set() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        let how = Answer::new().codecs([Codec::Pcmu, Codec::Opus]).max_duration(Duration::from_secs(600));
        call.answer_with(how).unwrap();
        assert_eq!(sent(&sim, "calling.answer"), json!({"codecs": ["PCMU", "OPUS"], "max_duration": 600}));
        let request = &sim.journal().requests("calling.answer")[0];
        assert_eq!(request.params()["call_id"], call.id());
        assert_eq!(request.params()["node_id"], call.node_id().as_str());
        assert_accepted(&sim);
    });
}

#[test]
fn hanging_up_sends_its_reason() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (n, (reason, text)) in [
            (None, "hangup"),
            (Some(EndReason::Busy), "busy"),
            (Some(EndReason::NoAnswer), "noAnswer"),
            (Some(EndReason::Decline), "decline"),
            (Some(EndReason::Cancel), "cancel"),
            (Some(EndReason::Error), "error"),
        ]
        .into_iter()
        .enumerate()
        {
            let (caller, call) = offered(&sim, &client);
            match reason {
                None => call.hangup().unwrap(),
                Some(reason) => call.hangup_with(Hangup::new().reason(reason)).unwrap(),
            }
            assert_eq!(caller.wait_ended(LONG).unwrap(), text);
            assert!(caller.was_hung_up_on());
            assert_eq!(sim.journal().requests("calling.end")[n].params()["reason"], text);
            assert_eq!(call.wait_for_ended(LONG).unwrap().reason, Some(text.into()));
        }
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_is_passed_has_ended_for_this_program() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = offered(&sim, &client);
        call.pass().unwrap();
        assert_eq!(sent(&sim, "calling.pass"), json!({}));
        // The call may ring elsewhere for a long time, and no wait depends on that.
        assert!(call.wait_for_ended(Duration::ZERO).is_ok());
        assert_eq!(client.stats().calls, 0);
        caller.wait_ended(LONG).unwrap();
        assert!(caller.was_passed());
        drop(call);
        fence(&client);
        assert_eq!((count(&sim, "calling.pass"), client.stats().calls_passed), (1, 0));
    });
}

#[test]
fn digits_are_sent_with_a_name_of_their_own() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        call.send_digits(SendDigits::new("1w2#").control_id("mine")).unwrap();
        assert_eq!(sent(&sim, "calling.send_digits"), json!({"digits": "1w2#", "control_id": "mine"}));
        call.wait_for("calling.call.send_digits", |_| true, LONG).ok();
        call.send_digits("34").unwrap();
        call.send_digits(String::from("5")).unwrap();
        let names: Vec<_> = sim
            .journal()
            .requests("calling.send_digits")
            .iter()
            .map(|request| request.params()["control_id"].as_str().unwrap().to_owned())
            .collect();
        assert!(names[1].len() == 36 && names[1] != names[2], "{names:?}");
        until("they were heard", || caller.digits_heard().len() == 6);
        assert_accepted(&sim);
    });
}

#[test]
fn extra_fields_are_sent_and_win() {
    watched(|| {
        let sim = signalwire_relay::simulator::Simulator::builder().speed(50.0).allow_unknown_fields().start().unwrap();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        call.answer_with(Answer::new().max_duration(Duration::from_secs(5)).extra("max_duration", 7).extra("x", "y"))
            .unwrap();
        assert_eq!(sent(&sim, "calling.answer"), json!({"max_duration": 7, "x": "y"}));
        sim.refuse_next("calling.end", 404, "gone");
        call.hangup_with(Hangup::new().extra("node_id", "elsewhere")).unwrap();
        assert_eq!(sim.journal().requests("calling.end")[0].params()["node_id"], "elsewhere");
    });
}

// Bridges.

#[test]
fn a_call_is_bridged_and_separated_again() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let agent = sim.callee("+15552222222").says("This is support");
        let mut events = call.events();
        let to = phone("+15552222222").from("+15559990000").timeout(Duration::from_secs(20));
        let reply = call
            .connect(
                Connect::new(to)
                    .ringback(tts("Please wait").then(ringtone("us")))
                    .tag("bridge")
                    .max_duration(5)
                    .send_digits("12"),
            )
            .unwrap();
        assert_eq!(reply.reply().code(), Some(200));
        assert_eq!(
            sent(&sim, "calling.connect"),
            json!({
                "devices": [[{"type": "phone", "params": {"to_number": "+15552222222", "from_number": "+15559990000",
                    "timeout": 20}}]],
                "ringback": [{"type": "tts", "params": {"text": "Please wait"}},
                    {"type": "ringtone", "params": {"name": "us"}}],
                "tag": "bridge", "max_duration": 5, "send_digits": "12",
            })
        );
        let bridge = |events: &mut signalwire_relay::events::EventStream<Event>| loop {
            if let Event::Connect(event) = events.next_within(LONG).unwrap() {
                return event;
            }
        };
        assert_eq!(bridge(&mut events).state, ConnectState::Connecting);
        let connected = bridge(&mut events);
        assert_eq!(connected.state, ConnectState::Connected);
        let peer = connected.peer.clone().unwrap();
        assert_eq!((connected.peer_call_id(), peer.tag.as_str()), (Some(peer.call_id.as_str()), "bridge"));
        assert_eq!(peer.device.to(), "+15552222222");
        assert!(!peer.node_id.is_empty() && peer.call_id != call.id());
        caller.wait_heard("support", LONG).unwrap();
        assert_eq!(agent.digits_heard(), "12");

        call.disconnect_with(Disconnect::new().extra("reason", "back to the menu")).unwrap();
        assert_eq!(sent(&sim, "calling.disconnect")["reason"], "back to the menu");
        assert_eq!(bridge(&mut events).state, ConnectState::Disconnected);
        assert_eq!(call.state(), CallState::Answered);
        assert_accepted(&sim);
    });
}

#[test]
fn a_bridge_that_fails_says_why_and_leaves_the_call_up() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.callee("+15552222222").is_busy();
        sim.callee("+15553333333").does_not_answer();
        for (to, why) in [("+15552222222", "busy"), ("+15553333333", "noAnswer")] {
            let mut events = call.events();
            call.connect(phone(to).timeout(Duration::from_secs(3))).unwrap();
            let failed = loop {
                match events.next_within(LONG).unwrap() {
                    Event::Connect(event) if event.state == ConnectState::Failed => break event,
                    _ => {}
                }
            };
            assert_eq!((failed.failed_reason.as_deref(), failed.peer_call_id()), (Some(why), None));
        }
        assert_eq!(call.state(), CallState::Answered);
        // The legs that rang left nothing behind.
        until("only the call is there", || client.stats().calls == 1);
        assert_accepted(&sim);
    });
}

#[test]
fn a_bridge_that_is_in_use_is_refused_with_the_words_of_the_service() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.callee("+15552222222").does_not_answer();
        call.connect(phone("+15552222222")).unwrap();
        let error = refusal(call.connect(phone("+15553333333")));
        assert_eq!(
            (error.kind(), error.code(), error.method()),
            (ErrorKind::Rejected, Some(409), Some("calling.connect"))
        );
        assert_eq!((error.call_id(), error.server_message()), (Some(call.id()), Some("A connect is in progress")));
        assert!(!error.is_retryable() && !error.may_have_been_sent() && !error.is_call_gone());
        assert!(error.to_string().contains(call.id()), "{error}");
        // Taking a bridge apart that is not there: the call is alive all the same.
        call.disconnect().unwrap();
        assert_eq!(call.state(), CallState::Answered);
    });
}

#[test]
fn what_cannot_be_bridged_is_refused_before_anything_is_sent() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let none: [Devices; 0] = [];
        for to in [
            Connect::new(phone("")),
            Connect::new(phone("+1 555")),
            Connect::new(sip("sip:a\u{7}@b")),
            Connect::new(Devices::in_order(none)),
            Connect::new(phone("+1555").from("+1")).extra("devices", json!([[], []])),
        ] {
            let error = refusal(call.connect(to));
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, None));
            let text = error.to_string();
            assert!(text.contains("not sent") && text.contains(": "), "{text}");
        }
        assert_eq!(count(&sim, "calling.connect"), 0);
    });
}

// Calls that no longer exist at the service.

type Verb = fn(&Call) -> Result<bool>;

/// Every request on a call. A start reports whether its action has ended with `CallGone`.
fn verbs() -> Vec<(&'static str, Family, Verb)> {
    fn gone<T>(outcome: Option<Result<T>>) -> bool {
        matches!(outcome, Some(Err(error)) if error.kind() == ErrorKind::CallGone)
    }
    vec![
        ("calling.answer", Family::Deciding, |call| call.answer().map(|()| true)),
        ("calling.end", Family::Deciding, |call| call.hangup().map(|()| true)),
        ("calling.pass", Family::Deciding, |call| call.pass().map(|()| true)),
        ("calling.play", Family::Start, |call| call.play(tts("x")).map(|action| gone(action.result()))),
        ("calling.record", Family::Start, |call| call.record(Record::new()).map(|action| gone(action.result()))),
        ("calling.collect", Family::Start, |call| call.collect(Collect::digits(1)).map(|action| gone(action.result()))),
        ("calling.play_and_collect", Family::Start, |call| {
            call.prompt(tts("x"), Collect::digits(1)).map(|action| gone(action.result()))
        }),
        ("calling.detect", Family::Start, |call| call.detect(machine()).map(|action| gone(action.result()))),
        ("calling.connect", Family::Other, |call| {
            call.connect(phone("+1555")).map(|bridge| bridge.reply().json() == "{}" && gone(bridge.result()))
        }),
        ("calling.disconnect", Family::Other, |call| call.disconnect().map(|action| gone(action.result()))),
        ("calling.send_digits", Family::Other, |call| call.send_digits("1").map(|action| gone(action.result()))),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Family {
    Deciding,
    Start,
    Other,
}

#[test]
fn a_call_that_the_service_does_not_know_has_ended_and_is_no_error() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (method, family, ask) in verbs() {
            for code in [404, 410] {
                let (caller, call) = offered(&sim, &client);
                sim.refuse_next(method, code, "no such thing");
                assert!(ask(&call).unwrap(), "{method} with {code}");
                let over = family != Family::Other || code == 410;
                assert_eq!(call.end().is_some(), over, "{method} with {code}");
                assert_eq!(client.stats().calls, usize::from(!over), "{method} with {code}");
                if over {
                    assert_eq!(call.wait_for_ended(Duration::ZERO).unwrap().reason, None);
                    assert_eq!(refusal(call.wait_for_answered(None)).kind(), ErrorKind::CallGone);
                    assert!(call.events().next().is_none());
                }
                caller.hang_up();
                caller.wait_ended(LONG).unwrap();
                call.wait_for_ended(LONG).unwrap();
            }
        }
        fence(&client);
        assert_eq!(client.stats().calls_passed, 0);
    });
}

#[test]
fn what_runs_on_a_call_ends_when_the_service_does_not_know_it() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        let play = call.play(tts("for ever").then(silence(Duration::from_secs(36_000)))).unwrap();
        let same = call.clone();
        let waiting = thread::spawn(move || same.wait_for("calling.x", |_| true, LONG));
        sim.refuse_next("calling.send_digits", 410, "gone");
        call.send_digits("1").unwrap();
        assert_eq!(refusal(play.wait(LONG)).kind(), ErrorKind::CallGone);
        let error = refusal(waiting.join().unwrap());
        assert!(error.is_call_gone());
        // An action that is started now is complete from the start, and nothing is sent.
        let started = count(&sim, "calling.play");
        let late = call.play(tts("x")).unwrap();
        let error = refusal(late.wait(None));
        assert_eq!((error.kind(), error.call_id()), (ErrorKind::CallGone, Some(call.id())));
        assert_eq!(count(&sim, "calling.play"), started);
    });
}

#[test]
fn every_other_refusal_is_an_error_that_says_what_was_refused() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = offered(&sim, &client);
        for (method, _, ask) in verbs() {
            for (code, retry) in
                [(400, false), (409, false), (500, false), (-32603, false), (503, true), (-32005, true)]
            {
                sim.refuse_next(method, code, "not like this");
                let error = refusal(ask(&call));
                // Another phone may ring although the service was in trouble.
                let is_open = method == "calling.connect" && [500, 503, -32603].contains(&code);
                let kind = if is_open { ErrorKind::OutcomeUnknown } else { ErrorKind::Rejected };
                assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{method}");
                assert_eq!((error.method(), error.call_id()), (Some(method), Some(call.id())));
                assert_eq!((error.server_message(), error.is_retryable()), (Some("not like this"), retry && !is_open));
                let text = error.to_string();
                let parts = [method, call.id(), &code.to_string(), "not like this"];
                assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            }
        }
        assert_eq!((call.end(), client.stats().calls), (None, 1));
    });
}

#[test]
fn execute_returns_the_whole_response_and_every_rejection() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.never_answer("calling.hold");
        let ask = |body: Value| {
            let same = call.clone();
            let asking = thread::spawn(move || same.execute("calling.hold", json!({"x": [1, null]})));
            answer_by_hand(&sim, "calling.hold", body);
            asking.join().unwrap()
        };
        let reply: Reply = ask(json!({"result": {"code": "200", "message": "Held", "more": {"a": [1]}}})).unwrap();
        assert_eq!(reply.value(), json!({"code": "200", "message": "Held", "more": {"a": [1]}}));
        assert_eq!((reply.code(), reply.message().as_deref()), (Some(200), Some("Held")));
        assert_eq!(reply.get("more"), Some(json!({"a": [1]})));
        assert_eq!(sent(&sim, "calling.hold"), json!({"x": [1, null]}));

        assert_eq!(refusal(ask(json!({"result": {"code": "404"}}))).kind(), ErrorKind::CallGone);
        assert_eq!(call.end(), None, "it may have been the operation that is gone");
        assert_eq!(refusal(call.execute("calling.hold", json!([]))).kind(), ErrorKind::Config);
        assert_eq!(refusal(ask(json!({"result": {"code": "410"}}))).kind(), ErrorKind::CallGone);
        assert!(call.end().is_some());
    });
}

#[test]
fn responses_are_judged_by_their_code_in_whatever_form_it_comes() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        sim.never_answer("calling.hold");
        let fine = |result: Value| (json!({"result": result}), None);
        let bad = |body: Value, code: Option<i64>| (body, Some(code));
        for (body, code) in [
            fine(json!({})),
            fine(json!({"code": 200})),
            fine(json!({"code": "200"})),
            fine(json!({"code": 201})),
            fine(json!({"code": "299"})),
            fine(json!({"message": "no code"})),
            fine(json!("no object")),
            fine(json!(null)),
            bad(json!({"result": {"code": "2xx"}}), None),
            bad(json!({"result": {"code": "2000"}}), Some(2000)),
            bad(json!({"result": {"code": 500, "message": "x"}}), Some(500)),
            bad(json!({"result": {"code": "409"}}), Some(409)),
            bad(json!({"error": {"code": -32602, "message": "x"}}), Some(-32602)),
            bad(json!({"error": {"code": "-32602", "message": "x"}}), Some(-32602)),
            bad(json!({"error": {"code": "odd"}}), None),
            bad(json!({"error": "only words"}), None),
        ] {
            let same = call.clone();
            let asking = thread::spawn(move || same.execute("calling.hold", json!({})));
            answer_by_hand(&sim, "calling.hold", body.clone());
            let outcome = asking.join().unwrap();
            assert_eq!(outcome.as_ref().err().map(Error::code), code, "{body}");
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Rejected, "{body}");
            }
        }
    });
}

#[test]
fn commands_on_a_call_that_has_ended_are_no_errors_and_operations_are_complete() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let play = call.play(tts("for ever").then(silence(Duration::from_secs(36_000)))).unwrap();
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        play.wait(LONG).ok();
        call.hangup().unwrap();
        call.answer().unwrap();
        call.pass().unwrap();
        call.send_digits("1").unwrap();
        call.disconnect().unwrap();
        call.connect(phone("+15552222222")).unwrap();
        play.stop().unwrap();
        play.pause().unwrap();
        play.volume(-3.0).unwrap();
        let started = count(&sim, "calling.record");
        let record = call.record(Record::new()).unwrap();
        let (to, told) = mpsc::channel();
        record.on_completed(move |ended| to.send(ended.as_ref().map(drop).map_err(Error::kind)).unwrap());
        assert_eq!(told.recv_timeout(LONG).unwrap(), Err(ErrorKind::CallEnded));
        assert_eq!(refusal(record.wait(None)).kind(), ErrorKind::CallEnded);
        assert!(record.is_done() && record.events().next().is_none());
        assert_eq!((record.reply().json(), count(&sim, "calling.record")), ("{}", started));
        assert_eq!(call.end().unwrap().reason, Some(EndReason::Hangup), "the reason stays the first");
        assert_eq!(client.stats().calls, 0);
    });
}

#[test]
fn requests_in_flight_end_when_the_client_is_closed() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).request_timeout(LONG).connect().unwrap();
        let (_caller, call) = answered(&sim, &client);
        sim.never_answer("calling.send_digits");
        let same = call.clone();
        let asking = thread::spawn(move || same.send_digits("1"));
        sim.wait_for_request("calling.send_digits", LONG).unwrap();
        client.disconnect();
        let error = refusal(asking.join().unwrap());
        assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::OutcomeUnknown), "{error}");
        assert_eq!(refusal(call.send_digits("1")).kind(), ErrorKind::Closed);
        assert_eq!(refusal(call.play(tts("x"))).kind(), ErrorKind::Closed);
        assert_eq!(refusal(call.wait_for_ended(None)).kind(), ErrorKind::Closed);
        assert_eq!(refusal(call.wait_for("calling.x", |_| true, None)).kind(), ErrorKind::Closed);
        assert!(call.end().is_none());
    });
}

#[test]
fn a_call_that_outlives_its_client_says_so() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_one, live) = answered(&sim, &client);
        let (gone, ended) = answered(&sim, &client);
        gone.hang_up();
        ended.wait_for_ended(LONG).unwrap();
        drop(client);
        until("the client is closed", || live.client().is_err());
        assert_eq!(refusal(live.hangup()).kind(), ErrorKind::Closed);
        assert_eq!(refusal(live.wait_for_answered(None).and(live.wait_for_ended(None))).kind(), ErrorKind::Closed);
        assert_eq!(refusal(ended.hangup()).kind(), ErrorKind::CallEnded);
        assert_eq!(ended.wait_for_ended(None).unwrap().reason, Some(EndReason::Hangup));
        assert_eq!(refusal(live.client()).kind(), ErrorKind::Closed);
    });
}
