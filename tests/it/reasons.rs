//! Why calls were not reached or ended, as data: the legs of a dial and of a connect, and the end of a call.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{
    Call, CallState, Client, Connect, Devices, Dial, EndReason, EndSource, Error, ErrorKind, Phone, phone, sip,
};

const ANN: &str = "+15552220001";
const BOB: &str = "+15552220002";
const CAROL: &str = "+15552220003";
const SECOND: Duration = Duration::from_secs(1);

fn stage() -> (Simulator, Client) {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    (sim, client)
}

fn to(number: &str) -> Phone {
    phone(number).from("+15559990000").timeout(20 * SECOND)
}

/// A caller on the line.
fn answered(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(None).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(None).unwrap();
    (caller, call)
}

/// Of each leg: destination, state, reason and the seconds that it rang, to a tenth.
fn legs(error: &Error) -> Vec<(&str, CallState, Option<EndReason>, Option<f64>)> {
    let seconds = |span: Duration| (span.as_secs_f64() * 10.0).round() / 10.0;
    error
        .legs()
        .iter()
        .map(|leg| (&*leg.to, leg.state.clone(), leg.end_reason.clone(), leg.rang.map(seconds)))
        .collect()
}

#[test]
fn the_error_of_a_dial_lists_its_legs_in_their_order_with_reason_and_ringing() {
    let (sim, client) = stage();
    sim.callee(ANN).is_busy();
    sim.callee(BOB).does_not_answer();
    sim.callee(CAROL).declines();
    let error = client.dial(Devices::in_order([to(ANN), to(BOB), to(CAROL)])).unwrap_err();
    assert_eq!((error.kind(), error.end_reason()), (ErrorKind::DialFailed, Some(EndReason::Decline)));
    assert_eq!(error.to_string(), format!("dial {ANN}, {BOB}, {CAROL}: declined"));
    assert_eq!(
        legs(&error),
        [
            (ANN, CallState::Ended, Some(EndReason::Busy), None),
            (BOB, CallState::Ended, Some(EndReason::NoAnswer), Some(19.7)),
            (CAROL, CallState::Ended, Some(EndReason::Decline), Some(1.2)),
        ]
    );
    // An error that is about no dial has none.
    assert!(client.dial(phone("")).unwrap_err().legs().is_empty());
}

#[test]
fn a_dial_that_the_client_ended_has_a_reason_and_says_how_long_it_has_rung() {
    let (sim, client) = stage();
    sim.callee(ANN).does_not_answer();
    let error = client.dial(Dial::new(to(ANN)).limit(5 * SECOND)).unwrap_err();
    assert_eq!((error.is_timeout(), error.end_reason()), (true, Some(EndReason::NoAnswer)));
    assert_eq!(
        error.to_string(),
        format!("dial {ANN}: no answer within the limit of the dial; what rings is being ended")
    );
    assert_eq!(legs(&error), [(ANN, CallState::Ringing, None, Some(4.7))]);

    let dialing = client.start_dial(to(ANN)).unwrap();
    sim.advance(3 * SECOND);
    dialing.cancel();
    let error = dialing.wait(None).unwrap_err();
    assert_eq!((error.is_timeout(), error.end_reason()), (false, Some(EndReason::Cancel)));
    assert_eq!(error.to_string(), format!("dial {ANN}: cancelled"));
    assert_eq!(legs(&error), [(ANN, CallState::Ringing, None, Some(2.7))]);
}

#[test]
fn the_ringing_of_a_leg_is_measured_by_the_service_over_a_gap() {
    let (sim, client) = stage();
    sim.never_answer("calling.dial");
    let dialing = client.start_dial(Dial::new(to(ANN)).tag("t")).unwrap();
    let event = |at: f64, event_type: &str, params: Value| {
        let params = json!({"event_type": event_type, "timestamp": at, "params": params});
        sim.push_raw(
            &json!({"jsonrpc": "2.0", "id": format!("e-{at}"), "method": "signalwire.event", "params": params})
                .to_string(),
        );
    };
    let leg = |state: &str| {
        json!({"call_id": "leg", "node_id": "n", "tag": "t", "call_state": state, "direction": "outbound",
        "device": {"type": "phone", "params": {"to_number": ANN}}, "end_reason": (state == "ended").then_some("busy")})
    };
    event(1000.25, "calling.call.state", leg("ringing"));
    sim.advance(60 * SECOND);
    // It comes late, and says when it happened.
    event(1008.5, "calling.call.state", leg("ended"));
    event(1008.75, "calling.call.dial", json!({"tag": "t", "dial_state": "failed"}));
    let error = dialing.wait(None).unwrap_err();
    assert_eq!(error.legs()[0].rang, Some(Duration::from_millis(8250)));
    assert_eq!(error.end_reason(), Some(EndReason::Busy));
}

