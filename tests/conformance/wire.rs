//! A server that records the client's frames and sends those that the test sets.

use std::cell::OnceCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use serde_json::{Value, json};
use signalwire_relay::{Builder, Call, Client};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Message, accept};

/// The limit of every wait for what is certain to happen. Only a hang reaches it, however busy the machine is.
pub const LONG: Duration = Duration::from_secs(120);

pub const PROJECT: &str = "project-1";
pub const PROTOCOL: &str = "signalwire_proto_1";

/// A request that is no part of any row: what was sent before it has arrived when it arrives.
const MARK: &str = "conformance.mark";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The responses of a server.
#[derive(Clone)]
pub enum Answers {
    /// Code 200 to everything.
    Ok,
    /// The `result` or `error` member, or both, the same to everything.
    Always(Value),
    /// Nothing, until the test does.
    Held,
}

/// A server, and the connections that it has taken.
pub struct Wire {
    address: SocketAddr,
    links: Receiver<Link>,
    connect_result: Arc<Mutex<Value>>,
    refuses_resumes: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Wire {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, links) = unbounded();
        let over = Arc::new(AtomicBool::new(false));
        let result = json!({"protocol": PROTOCOL, "identity": "i", "authorization": {"project_id": PROJECT}});
        let connect_result = Arc::new(Mutex::new(result));
        let refuses_resumes = Arc::new(AtomicBool::new(false));
        {
            let (over, connect_result) = (Arc::clone(&over), Arc::clone(&connect_result));
            let refuses_resumes = Arc::clone(&refuses_resumes);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    let connect_result = lock(&connect_result).clone();
                    let (sender, refuses_resumes) = (sender.clone(), Arc::clone(&refuses_resumes));
                    thread::spawn(move || serve(stream.unwrap(), connect_result, &refuses_resumes, &sender));
                }
            });
        }
        Self { address, links, connect_result, refuses_resumes, over }
    }

    /// Sets the result of `signalwire.connect` from now on.
    pub fn set_connect_result(&self, result: Value) {
        *lock(&self.connect_result) = result;
    }

    /// Rejects, from now on, every `signalwire.connect` that resumes a session: the session is unknown.
    pub fn refuse_resumes(&self) {
        self.refuses_resumes.store(true, Ordering::Release);
    }

    pub fn builder(&self) -> Builder {
        self.builder_without_credentials().project(PROJECT).token("token-1")
    }

    pub fn builder_without_credentials(&self) -> Builder {
        let builder = Client::builder().host(self.address.to_string()).tls(false);
        builder.tuning(|t| t.reconnect_delay(Duration::from_millis(1), Duration::from_millis(20)))
    }

    /// A client of this server, and its connection.
    pub fn client(&self) -> (Client, Link) {
        self.connect(self.builder())
    }

    pub fn connect(&self, builder: Builder) -> (Client, Link) {
        let client = builder.connect().unwrap();
        (client, self.link())
    }

    /// The next connection that a client makes.
    pub fn link(&self) -> Link {
        self.links.recv_timeout(LONG).expect("a client connects")
    }

    /// A client with a call in this state.
    pub fn call(&self, call_id: &str, node_id: &str, state: &str) -> (Client, Link, Call) {
        let (client, link) = self.client();
        let call = link.offer(&client, call_id, node_id, state);
        (client, link, call)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

type Socket = WebSocket<TcpStream>;

/// One connection of a client that has authenticated.
pub struct Link {
    /// The parameters of its `signalwire.connect`.
    pub connect: Value,
    frames: Receiver<Value>,
    out: Arc<Mutex<Socket>>,
    answers: Arc<Mutex<Answers>>,
    marks: AtomicU64,
}

fn serve(stream: TcpStream, connect_result: Value, refuses_resumes: &AtomicBool, links: &Sender<Link>) {
    stream.set_nodelay(true).unwrap();
    let Ok(mut reading) = accept(stream) else { return };
    let out = WebSocket::from_raw_socket(reading.get_ref().try_clone().unwrap(), Role::Server, None);
    let out = Arc::new(Mutex::new(out));
    let answers = Arc::new(Mutex::new(Answers::Ok));
    let (sender, frames) = unbounded();
    let mut unseen = Some((links, frames));
    loop {
        let text = match reading.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => continue,
            Err(_) => return,
        };
        let frame: Value = serde_json::from_str(&text).expect("a client sends JSON");
        assert_eq!(frame["jsonrpc"], "2.0", "{frame}");
        let id = &frame["id"];
        if frame["method"] == "signalwire.connect" {
            if refuses_resumes.load(Ordering::Acquire) && frame["params"].get("protocol").is_some() {
                let error = json!({"code": -32002, "message": "Authentication failed"});
                write(&out, [&json!({"jsonrpc": "2.0", "id": id, "error": error})]);
                continue;
            }
            write(&out, [&json!({"jsonrpc": "2.0", "id": id, "result": connect_result})]);
            let (links, frames) = unseen.take().expect("a connection authenticates once");
            let link = Link {
                connect: frame["params"].clone(),
                frames,
                out: Arc::clone(&out),
                answers: Arc::clone(&answers),
                marks: AtomicU64::new(0),
            };
            let _ = links.send(link);
            continue;
        }
        let answer = match &*lock(&answers) {
            _ if frame["method"].is_null() => None,
            _ if frame["method"] == MARK || frame["method"] == "signalwire.ping" => Some(ok(&frame)),
            Answers::Ok => Some(ok(&frame)),
            Answers::Always(members) => Some(members.clone()),
            Answers::Held => None,
        };
        let answer = answer.map(|answer| answer_to(&frame, &answer));
        // The request is recorded before the response, so that it is there when the response arrives.
        let _ = sender.send(frame);
        if let Some(answer) = answer {
            write(&out, [&answer]);
        }
    }
}

