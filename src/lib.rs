//! Real-time call control and messaging over SignalWire RELAY, for plain threaded Rust.
//!
//! Every method blocks until there is something to say, and ends: there is no async runtime, no callback that must
//! not wait, and no wait without an end. One [`Client`] is one WebSocket; it reconnects by itself.
//!
//! ```no_run
//! use signalwire_relay::{Client, Result, tts};
//!
//! fn main() -> Result<()> {
//!     let client = Client::builder().contexts(["default"]).connect()?;
//!     client.on_call(|call| {
//!         call.answer()?;
//!         call.play(tts("Welcome to SignalWire!"))?.wait(None)?;
//!         call.hangup()?;
//!         Ok(())
//!     });
//!     client.run()
//! }
//! ```
//!
//! Credentials come from the environment or the [`Builder`]. Without an account the same program runs against the
//! [simulator](#testing-with-the-simulator).
//!
//! # What there is
//!
//! | | |
//! |---|---|
//! | [`Client`] | connects; takes calls ([`on_call`](Client::on_call), [`next_call`](Client::next_call)) and messages; [`dial`](Client::dial)s and [sends](Client::send_message) |
//! | [`Call`] | is answered, played to, asked, recorded, bridged, put into conferences, rooms and queues, tapped, transcribed, talked to by an AI, charged, hung up |
//! | [`Action`] | something that goes on on a call: [`wait`](Action::wait) for its outcome, or stop it |
//! | [`Message`] | a text; [`wait`](Message::wait) for the carrier's verdict |
//! | [`Event`] | what the service tells: [`Call::on`], [`Call::events`], [`Call::wait_for`] |
//!
//! The names that most programs use are at the root. The others are in modules by kind: [`params`] and [`choices`]
//! (parameters of methods, and their values), [`media`], [`devices`], [`actions`], [`events`], [`states`], [`errors`] and
//! [`connection`] (settings, statistics).
//!
//! What a method needs is its argument, and what is optional is a setter on that argument:
//! `call.play(tts("Hi"))`, `call.play(Play::new(tts("Hi")).volume(-6.0).loops(3))`. Every set of parameters has
//! `extra(key, value)` for what the service learns before this crate does.
//!
//! # Threads and handlers
//!
//! A client has two threads: one reads, one writes and keeps the time (and a third watches for signals while
//! [`Client::run`] runs). They never run the program's code. Handlers,
//! listeners and callbacks run on threads of their own kind, which come and go with the work: they may block, be slow
//! or panic without harm to other calls. The handler of an inbound call has a thread for as long as it runs; the
//! listeners and callbacks of one call run in order, one at a time, so that a slow one delays the next of that call.
//!
//! How many threads there may be, how thousands of calls are served on a few of them, and how several processes share a
//! context is in the module [`scaling`].
//!
//! A [`Client`], a [`Call`] and an [`Action`] are cheap to clone, and any thread may use them. Dropping the last clone
//! of a client closes it; a handler gets at it through [`Call::client`], which keeps none.
//!
//! # Waiting
//!
//! `wait(None)` waits as long as it takes, `wait(Duration::from_secs(5))` at most that long. A wait that timed out
//! changes nothing and may be repeated. Any wait ends early, with an error that says why, when the call ends, the
//! session is lost or the client is closed.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use signalwire_relay::{HandlerResult, Stoppable, tts};
//! # fn handler(call: signalwire_relay::Call) -> HandlerResult {
//! let speech = call.play(tts("This may take a while."))?;
//! match speech.wait(Duration::from_secs(5)) {
//!     Ok(_) => println!("said"),
//!     Err(error) if error.is_timeout() => speech.stop()?, // it was still going on
//!     Err(error) => return Err(error.into()),             // the caller has hung up, for example
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! One type, [`Error`], whose [`kind`](Error::kind) says what to do next. A caller who has hung up is no error for a
//! command such as [`Call::hangup`]; what can no longer happen, such as the outcome of a prompt, is
//! [`CallEnded`](ErrorKind::CallEnded). A handler passes that on with `?`: it is the normal way out, and not logged as
//! a failure. Nothing that may have reached the service is ever sent again: when a response is lost, the error is
//! [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and the program decides. The same error stands for a refusal that proves
//! nothing: a service in trouble refuses a dial with -32000 or 500, and the phone may ring all the same.
//!
//! ```no_run
//! # use signalwire_relay::{Client, sms};
//! # fn send(client: &Client) -> signalwire_relay::Result<()> {
//! match client.send_message(sms("+15552222222").from("+15551111111").body("Hi")) {
//!     Ok(message) => println!("taken as {}", message.id()),
//!     Err(error) if error.is_retryable() => println!("not sent, try later: {error}"),
//!     Err(error) if error.may_have_been_sent() => println!("perhaps sent: {error}"),
//!     Err(error) => return Err(error),
//! }
//! # Ok(()) }
//! ```
//!
//! # Reconnecting
//!
//! A first connection that fails is the error of [`Builder::connect`], unless [`Builder::retry_first_connect`] is set.
//! One that is lost later is made again, with growing waits, until the client is closed; [`Client::states`] tells.
//! Calls go on when the service resumes the session, though events sent meanwhile may be missing
//! ([`Call::is_confirmed`]); otherwise they end with [`SessionLost`](ErrorKind::SessionLost). Requests wait for the
//! connection as long as their timeout allows.
//!
//! ```no_run
//! # use signalwire_relay::{Client, LinkState};
//! # fn watch(client: &Client) {
//! for state in client.states() {
//!     match state {
//!         LinkState::Reconnecting { attempt, cause, .. } => println!("attempt {attempt}: {cause}"),
//!         state => println!("{state:?}"),
//!     }
//! }
//! # }
//! ```
//!
//! # Logging
//!
//! Through the [`log`](https://docs.rs/log) crate; no logger is installed. Error: a handler failed, or the client
//! gave up. Warn: the connection is lost, a call was not claimed, a frame was not understood. Info: connected and as
//! what, closed, and one line for each call when it has ended: who called, whether the call was answered, how long it
//! lasted and why it ended. Debug: one line for each request and event. Trace: the frames, without secrets.
//!
//! The lines about calls and messages have the target `signalwire_relay::call` and name what they are about in one
//! order: event or method, call ID, control ID, state. With the feature `kv` they have the same as key-values, for
//! loggers that write JSON: `event`, `method`, `call_id`, `control_id`, `message_id`, `tag`, `state`, and at the end of
//! a call `direction`, `context`, `answered`, `reason` and `seconds`. Phone numbers are cut to their last four digits,
//! unless [`Builder::log_numbers`] asks for them.
//!
//! What people press, say and write is masked at trace too, and shown with [`Builder::log_content`]; `Debug` of events,
//! messages and parameters never shows it.
//!
//! No secret is logged at any level, also not by the crates below: `RUST_LOG=trace` is safe. Frames are encoded and
//! decoded by this crate, because the codec of tungstenite logs them whole. The simulator serves with tungstenite, so
//! that its own test credentials do appear at trace in the process that it runs in.
//!
//! # Testing with the simulator
//!
//! With the feature `simulator` the crate contains a RELAY service for one's own machine, with people who call, press
//! keys and hang up; see the module `simulator`, and the guide in the module `testing`. It can live in a virtual time,
//! with its clients, in which a minute of ringing costs nothing. In `Cargo.toml` it belongs under
//! `[dev-dependencies]`; the examples in the repository run on it too.
//!
//! ```
//! # #[cfg(feature = "simulator")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use signalwire_relay::simulator::Simulator;
//! use signalwire_relay::{Client, tts};
//!
//! let sim = Simulator::builder().virtual_time().start()?;
//! let client = Client::builder().simulator(&sim).contexts(["default"]).connect()?;
//! client.on_call(|call| {
//!     call.answer()?;
//!     call.play(tts("Welcome!"))?.wait(None)?;
//!     call.hangup()?;
//!     Ok(())
//! });
//! let ann = sim.caller("+15551230000").calls("+15559990000").dials();
//! ann.wait_ended(Duration::from_secs(20))?;
//! assert!(ann.was_answered());
//! assert_eq!(ann.heard(), ["Welcome!"]);
//! # Ok(()) }
//! # #[cfg(not(feature = "simulator"))]
//! # fn main() {}
//! ```
//!
//! # What can go wrong
//!
//! The module [`reliability`] has a line for each fault that this crate is meant to survive, with what happens then and
//! the test that shows it.
//!
//! # Migrating from the reference
//!
//! Who comes from SignalWire's Python SDK finds each of its names, and what it is here, in [`mod@reference`]. The old
//! names are also known to the search of these pages. What is new to get used to: methods block instead of being
//! awaited, optional parameters are setters, and what ends badly is an [`Error`] rather than a state to look at.
//!
//! # Features
//!
//! | feature | | |
//! |---|---|---|
//! | `native-tls` | default | TLS by the platform's library: OpenSSL on Linux, whose headers it needs |
//! | `rustls` | | TLS by rustls and ring, with the platform's root certificates; needs no OpenSSL |
//! | `signals` | default | [`Client::run`] ends cleanly on SIGINT, SIGTERM and SIGHUP, on Windows on Ctrl-C |
//! | `simulator` | | the simulator |
//! | `kv` | | key-values in the lines of the log about calls |
//! | `vendored-openssl` | | builds OpenSSL from source |
//!
//! If a build on Linux fails because the headers of OpenSSL are missing, install them (`libssl-dev` and `pkg-config` on
//! Debian, `openssl-devel` on Fedora), or choose rustls: `default-features = false, features = ["rustls", "signals"]`.
//! With both libraries compiled in, [`Builder::tls_backend`] chooses; the default is native-tls.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![warn(clippy::unwrap_used, clippy::missing_errors_doc, clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::dbg_macro, clippy::clone_on_ref_ptr)]

#[macro_use]
mod macros;

pub mod actions;
mod call;
pub mod choices;
mod client;
mod clock;
pub mod connection;
pub mod devices;
mod error;
pub mod errors;
pub mod events;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod fuzz;
pub mod ladder;
mod latch;
mod mailbox;
mod mask;
pub mod media;
mod message;
pub mod params;
mod protocol;
pub mod reference;
pub mod reliability;
pub mod scaling;
mod secret;
mod session;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod states;
mod steps;
mod stream;
#[cfg(feature = "simulator")]
#[doc = include_str!("testing.md")]
pub mod testing {}
mod transport;
mod workers;

pub use call::{Action, Call, Collect, Connect, Detect, Leg, Pausable, Play, Record, Stoppable, machine};
pub use client::{Builder, Client, Dial, Dialing, WeakClient};
pub use error::{Error, ErrorKind, HandlerResult, Result};
pub use message::{Message, sms};
pub use protocol::constants;
pub use protocol::device::{phone, sip};
pub use protocol::event::{Event, Heard};
pub use protocol::media::{audio, silence, tts};
pub use protocol::states::{CallState, EndReason, MessageState};
pub use session::LinkState;
