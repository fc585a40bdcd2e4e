//! `results.jsonl`: how the answer to a request is taken.

use serde_json::Value;
use signalwire_relay::{Call, Error, ErrorKind, phone, tts};

use super::deviations;
use super::json::{name, rows, same};
use super::wire::{Answers, Wire};

const ROWS: &str = include_str!("../wire/results.jsonl");

/// What the reference says where an answer has no words of its own.
const NO_MESSAGE: &str = "Unknown error";

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
    recorded["code"] == error.code().unwrap_or(-1) && words
}

/// Compares a value or an error with the recorded one; none where only success matters.
fn compare(outcome: &Result<Option<Value>, Error>, recorded: &Value, is_odd: bool) -> Result<(), String> {
    let equal = match outcome {
        Ok(value) => {
            !recorded["value"].is_null() && value.as_ref().is_none_or(|value| is_odd || same(value, &recorded["value"]))
        }
        Err(error) => is_error(error, recorded, is_odd),
    };
    if equal { Ok(()) } else { Err(format!("{outcome:?}, recorded {recorded}")) }
}

/// The start of an operation.
fn started(call: &Call, recorded: &Value, is_odd: bool) -> Result<(), String> {
    match call.play(tts("x")) {
        Err(error) if is_error(&error, recorded, is_odd) => Ok(()),
        Err(error) => Err(format!("{error:?}, recorded {recorded}")),
        Ok(action) => {
            // Where the reference ends an action with an empty event, ours ends with an error that says why.
            let ended = action.result().map(|ended| ended.map_err(|error| error.kind()));
            let equal = match (&recorded["done"], &ended) {
                (Value::Bool(false), None) => true,
                (Value::Bool(true), Some(Err(ErrorKind::CallGone))) => recorded["event"]["event_type"] == "",
                _ => false,
            };
            if equal && action.is_done() == ended.is_some() {
                Ok(())
            } else {
                Err(format!("{ended:?}, recorded {recorded}"))
            }
        }
    }
}

#[test]
fn answers_are_taken_as_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
        let is_odd = row["odd"] == true;
        let is_free = |column: &str| row["free"].as_array().is_some_and(|free| free.iter().any(|free| free == column));
        let (client, link, call) = wire.call("call-0001", "node-0001", "answered");
        // The commands come before the start, because an answer may end the call.
        link.set_answers(Answers::Always(row["response"].clone()));
        let columns = [
            ("execute", client.execute("calling.x", serde_json::json!({})).map(|reply| Some(reply.value()))),
            ("call_method", call.send_digits("1").map(|_| None)),
            ("call_method", call.connect(phone("+15550003333")).map(|bridge| Some(bridge.reply().value()))),
            ("call_method", call.hangup().map(|()| None)),
        ];
        for (column, outcome) in columns {
            match compare(&outcome, &row[column], is_odd) {
                Err(why) if !is_free(column) => seen.fail(row, &format!("{column}: {why}")),
                _ => {}
            }
        }
        // Another call, because the first may be over now.
        link.set_answers(Answers::Ok);
        let call = link.offer(&client, "call-0002", "node-0001", "answered");
        link.set_answers(Answers::Always(row["response"].clone()));
        match started(&call, &row["action"], is_odd) {
            Err(why) if !is_free("action") => seen.fail(row, &format!("action: {why}")),
            _ => {}
        }
        // Whatever it was, the link is there, and so is the call unless it was said to be gone.
        link.set_answers(Answers::Ok);
        client.execute("calling.y", serde_json::json!({})).unwrap_or_else(|error| panic!("{}: {error}", name(row)));
        let is_gone = row["action"]["done"] == true;
        assert_eq!(call.end().is_some(), is_gone, "{}", name(row));
        assert_eq!(client.stats().connections, 1, "{}", name(row));
        client.disconnect();
    }
    assert_eq!(rows.len(), 32);
    seen.done(&[]);
}
