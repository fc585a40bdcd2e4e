//! Every blocking method returns, whatever ends what it waits for: a table of methods by causes, each cell seen on a
//! simulator of its own.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{
    Action, Call, Client, Collect, Dial, ErrorKind, LinkState, Operation, Play, PlayState, Prompt, Record, Result,
    WeakClient, machine, phone, silence, sms, tts,
};

use crate::support::*;

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its own time is up, or the time of its request.
    Time,
    /// The caller hangs up, and nothing but `ended` is heard of it.
    End,
    /// The service does not know the call (any more).
    Gone,
    /// The link drops, and its session goes on: waits do, too.
    Resumed,
    /// The link drops, and another session takes its place.
    Lost,
    /// Somebody disconnects the client, on another thread.
    Closed,
    /// A handler does.
    ClosedByHandler,
    /// The last handle of the client goes.
    Dropped,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Done,
    /// A stream or iterator is over, or had nothing in time.
    Nothing,
    Failed(ErrorKind, bool),
}

fn got<T>(result: Result<T>) -> Got {
    match result {
        Ok(_) => Got::Done,
        Err(error) => Got::Failed(error.kind(), error.is_timeout()),
    }
}

fn item<T>(item: Option<T>) -> Got {
    item.map_or(Got::Nothing, |_| Got::Done)
}

/// What a cell wants to see.
#[derive(Clone, Copy, Debug)]
enum Want {
    Done,
    Nothing,
    Is(ErrorKind),
    /// The same, and `is_timeout()` as well.
    Late(ErrorKind),
    /// The wait goes on, and ends by what it waits for, like this.
    ThenDone,
    ThenNothing,
    ThenIs(ErrorKind),
    /// There is no such cell.
    No,
}

use ErrorKind as K;
use Want::{Done, Is, Late, No, Nothing, ThenDone, ThenIs, ThenNothing};

const CAUSES: [Cause; 8] = [
    Cause::Time,
    Cause::End,
    Cause::Gone,
    Cause::Resumed,
    Cause::Lost,
    Cause::Closed,
    Cause::ClosedByHandler,
    Cause::Dropped,
];

/// The rows, in the order of `CAUSES`.
type Row = [Want; 8];

const CLOSED: Want = Is(K::Closed);
/// A request of a client that is not answered; the client that it is made on is held by it.
const REQUEST: Row =
    [Late(K::OutcomeUnknown), No, Is(K::Rejected), Is(K::OutcomeUnknown), Is(K::OutcomeUnknown), CLOSED, CLOSED, No];
/// A command on a call: somebody who has left is no error.
const COMMAND: Row = [
    Late(K::OutcomeUnknown),
    Late(K::OutcomeUnknown),
    Done,
    Is(K::OutcomeUnknown),
    Is(K::OutcomeUnknown),
    CLOSED,
    CLOSED,
    CLOSED,
];
/// Any request on a call: its caller is told.
const CALL_REQUEST: Row = [
    Late(K::OutcomeUnknown),
    Late(K::OutcomeUnknown),
    Is(K::CallGone),
    Is(K::OutcomeUnknown),
    Is(K::OutcomeUnknown),
    CLOSED,
    CLOSED,
    CLOSED,
];
/// The start of an operation: on a call that is over, the action is over too, and that is no error of the start.
const START: Row =
    [Late(K::OutcomeUnknown), Done, Done, Is(K::OutcomeUnknown), Is(K::OutcomeUnknown), CLOSED, CLOSED, CLOSED];
/// What only an event can bring.
const OUTCOME: Row = [
    Late(K::Timeout),
    Is(K::CallEnded),
    Is(K::CallGone),
    ThenIs(K::CallEnded),
    Is(K::SessionLost),
    CLOSED,
    CLOSED,
    CLOSED,
];
/// A state that a call passes by ending.
const STATE: Row = [Late(K::Timeout), Done, Done, ThenDone, Is(K::SessionLost), CLOSED, CLOSED, CLOSED];
const STREAM: Row = [Nothing, Nothing, Nothing, ThenNothing, Nothing, Nothing, Nothing, Nothing];
/// What comes from outside and belongs to no session.
const PULL: Row = [Late(K::Timeout), No, No, ThenDone, ThenDone, CLOSED, CLOSED, No];
const ITERATOR: Row = [No, No, No, ThenDone, ThenDone, Nothing, Nothing, Nothing];
const DIAL: Row =
    [Late(K::DialFailed), Is(K::DialFailed), Is(K::Rejected), ThenDone, Is(K::SessionLost), CLOSED, CLOSED, No];
