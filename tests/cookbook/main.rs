//! The programs under `examples/`, with faults.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use signalwire_relay::simulator::{Caller, PersonOnCall, Simulator};
use signalwire_relay::{Call, Client, HandlerResult};

#[path = "../../examples/ai_agent.rs"]
#[allow(dead_code)]
mod ai_agent;
#[path = "../../examples/fax.rs"]
#[allow(dead_code)]
mod fax;
#[path = "../../examples/ivr.rs"]
#[allow(dead_code)]
mod ivr;
#[path = "../../examples/payment.rs"]
#[allow(dead_code)]
mod payment;
#[path = "../../examples/text_bot.rs"]
#[allow(dead_code)]
mod text_bot;
#[path = "../../examples/two_factor.rs"]
#[allow(dead_code)]
mod two_factor;
#[path = "../../examples/voicemail.rs"]
#[allow(dead_code)]
mod voicemail;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const ANN: &str = "+15551230001";
const OURS: &str = "+15550000000";

fn stage() -> (Arc<Simulator>, Client) {
    let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    (sim, client)
}

/// A caller who does this, to a program with this handler, until the call has ended.
fn called(
    handler: impl Fn(Call) -> HandlerResult + Send + Sync + 'static,
    prepare: impl FnOnce(&Simulator),
    does: impl FnOnce(Caller) -> Caller,
) -> (Arc<Simulator>, Client, PersonOnCall) {
    let (sim, client) = stage();
    prepare(&sim);
    client.on_call(handler);
    let caller = does(sim.caller(ANN).calls(OURS)).dials();
    caller.wait_ended(30 * MINUTE).unwrap();
    (sim, client, caller)
}

fn heard(person: &PersonOnCall, text: &str) -> bool {
    person.heard().iter().any(|heard| heard.contains(text))
}

/// No call is left, and no handler has failed.
fn assert_over(sim: &Simulator, client: &Client) {
    sim.advance(2 * MINUTE);
    assert_eq!((client.stats().handler_failures, client.stats().calls), (0, 0));
    assert!(sim.calls().is_empty(), "{:?}", sim.calls());
}

fn requests(sim: &Simulator, method: &str) -> usize {
    sim.journal().requests(method).len()
}

#[test]
fn the_readme_has_a_row_for_each_example_with_its_length() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let readme = std::fs::read_to_string(format!("{root}README.md")).unwrap();
    for entry in std::fs::read_dir(format!("{root}examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let begin = format!("| [`{name}`](examples/{name}.rs) | ");
        let row = readme.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no row for {name}"));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(row.ends_with(&format!(" | {lines} |")), "{name} has {lines} lines: {row}");
    }
}

// The menu.

#[test]
fn a_menu_says_goodbye_to_a_wrong_digit_and_to_none() {
    for pressed in [Some("7"), None] {
        let does = |caller: Caller| match pressed {
            Some(digit) => caller.when_asked_for_digits().presses(digit),
            None => caller.is_silent(),
        };
        let (sim, client, caller) = called(ivr::menu, |_| (), does);
        assert!(heard(&caller, "We did not get that"), "{pressed:?}: {:?}", caller.heard());
        assert!(caller.was_hung_up_on());
        assert_over(&sim, &client);
    }
}

#[test]
fn a_caller_of_the_menu_is_not_left_waiting_when_the_agent_is_busy() {
    let busy = |sim: &Simulator| drop(sim.callee("+15553334444").is_busy());
    let (sim, client, caller) = called(ivr::menu, busy, |caller| caller.when_asked_for_digits().presses("0"));
    assert!(heard(&caller, "No agent is free") && caller.was_hung_up_on());
    assert_over(&sim, &client);
}

#[test]
fn a_caller_who_leaves_the_menu_while_the_agent_rings_ends_both_calls() {
    let late = |sim: &Simulator| drop(sim.callee("+15553334444").answers_after(20 * SECOND));
    let (sim, client, _caller) =
        called(ivr::menu, late, |caller| caller.when_asked_for_digits().presses("0").waits(5 * SECOND).hangs_up());
    assert_over(&sim, &client);
}

// Voicemail.

