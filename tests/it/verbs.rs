//! The effects of verbs beside their parameters, against a service that accepts everything.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use serde_json::{Value, json};
use signalwire_relay::devices::rtp;
use signalwire_relay::params::{
    Ai, JoinConference, LiveTranscription, Pay, QueueLeave, ReceiveFax, SendFax, Stream, Tap, Transcribe,
};
use signalwire_relay::states::{AiState, PayResult};
use signalwire_relay::{Call, Client, ErrorKind, Event};
use tungstenite::{Message, accept};

const LONG: Duration = Duration::from_secs(20);

/// The events that the service sends after its response to a request.
type Script = fn(method: &str, params: &Value) -> Vec<Value>;

struct Service {
    client: Client,
    requests: Receiver<Value>,
    thread: JoinHandle<()>,
}

/// A client on a service that takes every request and then does what the script says.
fn service(script: Script) -> (Service, Call) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (seen, requests) = channel();
    let thread = spawn(move || {
        let mut socket = accept(listener.accept().unwrap().0).unwrap();
        while let Ok(message) = socket.read() {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let Some(method) = frame["method"].as_str() else { continue };
            let mut out = Vec::new();
            if let Some(id) = frame.get("id") {
                out.push(json!({"jsonrpc": "2.0", "id": id, "result": {"code": "200", "protocol": "p"}}));
            }
            if method == "signalwire.connect" {
                out.push(event(
                    "calling.call.receive",
                    json!({"call_id": "c", "node_id": "n", "call_state": "created"}),
                ));
            } else {
                out.extend(script(method, &frame["params"]));
                seen.send(frame.clone()).ok();
            }
            if method == "test.push" {
                // The events are sent first, so that they were handled before the response arrives.
                out.rotate_left(1);
            }
            for frame in out {
                if socket.send(Message::text(frame.to_string())).is_err() {
                    return;
                }
            }
        }
    });
    let client = Client::builder().host(host).tls(false).project("project").token("token").connect().unwrap();
    let call = client.next_call(LONG).unwrap();
    (Service { client, requests, thread }, call)
}

fn event(event_type: &str, params: Value) -> Value {
    let id = format!("{event_type}-{params}");
    let params = json!({"event_type": event_type, "params": params});
    json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.event", "params": params})
}

fn ended() -> Value {
    event("calling.call.state", json!({"call_id": "c", "call_state": "ended", "end_reason": "hangup"}))
}

impl Service {
    fn next(&self) -> (String, Value) {
        let frame = self.requests.recv_timeout(LONG).unwrap();
        (frame["method"].as_str().unwrap().to_owned(), frame["params"].clone())
    }

    fn end(self) {
        self.client.disconnect();
        self.thread.join().unwrap();
    }
}

#[test]
fn what_lives_as_long_as_its_call_ends_well_with_it() {
    let (service, call) = service(|method, _| if method == "calling.transcribe" { vec![ended()] } else { vec![] });
    let ai = call.ai(Ai::new().prompt("Be brief.").control_id("ai")).unwrap();
    let tap = call.tap(Tap::new(rtp("192.0.2.10", 5000))).unwrap();
    let stream = call.stream(Stream::new("wss://example.com/audio")).unwrap();
    let pay = call.pay("https://pay.example.com").unwrap();
    let transcription = call.transcribe(Transcribe::new()).unwrap();
    let outcome = ai.wait(LONG).unwrap();
    assert!(outcome.ended_by_call && outcome.state == AiState::Finished && outcome.control_id == "ai");
    assert_eq!((outcome.raw.call_id(), outcome.raw.json()), (Some("c"), "{}"));
    assert!(tap.wait(LONG).unwrap().ended_by_call && stream.wait(LONG).unwrap().ended_by_call);
    assert_eq!(pay.wait(LONG).unwrap_err().kind(), ErrorKind::CallEnded);
    assert_eq!(transcription.wait(LONG).unwrap_err().kind(), ErrorKind::CallEnded);
    // An operation that is started on an ended call never existed, and did not end with the call.
    assert_eq!(call.ai(Ai::new()).unwrap().wait(LONG).unwrap_err().kind(), ErrorKind::CallEnded);
    service.end();
}

