//! The floor: the same frames by one thread, on a blocking tungstenite socket without further layers.

// No benchmark uses all of it.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use native_tls::{Certificate, TlsConnector};
use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, Utf8Bytes, WebSocket, client};

use crate::support::{Bench, Scheme};

/// A stream of either kind.
pub trait Duplex: Read + Write {}

impl<S: Read + Write> Duplex for S {}

pub struct Floor {
    socket: WebSocket<Box<dyn Duplex>>,
    requests: u64,
}

/// A received frame, as far as the floor reads it.
#[derive(Deserialize)]
pub struct Frame<'a> {
    pub id: &'a str,
    pub method: Option<&'a str>,
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
}

impl<'a> Frame<'a> {
    pub fn parse(text: &'a str) -> Self {
        serde_json::from_str(text).expect("a frame")
    }
}

/// A connector that trusts the server of the benchmarks.
pub fn connector(bench: &Bench) -> TlsConnector {
    connector_for(bench.certificate().as_bytes())
}

fn connector_for(pem: &[u8]) -> TlsConnector {
    let certificate = Certificate::from_pem(pem).expect("a certificate");
    TlsConnector::builder().add_root_certificate(certificate).build().expect("TLS")
}

/// The request that authenticates a connection.
pub const CONNECT: &str = r#"{"version":{"major":2,"minor":0,"revision":0},"agent":"bench","event_acks":true,"authentication":{"project":"bench","token":"bench"},"contexts":["bench"]}"#;

impl Floor {
    /// Connects and authenticates.
    pub fn connect(bench: &Bench, scheme: Scheme) -> Self {
        Self::connect_with(bench, scheme, (scheme == Scheme::Wss).then(|| connector(bench)).as_ref())
    }

    pub fn connect_with(bench: &Bench, scheme: Scheme, tls: Option<&TlsConnector>) -> Self {
        Self::connect_to(bench.port(scheme), tls)
    }

    /// Connects in a process that knows only the address of the server.
    pub fn connect_at(port: u16, ca_file: Option<&Path>) -> Self {
        let tls = ca_file.map(|file| connector_for(&std::fs::read(file).expect("a file")));
        Self::connect_to(port, tls.as_ref())
    }

    fn connect_to(port: u16, tls: Option<&TlsConnector>) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        tcp.set_nodelay(true).expect("a socket");
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(tls.connect("127.0.0.1", tcp).expect("TLS")),
        };
        let url = format!("{scheme}://127.0.0.1:{port}/");
        let settings = WebSocketConfig::default().read_buffer_size(16 << 10);
        let Ok((socket, _)) = client::client_with_config(url, stream, Some(settings)) else { panic!("no upgrade") };
        let mut floor = Self { socket, requests: 0 };
        floor.ask("signalwire.connect", CONNECT);
        floor
    }

    /// A request and its response.
    pub fn ask(&mut self, method: &str, params: &str) {
        let asked = self.request(method, params);
        self.flush();
        let text = self.read();
        let frame = Frame::parse(&text);
        assert!(frame.id == asked && frame.result.is_some() && frame.method.is_none(), "a reply");
        assert!(frame.params.is_none(), "a reply");
    }

    /// Queues a request and gives its id.
    pub fn request(&mut self, method: &str, params: &str) -> String {
        self.requests += 1;
        let id = format!("5c6fa1f0-3f5a-4c0e-9d53-{:012x}", self.requests);
        self.write(format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{params}}}"#));
        id
    }

    pub fn write(&mut self, text: String) {
        self.socket.write(Message::text(text)).expect("written");
    }

    pub fn flush(&mut self) {
        self.socket.flush().expect("written");
    }

    pub fn read(&mut self) -> Utf8Bytes {
        loop {
            if let Message::Text(text) = self.socket.read().expect("a frame") {
                return text;
            }
        }
    }
}
