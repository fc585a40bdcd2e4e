//! Threads, closures and tables of a client: their numbers while it lives, and none afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{Call, CallState, Client, Dial, ErrorKind, LinkState, Play, phone, silence, sms, tts};

use crate::support::*;

/// A call that was answered, and the one who called.
fn answered(sim: &Simulator, client: &Client) -> (Call, PersonOnCall) {
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    (call, caller)
}

fn forever() -> Play {
    Play::new(silence(NEVER))
}

fn text() -> signalwire_relay::params::Sms {
    sms("+15552220000").from("+15551110000").body("Hi")
}

fn to(number: &str) -> Dial {
    phone(number).from("+15551110000").into()
}

// Threads.

// A socket that is polled wakes its reader ten times a second.
#[cfg(all(target_os = "linux", not(relay_polled_sockets)))]
#[test]
fn an_idle_client_has_two_threads_that_sleep_between_pings() {
    in_child("lifecycle::an_idle_client_has_two_threads_that_sleep_between_pings", &[], || {
        let sim = Simulator::builder().speed(20.0).pings_every(NEVER).start().unwrap();
        let client = builder(&sim).tuning(|t| t.ping_after(NEVER)).connect().unwrap();
        // An idle call costs no thread either.
        let (call, _caller) = answered(&sim, &client);
        let idle = Task::of_the_crate();
        assert_eq!(idle.len(), 2, "threads of an idle client");
        until("the threads sleep", || if idle.iter().all(Task::sleeps) { Ok(()) } else { Err(()) });
        // The last acknowledgement may just have been sent, so the second look must find no change.
        let switches = || idle.iter().map(Task::voluntary_switches).collect::<Vec<_>>();
        let busy_sim = Simulator::start().unwrap();
        let busy = builder(&busy_sim).connect().unwrap();
        for _ in 0..200 {
            busy.execute("signalwire.ping", json!({})).unwrap();
        }
        let before = switches();
        for _ in 0..2000 {
            busy.execute("signalwire.ping", json!({})).unwrap();
        }
        assert_eq!(switches(), before, "the client wakes up though there is nothing to do");
        assert_eq!((client.stats().workers, client.stats().jobs_waiting), (0, 0));
        drop(call);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_after_a_client() {
    in_child("lifecycle::no_thread_is_left_after_a_client", &[], || {
        let none_left = || {
            until("threads are left", || match Task::of_the_crate().len() {
                0 => Ok(()),
                count => Err(count),
            });
        };
        for way in 0..4 {
            let sim = simulator_at(20.0);
            let client = client(&sim);
            let (done, ended) = mpsc::channel();
            client.on_call(move |call| {
                call.answer()?;
                call.play(silence(Duration::from_millis(10)))?.wait(LONG)?;
                call.hangup()?;
                done.send(()).unwrap();
                Ok(())
            });
            let callers: Vec<_> = (0..8).map(|_| sim.caller("+15551230000").dials()).collect();
            for _ in &callers {
                next(&ended, "the end of a handler");
            }
            match way {
                0 => client.disconnect(),
                1 => drop(client),
                2 => client.shutdown(LONG),
                _ => {
                    // From a handler: it cannot wait for itself.
                    let (said, heard) = mpsc::channel();
                    let weak = client.downgrade();
                    client.on_message(move |_| {
                        weak.upgrade().unwrap().disconnect();
                        said.send(()).unwrap();
                        Ok(())
                    });
                    sim.texts("+15553330000", "+15559990000", "hello");
                    next(&heard, "the end of disconnect");
                    assert!(client.run().is_ok());
                }
            }
            none_left();
        }
        // One that could not connect leaves none either.
        let sim = simulator_at(20.0);
        sim.stop_listening();
        builder(&sim).connect().map(drop).unwrap_err();
        none_left();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn reader_and_writer_have_ended_when_disconnect_returns() {
    in_child("lifecycle::reader_and_writer_have_ended_when_disconnect_returns", &[], || {
        for _ in 0..20 {
            let sim = simulator_at(20.0);
            let client = client(&sim);
            client.execute("signalwire.ping", json!({})).unwrap();
            client.disconnect();
            assert!(client.state().is_closed(), "it does not wait for its threads");
            // The system takes a joined thread out of its table a moment later.
            until("threads are left", || match Task::of_the_crate().len() {
                0 => Ok(()),
                count => Err(count),
            });
        }
    });
}

// Closing.

#[test]
fn disconnect_may_be_called_twice_and_by_everyone_at_once() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let barrier = Arc::new(Barrier::new(32));
    let threads: Vec<_> = (0..32)
        .map(|_| {
            let (client, barrier) = (client.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                client.disconnect();
                assert!(client.state().is_closed());
                client.disconnect();
            })
        })
        .collect();
    watchdog("disconnecting", || threads.into_iter().for_each(|thread| thread.join().unwrap()));
    assert_eq!(client.execute("signalwire.ping", json!({})).unwrap_err().kind(), ErrorKind::Closed);
    sim.wait_connected(0, LONG).unwrap();
    client.run().unwrap();
    assert!(matches!(client.states().last(), Some(LinkState::Closed { cause: None })));
}

#[test]
fn disconnect_from_handlers_of_many_calls_returns() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let (done, ended) = mpsc::channel();
    let all_here = Arc::new(Barrier::new(8));
    let weak = client.downgrade();
    client.on_call(move |call| {
        all_here.wait();
        weak.upgrade().unwrap().disconnect();
        done.send(call.answer().unwrap_err().kind()).unwrap();
        Ok(())
    });
    let _callers: Vec<_> = (0..8).map(|_| sim.caller("+15551230000").dials()).collect();
    for _ in 0..8 {
        assert_eq!(next(&ended, "the end of a handler"), ErrorKind::Closed);
    }
    client.run().unwrap();
}

#[test]
fn disconnect_interrupts_the_wait_before_a_reconnect() {
    let sim = simulator_at(20.0);
    let client = builder(&sim).tuning(|t| t.reconnect_delay(NEVER, NEVER)).connect().unwrap();
    let mut states = client.states();
    sim.drop_link();
    reconnecting(&mut states);
    let closing = client.clone();
    watchdog("disconnect during back-off", move || closing.disconnect());
    assert!(client.state().is_closed());
    assert!(states.last().is_some_and(|state| state.is_closed()));
    assert_eq!(sim.connections_ever(), 1);
}

#[test]
fn disconnect_interrupts_a_reconnect_that_waits_for_the_service() {
    let sim = simulator_at(20.0);
    let client = builder(&sim).connect_timeout(NEVER).connect().unwrap();
    // The socket is accepted and upgraded, and nothing is said after that.
    sim.never_answer("signalwire.connect");
    let _first = sim.wait_for_request("signalwire.connect", LONG).unwrap();
    sim.drop_link();
    let _second = sim.wait_for_request("signalwire.connect", LONG).unwrap();
    let closing = client.clone();
    watchdog("disconnect during authentication", move || closing.disconnect());
    assert!(client.state().is_closed());
    until("the socket is closed", || if sim.connections() == 0 { Ok(()) } else { Err(sim.connections()) });
    // A last handle that goes in that moment closes, too.
    let sim = simulator_at(20.0);
    let client = builder(&sim).connect_timeout(NEVER).connect().unwrap();
    let states = client.states();
    sim.never_answer("signalwire.connect");
    sim.wait_for_request("signalwire.connect", LONG).unwrap();
    sim.drop_link();
    sim.wait_for_request("signalwire.connect", LONG).unwrap();
    drop(client);
    assert!(watchdog("closing by drop", move || states.last()).is_some_and(|state| state.is_closed()));
}

#[test]
fn the_last_handle_closes_and_a_handler_that_holds_one_is_a_handle() {
    let sim = simulator_at(20.0);
    // A clone, a call and a stream that are left do not keep it open, and a weak handle does not.
    let first = client(&sim);
    let (call, _caller) = answered(&sim, &first);
    let (second, weak, states) = (first.clone(), first.downgrade(), first.states());
    drop(first);
    assert!(weak.upgrade().is_some_and(|client| client.state().is_online()));
    assert_eq!(call.client().unwrap().contexts(), second.contexts());
    drop(second);
    assert!(watchdog("closing by drop", move || states.last()).is_some_and(|state| state.is_closed()));
    assert!(weak.upgrade().is_none());
    assert_eq!(call.client().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(call.hangup().unwrap_err().kind(), ErrorKind::Closed);
    sim.wait_connected(0, LONG).unwrap();

    // A handler that holds the client keeps it open; closing takes the handler out.
    let client = client(&sim);
    let drops = Drops::default();
    let (held, flag) = (client.clone(), drops.flag());
    client.on_call(move |_| {
        flag.touch();
        let _ = held.contexts();
        Ok(())
    });
    let (held, flag) = (client.clone(), drops.flag());
    client.on_message(move |_| {
        flag.touch();
        let _ = held.contexts();
        Ok(())
    });
    let weak = client.downgrade();
    drop(client);
    let client = weak.upgrade().unwrap();
    assert!(client.state().is_online() && drops.count() == 0);
    client.disconnect();
    drops.wait(2);
    drop(client);
    until("the cycle is broken", || weak.upgrade().map_or(Ok(()), |_| Err(())));
}

#[test]
fn no_closure_is_kept_after_the_end_of_a_call_or_of_the_client() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum By {
        End,
        Gone,
        Lost,
        Disconnect,
        Drop,
    }
    for by in [By::End, By::Gone, By::Lost, By::Disconnect, By::Drop] {
        let sim = simulator_at(if by == By::End { 20.0 } else { 1.0 });
        let client = client(&sim);
        let (call, caller) = answered(&sim, &client);
        let play = call.play(forever()).unwrap();
        let message = client.send_message(text()).unwrap();
        let of_call = Drops::default();
        for round in 0..2 {
            let (on, any, completed) = (of_call.flag(), of_call.flag(), of_call.flag());
            let held = call.clone();
            let listener = call.on("calling.call.state", move |_| on.touch());
            call.on_any(move |_| {
                any.touch();
                let _ = held.state();
            });
            play.on_completed(move |_| completed.touch());
            if round == 0 {
                listener.remove();
                listener.remove();
                of_call.wait(1);
            }
        }
        let of_client = Drops::default();
        let (state, completed, handler, texts) =
            (of_client.flag(), of_client.flag(), of_client.flag(), of_client.flag());
        let replaced = Drops::default();
        let old = replaced.flag();
        message.on(move |_| state.touch());
        message.on_completed(move |_| completed.touch());
        client.on_call(move |_| {
            old.touch();
            Ok(())
        });
        client.on_call(move |_| {
            handler.touch();
            Ok(())
        });
        client.on_message(move |_| {
            texts.touch();
            Ok(())
        });
        replaced.wait(1);
        let mut client = Some(client);
        match by {
            By::End => caller.hang_up(),
            By::Gone => {
                sim.refuse_next("calling.end", 404, "gone");
                call.hangup().unwrap();
            }
            By::Lost => {
                sim.forget_sessions();
                sim.drop_link();
            }
            By::Disconnect => client.as_ref().unwrap().disconnect(),
            By::Drop => drop(client.take()),
        }
        of_call.wait(6);
        // An event that arrives after the end is not kept either.
        let late = of_call.flag();
        call.on_any(move |_| late.touch());
        of_call.wait(7);
        if let Some(client) = &client {
            client.disconnect();
            let late = of_client.flag();
            client.on_call(move |_| {
                late.touch();
                Ok(())
            });
            of_client.wait(5);
        } else {
            of_client.wait(4);
        }
        drop((play, message, caller));
    }
}

// Handlers.

#[test]
fn handlers_that_panic_affect_no_other_handler() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let (done, ended) = mpsc::channel();
    client.on_call(move |call| {
        let number: usize = call.from_number().trim_start_matches("+1555000").parse()?;
        match number % 4 {
            1 => panic!("on purpose, unanswered"),
            3 => {
                call.answer()?;
                call.wait_for_answered(LONG)?;
                panic!("on purpose, answered");
            }
            _ => {}
        }
        call.answer()?;
        call.play(silence(Duration::from_millis(100)))?.wait(LONG)?;
        call.hangup()?;
        done.send(()).unwrap();
        Ok(())
    });
    let callers: Vec<_> = (0..100).map(|n| sim.caller(format!("+1555000{n:04}")).is_silent().dials()).collect();
    for _ in 0..50 {
        next(&ended, "a handler that does not panic");
    }
    for (n, caller) in callers.iter().enumerate() {
        caller.wait_ended(LONG).unwrap();
        let how = (caller.was_passed(), caller.was_hung_up_on());
        assert_eq!(how, (n % 4 == 1, n % 4 != 1), "call {n}, {:?}", caller.end_reason());
    }
    until("the panics are counted", || match client.stats().panics {
        50 => Ok(()),
        other => Err(other),
    });
    until("calls are left", || match client.stats() {
        stats if (stats.calls, stats.pending_requests) == (0, 0) => Ok(()),
        stats => Err(Box::new(stats)),
    });
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn listeners_and_callbacks_that_panic_do_not_stop_those_after_them() {
    let sim = simulator_at(20.0);
    // Otherwise the first panic hangs the call up, as that of a handler does.
    let client = builder(&sim).on_handler_failure(HandlerFailure::Leave).connect().unwrap();
    let (call, caller) = answered(&sim, &client);
    let play = call.play(forever()).unwrap();
    let (done, ended) = mpsc::channel();
    call.on_any(|_| panic!("on purpose, by a listener"));
    play.on_completed(|_| panic!("on purpose, by a callback"));
    let second = done.clone();
    play.on_completed(move |_| second.send("completed").unwrap());
    play.stop().unwrap();
    assert_eq!(next(&ended, "the second callback"), "completed");
    // The listener that panics is not forgotten, nor does its panic end the call.
    call.on("calling.call.state", move |_| done.send("state").unwrap());
    caller.hang_up();
    call.wait_for_ended(LONG).unwrap();
    until("the panics are counted", || if client.stats().panics >= 3 { Ok(()) } else { Err(client.stats().panics) });
}

#[test]
fn code_that_blocks_delays_no_other_call() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let (release, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let blocked = Arc::new(AtomicUsize::new(0));
    // The handlers of forty calls, their listeners, and a message handler, all wait for the same thing.
    let (of_handlers, count) = (Arc::clone(&gate), Arc::clone(&blocked));
    client.on_call(move |call| {
        if call.from_number() != "+15551239999" {
            count.fetch_add(1, Ordering::SeqCst);
            let _closed = of_handlers.lock().unwrap().recv();
            return Ok(());
        }
        let (tell, told) = mpsc::channel();
        call.on("calling.call.play", move |_| tell.send(()).unwrap_or_default());
        call.answer()?;
        call.play(tts("free"))?.wait(LONG)?;
        next(&told, "an event of a call that is free");
        Ok(call.hangup()?)
    });
    let (of_messages, count) = (Arc::clone(&gate), Arc::clone(&blocked));
    client.on_message(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let _closed = of_messages.lock().unwrap().recv();
        Ok(())
    });
    let callers: Vec<_> = (0..40).map(|n| sim.caller(format!("+1555123{n:04}")).is_silent().dials()).collect();
    sim.texts("+15553330000", "+15559990000", "hello");
    until("all of them block", || match blocked.load(Ordering::SeqCst) {
        41 => Ok(()),
        other => Err(other),
    });
    let free = sim.caller("+15551239999").is_silent().dials();
    free.wait_ended(LONG).unwrap();
    assert!(free.was_hung_up_on() && free.heard() == ["free"]);
    client.execute("signalwire.ping", json!({})).unwrap();
    assert!(client.send_message(text()).unwrap().wait(LONG).is_ok());
    // They do not keep the client from closing either.
    let closing = client.clone();
    watchdog("disconnect beside code that blocks", move || closing.disconnect());
    drop(release);
    drop(callers);
}

#[test]
fn every_method_may_be_called_from_every_kind_of_callback() {
    type Method = (&'static str, fn(&Client, &Call));
    const METHODS: [Method; 17] = [
        ("execute", |client, _| drop(client.execute("signalwire.ping", json!({})).unwrap())),
        ("receive", |client, _| client.receive(["more"]).unwrap()),
        ("unreceive", |client, _| client.unreceive(["more"]).unwrap()),
        ("send_message", |client, _| drop(client.send_message(text()).unwrap().wait(LONG).unwrap())),
        ("dial", |client, _| client.dial(to("+15552220000")).unwrap().hangup().unwrap()),
        ("cancel", |client, _| client.start_dial(to("+15552220001")).unwrap().cancel()),
        ("next_call", |client, _| drop(client.next_call(Duration::ZERO).unwrap_err())),
        ("getters", |client, call| {
            drop((client.stats(), client.state(), client.contexts(), client.protocol(), client.downgrade()));
            drop((call.state(), call.device(), call.end(), call.client().unwrap(), format!("{call:?}{client:?}")));
        }),
        ("states", |client, _| assert!(client.states().next().is_some())),
        ("play", |_, call| drop(call.play(silence(Duration::from_millis(10))).unwrap().wait(LONG).unwrap())),
        ("stop", |_, call| {
            let play = call.play(forever()).unwrap();
            play.on_completed(|_| {});
            play.stop().unwrap();
            play.wait(LONG).unwrap();
        }),
        ("listen", |_, call| {
            call.on("calling.call.play", |_| {}).remove();
            drop(call.events());
        }),
        ("events", |_, call| {
            let events = call.events();
            let play = call.play(silence(Duration::from_millis(10))).unwrap();
            assert_eq!(events.take(2).count(), 2);
            play.wait(LONG).unwrap();
        }),
        ("wait_for", |_, call| {
            call.wait_for_answered(LONG).unwrap();
            call.wait_for("none", |_| true, Duration::from_millis(1)).unwrap_err();
        }),
        ("send_digits", |_, call| drop(call.send_digits("1").unwrap().wait(LONG).unwrap())),
        ("on_message", |client, _| client.on_message(|_| Ok(()))),
        ("hangup", |_, call| {
            call.hangup().unwrap();
            call.wait_for_ended(LONG).unwrap();
        }),
    ];
    const KINDS: [&str; 8] = [
        "on_call",
        "on_message",
        "listener",
        "listener of everything",
        "on_completed",
        "late on_completed",
        "Message::on",
        "Message::on_completed",
    ];
    let column = |kind: &'static str| {
        let sim = simulator_at(20.0);
        sim.callee("+15552220001").does_not_answer();
        let client = client(&sim);
        let (tell, told) = mpsc::channel::<&'static str>();
        let tell = Mutex::new(Some(tell));
        // The last of them is a disconnect, as hard a one as there is.
        let all = move |client: &Client, call: &Call| {
            let Some(tell) = tell.lock().unwrap().take() else { return };
            for (name, method) in METHODS {
                method(client, call);
                tell.send(name).unwrap();
            }
            client.disconnect();
            tell.send("disconnect").unwrap();
        };
        let (call, caller) = answered(&sim, &client);
        let held = client.clone();
        let call_held = call.clone();
        match kind {
            "on_call" => {
                client.on_call(move |call| {
                    call.answer()?;
                    call.wait_for_answered(LONG)?;
                    all(&held, &call);
                    Ok(())
                });
                drop(sim.caller("+15551230002").is_silent().dials());
            }
            "on_message" => {
                client.on_message(move |_| {
                    all(&held, &call_held);
                    Ok(())
                });
                sim.texts("+15553330000", "+15559990000", "hello");
            }
            "listener" => {
                call.on("calling.call.play", move |_| all(&held, &call_held));
                let _playing = call.play(forever()).unwrap();
            }
            "listener of everything" => {
                call.on_any(move |_| all(&held, &call_held));
                let _playing = call.play(forever()).unwrap();
            }
            "on_completed" => {
                let play = call.play(forever()).unwrap();
                play.on_completed(move |_| all(&held, &call_held));
                play.stop().unwrap();
            }
            "late on_completed" => {
                let play = call.play(forever()).unwrap();
                play.stop().unwrap();
                play.wait(LONG).unwrap();
                play.on_completed(move |_| all(&held, &call_held));
            }
            "Message::on" => client.send_message(text()).unwrap().on(move |_| all(&held, &call_held)),
            _ => client.send_message(text()).unwrap().on_completed(move |_| all(&held, &call_held)),
        }
        for (name, _) in METHODS {
            assert_eq!(next(&told, &format!("{name} in {kind}")), name);
        }
        assert_eq!(next(&told, &format!("disconnect in {kind}")), "disconnect");
        client.run().unwrap();
        drop(caller);
    };
    thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(move || column(kind));
        }
    });
}

