//! `dials.jsonl`: what becomes of a dial.

use serde_json::{Value, json};
use signalwire_relay::{Call, Client, ErrorKind, Result};

use super::actions::refused;
use super::deviations::{self, Rule};
use super::json::{name, relay_error, rows, same};
use super::verbs::{Args, Way, dialled};
use super::wire::{Answers, Link, Running, Wire, running};

const ROWS: &str = include_str!("../wire/dials.jsonl");

/// The frames of a step.
fn frames(link: &Link, request: &Value, step: &Value) -> Vec<Value> {
    if let Some(steps) = step["together"].as_array() {
        return steps.iter().flat_map(|step| frames(link, request, step)).collect();
    }
    if !step["event"].is_null() {
        return vec![link.event(&step["event"])];
    }
    assert!(!step["reply"].is_null(), "a step that is not known: {step}");
    vec![link.answer(request, &step["reply"])]
}

/// Whether a frame tells that the dial with this tag was answered.
fn is_answer(frame: &Value, tag: &Value) -> bool {
    let event = &frame["params"];
    event["event_type"] == "calling.call.dial"
        && event["params"]["dial_state"] == "answered"
        && event["params"]["tag"] == *tag
}

/// Compares with what was recorded after a step.
fn compare(
    start: &Running<Result<Call>>,
    recorded: &Value,
    answered: bool,
) -> std::result::Result<Option<Rule>, String> {
    if recorded["returned"] == false {
        // A client may return as soon as the answer has come.
        return match start.peek() {
            Some(early) if !answered => Err(format!("it has returned: {early:?}")),
            _ => Ok(None),
        };
    }
    match (start.get(), recorded["state"].as_str()) {
        (Ok(call), Some(state)) if call.state() == state => Ok(None),
        (Ok(call), Some("created" | "ringing")) if call.state() == "answered" && answered => {
            Ok(Some(Rule::AnsweredIsAnswered))
        }
        (Err(_), None) => Ok(None),
        (outcome, state) => Err(format!("{outcome:?}, recorded {state:?}")),
    }
}

fn end(client: &Client, start: &Running<Result<Call>>, row: &Value) -> std::result::Result<(), String> {
    let outcome = row["outcome"].as_str().unwrap();
    if outcome == "pending" {
        return match start.peek() {
            Some(early) => Err(format!("{early:?}, recorded nothing")),
            None => Ok(()),
        };
    }
    let call = match (start.get(), outcome) {
        (Ok(call), "call") => call,
        (Err(error), recorded) if recorded != "call" => {
            // What the reference finds out itself has code -1 and words of its own.
            return match relay_error(recorded) {
                (-1, _) if error.kind() == ErrorKind::DialFailed && error.code().is_none() => Ok(()),
                _ => refused(error, recorded).map(drop),
            };
        }
        (outcome, recorded) => return Err(format!("{outcome:?}, recorded {recorded}")),
    };
    let ours = json!({
        "call_id": call.id(), "node_id": call.node_id(), "tag": call.tag(), "direction": call.direction(),
        "device": {"type": call.device().kind(), "params": call.device().params()}, "state": call.state(),
        "project_id": call.project_id(), "segment_id": call.segment_id(),
    });
    if !same(&ours, &row["call"]) {
        return Err(format!("{ours}, recorded {}", row["call"]));
    }
    // It can be talked to.
    call.hangup().map_err(|error| error.to_string())?;
    assert_eq!((client.stats().connections, client.stats().panics, client.stats().dials), (1, 0, 0));
    Ok(())
}

#[test]
fn dials_go_as_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
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
        let mut answered = false;
        for (step, recorded) in row["steps"].as_array().unwrap().iter().zip(row["after"].as_array().unwrap()) {
            let frames = frames(&link, &request, step);
            answered |= frames.iter().any(|frame| is_answer(frame, &tag));
            link.send_together(&frames);
            link.handled();
            match compare(&start, recorded, answered) {
                Ok(None) => {}
                Ok(Some(rule)) => seen.note(row, rule),
                Err(why) => seen.fail(row, &why),
            }
        }
        if let Err(why) = end(&client, &start, row) {
            seen.fail(row, &why);
        }
        client.disconnect();
        assert!(row["outcome"] != "pending" || start.get().is_err(), "{}: it ends with its client", name(row));
    }
    assert_eq!(rows.len(), 12);
    seen.done(deviations::DIALS);
}
