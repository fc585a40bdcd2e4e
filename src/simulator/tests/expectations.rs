//! Expectations of a program, met and unmet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::json;

use super::{Bare, LONG, fast, on_the_phone, phone, tts, with};
use crate::simulator::Simulator;
use crate::simulator::interactions::{
    InteractionKind, answered, asked_for_digits, asked_to_speak, connected, dialled, heard, hung_up, passed, recorded,
    requested, said, sent_digits, texted,
};

/// The panic message of a drop; `None` if it does not panic.
fn verdict(sim: Simulator) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(sim))).err()?;
    Some(panic.downcast_ref::<String>().expect("a panic with a text").clone())
}

#[test]
fn what_is_expected_and_done_lets_the_drop_pass() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| {
        let ann = sim.caller("+15551230000").when_asked_for_digits().presses("1").expects_to_hear("press ONE");
        ann.expects(hung_up()).expects_never(heard("goodbye"))
    });
    sim.expect_said("press one").with("+15551230000").once();
    sim.expect_asked_for_digits().saying("press one").once();
    sim.expect_answered().once();
    sim.expect_hung_up().at_least(1);
    sim.expect_dialled("+15552222222").never();
    sim.expect_texted("+15552222222").saying("4711").times(2);
    sim.expect_request("calling.answer").once();
    sim.expect_request("messaging.send").matching(|params| params["body"] == "code 4711").times(2);
    sim.expect(sent_digits("9#")).once();
    sim.expect(passed()).never();
    let order =
        [answered(), said("press one"), asked_for_digits(), requested("messaging.send"), texted("+15552222222")];
    sim.expect_in_order(order.into_iter().chain([texted("+15552222222"), sent_digits("9#"), hung_up()]));
    let prompt = json!({"control_id": "p", "play": tts("Press one"), "collect": {"digits": {"max": 1}}});
    client.on(&call, "calling.play_and_collect", prompt);
    client.about(&call, "calling.call.collect");
    for _ in 0..2 {
        let text = json!({"to_number": "+15552222222", "from_number": "+1556", "body": "code 4711"});
        assert_eq!(client.ask("messaging.send", text)["result"]["code"], "200");
    }
    client.on(&call, "calling.send_digits", json!({"control_id": "d", "digits": "9w#"}));
    client.about(&call, "calling.call.send_digits");
    client.on(&call, "calling.end", json!({}));
    assert_eq!(ann.wait_ended(LONG).expect("an end"), "hangup");
    assert_eq!(sim.said(), ["Press one"]);
    assert_eq!(sim.asked_for_digits(), ["Press one"]);
    assert_eq!((sim.answered(), sim.hung_up()), (vec!["+15551230000".to_owned()], vec!["+15551230000".to_owned()]));
    assert_eq!((sim.count_of(&texted("+15552222222")), sim.count_of(&said("press").with("+1"))), (2, 0));
    let interaction = &sim.interactions()[0];
    assert_eq!((interaction.kind(), interaction.call_id()), (InteractionKind::Answered, Some(ann.call_id())));
    drop(client);
    assert_eq!(verdict(sim), None);
}

#[test]
fn connections_and_recordings_are_reported() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| {
        let _bob = sim.callee("+15552222222").answers();
        sim.caller("+15551230000").after_the_beep().says("Call me back").presses("#").when_put_through().hangs_up()
    });
    client.on(&call, "calling.record", json!({"control_id": "r", "record": {"audio": {}}}));
    client.event("calling.call.record", |event| event["state"] == "finished");
    let devices = json!([[phone("+15552222222")]]);
    client.on(&call, "calling.connect", json!({"devices": devices, "ringback": tts("one moment")}));
    ann.wait_ended(LONG).expect("an end");
    let recordings = sim.recordings();
    assert_eq!((recordings[0].with(), recordings[0].words()), ("+15551230000", "Call me back"));
    assert!(recordings.len() == 1 && recordings[0].lasted() >= Duration::from_secs(1), "{recordings:?}");
    assert_eq!(sim.dialled(), ["+15552222222"]);
    assert_eq!(sim.connected(), [("+15551230000".to_owned(), "+15552222222".to_owned())]);
    // The two people may be named in any order.
    sim.expect_connected("+15552222222", "+15551230000").once();
    sim.expect_connected("+15551230000", "+15552222222").once();
    sim.expect(connected("+15551230000", "+15553333333")).never();
    sim.expect_recorded().with("+15551230000").saying("call me").once();
    sim.expect_in_order([recorded(), said("one moment"), dialled("+15552222222")]);
    sim.expect_in_order([recorded(), dialled("+15552222222"), said("one moment")]);
    // The ringback is played first.
    let unmet = sim.verify().expect_err("an order that was another");
    assert_eq!(unmet.expectations().len(), 1, "{unmet}");
}

