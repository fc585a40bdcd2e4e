//! The end of a client: at once, from anywhere and in every state, or after its calls have ended. In virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use signalwire_relay::actions::PlayAction;
use signalwire_relay::params::Sms;
use signalwire_relay::simulator::{PersonOnCall, Simulator, VirtualThread};
use signalwire_relay::{Call, Client, Dial, ErrorKind, LinkState, MessageState, Play, phone, silence, sms};

use crate::support::{NEVER, child_role, log_to, report, reports_of_child, watchdog};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn simulator() -> Arc<Simulator> {
    Arc::new(Simulator::builder().virtual_time().start().unwrap())
}

fn client(sim: &Simulator) -> Client {
    Client::builder().simulator(sim).contexts(["default"]).drain_limit(10 * MINUTE).connect().unwrap()
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

/// The state of the connection when the client is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Online,
    /// The client is between two attempts, and no server listens.
    BackOff,
    /// The socket stands, and the service does not let us in.
    Authentication,
    /// The service has requested a later reconnect.
    Leaving,
    Draining,
}

/// The way in which the client is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Disconnect,
    /// Thirty-two threads at once, each of them twice.
    Everybody,
    /// A thread that user code runs on.
    Callback,
    Drop,
    Shutdown,
}

fn ends(during: During, by: By) {
    let what = format!("{by:?} during {during:?}");
    let sim = simulator();
    sim.callee("+15552220009").answers_after(NEVER);
    let client = client(&sim);
    let (call, _caller) = answered(&sim, &client);
    let over = call.play(silence(SECOND)).unwrap();
    over.wait(MINUTE).unwrap();
    // Waits that would never end by themselves.
    let play = call.play(forever()).unwrap();
    let dialing = client.start_dial(to("+15552220009")).unwrap();
    sim.advance(SECOND);
    let states = client.states();
    let weak = client.downgrade();
    match during {
        During::Online => {}
        During::BackOff => {
            sim.stop_listening();
            sim.drop_link();
        }
        During::Authentication => {
            sim.never_answer("signalwire.connect");
            sim.wait_for_request("signalwire.connect", MINUTE).unwrap();
            sim.drop_link();
            sim.wait_for_request("signalwire.connect", MINUTE).unwrap();
        }
        During::Leaving => sim.ask_to_reconnect(false),
        During::Draining => {}
    }
    let drains = (during == During::Draining).then(|| {
        let client = client.clone();
        sim.spawn(move || client.shutdown(10 * MINUTE)).unwrap()
    });
    if matches!(during, During::BackOff | During::Draining) {
        sim.advance(SECOND / 10);
    }
    let calls = client.calls();
    let pulls = sim.spawn(move || calls.count()).unwrap();
    let waits = sim.spawn(move || (play.wait(None).map(drop), dialing.wait(None).map(drop))).unwrap();
    // Both wait before anything ends.
    sim.advance(Duration::from_millis(1));
    let before = sim.elapsed();
    match by {
        By::Disconnect => {
            client.disconnect();
            client.disconnect();
            assert!(client.state().is_closed(), "{what}");
            drop(client);
        }
        By::Everybody => {
            let helpers: Vec<_> = (0..32)
                .map(|_| {
                    let client = client.clone();
                    sim.spawn(move || {
                        client.disconnect();
                        client.disconnect();
                        client.state().is_closed()
                    })
                    .unwrap()
                })
                .collect();
            drop(client);
            assert!(helpers.into_iter().all(VirtualThread::join), "{what}");
        }
        By::Callback => in_callback(&sim, &over, client, Client::disconnect),
        By::Shutdown => client.shutdown(Duration::ZERO),
        By::Drop => drop(client),
    }
    assert!(states.last().is_some_and(|state| state.is_closed()), "{what}");
    // A shutdown at its limit hangs up, and receives the ends of the calls.
    let limit = if by == By::Shutdown { 7 * SECOND } else { SECOND };
    let took = sim.elapsed() - before;
    assert!(took <= limit, "{what} took {took:?}");
    assert_eq!(pulls.join(), 0, "{what}");
    let (played, dialled) = waits.join();
    if by == By::Shutdown {
        assert!(dialled.is_err(), "{what}");
    } else {
        let kinds = [played, dialled].map(|outcome| outcome.unwrap_err().kind());
        assert_eq!(kinds, [ErrorKind::Closed; 2], "{what}");
    }
    if let Some(drains) = drains {
        drains.join();
    }
    sim.advance(MINUTE);
    assert_eq!(sim.connections(), 0, "{what}");
    if let Some(client) = weak.upgrade() {
        let stats = client.stats();
        assert_eq!((stats.calls, stats.dials, stats.pending_requests, stats.timers), (0, 0, 0, 0), "{what}");
        assert_eq!((stats.jobs_waiting, stats.workers), (0, 0), "{what}");
    }
}

