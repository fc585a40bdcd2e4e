//! A RELAY service on a loopback port: phone programs without a phone, an account or money.
//!
//! A [`Simulator`] accepts real WebSocket connections, speaks the service's protocol, and has people who call in, are
//! called, press keys, speak, text and hang up. Its journal keeps every frame; faults can be caused by name.
//!
//! ```
//! use std::time::Duration;
//! use signalwire_relay::simulator::Simulator;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Simulator::builder().speed(100.0).start()?;
//! let bob = sim.callee("+15552222222").is_machine("You have reached Bob", true);
//! let ann = sim
//!     .caller("+15551230000")
//!     .calls("+15559990000")
//!     .when_asked_for_digits()
//!     .presses("1#")
//!     .after_the_beep()
//!     .says("Hello, this is Ann")
//!     .hangs_up()
//!     .dials();
//!
//! // A program that connects to `sim.host()` now, in the context `default`, is offered Ann's call.
//! assert_eq!(ann.state(), "created");
//! assert_eq!(bob.times_called(), 0);
//! assert!(sim.wait_for_request("calling.answer", Duration::ZERO).is_err());
//! assert!(sim.violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! What people and operations do takes its natural time, divided by [`speed`](Builder::speed): a phone rings after
//! 0.3 s and is answered after 2 s, twelve characters are spoken in a second, an audio file lasts three. Timeouts of
//! requests to the simulator are scaled too; the client's own are not, and neither are pings.
//!
//! # How far it goes
//!
//! Sessions, calls, dialling, bridges, playing, recording, collecting, detecting, sending digits and texts behave as
//! the service's published material says; where that is silent the choice is documented at the head of each module.
//! Methods that it knows but does not simulate yet are refused with code 500, unknown ones with -32601. Unknown or
//! missing fields, wrong types, repeated ids and missing acknowledgements are refused and recorded in
//! [`violations`](Simulator::violations).

mod acting;
mod calls;
mod faults;
mod journal;
mod messages;
mod operations;
mod people;
mod server;
mod session;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(feature = "native-tls")]
mod tls;
mod wire;
mod world;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, unbounded};
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::faults::{Failure, Times};
pub use self::journal::{Direction, Entry, EntryKind, Journal, Missed};
use self::messages::Outlook;
pub use self::messages::Text;
pub use self::people::{Called, Callee, Caller, Calling, PersonOnCall, Role, Scripted};
use self::server::Server;
use self::world::{Out, Settings, Shared};
use crate::clock::Clock;
use crate::error::{self, Result};
use crate::secret::Secret;

/// How long the drop of a simulator waits for transcript listeners that are still at work.
const LISTENER_LIMIT: Duration = Duration::from_secs(2);

/// How old an event is when its missing acknowledgement counts as a violation.
const ACK_LIMIT: Duration = Duration::from_secs(2);

/// How a simulator is started; from [`Simulator::builder`].
#[derive(Clone)]
pub struct Builder {
    tls: bool,
    speed: f64,
    project: Option<String>,
    token: Option<Secret>,
    allow_unknown_fields: bool,
    ping_every: Duration,
    replays_missed_events: bool,
    echo_secrets: bool,
}

