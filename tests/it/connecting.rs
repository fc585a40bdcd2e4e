//! Connecting, and the ways in which it fails.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use signalwire_relay::errors::Phase;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::{Builder, Call, Client, Error, ErrorKind, sms};

use crate::support::{
    LONG, Peer, answer, builder, child_role, drain, event, http_request, millis, online, report, reports_of_child, sim,
    until, until_in, virtual_sim, watched,
};

fn refused(builder: Builder) -> Error {
    builder.connect().expect_err("connected all the same")
}

/// Connects in a child process with the settings of its environment, and reports the result.
fn report_connecting(builder: Builder) {
    match builder.connect() {
        Ok(client) => {
            report(format!("connected to {} as {:?}", client.host(), client.project()));
            client.disconnect();
        }
        Err(error) => report(format!("{:?} {:?}: {error}", error.kind(), error.phase())),
    }
}

#[test]
fn refused_credentials_are_tried_three_times_and_leave_nothing_behind() {
    watched(|| {
        const NAME: &str = "connecting::refused_credentials_are_tried_three_times_and_leave_nothing_behind";
        if child_role().is_none() {
            // In a process of its own, so that all threads there are this client's.
            assert_eq!(reports_of_child(NAME, "child", &[]), ["done"]);
            return;
        }
        let peer = Peer::new();
        let started = Instant::now();
        let connecting = {
            let builder = peer.builder();
            thread::spawn(move || refused(builder))
        };
        for _ in 0..3 {
            let mut service = peer.accept();
            let connect = service.frame();
            service.refuse(&connect, -32002, "Requester validation failed");
            service.gone();
        }
        let error = connecting.join().unwrap();
        assert!(started.elapsed() >= Duration::from_secs(3), "it waited {:?} in all", started.elapsed());
        assert_eq!((error.kind(), error.code()), (ErrorKind::AuthRejected, Some(-32002)));
        assert_eq!(error.server_message(), Some("Requester validation failed"));
        assert!(error.to_string().contains("Requester validation failed"), "{error}");
        assert!(!error.is_retryable() && !error.may_have_been_sent());
        #[cfg(target_os = "linux")]
        // The system removes a thread from its table some time after its end.
        until("the threads of the crate to be gone", || {
            let threads = std::fs::read_dir("/proc/self/task").unwrap();
            let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
            names.all(|name| !name.starts_with("relay-"))
        });
        report("done");
    });
}

#[test]
fn the_simulator_refuses_a_wrong_token_and_a_wrong_project() {
    watched(|| {
        let sim = Simulator::builder().project("right").token("right").start().unwrap();
        // `connect` would take its real time to give up, so this starts after a first success, when nothing is given
        // up.
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        assert!(!online(&mut states));
        sim.refuse_credentials(2);
        sim.drop_link();
        assert!(!online(&mut states));
        assert_eq!(sim.connections(), 1);
        assert_eq!(sim.connections_ever(), 4);
    });
}

#[test]
fn other_failures_of_the_first_connect_return_at_once() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || refused(builder));
        drop(peer.socket());
        let error = connecting.join().unwrap();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
        assert!(error.is_retryable());
    });
}

#[test]
fn the_first_connect_is_retried_when_that_is_set() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder().retry_first_connect(true);
        let connecting = thread::spawn(move || builder.connect());
        drop(peer.socket());
        let mut busy = peer.socket();
        http_request(&mut busy);
        answer(&busy, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        drop(busy);
        let mut service = peer.accept();
        let connect = service.frame();
        service.refuse(&connect, -32005, "Over capacity");
        service.gone();
        let (_service, _) = peer.welcome("p1");
        let client = connecting.join().unwrap().unwrap();
        assert!(client.state().is_online());
    });
}

#[test]
fn a_passing_refusal_of_the_first_connect_is_no_verdict_on_the_credentials() {
    watched(|| {
        for code in [-32000, -32004, -32005, -32603] {
            let peer = Peer::new();
            let builder = peer.builder();
            let connecting = thread::spawn(move || refused(builder));
            let mut service = peer.accept();
            let connect = service.frame();
            service.refuse(&connect, code, "Not now");
            service.gone();
            let error = connecting.join().unwrap();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Auth)), "{error}");
            assert_eq!((error.code(), error.server_message()), (Some(code), Some("Not now")));
        }
    });
}

