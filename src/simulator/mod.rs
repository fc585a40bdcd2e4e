//! A RELAY service on a loopback port: phone programs without a phone, an account or money.
//!
//! A [`Simulator`] accepts real WebSocket connections, speaks the service's protocol, and has people who call in, are
//! called, press keys, speak, text and hang up. Its journal keeps the frames; faults can be caused by name. The guide
//! is [Testing](crate::docs::testing).
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
//! blocks outside the crate there (a channel, the join of a thread) belongs into [`Simulator::blocking`]; threads of the
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
//! What a program does is kept as [`interactions`]; these can be [asked for](Simulator::interactions) and
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
//! `relay sim` (`cargo install signalwire-relay --features cli`) is a simulator in a process of its own, over `ws` or
//! `wss`, for clients in any language: people and faults come from a JSON script and from commands on its stdin, in
//! the words of this module. `relay sim --web` serves a page with phones that are answered, keyed and talked into by
//! hand. It is made of what is public here: [`Builder::listen`],
//! [`Simulator::on_transcript`], [`Simulator::on_frame`], [`Simulator::on_interaction`], [`Simulator::calls`] and
//! [`Simulator::person_on`].
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
