//! A RELAY service on a loopback port: phone programs without a phone, an account or money.
//!
//! A [`Simulator`] accepts real WebSocket connections and speaks the protocol of the service. People on the phone call,
//! are called, press digits, speak, send text messages and hang up. A journal keeps every frame, and faults are injected
//! by name. The chapter [Testing](crate::docs::testing) is the guide.
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
//! People and operations take natural times, divided by [`speed`](Builder::speed): a phone rings after 0.3 s and is
//! answered after 2 s, speech has 12 characters per second, an audio file lasts 3 s. Timeouts of requests to the simulator
//! are scaled as well; the client's own timeouts and pings are not.
//!
//! In [virtual time](Time::Virtual) a test takes almost no real time: the simulator and its clients share one clock, which
//! jumps to the next due event as soon as every thread waits. The program's own deadlines use the same clock. The same
//! seed and script give the same [journal](Journal::canonical), byte for byte.
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
//! Virtual time waits for the threads of the client and of the simulator, for handlers and listeners, and for the thread
//! that started the simulator. Code on these threads that blocks outside the crate (on a channel, on the join of a
//! thread) must run in [`Simulator::blocking`]. Start further threads with [`Simulator::spawn`], or let them take
//! [`Simulator::hold`]. If a program waits for an event that can no longer occur, the wait panics and names the threads
//! that hold time up.
//!
//! Events of two calls at the same moment have no defined order, and neither have requests of several threads on one
//! call at the same moment.
//!
//! A client that was not created with [`Builder::simulator`](crate::Builder::simulator), or that is in another process,
//! is served in real time: virtual time does not wait for the client, even if it does not read. The simulator sends it no
//! pings and does not check how fast it acknowledges events.
//!
//! # Expectations
//!
//! The simulator records what a program does as [`interactions`]. A test can [list](Simulator::interactions) and
//! [expect](Simulator::expect) them. Expectations are checked when the simulator is dropped: an unmet expectation fails
//! the test.
//!
//! # Coverage of the protocol
//!
//! Every method gets a response, with the states and events of the service's documentation; the table of
//! [methods](#methods) says how completely each one is simulated. Unknown methods and legacy methods are rejected with
//! -32601. Requests with missing required fields or wrong types are rejected as well; a request with an undocumented field
//! is carried out. All of these are recorded as [`violations`](Simulator::violations), and so are repeated IDs, missing
//! acknowledgements, and commands on a call or operation whose end the client has acknowledged (hanging up is allowed at
//! any time). Violations fail the test when the simulator is dropped, unless
//! [`allow_violations`](Builder::allow_violations) is set.
//!
//! Where the documentation of the service does not say what happens, the simulator does this:
//!
//! * A call or text message for a context without a subscriber waits until a client subscribes.
//! * An inbound call is offered to the session that has waited longest. A call that is passed ends for that session and
//!   is offered to the next one. If there is none, the call ends with `noAnswer`.
//! * `end_source` is `outbound` if the program ended the call, `inbound` if the person did.
//! * If a connected call ends, the leg that was created for it ends as well. The end of that leg leaves the call up.
//! * A prompt stops at the first digit or word. Digits that no operation waits for are lost.
//! * `calling.answer` answers at once: `answered` follows the response, before any other event of the call.
//! * The end of a call ends its operations before `ended` is sent, but recordings, faxes and transcriptions right after
//!   it ([`finish_recordings_before_ended`](Simulator::finish_recordings_before_ended) reverses the order).
//! * A session is kept until [`forget_sessions`](Simulator::forget_sessions). Events that it missed without a connection
//!   are lost, unless [`replays_missed_events`](Builder::replays_missed_events) is set.
//!
//! # Stand-alone, for any language
//!
//! `relay sim` (`cargo install signalwire-relay --features cli`) is a simulator in a process of its own, over `ws` or
//! `wss`, for clients in any language. People and faults come from a JSON script and from commands on stdin, in the
//! terms of this module. `relay sim --web` serves a page with phones that are used by hand. The command uses only public
//! items: [`Builder::listen`], [`Simulator::on_transcript`], [`Simulator::on_frame`], [`Simulator::on_interaction`],
//! [`Simulator::calls`] and [`Simulator::person_on`].
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
mod replay;
mod service;
mod switchboard;
#[cfg(test)]
mod tests;
mod time;
mod verbs;
mod verdict;
mod wire;
mod world;

pub use self::builder::{Builder, Time};
pub use self::faults::cut::CutPoint;
pub use self::faults::fault::Fault;
pub use self::faults::malformed::Malformed;
pub use self::handles::expect::Expectation;
pub use self::handles::inject::ActiveFault;
pub use self::handles::instance::Simulator;
pub use self::handles::people::{Callee, CalleeRole, Caller, CallerRole, Persona, Role};
pub use self::handles::person_on_call::PersonOnCall;
pub use self::handles::rehearsal::{rehearse, rehearse_with};
pub use self::handles::replay::Replay;
pub use self::handles::texts::TextDestination;
pub use self::handles::watch::CallSnapshot;
pub use self::record::journal::{Direction, FrameKind, FrameRecord, Journal, WaitTimeout};
pub use self::replay::differences::{Difference, Differences};
pub use self::time::{Hold, VirtualThread};
pub use self::verdict::interactions;
pub use self::verdict::unmet::VerificationError;
pub use self::world::numbers::Text;