#[test]
fn missing_credentials_are_named_one_by_one() {
    watched(|| {
        const NAME: &str = "connecting::missing_credentials_are_named_one_by_one";
        if child_role().is_some() {
            return report_connecting(Client::builder().host("127.0.0.1:9"));
        }
        let project = ["Config", "project", "SIGNALWIRE_PROJECT_ID", "Builder::project"];
        let token = ["Config", "token", "SIGNALWIRE_API_TOKEN", "Builder::token"];
        for (environment, named) in [
            (&[][..], project),
            (&[("SIGNALWIRE_API_TOKEN", "t")], project),
            (&[("SIGNALWIRE_PROJECT_ID", ""), ("SIGNALWIRE_API_TOKEN", "t")], project),
            (&[("SIGNALWIRE_PROJECT_ID", "p")], token),
            (&[("SIGNALWIRE_PROJECT_ID", "p"), ("SIGNALWIRE_API_TOKEN", "")], token),
            (&[("SIGNALWIRE_PROJECT_ID", "p"), ("SIGNALWIRE_JWT_TOKEN", "")], token),
        ] {
            let said = reports_of_child(NAME, "child", environment).remove(0);
            for part in named {
                assert!(said.contains(part), "{environment:?}: {said}");
            }
        }
    });
}

#[test]
fn every_variable_of_the_environment_works() {
    watched(|| {
        const NAME: &str = "connecting::every_variable_of_the_environment_works";
        if child_role().is_some() {
            let connected = Client::from_env();
            match connected {
                Ok(client) => report(format!("connected to {} as {:?}", client.host(), client.project())),
                Err(error) => report(format!("{:?}: {error}", error.kind())),
            }
            return;
        }
        let sim = Simulator::builder().project("env-project").token("env-token").start().unwrap();
        let host = sim.host();
        let who = [("SIGNALWIRE_PROJECT_ID", "env-project"), ("SIGNALWIRE_API_TOKEN", "env-token")];
        let jwt = [("SIGNALWIRE_JWT_TOKEN", "env-token")];
        let both =
            [("SIGNALWIRE_JWT_TOKEN", "env-token"), ("SIGNALWIRE_PROJECT_ID", "p"), ("SIGNALWIRE_API_TOKEN", "t")];
        let as_project = "connected to 127.0.0.1 as Some(\"env-project\")";
        let as_jwt = "connected to 127.0.0.1 as None";
        let as_both = "connected to 127.0.0.1 as Some(\"p\")";
        for (who, at, expected) in [
            (&who[..], &[("SIGNALWIRE_RELAY_HOST", &*host)][..], as_project),
            (&who, &[("SIGNALWIRE_SPACE", &*host)], as_project),
            (&who, &[("SIGNALWIRE_RELAY_HOST", &*host), ("SIGNALWIRE_SPACE", "127.0.0.1:9")], as_project),
            (&who, &[("SIGNALWIRE_RELAY_HOST", ""), ("SIGNALWIRE_SPACE", &*host)], as_project),
            (&jwt, &[("SIGNALWIRE_RELAY_HOST", &*host)], as_jwt),
            (&both, &[("SIGNALWIRE_RELAY_HOST", &*host)], as_both),
        ] {
            let mut environment = vec![("SIGNALWIRE_RELAY_SCHEME", "ws")];
            environment.extend_from_slice(who);
            environment.extend_from_slice(at);
            assert_eq!(reports_of_child(NAME, "child", &environment), [expected], "{environment:?}");
        }
        assert_eq!(sim.connections_ever(), 6);
        // Plain text only when it says `ws`, and then only to this machine.
        for (scheme, host, part) in [
            ("", &*host, "Connect: "),
            ("wss", &host, "Connect: "),
            ("http", &host, "Config: SIGNALWIRE_RELAY_SCHEME"),
            ("WS", &host, "Config: SIGNALWIRE_RELAY_SCHEME"),
            ("ws", "192.0.2.1", "allow_plaintext"),
            ("ws", "ws://127.0.0.1", "Config: SIGNALWIRE_RELAY_HOST"),
        ] {
            let mut environment = vec![("SIGNALWIRE_RELAY_SCHEME", scheme), ("SIGNALWIRE_RELAY_HOST", host)];
            environment.extend_from_slice(&who);
            let said = reports_of_child(NAME, "child", &environment).remove(0);
            assert!(said.contains(part), "{environment:?}: {said}");
        }
        assert_eq!(sim.connections_ever(), 6);
    });
}

