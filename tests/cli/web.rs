//! `relay sim --web`: access, the events of the page, and its commands.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use signalwire_relay::{Collect, EndReason, ErrorKind, phone, sms, tts};

use crate::sim::{Alone, fails};
use crate::support::{LONG, lines, next};

const ANN: &str = "+15551230000";
const BOB: &str = "+15552222222";
const OURS: &str = "+15559990000";

/// The response of a page's server to one request.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }
}

/// A simulator with its page, in real time.
struct Web {
    alone: Alone,
    /// Address and port.
    host: String,
    /// The path of the page, which is the token between slashes.
    path: String,
}

impl Web {
    fn start() -> Self {
        // A phone that rings does so for half a minute of simulated time, which is to be long.
        let alone = Alone::start(&["--web", "--speed", "1", "--max-life", "600"]);
        let url = alone.hello["web"].as_str().expect("the address of the page");
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
        let (host, path) = (host.to_owned(), format!("/{path}"));
        Self { alone, host, path }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// One request as a browser of this machine makes it, with other headers where they are given.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !given("Host") {
            request += &format!("Host: {}\r\n", self.host);
        }
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        let mut stream = self.send(&format!("{request}\r\n{body}"));
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request:?}: {told:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn get(&self, name: &str) -> Answer {
        self.ask("GET", &format!("{}{name}", self.path), &[], "")
    }

    fn post(&self, body: &str) -> Answer {
        self.ask("POST", &format!("{}command", self.path), &[("Content-Type", "application/json")], body)
    }

    /// A command that is carried out.
    fn does(&self, command: Value) -> Value {
        let answer = self.post(&command.to_string());
        assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{command}: {}", answer.body);
        answer.json()
    }

    /// A command that is refused; returns why.
    fn refuses(&self, command: &str) -> String {
        let answer = self.post(command);
        assert_eq!((answer.status, &answer.json()["ok"]), (400, &json!(false)), "{command}: {}", answer.body);
        answer.json()["error"].as_str().unwrap().to_owned()
    }

    /// The events from an ID on, as a page reads them after it was loaded, or after a reconnect.
    fn events(&self, query: &str, header: &str) -> Events {
        let request = format!("GET {}events{query} HTTP/1.1\r\nHost: {}\r\n{header}\r\n", self.path, self.host);
        let stream = self.send(&request);
        let lines = lines(stream.try_clone().unwrap());
        Events { stream, lines }
    }

    /// Waits until the state of the page fits, by the events of the page.
    fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let snapshot = self.get("snapshot").json();
        if fits(&snapshot["state"]) {
            return snapshot["state"].clone();
        }
        let events = self.events(&format!("?after={}", snapshot["last"].as_str().unwrap()), "");
        loop {
            events.next(what);
            let state = self.get("snapshot").json()["state"].take();
            if fits(&state) {
                return state;
            }
        }
    }

    /// Waits for something in a conversation.
    fn talk(&self, number: &str, kind: &str, text: &str) -> Value {
        let is = |one: &Value| {
            one["number"] == number && one["kind"] == kind && one["text"].as_str().unwrap_or_default().contains(text)
        };
        let state = self.until(text, |state| state["talk"].as_array().is_some_and(|talk| talk.iter().any(is)));
        state["talk"].as_array().unwrap().iter().find(|one| is(one)).unwrap().clone()
    }

    /// Waits until a phone is on a call in this state; returns the call.
    fn call(&self, number: &str, call_state: &str) -> Value {
        let is = |call: &Value| call["number"] == number && call["state"] == call_state;
        let state = self.until(call_state, |state| state["calls"].as_array().is_some_and(|calls| calls.iter().any(is)));
        state["calls"].as_array().unwrap().iter().find(|call| is(call)).unwrap().clone()
    }
}

/// A stream of server-sent events.
struct Events {
    stream: TcpStream,
    lines: Receiver<String>,
}

