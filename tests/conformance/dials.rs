//! `dials.jsonl`: the outcomes of dials.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signalwire_relay::{Error, ErrorKind};

use super::actions::{frames, refused};
use super::deviations::{self, Rule, Verdict};
use super::json::{members, relay_error, rows, same};
use super::mutations::Case;
use super::verbs::{Args, Way, dialled};
use super::wire::{Answers, Wire, running};

const ROWS: &str = include_str!("../wire/dials.jsonl");

/// The columns that say what the client does.
const COLUMNS: &[&str] = &["after", "outcome", "call"];

/// `true` if a frame reports that the dial with this tag was answered.
fn is_answer(frame: &Value, tag: &Value) -> bool {
    let event = &frame["params"];
    event["event_type"] == "calling.call.dial"
        && event["params"]["dial_state"] == "answered"
        && event["params"]["tag"] == *tag
}

/// The observations of a row.
struct Observed {
    tag: Value,
    /// Whether the answer had been sent, and the state of the call that was returned, by step.
    looks: Vec<(bool, Option<String>)>,
    /// The step after which the dial returned; `None` for one that ended only with its client.
    returned_in: Option<usize>,
    /// The call in the end, or why there is none.
    outcome: Result<Value, Error>,
    broken: Vec<String>,
}

fn observe(wire: &Wire, row: &Value) -> Observed {
    let (client, link) = wire.client();
    link.set_answers(Answers::Held);
    assert_eq!(row["start"]["method_py"], "dial");
    let start = {
        let (client, args) = (client.clone(), row["start"]["args"].clone());
        // The limit is the same dial's in the reference; here the steps decide, not the time.
        running(move || client.dial(dialled(Args::new(&args, &Value::Null, Way::Typed))))
    };
    let request = link.request();
    let tag = request["params"]["tag"].clone();
    link.set_answers(Answers::Ok);
    let (mut looks, mut answered, mut broken) = (Vec::new(), false, Vec::new());
    let steps = row["steps"].as_array().unwrap();
    for (number, (step, recorded)) in steps.iter().zip(row["after"].as_array().unwrap()).enumerate() {
        start.enter(number);
        let frames = frames(&link, Some(&request), step);
        answered |= frames.iter().any(|frame| is_answer(frame, &tag));
        link.send_together(&frames);
        link.handled();
        if recorded["returned"] == true {
            let _ = start.get();
        }
        looks.push((answered, start.peek().and_then(|call| Some(call.as_ref().ok()?.state().to_string()))));
    }
    start.enter(usize::MAX);
    if row["outcome"] == "pending" {
        // The dial ends with its client, and not before.
        client.disconnect();
    }
    let outcome = match start.get() {
        Ok(call) => Ok(json!({
            "call_id": call.id(), "node_id": call.node_id(), "tag": call.tag(), "direction": call.direction(),
            "device": {"type": call.device().kind(), "params": call.device().params()}, "state": call.state(),
            "project_id": call.project_id(), "segment_id": call.segment_id(),
        })),
        Err(error) => Err(error.clone()),
    };
    if let Ok(call) = start.get() {
        // The call can be used.
        if let Err(error) = call.hangup() {
            broken.push(format!("the call that was returned: {error:?}"));
        }
        let stats = client.stats();
        if (stats.connections, stats.panics, stats.dials) != (1, 0, 0) {
            broken.push(format!("{} connections, {} panics, {} dials", stats.connections, stats.panics, stats.dials));
        }
    }
    client.disconnect();
    Observed { tag, looks, returned_in: start.returned_in().filter(|step| *step != usize::MAX), outcome, broken }
}

/// Compares the outcome in the end.
fn judge_outcome(row: &Value, observed: &Observed) -> Result<(), String> {
    let recorded = row["outcome"].as_str().unwrap_or_default();
    match (&observed.outcome, observed.returned_in) {
        (_, None) if recorded == "pending" && row["call"].is_null() => Ok(()),
        (Ok(ours), Some(_)) if recorded == "call" && same(ours, &row["call"]) => Ok(()),
        (Err(error), Some(_)) if row["call"].is_null() => {
            // Errors that the reference detects itself have code -1 and a message of its own.
            let words = format!("Dial failed (tag={})", observed.tag.as_str().unwrap_or_default());
            match relay_error(recorded) {
                Some((-1, told))
                    if told == words && error.kind() == ErrorKind::DialFailed && error.code().is_none() =>
                {
                    Ok(())
                }
                _ => refused(error, recorded),
            }
        }
        (ours, step) => Err(format!("{ours:?} after step {step:?}, recorded {recorded}, {}", row["call"])),
    }
}

/// Compares what was seen with what was recorded.
fn judge(row: &Value, observed: &Observed) -> Verdict {
    if let Some(broken) = observed.broken.first() {
        return Err(broken.clone());
    }
    let mut rules = BTreeSet::new();
    let after = row["after"].as_array().ok_or("no steps")?;
    if after.len() != observed.looks.len() {
        return Err(format!("{} steps, recorded {}", observed.looks.len(), after.len()));
    }
    for (number, (recorded, (answered, state))) in after.iter().zip(&observed.looks).enumerate() {
        let has_returned = observed.returned_in.is_some_and(|step| step <= number);
        let differs = || Err(format!("step {number}: returned {has_returned}, {state:?}, recorded {recorded}"));
        if members(recorded).keys().any(|key| !["returned", "state", "tracked_calls"].contains(&key.as_str())) {
            return differs();
        }
        match (&recorded["returned"], recorded.get("state")) {
            // A client may return as soon as the answer has come.
            (Value::Bool(false), None) if !has_returned || *answered => {}
            (Value::Bool(true), theirs) if has_returned => match (state.as_deref(), theirs.and_then(Value::as_str)) {
                (None, None) if theirs.is_none() => {}
                (Some(ours), Some(theirs)) if ours == theirs => {}
                (Some("answered"), Some("created" | "ringing")) if *answered => {
                    rules.insert(Rule::AnsweredIsAnswered);
                }
                _ => return differs(),
            },
            _ => return differs(),
        }
    }
    judge_outcome(row, observed)?;
    Ok(rules)
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 12);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let observed = observe(&wire, &row);
            Case::new(row, COLUMNS, deviations::DIALS, move |row| judge(row, &observed))
        })
        .collect()
}

#[test]
fn dials_go_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::DIALS);
}
