//! The crate prints no secret: not in a log, not by `Debug` or `Display`, not by a panic.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::events::{EventName, parse_event};
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Call, Client, Dial, ErrorKind, LinkState, phone, silence, sip, sms};

use crate::support::{
    Capture, LONG, Peer, answer, answered_call, builder, caught_up, child_role, event, http_request, next_state,
    online, reconnecting, report, reports_of_child, until, watched,
};

// Each contains what JSON, URLs and `Debug` write differently.
const PROJECT: &str = "Pr0ject-canary \"7/\u{e9}+\\x";
const TOKEN: &str = "T0ken-canary \"8/\u{e9}+\\x";
const JWT: &str = "Jw7-canary \"9/\u{e9}+\\x";
const STATE: &str = "St4te-canary \"1/\u{e9}+\\x";
const PASSWORD: &str = "P4ssword-canary \"2/\u{e9}+\\x";
const BEARER: &str = "Be4rer-canary \"3/\u{e9}+\\x";

/// The strings that must not be found: of each secret the part that every readable encoding leaves unchanged, and that
/// part in the encodings that change everything.
fn forms(secrets: &[&str]) -> Vec<String> {
    let mut forms = Vec::new();
    for secret in secrets {
        let core = &secret[..secret.find(' ').unwrap()];
        forms.push(core.to_owned());
        for hex in [|byte| format!("{byte:02x}"), |byte| format!("{byte:02X}")] {
            forms.push(core.bytes().map(hex).collect());
        }
        forms.push(core.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
        // Base64 depends on where in its text the secret begins: those digits that hold nothing else.
        for shift in 0..3 {
            let text = base64(&[&[0; 3][..shift], core.as_bytes(), &[0; 3]].concat());
            forms.push(text[(shift * 4).div_ceil(3)..(shift + core.len()) * 4 / 3].to_owned());
        }
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

const ALL: [&str; 6] = [PROJECT, TOKEN, JWT, STATE, PASSWORD, BEARER];

fn check(text: &str, secrets: &[&str], from: &str) {
    for form in forms(secrets) {
        assert!(!text.contains(&form), "{form:?} in {from}: {text}");
    }
}

/// The strings that the author of a program sees, which are searched at the end.
#[derive(Default)]
struct Shown {
    ours: Vec<String>,
    /// The strings of the service that are allowed: the name of the session, which is the context of messages,
    /// contains the project, and the program needs it.
    told: Vec<String>,
}

impl Shown {
    fn debug(&mut self, what: &dyn Debug) {
        self.ours.push(format!("{what:?}\n{what:#?}"));
    }

    fn told(&mut self, what: &dyn Debug) {
        self.told.push(format!("{what:?}\n{what:#?}"));
    }

    fn error(&mut self, what: &signalwire_relay::Error) {
        self.display(what);
        self.debug(what);
        let mut source = std::error::Error::source(what);
        while let Some(error) = source {
            self.ours.push(format!("{error} {error:?}"));
            source = error.source();
        }
        self.ours.extend(what.server_message().map(str::to_owned));
    }

    fn display(&mut self, what: &dyn Display) {
        self.ours.push(what.to_string());
    }
}

/// A simulator that repeats the token, and everything that is done with a client.
fn on_the_simulator(shown: &mut Shown) {
    let sim = Simulator::builder()
        .project(PROJECT)
        .token(TOKEN)
        .echoes_secrets()
        .allow_violations()
        .speed(50.0)
        .start()
        .unwrap();
    // A listener that panics below is not to end the call.
    let builder = builder(&sim).on_handler_failure(HandlerFailure::Leave);
    shown.debug(&builder);
    shown.debug(&sim);
    let client = builder.connect().unwrap();
    shown.debug(&client);
    shown.debug(&client.downgrade());
    let mut states = client.states();
    shown.debug(&states);
    assert!(!online(&mut states));

    let device = sip("sip:bob@example.com").from("sip:ann@example.com").username("ann").password(PASSWORD);
    let dial = Dial::new(device.clone());
    shown.debug(&device);
    shown.debug(&dial);
    let call = client.dial(dial).unwrap();
    shown.told(&call);
    let mut events = call.events();
    // A password that only the request had, repeated under a name that says nothing.
    sim.refuse_next("calling.play", 400, &format!("the endpoint's {PASSWORD} is wrong"));
    shown.error(&call.play(silence(LONG)).unwrap_err());
    sim.push_event("some.event", json!({"said": PASSWORD}));
    // User code whose panic or failure says more than it should.
    call.on("calling.call.boom", |_| panic!("on purpose: {TOKEN} {PASSWORD:?}"));
    sim.push_event("calling.call.boom", json!({"call_id": call.id()}));
    until("the listener to panic", || client.stats().panics == 1);
    let playing = call.play(silence(std::time::Duration::from_millis(100))).unwrap();
    shown.told(&playing);
    shown.told(&playing.reply());
    shown.told(&playing.wait(LONG).unwrap());
    shown.told(&events.next_within(LONG).unwrap());

    let message = client.send_message(sms("+15552222222").from("+15551111111").body("hello")).unwrap();
    shown.told(&message);
    shown.told(&message.wait(LONG).unwrap());
    shown.told(&answered_call(&sim, &client));

    let (failing, failed) = std::sync::mpsc::channel();
    client.on_call(move |_call| {
        failing.send(()).unwrap();
        Err(format!("{TOKEN} {}", json!(PASSWORD)).into())
    });
    let caller = sim.caller("+15551230001").calls("+15559990000").dials();
    failed.recv_timeout(LONG).unwrap();
    caller.wait_ended(LONG).unwrap();
    until("the handler to have failed", || client.stats().handler_failures == 1);

    // Secrets that the program sends itself, in a request that we know nothing of.
    let hidden = json!({"authorization_bearer_token": BEARER, "deep": [{"password": PASSWORD, "token": TOKEN}]});
    shown.error(&client.execute("some.method", hidden.clone()).unwrap_err());
    shown.error(&call.execute("calling.ai", json!({"prompt": hidden})).unwrap_err());

    // A service that repeats what it should not.
    let echo = format!("project {PROJECT} with token {TOKEN} may not");
    for method in ["signalwire.receive", "messaging.send", "calling.play", "calling.end", "calling.dial"] {
        sim.refuse_next(method, 500, &echo);
    }
    shown.error(&client.receive(["more"]).unwrap_err());
    shown.error(&client.send_message(sms("+15552222222").from("+15551111111").body("hello")).unwrap_err());
    shown.error(&call.play(silence(LONG)).unwrap_err());
    shown.error(&call.hangup().unwrap_err());
    let refused = client.dial(phone("+15552222222").from("+15551111111"));
    shown.error(refused.as_ref().unwrap_err());
    let panic = catch_unwind(AssertUnwindSafe(|| refused.unwrap())).unwrap_err();
    shown.debug(&panic.downcast_ref::<String>().expect("a panic with a text"));

    let told = json!({"call_id": call.id(), "token": TOKEN, "jwt_token": JWT, "authorization_state": STATE,
        "device": {"type": "sip", "params": {"password": PASSWORD}}, "authorization_bearer_token": BEARER});
    sim.push_event("calling.call.told", told.clone());
    let seen = call.wait_for_ended(std::time::Duration::ZERO);
    shown.error(&seen.unwrap_err());
    shown.told(&parse_event(&json!({"event_type": "calling.call.told", "params": told})));
    for event in std::iter::from_fn(|| events.next_within(std::time::Duration::from_millis(200))) {
        shown.told(&event);
    }
    sim.push_raw(&event("e", "x", json!({"said": echo, "and": {TOKEN: [PROJECT]}})).to_string());
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": 1, "method": echo}).to_string());
    sim.push_raw(&format!("{{\"token\":\"{TOKEN}"));
    sim.push_raw(&echo);
    sim.push_raw(&json!([TOKEN]).to_string());
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": TOKEN, "result": TOKEN}).to_string());
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": 7, "error": TOKEN}).to_string());
    sim.push_binary(TOKEN.as_bytes());
    caught_up(&sim);

    sim.drop_link();
    shown.debug(&reconnecting(&mut states));
    assert!(online(&mut states));
    sim.ask_to_reconnect(true);
    assert!(!online(&mut states));
    shown.debug(&client.stats());
    shown.debug(&client.state());
    client.disconnect();
    shown.debug(&client.state());
}

/// A service that rejects the connect, and repeats its fields in the response.
fn on_a_rude_service(shown: &mut Shown) {
    let peer = Peer::new();
    let builder = peer.builder().jwt(JWT).project(PROJECT).token(TOKEN);
    shown.debug(&builder);
    let connecting = thread::spawn(move || builder.connect());
    let (mut service, params) = peer.welcome("p1");
    assert_eq!(params["authentication"]["jwt_token"], JWT);
    let client = connecting.join().unwrap().unwrap();
    let mut states = client.states();
    assert!(!online(&mut states));
    service.send(event("a", "signalwire.authorization.state", json!({"authorization_state": STATE})));
    service.frame();
    let asking = {
        let client = client.clone();
        thread::spawn(move || client.execute("some.method", json!({})).unwrap_err())
    };
    let asked = service.request("some.method");
    service.refuse(&asked, -32603, &format!("state {STATE} of {JWT}"));
    shown.error(&asking.join().unwrap());
    let reason = format!("bye {JWT}");
    let close = tungstenite::protocol::CloseFrame { code: 4000.into(), reason: reason.as_str().into() };
    service.0.close(Some(close)).unwrap();
    service.gone();
    shown.debug(&reconnecting(&mut states));
    // The resume keys are rejected twice, then the credentials.
    for resumes in [true, true, false] {
        let mut service = peer.accept();
        let connect = service.frame();
        assert_eq!(connect["params"]["authorization_state"] == STATE, resumes);
        service.refuse(&connect, -32002, &format!("{STATE} and {JWT} are not welcome"));
        service.gone();
    }
    let refused = next_state(&mut states, "of the refusal", |state| match state {
        LinkState::Reconnecting { cause, .. } => cause.kind() == ErrorKind::AuthRejected,
        _ => false,
    });
    shown.debug(&refused);
    if let LinkState::Reconnecting { cause, .. } = &refused {
        shown.error(cause);
    }
    let mut service = peer.accept();
    let connect = service.frame();
    service.reply(&connect, json!({"code": 500, "message": format!("not now, {JWT}")}));
    service.gone();
    let (_service, _) = peer.welcome("p2");
    until("the last connection", || client.state().is_online() && client.stats().connections == 2);
    shown.debug(&client);
    client.disconnect();
}

/// Every way to write something that is to be read elsewhere.
fn written(secret: &str) -> Vec<String> {
    let percent = |hex: fn(u8) -> String| secret.bytes().map(hex).collect::<String>();
    let mut all = vec![
        secret.to_owned(),
        json!(secret).to_string(),
        format!("{secret:?}"),
        secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect(),
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        percent(|byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }),
        secret.replace(' ', "+"),
        percent(|byte| format!("{byte:02x}")),
        percent(|byte| format!("{byte:02X}")),
    ];
    for before in ["", "a", "ab"] {
        all.push(base64(format!("{before}{secret}:xx").as_bytes()));
    }
    all
}

/// A service that answers the upgrade with a page that has everything in it.
fn at_the_upgrade(shown: &mut Shown) {
    let basic = base64(format!("{PROJECT}:{TOKEN}xx").as_bytes());
    for secret in [PROJECT, TOKEN, JWT] {
        let basic = (secret != JWT).then(|| basic.clone());
        for written in written(secret).into_iter().chain(basic) {
            // The second is cut off by the end of what is read, the third by the end of what is shown.
            let cut = written.char_indices().nth(written.chars().count() / 2 + 4).map_or(written.len(), |(at, _)| at);
            let padded = format!("{} {written} and more", "x".repeat(250));
            for page in [format!("not you, {written}!\n"), format!("not you, {}", &written[..cut]), padded] {
                let peer = Peer::new();
                let mut builder = peer.builder();
                builder = if secret == JWT { builder.jwt(JWT) } else { builder.project(PROJECT).token(TOKEN) };
                let connecting = thread::spawn(move || builder.connect().map(drop).unwrap_err());
                let mut socket = peer.socket();
                http_request(&mut socket);
                let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", page.len());
                answer(&socket, format!("{head}{page}").as_bytes());
                drop(socket);
                let error = connecting.join().unwrap();
                assert!(error.to_string().contains("HTTP 403"), "{error}");
                shown.error(&error);
            }
        }
    }
}

fn before_anything_is_sent(shown: &mut Shown) {
    for host in [format!("user:{TOKEN}@relay.example"), format!("wss://{TOKEN}"), format!("relay.example/?t={TOKEN}")] {
        let builder = Client::builder().project(PROJECT).token(TOKEN).host(host);
        shown.error(&builder.connect().unwrap_err());
    }
    let builder = Client::builder().project(PROJECT).token(TOKEN).host("127.0.0.1:9").tls(false);
    shown.error(&builder.connect().unwrap_err());
}

fn child() {
    let capture = Capture::install();
    let panics = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&panics);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| kept.lock().unwrap().push(info.to_string())));
    let mut shown = Shown::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        on_the_simulator(&mut shown);
        on_a_rude_service(&mut shown);
        at_the_upgrade(&mut shown);
        before_anything_is_sent(&mut shown);
    }));
    std::panic::set_hook(usual);
    outcome.unwrap_or_else(|_| panic!("{:?}", panics.lock().unwrap()));
    // The program's own panic message is not masked by the crate; the crate's log masks it, which is checked below.
    panics.lock().unwrap().retain(|panic| !panic.contains("on purpose"));
    for text in shown.ours.iter().chain(panics.lock().unwrap().iter()) {
        check(text, &ALL, "what was shown");
    }
    for text in &shown.told {
        check(text, &ALL[1..], "what was told");
    }
    let records = capture.take();
    // The service is in this process too, with its tungstenite.
    let ours = |target: &str| target.starts_with("signalwire_relay");
    for (target, line) in records.iter().filter(|(target, _)| ours(target)) {
        check(line, &ALL, target);
    }
    // Frames were traced, and secrets in them would have been found.
    let frames = records.iter().filter(|(target, _)| target == "signalwire_relay::wire").count();
    let masked = records.iter().filter(|(target, line)| ours(target) && line.contains("<secret>")).count();
    assert!(frames > 50 && masked > 10, "{frames} frames, {masked} with something masked");
    report("clean");
}

