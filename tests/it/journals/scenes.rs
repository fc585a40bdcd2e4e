//! The scenes of verbs: requests, words and digits, one family after the other.

use serde_json::{Value, json};
use signalwire_relay::Call;
use signalwire_relay::simulator::{CutPoint, Direction, PersonOnCall};

use super::{ANN, BOB, MINUTE, OURS, SECOND, Scene, device, spoken};

/// A scene by its name; the others run twice, the second time with each response behind the last event that it causes.
pub type Play = fn(&Scene);

const PLAY: Play = |scene| {
    let (_ann, call) = scene.answered(scene.caller());
    let media = json!([{"type": "tts", "params": {"text": "<b>Hello</b>, this is a test"}},
        {"type": "silence", "params": {"duration": 1.5}}, {"type": "audio", "params": {"url": "https://x.example/a"}},
        {"type": "ringtone", "params": {"name": "us"}}, {"type": "ringtone", "params": {"name": "it", "duration": 0.4}}]);
    scene.on(&call, &[("play", json!({"control_id": "a", "play": media, "loop": 2, "volume": 3.0}))]);
    scene.wait(1.0);
    scene.on(&call, &[("play.pause", json!({"control_id": "a"})), ("play.pause", json!({"control_id": "a"}))]);
    scene.wait(2.0);
    scene.on(&call, &[("play.resume", json!({"control_id": "a"})), ("play.resume", json!({"control_id": "a"}))]);
    scene.on(&call, &[("play.volume", json!({"control_id": "a", "volume": 41.0}))]);
    scene.on(&call, &[("play.volume", json!({"control_id": "a", "volume": -4.0}))]);
    scene.on(&call, &[("play", json!({"control_id": "a", "play": spoken("again")}))]);
    scene.on(&call, &[("play.stop", json!({"control_id": "nobody"})), ("record.stop", json!({"control_id": "a"}))]);
    scene.wait(30.0);
    scene.on(&call, &[("play.stop", json!({"control_id": "a"})), ("play", json!({"control_id": "b", "play": []}))]);
    scene.on(&call, &[("play", json!({"control_id": "b", "play": spoken("x"), "loop": -1}))]);
    let file = json!([{"type": "audio", "params": {"url": "nowhere"}}]);
    scene.on(&call, &[("play", json!({"control_id": "c", "play": file}))]);
    scene.on(&call, &[("play", json!({"control_id": "d", "play": spoken("for ever and ever"), "loop": 0}))]);
    scene.on(&call, &[("play", json!({"control_id": "e", "play": spoken("stopped")}))]);
    scene.wait(0.2);
    scene.on(&call, &[("play.stop", json!({"control_id": "e"})), ("play.stop", json!({"control_id": "e"}))]);
    scene.wait(4.0);
    scene.on(&call, &[("play.stop", json!({"control_id": "e"})), ("end", json!({"reason": "busy"}))]);
    scene.wait(3.0);
    scene.on(&call, &[("play", json!({"control_id": "f", "play": spoken("gone")})), ("end", json!({}))]);
};

const RECORD: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let record = |id: &str, audio: Value| ("record", json!({"control_id": id, "record": {"audio": audio}}));
    scene.on(&call, &[record("a", json!({"initial_timeout": 2.0})), record("b", json!({"max_length": 3.0}))]);
    scene.on(&call, &[record("c", json!({"end_silence_timeout": 1.0, "initial_timeout": 9.0, "format": "wav"}))]);
    scene.on(&call, &[record("d", json!({"terminators": "9", "beep": true})), record("e", json!({}))]);
    scene.on(&call, &[("record.pause", json!({"control_id": "e"})), ("record.pause", json!({"control_id": "e"}))]);
    scene.wait(2.5);
    ann.say("Somebody said something");
    scene.wait(0.5);
    scene.on(&call, &[record("f", json!({})), ("record.resume", json!({"control_id": "e"}))]);
    scene.on(&call, &[("record.resume", json!({"control_id": "e"}))]);
    scene.wait(2.0);
    ann.say("More");
    scene.wait(5.0);
    ann.press("9");
    scene.on(&call, &[record("g", json!({})), ("record.stop", json!({"control_id": "f"}))]);
    ann.say("Cut short by the end of the call");
    scene.wait(1.0);
    ann.hang_up();
};

const RECORD_FIRST: Play = |scene| {
    scene.sim.finish_recordings_before_ended(true);
    let (ann, call) = scene.answered(scene.caller().after_the_beep().says("A message").after_the_beep().hangs_up());
    scene.on(&call, &[("record", json!({"control_id": "a", "record": {}}))]);
    scene.on(&call, &[("transcribe", json!({"control_id": "t"}))]);
    scene.wait(3.0);
    scene.on(&call, &[("record", json!({"control_id": "b", "record": {}}))]);
    drop(ann.wait_ended(MINUTE));
};

