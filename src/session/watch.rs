//! The liveness check of the connection, which the writer thread makes between two frames.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Settings;
use crate::clock::Deadline;
use crate::transport::{Pulse, Socket};

/// A tick that is this late means that the process was frozen: silence then proves nothing about the peer.
const FROZEN: Duration = Duration::from_secs(2);
/// Number of ping timeouts for which a ping may stay unanswered while bytes arrive. [`PATIENT`] is the lower bound.
const PATIENCE: u32 = 6;
const PATIENT: Duration = Duration::from_secs(60);
/// Number of bytes in that time that prove a frame arriving on a slow line. Fewer bytes come from a peer that only
/// drips.
const FLOW: u64 = 4 << 10;

/// Checks the connection. Returns what to do about its generation and when to check again. `suspected` is `true` if a
/// caller has been waiting for a while.
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
        // The machine is busy: the reader has not read the bytes that have arrived.
        let next = watch.lock().link.as_mut().and_then(|link| link.reprieve(now, settings));
        return Some((generation, Act::Nothing, next));
    }
    Some((generation, act, next))
}

/// The state of the liveness check.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) link: Option<Watched>,
    /// The planned time of the next tick.
    pub(super) expected: Deadline,
}

impl Watch {
    fn is_late(&self, now: Instant) -> bool {
        self.expected.is_some_and(|expected| now.saturating_duration_since(expected) > FROZEN)
    }
}

/// The connection that is watched.
pub(super) struct Watched {
    pub(super) generation: u64,
    pulse: Pulse,
    pub(super) socket: Socket,
    /// A ping was sent, and no byte has arrived since.
    ping: Option<Ping>,
    /// The time of the last ping.
    pinged: Option<Instant>,
    /// A ping was sent, and no response has arrived since, although bytes may have.
    unanswered: Option<Unanswered>,
    /// Whether a caller has been waiting for a while. The peer is then pinged as soon as it has been silent for that
    /// long.
    suspected: bool,
    /// Reason why this side cut the connection, if it did.
    pub(super) cut: Option<&'static str>,
}

/// A ping without a sign of life since.
#[derive(Clone, Copy)]
struct Ping {
    sent: Instant,
    until: Deadline,
}

/// A ping without a response.
#[derive(Clone, Copy)]
struct Unanswered {
    since: Instant,
    until: Deadline,
    /// Number of bytes that had been received when `until` was set.
    bytes: u64,
}

/// Result of a check of the connection.
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

    /// Pings a silent peer. The connection is given up if the peer stays silent after the ping, or sends bytes but no
    /// response for much longer. Before the cut, see [`reprieve`](Self::reprieve).
    fn look(&mut self, now: Instant, settings: &Settings, frozen: bool) -> (Act, Deadline) {
        let last = self.pulse.last();
        // The peer was silent when the ping was sent, so a sign of life at that very moment is the response: in virtual
        // time, and on a coarse clock, no time passes in between.
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
        // `None` if the setting means no limit.
        let until = now.checked_add(patience);
        self.ping = Some(Ping { sent: now, until });
        self.pinged = Some(now);
        let unanswered = self.unanswered.unwrap_or_else(|| self.answer_wanted(now, now, settings));
        self.unanswered = Some(unanswered);
        // A response wakes no thread: where the patience is longer than the silence, check earlier.
        let next = earlier(until, now.checked_add(settings.ping_after));
        (Act::Ping, earlier(next, unanswered.until))
    }

    /// Delays the cut if the socket has unread bytes: the reader had no processor and gets time to read them.
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

    /// The time of the next ping, and the time that the peer then has until its first byte.
    fn next_silence(&self, settings: &Settings) -> Option<(Instant, Duration)> {
        // A partial frame may never be completed. And a ping is not repeated at once.
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

    /// The connection of a watch, checked at given seconds after it was made.
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
    fn a_connection_is_kept_while_bytes_wait_that_the_reader_had_no_processor_for() {
        let (mut link, mut peer) = pair();
        for suspected in [false, true] {
            let eye = Eye::on(link.reader.pulse(), link.socket.clone());
            let (ping, verdict) = if suspected { (5, 10) } else { (15, 25) };
            assert_eq!(eye.at(ping, suspected), Act::Ping);
            // The response arrives, and is not read.
            peer.send(Message::text("an answer")).expect("sent");
            while !link.socket.has_arrived() {
                std::thread::yield_now();
            }
            assert_eq!(eye.at(verdict, false), Act::Nothing);
            assert_eq!(eye.at(verdict + 5, false), Act::Nothing);
            // The response is read, and silence follows.
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
                // This is a byte of a frame that is never complete, or of a WebSocket ping.
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
    fn a_large_frame_that_arrives_on_a_slow_connection_counts_as_traffic() {
        let (link, _peer) = pair();
        let pulse = link.reader.pulse();
        let eye = Eye::on(pulse.clone(), link.socket.clone());
        for second in (0..1000).step_by(5) {
            pulse.beat_with(eye.base + SECOND * second, 1024);
            assert!(!matches!(eye.at(second, second == 5), Act::Cut(_)), "after {second} s");
        }
        // The connection then stalls.
        assert!((1000..1100).any(|second| matches!(eye.at(second, false), Act::Cut(_))));
    }

    #[test]
    fn a_suspicion_sends_one_ping_and_a_frozen_process_sends_another() {
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
        // The next tick was planned at 25 s.
        eye.watch.lock().expected = eye.base.checked_add(SECOND * 25);
        assert_eq!(eye.at(60, false), Act::Ping, "the silence is the process's own");
        eye.watch.lock().expected = eye.base.checked_add(SECOND * 70);
        assert!(matches!(eye.at(70, false), Act::Cut(_)));
    }
}
