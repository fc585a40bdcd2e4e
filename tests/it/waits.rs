//! The common behaviour of waits, beside the table of `matrix.rs`: repeated, too late, without a connection, with
//! callbacks.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::PlayState;
use signalwire_relay::{
    Call, Client, Dial, ErrorKind, LinkState, Play, Record, Result, WeakClient, machine, phone, silence, sms,
};

use crate::support::*;

/// The event that ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The caller hangs up, and `ended` is the only event.
    End,
    /// The service does not know the call (any more).
    Gone,
    /// The connection is lost, and another session takes its place.
    Lost,
    /// Another thread disconnects the client.
    Closed,
    /// A handler does.
    ClosedByHandler,
    /// The last handle of the client goes.
    Dropped,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Done,
    Failed(ErrorKind, bool),
}

fn got<T>(result: Result<T>) -> Got {
    match result {
        Ok(_) => Got::Done,
        Err(error) => Got::Failed(error.kind(), error.is_timeout()),
    }
}

/// The expected result of a request.
#[derive(Clone, Copy, Debug)]
enum Want {
    Done,
    Is(ErrorKind),
}

use ErrorKind as K;
use Want::{Done, Is};

const CLOSED: Want = Is(K::Closed);

/// One client, one simulator, and a call that was offered.
struct Scene {
    sim: Simulator,
    client: Option<Client>,
    weak: WeakClient,
    call: Call,
    caller: PersonOnCall,
}

const DIALLED: &str = "+15552220000";
const TAG: &str = "a-tag";

impl Scene {
    fn new() -> Self {
        let sim = simulator_at(20.0);
        let client = builder(&sim).tuning(|t| t.final_event_grace(Duration::from_secs(1))).connect().unwrap();
        let caller = sim.caller("+15551230000").is_silent().dials();
        let call = client.next_call(LONG).unwrap();
        let weak = client.downgrade();
        Self { sim, client: Some(client), weak, call, caller }
    }

    fn client(&self) -> Client {
        self.weak.upgrade().unwrap()
    }

    fn hang_up(&self) {
        self.sim.end_calls_abruptly(true);
        self.caller.hang_up();
    }

    fn disconnect_in_a_handler(&self) {
        let weak = self.weak.clone();
        self.call.on_any(move |_| {
            if let Some(client) = weak.upgrade() {
                client.disconnect();
            }
        });
        self.sim.push_event("calling.error", json!({"call_id": self.call.id(), "error": "a push"}));
    }
}

fn forever() -> Play {
    Play::new(silence(NEVER))
}

fn record() -> Record {
    Record::new().initial_timeout(NEVER).end_silence_timeout(NEVER).max_length(NEVER)
}

fn to() -> Dial {
    Dial::new(phone(DIALLED).from("+15551110000")).tag(TAG)
}

/// Waits on a thread of its own; gives what it gets.
fn on_a_thread<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || drop(done.send(wait())));
    result
}