const COLLECT: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let collect = |id: &str, more: Value| {
        let mut params = more;
        params["control_id"] = id.into();
        ("collect", params)
    };
    scene.on(
        &call,
        &[collect("a", json!({"digits": {"max": 3}, "partial_results": true, "send_start_of_input": true}))],
    );
    ann.press("12");
    scene.wait(1.0);
    ann.press("3");
    scene.on(&call, &[collect("b", json!({"digits": {"max": 9, "terminators": "#*"}, "initial_timeout": 2.0}))]);
    ann.press("77#");
    scene.on(&call, &[collect("c", json!({"digits": {"max": 9, "min": 2, "digit_timeout": 1.5}}))]);
    ann.press("4");
    scene.wait(3.0);
    scene.on(&call, &[collect("d", json!({"digits": {"max": 2}, "continuous": true}))]);
    ann.press("1234");
    scene.on(&call, &[("collect.stop", json!({"control_id": "d"})), collect("e", json!({}))]);
    scene.on(&call, &[collect("e", json!({"digits": {"max": 0}}))]);
    scene.on(&call, &[collect("f", json!({"speech": {"end_silence_timeout": 0.5}, "partial_results": true}))]);
    ann.say("one word");
    scene.wait(3.0);
    scene.on(&call, &[collect("g", json!({"speech": {}, "initial_timeout": 2.0, "start_input_timers": true}))]);
    scene.wait(3.0);
    scene.on(&call, &[collect("h", json!({"speech": {}, "digits": {"max": 4}, "initial_timeout": 2.0}))]);
    scene.wait(3.0);
    scene.on(&call, &[("collect.start_input_timers", json!({"control_id": "h"}))]);
    scene.wait(1.0);
    ann.press("1");
    ann.say("and a word");
    scene.wait(4.0);
    scene.on(
        &call,
        &[collect("i", json!({"speech": {}, "continuous": true})), collect("j", json!({"digits": {"max": 1}}))],
    );
    ann.say("first");
    scene.wait(3.0);
    ann.say("second");
    ann.hang_up();
};

const PROMPT: Play = |scene| {
    let caller = scene.caller().when_asked_for_digits().presses("12#").when_asked_to_speak().says_unclearly("mm");
    let caller =
        caller.while_hearing("third").says("stop").waits(SECOND).when_asked_for_digits().presses_slowly("5", SECOND);
    let (ann, call) = scene.answered(caller);
    let prompt = |id: &str, text: &str, collect: Value| {
        ("play_and_collect", json!({"control_id": id, "play": spoken(text), "collect": collect, "volume": 1.0}))
    };
    let digits = json!({"digits": {"max": 5, "terminators": "#"}});
    scene.on(&call, &[prompt("a", "Press something", digits.clone()), prompt("b", "Twice", digits.clone())]);
    scene.wait(9.0);
    scene.on(&call, &[prompt("c", "Say something", json!({"speech": {}, "initial_timeout": 3.0}))]);
    scene.wait(9.0);
    scene.on(&call, &[prompt("d", "The third prompt is a long one", json!({"speech": {"end_silence_timeout": 0.2}}))]);
    scene.wait(9.0);
    scene.on(
        &call,
        &[prompt("e", "Nothing", json!({"digits": {"max": 1}, "initial_timeout": 1.0, "continuous": true}))],
    );
    scene.wait(0.5);
    scene.on(&call, &[("play_and_collect.volume", json!({"control_id": "e", "volume": 2.0}))]);
    scene.on(
        &call,
        &[("play_and_collect.pause", json!({"control_id": "e"})), ("play.pause", json!({"control_id": "e"}))],
    );
    scene.on(&call, &[("collect.start_input_timers", json!({"control_id": "e"}))]);
    scene.on(&call, &[("play_and_collect.resume", json!({"control_id": "e"}))]);
    scene.on(&call, &[("play_and_collect.volume", json!({"control_id": "e", "volume": -99.0}))]);
    scene.wait(6.0);
    scene.on(&call, &[("play_and_collect.stop", json!({"control_id": "e"})), prompt("f", "No field", json!({}))]);
    scene.on(&call, &[prompt("g", "Stopped", digits.clone()), ("play_and_collect.stop", json!({"control_id": "g"}))]);
    scene.on(&call, &[prompt("h", "Cut off by the end of the call", digits)]);
    scene.wait(1.0);
    ann.hang_up();
};

const DETECT: Play = |scene| {
    let detect = |id: &str, kind: &str, params: Value| {
        ("detect", json!({"control_id": id, "detect": {"type": kind, "params": params}, "timeout": 20.0}))
    };
    let (ann, call) = scene.answered(scene.caller());
    scene.on(&call, &[detect("a", "machine", json!({})), detect("b", "digit", json!({"digits": "12"}))]);
    scene.on(&call, &[detect("c", "fax", json!({})), detect("d", "machine", json!({})), detect("e", "odd", json!({}))]);
    ann.press("31");
    scene.on(&call, &[("detect.stop", json!({"control_id": "d"})), ("detect.stop", json!({"control_id": "d"}))]);
    scene.wait(30.0);
    scene.on(&call, &[detect("f", "digit", json!({})), ("end", json!({"reason": "hangup"}))]);
    let (_silent, call) = scene.answered(scene.caller().is_silent());
    scene.on(&call, &[detect("a", "machine", json!({"initial_timeout": 2.0}))]);
    scene.wait(5.0);
    call.hangup().unwrap();
    let (_fax, call) = scene.answered(scene.caller().is_fax());
    scene.on(&call, &[detect("a", "machine", json!({})), detect("b", "fax", json!({"tone": "CNG"}))]);
    scene.on(&call, &[detect("c", "fax", json!({"tone": "CED"}))]);
    scene.wait(25.0);
    call.hangup().unwrap();
};

