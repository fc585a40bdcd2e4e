//! A connection that is lost and restored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalwire_relay::simulator::{FrameKind, Simulator};
use signalwire_relay::{Client, Error, ErrorKind, LinkState, Play, phone, silence, sms};

use crate::support::{
    LONG, NEVER, Peer, Service, answered_call, answers_to, builder, caught_up, drain, event, millis, next_state,
    online, reconnecting, sim, until, until_in, virtual_sim, watched,
};

fn cause_of(state: &LinkState) -> &Error {
    match state {
        LinkState::Reconnecting { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

/// A request that nothing depends on.
fn receive(client: &Client, context: &str) -> Result<(), Error> {
    client.execute("signalwire.receive", json!({"contexts": [context]})).map(drop)
}

fn text(body: &str) -> signalwire_relay::params::Sms {
    sms("+15552222222").from("+15551111111").body(body)
}

fn contexts_of(sim: &Simulator) -> Vec<Value> {
    let connects = sim.journal().requests("signalwire.connect");
    connects.iter().map(|connect| connect.params()["contexts"].clone()).collect()
}

/// Cuts the connection and refuses new ones.
fn go_offline(sim: &Simulator, client: &Client) {
    let mut states = client.states();
    assert!(states.next_within(LONG).is_some_and(|state| state.is_online()));
    sim.stop_listening();
    sim.drop_link();
    reconnecting(&mut states);
}

#[test]
fn a_lost_connection_is_restored_and_the_session_resumed() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let protocol = client.protocol();
        let mut states = client.states();
        assert!(matches!(states.next_within(LONG), Some(LinkState::Online { resumed: false })));
        sim.drop_link();
        match states.next_within(LONG) {
            Some(LinkState::Reconnecting { attempt: 1, next, cause }) => {
                assert!(next <= millis(10), "{next:?}");
                assert_eq!(cause.kind(), ErrorKind::Connect);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(states.next_within(LONG), Some(LinkState::Online { resumed: true })));
        assert_eq!(client.protocol(), protocol);
        let stats = client.stats();
        assert_eq!((stats.connections, stats.sessions_resumed), (2, 1));
        receive(&client, "more").unwrap();
        client.disconnect();
        assert!(matches!(states.next_within(LONG), Some(LinkState::Closed { cause: None })));
        assert!(states.next_within(LONG).is_none(), "something came after the end");
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn the_next_connect_has_the_contexts_of_that_moment() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).contexts(["one", "two"]).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        client.receive(["three", "two"]).unwrap();
        client.unreceive(["one"]).unwrap();
        // None are no request.
        client.receive(Vec::<String>::new()).unwrap();
        client.unreceive(Vec::<String>::new()).unwrap();
        assert_eq!(client.contexts(), ["two", "three"]);
        sim.drop_link();
        online(&mut states);
        assert_eq!(contexts_of(&sim), [json!(["one", "two"]), json!(["two", "three"])]);
        assert_eq!(sim.journal().requests("signalwire.receive").len(), 1);
        assert_eq!(sim.journal().requests("signalwire.unreceive").len(), 1);
        // Contexts that are rejected, or requested while the connection is down, are part of the next connect all the
        // same.
        sim.refuse_next("signalwire.receive", 402, "Payment required");
        assert_eq!(client.receive(["four"]).unwrap_err().code(), Some(402));
        go_offline(&sim, &client);
        let offline = client.clone();
        let asking = thread::spawn(move || offline.receive(["five"]));
        until("the request to wait", || client.stats().offline_requests == 1);
        sim.listen_again().unwrap();
        asking.join().unwrap().unwrap();
        assert_eq!(contexts_of(&sim)[2], json!(["two", "three", "four", "five"]));
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn another_session_ends_what_belonged_to_the_old_one() {
    watched(|| {
        let sim = sim();
        sim.callee("+15552222222").does_not_answer();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let call = answered_call(&sim, &client);
        let playing = call.play(Play::new(silence(millis(3600000))).loops(0)).unwrap();
        let dialing = client.start_dial(phone("+15552222222").from("+15551111111")).unwrap();
        sim.wait_for_request("calling.dial", LONG).unwrap();
        let (ended, completed) = channel();
        playing.on_completed(move |ended_so| ended.send(ended_so.as_ref().unwrap_err().kind()).unwrap());
        let waiting = {
            let call = call.clone();
            thread::spawn(move || call.wait_for("calling.call.refer", |_| true, None).unwrap_err().kind())
        };
        sim.stop_listening();
        sim.forget_sessions();
        sim.drop_link();
        reconnecting(&mut states);
        // Queued for the session that is about to be lost: it makes no sense in another.
        let late = {
            let call = call.clone();
            thread::spawn(move || call.answer().unwrap_err().kind())
        };
        until("the request to wait", || client.stats().offline_requests == 1);
        sim.listen_again().unwrap();
        assert!(!online(&mut states));
        assert_eq!(playing.wait(LONG).unwrap_err().kind(), ErrorKind::SessionLost);
        assert_eq!(completed.recv_timeout(LONG).unwrap(), ErrorKind::SessionLost);
        assert_eq!(waiting.join().unwrap(), ErrorKind::SessionLost);
        assert_eq!(late.join().unwrap(), ErrorKind::SessionLost);
        assert_eq!(dialing.wait(LONG).unwrap_err().kind(), ErrorKind::SessionLost);
        assert!(call.play(silence(millis(1000))).is_err());
        assert_eq!(sim.journal().requests("calling.answer").len(), 1);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.dials, stats.pending_requests), (0, 0, 0));
        // The playback continues.
        let next = answered_call(&sim, &client);
        next.hangup().unwrap();
        next.wait_for_ended(LONG).unwrap();
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn a_message_of_a_lost_session_says_so() {
    watched(|| {
        let peer = Peer::new();
        let (client, mut service) = connect(&peer, |builder| builder);
        let sender = client.clone();
        let sending = thread::spawn(move || sender.send_message(text("hi")).unwrap());
        let send = service.request("messaging.send");
        service.reply(&send, json!({"code": "200", "message_id": "m1"}));
        let message = sending.join().unwrap();
        assert_eq!(client.stats().messages, 1);
        drop(service);
        let (_service, _) = peer.welcome("p2");
        assert_eq!(message.wait(LONG).unwrap_err().kind(), ErrorKind::SessionLost);
        assert!(message.is_done());
        assert_eq!(client.stats().messages, 0);
    });
}

#[test]
fn a_request_in_flight_at_the_drop_is_of_unknown_outcome_and_never_sent_again() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.never_answer("messaging.send");
        let sender = client.clone();
        let sending = thread::spawn(move || sender.send_message(text("hi")).unwrap_err());
        sim.wait_for_request("messaging.send", LONG).unwrap();
        sim.drop_link();
        let error = sending.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(error.may_have_been_sent() && !error.is_timeout() && !error.is_retryable());
        assert_eq!((error.method(), error.code()), (Some("messaging.send"), None));
        assert!(online(&mut states));
        // The service acted, and only its response was lost: the result is the same.
        sim.answer_again("messaging.send");
        sim.drop_link_after_request("messaging.send");
        let error = client.send_message(text("ho")).unwrap_err();
        assert!(error.may_have_been_sent(), "{error}");
        assert!(online(&mut states));
        receive(&client, "more").unwrap();
        assert_eq!(sim.journal().requests("messaging.send").len(), 2);
        assert_eq!(sim.texts_sent().len(), 1);
        assert_eq!(client.stats().pending_requests, 0);
    });
}

#[test]
fn a_request_without_an_answer_is_of_unknown_outcome_at_its_deadline_and_the_connection_stays() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).request_timeout(Duration::from_secs(7)).connect().unwrap();
        sim.hold_replies("signalwire.receive");
        let error = receive(&client, "more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(error.is_timeout() && error.may_have_been_sent());
        // The late response belongs to no request, and does no harm.
        sim.release_replies("signalwire.receive");
        caught_up(&sim);
        assert!(client.execute("signalwire.ping", json!({})).is_ok());
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn requests_without_a_connection_are_sent_in_order_after_the_next_connect() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        go_offline(&sim, &client);
        let dials: Vec<_> =
            (0..20).map(|_| client.start_dial(phone("+15552222222").from("+15551111111")).unwrap()).collect();
        assert_eq!(client.stats().offline_requests, 20);
        sim.listen_again().unwrap();
        for dial in &dials {
            let sent = sim.wait_for_request("calling.dial", LONG).unwrap();
            assert_eq!(sent.params()["tag"], dial.tag());
        }
        let first = sim.wait_for_request("signalwire.connect", LONG).unwrap();
        let second = sim.wait_for_request("signalwire.connect", LONG).unwrap();
        assert!(first.sequence() < second.sequence());
        let journal = sim.journal();
        let welcome = &journal.replies("signalwire.connect")[1];
        assert!(journal.requests("calling.dial").iter().all(|sent| sent.sequence() > welcome.sequence()));
        dials[19].wait(LONG).unwrap().hangup().unwrap();
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn requests_past_their_deadline_without_a_connection_are_never_sent() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).request_timeout(Duration::from_secs(5)).connect().unwrap();
        go_offline(&sim, &client);
        let error = client.send_message(text("hi")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Offline);
        assert!(error.is_retryable() && !error.may_have_been_sent());
        let dial = client.start_dial(phone("+15552222222").from("+15551111111")).unwrap();
        let error = dial.wait(LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Offline);
        assert_eq!(client.stats().offline_requests, 0);
        let mut states = client.states();
        sim.listen_again().unwrap();
        online(&mut states);
        until_in(&sim, "a request that is answered", || receive(&client, "more").is_ok());
        let methods = sim.journal();
        let methods = methods.methods();
        assert!(!methods.contains(&"messaging.send") && !methods.contains(&"calling.dial"), "{methods:?}");
    });
}

