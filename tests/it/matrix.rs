//! Every blocking method ends, whatever ends its wait, and at the expected moment: a table of methods by causes, each
//! cell in a virtual time of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::actions::Operation;
use signalwire_relay::devices::rtp;
use signalwire_relay::events::EventStream;
use signalwire_relay::params::{
    Ai, AiHold, AiMessage, AiUnhold, AmazonBedrock, Answer, BindDigit, ClearDigitBindings, Disconnect, Echo, Hangup,
    JoinConference, LeaveRoom, LiveSummary, LiveTranscribe, LiveTranscription, LiveTranslate, LiveTranslation, Pay,
    ReceiveFax, Transcribe, Transfer, UserEvent, digit_detector, fax_tone,
};
use signalwire_relay::simulator::{FrameKind, FrameRecord, PersonOnCall, Simulator};
use signalwire_relay::states::PlayState;
use signalwire_relay::{
    Action, Call, Client, Collect, Dial, ErrorKind, LinkState, Play, Record, Result, WeakClient, machine, phone,
    silence, sip, sms, tts,
};

use crate::support::{NEVER, each, left};

/// The event that ends a wait, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The awaited event occurs.
    Finish,
    /// The caller hangs up, and `ended` is the only event.
    End,
    /// The service does not know the call any more.
    Gone,
    /// The connection is lost, and its session is resumed.
    Resumed,
    /// The connection is lost, and another session takes its place.
    Lost,
    /// Another thread disconnects the client.
    Closed,
    /// A handler does.
    Handler,
    /// The last handle of the client goes.
    Dropped,
    /// The wait or its request times out.
    Deadline,
}

const CAUSES: [Cause; 9] = [
    Cause::Finish,
    Cause::End,
    Cause::Gone,
    Cause::Resumed,
    Cause::Lost,
    Cause::Closed,
    Cause::Handler,
    Cause::Dropped,
    Cause::Deadline,
];

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Ok,
    /// A stream or iterator has ended, or had no item before its timeout.
    Nothing,
    /// With `is_timeout()`.
    Failed(ErrorKind, bool),
}

fn got<T>(result: Result<T>) -> Got {
    match result {
        Ok(_) => Got::Ok,
        Err(error) => Got::Failed(error.kind(), error.is_timeout()),
    }
}

fn item<T>(item: Option<T>) -> Got {
    item.map_or(Got::Nothing, |_| Got::Ok)
}

/// The moment at which a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the cause.
    Cause,
    /// This long after the cause.
    After(Duration),
    /// When the client has reconnected after the cut.
    Reconnected,
    /// The wait outlasts the cause, and ends with the awaited event.
    Finish,
    /// The wait ends this long after the awaited event.
    AfterFinish(Duration),
    /// This long after its beginning: at the timeout that the program set, if it set one.
    Limit,
}

/// The expected result of a cell.
#[derive(Clone, Copy, Debug)]
enum Want {
    See(Got, At),
    /// The cell does not exist, for this reason.
    No(&'static str),
}

use ErrorKind as K;
use Want::No;

const fn now(got: Got) -> Want {
    Want::See(got, At::Cause)
}

const fn is(kind: K) -> Want {
    now(Got::Failed(kind, false))
}

const fn late(kind: K) -> Want {
    Want::See(Got::Failed(kind, true), At::Limit)
}

const fn then(got: Got) -> Want {
    Want::See(got, At::Finish)
}

const fn in_grace(kind: K) -> Want {
    Want::See(Got::Failed(kind, false), At::After(END_GRACE))
}

/// Longest time from the end of a stay to the end of its call or conference.
const MOMENT: Duration = Duration::from_secs(1);

/// The default of `Tuning::final_event_grace`.
const END_GRACE: Duration = Duration::from_secs(15);

const OK: Want = now(Got::Ok);
const NOTHING: Want = now(Got::Nothing);
const THEN: Want = then(Got::Ok);
const CLOSED: Want = is(K::Closed);
const UNKNOWN: Want = is(K::OutcomeUnknown);
const TOO_LATE: Want = late(K::OutcomeUnknown);
const TIMEOUT: Want = late(K::Timeout);
const LOST: Want = Want::See(Got::Failed(K::SessionLost, false), At::Reconnected);
/// A stream ends when its client knows that the session is lost.
const OVER: Want = Want::See(Got::Nothing, At::Reconnected);

const NO_CALL: Want = No("it belongs to no call");
const BORROWED: Want = No("it borrows the handle, so that is not the last");
const NO_LIMIT: Want = No("it has no limit");
const IS_END: Want = No("what it waits for is that end");
const NO_CLIENT: Want = No("there is no client yet");
const NO_ERROR: Want = No("an answer of 404 does not mean a call here");

/// The wants of a method, in the order of `CAUSES`.
type Row = [Want; 9];

/// A request of a client.
const REQUEST: Row = [OK, NO_CALL, NO_ERROR, UNKNOWN, UNKNOWN, CLOSED, CLOSED, BORROWED, TOO_LATE];
/// A command on a call. A caller who has hung up causes no error, and the service responds also after the call has
/// ended.
const COMMAND: Row = [OK, TOO_LATE, OK, UNKNOWN, UNKNOWN, CLOSED, CLOSED, CLOSED, TOO_LATE];
/// Any request on a call: its caller receives the error.
const CALL_REQUEST: Row = [OK, TOO_LATE, is(K::CallGone), UNKNOWN, UNKNOWN, CLOSED, CLOSED, CLOSED, TOO_LATE];
/// The start of an operation: on a call that has ended, the action is already complete, and the start returns no
/// error.
const LATE_START: Want = Want::See(Got::Ok, At::Limit);
const START: Row = [OK, LATE_START, OK, UNKNOWN, UNKNOWN, CLOSED, CLOSED, CLOSED, TOO_LATE];
/// Waits that only an event can end.
const OUTCOME: Row = [OK, is(K::CallEnded), is(K::CallGone), THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];
/// Waits that only an event can end, which may follow the end of the call.
const GRACE: Row = [OK, in_grace(K::CallEnded), in_grace(K::CallGone), THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];
/// Waits that normally end with their call.
const LIFELONG: Row = [OK, OK, OK, THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];
/// A state that a call passes by ending.
const STATE: Row = [OK, OK, OK, THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];
/// A stay that ends by itself: an event with the reason may follow shortly afterwards.
const STAY: Row = [
    Want::See(Got::Ok, At::After(MOMENT)),
    OK,
    OK,
    Want::See(Got::Ok, At::AfterFinish(MOMENT)),
    LOST,
    CLOSED,
    CLOSED,
    CLOSED,
    TIMEOUT,
];
const STREAM: Row = [OK, NOTHING, NOTHING, THEN, OVER, NOTHING, NOTHING, NOTHING, Want::See(Got::Nothing, At::Limit)];
/// Waits for events from outside, which belong to no session.
const PULL: Row = [OK, NO_CALL, NO_CALL, THEN, THEN, CLOSED, CLOSED, BORROWED, TIMEOUT];
const PULLED: Row = [OK, NO_CALL, NO_CALL, THEN, THEN, NOTHING, NOTHING, NOTHING, NO_LIMIT];
const DIAL: Row = [OK, is(K::DialFailed), is(K::Rejected), THEN, LOST, CLOSED, CLOSED, BORROWED, late(K::DialFailed)];
const DIALING: Row = [OK, is(K::DialFailed), is(K::Rejected), THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];
const MESSAGE: Row = [OK, NO_CALL, NO_CALL, THEN, LOST, CLOSED, CLOSED, CLOSED, TIMEOUT];

/// Number of cells that make no sense. If the table changes on purpose, change this number as well.
const SENSELESS: usize = 51;

const SECOND: Duration = Duration::from_secs(1);
/// The timeout of each wait in the column of limits. None of the crate's own times is a multiple of it.
const LIMIT: Duration = Duration::from_millis(7_300);
/// The time of a request, and of a dial.
const REQUEST_TIME: Duration = Duration::from_secs(10);
const DIAL_TIME: Duration = Duration::from_secs(20);
/// Largest distance of a moment from its expected time.
const TOLERANCE: Duration = Duration::from_millis(1);

/// The blocking part: takes the limit, where the method has one.
type Wait = Box<dyn FnOnce(Option<Duration>) -> Got + Send>;

struct Method {
    /// The name in the program's source, up to a space.
    name: &'static str,
    /// The request that it sends and that is left unanswered.
    request: Option<&'static str>,
    needs: Needs,
    row: Row,
    prepare: fn(&Scene) -> Wait,
}

/// The object that must exist before the wait can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// A call that was offered, and nothing done about it.
    Offer,
    Answered,
    /// A callee who may be dialled.
    Callee,
}

