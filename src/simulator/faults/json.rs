//! Faults by name and as JSON: a row for each, from which names, JSON and the page follow.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{self, Error, Phase, Result};
use crate::simulator::faults::fault::{Act, Fault, FaultKind, Only, Ways};
use crate::simulator::faults::malformed::Malformed;
use crate::simulator::line::handshake::{HandshakeFault, Trouble};

/// One fault.
struct Row {
    /// The name of the fault's constructor.
    name: &'static str,
    /// The fault's keys and its effect, as on the page on faults.
    #[cfg_attr(not(test), expect(dead_code, reason = "the page is compared with it"))]
    keys: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the page is compared with it"))]
    says: &'static str,
    read: fn(&mut Fields<'_>) -> Result<Fault>,
    /// The fault's keys with their values; `None` for a fault of another row.
    write: fn(&FaultKind) -> Option<Value>,
}

/// Writes the JSON of one kind of fault, and `None` for others.
macro_rules! told {
    ($kind:pat => $($json:tt)+) => {
        |kind| if let $kind = kind { Some(json!($($json)+)) } else { None }
    };
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// Every fault, in the order of the page.
const ROWS: &[Row] = &[
    Row {
        name: "latency",
        keys: "`ms`, `jitter_ms`",
        says: "frames arrive later, in each direction separately and in order; handshakes take one more round trip",
        read: |f| Ok(Fault::latency(f.ms("ms")?).jitter(f.ms_or_none("jitter_ms")?.unwrap_or_default())),
        write: told!(FaultKind::Latency { by, jitter } => {"ms": ms(*by), "jitter_ms": ms(*jitter)}),
    },
    Row {
        name: "bandwidth",
        keys: "`bytes_per_second`",
        says: "limits the rate of bytes",
        read: |f| Ok(Fault::bandwidth(f.whole("bytes_per_second")?)),
        write: told!(FaultKind::Bandwidth { rate } => {"bytes_per_second": rate}),
    },
    Row {
        name: "slices",
        keys: "`bytes`, `every_ms`",
        says: "bytes arrive in pieces of at most this size, also in handshakes and within TLS records",
        read: |f| Ok(Fault::slices(f.whole("bytes")?).every(f.ms_or_none("every_ms")?.unwrap_or_default())),
        write: told!(FaultKind::Slices { bytes, every } => {"bytes": bytes, "every_ms": ms(*every)}),
    },
    Row {
        name: "stall",
        keys: "",
        says: "the service reads nothing, so that the client's writes block",
        read: |_| Ok(Fault::stall()),
        write: told!(FaultKind::Stall => {}),
    },
    Row {
        name: "freeze",
        keys: "",
        says: "a half-open connection: all bytes are lost in both directions",
        read: |_| Ok(Fault::freeze()),
        write: told!(FaultKind::Freeze => {}),
    },
    Row {
        name: "unanswered_pings",
        keys: "",
        says: "pings of clients are not answered",
        read: |_| Ok(Fault::unanswered_pings()),
        write: told!(FaultKind::UnansweredPings => {}),
    },
    Row {
        name: "refuse_connections",
        keys: "",
        says: "new connections are closed as soon as they are accepted",
        read: |_| Ok(Fault::refuse_connections()),
        write: told!(FaultKind::RefuseConnections => {}),
    },
    Row {
        name: "flap",
        keys: "`up_ms`, `down_ms`",
        says: "the connection alternates between up and down; each time is drawn from 0.5 to 1.5 times the value",
        read: |f| Ok(Fault::flap(f.ms("up_ms")?, f.ms("down_ms")?)),
        write: told!(FaultKind::Flap { up, down } => {"up_ms": ms(*up), "down_ms": ms(*down)}),
    },
    Row {
        name: "lose",
        keys: "",
        says: "responses and events are not sent; with `only: requests`, requests have no effect",
        read: |_| Ok(Fault::lose()),
        write: told!(FaultKind::Lose => {}),
    },
    Row {
        name: "delay",
        keys: "`ms`, `jitter_ms`",
        says: "responses and events arrive later, and others overtake them",
        read: |f| Ok(Fault::delay(f.ms("ms")?).jitter(f.ms_or_none("jitter_ms")?.unwrap_or_default())),
        write: told!(FaultKind::Delay { by, jitter } => {"ms": ms(*by), "jitter_ms": ms(*jitter)}),
    },
    Row {
        name: "repeat",
        keys: "`copies`",
        says: "responses and events are sent again without a change",
        read: |f| Ok(Fault::repeat(f.whole_or("copies", 1)?)),
        write: told!(FaultKind::Repeat { copies } => {"copies": copies}),
    },
    Row {
        name: "redeliver",
        keys: "",
        says: "events are sent again under a new ID",
        read: |_| Ok(Fault::redeliver()),
        write: told!(FaultKind::Redeliver => {}),
    },
    Row {
        name: "reorder",
        keys: "`behind`",
        says: "responses and events arrive behind this many of the following ones, after at most 1 s",
        read: |f| Ok(Fault::reorder(f.whole_or("behind", 1)?)),
        write: told!(FaultKind::Reorder { behind } => {"behind": behind}),
    },
    Row {
        name: "silence",
        keys: "`phase`",
        says: "the client's bytes in this phase of connecting get no response",
        read: |f| Ok(Fault::silence(f.phase()?)),
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Silence }) => {"phase": phase_name(*phase)}),
    },
    Row {
        name: "garbage",
        keys: "`phase`, `bytes`",
        says: "these bytes (a string, or a list of numbers) are sent in place of the response",
        read: |f| Ok(Fault::garbage(f.phase()?, f.bytes()?)),
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Garbage(bytes) }) => {"phase": phase_name(*phase), "bytes": bytes}),
    },
    Row {
        name: "cut_at",
        keys: "`phase`",
        says: "the connection ends in this phase",
        read: |f| Ok(Fault::cut_at(f.phase()?)),
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Cut }) => {"phase": phase_name(*phase)}),
    },
    Row {
        name: "reset_at",
        keys: "`phase`",
        says: "the connection is reset in this phase",
        read: |f| Ok(Fault::reset_at(f.phase()?)),
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Reset }) => {"phase": phase_name(*phase)}),
    },
    Row {
        name: "drip",
        keys: "`phase`, `every_ms`",
        says: "the response arrives byte by byte; `tls` or `upgrade`",
        read: |f| Ok(Fault::drip(f.phase()?, f.ms("every_ms")?)),
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Drip(every) }) => {"phase": phase_name(*phase), "every_ms": ms(*every)}),
    },
    Row {
        name: "http",
        keys: "`status`, `body`",
        says: "the upgrade is rejected with this status",
        read: |f| {
            if f.get("phase").is_some_and(|phase| phase != "upgrade") {
                return Err(f.wrong("phase", "\"upgrade\""));
            }
            Ok(Fault::http(f.whole("status")?, f.text_or("body", "")?))
        },
        write: told!(FaultKind::Connecting(Trouble { phase, what: HandshakeFault::Http(status, body) }) => {"phase": phase_name(*phase), "status": status, "body": body}),
    },
    Row {
        name: "refuse_credentials",
        keys: "",
        says: "credentials are rejected; the next two with `next: 2`, later ones with `after_ms`",
        read: |_| Ok(Fault::refuse_credentials()),
        write: told!(FaultKind::RefuseCredentials { resumed_only: false } => {}),
    },
    Row {
        name: "refuse_resume",
        keys: "",
        says: "credentials are rejected if they arrive with the resume keys of a session",
        read: |_| Ok(Fault::refuse_resume()),
        write: told!(FaultKind::RefuseCredentials { resumed_only: true } => {}),
    },
    Row {
        name: "refuse",
        keys: "`code`, `message`",
        says: "requests are rejected: a negative code is a JSON-RPC error, any other is the code of the result",
        read: |f| {
            let code = f.get("code").and_then(Value::as_i64);
            let code = code.ok_or_else(|| f.wrong("code", "a whole number, such as 404 or -32602"))?;
            Ok(Fault::refuse(code, f.text_or("message", "Refused")?))
        },
        write: told!(FaultKind::Refuse { code, message } => {"code": code, "message": message}),
    },
    Row {
        name: "reset",
        keys: "",
        says: "connections are reset",
        read: |_| Ok(Fault::reset()),
        write: told!(FaultKind::Act(Act::Reset) => {}),
    },
    Row {
        name: "cut",
        keys: "",
        says: "connections end",
        read: |_| Ok(Fault::cut()),
        write: told!(FaultKind::Act(Act::Cut) => {}),
    },
    Row {
        name: "close",
        keys: "`code`, `reason`",
        says: "connections are closed with a WebSocket code",
        read: |f| Ok(Fault::close(f.whole_or("code", 1000)?, f.text_or("reason", "")?)),
        write: told!(FaultKind::Act(Act::Close { code, reason }) => {"code": code, "reason": reason}),
    },
    Row {
        name: "disconnect",
        keys: "`restart`, `closes`",
        says: "sends `signalwire.disconnect`; with `restart`, sessions are forgotten",
        read: |f| Ok(Fault::disconnect(f.flag_or("restart", false)?, f.flag_or("closes", true)?)),
        write: told!(FaultKind::Act(Act::Disconnect { restart, closes }) => {"restart": restart, "closes": closes}),
    },
    Row {
        name: "forget_sessions",
        keys: "",
        says: "the next reconnect is not a resume",
        read: |_| Ok(Fault::forget_sessions()),
        write: told!(FaultKind::Act(Act::ForgetSessions) => {}),
    },
    Row {
        name: "pings",
        keys: "`count`",
        says: "sends this many RELAY pings and this many WebSocket pings at once",
        read: |f| Ok(Fault::pings(f.whole_or("count", 100)?)),
        write: told!(FaultKind::Act(Act::Pings { count }) => {"count": count}),
    },
    Row {
        name: "malformed",
        keys: "`kind`",
        says: "sends a malformed frame, of a kind of [`Malformed`]",
        read: |f| {
            let kind = f.get("kind").and_then(Value::as_str).and_then(Malformed::named);
            let names: Vec<&str> = Malformed::all().map(Malformed::name).collect();
            Ok(Fault::malformed(kind.ok_or_else(|| f.wrong("kind", &format!("one of {}", names.join(", "))))?))
        },
        write: told!(FaultKind::Act(Act::Malformed(kind)) => {"kind": kind.name()}),
    },
    Row {
        name: "large_frame",
        keys: "`bytes`",
        says: "sends an event of this length",
        read: |f| Ok(Fault::large_frame(f.whole("bytes")?)),
        write: told!(FaultKind::Act(Act::LargeFrame { bytes }) => {"bytes": bytes}),
    },
    Row {
        name: "fragments",
        keys: "`pieces`",
        says: "sends an event in pieces, with WebSocket pings between them",
        read: |f| Ok(Fault::fragments(f.whole_or("pieces", 3)?)),
        write: told!(FaultKind::Act(Act::Fragments { pieces }) => {"pieces": pieces}),
    },
    Row {
        name: "unknown_call",
        keys: "",
        says: "sends events of an unknown call",
        read: |_| Ok(Fault::unknown_call()),
        write: told!(FaultKind::Act(Act::UnknownCall) => {}),
    },
    Row {
        name: "again",
        keys: "`event`",
        says: "sends the last event of this type again, under a new ID",
        read: |f| Ok(Fault::again(f.text("event")?)),
        write: told!(FaultKind::Act(Act::Again { event }) => {"event": event}),
    },
];

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| ROWS.iter().map(|row| row.name).collect());

