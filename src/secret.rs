//! What must not be printed: a string that does not print, and the search for such strings in other texts.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "<secret>";

/// A value shorter than this is not looked for in other texts: it would mask half of every frame.
const SHORTEST: usize = 4;

/// A value that came in a request, and is shorter than this, is looked for as a word: it may be a short number, which
/// would be found in others.
const WORDS_BELOW: usize = 8;

/// How many secrets of requests are remembered, the last ones, and how long one may be.
const LEARNED: usize = 64;
const LONGEST: usize = 4096;

/// The length of `\ud83d\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// Holds a credential. Neither `Debug` nor `Display` shows it; [`Secret::expose`] is the only way to the text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "<none>" } else { MASK })
    }
}

/// All that a client has to keep to itself: the one way by which texts of others come into a log or an error.
#[derive(Default)]
pub(crate) struct Secrets {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Those that the client knows itself by.
    own: Vec<Secret>,
    /// Those that requests had in them, the oldest first.
    learned: VecDeque<Secret>,
    mask: Arc<Mask>,
}

impl Inner {
    fn renew(&mut self) {
        let own = self.own.iter().map(|secret| (secret.expose(), false));
        let learned = self.learned.iter().map(Secret::expose).map(|secret| (secret, secret.len() < WORDS_BELOW));
        self.mask = Arc::new(Mask::new(own.chain(learned)));
    }
}

impl Secrets {
    /// The client's own secrets are these from now on.
    pub(crate) fn set_own(&self, own: Vec<Secret>) {
        let mut inner = self.inner.lock();
        inner.own = own;
        inner.renew();
    }

    /// A request has this in it. The last few are remembered: the service may repeat them in what it says about it.
    pub(crate) fn learn(&self, secret: &str) {
        if !(SHORTEST..=LONGEST).contains(&secret.len()) || secret == MASK {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.own.iter().chain(&inner.learned).any(|known| known.expose() == secret) {
            return;
        }
        if inner.learned.len() >= LEARNED {
            inner.learned.pop_front();
        }
        inner.learned.push_back(Secret::new(secret));
        inner.renew();
    }

    /// What finds them in texts.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        Arc::clone(&self.inner.lock().mask)
    }

    /// `text` with each secret masked, however it is written.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.mask().clean(text)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner: _ } = self;
        f.write_str("Secrets(..)")
    }
}

/// Finds secrets in texts: as they are, percent-encoded, with the escapes of JSON or of `Debug`, in hexadecimal and in
/// base64, also in the middle of something longer.
pub(crate) struct Mask {
    forms: Vec<Form>,
    /// Which of them may begin with a byte.
    by_first: Box<[Vec<u16>; 256]>,
}

struct Form {
    text: Box<str>,
    how: How,
    /// Whether it counts only with something else than a letter or digit on both sides.
    is_word: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As it is.
    Plain,
    /// `%2F` for any byte, and `+` for a space.
    Percent,
    /// A backslash before some characters.
    Escaped,
    /// Two digits for each byte.
    Hex,
}

impl Default for Mask {
    fn default() -> Self {
        Self::new(std::iter::empty())
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { forms: _, by_first: _ } = self;
        f.write_str("Mask(..)")
    }
}

