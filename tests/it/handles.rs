//! Verbs whose end the service reports by an event: connecting, queues, conferences, rooms, digits, hold and the like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::actions::StayEnd;
use signalwire_relay::choices::CallSide;
use signalwire_relay::connection::CancelToken;
use signalwire_relay::devices::queue;
use signalwire_relay::errors::Phase;
use signalwire_relay::events::{EventName, LiveReport};
use signalwire_relay::params::{
    JoinConference, LiveSummary, LiveTranscribe, LiveTranscription, LiveTranslate, LiveTranslation, QueueEnter,
};
use signalwire_relay::simulator::{Builder, PersonOnCall, Simulator};
use signalwire_relay::states::{ConferenceEndReason, ConnectState, ReferState, SendDigitsState};
use signalwire_relay::{
    Call, CallState, Client, Connect, EndReason, ErrorKind, HandlerResult, LinkState, Play, Result, phone, silence,
    sip, tts,
};

use crate::support::NEVER;

const AGENT: &str = "+15552220001";
const OTHER: &str = "+15552220002";
const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    sim: Arc<Simulator>,
    client: Client,
}

impl Stage {
    fn new() -> Self {
        Self::on(Simulator::builder())
    }

    fn on(sim: Builder) -> Self {
        let sim = Arc::new(sim.virtual_time().start().unwrap());
        let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
        Self { sim, client }
    }

    /// A caller on the line.
    fn answered(&self) -> (PersonOnCall, Call) {
        let caller = self.sim.caller("+15551230000").is_silent().dials();
        let call = self.client.next_call(None).unwrap();
        call.answer().unwrap();
        call.wait_for_answered(None).unwrap();
        (caller, call)
    }

    /// Starts an operation that the service accepts, without further events.
    fn taken<T: Send + 'static>(
        &self,
        method: &'static str,
        call: &Call,
        start: impl FnOnce(&Call) -> Result<T> + Send + 'static,
    ) -> T {
        self.begun(method, call, start)(self)
    }

    /// Starts an operation in two steps: the request is sent, and it is accepted when the returned closure is called.
    fn begun<T: Send + 'static>(
        &self,
        method: &'static str,
        call: &Call,
        start: impl FnOnce(&Call) -> Result<T> + Send + 'static,
    ) -> impl FnOnce(&Self) -> T {
        self.sim.never_answer(method);
        let call = call.clone();
        let starting = self.sim.spawn(move || start(&call)).unwrap();
        self.sim.advance(SECOND);
        move |stage: &Self| {
            let requests = stage.sim.journal().requests(method);
            let reply = json!({"jsonrpc": "2.0", "id": requests.last().unwrap().id(), "result": {"code": "200"}});
            stage.sim.push_raw(&reply.to_string());
            starting.join().unwrap()
        }
    }

    /// Sends an event of a call.
    fn push(&self, call: &Call, event_type: &str, more: &Value) {
        let mut params = json!({"node_id": call.node_id(), "call_id": call.id()});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sim.push_event(event_type, params);
    }

    /// Loses the connection, and waits until the session has resumed.
    fn gap(&self) {
        let before = self.client.stats().connections;
        self.sim.drop_link();
        while self.client.stats().connections == before {
            self.sim.advance(SECOND);
        }
    }
}

fn agent(number: &str) -> Connect {
    Connect::new(phone(number).from("+15559990000").timeout(Duration::from_secs(20)))
}

#[test]
fn a_connect_gives_the_peer_and_both_calls_know_the_bridge() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    let (_caller, call) = stage.answered();
    let bridge = call.connect(agent(AGENT)).unwrap();
    let connected = bridge.wait(None).unwrap();
    assert_eq!((connected.state, connected.presumed), (ConnectState::Connected, false));
    let peer = bridge.peer().unwrap();
    assert_eq!(connected.peer.unwrap().call_id, peer.id());
    assert!(call.is_connected());
    assert_eq!(call.peer(), Some(peer.clone()));
    // The peer is a call like any other: it accepts playbacks, and its own end is reported.
    assert_eq!(peer.to_number(), AGENT);
    peer.play(tts("A caller is on the line.")).unwrap().wait(None).unwrap();
    assert!(peer.is_confirmed());
    peer.hangup().unwrap();
    let ended = bridge.wait_disconnected(None).unwrap();
    assert_eq!((ended.state, ended.ended_by_call), (ConnectState::Disconnected, false));
    peer.wait_for_ended(None).unwrap();
    assert!(!call.is_connected() && call.peer().is_none());
    assert_eq!(call.state(), CallState::Answered);
}