#[test]
fn what_is_expected_and_not_done_fails_the_drop_and_says_what_was_near() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000").expects_to_hear("sales"));
    sim.expect_said("Sales will be with you").once();
    sim.expect_said("Support").never();
    sim.expect_request("calling.play").matching(|params| params["volume"] == 6);
    sim.expect_in_order([said("support"), answered()]);
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("Support will be with you")}));
    client.event("calling.call.play", |event| event["state"] == "finished");
    client.on(&call, "calling.end", json!({}));
    ann.wait_ended(LONG).expect("an end");
    drop(client);
    let told = verdict(sim).expect("a verdict");
    let near = format!("+15551230000 was told \"Support will be with you\" (call {})", ann.call_id());
    for part in [
        "somebody is told \"Sales will be with you\", once; it happened never",
        &near,
        "somebody is told \"Support\", never; it happened once",
        "request calling.play that fits, at least once; it happened never",
        "number 2: somebody is answered",
        "+15551230000 hears \"sales\"",
        "+15551230000 heard: Support will be with you",
        "→ calling.end",
    ] {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
}

#[test]
fn a_drop_while_a_test_fails_does_not_panic_again() {
    let panic = catch_unwind(|| {
        let sim = fast();
        sim.expect_said("never said").once();
        panic!("the test's own");
    });
    let panic = panic.expect_err("the panic of the test");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the test's own"));
}

#[test]
fn a_verdict_by_hand_is_not_given_again() {
    let sim = fast();
    let before = sim.expect_said("hello");
    let unmet = sim.verify().expect_err("nobody said anything");
    assert_eq!((unmet.expectations().len(), unmet.violations().len()), (1, 0));
    sim.expect_said("goodbye").never();
    // The earlier expectation was removed, and the later one does not take its place.
    before.once();
    assert_eq!(verdict(sim), None);
}

#[test]
fn violations_fail_the_drop_unless_allowed() {
    for allowed in [false, true] {
        let builder = Simulator::builder();
        let builder = if allowed { builder.allow_violations() } else { builder };
        let sim = builder.start().expect("a simulator");
        assert_eq!(Bare::connected(&sim).ask("calling.levitate", json!({}))["error"]["code"], -32601);
        assert_eq!(sim.violations().len(), 1, "it is recorded in any case");
        let verdict = verdict(sim);
        assert_eq!(verdict.is_none(), allowed);
        assert!(verdict.is_none_or(|told| told.contains("calling.levitate: there is no such method")));
    }
}

#[test]
fn a_missing_acknowledgement_fails_the_drop() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    client.event("signalwire.authorization.state", |_| true);
    // The test client acknowledges only what it reads, and it reads nothing now.
    sim.push_event("something.new", json!({}));
    let told = verdict(sim).expect("a verdict");
    assert!(told.contains("connection 1 has not acknowledged 1 events"), "{told}");
    drop(client);
}

#[test]
fn commands_for_what_a_client_knows_to_be_over_are_violations() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    let play = json!({"control_id": "a", "play": tts("Hello")});
    let stop = json!({"control_id": "a"});
    client.on(&call, "calling.play", play.clone());
    client.event("calling.call.play", |event| event["state"] == "finished");
    sim.shared.with(|world| world.settings.known_for = Duration::MAX);
    assert_eq!(client.refused(&call, "calling.play.stop", stop.clone()), 404);
    assert_eq!(sim.take_violations(), [""; 0], "the stop may have been on its way");
    sim.shared.with(|world| world.settings.known_for = Duration::ZERO);
    assert_eq!(client.refused(&call, "calling.play.stop", stop.clone()), 404);
    assert!(sim.take_violations().concat().contains("the client knew that a on call"));
    assert_eq!(client.refused(&call, "calling.play.stop", json!({"control_id": "b"})), 404);
    assert!(sim.take_violations().concat().contains("there never was an operation \"b\""));
    client.on(&call, "calling.record", json!({"control_id": "r", "record": {"audio": {}}}));
    assert_eq!(client.refused(&call, "calling.play.stop", json!({"control_id": "r"})), 404);
    assert!(sim.take_violations().concat().contains("r is a record on call"));

    ann.hang_up();
    // The end has not been read, and therefore not been acknowledged.
    let id = client.send("calling.play", with(&call, play.clone()));
    assert_eq!(client.reply(&id)["result"]["code"], "404");
    assert_eq!(sim.take_violations(), [""; 0], "the client could not know");
    client.state(&call, "ended");
    assert_eq!(client.refused(&call, "calling.play", play.clone()), 404);
    assert!(sim.take_violations().concat().contains("the client knew that call"));
    let unknown = with(&call, json!({"call_id": "nobody"}));
    assert_eq!(client.refused(&unknown, "calling.play", play), 404);
    assert!(sim.take_violations().concat().contains("there never was a call \"nobody\""));
}