type Finish = Box<dyn FnOnce(&Scene) + Send>;

/// One client, one simulator, and what the method needs.
struct Scene {
    sim: Arc<Simulator>,
    client: Mutex<Option<Client>>,
    weak: WeakClient,
    call: Option<Call>,
    caller: Option<PersonOnCall>,
    /// Brings what is waited for.
    finish: Mutex<Option<Finish>>,
}

const DIALLED: &str = "+15552220000";
const TAG: &str = "a-tag";

impl Scene {
    fn new(method: &Method, cause: Cause) -> Self {
        let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
        let builder = Client::builder().simulator(&sim).contexts(["default"]);
        // No phone rings for longer than 30 s.
        let client = builder.dial_timeout(DIAL_TIME).connect().unwrap();
        let (mut call, mut caller) = (None, None);
        if matches!(method.needs, Needs::Offer | Needs::Answered) {
            caller = Some(sim.caller("+15551230000").is_silent().dials());
            let offered = client.next_call(None).unwrap();
            if method.needs == Needs::Answered {
                offered.answer().unwrap();
                offered.wait_for_answered(None).unwrap();
            }
            call = Some(offered);
        }
        if method.needs == Needs::Callee {
            if cause == Cause::Gone {
                sim.never_answer("calling.dial");
            }
            sim.callee(DIALLED).does_not_answer();
        }
        sim.end_calls_abruptly(true);
        let weak = client.downgrade();
        Self { sim, client: Mutex::new(Some(client)), weak, call, caller, finish: Mutex::default() }
    }

    fn client(&self) -> Client {
        self.weak.upgrade().unwrap()
    }

    fn call(&self) -> Call {
        self.call.clone().unwrap()
    }

    fn finish_by(&self, job: impl FnOnce(&Scene) + Send + 'static) {
        *self.finish.lock().unwrap() = Some(Box::new(job));
    }

