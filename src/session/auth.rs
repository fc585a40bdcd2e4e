//! `signalwire.connect`: the first request on every socket, and the meaning of its response.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::identity::Identity;
use super::{Alarm, Credentials, Session, traced};
use crate::clock::Deadline;
use crate::error::{self, Error, Phase};
use crate::latch::Latch;
use crate::protocol::constants::{METHOD_SIGNALWIRE_CONNECT, METHOD_SIGNALWIRE_PING, PROTOCOL_VERSION};
use crate::protocol::frame::{self, Incoming, Reply, ReplyId, WireError};
use crate::protocol::limits::is_name;
use crate::secret::Secret;
use crate::trace::Way;
use crate::transport::{Connection, Frame, LinkEnd, Out, WriteHalf};

/// Number of bytes of acknowledgements that are written at once while a backlog arrives.
const ACKS: usize = 16 << 10;

/// Longest authorization state that is kept, in bytes. The state is sent with every reconnect, and everything that is
/// printed is searched for it.
const STATE_BYTES: usize = 16 << 10;

/// Reason why an attempt to connect failed. The reason decides what is done next.
pub(super) enum Failure {
    /// The service was not reachable, or responded that it cannot serve now.
    Passing(Error),
    /// The credentials were rejected. `resume` is `true` if resume keys were sent along.
    Refused { error: Error, resume: bool },
    /// The service sent a frame that is larger than the limit.
    Oversize(Error),
    /// The frames before the verdict exceeded the limit: the kept frames are dropped, and the session is lost.
    Overflow(Error),
}

impl Failure {
    fn error(&self) -> &Error {
        match self {
            Self::Passing(error) | Self::Refused { error, .. } | Self::Oversize(error) | Self::Overflow(error) => error,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Passing(error) | Self::Refused { error, .. } | Self::Oversize(error) | Self::Overflow(error) => error,
        }
    }
}

/// The text frames that arrived before the verdict. Their events were acknowledged, so the service does not send them
/// again: they are kept when the attempt fails.
#[derive(Default)]
pub(super) struct Backlog {
    frames: VecDeque<Early>,
    bytes: usize,
}

/// A frame that arrived before the response to the authentication.
struct Early {
    text: String,
    acknowledged: bool,
    /// `true` for a frame of an attempt that failed.
    old: bool,
}

/// Cost of an early frame besides its text, in bytes.
const EARLY_COST: usize = size_of::<Early>();

impl Backlog {
    /// Begins an attempt. Of the frames of earlier attempts, only the events are still needed.
    fn begin(&mut self) {
        self.frames.retain_mut(|early| {
            early.old = true;
            early.acknowledged
        });
        self.bytes = self.frames.iter().map(|early| early.text.len() + EARLY_COST).sum();
    }

    /// Keeps a frame. Returns `false` if the backlog is full.
    fn keep(&mut self, text: &str, acknowledged: bool, limit: usize) -> bool {
        self.bytes = self.bytes.saturating_add(text.len() + EARLY_COST);
        if self.bytes > limit {
            return false;
        }
        self.frames.push_back(Early { text: text.to_owned(), acknowledged, old: false });
        true
    }

    /// Drops all frames. Called when the session that they belong to is lost.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops the frames of failed attempts, whose events belong to another session.
    pub(super) fn forget_old(&mut self) {
        self.frames.retain(|early| !early.old);
    }

    /// Returns the next frame, and whether it was acknowledged.
    pub(super) fn next(&mut self) -> Option<(String, bool)> {
        let early = self.frames.pop_front();
        if self.frames.is_empty() {
            // This also frees the memory of the queue.
            self.clear();
        }
        early.map(|early| (early.text, early.acknowledged))
    }
}

/// Acknowledgements that share a write.
#[derive(Default)]
struct Acks {
    waiting: Vec<Out>,
    bytes: usize,
}

impl Acks {
    fn write(&mut self, writer: &mut WriteHalf, until: Deadline) -> Result<(), LinkEnd> {
        self.bytes = 0;
        if self.waiting.is_empty() { Ok(()) } else { writer.write_now(self.waiting.drain(..), until) }
    }
}

/// A connection that the service has accepted.
pub(super) struct Accepted {
    pub(super) connection: Connection,
    pub(super) protocol: String,
    /// `true` if the earlier session was resumed.
    pub(super) resumed: bool,
}

