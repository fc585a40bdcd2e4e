//! Code of the program that panics, blocks for minutes, and calls any method from any place: other code is not
//! affected, and nothing hangs. In virtual time, where minutes take no real time.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use signalwire_relay::connection::HandlerFailure;
use signalwire_relay::params::{Answer, Hangup, Sms};
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::states::PlayState;
use signalwire_relay::{
    Builder, Call, Client, Collect, Dial, ErrorKind, LinkState, Play, Record, Result, WeakClient, machine, phone,
    silence, sms, tts,
};

use crate::support::{Drops, NEVER, watchdog};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const BOB: &str = "+15552220000";
const BUSY: &str = "+15552220001";
const AWAY: &str = "+15552220002";

fn simulator() -> Arc<Simulator> {
    // Every method is called, also with what the service refuses.
    let sim = Simulator::builder().virtual_time().pings_every(NEVER).allow_violations().start().unwrap();
    sim.callee(BUSY).is_busy();
    sim.callee(AWAY).does_not_answer();
    Arc::new(sim)
}

fn builder(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"]).tuning(|t| t.ping_after(NEVER))
}

fn client(sim: &Simulator) -> Client {
    builder(sim).connect().unwrap()
}

fn answered(sim: &Simulator, client: &Client) -> (Call, PersonOnCall) {
    let caller = sim.caller("+15551230000").is_silent().dials();
    let call = client.next_call(MINUTE).unwrap();
    call.answer().unwrap();
    call.wait_for_answered(MINUTE).unwrap();
    (call, caller)
}

fn forever() -> Play {
    Play::new(silence(NEVER))
}

fn text() -> Sms {
    sms("+15552220000").from("+15551110000").body("Hi")
}

fn to(number: &str) -> Dial {
    phone(number).from("+15551110000").into()
}

/// Sends an event of a call that changes nothing.
fn push(sim: &Simulator, call: &Call, number: usize) {
    let params = json!({"call_id": call.id(), "node_id": call.node_id(), "error": format!("number {number}")});
    sim.push_event("calling.error", params);
}

// Every method in every kind of callback.

/// A client with a call, for one cell.
struct Scene {
    sim: Arc<Simulator>,
    /// The client that receives the acts there; the last handle may be taken out.
    client: Mutex<Option<Client>>,
    weak: WeakClient,
    call: Call,
    caller: PersonOnCall,
    job: Mutex<Option<Job>>,
}

type Job = Box<dyn FnOnce(&Scene, &Call) + Send>;

impl Scene {
    fn new(job: Job) -> Arc<Self> {
        let sim = simulator();
        // A callback that panics leaves the call to the methods that are tried.
        let client = builder(&sim).on_handler_failure(HandlerFailure::Leave).connect().unwrap();
        let (call, caller) = answered(&sim, &client);
        let weak = client.downgrade();
        Arc::new(Self { sim, client: Mutex::new(Some(client)), weak, call, caller, job: Mutex::new(Some(job)) })
    }

    fn client(&self) -> Client {
        self.weak.upgrade().unwrap()
    }

    /// The first who comes here does the job.
    fn run(&self, call: &Call) {
        let job = self.job.lock().take();
        if let Some(job) = job {
            job(self, call);
        }
    }
}

/// Runs the job of a scene when it is dropped.
struct AtDrop(Weak<Scene>);

impl AtDrop {
    /// Makes a closure own it.
    fn touch(&self) {
        let _ = &self.0;
    }
}

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(scene) = self.0.upgrade() {
            scene.run(&scene.call);
        }
    }
}

/// The state of the client around the callback.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// The connection is up, and the call is live.
    Well,
    /// The connection is down, the call has ended, or the client is closed: any error is accepted.
    Ill,
}

/// A kind of callback, and what has one called that runs the job of the scene.
struct Kind {
    name: &'static str,
    around: Around,
    cause: fn(&Arc<Scene>),
}

/// The job of a scene, for a closure that is kept by what the scene itself keeps.
fn later(scene: &Arc<Scene>) -> impl Fn() + Send + Sync + 'static {
    let weak = Arc::downgrade(scene);
    move || {
        if let Some(scene) = weak.upgrade() {
            scene.run(&scene.call);
        }
    }
}