    /// Answers the only open request of this method.
    fn reply(&self, method: &str, result: Value) {
        let requests = self.sim.journal().requests(method);
        let id = requests.last().unwrap().id();
        self.sim.push_raw(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    }

    /// Sends an event of the call.
    fn push(&self, event_type: &str, more: Value) {
        let call = self.call();
        let mut params = json!({"node_id": call.node_id(), "call_id": call.id(), "segment_id": call.segment_id()});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sim.push_event(event_type, params);
    }

    /// Sends an event of the dial.
    fn push_dial(&self, state: &str) {
        let leg = json!({"call_id": "a-leg", "node_id": "a-node", "tag": TAG, "dial_winner": state == "answered"});
        let event = json!({"node_id": "a-node", "tag": TAG, "dial_state": state, "call": leg});
        self.sim.push_event("calling.call.dial", event);
    }

    /// Lets happen what the method waits for.
    fn finish(&self, method: &Method) {
        if let Some(job) = self.finish.lock().unwrap().take() {
            return job(self);
        }
        match (method.request, method.needs) {
            (Some(request), _) => self.reply(request, json!({"code": "200", "message_id": "a-message"})),
            (None, Needs::Callee) => self.push_dial("answered"),
            (None, Needs::Offer) => self.push("calling.call.state", json!({"call_state": "answered"})),
            (None, Needs::Answered) => self.caller.as_ref().unwrap().hang_up(),
            (None, Needs::Nothing) => {
                self.sim.texts("+15553330000", "+15559990000", "hello");
                drop(self.sim.caller("+15551230000").dials());
            }
        }
    }

    /// Applies a cause to the wait.
    fn cause(&self, method: &Method, cause: Cause) {
        match (cause, method.request, method.needs) {
            (Cause::Deadline, ..) => {}
            (Cause::Finish, ..) => self.finish(method),
            (Cause::End, _, Needs::Callee) => self.push_dial("failed"),
            (Cause::End, ..) => self.caller.as_ref().unwrap().hang_up(),
            (Cause::Gone, _, Needs::Callee) => self.reply("calling.dial", json!({"code": "404", "message": "gone"})),
            (Cause::Gone, Some(request), _) => self.reply(request, json!({"code": "404", "message": "gone"})),
            (Cause::Gone, None, _) => {
                self.sim.refuse_next("calling.end", 404, "gone");
                self.call().hangup().unwrap();
            }
            (Cause::Resumed, ..) => self.sim.drop_link(),
            (Cause::Lost, ..) => {
                self.sim.forget_sessions();
                self.sim.drop_link();
            }
            (Cause::Closed, ..) => {
                let client = self.client();
                drop(self.sim.spawn(move || client.disconnect()).unwrap());
            }
            (Cause::Handler, ..) => {
                let weak = self.weak.clone();
                // A handler takes what comes before a waiting thread does.
                self.client().on_message(move |_| {
                    if let Some(client) = weak.upgrade() {
                        client.disconnect();
                    }
                    Ok(())
                });
                self.sim.texts("+15553330000", "+15559990000", "hello");
            }
            (Cause::Dropped, ..) => drop(self.client.lock().unwrap().take()),
        }
    }

    /// The time at which the client was accepted for the second time.
    fn reconnected(&self) -> Option<Duration> {
        let journal = self.sim.journal();
        let welcomes = journal.entries().iter().filter(|entry| {
            entry.kind() == FrameKind::Reply && entry.method() == "signalwire.connect" && entry.connection() > 1
        });
        welcomes.map(FrameRecord::at).next()
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

fn to() -> Dial {
    Dial::new(phone(DIALLED).from("+15551110000")).tag(TAG)
}

/// A wait for an operation, which ends with this event.
fn action<O: Operation>(scene: &Scene, action: Result<Action<O>>, event: &'static str, payload: Value) -> Wait
where
    Action<O>: Send,
    O::Outcome: Send,
{
    let action = finished_by(scene, action, event, payload);
    Box::new(move |time| got(action.wait(time)))
}

fn finished_by<O: Operation>(
    scene: &Scene,
    action: Result<Action<O>>,
    event: &'static str,
    mut payload: Value,
) -> Action<O> {
    let action = action.unwrap();
    payload["control_id"] = action.control_id().into();
    scene.finish_by(move |scene| scene.push(event, payload));
    action
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

macro_rules! on_action {
    ($start:expr, $job:expr) => {
        |scene| {
            let action = $start(&scene.call()).unwrap();
            let job = $job;
            Box::new(move |_| got(job(&action)))
        }
    };
}

fn playing(call: &Call) -> Result<Action<Play>> {
    call.play(forever())
}

fn recording(call: &Call) -> Result<Action<Record>> {
    call.record(record())
}

const DOCUMENT: &str = "https://example.com/doc.pdf";

#[rustfmt::skip]
fn methods() -> Vec<Method> {
    use Needs::{Answered, Callee, Offer};
    let row = |name, needs, request, row, prepare| Method { name, request, needs, row, prepare };
    let none = Needs::Nothing;
    let mut all = vec![
        row("Builder::connect", none, Some("signalwire.connect"),
            [OK, NO_CALL, NO_CALL, is(K::Connect), is(K::Connect), NO_CLIENT, NO_CLIENT, NO_CLIENT,
                late(K::Connect)], |scene| {
            let builder = Client::builder().simulator(&scene.sim);
            scene.finish_by(|scene| scene.reply("signalwire.connect", json!({"protocol": "another"})));
            Box::new(move |_| got(builder.connect()))
        }),
        row("Client::execute", none, Some("messaging.send"), REQUEST,
            on_client!(|client, _| got(client.execute("messaging.send", json!({}))))),
        row("Client::receive", none, Some("signalwire.receive"), REQUEST,
            on_client!(|client, _| got(client.receive(["more"])))),
        row("Client::unreceive", none, Some("signalwire.unreceive"), REQUEST,
            on_client!(|client, _| got(client.unreceive(["default"])))),
        row("Client::send_message", none, Some("messaging.send"), REQUEST,
            on_client!(|client, _| got(client.send_message(sms("+15552220000").from("+15551110000").body("Hi"))))),
        row("Client::next_call", none, None, PULL, on_client!(|client, time| got(client.next_call(time)))),
        row("Client::next_message", none, None, PULL, on_client!(|client, time| got(client.next_message(time)))),
        row("Calls::next", none, None, PULLED, |scene| {
            let mut calls = scene.client().calls();
            Box::new(move |_| item(calls.next()))
        }),
        row("Messages::next", none, None, PULLED, |scene| {
            let mut messages = scene.client().messages();
            Box::new(move |_| item(messages.next()))
        }),
        // The state after the one that it is in.
        row("LinkStates::next_within", none, None,
            [No("states are those ends"), NO_CALL, NO_CALL, OK, OK, OK, OK, OK, Want::See(Got::Nothing, At::Limit)],
            |scene| {
            let mut states = scene.client().states();
            states.next();
            Box::new(move |time| item(states.next_within(time)))
        }),
        row("LinkStates::next to the last", none, None,
            [IS_END, NO_CALL, NO_CALL, IS_END, IS_END, OK, OK, OK, NO_LIMIT], |scene| {
            let states = scene.client().states();
            Box::new(move |_| item(states.last().filter(LinkState::is_closed)))
        }),
        row("Client::run", none, None, [IS_END, NO_CALL, NO_CALL, IS_END, IS_END, OK, OK, BORROWED, NO_LIMIT],
            on_client!(|client, _| got(client.run()))),
        row("Client::dial", Callee, None, DIAL, on_client!(|client, _| got(client.dial(to())))),
        row("Dialing::wait", Callee, None, DIALING, |scene| {
            let dialing = scene.client().start_dial(to()).unwrap();
            Box::new(move |time| got(dialing.wait(time)))
        }),
        row("Dialing::progress", Callee, None, STREAM, |scene| {
            let dialing = scene.client().start_dial(to()).unwrap();
            let mut legs = dialing.progress();
            // The state so far: the phone rings.
            scene.sim.advance(SECOND);
            while legs.next_within(Duration::ZERO).is_some() {}
            Box::new(move |time| {
                let leg = legs.next_within(time);
                drop(dialing);
                item(leg)
            })
        }),
        row("Message::wait", none, None, MESSAGE, |scene| {
            scene.sim.never_answer("messaging.send");
            let client = scene.client();
            let text = sms("+15552220000").from("+15551110000").body("Hi");
            let sending = scene.sim.spawn(move || client.send_message(text).unwrap()).unwrap();
            scene.sim.advance(SECOND);
            scene.reply("messaging.send", json!({"code": "200", "message_id": "a-message"}));
            let message = sending.join();
            scene.finish_by(|scene| {
                let event = json!({"message_id": "a-message", "context": "default", "direction": "outbound",
                    "from_number": "+15551110000", "to_number": "+15552220000", "body": "Hi", "media": [],
                    "segments": 1, "tags": [], "message_state": "delivered"});
                scene.sim.push_event("messaging.state", event);
            });
            Box::new(move |time| got(message.wait(time)))
        }),
        // The shutdown ends at its limit, with the calls that it waits for, or with the client: the result is the
        // same.
        row("Client::shutdown", Answered, None,
            [OK, OK, OK, THEN, Want::See(Got::Ok, At::Reconnected), OK, No("a client that drains is offered nothing"), BORROWED,
                Want::See(Got::Ok, At::Limit)],
            on_client!(|client, time| {
                client.shutdown(time.unwrap_or(NEVER));
                Got::Ok
            })),

        row("Action::wait of play", Answered, None, OUTCOME, |scene|
            action(scene, scene.call().play(forever()), "calling.call.play", json!({"state": "finished"}))),
        row("Action::wait of record", Answered, None, GRACE, |scene|
            action(scene, scene.call().record(record()), "calling.call.record", json!({"state": "finished"}))),
        row("Action::wait of collect", Answered, None, OUTCOME, |scene|
            action(scene, scene.call().collect(asked()), "calling.call.collect",
                json!({"result": {"type": "no_input"}}))),
        row("Action::wait of prompt", Answered, None, OUTCOME, |scene|
            action(scene, scene.call().prompt(tts("?"), asked()), "calling.call.collect",
                json!({"result": {"type": "no_input"}}))),
        row("Action::wait of detect", Answered, None, OUTCOME, |scene|
            action(scene, scene.call().detect(machine().initial_timeout(NEVER).timeout(NEVER)), "calling.call.detect",
                json!({"detect": {"type": "machine", "params": {"event": "HUMAN"}}}))),
        row("Action::wait_ready", Answered, None, OUTCOME, |scene| {
            let detector = finished_by(scene, scene.call().detect(machine().initial_timeout(NEVER).timeout(NEVER)),
                "calling.call.detect", json!({"detect": {"type": "machine", "params": {"event": "READY"}}}));
            Box::new(move |time| got(detector.wait_ready(time)))
        }),
        row("Action::wait of pay", Answered, None, OUTCOME, |scene|
            action(scene, scene.call().pay(Pay::new("https://pay.example.com").timeout(NEVER)), "calling.call.pay",
                json!({"result": "success"}))),
        row("Action::wait of tap", Answered, None, LIFELONG, |scene|
            action(scene, scene.call().tap(rtp("192.0.2.10", 5000)), "calling.call.tap",
                json!({"state": "finished"}))),
        row("Action::wait of stream", Answered, None, LIFELONG, |scene|
            action(scene, scene.call().stream("wss://example.com/audio"), "calling.call.stream",
                json!({"state": "finished"}))),
        row("Action::wait of ai", Answered, None, LIFELONG, |scene|
            action(scene, scene.call().ai(Ai::new().prompt("Be brief.")), "calling.call.ai",
                json!({"state": "finished"}))),
        row("Action::wait of transcribe", Answered, None, GRACE, |scene|
            action(scene, scene.call().transcribe(Transcribe::new()), "calling.call.transcribe",
                json!({"state": "finished"}))),
        row("Action::wait of send_fax", Answered, None, GRACE, |scene|
            action(scene, unheard(scene, "calling.send_fax", |call| call.send_fax(DOCUMENT)), "calling.call.fax",
                json!({"fax": {"type": "finished", "params": {"success": true}}}))),
        row("Action::wait of receive_fax", Answered, None, GRACE, |scene|
            action(scene, unheard(scene, "calling.receive_fax", |call| call.receive_fax(ReceiveFax::new())),
                "calling.call.fax", json!({"fax": {"type": "finished", "params": {"success": true}}}))),
        row("Action::wait of connect", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.connect", |call| call.connect(phone(DIALLED))),
                "calling.call.connect", json!({"connect_state": "connected"}))),
        row("Action::wait_disconnected", Answered, None, OUTCOME, |scene| {
            let bridge = finished_by(scene, unheard(scene, "calling.connect", |call| call.connect(phone(DIALLED))),
                "calling.call.connect", json!({"connect_state": "failed", "failed_reason": "busy"}));
            // A bridge that never was has no end: what says so is as good.
            Box::new(move |time| match bridge.wait_disconnected(time) {
                Err(error) if error.kind() == K::ConnectFailed => Got::Ok,
                other => got(other),
            })
        }),
        row("Action::wait_disconnected of a bridge", Answered, None, LIFELONG, |scene| {
            let bridge = unheard(scene, "calling.connect", |call| call.connect(phone(DIALLED)));
            scene.push("calling.call.connect", json!({"connect_state": "connected"}));
            let bridge = finished_by(scene, bridge, "calling.call.connect", json!({"connect_state": "disconnected"}));
            bridge.wait(None).unwrap();
            Box::new(move |time| got(bridge.wait_disconnected(time)))
        }),
        row("Action::wait of disconnect", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.disconnect", Call::disconnect), "calling.call.connect",
                json!({"connect_state": "disconnected"}))),
        row("Action::wait of queue_enter", Answered, None, STAY, |scene|
            action(scene, unheard(scene, "calling.queue.enter", |call| call.queue_enter("support")),
                "calling.call.queue", json!({"status": "leave", "name": "support"}))),
        row("Action::wait of join_conference", Answered, None, STAY, |scene|
            action(scene, unheard(scene, "calling.join_conference", |call| call.join_conference("standup")),
                "calling.conference", json!({"status": "participant-leave", "name": "standup"}))),
        row("Action::wait of a conference that ends", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.join_conference", |call| call.join_conference("standup")),
                "calling.conference", json!({"status": "conference-end", "name": "standup"}))),
        row("Action::wait_joined of a conference", Answered, None, OUTCOME, |scene| {
            let stay = finished_by(scene,
                unheard(scene, "calling.join_conference", |call| call.join_conference("standup")),
                "calling.conference", json!({"status": "participant-join", "name": "standup"}));
            Box::new(move |time| got(stay.wait_joined(time)))
        }),
        row("Action::wait of join_room", Answered, None, STAY, |scene|
            action(scene, unheard(scene, "calling.join_room", |call| call.join_room("lobby")),
                "calling.call.room", json!({"join_status": "leave", "room_name": "lobby"}))),
        row("Action::wait_joined of a room", Answered, None, OUTCOME, |scene| {
            let stay = finished_by(scene, unheard(scene, "calling.join_room", |call| call.join_room("lobby")),
                "calling.call.room", json!({"join_status": "joined", "room_name": "lobby"}));
            Box::new(move |time| got(stay.wait_joined(time)))
        }),
        row("Action::wait of send_digits", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.send_digits", |call| call.send_digits("12345678")),
                "calling.call.send_digits", json!({"state": "finished"}))),
        row("Action::wait of refer", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.refer", |call| call.refer(sip("sip:a@b.example"))),
                "calling.call.refer", json!({"state": "success"}))),
        row("Action::wait of hold", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.hold", Call::hold), "calling.call.hold", json!({"state": "hold"}))),
        row("Action::wait of unhold", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.unhold", Call::unhold), "calling.call.hold",
                json!({"state": "unhold"}))),
        row("Action::wait of denoise", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.denoise", Call::denoise), "calling.call.denoise",
                json!({"denoised": true}))),
        row("Action::wait of denoise_stop", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.denoise.stop", Call::denoise_stop), "calling.call.denoise",
                json!({"denoised": false}))),
        row("Action::wait of echo", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.echo", Call::echo), "calling.call.echo",
                json!({"state": "finished"}))),
        row("Action::wait of live_transcribe", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.live_transcribe", |call| call.live_transcribe(LiveTranscription::new())),
                "calling.ai.transcribe.conversation_log", json!({"conversation_log": []}))),
        row("Action::wait of the end of live_transcribe", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.live_transcribe", |call| call.live_transcribe(LiveTranscribe::stop())),
                "calling.ai.transcribe.conversation_log", json!({"conversation_log": []}))),
        row("Action::wait of a summary", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.live_transcribe", |call| call.live_transcribe(LiveSummary::new())),
                "calling.ai.transcribe.live_summarize", json!({"conversation_summary": "short"}))),
        row("Action::wait of live_translate", Answered, None, LIFELONG, |scene|
            action(scene, unheard(scene, "calling.live_translate", |call| call.live_translate(LiveTranslation::new())),
                "calling.ai.translate.conversation_log", json!({"primary_conversation_log": []}))),
        row("Action::wait of a summary of live_translate", Answered, None, OUTCOME, |scene|
            action(scene, unheard(scene, "calling.live_translate", |call| call.live_translate(LiveSummary::new())),
                "calling.ai.translate.live_summary", json!({"primary_conversation_summary": "short"}))),
        row("EventWaiter::wait", Answered, None, OUTCOME, |scene| {
            let mut expected = scene.call().waiter("calling.call.connect");
            scene.finish_by(|scene| scene.push("calling.call.connect", json!({"connect_state": "connected"})));
            Box::new(move |time| got(expected.wait(time)))
        }),
        row("EventWaiter::wait_until", Answered, None, OUTCOME, |scene| {
            let mut expected = scene.call().waiter("calling.call.connect");
            scene.finish_by(|scene| scene.push("calling.call.connect", json!({"connect_state": "connected"})));
            Box::new(move |time| got(expected.wait_until(|_| true, time)))
        }),
        row("Action::events", Answered, None, STREAM, |scene| {
            let action = finished_by(scene, scene.call().play(forever()), "calling.call.play",
                json!({"state": "finished"}));
            let mut events = action.events();
            // `playing` may come before or after the stream is made: what counts is the end.
            Box::new(move |time| match after_playing(&mut events, time) {
                Some(PlayState::Finished) => Got::Ok,
                _ => Got::Nothing,
            })
        }),
        row("EventStream::next_within", Answered, None,
            [OK, OK, NOTHING, THEN, OVER, NOTHING, NOTHING, NOTHING, Want::See(Got::Nothing, At::Limit)], |scene| {
            let mut events = scene.call().events();
            scene.finish_by(|scene| scene.push("calling.error", json!({"error": "a push"})));
            Box::new(move |time| item(events.next_within(time)))
        }),
        row("EventStream::next to the last", Answered, None,
            [NOTHING, NOTHING, NOTHING, then(Got::Nothing), OVER, NOTHING, NOTHING, NOTHING, NO_LIMIT], |scene| {
            let events = scene.call().events();
            Box::new(move |_| item(events.filter(|event| event.name().as_str() == "none of these").last()))
        }),
        row("Call::wait_for", Answered, None, OUTCOME, |scene| {
            let call = scene.call();
            scene.finish_by(|scene| scene.push("calling.call.connect", json!({"connect_state": "connected"})));
            Box::new(move |time| got(call.wait_for("calling.call.connect", |_| true, time)))
        }),
        row("Call::wait_for_ringing", Offer, None, STATE, on_call!(|call, time| got(call.wait_for_ringing(time)))),
        row("Call::wait_for_answered", Offer, None, OUTCOME,
            on_call!(|call, time| got(call.wait_for_answered(time)))),
        row("Call::wait_for_ending", Answered, None, STATE, on_call!(|call, time| got(call.wait_for_ending(time)))),
        row("Call::wait_for_ended", Answered, None, STATE, on_call!(|call, time| got(call.wait_for_ended(time)))),

        row("Call::answer", Offer, Some("calling.answer"), COMMAND, on_call!(|call, _| got(call.answer()))),
        row("Call::answer_with", Offer, Some("calling.answer"), COMMAND,
            on_call!(|call, _| got(call.answer_with(Answer::new())))),
        row("Call::pass", Offer, Some("calling.pass"), COMMAND, on_call!(|call, _| got(call.pass()))),
        row("Call::execute", Answered, Some("calling.echo"), CALL_REQUEST,
            on_call!(|call, _| got(call.execute("calling.echo", json!({}))))),

        row("Action::disconnect", Answered, Some("calling.disconnect"), START, |scene| {
            let bridge = unheard(scene, "calling.connect", |call| call.connect(phone(DIALLED))).unwrap();
            Box::new(move |_| got(bridge.disconnect()))
        }),
        row("Action::leave of a queue", Answered, Some("calling.queue.leave"), COMMAND, |scene| {
            let stay = unheard(scene, "calling.queue.enter", |call| call.queue_enter("support")).unwrap();
            Box::new(move |_| got(stay.leave()))
        }),
        row("Action::leave of a conference", Answered, Some("calling.leave_conference"), COMMAND, |scene| {
            let stay = scene.call().join_conference("standup").unwrap();
            Box::new(move |_| got(stay.leave()))
        }),
        row("Action::leave of a room", Answered, Some("calling.leave_room"), COMMAND, |scene| {
            let stay = scene.call().join_room("lobby").unwrap();
            Box::new(move |_| got(stay.leave()))
        }),
        row("Action::stop", Answered, Some("calling.play.stop"), COMMAND, on_action!(playing, Action::stop)),
        row("Action::pause", Answered, Some("calling.play.pause"), COMMAND, on_action!(playing, Action::pause)),
        row("Action::pause_with", Answered, Some("calling.record.pause"), COMMAND,
            on_action!(recording, |action: &Action<Record>| action.pause_with("skip"))),
        row("Action::resume", Answered, Some("calling.play.resume"), COMMAND, on_action!(playing, Action::resume)),
        row("Action::volume", Answered, Some("calling.play.volume"), COMMAND,
            on_action!(playing, |action: &Action<Play>| action.volume(1.0))),
        row("Action::start_input_timers", Answered, Some("calling.collect.start_input_timers"), COMMAND,
            on_action!(|call: &Call| call.collect(asked()), Action::start_input_timers)),
    ];
    macro_rules! verbs {
        ($row:expr, $($name:literal $request:literal $job:expr;)*) => {
            $(all.push(row($name, Answered, Some($request), $row, on_call!(|call, _| {
                let job: fn(&Call) -> Got = $job;
                job(call)
            })));)*
        };
    }
    verbs! { COMMAND,
        "Call::hangup" "calling.end" |call| got(call.hangup());
        "Call::hangup_with" "calling.end" |call| got(call.hangup_with(Hangup::new()));
        "Call::bind_digit" "calling.bind_digit" |call| got(call.bind_digit(BindDigit::new("1", "calling.play")));
        "Call::clear_digit_bindings" "calling.clear_digit_bindings" |call| got(call.clear_digit_bindings());
        "Call::clear_digit_bindings_with" "calling.clear_digit_bindings"
            |call| got(call.clear_digit_bindings_with(ClearDigitBindings::new()));
        "Call::queue_leave" "calling.queue.leave" |call| got(call.queue_leave("support"));
        "Call::leave_conference" "calling.leave_conference" |call| got(call.leave_conference("a-room"));
        "Call::leave_room" "calling.leave_room" |call| got(call.leave_room());
        "Call::leave_room_with" "calling.leave_room" |call| got(call.leave_room_with(LeaveRoom::new()));
        "Call::user_event" "calling.user_event" |call| got(call.user_event(UserEvent::from("x")));
        "Call::amazon_bedrock" "calling.amazon_bedrock" |call| got(call.amazon_bedrock(AmazonBedrock::new()));
        "Call::ai_message" "calling.ai_message" |call| got(call.ai_message(AiMessage::from("Hello")));
        "Call::ai_hold" "calling.ai_hold" |call| got(call.ai_hold());
        "Call::ai_hold_with" "calling.ai_hold" |call| got(call.ai_hold_with(AiHold::new()));
        "Call::ai_unhold" "calling.ai_unhold" |call| got(call.ai_unhold());
        "Call::ai_unhold_with" "calling.ai_unhold" |call| got(call.ai_unhold_with(AiUnhold::new()));
        "Call::transfer" "calling.transfer" |call| got(call.transfer(Transfer::to_context("office")));
    }
    verbs! { START,
        "Call::connect" "calling.connect" |call| got(call.connect(phone("+15552220000").from("+15551110000")));
        "Call::disconnect" "calling.disconnect" |call| got(call.disconnect());
        "Call::disconnect_with" "calling.disconnect" |call| got(call.disconnect_with(Disconnect::new()));
        "Call::send_digits" "calling.send_digits" |call| got(call.send_digits("1"));
        "Call::queue_enter" "calling.queue.enter" |call| got(call.queue_enter("support"));
        "Call::join_conference" "calling.join_conference"
            |call| got(call.join_conference(JoinConference::new("room")));
        "Call::join_room" "calling.join_room" |call| got(call.join_room("room"));
        "Call::refer" "calling.refer" |call| got(call.refer(sip("sip:a@b.example")));
        "Call::hold" "calling.hold" |call| got(call.hold());
        "Call::unhold" "calling.unhold" |call| got(call.unhold());
        "Call::denoise" "calling.denoise" |call| got(call.denoise());
        "Call::denoise_stop" "calling.denoise.stop" |call| got(call.denoise_stop());
        "Call::echo" "calling.echo" |call| got(call.echo());
        "Call::echo_with" "calling.echo" |call| got(call.echo_with(Echo::new()));
        "Call::play" "calling.play" |call| got(call.play(forever()));
        "Call::play_tts" "calling.play" |call| got(call.play_tts("Hello"));
        "Call::play_audio" "calling.play" |call| got(call.play_audio("https://example.com/a.mp3"));
        "Call::play_silence" "calling.play" |call| got(call.play_silence(SECOND));
        "Call::play_ringtone" "calling.play" |call| got(call.play_ringtone("us"));
        "Call::record" "calling.record" |call| got(call.record(record()));
        "Call::collect" "calling.collect" |call| got(call.collect(asked()));
        "Call::prompt" "calling.play_and_collect" |call| got(call.prompt(tts("?"), asked()));
        "Call::play_and_collect" "calling.play_and_collect" |call| got(call.play_and_collect(tts("?"), asked()));
        "Call::prompt_tts" "calling.play_and_collect" |call| got(call.prompt_tts("?", asked()));
        "Call::prompt_audio" "calling.play_and_collect"
            |call| got(call.prompt_audio("https://example.com/a.mp3", asked()));
        "Call::detect" "calling.detect" |call| got(call.detect(machine()));
        "Call::detect_answering_machine" "calling.detect" |call| got(call.detect_answering_machine(machine()));
        "Call::detect_fax" "calling.detect" |call| got(call.detect_fax(fax_tone()));
        "Call::detect_digit" "calling.detect" |call| got(call.detect_digit(digit_detector()));
        "Call::pay" "calling.pay" |call| got(call.pay("https://pay.example.com"));
        "Call::tap" "calling.tap" |call| got(call.tap(rtp("192.0.2.10", 5000)));
        "Call::stream" "calling.stream" |call| got(call.stream("wss://example.com/audio"));
        "Call::send_fax" "calling.send_fax" |call| got(call.send_fax(DOCUMENT));
        "Call::receive_fax" "calling.receive_fax" |call| got(call.receive_fax(ReceiveFax::new()));
        "Call::transcribe" "calling.transcribe" |call| got(call.transcribe(Transcribe::new()));
        "Call::live_transcribe" "calling.live_transcribe" |call| got(call.live_transcribe(LiveTranscribe::stop()));
        "Call::live_translate" "calling.live_translate" |call| got(call.live_translate(LiveTranslate::stop()));
        "Call::ai" "calling.ai" |call| got(call.ai(Ai::new().prompt("Be brief.")));
    }
    all
}

