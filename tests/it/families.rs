//! The families of methods other than playing and collecting, each through the client and the simulator.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;
use signalwire_relay::choices::{AudioDirection, CallSide, CardType, FaxKind};
use signalwire_relay::devices::{rtp, ws};
use signalwire_relay::params::{
    Ai, AiMessage, AiUnhold, AmazonBedrock, BindDigit, ClearDigitBindings, Echo, JoinConference, JoinRoom, LiveSummary,
    LiveTranscribe, LiveTranscription, LiveTranslate, LiveTranslation, Pay, QueueEnter, ReceiveFax, SendFax, Stream,
    Tap, Transcribe, Transfer, UserEvent,
};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::{
    AiState, ConferenceEndReason, ConferenceStatus, HoldState, PayResult, PayStep, QueueStatus, ReferState,
    StreamState, TapState, TranscribeState,
};
use signalwire_relay::{Call, CallState, Client, ErrorKind, Event, sip, tts};

use crate::support::*;

const DOCUMENT: &str = "https://example.com/doc.pdf";

/// Waits for a caller's call, offered and answered.
fn on_line(client: &Client, caller: PersonOnCall) -> (PersonOnCall, Call) {
    let call = client.next_call(LONG).unwrap();
    assert_eq!(call.id(), caller.call_id());
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    (caller, call)
}

fn fax_machine(sim: &Simulator, client: &Client) -> (PersonOnCall, Call) {
    on_line(client, sim.caller("+15551230000").is_fax().dials())
}

/// All events of a call from now on.
fn all_of(call: &Call) -> Receiver<Event> {
    let (to, events) = channel();
    call.on_any(move |event| {
        to.send(event.clone()).ok();
    });
    events
}

/// All events from now on that belong to no call.
fn strays_of(client: &Client) -> Receiver<Event> {
    let (to, events) = channel();
    client.on_event(move |event| {
        to.send(event.clone()).ok();
    });
    events
}

/// The next event of this type; others before it are skipped.
fn next(events: &Receiver<Event>, name: &str) -> Event {
    loop {
        let event = events.recv_timeout(LONG).unwrap_or_else(|_| panic!("{name} did not come"));
        if event.name().as_str() == name {
            return event;
        }
    }
}

fn payload(event: &Event) -> serde_json::Value {
    serde_json::from_str(event.raw().json()).unwrap()
}

#[test]
fn faxes_are_sent_and_received_page_by_page() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_machine, call) = fax_machine(&sim, &client);
        let events = all_of(&call);
        let sending = call.send_fax(SendFax::new(DOCUMENT).identity("+15559990000")).unwrap();
        let sent = sending.wait(LONG).unwrap();
        let told = [(); 3].map(|()| {
            let Event::Fax(event) = next(&events, "calling.call.fax") else { panic!("a fax") };
            (event.kind, event.page)
        });
        assert_eq!(told, [(FaxKind::Page, 1), (FaxKind::Page, 2), (FaxKind::Finished, 0)]);
        assert!(sent.is_success && sent.is_end());
        assert_eq!((sent.pages, sent.document.as_str(), sent.identity.as_str()), (2, DOCUMENT, "+15559990000"));
        assert_eq!((sent.control_id.as_str(), sent.direction.as_str()), (sending.control_id(), "send"));
        assert_eq!((sent.result, sent.remote_identity.as_str()), (0, "+15551230000"));

        let received = call.receive_fax(ReceiveFax::new()).unwrap().wait(LONG).unwrap();
        assert!(received.is_success && received.document.starts_with("https://"));
        assert_eq!((received.pages, received.direction.as_str()), (2, "receive"));
        assert_accepted(&sim);
    });
}

#[test]
fn a_fax_to_a_person_fails_and_one_can_be_stopped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let sent = call.send_fax(DOCUMENT).unwrap().wait(LONG).unwrap();
        assert_eq!((sent.is_success, sent.pages, sent.result_text.as_str()), (false, 0, "CED not heard"));
        let received = call.receive_fax(ReceiveFax::new()).unwrap().wait(LONG).unwrap();
        assert_eq!((received.is_success, received.result_text.as_str()), (false, "CNG not heard"));
        for stopped in [
            {
                let fax = call.send_fax(DOCUMENT).unwrap();
                fax.stop().unwrap();
                fax.wait(LONG).unwrap()
            },
            {
                let fax = call.receive_fax(ReceiveFax::new()).unwrap();
                fax.stop().unwrap();
                fax.wait(LONG).unwrap()
            },
        ] {
            assert_eq!((stopped.kind, stopped.is_success), (FaxKind::Finished, false));
        }
        assert_accepted(&sim);
    });
}

