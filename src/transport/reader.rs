//! The read half of a connection: reads frames with a blocking `recv`, and holds no lock while it blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::frames::{Decoder, Frame};
use super::tls::Tls;
use super::wire::{LinkEnd, Wire};
use crate::clock::Deadline;

/// Largest size of one `recv` in bytes.
const RECV: usize = 32 << 10;

/// Number of bytes of an upgrade response that are checked even if its end has not arrived.
const HEAD_PIECE: usize = 4096;

/// The time of the last received byte, and of the last frame and response; readable from every thread.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    base: Instant,
    beats: Arc<Beats>,
}

/// The counters of a pulse. Times are nanoseconds since the base.
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

    /// Counts `bytes` as received at `now`.
    #[cfg(test)]
    pub(crate) fn beat_with(&self, now: Instant, bytes: usize) {
        self.beat(now, bytes);
    }

    /// Counts the last bytes as a complete text frame.
    pub(crate) fn beat_text(&self) {
        self.beats.text.store(self.beats.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Counts that frame as the response to a request.
    pub(crate) fn beat_reply(&self) {
        self.beats.reply.store(self.beats.last.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The time of the last received byte.
    pub(crate) fn last(&self) -> Instant {
        self.moment(&self.beats.last)
    }

    /// The time of the last complete text frame.
    pub(crate) fn last_text(&self) -> Instant {
        self.moment(&self.beats.text)
    }

    /// The time of the last complete response to a request.
    pub(crate) fn last_reply(&self) -> Instant {
        self.moment(&self.beats.reply)
    }

    fn moment(&self, nanos: &AtomicU64) -> Instant {
        self.base + Duration::from_nanos(nanos.load(Ordering::Relaxed))
    }

    /// Number of received bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.beats.bytes.load(Ordering::Relaxed)
    }
}

/// The bytes of the connection after TLS. tungstenite reads and writes through this type, and blocks in it, during the
/// upgrade. After that the frames are decoded here, and the write half writes.
pub(super) struct Inlet {
    wire: Wire,
    tls: Option<Arc<Tls>>,
    /// Received and unused bytes: ciphertext, or the text itself without TLS.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether TLS needs another `recv` before it can return more text.
    hungry: bool,
    /// The path of the upgrade. tungstenite gets a placeholder, because it logs its request.
    path: Box<str>,
    /// The collected and unused part of the upgrade response.
    head: Vec<u8>,
    /// Length of the part for the upgrade; frames may follow.
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

    /// Blocks in `recv`. Called when the buffer is empty.
    fn fill(&mut self) -> io::Result<()> {
        let count = self.wire.recv(&mut self.buffer)?;
        (self.start, self.end) = (0, count);
        self.received(count)
    }

    /// Blocks in `recv` like [`fill`](Self::fill), but receives into `room`. Without TLS nothing needs the buffer after
    /// the upgrade, and it is freed.
    fn fill_directly(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (self.buffer, self.start, self.end) = (Box::default(), 0, 0);
        let count = self.wire.recv(room)?;
        self.received(count)?;
        Ok(count)
    }

    fn received(&self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.pulse.beat(self.wire.clock.now(), count);
        Ok(())
    }

    /// Returns the bytes that are available without blocking.
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

    /// Collects the upgrade response up to the end of its head. tungstenite treats a response in many small pieces as
    /// an attack, and the deadline of the attempt is a sufficient bound.
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
        // The head of a rejection is followed by its body; the head of an upgrade is followed by frames, which are
        // decoded here.
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

/// Returns `true` if there is enough to check: a complete head, bytes that are no HTTP, or more bytes than a head may
/// have.
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
    /// Sends the upgrade request, which tungstenite writes in one piece.
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

/// The read half of a connection, owned by the reader thread.
pub(crate) struct ReadHalf {
    inlet: Inlet,
    decoder: Decoder,
    /// Whether a close frame has arrived. No frame follows it.
    closed: bool,
}

impl ReadHalf {
    /// Continues after the upgrade. Frames may have arrived with the upgrade response already.
    pub(super) fn new(mut inlet: Inlet, max_frame: usize) -> Self {
        let decoder = Decoder::new(max_frame, std::mem::take(&mut inlet.head));
        Self { inlet, decoder, closed: false }
    }

    /// Returns the next frame: a buffered one, or one from a blocking `recv`. `before_blocking` is called before each
    /// `recv`. The frame borrows the read buffer: data that outlives the dispatch must be copied.
    ///
    /// # Errors
    ///
    /// The end of the connection. Only after [`LinkEnd::TimedOut`] may this be called again, and no data is lost then.
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
                    if self.inlet.tls.is_some() {
                        self.inlet.fill()?;
                    } else {
                        let count = self.inlet.fill_directly(self.decoder.room())?;
                        self.decoder.received(count);
                    }
                }
                Err(e) => return Err(e.into()),
            }
        };
        let frame = self.decoder.show(found)?;
        self.closed = matches!(frame, Frame::Close(_));
        Ok(frame)
    }

    /// Sets the deadline of [`next`](Self::next). `None` means no limit.
    pub(crate) fn set_deadline(&mut self, until: Deadline) {
        self.inlet.wire.until = until;
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.inlet.pulse.clone()
    }

    /// Moves the buffers to the calling thread, which reads from now on.
    pub(crate) fn move_here(&mut self) {
        self.decoder.move_here();
    }
}