const DIALING: Row =
    [Late(K::Timeout), Is(K::DialFailed), Is(K::Rejected), ThenDone, Is(K::SessionLost), CLOSED, CLOSED, CLOSED];
const MESSAGE: Row = [Late(K::Timeout), No, No, ThenDone, Is(K::SessionLost), CLOSED, CLOSED, CLOSED];

/// The blocking part: takes the timeout, where the method has one.
type Wait = Box<dyn FnOnce(Option<Duration>) -> Got + Send>;

struct Method {
    name: &'static str,
    /// The request that it sends and that is left unanswered.
    request: Option<&'static str>,
    needs: Needs,
    row: Row,
    prepare: fn(&Scene) -> Wait,
}

/// What has to be there before it can wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// A call that was offered, and nothing done about it.
    Offer,
    Answered,
    /// Somebody who may be dialled.
    Callee,
    /// A text that gets no verdict.
    SlowText,
}

/// One client, one simulator, and what the method needs.
struct Scene {
    sim: Simulator,
    client: Mutex<Option<Client>>,
    weak: WeakClient,
    call: Option<Call>,
    caller: Option<PersonOnCall>,
    message: Mutex<Option<String>>,
}

const DIALLED: &str = "+15552220000";
const TAG: &str = "a-tag";

impl Scene {
    fn new(method: &Method, cause: Cause) -> Self {
        let sim = simulator_at(if method.needs == Needs::SlowText { 0.000_1 } else { 20.0 });
        // A request that nothing else ends has to run into its deadline.
        let by_deadline = matches!(cause, Cause::Time | Cause::End) && method.request.is_some();
        let builder = builder(&sim)
            .request_timeout(if by_deadline { Duration::from_secs(1) } else { LONG * 10 })
            .dial_timeout(if cause == Cause::Time { Duration::from_secs(1) } else { LONG * 10 })
            .end_grace(Duration::from_millis(50));
        let client = builder.connect().unwrap();
        let (mut call, mut caller) = (None, None);
        if matches!(method.needs, Needs::Offer | Needs::Answered) {
            caller = Some(sim.caller("+15551230000").is_silent().dials());
            let offered = client.next_call(LONG).unwrap();
            if method.needs == Needs::Answered {
                offered.answer().unwrap();
                offered.wait_for_answered(LONG).unwrap();
            }
            call = Some(offered);
        }
        if method.needs == Needs::Callee {
            match cause {
                Cause::End => drop(sim.callee(DIALLED).is_busy()),
                Cause::Gone => sim.fail("calling.dial", 404, "gone"),
                _ => drop(sim.callee(DIALLED).answers_after(NEVER)),
            }
        }
        let weak = client.downgrade();
        Self { sim, client: Mutex::new(Some(client)), weak, call, caller, message: Mutex::default() }
    }

    fn client(&self) -> Client {
        self.weak.upgrade().unwrap()
    }

    fn call(&self) -> Call {
        self.call.clone().unwrap()
    }

    /// What the wait is for, or its end.
    fn finish(&self, method: &Method) {
        match method.needs {
            Needs::Offer | Needs::Answered => self.hang_up(),
            Needs::SlowText => {
                let id = self.message.lock().unwrap().clone().unwrap();
                let event = json!({"message_id": id, "context": "default", "direction": "outbound",
                    "from_number": "+15551110000", "to_number": "+15552220000", "body": "Hi", "media": [],
                    "segments": 1, "tags": [], "message_state": "delivered"});
                self.sim.push_event("messaging.state", event);
            }
            Needs::Callee => {
                let leg = json!({"call_id": "a-leg", "node_id": "a-node", "tag": TAG, "dial_winner": true});
                let event = json!({"node_id": "a-node", "tag": TAG, "dial_state": "answered", "call": leg});
                self.sim.push_event("calling.call.dial", event);
            }
            Needs::Nothing => {
                self.sim.texts("+15553330000", "+15559990000", "hello");
                drop(self.sim.caller("+15551230000").dials());
            }
        }
    }

