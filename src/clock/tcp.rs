//! A TCP connection of a clock: the system's, with bytes that the virtual clock sees.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "simulator")]
use super::ClockKind;
use super::socket::Socket;
#[cfg(feature = "simulator")]
use super::virtual_time::{LineEnd, Side};
use super::{Clock, Deadline};

/// A TCP socket. Settings are made on the socket itself; this type reads, writes and shuts down.
pub(crate) struct Tcp {
    socket: Arc<Socket>,
    /// The write timeout of the socket in microseconds; 0 if none was set.
    write_limit: AtomicU64,
    /// The line, if both ends are in one virtual time.
    #[cfg(feature = "simulator")]
    line: Option<LineEnd>,
}

impl Tcp {
    /// Creates the client's end.
    pub(crate) fn client(socket: TcpStream, clock: &Clock) -> Self {
        #[cfg(feature = "simulator")]
        return Self::new(socket, clock, Side::Client);
        #[cfg(not(feature = "simulator"))]
        {
            let _real = clock;
            Self { socket: Arc::new(Socket::new(socket)), write_limit: AtomicU64::new(0) }
        }
    }

    /// Creates the simulator's end.
    #[cfg(feature = "simulator")]
    pub(crate) fn service(socket: TcpStream, clock: &Clock) -> Self {
        Self::new(socket, clock, Side::Service)
    }

    #[cfg(feature = "simulator")]
    fn new(socket: TcpStream, clock: &Clock, side: Side) -> Self {
        let socket = Arc::new(Socket::new(socket));
        let line = match &clock.0 {
            ClockKind::Real => None,
            ClockKind::Virtual(time) => time.attach(side, &socket),
        };
        Self { socket, write_limit: AtomicU64::new(0), line }
    }

    /// Reads as the socket's own `read`. A socket that [keeps deadlines](Self::keeps_deadlines) returns `TimedOut` at
    /// `until`; on the virtual clock that cuts the socket.
    pub(crate) fn read(&self, into: &mut [u8], until: Deadline) -> io::Result<usize> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.read(into, until);
        }
        self.socket.read(into, until)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.write(bytes);
        }
        self.socket.write(bytes)
    }

    /// Sets the write timeout, unless the socket has it already: setting it takes a system call.
    pub(crate) fn limit_writes(&self, limit: Duration) -> io::Result<()> {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        if self.write_limit.load(Ordering::Relaxed) != micros {
            self.socket.set_write_timeout(Some(limit))?;
            self.write_limit.store(micros, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Blocks as `read` until there is something to read, and leaves it in the socket. Returns 0 at the end.
    #[cfg(feature = "simulator")]
    pub(crate) fn peek(&self, until: Deadline) -> io::Result<usize> {
        match &self.line {
            Some(line) => line.peek(until),
            None => self.socket.peek(until),
        }
    }

    /// Returns `true` if the other end is in another time: that of the machine, or another virtual one. Known from the
    /// first read on.
    #[cfg(feature = "simulator")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.line.as_ref().is_some_and(|line| !line.is_shared())
    }

    /// Notes that this end reads no more, so that later bytes do not stop virtual time.
    #[cfg(feature = "simulator")]
    pub(crate) fn reads_no_more(&self) {
        if let Some(line) = &self.line {
            line.reads_no_more();
        }
    }

    /// Notes whether this end has stopped reading for now, so that unread bytes do not stop virtual time.
    #[cfg(feature = "simulator")]
    pub(crate) fn stall(&self, stalled: bool) {
        if let Some(line) = &self.line {
            line.stall(stalled);
        }
    }

    /// Returns `true` if there is something to read, or the end. Another thread may be reading meanwhile: it sees at
    /// most a timeout, after which it continues.
    pub(crate) fn has_arrived(&self) -> bool {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.has_arrived();
        }
        self.socket.has_arrived()
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        #[cfg(feature = "simulator")]
        if let Some(line) = &self.line {
            return line.shutdown(how);
        }
        self.socket.shutdown(how)
    }

    /// Returns `true` if `read` keeps its deadline itself, so that the socket needs no timeout.
    pub(crate) fn keeps_deadlines(&self) -> bool {
        #[cfg(feature = "simulator")]
        if self.line.is_some() {
            return true;
        }
        Socket::KEEPS_DEADLINES
    }
}

impl Deref for Tcp {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

/// Repeats a system call that a signal interrupted.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_a_signal_interrupted_is_made_again_and_one_that_failed_is_not() {
        for (end, interruptions) in [(Ok(7), 0), (Ok(7), 3), (Err(io::ErrorKind::ConnectionReset), 2)] {
            let mut calls = 0;
            let result = uninterrupted(|| {
                calls += 1;
                if calls <= interruptions {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    end.map_err(io::Error::from)
                }
            });
            assert_eq!(result.map_err(|error| error.kind()), end);
            assert_eq!(calls, interruptions + 1);
        }
    }
}
