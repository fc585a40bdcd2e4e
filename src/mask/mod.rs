//! The search for secrets in texts from outside.
//!
//! The search makes one pass for each way of reading a text: as it is, with its escapes decoded once, twice and three
//! times, as hexadecimal, as base64, and as a list of bytes. Each pass takes constant time for each byte, whatever the
//! text and the secrets are: an attacker may have chosen both.

mod escapes;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use self::escapes::{Escapes, View};

/// Text that is shown in place of a secret.
pub(crate) const MASK: &str = "<secret>";

/// Length below which a value is not searched for in other texts: it would mask half of every frame.
pub(crate) const SHORTEST: usize = 4;

/// Length of the part of a longer secret that is searched for. A text is masked from there to its end.
pub(crate) const PATTERN: usize = 1024;

/// Length from which two thirds of a secret are found too.
const PARTS_FROM: usize = 12;

/// Number of times that the escapes of a text are decoded.
const LEVELS: usize = 3;

/// Number of separators that may stand between two bytes in hexadecimal or decimal.
const SEPARATORS: usize = 3;

/// Finds secrets in texts, in any case: as they are; with the escapes of URLs, JSON, JavaScript, Rust, HTML or
/// quoted-printable, also several times; in hexadecimal, in base64, and as lists of bytes; also within a longer text,
/// and without their first or last third.
#[derive(Default)]
pub(crate) struct Mask {
    /// The secrets, and whether each is searched for as a whole word only.
    secrets: Vec<(Box<str>, bool)>,
    /// The patterns, built by the first search: a mask is often replaced before a text is searched.
    patterns: OnceLock<Patterns>,
}

/// The secrets in all the forms that are searched for.
#[derive(Default)]
struct Patterns {
    texts: Automaton,
    hex: Automaton,
    base64: Automaton,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets: _, patterns: _ } = self;
        f.write_str("Mask(..)")
    }
}

impl Mask {
    /// Creates a mask of secrets. The flag of a secret is `true` if only the whole word counts.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let secrets = secrets.filter(|(secret, _)| secret.len() >= SHORTEST);
        let secrets = secrets.map(|(secret, is_word)| (secret.into(), is_word)).collect();
        Self { secrets, patterns: OnceLock::new() }
    }

    /// Size of the secrets in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.secrets.iter().map(|(secret, _)| size_of::<(Box<str>, bool)>() + secret.len()).sum()
    }

    /// Returns `text` with each secret masked, in whatever form it is.
    pub(crate) fn clean(&self, text: &str) -> String {
        replace(text, self.find(text, false).found)
    }

    /// Masks a text that was cut off: the possible beginning of a secret at its end is masked too.
    pub(crate) fn clean_part(&self, text: &str) -> String {
        replace(text, self.find(text, true).found)
    }

    /// Returns `true` if `text` is exactly one of the secrets.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.secrets.iter().any(|(secret, _)| **secret == *text)
    }

    /// Number of steps for cleaning this text.
    #[cfg(test)]
    pub(crate) fn steps(&self, text: &str) -> usize {
        self.find(text, true).steps
    }

    fn find(&self, text: &str, is_part: bool) -> Search {
        let mut search = Search { found: Vec::new(), steps: 0, length: text.len(), is_part };
        if !self.secrets.is_empty() {
            self.patterns.get_or_init(|| Patterns::of(&self.secrets)).find(text, &mut search);
        }
        search
    }
}

