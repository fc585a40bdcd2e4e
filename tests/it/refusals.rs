//! Messages of the service about a connection: temporary rejections, closes, reasons, and frames beyond the limits.

use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use log::{Level, Log, Metadata, Record};
use serde_json::{Value, json};
use signalwire_relay::connection::LinkStates;
use signalwire_relay::{Builder, Client, Error, ErrorKind, LinkState};
use tungstenite::Message;
use tungstenite::protocol::{CloseFrame, Role};

use crate::support::{
    LONG, NEVER, Peer, Service, answer, child_role, event, http_request, log_to, millis, next_state, online,
    reconnecting, report, reports_of_child, until, watched,
};

/// A client with a session `p1`, its states from `Online` on, and its connection.
fn in_session(peer: &Peer, set: impl FnOnce(Builder) -> Builder) -> (Client, LinkStates, Service) {
    let builder = set(peer.builder());
    let connecting = thread::spawn(move || builder.connect());
    let (service, _) = peer.welcome("p1");
    let client = connecting.join().unwrap().unwrap();
    let mut states = client.states();
    assert!(!online(&mut states));
    (client, states, service)
}

fn cause(state: &LinkState) -> &Error {
    match state {
        LinkState::Reconnecting { cause, .. } => cause,
        other => panic!("{other:?} has no cause"),
    }
}

/// The next connection, with its `signalwire.connect` without a response; and whether it resumes a session.
fn knock(peer: &Peer) -> (Service, Value, bool) {
    let mut service = peer.accept();
    let connect = service.frame();
    assert_eq!(connect["method"], "signalwire.connect");
    let resumes = connect["params"].get("protocol").is_some();
    (service, connect, resumes)
}

fn until_closed(service: &mut Service) -> Vec<Message> {
    let mut heard = Vec::new();
    loop {
        match service.0.read() {
            Ok(message) if message.is_close() => return heard,
            Ok(message) => heard.push(message),
            Err(error) => panic!("no close frame after {heard:?}: {error}"),
        }
    }
}

fn refused(builder: Builder) -> Error {
    builder.connect().expect_err("connected all the same")
}

fn numbered(index: usize, bytes: usize) -> Value {
    event(&format!("e-{index}"), "some.event", json!({"index": index, "text": "x".repeat(bytes)}))
}

/// The numbers of the events that the client receives.
fn listen(client: &Client) -> std::sync::mpsc::Receiver<u64> {
    let (heard, hears) = channel();
    client.on_event(move |event| {
        if let Some(index) = event.raw().get("index").and_then(|index| index.as_u64()) {
            let _the_test_is_over = heard.send(index);
        }
    });
    hears
}

// A peer that reads late.

#[test]
fn a_peer_that_reads_late_slows_the_client_down_and_does_not_lose_it() {
    const COUNT: usize = 8000;
    watched(|| {
        let peer = Peer::new();
        // However busy the machine is: the peer reads as soon as enough waits.
        let (client, mut states, mut service) =
            in_session(&peer, |builder| builder.tuning(|t| t.write_timeout(Duration::from_secs(3600))));
        let mut sender =
            tungstenite::WebSocket::from_raw_socket(service.0.get_ref().try_clone().unwrap(), Role::Server, None);
        // Long ids make long acknowledgements: more than the sockets and the client's queue hold together.
        let id = "x".repeat(4096);
        let sending = thread::spawn(move || {
            for index in 0..COUNT {
                let frame = event(&format!("{index} {id}"), "some.event", json!({}));
                sender.send(Message::text(frame.to_string())).unwrap();
            }
        });
        until("acknowledgements to wait", || client.stats().write_queue_bytes > 4 << 20);
        for index in 0..COUNT {
            let frame = service.frame();
            assert!(frame["id"].as_str().unwrap().starts_with(&format!("{index} ")), "after {index}");
        }
        sending.join().unwrap();
        assert_eq!(client.stats().connections, 1);
        assert!(states.next_within(Duration::ZERO).is_none());
    });
}

// More than fits.

#[test]
fn a_backlog_before_the_answer_is_acknowledged_as_it_comes_and_delivered() {
    const COUNT: usize = 3000;
    watched(|| {
        let peer = Peer::new();
        let (client, mut states, service) = in_session(&peer, |builder| builder.connect_timeout(LONG));
        let hears = listen(&client);
        drop(service);
        let (mut service, connect, resumes) = knock(&peer);
        assert!(resumes);
        // All of it is acknowledged before the answer: a service may wait for that.
        for index in 0..COUNT {
            service.send(numbered(index, 1024));
        }
        for index in 0..COUNT {
            assert_eq!(service.frame()["id"], format!("e-{index}"));
        }
        service.reply(&connect, json!({"protocol": "p1"}));
        assert!(online(&mut states), "resumed");
        for index in 0..COUNT {
            assert_eq!(hears.recv_timeout(LONG), Ok(index as u64));
        }
        // No event is acknowledged twice.
        service.send(json!({"jsonrpc": "2.0", "id": "mark", "method": "signalwire.ping", "params": {}}));
        assert_eq!(service.frame()["id"], "mark");
    });
}