#[test]
fn the_first_request_over_the_bound_is_refused() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).connect().unwrap();
        go_offline(&sim, &client);
        let dial = || client.start_dial(phone("+15552222222").from("+15551111111"));
        let dials: Vec<_> = (0..2000).map(|_| dial().unwrap()).collect();
        let error = dial().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Offline);
        assert!(error.is_retryable() && !error.may_have_been_sent());
        assert!(error.to_string().contains("2000"), "{error}");
        let stats = client.stats();
        assert_eq!((stats.offline_requests, stats.dials), (2000, 2000));
        client.disconnect();
        for dial in dials {
            assert_eq!(dial.wait(LONG).unwrap_err().kind(), ErrorKind::Closed);
        }
        assert_eq!(client.stats().pending_requests, 0);
    });
}

#[test]
fn the_bound_of_waiting_requests_is_a_setting() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.offline_queue(1)).connect().unwrap();
        go_offline(&sim, &client);
        let _dial = client.start_dial(phone("+15552222222").from("+15551111111")).unwrap();
        assert_eq!(receive(&client, "more").unwrap_err().kind(), ErrorKind::Offline);
    });
}

#[test]
fn a_service_that_asks_to_reconnect_is_answered_and_the_session_resumed() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let call = answered_call(&sim, &client);
        sim.ask_to_reconnect(false);
        assert!(online(&mut states));
        let asked = sim.journal();
        let asked = asked.entries().iter().find(|entry| entry.method() == "signalwire.disconnect").unwrap();
        // The frame was written to the old connection, which may be read to its end only now.
        until("the answer", || !answers_to(&sim, asked.id()).is_empty());
        until("the end of the old link", || sim.connections() == 1);
        assert_eq!(answers_to(&sim, asked.id()).len(), 1);
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn a_restart_starts_a_fresh_session() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let call = answered_call(&sim, &client);
        sim.ask_to_reconnect(true);
        assert!(!online(&mut states));
        let connects = sim.journal().requests("signalwire.connect");
        assert_eq!(connects.len(), 2);
        assert_eq!(connects[1].params().get("protocol"), None);
        assert_eq!(connects[1].params().get("authorization_state"), None);
        assert_eq!(call.hangup().map_err(|error| error.kind()), Err(ErrorKind::SessionLost));
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn nothing_more_is_sent_on_a_connection_that_the_service_is_leaving() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let leave = json!({"jsonrpc": "2.0", "id": "leave", "method": "signalwire.disconnect", "params": {}});
        sim.push_raw(&leave.to_string());
        until("the answer", || !answers_to(&sim, &json!("leave")).is_empty());
        let asking = {
            let client = client.clone();
            thread::spawn(move || receive(&client, "more"))
        };
        until("the request to wait", || client.stats().offline_requests == 1);
        sim.drop_link();
        asking.join().unwrap().unwrap();
        assert!(online(&mut states));
        let sent = sim.wait_for_request("signalwire.receive", LONG).unwrap();
        // Either the cut comes first, or the client's own end of the connection, which the cut then follows.
        assert!(sent.connection() > 1, "{sent:?}");
    });
}

