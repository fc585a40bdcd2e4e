//! Operations: their start, their control, and their end.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use signalwire_relay::actions::{DetectAction, HasVolume, Operation, PlayAction, RecordAction};
use signalwire_relay::choices::{AudioDirection, DetectKind, FaxTone, Gender, RecordFormat};
use signalwire_relay::events::{CollectEvent, CollectResult};
use signalwire_relay::media::ringtone;
use signalwire_relay::params::{Prompt, digit_detector, fax_tone};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::{CollectState, PlayState, RecordState};
use signalwire_relay::{
    Action, Call, Client, Collect, Detect, Error, ErrorKind, Heard, Pausable, Play, Record, Result, Stoppable, audio,
    machine, phone, silence, tts,
};

use crate::support::{
    LONG, SHORT, answer_by_hand, answered, assert_accepted, builder, client, count, fence, of_call, refusal, sent, sim,
    until, until_in, virtual_sim, watched,
};

/// Longer than any test, in simulated time.
const EVER: Duration = Duration::from_secs(36_000);

/// A call on which things can be tried.
fn scene() -> (Simulator, Client, PersonOnCall, Call) {
    let sim = sim();
    let client = client(&sim);
    let (caller, call) = answered(&sim, &client);
    (sim, client, caller, call)
}

/// Sends an event of an operation by hand.
fn push<O: Operation>(sim: &Simulator, event_type: &str, of: &Action<O>, more: Value) {
    let mut params = of_call(of.call(), more);
    params["control_id"] = of.control_id().into();
    sim.push_event(event_type, params);
}

fn for_ever(call: &Call) -> PlayAction {
    call.play(silence(EVER)).unwrap()
}

// Playing.

#[test]
fn a_playback_goes_through_its_states_and_finishes() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let play = call.play(Play::new(tts("Welcome").then(tts("Bye"))).control_id("p-1")).unwrap();
        assert_eq!((play.control_id(), play.call().id()), ("p-1", call.id()));
        assert_eq!((play.reply().code(), play.reply().text("control_id").as_deref()), (Some(200), Some("p-1")));
        let ended = play.wait(LONG).unwrap();
        assert_eq!((&ended.state, ended.control_id.as_str()), (&PlayState::Finished, "p-1"));
        assert!(play.is_done());
        assert_eq!(play.result().unwrap().unwrap().state, PlayState::Finished);
        assert_eq!(play.wait(Duration::ZERO).unwrap().state, PlayState::Finished);
        assert_eq!(caller.heard(), ["Welcome", "Bye"]);
        assert!(play.events().next().is_none());
        assert_accepted(&sim);
    });
}

#[test]
fn a_playlist_is_sent_as_it_was_given() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let list = tts("One").voice("en-US-Neural2-A").language("en-US").gender(Gender::Male);
        let list = list.then(audio("https://cdn.example.com/a.mp3")).then(silence(Duration::from_millis(500)));
        let list = list.then(ringtone("us").duration(Duration::from_secs(1)));
        let play = call.play(Play::new(list).volume(-3.5).loops(2).direction(AudioDirection::Speak)).unwrap();
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
        let mut params = sent(&sim, "calling.play");
        assert_eq!(params["control_id"].take(), play.control_id());
        assert_eq!(
            params,
            json!({
                "control_id": null, "volume": -3.5, "loop": 2, "direction": "speak",
                "play": [
                    {"type": "tts", "params": {"text": "One", "voice": "en-US-Neural2-A", "language": "en-US",
                        "gender": "male"}},
                    {"type": "audio", "params": {"url": "https://cdn.example.com/a.mp3"}},
                    {"type": "silence", "params": {"duration": 0.5}},
                    {"type": "ringtone", "params": {"name": "us", "duration": 1}},
                ],
            })
        );
        let once = ["One", "https://cdn.example.com/a.mp3", "ringtone us"];
        assert_eq!(caller.heard(), [once, once].concat(), "it was played twice");
        assert_accepted(&sim);
    });
}

#[test]
fn the_shorthands_of_playing_play() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let second = Duration::from_secs(1);
        let plays = [
            call.play_tts("Hello"),
            call.play_audio("https://cdn.example.com/a.mp3"),
            call.play_silence(second),
            call.play_ringtone("de"),
            call.play_tts(tts("Voice").voice("x")),
            call.play_ringtone(ringtone("us").duration(second)),
        ];
        for play in plays {
            assert_eq!(play.unwrap().wait(LONG).unwrap().state, PlayState::Finished);
        }
        let sent: Vec<Value> =
            sim.journal().requests("calling.play").iter().map(|r| r.params()["play"].clone()).collect();
        assert_eq!(
            sent,
            [
                json!([{"type": "tts", "params": {"text": "Hello"}}]),
                json!([{"type": "audio", "params": {"url": "https://cdn.example.com/a.mp3"}}]),
                json!([{"type": "silence", "params": {"duration": 1}}]),
                json!([{"type": "ringtone", "params": {"name": "de"}}]),
                json!([{"type": "tts", "params": {"text": "Voice", "voice": "x"}}]),
                json!([{"type": "ringtone", "params": {"name": "us", "duration": 1}}]),
            ]
        );
        assert_eq!(caller.heard().len(), 5);
        assert_accepted(&sim);
    });
}