#[test]
fn text_messages_to_a_number_fail_one_by_one() {
    let sim = fast();
    sim.number("+15552222222").undelivered("30003").then().fails("spam").then().refuses(402, "Pay").then().delivers();
    let mut client = Bare::connected(&sim);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let text = json!({"to_number": "+15552222222", "from_number": "+15559990000", "body": "x"});
        let reply = client.ask("messaging.send", text)["result"].clone();
        let id = reply["message_id"].clone();
        if id.is_null() {
            seen.push(format!("{} {}", reply["code"], reply["message"]));
            continue;
        }
        let over = |state: &str| ["delivered", "undelivered", "failed"].contains(&state);
        let last = client.event("messaging.state", |event| {
            event["message_id"] == id && event["message_state"].as_str().is_some_and(over)
        });
        seen.push(format!("{} {}", last["message_state"], last["reason"]));
    }
    let delivered = "\"delivered\" null";
    assert_eq!(seen, ["\"undelivered\" \"30003\"", "\"failed\" \"spam\"", "\"402\" \"Pay\"", delivered, delivered]);
    assert_eq!(sim.texts_sent().len(), 4);
}

#[test]
fn a_machine_is_deaf_until_its_beep_and_hangs_up_when_it_is_full() {
    let sim = fast();
    let seconds = Duration::from_secs;
    let bob = sim.callee("+15552222222").is_machine("Leave a message", true).greeting_lasts(seconds(60));
    let bob = bob.beeps_after(seconds(60)).takes_messages_of(seconds(200));
    let mut client = Bare::connected(&sim);
    client.ask("calling.dial", json!({"tag": "t", "devices": [[phone("+15552222222")]]}));
    let won = client.event("calling.call.dial", |event| event["call"].is_object());
    let call = json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]});
    let detect = json!({"control_id": "d", "timeout": 400, "detect": {"type": "machine", "params": {}}});
    client.on(&call, "calling.detect", detect);
    client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("Too early")}));
    let ready = client.event("calling.call.detect", |event| event["detect"]["params"]["event"] == "READY");
    assert_eq!(ready["detect"]["params"]["beep"], true);
    client.on(&call, "calling.play", json!({"control_id": "b", "play": tts("In time")}));
    let end = client.state(&call, "ended");
    assert_eq!(end["end_source"], "inbound");
    assert_eq!((bob.said_over_greeting(), bob.heard()), (vec!["Too early".to_owned()], vec!["In time".to_owned()]));
    let transcript = sim.transcript().join("\n");
    assert!(transcript.contains("+15552222222 plays the greeting: Leave a message"), "{transcript}");
    assert!(transcript.contains("+15552222222 beeped"), "{transcript}");
}

#[test]
fn a_short_greeting_without_a_beep_sounds_like_a_human() {
    for (beep, heard) in [(false, "HUMAN"), (true, "MACHINE")] {
        let sim = fast();
        let _bob = sim.callee("+15552222222").is_machine("Bob here", beep);
        let mut client = Bare::connected(&sim);
        client.ask("calling.dial", json!({"tag": "t", "devices": [[phone("+15552222222")]]}));
        let won = client.event("calling.call.dial", |event| event["call"].is_object());
        let call = json!({"node_id": won["call"]["node_id"], "call_id": won["call"]["call_id"]});
        client.on(&call, "calling.detect", json!({"control_id": "d", "detect": {"type": "machine", "params": {}}}));
        assert_eq!(client.about(&call, "calling.call.detect")["detect"]["params"]["event"], heard);
    }
}

#[test]
fn a_fax_has_as_many_pages_as_its_machine_says_and_may_fail_between_them() {
    let machine = |sim: &Simulator| sim.caller("+15551230000").is_fax().fax_pages(3);
    let (sim, _fax, mut client, call) = on_the_phone(machine);
    client.on(&call, "calling.receive_fax", json!({"control_id": "r"}));
    let last = client.event("calling.call.fax", |event| event["fax"]["type"] == "finished");
    assert_eq!((&last["fax"]["params"]["pages"], &last["fax"]["params"]["success"]), (&json!(3), &json!(true)));
    assert_eq!(sim.interactions().iter().filter(|interaction| interaction.kind() == InteractionKind::Faxed).count(), 1);

    let broken = |sim: &Simulator| sim.caller("+15551230000").is_fax().fax_fails_after(1, "Line lost");
    let (sim, _fax, mut client, call) = on_the_phone(broken);
    client.on(&call, "calling.send_fax", json!({"control_id": "s", "document": "https://example.com/a.pdf"}));
    let last = client.event("calling.call.fax", |event| event["fax"]["type"] == "finished");
    let params = &last["fax"]["params"];
    assert_eq!((&params["pages"], &params["result_text"]), (&json!(1), &json!("Line lost")));
    assert_eq!(params["success"], false);
    assert_eq!(sim.interactions().iter().filter(|interaction| interaction.kind() == InteractionKind::Faxed).count(), 0);
}