#[test]
fn a_bridge_is_taken_apart_and_ends_with_its_call() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    let (caller, call) = stage.answered();
    let bridge = call.connect(agent(AGENT)).unwrap();
    bridge.wait(None).unwrap();
    let ended = bridge.disconnect().unwrap().wait(None).unwrap();
    assert_eq!(ended.state, ConnectState::Disconnected);
    assert_eq!(bridge.wait_disconnected(None).unwrap().state, ConnectState::Disconnected);

    let again = call.connect(agent(AGENT)).unwrap();
    again.wait(None).unwrap();
    stage.sim.end_calls_abruptly(true);
    caller.hang_up();
    let ended = again.wait_disconnected(None).unwrap();
    assert!(ended.ended_by_call);
    // The first one has had its end long before.
    assert!(!bridge.wait_disconnected(None).unwrap().ended_by_call);
}

#[test]
fn a_connect_that_fails_says_why_and_to_whom() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).is_busy();
    stage.sim.callee(OTHER).does_not_answer();
    let (_caller, call) = stage.answered();
    for (number, reason, text) in [(AGENT, EndReason::Busy, "busy"), (OTHER, EndReason::NoAnswer, "no answer")] {
        let error = call.connect(agent(number)).unwrap().wait(None).unwrap_err();
        assert_eq!((error.kind(), error.end_reason()), (ErrorKind::ConnectFailed, Some(reason)));
        assert!(error.to_string().ends_with(&format!("to {number}: {text}")), "{error}");
        assert_eq!(error.call_id(), Some(call.id()));
        assert!(!error.may_have_been_sent() && !error.is_retryable() && !error.is_call_gone());
    }
    assert!(!call.is_connected());
}

#[test]
fn the_end_of_an_earlier_bridge_is_not_taken_for_the_next_one() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    let (_caller, call) = stage.answered();
    let first = call.connect(agent(AGENT)).unwrap();
    first.wait(None).unwrap();
    // The second request has no response yet when the first one ends.
    let second = stage.begun("calling.connect", &call, |call| call.connect(agent(OTHER)));
    stage.push(&call, "calling.call.connect", &json!({"connect_state": "disconnected"}));
    first.wait_disconnected(None).unwrap();
    let second = second(&stage);
    assert!(!second.is_done(), "the end of the first bridge is not the second one's");
    let peer = json!({"connect_state": "connected", "peer": {"call_id": "p", "node_id": "n"}});
    stage.push(&call, "calling.call.connect", &peer);
    assert_eq!(second.wait(None).unwrap().peer.unwrap().call_id, "p");
}

#[test]
fn a_stay_in_a_queue_says_how_it_ended() {
    let stage = Stage::new();
    let (_first, waiting) = stage.answered();
    let (_second, other) = stage.answered();
    let stay = waiting.queue_enter(QueueEnter::new("support").wait_time(Duration::from_secs(60))).unwrap();
    let behind = other.queue_enter("support").unwrap();
    stage.sim.advance(SECOND);
    assert_eq!((stay.position(), behind.position(), behind.size()), (Some(1), Some(2), Some(2)));
    // Connected: to whom.
    let (_agent, desk) = stage.answered();
    desk.connect(queue(waiting.node_id(), "support")).unwrap().wait(None).unwrap();
    let ended = stay.wait(None).unwrap();
    assert_eq!(ended.end, StayEnd::Connected);
    assert_eq!(ended.peer.unwrap().call_id, desk.id());
    assert_eq!(waiting.peer().unwrap(), desk);
    // Left.
    behind.leave().unwrap();
    assert_eq!(behind.wait(None).unwrap().end, StayEnd::Left);
    // Timed out.
    let short = other.queue_enter(QueueEnter::new("sales").wait_time(Duration::from_secs(5))).unwrap();
    let begun = stage.sim.elapsed();
    assert_eq!(short.wait(None).unwrap().end, StayEnd::TimedOut);
    assert!(stage.sim.elapsed() - begun >= Duration::from_secs(5));
    // The call ended.
    let last = other.queue_enter("sales").unwrap();
    stage.sim.end_calls_abruptly(true);
    other.hangup().unwrap();
    assert_eq!(last.wait(None).unwrap().end, StayEnd::CallEnded);
}

