//! The tables that the service fills are driven from here without a connection, so that their steps can be counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::dial::Registry;
use super::over::HowOver;
use super::router::Router;
use super::{Client, Dial, Dialing};
use crate::call::Call;
use crate::call::core::{CallCore, CallFate, Leaving};
use crate::call::legs::News;
use crate::call::owed::Duty;
use crate::call::running::{Claim, Fed, Running};
use crate::clock::{Clock, Deadline};
use crate::error::ErrorKind;
use crate::latch::Latch;
use crate::message::{Message, sms};
use crate::phone;
use crate::protocol::event::Event;
use crate::protocol::frame::Envelope;
use crate::secret::Secret;
use crate::session::{Credentials, EventSink, Session, Settings, Stats};
use crate::steps;
use crate::transport::{Connector, Endpoint, Keeper, Scheme, TlsSettings};

/// A client whose connection is never made: the test feeds events by hand, on its own thread.
struct Scene {
    client: Client,
    session: Arc<Session>,
    router: Arc<Router>,
}

impl Scene {
    fn new(set: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::real();
        let mut settings = Settings { dial_legs: usize::MAX, posted_requests: usize::MAX, ..Settings::default() };
        set(&mut settings);
        let endpoint = Endpoint::parse(("host", "127.0.0.1:1"), Scheme::Ws, "/", false).expect("the scene is right");
        let connector = Connector::new(endpoint, &TlsSettings::default(), None, settings.max_frame, clock.clone())
            .expect("the scene is right");
        let router = Router::new(settings.remembered_ids);
        let credentials = Credentials::Jwt { jwt: Secret::new("jwt-of-the-test"), project: None };
        let sink: Arc<Router> = Arc::clone(&router);
        let session = Session::new(clock, settings, credentials, Vec::new(), connector, sink, None);
        Self { client: Client::new(Arc::clone(&session), Arc::clone(&router)), session, router }
    }

    fn event(&self, event_type: &str, params: Value) {
        self.envelope(json!({"event_type": event_type, "timestamp": 1.5, "params": params}));
    }

    fn envelope(&self, envelope: Value) {
        let text = envelope.to_string();
        self.router.event(&self.session, &Envelope::parse_text(&text).expect("the scene is right"));
    }

    fn leg(&self, tag: &str, n: usize, state: &str) {
        let params = json!({"call_id": format!("leg-{n}"), "node_id": "n", "tag": tag, "call_state": state});
        self.event("calling.call.state", params);
    }

    fn dial(&self, tag: &str) -> Dialing {
        let dial = Dial::new(phone("+15552220001").from("+15551111111")).tag(tag);
        self.client.start_dial(dial).expect("the scene is right")
    }

    /// Runs everything that is due by now.
    fn tick(&self) {
        self.session.tick();
    }

    fn stats(&self) -> Stats {
        self.client.stats()
    }
}

/// Checks that twice the input takes twice the steps, and that steps are counted at all.
fn grows_with_its_input(what: &str, fill: impl Fn(usize) -> u64) {
    const INPUT: usize = 500;
    let (once, twice) = (fill(INPUT), fill(2 * INPUT));
    assert!(once >= INPUT as u64, "{what}: {once} steps for {INPUT}: they are not counted");
    assert!(twice <= 2 * once + once / 4, "{what}: {once} steps for {INPUT}, {twice} for twice as many");
}

fn steps_of(scene: &Scene, count: usize, each: impl Fn(&Scene, usize)) -> u64 {
    steps::of(|| (0..count).for_each(|n| each(scene, n)))
}

