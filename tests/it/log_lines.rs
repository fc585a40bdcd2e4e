//! The log as a tool: its lines name the call, in the text and as key-value pairs, and report mistakes of a program.

use std::collections::BTreeMap;
use std::sync::Mutex;

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Log, Metadata, Record};
use serde_json::json;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Client, Connect, ErrorKind, phone, silence, sms};

use crate::support::{
    LONG, answered_call, builder, caught_up, child_role, log_to, report, reports_of_child, until, watched,
};

#[derive(Clone, Debug)]
struct Line {
    level: Level,
    target: String,
    text: String,
    pairs: BTreeMap<String, String>,
}

#[derive(Default)]
struct Lines(Mutex<Vec<Line>>);

struct Pairs(BTreeMap<String, String>);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

impl Log for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if !record.target().starts_with("signalwire_relay") || record.target().contains("simulator") {
            return;
        }
        let mut pairs = Pairs(BTreeMap::new());
        record.key_values().visit(&mut pairs).unwrap();
        let (level, target, text) = (record.level(), record.target().to_owned(), record.args().to_string());
        self.0.lock().unwrap().push(Line { level, target, text, pairs: pairs.0 });
    }

    fn flush(&self) {}
}

impl Lines {
    fn install() -> &'static Self {
        let lines: &'static Self = Box::leak(Box::default());
        log_to(lines);
        lines
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn at(&self, level: Level) -> Vec<Line> {
        let all = self.take().into_iter();
        all.filter(|line| line.level == level).collect()
    }
}

const NUMBER: &str = "+15552223333";

fn of_calls(lines: &Lines) {
    let sim = Simulator::builder().allow_violations().speed(50.0).start().unwrap();
    sim.callee(NUMBER).answers();
    let client = builder(&sim).contexts(["default", "office"]).connect().unwrap();
    let connected = lines.at(Level::Info);
    let project = sim.project();
    let last = &project[project.len() - 4..];
    let text = format!("connected to 127.0.0.1 (project ...{last}, contexts default, office, new session)");
    assert!(connected.iter().any(|line| line.text == text), "{text}: {connected:?}");

    let call = client.dial(phone(NUMBER).from("+15551111111")).unwrap();
    let playing = call.play(silence(std::time::Duration::from_millis(10))).unwrap();
    playing.wait(LONG).unwrap();
    sim.refuse_next("calling.denoise", 409, &format!("busy with {NUMBER}"));
    call.denoise().unwrap_err();
    call.hangup().unwrap();
    call.wait_for_ended(LONG).unwrap();
    until("the call to leave", || client.stats().calls == 0);
    let all = lines.take();
    for line in all.iter().filter(|line| line.level <= Level::Debug) {
        // No number is whole, and every line about a call names it.
        assert!(!line.text.contains(&NUMBER[1..]) && !line.text.contains("15551111111"), "{line:?}");
        assert!(!line.pairs.values().any(|value| value.contains(&NUMBER[1..])), "{line:?}");
        if line.text.contains("calling.")
            && !line.text.contains("calling.dial")
            && !line.text.contains("calling.call.dial")
        {
            assert_eq!(line.target, "signalwire_relay::call", "{line:?}");
            assert!(line.text.contains(&format!("call {}", call.id())), "{line:?}");
            assert_eq!(line.pairs["call_id"], call.id(), "{line:?}");
        }
    }
    let find = |wanted: &str| {
        let found = all.iter().find(|line| line.text == wanted);
        found.unwrap_or_else(|| panic!("no line {wanted:?} in {all:#?}"))
    };
    let (id, control) = (call.id(), playing.control_id());
    let asked = find(&format!("calling.play: call {id}, control ID {control}: done"));
    assert_eq!((&*asked.pairs["method"], &*asked.pairs["control_id"]), ("calling.play", control));
    let told = find(&format!("event calling.call.play: call {id}, control ID {control}, state finished"));
    assert_eq!((&*told.pairs["event"], &*told.pairs["state"]), ("calling.call.play", "finished"));
    find(&format!("calling.denoise: call {id}: Rejected (409): busy with +...3333"));
    let of_info: Vec<&Line> = all.iter().filter(|line| line.level == Level::Info).collect();
    assert_eq!(of_info.len(), 1, "{of_info:?}");
    let end = of_info[0];
    let begin = format!("call {id}: outbound from +...1111 to +...3333: dialled, answered, ended after ");
    assert!(end.text.starts_with(&begin) && end.text.ends_with(" s: hangup"), "{end:?}");
    assert_eq!((&*end.pairs["reason"], &*end.pairs["answered"]), ("hangup", "answered"));
    assert!(end.pairs["seconds"].parse::<f64>().is_ok(), "{end:?}");

    // An inbound call that was not answered.
    client.on_call(|call| {
        call.wait_for_ended(None)?;
        Ok(())
    });
    let caller = sim.caller("+15554440000").calls("+15559990000").dials();
    sim.wait_for_event("calling.call.receive", LONG).unwrap();
    until("the call to be here", || client.stats().calls == 1);
    caller.hang_up();
    until("the call to leave", || client.stats().calls == 0);
    let of_info = lines.at(Level::Info);
    assert_eq!(of_info.len(), 1, "{of_info:?}");
    let begin = "inbound from +...0000 to +...0000 on default: offered, not answered, ended: ";
    assert!(of_info[0].text.contains(begin), "{of_info:?}");
    assert_eq!(of_info[0].pairs["context"], "default");
    client.disconnect();

    // With `log_numbers` the numbers are whole.
    let client = builder(&sim).log_numbers(true).connect().unwrap();
    let call = client.dial(phone(NUMBER).from("+15551111111")).unwrap();
    call.hangup().unwrap();
    call.wait_for_ended(LONG).unwrap();
    until("the call to leave", || client.stats().calls == 0);
    let of_info = lines.at(Level::Info);
    assert!(of_info.iter().any(|line| line.text.contains("from +15551111111 to +15552223333")), "{of_info:?}");
    client.disconnect();
    report("clean");
}

