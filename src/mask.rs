//! The search for secrets in texts of others.
//!
//! One pass for each way in which a text can be read: as it is, with its escapes undone once, twice and three times,
//! as hexadecimal, as base64, and as a list of bytes. Each pass takes a step for each byte, whatever the text and the
//! secrets are: both may be chosen by somebody who means harm.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "<secret>";

/// A value shorter than this is not looked for in other texts: it would mask half of every frame.
pub(crate) const SHORTEST: usize = 4;

/// Of a longer secret the beginning is looked for, and a text is masked from there to its end.
pub(crate) const PATTERN: usize = 1024;

/// Of a secret that is as long as this, two thirds are found too.
const PARTS_FROM: usize = 12;

/// How often the escapes of a text are undone.
const LEVELS: usize = 3;

/// The longest escape: `\ud83d\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// So many separators may stand between two bytes in hexadecimal or decimal.
const SEPARATORS: usize = 3;

/// Finds secrets in texts, in whatever case: as they are; with the escapes of URLs, JSON, JavaScript, Rust, HTML or
/// quoted-printable, also several times; in hexadecimal, in base64, and as lists of bytes; also in the middle of
/// something longer, and without their first or last third.
pub(crate) struct Mask {
    texts: Automaton,
    hex: Automaton,
    base64: Automaton,
    secrets: Vec<Box<str>>,
}

impl Default for Mask {
    fn default() -> Self {
        Self::new(std::iter::empty())
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { texts: _, hex: _, base64: _, secrets: _ } = self;
        f.write_str("Mask(..)")
    }
}