#[test]
fn legs_of_a_dial_take_steps_in_proportion() {
    grows_with_its_input("legs that ring", |count| {
        let scene = Scene::new(|_| {});
        let dial = scene.dial("t");
        let steps = steps_of(&scene, count, |scene, n| scene.leg("t", n, "created"));
        assert_eq!((dial.legs().len(), scene.stats().calls), (count, count));
        steps
    });
    grows_with_its_input("legs that end", |count| {
        let scene = Scene::new(|_| {});
        let dial = scene.dial("t");
        (0..count).for_each(|n| scene.leg("t", n, "created"));
        let steps = steps_of(&scene, count, |scene, n| scene.leg("t", n, "ended"));
        assert_eq!((dial.legs_kept(), scene.stats().calls), (0, 0));
        steps
    });
    grows_with_its_input("late legs of a dial that was given up", |count| {
        let scene = Scene::new(|_| {});
        let dial = scene.dial("t");
        scene.sent();
        dial.cancel();
        let steps = steps_of(&scene, count, |scene, n| scene.leg("t", n, "created"));
        assert_eq!(scene.stats().posted_requests, count + 1);
        steps
    });
}

impl Scene {
    /// Marks the posted requests as sent in the table of requests.
    fn sent(&self) {
        self.session.pretend_online();
    }
}

/// Number of legs in the tests: two hundred thousand with `LEGS=200000`, which is meant for a release build.
fn legs() -> usize {
    std::env::var("LEGS").ok().and_then(|legs| legs.parse().ok()).unwrap_or(10_000)
}

#[test]
fn any_number_of_legs_of_one_dial_leaves_no_more_than_the_bound() {
    let legs = legs();
    let scene = Scene::new(|settings| settings.dial_legs = 256);
    let dial = scene.dial("t");
    let steps = steps_of(&scene, legs, |scene, n| scene.leg("t", n, "created"));
    let stats = scene.stats();
    assert_eq!((dial.legs().len(), stats.calls, stats.legs_dropped), (256, 256, legs as u64 - 256));
    assert!(steps <= 4 * legs as u64, "{steps} steps");
    // An answer decides the dial, whichever call is answered.
    let winner = json!({"call_id": "the-winner", "node_id": "n", "dial_winner": true});
    scene.event("calling.call.dial", json!({"tag": "t", "dial_state": "answered", "call": winner}));
    assert_eq!(dial.wait(Duration::ZERO).expect("the scene is right").id(), "the-winner");
}

#[test]
fn late_legs_of_a_dial_that_was_given_up_leave_no_more_than_their_bound() {
    let legs = legs();
    let scene = Scene::new(|settings| settings.dial_legs = 256);
    let dial = scene.dial("t");
    scene.sent();
    dial.cancel();
    let timers = scene.stats().timers;
    let steps = steps_of(&scene, legs, |scene, n| scene.leg("t", n, "created"));
    let stats = scene.stats();
    assert_eq!((stats.posted_requests, stats.legs_dropped), (256 + 1, legs as u64 - 256));
    // The additional timer counts warnings.
    assert_eq!((stats.timers, stats.calls), (timers + 1, 0), "a leg has no timer and no entry of its own");
    assert!(steps <= 4 * legs as u64, "{steps} steps");
}

#[test]
fn the_timers_of_a_dial_end_with_it() {
    let scene = Scene::new(|_| {});
    let timers = scene.stats().timers;
    let dial = scene.dial("won");
    assert_eq!(scene.stats().timers, timers + 1);
    let winner = json!({"call_id": "w", "node_id": "n", "dial_winner": true});
    scene.event("calling.call.dial", json!({"tag": "won", "dial_state": "answered", "call": winner}));
    assert_eq!(scene.stats().timers, timers, "won");
    drop(dial);
    let dial = scene.dial("failed");
    scene.event("calling.call.dial", json!({"tag": "failed", "dial_state": "failed"}));
    assert_eq!(scene.stats().timers, timers, "failed");
    drop(dial);
    // The request was never sent, so no late event can arrive.
    drop(scene.dial("cancelled"));
    assert_eq!(scene.stats().timers, timers, "cancelled");
    // One timer serves all dials that may be answered late.
    scene.sent();
    (0..50).for_each(|n| drop(scene.dial(&format!("given up {n}"))));
    assert_eq!((scene.stats().timers, scene.stats().dials_given_up), (timers + 1, 50));
}

