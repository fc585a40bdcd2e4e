//! Tests of the table of requests.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::steps;

const LIMIT: usize = 10;

fn request(id: u128, owed: bool, until: Deadline) -> Request {
    Request { id, text: id.to_string(), until, of_session: true, owed, waiter: None, effect: None }
}

/// Creates a table with `count` requests that no thread waits for.
fn filled(limit: usize, count: usize, until: Deadline, online: bool) -> Pending {
    let pending = Pending::new(Clock::real(), limit);
    if online {
        pending.online(Prepared::pretended(1), Instant::now());
    }
    for id in 0..count as u128 {
        assert!(!matches!(pending.register(request(id, false, until)), Registered::Full | Registered::Closed));
        pending.watch(id);
    }
    assert_eq!((pending.count(), pending.posted()), (count, count));
    pending
}

#[test]
fn the_end_of_requests_takes_steps_in_proportion() {
    type End = fn(&Pending, usize);
    let unsent = |count: usize| (0..count as u128).map(|id| (id, id.to_string())).collect::<Vec<_>>();
    let far = Instant::now().checked_add(Duration::from_secs(1000));
    let ends: [(&str, bool, End); 6] = [
        ("closed", false, |pending, count| {
            let (sent, unsent) = pending.close();
            assert_eq!(sent.len() + unsent.len(), count);
        }),
        ("their session is lost", false, |pending, count| assert_eq!(pending.session_lost().len(), count)),
        ("withdrawn", false, |pending, count| {
            (0..count as u128).for_each(|id| assert!(matches!(pending.withdraw(id), CancelOutcome::Unsent(_))));
        }),
        ("answered", true, |pending, count| {
            (0..count as u128).for_each(|id| assert!(pending.answered(id).is_some()));
        }),
        ("lost", true, |pending, count| assert_eq!(pending.lost(1, Vec::new()).sent.len(), count)),
        ("overdue", false, |pending, count| {
            let late = Instant::now() + Duration::from_secs(2000);
            let overdue = std::iter::from_fn(|| pending.overdue(late));
            assert_eq!(overdue.filter(|(_, answer)| matches!(answer, Answer::Unsent)).count(), count);
        }),
    ];
    for (what, online, end) in ends {
        let steps = |count| {
            let pending = filled(usize::MAX, count, far, online);
            let steps = steps::of(|| end(&pending, count));
            assert_eq!((pending.count(), pending.queued(), pending.posted()), (0, 0, 0), "{what}");
            assert_eq!(pending.next(), None, "{what}");
            steps
        };
        let (once, twice) = (steps(500), steps(1000));
        assert!(once >= 500 && twice <= 2 * once, "{what}: {once} steps, {twice} for twice as many");
    }
    let steps = |count| {
        let pending = filled(usize::MAX, count, far, true);
        steps::of(|| assert!(pending.lost(1, unsent(count)).unsent.is_empty()))
    };
    assert!(steps(1000) <= 2 * steps(500) && steps(500) >= 500, "queued again");
}

#[test]
fn what_comes_back_from_a_lost_connection_counts_against_the_bound_and_keeps_its_order() {
    let pending = filled(LIMIT, 30, None, true);
    // The service is about to close the connection, so later requests are queued.
    pending.hold();
    for id in 30..60 {
        let taken = !matches!(pending.register(request(id, false, None)), Registered::Full);
        assert_eq!(taken, id < 30 + LIMIT as u128, "{id}");
    }
    for id in 60..65 {
        assert!(matches!(pending.register(request(id, true, None)), Registered::Queued), "{id} is owed");
    }
    let unsent = (22..30).map(|id| (id, id.to_string())).collect();
    let lost = pending.lost(1, unsent);
    let ids = |owed: &[DeferredCompletion]| {
        let mut ids: Vec<u128> = owed.iter().map(|owed| owed.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&lost.sent), (0..22).collect::<Vec<_>>());
    assert_eq!(ids(&lost.unsent), (32..40).collect::<Vec<_>>(), "the newest have no room");
    let released = pending.online(Prepared::pretended(2), Instant::now());
    let released: Vec<u128> = released.into_iter().map(|(id, _)| id).collect();
    assert_eq!(released, (22..32).chain(60..65).collect::<Vec<_>>());
}