#[test]
fn no_record_of_ours_has_a_secret_in_it() {
    watched(|| {
        if child_role().is_some() {
            return child();
        }
        assert_eq!(reports_of_child("secrets::no_record_of_ours_has_a_secret_in_it", "child", &[]), ["clean"]);
    });
}

/// A process with nothing in it but a client and the crates that it builds upon.
fn client_alone(host: &str) {
    let capture = Capture::install();
    let encoded = |secret: &str| secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let client = Client::builder()
        .host(host)
        .project(PROJECT)
        .token(TOKEN)
        .path(format!("/relay?token=T0ken-canary&jwt={}", encoded(JWT)))
        .contexts(["default"])
        .tuning(|t| t.reconnect_delay(std::time::Duration::from_millis(5), std::time::Duration::from_millis(40)))
        .connect()
        .unwrap();
    let mut states = client.states();
    assert!(!online(&mut states));
    let call = client.dial(sip("sip:bob@example.com").from("sip:ann@example.com").password(PASSWORD)).unwrap();
    call.play(silence(std::time::Duration::from_millis(10))).unwrap().wait(LONG).unwrap();
    let hidden = json!({"authorization_bearer_token": BEARER, "deep": [{"password": PASSWORD, "token": TOKEN}]});
    client.execute("some.method", hidden).unwrap_err();
    // Large enough to come in several reads.
    let large = json!({"token": TOKEN, "filler": "x".repeat(300_000)});
    client.execute("some.other", large).unwrap_err();
    report("ready");
    // The service cuts the connection now, and the session is resumed.
    reconnecting(&mut states);
    assert!(online(&mut states));
    call.hangup().unwrap();
    client.disconnect();
    let records = capture.take();
    for (target, line) in &records {
        check(line, &ALL, target);
    }
    let of = |target: &str| records.iter().filter(|(from, _)| from.starts_with(target)).count();
    let masked = records.iter().filter(|(_, line)| line.contains("<secret>")).count();
    // Everything was logged, tungstenite's handshake included.
    let (wire, tungstenite) = (of("signalwire_relay::wire"), of("tungstenite"));
    assert!(wire > 20 && masked > 5 && tungstenite > 2, "{wire} frames, {masked} masked, {tungstenite} of tungstenite");
    report("clean");
}