impl Patterns {
    fn of(secrets: &[(Box<str>, bool)]) -> Self {
        let mut patterns = Self::default();
        for (secret, is_word) in secrets {
            patterns.add(secret, *is_word);
        }
        for automaton in [&mut patterns.texts, &mut patterns.hex, &mut patterns.base64] {
            automaton.link();
        }
        patterns
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
        // Escapes that are part of the secret are decoded in the text together with those of the text.
        while written.len() <= LEVELS {
            let undone =
                written.last().and_then(|last| Some(View::of(last).undone(Escapes::Usual)?.bytes.into_owned()));
            match undone {
                Some(undone) => written.push(undone),
                None => break,
            }
        }
        if !secret.is_ascii() {
            // The search ignores the case of ASCII letters.
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

    fn find(&self, text: &str, search: &mut Search) {
        let mut view = View::of(text.as_bytes());
        for level in 0..=LEVELS {
            self.look_at(&view, search);
            // Quoted-printable would treat `=ab` in a URL as an escape, so it is a separate way of reading.
            if level < 2 {
                if let Some(view) = view.undone(Escapes::Mail) {
                    self.look_at(&view, search);
                }
            }
            match view.undone(Escapes::Usual) {
                Some(undone) if level < LEVELS => view = undone,
                _ => break,
            }
        }
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
            // For example `0x54` and `\x54`.
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

    /// Searches for lists of bytes, such as `[84, 48, 107]`.
    fn as_bytes(&self, view: &View<'_>, search: &mut Search) {
        let mut run = Run::new(&self.texts);
        let (mut at, mut between) = (0, 0);
        while let Some(byte) = view.bytes.get(at) {
            let digits = view.bytes[at..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
            let value = view.bytes[at..at + digits].iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            if let (1..=3, Ok(value)) = (digits, u8::try_from(value)) {
                let place = view.place(at).start..view.place(at + digits - 1).end;
                // Between two numbers there is always a separator.
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

/// The matches so far.
struct Search {
    found: Vec<Range<usize>>,
    steps: usize,
    length: usize,
    is_part: bool,
}

impl Search {
    fn push(&mut self, mut range: Range<usize>) {
        // The matches of one run are ordered by their ends.
        while let Some(last) = self.found.last().filter(|last| last.end >= range.start && last.start <= range.end) {
            range = last.start.min(range.start)..last.end.max(range.end);
            self.found.pop();
        }
        self.found.push(range);
    }
}

/// Replaces these ranges by the mask.
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

/// Returns the base64 digits that contain only bytes of this secret, for each position in a group of three at which it
/// may begin.
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

/// The part of a pattern that counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Whole,
    /// The whole pattern, with no letter or digit beside it.
    Word,
    /// Two thirds of the pattern.
    Parts,
    /// The whole pattern, and the rest of the text.
    Beginning,
}

/// A node of the automaton that finds all patterns in one pass.
#[derive(Default)]
struct Node {
    unit: u8,
    depth: u32,
    /// The first child, and the next sibling; 0 means none.
    child: u32,
    sibling: u32,
    /// The node of the longest other beginning of a pattern that ends here.
    fail: u32,
    /// Number of units up to here that belong to a secret.
    found: u32,
    /// Whether a word ends here; `next_word` is the next shorter one that does.
    word: bool,
    next_word: u32,
    /// Whether the rest of the text belongs to the secret too.
    endless: bool,
}

/// All patterns at once, after Aho and Corasick: a search takes at most two steps for each unit of the text.
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

    /// Returns the child for this unit; 0 if there is none.
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

    /// Computes where the search continues from each node when no child fits.
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

/// One search through the automaton.
struct Run<'a> {
    automaton: &'a Automaton,
    state: u32,
    /// The start positions of the last units, as many as the longest pattern has.
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

    /// Processes the next unit, which is at `place` in the original. `at` is its position in the view, if it is a byte
    /// of that.
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

    /// Returns the start of the last `count` units.
    fn start(&self, count: u32) -> usize {
        let at = self.starts.len().saturating_sub(count as usize);
        self.starts.get(at).copied().unwrap_or_default()
    }

    /// Ends the search of a text that is cut off: a match of this much of a secret's beginning counts.
    fn finish(&self, enough: usize, search: &mut Search) {
        let depth = self.automaton.nodes[self.state as usize].depth;
        if search.is_part && depth as usize >= enough {
            search.push(self.start(depth)..search.length);
        }
    }
}

#[cfg(test)]
mod tests;
