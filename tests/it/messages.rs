//! Outbound text messages: their requests, and their outcomes.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use signalwire_relay::params::Sms;
use signalwire_relay::simulator::Simulator;
use signalwire_relay::states::Direction;
use signalwire_relay::{Client, Error, ErrorKind, Message, MessageState, Result, sms};

use crate::support::{
    LONG, SHORT, answer_by_hand, assert_accepted, builder, client, count, fence, refusal, sent, sim, until,
    virtual_sim, watched,
};

const BOB: &str = "+15552222222";

fn hello() -> Sms {
    sms(BOB).from("+15551111111").body("Hello")
}

fn push_state(sim: &Simulator, id: &str, state: &str, more: Value) {
    let mut params = json!({"message_id": id, "message_state": state, "direction": "outbound"});
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    sim.push_event("messaging.state", params);
}

/// A text message that was accepted under this ID and has no further events.
fn by_hand(sim: &Simulator, client: &Client, id: &str) -> Message {
    sim.never_answer("messaging.send");
    let sender = client.clone();
    let sending = thread::spawn(move || sender.send_message(hello()));
    answer_by_hand(sim, "messaging.send", json!({"result": {"code": "200", "message_id": id}}));
    sending.join().unwrap().unwrap()
}

#[test]
fn a_text_message_is_delivered() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let text = client.send_message(hello().tags(["a", "b"])).unwrap();
        assert!(text.id().starts_with("msg-"));
        assert_eq!((text.direction(), text.body().as_str()), (Direction::Outbound, "Hello"));
        assert_eq!((text.from_number().as_str(), text.to_number().as_str()), ("+15551111111", BOB));
        assert_eq!((text.tags(), text.media()), (vec!["a".to_owned(), "b".to_owned()], vec![]));
        assert_eq!(text.context(), client.protocol());
        let verdict = text.wait(LONG).unwrap();
        assert_eq!((&verdict.state, &verdict.reason), (&MessageState::Delivered, &None));
        assert_eq!((verdict.message_id, verdict.to_number.as_str()), (text.id(), BOB));
        assert_eq!((text.state(), text.reason(), text.segments()), (MessageState::Delivered, None, 1));
        assert!(text.is_done());
        assert_eq!(text.result().unwrap().unwrap().state, MessageState::Delivered);
        assert_eq!(text.clone().wait(Duration::ZERO).unwrap().state, MessageState::Delivered);
        fence(&client);
        assert_eq!((client.stats().messages, client.stats().unmatched_events), (0, 0));
        assert_eq!(sim.texts_sent().len(), 1);
        assert_accepted(&sim);
    });
}

#[test]
fn a_text_message_that_is_not_delivered_has_a_reason() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.number("+15553333333").undelivered("handset unreachable");
        sim.number("+15554444444").fails("blocked");
        for (to, state, reason) in [
            ("+15553333333", MessageState::Undelivered, "handset unreachable"),
            ("+15554444444", MessageState::Failed, "blocked"),
        ] {
            let text = client.send_message(sms(to).from("+15551111111").body("Hello")).unwrap();
            // A verdict is a verdict: the wait is no error.
            let verdict = text.wait(LONG).unwrap();
            assert_eq!((&verdict.state, verdict.reason.as_deref()), (&state, Some(reason)));
            assert_eq!((text.state(), text.reason().as_deref()), (state, Some(reason)));
        }
        until("nothing is left", || client.stats().messages == 0);
    });
}

#[test]
fn a_text_message_is_sent_as_it_was_set() {
    watched(|| {
        let sim = Simulator::builder().speed(50.0).allow_unknown_fields().start().unwrap();
        let client = client(&sim);
        let text = hello().media(["https://a.example/1.png", "https://a.example/2.png"]).tags(["t"]).region("us");
        let text = client.send_message(text.context("office").extra("new", json!({"a": 1}))).unwrap();
        assert_eq!(
            sent(&sim, "messaging.send"),
            json!({"to_number": BOB, "from_number": "+15551111111", "body": "Hello", "context": "office",
                "media": ["https://a.example/1.png", "https://a.example/2.png"], "tags": ["t"], "region": "us",
                "new": {"a": 1}})
        );
        assert_eq!((text.context().as_str(), text.media().len()), ("office", 2));
        assert_eq!(text.wait(LONG).unwrap().context, "office");
        // Media alone are enough, and nothing is made up beside them.
        client.send_message(sms(BOB).from("+15551111111").media(["https://a.example/1.png"])).unwrap();
        let second = sim.journal().requests("messaging.send")[1].params().clone();
        assert_eq!(
            second,
            json!({"to_number": BOB, "from_number": "+15551111111", "media": ["https://a.example/1.png"],
                "context": client.protocol()})
        );
    });
}

