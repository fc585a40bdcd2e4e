//! `replies.jsonl`: the client's responses to the frames of a server.

use serde_json::{Value, json};

use super::deviations::{self, Rule, Verdict};
use super::json::{rows, same};
use super::mutations::Case;
use super::wire::{LONG, Link, Wire};

const ROWS: &str = include_str!("../wire/replies.jsonl");

/// The frames that the client sends because of this frame.
fn answers(link: &Link, frame: &Value) -> Vec<Value> {
    link.send(frame);
    if frame["method"] != "signalwire.disconnect" {
        return link.handled();
    }
    // The client reads no further frame of a server that closes, so the test waits for the response, or for the end of the
    // connection.
    let mut sent = Vec::new();
    if frame.get("id").is_some() {
        sent.extend(link.frame(LONG));
    }
    link.cut();
    sent.extend(std::iter::from_fn(|| link.frame(LONG)));
    sent
}

/// The responses that are better than the reference's, and accepted.
fn better(frame: &Value, recorded: &[Value], sent: &[Value]) -> Option<Rule> {
    if frame["method"] == "signalwire.ping" {
        let echo = |sent: &Value| {
            let mut plain = sent.clone();
            let echoed = plain["result"].as_object()?.clone();
            plain["result"] = json!({});
            let is_echo = |(key, value): (&String, &Value)| {
                ["timestamp", "payload"].contains(&key.as_str()) && frame["params"].get(key) == Some(value)
            };
            echoed.iter().all(is_echo).then_some(plain)
        };
        let plain: Option<Vec<Value>> = sent.iter().map(echo).collect();
        return plain.filter(|plain| plain == recorded).map(|_| Rule::PongEchoes);
    }
    let null_id = [json!({"jsonrpc": "2.0", "id": null, "result": {}})];
    if frame.get("id") == Some(&Value::Null) && sent.is_empty() && recorded == null_id {
        return Some(Rule::NullIsNoId);
    }
    None
}

/// The frames that the client sends because of the frame of a row, or the part that is broken afterwards.
fn observe(wire: &Wire, row: &Value) -> Result<Vec<Value>, String> {
    let (client, link) = wire.client();
    let frame = &row["server_frame"];
    let sent = answers(&link, frame);
    if frame["method"] == "signalwire.disconnect" {
        let again = wire.link();
        let resumes = again.connect.get("protocol").is_some();
        if resumes != (frame["params"]["restart"] != true) {
            return Err(format!("the next connection: {}", again.connect));
        }
    } else {
        client.execute("calling.y", json!({})).map_err(|error| format!("afterwards: {error:?}"))?;
        if client.stats().connections != 1 {
            return Err(format!("{} connections", client.stats().connections));
        }
    }
    client.disconnect();
    Ok(sent)
}

/// Compares the sent frames with the recorded ones.
fn judge(row: &Value, sent: &Result<Vec<Value>, String>) -> Verdict {
    let sent = sent.as_ref().map_err(Clone::clone)?;
    let recorded = row["client_frames"].as_array().ok_or("no frames are recorded")?;
    if sent.len() == recorded.len() && sent.iter().zip(recorded).all(|(sent, recorded)| same(sent, recorded)) {
        return Ok([].into());
    }
    match better(&row["server_frame"], recorded, sent) {
        Some(rule) => Ok([rule].into()),
        None => Err(format!("sent {sent:?}, recorded {recorded:?}")),
    }
}

/// The selected rows, and the check of each.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 19);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let sent = observe(&wire, &row);
            Case::new(row, &["client_frames"], deviations::REPLIES, move |row| judge(row, &sent))
        })
        .collect()
}

#[test]
fn frames_of_the_server_are_answered_as_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::REPLIES);
}

/// No row has an unknown method with an ID: the reference sends nothing, and -32601 is better.
#[test]
fn an_unknown_method_is_refused_when_it_has_an_id() {
    let wire = Wire::new();
    let (client, link) = wire.client();
    link.send(&json!({"jsonrpc": "2.0", "method": "made.up", "params": {}}));
    assert_eq!(link.handled(), [] as [Value; 0]);
    link.send(&json!({"jsonrpc": "2.0", "id": "srv-1", "method": "made.up", "params": {}}));
    let sent = link.handled();
    assert_eq!((sent.len(), &sent[0]["id"], &sent[0]["error"]["code"]), (1, &json!("srv-1"), &json!(-32601)));
    client.disconnect();
}
