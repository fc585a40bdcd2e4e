//! What the tests of calls and texts share: a simulator, a client, somebody on the line.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalwire_relay::simulator::{EntryKind, PersonOnCall, Simulator};
use signalwire_relay::{Builder, Call, Client, Error};

/// Far longer than anything takes; only a failure waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Long enough for something wrong to show itself. Too short a wait here hides a fault and never invents one.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// How long a whole test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulator in which a minute passes in a bit more than a second.
pub(crate) fn sim() -> Simulator {
    Simulator::builder().speed(50.0).start().unwrap()
}

pub(crate) fn builder(sim: &Simulator) -> Builder {
    let delay = Duration::from_millis(10);
    Client::builder().simulator(sim).contexts(["default"]).reconnect_delay(delay, 5 * delay)
}

pub(crate) fn client(sim: &Simulator) -> Client {
    builder(sim).connect().unwrap()
}

/// Somebody who calls, and the call that the program is offered.
pub(crate) fn offered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let caller = sim.caller("+15551230000").calls("+15559990000").dials();
    let call = client.next_call(LONG).unwrap();
    assert_eq!(call.id(), caller.call_id());
    (caller, call)
}

/// The same, answered.
pub(crate) fn answered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let (caller, call) = offered(sim, client);
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    (caller, call)
}

/// When it returns, the client has looked at every event that was sent before.
pub(crate) fn fence(client: &Client) {
    client.execute("signalwire.ping", json!({})).unwrap();
}

/// Waits until a state is reached that nothing announces.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is() {
        assert!(Instant::now() < until, "this did not come about: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Fails a test that hangs.
pub(crate) fn watched(test: impl FnOnce() + Send + 'static) {
    crate::support::deadlocks::watch();
    let (done, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        test();
        drop(done);
    });
    let hangs = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "the test hangs");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// An event as the service would send it, with an envelope of one's own making.
pub(crate) fn push_envelope(sim: &Simulator, id: Option<Value>, envelope: Value) {
    let mut frame = json!({"jsonrpc": "2.0", "method": "signalwire.event", "params": envelope});
    if let Some(id) = id {
        frame["id"] = id;
    }
    sim.push_raw(&frame.to_string());
}

/// The parameters of the only request of this method, without the call's address.
pub(crate) fn sent(sim: &Simulator, method: &str) -> Value {
    let requests = sim.journal().requests(method);
    assert_eq!(requests.len(), 1, "{requests:?}");
    let mut params = requests[0].params().clone();
    if let Some(params) = params.as_object_mut() {
        params.remove("node_id");
        params.remove("call_id");
    }
    params
}

pub(crate) fn count(sim: &Simulator, method: &str) -> usize {
    sim.journal().requests(method).len()
}

/// The payload of an event of this call, with what all of them carry.
pub(crate) fn of_call(call: &Call, more: Value) -> Value {
    let mut params = json!({"node_id": call.node_id(), "call_id": call.id(), "segment_id": call.segment_id()});
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    params
}

/// Tells the client of a state of a call, as the service does.
pub(crate) fn push_state(sim: &Simulator, call: &Call, state: &str) {
    sim.push_event("calling.call.state", of_call(call, json!({"call_state": state, "direction": "inbound"})));
}

/// Answers the next request of a method, which the simulator was told not to answer, with this result or error.
pub(crate) fn answer_by_hand(sim: &Simulator, method: &str, body: Value) {
    let request = sim.wait_for_request(method, LONG).unwrap();
    let mut frame = json!({"jsonrpc": "2.0", "id": request.id()});
    for (key, value) in body.as_object().unwrap() {
        frame[key] = value.clone();
    }
    sim.push_raw(&frame.to_string());
}

/// What the service would not have accepted. A busy machine may be slow to acknowledge, which is none of that.
pub(crate) fn assert_accepted(sim: &Simulator) {
    let violations: Vec<_> = sim.violations().into_iter().filter(|what| !what.contains("acknowledged")).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

/// How many frames answer this id.
pub(crate) fn acks(sim: &Simulator, id: &Value) -> usize {
    let journal = sim.journal();
    journal.entries().iter().filter(|entry| entry.kind() == EntryKind::Ack && entry.id() == id).count()
}

/// The error of something that has to fail.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Error {
    outcome.expect_err("this should have failed")
}
