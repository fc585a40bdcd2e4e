//! A RELAY service with just enough functions to measure a client.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{process, thread};

use native_tls::{Identity, TlsAcceptor};
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use super::Greeting;

/// Number of events of a flood that are sent at once.
const BATCH: usize = 64;
/// So many may be unacknowledged. Their acknowledgements fit into the buffers of a socket, so that one thread per
/// connection is enough and neither side can wait for the other.
const WINDOW: usize = 1024;

/// Serves until the process that started this one ends.
pub fn serve() -> ! {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.key_pair.serialize_pem());
    let identity = Identity::from_pkcs8(certificate.as_bytes(), key.as_bytes()).expect("an identity");
    let acceptor = TlsAcceptor::new(identity).expect("TLS");
    let ws = listen(talk);
    let wss = listen(move |socket| {
        if let Ok(stream) = acceptor.accept(socket) {
            talk(stream);
        }
    });
    let greeting = serde_json::to_string(&Greeting { ws, wss, certificate }).expect("plain values");
    println!("{greeting}");
    let _over = io::copy(&mut io::stdin(), &mut io::sink());
    process::exit(0)
}

fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, serve) = (socket.expect("a connection"), serve.clone());
            socket.set_nodelay(true).expect("a socket");
            thread::spawn(move || serve(socket));
        }
    });
    port
}

fn talk<S: Read + Write>(stream: S) {
    // Frames go to `Lazy` at once; that gathers them.
    let settings = WebSocketConfig::default().read_buffer_size(16 << 10).write_buffer_size(0);
    let Ok(socket) = tungstenite::accept_with_config(Lazy { stream, out: Vec::new() }, Some(settings)) else { return };
    // An error means that the client has closed.
    let _gone = Peer { socket, events: 0, calls: 0, held: 0 }.serve();
}

/// Sends queued frames just before it would block in a read: responses share a system call if their requests did.
struct Lazy<S> {
    stream: S,
    out: Vec<u8>,
}

impl<S: Write> Lazy<S> {
    fn send(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out)?;
            self.stream.flush()?;
            self.out.clear();
        }
        Ok(())
    }
}

impl<S: Read + Write> Read for Lazy<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.send()?;
        self.stream.read(into)
    }
}

impl<S: Write> Write for Lazy<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// The parameters that matter here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Params<'a> {
    call_id: &'a str,
    node_id: &'a str,
    control_id: &'a str,
    count: usize,
}

struct Peer<S> {
    socket: WebSocket<Lazy<S>>,
    /// Events sent, for their ids.
    events: u64,
    /// Calls offered, and from which on they have not been ended.
    calls: usize,
    held: usize,
}

type Served = Result<(), Box<tungstenite::Error>>;

impl<S: Read + Write> Peer<S> {
    fn serve(&mut self) -> Served {
        loop {
            self.next()?;
        }
    }

    /// Takes one frame; true when it was an acknowledgement.
    fn next(&mut self) -> Result<bool, Box<tungstenite::Error>> {
        let Message::Text(text) = self.socket.read()? else { return Ok(false) };
        let frame: Frame<'_> = serde_json::from_str(&text).expect("a frame of JSON-RPC");
        let Some(method) = frame.method else { return Ok(true) };
        let params: Params<'_> = frame.params.map(|raw| parse(raw.get())).unwrap_or_default();
        let id = frame.id.get();
        match method {
            "signalwire.connect" => self.reply(id, r#"{"protocol":"signalwire_bench_1","identity":"bench"}"#)?,
            "calling.answer" => {
                self.accept(id)?;
                self.state(&params, "answered")?;
            }
            "calling.play" => {
                self.accept(id)?;
                let Params { call_id, node_id, control_id, .. } = params;
                let payload = format!(
                    r#"{{"call_id":"{call_id}","node_id":"{node_id}","control_id":"{control_id}","state":"finished"}}"#
                );
                self.event("calling.call.play", &payload)?;
            }
            "calling.end" => {
                self.accept(id)?;
                self.state(&params, "ended")?;
            }
            "bench.calls" => {
                self.accept(id)?;
                for _ in 0..params.count {
                    self.calls += 1;
                    let payload = format!(
                        r#"{{"call_id":"{}","node_id":"node-1","call_state":"created","direction":"inbound","device":{{"type":"phone","params":{{"from_number":"+15550001111","to_number":"+15550002222"}}}},"project_id":"bench","context":"bench","segment_id":"segment-{:08}","tag":""}}"#,
                        call_id(self.calls),
                        self.calls
                    );
                    self.event("calling.call.receive", &payload)?;
                }
            }
            "bench.end" => {
                for call in self.held..self.calls {
                    let call_id = call_id(call + 1);
                    self.state(&Params { call_id: &call_id, node_id: "node-1", ..Params::default() }, "ended")?;
                }
                self.held = self.calls;
                self.accept(id)?;
            }
            "bench.flood" => {
                self.flood(&params)?;
                self.accept(id)?;
            }
            _ => self.accept(id)?,
        }
        Ok(false)
    }

    /// Sends events, and returns when all of them are acknowledged.
    fn flood(&mut self, params: &Params<'_>) -> Served {
        let payload = format!(
            r#"{{"call_id":"{}","node_id":"node-1","control_id":"control-0001","state":"playing"}}"#,
            params.call_id
        );
        let mut open = 0;
        for sent in 1..=params.count {
            self.event("calling.call.play", &payload)?;
            open += 1;
            if sent % BATCH == 0 || sent == params.count {
                self.socket.get_mut().send().map_err(tungstenite::Error::from)?;
                let allowed = if sent == params.count { 0 } else { WINDOW };
                while open > allowed {
                    open -= usize::from(self.next()?);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, id: &str) -> Served {
        self.reply(id, r#"{"code":"200","message":"OK"}"#)
    }

    fn reply(&mut self, id: &str, result: &str) -> Served {
        self.put(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
    }

    fn state(&mut self, params: &Params<'_>, state: &str) -> Served {
        let Params { call_id, node_id, .. } = params;
        let payload = format!(
            r#"{{"call_id":"{call_id}","node_id":"{node_id}","call_state":"{state}","direction":"inbound","segment_id":"segment-1"}}"#
        );
        self.event("calling.call.state", &payload)
    }

    fn event(&mut self, event_type: &str, payload: &str) -> Served {
        self.events += 1;
        let mut text = String::with_capacity(payload.len() + 256);
        let written = write!(
            text,
            r#"{{"jsonrpc":"2.0","id":"0b6f2a52-5d0e-4c1f-8a35-{:012x}","method":"signalwire.event","params":{{"event_type":"{event_type}","event_channel":"bench","timestamp":1700000000.125,"project_id":"bench","params":{payload}}}}}"#,
            self.events
        );
        written.expect("a string has room");
        self.put(text)
    }

    fn put(&mut self, text: String) -> Served {
        Ok(self.socket.write(Message::text(text))?)
    }
}

fn call_id(number: usize) -> String {
    format!("7d1f8a5c-9b1e-4f52-b0aa-{number:012x}")
}

fn parse(params: &str) -> Params<'_> {
    // The parameters of other methods have other types; nothing of theirs is needed.
    serde_json::from_str(params).unwrap_or_default()
}