#[test]
fn a_state_that_overtakes_the_response_is_not_lost() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.events_before_reply("messaging.send");
        let text = client.send_message(hello()).unwrap();
        assert!(text.is_done());
        assert_eq!((text.state(), text.wait(None).unwrap().state), (MessageState::Delivered, MessageState::Delivered));
        let (to, told) = mpsc::channel();
        text.on_completed(move |verdict| to.send(verdict.as_ref().unwrap().state.clone()).unwrap());
        assert_eq!(told.recv_timeout(LONG).unwrap(), MessageState::Delivered);
        assert_eq!((client.stats().messages, client.stats().unmatched_events), (0, 0));
    });
}

#[test]
fn in_whatever_order_response_and_states_come_the_outcome_is_the_same() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.never_answer("messaging.send");
        // The response arrives after this number of states.
        for reply_after in 0..=3 {
            let id = format!("msg-{reply_after}");
            let sender = client.clone();
            let sending = thread::spawn(move || sender.send_message(hello()));
            for (n, state) in ["queued", "sent", "delivered", ""].into_iter().enumerate() {
                if n == reply_after {
                    answer_by_hand(&sim, "messaging.send", json!({"result": {"message_id": id}}));
                }
                if !state.is_empty() {
                    push_state(&sim, &id, state, json!({"segments": 3}));
                }
            }
            let text = sending.join().unwrap().unwrap();
            assert_eq!(text.wait(LONG).unwrap().state, MessageState::Delivered, "after {reply_after}");
            assert_eq!((text.id(), text.segments()), (id, 3));
        }
        assert_eq!((client.stats().messages, client.stats().unmatched_events), (0, 0));
    });
}

#[test]
fn a_state_is_kept_for_as_long_as_the_response_may_come() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.hold_replies("messaging.send");
        let sender = client.clone();
        let sending = thread::spawn(move || sender.send_message(hello()));
        while sim.wait_for_event("messaging.state", LONG).unwrap().params()["message_state"] != "delivered" {}
        // By the time that all of these are dropped, the four states of the text would have been, too.
        for n in 0..5 {
            sim.push_event("calling.call.play", json!({"call_id": format!("nobody {n}"), "state": "playing"}));
        }
        until("events that are for nobody are dropped", || client.stats().events_unclaimed >= 5);
        sim.release_replies("messaging.send");
        let text = sending.join().unwrap().unwrap();
        assert_eq!(text.wait(LONG).unwrap().state, MessageState::Delivered);
        assert_eq!((client.stats().events_unclaimed, client.stats().unmatched_events), (5, 0));
        // Without a request in flight, a state of no message is not kept either.
        push_state(&sim, "unknown", "sent", json!({}));
        until("it is dropped", || client.stats().events_unclaimed == 6);
    });
}

#[test]
fn a_text_message_without_an_id_ends_with_an_error() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for body in [json!({"code": "200"}), json!({"code": "200", "message_id": ""}), json!({"message_id": null})] {
            sim.never_answer("messaging.send");
            let sender = client.clone();
            let sending = thread::spawn(move || sender.send_message(hello()));
            answer_by_hand(&sim, "messaging.send", json!({ "result": body }));
            let text = sending.join().unwrap().unwrap();
            assert_eq!(refusal(text.wait(None)).kind(), ErrorKind::Protocol);
            let (to, told) = mpsc::channel();
            text.on_completed(move |verdict| to.send(verdict.as_ref().map(drop).map_err(Error::kind)).unwrap());
            assert_eq!(told.recv_timeout(LONG).unwrap(), Err(ErrorKind::Protocol));
            assert!(text.is_done());
        }
        assert_eq!(client.stats().messages, 0);
    });
}

