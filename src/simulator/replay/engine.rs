//! Plays the service's half of a recording, each step after its cause, and compares the program's half.
//!
//! A response follows its request. A frame that the service sent on its own follows the last request about the same
//! call, or the request that opened the connection, after the recorded time, and behind the earlier frames about the
//! call. A connection ends after all its recorded requests and frames.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::replay::compare::Names;
use crate::simulator::replay::differences::Entry;
use crate::simulator::replay::recording::{CONNECT, LINK, Recording, Sent, Step, UNRECEIVE, What, keys};

/// One act of the service.
#[derive(Debug)]
pub(crate) enum Act {
    Reply { conn: u64, is_error: bool, method: String, frame: Value },
    Event { conn: u64, method: String, frame: Value },
    Request { conn: u64, method: String, frame: Value },
    Raw { conn: u64, text: String },
    Cut { conn: u64 },
}

/// A request of the program that was found in the recording.
#[derive(Debug)]
struct Found {
    /// The recorded request that it stands for.
    step: Option<usize>,
    group: usize,
    at: Duration,
    method: String,
    /// The difference.
    what: Option<String>,
}

/// The steps of a call, a dial, a message, or the connection.
#[derive(Debug, Default)]
struct Group {
    /// The steps of the service, in order, and the number of those that are done.
    service: Vec<usize>,
    played: usize,
    /// The requests of the program, in order, and the number of those that were found or given up.
    program: Vec<usize>,
    asked: usize,
}

/// Plays a recording in place of the service, and compares the program with it.
#[derive(Debug)]
pub(crate) struct Engine {
    recording: Recording,
    groups: Vec<Group>,
    /// The step that each step of the service follows.
    bases: Vec<Option<usize>>,
    /// Times at which the steps were done, or given up.
    done: Vec<Option<Duration>>,
    /// Requests that were missing.
    missing: HashSet<usize>,
    /// The steps that are due, with their times.
    ready: BTreeSet<(Duration, usize)>,
    /// The groups whose next step waits for another step.
    waiting: HashMap<usize, Vec<usize>>,
    /// For each connection, the step that ends it, and the number of earlier steps that are not done.
    ends: BTreeMap<usize, (usize, usize)>,
    /// The connection that stands for one of the recording.
    live: HashMap<usize, u64>,
    /// The connections that are open, by when they were authenticated.
    open: Vec<u64>,
    /// The connection and the ID for the response to a request.
    answers: HashMap<usize, (u64, Value)>,
    names: Names,
    found: Vec<Found>,
    /// Time of the last step.
    last: Duration,
    /// The steps that the replay does not wait for.
    optional: HashSet<usize>,
}

/// The request that a program sends because it is stopped, with what follows from it. The service does not stop a program, so
/// nothing in a replay makes the program send it.
fn stopping(recording: &Recording) -> HashSet<usize> {
    let of_link = |(_, step): &(usize, &Step)| step.group == LINK && step.request().is_some();
    let last = recording.steps.iter().enumerate().rfind(of_link);
    let is_stop = |step: &Step| step.request().is_some_and(|(method, _)| method == UNRECEIVE);
    let Some((stop, step)) = last.filter(|(_, step)| is_stop(step)) else { return HashSet::new() };
    let follows = |(index, later): (usize, &Step)| match later.what {
        What::Reply { of, .. } if of == stop => Some(index),
        What::Cut if later.connection == step.connection => Some(index),
        _ => None,
    };
    recording.steps.iter().enumerate().filter_map(follows).chain([stop]).collect()
}

/// The step that each step of the service follows: the last request of the same group, but not one of an earlier
/// connection.
fn bases(recording: &Recording, optional: &HashSet<usize>) -> Vec<Option<usize>> {
    let mut last_of_group: HashMap<usize, usize> = HashMap::new();
    let mut last_on_connection: HashMap<usize, usize> = HashMap::new();
    let mut connects: HashMap<usize, usize> = HashMap::new();
    let base = |(index, step): (usize, &Step)| match &step.what {
        What::Request { .. } if optional.contains(&index) => None,
        What::Request { method, .. } => {
            last_of_group.insert(step.group, index);
            last_on_connection.insert(step.connection, index);
            if method == CONNECT {
                connects.insert(step.connection, index);
            }
            None
        }
        What::Reply { of, .. } => Some(*of),
        What::Cut => None,
        What::Sent { method, .. } => {
            let own = last_of_group.get(&step.group);
            let other = match own {
                Some(_) => None,
                // The service sends this event on its own, to a subscribed client.
                None if method.ends_with(".receive") => last_of_group.get(&LINK),
                // This call had no request, for example as the peer of a connect: the request was on another call.
                None => last_on_connection.get(&step.connection),
            };
            [own, other, connects.get(&step.connection)].into_iter().flatten().copied().max()
        }
    };
    recording.steps.iter().enumerate().map(base).collect()
}