#[test]
fn dials_that_were_given_up_take_steps_in_proportion() {
    grows_with_its_input("dials that are given up", |count| {
        let scene = Scene::new(|settings| {
            settings.remembered_ids = usize::MAX;
            settings.late_answer_window = Duration::ZERO;
        });
        scene.sent();
        let steps = steps_of(&scene, count, |scene, n| drop(scene.dial(&format!("dial-{n}"))));
        assert_eq!(scene.stats().dials_given_up, count);
        let swept = steps::of(|| scene.tick());
        assert_eq!(scene.stats().dials_given_up, 0);
        steps + swept
    });
}

#[test]
fn early_events_take_steps_in_proportion() {
    let state = |id: &str| json!({"call_id": id, "call_state": "answered"});
    grows_with_its_input("early events of as many calls", |count| {
        let scene = Scene::new(|settings| settings.unmatched_event_ttl = Duration::ZERO);
        let steps = steps_of(&scene, count, |scene, n| scene.event("calling.call.state", state(&format!("c-{n}"))));
        assert_eq!(scene.stats().unmatched_events, count);
        steps + steps::of(|| scene.tick())
    });
    grows_with_its_input("early events of one call, beyond their bound", |count| {
        let scene = Scene::new(|settings| settings.max_unmatched_events = 100);
        let steps = steps_of(&scene, count, |scene, _| scene.event("calling.call.state", state("c")));
        assert_eq!((scene.stats().unmatched_events, scene.stats().events_unclaimed), (100, count as u64 - 100));
        steps
    });
    grows_with_its_input("calls that are offered while events of others wait", |count| {
        let scene = Scene::new(|settings| {
            settings.max_unmatched_events = usize::MAX;
            settings.max_unclaimed = usize::MAX;
        });
        (0..count).for_each(|n| scene.event("calling.call.state", state(&format!("nobody-{n}"))));
        let steps = steps_of(&scene, count, Scene::offer);
        assert_eq!((scene.stats().unmatched_events, scene.stats().calls), (count, count));
        steps
    });
}

impl Scene {
    fn offer(&self, n: usize) {
        let params = json!({"call_id": format!("call-{n}"), "node_id": "n", "call_state": "created"});
        self.event("calling.call.receive", params);
    }
}

#[test]
fn offers_take_steps_in_proportion() {
    grows_with_its_input("calls that nobody claims", |count| {
        let scene = Scene::new(|settings| {
            settings.max_unclaimed = usize::MAX;
            settings.claim_timeout = Duration::ZERO;
        });
        scene.sent();
        let steps = steps_of(&scene, count, Scene::offer);
        let stats = scene.stats();
        assert_eq!((stats.unclaimed, stats.calls, stats.timers), (count, count, 1));
        assert!(stats.unclaimed_bytes >= count * 600, "{stats:?}");
        let swept = steps::of(|| scene.tick());
        let stats = scene.stats();
        assert_eq!((stats.unclaimed, stats.unclaimed_bytes, stats.calls_passed), (0, 0, count as u64));
        steps + swept
    });
    grows_with_its_input("calls that come back after a transfer", |count| {
        let scene = Scene::new(|settings| {
            settings.max_unclaimed = usize::MAX;
            settings.remembered_ids = usize::MAX;
        });
        for n in 0..count {
            scene.offer(n);
            scene.router.find(&format!("call-{n}")).expect("the scene is right").leaves(Leaving::Transferred);
            scene.event("calling.call.state", json!({"call_id": format!("call-{n}"), "call_state": "ended"}));
        }
        assert_eq!(scene.stats().calls, 0);
        let steps = steps_of(&scene, count, |scene, n| {
            let params = json!({"call_id": format!("call-{n}"), "node_id": "n", "call_state": "created", "again": 1});
            scene.event("calling.call.receive", params);
        });
        assert_eq!(scene.stats().calls, count);
        steps
    });
}

#[test]
fn calls_beyond_what_may_be_unanswered_are_dropped_and_those_that_were_taken_are_not() {
    let scene = Scene::new(|settings| {
        settings.posted_requests = 10;
        settings.max_active_calls = 5;
        settings.max_unclaimed = 5;
    });
    scene.sent();
    (0..100).for_each(|n| scene.offer(n));
    let stats = scene.stats();
    assert_eq!((stats.calls, stats.calls_passed, stats.calls_dropped), (5, 10, 85));
    assert_eq!(stats.posted_requests, 10);
    // The bound is reached, and the live calls are passed back anyway.
    while let Ok(call) = scene.client.next_call(Duration::ZERO) {
        drop(call);
    }
    let stats = scene.stats();
    assert_eq!((stats.calls, stats.calls_passed, stats.posted_requests), (0, 15, 15));
}