impl Mask {
    /// Of each secret, whether it is to be found as a word only.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let mut mask = Self {
            texts: Automaton::default(),
            hex: Automaton::default(),
            base64: Automaton::default(),
            secrets: Vec::new(),
        };
        for (secret, is_word) in secrets.filter(|(secret, _)| secret.len() >= SHORTEST) {
            mask.add(secret, is_word);
            mask.secrets.push(secret.into());
        }
        for automaton in [&mut mask.texts, &mut mask.hex, &mut mask.base64] {
            automaton.link();
        }
        mask
    }

    fn add(&mut self, secret: &str, is_word: bool) {
        let bytes = secret.as_bytes();
        let how = |length: usize| match () {
            () if is_word => Pattern::Word,
            () if length > PATTERN => Pattern::Beginning,
            () if length >= PARTS_FROM => Pattern::Parts,
            () => Pattern::Whole,
        };
        let start = &bytes[..bytes.len().min(PATTERN)];
        let mut written = vec![start.to_vec()];
        // Escapes that are part of the secret are undone in the text along with those of the text.
        while written.len() <= LEVELS {
            let undone =
                written.last().and_then(|last| Some(View::of(last).undone(Escapes::Usual)?.bytes.into_owned()));
            match undone {
                Some(undone) => written.push(undone),
                None => break,
            }
        }
        if !secret.is_ascii() {
            // The case of ASCII is ignored by the search.
            for other in [secret.to_lowercase(), secret.to_uppercase()] {
                written.push(other.as_bytes()[..other.len().min(PATTERN)].to_vec());
            }
        }
        for text in written.into_iter().filter(|text| text.len() >= SHORTEST) {
            let how = if bytes.len() > PATTERN { how(bytes.len()) } else { how(text.len()) };
            let folded: Vec<u8> = text.iter().map(|byte| fold(*byte)).collect();
            self.texts.add(&folded, how);
        }
        let nibbles: Vec<u8> = start.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).collect();
        self.hex.add(&nibbles, how(bytes.len()));
        for digits in base64_within(start) {
            let how = if is_word { Pattern::Whole } else { how(bytes.len()) };
            self.base64.add(&digits, how);
        }
    }

    /// `text` with each secret masked, however it is written.
    pub(crate) fn clean(&self, text: &str) -> String {
        replace(text, self.find(text, false).found)
    }

    /// The same of a text that was cut off somewhere: what may be the beginning of a secret at its end is masked too.
    pub(crate) fn clean_part(&self, text: &str) -> String {
        replace(text, self.find(text, true).found)
    }

    /// Whether `text` is one of them, whole.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| **secret == *text)
    }

    /// How much work it is to clean this.
    #[cfg(test)]
    pub(crate) fn steps(&self, text: &str) -> usize {
        self.find(text, true).steps
    }

    fn find(&self, text: &str, is_part: bool) -> Search {
        let mut search = Search { found: Vec::new(), steps: 0, length: text.len(), is_part };
        if self.secrets.is_empty() {
            return search;
        }
        let mut view = View::of(text.as_bytes());
        for level in 0..=LEVELS {
            self.look_at(&view, &mut search);
            // What mail writes would take `=ab` in a URL for an escape, so it is a way to read of its own.
            if level < 2 {
                if let Some(view) = view.undone(Escapes::Mail) {
                    self.look_at(&view, &mut search);
                }
            }
            match view.undone(Escapes::Usual) {
                Some(undone) if level < LEVELS => view = undone,
                _ => break,
            }
        }
        search
    }

    fn look_at(&self, view: &View<'_>, search: &mut Search) {
        let mut text = Run::new(&self.texts);
        for (at, byte) in view.bytes.iter().enumerate() {
            if view.cut == Some(at) {
                text.finish(SHORTEST, search);
            }
            text.take(fold(*byte), view.place(at), view, Some(at), search);
        }
        text.finish(SHORTEST, search);
        self.as_hex(view, search);
        self.as_base64(view, search);
        self.as_bytes(view, search);
    }

    fn as_hex(&self, view: &View<'_>, search: &mut Search) {
        let mut run = Run::new(&self.hex);
        let (mut at, mut between, mut prefix) = (0, 0, None);
        while let Some(byte) = view.bytes.get(at) {
            let next = view.bytes.get(at + 1);
            // `0x54` and `\x54`.
            if matches!(byte, b'0' | b'\\') && matches!(next, Some(b'x' | b'X')) {
                prefix = Some(view.place(at).start);
                at += 2;
                continue;
            }
            let prefix = prefix.take();
            if let Some(digit) = (*byte as char).to_digit(16) {
                between = 0;
                let place = view.place(at);
                run.take(digit as u8, prefix.unwrap_or(place.start)..place.end, view, None, search);
            } else if between < SEPARATORS && b" :-.,;_%=\r\n\t".contains(byte) {
                between += 1;
            } else {
                run.reset();
            }
            at += 1;
        }
        run.finish(6, search);
    }

    fn as_base64(&self, view: &View<'_>, search: &mut Search) {
        let mut run = Run::new(&self.base64);
        let mut wraps = false;
        for (at, byte) in view.bytes.iter().enumerate() {
            let digit = match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            if digit.is_ascii_alphanumeric() || matches!(digit, b'+' | b'/') {
                wraps = false;
                run.take(digit, view.place(at), view, None, search);
            } else if matches!(byte, b'\r' | b'\n') || (wraps && matches!(byte, b' ' | b'\t')) {
                wraps = true;
            } else {
                run.reset();
            }
        }
        run.finish(SHORTEST, search);
    }

    /// `[84, 48, 107]`.
    fn as_bytes(&self, view: &View<'_>, search: &mut Search) {
        let mut run = Run::new(&self.texts);
        let (mut at, mut between) = (0, 0);
        while let Some(byte) = view.bytes.get(at) {
            let digits = view.bytes[at..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
            let value = view.bytes[at..at + digits].iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            if let (1..=3, Ok(value)) = (digits, u8::try_from(value)) {
                let place = view.place(at).start..view.place(at + digits - 1).end;
                // Beside another number there is always something between.
                if between > 0 || run.is_fresh() {
                    run.take(fold(value), place, view, None, search);
                } else {
                    run.reset();
                }
                between = 0;
                at += digits;
            } else if digits == 0 && between < SEPARATORS && b" ,;\r\n\t".contains(byte) {
                between += 1;
                at += 1;
            } else {
                run.reset();
                between = 0;
                at += digits.max(1);
            }
        }
        run.finish(SHORTEST, search);
    }
}