impl Engine {
    pub(crate) fn new(mut recording: Recording) -> Self {
        let mut groups: Vec<Group> = recording.groups.iter().map(|_| Group::default()).collect();
        let mut ends = BTreeMap::new();
        let mut before: HashMap<usize, usize> = HashMap::new();
        for (index, step) in recording.steps.iter().enumerate() {
            match step.what {
                What::Request { .. } => groups[step.group].program.push(index),
                What::Reply { .. } | What::Sent { .. } => groups[step.group].service.push(index),
                What::Cut => {
                    ends.insert(step.connection, (index, before.get(&step.connection).copied().unwrap_or(0)));
                    continue;
                }
            }
            *before.entry(step.connection).or_default() += 1;
        }
        let optional = stopping(&recording);
        let mut engine = Self {
            done: vec![None; recording.steps.len()],
            bases: bases(&recording, &optional),
            names: Names::new(std::mem::take(&mut recording.fixed)),
            recording,
            groups,
            missing: HashSet::new(),
            ready: BTreeSet::new(),
            waiting: HashMap::new(),
            ends,
            live: HashMap::new(),
            open: Vec::new(),
            answers: HashMap::new(),
            found: Vec::new(),
            last: Duration::ZERO,
            optional,
        };
        for group in 0..engine.groups.len() {
            engine.look_at(group);
        }
        engine
    }

    fn step(&self, index: usize) -> &Step {
        &self.recording.steps[index]
    }

    /// Finds out when the next step of a group is due.
    fn look_at(&mut self, group: usize) {
        let Some(index) = self.groups[group].service.get(self.groups[group].played).copied() else { return };
        let due = match self.bases[index] {
            None => Duration::ZERO,
            Some(base) => match self.done[base] {
                None => {
                    self.waiting.entry(base).or_default().push(group);
                    return;
                }
                Some(at) => at + self.step(index).at.saturating_sub(self.step(base).at),
            },
        };
        let before = self.groups[group].played.checked_sub(1).map(|at| self.groups[group].service[at]);
        let before = before.and_then(|before| self.done[before]).unwrap_or_default();
        self.ready.insert((due.max(before), index));
    }

    /// Notes that a step is done, which may make others due.
    fn finish(&mut self, index: usize, now: Duration) {
        if self.done[index].is_some() {
            return;
        }
        self.done[index] = Some(now);
        self.last = self.last.max(now);
        let (at, connection) = (self.step(index).at, self.step(index).connection);
        if let Some((end, left)) = self.ends.get_mut(&connection).filter(|(end, _)| index < *end) {
            *left -= 1;
            if *left == 0 {
                let end = *end;
                // The end follows the last step before it, in the order of the recording.
                let gap = self.step(end).at.saturating_sub(at);
                self.ready.insert((now + gap, end));
            }
        }
        for group in self.waiting.remove(&index).unwrap_or_default() {
            self.look_at(group);
        }
    }

    /// The acts that are due now, in order.
    pub(crate) fn play(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some((due, index)) = self.ready.first().copied().filter(|(due, _)| *due <= now) {
            self.ready.remove(&(due, index));
            acts.extend(self.act(index));
            self.finish(index, now);
            if !matches!(self.step(index).what, What::Cut) {
                let group = self.step(index).group;
                self.groups[group].played += 1;
                self.look_at(group);
            }
        }
        acts
    }

    fn act(&mut self, index: usize) -> Option<Act> {
        let step = &self.recording.steps[index];
        // If the recorded connection has ended already, the connection after it takes its place.
        let live = self.live.get(&step.connection).copied();
        let conn = live.filter(|conn| self.open.contains(conn)).or_else(|| self.open.last().copied());
        match &step.what {
            What::Request { .. } => None,
            What::Cut => live.map(|conn| Act::Cut { conn }),
            What::Reply { of, is_error, method, frame } => {
                let (conn, id) = self.answers.remove(of)?;
                let mut frame = frame.clone();
                self.names.translate(&mut frame);
                frame["id"] = id;
                let (is_error, method) = (*is_error, method.clone());
                Some(Act::Reply { conn, is_error, method, frame })
            }
            What::Sent { kind: Sent::Raw, frame, .. } => {
                let text = frame.as_str().map_or_else(|| frame.to_string(), str::to_owned);
                Some(Act::Raw { conn: conn?, text })
            }
            What::Sent { kind, method, frame } => {
                let (mut frame, method) = (frame.clone(), method.clone());
                self.names.translate(&mut frame);
                let conn = conn?;
                Some(match kind {
                    Sent::Event => Act::Event { conn, method, frame },
                    _ => Act::Request { conn, method, frame },
                })
            }
        }
    }