/// Runs a job with the client on a thread of user code, and waits until it is done.
fn in_callback(sim: &Simulator, over: &PlayAction, client: Client, job: fn(&Client)) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    over.on_completed(move |_| {
        job(&client);
        count.fetch_add(1, Ordering::SeqCst);
    });
    sim.advance(Duration::from_millis(1));
    assert_eq!(done.load(Ordering::SeqCst), 1, "on a thread of ours it does not wait for anybody");
}

#[test]
fn a_client_ends_within_a_second_in_every_state_and_in_every_way() {
    for during in [During::Online, During::BackOff, During::Authentication, During::Leaving, During::Draining] {
        for by in [By::Disconnect, By::Everybody, By::Callback, By::Drop, By::Shutdown] {
            // The draining thread holds a handle, so no other handle is the last one.
            if (during, by) != (During::Draining, By::Drop) {
                watchdog(&format!("{by:?} during {during:?}"), move || ends(during, by));
            }
        }
    }
}

#[test]
fn a_shutdown_lets_a_hundred_calls_finish_and_ends_at_its_limit_what_does_not() {
    watchdog("a drain", || {
        let sim = simulator();
        let client = client(&sim);
        let finished = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&finished);
        client.on_call(move |call| {
            let number: u64 = call.from_number().trim_start_matches("+1555").parse()?;
            call.answer()?;
            // The first fifty take up to fifty seconds, the others would take an hour.
            let span = if number < 50 { number * SECOND_IN_MILLIS } else { 3_600_000 };
            call.play(silence(Duration::from_millis(span + 500)))?.wait(None)?;
            call.hangup()?;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let callers: Vec<_> = (0..100).map(|n| sim.caller(format!("+1555{n:07}")).is_silent().dials()).collect();
        callers.iter().for_each(|caller| caller.wait_answered(MINUTE).unwrap());
        let (going, before) = (client.clone(), sim.elapsed());
        let helper = sim.spawn(move || going.shutdown(MINUTE)).unwrap();
        sim.advance(SECOND);
        // New calls and requests are refused, in and out.
        let late = sim.caller("+15559990009").is_silent().dials();
        sim.advance(SECOND);
        assert!(!late.was_passed() && !late.was_answered(), "it waits for somebody who is subscribed");
        let refusals = [client.dial(to("+15552220000")).map(drop), client.send_message(text()).map(drop)];
        assert_eq!(refusals.map(|refusal| refusal.unwrap_err().kind()), [ErrorKind::Draining; 2]);
        sim.advance(MINUTE - 4 * SECOND);
        assert_eq!(finished.load(Ordering::SeqCst), 50);
        assert!(!client.state().is_closed());
        helper.join();
        let took = sim.elapsed() - before;
        assert!((MINUTE..=MINUTE + SECOND).contains(&took), "{took:?}");
        let ended: Vec<_> = callers.iter().map(|caller| (caller.state(), caller.was_hung_up_on())).collect();
        assert_eq!(ended, [("ended", true); 100]);
        assert!(client.state().is_closed());
        sim.advance(MINUTE);
        assert_eq!((client.stats().workers, client.stats().handler_failures, sim.connections()), (0, 0, 0));
        assert_eq!(sim.violations(), [""; 0]);
    });
}

const SECOND_IN_MILLIS: u64 = 1000;

#[test]
fn handlers_and_callbacks_may_send_text_messages_during_a_shutdown_and_other_threads_may_not() {
    watchdog("texts in a drain", || {
        let sim = simulator();
        let client = client(&sim);
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&outcomes);
        client.on_call(move |call| {
            call.answer()?;
            let (sends, noted) = (call.client().expect("the client"), Arc::clone(&noted));
            let of_callback = (sends.clone(), Arc::clone(&noted));
            call.play(silence(10 * SECOND))?.on_completed(move |_| {
                of_callback
                    .1
                    .lock()
                    .push(("callback", of_callback.0.send_message(text())?.wait(None).map(|sent| sent.state)));
                Ok(())
            });
            call.wait_for_ended(None)?;
            noted.lock().push(("handler", sends.send_message(text())?.wait(None).map(|sent| sent.state)));
            noted.lock().push(("dial", sends.dial(to("+15552220000")).map(|_| MessageState::Sent)));
            Ok(())
        });
        let caller = sim.caller("+15551230001").after_hearing("").waits(20 * SECOND).hangs_up().dials();
        caller.wait_answered(MINUTE).unwrap();
        let going = client.clone();
        let helper = sim.spawn(move || going.shutdown(MINUTE)).unwrap();
        sim.advance(SECOND);
        assert_eq!(client.send_message(text()).map(drop).unwrap_err().kind(), ErrorKind::Draining);
        helper.join();
        let outcomes: Vec<_> =
            outcomes.lock().iter().map(|(who, outcome)| (*who, outcome.as_ref().ok().cloned())).collect();
        let delivered = Some(MessageState::Delivered);
        assert_eq!(outcomes, [("callback", delivered.clone()), ("handler", delivered), ("dial", None)]);
        assert_eq!(client.stats().handler_failures, 0);
    });
}

