//! What runs at once, and what must be true whatever the order.

use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::clock::{Clock, Deadline};
use crate::latch::Latch;
use crate::letters;
use crate::pending::{Again, Answer, CancelOutcome, DeferredCompletion, Lost, Pending, Registered, Request, Slot};
use crate::protocol::frame::Reply;
use crate::release::release;
use crate::transport::{Socket, WriteHalf, Writer};
use crate::workers::{Pool, Workers};
use crate::writing;

type Scenario = (&'static str, fn());

pub(crate) const ALL: [Scenario; 11] = [
    ("table", table),
    ("order", order),
    ("release", broken),
    ("bound", bound),
    ("latch", latch),
    ("workers", work),
    ("mailbox", letters::delivery),
    ("mailbox-without-threads", letters::no_delivery),
    ("hand-over", writing::hand_over),
    ("hand-over-and-loss", writing::hand_over_and_loss),
    ("hand-over-to-nobody", writing::hand_over_to_nobody),
];

const TIMEOUT: Duration = Duration::from_secs(1);

struct Session {
    clock: Clock,
    pending: Pending,
    writer: Writer,
    /// How each request ended, as its effect was told.
    ends: Plain<Vec<(u128, &'static str)>>,
    sent: Plain<Vec<u128>>,
}

fn name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Reply(_) => "reply",
        Answer::Refused(_) => "refused",
        Answer::Lost => "lost",
        Answer::Late => "late",
        Answer::Unsent => "unsent",
        Answer::SessionLost => "session lost",
        Answer::Closed => "closed",
        Answer::ClosedUnsent => "closed unsent",
    }
}

impl Session {
    fn new(offline_limit: usize) -> Arc<Self> {
        let clock = Clock::real();
        Arc::new(Self {
            pending: Pending::new(clock.clone(), offline_limit),
            clock,
            writer: Writer::default(),
            ends: Plain::default(),
            sent: Plain::default(),
        })
    }

    fn complete(&self, owed: Vec<DeferredCompletion>, answer: &Answer) {
        for owed in owed {
            owed.complete(answer.clone());
        }
    }

    fn hand_over(&self, id: u128, mut generation: u64, mut text: String) {
        while let Err(back) = self.writer.send(generation, id, text) {
            match self.pending.again(id, back) {
                Again::Online(next, back) => (generation, text) = (next, back),
                Again::Settled => return,
                Again::Full(owed) | Again::InPlaceOf(owed) => return owed.complete(Answer::Unsent),
            }
        }
    }

    fn ask(self: &Arc<Self>, id: u128, until: Deadline, slot: Option<&Slot>) -> bool {
        let session = Arc::downgrade(self);
        let effect = move |answer: &Answer| {
            let session = session.upgrade().expect("the scenario keeps it");
            session.ends.lock().expect("nothing panics with it").push((id, name(answer)));
        };
        let waiter = slot.map(|slot| slot.sender.clone());
        let request = Request {
            id,
            text: id.to_string(),
            until,
            of_session: false,
            owed: false,
            waiter,
            effect: Some(Box::new(effect)),
        };
        let registered = match slot {
            Some(_) => self.pending.register_in_turn(request),
            None => self.pending.register(request),
        };
        match registered {
            Registered::Closed | Registered::Full | Registered::SessionLost => return false,
            Registered::Queued => {}
            Registered::Online(generation, text) => self.hand_over(id, generation, text),
        }
        true
    }

    /// A blocking request, as `Session::request` makes it.
    fn request(self: &Arc<Self>, id: u128, until: Deadline) {
        let slot = Slot::of_this_thread(&self.clock);
        if !self.ask(id, until, Some(&slot)) {
            assert!(self.ends_of(id).is_empty(), "what was not taken has no end");
            return;
        }
        let answer = slot.wait(&self.clock, id, 1, until).unwrap_or_else(|| {
            let (answer, owed) = match self.pending.withdraw(id) {
                CancelOutcome::Answered => {
                    return slot.wait(&self.clock, id, 1, None).expect("an answer is on its way");
                }
                CancelOutcome::Unsent(owed) => (Answer::Unsent, owed),
                CancelOutcome::Handed(generation, owed) => {
                    let unsent = self.writer.withdraw(generation, id);
                    (if unsent { Answer::Unsent } else { Answer::Late }, owed)
                }
            };
            owed.complete_here(&answer);
            answer
        });
        if let Answer::Reply(Reply(of)) = answer {
            assert_eq!(of, id, "the reply to another request");
        }
        assert_eq!(self.ends_of(id), [name(&answer)], "one end, before its caller knows, and the same");
    }

