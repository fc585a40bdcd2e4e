//! `actions.jsonl`: the ends of operations.
//!
//! An operation has a handle only after its start has returned. A state that a row records before that time cannot be
//! read, and follows from the later ones.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signalwire_relay::events::parse_event;
use signalwire_relay::{Client, Error, ErrorKind, Result};

use super::deviations::{self, Rule, Verdict};
use super::events::class;
use super::json::{relay_error, rows, same};
use super::mutations::Case;
use super::verbs::{Args, Outcome, Started, Way, call_method};
use super::wire::{Answers, Count, LONG, Link, Running, Wire, running};

const ROWS: &str = include_str!("../wire/actions.jsonl");

/// The columns that say what the client does.
const COLUMNS: &[&str] = &["class", "before", "after", "resolved_at_step", "result_class", "start_result"];

/// The frames of a step, one of which is the response to `request`.
pub fn frames(link: &Link, request: Option<&Value>, step: &Value) -> Vec<Value> {
    if let Some(steps) = step["together"].as_array() {
        return steps.iter().flat_map(|step| frames(link, request, step)).collect();
    }
    if !step["event"].is_null() {
        return vec![link.event(&step["event"])];
    }
    assert!(!step["reply"].is_null(), "a step that is not known: {step}");
    vec![link.answer(request.expect("a request to answer"), &step["reply"])]
}

/// The number of events in a step.
pub fn number_of_events(step: &Value) -> usize {
    match step["together"].as_array() {
        Some(steps) => steps.iter().map(number_of_events).sum(),
        None => usize::from(!step["event"].is_null()),
    }
}

/// The state in which each event of a row is sent: the one before the steps is 0.
pub fn sent_in(row: &Value) -> Vec<usize> {
    let steps = row["steps"].as_array().into_iter().flatten();
    steps.enumerate().flat_map(|(step, what)| vec![step + 1; number_of_events(what)]).collect()
}

/// The end of an operation: with an event, because its call has ended, or with another error.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Event(String, Value),
    Gone,
    Error(ErrorKind),
}

fn end(ended: Result<(String, Value)>) -> End {
    match ended {
        Ok((kind, payload)) => End::Event(kind, payload),
        Err(error) if error.is_call_gone() => End::Gone,
        Err(error) => End::Error(error.kind()),
    }
}

/// The observed state of an operation.
#[derive(Default)]
struct Look {
    is_done: bool,
    end: Option<End>,
    callbacks: u64,
}

/// The observations of a row.
struct Observed {
    /// By state. `None` where the operation had no handle, or the row leaves the state free.
    looks: Vec<Option<Look>>,
    /// Whether the second operation of the row is done, by state.
    others: Vec<Option<bool>>,
    started_in: usize,
    /// The class of the operation, or why its start failed.
    start: std::result::Result<&'static str, Error>,
    /// The rules that hold for every row, and are broken.
    broken: Vec<String>,
}

/// The last state that a row does not leave free.
fn last_bound(row: &Value) -> usize {
    row["free_from_step"].as_u64().map_or(usize::MAX, |step| step as usize)
}

/// Compares a start that failed with what was recorded of it.
pub fn refused(error: &Error, recorded: &str) -> std::result::Result<(), String> {
    let told = relay_error(recorded).map(|(code, message)| (Some(code), Some(message)));
    // A service in trouble may have done what acts outside of a call: the code is the same, the kind says more.
    let is_open = error.code() == Some(500) && matches!(error.method(), Some("calling.pay" | "messaging.send"));
    let kind = if is_open { ErrorKind::OutcomeUnknown } else { ErrorKind::Rejected };
    if error.kind() == kind && told == Some((error.code(), error.server_message())) {
        Ok(())
    } else {
        Err(format!("{error:?}, recorded {recorded}"))
    }
}

fn look(action: &dyn Started, callbacks: &Count, recorded: &Value, broken: &mut Vec<String>) -> Look {
    let ended = action.result().map(end);
    let is_done = action.is_done();
    if ended.is_some() != is_done {
        broken.push(format!("done {is_done}, ended {ended:?}"));
    }
    if let Some(ended) = &ended {
        let again = end(action.wait(LONG));
        if again != *ended {
            broken.push(format!("ended {ended:?}, and a wait gives {again:?}"));
        }
    }
    let expected = recorded["callbacks"].as_u64().unwrap_or(0).max(u64::from(is_done));
    Look { is_done, end: ended, callbacks: callbacks.reach(expected) }
}

fn observe(wire: &Wire, row: &Value) -> Observed {
    // Waits that continue after the end of their call are short here.
    let (client, link) =
        wire.connect(wire.builder().tuning(|t| t.final_event_grace(std::time::Duration::from_millis(50))));
    let observed = play(&client, &link, row);
    client.disconnect();
    observed
}