/// The outcomes of a request that is made while there is no connection.
#[test]
fn a_request_without_a_connection_is_sent_later_or_never_and_its_caller_gets_the_outcome() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Then {
        TimeIsUp,
        Resumed,
        Lost,
        Closed,
        Dropped,
    }
    type Job = fn(&Client, &Call) -> Box<dyn FnOnce() -> Got + Send>;
    /// The method, and what its caller gets after a resume and in another session.
    type Line = (&'static str, bool, Want, Job);
    macro_rules! of_call {
        ($job:expr) => {
            |_, call| {
                let call = call.clone();
                let job: fn(&Call) -> Got = $job;
                Box::new(move || job(&call))
            }
        };
    }
    macro_rules! of_client {
        ($job:expr) => {
            |client, _| {
                let client = client.clone();
                let job: fn(&Client) -> Got = $job;
                Box::new(move || job(&client))
            }
        };
    }
    let lost = Is(K::SessionLost);
    let lines: [Line; 10] = [
        ("signalwire.ping", false, Done, of_client!(|client| got(client.execute("signalwire.ping", json!({}))))),
        ("signalwire.receive", false, Done, of_client!(|client| got(client.receive(["more"])))),
        (
            "messaging.send",
            false,
            Done,
            of_client!(|client| got(client.send_message(sms("+15552220000").from("+15551110000").body("Hi")))),
        ),
        // The request was not sent, so it belongs to no session yet.
        ("calling.dial", true, Done, |client, _| {
            let dialing = client.start_dial(to()).unwrap();
            Box::new(move || got(dialing.wait(None)))
        }),
        ("calling.end", true, lost, of_call!(|call| got(call.hangup()))),
        ("calling.send_digits", true, lost, of_call!(|call| got(call.send_digits("1")))),
        ("calling.play", true, lost, of_call!(|call| got(call.play(forever())))),
        ("calling.record", true, lost, of_call!(|call| got(call.record(record())))),
        (
            "calling.send_digits",
            true,
            lost,
            of_call!(|call| got(call.execute("calling.send_digits", json!({"digits": "1", "control_id": "keys"})))),
        ),
        ("calling.play.stop", true, lost, |_, call| {
            let action = call.play(forever()).unwrap();
            Box::new(move || got(action.stop()))
        }),
    ];
    let check = |(method, of_call, when_lost, job): Line| {
        for then in [Then::TimeIsUp, Then::Resumed, Then::Lost, Then::Closed, Then::Dropped] {
            if then == Then::Dropped && !of_call {
                continue;
            }
            let sim = simulator_at(20.0);
            sim.callee(DIALLED).answers();
            let time = if then == Then::TimeIsUp { Duration::from_secs(1) } else { LONG * 10 };
            let client = builder(&sim).request_timeout(time).connect().unwrap();
            let caller = sim.caller("+15551230000").is_silent().dials();
            let call = client.next_call(LONG).unwrap();
            call.answer().unwrap();
            call.wait_for_answered(LONG).unwrap();
            let mut states = client.states();
            // An operation that is to be stopped is started while the connection is up.
            let prepared = (method == "calling.play.stop").then(|| job(&client, &call));
            sim.stop_listening();
            sim.drop_link();
            reconnecting(&mut states);
            let wait = prepared.unwrap_or_else(|| job(&client, &call));
            let result = on_a_thread(wait);
            let weak = client.downgrade();
            until("the request is queued", || {
                let client = weak.upgrade().unwrap();
                if client.stats().offline_requests == 1 || then == Then::TimeIsUp { Ok(()) } else { Err(()) }
            });
            let before = sim.journal().requests(method).len();
            let (want, sent) = match then {
                Then::TimeIsUp => (Is(K::Offline), 0),
                Then::Resumed => {
                    sim.listen_again().unwrap();
                    // A play stop that finds nothing to stop, and other such things, are no error here.
                    (Done, 1)
                }
                Then::Lost => {
                    sim.forget_sessions();
                    sim.listen_again().unwrap();
                    (when_lost, usize::from(matches!(when_lost, Done)))
                }
                Then::Closed => {
                    client.disconnect();
                    (CLOSED, 0)
                }
                Then::Dropped => {
                    drop(client);
                    (CLOSED, 0)
                }
            };
            let got = next(&result, &format!("{method}, {then:?}: the result"));
            let fits = match (want, &got) {
                (Done, Got::Done) => true,
                (Is(kind), Got::Failed(of, false)) => kind == *of,
                _ => false,
            };
            assert!(fits, "{method}, {then:?}: wants {want:?}, got {got:?}");
            if then == Then::TimeIsUp {
                // The request is not sent later either: a later request is the first that arrives.
                sim.listen_again().unwrap();
                weak.upgrade().unwrap().execute("signalwire.ping", json!({})).unwrap();
                let pings = usize::from(method == "signalwire.ping");
                assert_eq!(sim.journal().requests(method).len(), before + pings, "{method}, {then:?}");
            } else {
                assert_eq!(sim.journal().requests(method).len(), before + sent, "{method}, {then:?}");
            }
            drop(caller);
        }
    };
    let check = &check;
    thread::scope(|scope| {
        for line in lines {
            scope.spawn(move || check(line));
        }
    });
}

#[test]
fn a_dial_that_is_given_up_before_it_was_sent_is_never_sent() {
    let sim = virtual_sim();
    let client = client(&sim);
    let mut states = client.states();
    sim.stop_listening();
    sim.drop_link();
    reconnecting(&mut states);
    let cancelled = client.start_dial(phone("+15552220001").from("+15551110000")).unwrap();
    cancelled.cancel();
    drop(client.start_dial(phone("+15552220002").from("+15551110000")).unwrap());
    let limited = Dial::new(phone("+15552220003").from("+15551110000")).limit(Duration::from_secs(5));
    let error = client.dial(limited).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_sent()), (K::Offline, false), "{error}");
    assert_eq!(client.stats().pending_requests, 0);
    sim.listen_again().unwrap();
    client.execute("signalwire.ping", json!({})).unwrap();
    assert!(sim.journal().requests("calling.dial").is_empty(), "a phone rang for nobody");
    assert_eq!(client.stats().dials_given_up, 0, "nothing can be answered late");
}