    fn ends_of(&self, id: u128) -> Vec<&'static str> {
        let ends = self.ends.lock().expect("nothing panics with it");
        ends.iter().filter(|(of, _)| *of == id).map(|(_, end)| *end).collect()
    }

    fn connect(&self, generation: u64) {
        let link = self.writer.prepare(generation);
        if let Some(lost) = release(&self.pending, &self.writer, link, WriteHalf, Socket, self.clock.now()) {
            self.complete_lost(lost);
        }
    }

    fn lose(&self, generation: u64) {
        let unsent = self.writer.close(generation);
        self.complete_lost(self.pending.lost(generation, unsent));
    }

    fn complete_lost(&self, lost: Lost) {
        self.complete(lost.sent, &Answer::Lost);
        self.complete(lost.unsent, &Answer::Unsent);
    }

    fn close(&self) {
        let (sent, unsent) = self.pending.close();
        self.complete(sent, &Answer::Closed);
        self.complete(unsent, &Answer::ClosedUnsent);
    }

    /// Encodes one request, if there is one, and gives its id.
    fn encode(&self) -> Option<u128> {
        let (id, text) = self.writer.encode()?;
        assert_eq!(text, id.to_string(), "the text of another request");
        self.sent.lock().expect("nothing panics with it").push(id);
        Some(id)
    }

    fn reply(&self, id: u128) {
        if let Some(owed) = self.pending.answered(id) {
            owed.complete(Answer::Reply(Reply(id)));
        }
    }

    fn assert_empty(&self) {
        assert_eq!((self.pending.count(), self.pending.queued()), (0, 0), "something is left in the table");
        let mut sent = self.sent.lock().expect("nothing panics with it").clone();
        let count = sent.len();
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent.len(), count, "a request was encoded twice");
    }
}

fn run(session: &Arc<Session>, body: impl FnOnce(&Arc<Session>) + Send + 'static) -> thread::JoinHandle<()> {
    let session = Arc::clone(session);
    thread::spawn(move || body(&session))
}

/// Callers with and without a deadline, replies (one of them twice), the loss of the link and the next one, time, and
/// the end of the client.
fn table() {
    let session = Session::new(8);
    if thread_rng().gen_bool(0.5) {
        session.connect(1);
    }
    let mut threads = Vec::new();
    for caller in 0..2u128 {
        let timed = thread_rng().gen_bool(0.7);
        threads.push(run(&session, move |session| {
            for turn in 1..=2 {
                let until = if timed { session.clock.after(TIMEOUT) } else { None };
                session.request(10 * caller + turn, until);
            }
        }));
    }
    threads.push(run(&session, |session| {
        for _ in 0..4 {
            if let Some(id) = session.encode() {
                session.reply(id);
                session.reply(id);
            }
            thread::yield_now();
        }
    }));
    let link = run(&session, |session| {
        session.lose(1);
        session.connect(2);
    });
    let time = run(&session, |session| {
        session.clock.pass(TIMEOUT);
        session.clock.pass(TIMEOUT);
    });
    let end = run(&session, |session| session.close());
    for thread in threads.into_iter().chain([link, time, end]) {
        thread.join().expect("nothing panics");
    }
    session.assert_empty();
}

/// What one thread posts is encoded in its order, through two losses of the link.
fn order() {
    let session = Session::new(8);
    let poster = run(&session, |session| {
        for id in 1..=5 {
            assert!(session.ask(id, None, None));
        }
    });
    let encoder = run(&session, |session| {
        for _ in 0..6 {
            session.encode();
            thread::yield_now();
        }
    });
    for generation in 1..=2 {
        session.connect(generation);
        thread::yield_now();
        session.lose(generation);
    }
    session.connect(3);
    for thread in [poster, encoder] {
        thread.join().expect("nothing panics");
    }
    while session.encode().is_some() {}
    let sent = session.sent.lock().expect("nothing panics with it").clone();
    assert!(sent.is_sorted(), "out of order: {sent:?}");
    session.close();
    session.assert_empty();
    for id in 1..=5 {
        let ends = session.ends_of(id);
        assert!(ends == ["lost"] || ends == ["closed"], "{id}: {ends:?}");
        assert!(sent.contains(&id) || ends == ["lost"], "{id} was neither sent nor lost");
    }
}

/// A link may end at any moment after the writer was prepared for it, also before what waited is let out on it. What
/// waited then waits for the next one, and nothing waits while there is one.
fn broken() {
    let session = Session::new(8);
    assert!(session.ask(1, None, None) && session.ask(2, None, None));
    let poster = run(&session, |session| assert!(session.ask(3, None, None)));
    let session_of_end = Arc::clone(&session);
    let end = thread::spawn(move || session_of_end.writer.close(1));
    session.connect(1);
    let mut unsent = end.join().expect("nothing panics");
    unsent.extend(session.writer.close(1));
    session.complete_lost(session.pending.lost(1, unsent));
    session.connect(2);
    poster.join().expect("nothing panics");
    while session.encode().is_some() {}
    assert_eq!(session.pending.queued(), 0, "a request waits although there is a link");
    let sent = session.sent.lock().expect("nothing panics with it").clone();
    let waited: Vec<u128> = sent.iter().copied().filter(|id| *id < 3).collect();
    assert_eq!(waited, [1, 2], "what waited is sent, in order");
    assert!(session.ends_of(1).is_empty() && session.ends_of(2).is_empty());
    // A loss between the table and the writer: it may as well have been sent.
    assert!(sent.contains(&3) || session.ends_of(3) == ["lost"], "{:?}", session.ends_of(3));
    session.close();
    session.assert_empty();
}