#[test]
fn listeners_hear_every_state_in_order_and_callbacks_run_once() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let text = by_hand(&sim, &client, "m");
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (to, told) = mpsc::channel();
        let kept = Arc::new(());
        let (list, captured, same) = (Arc::clone(&heard), Arc::clone(&kept), text.clone());
        text.on(move |event| {
            // The callback may use the message, and holding it here creates no permanent cycle.
            let _held = (&captured, same.state());
            list.lock().push(event.state.to_string());
        });
        text.on(|_| panic!("on purpose"));
        let list = Arc::clone(&heard);
        text.on(move |event| list.lock().push(event.state.to_string()));
        let here = thread::current().id();
        text.on_completed(move |verdict: &Result<_>| {
            let elsewhere = thread::current().id() != here;
            to.send((elsewhere, verdict.as_ref().unwrap().reason.clone())).unwrap();
        });
        for state in ["queued", "initiated", "something new", "sent"] {
            push_state(&sim, "m", state, json!({}));
        }
        fence(&client);
        assert_eq!((text.state(), text.is_done()), (MessageState::Sent, false));
        push_state(&sim, "m", "failed", json!({"reason": "no credit"}));
        // The message is complete, and no later state changes that.
        push_state(&sim, "m", "delivered", json!({}));
        push_state(&sim, "m", "sent", json!({}));
        assert_eq!(told.recv_timeout(LONG).unwrap(), (true, Some("no credit".into())));
        until("all heard all", || heard.lock().len() == 10);
        let states = ["queued", "initiated", "something new", "sent", "failed"];
        assert_eq!(*heard.lock(), states.iter().flat_map(|state| [*state, *state]).collect::<Vec<_>>());
        fence(&client);
        assert_eq!((text.state(), text.wait(None).unwrap().state), (MessageState::Failed, MessageState::Failed));
        assert!(told.recv_timeout(SHORT).is_err());
        until("the panics are counted", || client.stats().panics == 5);
        until("the listener is dropped", || Arc::strong_count(&kept) == 1);
    });
}

#[test]
fn a_wait_for_a_verdict_that_timed_out_may_be_repeated() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let text = by_hand(&sim, &client, "m");
        let patient = {
            let text = text.clone();
            thread::spawn(move || text.wait(LONG))
        };
        for _ in 0..3 {
            let error = refusal(text.wait(Duration::from_millis(3)));
            assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true));
        }
        assert!(!text.is_done() && text.result().is_none());
        push_state(&sim, "m", "delivered", json!({}));
        assert_eq!(patient.join().unwrap().unwrap().state, MessageState::Delivered);
        assert_eq!(text.wait(Duration::ZERO).unwrap().state, MessageState::Delivered);
    });
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is_sent() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let none: [&str; 0] = [];
        for (text, mend) in [
            (sms(BOB).from("+15551111111"), "neither body nor media: give it one"),
            (sms(BOB).from("+15551111111").body(""), "neither body nor media: give it one"),
            (sms(BOB).from("+15551111111").body("").media(none), "neither body nor media: give it one"),
            (sms("").from("+15551111111").body("Hello"), "`to` is empty: give"),
            (sms("+1555 222").from("+15551111111").body("Hello"), "remove "),
            (sms("+1555222\r\n").from("+15551111111").body("Hello"), "remove "),
        ] {
            let error = refusal(client.send_message(text));
            assert_eq!((error.kind(), error.method(), error.code()), (ErrorKind::Config, Some("messaging.send"), None));
            let text = error.to_string();
            assert!(text.contains("not sent") && text.contains(mend), "{text}");
        }
        assert_eq!((count(&sim, "messaging.send"), client.stats().messages), (0, 0));
        // Values that the service may judge are sent.
        let error = refusal(client.send_message(sms("nonsense").from("+15551111111").body("x")));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(400)));
    });
}