#[test]
fn the_answer_to_a_leaving_service_is_the_last_frame_also_under_load() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let done = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (client, done) = (client.clone(), Arc::clone(&done));
                thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        match receive(&client, "more") {
                            Ok(()) => {}
                            Err(error) if error.may_have_been_sent() => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                })
            })
            .collect();
        for round in 0..50 {
            let id = json!(format!("leave-{round}"));
            let leave = json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.disconnect", "params": {}});
            sim.push_raw(&leave.to_string());
            // The client closes the connection itself, and the simulator has read everything before that.
            assert!(online(&mut states));
            until("the end of the old link", || sim.connections() == 1);
            let answer = answers_to(&sim, &id).remove(0);
            let journal = sim.journal();
            let after = journal.entries().iter().find(|entry| {
                entry.sequence() > answer.sequence()
                    && entry.connection() == answer.connection()
                    && entry.kind() == FrameKind::Request
            });
            assert!(after.is_none(), "round {round}: {after:?} after {answer:?}");
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn requests_in_flight_when_the_service_asks_to_reconnect_still_get_their_answer() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        sim.hold_replies("signalwire.receive");
        let asking = {
            let client = client.clone();
            thread::spawn(move || receive(&client, "more"))
        };
        sim.wait_for_request("signalwire.receive", LONG).unwrap();
        let leave = json!({"jsonrpc": "2.0", "id": "leave", "method": "signalwire.disconnect"});
        sim.push_raw(&leave.to_string());
        until("the answer", || !answers_to(&sim, &json!("leave")).is_empty());
        sim.release_replies("signalwire.receive");
        asking.join().unwrap().unwrap();
    });
}