/// With room for two, no more wait for the link, however they came there: each one that was taken is sent, lost, or
/// told that it was not sent.
fn bound() {
    const ROOM: usize = 2;
    let session = Session::new(ROOM);
    session.connect(1);
    let posters = [1u128, 4].map(|first| {
        run(&session, move |session| {
            let taken = (first..first + 3).filter(|id| session.ask(*id, None, None)).collect::<Vec<_>>();
            for id in first..first + 3 {
                assert!(taken.contains(&id) || session.ends_of(id).is_empty(), "{id} was not taken and has an end");
            }
        })
    });
    let encoder = run(&session, |session| {
        for _ in 0..2 {
            session.encode();
            thread::yield_now();
        }
    });
    session.lose(1);
    assert!(session.pending.queued() <= ROOM, "{} wait", session.pending.queued());
    for thread in posters.into_iter().chain([encoder]) {
        thread.join().expect("nothing panics");
    }
    assert!(session.pending.queued() <= ROOM, "{} wait", session.pending.queued());
    session.connect(2);
    while session.encode().is_some() {}
    session.close();
    session.assert_empty();
    let sent = session.sent.lock().expect("nothing panics with it").clone();
    for id in 1..=6 {
        let ends = session.ends_of(id);
        match ends[..] {
            [] => assert!(!sent.contains(&id), "{id} was not taken and sent"),
            ["unsent"] => assert!(!sent.contains(&id), "{id} is said not to be sent"),
            // A loss between the table and the writer: it may as well have been sent.
            ["lost"] => {}
            ["closed"] => assert!(sent.contains(&id), "{id} was not sent"),
            _ => panic!("{id}: {ends:?}"),
        }
    }
}

/// Two setters, waiters with and without a deadline.
fn latch() {
    let (clock, latch) = (Clock::real(), Arc::new(Latch::new()));
    let setters: Vec<_> = (1..=2)
        .map(|value| {
            let (clock, latch) = (clock.clone(), Arc::clone(&latch));
            thread::spawn(move || latch.set(&clock, value).then_some(value))
        })
        .collect();
    let waiters: Vec<_> = [false, false, true]
        .map(|timed| {
            let (clock, latch) = (clock.clone(), Arc::clone(&latch));
            let until = if timed { clock.after(TIMEOUT) } else { None };
            (timed, thread::spawn(move || latch.wait(&clock, until)))
        })
        .into();
    clock.pass(TIMEOUT);
    let set: Vec<i32> = setters.into_iter().filter_map(|setter| setter.join().expect("nothing panics")).collect();
    assert_eq!(set.len(), 1, "set once");
    assert_eq!(latch.get(), Some(set[0]));
    for (timed, waiter) in waiters {
        let got = waiter.join().expect("nothing panics");
        assert!(got == Some(set[0]) || timed && got.is_none(), "{got:?} instead of {set:?}");
    }
}

/// Jobs from two threads, one of which waits for another's job; workers that leave because they were idle for long
/// or were told to; and a job after all that.
fn work() {
    let clock = Clock::real();
    let pool = Pool { stay: TIMEOUT, ..Pool::default() };
    let workers = Workers::new(clock.clone(), Arc::default(), pool);
    let ran = Arc::new(Plain::new(Vec::new()));
    let opened = Arc::new(Latch::new());
    let job = |n: u32| {
        let (ran, opened, clock) = (Arc::clone(&ran), Arc::clone(&opened), clock.clone());
        move || {
            if n == 1 {
                opened.wait(&clock, None);
            } else if n == 3 {
                opened.set(&clock, ());
            }
            ran.lock().expect("nothing panics with it").push(n);
        }
    };
    let (one, two, three, four) = (job(1), job(2), job(3), job(4));
    let (first, second, time) = (workers.clone(), workers.clone(), clock.clone());
    let threads = [
        thread::spawn(move || {
            first.push(Box::new(one));
            first.push(Box::new(two));
            first.kick();
        }),
        thread::spawn(move || second.run(three)),
        thread::spawn(move || {
            time.pass(TIMEOUT);
            time.pass(TIMEOUT);
        }),
    ];
    for thread in threads {
        thread.join().expect("nothing panics");
    }
    assert!(workers.wait_quiet(None));
    let end = workers.clone();
    let end = thread::spawn(move || end.leave());
    workers.run(four);
    assert!(workers.wait_quiet(None));
    end.join().expect("nothing panics");
    // They leave one by one. The scheduler calls it a deadlock when one stays.
    while workers.threads() > 0 {
        thread::yield_now();
    }
    assert_eq!(workers.waiting(), 0);
    let mut ran = ran.lock().expect("nothing panics with it").clone();
    ran.sort_unstable();
    assert_eq!(ran, [1, 2, 3, 4], "every job, once");
}