impl Events {
    /// The next event: its ID and its data. Of an event with a name, this name and nothing.
    fn next(&self, what: &str) -> (String, Value) {
        let mut id = String::new();
        loop {
            let line = next(&self.lines, what);
            if let Some(name) = line.strip_prefix("event: ") {
                return (name.to_owned(), Value::Null);
            } else if let Some(given) = line.strip_prefix("id: ") {
                given.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (id, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The next change that sets or adds to a key.
    fn change(&self, key: &str) -> (String, Value) {
        loop {
            let (id, change) = self.next(key);
            for kind in ["set", "add"] {
                if !change[kind][key].is_null() {
                    return (id, change[kind][key].clone());
                }
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// All that the server has.
const PATHS: [&str; 8] = ["", "page.css", "page.js", "ladder.css", "ladder.js", "snapshot", "events", "command"];

#[test]
fn the_page_is_at_the_address_that_is_printed_and_loads_nothing_from_elsewhere() {
    let web = Web::start();
    let page = web.get("");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>relay sim</title>"), "{}", page.body);
    for header in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "nosniff", "no-referrer", "no-store"]
    {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
    assert!(!page.head.to_lowercase().contains("access-control-allow"), "{}", page.head);
    for (name, kind) in [
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("ladder.css", "text/css"),
        ("ladder.js", "text/javascript"),
    ] {
        let part = web.get(name);
        assert_eq!(part.status, 200, "{name}");
        assert!(part.head.contains(kind) && part.body.len() > 500, "{name}: {}", part.head);
        for elsewhere in ["http://", "https://", "@import", "url("] {
            // Audio of the program is played by its URL; the name of the namespace of SVG is no URL.
            let found = part.body.matches(elsewhere).count();
            assert_eq!(found, 0, "{name} names {elsewhere}");
        }
    }
    let state = web.get("snapshot").json();
    assert_eq!(state["state"]["about"]["url"], web.alone.hello["url"]);
    assert_eq!(web.get("nothing").status, 404);
    assert_eq!(web.ask("POST", &web.path, &[], "").status, 405);
    assert_eq!(web.ask("GET", &format!("{}command", web.path), &[], "").status, 405);
    let (status, said) = web.alone.quits();
    assert!(status.success() && said.contains("/ in a browser on this machine"), "{said}");
}

#[test]
fn without_the_token_nothing_is_served() {
    let web = Web::start();
    let token = web.path.trim_matches('/').to_owned();
    assert!(token.len() >= 32, "{token}");
    let others = ["/", "/favicon.ico", "/00000000000000000000000000000000/", "/snapshot", "/../", "//"];
    let paths = others.into_iter().map(str::to_owned);
    let shorter = PATHS.iter().map(|name| format!("/{}/{name}", &token[1..]));
    for path in paths.chain(shorter).chain(PATHS.iter().map(|name| format!("/{name}?token={token}"))) {
        for method in ["GET", "POST"] {
            let refused = web.ask(method, &path, &[("Content-Type", "application/json")], "{\"calls\":{}}");
            assert_eq!(refused.status, 403, "{method} {path}");
            assert!(!refused.body.contains(&token) && !refused.body.contains("<title>"), "{}", refused.body);
        }
    }
}

#[test]
fn a_page_of_another_origin_gets_nothing() {
    let web = Web::start();
    let port = web.host.rsplit(':').next().unwrap();
    let near = format!("http://localhost.evil.example:{port}");
    let secure = format!("https://{}", web.host);
    let headers = [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", near.as_str()),
        ("Origin", secure.as_str()),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ];
    for header in headers {
        for name in PATHS {
            let method = if name == "command" { "POST" } else { "GET" };
            let path = format!("{}{name}", web.path);
            let kind = ("Content-Type", "application/json");
            let refused = web.ask(method, &path, &[header, kind], "{\"call\":{\"from\":\"+15551230000\"}}");
            assert_eq!(refused.status, 403, "{header:?} {name}");
            assert!(refused.body.len() < 100, "{}", refused.body);
        }
        let asked = web.ask("OPTIONS", &format!("{}command", web.path), &[header], "");
        assert_eq!(asked.status, 403);
        assert!(!asked.head.to_lowercase().contains("access-control-allow"), "{}", asked.head);
    }
    assert_eq!(web.get("snapshot").json()["state"]["calls"], json!([]), "nobody has called");
    // The page itself is served by each of its names.
    let own = format!("http://{}", web.host);
    let (local, named) = (format!("localhost:{port}"), format!("http://localhost:{port}"));
    for headers in [
        vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")],
        vec![("Host", local.as_str()), ("Origin", named.as_str())],
    ] {
        assert_eq!(web.ask("GET", &format!("{}snapshot", web.path), &headers, "").status, 200, "{headers:?}");
    }
}

#[test]
fn a_foreign_name_of_this_machine_is_not_served() {
    let web = Web::start();
    let port = web.host.rsplit(':').next().unwrap().to_owned();
    let rebound = format!("evil.example:{port}");
    for host in [rebound.as_str(), "evil.example", "127.0.0.1:1", "127.0.0.1", ""] {
        for name in PATHS {
            let refused = web.ask("GET", &format!("{}{name}", web.path), &[("Host", host)], "");
            assert!(matches!(refused.status, 400 | 403), "{host:?} {name}: {}", refused.status);
            assert!(!refused.body.contains("<title>"), "{}", refused.body);
        }
    }
    let twice = [("Host", web.host.as_str()), ("Host", rebound.as_str())];
    assert_eq!(web.ask("GET", &format!("{}snapshot", web.path), &twice, "").status, 403);
}

#[test]
fn an_address_beyond_the_loopback_is_refused() {
    for address in ["0.0.0.0:0", "192.0.2.1:8080", "[::]:0"] {
        let said = fails(1, &["--web", address]);
        assert!(said.contains("the page is served on the loopback alone"), "{said}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = fails(1, &["--web", &taken.local_addr().unwrap().to_string()]);
    assert!(said.starts_with("relay sim: --web 127.0.0.1:"), "{said}");
    assert!(fails(2, &["--web", "nowhere"]).contains("127.0.0.1:8443"));
}

#[test]
fn a_page_gets_the_state_then_the_changes_and_goes_on_where_it_was() {
    let web = Web::start();
    let snapshot = web.get("snapshot").json();
    assert_eq!(snapshot["state"]["phones"], json!([{"number": ANN, "when_called": null}]));
    let last = snapshot["last"].as_str().unwrap();
    let events = web.events(&format!("?after={last}"), "");
    web.does(json!({"phone": {"number": BOB, "when_called": "rings"}}));
    let (id, phones) = events.change("phones");
    assert_eq!(phones, json!([{"number": ANN, "when_called": null}, {"number": BOB, "when_called": "rings"}]));
    drop(events);

    // While the page is away, two things happen; it gets these and nothing else.
    web.does(json!({"remove_phone": {"number": BOB}}));
    web.does(json!({"expect": {"what": "answered"}}));
    let events = web.events("?after=nonsense", &format!("Last-Event-ID: {id}\r\n"));
    let (first, phones) = events.change("phones");
    assert_eq!(phones, json!([{"number": ANN, "when_called": null}]));
    let (second, expected) = events.change("expected");
    assert_eq!(expected, json!([{"text": "somebody is answered", "state": "open", "times": 0}]));
    let number = |id: &str| id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).unwrap();
    assert!(number(&id) < number(&first) && number(&first) < number(&second), "{id} {first} {second}");

    for stale in ["", "nonsense", "other-1"] {
        let events = web.events(&format!("?after={stale}"), "");
        assert_eq!(events.next("the word that the state is to be asked for").0, "stale", "{stale:?}");
    }
}

#[test]
fn bad_commands_are_refused_with_what_was_expected() {
    let mut web = Web::start();
    for (bad, why) in [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("{\"call\":", "not JSON"),
        ("[1]", "one JSON object with one key"),
        ("{}", "one JSON object with one key"),
        ("{\"jump\":{}}", "unknown variant `jump`"),
        ("{\"call\":{}}", "missing field `from`"),
        ("{\"press\":{\"who\":\"+15551230000\",\"keys\":\"x\"}}", "keys of a phone"),
        ("{\"press\":{\"who\":\"+15551230000\",\"keys\":\"1\"}}", "nobody on the line"),
        ("{\"phone\":{\"number\":\"a b\"}}", "a number without spaces"),
        ("{\"fault\":{\"fault\":\"earthquake\"}}", "earthquake"),
        ("{\"mend\":{\"id\":7}}", "the fault is over"),
        ("{\"expect\":{\"what\":\"request\",\"words\":\"calling.plya\"}}", "not a method"),
        // Commands that would block the page's server, or end the simulator, are for stdin only.
        ("{\"wait_connected\":{\"clients\":9}}", "for stdin"),
        ("{\"quit\":{}}", "for stdin"),
    ] {
        let said = web.refuses(bad);
        assert!(said.contains(why), "{bad}: {said}");
    }
    let path = format!("{}command", web.path);
    let form = [("Content-Type", "text/plain")];
    assert_eq!(web.ask("POST", &path, &form, "{\"calls\":{}}").status, 415);
    assert_eq!(web.ask("POST", &path, &[], "{\"calls\":{}}").status, 415);
    let json_type = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(web.ask("POST", &path, &json_type, "{\"calls\":{}}").status, 200);
    let long = format!("{{\"say\":{{\"who\":\"{ANN}\",\"text\":\"{}\"}}}}", "x".repeat(70_000));
    assert_eq!(web.ask("POST", &path, &json_type, &long).status, 413);
    assert!(web.alone.refuses("{\"answer\":{\"who\":\"+1\"}}").contains("nobody on the line"));
    assert_eq!(web.alone.ask(json!("violations"))["violations"], json!([]), "it is well");
}

#[test]
fn the_page_hears_a_call_presses_digits_and_ends_it() {
    let web = Web::start();
    let client = web.alone.client();
    client.on_call(|call| {
        call.answer()?;
        let menu = Collect::digits(1).initial_timeout(LONG);
        let choice = call.prompt(tts("Press 1 for sales"), menu)?.wait(LONG)?;
        call.play(tts(format!("You pressed {}", choice.digits().unwrap_or("nothing"))))?.wait(LONG)?;
        call.wait_for_ended(LONG)?;
        Ok(())
    });
    web.until("the program", |state| state["connected"] == 1);
    web.does(json!({"expect": {"what": "said", "words": "you pressed 1"}}));
    let id = web.does(json!({"call": {"from": ANN, "to": OURS}}))["call_id"].clone();
    let heard = web.talk(ANN, "heard", "Press 1 for sales");
    assert_eq!((&heard["call"], &heard["from"]), (&id, &Value::Null), "the program says it");
    web.talk(ANN, "asked", "digits");
    web.does(json!({"press": {"who": id, "keys": "1"}}));
    assert_eq!(web.talk(ANN, "pressed", "1")["call"], id);
    web.talk(ANN, "heard", "You pressed 1");
    web.until("the expectation", |state| state["expected"][0]["state"] == "met");
    web.does(json!({"say": {"who": id, "text": "Goodbye"}}));
    web.talk(ANN, "spoke", "Goodbye");
    web.does(json!({"hang_up": {"who": id}}));
    web.talk(ANN, "ended", "The call has ended: hangup");
    let state = web.until("the end", |state| state["calls"] == json!([]));
    let rows = state["rows"].as_array().unwrap();
    let drawn = |text: &str| rows.iter().any(|row| row["text"].as_str().is_some_and(|row| row.contains(text)));
    assert!(drawn("calling.answer") && drawn("calling.play_and_collect") && drawn("presses 1"), "{rows:?}");
    let log = state["log"].as_array().unwrap();
    assert!(log.iter().any(|line| line["text"].as_str().is_some_and(|line| line.contains("was answered"))), "{log:?}");
}

#[test]
fn a_phone_rings_until_the_page_answers_declines_or_is_busy() {
    let web = Web::start();
    let client = web.alone.client();
    let dial = || client.start_dial(phone(BOB).from(OURS).timeout(LONG)).unwrap();
    let ring = |order: &str| {
        let dialing = dial();
        let call = web.call(BOB, "ringing");
        web.does(json!({order: {"who": call["id"]}}));
        let refused = web.refuses(&json!({order: {"who": call["id"]}}).to_string());
        assert!(refused.contains("no call rings") || refused.contains("nobody on the line"), "{refused}");
        dialing.wait(None)
    };
    // The number was not set up, so it rings on the page, which then has a phone for it.
    let call = ring("answer").unwrap();
    web.until("the phone", |state| {
        state["phones"].as_array().is_some_and(|all| all.iter().any(|one| one["number"] == BOB))
    });
    call.play(tts("Hello Bob")).unwrap();
    web.talk(BOB, "heard", "Hello Bob");
    call.hangup().unwrap();
    web.talk(BOB, "ended", "The program has ended the call");
    for (order, reason) in [("decline", EndReason::Decline), ("busy", EndReason::Busy)] {
        let error = ring(order).unwrap_err();
        assert_eq!((error.kind(), error.end_reason()), (ErrorKind::DialFailed, Some(reason)), "{error}");
    }
    // A number that the page has set up behaves like that.
    web.does(json!({"phone": {"number": BOB, "when_called": "is_busy"}}));
    assert_eq!(dial().wait(None).unwrap_err().end_reason(), Some(EndReason::Busy));
}

#[test]
fn text_messages_go_both_ways_and_faults_come_and_go() {
    let web = Web::start();
    let client = web.alone.client();
    client.on_message(|message| {
        message
            .client()?
            .send_message(sms(message.from_number()).from(OURS).body(format!("You wrote: {}", message.body())))?;
        Ok(())
    });
    web.does(json!({"text": {"from": ANN, "to": OURS, "body": "hello"}}));
    assert_eq!(web.talk(ANN, "texted", "hello")["from"], ANN);
    assert_eq!(web.talk(ANN, "texted", "You wrote: hello")["from"], Value::Null);

    web.does(json!({"fault": {"fault": "latency", "ms": 1}}));
    let state = web.until("the fault", |state| state["faults"].as_array().is_some_and(|all| all.len() == 1));
    assert_eq!(state["faults"][0]["fault"]["fault"], "latency");
    web.does(json!({"mend": {"id": state["faults"][0]["id"]}}));
    web.until("its end", |state| state["faults"] == json!([]));
    web.does(json!({"fault": {"fault": "freeze"}}));
    web.does(json!({"mend_all": {}}));
    web.until("the end of all", |state| state["faults"] == json!([]));
    web.does(json!({"fault": {"fault": "cut"}}));
    let lost =
        |state: &Value| state["log"].as_array().is_some_and(|log| log.iter().any(|line| line["text"] == "fault: cut"));
    web.until("the cut", lost);
    web.until("the reconnect", |state| state["connected"] == 1);
}

#[test]
fn it_ends_while_pages_are_open() {
    let web = Web::start();
    let last = web.get("snapshot").json()["last"].as_str().unwrap().to_owned();
    let pages: Vec<Events> = (0..3).map(|_| web.events(&format!("?after={last}"), "")).collect();
    // Each is served: it gets a change.
    web.does(json!({"phone": {"number": BOB}}));
    pages.iter().for_each(|page| drop(page.change("phones")));
    let (status, _) = web.alone.quits();
    assert!(status.success(), "{status}");
    let told: Vec<String> = pages.iter().map(|page| page.next("the end").0).collect();
    assert_eq!(told, ["end", "end", "end"]);
}
