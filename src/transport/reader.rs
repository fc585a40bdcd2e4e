//! The read half: frames out of a blocking `recv`, with no lock held while it blocks.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tungstenite::Error as WsError;

use super::frames::{Decoder, Frame};
use super::tls::Tls;
use super::writer::WRITE_SLICE;
use crate::clock::{Clock, Deadline, Tcp, uninterrupted};

/// How much one `recv` takes at most.
const RECV: usize = 32 << 10;

/// So much of an answer to the upgrade is judged even when its end has not come.
const HEAD_PIECE: usize = 4096;

/// Why a link ended, seen from one of its halves. `Display` never shows what was sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    /// The peer closed it, or it was shut down here.
    Closed,
    /// The deadline of a read, or of a write before the link was up, has passed.
    TimedOut,
    /// The peer took no data for too long.
    Stalled,
    /// A frame was larger than the limit.
    TooLarge,
    /// The peer broke the rules of WebSocket or TLS.
    Protocol(Box<str>),
    /// The socket failed.
    Io(Box<str>),
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::TimedOut => f.write_str("time is up"),
            Self::Stalled => f.write_str("the peer takes no data"),
            Self::TooLarge => f.write_str("a frame was larger than the limit; Tuning::max_frame raises it"),
            Self::Protocol(why) => write!(f, "the peer broke the protocol: {why}"),
            Self::Io(why) => write!(f, "the connection failed: {why}"),
        }
    }
}

impl From<io::Error> for LinkEnd {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A timeout of the socket is one on Unix and the other on Windows.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            ErrorKind::UnexpectedEof | ErrorKind::WriteZero => Self::Closed,
            _ => Self::Io(error.to_string().into()),
        }
    }
}

impl From<WsError> for LinkEnd {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Io(error) => error.into(),
            other => Self::Protocol(other.to_string().into()),
        }
    }
}

/// When the last byte was received, and what it brought; readable from every thread.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    base: Instant,
    beats: Arc<Beats>,
}

