//! `requests.jsonl`: what methods send.

use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::{Client, Error, ErrorKind, LinkState};

use super::deviations::{self, Rule};
use super::json::{Holes, members, rows};
use super::verbs::{Args, Outcome, Way, call_method, client_method};
use super::wire::{Answers, LONG, Link, PROTOCOL, Wire};

const ROWS: &str = include_str!("../wire/requests.jsonl");

/// What became of a row.
enum Did {
    AsRecorded,
    Otherwise(Rule),
    Wrong(String),
}

/// Compares what was sent with what was recorded, when one request or none was.
fn compare(row: &Value, sent: &[Value], holes: &Holes) -> Did {
    if row["rpc_method"].is_null() {
        return if sent.is_empty() { Did::AsRecorded } else { Did::Wrong(format!("sent {sent:?}, recorded nothing")) };
    }
    let [sent] = sent else { return Did::Wrong(format!("one request was recorded, sent {sent:?}")) };
    if sent["method"] != row["rpc_method"] || !holes.same(&row["params"], &sent["params"]) {
        let recorded = (&row["rpc_method"], &row["params"]);
        return Did::Wrong(format!(
            "sent {} {}, recorded {} {}",
            sent["method"], sent["params"], recorded.0, recorded.1
        ));
    }
    Did::AsRecorded
}

/// What a method that raises in the reference returns here: an error that says that nothing was sent.
fn raised(row: &Value, error: Option<&Error>) -> Result<(), String> {
    match (row["raises"].is_null(), error) {
        (true, _) => Ok(()),
        (false, Some(error)) if error.kind() == ErrorKind::Config => Ok(()),
        (false, error) => Err(format!("recorded {}, got {error:?}", row["raises"])),
    }
}

fn of_call(wire: &Wire, row: &Value, way: Way) -> Did {
    let own = |key: &str, usual: &str| row["call"][key].as_str().unwrap_or(usual).to_owned();
    let (call_id, node_id) = (own("call_id", "call-0001"), own("node_id", "node-0001"));
    if call_id.is_empty() {
        return without_id(wire, &node_id);
    }
    let (client, link, call) = wire.call(&call_id, &node_id, row["call_state"].as_str().unwrap_or("answered"));
    let holes = Holes::default().fill("{call_id}", &call_id).fill("{node_id}", &node_id);
    let method = row["method_py"].as_str().unwrap();
    let target = row["target"].as_str().unwrap();
    let args = Args::new(&row["args"], &row["extra"], way);
    let did = if target == "call" {
        match call_method(&call, method, args) {
            None => Did::Wrong(format!("no method {method}")),
            Some(outcome) => {
                let sent = link.requests(&client);
                let mut did = compare(row, &sent, &holes.open("{control_id}"));
                if let Err(why) = raised(row, outcome.as_ref().err()) {
                    did = Did::Wrong(why);
                }
                match &outcome {
                    Err(error) if row["raises"].is_null() => did = Did::Wrong(format!("{error:?}")),
                    // Nothing is started on a call that is over, and nothing is waited for.
                    Ok(Outcome::Started(action)) if sent.is_empty() && !action.is_done() => {
                        did = Did::Wrong("nothing was sent, and it is not over".into());
                    }
                    Ok(Outcome::Started(action)) if !sent.is_empty() => {
                        let named = &sent[0]["params"]["control_id"];
                        if *named != action.control_id() || action.is_done() {
                            did = Did::Wrong(format!("an operation named {}: {named}", action.control_id()));
                        }
                    }
                    _ => {}
                }
                did
            }
        }
    } else {
        let via = &row["via"];
        let start = via["method_py"].as_str().unwrap();
        match call_method(&call, start, Args::new(&via["args"], &via["extra"], way)) {
            None => Did::Wrong(format!("no method {start}")),
            Some(Ok(Outcome::Started(action))) => {
                link.requests(&client);
                let holes = holes.fill("{control_id}", action.control_id());
                match action.command(method, args) {
                    None => Did::Wrong("an action without the method".into()),
                    Some(Err(error)) => Did::Wrong(format!("{error:?}")),
                    Some(Ok(())) => compare(row, &link.requests(&client), &holes),
                }
            }
            Some(_) => Did::Wrong(format!("{start} starts nothing")),
        }
    };
    client.disconnect();
    did
}

