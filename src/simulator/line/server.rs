//! Sockets and threads: one thread accepts, and each connection has a reader and a writer.
//!
//! The reader never writes once the handshakes are done, so a client that does not read cannot stop it. No thread
//! polls: readers block in `recv`, writers on their queue, and shutting the sockets down wakes all of them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::clock::{Clock, Receiver, Sender, Whose};
use crate::error::Phase;
use crate::simulator::line::handshake::{HandshakeFault, Trouble};
use crate::simulator::line::host::{Host, Line};
use crate::simulator::line::link::Link;
use crate::simulator::line::out::Out;
use crate::simulator::line::tls;

/// A client that takes no byte for this long is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Longest time that a connection of the server to itself may take; only a full queue of others delays it.
const REACH_LIMIT: Duration = Duration::from_secs(1);

/// Number of frames that are written before they are flushed together.
const BATCH: usize = 256;

/// The listener of the simulator with its connections and threads.
pub(crate) struct Server {
    host: Arc<dyn Host>,
    address: SocketAddr,
    tls: Option<tls::Acceptor>,
    sockets: Mutex<HashMap<u64, Arc<Link>>>,
    next_socket: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
    listening: Mutex<Option<Listening>>,
    keeper: Mutex<Keeper>,
    closed: AtomicBool,
}

/// A connection from the server to itself. The system assigns no port that has a connection when a program asks for a
/// free one. The port therefore stays the server's, also between `stop_listening` and `listen_again`.
#[derive(Default)]
struct Keeper {
    near: Option<TcpStream>,
    far: Option<TcpStream>,
}