/// The row of a kind of fault, and its keys with their values.
fn row(kind: &FaultKind) -> Option<(&'static Row, Value)> {
    ROWS.iter().find_map(|row| Some((row, (row.write)(kind)?)))
}

/// The name of a fault that occurs once.
pub(crate) fn name_of(act: &Act) -> &'static str {
    row(&FaultKind::Act(act.clone())).map_or("", |(row, _)| row.name)
}

/// The names of faults, and their JSON.
impl Fault {
    /// The names of all faults.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// The fault's name, which is that of its constructor.
    #[must_use]
    pub fn name(&self) -> &'static str {
        row(&self.kind).map_or("", |(row, _)| row.name)
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

    /// Returns the fault as JSON, in the form that [`from_json`](Self::from_json) reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = json!({"fault": self.name()});
        if let Some((_, Value::Object(keys))) = row(&self.kind) {
            keys.into_iter().for_each(|(key, value)| json[key] = value);
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
            json["after_ms"] = ms(self.after).into();
        }
        if let Some(span) = self.lasting {
            json["lasting_ms"] = ms(span).into();
        }
        json
    }
}

/// The name, with the fields of the fault as JSON.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

/// Reads JSON, or the name alone of a fault without required keys.
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

/// The keys of an object, and those that have been read.
struct Fields<'a> {
    name: &'a str,
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    fn fault(&mut self) -> Result<Fault> {
        let Some(row) = ROWS.iter().find(|row| row.name == self.name) else {
            let names = NAMES.join(", ");
            return Err(error::config(format!("there is no fault {:?}; \"fault\" must be one of {names}", self.name)));
        };
        let mut fault = (row.read)(self)?;
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

    /// Refuses keys that the fault does not have.
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

#[cfg(test)]
mod tests {
    use super::{ROWS, row};

    #[test]
    fn the_page_on_faults_has_the_line_of_each_row() {
        let page = include_str!("../faults.md");
        let listed: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let keys = |keys: &str| if keys.is_empty() { String::new() } else { format!("{keys} ") };
        let told = ROWS.iter().map(|row| format!("| `{}` | {}| {} |", row.name, keys(row.keys), row.says));
        assert_eq!(listed, told.collect::<Vec<_>>());
    }

    #[test]
    fn every_fault_is_of_one_row() {
        let all = super::NAMES.iter().filter_map(|name| name.parse::<super::Fault>().ok());
        for fault in all {
            assert_eq!(ROWS.iter().filter(|one| (one.write)(&fault.kind).is_some()).count(), 1, "{fault}");
            assert_eq!(row(&fault.kind).map(|(row, _)| row.name), Some(fault.name()));
        }
    }
}