#[test]
fn a_playback_is_paused_resumed_made_louder_and_stopped() {
    watched(|| {
        let (sim, _client, _caller, call) = scene();
        let play = call.play(Play::new(silence(Duration::from_secs(1))).loops(0)).unwrap();
        let mut events = play.events();
        let mut next = || events.next_within(LONG).unwrap().state;
        // The first state may have come before the stream was made.
        play.pause().unwrap();
        while next() != PlayState::Paused {}
        assert_eq!(refusal(play.pause()).code(), Some(409), "the service says that it is paused already");
        play.resume().unwrap();
        assert_eq!(next(), PlayState::Playing);
        play.volume(-6.5).unwrap();
        assert_eq!(sent(&sim, "calling.play.volume"), json!({"control_id": play.control_id(), "volume": -6.5}));
        let error = refusal(play.volume(99.0));
        assert_eq!(
            (error.kind(), error.code(), error.method()),
            (ErrorKind::Rejected, Some(400), Some("calling.play.volume"))
        );
        assert!(!play.is_done());
        play.stop().unwrap();
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
        assert_eq!(next(), PlayState::Finished);
        assert!(events.next().is_none());
        // The operation has ended, and further commands are no errors.
        play.stop().unwrap();
        play.pause().unwrap();
        for method in ["calling.play.pause", "calling.play.resume", "calling.play.stop"] {
            assert_eq!(sim.journal().requests(method)[0].params()["control_id"], play.control_id());
        }
        assert_eq!(call.end(), None);
        assert_accepted(&sim);
    });
}

#[test]
fn a_playback_that_fails_ends_with_its_state() {
    watched(|| {
        let (_sim, _client, _caller, call) = scene();
        let play = call.play(audio("no address at all")).unwrap();
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Error);
    });
}

#[test]
fn unknown_states_end_nothing() {
    watched(|| {
        let (sim, client, _caller, call) = scene();
        let play = for_ever(&call);
        for state in ["buffering", "", "FINISHED"] {
            push(&sim, "calling.call.play", &play, json!({"state": state}));
        }
        // An event of another kind or of another operation does not end it either.
        push(&sim, "calling.call.record", &play, json!({"state": "finished"}));
        sim.push_event("calling.call.play", of_call(&call, json!({"state": "finished", "control_id": "other"})));
        fence(&client);
        assert!(!play.is_done());
        push(&sim, "calling.call.play", &play, json!({"state": "finished"}));
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
        // Later events change nothing.
        push(&sim, "calling.call.play", &play, json!({"state": "error"}));
        fence(&client);
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
    });
}

// Waiting.

#[test]
fn a_wait_that_timed_out_may_be_repeated_and_harms_no_other() {
    watched(|| {
        let (_sim, _client, _caller, call) = scene();
        let play = for_ever(&call);
        let patient: Vec<_> = (0..4)
            .map(|_| {
                let play = play.clone();
                thread::spawn(move || play.wait(LONG))
            })
            .collect();
        for _ in 0..3 {
            let error = refusal(play.wait(Duration::from_millis(3)));
            assert_eq!((error.kind(), error.is_timeout(), error.code()), (ErrorKind::Timeout, true, None));
        }
        assert!(!play.is_done() && play.result().is_none());
        play.stop().unwrap();
        for wait in patient {
            assert_eq!(wait.join().unwrap().unwrap().state, PlayState::Finished);
        }
    });
}

#[test]
fn every_wait_gets_the_same_outcome_and_each_callback_runs_once() {
    watched(|| {
        let (_sim, _client, _caller, call) = scene();
        let record = call.record(Record::new()).unwrap();
        let (to, more) = mpsc::channel();
        let callback = |name: &'static str| {
            let (to, here) = (to.clone(), thread::current().id());
            move |ended: &Result<signalwire_relay::events::RecordEvent>| {
                let inline = thread::current().id() == here;
                to.send((name, inline, ended.as_ref().unwrap().url.clone())).unwrap();
            }
        };
        record.on_completed(callback("first"));
        record.clone().on_completed(callback("second"));
        record.stop().unwrap();
        let url = record.wait(LONG).unwrap().url;
        assert!(url.starts_with("https://"));
        record.on_completed(callback("late"));
        let mut told: Vec<_> = (0..3).map(|_| more.recv_timeout(LONG).unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, ["first", "late", "second"].map(|name| (name, false, url.clone())));
        assert_eq!(record.result().unwrap().unwrap().url, url);
        assert!(more.recv_timeout(SHORT).is_err());
    });
}

#[test]
fn a_callback_may_wait_and_start_the_next_operation() {
    watched(|| {
        let (_sim, _client, caller, call) = scene();
        let (to, told) = mpsc::channel();
        let same = call.clone();
        call.play(tts("One")).unwrap().on_completed(move |_| {
            let next = same.play(tts("Two")).and_then(|play| play.wait(LONG));
            to.send(next.map(|event| event.state)).unwrap();
        });
        assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), PlayState::Finished);
        assert_eq!(caller.heard(), ["One", "Two"]);
    });
}