#[test]
fn faxes_and_transcriptions_get_their_last_event_after_the_end_of_the_call() {
    let (service, call) = service(|method, params| {
        let last = |name: &str, mut what: Value| {
            what["call_id"] = "c".into();
            what["control_id"] = params["control_id"].clone();
            event(name, what)
        };
        let fax = json!({"fax": {"type": "finished", "params": {"success": true, "pages": 3}}});
        match method {
            "calling.receive_fax" => {
                let page = json!({"fax": {"type": "page", "params": {"number": 1}}});
                vec![last("calling.call.fax", page), last("calling.call.fax", fax)]
            }
            "calling.send_fax" => vec![ended(), last("calling.call.fax", fax)],
            _ => vec![],
        }
    });
    let received = call.receive_fax(ReceiveFax::new()).unwrap().wait(LONG).unwrap();
    assert!(received.is_success && received.pages == 3);
    let late = channel();
    service.client.on_event(move |event| late.0.send(event.name()).unwrap());
    let sent = call.send_fax(SendFax::new("https://example.com/doc.pdf")).unwrap().wait(LONG).unwrap();
    assert!(sent.is_success);
    assert_eq!(late.1.recv_timeout(LONG).unwrap(), "calling.call.fax");
    service.end();
}

#[test]
fn leaving_a_queue_refers_to_the_stay() {
    let (service, call) = service(|_, _| vec![]);
    call.queue_enter("support").unwrap();
    call.queue_enter("sales").unwrap();
    call.queue_leave("support").unwrap();
    call.queue_leave(QueueLeave::new("sales").control_id("given")).unwrap();
    call.queue_leave("sales").unwrap();
    call.queue_leave("sales").unwrap();
    let frames: Vec<(String, Value)> = (0..6).map(|_| service.next()).collect();
    let id = |at: usize| frames[at].1["control_id"].as_str().unwrap();
    assert_eq!((frames[0].0.as_str(), frames[2].0.as_str()), ("calling.queue.enter", "calling.queue.leave"));
    assert_eq!((id(0), id(1)), (id(2), id(4)));
    assert_eq!(id(3), "given");
    assert!(id(5) != id(4) && !id(5).is_empty() && id(0) != id(1));
    assert_eq!((&frames[2].1["call_id"], &frames[2].1["node_id"]), (&json!("c"), &json!("n")));
    service.end();
}

#[test]
fn a_payment_ends_with_its_result_and_shows_none_of_it() {
    let (service, call) = service(|_, params| {
        let of = |mut what: Value| {
            what["call_id"] = "c".into();
            what["control_id"] = params["control_id"].clone();
            event("calling.call.pay", what)
        };
        let canary = json!({"result": "success", "payment_token": "canary", "payment_card_number": "canary"});
        vec![of(json!({"for": "payment-card-number", "attempt": "1"})), of(canary)]
    });
    let paid = call.pay(Pay::new("https://pay.example.com").max_attempts(2)).unwrap().wait(LONG).unwrap();
    assert_eq!(
        (&paid.result, paid.payment_token.as_str(), paid.is_success()),
        (&Some(PayResult::Success), "canary", true)
    );
    let shown = format!("{paid:?} {:?} {:?}", paid.raw, Event::Pay(paid.clone()));
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(service.next().1["max_attempts"], "2");
    service.end();
}