/// Starts an operation of which the simulator does nothing but take it: it would be over too soon.
fn unheard<O: Operation>(
    scene: &Scene,
    method: &'static str,
    start: impl FnOnce(&Call) -> Result<Action<O>> + Send + 'static,
) -> Result<Action<O>>
where
    Action<O>: Send,
{
    scene.sim.never_answer(method);
    let call = scene.call();
    let starting = scene.sim.spawn(move || start(&call)).unwrap();
    scene.sim.advance(SECOND);
    scene.reply(method, json!({"code": "200"}));
    starting.join()
}

/// The state after those that a playback begins with.
fn after_playing(
    events: &mut EventStream<signalwire_relay::events::PlayEvent>,
    time: Option<Duration>,
) -> Option<PlayState> {
    loop {
        let state = events.next_within(time)?.state;
        if state != PlayState::Playing {
            return Some(state);
        }
    }
}

/// One cell of the table: what is wrong with it.
fn check(method: &Method, cause: Cause, want: Got, at: At) -> std::result::Result<(), String> {
    let scene = Scene::new(method, cause);
    let sim = &scene.sim;
    if let Some(request) = method.request {
        sim.never_answer(request);
    }
    let wait = (method.prepare)(&scene);
    let limit = match (cause, method.request, method.name) {
        (Cause::Deadline, _, "Client::dial") => DIAL_TIME,
        (Cause::Deadline, None, _) => LIMIT,
        _ => REQUEST_TIME,
    };
    let (begun, time) = (sim.elapsed(), (cause == Cause::Deadline).then_some(LIMIT));
    let clock = Arc::clone(sim);
    let waiter = sim.spawn(move || (wait(time), clock.elapsed())).unwrap();
    // A second later it waits, and nothing else happens any more.
    sim.advance(SECOND);
    if method.name == "Builder::connect" {
        sim.answer_again("signalwire.connect");
    }
    let caused = sim.elapsed();
    scene.cause(method, cause);
    let mut finished = None;
    if matches!(at, At::Finish | At::AfterFinish(_)) {
        sim.advance(5 * SECOND);
        finished = Some(sim.elapsed());
        scene.finish(method);
    }
    let (got, when) = waiter.join();
    let expected = match at {
        At::Cause => Some(caused),
        At::After(span) => Some(caused + span),
        At::Reconnected => scene.reconnected(),
        At::Finish => finished,
        At::AfterFinish(span) => finished.map(|finished| finished + span),
        At::Limit => Some(begun + limit),
    };
    let Some(expected) = expected else { return Err("there was no second connection".into()) };
    if got != want || when.abs_diff(expected) > TOLERANCE {
        let shown = |moment: Duration| moment.as_secs_f64() - caused.as_secs_f64();
        return Err(format!(
            "wants {want:?} at {:+.3} s, got {got:?} at {:+.3} s, from the cause",
            shown(expected),
            shown(when)
        ));
    }
    let Some(client) = scene.weak.upgrade() else { return Ok(()) };
    client.disconnect();
    sim.advance(SECOND);
    let (left, timers) = (left(&client), client.stats().timers);
    if left.is_empty() && timers == 0 { Ok(()) } else { Err(format!("{left} and {timers} timers are left")) }
}