#[test]
fn resume_keys_that_are_refused_twice_are_dropped() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.refuse_credentials(2);
        sim.drop_link();
        assert!(matches!(states.next_within(LONG), Some(LinkState::Reconnecting { attempt: 1, .. })));
        assert!(matches!(states.next_within(LONG), Some(LinkState::Reconnecting { attempt: 2, .. })));
        assert!(matches!(states.next_within(LONG), Some(LinkState::Online { resumed: false })));
        let connects = sim.journal().requests("signalwire.connect");
        let resumes: Vec<bool> = connects.iter().map(|connect| connect.params().get("protocol").is_some()).collect();
        assert_eq!(resumes, [false, true, true, false]);
        assert_eq!(connects[3].params().get("authorization_state"), None);
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn credentials_refused_after_they_were_accepted_are_retried_indefinitely() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.refuse_all_credentials();
        sim.drop_link();
        let state = next_state(&mut states, "of the fifth attempt", |state| {
            matches!(state, LinkState::Reconnecting { attempt: 5, .. })
        });
        assert_eq!(cause_of(&state).kind(), ErrorKind::AuthRejected);
        assert_eq!(cause_of(&state).server_message(), Some("Authentication failed"));
        sim.accept_credentials();
        assert!(!online(&mut states));
        receive(&client, "more").unwrap();
    });
}

// Life.

#[test]
fn a_silent_connection_is_pinged_and_then_cut() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).connect_timeout(Duration::from_secs(5)).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.freeze_link(true);
        let state = reconnecting(&mut states);
        assert!(cause_of(&state).to_string().contains("ping"), "{state:?}");
        assert!(client.stats().pings_sent >= 1);
        sim.freeze_link(false);
        assert!(online(&mut states));
    });
}

#[test]
fn a_service_that_answers_pings_is_kept() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().pings_every(Duration::from_secs(3600)).start().unwrap();
        let client =
            builder(&sim).tuning(|t| t.ping_after(Duration::from_secs(3)).ping_timeout(LONG)).connect().unwrap();
        for _ in 0..3 {
            sim.wait_for_request("signalwire.ping", LONG).unwrap();
        }
        assert_eq!(sim.connections_ever(), 1);
        // One that does not is not.
        let mut states = client.states();
        online(&mut states);
        client.disconnect();
        let client = builder(&sim)
            .tuning(|t| t.ping_after(Duration::from_secs(3)).ping_timeout(Duration::from_secs(2)))
            .connect()
            .unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.ignore_pings(true);
        reconnecting(&mut states);
        sim.ignore_pings(false);
        online(&mut states);
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn times_without_end_are_taken() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().pings_every(NEVER).start().unwrap();
        let ever = Duration::MAX;
        let client = builder(&sim)
            .connect_timeout(ever)
            .request_timeout(ever)
            .tuning(|t| {
                t.ping_after(ever)
                    .ping_timeout(ever)
                    .backoff_reset_after(ever)
                    .write_timeout(ever)
                    .claim_timeout(ever)
                    .unconfirmed_limit(ever)
                    .final_event_grace(ever)
            })
            .dial_timeout(ever)
            .tuning(|t| t.late_answer_window(ever))
            .drain_limit(ever)
            .connect()
            .unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.hold_replies("signalwire.receive");
        let asking = {
            let client = client.clone();
            sim.spawn(move || receive(&client, "more")).unwrap()
        };
        sim.wait_for_request("signalwire.ping", LONG).unwrap();
        sim.release_replies("signalwire.receive");
        asking.join().unwrap();
        let call = answered_call(&sim, &client);
        sim.drop_link();
        assert!(online(&mut states));
        call.hangup().unwrap();
        call.wait_for_ended(ever).unwrap();
        let call = client.dial(phone("+15552222222").from("+15551111111")).unwrap();
        call.hangup().unwrap();
        let started = sim.elapsed();
        assert_eq!(client.stats().panics, 0);
        client.shutdown(ever);
        assert!(sim.elapsed() - started < LONG);
        // A timeout of zero is short as well: a request may fail, but nothing panics.
        let none = Duration::ZERO;
        let client =
            builder(&sim).tuning(|t| t.ping_after(Duration::from_secs(5)).ping_timeout(none).probe_after(none));
        let client = client
            .tuning(|t| t.backoff_reset_after(none).claim_timeout(none))
            .request_timeout(none)
            .tuning(|t| t.final_event_grace(none))
            .connect()
            .unwrap();
        if let Err(error) = receive(&client, "more") {
            assert!(matches!(error.kind(), ErrorKind::Offline | ErrorKind::OutcomeUnknown), "{error}");
        }
        client.disconnect();
    });
}

