//! Whether the link is alive: what the writer thread finds out between two frames.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Settings;
use crate::clock::Deadline;
use crate::transport::{Pulse, Socket};

/// A tick this late means that the process was frozen, and that silence says nothing about the peer.
const FROZEN: Duration = Duration::from_secs(2);
/// A ping may stay unanswered for so many times its timeout while bytes arrive, and at least for the span below.
const PATIENCE: u32 = 6;
const PATIENT: Duration = Duration::from_secs(60);
/// So many bytes in that time are a frame that arrives on a slow line; fewer are a peer that only drips.
const FLOW: u64 = 4 << 10;

/// Looks at the link, and says what is to be done about its generation and when to look again. `suspected`: a caller has
/// waited for a while and still does.
pub(super) fn examine(
    watch: &Mutex<Watch>,
    now: Instant,
    settings: &Settings,
    suspected: bool,
) -> Option<(u64, Act, Deadline)> {
    let (generation, socket, act, next) = {
        let mut watch = watch.lock();
        let frozen = watch.is_late(now);
        let link = watch.link.as_mut()?;
        link.suspected |= suspected;
        let (act, next) = link.look(now, settings, frozen);
        (link.generation, link.socket.clone(), act, next)
    };
    if matches!(act, Act::Cut(_)) && socket.has_arrived() {
        // A busy machine: the reader has not come to read what is there.
        let next = watch.lock().link.as_mut().and_then(|link| link.reprieve(now, settings));
        return Some((generation, Act::Nothing, next));
    }
    Some((generation, act, next))
}

/// What the writer thread knows of the link's life.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) link: Option<Watched>,
    /// When the next tick was to be.
    pub(super) expected: Deadline,
}

impl Watch {
    fn is_late(&self, now: Instant) -> bool {
        self.expected.is_some_and(|expected| now.saturating_duration_since(expected) > FROZEN)
    }
}

pub(super) struct Watched {
    pub(super) generation: u64,
    pulse: Pulse,
    pub(super) socket: Socket,
    /// Sent, and not a byte has come since.
    ping: Option<Ping>,
    /// When the last one was sent.
    pinged: Option<Instant>,
    /// Sent, and no reply to anything has come since, although bytes may have.
    unanswered: Option<Unanswered>,
    /// Whether somebody has waited for a while, and is to have the peer asked as soon as it has answered nothing for as
    /// long.
    suspected: bool,
    /// Why the link was cut from this side, if it was.
    pub(super) cut: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Ping {
    sent: Instant,
    until: Deadline,
}

#[derive(Clone, Copy)]
struct Unanswered {
    since: Instant,
    until: Deadline,
    /// How many bytes had been received when `until` was set.
    bytes: u64,
}

/// What is to be done about the link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Ping,
    Cut(&'static str),
}

impl Watched {
    pub(super) fn new(generation: u64, pulse: Pulse, socket: Socket) -> Self {
        Self { generation, pulse, socket, ping: None, pinged: None, unanswered: None, suspected: false, cut: None }
    }