#[test]
fn a_call_owes_one_end_and_one_pass_whatever_waits_for_the_connection() {
    let scene = Scene::new(|settings| {
        settings.offline_queue = 0;
        settings.max_unclaimed = 10;
    });
    (0..3).for_each(|n| scene.offer(n));
    for call in scene.router.live_calls() {
        (0..5).for_each(|_| call.owe(Duty::End, "\"reason\":\"hangup\""));
    }
    let stats = scene.stats();
    assert_eq!((stats.offline_requests, stats.posted_requests), (3, 3));
    drop(scene.client.next_call(Duration::ZERO).expect("the scene is right"));
    assert_eq!(scene.stats().offline_requests, 4);
    assert!(scene.client.start_dial(Dial::new(phone("+1").from("+2"))).is_err(), "others wait for room");
}

#[test]
fn messages_take_steps_in_proportion() {
    let track = |scene: &Scene, n: usize| {
        let message = Message::outbound(&scene.session, &sms("+1").from("+2").body("x").fields);
        scene.router.track_message(&scene.session, &format!("m-{n}"), message.core());
    };
    grows_with_its_input("messages that are followed, beyond their bound", |count| {
        let scene = Scene::new(|settings| settings.max_messages = 100);
        let steps = steps_of(&scene, count, track);
        assert_eq!(scene.stats().messages, 100);
        steps
    });
    grows_with_its_input("messages without a verdict", |count| {
        let scene = Scene::new(|settings| settings.message_limit = Duration::ZERO);
        let steps = steps_of(&scene, count, track);
        let swept = steps::of(|| scene.tick());
        assert_eq!(scene.stats().messages, 0);
        steps + swept
    });
    grows_with_its_input("messages that come in", |count| {
        let scene = Scene::new(|settings| settings.max_unclaimed = usize::MAX);
        let steps = steps_of(&scene, count, |scene, n| {
            scene.event("messaging.receive", json!({"message_id": format!("m-{n}"), "body": "x"}));
        });
        assert_eq!(scene.stats().unclaimed, count);
        steps
    });
}

#[test]
fn a_name_that_is_too_long_is_malformed_wherever_it_stands() {
    let scene = Scene::new(|_| {});
    let dial = scene.dial("t");
    let long = "x".repeat(1025);
    let empty = scene.stats();
    let mut malformed = 0;
    for (event_type, params) in [
        ("calling.call.receive", json!({"call_id": long})),
        ("calling.call.receive", json!({"call_id": "c", "node_id": long})),
        ("calling.call.receive", json!({"call_id": "c", "tag": long})),
        ("calling.call.receive", json!({"call_id": "c", "context": long})),
        ("calling.call.state", json!({"call_id": "c", "tag": "t", "call_state": long})),
        ("calling.call.state", json!({"call_id": "c", "tag": "t", "segment_id": long})),
        ("calling.call.dial", json!({"tag": "t", "dial_state": long})),
        ("calling.call.dial", json!({"tag": "t", "dial_state": "answered", "call": {"call_id": long}})),
        ("messaging.receive", json!({"message_id": long, "body": "x"})),
        ("messaging.state", json!({"message_id": long, "message_state": "sent"})),
        ("some.event", json!({"call_id": "c", "control_id": long})),
    ] {
        scene.event(event_type, params.clone());
        malformed += 1;
        let stats = scene.stats();
        assert_eq!(stats.frames_malformed, malformed, "{event_type} {:.80}", params.to_string());
        // From the second frame on a timer counts the warnings.
        let timers = stats.timers - usize::from(malformed > 1);
        assert_eq!(Stats { frames_malformed: 0, timers, ..stats }, empty, "{event_type} {:.80}", params.to_string());
    }
    // A reason is no identifier: the end that contains it counts.
    scene.leg("t", 1, "created");
    let leg = dial.legs().pop().expect("the scene is right");
    let reason = "y".repeat(100_000);
    scene.event("calling.call.state", json!({"call_id": "leg-1", "call_state": "ended", "end_reason": reason}));
    let end = leg.wait_for_ended(Duration::ZERO).expect("the scene is right");
    assert_eq!(end.reason.map(|reason| reason.as_str().len()), Some(1024));
    // Identifiers of this client that are too long to be accepted back are not sent.
    let dial = Dial::new(phone("+1").from("+2")).tag(long);
    assert!(scene.client.start_dial(dial).expect_err("it is refused").to_string().contains("1025 bytes"));
}