#[test]
fn a_call_taken_out_of_its_queue_is_connected_though_no_bridge_is_reported() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let stay = call.queue_enter("support").unwrap();
    let taken = json!({"control_id": stay.control_id(), "status": "dequeue", "name": "support", "position": 0});
    stage.push(&call, "calling.call.queue", &taken);
    let begun = stage.sim.elapsed();
    let ended = stay.wait(None).unwrap();
    assert_eq!((ended.end, ended.peer.is_none()), (StayEnd::Connected, true));
    assert!(stage.sim.elapsed() - begun <= Duration::from_secs(6));
}

#[test]
fn a_stay_in_a_conference_has_its_id_and_its_end() {
    let stage = Stage::new();
    let (_ann, first) = stage.answered();
    let (_bob, second) = stage.answered();
    let host = first.join_conference(JoinConference::new("standup").end_on_exit(true)).unwrap();
    let guest = second.join_conference("standup").unwrap();
    host.wait_joined(None).unwrap();
    guest.wait_joined(None).unwrap();
    assert!(host.conference_id().is_some() && host.conference_id() == guest.conference_id());
    // Others remain; this one has left of its own accord.
    guest.leave().unwrap();
    assert_eq!(guest.wait(None).unwrap().end, StayEnd::Left);
    let again = second.join_conference("standup").unwrap();
    again.wait_joined(None).unwrap();
    host.leave().unwrap();
    assert_eq!(host.wait(None).unwrap().end, StayEnd::Left);
    // The other one was taken out because the conference ended.
    assert_eq!(again.wait(None).unwrap().end, StayEnd::ConferenceEnded);
    assert_eq!(second.state(), CallState::Answered);
}

#[test]
fn a_conference_that_ends_around_a_call_ends_its_stay() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let stay = call.join_conference("standup").unwrap();
    stay.wait_joined(None).unwrap();
    let id = stay.conference_id().unwrap();
    let end = |name: &str, id: &str| {
        json!({"conference_id": id, "name": name, "status": "conference-end",
            "reason_ended": "conference-ended-via-api"})
    };
    // The ends of another conference, and of an earlier one with this name, do not end the stay.
    stage.sim.push_event("calling.conference", end("other", "x"));
    stage.sim.push_event("calling.conference", end("standup", "an earlier one"));
    stage.sim.advance(SECOND);
    assert!(!stay.is_done());
    stage.sim.push_event("calling.conference", end("standup", &id));
    let ended = stay.wait(None).unwrap();
    assert_eq!((ended.end, ended.reason), (StayEnd::ConferenceEnded, Some(ConferenceEndReason::ViaApi)));
    assert_eq!(call.state(), CallState::Answered);
}

#[test]
fn a_stay_whose_caller_hangs_up_ends_with_the_call_and_one_that_others_end_does_not() {
    let stage = Stage::new();
    // The service says that the call has left, and then that it has ended.
    let (caller, call) = stage.answered();
    let stay = call.join_conference("standup").unwrap();
    stay.wait_joined(None).unwrap();
    caller.hang_up();
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::CallEnded);
    let (caller, call) = stage.answered();
    let stay = call.join_room("lobby").unwrap();
    stay.wait_joined(None).unwrap();
    caller.hang_up();
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::CallEnded);
    let (caller, call) = stage.answered();
    let stay = call.queue_enter("support").unwrap();
    stage.sim.advance(SECOND);
    caller.hang_up();
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::CallEnded);
    // No event follows, so another party has taken the call out.
    let (_caller, call) = stage.answered();
    let stay = call.join_conference("standup").unwrap();
    stay.wait_joined(None).unwrap();
    let id = stay.conference_id().unwrap();
    let begun = stage.sim.elapsed();
    stage.push(
        &call,
        "calling.conference",
        &json!({"conference_id": id, "name": "standup", "status": "participant-leave"}),
    );
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::Removed);
    assert_eq!((stage.sim.elapsed() - begun).as_millis() / 10, 100);
    // The conference ends: it took its calls out first.
    let (_caller, call) = stage.answered();
    let stay = call.join_conference("retrospective").unwrap();
    stay.wait_joined(None).unwrap();
    let id = stay.conference_id().unwrap();
    let end = json!({"conference_id": id, "name": "retrospective", "status": "conference-end",
        "reason_ended": "conference-ended-via-api"});
    stage.push(
        &call,
        "calling.conference",
        &json!({"conference_id": id, "name": "retrospective", "status": "participant-leave"}),
    );
    stage.sim.push_event("calling.conference", end);
    let ended = stay.wait(None).unwrap();
    assert_eq!((ended.end, ended.reason), (StayEnd::ConferenceEnded, Some(ConferenceEndReason::ViaApi)));
}