    /// Silence is answered with a ping. A peer is given up that is silent after it, and one that answers nothing for much
    /// longer although bytes come. Before it is cut, see [`reprieve`](Self::reprieve).
    fn look(&mut self, now: Instant, settings: &Settings, frozen: bool) -> (Act, Deadline) {
        let last = self.pulse.last();
        // The peer was silent when it was asked, so a sign of life of that very moment is the answer: in virtual time, and
        // on a coarse clock, none passes in between.
        if self.ping.is_some_and(|ping| last >= ping.sent) {
            self.ping = None;
        }
        if self.unanswered.is_some_and(|ping| self.pulse.last_reply() >= ping.since) {
            self.unanswered = None;
        }
        if let Some(ping) = self.unanswered.filter(|ping| is_past(ping.until, now)) {
            let flows = self.pulse.bytes().saturating_sub(ping.bytes) >= FLOW;
            if !flows && !frozen {
                return (Act::Cut("the peer sends a little and answers neither requests nor pings"), None);
            }
            self.unanswered = Some(self.answer_wanted(ping.since, now, settings));
        }
        let long = self.unanswered.and_then(|ping| ping.until);
        let patience = match self.ping {
            Some(ping) if !is_past(ping.until, now) => return (Act::Nothing, earlier(ping.until, long)),
            Some(_) if !frozen => return (Act::Cut("the peer is silent and does not answer a ping"), None),
            Some(_) => settings.ping_timeout,
            None => match self.next_silence(settings) {
                Some((at, patience)) if at <= now => patience,
                next => return (Act::Nothing, earlier(next.map(|(at, _)| at), long)),
            },
        };
        self.suspected = false;
        // None when the setting is as good as "for ever".
        let until = now.checked_add(patience);
        self.ping = Some(Ping { sent: now, until });
        self.pinged = Some(now);
        let unanswered = self.unanswered.unwrap_or_else(|| self.answer_wanted(now, now, settings));
        self.unanswered = Some(unanswered);
        // An answer wakes nobody: where the patience is longer than the silence, look earlier.
        let next = earlier(until, now.checked_add(settings.ping_after));
        (Act::Ping, earlier(next, unanswered.until))
    }

    /// Bytes wait in the socket that the reader had no processor for: it gets the time to read them before the peer is
    /// judged.
    fn reprieve(&mut self, now: Instant, settings: &Settings) -> Deadline {
        let until = now.checked_add(settings.ping_timeout);
        self.ping = self.ping.map(|ping| Ping { until, ..ping });
        self.unanswered = self.unanswered.map(|ping| self.answer_wanted(ping.since, now, settings));
        earlier(until, self.unanswered.and_then(|ping| ping.until))
    }

    fn answer_wanted(&self, since: Instant, now: Instant, settings: &Settings) -> Unanswered {
        let limit = settings.ping_timeout.saturating_mul(PATIENCE).max(PATIENT);
        Unanswered { since, until: now.checked_add(limit), bytes: self.pulse.bytes() }
    }

