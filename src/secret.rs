//! Secrets: a string type that does not print, and the one function through which texts from outside are printed.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::mask::SHORTEST;
pub(crate) use crate::mask::{MASK, Mask};

/// Length below which a value of a request is searched for as a whole word: a short number would be found in others.
const WORDS_BELOW: usize = 8;

/// Number of secrets of requests that are remembered (the last ones), and the length limit of one.
const LEARNED: usize = 64;
const LONGEST: usize = 4096;

/// Number of bytes of a text from outside that are printed.
pub(crate) const SHOWN: usize = 1024;

/// Number of bytes of it that are searched for secrets: the rest is never shown.
const SEARCHED: usize = 4096;

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

/// All secrets of a client, and the one function through which texts from outside get into a log or an error.
#[derive(Default)]
pub(crate) struct Secrets {
    inner: Mutex<Inner>,
}

/// The secrets, behind their lock.
#[derive(Default)]
struct Inner {
    /// The client's own credentials and IDs.
    own: Vec<Secret>,
    /// Secrets of requests, the oldest first.
    learned: VecDeque<Secret>,
    /// The mask of all secrets. `None` until it is needed again: many requests may add secrets before anything is
    /// printed.
    mask: Option<Arc<Mask>>,
}

impl Secrets {
    /// Replaces the client's own secrets.
    pub(crate) fn set_own(&self, own: Vec<Secret>) {
        let mut inner = self.inner.lock();
        inner.own = own;
        inner.mask = None;
    }

    /// Adds a secret of a request. The last few are remembered: the service may repeat them in its response.
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
        inner.mask = None;
    }

    /// Returns the mask of all secrets.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        let mut inner = self.inner.lock();
        let Inner { own, learned, mask } = &mut *inner;
        let mask = mask.get_or_insert_with(|| {
            let own = own.iter().map(|secret| (secret.expose(), false));
            let learned = learned.iter().map(Secret::expose).map(|secret| (secret, secret.len() < WORDS_BELOW));
            Arc::new(Mask::new(own.chain(learned)))
        });
        Arc::clone(mask)
    }

    /// Prepares a text of the service, or of user code, for printing: on one line, at most 1 KiB of it, with each
    /// secret masked in whatever form it is, and without characters that move the cursor or change the direction of
    /// writing. IDs are such texts too.
    pub(crate) fn clean(&self, text: &str) -> String {
        clean(text, &self.mask())
    }
}

/// Prepares a text with the mask of another time.
pub(crate) fn clean(text: &str, mask: &Mask) -> String {
    let part = beginning(text, SEARCHED);
    let masked = if part.len() < text.len() { mask.clean_part(part) } else { mask.clean(part) };
    let mut shown = one_line(beginning(&masked, SHOWN));
    if part.len() < text.len() || masked.len() > SHOWN {
        let _ = write!(shown, "... ({} bytes)", text.len());
    }
    shown
}

/// Returns the first `length` bytes of a text, or fewer, so that no character is cut.
fn beginning(text: &str, length: usize) -> &str {
    let end = (0..=length.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// Masks the phone numbers of a text except for their last four digits: `+...2222`. IDs contain digits too, but no plus
/// sign in front.
pub(crate) fn short_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('+') {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = at + 1 + digits;
        if digits > 4 {
            out.push_str(&rest[..=at]);
            out.push_str("...");
            out.push_str(&rest[end - 4..end]);
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Returns a text with control and direction characters escaped as in JSON.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Returns `true` for a character that a terminal, or a program that reads a log, may interpret.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Line ends of some programs.
            '\u{2028}' | '\u{2029}'
            // Direction of writing.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Invisible characters.
            | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner: _ } = self;
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_text() {
        let text = format!("{:?}", Secret::new("PT-canary"));
        assert_eq!(text, "<secret>");
        let secrets = Secrets::default();
        secrets.set_own(vec![Secret::new("PT-canary")]);
        assert!(!format!("{secrets:?} {:?}", secrets.mask()).contains("canary"));
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

    #[test]
    fn a_text_of_others_stays_on_one_line_and_is_cut_to_what_is_shown() {
        let secrets = Secrets::default();
        secrets.set_own(vec![Secret::new("PT-canary-of-this-test")]);
        let forged = "x\n2026-11-28 ERROR forged\r\u{1b}[2J\u{9b}2J\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{e0041}\0";
        let shown = secrets.clean(forged);
        assert_eq!(
            shown,
            "x\\n2026-11-28 ERROR forged\\r\\u001b[2J\\u009b2J\\u007f\\u0085\\u2028\\u2029\\u202e\\u2066\\u200b\\udb40\\udc41\\u0000"
        );
        assert_eq!(
            secrets.clean("Gr\u{fc}\u{df}e \u{1f600} \u{5e9}\u{5dc}"),
            "Gr\u{fc}\u{df}e \u{1f600} \u{5e9}\u{5dc}"
        );
        // No part of a secret is shown where the text is cut before the search.
        for before in [SHOWN - 30..SHOWN + 2, SEARCHED - 30..SEARCHED + 2].into_iter().flatten() {
            let shown = secrets.clean(&format!("{}PT-canary-of-this-test{}", "x".repeat(before), "y".repeat(9000)));
            assert!(!shown.contains("PT-c") && shown.len() < SHOWN + 40, "{before}: {shown}");
        }
        assert!(secrets.clean(&"\u{1f600}".repeat(9000)).ends_with("... (36000 bytes)"));
    }

    #[test]
    fn how_long_a_text_of_others_is_costs_nothing() {
        let secrets = Secrets::default();
        secrets.set_own(vec![Secret::new("PT-canary-of-this-test")]);
        let steps = |length: usize| secrets.mask().steps(beginning(&"\\u{".repeat(length), SEARCHED));
        assert_eq!(steps(10_000), steps(3_000_000));
    }
}