#[test]
fn a_refused_text_message_is_an_error_with_the_words_of_the_service() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        for (code, retry) in [(402, false), (-32003, false), (429, true), (404, false)] {
            sim.refuse_next("messaging.send", code, "not today");
            let error = refusal(client.send_message(hello()));
            assert_eq!((error.kind(), error.code(), error.is_retryable()), (ErrorKind::Rejected, Some(code), retry));
            assert_eq!((error.method(), error.server_message()), (Some("messaging.send"), Some("not today")));
        }
        assert_eq!(client.stats().messages, 0);
    });
}

#[test]
fn a_text_message_whose_response_is_lost_is_not_sent_again() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        sim.drop_link_after_request("messaging.send");
        let error = refusal(client.send_message(hello()));
        assert_eq!((error.kind(), error.is_timeout(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false, false));
        assert!(error.may_have_been_sent());
        until("the link is back", || client.state().is_online());
        fence(&client);
        assert_eq!((sim.texts_sent().len(), count(&sim, "messaging.send")), (1, 1));
    });
}

#[test]
fn text_messages_end_with_their_session_and_with_the_client() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let lost = by_hand(&sim, &client, "lost");
        let (to, told) = mpsc::channel();
        lost.on_completed(move |verdict| to.send(verdict.as_ref().map(drop).map_err(Error::kind)).unwrap());
        sim.forget_sessions();
        sim.drop_link();
        assert_eq!(refusal(lost.wait(LONG)).kind(), ErrorKind::SessionLost);
        assert_eq!(told.recv_timeout(LONG).unwrap(), Err(ErrorKind::SessionLost));
        until("the link is back", || client.state().is_online());
        let closed = by_hand(&sim, &client, "closed");
        client.disconnect();
        assert_eq!(refusal(closed.wait(None)).kind(), ErrorKind::Closed);
        assert_eq!(refusal(client.send_message(hello())).kind(), ErrorKind::Closed);
    });
}

#[test]
fn a_text_message_continues_across_a_resume() {
    watched(|| {
        let sim = sim();
        let client = client(&sim);
        let text = by_hand(&sim, &client, "m");
        sim.drop_link();
        until("the session is resumed", || client.stats().sessions_resumed == 1 && client.state().is_online());
        assert!(!text.is_done());
        push_state(&sim, "m", "delivered", json!({}));
        assert_eq!(text.wait(LONG).unwrap().state, MessageState::Delivered);
    });
}

#[test]
fn many_text_messages_at_once_are_distinguished() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).request_timeout(LONG).connect().unwrap();
        sim.number("+15550000003").undelivered("three");
        let senders: Vec<_> = (0..8)
            .map(|n| {
                let client = client.clone();
                thread::spawn(move || {
                    let text = sms(format!("+1555000000{n}")).from("+15551111111").body(format!("Hello {n}"));
                    let text = client.send_message(text).unwrap();
                    (text.wait(LONG).unwrap(), text.body())
                })
            })
            .collect();
        for (n, sender) in senders.into_iter().enumerate() {
            let (verdict, body) = sender.join().unwrap();
            assert_eq!((verdict.to_number, body), (format!("+1555000000{n}"), format!("Hello {n}")));
            assert_eq!(verdict.state == "undelivered", n == 3);
        }
        until("nothing is left", || client.stats().messages == 0);
        assert_accepted(&sim);
    });
}

#[test]
fn a_text_message_without_an_outcome_is_given_up_in_the_end() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.message_limit(5 * LONG)).connect().unwrap();
        let message = by_hand(&sim, &client, "msg-1");
        let error = refusal(message.wait(None));
        assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::OutcomeUnknown, true));
        assert_eq!(client.stats().messages, 0);
    });
}

#[test]
fn no_more_text_messages_are_followed_than_the_bound_says() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.max_messages(2)).connect().unwrap();
        let texts: Vec<Message> = ["msg-1", "msg-2", "msg-3"].map(|id| by_hand(&sim, &client, id)).into();
        assert_eq!(refusal(texts[0].wait(LONG)).kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(client.stats().messages, 2);
        push_state(&sim, "msg-3", "delivered", json!({}));
        assert_eq!(texts[2].wait(LONG).unwrap().state, MessageState::Delivered);
    });
}