#[test]
fn a_room_is_joined_and_left_and_says_why_not() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let stay = call.join_room("lobby").unwrap();
    stay.wait_joined(None).unwrap();
    stay.leave().unwrap();
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::Left);
    let joining = stage.begun("calling.join_room", &call, |call| call.join_room("cellar"));
    stage.push(&call, "calling.call.room", &json!({"join_status": "locked", "room_name": "cellar"}));
    let locked = joining(&stage);
    let error = locked.wait_joined(None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectFailed);
    assert!(error.to_string().contains("cellar") && error.to_string().contains("locked"), "{error}");
}

#[test]
fn digits_hold_noise_reduction_echo_and_refer_are_waited_for() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    assert_eq!(call.send_digits("12#").unwrap().wait(None).unwrap().state, SendDigitsState::Finished);
    call.hold().unwrap().wait(None).unwrap();
    call.unhold().unwrap().wait(None).unwrap();
    assert!(call.denoise().unwrap().wait(None).unwrap().denoised);
    assert!(!call.denoise_stop().unwrap().wait(None).unwrap().denoised);
    let echo = call.echo_with(signalwire_relay::params::Echo::new().timeout(Duration::from_secs(5))).unwrap();
    assert!(!echo.wait(None).unwrap().ended_by_call);
    let referring = stage.begun("calling.refer", &call, |call| call.refer(sip("sip:desk@pbx.example")));
    for state in ["inProgress", "busy"] {
        let refer = json!({"state": state, "sip_refer_to": "sip:desk@pbx.example", "sip_notify_response_code": "486"});
        stage.push(&call, "calling.call.refer", &refer);
    }
    let answer = referring(&stage).wait(None).unwrap();
    assert_eq!((answer.state, &*answer.sip_notify_response_code), (ReferState::Busy, "486"));
}

#[test]
fn live_transcription_gives_its_utterances_its_summaries_and_its_log() {
    let stage = Stage::new();
    let (caller, call) = stage.answered();
    let transcription = call.live_transcribe(LiveTranscription::new().live_events(true)).unwrap();
    let events = transcription.events();
    caller.say("good morning");
    stage.sim.advance(SECOND);
    let summary = call.live_transcribe(LiveSummary::new()).unwrap();
    let summarized = summary.wait(None).unwrap();
    assert_eq!((summarized.report, summarized.summary.as_deref()), (LiveReport::Summary, Some("1 utterances")));
    assert!(!transcription.is_done());
    let stopped = call.live_transcribe(LiveTranscribe::stop()).unwrap().wait(None).unwrap();
    let log = transcription.wait(None).unwrap();
    for log in [&stopped, &log] {
        assert_eq!((log.report, log.ended_by_call), (LiveReport::Log, false));
        let turns: Vec<_> = log.turns().into_iter().map(|turn| (turn.role, turn.text)).collect();
        assert_eq!(turns, [("remote-caller".to_owned(), "good morning".to_owned())]);
    }
    let said: Vec<_> = events.map(|event| (event.report, event.text)).collect();
    let no_text = String::new;
    assert_eq!(
        said,
        [
            (LiveReport::Utterance, "good morning".to_owned()),
            (LiveReport::Summary, no_text()),
            (LiveReport::Log, no_text())
        ]
    );
    // A session that does not run cannot be stopped, which is no error of the command.
    assert!(call.live_transcribe(LiveTranscribe::stop()).unwrap().is_done());
}