#[test]
fn at_plain_trace_no_record_of_any_crate_has_a_secret_in_it() {
    watched(|| {
        const NAME: &str = "secrets::at_plain_trace_no_record_of_any_crate_has_a_secret_in_it";
        if let Some(host) = child_role() {
            return client_alone(&host);
        }
        for tls in [false, true] {
            let sim = Arc::new(
                Simulator::builder()
                    .project(PROJECT)
                    .token(TOKEN)
                    .tls(tls)
                    .echoes_secrets()
                    .allow_violations()
                    .speed(50.0)
                    .start()
                    .unwrap(),
            );
            let (cutting, other) = (Arc::clone(&sim), sim.host());
            let cut = thread::spawn(move || {
                until("the last request before the cut", || cutting.journal().requests("some.other").len() == 1);
                cutting.drop_link();
            });
            let ca = sim.ca_file().map(|file| file.display().to_string());
            let environment: Vec<(&str, &str)> = match &ca {
                Some(ca) => vec![("SIGNALWIRE_RELAY_CA_FILE", ca)],
                None => vec![("SIGNALWIRE_RELAY_SCHEME", "ws")],
            };
            assert_eq!(reports_of_child(NAME, &other, &environment), ["ready", "clean"]);
            cut.join().unwrap();
        }
    });
}

