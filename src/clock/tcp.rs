//! A TCP connection of a clock: the system's, whose bytes the virtual clock can see.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::Arc;

#[cfg(feature = "simulator")]
use super::Kind;
#[cfg(feature = "simulator")]
use super::virtual_time::{LineEnd, Side};
use super::{Clock, Deadline};

/// Settings go to the socket itself; reading, writing and shutting down are this type's.
pub(crate) struct Tcp {
    socket: Arc<TcpStream>,
    /// Where both ends live in one virtual time.
    #[cfg(feature = "simulator")]
    line: Option<LineEnd>,
}

impl Tcp {
    /// The client's end.
    pub(crate) fn client(socket: TcpStream, clock: &Clock) -> Self {
        #[cfg(feature = "simulator")]
        return Self::new(socket, clock, Side::Client);
        #[cfg(not(feature = "simulator"))]
        {
            let _real = clock;
            Self { socket: Arc::new(socket) }
        }
    }

    /// The simulator's end.
    #[cfg(feature = "simulator")]
    pub(crate) fn service(socket: TcpStream, clock: &Clock) -> Self {
        Self::new(socket, clock, Side::Service)
    }

    #[cfg(feature = "simulator")]
    fn new(socket: TcpStream, clock: &Clock, side: Side) -> Self {
        let socket = Arc::new(socket);
        let line = match &clock.0 {
            Kind::Real => None,
            Kind::Virtual(time) => time.attach(side, &socket),
        };
        Self { socket, line }
    }

    /// As the socket's own `read`; on the virtual clock until `until`, whose passing is `TimedOut` and cuts it.
    pub(crate) fn read(&self, into: &mut [u8], until: Deadline) -> io::Result<usize> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.read(into, until);
        }
        let _is_set_as_a_timeout_of_the_socket = until;
        (&*self.socket).read(into)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.write(bytes);
        }
        (&*self.socket).write(bytes)
    }

    /// Waits for something to read and leaves it there; zero at the end. On the real clock, as long as the socket's own
    /// time for reading says; on the virtual one until `until`, whose passing is `TimedOut` and cuts it.
    #[cfg(feature = "simulator")]
    pub(crate) fn peek(&self, until: Deadline) -> io::Result<usize> {
        match &self.line {
            Some(line) => line.peek(until),
            None => self.socket.peek(&mut [0]),
        }
    }

    /// Whether the other end lives in another time: that of the machine, or one of its own. Known from the first bytes
    /// that were read.
    #[cfg(feature = "simulator")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.line.as_ref().is_some_and(|line| !line.is_shared())
    }

    /// Whether this end has stopped reading for now; what lies there then does not hold virtual time up.
    #[cfg(feature = "simulator")]
    pub(crate) fn stall(&self, stalled: bool) {
        if let Some(line) = &self.line {
            line.stall(stalled);
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.shutdown(how);
        }
        self.socket.shutdown(how)
    }

    /// Whether `read` keeps its deadline itself, so that the socket needs no timeout.
    pub(crate) fn keeps_deadlines(&self) -> bool {
        #[cfg(feature = "simulator")]
        return self.line.is_some();
        #[cfg(not(feature = "simulator"))]
        false
    }
}

impl Deref for Tcp {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.socket
    }
}
