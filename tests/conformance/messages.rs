//! `messages.jsonl`: the outcomes of sent messages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use signalwire_relay::{Error, ErrorKind, Message, Result};

use super::actions::{frames, refused, sent_in};
use super::deviations::{self, Rule, Verdict};
use super::json::{rows, same};
use super::mutations::Case;
use super::verbs::{Args, Way, message};
use super::wire::{Answers, Count, LONG, Wire, running};

const ROWS: &str = include_str!("../wire/messages.jsonl");

/// The columns that say what the client does.
const COLUMNS: &[&str] = &["class", "after", "start_result", "message", "resolved_at_step"];

/// The observed state of a message after a step.
struct Look {
    state: String,
    reason: String,
    is_done: bool,
    /// The payload of the event that it ended with, or the kind of the error.
    end: Option<std::result::Result<Value, ErrorKind>>,
    callbacks: u64,
    listener_calls: u64,
}

/// The observations of a row.
struct Observed {
    /// By step; `None` where there was no message.
    looks: Vec<Option<Look>>,
    sent_in: usize,
    /// The message in the end, or why it could not be sent.
    start: std::result::Result<Value, Error>,
    /// The payloads that the listener was called with.
    heard: Vec<Value>,
    broken: Vec<String>,
}

fn look(message: &Message, broken: &mut Vec<String>) -> Look {
    let end = |ended: Result<signalwire_relay::events::MessageStateEvent>| match ended {
        Ok(event) => Ok(event.raw.value()),
        Err(error) => Err(error.kind()),
    };
    let (is_done, ended) = (message.is_done(), message.result().map(end));
    if let Some(ended) = &ended {
        let again = end(message.wait(LONG));
        if again != *ended {
            broken.push(format!("ended {ended:?}, and a wait gives {again:?}"));
        }
    }
    let reason = message.reason().unwrap_or_default();
    Look { state: message.state().to_string(), reason, is_done, end: ended, callbacks: 0, listener_calls: 0 }
}

fn observe(wire: &Wire, row: &Value) -> Observed {
    let (client, link) = wire.client();
    link.set_answers(Answers::Held);
    assert_eq!(row["start"]["method_py"], "send_message");
    let start = {
        let (client, args) = (client.clone(), row["start"]["args"].clone());
        running(move || client.send_message(message(Args::new(&args, &Value::Null, Way::Typed))))
    };
    let request = link.request();
    link.set_answers(Answers::Ok);
    let (callbacks, listener_calls, heard) = (Count::default(), Count::default(), Arc::new(Mutex::new(Vec::new())));
    let (mut looks, mut broken, mut counting) = (Vec::new(), Vec::new(), false);
    let loses = row["python_loses_events"] == true;
    let steps = row["steps"].as_array().unwrap();
    for (number, (step, recorded)) in steps.iter().zip(row["after"].as_array().unwrap()).enumerate() {
        start.enter(number);
        link.send_together(&frames(&link, Some(&request), step));
        link.handled();
        let message = (recorded["started"] == true).then(|| start.get().as_ref().ok()).flatten();
        looks.push(message.map(|message| {
            if !counting {
                counting = true;
                let (count, all) = (listener_calls.clone(), Arc::clone(&heard));
                message.on(move |event| {
                    all.lock().unwrap_or_else(PoisonError::into_inner).push(event.raw.value());
                    count.add();
                });
                let count = callbacks.clone();
                message.on_completed(move |_| count.add());
            }
            let mut look = look(message, &mut broken);
            // Where the reference has lost events, what it counted is no number to wait for.
            let number = |key: &str| recorded[key].as_u64().filter(|_| !loses && !message.id().is_empty()).unwrap_or(0);
            look.listener_calls = listener_calls.reach(number("listener_calls"));
            look.callbacks = callbacks.reach(number("callbacks").max(look.is_done.into()));
            look
        }));
    }
    let start_outcome = match start.get() {
        Err(error) => Err(error.clone()),
        Ok(message) => {
            let ours = json!({
                "message_id": message.id(), "context": message.context(), "direction": message.direction(),
                "from_number": message.from_number(), "to_number": message.to_number(), "body": message.body(),
                "media": message.media(), "segments": message.segments(), "tags": message.tags(),
            });
            let stats = client.stats();
            if (stats.connections, stats.panics) != (1, 0) {
                broken.push(format!("{} connections, {} panics", stats.connections, stats.panics));
            }
            // This callback comes behind every listener's call, so that one too many has been counted by then.
            let last = Count::default();
            let count = last.clone();
            message.on_completed(move |_| count.add());
            client.disconnect();
            last.await_number(1, "the callback at the end");
            Ok(ours)
        }
    };
    client.disconnect();
    let sent_in = start.returned_in().unwrap_or(usize::MAX);
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Observed { looks, sent_in, start: start_outcome, heard, broken }
}

fn state_of(event: &Value) -> &str {
    event["params"]["message_state"].as_str().unwrap_or_default()
}

/// The index of the event that ends a message: the first with a state that is the end.
fn end_of(events: &[Value]) -> Option<usize> {
    events.iter().position(|event| ["delivered", "undelivered", "failed"].contains(&state_of(event)))
}

