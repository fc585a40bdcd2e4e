//! Faults as values: kind, place, number.

use std::time::Duration;

use crate::error::Phase;
use crate::simulator::faults::malformed::Malformed;
use crate::simulator::line::handshake::{HandshakeFault, Trouble};

/// A fault of the service or the connection, for [`Simulator::inject`](crate::simulator::Simulator::inject). The table
/// of [faults](crate::simulator#faults) lists all of them.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// let sim = Simulator::builder().virtual_time().seed(7).start()?;
/// let slow = sim.inject(Fault::latency(Duration::from_millis(50)).jitter(Duration::from_millis(20)));
/// sim.inject(Fault::lose().on("calling.play").replies().for_next(1));
/// sim.inject(Fault::from_json(&serde_json::json!({"fault": "repeat", "only": "events", "probability": 0.1}))?);
/// slow.remove();
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) on: Option<String>,
    pub(crate) only: Only,
    pub(crate) way: Ways,
    pub(crate) times: Option<usize>,
    pub(crate) chance: f64,
    pub(crate) after: Duration,
    pub(crate) lasting: Option<Duration>,
}

/// The kind of a fault, with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FaultKind {
    // The line.
    Latency { by: Duration, jitter: Duration },
    Bandwidth { rate: u64 },
    Slices { bytes: usize, every: Duration },
    Stall,
    Freeze,
    UnansweredPings,
    RefuseConnections,
    Flap { up: Duration, down: Duration },
    // Frames.
    Lose,
    Delay { by: Duration, jitter: Duration },
    Repeat { copies: usize },
    Redeliver,
    Reorder { behind: usize },
    // Connecting, and requests.
    Connecting(Trouble),
    RefuseCredentials { resumed_only: bool },
    Refuse { code: i64, message: String },
    // Faults that occur once.
    Act(Act),
}

/// A fault that occurs once, when it is injected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Reset,
    Cut,
    Close { code: u16, reason: String },
    Disconnect { restart: bool, closes: bool },
    ForgetSessions,
    Pings { count: usize },
    Malformed(Malformed),
    LargeFrame { bytes: usize },
    Fragments { pieces: usize },
    UnknownCall,
    Again { event: String },
}

/// The kinds of frames that a fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    /// All frames of the service.
    Any,
    Requests,
    Replies,
    Events,
}

/// The directions of a line that a fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    Both,
    ToClient,
    FromClient,
}

impl Fault {
    fn new(kind: FaultKind) -> Self {
        let (only, way) = (Only::Any, Ways::Both);
        Self { kind, on: None, only, way, times: None, chance: 1.0, after: Duration::ZERO, lasting: None }
    }

    fn at(phase: Phase, what: HandshakeFault) -> Self {
        Self::new(FaultKind::Connecting(Trouble { phase, what }))
    }

    fn act(act: Act) -> Self {
        Self::new(FaultKind::Act(act))
    }
}

/// Faults of the line.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::start()?;
/// sim.inject(Fault::bandwidth(16_000).to_client());
/// sim.inject(Fault::slices(7).every(Duration::from_millis(5)));
/// sim.inject(Fault::stall().after(Duration::from_secs(5)).lasting(Duration::from_secs(20)));
/// sim.inject(Fault::freeze().lasting(Duration::from_secs(30)));
/// sim.inject(Fault::unanswered_pings());
/// sim.inject(Fault::flap(Duration::from_secs(60), Duration::from_secs(5)));
/// sim.inject(Fault::refuse_connections().for_next(3));
/// # Ok(()) }
/// ```
impl Fault {
    /// Delays frames in each direction, in order. [`jitter`](Self::jitter) adds a random time.
    #[must_use]
    pub fn latency(by: Duration) -> Self {
        Self::new(FaultKind::Latency { by, jitter: Duration::ZERO })
    }

    /// Limits the rate of bytes in each direction, in bytes per second.
    #[must_use]
    pub fn bandwidth(bytes_per_second: u64) -> Self {
        Self::new(FaultKind::Bandwidth { rate: bytes_per_second.max(1) })
    }

    /// Splits bytes into pieces of at most `bytes`, also in handshakes and TLS records. In virtual time the client
    /// reads each piece separately; in real time [`every`](Self::every) makes that likely.
    #[must_use]
    pub fn slices(bytes: usize) -> Self {
        Self::new(FaultKind::Slices { bytes: bytes.max(1), every: Duration::ZERO })
    }

    /// Stops reading, so that the client's writes block once the system's buffers are full.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(FaultKind::Stall)
    }

    /// Loses all bytes in both directions, as on a half-open connection.
    #[must_use]
    pub fn freeze() -> Self {
        Self::new(FaultKind::Freeze)
    }

    /// Leaves the pings of clients without a response.
    #[must_use]
    pub fn unanswered_pings() -> Self {
        Self::new(FaultKind::UnansweredPings)
    }

    /// Closes new connections as soon as they are accepted.
    #[must_use]
    pub fn refuse_connections() -> Self {
        Self::new(FaultKind::RefuseConnections)
    }

    /// Alternates between a working and a dead connection. Each time is drawn from 0.5 to 1.5 times the given value.
    #[must_use]
    pub fn flap(up: Duration, down: Duration) -> Self {
        Self::new(FaultKind::Flap { up, down })
    }
}