impl Builder {
    /// Offers `wss://` with a certificate of its own authority, in [`Simulator::ca_file`]; plain `ws://` by default.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// How many seconds pass for people and operations in one second of real time; 1 by default.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The only project that is let in. Without this and [`token`](Self::token), any credentials are accepted.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The only token, or JWT, that is let in.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token.into()));
        self
    }

    /// Takes fields that the service does not know, for programs that try out what is new.
    #[must_use]
    pub fn allow_unknown_fields(mut self) -> Self {
        self.allow_unknown_fields = true;
        self
    }

    /// How often the service pings each connection, in real time; every 5 s by default. One that does not answer
    /// within twice that is closed.
    #[must_use]
    pub fn pings_every(mut self, span: Duration) -> Self {
        self.ping_every = span;
        self
    }

    /// Sends what a session missed while it had no connection once it is resumed; by default that is lost.
    #[must_use]
    pub fn replays_missed_events(mut self) -> Self {
        self.replays_missed_events = true;
        self
    }

    /// Puts the token into the reply to `signalwire.connect`, to find out who logs it.
    #[must_use]
    pub fn echoes_secrets(mut self) -> Self {
        self.echo_secrets = true;
        self
    }

    /// Starts the simulator on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when the speed is not a positive number, when TLS is wanted and the
    /// feature `native-tls` is off, or when the machine has no port, thread or temporary file to give.
    pub fn start(self) -> Result<Simulator> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(error::config("the speed of the simulator must be a number above zero, such as 20.0"));
        }
        let any_credentials = self.project.is_none() && self.token.is_none();
        let settings = Settings {
            speed: self.speed,
            project: self.project.unwrap_or_else(|| "51300000-0000-4000-8000-000000000001".into()),
            token: self.token.unwrap_or_else(|| Secret::new("PT-simulated")),
            any_credentials,
            allow_unknown_fields: self.allow_unknown_fields,
            ping_every: self.ping_every,
            ping_limit: self.ping_every.saturating_mul(2),
            replays_missed_events: self.replays_missed_events,
            echo_secrets: self.echo_secrets,
        };
        let (project, token) = (settings.project.clone(), settings.token.clone());
        let shared = Arc::new(Shared::new(Clock::real(), settings));
        let no_socket = |error| error::config(format!("the simulator cannot listen on 127.0.0.1: {error}"));
        #[cfg(feature = "native-tls")]
        {
            let (acceptor, ca) = if self.tls {
                let (acceptor, ca) = tls::prepare()?;
                (Some(acceptor), Some(ca))
            } else {
                (None, None)
            };
            let server = Server::start(Arc::clone(&shared), acceptor).map_err(no_socket)?;
            Ok(Simulator { shared, server, project, token, listeners: Mutex::default(), ca })
        }
        #[cfg(not(feature = "native-tls"))]
        {
            if self.tls {
                return Err(error::config("the simulator offers TLS only with the feature `native-tls`"));
            }
            let server = Server::start(Arc::clone(&shared)).map_err(no_socket)?;
            Ok(Simulator { shared, server, project, token, listeners: Mutex::default() })
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("tls", &self.tls).field("speed", &self.speed).finish_non_exhaustive()
    }
}

/// A RELAY service with people, for one test or one trial.
///
/// It listens from the start to the drop, which closes every connection and waits for its threads. Each simulator is
/// on its own: several may run at once.
pub struct Simulator {
    shared: Arc<Shared>,
    server: Arc<Server>,
    project: String,
    token: Secret,
    listeners: Mutex<Vec<(std::thread::ThreadId, Receiver<()>)>>,
    #[cfg(feature = "native-tls")]
    ca: Option<tls::CaFile>,
}

/// Starting, and where it is.
impl Simulator {
    /// Starts one with `ws://`, in real time, for any credentials.
    ///
    /// ```
    /// let sim = signalwire_relay::simulator::Simulator::start()?;
    /// assert!(sim.url().starts_with("ws://127.0.0.1:"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::start`].
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// What can be set before it starts.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            tls: false,
            speed: 1.0,
            project: None,
            token: None,
            allow_unknown_fields: false,
            ping_every: Duration::from_secs(5),
            replays_missed_events: false,
            echo_secrets: false,
        }
    }

    /// Address and port, as a client's builder takes them: `127.0.0.1:49152`.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The whole address: `ws://127.0.0.1:49152`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls() { "wss" } else { "ws" }, self.server.address())
    }

    /// Whether it offers `wss://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.ca_file().is_some()
    }

    /// The certificate of its authority, in PEM, in a file that goes with the simulator; nothing without TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        #[cfg(feature = "native-tls")]
        {
            self.ca.as_ref().map(tls::CaFile::path)
        }
        #[cfg(not(feature = "native-tls"))]
        {
            None
        }
    }

    /// A project that is let in.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// A token that is let in.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose()
    }
}

