//! Threads are bounded: the behaviour at the limit, and when the system refuses threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use signalwire_relay::connection::Stats;
use signalwire_relay::simulator::{PersonOnCall, Simulator};
use signalwire_relay::{Builder, Client, silence};

use crate::support::{
    Drops, LONG, Warnings, child_role, count, in_child, left, log_to, reports_of_child, until, until_in, virtual_sim,
    watched,
};

const SECOND: Duration = Duration::from_secs(1);

fn plain(sim: &Simulator) -> Builder {
    Client::builder().simulator(sim).contexts(["default"])
}

fn dials_in(sim: &Simulator) -> PersonOnCall {
    sim.caller("+15551230000").is_silent().dials()
}

/// A handler that lasts as long as its call.
fn answers_and_stays(client: &Client) {
    client.on_call(|call| {
        call.answer()?;
        Ok(call.wait_for_ended(None).map(drop)?)
    });
}

fn passed(stats: &Stats) -> (u64, u64, usize) {
    (stats.calls_passed, stats.handlers_late, stats.unclaimed)
}

#[test]
fn a_call_whose_handler_gets_no_thread_in_time_is_passed_back_and_counted() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.max_workers(2)).connect().unwrap();
        answers_and_stays(&client);
        let callers: Vec<_> = (0..5).map(|_| dials_in(&sim)).collect();
        until_in(&sim, "two calls that are answered", || callers[..2].iter().all(PersonOnCall::was_answered));
        // Two answered calls do not show that the last of the five has reached the client.
        let stats = || (client.stats().unclaimed, client.stats().jobs_waiting, client.stats().workers);
        until("three offers that wait", || stats() == (3, 3, 2));
        let begun = sim.elapsed();
        until_in(&sim, "the calls to be passed back", || callers[2..].iter().all(PersonOnCall::was_passed));
        let took = sim.elapsed() - begun;
        assert!((4 * SECOND..=6 * SECOND).contains(&took), "{took:?}");
        assert_eq!(passed(&client.stats()), (3, 3, 0));
        assert_eq!((count(&sim, "calling.pass"), client.stats().jobs_waiting), (3, 0));
        // A thread that is free again takes the next one at once.
        callers[0].hang_up();
        until_in(&sim, "a handler to end", || client.stats().calls == 1);
        let next = dials_in(&sim);
        next.wait_answered(SECOND).unwrap();
        assert_eq!(passed(&client.stats()), (3, 3, 0));
        client.disconnect();
    });
}

#[test]
fn a_thread_that_becomes_free_in_time_takes_the_call_that_waits_longest() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.max_workers(1)).connect().unwrap();
        client.on_call(|call| {
            call.answer()?;
            call.play(silence(3 * SECOND))?.wait(None)?;
            Ok(call.hangup()?)
        });
        let callers: Vec<_> = (0..3).map(|_| dials_in(&sim)).collect();
        callers.iter().for_each(|caller| drop(caller.wait_ended(LONG).unwrap()));
        // The first ends after 3 s, the second after 6 s, and the third has waited for 5 s by then.
        let ends: Vec<_> = callers.iter().map(|caller| (caller.was_hung_up_on(), caller.was_passed())).collect();
        assert_eq!(ends, [(true, false), (true, false), (false, true)]);
        assert_eq!(passed(&client.stats()), (1, 1, 0));
    });
}

#[test]
fn handlers_that_block_keep_no_callback_and_no_message_from_running() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.max_workers(1)).connect().unwrap();
        client.on_call(|call| {
            let own = call.clone();
            call.on("calling.error", move |_| drop(own.hangup()));
            call.answer()?;
            // The handler waits for the act of its own listener.
            Ok(call.wait_for_ended(None).map(drop)?)
        });
        let texts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&texts);
        client.on_message(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let caller = dials_in(&sim);
        caller.wait_answered(LONG).unwrap();
        sim.texts("+15553330000", "+15559990000", "hello");
        until_in(&sim, "the text", || texts.load(Ordering::SeqCst) == 1);
        sim.push_event("calling.error", json!({"call_id": caller.call_id(), "error": "x"}));
        caller.wait_ended(LONG).unwrap();
        assert!(caller.was_hung_up_on());
        until_in(&sim, "nothing is left", || left(&client).is_empty());
    });
}