// Shutting down.

#[test]
fn shutdown_lets_calls_finish_and_starts_nothing_new() {
    let sim = simulator_at(20.0);
    // No handler takes calls here: without the shutdown a call would wait for one.
    let client = builder(&sim).tuning(|t| t.claim_timeout(NEVER)).connect().unwrap();
    let (first, one) = answered(&sim, &client);
    let (second, other) = answered(&sim, &client);
    let (going, done) = (client.clone(), mpsc::channel());
    let tell = done.0;
    thread::spawn(move || {
        going.shutdown(LONG * 10);
        tell.send(()).unwrap();
    });
    until("the client is draining", || match client.start_dial(to("+15552220000")) {
        Err(error) if error.kind() == ErrorKind::Draining => Ok(()),
        other => Err(other.map(drop)),
    });
    assert_eq!(client.send_message(text()).map(drop).unwrap_err().kind(), ErrorKind::Draining);
    // A new call goes to another member of the context.
    sim.wait_for_request("signalwire.unreceive", LONG).unwrap();
    let other_member = builder(&sim).tuning(|t| t.claim_timeout(NEVER)).connect().unwrap();
    let late = sim.caller("+15551230009").is_silent().dials();
    let elsewhere = other_member.next_call(LONG).unwrap();
    assert_eq!(elsewhere.id(), late.call_id());
    assert!(!late.was_passed());
    // Live calls continue.
    first.play(silence(Duration::from_millis(10))).unwrap().wait(LONG).unwrap();
    first.hangup().unwrap();
    second.play(silence(Duration::from_millis(10))).unwrap().wait(LONG).unwrap();
    assert!(done.1.try_recv().is_err() && client.state().is_online());
    other.hang_up();
    next(&done.1, "the end of shutdown");
    assert!(client.state().is_closed());
    assert_eq!(second.wait_for_ended(None).unwrap().reason.unwrap().as_str(), "hangup");
    assert!(one.was_hung_up_on() && !other.was_hung_up_on());
    client.run().unwrap();
}

