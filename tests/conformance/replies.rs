//! `replies.jsonl`: what the client says to the frames of a server.

use serde_json::{Value, json};

use super::deviations::{self, Rule};
use super::json::{rows, same};
use super::wire::{LONG, Link, Wire};

const ROWS: &str = include_str!("../wire/replies.jsonl");

/// What the client sends because of this frame.
fn answers(link: &Link, frame: &Value) -> Vec<Value> {
    link.send(frame);
    if frame["method"] != "signalwire.disconnect" {
        return link.handled();
    }
    // Nothing more is taken from a server that is going away: the answer is waited for, or the end.
    let mut sent = Vec::new();
    if frame.get("id").is_some() {
        sent.extend(link.frame(LONG));
    }
    link.cut();
    sent.extend(std::iter::from_fn(|| link.frame(LONG)));
    sent
}

/// The answers that are better than the reference's, and accepted.
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
    if frame.get("id") == Some(&Value::Null) && sent.is_empty() {
        return Some(Rule::NullIsNoId);
    }
    None
}

#[test]
fn frames_of_the_server_are_answered_as_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
        let (client, link) = wire.client();
        let frame = &row["server_frame"];
        let recorded = row["client_frames"].as_array().unwrap();
        let sent = answers(&link, frame);
        if sent.len() != recorded.len() || !sent.iter().zip(recorded).all(|(sent, recorded)| same(sent, recorded)) {
            match better(frame, recorded, &sent) {
                Some(rule) => seen.note(row, rule),
                None => seen.fail(row, &format!("sent {sent:?}, recorded {recorded:?}")),
            }
        }
        if frame["method"] == "signalwire.disconnect" {
            let again = wire.link();
            let resumes = again.connect.get("protocol").is_some();
            assert_eq!(resumes, frame["params"]["restart"] != true, "{}", again.connect);
        } else {
            client.execute("calling.y", json!({})).unwrap();
            assert_eq!(client.stats().connections, 1);
        }
        client.disconnect();
    }
    assert_eq!(rows.len(), 19);
    seen.done(deviations::REPLIES);
}

/// No row has an unknown method with an id: the reference says nothing, and -32601 is better.
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
