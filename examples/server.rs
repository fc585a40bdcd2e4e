//! A service that handles calls and has an HTTP port: health, metrics and click-to-call, and a clean stop on SIGTERM.
//!
//! `server [ADDRESS [FROM]]` listens on ADDRESS (default: 127.0.0.1:8080) and dials from the number FROM:
//!
//! - `GET /health`: 200 while the client is online, otherwise 503. For a load balancer or an orchestrator.
//! - `GET /metrics`: the statistics of the client for Prometheus.
//! - `POST /call` with `{"to": "+15552222222"}` as `application/json`: calls that number, speaks, and hangs up. The response
//!   is sent at once. Everyone who reaches the port can call: keep it on the loopback, or behind a gateway with authentication.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::{Client, Dialing, ErrorKind, HandlerResult, Result, phone, simulator, tts};

/// Number of requests that are served at a time.
const THREADS: usize = 4;
/// Timeout of a peer that sends or reads nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// Largest size of a request.
const LARGEST: u64 = 16 << 10;

struct Service {
    /// Set when the client has connected for the first time.
    client: OnceLock<Client>,
    from: String,
}

struct Response {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Response {
    fn json(status: &'static str, body: &Value) -> Self {
        Self { status, kind: "application/json", body: format!("{body}\n") }
    }

    fn refused(status: &'static str, why: &str) -> Self {
        Self::json(status, &json!({"error": why}))
    }
}

fn main() -> HandlerResult {
    // Without an account the program runs on a simulator. Not needed in yours.
    simulator::rehearse_with(["127.0.0.1:0", "+15551111111", "visit"], |sim| {
        sim.callee("+15552222222").answers_after(Duration::from_secs(3));
    });
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let from = arguments.next().unwrap_or_else(|| "+15551111111".into());
    let is_visited = arguments.next().is_some_and(|word| word == "visit");

    // The port opens before the client connects, so that an orchestrator sees "not ready" and not a refused connection.
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let service = Arc::new(Service { client: OnceLock::new(), from });
    for _ in 0..THREADS {
        let (service, listener) = (Arc::clone(&service), listener.try_clone()?);
        thread::spawn(move || serve(&service, &listener));
    }

    let client = Client::builder().contexts(["default"]).retry_first_connect(true).connect()?;
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Welcome."))?.wait(None)?;
        call.hangup()?;
        Ok(())
    });
    let client = service.client.get_or_init(|| client);
    let visitor = is_visited.then(|| visit(address, client.clone()));
    // SIGTERM and SIGINT end `run`: no new calls are accepted, and live calls have 30 s to finish.
    client.run()?;
    println!("stopped, with {} live calls", client.stats().calls);
    match visitor.map(thread::JoinHandle::join) {
        Some(Ok(visited)) => Ok(visited?),
        Some(Err(_)) => Err("the visitor failed".into()),
        None => Ok(()),
    }
}

fn serve(service: &Service, listener: &TcpListener) {
    loop {
        match listener.accept() {
            // An error with one peer does not stop the server.
            Ok((peer, _)) => drop(respond(service, &peer)),
            Err(error) => eprintln!("no connection accepted: {error}"),
        }
    }
}

fn respond(service: &Service, mut peer: &TcpStream) -> io::Result<()> {
    peer.set_read_timeout(Some(SILENCE))?;
    peer.set_write_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(peer.take(LARGEST));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut is_json) = (0, false);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "content-type" => is_json = value.trim().starts_with("application/json"),
            _ => {}
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let mut words = first.split_whitespace();
    let response = match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("GET", "/health") => health(service),
        ("GET", "/metrics") => metrics(service),
        // A page of another site cannot send this type without a CORS preflight.
        ("POST", "/call") if is_json => call(service, &body),
        ("POST", "/call") => Response::refused("415 Unsupported Media Type", "expected application/json"),
        _ => Response::refused("404 Not Found", "expected GET /health, GET /metrics or POST /call"),
    };
    let Response { status, kind, body } = response;
    let length = body.len();
    write!(
        peer,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn health(service: &Service) -> Response {
    match service.client.get() {
        Some(client) if client.state().is_online() => Response::json("200 OK", &json!({"online": true})),
        _ => Response::json("503 Service Unavailable", &json!({"online": false})),
    }
}

fn metrics(service: &Service) -> Response {
    let body = service.client.get().map(|client| client.stats().to_prometheus()).unwrap_or_default();
    Response { status: "200 OK", kind: "text/plain; version=0.0.4", body }
}

fn call(service: &Service, body: &str) -> Response {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(to) = request["to"].as_str() else {
        return Response::refused("400 Bad Request", "expected an object such as {\"to\": \"+15552222222\"}");
    };
    let Some(client) = service.client.get() else {
        return Response::refused("503 Service Unavailable", "not connected yet");
    };
    let dialing = match client.start_dial(phone(to).from(&service.from).timeout(Duration::from_secs(30))) {
        Ok(dialing) => dialing,
        Err(error) if error.kind() == ErrorKind::Config => {
            return Response::refused("400 Bad Request", &error.to_string());
        }
        // The client is draining or offline, and another instance may accept the call.
        Err(error) => return Response::refused("503 Service Unavailable", &error.to_string()),
    };
    let tag = dialing.tag().to_owned();
    // The call keeps the client from stopping until it has ended.
    thread::spawn(move || {
        if let Err(error) = talk(&dialing) {
            println!("the call failed: {error}");
        }
    });
    Response::json("202 Accepted", &json!({"tag": tag}))
}

fn talk(dialing: &Dialing) -> Result<()> {
    let call = dialing.wait(None)?;
    call.play(tts("This is the call that you asked for."))?.wait(None)?;
    call.hangup()
}

/// Acts as a visitor if there is no account: reads the health, requests a call, and stops the service when the call
/// has ended.
fn visit(address: SocketAddr, client: Client) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let done = (|| {
            println!("GET /health: {}", request(address, "GET /health", "")?);
            println!("POST /call: {}", request(address, "POST /call", r#"{"to": "+15552222222"}"#)?);
            let metrics = request(address, "GET /metrics", "")?;
            println!("GET /metrics: {} lines", metrics.lines().count());
            Ok(())
        })();
        // Like SIGTERM, this lets live calls finish first.
        client.shutdown(Duration::from_secs(30));
        done
    })
}

fn request(address: SocketAddr, line: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    match head.starts_with("HTTP/1.1 20") {
        true => Ok(body.trim().to_owned()),
        false => Err(io::Error::other(format!("{line}: {response}"))),
    }
}
