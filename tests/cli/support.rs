//! The common parts of the command's tests: the built program, its lines, temporary files, and waits that end.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use signalwire_relay::LinkState;
use signalwire_relay::connection::LinkStates;

/// Far longer than anything takes on the busiest machine; only a failure waits for it.
pub const LONG: Duration = Duration::from_secs(120);

/// The program, without the settings of the environment in which the tests run.
pub fn relay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars() {
        let upper = name.to_uppercase();
        if ["SIGNALWIRE_", "RELAY_"].iter().any(|ours| upper.starts_with(ours)) || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to its end: its exit status, and what it printed.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

/// The lines of a stream, as they come.
pub fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _unread = sender.send(line);
        }
    });
    lines
}

/// The next value of a channel, which comes.
pub fn next<T>(from: &Receiver<T>, what: &str) -> T {
    from.recv_timeout(LONG).unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Waits for a state of the connection.
pub fn next_state(states: &mut LinkStates, what: &str, is_it: impl Fn(&LinkState) -> bool) {
    while let Some(state) = states.next_within(LONG) {
        if is_it(&state) {
            return;
        }
    }
    panic!("{what} does not come");
}

/// A file that is removed at the end of the test.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("relay-cli-{}-{name}", std::process::id())))
    }

    pub fn with(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        std::fs::write(&file.0, text).unwrap();
        file
    }

    pub fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
