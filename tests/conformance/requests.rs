//! `requests.jsonl`: the requests of methods.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::{Builder, Client, Error, ErrorKind, LinkState, constants};

use super::deviations::{self, Rule, Verdict};
use super::json::{Holes, members, rows};
use super::mutations::Case;
use super::verbs::{Args, Outcome, PAST_SETTERS, Way, call_method, client_method, take_unfit};
use super::wire::{Answers, LONG, Link, PROTOCOL, Wire};

pub const ROWS: &str = include_str!("../wire/requests.jsonl");

/// The columns that say what the client does.
const COLUMNS: &[&str] = &["rpc_method", "params", "raises"];

/// The observations of a row, with one way of passing the arguments.
struct Observed {
    way: Way,
    /// The requests that were sent, or that stand for what would have been.
    sent: Vec<Value>,
    holes: Holes,
    error: Option<Error>,
    rule: Option<Rule>,
    /// The arguments that went past their setters.
    unfit: BTreeSet<String>,
}

/// The sent frames, and the error of the method.
struct Sent(Vec<Value>, Option<Error>, Holes, Option<Rule>);

/// Whether an error that says that nothing was sent has the reason of the one that the reference raises.
fn raised(row: &Value, error: Option<&Error>) -> Result<(), String> {
    let Some(recorded) = row.get("raises").filter(|raises| !raises.is_null()) else {
        return match error {
            None => Ok(()),
            Some(error) => Err(format!("{error:?}")),
        };
    };
    let host = row["args"]["host"].as_str().unwrap_or_default().replace('\r', "\\r").replace('\n', "\\n");
    // The words of the reference, and those that ours have in common with them.
    let reasons: [(String, &[&str]); 3] = [
        ("ValueError: At least one of body or media is required".into(), &["body", "media"]),
        (
            "ValueError: project is required. Pass project=... or set the SIGNALWIRE_PROJECT_ID env var (or use \
             jwt_token / SIGNALWIRE_JWT_TOKEN for JWT auth)."
                .into(),
            &["project"],
        ),
        (format!("ValueError: Invalid host: '{host}'. Must be a hostname, not a URL."), &["host"]),
    ];
    let Some((_, words)) = reasons.iter().find(|(reason, _)| recorded == reason) else {
        return Err(format!("recorded {recorded}, which is no reason that is known"));
    };
    match error {
        Some(error)
            if error.kind() == ErrorKind::Config
                && words.iter().all(|word| error.to_string().to_lowercase().contains(word)) =>
        {
            Ok(())
        }
        error => Err(format!("recorded {recorded}, got {error:?}")),
    }
}

/// Compares what was seen with what was recorded.
fn judge_one(row: &Value, observed: &Observed) -> Result<Option<Rule>, String> {
    raised(row, observed.error.as_ref())?;
    if row["rpc_method"].is_null() {
        return match observed.sent.as_slice() {
            [] if row["params"].is_null() => Ok(observed.rule),
            sent => Err(format!("sent {sent:?}, recorded {}", row["params"])),
        };
    }
    let [sent] = observed.sent.as_slice() else {
        return Err(format!("one request was recorded, sent {:?}", observed.sent));
    };
    let mut sent = sent.clone();
    let mut rule = observed.rule;
    if sent["method"] == "signalwire.connect" {
        // The agent names the client.
        if sent["params"]["agent"] != constants::AGENT {
            return Err(format!("the agent of this crate, sent {}", sent["params"]["agent"]));
        }
        sent["params"]["agent"] = row["params"]["agent"].clone();
        rule = repeated(row, &mut sent["params"]).or(rule);
    }
    if sent["method"] != row["rpc_method"] || !observed.holes.same(&row["params"], &sent["params"]) {
        let (method, params) = (&row["rpc_method"], &row["params"]);
        return Err(format!("sent {} {}, recorded {method} {params}", sent["method"], sent["params"]));
    }
    Ok(rule)
}

/// Takes the contexts that were added on an earlier connection out of what is sent.
fn repeated(row: &Value, sent: &mut Value) -> Option<Rule> {
    let added: Vec<&Value> = row["before"].as_array()?.iter().filter_map(received).flatten().collect();
    let contexts = sent["contexts"].as_array()?;
    let left: Vec<Value> = contexts.iter().filter(|context| !added.contains(context)).cloned().collect();
    if added.is_empty() || contexts.len() != left.len() + added.len() {
        return None;
    }
    match left.is_empty() {
        true => drop(sent.as_object_mut()?.remove("contexts")),
        false => sent["contexts"] = left.into(),
    }
    Some(Rule::ContextsAreRepeated)
}