/// People and texts.
impl Simulator {
    /// Somebody with this number, or SIP address, who will call in.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// let ann = sim
    ///     .caller("+15551230000")
    ///     .calls("+15559990000")
    ///     .after_hearing("welcome")
    ///     .hangs_up()
    ///     .dials();
    /// assert_eq!(ann.number(), "+15551230000");
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    #[must_use]
    pub fn caller(&self, number: impl Into<String>) -> Caller {
        Caller::new(Arc::clone(&self.shared), number.into())
    }

    /// Whoever is reached at a number or SIP address. Of whom nothing is said is a person who answers.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.callee("+15552222222").is_busy();
    /// let bob = sim.callee("+15553333333").answers().is_machine("You have reached Bob", true);
    /// assert!(bob.said_over_greeting().is_empty());
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn callee(&self, number: impl Into<String>) -> Callee {
        Callee::new(Arc::clone(&self.shared), number.into())
    }

    /// What becomes of texts to a number; they are delivered unless something else is said.
    pub fn number(&self, number: impl Into<String>) -> Number<'_> {
        Number { sim: self, number: number.into() }
    }

    /// Somebody texts the program, in the context `default`; gives the message's id. The text waits while no client
    /// is subscribed.
    pub fn texts(&self, from: &str, to: &str, body: &str) -> String {
        self.texts_in("default", from, to, body)
    }

    /// The same in another context.
    pub fn texts_in(&self, context: &str, from: &str, to: &str, body: &str) -> String {
        self.shared.with(|world| world.text_in(context, from, to, body))
    }

    /// The texts that programs sent and that were accepted, in order.
    #[must_use]
    pub fn texts_sent(&self) -> Vec<Text> {
        self.shared.with(|world| world.texts_sent.clone())
    }
}