#[test]
fn a_fax_ends_although_its_call_ends_in_the_middle() {
    watched(|| {
        for (abruptly, before) in [(false, false), (false, true), (true, false)] {
            let sim = virtual_sim();
            sim.end_calls_abruptly(abruptly);
            sim.finish_recordings_before_ended(before);
            let client = builder(&sim).tuning(|t| t.final_event_grace(LONG / 4)).connect().unwrap();
            let (machine, call) = fax_machine(&sim, &client);
            let mut pages = call.waiter("calling.call.fax");
            let fax = call.send_fax(DOCUMENT).unwrap();
            pages.wait(LONG).unwrap();
            machine.hang_up();
            let outcome = fax.wait(LONG);
            if abruptly {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::CallEnded);
            } else {
                let ended = outcome.unwrap();
                assert_eq!((ended.is_success, ended.pages, ended.kind), (false, 1, FaxKind::Finished));
            }
            call.wait_for_ended(LONG).unwrap();
            until_in(&sim, "nothing of the call is kept", || client.stats().calls == 0);
            assert_accepted(&sim);
        }
    });
}

#[test]
fn a_tap_says_where_it_comes_from_and_is_stopped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let tap = call.tap(Tap::new(rtp("192.0.2.10", 5000)).direction(AudioDirection::Both)).unwrap();
        let device = tap.reply().get("source_device").unwrap();
        assert_eq!(
            device["params"],
            json!({"addr": "192.0.2.10", "port": 5000, "codec": "PCMU", "rate": 8000, "ptime": 20})
        );
        assert_eq!(tap.reply().text("control_id").as_deref(), Some(tap.control_id()));
        let second = call.tap(ws("wss://example.com/tap")).unwrap();
        assert!(!tap.is_done());
        tap.stop().unwrap();
        let outcome = tap.wait(LONG).unwrap();
        assert_eq!((outcome.state, outcome.direction), (TapState::Finished, Some(AudioDirection::Both)));
        assert!(!outcome.ended_by_call && !second.is_done());
        second.stop().unwrap();
        assert_eq!(second.wait(LONG).unwrap().state, TapState::Finished);
        assert_accepted(&sim);
    });
}

#[test]
fn a_stream_is_started_and_stopped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let events = all_of(&call);
        let stream = call.stream(Stream::new("wss://example.com/audio").name("ear")).unwrap();
        let Event::Stream(begun) = next(&events, "calling.call.stream") else { panic!("a stream") };
        assert_eq!((begun.state, begun.url.as_str()), (StreamState::Streaming, "wss://example.com/audio"));
        assert!(!stream.is_done());
        stream.stop().unwrap();
        let outcome = stream.wait(LONG).unwrap();
        assert_eq!(
            (outcome.state, outcome.name.as_str(), outcome.ended_by_call),
            (StreamState::Finished, "ear", false)
        );
        let refused = refusal(call.stream("https://example.com/audio"));
        assert_eq!(refused.code(), Some(400));
        assert_accepted(&sim);
    });
}

#[test]
fn taps_streams_and_agents_end_well_with_their_call() {
    watched(|| {
        for abruptly in [false, true] {
            let sim = sim();
            sim.end_calls_abruptly(abruptly);
            let client = client(&sim);
            let (person, call) = answered(&sim, &client);
            let tap = call.tap(rtp("192.0.2.10", 5000)).unwrap();
            let stream = call.stream("wss://example.com/audio").unwrap();
            let ai = call.ai(Ai::new().prompt("Be brief.")).unwrap();
            person.hang_up();
            let (tap, stream, ai) = (tap.wait(LONG).unwrap(), stream.wait(LONG).unwrap(), ai.wait(LONG).unwrap());
            assert_eq!(
                (tap.state, stream.state, ai.state),
                (TapState::Finished, StreamState::Finished, AiState::Finished)
            );
            // The service reports the end of the first two, if it can, and never that of an agent.
            assert_eq!((tap.ended_by_call, stream.ended_by_call, ai.ended_by_call), (abruptly, abruptly, true));
            assert_accepted(&sim);
        }
    });
}

