//! The write half of a connection: encoding, encryption, and writing to the socket.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frames::Encoder;
use super::tls::Tls;
use super::wire::{LinkEnd, WRITE_SLICE, is_again};
use crate::clock::{Clock, Deadline, Tcp};

/// Largest buffer that is kept, in bytes. A buffer that one huge frame has grown beyond this size is freed.
pub(super) const KEPT: usize = 256 << 10;

/// Size of a piece of the reader's frames in bytes. A piece is sent at once. The buffers of a socket hold several
/// pieces.
pub(super) const PIECE: usize = 16 << 10;

/// The shortest timeout that a socket accepts.
const SHORTEST: Duration = Duration::from_millis(1);

thread_local! {
    static ENCODES: Encodes = Encodes::new();
}

/// A thread-local value that exists as long as this thread can encode frames.
///
/// The random mask of a frame comes from a thread-local value of a library, which panics once that value is destroyed.
/// A destructor at the end of a thread may call the client after that. The values of a thread are destroyed in the
/// reverse order of their first use. This value is first used after the other one, so it is destroyed first.
pub(super) struct Encodes(bool);

impl Encodes {
    fn new() -> Self {
        // This fails if the program has used the same library, and first gets here after that value was destroyed.
        Self(std::panic::catch_unwind(tungstenite::handshake::client::generate_key).is_ok())
    }

    /// Returns `true` if the calling thread may encode. The writer thread always may.
    pub(super) fn here() -> bool {
        ENCODES.try_with(|encodes| encodes.0).unwrap_or(false)
    }
}

impl Drop for Encodes {
    fn drop(&mut self) {
        // Only thread-local values with a destructor are ever destroyed.
    }
}

/// Data for the encoder.
#[derive(Debug)]
pub(crate) enum Out {
    Text(String),
    Pong(Box<[u8]>),
    Close(u16),
    /// Frames that [`AckEncoder`] has encoded already.
    Frames(Vec<u8>),
}

/// Encodes the acknowledgements and pongs of the reader, one frame at a time. The [`Writer`](super::Writer) collects
/// them in pieces, so that a frame needs no allocation of its own.
#[derive(Default)]
pub(crate) struct AckEncoder {
    encoder: Encoder,
    frame: Vec<u8>,
}

impl AckEncoder {
    pub(crate) fn text(&mut self, text: &str) -> &[u8] {
        self.encode(OpCode::Data(Data::Text), text.as_bytes())
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) -> &[u8] {
        self.encode(OpCode::Control(Control::Pong), payload)
    }

    fn encode(&mut self, opcode: OpCode, payload: &[u8]) -> &[u8] {
        if self.frame.capacity() > PIECE {
            self.frame = Vec::new();
        }
        self.frame.clear();
        self.encoder.frame(opcode, payload, &mut self.frame);
        &self.frame
    }
}

/// Receives each text that goes to the encoder. It must not block.
pub(crate) type Tap = Arc<dyn Fn(&str) + Send + Sync>;

/// The write half of a connection: encodes frames, encrypts them, and keeps the bytes that the socket has not accepted
/// yet.
pub(crate) struct WriteHalf {
    encoder: Encoder,
    tls: Option<Arc<Tls>>,
    socket: Arc<Tcp>,
    clock: Clock,
    /// Bytes that are encoded and not encrypted yet.
    plain: Vec<u8>,
    /// Bytes for the socket. The first `sent` bytes have been written.
    out: Vec<u8>,
    sent: usize,
    /// Time for which writing has been blocked since the socket last accepted bytes. Only the time in system calls
    /// counts: a thread without a processor proves nothing about the peer.
    blocked: Duration,
    /// Entries that were taken out of the queue and are encoded next.
    batch: Vec<Out>,
    /// An empty buffer for the next piece of the reader's frames.
    spare: Vec<u8>,
    closing: bool,
    tap: Option<Tap>,
}

