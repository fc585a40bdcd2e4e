//! What the tests of the link have in common: waiting on events, a service made by hand, a process of one's own.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalwire_relay::simulator::{Direction, Entry, EntryKind, Simulator};
use signalwire_relay::{Builder, Call, Client, LinkState, LinkStates};
use tungstenite::{Message, WebSocket};

/// Longer than anything here takes on the busiest machine.
pub const LONG: Duration = Duration::from_secs(20);
/// After this a test hangs.
const HANGS: Duration = Duration::from_secs(30);

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a test, and fails it when it hangs.
pub fn watchdog(test: impl FnOnce() + Send + 'static) {
    crate::support::deadlocks::watch();
    let (done, ended) = channel();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let runs = thread::Builder::new().name(name).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(test));
        let _nobody_waits = done.send(());
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    });
    ended.recv_timeout(HANGS).expect("the test hangs");
    if let Err(panic) = runs.unwrap().join() {
        resume_unwind(panic);
    }
}

/// Looks until it is so: for what is announced by nothing that could be waited on.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < limit, "not in time: {what}");
        thread::yield_now();
    }
}

pub fn sim() -> Simulator {
    Simulator::builder().speed(50.0).start().unwrap()
}

/// A builder for the simulator with short waits between attempts.
pub fn quick(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"]).reconnect_delay(millis(5), millis(40))
}

/// The next state that fits; what comes before it is passed over.
pub fn next_state(states: &mut LinkStates, what: &str, fits: impl Fn(&LinkState) -> bool) -> LinkState {
    let limit = Instant::now() + LONG;
    let mut passed = Vec::new();
    loop {
        let left = limit.saturating_duration_since(Instant::now());
        match states.next_within(left) {
            Some(state) if fits(&state) => return state,
            Some(state) => passed.push(state),
            None => panic!("no state {what}, only {passed:?}"),
        }
    }
}

pub fn online(states: &mut LinkStates) -> bool {
    match next_state(states, "Online", LinkState::is_online) {
        LinkState::Online { resumed } => resumed,
        other => panic!("{other:?}"),
    }
}

pub fn reconnecting(states: &mut LinkStates) -> LinkState {
    next_state(states, "Reconnecting", |state| matches!(state, LinkState::Reconnecting { .. }))
}

/// An inbound call that has been answered.
pub fn answered_call(sim: &Simulator, client: &Client) -> Call {
    let _caller = sim.caller("+15551230000").calls("+15559990000").dials();
    let call = client.next_call(LONG).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(LONG).unwrap();
    call
}

/// What the client has answered to the service's requests with this id.
pub fn answers_to(sim: &Simulator, id: &Value) -> Vec<Entry> {
    let journal = sim.journal();
    let answers = journal.entries().iter().filter(|entry| {
        entry.direction() == Direction::FromClient && entry.kind() == EntryKind::Ack && entry.id() == id
    });
    answers.cloned().collect()
}

/// Waits until the client has worked through everything that was pushed so far: it answers in order.
pub fn caught_up(sim: &Simulator) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MARKS: AtomicU64 = AtomicU64::new(0);
    let id = json!(format!("mark-{}", MARKS.fetch_add(1, Ordering::Relaxed)));
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.ping", "params": {}}).to_string());
    until("the answer to a ping", || !answers_to(sim, &id).is_empty());
}

// A service made by hand.

/// A port on which the test itself is the service.
pub struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub fn host(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    pub fn builder(&self) -> Builder {
        Client::builder()
            .host(self.host())
            .tls(false)
            .project("project-1")
            .token("token-1")
            .reconnect_delay(millis(5), millis(20))
    }

    /// The next TCP connection.
    pub fn socket(&self) -> TcpStream {
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket.set_write_timeout(Some(LONG)).unwrap();
        socket
    }

    /// The next WebSocket.
    pub fn accept(&self) -> Service {
        Service(tungstenite::accept(self.socket()).unwrap())
    }

    /// The next session, with what the client said about itself.
    pub fn welcome(&self, protocol: &str) -> (Service, Value) {
        let mut service = self.accept();
        let connect = service.frame();
        assert_eq!(connect["method"], "signalwire.connect");
        service.reply(&connect, json!({"protocol": protocol}));
        (service, connect["params"].clone())
    }
}

/// Reads until the other side is gone, and gives what it said until then.
pub fn drain(mut socket: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == IoErrorKind::ConnectionReset => {}
        Err(error) => panic!("the client keeps its socket open: {error}"),
    }
    said
}

/// Reads an HTTP request up to its end.
pub fn http_request(socket: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    String::from_utf8(said).unwrap()
}

pub fn answer(mut socket: &TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).unwrap();
}

/// One connection of a [`Peer`].
pub struct Service(pub WebSocket<TcpStream>);

impl Service {
    /// The next frame of the client.
    pub fn frame(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The next request of this method; whatever comes before is passed over.
    pub fn request(&mut self, method: &str) -> Value {
        loop {
            let frame = self.frame();
            if frame["method"] == method {
                return frame;
            }
        }
    }

    pub fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).unwrap();
    }

    /// Sends frames in one piece, as far as that is in our hands.
    pub fn send_together(&mut self, frames: &[Value]) {
        for frame in frames {
            self.0.write(Message::text(frame.to_string())).unwrap();
        }
        self.0.flush().unwrap();
    }

    pub fn reply(&mut self, to: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": to["id"], "result": result}));
    }

    pub fn refuse(&mut self, to: &Value, code: i64, message: &str) {
        self.send(json!({"jsonrpc": "2.0", "id": to["id"], "error": {"code": code, "message": message}}));
    }

    /// Waits until the client is gone.
    pub fn gone(mut self) {
        loop {
            match self.0.read() {
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut) =>
                {
                    panic!("the client keeps its socket open")
                }
                Err(_) => return,
            }
        }
    }
}

/// A request of the service that carries an event.
pub fn event(id: &str, event_type: &str, params: Value) -> Value {
    let params = json!({"event_type": event_type, "timestamp": 1.5, "params": params});
    json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": params})
}

// A process of one's own.

const CHILD: &str = "SIGNALWIRE_RELAY_TEST_CHILD";
const RESULT: &str = "RESULT ";

/// In the process that [`in_child`] made: what it was told.
pub fn child_role() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// In a child: what the parent gets.
pub fn report(what: impl std::fmt::Display) {
    println!("\n{RESULT}{}", what.to_string().replace('\n', " "));
}

/// Runs one test of this binary again in a process of its own, with this environment and nothing else, and gives
/// what it reported.
pub fn in_child(test: &str, role: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env_clear();
    // Where temporary files go is the machine's affair; the loader's path is cargo's.
    for kept in ["TMPDIR", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SystemRoot"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    let output = command.env(CHILD, role).envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let reports: Vec<String> = said.lines().filter_map(|line| line.strip_prefix(RESULT)).map(str::to_owned).collect();
    assert!(!reports.is_empty(), "{test} reported nothing; is that its name? {said}");
    reports
}