fn pay() -> Pay {
    Pay::new("https://pay.example.com/charge").charge_amount("25.99").postal_code(false)
}

#[test]
fn a_payment_is_made_with_the_keypad_of_the_phone() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let caller = sim.caller("+15551230000").when_asked_to_pay().presses("4242424242424242");
        let caller = caller.when_asked_to_pay().presses("1299").when_asked_to_pay().presses("123");
        let (_person, call) = on_line(&client, caller.dials());
        let events = all_of(&call);
        let paid = call.pay(pay()).unwrap().wait(LONG).unwrap();
        assert!(paid.is_success(), "{:?}", paid.result);
        assert_eq!((paid.card_number.as_str(), paid.card_type), ("************4242", Some(CardType::Visa)));
        assert_eq!((paid.expiration_date.as_str(), paid.security_code.as_str()), ("1299", "***"));
        assert!(!paid.payment_token.is_empty() && !paid.payment_confirmation_code.is_empty());
        let expected = [
            PayStep::CardNumber,
            PayStep::ExpirationDate,
            PayStep::SecurityCode,
            PayStep::Processing,
            PayStep::Completed,
        ];
        for step in expected {
            let Event::Pay(event) = next(&events, "calling.call.pay") else { panic!("a payment") };
            assert_eq!(event.step, Some(step));
        }
        assert_accepted(&sim);
    });
}

#[test]
fn a_payment_ends_by_a_stop_a_star_or_the_end_of_the_call() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        let begin = || {
            let paying = call.pay(pay().timeout(Duration::from_secs(600))).unwrap();
            loop {
                let Event::Pay(event) = next(&events, "calling.call.pay") else { panic!("a payment") };
                if event.control_id == paying.control_id() {
                    assert_eq!(event.step, Some(PayStep::CardNumber));
                    break;
                }
            }
            paying
        };
        let paying = begin();
        assert_eq!(refusal(call.pay(pay())).code(), Some(409));
        paying.stop().unwrap();
        assert_eq!(paying.wait(LONG).unwrap().result, Some(PayResult::Stopped));
        let paying = begin();
        person.press("*");
        assert_eq!(paying.wait(LONG).unwrap().result, Some(PayResult::CallerInterrupted));
        let paying = begin();
        person.hang_up();
        let ended = paying.wait(LONG).unwrap();
        assert_eq!((ended.is_success(), ended.result), (false, Some(PayResult::CallerHungUp)));
        assert_accepted(&sim);
    });
}

#[test]
fn a_transcription_has_its_file_also_when_the_call_ends_first() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.final_event_grace(LONG)).connect().unwrap();
        let (person, call) = answered(&sim, &client);
        let status = "https://example.com/tr";
        let stopped = call.transcribe(Transcribe::new().status_url(status)).unwrap();
        assert!(stopped.reply().text("url").is_some_and(|url| !url.is_empty()));
        stopped.stop().unwrap();
        let outcome = stopped.wait(LONG).unwrap();
        assert_eq!((outcome.state, outcome.status_url.as_str()), (TranscribeState::Finished, status));
        assert_eq!(stopped.reply().text("url"), Some(outcome.url));
        assert!(!outcome.recording_id.is_empty());

        let cut_off = call.transcribe(Transcribe::new()).unwrap();
        person.hang_up();
        let outcome = cut_off.wait(LONG).unwrap();
        assert_eq!(outcome.state, TranscribeState::Finished);
        assert!(!outcome.url.is_empty());
        assert_accepted(&sim);
    });
}