fn awaited(id: u128) -> Request {
    Request { waiter: Some(Clock::real().bounded(1).0), ..request(id, false, None) }
}

#[test]
fn without_room_what_no_thread_waits_for_goes_first() {
    let ids = |owed: &[DeferredCompletion]| owed.iter().map(|owed| owed.id).collect::<Vec<_>>();
    let pending = Pending::new(Clock::real(), LIMIT);
    pending.online(Prepared::pretended(1), Instant::now());
    // A thread waits for each request with an odd ID.
    for id in 0..14 {
        let request = if id % 2 == 1 { awaited(id) } else { request(id, false, None) };
        assert!(matches!(pending.register(request), Registered::Online(1, _)));
    }
    let lost = pending.lost(1, (0..14).map(|id| (id, id.to_string())).collect());
    assert_eq!(ids(&lost.unsent), [12, 10, 8, 6]);
    // Another writer returns the requests that it did not accept: one replaces another in the queue.
    pending.online(Prepared::pretended(2), Instant::now());
    for id in 20..30 {
        assert!(matches!(pending.register(awaited(id)), Registered::Online(2, _)));
    }
    assert_eq!(pending.lost(2, vec![(0, "0".into()), (2, "2".into())]).unsent.len(), 0);
    let mut in_place = Vec::new();
    for id in 40..50 {
        let Registered::Queued = pending.register(awaited(id)) else { break };
    }
    assert_eq!(pending.queued(), LIMIT);
    pending.online(Prepared::pretended(3), Instant::now());
    for id in [40, 41, 0, 42, 43, 2, 44, 45, 46, 47] {
        assert!(matches!(pending.again(id, id.to_string()), Again::Settled), "{id}");
    }
    for id in 60..63 {
        assert!(matches!(pending.register(awaited(id)), Registered::Online(3, _)));
        match pending.again(id, id.to_string()) {
            Again::InPlaceOf(owed) => in_place.push(owed.id),
            Again::Full(owed) => assert_eq!((owed.id, id), (62, 62), "none is left that nobody waits for"),
            _ => panic!("{id}: there is no room"),
        }
    }
    assert_eq!((in_place, pending.queued()), (vec![2, 0], LIMIT));
}

#[test]
fn what_a_writer_gives_back_counts_against_the_bound() {
    let pending = filled(LIMIT, 20, None, true);
    let mut full = 0;
    for id in 0..20 {
        match pending.again(id, id.to_string()) {
            Again::Settled => assert!(id < LIMIT as u128, "{id}"),
            Again::Full(owed) => {
                assert_eq!(owed.id, id);
                full += 1;
            }
            Again::Online(..) | Again::InPlaceOf(_) => panic!("{id}: that link refused it"),
        }
    }
    assert_eq!((full, pending.queued(), pending.count()), (10, LIMIT, LIMIT));
}

#[test]
fn timers_of_requests_are_the_requests_own() {
    let base = Instant::now();
    let at = |seconds| base.checked_add(Duration::from_secs(seconds));
    let pending = Pending::new(Clock::real(), LIMIT);
    for (id, until, first) in [(1, at(5), true), (2, at(9), false), (3, at(2), true), (4, None, false)] {
        assert!(matches!(pending.register(request(id, false, until)), Registered::Queued));
        assert_eq!(pending.watch(id), first, "{id}");
    }
    assert!(!pending.watch(99), "it was answered before it was watched");
    assert!(pending.answered(3).is_some());
    assert_eq!(pending.next(), at(5));
    assert!(pending.overdue(base).is_none());
    let overdue: Vec<u128> =
        std::iter::from_fn(|| pending.overdue(at(100).expect("it is there"))).map(|(o, _)| o.id).collect();
    assert_eq!((overdue, pending.count()), (vec![1, 2], 1));
}

#[test]
fn the_effect_of_a_response_comes_before_its_caller_wakes() {
    let clock = Clock::real();
    let slot = Slot::of_this_thread(&clock);
    let woken = Arc::new(AtomicBool::new(false));
    let (its_slot, was_woken) = (slot.receiver.clone(), Arc::clone(&woken));
    let effect: Effect = Box::new(move |_| was_woken.store(its_slot.try_recv().is_ok(), Ordering::Relaxed));
    DeferredCompletion { id: 1, waiter: Some(slot.sender.clone()), effect: Some(effect) }.complete(Answer::Closed);
    assert!(!woken.load(Ordering::Relaxed), "the effect found its caller woken");
    assert!(matches!(slot.wait(&clock, 1, 1, None), Some(Answer::Closed)));
}