#[test]
fn shutdown_hangs_up_what_is_left_at_its_limit() {
    let sim = virtual_sim();
    let client = client(&sim);
    let (call, caller) = answered(&sim, &client);
    let play = call.play(forever()).unwrap();
    let offered = sim.caller("+15551230001").is_silent().dials();
    let offer = client.next_call(LONG).unwrap();
    sim.callee("+15552220000").answers_after(NEVER);
    let dialing = client.start_dial(to("+15552220000")).unwrap();
    sim.wait_for_event("calling.call.state", LONG).unwrap();
    client.shutdown(Duration::from_secs(5));
    assert!(client.state().is_closed());
    caller.wait_ended(LONG).unwrap();
    offered.wait_ended(LONG).unwrap();
    assert!(caller.was_hung_up_on() && offered.was_hung_up_on());
    assert_eq!(call.wait_for_ended(None).unwrap().reason.unwrap().as_str(), "hangup");
    assert_eq!(play.wait(None).unwrap().state.as_str(), "finished");
    assert_eq!(offer.state(), CallState::Ended);
    // No phone rings without a caller.
    assert!(dialing.wait(None).is_err());
    until_in(&sim, "the dialled leg is ended", || {
        let ended = sim.journal().requests("calling.end").len();
        if ended == 3 { Ok(()) } else { Err(ended) }
    });
    // Again, and beside a disconnect, it does nothing.
    client.shutdown(LONG);
    client.disconnect();
}