const KINDS: [Kind; 17] = [
    Kind {
        name: "on_call",
        around: Around::Well,
        cause: |scene| {
            let weak = Arc::downgrade(scene);
            scene.client().on_call(move |call| {
                let Some(scene) = weak.upgrade() else { return Ok(()) };
                call.answer()?;
                call.wait_for_answered(MINUTE)?;
                scene.run(&call);
                Ok(())
            });
            drop(scene.sim.caller("+15551230001").is_silent().dials());
        },
    },
    Kind {
        name: "on_message",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.client().on_message(move |_| {
                run();
                Ok(())
            });
            scene.sim.texts("+15553330000", "+15559990000", "hello");
        },
    },
    Kind {
        name: "Client::on_event",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.client().on_event(move |_| run());
            scene.sim.push_event("queuing.relay.tasks", json!({"context": "default", "message": {}}));
        },
    },
    Kind {
        name: "Call::on",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.call.on("calling.error", move |_| run());
            push(&scene.sim, &scene.call, 0);
        },
    },
    Kind {
        name: "Call::on_any",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.call.on_any(move |_| run());
            push(&scene.sim, &scene.call, 0);
        },
    },
    Kind {
        name: "Action::on_completed",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.call.play(silence(SECOND)).unwrap().on_completed(move |_| run());
        },
    },
    Kind {
        name: "Action::on_completed, of what is over",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            let play = scene.call.play(silence(SECOND)).unwrap();
            play.wait(MINUTE).unwrap();
            play.on_completed(move |_| run());
        },
    },
    Kind {
        name: "Message::on",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.client().send_message(text()).unwrap().on(move |_| run());
        },
    },
    Kind {
        name: "Message::on_completed",
        around: Around::Well,
        cause: |scene| {
            let run = later(scene);
            scene.client().send_message(text()).unwrap().on_completed(move |_| run());
        },
    },
    Kind {
        name: "the predicate of wait_for",
        around: Around::Well,
        cause: |scene| {
            let play = scene.call.play(silence(SECOND)).unwrap();
            let fits = |_: &_| {
                scene.run(&scene.call);
                true
            };
            let _closed = scene.call.wait_for("calling.call.play", fits, MINUTE);
            drop(play);
        },
    },
    Kind {
        name: "a reader of states",
        around: Around::Ill,
        cause: |scene| {
            let states = scene.client().states();
            scene.sim.drop_link();
            for state in states {
                if matches!(state, LinkState::Reconnecting { .. }) {
                    scene.run(&scene.call);
                    return;
                }
            }
        },
    },
    Kind {
        name: "a handler in place of which comes another",
        around: Around::Well,
        cause: |scene| {
            let at_drop = AtDrop(Arc::downgrade(scene));
            scene.client().on_call(move |_| {
                at_drop.touch();
                Ok(())
            });
            scene.client().on_call(|_| Ok(()));
        },
    },
    Kind {
        name: "a listener that is removed",
        around: Around::Well,
        cause: |scene| {
            let at_drop = AtDrop(Arc::downgrade(scene));
            scene.call.on_any(move |_| at_drop.touch()).remove();
        },
    },
    Kind {
        name: "a listener of a call that ends",
        around: Around::Ill,
        cause: |scene| {
            let at_drop = AtDrop(Arc::downgrade(scene));
            scene.call.on_any(move |_| at_drop.touch());
            scene.caller.hang_up();
        },
    },
    Kind {
        name: "a handler of a client that is closed",
        around: Around::Ill,
        cause: |scene| {
            let at_drop = AtDrop(Arc::downgrade(scene));
            scene.client().on_message(move |_| {
                at_drop.touch();
                Ok(())
            });
            scene.client().disconnect();
        },
    },
    Kind {
        name: "a callback of a session that is lost",
        around: Around::Ill,
        cause: |scene| {
            let run = later(scene);
            scene.call.play(forever()).unwrap().on_completed(move |_| run());
            scene.sim.forget_sessions();
            scene.sim.drop_link();
        },
    },
    Kind {
        name: "what a listener panicked with",
        around: Around::Well,
        cause: |scene| {
            let weak = Arc::downgrade(scene);
            scene.call.on_any(move |_| panic_any(AtDrop(Weak::clone(&weak))));
            push(&scene.sim, &scene.call, 0);
        },
    },
];

/// The expected result of a method without a fault.
#[derive(Clone, Copy, Debug)]
enum Want {
    Fine,
    Is(ErrorKind),
    /// A result or an error.
    Any,
}

