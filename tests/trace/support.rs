//! The common parts of the tests: a simulator in virtual time, a client with a trace, and the path of the trace.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use signalwire_relay::connection::Trace;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Client};

/// Far longer than anything takes on the busiest machine; only a failure waits for it.
pub const LONG: Duration = Duration::from_secs(60);

pub const SECOND: Duration = Duration::from_secs(1);

pub fn virtual_sim() -> Simulator {
    Simulator::builder().virtual_time().start().expect("a simulator")
}

pub fn builder(sim: &Simulator, trace: Trace) -> Builder {
    Client::builder().simulator(sim).contexts(["default"]).trace(trace)
}

/// A writer that keeps what is written.
#[derive(Clone, Default)]
pub struct Memory(Arc<(Mutex<Vec<u8>>, Condvar)>);

/// A part of the last line of a trace.
const CLOSED: &str = "\"state\":\"closed\"";

impl Memory {
    /// The lines that were written so far.
    pub fn now(&self) -> String {
        String::from_utf8(self.0.0.lock().expect("no panic").clone()).expect("a text")
    }

    /// The whole trace of a client that was closed, however busy the machine is.
    pub fn text(&self) -> String {
        let is_open = |bytes: &mut Vec<u8>| !bytes.windows(CLOSED.len()).any(|part| part == CLOSED.as_bytes());
        let bytes = self.0.0.lock().expect("no panic");
        drop(self.0.1.wait_timeout_while(bytes, LONG, is_open).expect("no panic"));
        self.now()
    }

    pub fn lines(&self) -> Vec<Value> {
        parsed(&self.text())
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().expect("no panic").extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of a trace.
pub fn parsed(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}

/// A text member of a line.
pub fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A directory that is removed after the test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("relay-trace-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits until the trace in a file is whole, however busy the machine is: its client was closed.
pub fn wait_written(path: &Path, clients: usize) {
    let began = Instant::now();
    while std::fs::read_to_string(path).map_or(0, |text| text.matches(CLOSED).count()) < clients {
        assert!(began.elapsed() < LONG, "{} is not written", path.display());
        std::thread::yield_now();
    }
}

/// The text with every UUID replaced: nothing else about an ID is the same in two runs.
pub fn without_ids(text: &str) -> String {
    const ID: usize = 36;
    let is_id = |bytes: &[u8]| {
        bytes.len() >= ID
            && bytes[..ID].iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if is_id(rest.as_bytes()) {
            out.push_str("<id>");
            rest = &rest[ID..];
        } else {
            let _ = write!(out, "{c}");
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// A trace in a form that is the same whenever the same happened: without IDs and acknowledgements, in the order of time
/// and text. A wait for something that comes at the same moment may find that it is there already: what took no time is
/// left out.
pub fn canonical(trace: &str) -> Vec<String> {
    let counts = |line: &Value| match text(line, "kind") {
        "ack" => false,
        "wait" => text(line, "state") == "ended" && line["took"] != 0.0,
        _ => true,
    };
    let lines = parsed(trace).into_iter().filter(counts);
    let mut lines: Vec<(u64, String)> = lines
        .map(|line| {
            let micros = line["at"].as_f64().map_or(0, |at| (at * 1e6) as u64);
            (micros, without_ids(&line.to_string()))
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}