impl Scene {
    /// The call that was offered first and is still unclaimed.
    fn offered(&self) -> Call {
        self.client.next_call(Duration::ZERO).expect("the scene is right")
    }

    fn answered(&self, n: usize) {
        self.event("calling.call.state", json!({"call_id": format!("call-{n}"), "call_state": "answered"}));
    }
}

#[test]
fn a_call_that_comes_to_a_closed_client_has_ended() {
    let scene = Scene::new(|_| {});
    scene.session.close();
    let call = scene.client.call("c", "n");
    let error = call.wait_for_ended(Duration::ZERO).expect_err("nothing more is heard of it");
    assert_eq!((error.kind(), scene.stats().calls), (ErrorKind::Closed, 0));
}

#[test]
fn the_end_of_a_call_leaves_the_one_that_came_back_under_its_id() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let left = scene.router.find("call-1").expect("the scene is right");
    left.leaves(Leaving::Transferred);
    scene.event("calling.call.state", json!({"call_id": "call-1", "call_state": "ended"}));
    let params = json!({"call_id": "call-1", "node_id": "n", "call_state": "created", "again": 1});
    scene.event("calling.call.receive", params);
    assert_eq!(scene.stats().calls, 1);
    // A thread has seen the end of the first call, and then lost its processor.
    scene.router.settle_call(&left);
    let back = scene.router.find("call-1").expect("it lives");
    assert!(!Arc::ptr_eq(&back, &left) && back.over().is_none());
}

#[test]
fn events_that_came_before_their_call_leave_nothing() {
    let scene = Scene::new(|_| {});
    (1..=3).for_each(|n| scene.answered(n));
    let stats = scene.stats();
    assert!(stats.unmatched_events == 3 && stats.unmatched_bytes > 0, "{stats:?}");
    (1..=3).for_each(|n| scene.offer(n));
    let stats = scene.stats();
    assert_eq!((stats.calls, stats.unmatched_events, stats.unmatched_bytes), (3, 0, 0));
}

#[test]
fn a_timer_of_a_dial_that_was_given_up_forgets_no_later_one() {
    let scene = Scene::new(|_| {});
    let dials = ["a", "b"].map(|tag| scene.dial(tag));
    scene.sent();
    drop(dials);
    scene.router.forget_dials(&scene.session);
    assert_eq!(scene.stats().dials_given_up, 2);
}

#[test]
fn a_conference_is_forgotten_with_the_last_call_that_takes_part_in_it() {
    let scene = Scene::new(|_| {});
    let [first, second] = ["a", "b"].map(|call_id| scene.router.attend("room", call_id));
    drop(first);
    assert_eq!(scene.router.conferences(), 1);
    drop(second);
    assert_eq!(scene.router.conferences(), 0);
}

#[test]
fn a_dial_that_failed_keeps_none_of_its_legs() {
    let scene = Scene::new(|settings| settings.losing_leg_timeout = Duration::ZERO);
    let dial = scene.dial("t");
    scene.sent();
    scene.leg("t", 1, "created");
    scene.event("calling.call.dial", json!({"tag": "t", "dial_state": "failed"}));
    assert_eq!((dial.legs_kept(), scene.stats().dials), (0, 0));
    // The service reports the end of the legs, or they time out.
    scene.tick();
    assert_eq!(scene.stats().calls, 0);
}