const MACHINES: Play = |scene| {
    let detect = |id: &str, params: Value| {
        ("detect", json!({"control_id": id, "detect": {"type": "machine", "params": params}}))
    };
    for beep in [true, false] {
        let bob = scene.callee().answers().is_machine("You have reached Bob, leave a message", beep);
        let bob = bob.beeps_after(SECOND).takes_messages_of(20 * SECOND);
        let call = scene.dialled();
        scene.on(&call, &[detect("a", json!({})), detect("b", json!({"detect_interruptions": true}))]);
        scene.on(&call, &[detect("c", json!({"detect_message_end": false}))]);
        scene.on(&call, &[("play", json!({"control_id": "p", "play": spoken("Too early")}))]);
        scene.wait(8.0);
        scene.on(&call, &[("play", json!({"control_id": "q", "play": spoken("In time")}))]);
        scene.wait(40.0);
        drop(bob.is_machine("Hi", beep).greeting_lasts(SECOND));
        let call = scene.dialled();
        scene.on(&call, &[detect("a", json!({}))]);
        scene.wait(5.0);
        call.hangup().unwrap();
    }
};

const DIGITS: Play = |scene| {
    let (_ann, call) = scene.answered(scene.caller());
    scene.on(&call, &[("send_digits", json!({"control_id": "a", "digits": "1wW23"}))]);
    scene.on(&call, &[("send_digits", json!({"control_id": "b", "digits": "x"}))]);
    scene.on(&call, &[("send_digits.stop", json!({"control_id": "a"}))]);
    scene.wait(5.0);
    scene.on(&call, &[("send_digits", json!({"control_id": "c", "digits": "WWWW"})), ("end", json!({}))]);
};

const FAX: Play = |scene| {
    let send = |id: &str| ("send_fax", json!({"control_id": id, "document": "https://x.example/d.pdf"}));
    let receive = |id: &str| ("receive_fax", json!({"control_id": id, "identity": "me"}));
    let (_ann, call) = scene.answered(scene.caller().is_fax());
    scene.on(&call, &[receive("a"), send("b")]);
    scene.wait(20.0);
    scene.on(&call, &[send("c")]);
    scene.wait(20.0);
    scene.on(&call, &[receive("d"), ("receive_fax.stop", json!({"control_id": "d"})), send("e")]);
    scene.wait(6.0);
    call.hangup().unwrap();
    drop(scene.callee().answers().is_fax().fax_pages(3).fax_fails_after(1, "paper jam"));
    let call = scene.dialled();
    scene.on(&call, &[send("a"), ("send_fax", json!({"control_id": "b", "document": "ftp"}))]);
    scene.wait(30.0);
    call.hangup().unwrap();
    let (_person, call) = scene.answered(scene.caller());
    scene.on(&call, &[send("a")]);
    scene.wait(40.0);
    scene.on(&call, &[receive("b"), ("send_fax.stop", json!({"control_id": "b"}))]);
    scene.wait(40.0);
    scene.on(&call, &[send("c"), ("send_fax.stop", json!({"control_id": "c"}))]);
    call.hangup().unwrap();
};

const PAY: Play = |scene| {
    let pay = |id: &str, more: Value| {
        let mut params = more;
        params["control_id"] = id.into();
        params["payment_connector_url"] = "https://pay.example".into();
        ("pay", params)
    };
    let caller = scene.caller().when_asked_to_pay().presses("4242424242424242").when_asked_to_pay().presses("1299");
    let (ann, call) = scene.answered(caller.when_asked_to_pay().presses("123").when_asked_to_pay().presses("90210#"));
    scene.on(&call, &[pay("a", json!({"charge_amount": "9.50"})), pay("b", json!({}))]);
    scene.wait(30.0);
    let more = json!({"security_code": "false", "postal_code": "12345", "max_attempts": "2", "timeout": "3",
        "prompts": [{"for": "payment-card-number", "actions": [{"type": "Say", "phrase": "Your card"}]},
            {"for": "payment-card-number", "error_type": "invalid-card-number timeout",
                "actions": [{"type": "Say", "phrase": "Again"}]}]});
    scene.on(&call, &[pay("c", more.clone())]);
    ann.press("1#");
    scene.wait(1.0);
    ann.press("378282246310005");
    ann.press("1#");
    scene.wait(10.0);
    scene.on(&call, &[pay("d", json!({"security_code": "false", "postal_code": "false"}))]);
    ann.press("4000000000000002");
    scene.wait(1.0);
    ann.press("1299");
    scene.wait(5.0);
    scene.on(&call, &[pay("e", json!({}))]);
    ann.press("4*");
    scene.on(&call, &[pay("f", json!({})), ("pay.stop", json!({"control_id": "f"}))]);
    scene.on(&call, &[("pay", json!({"control_id": "g", "payment_connector_url": "http://x"}))]);
    scene.on(&call, &[pay("g", json!({"input": "voice"})), pay("g", json!({"charge_amount": "1.x"}))]);
    scene.on(&call, &[pay("g", json!({"timeout": "soon"})), pay("h", json!({"valid_card_types": "visa"}))]);
    ann.press("5555555555554444");
    scene.wait(1.0);
    scene.on(&call, &[pay("i", json!({"max_attempts": "3"}))]);
    ann.press("4242424242424242");
    scene.wait(1.0);
    ann.hang_up();
};