#[test]
fn an_agent_talks_is_held_and_stopped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        let ai = call.ai(Ai::new().prompt("Be brief.").ai_params(json!({"static_greeting": "Welcome"}))).unwrap();
        next(&events, "calling.ai.start");
        person.wait_heard("Welcome", LONG).unwrap();
        assert_eq!(refusal(call.ai(Ai::new().prompt("Me too."))).code(), Some(409));
        call.ai_message(AiMessage::from("The shop closes soon").role("assistant")).unwrap();
        person.wait_heard("The shop closes soon", LONG).unwrap();
        person.say("hello");
        next(&events, "calling.ai.speech_detect");
        person.wait_heard("You said: hello", LONG).unwrap();

        call.ai_hold().unwrap();
        assert_eq!(refusal(call.ai_hold()).code(), Some(409));
        person.say("are you there");
        call.ai_unhold_with(AiUnhold::new().prompt("Back again")).unwrap();
        person.wait_heard("Back again", LONG).unwrap();
        assert!(!ai.is_done());
        ai.stop().unwrap();
        let outcome = ai.wait(LONG).unwrap();
        assert_eq!((outcome.state, outcome.ended_by_call), (AiState::Finished, false));
        next(&events, "calling.ai.stop");
        // No person hears it, which is no error.
        call.ai_message("Are you still there?").unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn a_bedrock_agent_talks_until_the_call_ends() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.amazon_bedrock(AmazonBedrock::new().prompt(json!({"text": "You are Nova."}))).unwrap();
        next(&events, "calling.ai.start");
        person.say("good morning");
        person.wait_heard("You said: good morning", LONG).unwrap();
        person.hang_up();
        next(&events, "calling.ai.stop");
        call.wait_for_ended(LONG).unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn what_is_said_is_transcribed_live() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.live_transcribe(LiveTranscription::new().lang("en-US").live_events(true).ai_summary(true)).unwrap();
        assert_eq!(refusal(call.live_transcribe(LiveTranscription::new())).code(), Some(409));
        person.say("good morning");
        let said = payload(&next(&events, "calling.ai.transcribe.utterance"));
        assert_eq!(
            (&said["utterance"]["content"], &said["utterance"]["role"]),
            (&json!("good morning"), &json!("remote-caller"))
        );
        call.live_transcribe(LiveSummary::new().prompt("In a word?")).unwrap();
        let summary = payload(&next(&events, "calling.ai.transcribe.live_summarize"));
        assert_eq!(summary["conversation_summary"], "1 utterances");
        call.live_transcribe(LiveTranscribe::stop()).unwrap();
        let log = payload(&next(&events, "calling.ai.transcribe.conversation_log"));
        assert_eq!(log["conversation_log"][0]["content"], "good morning");
        assert!(log["conversation_summary"].is_string());
        assert_accepted(&sim);
    });
}

#[test]
fn what_is_said_is_translated_live() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.live_translate(LiveTranslation::new().from_lang("en-US").to_lang("es-ES").live_events(true)).unwrap();
        person.say("good morning");
        let said = payload(&next(&events, "calling.ai.translate.transcript_delta"));
        assert_eq!(said["output_utterance"]["delta"], "[es-ES] good morning");
        call.live_translate(LiveSummary::new()).unwrap();
        let summary = payload(&next(&events, "calling.ai.translate.live_summary"));
        assert_eq!(summary["primary_conversation_summary"], "1 utterances");
        call.live_translate(LiveTranslate::inject("one moment", CallSide::Remote)).unwrap();
        person.wait_heard("one moment", LONG).unwrap();
        call.live_translate(LiveTranslate::stop()).unwrap();
        let log = payload(&next(&events, "calling.ai.translate.conversation_log"));
        assert_eq!(log["secondary_conversation_log"][0]["content"], "[es-ES] good morning");
        assert_accepted(&sim);
    });
}