/// The link, and what can go wrong with it.
impl Simulator {
    /// How many connections there are now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.with(|world| world.conns.len())
    }

    /// How many connections there ever were that came as far as a WebSocket.
    #[must_use]
    pub fn connections_ever(&self) -> u64 {
        self.shared.with(|world| world.connected_ever)
    }

    /// The protocol strings of all sessions that are remembered, connected or not.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        self.shared.with(|world| world.sessions.keys().cloned().collect())
    }

    /// Waits until so many clients are connected and authenticated.
    ///
    /// # Errors
    ///
    /// When `timeout` of real time passed before.
    pub fn wait_connected(&self, clients: usize, timeout: Duration) -> Result<(), Missed> {
        people::wait(&self.shared, timeout, &format!("a state with {clients} clients connected"), |world| {
            (world.conns.values().filter(|conn| conn.session.is_some()).count() == clients).then_some(())
        })
    }

    /// Cuts every connection, now.
    pub fn drop_link(&self) {
        self.shared.with(|world| {
            let conns: Vec<u64> = world.conns.keys().copied().collect();
            conns.into_iter().for_each(|conn| world.cut(conn));
        });
    }

    /// Cuts the connection that sends the next request of this method, after the request took effect and instead of
    /// the reply.
    pub fn drop_link_after_request(&self, method: &str) {
        self.shared.with(|world| world.faults.drop_after.insert(method.to_owned()));
    }

    /// Cuts the connection that sends the next request of this method, before the request takes any effect.
    pub fn drop_link_before_request(&self, method: &str) {
        self.shared.with(|world| world.faults.drop_before.insert(method.to_owned()));
    }

    /// Refuses new connections; those that exist stay.
    pub fn stop_listening(&self) {
        self.server.stop_listening();
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) when another process has taken the port.
    pub fn listen_again(&self) -> Result<()> {
        self.server
            .listen_again()
            .map_err(|error| error::config(format!("the simulator cannot listen on {} again: {error}", self.host())))
    }

    /// Swallows everything in both directions without closing anything, as a half-open link does, until it is called
    /// with `false`. What was swallowed does not come back.
    pub fn freeze_link(&self, frozen: bool) {
        self.shared.with(|world| world.faults.frozen = frozen);
    }

    /// Forgets all sessions, so that the next reconnect is not a resume; their calls end without an event.
    pub fn forget_sessions(&self) {
        self.shared.with(world::World::forget_sessions);
    }

    /// Refuses the credentials of the next `times` connects.
    pub fn refuse_credentials(&self, times: usize) {
        self.shared.with(|world| world.faults.refuse_credentials = Some(Times::Next(times)));
    }

    /// Refuses all credentials, until [`accept_credentials`](Self::accept_credentials).
    pub fn refuse_all_credentials(&self) {
        self.shared.with(|world| world.faults.refuse_credentials = Some(Times::Always));
    }

    /// Ends the refusal of credentials.
    pub fn accept_credentials(&self) {
        self.shared.with(|world| world.faults.refuse_credentials = None);
    }

    /// Sends `signalwire.disconnect` to every client and closes a moment later; with `restart`, sessions are
    /// forgotten.
    pub fn ask_to_reconnect(&self, restart: bool) {
        self.shared.with(|world| world.ask_to_reconnect(restart));
    }

    /// Refuses the next request of a method: a negative code becomes a JSON-RPC error, another one the `code` of the
    /// result. Several of these are used up in order.
    pub fn fail(&self, method: &str, code: i64, message: &str) {
        self.add_failure(method, Times::Next(1), code, message);
    }

    /// Refuses every request of a method, until [`fail_no_more`](Self::fail_no_more).
    pub fn fail_always(&self, method: &str, code: i64, message: &str) {
        self.add_failure(method, Times::Always, code, message);
    }

    /// Ends the refusals of a method.
    pub fn fail_no_more(&self, method: &str) {
        self.shared.with(|world| world.faults.failures.remove(method));
    }

    fn add_failure(&self, method: &str, times: Times, code: i64, message: &str) {
        let failure = Failure { times, code, message: message.to_owned() };
        self.shared.with(|world| world.faults.failures.entry(method.to_owned()).or_default().push(failure));
    }

    /// Carries the requests of a method out but keeps the replies back, until [`release_replies`](Self::release_replies).
    pub fn hold_replies(&self, method: &str) {
        self.shared.with(|world| world.faults.held.insert(method.to_owned()));
    }

    /// Sends the replies of a method that were kept back, in order, and keeps back no more.
    pub fn release_replies(&self, method: &str) {
        self.shared.with(|world| {
            world.faults.held.remove(method);
            let (ready, kept): (Vec<_>, Vec<_>) =
                std::mem::take(&mut world.late).into_iter().partition(|reply| reply.method == method);
            world.late = kept;
            for reply in ready {
                world.send(reply.conn, EntryKind::Reply, &reply.method, reply.frame);
            }
        });
    }

    /// Takes the requests of a method and does nothing at all, until [`answer_again`](Self::answer_again).
    pub fn never_answer(&self, method: &str) {
        self.shared.with(|world| world.faults.unanswered.insert(method.to_owned()));
    }

    /// Ends [`never_answer`](Self::never_answer) for a method.
    pub fn answer_again(&self, method: &str) {
        self.shared.with(|world| world.faults.unanswered.remove(method));
    }

    /// Whether to leave the pings of clients unanswered.
    pub fn ignore_pings(&self, ignore: bool) {
        self.shared.with(|world| world.faults.ignore_pings = ignore);
    }

    /// Sends the reply to each request of a method only after the last event that it causes: `answered` beats the
    /// reply to `calling.dial`, `delivered` the one to `messaging.send`, `finished` the one to `calling.play`.
    pub fn events_before_reply(&self, method: &str) {
        self.shared.with(|world| world.faults.events_first.insert(method.to_owned()));
    }

    /// Whether calls end without the last events of their operations.
    pub fn end_calls_abruptly(&self, abruptly: bool) {
        self.shared.with(|world| world.faults.abrupt_ends = abruptly);
    }

    /// Whether a recording that the end of its call cuts short reports that before `ended`, rather than after it.
    pub fn finish_recordings_before_ended(&self, before: bool) {
        self.shared.with(|world| world.faults.recordings_end_first = before);
    }

    /// Sends an event with this payload, in a proper envelope: to the session of the call in `params.call_id` when
    /// there is such a call, else to every session.
    pub fn push_event(&self, event_type: &str, params: Value) {
        self.shared.with(|world| {
            let call = params["call_id"].as_str().and_then(|call_id| world.calls.get(call_id));
            let sessions = match call {
                Some(leg) => vec![leg.session.clone()],
                None => world.sessions.keys().cloned().collect(),
            };
            for session in sessions {
                let context = params["context"].as_str().map(str::to_owned);
                let (id, frame) = world.envelope(&session, event_type, context, params.clone());
                world.by_hand.insert(json!(id).to_string());
                world.deliver(&session, event_type, id, frame);
            }
        });
    }

    /// Sends a text frame as it is to every connection.
    pub fn push_raw(&self, text: &str) {
        self.shared.with(|world| {
            // A frame that is a request after all may be answered.
            if let Ok(Value::Object(frame)) = serde_json::from_str::<Value>(text) {
                world.by_hand.extend(frame.get("id").map(Value::to_string));
            }
            let at = world.elapsed();
            for (conn, connection) in &world.conns {
                let _ = connection.out.send(Out::Text(text.to_owned()));
                connection.unread.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
                let frame = journal::Frame::Text(text.to_owned());
                world.log.add(at, Direction::ToClient, EntryKind::Raw, *conn, "", frame);
            }
        });
    }

    /// Sends a binary frame to every connection; the service never does.
    pub fn push_binary(&self, bytes: &[u8]) {
        self.shared.with(|world| {
            for connection in world.conns.values() {
                let _ = connection.out.send(Out::Binary(bytes.to_vec()));
            }
        });
    }

    /// Sends the last event of this type once more, with the same id and the same text; false when there was none.
    pub fn resend_last_event(&self, event_type: &str) -> bool {
        self.again(event_type, false)
    }

    /// Sends the last event of this type once more under a new id, as a service does that delivers again after a
    /// resume; false when there was none.
    pub fn redeliver_last_event(&self, event_type: &str) -> bool {
        self.again(event_type, true)
    }

    fn again(&self, event_type: &str, fresh_id: bool) -> bool {
        self.shared.with(|world| {
            let last = world.log.last(|entry| entry.kind() == EntryKind::Event && entry.method() == event_type);
            let Some(mut frame) = last.and_then(|entry| serde_json::from_str::<Value>(&entry.text()).ok()) else {
                return false;
            };
            if fresh_id {
                frame["id"] = world.fresh_id(0xe7e7).into();
            }
            world.by_hand.insert(frame["id"].to_string());
            let conns: Vec<u64> = world.conns.keys().copied().collect();
            for conn in conns {
                world.send(conn, EntryKind::Event, event_type, frame.clone());
            }
            true
        })
    }
}

