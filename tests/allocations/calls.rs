//! A whole call.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;
use signalwire_relay::{Client, tts};
use stats_alloc::Region;

use crate::{COUNTED, alone};

const LONG: Duration = Duration::from_secs(120);
/// Calls in a batch. The batch with the fewest allocations counts.
const BATCH: usize = 20;
const BATCHES: usize = 5;

/// The service in a process of its own, whose allocations are not counted. It is killed with the test.
struct Service(Child, ChildStdin, BufReader<ChildStdout>);

impl Service {
    fn start() -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.args(["sim", "--speed", "100", "--max-life", "600"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (commands, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut service = Self(child, commands, answers);
        let hello = service.line();
        let host = hello["host"].as_str().unwrap().to_owned();
        (service, host)
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.2.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn ask(&mut self, command: &str) {
        writeln!(self.1, "{command}").unwrap();
        let answer = self.line();
        assert_eq!(answer["ok"], true, "{answer}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_call_that_is_answered_played_to_and_hung_up_has_a_bound_of_allocations() {
    let _alone = alone();
    let (mut service, host) = Service::start();
    let builder = Client::builder().host(host).project("any").token("any-PT").tls(false).contexts(["default"]);
    let client = builder.connect().unwrap();
    let (tell, over) = channel();
    client.on_call(move |call| {
        call.answer()?;
        call.play(tts("Welcome!"))?.wait(None)?;
        call.hangup()?;
        call.wait_for_ended(LONG)?;
        Ok(tell.send(())?)
    });
    let mut batch = || {
        let region = Region::new(COUNTED);
        for _ in 0..BATCH {
            service.ask(r#"{"call":{"from":"+15551230000","is":"silent"}}"#);
            over.recv_timeout(LONG).unwrap();
        }
        let change = region.change();
        (change.allocations + change.reallocations) / BATCH
    };
    let each = (0..BATCHES).map(|_| batch()).min().unwrap();
    client.disconnect();
    // 54 were counted, of which some are of this test's commands.
    assert!(each <= 60, "{each}");
}