#[test]
fn a_wait_that_timed_out_may_be_repeated() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    let short = Duration::from_millis(1);
    let timed_out = |got: Got| assert_eq!(got, Got::Failed(K::Timeout, true));
    for _ in 0..3 {
        timed_out(got(call.wait_for_ringing(short)));
        timed_out(got(call.wait_for_answered(short)));
        timed_out(got(client.next_call(short)));
        timed_out(got(client.next_message(short)));
    }
    call.answer().unwrap();
    assert_eq!(call.wait_for_answered(LONG).unwrap().as_str(), "answered");
    assert_eq!(got(call.wait_for_ringing(short)), Got::Done);
    let play = call.play(forever()).unwrap();
    let mut of_play = play.events();
    let recording = call.record(record()).unwrap();
    let detector = call.detect(machine().initial_timeout(NEVER).timeout(NEVER)).unwrap();
    let dialing = client.start_dial(to()).unwrap();
    for _ in 0..3 {
        timed_out(got(call.wait_for_ending(short)));
        timed_out(got(call.wait_for_ended(short)));
        timed_out(got(call.wait_for("calling.call.connect", |_| true, short)));
        timed_out(got(play.wait(short)));
        timed_out(got(recording.wait(short)));
        timed_out(got(detector.wait(short)));
        timed_out(got(detector.wait_ready(short)));
        while of_play.next_within(short).is_some() {}
        if let Err(error) = dialing.wait(short) {
            assert_eq!(error.kind(), K::Timeout);
        }
    }
    assert_eq!(got(dialing.wait(LONG)), Got::Done);
    caller.hang_up();
    assert_eq!(call.wait_for_ended(LONG).unwrap().reason.unwrap().as_str(), "hangup");
    for _ in 0..2 {
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
        assert_eq!(recording.wait(LONG).unwrap().state.as_str(), "finished");
        assert_eq!(got(detector.wait(LONG)), Got::Done);
        assert_eq!(got(detector.wait_ready(LONG)), Got::Done);
        assert_eq!(call.wait_for_ended(short).unwrap().reason.unwrap().as_str(), "hangup");
    }
    assert!(of_play.next_within(LONG).is_some_and(|event| event.state == PlayState::Finished));
    assert!(of_play.next_within(LONG).is_none());
    sim.texts("+15553330000", "+15559990000", "hello");
    assert_eq!(client.next_message(LONG).unwrap().body(), "hello");
    let _next = sim.caller("+15551230001").dials();
    assert_eq!(client.next_call(LONG).unwrap().from_number(), "+15551230001");
}

#[test]
fn a_wait_on_something_that_has_ended_returns_at_once() {
    /// The end of a call, and the results of an operation that is started on it, of `answered` and of `ended`.
    type Line = (Cause, [Got; 3]);
    let failed = |kind| Got::Failed(kind, false);
    let lines: [Line; 6] = [
        (Cause::End, [failed(K::CallEnded), failed(K::CallEnded), Got::Done]),
        (Cause::Gone, [failed(K::CallGone), failed(K::CallGone), Got::Done]),
        (Cause::Lost, [failed(K::SessionLost); 3]),
        (Cause::Closed, [failed(K::Closed); 3]),
        (Cause::ClosedByHandler, [failed(K::Closed); 3]),
        (Cause::Dropped, [failed(K::Closed); 3]),
    ];
    for (cause, [of_operation, of_answer, of_end]) in lines {
        let mut scene = Scene::new();
        let call = scene.call.clone();
        let mut states = scene.client().states();
        let events = call.events();
        match cause {
            Cause::End => scene.hang_up(),
            Cause::Gone => {
                scene.sim.refuse_next("calling.end", 404, "gone");
                call.hangup().unwrap();
            }
            Cause::Lost => {
                scene.sim.forget_sessions();
                scene.sim.drop_link();
                next_state(&mut states, "Online", |state| matches!(state, LinkState::Online { resumed: false }));
            }
            Cause::Closed => scene.client().disconnect(),
            Cause::ClosedByHandler => scene.disconnect_in_a_handler(),
            _ => drop(scene.client.take()),
        }
        // The stream of events ends with the call, so from here on the call has ended.
        drop(events.last());
        watchdog(&format!("a wait after {cause:?}"), move || {
            for time in [None, Some(Duration::ZERO), Some(LONG * 10)] {
                assert_eq!(got(call.wait_for_ended(time)), of_end, "{cause:?}");
                assert_eq!(got(call.wait_for_ending(time)), of_end, "{cause:?}");
                assert_eq!(got(call.wait_for_ringing(time)), of_end, "{cause:?}");
                assert_eq!(got(call.wait_for_answered(time)), of_answer, "{cause:?}");
                assert_eq!(got(call.wait_for("calling.call.state", |_| true, time)), of_operation, "{cause:?}");
                assert!(call.events().next_within(time).is_none());
            }
            assert_eq!(call.end().is_some(), of_end == Got::Done, "{cause:?}");
            // An operation that is started now has ended as well, and a command returns the same as on any ended call.
            let play = call.play(forever());
            match &play {
                Ok(play) => {
                    assert!(play.is_done() && play.events().next().is_none());
                    assert_eq!(got(play.wait(None)), of_operation, "{cause:?}");
                }
                Err(_) => assert_eq!(got(play), of_operation, "{cause:?}"),
            }
            let client_is_there = matches!(cause, Cause::End | Cause::Gone);
            let command = if client_is_there { Got::Done } else { of_operation };
            assert_eq!(got(call.hangup()), command, "{cause:?}");
            assert_eq!(got(call.send_digits("1")), command, "{cause:?}");
        });
    }
}

