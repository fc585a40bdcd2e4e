//! The reader: it makes the first connection on the caller's thread, reads frames, and reconnects.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::auth::{Accepted, Backlog, Failure};
use super::backoff::Backoff;
use super::dispatch::{Directive, Dispatch};
use super::release::release;
use super::state::LinkState;
use super::{Alarm, Answer, Session, Watch, Watched};
use crate::error::{self, Error, ErrorKind};
use crate::protocol::constants::RECONNECT_MAX_AUTH_ATTEMPTS;
use crate::transport::{Frame, LinkEnd, Out, ReadHalf};
use crate::workers::panic_text;

/// Delays between the attempts with credentials that were never accepted.
const FIRST_TRIES: [Duration; RECONNECT_MAX_AUTH_ATTEMPTS as usize - 1] =
    [Duration::from_secs(1), Duration::from_secs(2)];
/// Longest time for which unanswered requests delay the end of a connection that the service is about to close.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Number of connections in a row that may end because of an oversized frame. After that the session is given up,
/// because the service sends the frame again.
const OVERSIZE_LIMIT: u32 = 2;
/// Longest `Retry-After` that is followed. A service that requests a longer delay is tried after this time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// Makes the first connection, on the calling thread.
///
/// # Errors
///
/// The reason of the failure; `None` if the client was closed meanwhile.
pub(super) fn connect(session: &Arc<Session>) -> Result<Connected, Option<Error>> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut reader = Reader::new(session);
        let accepted = reader.first()?.ok_or(None)?;
        let online = session.clock.now();
        let half = reader.publish(accepted);
        session.ready.set(&session.clock, Ok(()));
        Ok(Connected { reader, half, online })
    }))
    .unwrap_or_else(|panic| Err(Some(failed(&*panic))))
}

/// The first connection, and the reader for it.
pub(super) struct Connected {
    reader: Reader,
    half: ReadHalf,
    online: Instant,
}

impl Connected {
    /// The body of the reader thread.
    pub(super) fn supervise(self) {
        let session = Arc::clone(&self.reader.session);
        let Self { reader, mut half, online } = self;
        half.move_here();
        let ended = catch_unwind(AssertUnwindSafe(|| reader.run(half, online)));
        session.finish(ended.unwrap_or_else(|panic| Some(failed(&*panic))));
    }
}

fn failed(panic: &(dyn Any + Send)) -> Error {
    error::protocol(format!("the reader failed, which is a defect of this crate: {}", panic_text(panic)))
}

/// The reader thread, through all connections of the client.
struct Reader {
    session: Arc<Session>,
    dispatch: Dispatch,
    backoff: Backoff,
    /// Whether there was a session before, so that a session can be lost.
    had_session: bool,
    backlog: Backlog,
    /// Number of connections in a row that ended because of an oversized frame.
    oversize: u32,
}

/// The end of reading from a connection.
struct End {
    error: Error,
    oversize: bool,
}

impl Reader {
    fn new(session: &Arc<Session>) -> Self {
        let settings = &session.settings;
        Self {
            session: Arc::clone(session),
            dispatch: Dispatch::new(Arc::clone(session)),
            backoff: Backoff::new(settings.reconnect_min, settings.reconnect_max, session.clock.random()),
            had_session: false,
            backlog: Backlog::default(),
            oversize: 0,
        }
    }

    /// Runs until the client is closed. Returns the reason, unless the program closed the client.
    fn run(mut self, mut half: ReadHalf, mut online: Instant) -> Option<Error> {
        loop {
            let session = Arc::clone(&self.session);
            let end = self.read(half);
            let end = self.retire(end);
            if session.is_closing() {
                return None;
            }
            let stable = session.clock.now().saturating_duration_since(online) >= session.settings.backoff_reset_after;
            if stable {
                self.backoff.reset();
            }
            if stable || !end.oversize {
                self.oversize = 0;
            }
            let cause = self.judge_size(end);
            log::warn!("{cause}");
            let accepted = self.again(cause)?;
            online = session.clock.now();
            half = self.publish(accepted);
        }
    }

