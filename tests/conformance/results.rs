//! `results.jsonl`: the handling of responses.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signalwire_relay::{Error, ErrorKind, Result, phone, tts};

use super::deviations::{self, Verdict};
use super::json::{lists, members, name, rows, same};
use super::mutations::Case;
use super::requests;
use super::verbs::{Args, Outcome, Started, Way, call_method};
use super::wire::{Answers, Wire};

const ROWS: &str = include_str!("../wire/results.jsonl");

/// The columns that say what the client does.
const COLUMNS: &[&str] = &["execute", "call_method", "action"];

/// The reference's message for a response without one.
const NO_MESSAGE: &str = "Unknown error";

/// The methods that are not called here: `pass_` is for unclaimed calls.
const NOT_CALLED: &[&str] = &["pass_"];

/// The result of a method.
enum Gave {
    /// The method succeeded, perhaps with a value.
    Value(Option<Value>),
    /// The method started an operation, which may have ended already.
    Started {
        is_done: bool,
        ended: Option<std::result::Result<(), ErrorKind>>,
    },
    Error(Error),
}

fn gave(outcome: Result<Option<Value>>) -> Gave {
    match outcome {
        Ok(value) => Gave::Value(value),
        Err(error) => Gave::Error(error),
    }
}

fn state_of(action: &dyn Started) -> Gave {
    let ended = action.result().map(|ended| ended.map(drop).map_err(|error| error.kind()));
    Gave::Started { is_done: action.is_done(), ended }
}

/// Whether an error is the recorded one.
fn is_error(error: &Error, recorded: &Value, is_odd: bool) -> bool {
    let recorded = &recorded["error"];
    if is_odd {
        return !recorded.is_null();
    }
    let words = match recorded["message"].as_str() {
        // The default text is the client's own.
        Some(NO_MESSAGE) => error.server_message().is_some_and(|words| !words.is_empty()),
        words => error.server_message() == words,
    };
    // Where there is no code that is a number, the reference says -1.
    recorded["code"] == error.code().unwrap_or(-1) && words && members(recorded).len() == 2
}

/// Compares what a method gave with what was recorded.
fn compare(gave: &Gave, recorded: &Value, is_odd: bool) -> std::result::Result<(), String> {
    let only = |key: &str| members(recorded).len() == 1 && !recorded[key].is_null();
    let (equal, ours) = match gave {
        // There is no value where only success matters.
        Gave::Value(value) => {
            let equal = value.as_ref().is_none_or(|value| is_odd || same(value, &recorded["value"]));
            (only("value") && equal, format!("{value:?}"))
        }
        Gave::Error(error) => (only("error") && is_error(error, recorded, is_odd), format!("{error:?}")),
        Gave::Started { is_done, ended } => {
            let expected = match (is_done, ended) {
                (false, None) => json!({"done": false, "completed": false, "event": null}),
                // Where the reference ends an action with an empty event, ours ends with an error that says why.
                (true, Some(Err(ErrorKind::CallGone))) => json!({"done": true, "completed": true,
                    "event": {"event_type": "", "params": {}, "call_id": "", "timestamp": 0.0}}),
                _ => Value::Null,
            };
            (same(&expected, recorded), format!("done {is_done}, ended {ended:?}"))
        }
    };
    if equal { Ok(()) } else { Err(format!("{ours}, recorded {recorded}")) }
}

/// The observations of a row: the result, by column and method.
struct Observed {
    gave: Vec<(&'static str, String, Gave)>,
    broken: Vec<String>,
}

/// The rows of `requests.jsonl` that call a method with the fewest arguments, one for every method of a call.
fn calls() -> Vec<Value> {
    let is_one = |row: &Value| row["target"] == "call" && name(row).ends_with(".min");
    let rows = rows(requests::ROWS);
    rows.into_iter().filter(|row| is_one(row) && !NOT_CALLED.iter().any(|not| row["method_py"] == *not)).collect()
}

fn observe(wire: &Wire, row: &Value, calls: &[Value]) -> Observed {
    let (client, link) = wire.client();
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    let answers = Answers::Always(row["response"].clone());
    link.set_answers(answers.clone());
    let execute = client.execute("calling.x", json!({})).map(|reply| Some(reply.value()));
    all.push(("execute", "execute".to_owned(), gave(execute)));
    // Each method has a call of its own, because the answer or the method may end it.
    for (number, request) in calls.iter().enumerate() {
        link.set_answers(Answers::Ok);
        let call = link.offer(&client, &format!("call-{number}"), "node-0001", "answered");
        link.set_answers(answers.clone());
        let method = request["method_py"].as_str().unwrap();
        let args = Args::new(&request["args"], &request["extra"], Way::Typed);
        if method == "connect" {
            // The one whose value is to be had.
            let bridge = call.connect(phone("+15550003333"));
            all.push(("call_method", method.to_owned(), gave(bridge.map(|bridge| Some(bridge.reply().value())))));
            continue;
        }
        match call_method(&call, method, args).expect("a method") {
            Ok(Outcome::Done) => all.push(("call_method", method.to_owned(), Gave::Value(None))),
            Ok(Outcome::Started(action)) => all.push(("action", method.to_owned(), state_of(action.as_ref()))),
            // Both columns record the same error, so that it is no matter what the method would have started.
            Err(error) => {
                all.push(("action", method.to_owned(), Gave::Error(error.clone())));
                all.push(("call_method", method.to_owned(), Gave::Error(error)));
            }
        }
    }
    // The start of an operation, and whether its call is there afterwards.
    link.set_answers(Answers::Ok);
    let call = link.offer(&client, "call-last", "node-0001", "answered");
    link.set_answers(answers);
    let played = match call.play(tts("x")) {
        Err(error) => Gave::Error(error),
        Ok(action) => state_of(&action),
    };
    let is_gone = matches!(played, Gave::Started { is_done: true, .. });
    all.push(("action", "play".to_owned(), played));
    // In every case the connection stays up, and the call is live unless the response ended it.
    link.set_answers(Answers::Ok);
    if let Err(error) = client.execute("calling.y", json!({})) {
        broken.push(format!("afterwards: {error:?}"));
    }
    if call.end().is_some() != is_gone || client.stats().connections != 1 {
        broken.push(format!("ended {:?}, gone {is_gone}, {} connections", call.end(), client.stats().connections));
    }
    client.disconnect();
    Observed { gave: all, broken }
}

/// Compares what was seen with what was recorded.
fn judge(row: &Value, observed: &Observed) -> Verdict {
    if let Some(broken) = observed.broken.first() {
        return Err(broken.clone());
    }
    for (column, method, gave) in &observed.gave {
        if !lists(&row["free"], column) {
            compare(gave, &row[*column], row["odd"] == true).map_err(|why| format!("{column}, {method}: {why}"))?;
        }
    }
    Ok(BTreeSet::new())
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let calls = calls();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 32);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let observed = observe(&wire, &row, &calls);
            Case::new(row, COLUMNS, &[], move |row| judge(row, &observed))
        })
        .collect()
}

#[test]
fn answers_are_taken_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(&[]);
}