/// The contexts that a step before a connection adds.
fn received(step: &Value) -> Option<&Vec<Value>> {
    let receive = step.get("receive").or_else(|| Some(&step["args"]).filter(|_| step["method_py"] == "receive"))?;
    receive.get("contexts").unwrap_or(receive).as_array()
}

fn judge(row: &Value, observed: &[Result<Observed, String>]) -> Verdict {
    let mut rules = BTreeSet::new();
    let mut unfit = BTreeSet::new();
    for observed in observed {
        let observed = observed.as_ref().map_err(Clone::clone)?;
        rules.extend(judge_one(row, observed).map_err(|why| format!("{:?}: {why}", observed.way))?);
        unfit.extend(observed.unfit.iter().map(String::as_str));
    }
    // Made up here, a row has no name.
    let Some(name) = row["name"].as_str() else { return Ok(rules) };
    let listed: BTreeSet<&str> = PAST_SETTERS.iter().filter(|(row, _)| *row == name).map(|(_, what)| *what).collect();
    if unfit != listed {
        return Err(format!("past their setters went {unfit:?}, listed are {listed:?}"));
    }
    Ok(rules)
}

fn of_call(wire: &Wire, row: &Value, way: Way, state: &str) -> Result<Sent, String> {
    let own = |key: &str, usual: &str| row["call"][key].as_str().unwrap_or(usual).to_owned();
    let (call_id, node_id) = (own("call_id", "call-0001"), own("node_id", "node-0001"));
    let holes = Holes::default().fill("{call_id}", &call_id).fill("{node_id}", &node_id);
    if call_id.is_empty() {
        return without_id(wire, row, &node_id).map(|sent| Sent(vec![sent], None, holes, Some(Rule::NoCallWithoutId)));
    }
    let (client, link, call) = wire.call(&call_id, &node_id, state);
    let method = row["method_py"].as_str().unwrap();
    let args = Args::new(&row["args"], &row["extra"], way);
    let no_method = |method: &str| format!("no method {method}");
    let sent = if row["target"] == "call" {
        let outcome = call_method(&call, method, args).ok_or_else(|| no_method(method))?;
        let sent = link.requests(&client);
        match outcome {
            Err(error) => Sent(sent, Some(error), holes, None),
            // Nothing is started on an ended call, and no wait is needed.
            Ok(Outcome::Started(action)) if sent.is_empty() && !action.is_done() => {
                return Err("nothing was sent, and it is not over".into());
            }
            Ok(Outcome::Started(action)) if !sent.is_empty() => {
                let named = &sent[0]["params"]["control_id"];
                if *named != action.control_id() || action.is_done() {
                    return Err(format!("an operation named {}: {named}", action.control_id()));
                }
                Sent(sent, None, holes.open("{control_id}"), None)
            }
            Ok(Outcome::Done) if sent.is_empty() && state == "ended" && method == "send_digits" => {
                // Requests on a live call stand for those that are not sent here.
                let Sent(sent, error, holes, _) = of_call(wire, row, way, "answered")?;
                Sent(sent, error, holes, Some(Rule::DigitsAreAnAction))
            }
            Ok(_) => Sent(sent, None, holes.open("{control_id}"), None),
        }
    } else {
        let via = &row["via"];
        let start = via["method_py"].as_str().unwrap();
        match call_method(&call, start, Args::new(&via["args"], &via["extra"], way)) {
            Some(Ok(Outcome::Started(action))) => {
                link.requests(&client);
                let holes = holes.fill("{control_id}", action.control_id());
                let error = action.command(method, args).ok_or_else(|| no_method(method))?.err();
                Sent(link.requests(&client), error, holes, None)
            }
            _ => return Err(format!("{start} starts nothing")),
        }
    };
    client.disconnect();
    Ok(sent)
}

/// A call without an id is never offered, so that there is nothing to call a method on. Gives the request that there
/// would be if it were.
fn without_id(wire: &Wire, row: &Value, node_id: &str) -> Result<Value, String> {
    let (client, link) = wire.client();
    for call_id in ["", "another"] {
        let params = json!({"call_id": call_id, "node_id": node_id, "call_state": "created", "direction": "inbound"});
        link.send(&link.event(&json!({"event_type": "calling.call.receive", "params": params})));
    }
    let next = client.next_call(LONG).unwrap();
    client.disconnect();
    if next.id() != "another" {
        return Err(format!("a call {:?}", next.id()));
    }
    let method = format!("calling.{}", row["method_py"].as_str().unwrap_or_default());
    Ok(json!({"method": method, "params": {"node_id": node_id, "call_id": ""}}))
}

