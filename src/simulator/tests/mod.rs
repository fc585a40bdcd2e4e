//! Tests of the simulator with a bare WebSocket client.

mod agents;
mod by_hand;
mod clients;
mod expectations;
mod operations;
mod service;
mod together;

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::Simulator;

/// Far longer than anything takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(10);

/// A client that sends, acknowledges and keeps what it did not ask for yet.
struct Bare<S> {
    socket: WebSocket<S>,
    next: u64,
    events: VecDeque<Value>,
    replies: VecDeque<Value>,
}

impl Bare<TcpStream> {
    fn open(sim: &Simulator) -> Self {
        let stream = TcpStream::connect(sim.address()).expect("the simulator listens");
        stream.set_read_timeout(Some(LONG)).expect("a read timeout");
        stream.set_nodelay(true).expect("no delay");
        let (socket, _) = tungstenite::client(sim.url(), stream).expect("an upgrade");
        Self::over(socket)
    }

    fn connected(sim: &Simulator) -> Self {
        let mut client = Self::open(sim);
        let reply = client.connect(json!({"contexts": ["default"]}));
        assert!(reply["result"]["protocol"].is_string(), "{reply}");
        client
    }
}

impl<S: std::io::Read + std::io::Write> Bare<S> {
    fn over(socket: WebSocket<S>) -> Self {
        Self { socket, next: 0, events: VecDeque::new(), replies: VecDeque::new() }
    }

    fn connect(&mut self, more: Value) -> Value {
        let mut params = json!({"version": {"major": 2, "minor": 0, "revision": 0}, "event_acks": true,
            "authentication": {"project": "p", "token": "t"}});
        for (key, value) in more.as_object().expect("an object") {
            params[key] = value.clone();
        }
        self.ask("signalwire.connect", params)
    }

    fn send(&mut self, method: &str, params: Value) -> String {
        self.next += 1;
        let id = format!("r{}", self.next);
        let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.socket.send(Message::text(frame.to_string())).expect("an open link");
        id
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.reply(&id)
    }

    fn reply(&mut self, id: &str) -> Value {
        loop {
            if let Some(at) = self.replies.iter().position(|reply| reply["id"] == id) {
                return self.replies.remove(at).expect("just found");
            }
            assert!(self.read(), "the link closed before the reply to {id}");
        }
    }

    fn try_event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            let fits = |event: &Value| event["event_type"] == kind && fits(&event["params"]);
            if let Some(at) = self.events.iter().position(fits) {
                return self.events.remove(at).map(|mut event| event["params"].take());
            }
            if !self.read() {
                return None;
            }
        }
    }

    fn event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.try_event(kind, fits).unwrap_or_else(|| panic!("the link closed before {kind}"))
    }

    /// Reads one frame; returns `false` if the connection is closed.
    fn read(&mut self) -> bool {
        let text = match self.socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => return true,
            Err(error) => {
                let timed_out =
                    matches!(&error, tungstenite::Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock);
                assert!(!timed_out, "nothing came; events not asked for: {:?}", self.events);
                return false;
            }
        };
        let frame: Value = serde_json::from_str(text.as_str()).expect("the simulator writes JSON");
        if frame["method"].is_string() {
            let ack = json!({"jsonrpc": "2.0", "id": frame["id"], "result": {}});
            // A connection that is being closed accepts no more frames.
            let _ = self.socket.send(Message::text(ack.to_string()));
            if frame["method"] == "signalwire.event" {
                self.events.push_back(frame["params"].clone());
            }
        } else {
            self.replies.push_back(frame);
        }
        true
    }

    fn offered(&mut self) -> Value {
        let offer = self.event("calling.call.receive", |_| true);
        json!({"node_id": offer["node_id"], "call_id": offer["call_id"]})
    }

    fn state(&mut self, call: &Value, state: &str) -> Value {
        let call_id = call["call_id"].clone();
        self.event("calling.call.state", |event| event["call_id"] == call_id && event["call_state"] == state)
    }

    /// A request about a call; its reply has code 200.
    fn on(&mut self, call: &Value, method: &str, more: Value) -> Value {
        let reply = self.ask(method, with(call, more));
        assert_eq!(reply["result"]["code"], "200", "{method}: {reply}");
        reply["result"].clone()
    }

    fn answered(&mut self) -> Value {
        let call = self.offered();
        self.on(&call, "calling.answer", json!({}));
        self.state(&call, "answered");
        call
    }
}

fn with(call: &Value, more: Value) -> Value {
    let mut params = call.clone();
    for (key, value) in more.as_object().expect("an object") {
        params[key] = value.clone();
    }
    params
}

fn tts(text: &str) -> Value {
    json!([{"type": "tts", "params": {"text": text}}])
}

fn fast() -> Simulator {
    Simulator::builder().speed(100.0).start().expect("a simulator")
}

fn phone(number: &str) -> Value {
    json!({"type": "phone", "params": {"to_number": number, "from_number": "+15550000000"}})
}

impl<S: std::io::Read + std::io::Write> Bare<S> {
    /// A request about a call that is refused; gives the code.
    fn refused(&mut self, call: &Value, method: &str, more: Value) -> i64 {
        let reply = self.ask(method, with(call, more));
        let code = &reply["result"]["code"];
        let code = code.as_str().and_then(|code| code.parse().ok()).or(reply["error"]["code"].as_i64());
        assert_ne!(code, Some(200), "{method}: {reply}");
        code.unwrap_or_else(|| panic!("{reply}"))
    }

    /// The next event of this type about a call.
    fn about(&mut self, call: &Value, kind: &str) -> Value {
        let call_id = call["call_id"].clone();
        self.event(kind, |event| event["call_id"] == call_id)
    }
}

/// A simulator with one caller on an answered call.
fn on_the_phone(
    caller: impl FnOnce(&Simulator) -> super::Caller,
) -> (Simulator, super::PersonOnCall, Bare<TcpStream>, Value) {
    let sim = fast();
    let person = caller(&sim).dials();
    let mut client = Bare::connected(&sim);
    let call = client.answered();
    (sim, person, client, call)
}

fn no_violations(sim: &Simulator) {
    assert_eq!(sim.violations(), [""; 0]);
}