#[test]
fn an_idle_connection_is_left_alone() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().pings_every(Duration::from_secs(2)).start().unwrap();
        let client = builder(&sim).tuning(|t| t.ping_after(Duration::from_secs(5))).connect().unwrap();
        // The service's own pings are life enough.
        let pings = |sim: &Simulator| {
            let journal = sim.journal();
            journal.entries().iter().filter(|entry| entry.kind() == FrameKind::ServiceRequest).count()
        };
        sim.advance(LONG);
        assert!(pings(&sim) >= 25, "{}", pings(&sim));
        assert_eq!(client.stats().pings_sent, 0);
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn a_caller_who_waits_on_a_silent_connection_has_it_checked_early() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().pings_every(NEVER).start().unwrap();
        let client = builder(&sim)
            .tuning(|t| t.ping_after(Duration::from_secs(3600)))
            .request_timeout(Duration::from_secs(3600))
            .connect_timeout(Duration::from_secs(5))
            .connect()
            .unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.freeze_link(true);
        let error = receive(&client, "more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(!error.is_timeout());
        assert!(cause_of(&reconnecting(&mut states)).to_string().contains("ping"));
        sim.freeze_link(false);
        assert!(online(&mut states));
        receive(&client, "more").unwrap();
    });
}

#[test]
fn a_slow_answer_on_a_live_connection_is_waited_for() {
    watched(|| {
        let sim = Simulator::builder().virtual_time().pings_every(NEVER).start().unwrap();
        let client =
            builder(&sim).tuning(|t| t.ping_after(Duration::from_secs(3600))).request_timeout(LONG).connect().unwrap();
        sim.hold_replies("signalwire.receive");
        let asking = {
            let client = client.clone();
            sim.spawn(move || receive(&client, "more")).unwrap()
        };
        // Suspicion is a ping, and an answered ping is life.
        sim.wait_for_request("signalwire.ping", LONG).unwrap();
        sim.release_replies("signalwire.receive");
        asking.join().unwrap();
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn pings_of_the_service_are_answered_with_what_they_brought() {
    watched(|| {
        let sim = sim();
        let _client = builder(&sim).connect().unwrap();
        for (id, params, result) in [
            (json!("p-1"), json!({"timestamp": 1760871234.5}), json!({"timestamp": 1760871234.5})),
            (json!(77), json!({"payload": "x", "other": 1}), json!({"payload": "x"})),
            (json!(-1), json!({"timestamp": 1, "payload": {"a": [1]}}), json!({"timestamp": 1, "payload": {"a": [1]}})),
            (json!("p-\u{e9}"), json!({}), json!({})),
            (json!("p-2"), json!(null), json!({})),
            (json!("p-3"), json!([1, 2]), json!({})),
        ] {
            let ping = json!({"jsonrpc": "2.0", "id": id, "method": "signalwire.ping", "params": params});
            sim.push_raw(&ping.to_string());
            until("the answer", || !answers_to(&sim, &id).is_empty());
            assert_eq!(answers_to(&sim, &id)[0].params(), &result, "{ping}");
        }
        assert_eq!(sim.connections_ever(), 1);
    });
}

#[test]
fn a_slow_handler_holds_up_neither_pings_nor_events_nor_other_calls() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let (entered, handlers) = channel();
        let (go, stop) = crossbeam_channel::bounded::<()>(0);
        client.on_call(move |call| {
            let first = call.from_number() == "+15550000001";
            call.answer()?;
            entered.send(call.from_number())?;
            if first {
                let _ = stop.recv();
            }
            Ok(call.hangup()?)
        });
        let slow = sim.caller("+15550000001").calls("+15559990000").dials();
        assert_eq!(handlers.recv_timeout(LONG).unwrap(), "+15550000001");
        caught_up(&sim);
        let builder = sim.caller("+15550000002").calls("+15559990000").dials();
        assert_eq!(handlers.recv_timeout(LONG).unwrap(), "+15550000002");
        builder.wait_ended(LONG).unwrap();
        assert_eq!(slow.state(), "answered");
        drop(go);
        slow.wait_ended(LONG).unwrap();
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

// Growing waits.

#[test]
fn the_waits_between_attempts_grow_and_are_announced() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.reconnect_delay(millis(4), millis(32))).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.stop_listening();
        sim.drop_link();
        for (number, step) in (1..=7).zip([4, 8, 16, 32, 32, 32, 32].map(millis)) {
            match states.next_within(LONG) {
                Some(LinkState::Reconnecting { attempt, next, cause }) => {
                    assert_eq!(attempt, number);
                    assert!(step / 4 <= next && next <= step, "attempt {attempt} waits {next:?} of {step:?}");
                    assert_eq!(cause.kind(), ErrorKind::Connect);
                    assert_eq!(cause.phase().is_some(), attempt > 1, "{cause}");
                }
                other => panic!("{other:?}"),
            }
        }
        sim.listen_again().unwrap();
        assert!(online(&mut states));
    });
}