    /// Makes the first connection. `Ok(None)` if the client was closed meanwhile.
    fn first(&mut self) -> Result<Option<Accepted>, Error> {
        let session = Arc::clone(&self.session);
        let mut waits = FIRST_TRIES.iter().take(session.settings.first_retries);
        let mut attempt = 0;
        loop {
            let (error, wait) = match session.attempt(&mut self.backlog) {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(_) if session.is_closing() => return Ok(None),
                Err(Failure::Refused { error, .. }) => match waits.next() {
                    Some(wait) => (error, *wait),
                    None => return Err(error),
                },
                Err(failure) => {
                    let error = failure.into_error();
                    // A configuration error of the program is permanent.
                    if error.kind() == ErrorKind::Config || !session.settings.retry_first_connect {
                        return Err(error);
                    }
                    let wait = self.next_wait(&error);
                    (error, wait)
                }
            };
            log::warn!("{error}; trying again in {wait:.1?}");
            attempt += 1;
            session.announce(LinkState::Reconnecting { attempt, next: wait, cause: error });
            if session.closing.wait(&session.clock, session.clock.after(wait)).is_some() {
                return Ok(None);
            }
        }
    }

    /// Reconnects until there is a connection. Returns `None` when the client is closed.
    fn again(&mut self, mut cause: Error) -> Option<Accepted> {
        let session = Arc::clone(&self.session);
        let mut attempt = 1;
        let mut keys_refused = false;
        loop {
            let next = self.next_wait(&cause);
            session.announce(LinkState::Reconnecting { attempt, next, cause: cause.clone() });
            if session.closing.wait(&session.clock, session.clock.after(next)).is_some() {
                return None;
            }
            let mut outcome = session.attempt(&mut self.backlog);
            if let Err(Failure::Refused { error, resume: true }) = &outcome {
                // A service that is being restarted may not know the session yet: the keys are tried twice.
                if std::mem::replace(&mut keys_refused, true) {
                    log::warn!("{error}: reconnecting with a new session");
                    self.give_up_session();
                    outcome = session.attempt(&mut self.backlog);
                }
            }
            cause = match outcome {
                Ok(accepted) => return Some(accepted),
                Err(Failure::Oversize(error)) => self.judge_size(End { error, oversize: true }),
                Err(Failure::Overflow(error)) => {
                    self.give_up_session();
                    error
                }
                Err(failure) => failure.into_error(),
            };
            if session.is_closing() {
                return None;
            }
            log::warn!("{cause}");
            attempt += 1;
        }
    }

