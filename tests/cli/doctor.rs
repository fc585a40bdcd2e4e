//! `relay doctor`: successful checks, and the report of each failure.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};
use signalwire_relay::Client;
use signalwire_relay::diagnosis::{Check, Verdict};
use signalwire_relay::simulator::Simulator;

use crate::support::{LONG, relay};

const CANARY: &str = "PTcanary4711";

/// The output and the exit status of the command.
struct Said {
    code: i32,
    text: String,
}

impl Said {
    fn by(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(!text.contains("canary"), "{text}");
        Self { code: status.code().unwrap(), text }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.text))
    }

    /// The verdicts, by check.
    fn verdicts(&self) -> Vec<(String, String)> {
        let steps = self.json()["steps"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        steps.iter().map(|step| (text(&step["check"]), text(&step["verdict"]))).collect()
    }

    fn step(&self, check: &str) -> Value {
        let steps = self.json()["steps"].clone();
        steps.as_array().unwrap().iter().find(|step| step["check"] == check).unwrap().clone()
    }
}

/// A doctor who has time, and is led to this host without TLS.
fn doctor(host: &str, flags: &[&str]) -> Command {
    let mut command = relay(&[&["doctor", "--timeout", "300"], flags].concat());
    command.env("SIGNALWIRE_RELAY_HOST", host).env("SIGNALWIRE_RELAY_SCHEME", "ws");
    command.env("SIGNALWIRE_PROJECT_ID", "p-canary").env("SIGNALWIRE_API_TOKEN", CANARY);
    command
}

/// The command for a simulator, with its certificate to trust.
fn examine(sim: &Simulator, flags: &[&str]) -> Command {
    let mut command = doctor(&sim.host(), flags);
    if let Some(ca) = sim.ca_file() {
        command.env("SIGNALWIRE_RELAY_CA_FILE", ca).env_remove("SIGNALWIRE_RELAY_SCHEME");
    }
    command
}

/// The host of a server that serves one connection.
fn serve(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    host
}

/// Reads the head of a request.
fn head(socket: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(check, verdict)| ((*check).to_owned(), (*verdict).to_owned())).collect()
}