/// A call without an id is never offered, so that there is nothing to call a method on.
fn without_id(wire: &Wire, node_id: &str) -> Did {
    let (client, link) = wire.client();
    for call_id in ["", "another"] {
        let params = json!({"call_id": call_id, "node_id": node_id, "call_state": "created", "direction": "inbound"});
        link.send(&link.event(&json!({"event_type": "calling.call.receive", "params": params})));
    }
    let next = client.next_call(LONG).unwrap();
    let did = match next.id() {
        "another" => Did::Otherwise(Rule::NoCallWithoutId),
        id => Did::Wrong(format!("a call {id:?}")),
    };
    client.disconnect();
    did
}

fn of_client(wire: &Wire, row: &Value, way: Way) -> Did {
    let method = row["method_py"].as_str().unwrap();
    let args = Args::new(&row["args"], &row["extra"], way);
    match method {
        "__init__" => return constructed(wire, row),
        "connect" => return connected(row),
        "(ping timer)" => return pinged(wire, row),
        _ => {}
    }
    let own = (!row["connect_result"].is_null()).then(Wire::new);
    let wire = own.as_ref().inspect(|wire| wire.set_connect_result(row["connect_result"].clone())).unwrap_or(wire);
    let (client, link) = wire.client();
    if method == "dial" {
        // Nobody answers here.
        link.set_answers(Answers::Always(json!({"error": {"code": 1, "message": "enough"}})));
    }
    let did = match client_method(&client, method, args) {
        None => Did::Wrong(format!("no method {method}")),
        Some(outcome) => {
            let sent = link.requests(&client);
            match (raised(row, outcome.as_ref().err()), outcome) {
                (Err(why), _) => Did::Wrong(why),
                (_, Err(error)) if method != "dial" && row["raises"].is_null() => Did::Wrong(format!("{error:?}")),
                _ => compare(row, &sent, &Holes::default().fill("{protocol}", PROTOCOL).open("{tag}")),
            }
        }
    };
    client.disconnect();
    did
}

/// A client that cannot be made.
fn constructed(_wire: &Wire, row: &Value) -> Did {
    let mut builder = Client::builder();
    for (key, value) in members(&row["args"]) {
        let value = value.as_str().unwrap().to_owned();
        builder = match key.as_str() {
            "project" => builder.project(value),
            "token" => builder.token(value),
            "host" => builder.host(value),
            _ => panic!("no setter for {key}"),
        };
    }
    assert!(!row["raises"].is_null(), "a client that can be made is one that connects");
    match raised(row, builder.connect().err().as_ref()) {
        Ok(()) => Did::AsRecorded,
        Err(why) => Did::Wrong(why),
    }
}