#[test]
fn a_connection_that_was_not_stable_goes_on_with_longer_waits() {
    watched(|| {
        for (backoff_reset_after, longer) in [(Duration::from_secs(3600), true), (Duration::ZERO, false)] {
            let sim = sim();
            let delays = builder(&sim).tuning(|t| t.reconnect_delay(millis(1), Duration::from_secs(1)));
            let client = delays.tuning(|t| t.backoff_reset_after(backoff_reset_after)).connect().unwrap();
            let mut states = client.states();
            online(&mut states);
            let mut last = Duration::ZERO;
            for _ in 0..7 {
                sim.drop_link();
                match reconnecting(&mut states) {
                    LinkState::Reconnecting { attempt, next, .. } => {
                        assert_eq!(attempt, 1);
                        last = next;
                    }
                    other => panic!("{other:?}"),
                }
                online(&mut states);
            }
            // The seventh step is 64 ms, of which at least a quarter is waited.
            assert_eq!(last > millis(1), longer, "{last:?} with {backoff_reset_after:?}");
        }
    });
}

#[test]
fn closing_ends_a_wait_between_attempts() {
    watched(|| {
        let sim = sim();
        let hour = Duration::from_secs(3600);
        let client = builder(&sim).tuning(|t| t.reconnect_delay(hour, hour)).request_timeout(hour).connect().unwrap();
        go_offline(&sim, &client);
        let asking = {
            let client = client.clone();
            thread::spawn(move || receive(&client, "more").unwrap_err().kind())
        };
        until("the request to wait", || client.stats().offline_requests == 1);
        let started = Instant::now();
        client.disconnect();
        client.disconnect();
        assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
        assert_eq!(asking.join().unwrap(), ErrorKind::Closed);
        assert_eq!(receive(&client, "more").unwrap_err().kind(), ErrorKind::Closed);
        assert!(client.state().is_closed());
    });
}

// Calls across a resume.

#[test]
fn a_call_is_unconfirmed_after_a_resume_until_an_event_of_it_arrives() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let call = answered_call(&sim, &client);
        assert!(call.is_confirmed());
        sim.drop_link();
        assert!(online(&mut states));
        assert!(!call.is_confirmed());
        // An event of it will do.
        sim.push_event("calling.call.something", json!({"call_id": call.id()}));
        until("the call to be confirmed", || call.is_confirmed());
        sim.drop_link();
        assert!(online(&mut states));
        assert!(!call.is_confirmed());
        // A response does the same.
        let playing = call.play(silence(millis(100))).unwrap();
        assert!(call.is_confirmed());
        playing.wait(LONG).unwrap();
        call.hangup().unwrap();
        call.wait_for_ended(LONG).unwrap();
    });
}

#[test]
fn an_action_goes_on_across_a_resume() {
    watched(|| {
        let sim = Simulator::builder().speed(50.0).replays_missed_events().start().unwrap();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let call = answered_call(&sim, &client);
        let playing = call.play(silence(millis(30000))).unwrap();
        sim.drop_link();
        assert!(online(&mut states));
        playing.wait(LONG).unwrap();
        call.hangup().unwrap();
    });
}

#[test]
fn a_call_that_stays_unconfirmed_is_given_up() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).tuning(|t| t.unconfirmed_limit(Duration::from_secs(90))).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let (lost, kept) = (answered_call(&sim, &client), answered_call(&sim, &client));
        let waiting = {
            let lost = lost.clone();
            sim.spawn(move || lost.wait_for("calling.call.refer", |_| true, None).unwrap_err().kind()).unwrap()
        };
        sim.stop_listening();
        sim.drop_link();
        reconnecting(&mut states);
        // The request waits for the connection, and its response confirms the call before its timeout.
        let asking = {
            let kept = kept.clone();
            sim.spawn(move || kept.play(silence(millis(1000))).map(|action| action.is_done())).unwrap()
        };
        until_in(&sim, "the request to wait", || client.stats().offline_requests == 1);
        sim.listen_again().unwrap();
        assert!(online(&mut states));
        asking.join().unwrap();
        assert_eq!(waiting.join(), ErrorKind::SessionLost);
        assert_eq!(lost.hangup().map_err(|error| error.kind()), Err(ErrorKind::SessionLost));
        kept.hangup().unwrap();
        kept.wait_for_ended(None).unwrap();
        // A waiting thread wakes a moment before the call leaves the tables.
        until_in(&sim, "the call to be gone", || client.stats().calls == 0);
    });
}

