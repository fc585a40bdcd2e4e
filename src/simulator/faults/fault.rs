//! HandshakeFault can go wrong, as a value: what, where, how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{self, Error, Phase, Result};
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
    pub(crate) kind: Kind,
    pub(crate) on: Option<String>,
    pub(crate) only: Only,
    pub(crate) way: Ways,
    pub(crate) times: Option<usize>,
    pub(crate) chance: f64,
    pub(crate) after: Duration,
    pub(crate) lasting: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
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
    // HandshakeFault happens once.
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
    fn new(kind: Kind) -> Self {
        let (only, way) = (Only::Any, Ways::Both);
        Self { kind, on: None, only, way, times: None, chance: 1.0, after: Duration::ZERO, lasting: None }
    }

    fn at(phase: Phase, what: HandshakeFault) -> Self {
        Self::new(Kind::Connecting(Trouble { phase, what }))
    }

    fn act(act: Act) -> Self {
        Self::new(Kind::Act(act))
    }
}

/// The line.
impl Fault {
    /// Frames arrive so much later, in each direction, and in order; [`jitter`](Self::jitter) is added.
    #[must_use]
    pub fn latency(by: Duration) -> Self {
        Self::new(Kind::Latency { by, jitter: Duration::ZERO })
    }

    /// So many bytes go in a second, in each direction.
    #[must_use]
    pub fn bandwidth(bytes_per_second: u64) -> Self {
        Self::new(Kind::Bandwidth { rate: bytes_per_second.max(1) })
    }

    /// Bytes go in pieces of at most so many, whatever they belong to: handshakes and TLS records too. In virtual time
    /// the client reads each piece by itself; in real time [`every`](Self::every) makes that likely.
    #[must_use]
    pub fn slices(bytes: usize) -> Self {
        Self::new(Kind::Slices { bytes: bytes.max(1), every: Duration::ZERO })
    }

    /// The service stops reading, so that the client's writes come to a halt once the system's buffers are full.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(Kind::Stall)
    }

    /// Everything is swallowed in both directions, as on a half-open link.
    #[must_use]
    pub fn freeze() -> Self {
        Self::new(Kind::Freeze)
    }

    /// Pings of clients are not answered.
    #[must_use]
    pub fn unanswered_pings() -> Self {
        Self::new(Kind::UnansweredPings)
    }

    /// New connections are closed as soon as they are accepted.
    #[must_use]
    pub fn refuse_connections() -> Self {
        Self::new(Kind::RefuseConnections)
    }

    /// The link is up for a while, then down for a while, and so on; each time is drawn between a half and one and a
    /// half of what is given.
    #[must_use]
    pub fn flap(up: Duration, down: Duration) -> Self {
        Self::new(Kind::Flap { up, down })
    }
}

/// Frames: replies and events, unless [`replies`](Self::replies), [`events`](Self::events) or
/// [`requests`](Self::requests) says otherwise.
impl Fault {
    /// They are lost.
    #[must_use]
    pub fn lose() -> Self {
        Self::new(Kind::Lose)
    }

    /// They are sent so much later, and others overtake them.
    #[must_use]
    pub fn delay(by: Duration) -> Self {
        Self::new(Kind::Delay { by, jitter: Duration::ZERO })
    }

    /// They are sent again, so many times, as they are.
    #[must_use]
    pub fn repeat(copies: usize) -> Self {
        Self::new(Kind::Repeat { copies })
    }

    /// Events are sent again under a new id.
    #[must_use]
    pub fn redeliver() -> Self {
        Self { only: Only::Events, ..Self::new(Kind::Redeliver) }
    }

    /// They are sent after so many of the frames that follow; after a second, when none follows.
    #[must_use]
    pub fn reorder(behind: usize) -> Self {
        Self::new(Kind::Reorder { behind: behind.max(1) })
    }
}