/// What `signalwire.connect` carries, on the first or a later connection.
fn connected(row: &Value) -> Did {
    let wire = Wire::new();
    let scenario = &row["connect_scenario"];
    if let Some(protocol) = scenario["protocol"].as_str() {
        wire.set_connect_result(json!({ "protocol": protocol }));
    }
    let mut builder = wire.builder();
    for (key, value) in members(&row["args"]) {
        let text = || value.as_str().unwrap().to_owned();
        builder = match key.as_str() {
            "project" => builder.project(text()),
            "token" => builder.token(text()),
            "contexts" => builder.contexts(value.as_array().unwrap().iter().map(|context| context.as_str().unwrap())),
            "max_active_calls" => builder.max_active_calls(value.as_u64().unwrap() as usize),
            _ => panic!("no setter for {key}"),
        };
    }
    let (client, mut link) = wire.connect(builder);
    for number in 1..row["connection"].as_u64().unwrap_or(1) {
        if let Some(state) = scenario["auth_state"].as_str() {
            let payload = json!({"authorization_state": state});
            link.send(&link.event(&json!({"event_type": "signalwire.authorization.state", "params": payload})));
            link.handled();
        }
        let before = row["before"].as_array().filter(|_| number == 1);
        for step in before.into_iter().flatten() {
            let mut frame = step["server_frame"].clone();
            frame["jsonrpc"] = "2.0".into();
            frame["id"] = "before".into();
            link.send(&frame);
            while link.frame(LONG).expect("an answer")["id"] != "before" {}
        }
        link.cut();
        link = wire.link();
    }
    let mut sent = link.connect.clone();
    assert!(sent["agent"].as_str().is_some_and(|agent| !agent.is_empty()), "{sent}");
    sent["agent"] = row["params"]["agent"].clone();
    client.disconnect();
    compare(row, &[json!({"method": "signalwire.connect", "params": sent})], &Holes::default())
}

/// What a client sends by itself to a server that is silent.
fn pinged(wire: &Wire, row: &Value) -> Did {
    let (client, link) = wire.connect(wire.builder().ping_after(Duration::from_millis(1)));
    let ping = loop {
        let frame = link.frame(LONG).expect("a frame");
        if !frame["method"].is_null() {
            break frame;
        }
    };
    client.disconnect();
    compare(row, &[ping], &Holes::default())
}

fn run(wire: &Wire, row: &Value, way: Way) -> Did {
    if row["target"] == "client" { of_client(wire, row, way) } else { of_call(wire, row, way) }
}

#[test]
fn methods_send_what_was_recorded() {
    let wire = Wire::new();
    let rows = rows(ROWS);
    let mut seen = deviations::Seen::default();
    for row in &rows {
        for way in [Way::Typed, Way::Raw] {
            match run(&wire, row, way) {
                Did::AsRecorded => {}
                Did::Otherwise(rule) => seen.note(row, rule),
                Did::Wrong(why) => seen.fail(row, &format!("{way:?}: {why}")),
            }
        }
    }
    assert_eq!(rows.len(), 303);
    seen.done(deviations::REQUESTS);
}