impl Session {
    /// Makes one attempt: socket, upgrade and authentication, all within the connect timeout. Frames that arrive before
    /// the verdict go into the backlog.
    pub(super) fn attempt(&self, backlog: &mut Backlog) -> Result<Accepted, Failure> {
        backlog.begin();
        if let Some(tracer) = &self.tracer {
            tracer.next_connection();
        }
        let until = self.clock.after(self.settings.connect_timeout);
        self.ask_for_jwt(until).map_err(Failure::Passing)?;
        let mut connection = self.connector.connect(until, &self.cutoff, &self.secrets).map_err(Failure::Passing)?;
        if let Some(tracer) = self.tracer.clone() {
            connection.writer.tap(Arc::new(move |text: &str| tracer.frame(Way::FromClient, text)));
        }
        let began = self.clock.now();
        let result = self.authenticate(connection, until, backlog);
        if let Some(tracer) = &self.tracer {
            let took = self.clock.now().saturating_duration_since(began);
            traced::phase(tracer, Phase::Auth, took, result.as_ref().err().map(Failure::error));
        }
        result
    }

    fn authenticate(
        &self,
        mut connection: Connection,
        until: Deadline,
        backlog: &mut Backlog,
    ) -> Result<Accepted, Failure> {
        let (id, text, sent_protocol) = self.introduction();
        if sent_protocol.is_none() {
            backlog.clear();
        }
        self.log_frame("→", &text);
        connection.writer.write_now([Out::Text(text)], until).map_err(|end| self.broken(&end))?;
        connection.reader.set_deadline(until);
        let mut acks = Acks::default();
        loop {
            let Connection { reader, writer, .. } = &mut connection;
            let mut unwritten = None;
            let frame = reader.next(&mut || {
                if let Err(end) = acks.write(writer, until) {
                    unwritten.get_or_insert(end);
                }
            });
            if let Some(end) = unwritten {
                return Err(self.broken(&end));
            }
            let text = match frame.map_err(|end| self.broken(&end))? {
                Frame::Text(text) => text,
                Frame::Ping(payload) => {
                    writer.write_now([Out::Pong(payload.into())], until).map_err(|end| self.broken(&end))?;
                    continue;
                }
                Frame::Close(close) => {
                    let _the_peer_may_be_gone = writer.write_now([Out::Close(1000)], until);
                    let close = close.map(|(code, reason)| (code, self.clean(reason)));
                    let close = close.as_ref().map(|(code, reason)| (*code, reason.as_str()));
                    return Err(Failure::Passing(error::connect_closed(self.host(), close)));
                }
                Frame::Binary(_) | Frame::Pong => continue,
            };
            let ack = match Incoming::parse(text) {
                Incoming::Reply { id: ReplyId::Ours(of), body } if of == id => {
                    self.received(text);
                    let (protocol, restored) = self.verdict(frame::judge(body), sent_protocol.is_some())?;
                    let resumed = sent_protocol.is_some_and(|sent| restored.unwrap_or(sent == protocol));
                    acks.write(writer, until).map_err(|end| self.broken(&end))?;
                    reader.set_deadline(None);
                    // From here on the connection is closed with a close frame instead of being cut.
                    self.cutoff.let_go();
                    return Ok(Accepted { connection, protocol, resumed });
                }
                // A service that pings during authentication waits for the response.
                Incoming::Request { id: Some(id), ref method, params } if method == METHOD_SIGNALWIRE_PING => {
                    let pong = Out::Text(frame::pong(id, params));
                    writer.write_now([pong], until).map_err(|end| self.broken(&end))?;
                    continue;
                }
                Incoming::Event { id, .. } => id.map(frame::ack),
                _ => None,
            };
            if !backlog.keep(text, ack.is_some(), self.settings.resume_backlog) {
                backlog.clear();
                return Err(Failure::Overflow(error::backlog_full(self.host(), self.settings.resume_backlog)));
            }
            if let Some(ack) = ack {
                self.log_frame("→", &ack);
                acks.bytes += ack.len();
                acks.waiting.push(Out::Text(ack));
                if acks.bytes >= ACKS {
                    acks.write(writer, until).map_err(|end| self.broken(&end))?;
                }
            }
        }
    }

    /// Requests a fresh JWT from the program, if the program provides a source. Its code runs on a worker, and may take
    /// as long as the attempt.
    fn ask_for_jwt(&self, until: Deadline) -> Result<(), Error> {
        let Credentials::Asked { source, .. } = &self.credentials else { return Ok(()) };
        let given: Arc<Latch<Result<Secret, String>>> = Arc::new(Latch::new());
        let (source, answer, clock) = (Arc::clone(source), Arc::clone(&given), self.clock.clone());
        self.workers.run(move || {
            let jwt = catch_unwind(AssertUnwindSafe(|| source()));
            let jwt = match jwt {
                Ok(Ok(jwt)) if jwt.trim().is_empty() => Err("it is empty".to_owned()),
                Ok(Ok(jwt)) => Ok(Secret::new(jwt.trim())),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the closure panicked".to_owned()),
            };
            answer.set(&clock, jwt);
        });
        let jwt = given.wait(&self.clock, until).unwrap_or_else(|| Err("the closure took too long".to_owned()));
        let jwt = jwt.map_err(|why| error::no_jwt(self.host(), &self.clean(&why)))?;
        self.keep_jwt(jwt);
        Ok(())
    }