#[test]
fn what_the_builder_says_wins_over_the_environment() {
    watched(|| {
        const NAME: &str = "connecting::what_the_builder_says_wins_over_the_environment";
        if let Some(host) = child_role() {
            let given = Client::builder().host(&*host).tls(false);
            report_connecting(given.clone().project("right").token("right"));
            report_connecting(given.clone().jwt("right"));
            // An empty string is no value.
            report_connecting(given.host("").path("").project("right").token("").jwt(""));
            return;
        }
        let sim = Simulator::builder().project("right").token("right").start().unwrap();
        let host = sim.host();
        let wrong = [
            ("SIGNALWIRE_PROJECT_ID", "wrong"),
            ("SIGNALWIRE_API_TOKEN", "wrong"),
            ("SIGNALWIRE_RELAY_HOST", "127.0.0.1:9"),
            ("SIGNALWIRE_SPACE", "127.0.0.1:9"),
            ("SIGNALWIRE_RELAY_SCHEME", "http"),
        ];
        let said = reports_of_child(NAME, &host, &wrong);
        assert_eq!(said[0], "connected to 127.0.0.1 as Some(\"right\")");
        // A JWT is used, and the project is known all the same.
        assert_eq!(said[1], "connected to 127.0.0.1 as Some(\"wrong\")");
        assert!(said[2].starts_with("Connect Some(Tcp)"), "{said:?}");
        // A JWT in the environment is not preferred to what the program itself says.
        let jwt = [("SIGNALWIRE_JWT_TOKEN", "wrong"), ("SIGNALWIRE_RELAY_HOST", "127.0.0.1:9")];
        let said = reports_of_child(NAME, &host, &jwt);
        assert_eq!(said[0], "connected to 127.0.0.1 as Some(\"right\")");
    });
}

#[test]
fn the_number_of_clients_and_calls_is_bounded_by_the_environment() {
    watched(|| {
        const NAME: &str = "connecting::the_number_of_clients_and_calls_is_bounded_by_the_environment";
        if child_role().is_some() {
            let sim = sim();
            let first = builder(&sim).connect().unwrap();
            let second = refused(builder(&sim));
            assert_eq!(second.kind(), ErrorKind::Config);
            assert!(second.to_string().contains("RELAY_MAX_CONNECTIONS"), "{second}");
            let _one = sim.caller("+15550000001").calls("+15559990000").dials();
            let _call = first.next_call(LONG).unwrap();
            let two = sim.caller("+15550000002").calls("+15559990000").dials();
            sim.wait_for_request("calling.pass", LONG).unwrap();
            until("the pass to take effect", || two.was_passed());
            assert_eq!(first.stats().calls_passed, 1);
            first.disconnect();
            // The place is free again; a failed connect does not keep it.
            assert!(Peer::new().builder().host("bad host").connect().is_err());
            assert!(builder(&sim).connect().is_ok());
            return report("done");
        }
        for limit in ["1", "0", " 1\n"] {
            let environment = [("RELAY_MAX_CONNECTIONS", limit), ("RELAY_MAX_ACTIVE_CALLS", "1")];
            assert_eq!(reports_of_child(NAME, "child", &environment), ["done"]);
        }
    });
}

#[test]
fn what_is_no_host_is_refused_and_not_repeated() {
    for host in [
        "wss://PTcanary.example",
        "user:PTcanary@relay.example",
        "relay.example/PTcanary",
        "relay.example?PTcanary",
        "relay.example#PTcanary",
        "relay.example PTcanary",
        "relay.example\r\nPTcanary: x",
        "relay.example\u{0}PTcanary",
        "relay.example:PTcanary",
        "relay.example:99999",
        "[::1",
        "300.1.1.1",
        "a..b",
    ] {
        let error = refused(Client::builder().project("p").token("t").host(host));
        assert_eq!(error.kind(), ErrorKind::Config, "{host:?}");
        assert!(!format!("{error} {error:?}").contains("PTcanary"), "{error:?}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn plain_text_does_not_leave_this_machine_unless_allowed() {
    let error = refused(Client::builder().project("p").token("t").host("192.0.2.1").tls(false));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("allow_plaintext"), "{error}");
    let asked = Client::builder().project("p").token("t").host("192.0.2.1").tls(false).allow_plaintext();
    assert_eq!(refused(asked.connect_timeout(millis(50))).kind(), ErrorKind::Connect);
}

// Peers that are none.

fn plain(host: impl Into<String>) -> Builder {
    Client::builder().project("p").token("t").host(host).tls(false)
}

#[test]
fn a_closed_port_is_a_failure_of_tcp() {
    watched(|| {
        let host = Peer::new().host();
        let error = refused(plain(host));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tcp)), "{error}");
        assert!(!error.is_timeout());
    });
}