/// What happened.
impl Simulator {
    /// Every frame so far (the last 50,000 of them), without secrets.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.with(|world| world.log.snapshot())
    }

    /// Waits for the next request of a method. Each call gives a request that no earlier call gave, so that several in
    /// a row walk through them in order.
    ///
    /// # Errors
    ///
    /// When `timeout` of real time passed before; the error shows the last twenty frames.
    pub fn wait_for_request(&self, method: &str, timeout: Duration) -> Result<Entry, Missed> {
        self.wait_for_entry(EntryKind::Request, method, timeout)
    }

    /// Waits for the next event of a type, in the same manner.
    ///
    /// # Errors
    ///
    /// When `timeout` of real time passed before; the error shows the last twenty frames.
    pub fn wait_for_event(&self, event_type: &str, timeout: Duration) -> Result<Entry, Missed> {
        self.wait_for_entry(EntryKind::Event, event_type, timeout)
    }

    fn wait_for_entry(&self, kind: EntryKind, method: &str, timeout: Duration) -> Result<Entry, Missed> {
        let name = format!("{kind:?} {method}");
        people::wait(&self.shared, timeout, method, |world| {
            let from = world.claimed.get(&name).copied().unwrap_or(0);
            let found = world.log.find(from, |entry| entry.kind() == kind && entry.method() == method)?;
            world.claimed.insert(name.clone(), found.sequence() + 1);
            Some(found)
        })
    }

    /// What clients did that the service would not accept, one sentence each: unknown methods and fields, wrong types,
    /// repeated ids, malformed frames, events not acknowledged within two seconds.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.with(|world| {
            let now = world.clock.now();
            let mut all = world.violations.clone();
            for (conn, connection) in &world.conns {
                let late = connection.unacked.values().filter(|sent| now.saturating_duration_since(**sent) > ACK_LIMIT);
                let late = late.count();
                if late > 0 {
                    all.push(format!("connection {conn} has not acknowledged {late} events"));
                }
            }
            all
        })
    }

    /// The longest time that any event waited for its acknowledgement, of those that were acknowledged.
    #[must_use]
    pub fn slowest_ack(&self) -> Duration {
        self.shared.with(|world| world.slowest_ack)
    }

    /// What happened in words, a line each, in order: who called, what was heard, pressed, recorded, how it ended.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared.with(|world| world.lines.iter().cloned().collect())
    }

    /// Hands every line of the transcript, from the first, to a function on a thread of its own.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.on_transcript(|line| println!("  {line}"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn on_transcript(&self, mut listener: impl FnMut(&str) + Send + 'static) {
        let (sender, lines) = unbounded::<String>();
        let (done, ended) = bounded::<()>(1);
        let clock = self.shared.clock.clone();
        let thread = std::thread::Builder::new().name("simulator-transcript".into()).spawn(move || {
            // Dropped when this thread ends, in whatever way.
            let _done = done;
            while let Ok(line) = clock.recv(&lines, None) {
                listener(&line);
            }
        });
        if let Ok(thread) = thread {
            self.listeners.lock().push((thread.thread().id(), ended));
            self.shared.with(|world| {
                world.lines.iter().for_each(|line| drop(sender.send(line.clone())));
                world.listeners.push(sender);
            });
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.close();
        // Without senders the listeners end when they have had every line.
        self.shared.with(|world| world.listeners.clear());
        let until = self.shared.clock.after(LISTENER_LIMIT);
        let listeners = std::mem::take(&mut *self.listeners.lock());
        for (thread, ended) in listeners {
            if thread != std::thread::current().id() {
                let _ = self.shared.clock.recv(&ended, until);
            }
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).field("project", &self.project).finish_non_exhaustive()
    }
}

/// What becomes of texts to one number; from [`Simulator::number`].
///
/// ```
/// # let sim = signalwire_relay::simulator::Simulator::start()?;
/// sim.number("+15552222222").undelivered("handset unreachable");
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Debug)]
pub struct Number<'a> {
    sim: &'a Simulator,
    number: String,
}

impl Number<'_> {
    /// Texts arrive.
    pub fn delivers(self) {
        self.set(Outlook::Delivered);
    }

    /// Texts are sent and do not arrive, for this reason.
    pub fn undelivered(self, reason: &str) {
        self.set(Outlook::Undelivered(reason.to_owned()));
    }

    /// Texts fail, for this reason.
    pub fn fails(self, reason: &str) {
        self.set(Outlook::Failed(reason.to_owned()));
    }

    fn set(self, outlook: Outlook) {
        self.sim.shared.with(|world| world.outlooks.insert(self.number, outlook));
    }
}
