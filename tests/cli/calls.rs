//! `relay listen`, `relay dial` and `relay text` against a simulator.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::simulator::Simulator;

use crate::support::{LONG, lines, next, relay};

const ANN: &str = "+15551230000";
const BOB: &str = "+15552222222";
const OURS: &str = "+15559990000";

/// A simulator in which a second takes 50 ms.
fn sim() -> Simulator {
    Simulator::builder().speed(20.0).start().unwrap()
}

/// The command, led to a simulator.
fn command(sim: &Simulator, arguments: &[&str]) -> Command {
    let mut command = relay(arguments);
    command.envs(sim.environment()).env("SIGNALWIRE_FROM_NUMBER", OURS);
    command
}

/// The command's exit status, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code().unwrap_or_else(|| panic!("{status}: {stderr}")), stdout, stderr)
}

#[test]
fn a_dial_shows_each_step_speaks_and_hangs_up() {
    let sim = sim();
    let bob = sim.callee(BOB).answers_after(Duration::from_secs(4));
    let (code, said, stderr) = run(&mut command(&sim, &["dial", BOB, "--say", "Hello Bob", "--say", "Goodbye"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{said}");
    let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words} is not in {said}"));
    let steps = ["calling +15552222222 from +15559990000", "ringing", "answered", "✓ played", "ended after"];
    let places = steps.map(at);
    assert!(places.is_sorted(), "{said}");
    assert_eq!(bob.heard(), ["Hello Bob", "Goodbye"]);
    // The output is not a terminal: it has no colours, and no lines are overwritten.
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
}

#[test]
fn the_exit_status_of_a_dial_tells_how_it_ended() {
    let sim = sim();
    for (code, words, arguments) in [
        (3, "busy", &["--ring", "30"][..]),
        (4, "no answer", &["--ring", "3"]),
        (5, "decline", &[]),
        (6, "not_found", &[]),
        (7, "ended after", &["--say", &"A long story. ".repeat(100)]),
    ] {
        let bob = sim.callee(BOB);
        drop(match code {
            3 => bob.is_busy(),
            4 => bob.does_not_answer(),
            5 => bob.declines(),
            6 => bob.does_not_exist(),
            _ => bob.answers().waits(Duration::from_secs(5)).hangs_up(),
        });
        let (ended, said, stderr) = run(&mut command(&sim, &[&["dial", BOB], arguments].concat()));
        assert!(ended == code && said.contains(words), "{code}: {ended}, {said}{stderr}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_dial_and_the_phone_stops_ringing() {
    let sim = sim();
    drop(sim.callee(BOB).does_not_answer());
    let mut child = command(&sim, &["dial", BOB, "--ring", "100000"]).spawn().unwrap();
    let said = lines(child.stdout.take().unwrap());
    while !next(&said, "ringing").contains("ringing") {}
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    sim.wait_for_request("calling.end", LONG).unwrap();
    assert!(said.iter().any(|line| line.contains("ended by a signal")));
}

#[test]
fn the_exit_status_of_a_text_message_tells_its_outcome() {
    let sim = sim();
    for (code, words) in [(0, "delivered"), (3, "undelivered: handset off"), (4, "failed: blocked")] {
        let number = sim.number(BOB);
        drop(match code {
            0 => number.delivers(),
            3 => number.undelivered("handset off"),
            _ => number.fails("blocked"),
        });
        let (ended, said, stderr) = run(&mut command(&sim, &["text", BOB, "Hello"]));
        assert!(ended == code && said.lines().last() == Some(words), "{code}: {ended}, {said}{stderr}");
    }
    assert_eq!(sim.texts_sent().len(), 3);
    let refused = run(&mut command(&sim, &["text", BOB, ""]));
    assert!(refused.0 == 1 && refused.2.contains("neither body nor media"), "{refused:?}");
}

#[test]
fn a_listener_answers_shows_what_the_caller_does_and_ends_after_the_first_call() {
    let sim = sim();
    let ann = sim.caller(ANN).calls(OURS).after_hearing("arrived").presses("7").when_asked_to_speak().says("my order");
    let ann = ann.waits(Duration::from_secs(5)).hangs_up().dials();
    let (code, said, stderr) = run(&mut command(&sim, &["listen", "--once"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{said}");
    for words in [
        "listening to default",
        "+15551230000 calls +15559990000 in context default",
        "pressed 7",
        "said my order",
        "calling.call.play playing",
        "ended after",
    ] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    assert_eq!(ann.heard(), ["This is relay listen. Your call has arrived."]);
}

#[test]
fn a_listener_of_a_context_shows_text_messages_and_passes_calls_back() {
    let sim = sim();
    sim.texts_in("office", ANN, OURS, "Hello\u{1b}[2J");
    let (code, said, _) = run(&mut command(&sim, &["listen", "--once", "--context", "office"]));
    assert_eq!(code, 0);
    assert!(said.contains("text +15551230000 → +15559990000: Hello\u{fffd}[2J"), "{said:?}");
    let ann = sim.caller(ANN).calls(OURS).dials();
    let (code, said, _) = run(&mut command(&sim, &["listen", "--once", "--pass"]));
    assert!(code == 0 && said.contains("is passed back to routing"), "{said}");
    ann.wait_ended(LONG).unwrap();
    assert!(ann.was_passed());
}

#[test]
fn as_json_every_line_of_a_listener_is_an_object() {
    let sim = sim();
    let _ann = sim.caller(ANN).calls(OURS).dials();
    let (code, said, _) = run(&mut command(&sim, &["listen", "--once", "--json", "--hang-up", "--say", "Hi"]));
    assert_eq!(code, 0);
    let all: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let call = &all[0]["call"];
    assert_eq!((&call["from"], &call["to"], &call["context"]), (&json!(ANN), &json!(OURS), &json!("default")));
    let ended = |event: &Value| event["params"]["call_state"] == "ended" && event["call_id"] == call["id"];
    assert!(all.iter().any(ended), "{said}");
}

#[test]
fn a_reader_that_stops_ends_the_command() {
    let sim = sim();
    let mut child = command(&sim, &["listen"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    sim.texts(ANN, OURS, "Hello");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_service_that_cannot_be_reached_leads_to_the_doctor() {
    for arguments in [&["listen"][..], &["dial", BOB], &["text", BOB, "Hello"]] {
        let mut command = relay(arguments);
        command.env("SIGNALWIRE_RELAY_HOST", "127.0.0.1:1").env("SIGNALWIRE_RELAY_SCHEME", "ws");
        command.env("SIGNALWIRE_PROJECT_ID", "p").env("SIGNALWIRE_API_TOKEN", "t").env("SIGNALWIRE_FROM_NUMBER", OURS);
        let (code, _, said) = run(&mut command);
        assert!(code == 1 && said.starts_with("relay ") && said.contains("relay doctor"), "{said}");
    }
    let (code, _, said) = run(relay(&["dial", BOB]).stdin(Stdio::null()));
    assert!(code == 2 && said.contains("--from"), "{said}");
}