#[test]
fn each_line_about_a_call_names_it_and_a_call_has_one_line_at_info() {
    watched(|| {
        const NAME: &str = "log_lines::each_line_about_a_call_names_it_and_a_call_has_one_line_at_info";
        if child_role().is_some() {
            return of_calls(Lines::install());
        }
        assert_eq!(reports_of_child(NAME, "child", &[]), ["clean"]);
    });
}

fn silences(lines: &Lines) {
    let sim = Simulator::builder().allow_violations().speed(50.0).start().unwrap();
    let warned = |client: &Client| {
        caught_up(&sim);
        drop(client.stats());
        lines.at(Level::Warn).into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    // The client is subscribed to no context, which is logged once.
    let client = builder(&sim).contexts([""; 0]).connect().unwrap();
    client.on_call(|_call| Ok(()));
    client.on_message(|_message| Ok(()));
    client.on_call(|_call| Ok(()));
    let said = warned(&client);
    assert!(
        said.len() == 1 && said[0].starts_with("Client::on_call is used, and the client subscribes to no"),
        "{said:?}"
    );
    client.disconnect();
    let client = builder(&sim).connect().unwrap();
    let call = answered_call(&sim, &client);
    client.on_call(|_call| Ok(()));
    assert_eq!(warned(&client), [""; 0]);

    // A number that is none is left to the service, and said; further ones are counted.
    let odd = "not%20a%20number";
    sim.refuse_next("calling.dial", 400, "no");
    sim.refuse_next("calling.connect", 400, "no");
    assert_eq!(client.dial(phone(odd).from("+15551111111")).unwrap_err().kind(), ErrorKind::Rejected);
    let said = warned(&client);
    let wanted = format!("calling.dial: {odd:?} does not look like a phone number and is sent unchanged");
    assert_eq!(said, [wanted]);
    call.connect(Connect::new(phone(odd))).unwrap_err();
    let _refused = client.send_message(sms(odd).from("+15551111111").body("x"));
    for fine in ["+15552223333", "911", "*67", "(555)222-3333"] {
        sim.refuse_next("calling.dial", 400, "no");
        client.dial(phone(fine).from("+15551111111")).unwrap_err();
    }
    client.disconnect();
    let said: Vec<String> = lines.at(Level::Warn).into_iter().map(|line| line.text).collect();
    assert_eq!(said, ["2 more numbers did not look like phone numbers in the last 10s"]);
    assert_eq!(sim.journal().requests("calling.dial")[0].params()["devices"][0][0]["params"]["to_number"], json!(odd));
    report("clean");
}

#[test]
fn what_a_program_would_not_notice_is_a_warning() {
    watched(|| {
        const NAME: &str = "log_lines::what_a_program_would_not_notice_is_a_warning";
        if child_role().is_some() {
            return silences(Lines::install());
        }
        assert_eq!(reports_of_child(NAME, "child", &[]), ["clean"]);
    });
}