impl Mask {
    /// Of each secret, whether it is to be found as a word only.
    fn new<'a>(secrets: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let mut forms = Vec::new();
        for (secret, is_word) in secrets.filter(|(secret, _)| secret.len() >= SHORTEST) {
            for how in [How::Plain, How::Percent, How::Escaped, How::Hex] {
                forms.push(Form { text: secret.into(), how, is_word });
            }
            for text in base64_within(secret.as_bytes()) {
                forms.push(Form { text: text.into(), how: How::Plain, is_word: false });
            }
        }
        let mut by_first: Box<[Vec<u16>; 256]> = Box::new(std::array::from_fn(|_| Vec::new()));
        for (index, form) in (0u16..).zip(&forms) {
            let first = form.text.as_bytes().first().copied().unwrap_or_default();
            let mut add = |byte: u8| by_first[usize::from(byte)].push(index);
            match form.how {
                How::Plain => add(first),
                How::Percent => [first, b'%', b'+'].into_iter().for_each(&mut add),
                How::Escaped => [first, b'\\'].into_iter().for_each(&mut add),
                How::Hex => {
                    let digit = char::from_digit(u32::from(first >> 4), 16).unwrap_or_default() as u8;
                    add(digit);
                    if digit.is_ascii_alphabetic() {
                        add(digit.to_ascii_uppercase());
                    }
                }
            }
        }
        Self { forms, by_first }
    }

    /// `text` with each secret masked, however it is written.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.replace(text, self.find(text))
    }

    /// The same of a text that was cut off somewhere: what may be the beginning of a secret at its end is masked too.
    pub(crate) fn clean_part(&self, text: &str) -> String {
        let mut found = self.find(text);
        let bytes = text.as_bytes();
        let starts = bytes.len().saturating_sub(LONGEST)..bytes.len();
        let cut = starts.filter(|start| text.is_char_boundary(*start)).find(|start| {
            let rest = &bytes[*start..];
            let begins = |form: &Form| rest.len() >= SHORTEST && form.begins_with(rest);
            self.by_first[usize::from(rest[0])].iter().any(|index| begins(&self.forms[usize::from(*index)]))
        });
        if let Some(start) = cut {
            found.push(start..bytes.len());
        }
        self.replace(text, found)
    }

    /// Whether `text` is one of them, whole.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.forms.iter().any(|form| form.how == How::Plain && *form.text == *text)
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let bytes = text.as_bytes();
        let mut found: Vec<Range<usize>> = Vec::new();
        for (start, first) in bytes.iter().enumerate() {
            let candidates = self.by_first[usize::from(*first)].iter().map(|index| &self.forms[usize::from(*index)]);
            if let Some(end) = candidates.filter_map(|form| form.end(bytes, start)).max() {
                found.push(start..end);
            }
        }
        found
    }

    /// Puts the mask in place of these ranges, which may overlap, and are in the order of their starts.
    fn replace(&self, text: &str, found: Vec<Range<usize>>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for Range { start, end } in found {
            if start >= done {
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(MASK);
            }
            done = done.max(end);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }
}