#[test]
fn events_of_a_conference_go_to_the_client_and_those_of_its_members_to_their_calls() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let strays = strays_of(&client);
        let [(ann, first), (bob, second)] = ["+15551110000", "+15552220000"].map(|number| {
            let caller = sim.caller(number).dials();
            on_line(&client, caller)
        });
        let (of_first, of_second) = (all_of(&first), all_of(&second));
        let reply = first.join_conference(JoinConference::new("standup").end_on_exit(true)).unwrap();
        let id = reply.conference_id().unwrap();
        let conference = |events: &Receiver<Event>| match next(events, "calling.conference") {
            Event::Conference(event) => event,
            other => panic!("{other:?}"),
        };
        let start = conference(&strays);
        assert_eq!(
            (start.status, start.conference_id.as_str(), start.call_id.as_str()),
            (ConferenceStatus::Start, &*id, "")
        );
        let joined = conference(&of_first);
        assert_eq!(
            (joined.status, joined.call_id.as_str(), joined.size),
            (ConferenceStatus::ParticipantJoin, first.id(), 1)
        );
        assert!(joined.end_on_leave);

        let again = second.join_conference(JoinConference::new("standup").muted(false)).unwrap();
        assert_eq!(again.conference_id().as_deref(), Some(&*id));
        assert_eq!(
            (conference(&of_second).status, refusal(second.join_conference("other")).code()),
            (ConferenceStatus::ParticipantJoin, Some(409))
        );
        ann.say("good morning");
        bob.wait_heard("good morning", LONG).unwrap();
        second.hold().unwrap();
        let held = conference(&of_second);
        assert_eq!((held.status, held.is_on_hold), (ConferenceStatus::ParticipantHold, true));
        second.unhold().unwrap();
        assert_eq!(conference(&of_second).status, ConferenceStatus::ParticipantUnhold);

        first.leave_conference(id.as_str()).unwrap();
        assert_eq!(conference(&of_first).status, ConferenceStatus::ParticipantLeave);
        assert_eq!(conference(&of_second).status, ConferenceStatus::ParticipantLeave);
        let end = conference(&strays);
        assert_eq!((end.status, end.end_reason), (ConferenceStatus::End, Some(ConferenceEndReason::EnderLeft)));
        assert_eq!((end.ended_by.as_str(), second.state()), (first.id(), CallState::Answered));
        // The operation has ended, which is no error.
        second.leave_conference(id.as_str()).unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_joins_and_leaves_a_room() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.join_room(JoinRoom::new("lobby")).unwrap();
        let joined = payload(&next(&events, "calling.call.room"));
        assert_eq!((&joined["join_status"], &joined["room_name"]), (&json!("joined"), &json!("lobby")));
        assert_eq!(refusal(call.join_room("other")).code(), Some(409));
        call.leave_room().unwrap();
        assert_eq!(payload(&next(&events, "calling.call.room"))["join_status"], "leave");
        call.leave_room().unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn calls_wait_in_a_queue_and_leave_it_by_the_id_of_their_stay() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let [(_ann, first), (_bob, second)] = ["+15551110000", "+15552220000"].map(|number| {
            let caller = sim.caller(number).dials();
            on_line(&client, caller)
        });
        let (of_first, of_second) = (all_of(&first), all_of(&second));
        let queue = |events: &Receiver<Event>| match next(events, "calling.call.queue") {
            Event::Queue(event) => event,
            other => panic!("{other:?}"),
        };
        first.queue_enter("support").unwrap();
        let entered = queue(&of_first);
        assert_eq!(
            (entered.status, entered.position, entered.queue_name.as_str()),
            (QueueStatus::Enqueue, 1, "support")
        );
        assert_eq!(refusal(first.queue_enter("sales")).code(), Some(409));
        second.queue_enter(QueueEnter::new("support").control_id("mine")).unwrap();
        let behind = queue(&of_second);
        assert_eq!((behind.position, behind.size, behind.control_id.as_str()), (2, 2, "mine"));
        // The stay goes on although a second one was refused.
        first.queue_leave("support").unwrap();
        let left = queue(&of_first);
        assert_eq!((left.status, &left.control_id), (QueueStatus::Leave, &entered.control_id));
        let moved = queue(&of_second);
        assert_eq!((moved.status, moved.position), (QueueStatus::Stats, 1));
        second.queue_leave("support").unwrap();
        assert_eq!(queue(&of_second).status, QueueStatus::Leave);
        let sent = sim.journal().requests("calling.queue.leave");
        let ids: Vec<_> = sent.iter().map(|request| &request.params()["control_id"]).collect();
        assert_eq!(ids, [left.control_id.as_str(), "mine"]);
        assert_accepted(&sim);
    });
}

