//! The reasons of unanswered and ended calls, as data: the legs of a dial and of a connect, and the end of a call.

use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use signalwire_relay::devices::{Devices, Leg, Phone};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::EndSource;
use signalwire_relay::{
    Call, CallState, Client, Connect, Dial, EndReason, Error, ErrorKind, Message, MessageState, phone, sip, sms, tts,
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

/// Destination, state, reason and ringing time, in tenths of a second, of each leg.
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
        format!("dial {ANN}: no answer within the limit of the dial; ringing legs are hung up")
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
    // The event arrives late, and carries the time of its occurrence.
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
fn the_end_of_a_call_has_its_reason_its_side_and_its_duration() {
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
    // The call was never answered.
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(None).unwrap();
    caller.hang_up();
    let end = call.wait_for_ended(None).unwrap();
    assert_eq!((end.answered_at, end.duration), (None, None));
    // The service does not know the call any more: nothing is known.
    let (_caller, call) = answered(&sim, &client);
    sim.refuse_next("calling.end", 404, "gone");
    call.hangup().unwrap();
    assert_eq!(call.wait_for_ended(None).unwrap(), call.end().unwrap());
    assert_eq!(call.end().unwrap().reason, None);
}

#[test]
fn the_times_of_a_call_are_the_service_s_where_it_sends_them_and_our_own_otherwise() {
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
        // The service sends no times, or invalid ones.
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

/// The steps of a dial in the order in which they are reported.
fn steps(legs: impl IntoIterator<Item = Leg>) -> Vec<(String, CallState)> {
    legs.into_iter().map(|leg| (leg.to, leg.state)).collect()
}

fn step(number: &str, state: CallState) -> (String, CallState) {
    (number.to_owned(), state)
}

#[test]
fn the_progress_of_a_dial_has_each_step_of_each_leg_and_ends_with_the_dial() {
    use CallState::{Answered, Created, Ended, Ringing};
    let (sim, client) = stage();
    sim.callee(ANN).is_busy();
    sim.callee(BOB).does_not_answer();
    sim.callee(CAROL).answers_after(4 * SECOND);
    let dialing = client.start_dial(Devices::in_order([to(ANN), to(BOB), to(CAROL)])).unwrap();
    let early = dialing.progress();
    sim.advance(3 * SECOND);
    // One that is made later begins with what is known, and misses nothing of the rest.
    let late = dialing.progress();
    let call = dialing.wait(None).unwrap();
    let rest = [step(BOB, Ended), step(CAROL, Created), step(CAROL, Ringing), step(CAROL, Answered)];
    let begin = [step(ANN, Created), step(ANN, Ended), step(BOB, Created), step(BOB, Ringing)];
    assert_eq!(steps(early), [begin.as_slice(), &rest].concat());
    assert_eq!(steps(late), [[step(ANN, Ended), step(BOB, Ringing)].as_slice(), &rest].concat());
    // After the end there is what became of each of them.
    let last: Vec<Leg> = dialing.progress().collect();
    assert_eq!(steps(last.clone()), [step(ANN, Ended), step(BOB, Ended), step(CAROL, Answered)]);
    assert_eq!(
        (last[0].end_reason.clone(), last[1].end_reason.clone()),
        (Some(EndReason::Busy), Some(EndReason::NoAnswer))
    );
    assert_eq!((last[2].call_id.as_str(), last[2].rang.map(|rang| rang.as_secs())), (call.id(), Some(3)));
}

#[test]
fn handlers_of_a_dial_receive_each_step_and_its_callbacks_the_answered_call() {
    let (sim, client) = stage();
    sim.callee(BOB).answers_after(4 * SECOND);
    let dialing = client.start_dial(to(BOB)).unwrap();
    let (said, heard) = channel();
    let say = said.clone();
    dialing.on_progress(move |leg| say.send(leg.state.to_string()).unwrap());
    let say = said.clone();
    dialing.on_completed(move |outcome| {
        // The callback may block, and use the call.
        let call = outcome.as_ref().unwrap();
        call.play(tts("Hello")).unwrap().wait(None).unwrap();
        say.send(format!("answered by {}", call.to_number())).unwrap();
    });
    let next = || sim.blocking(|| heard.recv()).unwrap();
    assert_eq!([next(), next(), next(), next()], ["created", "ringing", "answered", &format!("answered by {BOB}")]);
    // One that comes later gets the same, and the call outlives the dial.
    let say = said.clone();
    dialing.on_completed(move |outcome| say.send(outcome.as_ref().unwrap().id().to_owned()).unwrap());
    let say = said.clone();
    dialing.on_progress(move |leg| say.send(format!("it is {}", leg.state)).unwrap());
    let call = dialing.wait(None).unwrap();
    assert_eq!([next(), next()], [call.id(), "it is answered"]);
    drop(dialing);
    sim.advance(SECOND);
    assert_eq!(call.state(), CallState::Answered);
}

#[test]
fn a_call_that_goes_to_a_callback_is_not_hung_up_with_its_dial() {
    let (sim, client) = stage();
    sim.callee(BOB).answers_after(SECOND);
    let dialing = client.start_dial(to(BOB)).unwrap();
    let (say, heard) = channel();
    dialing.on_completed(move |outcome| say.send(outcome.clone()).unwrap());
    sim.advance(5 * SECOND);
    // No thread has waited.
    drop(dialing);
    sim.advance(5 * SECOND);
    let call = sim.blocking(|| heard.recv()).unwrap().unwrap();
    assert_eq!(call.state(), CallState::Answered);
    assert!(sim.journal().requests("calling.end").is_empty());
}

#[test]
fn a_dial_that_is_dropped_ends_its_progress_and_calls_its_callbacks() {
    let (sim, client) = stage();
    sim.callee(BOB).does_not_answer();
    let dialing = client.start_dial(to(BOB)).unwrap();
    let (say, heard) = channel();
    dialing.on_completed(move |outcome| say.send(outcome.clone().unwrap_err()).unwrap());
    let progress = dialing.progress();
    sim.advance(5 * SECOND);
    drop(dialing);
    assert_eq!(steps(progress), [step(BOB, CallState::Created), step(BOB, CallState::Ringing)]);
    let error = sim.blocking(|| heard.recv()).unwrap();
    assert_eq!((error.kind(), error.end_reason()), (ErrorKind::DialFailed, Some(EndReason::Cancel)));
    assert_eq!(error.legs()[0].rang.map(|rang| rang.as_secs()), Some(4));
}

#[test]
fn the_progress_of_a_dial_goes_on_after_a_gap_and_ends_with_its_session() {
    let (sim, client) = stage();
    sim.callee(BOB).answers_after(30 * SECOND);
    let dialing = client.start_dial(phone(BOB).from("+15559990000").timeout(60 * SECOND)).unwrap();
    let mut progress = dialing.progress();
    sim.advance(2 * SECOND);
    sim.drop_link();
    assert_eq!(dialing.wait(None).unwrap().to_number(), BOB);
    assert_eq!(steps(&mut progress).last(), Some(&step(BOB, CallState::Answered)));

    sim.callee(ANN).does_not_answer();
    let dialing = client.start_dial(to(ANN)).unwrap();
    let (say, heard) = channel();
    dialing.on_completed(move |outcome| say.send(outcome.clone().unwrap_err().kind()).unwrap());
    let progress = dialing.progress();
    sim.advance(2 * SECOND);
    sim.forget_sessions();
    sim.drop_link();
    assert_eq!(steps(progress).last(), Some(&step(ANN, CallState::Ringing)));
    assert_eq!(sim.blocking(|| heard.recv()).unwrap(), ErrorKind::SessionLost);
}

#[test]
fn the_failure_of_a_text_message_has_its_reason() {
    let (sim, client) = stage();
    let text = || sms(ANN).from("+15559990000").body("Out for delivery.");
    let failed = |message: &Message| {
        message.failure().map(|failure| (failure.state.clone(), failure.reason.clone(), failure.to_string()))
    };
    let event = |message: &Message, more: Value| {
        let mut params = json!({"message_id": message.id(), "context": "default", "direction": "outbound",
            "from_number": "+15559990000", "to_number": ANN, "body": "", "segments": 1});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sim.push_event("messaging.state", params);
    };
    // Before the verdict, and for one that was delivered, there is nothing.
    let delivered = client.send_message(text()).unwrap();
    assert!(delivered.failure().is_none());
    delivered.wait(None).unwrap();
    assert!(delivered.failure().is_none());
    sim.number(ANN).undelivered("handset unreachable");
    let message = client.send_message(text()).unwrap();
    assert_eq!(message.wait(None).unwrap().failure().unwrap().reason, message.reason());
    let reason = || Some("handset unreachable".to_owned());
    assert_eq!(
        failed(&message),
        Some((MessageState::Undelivered, reason(), "undelivered: handset unreachable".to_owned()))
    );
    assert_eq!(message.failure().unwrap().code(), None);
    sim.number(ANN).undelivered("30003");
    assert_eq!(client.send_message(text()).unwrap().wait(None).unwrap().failure().unwrap().code(), Some(30003));
    // Undocumented members can be read as well, and a reason is one line.
    let message = client.send_message(text()).unwrap();
    event(&message, json!({"message_state": "failed", "reason": "blocked\nby the carrier", "error_code": 30007}));
    message.wait(None).unwrap();
    let failure = message.failure().unwrap();
    assert_eq!((failure.state.clone(), failure.raw.get("error_code")), (MessageState::Failed, Some(json!(30007))));
    assert_eq!(failure.to_string().lines().count(), 1);
}