/// What was found so far.
struct Search {
    found: Vec<Range<usize>>,
    steps: usize,
    length: usize,
    is_part: bool,
}

impl Search {
    fn push(&mut self, mut range: Range<usize>) {
        // Those of one run come in the order of their ends.
        while let Some(last) = self.found.last().filter(|last| last.end >= range.start && last.start <= range.end) {
            range = last.start.min(range.start)..last.end.max(range.end);
            self.found.pop();
        }
        self.found.push(range);
    }
}

/// Puts the mask in place of these ranges.
fn replace(text: &str, mut found: Vec<Range<usize>>) -> String {
    if found.is_empty() {
        return text.to_owned();
    }
    found.sort_unstable_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for Range { start, end } in found {
        // A part of a secret may end within a character.
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        if start >= done {
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(MASK);
        }
        done = done.max(end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

fn fold(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// `%2F`, `\u002f`, `&#47;` and their like.
    Usual,
    /// `=2F`, and a `=` at the end of a line.
    Mail,
}

/// A text as it reads with its escapes undone, and where in the original each byte comes from.
struct View<'a> {
    original: &'a [u8],
    bytes: Cow<'a, [u8]>,
    /// `None` when nothing was undone.
    places: Option<Vec<(u32, u32)>>,
    /// Where an escape begins that the end of the text cuts off.
    cut: Option<usize>,
}

impl<'a> View<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { original: bytes, bytes: bytes.into(), places: None, cut: cut_escape(bytes) }
    }

    fn place(&self, at: usize) -> Range<usize> {
        match self.places.as_ref().and_then(|places| places.get(at)) {
            Some((start, end)) => *start as usize..*end as usize,
            None => at..at + 1,
        }
    }

    /// The text with its escapes undone once; `None` if there are none.
    fn undone(&self, escapes: Escapes) -> Option<Self> {
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

/// Where an escape may begin that is cut off by the end.
fn cut_escape(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(LONGEST_ESCAPE)..bytes.len();
    tail.rev().find(|at| matches!(bytes[*at], b'%' | b'\\' | b'&' | b'='))
}

#[derive(Clone, Copy)]
enum Means {
    Nothing,
    Bytes([u8; 4], usize),
}

/// How long the escape is that `rest` begins with, and what it means.
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
            // In JavaScript and Rust a character.
            [b'x', digits @ ..] => Some((4, means(char::from_u32(number(digits.get(..2)?, 16)?)?))),
            [b'u', b'{', digits @ ..] => {
                // At most six digits: a longer search would begin again at the next of many.
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

/// The digits of base64 that hold nothing but bytes of this secret, for each place in a group of three at which it may
/// begin.
fn base64_within(secret: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..3).map(move |shift| {
        let bits = |digit: usize| {
            (0..6).fold(0, |value, bit| {
                let at = digit * 6 + bit;
                let byte = (at / 8).checked_sub(shift).and_then(|index| secret.get(index)).copied().unwrap_or_default();
                value << 1 | usize::from(byte >> (7 - at % 8) & 1)
            })
        };
        let whole = (shift * 4usize).div_ceil(3)..(shift + secret.len()) * 4 / 3;
        whole.map(|digit| DIGITS[bits(digit)]).collect()
    })
}

/// What of a pattern counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Whole,
    /// Whole, and with something else than a letter or digit on both sides.
    Word,
    /// Two thirds of it.
    Parts,
    /// All of it, and everything that follows in the text.
    Beginning,
}

#[derive(Default)]
struct Node {
    unit: u8,
    depth: u32,
    /// The first of its children, and the next child of its parent; 0 is none.
    child: u32,
    sibling: u32,
    /// The longest other beginning of a pattern that ends here.
    fail: u32,
    /// So many units up to here are of a secret.
    found: u32,
    /// A word ends here; and the next shorter one that does.
    word: bool,
    next_word: u32,
    /// What follows is of the secret too.
    endless: bool,
}

/// All patterns at once, after Aho and Corasick: a text is searched in so many steps as it has units, twice at most.
struct Automaton {
    nodes: Vec<Node>,
    /// The children of the root.
    first: Box<[u32; 256]>,
    deepest: usize,
}

impl Default for Automaton {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], first: Box::new([0; 256]), deepest: 0 }
    }
}