#[test]
fn live_translation_gives_both_sides_and_ends_with_its_call() {
    let stage = Stage::new();
    let (caller, call) = stage.answered();
    let spanish = || LiveTranslation::new().from_lang("en-US").to_lang("es-ES").live_events(true);
    let translation = call.live_translate(spanish()).unwrap();
    // Transcription and translation do not get each other's events.
    let transcription = call.live_transcribe(LiveTranscription::new().live_events(true)).unwrap();
    let mut events = translation.events();
    caller.say("good morning");
    let said = events.next().unwrap();
    assert_eq!((said.text.as_str(), said.translation.as_str()), ("good morning", "[es-ES] good morning"));
    let injected = call.live_translate(LiveTranslate::inject("one moment", CallSide::Remote)).unwrap();
    assert_eq!(injected.wait(None).unwrap().report, LiveReport::Accepted);
    let log = call.live_translate(LiveTranslate::stop()).unwrap().wait(None).unwrap();
    assert_eq!(log.translated_turns()[0].text, "[es-ES] good morning");
    assert_eq!(translation.wait(None).unwrap().report, LiveReport::Log);
    assert!(!transcription.is_done());
    // Without a log it ends with the call.
    let again = call.live_translate(spanish()).unwrap();
    let summary = call.live_translate(LiveSummary::new());
    stage.sim.end_calls_abruptly(true);
    caller.hang_up();
    assert!(transcription.wait(None).unwrap().ended_by_call && again.wait(None).unwrap().ended_by_call);
    assert_eq!(summary.unwrap().wait(None).unwrap_err().kind(), ErrorKind::CallEnded);
}

#[test]
fn the_end_of_live_transcription_that_was_missed_is_unknown_soon_after_a_stop() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let stopped = stage.taken("calling.live_transcribe", &call, |call| call.live_transcribe(LiveTranscribe::stop()));
    stage.gap();
    let begun = stage.sim.elapsed();
    assert_eq!(stopped.wait(None).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert!(stage.sim.elapsed() - begun <= Duration::from_secs(11));
}

#[test]
fn a_waiter_made_before_its_command_misses_nothing() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let mut held = call.waiter(EventName::Hold);
    call.execute("calling.hold", json!({})).unwrap();
    // The event has long come when the wait begins.
    stage.sim.advance(SECOND);
    held.wait(Duration::from_secs(1)).unwrap();
    let late = call.wait_for(EventName::Hold, |_| true, Duration::from_secs(1)).unwrap_err();
    assert!(late.is_timeout() && !late.to_string().contains("waited for again"), "{late}");
    let again = held.wait(Duration::from_secs(1)).unwrap_err();
    assert!(again.is_timeout());
    call.execute("calling.unhold", json!({})).unwrap();
    held.wait(None).unwrap();
}

#[test]
fn a_connect_whose_answer_was_missed_ends_with_an_unknown_outcome() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).does_not_answer();
    let (_caller, call) = stage.answered();
    // No event of it ever arrives: it was lost with the connection.
    let bridge = stage.taken("calling.connect", &call, |call| call.connect(agent(AGENT)));
    stage.gap();
    let begun = stage.sim.elapsed();
    let soon = bridge.wait(SECOND).unwrap_err();
    assert_eq!((soon.kind(), soon.is_timeout()), (ErrorKind::OutcomeUnknown, true));
    let error = bridge.wait(None).unwrap_err();
    assert_eq!(
        (error.kind(), error.is_timeout(), error.may_have_been_sent()),
        (ErrorKind::OutcomeUnknown, false, true)
    );
    // The ringing time that was set, and 30 s.
    let waited = stage.sim.elapsed() - begun;
    assert!(waited >= Duration::from_secs(49) && waited <= Duration::from_secs(51), "{waited:?}");
    // Events that arrive all the same are applied.
    let peer = json!({"connect_state": "connected", "peer": {"call_id": "p", "node_id": "n"}});
    stage.push(&call, "calling.call.connect", &peer);
    stage.sim.advance(SECOND);
    assert!(call.is_connected());
}