#[test]
fn the_tables_are_empty_when_everything_has_ended() {
    let sim = virtual_sim();
    sim.callee("+15552220001").is_busy();
    sim.callee("+15552220002").answers_after(NEVER);
    let limit = Duration::from_secs(5);
    let client = builder(&sim)
        .tuning(|t| t.late_answer_window(limit).final_event_grace(limit).claim_timeout(limit))
        .connect()
        .unwrap();
    // A call that is passed because it is unclaimed, and a message likewise.
    sim.caller("+15551230001").dials().wait_ended(LONG).unwrap();
    sim.texts("+15553330000", "+15559990000", "hello");
    client.on_call(|call| {
        call.answer()?;
        let _ = call.record(signalwire_relay::Record::new())?;
        call.on_any(|_| {});
        call.play(tts("hello"))?.wait(LONG)?;
        Ok(call.hangup()?)
    });
    let callers: Vec<_> = (0..20).map(|n| sim.caller(format!("+1555123{n:04}")).is_silent().dials()).collect();
    for _ in 0..5 {
        client.send_message(text()).unwrap().wait(LONG).unwrap();
        client.dial(to("+15552220000")).unwrap().hangup().unwrap();
        client.dial(to("+15552220001")).unwrap_err();
        client.dial(to("+15552220002").limit(limit)).unwrap_err();
    }
    for caller in callers {
        caller.wait_ended(LONG).unwrap();
    }
    sim.drop_link();
    until_in(&sim, "something is left", || {
        let stats = client.stats();
        let left = [
            stats.calls,
            stats.messages,
            stats.dials,
            stats.dials_given_up,
            stats.unclaimed,
            stats.unmatched_events,
            stats.pending_requests,
            stats.offline_requests,
            stats.write_queue_bytes,
            stats.listener_backlog_bytes,
            stats.jobs_waiting,
        ];
        if left.iter().all(|count| *count == 0) { Ok(()) } else { Err(Box::new(stats)) }
    });
    let stats = client.stats();
    assert_eq!((stats.calls_passed, stats.messages_dropped, stats.panics, stats.handler_failures), (1, 1, 0, 0));
    client.disconnect();
    until_in(&sim, "something is left of a closed client", || {
        let stats = client.stats();
        if (stats.timers, stats.workers, stats.jobs_waiting) == (0, 0, 0) { Ok(()) } else { Err(Box::new(stats)) }
    });
    assert_eq!(sim.violations(), Vec::<String>::new());
}