/// Frames: responses and events, unless [`replies`](Self::replies), [`events`](Self::events) or
/// [`requests`](Self::requests) restricts them.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::start()?;
/// sim.inject(Fault::delay(Duration::from_secs(2)).on("calling.play").replies());
/// sim.inject(Fault::lose().on("calling.call.state").for_next(1));
/// sim.inject(Fault::repeat(2).events().with_probability(0.1));
/// sim.inject(Fault::redeliver());
/// sim.inject(Fault::reorder(3));
/// # Ok(()) }
/// ```
impl Fault {
    /// Loses the frames.
    #[must_use]
    pub fn lose() -> Self {
        Self::new(FaultKind::Lose)
    }

    /// Delays the frames, so that others overtake them.
    #[must_use]
    pub fn delay(by: Duration) -> Self {
        Self::new(FaultKind::Delay { by, jitter: Duration::ZERO })
    }

    /// Sends the frames again, `copies` times, unchanged.
    #[must_use]
    pub fn repeat(copies: usize) -> Self {
        Self::new(FaultKind::Repeat { copies })
    }

    /// Sends events again under a new ID.
    #[must_use]
    pub fn redeliver() -> Self {
        Self { only: Only::Events, ..Self::new(FaultKind::Redeliver) }
    }

    /// Sends each frame behind `behind` of the following frames, or after 1 s if there are fewer.
    #[must_use]
    pub fn reorder(behind: usize) -> Self {
        Self::new(FaultKind::Reorder { behind: behind.max(1) })
    }
}

/// Faults while connecting, and rejections. Of [`Phase`], `Tcp` means before anything is read, `Tls` exists on a port
/// with TLS only, and `Lookup` has no faults.
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::errors::Phase;
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::start()?;
/// sim.inject(Fault::http(503, "try later").for_next(2));
/// sim.inject(Fault::garbage(Phase::Upgrade, "SSH-2.0"));
/// sim.inject(Fault::drip(Phase::Upgrade, Duration::from_secs(1)));
/// sim.inject(Fault::cut_at(Phase::Auth));
/// sim.inject(Fault::reset_at(Phase::Tcp));
/// sim.inject(Fault::refuse_credentials().for_next(1));
/// sim.inject(Fault::refuse_resume());
/// sim.inject(Fault::refuse(500, "internal error").on("calling.record"));
/// # Ok(()) }
/// ```
impl Fault {
    /// Reads the client's bytes in this phase of connecting, and never responds.
    #[must_use]
    pub fn silence(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Silence)
    }

    /// Sends these bytes in place of the response of this phase.
    #[must_use]
    pub fn garbage(phase: Phase, bytes: impl Into<Vec<u8>>) -> Self {
        Self::at(phase, HandshakeFault::Garbage(bytes.into()))
    }

    /// Closes the connection in this phase.
    #[must_use]
    pub fn cut_at(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Cut)
    }

    /// Resets the connection in this phase.
    #[must_use]
    pub fn reset_at(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Reset)
    }

    /// Sends the response of this phase byte by byte, with `every` between two bytes; `Tls` or `Upgrade`.
    #[must_use]
    pub fn drip(phase: Phase, every: Duration) -> Self {
        Self::at(phase, HandshakeFault::Drip(every))
    }

    /// Rejects the upgrade with an HTTP status and this body.
    #[must_use]
    pub fn http(status: u16, body: impl Into<String>) -> Self {
        Self::at(Phase::Upgrade, HandshakeFault::Http(status, body.into()))
    }

    /// Rejects credentials.
    #[must_use]
    pub fn refuse_credentials() -> Self {
        Self::new(FaultKind::RefuseCredentials { resumed_only: false })
    }

    /// Rejects credentials that arrive with the resume keys of a session, and accepts them without.
    #[must_use]
    pub fn refuse_resume() -> Self {
        Self::new(FaultKind::RefuseCredentials { resumed_only: true })
    }

    /// Rejects requests. A negative code is sent as a JSON-RPC error, any other one as the `code` of the result.
    /// [`on`](Self::on) selects one method.
    #[must_use]
    pub fn refuse(code: i64, message: impl Into<String>) -> Self {
        Self { only: Only::Requests, ..Self::new(FaultKind::Refuse { code, message: message.into() }) }
    }
}

