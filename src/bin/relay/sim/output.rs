//! Output on stdout: lines of JSON for programs, or a transcript for people.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::Sender;
use std::time::Instant;

use serde_json::{Value, json};
use signalwire_relay::simulator::{FrameKind, Simulator};

use super::input::Event;
use super::stage::Stage;
use crate::say::complain;

/// The writer of the lines on standard output.
pub struct Output {
    watch: bool,
    lines: Lines,
    news: News,
}

/// Changes since the last check that no event announces.
#[derive(Default)]
pub struct News {
    connections: usize,
    violations: usize,
}

impl News {
    /// Returns the changes, one per line.
    pub fn look(&mut self, simulator: &Simulator) -> Vec<String> {
        let mut news = Vec::new();
        let connections = simulator.connections();
        if connections < self.connections {
            news.push(format!("a client left; {connections} connected"));
        }
        self.connections = connections;
        let violations = simulator.violations();
        news.extend(violations.iter().skip(self.violations).map(|violation| format!("VIOLATION: {violation}")));
        self.violations = violations.len();
        news
    }
}

/// Writes whole lines, and reports when stdout is closed.
#[derive(Clone)]
struct Lines {
    gone: Sender<Event>,
    started: Instant,
}

impl Lines {
    fn line(&self, line: &str) {
        let mut stdout = std::io::stdout().lock();
        if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
            let _ = self.gone.send(Event::OutputGone);
        }
    }

    /// Writes a line of the transcript.
    fn told(&self, line: &str) {
        self.line(&format!("{:>8.1}  {line}", self.started.elapsed().as_secs_f64()));
    }
}

impl Output {
    pub fn new(watch: bool, gone: Sender<Event>) -> Self {
        Self { watch, lines: Lines { gone, started: Instant::now() }, news: News::default() }
    }

    /// Writes the address: the first line of stdout for a program, a few words for a person.
    pub fn greet(&self, stage: &Stage, page: Option<&str>) {
        if let Some(page) = page {
            complain(&format!("relay sim: open {page} in a browser on this machine"));
        }
        if self.watch {
            self.lines.line(&introduction(stage));
            self.tell_what_happens(stage);
            return;
        }
        let simulator = &stage.simulator;
        self.lines.line(
            &json!({
                "url": simulator.url(),
                "host": simulator.host(),
                "ca_file": stage.ca_file,
                "pid": std::process::id(),
                "project": simulator.project(),
                "token": simulator.token(),
                "any_credentials": stage.any_credentials,
                "environment": stage.environment().into_iter().collect::<BTreeMap<_, _>>(),
                "web": page,
            })
            .to_string(),
        );
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            complain(&format!(
                "(This output is for programs; --watch shows what happens in words. To lead other commands here:)\n{}",
                stage.export()
            ));
        }
    }

    pub fn answer(&self, answer: &Value) {
        if !self.watch {
            return self.lines.line(&answer.to_string());
        }
        let mut rest = answer.clone();
        let ok = rest.as_object_mut().and_then(|fields| fields.remove("ok")) == Some(Value::Bool(true));
        match (ok, rest["error"].as_str()) {
            (false, Some(error)) => self.lines.line(&format!("error: {error}")),
            _ if rest.as_object().is_none_or(serde_json::Map::is_empty) => self.lines.line("ok"),
            _ => self.lines.line(&format!("ok: {rest}")),
        }
    }

    /// Writes the changes that no event announces, with `--watch`.
    pub fn look(&mut self, stage: &Stage) {
        if !self.watch {
            return;
        }
        self.news.look(&stage.simulator).iter().for_each(|line| self.lines.told(line));
    }

    fn tell_what_happens(&self, stage: &Stage) {
        let lines = self.lines.clone();
        tell_what_happens(&stage.simulator, move |line| lines.told(line));
    }
}

/// Registers `tell`, which receives each line of the transcript, and the actions of clients besides calls.
pub fn tell_what_happens(simulator: &Simulator, tell: impl Fn(&str) + Clone + Send + 'static) {
    let tell_of_frames = tell.clone();
    simulator.on_transcript(move |line| tell(line));
    simulator.on_frame(move |frame| {
        let params = frame.params();
        let code = params.get("code").map(ToString::to_string).unwrap_or_default();
        let refused = frame.kind() == FrameKind::ErrorReply || (frame.kind() == FrameKind::Reply && refusal(&code));
        if refused {
            let message = params.get("message").and_then(Value::as_str).unwrap_or_default();
            let (method, connection) = (frame.method(), frame.connection());
            tell_of_frames(&format!("{method} of client {connection} was refused: {code} {message}"));
        } else if frame.kind() == FrameKind::Reply && frame.method() == "signalwire.connect" {
            let resumed = params["session_restored"] == Value::Bool(true);
            let how = if resumed { "is back with its session" } else { "connected" };
            tell_of_frames(&format!("client {} {how}", frame.connection()));
        }
    });
}

/// Returns `true` if the `code` of a response, as JSON, is an error.
fn refusal(code: &str) -> bool {
    !code.is_empty() && !code.trim_matches('"').starts_with('2')
}

/// The description of the simulator for the page.
pub fn about(stage: &Stage) -> Value {
    json!({
        "url": stage.simulator.url(),
        "export": stage.export(),
        "any_credentials": stage.any_credentials,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn introduction(stage: &Stage) -> String {
    let simulator = &stage.simulator;
    let any = if stage.any_credentials { "   # any credentials are accepted" } else { "" };
    let trust = if stage.ca_file.is_some() { "the certificate to trust, " } else { "ws:// and no TLS, " };
    format!(
        "A RELAY service runs at {url} (process {pid}).

To lead a program to it, in another terminal:

  {export}{any}
  relay listen

An SDK of another language needs the same: host {host}, {trust}credentials, the context \"default\".

Then let something happen, here, a command to a line (--help has all of them):

  {{\"call\":{{\"from\":\"+15551230000\",\"to\":\"+15559990000\",\"does\":[{{\"after_hearing\":\"arrived\"}},\"hangs_up\"]}}}}
  {{\"text\":{{\"from\":\"+15551230000\",\"to\":\"+15559990000\",\"body\":\"Hello\"}}}}
  calls
  quit

Seconds since the start, and what happens:
",
        url = simulator.url(),
        pid = std::process::id(),
        export = stage.export(),
        host = simulator.host(),
    )
}
