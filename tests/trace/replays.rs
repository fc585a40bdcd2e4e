//! Replays of a trace or a journal: to the program that it was made with, and to one that was changed.

use std::fs;
use std::path::{Path, PathBuf};

use signalwire_relay::connection::Trace;
use signalwire_relay::ladder::Ladder;
use signalwire_relay::simulator::{Differences, Replay, Simulator, Time};
use signalwire_relay::{Client, Collect, ErrorKind, HandlerResult, phone, sms, tts};

use crate::support::{Directory, LONG, Memory, SECOND, builder, canonical, read, virtual_sim, wait_written};

const PROGRAM: &str = "+15551111111";

/// A program, and the events of its run.
pub struct Scene {
    pub name: &'static str,
    pub people: fn(&Simulator),
    /// Registers handlers, or does something and waits for it.
    pub program: fn(&Client),
    /// The events while the program runs.
    pub happens: fn(&Simulator),
}

fn menu(client: &Client) {
    client.on_call(|call| {
        call.answer()?;
        let heard = call.prompt(tts("Press one for sales."), Collect::digits(1))?.wait(None)?;
        let answer = if heard.digits() == Some("1") { "Sales is closed." } else { "Goodbye." };
        call.play(tts(answer))?.wait(None)?;
        Ok(call.hangup()?)
    });
}

fn remind(client: &Client) {
    let call = client.dial(phone("+15552222222").from(PROGRAM)).expect("an answer");
    call.play(tts("This is a reminder.")).expect("a playback").wait(None).expect("its end");
    call.hangup().expect("hung up");
    call.wait_for_ended(LONG).expect("the end");
    assert_eq!(client.dial(phone("+15553333333").from(PROGRAM)).expect_err("busy").kind(), ErrorKind::DialFailed);
}

fn connect(client: &Client) {
    client.on_call(|call| -> HandlerResult {
        call.answer()?;
        let action = call.connect(phone("+15554444444").from(PROGRAM))?;
        action.wait(None)?;
        action.wait_disconnected(None)?;
        call.play(tts("They have left."))?.wait(None)?;
        Ok(call.hangup()?)
    });
}

fn texts(client: &Client) {
    client.on_message(|message| -> HandlerResult {
        let reply = sms(message.from_number()).from(PROGRAM).body(format!("You wrote: {}", message.body()));
        message.client().expect("a client").send_message(reply)?.wait(LONG)?;
        Ok(())
    });
    client.send_message(sms("+15552222222").from(PROGRAM).body("Hello")).expect("sent").wait(LONG).expect("delivered");
}

fn patient(client: &Client) {
    client.on_call(|call| -> HandlerResult {
        call.answer()?;
        for _ in 0..4 {
            match call.play(signalwire_relay::silence(5 * SECOND))?.wait(20 * SECOND) {
                // The end of the playback may be lost with the connection.
                Err(error) if error.is_timeout() || error.kind() == ErrorKind::OutcomeUnknown => {}
                outcome => drop(outcome?),
            }
        }
        Ok(call.hangup()?)
    });
}

fn caller(sim: &Simulator) {
    sim.caller("+15550000001").calls(PROGRAM).dials().wait_ended(LONG).expect("the end");
}

const SCENES: [Scene; 6] = [
    Scene {
        name: "menu",
        people: |_| (),
        program: menu,
        happens: |sim| {
            sim.advance(3 * SECOND);
            for key in ["1", "2"] {
                let caller = sim.caller("+15550000001").calls(PROGRAM);
                let caller = caller.when_asked_for_digits().waits(2 * SECOND).presses(key);
                caller.dials().wait_ended(LONG).expect("the end");
                sim.advance(30 * SECOND);
            }
        },
    },
    Scene {
        name: "dial",
        people: |sim| {
            sim.callee("+15552222222").answers_after(12 * SECOND);
            sim.callee("+15553333333").is_busy();
        },
        program: remind,
        happens: |_| (),
    },
    Scene {
        name: "connect",
        people: |sim| {
            drop(sim.callee("+15554444444").answers_after(4 * SECOND).when_put_through().waits(9 * SECOND).hangs_up());
        },
        program: connect,
        happens: caller,
    },
    Scene {
        name: "texts",
        people: |_| (),
        program: texts,
        happens: |sim| {
            sim.texts("+15552222222", PROGRAM, "Stop");
            sim.advance(60 * SECOND);
        },
    },
    Scene {
        name: "resumed",
        people: |_| (),
        program: patient,
        happens: |sim| {
            let person = sim.caller("+15550000001").calls(PROGRAM).dials();
            sim.advance(8 * SECOND);
            sim.drop_link();
            person.wait_ended(LONG).expect("the end");
        },
    },
    Scene {
        name: "lost",
        people: |_| (),
        program: patient,
        happens: |sim| {
            let person = sim.caller("+15550000001").calls(PROGRAM).dials();
            sim.advance(8 * SECOND);
            sim.forget_sessions();
            sim.drop_link();
            person.wait_ended(LONG).expect("the end");
            sim.advance(60 * SECOND);
            caller(sim);
        },
    },
];

