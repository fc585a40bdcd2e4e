//! The reader thread: it connects, reads, and connects again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::auth::{Accepted, Failure};
use super::backoff::Backoff;
use super::dispatch::{Dispatch, Wish};
use super::state::LinkState;
use super::{Answer, Session, Watch, Watched};
use crate::error::{self, Error, ErrorKind};
use crate::protocol::constants::RECONNECT_MAX_AUTH_ATTEMPTS;
use crate::transport::{Frame, LinkEnd, Out, ReadHalf};
use crate::workers::panic_text;

/// How often credentials that were never accepted are tried, and the waits between.
const FIRST_TRIES: [Duration; RECONNECT_MAX_AUTH_ATTEMPTS as usize - 1] =
    [Duration::from_secs(1), Duration::from_secs(2)];
/// How long the service has to close the socket after it said that it would.
const LEAVING: Duration = Duration::from_secs(5);

/// The body of the reader thread.
pub(super) fn supervise(session: &Arc<Session>) {
    let cause = catch_unwind(AssertUnwindSafe(|| Reader::new(session).run())).unwrap_or_else(|panic| {
        Some(error::protocol(format!("the reader failed, which is a defect of this crate: {}", panic_text(&*panic))))
    });
    session.finish(cause);
}

struct Reader {
    session: Arc<Session>,
    dispatch: Dispatch,
    backoff: Backoff,
    /// Whether there ever was a session, so that there is one to lose.
    had_session: bool,
}

impl Reader {
    fn new(session: &Arc<Session>) -> Self {
        let settings = &session.settings;
        Self {
            session: Arc::clone(session),
            dispatch: Dispatch::new(Arc::clone(session)),
            backoff: Backoff::new(settings.reconnect_min, settings.reconnect_max, session.clock.random()),
            had_session: false,
        }
    }

    /// Runs until the client is closed; gives the reason if nobody asked for it.
    fn run(mut self) -> Option<Error> {
        let mut accepted = match self.first() {
            Ok(accepted) => accepted?,
            Err(error) => return Some(error),
        };
        loop {
            let online = self.session.clock.now();
            let reader = self.publish(accepted);
            let session = Arc::clone(&self.session);
            session.ready.set(&session.clock, Ok(()));
            let cause = self.read(reader);
            self.retire();
            if session.is_closing() {
                return None;
            }
            log::warn!("the connection to {} is lost: {cause}", session.host());
            if session.clock.now().saturating_duration_since(online) >= session.settings.stable_after {
                self.backoff.reset();
            }
            accepted = self.again(cause)?;
        }
    }

    /// The first connection. `Ok(None)`: the client was closed meanwhile.
    fn first(&mut self) -> Result<Option<Accepted>, Error> {
        let session = Arc::clone(&self.session);
        let mut waits = FIRST_TRIES.iter();
        loop {
            let (error, wait) = match session.attempt() {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(_) if session.is_closing() => return Ok(None),
                Err(Failure::Refused { error, .. }) => match waits.next() {
                    Some(wait) => (error, *wait),
                    None => return Err(error),
                },
                // A mistake of the program's own does not pass.
                Err(Failure::Passing(error)) if error.kind() == ErrorKind::Config => return Err(error),
                Err(Failure::Passing(error)) if session.settings.retry_first_connect => (error, self.backoff.next()),
                Err(Failure::Passing(error)) => return Err(error),
            };
            log::warn!("{error}; trying again in {wait:.1?}");
            if session.closing.wait(&session.clock, session.clock.after(wait)).is_some() {
                return Ok(None);
            }
        }
    }

    /// Tries until there is a connection; `None` when the client is closed.
    fn again(&mut self, mut cause: Error) -> Option<Accepted> {
        let session = Arc::clone(&self.session);
        let mut attempt = 1;
        loop {
            let next = self.backoff.next();
            session.board.set(LinkState::Reconnecting { attempt, next, cause: cause.clone() });
            if session.closing.wait(&session.clock, session.clock.after(next)).is_some() {
                return None;
            }
            let mut outcome = session.attempt();
            if let Err(Failure::Refused { error, resume: true }) = &outcome {
                log::warn!("{error}: trying once more as a new session");
                session.forget_session();
                outcome = session.attempt();
            }
            cause = match outcome {
                Ok(accepted) => return Some(accepted),
                Err(Failure::Passing(error) | Failure::Refused { error, .. }) => error,
            };
            if session.is_closing() {
                return None;
            }
            log::warn!("{cause}");
            attempt += 1;
        }
    }