#[test]
fn a_name_without_address_is_a_failure_of_the_lookup() {
    watched(|| {
        let started = Instant::now();
        let error = refused(Client::builder().project("p").token("t").host("a.invalid").connect_timeout(millis(500)));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Lookup)), "{error}");
        assert!(started.elapsed() < LONG);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_first_connection_is_made_on_the_calling_thread() {
    const TEST: &str = "connecting::the_first_connection_is_made_on_the_calling_thread";
    // In a process of its own, so that all threads of the crate are this client's.
    crate::support::in_child(TEST, &[], || {
        let threads = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
            let mut names: Vec<_> = names.filter(|name| name.starts_with("relay-")).collect();
            names.sort();
            names
        };
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || builder.connect());
        let mut service = peer.accept();
        let connect = service.frame();
        // The connection stands, and is not authenticated yet.
        until("the writer to have its name", || threads() == ["relay-writer\n"]);
        service.reply(&connect, json!({"protocol": "p"}));
        let client = connecting.join().unwrap().unwrap();
        until("the reader", || threads() == ["relay-reader\n", "relay-writer\n"]);
        client.disconnect();
    });
}

#[test]
fn a_silent_peer_is_given_up_at_the_deadline() {
    watched(|| {
        let silent = Peer::new();
        let limit = Duration::from_secs(2);
        let started = Instant::now();
        let error = refused(plain(silent.host()).connect_timeout(limit));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
        assert!(error.is_timeout());
        {
            let error = refused(plain(silent.host()).tls(true).connect_timeout(limit));
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tls)), "{error}");
            assert!(error.is_timeout());
        }
        assert!(started.elapsed() < LONG);
        // The client closes the connection as well.
        let said = drain(silent.socket());
        assert!(said.starts_with(b"GET / HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&said));
    });
}

#[test]
fn a_peer_that_drips_its_upgrade_is_given_up_at_the_deadline() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder().connect_timeout(Duration::from_secs(1));
        let connecting = thread::spawn(move || refused(builder));
        let mut socket = peer.socket();
        socket.set_nodelay(true).unwrap();
        http_request(&mut socket);
        // One byte after another, so that no single read ever takes long.
        let started = Instant::now();
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            if socket.write_all(&[*byte]).is_err() {
                break;
            }
            assert!(started.elapsed() < LONG, "the client takes byte after byte for ever");
            thread::yield_now();
        }
        let error = connecting.join().unwrap();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
    });
}

#[test]
fn what_is_no_upgrade_is_a_failure_of_the_upgrade() {
    watched(|| {
        for (said, part) in [
            (&b"220 mail.example ESMTP\r\n\r\n"[..], ""),
            (b"\x00\x01\x02\xff\xfe\r\n\r\n", ""),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200"),
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot\x07 you\n", "403: not you"),
            (b"HTTP/1.1 302 Found\r\nLocation: wss://elsewhere.example/\r\nContent-Length: 0\r\n\r\n", "302"),
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: wrong\r\n\r\n",
                "",
            ),
        ] {
            let peer = Peer::new();
            let builder = peer.builder();
            let connecting = thread::spawn(move || refused(builder));
            let mut socket = peer.socket();
            http_request(&mut socket);
            answer(&socket, said);
            let error = connecting.join().unwrap();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(drain(socket).is_empty(), "it went on talking to {said:?}");
        }
    });
}

#[test]
fn a_service_that_never_answers_the_connect_is_given_up() {
    watched(|| {
        let sim = virtual_sim();
        sim.never_answer("signalwire.connect");
        let error = refused(builder(&sim).connect_timeout(LONG / 4));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Auth)), "{error}");
        assert!(error.is_timeout());
        assert_eq!(sim.connections_ever(), 1);
        until_in(&sim, "the socket to be closed", || sim.connections() == 0);
    });
}