#[test]
fn messages_wait_for_a_thread_for_as_long_as_it_takes_also_when_the_client_is_closed() {
    watched(|| {
        let sim = Arc::new(virtual_sim());
        let client = plain(&sim).tuning(|t| t.max_workers(1)).connect().unwrap();
        let (drops, texts, weak) = (Drops::default(), Arc::new(AtomicUsize::new(0)), Arc::downgrade(&sim));
        let (flag, counted) = (drops.flag(), Arc::clone(&texts));
        client.on_message(move |_| {
            flag.touch();
            if let Some(sim) = weak.upgrade() {
                sim.advance(60 * SECOND);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        for _ in 0..4 {
            sim.texts("+15553330000", "+15559990000", "hello");
        }
        until_in(&sim, "the first text", || texts.load(Ordering::SeqCst) >= 1);
        client.disconnect();
        until_in(&sim, "the other texts", || texts.load(Ordering::SeqCst) == 4 && drops.count() == 1);
        assert_eq!((client.stats().messages_dropped, client.stats().unclaimed_bytes), (0, 0));
    });
}

#[test]
fn a_call_is_passed_back_when_the_system_refuses_threads_for_longer() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).connect().unwrap();
        answers_and_stays(&client);
        sim.refuse_threads(usize::MAX);
        let caller = dials_in(&sim);
        until_in(&sim, "the call to be passed back", || caller.was_passed());
        assert_eq!(passed(&client.stats()), (1, 1, 0));
        assert_eq!((client.stats().workers, client.stats().jobs_waiting), (0, 0));
        sim.refuse_threads(0);
        let next = dials_in(&sim);
        next.wait_answered(LONG).unwrap();
        client.disconnect();
    });
}

/// At default settings, but for the number of threads, and of callers that `SCALE` says.
#[test]
fn of_many_offers_at_once_those_beyond_the_bounds_are_passed_back_within_the_claim_timeout() {
    watched(|| {
        let callers = std::env::var("SCALE").map_or(1_200, |callers| callers.parse().unwrap());
        let sim = virtual_sim();
        let client = plain(&sim).connect().unwrap();
        answers_and_stays(&client);
        let begun = sim.elapsed();
        let people: Vec<_> = (0..callers).map(|_| dials_in(&sim)).collect();
        until_in(&sim, "every call to be decided", || {
            let stats = client.stats();
            stats.calls == 1_000 && stats.calls_passed == callers - 1_000
        });
        let took = sim.elapsed() - begun;
        assert!(took <= 6 * SECOND, "{took:?}");
        until_in(&sim, "a thousand answers", || count(&sim, "calling.answer") == 1_000);
        until_in(&sim, "all passes", || count(&sim, "calling.pass") as u64 == callers - 1_000);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.calls_passed, stats.calls_dropped), (1_000, callers - 1_000, 0));
        assert_eq!((stats.workers, stats.handlers_late, stats.handler_failures), (1_000, 0, 0));
        people.iter().filter(|person| person.was_answered()).for_each(PersonOnCall::hang_up);
        until_in(&sim, "nothing is left", || left(&client).is_empty());
    });
}

#[test]
fn of_many_offers_at_once_those_without_a_thread_are_passed_back_within_the_claim_timeout() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.max_workers(50)).connect().unwrap();
        answers_and_stays(&client);
        let begun = sim.elapsed();
        let people: Vec<_> = (0..300).map(|_| dials_in(&sim)).collect();
        until_in(&sim, "every call to be decided", || {
            people.iter().all(|person| person.was_answered() || person.was_passed())
        });
        let took = sim.elapsed() - begun;
        assert!(took <= 6 * SECOND, "{took:?}");
        assert_eq!(passed(&client.stats()), (250, 250, 0));
        assert_eq!((client.stats().calls, client.stats().workers), (50, 50));
        client.disconnect();
    });
}

#[test]
fn calls_that_wait_for_a_thread_outlive_a_shutdown_no_longer_than_its_limit() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.max_workers(1).claim_timeout(LONG)).connect().unwrap();
        answers_and_stays(&client);
        let callers: Vec<_> = (0..3).map(|_| dials_in(&sim)).collect();
        callers[0].wait_answered(LONG).unwrap();
        let begun = sim.elapsed();
        client.shutdown(10 * SECOND);
        let took = sim.elapsed() - begun;
        assert!(took <= 13 * SECOND, "{took:?}");
        assert!(callers.iter().all(|caller| caller.was_hung_up_on() || caller.was_passed()));
        assert!(sim.calls().is_empty(), "{:?}", sim.calls());
    });
}