/// Connecting, and what is refused. Of [`Phase`], `Tcp` means: before anything is read; `Tls` exists on a port with
/// TLS only; nothing goes wrong in `Lookup`.
impl Fault {
    /// HandshakeFault the client says in this phase is read, and never answered.
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
        Self::new(Kind::RefuseCredentials { resumed_only: false })
    }

    /// Credentials are refused when they come with the keys of a session, and let in without.
    #[must_use]
    pub fn refuse_resume() -> Self {
        Self::new(Kind::RefuseCredentials { resumed_only: true })
    }

    /// Requests are refused: a negative code becomes a JSON-RPC error, another one the `code` of the result. For one
    /// method with [`on`](Self::on).
    #[must_use]
    pub fn refuse(code: i64, message: impl Into<String>) -> Self {
        Self { only: Only::Requests, ..Self::new(Kind::Refuse { code, message: message.into() }) }
    }
}

/// HandshakeFault happens once: to every connection and at once, or with [`on`](Self::on) to the connection of such a request,
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

    /// Events come of a call that nobody knows: a state, an operation, an end.
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
        if let Kind::Latency { jitter, .. } | Kind::Delay { jitter, .. } = &mut self.kind {
            *jitter = up_to;
        }
        self
    }

    /// So much passes after each slice.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        if let Kind::Slices { every, .. } = &mut self.kind {
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

/// All names, in the order of the table.
const NAMES: &[&str] = &[
    "latency",
    "bandwidth",
    "slices",
    "stall",
    "freeze",
    "unanswered_pings",
    "refuse_connections",
    "flap",
    "lose",
    "delay",
    "repeat",
    "redeliver",
    "reorder",
    "silence",
    "garbage",
    "cut_at",
    "reset_at",
    "drip",
    "http",
    "refuse_credentials",
    "refuse_resume",
    "refuse",
    "reset",
    "cut",
    "close",
    "disconnect",
    "forget_sessions",
    "pings",
    "malformed",
    "large_frame",
    "fragments",
    "unknown_call",
    "again",
];