#[test]
fn a_service_that_closes_instead_of_answering_is_a_failure_of_authentication() {
    watched(|| {
        let sim = sim();
        sim.drop_link_before_request("signalwire.connect");
        let error = refused(builder(&sim));
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Auth)), "{error}");
        assert!(!error.is_timeout());
    });
}

#[test]
fn a_service_that_talks_instead_of_answering_is_given_up() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || refused(builder));
        let mut service = peer.accept();
        let _connect = service.frame();
        let chatter = event("e", "some.event", json!({"text": "x".repeat(100_000)}));
        while service.0.send(tungstenite::Message::text(chatter.to_string())).is_ok() {}
        let error = connecting.join().unwrap();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Auth)), "{error}");
    });
}

// The first requests.

#[test]
fn the_connect_request_says_exactly_what_it_should() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder().contexts(["support", "sales", "support"]).agent("my-ivr/1.0");
        let connecting = thread::spawn(move || builder.connect());
        let (_service, params) = peer.welcome("signalwire_p1");
        assert_eq!(
            params,
            json!({
                "version": {"major": 2, "minor": 0, "revision": 0},
                "agent": "my-ivr/1.0",
                "event_acks": true,
                "authentication": {"project": "project-1", "token": "token-1"},
                "contexts": ["support", "sales"],
            })
        );
        let client = connecting.join().unwrap().unwrap();
        assert_eq!(client.project(), Some("project-1"));
        assert_eq!(client.host(), "127.0.0.1");
        assert_eq!(client.contexts(), ["support", "sales"]);
        assert_eq!(client.protocol(), "signalwire_p1");
    });
}

#[test]
fn a_jwt_takes_the_place_of_project_and_token() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder().jwt("jwt-1");
        let connecting = thread::spawn(move || builder.connect());
        let (_service, params) = peer.welcome("p1");
        assert_eq!(params["authentication"], json!({"jwt_token": "jwt-1"}));
        assert_eq!(params.get("contexts"), None, "no contexts are no key");
        // The project is not sent, but can be read.
        assert_eq!(connecting.join().unwrap().unwrap().project(), Some("project-1"));
    });
}

#[test]
fn the_upgrade_asks_for_the_path_and_sends_no_credentials() {
    watched(|| {
        for (path, line) in [("", "GET / "), ("/api/relay/ws", "GET /api/relay/ws "), ("a?b=1", "GET /a?b=1 ")] {
            let peer = Peer::new();
            let builder = peer.builder().path(path);
            let connecting = thread::spawn(move || refused(builder));
            let mut socket = peer.socket();
            let request = http_request(&mut socket);
            assert!(request.starts_with(line), "{request}");
            assert!(request.contains(&format!("Host: {}\r\n", peer.host())), "{request}");
            let lower = request.to_lowercase();
            assert!(!lower.contains("authorization") && !lower.contains("sec-websocket-protocol"), "{request}");
            assert!(!lower.contains("project-1") && !lower.contains("token-1"), "{request}");
            drop(socket);
            connecting.join().unwrap();
        }
    });
}

#[test]
fn resume_keys_are_sent_on_reconnect_and_only_together() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || builder.connect());
        let (mut service, first) = peer.welcome("p1");
        assert_eq!((first.get("protocol"), first.get("authorization_state")), (None, None));
        let client = connecting.join().unwrap().unwrap();
        let mut states = client.states();
        assert!(!online(&mut states));
        service.send(event("e1", "signalwire.authorization.state", json!({"authorization_state": "blob-1"})));
        assert_eq!(service.frame(), json!({"jsonrpc": "2.0", "id": "e1", "result": {}}));
        // The latest that says something counts.
        service.send(event("e2", "signalwire.authorization.state", json!({"authorization_state": "blob-2"})));
        service.send(event("e3", "signalwire.authorization.state", json!({"authorization_state": ""})));
        service.frame();
        service.frame();
        drop(service);
        let (service, second) = peer.welcome("p1");
        assert_eq!(second["protocol"], "p1");
        assert_eq!(second["authorization_state"], "blob-2");
        assert!(online(&mut states));
        drop(service);
        // Another session: not resumed, and its name is the one that counts from now on.
        let (service, third) = peer.welcome("p2");
        assert_eq!(third["protocol"], "p1");
        assert!(!online(&mut states));
        assert_eq!(client.protocol(), "p2");
        drop(service);
        let (_service, fourth) = peer.welcome("p2");
        assert_eq!(fourth["protocol"], "p2");
        assert!(online(&mut states));
    });
}