#[test]
fn a_message_is_stored_although_the_caller_hangs_up_in_the_middle_of_it() {
    let (sim, client, _caller) = called(
        voicemail::take_message,
        |_| (),
        |caller| caller.after_the_beep().says("Hello, this is Ann. Please call me ba").hangs_up(),
    );
    assert_over(&sim, &client);
    let finished = sim.journal().events("calling.call.record");
    assert_eq!(finished.last().unwrap().params()["state"], "finished");
}

#[test]
fn a_caller_who_hangs_up_before_the_beep_leaves_no_message() {
    let (sim, client, _caller) = called(voicemail::take_message, |_| (), |caller| caller.waits(SECOND).hangs_up());
    assert_over(&sim, &client);
    // A prompt ends with its call, so that a recording may still be requested, without a caller to record.
    assert!(sim.journal().events("calling.call.record").is_empty());
}

// The AI agent.

fn agent(sim: &Simulator) {
    sim.agent_answers("a human", "I will connect you.");
}

/// A caller of the agent, who is handed over to a human.
fn handed_over(human: impl FnOnce(&Simulator)) -> (Arc<Simulator>, Client, PersonOnCall) {
    let (sim, client) = stage();
    agent(&sim);
    human(&sim);
    client.on_call(ai_agent::bakery);
    let caller = sim.caller(ANN).calls(OURS).waits(2 * SECOND).says("A human, please.");
    let caller = caller.after_hearing("good morning").says("Never mind.").hangs_up().dials();
    caller.wait_heard("I will connect you", 5 * MINUTE).unwrap();
    sim.push_event("calling.user_event", json!({"call_id": caller.call_id(), "event": "hand_over"}));
    caller.wait_ended(30 * MINUTE).unwrap();
    (sim, client, caller)
}

#[test]
fn an_ai_agent_hands_its_caller_over_to_a_human() {
    let (sim, client, caller) = handed_over(|sim| {
        let human = sim.callee("+15553330001").answers().when_put_through();
        drop(human.says("The bakery, good morning!"));
    });
    assert!(heard(&caller, "good morning"));
    assert_eq!(requests(&sim, "calling.ai.stop"), 1, "the agent is quiet before the human speaks");
    assert_over(&sim, &client);
}

#[test]
fn a_caller_of_an_ai_agent_hears_that_no_human_is_there() {
    let (sim, client, caller) = handed_over(|sim| drop(sim.callee("+15553330001").does_not_answer()));
    assert!(heard(&caller, "Nobody is at the counter") && caller.was_hung_up_on());
    assert_over(&sim, &client);
}

#[test]
fn a_caller_who_hangs_up_on_an_ai_agent_ends_its_session() {
    let (sim, client, _caller) =
        called(ai_agent::bakery, agent, |caller| caller.waits(2 * SECOND).says("Hello?").waits(5 * SECOND).hangs_up());
    assert_eq!(requests(&sim, "calling.connect"), 0);
    assert_over(&sim, &client);
}

// Payment.

#[test]
fn a_caller_without_a_card_is_not_charged_and_hears_so() {
    let (sim, client, caller) = called(payment::checkout, |_| (), Caller::is_silent);
    assert!(heard(&caller, "We did not get your card"), "{:?}", caller.heard());
    assert_over(&sim, &client);
}

#[test]
fn a_caller_may_leave_a_payment_by_a_star_or_by_hanging_up() {
    let (sim, client, caller) = called(payment::checkout, |_| (), |caller| caller.when_asked_to_pay().presses("*"));
    assert!(heard(&caller, "We did not get your card"), "{:?}", caller.heard());
    assert_over(&sim, &client);
    let (sim, client, caller) = called(payment::checkout, |_| (), |caller| caller.when_asked_to_pay().hangs_up());
    assert!(!heard(&caller, "Thank you"));
    assert_over(&sim, &client);
}

// Fax.

#[test]
fn a_fax_that_breaks_off_and_a_human_who_calls_get_no_receipt() {
    let (sim, client, _caller) =
        called(fax::receive, |_| (), |caller| caller.is_fax().fax_pages(3).fax_fails_after(1, "line error"));
    assert_eq!(requests(&sim, "calling.dial"), 0);
    assert_over(&sim, &client);
    let (sim, client, _caller) = called(fax::receive, |_| (), |caller| caller.says("Hello?"));
    assert_eq!(requests(&sim, "calling.dial"), 0);
    assert_over(&sim, &client);
}