    /// The next request of a group that the program has not made.
    fn expected(&self, group: usize) -> Option<usize> {
        self.groups[group].program.get(self.groups[group].asked).copied()
    }

    /// Handles a request of the program. Returns a response if the request is not in the recording.
    pub(crate) fn asked(&mut self, conn: u64, now: Duration, frame: &Value) -> Option<Act> {
        let id = frame.get("id").cloned().unwrap_or_default();
        let method = frame.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let params = frame.get("params").cloned().unwrap_or_default();
        let Some(step) = self.find(&method, &params) else {
            let group = self.group_of(&params).unwrap_or(LINK);
            let what = Some("was not recorded here".to_owned());
            self.found.push(Found { step: None, group, at: now, method: method.clone(), what });
            let error = json!({"code": -32601, "message": "The recording has no such request here"});
            let frame = json!({"jsonrpc": "2.0", "id": id, "error": error});
            return Some(Act::Reply { conn, is_error: true, method, frame });
        };
        let group = self.step(step).group;
        // The expected requests before this one are missing.
        while let Some(skipped) = self.expected(group).filter(|expected| *expected != step) {
            self.missing.insert(skipped);
            self.groups[group].asked += 1;
            self.finish(skipped, now);
        }
        self.groups[group].asked += 1;
        if method == CONNECT {
            self.live.insert(self.step(step).connection, conn);
            self.open.retain(|open| *open != conn);
            self.open.push(conn);
        }
        let recorded = self.recording.steps[step].request().map(|(_, params)| params.clone()).unwrap_or_default();
        let what = self.names.differ(&recorded, &params);
        self.found.push(Found { step: Some(step), group, at: now, method, what });
        self.answers.insert(step, (conn, id));
        self.finish(step, now);
        None
    }

    fn group_of(&self, params: &Value) -> Option<usize> {
        keys(params).iter().find_map(|key| self.recording.known.get(key)).copied()
    }

    /// The recorded request that this one stands for.
    fn find(&mut self, method: &str, params: &Value) -> Option<usize> {
        let is_it = |step: &usize| self.step(*step).request().is_some_and(|(recorded, _)| recorded == method);
        let in_group =
            |group: usize| self.groups[group].program[self.groups[group].asked..].iter().copied().find(is_it);
        if let Some(group) = self.group_of(params) {
            return in_group(group);
        }
        // The request has no known ID: it is the first request of a new group, or one of the connection.
        let fresh = (1..self.groups.len()).filter(|group| self.groups[*group].asked == 0);
        let fresh = fresh.filter_map(|group| self.expected(group)).filter(is_it);
        let candidates: BTreeSet<usize> = fresh.chain(in_group(LINK)).collect();
        let Self { names, recording, .. } = self;
        let is_same = |step: &&usize| {
            let recorded = recording.steps[**step].request().map(|(_, params)| params);
            recorded.is_some_and(|recorded| names.may_be(recorded, params))
        };
        candidates.iter().find(is_same).or_else(|| candidates.first()).copied()
    }

    /// Notes the end of a connection.
    pub(crate) fn closed(&mut self, conn: u64) {
        self.open.retain(|open| *open != conn);
    }