const COPIES: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let rtp = json!({"type": "rtp", "params": {"addr": "192.0.2.1", "port": 5004}});
    let ws = json!({"type": "ws", "params": {"uri": "wss://x.example/tap", "codec": "PCMA"}});
    let tap = |id: &str, device: &Value| {
        ("tap", json!({"control_id": id, "tap": {"type": "audio", "params": {"direction": "both"}}, "device": device}))
    };
    scene.on(&call, &[tap("a", &rtp), tap("b", &ws), tap("c", &json!({"type": "ws", "params": {"uri": "x"}}))]);
    scene.on(&call, &[tap("c", &json!({"type": "rtp", "params": {"addr": "x", "port": 0}}))]);
    let odd = json!({"control_id": "c", "tap": {"type": "audio", "params": {"direction": "up"}}, "device": ws});
    scene.on(&call, &[("tap", odd)]);
    let stream = |id: &str, url: &str, track: &str| ("stream", json!({"control_id": id, "url": url, "track": track}));
    scene.on(&call, &[stream("d", "wss://x.example/s", "both"), stream("e", "http://x", "both")]);
    scene.on(
        &call,
        &[stream("e", "ws://x", "none"), ("stream", json!({"control_id": "e", "url": "ws://x", "name": "n"}))],
    );
    scene.wait(2.0);
    scene.on(&call, &[("tap.stop", json!({"control_id": "a"})), ("stream.stop", json!({"control_id": "d"}))]);
    scene.on(&call, &[("tap.stop", json!({"control_id": "e"})), ("transcribe.stop", json!({"control_id": "t"}))]);
    let transcribe = |id: &str| ("transcribe", json!({"control_id": id, "status_url": "https://x.example/t"}));
    scene.on(&call, &[transcribe("t"), transcribe("u")]);
    scene.wait(2.0);
    scene.on(&call, &[("transcribe.stop", json!({"control_id": "t"})), transcribe("v")]);
    scene.wait(1.0);
    ann.hang_up();
};

const LIVE: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let start = |more: Value| json!({"action": {"start": more}});
    let langs = json!({"from_lang": "en-US", "to_lang": "es-ES", "live_events": true, "ai_summary": true});
    scene.on(&call, &[("live_transcribe", json!({"action": "stop"})), ("live_translate", start(json!({})))]);
    scene.on(&call, &[("live_transcribe", start(json!({"live_events": true, "lang": "en-GB"})))]);
    scene.on(&call, &[("live_transcribe", start(json!({}))), ("live_translate", start(langs))]);
    ann.say("Hello there");
    scene.wait(2.0);
    scene.on(&call, &[("live_transcribe", json!({"action": "summarize"}))]);
    scene.on(&call, &[("live_translate", json!({"action": {"summarize": {}}}))]);
    scene.on(&call, &[("live_translate", json!({"action": {"inject": {"message": "Psst"}}}))]);
    scene.on(
        &call,
        &[("live_translate", json!({"action": {"inject": {"message": "Psst", "direction": "local-caller"}}}))],
    );
    scene.on(&call, &[("live_translate", json!({"action": {"inject": {"direction": "up"}}}))]);
    scene.on(
        &call,
        &[
            ("live_translate", json!({"action": {"inject": {}}})),
            ("live_translate", json!({"action": {"a": {}, "b": {}}})),
        ],
    );
    scene.on(
        &call,
        &[("live_transcribe", json!({"action": "jump"})), ("live_transcribe", json!({"action": {"inject": {}}}))],
    );
    scene.wait(3.0);
    scene.on(
        &call,
        &[("live_transcribe", json!({"action": {"stop": {}}})), ("live_translate", json!({"action": "stop"}))],
    );
    let quiet = json!({"direction": ["local-caller"], "ai_summary": true});
    scene.on(
        &call,
        &[("live_transcribe", start(quiet)), ("live_translate", start(json!({"from_lang": "a", "to_lang": "b"})))],
    );
    ann.say("Not for the first one");
    scene.wait(1.0);
    scene.on(&call, &[("live_translate", json!({"action": "summarize"}))]);
    scene.wait(0.5);
    ann.hang_up();
};

const AGENTS: Play = |scene| {
    scene.sim.agent_answers("hours", "We open at nine.");
    let (ann, call) = scene.answered(scene.caller());
    let ai = |id: &str| ("ai", json!({"control_id": id, "prompt": {"text": "x"}, "post_prompt": {"text": "sum up"}}));
    scene.on(
        &call,
        &[("ai_message", json!({"message_text": "x"})), ("ai", json!({"control_id": "a"})), ai("a"), ai("b")],
    );
    scene.wait(5.0);
    ann.say("Your opening HOURS?");
    scene.wait(6.0);
    scene.on(&call, &[("ai_message", json!({"message_text": "Hello?", "role": "user"}))]);
    scene.on(&call, &[("ai_message", json!({"message_text": "I am it", "role": "assistant"}))]);
    scene.on(&call, &[("ai_message", json!({"message_text": "x", "role": "system"})), ("ai_message", json!({}))]);
    scene.on(
        &call,
        &[("ai_message", json!({"message_text": "x", "role": "odd"})), ("ai_message", json!({"reset": {}}))],
    );
    scene.wait(5.0);
    scene.on(&call, &[("ai_hold", json!({"timeout": "1m", "prompt": "Wait"})), ("ai_hold", json!({}))]);
    ann.say("Anybody?");
    scene.wait(5.0);
    scene.on(
        &call,
        &[("ai_unhold", json!({"prompt": "Back"})), ("ai_unhold", json!({})), ("ai_hold", json!({"timeout": "x"}))],
    );
    scene.on(&call, &[("ai_hold", json!({"timeout": "2"}))]);
    scene.wait(5.0);
    ann.say("Again");
    scene.sim.agent_post_prompt_result(json!({"summary": "short"}));
    scene.on(&call, &[("ai.stop", json!({"control_id": "b"})), ("ai.stop", json!({"control_id": "a"}))]);
    scene.wait(4.0);
    scene.on(
        &call,
        &[("ai.stop", json!({"control_id": "a"})), ("amazon_bedrock", json!({"prompt": "x", "post_prompt": {}}))],
    );
    scene.wait(1.0);
    let greets = json!({"control_id": "c", "agent": "y", "params": {"static_greeting": "Hi"}});
    scene.on(&call, &[("ai", greets)]);
    ann.hang_up();
    let (ann, call) = scene.answered(scene.caller());
    scene.sim.agent_post_prompt_result(json!("words"));
    scene.on(&call, &[ai("d")]);
    scene.wait(1.0);
    ann.hang_up();
};

