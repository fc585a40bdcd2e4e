//! The results of listeners and callbacks: an error ends the call, as with a handler.

use std::time::Duration;

use serde_json::json;
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::errors::BoxError;
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{Builder, Call, Client, HandlerResult, phone, silence, sms};

use crate::support::{LONG, until_in, virtual_sim, watched};

const SECOND: Duration = Duration::from_secs(1);

fn plain(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"])
}

fn dials_in(sim: &Simulator) -> PersonOnCall {
    sim.caller("+15551230000").is_silent().dials()
}

/// The end of a callback.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Well,
    /// The callback returns an error of the program.
    Fails,
    /// The callback returns the error that the call has ended.
    CallEnded,
    Panics,
}

fn ends(how: End, call: &Call) -> HandlerResult {
    match how {
        End::Well => Ok(()),
        End::Fails => Err("on purpose".into()),
        End::CallEnded => {
            call.hangup()?;
            call.wait_for_ended(None)?;
            Err(call.wait_for("calling.call.play", |_| true, None).unwrap_err().into())
        }
        End::Panics => panic!("on purpose"),
    }
}

/// The place where a callback of a call is registered.
#[derive(Clone, Copy, Debug)]
enum Place {
    On,
    OnAny,
    Completed,
    /// An operation that has ended already.
    CompletedLate,
}

fn register(place: Place, call: &Call, how: End) {
    let own = call.clone();
    let play = call.play(silence(SECOND)).unwrap();
    match place {
        // Closures that end in `Ok(())` need no type.
        Place::On => drop(call.on("calling.call.play", move |_| {
            ends(how, &own)?;
            Ok(())
        })),
        Place::OnAny => drop(call.on_any(move |_| ends(how, &own))),
        Place::Completed => play.on_completed(move |played| {
            played.clone()?;
            ends(how, &own)
        }),
        Place::CompletedLate => {
            play.wait(LONG).unwrap();
            play.on_completed(move |_| ends(how, &own));
        }
    }
}

#[test]
fn a_callback_that_fails_or_panics_has_its_call_hung_up_and_is_counted() {
    for place in [Place::On, Place::OnAny, Place::Completed, Place::CompletedLate] {
        for how in [End::Well, End::Fails, End::CallEnded, End::Panics] {
            watched(move || {
                let sim = virtual_sim();
                let client = plain(&sim).connect().unwrap();
                let caller = dials_in(&sim);
                let call = client.next_call(LONG).unwrap();
                call.answer().unwrap();
                register(place, &call, how);
                sim.advance(60 * SECOND);
                let what = format!("{place:?} {how:?}");
                assert_eq!(caller.was_hung_up_on(), how != End::Well, "{what}");
                let stats = client.stats();
                assert_eq!(stats.handler_failures > 0, how == End::Fails, "{what}");
                assert_eq!(stats.panics > 0, how == End::Panics, "{what}");
                let reason = call.end().and_then(|end| end.reason);
                let wanted = match how {
                    End::Well => None,
                    End::CallEnded => Some("hangup"),
                    End::Fails | End::Panics => Some("error"),
                };
                assert_eq!(reason.as_ref().map(signalwire_relay::EndReason::as_str), wanted, "{what}");
            });
        }
    }
}

#[test]
fn a_call_that_was_not_answered_is_passed_back_when_a_callback_fails() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).connect().unwrap();
        let caller = dials_in(&sim);
        let call = client.next_call(LONG).unwrap();
        call.on("calling.error", |_| Err::<(), BoxError>("on purpose".into()));
        sim.push_event("calling.error", json!({"call_id": call.id(), "error": "x"}));
        until_in(&sim, "the call to be passed back", || caller.was_passed());
        assert_eq!((client.stats().handler_failures, client.stats().calls_passed), (1, 1));
    });
}

#[test]
fn a_callback_that_fails_leaves_the_call_to_a_program_that_wants_it() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).on_handler_failure(HandlerFailure::Leave).connect().unwrap();
        let caller = dials_in(&sim);
        let call = client.next_call(LONG).unwrap();
        call.answer().unwrap();
        call.play(silence(SECOND)).unwrap().on_completed(|_| Err::<(), BoxError>("on purpose".into()));
        sim.advance(60 * SECOND);
        assert_eq!((client.stats().handler_failures, client.stats().calls), (1, 1));
        assert!(!caller.was_hung_up_on());
        call.hangup().unwrap();
    });
}

#[test]
fn callbacks_without_a_call_are_counted_when_they_fail() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).on_state(|_| Err::<(), BoxError>("on purpose".into())).connect().unwrap();
        let failures = |count: u64| until_in(&sim, "failures", || client.stats().handler_failures == count);
        failures(1);
        client.on_event(|event| if event.name().as_str() == "some.event" { Err("on purpose".into()) } else { Ok(()) });
        sim.push_event("some.event", json!({}));
        failures(2);
        let text = sms("+15552222222").from("+15551111111").body("hello");
        let message = client.send_message(text).unwrap();
        message.on_completed(|state| {
            state.clone()?;
            Err("on purpose".into())
        });
        failures(3);
        sim.callee("+15552220000").answers();
        let dialing = client.start_dial(phone("+15552220000").from("+15551111111")).unwrap();
        dialing.on_completed(|call| {
            call.clone()?;
            Err("on purpose".into())
        });
        failures(4);
        let call = dialing.wait(LONG).unwrap();
        until_in(&sim, "the end of the call", || call.end().is_some());
        // One that only panics, and those that return nothing, are callbacks as well.
        message.on_completed(|_| panic!("on purpose"));
        message.on_completed(|_| {});
        until_in(&sim, "the panic", || client.stats().panics == 1);
        assert_eq!(client.stats().handler_failures, 4);
    });
}