#[test]
fn a_leg_that_lost_makes_room_for_another_call_once() {
    let scene = Scene::new(|settings| settings.max_active_calls = 2);
    scene.sent();
    let dial = scene.dial("t");
    (1..=2).for_each(|n| scene.leg("t", n, "created"));
    let winner = json!({"call_id": "leg-1", "node_id": "n", "dial_winner": true});
    scene.event("calling.call.dial", json!({"tag": "t", "dial_state": "answered", "call": winner}));
    let _winner = dial.wait(Duration::ZERO).expect("the scene is right");
    scene.leg("t", 2, "ended");
    (0..3).for_each(|n| scene.offer(n));
    let stats = scene.stats();
    assert_eq!((stats.calls, stats.calls_passed), (2, 2));
}

#[test]
fn a_program_learns_of_the_end_of_its_dial_after_the_legs_are_hung_up() {
    let scene = Scene::new(|_| {});
    let dial = scene.dial("t");
    scene.sent();
    scene.leg("t", 1, "created");
    thread::scope(|scope| {
        dial.core().with_legs_locked(|is_ending| {
            scope.spawn(|| dial.cancel());
            while !is_ending() {
                thread::yield_now();
            }
            // A wait that is too short here can hide a fault but never invents one.
            let told = dial.wait(Duration::from_millis(50)).expect_err("nobody has answered");
            assert_eq!(told.kind(), ErrorKind::Timeout);
        });
    });
    assert_eq!(dial.wait(Duration::ZERO).expect_err("it was cancelled").kind(), ErrorKind::DialFailed);
    assert_eq!(scene.stats().posted_requests, 2, "the dial, and the end of its leg");
}

#[test]
fn a_call_that_is_answered_while_its_dial_is_dropped_is_hung_up() {
    let scene = Scene::new(|_| {});
    let dial = scene.dial("t");
    scene.sent();
    scene.leg("t", 1, "created");
    let winner = scene.router.find("leg-1").expect("the scene is right");
    // The reader has taken the dial out of the tables, and is about to report the winner.
    scene.router.end_dial(&scene.session, dial.core(), HowOver::Won("leg-1".into()));
    let core = Arc::clone(dial.core());
    drop(dial);
    assert_eq!(scene.stats().posted_requests, 1, "the dial");
    assert!(core.won(&scene.session, &*scene.router, &winner, None));
    assert_eq!(scene.stats().posted_requests, 2, "and the end of its winner");
}

#[test]
fn a_call_that_comes_in_the_moment_in_which_a_pull_times_out_is_handed_out() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let call = scene.offered();
    let clock = &scene.session.clock;
    thread::scope(|scope| {
        let pull = scope.spawn(|| scene.client.next_call(Duration::from_millis(50)));
        let puller = loop {
            if let Some(puller) = scene.router.calls.take_puller() {
                break puller;
            }
            thread::yield_now();
        };
        // A wait that is too short here can hide a fault but never invents one.
        assert!(Latch::<()>::new().wait(clock, clock.after(Duration::from_millis(200))).is_none());
        puller.set(clock, Some(call));
        assert_eq!(pull.join().expect("it returns").expect("a call").id(), "call-1");
    });
}

/// An operation that is found by the type of its events, and notes the accepted ones.
struct Taker {
    name: &'static str,
    taken: AtomicUsize,
}

impl Running<CallCore> for Taker {
    fn method(&self) -> &'static str {
        "calling.some"
    }
    fn control_id(&self) -> &str {
        self.name
    }
    fn shares(&self) -> bool {
        false
    }
    fn lingers(&self) -> bool {
        false
    }
    fn claims(&self, event_type: &str, _: Option<&str>) -> Claim {
        if event_type == "calling.call.some" { Claim::ByKind } else { Claim::No }
    }
    fn feed(self: Arc<Self>, _: &Arc<Session>, _: &Arc<CallCore>, _: &Event) -> Fed {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Fed::Over
    }
    fn end(&self, _: &Arc<Session>, _: &CallFate, _: &str) {}
    fn wait_over(&self, _: &Clock, _: Deadline) -> bool {
        true
    }
    fn doubt(self: Arc<Self>, _: &Arc<Session>, _: &str) {}
    fn leaving(&self, _: bool) {}
    fn leg(&self, _: News<'_>, _: usize) {}
    fn presume(&self, _: &Arc<Session>, _: &str) {}
}