const SIDECAR: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    scene.on(&call, &[("ai_sidecar.status", json!({})), ("ai_sidecar", json!({})), ("ai_sidecar", json!({}))]);
    scene.on(&call, &[("ai_sidecar.poke", json!({"text": "a"})), ("ai_sidecar.ask", json!({"text": "b"}))]);
    scene.wait(2.0);
    scene.on(
        &call,
        &[("ai_sidecar.ask", json!({"text": "c"})), ("ai_sidecar.status", json!({})), ("ai_sidecar.stop", json!({}))],
    );
    scene.wait(2.0);
    scene.on(
        &call,
        &[
            ("ai_sidecar.poke", json!({"text": "a"})),
            ("ai_sidecar", json!({})),
            ("ai_sidecar.ask", json!({"text": "d"})),
        ],
    );
    ann.hang_up();
};

const BINDINGS: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let play = json!({"control_id": "p", "play": spoken("A binding")});
    scene.on(
        &call,
        &[("bind_digit", json!({"digits": "1w2", "bind_method": "calling.play", "params": play, "max_triggers": 2}))],
    );
    let record = json!({"record": {"audio": {}}});
    scene.on(
        &call,
        &[("bind_digit", json!({"digits": "#", "bind_method": "calling.record", "params": record, "realm": "r"}))],
    );
    scene.on(&call, &[("bind_digit", json!({"digits": "0", "bind_method": "calling.unhold"}))]);
    scene.on(&call, &[("bind_digit", json!({"digits": "x", "bind_method": "calling.play"}))]);
    scene.on(&call, &[("bind_digit", json!({"digits": "5", "bind_method": "messaging.send"}))]);
    scene.on(&call, &[("bind_digit", json!({"digits": "5", "bind_method": "calling.play"}))]);
    scene.on(&call, &[("bind_digit", json!({"digits": "5", "bind_method": "calling.hold", "max_triggers": -1}))]);
    scene.on(&call, &[("collect", json!({"control_id": "c", "digits": {"max": 9}}))]);
    ann.press("12");
    scene.wait(0.3);
    ann.press("12");
    scene.wait(5.0);
    ann.press("12#00");
    scene.wait(2.0);
    scene.on(
        &call,
        &[("clear_digit_bindings", json!({})), ("bind_digit", json!({"digits": "9", "bind_method": "calling.end"}))],
    );
    ann.press("0#");
    scene.on(&call, &[("clear_digit_bindings", json!({"realm": "r"}))]);
    ann.press("#");
    ann.press("19");
    let (ann, call) = scene.answered(scene.caller());
    scene.on(
        &call,
        &[
            ("bind_digit", json!({"digits": "9", "bind_method": "calling.hold"})),
            ("clear_digit_bindings", json!({"realm": "all"})),
        ],
    );
    ann.press("9");
    scene.wait(1.0);
    ann.hang_up();
};

const TOOLS: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    scene.on(&call, &[("hold", json!({})), ("hold", json!({})), ("unhold", json!({})), ("unhold", json!({}))]);
    scene.on(
        &call,
        &[("denoise", json!({})), ("denoise", json!({})), ("denoise.stop", json!({})), ("denoise.stop", json!({}))],
    );
    scene.on(&call, &[("echo", json!({"timeout": 3.0})), ("echo", json!({})), ("echo", json!({"timeout": -3.0}))]);
    ann.say("Is there an echo?");
    scene.wait(5.0);
    scene.on(&call, &[("echo", json!({"timeout": 0.0})), ("user_event", json!({"event": {"a": 1, "call_id": "x"}}))]);
    scene.on(
        &call,
        &[("user_event", json!({"event": "b"})), ("user_event", json!({})), ("join_room", json!({"name": ""}))],
    );
    scene.on(
        &call,
        &[("join_room", json!({"name": "r"})), ("join_room", json!({"name": "s"})), ("leave_room", json!({}))],
    );
    scene.on(&call, &[("leave_room", json!({})), ("join_room", json!({"name": "t"}))]);
    scene.wait(90.0);
    ann.hang_up();
};

const CONFERENCE: Play = |scene| {
    let (ann, first) = scene.answered(scene.caller());
    let (bob, second) = scene.answered(scene.sim.caller("+15551230001").calls(OURS));
    let (_eve, third) =
        scene.answered(scene.sim.caller("+15551230002").calls(OURS).when_put_through().says("I am here"));
    let join = |more: Value| {
        let mut params = more;
        params["name"] = "board".into();
        ("join_conference", params)
    };
    scene.on(
        &first,
        &[join(json!({"start_on_enter": false, "wait_url": "https://x.example/w", "max_participants": 3}))],
    );
    ann.say("Nobody hears this");
    scene.wait(3.0);
    scene.on(&second, &[join(json!({"record": "record-from-start", "region": "us", "end_on_exit": true}))]);
    scene.on(&second, &[join(json!({})), ("hold", json!({})), ("unhold", json!({}))]);
    scene.on(&third, &[join(json!({"coach": "nobody"})), join(json!({"coach": first.id(), "muted": false}))]);
    scene.on(
        &third,
        &[("join_conference", json!({"name": ""})), ("join_conference", json!({"name": "x", "beep": "loud"}))],
    );
    scene.on(&third, &[("join_conference", json!({"name": "x", "max_participants": 0}))]);
    ann.say("To all");
    scene.wait(4.0);
    scene.on(&third, &[("leave_conference", json!({"conference_id": "x"}))]);
    let id = scene
        .sim
        .journal()
        .replies("calling.join_conference")
        .iter()
        .find_map(|reply| reply.params()["conference_id"].as_str().map(str::to_owned));
    scene
        .on(&third, &[("leave_conference", json!({"conference_id": id, "async": true})), join(json!({"muted": true}))]);
    scene.wait(3.0);
    bob.hang_up();
    scene.wait(1.0);
    scene.on(&first, &[join(json!({"record": "record-from-start"}))]);
    scene.wait(2.0);
    scene.on(&first, &[("end", json!({}))]);
    scene.on(&third, &[("end", json!({}))]);
};