#[test]
fn on_a_simulator_every_check_passes_and_is_timed() {
    let sim = Simulator::start().unwrap();
    let said = Said::by(&mut examine(&sim, &["--json", "--context", "office"]));
    assert_eq!((said.code, &said.json()["ok"]), (0, &json!(true)), "{}", said.text);
    let all = [
        ("settings", "passed"),
        ("lookup", "passed"),
        ("tcp", "passed"),
        ("proxy", "skipped"),
        ("tls", "skipped"),
        ("upgrade", "passed"),
        ("authentication", "passed"),
        ("contexts", "passed"),
        ("pings", "passed"),
        ("clock", "skipped"),
    ];
    assert_eq!(said.verdicts(), pairs(&all));
    for check in ["lookup", "tcp", "upgrade", "authentication", "contexts", "pings"] {
        assert!(said.step(check)["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{check}");
    }
    let details = |check: &str| said.step(check)["details"].clone();
    assert_eq!(details("tcp")["address"], sim.host());
    assert_eq!(details("settings")["credentials"], "project and token");
    assert_eq!(details("contexts")["contexts"], json!(["office"]));
    let pings = details("pings");
    let mut times: Vec<f64> = serde_json::from_value(pings["seconds"].clone()).unwrap();
    times.sort_by(f64::total_cmp);
    assert_eq!((times.len(), &pings["p50"], &pings["worst"]), (5, &json!(times[2]), &json!(times[4])));
    let environment = &said.json()["environment"];
    assert_eq!(environment["SIGNALWIRE_API_TOKEN"], "set");
    assert_eq!(environment["SIGNALWIRE_RELAY_HOST"], sim.host());
}

#[test]
fn the_certificates_are_shown_as_far_as_the_library_tells_them() {
    let sim = Simulator::builder().tls(true).start().unwrap();
    for (library, version, certificates) in [("rustls", json!("1.3"), 2), ("native-tls", json!(null), 1)] {
        let said = Said::by(&mut examine(&sim, &["--json", "--tls-backend", library]));
        assert_eq!(said.code, 0, "{}", said.text);
        let tls = said.step("tls")["details"].clone();
        assert_eq!((&tls["library"], &tls["version"]), (&json!(library), &version), "{tls}");
        let chain = tls["chain"].as_array().unwrap();
        assert_eq!(chain.len(), certificates, "{tls}");
        assert!(chain[0]["issuer"].as_str().unwrap().contains("signalwire-relay simulator authority"), "{tls}");
        assert!(chain[0]["names"].as_array().unwrap().contains(&json!("127.0.0.1")), "{tls}");
        assert!(chain[0]["days_left"].as_i64().unwrap() > 0, "{tls}");
        let roots = said.step("settings")["details"]["roots"].clone();
        assert_eq!(roots[0], "the system's roots");
        assert!(roots[1].as_str().unwrap().starts_with("SIGNALWIRE_RELAY_CA_FILE: "), "{roots}");
    }
    let text = Said::by(&mut examine(&sim, &[])).text;
    assert!(text.contains("✓ TLS") && text.contains("certificate of ") && text.contains("days left"), "{text}");
}

#[test]
fn refused_credentials_are_not_tried_again_and_not_shown() {
    let sim = Simulator::builder().project("p").token("t").start().unwrap();
    let said = Said::by(&mut examine(&sim, &["--json"]));
    assert_eq!(said.code, 16, "{}", said.text);
    assert_eq!(said.step("authentication")["verdict"], "failed");
    assert_eq!(said.step("pings")["verdict"], "skipped");
    assert_eq!(sim.connections_ever(), 1);
    let said = Said::by(&mut examine(&sim, &[]));
    assert!(said.code == 16 && said.text.contains("✗ authentication"), "{}", said.text);
    assert!(said.text.contains("check project and token"), "{}", said.text);
}

#[test]
fn without_credentials_everything_up_to_the_upgrade_is_checked() {
    let sim = Simulator::builder().tls(true).start().unwrap();
    let mut command = examine(&sim, &["--json"]);
    let said = Said::by(command.env_remove("SIGNALWIRE_API_TOKEN"));
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.step("upgrade")["verdict"], "passed");
    let settings = said.step("settings");
    assert_eq!((&settings["verdict"], &settings["details"]["credentials"]), (&json!("warning"), &json!(null)));
    let skipped = said.step("authentication");
    assert_eq!(skipped["verdict"], "skipped");
    assert!(skipped["why"].as_str().unwrap().contains("SIGNALWIRE_API_TOKEN"), "{skipped}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_the_check_that_fails() {
    let sim = Simulator::builder().tls(true).start().unwrap();
    for library in ["rustls", "native-tls"] {
        let mut command = examine(&sim, &["--tls-backend", library]);
        let said = Said::by(command.env_remove("SIGNALWIRE_RELAY_CA_FILE"));
        assert_eq!(said.code, 14, "{}", said.text);
        assert!(said.text.contains("the issuer of the certificate is not trusted here"), "{}", said.text);
        assert!(said.text.contains("- authentication") && said.text.contains("skipped"), "{}", said.text);
    }
}

#[test]
fn a_port_where_nothing_listens_a_host_without_address_and_a_bad_scheme_are_distinguished() {
    let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = Said::by(&mut doctor(&host, &[]));
    assert!(said.code == 12 && said.text.contains("nothing listens on that port"), "{}", said.text);
    // Has no address by definition, with a network and without.
    let said = Said::by(&mut doctor("relay.invalid", &["--json"]));
    assert_eq!(said.code, 11, "{}", said.text);
    assert!(said.step("lookup")["advice"].as_str().unwrap().contains("name server"));
    let said = Said::by(doctor(&host, &["--json"]).env("SIGNALWIRE_RELAY_SCHEME", "http"));
    assert_eq!((said.code, said.verdicts()[1].1.as_str()), (10, "skipped"), "{}", said.text);
    assert!(said.step("settings")["why"].as_str().unwrap().contains("SIGNALWIRE_RELAY_SCHEME must be wss or ws"));
}

#[test]
fn a_web_server_is_distinguished_from_relay_and_its_date_shows_a_wrong_clock() {
    let host = serve(|mut socket| {
        head(&mut socket);
        let answer = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer.as_bytes()).unwrap();
    });
    let said = Said::by(&mut doctor(&host, &["--json"]));
    assert_eq!(said.code, 15, "{}", said.text);
    let upgrade = said.step("upgrade");
    assert!(upgrade["why"].as_str().unwrap().contains("HTTP 200"), "{upgrade}");
    assert!(upgrade["advice"].as_str().unwrap().contains("not RELAY's"), "{upgrade}");
    let clock = said.step("clock");
    assert_eq!(clock["verdict"], "warning");
    assert!(clock["details"]["skew"].as_i64().unwrap() > 50 * 365 * 86_400, "{clock}");
    assert!(clock["why"].as_str().unwrap().contains("ahead of the service's"), "{clock}");
}