// Recording.

#[test]
fn a_recording_has_its_url_when_it_has_ended() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let how = Record::new()
            .beep(true)
            .format(RecordFormat::Wav)
            .stereo(true)
            .direction(AudioDirection::Both)
            .initial_timeout(Duration::from_secs(3000))
            .end_silence_timeout(Duration::from_millis(1500))
            .terminators("#*")
            .input_sensitivity(50.0)
            .max_length(Duration::from_secs(36_000));
        let record = call.record(how).unwrap();
        let mut params = sent(&sim, "calling.record");
        params.as_object_mut().unwrap().remove("control_id");
        assert_eq!(
            params,
            json!({"record": {"audio": {"beep": true, "format": "wav", "stereo": true, "direction": "both",
                "initial_timeout": 3000, "end_silence_timeout": 1.5, "terminators": "#*", "input_sensitivity": 50.0,
                "max_length": 36000}}})
        );
        caller.press("5");
        assert!(!record.is_done());
        caller.press("*");
        let ended = record.wait(LONG).unwrap();
        assert_eq!((&ended.state, ended.control_id.as_str()), (&RecordState::Finished, record.control_id()));
        assert!(ended.url.ends_with(".wav") && !ended.recording_id.is_empty(), "{ended:?}");
        assert!(ended.duration >= 0.0 && ended.end_time >= ended.start_time && ended.start_time > 0.0);
        assert_accepted(&sim);
    });
}

#[test]
fn a_recording_ends_after_silence_and_without_any_word() {
    watched(|| {
        let (_sim, _client, caller, call) = scene();
        let second = Duration::from_secs(1);
        let record = call.record(Record::new().end_silence_timeout(second)).unwrap();
        caller.say("Hello, this is Ann");
        let ended = record.wait(LONG).unwrap();
        assert_eq!(ended.state, RecordState::Finished);
        assert!(ended.duration > 1.0, "{}", ended.duration);
        let silent = call.record(Record::new().initial_timeout(second)).unwrap();
        assert_eq!(silent.wait(LONG).unwrap().state, RecordState::NoInput);
    });
}

#[test]
fn a_recording_is_paused_and_resumed() {
    watched(|| {
        let (sim, _client, _caller, call) = scene();
        let record = call.record(Record::new()).unwrap();
        let mut events = record.events();
        record.pause_with("silence").unwrap();
        assert_eq!(
            sent(&sim, "calling.record.pause"),
            json!({"control_id": record.control_id(), "behavior": "silence"})
        );
        while events.next_within(LONG).unwrap().state != RecordState::Paused {}
        record.resume().unwrap();
        assert_eq!(events.next_within(LONG).unwrap().state, RecordState::Recording);
        assert!(!record.is_done());
        record.stop().unwrap();
        assert_eq!(record.wait(LONG).unwrap().state, RecordState::Finished);
        record.pause().unwrap();
        let pauses = sim.journal().requests("calling.record.pause");
        assert!(pauses[1].params().get("behavior").is_none());
    });
}

#[test]
fn a_recording_that_the_caller_cuts_short_keeps_its_address() {
    for before in [true, false] {
        watched(move || {
            let (sim, client, caller, call) = scene();
            sim.finish_recordings_before_ended(before);
            let record = call.record(Record::new().beep(true)).unwrap();
            let (to, told) = mpsc::channel();
            record.on_completed(move |ended| to.send(ended.as_ref().unwrap().url.clone()).unwrap());
            let waiting = {
                let record = record.clone();
                thread::spawn(move || record.wait(LONG))
            };
            caller.hang_up();
            let ended = waiting.join().unwrap().unwrap();
            assert_eq!(ended.state, RecordState::Finished);
            assert!(ended.url.starts_with("https://"));
            assert_eq!(told.recv_timeout(LONG).unwrap(), ended.url);
            assert!(call.wait_for_ended(LONG).is_ok());
            until("nothing is left", || client.stats().calls == 0);
            assert_eq!(client.stats().events_unclaimed, 0);
        });
    }
}

#[test]
fn a_recording_whose_last_event_never_comes_ends_with_its_call_after_a_moment() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.final_event_grace(Duration::from_secs(5))).connect().unwrap();
        let (caller, call) = answered(&sim, &client);
        sim.end_calls_abruptly(true);
        let record = call.record(Record::new()).unwrap();
        let play = for_ever(&call);
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        // Every other operation ends at once; the recording has its grace period.
        assert_eq!(refusal(play.wait(LONG)).kind(), ErrorKind::CallEnded);
        let error = refusal(record.wait(LONG));
        assert_eq!(
            (error.kind(), error.call_id(), error.is_call_gone()),
            (ErrorKind::CallEnded, Some(call.id()), true)
        );
        until_in(&sim, "nothing is left", || client.stats().calls == 0);
    });
}

#[test]
fn a_recording_that_waits_for_its_last_event_ends_when_the_client_is_closed() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.final_event_grace(EVER)).connect().unwrap();
        let (caller, call) = answered(&sim, &client);
        sim.end_calls_abruptly(true);
        let record = call.record(Record::new()).unwrap();
        caller.hang_up();
        call.wait_for_ended(LONG).unwrap();
        assert!(!record.is_done());
        assert_eq!(client.stats().calls, 1);
        client.disconnect();
        assert_eq!(refusal(record.wait(LONG)).kind(), ErrorKind::Closed);
    });
}