#[test]
fn the_response_to_a_request_that_timed_out_is_not_taken_for_the_next_one() {
    let clock = Clock::real();
    let slot = Slot::of_this_thread(&clock);
    slot.sender.send((1, Answer::Closed)).expect("there is room");
    assert!(slot.wait(&clock, 2, 1, Some(clock.now())).is_none());
    slot.sender.send((2, Answer::ClosedUnsent)).expect("the late one is gone");
    assert!(matches!(slot.wait(&clock, 2, 1, None), Some(Answer::ClosedUnsent)));
}

#[test]
fn the_loss_of_a_connection_ends_the_requests_of_that_connection_alone() {
    let pending = filled(LIMIT, 3, None, true);
    drop(pending.online(Prepared::pretended(2), Instant::now()));
    assert!(matches!(pending.register(request(3, false, None)), Registered::Online(2, _)));
    let lost = pending.lost(1, vec![(2, "2".into())]);
    assert_eq!((lost.sent.len(), lost.unsent.len()), (2, 0));
    assert_eq!((pending.in_flight(2), pending.queued(), pending.count()), (1, 1, 2));
}

#[test]
fn what_is_past_its_deadline_when_the_connection_comes_up_is_not_sent() {
    let pending = Pending::new(Clock::real(), LIMIT);
    let now = Instant::now();
    for (id, until) in [(1, now), (2, now + Duration::from_secs(1))] {
        assert!(matches!(pending.register(request(id, false, Some(until))), Registered::Queued));
    }
    let released = pending.online(Prepared::pretended(1), now);
    assert_eq!(released, [(2, "2".to_owned())]);
    assert!(matches!(pending.withdraw(1), CancelOutcome::Unsent(_)), "its caller is told so");
    assert!(matches!(pending.withdraw(2), CancelOutcome::Handed(1, _)));
}

/// Returns the outcomes of `count` requests that wait for room while `happens` runs.
fn waiting_for_room(of_session: bool, count: usize, happens: impl FnOnce(&Pending)) -> Vec<Registered> {
    let pending = filled(LIMIT, LIMIT, None, false);
    // Only a thread that is not woken reaches this deadline.
    let until = Instant::now().checked_add(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let register = |id| {
            let request = Request { of_session, ..request(id, false, until) };
            scope.spawn(|| pending.register_in_turn(request))
        };
        let threads: Vec<_> = (100..100 + count as u128).map(register).collect();
        while pending.table.lock().waiting < count {
            std::thread::yield_now();
        }
        happens(&pending);
        let registered = threads.into_iter().map(|thread| thread.join().expect("it returns")).collect();
        assert!(until > Some(Instant::now()), "a thread was not woken");
        registered
    })
}

#[test]
fn a_thread_that_waits_for_room_is_woken_by_whatever_makes_it_or_ends_the_wait() {
    let of = |registered: Vec<Registered>, fits: fn(&Registered) -> bool| registered.iter().all(fits);
    let withdrawn =
        waiting_for_room(true, 1, |pending| assert!(matches!(pending.withdraw(0), CancelOutcome::Unsent(_))));
    assert!(of(withdrawn, |one| matches!(one, Registered::Queued)));
    let online = waiting_for_room(true, 3, |pending| {
        assert_eq!(pending.online(Prepared::pretended(1), Instant::now()).len(), LIMIT);
    });
    assert!(of(online, |one| matches!(one, Registered::Online(1, _))));
    let lost = waiting_for_room(true, 3, |pending| assert_eq!(pending.session_lost().len(), LIMIT));
    assert!(of(lost, |one| matches!(one, Registered::SessionLost)), "their session is lost with the others'");
    let of_none = waiting_for_room(false, 3, |pending| assert_eq!(pending.session_lost().len(), LIMIT));
    assert!(of(of_none, |one| matches!(one, Registered::Queued)));
    let closed = waiting_for_room(true, 3, |pending| assert_eq!(pending.close().1.len(), LIMIT));
    assert!(of(closed, |one| matches!(one, Registered::Closed)));
}
