//! One frame on the reader thread: parsed, acknowledged, and routed.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lines::TARGET;
use super::{Alarm, Answer, Session};
use crate::protocol::constants::{METHOD_SIGNALWIRE_DISCONNECT, METHOD_SIGNALWIRE_EVENT, METHOD_SIGNALWIRE_PING};
use crate::protocol::frame::{self, Envelope, EventHead, Incoming, ReplyId, WireError};
use crate::protocol::limits::LONGEST_NAME;
use crate::trace::Way;
use crate::transport::{AckEncoder, Out, Pulse};

/// Number of events without a pause after which a worker is woken for their jobs.
const BURST: u32 = 256;

/// Largest buffer that is kept, in bytes. A buffer that one long ID has grown beyond this size is freed.
const KEPT: usize = 64 << 10;

/// Request of the service about the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    GoOn,
    /// `signalwire.disconnect`: the service is about to close the socket.
    Leave {
        restart: bool,
    },
}

/// The state of the reader that outlives one generation of the connection.
pub(super) struct Dispatch {
    session: Arc<Session>,
    pub(super) generation: u64,
    /// The pulse of this generation.
    pub(super) pulse: Option<Pulse>,
    /// `true` if the service is about to close this generation.
    leaving: bool,
    /// `true` if the present frame was acknowledged when it arrived.
    acknowledged: bool,
    seen: Seen,
    burst: u32,
    acks: AckEncoder,
    /// The text of the last acknowledgement.
    text: String,
}

impl Dispatch {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            generation: 0,
            pulse: None,
            leaving: false,
            acknowledged: false,
            seen: Seen::default(),
            burst: 0,
            acks: AckEncoder::default(),
            text: String::new(),
        }
    }

    /// Forgets the seen events. A new session does not repeat events of the earlier one.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
        self.session.seen.store(0, Ordering::Relaxed);
    }

    /// Begins a new connection.
    pub(super) fn begin(&mut self, pulse: Pulse) -> u64 {
        self.generation += 1;
        // The verdict was a sign of life and a text frame.
        pulse.beat_text();
        pulse.beat_reply();
        self.pulse = Some(pulse);
        self.leaving = false;
        self.generation
    }

    /// Handles a frame that arrived before the verdict.
    pub(super) fn early(&mut self, text: &str, acknowledged: bool) -> Directive {
        self.acknowledged = acknowledged;
        self.handle(text)
    }

    pub(super) fn text(&mut self, text: &str) -> Directive {
        self.acknowledged = false;
        self.handle(text)
    }

    fn handle(&mut self, text: &str) -> Directive {
        let session = &self.session;
        session.counters.frames_received.add(1);
        if let Some(pulse) = &self.pulse {
            pulse.beat_text();
        }
        session.received(text);
        match Incoming::parse(text) {
            Incoming::Event { id, envelope } => self.event(id, &envelope),
            Incoming::Request { id, method, params } => match &*method {
                METHOD_SIGNALWIRE_EVENT => {
                    if let Some(id) = id {
                        self.send(&frame::ack(id));
                    }
                    let session = &self.session;
                    session.counters.frames_malformed.add(1);
                    session.warn(Alarm::FrameDropped, || {
                        "a malformed event was dropped: its envelope is missing".to_owned()
                    });
                }
                METHOD_SIGNALWIRE_PING => {
                    if let Some(id) = id {
                        self.send(&frame::pong(id, params));
                    }
                }
                METHOD_SIGNALWIRE_DISCONNECT => {
                    // Requests from here on wait for the next connection: this response is the last frame that is sent.
                    session.pending.hold();
                    if let Some(id) = id {
                        let answer = frame::ack(id);
                        session.log_frame("→", &answer);
                        session.writer.post_last(self.generation, Out::Text(answer));
                    }
                    self.leaving = true;
                    return Directive::Leave { restart: params.is_some_and(wants_restart) };
                }
                other => {
                    log::debug!("an unsupported request of the service was ignored: {:.60}", session.clean(other));
                    if let Some(id) = id {
                        self.send(&frame::method_not_found(id));
                    }
                }
            },
            Incoming::Reply { id: ReplyId::Ours(id), body } => self.reply(id.as_u128(), body),
            Incoming::Reply { id: ReplyId::Other, .. } => log::debug!("a response to an unknown request was ignored"),
            Incoming::Malformed(why) => {
                session.counters.frames_malformed.add(1);
                session.warn(Alarm::FrameDropped, || {
                    format!("a malformed frame of {} bytes was dropped: {why}", text.len())
                });
            }
        }
        Directive::GoOn
    }

    /// Sends a frame, at the latest at the next pause.
    fn send(&mut self, text: &str) {
        self.session.log_frame("→", text);
        if let Some(tracer) = &self.session.tracer {
            tracer.frame(Way::FromClient, text);
        }
        self.session.writer.post_frame(self.generation, self.acks.text(text));
    }

    /// Sends the pong for a WebSocket ping, in the same way.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.session.writer.post_frame(self.generation, self.acks.pong(payload));
    }

    fn acknowledge(&mut self, id: &RawValue) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        frame::push_ack(&mut text, id);
        self.send(&text);
        if text.capacity() <= KEPT {
            self.text = text;
        }
    }

    fn reply(&self, id: u128, body: Result<&RawValue, WireError>) {
        if let Some(pulse) = &self.pulse {
            pulse.beat_reply();
        }
        let Some(owed) = self.session.pending.answered(id) else {
            // This is the response to a ping, or to a request whose caller has timed out.
            return;
        };
        let answer = match frame::judge(body) {
            Ok(reply) => Answer::Reply(reply),
            Err(refusal) => Answer::Refused(refusal),
        };
        owed.complete(answer);
        self.leave_when_answered();
    }

    /// Closes a connection that the service is about to close, once no request on it is unanswered.
    pub(super) fn leave_when_answered(&self) {
        if self.leaving && self.session.pending.in_flight(self.generation) == 0 {
            self.session.leave(self.generation);
        }
    }

    fn event(&mut self, id: Option<&RawValue>, envelope: &Envelope<'_>) {
        self.session.counters.events_received.add(1);
        if let Some(id) = id.filter(|_| !self.acknowledged) {
            self.acknowledge(id);
        }
        let session = &self.session;
        if envelope.event_type.is_empty() {
            session.counters.frames_malformed.add(1);
            session.warn(Alarm::FrameDropped, || "a malformed event was dropped: its type is missing".to_owned());
            return;
        }
        let long_id = id.map(|id| ("id", id.get().len())).filter(|(_, bytes)| *bytes > LONGEST_NAME);
        if let Some((name, bytes)) = envelope.too_long().or(long_id) {
            session.counters.frames_malformed.add(1);
            session.warn(Alarm::FrameDropped, || {
                format!("an event was dropped: its {name} has {bytes} bytes, and at most {LONGEST_NAME} are allowed")
            });
            return;
        }
        let (seen, window) = (&mut self.seen, session.settings.dedup_window);
        let is_repeat = id.is_some_and(|id| !seen.is_new(id, envelope, window));
        session.seen.store(seen.order.len(), Ordering::Relaxed);
        if is_repeat {
            session.counters.events_repeated.add(1);
            return;
        }
        if log::log_enabled!(target: TARGET, log::Level::Debug) {
            log_event(session, envelope);
        }
        if envelope.event_type == "signalwire.authorization.state" {
            if let Some(state) = EventHead::parse(envelope.params).authorization_state {
                session.keep_authorization(&state);
            }
            return;
        }
        session.sink.event(session, envelope);
        self.burst += 1;
        if self.burst >= BURST {
            self.burst = 0;
            session.kick();
        }
    }

    /// Sends the queued frames. Called when the reader is about to block.
    pub(super) fn pause(&mut self) {
        self.burst = 0;
        // This comes first, because the workers need not wait for the socket.
        self.session.kick();
        self.session.writer.pause(self.generation);
    }
}