/// Faults that occur once: at once to every connection, or with [`on`](Self::on) to the connection of a request,
/// before the request takes effect, or of an event, after the event was sent.
///
/// ```
/// use signalwire_relay::simulator::{Fault, Simulator};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::start()?;
/// sim.inject(Fault::reset().on("calling.play")); // with the next playback
/// sim.inject(Fault::close(1012, "service restart"));
/// sim.inject(Fault::forget_sessions());
/// sim.inject(Fault::pings(100));
/// sim.inject(Fault::large_frame(1 << 20));
/// sim.inject(Fault::fragments(5));
/// sim.inject(Fault::unknown_call());
/// # Ok(()) }
/// ```
impl Fault {
    /// Resets connections (TCP RST). A socket sends a reset only if it has unread bytes, so the client first gets a
    /// WebSocket ping, whose response stays unread. A client without a response within 1 s is cut instead.
    #[must_use]
    pub fn reset() -> Self {
        Self::act(Act::Reset)
    }

    /// Ends connections (TCP FIN). Queued frames are lost.
    #[must_use]
    pub fn cut() -> Self {
        Self::act(Act::Cut)
    }

    /// Closes connections with this WebSocket code and reason, after the queued frames.
    #[must_use]
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::act(Act::Close { code, reason: reason.into() })
    }

    /// Requests a reconnect with `signalwire.disconnect`. With `restart` the sessions are forgotten. With `closes` the
    /// connection is closed 200 ms later, otherwise the client has to close it.
    #[must_use]
    pub fn disconnect(restart: bool, closes: bool) -> Self {
        Self::act(Act::Disconnect { restart, closes })
    }

    /// Forgets all sessions: the next reconnect is not a resume.
    #[must_use]
    pub fn forget_sessions() -> Self {
        Self::act(Act::ForgetSessions)
    }

    /// Sends `count` requests `signalwire.ping` at once, each with a WebSocket ping.
    #[must_use]
    pub fn pings(count: usize) -> Self {
        Self::act(Act::Pings { count })
    }

    /// Sends a malformed frame of this kind.
    #[must_use]
    pub fn malformed(kind: Malformed) -> Self {
        Self::act(Act::Malformed(kind))
    }

    /// Sends an event of this many bytes.
    #[must_use]
    pub fn large_frame(bytes: usize) -> Self {
        Self::act(Act::LargeFrame { bytes })
    }

    /// Sends an event in this many pieces, with a WebSocket ping between each two.
    #[must_use]
    pub fn fragments(pieces: usize) -> Self {
        Self::act(Act::Fragments { pieces: pieces.max(1) })
    }

    /// Sends events of an unknown call: a state, an operation, an end.
    #[must_use]
    pub fn unknown_call() -> Self {
        Self::act(Act::UnknownCall)
    }

    /// Sends the last event of this type again under a new ID: `calling.call.receive` offers a call again,
    /// `messaging.receive` delivers a text message again.
    #[must_use]
    pub fn again(event_type: impl Into<String>) -> Self {
        Self::act(Act::Again { event: event_type.into() })
    }
}

/// Restrictions of a fault: frames, times and number.
impl Fault {
    /// Restricts the fault to this method, or to events of this type.
    #[must_use]
    pub fn on(mut self, name: impl Into<String>) -> Self {
        self.on = Some(name.into());
        self
    }

    /// Restricts the fault to requests of the client.
    #[must_use]
    pub fn requests(mut self) -> Self {
        self.only = Only::Requests;
        self
    }

    /// Restricts the fault to responses.
    #[must_use]
    pub fn replies(mut self) -> Self {
        self.only = Only::Replies;
        self
    }

    /// Restricts the fault to events.
    #[must_use]
    pub fn events(mut self) -> Self {
        self.only = Only::Events;
        self
    }

    /// Restricts a fault of the line to bytes from the service to the client.
    #[must_use]
    pub fn to_client(mut self) -> Self {
        self.way = Ways::ToClient;
        self
    }

    /// Restricts a fault of the line to bytes from the client to the service.
    #[must_use]
    pub fn from_client(mut self) -> Self {
        self.way = Ways::FromClient;
        self
    }

    /// Adds a random time of at most `up_to` to each latency or delay.
    #[must_use]
    pub fn jitter(mut self, up_to: Duration) -> Self {
        if let FaultKind::Latency { jitter, .. } | FaultKind::Delay { jitter, .. } = &mut self.kind {
            *jitter = up_to;
        }
        self
    }

    /// Sets the pause after each slice.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        if let FaultKind::Slices { every, .. } = &mut self.kind {
            *every = pause;
        }
        self
    }

    /// Restricts the fault to this number of frames, requests or connections.
    #[must_use]
    pub fn for_next(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets the probability with which the fault applies, `0.0..=1.0`. Default: 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.chance = probability.clamp(0.0, 1.0);
        self
    }

    /// Starts the fault after this time.
    #[must_use]
    pub fn after(mut self, span: Duration) -> Self {
        self.after = span;
        self
    }

    /// Ends the fault after this time.
    #[must_use]
    pub fn lasting(mut self, span: Duration) -> Self {
        self.lasting = Some(span);
        self
    }
}