fn play(client: &Client, link: &Link, row: &Value) -> Observed {
    let of_call = |key: &str| row["call"][key].as_str().unwrap();
    let call = link.offer(client, of_call("call_id"), of_call("node_id"), of_call("state"));
    let sends = of_call("state") != "ended";
    link.set_answers(Answers::Held);
    let start: Running<Option<Result<Outcome>>> = {
        let (call, start) = (call.clone(), row["start"].clone());
        let args = move || Args::new(&start["args"], &start["extra"], Way::Typed);
        let method = row["start"]["method_py"].as_str().unwrap().to_owned();
        running(move || call_method(&call, &method, args()))
    };
    let request = sends.then(|| link.request());
    link.set_answers(Answers::Ok);
    let also = &row["also_started"];
    let other = also["method_py"].as_str().map(|method| {
        match call_method(&call, method, Args::new(&also["args"], &Value::Null, Way::Typed)) {
            Some(Ok(Outcome::Started(other))) => other,
            _ => panic!("a second operation: {also}"),
        }
    });
    let (mut broken, mut others) = (Vec::new(), Vec::new());
    let (mut looks, callbacks, mut counting) = (Vec::new(), Count::default(), false);
    let mut states = vec![(None, &row["before"])];
    states.extend(row["steps"].as_array().unwrap().iter().map(Some).zip(row["after"].as_array().unwrap()));
    for (number, (step, recorded)) in states.into_iter().enumerate() {
        start.enter(number);
        if let Some(step) = step {
            link.send_together(&frames(link, request.as_ref(), step));
            link.handled();
        }
        others.push(other.as_ref().map(|other| other.is_done()));
        if number > last_bound(row) || recorded["started"] != true {
            looks.push(None);
            continue;
        }
        let Some(Ok(Outcome::Started(action))) = start.get() else {
            looks.push(None);
            continue;
        };
        if !counting {
            counting = true;
            action.count_completions(callbacks.clone());
        }
        looks.push(Some(look(action.as_ref(), &callbacks, recorded, &mut broken)));
    }
    // Whatever was free, nothing is broken, and no wait lasts longer than the call.
    link.send(&link.event(&json!({"event_type": "calling.call.state", "params": {
        "call_id": of_call("call_id"), "node_id": of_call("node_id"), "call_state": "ended", "end_reason": "hangup",
    }})));
    link.handled();
    let outcome = start.get();
    let started_in = start.returned_in().unwrap_or(usize::MAX);
    if let Some(Ok(Outcome::Started(action))) = outcome {
        match action.wait(LONG) {
            Err(error) if !error.is_call_gone() => broken.push(format!("at the end of the call: {error:?}")),
            _ if !action.is_done() => broken.push("not done at the end of the call".into()),
            _ => {}
        }
    }
    let (connections, panics) = (client.stats().connections, client.stats().panics);
    if (connections, panics) != (1, 0) {
        broken.push(format!("{connections} connections, {panics} panics"));
    }
    let start = match outcome {
        Some(Ok(Outcome::Started(action))) => Ok(action.class()),
        Some(Err(error)) => Err(error.clone()),
        _ => panic!("a start: {row}"),
    };
    Observed { looks, others, started_in, start, broken }
}

/// The event that an operation ended with, as an index: of equal ones, the one that was sent in the state in which the
/// operation was first seen to be done.
fn index_of(row: &Value, kind: &str, payload: &Value, done_in: usize) -> Option<usize> {
    let is_it = |event: &Value| event["event_type"] == kind && event["params"] == *payload;
    let events = row["events"].as_array()?;
    let equal = || events.iter().enumerate().filter(|(_, event)| is_it(event)).map(|(index, _)| index);
    let sent_in = sent_in(row);
    equal().find(|index| sent_in.get(*index) == Some(&done_in)).or_else(|| equal().next())
}

/// A state in the words of a row.
fn told(row: &Value, observed: &Observed, number: usize, done_in: usize) -> std::result::Result<Value, String> {
    let is_started = observed.started_in <= number;
    let state = |is_done: bool, result: Value, callbacks: u64| {
        let mut state = json!({
            "is_done": is_done, "completed": is_done, "result": result, "started": is_started, "callbacks": callbacks,
        });
        if let Some(other) = observed.others[number] {
            state["other_is_done"] = other.into();
        }
        state
    };
    let first = observed.looks.iter().flatten().next();
    let Some(look) = observed.looks[number].as_ref().filter(|_| is_started).or(first) else {
        return Ok(state(false, Value::Null, 0));
    };
    let result = match &look.end {
        None => Value::Null,
        // A typed client ends with an error of its own.
        Some(End::Gone) => "gone".into(),
        Some(End::Event(kind, payload)) => match index_of(row, kind, payload, done_in) {
            Some(index) => index.into(),
            None => return Err(format!("ended by {kind} {payload}, which was never sent")),
        },
        Some(End::Error(kind)) => return Err(format!("ended by an error: {kind:?}")),
    };
    if !is_started {
        // There is no handle yet. That the first look finds an end whose event was sent by now is all that there is.
        let index = result.as_u64().map(|index| index as usize);
        let is_done = index.is_some_and(|index| sent_in(row).get(index).is_some_and(|sent| *sent <= number));
        return Ok(state(is_done, if is_done { result } else { Value::Null }, u64::from(is_done)));
    }
    Ok(state(look.is_done, result, look.callbacks))
}