    /// Returns the delay before the next attempt, which is never shorter than a `Retry-After` of the service.
    fn next_wait(&mut self, cause: &Error) -> Duration {
        self.backoff.next().max(cause.retry_after().unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// Gives up the session: the next connection starts a new one.
    fn give_up_session(&mut self) {
        self.session.forget_session();
        self.backlog.clear();
    }

    /// Gives up the session if the service repeatedly sends a frame that is too large.
    fn judge_size(&mut self, end: End) -> Error {
        if !end.oversize {
            return end.error;
        }
        self.oversize += 1;
        if self.oversize < OVERSIZE_LIMIT {
            return end.error;
        }
        self.oversize = 0;
        self.give_up_session();
        error::too_large_again(self.session.host(), self.session.settings.max_frame)
    }

    /// Publishes a new connection: sends the queued requests first, then reports the state.
    fn publish(&mut self, accepted: Accepted) -> ReadHalf {
        let session = Arc::clone(&self.session);
        let Accepted { connection, protocol, resumed } = accepted;
        let pulse = connection.reader.pulse();
        let generation = self.dispatch.begin(pulse.clone());
        if !resumed {
            self.backlog.forget_old();
        }
        // This comes first, because a listener that learns of the lost session expects the new one.
        session.keep_protocol(&protocol);
        if self.had_session && !resumed {
            log::warn!("the service did not resume the session: its calls and messages end with `SessionLost`");
            self.dispatch.forget();
            session.sink.session_lost(&session);
            session.complete(session.pending.session_lost(), &Answer::SessionLost);
        }
        self.had_session = true;
        session.counters.connections.add(1);
        if resumed {
            session.counters.sessions_resumed.add(1);
            session.sink.resumed(&session);
        }
        let socket = connection.socket.clone();
        let watched = Watched::new(generation, pulse, socket);
        *session.watch.lock() = Watch { link: Some(watched), expected: None };
        let link = session.writer.prepare(generation);
        let (half, socket, now) = (connection.writer, connection.socket, session.clock.now());
        if let Some(lost) = release(&session.pending, &session.writer, link, half, socket, now) {
            // The connection is lost already: reading ends at once.
            session.complete_lost(lost);
        }
        session.writer.wake();
        log::info!("connected to {}", session.introduce(resumed));
        session.announce(LinkState::Online { resumed });
        if session.is_closing() {
            // The client was closed while connecting: `close` found no connection to close.
            session.cut(generation, "closed");
        }
        while let Some((text, acknowledged)) = self.backlog.next() {
            self.frame(&text, |dispatch, text| dispatch.early(text, acknowledged));
        }
        connection.reader
    }

    /// Reads until the connection ends, and returns the reason.
    fn read(&mut self, mut reader: ReadHalf) -> End {
        let session = Arc::clone(&self.session);
        let generation = self.dispatch.generation;
        let host = session.host();
        let mut oversize = false;
        let error = loop {
            let dispatch = &mut self.dispatch;
            match reader.next(&mut || dispatch.pause()) {
                Ok(Frame::Text(text)) => self.frame(text, Dispatch::text),
                Ok(Frame::Binary(bytes)) => {
                    session.counters.frames_malformed.add(1);
                    session.warn(Alarm::FrameDropped, || format!("a binary frame of {bytes} bytes was dropped"));
                }
                Ok(Frame::Ping(payload)) => self.dispatch.pong(payload),
                Ok(Frame::Pong) => {}
                Ok(Frame::Close(close)) => {
                    session.writer.post(generation, Out::Close(1000));
                    let close = close.map(|(code, reason)| (code, session.clean(reason)));
                    break error::link_closed(host, close.as_ref().map(|(code, reason)| (*code, reason.as_str())));
                }
                Err(end) => {
                    if matches!(end, LinkEnd::TooLarge) {
                        session.writer.post(generation, Out::Close(1009));
                        session.counters.frames_malformed.add(1);
                        oversize = true;
                    }
                    break error::link_lost(host, &end.to_string());
                }
            }
        };
        self.dispatch.pause();
        End { error, oversize }
    }

    fn frame(&mut self, text: &str, job: impl FnOnce(&mut Dispatch, &str) -> Directive) {
        // A frame that makes the reader panic is dropped, and the connection stays up.
        let wish = catch_unwind(AssertUnwindSafe(|| job(&mut self.dispatch, text))).unwrap_or_else(|panic| {
            self.session.counters.frames_malformed.add(1);
            log::error!(
                "a frame was dropped because handling it failed, which is a defect of this crate: {}",
                self.session.clean(panic_text(&*panic))
            );
            Directive::GoOn
        });
        if let Directive::Leave { restart } = wish {
            let generation = self.dispatch.generation;
            log::info!("the service requested a reconnect{}", if restart { " with a new session" } else { "" });
            if restart {
                self.session.forget_session();
            }
            self.session.later(LAST_ANSWERS, move |session| session.leave(generation));
            self.dispatch.leave_when_answered();
        }
    }

    /// Completes the requests of a lost connection. If the connection was cut by this side, or failed first while
    /// writing, that is the reason of the end.
    fn retire(&mut self, end: End) -> End {
        let session = &self.session;
        let generation = self.dispatch.generation;
        let closed = session.writer.close(generation);
        let cut = session.watch.lock().link.take().and_then(|link| link.cut);
        session.suspected.store(false, Ordering::Relaxed);
        session.complete_lost(session.pending.lost(generation, closed.unsent));
        let cause = match (cut, closed.cause) {
            (Some(cut), _) => cut.to_owned(),
            // The message of the service is more precise.
            (None, Some(cause)) if cause != LinkEnd::Closed && end.error.server_message().is_none() => {
                cause.to_string()
            }
            _ => return end,
        };
        if end.oversize { end } else { End { error: error::link_lost(session.host(), &cause), ..end } }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::thread;

    use tungstenite::{Message, WebSocket};

    use super::super::{Ask, Credentials, EventSink, Settings};
    use super::*;
    use crate::clock::Clock;
    use crate::latch::Latch;
    use crate::protocol::frame::Envelope;
    use crate::secret::Secret;
    use crate::transport::tests::{next, pair};
    use crate::transport::{Connector, Endpoint, Scheme, TlsSettings};

    /// Formats as nothing.
    struct Nothing;

    impl EventSink for Nothing {
        fn event(&self, _: &Arc<Session>, _: &Envelope<'_>) {}
        fn call_over(&self, _: &str) {}
        fn attend(&self, _: &str, _: &str) -> Box<dyn Send> {
            Box::new(())
        }
        fn closing(&self, _: &Arc<Session>) {}
        fn sweep(&self, _: &Arc<Session>) {}
        fn is_live(&self, _: &str) -> bool {
            false
        }
        fn sweep_messages(&self, _: &Arc<Session>) {}
        fn forget_dials(&self, _: &Arc<Session>) {}
        fn end_doubtful(&self, _: &Arc<Session>, _: Instant) {}
        fn resumed(&self, _: &Arc<Session>) {}
        fn session_lost(&self, _: &Arc<Session>) {}
        fn closed(&self, _: &Arc<Session>) {}
    }

    /// Creates a session without threads: the test does the work of the reader.
    fn reader() -> Reader {
        let (clock, settings) = (Clock::real(), Settings::default());
        let endpoint = Endpoint::parse(("host", "127.0.0.1:1"), Scheme::Ws, "/", false).expect("an endpoint");
        let connector = Connector::new(endpoint, &TlsSettings::default(), None, settings.max_frame, clock.clone())
            .expect("a connector");
        let credentials = Credentials::Jwt { jwt: Secret::new("jwt-of-the-test"), project: None };
        Reader::new(&Session::new(clock, settings, credentials, Vec::new(), connector, Arc::new(Nothing), None))
    }

    fn accepted() -> (Accepted, WebSocket<TcpStream>) {
        let (connection, peer) = pair();
        (Accepted { connection, protocol: "protocol".into(), resumed: false }, peer)
    }

    /// Stops the writer thread, also when the test has failed.
    struct Stop<'a>(&'a Session);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.writer.stop();
        }
    }

    #[test]
    fn the_writer_thread_wakes_for_a_timer_and_for_a_deadline_that_come_first() {
        const LONG: Duration = Duration::from_secs(30);
        let session = reader().session;
        thread::scope(|scope| {
            scope.spawn(|| session.writer.run(&session));
            let _stop = Stop(&session);
            let sleeps = || {
                while !session.writer.is_parked() {
                    thread::yield_now();
                }
            };
            let soon = Duration::from_millis(20);
            let rung = Arc::new(Latch::new());
            let rings = Arc::clone(&rung);
            sleeps();
            session.later(soon, move |session| {
                rings.set(&session.clock, ());
            });
            assert!(rung.wait(&session.clock, session.clock.after(LONG)).is_some(), "it slept over a timer");

            let told = Arc::new(Latch::new());
            let (tells, clock) = (Arc::clone(&told), session.clock.clone());
            let effect = Box::new(move |answer: &Answer| {
                tells.set(&clock, matches!(answer, Answer::Unsent));
            });
            sleeps();
            let ask = Ask { until: session.clock.after(soon), ..Ask::new("calling.end", "{}", None) };
            session.post(ask.with_effect(effect)).expect("it is queued");
            assert_eq!(told.wait(&session.clock, session.clock.after(LONG)), Some(true), "it slept over a deadline");
        });
    }

    #[test]
    fn a_client_that_is_closed_before_its_connection_is_known_keeps_none() {
        let mut reader = reader();
        reader.session.close();
        let (accepted, _peer) = accepted();
        let mut half = reader.publish(accepted);
        assert_eq!(next(&mut half).err(), Some(LinkEnd::Closed), "nobody says goodbye on it any more");
    }

    #[test]
    fn a_timer_of_a_connection_that_has_ended_does_not_cut_the_next_one() {
        let mut reader = reader();
        let (accepted_first, _peer) = accepted();
        drop(reader.publish(accepted_first));
        reader.retire(End { error: error::link_lost("host", "the test"), oversize: false });
        let (accepted_next, mut peer) = accepted();
        let mut half = reader.publish(accepted_next);
        reader.session.cut(1, "a timer of the first");
        peer.send(Message::text("still there")).expect("sent");
        assert!(matches!(next(&mut half), Ok(Frame::Text("still there"))));
        reader.session.cut(2, "a timer of its own");
        assert_eq!(next(&mut half).err(), Some(LinkEnd::Closed));
    }
}