fn scene(name: &str) -> &'static Scene {
    SCENES.iter().find(|scene| scene.name == name).expect("a scene")
}

/// Plays a scene with people; writes the trace of the client, and the journal of the simulator.
pub fn record(scene: &Scene, directory: &Directory, trace: impl FnOnce(Trace) -> Trace) -> [PathBuf; 2] {
    let paths = ["trace", "journal"].map(|kind| directory.file(&format!("{}-{kind}.jsonl", scene.name)));
    let sim = virtual_sim();
    (scene.people)(&sim);
    let client = builder(&sim, trace(Trace::to_file(&paths[0]))).connect().expect("a client");
    (scene.program)(&client);
    (scene.happens)(&sim);
    // The frames on their way arrive.
    sim.advance(5 * SECOND);
    client.disconnect();
    wait_written(&paths[0], 1);
    let journal = sim.journal();
    let lines: Vec<String> = journal.entries().iter().map(|entry| entry.to_json().to_string()).collect();
    fs::write(&paths[1], lines.join("\n")).expect("written");
    paths
}

pub fn shown(trace: Trace) -> Trace {
    trace.content(true).numbers(true)
}

/// Replays against a program; gives the trace and the canonical journal of it.
fn replay(path: &Path, program: impl FnOnce(&Client)) -> (Result<(), Differences>, String, String) {
    let replay = Simulator::replay(path).expect("a recording");
    assert!(replay.problems().is_empty(), "{:?}", replay.problems());
    run(&replay, program)
}

fn run(replay: &Replay, program: impl FnOnce(&Client)) -> (Result<(), Differences>, String, String) {
    let memory = Memory::default();
    let client = builder(replay.simulator(), shown(Trace::to_writer(memory.clone()))).connect().expect("a client");
    program(&client);
    let outcome = replay.finish();
    client.disconnect();
    (outcome, memory.text(), replay.simulator().journal().canonical())
}

#[test]
fn a_recording_is_played_to_the_same_program_without_a_difference_and_twice_the_same() {
    for scene in &SCENES {
        is_the_same_again(scene);
    }
}

/// Records a scene, and replays trace and journal twice.
pub fn is_the_same_again(scene: &Scene) {
    let directory = Directory::new();
    for path in record(scene, &directory, shown) {
        let name = path.display();
        let (outcome, first, journal) = replay(&path, scene.program);
        outcome.unwrap_or_else(|differences| panic!("{name}: {differences}\n{}", differences.side_by_side(90)));
        let (outcome, second, again) = replay(&path, scene.program);
        outcome.unwrap_or_else(|differences| panic!("{name}: {differences}"));
        assert_eq!(journal, again, "{name}");
        assert_eq!(canonical(&first), canonical(&second), "{name}");
        let ladder = Ladder::open(&path).expect("a ladder");
        assert!(ladder.problems().is_empty() && ladder.to_text(100, false).lines().count() > 10, "{name}");
    }
}

#[test]
fn a_replay_that_waits_for_a_missing_request_waits_at_its_speed() {
    let directory = Directory::new();
    let [path, _] = record(scene("menu"), &directory, shown);
    let replay = Simulator::builder().virtual_time().speed(20.0).replay(&path).expect("a recording");
    let replay = replay.patience(600 * SECOND);
    let sim = replay.simulator();
    let client = builder(sim, Trace::to_writer(Memory::default())).connect().expect("a client");
    // Without a handler the program answers no call.
    let begun = sim.elapsed();
    replay.finish().expect_err("nothing is answered");
    let took = sim.elapsed() - begun;
    assert!((30 * SECOND..40 * SECOND).contains(&took), "{took:?}");
    client.disconnect();
}