/// The thread that accepts connections.
struct Listening {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(host: Arc<dyn Host>, listen: SocketAddr, tls: Option<tls::Acceptor>) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(listen)?;
        let server = Arc::new(Self {
            host,
            address: listener.local_addr()?,
            tls,
            sockets: Mutex::new(HashMap::new()),
            next_socket: AtomicUsize::new(0),
            threads: Mutex::new(Vec::new()),
            listening: Mutex::new(None),
            keeper: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let timer = Arc::clone(&server.host);
        server.spawn("simulator-timer", move || timer.keeps_time())?;
        // Without this connection everything works, except that another program may take the port while the simulator
        // does not listen.
        server.keeper.lock().near = server.reach().ok();
        server.listen(listener)?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address at which this machine reaches the server: the loopback address if the server listens everywhere.
    pub(crate) fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        address
    }

    /// Connects to the server itself.
    fn reach(&self) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&self.reachable(), REACH_LIMIT)
    }

    /// Keeps the other end of the connection that reserves the port; returns every other connection.
    fn keep(&self, socket: TcpStream) -> Option<TcpStream> {
        let mut keeper = self.keeper.lock();
        let near = keeper.near.as_ref().and_then(|near| near.local_addr().ok());
        if near.is_none() || near != socket.peer_addr().ok() {
            return Some(socket);
        }
        keeper.far = Some(socket);
        None
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = self.host.clock().spawn(Whose::Service, name, body)?;
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    fn listen(self: &Arc<Self>, listener: TcpListener) -> io::Result<()> {
        self.host.clock().serves(self.address);
        let stop = Arc::new(AtomicBool::new(false));
        let (server, stopped) = (Arc::downgrade(self), Arc::clone(&stop));
        // Accepting uses real time, because a connection that waits to be accepted holds virtual time up.
        let clock = Clock::real();
        let thread = std::thread::Builder::new().name("simulator-accept".into()).spawn(move || {
            let (pause, bell) = (Mutex::new(()), Condvar::new());
            loop {
                let accepted = listener.accept();
                let Some(server) = server.upgrade() else { return };
                let accepted = match accepted.map(|(socket, _)| server.keep(socket)) {
                    Ok(None) => continue,
                    Ok(socket) => socket,
                    Err(_) => None,
                };
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                match accepted {
                    Some(socket) => server.take(socket),
                    None => {
                        // The system has too many open files, for example. Nothing can wake this thread earlier.
                        let mut guard = pause.lock();
                        clock.wait(&bell, &mut guard, clock.after(Duration::from_millis(10)));
                    }
                }
            }
        })?;
        *self.listening.lock() = Some(Listening { stop, thread });
        Ok(())
    }

    /// Refuses new connections, and keeps the port, until [`listen_again`](Self::listen_again).
    pub(crate) fn stop_listening(&self) {
        let Some(listening) = self.listening.lock().take() else { return };
        listening.stop.store(true, Ordering::Release);
        // A connection wakes the accepting thread. If the connection is refused, the queue is full, and its
        // connections wake the thread.
        let _ = self.reach();
        join(listening.thread);
        self.host.clock().serves_no_more(self.address);
    }

    pub(crate) fn listen_again(self: &Arc<Self>) -> io::Result<()> {
        if self.listening.lock().is_some() {
            return Ok(());
        }
        self.listen(TcpListener::bind(self.address)?)
    }

    fn take(self: &Arc<Self>, socket: TcpStream) {
        let socket = self.host.lines().link(socket);
        let number = self.next_socket.fetch_add(1, Ordering::Relaxed) as u64;
        self.sockets.lock().insert(number, Arc::clone(&socket));
        if self.closed.load(Ordering::Acquire) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let server = Arc::clone(self);
        let spawned = self.spawn("simulator-reader", move || {
            server.serve(&socket);
            if !socket.is_reset() {
                let _ = socket.shutdown(Shutdown::Both);
            }
            server.sockets.lock().remove(&number);
        });
        if spawned.is_err() {
            self.sockets.lock().remove(&number);
        }
    }

    /// Serves a connection from its beginning to its end, on its reader thread.
    fn serve(self: &Arc<Self>, socket: &Arc<Link>) {
        let (out, queue) = self.host.clock().unbounded();
        if socket.set_nodelay(true).is_err() || socket.set_write_timeout(Some(WRITE_LIMIT)).is_err() {
            return;
        }
        let Some(troubles) = self.host.admits() else { return };
        let trouble = |phase: Phase| troubles.iter().find(|trouble| trouble.phase == phase);
        let is_tls = self.is_tls();
        // On a port without TLS the upgrade is the first phase with bytes.
        let first = [Some(Phase::Tcp), is_tls.then_some(Phase::Tls)];
        for trouble in first.into_iter().flatten().filter_map(trouble) {
            let mut io = Io::Plain(Arc::clone(socket));
            if !fault_handshake(&mut io, None, socket, trouble) {
                return;
            }
        }
        let Some((mut reading, mut writing)) = self.halves(socket, &out) else { return };
        socket.drip(None);
        if let Some(trouble) = trouble(Phase::Upgrade) {
            if !fault_handshake(&mut reading, Some(&mut writing), socket, trouble) {
                return;
            }
        }
        let limits = WebSocketConfig::default().read_buffer_size(16 << 10);
        let Ok(mut websocket) =
            tungstenite::accept_with_config(ReadHalf { io: reading, established: false }, Some(limits))
        else {
            return;
        };
        websocket.get_mut().established = true;
        socket.established();
        let unread = Arc::new(AtomicUsize::new(0));
        let (to_writer, link) = (out.clone(), Arc::clone(socket));
        let trouble = trouble(Phase::Auth).cloned();
        let conn = self.host.connected(Line { out: to_writer, unread: Arc::clone(&unread), link, trouble });
        let (clock, raw) = (self.host.clock().clone(), Arc::clone(socket));
        let (writes, written) = self.host.clock().bounded::<()>(1);
        let writer = self.spawn("simulator-writer", move || {
            let _writes = writes;
            let websocket = WebSocket::from_raw_socket(WriteHalf { io: writing }, Role::Server, None);
            // After a regular close, the reader continues until the client has closed its side as well.
            let end = if write(&clock, websocket, &queue, &unread) { Shutdown::Write } else { Shutdown::Both };
            if !raw.is_reset() {
                let _ = raw.shutdown(end);
            }
        });
        let closed = if writer.is_ok() { self.read(conn, &mut websocket, &out) } else { None };
        let frozen = self.host.ended(conn);
        if socket.is_reset() {
            // The client responds to this ping, and its response is left unread.
            let _ = out.send(Out::Ping(Vec::new()));
            socket.leave_unread();
            let _ = out.send(Out::Abandon);
            return;
        }
        socket.reads_no_more();
        if let Some(code) = closed.filter(|_| !frozen) {
            let _ = out.send(code.map_or(Out::Close, |code| Out::CloseWith(code, String::new())));
            // The caller shuts the connection down, and the close must be written before. The end of the channel
            // reports the end of the writer.
            let _ = self.host.clock().recv(&written, self.host.clock().after(WRITE_LIMIT));
        } else {
            let _ = out.send(Out::Close);
        }
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads until the end; returns the code of the client's Close, if it sent one. The outer `None` is an end without
    /// a Close.
    fn read(&self, conn: u64, websocket: &mut WebSocket<ReadHalf>, out: &Sender<Out>) -> Option<Option<u16>> {
        loop {
            match websocket.read() {
                Ok(Message::Text(text)) => self.host.text(conn, text.as_str()),
                Ok(Message::Binary(_)) => self.host.binary(conn),
                Ok(Message::Ping(payload)) => {
                    let _ = out.send(Out::Pong(payload.to_vec()));
                }
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(frame)) => return Some(frame.map(|frame| frame.code.into())),
                Err(_) => return None,
            }
        }
    }

    fn halves(&self, socket: &Arc<Link>, out: &Sender<Out>) -> Option<(Io, Io)> {
        match &self.tls {
            None => Some((Io::Plain(Arc::clone(socket)), Io::Plain(Arc::clone(socket)))),
            Some(acceptor) => {
                let (reading, writing) = acceptor.accept(socket, out)?;
                Some((Io::Tls(reading), Io::Tls(writing)))
            }
        }
    }

    /// Ends everything, and waits for the threads.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.stop_listening();
        *self.keeper.lock() = Keeper::default();
        self.host.stopping();
        let sockets: Vec<_> = self.sockets.lock().values().map(Arc::clone).collect();
        for socket in sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        // Writers end when their queue has no sender.
        self.host.cut_all();
        loop {
            let threads = std::mem::take(&mut *self.threads.lock());
            if threads.is_empty() {
                return;
            }
            threads.into_iter().for_each(join);
        }
    }
}