/// A proxy for one connection that answers CONNECT with this status, and leads on if it is 200. Returns its host.
fn proxy(status: &'static str) -> String {
    serve(move |mut socket| {
        let head = head(&mut socket);
        let target = head.split(' ').nth(1).unwrap().to_owned();
        write!(socket, "HTTP/1.1 {status}\r\n\r\n").unwrap();
        if status.starts_with("200") {
            let service = TcpStream::connect(target).unwrap();
            let (mut from, mut to) = (service.try_clone().unwrap(), socket.try_clone().unwrap());
            thread::spawn(move || {
                let _ended = std::io::copy(&mut from, &mut to);
                let _closed = to.shutdown(Shutdown::Both);
            });
            let _ended = std::io::copy(&mut socket, &mut &service);
            let _closed = service.shutdown(Shutdown::Both);
        }
    })
}

#[test]
fn the_way_through_a_proxy_is_a_check_of_its_own_and_its_password_is_not_shown() {
    let sim = Simulator::builder().tls(true).start().unwrap();
    let through = |proxy: &str| {
        let mut command = examine(&sim, &["--json"]);
        command.env("https_proxy", format!("http://ann:canary@{proxy}"));
        Said::by(&mut command)
    };
    let host = proxy("200 OK");
    let said = through(&host);
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.step("proxy")["verdict"], "passed");
    assert_eq!(said.step("tcp")["details"]["address"], host);
    assert_eq!(said.json()["environment"]["https_proxy"], format!("http://<credentials>@{host}"));
    let said = through(&proxy("407 Proxy Authentication Required"));
    assert_eq!(said.code, 13, "{}", said.text);
    let step = said.step("proxy");
    assert!(step["why"].as_str().unwrap().contains("does not accept the user and password of https_proxy"), "{step}");
}

#[test]
fn a_diagnosis_goes_through_all_checks_in_virtual_time_too() {
    let sim = Simulator::builder().virtual_time().start().unwrap();
    let steps: Vec<_> = Client::builder().simulator(&sim).contexts(["office"]).diagnose().collect();
    let failed: Vec<String> = steps
        .iter()
        .filter(|step| !matches!(step.verdict, Verdict::Passed | Verdict::Skipped(_)))
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty() && steps.len() == 10, "{failed:?}");
    assert!(steps.windows(2).all(|two| two[0].check < two[1].check));
}

#[test]
fn a_diagnosis_that_is_dropped_lets_go_of_its_connection() {
    let (tell, told) = std::sync::mpsc::channel();
    let host = serve(move |mut socket| {
        let mut sent = Vec::new();
        // This server sends no response, and ends when the client closes.
        let _reset = socket.read_to_end(&mut sent);
        tell.send(String::from_utf8_lossy(&sent).into_owned()).unwrap();
    });
    let builder = Client::builder().host(host).tls(false).project("p").token(CANARY).connect_timeout(LONG);
    let mut diagnosis = builder.diagnose();
    let reached = diagnosis.by_ref().find(|step| step.check == Check::Tcp).unwrap();
    assert!(matches!(reached.verdict, Verdict::Passed), "{reached}");
    drop(diagnosis);
    let sent = told.recv_timeout(LONG).expect("the connection is closed");
    assert!(!sent.contains(CANARY), "{sent}");
}
