//! The service's end of a connection. Faults slow its bytes down, split them into pieces or lose them.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::{Clock, Tcp, uninterrupted};

/// Longest time that a reset waits for bytes of the client that are then left unread.
const RESET_LIMIT: Duration = Duration::from_secs(1);

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToClient,
    FromClient,
}

/// The shape of the bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Size of the largest piece.
    pub(crate) slice: Option<usize>,
    /// The pause after each piece.
    pub(crate) pause: Duration,
    /// The rate, in bytes per second.
    pub(crate) rate: Option<u64>,
}

impl Flow {
    /// Number of bytes, of the given ones, that are sent at once.
    fn piece(&self, bytes: usize) -> usize {
        // With a limited rate, bytes are sent in steps of about 0.1 s.
        let by_rate = self.rate.map_or(usize::MAX, |rate| usize::try_from(rate / 10).unwrap_or(usize::MAX));
        bytes.min(self.slice.unwrap_or(usize::MAX).max(1)).min(by_rate.max(1))
    }

    /// The time that a number of bytes takes.
    fn takes(&self, bytes: usize) -> Duration {
        let by_rate = self.rate.map_or(0.0, |rate| bytes as f64 / rate.max(1) as f64);
        self.pause + Duration::try_from_secs_f64(by_rate).unwrap_or_default()
    }
}

/// The settings that all connections share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) to_client: Flow,
    pub(crate) from_client: Flow,
    /// `true` if the service does not read.
    pub(crate) stalled: bool,
    /// Additional time for each response of the handshakes.
    pub(crate) round_trip: Duration,
}

/// All connections, and the shape of their bytes.
pub(crate) struct Lines {
    clock: Clock,
    shaped: AtomicBool,
    state: Mutex<State>,
    bell: Condvar,
}

/// The shape of the lines and the open connections, behind their lock.
#[derive(Default)]
struct State {
    shape: Shape,
    links: Vec<Weak<Link>>,
}

impl Lines {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, shaped: AtomicBool::new(false), state: Mutex::default(), bell: Condvar::new() })
    }

    pub(crate) fn link(self: &Arc<Self>, socket: TcpStream) -> Arc<Link> {
        let tcp = Tcp::service(socket, &self.clock);
        let flags = Mutex::new(Flags::default());
        let link = Arc::new(Link { tcp, lines: Arc::clone(self), flags, reset: AtomicBool::new(false) });
        let mut state = self.state.lock();
        link.tcp.stall(state.shape.stalled);
        state.links.retain(|link| link.strong_count() > 0);
        state.links.push(Arc::downgrade(&link));
        drop(state);
        link
    }

    pub(crate) fn shape(&self, shape: Shape) {
        let links: Vec<Arc<Link>> = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.shape, shape) == shape {
                return;
            }
            self.shaped.store(shape != Shape::default(), Ordering::Release);
            state.links.iter().filter_map(Weak::upgrade).collect()
        };
        for link in links {
            link.tcp.stall(shape.stalled);
        }
        self.clock.wake_all(&self.bell);
    }
}

/// The progress of a connection.
#[derive(Default)]
struct Flags {
    closed: bool,
    established: bool,
    /// The pause between two bytes of the handshakes, if they are sent byte by byte.
    drip: Option<Duration>,
}

/// A connection.
pub(crate) struct Link {
    tcp: Tcp,
    lines: Arc<Lines>,
    flags: Mutex<Flags>,
    /// `true` if the connection ends with a reset.
    reset: AtomicBool,
}

