//! The write half of a link: what is encoded, encrypted, and on its way into the socket.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frames::Encoder;
use super::tls::Tls;
use super::wire::{LinkEnd, WRITE_SLICE, is_again};
use crate::clock::{Clock, Deadline, Tcp};

/// A buffer that one huge frame has grown beyond this is given back.
pub(super) const KEPT: usize = 256 << 10;

/// So many bytes of the reader's frames are a piece, which is sent at once. The buffers of a socket hold several of them.
pub(super) const PIECE: usize = 16 << 10;

/// The shortest timeout that a socket takes.
const SHORTEST: Duration = Duration::from_millis(1);

thread_local! {
    static ENCODES: Encodes = Encodes::new();
}

/// There as long as this thread can encode frames.
///
/// The random mask of a frame comes from a thread-local value of a library, which panics once that is destroyed. A
/// destructor that runs at the end of a thread may call the client after that. The values of a thread are destroyed in
/// the reverse order of their first use, so this one, which is first used after the other, goes before it.
pub(super) struct Encodes(bool);

impl Encodes {
    fn new() -> Self {
        // Fails where a program has used the same library, and comes here for the first time when that value is gone.
        Self(std::panic::catch_unwind(tungstenite::handshake::client::generate_key).is_ok())
    }

    /// Whether the calling thread may encode. The writer thread always may.
    pub(super) fn here() -> bool {
        ENCODES.try_with(|encodes| encodes.0).unwrap_or(false)
    }
}

impl Drop for Encodes {
    fn drop(&mut self) {
        // Only values with a destructor are ever gone.
    }
}

/// What goes out.
#[derive(Debug)]
pub(crate) enum Out {
    Text(String),
    Pong(Box<[u8]>),
    Close(u16),
    /// Frames that are encoded already, by [`AckEncoder`].
    Frames(Vec<u8>),
}

/// Encodes what the reader sends, acknowledgements and pongs, one frame at a time. The [`Writer`](super::Writer) collects
/// them in pieces, so that a frame takes no memory of its own.
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

/// Sees each text that goes to the encoder. It must not block.
pub(crate) type Tap = Arc<dyn Fn(&str) + Send + Sync>;

/// The writing side of a link: encodes frames, encrypts them, and remembers what the socket has not taken yet.
pub(crate) struct WriteHalf {
    encoder: Encoder,
    tls: Option<Arc<Tls>>,
    socket: Arc<Tcp>,
    clock: Clock,
    /// Encoded, and not encrypted yet.
    plain: Vec<u8>,
    /// Bytes as they go to the socket, of which `sent` have gone.
    out: Vec<u8>,
    sent: usize,
    /// How long writing has been blocked since the socket last took something. Only the time in system calls counts:
    /// a thread without a processor says nothing about the peer.
    blocked: Duration,
    /// Taken out of the queue and about to be encoded.
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

    /// Has each text shown to `tap` from here on.
    pub(crate) fn tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Sets how long a write may block.
    pub(super) fn set_timeout(&self, timeout: Duration) -> bool {
        self.socket.limit_writes(timeout.max(SHORTEST)).is_ok()
    }

    /// Adds what is to be encoded next.
    pub(super) fn add(&mut self, out: Out) {
        self.batch.push(out);
    }

    /// Exchanges the buffer that was left over for one that is not needed.
    pub(super) fn swap_spare(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() < self.spare.capacity() {
            std::mem::swap(buffer, &mut self.spare);
        }
    }

    /// Writes frames before the half is published, for authentication.
    ///
    /// # Errors
    ///
    /// How the link ended; a time-out is fatal too, because a part of a frame may have gone.
    pub(crate) fn write_now(&mut self, out: impl IntoIterator<Item = Out>, until: Deadline) -> Result<(), LinkEnd> {
        self.batch.extend(out);
        self.encode()?;
        while self.sent < self.out.len() {
            let left = self.clock.left(until);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(LinkEnd::TimedOut);
            }
            // What the socket does not take in this time is tried again, until the deadline.
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

    /// Encodes and encrypts the batch, and what TLS wants to say.
    fn encode(&mut self) -> Result<(), LinkEnd> {
        for out in self.batch.drain(..) {
            if self.closing {
                // Nothing may follow a close frame.
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

    /// Encodes what was added, and sends what waits. False when the socket did not take it all within `hand_over`, which
    /// is the socket's own write timeout too: to be called again.
    pub(super) fn write(&mut self, hand_over: Duration, stall: Duration) -> Result<bool, LinkEnd> {
        // Without this, each round of a stalled link would take another batch into the encoder.
        if !self.batch.is_empty() || self.tls_talks() {
            self.encode()?;
        }
        self.push(hand_over, stall)
    }

    /// Sends what waits; as [`write`](Self::write).
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
            // The other has grown as much.
            (self.plain, self.out) = (Vec::new(), Vec::new());
        }
        self.out.clear();
        self.sent = 0;
    }

    /// What its buffers take.
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

    /// Whether there is something to send although nobody queued anything.
    pub(super) fn is_pending(&self) -> bool {
        self.is_partial() || self.tls_talks()
    }

    /// The goodbye of TLS, if the socket takes it at once; the peer then knows that nothing was cut off.
    pub(super) fn farewell(&self) {
        if let Some(tls) = &self.tls {
            let bytes = tls.farewell();
            if !bytes.is_empty() && self.socket.set_nonblocking(true).is_ok() {
                let _ = self.socket.write(&bytes);
            }
        }
    }
}
