//! A RELAY service on a loopback port: phone programs without a phone, an account or money.
//!
//! A [`Simulator`] accepts real WebSocket connections, speaks the service's protocol, and has people who call in, are
//! called, press keys, speak, text and hang up. Its journal keeps the frames; faults can be caused by name. The guide
//! is [Testing a phone program](crate::testing).
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
//! In [virtual time](Time::Virtual) none of it takes any: simulator and clients share one clock, which jumps to the next
//! thing that is due when nobody has anything to do. The program's own deadlines run in it too, and the same seed and
//! script give the same [journal](Journal::canonical), byte for byte.
//!
//! ```
//! use std::time::Duration;
//! use signalwire_relay::simulator::Simulator;
//! use signalwire_relay::{Client, phone};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Simulator::builder().virtual_time().start()?;
//! let client = Client::builder().simulator(&sim).connect()?;
//! sim.callee("+15552222222").answers_after(Duration::from_secs(30));
//! let call = client.dial(phone("+15552222222").from("+15551111111"))?;
//! assert!(sim.elapsed() >= Duration::from_secs(30), "it rang for thirty seconds, in no time");
//! # drop(call);
//! # Ok(())
//! # }
//! ```
//!
//! Time waits for the threads of both, for handlers and listeners, and for the thread that started the simulator. What
//! blocks outside the crate there (a channel, the join of a thread) belongs into [`Simulator::away`]; threads of the
//! program's own are started by [`Simulator::spawn`], or take [`Simulator::hold`]. A program that waits for what cannot
//! come any more panics, and says who holds time up.
//!
//! What two calls do at the same moment has no order, and what the program's own threads do to one call at the same
//! moment has none either.
//!
//! A client that was not made with [`Builder::simulator`](crate::Builder::simulator), or that is in another process,
//! is served in real time: virtual time does not wait for it, no matter whether the client reads what it is sent. The
//! simulator sends it no pings and does not judge how fast it acknowledges.
//!
//! # Expectations
//!
//! What a program does is kept as [`deeds`]; these can be [asked for](Simulator::deeds) and
//! [expected](Simulator::expect). Expectations are judged when the simulator is dropped: what is unmet fails the test.
//!
//! # How far it goes
//!
//! Every method is answered, with the states and events that the service's published material tells of; the table of
//! [methods](#methods) says how far each goes. Unknown methods, and those that the material calls legacy, are refused
//! with -32601. Missing required fields and wrong types are refused as well; a request with a field that is not known is
//! carried out. All of these, repeated ids, missing acknowledgements and commands for what the client knows to be over
//! (to hang up is in order at any time) are recorded in [`violations`](Simulator::violations). They fail the test when the
//! simulator is dropped, unless [`allow_violations`](Builder::allow_violations) lets them pass.
//!
//! Where the material is silent, this is what happens here:
//!
//! * A call or text for a context that nobody is subscribed to waits until somebody is.
//! * An inbound call is offered to the session that waits longest. One that is passed ends for that session, and is
//!   offered to the next; when there is none, it ends with `noAnswer`.
//! * `end_source` is `outbound` when the program ended a call, `inbound` when the person did.
//! * When a call that was connected ends, the leg made for it ends too; the end of that leg leaves the call up.
//! * A prompt stops at the first key or word. Keys that nothing waits for are lost.
//! * `calling.answer` answers at once: `answered` follows its reply, before any other event of the call.
//! * A call's end ends its operations before `ended` is sent, but recordings, faxes and transcriptions right after it
//!   ([`finish_recordings_before_ended`](Simulator::finish_recordings_before_ended) turns that round).
//! * A session is remembered until [`forget_sessions`](Simulator::forget_sessions); what it missed while it had no
//!   connection is lost, unless [`replays_missed_events`](Builder::replays_missed_events) is set.
//!
//! # Alone, for any language
//!
//! `cargo run --example simulator -- --help`, in a checkout of this crate, is a simulator in a process of its own, over
//! `ws` or `wss`, for clients in any language: people and faults come from a JSON script and from commands on its
//! stdin, in the words of this module. It is made of what is public here: [`Builder::listen`],
//! [`Simulator::on_transcript`], [`Simulator::on_frame`], [`Simulator::calls`] and [`Simulator::person_on`].
#![doc = ""]
#![doc = include_str!("methods.md")]
#![doc = ""]
#![doc = include_str!("faults.md")]

mod builder;
mod faults;
mod handles;
mod line;
mod people;
mod record;
mod service;
mod switchboard;
#[cfg(test)]
mod tests;
mod time;
mod verbs;
mod verdict;
mod wire;
mod world;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub use self::builder::{Builder, Time};
pub use self::faults::cut::Cut;
pub use self::faults::fault::Fault;
pub use self::faults::malformed::Malformed;
pub use self::handles::expect::{Expectation, Unmet};
pub use self::handles::link::Injected;
pub use self::handles::people::{Called, Callee, Caller, Calling, PersonOnCall, Role, Scripted};
pub use self::handles::watch::CallSeen;
use self::line::server::Server;
pub use self::record::journal::{Direction, Entry, EntryKind, Journal, Missed};
pub use self::time::{Helper, Hold};
pub use self::verdict::deeds;
pub use self::world::numbers::Text;
use self::world::numbers::{Outlook, Outlooks};
use self::world::shared::Shared;
use crate::clock::{Receiver, Unbound};
use crate::error::Result;
use crate::secret::Secret;