impl Link {
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        // The handshake is not split, because tungstenite rejects an upgrade in many small pieces as an attack.
        let sliced = self.is_shaped() && self.flags.lock().established;
        let room = if sliced { self.lines.state.lock().shape.from_client.piece(into.len()) } else { into.len() };
        let count = uninterrupted(|| self.tcp.read(&mut into[..room], None))?;
        if self.is_reset() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.is_shaped() {
            let mut state = self.lines.state.lock();
            while state.shape.stalled && !self.is_over() {
                self.lines.clock.wait(&self.lines.bell, &mut state, None);
            }
            let span = state.shape.from_client.takes(count);
            if !span.is_zero() {
                self.rest(&mut state, span);
            }
            drop(state);
            if self.is_over() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(count)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let drip = self.flags.lock().drip;
        if !self.is_shaped() && drip.is_none() {
            return self.tcp.write(bytes);
        }
        let shape = self.lines.state.lock().shape;
        let mut flow = shape.to_client;
        if let Some(pause) = drip {
            (flow.slice, flow.pause) = (Some(1), flow.pause + pause);
        }
        if !self.flags.lock().established && !shape.round_trip.is_zero() && drip.is_none() {
            self.rest(&mut self.lines.state.lock(), shape.round_trip);
        }
        let count = self.tcp.write(&bytes[..flow.piece(bytes.len())])?;
        if flow != Flow::default() {
            // In virtual time, the client reads the piece before this pause has ended, however short it is.
            let mut state = self.lines.state.lock();
            if self.flags.lock().established {
                self.pause(&mut state, flow.takes(count));
            } else {
                self.rest(&mut state, flow.takes(count));
            }
        }
        Ok(count)
    }

    pub(crate) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Both {
            let state = self.lines.state.lock();
            self.flags.lock().closed = true;
            drop(state);
            self.lines.clock.wake_all(&self.lines.bell);
        }
        self.tcp.shutdown(how)
    }

    /// Sends the handshakes byte by byte from here on, or in one piece again.
    pub(crate) fn drip(&self, pause: Option<Duration>) {
        self.flags.lock().drip = pause;
    }

    /// Notes that the handshakes are complete.
    pub(crate) fn established(&self) {
        let mut flags = self.flags.lock();
        (flags.established, flags.drip) = (true, None);
    }

    /// Ends the connection with a reset instead of in good order, once its reader has returned.
    pub(crate) fn will_reset(&self) {
        let state = self.lines.state.lock();
        self.reset.store(true, Ordering::Release);
        drop(state);
        self.lines.clock.wake_all(&self.lines.bell);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }

    /// Waits for bytes, and leaves them unread: closing the socket then resets the connection. The caller drops it
    /// next.
    pub(crate) fn leave_unread(&self) {
        self.reset.store(true, Ordering::Release);
        // Without the timeout, this would wait for a client that sends nothing. With it, the connection just ends.
        let _ = self.tcp.set_read_timeout(Some(RESET_LIMIT));
        let _ = uninterrupted(|| self.tcp.peek(self.lines.clock.after(RESET_LIMIT)));
    }

    /// Notes that the connection's reader is done. A thread that still writes may take a while, during which the
    /// client's goodbye is not read.
    pub(crate) fn reads_no_more(&self) {
        self.tcp.reads_no_more();
    }

    /// `true` if the client lives in another time than the simulator; known from its first bytes.
    pub(crate) fn is_foreign(&self) -> bool {
        self.tcp.is_foreign()
    }

    fn is_shaped(&self) -> bool {
        self.lines.shaped.load(Ordering::Acquire)
    }

    fn is_over(&self) -> bool {
        self.is_reset() || self.flags.lock().closed
    }

    /// Pauses while no other thread reads. Bytes that arrive meanwhile do not hold time up.
    fn rest(&self, state: &mut MutexGuard<'_, State>, span: Duration) {
        self.tcp.stall(true);
        self.pause(state, span);
        self.tcp.stall(state.shape.stalled);
    }

    fn pause(&self, state: &mut MutexGuard<'_, State>, span: Duration) {
        let until = self.lines.clock.after(span);
        while !self.is_over() && self.lines.clock.wait(&self.lines.bell, state, until) {}
    }
}

impl Deref for Link {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.tcp
    }
}
