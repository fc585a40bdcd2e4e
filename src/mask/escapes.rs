//! Decoding of escapes.

use std::borrow::Cow;
use std::ops::Range;

/// The longest escape: `\ud83d\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// The set of escapes that a text is decoded with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// `%2F`, `\u002f`, `&#47;` and similar ones.
    Usual,
    /// `=2F`, and a `=` at the end of a line.
    Mail,
}

/// A text with its escapes decoded, and the original position of each byte.
pub(super) struct View<'a> {
    pub(super) original: &'a [u8],
    pub(super) bytes: Cow<'a, [u8]>,
    /// The positions. `None` if nothing was decoded.
    places: Option<Vec<(u32, u32)>>,
    /// Start of an escape that the end of the text cuts off.
    pub(super) cut: Option<usize>,
}

impl<'a> View<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { original: bytes, bytes: bytes.into(), places: None, cut: cut_escape(bytes) }
    }

    pub(super) fn place(&self, at: usize) -> Range<usize> {
        match self.places.as_ref().and_then(|places| places.get(at)) {
            Some((start, end)) => *start as usize..*end as usize,
            None => at..at + 1,
        }
    }

    /// Decodes the escapes of the text once. Returns `None` if there are none.
    pub(super) fn undone(&self, escapes: Escapes) -> Option<Self> {
        let marks: &[u8] = match escapes {
            Escapes::Usual => b"%\\&",
            Escapes::Mail => b"=",
        };
        if !self.bytes.iter().any(|byte| marks.contains(byte)) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len());
        let (mut at, mut found) = (0, false);
        while let Some(byte) = self.bytes.get(at) {
            let rest = &self.bytes[at..];
            let undone = if marks.contains(byte) { undo(rest, escapes) } else { None };
            let (length, means) = undone.unwrap_or((1, Means::Bytes([*byte, 0, 0, 0], 1)));
            found |= undone.is_some();
            let place = (self.place(at).start as u32, self.place(at + length - 1).end as u32);
            if let Means::Bytes(meant, count) = means {
                bytes.extend_from_slice(&meant[..count]);
                places.extend(std::iter::repeat_n(place, count));
            }
            at += length;
        }
        let cut = cut_escape(&bytes);
        found.then(|| Self { original: self.original, bytes: bytes.into(), places: Some(places), cut })
    }
}

/// Finds the start of an escape that the end may have cut off.
fn cut_escape(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(LONGEST_ESCAPE)..bytes.len();
    tail.rev().find(|at| matches!(bytes[*at], b'%' | b'\\' | b'&' | b'='))
}

/// The meaning of an escape.
#[derive(Clone, Copy)]
enum Means {
    Nothing,
    Bytes([u8; 4], usize),
}

/// Returns the length and the meaning of the escape at the start of `rest`.
fn undo(rest: &[u8], escapes: Escapes) -> Option<(usize, Means)> {
    let byte = |value: u32| Means::Bytes([value as u8, 0, 0, 0], 1);
    let [mark, rest @ ..] = rest else { return None };
    if escapes == Escapes::Mail {
        return match rest {
            [b'\n', ..] => Some((2, Means::Nothing)),
            [b'\r', b'\n', ..] => Some((3, Means::Nothing)),
            _ => Some((3, byte(number(rest.get(..2)?, 16)?))),
        };
    }
    match mark {
        b'%' => Some((3, byte(number(rest.get(..2)?, 16)?))),
        b'&' => {
            let length = rest.iter().take(LONGEST_ESCAPE).position(|byte| *byte == b';')?;
            let name = &rest[..length];
            let meant = match name {
                b"amp" => '&',
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                b"apos" => '\'',
                b"sol" => '/',
                b"plus" => '+',
                b"equals" => '=',
                b"nbsp" => ' ',
                [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
                [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
                _ => return None,
            };
            Some((length + 2, means(meant)))
        }
        _ => match rest {
            [c @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((2, byte(u32::from(*c)))),
            [b'n', ..] => Some((2, byte(0xa))),
            [b'r', ..] => Some((2, byte(0xd))),
            [b't', ..] => Some((2, byte(0x9))),
            [b'b', ..] => Some((2, byte(0x8))),
            [b'f', ..] => Some((2, byte(0xc))),
            // In JavaScript and Rust this is a character.
            [b'x', digits @ ..] => Some((4, means(char::from_u32(number(digits.get(..2)?, 16)?)?))),
            [b'u', b'{', digits @ ..] => {
                // There are at most six digits: a longer search would start again at each of many.
                let length = digits.iter().take(7).position(|byte| *byte == b'}')?;
                Some((length + 4, means(char::from_u32(number(&digits[..length], 16)?)?)))
            }
            [b'u', digits @ ..] => {
                let first = number(digits.get(..4)?, 16)?;
                if let Some(c) = char::from_u32(first) {
                    return Some((6, means(c)));
                }
                let [b'\\', b'u', second @ ..] = digits.get(4..)? else { return None };
                let pair = [first as u16, number(second.get(..4)?, 16)? as u16];
                let c = char::decode_utf16(pair).next()?.ok()?;
                Some((LONGEST_ESCAPE, means(c)))
            }
            _ => None,
        },
    }
}

fn means(c: char) -> Means {
    let mut bytes = [0; 4];
    let count = c.encode_utf8(&mut bytes).len();
    Means::Bytes(bytes, count)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let plain = !digits.is_empty() && digits.iter().all(|byte| (*byte as char).is_digit(radix));
    if plain { u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok() } else { None }
}