#[test]
fn what_was_acknowledged_before_an_attempt_failed_is_delivered_by_the_one_that_succeeds() {
    watched(|| {
        for protocol in ["p1", "p2"] {
            let peer = Peer::new();
            let (client, mut states, service) = in_session(&peer, |builder| builder);
            let hears = listen(&client);
            drop(service);
            for round in 0..2 {
                let (mut service, _, resumes) = knock(&peer);
                assert!(resumes);
                for index in 0..5 {
                    service.send(numbered(round * 5 + index, 10));
                }
                (0..5).for_each(|_| drop(service.frame()));
            }
            let (mut service, connect, _) = knock(&peer);
            service.send(numbered(10, 10));
            service.reply(&connect, json!({"protocol": protocol}));
            let resumed = online(&mut states);
            assert_eq!(resumed, protocol == "p1");
            // No event of a lost session is delivered.
            let first = if resumed { 0 } else { 10 };
            for index in first..=10 {
                assert_eq!(hears.recv_timeout(LONG), Ok(index));
            }
        }
    });
}

#[test]
fn a_backlog_beyond_its_bound_costs_the_session_and_is_not_retried_indefinitely() {
    watched(|| {
        let peer = Peer::new();
        let (_client, mut states, service) = in_session(&peer, |builder| builder.tuning(|t| t.resume_backlog(100_000)));
        drop(service);
        let (mut service, _, resumes) = knock(&peer);
        assert!(resumes);
        let mut index = 0;
        while service.0.send(Message::text(numbered(index, 1000).to_string())).is_ok() {
            index += 1;
        }
        let state = next_state(&mut states, "of the second attempt", |state| {
            matches!(state, LinkState::Reconnecting { attempt: 2, .. })
        });
        let told = cause(&state).to_string();
        assert!(told.contains("100000 bytes") && told.contains("Tuning::resume_backlog"), "{told}");
        let (mut service, connect, resumes) = knock(&peer);
        assert!(!resumes, "the session is given up");
        service.reply(&connect, json!({"protocol": "p2"}));
        assert!(!online(&mut states));
    });
}

#[test]
fn a_frame_that_is_too_large_again_after_a_resume_costs_the_session() {
    watched(|| {
        // Whether each connection ends by such a frame, and whether the next one resumes the session.
        for (ends, resumes) in
            [(vec![true, true], vec![true, false]), (vec![true, false, true], vec![true, true, true])]
        {
            let peer = Peer::new();
            let (_client, mut states, mut service) =
                in_session(&peer, |builder| builder.tuning(|t| t.max_frame(50_000)));
            let mut last = String::new();
            for (too_large, resume) in ends.into_iter().zip(resumes) {
                if too_large {
                    service.send(numbered(0, 100_000));
                    service.gone();
                } else {
                    drop(service);
                }
                last = cause(&reconnecting(&mut states)).to_string();
                assert_eq!(last.contains("max_frame"), too_large, "{last}");
                let (mut next, connect, resumes) = knock(&peer);
                assert_eq!(resumes, resume);
                next.reply(&connect, json!({"protocol": if resume { "p1" } else { "p2" }}));
                assert_eq!(online(&mut states), resume);
                service = next;
            }
            assert!(last.contains("Tuning::max_frame"), "{last}");
        }
    });
}

#[test]
fn a_frame_that_is_too_large_before_the_answer_counts_as_well() {
    watched(|| {
        let peer = Peer::new();
        let (_client, mut states, service) = in_session(&peer, |builder| builder.tuning(|t| t.max_frame(50_000)));
        drop(service);
        for _ in 0..2 {
            let (mut service, _, resumes) = knock(&peer);
            assert!(resumes);
            service.send(numbered(0, 100_000));
        }
        let (mut service, connect, resumes) = knock(&peer);
        assert!(!resumes);
        service.reply(&connect, json!({"protocol": "p2"}));
        assert!(!online(&mut states));
    });
}

// Refusals that pass.