const QUEUES: Play = |scene| {
    let (ann, first) = scene.answered(scene.caller());
    let (_bob, second) = scene.answered(scene.sim.caller("+15551230001").calls(OURS));
    let (eve, third) = scene.answered(scene.sim.caller("+15551230002").calls(OURS));
    let enter = |id: &str, wait: i64| {
        (
            "queue.enter",
            json!({"control_id": id, "queue_name": "q", "wait_time": wait, "wait_url": "https://x.example/m"}),
        )
    };
    scene.on(&first, &[enter("a", 0), enter("b", 5), ("queue.enter", json!({"control_id": "c", "queue_name": ""}))]);
    scene.on(&second, &[enter("a", 5)]);
    scene.wait(2.0);
    scene.on(&third, &[enter("a", 60)]);
    scene.wait(4.0);
    scene.on(&third, &[("queue.leave", json!({"control_id": "z", "queue_name": "p"}))]);
    scene.on(&third, &[("queue.leave", json!({"control_id": "z", "queue_name": "q"})), enter("d", 0)]);
    scene.wait(1.0);
    let front = json!([[{"type": "queue", "params": {"node_id": second.node_id(), "queue_name": "q"}}]]);
    scene.on(&second, &[("connect", json!({"devices": front})), ("connect", json!({"devices": front}))]);
    ann.say("Hello");
    scene.wait(2.0);
    scene.on(&second, &[("disconnect", json!({})), ("disconnect", json!({}))]);
    eve.hang_up();
    scene.wait(1.0);
    scene.on(&second, &[("connect", json!({"devices": front}))]);
    scene.on(&first, &[enter("e", 0), ("end", json!({}))]);
    scene.on(&second, &[("end", json!({}))]);
};

const CONNECT: Play = |scene| {
    drop(scene.sim.callee("+15552220001").is_busy());
    drop(scene.sim.callee("+15552220002").does_not_answer());
    drop(scene.sim.callee("+15552220003").declines());
    drop(scene.sim.callee("+15552220004").does_not_exist());
    let bob = scene.callee().answers_after(3 * SECOND).when_put_through().says("Bob speaking").waits(4 * SECOND);
    drop(bob.hangs_up());
    let (ann, call) = scene.answered(scene.caller().when_put_through().says("Ann speaking"));
    let to = |number: &str| {
        ("connect", json!({"devices": device(number), "ringback": spoken("Please wait"), "timeout": 5.0, "tag": "t"}))
    };
    for number in ["+15552220001", "+15552220002", "+15552220003", "+15552220004"] {
        scene.on(&call, &[to(number)]);
        scene.wait(10.0);
    }
    scene.on(&call, &[("connect", json!({"devices": []})), ("connect", json!({"devices": [[]]}))]);
    scene.on(&call, &[("connect", json!({"devices": [[{"type": "phone", "params": {"to_number": ""}}]]}))]);
    let serial = json!([[{"type": "phone", "params": {"to_number": "+15552220001", "timeout": 2}},
        {"type": "sip", "params": {"to": "sip:x@y", "from": "sip:z", "password": "secret"}}], device(BOB)[0][0].as_object().map(|one| vec![one.clone()])]);
    scene.on(&call, &[("connect", json!({"devices": serial, "send_digits": "12", "timeout": 1.0})), to(BOB)]);
    scene.wait(8.0);
    scene.on(&call, &[("hold", json!({}))]);
    ann.say("Not heard");
    ann.press("5");
    scene.wait(5.0);
    scene.on(&call, &[("unhold", json!({})), to(BOB)]);
    scene.wait(1.0);
    scene.on(&call, &[("disconnect", json!({})), to(BOB)]);
    scene.wait(20.0);
    scene.on(&call, &[to(BOB)]);
    scene.wait(4.0);
    ann.hang_up();
    let (_ann, first) = scene.answered(scene.caller());
    let (_eve, second) = scene.answered(scene.sim.caller("+15551230002").calls(OURS));
    let there = json!([[{"type": "call", "params": {"node_id": second.node_id(), "call_id": second.id()}}]]);
    scene.on(&first, &[("connect", json!({"devices": there}))]);
    scene.wait(2.0);
    scene.on(&first, &[("end", json!({}))]);
    scene.wait(2.0);
    scene.on(&second, &[to("+15552220002")]);
    scene.wait(1.0);
    scene.on(&second, &[("end", json!({}))]);
};

