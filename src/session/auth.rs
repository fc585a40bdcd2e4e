//! `signalwire.connect`: the first request on every socket, and what its answer means.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Credentials, Session};
use crate::error::{self, Error, Phase};
use crate::protocol::constants::{METHOD_SIGNALWIRE_CONNECT, METHOD_SIGNALWIRE_PING, PROTOCOL_VERSION};
use crate::protocol::frame::{self, Incoming, Reply, ReplyId, WireError};
use crate::secret::Secret;
use crate::transport::{Connection, Frame, LinkEnd, Out};

/// How much may come before the verdict; a service that sends more is none.
const EARLY_BYTES: usize = 1 << 20;

/// Why an attempt to connect came to nothing. It decides what is done next.
pub(super) enum Failure {
    /// The service could not be reached, or said that it cannot serve now.
    Passing(Error),
    /// The credentials were refused; `resume` tells whether resume keys were sent along.
    Refused { error: Error, resume: bool },
}

/// A connection that the service has accepted.
pub(super) struct Accepted {
    pub(super) connection: Connection,
    /// The text frames that came before the verdict.
    pub(super) early: Vec<String>,
    pub(super) protocol: String,
    /// Whether this is the session of before.
    pub(super) resumed: bool,
}

impl Session {
    /// One attempt: socket, upgrade, authentication, all within the connect timeout.
    pub(super) fn attempt(&self) -> Result<Accepted, Failure> {
        let until = self.clock.after(self.settings.connect_timeout);
        let mut connection = self.connector.connect(until, &self.cutoff, &self.secrets).map_err(Failure::Passing)?;
        let (id, text, sent_protocol) = self.introduction();
        self.trace("→", &text);
        connection.writer.write_now(Out::Text(text), until).map_err(|end| self.broken(&end))?;
        connection.reader.set_deadline(until);
        let mut early = Vec::new();
        let mut early_bytes = 0;
        loop {
            let frame = connection.reader.next(&mut || {}).map_err(|end| self.broken(&end))?;
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Ping(payload) => {
                    connection.writer.write_now(Out::Pong(payload), until).map_err(|end| self.broken(&end))?;
                    continue;
                }
                Frame::Close(_) => return Err(self.broken(&LinkEnd::Closed)),
                Frame::Binary(_) | Frame::Pong => continue,
            };
            match Incoming::parse(&text) {
                Incoming::Reply { id: ReplyId::Ours(of), body } if of == id => {
                    self.trace("←", &text);
                    let (protocol, restored) = self.verdict(frame::judge(body), sent_protocol.is_some())?;
                    let resumed = sent_protocol.is_some_and(|sent| restored.unwrap_or(sent == protocol));
                    connection.reader.set_deadline(None);
                    // From here on the link ends with a goodbye instead of a cut.
                    self.cutoff.let_go();
                    return Ok(Accepted { connection, early, protocol, resumed });
                }
                // A service that pings during authentication waits for its answer.
                Incoming::Request { id: Some(id), ref method, params } if method == METHOD_SIGNALWIRE_PING => {
                    let pong = Out::Text(frame::pong(id, params));
                    connection.writer.write_now(pong, until).map_err(|end| self.broken(&end))?;
                }
                _ => {
                    early_bytes += text.len();
                    if early_bytes > EARLY_BYTES {
                        return Err(self.auth_failed("the service talks instead of answering"));
                    }
                    early.push(text.as_str().to_owned());
                }
            }
        }
    }

    /// The connect request, and the protocol it tries to resume.
    fn introduction(&self) -> (Uuid, String, Option<String>) {
        let identity = self.identity.lock();
        let mut params = Map::new();
        let (major, minor, revision) = PROTOCOL_VERSION;
        params.insert("version".into(), json!({"major": major, "minor": minor, "revision": revision}));
        params.insert("agent".into(), self.settings.agent.clone().into());
        params.insert("event_acks".into(), true.into());
        let authentication = match &self.credentials {
            Credentials::Project { project, token } => json!({"project": project.expose(), "token": token.expose()}),
            Credentials::Jwt { jwt, .. } => json!({"jwt_token": jwt.expose()}),
        };
        params.insert("authentication".into(), authentication);
        if !identity.contexts.is_empty() {
            params.insert("contexts".into(), identity.contexts.clone().into());
        }
        let resume = (identity.resumable && !identity.protocol.is_empty()).then(|| identity.protocol.clone());
        if let Some(protocol) = &resume {
            params.insert("protocol".into(), protocol.clone().into());
            if !identity.authorization_state.is_empty() {
                params.insert("authorization_state".into(), identity.authorization_state.expose().into());
            }
        }
        let id = self.ids.next();
        (id, frame::request(id, METHOD_SIGNALWIRE_CONNECT, &Value::Object(params).to_string()), resume)
    }

    /// The protocol string of the session, and whether the service says that it is the old one.
    fn verdict(&self, answer: Result<Reply, WireError>, resume: bool) -> Result<(String, Option<bool>), Failure> {
        let host = self.host();
        match answer {
            Ok(reply) => {
                let restored = reply.get("session_restored").and_then(|value| value.as_bool());
                Ok((reply.text("protocol").unwrap_or_default(), restored))
            }
            Err(refusal) => {
                let WireError { code, message, details } = self.clean_refusal(refusal);
                Err(match code {
                    Some(-32000 | -32004 | -32005 | -32603 | 500..=599) => {
                        Failure::Passing(error::connect_refused(host, code, &message).with_details(details))
                    }
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
            other => self.auth_failed(&other.to_string()),
        }
    }

    fn auth_failed(&self, why: &str) -> Failure {
        Failure::Passing(error::connect(self.host(), Phase::Auth, why, None))
    }

    /// Forgets what would resume the session: the next connection starts a fresh one.
    pub(super) fn forget_session(&self) {
        let mut identity = self.identity.lock();
        identity.resumable = false;
        let states = identity.replace_state(Secret::default());
        drop(identity);
        self.keep_secret(states);
    }

    /// Notes the blob that the service wants to see at the next reconnect.
    pub(super) fn keep_authorization(&self, state: &str) {
        if !state.is_empty() {
            let states = self.identity.lock().replace_state(Secret::new(state));
            self.keep_secret(states);
        }
    }

    /// Nothing that is printed shows the credentials, or these.
    fn keep_secret(&self, states: [Secret; 2]) {
        let states = states.into_iter().filter(|state| !state.is_empty());
        self.secrets.set_own(self.credentials.secrets().cloned().chain(states).collect());
    }

    pub(super) fn keep_protocol(&self, protocol: &str) {
        let mut identity = self.identity.lock();
        identity.resumable = !protocol.is_empty();
        protocol.clone_into(&mut identity.protocol);
    }
}