#[test]
fn the_service_may_say_itself_whether_the_session_was_restored() {
    watched(|| {
        for (protocol, restored) in [("p1", false), ("p2", true)] {
            let peer = Peer::new();
            let builder = peer.builder();
            let connecting = thread::spawn(move || builder.connect());
            drop(peer.welcome("p1"));
            let client = connecting.join().unwrap().unwrap();
            let mut states = client.states();
            let mut service = peer.accept();
            let connect = service.frame();
            service.reply(&connect, json!({"protocol": protocol, "session_restored": restored}));
            until("the second connection", || client.stats().connections == 2 && client.state().is_online());
            let last = std::iter::from_fn(|| states.next_within(Duration::ZERO))
                .filter(signalwire_relay::LinkState::is_online)
                .last();
            match last {
                Some(signalwire_relay::LinkState::Online { resumed }) => assert_eq!(resumed, restored),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_welcome_without_a_protocol_is_one_that_cannot_be_resumed() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || builder.connect());
        let mut service = peer.accept();
        let connect = service.frame();
        service.reply(&connect, json!({}));
        let client = connecting.join().unwrap().unwrap();
        assert_eq!(client.protocol(), "");
        let mut states = client.states();
        assert!(!online(&mut states));
        let sender = client.clone();
        let sending = thread::spawn(move || sender.send_message(sms("+15551110000").from("+15552220000").body("hi")));
        let send = service.request("messaging.send");
        assert_eq!(send["params"]["context"], "default");
        service.reply(&send, json!({"code": "200", "message_id": "m1"}));
        let message = sending.join().unwrap().unwrap();
        service.send(event("e1", "signalwire.authorization.state", json!({"authorization_state": "blob"})));
        service.frame();
        drop(service);
        let (_service, second) = peer.welcome("p1");
        assert_eq!((second.get("protocol"), second.get("authorization_state")), (None, None));
        assert!(!online(&mut states));
        assert_eq!(message.wait(LONG).unwrap_err().kind(), ErrorKind::SessionLost);
    });
}

#[test]
fn a_coded_refusal_in_the_result_is_a_refusal() {
    watched(|| {
        for result in
            [json!({"code": "401", "message": "Unauthorized"}), json!({"code": 401, "message": "Unauthorized"})]
        {
            let peer = Peer::new();
            let builder = peer.builder();
            let connecting = thread::spawn(move || builder.connect());
            let (service, _) = peer.welcome("p1");
            let client = connecting.join().unwrap().unwrap();
            let mut states = client.states();
            assert!(!online(&mut states));
            drop(service);
            // After a first success, so that no real seconds pass.
            for resumes in [true, true, false] {
                let mut service = peer.accept();
                let connect = service.frame();
                assert_eq!(connect["params"].get("protocol").is_some(), resumes);
                service.reply(&connect, result.clone());
                service.gone();
            }
            let refused = crate::support::next_state(&mut states, "with the refusal", |state| match state {
                signalwire_relay::LinkState::Reconnecting { cause, .. } => cause.kind() == ErrorKind::AuthRejected,
                _ => false,
            });
            assert!(format!("{refused:?}").contains("Unauthorized"), "{refused:?}");
        }
    });
}

#[test]
fn frames_before_the_verdict_are_answered_and_kept() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || builder.connect());
        let mut service = peer.accept();
        let connect = service.frame();
        service.send(json!({"jsonrpc": "2.0", "id": 5, "method": "signalwire.ping", "params": {"timestamp": 1.5}}));
        // A ping is answered at once, nothing else is before the service has answered.
        assert_eq!(service.frame(), json!({"jsonrpc": "2.0", "id": 5, "result": {"timestamp": 1.5}}));
        let offer = |id: &str| {
            let device =
                json!({"type": "phone", "params": {"from_number": "+15550001111", "to_number": "+15550002222"}});
            let params = json!({"call_id": id, "node_id": "n", "call_state": "created", "direction": "inbound",
                "context": "default", "device": device});
            event(&format!("e-{id}"), "calling.call.receive", params)
        };
        let verdict = json!({"jsonrpc": "2.0", "id": connect["id"], "result": {"protocol": "p1"}});
        service.send_together(&[
            offer("c1"),
            json!({"jsonrpc": "2.0", "id": "0", "result": {"protocol": "not for us"}}),
            offer("c2"),
            verdict,
            offer("c3"),
        ]);
        let client = connecting.join().unwrap().unwrap();
        // The call is held, because a dropped call is passed back.
        let calls = ["c1", "c2", "c3"].map(|_| client.next_call(LONG).unwrap());
        assert_eq!(calls.each_ref().map(Call::id), ["c1", "c2", "c3"]);
        for id in ["e-c1", "e-c2", "e-c3"] {
            assert_eq!(service.frame(), json!({"jsonrpc": "2.0", "id": id, "result": {}}));
        }
        assert_eq!(client.protocol(), "p1");
    });
}

