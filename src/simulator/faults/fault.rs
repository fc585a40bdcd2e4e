//! What can go wrong, as a value: what, where, how often.

use std::time::Duration;

use crate::error::Phase;
use crate::simulator::faults::malformed::Malformed;
use crate::simulator::line::handshake::{HandshakeFault, Trouble};

/// Something that goes wrong while it is [injected](crate::simulator::Simulator::inject). The table of [faults](crate::simulator#faults)
/// lists them all.
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
    // What happens once.
    Act(Act),
}

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

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    /// All that the service sends.
    Any,
    Requests,
    Replies,
    Events,
}

/// Which directions of a line.
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

/// The line.
impl Fault {
    /// Frames arrive so much later, in each direction, and in order; [`jitter`](Self::jitter) is added.
    #[must_use]
    pub fn latency(by: Duration) -> Self {
        Self::new(FaultKind::Latency { by, jitter: Duration::ZERO })
    }

    /// So many bytes go in a second, in each direction.
    #[must_use]
    pub fn bandwidth(bytes_per_second: u64) -> Self {
        Self::new(FaultKind::Bandwidth { rate: bytes_per_second.max(1) })
    }

    /// Bytes go in pieces of at most so many, whatever they belong to: handshakes and TLS records too. In virtual time
    /// the client reads each piece by itself; in real time [`every`](Self::every) makes that likely.
    #[must_use]
    pub fn slices(bytes: usize) -> Self {
        Self::new(FaultKind::Slices { bytes: bytes.max(1), every: Duration::ZERO })
    }

    /// The service stops reading, so that the client's writes come to a halt once the system's buffers are full.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(FaultKind::Stall)
    }

    /// Everything is swallowed in both directions, as on a half-open link.
    #[must_use]
    pub fn freeze() -> Self {
        Self::new(FaultKind::Freeze)
    }

    /// Pings of clients are not answered.
    #[must_use]
    pub fn unanswered_pings() -> Self {
        Self::new(FaultKind::UnansweredPings)
    }

    /// New connections are closed as soon as they are accepted.
    #[must_use]
    pub fn refuse_connections() -> Self {
        Self::new(FaultKind::RefuseConnections)
    }

    /// The link is up for a while, then down for a while, and so on; each time is drawn between a half and one and a
    /// half of what is given.
    #[must_use]
    pub fn flap(up: Duration, down: Duration) -> Self {
        Self::new(FaultKind::Flap { up, down })
    }
}

/// Frames: replies and events, unless [`replies`](Self::replies), [`events`](Self::events) or
/// [`requests`](Self::requests) says otherwise.
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

    /// Events are sent again under a new id.
    #[must_use]
    pub fn redeliver() -> Self {
        Self { only: Only::Events, ..Self::new(FaultKind::Redeliver) }
    }

    /// Sends the frames after `behind` of the frames that follow; after 1 s, if none follow.
    #[must_use]
    pub fn reorder(behind: usize) -> Self {
        Self::new(FaultKind::Reorder { behind: behind.max(1) })
    }
}

/// Connecting, and what is refused. Of [`Phase`], `Tcp` means: before anything is read; `Tls` exists on a port with
/// TLS only; nothing goes wrong in `Lookup`.
impl Fault {
    /// Reads what the client sends in this phase of connecting, and never responds.
    #[must_use]
    pub fn silence(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Silence)
    }

    /// Something is sent in place of the answer of this phase.
    #[must_use]
    pub fn garbage(phase: Phase, bytes: impl Into<Vec<u8>>) -> Self {
        Self::at(phase, HandshakeFault::Garbage(bytes.into()))
    }

    /// The connection is closed in this phase.
    #[must_use]
    pub fn cut_at(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Cut)
    }

    /// The connection is reset in this phase.
    #[must_use]
    pub fn reset_at(phase: Phase) -> Self {
        Self::at(phase, HandshakeFault::Reset)
    }

    /// The answer of this phase comes byte by byte, with so much between two; `Tls` or `Upgrade`.
    #[must_use]
    pub fn drip(phase: Phase, every: Duration) -> Self {
        Self::at(phase, HandshakeFault::Drip(every))
    }

    /// The upgrade is refused with an HTTP status and this body.
    #[must_use]
    pub fn http(status: u16, body: impl Into<String>) -> Self {
        Self::at(Phase::Upgrade, HandshakeFault::Http(status, body.into()))
    }

    /// Credentials are refused.
    #[must_use]
    pub fn refuse_credentials() -> Self {
        Self::new(FaultKind::RefuseCredentials { resumed_only: false })
    }

    /// Credentials are refused when they come with the keys of a session, and let in without.
    #[must_use]
    pub fn refuse_resume() -> Self {
        Self::new(FaultKind::RefuseCredentials { resumed_only: true })
    }

    /// Requests are refused: a negative code becomes a JSON-RPC error, another one the `code` of the result. For one
    /// method with [`on`](Self::on).
    #[must_use]
    pub fn refuse(code: i64, message: impl Into<String>) -> Self {
        Self { only: Only::Requests, ..Self::new(FaultKind::Refuse { code, message: message.into() }) }
    }
}