// By hand.

fn connect(peer: &Peer, set: impl FnOnce(signalwire_relay::Builder) -> signalwire_relay::Builder) -> (Client, Service) {
    let builder = set(peer.builder());
    let connecting = thread::spawn(move || builder.connect());
    let (service, _) = peer.welcome("p1");
    (connecting.join().unwrap().unwrap(), service)
}

#[test]
fn a_connection_that_the_service_is_leaving_is_closed_with_the_last_response() {
    watched(|| {
        let sim = virtual_sim();
        let client = builder(&sim).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        sim.hold_replies("signalwire.receive");
        let asks = client.clone();
        let asking = sim.spawn(move || receive(&asks, "more").unwrap()).unwrap();
        sim.wait_for_request("signalwire.receive", LONG).unwrap();
        let leave = json!({"jsonrpc": "2.0", "id": "leave", "method": "signalwire.disconnect"});
        sim.push_raw(&leave.to_string());
        until("the answer", || !answers_to(&sim, &json!("leave")).is_empty());
        let begun = sim.elapsed();
        sim.release_replies("signalwire.receive");
        asking.join();
        reconnecting(&mut states);
        let took = sim.elapsed() - begun;
        assert!(took < millis(400), "it waited for more: {took:?}");
    });
}

#[test]
fn a_service_that_answers_no_goodbye_keeps_no_socket() {
    watched(|| {
        let peer = Peer::new();
        // No ping finds out that it is silent. It reads to the end, and answers nothing.
        let (client, service) = connect(&peer, |builder| builder.tuning(|t| t.ping_after(NEVER)));
        let deaf = service.0.get_ref().try_clone().unwrap();
        let closing = thread::spawn(move || client.disconnect());
        assert!(!drain(deaf).is_empty(), "a goodbye comes first");
        closing.join().unwrap();
    });
}

#[test]
fn a_peer_that_takes_nothing_holds_no_caller_beyond_its_deadline() {
    watched(|| {
        let peer = Peer::new();
        let (client, _service) = connect(&peer, |builder| {
            builder
                .request_timeout(Duration::from_secs(1))
                .tuning(|t| t.write_queue(64 << 10).write_timeout(Duration::from_secs(3600)))
        });
        // The peer does not read: the socket's buffers fill, then the queue, and callers have to wait.
        let started = Instant::now();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let client = client.clone();
                thread::spawn(move || {
                    let big = json!({"big": "x".repeat(256 << 10)});
                    let started = Instant::now();
                    let errors: Vec<Error> =
                        (0..3).map(|_| client.execute("some.method", big.clone()).unwrap_err()).collect();
                    (errors, started.elapsed())
                })
            })
            .collect();
        let mut kinds = Vec::new();
        for caller in callers {
            let (errors, took) = caller.join().unwrap();
            assert!(took < LONG, "three requests of a second took {took:?}");
            kinds.extend(errors.iter().map(Error::kind));
        }
        assert!(kinds.iter().all(|kind| matches!(kind, ErrorKind::OutcomeUnknown | ErrorKind::Offline)), "{kinds:?}");
        assert!(kinds.contains(&ErrorKind::Offline), "what was never written is known not to be sent: {kinds:?}");
        assert_eq!(client.stats().pending_requests, 0);
        // Closing is not held up either.
        client.disconnect();
        assert!(started.elapsed() < LONG);
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    watched(|| {
        let peer = Peer::new();
        let (client, service) = connect(&peer, |builder| {
            builder.request_timeout(LONG).tuning(|t| t.write_timeout(Duration::from_secs(2)).write_queue(64 << 10))
        });
        let mut states = client.states();
        online(&mut states);
        let stuck: Vec<_> = (0..8)
            .map(|_| {
                let client = client.clone();
                thread::spawn(move || client.execute("some.method", json!({"big": "x".repeat(2 << 20)})))
            })
            .collect();
        reconnecting(&mut states);
        let (mut second, _) = peer.welcome("p1");
        assert!(online(&mut states));
        drop(service);
        // Unwritten requests are sent now; the others have an unknown outcome.
        let answering = thread::spawn(move || {
            while let Ok(message) = second.0.read() {
                if let tungstenite::Message::Text(text) = message {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    second.reply(&frame, json!({"code": "200"}));
                }
            }
        });
        let mut unknown = 0;
        for caller in stuck {
            match caller.join().unwrap() {
                Ok(_) => {}
                Err(error) if error.may_have_been_sent() => unknown += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(unknown >= 1);
        client.disconnect();
        answering.join().unwrap();
    });
}

#[test]
fn a_service_that_flaps_gets_no_request_twice_and_keeps_no_caller() {
    watched(|| {
        let sim = sim();
        let client = builder(&sim).tuning(|t| t.reconnect_delay(millis(1), millis(4))).connect().unwrap();
        let mut states = client.states();
        online(&mut states);
        let done = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (client, done) = (client.clone(), Arc::clone(&done));
                thread::spawn(move || {
                    let mut sent = 0;
                    while !done.load(Ordering::Relaxed) {
                        match receive(&client, &format!("{caller}-{sent}")) {
                            Ok(()) => {}
                            Err(error) if error.may_have_been_sent() => {}
                            Err(error) => panic!("{error:?}"),
                        }
                        sent += 1;
                    }
                })
            })
            .collect();
        for _ in 0..30 {
            sim.drop_link();
            reconnecting(&mut states);
            assert!(online(&mut states));
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let journal = sim.journal();
        let mut sent: Vec<String> =
            journal.requests("signalwire.receive").iter().map(|entry| entry.params()["contexts"].to_string()).collect();
        let all = sent.len();
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), all, "a request was sent twice");
        let stats = client.stats();
        assert_eq!((stats.connections, stats.sessions_resumed), (31, 30));
        assert_eq!((stats.pending_requests, stats.offline_requests, stats.write_queue_bytes), (0, 0, 0));
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
    });
}