#[test]
fn a_slow_caller_presses_too_late_and_then_in_time() {
    let (sim, _ann, mut client, call) = on_the_phone(|sim| {
        let ann = sim.caller("+15551230000").when_asked_for_digits().presses_slowly("1", Duration::from_secs(20));
        ann.when_asked_for_digits().presses_slowly("2", Duration::from_secs(1))
    });
    let mut results = Vec::new();
    for id in ["first", "second"] {
        let collect = json!({"digits": {"max": 1}, "initial_timeout": 10});
        let prompt = json!({"control_id": id, "play": tts("Press a key"), "collect": collect});
        client.on(&call, "calling.play_and_collect", prompt);
        results.push(client.about(&call, "calling.call.collect")["result"].clone());
        // The digit that comes too late is lost.
        let waits =
            json!({"control_id": format!("{id} pause"), "play": [{"type": "silence", "params": {"duration": 15}}]});
        client.on(&call, "calling.play", waits);
        client.event("calling.call.play", |event| {
            event["state"] == "finished" && event["control_id"] == format!("{id} pause")
        });
    }
    assert_eq!(
        results,
        [json!({"type": "no_input"}), json!({"type": "digit", "params": {"digits": "2", "terminator": ""}})]
    );
    assert_eq!(sim.violations(), [""; 0]);
}

#[test]
fn an_agent_says_what_is_laid_down_and_sums_up_at_the_end() {
    let (sim, ann, mut client, call) =
        on_the_phone(|sim| sim.caller("+15551230000").after_hearing("welcome").says("What are your opening hours?"));
    sim.agent_answers("opening hours", "We open at nine");
    sim.agent_post_prompt_result(json!({"post_prompt_data": {"parsed": [{"topic": "hours"}]}}));
    let agent = json!({"control_id": "a", "prompt": {"text": "be kind"}, "post_prompt": {"text": "sum up"},
        "params": {"static_greeting": "Welcome"}});
    client.on(&call, "calling.ai", agent);
    ann.wait_heard("We open at nine", LONG).expect("the answer");
    client.on(&call, "calling.ai.stop", json!({"control_id": "a"}));
    let summary = client.about(&call, "calling.ai.post_prompt");
    assert_eq!(summary["post_prompt_data"]["parsed"][0]["topic"], "hours");
    client.about(&call, "calling.ai.stop");
    // A program that requests no summary gets none.
    client.on(&call, "calling.ai", json!({"control_id": "b", "prompt": {"text": "be kind"}}));
    client.on(&call, "calling.ai.stop", json!({"control_id": "b"}));
    client.about(&call, "calling.call.ai");
    assert_eq!(sim.journal().events("calling.ai.post_prompt").len(), 1);
}

#[test]
fn unclear_speech_is_not_matched_and_asked_for_again() {
    let (sim, _ann, mut client, call) = on_the_phone(|sim| {
        let ann = sim.caller("+15551230000").when_asked_to_speak().says_unclearly("hrmpf");
        ann.when_asked_to_speak().says("sales")
    });
    sim.expect(asked_to_speak()).times(2);
    let mut results = Vec::new();
    for id in ["first", "second"] {
        client.on(&call, "calling.collect", json!({"control_id": id, "speech": {"end_silence_timeout": 1}}));
        results.push(client.about(&call, "calling.call.collect")["result"]["type"].clone());
    }
    assert_eq!(results, ["no_match", "speech"]);
}

#[test]
fn what_a_caller_expects_is_for_their_own_call() {
    let sim = fast();
    let mut client = Bare::connected(&sim);
    let mut callers = Vec::new();
    for words in ["first", "second"] {
        callers.push(sim.caller("+15551230000").expects_to_hear(words).dials());
        let call = client.answered();
        // Both people hear the same, and only the first one expects it.
        client.on(&call, "calling.play", json!({"control_id": "a", "play": tts("The first thing")}));
        client.about(&call, "calling.call.play");
    }
    let unmet = sim.verify().expect_err("what the second caller did not hear");
    let [only] = unmet.expectations() else { panic!("{unmet}") };
    assert!(only.contains("+15551230000 hears \"second\"") && only.contains(callers[1].call_id()), "{only}");
    sim.expect(heard("first")).times(2);
}
