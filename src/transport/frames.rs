//! Encoding and decoding of WebSocket frames. tungstenite's own codec is not used, because it logs every frame with its
//! content at trace level.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use tungstenite::protocol::frame::coding::OpCode;
use uuid::Uuid;

use super::wire::LinkEnd;

/// Size of one read in bytes, and of the buffer that is kept without pending data.
const BUFFER: usize = 32 << 10;

/// Largest buffer that is kept, in bytes. A buffer that a large frame has grown beyond this size is freed.
const KEPT: usize = 256 << 10;

/// Largest payload of a control frame in bytes.
const CONTROL: usize = 125;

/// Number of masks that are made with one random key of the system.
const MASKS_OF_A_KEY: u64 = 4096;

/// Encodes frames for the service. Each frame has its own unpredictable mask, as WebSocket requires of a client.
///
/// Requesting each mask from the system would cost more than the rest of a small frame. So the masks are a keyed hash
/// of a counter, two of each value.
#[derive(Default)]
pub(super) struct Encoder {
    hash: RandomState,
    key: [u8; 16],
    made: u64,
    left: Option<[u8; 4]>,
}

impl Encoder {
    pub(super) fn frame(&mut self, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        const MASKED: u8 = 0x80;
        const FINAL: u8 = 0x80;
        out.push(FINAL | u8::from(opcode));
        match payload.len() {
            short @ 0..=125 => out.push(MASKED | short as u8),
            middle @ 126..=0xffff => {
                out.push(MASKED | 126);
                out.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                out.push(MASKED | 127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = self.mask();
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply(mask, &mut out[start..]);
    }

    fn mask(&mut self) -> [u8; 4] {
        if let Some(mask) = self.left.take() {
            return mask;
        }
        if self.made % MASKS_OF_A_KEY == 0 {
            self.key = Uuid::new_v4().into_bytes();
        }
        self.made += 1;
        let [a, b, c, d, e, f, g, h] = self.hash.hash_one((self.key, self.made)).to_ne_bytes();
        self.left = Some([e, f, g, h]);
        [a, b, c, d]
    }
}

fn apply(mask: [u8; 4], bytes: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A frame that the service sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A text frame. The text borrows the buffer of the reader.
    Text(&'a str),
    /// A binary frame, of which only the length is kept: RELAY has no binary frames.
    Binary(usize),
    /// A ping, which requires a pong with the same bytes.
    Ping(&'a [u8]),
    Pong,
    Close(Option<(u16, &'a str)>),
}

/// The location of a frame.
#[derive(Clone)]
pub(super) enum Found {
    /// A text in one frame.
    Text(Range<usize>),
    /// A text in several frames.
    Collected,
    Binary(usize),
    Ping(Range<usize>),
    Pong,
    Close(Range<usize>),
}

/// The kind of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

/// Decodes frames of the service, and rejects frames that a service must not send.
pub(super) struct Decoder {
    max_frame: usize,
    /// Received bytes. `start..end` is not used yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The kind and the length of a message in several frames, until its last frame.
    partial: Option<(Kind, usize)>,
    /// The text of that message.
    collected: Vec<u8>,
}

impl Decoder {
    /// Creates a decoder. `first` was received already.
    pub(super) fn new(max_frame: usize, mut first: Vec<u8>) -> Self {
        let end = first.len();
        first.resize(end.max(BUFFER), 0);
        Self { max_frame, buffer: first, start: 0, end, partial: None, collected: Vec::new() }
    }

    /// Moves the buffer to the calling thread, which receives from now on. The buffer grows and shrinks with the
    /// frames, and should do so in memory that the allocator keeps for this thread.
    pub(super) fn move_here(&mut self) {
        self.buffer = self.buffer.to_vec();
    }

    /// Returns room for more bytes. Frames that were found before cannot be [`shown`](Self::show) any more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = vec![0; BUFFER];
            }
        } else if self.start > 0 {
            // This happens once for each frame: until the frame is complete, the start stays in place.
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            // The length in the header is not used here: only received bytes take memory.
            self.buffer.resize(self.end * 2, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Marks `count` bytes of the room as received.
    pub(super) fn received(&mut self, count: usize) {
        self.end += count;
    }

    /// Returns the next frame if it is complete.
    pub(super) fn next(&mut self) -> Result<Option<Found>, LinkEnd> {
        if self.partial.is_none() {
            if self.collected.capacity() > KEPT {
                self.collected = Vec::new();
            }
            self.collected.clear();
        }
        loop {
            let Some(header) = Header::parse(&self.buffer[self.start..self.end])? else { return Ok(None) };
            let collected = self.partial.map_or(0, |(_, length)| length);
            let limit = (self.max_frame - collected.min(self.max_frame)) as u64;
            if header.opcode < 8 && header.length > limit {
                return Err(LinkEnd::TooLarge);
            }
            let length = usize::try_from(header.length).map_err(|_| LinkEnd::TooLarge)?;
            let start = self.start + header.size;
            let Some(end) = start.checked_add(length).filter(|end| *end <= self.end) else { return Ok(None) };
            self.start = end;
            let place = start..end;
            let kind = match header.opcode {
                0 => None,
                1 => Some(Kind::Text),
                2 => Some(Kind::Binary),
                8 => return Ok(Some(Found::Close(place))),
                9 => return Ok(Some(Found::Ping(place))),
                _ => return Ok(Some(Found::Pong)),
            };
            let kind = match (kind, self.partial) {
                (Some(_), Some(_)) => return Err(broken("a message begins within another")),
                (None, None) => return Err(broken("a message is continued that did not begin")),
                (Some(kind), None) | (None, Some((kind, _))) => kind,
            };
            if header.is_final && self.partial.is_none() {
                return Ok(Some(match kind {
                    Kind::Text => Found::Text(place),
                    Kind::Binary => Found::Binary(length),
                }));
            }
            if kind == Kind::Text {
                self.collected.extend_from_slice(&self.buffer[place]);
            }
            if header.is_final {
                self.partial = None;
                return Ok(Some(match kind {
                    Kind::Text => Found::Collected,
                    Kind::Binary => Found::Binary(collected + length),
                }));
            }
            self.partial = Some((kind, collected + length));
        }
    }

    /// Returns the frame that [`next`](Self::next) has just found.
    pub(super) fn show(&self, found: Found) -> Result<Frame<'_>, LinkEnd> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| broken("a text frame is not UTF-8"));
        Ok(match found {
            Found::Text(place) => Frame::Text(text(&self.buffer[place])?),
            Found::Collected => Frame::Text(text(&self.collected)?),
            Found::Binary(length) => Frame::Binary(length),
            Found::Ping(place) => Frame::Ping(&self.buffer[place]),
            Found::Pong => Frame::Pong,
            Found::Close(place) => Frame::Close(match &self.buffer[place] {
                [] => None,
                [_] => return Err(broken("a close frame has half a code")),
                [high, low, reason @ ..] => Some((u16::from_be_bytes([*high, *low]), text(reason)?)),
            }),
        })
    }
}

/// The header of a WebSocket frame.
struct Header {
    is_final: bool,
    opcode: u8,
    /// Length of the payload.
    length: u64,
    /// Length of the header itself.
    size: usize,
}

impl Header {
    /// Parses a header. Returns `None` if the header is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, LinkEnd> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (is_final, opcode) = (first & 0x80 != 0, first & 0xf);
        if first & 0x70 != 0 {
            return Err(broken("a frame has reserved bits set"));
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(broken("a frame is of a kind that does not exist"));
        }
        if second & 0x80 != 0 {
            return Err(broken("a frame of the service is masked"));
        }
        let short = second & 0x7f;
        if opcode >= 8 && (!is_final || usize::from(short) > CONTROL) {
            return Err(broken("a control frame is too long, or in pieces"));
        }
        let extended = match short {
            126 => 2,
            127 => size_of::<u64>(),
            _ => 0,
        };
        let Some(digits) = rest.get(..extended) else { return Ok(None) };
        let length = match extended {
            0 => u64::from(short),
            _ => digits.iter().fold(0, |length, digit| length << 8 | u64::from(*digit)),
        };
        Ok(Some(Self { is_final, opcode, length, size: 2 + extended }))
    }
}

fn broken(why: &str) -> LinkEnd {
    LinkEnd::Protocol(why.into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::frame::coding::{Control, Data};
    use tungstenite::protocol::frame::{Frame as Reference, FrameHeader};

    use super::*;

    const TEXT: OpCode = OpCode::Data(Data::Text);

    fn decoder(bytes: &[u8]) -> Decoder {
        Decoder::new(1 << 20, bytes.to_vec())
    }

    /// The only frame of these bytes.
    fn one(bytes: &[u8]) -> Result<String, LinkEnd> {
        let mut decoder = decoder(bytes);
        let found = decoder.next()?.expect("a whole frame");
        Ok(format!("{:?}", decoder.show(found)?))
    }

    #[test]
    fn an_encoded_frame_is_what_tungstenite_reads_from_it() {
        let mut encoder = Encoder::default();
        for length in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 100_003] {
            for opcode in [TEXT, OpCode::Control(Control::Pong), OpCode::Control(Control::Close)] {
                let payload: Vec<u8> = (0..length).map(|index| (index * 7) as u8).collect();
                let mut out = b"before".to_vec();
                encoder.frame(opcode, &payload, &mut out);
                let mut cursor = Cursor::new(&out[6..]);
                let (header, told) = FrameHeader::parse(&mut cursor).expect("a header").expect("a whole one");
                assert_eq!((header.opcode, header.is_final, told), (opcode, true, length as u64));
                let mut body = out[6 + cursor.position() as usize..].to_vec();
                let mask = header.mask.expect("a mask");
                assert!(length < 64 || body != payload, "it is masked");
                body.iter_mut().enumerate().for_each(|(index, byte)| *byte ^= mask[index % 4]);
                assert!(body == payload, "{length} bytes");
            }
        }
    }

    #[test]
    fn each_frame_has_a_mask_of_its_own() {
        let mut encoder = Encoder::default();
        let masks: std::collections::HashSet<_> = (0..1000).map(|_| encoder.mask()).collect();
        // Two of a thousand masks are equal once in ten thousand runs.
        assert!(masks.len() >= 998, "{} different masks", masks.len());
    }

    #[test]
    fn frames_of_every_length_are_decoded_whatever_pieces_they_come_in() {
        for length in [0usize, 1, 125, 126, 65_535, 65_536, 300_000] {
            let mut wire = Vec::new();
            let text = "\u{e9}".repeat(length / 2) + &"x".repeat(length % 2);
            Reference::message(text.clone(), TEXT, true).format(&mut wire).expect("a frame");
            Reference::ping(b"p".to_vec()).format(&mut wire).expect("a frame");
            for piece in [1, 3, 4096, 1 << 20] {
                if length > 1000 && piece < 4096 {
                    continue;
                }
                let mut decoder = decoder(b"");
                let mut seen = Vec::new();
                for bytes in wire.chunks(piece) {
                    let mut rest = bytes;
                    while !rest.is_empty() {
                        let room = decoder.room();
                        let count = room.len().min(rest.len());
                        room[..count].copy_from_slice(&rest[..count]);
                        decoder.received(count);
                        rest = &rest[count..];
                        while let Some(found) = decoder.next().expect("no error") {
                            seen.push(match decoder.show(found).expect("a frame") {
                                Frame::Text(seen) => seen == text,
                                other => other == Frame::Ping(b"p"),
                            });
                        }
                    }
                }
                assert_eq!(seen, [true, true], "{length} in pieces of {piece}");
                assert!(decoder.room().len() <= KEPT, "the buffer is given back");
            }
        }
    }

    #[test]
    fn a_message_in_pieces_is_put_together_and_control_frames_may_come_between() {
        let mut decoder = decoder(b"\x01\x02he\x89\x01!\x00\x00\x00\x02ll\x80\x01o\x02\x01a\x80\x02bc\x81\x01z");
        let mut seen = Vec::new();
        while let Some(found) = decoder.next().expect("no error") {
            seen.push(format!("{:?}", decoder.show(found).expect("a frame")));
        }
        assert_eq!(seen, ["Ping([33])", "Text(\"hello\")", "Binary(3)", "Text(\"z\")"]);
    }

    #[test]
    fn what_a_service_must_not_send_is_refused() {
        let refused: [(&[u8], &str); 12] = [
            (b"\xc1\x00", "reserved"),
            (b"\x83\x00", "kind"),
            (b"\x8b\x00", "kind"),
            (b"\x81\x81\x01\x02\x03\x04a", "masked"),
            (b"\x09\x00", "pieces"),
            (b"\x89\x7e\x00\x7e", "too long"),
            (b"\x80\x00", "did not begin"),
            (b"\x00\x00", "did not begin"),
            (b"\x01\x00\x81\x00", "within another"),
            (b"\x88\x01\x03", "half a code"),
            (b"\x88\x03\x03\xe8\xff", "UTF-8"),
            (b"\x81\x02\xff\xfe", "UTF-8"),
        ];
        for (bytes, why) in refused {
            let Err(LinkEnd::Protocol(told)) = one(bytes) else { panic!("{bytes:?} was taken") };
            assert!(told.contains(why), "{bytes:?}: {told}");
        }
        assert_eq!(one(b"\x88\x00").as_deref(), Ok("Close(None)"));
        assert_eq!(one(b"\x88\x04\x03\xe8ok").as_deref(), Ok("Close(Some((1000, \"ok\")))"));
    }

    #[test]
    fn the_limit_holds_for_a_frame_and_for_the_sum_of_its_pieces() {
        let mut one = Decoder::new(4, b"\x81\x04abcd\x81\x05".to_vec());
        assert!(matches!(one.next(), Ok(Some(Found::Text(_)))));
        assert_eq!(one.next().err(), Some(LinkEnd::TooLarge));
        let mut pieces = Decoder::new(4, b"\x01\x03abc\x89\x02..\x00\x02".to_vec());
        assert!(matches!(pieces.next(), Ok(Some(Found::Ping(_)))));
        assert_eq!(pieces.next().err(), Some(LinkEnd::TooLarge));
    }
}
