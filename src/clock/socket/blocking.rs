//! A blocking socket whose blocked callers are freed by a shutdown.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::time::Duration;

use crate::clock::Deadline;

/// A socket whose blocking calls end when it is shut down.
pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Whether `read` and `peek` end at their deadline; otherwise they end at the socket's own timeout.
    pub(crate) const KEEPS_DEADLINES: bool = false;

    pub(crate) fn new(socket: TcpStream) -> Self {
        Self(socket)
    }

    pub(crate) fn read(&self, into: &mut [u8], _is_set_as_a_time_limit: Deadline) -> io::Result<usize> {
        (&self.0).read(into)
    }

    /// Blocks until there is something to read, and leaves it in the socket. Returns 0 at the end.
    #[cfg(feature = "simulator")]
    pub(crate) fn peek(&self, _is_set_as_a_time_limit: Deadline) -> io::Result<usize> {
        self.0.peek(&mut [0])
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    /// Returns `true` if there is something to read, or the end. Another thread may be reading meanwhile: it sees at
    /// most a timeout, after which it continues.
    pub(crate) fn has_arrived(&self) -> bool {
        // `set_nonblocking` would affect a thread that is writing.
        let restore = self.0.read_timeout();
        if self.0.set_read_timeout(Some(Duration::from_millis(1))).is_err() {
            return false;
        }
        let found = self.0.peek(&mut [0]).is_ok();
        let _only_fails_on_a_dead_socket = self.0.set_read_timeout(restore.unwrap_or(None));
        found
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}