const DIAL: Play = |scene| {
    drop(scene.sim.callee("+15552220001").is_busy());
    drop(scene.sim.callee("+15552220002").does_not_answer());
    drop(scene.sim.callee("+15552220003").declines());
    drop(scene.sim.callee("+15552220004").does_not_exist());
    for (at, number) in ["+15552220001", "+15552220002", "+15552220003", "+15552220004", BOB].iter().enumerate() {
        let params = json!({"tag": format!("t{at}"), "devices": device(number), "timeout": 4.0, "send_digits": "9"});
        scene.ask("calling.dial", params);
        scene.wait(6.0);
    }
    let groups = json!([[{"type": "phone", "params": {"to_number": "+15552220001", "from_number": OURS}}],
        [{"type": "phone", "params": {"to_number": "+15552220002", "from_number": OURS}},
         {"type": "phone", "params": {"to_number": BOB, "from_number": OURS, "timeout": 9}}]]);
    scene.ask("calling.dial", json!({"tag": "g", "devices": groups}));
    scene.ask("calling.dial", json!({"tag": "g", "devices": groups}));
    scene.ask(
        "calling.dial",
        json!({"tag": "h", "devices": [[{"type": "queue", "params": {"node_id": "n", "queue_name": "q"}}]]}),
    );
    scene.wait(9.0);
    scene.callee().say("I hang up");
    scene.wait(2.0);
    scene.callee().hang_up();
};

const MOVES: Play = |scene| {
    let (ann, call) = scene.answered(scene.sim.caller("sip:ann@x").calls("sip:us@y"));
    let refer = |to: &str| ("refer", json!({"device": {"type": "sip", "params": {"to": to}}}));
    drop(scene.sim.callee("sip:busy@x").is_busy());
    scene.on(&call, &[refer("tel:1"), refer("Bob <sip:busy@x>"), refer("sip:busy@x")]);
    scene.wait(5.0);
    scene.on(&call, &[refer("sip:bob@x")]);
    drop(ann.wait_ended(MINUTE));
    let (_ann, call) = scene.answered(scene.caller());
    scene.on(
        &call,
        &[refer("sip:bob@x"), ("transfer", json!({"dest": "context:"})), ("transfer", json!({"dest": "x"}))],
    );
    scene.on(&call, &[("play", json!({"control_id": "p", "play": spoken("Please wait for it")}))]);
    scene.on(
        &call,
        &[
            ("record", json!({"control_id": "r", "record": {}})),
            ("echo", json!({})),
            ("join_room", json!({"name": "r"})),
        ],
    );
    scene.on(&call, &[("transfer", json!({"dest": "context:default"}))]);
    let again = scene.client.next_call(MINUTE).unwrap();
    scene.wait(1.0);
    scene.on(
        &again,
        &[("answer", json!({})), ("answer", json!({})), ("play", json!({"control_id": "p", "play": spoken("Here")}))],
    );
    scene.wait(2.0);
    scene.on(&again, &[("transfer", json!({"dest": "https://x.example/doc"}))]);
    let (patient, call) = scene.offered(scene.caller());
    scene.on(&call, &[("pass", json!({})), ("end", json!({}))]);
    drop(patient);
    let (_short, call) = scene.offered(scene.caller());
    scene.on(&call, &[("answer", json!({"max_duration": 3})), ("pass", json!({})), ("end", json!({"reason": "odd"}))]);
    scene.wait(5.0);
    let (_impatient, _call) = scene.offered(scene.caller().gives_up_after(3 * SECOND));
    scene.wait(4.0);
};

/// Everything at once, so that the order in which the operations of an ending call end is recorded.
fn busy(scene: &Scene) -> (PersonOnCall, Call) {
    let (ann, call) = scene.answered(scene.caller());
    let langs = json!({"action": {"start": {"from_lang": "a", "to_lang": "b"}}});
    scene.sim.agent_post_prompt_result(json!({"summary": "none"}));
    scene.on(
        &call,
        &[
            ("join_room", json!({"name": "r"})),
            ("transcribe", json!({"control_id": "1"})),
            ("record", json!({"control_id": "2", "record": {}})),
            ("play", json!({"control_id": "3", "play": spoken("A long text that is not over"), "loop": 0})),
            ("detect", json!({"control_id": "4", "detect": {"type": "digit", "params": {}}})),
            ("receive_fax", json!({"control_id": "5"})),
            (
                "play_and_collect",
                json!({"control_id": "6", "play": spoken("Press"), "collect": {"digits": {"max": 3}}}),
            ),
            ("collect", json!({"control_id": "7", "speech": {}, "partial_results": true})),
            ("pay", json!({"control_id": "8", "payment_connector_url": "https://p"})),
            ("stream", json!({"control_id": "9", "url": "wss://s"})),
            ("send_digits", json!({"control_id": "10", "digits": "WWWWWWWW"})),
            ("live_translate", langs),
            ("live_transcribe", json!({"action": {"start": {}}})),
            ("ai_sidecar", json!({})),
            ("ai", json!({"control_id": "11", "prompt": {}, "post_prompt": {}})),
            ("echo", json!({"timeout": 0.0})),
            ("queue.enter", json!({"control_id": "12", "queue_name": "q"})),
            ("join_conference", json!({"name": "c"})),
            ("bind_digit", json!({"digits": "7", "bind_method": "calling.denoise"})),
        ],
    );
    ann.say("One thing");
    scene.wait(0.4);
    ann.press("17");
    scene.wait(2.0);
    (ann, call)
}

const ENDS_BUSY: Play = |scene| drop(busy(scene).1.hangup());
const LEFT_BUSY: Play = |scene| busy(scene).0.hang_up();
const MOVED_BUSY: Play = |scene| {
    let (_ann, call) = busy(scene);
    scene.on(&call, &[("transfer", json!({"dest": "context:elsewhere"}))]);
};
const ABRUPT: Play = |scene| {
    scene.sim.end_calls_abruptly(true);
    busy(scene).0.hang_up();
};

