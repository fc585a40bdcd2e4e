//! Malformed frames.

/// A kind of malformed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// Text that is not JSON.
    NotJson,
    /// A text frame without a byte.
    Empty,
    /// JSON that ends in the middle.
    Truncated,
    /// An array in place of the object.
    Array,
    /// A number in place of the object.
    Number,
    /// An object with neither method nor result nor error.
    Hollow,
    /// A method that is not a string.
    MethodNotText,
    /// A request whose `params` is a string.
    ParamsNotObject,
    /// Another version of JSON-RPC.
    WrongVersion,
    /// An event without a type.
    EventWithoutType,
    /// An event whose payload is an array.
    EventWithoutPayload,
    /// The state of a call, whose id is a number.
    WrongTypes,
    /// 2,000 nested arrays.
    Deep,
    /// A binary frame.
    Binary,
    /// A WebSocket frame with bits set that have no meaning.
    ReservedBits,
    /// A WebSocket frame with an unknown opcode.
    UnknownOpcode,
    /// A WebSocket frame with a mask, which only clients may send.
    Masked,
    /// A text frame that is not UTF-8.
    NotUtf8,
    /// A WebSocket ping of more than 125 bytes.
    LongPing,
    /// A WebSocket ping in two pieces.
    FragmentedPing,
    /// The second part of a message that has no first.
    Orphan,
    /// A WebSocket close with half a code.
    HalfClose,
    /// A frame whose announced length is larger than any frame.
    Endless,
}

/// The frames or bytes to send.
pub(crate) enum Sent {
    Text(String),
    Binary,
    /// WebSocket frames, byte by byte.
    Bytes(Vec<u8>),
}

const NAMES: &[(Malformed, &str)] = &[
    (Malformed::NotJson, "not_json"),
    (Malformed::Empty, "empty"),
    (Malformed::Truncated, "truncated"),
    (Malformed::Array, "array"),
    (Malformed::Number, "number"),
    (Malformed::Hollow, "hollow"),
    (Malformed::MethodNotText, "method_not_text"),
    (Malformed::ParamsNotObject, "params_not_object"),
    (Malformed::WrongVersion, "wrong_version"),
    (Malformed::EventWithoutType, "event_without_type"),
    (Malformed::EventWithoutPayload, "event_without_payload"),
    (Malformed::WrongTypes, "wrong_types"),
    (Malformed::Deep, "deep"),
    (Malformed::Binary, "binary"),
    (Malformed::ReservedBits, "reserved_bits"),
    (Malformed::UnknownOpcode, "unknown_opcode"),
    (Malformed::Masked, "masked"),
    (Malformed::NotUtf8, "not_utf8"),
    (Malformed::LongPing, "long_ping"),
    (Malformed::FragmentedPing, "fragmented_ping"),
    (Malformed::Orphan, "orphan"),
    (Malformed::HalfClose, "half_close"),
    (Malformed::Endless, "endless"),
];

impl Malformed {
    /// Returns all kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(kind, _)| *kind)
    }

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// `true` if the frame violates the WebSocket protocol, so that the connection ends. Other malformed frames are
    /// skipped.
    #[must_use]
    pub fn ends_the_connection(self) -> bool {
        matches!(self.sent(""), Sent::Bytes(_))
    }

    /// The frames or bytes to send; `id` is the ID of those that look like a request.
    pub(crate) fn sent(self, id: &str) -> Sent {
        let event = |params: &str| {
            Sent::Text(format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"signalwire.event","params":{params}}}"#))
        };
        let text = |text: &str| Sent::Text(text.to_owned());
        match self {
            Self::NotJson => text("this is not JSON"),
            Self::Empty => text(""),
            Self::Truncated => text(r#"{"jsonrpc":"2.0","id":"x","method":"signalwire.ev"#),
            Self::Array => text("[1,2,3]"),
            Self::Number => text("17"),
            Self::Hollow => text(r#"{"jsonrpc":"2.0"}"#),
            Self::MethodNotText => text(r#"{"jsonrpc":"2.0","method":5,"params":{}}"#),
            Self::ParamsNotObject => event(r#""calling.call.state""#),
            Self::WrongVersion => text(r#"{"jsonrpc":"1.0","method":"signalwire.event","params":{}}"#),
            Self::EventWithoutType => event(r#"{"params":{"call_id":"c"}}"#),
            Self::EventWithoutPayload => event(r#"{"event_type":"calling.call.state","params":[]}"#),
            Self::WrongTypes => {
                event(r#"{"event_type":"calling.call.state","params":{"call_id":5,"node_id":{},"call_state":[null]}}"#)
            }
            Self::Deep => Sent::Text(format!("{}{}", "[".repeat(2000), "]".repeat(2000))),
            Self::Binary => Sent::Binary,
            Self::ReservedBits => Sent::Bytes(vec![0xf1, 0]),
            Self::UnknownOpcode => Sent::Bytes(vec![0x83, 0]),
            Self::Masked => Sent::Bytes(vec![0x81, 0x81, 1, 2, 3, 4, b'a']),
            Self::NotUtf8 => Sent::Bytes(vec![0x81, 2, 0xff, 0xfe]),
            Self::LongPing => Sent::Bytes([&[0x89, 126, 0, 200][..], &[b'x'; 200]].concat()),
            Self::FragmentedPing => Sent::Bytes(vec![0x09, 1, b'x', 0x80, 1, b'y']),
            Self::Orphan => Sent::Bytes(vec![0x80, 1, b'x']),
            Self::HalfClose => Sent::Bytes(vec![0x88, 1, 3]),
            Self::Endless => Sent::Bytes([&[0x81, 127][..], &(1_u64 << 63).to_be_bytes()].concat()),
        }
    }
}

/// Splits a text message into WebSocket frames: this number of pieces, with a ping between each two.
pub(crate) fn in_pieces(text: &str, pieces: usize) -> Vec<u8> {
    let all = text.as_bytes();
    let size = all.len().div_ceil(pieces.max(1)).max(1);
    let mut bytes = Vec::with_capacity(all.len() + 16 * pieces);
    let count = all.len().div_ceil(size).max(1);
    for (at, piece) in all.chunks(size).enumerate() {
        if at > 0 {
            bytes.extend_from_slice(&[0x89, 1, b'-']);
        }
        let last = if at + 1 == count { 0x80 } else { 0 };
        bytes.push(last | u8::from(at == 0));
        match (u8::try_from(piece.len()), u16::try_from(piece.len())) {
            (Ok(length @ ..126), _) => bytes.push(length),
            (_, Ok(length)) => {
                bytes.push(126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend_from_slice(&(piece.len() as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(piece);
    }
    bytes
}
