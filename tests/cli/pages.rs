//! `relay ladder`, `relay completions` and `relay man`: their output, and their handling of damaged files.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, tts};

use crate::support::{LONG, TempFile, relay, run};

/// The journal of a call that is answered and hears a text, and the ID of the call.
fn journal(name: &str) -> (TempFile, String) {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
    let _ann = sim.caller("+15551230000").calls("+15559990000").dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.play(tts("Welcome to the office")).unwrap().wait(LONG).unwrap();
    call.hangup().unwrap();
    call.wait_for_ended(LONG).unwrap();
    let lines: String = sim.journal().entries().iter().map(|entry| format!("{}\n", entry.to_json())).collect();
    (TempFile::with(name, &lines), call.id().to_owned())
}

#[test]
fn a_journal_is_drawn_as_text_as_rows_as_an_image_and_as_a_page() {
    let (file, call) = journal("drawn.jsonl");
    let (code, text, stderr) = run(&mut relay(&["ladder", file.name(), "--width", "90"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(text.contains("calling.play") && text.contains("Welcome to the office"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 90) && !text.contains('\u{1b}'), "{text}");
    let (code, rows, _) = run(&mut relay(&["ladder", file.name(), "--json", "--call", &call]));
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(code == 0 && rows.iter().any(|row| row["call"] == call.as_str() && row["kind"] == "request"), "{rows:?}");
    let (code, last, _) = run(&mut relay(&["ladder", file.name(), "--json", "--last", "2"]));
    assert_eq!((code, last.lines().count()), (0, 2));
    for (flag, begins) in [("--svg", "<svg"), ("--html", "<!doctype html>")] {
        let out = TempFile::new(&format!("drawn{flag}"));
        let (code, stdout, _) = run(&mut relay(&["ladder", file.name(), flag, "-o", out.name()]));
        assert_eq!((code, stdout.as_str()), (0, ""));
        assert!(out.text().to_lowercase().starts_with(begins), "{}", out.text());
    }
}

#[test]
fn of_a_damaged_file_what_could_be_read_is_drawn_and_the_rest_is_named() {
    let (file, _) = journal("damaged.jsonl");
    let mut text = file.text();
    text.truncate(text.len() - 10);
    let mut child = relay(&["ladder", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("no JSON\n{text}").as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(status.code(), Some(3), "{stderr}");
    assert!(stdout.contains("calling.answer"), "{stdout}");
    assert!(stderr.starts_with("-: line 1: not JSON") && stderr.contains("the line is cut off"), "{stderr}");

    let other = TempFile::with("other.txt", "This is a letter.\n");
    let (code, stdout, stderr) = run(&mut relay(&["ladder", other.name()]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("line 1: not JSON") && stderr.contains("nothing to draw"), "{stderr}");
    let (code, _, stderr) = run(&mut relay(&["ladder", "no-such-file"]));
    assert!(code == 1 && stderr.contains("relay ladder: no-such-file: "), "{stderr}");
    let (code, _, stderr) = run(&mut relay(&["ladder", file.name(), "--call", "c-unknown"]));
    assert!(code == 1 && stderr.contains("no call has the ID \"c-unknown\"; the file has 0"), "{stderr}");
}

/// A journal of a simulator in real time: `relay listen --once` with a caller who hangs up.
fn recorded() -> TempFile {
    let sim = Simulator::builder().speed(20.0).start().unwrap();
    let _ann = sim.caller("+15551230000").calls("+15559990000").after_hearing("Welcome").hangs_up().dials();
    let mut listen = relay(&["listen", "--once", "--say", "Welcome"]);
    assert_eq!(run(listen.envs(sim.environment())).0, 0);
    let lines: String = sim.journal().entries().iter().map(|entry| format!("{}\n", entry.to_json())).collect();
    TempFile::with("recorded.jsonl", &lines)
}

#[test]
fn a_program_is_replayed_against_and_what_it_does_otherwise_is_shown_as_two_ladders() {
    let file = recorded();
    let program = env!("CARGO_BIN_EXE_relay");
    let replay =
        ["replay", file.name(), "--speed", "20", "--patience", "2400", "--", program, "listen", "--once", "--say"];
    let (code, said, stderr) = run(&mut relay(&[&replay[..], &["Welcome"]].concat()));
    assert!(code == 0 && said.contains("the program did what was recorded"), "{code}: {said}{stderr}");
    let (code, said, stderr) = run(&mut relay(&[&replay[..], &["Go away"]].concat()));
    assert!(code == 3 && said.contains("Go away") && said.contains("Welcome"), "{code}: {said}{stderr}");
    let (code, _, stderr) = run(&mut relay(&["replay", "no-such-file", "--", program]));
    assert!(code == 1 && stderr.contains("no-such-file"), "{stderr}");
    let (code, _, stderr) = run(&mut relay(&["replay", file.name(), "--", "no-such-program"]));
    assert!(code == 1 && stderr.contains("no-such-program"), "{stderr}");
}

#[test]
fn every_shell_gets_completions_and_every_command_has_a_manual_page() {
    for (shell, words) in [("bash", "complete -F"), ("zsh", "#compdef relay"), ("fish", "complete -c relay")] {
        let (code, script, _) = run(&mut relay(&["completions", shell]));
        assert!(code == 0 && script.contains(words) && script.contains("max-life"), "{script}");
    }
    let (code, page, _) = run(&mut relay(&["man"]));
    assert!(code == 0 && page.contains(".TH relay 1") && page.contains("doctor"), "{page}");
    for command in ["sim", "doctor", "listen", "dial", "text", "ladder", "replay", "completions", "man"] {
        let (code, page, stderr) = run(&mut relay(&["man", command]));
        assert!(code == 0 && page.contains(&format!("relay\\-{command}")), "{command}: {page}{stderr}");
    }
    let (code, _, stderr) = run(&mut relay(&["man", "sing"]));
    assert!(code == 1 && stderr.contains("expected one of sim, doctor"), "{stderr}");
}