const TEXTS: Play = |scene| {
    drop(scene.sim.number(BOB).undelivered("30003").then().fails("spam").then().refuses(429, "slow").then().delivers());
    let text = |body: &str| json!({"from_number": OURS, "to_number": BOB, "body": body, "tags": ["t"]});
    for _ in 0..5 {
        scene.ask("messaging.send", text("Hello"));
        scene.wait(2.0);
    }
    scene.ask("messaging.send", text(""));
    scene.ask("messaging.send", json!({"from_number": "x", "to_number": BOB, "media": ["https://m"], "context": "c"}));
    scene.ask("messaging.send", json!({"from_number": OURS, "to_number": BOB, "media": ["https://m"], "context": "c"}));
    scene.sim.texts(ANN, OURS, "How are you?");
    scene.sim.texts_with_media("elsewhere", ANN, OURS, "Look", ["https://m"]);
    scene.wait(1.0);
    scene.client.receive(["elsewhere"]).unwrap();
    scene.wait(1.0);
    scene.client.unreceive(["elsewhere"]).unwrap();
    scene.ask("signalwire.ping", json!({"timestamp": 1.0}));
    scene.ask("signalwire.reauthenticate", json!({"authentication": {"jwt_token": "x"}}));
    scene.ask("signalwire.reauthenticate", json!({"authentication": {"token": "x"}}));
    for method in ["signalwire.execute", "calling.begin", "calling.nonsense"] {
        scene.ask(method, json!({}));
    }
};

const BY_HAND: Play = |scene| {
    let (ann, call) = scene.answered(scene.caller());
    let sim = &scene.sim;
    let play = |id: &str| ("play", json!({"control_id": id, "play": spoken("Hello")}));
    sim.refuse_next("calling.play", 500, "no");
    sim.refuse_always("calling.play", -32603, "never");
    scene.on(&call, &[play("a"), play("b")]);
    sim.stop_refusing("calling.play");
    sim.hold_replies("calling.play");
    scene.on(&call, &[play("c")]);
    sim.release_replies("calling.play");
    sim.never_answer("calling.play");
    scene.on(&call, &[play("d")]);
    sim.answer_again("calling.play");
    sim.push_event("calling.call.state", json!({"call_id": call.id(), "call_state": "answered"}));
    sim.push_event("simulator.odd", json!({"context": "c"}));
    sim.push_raw("{\"jsonrpc\": \"2.0\"}");
    sim.push_binary(&[1, 2]);
    sim.resend_last_event("calling.call.state");
    sim.redeliver_last_event("calling.call.state");
    scene.wait(2.0);
    sim.ignore_pings(true);
    scene.ask("signalwire.ping", json!({}));
    sim.ignore_pings(false);
    sim.drop_link_after_request("calling.play");
    scene.on(&call, &[play("e")]);
    scene.wait(5.0);
    sim.drop_link_before_request("calling.play");
    scene.on(&call, &[play("f")]);
    scene.wait(5.0);
    sim.freeze_link(true);
    scene.wait(60.0);
    sim.freeze_link(false);
    scene.wait(60.0);
    sim.refuse_credentials(2);
    sim.drop_link();
    scene.wait(60.0);
    sim.ask_to_reconnect(false);
    scene.wait(5.0);
    sim.cut_at_frame(1, CutPoint::After, Direction::FromClient);
    scene.on(&call, &[play("g")]);
    scene.wait(5.0);
    sim.cut_and_forget_at_frame(1, CutPoint::Before, Direction::ToClient);
    scene.on(&call, &[play("h")]);
    scene.wait(5.0);
    sim.ask_to_reconnect(true);
    scene.wait(5.0);
    ann.hang_up();
};

pub const SCENES: &[(&str, Play)] = &[
    ("play", PLAY),
    ("record", RECORD),
    ("record, reported before the end", RECORD_FIRST),
    ("collect", COLLECT),
    ("play_and_collect", PROMPT),
    ("detect", DETECT),
    ("detect machines", MACHINES),
    ("send_digits", DIGITS),
    ("fax", FAX),
    ("pay", PAY),
    ("tap, stream and transcribe", COPIES),
    ("live", LIVE),
    ("ai", AGENTS),
    ("ai_sidecar", SIDECAR),
    ("bind_digit", BINDINGS),
    ("hold, denoise, echo, events and rooms", TOOLS),
    ("conference", CONFERENCE),
    ("queue", QUEUES),
    ("connect", CONNECT),
    ("dial", DIAL),
    ("refer, transfer and pass", MOVES),
    ("the program ends a busy call", ENDS_BUSY),
    ("the caller ends a busy call", LEFT_BUSY),
    ("a busy call is transferred", MOVED_BUSY),
    ("a busy call ends abruptly", ABRUPT),
    ("messages", TEXTS),
    ("faults by hand", BY_HAND),
];

/// The methods whose response comes last in the second run of a scene.
pub const ALL: &[&str] = &[
    "dial",
    "answer",
    "end",
    "pass",
    "connect",
    "disconnect",
    "transfer",
    "refer",
    "hold",
    "unhold",
    "play",
    "play.stop",
    "record",
    "record.stop",
    "collect",
    "collect.stop",
    "play_and_collect",
    "detect",
    "send_digits",
    "pay",
    "send_fax",
    "receive_fax",
    "tap",
    "stream",
    "transcribe",
    "live_transcribe",
    "live_translate",
    "join_conference",
    "leave_conference",
    "join_room",
    "leave_room",
    "queue.enter",
    "queue.leave",
    "denoise",
    "denoise.stop",
    "echo",
    "bind_digit",
    "user_event",
    "ai",
    "ai.stop",
    "amazon_bedrock",
    "ai_message",
    "ai_hold",
    "ai_sidecar",
];