// TLS.

mod tls {
    use super::*;

    /// A file that goes with the test.
    struct Pem(PathBuf);

    impl Pem {
        fn with(content: &[u8]) -> Self {
            static FILES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            let number = FILES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("relay-test-{}-{number}.pem", std::process::id()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }
    }

    impl Drop for Pem {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn secure() -> Simulator {
        Simulator::builder().tls(true).speed(50.0).project("p").token("t").start().unwrap()
    }

    fn port(sim: &Simulator) -> u16 {
        sim.address().port()
    }

    /// One that knows where the simulator is and who it is, but not its authority.
    fn stranger(sim: &Simulator) -> Builder {
        plain(sim.host()).tls(true)
    }

    #[test]
    fn a_client_works_over_tls_under_every_name_of_the_certificate() {
        watched(|| {
            let sim = secure();
            let ca = sim.ca_file().unwrap();
            for host in [format!("127.0.0.1:{}", port(&sim)), format!("localhost:{}", port(&sim))] {
                let client = builder(&sim).host(host).ca_file(ca).connect().unwrap();
                let call = crate::support::answered_call(&sim, &client);
                call.hangup().unwrap();
                call.wait_for_ended(LONG).unwrap();
                client.disconnect();
            }
            assert!(sim.violations().is_empty(), "{:?}", sim.violations());
        });
    }