/// A text that would forge a line, move the cursor, or change the direction of writing.
const FORGED: &str = "x\n2026-11-28 ERROR forged\r\u{1b}[2J\u{9b}2J\u{7f}\u{85}\u{202e}\u{2028}\u{2066}";

fn is_one_line(text: &str) -> bool {
    let unsafe_one = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !text.contains(unsafe_one)
}

/// The recorded events: one of each type with all that it may have, and one with another type for each that has no row.
fn recorded_events() -> Vec<(String, Value)> {
    const ROWS: &str = include_str!("../wire/events.jsonl");
    let rows = ROWS.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).filter(|row| row["case"] == "full");
    let mut all: Vec<(String, Value)> = rows
        .map(|row| (row["payload"]["event_type"].as_str().unwrap().to_owned(), row["payload"]["params"].clone()))
        .collect();
    for name in EventName::ALL.iter().map(EventName::as_str).chain(["x.y", "calling.ai.response"]) {
        if !all.iter().any(|(known, _)| known == name) {
            let named = ["call_id", "control_id", "node_id", "tag", "state", "status", "reason", "message_id", "text"];
            all.push((name.to_owned(), named.into_iter().map(|key| (key.to_owned(), json!("x"))).collect()));
        }
    }
    assert!(all.len() >= EventName::ALL.len(), "{}", all.len());
    all
}