#[test]
fn a_client_reconnects_to_a_service_that_closes_right_after_its_welcome() {
    watched(|| {
        let peer = Peer::new();
        let (client, service) = connect(&peer, |builder| builder);
        drop(service);
        for _ in 0..10 {
            let (mut service, _) = peer.welcome("p1");
            let _ = service.0.close(None);
            let _ = service.0.flush();
            service.gone();
        }
        let (_service, _) = peer.welcome("p1");
        until("the last connection", || client.stats().connections == 12 && client.state().is_online());
    });
}

#[test]
fn events_right_behind_the_welcome_are_not_lost() {
    watched(|| {
        let peer = Peer::new();
        let builder = peer.builder();
        let connecting = thread::spawn(move || builder.connect());
        let mut service = peer.accept();
        let connect = service.frame();
        let mut frames = vec![json!({"jsonrpc": "2.0", "id": connect["id"], "result": {"protocol": "p1"}})];
        for number in 0..40 {
            let params = json!({"message_id": format!("m{number}"), "context": "default", "direction": "inbound",
                "from_number": "+15550001111", "to_number": "+15550002222", "body": "hi", "message_state": "received"});
            frames.push(event(&format!("e{number}"), "messaging.receive", params));
        }
        service.send_together(&frames);
        let client = connecting.join().unwrap().unwrap();
        for number in 0..40 {
            assert_eq!(client.next_message(LONG).unwrap().id(), format!("m{number}"));
        }
    });
}

#[test]
fn acknowledgements_of_an_old_connection_do_not_go_out_on_the_new_one() {
    watched(|| {
        let peer = Peer::new();
        let (client, mut service) = connect(&peer, |builder| builder);
        // The events and the end come together, so that answers find a closed socket, or none.
        let events: Vec<Value> = (0..50).map(|n| event(&format!("old-{n}"), "some.event", json!({"n": n}))).collect();
        service.send_together(&events);
        drop(service);
        let (mut service, _) = peer.welcome("p1");
        service.send(event("new", "some.event", json!({"n": -1})));
        assert_eq!(service.frame()["id"], "new");
        client.disconnect();
    });
}

#[test]
fn a_repeat_of_an_event_is_recognised_across_a_resume_and_not_across_sessions() {
    watched(|| {
        let peer = Peer::new();
        let (client, mut service) = connect(&peer, |builder| builder);
        let params = json!({"message_id": "m", "context": "default", "direction": "inbound", "body": "hi",
            "from_number": "+15550001111", "to_number": "+15550002222", "message_state": "received"});
        let text = event("e", "messaging.receive", params);
        let mut texts = 0;
        for (protocol, is_new) in [("p1", true), ("p1", false), ("p2", true)] {
            service.send(text.clone());
            assert_eq!(service.frame(), json!({"jsonrpc": "2.0", "id": "e", "result": {}}));
            texts += u64::from(is_new);
            let mark = json!({"jsonrpc": "2.0", "id": "mark", "method": "signalwire.ping", "params": {}});
            service.send(mark);
            assert_eq!(service.frame()["id"], "mark");
            assert_eq!(client.stats().events_received - client.stats().events_repeated, texts, "{protocol}");
            drop(service);
            let next = if protocol == "p1" && !is_new { "p2" } else { "p1" };
            (service, _) = peer.welcome(next);
        }
    });
}
