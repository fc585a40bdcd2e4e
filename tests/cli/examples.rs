//! The examples that are programs of one function: traced, drawn and replayed as processes. And the server, which is stopped as
//! a supervisor stops it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use signalwire_relay::simulator::Simulator;

use crate::support::{LONG, TempFile, lines, next, relay, run};

/// The examples that are all in their `main`, with their arguments.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("answer_and_welcome", &[]),
    ("dial_and_play", &["+15552222222", "+15551111111"]),
    ("amd", &["+15552222222", "+15551111111"]),
    ("send_sms", &["+15552222222", "+15551111111"]),
    ("server", &["127.0.0.1:0", "+15551111111", "visit"]),
];

/// An example, which `cargo test` builds together with the tests.
fn path(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_BIN_EXE_relay"));
    let path = directory.with_file_name("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: `cargo build --examples` with the features of this test", path.display());
    path
}

/// An example without the settings of the environment.
fn example(name: &str) -> Command {
    let mut command = Command::new(path(name));
    let ours = relay(&[]);
    for (name, _) in ours.get_envs() {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn an_example_writes_a_trace_that_is_drawn_and_replayed() {
    for (name, arguments) in PROGRAMS {
        let trace = TempFile::new(&format!("{name}.jsonl"));
        let mut traced = example(name);
        traced.env("SIGNALWIRE_RELAY_TRACE", &trace.0).env("SIGNALWIRE_RELAY_TRACE_SHOW", "content,numbers");
        let (code, said, error) = run(&mut traced);
        assert_eq!(code, 0, "{name}: {said}{error}");
        let drawn = run(&mut relay(&["ladder", trace.name()]));
        assert!(drawn.0 == 0 && drawn.1.lines().count() > 8, "{name}: {}", drawn.1);
        assert_eq!(drawn, run(&mut relay(&["ladder", trace.name()])), "{name}");
        let program = path(name);
        let again = ["replay", trace.name(), "--speed", "20", "--patience", "2400", "--", program.to_str().unwrap()];
        for _ in 0..2 {
            let (code, said, error) = run(&mut relay(&[&again[..], arguments].concat()));
            assert!(code == 0 && said.contains("the program did what was recorded"), "{name}: {code}: {said}{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_gets_sigterm_finishes_its_call_and_ends_well() {
    let sim = Simulator::start().unwrap();
    let mut server = example("server");
    server.arg("127.0.0.1:0").envs(sim.environment());
    let mut server = server.spawn().unwrap();
    let said = lines(server.stdout.take().unwrap());
    assert!(next(&said, "the address").starts_with("listening on http://"));
    let caller = sim.caller("+15551230001").dials();
    caller.wait_answered(LONG).unwrap();
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    caller.wait_ended(LONG).unwrap();
    assert!(caller.was_hung_up_on() && caller.heard().concat().contains("Welcome."), "{:?}", caller.heard());
    assert_eq!(next(&said, "its last line"), "stopped, with 0 live calls");
    assert!(server.wait().unwrap().success());
}