/// Puts `hostile` in place of every string, but for those under the names of `spared`.
fn poison(value: &mut Value, hostile: &str, spared: &[&str]) {
    match value {
        Value::String(text) => hostile.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, hostile, spared)),
        Value::Object(members) => {
            for (_, member) in members.iter_mut().filter(|(name, _)| !spared.contains(&name.as_str())) {
                poison(member, hostile, spared);
            }
        }
        _ => {}
    }
}

/// Every type of event, with every string hostile; and the same of a call that lives here, with states that are known.
fn every_event_type(sim: &Simulator, call: &Call, hostile: &str, shown: &mut Shown) {
    let mut stream = call.events();
    let mut sent = 0;
    for (name, params) in recorded_events() {
        for spared in [&[][..], &["call_state", "state", "status", "type", "direction", "call_id"]] {
            let mut params = params.clone();
            poison(&mut params, hostile, spared);
            if !spared.is_empty() && name != "calling.call.receive" && params["call_state"] != "ended" {
                params["call_id"] = call.id().into();
                sent += 1;
            }
            shown.told(&parse_event(&json!({"event_type": name, "params": params, "event_channel": hostile})));
            sim.push_event(&name, params);
        }
    }
    sim.push_event("x.last", json!({"call_id": call.id()}));
    let next = || stream.next_within(LONG).filter(|event| event.name() != "x.last");
    let heard: Vec<_> = std::iter::from_fn(next).collect();
    assert!(sent > 20 && heard.len() > sent / 2, "{} of {sent} events reached the call", heard.len());
    for event in heard {
        shown.told(&event);
    }
}

