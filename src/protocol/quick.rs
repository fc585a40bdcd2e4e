//! The fast path for frequent events: JSON without white space and without escapes, as the service writes it. All other
//! forms are left to serde. Both paths have the same result.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::{EVENT, Envelope, EventHead};
use super::object::Number;

/// Reads the ID and the envelope of an event.
pub(super) fn event(text: &str) -> Option<(&RawValue, Envelope<'_>)> {
    let mut scan = Scan::new(text);
    let (mut id, mut is_event, mut envelope) = (None, false, None);
    scan.take(b'{')?;
    loop {
        match scan.key()? {
            "jsonrpc" => drop(scan.string()?),
            "id" => {
                let start = scan.at;
                scan.string()?;
                id = serde_json::from_str(&text[start..scan.at]).ok();
            }
            // The method decides how the parameters are read, so it must come before them.
            "method" if envelope.is_none() => is_event = scan.string()? == EVENT,
            "params" if is_event => envelope = Some(scan.envelope()?),
            _ => return None,
        }
        if !scan.goes_on()? {
            break;
        }
    }
    if scan.at < text.len() { None } else { id.zip(envelope) }
}

/// Reads the head of a payload.
pub(super) fn head(payload: &RawValue) -> Option<EventHead<'_>> {
    let mut scan = Scan::new(payload.get());
    let mut head = EventHead::default();
    scan.take(b'{')?;
    loop {
        let key = scan.key()?;
        if let Some(slot) = head.text(key) {
            *slot = if scan.peek()? == b'"' { Some(Cow::Borrowed(scan.string()?)) } else { None };
            if slot.is_none() {
                scan.skip()?;
            }
        } else {
            let value = scan.skip()?;
            if let Some(slot) = head.part(key) {
                *slot = serde_json::from_str(value).ok().filter(|raw: &&RawValue| raw.get() != "null");
            }
        }
        if !scan.goes_on()? {
            return Some(head);
        }
    }
}