#[test]
fn a_shutdown_ends_at_its_limit_though_the_connection_is_down() {
    watchdog("a drain without a link", || {
        let sim = simulator();
        let client = client(&sim);
        let (call, caller) = answered(&sim, &client);
        sim.stop_listening();
        sim.drop_link();
        sim.advance(SECOND);
        let before = sim.elapsed();
        client.shutdown(MINUTE);
        // The hang-up that does not get through is waited for a moment.
        let took = sim.elapsed() - before;
        assert!((MINUTE..=MINUTE + 10 * SECOND).contains(&took), "{took:?}");
        assert_eq!(call.wait_for_ended(None).unwrap_err().kind(), ErrorKind::Closed);
        assert!(client.state().is_closed());
        drop(caller);
    });
}

#[test]
fn a_shutdown_goes_on_over_a_resume_and_ends_at_once_with_a_session_that_is_lost() {
    for lost in [false, true] {
        watchdog("a drain over a loss of the link", move || {
            let sim = simulator();
            let client = client(&sim);
            let (call, caller) = answered(&sim, &client);
            let (going, before) = (client.clone(), sim.elapsed());
            let helper = sim.spawn(move || going.shutdown(10 * MINUTE)).unwrap();
            sim.advance(SECOND);
            if lost {
                sim.forget_sessions();
            }
            let mut states = client.states();
            sim.drop_link();
            while !matches!(states.next_within(MINUTE), Some(LinkState::Online { resumed }) if resumed != lost) {
                assert!(sim.elapsed() - before < 5 * MINUTE && !client.state().is_closed());
            }
            if !lost {
                sim.advance(MINUTE);
                assert!(client.state().is_online() && client.dial(to("+15552220000")).is_err(), "it still drains");
                caller.hang_up();
            }
            helper.join();
            assert!(client.state().is_closed());
            assert!(sim.elapsed() - before < 3 * MINUTE);
            assert_eq!(call.wait_for_ended(None).is_err(), lost);
        });
    }
}

#[test]
fn several_shutdowns_at_once_end_together_and_a_disconnect_ends_them_all() {
    watchdog("shutdowns at once", || {
        let sim = simulator();
        let client = client(&sim);
        let (_call, _caller) = answered(&sim, &client);
        let before = sim.elapsed();
        let ends: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let helpers: Vec<_> = (1..=8)
            .map(|n| {
                let (client, sim_of, ends) = (client.clone(), Arc::clone(&sim), Arc::clone(&ends));
                sim.spawn(move || {
                    client.shutdown(n * 10 * MINUTE);
                    ends.lock().push(sim_of.elapsed());
                })
                .unwrap()
            })
            .collect();
        sim.advance(MINUTE);
        assert!(ends.lock().is_empty());
        client.disconnect();
        helpers.into_iter().for_each(VirtualThread::join);
        let ends = ends.lock().clone();
        assert!(ends.iter().all(|end| *end - before <= MINUTE + 3 * SECOND), "{ends:?}");
    });
}