// Asking.

fn collected(sim: &Simulator, action: &Action<Collect>, payload: Value) {
    push(sim, "calling.call.collect", action, payload);
}

#[test]
fn digits_are_collected() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let collect = call.collect(Collect::digits(4).terminators("#").digit_timeout(EVER)).unwrap();
        let mut params = sent(&sim, "calling.collect");
        params.as_object_mut().unwrap().remove("control_id");
        assert_eq!(params, json!({"digits": {"max": 4, "terminators": "#", "digit_timeout": 36000}}));
        caller.press("12#");
        let ended = collect.wait(LONG).unwrap();
        assert_eq!((ended.digits(), ended.speech()), (Some("12"), None));
        assert_eq!(ended.result, CollectResult::Digits { digits: "12".into(), terminator: "#".into() });
        // The maximum number of digits ends the collect as well, and so does a pause.
        for keys in ["1234", "99"] {
            let collect = call.collect(Collect::digits(4).digit_timeout(Duration::from_secs(2))).unwrap();
            caller.press(keys);
            assert_eq!(collect.wait(LONG).unwrap().digits(), Some(keys));
        }
        assert_accepted(&sim);
    });
}

#[test]
fn words_are_collected() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let how = Collect::speech().or_digits(1).language("en-GB").hints(["sales", "support"]);
        let collect = call.collect(how.end_silence_timeout(Duration::from_secs(1))).unwrap();
        caller.say("Support please");
        let ended = collect.wait(LONG).unwrap();
        assert_eq!((ended.speech(), ended.digits()), (Some("Support please"), None));
        assert!(matches!(ended.result, CollectResult::Speech { confidence, .. } if confidence > 50.0));
        assert_eq!(sent(&sim, "calling.collect")["speech"]["hints"], json!(["sales", "support"]));
        assert_accepted(&sim);
    });
}

#[test]
fn nothing_and_too_little_are_outcomes_too() {
    watched(|| {
        let sim = virtual_sim();
        let client = client(&sim);
        let (caller, call) = answered(&sim, &client);
        let second = Duration::from_secs(1);
        let none = call.collect(Collect::digits(4).initial_timeout(second).start_input_timers(true)).unwrap();
        assert_eq!(none.wait(LONG).unwrap().result, CollectResult::NoInput);
        let few = call.prompt(tts("Four keys"), Collect::digits(4).min(3).digit_timeout(second)).unwrap();
        caller.press("1");
        assert_eq!(few.wait(LONG).unwrap().result, CollectResult::NoMatch);
    });
}

#[test]
fn a_collect_that_is_stopped_is_finished() {
    watched(|| {
        let (sim, _client, _caller, call) = scene();
        let collect = call.collect(Collect::digits(4)).unwrap();
        collect.stop().unwrap();
        let ended = collect.wait(LONG).unwrap();
        assert_eq!((&ended.result, ended.digits(), ended.speech()), (&CollectResult::Finished, None, None));
        let prompt = call.prompt(silence(EVER), Collect::digits(4)).unwrap();
        prompt.stop().unwrap();
        assert_eq!(prompt.wait(LONG).unwrap().result, CollectResult::Finished);
        assert_eq!(count(&sim, "calling.collect.stop") + count(&sim, "calling.play_and_collect.stop"), 2);
    });
}

#[test]
fn the_timers_of_a_collect_run_from_when_they_are_started() {
    watched(|| {
        let (sim, _client, _caller, call) = scene();
        let how = Collect::digits(4).initial_timeout(Duration::from_millis(500)).start_input_timers(false);
        let collect = call.collect(how).unwrap();
        // Ten times as long as its time for input, had it begun.
        assert_eq!(refusal(collect.wait(Duration::from_millis(100))).kind(), ErrorKind::Timeout);
        collect.start_input_timers().unwrap();
        assert_eq!(sent(&sim, "calling.collect.start_input_timers"), json!({"control_id": collect.control_id()}));
        assert_eq!(collect.wait(LONG).unwrap().result, CollectResult::NoInput);
        assert_accepted(&sim);
    });
}