#[test]
fn the_error_of_a_connect_lists_its_legs() {
    let (sim, client) = stage();
    sim.callee(ANN).is_busy();
    sim.callee(BOB).does_not_answer();
    let (_caller, call) = answered(&sim, &client);
    let desk = sip("sip:desk@pbx.example").timeout(20 * SECOND);
    sim.callee("sip:desk@pbx.example").does_not_answer();
    let error = call.connect(Connect::new(Devices::in_order([to(ANN), to(BOB)]).then(desk))).unwrap().wait(None);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.end_reason()), (ErrorKind::ConnectFailed, Some(EndReason::NoAnswer)));
    let text = format!("connect call {} to {ANN}, {BOB}, sip:desk@pbx.example: no answer", call.id());
    assert_eq!(error.to_string(), text);
    assert_eq!(
        legs(&error),
        [
            (ANN, CallState::Ended, Some(EndReason::Busy), None),
            (BOB, CallState::Ended, Some(EndReason::NoAnswer), Some(19.7)),
            ("sip:desk@pbx.example", CallState::Ended, Some(EndReason::NoAnswer), Some(19.7)),
        ]
    );
    // The next connect begins with none of them.
    sim.callee(CAROL).is_busy();
    let error = call.connect(Connect::new(to(CAROL))).unwrap().wait(None).unwrap_err();
    assert_eq!(legs(&error), [(CAROL, CallState::Ended, Some(EndReason::Busy), None)]);
    client.disconnect();
}

#[test]
fn the_end_of_a_call_says_why_who_ended_it_and_how_long_it_lasted() {
    let (sim, client) = stage();
    // The caller hangs up.
    let (caller, call) = answered(&sim, &client);
    sim.advance(42 * SECOND);
    caller.hang_up();
    let end = call.wait_for_ended(None).unwrap();
    assert_eq!((end.reason.clone(), end.source.clone()), (Some(EndReason::Hangup), Some(EndSource::Inbound)));
    assert_eq!(end.duration.map(|span| span.as_secs()), Some(42));
    assert!(end.answered_at.is_some());
    assert_eq!(call.end(), Some(end));
    // The program does.
    let (_caller, call) = answered(&sim, &client);
    call.hangup().unwrap();
    assert_eq!(call.wait_for_ended(None).unwrap().source, Some(EndSource::Outbound));
    // It was never answered.
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(None).unwrap();
    caller.hang_up();
    let end = call.wait_for_ended(None).unwrap();
    assert_eq!((end.answered_at, end.duration), (None, None));
    // The service does not know the call any more: nothing is known.
    let (_caller, call) = answered(&sim, &client);
    sim.fail("calling.end", 404, "gone");
    call.hangup().unwrap();
    assert_eq!(call.wait_for_ended(None).unwrap(), call.end().unwrap());
    assert_eq!(call.end().unwrap().reason, None);
}

#[test]
fn the_times_of_a_call_are_the_service_s_where_it_tells_them_and_our_own_otherwise() {
    let (sim, client) = stage();
    let answered_at = |millis: u64| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    let (ours, secs) = (None, Duration::from_secs);
    for (times, at, duration) in [
        // Answered 42.5 s before its end, whatever our clock says.
        (
            json!({"answer_time": 1_760_871_197_500_u64, "end_time": 1_760_871_240_000_u64}),
            answered_at(1_760_871_197_500),
            Duration::from_millis(42_500),
        ),
        // When it ended is not told, or cannot be.
        (json!({"answer_time": 1_760_871_197_500_u64, "end_time": 0}), answered_at(1_760_871_197_500), secs(7)),
        (json!({"answer_time": 1_760_871_197_500_u64, "end_time": 5}), answered_at(1_760_871_197_500), secs(7)),
        // Nothing is told, or nonsense.
        (json!({}), ours, secs(7)),
        (json!({"answer_time": 0, "end_time": 0}), ours, secs(7)),
        (json!({"answer_time": -5, "end_time": -1}), ours, secs(7)),
        (json!({"answer_time": "soon", "end_time": [1]}), ours, secs(7)),
    ] {
        let (_caller, call) = answered(&sim, &client);
        sim.advance(secs(7));
        let mut ended =
            json!({"call_id": call.id(), "node_id": call.node_id(), "call_state": "ended", "end_source": "x"});
        ended.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        sim.push_event("calling.call.state", ended);
        let end = call.wait_for_ended(None).unwrap();
        let lasted = end.duration.map(|span| span.as_millis() / 100);
        assert_eq!(lasted, Some(duration.as_millis() / 100), "{times}");
        assert!(end.answered_at.is_some() && (at.is_none() || end.answered_at == at), "{times} {end:?}");
        assert_eq!(end.source, Some("x".into()));
    }
}
