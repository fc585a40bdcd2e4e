//! A non-blocking socket: its callers wait for it by `poll`, one step at a time, and check for a cut between two steps.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Deadline;

/// Longest time for which a caller stays blocked after a cut.
const STEP: Duration = Duration::from_millis(100);

/// A socket that is polled in steps, for systems on which a shutdown does not end a blocking call.
pub(crate) struct Socket {
    socket: TcpStream,
    /// Whether reading was cut. `write_cut` is the same for writing.
    read_cut: AtomicBool,
    write_cut: AtomicBool,
    /// Whether writes return at once instead of waiting for room.
    at_once: AtomicBool,
    /// The timeout of a write in nanoseconds; 0 means none.
    write_limit: AtomicU64,
}

/// The state that a caller waits for.
#[derive(Clone, Copy)]
enum Readiness {
    Read,
    Write,
}

impl Socket {
    /// Whether `read` and `peek` end at their deadline.
    pub(crate) const KEEPS_DEADLINES: bool = true;

    pub(crate) fn new(socket: TcpStream) -> Self {
        // This fails only on a dead socket, in which a caller would block without a limit.
        let dead = socket.set_nonblocking(true).is_err();
        let limit = socket.write_timeout().ok().flatten().map_or(0, nanos);
        Self {
            socket,
            read_cut: AtomicBool::new(dead),
            write_cut: AtomicBool::new(dead),
            at_once: AtomicBool::new(false),
            write_limit: AtomicU64::new(limit),
        }
    }

    pub(crate) fn read(&self, into: &mut [u8], until: Deadline) -> io::Result<usize> {
        self.receive(until, || (&self.socket).read(into))
    }

    /// Blocks until there is something to read, and leaves it in the socket. Returns 0 at the end.
    #[cfg(feature = "simulator")]
    pub(crate) fn peek(&self, until: Deadline) -> io::Result<usize> {
        self.receive(until, || self.socket.peek(&mut [0]))
    }

    fn receive(&self, until: Deadline, mut job: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match job() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A read after a shutdown has different errors on different systems. Here it is the end.
                Err(_) if self.read_cut.load(Ordering::Acquire) => return Ok(0),
                result => return result,
            }
            if !self.wait(Readiness::Read, until)? {
                return Ok(0);
            }
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut until = None;
        loop {
            match (&self.socket).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.at_once.load(Ordering::Relaxed) {
                        return Err(error);
                    }
                }
                result => return result,
            }
            // This check comes last, because there is nearly always room.
            if until.is_none() {
                until = match self.write_limit.load(Ordering::Relaxed) {
                    0 => None,
                    limit => Instant::now().checked_add(Duration::from_nanos(limit)),
                };
            }
            if !self.wait(Readiness::Write, until)? {
                return Err(ErrorKind::BrokenPipe.into());
            }
        }
    }

    /// Returns `true` if there is something to read, or the end.
    pub(crate) fn has_arrived(&self) -> bool {
        self.is_ready(Readiness::Read, Duration::ZERO).unwrap_or(false)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Write {
            self.read_cut.store(true, Ordering::Release);
        }
        if how != Shutdown::Read {
            self.write_cut.store(true, Ordering::Release);
        }
        self.socket.shutdown(how)
    }

    pub(crate) fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.write_limit.store(limit.map_or(0, nanos), Ordering::Relaxed);
        Ok(())
    }

    /// Sets whether writes return at once. Reads always wait.
    pub(crate) fn set_nonblocking(&self, at_once: bool) -> io::Result<()> {
        self.at_once.store(at_once, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until another attempt is worthwhile. Returns `false` if the socket was cut.
    ///
    /// # Errors
    ///
    /// `TimedOut` after `until`.
    fn wait(&self, wish: Readiness, until: Deadline) -> io::Result<bool> {
        let cut = match wish {
            Readiness::Read => &self.read_cut,
            Readiness::Write => &self.write_cut,
        };
        while !cut.load(Ordering::Acquire) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(ErrorKind::TimedOut.into());
            }
            if self.is_ready(wish, left.unwrap_or(STEP).min(STEP))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns `true` if reading or writing returns something, possibly an error, now or within `span`.
    fn is_ready(&self, wish: Readiness, span: Duration) -> io::Result<bool> {
        let flags = match wish {
            Readiness::Read => PollFlags::IN,
            Readiness::Write => PollFlags::OUT,
        };
        // Every system accepts whole milliseconds. Zero would be no wait at all.
        let millis = if span.is_zero() { 0 } else { span.as_millis().clamp(1, STEP.as_millis()) };
        let span = Timespec::try_from(Duration::from_millis(millis as u64)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.socket, flags)], Some(&span)) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if io::Error::from(error).kind() == ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the limit in nanoseconds, at least 1.
fn nanos(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1)
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.socket
    }
}