    fn hang_up(&self) {
        self.sim.end_calls_abruptly(true);
        self.caller.as_ref().unwrap().hang_up();
    }

    fn disconnect_in_a_handler(&self) {
        let weak = self.weak.clone();
        let client = self.client();
        // Whichever of the two the method does not wait for itself: a handler takes what comes before a waiter does.
        let handler = move || {
            if let Some(client) = weak.upgrade() {
                client.disconnect();
            }
        };
        if self.call.is_some() {
            let on = self.call().on_any(move |_| handler());
            self.sim.push_event("calling.error", json!({"call_id": self.call().id(), "error": "a push"}));
            drop(on);
        } else {
            // A handler takes what comes before a waiting thread does.
            client.on_message(move |_| {
                handler();
                Ok(())
            });
            self.sim.texts("+15553330000", "+15559990000", "hello");
        }
    }
}

fn forever() -> Play {
    Play::new(silence(NEVER))
}

fn asked() -> Collect {
    Collect::digits(4).initial_timeout(NEVER)
}

fn record() -> Record {
    Record::new().initial_timeout(NEVER).end_silence_timeout(NEVER).max_length(NEVER)
}

fn action<O: Operation>(action: Result<Action<O>>) -> Wait
where
    Action<O>: Send,
    O::Outcome: Send,
{
    let action = action.unwrap();
    Box::new(move |time| got(action.wait(time)))
}

macro_rules! on_client {
    ($job:expr) => {
        |scene| {
            let client = scene.client();
            let job: fn(&Client, Option<Duration>) -> Got = $job;
            Box::new(move |time| job(&client, time))
        }
    };
}

macro_rules! on_call {
    ($job:expr) => {
        |scene| {
            let call = scene.call();
            let job: fn(&Call, Option<Duration>) -> Got = $job;
            Box::new(move |time| job(&call, time))
        }
    };
}

fn to() -> Dial {
    Dial::new(phone(DIALLED).from("+15551110000")).tag(TAG)
}