/// Waits for a thread, unless it is the calling one.
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // A thread that panicked has ended too.
        let _ = thread.join();
    }
}

/// The body of a writer thread; returns `true` if the connection was closed regularly.
fn write(clock: &Clock, mut websocket: WebSocket<WriteHalf>, queue: &Receiver<Out>, unread: &AtomicUsize) -> bool {
    while let Ok(first) = clock.recv(queue, None) {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(out) = next {
            let done = match out {
                Out::Text(text) => {
                    unread.fetch_sub(text.len(), Ordering::Relaxed);
                    websocket.write(Message::text(text))
                }
                Out::Binary(bytes) => websocket.write(Message::binary(bytes)),
                Out::Ping(payload) => websocket.write(Message::Ping(payload.into())),
                Out::Pong(payload) => websocket.write(Message::Pong(payload.into())),
                Out::Bytes(bytes) => match websocket.flush() {
                    Ok(()) => websocket.get_mut().write_all(&bytes).map_err(Into::into),
                    Err(error) => Err(error),
                },
                Out::Abandon => return false,
                Out::CloseWith(code, reason) => {
                    let frame = CloseFrame { code: code.into(), reason: reason.into() };
                    let _ = websocket.close(Some(frame));
                    return websocket.flush().is_ok();
                }
                Out::Flush => websocket.get_mut().io.flush_deferred().map_err(Into::into),
                Out::End => return websocket.flush().is_ok(),
                Out::Close => {
                    let _ = websocket.close(None);
                    return websocket.flush().is_ok();
                }
            };
            if done.is_err() {
                return false;
            }
            taken += 1;
            next = if taken < BATCH { queue.try_recv().ok() } else { None };
        }
        if websocket.flush().is_err() {
            return false;
        }
    }
    false
}

/// Applies a fault to a handshake; returns `false` if the connection ends with it. Without `writing`, both directions
/// are `reading`'s.
fn fault_handshake(reading: &mut Io, writing: Option<&mut Io>, link: &Link, trouble: &Trouble) -> bool {
    let answer: Vec<u8> = match &trouble.what {
        HandshakeFault::Drip(pause) => {
            link.drip(Some(*pause));
            return true;
        }
        HandshakeFault::Cut => return false,
        HandshakeFault::Reset => {
            link.leave_unread();
            return false;
        }
        HandshakeFault::Silence => Vec::new(),
        HandshakeFault::Garbage(bytes) => bytes.clone(),
        HandshakeFault::Http(status, body) => format!(
            "HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    };
    if !answer.is_empty() {
        // The client's first bytes, as far as they arrive in one piece.
        let mut said = [0; 4096];
        if !matches!(reading.read(&mut said), Ok(1..)) {
            return false;
        }
        if match writing {
            Some(writing) => writing.write_all(&answer),
            None => reading.write_all(&answer),
        }
        .is_err()
        {
            return false;
        }
        if matches!(trouble.what, HandshakeFault::Http(..)) {
            let _ = link.shutdown(Shutdown::Write);
        }
    }
    let mut swallowed = [0; 4096];
    while matches!(reading.read(&mut swallowed), Ok(1..)) {}
    false
}

/// One direction of a connection.
enum Io {
    Plain(Arc<Link>),
    Tls(tls::Half),
}

impl Io {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(half) => half.read(into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(half) => half.write(bytes),
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.write(bytes)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn flush_deferred(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(half) => half.flush_deferred(),
        }
    }
}

/// The stream that the reader's WebSocket reads from. Its automatic responses are sent by the writer instead.
struct ReadHalf {
    io: Io,
    established: bool,
}

impl Read for ReadHalf {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.io.read(into)
    }
}

impl Write for ReadHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.established { Ok(bytes.len()) } else { self.io.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The stream that the writer's WebSocket writes to.
struct WriteHalf {
    io: Io,
}

impl Read for WriteHalf {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.io.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
