//! The floor with threads: a reader and blocking callers, which receive their responses over crossbeam channels. TLS
//! runs over a pipe in memory, because a stream of native-tls cannot be read and written at the same time. Events are
//! acknowledged when no more bytes can be read, or when a few are waiting.

// No benchmark uses all of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use native_tls::{HandshakeError, TlsConnector, TlsStream};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket, client};

use crate::floor::{CONNECT, Frame, connector};
use crate::support::{Bench, Scheme};

/// The two directions of ciphertext.
#[derive(Debug, Default)]
struct Pipe {
    incoming: Vec<u8>,
    read: usize,
    outgoing: Vec<u8>,
}

impl Pipe {
    fn feed(&mut self, bytes: &[u8]) {
        if self.read == self.incoming.len() {
            self.incoming.clear();
            self.read = 0;
        }
        self.incoming.extend_from_slice(bytes);
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.incoming[self.read..];
        if rest.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = rest.read(into)?;
        self.read += count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One direction's view of the connection.
struct Half {
    socket: TcpStream,
    tls: Option<Arc<Mutex<TlsStream<Pipe>>>>,
    scratch: Vec<u8>,
    /// Of the reading half: what is sent before it blocks.
    acks: Option<Arc<Writer>>,
}

type Writer = Mutex<WebSocket<Half>>;

impl Half {
    fn twin(&self) -> Self {
        let socket = self.socket.try_clone().expect("a handle");
        Self { socket, tls: self.tls.clone(), scratch: vec![0; 32 << 10], acks: None }
    }

    fn send_acks(&self) {
        if let Some(acks) = &self.acks {
            // An error is the end of the connection, which reading finds, too.
            let _end = acks.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }
}

impl Read for Half {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            self.send_acks();
            return self.socket.read(into);
        };
        let mut received = 0;
        loop {
            {
                let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
                tls.get_mut().feed(&self.scratch[..received]);
                match tls.read(into) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    result => return result,
                }
            }
            self.send_acks();
            received = self.socket.read(&mut self.scratch)?;
            if received == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.socket.write(bytes) };
        let cipher = {
            let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
            tls.write_all(bytes)?;
            std::mem::take(&mut tls.get_mut().outgoing)
        };
        self.socket.write_all(&cipher)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Table = Mutex<HashMap<u64, Sender<()>>>;

/// Gets the payload of every event, on the reader.
pub type OnEvent = Box<dyn FnMut(&str) + Send>;

/// Largest number of waiting acknowledgements.
const ACKS: usize = 64;

pub struct Crowd {
    socket: TcpStream,
    writer: Arc<Writer>,
    table: Arc<Table>,
    requests: AtomicU64,
    reader: Option<JoinHandle<()>>,
}

/// The channel of one caller's responses.
pub struct Caller<'a> {
    crowd: &'a Crowd,
    sender: Sender<()>,
    receiver: Receiver<()>,
}

impl Crowd {
    /// Connects and authenticates.
    pub fn connect(bench: &Bench, scheme: Scheme) -> Self {
        let tls = (scheme == Scheme::Wss).then(|| connector(bench));
        Self::connect_with(bench, scheme, tls.as_ref(), Box::new(|_| ()))
    }

    pub fn connect_with(bench: &Bench, scheme: Scheme, tls: Option<&TlsConnector>, on_event: OnEvent) -> Self {
        let port = bench.port(scheme);
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        let tls = tls.map(|tls| shake(tls, &socket));
        let half = Half { socket, tls, scratch: vec![0; 32 << 10], acks: None };
        let (twin, socket) = (half.twin(), half.socket.try_clone().expect("a handle"));
        let settings = WebSocketConfig::default().read_buffer_size(16 << 10);
        let url = format!("{}://127.0.0.1:{port}/", scheme.name());
        let Ok((mut frames, _)) = client::client_with_config(url, half, Some(settings)) else { panic!("no upgrade") };
        let table = Arc::new(Table::default());
        let its_table = Arc::clone(&table);
        let writer = Arc::new(Mutex::new(WebSocket::from_raw_socket(twin, Role::Client, Some(settings))));
        frames.get_mut().acks = Some(Arc::clone(&writer));
        let acks = Arc::clone(&writer);
        let reader = thread::spawn(move || read(frames, &its_table, &acks, on_event));
        let crowd = Self { socket, writer, table, requests: AtomicU64::new(0), reader: Some(reader) };
        crowd.caller().ask("signalwire.connect", CONNECT);
        crowd
    }

    pub fn caller(&self) -> Caller<'_> {
        let (sender, receiver) = bounded(1);
        Caller { crowd: self, sender, receiver }
    }
}

impl Caller<'_> {
    /// A request and its response.
    pub fn ask(&self, method: &str, params: &str) {
        let crowd = self.crowd;
        let id = crowd.requests.fetch_add(1, Ordering::Relaxed);
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":"5c6fa1f0-3f5a-4c0e-9d53-{id:012x}","method":"{method}","params":{params}}}"#
        );
        crowd.table.lock().unwrap_or_else(PoisonError::into_inner).insert(id, self.sender.clone());
        crowd.writer.lock().unwrap_or_else(PoisonError::into_inner).send(Message::text(text)).expect("written");
        self.receiver.recv().expect("a reply");
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _gone = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _panicked = reader.join();
        }
    }
}

fn read(mut frames: WebSocket<Half>, table: &Table, acks: &Writer, mut on_event: OnEvent) {
    let mut waiting = 0;
    // An error is the end of the connection.
    while let Ok(message) = frames.read() {
        let Message::Text(text) = message else { continue };
        let frame = Frame::parse(&text);
        if let (Some(_), Some(params)) = (frame.method, frame.params) {
            on_event(params.get());
            let ack = format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{}}}}"#, frame.id);
            let mut acks = acks.lock().unwrap_or_else(PoisonError::into_inner);
            waiting += 1;
            let _end = acks.write(Message::text(ack));
            if waiting % ACKS == 0 {
                let _end = acks.flush();
            }
            continue;
        }
        let id = frame.id.rsplit('-').next().and_then(|id| u64::from_str_radix(id, 16).ok());
        let waiter = id.and_then(|id| table.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        waiter.expect("a request").send(()).expect("its caller");
    }
}

fn shake(tls: &TlsConnector, mut socket: &TcpStream) -> Arc<Mutex<TlsStream<Pipe>>> {
    let mut scratch = vec![0; 16 << 10];
    let mut step = tls.connect("127.0.0.1", Pipe::default());
    loop {
        match step {
            Ok(mut stream) => {
                let last = std::mem::take(&mut stream.get_mut().outgoing);
                socket.write_all(&last).expect("written");
                return Arc::new(Mutex::new(stream));
            }
            Err(HandshakeError::WouldBlock(mut middle)) => {
                let ours = std::mem::take(&mut middle.get_mut().outgoing);
                socket.write_all(&ours).expect("written");
                let count = socket.read(&mut scratch).expect("an answer");
                middle.get_mut().feed(&scratch[..count]);
                step = middle.handshake();
            }
            Err(HandshakeError::Failure(e)) => panic!("TLS: {e}"),
        }
    }
}
