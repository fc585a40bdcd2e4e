//! A trace or a journal that has been read for a replay.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};
use std::time::Duration;

use serde_json::Value;

use crate::simulator::replay::compare::{each_text, ids};

/// The newest version of a trace that can be read.
const VERSION: u64 = 1;

/// The method by which client and service check each other on their own.
const PING: &str = "signalwire.ping";
pub(crate) const CONNECT: &str = "signalwire.connect";
pub(crate) const UNRECEIVE: &str = "signalwire.unreceive";

/// A step of the recording.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The line of the file, from 1.
    pub(crate) line: usize,
    pub(crate) at: Duration,
    /// The connection, in the order of their first frames, from 0.
    pub(crate) connection: usize,
    /// The group of steps that belong together: a call, a dial with its legs, a message, or the rest.
    pub(crate) group: usize,
    pub(crate) what: What,
}

/// The content of a step.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The program sent a request.
    Request { method: String, params: Value },
    /// The service responded to the request of this step.
    Reply { of: usize, is_error: bool, method: String, frame: Value },
    /// The service sent a frame on its own.
    Sent { kind: Sent, method: String, frame: Value },
    /// The connection ended, but not by the program.
    Cut,
}

/// The kind of a frame that the service sent on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Event,
    Request,
    Raw,
}

impl Step {
    pub(crate) fn request(&self) -> Option<(&str, &Value)> {
        match &self.what {
            What::Request { method, params } => Some((method, params)),
            _ => None,
        }
    }
}

/// The readable part of a recording.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) steps: Vec<Step>,
    /// The ID of the call of each group, if there is one.
    pub(crate) groups: Vec<Option<String>>,
    /// Groups by the IDs under which the requests of the program name them.
    pub(crate) known: HashMap<String, usize>,
    /// The IDs that the service created.
    pub(crate) fixed: HashSet<String>,
    /// The lines that the journal of a replay also has, for drawing.
    pub(crate) lines: Vec<Value>,
    /// The lines that could not be used: `line 7: the line is cut off`.
    pub(crate) problems: Vec<String>,
    /// The masked fields that the program would receive: `line 7: params.digits is masked`.
    pub(crate) masked: Vec<String>,
}

/// The IDs of the call, dial or message in parameters, the most specific first.
pub(crate) fn keys(params: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for key in ["tag", "call_id", "message_id"] {
        let value = params.get(key).or_else(|| params.get("call")?.get(key)).and_then(Value::as_str);
        keys.extend(value.filter(|value| !value.is_empty()).map(|value| format!("{key} {value}")));
    }
    keys
}

/// The group of steps of no call and no message.
pub(crate) const LINK: usize = 0;

/// A recording that is being read.
#[derive(Default)]
struct Reading {
    recording: Recording,
    /// Clients and connections of the file.
    connections: HashMap<(u64, u64), usize>,
    /// The step of each request that has no response yet.
    asked: HashMap<(usize, String), usize>,
    /// IDs that the program created.
    free: HashSet<String>,
    /// The last connection of each client, and whether the file says when it ended.
    told: HashSet<usize>,
}

impl Recording {
    /// Reads a file of JSON lines. Other lines are left out and listed as problems.
    pub(crate) fn read(mut from: impl BufRead) -> io::Result<Self> {
        let mut reading = Reading::default();
        reading.recording.groups.push(None);
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            if from.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let taken = match serde_json::from_slice::<Value>(&bytes) {
                Ok(line) => reading.take(number, line),
                Err(error) if error.is_eof() => Err("the line is cut off".to_owned()),
                Err(error) => Err(format!("not JSON: {error}")),
            };
            if let Err(what) = taken {
                reading.recording.problems.push(format!("line {number}: {what}"));
            }
        }
        reading.end_connections();
        Ok(reading.recording)
    }

    /// `true` if the recording has a connection to replay.
    pub(crate) fn is_empty(&self) -> bool {
        !self.steps.iter().any(|step| step.request().is_some_and(|(method, _)| method == CONNECT))
    }
}