fn of_client(wire: &Wire, row: &Value, way: Way) -> Result<Sent, String> {
    let method = row["method_py"].as_str().unwrap();
    let args = Args::new(&row["args"], &row["extra"], way);
    match method {
        "__init__" => return constructed(row),
        "connect" => return connected(row),
        "(ping timer)" => return Ok(pinged(wire)),
        _ => {}
    }
    let own = (!row["connect_result"].is_null()).then(Wire::new);
    let wire = own.as_ref().inspect(|wire| wire.set_connect_result(row["connect_result"].clone())).unwrap_or(wire);
    let (client, link) = wire.client();
    if method == "dial" {
        // No server responds here.
        link.set_answers(Answers::Always(json!({"error": {"code": 1, "message": "enough"}})));
    }
    let outcome = client_method(&client, method, args).ok_or_else(|| format!("no method {method}"))?;
    let sent = link.requests(&client);
    // A dial whose own limit is 0 has ended before the answer comes.
    let has_no_time = row["args"]["dial_timeout"].as_f64() == Some(0.0);
    let is_enough = |error: &Error| {
        method == "dial"
            && (error.server_message() == Some("enough") || (has_no_time && error.kind() == ErrorKind::OutcomeUnknown))
    };
    let error = outcome.err().filter(|error| !is_enough(error));
    client.disconnect();
    Ok(Sent(sent, error, Holes::default().fill("{protocol}", PROTOCOL).open("{tag}"), None))
}

/// A builder with the arguments of a client.
fn built(mut builder: Builder, args: &Value) -> Result<Builder, String> {
    for (key, value) in members(args) {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| format!("{key}: {value}"));
        builder = match key.as_str() {
            "project" => builder.project(text()?),
            "token" => builder.token(text()?),
            "jwt_token" => builder.jwt(text()?),
            "host" => builder.host(text()?),
            "contexts" => builder.contexts(value.as_array().into_iter().flatten().filter_map(Value::as_str)),
            "max_active_calls" => builder.max_active_calls(value.as_u64().ok_or("a number")? as usize),
            _ => return Err(format!("no setter for {key}")),
        };
    }
    Ok(builder)
}

/// A client that cannot be made.
fn constructed(row: &Value) -> Result<Sent, String> {
    match built(Client::builder(), &row["args"])?.connect() {
        Ok(_) => Err("a client that can be made is one that connects".into()),
        Err(error) => Ok(Sent(Vec::new(), Some(error), Holes::default(), None)),
    }
}

/// The parameters of `signalwire.connect`, on the first or a later connection.
fn connected(row: &Value) -> Result<Sent, String> {
    let wire = Wire::new();
    let scenario = members(&row["connect_scenario"]);
    for (key, value) in &scenario {
        match (key.as_str(), value) {
            ("protocol", protocol) => wire.set_connect_result(json!({ "protocol": protocol })),
            ("resume", Value::Bool(false)) => wire.refuse_resumes(),
            ("auth_state", Value::String(_)) | ("resume", Value::Bool(true)) => {}
            _ => return Err(format!("a scenario that is not known: {key} {value}")),
        }
    }
    let (client, mut link) = wire.connect(built(wire.builder_without_credentials(), &row["args"])?);
    for number in 1..row["connection"].as_u64().unwrap_or(1) {
        if let Some(state) = scenario.get("auth_state") {
            let payload = json!({"authorization_state": state});
            link.send(&link.event(&json!({"event_type": "signalwire.authorization.state", "params": payload})));
            link.handled();
        }
        for step in row["before"].as_array().filter(|_| number == 1).into_iter().flatten() {
            before(&client, &link, step)?;
        }
        link.cut();
        link = wire.link();
    }
    let sent = json!({"method": "signalwire.connect", "params": link.connect});
    client.disconnect();
    Ok(Sent(vec![sent], None, Holes::default(), None))
}