#[rustfmt::skip]
fn methods() -> Vec<Method> {
    use Needs::{Answered, Callee, Offer, SlowText};
    let row = |name, needs, request, row, prepare| Method { name, request, needs, row, prepare };
    let none = Needs::Nothing;
    vec![
        row("Client::execute", none, Some("signalwire.ping"), REQUEST,
            on_client!(|client, _| got(client.execute("signalwire.ping", json!({}))))),
        row("Client::receive", none, Some("signalwire.receive"), REQUEST,
            on_client!(|client, _| got(client.receive(["more"])))),
        row("Client::unreceive", none, Some("signalwire.unreceive"), REQUEST,
            on_client!(|client, _| got(client.unreceive(["default"])))),
        row("Client::send_message", none, Some("messaging.send"), REQUEST,
            on_client!(|client, _| got(client.send_message(sms("+15552220000").from("+15551110000").body("Hi"))))),
        row("Client::next_call", none, None, PULL, on_client!(|client, time| got(client.next_call(time)))),
        row("Client::next_message", none, None, PULL, on_client!(|client, time| got(client.next_message(time)))),
        row("Client::calls", none, None, ITERATOR, |scene| {
            let mut calls = scene.client().calls();
            Box::new(move |_| item(calls.next()))
        }),
        row("Client::messages", none, None, ITERATOR, |scene| {
            let mut messages = scene.client().messages();
            Box::new(move |_| item(messages.next()))
        }),
        // The state after the one that it is in.
        row("LinkStates::next_within", none, None, [Nothing, No, No, Done, Done, Done, Done, Done], |scene| {
            let mut states = scene.client().states();
            states.next();
            Box::new(move |time| item(states.next_within(time)))
        }),
        row("LinkStates to the end", none, None, [No, No, No, No, No, Done, Done, Done], |scene| {
            let states = scene.client().states();
            Box::new(move |_| item(states.last().filter(LinkState::is_closed)))
        }),
        row("Client::run", none, None, [No, No, No, No, No, Done, Done, No],
            on_client!(|client, _| got(client.run()))),
        row("Client::dial", Callee, None, DIAL, on_client!(|client, _| got(client.dial(to())))),
        row("Dialing::wait", Callee, None, DIALING, |scene| {
            let dialing = scene.client().start_dial(to()).unwrap();
            Box::new(move |time| got(dialing.wait(time)))
        }),
        row("Message::wait", SlowText, None, MESSAGE, |scene| {
            let text = sms("+15552220000").from("+15551110000").body("Hi");
            let message = scene.client().send_message(text).unwrap();
            *scene.message.lock().unwrap() = Some(message.id());
            Box::new(move |time| got(message.wait(time)))
        }),

        row("Call::answer", Offer, Some("calling.answer"), COMMAND, on_call!(|call, _| got(call.answer()))),
        row("Call::pass", Offer, Some("calling.pass"), COMMAND, on_call!(|call, _| got(call.pass()))),
        row("Call::hangup", Answered, Some("calling.end"), COMMAND, on_call!(|call, _| got(call.hangup()))),
        row("Call::connect", Answered, Some("calling.connect"), COMMAND,
            on_call!(|call, _| got(call.connect(phone("+15552220000").from("+15551110000"))))),
        row("Call::disconnect", Answered, Some("calling.disconnect"), COMMAND,
            on_call!(|call, _| got(call.disconnect()))),
        row("Call::send_digits", Answered, Some("calling.send_digits"), COMMAND,
            on_call!(|call, _| got(call.send_digits("1")))),
        row("Call::execute", Answered, Some("calling.echo"), CALL_REQUEST,
            on_call!(|call, _| got(call.execute("calling.echo", json!({}))))),
        row("Call::play", Answered, Some("calling.play"), START, on_call!(|call, _| got(call.play(forever())))),
        row("Call::record", Answered, Some("calling.record"), START, on_call!(|call, _| got(call.record(record())))),
        row("Call::collect", Answered, Some("calling.collect"), START, on_call!(|call, _| got(call.collect(asked())))),
        row("Call::prompt", Answered, Some("calling.play_and_collect"), START,
            on_call!(|call, _| got(call.prompt(tts("?"), asked())))),
        row("Call::detect", Answered, Some("calling.detect"), START,
            on_call!(|call, _| got(call.detect(machine())))),
        row("Action::stop", Answered, Some("calling.play.stop"), COMMAND, |scene| {
            let action = scene.call().play(forever()).unwrap();
            Box::new(move |_| got(action.stop()))
        }),

        row("Action::wait of play", Answered, None, OUTCOME, |scene| action(scene.call().play(forever()))),
        row("Action::wait of record", Answered, None, OUTCOME, |scene| action(scene.call().record(record()))),
        row("Action::wait of collect", Answered, None, OUTCOME, |scene| action(scene.call().collect(asked()))),
        row("Action::wait of prompt", Answered, None, OUTCOME,
            |scene| action(scene.call().prompt(Prompt::new(tts("?")), asked()))),
        row("Action::wait of detect", Answered, None, OUTCOME,
            |scene| action(scene.call().detect(machine().initial_timeout(NEVER).timeout(NEVER)))),
        row("DetectAction::wait_ready", Answered, None, OUTCOME, |scene| {
            let detector = scene.call().detect(machine().initial_timeout(NEVER).timeout(NEVER)).unwrap();
            Box::new(move |time| got(detector.wait_ready(time)))
        }),
        row("Action::events", Answered, None, STREAM, |scene| {
            let action = scene.call().play(forever()).unwrap();
            let mut events = action.events();
            // `playing` may come before or after the stream is made: what counts is the end.
            Box::new(move |time| loop {
                match events.next_within(time) {
                    Some(event) if event.state == PlayState::Playing => {}
                    other => return item(other),
                }
            })
        }),
        row("Call::events to the end", Answered, None,
            [No, Nothing, Nothing, ThenNothing, Nothing, Nothing, Nothing, Nothing], |scene| {
            let events = scene.call().events();
            Box::new(move |_| item(events.filter(|event| event.name().as_str() == "none of these").last()))
        }),
        row("EventStream::next_within", Answered, None, [Nothing, Done, Nothing, ThenDone, Nothing, Nothing, No, Nothing],
            |scene| {
            let mut events = scene.call().events();
            Box::new(move |time| item(events.next_within(time)))
        }),
        row("Call::wait_for", Answered, None, OUTCOME,
            on_call!(|call, time| got(call.wait_for("calling.call.connect", |_| true, time)))),
        row("Call::wait_for_ringing", Offer, None, STATE, on_call!(|call, time| got(call.wait_for_ringing(time)))),
        row("Call::wait_for_answered", Offer, None, OUTCOME, on_call!(|call, time| got(call.wait_for_answered(time)))),
        row("Call::wait_for_ending", Answered, None, STATE, on_call!(|call, time| got(call.wait_for_ending(time)))),
        row("Call::wait_for_ended", Answered, None, STATE, on_call!(|call, time| got(call.wait_for_ended(time)))),
        // Its limit, the end of the calls that it waits for, or the end of the client: all the same to it.
        row("Client::shutdown", Answered, None, [Done, Done, Done, ThenDone, Done, Done, Done, No], |scene| {
            let client = scene.client();
            Box::new(move |time| {
                client.shutdown(time.unwrap_or(LONG * 10));
                Got::Done
            })
        }),
    ]
}

