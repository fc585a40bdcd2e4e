//! `relay sim`: the simulator as a process of its own, which other languages use.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::simulator::Fault;
use signalwire_relay::{Builder, Client, ErrorKind, LinkState, MessageState, phone, sms, tts};

use crate::support::{LONG, TempFile, lines, next, next_state, relay};

const ANN: &str = "+15551230000";
const BOB: &str = "+15552222222";
const OURS: &str = "+15559990000";
const PHOTO: &str = "https://files.example.com/photo.jpg";

fn command(flags: &[&str]) -> Command {
    let mut command = relay(&[&["sim"], flags].concat());
    command.stdin(Stdio::piped());
    command
}

/// A running service; it is killed with its test.
pub struct Alone {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// The first line.
    pub hello: Value,
}

impl Alone {
    /// One that is quick, and ends by itself if this process does not get round to it.
    pub fn start(flags: &[&str]) -> Self {
        let mut alone = Self::spawn(&mut command(&[&["--speed", "20", "--max-life", "120"], flags].concat()));
        let first = alone.line();
        alone.hello = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{first}: {error}"));
        alone
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdin, lines: lines(out), errors: lines(err), hello: Value::Null }
    }

    fn line(&self) -> String {
        next(&self.lines, "a line of stdout")
    }

    fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).unwrap();
    }

    fn ask_for(&mut self, line: &str) -> Value {
        self.tell(line);
        let answer = self.line();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
    }

    /// A command that is carried out.
    pub fn ask(&mut self, command: Value) -> Value {
        let answer = self.ask_for(&command.to_string());
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    /// A command that is refused; gives the error.
    pub fn refuses(&mut self, line: &str) -> String {
        let answer = self.ask_for(line);
        assert_eq!(answer["ok"], false, "{line}: {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    pub fn builder(&self) -> Builder {
        let ms = Duration::from_millis;
        let builder = Client::builder().host(self.hello["host"].as_str().unwrap()).project("any").token("any-PT");
        let builder = builder.contexts(["default"]).tuning(|t| t.reconnect_delay(ms(10), ms(50)));
        match self.hello["ca_file"].as_str() {
            Some(ca) => builder.ca_file(ca),
            None => builder.tls(false),
        }
    }

    pub fn client(&self) -> Client {
        self.builder().connect().unwrap()
    }

    /// Waits for the end that is under way; gives the status and what was on stderr.
    fn ends(mut self) -> (ExitStatus, String) {
        let mut said = Vec::new();
        loop {
            match self.errors.recv_timeout(LONG) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; it said {said:?}"),
            }
        }
        (self.child.wait().unwrap(), said.join("\n"))
    }

    pub fn quits(mut self) -> (ExitStatus, String) {
        self.ask(json!("quit"));
        self.ends()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a simulator that ends at once with this exit status; returns what it wrote to stderr.
pub fn fails(code: i32, flags: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(flags).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{flags:?}: {said}");
    assert!(stdout.is_empty(), "{flags:?}: {}", String::from_utf8_lossy(&stdout));
    said
}

/// Answers every call and welcomes the caller, until they hang up.
fn welcomes(client: &Client) {
    client.on_call(|call| {
        call.answer()?;
        call.play(tts("Welcome to the office"))?.wait(LONG)?;
        call.wait_for_ended(LONG)?;
        Ok(())
    });
}

#[test]
fn the_first_line_has_the_address_and_a_scripted_caller_is_offered_to_the_client_that_connects_there() {
    let script = json!({"callers": [
        {"from": ANN, "to": OURS, "does": [{"after_hearing": "Welcome"}, {"says": "Goodbye"}, "hangs_up"]},
    ]});
    let script = TempFile::with("caller.json", &script.to_string());
    let mut alone = Alone::start(&["--script", script.name()]);
    let (hello, pid) = (alone.hello.clone(), alone.child.id());
    assert_eq!(hello["pid"], pid);
    assert_eq!(hello["ca_file"], Value::Null);
    assert_eq!(hello["any_credentials"], true);
    let environment = &hello["environment"];
    assert_eq!(
        (&environment["SIGNALWIRE_RELAY_HOST"], &environment["SIGNALWIRE_API_TOKEN"]),
        (&hello["host"], &hello["token"])
    );
    assert_eq!(hello["url"], format!("ws://{}", hello["host"].as_str().unwrap()));
    assert!(hello["host"].as_str().unwrap().starts_with("127.0.0.1:"), "{hello}");

    let client = alone.client();
    welcomes(&client);
    let ended = alone.ask(json!({"wait_ended": {"who": ANN, "seconds": 20}}));
    assert_eq!(ended["end_reason"], "hangup");
    let ann = alone.ask(json!({"person": {"who": ANN}}))["calls"][0].clone();
    assert_eq!(ann["heard"], json!(["Welcome to the office"]));
    assert_eq!(
        (&ann["state"], &ann["was_answered"], &ann["was_hung_up_on"]),
        (&json!("ended"), &json!(true), &json!(false))
    );
    let transcript = alone.ask(json!("transcript"))["transcript"].to_string();
    assert!(transcript.contains("says: Goodbye"), "{transcript}");
    client.disconnect();
    let (status, said) = alone.quits();
    assert_eq!((status.code(), said.as_str()), (Some(0), "relay sim: ended (asked to quit)"));
}

#[test]
fn over_tls_the_certificate_it_wrote_is_the_one_that_has_to_be_trusted() {
    let ca = TempFile::new("ca.pem");
    let alone = Alone::start(&["--tls", "--ca-out", ca.name()]);
    assert_eq!(alone.hello["ca_file"], ca.name());
    assert_eq!(alone.hello["url"], format!("wss://{}", alone.hello["host"].as_str().unwrap()));
    assert!(ca.text().starts_with("-----BEGIN CERTIFICATE-----"));
    let client = alone.client();
    assert!(matches!(client.state(), LinkState::Online { resumed: false }));
    client.disconnect();
    let strange = Client::builder().host(alone.hello["host"].as_str().unwrap()).project("any").token("any-PT");
    assert_eq!(strange.connect().unwrap_err().kind(), ErrorKind::Connect);
    alone.quits();
    assert!(ca.0.exists(), "the file belongs to who asked for it");
}

#[test]
fn commands_let_people_call_press_speak_and_hang_up() {
    let mut alone = Alone::start(&[]);
    let client = alone.client();
    let call_id = alone.ask(json!({"call": {"from": ANN, "to": OURS}}))["call_id"].clone();
    let call = client.next_call(LONG).unwrap();
    assert_eq!(call_id, call.id());
    let early = alone.refuses(&json!({"press": {"who": ANN, "keys": "1"}}).to_string());
    assert!(early.contains("has not been answered"), "{early}");
    call.answer().unwrap();
    alone.ask(json!({"wait_answered": {"who": call_id}}));
    let calls = alone.ask(json!("calls"))["calls"].clone();
    let wanted = json!([{"call_id": call_id, "person": ANN, "program": OURS, "inbound": true, "state": "answered"}]);
    assert_eq!(calls, wanted);

    let asked = call.collect(signalwire_relay::Collect::digits(2)).unwrap();
    alone.ask(json!({"wait_request": {"method": "calling.collect"}}));
    alone.ask(json!({"press": {"who": ANN, "keys": "42"}}));
    assert_eq!(asked.wait(LONG).unwrap().digits(), Some("42"));
    alone.ask(json!({"say": {"who": call_id, "text": "anybody there?"}}));
    call.play(tts("Nobody")).unwrap().wait(LONG).unwrap();
    alone.ask(json!({"wait_heard": {"who": ANN, "text": "nobody"}}));
    alone.ask(json!({"hang_up": {"who": ANN}}));
    call.wait_for_ended(LONG).unwrap();
    assert_eq!(alone.ask(json!({"wait_ended": {"who": ANN}}))["end_reason"], "hangup");
    assert_eq!(alone.ask(json!("calls"))["calls"], json!([]));
    let gone = alone.refuses(&json!({"press": {"who": ANN, "keys": "1"}}).to_string());
    assert!(gone.contains(ANN) && gone.contains("there are no calls"), "{gone}");
}

#[test]
fn callees_answer_are_busy_and_are_steered_like_callers() {
    let script = json!({"callees": [{"number": BOB, "when_called": "is_busy"}]});
    let script = TempFile::with("callees.json", &script.to_string());
    let mut alone = Alone::start(&["--script", script.name()]);
    let client = alone.client();
    let busy = client.dial(phone(BOB).from(OURS)).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::DialFailed);
    alone
        .ask(json!({"callee": {"number": BOB, "when_called": {"answers_after": 0.5}, "does": [{"says": "Bob here"}]}}));
    // They are waited for before they are called.
    alone.tell(&json!({"wait_answered": {"who": BOB, "seconds": 20}}).to_string());
    let call = client.dial(phone(BOB).from(OURS)).unwrap();
    assert!(alone.line().contains("\"ok\":true"));
    call.play(tts("Your order")).unwrap().wait(LONG).unwrap();
    alone.ask(json!({"wait_heard": {"who": BOB, "text": "order"}}));
    let bob = alone.ask(json!({"person": {"who": BOB}}));
    assert_eq!((&bob["when_called"]["times"], &bob["when_called"]["heard"]), (&json!(2), &json!(["Your order"])));
    assert_eq!(bob["calls"][0]["call_id"], call.id());
    alone.ask(json!({"hang_up": {"who": BOB}}));
    call.wait_for_ended(LONG).unwrap();
    // The call has ended, and is still known.
    assert_eq!(alone.ask(json!({"wait_ended": {"who": BOB}}))["end_reason"], "hangup");
    alone.ask(json!({"wait_heard": {"who": call.id(), "text": "your order"}}));
    let never = json!({"wait_heard": {"who": call.id(), "text": "never said", "seconds": 3600}});
    assert!(alone.refuses(&never.to_string()).contains("never said"));
    assert_eq!(alone.ask(json!("violations"))["violations"], json!([]));
}

#[test]
fn text_messages_go_both_ways_and_fail_where_the_script_says_so() {
    let script = json!({
        "messages": [{"to": BOB, "outcome": {"undelivered": "handset unreachable"}}],
        "texts": [{"from": ANN, "to": OURS, "body": "first", "media": [PHOTO]}],
    });
    let script = TempFile::with("texts.json", &script.to_string());
    let mut alone = Alone::start(&["--script", script.name()]);
    let client = alone.client();
    let first = client.next_message(LONG).unwrap();
    assert_eq!((first.body().as_str(), first.media()), ("first", vec![PHOTO.to_owned()]));
    let id = alone.ask(json!({"text": {"from": ANN, "to": OURS, "body": "second"}}))["message_id"].clone();
    let second = client.next_message(LONG).unwrap();
    assert_eq!((second.body(), json!(second.id()), second.media()), ("second".to_owned(), id, vec![]));
    let id = alone.ask(json!({"text": {"from": ANN, "to": OURS, "body": "", "media": [PHOTO]}}))["message_id"].clone();
    let third = client.next_message(LONG).unwrap();
    assert_eq!((third.body(), json!(third.id()), third.media()), (String::new(), id, vec![PHOTO.to_owned()]));
    let verdict = client.send_message(sms(BOB).from(OURS).body("Hello")).unwrap().wait(LONG).unwrap();
    assert_eq!((verdict.state, verdict.reason.as_deref()), (MessageState::Undelivered, Some("handset unreachable")));
    alone.ask(json!({"message": {"to": BOB, "outcome": "delivers"}}));
    let verdict = client.send_message(sms(BOB).from(OURS).body("Again")).unwrap().wait(LONG).unwrap();
    assert_eq!(verdict.state, MessageState::Delivered);
    let sent = alone.ask(json!("texts_sent"))["texts_sent"].clone();
    assert_eq!(sent[1], json!({"from": OURS, "to": BOB, "body": "Again", "media": []}));
    assert_eq!(sent.as_array().unwrap().len(), 2);
}

#[test]
fn faults_take_effect_and_the_client_reconnects() {
    let script =
        json!({"faults": [{"refuse_next": {"method": "messaging.send", "code": 503, "message": "try later"}}]});
    let script = TempFile::with("faults.json", &script.to_string());
    let mut alone = Alone::start(&["--script", script.name()]);
    let client = alone.client();
    let refused = client.send_message(sms(BOB).from(OURS).body("Hello")).unwrap_err();
    assert_eq!((refused.code(), refused.server_message()), (Some(503), Some("try later")));
    let mut states = client.states();
    alone.ask(json!({"inject": "drop_link"}));
    next_state(&mut states, "Reconnecting", |state| matches!(state, LinkState::Reconnecting { .. }));
    next_state(&mut states, "Online", |state| matches!(state, LinkState::Online { resumed: true }));
    alone.ask(json!({"wait_connected": {"clients": 1}}));
    let sessions = alone.ask(json!("sessions"));
    assert_eq!((&sessions["connections"], &sessions["connections_ever"]), (&json!(1), &json!(2)));
    assert_eq!(sessions["sessions"], json!([client.protocol()]));
    let slip = alone.refuses(r#"{"inject": {"hold_replies": "calling.plai"}}"#);
    assert!(slip.contains("such as \"calling.play\""), "{slip}");
    let none = alone.refuses(r#"{"inject": {"resend_last_event": "calling.call.play"}}"#);
    assert!(none.contains("calling.call.play"), "{none}");
}

/// The functions of `Simulator` that cause something, by their names in the source.
fn faults() -> Vec<String> {
    let files = ["src/simulator/handles/link.rs", "src/simulator/handles/inject.rs"];
    let read = |file| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let source = files.map(read).concat();
    let names = source.lines().filter_map(|line| line.strip_prefix("    pub fn ")?.split('(').next());
    // Injected faults have names of their own, after `fault`.
    let asks = [
        "connections",
        "connections_ever",
        "sessions",
        "wait_connected",
        "inject",
        "faults",
        "remove",
        "times",
        "is_over",
        // Frames are counted out by a test, which knows them.
        "cut_at_frame",
        "cut_and_forget_at_frame",
        // Only for clients in virtual time, which another process is not.
        "refuse_threads",
    ];
    names.filter(|name| !asks.contains(name)).map(str::to_owned).collect()
}

#[test]
fn every_fault_of_the_library_is_a_command_and_in_the_help() {
    let Output { status, stdout, .. } = command(&["--help"]).output().unwrap();
    let help = String::from_utf8(stdout).unwrap();
    // The terminal's width decides where a sentence is broken.
    let unwrapped = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(status.success() && unwrapped.contains("do not scale"), "{help}");
    let faults = faults();
    assert!(faults.len() > 20, "{faults:?}");
    let mut alone = Alone::start(&[]);
    for fault in &faults {
        assert!(
            help.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == fault),
            "--help lacks {fault}"
        );
        // Whatever it takes, it is not unknown.
        let answer = alone.ask_for(&json!({"inject": {fault: {"no such": "thing"}}}).to_string());
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("unknown variant"), "{fault}: {answer}");
    }
    for fault in Fault::names() {
        assert!(help.split_whitespace().any(|word| word == *fault), "--help lacks {fault}");
        let answer = alone.ask_for(&json!({"inject": {"fault": fault, "no such": "thing"}}).to_string());
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(&format!("{fault:?}")), "{answer}");
    }
    for fault in [
        json!({"fault": "latency", "ms": 1, "jitter_ms": 1}),
        json!({"fault": "refuse", "code": 500, "on": "calling.play", "next": 1}),
        json!("remove_faults"),
        json!("stop_listening"),
        json!("listen_again"),
        json!({"freeze_link": false}),
        json!({"refuse_credentials": 1}),
        json!({"ask_to_reconnect": {"restart": true}}),
        json!({"refuse_always": {"method": "calling.play", "code": -32602, "message": "no"}}),
        json!({"stop_refusing": "calling.play"}),
        json!({"push_event": {"event_type": "calling.call.state", "params": {"call_id": "x"}}}),
        json!({"push_raw": "{"}),
        json!({"push_binary": [0, 255]}),
    ] {
        alone.ask(json!({"inject": fault}));
    }
}