#[test]
fn what_a_changed_program_does_otherwise_is_named() {
    let directory = Directory::new();
    let [path, _] = record(scene("menu"), &directory, shown);
    let says_something_else = |client: &Client| {
        client.on_call(|call| {
            call.answer()?;
            call.prompt(tts("Press one for support."), Collect::digits(1))?.wait(None)?;
            call.play(tts("Sales is closed."))?.wait(None)?;
            Ok(call.hangup()?)
        });
    };
    let differences = replay(&path, says_something_else).0.expect_err("a difference");
    let what: Vec<String> = differences.list().into_iter().map(|difference| difference.what).collect();
    assert_eq!(what.len(), 3, "{differences}");
    assert!(
        what[0].starts_with("calling.play_and_collect: params.play[0].params.text was")
            && what[0].ends_with(r#"and is "Press one for support." now"#),
        "{what:#?}"
    );
    assert!(what[2].contains("Goodbye."), "{what:#?}");
    let text = differences.to_string();
    assert!(text.contains("3 differences") && text.contains("recorded") && text.contains("! "), "{text}");
    // The ladders differ in their headings and in what was said, and in nothing else.
    let drawn = differences.side_by_side(100);
    let rows = drawn.lines().filter_map(|row| row.split_once(" | "));
    let different: Vec<_> = rows.filter(|(left, right)| left.trim_end() != *right).collect();
    assert_eq!(different.len(), 6, "{drawn}");
    assert!(different[1].0.contains("Press one for sales.") && different[1].1.contains("Press one for support."));
    assert!(differences.list().iter().all(|one| one.call_id.is_some() && one.line.is_some()));

    let forgets_to_hang_up = |client: &Client| {
        client.on_call(|call| {
            call.answer()?;
            let heard = call.prompt(tts("Press one for sales."), Collect::digits(1))?.wait(None)?;
            let answer = if heard.digits() == Some("1") { "Sales is closed." } else { "Goodbye." };
            call.play(tts(answer))?.wait(None)?;
            Ok(())
        });
    };
    let differences = replay(&path, forgets_to_hang_up).0.expect_err("a difference");
    let what: Vec<String> = differences.list().into_iter().map(|difference| difference.what).collect();
    assert_eq!(what, ["calling.end was recorded, and is not sent now"; 2], "{differences}");

    let does_more = |client: &Client| {
        menu(client);
        client.receive(["another"]).expect_err("it is refused");
    };
    let differences = replay(&path, does_more).0.expect_err("a difference");
    let what: Vec<String> = differences.list().into_iter().map(|difference| difference.what).collect();
    assert_eq!(what, ["signalwire.receive: was not recorded here"], "{differences}");
}

#[test]
fn a_recording_that_is_cut_off_is_played_as_far_as_it_goes() {
    let directory = Directory::new();
    let [path, _] = record(scene("menu"), &directory, shown);
    let whole = read(&path);
    let lines: Vec<&str> = whole.lines().collect();
    let last = lines.iter().position(|line| line.contains("\"method\":\"calling.end\"")).expect("a hang-up");
    // The end of a disk, and something of a version that is not known.
    let text = format!(
        "{}\n{}\n{{\"at\":1.0,\"kind\":\"of a newer version\"}}\n{}",
        lines[..last + 1].join("\n"),
        "garbage",
        &lines[last + 1][..40]
    );
    fs::write(&path, text).expect("written");
    let replay = Simulator::replay(&path).expect("a recording");
    let problems = replay.problems().to_vec();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with(&format!("line {}: not JSON", last + 2)), "{problems:?}");
    assert_eq!(problems[1], format!("line {}: the line is cut off", last + 4));
    run(&replay, menu).0.unwrap_or_else(|differences| panic!("{differences}"));
}

#[test]
fn a_file_that_cannot_be_played_says_why() {
    let directory = Directory::new();
    let refused = |path: &Path| {
        let error = Simulator::replay(path).expect_err("nothing to play");
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    assert!(refused(&directory.file("missing.jsonl")).contains("cannot be read"));
    let other = directory.file("other.jsonl");
    fs::write(&other, "What is this?\n").expect("written");
    assert!(refused(&other).contains("no trace and no journal") && refused(&other).contains("line 1"));

    // The digits that the caller pressed decide what the program does.
    let [masked, _] = record(scene("menu"), &directory, |trace| trace);
    let said = refused(&masked);
    let line = read(&masked).lines().position(|line| line.contains("\"digits\":\"<content>\"")).expect("digits") + 1;
    assert!(said.contains(&format!("line {line}: params.result.params.digits is masked")), "{said}");
    // The results of a payment are masked in every trace, whatever the settings.
    let [paid, journal] = record(&crate::examples::PAYMENT, &directory, shown);
    assert!(refused(&paid).contains("the parameters of calling.call.pay are masked"));
    replay(&journal, crate::examples::PAYMENT.program).0.unwrap_or_else(|differences| panic!("{differences}"));
    // If no content that the program receives is masked, other masked values do not matter.
    let [path, _] = record(scene("dial"), &directory, |trace| trace);
    assert!(read(&path).contains("<content>") && read(&path).contains("+...2222"));
    replay(&path, remind).0.unwrap_or_else(|differences| panic!("{differences}"));
}

#[test]
fn a_recording_is_played_in_real_time_too() {
    let directory = Directory::new();
    let scene = Scene {
        name: "receive",
        people: |_| (),
        program: |client| {
            client.receive(["another"]).expect("taken");
            client.unreceive(["another"]).expect("taken");
        },
        happens: |_| (),
    };
    let [path, _] = record(&scene, &directory, shown);
    let replay = Simulator::builder().time(Time::Real).replay(&path).expect("a recording").patience(LONG);
    run(&replay, scene.program).0.unwrap_or_else(|differences| panic!("{differences}"));
}