    /// The time at which the next step is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.ready.first().map(|(due, _)| *due)
    }

    /// The time at which the replay is given up if nothing happens until then.
    pub(crate) fn until(&self, patience: Duration) -> Duration {
        self.next().unwrap_or_default().max(self.last).saturating_add(patience)
    }

    /// Whether everything was asked and played, except what a program sends when it is stopped.
    pub(crate) fn is_over(&self) -> bool {
        self.done.iter().enumerate().all(|(index, done)| done.is_some() || self.optional.contains(&index))
    }

    /// Number of requests of the program that were found.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// The differences of the program from the recording, call by call; without the calls that have none.
    pub(crate) fn differences(&self) -> Vec<(Option<String>, Vec<Entry>)> {
        let mut all = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let mut entries: Vec<Entry> = Vec::new();
            let of_recording = |step: usize| {
                let (step, request) = (self.step(step), self.step(step).request());
                request.map(|(method, _)| (step.at, method.to_owned(), step.line))
            };
            let mut rest = group.program.iter().copied().peekable();
            for found in self.found.iter().filter(|found| found.group == number) {
                if let Some(step) = found.step {
                    while let Some(skipped) = rest.next_if(|next| *next < step) {
                        entries.push(Entry::new(of_recording(skipped), None, None));
                    }
                    let _itself = rest.next_if_eq(&step);
                }
                let now = Some((found.at, found.method.clone()));
                entries.push(Entry::new(found.step.and_then(of_recording), now, found.what.clone()));
            }
            let missing = rest.filter(|step| !self.optional.contains(step));
            entries.extend(missing.map(|step| Entry::new(of_recording(step), None, None)));
            if entries.iter().any(Entry::is_different) {
                all.push((self.recording.groups[number].clone(), entries));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A recording of these frames: time in milliseconds, connection, kind, method, and the content of the frame.
    fn engine(frames: &[(u64, u64, &str, &str, Value)]) -> Engine {
        let line = |(at, connection, kind, method, frame): &(u64, u64, &str, &str, Value)| {
            let direction = if *kind == "request" { "from_client" } else { "to_client" };
            json!({"at": *at as f64 / 1e3, "connection": connection, "direction": direction, "kind": kind,
                "method": method, "frame": frame})
            .to_string()
        };
        let text = frames.iter().map(line).collect::<Vec<_>>().join("\n");
        let recording = Recording::read(text.as_bytes()).expect("read");
        assert!(recording.problems.is_empty(), "{:?}", recording.problems);
        Engine::new(recording)
    }

    fn request(id: &str, method: &str, params: Value) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    fn reply(id: &str) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "result": {}})
    }

    fn event(id: &str, event_type: &str, params: Value) -> Value {
        request(id, "signalwire.event", json!({"event_type": event_type, "params": params}))
    }

    /// The IDs of the frames that are played at a moment.
    fn played(engine: &mut Engine, at: Duration) -> Vec<String> {
        let name = |act: Act| match act {
            Act::Reply { frame, .. } | Act::Event { frame, .. } | Act::Request { frame, .. } => {
                frame["id"].as_str().unwrap_or_default().to_owned()
            }
            Act::Raw { text, .. } => text,
            Act::Cut { conn } => format!("cut {conn}"),
        };
        engine.play(at).into_iter().map(name).collect()
    }

    #[test]
    fn the_request_that_a_stopped_program_sends_is_not_waited_for_and_not_missed() {
        let frames = [
            (0, 1, "request", CONNECT, request("1", CONNECT, json!({}))),
            (1, 1, "reply", CONNECT, reply("1")),
            (2, 1, "request", "calling.play", request("2", "calling.play", json!({"call_id": "c"}))),
            (3, 1, "reply", "calling.play", reply("2")),
            (4, 1, "request", UNRECEIVE, request("3", UNRECEIVE, json!({"contexts": ["a"]}))),
            (5, 1, "reply", UNRECEIVE, reply("3")),
            (9, 1, "event", "calling.call.play", event("e", "calling.call.play", json!({"call_id": "c"}))),
        ];
        let mut engine = engine(&frames);
        for (id, method, params, at) in
            [("a", CONNECT, json!({}), 0), ("b", "calling.play", json!({"call_id": "c"}), 2)]
        {
            assert!(engine.asked(7, MS(at), &request(id, method, params)).is_none());
            engine.play(MS(at + 1));
        }
        assert!(!engine.is_over(), "the playback has not ended");
        assert_eq!(played(&mut engine, MS(9)), ["e"]);
        assert!(engine.is_over() && engine.differences().is_empty(), "{:?}", engine.differences());
        // A program that sends it gets the recorded response.
        assert!(engine.asked(7, MS(10), &request("z", UNRECEIVE, json!({"contexts": ["a"]}))).is_none());
        assert_eq!(played(&mut engine, MS(11)), ["z"]);
        assert!(engine.is_over() && engine.differences().is_empty(), "{:?}", engine.differences());

        // One that is followed by another subscription is part of what the program does.
        let mut frames = frames.to_vec();
        frames.push((
            10,
            1,
            "request",
            "signalwire.receive",
            request("4", "signalwire.receive", json!({"contexts": ["a"]})),
        ));
        frames.push((11, 1, "reply", "signalwire.receive", reply("4")));
        let engine = self::engine(&frames);
        assert!(engine.optional.is_empty());
    }

    fn call() -> Value {
        json!({"call_id": "c"})
    }

    fn one_call() -> Engine {
        engine(&[
            (0, 1, "request", CONNECT, request("1", CONNECT, json!({}))),
            (10, 1, "reply", CONNECT, reply("1")),
            (500, 1, "event", "calling.call.receive", event("offer", "calling.call.receive", call())),
            (600, 1, "request", "calling.answer", request("2", "calling.answer", call())),
            (650, 1, "reply", "calling.answer", reply("2")),
            (700, 1, "event", "calling.call.state", event("answered", "calling.call.state", call())),
            (900, 1, "request", "calling.end", request("3", "calling.end", call())),
            (950, 1, "event", "calling.call.state", event("ended", "calling.call.state", call())),
            (960, 1, "reply", "calling.end", reply("3")),
        ])
    }

    #[test]
    fn what_followed_a_request_follows_it_again_after_as_much_time() {
        let mut engine = one_call();
        assert!(played(&mut engine, MS(1000)).is_empty(), "nobody has connected");
        assert!(engine.asked(7, MS(2000), &request("a", CONNECT, json!({}))).is_none());
        assert!(played(&mut engine, MS(2009)).is_empty());
        assert_eq!(engine.next(), Some(MS(2010)));
        assert_eq!(played(&mut engine, MS(2010)), ["a"], "under the ID of now");
        assert_eq!(played(&mut engine, MS(2500)), ["offer"]);
        // The program is late, so the events that follow its `calling.answer` are late as well.
        assert!(played(&mut engine, MS(9000)).is_empty());
        engine.asked(7, MS(9000), &request("b", "calling.answer", call()));
        assert_eq!(played(&mut engine, MS(9050)), ["b"]);
        assert_eq!(played(&mut engine, MS(9100)), ["answered"]);
        engine.asked(7, MS(9100), &request("d", "calling.end", call()));
        // The steps keep their order.
        assert_eq!(played(&mut engine, MS(9999)), ["ended", "d"]);
        assert!(engine.is_over() && engine.differences().is_empty());
    }

    #[test]
    fn a_request_that_was_not_recorded_is_refused_and_does_not_extend_the_patience() {
        let mut engine = one_call();
        engine.asked(7, MS(0), &request("a", CONNECT, json!({})));
        assert_eq!(played(&mut engine, MS(1000)), ["a", "offer"]);
        let until = engine.until(MS(5000));
        for n in 0..3 {
            let refusal = engine.asked(7, MS(2000 + n), &request("x", "calling.hold", call()));
            assert!(matches!(refusal, Some(Act::Reply { is_error: true, .. })));
        }
        assert_eq!(engine.until(MS(5000)), until);
        // The program skips `calling.answer`. The events that it caused are sent all the same, without the response.
        engine.asked(7, MS(3000), &request("d", "calling.end", call()));
        assert_eq!(played(&mut engine, MS(9000)), ["answered", "ended", "d"]);
        let differences = engine.differences();
        let what: Vec<bool> = differences[0].1.iter().map(Entry::is_different).collect();
        assert_eq!((differences.len(), what), (1, vec![true, true, true, true, false]));
        assert!(engine.is_over());
    }

    #[test]
    fn a_lost_connection_is_lost_when_all_of_it_was_played_and_the_next_one_waits_for_the_program() {
        let mut engine = engine(&[
            (0, 1, "request", CONNECT, request("1", CONNECT, json!({}))),
            (0, 1, "reply", CONNECT, reply("1")),
            (100, 1, "event", "calling.call.receive", event("offer", "calling.call.receive", call())),
            (200, 1, "request", "calling.answer", request("2", "calling.answer", call())),
            (2000, 2, "request", CONNECT, request("1", CONNECT, json!({}))),
            (2000, 2, "reply", CONNECT, reply("1")),
            (2500, 2, "event", "calling.call.state", event("ended", "calling.call.state", call())),
        ]);
        engine.asked(7, MS(0), &request("a", CONNECT, json!({})));
        assert_eq!(played(&mut engine, MS(60_000)), ["a", "offer"]);
        engine.asked(7, MS(60_000), &request("b", "calling.answer", call()));
        // The request on this connection gets no response.
        assert_eq!(played(&mut engine, MS(60_000)), ["cut 7"]);
        engine.closed(7);
        assert!(played(&mut engine, MS(90_000)).is_empty());
        engine.asked(8, MS(90_000), &request("d", CONNECT, json!({})));
        assert_eq!(played(&mut engine, MS(90_499)), ["d"]);
        assert_eq!(played(&mut engine, MS(90_500)), ["ended"]);
        assert!(engine.is_over() && engine.differences().is_empty());
    }
}