/// A position in a JSON text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Reads the name of a member, which its value follows.
    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.take(b':')?;
        Some(key)
    }

    /// Returns `true` if another member follows a value.
    fn goes_on(&mut self) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    /// Reads a string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        self.at = self.end_of_plain()?;
        let string = &self.text[start..self.at];
        self.take(b'"')?;
        Some(string)
    }

    /// Finds the next byte that is special in a string: a quote, a backslash or a control character.
    fn end_of_plain(&self) -> Option<usize> {
        const ONES: u64 = u64::MAX / 255;
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*word);
            // The highest bit of a byte is set if a subtraction below borrows from it: for zero, or less than a space.
            let (quote, backslash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
            let found = (word.wrapping_sub(ONES * 0x20) & !word)
                | (quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash);
            let found = found & (ONES << 7);
            if found != 0 {
                return Some(at + found.trailing_zeros() as usize / 8);
            }
            at += 8;
        }
        let in_rest = bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
        Some(at + in_rest)
    }

    /// Skips a value of JSON that is known to be valid.
    fn skip(&mut self) -> Option<&'a str> {
        let start = self.at;
        let mut depth = 0usize;
        if !matches!(self.peek()?, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') {
            return None;
        }
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => depth += 1,
                b',' | b'}' | b']' if depth == 0 => return Some(&self.text[start..self.at]),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Skips to the closing quote of a string.
    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at = self.end_of_plain()?;
            match self.peek()? {
                b'"' => return Some(()),
                b'\\' => self.at += 2,
                _ => return None,
            }
        }
    }

    fn envelope(&mut self) -> Option<Envelope<'a>> {
        let (mut event_type, mut params, mut timestamp) = (None, None, None);
        let (mut event_channel, mut context, mut project_id) = (None, None, None);
        self.take(b'{')?;
        loop {
            match self.key()? {
                "event_type" => event_type = Some(self.string()?),
                "event_channel" => event_channel = Some(self.string()?),
                "context" => context = Some(self.string()?),
                "project_id" => project_id = Some(self.string()?),
                "timestamp" => timestamp = self.number()?.0,
                "params" => params = Some(self.object()?),
                _ => drop(self.string()?),
            }
            if !self.goes_on()? {
                break;
            }
        }
        Some(Envelope {
            event_type: Cow::Borrowed(event_type?),
            params: params?,
            timestamp,
            event_channel: event_channel.map(Cow::Borrowed),
            context: context.map(Cow::Borrowed),
            project_id: project_id.map(Cow::Borrowed),
        })
    }

    fn number(&mut self) -> Option<Number> {
        let start = self.at;
        while matches!(self.peek()?, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        serde_json::from_str(&self.text[start..self.at]).ok()
    }

    /// Reads an object, which serde validates.
    fn object(&mut self) -> Option<&'a RawValue> {
        if self.peek()? != b'{' {
            return None;
        }
        let mut json = serde_json::Deserializer::from_str(&self.text[self.at..]);
        let object = <&RawValue>::deserialize(&mut json).ok()?;
        self.at += object.get().len();
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Incoming;
    use super::*;
    use crate::clock::Rng;

    const PLAIN: [&str; 3] = [
        r#"{"jsonrpc":"2.0","id":"0b6f2a52-1","method":"signalwire.event","params":{"event_type":"calling.call.play","event_channel":"bench","timestamp":1700000000.125,"project_id":"p","space_id":"s","params":{"call_id":"c","node_id":"n","control_id":"k","state":"playing"}}}"#,
        r#"{"jsonrpc":"2.0","id":"2","method":"signalwire.event","params":{"event_type":"calling.call.state","context":"office","timestamp":1e3,"params":{"call_id":"c","call_state":"ended","tag":7,"direction":null,"end_reason":"busy","device":{"type":"phone","params":{"to":"+1","x":[1,"]}\"",{}]}},"parent":{"call_id":"d"},"peer":[{"a":"\\"}],"more":-1.5,"flag":true}}}"#,
        r#"{"id":"3","method":"signalwire.event","params":{"params":{"message_id":"m","message_state":"sent","call":null,"reason":"é","other":"\u00e9\n"},"event_type":"messaging.state"}}"#,
    ];

    const TEXTS: [&str; 18] = [
        "call_id",
        "node_id",
        "control_id",
        "tag",
        "call_state",
        "state",
        "segment_id",
        "message_id",
        "message_state",
        "dial_state",
        "direction",
        "end_reason",
        "reason",
        "context",
        "protocol",
        "project_id",
        "conference_id",
        "authorization_state",
    ];

    type Texts<'a> = Vec<Option<&'a str>>;

    fn texts_of_envelope<'a>(envelope: &'a Envelope<'_>) -> (Texts<'a>, Option<u64>) {
        let Envelope { event_type, params, timestamp, event_channel, context, project_id } = envelope;
        let texts = [event_channel, context, project_id].map(Option::as_deref);
        let texts = [Some(&**event_type), Some(params.get())].into_iter().chain(texts).collect();
        (texts, timestamp.map(f64::to_bits))
    }

    fn texts_of_head(head: &mut EventHead<'_>) -> Vec<Option<String>> {
        let texts = TEXTS.map(|key| head.text(key).expect("it is kept").as_deref().map(str::to_owned));
        let parts =
            ["call", "device", "parent"].map(|key| head.part(key).expect("it is kept").map(|raw| raw.get().to_owned()));
        texts.into_iter().chain(parts).collect()
    }

    /// Checks that both paths have the same result. Returns whether the fast one was taken for the frame, and for its
    /// payload.
    fn compare(text: &str) -> (bool, bool) {
        let slow = Incoming::parse_any(text);
        if let Some((id, envelope)) = event(text) {
            let Incoming::Event { id: slow_id, envelope: slow } = &slow else { panic!("no event: {text}") };
            assert_eq!(slow_id.map(RawValue::get), Some(id.get()), "{text}");
            assert_eq!(texts_of_envelope(&envelope), texts_of_envelope(slow), "{text}");
        }
        let Incoming::Event { envelope, .. } = &slow else { return (false, false) };
        let quick = head(envelope.params);
        let is_quick = quick.is_some();
        if let Some(mut quick) = quick {
            let mut slow = EventHead::parse_text(envelope.params.get());
            assert_eq!(texts_of_head(&mut quick), texts_of_head(&mut slow), "{text}");
        }
        (event(text).is_some(), is_quick)
    }

    #[test]
    fn events_as_the_service_writes_them_take_the_short_way() {
        for plain in PLAIN {
            assert_eq!(compare(plain), (true, true), "{plain}");
        }
    }

    #[test]
    fn what_is_of_another_form_is_left_to_the_long_way() {
        let event = PLAIN[0];
        let payload = r#""params":{"call_id":"c","#;
        let others = [
            event.replace("\"2.0\",", "\"2.0\", "),
            event.replace("0b6f2a52", "0b6f\\u0032"),
            event.replace("\"0b6f2a52-1\"", "7"),
            event.replace("signalwire.event", "signalwire.ping"),
            event.replace("\"bench\"", "null"),
            event.replace("1700000000.125", "\"1\""),
            event.replace("1700000000.125", "1.2.3"),
            event.replace("\"p\"", "\"p\u{1}\""),
            event.replace("\"playing\"", "playing"),
            format!("{event} "),
            format!("{event}}}"),
            event.replace(r#""method":"signalwire.event","#, "").replace("}}}", r#"}},"method":"signalwire.event"}"#),
        ];
        for other in others {
            assert!(!compare(&other).0, "{other}");
        }
        for value in ["\"c\\n\",", " \"c\",", "\"c\" ,"] {
            let other = event.replace(payload, &format!("\"params\":{{\"call_id\":{value}"));
            assert!(other != event && !compare(&other).1, "{other}");
        }
    }

    #[test]
    fn both_ways_have_the_same_outcome() {
        const PIECES: [&str; 20] = [
            "\"",
            "\\",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "null",
            "1",
            "-",
            ".",
            "e",
            "\"call_id\":",
            "\"id\":",
            "\"params\":",
            "\u{1}",
            "é",
            "\"a\":1,",
        ];
        let mut rng = Rng::new(1);
        let mut below = |limit: usize| usize::try_from(rng.next() % limit as u64).unwrap_or_default();
        let mut quick = [0; 2];
        for _ in 0..60_000 {
            let mut text: Vec<char> = PLAIN[below(PLAIN.len())].chars().collect();
            for _ in 0..=below(2) {
                let (from, length) = (below(text.len()), below(3));
                let to = (from + length).min(text.len());
                text.splice(from..to, PIECES[below(PIECES.len())].chars());
            }
            let (frame, payload) = compare(&text.into_iter().collect::<String>());
            quick[0] += usize::from(frame);
            quick[1] += usize::from(payload);
        }
        assert!(quick.iter().all(|count| *count > 1000), "{quick:?}");
    }
}