#[test]
fn a_script_may_come_as_a_command() {
    let mut alone = Alone::start(&[]);
    let client = alone.client();
    welcomes(&client);
    let script = json!({"callers": [{"from": ANN, "does": [{"after_hearing": "welcome"}, "hangs_up"]}]});
    let ids = alone.ask(json!({"script": script}))["call_ids"].clone();
    alone.ask(json!({"wait_ended": {"who": ids[0], "seconds": 20}}));
    let late = alone.refuses(r#"{"script": {"credentials": {"token": "t"}}}"#);
    assert!(late.contains("--token"), "{late}");
}

#[test]
fn only_the_credentials_that_were_given_are_let_in() {
    let script =
        TempFile::with("credentials.json", r#"{"credentials": {"project": "p-1", "token": "from the script"}}"#);
    let alone = Alone::start(&["--script", script.name(), "--token", "t-1"]);
    let hello = &alone.hello;
    assert_eq!((&hello["project"], &hello["token"]), (&json!("p-1"), &json!("t-1")));
    assert_eq!(hello["any_credentials"], false);
    assert_eq!(alone.builder().connect().unwrap_err().kind(), ErrorKind::AuthRejected);
    alone.builder().project("p-1").token("t-1").connect().unwrap().disconnect();
}

#[test]
fn the_journal_is_a_file_of_json_lines_without_secrets() {
    let file = TempFile::new("journal.jsonl");
    let mut alone = Alone::start(&["--journal", file.name()]);
    let client = alone.client();
    alone.ask(json!({"call": {"from": ANN}}));
    client.next_call(LONG).unwrap().hangup().unwrap();
    let answered = alone.ask(json!({"journal": {"method": "calling.call.receive", "last": 1}}))["journal"][0].clone();
    assert_eq!((&answered["kind"], &answered["direction"]), (&json!("event"), &json!("to_client")));
    client.disconnect();
    alone.quits();
    let text = file.text();
    assert!(!text.contains("any-PT"), "{text}");
    let entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (n, entry) in entries.iter().enumerate() {
        assert_eq!(entry["sequence"], n);
    }
    let connect = json!(["request", "signalwire.connect", "from_client", 1]);
    let first = &entries[0];
    assert_eq!(json!([first["kind"], first["method"], first["direction"], first["connection"]]), connect);
    assert_eq!(first["frame"]["method"], "signalwire.connect");
    assert!(entries.contains(&answered), "{text}");
}

#[test]
fn the_same_seed_gives_the_same_ids_and_another_one_others() {
    let call_id = |seed: &str| {
        let mut alone = Alone::start(&["--seed", seed]);
        alone.ask(json!({"call": {"from": ANN}}))["call_id"].clone()
    };
    let (one, again, other) = (call_id("7"), call_id("7"), call_id("8"));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn violations_are_listed_at_the_end_and_are_a_failure_with_strict() {
    for (flags, status) in [(&[][..], 0), (&["--strict"][..], 3)] {
        let mut alone = Alone::start(flags);
        let client = alone.client();
        client.execute("calling.sing", json!({})).unwrap_err();
        let violations = alone.ask(json!("violations"))["violations"].clone();
        assert!(violations[0].as_str().unwrap().contains("calling.sing"), "{violations}");
        client.disconnect();
        let (code, said) = alone.quits();
        assert_eq!(code.code(), Some(status), "{said}");
        assert!(said.contains("1 violation of the protocol") && said.contains("calling.sing"), "{said}");
    }
}

#[test]
fn it_warns_when_any_client_on_the_network_can_connect() {
    let credentials = ["--project", "p", "--token", "t"];
    for (listen, flags, warns) in [
        ("0.0.0.0:0", &[][..], true),
        ("0.0.0.0:0", &credentials[..], false),
        ("127.0.0.1:0", &[], false),
        ("127.0.0.2:0", &[], false),
    ] {
        // Some systems lack some of these.
        if std::net::TcpListener::bind(listen).is_err() {
            continue;
        }
        let (_, said) = Alone::start(&[&["--listen", listen], flags].concat()).quits();
        assert_eq!(said.contains("warning") && said.contains("any credentials accepted"), warns, "{listen}: {said}");
    }
}

#[test]
fn bad_flags_say_what_was_expected() {
    for (flags, expected) in [
        (&["--speed", "0"][..], "a number above zero"),
        (&["--speed"], "such as 0.5 or 20"),
        (&["--speed", "--watch"], "such as 0.5 or 20"),
        (&["--seed", "-1"], "a whole number"),
        (&["--max-life=soon"], "a number of seconds"),
        (&["--listen", "8443"], "such as 127.0.0.1:8443"),
        (&["--tls=yes"], "unexpected value 'yes' for '--tls'"),
        (&["--ca-out", "ca.pem"], "--tls"),
        (&["--scirpt", "x"], "'--script'"),
        (&["x.json"], "relay sim [OPTIONS]"),
    ] {
        let said = fails(2, flags);
        assert!(said.starts_with("error: ") && said.contains(expected), "{flags:?}: {said}");
    }
    for (flags, expected) in [
        (&["--script", "no-such-file.json"][..], "no-such-file.json"),
        (&["--journal", "no-such-folder/journal"], "no-such-folder"),
        // An address of documentation, which no machine has.
        (&["--listen", "192.0.2.1:0"], "192.0.2.1:0"),
    ] {
        let said = fails(1, flags);
        assert!(said.starts_with("relay sim: ") && said.contains(expected), "{flags:?}: {said}");
    }
}

#[test]
fn bad_scripts_say_what_was_expected_and_in_which_line() {
    for (n, (script, place, expected)) in [
        ("", "line 1", "EOF"),
        ("{\n \"callers\": [\n  {\"form\": \"+1\"}]}", "line 3, column 9", "expected one of `from`, `to`"),
        ("{\n \"callers\": [{}]}", "line 2", "missing field `from`"),
        ("{\"callers\":\n [{\"from\": \"+1 5\"}]}", "line 2", "a number without spaces"),
        ("{\"callees\": [{\"number\": \"+1\",\n\"when_called\": \"busy\"}]}", "line 2", "`is_busy`"),
        ("{\"callers\": [{\"from\": \"+1\", \"does\": [\n{\"presses\": \"x\"}]}]}", "line 2", "keys of a phone"),
        ("{\"callers\": [{\"from\": \"+1\", \"does\": [\n\"presses\"]}]}", "line 2", "the word as its key"),
        ("{\"callers\": [{\"from\": \"+1\", \"does\": [\n{\"hangs_up\": {}}]}]}", "line 2", "the word alone"),
        ("{\"callers\": [{\"from\": \"+1\",\n\"gives_up_after\": -1}]}", "line 2", "seconds, zero or more"),
        ("{\"messages\": [{\"to\": \"+1\",\n\"outcome\": \"lost\"}]}", "line 2", "`delivers`"),
        ("{\n\"fault\": []}", "line 2, column 7", "`faults`"),
        ("{\"faults\": [],\n}", "line 2", "trailing comma"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = TempFile::with(&format!("bad-{n}.json"), script);
        let said = fails(1, &["--script", file.name()]);
        assert!(said.contains(place) && said.contains(expected) && said.contains(file.name()), "{script}: {said}");
    }
}

#[test]
fn bad_commands_are_answered_and_the_next_one_is_carried_out() {
    let mut alone = Alone::start(&[]);
    for (line, expected) in [
        ("{}", "such as {\"hang_up\""),
        ("{\"press\":", "column"),
        ("sing", "expected one of `call`"),
        ("hang_up", "missing field `who`"),
        (r#"{"call": {"from": "+1", "too": "+2"}}"#, "expected one of `from`, `to`"),
        (r#"{"inject": {"drop_link": {}}}"#, "the word alone"),
        (r#"{"inject": "drop_lnk"}"#, "`drop_link`"),
        (r#"{"hang_up": {"who": "+1"}}"#, "nobody on the line"),
        (r#"{"wait_request": {"method": "calling.answer", "seconds": 0.01}}"#, "did not come in time"),
        (r#"{"wait_ended": {"who": "+1", "seconds": 0.2}}"#, "nobody on the line"),
    ] {
        let error = alone.refuses(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
    // An empty line is no command.
    alone.tell("");
    alone.ask(json!("calls"));
    alone.tell("calls");
    assert!(alone.line().contains("\"ok\":true"), "a command that takes nothing needs no quotes");
}

#[test]
fn it_runs_for_the_time_that_was_set_and_no_wait_extends_it() {
    let mut alone = Alone::start(&["--max-life", "0.5"]);
    alone.tell(r#"{"wait_request": {"method": "calling.answer", "seconds": 3600}}"#);
    let (status, said) = alone.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("--max-life"), "{said}");
}

#[test]
fn it_ends_with_the_process_that_holds_its_stdin() {
    let mut alone = Alone::start(&[]);
    drop(alone.stdin.take());
    let (status, said) = alone.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stdin"), "{said}");
}

#[test]
fn it_ends_when_its_output_is_not_read() {
    let mut child = command(&["--max-life", "120"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut hello = String::new();
    stdout.read_line(&mut hello).unwrap();
    drop(stdout);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "calls").unwrap();
    let errors = lines(child.stderr.take().unwrap());
    assert_eq!(next(&errors, "the reason of the end"), "relay sim: ended (the other end of stdout is closed)");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
fn signal(alone: &Alone, name: &str) {
    assert!(Command::new("kill").args([name, &alone.child.id().to_string()]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn in_the_background_it_runs_until_a_signal_comes_which_also_ends_a_wait() {
    // A pipe without data is not at its end.
    let mut alone = Alone::spawn(command(&["--max-life", "120"]).stdin(Stdio::null()));
    alone.hello = serde_json::from_str(&alone.line()).unwrap();
    alone.client().disconnect();
    signal(&alone, "-TERM");
    let (status, said) = alone.ends();
    assert_eq!((status.code(), said.as_str()), (Some(0), "relay sim: ended (a signal)"));

    let mut waiting = Alone::start(&["--tls"]);
    let ca = PathBuf::from(waiting.hello["ca_file"].as_str().unwrap());
    assert!(ca.exists());
    waiting.tell(r#"{"wait_request": {"method": "calling.answer", "seconds": 3600}}"#);
    signal(&waiting, "-INT");
    let (status, said) = waiting.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!ca.exists(), "the certificate's file stayed behind");
}

#[test]
fn a_person_who_watches_reads_where_to_connect_and_then_what_happens() {
    let script = json!({"callers": [{"from": ANN, "to": OURS, "does": [{"after_hearing": "welcome"}, "hangs_up"]}]});
    let script = TempFile::with("watched.json", &script.to_string());
    let mut alone = Alone::spawn(&mut command(&["--watch", "--speed", "20", "--script", script.name()]));
    let mut seen = Vec::new();
    let mut read_to = |alone: &Alone, wanted: &str| loop {
        let line = alone.line();
        seen.push(line.clone());
        if line.contains(wanted) {
            return line;
        }
    };
    read_to(&alone, "A RELAY service runs at ws://127.0.0.1:");
    let export = read_to(&alone, "SIGNALWIRE_RELAY_HOST=");
    let host = export.split(['=', ' ']).skip_while(|word| *word != "SIGNALWIRE_RELAY_HOST").nth(1).unwrap();
    assert!(export.contains("SIGNALWIRE_RELAY_SCHEME=ws"), "{export}");
    assert!(export.contains("SIGNALWIRE_API_TOKEN=") && export.contains("SIGNALWIRE_FROM_NUMBER="), "{export}");
    read_to(&alone, "+15551230000 calls +15559990000");
    alone.hello = json!({"host": host});
    let client = alone.client();
    welcomes(&client);
    read_to(&alone, "client 1 connected");
    read_to(&alone, "heard: Welcome to the office");
    read_to(&alone, "hung up");
    client.execute("calling.sing", json!({})).unwrap_err();
    read_to(&alone, "calling.sing of client 1 was refused: -32601");
    read_to(&alone, "VIOLATION: ");
    client.disconnect();
    read_to(&alone, "a client left");
    alone.tell("quit");
    let (status, said) = alone.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!seen.iter().any(|line| line.starts_with('{')), "{seen:?}");
}