/// A call with a connect that the service has accepted, and whose news was lost with the connection.
fn in_doubt(stage: &Stage) -> (PersonOnCall, Call, signalwire_relay::actions::ConnectAction) {
    let (caller, call) = stage.answered();
    let bridge = stage.taken("calling.connect", &call, |call| call.connect(agent(AGENT)));
    stage.gap();
    stage.sim.answer_again("calling.connect");
    (caller, call, bridge)
}

#[test]
fn a_second_connect_that_is_refused_proves_the_first() {
    let stage = Stage::new();
    let (_caller, call, bridge) = in_doubt(&stage);
    stage.sim.refuse_next("calling.connect", 409, "A connect is in progress");
    let refused = call.connect(agent(OTHER)).unwrap_err();
    assert_eq!(refused.code(), Some(409));
    let connected = bridge.wait(Duration::ZERO).unwrap();
    assert_eq!((connected.state, connected.presumed), (ConnectState::Connected, true));
    assert!(call.is_connected());
    // The reported end ends the bridge.
    stage.push(&call, "calling.call.connect", &json!({"connect_state": "disconnected"}));
    assert_eq!(bridge.wait_disconnected(None).unwrap().state, ConnectState::Disconnected);
}

#[test]
fn the_end_of_a_bridge_that_was_missed_settles_its_connect() {
    let stage = Stage::new();
    let (_caller, call, bridge) = in_doubt(&stage);
    let end = json!({"connect_state": "disconnected", "peer": {"call_id": "p", "node_id": "n"}});
    stage.push(&call, "calling.call.connect", &end);
    assert_eq!(bridge.wait(None).unwrap().state, ConnectState::Disconnected);
    bridge.wait_disconnected(Duration::ZERO).unwrap();
}

/// A program that calls one agent after the other.
fn menu(call: &Call) -> HandlerResult {
    call.answer()?;
    for number in [AGENT, OTHER] {
        match call.connect(agent(number))?.wait(Duration::from_secs(40)) {
            Ok(_) => {
                call.wait_for_ended(None)?;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::ConnectFailed || error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
    }
    call.hangup()?;
    Ok(())
}

#[test]
fn a_caller_whose_bridge_was_missed_is_not_hung_up_by_a_handler_that_fails() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    stage.client.on_call(|call| menu(&call));
    // The agent answers, and the news of that is lost with the connection.
    stage.sim.inject(signalwire_relay::simulator::Fault::lose().on("calling.call.connect").events().for_next(2));
    let caller = stage.sim.caller("+15551230000").is_silent().dials();
    stage.sim.advance(Duration::from_secs(3));
    stage.gap();
    // The first wait has no news, the second connect is refused, and the handler fails.
    stage.sim.advance(Duration::from_secs(60));
    assert_eq!(stage.client.stats().handler_failures, 1);
    assert_eq!(caller.state(), "answered", "the caller talks to the first agent");
    assert!(stage.sim.journal().requests("calling.end").is_empty());
}

#[test]
fn a_handler_that_fails_without_a_gap_hangs_up() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    stage.client.on_call(|call| {
        call.answer()?;
        call.connect(agent(AGENT))?.wait(None)?;
        Err("a mistake of the program".into())
    });
    let caller = stage.sim.caller("+15551230000").is_silent().dials();
    caller.wait_ended(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_command_that_finds_an_operation_ended_after_a_gap_ends_its_wait() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let play = call.play(silence(NEVER)).unwrap();
    stage.gap();
    let waited = play.wait(SECOND).unwrap_err();
    assert_eq!((waited.kind(), waited.is_timeout()), (ErrorKind::OutcomeUnknown, true));
    stage.sim.refuse_next("calling.play.stop", 404, "no such operation");
    play.stop().unwrap();
    let error = play.wait(None).unwrap_err();
    assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::OutcomeUnknown, false));
    assert_eq!(call.state(), CallState::Answered);
}