/// A frame that carries `members` to a request.
fn answer_to(request: &Value, members: &Value) -> Value {
    let mut frame = json!({"jsonrpc": "2.0", "id": request["id"]});
    for (key, value) in members.as_object().expect("members of an answer") {
        frame[key] = value.clone();
    }
    frame
}

fn ok(request: &Value) -> Value {
    match request["method"].as_str() {
        Some("messaging.send") => json!({"result": {"code": "200", "message": "OK", "message_id": "m-1"}}),
        _ => json!({"result": {"code": "200", "message": "OK"}}),
    }
}

/// Writes frames in one piece. Errors are ignored, because the client may have closed.
fn write<'a>(out: &Mutex<Socket>, frames: impl IntoIterator<Item = &'a Value>) {
    let mut out = lock(out);
    for frame in frames {
        if out.write(Message::text(frame.to_string())).is_err() {
            return;
        }
    }
    let _ = out.flush();
}

impl Link {
    pub fn set_answers(&self, answers: Answers) {
        *lock(&self.answers) = answers;
    }

    pub fn send(&self, frame: &Value) {
        write(&self.out, [frame]);
    }

    /// Several frames in one TCP segment.
    pub fn send_together(&self, frames: &[Value]) {
        write(&self.out, frames);
    }

    /// Sends text that need not be JSON.
    pub fn send_text(&self, text: &str) {
        let _ = lock(&self.out).send(Message::text(text));
    }

    /// Ends the connection without a word.
    pub fn cut(&self) {
        let _ = lock(&self.out).get_ref().shutdown(std::net::Shutdown::Both);
    }

