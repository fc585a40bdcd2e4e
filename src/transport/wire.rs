//! The socket below TLS and frames, and the reasons of its end.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tungstenite::Error as WsError;

use crate::clock::{Clock, Deadline, Tcp, uninterrupted};

/// Longest time of one write before the connection is up. It equals the time for which callers of a session write
/// ([`WriterSettings::hand_over`](super::WriterSettings::hand_over)), so that the socket's timeout is set once.
pub(crate) const WRITE_SLICE: Duration = Duration::from_millis(250);

/// Reason why a connection ended, seen from one of its halves. `Display` never shows sent or received data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    /// The peer closed the connection, or it was shut down here.
    Closed,
    /// The deadline of a read, or of a write before the connection was up, has passed.
    TimedOut,
    /// The peer accepted no data for too long.
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
            Self::TimedOut => f.write_str("timed out"),
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
            // A socket's timeout has one kind on Unix and the other on Windows.
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

/// The socket as the reading thread uses it: blocking, but never beyond its deadline.
pub(super) struct Wire {
    socket: Arc<Tcp>,
    pub(super) clock: Clock,
    pub(super) until: Deadline,
    /// The present read timeout of the socket: setting one takes a system call.
    timeout: Option<Duration>,
}

/// Longest delay of a read beyond its deadline. While less time than this has passed, the timeout stays unchanged.
const READ_SLACK: Duration = Duration::from_millis(50);

impl Wire {
    pub(super) fn new(socket: Arc<Tcp>, clock: Clock, until: Deadline) -> Self {
        Self { socket, clock, until, timeout: None }
    }

    /// Receives bytes. Returns 0 if the peer has closed the connection, and `TimedOut` if the deadline has passed.
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

    /// Returns the remaining time as a timeout for the socket, which must not be zero.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        match self.clock.left(self.until) {
            Some(Duration::ZERO) => Err(ErrorKind::TimedOut.into()),
            left => Ok(left.map(|left| left.max(Duration::from_millis(1)))),
        }
    }
}

/// Returns `true` if a system call only has to be repeated. The error kind of its timeout depends on the system.
pub(super) fn is_again(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
// A polled socket has no timeouts.
#[cfg(not(any(windows, relay_polled_sockets)))]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A timeout that the wire never sets, so that an untouched one is recognised.
    const UNTOUCHED: Option<Duration> = Some(Duration::from_secs(1234));

    #[test]
    fn the_timeouts_of_a_socket_are_set_once_and_taken_away_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (mut peer, _) = listener.accept().expect("a connection");
        let clock = Clock::real();
        let socket = Arc::new(Tcp::client(ours, &clock));
        // This is so far in the future that no machine is slow enough to see a difference.
        let until = clock.after(Duration::from_secs(1_000_000));
        let mut wire = Wire::new(Arc::clone(&socket), clock, until);
        let mut exchange = |wire: &mut Wire| {
            wire.send_all(b"ping").expect("sent");
            peer.write_all(b"pong").expect("sent");
            wire.recv(&mut [0; 4]).expect("received")
        };
        exchange(&mut wire);
        // The system rounds the timeout up.
        let limit = socket.write_timeout().expect("a timeout");
        assert!((Some(WRITE_SLICE)..Some(WRITE_SLICE * 2)).contains(&limit), "{limit:?}");
        assert!(socket.read_timeout().expect("a timeout") > Some(Duration::from_secs(900_000)));
        // The write timeout stays the same while the deadline is further away.
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