#[test]
fn what_never_began_is_sent_no_commands() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    // The service no longer knows the call: the first play finds that, and the second one is not sent.
    stage.sim.refuse_next("calling.play", 410, "Call does not exist");
    for play in [call.play(silence(NEVER)).unwrap(), call.play(silence(NEVER)).unwrap()] {
        assert_eq!(play.wait(None).unwrap_err().kind(), ErrorKind::CallGone);
        play.pause().unwrap();
        play.volume(3.0).unwrap();
        play.stop().unwrap();
    }
    let asked = stage.sim.journal();
    assert_eq!(asked.requests("calling.play").len(), 1);
    for command in ["calling.play.pause", "calling.play.volume", "calling.play.stop"] {
        assert!(asked.requests(command).is_empty(), "{command}");
    }
}

#[test]
fn a_call_known_by_its_id_is_unconfirmed_until_an_event_arrives() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    // The handle refers to the same call as the first one.
    assert_eq!(stage.client.call(call.id(), &call.node_id()), call);
    assert_eq!(stage.client.stats().calls, 1);
    let unknown = stage.client.call("5b1e7c90-2f4d-4a86-b3d1-9c60f2a7e418", "n-1");
    assert!(!unknown.is_confirmed() && unknown.state() == CallState::Created);
    assert_eq!(stage.client.stats().calls, 2);
    stage.push(&unknown, "calling.call.state", &json!({"call_state": "answered"}));
    unknown.wait_for_answered(None).unwrap();
    assert!(unknown.is_confirmed());
    // The service does not know the call: it has ended, and that is no error.
    unknown.hangup().unwrap();
    assert_eq!(unknown.end().unwrap().reason, None);
    assert_eq!(stage.client.stats().calls, 1);
    // A call that ended here has ended for every handle.
    let (id, node) = (call.id().to_owned(), call.node_id());
    call.hangup().unwrap();
    call.wait_for_ended(None).unwrap();
    drop(call);
    stage.sim.advance(SECOND);
    assert!(stage.client.call(&id, &node).end().is_some());
    assert_eq!(stage.client.stats().calls, 0);
}

#[test]
fn a_jwt_is_asked_for_at_each_connect_and_shown_nowhere() {
    let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let token = sim.token().to_owned();
    let builder = Client::builder().simulator(&sim).contexts(["default"]);
    let client = builder
        .jwt_from(move || {
            // The first attempt after a loss has no luck.
            match count.fetch_add(1, Ordering::SeqCst) {
                1 => Err("the token service is down".into()),
                _ => Ok(format!("{token}\n")),
            }
        })
        .connect()
        .unwrap();
    sim.drop_link();
    while client.stats().connections < 2 {
        sim.advance(SECOND);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let connects = sim.journal().requests("signalwire.connect");
    assert!(connects.iter().all(|request| request.params()["authentication"].get("jwt_token").is_some()));
    assert!(matches!(client.state(), LinkState::Online { resumed: true }));
}

#[test]
fn a_closure_for_jwts_that_fails_panics_or_blocks_costs_only_its_attempt() {
    for (which, text) in [(0, "no luck"), (1, "panicked"), (2, "took too long"), (3, "is empty")] {
        let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
        let held = Arc::clone(&sim);
        let builder = Client::builder().simulator(&sim).jwt_from(move || match which {
            0 => Err("no luck".into()),
            1 => panic!("no luck"),
            2 => {
                held.advance(NEVER);
                Ok("late".into())
            }
            _ => Ok(" ".into()),
        });
        let error = if which == 2 { builder.connect_timeout(SECOND).connect() } else { builder.connect() }.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Auth)), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_jwt_given_later_is_the_one_that_a_reconnect_sends() {
    let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
    let client = Client::builder().simulator(&sim).connect().unwrap();
    let token = sim.token().to_owned();
    client.reauthenticate(&token).unwrap();
    assert_eq!(client.reauthenticate("  ").unwrap_err().kind(), ErrorKind::Config);
    sim.drop_link();
    while client.stats().connections < 2 {
        sim.advance(SECOND);
    }
    let connects = sim.journal().requests("signalwire.connect");
    assert!(connects[0].params()["authentication"].get("project").is_some());
    assert!(connects[1].params()["authentication"].get("jwt_token").is_some());
    // One that is refused is not used.
    sim.refuse_next("signalwire.reauthenticate", -32002, "expired");
    assert_eq!(client.reauthenticate("another").unwrap_err().kind(), ErrorKind::Rejected);
    sim.drop_link();
    while client.stats().connections < 3 {
        sim.advance(SECOND);
    }
}

#[test]
fn a_first_connect_that_is_retried_can_be_watched_and_ended() {
    let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
    sim.stop_listening();
    let (token, attempts) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&attempts);
    let builder = Client::builder().simulator(&sim).retry_first_connect(true).cancel(&token).on_state(move |state| {
        if let LinkState::Reconnecting { attempt, cause, .. } = state {
            assert_eq!(cause.kind(), ErrorKind::Connect);
            seen.store(*attempt as usize, Ordering::SeqCst);
        }
    });
    let connecting = sim.spawn(move || builder.connect().map(drop)).unwrap();
    sim.advance(Duration::from_secs(20));
    assert!(attempts.load(Ordering::SeqCst) >= 3);
    let begun = sim.elapsed();
    token.cancel();
    assert_eq!(connecting.join().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(sim.elapsed(), begun);
    // A token that was cancelled starts nothing.
    let late = Client::builder().simulator(&sim).cancel(&token).connect().unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Closed);
}