/// A handler whose call is hung up at the limit of a shutdown takes so long to store what it has. Gives how long the
/// shutdown took, and whether it was stored before.
fn stores_in(span: Duration) -> (Duration, usize) {
    let sim = simulator();
    let client = client(&sim);
    let stored = Arc::new(AtomicUsize::new(0));
    let (count, its_client) = (Arc::clone(&stored), client.downgrade());
    client.on_call(move |call| {
        call.answer()?;
        call.play(forever())?.wait(None)?;
        let Some(client) = its_client.upgrade() else { return Ok(()) };
        // No event arrives: this wait passes the time.
        if client.next_message(span).is_err_and(|error| error.kind() == ErrorKind::Timeout) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let caller = sim.caller("+15551230000").is_silent().dials();
    caller.wait_answered(MINUTE).unwrap();
    let before = sim.elapsed();
    client.shutdown(MINUTE);
    assert!(caller.was_hung_up_on());
    (sim.elapsed() - before, stored.load(Ordering::SeqCst))
}

#[test]
fn handlers_of_calls_that_were_hung_up_at_the_limit_get_a_second_to_finish() {
    watchdog("handlers at the limit", || {
        let (took, stored) = stores_in(SECOND / 2);
        assert!(took <= MINUTE + 2 * SECOND, "{took:?}");
        assert_eq!(stored, 1);
        let (took, stored) = stores_in(10 * SECOND);
        assert!(took <= MINUTE + 3 * SECOND, "{took:?}");
        assert_eq!(stored, 0, "and no more than that");
    });
}

#[test]
fn a_client_that_drains_is_subscribed_to_nothing_also_after_a_reconnect() {
    watchdog("a drain over a reconnect", || {
        let sim = simulator();
        let client = client(&sim);
        let (call, _caller) = answered(&sim, &client);
        let going = client.clone();
        let helper = sim.spawn(move || going.shutdown(10 * MINUTE)).unwrap();
        sim.advance(SECOND);
        assert_eq!(sim.journal().requests("signalwire.unreceive").len(), 1);
        let mut states = client.states();
        sim.drop_link();
        while !matches!(states.next_within(MINUTE), Some(LinkState::Online { resumed: true })) {}
        let connects = sim.journal().requests("signalwire.connect");
        let contexts: Vec<_> = connects.iter().map(|connect| connect.params()["contexts"].to_string()).collect();
        assert_eq!(contexts.len(), 2);
        assert!(contexts[0].contains("default") && !contexts[1].contains("default"), "{contexts:?}");
        call.hangup().unwrap();
        helper.join();
        assert_eq!(client.stats().calls_passed, 0);
    });
}

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if record.level() <= log::Level::Warn || text.starts_with("shutting down") {
            report(format!("{} {text}", record.level()));
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_shutdown_says_what_it_waits_for_and_what_it_no_longer_does() {
    const NAME: &str = "stopping::a_shutdown_says_what_it_waits_for_and_what_it_no_longer_does";
    if child_role().is_some() {
        log_to(&Log);
        assert_eq!(stores_in(10 * SECOND).1, 0);
        return;
    }
    let said = reports_of_child(NAME, "drain", &[]);
    let call = said[0].split(['(', ')']).nth(1).unwrap_or_default().to_owned();
    assert_eq!(call.len(), 36, "{said:?}");
    let lines = [
        format!("INFO shutting down within 60s: waiting for 1 call ({call}), 1 handler or callback"),
        format!("WARN shutdown: the limit of 60s has passed, hanging up 1 call: {call}"),
        "WARN shutdown: the limit of 60s has passed, no longer waiting for 1 handler or callback".to_owned(),
    ];
    assert_eq!(said, lines);
}

/// In real time: the kernel stops the whole process, simulator and all, with a ping on its way.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_was_frozen_pings_the_peer_instead_of_giving_up_the_connection() {
    use crate::support::{in_child, until};
    in_child("stopping::a_process_that_was_frozen_pings_the_peer_instead_of_giving_up_the_connection", &[], || {
        let sim = Simulator::builder().pings_every(NEVER).start().unwrap();
        let client = Client::builder().simulator(&sim).contexts(["default"]);
        let client = client.tuning(|t| t.ping_after(SECOND / 4).ping_timeout(2 * SECOND)).connect().unwrap();
        // The peer stops reading: the next ping is not answered, and its two seconds pass in the freeze.
        sim.freeze_link(true);
        let before = client.stats().pings_sent;
        until("a ping is sent", || if client.stats().pings_sent > before { Ok(()) } else { Err(()) });
        let waiting = client.clone();
        let waiter = std::thread::spawn(move || waiting.next_call(SECOND).map(drop));
        let pid = std::process::id();
        let freeze = format!("kill -STOP {pid}; sleep 5; kill -CONT {pid}");
        let frozen = std::process::Command::new("sh").args(["-c", &freeze]).status().unwrap();
        sim.freeze_link(false);
        assert!(frozen.success());
        assert_eq!(waiter.join().unwrap().unwrap_err().kind(), ErrorKind::Timeout, "a wait whose time is up ends");
        client.execute("signalwire.ping", serde_json::json!({})).unwrap();
        let stats = client.stats();
        assert_eq!((stats.connections, sim.connections_ever()), (1, 1), "the link was given up");
        assert!(stats.pings_sent - before < 10, "{stats:?}");
        assert!(client.state().is_online());
    });
}