impl Automaton {
    fn add(&mut self, units: &[u8], how: Pattern) {
        let length = units.len();
        self.put(units, how);
        if how == Pattern::Parts {
            self.put(&units[length / 3..], Pattern::Whole);
        }
    }

    fn put(&mut self, units: &[u8], how: Pattern) {
        if units.is_empty() {
            return;
        }
        self.deepest = self.deepest.max(units.len());
        let enough = if how == Pattern::Parts { (units.len() * 2).div_ceil(3) } else { units.len() };
        let mut node = 0;
        for (index, unit) in units.iter().enumerate() {
            node = match self.child(node, *unit) {
                0 => self.grow(node, *unit),
                child => child,
            };
            let here = &mut self.nodes[node as usize];
            if index + 1 >= enough && how != Pattern::Word {
                here.found = here.depth;
            }
        }
        let last = &mut self.nodes[node as usize];
        last.word |= how == Pattern::Word;
        last.endless |= how == Pattern::Beginning;
    }

    fn grow(&mut self, parent: u32, unit: u8) -> u32 {
        let new = self.nodes.len() as u32;
        let (depth, sibling) = (self.nodes[parent as usize].depth + 1, self.nodes[parent as usize].child);
        if parent == 0 {
            self.first[usize::from(unit)] = new;
        } else {
            self.nodes[parent as usize].child = new;
        }
        self.nodes.push(Node { unit, depth, sibling: if parent == 0 { 0 } else { sibling }, ..Node::default() });
        new
    }

    /// The child for this unit; 0 if there is none.
    fn child(&self, node: u32, unit: u8) -> u32 {
        if node == 0 {
            return self.first[usize::from(unit)];
        }
        let mut child = self.nodes[node as usize].child;
        while child != 0 && self.nodes[child as usize].unit != unit {
            child = self.nodes[child as usize].sibling;
        }
        child
    }

    /// Finds where each node goes on when none of its children fits.
    fn link(&mut self) {
        let mut waiting: VecDeque<u32> = self.first.iter().copied().filter(|node| *node != 0).collect();
        while let Some(node) = waiting.pop_front() {
            let mut child = self.nodes[node as usize].child;
            while child != 0 {
                let unit = self.nodes[child as usize].unit;
                let mut fail = self.nodes[node as usize].fail;
                while fail != 0 && self.child(fail, unit) == 0 {
                    fail = self.nodes[fail as usize].fail;
                }
                let fail = self.child(fail, unit);
                let shorter = &self.nodes[fail as usize];
                let (found, endless) = (shorter.found, shorter.endless);
                let next_word = if shorter.word { fail } else { shorter.next_word };
                let this = &mut self.nodes[child as usize];
                this.fail = fail;
                this.found = this.found.max(found);
                this.endless |= endless;
                this.next_word = next_word;
                waiting.push_back(child);
                child = this.sibling;
            }
        }
    }
}

/// A walk through the automaton.
struct Run<'a> {
    automaton: &'a Automaton,
    state: u32,
    /// Where the last units begin, as many as a pattern may have.
    starts: VecDeque<usize>,
    end: usize,
}

impl<'a> Run<'a> {
    fn new(automaton: &'a Automaton) -> Self {
        Self { automaton, state: 0, starts: VecDeque::new(), end: 0 }
    }

    fn is_fresh(&self) -> bool {
        self.state == 0
    }

    fn reset(&mut self) {
        self.state = 0;
        self.starts.clear();
    }