impl WriteHalf {
    pub(super) fn new(socket: Arc<Tcp>, tls: Option<Arc<Tls>>, clock: Clock) -> Self {
        let (plain, out, batch, spare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let encoder = Encoder::default();
        let (blocked, closing, tap) = (Duration::ZERO, false, None);
        Self { encoder, tls, socket, clock, plain, out, sent: 0, blocked, batch, spare, closing, tap }
    }

    /// Registers `tap`, which receives each text from here on.
    pub(crate) fn tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Sets the longest time that a write may block.
    pub(super) fn set_timeout(&self, timeout: Duration) -> bool {
        self.socket.limit_writes(timeout.max(SHORTEST)).is_ok()
    }

    /// Adds an entry to be encoded next.
    pub(super) fn add(&mut self, out: Out) {
        self.batch.push(out);
    }

    /// Swaps the spare buffer with an unneeded one.
    pub(super) fn swap_spare(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() < self.spare.capacity() {
            std::mem::swap(buffer, &mut self.spare);
        }
    }

    /// Writes frames before the half is published, for authentication.
    ///
    /// # Errors
    ///
    /// The end of the connection. A timeout is fatal too, because a part of a frame may have been written.
    pub(crate) fn write_now(&mut self, out: impl IntoIterator<Item = Out>, until: Deadline) -> Result<(), LinkEnd> {
        self.batch.extend(out);
        self.encode()?;
        while self.sent < self.out.len() {
            let left = self.clock.left(until);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(LinkEnd::TimedOut);
            }
            // Bytes that the socket does not accept in this time are written again, until the deadline.
            self.socket.limit_writes(left.map_or(WRITE_SLICE, |left| left.clamp(SHORTEST, WRITE_SLICE)))?;
            match self.socket.write(&self.out[self.sent..]) {
                Ok(0) => return Err(LinkEnd::Closed),
                Ok(count) => self.sent += count,
                Err(e) if is_again(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.all_sent();
        Ok(())
    }

    /// Encodes and encrypts the batch, and adds pending data of TLS.
    fn encode(&mut self) -> Result<(), LinkEnd> {
        for out in self.batch.drain(..) {
            if self.closing {
                // No frame may follow a close frame.
                continue;
            }
            let plain = if self.tls.is_some() { &mut self.plain } else { &mut self.out };
            match out {
                Out::Text(text) => {
                    if let Some(tap) = &self.tap {
                        tap(&text);
                    }
                    self.encoder.frame(OpCode::Data(Data::Text), text.as_bytes(), plain);
                }
                Out::Pong(bytes) => self.encoder.frame(OpCode::Control(Control::Pong), &bytes, plain),
                Out::Close(code) => {
                    self.closing = true;
                    self.encoder.frame(OpCode::Control(Control::Close), &code.to_be_bytes(), plain);
                }
                Out::Frames(mut frames) => {
                    if plain.is_empty() {
                        std::mem::swap(plain, &mut frames);
                    } else {
                        plain.extend_from_slice(&frames);
                    }
                    if frames.capacity() <= KEPT {
                        frames.clear();
                        self.spare = frames;
                    }
                }
            }
        }
        if let Some(tls) = &self.tls {
            tls.seal(&self.plain, &mut self.out)?;
            self.plain.clear();
        }
        Ok(())
    }

    /// Encodes the added entries, and writes the pending bytes. Returns `false` if the socket did not accept all of
    /// them within `hand_over`, which is the socket's own write timeout too. The caller then calls this again.
    pub(super) fn write(&mut self, hand_over: Duration, stall: Duration) -> Result<bool, LinkEnd> {
        // Without this check, each round of a stalled connection would take another batch into the encoder.
        if !self.batch.is_empty() || self.tls_talks() {
            self.encode()?;
        }
        self.push(hand_over, stall)
    }

    /// Writes the pending bytes, with the result of [`write`](Self::write).
    fn push(&mut self, hand_over: Duration, stall: Duration) -> Result<bool, LinkEnd> {
        let mut began = None;
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(0) => return Err(LinkEnd::Closed),
                Ok(count) => {
                    self.sent += count;
                    self.blocked = Duration::ZERO;
                    if self.sent < self.out.len() {
                        let now = self.clock.now();
                        if now.saturating_duration_since(*began.get_or_insert(now)) >= hand_over {
                            return Ok(false);
                        }
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if is_again(&e) => {
                    self.clock.blocked_for(hand_over);
                    self.blocked = self.blocked.saturating_add(hand_over.max(SHORTEST));
                    return if self.blocked >= stall { Err(LinkEnd::Stalled) } else { Ok(false) };
                }
                Err(e) => return Err(e.into()),
            }
        }
        self.all_sent();
        Ok(true)
    }

    fn all_sent(&mut self) {
        if self.out.capacity() > KEPT {
            // The other buffer has grown as much.
            (self.plain, self.out) = (Vec::new(), Vec::new());
        }
        self.out.clear();
        self.sent = 0;
    }

    /// Capacity of the buffers in bytes.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.plain.capacity() + self.out.capacity() + self.spare.capacity()
    }

    fn tls_talks(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.talks())
    }

    pub(super) fn is_partial(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Returns `true` if there are bytes to send although the queue is empty.
    pub(super) fn is_pending(&self) -> bool {
        self.is_partial() || self.tls_talks()
    }

    /// Sends the close alert of TLS if the socket accepts it at once. The alert proves to the peer that no data was cut
    /// off.
    pub(super) fn farewell(&self) {
        if let Some(tls) = &self.tls {
            let bytes = tls.farewell();
            if !bytes.is_empty() && self.socket.set_nonblocking(true).is_ok() {
                let _ = self.socket.write(&bytes);
            }
        }
    }
}