#[test]
fn a_received_message_is_replied_to_its_sender() {
    let stage = Stage::new();
    stage.sim.texts("+15553330000", "+15559990000", "hello");
    let message = stage.client.next_message(None).unwrap();
    let reply = message.reply("Hello yourself").unwrap();
    assert_eq!((&*reply.to_number(), &*reply.from_number()), ("+15553330000", "+15559990000"));
    assert_eq!(reply.reply("no").unwrap_err().kind(), ErrorKind::Config);
    let weak = stage.client.downgrade();
    drop(stage.client);
    assert!(weak.upgrade().is_none());
    assert_eq!(message.reply("too late").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_handler_that_fails_hangs_up_a_bridge_that_was_reported_after_a_gap() {
    let stage = Stage::new();
    stage.sim.callee(AGENT).answers();
    stage.client.on_call(|call| {
        call.answer()?;
        call.on_any(|_| {});
        // The gap comes meanwhile.
        let _it_goes_on = call.wait_for_ended(30 * SECOND);
        call.connect(agent(AGENT))?.wait(None)?;
        Err("a mistake of the program".into())
    });
    let caller = stage.sim.caller("+15551230000").is_silent().dials();
    stage.sim.advance(3 * SECOND);
    stage.gap();
    caller.wait_ended(Duration::from_secs(120)).unwrap();
}

#[test]
fn an_operation_with_an_event_after_a_gap_is_in_doubt_no_longer() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let play = call.play(silence(NEVER)).unwrap();
    stage.gap();
    assert_eq!(play.wait(SECOND).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    stage.push(&call, "calling.call.play", &json!({"control_id": play.control_id(), "state": "playing"}));
    assert_eq!(play.wait(SECOND).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn a_response_confirms_a_call_without_an_event() {
    let stage = Stage::new();
    let (_caller, call) = stage.answered();
    let play = call.play(silence(NEVER)).unwrap();
    stage.gap();
    assert!(!call.is_confirmed());
    // No event follows this one.
    play.volume(-3.0).unwrap();
    assert!(call.is_confirmed());
}

#[test]
fn whether_a_control_id_may_be_used_again_after_its_operation_is_left_to_the_service() {
    // The simulator refuses it, and says so.
    let stage = Stage::on(Simulator::builder().allow_violations());
    let (_caller, call) = stage.answered();
    let again = |control_id: &str| {
        // Until the last event has been dealt with.
        stage.sim.advance(SECOND);
        call.play(Play::new(silence(SECOND)).control_id(control_id)).unwrap_err().code()
    };
    call.play(Play::new(silence(SECOND)).control_id("play")).unwrap().wait(None).unwrap();
    assert_eq!(again("play"), Some(409));
    // One that ends because no better news came.
    let stay = call.queue_enter(QueueEnter::new("support").control_id("stay")).unwrap();
    let taken = json!({"control_id": "stay", "status": "dequeue", "name": "support", "position": 0});
    stage.push(&call, "calling.call.queue", &taken);
    assert_eq!(stay.wait(None).unwrap().end, StayEnd::Connected);
    assert_eq!(again("stay"), Some(409));
    // The simulator takes exception to both.
    assert_eq!(stage.sim.take_violations().len(), 2);
}