#[test]
fn noise_reduction_and_hold_are_switched_on_and_off() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let events = all_of(&call);
        let denoised = || matches!(next(&events, "calling.call.denoise"), Event::Denoise(event) if event.denoised);
        call.denoise().unwrap();
        assert!(denoised());
        assert_eq!(refusal(call.denoise()).code(), Some(409));
        call.denoise_stop().unwrap();
        assert!(!denoised());
        assert_eq!(refusal(call.denoise_stop()).code(), Some(409));
        let held = || match next(&events, "calling.call.hold") {
            Event::Hold(event) => event.state,
            other => panic!("{other:?}"),
        };
        call.hold().unwrap();
        assert_eq!(held(), HoldState::Hold);
        assert_eq!(refusal(call.hold()).code(), Some(409));
        call.unhold().unwrap();
        assert_eq!(held(), HoldState::Unhold);
        assert_accepted(&sim);
    });
}

#[test]
fn an_echo_sends_back_what_is_said_until_its_time_has_passed() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.echo_with(Echo::new().timeout(Duration::ZERO)).unwrap();
        assert_eq!(refusal(call.echo()).code(), Some(409));
        person.say("is anybody there");
        person.wait_heard("is anybody there", LONG).unwrap();
        assert_eq!(payload(&next(&events, "calling.call.echo"))["state"], "echoing");
        person.hang_up();
        assert_eq!(payload(&next(&events, "calling.call.echo"))["state"], "finished");
        let (_person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.echo_with(Echo::new().timeout(Duration::from_secs(2))).unwrap();
        for state in ["echoing", "finished"] {
            assert_eq!(payload(&next(&events, "calling.call.echo"))["state"], state);
        }
        assert_accepted(&sim);
    });
}

#[test]
fn digits_run_the_methods_that_they_are_bound_to() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let say = |text: &str| json!({"play": [{"type": "tts", "params": {"text": text}}]});
        call.bind_digit(BindDigit::new("*1", "calling.play").params(say("Welcome")).max_triggers(1)).unwrap();
        call.bind_digit(BindDigit::new("2", "calling.play").params(say("Two")).realm("menu")).unwrap();
        call.bind_digit(BindDigit::new("9", "calling.end").params(json!({"reason": "hangup"}))).unwrap();
        assert_eq!(refusal(call.bind_digit(BindDigit::new("x", "calling.play").params(say("")))).code(), Some(400));
        person.press("*1");
        person.wait_heard("Welcome", LONG).unwrap();
        person.press("*12");
        person.wait_heard("Two", LONG).unwrap();
        assert_eq!(person.heard(), ["Welcome", "Two"]);
        call.clear_digit_bindings_with(ClearDigitBindings::new().realm("menu")).unwrap();
        person.press("29");
        call.wait_for_ended(LONG).unwrap();
        assert_eq!(person.heard(), ["Welcome", "Two"]);

        let (person, call) = answered(&sim, &client);
        call.bind_digit(BindDigit::new("1", "calling.end").params(json!({"reason": "hangup"}))).unwrap();
        call.bind_digit(BindDigit::new("2", "calling.play").params(say("Two")).realm("menu")).unwrap();
        call.clear_digit_bindings().unwrap();
        person.press("12");
        person.wait_heard("Two", LONG).unwrap();
        assert_eq!(call.state(), CallState::Answered);
        assert_accepted(&sim);
    });
}