#[test]
fn neither_the_start_of_input_nor_parts_of_it_complete_a_collect() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let how = Collect::digits(3).or_speech().partial_results(true).send_start_of_input(true).digit_timeout(EVER);
        let collect = call.collect(how).unwrap();
        let mut events = collect.events();
        caller.press("12");
        assert_eq!(events.next_within(LONG).unwrap().result, CollectResult::StartOfInput);
        for digits in ["1", "12"] {
            let partial = events.next_within(LONG).unwrap();
            assert_eq!((partial.digits(), partial.is_final), (Some(digits), Some(false)));
            assert_eq!(partial.state, Some(CollectState::Collecting));
        }
        assert!(!collect.is_done());
        caller.press("3");
        let ended = collect.wait(LONG).unwrap();
        assert_eq!((ended.digits(), ended.is_final), (Some("123"), Some(true)));
        assert_eq!(events.next_within(LONG).unwrap().digits(), Some("123"));
        assert!(events.next().is_none());

        // The same collect with speech, recognized only by its events.
        let collect = call.collect(Collect::speech()).unwrap();
        let speech = |text: &str| json!({"type": "speech", "params": {"text": text, "confidence": 0.0}});
        collected(&sim, &collect, json!({"state": "collecting"}));
        collected(&sim, &collect, json!({"result": {"type": "start_of_input"}}));
        for text in ["I", "I want", "I want sales"] {
            collected(&sim, &collect, json!({"result": speech(text), "final": false}));
        }
        collected(&sim, &collect, json!({"result": {}, "state": "collecting"}));
        assert_eq!(refusal(collect.wait(SHORT)).kind(), ErrorKind::Timeout);
        collected(&sim, &collect, json!({"result": speech("I want sails"), "state": "collecting"}));
        assert_eq!(collect.wait(LONG).unwrap().speech(), Some("I want sails"));
    });
}

#[test]
fn every_last_event_of_a_collect_ends_it() {
    watched(|| {
        let (sim, _client, _caller, call) = scene();
        for (payload, result) in [
            (json!({"result": {"type": "no_input"}}), CollectResult::NoInput),
            (json!({"result": {"type": "no_match"}}), CollectResult::NoMatch),
            (json!({"result": {"type": "error"}}), CollectResult::Error),
            (json!({"result": {"type": "finished"}}), CollectResult::Finished),
            (json!({"state": "finished"}), CollectResult::None),
            (json!({"result": {}, "state": "error"}), CollectResult::None),
            (json!({"result": null, "state": "no_input"}), CollectResult::None),
            (json!({"state": "no_match"}), CollectResult::None),
        ] {
            let collect = call.collect(Collect::digits(1)).unwrap();
            collected(&sim, &collect, payload.clone());
            assert_eq!(collect.wait(LONG).unwrap().result, result, "{payload}");
        }
    });
}

#[test]
fn a_continuous_collect_delivers_until_it_is_stopped() {
    watched(|| {
        let (sim, client, caller, call) = scene();
        let collect = call.collect(Collect::digits(2).continuous(true)).unwrap();
        let mut events = collect.events();
        for keys in ["12", "34", "56"] {
            caller.press(keys);
            assert_eq!(events.next_within(LONG).unwrap().digits(), Some(keys));
        }
        collected(&sim, &collect, json!({"result": {"type": "no_input"}}));
        collected(&sim, &collect, json!({"result": {"type": "no_match"}}));
        fence(&client);
        assert!(!collect.is_done());
        collect.stop().unwrap();
        assert_eq!(collect.wait(LONG).unwrap().result, CollectResult::Finished);
        let left: Vec<_> = events.map(|event: CollectEvent| event.result).collect();
        assert_eq!(left, [CollectResult::NoInput, CollectResult::NoMatch, CollectResult::Finished]);
    });
}

#[test]
fn a_prompt_is_heard_and_answered() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let what = Prompt::new(tts("Press a key").then(silence(EVER))).volume(3.0);
        let prompt = call.prompt(what, Collect::digits(1).control_id("menu").initial_timeout(EVER)).unwrap();
        assert_eq!(
            sent(&sim, "calling.play_and_collect"),
            json!({"control_id": "menu", "volume": 3.0,
                "play": [{"type": "tts", "params": {"text": "Press a key"}},
                    {"type": "silence", "params": {"duration": 36000}}],
                "collect": {"digits": {"max": 1}, "initial_timeout": 36000}})
        );
        prompt.volume(1.0).unwrap();
        assert_eq!(sent(&sim, "calling.play_and_collect.volume"), json!({"control_id": "menu", "volume": 1.0}));
        // No published list of the service has these two.
        for outcome in [prompt.pause(), prompt.resume()] {
            assert_eq!((refusal(outcome).code(), prompt.is_done()), (Some(-32601), false));
        }
        prompt.start_input_timers().unwrap();
        caller.wait_heard("Press", LONG).unwrap();
        caller.press("7");
        assert_eq!(prompt.wait(LONG).unwrap().digits(), Some("7"));
    });
}

#[test]
fn the_end_of_the_words_of_a_prompt_is_not_the_end_of_the_prompt() {
    watched(|| {
        let (sim, client, caller, call) = scene();
        let prompt = call.prompt(tts("Press"), Collect::digits(1).initial_timeout(EVER)).unwrap();
        while sim.wait_for_event("calling.call.play", LONG).unwrap().params()["state"] != "finished" {}
        fence(&client);
        assert!(!prompt.is_done());
        caller.press("7");
        assert_eq!(prompt.wait(LONG).unwrap().digits(), Some("7"));
    });
}