/// One cell of the table: what is wrong with it.
fn check(method: &Method, cause: Cause, want: Want) -> std::result::Result<(), String> {
    let scene = Scene::new(method, cause);
    let mut states = scene.client().states();
    let wait = (method.prepare)(&scene);
    if let Some(request) = method.request {
        if cause == Cause::Gone {
            scene.sim.fail(request, 404, "gone");
        } else {
            scene.sim.never_answer(request);
        }
    }
    let time = (cause == Cause::Time).then_some(Duration::from_millis(200));
    let waiter = Waiter::start(move || wait(time));
    match (method.request, method.needs) {
        (Some(request), _) => drop(scene.sim.wait_for_request(request, LONG).map_err(|missed| missed.to_string())?),
        (None, Needs::Callee) => {
            scene.sim.wait_for_request("calling.dial", LONG).map_err(|missed| missed.to_string())?;
        }
        (None, _) => waiter.is_waiting(),
    }
    match cause {
        Cause::Time => {}
        Cause::End if method.needs == Needs::Callee => {}
        Cause::End => scene.hang_up(),
        Cause::Gone if method.request.is_some() || method.needs == Needs::Callee => {}
        Cause::Gone => {
            scene.sim.fail("calling.end", 404, "gone");
            scene.call().hangup().unwrap();
        }
        Cause::Resumed => scene.sim.drop_link(),
        Cause::Lost => {
            scene.sim.forget_sessions();
            scene.sim.drop_link();
        }
        Cause::Closed => scene.client().disconnect(),
        Cause::ClosedByHandler => scene.disconnect_in_a_handler(),
        Cause::Dropped => drop(scene.client.lock().unwrap().take()),
    }
    if matches!(want, ThenDone | ThenNothing | ThenIs(_)) {
        let resumed = cause == Cause::Resumed;
        reaches(&mut states, |state| matches!(state, LinkState::Online { resumed: of } if *of == resumed));
        if let Ok(early) = waiter.result.try_recv() {
            return Err(format!("it does not go on: {early:?}"));
        }
        scene.finish(method);
    }
    let got = waiter.result.recv_timeout(LONG).map_err(|_| "it hangs".to_owned())?;
    let fits = match (want, &got) {
        (Done | ThenDone, Got::Done) | (Nothing | ThenNothing, Got::Nothing) => true,
        (Is(kind) | ThenIs(kind), Got::Failed(of, false)) | (Late(kind), Got::Failed(of, true)) => kind == *of,
        _ => false,
    };
    if !fits {
        return Err(format!("wants {want:?}, got {got:?}"));
    }
    // What the crate sends by itself, such as the hang-up of a leg, may still be on its way.
    until("requests are left", || {
        let pending = scene.weak.upgrade().map_or(0, |client| client.stats().pending_requests);
        if pending == 0 { Ok(()) } else { Err(pending) }
    });
    Ok(())
}

/// A thread that waits, and what it gets.
struct Waiter<T> {
    result: Receiver<T>,
    #[cfg(target_os = "linux")]
    task: Task,
}