fn log_event(session: &Session, envelope: &Envelope<'_>) {
    let head = EventHead::parse(envelope.params);
    let leg = head.call.map(EventHead::parse).unwrap_or_default();
    let states = [&head.call_state, &head.state, &head.message_state, &head.dial_state];
    let text = |text: &'_ Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let about = [
        ("event", &*envelope.event_type),
        ("call_id", &text(if head.call_id.is_some() { &head.call_id } else { &leg.call_id })),
        ("control_id", &text(&head.control_id)),
        ("message_id", &text(&head.message_id)),
        ("tag", &text(if head.dial_state.is_some() { &head.tag } else { &None })),
        ("state", states.into_iter().find_map(Option::as_deref).unwrap_or_default()),
    ];
    session.line(log::Level::Debug, &about, String::new);
}

fn wants_restart(params: &RawValue) -> bool {
    /// The parameters of a disconnect request.
    #[derive(Deserialize)]
    struct Params {
        restart: Option<bool>,
    }
    serde_json::from_str::<Params>(params.get()).is_ok_and(|params| params.restart == Some(true))
}

/// The last events of this session. A repeat has the same ID, type and payload: the ID alone is not unique.
struct Seen {
    seed: u64,
    known: HashSet<u64, BuildHasherDefault<AsItIs>>,
    order: VecDeque<u64>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(0), known: HashSet::default(), order: VecDeque::new() }
    }
}

impl Seen {
    /// Returns `true` if the event is not among the last `window` events.
    fn is_new(&mut self, id: &RawValue, envelope: &Envelope<'_>, window: usize) -> bool {
        let parts = [id.get(), &*envelope.event_type, envelope.params.get()];
        let print = parts.into_iter().fold(self.seed, |print, part| mix(print, part.as_bytes()));
        if !self.known.insert(print) {
            return false;
        }
        self.order.push_back(print);
        if self.order.len() > window {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        true
    }
}

/// Adds bytes to a fingerprint, eight at a time. Every event is hashed whole, and the hash of the standard library
/// takes as long as reading the JSON.
fn mix(print: u64, bytes: &[u8]) -> u64 {
    /// An odd number with evenly spread ones: half the digits of the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let stir = |print: u64, word: u64| {
        let wide = u128::from(print ^ word) * u128::from(FACTOR);
        // Both halves are needed: each bit of the sum depends on every bit of the product.
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let (words, rest) = bytes.split_at(bytes.len() & !7);
    let print = words.chunks_exact(8).fold(stir(print, bytes.len() as u64), |print, word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        stir(print.rotate_left(23), word)
    });
    let last = rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
    stir(print.rotate_left(23), last)
}

/// Hasher for fingerprints, which are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, bytes);
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_events_are_remembered_as_the_window_says() {
        let mut seen = Seen::default();
        let mut is_new = |n: u32| {
            let text = format!(r#"{{"event_type":"a","params":{{"n":{n}}}}}"#);
            let id = RawValue::from_string(n.to_string()).expect("JSON");
            let is_new = seen.is_new(&id, &Envelope::parse_text(&text).expect("an envelope"), 3);
            (is_new, seen.order.len(), seen.known.len())
        };
        assert_eq!([1, 2, 3].map(&mut is_new).map(|seen| seen.0), [true; 3]);
        assert_eq!([1, 3].map(&mut is_new), [(false, 3, 3); 2], "repeats");
        assert_eq!(is_new(4), (true, 3, 3));
        assert_eq!(is_new(1), (true, 3, 3), "it has left the window");
        assert_eq!(is_new(3), (false, 3, 3));
    }
}