#[test]
fn the_other_names_of_prompts_send_the_same() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        let keys = || Collect::digits(1).initial_timeout(EVER);
        let prompts = [
            call.prompt_tts("Press", keys()),
            call.prompt_audio("https://cdn.example.com/a.mp3", keys()),
            call.play_and_collect(Prompt::new(tts("Press").voice("x")), keys()),
        ];
        // The service takes one at a time.
        let mut prompts = prompts.into_iter();
        let first = prompts.next().unwrap().unwrap();
        for refused in prompts {
            assert_eq!(refusal(refused).code(), Some(409));
        }
        caller.press("1");
        assert_eq!(first.wait(LONG).unwrap().digits(), Some("1"));
        let kinds: Vec<Value> = sim
            .journal()
            .requests("calling.play_and_collect")
            .iter()
            .map(|request| request.params()["play"][0].clone())
            .collect();
        assert_eq!(kinds[1], json!({"type": "audio", "params": {"url": "https://cdn.example.com/a.mp3"}}));
        assert_eq!(kinds[2], json!({"type": "tts", "params": {"text": "Press", "voice": "x"}}));
    });
}

// Detecting.

/// Dials a callee and starts a detector.
fn listening(sim: &Simulator, client: &Client, how: impl Into<Detect>) -> (Call, DetectAction) {
    let call = client.dial(phone("+15552222222").from("+15551111111")).unwrap();
    let detect = call.detect(how).unwrap();
    assert_accepted(sim);
    (call, detect)
}

fn heard(events: impl Iterator<Item = signalwire_relay::events::DetectEvent>) -> Vec<Heard> {
    events.map(|event| event.heard).collect()
}

#[test]
fn a_human_is_detected() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let how = machine().initial_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(20));
        let (_call, detect) = listening(&sim, &client, how);
        let events = detect.events();
        let verdict = detect.wait(LONG).unwrap();
        assert_eq!((&verdict.heard, &verdict.kind), (&Heard::Human, &DetectKind::Machine));
        assert!(!verdict.heard.is_end());
        // The detector continues until its end, which does not change the result.
        let last = heard(events).pop();
        assert_eq!(last, Some(Heard::Finished));
        assert_eq!(detect.wait(None).unwrap().heard, Heard::Human);
        // No further time is needed: the last event has the result.
        assert_eq!(detect.wait_ready(LONG).unwrap().heard, Heard::Finished);
        let mut params = sent(&sim, "calling.detect");
        params.as_object_mut().unwrap().remove("control_id");
        let expected = json!({"detect": {"type": "machine", "params": {"initial_timeout": 5}}, "timeout": 20});
        assert_eq!(params, expected);
    });
}

#[test]
fn an_answering_machine_is_detected_and_its_beep_waited_for() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let bob = sim.callee("+15552222222").is_machine("You have reached Bob. Leave a message after the beep", true);
        let (call, detect) = listening(&sim, &client, machine());
        assert_eq!(detect.wait(LONG).unwrap().heard, Heard::Machine);
        let ready = detect.wait_ready(LONG).unwrap();
        assert_eq!((ready.heard, ready.beep), (Heard::Ready, true));
        assert_eq!(detect.wait(None).unwrap().heard, Heard::Machine, "the verdict stays");
        call.play(tts("This is a message")).unwrap().wait(LONG).unwrap();
        assert_eq!((bob.heard(), bob.said_over_greeting()), (vec!["This is a message".to_owned()], vec![]));
    });
}

#[test]
fn a_detector_goes_on_after_its_verdict_until_it_is_stopped() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.callee("+15552222222").is_machine("You have reached Bob. I am not at home right now", false);
        let (_call, detect) = listening(&sim, &client, machine().detect_interruptions(true).timeout(EVER));
        let mut events = detect.events();
        let (to, completed) = mpsc::channel();
        detect.on_completed(move |ended| to.send(ended.as_ref().unwrap().heard.clone()).unwrap());
        while events.next_within(LONG).unwrap().heard != Heard::Ready {}
        push(
            &sim,
            "calling.call.detect",
            &detect,
            json!({"detect": {"type": "machine", "params": {"event": "NOT_READY"}}}),
        );
        push(
            &sim,
            "calling.call.detect",
            &detect,
            json!({"detect": {"type": "machine", "params": {"event": "READY"}}}),
        );
        assert_eq!(events.next_within(LONG).unwrap().heard, Heard::NotReady);
        assert_eq!(events.next_within(LONG).unwrap().heard, Heard::Ready);
        detect.stop().unwrap();
        assert_eq!(heard(events), [Heard::Finished]);
        assert_eq!(completed.recv_timeout(LONG).unwrap(), Heard::Machine);
        assert!(completed.recv_timeout(SHORT).is_err());
    });
}

#[test]
fn a_detector_that_hears_nothing_ends_without_a_verdict() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.callee("+15552222222").is_silent();
        let (call, detect) = listening(&sim, &client, machine());
        let outcome = detect.wait(LONG).unwrap();
        assert_eq!(outcome.heard, Heard::Finished);
        assert!(outcome.heard.is_end());
        assert_eq!(detect.wait_ready(None).unwrap().heard, Heard::Finished);
        let stopped = call.detect_answering_machine(machine()).unwrap();
        stopped.stop().unwrap();
        assert_eq!(stopped.wait(LONG).unwrap().heard, Heard::Finished);
    });
}