/// Every method, refused in hostile words; with codes that are taken differently.
fn every_method(sim: &Simulator, client: &Client, call: &Call, hostile: &str, shown: &mut Shown) {
    const ROWS: &str = include_str!("../wire/requests.jsonl");
    let rows = ROWS.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let methods: BTreeSet<String> = rows.filter_map(|row| row["rpc_method"].as_str().map(str::to_owned)).collect();
    assert!(methods.len() > 50, "{methods:?}");
    for method in &methods {
        for code in [400, 404, -32603] {
            sim.refuse_next(method, code, hostile);
            shown.error(&client.execute(method, json!({})).unwrap_err());
        }
        if method.starts_with("calling.") {
            sim.refuse_next(method, 409, hostile);
            shown.error(&call.execute(method, json!({})).unwrap_err());
        }
    }
}

/// A service that puts a secret, and what forges a line, into every string that it may send.
fn with_a_hostile_service() {
    let capture = Capture::install();
    let sim = Simulator::builder().project(PROJECT).token(TOKEN).allow_violations().start().unwrap();
    let client = builder(&sim).connect().unwrap();
    let hostile = format!("{TOKEN}{FORGED}");
    let mut shown = Shown::default();
    let dialled = client.dial(phone("+15552222222").from("+15551111111")).unwrap();
    for method in ["calling.play", "calling.send_digits", "messaging.send", "signalwire.receive", "calling.dial"] {
        sim.refuse_next(method, 400, &hostile);
    }
    let texted = || client.send_message(sms("+15552222222").from("+15551111111").body("hello"));
    shown.error(&dialled.play(silence(LONG)).unwrap_err());
    shown.error(&dialled.send_digits("1").unwrap_err());
    shown.error(&texted().unwrap_err());
    shown.error(&client.receive(["more"]).unwrap_err());
    shown.error(&client.dial(phone("+15552222222").from("+15551111111")).unwrap_err());
    sim.refuse_next("some.method", 400, &format!("{}{TOKEN}", "\\u{".repeat(40_000)));
    let long = client.execute("some.method", json!({})).unwrap_err();
    assert!(long.to_string().len() < 1200 && long.server_message().is_some_and(|said| said.len() < 1100), "{long}");

    // An inbound call and message with hostile IDs; then the same again, unclaimed.
    let offer = |id: &str| {
        let device = json!({"type": "phone", "params": {"from_number": id, "to_number": id}});
        json!({"call_id": id, "node_id": id, "segment_id": id, "tag": id, "context": id, "call_state": "created",
            "direction": "inbound", "device": device})
    };
    let message = |id: &str| {
        json!({"message_id": id, "context": id, "direction": "inbound", "message_state": "received", "from_number": id,
            "to_number": id, "body": id, "media": [id], "segments": 1, "tags": [id]})
    };
    sim.push_event("calling.call.receive", offer(&hostile));
    let call = client.next_call(LONG).unwrap();
    shown.told(&call);
    if let Err(error) = call.play(silence(LONG)).and_then(|playing| playing.wait(LONG)) {
        shown.error(&error);
    }
    shown.error(&call.wait_for_answered(std::time::Duration::ZERO).unwrap_err());
    sim.push_event("messaging.receive", message(&hostile));
    shown.told(&client.next_message(LONG).unwrap());
    sim.push_event("calling.call.receive", offer(&format!("{hostile}2")));
    sim.push_event("messaging.receive", message(&format!("{hostile}2")));
    every_event_type(&sim, &dialled, &hostile, &mut shown);
    every_method(&sim, &client, &dialled, &hostile, &mut shown);
    sim.push_event(&hostile, json!({"call_id": hostile}));
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": hostile, "method": hostile}).to_string());
    sim.push_raw(&json!({"jsonrpc": "2.0", "id": hostile, "result": hostile}).to_string());
    sim.push_raw(&json!({"jsonrpc": hostile, "id": [hostile], "method": 1}).to_string());
    caught_up(&sim);
    let handler_of = hostile.clone();
    client.on_call(move |_call| Err(handler_of.clone().into()));
    let caller = sim.caller("+15551230001").calls("+15559990000").dials();
    caller.wait_ended(LONG).unwrap();
    until("the message to be dropped", || client.stats().messages_dropped > 0);
    client.disconnect();
    shown.error(&call.wait_for_answered(std::time::Duration::ZERO).unwrap_err());

    let ours = |target: &str| target.starts_with("signalwire_relay");
    let records = capture.take();
    for (target, line) in records.iter().filter(|(target, _)| ours(target)) {
        assert!(is_one_line(line), "{line:?} of {target}");
        check(line, &[TOKEN], target);
    }
    assert!(records.iter().any(|(target, line)| ours(target) && line.contains("forged")), "nothing hostile was logged");
    assert!(records.iter().any(|(_, line)| line.contains("was dropped: ")));
    for text in &shown.ours {
        // The alternate form of `Debug` has lines of its own.
        assert!(text.split('\n').all(is_one_line), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("2026")), "{text}");
        check(text, &[TOKEN], "what was shown");
    }
    for text in &shown.told {
        assert!(text.split('\n').all(is_one_line), "{text:?}");
    }
    report("clean");
}