    /// Lets requests out on a new connection, those that waited first, and says so.
    fn publish(&mut self, accepted: Accepted) -> ReadHalf {
        let session = Arc::clone(&self.session);
        let Accepted { connection, early, protocol, resumed } = accepted;
        let generation = self.dispatch.generation + 1;
        self.dispatch.generation = generation;
        // First: whoever hears that the old session is lost finds the new one.
        session.keep_protocol(&protocol);
        if self.had_session && !resumed {
            log::warn!("the session was not resumed: its calls and messages are lost");
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
        let pulse = connection.reader.pulse();
        let socket = connection.socket.clone();
        let watched = Watched { generation, pulse, socket, ping: None, suspected: false, cut: None };
        *session.watch.lock() = Watch { link: Some(watched), expected: None };
        session.writer.prepare(generation);
        let waiting = session.pending.online(generation, session.clock.now());
        if let Err(waiting) = session.writer.open(generation, connection.writer, connection.socket, waiting) {
            // It broke already: what waited goes on waiting, and reading ends at once.
            session.complete(session.pending.lost(generation, waiting), &Answer::Lost);
        }
        session.writer.wake();
        log::info!("connected to {}{}", session.host(), if resumed { ", session resumed" } else { "" });
        session.board.set(LinkState::Online { resumed });
        if session.is_closing() {
            // Closed while connecting: `close` found no link to say goodbye on.
            session.cut(generation, "closed");
        }
        for text in early {
            self.text(&text);
        }
        connection.reader
    }

    /// Reads until the link ends, and says why it did.
    fn read(&mut self, mut reader: ReadHalf) -> Error {
        let session = Arc::clone(&self.session);
        let generation = self.dispatch.generation;
        let end = loop {
            let dispatch = &mut self.dispatch;
            match reader.next(&mut || dispatch.pause()) {
                Ok(Frame::Text(text)) => self.text(&text),
                Ok(Frame::Binary(bytes)) => {
                    session.counters.frames_malformed.add(1);
                    log::warn!("a binary frame of {bytes} bytes was dropped");
                }
                Ok(Frame::Ping(payload)) => session.writer.post(generation, Out::Pong(payload)),
                Ok(Frame::Pong) => {}
                Ok(Frame::Close(code)) => {
                    session.writer.post(generation, Out::Close(1000));
                    session.writer.ring();
                    break match code {
                        Some((code, _)) => format!("the service closed it ({code})"),
                        None => "the service closed it".to_owned(),
                    };
                }
                Err(end) => {
                    if matches!(end, LinkEnd::TooLarge) {
                        session.writer.post(generation, Out::Close(1009));
                        session.writer.ring();
                        session.counters.frames_malformed.add(1);
                    }
                    break end.to_string();
                }
            }
        };
        self.dispatch.pause();
        let cut = session.watch.lock().link.as_ref().and_then(|link| link.cut);
        error::link_lost(session.host(), cut.unwrap_or(&end))
    }

    fn text(&mut self, text: &str) {
        // One frame that trips us up costs that frame, not the link.
        let wish = catch_unwind(AssertUnwindSafe(|| self.dispatch.text(text))).unwrap_or_else(|panic| {
            self.session.counters.frames_malformed.add(1);
            log::error!("a frame was dropped by a defect of this crate: {}", self.session.clean(panic_text(&*panic)));
            Wish::GoOn
        });
        if let Wish::Leave { restart } = wish {
            let generation = self.dispatch.generation;
            log::info!("the service asks to reconnect{}", if restart { " with a new session" } else { "" });
            self.session.writer.ring();
            if restart {
                self.session.forget_session();
            }
            self.session.later(LEAVING, move |session| session.cut(generation, "the service asked to reconnect"));
        }
    }

    /// The link is gone: nobody waits for a reply on it any more.
    fn retire(&mut self) {
        let session = &self.session;
        let generation = self.dispatch.generation;
        let closed = session.writer.close(generation);
        if let Some(cause) = closed.cause {
            log::debug!("writing failed: {cause}");
        }
        session.watch.lock().link = None;
        session.suspected.store(false, Ordering::Relaxed);
        session.complete(session.pending.lost(generation, closed.unsent), &Answer::Lost);
    }
}