#[test]
fn a_fax_is_detected() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.callee("+15552222222").is_fax();
        let (call, detect) = listening(&sim, &client, fax_tone());
        let verdict = detect.wait(LONG).unwrap();
        assert_eq!((verdict.heard, verdict.kind), (Heard::Ced, DetectKind::Fax));
        assert_eq!(call.detect_fax(FaxTone::Ced).unwrap().wait(LONG).unwrap().heard, Heard::Ced);
    });
}

#[test]
fn digits_are_detected_one_by_one() {
    watched(|| {
        let (_sim, _client, caller, call) = scene();
        let detect = call.detect_digit(digit_detector().digits("12").timeout(EVER)).unwrap();
        let events = detect.events();
        caller.press("921");
        let verdict = detect.wait(LONG).unwrap();
        assert_eq!((verdict.heard, verdict.kind), (Heard::Digit('2'), DetectKind::Digit));
        detect.stop().unwrap();
        assert_eq!(heard(events), [Heard::Digit('2'), Heard::Digit('1'), Heard::Finished]);
    });
}

#[test]
fn a_wait_for_the_beep_ends_with_the_call() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let bob = sim.callee("+15552222222").is_machine("x".repeat(50_000), true);
        let (call, detect) = listening(&sim, &client, machine().timeout(EVER));
        assert_eq!(detect.wait(LONG).unwrap().heard, Heard::Machine);
        assert_eq!(refusal(detect.wait_ready(Duration::from_millis(2))).kind(), ErrorKind::Timeout);
        sim.end_calls_abruptly(true);
        let waiting = {
            let detect = detect.clone();
            thread::spawn(move || detect.wait_ready(LONG))
        };
        bob.hang_up();
        call.wait_for_ended(LONG).unwrap();
        assert_eq!(refusal(waiting.join().unwrap()).kind(), ErrorKind::CallEnded);
        assert_eq!(detect.wait(None).unwrap().heard, Heard::Machine);
    });
}

// Starting.

#[test]
fn an_event_that_overtakes_the_response_completes_the_operation() {
    watched(|| {
        let (sim, _client, caller, call) = scene();
        for method in
            ["calling.play", "calling.record", "calling.collect", "calling.play_and_collect", "calling.detect"]
        {
            sim.events_before_reply(method);
        }
        let short = Duration::from_secs(1);
        let play = call.play(tts("Hello")).unwrap();
        assert!(play.is_done());
        assert_eq!(play.result().unwrap().unwrap().state, PlayState::Finished);
        assert_eq!(play.reply().code(), Some(200));
        let record = call.record(Record::new().initial_timeout(short)).unwrap();
        assert_eq!(record.result().unwrap().unwrap().state, RecordState::NoInput);
        let collect = call.collect(Collect::digits(1).initial_timeout(short).start_input_timers(true)).unwrap();
        assert_eq!(collect.result().unwrap().unwrap().result, CollectResult::NoInput);
        let prompt = call.prompt(tts("Press"), Collect::digits(1).initial_timeout(short)).unwrap();
        assert_eq!(prompt.result().unwrap().unwrap().result, CollectResult::NoInput);
        let detect = call.detect(machine()).unwrap();
        assert_eq!(detect.result().unwrap().unwrap().heard, Heard::Human);
        // The callback is attached to an operation that has ended, and called all the same.
        let (to, told) = mpsc::channel();
        let inline = Arc::new(Mutex::new(()));
        let guard = inline.lock();
        let same = Arc::clone(&inline);
        play.on_completed(move |ended| {
            let _not_inline = same.lock();
            to.send(ended.is_ok()).unwrap();
        });
        drop(guard);
        assert!(told.recv_timeout(LONG).unwrap());
        drop(caller);
        assert_accepted(&sim);
    });
}

#[test]
fn a_control_id_in_use_is_refused_before_anything_is_sent() {
    watched(|| {
        let (sim, client, _caller, call) = scene();
        let (_other_caller, other) = answered(&sim, &client);
        let play = call.play(Play::new(silence(EVER)).control_id("mine")).unwrap();
        let error = refusal(call.record(Record::new().control_id("mine")));
        assert_eq!((error.kind(), error.method()), (ErrorKind::Config, Some("calling.record")));
        let text = error.to_string();
        assert!(text.contains("\"mine\"") && text.contains("choose another"), "{text}");
        assert_eq!(count(&sim, "calling.record"), 0);
        // Another call is another matter.
        let elsewhere = other.play(Play::new(silence(EVER)).control_id("mine")).unwrap();
        elsewhere.stop().unwrap();
        elsewhere.wait(LONG).unwrap();
        assert!(!play.is_done());
        // An empty one counts as none.
        let generated = call.play(Play::new(silence(EVER)).control_id("")).unwrap();
        assert_eq!(generated.control_id().len(), 36);
    });
}

#[test]
fn a_refused_start_leaves_nothing_behind() {
    watched(|| {
        let (sim, client, _caller, call) = scene();
        for code in [400, 409, -32602] {
            sim.refuse_next("calling.play", code, "no");
            let error = refusal(call.play(Play::new(tts("x")).control_id("again")));
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)));
        }
        // The name is free again, and what comes for it belongs to the new one.
        let play = call.play(Play::new(silence(EVER)).control_id("again")).unwrap();
        fence(&client);
        assert!(!play.is_done());
        play.stop().unwrap();
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
    });
}