#[test]
fn no_text_of_a_hostile_service_forges_a_line_or_shows_a_secret() {
    watched(|| {
        const NAME: &str = "secrets::no_text_of_a_hostile_service_forges_a_line_or_shows_a_secret";
        if child_role().is_some() {
            return with_a_hostile_service();
        }
        assert_eq!(reports_of_child(NAME, "child", &[]), ["clean"]);
    });
}

#[test]
fn the_search_for_secrets_finds_them() {
    let core = "T0ken-canary";
    for (written, what) in [
        (TOKEN.to_owned(), "raw"),
        (format!("{TOKEN:?}"), "as Debug"),
        (json!(TOKEN).to_string(), "as JSON"),
        (TOKEN.replace('\u{e9}', "%C3%A9").replace(' ', "%20"), "in a URL"),
        ("5430 54306b656e2d63616e617279".to_owned(), "in hex"),
        (format!("{:?}", core.as_bytes()), "as bytes"),
        (base64(format!("{TOKEN}xx").as_bytes()), "in base64"),
        (base64(format!("a{TOKEN}x").as_bytes()), "in base64"),
        (base64(format!("ab{TOKEN}").as_bytes()), "in base64"),
    ] {
        assert!(catch_unwind(|| check(&written, &[TOKEN], "")).is_err(), "it does not see {written} {what}");
    }
}