    #[test]
    fn an_unknown_issuer_is_refused_before_a_secret_is_sent() {
        watched(|| {
            let (sim, other) = (secure(), secure());
            for builder in [stranger(&sim), stranger(&sim).ca_file(other.ca_file().unwrap())] {
                let error = refused(builder);
                assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tls)), "{error}");
                assert!(!error.is_timeout());
            }
            assert_eq!(sim.connections_ever(), 0, "it came as far as an upgrade");
            assert!(sim.journal().entries().is_empty());
        });
    }

    /// Passes bytes on from another address of this machine, which is in no certificate.
    #[cfg(target_os = "linux")]
    fn relay_from(address: &str, to: std::net::SocketAddr) -> String {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (near, _) = listener.accept().unwrap();
            let far = TcpStream::connect(to).unwrap();
            let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut near_in, &mut far_out);
                let _ = far_out.shutdown(std::net::Shutdown::Write);
            });
            let (mut near_out, mut far_in) = (near, far);
            let _ = std::io::copy(&mut far_in, &mut near_out);
            let _ = near_out.shutdown(std::net::Shutdown::Both);
        });
        host
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_wrong_host_is_refused_before_a_secret_is_sent() {
        watched(|| {
            let sim = secure();
            let ca = sim.ca_file().unwrap();
            let error = refused(stranger(&sim).ca_file(ca).host(relay_from("127.0.0.2", sim.address())));
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tls)), "{error}");
            assert_eq!(sim.connections_ever(), 0, "it came as far as an upgrade");
            // The detour itself is not at fault.
            let host = relay_from("127.0.0.1", sim.address());
            assert!(stranger(&sim).ca_file(ca).host(host).connect().is_ok());
        });
    }

    #[test]
    fn plain_text_on_the_tls_port_and_tls_on_the_plain_port_name_their_phase() {
        watched(|| {
            let plain_sim = sim();
            let error = refused(stranger(&plain_sim).connect_timeout(Duration::from_secs(5)));
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Tls)), "{error}");
            let tls_sim = secure();
            let error = refused(stranger(&tls_sim).tls(false).connect_timeout(Duration::from_secs(5)));
            assert_eq!((error.kind(), error.phase()), (ErrorKind::Connect, Some(Phase::Upgrade)), "{error}");
        });
    }

    #[test]
    fn a_file_of_authorities_may_hold_several() {
        watched(|| {
            let (sim, other) = (secure(), secure());
            let read = |sim: &Simulator| std::fs::read(sim.ca_file().unwrap()).unwrap();
            let both = [&b"# two of them\r\n"[..], &read(&other), b"\r\n\r\nand\r\n", &read(&sim)].concat();
            let file = Pem::with(&both);
            for known in [&sim, &other] {
                let client = stranger(known).ca_file(&file.0).connect().unwrap();
                client.disconnect();
            }
        });
    }

    #[test]
    fn a_file_of_authorities_that_is_of_no_use_is_named() {
        watched(|| {
            const NAME: &str = "connecting::tls::a_file_of_authorities_that_is_of_no_use_is_named";
            if child_role().is_some() {
                return report_connecting(Client::builder().project("p").token("t").host("127.0.0.1:9"));
            }
            let sim = secure();
            let good = std::fs::read_to_string(sim.ca_file().unwrap()).unwrap();
            let cut = &good[..good.len() / 2];
            let garbage = "-----BEGIN CERTIFICATE-----\nMIIB!!!!\n-----END CERTIFICATE-----\n";
            let files = [
                Pem::with(b""),
                Pem::with(b"no certificate\n"),
                Pem::with(b"\xff\xfe\x00"),
                Pem::with(cut.as_bytes()),
                Pem::with(garbage.as_bytes()),
                Pem::with(format!("{good}{garbage}").as_bytes()),
                // A bundle that was copied in part: after each part of its last certificate.
                Pem::with(format!("{good}{}", good.replace("-----END CERTIFICATE-----", "")).as_bytes()),
                Pem::with(format!("{good}{cut}").as_bytes()),
                Pem::with(format!("{good}-----BEGIN CERTIFICATE-----\n").as_bytes()),
                Pem::with(format!("{good}-----BEGIN CERT").as_bytes()),
                Pem::with(format!("{good}-----").as_bytes()),
                // A damaged certificate before a good one.
                Pem::with(format!("{cut}{good}").as_bytes()),
            ];
            let nowhere = std::env::temp_dir().join("relay-test-there-is-no-such-file.pem");
            let folder = std::env::temp_dir();
            for path in files.iter().map(|file| &file.0).chain([&nowhere, &folder]) {
                let error = refused(stranger(&sim).ca_file(path));
                assert_eq!(error.kind(), ErrorKind::Config, "{path:?}: {error}");
                assert!(error.to_string().contains("ca_file"), "{error}");
                let path = path.to_str().unwrap();
                let said = reports_of_child(NAME, "child", &[("SIGNALWIRE_RELAY_CA_FILE", path)]).remove(0);
                assert!(said.starts_with("Config") && said.contains("SIGNALWIRE_RELAY_CA_FILE"), "{path}: {said}");
            }
            assert_eq!(sim.connections_ever(), 0);
            // An empty variable is none.
            let said = reports_of_child(NAME, "child", &[("SIGNALWIRE_RELAY_CA_FILE", "")]).remove(0);
            assert!(said.starts_with("Connect"), "{said}");
        });
    }

    #[test]
    fn the_environment_can_name_the_file_of_authorities() {
        watched(|| {
            const NAME: &str = "connecting::tls::the_environment_can_name_the_file_of_authorities";
            if let Some(host) = child_role() {
                return report_connecting(Client::builder().project("p").token("t").host(host));
            }
            let sim = secure();
            let ca = sim.ca_file().unwrap().to_str().unwrap();
            let said = reports_of_child(NAME, &sim.host(), &[("SIGNALWIRE_RELAY_CA_FILE", ca)]);
            assert_eq!(said, ["connected to 127.0.0.1 as Some(\"p\")"]);
        });
    }
}

#[test]
fn dropping_the_last_clone_closes_the_connection() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let clone = client.clone();
        drop(client);
        assert!(clone.state().is_online());
        let mut states = clone.states();
        drop(clone);
        until("the link to be closed", || sim.connections() == 0);
        assert!(states.by_ref().last().is_some_and(|state| state.is_closed()));
    });
}