impl Reading {
    fn take(&mut self, number: usize, line: Value) -> Result<(), String> {
        if let Some(version) = line.get("trace") {
            return match version.as_u64() {
                Some(version) if version <= VERSION => Ok(()),
                _ => {
                    Err(format!("a trace of version {version}, and version {VERSION} is the newest that is understood"))
                }
            };
        }
        let Some(kind) = line.get("kind").and_then(Value::as_str) else {
            return Err("no line of a trace or a journal: it has no kind".to_owned());
        };
        // Times are in whole microseconds, as they were written.
        let at = line.get("at").and_then(Value::as_f64).filter(|at| (0.0..1e12).contains(at));
        let at = at.map(|at| Duration::from_micros((at * 1e6).round() as u64));
        let Some(at) = at else { return Err("no line of a trace or a journal: it has no time".to_owned()) };
        let of = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(1);
        let place = (of("client"), of("connection"));
        // The journal of the replay does not record the program's handlers and waits.
        if !matches!(kind, "handler" | "wait") {
            self.recording.lines.push(line.clone());
        }
        if kind == "dropped" && line.get("what").is_some_and(|what| what == "trace lines") {
            let count = line.get("count").and_then(Value::as_u64).unwrap_or_default();
            return Err(format!("{count} lines are missing here, which were dropped when the trace was written"));
        }
        if kind == "state" && line.get("state").is_some_and(|state| state == "reconnecting") {
            // An attempt that failed before a frame was sent has no connection.
            if let Some(connection) = self.connections.get(&place).copied() {
                if self.told.insert(connection) {
                    self.push(Step { line: number, at, connection, group: LINK, what: What::Cut });
                }
            }
            return Ok(());
        }
        let Some(frame) = line.get("frame").cloned() else { return Ok(()) };
        let connection = self.connections.len();
        let connection = *self.connections.entry(place).or_insert(connection);
        let is_to_client = line.get("direction").is_some_and(|direction| direction == "to_client");
        let method = line.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "ack" || method == PING || (kind == "raw" && !is_to_client) {
            return Ok(());
        }
        self.note_ids(&frame, is_to_client);
        let id = frame.get("id").map(Value::to_string).unwrap_or_default();
        let step = |group, what| Step { line: number, at, connection, group, what };
        match kind {
            "request" => {
                let params = frame.get("params").cloned().unwrap_or_default();
                let group = self.group(&method, keys(&params));
                let index = self.push(step(group, What::Request { method, params }));
                self.asked.insert((connection, id), index);
            }
            "reply" | "error_reply" => {
                let Some(of) = self.asked.remove(&(connection, id)) else {
                    // Pings are left out, and so are their responses, which have no method in some files.
                    return if method.is_empty() {
                        Ok(())
                    } else {
                        Err("the request of this response is missing".into())
                    };
                };
                let group = self.recording.steps[of].group;
                let result = frame.get("result").cloned().unwrap_or_default();
                for key in keys(&result) {
                    self.recording.known.entry(key).or_insert(group);
                }
                let method =
                    self.recording.steps[of].request().map(|(method, _)| method.to_owned()).unwrap_or_default();
                self.look_for_masks(number, "result", &result);
                let is_error = kind == "error_reply";
                self.push(step(group, What::Reply { of, is_error, method, frame }));
            }
            "event" => {
                let params = frame.pointer("/params/params").cloned().unwrap_or_default();
                if params.is_string() {
                    self.recording.masked.push(format!("line {number}: the parameters of {method} are masked"));
                }
                self.look_for_masks(number, "params", &params);
                let group = self.group(&method, keys(&params));
                self.push(step(group, What::Sent { kind: Sent::Event, method, frame }));
            }
            "service_request" => {
                self.push(step(LINK, What::Sent { kind: Sent::Request, method, frame }));
            }
            "raw" => {
                if frame.as_str().is_some_and(|text| text.starts_with('<') && text.ends_with("that are not JSON>")) {
                    return Err("the frame is not JSON, and was left out of the trace".to_owned());
                }
                self.push(step(LINK, What::Sent { kind: Sent::Raw, method, frame }));
            }
            // A newer version may have further kinds.
            _ => return Ok(()),
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> usize {
        self.recording.steps.push(step);
        self.recording.steps.len() - 1
    }

    /// The group that these IDs belong to.
    fn group(&mut self, method: &str, keys: Vec<String>) -> usize {
        let Recording { groups, known, .. } = &mut self.recording;
        let found = keys.iter().find_map(|key| known.get(key)).copied();
        let is_new = found.is_none() && (!keys.is_empty() || method == "messaging.send");
        if is_new {
            groups.push(None);
        }
        let group = found.unwrap_or(if is_new { groups.len() - 1 } else { LINK });
        for key in keys {
            if let Some(call) = key.strip_prefix("call_id ") {
                groups[group].get_or_insert_with(|| call.to_owned());
            }
            known.entry(key).or_insert(group);
        }
        group
    }

    /// Notes the creator of each ID of a frame.
    fn note_ids(&mut self, frame: &Value, is_to_client: bool) {
        let (free, fixed) = (&mut self.free, &mut self.recording.fixed);
        each_text(frame, &mut |text| {
            for id in ids(text) {
                if is_to_client && !free.contains(id) {
                    fixed.insert(id.to_owned());
                } else if !is_to_client && !fixed.contains(id) {
                    free.insert(id.to_owned());
                }
            }
        });
    }

    fn look_for_masks(&mut self, line: usize, path: &str, value: &Value) {
        match value {
            Value::String(text) if text.contains("<content>") => {
                self.recording.masked.push(format!("line {line}: {path} is masked"));
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(at, item)| self.look_for_masks(line, &format!("{path}[{at}]"), item));
            }
            Value::Object(object) => {
                object.iter().for_each(|(key, value)| self.look_for_masks(line, &format!("{path}.{key}"), value));
            }
            _ => {}
        }
    }

    /// Adds the loss of connections to a journal, which does not record it: after the last frame of each connection
    /// that another one follows.
    fn end_connections(&mut self) {
        let steps = &self.recording.steps;
        let count = self.connections.len();
        let mut lost: Vec<(usize, Step)> = Vec::new();
        for connection in (0..count).filter(|connection| !self.told.contains(connection)) {
            let Some(last) = steps.iter().rposition(|step| step.connection == connection) else { continue };
            let is_followed = steps[last + 1..].iter().any(|step| {
                step.connection > connection && step.request().is_some_and(|(method, _)| method == CONNECT)
            });
            if is_followed {
                lost.push((last + 1, Step { group: LINK, what: What::Cut, ..steps[last].clone() }));
            }
        }
        // The steps are inserted from the end, so that the earlier places stay valid. Responses refer to their request
        // by its place.
        lost.sort_by_key(|(place, _)| *place);
        for (place, step) in lost.into_iter().rev() {
            for later in &mut self.recording.steps[place..] {
                if let What::Reply { of, .. } = &mut later.what {
                    *of += usize::from(*of >= place);
                }
            }
            self.recording.steps.insert(place, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(lines: &[String]) -> Recording {
        Recording::read(lines.join("\n").as_bytes()).expect("read")
    }

    fn line(at: f64, connection: u64, direction: &str, kind: &str, method: &str, frame: Value) -> String {
        json!({"at": at, "connection": connection, "direction": direction, "kind": kind, "method": method, "frame": frame})
            .to_string()
    }

    fn connect(at: f64, connection: u64) -> String {
        line(at, connection, "from_client", "request", CONNECT, json!({"id": "1", "method": CONNECT, "params": {}}))
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line_and_the_rest_is_used() {
        let lines = [
            json!({"trace": 99, "at": 0}).to_string(),
            connect(0.0, 1),
            "no JSON".to_owned(),
            json!({"at": 1}).to_string(),
            json!({"at": 1, "kind": "dropped", "what": "trace lines", "count": 3}).to_string(),
            json!({"at": 1, "kind": "of a newer version"}).to_string(),
            line(1.0, 1, "to_client", "reply", "calling.play", json!({"id": "7", "result": {}})),
            line(1.0, 1, "to_client", "raw", "", json!("<7 bytes that are not JSON>")),
            r#"{"at":2,"conn"#.to_owned(),
        ];
        let recording = read(&lines);
        assert_eq!(recording.steps.len(), 1);
        let named: Vec<&str> = recording.problems.iter().map(|what| what.split(": ").next().expect("a line")).collect();
        assert_eq!(named, ["line 1", "line 3", "line 4", "line 5", "line 7", "line 8", "line 9"], "{recording:?}");
        assert!(recording.problems[0].contains("version 99") && recording.problems[6].contains("cut off"));
        assert!(read(&["nothing of it".to_owned()]).is_empty());
    }

    #[test]
    fn a_connection_that_another_one_follows_was_lost_behind_its_last_frame() {
        let reply =
            |at, connection| line(at, connection, "to_client", "reply", CONNECT, json!({"id": "1", "result": {}}));
        let journal = read(&[connect(0.0, 1), reply(0.1, 1), connect(5.0, 2), reply(5.1, 2)]);
        let cuts: Vec<usize> =
            (0..journal.steps.len()).filter(|at| matches!(journal.steps[*at].what, What::Cut)).collect();
        assert_eq!((cuts, journal.steps[2].at), (vec![2], Duration::from_millis(100)));
        assert!(matches!(journal.steps[4].what, What::Reply { of: 3, .. }), "{:?}", journal.steps[4]);
        // A trace records the loss itself.
        let lost = json!({"at": 2.0, "connection": 1, "kind": "state", "state": "reconnecting", "attempt": 1});
        let trace = read(&[connect(0.0, 1), reply(0.1, 1), lost.to_string(), connect(5.0, 2)]);
        assert!(matches!(trace.steps[2].what, What::Cut) && trace.steps[2].at == Duration::from_secs(2));
        assert_eq!(trace.steps.iter().filter(|step| matches!(step.what, What::Cut)).count(), 1);
    }

    #[test]
    fn masked_content_that_the_program_would_receive_is_named() {
        let event = json!({"id": "e", "params": {"event_type": "calling.call.collect", "params": {
            "call_id": "c", "result": {"params": {"digits": "<content>"}}}}});
        let paid = json!({"id": "e", "params": {"event_type": "calling.call.pay", "params": "<secret>"}});
        let recording = read(&[
            connect(0.0, 1),
            line(1.0, 1, "to_client", "event", "calling.call.collect", event),
            line(1.0, 1, "to_client", "event", "calling.call.pay", paid),
        ]);
        assert_eq!(
            recording.masked,
            ["line 2: params.result.params.digits is masked", "line 3: the parameters of calling.call.pay are masked"]
        );
    }
}