#[test]
fn an_event_without_a_control_id_is_for_the_newest_of_its_kind_and_not_for_one_that_has_ended() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let call = scene.offered();
    let takers = ["older", "newer"].map(|name| Arc::new(Taker { name, taken: AtomicUsize::new(0) }));
    let enter = |taker: &Arc<Taker>| call.core.enter(Arc::clone(taker) as Arc<dyn Running<CallCore>>).is_ok();
    let taken = || takers.each_ref().map(|taker| taker.taken.load(Ordering::Relaxed));
    assert!(takers.iter().all(enter));
    assert!(!enter(&takers[0]), "its control ID is in use");
    scene.event("calling.call.some", json!({"call_id": "call-1"}));
    assert_eq!(taken(), [0, 1]);
    assert!(enter(&takers[1]), "its control ID is free again");
    scene.event("calling.call.some", json!({"call_id": "call-1"}));
    assert_eq!(taken(), [0, 2]);
    scene.event("calling.call.some", json!({"call_id": "call-1"}));
    assert_eq!(taken(), [1, 2]);
}

#[test]
fn a_listener_receives_no_event_from_before_it() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let call = scene.offered();
    let play = |state: &str| {
        scene.event("calling.call.play", json!({"call_id": "call-1", "control_id": "c", "state": state}));
        scene.session.workers.kick();
    };
    let (tell, told) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    call.on_any(move |_| {
        tell.send(()).expect("the test waits for it");
        // The handler blocks until the test releases it.
        let _let = goes_on.lock().recv();
    });
    play("playing");
    told.recv().expect("it is told");
    // This event waits behind the first one.
    play("paused");
    let heard = Arc::new(AtomicUsize::new(0));
    let hears = Arc::clone(&heard);
    call.on_any(move |_| {
        hears.fetch_add(1, Ordering::Relaxed);
    });
    play("finished");
    drop(go_on);
    assert!(scene.session.workers.wait_quiet(None));
    assert_eq!(heard.load(Ordering::Relaxed), 1, "the last one");
}

#[test]
fn a_request_that_times_out_in_the_write_queue_is_taken_out_and_was_not_sent() {
    let scene = Scene::new(|settings| settings.request_timeout = Duration::from_millis(20));
    // The writer accepts requests, and has no socket yet.
    scene.sent();
    let error = scene.client.execute("some.method", json!({})).expect_err("nobody responds");
    assert_eq!((error.kind(), error.may_have_been_sent()), (ErrorKind::Offline, false));
    assert_eq!(scene.stats().write_queue_bytes, 0, "nor is it sent later");
}

#[test]
fn a_wait_that_timed_out_leaves_nothing_on_its_call() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let call = scene.offered();
    for _ in 0..1000 {
        assert_eq!(call.wait_for_answered(Duration::ZERO).expect_err("nobody answers").kind(), ErrorKind::Timeout);
    }
    assert_eq!(call.core.waiters(), 0);
}

#[test]
fn of_the_stays_of_a_call_in_queues_the_last_are_remembered() {
    let scene = Scene::new(|_| {});
    scene.offer(1);
    let call = scene.offered();
    (0..100).for_each(|n| call.core.enter_queue(&format!("queue-{n}"), &format!("stay-{n}")));
    let remembered = (0..100).filter(|n| call.core.queue_entry(&format!("queue-{n}")).is_some()).collect::<Vec<_>>();
    assert_eq!(remembered, (68..100).collect::<Vec<_>>());
}

#[test]
fn an_answer_that_is_refused_makes_an_offer_again_of_a_call_that_is_unanswered() {
    let scene = Scene::new(|_| {});
    scene.sent();
    for (n, is_answered, passed) in [(1, true, 0), (2, false, 1)] {
        scene.offer(n);
        let call = scene.offered();
        assert!(call.core.settle_offer());
        if is_answered {
            scene.answered(n);
        }
        call.core.reopen_offer();
        drop(call);
        assert_eq!(scene.stats().calls_passed, passed, "answered: {is_answered}");
    }
}