enum Refusal {
    Error(Value),
    Result(Value),
    Http(&'static str),
}

impl Refusal {
    fn tell(&self, peer: &Peer) {
        if let Self::Http(head) = self {
            let mut socket = peer.socket();
            http_request(&mut socket);
            answer(&socket, format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes());
            return;
        }
        let (mut service, connect, resumes) = knock(peer);
        assert!(resumes, "the keys are kept");
        match self {
            Self::Error(error) => service.send(json!({"jsonrpc": "2.0", "id": connect["id"], "error": error})),
            Self::Result(result) => service.reply(&connect, result.clone()),
            Self::Http(_) => {}
        }
        service.gone();
    }
}

#[test]
fn a_service_that_is_temporarily_unavailable_is_retried_and_the_session_resumed() {
    watched(|| {
        let mut refusals = Vec::new();
        for code in [408, 425, 429, 500, 502, 503, 504, -32000, -32004, -32005, -32603] {
            refusals.push(Refusal::Error(json!({"code": code, "message": "not now"})));
            refusals.push(Refusal::Error(json!({"code": code.to_string(), "message": "not now"})));
        }
        for code in [408, 425, 429, 500, 503] {
            refusals.push(Refusal::Result(json!({"code": code.to_string(), "message": "not now"})));
        }
        refusals.push(Refusal::Http("429 Too Many Requests"));
        refusals.push(Refusal::Http("503 Service Unavailable"));
        let peer = Peer::new();
        let (_client, mut states, service) = in_session(&peer, |builder| builder);
        drop(service);
        for (index, refusal) in refusals.iter().enumerate() {
            refusal.tell(&peer);
            let state = next_state(
                &mut states,
                "after a refusal",
                |state| matches!(state, LinkState::Reconnecting { attempt, .. } if *attempt as usize == index + 2),
            );
            assert_eq!(cause(&state).kind(), ErrorKind::Connect, "{state:?}");
        }
        let (mut service, connect, resumes) = knock(&peer);
        assert!(resumes);
        service.reply(&connect, json!({"protocol": "p1"}));
        assert!(online(&mut states));
    });
}

#[test]
fn a_wait_that_the_service_asks_for_is_kept_at_least() {
    watched(|| {
        let peer = Peer::new();
        let (_client, mut states, service) = in_session(&peer, |builder| builder);
        drop(service);
        for (refusal, least) in [
            (Refusal::Error(json!({"code": 429, "message": "m", "retry_after": 0.25})), millis(250)),
            (Refusal::Error(json!({"code": -32005, "message": "m", "data": {"retry_after": "0.3"}})), millis(300)),
            (Refusal::Result(json!({"code": "503", "message": "m", "retry_after": 0.2})), millis(200)),
            (Refusal::Error(json!({"code": 429, "message": "m", "retry_after": -5})), Duration::ZERO),
            (Refusal::Error(json!({"code": 429, "message": "m", "retry_after": "soon"})), Duration::ZERO),
            (Refusal::Http("503 Service Unavailable\r\nRetry-After: 1"), Duration::from_secs(1)),
        ] {
            reconnecting(&mut states);
            refusal.tell(&peer);
            let state = reconnecting(&mut states);
            let LinkState::Reconnecting { next, cause, .. } = &state else { panic!("{state:?}") };
            assert_eq!(cause.retry_after().unwrap_or_default(), least, "{cause}");
            // The own waits are 20 ms at most.
            assert!(*next >= least && *next <= least.max(millis(20)), "{next:?}");
            // Once more, for the next round.
            drop(peer.accept());
        }
    });
}

#[test]
fn a_daemon_goes_on_with_its_first_connect_when_the_service_is_too_busy() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder().retry_first_connect(true);
        let connecting = thread::spawn(move || builder.connect());
        for code in [429, 503, 429, 408, 425] {
            let mut service = peer.accept();
            let connect = service.frame();
            service.reply(&connect, json!({"code": code, "message": "too many"}));
            service.gone();
        }
        drop(peer.welcome("p1"));
        assert!(connecting.join().unwrap().is_ok());
        // Without that setting it returns at once.
        let builder = peer.builder();
        let connecting = thread::spawn(move || refused(builder));
        let mut service = peer.accept();
        let connect = service.frame();
        service.refuse(&connect, 429, "too many");
        let error = connecting.join().unwrap();
        assert_eq!((error.kind(), error.server_message()), (ErrorKind::Connect, Some("too many")), "{error}");
    });
}

#[test]
fn keys_that_a_restarting_service_refuses_once_are_kept() {
    watched(|| {
        for refusals in [1, 2] {
            let peer = Peer::new();
            let (_client, mut states, service) = in_session(&peer, |builder| builder);
            drop(service);
            for _ in 0..refusals {
                let (mut service, connect, resumes) = knock(&peer);
                assert!(resumes);
                service.refuse(&connect, -32002, "Authentication failed");
                service.gone();
            }
            let (mut service, connect, resumes) = knock(&peer);
            assert_eq!(resumes, refusals == 1);
            service.reply(&connect, json!({"protocol": if resumes { "p1" } else { "p2" }}));
            assert_eq!(online(&mut states), resumes);
        }
    });
}