/// Checks a client that loses no event, where the reference loses some: after each step it has the state of the last
/// event, up to the end, and its listener receives the later events in order.
fn has_all(row: &Value, observed: &Observed) -> std::result::Result<(), String> {
    let events = row["events"].as_array().ok_or("no events")?;
    let sent_in = sent_in(row);
    let end = end_of(events);
    for (number, look) in observed.looks.iter().enumerate() {
        let Some(look) = look else { continue };
        let sent =
            sent_in.iter().filter(|state| **state <= number + 1).count().min(end.map_or(usize::MAX, |end| end + 1));
        let state = if sent == 0 { "queued" } else { state_of(&events[sent - 1]) };
        let ended = end.filter(|end| sent > *end);
        let payload = ended.map(|end| Ok(events[end]["params"].clone()));
        if look.state != state || look.is_done != ended.is_some() || look.end != payload {
            return Err(format!("step {number}: {} done: {}, of {events:?}", look.state, look.is_done));
        }
    }
    let last = end.map_or(events.len(), |end| end + 1);
    let expected: Vec<&Value> = events[..last].iter().map(|event| &event["params"]).collect();
    // Events from before the listener was registered are only visible in the state.
    let first_look = observed.looks.iter().position(Option::is_some).map_or(usize::MAX, |step| step + 1);
    let early = sent_in.iter().take(last).filter(|state| **state <= first_look).count();
    if expected[early..] != observed.heard.iter().collect::<Vec<_>>()[..] {
        return Err(format!("heard {:?} of {events:?}", observed.heard));
    }
    Ok(())
}

/// The state of a message in the words of a row.
fn told(row: &Value, look: &Look) -> std::result::Result<Value, String> {
    let result = match &look.end {
        None => Value::Null,
        Some(Ok(payload)) => {
            let index = row["events"].as_array().into_iter().flatten().position(|event| event["params"] == *payload);
            index.ok_or_else(|| format!("ended by {payload}, which was never sent"))?.into()
        }
        Some(Err(kind)) => return Err(format!("ended by an error: {kind:?}")),
    };
    Ok(json!({
        "started": true, "state": look.state, "reason": look.reason, "is_done": look.is_done, "result": result,
        "callbacks": look.callbacks, "listener_calls": look.listener_calls,
    }))
}

/// Compares what was seen with what was recorded.
fn judge(row: &Value, observed: &Observed) -> Verdict {
    if let Some(broken) = observed.broken.first() {
        return Err(broken.clone());
    }
    let mut rules = BTreeSet::new();
    let after = row["after"].as_array().ok_or("no steps")?;
    if after.len() != observed.looks.len() || row["class"] != "Message" {
        return Err(format!("a Message of {} steps, recorded {} {}", observed.looks.len(), row["class"], after.len()));
    }
    let start_result = row["start_result"].as_str().unwrap_or_default();
    let has_id = match &observed.start {
        Ok(message) if start_result == "ok" => message["message_id"] != "",
        Ok(_) => return Err(format!("sent; recorded {start_result}")),
        Err(error) => {
            refused(error, start_result)?;
            false
        }
    };
    let loses = row["python_loses_events"] == true;
    for (number, (recorded, look)) in after.iter().zip(&observed.looks).enumerate() {
        let is_sent = observed.sent_in <= number;
        if recorded["started"] != is_sent {
            return Err(format!("step {number}: sent {is_sent}, recorded {recorded}"));
        }
        let ours = match look {
            _ if !is_sent => json!({"started": false}),
            // From here on the row shows what the reference has lost.
            Some(_) if loses => continue,
            Some(look) if !has_id => {
                // A message without an ID can never have events.
                if look.end != Some(Err(ErrorKind::Protocol)) {
                    return Err(format!("step {number}: without an id, {:?}", look.end));
                }
                rules.insert(Rule::NoMessageWithoutId);
                json!({"started": true, "state": "queued", "reason": "", "is_done": false, "result": null,
                    "callbacks": 0, "listener_calls": 0})
            }
            Some(look) => told(row, look)?,
            // The message could not be sent, so there is nothing to observe.
            None => json!({"started": true}),
        };
        if !same(&ours, recorded) {
            return Err(format!("step {number}: {ours}, recorded {recorded}"));
        }
    }
    let Ok(message) = &observed.start else { return Ok(rules) };
    let first_done = observed.looks.iter().position(|look| {
        look.as_ref().is_some_and(|look| look.is_done && look.end.as_ref().is_some_and(std::result::Result::is_ok))
    });
    if loses {
        has_all(row, observed)?;
    } else {
        let last = observed.looks.iter().flatten().last().map_or(0, |look| look.listener_calls);
        if observed.heard.len() as u64 != last {
            return Err(format!(
                "the listener was called {} times in the end, {last} by the steps",
                observed.heard.len()
            ));
        }
        let step = first_done.map_or(Value::Null, Value::from);
        if !same(&step, &row["resolved_at_step"]) {
            return Err(format!("ended in step {step}, recorded {}", row["resolved_at_step"]));
        }
    }
    let mut ours = message.clone();
    let told =
        row["events"].as_array().into_iter().flatten().rev().find_map(|event| event["params"]["segments"].as_i64());
    if told.is_some_and(|told| told != 0 && ours["segments"] == told) {
        rules.insert(Rule::SegmentsAreTold);
        ours["segments"] = 0.into();
    }
    if !same(&ours, &row["message"]) {
        return Err(format!("{ours}, recorded {}", row["message"]));
    }
    Ok(rules)
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 20);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let observed = observe(&wire, &row);
            Case::new(row, COLUMNS, deviations::MESSAGES, move |row| judge(row, &observed))
        })
        .collect()
}

#[test]
fn messages_live_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::MESSAGES);
}