/// Names and JSON.
impl Fault {
    /// The names of all faults.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// HandshakeFault it is called: the name of the function that makes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Latency { .. } => "latency",
            Kind::Bandwidth { .. } => "bandwidth",
            Kind::Slices { .. } => "slices",
            Kind::Stall => "stall",
            Kind::Freeze => "freeze",
            Kind::UnansweredPings => "unanswered_pings",
            Kind::RefuseConnections => "refuse_connections",
            Kind::Flap { .. } => "flap",
            Kind::Lose => "lose",
            Kind::Delay { .. } => "delay",
            Kind::Repeat { .. } => "repeat",
            Kind::Redeliver => "redeliver",
            Kind::Reorder { .. } => "reorder",
            Kind::Connecting(trouble) => match &trouble.what {
                HandshakeFault::Silence => "silence",
                HandshakeFault::Garbage(_) => "garbage",
                HandshakeFault::Cut => "cut_at",
                HandshakeFault::Reset => "reset_at",
                HandshakeFault::Drip(_) => "drip",
                HandshakeFault::Http(..) => "http",
            },
            Kind::RefuseCredentials { resumed_only: false } => "refuse_credentials",
            Kind::RefuseCredentials { resumed_only: true } => "refuse_resume",
            Kind::Refuse { .. } => "refuse",
            Kind::Act(act) => Self::name_of(act),
        }
    }

    pub(crate) fn name_of(act: &Act) -> &'static str {
        match act {
            Act::Reset => "reset",
            Act::Cut => "cut",
            Act::Close { .. } => "close",
            Act::Disconnect { .. } => "disconnect",
            Act::ForgetSessions => "forget_sessions",
            Act::Pings { .. } => "pings",
            Act::Malformed(_) => "malformed",
            Act::LargeFrame { .. } => "large_frame",
            Act::Fragments { .. } => "fragments",
            Act::UnknownCall => "unknown_call",
            Act::Again { .. } => "again",
        }
    }

    /// Reads a fault from an object whose `fault` is its name; the other keys are in the table of
    /// [faults](crate::simulator#faults).
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config), which says what was expected.
    pub fn from_json(value: &Value) -> Result<Self> {
        let Some(object) = value.as_object() else {
            return Err(error::config(
                "a fault is a JSON object with its name in \"fault\", such as {\"fault\": \"cut\"}",
            ));
        };
        let Some(name) = object.get("fault").and_then(Value::as_str) else {
            return Err(error::config(format!("\"fault\" must be one of {}", NAMES.join(", "))));
        };
        let mut fields = Fields { name, object, known: vec!["fault"] };
        let fault = fields.fault()?;
        fields.finish()?;
        Ok(fault)
    }

    /// The same fault as [`from_json`](Self::from_json) reads it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({"fault": self.name()});
        let ms = |span: Duration| Value::from(span.as_secs_f64() * 1000.0);
        match &self.kind {
            Kind::Latency { by, jitter } | Kind::Delay { by, jitter } => {
                (json["ms"], json["jitter_ms"]) = (ms(*by), ms(*jitter));
            }
            Kind::Bandwidth { rate } => json["bytes_per_second"] = (*rate).into(),
            Kind::Slices { bytes, every } => (json["bytes"], json["every_ms"]) = ((*bytes).into(), ms(*every)),
            Kind::Flap { up, down } => (json["up_ms"], json["down_ms"]) = (ms(*up), ms(*down)),
            Kind::Repeat { copies } => json["copies"] = (*copies).into(),
            Kind::Reorder { behind } => json["behind"] = (*behind).into(),
            Kind::Connecting(trouble) => {
                json["phase"] = phase_name(trouble.phase).into();
                match &trouble.what {
                    HandshakeFault::Garbage(bytes) => json["bytes"] = bytes.clone().into(),
                    HandshakeFault::Drip(every) => json["every_ms"] = ms(*every),
                    HandshakeFault::Http(status, body) => {
                        json["status"] = (*status).into();
                        json["body"] = body.clone().into();
                    }
                    HandshakeFault::Silence | HandshakeFault::Cut | HandshakeFault::Reset => {}
                }
            }
            Kind::Refuse { code, message } => {
                (json["code"], json["message"]) = ((*code).into(), message.clone().into());
            }
            Kind::Act(act) => match act {
                Act::Close { code, reason } => {
                    (json["code"], json["reason"]) = ((*code).into(), reason.clone().into());
                }
                Act::Disconnect { restart, closes } => {
                    (json["restart"], json["closes"]) = ((*restart).into(), (*closes).into());
                }
                Act::Pings { count } => json["count"] = (*count).into(),
                Act::Malformed(kind) => json["kind"] = kind.name().into(),
                Act::LargeFrame { bytes } => json["bytes"] = (*bytes).into(),
                Act::Fragments { pieces } => json["pieces"] = (*pieces).into(),
                Act::Again { event } => json["event"] = event.clone().into(),
                Act::Reset | Act::Cut | Act::ForgetSessions | Act::UnknownCall => {}
            },
            Kind::Stall
            | Kind::Freeze
            | Kind::UnansweredPings
            | Kind::RefuseConnections
            | Kind::Lose
            | Kind::Redeliver
            | Kind::RefuseCredentials { .. } => {}
        }
        let only = [(Only::Requests, "requests"), (Only::Replies, "replies"), (Only::Events, "events")];
        if let Some((_, name)) = only.iter().find(|(only, _)| *only == self.only) {
            json["only"] = (*name).into();
        }
        match self.way {
            Ways::Both => {}
            Ways::ToClient => json["direction"] = "to_client".into(),
            Ways::FromClient => json["direction"] = "from_client".into(),
        }
        if let Some(on) = &self.on {
            json["on"] = on.clone().into();
        }
        if let Some(times) = self.times {
            json["next"] = times.into();
        }
        if self.chance < 1.0 {
            json["probability"] = self.chance.into();
        }
        if !self.after.is_zero() {
            json["after_ms"] = ms(self.after);
        }
        if let Some(span) = self.lasting {
            json["lasting_ms"] = ms(span);
        }
        json
    }
}

/// The name, with what belongs to it as JSON.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

/// Reads JSON, or the name alone of a fault that needs nothing else.
impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            let value = serde_json::from_str(text).map_err(|e| error::config(format!("a fault is not JSON: {e}")))?;
            return Self::from_json(&value);
        }
        Self::from_json(&json!({"fault": text.trim()}))
    }
}

