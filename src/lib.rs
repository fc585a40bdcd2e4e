//! Real-time call control and messaging over SignalWire RELAY, for plain threaded Rust.
//!
//! A synchronous client: methods block until the service responds or a deadline passes. It needs no async runtime, callbacks
//! may block, and every wait has an end.
//!
//! ```sh
//! cargo add signalwire-relay
//! ```
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
//! The credentials come from the environment variables `SIGNALWIRE_PROJECT_ID` and `SIGNALWIRE_API_TOKEN`, or from the
//! [`Builder`]. Without an account, the same program runs [against the simulator](#testing).
//!
//! # Chapters
//!
//! | chapter | what it is about |
//! |---|---|
//! | [Getting started](docs/getting_started/index.html) | add the crate, answer a call, run without an account |
//! | [Calls](docs/calls/index.html) | dial, answer, play, record, hang up |
//! | [Asking for input](docs/input/index.html) | digits, speech, menus |
//! | [Connecting, queues, conferences](docs/connecting/index.html) | bring several parties together |
//! | [Messages](docs/messages/index.html) | text messages (SMS, MMS), out and in |
//! | [Errors and retries](docs/errors/index.html) | each error kind, and what may be sent again |
//! | [Reconnecting](docs/reconnecting/index.html) | what happens while the connection is lost, and after |
//! | [Threads and scaling](docs/threads/index.html) | which thread runs what, and thousands of calls |
//! | [Running in production](docs/production/index.html) | signals, restarts, health, metrics, logs, proxies, certificates |
//! | [Testing](docs/testing/index.html) | tests against the simulator, in virtual time |
//! | [From the Python SDK](docs/python_sdk/index.html) | programs side by side, and every name |
//! | [Reliability](docs/reliability/index.html) | faults, what the client does, and the tests that show it |
//!
//! # Handles
//!
//! | handle | what it is |
//! |---|---|
//! | [`Client`] | The connection: receives calls and messages, [dials](Client::dial), and [sends messages](Client::send_message). |
//! | [`Call`] | A live call: answer, play, ask, record, connect, hang up. |
//! | [`Action`] | An operation in progress on a call: [wait](Action::wait) for its result, or stop it. |
//! | [`Message`] | A text message: [wait](Message::wait) for its final state. |
//! | [`Event`] | A report of the service: [`Call::on`], [`Call::events`], [`Call::wait_for`]. |
//!
//! Handles are cheap to clone, and any thread may use them. Dropping the last clone of a client closes it; a handler reaches
//! its client through [`Call::client`], which keeps no clone.
//!
//! Required values are arguments, optional ones are setters on the argument: `call.play(tts("Hi"))`,
//! `call.play(Play::new(tts("Hi")).volume(-6.0).loops(3))`. The names that most programs use are at the root of the crate.
//! The others are in modules by kind: [`params`] and [`choices`], [`media`], [`devices`], [`actions`], [`events`], [`states`],
//! [`errors`] and [`connection`]. [`diagnosis`] shows why a program does not connect.
//!
//! # Threads
//!
#![doc = include_str!("docs/pictures/threads.svg")]
//!
//! A client has a reader thread and a writer thread, which never run code of the program. Handlers, listeners and callbacks
//! run on worker threads that are created as needed: they may block, be slow or panic without harm to other calls. The handler
//! of an inbound call has a thread for as long as it runs. The listeners and callbacks of one call run in order, one at a
//! time. [Threads and scaling](docs/threads/index.html) has the bounds.
//!
//! # Waiting
//!
//! `wait(None)` blocks until the operation ends, `wait(Duration::from_secs(5))` at most 5 s. A wait that times out changes
//! nothing and may be repeated. Any wait ends early, with an error that says why, when the call ends, the session is lost or
//! the client is closed.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use signalwire_relay::{HandlerResult, Stoppable, tts};
//! # fn handler(call: signalwire_relay::Call) -> HandlerResult {
//! let playback = call.play(tts("This may take a while."))?;
//! match playback.wait(Duration::from_secs(5)) {
//!     Ok(_) => println!("finished"),
//!     // Still playing.
//!     Err(error) if error.is_timeout() => playback.stop()?,
//!     // The caller has hung up, for example.
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! Every method returns one type, [`Error`], whose [`kind`](Error::kind) says what a program can do next:
//!
//! | kind | what happened | what to do |
//! |---|---|---|
//! | [`CallEnded`](ErrorKind::CallEnded), [`CallGone`](ErrorKind::CallGone) | The call has ended. | Return from the handler with `?`: it is the normal way out. |
//! | [`Timeout`](ErrorKind::Timeout) | A wait reached its timeout. The operation goes on. | Wait again, or stop it. |
//! | [`DialFailed`](ErrorKind::DialFailed), [`ConnectFailed`](ErrorKind::ConnectFailed) | Busy, no answer, declined: see [`end_reason`](Error::end_reason). | Try another number, or tell the caller. |
//! | [`Offline`](ErrorKind::Offline) | No connection; not sent. | Try again. |
//! | [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) | Sent, and may have taken effect. | Find out before sending it again. |
//! | [`Rejected`](ErrorKind::Rejected) | The service rejected the request. | See [`code`](Error::code); try again if [`is_retryable`](Error::is_retryable). |
//! | [`SessionLost`](ErrorKind::SessionLost) | The session could not be resumed. | Return; the call can no longer be controlled. |
//! | [`Config`](ErrorKind::Config), [`AuthRejected`](ErrorKind::AuthRejected) | A setting or the credentials are wrong. | Correct them. |
//! | [`Connect`](ErrorKind::Connect) | The first connection failed. | Try again, or set [`retry_first_connect`](Builder::retry_first_connect). |
//! | [`Draining`](ErrorKind::Draining), [`Closed`](ErrorKind::Closed) | The client is shutting down, or closed. | Return. |
//! | [`Protocol`](ErrorKind::Protocol) | The service sent something that cannot be understood. | Report it. |
//!
//! A request that may have reached the service is never sent a second time by the crate: no telephone is dialled twice.
//! [Errors and retries](docs/errors/index.html) has examples.
//!
//! # Reconnecting
//!
//! A connection that is lost is made again, with growing delays, until the client is closed. If the service resumes the
//! session, calls and waits go on; otherwise they end with [`SessionLost`](ErrorKind::SessionLost).
//! [Reconnecting](docs/reconnecting/index.html) has a picture and the details.
//!
//! # Testing
//!
//! With the feature `simulator`, the crate contains a RELAY service for tests, with people who call, press digits and hang
//! up. In virtual time, a minute of ringing costs nothing.
//!
//! ```
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
//! ```
//!
//! # Logging
//!
//! The crate logs through the [`log`](https://docs.rs/log) crate. No secret is logged at any level: `RUST_LOG=trace` is safe.
//! What people press, say and write is masked unless [`Builder::log_content`] is set.
//! [Running in production](docs/production/index.html#logs) has the levels and fields.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `native-tls` | yes | TLS by the platform's library: OpenSSL on Linux, whose headers it needs |
//! | `rustls` | | TLS by rustls and ring, with the platform's root certificates; needs no OpenSSL |
//! | `signals` | yes | [`Client::run`] shuts down on SIGINT, SIGTERM and SIGHUP, on Windows on Ctrl-C |
//! | `simulator` | | the simulator |
//! | `cli` | | the command `relay`; not for programs that use the library |
//! | `kv` | | key-values in the log lines about calls |
//! | `vendored-openssl` | | builds OpenSSL from source |
//!
//! If a build on Linux fails because the headers of OpenSSL are missing, install them (`libssl-dev` and `pkg-config` on
//! Debian, `openssl-devel` on Fedora), or choose rustls: `default-features = false, features = ["rustls", "signals"]`.
//! With both libraries compiled in, [`Builder::tls_backend`] chooses. Default: native-tls.
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
pub mod diagnosis;
pub mod docs;
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
mod secret;
mod session;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod states;
mod steps;
mod stream;
mod trace;
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