#[test]
fn a_start_that_is_not_answered_has_an_unknown_outcome_unless_its_end_came() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).request_timeout(Duration::from_secs(5)).connect().unwrap();
        let (_caller, call) = answered(&sim, &client);
        sim.hold_replies("calling.play");
        let error = refusal(call.play(silence(EVER)));
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::OutcomeUnknown, true));
        assert!(error.may_have_been_sent() && !error.is_retryable());
        // This operation ran to its end, which proves more than the response would have.
        let play = call.play(tts("Hello")).unwrap();
        assert_eq!(play.result().unwrap().unwrap().state, PlayState::Finished);
        assert_eq!(play.reply().json(), "{}");
    });
}

#[test]
fn a_success_that_says_nothing_is_a_success() {
    watched(|| {
        let (sim, client, _caller, call) = scene();
        sim.never_answer("calling.play");
        let same = call.clone();
        let starting = thread::spawn(move || same.play(tts("Hello")));
        answer_by_hand(&sim, "calling.play", json!({"result": {}}));
        let play = starting.join().unwrap().unwrap();
        fence(&client);
        assert!(!play.is_done());
        assert_eq!((call.end(), play.reply().json()), (None, "{}"));
        push(&sim, "calling.call.play", &play, json!({"state": "finished"}));
        assert_eq!(play.wait(LONG).unwrap().state, PlayState::Finished);
    });
}

#[test]
fn a_call_that_ends_abruptly_ends_all_that_runs_on_it() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.final_event_grace(Duration::from_secs(5))).connect().unwrap();
        let (caller, call) = answered(&sim, &client);
        let play = for_ever(&call);
        let record = call.record(Record::new()).unwrap();
        let collect = call.collect(Collect::digits(9)).unwrap();
        let prompt = call.prompt(silence(EVER), Collect::digits(9)).unwrap();
        let detect = call.detect(digit_detector().timeout(EVER)).unwrap();
        let (to, told) = mpsc::channel();
        fn watch<O: Operation>(action: &Action<O>, to: &mpsc::Sender<Result<(), ErrorKind>>) {
            let (completed, waited) = (to.clone(), to.clone());
            action.on_completed(move |ended| completed.send(ended.as_ref().map(drop).map_err(Error::kind)).unwrap());
            let action = action.clone();
            thread::spawn(move || waited.send(action.wait(LONG).map(drop).map_err(|error| error.kind())).unwrap());
        }
        watch(&play, &to);
        watch(&record, &to);
        watch(&collect, &to);
        watch(&prompt, &to);
        watch(&detect, &to);
        let mut streams = (play.events(), detect.events());
        fence(&client);
        sim.end_calls_abruptly(true);
        caller.hang_up();
        for _ in 0..10 {
            assert_eq!(sim.blocking(|| told.recv_timeout(LONG)).unwrap(), Err(ErrorKind::CallEnded));
        }
        while streams.0.next().is_some() || streams.1.next().is_some() {}
        assert!(sim.blocking(|| told.recv_timeout(SHORT)).is_err());
        until_in(&sim, "nothing is left", || client.stats().calls == 0);
    });
}

#[test]
fn operations_of_one_call_are_distinguished() {
    watched(|| {
        let (_sim, _client, caller, call) = scene();
        let record: RecordAction = call.record(Record::new().terminators("")).unwrap();
        let one = for_ever(&call);
        let two = for_ever(&call);
        let collect = call.collect(Collect::digits(1)).unwrap();
        assert_ne!(one.control_id(), two.control_id());
        one.stop().unwrap();
        one.wait(LONG).unwrap();
        caller.press("5");
        assert_eq!(collect.wait(LONG).unwrap().digits(), Some("5"));
        assert!(!two.is_done() && !record.is_done());
    });
}

/// The compiler knows the commands of each operation.
#[test]
fn the_commands_of_an_operation_are_a_matter_of_its_type() {
    fn stops<O: Stoppable>() {}
    fn pauses<O: Pausable>() {}
    fn has_volume<O: HasVolume>() {}
    stops::<Play>();
    stops::<Record>();
    stops::<Collect>();
    stops::<Prompt>();
    stops::<Detect>();
    pauses::<Play>();
    pauses::<Record>();
    pauses::<Prompt>();
    has_volume::<Play>();
    has_volume::<Prompt>();
}

#[test]
fn callbacks_run_in_the_order_in_which_they_were_added_also_around_the_end() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let (_caller, call) = answered(&sim, &client);
        for round in 0..60 {
            let action = call.play(silence(Duration::from_millis(50))).unwrap();
            let (ran, order) = mpsc::channel();
            // The operation ends somewhere among these.
            let mut added = 0;
            while !action.is_done() || added < 50 {
                let ran = ran.clone();
                let number = added;
                action.on_completed(move |_| ran.send(number).unwrap());
                added += 1;
            }
            drop(ran);
            let order: Vec<i32> = order.iter().collect();
            assert_eq!(order, (0..added).collect::<Vec<_>>(), "round {round}");
        }
        assert_accepted(&sim);
    });
}