    /// The next unit, which is at `place` in the original; `at` is its place in the view, if it is a byte of that.
    fn take(&mut self, unit: u8, place: Range<usize>, view: &View<'_>, at: Option<usize>, search: &mut Search) {
        search.steps += 1;
        let automaton = self.automaton;
        let mut next = automaton.child(self.state, unit);
        while next == 0 && self.state != 0 {
            search.steps += 1;
            self.state = automaton.nodes[self.state as usize].fail;
            next = automaton.child(self.state, unit);
        }
        self.state = next;
        if next == 0 {
            self.starts.clear();
            return;
        }
        if self.starts.len() == automaton.deepest {
            self.starts.pop_front();
        }
        self.starts.push_back(place.start);
        self.end = place.end;
        let node = &automaton.nodes[next as usize];
        if node.found > 0 {
            let end = if node.endless { search.length } else { place.end };
            search.push(self.start(node.found)..end);
        }
        let mut word = if node.word { next } else { node.next_word };
        while word != 0 {
            search.steps += 1;
            let node = &automaton.nodes[word as usize];
            let start = self.start(node.depth);
            let (before, after) = match at {
                Some(at) => {
                    ((at + 1).checked_sub(node.depth as usize + 1).map(|at| view.bytes[at]), view.bytes.get(at + 1))
                }
                None => (start.checked_sub(1).map(|at| view.original[at]), view.original.get(place.end)),
            };
            let joins = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            if !joins(before) && !joins(after.copied()) {
                search.push(start..place.end);
            }
            word = node.next_word;
        }
    }

    /// Where the last so many units begin.
    fn start(&self, count: u32) -> usize {
        let at = self.starts.len().saturating_sub(count as usize);
        self.starts.get(at).copied().unwrap_or_default()
    }