// Goodbyes.

#[test]
fn a_connection_that_the_service_leaves_is_closed_as_soon_as_nothing_is_unanswered() {
    watched(|| {
        let leave = json!({"jsonrpc": "2.0", "id": "leave", "method": "signalwire.disconnect", "params": {}});
        for asked in ["nothing", "answered", "unanswered"] {
            let peer = Peer::new();
            // No ping finds out that it is silent.
            let (client, mut states, mut service) =
                in_session(&peer, |builder| builder.tuning(|t| t.ping_after(NEVER)));
            let asking = (asked != "nothing").then(|| {
                let client = client.clone();
                let asking = thread::spawn(move || client.execute("some.method", json!({})));
                (service.request("some.method"), asking)
            });
            // The service does not close by itself.
            service.send(leave.clone());
            assert_eq!(service.frame(), json!({"jsonrpc": "2.0", "id": "leave", "result": {}}));
            let asking = asking.map(|(request, asking)| {
                if asked == "answered" {
                    service.reply(&request, json!({"code": "200"}));
                }
                asking
            });
            assert!(until_closed(&mut service).is_empty(), "nothing follows the answer");
            if let Some(asking) = asking {
                let outcome = asking.join().unwrap();
                assert_eq!(outcome.is_ok(), asked == "answered", "{outcome:?}");
            }
            drop(service);
            let state = reconnecting(&mut states);
            assert!(cause(&state).to_string().contains("requested a reconnect"), "{state:?}");
            let (mut service, connect, resumes) = knock(&peer);
            assert!(resumes);
            service.reply(&connect, json!({"protocol": "p1"}));
            assert!(online(&mut states));
        }
    });
}

#[test]
fn a_service_that_leaves_and_then_says_nothing_more_is_left() {
    watched(|| {
        let peer = Peer::new();
        // No ping finds out that it is silent.
        let (_client, mut states, mut service) = in_session(&peer, |builder| builder.tuning(|t| t.ping_after(NEVER)));
        service.send(json!({"jsonrpc": "2.0", "id": "leave", "method": "signalwire.disconnect"}));
        // The service neither closes nor answers the client's close.
        let (mut next, connect, _) = knock(&peer);
        next.reply(&connect, json!({"protocol": "p1"}));
        assert!(online(&mut states));
        drop(service);
    });
}

#[test]
fn code_and_reason_of_a_close_are_reported() {
    let close = |service: &mut Service, code: u16, reason: &str| {
        service.0.close(Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() })).unwrap();
        service.0.flush().unwrap();
    };
    watched(move || {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || refused(builder));
        let (mut service, ..) = {
            let mut service = peer.accept();
            let connect = service.frame();
            (service, connect)
        };
        close(&mut service, 4401, "project suspended");
        let error = connecting.join().unwrap();
        assert!(error.to_string().ends_with("the service closed it (4401): project suspended"), "{error}");
        assert_eq!((error.kind(), error.server_message()), (ErrorKind::Connect, Some("project suspended")));
        drop(service);
        // The same for a connection that was up. A secret in the reason is not shown.
        let (_client, mut states, mut service) = in_session(&peer, |builder| builder);
        close(&mut service, 4402, "token-1 out of credit");
        let state = reconnecting(&mut states);
        let told = cause(&state).to_string();
        assert!(told.contains("(4402)") && told.contains("out of credit") && !told.contains("token-1"), "{told}");
    });
}

#[test]
fn a_redirect_says_where_to() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || refused(builder));
        let mut socket = peer.socket();
        http_request(&mut socket);
        socket.write_all(b"HTTP/1.1 302 Found\r\nLocation: https://login.example/token-1\r\n\r\n").unwrap();
        let told = connecting.join().unwrap().to_string();
        assert!(told.contains("HTTP 302 to https://login.example/") && !told.contains("token-1"), "{told}");
    });
}

// The log.

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_lost_connection_is_reported_once_and_without_repeating_itself() {
    watched(|| {
        const NAME: &str = "refusals::a_lost_connection_is_reported_once_and_without_repeating_itself";
        if child_role().is_none() {
            for line in reports_of_child(NAME, "child", &[]) {
                assert_eq!(line.matches("was lost").count(), 1, "{line}");
            }
            return;
        }
        let lines = Lines::default();
        log_to(Box::leak(Box::new(lines.clone())));
        let peer = Peer::new();
        let (_client, mut states, service) = in_session(&peer, |builder| builder);
        drop(service);
        let (mut service, connect, _) = knock(&peer);
        service.reply(&connect, json!({"protocol": "p1"}));
        online(&mut states);
        let lines = lines.0.lock().unwrap();
        report(lines.iter().filter(|line| line.contains("was lost")).cloned().collect::<Vec<_>>().join("; "));
    });
}