    fn next_mark(&self) -> String {
        format!("mark-{}", self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// The frame of an event with this payload, which the client acknowledges.
    pub fn event(&self, payload: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": self.next_mark(), "method": "signalwire.event", "params": payload})
    }

    /// The frame that answers a request.
    pub fn answer(&self, request: &Value, members: &Value) -> Value {
        answer_to(request, members)
    }

    /// Waits until the client has handled everything sent so far, and returns what it sent meanwhile.
    ///
    /// An acknowledgement is written before its event is handled, so that of another event behind it is waited for.
    pub fn handled(&self) -> Vec<Value> {
        let mark = self.event(&json!({"event_type": MARK, "params": {}}));
        self.send(&mark);
        let mut sent = Vec::new();
        loop {
            let frame = self.frame(LONG).expect("the client acknowledges");
            if frame["method"].is_null() && frame["id"] == mark["id"] {
                return sent;
            }
            sent.push(frame);
        }
    }

    /// The next frame of the client; `None` when the connection has ended.
    pub fn frame(&self, limit: Duration) -> Option<Value> {
        match self.frames.recv_timeout(limit) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the client sends nothing"),
        }
    }

    /// The next request of the client; acknowledgements and pings are passed over.
    pub fn request(&self) -> Value {
        loop {
            let frame = self.frame(LONG).expect("the client sends a request");
            if !frame["method"].is_null() && frame["method"] != "signalwire.ping" {
                return frame;
            }
        }
    }

    /// The requests that the client has sent, up to now.
    pub fn requests(&self, client: &Client) -> Vec<Value> {
        client.execute(MARK, json!({})).unwrap();
        let mut requests = Vec::new();
        loop {
            let request = self.request();
            if request["method"] == MARK {
                return requests;
            }
            requests.push(request);
        }
    }

    /// Offers a call, takes it, and brings it into this state.
    pub fn offer(&self, client: &Client, call_id: &str, node_id: &str, state: &str) -> Call {
        let device = json!({"type": "phone", "params": {"from_number": "+15550001111", "to_number": "+15550002222"}});
        let mut payload = json!({"call_id": call_id, "node_id": node_id, "call_state": "created", "device": device});
        payload["direction"] = "inbound".into();
        self.send(&self.event(&json!({"event_type": "calling.call.receive", "params": payload})));
        // A test that sends any events may have offered others.
        let mut calls = std::iter::repeat_with(|| client.next_call(LONG).unwrap());
        let call = calls.find(|call| call.id() == call_id).expect("an endless iterator");
        let mut states = vec!["answered"];
        if state != "answered" {
            states.push(state);
        }
        for state in states {
            payload["call_state"] = state.into();
            self.send(&self.event(&json!({"event_type": "calling.call.state", "params": payload})));
        }
        self.handled();
        assert_eq!(call.state(), state);
        call
    }
}

/// A number that threads count up and others wait for.
#[derive(Clone, Default)]
pub struct Count(Arc<(Mutex<u64>, Condvar)>);

impl Count {
    pub fn add(&self) {
        *lock(&self.0.0) += 1;
        self.0.1.notify_all();
    }

    /// Blocks until the number is at least this one, or for as long as only a hang takes. Returns the number.
    pub fn reach(&self, expected: u64) -> u64 {
        let until = Instant::now() + LONG;
        let mut number = lock(&self.0.0);
        while *number < expected {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            number = self.0.1.wait_timeout(number, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *number
    }

    /// Blocks until the number is this one.
    pub fn await_number(&self, expected: u64, what: &str) {
        assert_eq!(self.reach(expected), expected, "{what}");
    }
}

/// A function that runs on a thread of its own, what it returns, and in which state of the test it returned.
pub struct Running<T> {
    returned: Receiver<(T, usize)>,
    kept: OnceCell<(T, usize)>,
    state: Arc<AtomicUsize>,
}

pub fn running<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (sender, returned) = unbounded();
    let state = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&state);
    thread::spawn(move || {
        let value = work();
        // The thread itself notes the state, so that an early return is seen whenever the test looks.
        let _ = sender.send((value, now.load(Ordering::Acquire)));
    });
    Running { returned, kept: OnceCell::new(), state }
}

impl<T> Running<T> {
    /// The test goes on to its next state. The states are counted from 0.
    pub fn enter(&self, state: usize) {
        self.state.store(state, Ordering::Release);
    }

    fn seen(&self) -> Option<&(T, usize)> {
        if let Some(returned) = self.kept.get() {
            return Some(returned);
        }
        let returned = self.returned.try_recv().ok()?;
        Some(self.kept.get_or_init(|| returned))
    }

    /// The return value, if the function has returned.
    pub fn peek(&self) -> Option<&T> {
        self.seen().map(|(value, _)| value)
    }

    /// The state of the test in which the function returned, if it has.
    pub fn returned_in(&self) -> Option<usize> {
        self.seen().map(|(_, state)| *state)
    }

    /// Waits until the function has returned.
    pub fn get(&self) -> &T {
        &self.kept.get_or_init(|| self.returned.recv_timeout(LONG).expect("it returns")).0
    }
}