    /// When the peer is to be asked, and how long it then has until its first byte.
    fn next_silence(&self, settings: &Settings) -> Option<(Instant, Duration)> {
        // A part of a frame may be all that ever comes of it. And what was asked is not asked again at once.
        let since = |news: Instant| self.pinged.map_or(news, |pinged| news.max(pinged));
        let silent = since(self.pulse.last_text()).checked_add(settings.ping_after);
        let silent = silent.map(|at| (at, settings.ping_timeout));
        let doubted = since(self.pulse.last_reply()).checked_add(settings.probe_after).filter(|_| self.suspected);
        match (silent, doubted.map(|at| (at, settings.probe_after))) {
            (Some(silent), Some(doubted)) => Some(if doubted.0 < silent.0 { doubted } else { silent }),
            (silent, doubted) => silent.or(doubted),
        }
    }
}

fn is_past(until: Deadline, now: Instant) -> bool {
    until.is_some_and(|until| until <= now)
}

fn earlier(a: Deadline, b: Deadline) -> Deadline {
    [a, b].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tungstenite::Message;

    use super::*;
    use crate::transport::tests::{next, pair};

    const SECOND: Duration = Duration::from_secs(1);

    /// The link of a watch, looked at so many seconds after it was made.
    struct Eye {
        watch: Mutex<Watch>,
        settings: Settings,
        base: Instant,
    }

    impl Eye {
        fn on(pulse: Pulse, socket: Socket) -> Self {
            let base = pulse.last();
            let link = Watched::new(1, pulse, socket);
            Self { watch: Mutex::new(Watch { link: Some(link), expected: None }), settings: Settings::default(), base }
        }

        fn at(&self, seconds: u32, suspected: bool) -> Act {
            let now = self.base + SECOND * seconds;
            let (_, act, next) = examine(&self.watch, now, &self.settings, suspected).expect("a link");
            assert!(matches!(act, Act::Cut(_)) || next.is_some_and(|next| next > now), "{next:?} after {act:?}");
            act
        }
    }

    #[test]
    fn a_link_is_kept_while_bytes_wait_that_the_reader_had_no_processor_for() {
        let (mut link, mut peer) = pair();
        for suspected in [false, true] {
            let eye = Eye::on(link.reader.pulse(), link.socket.clone());
            let (ping, verdict) = if suspected { (5, 10) } else { (15, 25) };
            assert_eq!(eye.at(ping, suspected), Act::Ping);
            // The answer comes, and nobody reads it.
            peer.send(Message::text("an answer")).expect("sent");
            while !link.socket.has_arrived() {
                std::thread::yield_now();
            }
            assert_eq!(eye.at(verdict, false), Act::Nothing);
            assert_eq!(eye.at(verdict + 5, false), Act::Nothing);
            // Read at last, and silence from then on.
            assert!(next(&mut link.reader).is_ok());
            assert!(!link.socket.has_arrived());
            assert!(matches!(eye.at(verdict + 50, false), Act::Cut(_)));
        }
    }

    #[test]
    fn a_peer_that_drips_and_answers_nothing_is_cut_and_one_that_answers_is_kept() {
        for answers in [false, true] {
            let (mut link, mut peer) = pair();
            let pulse = link.reader.pulse();
            let eye = Eye::on(pulse.clone(), link.socket.clone());
            let mut last = Act::Nothing;
            let mut pings = 0;
            for second in (0..100).step_by(3) {
                // A byte of something that is never complete, or of a ping of the protocol below.
                peer.get_mut().write_all(if second == 0 { b"\x89" } else { b"\x00\x89" }).expect("sent");
                if second > 0 {
                    assert!(next(&mut link.reader).is_ok());
                }
                pulse.beat_with(eye.base + SECOND * second, 1);
                last = eye.at(second, second == 6);
                pings += u32::from(last == Act::Ping);
                if last == Act::Ping && answers {
                    pulse.beat_reply();
                }
                if matches!(last, Act::Cut(_)) {
                    break;
                }
            }
            assert_eq!(matches!(last, Act::Cut(_)), !answers, "{last:?}");
            assert!((1..8).contains(&pings), "{pings}");
        }
    }

    #[test]
    fn a_large_frame_that_arrives_on_a_slow_line_is_life() {
        let (link, _peer) = pair();
        let pulse = link.reader.pulse();
        let eye = Eye::on(pulse.clone(), link.socket.clone());
        for second in (0..1000).step_by(5) {
            pulse.beat_with(eye.base + SECOND * second, 1024);
            assert!(!matches!(eye.at(second, second == 5), Act::Cut(_)), "after {second} s");
        }
        // Then it stands still.
        assert!((1000..1100).any(|second| matches!(eye.at(second, false), Act::Cut(_))));
    }

    #[test]
    fn a_suspicion_has_the_peer_asked_once_and_a_frozen_process_asks_again() {
        let (link, _peer) = pair();
        let pulse = link.reader.pulse();
        let eye = Eye::on(pulse.clone(), link.socket.clone());
        assert_eq!(eye.at(1, true), Act::Nothing);
        assert_eq!(eye.at(5, false), Act::Ping);
        pulse.beat_with(eye.base + SECOND * 6, 1);
        pulse.beat_reply();
        pulse.beat_text();
        for second in 6..15 {
            assert_eq!(eye.at(second, false), Act::Nothing, "after {second} s");
        }

        let eye = Eye::on(link.reader.pulse(), link.socket.clone());
        assert_eq!(eye.at(15, false), Act::Ping);
        // The next tick was to be at 25 s.
        eye.watch.lock().expected = eye.base.checked_add(SECOND * 25);
        assert_eq!(eye.at(60, false), Act::Ping, "the silence is the process's own");
        eye.watch.lock().expected = eye.base.checked_add(SECOND * 70);
        assert!(matches!(eye.at(70, false), Act::Cut(_)));
    }
}