impl<T: Send + 'static> Waiter<T> {
    fn start(wait: impl FnOnce() -> T + Send + 'static) -> Self {
        let (done, result) = mpsc::channel();
        #[cfg(target_os = "linux")]
        let (hello, begun) = mpsc::channel();
        thread::spawn(move || {
            #[cfg(target_os = "linux")]
            hello.send(Task::this_thread()).unwrap();
            let _nobody_cares = done.send(wait());
        });
        #[cfg(target_os = "linux")]
        let task = next(&begun, "the thread");
        Self {
            result,
            #[cfg(target_os = "linux")]
            task,
        }
    }

    /// Returns when the thread sleeps, or is done. Where that cannot be seen, what follows may come first: the wait
    /// then has the same result, if nothing is wrong.
    fn is_waiting(&self) {
        #[cfg(target_os = "linux")]
        until("the thread sleeps", || if self.task.sleeps() || !self.task.0.exists() { Ok(()) } else { Err(()) });
    }
}

/// One column of the table.
fn column(cause: Cause) {
    let at = CAUSES.iter().position(|of| *of == cause).unwrap();
    let cells: Vec<Method> = methods().into_iter().filter(|method| !matches!(method.row[at], No)).collect();
    assert!(cells.len() > 10);
    let cells = Mutex::new(cells);
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(method) = cells.lock().unwrap().pop() else { return };
                    if let Err(fault) = check(&method, cause, method.row[at]) {
                        faults.lock().unwrap().push(format!("{}: {fault}", method.name));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{cause:?}\n{}", faults.join("\n"));
}

#[test]
fn every_wait_ends_when_its_time_is_up() {
    column(Cause::Time);
}

#[test]
fn every_wait_ends_when_the_caller_hangs_up() {
    column(Cause::End);
}

#[test]
fn every_wait_ends_when_the_service_does_not_know_the_call() {
    column(Cause::Gone);
}

#[test]
fn requests_end_with_the_link_and_waits_go_on_when_it_resumes() {
    column(Cause::Resumed);
}

#[test]
fn every_wait_ends_when_the_session_is_lost() {
    column(Cause::Lost);
}

#[test]
fn every_wait_ends_when_another_thread_disconnects() {
    column(Cause::Closed);
}

#[test]
fn every_wait_ends_when_a_handler_disconnects() {
    column(Cause::ClosedByHandler);
}

#[test]
fn every_wait_ends_when_the_last_handle_is_dropped() {
    column(Cause::Dropped);
}

/// What becomes of a request that is made while there is no link.
#[test]
fn a_request_without_a_link_is_sent_later_or_never_and_its_caller_is_told() {
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
        // It was not sent: it belongs to no session yet.
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
            let sim = sim();
            sim.callee(DIALLED).answers();
            let time = if then == Then::TimeIsUp { Duration::from_secs(1) } else { LONG * 10 };
            let client = builder(&sim).request_timeout(time).connect().unwrap();
            let caller = sim.caller("+15551230000").is_silent().dials();
            let call = client.next_call(LONG).unwrap();
            call.answer().unwrap();
            call.wait_for_answered(LONG).unwrap();
            let mut states = client.states();
            // An operation that is to be stopped is started while there is a link.
            let prepared = (method == "calling.play.stop").then(|| job(&client, &call));
            sim.stop_listening();
            sim.drop_link();
            reaches(&mut states, |state| matches!(state, LinkState::Reconnecting { .. }));
            let wait = prepared.unwrap_or_else(|| job(&client, &call));
            let waiter = Waiter::start(wait);
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
            let got = next(&waiter.result, &format!("{method}, {then:?}: the result"));
            let fits = match (want, &got) {
                (Done, Got::Done) => true,
                (Is(kind), Got::Failed(of, false)) => kind == *of,
                _ => false,
            };
            assert!(fits, "{method}, {then:?}: wants {want:?}, got {got:?}");
            if then == Then::TimeIsUp {
                // It is not sent later either: a later request is the first that arrives.
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
    let sim = sim();
    let client = client(&sim);
    let mut states = client.states();
    sim.stop_listening();
    sim.drop_link();
    reaches(&mut states, |state| matches!(state, LinkState::Reconnecting { .. }));
    let cancelled = client.start_dial(phone("+15552220001").from("+15551110000")).unwrap();
    cancelled.cancel();
    drop(client.start_dial(phone("+15552220002").from("+15551110000")).unwrap());
    let limited = Dial::new(phone("+15552220003").from("+15551110000")).limit(Duration::from_millis(50));
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
    let sim = sim();
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
fn a_wait_on_something_that_is_over_returns_at_once() {
    /// How the call came to its end; what is started on it, and what an operation, `answered` and `ended` say.
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
        let method =
            Method { name: "", request: None, needs: Needs::Offer, row: STATE, prepare: |_| Box::new(|_| Got::Done) };
        let scene = Scene::new(&method, cause);
        let call = scene.call();
        let mut states = scene.client().states();
        let events = call.events();
        match cause {
            Cause::End => scene.hang_up(),
            Cause::Gone => {
                scene.sim.fail("calling.end", 404, "gone");
                call.hangup().unwrap();
            }
            Cause::Lost => {
                scene.sim.forget_sessions();
                scene.sim.drop_link();
                reaches(&mut states, |state| matches!(state, LinkState::Online { resumed: false }));
            }
            Cause::Closed => scene.client().disconnect(),
            Cause::ClosedByHandler => scene.disconnect_in_a_handler(),
            _ => drop(scene.client.lock().unwrap().take()),
        }
        // Ends with the call, so from here on the call is over.
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
            // An operation that is started now is over, too, and a command says what it says on a call that is over.
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
    let sim = sim();
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
        let sim = sim();
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
                sim.fail("calling.end", 410, "gone");
                call.hangup().unwrap();
            }
            Lost => {
                sim.forget_sessions();
                sim.drop_link();
                reaches(&mut states, |state| matches!(state, LinkState::Online { resumed: false }));
            }
            Closed => client.disconnect(),
            Dropped => {}
        }
        let client = (ending != Dropped).then_some(client);
        let of_wait = got(play.wait(LONG));
        let late = {
            let (tell, flag) = (tell.clone(), drops.flag());
            // On a thread that waits for its own callback: inline, it would wait for ever.
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
fn callbacks_of_a_client_that_is_gone_are_not_called_inline_either() {
    let sim = sim();
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
        let sim = if cause == Cause::End { sim() } else { simulator_at(0.000_1) };
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
fn a_410_ends_the_call_whatever_was_asked() {
    let sim = sim();
    let client = client(&sim);
    let _caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    sim.fail("calling.echo", 404, "no such thing");
    assert_eq!(call.execute("calling.echo", json!({})).unwrap_err().code(), 404);
    assert!(call.end().is_none(), "a 404 may mean something else than the call");
    sim.fail("calling.echo", 410, "gone");
    assert_eq!(call.execute("calling.echo", json!({})).unwrap_err().kind(), K::CallGone);
    assert!(call.end().is_some(), "the call goes on after a 410");
    assert_eq!(client.stats().calls, 0);
}

#[test]
fn an_offer_that_could_not_be_answered_goes_back_when_it_is_dropped() {
    let sim = sim();
    let client = builder(&sim).request_timeout(Duration::from_millis(300)).connect().unwrap();
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(LONG).unwrap();
    let mut states = client.states();
    sim.stop_listening();
    sim.drop_link();
    reaches(&mut states, |state| matches!(state, LinkState::Reconnecting { .. }));
    assert_eq!(call.answer().unwrap_err().kind(), K::Offline);
    sim.listen_again().unwrap();
    reaches(&mut states, LinkState::is_online);
    drop(call);
    caller.wait_ended(LONG).unwrap();
    assert!(caller.was_passed());
}

#[test]
fn connecting_ends_within_its_deadline() {
    let sim = sim();
    sim.freeze_link(true);
    let silent = builder(&sim).connect_timeout(Duration::from_millis(500));
    let error = watchdog("connecting to a silent peer", move || silent.connect().map(drop).unwrap_err());
    assert_eq!((error.kind(), error.is_timeout()), (K::Connect, true), "{error}");
    sim.freeze_link(false);
    sim.stop_listening();
    let refused = builder(&sim);
    let error = watchdog("connecting to nobody", move || refused.connect().map(drop).unwrap_err());
    assert_eq!(error.kind(), K::Connect, "{error}");
}