/// The values that a program can pass to the crate and print. Each set of parameters may hold a secret, if only by
/// `extra`.
#[test]
fn debug_of_what_a_program_gives_shows_no_secret() {
    use signalwire_relay::devices::{Device, Devices, TapDevice, rtp, webrtc, ws};
    use signalwire_relay::media::{Media, Playlist};
    use signalwire_relay::params::{
        Ai, AmazonBedrock, Answer, Echo, Hangup, JoinConference, JoinRoom, LeaveRoom, Pay, Prompt, QueueEnter, Refer,
        Stream, Swaig, Tap, Transcribe, UserEvent, digit_detector, fax_tone,
    };
    use signalwire_relay::{Collect, Connect, Detect, Play, Record, audio, machine, tts};
    let url = format!(
        "https://ann:{}@example.com/a?b=c",
        PASSWORD.replace(' ', "%20").replace('/', "%2F").replace('"', "%22")
    );
    let hidden = json!({"name": "Authorization", "value": BEARER, "deep": [{"Token": TOKEN, "web_hook_url": url}]});
    macro_rules! shows_nothing {
        ($($set:expr),* $(,)?) => {
            $({
                let set = $set.extra("password", PASSWORD).extra("client_secret", TOKEN).extra("x", hidden.clone());
                for text in [format!("{set:?}"), format!("{set:#?}")] {
                    check(&text, &ALL, stringify!($set));
                    assert!(text.contains("<secret>"), "{text}");
                }
            })*
        };
    }
    shows_nothing![
        Ai::new().post_prompt_auth_password(PASSWORD).post_prompt_url(&*url),
        AmazonBedrock::new().post_prompt_url(&*url),
        Swaig::new().defaults(json!({"web_hook_url": url, "web_hook_auth_password": PASSWORD})),
        Swaig::new().function(json!({"web_hook_url": url})),
        Stream::new("wss://example.com").authorization_bearer_token(BEARER),
        sip("sip:bob@example.com").password(PASSWORD),
        sms("+15552222222"),
        phone("+15552222222"),
        webrtc("bob"),
        audio(&*url),
        tts("hello"),
        machine(),
        fax_tone(),
        digit_detector(),
        rtp("127.0.0.1", 9),
        ws(&*url),
        Answer::new(),
        Hangup::new(),
        Echo::new(),
        UserEvent::new(),
        LeaveRoom::new(),
        Record::new(),
        Transcribe::new(),
        Collect::new(),
        Play::new(audio(&*url)),
        Prompt::new(audio(&*url)),
        Pay::new(&*url),
        Connect::new(sip("sip:bob@example.com").password(PASSWORD)),
        Dial::new(sip("sip:bob@example.com").password(PASSWORD)),
        Refer::new(sip("sip:bob@example.com").password(PASSWORD)),
        Tap::new(ws(&*url)),
        JoinConference::new("c").status_callback(&*url),
        JoinRoom::new("r"),
        QueueEnter::new("q"),
        Detect::from(machine()),
    ];
    let device = sip("sip:bob@example.com").password(PASSWORD);
    let told = [
        format!("{:?}", Device::from(device.clone())),
        format!("{:?}", Devices::at_once([device])),
        format!("{:?}", TapDevice::from(ws(&*url))),
        format!("{:?}", Media::from(audio(&*url))),
        format!("{:?}", Playlist::from(audio(&*url))),
        format!("{:?}", Client::builder().project(PROJECT).token(TOKEN).jwt(JWT).path(format!("/relay?token={TOKEN}"))),
        format!("{:?}", Client::builder().host(format!("ann:{PASSWORD}@example.com"))),
        format!("{:?}", Client::builder().host(format!("example.com/?t={TOKEN}"))),
    ];
    for text in told {
        check(&text, &ALL, "what was given");
    }
}