type Method = (&'static str, Want, fn(&Scene, &Client, &Call) -> Result<()>);

#[rustfmt::skip]
fn methods() -> Vec<Method> {
    use ErrorKind::{DialFailed, Timeout};
    use Want::{Any, Fine, Is};
    vec![
        ("Client::execute", Fine, |_, client, _| client.execute("signalwire.ping", json!({})).map(drop)),
        ("Client::notify", Fine, |_, client, _| client.notify("signalwire.something", json!({}))),
        ("Client::receive", Fine, |_, client, _| client.receive(["more"])),
        ("Client::unreceive", Fine, |_, client, _| client.unreceive(["default"])),
        ("Message::wait", Fine, |_, client, _| client.send_message(text())?.wait(MINUTE).map(drop)),
        ("Client::dial", Fine, |_, client, _| client.dial(to(BOB))?.hangup()),
        ("Client::dial of who is busy", Is(DialFailed), |_, client, _| client.dial(to(BUSY)).map(drop)),
        ("Dialing::wait", Is(Timeout), |_, client, _| client.start_dial(to(AWAY))?.wait(SECOND).map(drop)),
        ("Dialing::cancel", Is(DialFailed), |_, client, _| {
            let dialing = client.start_dial(to(AWAY))?;
            dialing.cancel();
            dialing.wait(MINUTE).map(drop)
        }),
        ("Dialing::progress", Fine, |_, client, _| {
            let dialing = client.start_dial(to(BUSY))?;
            dialing.on_progress(|_| {});
            dialing.on_completed(|_| {});
            drop(dialing.progress().last());
            Ok(())
        }),
        ("drop of a Dialing", Fine, |_, client, _| client.start_dial(to(AWAY)).map(drop)),
        ("Client::next_call", Is(Timeout), |_, client, _| client.next_call(5 * MINUTE).map(drop)),
        ("Client::next_message", Is(Timeout), |_, client, _| client.next_message(5 * MINUTE).map(drop)),
        ("Client::calls", Fine, |_, client, _| { drop(client.calls().next()); Ok(()) }),
        ("Client::messages", Fine, |_, client, _| { drop(client.messages().next()); Ok(()) }),
        ("Client::states", Fine, |_, client, _| { drop(client.states().last()); Ok(()) }),
        ("LinkStates::next_within", Fine, |_, client, _| { drop(client.states().next_within(MINUTE)); Ok(()) }),
        ("Client::run", Fine, |_, client, _| client.run()),
        ("Client::disconnect", Fine, |_, client, _| {
            client.disconnect();
            client.disconnect();
            Ok(())
        }),
        ("Client::shutdown", Fine, |_, client, _| { client.shutdown(MINUTE); Ok(()) }),
        ("Builder::connect", Fine, |scene, _, _| {
            let another = builder(&scene.sim).connect()?;
            another.execute("signalwire.ping", json!({}))?;
            another.disconnect();
            Ok(())
        }),
        ("Client::on_call", Fine, |_, client, _| { client.on_call(|_| Ok(())); Ok(()) }),
        ("Client::on_message", Fine, |_, client, _| { client.on_message(|_| Ok(())); Ok(()) }),
        ("Client::on_event", Fine, |_, client, _| { client.on_event(|_| {}).remove(); Ok(()) }),
        ("getters", Fine, |_, client, call| {
            drop((client.stats(), client.state(), client.contexts(), client.protocol(), client.project().is_some()));
            drop((call.state(), call.device(), call.end(), call.tag(), call.client(), call.is_confirmed()));
            drop(format!("{client:?}{call:?}"));
            Ok(())
        }),

        ("Call::answer", Any, |_, _, call| call.answer()),
        ("Call::answer_with", Any, |_, _, call| call.answer_with(Answer::new())),
        ("Call::pass", Any, |_, _, call| call.pass()),
        ("Call::hangup", Fine, |_, _, call| call.hangup()),
        ("Call::hangup_with", Fine, |_, _, call| call.hangup_with(Hangup::new())),
        ("Call::connect", Fine, |_, _, call| call.connect(phone(BOB).from("+15551110000")).map(drop)),
        ("Call::disconnect", Any, |_, _, call| call.disconnect().map(drop)),
        ("Call::send_digits", Fine, |_, _, call| call.send_digits("1").map(drop)),
        ("Call::execute", Any, |_, _, call| call.execute("calling.hold", json!({})).map(drop)),
        ("Call::hold", Fine, |_, _, call| { call.hold()?; call.unhold().map(drop) }),
        ("Call::denoise", Fine, |_, _, call| { call.denoise()?; call.denoise_stop().map(drop) }),
        ("Call::echo", Any, |_, _, call| call.echo().map(drop)),
        ("Call::user_event", Any, |_, _, call| call.user_event("x")),
        ("Call::transfer", Any, |_, _, call| call.transfer("context:elsewhere")),
        ("Call::refer", Any, |_, _, call| call.refer(signalwire_relay::sip("sip:a@b.example")).map(drop)),
        ("Call::queue_enter", Any, |_, _, call| call.queue_enter("support").map(drop)),
        ("Call::join_conference", Any, |_, _, call| call.join_conference("room").map(drop)),
        ("Call::join_room", Any, |_, _, call| { call.join_room("room")?; call.leave_room() }),
        ("Call::bind_digit", Any, |_, _, call| {
            call.bind_digit(signalwire_relay::params::BindDigit::new("1", "calling.play"))?;
            call.clear_digit_bindings()
        }),
        ("Call::ai_message", Any, |_, _, call| call.ai_message("Hello")),
        ("Call::live_transcribe", Any, |_, _, call| {
            call.live_transcribe(signalwire_relay::params::LiveTranscription::new()).map(drop)
        }),
        ("Call::wait_for", Is(Timeout), |_, _, call| call.wait_for("none", |_| true, 5 * MINUTE).map(drop)),
        ("Call::wait_for_ringing", Fine, |_, _, call| call.wait_for_ringing(MINUTE).map(drop)),
        ("Call::wait_for_answered", Fine, |_, _, call| call.wait_for_answered(MINUTE).map(drop)),
        ("Call::wait_for_ending", Is(Timeout), |_, _, call| call.wait_for_ending(5 * MINUTE).map(drop)),
        ("Call::wait_for_ended", Fine, |_, _, call| {
            call.hangup()?;
            call.wait_for_ended(MINUTE).map(drop)
        }),
        ("Call::events", Fine, |_, _, call| {
            let events = call.events();
            call.hangup()?;
            drop(events.last());
            Ok(())
        }),
        ("Call::on", Fine, |_, _, call| {
            call.on_any(|_| {});
            call.on("calling.error", |_| {}).remove();
            Ok(())
        }),

        ("Action::wait of play", Fine, |_, _, call| call.play(silence(SECOND))?.wait(MINUTE).map(drop)),
        ("Action::wait of record", Fine, |_, _, call| {
            call.record(Record::new().max_length(SECOND))?.wait(MINUTE).map(drop)
        }),
        ("Action::wait of collect", Fine, |_, _, call| {
            let how = Collect::digits(1).initial_timeout(SECOND).start_input_timers(true);
            call.collect(how)?.wait(MINUTE).map(drop)
        }),
        ("Action::wait of prompt", Fine, |_, _, call| {
            call.prompt(tts("?"), Collect::digits(1).initial_timeout(SECOND))?.wait(MINUTE).map(drop)
        }),
        ("Action::wait of detect", Any, |_, _, call| call.detect(machine())?.wait(5 * MINUTE).map(drop)),
        ("DetectAction::wait_ready", Any, |_, _, call| call.detect(machine())?.wait_ready(MINUTE).map(drop)),
        ("Action::stop", Fine, |_, _, call| {
            let play = call.play(forever())?;
            play.pause()?;
            play.resume()?;
            play.volume(-3.0)?;
            play.stop()?;
            play.wait(MINUTE).map(drop)
        }),
        ("Action::events", Fine, |_, _, call| { drop(call.play(silence(SECOND))?.events().last()); Ok(()) }),
        ("Action::on_completed", Fine, |_, _, call| { call.play(silence(SECOND))?.on_completed(|_| {}); Ok(()) }),
    ]
}

/// One cell: what is wrong with it.
fn cell(kind: &'static Kind, (_, want, method): Method) -> std::result::Result<(), String> {
    let outcome: Arc<Mutex<Option<Result<()>>>> = Arc::default();
    let slot = Arc::clone(&outcome);
    let scene = Scene::new(Box::new(move |scene, call| {
        let client = scene.client();
        let result = method(scene, &client, call);
        *slot.lock() = Some(result);
    }));
    let causing = Arc::clone(&scene);
    let helper = scene.sim.spawn(move || (kind.cause)(&causing)).unwrap();
    // Waits without a deadline end with the client.
    scene.sim.advance(HOUR);
    scene.client().disconnect();
    helper.join();
    scene.sim.advance(MINUTE);
    let stats = scene.client().stats();
    if (stats.pending_requests, stats.jobs_waiting, stats.timers) != (0, 0, 0) {
        return Err(format!("something is left: {stats:?}"));
    }
    let outcome = outcome.lock().take();
    match (kind.around, want, outcome) {
        (_, _, None) => Err("it has not come back".to_owned()),
        (Around::Ill, _, Some(_)) | (_, Want::Any, Some(_)) | (_, Want::Fine, Some(Ok(()))) => Ok(()),
        (_, Want::Is(kind), Some(Err(error))) if error.kind() == kind => Ok(()),
        (_, want, Some(got)) => Err(format!("wants {want:?}, got {got:?}")),
    }
}

#[test]
fn every_method_returns_in_every_kind_of_callback() {
    let methods = methods();
    let all = KINDS.iter().flat_map(|kind| methods.iter().map(move |method| (kind, *method)));
    let cells: Mutex<Vec<(&'static Kind, Method)>> = Mutex::new(all.collect());
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((kind, method)) = cells.lock().pop() else { return };
                    let name = format!("{} in {}", method.0, kind.name);
                    let outcome = catch_unwind(AssertUnwindSafe(|| watchdog(&name, move || cell(kind, method))));
                    match outcome {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => faults.lock().push(format!("{name}: {fault}")),
                        Err(_) => faults.lock().push(format!("{name}: see the panic above")),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner();
    assert!(faults.is_empty(), "{} cells\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_last_handle_may_go_in_every_kind_of_callback() {
    for kind in KINDS.iter().filter(|kind| kind.name != "a handler of a client that is closed") {
        watchdog(kind.name, move || {
            let done = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&done);
            let scene = Scene::new(Box::new(move |scene, _| {
                drop(scene.client.lock().take());
                count.fetch_add(1, Ordering::SeqCst);
            }));
            let (weak, states) = (scene.weak.clone(), scene.client().states());
            let causing = Arc::clone(&scene);
            let helper = scene.sim.spawn(move || (kind.cause)(&causing)).unwrap();
            helper.join();
            scene.sim.advance(MINUTE);
            assert_eq!(done.load(Ordering::SeqCst), 1, "{}", kind.name);
            assert!(weak.upgrade().is_none(), "{}", kind.name);
            assert!(states.last().is_some_and(|state| state.is_closed()), "{}", kind.name);
            assert_eq!(scene.call.client().map(drop).unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(scene.sim.connections(), 0, "{}", kind.name);
        });
    }
}

// Code that panics.

/// Number of callers who call at once, so that the tests do not need thousands of threads.
const AT_ONCE: usize = 100;

#[test]
fn a_thousand_handlers_that_panic_harm_none_of_the_thousand_beside_them() {
    watchdog("handlers that panic", || {
        let sim = simulator();
        let client = client(&sim);
        let finished = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&finished);
        client.on_call(move |call| {
            let number: usize = call.from_number().trim_start_matches("+1555").parse()?;
            assert!(number % 4 != 1, "on purpose, unanswered");
            call.answer()?;
            call.wait_for_answered(MINUTE)?;
            let play = call.play(silence(SECOND))?;
            assert!(number % 4 != 3, "on purpose, answered");
            play.wait(MINUTE)?;
            call.hangup()?;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        for batch in 0..2000 / AT_ONCE {
            let numbers = batch * AT_ONCE..(batch + 1) * AT_ONCE;
            let callers = numbers.map(|n| (n, sim.caller(format!("+1555{n:07}")).is_silent().dials()));
            for (n, caller) in callers.collect::<Vec<_>>() {
                let reason = caller.wait_ended(MINUTE).unwrap();
                let how = (caller.was_passed(), caller.was_hung_up_on(), reason.as_str());
                let wanted = [
                    (false, true, "hangup"),
                    (true, false, "noAnswer"),
                    (false, true, "hangup"),
                    (false, true, "error"),
                ];
                assert_eq!(how, wanted[n % 4], "call {n}");
            }
        }
        sim.advance(MINUTE);
        assert_eq!(finished.load(Ordering::SeqCst), 1000);
        let stats = client.stats();
        assert_eq!((stats.panics, stats.calls_passed, stats.handler_failures), (1000, 500, 0));
        assert_eq!(
            (stats.calls, stats.pending_requests, stats.jobs_waiting, stats.listener_backlog_bytes),
            (0, 0, 0, 0)
        );
        assert_eq!((stats.workers, stats.connections), (0, 1), "the panics cost threads, or the link");
        assert_eq!(sim.violations(), [""; 0]);
    });
}

#[test]
fn what_panicked_works_the_next_time_in_every_kind_of_callback() {
    /// Panics the first time, and counts.
    fn twice(count: &Arc<AtomicUsize>) -> impl Fn() + Send + Sync + 'static {
        let count = Arc::clone(count);
        move || assert!(count.fetch_add(1, Ordering::SeqCst) > 0, "on purpose")
    }
    watchdog("panics in callbacks", || {
        let sim = simulator();
        let client = builder(&sim).on_handler_failure(HandlerFailure::Leave).connect().unwrap();
        let (call, caller) = answered(&sim, &client);
        let counts: [Arc<AtomicUsize>; 10] = std::array::from_fn(|_| Arc::default());
        let [on_call, on_message, on_event, on, on_any, completed, late, of_text, text_completed, predicate] = &counts;

        let run = twice(on_call);
        client.on_call(move |call| {
            run();
            Ok(call.pass()?)
        });
        let run = twice(on_message);
        client.on_message(move |_| {
            run();
            Ok(())
        });
        let run = twice(on_event);
        client.on_event(move |event| {
            if event.name().as_str() == "queuing.relay.tasks" {
                run();
            }
        });
        let run = twice(on);
        call.on("calling.error", move |_| run());
        let run = twice(on_any);
        call.on_any(move |_| run());
        for round in 0..2 {
            let _caller = sim.caller("+15551230001").is_silent().dials();
            sim.texts("+15553330000", "+15559990000", "hello");
            sim.push_event("queuing.relay.tasks", json!({"context": "default", "message": {}}));
            push(&sim, &call, round);
            sim.advance(MINUTE);
        }
        assert_eq!([on_call, on_message, on_event, on, on_any].map(|count| count.load(Ordering::SeqCst)), [2; 5]);

        // One action has several callbacks, and one text: the second is called though the first panicked.
        let play = call.play(silence(SECOND)).unwrap();
        let message = client.send_message(text()).unwrap();
        for _ in 0..2 {
            let (run, other, third) = (twice(completed), twice(of_text), twice(text_completed));
            play.on_completed(move |_| run());
            message.on(move |_| other());
            message.on_completed(move |_| third());
        }
        play.wait(MINUTE).unwrap();
        message.wait(MINUTE).unwrap();
        for _ in 0..2 {
            let run = twice(late);
            play.on_completed(move |_| run());
        }
        sim.advance(MINUTE);
        assert_eq!([completed, late, text_completed].map(|count| count.load(Ordering::SeqCst)), [2; 3]);
        assert!(of_text.load(Ordering::SeqCst) >= 2);

        for round in 0..2 {
            let (sim, own, run) = (Arc::clone(&sim), call.clone(), twice(predicate));
            let waiter = sim.spawn({
                let call = call.clone();
                move || {
                    let fits = |_: &_| {
                        run();
                        true
                    };
                    catch_unwind(AssertUnwindSafe(|| call.wait_for("calling.error", fits, MINUTE).map(drop)))
                }
            });
            sim.advance(SECOND);
            push(&sim, &own, 10 + round);
            assert_eq!(waiter.unwrap().join().is_err(), round == 0, "the panic is that of the waiting thread");
        }
        // The client's session, tables and threads are unaffected.
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        client.execute("signalwire.ping", json!({})).unwrap();
        sim.advance(MINUTE);
        let stats = client.stats();
        assert_eq!((stats.panics, stats.connections, stats.calls), (8, 1, 0));
        assert_eq!((stats.jobs_waiting, stats.listener_backlog_bytes, stats.workers), (0, 0, 0));
    });
}

// Code that blocks.

#[test]
fn code_that_sleeps_for_minutes_delays_no_other_code() {
    watchdog("handlers that sleep", || {
        let sim = Arc::new(Simulator::builder().virtual_time().start().unwrap());
        let client = Client::builder().simulator(&sim).contexts(["default"]).connect().unwrap();
        let (call, _caller) = answered(&sim, &client);
        let weak = Arc::downgrade(&sim);
        // A handler, a listener and a completion callback that sleep for ten minutes each.
        let sleep = move || {
            if let Some(sim) = weak.upgrade() {
                sim.advance(10 * MINUTE);
            }
        };
        let (first, second, third, slept) = (sleep.clone(), sleep.clone(), sleep, Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&slept);
        client.on_message(move |_| {
            first();
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let count = Arc::clone(&slept);
        call.on("calling.error", move |_| {
            second();
            count.fetch_add(1, Ordering::SeqCst);
        });
        let count = Arc::clone(&slept);
        client.send_message(text()).unwrap().on_completed(move |_| {
            third();
            count.fetch_add(1, Ordering::SeqCst);
        });
        sim.texts("+15553330000", "+15559990000", "hello");
        push(&sim, &call, 0);
        sim.advance(MINUTE);
        // Meanwhile calls come and are served; what each takes is what the people and the service take.
        let took: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (weak, times) = (Arc::downgrade(&sim), Arc::clone(&took));
        client.on_call(move |call| {
            let sim = weak.upgrade().unwrap();
            let began = sim.elapsed();
            call.answer()?;
            call.wait_for_answered(None)?;
            call.play(silence(SECOND))?.wait(None)?;
            call.hangup()?;
            times.lock().push(sim.elapsed() - began);
            Ok(())
        });
        for _ in 0..20 {
            let caller = sim.caller("+15551230001").is_silent().dials();
            let before = sim.elapsed();
            caller.wait_answered(MINUTE).unwrap();
            assert_eq!(sim.elapsed(), before, "it waited for a thread");
            caller.wait_ended(MINUTE).unwrap();
        }
        sim.advance(SECOND);
        assert_eq!(slept.load(Ordering::SeqCst), 0, "they sleep");
        let took = took.lock().clone();
        assert_eq!(took.len(), 20);
        assert!(took.iter().all(|span| *span < 2 * SECOND), "{took:?}");
        sim.advance(10 * MINUTE);
        assert_eq!(slept.load(Ordering::SeqCst), 3);
        // The pings of both sides went on.
        assert_eq!((sim.connections_ever(), client.stats().connections), (1, 1));
        assert_eq!(sim.violations(), [""; 0]);
        client.disconnect();
    });
}

#[test]
fn notices_beyond_the_bound_are_counted_exactly_and_the_end_is_never_dropped() {
    watchdog("a listener that is too slow", || {
        let sim = simulator();
        let client = builder(&sim).tuning(|t| t.max_listener_backlog_bytes(20_000)).connect().unwrap();
        let (call, caller) = answered(&sim, &client);
        let (other, _other_caller) = answered(&sim, &client);
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (weak, list) = (Arc::downgrade(&sim), Arc::clone(&heard));
        call.on_any(move |event| {
            if list.lock().is_empty() {
                weak.upgrade().unwrap().advance(10 * MINUTE);
            }
            list.lock().push(event.name().to_string());
        });
        let events = call.events();
        for number in 0..1000 {
            push(&sim, &call, number);
        }
        sim.advance(MINUTE);
        let stats = client.stats();
        assert!(stats.listener_backlog_bytes <= 20_000, "{stats:?}");
        assert!((500..2000).contains(&stats.listener_events_dropped), "{stats:?}");
        // Events that need no room are not dropped with the others: states, waits, completions.
        let play = other.play(silence(SECOND)).unwrap();
        assert_eq!(play.wait(MINUTE).unwrap().state, PlayState::Finished);
        let dropped = client.stats().listener_events_dropped;
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        sim.advance(20 * MINUTE);
        let pulled: Vec<String> = events.map(|event| event.name().to_string()).collect();
        let heard = heard.lock().clone();
        for list in [&heard, &pulled] {
            assert_eq!(list.last().map(String::as_str), Some("calling.call.state"), "the end is not dropped");
        }
        // Each event was to be told twice: to the listener and to the stream.
        let told = heard.iter().chain(&pulled).filter(|name| *name == "calling.error").count() as u64;
        assert_eq!(told + dropped, 2000, "told {told}, dropped {dropped}");
        sim.advance(MINUTE);
        assert_eq!(client.stats().listener_backlog_bytes, 0);
    });
}

#[test]
fn more_calls_than_may_be_active_are_never_taken_and_each_that_is_passed_is_counted() {
    const MOST: usize = 20;
    watchdog("calls over the limit", || {
        let sim = simulator();
        let client = builder(&sim).max_active_calls(MOST).connect().unwrap();
        let (active, most, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Drops::default());
        let (now, top, flags) = (Arc::clone(&active), Arc::clone(&most), served.clone());
        client.on_call(move |call| {
            let _served = flags.flag();
            top.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let number: u64 = call.from_number().trim_start_matches("+1555").parse()?;
            call.answer()?;
            call.wait_for_answered(MINUTE)?;
            call.play(silence(Duration::from_millis(500 + 37 * (number % 50))))?.wait(MINUTE)?;
            // Before the call leaves the table, so that the count is never too high.
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(call.hangup()?)
        });
        let mut callers = Vec::new();
        for n in 0..300 {
            callers.push(sim.caller(format!("+1555{n:07}")).is_silent().dials());
            if n % 7 == 0 {
                sim.advance(Duration::from_millis(200));
                assert!(client.stats().calls <= MOST, "{}", client.stats().calls);
            }
        }
        sim.advance(MINUTE);
        let passed = callers.iter().filter(|caller| caller.was_passed()).count();
        let answered = callers.iter().filter(|caller| caller.was_answered()).count();
        let stats = client.stats();
        assert!(passed > 20 && answered > 20, "passed {passed}, answered {answered}");
        assert_eq!((passed + answered, passed as u64, served.count()), (300, stats.calls_passed, answered));
        assert_eq!((most.load(Ordering::SeqCst), stats.calls, stats.workers), (MOST, 0, 0));
        assert_eq!(sim.violations(), [""; 0]);
    });
}

// Listeners that come and go.

#[test]
fn listeners_add_and_remove_listeners_while_they_run() {
    watchdog("listeners that change the list", || {
        let sim = simulator();
        let client = client(&sim);
        let (call, caller) = answered(&sim, &client);
        let drops = Drops::default();
        let heard: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        // Each listener receives one event, removes itself, and registers the next one.
        fn add(call: &Call, number: usize, heard: &Arc<Mutex<Vec<(usize, usize)>>>, drops: &Drops) {
            let (own, list, all, flag) = (call.clone(), Arc::clone(heard), drops.clone(), drops.flag());
            let itself: Arc<Mutex<Option<signalwire_relay::events::Listener>>> = Arc::default();
            let slot = Arc::clone(&itself);
            let listener = call.on("calling.error", move |event| {
                flag.touch();
                let raw = event.raw().value();
                let of = raw["error"].as_str().and_then(|text| text.strip_prefix("number ")?.parse().ok());
                list.lock().push((number, of.unwrap()));
                if let Some(listener) = slot.lock().take() {
                    listener.remove();
                    add(&own, number + 1, &list, &all);
                }
            });
            *itself.lock() = Some(listener);
        }
        add(&call, 0, &heard, &drops);
        for number in 0..100 {
            push(&sim, &call, number);
            sim.advance(SECOND);
        }
        assert_eq!(*heard.lock(), (0..100).map(|number| (number, number)).collect::<Vec<_>>());
        assert_eq!(drops.count(), 100, "a listener that was removed is let go");
        caller.hang_up();
        call.wait_for_ended(MINUTE).unwrap();
        sim.advance(SECOND);
        assert_eq!(drops.count(), 101);
    });
}

// Threads.

#[cfg(target_os = "linux")]
#[test]
fn a_live_handler_and_a_listener_that_runs_are_a_thread_each_and_no_more() {
    use crate::support::{Task, in_child, until};
    in_child("user_code::a_live_handler_and_a_listener_that_runs_are_a_thread_each_and_no_more", &[], || {
        const CALLS: usize = 40;
        let sim = simulator();
        let client = client(&sim);
        client.on_call(|call| {
            let own = call.clone();
            call.on("calling.error", move |_| drop(own.wait_for("none", |_| true, 10 * MINUTE)));
            call.answer()?;
            call.wait_for("none", |_| true, 10 * MINUTE)?;
            Ok(())
        });
        let count = |wanted: usize| {
            until("the threads are as many", || match Task::of_the_crate().len() {
                threads if threads == wanted => Ok(()),
                threads => Err(threads),
            });
        };
        count(2);
        let callers: Vec<_> = (0..CALLS).map(|n| sim.caller(format!("+1555{n:07}")).is_silent().dials()).collect();
        callers.iter().for_each(|caller| caller.wait_answered(MINUTE).unwrap());
        sim.advance(MINUTE);
        count(2 + CALLS);
        // Several events for a listener that runs are no reason for several threads.
        for number in 0..3 {
            for caller in &callers {
                sim.push_event("calling.error", json!({"call_id": caller.call_id(), "error": format!("{number}")}));
            }
        }
        sim.advance(MINUTE);
        count(2 + 2 * CALLS);
        assert_eq!((client.stats().workers, client.stats().jobs_waiting), (2 * CALLS, 0));
        callers.iter().for_each(PersonOnCall::hang_up);
        sim.advance(MINUTE);
        count(2);
        assert_eq!((client.stats().workers, client.stats().calls), (0, 0));
    });
}

#[test]
fn no_call_is_lost_when_the_system_refuses_threads() {
    watchdog("threads that are refused", || {
        let sim = simulator();
        let client = client(&sim);
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        client.on_call(move |call| {
            let count = Arc::clone(&count);
            call.on("calling.call.play", move |_| drop(count.fetch_add(1, Ordering::SeqCst).to_string()));
            call.answer()?;
            call.play(silence(SECOND))?.wait(MINUTE)?;
            Ok(call.hangup()?)
        });
        for round in 0..100 {
            let refused = round % 7;
            sim.refuse_threads(refused);
            let caller = sim.caller("+15551230001").is_silent().dials();
            caller.wait_ended(MINUTE).unwrap();
            assert!(caller.was_answered() && caller.was_hung_up_on(), "round {round}");
            // The workers leave, so that the next round needs threads again.
            sim.advance(10 * SECOND);
            assert_eq!((client.stats().workers, client.stats().jobs_waiting), (0, 0));
        }
        let stats = client.stats();
        assert_eq!((stats.calls, stats.calls_passed, stats.handler_failures, stats.panics), (0, 0, 0, 0));
        assert_eq!((heard.load(Ordering::SeqCst), stats.connections), (200, 1));
        assert_eq!(sim.violations(), [""; 0]);
    });
}

#[test]
fn a_refused_thread_is_requested_again_while_the_others_are_busy() {
    watchdog("a listener without a thread", || {
        let sim = simulator();
        let client = client(&sim);
        client.on_call(|call| {
            let own = call.clone();
            call.on("calling.error", move |_| own.hangup().unwrap());
            call.answer()?;
            // The callback waits for the act of its own listener.
            drop(call.wait_for_ended(10 * MINUTE)?);
            Ok(())
        });
        let caller = sim.caller("+15551230001").is_silent().dials();
        caller.wait_answered(MINUTE).unwrap();
        sim.advance(MINUTE);
        sim.refuse_threads(3);
        let before = sim.elapsed();
        sim.push_event("calling.error", json!({"call_id": caller.call_id(), "error": "x"}));
        caller.wait_ended(20 * MINUTE).unwrap();
        let took = sim.elapsed() - before;
        assert!(caller.was_hung_up_on() && took <= SECOND, "{took:?}");
        // The refused threads are not requested again: no worker and no waiting job is left.
        sim.advance(MINUTE);
        assert_eq!((client.stats().workers, client.stats().jobs_waiting), (0, 0));
    });
}

#[test]
fn a_client_whose_threads_are_refused_reports_it_and_reconnects_all_the_same() {
    watchdog("clients without threads", || {
        let sim = simulator();
        sim.refuse_threads(1);
        let error = builder(&sim).connect().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("thread"), "{error}");
        let client = client(&sim);
        let mut states = client.states();
        sim.refuse_threads(5);
        sim.drop_link();
        while !matches!(states.next_within(MINUTE), Some(LinkState::Online { resumed: true })) {
            assert!(!client.state().is_closed());
        }
        sim.refuse_threads(0);
        client.execute("signalwire.ping", json!({})).unwrap();
        let (call, _caller) = answered(&sim, &client);
        call.hangup().unwrap();
    });
}