/// Moments are nanoseconds since the base.
#[derive(Debug, Default)]
struct Beats {
    bytes: AtomicU64,
    last: AtomicU64,
    text: AtomicU64,
    reply: AtomicU64,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Self { base: now, beats: Arc::default() }
    }

    fn beat(&self, now: Instant, bytes: usize) {
        let nanos = now.saturating_duration_since(self.base).as_nanos();
        self.beats.last.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.beats.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// As if so many bytes had come at a time.
    #[cfg(test)]
    pub(crate) fn beat_with(&self, now: Instant, bytes: usize) {
        self.beat(now, bytes);
    }

    /// The bytes of before were a whole text frame.
    pub(crate) fn beat_text(&self) {
        self.beats.text.store(self.beats.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// That frame was the reply to a request.
    pub(crate) fn beat_reply(&self) {
        self.beats.reply.store(self.beats.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// When the last byte was received.
    pub(crate) fn last(&self) -> Instant {
        self.moment(&self.beats.last)
    }

    /// When the last text frame was complete.
    pub(crate) fn last_text(&self) -> Instant {
        self.moment(&self.beats.text)
    }

    /// When the last reply to a request was complete.
    pub(crate) fn last_reply(&self) -> Instant {
        self.moment(&self.beats.reply)
    }

    fn moment(&self, nanos: &AtomicU64) -> Instant {
        self.base + Duration::from_nanos(nanos.load(Ordering::Relaxed))
    }

    /// How many bytes were received.
    pub(crate) fn bytes(&self) -> u64 {
        self.beats.bytes.load(Ordering::Relaxed)
    }
}

/// The socket as the reading thread uses it: blocking, but never beyond a deadline if there is one.
pub(super) struct Wire {
    socket: Arc<Tcp>,
    clock: Clock,
    until: Deadline,
    /// The read timeout that the socket has now: setting one takes a system call.
    timeout: Option<Duration>,
}

/// So much later than its deadline a read may end: as long as little time has passed, the timeout stays as it was set.
const READ_SLACK: Duration = Duration::from_millis(50);

impl Wire {
    pub(super) fn new(socket: Arc<Tcp>, clock: Clock, until: Deadline) -> Self {
        Self { socket, clock, until, timeout: None }
    }

    /// Zero when the peer has closed; `TimedOut` when the deadline has passed.
    pub(super) fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.socket.keeps_deadlines() {
                return uninterrupted(|| self.socket.read(into, self.until));
            }
            let left = self.time_left()?;
            let fits = match (self.timeout, left) {
                (Some(timeout), Some(left)) => (left..=left.saturating_add(READ_SLACK)).contains(&timeout),
                (timeout, left) => timeout == left,
            };
            if !fits {
                self.socket.set_read_timeout(left)?;
                self.timeout = left;
            }
            match self.socket.read(into, self.until) {
                Err(e) if is_again(&e) => {}
                result => return result,
            }
        }
    }

    pub(super) fn send_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.time_left()?.unwrap_or(WRITE_SLICE);
            self.socket.limit_writes(left.min(WRITE_SLICE))?;
            match self.socket.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(e) if is_again(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The time left as a timeout for the socket, which must not be zero.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        match self.clock.left(self.until) {
            Some(Duration::ZERO) => Err(ErrorKind::TimedOut.into()),
            left => Ok(left.map(|left| left.max(Duration::from_millis(1)))),
        }
    }
}

/// Whether a system call only has to be made again; what its timeout is called depends on the system.
pub(super) fn is_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The bytes of the link, as they come out of TLS. Tungstenite reads from it, and writes to it, for the upgrade, and
/// blocks in it; after that the frames are decoded here, and the write half has all there is to write.
pub(super) struct Inlet {
    wire: Wire,
    tls: Option<Arc<Tls>>,
    /// Received and not yet used: ciphertext, or the text itself without TLS.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// TLS has nothing more to give without another `recv`.
    hungry: bool,
    /// What the upgrade asks for. Tungstenite is given another path, as it logs its request.
    path: Box<str>,
    /// The answer to the upgrade, as far as it was collected and not yet used.
    head: Vec<u8>,
    /// How much of that is for the upgrade; frames may follow.
    head_end: usize,
    pulse: Pulse,
}

impl Inlet {
    pub(super) fn new(wire: Wire, tls: Option<Arc<Tls>>, path: &str) -> Self {
        let pulse = Pulse::new(wire.clock.now());
        let buffer = vec![0; RECV].into_boxed_slice();
        let (path, head) = (path.into(), Vec::new());
        Self { wire, tls, buffer, start: 0, end: 0, hungry: false, path, head, head_end: 0, pulse }
    }

    /// Blocks in `recv`; to be called when the buffer is empty.
    fn fill(&mut self) -> io::Result<()> {
        let count = self.wire.recv(&mut self.buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (self.start, self.end) = (0, count);
        self.pulse.beat(self.wire.clock.now(), count);
        Ok(())
    }

    /// What can be had without blocking.
    fn give(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.buffer[self.start..self.end];
        let Some(tls) = &self.tls else {
            if waiting.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = waiting.len().min(into.len());
            into[..count].copy_from_slice(&waiting[..count]);
            self.start += count;
            return Ok(count);
        };
        if self.hungry && waiting.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let opened = tls.open(waiting, into);
        self.start = self.end;
        let (count, last) = match opened {
            Err(e) if e.kind() == ErrorKind::WouldBlock => (Err(e), true),
            Err(e) => return Err(e),
            Ok((count, last)) => (Ok(count), last),
        };
        self.hungry = last;
        count
    }

    /// Collects the answer to the upgrade up to the end of its head: tungstenite takes one that comes in many small
    /// pieces for an attack, and the deadline of the attempt is bound enough.
    fn collect(&mut self) -> io::Result<()> {
        let mut piece = [0; 1024];
        while !is_complete(&self.head) {
            match self.give(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.head.extend_from_slice(&piece[..count]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.fill()?,
                Err(e) => return Err(e),
            }
        }
        // Behind the head of a refusal comes its body; behind that of an upgrade come frames, which are ours.
        self.head_end = end_of_head(&self.head).filter(|_| is_upgrade(&self.head)).unwrap_or(self.head.len());
        Ok(())
    }
}

fn end_of_head(head: &[u8]) -> Option<usize> {
    head.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_upgrade(head: &[u8]) -> bool {
    head.split(|byte| *byte == b' ').nth(1) == Some(b"101")
}

/// Whether there is something to judge: a whole head, what is no head of HTTP, or too much for one.
fn is_complete(head: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let begun = head.len().min(BEGINNING.len());
    head[..begun] != BEGINNING[..begun] || head.len() >= HEAD_PIECE || end_of_head(head).is_some()
}

impl Read for Inlet {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.head_end == 0 {
            self.collect()?;
        }
        let count = self.head_end.min(into.len());
        into[..count].copy_from_slice(&self.head[..count]);
        self.head.drain(..count);
        self.head_end -= count;
        Ok(count)
    }
}

impl Write for Inlet {
    /// Takes the request for the upgrade, which tungstenite writes in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = bytes.strip_prefix(b"GET / ").ok_or(ErrorKind::InvalidInput)?;
        let request = [b"GET ", self.path.as_bytes(), b" ", rest].concat();
        match &self.tls {
            None => self.wire.send_all(&request)?,
            Some(tls) => {
                let mut cipher = Vec::new();
                tls.seal(&request, &mut cipher)?;
                self.wire.send_all(&cipher)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading side of a link, owned by the reader thread.
pub(crate) struct ReadHalf {
    inlet: Inlet,
    decoder: Decoder,
    /// A close frame has come, after which nothing does.
    closed: bool,
}

impl ReadHalf {
    /// Goes on where the upgrade ended, behind which frames may have come already.
    pub(super) fn new(mut inlet: Inlet, max_frame: usize) -> Self {
        let decoder = Decoder::new(max_frame, std::mem::take(&mut inlet.head));
        Self { inlet, decoder, closed: false }
    }

    /// The next frame: one that is buffered already, or else one out of a blocking `recv`, just before each of which
    /// `before_blocking` is called. It shares the read buffer: what outlives the dispatch has to be copied.
    ///
    /// # Errors
    ///
    /// How the link ended. Only after [`LinkEnd::TimedOut`] can it be called again: nothing is lost by that.
    pub(crate) fn next(&mut self, before_blocking: &mut dyn FnMut()) -> Result<Frame<'_>, LinkEnd> {
        let found = loop {
            if self.closed {
                return Err(LinkEnd::Closed);
            }
            if let Some(found) = self.decoder.next()? {
                break found;
            }
            match self.inlet.give(self.decoder.room()) {
                Ok(0) => return Err(LinkEnd::Closed),
                Ok(count) => self.decoder.received(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    before_blocking();
                    self.inlet.fill()?;
                }
                Err(e) => return Err(e.into()),
            }
        };
        let frame = self.decoder.show(found)?;
        self.closed = matches!(frame, Frame::Close(_));
        Ok(frame)
    }

    /// Until when [`next`](Self::next) may take; `None` is for ever.
    pub(crate) fn set_deadline(&mut self, until: Deadline) {
        self.inlet.wire.until = until;
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.inlet.pulse.clone()
    }

    /// The calling thread reads from now on.
    pub(crate) fn move_here(&mut self) {
        self.decoder.move_here();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Other times than those that the wire sets, which are seen when it sets none.
    const UNTOUCHED: Option<Duration> = Some(Duration::from_secs(1234));

    #[test]
    fn the_timeouts_of_a_socket_are_set_once_and_taken_away_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (mut peer, _) = listener.accept().expect("a connection");
        let clock = Clock::real();
        let socket = Arc::new(Tcp::client(ours, &clock));
        // So far away that no machine is slow enough to see a difference.
        let until = clock.after(Duration::from_secs(1_000_000));
        let mut wire = Wire::new(Arc::clone(&socket), clock, until);
        let mut exchange = |wire: &mut Wire| {
            wire.send_all(b"ping").expect("sent");
            peer.write_all(b"pong").expect("sent");
            wire.recv(&mut [0; 4]).expect("received")
        };
        exchange(&mut wire);
        // The system rounds it up.
        let limit = socket.write_timeout().expect("a timeout");
        assert!((Some(WRITE_SLICE)..Some(WRITE_SLICE * 2)).contains(&limit), "{limit:?}");
        assert!(socket.read_timeout().expect("a timeout") > Some(Duration::from_secs(900_000)));
        // The write timeout is the same for as long as the deadline is further away.
        socket.set_write_timeout(UNTOUCHED).expect("set");
        exchange(&mut wire);
        assert_eq!(socket.write_timeout().expect("a timeout"), UNTOUCHED);
        wire.until = None;
        exchange(&mut wire);
        assert_eq!(socket.read_timeout().expect("no timeout"), None);
        socket.set_read_timeout(UNTOUCHED).expect("set");
        exchange(&mut wire);
        assert_eq!(socket.read_timeout().expect("a timeout"), UNTOUCHED);
    }
}