/// How long the drop of a simulator waits for listeners that are still at work.
const LISTENER_LIMIT: Duration = Duration::from_secs(2);

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
    ca: Option<line::tls::CaFile>,
    /// The last to go: in virtual time, the thread that started it is held until then.
    _starter: Option<Unbound>,
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
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            seed: None,
            speed: 1.0,
            project: None,
            token: None,
            allow_unknown_fields: false,
            allow_violations: false,
            ping_every: Duration::from_secs(5),
            replays_missed_events: false,
            echo_secrets: false,
            journal_limit: record::journal::KEPT,
            time: Time::Real,
        }
    }

    /// Address and port, as a client's builder takes them: `127.0.0.1:49152`. One that listens on every address of the
    /// machine gives that of the loopback.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.reachable().to_string()
    }

    /// Address and port that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The whole address: `ws://127.0.0.1:49152`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls() { "wss" } else { "ws" }, self.host())
    }

    /// Whether it offers `wss://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.ca_file().is_some()
    }

    /// The certificate of its authority, in PEM, in a file that goes with the simulator; nothing without TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_ref().map(line::tls::CaFile::path)
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
        Number { sim: self, number: number.into(), more: false }
    }

    /// Somebody texts the program, in the context `default`; gives the message's id. The text waits while no client
    /// is subscribed.
    pub fn texts(&self, from: &str, to: &str, body: &str) -> String {
        self.texts_in("default", from, to, body)
    }

    /// The same in another context.
    pub fn texts_in(&self, context: &str, from: &str, to: &str, body: &str) -> String {
        self.shared.with(|world| world.text_in(context, from, to, body, &[]))
    }

    /// Somebody sends the program an MMS in a context: a text with the addresses of its media; gives the message's id.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// let photo = "https://files.example.com/photo.jpg";
    /// let id = sim.texts_with_media("default", "+15551230000", "+15559990000", "Look at this", [photo]);
    /// assert!(id.starts_with("msg-"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn texts_with_media<M: Into<String>>(
        &self,
        context: &str,
        from: &str,
        to: &str,
        body: &str,
        media: impl IntoIterator<Item = M>,
    ) -> String {
        let media: Vec<String> = media.into_iter().map(Into::into).collect();
        self.shared.with(|world| world.text_in(context, from, to, body, &media))
    }

    /// The texts that programs sent and that were accepted, in order; the first 50,000 of them.
    #[must_use]
    pub fn texts_sent(&self) -> Vec<Text> {
        self.shared.with(|world| world.texts_sent.clone())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settle();
        }
        let verdict = self.verify();
        self.server.close();
        // Without senders the listeners end when they have had everything.
        self.shared.with(|world| {
            world.listeners.clear();
            world.log.end_listening();
        });
        let until = self.shared.clock.after(LISTENER_LIMIT);
        let listeners = std::mem::take(&mut *self.listeners.lock());
        for (thread, ended) in listeners {
            if thread != std::thread::current().id() {
                let _ = self.shared.clock.recv(&ended, until);
            }
        }
        handles::expect::judge(verdict);
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// What becomes of texts to one number; from [`Simulator::number`].
///
/// Each word replaces what was said before; [`then`](Self::then) adds to it instead. The last of a row holds for all
/// texts that follow.
///
/// ```
/// # let sim = signalwire_relay::simulator::Simulator::start()?;
/// sim.number("+15552222222").undelivered("30003").then().delivers();
/// sim.number("+15553333333").fails("blocked by the carrier");
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Number<'a> {
    sim: &'a Simulator,
    number: String,
    more: bool,
}

impl Number<'_> {
    /// Texts arrive.
    pub fn delivers(self) -> Self {
        self.set(Outlook::Delivered)
    }

    /// Texts are sent and do not arrive, for this reason: the carrier's words or an error code.
    pub fn undelivered(self, reason: &str) -> Self {
        self.set(Outlook::Undelivered(reason.to_owned()))
    }

    /// Texts fail, for this reason.
    pub fn fails(self, reason: &str) -> Self {
        self.set(Outlook::Failed(reason.to_owned()))
    }

    /// Texts are not even taken: the request is refused, with this code and these words.
    pub fn refuses(self, code: i64, message: &str) -> Self {
        self.set(Outlook::Refused(code, message.to_owned()))
    }

    /// What follows is what becomes of the next text.
    #[must_use = "what becomes of the next text comes with the value returned"]
    pub fn then(mut self) -> Self {
        self.more = true;
        self
    }

    fn set(mut self, outlook: Outlook) -> Self {
        let more = std::mem::take(&mut self.more);
        self.sim.shared.with(|world| {
            let outlooks: &mut Outlooks = world.outlooks.entry(self.number.clone()).or_default();
            if !more {
                outlooks.clear();
            }
            outlooks.add(outlook);
        });
        self
    }
}