/// What happens once: to every connection and at once, or with [`on`](Self::on) to the connection of such a request,
/// before that takes effect, or of such an event, after it was sent.
impl Fault {
    /// Connections are reset (TCP RST). A socket resets only what it has not read, so the client gets a WebSocket ping
    /// first, whose answer stays unread; one that does not answer within a second is cut instead.
    #[must_use]
    pub fn reset() -> Self {
        Self::act(Act::Reset)
    }

    /// Connections end (TCP FIN); what waits to be sent is lost.
    #[must_use]
    pub fn cut() -> Self {
        Self::act(Act::Cut)
    }

    /// Connections are closed with this WebSocket code and reason, after what waits to be sent.
    #[must_use]
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::act(Act::Close { code, reason: reason.into() })
    }

    /// Clients are asked to reconnect, with `signalwire.disconnect`. With `restart` their sessions are forgotten; with
    /// `closes` the connection is closed 200 ms later, otherwise left to the client.
    #[must_use]
    pub fn disconnect(restart: bool, closes: bool) -> Self {
        Self::act(Act::Disconnect { restart, closes })
    }

    /// All sessions are forgotten: the next reconnect is not a resume.
    #[must_use]
    pub fn forget_sessions() -> Self {
        Self::act(Act::ForgetSessions)
    }

    /// So many `signalwire.ping` come at once, each with a WebSocket ping.
    #[must_use]
    pub fn pings(count: usize) -> Self {
        Self::act(Act::Pings { count })
    }

    /// A frame comes that is wrong in this way.
    #[must_use]
    pub fn malformed(kind: Malformed) -> Self {
        Self::act(Act::Malformed(kind))
    }

    /// An event of so many bytes comes.
    #[must_use]
    pub fn large_frame(bytes: usize) -> Self {
        Self::act(Act::LargeFrame { bytes })
    }

    /// An event comes in so many pieces, with a WebSocket ping between each two.
    #[must_use]
    pub fn fragments(pieces: usize) -> Self {
        Self::act(Act::Fragments { pieces: pieces.max(1) })
    }

    /// Sends events of an unknown call: a state, an operation, an end.
    #[must_use]
    pub fn unknown_call() -> Self {
        Self::act(Act::UnknownCall)
    }

    /// The last event of this type comes once more under a new id: `calling.call.receive` delivers a call again,
    /// `messaging.receive` a text.
    #[must_use]
    pub fn again(event_type: impl Into<String>) -> Self {
        Self::act(Act::Again { event: event_type.into() })
    }
}

/// Where, when and how often.
impl Fault {
    /// Only this method, or events of this type.
    #[must_use]
    pub fn on(mut self, name: impl Into<String>) -> Self {
        self.on = Some(name.into());
        self
    }

    /// Only requests of the client.
    #[must_use]
    pub fn requests(mut self) -> Self {
        self.only = Only::Requests;
        self
    }

    /// Only replies.
    #[must_use]
    pub fn replies(mut self) -> Self {
        self.only = Only::Replies;
        self
    }

    /// Only events.
    #[must_use]
    pub fn events(mut self) -> Self {
        self.only = Only::Events;
        self
    }

    /// A line goes wrong only from the service to the client.
    #[must_use]
    pub fn to_client(mut self) -> Self {
        self.way = Ways::ToClient;
        self
    }

    /// A line goes wrong only from the client to the service.
    #[must_use]
    pub fn from_client(mut self) -> Self {
        self.way = Ways::FromClient;
        self
    }

    /// Up to so much is added to each latency or delay.
    #[must_use]
    pub fn jitter(mut self, up_to: Duration) -> Self {
        if let FaultKind::Latency { jitter, .. } | FaultKind::Delay { jitter, .. } = &mut self.kind {
            *jitter = up_to;
        }
        self
    }

    /// So much passes after each slice.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        if let FaultKind::Slices { every, .. } = &mut self.kind {
            *every = pause;
        }
        self
    }

    /// Only so many times: frames, requests, connections.
    #[must_use]
    pub fn for_next(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Only some of them, by chance: between 0 and 1.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.chance = probability.clamp(0.0, 1.0);
        self
    }

    /// Only from so much later on.
    #[must_use]
    pub fn after(mut self, span: Duration) -> Self {
        self.after = span;
        self
    }

    /// Only for so long.
    #[must_use]
    pub fn lasting(mut self, span: Duration) -> Self {
        self.lasting = Some(span);
        self
    }
}