/// Compares what was seen with what was recorded.
fn judge(row: &Value, observed: &Observed) -> Verdict {
    let mut rules = BTreeSet::new();
    if let Some(broken) = observed.broken.first() {
        return Err(broken.clone());
    }
    let recorded_start = row["start_result"].as_str().unwrap_or_default();
    let recorded: Vec<&Value> =
        std::iter::once(&row["before"]).chain(row["after"].as_array().into_iter().flatten()).collect();
    if recorded.len() != observed.looks.len() {
        return Err(format!("{} states, recorded {}", observed.looks.len(), recorded.len()));
    }
    let bound = || recorded.iter().enumerate().take_while(|(number, _)| *number <= last_bound(row));
    match &observed.start {
        Err(error) => {
            refused(error, recorded_start)?;
            for (number, state) in bound() {
                if state["started"] != (observed.started_in <= number) {
                    return Err(format!("state {number}: returned in {}, recorded {state}", observed.started_in));
                }
                // Without a handle there is nothing that could be done, but for an operation that nothing has ended.
                let failed = json!({"is_done": true, "completed": false, "result": null, "started": true, "callbacks": 0,
                    "raises": recorded_start});
                if state.get("raises").is_some() && !same(&failed, state) {
                    return Err(format!("state {number}: the start failed, recorded {state}"));
                }
                let nothing =
                    json!({"is_done": false, "completed": false, "result": null, "started": false, "callbacks": 0});
                if number == 0 && !same(&nothing, state) {
                    return Err(format!("state {number}: nothing has happened, recorded {state}"));
                }
            }
            return Ok(rules);
        }
        Ok(class) => {
            if recorded_start != "ok" || row["class"] != *class {
                return Err(format!("started {class}; recorded {recorded_start}, {}", row["class"]));
            }
        }
    }
    let is_done_in = |number: &usize| observed.looks[*number].as_ref().is_some_and(|look| look.is_done);
    let first_look = (0..observed.looks.len()).find(is_done_in);
    // An operation that was done when it was first looked at may have been done before.
    let done_in = first_look.map(|number| {
        let end = observed.looks[number].as_ref().and_then(|look| look.end.as_ref());
        let is_first = (0..number).all(|earlier| observed.looks[earlier].is_none());
        let of_end = |end: &End| match end {
            End::Event(kind, payload) => {
                index_of(row, kind, payload, number).and_then(|index| sent_in(row).get(index).copied())
            }
            _ => None,
        };
        end.filter(|_| is_first).and_then(of_end).unwrap_or(number)
    });
    for (number, state) in bound() {
        let mut ours = told(row, observed, number, done_in.unwrap_or(usize::MAX))?;
        if row["call"]["state"] == "ended" && ours["callbacks"] == 1 {
            rules.insert(Rule::CallbackOfWhatIsOver);
            ours["callbacks"] = 0.into();
        }
        if !same(&ours, state) {
            return Err(format!("state {number}: {ours}, recorded {state}"));
        }
    }
    let is_bound = last_bound(row) == usize::MAX || done_in.is_some();
    // An operation that had ended before the first step has no step that ended it.
    let step = done_in.filter(|number| *number > 0).map_or(Value::Null, |number| (number - 1).into());
    if is_bound && !same(&step, &row["resolved_at_step"]) {
        return Err(format!("ended in step {step}, recorded {}", row["resolved_at_step"]));
    }
    let end = first_look.and_then(|number| observed.looks[number].as_ref()?.end.clone());
    let result_class = match end {
        Some(End::Event(kind, payload)) => class(&parse_event(&json!({"event_type": kind, "params": payload}))).into(),
        Some(_) => "RelayEvent".into(),
        None => Value::Null,
    };
    if is_bound && row["result_class"] != result_class {
        return Err(format!("ended with {result_class}, recorded {}", row["result_class"]));
    }
    Ok(rules)
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 199);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let observed = observe(&wire, &row);
            Case::new(row, COLUMNS, deviations::ACTIONS, move |row| judge(row, &observed))
        })
        .collect()
}

#[test]
fn operations_end_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::ACTIONS);
}