/// One column of the table.
fn column(cause: Cause) {
    let at = CAUSES.iter().position(|of| *of == cause).unwrap();
    let cells: Vec<(Method, Got, At)> = methods()
        .into_iter()
        .filter_map(|method| match method.row[at] {
            Want::See(got, at) => Some((method, got, at)),
            No(_) => None,
        })
        .collect();
    let check = move |(method, want, at): &(Method, Got, At)| check(method, cause, *want, *at);
    let faults = each(cells, |(method, ..)| method.name.to_owned(), check);
    assert!(faults.is_empty(), "{cause:?}\n{}", faults.join("\n"));
}

#[test]
fn every_wait_ends_with_what_it_waits_for() {
    column(Cause::Finish);
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
fn requests_end_with_the_connection_and_waits_go_on_when_it_resumes() {
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
    column(Cause::Handler);
}

#[test]
fn every_wait_ends_when_the_last_handle_is_dropped() {
    column(Cause::Dropped);
}

#[test]
fn every_wait_ends_at_its_limit() {
    column(Cause::Deadline);
}

#[test]
fn every_cell_that_is_left_out_says_why() {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for want in methods().iter().flat_map(|method| method.row) {
        if let No(why) = want {
            *reasons.entry(why).or_default() += 1;
        }
    }
    assert_eq!(reasons.values().sum::<usize>(), SENSELESS, "{reasons:#?}");
}

/// Public methods that may fail or wait and have no row in the table, with the reason.
const NO_ROW: [(&str, &str); 8] = [
    ("from_env", "it is `Builder::connect`"),
    ("start_dial", "it returns at once"),
    ("notify", "nothing answers it"),
    ("client", "it looks"),
    ("waiter", "it begins to listen and returns"),
    ("reply", "it is `Client::send_message`"),
    ("reauthenticate", "it is `Client::execute`"),
    ("jwt_from", "it sets"),
];

#[test]
fn every_method_that_may_fail_is_in_the_table() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("stream.rs")];
    let mut folders: Vec<_> = ["call", "client", "message", "session"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let (beneath, here): (Vec<_>, Vec<_>) =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
        folders.extend(beneath);
        files.extend(here);
    }
    let rows: BTreeSet<&str> = methods().iter().map(|method| last_word(method.name)).collect();
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let library = text.split("#[cfg(test)]").next().unwrap();
        for part in library.split("    pub fn ").skip(1) {
            let signature = part.split('{').next().unwrap();
            let name = signature.split(['(', '<']).next().unwrap();
            if signature.contains("-> Result<") || name.starts_with("next") || name.starts_with("wait") {
                found += 1;
                let known = rows.contains(name) || NO_ROW.iter().any(|(of, _)| *of == name);
                assert!(known, "{name} in {} is not in the table", file.display());
            }
        }
    }
    assert!(found > 80, "only {found} methods were found");
}