const PHASES: [(Phase, &str); 4] =
    [(Phase::Tcp, "tcp"), (Phase::Tls, "tls"), (Phase::Upgrade, "upgrade"), (Phase::Auth, "auth")];

fn phase_name(phase: Phase) -> &'static str {
    PHASES.iter().find(|(known, _)| *known == phase).map_or("lookup", |(_, name)| name)
}

/// The keys of an object, and which of them were asked for.
struct Fields<'a> {
    name: &'a str,
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    fn fault(&mut self) -> Result<Fault> {
        let mut fault = match self.name {
            "latency" => Fault::latency(self.ms("ms")?).jitter(self.ms_or_none("jitter_ms")?.unwrap_or_default()),
            "bandwidth" => Fault::bandwidth(self.whole("bytes_per_second")?),
            "slices" => Fault::slices(self.whole("bytes")?).every(self.ms_or_none("every_ms")?.unwrap_or_default()),
            "stall" => Fault::stall(),
            "freeze" => Fault::freeze(),
            "unanswered_pings" => Fault::unanswered_pings(),
            "refuse_connections" => Fault::refuse_connections(),
            "flap" => Fault::flap(self.ms("up_ms")?, self.ms("down_ms")?),
            "lose" => Fault::lose(),
            "delay" => Fault::delay(self.ms("ms")?).jitter(self.ms_or_none("jitter_ms")?.unwrap_or_default()),
            "repeat" => Fault::repeat(self.whole_or("copies", 1)?),
            "redeliver" => Fault::redeliver(),
            "reorder" => Fault::reorder(self.whole_or("behind", 1)?),
            "silence" => Fault::silence(self.phase()?),
            "garbage" => Fault::garbage(self.phase()?, self.bytes()?),
            "cut_at" => Fault::cut_at(self.phase()?),
            "reset_at" => Fault::reset_at(self.phase()?),
            "drip" => Fault::drip(self.phase()?, self.ms("every_ms")?),
            "http" => {
                if self.get("phase").is_some_and(|phase| phase != "upgrade") {
                    return Err(self.wrong("phase", "\"upgrade\""));
                }
                Fault::http(self.whole("status")?, self.text_or("body", "")?)
            }
            "refuse_credentials" => Fault::refuse_credentials(),
            "refuse_resume" => Fault::refuse_resume(),
            "refuse" => {
                let code = self.get("code").and_then(Value::as_i64);
                let code = code.ok_or_else(|| self.wrong("code", "a whole number, such as 404 or -32602"))?;
                Fault::refuse(code, self.text_or("message", "Refused")?)
            }
            "reset" => Fault::reset(),
            "cut" => Fault::cut(),
            "close" => Fault::close(self.whole_or("code", 1000)?, self.text_or("reason", "")?),
            "disconnect" => Fault::disconnect(self.flag_or("restart", false)?, self.flag_or("closes", true)?),
            "forget_sessions" => Fault::forget_sessions(),
            "pings" => Fault::pings(self.whole_or("count", 100)?),
            "malformed" => {
                let kind = self.get("kind").and_then(Value::as_str).and_then(Malformed::named);
                let names: Vec<&str> = Malformed::all().map(Malformed::name).collect();
                Fault::malformed(kind.ok_or_else(|| self.wrong("kind", &format!("one of {}", names.join(", "))))?)
            }
            "large_frame" => Fault::large_frame(self.whole("bytes")?),
            "fragments" => Fault::fragments(self.whole_or("pieces", 3)?),
            "unknown_call" => Fault::unknown_call(),
            "again" => Fault::again(self.text("event")?),
            other => {
                return Err(error::config(format!(
                    "there is no fault {other:?}; \"fault\" must be one of {}",
                    NAMES.join(", ")
                )));
            }
        };
        if let Some(on) = self.get("on") {
            fault.on =
                Some(on.as_str().ok_or_else(|| self.wrong("on", "a method or the type of an event"))?.to_owned());
        }
        if let Some(only) = self.get("only") {
            fault.only = match only.as_str() {
                Some("requests") => Only::Requests,
                Some("replies") => Only::Replies,
                Some("events") => Only::Events,
                _ => return Err(self.wrong("only", "\"requests\", \"replies\" or \"events\"")),
            };
        }
        if let Some(way) = self.get("direction") {
            fault.way = match way.as_str() {
                Some("both") => Ways::Both,
                Some("to_client") => Ways::ToClient,
                Some("from_client") => Ways::FromClient,
                _ => return Err(self.wrong("direction", "\"both\", \"to_client\" or \"from_client\"")),
            };
        }
        if self.get("next").is_some() {
            fault.times = Some(self.whole("next")?);
        }
        if let Some(chance) = self.get("probability") {
            let chance = chance.as_f64().filter(|chance| (0.0..=1.0).contains(chance));
            fault.chance = chance.ok_or_else(|| self.wrong("probability", "a number from 0 to 1"))?;
        }
        fault.after = self.ms_or_none("after_ms")?.unwrap_or_default();
        fault.lasting = self.ms_or_none("lasting_ms")?;
        Ok(fault)
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.object.get(key)
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.object.get(key).map_or("missing".to_owned(), Value::to_string);
        error::config(format!("fault {:?}: {key:?} must be {expected}; it is {found}", self.name))
    }

    fn ms(&mut self, key: &'static str) -> Result<Duration> {
        self.ms_or_none(key)?.ok_or_else(|| self.wrong(key, "a number of milliseconds"))
    }

    fn ms_or_none(&mut self, key: &'static str) -> Result<Option<Duration>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let span = value.as_f64().and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
        span.map(Some).ok_or_else(|| self.wrong(key, "a number of milliseconds, not below zero"))
    }

    fn whole<T: TryFrom<u64>>(&mut self, key: &'static str) -> Result<T> {
        let whole = self.get(key).and_then(Value::as_u64).and_then(|whole| T::try_from(whole).ok());
        whole.ok_or_else(|| self.wrong(key, "a whole number, not below zero"))
    }

    fn whole_or<T: TryFrom<u64>>(&mut self, key: &'static str, otherwise: T) -> Result<T> {
        if self.get(key).is_none() { Ok(otherwise) } else { self.whole(key) }
    }

    fn text(&mut self, key: &'static str) -> Result<String> {
        let text = self.get(key).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| self.wrong(key, "a text"))
    }

    fn text_or(&mut self, key: &'static str, otherwise: &str) -> Result<String> {
        if self.get(key).is_none() { Ok(otherwise.to_owned()) } else { self.text(key) }
    }

    fn flag_or(&mut self, key: &'static str, otherwise: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(otherwise) };
        value.as_bool().ok_or_else(|| self.wrong(key, "true or false"))
    }

    fn phase(&mut self) -> Result<Phase> {
        let name = self.get("phase").and_then(Value::as_str);
        let phase = PHASES.iter().find(|(_, known)| name == Some(known)).map(|(phase, _)| *phase);
        phase.ok_or_else(|| self.wrong("phase", "\"tcp\", \"tls\", \"upgrade\" or \"auth\""))
    }

    /// A text, or a list of bytes.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        let wrong = "a text or a list of bytes";
        match self.get("bytes") {
            None => Ok(b"garbage\r\n\r\n".to_vec()),
            Some(Value::String(text)) => Ok(text.clone().into_bytes()),
            Some(Value::Array(bytes)) => {
                let bytes = bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
                bytes.collect::<Option<_>>().ok_or_else(|| self.wrong("bytes", wrong))
            }
            Some(_) => Err(self.wrong("bytes", wrong)),
        }
    }

    /// Refuses keys that nobody asked for.
    fn finish(mut self) -> Result<()> {
        self.known.sort_unstable();
        self.known.dedup();
        match self.object.keys().find(|key| !self.known.contains(&key.as_str())) {
            Some(key) => Err(error::config(format!(
                "fault {:?} has no key {key:?}; its keys are {}",
                self.name,
                self.known.join(", ")
            ))),
            None => Ok(()),
        }
    }
}
