//! A service made by hand: a port, and frames that the test itself sends and reads.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use signalwire_relay::{Builder, Client};
use tungstenite::{Message, WebSocket};

use super::{LONG, millis};

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
            .tuning(|t| t.reconnect_delay(millis(5), millis(20)))
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

/// Reads until the other side has closed, and returns everything that was read.
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

    /// Waits until the client has closed.
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