#[test]
fn every_command_is_sent_under_its_name() {
    let (service, call) = service(|_, _| vec![]);
    let done = [
        call.refer(signalwire_relay::sip("sip:a@b")).map(drop),
        call.transfer("context:office"),
        call.hold().map(drop),
        call.unhold().map(drop),
        call.join_conference(JoinConference::new("room")).map(|stay| assert_eq!(stay.reply().code(), Some(200))),
        call.leave_conference("conf-1"),
        call.join_room("room").map(drop),
        call.leave_room(),
        call.amazon_bedrock(signalwire_relay::params::AmazonBedrock::new()),
        call.ai_message("Hello"),
        call.ai_hold(),
        call.ai_unhold(),
        call.live_transcribe(LiveTranscription::new()).map(drop),
        call.live_translate(signalwire_relay::params::LiveTranslate::stop()).map(drop),
        call.denoise().map(drop),
        call.denoise_stop().map(drop),
        call.echo().map(drop),
        call.bind_digit(signalwire_relay::params::BindDigit::new("1", "calling.play")),
        call.clear_digit_bindings(),
        call.user_event("x"),
    ];
    let names = [
        "calling.refer",
        "calling.transfer",
        "calling.hold",
        "calling.unhold",
        "calling.join_conference",
        "calling.leave_conference",
        "calling.join_room",
        "calling.leave_room",
        "calling.amazon_bedrock",
        "calling.ai_message",
        "calling.ai_hold",
        "calling.ai_unhold",
        "calling.live_transcribe",
        "calling.live_translate",
        "calling.denoise",
        "calling.denoise.stop",
        "calling.echo",
        "calling.bind_digit",
        "calling.clear_digit_bindings",
        "calling.user_event",
    ];
    for (outcome, name) in done.into_iter().zip(names) {
        outcome.unwrap();
        let (method, params) = service.next();
        assert_eq!((method.as_str(), &params["call_id"], &params["node_id"]), (name, &json!("c"), &json!("n")));
    }
    assert_eq!(call.refer(signalwire_relay::sip("sip:a\n")).unwrap_err().kind(), ErrorKind::Config);
    service.end();
}

#[test]
fn a_notification_has_no_id() {
    let (service, _call) = service(|_, _| vec![]);
    service.client.notify("calling.something", json!({"a": 1})).unwrap();
    let frame = service.requests.recv_timeout(LONG).unwrap();
    assert_eq!(frame, json!({"jsonrpc": "2.0", "method": "calling.something", "params": {"a": 1}}));
    assert_eq!(service.client.notify("x", json!([])).unwrap_err().kind(), ErrorKind::Config);
    service.client.disconnect();
    assert_eq!(service.client.notify("x", json!({})).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn events_without_a_call_go_to_the_client() {
    let (service, _call) = service(|method, params| match method {
        "test.push" => vec![event(params["type"].as_str().unwrap(), params["params"].clone())],
        _ => vec![],
    });
    let push = |event_type: &str, params: Value| {
        service.client.execute("test.push", json!({"type": event_type, "params": params})).unwrap();
    };
    let before = service.client.stats().events_unclaimed;
    push("calling.conference", json!({"status": "conference-start", "n": 0}));
    assert_eq!(service.client.stats().events_unclaimed, before + 1);
    let (heard, hears) = channel();
    let listener = service.client.on_event(move |event| heard.send(event.clone()).unwrap());
    push("calling.conference", json!({"status": "conference-start", "name": "stand-up"}));
    let Event::Conference(conference) = hears.recv_timeout(LONG).unwrap() else { panic!("a conference") };
    assert_eq!(conference.name, "stand-up");
    // An event of a known call does not go to the client.
    push("calling.conference", json!({"call_id": "c", "status": "participant-join"}));
    push("queuing.relay.tasks", json!({"context": "office", "message": {"a": 1}}));
    assert_eq!(hears.recv_timeout(LONG).unwrap().name(), "queuing.relay.tasks");
    // The event of an unknown call is delivered after the time in which its offer may still arrive.
    push("calling.call.play", json!({"call_id": "stranger", "state": "finished"}));
    assert_eq!(hears.recv_timeout(LONG).unwrap().call_id(), Some("stranger"));
    // The handler is dropped, and its end of the channel with it.
    listener.remove();
    push("calling.conference", json!({"status": "conference-end"}));
    assert!(hears.recv_timeout(LONG).is_err());
    assert_eq!(service.client.stats().events_unclaimed, before + 2);
    let (held, gone) = channel::<()>();
    service.client.on_event(move |_| drop(held.clone()));
    service.client.disconnect();
    assert!(gone.recv_timeout(LONG).is_err());
}