#[test]
fn a_sip_call_is_referred_and_ends_when_that_succeeds() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let _busy = sim.callee("sip:busy@pbx.example").is_busy();
        let _desk = sim.callee("sip:desk@pbx.example").answers();
        let (_person, call) = on_line(&client, sim.caller("sip:ann@example.com").dials());
        let events = all_of(&call);
        let refer = || match next(&events, "calling.call.refer") {
            Event::Refer(event) => event,
            other => panic!("{other:?}"),
        };
        call.refer(sip("sip:busy@pbx.example")).unwrap();
        assert_eq!(refer().state, ReferState::InProgress);
        let busy = refer();
        assert_eq!((busy.state, busy.sip_notify_response_code.as_str()), (ReferState::Busy, "486"));
        assert_eq!(call.state(), CallState::Answered);
        call.refer(sip("sip:desk@pbx.example")).unwrap();
        assert_eq!(refer().state, ReferState::InProgress);
        let done = refer();
        assert_eq!((done.state, done.sip_refer_to.as_str()), (ReferState::Success, "sip:desk@pbx.example"));
        call.wait_for_ended(LONG).unwrap();

        let (_person, phone) = answered(&sim, &client);
        assert_eq!(refusal(phone.refer(sip("sip:desk@pbx.example"))).code(), Some(400));
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_is_transferred_to_an_address_has_ended_here() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        assert_eq!(refusal(call.transfer("nowhere")).code(), Some(400));
        let tap = call.tap(rtp("192.0.2.10", 5000)).unwrap();
        call.transfer("https://example.com/next.swml").unwrap();
        call.wait_for_ended(LONG).unwrap();
        assert_eq!(tap.wait(LONG).unwrap().state, TapState::Finished);
        assert_eq!((person.state(), person.was_hung_up_on()), ("answered", false));
        // A repeated offer of it is ignored.
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed), (0, 0));
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_is_transferred_to_a_context_of_this_client_is_offered_anew() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).contexts(["default", "office"]).connect().unwrap();
        let (person, mut call) = answered(&sim, &client);
        for context in ["office", "office", "default"] {
            call.transfer(Transfer::to_context(context)).unwrap();
            call.wait_for_ended(LONG).unwrap();
            let anew = client.next_call(LONG).unwrap();
            assert_eq!((anew.id(), anew.context().as_str()), (person.call_id(), context));
            assert_eq!((anew.state(), anew.from_number().as_str()), (CallState::Ringing, "+15551230000"));
            assert!(anew.end().is_none() && call.end().is_some());
            anew.answer().unwrap();
            call = anew;
        }
        // The offer comes again while the call goes on, and when it has ended.
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed), (1, 0));
        let events = all_of(&call);
        call.user_event("still here").unwrap();
        next(&events, "calling.user_event");
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
        assert!(person.was_hung_up_on());
        assert!(sim.redeliver_last_event("calling.call.receive"));
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed, count(&sim, "calling.pass")), (0, 0, 0));
        assert_accepted(&sim);
    });
}

#[test]
fn a_transfer_that_the_client_sends_by_hand_lets_the_call_be_offered_again_too() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let by_hand = json!({"node_id": call.node_id(), "call_id": call.id(), "dest": "context:default"});
        sim.refuse_next("calling.transfer", 500, "Not now");
        assert_eq!(refusal(client.execute("calling.transfer", by_hand.clone())).code(), Some(500));
        client.execute("calling.transfer", by_hand).unwrap();
        call.wait_for_ended(LONG).unwrap();
        let anew = client.next_call(LONG).unwrap();
        assert_eq!(anew.id(), person.call_id());
        anew.hangup().unwrap();
        anew.wait_for_ended(LONG).unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn a_refused_transfer_does_not_let_a_call_be_offered_again() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        sim.refuse_next("calling.transfer", 403, "Not now");
        assert_eq!(refusal(call.transfer(Transfer::to_context("default"))).code(), Some(403));
        person.hang_up();
        call.wait_for_ended(LONG).unwrap();
        sim.push_event(
            "calling.call.receive",
            of_call(&call, json!({"call_state": "answered", "direction": "inbound", "context": "default"})),
        );
        fence(&client);
        assert_eq!((client.stats().calls, client.stats().unclaimed), (0, 0));
        assert_accepted(&sim);
    });
}