    /// The text is cut off here: what has so much of the beginning of a secret is one.
    fn finish(&self, enough: usize, search: &mut Search) {
        let depth = self.automaton.nodes[self.state as usize].depth;
        if search.is_part && depth as usize >= enough {
            search.push(self.start(depth)..search.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(secrets.iter().map(|secret| (*secret, false)))
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(3), b'!');
        let group = |three: &[u8]| {
            let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
        };
        bytes.chunks(3).flat_map(group).collect()
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = "PT \"7/\u{e9}+\\x\u{1f600}%'";
        for written in [
            secret.to_owned(),
            serde_json::to_string(secret).expect("JSON").trim_matches('"').to_owned(),
            r#"PT \"7\/\u00e9+\\x\uD83D\uDE00%'"#.to_owned(),
            r#"\u0050\u0054\u0020\u00227\/\u00E9\u002b\u005cx\ud83d\ude00\u0025\u0027"#.to_owned(),
            r#"PT \"7/\u{e9}+\\x\u{1f600}%\'"#.to_owned(),
            r#"\x50T \"7/\xe9+\\x\u{1f600}%'"#.to_owned(),
            format!("{secret:?}").trim_matches('"').to_owned(),
            secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            "PT%20%227/%C3%A9%2B%5Cx%F0%9F%98%80%25'".to_owned(),
            "PT+%227%2f%c3%a9%2b%5cx%f0%9f%98%80%25%27".to_owned(),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ] {
            let shown = mask(&["other", secret]).clean(&format!("a {written} b {written}"));
            assert_eq!(shown, "a <secret> b <secret>", "{written}");
        }
    }

    #[test]
    fn a_secret_in_the_middle_of_base64_is_found() {
        // "project:PT-canary", "aproject:PT-canary" and "abproject:PT-canary"; then one with the digits 62 and 63.
        let both = mask(&["project", "PT-canary"]);
        for basic in ["cHJvamVjdDpQVC1jYW5hcnk=", "YXByb2plY3Q6UFQtY2FuYXJ5", "YWJwcm9qZWN0OlBULWNhbmFyeQ=="] {
            let shown = both.clean(basic);
            assert!(shown.matches(MASK).count() == 2 && shown.len() < MASK.len() * 2 + 12, "{shown}");
        }
        let odd = mask(&["??>>??>>"]);
        assert_eq!(odd.clean("Pz8+Pj8/Pj4="), "<secret>4=");
        assert_eq!(odd.clean("Pz8-Pj8_Pj4"), "<secret>4");
    }

    #[test]
    fn what_overlaps_is_masked_whole() {
        assert_eq!(mask(&["canary", "canary-and-more"]).clean("say canary-and-more"), "say <secret>");
        assert_eq!(mask(&["xxcanary", "canary-and-more"]).clean("say xxcanary-and-more"), "say <secret>");
        assert_eq!(mask(&["abab"]).clean("ababab."), "<secret>.");
    }

    #[test]
    fn what_is_too_short_is_not_looked_for() {
        let shown = mask(&["call", "1", ""]).clean("calling 1");
        assert_eq!(shown, "<secret>ing 1");
    }

    #[test]
    fn the_beginning_of_a_secret_where_a_text_was_cut_is_masked() {
        let mask = mask(&["canary-and-more", "q/canary"]);
        assert_eq!(mask.clean_part("say canary-a"), "say <secret>");
        assert_eq!(mask.clean_part("say q%2Fcan"), "say <secret>");
        assert_eq!(mask.clean_part("say canary%2"), "say <secret>");
        assert_eq!(mask.clean_part("say canary\\u00"), "say <secret>");
        assert_eq!(mask.clean_part("say 63616e6"), "say <secret>");
        assert_eq!(mask.clean_part("canary-and-more, can"), "<secret>, can");
        assert_eq!(mask.clean_part("nothing of that"), "nothing of that");
        assert_eq!(mask.clean_part(""), "");
        // The h\u{e9} is no boundary to begin at.
        assert_eq!(mask.clean_part("h\u{e9}"), "h\u{e9}");
    }

    /// Each way to write a text, with its name.
    fn forms(secret: &str) -> Vec<(&'static str, String)> {
        let json = |text: &str| serde_json::to_string(text).expect("JSON").trim_matches('"').to_owned();
        let bytes =
            |write: &dyn Fn(u8) -> String, between: &str| secret.bytes().map(write).collect::<Vec<_>>().join(between);
        let chars = |write: &dyn Fn(char) -> String| secret.chars().map(write).collect::<String>();
        let url = |text: &str, safe: &str| {
            let one = |byte: u8| match byte as char {
                c if c.is_ascii_alphanumeric() || safe.contains(c) => c.to_string(),
                _ => format!("%{byte:02X}"),
            };
            text.bytes().map(one).collect::<String>()
        };
        let units =
            |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        let wrapped = |text: String, end: &str| {
            text.as_bytes()
                .chunks(10)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect::<Vec<_>>()
                .join(end)
        };
        let mail = bytes(&|byte| format!("={byte:02X}"), "");
        let third = secret.char_indices().map(|(at, _)| at).find(|at| at * 3 >= secret.len() * 2).expect("two thirds");
        let entity = |c: char| match c {
            '"' => "&quot;".to_owned(),
            '\'' => "&apos;".to_owned(),
            '/' => "&sol;".to_owned(),
            '+' => "&plus;".to_owned(),
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            c => c.to_string(),
        };
        vec![
            ("as it is", secret.to_owned()),
            ("upper case", secret.to_uppercase()),
            ("lower case", secret.to_lowercase()),
            ("JSON", json(secret)),
            ("JSON in JSON", json(&json(secret))),
            ("JSON in JSON in JSON", json(&json(&json(secret)))),
            ("JSON, all escaped", chars(&units)),
            ("JSON, all escaped, upper case", chars(&units).replace("\\u00E", "\\u00e")),
            ("JSON, all escaped, in JSON", json(&chars(&units))),
            ("JSON, slashes escaped", json(secret).replace('/', "\\/")),
            ("Debug", format!("{secret:?}").trim_matches('"').to_owned()),
            ("Debug of Debug", format!("{:?}", format!("{secret:?}").trim_matches('"')).trim_matches('"').to_owned()),
            ("Rust, all escaped", chars(&|c| format!("\\u{{{:x}}}", u32::from(c)))),
            (
                "JavaScript",
                chars(&|c| if u32::from(c) < 256 { format!("\\x{:02x}", u32::from(c)) } else { c.to_string() }),
            ),
            ("URL", url(secret, "-._~")),
            ("URL, few escaped", url(secret, "-._~/'!+")),
            ("URL, lower case", url(secret, "-._~").to_lowercase()),
            ("URL, all escaped", bytes(&|byte| format!("%{byte:02X}"), "")),
            ("URL, all escaped, lower case", bytes(&|byte| format!("%{byte:02x}"), "")),
            ("URL in URL", url(&url(secret, "-._~"), "-._~")),
            ("URL in URL, all escaped", bytes(&|byte| format!("%25{byte:02X}"), "")),
            ("URL in URL in URL", url(&url(&url(secret, "-._~"), "-._~"), "-._~")),
            ("form", url(secret, "-._ ").replace(' ', "+")),
            ("URL in JSON", json(&url(secret, "\"\\"))),
            ("JSON in URL", url(&json(secret), "-._~")),
            ("HTML", chars(&entity)),
            ("HTML, decimal", chars(&|c| format!("&#{};", u32::from(c)))),
            ("HTML, hexadecimal", chars(&|c| format!("&#x{:x};", u32::from(c)))),
            ("HTML, upper case", chars(&|c| format!("&#X{:X};", u32::from(c)))),
            ("HTML in HTML", chars(&|c| format!("&amp;#{};", u32::from(c)))),
            ("HTML in JSON", json(&chars(&entity))),
            ("quoted-printable", mail.clone()),
            ("quoted-printable, wrapped", mail.replace("=6", "=\r\n=6")),
            ("quoted-printable, in JSON", json(&mail)),
            ("quoted-printable, a line broken", format!("{}=\n{}", &secret[..third], &secret[third..])),
            ("hex", bytes(&|byte| format!("{byte:02x}"), "")),
            ("hex, upper case", bytes(&|byte| format!("{byte:02X}"), "")),
            ("hex, spaces", bytes(&|byte| format!("{byte:02x}"), " ")),
            ("hex, colons", bytes(&|byte| format!("{byte:02X}"), ":")),
            ("hex, hyphens", bytes(&|byte| format!("{byte:02X}"), "-")),
            ("hex, 0x", bytes(&|byte| format!("0x{byte:02x}"), ", ")),
            ("hex, \\x", bytes(&|byte| format!("\\x{byte:02x}"), "")),
            ("hex, lines", wrapped(bytes(&|byte| format!("{byte:02x}"), ""), "\r\n")),
            ("decimal", bytes(&|byte| byte.to_string(), ", ")),
            ("decimal, tight", bytes(&|byte| byte.to_string(), ",")),
            ("without its end", secret[..third].to_owned()),
            ("without its end, in upper case", secret[..third].to_uppercase()),
            ("without its end, in a URL", url(&secret[..third], "-._~")),
            ("without its end, in hex", bytes(&|byte| format!("{byte:02x}"), "")[..third * 2].to_owned()),
        ]
    }

    #[test]
    fn each_written_form_is_masked_in_each_place() {
        let plain = "PT9f8e7d6c5b4a39281706f5e4d3c2b1a0zyxw";
        let odd = "PT \"7/\u{e9}+\\x\u{1f600}%' Qm<&Zt-9kLr";
        for secret in [plain, odd] {
            let mask = mask(&["another one", secret]);
            let forms = forms(secret);
            assert!(forms.len() >= 48, "{}", forms.len());
            for (form, written) in &forms {
                for (before, after) in
                    [("", ""), ("a ", " b"), ("(", ")"), ("z?token=", "&x=1"), ("z\n", "\n"), ("z\"", "\"")]
                {
                    let shown = mask.clean(&format!("{before}{written}{after}"));
                    assert_eq!(shown, format!("{before}{MASK}{after}"), "{form}: {written}");
                }
                let twice = mask.clean(&format!("z {written} | {written}"));
                assert_eq!(twice, format!("z {MASK} | {MASK}"), "{form}: {written}");
            }
            // Base64 has digits at its ends that belong to what is beside the secret too.
            for before in ["", "a", "ab"] {
                let text = base64(format!("{before}{secret}:").as_bytes());
                let urls = text.replace('+', "-").replace('/', "_");
                let wrap = |end: &str| format!("{}{end}{}{end}{}", &text[..17], &text[17..30], &text[30..]);
                for written in [text.clone(), urls, wrap("\r\n"), wrap("\n "), wrap("\\n"), wrap("%0A")] {
                    let shown = mask.clean(&format!("z {written}"));
                    assert!(shown.contains(MASK) && shown.len() <= 2 + MASK.len() + 9, "{written}: {shown}");
                }
            }
            // Without its beginning two thirds are masked.
            let third = secret.char_indices().map(|(at, _)| at).rfind(|at| at * 3 <= secret.len()).expect("a third");
            assert_eq!(mask.clean(&secret[third..]).matches(MASK).count(), 1);
        }
    }

    #[test]
    fn what_only_looks_like_a_secret_is_left() {
        let mask = mask(&["PT9f8e7d6c5b4a39281706f5e4d3c2b1a0zyxw"]);
        for text in [
            "calling.play on call 3f2a5d30-41a0-4f39-9f0e-5d2f6f6b7a10: rejected (400): unknown voice",
            "PT9f8e7d6c5b4a3928 is half of it",
            "100% of it, \\ and & and = and %zz and \\u{110000} and &#xffffffff; and =\n",
            "\u{e9}\u{1f600}\u{202e}",
            "",
        ] {
            assert_eq!(mask.clean(text), text);
        }
    }

    /// The steps for this text, and for one of twice its length.
    fn steps(mask: &Mask, piece: &str) -> (usize, usize) {
        let of = |length: usize| mask.steps(&piece.repeat(length / piece.len()));
        (of(1 << 15), of(1 << 16))
    }

    #[test]
    fn twice_the_text_takes_twice_the_steps_whatever_text_and_secrets_are() {
        let state = "a".repeat(20 << 10) + "b";
        let zeros = "\0".repeat(15) + "\u{1}";
        let many: Vec<String> = (1..64).map(|length| "a".repeat(length * 3) + "b").collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let sets: [&[&str]; 6] =
            [&["canary-and-more"], &[&state], &["abababababababababababab"], &[&zeros], &many, &["1010101010101011"]];
        for secrets in sets {
            let mask = mask(secrets);
            for piece in [
                "\\u{", "\\u{1", "a", "ab", "%", "%25", "%2525", "\\", "&#", "&amp;", "=", "==", "=3D", "0", "00 ",
                "A", "97,", "a=\n", "\u{e9}",
            ] {
                let (once, twice) = steps(&mask, piece);
                // The few more are the ends, where an escape may be cut off.
                assert!(twice <= 2 * once + 4000, "{piece:?}: {once}, then {twice} steps");
                assert!(twice <= 48 << 16, "{piece:?}: {twice} steps");
            }
        }
    }

    #[test]
    fn of_a_secret_beyond_the_bound_the_beginning_is_looked_for_and_nothing_is_shown_behind_it() {
        let state = format!("St4te-{}", "0123456789abcdef".repeat(4096));
        let mask = mask(&[&state]);
        assert!(mask.texts.nodes.len() + mask.hex.nodes.len() + mask.base64.nodes.len() < 12 * PATTERN);
        for written in [state.clone(), state.to_uppercase(), format!("{}...", &state[..2000])] {
            assert_eq!(mask.clean(&format!("not {written} again")), format!("not {MASK}"));
        }
    }
}
