//! `actions.jsonl`: when operations end.
//!
//! An operation has a handle once its start has returned, and not before: what a row records of the time before that
//! cannot be asked, and is looked at afterwards.

use serde_json::{Value, json};
use signalwire_relay::{Client, Error, ErrorKind, Result};

use super::deviations::{self, Rule};
use super::json::{name, relay_error, rows};
use super::verbs::{Args, Outcome, Started, Way, call_method};
use super::wire::{Answers, Count, LONG, Link, Running, Wire, running};

const ROWS: &str = include_str!("../wire/actions.jsonl");

/// A row while it is played.
struct Play<'a> {
    row: &'a Value,
    link: &'a Link,
    /// The request that starts the operation; absent when nothing was sent.
    request: Option<Value>,
    start: Running<Option<Result<Outcome>>>,
    callbacks: Count,
    counting: bool,
    other: Option<Box<dyn Started>>,
}

impl Play<'_> {
    fn frames(&self, step: &Value) -> Vec<Value> {
        if let Some(steps) = step["together"].as_array() {
            return steps.iter().flat_map(|step| self.frames(step)).collect();
        }
        if !step["event"].is_null() {
            return vec![self.link.event(&step["event"])];
        }
        assert!(!step["reply"].is_null(), "a step that is not known: {step}");
        vec![self.link.answer(self.request.as_ref().expect("a request to answer"), &step["reply"])]
    }

    /// Compares with what was recorded after a step; an error says what differs.
    fn compare(&mut self, recorded: &Value) -> std::result::Result<Option<Rule>, String> {
        if let Some(other) = recorded["other_is_done"].as_bool() {
            assert_eq!(self.other.as_ref().map(|other| other.is_done()), Some(other));
        }
        if recorded["started"] == false {
            return if self.start.peek().is_none() { Ok(None) } else { Err("it has started".into()) };
        }
        let start_result = self.row["start_result"].as_str().unwrap();
        let outcome = match self.start.get() {
            None => return Err("no such method".into()),
            Some(Ok(Outcome::Started(action))) => action,
            Some(Ok(_)) => return Err("nothing was started".into()),
            Some(Err(error)) => return refused(error, start_result),
        };
        if start_result != "ok" {
            return Err(format!("started; recorded {start_result}"));
        }
        if recorded["is_done"] != recorded["completed"] {
            return Err("done and not completed is for starts that failed".into());
        }
        if !self.counting {
            self.counting = true;
            outcome.count_completions(self.callbacks.clone());
        }
        let ended = outcome.result();
        if recorded["is_done"] != outcome.is_done() || ended.is_some() != outcome.is_done() {
            return Err(format!("done: {}, recorded {}", outcome.is_done(), recorded["is_done"]));
        }
        match (&recorded["result"], &ended) {
            (Value::Null, None) => {}
            // A typed client ends with an error of its own.
            (Value::String(gone), Some(Err(error))) if gone == "gone" && error.is_call_gone() => {}
            (Value::Number(index), Some(Ok((kind, payload)))) => {
                let event = &self.row["events"][index.as_u64().unwrap() as usize];
                if event["event_type"] != *kind || event["params"] != *payload {
                    return Err(format!("ended by {kind} {payload}, recorded {event}"));
                }
            }
            (recorded, ended) => return Err(format!("ended {ended:?}, recorded {recorded}")),
        }
        if let Some(ended) = ended {
            let again = outcome.wait(LONG);
            assert_eq!(again.map_err(|error| error.kind()), ended.map_err(|error| error.kind()));
        }
        let recorded_callbacks = recorded["callbacks"].as_u64().unwrap();
        if outcome.is_done() && recorded_callbacks == 0 {
            self.callbacks.await_number(1, name(self.row));
            return Ok(Some(Rule::CallbackOfWhatIsOver));
        }
        self.callbacks.await_number(recorded_callbacks, name(self.row));
        Ok(None)
    }
}

/// Compares a start that failed with what was recorded of it.
pub fn refused(error: &Error, recorded: &str) -> std::result::Result<Option<Rule>, String> {
    if recorded == "ok" {
        return Err(format!("{error:?}, recorded a start"));
    }
    let (code, message) = relay_error(recorded);
    // A service in trouble may have done what acts outside of a call: the code is the same, the kind says more.
    let open = code == 500 && matches!(error.method(), Some("calling.pay" | "messaging.send"));
    let kind = if open { ErrorKind::OutcomeUnknown } else { ErrorKind::Rejected };
    if error.kind() == kind && (error.code(), error.server_message()) == (Some(code), Some(message)) {
        Ok(None)
    } else {
        Err(format!("{error:?}, recorded {recorded}"))
    }
}

fn play(client: &Client, link: &Link, row: &Value, seen: &mut deviations::Seen) {
    let of_call = |key: &str| row["call"][key].as_str().unwrap();
    let call = link.offer(client, of_call("call_id"), of_call("node_id"), of_call("state"));
    let sends = of_call("state") != "ended";
    link.set_answers(Answers::Held);
    let start = {
        let (call, start) = (call.clone(), row["start"].clone());
        let args = move || Args::new(&start["args"], &start["extra"], Way::Typed);
        let method = row["start"]["method_py"].as_str().unwrap().to_owned();
        running(move || call_method(&call, &method, args()))
    };
    let request = sends.then(|| link.request());
    link.set_answers(Answers::Ok);
    let mut play = Play { row, link, request, start, callbacks: Count::default(), counting: false, other: None };
    let also = &row["also_started"];
    if let Some(method) = also["method_py"].as_str() {
        let Some(Ok(Outcome::Started(other))) =
            call_method(&call, method, Args::new(&also["args"], &Value::Null, Way::Typed))
        else {
            panic!("{}: a second operation", name(row))
        };
        play.other = Some(other);
    }
    let free_from = row["free_from_step"].as_u64().unwrap_or(u64::MAX);
    let mut states = vec![(None, &row["before"])];
    states.extend(row["steps"].as_array().unwrap().iter().map(Some).zip(row["after"].as_array().unwrap()));
    for (number, (step, recorded)) in states.into_iter().enumerate() {
        if let Some(step) = step {
            link.send_together(&play.frames(step));
            link.handled();
        }
        // The first of the states is the one before the steps.
        if number as u64 > free_from {
            continue;
        }
        match play.compare(recorded) {
            Ok(None) => {}
            Ok(Some(rule)) => seen.note(row, rule),
            Err(why) => {
                seen.fail(row, &format!("state {number}: {why}"));
                break;
            }
        }
    }
    // Whatever was free, nothing is broken, and no wait lasts longer than the call.
    link.send(&link.event(&json!({"event_type": "calling.call.state", "params": {
        "call_id": of_call("call_id"), "node_id": of_call("node_id"), "call_state": "ended", "end_reason": "hangup",
    }})));
    link.handled();
    if let Some(Ok(Outcome::Started(action))) = play.start.get() {
        if let Err(error) = action.wait(LONG) {
            assert!(error.is_call_gone(), "{}: {error:?}", name(row));
        }
        assert!(action.is_done());
    }
    assert_eq!((client.stats().connections, client.stats().panics), (1, 0), "{}", name(row));
}

#[test]
fn operations_end_as_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
        // What waits past the end of its call does not wait for long here.
        let (client, link) = wire.connect(wire.builder().end_grace(std::time::Duration::from_millis(50)));
        play(&client, &link, row, &mut seen);
        client.disconnect();
    }
    assert_eq!(rows.len(), 199);
    seen.done(deviations::ACTIONS);
}