// The process.

#[cfg(target_os = "linux")]
fn terminate() {
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

/// Returns when so many clients have installed what `run` installs: each has a thread for signals beside its two.
#[cfg(target_os = "linux")]
fn wait_for_run(clients: usize) {
    until("the threads for signals", || match Task::of_the_crate().len() {
        count if count == 3 * clients => Ok(()),
        count => Err(count),
    });
}

#[cfg(all(target_os = "linux", feature = "signals"))]
#[test]
fn a_signal_ends_run_cleanly() {
    in_child("lifecycle::a_signal_ends_run_cleanly", &[], || {
        let sim = simulator_at(20.0);
        let client = builder(&sim).drain_limit(LONG * 10).connect().unwrap();
        let (call, caller) = answered(&sim, &client);
        let drains = client.clone();
        let other = thread::spawn(move || {
            wait_for_run(1);
            terminate();
            until("the client is draining", || match drains.send_message(text()) {
                Err(error) if error.kind() == ErrorKind::Draining => Ok(()),
                other => Err(other.map(drop)),
            });
            // A live call may finish.
            call.play(silence(Duration::from_millis(10))).unwrap().wait(LONG).unwrap();
            caller.hang_up();
        });
        client.run().unwrap();
        other.join().unwrap();
        assert!(client.state().is_closed());
    });
}

#[cfg(all(target_os = "linux", feature = "signals"))]
#[test]
fn a_signal_ends_the_second_run_of_a_process_as_cleanly() {
    in_child("lifecycle::a_signal_ends_the_second_run_of_a_process_as_cleanly", &[], || {
        let sim = simulator_at(20.0);
        let first = client(&sim);
        first.disconnect();
        first.run().unwrap();
        until("threads are left", || if Task::of_the_crate().is_empty() { Ok(()) } else { Err(()) });
        let second = client(&sim);
        let other = thread::spawn(|| {
            wait_for_run(1);
            terminate();
        });
        second.run().unwrap();
        other.join().unwrap();
    });
}

#[cfg(all(target_os = "linux", feature = "signals"))]
#[test]
fn a_signal_ends_all_that_run_though_another_has_stopped() {
    in_child("lifecycle::a_signal_ends_all_that_run_though_another_has_stopped", &[], || {
        let sim = simulator_at(20.0);
        let clients = [client(&sim), client(&sim), client(&sim)];
        let runs = clients.clone().map(|client| thread::spawn(move || client.run().unwrap()));
        wait_for_run(3);
        clients[0].disconnect();
        wait_for_run(2);
        terminate();
        runs.into_iter().for_each(|run| run.join().unwrap());
        assert!(clients.iter().all(|client| client.state().is_closed()));
    });
}

#[cfg(all(target_os = "linux", feature = "signals"))]
#[test]
fn a_second_signal_ends_the_process_at_once() {
    let name = "lifecycle::a_second_signal_ends_the_process_at_once";
    let status = child(name, &[], || {
        let sim = simulator_at(20.0);
        let client = builder(&sim).drain_limit(LONG * 10).connect().unwrap();
        let (_call, _caller) = answered(&sim, &client);
        let drains = client.clone();
        thread::spawn(move || {
            wait_for_run(1);
            terminate();
            until("the client is draining", || match drains.send_message(text()) {
                Err(error) if error.kind() == ErrorKind::Draining => Ok(()),
                other => Err(other.map(drop)),
            });
            terminate();
        });
        client.run().unwrap();
        unreachable!("the live call keeps it from ending");
    });
    if let Some((status, output)) = status {
        assert_eq!(status.code(), Some(128 + 15), "{status}\n{output}");
    }
}

#[test]
fn a_limit_on_connections_is_kept_and_slots_are_freed() {
    in_child(
        "lifecycle::a_limit_on_connections_is_kept_and_slots_are_freed",
        &[("RELAY_MAX_CONNECTIONS", "2")],
        || {
            let sim = simulator_at(20.0);
            let (first, second) = (client(&sim), client(&sim));
            let refused = |sim: &Simulator| {
                let error = builder(sim).connect().map(drop).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("RELAY_MAX_CONNECTIONS"), "{error}");
            };
            refused(&sim);
            assert_eq!(sim.connections_ever(), 2);
            first.disconnect();
            // One that does not come up gives its slot back.
            let nobody = simulator_at(20.0);
            nobody.stop_listening();
            assert_eq!(builder(&nobody).connect().map(drop).unwrap_err().kind(), ErrorKind::Connect);
            let third = client(&sim);
            refused(&sim);
            let states = third.states();
            drop(third);
            drop(states.last());
            until("the slot comes back", || builder(&sim).connect().map(drop));
            drop(second);
        },
    );
}