    /// Stores the JWT that is sent from now on.
    pub(crate) fn keep_jwt(&self, jwt: Secret) {
        let mut identity = self.identity.lock();
        identity.set_jwt(jwt);
        let own = self.own_secrets(&identity);
        drop(identity);
        self.secrets.set_own(own);
    }

    /// The credentials, and the IDs by which the service knows this client. None of them is printed.
    fn own_secrets(&self, identity: &Identity) -> Vec<Secret> {
        self.credentials.secrets().chain(identity.secrets()).cloned().collect()
    }

    /// Returns the connect request, and the protocol that the request tries to resume.
    fn introduction(&self) -> (Uuid, String, Option<String>) {
        let identity = self.identity.lock();
        let mut params = Map::new();
        let (major, minor, revision) = PROTOCOL_VERSION;
        params.insert("version".into(), json!({"major": major, "minor": minor, "revision": revision}));
        params.insert("agent".into(), self.settings.agent.clone().into());
        params.insert("event_acks".into(), true.into());
        let authentication = match (&self.credentials, identity.jwt()) {
            (_, Some(jwt)) | (Credentials::Jwt { jwt, .. }, None) => json!({"jwt_token": jwt.expose()}),
            (Credentials::Project { project, token }, None) => {
                json!({"project": project.expose(), "token": token.expose()})
            }
            // The JWT was requested before the connection was made.
            (Credentials::Asked { .. }, None) => json!({"jwt_token": ""}),
        };
        params.insert("authentication".into(), authentication);
        if !identity.contexts().is_empty() {
            params.insert("contexts".into(), identity.contexts().to_vec().into());
        }
        let resume = identity.resumption().map(|(protocol, state)| {
            params.insert("protocol".into(), protocol.into());
            if !state.is_empty() {
                params.insert("authorization_state".into(), state.expose().into());
            }
            protocol.to_owned()
        });
        let id = self.ids.next();
        (id, frame::request(id, METHOD_SIGNALWIRE_CONNECT, &Value::Object(params).to_string()), resume)
    }

    /// Returns the protocol string of the session, and whether the service resumed the earlier session.
    fn verdict(&self, answer: Result<Reply, WireError>, resume: bool) -> Result<(String, Option<bool>), Failure> {
        let host = self.host();
        match answer {
            Ok(reply) => {
                let restored = reply.get("session_restored").and_then(|value| value.as_bool());
                Ok((reply.text("protocol").filter(|name| is_name(name)).unwrap_or_default(), restored))
            }
            Err(refusal) => {
                let WireError { code, message, details, retry_after } = self.clean_refusal(refusal);
                Err(match code {
                    Some(-32000 | -32004 | -32005 | -32603 | 408 | 425 | 429 | 500..=599) => Failure::Passing(
                        error::connect_refused(host, code, &message, retry_after).with_details(details),
                    ),
                    code => {
                        let error = error::auth_rejected(host, code, &message).with_details(details);
                        Failure::Refused { error, resume }
                    }
                })
            }
        }
    }

    fn broken(&self, end: &LinkEnd) -> Failure {
        match end {
            LinkEnd::TimedOut => Failure::Passing(error::connect_timeout(self.host(), Phase::Auth)),
            other => {
                let error = error::connect(self.host(), Phase::Auth, &other.to_string(), None);
                if matches!(other, LinkEnd::TooLarge) { Failure::Oversize(error) } else { Failure::Passing(error) }
            }
        }
    }

    /// Drops the resume keys: the next connection starts a fresh session.
    pub(super) fn forget_session(&self) {
        let mut identity = self.identity.lock();
        identity.forget_session();
        let own = self.own_secrets(&identity);
        drop(identity);
        self.secrets.set_own(own);
    }

    /// Keeps the authorization state that the service expects at the next reconnect.
    pub(super) fn keep_authorization(&self, state: &str) {
        if state.len() > STATE_BYTES {
            self.counters.frames_malformed.add(1);
            let bytes = state.len();
            self.warn(Alarm::FrameDropped, || {
                format!("an authorization state of {bytes} bytes was dropped: the limit is {STATE_BYTES} bytes")
            });
        } else if !state.is_empty() {
            let mut identity = self.identity.lock();
            identity.set_state(Secret::new(state));
            let own = self.own_secrets(&identity);
            drop(identity);
            self.secrets.set_own(own);
        }
    }

    pub(super) fn keep_protocol(&self, protocol: &str) {
        self.identity.lock().set_protocol(protocol);
    }
}