/// `wait` of `Action::wait of play`.
fn last_word(name: &str) -> &str {
    let path = name.split(' ').next().unwrap();
    path.rsplit("::").next().unwrap()
}

#[test]
fn disconnect_ends_within_two_seconds_whatever_the_connection_does() {
    type Trouble = fn(&Simulator, &Client);
    let troubles: [(&str, Trouble); 6] = [
        ("none", |_, _| {}),
        ("a frozen link", |sim, _| sim.freeze_link(true)),
        ("no service", |sim, _| {
            sim.stop_listening();
            sim.drop_link();
            sim.advance(10 * SECOND);
        }),
        ("a service that does not let in", |sim, _| {
            sim.never_answer("signalwire.connect");
            sim.drop_link();
            sim.advance(5 * SECOND);
        }),
        ("a handler that does not return", |sim, client| {
            client.on_call(|call| Ok(call.wait_for_ended(NEVER).map(drop)?));
            drop(sim.caller("+15551230000").dials());
            sim.advance(SECOND);
        }),
        ("another who does the same", |sim, client| {
            let client = client.clone();
            drop(sim.spawn(move || client.disconnect()).unwrap());
        }),
    ];
    let check = |(_, trouble): &(&str, Trouble)| {
        let sim = Simulator::builder().virtual_time().start().unwrap();
        let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
        trouble(&sim, &client);
        let begun = sim.elapsed();
        client.disconnect();
        client.disconnect();
        let took = sim.elapsed() - begun;
        if took <= 2 * SECOND { Ok(()) } else { Err(format!("it took {took:?}")) }
    };
    let faults = each(troubles.to_vec(), |(name, _)| (*name).to_owned(), check);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