impl Form {
    /// Where it ends in `text` if it is at `start`.
    fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let rest = &text[start..];
        let length = match self.how {
            How::Plain => rest.starts_with(self.text.as_bytes()).then_some(self.text.len())?,
            _ => self.length(rest, true)?,
        };
        let end = start + length;
        let joins = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let before = start.checked_sub(1).and_then(|before| text.get(before));
        if self.is_word && (joins(before) || joins(text.get(end))) { None } else { Some(end) }
    }

    /// Whether all of `rest` is its beginning.
    fn begins_with(&self, rest: &[u8]) -> bool {
        match self.how {
            How::Plain => self.text.as_bytes().starts_with(rest),
            _ => self.length(rest, false) == Some(rest.len()),
        }
    }

    fn may_be_cut(&self, escape: &[u8]) -> bool {
        match self.how {
            How::Plain => false,
            How::Percent => escape.starts_with(b"%"),
            How::Escaped => escape.starts_with(b"\\"),
            How::Hex => escape.iter().all(u8::is_ascii_hexdigit),
        }
    }

    /// How much of `rest` it takes; without `whole`, also when `rest` ends before it does.
    fn length(&self, rest: &[u8], whole: bool) -> Option<usize> {
        let mut at = 0;
        for c in self.text.chars() {
            let left = &rest[at..];
            if left.is_empty() && !whole {
                break;
            }
            let mut raw = [0; 4];
            let raw = c.encode_utf8(&mut raw).as_bytes();
            let encoded = match self.how {
                How::Plain => None,
                How::Percent => percent(left, raw),
                How::Escaped => escape(left, c),
                How::Hex => hex(left, raw),
            };
            let plain = || (self.how != How::Hex && left.starts_with(raw)).then_some(raw.len());
            at += match encoded.or_else(plain) {
                Some(length) => length,
                // The cut may have gone through an escape.
                None if !whole && left.len() < LONGEST_ESCAPE && self.may_be_cut(left) => left.len(),
                None => return None,
            };
        }
        Some(at)
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    if !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// How long these bytes are in hexadecimal, if that is what `text` begins with.
fn hex(text: &[u8], bytes: &[u8]) -> Option<usize> {
    let is = |(index, byte): (usize, &u8)| {
        text.get(index * 2..index * 2 + 2).and_then(digits).is_some_and(|value| value == u32::from(*byte))
    };
    bytes.iter().enumerate().all(is).then_some(bytes.len() * 2)
}

fn percent(text: &[u8], bytes: &[u8]) -> Option<usize> {
    if bytes == b" " && text.first() == Some(&b'+') {
        return Some(1);
    }
    let is = |(index, byte): (usize, &u8)| {
        let coded = text.get(index * 3..index * 3 + 3);
        coded.is_some_and(|coded| coded[0] == b'%' && digits(&coded[1..]) == Some(u32::from(*byte)))
    };
    bytes.iter().enumerate().all(is).then_some(bytes.len() * 3)
}

/// How long the escape for this character is, as JSON, JavaScript or Rust writes it, if `text` begins with one.
fn escape(text: &[u8], c: char) -> Option<usize> {
    let rest = text.strip_prefix(b"\\")?;
    let short = match c {
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '"' | '\\' | '/' | '\'' => c as u8,
        _ => 0,
    };
    if short != 0 && rest.first() == Some(&short) {
        return Some(2);
    }
    match rest.first()? {
        b'x' => (digits(rest.get(1..3)?)? == u32::from(c)).then_some(4),
        b'u' if rest.get(1) == Some(&b'{') => {
            let length = rest.iter().position(|byte| *byte == b'}')?;
            (digits(rest.get(2..length)?)? == u32::from(c)).then_some(length + 2)
        }
        b'u' => {
            let mut units = [0; 2];
            let mut at = 0;
            for unit in c.encode_utf16(&mut units) {
                let coded = text.get(at..at + 6)?;
                if !coded.starts_with(b"\\u") || digits(&coded[2..])? != u32::from(*unit) {
                    return None;
                }
                at += 6;
            }
            Some(at)
        }
        _ => None,
    }
}

/// The digits of base64, of both alphabets, that hold nothing but bytes of this secret, for each place in a group of
/// three at which it may begin.
fn base64_within(secret: &[u8]) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = Vec::new();
    for shift in 0..3 {
        let bits = |digit: usize| {
            (0..6).fold(0, |value, bit| {
                let at = digit * 6 + bit;
                let byte = (at / 8).checked_sub(shift).and_then(|index| secret.get(index)).copied().unwrap_or_default();
                value << 1 | usize::from(byte >> (7 - at % 8) & 1)
            })
        };
        let whole = (shift * 4).div_ceil(3)..(shift + secret.len()) * 4 / 3;
        let text: String = whole.map(|digit| DIGITS[bits(digit)] as char).collect();
        let for_urls = text.replace('+', "-").replace('/', "_");
        if for_urls != text {
            forms.push(for_urls);
        }
        forms.push(text);
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(secrets.iter().map(|secret| (*secret, false)))
    }

    #[test]
    fn debug_does_not_show_the_text() {
        let text = format!("{:?}", Secret::new("PT-canary"));
        assert_eq!(text, "<secret>");
        let secrets = Secrets::default();
        secrets.set_own(vec![Secret::new("PT-canary")]);
        assert!(!format!("{secrets:?} {:?}", secrets.mask()).contains("canary"));
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

    #[test]
    fn a_short_secret_of_a_request_is_a_word_and_the_oldest_is_forgotten() {
        let secrets = Secrets::default();
        secrets.learn("1234");
        assert_eq!(secrets.clean("wrong: 1234 from +15551234567"), "wrong: <secret> from +15551234567");
        secrets.learn("123");
        assert_eq!(secrets.clean("123"), "123");
        for n in 0..LEARNED {
            secrets.learn(&format!("password {n}"));
        }
        assert_eq!(secrets.clean("1234, password 1."), "1234, <secret>.");
    }
}