/// The steps on a connection before the next one.
fn before(client: &Client, link: &Link, step: &Value) -> Result<(), String> {
    if let Some(contexts) = received(step) {
        let contexts = contexts.iter().filter_map(Value::as_str);
        return client.receive(contexts).map_err(|error| format!("{error:?}"));
    }
    let mut frame = step["server_frame"].clone();
    if !frame.is_object() {
        return Err(format!("a step that is not known: {step}"));
    }
    frame["jsonrpc"] = "2.0".into();
    frame["id"] = "before".into();
    link.send(&frame);
    while link.frame(LONG).expect("an answer")["id"] != "before" {}
    Ok(())
}

/// The frames that a client sends on its own to a silent server.
fn pinged(wire: &Wire) -> Sent {
    let (client, link) = wire.connect(wire.builder().tuning(|t| t.ping_after(Duration::from_millis(1))));
    let ping = loop {
        let frame = link.frame(LONG).expect("a frame");
        if !frame["method"].is_null() {
            break frame;
        }
    };
    client.disconnect();
    Sent(vec![ping], None, Holes::default(), None)
}

fn observe(wire: &Wire, row: &Value, way: Way) -> Result<Observed, String> {
    take_unfit();
    let sent = match row["target"] == "client" {
        true => of_client(wire, row, way),
        false => of_call(wire, row, way, row["call_state"].as_str().unwrap_or("answered")),
    };
    let Sent(sent, error, holes, rule) = sent.map_err(|why| format!("{way:?}: {why}"))?;
    Ok(Observed { way, sent, holes, error, rule, unfit: take_unfit() })
}

fn run(wire: &Wire, row: &Value) -> Vec<Result<Observed, String>> {
    [Way::Typed, Way::Raw].map(|way| observe(wire, row, way)).into()
}

/// The rows that are picked, and how each is checked.
pub fn cases(pick: &dyn Fn(usize) -> bool) -> Vec<Case> {
    let wire = Wire::new();
    let rows = rows(ROWS);
    assert_eq!(rows.len(), 303);
    let picked = rows.into_iter().enumerate().filter(|(number, _)| pick(*number));
    picked
        .map(|(_, row)| {
            let observed = run(&wire, &row);
            Case::new(row, COLUMNS, deviations::REQUESTS, move |row| judge(row, &observed))
        })
        .collect()
}

#[test]
fn methods_send_what_was_recorded() {
    let mut seen = deviations::Seen::default();
    for case in cases(&|_| true) {
        seen.take(&case.row, case.verdict());
    }
    seen.done(deviations::REQUESTS);
}

/// No row has these: a JSON web token, a session that is not resumed, contexts that were added later.
#[test]
fn connections_that_no_row_has_are_made_as_the_rows_describe_them() {
    let wire = Wire::new();
    let connect = |more: Value| {
        let mut params =
            json!({"version": {"major": 2, "minor": 0, "revision": 0}, "agent": "any", "event_acks": true});
        for (key, value) in members(&more) {
            params[key] = value;
        }
        params
    };
    let row = |more: Value, params: Value| {
        let mut row = json!({"target": "client", "method_py": "connect", "args": {"project": "p", "token": "t"},
            "rpc_method": "signalwire.connect", "params": connect(params)});
        for (key, value) in members(&more) {
            row[key] = value;
        }
        row
    };
    let plain = json!({"authentication": {"project": "p", "token": "t"}});
    let mut resumed = plain.clone();
    resumed["protocol"] = "protocol-1".into();
    let second =
        |scenario: Value, before: Value| json!({"connection": 2, "connect_scenario": scenario, "before": before});
    let repeated = BTreeSet::from([Rule::ContextsAreRepeated]);
    let none = BTreeSet::new();
    for (row, rules) in [
        (row(json!({"args": {"jwt_token": "j"}}), json!({"authentication": {"jwt_token": "j"}})), &none),
        (row(second(json!({"protocol": "protocol-1"}), json!([])), resumed.clone()), &none),
        (row(second(json!({"protocol": "protocol-1", "resume": false}), json!([])), plain), &none),
        (row(second(json!({"protocol": "protocol-1"}), json!([{"receive": ["sales"]}])), resumed), &repeated),
    ] {
        let observed = run(&wire, &row);
        assert_eq!(judge(&row, &observed).as_ref(), Ok(rules), "{row}");
        let mut changed = row.clone();
        changed["params"]["authentication"] = json!({});
        assert!(judge(&changed, &observed).is_err(), "{row}");
    }
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
        match judge(&row, &run(&wire, &row)) {
            Ok(rules) if rules.is_empty() => {}
            Ok(rules) => failed.push(format!("{row}: {rules:?}")),
            Err(why) => failed.push(why),
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