#[test]
fn a_receipt_goes_to_the_fax_machine_that_called() {
    let (sim, client) = stage();
    client.on_call(fax::receive);
    let machine = sim.callee(ANN).is_fax();
    sim.caller(ANN).calls(OURS).is_fax().dials().wait_ended(30 * MINUTE).unwrap();
    assert_over(&sim, &client);
    assert_eq!(machine.faxes_received(), ["https://example.com/receipt.pdf"]);
}

// The text bot.

/// The bodies that the bot sends in reply to these text messages.
fn replies(texts: &[&str]) -> Vec<String> {
    let (sim, client) = stage();
    let bot = text_bot::Bot::default();
    client.on_message(move |message| bot.answer(&message));
    for text in texts {
        sim.texts(ANN, OURS, text);
        sim.advance(10 * SECOND);
    }
    assert_over(&sim, &client);
    sim.texts_sent().iter().map(|text| text.body.clone()).collect()
}

#[test]
fn a_text_bot_is_silent_from_stop_to_start() {
    let stopped = replies(&["hours", " Stop\n", "hours", "hello?", "START", "hours"]);
    assert_eq!(stopped.len(), 3, "{stopped:?}");
    assert!(stopped[0].contains("nine to five") && stopped[1].contains("Welcome back") && stopped[2] == stopped[0]);
    for word in ["STOPALL", "unsubscribe", "Cancel", "END", "quit"] {
        assert_eq!(replies(&[word, "hours"]), [""; 0], "{word}");
    }
}

#[test]
fn a_text_bot_goes_on_when_a_response_is_not_delivered() {
    let (sim, client) = stage();
    let bot = text_bot::Bot::default();
    client.on_message(move |message| bot.answer(&message));
    sim.number(ANN).undelivered("handset unreachable").then().delivers();
    for text in ["hours", "hours"] {
        sim.texts(ANN, OURS, text);
        sim.advance(10 * SECOND);
    }
    assert_eq!(sim.texts_sent().len(), 2);
    assert_over(&sim, &client);
}

// The code.

/// The way in which a code is delivered to Ann, and the number of calls to her.
fn delivered(people: impl FnOnce(&Simulator)) -> (two_factor::Way, usize) {
    let (sim, client) = stage();
    people(&sim);
    let way = two_factor::deliver(&client, ANN, OURS, "471108").unwrap();
    assert_eq!(sim.texts_sent().len().max(requests(&sim, "messaging.send")), 1, "one text is sent");
    assert_over(&sim, &client);
    (way, requests(&sim, "calling.dial"))
}

#[test]
fn a_code_that_arrives_by_text_message_is_not_spoken() {
    assert_eq!(delivered(|sim| drop(sim.number(ANN).delivers())), (two_factor::Way::Text, 0));
}

#[test]
fn a_code_is_spoken_when_its_text_message_is_refused_or_does_not_arrive() {
    let human = |sim: &Simulator| drop(sim.callee(ANN).answers().when_asked_for_digits().presses("1"));
    let undelivered = delivered(|sim| {
        drop(sim.number(ANN).undelivered("landline"));
        human(sim);
    });
    let refused = delivered(|sim| {
        drop(sim.number(ANN).refuses(422, "not a mobile number"));
        human(sim);
    });
    assert_eq!((undelivered, refused), ((two_factor::Way::Call, 1), (two_factor::Way::Call, 1)));
}

#[test]
fn a_code_is_not_spoken_to_an_answering_machine_or_without_an_answer() {
    for index in 0..3 {
        let way = delivered(|sim| {
            drop(sim.number(ANN).undelivered("unreachable"));
            let callee = sim.callee(ANN);
            drop(match index {
                0 => callee.is_machine("This is Ann's mailbox.", true),
                1 => callee.is_busy(),
                _ => callee.does_not_answer(),
            });
        });
        assert_eq!(way, (two_factor::Way::Neither, 1), "{index}");
    }
}