#[test]
fn a_call_that_ended_says_so_though_the_client_is_closed() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    let play = {
        call.answer().unwrap();
        call.wait_for_answered(LONG).unwrap();
        sim.end_calls_abruptly(true);
        call.play(forever()).unwrap()
    };
    caller.hang_up();
    assert_eq!(call.wait_for_ended(LONG).unwrap().reason.unwrap().as_str(), "hangup");
    client.disconnect();
    drop(client);
    assert_eq!(got(call.wait_for_ended(None)), Got::Done);
    assert_eq!(got(call.wait_for_answered(None)), Got::Done);
    for result in [play.wait(None).map(drop), call.hangup(), call.play(forever()).map(drop)] {
        assert_eq!(result.unwrap_err().kind(), K::CallEnded);
    }
    assert_eq!(call.client().unwrap_err().kind(), K::Closed);
}

#[test]
fn on_completed_is_called_once_in_every_ending_and_never_inline() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Ending {
        Finished,
        Stopped,
        End,
        Gone,
        Lost,
        Closed,
        Dropped,
    }
    use Ending::{Closed, Dropped, End, Finished, Gone, Lost, Stopped};
    for ending in [Finished, Stopped, End, Gone, Lost, Closed, Dropped] {
        let sim = simulator_at(20.0);
        let client = client(&sim);
        let caller = sim.caller("+15551230000").is_silent().dials();
        let call = client.next_call(LONG).unwrap();
        call.answer().unwrap();
        call.wait_for_answered(LONG).unwrap();
        let (tell, told) = mpsc::channel();
        let play = if ending == Finished { call.play(silence(Duration::from_secs(4))) } else { call.play(forever()) };
        let play = play.unwrap();
        let drops = Drops::default();
        for _ in 0..3 {
            let (tell, flag) = (tell.clone(), drops.flag());
            play.on_completed(move |ended| {
                flag.touch();
                tell.send((thread::current().id(), got(ended.clone()))).unwrap();
            });
        }
        let mut states = client.states();
        match ending {
            Finished => {}
            Stopped => play.stop().unwrap(),
            End => {
                sim.end_calls_abruptly(true);
                caller.hang_up();
            }
            Gone => {
                sim.refuse_next("calling.end", 410, "gone");
                call.hangup().unwrap();
            }
            Lost => {
                sim.forget_sessions();
                sim.drop_link();
                next_state(&mut states, "Online", |state| matches!(state, LinkState::Online { resumed: false }));
            }
            Closed => client.disconnect(),
            Dropped => {}
        }
        let client = (ending != Dropped).then_some(client);
        let of_wait = got(play.wait(LONG));
        let late = {
            let (tell, flag) = (tell.clone(), drops.flag());
            // The thread waits for its own callback: inline, it would wait indefinitely.
            move || {
                let (inner, called) = mpsc::channel();
                let own = thread::current().id();
                play.on_completed(move |ended| {
                    flag.touch();
                    inner.send(thread::current().id()).unwrap();
                    tell.send((thread::current().id(), got(ended.clone()))).unwrap();
                });
                assert_ne!(next(&called, "a late callback"), own, "it was called inline");
                play
            }
        };
        let play = watchdog("attaching a callback", late);
        for _ in 0..4 {
            let (thread, ended) = next(&told, "a callback");
            assert_ne!(thread, thread::current().id());
            assert_eq!(ended, of_wait, "{ending:?}");
        }
        assert_eq!(play.result().map(got), Some(of_wait));
        drops.wait(4);
        drop(tell);
        assert!(told.recv().is_err(), "{ending:?}: a callback came twice");
        drop((client, caller));
    }
}

