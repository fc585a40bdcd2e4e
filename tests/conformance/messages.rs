//! `messages.jsonl`: what becomes of a message that is sent.

use serde_json::Value;
use signalwire_relay::{Client, ErrorKind, Message, Result};

use super::actions::refused;
use super::deviations::{self, Rule};
use super::json::{name, rows, same};
use super::verbs::{Args, Way, message};
use super::wire::{Answers, Count, LONG, Link, Running, Wire, running};

const ROWS: &str = include_str!("../wire/messages.jsonl");

struct Play<'a> {
    row: &'a Value,
    link: &'a Link,
    request: Value,
    start: Running<Result<Message>>,
    callbacks: Count,
    listener_calls: Count,
    counting: bool,
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
        vec![self.link.answer(&self.request, &step["reply"])]
    }

    fn compare(&mut self, recorded: &Value) -> std::result::Result<Option<Rule>, String> {
        if recorded["started"] == false {
            return if self.start.peek().is_none() { Ok(None) } else { Err("it has been sent".into()) };
        }
        let start_result = self.row["start_result"].as_str().unwrap();
        let message = match self.start.get() {
            Ok(message) => message,
            Err(error) => return refused(error, start_result),
        };
        if start_result != "ok" {
            return Err(format!("sent; recorded {start_result}"));
        }
        if !self.counting {
            self.counting = true;
            let (callbacks, listener_calls) = (self.callbacks.clone(), self.listener_calls.clone());
            message.on(move |_| listener_calls.add());
            message.on_completed(move |_| callbacks.add());
        }
        if message.id().is_empty() {
            // Nothing can ever be heard of a message that the service did not name.
            let ended = message.result().map(|ended| ended.map_err(|error| error.kind()));
            return match ended {
                Some(Err(ErrorKind::Protocol)) => Ok(Some(Rule::NoMessageWithoutId)),
                ended => Err(format!("without an id: {ended:?}")),
            };
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ours = (message.state().to_string(), message.reason().unwrap_or_default(), message.is_done());
        let theirs = (text(&recorded["state"]), text(&recorded["reason"]), recorded["is_done"] == true);
        if ours != theirs {
            return Err(format!("{ours:?}, recorded {theirs:?}"));
        }
        self.ended(message, &recorded["result"])?;
        let number = |key: &str| recorded[key].as_u64().unwrap();
        self.listener_calls.await_number(number("listener_calls"), name(self.row));
        self.callbacks.await_number(number("callbacks"), name(self.row));
        Ok(None)
    }

    /// Compares the outcome with the index of an event.
    fn ended(&self, message: &Message, recorded: &Value) -> std::result::Result<(), String> {
        match (recorded.as_u64(), message.result()) {
            (None, None) => Ok(()),
            (Some(index), Some(Ok(event))) if event.raw.value() == self.row["events"][index as usize]["params"] => {
                assert_eq!(message.wait(LONG).unwrap().raw.value(), event.raw.value());
                Ok(())
            }
            (recorded, ended) => Err(format!("ended {ended:?}, recorded {recorded:?}")),
        }
    }

    /// What a client has that loses no event: the state that the last one told, up to the first that is the end.
    fn has_all(&self, message: &Message) -> std::result::Result<(), String> {
        let events = self.row["events"].as_array().unwrap();
        let state = |event: &Value| event["params"]["message_state"].as_str().unwrap_or_default().to_owned();
        let is_end = |event: &Value| ["delivered", "undelivered", "failed"].contains(&state(event).as_str());
        let end = events.iter().position(is_end);
        let last = end.unwrap_or(events.len() - 1);
        if message.state() != state(&events[last]).as_str() || message.is_done() != end.is_some() {
            return Err(format!("{} done: {}, of {events:?}", message.state(), message.is_done()));
        }
        self.ended(message, &end.map_or(Value::Null, Value::from))
    }
}

fn play(client: &Client, link: &Link, row: &Value, seen: &mut deviations::Seen) {
    link.set_answers(Answers::Held);
    let start = {
        let (client, args) = (client.clone(), row["start"]["args"].clone());
        assert_eq!(row["start"]["method_py"], "send_message");
        running(move || client.send_message(message(Args::new(&args, &Value::Null, Way::Typed))))
    };
    let request = link.request();
    link.set_answers(Answers::Ok);
    let (callbacks, listener_calls) = (Count::default(), Count::default());
    let mut play = Play { row, link, request, start, callbacks, listener_calls, counting: false };
    let loses = row["python_loses_events"] == true;
    for (step, recorded) in row["steps"].as_array().unwrap().iter().zip(row["after"].as_array().unwrap()) {
        link.send_together(&play.frames(step));
        link.handled();
        if loses && recorded["started"] == true {
            // From here on the row shows what the reference has lost.
            play.start.get();
            continue;
        }
        match play.compare(recorded) {
            Ok(None) => {}
            Ok(Some(rule)) => seen.note(row, rule),
            Err(why) => seen.fail(row, &why),
        }
    }
    if let Ok(message) = play.start.get() {
        if let Some(why) = loses.then(|| play.has_all(message).err()).flatten() {
            seen.fail(row, &why);
        }
        let recorded = &row["message"];
        let mut ours = serde_json::json!({
            "message_id": message.id(), "context": message.context(), "direction": message.direction(),
            "from_number": message.from_number(), "to_number": message.to_number(), "body": message.body(),
            "media": message.media(), "segments": message.segments(), "tags": message.tags(),
        });
        let told =
            row["events"].as_array().unwrap().iter().rev().find_map(|event| event["params"]["segments"].as_i64());
        if told == Some(message.segments()) && recorded["segments"] != message.segments() {
            seen.note(row, Rule::SegmentsAreTold);
            ours["segments"] = recorded["segments"].clone();
        }
        if !same(&ours, recorded) {
            seen.fail(row, &format!("{ours}, recorded {recorded}"));
        }
    }
    assert_eq!((client.stats().connections, client.stats().panics), (1, 0));
}

#[test]
fn messages_live_as_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
        let (client, link) = wire.client();
        play(&client, &link, row, &mut seen);
        client.disconnect();
    }
    assert_eq!(rows.len(), 20);
    seen.done(deviations::MESSAGES);
}