#[test]
fn an_operation_that_waits_for_its_file_does_not_block_a_call_that_is_offered_again() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.final_event_grace(LONG / 4)).connect().unwrap();
        let (_person, call) = answered(&sim, &client);
        sim.never_answer("calling.transfer");
        // The service does not report its end, because the events of the call are sent by the test.
        let waiting = call.transcribe(Transcribe::new()).unwrap();
        let asked = {
            let call = call.clone();
            sim.spawn(move || call.transfer(Transfer::to_context("default"))).unwrap()
        };
        sim.wait_for_request("calling.transfer", LONG).unwrap();
        push_state(&sim, &call, "ended");
        sim.push_event(
            "calling.call.receive",
            of_call(&call, json!({"call_state": "answered", "direction": "inbound", "context": "default"})),
        );
        let anew = client.next_call(LONG).unwrap();
        assert_eq!(waiting.wait(LONG).unwrap_err().kind(), ErrorKind::CallEnded);
        // The time for which the first call would have waited passes, and does not touch the second.
        assert!(anew.wait_for_ended(LONG).is_err_and(|error| error.is_timeout()));
        assert_eq!(client.stats().calls, 1);
        sim.push_raw(&json!({"jsonrpc": "2.0", "id": sim.journal().requests("calling.transfer")[0].id(), "result": {"code": "200"}}).to_string());
        asked.join().unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn events_of_the_programs_own_are_sent_back() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_person, call) = answered(&sim, &client);
        let events = all_of(&call);
        call.user_event(json!({"order": 7})).unwrap();
        let event = next(&events, "calling.user_event");
        assert_eq!((payload(&event)["order"].clone(), event.call_id()), (json!(7), Some(call.id())));
        call.user_event(UserEvent::from("order_placed")).unwrap();
        assert_eq!(payload(&next(&events, "calling.user_event"))["event"], "order_placed");
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_that_is_offered_again_may_be_passed_and_is_when_it_is_not_claimed() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for by_hand in [true, false] {
            let (person, call) = answered(&sim, &client);
            call.transfer(Transfer::to_context("default")).unwrap();
            let anew = client.next_call(LONG).unwrap();
            if by_hand {
                anew.pass().unwrap();
                anew.wait_for_ended(LONG).unwrap();
            }
            drop(anew);
            // No other client can take it.
            assert_eq!(person.wait_ended(LONG).unwrap(), "noAnswer");
            assert!(person.was_passed());
        }
        assert_eq!(count(&sim, "calling.pass"), 2);
        assert_accepted(&sim);
    });
}

#[test]
fn a_digit_may_hand_a_call_over() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let bound = json!({"dest": "context:default"});
        call.bind_digit(BindDigit::new("0", "calling.transfer").params(bound)).unwrap();
        person.press("0");
        call.wait_for_ended(LONG).unwrap();
        let anew = client.next_call(LONG).unwrap();
        assert_eq!((anew.id(), anew.state()), (call.id(), CallState::Ringing));
        anew.hangup().unwrap();
        assert_accepted(&sim);
    });
}

#[test]
fn a_call_goes_from_one_client_to_another_and_back() {
    watched(|| {
        let sim = sim();
        let (ann, bob) = (client(&sim), builder(&sim).contexts(["office"]).connect().unwrap());
        let (person, call) = answered(&sim, &ann);
        call.transfer(Transfer::to_context("office")).unwrap();
        let there = bob.next_call(LONG).unwrap();
        assert_eq!((there.id(), there.context().as_str()), (call.id(), "office"));
        there.answer().unwrap();
        there.transfer(Transfer::to_context("default")).unwrap();
        let back = ann.next_call(LONG).unwrap();
        assert_eq!(back.id(), call.id());
        back.answer().unwrap();
        back.play(tts("Welcome back")).unwrap().wait(LONG).unwrap();
        assert_eq!(person.heard(), ["Welcome back"]);
        assert!(call.end().is_some() && there.end().is_some() && back.end().is_none());
        assert_accepted(&sim);
    });
}

#[test]
fn a_notification_is_not_what_the_service_takes_and_the_client_goes_on() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        client.notify("calling.something", json!({"key": "value"})).unwrap();
        fence(&client);
        let violations = sim.take_violations();
        assert!(violations.len() == 1 && violations[0].contains("malformed"), "{violations:?}");
        let (_person, call) = answered(&sim, &client);
        assert_eq!(call.state(), CallState::Answered);
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn a_stay_in_a_queue_ends_by_its_time_or_with_the_call() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (person, call) = answered(&sim, &client);
        let events = all_of(&call);
        let status = || match next(&events, "calling.call.queue") {
            Event::Queue(event) => event.status,
            other => panic!("{other:?}"),
        };
        call.queue_enter(QueueEnter::new("support").wait_time(Duration::from_secs(1))).unwrap();
        assert_eq!([status(), status()], [QueueStatus::Enqueue, QueueStatus::Leave]);
        // The call has left already, which is no error.
        call.queue_leave("support").unwrap();
        call.queue_enter("support").unwrap();
        person.hang_up();
        assert_eq!([status(), status()], [QueueStatus::Enqueue, QueueStatus::Leave]);
        call.wait_for_ended(LONG).unwrap();
        assert_accepted(&sim);
    });
}