#[test]
fn callbacks_of_a_client_that_was_dropped_are_not_called_inline_either() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    let play = call.play(forever()).unwrap();
    let message = client.send_message(sms("+15552220000").from("+15551110000").body("Hi")).unwrap();
    message.wait(LONG).unwrap();
    client.disconnect();
    drop(client);
    let (tell, told) = mpsc::channel();
    for _ in 0..20 {
        let of_play = tell.clone();
        play.on_completed(move |_| of_play.send(thread::current().id()).unwrap());
        let of_message = tell.clone();
        message.on_completed(move |_| of_message.send(thread::current().id()).unwrap());
    }
    for _ in 0..40 {
        assert_ne!(next(&told, "the callback"), thread::current().id(), "it was called inline");
    }
    drop(caller);
}

#[test]
fn a_message_completes_once_in_every_ending() {
    for cause in [Cause::End, Cause::Lost, Cause::Closed, Cause::Dropped] {
        let sim = if cause == Cause::End { simulator_at(20.0) } else { simulator_at(0.000_1) };
        let client = client(&sim);
        let message = client.send_message(sms("+15552220000").from("+15551110000").body("Hi")).unwrap();
        let (tell, told) = mpsc::channel();
        let drops = Drops::default();
        for _ in 0..2 {
            let (tell, flag) = (tell.clone(), drops.flag());
            message.on_completed(move |ended| {
                flag.touch();
                tell.send(got(ended.clone())).unwrap();
            });
        }
        let of_states = drops.flag();
        message.on(move |_| of_states.touch());
        let client = match cause {
            Cause::Lost => {
                sim.forget_sessions();
                sim.drop_link();
                Some(client)
            }
            Cause::Closed => {
                client.disconnect();
                Some(client)
            }
            Cause::Dropped => {
                drop(client);
                None
            }
            _ => Some(client),
        };
        let of_wait = got(message.wait(LONG));
        let (late, flag) = (tell.clone(), drops.flag());
        message.on_completed(move |ended| {
            flag.touch();
            late.send(got(ended.clone())).unwrap();
        });
        for _ in 0..3 {
            assert_eq!(next(&told, "a callback"), of_wait);
        }
        drops.wait(4);
        drop(tell);
        assert!(told.recv().is_err(), "a callback came twice");
        let after = drops.flag();
        message.on(move |_| after.touch());
        drops.wait(5);
        drop(client);
    }
}

#[test]
fn a_410_ends_the_call_whatever_was_requested() {
    let sim = simulator_at(20.0);
    let client = client(&sim);
    let _caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    sim.refuse_next("calling.echo", 404, "no such thing");
    assert_eq!(call.execute("calling.echo", json!({})).unwrap_err().code(), Some(404));
    assert!(call.end().is_none(), "a 404 may mean something else than the call");
    sim.refuse_next("calling.echo", 410, "gone");
    assert_eq!(call.execute("calling.echo", json!({})).unwrap_err().kind(), K::CallGone);
    assert!(call.end().is_some(), "the call goes on after a 410");
    assert_eq!(client.stats().calls, 0);
}

#[test]
fn an_offer_that_could_not_be_answered_goes_back_when_it_is_dropped() {
    let sim = virtual_sim();
    let client = builder(&sim).request_timeout(Duration::from_secs(5)).connect().unwrap();
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    let mut states = client.states();
    sim.stop_listening();
    sim.drop_link();
    reconnecting(&mut states);
    assert_eq!(call.answer().unwrap_err().kind(), K::Offline);
    sim.listen_again().unwrap();
    next_state(&mut states, "Online", LinkState::is_online);
    drop(call);
    caller.wait_ended(LONG).unwrap();
    assert!(caller.was_passed());
}

#[test]
fn connecting_ends_within_its_deadline() {
    let sim = virtual_sim();
    sim.freeze_link(true);
    let silent = builder(&sim).connect_timeout(Duration::from_secs(5));
    let error = silent.connect().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.is_timeout()), (K::Connect, true), "{error}");
    sim.freeze_link(false);
    sim.stop_listening();
    let refused = builder(&sim);
    let error = refused.connect().map(drop).unwrap_err();
    assert_eq!(error.kind(), K::Connect, "{error}");
}