/// No row has these. What is sent is what is given, under the names of the wire.
#[test]
fn arguments_that_no_row_gives_are_sent_as_given() {
    let wire = Wire::new();
    let pay = |args: Value| ("pay", "calling.pay", json!({"payment_connector_url": "https://example.com/p"}), args);
    let tap = |device: Value| {
        ("tap", "calling.tap", json!({"tap": {"type": "audio", "params": {}}, "device": device}), json!({}))
    };
    let ai = |args: Value| ("ai", "calling.ai", json!({}), args);
    let transcribe =
        |action: Value| ("live_transcribe", "calling.live_transcribe", json!({"action": action}), json!({}));
    let translate = |action: Value| ("live_translate", "calling.live_translate", json!({"action": action}), json!({}));
    let reset = |reset: Value| ("ai_message", "calling.ai_message", json!({"reset": reset}), json!({}));
    let requests = [
        pay(json!({"input_method": "dtmf", "postal_code": "10115", "currency": "eur", "voice": "woman"})),
        pay(json!({"description": "d", "bank_account_type": "consumer-savings", "say_voice": "man"})),
        pay(json!({"timeout": "5m", "max_attempts": "", "security_code": "yes", "min_postal_code_length": "05"})),
        pay(json!({"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]})),
        pay(json!({"parameters": [{"name": "a", "value": 1}], "prompts": []})),
        pay(json!({"prompts": [
            {"for": "payment-card-number", "card_type": "visa amex", "attempt": "1 2",
                "error_type": "timeout invalid-card-number", "require_matching_inputs": "true",
                "actions": [{"type": "Say", "phrase": "Number?"}, {"type": "Play", "phrase": "https://x/y.mp3"}]},
            {"for": "expiration-date", "actions": [{"type": "Say", "phrase": "Until?"}], "more": null},
        ]})),
        pay(json!({"prompts": [{"for": "expiration-date", "actions": [{"type": "Hum", "phrase": "?"}]}]})),
        tap(json!({"type": "rtp", "params": {"addr": "192.0.2.1", "port": 1, "codec": "OPUS", "ptime": 20}})),
        tap(json!({"type": "rtp", "params": {"addr": "192.0.2.1", "port": 70000}})),
        tap(json!({"type": "ws", "params": {"uri": "wss://x", "codec": "PCMU", "rate": 8000, "more": [1]}})),
        tap(json!({"type": "ws", "params": {}})),
        tap(json!("somewhere")),
        ("tap", "calling.tap", json!({"tap": {"type": "video"}, "device": {}}), json!({})),
        ai(json!({"hints": ["a", {"hint": "RELAY", "pattern": "re ?lay", "replace": "RELAY", "ignore_case": true}]})),
        ai(json!({"pronounce": [{"replace": "SW"}]})),
        ai(json!({"languages": [{"name": "English", "code": "en", "fillers": ["hm"]}, {"name": "French"}]})),
        ai(json!({"prompt": "Hello", "post_prompt": {"pom": [{"title": "t"}], "max_tokens": 0.5, "top_p": 1}})),
        ai(json!({"SWAIG": {"functions": [], "native_functions": ["check_time"], "includes": [{"url": "u"}]}})),
        transcribe(json!({"start": {"speech_timeout": 500, "vad_silence_ms": 1, "hints": ["a"], "ai_summary": true}})),
        transcribe(json!({"start": {"lang": "en", "more": true}})),
        transcribe(json!({"start": {}, "stop": {}})),
        transcribe(json!("stop")),
        translate(json!({"inject": {"message": "hi", "direction": "local-caller"}})),
        translate(json!({"summarize": {"webhook": "https://x", "prompt": "p"}})),
        translate(json!({"start": {"from_voice": "a", "to_voice": "b", "filter_from": "c", "mode": "realtime"}})),
        reset(json!({})),
        reset(json!({"user_prompt": "u"})),
        reset(json!({"user_prompt": "u", "full_reset": "yes"})),
        reset(json!(true)),
    ];
    let mut failed = Vec::new();
    for (method, rpc_method, needed, more) in requests {
        let (mut args, mut params) = (members(&needed), members(&needed));
        for (key, value) in members(&more) {
            params.insert(if key == "input_method" { "input".into() } else { key.clone() }, value.clone());
            args.insert(key, value);
        }
        params.extend(members(&json!({"node_id": "{node_id}", "call_id": "{call_id}"})));
        if ["pay", "tap", "ai"].contains(&method) {
            params.insert("control_id".into(), "{control_id}".into());
        }
        let row =
            json!({"target": "call", "method_py": method, "args": args, "rpc_method": rpc_method, "params": params});
        for way in [Way::Typed, Way::Raw] {
            match run(&wire, &row, way) {
                Did::AsRecorded => {}
                Did::Otherwise(rule) => failed.push(format!("{way:?}: {rule:?}")),
                Did::Wrong(why) => failed.push(format!("{way:?}: {why}")),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The reference forgets what was added later; repeating it is better, and so does this.
#[test]
fn contexts_that_were_added_later_are_repeated_on_the_next_connection() {
    let wire = Wire::new();
    let (client, link) = wire.connect(wire.builder().contexts(["default"]));
    assert_eq!(link.connect["contexts"], json!(["default"]));
    client.receive(["sales", "default"]).unwrap();
    client.unreceive(["default"]).unwrap();
    link.cut();
    let link: Link = wire.link();
    assert_eq!(link.connect["contexts"], json!(["sales"]));
    assert!(client.states().any(|state| matches!(state, LinkState::Online { .. })));
    client.disconnect();
}
