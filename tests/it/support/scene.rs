//! Calls, states and events of a test: callers, sent requests, pushed events.

use std::fmt::Debug;

use serde_json::{Value, json};
use signalwire_relay::connection::LinkStates;
use signalwire_relay::simulator::{Direction, FrameKind, FrameRecord, PersonOnCall, Simulator};
use signalwire_relay::{Call, Client, Error, LinkState};

use super::{LONG, until};

/// The next state that fits; what comes before it is passed over.
pub fn next_state(states: &mut LinkStates, what: &str, fits: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut passed = Vec::new();
    loop {
        match states.next_within(LONG) {
            Some(state) if fits(&state) => return state,
            Some(state) => passed.push(state),
            None => panic!("no state {what}, only {passed:?}"),
        }
    }
}

pub fn online(states: &mut LinkStates) -> bool {
    match next_state(states, "Online", LinkState::is_online) {
        LinkState::Online { resumed } => resumed,
        other => panic!("{other:?}"),
    }
}

pub fn reconnecting(states: &mut LinkStates) -> LinkState {
    next_state(states, "Reconnecting", |state| matches!(state, LinkState::Reconnecting { .. }))
}

/// The client's responses to the service's requests with this ID.
pub fn answers_to(sim: &Simulator, id: &Value) -> Vec<FrameRecord> {
    let journal = sim.journal();
    let answers = journal.entries().iter().filter(|entry| {
        entry.direction() == Direction::FromClient && entry.kind() == FrameKind::Ack && entry.id() == id
    });
    answers.cloned().collect()
}

/// Waits until the client has worked through everything that was pushed so far: it answers in order.
pub fn caught_up(sim: &Simulator) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MARKS: AtomicU64 = AtomicU64::new(0);
    let id = json!(format!("mark-{}", MARKS.fetch_add(1, Ordering::Relaxed)));
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.ping", "params": {}}).to_string());
    until("the answer to a ping", || !answers_to(sim, &id).is_empty());
}

/// A caller, and the offered call.
pub fn offered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let caller = sim.caller("+15551230000").calls("+15559990000").dials();
    let call = client.next_call(LONG).unwrap();
    assert_eq!(call.id(), caller.call_id());
    (caller, call)
}

/// A caller, and the answered call.
pub fn answered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let (caller, call) = offered(sim, client);
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    (caller, call)
}

/// An answered call, whose caller stays on the line.
pub fn answered_call(sim: &Simulator, client: &Client) -> Call {
    answered(sim, client).1
}

/// Waits until the client has processed every event that was sent before.
pub fn fence(client: &Client) {
    client.execute("signalwire.ping", json!({})).unwrap();
}

/// An event as the service would send it, with an envelope of one's own making.
pub fn push_envelope(sim: &Simulator, id: Option<Value>, envelope: Value) {
    let mut frame = json!({"jsonrpc": "2.0", "method": "signalwire.event", "params": envelope});
    if let Some(id) = id {
        frame["id"] = id;
    }
    sim.push_raw(&frame.to_string());
}

/// The parameters of the only request of this method, without the call's address.
pub fn sent(sim: &Simulator, method: &str) -> Value {
    let requests = sim.journal().requests(method);
    assert_eq!(requests.len(), 1, "{requests:?}");
    let mut params = requests[0].params().clone();
    if let Some(params) = params.as_object_mut() {
        params.remove("node_id");
        params.remove("call_id");
    }
    params
}

pub fn count(sim: &Simulator, method: &str) -> usize {
    sim.journal().requests(method).len()
}

/// The payload of an event of this call, with what all of them carry.
pub fn of_call(call: &Call, more: Value) -> Value {
    let mut params = json!({"node_id": call.node_id(), "call_id": call.id(), "segment_id": call.segment_id()});
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    params
}

/// Sends the client a state of a call, as the service does.
pub fn push_state(sim: &Simulator, call: &Call, state: &str) {
    sim.push_event("calling.call.state", of_call(call, json!({"call_state": state, "direction": "inbound"})));
}

/// Responds to the next request of a method, which the simulator leaves without a response, with this result or error.
pub fn answer_by_hand(sim: &Simulator, method: &str, body: Value) {
    let request = sim.wait_for_request(method, LONG).unwrap();
    let mut frame = json!({"jsonrpc": "2.0", "id": request.id()});
    for (key, value) in body.as_object().unwrap() {
        frame[key] = value.clone();
    }
    sim.push_raw(&frame.to_string());
}

/// Fails if the client did something that the service would not have accepted. Slow acknowledgements of a busy machine
/// are allowed.
pub fn assert_accepted(sim: &Simulator) {
    let violations: Vec<_> = sim.violations().into_iter().filter(|what| !what.contains("acknowledged")).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Number of frames that respond to this ID.
pub fn acks(sim: &Simulator, id: &Value) -> usize {
    answers_to(sim, id).len()
}

/// The error of something that has to fail.
pub fn refusal<T: Debug>(outcome: Result<T, Error>) -> Error {
    outcome.expect_err("this should have failed")
}