/// Takes so many pieces of 64 KiB from the stack.
fn takes_stack(pieces: usize) -> usize {
    let piece = std::hint::black_box([1_u8; 64 << 10]);
    usize::from(piece[pieces]) + if pieces > 0 { takes_stack(pieces - 1) } else { 0 }
}

#[test]
fn handlers_have_a_stack_of_the_size_that_was_set() {
    // In a process of its own, which a stack that is too small aborts.
    in_child("threads::handlers_have_a_stack_of_the_size_that_was_set", &[], || {
        let sim = virtual_sim();
        let client = plain(&sim).tuning(|t| t.worker_stack_size(32 << 20)).connect().unwrap();
        let (told, taken) = std::sync::mpsc::channel();
        client.on_event(move |_| told.send(takes_stack(160)).unwrap());
        sim.push_event("some.event", json!({}));
        assert_eq!(taken.recv_timeout(LONG).unwrap(), 161);
    });
}

#[test]
fn what_happens_for_want_of_threads_is_a_warning_that_names_the_setting() {
    const NAME: &str = "threads::what_happens_for_want_of_threads_is_a_warning_that_names_the_setting";
    if let Some(role) = child_role() {
        return watched(move || {
            log_to(&Warnings);
            let sim = virtual_sim();
            let client = plain(&sim).tuning(|t| t.max_workers(1)).connect().unwrap();
            answers_and_stays(&client);
            if role == "refused" {
                sim.refuse_threads(usize::MAX);
            } else {
                dials_in(&sim).wait_answered(LONG).unwrap();
            }
            for _ in 0..10 {
                dials_in(&sim);
            }
            sim.advance(30 * SECOND);
            sim.refuse_threads(0);
            client.disconnect();
        });
    }
    let whys = [
        ("busy", "all threads for handlers are busy (Tuning::max_workers)"),
        ("refused", "the system refused a thread for its handler"),
    ];
    for (role, why) in whys {
        let said = reports_of_child(NAME, role, &[]);
        let lines: Vec<&String> = said.iter().filter(|line| line.contains("passed back")).collect();
        assert!(lines[0].ends_with(&format!("is passed back: {why}")), "{said:?}");
        assert_eq!(lines[1..], ["9 more inbound calls were passed back in the last 10s"], "{said:?}");
        let refusals = said.iter().filter(|line| line.starts_with("no thread for a handler")).count();
        assert_eq!(refusals, usize::from(role == "refused"), "{said:?}");
    }
}

#[test]
fn an_offer_queue_that_does_not_fit_the_calls_is_a_warning() {
    const NAME: &str = "threads::an_offer_queue_that_does_not_fit_the_calls_is_a_warning";
    if child_role().is_some() {
        return watched(|| {
            log_to(&Warnings);
            let sim = virtual_sim();
            drop(plain(&sim).max_active_calls(10_000).connect().unwrap());
            drop(plain(&sim).max_active_calls(10).tuning(|t| t.max_unclaimed(10)).connect().unwrap());
            drop(plain(&sim).max_active_calls(10).tuning(|t| t.max_unclaimed(9)).connect().unwrap());
        });
    }
    let said = reports_of_child(NAME, "builder", &[]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("max_unclaimed is 9,") && said[0].ends_with("set it to 10"), "{said:?}");
}

#[test]
fn as_many_calls_may_wait_to_be_pulled_as_may_be_live() {
    watched(|| {
        let sim = virtual_sim();
        let client = plain(&sim).max_active_calls(150).connect().unwrap();
        let callers: Vec<_> = (0..151).map(|_| dials_in(&sim)).collect();
        until_in(&sim, "one call too many to be passed back", || passed(&client.stats()) == (1, 0, 150));
        let taken: Vec<_> = (0..150).map(|_| client.next_call(LONG).unwrap()).collect();
        until_in(&sim, "the call to be passed back", || callers.iter().any(PersonOnCall::was_passed));
        assert_eq!((taken.len(), callers.iter().filter(|caller| caller.was_passed()).count()), (150, 1));
    });
}
